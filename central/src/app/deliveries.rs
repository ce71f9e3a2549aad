//! Deliveries that headquarters announces to a store; the custodian receives them (`model.md` §2).

use super::books::Names;
use super::hub_log::append;
use super::{Code, Fault, products, recovering, request_hash, reserve, stores};
use crate::db::shipments::{self, Line, Shipment};
use crate::db::{Tx, review, stock};
use crate::hub::Hub;
use serde::Serialize;
use std::collections::BTreeSet;
use tradepost_commerce::document::Sku;
use tradepost_commerce::money::Money;
use tradepost_sync::body::{CustodyObject, DeliveryExpected, DeliveryReceived, ExpectedLine};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::{Id, Incarnation};
use tradepost_sync::limits::PLAUSIBLE_UNITS_MAX;

/// Most lines of one delivery.
pub const LINES_MAX: usize = 2_000;

/// A delivery to be announced.
#[derive(Clone, Debug, Serialize)]
pub struct Wanted {
    /// Its id, made by the client.
    pub id: Id,
    /// To which store, by code.
    pub store: String,
    /// The order's number.
    pub reference: String,
    /// Who may receive it: a node by its name or incarnation; the store's latest node if not given.
    pub custodian: Option<String>,
    /// Items, base units, cost of a pricing unit.
    pub lines: Vec<(String, u64, Option<i64>)>,
}

/// Goods under way with what belongs to them.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The row.
    pub row: Shipment,
    /// The code of the row's store.
    pub store: String,
    /// Who alone may receive it.
    pub custodian: Option<Incarnation>,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// Announces a delivery to a store. The same request again changes nothing.
pub fn announce(hub: &Hub, wanted: &Wanted, now: UtcMs) -> Result<Shown, Fault> {
    check(wanted)?;
    let request = request_hash(wanted);
    hub.write(|tx, after| {
        if let Some(known) = shipments::find(tx, wanted.id)? {
            if known.request == Some(request) {
                return shown(tx, known);
            }
            return Err(Fault::field("/id", Code::IdReused, "this id was used for another request"));
        }
        let store = stores::find(tx, &wanted.store)?;
        recovering::must_not_be(tx, store.no)?;
        for (index, (sku, ..)) in wanted.lines.iter().enumerate() {
            if products::find(tx, sku)?.is_none() {
                let detail = format!("the catalog has no item {sku}");
                return Err(Fault::field(format!("/lines/{index}/sku"), Code::UnknownSku, detail));
            }
        }
        let custodian = reserve::custodian(tx, &store, wanted.custodian.as_deref())?;
        let row = Shipment {
            no: 0,
            id: wanted.id,
            request: Some(request),
            kind: "delivery".to_owned(),
            store: store.no,
            to_store: None,
            reference: wanted.reference.clone(),
            state: "expected".to_owned(),
            announced: true,
            same_as: None,
            begun_at: now,
            ended_at: None,
        };
        shipments::begin(tx, &row)?;
        for (sku, units, cost) in &wanted.lines {
            let line = Line { sku: sku.clone(), cost: *cost, expected: *units, received: 0 };
            shipments::add(tx, wanted.id, &line)?;
        }
        let expected = |(sku, units, cost): &(String, u64, Option<i64>)| ExpectedLine {
            sku: Sku(sku.clone()),
            units: *units,
            cost: cost.map(Money),
        };
        let fact = DeliveryExpected {
            delivery: wanted.id,
            reference: wanted.reference.clone(),
            custodian,
            lines: wanted.lines.iter().map(expected).collect(),
        };
        append(tx, after, hub, &store, &[fact.into()], now)?;
        shown(tx, row)
    })
}

fn check(wanted: &Wanted) -> Result<(), Fault> {
    if !(1..=LINES_MAX).contains(&wanted.lines.len()) {
        return Err(Fault::field("/lines", Code::BadValue, "a delivery has 1 to 2,000 lines"));
    }
    if wanted.reference.chars().count() > 200 {
        return Err(Fault::field("/reference", Code::BadValue, "a number has at most 200 characters"));
    }
    let mut known = BTreeSet::new();
    for (index, (sku, units, cost)) in wanted.lines.iter().enumerate() {
        if !(1..=PLAUSIBLE_UNITS_MAX).contains(units) {
            let detail = format!("{units} units can't be delivered");
            return Err(Fault::field(format!("/lines/{index}/units"), Code::BadQuantity, detail));
        }
        if cost.is_some_and(|cost| cost < 0) {
            let detail = "a cost is zero or more minor units";
            return Err(Fault::field(format!("/lines/{index}/cost"), Code::BadMoney, detail));
        }
        if !known.insert(sku) {
            let detail = format!("{sku} stands on another line already");
            return Err(Fault::field(format!("/lines/{index}/sku"), Code::BadValue, detail));
        }
    }
    Ok(())
}

