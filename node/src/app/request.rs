//! Requests as `app` takes them: parsed, believed, and comparable, so that a repeat is known for one.

use super::problem::{Answer, Code, no, no_at};
use crate::db::documents::RequestHash;
use serde::Serialize;
use tradepost_commerce::document::{
    AgeCheck, Condition, Discount, Exemption, Sku, StaffId, Tender, TenderKind,
};
use tradepost_commerce::money::Money;
use tradepost_commerce::quantity::Quantity;
use tradepost_sync::ids::{Id, Incarnation};

/// Most characters of a till's name.
pub const TILL_CHARS_MAX: usize = 8;
/// Most characters of a reason, a reference and other short text.
pub const TEXT_CHARS_MAX: usize = 200;

/// A till's name: 1 to 8 capital letters and digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Till(String);

impl Till {
    /// Reads a till's name.
    ///
    /// # Errors
    /// `BAD_TILL`.
    pub fn parse(text: &str) -> Answer<Self> {
        let right =
            (1..=TILL_CHARS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
        if right {
            return Ok(Self(text.to_owned()));
        }
        Err(no_at(
            Code::BadTill,
            "/till",
            format!("{text:?} is no till: 1 to {TILL_CHARS_MAX} letters and digits"),
        ))
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// What is asked for on a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Wish {
    /// An item by its code.
    Sku(Sku),
    /// Whatever a scanner read.
    Code(String),
    /// A voucher or gift card to be sold.
    Voucher {
        /// Which of the two.
        kind: TenderKind,
        /// What is printed on it.
        code: String,
        /// What is paid for it.
        amount: Money,
    },
}

/// One line of a sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SaleLine {
    /// What.
    pub wish: Wish,
    /// How much; a weight label says it itself.
    pub quantity: Option<Quantity>,
    /// A price given by hand, with its reason.
    pub price: Option<(Money, String)>,
    /// Discounts on the line.
    pub discounts: Vec<Discount>,
    /// Serial numbers.
    pub serials: Vec<String>,
    /// The age check.
    pub age_check: Option<AgeCheck>,
    /// The reservation that this line hands over.
    pub reservation: Option<Id>,
}

/// A whole sale in one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SaleRequest {
    /// The client's id.
    pub id: Id,
    /// The till.
    pub till: Till,
    /// The lines.
    pub lines: Vec<SaleLine>,
    /// Discounts on the order.
    pub discounts: Vec<Discount>,
    /// The customer.
    pub customer: Option<Id>,
    /// A price list.
    pub price_list: Option<String>,
    /// Tax exemption.
    pub exemption: Option<Exemption>,
    /// What was paid.
    pub tenders: Vec<Tender>,
    /// What the caller thinks it comes to.
    pub expected_total: Option<Money>,
}

/// What comes back on a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Back {
    /// A line of the sale, by its index.
    Line(u16),
    /// An item, where there is no receipt.
    Item(Sku),
}

/// One line that comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefundLine {
    /// What.
    pub back: Back,
    /// How much.
    pub quantity: Quantity,
    /// In what state.
    pub condition: Condition,
    /// Serial numbers.
    pub serials: Vec<String>,
}

/// How a refund is paid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum PayOut {
    /// In cash, rounded to its steps.
    Cash,
    /// To the card.
    Card,
    /// The way it was paid: what still waits for its money first, then in order.
    Original,
}

/// A refund.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefundRequest {
    /// The client's id.
    pub id: Id,
    /// The till.
    pub till: Till,
    /// The sale; none where there is no receipt.
    pub sale: Option<Id>,
    /// Why.
    pub reason: String,
    /// Who allowed it.
    pub approver: Option<StaffId>,
    /// What comes back.
    pub lines: Vec<RefundLine>,
    /// How it is paid out.
    pub pay_out: PayOut,
}

/// A sale that is cancelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VoidRequest {
    /// The client's id.
    pub id: Id,
    /// The till.
    pub till: Till,
    /// The sale.
    pub sale: Id,
    /// Why.
    pub reason: String,
}

/// Goods that come back, and goods that go out for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExchangeRequest {
    /// The client's id; those of the refund and of the sale are made of it.
    pub id: Id,
    /// What comes back.
    pub refund: RefundRequest,
    /// What goes out.
    pub sale: SaleRequest,
}

/// A receivable that is paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceivableRequest {
    /// The client's id.
    pub id: Id,
    /// The till.
    pub till: Till,
    /// The sale that is owed for.
    pub sale: Id,
    /// The tender that failed.
    pub key: Id,
    /// What is paid.
    pub tenders: Vec<Tender>,
}

/// Goods that came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeliveryRequest {
    /// The client's id.
    pub id: Id,
    /// The supplier's number.
    pub reference: String,
    /// Items, base units, cost of a pricing unit.
    pub lines: Vec<(Sku, u64, Option<Money>)>,
    /// An announced delivery is closed without goods.
    pub not_delivered: bool,
    /// An announced delivery was that unannounced receipt.
    pub same_as: Option<Id>,
    /// Who allowed it.
    pub approver: Option<StaffId>,
}

/// Whom rights are given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Taker {
    /// The store's incarnation at the hub.
    Hub,
    /// Another one of the store.
    Incarnation(Incarnation),
}

/// Rights to be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GrantRequest {
    /// The client's id.
    pub id: Id,
    /// The item.
    pub sku: Sku,
    /// To whom.
    pub to: Taker,
    /// Base units.
    pub units: u64,
}

/// Goods to another store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShipRequest {
    /// The transfer's id, made by the client.
    pub id: Id,
    /// The other store, by the hub's code.
    pub to_store: String,
    /// Items and base units.
    pub lines: Vec<(Sku, u64)>,
    /// Who allowed more than the rights.
    pub approver: Option<StaffId>,
}

/// Goods from another store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TransferReceiptRequest {
    /// This receipt's id, made by the client.
    pub id: Id,
    /// The transfer.
    pub transfer: Id,
    /// Items and base units.
    pub lines: Vec<(Sku, u64)>,
    /// Nothing more comes.
    pub confirmed: bool,
    /// Who confirmed a difference.
    pub approver: Option<StaffId>,
}

/// A correction of stock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdjustRequest {
    /// The client's id.
    pub id: Id,
    /// The item.
    pub sku: Sku,
    /// Base units, up or down.
    pub units: i64,
    /// Why.
    pub reason: String,
    /// Who allowed it.
    pub approver: Option<StaffId>,
}

/// The hash by which a repeat of a request is known (`model.md` §1): over its canonical parsed form.
pub fn hash_of<T: Serialize>(request: &T) -> RequestHash {
    let mut hasher = blake3::Hasher::new_derive_key("tradepost request v1");
    // Postcard of plain values can't fail; if it ever did, the request would only be like no other.
    hasher.update(&postcard::to_allocvec(request).unwrap_or_default());
    let mut hash = [0; 16];
    hash.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    hash
}

/// Whether a stored document answers this very request.
///
/// # Errors
/// `SALE_ID_REUSED`.
pub(crate) fn same_request(
    found: &crate::db::documents::Found,
    kind: crate::db::documents::DocumentKind,
    request: RequestHash,
) -> Answer<i64> {
    if found.kind == kind && found.request == Some(request) {
        return Ok(found.place);
    }
    Err(no(Code::SaleIdReused, "this id was used for another request"))
}
