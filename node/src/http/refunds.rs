//! Refunds, voids and exchanges: money that goes back.

use super::answer::{Reply, created, ok};
use super::body::Json;
use super::parse::{self, DiscountBody, LineBody, TenderBody};
use super::sales::{Sale, as_answered};
use super::staff::ApprovalBody;
use super::state::Shared;
use super::tenders::by_card;
use crate::app::node::Node;
use crate::app::problem::{Answer, Code, no_at};
use crate::app::refund::{self, Right};
use crate::app::refund_caps;
use crate::app::request::{
    Back, ExchangeRequest, PayOut, RefundLine, RefundRequest, SaleRequest, Till, VoidRequest,
};
use crate::app::tender::state_name;
use crate::app::totals::kind_name;
use crate::app::{books, exchange, void};
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use tradepost_commerce::document::Condition;
use tradepost_commerce::money::Money;
use tradepost_commerce::quantity::Quantity;
use tradepost_sync::ids::Id;
use utoipa::{IntoParams, ToSchema};

/// A refund.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundBody {
    /// The till.
    pub till: String,
    /// The sale; without it and `receipt` there is no receipt, and lines name items.
    pub sale_id: Option<String>,
    /// The sale's number as printed, instead of its id.
    pub receipt: Option<String>,
    /// Why.
    pub reason: String,
    /// Who allowed it, in a store that keeps no staff.
    pub approver: Option<String>,
    /// What comes back.
    pub lines: Vec<RefundLineBody>,
    /// How it is paid out; the way it was paid where nothing is said.
    #[serde(default)]
    pub tender: PayOutBody,
    /// Somebody's PIN, for what the one at the till may not do.
    pub approval: Option<ApprovalBody>,
}

/// One line that comes back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundLineBody {
    /// Index of the line in the sale.
    pub line: Option<u16>,
    /// The item, where there is no receipt.
    pub sku: Option<String>,
    /// Thousandths of the pricing unit.
    pub quantity_milli: i64,
    /// In what state.
    pub condition: ConditionBody,
    /// Serial numbers.
    #[serde(default)]
    pub serials: Vec<String>,
}

/// In what state goods come back.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConditionBody {
    /// Back to the shelf.
    Resell,
    /// Thrown away.
    Waste,
}

/// How a refund is paid out.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PayOutBody {
    /// In cash.
    Cash,
    /// To the card.
    Card,
    /// The way it was paid: what still waits for its money first, then in order.
    #[default]
    Original,
}

/// A sale that is cancelled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoidBody {
    /// The till.
    pub till: String,
    /// The sale.
    pub sale_id: String,
    /// Why.
    pub reason: String,
    /// Somebody's PIN, for what the one at the till may not do.
    pub approval: Option<ApprovalBody>,
}

/// Goods that come back, and goods that go out for them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExchangeBody {
    /// The till.
    pub till: String,
    /// What comes back.
    pub refund: ExchangeRefundBody,
    /// What goes out.
    pub sale: ExchangeSaleBody,
    /// What the customer pays, where what goes out is worth more.
    #[serde(default)]
    pub tenders: Vec<TenderBody>,
    /// How the rest is paid out, where what comes back is worth more.
    #[serde(default)]
    pub tender: PayOutBody,
    /// What the caller thinks the sale comes to.
    pub expected_total: Option<i64>,
    /// Somebody's PIN, for what the one at the till may not do.
    pub approval: Option<ApprovalBody>,
}

/// What comes back in an exchange.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExchangeRefundBody {
    /// The sale.
    pub sale_id: String,
    /// Why.
    pub reason: String,
    /// What comes back.
    pub lines: Vec<RefundLineBody>,
}

/// What goes out in an exchange.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExchangeSaleBody {
    /// The lines.
    pub lines: Vec<LineBody>,
    /// Discounts on the order.
    #[serde(default)]
    pub discounts: Vec<DiscountBody>,
    /// The customer's id.
    pub customer: Option<String>,
}

