//! What a sale or a refund freezes for good: its inputs and its outcome (`facts.md` §1 and §2).
//!
//! These types are the frozen shape of documents inside events. Field order is the byte order: nothing here may
//! be moved, removed or given another type without a new version of the event kinds that hold it.
//! Readers use the outcome as stored; only the wire predictor and the hub's audit run the engine again.

use crate::money::{Currency, Money, Rounding};
use crate::quantity::{Quantity, Unit};
use serde::{Deserialize, Serialize};

/// A stock keeping unit's code, 1 to 64 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sku(pub String);

/// A person of the store's staff, 1 to 32 characters; never a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StaffId(pub String);

/// A position in the hub's catalog stream. A higher epoch supersedes every version of a lower one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CatalogVersion {
    /// New after every restore of the hub; 0 is a node's own catalog before enrolment.
    pub epoch: u32,
    /// Gap-free within an epoch.
    pub version: u64,
}

/// Which amounts tax is rounded over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TaxPolicy {
    /// One rounding per rate group of the document. The default.
    #[default]
    Group,
    /// One rounding per line.
    Line,
}

/// The rules that were in force, frozen in each document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rules {
    /// Version of the engine that computed the outcome (`calc_version`).
    pub calc: u16,
    /// Version of the store's settings (the printed header goes by it).
    pub settings: u32,
    /// The document's currency.
    pub currency: Currency,
    /// Whether unit prices include tax.
    pub prices_include_tax: bool,
    /// How fractions round.
    pub rounding: Rounding,
    /// Over what tax rounds.
    pub tax_policy: TaxPolicy,
    /// The smallest step cash is paid in, in minor units; 1 means no cash rounding.
    pub cash_step: Money,
}

/// A tax category and its rate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tax {
    /// The category's code in the catalog, e.g. `standard`.
    pub category: String,
    /// Parts per million: 23 % is 230,000.
    pub ppm: u32,
}

/// Where a unit price came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PriceSource {
    /// A price list, at the catalog version that was in force at the scan.
    List {
        /// Code of the list; empty for the store's own default list.
        list: String,
        /// The catalog version the price was read from.
        version: CatalogVersion,
    },
    /// Typed in at the till.
    Manual {
        /// Who allowed it, where policy asks.
        approver: Option<StaffId>,
        /// Why.
        reason: String,
    },
}

/// How a discount takes off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DiscountKind {
    /// Parts per million of what is left.
    Percent(u32),
    /// A fixed amount, capped at what is left.
    Fixed(Money),
}

/// A discount somebody gave, on a line or on the whole order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Discount {
    /// How much.
    pub kind: DiscountKind,
    /// Reason code.
    pub reason: String,
    /// Who allowed it, where policy asks.
    pub approver: Option<StaffId>,
    /// The coupon behind it; only on order discounts.
    pub coupon: Option<String>,
    /// The pool a single-use coupon was drawn from; none beyond the quota, which is flagged later.
    pub pool: Option<PoolDraw>,
}

/// Proof that a customer's age was checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AgeCheck {
    /// Years that the item asks for.
    pub min_age: u8,
    /// How it was checked, e.g. `id`, `sight`.
    pub method: String,
}

/// One line as it was rung up, before anything was computed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LineInput {
    /// The item.
    pub sku: Sku,
    /// Its name as printed.
    pub name: String,
    /// What it is priced by.
    pub unit: Unit,
    /// How much, in thousandths of the pricing unit; above zero.
    pub quantity: Quantity,
    /// Price of one pricing unit.
    pub unit_price: Money,
    /// Where that price came from.
    pub price_source: PriceSource,
    /// The amount printed on a price-embedded label; replaces unit price × quantity.
    pub label_amount: Option<Money>,
    /// Category and rate.
    pub tax: Tax,
    /// Line discounts, in the order they were given.
    pub discounts: Vec<Discount>,
    /// Serial numbers captured, for serialised goods.
    pub serials: Vec<String>,
    /// The age check, where the item asks for one.
    pub age_check: Option<AgeCheck>,
    /// Goods, a service, or a liability that is sold.
    pub kind: LineKind,
}

/// What a line sells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LineKind {
    /// Something on a shelf: it moves stock.
    #[default]
    Goods,
    /// A service or a fee: turnover, but no stock.
    Service,
    /// A voucher or gift card: a liability, untaxed, outside turnover (`facts.md` §4); no stock.
    Liability {
        /// The pool that is filled.
        pool: String,
    },
}

