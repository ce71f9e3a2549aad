//! The audit: the present engine over the inputs of every document that comes in. The document stands whatever it
//! finds; a difference is listed for a person (`model.md` §6).

use tradepost_commerce::document::{RefundDocument, SaleDocument};
use tradepost_commerce::{ring_up, settle_refund};
use tradepost_sync::body::Body;
use tradepost_sync::ids::Id;

/// What doesn't agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which document.
    pub document: Id,
    /// A sentence with the figures.
    pub detail: String,
}

/// Computes the document of a body again, where it holds one.
pub fn audit(body: &Body) -> Option<Difference> {
    match body {
        Body::SaleCommitted(sale) => {
            sale_differs(&sale.document).map(|detail| Difference { document: sale.sale_id, detail })
        }
        Body::RefundCommitted(refund) => {
            refund_differs(&refund.document).map(|detail| Difference { document: refund.refund_id, detail })
        }
        _ => None,
    }
}

fn sale_differs(document: &SaleDocument) -> Option<String> {
    let told = &document.outcome;
    match ring_up(&document.inputs) {
        Err(refusal) => Some(format!("the engine refuses it: {refusal}")),
        Ok(again) if again == *told => None,
        Ok(again) => Some(format!(
            "total {} and tax {} were booked, the engine says {} and {}",
            told.settlement.total, told.tax, again.settlement.total, again.tax
        )),
    }
}

fn refund_differs(document: &RefundDocument) -> Option<String> {
    let told = &document.outcome;
    match settle_refund(&document.inputs) {
        Err(refusal) => Some(format!("the engine refuses it: {refusal}")),
        Ok(again) if again == *told => None,
        Ok(again) => Some(format!(
            "total {} and tax {} were booked, the engine says {} and {}",
            told.settlement.total, told.tax, again.settlement.total, again.tax
        )),
    }
}
