//! Stock: what is there, what came, what was corrected.

use super::answer::{Page, Reply, created, ok};
use super::body::Json;
use super::counts::{StandsOnOut, stands_on};
use super::parse::{self, Paging};
use super::products::{UnitOut, unit};
use super::state::Shared;
use crate::app::problem::{Answer, Code, no, no_at};
use crate::app::request::{AdjustRequest, DeliveryRequest, GrantRequest, Taker};
use crate::app::{adjust, lend, picture, receive};
use crate::db::{catalog, shipments, stock};
use axum::extract::{Path, Query, State};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tradepost_commerce::document::Sku;
use tradepost_commerce::money::Money;
use tradepost_sync::ids::Incarnation;
use utoipa::ToSchema;

/// One item's goods, in base units.
#[derive(Debug, Serialize, ToSchema)]
pub struct StockOut {
    /// The item's code.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// What it is counted in.
    pub unit: Option<UnitOut>,
    /// What the shelf should hold.
    pub on_hand: i64,
    /// What this node may promise without asking.
    pub rights: u64,
    /// Sold beyond the rights and not covered yet.
    pub overdraw: u64,
    /// What all may promise together.
    pub available: i64,
    /// Promised to orders and not yet handed over.
    pub reserved: i64,
    /// Rights of nodes that are fenced or not in the roster: nobody can sell them.
    pub suspended: i64,
    /// Overdraw of everybody in the store that is not covered yet.
    pub store_overdraw: i64,
    /// Shrink not yet burnt.
    pub shrink: i64,
    /// Surplus not yet minted.
    pub surplus: i64,
    /// Promises that the shelf can't meet.
    pub exposure: i64,
    /// On their way here, from suppliers and other stores.
    pub incoming: u64,
    /// The count that its goods stand on.
    pub count: Option<StandsOnOut>,
    /// Who holds rights or owes overdraw, in this node's view.
    pub holders: Vec<HolderOut>,
}

/// What one incarnation holds of an item, in base units.
#[derive(Debug, Serialize, ToSchema)]
pub struct HolderOut {
    /// Who.
    pub incarnation: String,
    /// The store's incarnation at the hub, which holds them for the web.
    pub hub: bool,
    /// In the roster, and neither fenced nor retired.
    pub live: bool,
    /// Its rights.
    pub rights: i64,
    /// Its open overdraw.
    pub overdraw: u64,
}

/// Rights to be given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantBody {
    /// UUID, made by the client.
    pub id: String,
    /// `hub`, or an incarnation of the store.
    pub to: String,
    /// Base units.
    pub units: u64,
}

/// Goods that came.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliveryBody {
    /// The supplier's number.
    pub reference: String,
    /// What came; nothing where an announced delivery is closed without goods.
    pub lines: Vec<DeliveryLineBody>,
    /// An announced delivery is closed without goods: nothing came of it.
    #[serde(default)]
    pub not_delivered: bool,
    /// An announced delivery was this receipt, which was booked before; nothing comes twice.
    pub same_as: Option<String>,
    /// Who allowed it.
    pub approver: Option<String>,
}

/// One line of a delivery.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliveryLineBody {
    /// The item's code.
    pub sku: String,
    /// Base units.
    pub units: u64,
    /// Cost of one pricing unit.
    pub cost: Option<i64>,
}

/// A correction.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdjustmentBody {
    /// The item's code.
    pub sku: String,
    /// Base units, up or down.
    pub units: i64,
    /// `waste`, `breakage`, `found`, `own_use` or the settings' code.
    pub reason: String,
    /// Who allowed it.
    pub approver: Option<String>,
}

/// What was booked.
#[derive(Debug, Serialize, ToSchema)]
pub struct BookedOut {
    /// Its id.
    pub id: String,
    /// The items' stock afterwards.
    pub stock: Vec<StockOut>,
}

/// Lists stock by code.
#[utoipa::path(get, path = "/v1/stock", operation_id = "listStock", tag = "stock", params(Paging),
    responses((status = 200, description = "A page of stock", body = Page<StockOut>)))]
pub async fn list_stock(State(shared): State<Shared>, Query(paging): Query<Paging>) -> Reply {
    let limit = paging.rows()?;
    let after = paging.cursor.unwrap_or_default();
    let rows = shared.read(|conn| {
        let page = stock::page(conn, &after, limit + 1)?;
        page.into_iter().map(|(sku, _)| show(conn, &sku)).collect::<Answer<Vec<_>>>()
    })?;
    Ok(ok(&Page::cut(rows, limit, |row| row.sku.clone(), |row| row)))
}