/// What a promotion does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PromotionRule {
    /// Of every `take` units the customer pays `pay`; the cheapest are free.
    NForM {
        /// Units in a set.
        take: u32,
        /// Units paid in a set; less than `take`.
        pay: u32,
    },
    /// A percentage off every eligible unit, in parts per million.
    Percent(u32),
    /// An amount off every eligible unit (pricing unit), capped at what is left.
    FixedOff(Money),
}

/// A promotion that took part in a document, with what the engine needs to compute it again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AppliedPromotion {
    /// Its code in the catalog.
    pub id: String,
    /// Its name as printed.
    pub name: String,
    /// Lower goes first; ties by id.
    pub priority: i32,
    /// What it does.
    pub rule: PromotionRule,
    /// The lines (indices) whose items are eligible, ascending.
    pub lines: Vec<u16>,
}

/// Why a document bears no tax.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Exemption {
    /// Reason code.
    pub reason: String,
    /// Number of the certificate.
    pub certificate: String,
}

/// What kind of money a tender is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TenderKind {
    /// Notes and coins of the document's currency.
    Cash,
    /// A card at a terminal.
    Card,
    /// A VietQR transfer shown at the till.
    VietQr,
    /// Another bank transfer.
    BankTransfer,
    /// A voucher.
    Voucher,
    /// A gift card.
    GiftCard,
    /// On a named customer's account.
    OnAccount,
    /// Notes of another currency.
    ForeignCash,
    /// The internal tender between the refund and the sale of an exchange.
    Exchange,
    /// Paid before, e.g. a web order that is handed out.
    Prepaid,
    /// Anything else, by the settings' code.
    Other(String),
}

/// Where a tender stands (`facts.md` §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TenderState {
    /// A row exists; nobody was asked.
    Created,
    /// The terminal was asked.
    Requested,
    /// The money is taken.
    Captured,
    /// The terminal keeps the card and will forward it.
    Stored,
    /// Waiting for a bank's list.
    Unconfirmed,
    /// Nobody knows; settled by asking with the same key.
    Unknown,
    /// Refused.
    Declined,
    /// Undone before a document existed.
    Voided,
    /// A bank confirmed it.
    Confirmed,
    /// A bank doesn't have it.
    Missing,
    /// A stored card that was never forwarded in time.
    Expired,
}

/// The foreign side of a tender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Foreign {
    /// The currency that was handed over.
    pub currency: Currency,
    /// In minor units of that currency.
    pub amount: Money,
    /// Minor units of the document's currency per million minor units of the foreign one.
    pub rate: u64,
}

/// One means of payment. On a refund the amount is negative.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tender {
    /// Idempotency key of the durable tender row; none where it is derived from the document and the index.
    pub key: Option<[u8; 16]>,
    /// What kind of money.
    pub kind: TenderKind,
    /// What was handed over, in the document's currency; for cash this may be more than is due.
    pub amount: Money,
    /// The foreign side, for foreign cash.
    pub foreign: Option<Foreign>,
    /// Where it stood at commit.
    pub state: TenderState,
    /// Reference of the terminal or of the bank.
    pub reference: Option<String>,
    /// The pool of a voucher, a gift card or an account that was drawn on.
    pub pool: Option<PoolDraw>,
    /// On a refund: index of the original document's tender that it gives back to; none for another means.
    pub original: Option<u16>,
}

/// Quota used of a pool (gift card, account, coupon).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PoolDraw {
    /// The pool's id.
    pub pool: String,
    /// Minor units used; uses of a coupon.
    pub used: Money,
}

/// Everything a sale's outcome is computed from: run the engine of `rules.calc` over it and get the outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SaleInputs {
    /// The rules in force.
    pub rules: Rules,
    /// The catalog the till had at checkout (promotions are judged by it).
    pub catalog: CatalogVersion,
    /// The lines, in receipt order.
    pub lines: Vec<LineInput>,
    /// The promotions that took part, by (priority, id).
    pub promotions: Vec<AppliedPromotion>,
    /// Discounts on the whole order, in order; coupons last.
    pub order_discounts: Vec<Discount>,
    /// Tax exemption, if any.
    pub exemption: Option<Exemption>,
    /// What was paid with.
    pub tenders: Vec<Tender>,
}

/// What one line came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LineOutcome {
    /// Unit price × quantity, rounded once (or the label's amount).
    pub base: Money,
    /// What each line discount took off, one for each of the inputs.
    pub discounts: Vec<Money>,
    /// What promotions took off: (index of the promotion, amount).
    pub promotions: Vec<(u16, Money)>,
    /// This line's share of each order discount, one for each of the inputs.
    pub order_shares: Vec<Money>,
    /// What is left, in the price's own sense (with tax where prices include it).
    pub amount: Money,
    /// Without tax.
    pub net: Money,
    /// The tax; `net + tax` is what the line costs.
    pub tax: Money,
}

