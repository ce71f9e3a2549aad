//! Every business "no" of checkout and refund, by name and with its numbers (`house.md`, style 5).
//!
//! Amounts are minor units and quantities thousandths of the pricing unit; `line` and `tender` are indices.

use crate::document::{Sku, TenderState};
use crate::money::{Money, Overflow};
use crate::quantity::Quantity;
use thiserror::Error;

/// Why a sale was not made. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the fields are the numbers of the sentence above them")]
pub enum Refusal {
    /// No line at all.
    #[error("there is nothing to sell")]
    EmptySale,
    /// More lines than a document may have.
    #[error("{lines} lines are more than the {most} that a document may have")]
    TooManyLines { lines: usize, most: usize },
    /// Zero or less.
    #[error("line {line}: a quantity of {quantity} can't be sold")]
    BadQuantity { line: usize, quantity: Quantity },
    /// More than the settings allow on one line.
    #[error("line {line}: {quantity} is more than the {most} allowed on one line")]
    QuantityTooLarge { line: usize, quantity: Quantity, most: Quantity },
    /// Not a whole number of what the shelf counts.
    #[error("line {line}: {quantity} is not a whole number of the units that are counted")]
    NotWhole { line: usize, quantity: Quantity },
    /// Below zero.
    #[error("line {line}: {price} can't be a price")]
    BadPrice { line: usize, price: Money },
    /// Selling a voucher or a gift card is a liability, and untaxed.
    #[error("line {line}: a voucher or gift card bears no tax")]
    TaxedLiability { line: usize },
    /// A percentage above 100 %, or a fixed amount below zero.
    #[error("line {line}, discount {discount}: it must be between nothing and all")]
    BadDiscount { line: usize, discount: usize },
    /// As [`Refusal::BadDiscount`], on the whole order.
    #[error("order discount {discount}: it must be between nothing and all")]
    BadOrderDiscount { discount: usize },
    /// A coupon on a line: coupons take off the whole order.
    #[error("line {line}, discount {discount}: a coupon goes on the whole order")]
    CouponOnLine { line: usize, discount: usize },
    /// An order discount behind a coupon: coupons come last.
    #[error("order discount {discount} stands behind a coupon; coupons come last")]
    CouponNotLast { discount: usize },
    /// A promotion whose rule, lines or place among the others make no sense.
    #[error("promotion {promotion} can't be computed")]
    BadPromotion { promotion: String },
    /// Below one minor unit.
    #[error("cash can't be paid in steps of {step}")]
    BadCashStep { step: Money },
    /// An engine this program doesn't have.
    #[error("this program has no engine of version {calc}")]
    UnknownCalc { calc: u16 },
    /// An item that is not, or no longer, in the range.
    #[error("{sku} is not for sale")]
    NotForSale { sku: Sku },
    /// No list has a price in force.
    #[error("{sku} has no price")]
    NoPrice { sku: Sku },
    /// The settings have no rate in force for the item's category.
    #[error("{sku}: no tax rate is in force for “{category}”")]
    NoTaxRate { sku: Sku, category: String },
    /// The basket has no such line.
    #[error("the basket has no line {line}")]
    NoSuchLine { line: usize },
    /// The item asks for an age, and nobody checked it.
    #[error("line {line}: {sku} needs a check that the customer is {min_age}")]
    AgeCheckMissing { line: usize, sku: Sku, min_age: u8 },
    /// The item is sold with its serial numbers, one a piece.
    #[error("line {line}: {sku} needs {needed} different serial numbers, {given} were given")]
    SerialsMissing { line: usize, sku: Sku, needed: i64, given: usize },
    /// An amount below zero, or nothing by other means than cash.
    #[error("tender {tender}: {amount} can't be paid")]
    BadTender { tender: usize, amount: Money },
    /// Money that was not taken (or nobody knows whether).
    #[error("tender {tender}: it is {state:?}, so it pays nothing")]
    TenderNotTaken { tender: usize, state: TenderState },
    /// A foreign tender without its foreign side, or the other way round.
    #[error("tender {tender}: foreign cash, and only that, needs its own amount and rate")]
    ForeignSide { tender: usize },
    /// The foreign amount at its rate is another amount.
    #[error("tender {tender}: at its rate it is worth {worth}, not {given}")]
    ForeignMismatch { tender: usize, worth: Money, given: Money },
    /// Not enough. `due` is the rounded cash part, `rest` the same before rounding.
    #[error("{due} is due, {tendered} was given")]
    ShortTender { due: Money, rest: Money, tendered: Money },
    /// A figure too large to be counted.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

impl Refusal {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::EmptySale => "EMPTY_SALE",
            Refusal::TooManyLines { .. } => "TOO_MANY_LINES",
            Refusal::BadQuantity { .. } => "BAD_QUANTITY",
            Refusal::QuantityTooLarge { .. } => "QUANTITY_TOO_LARGE",
            Refusal::NotWhole { .. } => "NOT_WHOLE",
            Refusal::BadPrice { .. } => "BAD_PRICE",
            Refusal::TaxedLiability { .. } => "TAXED_LIABILITY",
            Refusal::BadDiscount { .. } | Refusal::BadOrderDiscount { .. } => "BAD_DISCOUNT",
            Refusal::CouponOnLine { .. } => "COUPON_ON_LINE",
            Refusal::CouponNotLast { .. } => "COUPON_NOT_LAST",
            Refusal::BadPromotion { .. } => "BAD_PROMOTION",
            Refusal::BadCashStep { .. } => "BAD_CASH_STEP",
            Refusal::UnknownCalc { .. } => "UNKNOWN_CALC",
            Refusal::NotForSale { .. } => "NOT_FOR_SALE",
            Refusal::NoPrice { .. } => "NO_PRICE",
            Refusal::NoTaxRate { .. } => "NO_TAX_RATE",
            Refusal::NoSuchLine { .. } => "NO_SUCH_LINE",
            Refusal::AgeCheckMissing { .. } => "AGE_CHECK_MISSING",
            Refusal::SerialsMissing { .. } => "SERIALS_MISSING",
            Refusal::BadTender { .. } => "BAD_TENDER",
            Refusal::TenderNotTaken { .. } => "TENDER_NOT_TAKEN",
            Refusal::ForeignSide { .. } => "FOREIGN_SIDE",
            Refusal::ForeignMismatch { .. } => "FOREIGN_MISMATCH",
            Refusal::ShortTender { .. } => "SHORT_TENDER",
            Refusal::Overflow(_) => "OVERFLOW",
        }
    }

    /// Where in a document's JSON the trouble sits (an RFC 6901 pointer), where it sits in one place.
    pub fn pointer(&self) -> Option<String> {
        match self {
            Refusal::EmptySale | Refusal::TooManyLines { .. } => Some("/lines".to_owned()),
            Refusal::BadQuantity { line, .. }
            | Refusal::QuantityTooLarge { line, .. }
            | Refusal::NotWhole { line, .. } => Some(format!("/lines/{line}/quantity")),
            Refusal::BadPrice { line, .. } => Some(format!("/lines/{line}/unit_price")),
            Refusal::TaxedLiability { line } => Some(format!("/lines/{line}/tax")),
            Refusal::BadDiscount { line, discount } | Refusal::CouponOnLine { line, discount } => {
                Some(format!("/lines/{line}/discounts/{discount}"))
            }
            Refusal::BadOrderDiscount { discount } | Refusal::CouponNotLast { discount } => {
                Some(format!("/order_discounts/{discount}"))
            }
            Refusal::NoSuchLine { line } => Some(format!("/lines/{line}")),
            Refusal::AgeCheckMissing { line, .. } => Some(format!("/lines/{line}/age_check")),
            Refusal::SerialsMissing { line, .. } => Some(format!("/lines/{line}/serials")),
            Refusal::BadTender { tender, .. } | Refusal::ForeignMismatch { tender, .. } => {
                Some(format!("/tenders/{tender}/amount"))
            }
            Refusal::TenderNotTaken { tender, .. } => Some(format!("/tenders/{tender}/state")),
            Refusal::ForeignSide { tender } => Some(format!("/tenders/{tender}/foreign")),
            Refusal::ShortTender { .. } => Some("/tenders".to_owned()),
            _ => None,
        }
    }
}

