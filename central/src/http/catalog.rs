//! The catalog stream and its delivery.

use super::nodes::VersionView;
use super::orders::rfc3339;
use super::problem::Problem;
use super::{App, ask};
use crate::app::catalog;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The newest catalog.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HeadView {
    /// Its epoch.
    epoch: u32,
    /// Its version.
    version: u64,
    /// A hash over all versions.
    hash: String,
}

/// Shows the newest catalog version.
#[utoipa::path(get, path = "/v1/catalog", tag = "catalog", operation_id = "getCatalog", responses((status = 200, body = HeadView)))]
pub(super) async fn head(app: State<Arc<App>>) -> Result<Json<HeadView>, Problem> {
    let head = ask(&app, |hub, _| catalog::head(hub)).await?;
    Ok(Json(HeadView { epoch: head.at.epoch, version: head.at.version, hash: head.hash.to_string() }))
}

/// How far one store is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveryView {
    /// The store's code.
    store: String,
    /// What its node holds; none without a node.
    delivered: Option<VersionView>,
    /// Versions it lacks.
    behind: u64,
    /// When its node was last heard.
    last_contact: Option<String>,
}

/// Who holds the newest catalog.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RolloutView {
    /// The newest version.
    version: VersionView,
    /// Store by store.
    stores: Vec<DeliveryView>,
    /// Stores that hold it.
    delivered: usize,
    /// Stores with a node.
    of: usize,
    /// How long the oldest undelivered version has waited.
    oldest_waiting_ms: Option<i64>,
}

/// Shows who holds the newest catalog: "delivered to 42 of 43, oldest waiting 3 h".
#[utoipa::path(get, path = "/v1/catalog/rollout", tag = "catalog", operation_id = "getRollout", responses((status = 200, body = RolloutView)))]
pub(super) async fn rollout(app: State<Arc<App>>) -> Result<Json<RolloutView>, Problem> {
    let rollout = ask(&app, catalog::rollout).await?;
    let enrolled = rollout.stores.iter().filter(|store| store.delivered.is_some());
    let (of, delivered) = (enrolled.clone().count(), enrolled.filter(|store| store.behind == 0).count());
    let view = |store: catalog::Delivery| DeliveryView {
        store: store.store,
        delivered: store.delivered.map(Into::into),
        behind: store.behind,
        last_contact: store.last_contact.map(rfc3339),
    };
    Ok(Json(RolloutView {
        version: rollout.version.into(),
        stores: rollout.stores.into_iter().map(view).collect(),
        delivered,
        of,
        oldest_waiting_ms: rollout.oldest_waiting_ms,
    }))
}
