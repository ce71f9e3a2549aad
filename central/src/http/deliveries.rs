//! Deliveries that headquarters announces to stores.

use super::json::{self, Body, Page};
use super::orders::rfc3339;
use super::problem::Problem;
use super::reservations::id;
use super::{App, ask, change};
use crate::app::Fault;
use crate::app::deliveries::{self, Shown};
use crate::db::shipments::Line;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tradepost_sync::ids::Id;
use utoipa::{IntoParams, ToSchema};

/// A delivery to be announced.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveryWanted {
    /// UUID, made by the client: the same request under the same id changes nothing.
    id: String,
    /// To which store, by code.
    store: String,
    /// The order's number.
    reference: String,
    /// Who alone may receive it: a node by its name or incarnation; the store's latest node if not given.
    custodian: Option<String>,
    /// What should come.
    lines: Vec<DeliveryLineWanted>,
}

/// One line of a delivery.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveryLineWanted {
    /// The item; once in a delivery.
    sku: String,
    /// Base units.
    units: u64,
    /// Cost of one pricing unit, in minor units.
    cost: Option<i64>,
}

/// A delivery.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveryView {
    /// Its id.
    id: String,
    /// The receiving store's code.
    store: String,
    /// The order's or the supplier's number.
    reference: String,
    /// `expected`, `received` or `not_delivered`, as far as the hub has heard.
    state: String,
    /// The receipt that it was, where it had come before it was announced.
    same_as: Option<String>,
    /// Who alone may receive it, an incarnation.
    custodian: Option<String>,
    /// What was announced and what came.
    lines: Vec<LineView>,
    /// When it became known, RFC 3339.
    begun_at: String,
    /// When the hub heard of its end.
    ended_at: Option<String>,
    #[serde(skip)]
    #[schema(ignore)]
    place: i64,
}

/// One line, in base units.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LineView {
    /// The item.
    sku: String,
    /// What was announced.
    expected: u64,
    /// What came.
    received: u64,
    /// What came less what was announced.
    difference: i64,
    /// Cost of one pricing unit.
    cost: Option<i64>,
}

fn line(line: Line) -> LineView {
    let signed = |units: u64| i64::try_from(units).unwrap_or(i64::MAX);
    LineView {
        difference: signed(line.received) - signed(line.expected),
        sku: line.sku,
        expected: line.expected,
        received: line.received,
        cost: line.cost,
    }
}

fn view(shown: Shown) -> DeliveryView {
    let row = shown.row;
    DeliveryView {
        place: row.no,
        id: row.id.to_string(),
        store: shown.store,
        reference: row.reference,
        state: row.state,
        same_as: row.same_as.map(|id| id.to_string()),
        custodian: shown.custodian.map(|who| who.to_string()),
        lines: shown.lines.into_iter().map(line).collect(),
        begun_at: rfc3339(row.begun_at),
        ended_at: row.ended_at.map(rfc3339),
    }
}

/// Announces a delivery to a store.
#[utoipa::path(post, path = "/v1/deliveries", tag = "stock", operation_id = "announceDelivery",
    request_body = DeliveryWanted,
    responses((status = 201, body = DeliveryView), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn announce(
    app: State<Arc<App>>,
    Body(body): Body<DeliveryWanted>,
) -> Result<(StatusCode, Json<DeliveryView>), Problem> {
    let wanted = deliveries::Wanted {
        id: id(&body.id, "/id").map_err(Problem::from)?,
        store: body.store,
        reference: body.reference,
        custodian: body.custodian,
        lines: body.lines.into_iter().map(|line| (line.sku, line.units, line.cost)).collect(),
    };
    let shown = change(&app, move |hub, now| deliveries::announce(hub, &wanted, now)).await?;
    Ok((StatusCode::CREATED, Json(view(shown))))
}

/// Which shipments.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Also those that have ended.
    #[serde(default)]
    pub(super) all: bool,
    /// Rows of a page, at most 500.
    pub(super) limit: Option<usize>,
    /// Where the page begins.
    pub(super) cursor: Option<String>,
}

/// Lists deliveries in the order in which they became known.
#[utoipa::path(get, path = "/v1/deliveries", tag = "stock", operation_id = "listDeliveries", params(Which),
    responses((status = 200, body = Page<DeliveryView>)))]
pub(super) async fn list(
    app: State<Arc<App>>,
    Query(which): Query<Which>,
) -> Result<Json<Page<DeliveryView>>, Problem> {
    let limit = json::limit(which.limit);
    let after = json::place(which.cursor.as_deref())?.parse().unwrap_or(0);
    let found = ask(&app, move |hub, _| deliveries::list(hub, "delivery", which.all, after, limit + 1));
    let rows = found.await?.into_iter().map(view).collect();
    Ok(Json(Page::new(rows, limit, |row: &DeliveryView| row.place.to_string())))
}

/// Shows a delivery.
#[utoipa::path(get, path = "/v1/deliveries/{id}", tag = "stock", operation_id = "getDelivery",
    params(("id" = String, Path, description = "Its id, a UUID")),
    responses((status = 200, body = DeliveryView), (status = 404, body = Problem)))]
pub(super) async fn read(
    app: State<Arc<App>>,
    Path(text): Path<String>,
) -> Result<Json<DeliveryView>, Problem> {
    let id = Id::parse(&text).map_err(|_| Problem::from(Fault::not_found("delivery", &text)))?;
    ask(&app, move |hub, _| deliveries::get(hub, "delivery", id)).await.map(view).map(Json)
}
