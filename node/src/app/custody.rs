//! Objects that only their custodian may finish: what every event says of them, whoever wrote it (`model.md` §5).

use super::node::Node;
use super::problem::{Answer, Code, Stop, no};
use super::said;
use crate::db::incarnations::{self, Known, Part};
use crate::db::reservations::{self, Reservation, State};
use crate::db::shipments::{self, Kind, Shipment};
use crate::db::stock::Stock;
use crate::db::{Fault, catalog, events};
use rusqlite::Connection;
use std::collections::BTreeSet;
use tradepost_commerce::document::Sku;
use tradepost_sync::body::{
    Body, CustodyMark, CustodyObject, DeliveryReceived, ExpectedLine, ReservationOpened, TransferExpected,
    TransferReceived, TransferShipped,
};
use tradepost_sync::custody::{Custody, CustodyRefusal, Step};
use tradepost_sync::effects::{self, CustodyEffect, Effects};
use tradepost_sync::ids::{Id, Incarnation};

/// Folds an event's word about objects into their tables; used for the own log and for everybody else's.
///
/// # Errors
/// A fault.
pub(crate) fn note(node: &Node, body: &Body, effects: &Effects) -> Result<(), Fault> {
    for step in &effects.custody {
        take(node.conn(), step)?;
    }
    let conn = node.conn();
    super::tender::note(conn, body)?;
    if let Some((reservation, how)) = end_in(body) {
        return reservations::end(conn, reservation, how);
    }
    match body {
        Body::ReservationOpened(opened) => open(conn, opened),
        Body::SaleCommitted(sale) => {
            sale.reservations.iter().try_for_each(|(_, id)| reservations::sold(conn, id, &sale.sale_id))
        }
        Body::DeliveryExpected(expected) => {
            let known = shipment(expected.delivery, Kind::Delivery, &expected.reference, "");
            expect(conn, &known, &expected.lines)
        }
        Body::TransferExpected(expected) => transfer_expected(conn, expected),
        Body::DeliveryReceived(delivery) => delivered(conn, delivery),
        Body::TransferShipped(shipped) => shipped_from_here(conn, shipped),
        Body::TransferReceived(received) => transfer_received(conn, received),
        _ => Ok(()),
    }
}

/// Where an object's custody stands; none for one that nobody has told of.
///
/// # Errors
/// A fault.
pub fn of(conn: &Connection, object: &CustodyObject) -> Result<Option<Custody>, Fault> {
    reservations::custody(conn, &name(object)?)
}

/// The step by which this node ends an object, or goes on with it.
///
/// # Errors
/// `NOT_CUSTODIAN` where it is another's; `ALREADY_CLOSED` where it has ended; or a fault.
pub(crate) fn end_of(node: &Node, object: &CustodyObject) -> Answer<CustodyMark> {
    let Some(custody) = of(node.conn(), object)? else { return Ok(CustodyMark::FIRST) };
    let me = node.head.incarnation;
    if custody.owner != me {
        return Err(refused(CustodyRefusal::NotOwner { owner: custody.owner }));
    }
    let locked = node.standing(&Stock::default()).locked;
    custody.finish(object, &me, locked).map_err(refused)
}

/// Refuses what another one holds: a sale in hand may hand over what is held here even while custody rests.
///
/// # Errors
/// `NOT_CUSTODIAN`, naming the custodian; or a fault.
pub(crate) fn held_here(node: &Node, object: &CustodyObject) -> Answer<()> {
    match of(node.conn(), object)? {
        Some(custody) if custody.owner != node.head.incarnation => {
            Err(refused(CustodyRefusal::NotOwner { owner: custody.owner }))
        }
        _ => Ok(()),
    }
}

/// What the core says no to, with its name and its words.
pub(crate) fn refused(refusal: CustodyRefusal) -> Stop {
    let code = match refusal {
        CustodyRefusal::Ended | CustodyRefusal::HandedOver => Code::AlreadyClosed,
        _ => Code::NotCustodian,
    };
    no(code, refusal.to_string())
}

fn name(object: &CustodyObject) -> Result<String, Fault> {
    serde_json::to_string(object).map_err(|e| Fault::Fatal(e.to_string()))
}

