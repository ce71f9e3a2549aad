//! Goods that come in.

use super::clock::Now;
use super::node::Node;
use super::problem::{Answer, Code, Stop, no, no_at};
use super::request::{DeliveryRequest, hash_of, same_request};
use crate::db::documents::{self, DocumentKind, Entry};
use crate::db::stock::Stock;
use tradepost_sync::body::{Body, CustodyMark, DeliveryLine, DeliveryReceived, Moved};
use tradepost_sync::limits::PLAUSIBLE_UNITS_MAX;
use tradepost_sync::rights;

/// Most lines of one delivery.
pub const LINES_MAX: usize = 2_000;

/// Books a delivery; answers what it holds. The same request again changes nothing.
///
/// # Errors
/// `UNKNOWN_SKU`, `BAD_QUANTITY`, `EMPTY_BASKET`, `SALE_ID_REUSED`; then nothing was stored. Or a fault.
pub fn receive(node: &mut Node, now: Now, request: &DeliveryRequest) -> Answer<()> {
    let hash = hash_of(request);
    if let Some(found) = documents::find(node.conn(), &request.id)? {
        return same_request(&found, DocumentKind::Delivery, hash).map(|_| ());
    }
    check(node, request)?;
    let standing = node.standing(&Stock::default());
    let lines: Vec<DeliveryLine> = request
        .lines
        .iter()
        .map(|(sku, units, cost)| DeliveryLine {
            sku: sku.clone(),
            units: *units,
            expected: None,
            cost: *cost,
            moved: Moved { m: rights::mint(&standing, *units), c: 0, o: 0 },
        })
        .collect();
    let skus: Vec<_> = lines.iter().map(|line| line.sku.clone()).collect();
    let body = Body::from(DeliveryReceived {
        delivery: request.id,
        reference: request.reference.clone(),
        lines,
        custody: CustodyMark::FIRST,
        same_as: None,
        approver: None,
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
    node.settle(now, skus)
}

fn unknown(stop: Stop, index: usize) -> Stop {
    match stop {
        Stop::No(problem) => no_at(problem.code, format!("/lines/{index}/sku"), problem.detail),
        fault => fault,
    }
}

fn check(node: &mut Node, request: &DeliveryRequest) -> Answer<()> {
    if request.lines.is_empty() {
        return Err(no_at(Code::EmptyBasket, "/lines", "a delivery brings something"));
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
