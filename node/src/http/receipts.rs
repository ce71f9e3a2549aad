//! Receipts as JSON, text and HTML, from the stored document and the header of its own settings version.

use super::answer::{Reply, ok, text};
use super::parse;
use super::state::Shared;
use crate::app::books::{self, Booked};
use crate::app::export::number;
use crate::app::node::Rulebook;
use crate::app::problem::{Answer, Code, no};
use crate::db::catalog;
use axum::extract::{Path, Query, State};
use rusqlite::Connection;
use serde::Deserialize;
use tradepost_commerce::receipt::{COLUMNS, Head, Receipt, of_refund, of_sale, render_html, render_text};
use tradepost_sync::body::{Body, ReceiptNumber};
use utoipa::IntoParams;

/// How a receipt is wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReceiptQuery {
    /// `json`, `text` or `html`.
    pub format: Option<String>,
    /// Whether it is printed again; a copy says so on its face.
    #[serde(default)]
    pub copy: bool,
    /// Columns of a text receipt, 24 to 120.
    pub columns: Option<usize>,
}

/// Prints a receipt.
#[utoipa::path(get, path = "/v1/sales/{id}/receipt", operation_id = "getReceipt", tag = "sales", params(("id" = String, Path, description = "UUID"), ReceiptQuery),
    responses((status = 200, description = "The receipt, as asked for"), (status = 404, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn get_receipt(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Query(query): Query<ReceiptQuery>,
) -> Reply {
    let id = parse::id(&id, "/id")?;
    let rules = shared.rules()?;
    let receipt = shared.read(|conn| {
        let booked = books::find(conn, &id)?;
        print(conn, &rules, &booked, query.copy.then_some(1))
    })?;
    match query.format.as_deref().unwrap_or("json") {
        "json" => Ok(ok(&receipt)),
        "text" => {
            let columns = query.columns.unwrap_or(COLUMNS).clamp(24, 120);
            Ok(text("text/plain; charset=utf-8", render_text(&receipt, columns)))
        }
        "html" => Ok(with_its_style(text("text/html; charset=utf-8", render_html(&receipt)))),
        other => Err(no(Code::BadQuery, format!("{other:?} is no format: json, text, html")).into()),
    }
}

/// A receipt brings its own style and no script: nothing but that is allowed to it.
fn with_its_style(mut response: axum::response::Response) -> axum::response::Response {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox allow-same-origin allow-modals";
    let name = axum::http::header::CONTENT_SECURITY_POLICY;
    response.headers_mut().insert(name, axum::http::HeaderValue::from_static(policy));
    response
}

fn print(conn: &Connection, rules: &Rulebook, booked: &Booked, copy: Option<u32>) -> Answer<Receipt> {
    let printed = match &booked.body {
        Body::SaleCommitted(sale) => {
            let head = head(conn, rules, booked, &sale.receipt, sale.document.inputs.rules.settings, copy)?;
            of_sale(&head, &sale.document)
        }
        Body::RefundCommitted(refund) => {
            let head =
                head(conn, rules, booked, &refund.receipt, refund.document.inputs.rules.settings, copy)?;
            of_refund(&head, &refund.document)
        }
        _ => return Err(no(Code::NotFound, "it is no sale and no refund")),
    };
    printed.map_err(|e| no(Code::Internal, e.to_string()))
}

fn head(
    conn: &Connection,
    rules: &Rulebook,
    booked: &Booked,
    receipt: &ReceiptNumber,
    settings: u32,
    copy: Option<u32>,
) -> Answer<Head> {
    let printed_by = catalog::settings_of(conn, settings)?.unwrap_or_else(|| rules.settings.clone());
    let envelope = &booked.event.envelope;
    let instant = jiff::Timestamp::from_millisecond(envelope.trading).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    Ok(Head {
        header: printed_by.header,
        footer: printed_by.footer,
        language: printed_by.language,
        number: number(&receipt.till, &receipt.series, receipt.n),
        when: rules.zone.to_datetime(instant).strftime("%Y-%m-%d %H:%M").to_string(),
        till: receipt.till.clone(),
        cashier: envelope.staff.as_ref().map(|s| s.0.clone()),
        copy,
    })
}
