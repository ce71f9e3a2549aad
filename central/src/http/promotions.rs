//! Promotions.

use super::json::{self, Body, Page, if_match, must_match, tagged};
use super::problem::Problem;
use super::products::typed;
use super::{App, ask, change};
use crate::app::products::Written;
use crate::app::{Code, Fault, promotions};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value as Any;
use std::sync::Arc;
use tradepost_commerce::promotion::Promotion;
use utoipa::IntoParams;

/// Which promotions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Rows of a page, at most 500.
    limit: Option<usize>,
    /// Where the page begins.
    cursor: Option<String>,
}

/// Lists promotions by code.
#[utoipa::path(get, path = "/v1/promotions", tag = "catalog", operation_id = "listPromotions", params(Wanted),
    responses((status = 200, body = Page<Object>)))]
pub(super) async fn list(
    app: State<Arc<App>>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<Any>>, Problem> {
    let limit = json::limit(wanted.limit);
    let after = json::place(wanted.cursor.as_deref())?;
    let found = ask(&app, move |hub, _| promotions::list(hub, &after, limit + 1)).await?;
    let rows = found.iter().map(|found| serde_json::to_value(&found.promotion).unwrap_or_default()).collect();
    Ok(Json(Page::new(rows, limit, |row: &Any| row["id"].as_str().unwrap_or_default().to_owned())))
}

/// Shows a promotion; the `ETag` is its row's version.
#[utoipa::path(get, path = "/v1/promotions/{id}", tag = "catalog", operation_id = "getPromotion",
    params(("id" = String, Path, description = "The promotion's code")),
    responses((status = 200, body = Object), (status = 404, body = Problem)))]
pub(super) async fn read(app: State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let found = ask(&app, move |hub, _| promotions::get(hub, &id)).await?;
    Ok(tagged(StatusCode::OK, found.row_version, &found.promotion))
}

/// Creates a promotion, or replaces the one whose `ETag` is sent as `If-Match`.
#[utoipa::path(put, path = "/v1/promotions/{id}", tag = "catalog", operation_id = "putPromotion",
    params(("id" = String, Path, description = "The promotion's code"), ("If-Match" = Option<String>, Header, description = "ETag that was read")),
    request_body = Object,
    responses((status = 200, body = Object), (status = 201, body = Object), (status = 412, body = Problem), (status = 422, body = Problem), (status = 428, body = Problem)))]
pub(super) async fn write(
    app: State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(mut given): Body<Any>,
) -> Result<Response, Problem> {
    let expected = if_match(&headers)?;
    if let Any::Object(fields) = &mut given {
        let told = fields.entry("id").or_insert_with(|| Any::String(id.clone()));
        if told.as_str() != Some(&id) {
            return Err(
                Fault::field("/id", Code::BadValue, "the body names another code than the address").into()
            );
        }
    }
    let promotion: Promotion = typed(&given).map_err(Problem::from)?;
    let (written, found) =
        change(&app, move |hub, now| promotions::put(hub, &promotion, expected, now)).await?;
    let status = if written == Written::Created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(tagged(status, found.row_version, &found.promotion))
}

/// Takes a promotion out of the catalog.
#[utoipa::path(delete, path = "/v1/promotions/{id}", tag = "catalog", operation_id = "deletePromotion",
    params(("id" = String, Path, description = "The promotion's code"), ("If-Match" = String, Header, description = "ETag that was read")),
    responses((status = 204), (status = 404, body = Problem), (status = 412, body = Problem), (status = 428, body = Problem)))]
pub(super) async fn remove(
    app: State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let expected = must_match(&headers)?;
    change(&app, move |hub, now| promotions::remove(hub, &id, expected, now)).await?;
    Ok(StatusCode::NO_CONTENT)
}