/// The greater step wins; what contradicts is kept at the hub for a person.
fn take(conn: &Connection, step: &CustodyEffect) -> Result<(), Fault> {
    let object = name(&step.object)?;
    let first = Custody { epoch: step.epoch, n: step.n, owner: step.owner, terminal: step.terminal };
    let Some(mut custody) = reservations::custody(conn, &object)? else {
        return reservations::set_custody(conn, &object, &first);
    };
    match custody.merge(step) {
        Step::Taken | Step::TakenFromEnded => reservations::set_custody(conn, &object, &custody),
        Step::Old => Ok(()),
        Step::Fork => {
            tracing::warn!(%object, "two steps of its custody contradict each other");
            reservations::set_custody(conn, &object, &custody)
        }
        Step::TerminalBehindTakeover => {
            tracing::warn!(%object, "it was ended behind a takeover");
            Ok(())
        }
    }
}

/// Facts of these objects were cut off: what is left of the log is folded again, the hub's stream first.
///
/// # Errors
/// A fault.
pub(crate) fn fold_again(
    node: &Node,
    objects: &BTreeSet<CustodyObject>,
    ids: &BTreeSet<Id>,
) -> Result<(), Fault> {
    let ids: BTreeSet<Id> = ids.iter().copied().chain(objects.iter().filter_map(id_of)).collect();
    for object in objects {
        reservations::forget_custody(node.conn(), &name(object)?)?;
    }
    for id in &ids {
        reservations::forget(node.conn(), id)?;
        shipments::forget(node.conn(), id)?;
    }
    let mut streams = incarnations::all(node.conn())?;
    streams.retain(Known::moves_stock);
    streams.sort_by_key(|known| known.part != Part::Hub);
    for known in streams {
        events::each::<Fault>(node.conn(), known.no, 1, |_, bytes| {
            let event = events::parse(&bytes)?;
            let Ok(body) = event.body() else { return Ok(true) };
            let Ok(mut effects) = effects::of(&event.envelope, &body) else { return Ok(true) };
            effects.custody.retain(|step| objects.contains(&step.object));
            let concerned = !effects.custody.is_empty() || told_of(&body).iter().any(|id| ids.contains(id));
            if concerned && said::stands(node.conn(), &event)? {
                note(node, &body, &effects)?;
            }
            Ok(true)
        })?;
    }
    Ok(())
}

fn id_of(object: &CustodyObject) -> Option<Id> {
    match object {
        CustodyObject::Reservation(id) | CustodyObject::Delivery(id) | CustodyObject::Transfer(id) => {
            Some(*id)
        }
        _ => None,
    }
}

/// Reservations and shipments that a fact tells of.
pub(super) fn told_of(body: &Body) -> Vec<Id> {
    match body {
        Body::ReservationOpened(opened) => vec![opened.reservation],
        Body::ReservationFulfilled(done) => vec![done.reservation],
        Body::ReservationCancelled(done) => vec![done.reservation],
        Body::ReservationExpired(done) => vec![done.reservation],
        Body::SaleCommitted(sale) => sale.reservations.iter().map(|(_, id)| *id).collect(),
        Body::DeliveryExpected(expected) => vec![expected.delivery],
        Body::DeliveryReceived(delivery) => vec![delivery.delivery],
        Body::TransferExpected(expected) => vec![expected.transfer],
        Body::TransferShipped(transfer) => vec![transfer.transfer],
        Body::TransferReceived(transfer) => vec![transfer.transfer],
        _ => Vec::new(),
    }
}

/// The item's number, under the name it goes by here.
fn sku_no(conn: &Connection, sku: &Sku) -> Result<i64, Fault> {
    let stands = catalog::alias(conn, sku)?;
    catalog::intern(conn, stands.as_ref().unwrap_or(sku))
}

fn open(conn: &Connection, opened: &ReservationOpened) -> Result<(), Fault> {
    let new = Reservation {
        no: 0,
        id: opened.reservation,
        sku: sku_no(conn, &opened.sku)?,
        units: opened.units,
        order: opened.order,
        reference: opened.reference.clone(),
        expires: opened.expires,
        prepaid: opened.prepaid.map(|money| money.0),
        state: State::Open,
        sale: None,
    };
    reservations::open(conn, &new)?;
    // Whoever ended it may have been heard before the hub that opened it: then its stream says how it ended.
    match of(conn, &CustodyObject::Reservation(opened.reservation))? {
        Some(custody) if custody.terminal => ended_before(conn, &custody.owner, &opened.reservation),
        _ => Ok(()),
    }
}

