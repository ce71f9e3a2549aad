//! Refunds against sales of this node.

use super::answer::{Reply, created, ok};
use super::body::Json;
use super::parse;
use super::sales::{Sale, as_answered};
use super::state::Shared;
use crate::app::problem::Answer;
use crate::app::request::{PayOut, RefundLine, RefundRequest, Till};
use crate::app::{books, refund};
use axum::extract::{Path, State};
use serde::Deserialize;
use tradepost_commerce::document::Condition;
use tradepost_commerce::quantity::Quantity;
use utoipa::ToSchema;

/// A refund.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundBody {
    /// The till.
    pub till: String,
    /// The sale.
    pub sale_id: String,
    /// Why.
    pub reason: String,
    /// Who allowed it.
    pub approver: Option<String>,
    /// What comes back.
    pub lines: Vec<RefundLineBody>,
    /// How it is paid out.
    pub tender: PayOutBody,
}

/// One line that comes back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundLineBody {
    /// Index of the line in the sale.
    pub line: u16,
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
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PayOutBody {
    /// In cash.
    Cash,
    /// To the card.
    Card,
}

/// Gives money back. The client makes the id; the same request again is answered the same.
#[utoipa::path(put, path = "/v1/refunds/{id}", operation_id = "putRefund", tag = "sales", params(("id" = String, Path, description = "UUID of version 7, made by the client")),
    request_body = RefundBody, responses((status = 201, description = "The refund; figures are negative", body = Sale), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn put_refund(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<RefundBody>,
) -> Reply {
    let request = parse_refund(&id, &body)?;
    let booked = shared.writer.ask(move |node, now| refund::refund(node, now, &request)).await?;
    metrics::counter!("tradepost_refunds_total").increment(1);
    Ok(created(&as_answered(booked)?))
}

fn parse_refund(id: &str, body: &RefundBody) -> Answer<RefundRequest> {
    let line = |line: &RefundLineBody| RefundLine {
        line: line.line,
        quantity: Quantity(line.quantity_milli),
        condition: match line.condition {
            ConditionBody::Resell => Condition::Resell,
            ConditionBody::Waste => Condition::Waste,
        },
        serials: line.serials.clone(),
    };
    Ok(RefundRequest {
        id: parse::document_id(id)?,
        till: Till::parse(&body.till)?,
        sale: parse::id(&body.sale_id, "/sale_id")?,
        reason: parse::short(&body.reason, "/reason")?,
        approver: parse::staff(body.approver.as_ref(), "/approver")?,
        lines: body.lines.iter().map(line).collect(),
        pay_out: match body.tender {
            PayOutBody::Cash => PayOut::Cash,
            PayOutBody::Card => PayOut::Card,
        },
    })
}

/// Reads a refund.
#[utoipa::path(get, path = "/v1/refunds/{id}", operation_id = "getRefund", tag = "sales", params(("id" = String, Path, description = "UUID")),
    responses((status = 200, description = "The refund", body = Sale), (status = 404, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn get_refund(State(shared): State<Shared>, Path(id): Path<String>) -> Reply {
    let id = parse::id(&id, "/id")?;
    let booked = shared.read(|conn| books::find(conn, &id))?;
    Ok(ok(&Sale::show(&booked)?))
}
