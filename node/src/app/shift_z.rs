//! The pure shift's words and the frozen ones of its events, back and forth. Nothing is computed here.

use super::problem::{Answer, Code, no};
use tradepost_commerce::document::{Settlement, TenderKind};
use tradepost_commerce::drawer::{self, Cash, CashMove, CountedDrawer, Drawer};
use tradepost_commerce::money::Money;
use tradepost_commerce::shift::{self, Perpetual, Shift, Z};
use tradepost_commerce::shift_report::{RateTotals, Report, SeriesRange, TenderTotal};
use tradepost_commerce::tender_life::Settled;
use tradepost_sync::body::{
    self, CashMoved, Day, DrawerFloat, FiscalHead, PaymentSettled, ReceivableCollected, SettledAs,
    ShiftClosed, ZDrawer, ZSeries, ZTax, ZTender,
};
use tradepost_sync::ids::{Id, Incarnation};

/// What a Z says beside the pure shift's figures.
pub(crate) struct Beside {
    /// The shift's business day.
    pub(crate) day: Day,
    /// Heads of the fiscal chains before it.
    pub(crate) heads: Vec<FiscalHead>,
    /// Whose shift it was, where a successor closes it.
    pub(crate) opened_by: Option<Incarnation>,
    /// Zs before it may be lost.
    pub(crate) continuity_broken: bool,
}

/// A Z as it is frozen.
pub(crate) fn closed(z: Z, beside: Beside) -> ShiftClosed {
    let report = z.report;
    ShiftClosed {
        shift: z.shift,
        z: z.z,
        business_day: beside.day,
        currency: report.currency,
        series: report.series.into_iter().map(series).collect(),
        sales_count: report.sales_count,
        refunds_count: report.refunds_count,
        units_sold: report.units_sold,
        weighed_lines: report.weighed_lines,
        weighed_units: report.weighed_units,
        gross_before_discounts: report.gross_before_discounts,
        line_discounts: report.line_discounts,
        promotions: report.promotions,
        order_discounts: report.order_discounts,
        sales: report.sales,
        refunds: report.refunds,
        taxes: report.taxes.into_iter().map(tax).collect(),
        net: report.net,
        tax: report.tax,
        rounding: report.rounding,
        tenders: report.tenders.into_iter().map(tender).collect(),
        liabilities_sold: report.liabilities_sold,
        receivables_collected: report.receivables_collected,
        drawers: z.drawers.into_iter().map(drawer_out).collect(),
        prepaid_count: report.prepaid_count,
        prepaid_amount: report.prepaid_amount,
        drawer_openings: report.drawer_openings,
        copies: report.copies,
        approver: z.approver,
        perpetual_before: perpetual(z.before),
        perpetual_after: perpetual(z.after),
        fiscal_heads: beside.heads,
        open_tenders: z.open_tenders.into_iter().map(open_tender).collect(),
        recovered: beside.opened_by.is_some(),
        supplement_of: z.supplement_of,
        units_returned: report.units_returned,
        opened_by: beside.opened_by,
        continuity_broken: beside.continuity_broken,
    }
}

fn series(range: SeriesRange) -> ZSeries {
    ZSeries { series: range.series, first: range.first, last: range.last }
}

fn tax(rate: RateTotals) -> ZTax {
    ZTax {
        tax: rate.tax,
        sales_gross: rate.sales_gross,
        sales_tax: rate.sales_tax,
        refunds_gross: rate.refunds_gross,
        refunds_tax: rate.refunds_tax,
    }
}

/// What failed of a tender is no longer unsettled and is not in the frozen row: the receivable tells it.
fn tender(total: TenderTotal) -> ZTender {
    ZTender { kind: total.kind, amount: total.amount, count: total.count, unsettled: total.unsettled }
}

fn drawer_out(counted: CountedDrawer) -> ZDrawer {
    let drawer = counted.drawer;
    ZDrawer {
        currency: drawer.currency,
        float: drawer.float,
        sales: drawer.sales,
        refunds: drawer.refunds,
        paid_in: drawer.paid_in,
        paid_out: drawer.paid_out,
        safe_drops: drawer.safe_drops,
        expected: counted.expected,
        counted_by: counted.counted_by.iter().map(denomination).collect(),
        counted: counted.counted,
        difference: counted.difference,
        receivables: drawer.receivables,
    }
}

