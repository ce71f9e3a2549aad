//! Vouchers, gift cards and coupons with a number of uses, at the stores that take them.

use super::json::{self, Body, Page};
use super::problem::Problem;
use super::{App, ask, change};
use crate::app::pools::{self, Kind};
use crate::db::pools::PoolRow;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tradepost_commerce::tender_life::pool_code;
use utoipa::{IntoParams, ToSchema};

/// What a pool is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PoolKind {
    /// A voucher or gift card: units are minor units.
    Voucher,
    /// A coupon: units are uses.
    Coupon,
}

/// What is issued.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolBody {
    /// What of.
    kind: PoolKind,
    /// The code that is printed on it: 1 to 32 letters, digits or hyphens.
    code: String,
    /// How much more: minor units, or uses.
    units: i64,
}

/// A pool of a store.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PoolView {
    /// What of.
    kind: PoolKind,
    /// The code.
    code: String,
    /// What was issued.
    issued: i64,
    /// What was drawn on it, as far as the hub has heard.
    redeemed: i64,
    /// What is left, as far as the hub has heard.
    left: i64,
}

impl PoolView {
    fn of(row: &PoolRow) -> Self {
        let (code, coupon) = pool_code(&row.pool);
        let kind = if coupon { PoolKind::Coupon } else { PoolKind::Voucher };
        let left = row.issued.saturating_sub(row.redeemed);
        Self { kind, code: code.to_owned(), issued: row.issued, redeemed: row.redeemed, left }
    }
}

/// Which pools.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Rows of a page, at most 500.
    limit: Option<usize>,
    /// Where the page begins.
    cursor: Option<String>,
}

/// Lists a store's vouchers, gift cards and counted coupons with what is left of each.
#[utoipa::path(get, path = "/v1/stores/{code}/pools", tag = "stores", operation_id = "listPools",
    params(("code" = String, Path, description = "The store's code"), Wanted),
    responses((status = 200, body = Page<PoolView>), (status = 404, body = Problem)))]
pub(super) async fn list(
    app: State<Arc<App>>,
    Path(code): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<PoolView>>, Problem> {
    let limit = json::limit(wanted.limit);
    let after = json::place(wanted.cursor.as_deref())?;
    let rows = ask(&app, move |hub, _| pools::list(hub, &code, &after, limit + 1)).await?;
    let Page { data, next_cursor, has_more } = Page::new(rows, limit, |row: &PoolRow| row.pool.clone());
    Ok(Json(Page { data: data.iter().map(PoolView::of).collect(), next_cursor, has_more }))
}

/// Issues a voucher, gift card or counted coupon at a store, or more of one: split over its nodes, which each take their
/// share without asking anybody.
#[utoipa::path(post, path = "/v1/stores/{code}/pools", tag = "stores", operation_id = "issuePool",
    params(("code" = String, Path, description = "The store's code")), request_body = PoolBody,
    responses((status = 201, body = PoolView), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn issue(
    app: State<Arc<App>>,
    Path(code): Path<String>,
    Body(body): Body<PoolBody>,
) -> Result<(StatusCode, Json<PoolView>), Problem> {
    let kind = if body.kind == PoolKind::Coupon { Kind::Coupon } else { Kind::Voucher };
    let row = change(&app, move |hub, now| pools::issue(hub, &code, (kind, &body.code), body.units, now));
    Ok((StatusCode::CREATED, Json(PoolView::of(&row.await?))))
}
