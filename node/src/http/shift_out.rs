//! Shifts, X and Z as they are answered. Nothing is computed here but sums that the papers show too.

use super::sales::{EventRef, event_ref, rfc3339};
use super::shifts::DenominationBody;
use super::staff::phase_name;
use crate::app::books::Booked;
use crate::app::problem::{Answer, Code, no};
use crate::app::shift_desk::Running;
use crate::app::totals::kind_name;
use crate::app::{shift, shift_z};
use serde::Serialize;
use tradepost_commerce::drawer::Drawer;
use tradepost_commerce::money::Money;
use tradepost_commerce::shift::{Perpetual, documents};
use tradepost_commerce::shift_report::Report;
use tradepost_sync::body::ZDrawer;
use tradepost_sync::ids::Id;
use utoipa::ToSchema;

/// Documents of one series.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeriesOut {
    /// The series.
    pub series: String,
    /// First number.
    pub first: u64,
    /// Last number; none is missing between.
    pub last: u64,
}

/// One tax rate.
#[derive(Debug, Serialize, ToSchema)]
pub struct RateOut {
    /// The category.
    pub category: String,
    /// Parts per million.
    pub ppm: u32,
    /// Gross of the sales.
    pub sales_gross: i64,
    /// Tax of the sales.
    pub sales_tax: i64,
    /// Gross of the refunds, negative.
    pub refunds_gross: i64,
    /// Tax of the refunds, negative.
    pub refunds_tax: i64,
    /// Both grosses.
    pub net_gross: i64,
    /// Both taxes.
    pub net_tax: i64,
}

/// One kind of tender.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenderTotalOut {
    /// What kind of money.
    pub kind: String,
    /// Net of change and refunds.
    pub amount: i64,
    /// How many.
    pub count: u32,
    /// Of the amount, what is stored or unconfirmed still.
    pub unsettled: i64,
}

/// What documents come to. Every figure is a sum of what they stored, in minor units of `currency`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportOut {
    /// ISO 4217.
    pub currency: String,
    /// Decimals of the minor unit.
    pub exponent: u8,
    /// First and last number per series.
    pub series: Vec<SeriesOut>,
    /// How many documents.
    pub documents: u64,
    /// Sales.
    pub sales_count: u32,
    /// Refunds.
    pub refunds_count: u32,
    /// Pieces sold, returns not subtracted.
    pub units_sold: u64,
    /// Pieces that came back.
    pub units_returned: u64,
    /// Weighed lines sold.
    pub weighed_lines: u32,
    /// Their base units.
    pub weighed_units: u64,
    /// Before any discount.
    pub gross_before_discounts: i64,
    /// Line discounts.
    pub line_discounts: i64,
    /// Promotions.
    pub promotions: i64,
    /// Order discounts.
    pub order_discounts: i64,
    /// Gross of the sales.
    pub sales: i64,
    /// Gross of the refunds, negative.
    pub refunds: i64,
    /// Both, before cash rounding.
    pub takings: i64,
    /// Per rate.
    pub taxes: Vec<RateOut>,
    /// Turnover without tax.
    pub net: i64,
    /// Tax.
    pub tax: i64,
    /// Cash rounding.
    pub rounding: i64,
    /// Per kind of tender.
    pub tenders: Vec<TenderTotalOut>,
    /// Vouchers and gift cards sold; outside turnover.
    pub liabilities_sold: i64,
    /// Receivables collected; outside turnover.
    pub receivables_collected: i64,
    /// Prepaid orders handed out; information only.
    pub prepaid_count: u32,
    /// Their value.
    pub prepaid_amount: i64,
    /// Drawer openings without a sale.
    pub drawer_openings: u32,
    /// Copies printed.
    pub copies: u32,
}

/// A drawer of one currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct DrawerOut {
    /// ISO 4217.
    pub currency: String,
    /// Decimals of the minor unit.
    pub exponent: u8,
    /// What lay in it at opening.
    pub float: i64,
    /// Cash of sales, without change.
    pub sales: i64,
    /// Cash given back, negative.
    pub refunds: i64,
    /// Paid in.
    pub paid_in: i64,
    /// Paid out, negative.
    pub paid_out: i64,
    /// Dropped into the safe, negative.
    pub safe_drops: i64,
    /// Cash of receivables collected.
    pub receivables: i64,
    /// What should be there; none where the count is blind.
    pub expected: Option<i64>,
    /// What was counted; of a Z.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted: Option<i64>,
    /// By denomination; of a Z.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub counted_by: Vec<DenominationBody>,
    /// Counted − expected; of a Z.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<i64>,
}

