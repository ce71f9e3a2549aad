//! Transfers between stores, as both have told.

use super::deliveries::Which;
use super::json::{self, Page};
use super::orders::rfc3339;
use super::problem::Problem;
use super::{App, ask};
use crate::app::Fault;
use crate::app::deliveries::{self, Shown};
use crate::db::shipments::Line;
use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Serialize;
use std::sync::Arc;
use tradepost_sync::ids::Id;
use utoipa::ToSchema;

/// A transfer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TransferView {
    /// Its id.
    id: String,
    /// The sending store's code.
    from_store: String,
    /// The receiving store's code.
    to_store: String,
    /// `in_transit` until the receiver has confirmed its count, then `received`.
    state: String,
    /// Whether the receiving store has been told.
    announced: bool,
    /// Who alone may receive it, an incarnation.
    custodian: Option<String>,
    /// What left and what came.
    lines: Vec<TransferLineView>,
    /// When the hub heard that it left, RFC 3339.
    begun_at: String,
    /// When the hub heard of its confirmed count.
    ended_at: Option<String>,
    #[serde(skip)]
    #[schema(ignore)]
    place: i64,
}

/// One line, in base units.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TransferLineView {
    /// The item.
    sku: String,
    /// What left.
    shipped: u64,
    /// What came.
    received: u64,
    /// Neither here nor there: left and not yet come, until the receiver confirms its count.
    in_transit: u64,
    /// Written off by the receiver's confirmed count.
    missing: u64,
    /// Came and had not left.
    surplus: u64,
}

fn line(line: Line, ended: bool) -> TransferLineView {
    let open = line.expected.saturating_sub(line.received);
    TransferLineView {
        sku: line.sku,
        shipped: line.expected,
        received: line.received,
        in_transit: if ended { 0 } else { open },
        missing: if ended { open } else { 0 },
        surplus: line.received.saturating_sub(line.expected),
    }
}

fn view(shown: Shown) -> TransferView {
    let row = shown.row;
    let ended = row.ended_at.is_some();
    TransferView {
        place: row.no,
        id: row.id.to_string(),
        from_store: shown.store,
        to_store: row.to_store.unwrap_or_default(),
        state: row.state,
        announced: row.announced,
        custodian: shown.custodian.map(|who| who.to_string()),
        lines: shown.lines.into_iter().map(|one| line(one, ended)).collect(),
        begun_at: rfc3339(row.begun_at),
        ended_at: row.ended_at.map(rfc3339),
    }
}

/// Lists transfers in the order in which they became known; those in transit unless all are asked for.
#[utoipa::path(get, path = "/v1/transfers", tag = "stock", operation_id = "listTransfers", params(Which),
    responses((status = 200, body = Page<TransferView>)))]
pub(super) async fn list(
    app: State<Arc<App>>,
    Query(which): Query<Which>,
) -> Result<Json<Page<TransferView>>, Problem> {
    let limit = json::limit(which.limit);
    let after = json::place(which.cursor.as_deref())?.parse().unwrap_or(0);
    let found = ask(&app, move |hub, _| deliveries::list(hub, "transfer", which.all, after, limit + 1));
    let rows = found.await?.into_iter().map(view).collect();
    Ok(Json(Page::new(rows, limit, |row: &TransferView| row.place.to_string())))
}

/// Shows a transfer.
#[utoipa::path(get, path = "/v1/transfers/{id}", tag = "stock", operation_id = "getTransfer",
    params(("id" = String, Path, description = "Its id, a UUID")),
    responses((status = 200, body = TransferView), (status = 404, body = Problem)))]
pub(super) async fn read(
    app: State<Arc<App>>,
    Path(text): Path<String>,
) -> Result<Json<TransferView>, Problem> {
    let id = Id::parse(&text).map_err(|_| Problem::from(Fault::not_found("transfer", &text)))?;
    ask(&app, move |hub, _| deliveries::get(hub, "transfer", id)).await.map(view).map(Json)
}
