//! Sales, refunds and what happens to their payments.

use super::{CustodyMark, Day};
use crate::ids::{Hash, Id};
use serde::{Deserialize, Serialize};
use tradepost_commerce::document::{RefundDocument, SaleDocument, StaffId, Tender, TenderKind};
use tradepost_commerce::money::Money;

/// What one line moved, in base units: minted, taken from rights, overdrawn (`model.md` §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Moved {
    /// Rights minted; 0 where the author is unregistered or locked.
    pub m: u64,
    /// Rights used or burnt.
    pub c: u64,
    /// Overdraw taken.
    pub o: u64,
}

/// A document's number: gapless within (till, series) of a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReceiptNumber {
    /// The till.
    pub till: String,
    /// Five characters of the incarnation that opened the series.
    pub series: String,
    /// From 1.
    pub n: u64,
}

/// `sale.committed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaleCommitted {
    /// The sale's id: the client's, or derived (`model.md` §1).
    pub sale_id: Id,
    /// Whether the id came from the client.
    pub client_made: bool,
    /// The cart that was checked out.
    pub cart: Option<Id>,
    /// Its number.
    pub receipt: ReceiptNumber,
    /// The shift's business day.
    pub business_day: Day,
    /// A customer's id; never more.
    pub customer: Option<Id>,
    /// The whole printed document.
    pub document: SaleDocument,
    /// What each line moved; one for each line of the document.
    pub moved: Vec<Moved>,
    /// Ties a refund and a sale of one exchange.
    pub exchange: Option<Id>,
    /// The reservations this sale hands over: (index of the line, reservation), by line.
    pub reservations: Vec<(u16, Id)>,
    /// Custody of the cart at checkout; none for a cart that never was another's, or no cart.
    pub cart_custody: Option<CustodyMark>,
}

/// Whether a refund's author held the refund right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verification {
    /// It did.
    Verified,
    /// It could not get it; a manager allowed it (`facts.md` §4).
    Unverified,
}

/// `refund.committed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundCommitted {
    /// The refund's own id.
    pub refund_id: Id,
    /// Whether the id came from the client.
    pub client_made: bool,
    /// Its number, from the same series as sales.
    pub receipt: ReceiptNumber,
    /// The shift's business day.
    pub business_day: Day,
    /// A customer's id.
    pub customer: Option<Id>,
    /// The whole printed document, with the basis it saw.
    pub document: RefundDocument,
    /// What each line moved; a damaged return is booked in and out and moves nothing.
    pub moved: Vec<Moved>,
    /// Whether the refund right was held.
    pub verification: Verification,
    /// Whether it cancels the whole sale within its shift.
    pub void: bool,
    /// Who allowed it.
    pub approver: Option<StaffId>,
    /// Ties a refund and a sale of one exchange.
    pub exchange: Option<Id>,
    /// Custody of the refund right it was made under; none where it never moved, or was not held.
    pub right: Option<CustodyMark>,
}

/// How an open tender ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SettledAs {
    /// The money came.
    Captured,
    /// It was refused.
    Declined,
    /// It was never forwarded in time.
    Expired,
    /// The bank has it.
    Confirmed,
    /// The bank doesn't have it.
    Missing,
    /// Undone.
    Voided,
}

/// `payment.settled`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentSettled {
    /// The document whose tender it is, where there is one.
    pub document: Option<Id>,
    /// The tender's key.
    pub key: Id,
    /// What kind of money.
    pub kind: TenderKind,
    /// How it ended.
    pub outcome: SettledAs,
    /// How much.
    pub amount: Money,
    /// Reference of the terminal or of the bank.
    pub reference: Option<String>,
}

/// `copy.printed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyPrinted {
    /// The document.
    pub document: Id,
    /// Which copy, from 1.
    pub copy: u32,
}

/// `receivable.collected`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivableCollected {
    /// The sale that is owed for.
    pub sale_id: Id,
    /// The tender that failed.
    pub key: Id,
    /// Number of the receipt that is given.
    pub receipt: ReceiptNumber,
    /// The shift's business day.
    pub business_day: Day,
    /// How much is collected.
    pub amount: Money,
    /// With what.
    pub tenders: Vec<Tender>,
    /// Cash rounding and change as in a sale: (rounding, change).
    pub rounding: Money,
    /// Given back.
    pub change: Money,
}

/// `override.used`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideUsed {
    /// What was allowed, by the policy's code.
    pub what: String,
    /// The document or object it was for.
    pub object: Option<Id>,
    /// Who asked.
    pub to: Option<StaffId>,
    /// Who allowed it.
    pub by: StaffId,
    /// Why.
    pub reason: String,
}

/// `customer.created`: an id alone; the record is synced apart and can be erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerCreated {
    /// The customer.
    pub customer: Id,
}

/// `customer.changed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerChanged {
    /// The customer.
    pub customer: Id,
}

/// The head of a fiscal chain (`facts.md` §4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiscalHead {
    /// The series whose chain it is.
    pub series: String,
    /// Entries in the chain.
    pub n: u64,
    /// SHA-256 of the last one.
    pub hash: Hash,
}
