//! Receipts as JSON, text and HTML, from the stored document and the header of its own settings version.

use super::answer::{Reply, ok, text};
use super::documents::with_its_style;
use super::parse;
use super::state::Shared;
use crate::app::print_paper;
use crate::app::problem::{Code, no};
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use tradepost_commerce::receipt::{COLUMNS, render_html, render_text};
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
    let receipt =
        shared.read(|conn| Ok(print_paper::receipt(conn, &rules, &id, query.copy.then_some(1))?.says))?;
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
