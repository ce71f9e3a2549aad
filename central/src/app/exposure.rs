//! Promises that the shelf can't meet, (E) of `model.md` §2: each order that would go without is listed for a person.

use super::Fault;
use crate::db::{Tx, reservations, review, stock};
use std::collections::BTreeSet;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Id;
use tradepost_sync::promise::uncovered;

/// The finding's kind.
const KIND: &str = "promise_exposed";

/// Open reservations of an item that the shelf can't meet, with the base units each lacks.
pub fn of(tx: &mut Tx<'_>, store: i64, sku: &str) -> Result<Vec<(Id, u64)>, Fault> {
    let open = reservations::open_between(tx, store, sku, sku)?.remove(sku).unwrap_or_default();
    if open.is_empty() {
        return Ok(Vec::new());
    }
    let on_hand = stock::one(tx, store, sku)?.map_or(0, |row| row.units);
    Ok(uncovered(i128::from(on_hand), open))
}

/// Looks at items whose goods or promises have just changed: who goes without is listed, who no longer does is not.
pub fn look(tx: &mut Tx<'_>, store: i64, skus: &BTreeSet<String>, now: UtcMs) -> Result<(), Fault> {
    let (Some(first), Some(last)) = (skus.first(), skus.last()) else { return Ok(()) };
    let open = reservations::open_between(tx, store, first, last)?;
    for (sku, promised) in open.into_iter().filter(|(sku, _)| skus.contains(sku)) {
        let on_hand = stock::one(tx, store, &sku)?.map_or(0, |row| row.units);
        let lacking = uncovered(i128::from(on_hand), promised.iter().copied());
        for (id, units) in promised {
            match lacking.iter().find(|(lacks, _)| *lacks == id) {
                Some((_, short)) => flag(tx, store, id, &sku, (units, *short, on_hand), now)?,
                None => {
                    review::resolve_named(tx, store, KIND, &id.to_string(), "the shelf can meet it", now)?
                }
            }
        }
    }
    Ok(())
}

fn flag(
    tx: &mut Tx<'_>,
    store: i64,
    id: Id,
    sku: &str,
    (units, short, on_hand): (u64, u64, i64),
    now: UtcMs,
) -> Result<(), Fault> {
    let order = reservations::find(tx, id)?.map(|one| one.reference).unwrap_or_default();
    let detail = format!(
        "order {order}: {units} base units of {sku} are promised and {short} can't be met; {on_hand} are on hand"
    );
    Ok(review::add(tx, store, KIND, &id.to_string(), &detail, now)?)
}

/// A promise that has come to its end lacks nothing any more.
pub fn ended(tx: &mut Tx<'_>, store: i64, id: Id, now: UtcMs) -> Result<(), Fault> {
    Ok(review::resolve_named(tx, store, KIND, &id.to_string(), "the reservation has ended", now)?)
}
