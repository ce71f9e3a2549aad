//! The end of a run: all waits are over, everything is counted, everybody lost is resolved. What is left then must be
//! exactly what lies on the shelves (`model.md` §7, I6).

use super::oracle::Kind;
use super::world::World;
use std::collections::BTreeMap;
use tradepost_central::app::{fence, review, stock, waits};
use tradepost_node::app::problem::Stop;
use tradepost_node::db::stock as node_stock;
use tradepost_sync::rights::Picture;

/// Longer than the longest lease with its margin.
const WAITS_MS: i64 = 80 * 3_600_000;
/// Rounds of counting and resolving.
const ROUNDS_MAX: usize = 4;
/// A barrier closes within this time where everybody is there.
const BARRIER_MS_MAX: i64 = 60_000;

impl World {
    /// Brings a healed world to rest, and judges it.
    pub(super) fn settle(&mut self) {
        if !self.oracle.wrong.is_empty() {
            return;
        }
        self.say("settles");
        self.take_in_the_rest();
        self.be_done_with_the_poisoned();
        let asleep = WAITS_MS;
        self.sleep(asleep);
        let now = self.tau();
        if self.with_hub(|hub| waits::save(&hub.db, asleep, now)).is_err() {
            return;
        }
        self.level();
        for round in 0..ROUNDS_MAX {
            if self.plan.carts {
                self.clear_carts();
            }
            for store in 0..self.stores.len() {
                self.count_everything(store, round);
            }
            for store in 0..self.stores.len() {
                self.close_barriers();
                self.open_barrier(store);
                self.close_barriers();
            }
            if !self.oracle.wrong.is_empty() || self.unsettled().is_empty() {
                break;
            }
        }
        if self.oracle.wrong.is_empty() {
            let unsettled = self.unsettled();
            unsettled.into_iter().for_each(|why| self.oracle.blame(format!("settled: {why}")));
            self.judge_nodes_goods();
            self.judge_clear();
        }
    }

    /// A person looks at what is in quarantine and fences who wrote it: until a barrier's cap lies before it nothing is
    /// decided about items that it may have moved.
    fn be_done_with_the_poisoned(&mut self) {
        let now = self.now;
        for (author, seq) in self.poisoned.clone() {
            for (code, _) in self.stores.clone() {
                // It belongs to one of them.
                self.with_hub(|hub| fence::fence(hub, &code, &author, &fence::Fencing::default(), now)).ok();
            }
            self.with_hub(|hub| review::settle(hub, &author, seq, "everything is counted", now)).ok();
        }
    }

    /// What is on the road arrives.
    fn take_in_the_rest(&mut self) {
        for transfer in 0..self.oracle.transfers.len() {
            let to = self.oracle.transfers[transfer].to;
            for machine in 0..self.machines.len() {
                if self.machines[machine].store == to && self.oracle.transfers[transfer].taken.is_none() {
                    let id = self.fresh_id();
                    let deed = self.oracle.ask(id, machine, to, Kind::TakeIn(transfer));
                    self.ask(deed);
                    self.level();
                }
            }
        }
    }

    /// Every machine of a store counts everything, one after the other: each can burn its own rights only.
    fn count_everything(&mut self, store: usize, round: usize) {
        let mates: Vec<usize> =
            (0..self.machines.len()).filter(|m| self.machines[*m].store == store).collect();
        for turn in 0..mates.len() {
            let machine = mates[(turn + round) % mates.len()];
            let wrong = self.wrong_items(store, turn == 0);
            for item in wrong {
                self.begin_count(machine, item);
                self.run_until(self.now + 100);
            }
            self.level();
        }
    }

    /// Items that must be counted: all, or those of which more is promised than there is.
    fn wrong_items(&mut self, store: usize, all: bool) -> Vec<usize> {
        let pictures = self.pictures(store);
        let short = |item: &usize| pictures.get(item).is_none_or(|it| it.d() < 0);
        (0..self.items.len()).filter(|item| all || short(item)).collect()
    }

    fn close_barriers(&mut self) {
        let began = self.now;
        // The hub looks for a surplus by itself.
        self.run_until(self.now + 5_000);
        while self.now < began + BARRIER_MS_MAX && !self.open_barriers().is_empty() {
            self.run_until(self.now + 500);
        }
        let open = self.open_barriers();
        if !open.is_empty() && self.oracle.wrong.is_empty() {
            self.oracle.blame(format!("barriers don't close though everybody is there: {open:?}"));
        }
        self.level();
    }

    fn pictures(&mut self, store: usize) -> BTreeMap<usize, Picture> {
        let code = self.stores[store].0.clone();
        let mut pictures = BTreeMap::new();
        for item in 0..self.items.len() {
            let sku = self.items[item].sku.clone();
            if let Ok(it) = self.with_hub(|hub| stock::get(hub, &code, &sku)) {
                pictures.insert(item, it.picture);
            }
        }
        pictures
    }

    /// Where goods, rights and the true shelf are not the same.
    fn unsettled(&mut self) -> Vec<String> {
        let mut wrong = Vec::new();
        for store in 0..self.stores.len() {
            for (item, it) in self.pictures(store) {
                let lies = i64::try_from(self.oracle.lies(store, item)).unwrap_or(0);
                let open =
                    self.oracle.transfers.iter().any(|t| t.to == store && t.sku == item && t.taken.is_none());
                let met =
                    it.d() == 0 || (it.available <= 0 && -it.d() <= it.exposure()) || (it.d() > 0 && open);
                if i128::from(lies) != it.on_hand || it.suspended != 0 || !met {
                    let sku = &self.items[item].sku;
                    wrong.push(format!("store {store}: {lies} of {sku} lie on the shelf: {it:?}"));
                }
            }
        }
        wrong
    }

    /// Every node tells the same goods as the shelf.
    fn judge_nodes_goods(&mut self) {
        let mut wrong = Vec::new();
        for machine in &self.machines {
            let Some(running) = &machine.running else { continue };
            let mut on_hand = BTreeMap::new();
            let read = running.reads.with::<_, Stop>(|conn| {
                node_stock::each(conn, |_, sku, row| {
                    on_hand.insert(sku.0, row.on_hand);
                })?;
                Ok(())
            });
            if let Err(stop) = read {
                wrong.push(format!("{} can't be read: {stop:?}", machine.name));
            }
            for (item, known) in self.items.iter().enumerate() {
                let lies = i64::try_from(self.oracle.lies(machine.store, item)).unwrap_or(0);
                let held = on_hand.get(&known.sku).copied().unwrap_or(0);
                if held != lies {
                    wrong
                        .push(format!("{}: {held} of {} on hand, {lies} lie there", machine.name, known.sku));
                }
            }
        }
        wrong.into_iter().for_each(|why| self.oracle.blame(format!("settled: {why}")));
    }
}