fn denomination(one: &drawer::Denomination) -> body::Denomination {
    body::Denomination { value: one.value, count: one.count }
}

fn denomination_back(one: &body::Denomination) -> drawer::Denomination {
    drawer::Denomination { value: one.value, count: one.count }
}

fn perpetual(totals: Perpetual) -> body::Perpetual {
    body::Perpetual { sales: totals.sales, refunds: totals.refunds, documents: totals.documents }
}

/// The totals of a frozen Z.
pub(crate) fn perpetual_back(totals: body::Perpetual) -> Perpetual {
    Perpetual { sales: totals.sales, refunds: totals.refunds, documents: totals.documents }
}

fn open_tender(open: shift::OpenTender) -> body::OpenTender {
    let key = open.key.map_or_else(|| derived_key(open.object, open.index), Id);
    body::OpenTender { object: Id(open.object), key, kind: open.kind, amount: open.amount }
}

/// The key of a tender that was given none: from its document and its place there.
pub(crate) fn derived_key(object: [u8; 16], index: u16) -> Id {
    let mut hasher = blake3::Hasher::new_derive_key("tradepost tender key v1");
    hasher.update(&object);
    hasher.update(&index.to_be_bytes());
    let mut key = [0; 16];
    key.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    Id(key)
}

/// Floats as they are frozen.
pub(crate) fn floats(cash: &[Cash]) -> Vec<DrawerFloat> {
    let float = |cash: &Cash| DrawerFloat {
        currency: cash.currency,
        by: cash.by.iter().map(denomination).collect(),
        total: cash.total,
    };
    cash.iter().map(float).collect()
}

/// And back.
pub(crate) fn floats_back(floats: &[DrawerFloat]) -> Vec<Cash> {
    let cash = |float: &DrawerFloat| Cash {
        currency: float.currency,
        by: float.by.iter().map(denomination_back).collect(),
        total: float.total,
    };
    floats.iter().map(cash).collect()
}

/// A movement of cash as it is frozen.
pub(crate) fn cash_moved(moved: &CashMove) -> CashMoved {
    let direction = match moved.direction {
        drawer::CashDirection::In => body::CashDirection::In,
        drawer::CashDirection::Out => body::CashDirection::Out,
        drawer::CashDirection::SafeDrop => body::CashDirection::SafeDrop,
    };
    let (currency, amount) = (moved.currency, moved.amount);
    let (reason, approver) = (moved.reason.clone(), moved.approver.clone());
    CashMoved { direction, currency, amount, reason, approver }
}

/// And back.
pub(crate) fn cash_move(moved: &CashMoved) -> CashMove {
    let direction = match moved.direction {
        body::CashDirection::In => drawer::CashDirection::In,
        body::CashDirection::Out => drawer::CashDirection::Out,
        body::CashDirection::SafeDrop => drawer::CashDirection::SafeDrop,
    };
    let (currency, amount) = (moved.currency, moved.amount);
    let (reason, approver) = (moved.reason.clone(), moved.approver.clone());
    CashMove { direction, currency, amount, reason, approver }
}

/// How a collected receivable was paid.
///
/// # Errors
/// An overflow only for a document that no engine made.
pub(crate) fn settlement_of(
    paid: &ReceivableCollected,
) -> Result<Settlement, tradepost_commerce::money::Overflow> {
    let of = |cash: bool| {
        let kinds = paid.tenders.iter().filter(|tender| (tender.kind == TenderKind::Cash) == cash);
        Money::sum(kinds.map(|tender| tender.amount))
    };
    let (cash_tendered, other) = (of(true)?, of(false)?);
    Ok(Settlement {
        total: paid.amount,
        other,
        cash_due: cash_tendered.minus(paid.change)?,
        cash_tendered,
        change: paid.change,
        rounding: paid.rounding,
    })
}

