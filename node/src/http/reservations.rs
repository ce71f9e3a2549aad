//! Reservations that this store holds for web orders and for collection.

use super::answer::{Page, Reply, ok};
use super::deliveries::custodian;
use super::parse::{self, Paging};
use super::sales::rfc3339;
use super::state::Shared;
use crate::app::problem::{Answer, Code, no};
use crate::app::request::Till;
use crate::app::{picture, reservation};
use crate::db::reservations::{self, Reservation};
use crate::db::{catalog, stock};
use axum::extract::{Path, Query, State};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tradepost_sync::body::CustodyObject;
use tradepost_sync::ids::Id;
use utoipa::{IntoParams, ToSchema};

/// A reservation.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReservationOut {
    /// Its id.
    pub id: String,
    /// The order it is for.
    pub order: String,
    /// The order's number, by which it is found.
    pub reference: String,
    /// The item's code.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// Base units.
    pub units: u64,
    /// Paid before, in minor units; none where it is paid here, by a sale that names it.
    pub prepaid: Option<i64>,
    /// When it may run out, by hub time (RFC 3339).
    pub expires: String,
    /// `open`, `fulfilled`, `cancelled` or `expired`.
    pub state: &'static str,
    /// The sale that handed it over.
    pub sale: Option<String>,
    /// Who alone may end it.
    pub custodian: Option<String>,
    /// Whether that is this node.
    pub held_here: bool,
    /// Base units of it that the shelf can't meet.
    pub exposed: u64,
}

/// Which reservations.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReservationsQuery {
    /// Also those that have ended.
    #[serde(default)]
    pub all: bool,
    /// Rows of a page, 1 to 200.
    pub limit: Option<usize>,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// Lists reservations in the order in which they were opened, the open ones unless all are asked for.
#[utoipa::path(get, path = "/v1/reservations", operation_id = "listReservations", tag = "stock", params(ReservationsQuery),
    responses((status = 200, description = "A page of reservations", body = Page<ReservationOut>)))]
pub async fn list_reservations(
    State(shared): State<Shared>,
    Query(query): Query<ReservationsQuery>,
) -> Reply {
    let paging = Paging { limit: query.limit, cursor: query.cursor };
    let (limit, after) = (paging.rows()?, paging.place()?.unwrap_or(0));
    let rows = shared.read(|conn| {
        let page = reservations::page(conn, query.all, after, limit + 1)?;
        page.iter().map(|one| Ok((one.no, show(conn, one)?))).collect::<Answer<Vec<_>>>()
    })?;
    Ok(ok(&Page::cut(rows, limit, |(no, _)| no.to_string(), |(_, row)| row)))
}

/// Reads a reservation.
#[utoipa::path(get, path = "/v1/reservations/{id}", operation_id = "getReservation", tag = "stock", params(("id" = String, Path, description = "UUID")),
    responses((status = 200, description = "The reservation", body = ReservationOut), (status = 404, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn get_reservation(State(shared): State<Shared>, Path(id): Path<String>) -> Reply {
    let id = parse::id(&id, "/id")?;
    Ok(ok(&read(&shared, &id)?))
}

/// Where a reservation is handed out.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FulfilQuery {
    /// The till, so that its shift tells of it.
    pub till: Option<String>,
}

/// Hands out a prepaid reservation. Asked again it answers the same.
#[utoipa::path(post, path = "/v1/reservations/{id}/fulfil", operation_id = "fulfilReservation", tag = "stock", params(("id" = String, Path, description = "UUID"), FulfilQuery),
    responses((status = 200, description = "Handed out", body = ReservationOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn fulfil(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Query(query): Query<FulfilQuery>,
) -> Reply {
    let id = parse::id(&id, "/id")?;
    let till = query.till.as_deref().map(Till::parse).transpose()?;
    shared.writer.ask(move |node, now| reservation::fulfil_at(node, now, &id, till.as_ref())).await?;
    Ok(ok(&read(&shared, &id)?))
}

/// Gives a reservation up; its units may be promised here again. Asked again it answers the same.
#[utoipa::path(post, path = "/v1/reservations/{id}/cancel", operation_id = "cancelReservation", tag = "stock", params(("id" = String, Path, description = "UUID")),
    responses((status = 200, description = "Given up", body = ReservationOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn cancel(State(shared): State<Shared>, Path(id): Path<String>) -> Reply {
    let id = parse::id(&id, "/id")?;
    shared.writer.ask(move |node, now| reservation::cancel(node, now, &id)).await?;
    Ok(ok(&read(&shared, &id)?))
}

fn read(shared: &Shared, id: &Id) -> Answer<ReservationOut> {
    shared.read(|conn| show(conn, &reservation::find(conn, id)?))
}

fn show(conn: &Connection, one: &Reservation) -> Answer<ReservationOut> {
    let sku = catalog::sku(conn, one.sku)?.ok_or_else(|| no(Code::NotFound, "the item has no code"))?;
    let item = catalog::by_sku_no(conn, one.sku)?;
    let (custodian, held_here) = custodian(conn, &CustodyObject::Reservation(one.id))?;
    let shown = picture::of(conn, one.sku, &stock::load(conn, one.sku)?)?;
    let exposed = shown.exposed.iter().find(|(id, _)| *id == one.id).map_or(0, |(_, short)| *short);
    Ok(ReservationOut {
        id: one.id.to_string(),
        order: one.order.to_string(),
        reference: one.reference.clone(),
        sku: sku.0,
        name: item.map(|item| item.product.name).unwrap_or_default(),
        units: one.units,
        prepaid: one.prepaid,
        expires: rfc3339(one.expires.ms),
        state: reservation::state_name(one),
        sale: one.sale.map(|id| id.to_string()),
        custodian,
        held_here,
        exposed,
    })
}
