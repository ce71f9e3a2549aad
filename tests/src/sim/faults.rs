//! The weather: what breaks, and how it is mended.

use super::hub_work::short;
use super::machine::Cut;
use super::world::{Due, Job, Link, World};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tradepost_central::app::ingest;
use tradepost_central::app::shelf::ShelfMemory;
use tradepost_node::app::problem::Stop;
use tradepost_node::app::start::Opening;
use tradepost_node::db::incarnations;
use tradepost_sync::ids::Incarnation;
use tradepost_sync::session::Applied;

/// Backups kept of one machine.
const BACKUPS_MAX: usize = 3;

impl World {
    /// Something breaks, and soon something else.
    pub(super) fn fault(&mut self) {
        if self.healing {
            return;
        }
        let pause = self.plan.fault_ms / 2 + self.luck.below(self.plan.fault_ms);
        self.later(pause, Due::Fault);
        let machines = u64::try_from(self.machines.len()).unwrap_or(1);
        let machine = usize::try_from(self.luck.below(machines)).unwrap_or(0);
        match self.luck.below(40) {
            0..=2 => self.cut_a_link(),
            3..=4 => self.partition(machine, None),
            5 => self.partition_store(machine),
            6 => self.partition_lan(machine),
            7 => self.mute_a_way(),
            8..=11 => self.arm(machine),
            12 => self.kill(machine),
            13 => self.power_cut(machine),
            14..=15 => self.kill_hub(),
            16..=17 => self.break_clock(machine),
            18 => self.fill_disk(machine),
            19..=20 => self.say_again(),
            21 => self.later_event(machine),
            22 => self.slow_down(machine),
            23..=24 => self.back_up(machine),
            25..=27 => self.put_back(machine),
            28..=30 => self.theft(),
            31..=32 => self.back_up_hub(),
            33..=35 => self.put_hub_back(),
            36 => self.clone_machine(machine),
            _ => self.lose_for_good(machine),
        }
    }

    fn cut_a_link(&mut self) {
        let links: Vec<u64> = self.links.keys().copied().collect();
        if links.is_empty() {
            return;
        }
        let at = usize::try_from(self.luck.below(u64::try_from(links.len()).unwrap_or(1))).unwrap_or(0);
        self.note("link cut", &links[at].to_string());
        self.drop_link(links[at]);
    }

    pub(super) fn partition(&mut self, machine: usize, neighbour: Option<usize>) {
        let for_ms = self.between(2_000, 60_000);
        if !self.cut.insert((machine, neighbour)) {
            return;
        }
        let name = self.machines[machine].name.clone();
        self.note("partition", &format!("{name} {neighbour:?} for {for_ms}"));
        self.later(for_ms, Due::Mended { machine, neighbour });
        let ends = (Some(machine), neighbour);
        let links: Vec<u64> =
            self.links.iter().filter(|(_, link)| link.ends() == ends).map(|(no, _)| *no).collect();
        links.into_iter().for_each(|link| self.drop_link(link));
    }

    fn partition_store(&mut self, machine: usize) {
        let store = self.machines[machine].store;
        for other in 0..self.machines.len() {
            if self.machines[other].store == store {
                self.partition(other, None);
            }
        }
    }

    /// A machine loses all its neighbours.
    pub(super) fn partition_lan(&mut self, machine: usize) {
        for other in 0..self.machines.len() {
            if other != machine && self.machines[other].store == self.machines[machine].store {
                self.partition(machine.min(other), Some(machine.max(other)));
            }
        }
    }

    /// On some way nothing comes from one end any more, while the other is heard.
    fn mute_a_way(&mut self) {
        let links: Vec<_> = self.links.values().map(Link::ends).collect();
        let Some(at) = usize::try_from(self.luck.below(64)).ok().filter(|_| !links.is_empty()) else {
            return;
        };
        let (Some(machine), neighbour) = links[at % links.len()] else {
            return;
        };
        let (side, for_ms) = (usize::from(self.once_in(2)), self.between(2_000, 60_000));
        self.mute.insert((machine, neighbour, side));
        self.note("one-way", &format!("{machine} {neighbour:?}, side {side} for {for_ms}"));
        self.later(for_ms, Due::Heard { machine, neighbour, side });
    }

