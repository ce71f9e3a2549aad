//! A machine that is lost for good, what the manager does about it, and what the hub does by itself meanwhile.

use super::world::{Due, World};
use tradepost_central::app::fence::{self, Fencing};
use tradepost_central::app::{Fault, barrier, burns, recovering, reserve, transfers, waits};
use tradepost_sync::barrier::Purpose;
use tradepost_sync::ids::{Id, Incarnation};

/// How often the hub looks after things.
const LOOK_MS: u64 = 2_000;
/// Waits are saved every so many looks.
const LOOKS_A_SAVE: u64 = 30;

impl World {
    /// The hub's upkeep.
    pub(super) fn upkeep(&mut self) {
        self.later(LOOK_MS, Due::Upkeep);
        if self.hub.hub.is_none() {
            return;
        }
        self.looks += 1;
        self.later_programs_answer();
        let (now, saves) = (self.now, self.looks.is_multiple_of(LOOKS_A_SAVE));
        let (tau, ids) = (self.tau(), self.fresh_ids());
        let looked = self.with_hub(|hub| {
            transfers::announce(hub, now)?;
            reserve::sweep(hub, tau)?;
            if saves {
                let ran = i64::try_from(LOOK_MS * LOOKS_A_SAVE).unwrap_or(0);
                waits::save(&hub.db, ran, tau)?;
            }
            barrier::advance(hub, now)?;
            recovering::advance(hub, &ids, now)?;
            burns::advance(hub, &ids, now)?;
            barrier::counted_stores(hub)
        });
        for store in looked.unwrap_or_default() {
            let id = self.fresh_id();
            let opened = self.with_hub(|hub| {
                let present = hub.present.all();
                barrier::open_where_due(hub, store, id, &present, now)
            });
            if opened.unwrap_or(false) {
                self.note("barrier", &format!("the hub opens {id} in {store} to mint"));
            }
        }
        self.tamper_upkeep();
        self.spread_news();
    }

    /// A machine loses its ways, sells on for a while, and then it burns down.
    pub(super) fn lose_for_good(&mut self, machine: usize) {
        let store = self.machines[machine].store;
        let other = self.machines.iter().any(|it| it.store == store && (it.away || it.doomed || it.twin));
        if !self.plan.losses || other {
            return;
        }
        self.machines[machine].doomed = true;
        self.partition(machine, None);
        self.partition_lan(machine);
        let after = self.between(3_000, 25_000);
        self.later(after, Due::Burn { machine });
    }

    /// It burns down. Its manager fences it, has everything counted, and wants its rights back.
    pub(super) fn burn_down(&mut self, machine: usize) {
        let store = self.machines[machine].store;
        self.machines[machine].doomed = false;
        let may = self.hub.hub.is_some() && !self.machines[machine].twin && !self.healing;
        let Some(lost) = self.member(machine).filter(|_| may) else { return };
        let known = self.with_hub(|hub| tradepost_central::app::nodes::is_member(hub, &lost));
        self.machines[machine].away = true;
        self.machines[machine].lost = true;
        self.machines[machine].restored = false;
        self.down(machine, None, "for good");
        self.note("lost", &format!("{} as {lost}, known {known:?}", self.machines[machine].name));
        let (code, now) = (self.stores[store].0.clone(), self.now);
        let fencing = Fencing { successor: None, attested: Some("it burnt down".to_owned()) };
        let done = self.with_hub(|hub| fence::fence(hub, &code, &lost, &fencing, now));
        self.say(&format!("fenced: {:?}", done.map_err(|fault| fault.to_string())));
        self.later(12_000, Due::Resolve { store });
        let back = self.between(13_000, 90_000);
        self.later(back, Due::Back { machine });
        self.spread_news();
    }

    /// Somebody has found it under the ashes, and switches it on.
    pub(super) fn come_back_from_ashes(&mut self, machine: usize) {
        if std::mem::take(&mut self.machines[machine].away) {
            self.note("back", &self.machines[machine].name.clone());
            self.up(machine);
        }
    }

    /// The manager opens a barrier, as soon as the hub has one decide anything.
    pub(super) fn resolve(&mut self, store: usize) {
        if self.healing {
            return;
        }
        let pause = self.between(8_000, 20_000);
        self.later(pause, Due::Resolve { store });
        self.open_barrier(store);
    }

    /// Whether a barrier was opened that resolves whoever was lost in a store.
    pub(super) fn open_barrier(&mut self, store: usize) -> bool {
        if self.hub.hub.is_none() {
            return false;
        }
        let (code, now, id) = (self.stores[store].0.clone(), self.now, self.fresh_id());
        let opened = self.hub_may_refuse(|hub| barrier::open(hub, &code, id, Purpose::Resolve, now));
        let said = opened.as_ref().map_err(ToString::to_string);
        self.note("barrier", &format!("to resolve in store {store}: {said:?}"));
        self.spread_news();
        opened.is_ok()
    }

    /// Runs something at the hub that may also be too early.
    fn hub_may_refuse<T>(
        &mut self,
        job: impl FnOnce(&tradepost_central::hub::Hub) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let Some(hub) = &self.hub.hub else {
            return Err(Fault::internal("the hub is off"));
        };
        job(hub)
    }

    /// The incarnation that writes at a machine, where the roster names it.
    pub(super) fn member(&self, machine: usize) -> Option<Incarnation> {
        let running = self.machines[machine].running.as_ref()?;
        running.node.me().1.registered.then(|| running.node.me().0)
    }

    /// Ids of barriers that are open.
    pub(super) fn open_barriers(&mut self) -> Vec<Id> {
        let stores: Vec<i64> = self.stores.iter().map(|(_, no)| *no).collect();
        let mut open = Vec::new();
        for store in stores {
            let current = self.with_hub(|hub| hub.db.read(|tx| barrier::current(tx, store)));
            open.extend(current.ok().flatten().map(|it| it.id));
        }
        open
    }
}
