//! Sales: one-call sales, and every sale and refund as it stands in the log.

use super::answer::{Page, Reply, created, ok};
use super::body::Json;
use super::parse::{self, DiscountBody, ExemptionBody, LineBody, Paging, TenderBody};
use super::staff::ApprovalBody;
use super::state::Shared;
use super::tenders::{ForeignOut, show_foreign};
use crate::app::acquire;
use crate::app::books::{self, Booked};
use crate::app::export::number;
use crate::app::problem::{Answer, Code, no};
use crate::app::request::{SaleRequest, Till};
use crate::app::sell;
use crate::app::tender::state_name;
use crate::app::totals::kind_name;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use tradepost_commerce::document::{RefundDocument, SaleDocument, TaxGroup, Tender, TenderState};
use tradepost_commerce::money::Money;
use tradepost_sync::body::{Body, RefundCommitted, SaleCommitted, Verification};
use utoipa::{IntoParams, ToSchema};

/// A whole sale in one call.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SaleBody {
    /// The till.
    pub till: String,
    /// The lines.
    pub lines: Vec<LineBody>,
    /// Discounts on the order.
    #[serde(default)]
    pub discounts: Vec<DiscountBody>,
    /// The customer's id.
    pub customer: Option<String>,
    /// A price list.
    pub price_list: Option<String>,
    /// Tax exemption.
    pub exemption: Option<ExemptionBody>,
    /// What was paid.
    pub tenders: Vec<TenderBody>,
    /// What the caller thinks it comes to.
    pub expected_total: Option<i64>,
    /// Somebody's PIN, for what the one at the till may not do.
    pub approval: Option<ApprovalBody>,
}

/// A sale or a refund. Amounts are minor units, quantities thousandths of the pricing unit.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sale {
    /// Its id.
    pub id: String,
    /// `sale` or `refund`.
    pub kind: &'static str,
    /// Its number.
    pub receipt: Receipt,
    /// When it was committed (RFC 3339).
    pub committed_at: String,
    /// Its business day.
    pub business_day: String,
    /// The customer's id.
    pub customer: Option<String>,
    /// ISO 4217.
    pub currency: String,
    /// Decimals of the minor unit.
    pub exponent: u8,
    /// The lines.
    pub lines: Vec<SaleLine>,
    /// By tax rate.
    pub tax_groups: Vec<TaxGroupBody>,
    /// Without tax.
    pub net: i64,
    /// The tax.
    pub tax: i64,
    /// Net and tax.
    pub total: i64,
    /// Cash rounding.
    pub rounding: i64,
    /// The cash part after rounding.
    pub cash_due: i64,
    /// Cash handed over.
    pub cash_tendered: i64,
    /// Given back.
    pub change: i64,
    /// What was paid with.
    pub tenders: Vec<TenderOut>,
    /// The event that holds it.
    pub event: EventRef,
    /// The hub holds it.
    pub synced: bool,
    /// A refund's sale.
    pub original_sale: Option<String>,
    /// Whether a refund was made under the refund right; none for a sale.
    pub verified: Option<bool>,
    /// A refund that cancels a whole sale in its shift.
    pub void: bool,
    /// Who allowed a refund.
    pub approver: Option<String>,
    /// Ties the refund and the sale of an exchange.
    pub exchange: Option<String>,
    /// Why it bears no tax.
    pub exemption: Option<ExemptionOut>,
    /// A sale of training: no fact at all.
    pub training: bool,
    /// Who was signed on.
    pub staff: Option<String>,
    /// The shift's number at the till.
    pub shift: Option<u32>,
}

/// Why a sale bears no tax.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExemptionOut {
    /// Reason code.
    pub reason: String,
    /// Number of the certificate.
    pub certificate: String,
}

/// A receipt's number.
#[derive(Debug, Serialize, ToSchema)]
pub struct Receipt {
    /// The till.
    pub till: String,
    /// The series.
    pub series: String,
    /// From 1, without a gap.
    pub n: u64,
    /// As printed.
    pub number: String,
}