    pub(super) fn mend(&mut self, machine: usize, neighbour: Option<usize>) {
        if self.cut.remove(&(machine, neighbour)) {
            self.say(&format!("{} {neighbour:?} is mended", self.machines[machine].name));
        }
    }

    /// The machine's next group is its last.
    fn arm(&mut self, machine: usize) {
        let at = usize::try_from(self.luck.below(4)).unwrap_or(0);
        self.machines[machine].cut = Some(Cut::ALL[at]);
    }

    fn kill(&mut self, machine: usize) {
        if self.machines[machine].running.is_some() {
            self.down(machine, None, "between groups");
        }
    }

    fn power_cut(&mut self, machine: usize) {
        if self.machines[machine].running.is_none() {
            return;
        }
        self.jobs[machine].clear();
        self.drop_links_of(Some(machine));
        if let Err(error) = self.machines[machine].cut_power() {
            self.oracle.blame(format!("no power cut: {error}"));
        }
        self.after_loss(machine, "power cut", "");
    }

    /// A machine is lost; it goes on from a picture of its disk.
    pub(super) fn down(&mut self, machine: usize, picture: Option<PathBuf>, how: &str) {
        self.jobs[machine].clear();
        self.drop_links_of(Some(machine));
        if let Err(error) = self.machines[machine].lose(picture) {
            self.oracle.blame(format!("a machine can't be lost: {error}"));
        }
        self.after_loss(machine, "kill", how);
    }

    pub(super) fn after_loss(&mut self, machine: usize, fault: &'static str, how: &str) {
        let name = self.machines[machine].name.clone();
        self.note(fault, &format!("{name} {how}"));
        let after = self.between(200, 15_000);
        self.later(after, Due::Up { machine });
    }

    /// Switches a machine on.
    pub(super) fn up(&mut self, machine: usize) {
        if self.machines[machine].away {
            return;
        }
        if self.machines[machine].running.is_none() {
            let started = self.machines[machine].start(self.now);
            let name = self.machines[machine].name.clone();
            match started {
                Ok(opening) => {
                    self.say(&format!("{name} starts: {opening:?}"));
                    self.judge_opening(machine, &opening);
                }
                Err(error) => return self.oracle.blame(format!("{name} does not start: {error}")),
            }
            if self.machines[machine].full {
                self.bound(machine);
            }
            self.tamper_at_start(machine);
        }
        self.dial_all(machine);
    }

    /// A machine that was only lost has lost no memory.
    fn judge_opening(&mut self, machine: usize, opening: &Opening) {
        let restored = std::mem::take(&mut self.machines[machine].restored);
        if !restored && *opening != Opening::Whole {
            let name = self.machines[machine].name.clone();
            self.oracle.blame(format!("{name} was switched off and thinks that it lost memory: {opening:?}"));
        }
    }

    fn kill_hub(&mut self) {
        if self.hub.hub.is_none() {
            return;
        }
        self.note("hub kill", "");
        self.drop_links_of(None);
        self.later.iter_mut().for_each(|it| it.present = None);
        if let Err(error) = self.hub.lose(&mut self.luck) {
            self.oracle.blame(format!("the hub can't be lost: {error}"));
        }
        let after = self.between(500, 20_000);
        self.later(after, Due::HubUp);
    }

    pub(super) fn hub_up(&mut self) {
        if self.hub.hub.is_some() {
            return;
        }
        self.say("the hub starts");
        self.poked = 0;
        let luck = self.fresh_luck();
        if let Err(why) = self.hub.start(luck) {
            self.oracle.blame(format!("the hub does not start: {why}"));
        }
    }

