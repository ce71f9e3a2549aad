//! Counting the shelf while others sell, thieves, and people who can't count.

use super::oracle::{Count, Kind, Receipt, State};
use super::world::{Due, Job, World};
use tradepost_commerce::document::Sku;
use tradepost_node::app::count::{self, Held};
use tradepost_sync::ids::Id;

/// Goods that somebody took from the shelf are on their way to a till no longer than this; else nobody counts.
const BASKET_MS_MAX: i64 = 90_000;

/// Somebody counts an item.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counting {
    /// The count.
    pub(super) id: Id,
    /// At which machine.
    pub(super) machine: usize,
    /// What.
    pub(super) item: usize,
    /// It ends, else it begins.
    pub(super) ends: bool,
    /// What whoever counts found.
    pub(super) found: u64,
    /// What is true of it, as far as it has come.
    pub(super) truth: Count,
}

impl World {
    /// Somebody feels like counting.
    pub(super) fn count_round(&mut self) {
        if self.healing {
            return;
        }
        let pause = self.between(self.plan.deed_ms, 4 * self.plan.deed_ms);
        self.later(pause, Due::Count);
        let machine = self.any_machine();
        let store = self.machines[machine].store;
        let items = u64::try_from(self.items.len()).unwrap_or(1);
        let item = usize::try_from(self.luck.below(items)).unwrap_or(0);
        // Where nobody ever counts, the books alone must make the shelf. After a loss everything is counted.
        let lost = self.machines.iter().any(|it| it.store == store && it.away);
        if (lost || is_rough(item)) && self.countable(store, item) {
            self.begin_count(machine, item);
        }
    }

    /// Somebody begins to count an item at a machine.
    pub(super) fn begin_count(&mut self, machine: usize, item: usize) {
        let it = &self.machines[machine];
        if it.running.as_ref().is_some_and(|running| running.node.me().1.registered) {
            let id = self.fresh_id();
            let truth = Count { beyond: 0, thefts: 0, exact: true };
            self.enqueue(machine, Job::Count(Counting { id, machine, item, ends: false, found: 0, truth }));
        }
    }

    /// A count was begun, or ended, as somebody was told.
    pub(super) fn counted(&mut self, counting: &Counting, told: &Receipt) {
        let name = self.machines[counting.machine].name.clone();
        let sku = self.items[counting.item].sku.clone();
        if counting.ends {
            self.oracle.counts.insert((told.author, told.seq), counting.truth);
            return self.note("count", &format!("of {sku} at {name}"));
        }
        self.say(&format!("{name} begins to count {sku}"));
        let after = if self.healing { 20 } else { self.between(200, 20_000) };
        self.later(after, Due::CountEnds(Counting { ends: true, ..*counting }));
    }

    /// Whoever counts has come to the end, unless somebody is busy with the item.
    pub(super) fn count_ends(&mut self, counting: Counting) {
        let store = self.machines[counting.machine].store;
        if self.machines[counting.machine].running.is_some() && self.countable(store, counting.item) {
            self.enqueue(counting.machine, Job::Count(counting));
        }
    }

    pub(super) fn count_failed(&mut self, counting: &Counting, why: &str) {
        self.say(&format!("a count at {} failed: {why}", self.machines[counting.machine].name));
    }

    /// Whether an item can be counted: nothing is half received, half handed over, or long in somebody's basket.
    fn countable(&self, store: usize, item: usize) -> bool {
        let strict = self.oracle.strict.contains(&item);
        let in_the_way = self.oracle.deeds.iter().any(|deed| {
            let basket = matches!(deed.kind, Kind::Sale(_)) && !strict;
            deed.state == State::Open
                && deed.store == store
                && (!basket || self.now - deed.asked > BASKET_MS_MAX)
                && self.oracle.moved(deed).iter().any(|(sku, _)| *sku == item)
        });
        !in_the_way && !self.oracle.in_a_cart_since(store, item, self.now - BASKET_MS_MAX)
    }

    /// Whoever counts looks at the shelf.
    pub(super) fn look_at_shelf(&mut self, counting: &mut Counting) {
        let store = self.machines[counting.machine].store;
        counting.truth.exact &= !self.oracle.in_somebodys_hands(store, counting.item);
        if !counting.ends {
            return;
        }
        let there = self.oracle.lies(store, counting.item);
        counting.found = self.pieces_found(store, counting.item, there);
        // Below zero are goods that somebody was promised and that a thief has.
        let owed = self.oracle.shelf.get(&(store, counting.item)).copied().unwrap_or(0);
        counting.truth.beyond = i64::try_from(counting.found).unwrap_or(0) - owed;
        counting.truth.thefts = self.oracle.thefts.len();
    }

    /// What is found, by somebody who may miscount.
    fn pieces_found(&mut self, store: usize, item: usize, there: u64) -> u64 {
        self.counted_raw.push((store, item, there));
        if self.healing || !is_rough(item) || !self.once_in(8) {
            return there;
        }
        let by = self.between(1, 4);
        let up = self.once_in(2);
        if up {
            self.oracle.excuse(store, item, by);
        }
        self.note("miscount", &format!("of {by}, up: {up}"));
        if up { there + by } else { there.saturating_sub(by) }
    }

    /// A thief takes goods from a shelf.
    pub(super) fn theft(&mut self) {
        let machine = self.any_machine();
        let store = self.machines[machine].store;
        let items = u64::try_from(self.items.len()).unwrap_or(1);
        let item = usize::try_from(self.luck.below(items)).unwrap_or(0) | 1;
        if item < self.items.len() {
            let taken = self.between(1, 4).min(self.oracle.lies(store, item));
            self.oracle.stolen(store, item, taken);
            self.note("theft", &format!("of {taken} of {}", self.items[item].sku));
        }
    }

    /// What every neighbour that a machine is in session with says it holds.
    pub(super) fn held_by_neighbours(&self, machine: usize) -> Vec<Held> {
        let mut held = Vec::new();
        for link in self.links.values().filter(|link| link.is_lan()) {
            let ends = link.ends();
            let other = if ends.0 == Some(machine) { 1 } else { 0 };
            let is_one = ends.0 == Some(machine) || ends.1 == Some(machine);
            let met = link.sides.iter().all(|side| side.session.met() && !side.closed);
            let Some(there) = link.sides[other].who.filter(|_| is_one && met) else {
                continue;
            };
            let Some(running) = &self.machines[there].running else {
                continue;
            };
            if self.muted(there, link) {
                continue;
            }
            if let Ok(heads) = count::held(&running.node) {
                held.push((running.node.mark().incarnation, heads));
            }
        }
        held
    }

    /// An item's code.
    pub(super) fn sku_of(&self, item: usize) -> Sku {
        Sku(self.items[item].sku.clone())
    }

    /// Any machine.
    pub(super) fn any_machine(&mut self) -> usize {
        let machines = u64::try_from(self.machines.len()).unwrap_or(1);
        usize::try_from(self.luck.below(machines)).unwrap_or(0)
    }
}

/// Thieves and people who miscount come to every other item.
pub(super) fn is_rough(item: usize) -> bool {
    item % 2 == 1
}
