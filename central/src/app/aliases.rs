//! Aliases: a placeholder or an old code counts as an item of the catalog, as a fact of the store's `H_s`.

use super::{Code, Fault, hub_log, products, stores};
use crate::db::{Tx, counts, enrolments, lent, orders, recovery, reservations, review, stock};
use crate::hub::Hub;
use tradepost_commerce::document::Sku;
use tradepost_sync::body::{Body, SkuAliased};
use tradepost_sync::clock::UtcMs;

/// Says that whatever a store booked under `from` counts as `to`.
pub fn add(hub: &Hub, store: &str, from: &str, to: &str, now: UtcMs) -> Result<(), Fault> {
    if from.is_empty() || from == to {
        return Err(Fault::field("/from", Code::BadValue, "an alias joins two different items"));
    }
    hub.write(|tx, after| {
        let store = stores::find(tx, store)?;
        if products::find(tx, to)?.is_none() {
            return Err(Fault::field("/to", Code::UnknownSku, format!("the catalog has no item {to}")));
        }
        let known = enrolments::aliases(tx, store.no)?;
        if known.iter().any(|(before, _)| before == to) {
            return Err(Fault::field("/to", Code::BadValue, format!("{to} is itself an alias")));
        }
        let fact = Body::from(SkuAliased { from: Sku(from.to_owned()), to: Sku(to.to_owned()) });
        hub_log::append(tx, after, hub, &store, &[fact], now)?;
        join(tx, store.no, from, to, now)
    })
}

/// Whatever stands under `from` at a store moves to `to`, in the tables; the fact that says so is the caller's.
pub(super) fn join(tx: &mut Tx<'_>, store: i64, from: &str, to: &str, now: UtcMs) -> Result<(), Fault> {
    let known = enrolments::aliases(tx, store)?;
    enrolments::add_alias(tx, store, from, to)?;
    for (before, _) in known.iter().filter(|(_, target)| target == from) {
        enrolments::add_alias(tx, store, before, to)?;
    }
    stock::merge(tx, store, from, to)?;
    lent::merge(tx, store, from, to)?;
    recovery::merge(tx, store, from, to)?;
    for name in [from, to] {
        counts::forget(tx, store, name)?;
    }
    reservations::rename(tx, store, from, to)?;
    orders::rename_sku(tx, store, from, to)?;
    review::resolve_named(tx, store, "unmatched_sku", from, &format!("booked as {to}"), now)?;
    Ok(())
}
