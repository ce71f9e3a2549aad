//! What people in the stores want: customers, and staff who move goods.

use super::oracle::{Kind, State};
use super::world::{Due, Job, World};

/// How long whoever asked waits before asking again, at least.
const PATIENCE_MS: u64 = 500;

impl World {
    /// Somebody at a till wants something.
    pub(super) fn customer(&mut self, machine: usize) {
        if self.healing {
            return;
        }
        let pause = self.plan.deed_ms / 2 + self.luck.below(self.plan.deed_ms);
        self.later(pause, Due::Customer { machine });
        // Nobody serves at a till that was taken away; where the roster names it no longer, nobody promises anything.
        if self.machines[machine].away {
            return;
        }
        if self.plan.carts && self.once_in(3) && self.shop(machine) {
            return;
        }
        let Some(kind) = self.wish(machine) else { return };
        let (id, store) = (self.fresh_id(), self.machines[machine].store);
        let deed = self.oracle.ask(id, machine, store, kind);
        self.cover(machine, deed);
        self.ask(deed);
    }

    fn wish(&mut self, machine: usize) -> Option<Kind> {
        let store = self.machines[machine].store;
        let items = u64::try_from(self.items.len()).unwrap_or(1);
        let sku = usize::try_from(self.luck.below(items)).unwrap_or(0);
        let strict = self.oracle.strict.contains(&sku);
        let there = self.oracle.lies(store, sku);
        match self.luck.below(24) {
            0..=2 => Some(Kind::Delivery(sku, self.between(2, if strict { 9 } else { 20 }))),
            3 if !strict && there > 0 => Some(Kind::Breakage(sku, 1)),
            4..=5 => {
                let of = self.machines.iter().position(|m| m.store == store);
                let mates = u64::try_from(self.plan.machines).unwrap_or(1);
                let mate = of.unwrap_or(0) + usize::try_from(self.luck.below(mates)).unwrap_or(0);
                let to = (mate != machine).then_some(mate);
                Some(Kind::Grant(sku, self.between(1, 4), to))
            }
            6..=7 => match self.refundable(machine) {
                Some((of, line)) => Some(Kind::Refund { of, line }),
                None => self.sale(store),
            },
            8..=9 => match self.open_order(machine) {
                Some(order) if self.once_in(4) => Some(Kind::CallOff(order)),
                Some(order) => Some(Kind::PickUp(order)),
                None => self.sale(store),
            },
            10 if there > 0 && self.stores.len() > 1 => {
                let other = (store + 1) % self.stores.len();
                Some(Kind::Ship { sku, units: self.between(1, 4).min(there), to: other })
            }
            11..=12 => match self.oracle.on_the_road(store) {
                Some(transfer) => Some(Kind::TakeIn(transfer)),
                None => self.sale(store),
            },
            _ => self.sale(store),
        }
    }

    /// Goods in hand were taken from the shelf; of strict items people ask for what they like.
    fn sale(&mut self, store: usize) -> Option<Kind> {
        let items = u64::try_from(self.items.len()).unwrap_or(1);
        let first = self.luck.below(items);
        let lines = self.between(1, 4).min(items);
        let mut wanted = Vec::new();
        for n in 0..lines {
            let sku = usize::try_from((first + n) % items).unwrap_or(0);
            let pieces = self.between(1, 4);
            let strict = self.oracle.strict.contains(&sku);
            let pieces = if strict { pieces } else { pieces.min(self.oracle.lies(store, sku)) };
            if pieces > 0 {
                wanted.push((sku, pieces));
            }
        }
        (!wanted.is_empty()).then_some(Kind::Sale(wanted))
    }

    /// An order that waits at a machine, and that nobody there is busy with.
    fn open_order(&self, machine: usize) -> Option<usize> {
        let busy = |order: usize| {
            self.oracle.deeds.iter().any(|deed| {
                matches!(deed.state, State::Open | State::GivenUp)
                    && matches!(deed.kind, Kind::PickUp(it) | Kind::CallOff(it) if it == order)
            })
        };
        let waits = |order: usize| {
            let it = &self.oracle.web[order];
            it.machine == machine && it.state == "open" && !busy(order)
        };
        (0..self.oracle.web.len()).find(|order| waits(*order))
    }

    fn refundable(&self, machine: usize) -> Option<(usize, usize)> {
        let of = self.oracle.deeds.iter().enumerate().rev().take(40);
        let mut sold = of.filter(|(_, deed)| {
            deed.machine == machine
                && !deed.refunding
                && !deed.forgotten
                && matches!((&deed.kind, &deed.state), (Kind::Sale(_), State::Answered(_)))
        });
        sold.next().map(|(index, _)| (index, 0))
    }

    /// Asks for a deed that has no answer yet, and again later; now and then somebody asks for what was answered.
    pub(super) fn ask(&mut self, deed: usize) {
        let it = &mut self.oracle.deeds[deed];
        let again = matches!(it.state, State::Answered(_)) && !it.old && self.luck.below(4) == 0;
        if it.state != State::Open && !again {
            return;
        }
        it.tries += 1;
        let (machine, tries) = (it.machine, it.tries);
        // Whoever has a cart in hand doesn't wait long at a till that sends customers away.
        let checkout = matches!(self.oracle.deeds[deed].kind, Kind::Checkout(_));
        let times = u64::from(tries.min(if checkout { 1 } else { 4 }));
        let patience = self.between(PATIENCE_MS, 6 * PATIENCE_MS) * times;
        if !again {
            self.later(patience + 2_000, Due::Ask { deed });
        }
        if let Kind::Checkout(basket) = self.oracle.deeds[deed].kind
            && !again
            && !self.custody_is_here(deed, basket)
        {
            return;
        }
        let waits = self.jobs[machine].iter().any(|job| matches!(job, Job::Deed(other) if *other == deed));
        if self.machines[machine].running.is_some() && !waits {
            if let Kind::Checkout(basket) = self.oracle.deeds[deed].kind {
                self.oracle.baskets[basket].unheard.insert(machine);
            }
            self.enqueue(machine, Job::Deed(deed));
        }
    }
}
