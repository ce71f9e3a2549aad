//! What facts say of objects under custody: reservations end, deliveries and transfers arrive. Each fact is booked once,
//! so each of these happens once.

use super::books::Names;
use super::{Fault, deliveries, exposure, transfers};
use crate::db::{Tx, burns, reservations, review, web_orders};
use std::collections::BTreeSet;
use tradepost_sync::body::{Body, SaleCommitted};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Id;

/// Folds facts of a store's stream into the tables of objects, then looks at promises on what moved: `touched` are the
/// items whose goods changed.
pub fn note(
    tx: &mut Tx<'_>,
    store: i64,
    names: &Names,
    bodies: &[Body],
    mut touched: BTreeSet<String>,
    now: UtcMs,
) -> Result<(), Fault> {
    for body in bodies {
        match body {
            Body::ReservationFulfilled(done) => {
                touched.insert(names.booked(&done.sku));
                end(tx, store, done.reservation, "fulfilled", now)?;
            }
            Body::ReservationCancelled(done) => {
                touched.insert(names.booked(&done.sku));
                end(tx, store, done.reservation, "cancelled", now)?;
            }
            Body::ReservationExpired(done) => {
                touched.insert(names.booked(&done.sku));
                end(tx, store, done.reservation, "expired", now)?;
            }
            Body::RightsBurnt(burnt) => {
                if let Some(asked) = burnt.asked_by {
                    burns::answer(tx, store, asked, burnt.units, now)?;
                }
            }
            Body::SaleCommitted(sale) => handed_over(tx, store, sale, now)?,
            Body::DeliveryReceived(delivery) => deliveries::received(tx, store, names, delivery, now)?,
            Body::TransferShipped(transfer) => transfers::shipped(tx, store, names, transfer, now)?,
            Body::TransferReceived(transfer) => transfers::received(tx, store, names, transfer, now)?,
            _ => {}
        }
    }
    exposure::look(tx, store, &touched, now)
}

fn end(tx: &mut Tx<'_>, store: i64, id: Id, state: &str, now: UtcMs) -> Result<(), Fault> {
    reservations::end(tx, id, state, now)?;
    web_orders::hold_ended(tx, id, now)?;
    exposure::ended(tx, store, id, now)
}

/// A sale that names a reservation is its fulfilment. One that comes after the reservation's end is listed.
fn handed_over(tx: &mut Tx<'_>, store: i64, sale: &SaleCommitted, now: UtcMs) -> Result<(), Fault> {
    for (_, id) in &sale.reservations {
        if let Some(known) = reservations::find(tx, *id)?.filter(|known| known.state != "open") {
            let detail = format!(
                "order {}: reservation {id} was {} before sale {} handed it over",
                known.reference, known.state, sale.sale_id
            );
            review::add(tx, store, "handed_over_late", &id.to_string(), &detail, now)?;
        }
        reservations::sold(tx, *id, sale.sale_id)?;
        web_orders::hold_ended(tx, *id, now)?;
    }
    Ok(())
}
