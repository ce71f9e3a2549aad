//! Correcting stock with a reason.

use super::clock::Now;
use super::node::Node;
use super::problem::{Answer, Code, no_at};
use super::request::{AdjustRequest, hash_of, same_request};
use crate::db::documents::{self, DocumentKind, Entry};
use tradepost_commerce::product::StockPolicy;
use tradepost_sync::body::{Body, Moved, StockAdjusted};
use tradepost_sync::limits::PLAUSIBLE_UNITS_MAX;
use tradepost_sync::rights;

/// Books a correction. Down takes rights first, then overdraw, like a sale in hand; up is minted only behind a
/// barrier, so nothing is minted here (`model.md` §2). The same request again changes nothing.
///
/// # Errors
/// `UNKNOWN_SKU`, `BAD_QUANTITY`, `SALE_ID_REUSED`; then nothing was stored. Or a fault.
pub fn adjust(node: &mut Node, now: Now, request: &AdjustRequest) -> Answer<()> {
    let hash = hash_of(request);
    if let Some(found) = documents::find(node.conn(), &request.id)? {
        return same_request(&found, DocumentKind::Adjustment, hash).map(|_| ());
    }
    let size = request.units.unsigned_abs();
    if size == 0 || size > PLAUSIBLE_UNITS_MAX {
        return Err(no_at(
            Code::BadQuantity,
            "/units",
            format!("{} base units can't be corrected", request.units),
        ));
    }
    let item = node.item(&request.sku)?;
    let row = node.stock(item.item.sku_no)?;
    let down = if request.units < 0 { size } else { 0 };
    let standing = node.standing(&row);
    let taken = rights::take(&standing, StockPolicy::InHand, down, true)
        .map_err(|short| no_at(Code::StrictStockShort, "/units", short.to_string()))?;
    let body = Body::from(StockAdjusted {
        adjustment: request.id,
        sku: item.item.product.sku.clone(),
        units: request.units,
        reason: request.reason.clone(),
        approver: request.approver.clone(),
        moved: Moved { m: 0, c: taken.rights, o: taken.overdraw },
    });
    let written = node.write(now, None, None, body)?;
    let entry = Entry {
        id: &request.id,
        kind: DocumentKind::Adjustment,
        request: Some(hash),
        receipt: None,
        day: None,
    };
    documents::insert(node.conn(), written.place, &entry)?;
    Ok(())
}
