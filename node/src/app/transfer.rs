//! Goods from one store to another: what left is in transit until the receiver has counted it (`model.md` §2).

use super::clock::Now;
use super::custody;
use super::enrol;
use super::lend::{lend_share, must_be_enrolled};
use super::node::Node;
use super::problem::{Answer, Code, Stop, no, no_at};
use super::receive::LINES_MAX;
use super::request::{ShipRequest, TransferReceiptRequest, hash_of, same_request};
use crate::db::documents::{self, DocumentKind, Entry};
use crate::db::shipments::{self, Kind, Shipment};
use crate::db::stock::Stock;
use std::collections::BTreeMap;
use tradepost_commerce::document::Sku;
use tradepost_commerce::product::StockPolicy;
use tradepost_sync::body::{Body, CustodyObject, Moved, TransferLine, TransferReceived, TransferShipped};
use tradepost_sync::limits::PLAUSIBLE_UNITS_MAX;
use tradepost_sync::rights;

/// Sends goods to another store: from rights first, beyond them only where somebody allowed it. The same request again
/// changes nothing.
///
/// # Errors
/// `NOT_ENROLLED`, `UNKNOWN_STORE`, `UNKNOWN_SKU`, `BAD_QUANTITY`, `EMPTY_BASKET`, `TOO_MANY_LINES`, `RIGHTS_SHORT`,
/// `SALE_ID_REUSED`; then nothing was stored. Or a fault.
pub fn ship(node: &mut Node, now: Now, request: &ShipRequest) -> Answer<()> {
    let hash = hash_of(request);
    if let Some(found) = documents::find(node.conn(), &request.id)? {
        return same_request(&found, DocumentKind::TransferShipped, hash).map(|_| ());
    }
    must_be_enrolled(node)?;
    let own = enrol::hub(node.conn())?.map(|hub| hub.store_code);
    if request.to_store.is_empty() || own.as_ref() == Some(&request.to_store) {
        return Err(no_at(Code::UnknownStore, "/to_store", "goods are sent to another store, by its code"));
    }
    check(node, &request.lines, false)?;
    let lines = taken(node, request)?;
    let body = Body::from(TransferShipped {
        transfer: request.id,
        to_store: request.to_store.clone(),
        lines,
        approver: request.approver.clone(),
    });
    let written = node.write(now, None, None, body)?;
    let entry = Entry {
        id: &request.id,
        kind: DocumentKind::TransferShipped,
        request: Some(hash),
        receipt: None,
        day: None,
    };
    documents::insert(node.conn(), written.place, &entry)?;
    Ok(())
}

fn taken(node: &mut Node, request: &ShipRequest) -> Answer<Vec<TransferLine>> {
    let mut seen: BTreeMap<i64, Stock> = BTreeMap::new();
    let mut lines = Vec::with_capacity(request.lines.len());
    for (index, (sku, units)) in request.lines.iter().enumerate() {
        let sku_no = node.item(sku)?.item.sku_no;
        let mut row = match seen.get(&sku_no) {
            Some(row) => *row,
            None => node.stock(sku_no)?,
        };
        let standing = node.standing(&row);
        let approved = request.approver.is_some();
        let taken = rights::take(&standing, StockPolicy::Override, *units, approved).map_err(|short| {
            let detail = format!(
                "{}: {} asked, {} may be sent; beyond that somebody must allow it",
                sku.0, short.asked, short.free
            );
            no_at(Code::RightsShort, format!("/lines/{index}/units"), detail)
        })?;
        row.used += taken.rights;
        row.overdrawn += taken.overdraw;
        seen.insert(sku_no, row);
        let moved = Moved { m: 0, c: taken.rights, o: taken.overdraw };
        lines.push(TransferLine { sku: sku.clone(), units: *units, moved });
    }
    Ok(lines)
}

/// Books what came of a transfer; `confirmed` says that nothing more comes and writes off what is missing. The same
/// request again changes nothing.
///
/// # Errors
/// `NOT_FOUND`, `NOT_CUSTODIAN`, `ALREADY_CLOSED`, `UNKNOWN_SKU`, `BAD_QUANTITY`, `EMPTY_BASKET`, `SALE_ID_REUSED`;
/// then nothing was stored. Or a fault.
pub fn receive(node: &mut Node, now: Now, request: &TransferReceiptRequest) -> Answer<()> {
    let hash = hash_of(request);
    if let Some(found) = documents::find(node.conn(), &request.id)? {
        return same_request(&found, DocumentKind::TransferReceived, hash).map(|_| ());
    }
    let transfer = incoming(node, request)?;
    let custody = custody::end_of(node, &CustodyObject::Transfer(request.transfer))?;
    check(node, &request.lines, request.confirmed)?;
    let standing = node.standing(&Stock::default());
    let line = |(sku, units): &(Sku, u64)| TransferLine {
        sku: sku.clone(),
        units: *units,
        moved: Moved { m: rights::mint(&standing, *units), c: 0, o: 0 },
    };
    let body = Body::from(TransferReceived {
        transfer: request.transfer,
        from_store: transfer.store,
        lines: request.lines.iter().map(line).collect(),
        custody,
        confirmed: request.confirmed,
        approver: request.approver.clone(),
    });
    let written = node.write(now, None, None, body)?;
    let entry = Entry {
        id: &request.id,
        kind: DocumentKind::TransferReceived,
        request: Some(hash),
        receipt: None,
        day: None,
    };
    documents::insert(node.conn(), written.place, &entry)?;
    let skus: Vec<Sku> = request.lines.iter().map(|(sku, _)| sku.clone()).collect();
    node.settle(now, skus.iter().cloned())?;
    lend_share(node, now, skus)
}

fn incoming(node: &Node, request: &TransferReceiptRequest) -> Answer<Shipment> {
    let known = shipments::find(node.conn(), &request.transfer)?;
    known.filter(|known| known.kind == Kind::Incoming).ok_or_else(|| {
        let detail = format!("no transfer {} is announced to this store", request.transfer);
        no(Code::NotFound, detail)
    })
}

fn check(node: &mut Node, lines: &[(Sku, u64)], may_be_empty: bool) -> Answer<()> {
    if lines.is_empty() && !may_be_empty {
        return Err(no_at(Code::EmptyBasket, "/lines", "name what is sent or what came"));
    }
    if lines.len() > LINES_MAX {
        return Err(no_at(Code::TooManyLines, "/lines", format!("at most {LINES_MAX} lines")));
    }
    for (index, (sku, units)) in lines.iter().enumerate() {
        if !(1..=PLAUSIBLE_UNITS_MAX).contains(units) {
            let detail = format!("{units} base units can't be sent");
            return Err(no_at(Code::BadQuantity, format!("/lines/{index}/units"), detail));
        }
        node.item(sku).map_err(|stop| in_line(stop, index))?;
    }
    Ok(())
}

fn in_line(stop: Stop, index: usize) -> Stop {
    match stop {
        Stop::No(problem) => no_at(problem.code, format!("/lines/{index}/sku"), problem.detail),
        fault => fault,
    }
}
