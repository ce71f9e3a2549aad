//! The stock picture and grants.

use super::json::{self, Body, Page};
use super::problem::Problem;
use super::{App, ask, change};
use crate::app::{grants, stock};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// An item at a store, in base units.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StockView {
    /// The store's code.
    store: String,
    /// The item.
    sku: String,
    /// Goods by the ledger's fold.
    on_hand: i64,
    /// What may be promised.
    available: i64,
    /// Sold beyond rights and not settled.
    overdraw: i64,
    /// Rights of fenced nodes.
    suspended: i64,
    /// The hub's own rights.
    hub_rights: i64,
    /// Shrink not yet burnt.
    shrink: i64,
    /// Surplus not yet minted.
    surplus: i64,
    /// Promised to orders and not yet handed over.
    reserved: i64,
    /// Promises that can't be met.
    exposure: i64,
    /// Reservations that go without, in the order in which they were opened.
    exposed: Vec<ExposedView>,
    /// Goods moved while it was counted last, so that the count is in doubt; none where it was never counted.
    recount: Option<bool>,
    /// On their way here, from suppliers and other stores.
    incoming: u64,
    /// Who holds rights or owes overdraw.
    holders: Vec<HolderView>,
    #[serde(skip)]
    #[schema(ignore)]
    place: String,
}

/// A promise that the shelf can't meet.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExposedView {
    /// The reservation.
    reservation: String,
    /// Base units that it lacks.
    units: u64,
}

/// What one incarnation holds of an item, in base units.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HolderView {
    /// Who.
    incarnation: String,
    /// The name people know it by.
    name: String,
    /// It is the hub, which holds them for the web.
    hub: bool,
    /// Neither fenced nor retired.
    live: bool,
    /// Its rights.
    rights: i64,
    /// Its open overdraw.
    overdraw: u64,
}

fn figure(n: i128) -> i64 {
    i64::try_from(n).unwrap_or(if n < 0 { i64::MIN } else { i64::MAX })
}

fn holder(holder: stock::Holder) -> HolderView {
    HolderView {
        incarnation: holder.incarnation.to_string(),
        name: holder.name,
        hub: holder.hub,
        live: holder.live,
        rights: figure(holder.rights),
        overdraw: holder.overdraw,
    }
}

fn view(item: stock::Item) -> StockView {
    let picture = item.picture;
    StockView {
        place: format!("{}:{}", item.store_no, item.sku),
        store: item.store,
        sku: item.sku,
        on_hand: figure(picture.on_hand),
        available: figure(picture.available),
        overdraw: figure(picture.overdraw),
        suspended: figure(picture.suspended),
        hub_rights: figure(item.hub_rights),
        shrink: figure(picture.shrink()),
        surplus: figure(picture.surplus()),
        reserved: figure(picture.reserved),
        exposure: figure(picture.exposure()),
        exposed: item
            .exposed
            .into_iter()
            .map(|(id, units)| ExposedView { reservation: id.to_string(), units })
            .collect(),
        recount: item.recount,
        incoming: item.incoming,
        holders: item.holders.into_iter().map(holder).collect(),
    }
}

/// Which items.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Of one store only, by code.
    store: Option<String>,
    /// Rows of a page, at most 500.
    limit: Option<usize>,
    /// Where the page begins.
    cursor: Option<String>,
}

/// Lists stock by store and item.
#[utoipa::path(get, path = "/v1/stock", tag = "stock", operation_id = "listStock", params(Wanted),
    responses((status = 200, body = Page<StockView>), (status = 404, body = Problem)))]
pub(super) async fn list(
    app: State<Arc<App>>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<StockView>>, Problem> {
    let limit = json::limit(wanted.limit);
    let place = json::place(wanted.cursor.as_deref())?;
    let (store, sku) = place.split_once(':').unwrap_or_default();
    let (after_store, after_sku) = (store.parse().unwrap_or(0), sku.to_owned());
    let items = ask(&app, move |hub, _| {
        stock::list(hub, wanted.store.as_deref(), (after_store, &after_sku), limit + 1)
    });
    let rows = items.await?.into_iter().map(view).collect();
    Ok(Json(Page::new(rows, limit, |row: &StockView| row.place.clone())))
}

/// Shows one item at a store.
#[utoipa::path(get, path = "/v1/stores/{code}/stock/{sku}", tag = "stock", operation_id = "getStock",
    params(("code" = String, Path, description = "The store's code"), ("sku" = String, Path, description = "The item")),
    responses((status = 200, body = StockView), (status = 404, body = Problem)))]
pub(super) async fn read(
    app: State<Arc<App>>,
    Path((code, sku)): Path<(String, String)>,
) -> Result<Json<StockView>, Problem> {
    ask(&app, move |hub, _| stock::get(hub, &code, &sku)).await.map(view).map(Json)
}

/// Rights to be given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantWanted {
    /// The item.
    sku: String,
    /// Base units.
    units: u64,
}

/// What was given.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GrantView {
    /// The item.
    sku: String,
    /// Base units given.
    units: u64,
    /// Base units the hub has left.
    left: u64,
}

/// Gives rights of the hub to the store's node.
#[utoipa::path(post, path = "/v1/stores/{code}/grants", tag = "stock", operation_id = "grantRights",
    params(("code" = String, Path, description = "The store's code")), request_body = GrantWanted,
    responses((status = 201, body = GrantView), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn grant(
    app: State<Arc<App>>,
    Path(code): Path<String>,
    Body(wanted): Body<GrantWanted>,
) -> Result<(StatusCode, Json<GrantView>), Problem> {
    let GrantWanted { sku, units } = wanted;
    let item = sku.clone();
    let left = change(&app, move |hub, now| grants::grant(hub, &code, &item, units, now)).await?;
    Ok((StatusCode::CREATED, Json(GrantView { sku, units, left })))
}
