//! The wrong shortcuts of model 2: each is the core's own step, but for what the shortcut leaves out.

use crate::barriers::{Barriers, State, Wrong};
use crate::kit::{H, id, inc, sku, tau};
use std::collections::BTreeMap;
use tradepost_sync::barrier::{Barrier, Purpose, Settlement, decide};
use tradepost_sync::body::{BarrierClosed, CutHead};
use tradepost_sync::count::Fold;
use tradepost_sync::fence::Waits;
use tradepost_sync::replica::bodies;

impl Barriers {
    /// A close as the core does it, but for the one wrong step.
    pub(crate) fn closes_wrong(&self, state: &mut State, barrier: &Barrier) -> bool {
        if barrier.ready(|i| state.shop.nodes[H].reach(i)).is_err() {
            return false;
        }
        let caps: Vec<CutHead> = if self.wrong == Wrong::NoRowCap { Vec::new() } else { barrier.caps() };
        let frontier = barrier.frontier();
        let closed = BarrierClosed { barrier: barrier.id, caps, frontier, fold: None, void: false };
        state.shop.write(H, &closed.into());
        let settlement = self.settles(state, barrier);
        for body in bodies(&sku(), barrier.id, &settlement) {
            state.shop.write(H, &body);
        }
        true
    }

    fn settles(&self, state: &State, barrier: &Barrier) -> Settlement {
        let now = tau(state.shop.ms);
        let hub = &state.shop.nodes[H];
        let mut case = hub.case(&sku(), barrier);
        // Without a cap the core resolves nobody: the wrong step takes that in its stride.
        case.columns.values_mut().for_each(|column| column.capped = true);
        match self.wrong {
            Wrong::ByBook => {
                let over = state.waits.check(inc("F"), now).is_ok();
                let columns = case.columns.iter().filter(|_| over);
                let units = |rights: i128| u64::try_from(rights.max(0)).unwrap_or(0);
                let resolve = columns.map(|(f, column)| (*f, units(column.rights))).collect();
                Settlement { resolve, mint: Ok(0) }
            }
            Wrong::BarrierBeforeCount => decide(&case, tau(state.shop.ms + 1), &state.waits, now),
            Wrong::NoWait => decide(&case, barrier.opened, &Waits::default(), now),
            Wrong::RawCount => {
                let fold = raw(case.fold);
                case.picture.on_hand = fold.on_hand;
                case.fold = &fold;
                decide(&case, barrier.opened, &state.waits, now)
            }
            _ => decide(&case, barrier.opened, &state.waits, now),
        }
    }

    pub(crate) fn shortcut(&self, state: &mut State) -> bool {
        let now = tau(state.shop.ms);
        let hub = &state.shop.nodes[H];
        let f = inc("F");
        if hub.terms().is_resolved(&f, &sku()) || hub.terms().cap_of(&f).is_some() {
            return false;
        }
        let settlement = match self.wrong {
            Wrong::ReclaimsAtExpiry => {
                let ran = state.waits.of(&f).is_some_and(|wait| wait.ran_ms >= wait.lease_ms);
                let units = u64::try_from(hub.rights_of(&sku(), &f).max(0)).unwrap_or(0);
                let resolve = if ran { BTreeMap::from([(f, units)]) } else { BTreeMap::new() };
                Settlement { resolve, mint: Ok(0) }
            }
            Wrong::NoBarrier => {
                let opened = tau(state.shop.ms + 1);
                let barrier = Barrier::open(id(99), opened, Purpose::Resolve, hub.terms(), hub.heads());
                let barrier = barrier.expect("none is open");
                let mut case = hub.case(&sku(), &barrier);
                case.columns.values_mut().for_each(|column| column.capped = true);
                decide(&case, opened, &state.waits, now)
            }
            _ => return false,
        };
        if settlement.resolve.is_empty() {
            return false;
        }
        for body in bodies(&sku(), id(99), &settlement) {
            state.shop.write(H, &body);
        }
        true
    }
}

/// The count's own number, whatever moved since.
fn raw(fold: &Fold) -> Fold {
    let n = fold.latest.as_ref().map_or(fold.on_hand, |count| i128::from(count.n));
    Fold { on_hand: n, ..fold.clone() }
}
