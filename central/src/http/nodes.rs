//! Enrolled nodes.

use super::orders::rfc3339;
use super::problem::Problem;
use super::{App, ask};
use crate::app::nodes;
use crate::db::authors::{Role, State as Standing};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A place in the catalog stream.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionView {
    /// Its epoch.
    pub(super) epoch: u32,
    /// The version.
    pub(super) version: u64,
}

impl From<tradepost_commerce::document::CatalogVersion> for VersionView {
    fn from(at: tradepost_commerce::document::CatalogVersion) -> Self {
        Self { epoch: at.epoch, version: at.version }
    }
}

/// A node.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NodeView {
    /// Its incarnation.
    incarnation: String,
    /// Its store's code.
    store: String,
    /// A name people know it by.
    name: String,
    /// Name and version of its program.
    program: String,
    /// `live`, `fenced`, `retired` or `quarantined`.
    state: &'static str,
    /// When it was enrolled, RFC 3339.
    registered_at: String,
    /// When it was last heard.
    last_contact: Option<String>,
    /// Seq of its last event that is durable here.
    acked_seq: u64,
    /// The catalog it holds.
    catalog: VersionView,
    /// Whether its stream has ended.
    retired: bool,
}

/// Every node.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Nodes {
    /// By store.
    data: Vec<NodeView>,
}

/// Lists the enrolled nodes.
#[utoipa::path(get, path = "/v1/nodes", tag = "stores", operation_id = "listNodes", responses((status = 200, body = Nodes)))]
pub(super) async fn list(app: State<Arc<App>>) -> Result<Json<Nodes>, Problem> {
    let nodes = ask(&app, |hub, _| nodes::list(hub)).await?;
    Ok(Json(Nodes { data: nodes.into_iter().map(view).collect() }))
}

fn view(node: nodes::Node) -> NodeView {
    let author = node.author;
    let retired = author.state == Standing::Retired || author.role == Role::Lone;
    let state = match author.state {
        _ if retired => "retired",
        Standing::Live => "live",
        Standing::Fenced => "fenced",
        Standing::Retired => "retired",
        Standing::Quarantined => "quarantined",
    };
    NodeView {
        incarnation: author.incarnation.to_string(),
        store: node.store,
        name: author.name,
        program: author.program,
        state,
        registered_at: rfc3339(author.registered_at),
        last_contact: author.last_contact.map(rfc3339),
        acked_seq: author.head.seq,
        catalog: author.catalog.into(),
        retired,
    }
}