/// One tax rate of a document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TaxGroup {
    /// Category and rate.
    pub tax: Tax,
    /// Without tax.
    pub net: Money,
    /// The tax.
    pub amount: Money,
    /// `net + amount`.
    pub gross: Money,
}

/// What was to pay, rounded for cash, and given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Settlement {
    /// Σ net lines + tax.
    pub total: Money,
    /// Paid by other means than cash of the document's currency.
    pub other: Money,
    /// The cash part after rounding: what the drawer kept, `cash_tendered - change`; 0 where there is none, below
    /// zero where other tenders overpaid and the change came out of the drawer.
    pub cash_due: Money,
    /// Cash handed over.
    pub cash_tendered: Money,
    /// Given back.
    pub change: Money,
    /// Cash rounding, an untaxed field of its own: `total + rounding = Σ tenders − change`.
    pub rounding: Money,
}

/// What a sale came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SaleOutcome {
    /// One for each line of the inputs.
    pub lines: Vec<LineOutcome>,
    /// One for each (category, rate), ascending.
    pub groups: Vec<TaxGroup>,
    /// Σ net of the lines.
    pub net: Money,
    /// Σ tax of the groups.
    pub tax: Money,
    /// Payment.
    pub settlement: Settlement,
}

/// A sale's whole document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SaleDocument {
    /// What it was computed from.
    pub inputs: SaleInputs,
    /// What it came to; stored, never recomputed by a reader.
    pub outcome: SaleOutcome,
}

/// What state returned goods are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Condition {
    /// Back to stock.
    Resell,
    /// Booked in and out in one event.
    Waste,
}

/// What had been refunded of a line before, as the refunding node saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Basis {
    /// Units refunded before.
    pub quantity: Quantity,
    /// Net refunded before (a positive figure).
    pub net: Money,
    /// Tax refunded before (a positive figure).
    pub tax: Money,
}

/// One line of a refund.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RefundLineInput {
    /// Index of the line in the original sale; none for a return without a receipt.
    pub line: Option<u16>,
    /// The item.
    pub sku: Sku,
    /// Its name as printed.
    pub name: String,
    /// What it is priced by.
    pub unit: Unit,
    /// Category and rate of the original line.
    pub tax: Tax,
    /// Units sold on the original line.
    pub sold: Quantity,
    /// Net of the original line.
    pub sold_net: Money,
    /// Tax of the original line.
    pub sold_tax: Money,
    /// Units that come back now; above zero.
    pub quantity: Quantity,
    /// In what state.
    pub condition: Condition,
    /// What had been refunded before.
    pub basis: Basis,
    /// Serial numbers that come back.
    pub serials: Vec<String>,
    /// What the original line sold.
    pub kind: LineKind,
    /// For a return without a receipt: where the price that is given back came from.
    pub price_source: Option<PriceSource>,
}

/// The sale a refund goes against.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OriginalSale {
    /// Its id.
    pub sale_id: [u8; 16],
    /// Its receipt series.
    pub series: String,
    /// Its receipt number.
    pub n: u64,
    /// The store it was made in, where it was another's; by the hub's code.
    pub store: Option<String>,
}

/// Everything a refund's outcome is computed from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RefundInputs {
    /// The rules of the original sale, with this engine's version.
    pub rules: Rules,
    /// The sale it goes against; none for a return without a receipt.
    pub original: Option<OriginalSale>,
    /// What comes back.
    pub lines: Vec<RefundLineInput>,
    /// Reason code.
    pub reason: String,
    /// What is paid out with; amounts are negative.
    pub tenders: Vec<Tender>,
}

/// What one line of a refund came to; all figures are zero or negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RefundLineOutcome {
    /// Net given back.
    pub net: Money,
    /// Tax given back.
    pub tax: Money,
}

/// What a refund came to; all figures are zero or negative.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RefundOutcome {
    /// One for each line of the inputs.
    pub lines: Vec<RefundLineOutcome>,
    /// One for each (category, rate), ascending.
    pub groups: Vec<TaxGroup>,
    /// Σ net of the lines.
    pub net: Money,
    /// Σ tax of the lines.
    pub tax: Money,
    /// Payment; `cash_due` and `cash_tendered` are negative, change is 0.
    pub settlement: Settlement,
}

/// A refund's whole document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RefundDocument {
    /// What it was computed from.
    pub inputs: RefundInputs,
    /// What it came to; stored, never recomputed by a reader.
    pub outcome: RefundOutcome,
}
