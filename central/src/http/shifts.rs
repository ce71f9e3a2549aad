//! Zs of the stores' tills, with their differences.

use super::json::{self, Page};
use super::orders::rfc3339;
use super::problem::Problem;
use super::{App, ask};
use crate::app::books::tender_kind;
use crate::app::fan_out::day;
use crate::app::shifts::{self, Report};
use crate::db::shifts::Wanted;
use axum::Json;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tradepost_sync::body::{Perpetual, ZDrawer, ZTax};
use utoipa::{IntoParams, ToSchema};

/// First and last number of a series in a shift; no number is missing between.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ZSeriesView {
    series: String,
    first: u64,
    last: u64,
}

/// One tax rate of a Z.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ZTaxView {
    category: String,
    ppm: u32,
    sales_gross: i64,
    sales_tax: i64,
    /// Negative.
    refunds_gross: i64,
    /// Negative.
    refunds_tax: i64,
}

/// One kind of tender of a Z.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ZTenderView {
    kind: String,
    /// Net of change and refunds.
    amount: i64,
    count: u32,
    /// Of the amount, what was stored or unconfirmed at the close.
    unsettled: i64,
}

/// A drawer as counted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ZDrawerView {
    currency: String,
    float: i64,
    sales: i64,
    refunds: i64,
    paid_in: i64,
    paid_out: i64,
    safe_drops: i64,
    receivables: i64,
    expected: i64,
    counted: i64,
    /// Counted − expected.
    difference: i64,
}

/// A till's totals since it began to sell.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PerpetualView {
    sales: i64,
    /// Negative.
    refunds: i64,
    documents: u64,
}

/// A Z. Amounts are minor units of its currency.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ZView {
    /// The store's code.
    store: String,
    till: String,
    /// Its number at the till.
    z: u32,
    /// The shift's number.
    shift: u32,
    /// ISO 8601.
    business_day: String,
    /// The node's wall clock, RFC 3339.
    closed_at: String,
    /// When the hub heard of it.
    received_at: String,
    /// Who made it, an incarnation.
    incarnation: String,
    currency: String,
    series: Vec<ZSeriesView>,
    sales_count: u32,
    refunds_count: u32,
    units_sold: u64,
    units_returned: u64,
    weighed_lines: u32,
    weighed_units: u64,
    gross_before_discounts: i64,
    line_discounts: i64,
    promotions: i64,
    order_discounts: i64,
    sales: i64,
    /// Negative.
    refunds: i64,
    taxes: Vec<ZTaxView>,
    net: i64,
    tax: i64,
    rounding: i64,
    tenders: Vec<ZTenderView>,
    liabilities_sold: i64,
    receivables_collected: i64,
    prepaid_count: u32,
    prepaid_amount: i64,
    drawer_openings: u32,
    copies: u32,
    drawers: Vec<ZDrawerView>,
    /// Counted − expected of the store's own currency.
    difference: i64,
    /// Tenders that were open at the close.
    open_tenders: usize,
    approver: Option<String>,
    /// A successor closed a lost node's shift.
    recovered: bool,
    supplement_of: Option<u32>,
    /// Zs before it may be lost.
    continuity_broken: bool,
    perpetual_before: PerpetualView,
    perpetual_after: PerpetualView,
    /// Whether the documents that the hub held when it heard of it come to the same.
    agrees: bool,
    #[serde(skip)]
    #[schema(ignore)]
    place: (i64, u64),
}

fn tax(of: &ZTax) -> ZTaxView {
    ZTaxView {
        category: of.tax.category.clone(),
        ppm: of.tax.ppm,
        sales_gross: of.sales_gross.0,
        sales_tax: of.sales_tax.0,
        refunds_gross: of.refunds_gross.0,
        refunds_tax: of.refunds_tax.0,
    }
}

fn drawer(of: &ZDrawer) -> ZDrawerView {
    ZDrawerView {
        currency: of.currency.code().to_owned(),
        float: of.float.0,
        sales: of.sales.0,
        refunds: of.refunds.0,
        paid_in: of.paid_in.0,
        paid_out: of.paid_out.0,
        safe_drops: of.safe_drops.0,
        receivables: of.receivables.0,
        expected: of.expected.0,
        counted: of.counted.0,
        difference: of.difference.0,
    }
}

fn perpetual(of: Perpetual) -> PerpetualView {
    PerpetualView { sales: of.sales.0, refunds: of.refunds.0, documents: of.documents }
}