/// One line.
#[derive(Debug, Serialize, ToSchema)]
pub struct SaleLine {
    /// Its index.
    pub line: usize,
    /// The item's code.
    pub sku: String,
    /// Its name as printed.
    pub name: String,
    /// How much.
    pub quantity_milli: i64,
    /// Price of one pricing unit.
    pub unit_price: i64,
    /// Price × quantity.
    pub base: i64,
    /// Line discounts.
    pub discount: i64,
    /// Promotions.
    pub promotion: i64,
    /// Share of the order's discounts.
    pub order_share: i64,
    /// What is left, in the price's own sense.
    pub amount: i64,
    /// Without tax.
    pub net: i64,
    /// The tax.
    pub tax: i64,
    /// The tax category.
    pub tax_category: String,
    /// The rate.
    pub tax_ppm: u32,
    /// What came back of it.
    pub refunded_milli: i64,
    /// Serial numbers of the pieces.
    pub serials: Vec<String>,
}

/// One tax rate.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaxGroupBody {
    /// The category.
    pub category: String,
    /// The rate.
    pub ppm: u32,
    /// Without tax.
    pub net: i64,
    /// The tax.
    pub tax: i64,
    /// With tax.
    pub gross: i64,
}

/// One means of payment.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenderOut {
    /// What kind of money.
    pub kind: String,
    /// How much.
    pub amount: i64,
    /// Where it stands.
    pub state: &'static str,
    /// Where it stands by now: a stored card is captured or declined later.
    pub now: &'static str,
    /// Its idempotency key; none where it is made of the document and the index.
    pub key: Option<String>,
    /// Reference of the terminal or of the bank.
    pub reference: Option<String>,
    /// The foreign side.
    pub foreign: Option<ForeignOut>,
}

/// Where an event stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventRef {
    /// Its author.
    pub incarnation: String,
    /// Its place.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
}

/// What a list of sales may be narrowed by.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SalesQuery {
    /// Rows of a page, 1 to 200.
    pub limit: Option<usize>,
    /// Where to go on.
    pub cursor: Option<String>,
    /// A receipt's number as printed.
    pub receipt: Option<String>,
    /// A business day.
    pub day: Option<String>,
}

/// Sells in one call. The client makes the id; the same request again is answered the same.
#[utoipa::path(put, path = "/v1/sales/{id}", operation_id = "putSale", tag = "sales", params(("id" = String, Path, description = "UUID of version 7, made by the client")),
    request_body = SaleBody, responses((status = 201, description = "The sale", body = Sale), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn put_sale(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<SaleBody>,
) -> Reply {
    let request = parse_sale(&id, &body)?;
    if shared.peers.any() {
        let rules = shared.rules()?;
        shared.cover(|conn| acquire::of_sale(conn, &rules.settings, &request)).await;
    }
    let approved = shared.approved(body.approval.as_ref()).await?;
    let booked =
        shared.writer.ask(move |node, now| sell::sell(node, now, &request, approved.as_ref())).await?;
    super::seen::count(&booked);
    Ok(created(&as_answered(booked)?))
}

pub(super) fn parse_sale(id: &str, body: &SaleBody) -> Answer<SaleRequest> {
    let line = |(i, line): (usize, &LineBody)| line.parse(&format!("/lines/{i}"));
    Ok(SaleRequest {
        id: parse::document_id(id)?,
        till: Till::parse(&body.till)?,
        lines: body.lines.iter().enumerate().map(line).collect::<Answer<_>>()?,
        discounts: parse::discounts(&body.discounts, "/discounts")?,
        customer: body.customer.as_deref().map(|c| parse::id(c, "/customer")).transpose()?,
        price_list: body.price_list.as_deref().map(|l| parse::short(l, "/price_list")).transpose()?,
        exemption: body.exemption.as_ref().map(ExemptionBody::parse).transpose()?,
        tenders: parse::tenders(&body.tenders)?,
        expected_total: body.expected_total.map(Money),
    })
}

/// A document as the request that made it was, or would have been, answered: what came later is left out, so that
/// a repeat gets the same bytes.
pub(super) fn as_answered(booked: Booked) -> Answer<Sale> {
    Sale::show(&Booked { refunded: Default::default(), by_now: Vec::new(), synced: false, ..booked })
}

/// Lists sales and refunds, newest first.
#[utoipa::path(get, path = "/v1/sales", operation_id = "listSales", tag = "sales", params(SalesQuery),
    responses((status = 200, description = "A page of sales and refunds", body = Page<Sale>)))]