/// What a store says of a delivery: it came, it didn't, or it was another receipt. One that nobody announced is known
/// from then on.
pub fn received(
    tx: &mut Tx<'_>,
    store: i64,
    names: &Names,
    delivery: &DeliveryReceived,
    now: UtcMs,
) -> Result<(), Fault> {
    let row = Shipment {
        no: 0,
        id: delivery.delivery,
        request: None,
        kind: "delivery".to_owned(),
        store,
        to_store: None,
        reference: delivery.reference.clone(),
        state: "expected".to_owned(),
        announced: true,
        same_as: None,
        begun_at: now,
        ended_at: None,
    };
    let unannounced = shipments::begin(tx, &row)?;
    for line in &delivery.lines {
        let sku = names.booked(&line.sku);
        let cost = line.cost.map(|cost| cost.0);
        shipments::add(tx, delivery.delivery, &Line { sku, cost, expected: 0, received: line.units })?;
    }
    let came = !delivery.lines.is_empty() || delivery.same_as.is_some();
    let state = if came { "received" } else { "not_delivered" };
    shipments::end(tx, delivery.delivery, state, delivery.same_as, now)?;
    if unannounced || delivery.same_as.is_some() {
        return Ok(());
    }
    flag(tx, store, "delivery_differs", &delivery.reference, delivery.delivery, now)
}

/// Lists goods that came otherwise than they were announced.
pub fn flag(
    tx: &mut Tx<'_>,
    store: i64,
    kind: &str,
    reference: &str,
    id: Id,
    now: UtcMs,
) -> Result<(), Fault> {
    let differs = |line: &&Line| line.expected != line.received;
    let lines = shipments::lines(tx, id)?;
    let told: Vec<String> = lines
        .iter()
        .filter(differs)
        .map(|line| format!("{} of {} base units of {}", line.received, line.expected, line.sku))
        .collect();
    if told.is_empty() {
        return Ok(());
    }
    let detail = format!("{reference}: {} came", told.join(", "));
    Ok(review::add(tx, store, kind, &id.to_string(), detail.trim_start_matches(": "), now)?)
}

/// A shipment with what belongs to it.
pub fn shown(tx: &mut Tx<'_>, row: Shipment) -> Result<Shown, Fault> {
    let store = crate::db::stores::by_no(tx, row.store)?.map(|store| store.code).unwrap_or_default();
    let (holder, object) = match &row.to_store {
        Some(code) => {
            let to = crate::db::stores::find(tx, code)?.map(|store| store.no);
            (to, CustodyObject::Transfer(row.id))
        }
        None => (Some(row.store), CustodyObject::Delivery(row.id)),
    };
    let custody = match holder {
        Some(no) => stock::custody_seen(tx, no, &super::custody::name(&object)?)?,
        None => None,
    };
    let lines = shipments::lines(tx, row.id)?;
    Ok(Shown { row, store, custodian: custody.map(|custody| custody.owner), lines })
}

/// Shows a shipment of a kind.
pub fn get(hub: &Hub, kind: &str, id: Id) -> Result<Shown, Fault> {
    hub.db.read(|tx| {
        let row = shipments::find(tx, id)?.filter(|row| row.kind == kind);
        let row = row.ok_or_else(|| Fault::not_found(kind, &id.to_string()))?;
        shown(tx, row)
    })
}

/// Shipments of a kind in the order in which they became known; those under way unless `all`.
pub fn list(hub: &Hub, kind: &str, all: bool, after: i64, limit: usize) -> Result<Vec<Shown>, Fault> {
    hub.db.read(|tx| {
        let rows = shipments::list(tx, kind, all, after, limit)?;
        rows.into_iter().map(|row| shown(tx, row)).collect()
    })
}