/// Which of a shift's open tenders a settlement is about.
pub(crate) fn waiting(shift: &Shift, settled: &PaymentSettled) -> Option<([u8; 16], u16)> {
    let document = settled.document?.0;
    let of_document = || shift.open_tenders().iter().filter(|open| open.object == document);
    let by_key = of_document()
        .find(|open| open.key.map_or_else(|| derived_key(open.object, open.index), Id) == settled.key);
    let alike = || of_document().find(|open| open.kind == settled.kind && open.amount == settled.amount);
    by_key.or_else(alike).map(|open| (open.object, open.index))
}

/// How a tender ended, in the pure core's words.
pub(crate) fn settled_as(outcome: SettledAs) -> Settled {
    match outcome {
        SettledAs::Captured => Settled::Captured,
        SettledAs::Declined => Settled::Declined,
        SettledAs::Expired => Settled::Expired,
        SettledAs::Confirmed => Settled::Confirmed,
        SettledAs::Missing => Settled::Missing,
        SettledAs::Voided => Settled::Voided,
    }
}

/// A frozen Z in the pure core's words, for paper.
///
/// # Errors
/// `INTERNAL` only for a Z that no shift made.
pub(crate) fn z_back(closed: &ShiftClosed) -> Answer<Z> {
    let bad = || no(Code::Internal, "the stored Z can't be read");
    let drawer = |d: &ZDrawer| CountedDrawer {
        drawer: Drawer {
            currency: d.currency,
            float: d.float,
            sales: d.sales,
            refunds: d.refunds,
            paid_in: d.paid_in,
            paid_out: d.paid_out,
            safe_drops: d.safe_drops,
            receivables: d.receivables,
        },
        expected: d.expected,
        counted_by: d.counted_by.iter().map(denomination_back).collect(),
        counted: d.counted,
        difference: d.difference,
    };
    let open = |(index, t): (usize, &body::OpenTender)| {
        let index = u16::try_from(index).map_err(|_| bad())?;
        let (object, key) = (t.object.0, Some(t.key.0));
        Ok(shift::OpenTender { object, index, key, kind: t.kind.clone(), amount: t.amount })
    };
    Ok(Z {
        z: closed.z,
        shift: closed.shift,
        report: report_back(closed),
        drawers: closed.drawers.iter().map(drawer).collect(),
        open_tenders: closed.open_tenders.iter().enumerate().map(open).collect::<Answer<_>>()?,
        approver: closed.approver.clone(),
        before: perpetual_back(closed.perpetual_before),
        after: perpetual_back(closed.perpetual_after),
        supplement_of: closed.supplement_of,
    })
}

/// The figures of a frozen Z.
pub(crate) fn report_back(closed: &ShiftClosed) -> Report {
    let rate = |t: &ZTax| RateTotals {
        tax: t.tax.clone(),
        sales_gross: t.sales_gross,
        sales_tax: t.sales_tax,
        refunds_gross: t.refunds_gross,
        refunds_tax: t.refunds_tax,
    };
    let tender = |t: &ZTender| TenderTotal {
        kind: t.kind.clone(),
        amount: t.amount,
        count: t.count,
        unsettled: t.unsettled,
        failed: Money::ZERO,
    };
    let range = |s: &ZSeries| SeriesRange { series: s.series.clone(), first: s.first, last: s.last };
    Report {
        currency: closed.currency,
        series: closed.series.iter().map(range).collect(),
        sales_count: closed.sales_count,
        refunds_count: closed.refunds_count,
        units_sold: closed.units_sold,
        units_returned: closed.units_returned,
        weighed_lines: closed.weighed_lines,
        weighed_units: closed.weighed_units,
        gross_before_discounts: closed.gross_before_discounts,
        line_discounts: closed.line_discounts,
        promotions: closed.promotions,
        order_discounts: closed.order_discounts,
        sales: closed.sales,
        refunds: closed.refunds,
        taxes: closed.taxes.iter().map(rate).collect(),
        net: closed.net,
        tax: closed.tax,
        rounding: closed.rounding,
        tenders: closed.tenders.iter().map(tender).collect(),
        liabilities_sold: closed.liabilities_sold,
        receivables_collected: closed.receivables_collected,
        prepaid_count: closed.prepaid_count,
        prepaid_amount: closed.prepaid_amount,
        drawer_openings: closed.drawer_openings,
        copies: closed.copies,
    }
}