/// Why a refund was not made. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the fields are the numbers of the sentence above them")]
pub enum RefundRefusal {
    /// No line at all.
    #[error("there is nothing to give back")]
    EmptyRefund,
    /// More lines than a document may have.
    #[error("{lines} lines are more than the {most} that a document may have")]
    TooManyLines { lines: usize, most: usize },
    /// The original has no such line.
    #[error("the sale has no line {line}")]
    NoSuchLine { line: usize },
    /// Zero or less came back.
    #[error("line {line}: a quantity of {quantity} can't come back")]
    BadQuantity { line: usize, quantity: Quantity },
    /// Not a whole number of what the shelf counts.
    #[error("line {line}: {quantity} is not a whole number of the units that are counted")]
    NotWhole { line: usize, quantity: Quantity },
    /// More units than are left of the line.
    #[error("line {line}: {asked} was asked, {sold} was sold and {refunded} came back before")]
    MoreThanSold { line: usize, sold: Quantity, refunded: Quantity, asked: Quantity },
    /// A sold figure or a basis below zero.
    #[error("line {line}: what was sold or refunded before can't be below nothing")]
    BadBasis { line: usize },
    /// The same line twice in one refund, and the second entry doesn't build on the first.
    #[error("line {line}: it stands here before, and its basis leaves that out")]
    BasisNotChained { line: usize },
    /// A serial number that the line wasn't sold with.
    #[error("line {line}: serial number {serial} was not sold on it")]
    UnknownSerial { line: usize, serial: String },
    /// Below one minor unit.
    #[error("cash can't be paid in steps of {step}")]
    BadCashStep { step: Money },
    /// An engine this program doesn't have.
    #[error("this program has no engine of version {calc}")]
    UnknownCalc { calc: u16 },
    /// An amount above zero, or nothing by other means than cash.
    #[error("tender {tender}: {amount} can't be paid out")]
    BadTender { tender: usize, amount: Money },
    /// Money that was not given (or nobody knows whether).
    #[error("tender {tender}: it is {state:?}, so it pays nothing out")]
    TenderNotTaken { tender: usize, state: TenderState },
    /// A foreign tender without its foreign side, or the other way round.
    #[error("tender {tender}: foreign cash, and only that, needs its own amount and rate")]
    ForeignSide { tender: usize },
    /// The foreign amount at its rate is another amount.
    #[error("tender {tender}: at its rate it is worth {worth}, not {given}")]
    ForeignMismatch { tender: usize, worth: Money, given: Money },
    /// More paid out than the goods were paid with. Both figures are positive.
    #[error("{asked} was to be paid out, {paid} may be")]
    MoreThanPaid { asked: Money, paid: Money },
    /// Less paid out than is due. Both figures are positive.
    #[error("{due} is due, {given} was paid out")]
    ShortPayout { due: Money, given: Money },
    /// A figure too large to be counted.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

impl RefundRefusal {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            RefundRefusal::EmptyRefund => "EMPTY_REFUND",
            RefundRefusal::TooManyLines { .. } => "TOO_MANY_LINES",
            RefundRefusal::NoSuchLine { .. } => "NO_SUCH_LINE",
            RefundRefusal::BadQuantity { .. } => "BAD_QUANTITY",
            RefundRefusal::NotWhole { .. } => "NOT_WHOLE",
            RefundRefusal::MoreThanSold { .. } => "MORE_THAN_SOLD",
            RefundRefusal::BadBasis { .. } => "BAD_BASIS",
            RefundRefusal::BasisNotChained { .. } => "BASIS_NOT_CHAINED",
            RefundRefusal::UnknownSerial { .. } => "UNKNOWN_SERIAL",
            RefundRefusal::BadCashStep { .. } => "BAD_CASH_STEP",
            RefundRefusal::UnknownCalc { .. } => "UNKNOWN_CALC",
            RefundRefusal::BadTender { .. } => "BAD_TENDER",
            RefundRefusal::TenderNotTaken { .. } => "TENDER_NOT_TAKEN",
            RefundRefusal::ForeignSide { .. } => "FOREIGN_SIDE",
            RefundRefusal::ForeignMismatch { .. } => "FOREIGN_MISMATCH",
            RefundRefusal::MoreThanPaid { .. } => "MORE_THAN_PAID",
            RefundRefusal::ShortPayout { .. } => "SHORT_PAYOUT",
            RefundRefusal::Overflow(_) => "OVERFLOW",
        }
    }

    /// Where in a document's JSON the trouble sits (an RFC 6901 pointer), where it sits in one place.
    pub fn pointer(&self) -> Option<String> {
        match self {
            RefundRefusal::EmptyRefund | RefundRefusal::TooManyLines { .. } => Some("/lines".to_owned()),
            RefundRefusal::NoSuchLine { line } => Some(format!("/lines/{line}")),
            RefundRefusal::BadQuantity { line, .. }
            | RefundRefusal::NotWhole { line, .. }
            | RefundRefusal::MoreThanSold { line, .. } => Some(format!("/lines/{line}/quantity")),
            RefundRefusal::BadBasis { line } | RefundRefusal::BasisNotChained { line } => {
                Some(format!("/lines/{line}/basis"))
            }
            RefundRefusal::UnknownSerial { line, .. } => Some(format!("/lines/{line}/serials")),
            RefundRefusal::BadTender { tender, .. } | RefundRefusal::ForeignMismatch { tender, .. } => {
                Some(format!("/tenders/{tender}/amount"))
            }
            RefundRefusal::TenderNotTaken { tender, .. } => Some(format!("/tenders/{tender}/state")),
            RefundRefusal::ForeignSide { tender } => Some(format!("/tenders/{tender}/foreign")),
            RefundRefusal::MoreThanPaid { .. } | RefundRefusal::ShortPayout { .. } => {
                Some("/tenders".to_owned())
            }
            _ => None,
        }
    }
}
