//! Orders, totals and receipt series.

use super::json::{self, Page};
use super::problem::Problem;
use super::{App, ask};
use crate::app::orders::{self, Document};
use crate::app::totals::Totals;
use crate::app::{Code, Fault, fan_out, review, totals};
use crate::db::orders::Days;
use axum::Json;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use tradepost_sync::ids::Id;
use utoipa::{IntoParams, ToSchema};

/// Milliseconds since 1970 UTC as RFC 3339.
pub(super) fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| String::new(), |at| at.to_string())
}

/// A receipt's number.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReceiptView {
    /// The till.
    till: String,
    /// The series.
    series: String,
    /// The number in it.
    n: u64,
    /// As printed.
    number: String,
}

/// A line. Figures of a refund are zero or negative.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LineView {
    /// Index of the line, from 0.
    line: u32,
    /// For a refund: the sale's line.
    of_line: Option<u32>,
    sku: String,
    name: String,
    quantity_milli: i64,
    units: i64,
    unit_price: i64,
    base: i64,
    discount: i64,
    promotion: i64,
    order_share: i64,
    amount: i64,
    net: i64,
    tax: i64,
    tax_category: String,
    tax_ppm: u32,
    /// Thousandths that came back so far.
    refunded_milli: i64,
}

/// One tax rate of a document.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaxGroupView {
    category: String,
    ppm: u32,
    net: i64,
    tax: i64,
    gross: i64,
}

/// A tender.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TenderView {
    kind: String,
    amount: i64,
    state: String,
    reference: Option<String>,
}

/// Which event made it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventView {
    incarnation: String,
    seq: u64,
    hash: String,
}

/// A sale or a refund.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrderView {
    /// Its id, a UUID.
    id: String,
    /// `sale` or `refund`.
    kind: &'static str,
    /// The store's code.
    store: String,
    receipt: ReceiptView,
    /// The node's wall clock at commit, RFC 3339.
    committed_at: String,
    /// When the hub took it in.
    received_at: String,
    /// ISO 8601.
    business_day: String,
    customer: Option<String>,
    currency: String,
    exponent: u8,
    lines: Vec<LineView>,
    tax_groups: Vec<TaxGroupView>,
    net: i64,
    tax: i64,
    total: i64,
    rounding: i64,
    cash_due: i64,
    cash_tendered: i64,
    change: i64,
    tenders: Vec<TenderView>,
    event: EventView,
    original_sale: Option<String>,
    /// More than one document stands under this id: a person should look.
    duplicate: bool,
}

/// A document as answers and exports show it.
pub(super) fn view(document: Document, duplicate: bool) -> OrderView {
    let row = document.order.row;
    let mut groups: BTreeMap<(String, u32), (i64, i64)> = BTreeMap::new();
    for line in &document.lines {
        let sums = groups.entry((line.tax_category.clone(), line.tax_ppm)).or_default();
        *sums = (sums.0 + line.net, sums.1 + line.tax);
    }
    let group = |((category, ppm), (net, tax)): ((String, u32), (i64, i64))| TaxGroupView {
        category,
        ppm,
        net,
        tax,
        gross: net + tax,
    };
    let refunded = document.refunded;
    let line = |l: crate::db::booking::LineRow| LineView {
        refunded_milli: refunded.get(&l.line).copied().unwrap_or(0),
        line: l.line,
        of_line: l.of_line,
        sku: l.sku,
        name: l.name,
        quantity_milli: l.quantity_milli,
        units: l.units,
        unit_price: l.unit_price,
        base: l.base,
        discount: l.discount,
        promotion: l.promotion,
        order_share: l.order_share,
        amount: l.amount,
        net: l.net,
        tax: l.tax,
        tax_category: l.tax_category,
        tax_ppm: l.tax_ppm,
    };
    let tender = |p: crate::db::booking::PaymentRow| TenderView {
        kind: p.kind,
        amount: p.amount,
        state: p.state,
        reference: p.reference,
    };
    OrderView {
        id: row.id.to_string(),
        kind: row.kind,
        store: document.store,
        receipt: ReceiptView {
            number: format!("{}-{}-{:06}", row.till, row.series, row.n),
            till: row.till,
            series: row.series,
            n: row.n,
        },
        committed_at: rfc3339(row.committed_at),
        received_at: rfc3339(row.received_at),
        business_day: fan_out::day(row.business_day),
        customer: row.customer.map(|id| id.to_string()),
        currency: row.currency,
        exponent: row.exponent,
        lines: document.lines.into_iter().map(line).collect(),
        tax_groups: groups.into_iter().map(group).collect(),
        net: row.net,
        tax: row.tax,
        total: row.total,
        rounding: row.rounding,
        cash_due: row.cash_due,
        cash_tendered: row.cash_tendered,
        change: row.change,
        tenders: document.payments.into_iter().map(tender).collect(),
        event: EventView {
            incarnation: document.incarnation.to_string(),
            seq: row.seq,
            hash: document.hash.to_string(),
        },
        original_sale: row.original.map(|id| id.to_string()),
        duplicate,
    }
}

