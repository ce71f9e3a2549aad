//! Reservations: promises to web orders and for collection.

use super::json::{self, Body, Page};
use super::orders::rfc3339;
use super::problem::Problem;
use super::{App, ask, change};
use crate::app::reserve::{self, Shown};
use crate::app::{Code, Fault, hub_time};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tradepost_sync::ids::Id;
use utoipa::{IntoParams, ToSchema};

/// A reservation that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReservationWanted {
    /// UUID, made by the client: the same request under the same id changes nothing.
    id: String,
    /// At which store, by code.
    store: String,
    /// The item.
    sku: String,
    /// Base units.
    units: u64,
    /// The order it is for, a UUID.
    order: String,
    /// The order's number, by which the store finds it.
    reference: String,
    /// When it may expire by hub time, RFC 3339.
    expires: String,
    /// Who may end it: `hub`, or a node by its name or incarnation; the store's latest node if not given.
    custodian: Option<String>,
    /// What was paid before, in minor units; not given where it is paid at the store.
    prepaid: Option<i64>,
}

/// A reservation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReservationView {
    /// Its id.
    id: String,
    /// The store's code.
    store: String,
    /// The item.
    sku: String,
    /// Base units.
    units: u64,
    /// The order it is for.
    order: String,
    /// The order's number.
    reference: String,
    /// When it may expire, RFC 3339.
    expires: String,
    /// What was paid before.
    prepaid: Option<i64>,
    /// `open`, `fulfilled`, `cancelled` or `expired`, as far as the hub has heard.
    state: String,
    /// The sale that handed it over.
    sale: Option<String>,
    /// Who alone may end it, an incarnation.
    custodian: Option<String>,
    /// Base units of it that the shelf can't meet: somebody should look at the order.
    exposed: u64,
    /// When it was opened, RFC 3339.
    opened_at: String,
    /// When the hub heard of its end.
    ended_at: Option<String>,
    #[serde(skip)]
    #[schema(ignore)]
    place: i64,
}

fn view(shown: Shown) -> ReservationView {
    let row = shown.row;
    ReservationView {
        place: row.no,
        id: row.id.to_string(),
        store: shown.store,
        sku: row.sku.clone(),
        units: row.units,
        order: row.order.to_string(),
        reference: row.reference.clone(),
        expires: rfc3339(row.expires.ms),
        prepaid: row.prepaid,
        state: reserve::state(&row).to_owned(),
        sale: row.sale.map(|id| id.to_string()),
        custodian: shown.custodian.map(|who| who.to_string()),
        exposed: shown.exposed,
        opened_at: rfc3339(row.opened_at),
        ended_at: row.ended_at.map(rfc3339),
    }
}

/// An id at a pointer into the request.
pub(super) fn id(text: &str, pointer: &str) -> Result<Id, Fault> {
    Id::parse(text).map_err(|error| Fault::field(pointer, Code::BadValue, error.to_string()))
}

fn wanted(body: ReservationWanted) -> Result<reserve::Wanted, Fault> {
    let expires: Result<jiff::Timestamp, _> = body.expires.parse();
    let expires = expires.map_err(|_| {
        let detail = format!("{:?} is no instant like 2026-11-22T18:00:00Z", body.expires);
        Fault::field("/expires", Code::BadValue, detail)
    })?;
    Ok(reserve::Wanted {
        id: id(&body.id, "/id")?,
        store: body.store,
        sku: body.sku,
        units: body.units,
        order: id(&body.order, "/order")?,
        reference: body.reference,
        expires: expires.as_millisecond(),
        custodian: body.custodian,
        prepaid: body.prepaid,
    })
}

/// Promises goods of a store to an order, out of what the hub has borrowed; never waits for the store.
#[utoipa::path(post, path = "/v1/reservations", tag = "stock", operation_id = "openReservation",
    request_body = ReservationWanted,
    responses((status = 201, body = ReservationView), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn open(
    app: State<Arc<App>>,
    Body(body): Body<ReservationWanted>,
) -> Result<(StatusCode, Json<ReservationView>), Problem> {
    let wanted = wanted(body).map_err(Problem::from)?;
    let shown = change(&app, move |hub, _| reserve::open(hub, &wanted, hub_time(&hub.db)?)).await?;
    Ok((StatusCode::CREATED, Json(view(shown))))
}

/// Which reservations.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Of one store only, by code.
    store: Option<String>,
    /// Also those that have ended.
    #[serde(default)]
    all: bool,
    /// Rows of a page, at most 500.
    limit: Option<usize>,
    /// Where the page begins.
    cursor: Option<String>,
}

/// Lists reservations in the order in which they were opened.
#[utoipa::path(get, path = "/v1/reservations", tag = "stock", operation_id = "listReservations", params(Which),
    responses((status = 200, body = Page<ReservationView>), (status = 404, body = Problem)))]
pub(super) async fn list(
    app: State<Arc<App>>,
    Query(which): Query<Which>,
) -> Result<Json<Page<ReservationView>>, Problem> {
    let limit = json::limit(which.limit);
    let after = json::place(which.cursor.as_deref())?.parse().unwrap_or(0);
    let found =
        ask(&app, move |hub, _| reserve::list(hub, which.store.as_deref(), which.all, after, limit + 1));
    let rows = found.await?.into_iter().map(view).collect();
    Ok(Json(Page::new(rows, limit, |row: &ReservationView| row.place.to_string())))
}

/// Shows a reservation.
#[utoipa::path(get, path = "/v1/reservations/{id}", tag = "stock", operation_id = "getReservation",
    params(("id" = String, Path, description = "Its id, a UUID")),
    responses((status = 200, body = ReservationView), (status = 404, body = Problem)))]
pub(super) async fn read(
    app: State<Arc<App>>,
    Path(text): Path<String>,
) -> Result<Json<ReservationView>, Problem> {
    let id = known(&text)?;
    ask(&app, move |hub, _| reserve::get(hub, id)).await.map(view).map(Json)
}

fn known(text: &str) -> Result<Id, Problem> {
    Id::parse(text).map_err(|_| Problem::from(Fault::not_found("reservation", text)))
}

/// Cancels a reservation that the hub itself holds; of any other one its custodian decides. Asked again it answers the
/// same.
#[utoipa::path(delete, path = "/v1/reservations/{id}", tag = "stock", operation_id = "cancelReservation",
    params(("id" = String, Path, description = "Its id, a UUID")),
    responses((status = 200, body = ReservationView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn cancel(
    app: State<Arc<App>>,
    Path(text): Path<String>,
) -> Result<Json<ReservationView>, Problem> {
    let id = known(&text)?;
    let shown = change(&app, move |hub, _| reserve::cancel(hub, id, hub_time(&hub.db)?)).await?;
    Ok(Json(view(shown)))
}

/// To whom a reservation goes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HandOver {
    /// A node of the store by its name or incarnation; its latest node if not given.
    custodian: Option<String>,
}

/// Hands a reservation that the hub holds to a node of its store, which alone may end it from then on.
#[utoipa::path(post, path = "/v1/reservations/{id}/hand-over", tag = "stock", operation_id = "handOverReservation",
    params(("id" = String, Path, description = "Its id, a UUID")), request_body = HandOver,
    responses((status = 200, body = ReservationView), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn hand_over(
    app: State<Arc<App>>,
    Path(text): Path<String>,
    Body(to): Body<HandOver>,
) -> Result<Json<ReservationView>, Problem> {
    let id = known(&text)?;
    let shown =
        change(&app, move |hub, _| reserve::hand_over(hub, id, to.custodian.as_deref(), hub_time(&hub.db)?));
    Ok(Json(view(shown.await?)))
}
