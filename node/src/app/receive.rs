//! Goods that come in.

use super::clock::Now;
use super::custody;
use super::lend::lend_share;
use super::node::Node;
use super::problem::{Answer, Code, Stop, no, no_at};
use super::request::{DeliveryRequest, hash_of, same_request};
use crate::db::documents::{self, DocumentKind, Entry};
use crate::db::shipments;
use crate::db::stock::Stock;
use std::collections::BTreeMap;
use tradepost_commerce::document::Sku;
use tradepost_sync::body::{Body, CustodyObject, DeliveryLine, DeliveryReceived, Moved};
use tradepost_sync::limits::PLAUSIBLE_UNITS_MAX;
use tradepost_sync::rights;

/// Most lines of one delivery.
pub const LINES_MAX: usize = 2_000;

/// Books a delivery; answers what it holds. The same request again changes nothing.
///
/// # Errors
/// `UNKNOWN_SKU`, `BAD_QUANTITY`, `EMPTY_BASKET`, `SALE_ID_REUSED`, and for an announced one `NOT_CUSTODIAN` and
/// `ALREADY_CLOSED`; then nothing was stored. Or a fault.
pub fn receive(node: &mut Node, now: Now, request: &DeliveryRequest) -> Answer<()> {
    let hash = hash_of(request);
    let known = documents::find(node.conn(), &request.id)?;
    if let Some(found) = known.filter(|found| found.request.is_some()) {
        return same_request(&found, DocumentKind::Delivery, hash).map(|_| ());
    }
    let custody = custody::end_of(node, &CustodyObject::Delivery(request.id))?;
    let announced = shipments::find(node.conn(), &request.id)?;
    check(node, request, announced.is_some())?;
    let mut expected: BTreeMap<Sku, u64> = BTreeMap::new();
    for line in shipments::lines(node.conn(), &request.id)? {
        expected.insert(line.sku, line.expected);
    }
    let standing = node.standing(&Stock::default());
    let lines: Vec<DeliveryLine> = request
        .lines
        .iter()
        .map(|(sku, units, cost)| DeliveryLine {
            sku: sku.clone(),
            units: *units,
            expected: expected.remove(sku),
            cost: *cost,
            moved: Moved { m: rights::mint(&standing, *units), c: 0, o: 0 },
        })
        .collect();
    let skus: Vec<_> = lines.iter().map(|line| line.sku.clone()).collect();
    let body = Body::from(DeliveryReceived {
        delivery: request.id,
        reference: request.reference.clone(),
        lines,
        custody,
        same_as: request.same_as,
        approver: request.approver.clone(),
    });
    let written = node.write(now, None, None, body)?;
    let entry = Entry {
        id: &request.id,
        kind: DocumentKind::Delivery,
        request: Some(hash),
        receipt: None,
        day: None,
    };
    documents::insert(node.conn(), written.place, &entry)?;
    node.settle(now, skus.iter().cloned())?;
    lend_share(node, now, skus)
}

fn unknown(stop: Stop, index: usize) -> Stop {
    match stop {
        Stop::No(problem) => no_at(problem.code, format!("/lines/{index}/sku"), problem.detail),
        fault => fault,
    }
}

fn check(node: &mut Node, request: &DeliveryRequest, announced: bool) -> Answer<()> {
    let empty = request.not_delivered || request.same_as.is_some();
    if empty != request.lines.is_empty() {
        let detail = "a delivery brings something, unless it is not delivered or the same as another receipt";
        return Err(no_at(Code::EmptyBasket, "/lines", detail));
    }
    if empty && !announced {
        return Err(no(Code::NotFound, format!("no delivery {} is announced", request.id)));
    }
    if let Some(same_as) = &request.same_as {
        let known = documents::find(node.conn(), same_as)?.filter(|f| f.kind == DocumentKind::Delivery);
        if known.is_none() || *same_as == request.id {
            return Err(no_at(Code::NotFound, "/same_as", format!("no receipt {same_as}")));
        }
    }
    if request.lines.len() > LINES_MAX {
        return Err(no_at(Code::TooManyLines, "/lines", format!("at most {LINES_MAX} lines")));
    }
    for (index, (sku, units, _)) in request.lines.iter().enumerate() {
        if !(1..=PLAUSIBLE_UNITS_MAX).contains(units) {
            let detail = format!("{units} base units can't be received");
            return Err(no_at(Code::BadQuantity, format!("/lines/{index}/units"), detail));
        }
        let item = node.item(sku).map_err(|stop| unknown(stop, index))?;
        if item.item.product.sku != *sku {
            return Err(no(Code::UnknownSku, format!("{} is {} now", sku.0, item.item.product.sku.0)));
        }
    }
    Ok(())
}
