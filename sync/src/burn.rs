//! Burning what a shrink has left without goods: asked for by the hub, one holder at a time (`model.md` §2).

use crate::ids::{Id, Incarnation};
use crate::rights::{Picture, Rights};
use crate::terms::Terms;
use serde::{Deserialize, Serialize};
use tradepost_commerce::document::Sku;

/// A request to one holder. It has an id and is done once; the holder answers even where it burns nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BurnAsk {
    /// Its id.
    pub id: Id,
    /// Who is asked.
    pub holder: Incarnation,
    /// The item.
    pub sku: Sku,
    /// Base units at most.
    pub units: u64,
}

/// Whom the hub asks next: itself first, then who is known to hold most (ties: the smaller id), leaving out those that
/// answered already. None where nothing beyond the suspended rights is left to burn.
pub fn next_ask(
    id: Id,
    sku: &Sku,
    rights: &Rights,
    terms: &Terms,
    picture: &Picture,
    answered: impl Fn(&Incarnation) -> bool,
) -> Option<BurnAsk> {
    let units = u64::try_from((picture.shrink() - picture.suspended.max(0)).max(0)).unwrap_or(u64::MAX);
    if units == 0 {
        return None;
    }
    let live = terms.live();
    let donors = rights.donors(|i| live.contains(i) && !answered(i));
    let own = donors.iter().find(|(i, _)| Some(*i) == terms.hub());
    let (holder, _) = own.or(donors.first())?;
    Some(BurnAsk { id, holder: *holder, sku: sku.clone(), units })
}
