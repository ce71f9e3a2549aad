//! A hub whose database is put back, with its journal or without, and how it comes to itself (`model.md` §3).

use super::faults::heads_of_file;
use super::hub::HubMachine;
use super::world::{Due, World};
use std::cell::Cell;
use std::collections::BTreeMap;
use tradepost_central::app::{Fault, recovering};
use tradepost_sync::clock::Tau;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Id, Incarnation};

/// Copies kept of the hub's database.
const COPIES_MAX: usize = 2;

impl World {
    /// Hub time.
    pub(super) fn tau(&self) -> Tau {
        Tau::told(self.hub.epoch, self.now)
    }

    /// Thirty-two bytes of luck.
    pub(super) fn fresh_luck(&mut self) -> [u8; 32] {
        let mut luck = [0; 32];
        luck.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&self.luck.next().to_le_bytes()));
        luck
    }

    /// Fresh ids for whoever asks for several.
    pub(super) fn fresh_ids(&mut self) -> impl Fn() -> Result<Id, Fault> + use<> {
        let (first, given) = (self.fresh_id(), Cell::new(0u16));
        move || {
            given.set(given.get().wrapping_add(1));
            let mut id = first;
            id.0[14..].copy_from_slice(&given.get().to_be_bytes());
            Ok(id)
        }
    }

    /// Somebody copies the hub's database.
    pub(super) fn back_up_hub(&mut self) {
        if self.hub.hub.is_none() || self.recovers() {
            return;
        }
        if let Err(error) = self.hub.back_up() {
            self.oracle.blame(format!("no copy of the hub's database: {error}"));
        }
        if self.hub.backups.len() > COPIES_MAX {
            self.hub.backups.remove(0);
        }
        self.note("hub backup", "");
    }

    /// An old database of the hub is put back: nobody's word is lost that anybody still holds.
    pub(super) fn put_hub_back(&mut self) {
        // One after the other, as a backup of a hub that has not come to itself is no backup.
        let twins = self.machines.iter().any(|it| it.twin);
        if self.hub.hub.is_none() || !self.plan.hub_restores || twins || self.recovers() {
            return;
        }
        let Some(backup) = self.hub.backups.first().cloned() else { return };
        let with_journal = self.hub.restored || !self.once_in(3);
        self.drop_links_of(None);
        self.later.iter_mut().for_each(|it| it.present = None);
        self.forget_what_nobody_holds(&backup, with_journal);
        if let Err(error) = self.hub.put_back(&backup, with_journal) {
            self.oracle.blame(format!("the hub's database can't be put back: {error}"));
        }
        self.hub.backups.clear();
        self.note("hub restore", &format!("with its journal: {with_journal}"));
        let after = self.between(500, 10_000);
        self.later(after, Due::HubUp);
    }

    fn forget_what_nobody_holds(&mut self, backup: &std::path::Path, with_journal: bool) {
        let mut held: BTreeMap<Incarnation, u64> = BTreeMap::new();
        let files = self.machines.iter().map(|machine| heads_of_file(machine.home()));
        let stores = self.stores.iter().flat_map(|(_, no)| HubMachine::heads_in(backup, *no));
        let stores = stores.map(|head: HeadMark| (head.incarnation, head.seq));
        for (incarnation, seq) in files.flatten().chain(stores) {
            let known = held.entry(incarnation).or_default();
            *known = seq.max(*known);
        }
        let lost = self.oracle.forget_but(&held);
        if lost > 0 {
            self.say(&format!("{lost} deeds are forgotten with it"));
        }
        if !with_journal {
            self.oracle.web.iter_mut().for_each(|order| order.unsure = true);
        }
    }

    /// Whether the hub recovers anywhere.
    pub(super) fn recovers(&mut self) -> bool {
        let stores: Vec<i64> = self.stores.iter().map(|(_, no)| *no).collect();
        stores
            .into_iter()
            .any(|store| self.with_hub(|hub| hub.db.read(|tx| recovering::is(tx, store))).unwrap_or(false))
    }

    /// A node holds more of the hub's own stream than the hub does.
    pub(super) fn hub_is_told(&mut self, link: u64, told: Option<HeadMark>, why: &str) {
        if !self.hub.restored {
            return self.oracle.blame(format!("the hub was told that it lost memory: {why}"));
        }
        let (store, who) =
            self.links.get(&link).map_or((None, None), |it| (it.sides[1].store, it.sides[1].peer));
        let luck = self.fresh_luck();
        if let (Some(store), Some(who), Some(told)) = (store, who, told) {
            let noticed = self.with_hub(|hub| recovering::noticed(hub, store, who, &told, luck));
            self.hub.look_at_time();
            self.say(&format!("the hub is told that it lost memory: {why}: {noticed:?}"));
        }
        self.spread_news();
    }

    /// A person who has looked after every machine says that nobody sells on a lease of the forgotten time.
    pub(super) fn attest_recovery(&mut self) {
        let now = self.now;
        if self.recovers() {
            let done = self.with_hub(|hub| recovering::attest(hub, "all machines are here", false, now));
            self.say(&format!("attested: {:?}", done.map_err(|fault| fault.to_string())));
            self.spread_news();
        }
    }
}
