//! Announced deliveries: what should come, and what came of it.

use super::answer::{Page, Reply, ok};
use super::parse::{self, Paging};
use super::state::Shared;
use crate::app::custody;
use crate::app::problem::{Answer, Code, no};
use crate::db::incarnations;
use crate::db::shipments::{self, Kind, Line, Shipment, State as ShipmentState};
use axum::extract::{Path, Query, State};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tradepost_sync::body::CustodyObject;
use tradepost_sync::ids::Id;
use utoipa::{IntoParams, ToSchema};

/// A delivery.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryOut {
    /// Its id.
    pub id: String,
    /// The order's or the supplier's number.
    pub reference: String,
    /// `expected`, `received` or `not_delivered`.
    pub state: &'static str,
    /// The receipt that it was, where it was booked before it was announced.
    pub same_as: Option<String>,
    /// Who alone may receive it; none where nobody announced it.
    pub custodian: Option<String>,
    /// Whether that is this node.
    pub held_here: bool,
    /// What was announced and what came.
    pub lines: Vec<ShipmentLineOut>,
}

/// One line of goods under way, in base units.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShipmentLineOut {
    /// The item's code.
    pub sku: String,
    /// What was announced, or left the other store.
    pub expected: u64,
    /// What came.
    pub received: u64,
    /// What came less what was expected.
    pub difference: i64,
}

/// Which ones.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ShipmentsQuery {
    /// Also those that have ended.
    #[serde(default)]
    pub all: bool,
    /// Rows of a page, 1 to 200.
    pub limit: Option<usize>,
    /// Where to go on.
    pub cursor: Option<String>,
}

impl ShipmentsQuery {
    /// Rows of a page, and the id after which it begins.
    ///
    /// # Errors
    /// `BAD_QUERY`.
    pub fn place(self) -> Answer<(bool, usize, Vec<u8>)> {
        let after = match self.cursor.as_deref() {
            None => Vec::new(),
            Some(text) => {
                let id = Id::parse(text);
                id.map_err(|_| no(Code::BadQuery, "the cursor is none of this list's"))?.0.to_vec()
            }
        };
        let paging = Paging { limit: self.limit, cursor: None };
        Ok((self.all, paging.rows()?, after))
    }
}

/// Lists announced deliveries, those that are still expected unless all are asked for.
#[utoipa::path(get, path = "/v1/deliveries", operation_id = "listDeliveries", tag = "stock", params(ShipmentsQuery),
    responses((status = 200, description = "A page of deliveries", body = Page<DeliveryOut>)))]
pub async fn list_deliveries(State(shared): State<Shared>, Query(query): Query<ShipmentsQuery>) -> Reply {
    let (all, limit, after) = query.place()?;
    let rows = shared.read(|conn| {
        let page = shipments::page(conn, true, all, &after, limit + 1)?;
        page.iter().map(|shipment| show(conn, shipment)).collect::<Answer<Vec<_>>>()
    })?;
    Ok(ok(&Page::cut(rows, limit, |row| row.id.clone(), |row| row)))
}

/// Reads a delivery.
#[utoipa::path(get, path = "/v1/deliveries/{id}", operation_id = "getDelivery", tag = "stock", params(("id" = String, Path, description = "UUID")),
    responses((status = 200, description = "The delivery", body = DeliveryOut), (status = 404, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn get_delivery(State(shared): State<Shared>, Path(id): Path<String>) -> Reply {
    let id = parse::id(&id, "/id")?;
    let shown = shared.read(|conn| {
        let found = shipments::find(conn, &id)?.filter(|found| found.kind == Kind::Delivery);
        show(conn, &found.ok_or_else(|| no(Code::NotFound, format!("no delivery {id}")))?)
    })?;
    Ok(ok(&shown))
}

fn show(conn: &Connection, shipment: &Shipment) -> Answer<DeliveryOut> {
    let (custodian, held_here) = custodian(conn, &CustodyObject::Delivery(shipment.id))?;
    Ok(DeliveryOut {
        id: shipment.id.to_string(),
        reference: shipment.reference.clone(),
        state: match shipment.state {
            ShipmentState::UnderWay => "expected",
            ShipmentState::Received => "received",
            ShipmentState::NotDelivered => "not_delivered",
        },
        same_as: shipment.same_as.map(|id| id.to_string()),
        custodian,
        held_here,
        lines: lines(conn, &shipment.id)?,
    })
}

/// An object's custodian, and whether that is this node.
pub(super) fn custodian(conn: &Connection, object: &CustodyObject) -> Answer<(Option<String>, bool)> {
    let owner = custody::of(conn, object)?.map(|custody| custody.owner);
    let me = incarnations::present(conn)?.map(|known| known.id());
    Ok((owner.map(|owner| owner.to_string()), owner.is_some() && owner == me))
}

/// Lines of goods under way.
pub(super) fn lines(conn: &Connection, id: &Id) -> Answer<Vec<ShipmentLineOut>> {
    let signed = |units: u64| i64::try_from(units).unwrap_or(i64::MAX);
    let line = |line: Line| ShipmentLineOut {
        difference: signed(line.received) - signed(line.expected),
        sku: line.sku.0,
        expected: line.expected,
        received: line.received,
    };
    Ok(shipments::lines(conn, id)?.into_iter().map(line).collect())
}
