//! Rights that the hub gives to a store's node out of its own (`model.md` §2).

use super::{Code, Fault, hub_log, products, recovering, stores};
use crate::db::authors::{self, Author, Role, State};
use crate::db::{Tx, events, lent};
use crate::hub::Hub;
use tradepost_commerce::document::Sku;
use tradepost_sync::body::{Body, RightsGranted};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::limits::PLAUSIBLE_UNITS_MAX;

/// Gives `units` base units of the hub's rights to the store's node; what the hub has left.
pub fn grant(hub: &Hub, store: &str, sku: &str, units: u64, now: UtcMs) -> Result<u64, Fault> {
    if !(1..=PLAUSIBLE_UNITS_MAX).contains(&units) {
        return Err(Fault::field("/units", Code::BadQuantity, format!("{units} units can't be granted")));
    }
    hub.write(|tx, after| {
        let store = stores::find(tx, store)?;
        if products::find(tx, sku)?.is_none() {
            return Err(Fault::field("/sku", Code::UnknownSku, format!("the catalog has no item {sku}")));
        }
        recovering::must_not_be(tx, store.no)?;
        let node = node_of(tx, store.no)?;
        if events::unapplied(tx, node.no)? > 0 {
            let detail = "events of the node are in quarantine without their effects";
            return Err(Fault::refused(Code::GrantsFrozen, detail));
        }
        // The item's row is the lock under which the hub promises and gives.
        let free = lent::locked(tx, store.no, sku)?;
        if free < units {
            return Err(Fault::refused(Code::RightsShort, format!("{units} asked, the hub holds {free}")));
        }
        let fact = RightsGranted { sku: Sku(sku.to_owned()), to: node.incarnation, units };
        hub_log::append(tx, after, hub, &store, &[Body::from(fact)], now)?;
        Ok(free - units)
    })
}

/// The store's enrolled node: the latest that lives.
pub fn node_of(tx: &mut Tx<'_>, store: i64) -> Result<Author, Fault> {
    let all = authors::of_store(tx, store)?;
    all.into_iter()
        .rfind(|author| author.role == Role::Node && author.state == State::Live)
        .ok_or_else(|| Fault::refused(Code::NotEnrolled, "the store has no enrolled node"))
}
