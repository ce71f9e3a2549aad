//! Transfers between stores: sent from here, received here.

use super::answer::{Page, Reply, created, ok};
use super::body::Json;
use super::deliveries::{ShipmentLineOut, ShipmentsQuery, custodian, lines};
use super::parse;
use super::state::Shared;
use crate::app::problem::{Answer, Code, no};
use crate::app::request::{ShipRequest, TransferReceiptRequest};
use crate::app::transfer;
use crate::db::shipments::{self, Kind, Shipment, State as ShipmentState};
use axum::extract::{Path, Query, State};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tradepost_commerce::document::Sku;
use tradepost_sync::body::CustodyObject;
use tradepost_sync::ids::Id;
use utoipa::ToSchema;

/// Goods to another store.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferBody {
    /// UUID, made by the client.
    pub id: String,
    /// The other store, by the hub's code.
    pub to_store: String,
    /// What is sent.
    pub lines: Vec<TransferLineBody>,
    /// Who allowed sending more than the rights that are held here.
    pub approver: Option<String>,
}

/// One line of a transfer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferLineBody {
    /// The item's code.
    pub sku: String,
    /// Base units.
    pub units: u64,
}

/// What came of a transfer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferReceiptBody {
    /// UUID of this receipt, made by the client; a transfer may come in parts.
    pub id: String,
    /// What came.
    pub lines: Vec<TransferLineBody>,
    /// The count is confirmed: nothing more comes, and what is missing is written off.
    pub confirmed: bool,
    /// Who confirmed a difference.
    pub approver: Option<String>,
}

/// A transfer, as this store sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransferOut {
    /// Its id.
    pub id: String,
    /// `outgoing` or `incoming`.
    pub direction: &'static str,
    /// The other store's code.
    pub store: String,
    /// `in_transit` or `received`; the sender hears of the receipt from the hub only.
    pub state: &'static str,
    /// Who alone may receive it; only where it comes here.
    pub custodian: Option<String>,
    /// Whether that is this node.
    pub held_here: bool,
    /// What left and what came.
    pub lines: Vec<ShipmentLineOut>,
}

/// Sends goods to another store: from rights first, beyond them only with an approver. The client makes the id; the same
/// request again changes nothing.
#[utoipa::path(post, path = "/v1/transfers", operation_id = "shipTransfer", tag = "stock", request_body = TransferBody,
    responses((status = 201, description = "On its way", body = TransferOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn ship(State(shared): State<Shared>, Json(body): Json<TransferBody>) -> Reply {
    let request = ShipRequest {
        id: parse::id(&body.id, "/id")?,
        to_store: parse::short(&body.to_store, "/to_store")?,
        lines: parse_lines(&body.lines)?,
        approver: parse::staff(body.approver.as_ref(), "/approver")?,
    };
    let id = request.id;
    shared.writer.ask(move |node, now| transfer::ship(node, now, &request)).await?;
    Ok(created(&read(&shared, &id)?))
}

/// Books what came of a transfer. Only its custodian receives it; the same request again changes nothing.
#[utoipa::path(post, path = "/v1/transfers/{id}/receive", operation_id = "receiveTransfer", tag = "stock", params(("id" = String, Path, description = "The transfer's id")), request_body = TransferReceiptBody,
    responses((status = 201, description = "Booked", body = TransferOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn receive(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<TransferReceiptBody>,
) -> Reply {
    let transfer = parse::id(&id, "/id")?;
    let request = TransferReceiptRequest {
        id: parse::id(&body.id, "/id")?,
        transfer,
        lines: parse_lines(&body.lines)?,
        confirmed: body.confirmed,
        approver: parse::staff(body.approver.as_ref(), "/approver")?,
    };
    shared.writer.ask(move |node, now| transfer::receive(node, now, &request)).await?;
    Ok(created(&read(&shared, &transfer)?))
}

fn parse_lines(given: &[TransferLineBody]) -> Answer<Vec<(Sku, u64)>> {
    let line = |(i, line): (usize, &TransferLineBody)| {
        Ok((parse::sku(&line.sku, &format!("/lines/{i}/sku"))?, line.units))
    };
    given.iter().enumerate().map(line).collect()
}

/// Lists transfers, those in transit unless all are asked for.
#[utoipa::path(get, path = "/v1/transfers", operation_id = "listTransfers", tag = "stock", params(ShipmentsQuery),
    responses((status = 200, description = "A page of transfers", body = Page<TransferOut>)))]
pub async fn list_transfers(State(shared): State<Shared>, Query(query): Query<ShipmentsQuery>) -> Reply {
    let (all, limit, after) = query.place()?;
    let rows = shared.read(|conn| {
        let page = shipments::page(conn, false, all, &after, limit + 1)?;
        page.iter().map(|shipment| show(conn, shipment)).collect::<Answer<Vec<_>>>()
    })?;
    Ok(ok(&Page::cut(rows, limit, |row| row.id.clone(), |row| row)))
}

/// Reads a transfer.
#[utoipa::path(get, path = "/v1/transfers/{id}", operation_id = "getTransfer", tag = "stock", params(("id" = String, Path, description = "UUID")),
    responses((status = 200, description = "The transfer", body = TransferOut), (status = 404, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn get_transfer(State(shared): State<Shared>, Path(id): Path<String>) -> Reply {
    let id = parse::id(&id, "/id")?;
    Ok(ok(&read(&shared, &id)?))
}

fn read(shared: &Shared, id: &Id) -> Answer<TransferOut> {
    shared.read(|conn| {
        let found = shipments::find(conn, id)?.filter(|found| found.kind != Kind::Delivery);
        show(conn, &found.ok_or_else(|| no(Code::NotFound, format!("no transfer {id}")))?)
    })
}

fn show(conn: &Connection, shipment: &Shipment) -> Answer<TransferOut> {
    let (custodian, held_here) = custodian(conn, &CustodyObject::Transfer(shipment.id))?;
    Ok(TransferOut {
        id: shipment.id.to_string(),
        direction: if shipment.kind == Kind::Outgoing { "outgoing" } else { "incoming" },
        store: shipment.store.clone(),
        state: if shipment.state == ShipmentState::UnderWay { "in_transit" } else { "received" },
        custodian,
        held_here,
        lines: lines(conn, &shipment.id)?,
    })
}