    fn break_clock(&mut self, machine: usize) {
        let name = self.machines[machine].name.clone();
        match self.luck.below(4) {
            0 => {
                self.note("clock frozen", &name);
                let now = self.now;
                self.machines[machine].freeze_clock(now);
            }
            1 => self.machines[machine].set_clock(),
            forth => {
                let days = i64::try_from(self.between(1, 401)).unwrap_or(1);
                let days = if forth == 2 { days } else { -days };
                self.note("clock step", &format!("{name} {days} days"));
                self.machines[machine].step_clock(days);
            }
        }
    }

    fn fill_disk(&mut self, machine: usize) {
        if self.machines[machine].running.is_none() || self.machines[machine].full {
            return;
        }
        let name = self.machines[machine].name.clone();
        self.note("disk full", &name);
        self.machines[machine].full = true;
        self.bound(machine);
        let after = self.between(3_000, 40_000);
        self.later(after, Due::Room { machine });
    }

    /// No page more than there are now.
    fn bound(&mut self, machine: usize) {
        let full = self.machines[machine].full;
        if let Some(running) = &self.machines[machine].running
            && let Err(fault) = running.node.bound_file(full.then_some(1))
        {
            self.oracle.blame(format!("a file can't be bounded: {fault}"));
        }
    }

    pub(super) fn give_room(&mut self, machine: usize) {
        if std::mem::take(&mut self.machines[machine].full) {
            self.bound(machine);
            self.say(&format!("{} has room again", self.machines[machine].name));
        }
    }

    /// What was said before is said again, in any order and to anybody of the store: nothing may come of it.
    fn say_again(&mut self) {
        let times = self.between(1, 5);
        for _ in 0..times {
            if self.seen.is_empty() {
                return;
            }
            let kept = u64::try_from(self.seen.len()).unwrap_or(1);
            let at = usize::try_from(self.luck.below(kept)).unwrap_or(0);
            let (store, batch) = self.seen[at].clone();
            let of = short(&batch.incarnation.to_string()).to_owned();
            self.note("said again", &format!("{of} {}..{}", batch.from, batch.to()));
            if self.once_in(2) {
                self.hub_hears_again(store, &batch);
            } else {
                let mates: Vec<usize> =
                    (0..self.machines.len()).filter(|m| self.machines[*m].store == store).collect();
                let count = u64::try_from(mates.len()).unwrap_or(1);
                let machine = mates[usize::try_from(self.luck.below(count)).unwrap_or(0)];
                self.tamper_grant(machine, &batch);
                if self.machines[machine].running.is_some() {
                    self.enqueue(machine, Job::Apply { link: None, batch, canonical: false });
                }
            }
        }
        self.spread_news();
    }

    pub(super) fn hub_hears_again(&mut self, store: usize, batch: &tradepost_sync::session::Batch) {
        let (number, now) = (self.stores[store].1, self.now);
        if self.hub.hub.is_none() {
            return;
        }
        let held = self.held_at_hub(batch);
        let shelf = ShelfMemory::default();
        let done = self.with_hub(|hub| ingest::ingest(hub, &shelf, number, batch, now));
        if let Ok(applied) = done {
            self.said_of(batch, &applied);
            if matches!(applied, Applied::Done(_)) {
                self.tamper_at_hub(batch, held, number);
            }
        }
    }

    fn slow_down(&mut self, machine: usize) {
        let name = self.machines[machine].name.clone();
        if self.slow.remove(&machine).is_none() {
            let by = self.between(200, 2_500);
            self.slow.insert(machine, by);
            self.note("slow link", &format!("{name} by {by}"));
        }
    }

    fn back_up(&mut self, machine: usize) {
        let name = self.machines[machine].name.clone();
        if self.machines[machine].running.is_none() {
            return;
        }
        match self.machines[machine].picture() {
            Ok(picture) => {
                self.machines[machine].backups.push(picture);
                if self.machines[machine].backups.len() > BACKUPS_MAX {
                    self.machines[machine].backups.remove(0);
                }
                self.note("backup", &name);
            }
            Err(error) => self.oracle.blame(format!("no backup: {error}")),
        }
    }