/// Both documents of an exchange.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExchangeOut {
    /// Its id.
    pub exchange: String,
    /// What came back.
    pub refund: Sale,
    /// What went out.
    pub sale: Sale,
}

/// Which sale.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct QuoteQuery {
    /// The sale.
    pub sale_id: Option<String>,
    /// Its number as printed, or as it was scanned.
    pub receipt: Option<String>,
    /// The till; the node's own where none is named.
    pub till: Option<String>,
}

/// What could still be refunded of a sale.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuoteOut {
    /// The sale.
    pub sale: Sale,
    /// What is left of each line.
    pub left: Vec<LeftOut>,
    /// `held` here, or `elsewhere`: then it is refunded unverified, where a manager allows it.
    pub right: &'static str,
    /// What each tender paid.
    pub paid: Vec<PaidOut>,
    /// The present shift of the till sold it: it may be voided.
    pub same_shift: bool,
}

/// What is left of a line.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeftOut {
    /// Index of the line in the sale.
    pub line: u16,
    /// Thousandths of the pricing unit.
    pub quantity_milli: i64,
}

/// What a tender of a sale paid.
#[derive(Debug, Serialize, ToSchema)]
pub struct PaidOut {
    /// Its index in the sale.
    pub index: u16,
    /// What kind of money.
    pub kind: String,
    /// What it paid, without change.
    pub amount: i64,
    /// What was not given back yet.
    pub left: i64,
    /// Where it stands by now.
    pub state: &'static str,
}

/// What refunds may come to.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefundPolicyOut {
    /// Most that is given back without a receipt, in minor units.
    pub no_receipt_max: i64,
    /// Most that this node gives back unverified on one business day, in minor units.
    pub unverified_max: i64,
}

/// What refunds may come to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundPolicyBody {
    /// Most that is given back without a receipt, in minor units.
    pub no_receipt_max: i64,
    /// Most that this node gives back unverified on one business day, in minor units; left out, it stays.
    pub unverified_max: Option<i64>,
    /// A manager's PIN.
    pub approval: Option<ApprovalBody>,
}

