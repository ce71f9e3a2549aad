//! What a holder covers before it promises strictly: goods that others sold in hand are not promised a second time
//! (`model.md` §2, "When rights run out").

use crate::ids::Incarnation;
use crate::rights::Rights;
use crate::terms::Terms;
use std::cmp::Ordering;
use tradepost_commerce::document::Sku;

/// Why a holder covers now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// It is about to promise strictly: whoever else holds more.
    StrictPromise,
    /// Rights came in: only the hub covers, or else the largest holder.
    Gain,
}

/// What to do before anything is promised from the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cover {
    /// Own overdraw that own rights settle first.
    pub settle: u64,
    /// Grants, in order.
    pub grants: Vec<(Incarnation, u64)>,
    /// At the hub: what it keeps for those whom nobody may give to.
    pub held_back: u64,
    /// What is left to promise.
    pub free: u64,
}

/// Decides what `me` covers of one sku out of `free` rights.
///
/// To a `j` that may be given to goes `min(x_j − max(0, r_j), free)`; for all others together (unregistered, fenced) a
/// node gives the hub `min(Σ − max(0, r_H), free)`, and the hub holds Σ back.
pub fn cover(rights: &Rights, terms: &Terms, sku: &Sku, me: &Incarnation, free: u64, why: Occasion) -> Cover {
    if why == Occasion::Gain && !covers_on_gain(rights, terms, me) {
        return Cover { free, ..Cover::default() };
    }
    let settle = rights.overdraw_of(me).min(free);
    let mut out = Cover { settle, free: free - settle, ..Cover::default() };
    let mut others = 0u64;
    for j in rights.known().into_iter().filter(|j| j != me && !terms.is_resolved(j, sku)) {
        let open = rights.uncovered(&j);
        if terms.may_be_given(&j) {
            out.give(j, open);
        } else {
            others = others.saturating_add(open);
        }
    }
    match terms.hub() {
        Some(hub) if hub == *me => {
            out.held_back = others.min(out.free);
            out.free -= out.held_back;
        }
        Some(hub) if terms.may_be_given(&hub) => {
            let at_hub = u64::try_from(rights.of(&hub).max(0)).unwrap_or(u64::MAX);
            // What went to the hub just now for its own overdraw can't be counted twice: the hub has none.
            out.give(hub, others.saturating_sub(at_hub));
        }
        _ => {}
    }
    out
}

impl Cover {
    fn give(&mut self, to: Incarnation, units: u64) {
        let units = units.min(self.free);
        if units > 0 {
            self.grants.push((to, units));
            self.free -= units;
        }
    }
}

/// Whether `me` is who covers when rights merely come in: the hub where it holds any, else the largest holder.
fn covers_on_gain(rights: &Rights, terms: &Terms, me: &Incarnation) -> bool {
    if let Some(hub) = terms.hub().filter(|hub| rights.of(hub) > 0) {
        return hub == *me;
    }
    let largest =
        terms.live().into_iter().max_by(|a, b| rights.of(a).cmp(&rights.of(b)).then(reverse(a.cmp(b))));
    largest.as_ref() == Some(me)
}

fn reverse(order: Ordering) -> Ordering {
    order.reverse()
}
