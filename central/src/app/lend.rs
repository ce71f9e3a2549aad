//! What the hub has borrowed for web orders: `r_H`, one row an item, moved in the transaction of the fact that moves it
//! (`model.md` §2, Who owns rights).

use super::Fault;
use crate::db::booking::Booking;
use crate::db::stores::Store;
use crate::db::{Tx, authors, lent};
use std::collections::BTreeMap;
use tradepost_sync::ids::Incarnation;

/// Follows a booking: what its author gave to `H_s`, and what `H_s` minted, used and gave away.
pub fn follow(tx: &mut Tx<'_>, store: &Store, booking: &Booking) -> Result<(), Fault> {
    let own = booking.author == store.hub_author;
    if !own && booking.given.is_empty() {
        return Ok(());
    }
    let Some(hub) = authors::by_no(tx, store.hub_author)?.map(|author| author.incarnation) else {
        return Ok(());
    };
    for (sku, units) in moves(booking, own, &hub) {
        lent::add(tx, store.no, &sku, units)?;
    }
    Ok(())
}

fn moves(booking: &Booking, own: bool, hub: &Incarnation) -> BTreeMap<String, i64> {
    let signed = |units: u64| i64::try_from(units).unwrap_or(i64::MAX);
    let mut moves: BTreeMap<String, i64> = BTreeMap::new();
    for ((sku, to), units) in &booking.given {
        let by = match (own, to == hub) {
            (true, false) => -signed(*units),
            (false, true) => signed(*units),
            _ => continue,
        };
        *moves.entry(sku.clone()).or_default() += by;
    }
    for (sku, cells) in booking.cells.iter().filter(|_| own) {
        *moves.entry(sku.clone()).or_default() += signed(cells.minted) - signed(cells.used);
    }
    moves.retain(|_, units| *units != 0);
    moves
}
