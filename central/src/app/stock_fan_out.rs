//! What facts about goods and promises say outward (`facts.md` §2 column "out"): promises that end, goods that move.

use super::fan_out::{self, MOVEMENTS, ORDERS, Records, To};
use tradepost_commerce::document::Sku;
use tradepost_proto::{inventory, order};
use tradepost_sync::body::Body;
use tradepost_sync::effects::{self, MovementKind};
use tradepost_sync::event::Event;
use tradepost_sync::ids::Id;

/// A reservation's end: it was handed out, or its units are free again.
pub(super) fn promise_ended(records: &mut Records, store: &str, body: &Body) {
    match body {
        Body::ReservationFulfilled(done) => {
            let id = done.reservation.to_string();
            let data =
                order::v1::OrderFulfilled { order_id: id.clone(), store: store.to_owned(), document: None };
            let to = To { topic: ORDERS, key: store.to_owned(), subject: &id };
            records.say("order.fulfilled", "tradepost.order.v1.OrderFulfilled", to, &data);
        }
        Body::ReservationCancelled(done) => {
            released(records, store, &done.sku, done.units, (done.reservation, "cancelled"));
        }
        Body::ReservationExpired(done) => {
            released(records, store, &done.sku, done.units, (done.reservation, "expired"));
        }
        _ => {}
    }
}

fn released(records: &mut Records, store: &str, sku: &Sku, units: u64, (id, why): (Id, &str)) {
    let data = inventory::v1::StockReleased {
        store: store.to_owned(),
        sku: sku.0.clone(),
        units,
        order_id: id.to_string(),
        why: why.to_owned(),
    };
    let to = To { topic: MOVEMENTS, key: format!("{store}/{sku}"), subject: &sku.0 };
    records.say("stock.released", "tradepost.inventory.v1.StockReleased", to, &data);
}

fn reservation(body: &Body) -> Option<Id> {
    match body {
        Body::ReservationFulfilled(done) => Some(done.reservation),
        _ => None,
    }
}

/// Per movement one record, in the order of the fact's lines.
pub(super) fn movements(records: &mut Records, store: &str, event: &Event, body: &Body) {
    let Ok(effects) = effects::of(&event.envelope, body) else { return };
    let about = fan_out::document_id(body).or(reservation(body));
    let reference = about.map(|id| id.to_string()).unwrap_or_default();
    for moved in &effects.ledger {
        let data = inventory::v1::StockMoved {
            store: store.to_owned(),
            sku: moved.sku.0.clone(),
            units: moved.units,
            kind: movement(moved.kind).to_owned(),
            reference: reference.clone(),
        };
        let to = To { topic: MOVEMENTS, key: format!("{store}/{}", moved.sku), subject: &moved.sku.0 };
        records.say("stock.moved", "tradepost.inventory.v1.StockMoved", to, &data);
    }
}

fn movement(kind: MovementKind) -> &'static str {
    match kind {
        MovementKind::Sale => "sale",
        MovementKind::Return => "return",
        MovementKind::Waste => "waste",
        MovementKind::Receipt => "receipt",
        MovementKind::TransferOut => "transfer_out",
        MovementKind::TransferIn => "transfer_in",
        MovementKind::Adjustment => "adjustment",
        MovementKind::Count => "count",
        MovementKind::PickUp => "pick_up",
        MovementKind::Opening => "opening",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tradepost_sync::body::{
        CustodyMark, Moved, ReservationCancelled, ReservationExpired, ReservationFulfilled,
    };
    use tradepost_sync::event::{Head, Stamp};
    use tradepost_sync::ids::Incarnation;

    fn said(body: impl Into<Body>) -> Vec<(String, String, String)> {
        let mut head = Head::empty(Incarnation([7; 16]));
        let stamp = Stamp { wall: 1, tau: None, trading: 1, till: None, shift: None, staff: None };
        let event = head.append(stamp, &body.into()).expect("it fits");
        let records = fan_out::event("13", true, &event.bytes);
        records.into_iter().map(|record| (record.id, record.ty, record.key)).collect()
    }

    #[test]
    fn a_promise_that_ends_is_said_with_its_goods_in_a_fixed_order() {
        let (reservation, sku, units) = (Id([5; 16]), Sku("MUG".to_owned()), 2);
        let (custody, moved) = (CustodyMark { epoch: 0, n: 1 }, Moved { m: 2, c: 0, o: 0 });
        let names = |told: Vec<(String, String, String)>| {
            told.into_iter().map(|(_, ty, key)| (ty, key)).collect::<Vec<_>>()
        };
        let pair = |name: &str, key: &str| (format!("dev.tradepost.{name}.v1"), key.to_owned());
        let told = said(ReservationFulfilled { reservation, sku: sku.clone(), units, custody });
        let ids: Vec<_> = told.iter().map(|(id, ..)| id.rsplit('-').next().unwrap_or_default()).collect();
        assert_eq!(ids, ["0", "1"]);
        assert_eq!(names(told), [pair("order.fulfilled", "13"), pair("stock.moved", "13/MUG")]);
        let cancelled = ReservationCancelled { reservation, sku: sku.clone(), units, moved, custody };
        assert_eq!(names(said(cancelled)), [pair("stock.released", "13/MUG")]);
        let expired = ReservationExpired { reservation, sku, units, moved, custody };
        assert_eq!(names(said(expired)), [pair("stock.released", "13/MUG")]);
    }
}