/// A tender that waits for its money.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenTenderOut {
    /// The document or cart it belongs to.
    pub object: String,
    /// What kind of money.
    pub kind: String,
    /// How much.
    pub amount: i64,
}

/// An open shift as it is now: the X.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShiftOut {
    /// The till.
    pub till: String,
    /// Its number there.
    pub number: u32,
    /// `open` or `closing`.
    pub phase: &'static str,
    /// Its business day.
    pub business_day: String,
    /// When it was opened (RFC 3339).
    pub opened_at: String,
    /// The count is blind: what should be in the drawer is not told.
    pub blind: bool,
    /// What its documents come to.
    pub report: ReportOut,
    /// What went in and out of its drawers, the store's own currency first.
    pub drawers: Vec<DrawerOut>,
    /// Tenders that wait for their money.
    pub open_tenders: Vec<OpenTenderOut>,
}

/// A till's totals since it began to sell.
#[derive(Debug, Serialize, ToSchema)]
pub struct PerpetualOut {
    /// Gross of all sales.
    pub sales: i64,
    /// Gross of all refunds, negative.
    pub refunds: i64,
    /// All documents.
    pub documents: u64,
}

/// The head of a fiscal chain.
#[derive(Debug, Serialize, ToSchema)]
pub struct FiscalHeadOut {
    /// The series.
    pub series: String,
    /// Entries.
    pub n: u64,
    /// Hash of the last one, hexadecimal.
    pub hash: String,
}

/// A Z: what a shift came to, for good.
#[derive(Debug, Serialize, ToSchema)]
pub struct ZOut {
    /// The till.
    pub till: String,
    /// Its number there, without a gap.
    pub z: u32,
    /// The shift's number.
    pub shift: u32,
    /// The shift's business day.
    pub business_day: String,
    /// When it was made (RFC 3339).
    pub closed_at: String,
    /// What the documents come to.
    pub report: ReportOut,
    /// The drawers as counted.
    pub drawers: Vec<DrawerOut>,
    /// Tenders that were open at the close.
    pub open_tenders: Vec<OpenTenderOut>,
    /// Who allowed a difference.
    pub approver: Option<String>,
    /// A successor closed a lost node's shift.
    pub recovered: bool,
    /// The Z it supplements.
    pub supplement_of: Option<u32>,
    /// Zs before it may be lost.
    pub continuity_broken: bool,
    /// The till's totals before it.
    pub perpetual_before: PerpetualOut,
    /// And after it.
    pub perpetual_after: PerpetualOut,
    /// Heads of the fiscal chains before the Z's own entry.
    pub fiscal_heads: Vec<FiscalHeadOut>,
    /// The event that holds it.
    pub event: EventRef,
    /// The hub holds it.
    pub synced: bool,
}

fn overflow(error: tradepost_commerce::money::Overflow) -> crate::app::Stop {
    no(Code::Internal, error.to_string())
}

pub(super) fn show_x(till: &str, running: &Running, blind: bool) -> Answer<ShiftOut> {
    let shift = &running.shift;
    let drawer = |drawer: &Drawer| {
        let expected = drawer.expected().map_err(overflow)?;
        Ok(drawer_out(drawer, (!blind).then_some(expected)))
    };
    let tender = |open: &tradepost_commerce::shift::OpenTender| OpenTenderOut {
        object: Id(open.object).to_string(),
        kind: kind_name(&open.kind).to_owned(),
        amount: open.amount.0,
    };
    Ok(ShiftOut {
        till: till.to_owned(),
        number: shift.number(),
        phase: phase_name(shift.phase()),
        business_day: shift::day_text(running.day),
        opened_at: rfc3339(running.at),
        blind,
        report: report_out(shift.report())?,
        drawers: shift.drawers().iter().map(drawer).collect::<Answer<_>>()?,
        open_tenders: shift.open_tenders().iter().map(tender).collect(),
    })
}

fn drawer_out(drawer: &Drawer, expected: Option<Money>) -> DrawerOut {
    DrawerOut {
        currency: drawer.currency.code().to_owned(),
        exponent: drawer.currency.exponent,
        float: drawer.float.0,
        sales: drawer.sales.0,
        refunds: drawer.refunds.0,
        paid_in: drawer.paid_in.0,
        paid_out: drawer.paid_out.0,
        safe_drops: drawer.safe_drops.0,
        receivables: drawer.receivables.0,
        expected: expected.map(|amount| amount.0),
        counted: None,
        counted_by: Vec::new(),
        difference: None,
    }
}