/// Which orders.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Of one store only, by code.
    store: Option<String>,
    /// Rows of a page, at most 500.
    limit: Option<usize>,
    /// Where the page begins.
    cursor: Option<String>,
}

/// Lists orders by stream and seq.
#[utoipa::path(get, path = "/v1/orders", tag = "orders", operation_id = "listOrders", params(Wanted),
    responses((status = 200, body = Page<OrderView>), (status = 404, body = Problem)))]
pub(super) async fn list(
    app: State<Arc<App>>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<OrderView>>, Problem> {
    let limit = json::limit(wanted.limit);
    let after = author_and_seq(&json::place(wanted.cursor.as_deref())?);
    let documents =
        ask(&app, move |hub, _| orders::list(hub, wanted.store.as_deref(), after, limit + 1)).await?;
    let places: BTreeMap<String, String> = documents
        .iter()
        .map(|d| (d.hash.to_string(), format!("{}:{}", d.order.author, d.order.row.seq)))
        .collect();
    let rows = documents.into_iter().map(|document| view(document, false)).collect();
    Ok(Json(Page::new(rows, limit, |row: &OrderView| {
        places.get(&row.event.hash).cloned().unwrap_or_default()
    })))
}

fn author_and_seq(place: &str) -> (i64, u64) {
    let (author, seq) = place.split_once(':').unwrap_or_default();
    (author.parse().unwrap_or(0), seq.parse().unwrap_or(0))
}

/// Shows an order.
#[utoipa::path(get, path = "/v1/orders/{id}", tag = "orders", operation_id = "getOrder",
    params(("id" = String, Path, description = "The document's id, a UUID")),
    responses((status = 200, body = OrderView), (status = 404, body = Problem)))]
pub(super) async fn read(app: State<Arc<App>>, Path(id): Path<String>) -> Result<Json<OrderView>, Problem> {
    let parsed = Id::parse(&id).map_err(|_| Problem::from(Fault::not_found("order", &id)))?;
    let mut found = ask(&app, move |hub, _| orders::get(hub, parsed)).await?;
    let duplicate = found.len() > 1;
    Ok(Json(view(found.swap_remove(0), duplicate)))
}

/// Which business days.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct DaysWanted {
    /// First day, ISO 8601; from the beginning if not given.
    from: Option<String>,
    /// Last day, included; to the end if not given.
    to: Option<String>,
}

/// Adds up a store's documents: the same figures as the node's.
#[utoipa::path(get, path = "/v1/stores/{code}/totals", tag = "orders", operation_id = "getTotals",
    params(("code" = String, Path, description = "The store's code"), DaysWanted),
    responses((status = 200, body = Totals), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn totals(
    app: State<Arc<App>>,
    Path(code): Path<String>,
    Query(wanted): Query<DaysWanted>,
) -> Result<Json<Totals>, Problem> {
    let from = day(wanted.from.as_deref(), i32::MIN)?;
    let to = day(wanted.to.as_deref(), i32::MAX)?;
    ask(&app, move |hub, _| totals::totals(hub, &code, Days { from, to })).await.map(Json)
}

fn day(text: Option<&str>, otherwise: i32) -> Result<i32, Problem> {
    let Some(text) = text else { return Ok(otherwise) };
    let bad = || Problem::new(Code::BadValue, format!("{text:?} is not a day like 2026-11-22"), &[]);
    let date: jiff::civil::Date = text.parse().map_err(|_| bad())?;
    let days = date.since(jiff::civil::date(1970, 1, 1)).map_err(|_| bad())?;
    Ok(days.get_days())
}

/// A receipt series: gapless where `documents` equals `last`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SeriesView {
    till: String,
    series: String,
    /// The last number.
    last: u64,
    /// How many documents came.
    documents: u64,
    /// Whether every number up to the last came once.
    gapless: bool,
}

/// A store's receipt series.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SeriesList {
    /// By till and series.
    data: Vec<SeriesView>,
}

/// Lists a store's receipt series.
#[utoipa::path(get, path = "/v1/stores/{code}/receipts", tag = "orders", operation_id = "listSeries",
    params(("code" = String, Path, description = "The store's code")),
    responses((status = 200, body = SeriesList), (status = 404, body = Problem)))]
pub(super) async fn series(
    app: State<Arc<App>>,
    Path(code): Path<String>,
) -> Result<Json<SeriesList>, Problem> {
    let series = ask(&app, move |hub, _| review::series(hub, &code)).await?;
    let view = |s: crate::db::orders::Series| SeriesView {
        gapless: s.last_n == s.documents,
        till: s.till,
        series: s.series,
        last: s.last_n,
        documents: s.documents,
    };
    Ok(Json(SeriesList { data: series.into_iter().map(view).collect() }))
}