fn view(report: Report) -> ZView {
    let Report { row, store, incarnation, closed } = report;
    let tenders = closed.tenders.iter().map(|of| ZTenderView {
        kind: tender_kind(&of.kind).to_owned(),
        amount: of.amount.0,
        count: of.count,
        unsettled: of.unsettled.0,
    });
    let series = closed.series.iter().map(|of| ZSeriesView {
        series: of.series.clone(),
        first: of.first,
        last: of.last,
    });
    ZView {
        store,
        till: row.till,
        z: closed.z,
        shift: closed.shift,
        business_day: day(closed.business_day.0),
        closed_at: rfc3339(row.closed_at),
        received_at: rfc3339(row.received_at),
        incarnation: incarnation.to_string(),
        currency: closed.currency.code().to_owned(),
        series: series.collect(),
        sales_count: closed.sales_count,
        refunds_count: closed.refunds_count,
        units_sold: closed.units_sold,
        units_returned: closed.units_returned,
        weighed_lines: closed.weighed_lines,
        weighed_units: closed.weighed_units,
        gross_before_discounts: closed.gross_before_discounts.0,
        line_discounts: closed.line_discounts.0,
        promotions: closed.promotions.0,
        order_discounts: closed.order_discounts.0,
        sales: closed.sales.0,
        refunds: closed.refunds.0,
        taxes: closed.taxes.iter().map(tax).collect(),
        net: closed.net.0,
        tax: closed.tax.0,
        rounding: closed.rounding.0,
        tenders: tenders.collect(),
        liabilities_sold: closed.liabilities_sold.0,
        receivables_collected: closed.receivables_collected.0,
        prepaid_count: closed.prepaid_count,
        prepaid_amount: closed.prepaid_amount.0,
        drawer_openings: closed.drawer_openings,
        copies: closed.copies,
        drawers: closed.drawers.iter().map(drawer).collect(),
        difference: row.difference,
        open_tenders: closed.open_tenders.len(),
        approver: closed.approver.as_ref().map(|who| who.0.clone()),
        recovered: closed.recovered,
        supplement_of: closed.supplement_of,
        continuity_broken: closed.continuity_broken,
        perpetual_before: perpetual(closed.perpetual_before),
        perpetual_after: perpetual(closed.perpetual_after),
        agrees: row.agrees,
        place: (row.author, row.seq),
    }
}

/// Which Zs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ZsWanted {
    /// Of one store only, by code.
    store: Option<String>,
    /// Of one till only.
    till: Option<String>,
    /// Those alone whose drawer was off, or whose documents don't come to the same.
    #[serde(default)]
    differences: bool,
    /// Rows of a page, at most 500.
    limit: Option<usize>,
    /// Where the page begins.
    cursor: Option<String>,
}

/// Lists Zs by stream and seq.
#[utoipa::path(get, path = "/v1/z-reports", tag = "orders", operation_id = "listZs", params(ZsWanted),
    responses((status = 200, body = Page<ZView>), (status = 404, body = Problem)))]
pub(super) async fn list(
    app: State<Arc<App>>,
    Query(wanted): Query<ZsWanted>,
) -> Result<Json<Page<ZView>>, Problem> {
    let limit = json::limit(wanted.limit);
    let place = json::place(wanted.cursor.as_deref())?;
    let (author, seq) = place.split_once(':').unwrap_or_default();
    let after = (author.parse().unwrap_or(0), seq.parse().unwrap_or(0));
    let which = Wanted { store: None, till: wanted.till, off: wanted.differences };
    let found = ask(&app, move |hub, _| shifts::list(hub, wanted.store.as_deref(), &which, after, limit + 1));
    let rows = found.await?.into_iter().map(view).collect();
    Ok(Json(Page::new(rows, limit, |row: &ZView| format!("{}:{}", row.place.0, row.place.1))))
}

/// Shows a till's Z.
#[utoipa::path(get, path = "/v1/z-reports/{store}/{till}/{z}", tag = "orders", operation_id = "getZ",
    params(("store" = String, Path, description = "The store's code"), ("till" = String, Path, description = "The till"), ("z" = u32, Path, description = "Its number")),
    responses((status = 200, body = ZView), (status = 404, body = Problem)))]
pub(super) async fn read(
    app: State<Arc<App>>,
    Path((store, till, z)): Path<(String, String, u32)>,
) -> Result<Json<ZView>, Problem> {
    ask(&app, move |hub, _| shifts::get(hub, &store, &till, z)).await.map(view).map(Json)
}