fn report_out(report: &Report) -> Answer<ReportOut> {
    let rate = |rate: &tradepost_commerce::shift_report::RateTotals| {
        Ok(RateOut {
            category: rate.tax.category.clone(),
            ppm: rate.tax.ppm,
            sales_gross: rate.sales_gross.0,
            sales_tax: rate.sales_tax.0,
            refunds_gross: rate.refunds_gross.0,
            refunds_tax: rate.refunds_tax.0,
            net_gross: rate.sales_gross.plus(rate.refunds_gross).map_err(overflow)?.0,
            net_tax: rate.sales_tax.plus(rate.refunds_tax).map_err(overflow)?.0,
        })
    };
    let series = |range: &tradepost_commerce::shift_report::SeriesRange| SeriesOut {
        series: range.series.clone(),
        first: range.first,
        last: range.last,
    };
    let tender = |tender: &tradepost_commerce::shift_report::TenderTotal| TenderTotalOut {
        kind: kind_name(&tender.kind).to_owned(),
        amount: tender.amount.0,
        count: tender.count,
        unsettled: tender.unsettled.0,
    };
    Ok(ReportOut {
        currency: report.currency.code().to_owned(),
        exponent: report.currency.exponent,
        series: report.series.iter().map(series).collect(),
        documents: documents(report),
        sales_count: report.sales_count,
        refunds_count: report.refunds_count,
        units_sold: report.units_sold,
        units_returned: report.units_returned,
        weighed_lines: report.weighed_lines,
        weighed_units: report.weighed_units,
        gross_before_discounts: report.gross_before_discounts.0,
        line_discounts: report.line_discounts.0,
        promotions: report.promotions.0,
        order_discounts: report.order_discounts.0,
        sales: report.sales.0,
        refunds: report.refunds.0,
        takings: report.takings().map_err(overflow)?.0,
        taxes: report.taxes.iter().map(rate).collect::<Answer<_>>()?,
        net: report.net.0,
        tax: report.tax.0,
        rounding: report.rounding.0,
        tenders: report.tenders.iter().map(tender).collect(),
        liabilities_sold: report.liabilities_sold.0,
        receivables_collected: report.receivables_collected.0,
        prepaid_count: report.prepaid_count,
        prepaid_amount: report.prepaid_amount.0,
        drawer_openings: report.drawer_openings,
        copies: report.copies,
    })
}

fn z_drawer(drawer: &ZDrawer) -> DrawerOut {
    let counted_by =
        drawer.counted_by.iter().map(|one| DenominationBody { value: one.value.0, count: one.count });
    DrawerOut {
        currency: drawer.currency.code().to_owned(),
        exponent: drawer.currency.exponent,
        float: drawer.float.0,
        sales: drawer.sales.0,
        refunds: drawer.refunds.0,
        paid_in: drawer.paid_in.0,
        paid_out: drawer.paid_out.0,
        safe_drops: drawer.safe_drops.0,
        receivables: drawer.receivables.0,
        expected: Some(drawer.expected.0),
        counted: Some(drawer.counted.0),
        counted_by: counted_by.collect(),
        difference: Some(drawer.difference.0),
    }
}

pub(super) fn perpetual(totals: Perpetual) -> PerpetualOut {
    PerpetualOut { sales: totals.sales.0, refunds: totals.refunds.0, documents: totals.documents }
}

/// Shows a Z.
pub(super) fn show_z(booked: &Booked) -> Answer<ZOut> {
    let z = shift::body_of(booked)?;
    let tender = |open: &tradepost_sync::body::OpenTender| OpenTenderOut {
        object: open.object.to_string(),
        kind: kind_name(&open.kind).to_owned(),
        amount: open.amount.0,
    };
    let head = |head: &tradepost_sync::body::FiscalHead| FiscalHeadOut {
        series: head.series.clone(),
        n: head.n,
        hash: head.hash.to_string(),
    };
    Ok(ZOut {
        till: booked.event.envelope.till.clone().unwrap_or_default(),
        z: z.z,
        shift: z.shift,
        business_day: shift::day_text(z.business_day),
        closed_at: rfc3339(booked.event.envelope.wall),
        report: report_out(&shift_z::report_back(z))?,
        drawers: z.drawers.iter().map(z_drawer).collect(),
        open_tenders: z.open_tenders.iter().map(tender).collect(),
        approver: z.approver.as_ref().map(|who| who.0.clone()),
        recovered: z.recovered,
        supplement_of: z.supplement_of,
        continuity_broken: z.continuity_broken,
        perpetual_before: perpetual(shift_z::perpetual_back(z.perpetual_before)),
        perpetual_after: perpetual(shift_z::perpetual_back(z.perpetual_after)),
        fiscal_heads: z.fiscal_heads.iter().map(head).collect(),
        event: event_ref(booked),
        synced: booked.synced,
    })
}
