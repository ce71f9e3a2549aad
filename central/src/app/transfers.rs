//! Transfers between stores: what left one store is in transit until the other has counted it; the other's stream is
//! told that it comes (`model.md` §2; `facts.md` §2, `transfer.expected`).

use super::books::Names;
use super::hub_log::append;
use super::{Code, Fault, deliveries, grants, recovering};
use crate::db::shipments::{self, Line, Shipment};
use crate::db::{Tx, review, stores};
use crate::hub::Hub;
use tradepost_commerce::document::Sku;
use tradepost_sync::body::{ExpectedLine, TransferExpected, TransferReceived, TransferShipped};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Id;

/// Transfers told of in one go.
const ANNOUNCE_MAX: usize = 100;

/// Goods left a store.
pub fn shipped(
    tx: &mut Tx<'_>,
    store: i64,
    names: &Names,
    transfer: &TransferShipped,
    now: UtcMs,
) -> Result<(), Fault> {
    let row = Shipment {
        no: 0,
        id: transfer.transfer,
        request: None,
        kind: "transfer".to_owned(),
        store,
        to_store: Some(transfer.to_store.clone()),
        reference: String::new(),
        state: "in_transit".to_owned(),
        announced: false,
        same_as: None,
        begun_at: now,
        ended_at: None,
    };
    let reference = transfer.transfer.to_string();
    if !shipments::begin(tx, &row)? {
        if recovering::stood_for(tx, &row)? {
            return Ok(());
        }
        let detail = format!("the id {reference} of a transfer was used before");
        return Ok(review::add(tx, store, "transfer_id_reused", &reference, &detail, now)?);
    }
    for line in &transfer.lines {
        let sku = names.booked(&line.sku);
        shipments::add(tx, transfer.transfer, &Line { sku, cost: None, expected: line.units, received: 0 })?;
    }
    if stores::find(tx, &transfer.to_store)?.is_none() {
        let detail = format!("transfer {reference} goes to {}, which is no store", transfer.to_store);
        review::add(tx, store, "transfer_nowhere", &reference, &detail, now)?;
    }
    Ok(())
}

/// Goods came from another store; a confirmed count ends the transfer, and what is missing is written off.
pub fn received(
    tx: &mut Tx<'_>,
    store: i64,
    names: &Names,
    transfer: &TransferReceived,
    now: UtcMs,
) -> Result<(), Fault> {
    let id = transfer.transfer;
    if shipments::find_locked(tx, id)?.is_none() {
        let detail = format!("transfer {id} came from {}, and nobody sent it", transfer.from_store);
        return Ok(review::add(tx, store, "transfer_unknown", &id.to_string(), &detail, now)?);
    }
    for line in &transfer.lines {
        let sku = names.booked(&line.sku);
        shipments::add(tx, id, &Line { sku, cost: None, expected: 0, received: line.units })?;
    }
    if !transfer.confirmed {
        return Ok(());
    }
    shipments::end(tx, id, "received", None, now)?;
    deliveries::flag(tx, store, "transfer_differs", &format!("transfer {id}"), id, now)
}

/// Tells receiving stores of transfers that they have not been told of; how many. One to a store without a node waits
/// until it has one.
pub fn announce(hub: &Hub, now: UtcMs) -> Result<u64, Fault> {
    let waiting = hub.db.read(|tx| {
        let mut ready = Vec::new();
        for row in shipments::unannounced(tx, ANNOUNCE_MAX)? {
            let Some(store) = stores::find(tx, row.to_store.as_deref().unwrap_or_default())? else {
                continue;
            };
            match grants::node_of(tx, store.no) {
                Ok(_) => ready.push(row.id),
                Err(Fault::Refused { code: Code::NotEnrolled, .. }) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok::<_, Fault>(ready)
    })?;
    let mut told = 0;
    for id in waiting {
        told += u64::from(announce_one(hub, id, now)?);
    }
    Ok(told)
}

fn announce_one(hub: &Hub, id: Id, now: UtcMs) -> Result<bool, Fault> {
    hub.write(|tx, after| {
        let Some(row) = shipments::find_locked(tx, id)?.filter(|row| !row.announced) else {
            return Ok(false);
        };
        let Some(to) = stores::find(tx, row.to_store.as_deref().unwrap_or_default())? else {
            return Ok(false);
        };
        let from = stores::by_no(tx, row.store)?.map(|store| store.code).unwrap_or_default();
        if recovering::is(tx, to.no)? {
            return Ok(false);
        }
        let custodian = grants::node_of(tx, to.no)?.incarnation;
        let line = |line: Line| ExpectedLine { sku: Sku(line.sku), units: line.expected, cost: None };
        let lines = shipments::lines(tx, id)?.into_iter().map(line).collect();
        let fact = TransferExpected { transfer: id, from_store: from, custodian, lines };
        append(tx, after, hub, &to, &[fact.into()], now)?;
        shipments::set_announced(tx, id)?;
        Ok(true)
    })
}
