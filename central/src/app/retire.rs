//! Nodes that have retired by their own word (`model.md` §3.6; G44 of §8): once every other member is in session, a barrier
//! says where their logs end, and what crossed the retirement is minted anew, without a count.

use super::{Fault, barrier, recovering, resolve};
use crate::db::stores;
use crate::db::{Tx, recoveries, recovery};
use crate::hub::Hub;
use std::collections::BTreeSet;
use tradepost_sync::barrier::Purpose;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::{Id, Incarnation};

/// Opens the barrier behind a retirement, where everybody who has to answer is in session.
pub fn advance(hub: &Hub, id: impl Fn() -> Result<Id, Fault>, now: UtcMs) -> Result<(), Fault> {
    let present = hub.present.all();
    for store in hub.db.read(|tx| Ok::<_, Fault>(recoveries::with_retired(tx)?))? {
        if !hub.db.read(|tx| is_due(tx, store, &present))? {
            continue;
        }
        let id = id()?;
        hub.write(|tx, after| match stores::by_no_locked(tx, store)? {
            Some(store) if is_due(tx, store.no, &present)? => {
                barrier::begin(tx, after, hub, &store, (id, Purpose::Resolve), now)
            }
            _ => Ok(()),
        })?;
    }
    Ok(())
}

fn is_due(tx: &mut Tx<'_>, store: i64, present: &BTreeSet<Incarnation>) -> Result<bool, Fault> {
    if recovery::open(tx, store)?.is_some() || recovering::is(tx, store)? {
        return Ok(false);
    }
    let Some(store) = stores::by_no(tx, store)? else { return Ok(false) };
    let terms = resolve::terms(tx, &store, None)?;
    let own = terms.hub();
    Ok(terms.live().iter().all(|who| Some(*who) == own || present.contains(who)))
}