/// Reads an item's stock.
#[utoipa::path(get, path = "/v1/stock/{sku}", operation_id = "getStock", tag = "stock", params(("sku" = String, Path, description = "The item's code")),
    responses((status = 200, description = "The item's stock", body = StockOut), (status = 404, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn get_stock(State(shared): State<Shared>, Path(text): Path<String>) -> Reply {
    let sku = parse::sku(&text, "/sku")?;
    let shown = shared.read(|conn| {
        catalog::sku_no(conn, &sku)?.ok_or_else(|| no(Code::NotFound, format!("no item {}", sku.0)))?;
        show(conn, &sku)
    })?;
    Ok(ok(&shown))
}

fn show(conn: &Connection, sku: &Sku) -> Answer<StockOut> {
    let Some(sku_no) = catalog::sku_no(conn, sku)? else {
        return Err(no(Code::NotFound, format!("no item {}", sku.0)));
    };
    let row = stock::load(conn, sku_no)?;
    let item = catalog::by_sku_no(conn, sku_no)?;
    let shown = picture::of(conn, sku_no, &row)?;
    let figures = shown.picture;
    Ok(StockOut {
        sku: sku.0.clone(),
        name: item.as_ref().map(|i| i.product.name.clone()).unwrap_or_default(),
        unit: item.map(|i| unit(&i.product.unit)),
        on_hand: row.shelf(),
        rights: row.rights(),
        overdraw: row.overdraw(),
        available: figure(figures.available),
        reserved: figure(figures.reserved),
        suspended: figure(figures.suspended),
        store_overdraw: figure(figures.overdraw),
        shrink: figure(figures.shrink()),
        surplus: figure(figures.surplus()),
        exposure: figure(figures.exposure()),
        incoming: shipments::incoming(conn, sku_no)?,
        count: stands_on(conn, sku_no)?,
        holders: shown.holders.iter().map(holder).collect(),
    })
}

fn figure(n: i128) -> i64 {
    i64::try_from(n).unwrap_or(if n < 0 { i64::MIN } else { i64::MAX })
}

fn holder(holder: &picture::Holder) -> HolderOut {
    HolderOut {
        incarnation: holder.incarnation.to_string(),
        hub: holder.hub,
        live: holder.live,
        rights: holder.rights,
        overdraw: holder.overdraw,
    }
}

/// Gives rights to the hub, which promises them to web orders, or to another node of the store. The client makes the
/// id; the same request again changes nothing.
#[utoipa::path(post, path = "/v1/stock/{sku}/grants", operation_id = "grantRights", tag = "stock", params(("sku" = String, Path, description = "The item's code")), request_body = GrantBody,
    responses((status = 201, description = "Given", body = BookedOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn grant(
    State(shared): State<Shared>,
    Path(text): Path<String>,
    Json(body): Json<GrantBody>,
) -> Reply {
    let sku = parse::sku(&text, "/sku")?;
    let to = match body.to.as_str() {
        "hub" => Taker::Hub,
        other => Taker::Incarnation(
            Incarnation::parse(other).map_err(|e| no_at(Code::UnknownIncarnation, "/to", e.to_string()))?,
        ),
    };
    let id = parse::id(&body.id, "/id")?;
    let request = GrantRequest { id, sku: sku.clone(), to, units: body.units };
    shared.writer.ask(move |node, now| lend::give(node, now, &request)).await?;
    booked(&shared, &body.id, &[sku])
}

/// Books goods that came, announced or not: only its custodian receives an announced delivery. The client makes the id; the same request again changes nothing.
#[utoipa::path(put, path = "/v1/deliveries/{id}", operation_id = "putDelivery", tag = "stock", params(("id" = String, Path, description = "UUID, made by the client")), request_body = DeliveryBody,
    responses((status = 201, description = "Booked", body = BookedOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn put_delivery(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<DeliveryBody>,
) -> Reply {
    let line = |(i, line): (usize, &DeliveryLineBody)| {
        Ok((parse::sku(&line.sku, &format!("/lines/{i}/sku"))?, line.units, line.cost.map(Money)))
    };
    let request = DeliveryRequest {
        id: parse::id(&id, "/id")?,
        reference: parse::short(&body.reference, "/reference")?,
        lines: body.lines.iter().enumerate().map(line).collect::<Answer<_>>()?,
        not_delivered: body.not_delivered,
        same_as: body.same_as.as_deref().map(|id| parse::id(id, "/same_as")).transpose()?,
        approver: parse::staff(body.approver.as_ref(), "/approver")?,
    };
    let mut skus: Vec<Sku> = request.lines.iter().map(|(sku, ..)| sku.clone()).collect();
    skus.dedup();
    shared.writer.ask(move |node, now| receive::receive(node, now, &request)).await?;
    booked(&shared, &id, &skus)
}

/// Corrects stock. The client makes the id; the same request again changes nothing.
#[utoipa::path(put, path = "/v1/adjustments/{id}", operation_id = "putAdjustment", tag = "stock", params(("id" = String, Path, description = "UUID, made by the client")), request_body = AdjustmentBody,
    responses((status = 201, description = "Booked", body = BookedOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn put_adjustment(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<AdjustmentBody>,
) -> Reply {
    let sku = parse::sku(&body.sku, "/sku")?;
    let request = AdjustRequest {
        id: parse::id(&id, "/id")?,
        sku: sku.clone(),
        units: body.units,
        reason: parse::short(&body.reason, "/reason")?,
        approver: parse::staff(body.approver.as_ref(), "/approver")?,
    };
    shared.writer.ask(move |node, now| adjust::adjust(node, now, &request)).await?;
    booked(&shared, &id, &[sku])
}

pub(super) fn booked(shared: &Shared, id: &str, skus: &[Sku]) -> Reply {
    let stock = shared.read(|conn| skus.iter().map(|sku| show(conn, sku)).collect::<Answer<Vec<_>>>())?;
    Ok(created(&BookedOut { id: id.to_owned(), stock }))
}