pub async fn list_sales(State(shared): State<Shared>, Query(query): Query<SalesQuery>) -> Reply {
    if let Some(number) = &query.receipt {
        let found = match shared.read(|conn| books::find_by_number(conn, number)) {
            Ok(found) => vec![Sale::show(&found)?],
            Err(crate::app::Stop::No(_)) => Vec::new(),
            Err(fault) => return Err(fault.into()),
        };
        return Ok(ok(&Page { data: found, next_cursor: None, has_more: false }));
    }
    let paging = Paging { limit: query.limit, cursor: query.cursor };
    let (limit, before) = (paging.rows()?, paging.place()?);
    let day = query.day.as_deref().map(super::totals::parse_day).transpose()?;
    let rows = shared.read(|conn| books::page(conn, before, day, limit + 1))?;
    let shown: Vec<(i64, Sale)> =
        rows.iter().map(|booked| Ok((booked.place, Sale::show(booked)?))).collect::<Answer<_>>()?;
    Ok(ok(&Page::cut(shown, limit, |(place, _)| place.to_string(), |(_, sale)| sale)))
}

/// Reads a sale or a refund.
#[utoipa::path(get, path = "/v1/sales/{id}", operation_id = "getSale", tag = "sales", params(("id" = String, Path, description = "UUID")),
    responses((status = 200, description = "The sale", body = Sale), (status = 404, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn get_sale(State(shared): State<Shared>, Path(id): Path<String>) -> Reply {
    let id = parse::id(&id, "/id")?;
    let booked = shared.read(|conn| books::find(conn, &id))?;
    Ok(ok(&Sale::show(&booked)?))
}

impl Sale {
    /// Shows a document.
    ///
    /// # Errors
    /// `NOT_FOUND` for an event that holds none.
    pub fn show(booked: &Booked) -> Answer<Self> {
        match &booked.body {
            Body::SaleCommitted(sale) => Ok(show_sale(booked, sale)),
            Body::RefundCommitted(refund) => Ok(show_refund(booked, refund)),
            _ => Err(no(Code::NotFound, "it is no sale and no refund")),
        }
    }
}

fn show_sale(booked: &Booked, sale: &SaleCommitted) -> Sale {
    let outcome = &sale.document.outcome;
    let rules = &sale.document.inputs.rules;
    Sale {
        id: sale.sale_id.to_string(),
        kind: "sale",
        receipt: receipt(&sale.receipt),
        committed_at: rfc3339(booked.event.envelope.wall),
        business_day: books::date_of(sale.business_day).to_string(),
        customer: sale.customer.map(|c| c.to_string()),
        currency: rules.currency.code().to_owned(),
        exponent: rules.currency.exponent,
        lines: sale_lines(booked, &sale.document),
        tax_groups: groups(&outcome.groups),
        net: outcome.net.0,
        tax: outcome.tax.0,
        total: outcome.settlement.total.0,
        rounding: outcome.settlement.rounding.0,
        cash_due: outcome.settlement.cash_due.0,
        cash_tendered: outcome.settlement.cash_tendered.0,
        change: outcome.settlement.change.0,
        tenders: tenders_of(booked, &sale.document.inputs.tenders),
        event: event_ref(booked),
        synced: booked.synced,
        original_sale: None,
        verified: None,
        void: false,
        approver: None,
        exchange: sale.exchange.map(|id| id.to_string()),
        exemption: sale
            .document
            .inputs
            .exemption
            .as_ref()
            .map(|why| ExemptionOut { reason: why.reason.clone(), certificate: why.certificate.clone() }),
        training: crate::app::training::is_of_training(&sale.receipt),
        staff: staff_of(booked),
        shift: booked.event.envelope.shift,
    }
}

fn sale_lines(booked: &Booked, document: &SaleDocument) -> Vec<SaleLine> {
    let sum = |amounts: &[Money]| amounts.iter().map(|m| m.0).sum();
    let both = document.inputs.lines.iter().zip(&document.outcome.lines).enumerate();
    both.map(|(index, (input, outcome))| SaleLine {
        line: index,
        sku: input.sku.0.clone(),
        name: input.name.clone(),
        quantity_milli: input.quantity.0,
        unit_price: input.unit_price.0,
        base: outcome.base.0,
        discount: sum(&outcome.discounts),
        promotion: outcome.promotions.iter().map(|(_, m)| m.0).sum(),
        order_share: sum(&outcome.order_shares),
        amount: outcome.amount.0,
        net: outcome.net.0,
        tax: outcome.tax.0,
        tax_category: input.tax.category.clone(),
        tax_ppm: input.tax.ppm,
        refunded_milli: u16::try_from(index)
            .ok()
            .and_then(|i| booked.refunded.get(&i))
            .map_or(0, |b| b.quantity.0),
        serials: input.serials.clone(),
    })
    .collect()
}

fn show_refund(booked: &Booked, refund: &RefundCommitted) -> Sale {
    let outcome = &refund.document.outcome;
    let rules = &refund.document.inputs.rules;
    Sale {
        id: refund.refund_id.to_string(),
        kind: "refund",
        receipt: receipt(&refund.receipt),
        committed_at: rfc3339(booked.event.envelope.wall),
        business_day: books::date_of(refund.business_day).to_string(),
        customer: refund.customer.map(|c| c.to_string()),
        currency: rules.currency.code().to_owned(),
        exponent: rules.currency.exponent,
        lines: refund_lines(&refund.document),
        tax_groups: groups(&outcome.groups),
        net: outcome.net.0,
        tax: outcome.tax.0,
        total: outcome.settlement.total.0,
        rounding: outcome.settlement.rounding.0,
        cash_due: outcome.settlement.cash_due.0,
        cash_tendered: outcome.settlement.cash_tendered.0,
        change: outcome.settlement.change.0,
        tenders: tenders_of(booked, &refund.document.inputs.tenders),
        event: event_ref(booked),
        synced: booked.synced,
        original_sale: refund
            .document
            .inputs
            .original
            .as_ref()
            .map(|original| tradepost_sync::ids::Id(original.sale_id).to_string()),
        verified: Some(refund.verification == Verification::Verified),
        void: refund.void,
        approver: refund.approver.as_ref().map(|who| who.0.clone()),
        exchange: refund.exchange.map(|id| id.to_string()),
        exemption: None,
        training: false,
        staff: staff_of(booked),
        shift: booked.event.envelope.shift,
    }
}

fn refund_lines(document: &RefundDocument) -> Vec<SaleLine> {
    let both = document.inputs.lines.iter().zip(&document.outcome.lines).enumerate();
    both.map(|(index, (input, outcome))| {
        let gross = outcome.net.0 + outcome.tax.0;
        SaleLine {
            line: input.line.map_or(index, usize::from),
            sku: input.sku.0.clone(),
            name: input.name.clone(),
            quantity_milli: -input.quantity.0,
            unit_price: 0,
            base: gross,
            discount: 0,
            promotion: 0,
            order_share: 0,
            amount: gross,
            net: outcome.net.0,
            tax: outcome.tax.0,
            tax_category: input.tax.category.clone(),
            tax_ppm: input.tax.ppm,
            refunded_milli: 0,
            serials: input.serials.clone(),
        }
    })
    .collect()
}

pub(super) fn groups(groups: &[TaxGroup]) -> Vec<TaxGroupBody> {
    let show = |group: &TaxGroup| TaxGroupBody {
        category: group.tax.category.clone(),
        ppm: group.tax.ppm,
        net: group.net.0,
        tax: group.amount.0,
        gross: group.gross.0,
    };
    groups.iter().map(show).collect()
}

fn receipt(number_of: &tradepost_sync::body::ReceiptNumber) -> Receipt {
    Receipt {
        till: number_of.till.clone(),
        series: number_of.series.clone(),
        n: number_of.n,
        number: number(&number_of.till, &number_of.series, number_of.n),
    }
}

fn staff_of(booked: &Booked) -> Option<String> {
    booked.event.envelope.staff.as_ref().map(|who| who.0.clone())
}

pub(super) fn event_ref(booked: &Booked) -> EventRef {
    EventRef {
        incarnation: booked.event.envelope.incarnation.to_string(),
        seq: booked.event.envelope.seq,
        hash: booked.event.hash.to_string(),
    }
}

fn tenders_of(booked: &Booked, tenders: &[Tender]) -> Vec<TenderOut> {
    let by_now = |index: usize, tender: &Tender| booked.by_now.get(index).copied().unwrap_or(tender.state);
    tenders.iter().enumerate().map(|(index, one)| tender(one, by_now(index, one))).collect()
}

fn tender(tender: &Tender, by_now: TenderState) -> TenderOut {
    TenderOut {
        kind: kind_name(&tender.kind).to_owned(),
        amount: tender.amount.0,
        state: state_name(tender.state),
        now: state_name(by_now),
        key: tender.key.map(|key| tradepost_sync::ids::Id(key).to_string()),
        reference: tender.reference.clone(),
        foreign: tender.foreign.as_ref().map(show_foreign),
    }
}

/// An instant as text.
pub(super) fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}
