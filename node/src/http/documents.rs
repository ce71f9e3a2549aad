//! Papers as JSON, text, HTML and printer's bytes, from what is stored.

use super::answer::{Reply, ok, text};
use super::parse;
use super::state::Shared;
use crate::app::print_paper::{self, Paper};
use crate::app::problem::{Code, no};
use crate::app::request::Till;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tradepost_commerce::receipt::{COLUMNS, render_html, render_text};
use utoipa::IntoParams;

/// How a paper is wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PaperQuery {
    /// `json`, `text`, `html` or `escpos`.
    pub format: Option<String>,
    /// Which copy it is; every copy says so on its face.
    pub copy: Option<u32>,
    /// Columns of text and printer's bytes, 24 to 120.
    pub columns: Option<usize>,
}

/// Shows the receipt of a sale or the slip of a refund.
#[utoipa::path(get, path = "/v1/documents/receipts/{id}", operation_id = "getReceiptPaper", tag = "documents", params(("id" = String, Path, description = "UUID of the sale or refund"), PaperQuery),
    responses((status = 200, description = "The paper, as asked for"), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn receipt(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Query(query): Query<PaperQuery>,
) -> Reply {
    let id = parse::id(&id, "/id")?;
    let rules = shared.rules()?;
    let paper = shared.read(|conn| print_paper::receipt(conn, &rules, &id, query.copy))?;
    show(&paper, &query)
}

/// Shows the X of a till's open shift.
#[utoipa::path(get, path = "/v1/documents/x/{till}", operation_id = "getXPaper", tag = "documents", params(("till" = String, Path, description = "The till"), PaperQuery),
    responses((status = 200, description = "The paper, as asked for"), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn x(
    State(shared): State<Shared>,
    Path(till): Path<String>,
    Query(query): Query<PaperQuery>,
) -> Reply {
    let till = Till::parse(&till)?;
    let rules = shared.rules()?;
    let now = shared.machine.wall();
    let paper = shared.read(|conn| print_paper::x(conn, &rules, till.name(), now))?;
    show(&paper, &query)
}

/// Shows a Z.
#[utoipa::path(get, path = "/v1/documents/z/{till}/{n}", operation_id = "getZPaper", tag = "documents", params(("till" = String, Path, description = "The till"), ("n" = u32, Path, description = "Its number"), PaperQuery),
    responses((status = 200, description = "The paper, as asked for"), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn z(
    State(shared): State<Shared>,
    Path((till, n)): Path<(String, u32)>,
    Query(query): Query<PaperQuery>,
) -> Reply {
    let till = Till::parse(&till)?;
    let rules = shared.rules()?;
    let paper = shared.read(|conn| print_paper::z(conn, &rules, till.name(), n, query.copy))?;
    show(&paper, &query)
}

/// Shows the sheet that a till's drawer is counted on.
#[utoipa::path(get, path = "/v1/documents/count-sheets/{till}", operation_id = "getCountSheet", tag = "documents", params(("till" = String, Path, description = "The till"), PaperQuery),
    responses((status = 200, description = "The paper, as asked for"), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn count_sheet(
    State(shared): State<Shared>,
    Path(till): Path<String>,
    Query(query): Query<PaperQuery>,
) -> Reply {
    let till = Till::parse(&till)?;
    let rules = shared.rules()?;
    show(&print_paper::count_sheet(&rules, till.name(), shared.machine.wall()), &query)
}

fn show(paper: &Paper, query: &PaperQuery) -> Reply {
    let columns = query.columns.unwrap_or(COLUMNS).clamp(24, 120);
    match query.format.as_deref().unwrap_or("json") {
        "json" => Ok(ok(&paper.says)),
        "text" => Ok(text("text/plain; charset=utf-8", render_text(&paper.says, columns))),
        "html" => Ok(with_its_style(text("text/html; charset=utf-8", render_html(&paper.says)))),
        "escpos" => {
            let mut response = print_paper::bytes(paper, columns, false)?.into_response();
            let kind = HeaderValue::from_static("application/octet-stream");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            Ok(response)
        }
        other => Err(no(Code::BadQuery, format!("{other:?} is no format: json, text, html, escpos")).into()),
    }
}

/// A paper brings its own style and no script: nothing but that is allowed to it.
pub(super) fn with_its_style(mut response: Response) -> Response {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox allow-same-origin allow-modals";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}