    /// An old database is put back: what its machine alone knew since then is gone, and nobody else loses anything.
    fn put_back(&mut self, machine: usize) {
        // Whoever has a backup, beginning with this one.
        let all = self.machines.len();
        let backed = (0..all).map(|n| (machine + n) % all).find(|m| !self.machines[*m].backups.is_empty());
        let machine = backed.unwrap_or(machine);
        let backups = u64::try_from(self.machines[machine].backups.len()).unwrap_or(0);
        // Who forgets again before the hub took it back can't prove which memory it lost: a person must look.
        let member = self.machines[machine].running.as_ref().is_some_and(|it| it.node.me().1.registered);
        let gone = self.machines[machine].away || self.twins_in(self.machines[machine].store);
        if backups == 0 || !member || !self.plan.restores || gone {
            return;
        }
        let at = usize::try_from(self.luck.below(backups)).unwrap_or(0);
        let backup = self.machines[machine].backups[at].clone();
        let (kept, held) = (heads_of_file(&backup), self.held_elsewhere(machine));
        self.carts_may_be_forgotten(machine);
        let lost = self.oracle.put_back(machine, &kept, &held);
        self.jobs[machine].clear();
        self.drop_links_of(Some(machine));
        // Files from before the last return, without the sidecar that would tell, look like a second machine with one
        // key: a person must look, so these are outside the promise.
        let now = self.machines[machine].running.as_ref().map(|running| running.node.me().0);
        let with_sidecar = !self.once_in(4) || writer_of_file(&backup) != now;
        if let Err(error) = self.machines[machine].restore(&backup, with_sidecar) {
            self.oracle.blame(format!("no restore: {error}"));
        }
        self.machines[machine].restored = true;
        self.tamper_restored(machine, &backup);
        let how = format!("{} deeds forgotten, sidecar {with_sidecar}", lost);
        self.after_loss(machine, "restore", &how);
    }

    /// What everybody else holds of a machine's streams.
    fn held_elsewhere(&mut self, machine: usize) -> BTreeMap<Incarnation, u64> {
        let store = self.machines[machine].store;
        let mut held: BTreeMap<Incarnation, u64> = BTreeMap::new();
        let mut note = |incarnation: Incarnation, seq: u64| {
            let known = held.entry(incarnation).or_default();
            *known = seq.max(*known);
        };
        for (index, other) in self.machines.iter().enumerate() {
            if index != machine && other.store == store {
                heads_of_file(other.home()).into_iter().for_each(|(id, seq)| note(id, seq));
            }
        }
        for head in self.hub.heads(self.stores[store].1) {
            note(head.incarnation, head.seq);
        }
        held
    }

    /// Everything is mended, switched on and set right.
    pub(super) fn mend_everything(&mut self) {
        self.say("healed");
        self.cut.clear();
        self.slow.clear();
        for (machine, neighbour, side) in self.mute.clone() {
            self.unmute(machine, neighbour, side);
        }
        self.hub_up();
        for machine in 0..self.machines.len() {
            self.machines[machine].set_clock();
            self.come_back_from_ashes(machine);
            self.machines[machine].cut = None;
            self.give_room(machine);
            if self.machines[machine].running.is_none() {
                self.up(machine);
            }
        }
    }
}

/// The ends of all streams that a database file holds.
pub(super) fn heads_of_file(folder: &std::path::Path) -> BTreeMap<Incarnation, u64> {
    let reads = tradepost_node::db::Reads::new(&folder.join("tradepost.db"));
    let all = reads.with::<_, Stop>(|conn| Ok(incarnations::all(conn)?)).unwrap_or_default();
    all.into_iter().map(|known| (known.id(), known.head.seq)).collect()
}

/// The incarnation that writes in a database file.
fn writer_of_file(folder: &std::path::Path) -> Option<Incarnation> {
    let reads = tradepost_node::db::Reads::new(&folder.join("tradepost.db"));
    let present = reads.with::<_, Stop>(|conn| Ok(incarnations::present(conn)?)).ok().flatten();
    present.map(|known| known.id())
}