fn ended_before(conn: &Connection, by: &Incarnation, id: &Id) -> Result<(), Fault> {
    let Some(known) = incarnations::find(conn, by)? else { return Ok(()) };
    events::each::<Fault>(conn, known.no, 1, |_, bytes| {
        match events::parse(&bytes)?.body() {
            Ok(Body::SaleCommitted(sale)) => {
                let of_it = sale.reservations.iter().any(|(_, reservation)| reservation == id);
                of_it.then(|| reservations::sold(conn, id, &sale.sale_id)).transpose()?;
            }
            Ok(body) => {
                if let Some((_, how)) = end_in(&body).filter(|(ended, _)| *ended == id) {
                    reservations::end(conn, id, how)?;
                }
            }
            Err(_) => {}
        }
        Ok(true)
    })
}

/// The reservation that a fact ends, and how.
fn end_in(body: &Body) -> Option<(&Id, State)> {
    match body {
        Body::ReservationFulfilled(done) => Some((&done.reservation, State::Fulfilled)),
        Body::ReservationCancelled(done) => Some((&done.reservation, State::Cancelled)),
        Body::ReservationExpired(done) => Some((&done.reservation, State::Expired)),
        _ => None,
    }
}

fn shipment(id: Id, kind: Kind, reference: &str, store: &str) -> Shipment {
    Shipment {
        id,
        kind,
        reference: reference.to_owned(),
        store: store.to_owned(),
        state: shipments::State::UnderWay,
        same_as: None,
    }
}

fn expect(conn: &Connection, known: &Shipment, lines: &[ExpectedLine]) -> Result<(), Fault> {
    if !shipments::begin(conn, known)? {
        return Ok(());
    }
    lines.iter().try_for_each(|line| {
        let sku = sku_no(conn, &line.sku)?;
        shipments::add(conn, &known.id, sku, line.units, 0)
    })
}

fn transfer_expected(conn: &Connection, expected: &TransferExpected) -> Result<(), Fault> {
    let known = shipment(expected.transfer, Kind::Incoming, "", &expected.from_store);
    expect(conn, &known, &expected.lines)
}

/// A delivery that nobody announced is known from its receipt on, so that a later announcement can name it.
fn delivered(conn: &Connection, delivery: &DeliveryReceived) -> Result<(), Fault> {
    let known = shipment(delivery.delivery, Kind::Delivery, &delivery.reference, "");
    shipments::begin(conn, &known)?;
    for line in &delivery.lines {
        shipments::add(conn, &delivery.delivery, sku_no(conn, &line.sku)?, 0, line.units)?;
    }
    let empty = delivery.lines.is_empty() && delivery.same_as.is_none();
    let state = if empty { shipments::State::NotDelivered } else { shipments::State::Received };
    shipments::end(conn, &delivery.delivery, state, delivery.same_as)
}

fn shipped_from_here(conn: &Connection, shipped: &TransferShipped) -> Result<(), Fault> {
    let known = shipment(shipped.transfer, Kind::Outgoing, "", &shipped.to_store);
    if !shipments::begin(conn, &known)? {
        return Ok(());
    }
    shipped.lines.iter().try_for_each(|line| {
        let sku = sku_no(conn, &line.sku)?;
        shipments::add(conn, &shipped.transfer, sku, line.units, 0)
    })
}

fn transfer_received(conn: &Connection, received: &TransferReceived) -> Result<(), Fault> {
    let known = shipment(received.transfer, Kind::Incoming, "", &received.from_store);
    shipments::begin(conn, &known)?;
    for line in &received.lines {
        shipments::add(conn, &received.transfer, sku_no(conn, &line.sku)?, 0, line.units)?;
    }
    if received.confirmed {
        return shipments::end(conn, &received.transfer, shipments::State::Received, None);
    }
    Ok(())
}
