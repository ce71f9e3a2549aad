//! Shifts, drawers and the Z.

use super::{Day, FiscalHead};
use crate::ids::Id;
use serde::{Deserialize, Serialize};
use tradepost_commerce::document::{StaffId, Tax, TenderKind};
use tradepost_commerce::money::{Currency, Money};

/// Notes or coins of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Denomination {
    /// Value of one, in minor units.
    pub value: Money,
    /// How many.
    pub count: u32,
}

/// `shift.opened`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShiftOpened {
    /// The shift's number at its till.
    pub shift: u32,
    /// Local date at opening, fixed for the shift.
    pub business_day: Day,
    /// The drawers' floats, the store's own currency first.
    pub floats: Vec<DrawerFloat>,
}

/// What a drawer begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrawerFloat {
    /// The drawer's currency.
    pub currency: Currency,
    /// By denomination; may be empty where only the sum was entered.
    pub by: Vec<Denomination>,
    /// The sum.
    pub total: Money,
}

/// Which way cash went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CashDirection {
    /// Into the drawer.
    In,
    /// Out of the drawer, for an expense.
    Out,
    /// Out of the drawer, into the safe.
    SafeDrop,
}

/// `cash.moved`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CashMoved {
    /// Which way.
    pub direction: CashDirection,
    /// Of which drawer.
    pub currency: Currency,
    /// How much; above zero.
    pub amount: Money,
    /// Reason code.
    pub reason: String,
    /// Who allowed it.
    pub approver: Option<StaffId>,
}

/// `drawer.opened`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrawerOpened {
    /// Reason code.
    pub reason: String,
    /// Who allowed it, where policy asks.
    pub approver: Option<StaffId>,
}

/// One tax rate of a Z.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZTax {
    /// Category and rate.
    pub tax: Tax,
    /// Gross of the sales.
    pub sales_gross: Money,
    /// Tax of the sales: a sum of the documents' taxes, never computed again.
    pub sales_tax: Money,
    /// Gross of the refunds, negative.
    pub refunds_gross: Money,
    /// Tax of the refunds, negative.
    pub refunds_tax: Money,
}

/// One kind of tender of a Z.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZTender {
    /// What kind.
    pub kind: TenderKind,
    /// Net of change and refunds.
    pub amount: Money,
    /// How many.
    pub count: u32,
    /// Of the amount, what is stored or unconfirmed still.
    pub unsettled: Money,
}

/// Documents of one series in a shift.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZSeries {
    /// The series.
    pub series: String,
    /// First number of the shift.
    pub first: u64,
    /// Last number of the shift.
    pub last: u64,
}

/// The drawer in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZDrawer {
    /// The currency.
    pub currency: Currency,
    /// Float at opening.
    pub float: Money,
    /// Cash from sales, without change.
    pub sales: Money,
    /// Cash given back, negative.
    pub refunds: Money,
    /// Paid in.
    pub paid_in: Money,
    /// Paid out, negative.
    pub paid_out: Money,
    /// Dropped into the safe, negative.
    pub safe_drops: Money,
    /// What should be there.
    pub expected: Money,
    /// What was counted, by denomination.
    pub counted_by: Vec<Denomination>,
    /// What was counted.
    pub counted: Money,
    /// Counted − expected.
    pub difference: Money,
    /// Cash of receivables collected, part of what is expected.
    pub receivables: Money,
}

/// Totals of a till since it began to sell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Perpetual {
    /// Gross of all sales.
    pub sales: Money,
    /// Gross of all refunds, negative.
    pub refunds: Money,
    /// All documents.
    pub documents: u64,
}

/// A tender that was open when the shift closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenTender {
    /// The cart or document it belongs to.
    pub object: Id,
    /// Its key.
    pub key: Id,
    /// What kind.
    pub kind: TenderKind,
    /// How much.
    pub amount: Money,
}

/// `shift.closed`: the whole Z (`money.md`, Expected Z report).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShiftClosed {
    /// The shift's number at its till.
    pub shift: u32,
    /// The Z's number at its till.
    pub z: u32,
    /// The shift's business day.
    pub business_day: Day,
    /// The currency of all figures that name none.
    pub currency: Currency,
    /// First and last number per series.
    pub series: Vec<ZSeries>,
    /// Sales.
    pub sales_count: u32,
    /// Refunds.
    pub refunds_count: u32,
    /// Pieces sold, returns not subtracted.
    pub units_sold: u64,
    /// Weighed lines.
    pub weighed_lines: u32,
    /// Their base units.
    pub weighed_units: u64,
    /// Gross before any discount.
    pub gross_before_discounts: Money,
    /// Line discounts.
    pub line_discounts: Money,
    /// Promotions.
    pub promotions: Money,
    /// Order discounts.
    pub order_discounts: Money,
    /// Gross of the sales.
    pub sales: Money,
    /// Gross of the refunds, negative.
    pub refunds: Money,
    /// Per rate.
    pub taxes: Vec<ZTax>,
    /// Turnover without tax.
    pub net: Money,
    /// Tax.
    pub tax: Money,
    /// Cash rounding.
    pub rounding: Money,
    /// Per kind of tender.
    pub tenders: Vec<ZTender>,
    /// Liabilities sold (vouchers, gift cards); outside turnover.
    pub liabilities_sold: Money,
    /// Receivables collected; outside turnover.
    pub receivables_collected: Money,
    /// Drawers, the store's own currency first.
    pub drawers: Vec<ZDrawer>,
    /// Prepaid orders handed out; information only.
    pub prepaid_count: u32,
    /// Their value.
    pub prepaid_amount: Money,
    /// Drawer openings without a sale.
    pub drawer_openings: u32,
    /// Copies printed.
    pub copies: u32,
    /// Who allowed the difference.
    pub approver: Option<StaffId>,
    /// Totals before this shift.
    pub perpetual_before: Perpetual,
    /// Totals after it.
    pub perpetual_after: Perpetual,
    /// Heads of the fiscal chains.
    pub fiscal_heads: Vec<FiscalHead>,
    /// Tenders still open.
    pub open_tenders: Vec<OpenTender>,
    /// A successor closed the shift of a lost incarnation.
    pub recovered: bool,
    /// The Z this one supplements.
    pub supplement_of: Option<u32>,
    /// Pieces that came back.
    pub units_returned: u64,
    /// Whose shift it was, where a successor closed it.
    pub opened_by: Option<crate::ids::Incarnation>,
    /// Z number and perpetual totals go on from the last known Z, behind which others may be lost.
    pub continuity_broken: bool,
}

/// `till.moved`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TillMoved {
    /// The till.
    pub till: String,
    /// From whom.
    pub from: crate::ids::Incarnation,
    /// To whom.
    pub to: crate::ids::Incarnation,
    /// Who allowed it.
    pub approver: Option<StaffId>,
}
