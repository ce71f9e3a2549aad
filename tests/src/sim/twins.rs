//! Two machines from one image: only one of them may go on as what both were (`model.md` §3, G36).

use super::world::{Due, World};

impl World {
    /// Whether there are twins in a store.
    pub(super) fn twins_in(&self, store: usize) -> bool {
        self.machines.iter().any(|it| it.store == store && it.twin)
    }

    /// A machine is switched off, its disk is copied, and both are switched on. A copy beside one that still runs is
    /// outside the promise: nobody can see it.
    pub(super) fn clone_machine(&mut self, machine: usize) {
        let it = &self.machines[machine];
        let busy = it.away || it.doomed || it.restored || self.machines.iter().any(|it| it.twin);
        let may = self.plan.clones && self.member(machine).is_some() && !busy && !self.hub.restored;
        if !may {
            return;
        }
        self.down(machine, None, "to be copied");
        let twin = match self.machines[machine].twin(self.room.path()) {
            Ok(twin) => twin,
            Err(error) => return self.oracle.blame(format!("a machine can't be copied: {error}")),
        };
        // Whoever is refused gets a code of its own from a person.
        (self.machines[machine].lost, self.machines[machine].twin) = (true, true);
        self.machines.push(twin);
        self.jobs.push(Vec::new());
        let (name, twin) = (self.machines[machine].name.clone(), self.machines.len() - 1);
        self.oracle.twins.extend([machine, twin]);
        self.oracle.carts_are_loose(self.machines[machine].store);
        self.note("clone", &name);
        let after = self.between(200, 20_000);
        self.later(after, Due::Up { machine: twin });
        let first = self.between(500, self.plan.deed_ms.max(501));
        self.later(after + first, Due::Customer { machine: twin });
    }
}