/// Gives money back. The client makes the id; the same request again is answered the same.
#[utoipa::path(put, path = "/v1/refunds/{id}", operation_id = "putRefund", tag = "sales", params(("id" = String, Path, description = "UUID of version 7, made by the client")),
    request_body = RefundBody, responses((status = 201, description = "The refund; figures are negative", body = Sale), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn put_refund(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<RefundBody>,
) -> Reply {
    let request = parse_refund(&shared, &id, &body)?;
    if let Some(sale) = &request.sale {
        shared.ask_refund_right(sale).await?;
    }
    let approved = shared.approved(body.approval.as_ref()).await?;
    let work = move |node: &mut Node, now| refund::refund_by_card(node, now, &request, approved.as_ref());
    let booked = by_card(&shared, work).await?;
    super::seen::count(&booked);
    Ok(created(&as_answered(booked)?))
}

fn parse_refund(shared: &Shared, id: &str, body: &RefundBody) -> Answer<RefundRequest> {
    let sale = match (&body.sale_id, &body.receipt) {
        (Some(id), None) => Some(parse::id(id, "/sale_id")?),
        (None, Some(number)) => Some(named(shared, number)?),
        (None, None) => None,
        (Some(_), Some(_)) => {
            return Err(no_at(Code::UnknownField, "/receipt", "sale_id and receipt exclude each other"));
        }
    };
    Ok(RefundRequest {
        id: parse::document_id(id)?,
        till: Till::parse(&body.till)?,
        sale,
        reason: parse::short(&body.reason, "/reason")?,
        approver: parse::staff(body.approver.as_ref(), "/approver")?,
        lines: lines(&body.lines, "/lines")?,
        pay_out: pay_out(body.tender),
    })
}

fn named(shared: &Shared, number: &str) -> Answer<Id> {
    shared.read(|conn| refund::by_number(conn, number)).map_err(|stop| match stop {
        crate::app::Stop::No(problem) => no_at(problem.code, "/receipt", problem.detail),
        fault => fault,
    })
}

fn pay_out(body: PayOutBody) -> PayOut {
    match body {
        PayOutBody::Cash => PayOut::Cash,
        PayOutBody::Card => PayOut::Card,
        PayOutBody::Original => PayOut::Original,
    }
}

fn lines(given: &[RefundLineBody], at: &str) -> Answer<Vec<RefundLine>> {
    let one = |(index, line): (usize, &RefundLineBody)| {
        let back = match (line.line, &line.sku) {
            (Some(line), None) => Back::Line(line),
            (None, Some(sku)) => Back::Item(parse::sku(sku, &format!("{at}/{index}/sku"))?),
            (None, None) => {
                return Err(no_at(Code::MissingField, format!("{at}/{index}/line"), "line is missing"));
            }
            (Some(_), Some(_)) => {
                let detail = "line and sku exclude each other";
                return Err(no_at(Code::UnknownField, format!("{at}/{index}/sku"), detail));
            }
        };
        Ok(RefundLine {
            back,
            quantity: Quantity(line.quantity_milli),
            condition: match line.condition {
                ConditionBody::Resell => Condition::Resell,
                ConditionBody::Waste => Condition::Waste,
            },
            serials: line.serials.clone(),
        })
    };
    given.iter().enumerate().map(one).collect()
}

/// Reads a refund.
#[utoipa::path(get, path = "/v1/refunds/{id}", operation_id = "getRefund", tag = "sales", params(("id" = String, Path, description = "UUID")),
    responses((status = 200, description = "The refund", body = Sale), (status = 404, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn get_refund(State(shared): State<Shared>, Path(id): Path<String>) -> Reply {
    let id = parse::id(&id, "/id")?;
    let booked = shared.read(|conn| books::find(conn, &id))?;
    Ok(ok(&Sale::show(&booked)?))
}

/// Says what could still be refunded of a sale that a customer brings the receipt of.
#[utoipa::path(get, path = "/v1/refund-quote", operation_id = "quoteRefund", tag = "sales", params(QuoteQuery),
    responses((status = 200, description = "What is left of it", body = QuoteOut), (status = 404, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn quote(State(shared): State<Shared>, Query(query): Query<QuoteQuery>) -> Reply {
    let id = match (&query.sale_id, &query.receipt) {
        (Some(id), _) => parse::id(id, "/sale_id")?,
        (None, Some(number)) => named(&shared, number)?,
        (None, None) => return Err(no_at(Code::BadQuery, "/sale_id", "name sale_id or receipt").into()),
    };
    let till = query.till.clone().unwrap_or_else(|| shared.till.clone());
    let found = shared.writer.ask(move |node, now| refund::look(node, now, &id, &till)).await?;
    let left = found.left.iter().map(|(line, left)| LeftOut { line: *line, quantity_milli: *left }).collect();
    let paid = found.paid.iter().map(|part| PaidOut {
        index: part.index,
        kind: kind_name(&part.tender.kind).to_owned(),
        amount: part.amount.0,
        left: part.left.0,
        state: state_name(part.state),
    });
    Ok(ok(&QuoteOut {
        sale: Sale::show(&found.booked)?,
        left,
        right: if found.right == Right::Elsewhere { "elsewhere" } else { "held" },
        paid: paid.collect(),
        same_shift: found.same_shift,
    }))
}

/// Cancels a sale of the present shift, to the tenders it was paid with. The same request again is answered the same.
#[utoipa::path(put, path = "/v1/voids/{id}", operation_id = "putVoid", tag = "sales", params(("id" = String, Path, description = "UUID of version 7, made by the client")),
    request_body = VoidBody, responses((status = 201, description = "The refund that cancels it", body = Sale), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn put_void(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<VoidBody>,
) -> Reply {
    let request = VoidRequest {
        id: parse::document_id(&id)?,
        till: Till::parse(&body.till)?,
        sale: parse::id(&body.sale_id, "/sale_id")?,
        reason: parse::short(&body.reason, "/reason")?,
    };
    let approved = shared.approved(body.approval.as_ref()).await?;
    let work = move |node: &mut Node, now| void::void(node, now, &request, approved.as_ref());
    let booked = by_card(&shared, work).await?;
    super::seen::count(&booked);
    Ok(created(&as_answered(booked)?))
}

/// Takes goods back and gives others for them, in one transaction. The same request again is answered the same.
#[utoipa::path(put, path = "/v1/exchanges/{id}", operation_id = "putExchange", tag = "sales", params(("id" = String, Path, description = "UUID of version 7, made by the client")),
    request_body = ExchangeBody, responses((status = 201, description = "Both documents", body = ExchangeOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn put_exchange(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<ExchangeBody>,
) -> Reply {
    let request = parse_exchange(&id, &body)?;
    let exchange_id = request.id;
    let approved = shared.approved(body.approval.as_ref()).await?;
    let work = move |node: &mut Node, now| exchange::exchange(node, now, &request, approved.as_ref());
    let both = by_card(&shared, work).await?;
    super::seen::count(&both.refund);
    super::seen::count(&both.sale);
    Ok(created(&ExchangeOut {
        exchange: exchange_id.to_string(),
        refund: as_answered(both.refund)?,
        sale: as_answered(both.sale)?,
    }))
}

fn parse_exchange(id: &str, body: &ExchangeBody) -> Answer<ExchangeRequest> {
    let id = parse::document_id(id)?;
    let till = Till::parse(&body.till)?;
    let (refund_id, sale_id) = exchange::ids(&id);
    let line = |(i, line): (usize, &LineBody)| line.parse(&format!("/sale/lines/{i}"));
    let sale = &body.sale;
    Ok(ExchangeRequest {
        id,
        refund: RefundRequest {
            id: refund_id,
            till: till.clone(),
            sale: Some(parse::id(&body.refund.sale_id, "/refund/sale_id")?),
            reason: parse::short(&body.refund.reason, "/refund/reason")?,
            approver: None,
            lines: lines(&body.refund.lines, "/refund/lines")?,
            pay_out: pay_out(body.tender),
        },
        sale: SaleRequest {
            id: sale_id,
            till,
            lines: sale.lines.iter().enumerate().map(line).collect::<Answer<_>>()?,
            discounts: parse::discounts(&sale.discounts, "/sale/discounts")?,
            customer: sale.customer.as_deref().map(|c| parse::id(c, "/sale/customer")).transpose()?,
            price_list: None,
            exemption: None,
            tenders: parse::tenders_by_terminal(&body.tenders)?,
            expected_total: body.expected_total.map(Money),
        },
    })
}

/// Shows what refunds may come to.
#[utoipa::path(get, path = "/v1/refund-policy", operation_id = "getRefundPolicy", tag = "sales",
    responses((status = 200, description = "The policy", body = RefundPolicyOut)))]
pub async fn get_policy(State(shared): State<Shared>) -> Reply {
    shared.read(show_policy).map(|policy| ok(&policy)).map_err(Into::into)
}

fn show_policy(conn: &rusqlite::Connection) -> Answer<RefundPolicyOut> {
    let (no_receipt, unverified) = (refund_caps::no_receipt_max(conn)?, refund_caps::unverified_max(conn)?);
    Ok(RefundPolicyOut { no_receipt_max: no_receipt.0, unverified_max: unverified.0 })
}

/// Sets what refunds may come to.
#[utoipa::path(put, path = "/v1/refund-policy", operation_id = "putRefundPolicy", tag = "sales", request_body = RefundPolicyBody,
    responses((status = 200, description = "The policy", body = RefundPolicyOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn put_policy(State(shared): State<Shared>, Json(body): Json<RefundPolicyBody>) -> Reply {
    let caps = (Money(body.no_receipt_max), body.unverified_max.map(Money));
    let approved = shared.approved(body.approval.as_ref()).await?;
    shared.writer.ask(move |node, now| refund_caps::put(node, now, caps, approved.as_ref())).await?;
    shared.read(show_policy).map(|policy| ok(&policy)).map_err(Into::into)
}
