//! Health and version: open to all.

use super::{App, ask};
use crate::app::Fault;
use crate::db::{outbox, review};
use crate::hub::Hub;
use crate::stream::Stream;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// How the hub is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok` or why not.
    status: String,
    /// The database's engine.
    database: &'static str,
    /// The event stream's member.
    stream: &'static str,
    /// Outbox rows that wait to be relayed.
    outbox_depth: i64,
    /// Open findings in the review list.
    review_open: i64,
}

/// The process is alive.
#[utoipa::path(get, path = "/livez", tag = "operations", operation_id = "livez", responses((status = 200, body = String)), security(()))]
pub async fn livez() -> &'static str {
    "ok\n"
}

/// The hub started.
#[utoipa::path(get, path = "/startupz", tag = "operations", operation_id = "startupz", responses((status = 200, body = String)), security(()))]
pub async fn startupz() -> &'static str {
    "ok\n"
}

/// The hub can serve: its database answers and it isn't stopping.
#[utoipa::path(get, path = "/readyz", tag = "operations", operation_id = "readyz",
    responses((status = 200, body = Health), (status = 503, body = Health)), security(()))]
pub async fn readyz(app: State<Arc<App>>) -> (StatusCode, Json<Health>) {
    let (database, stream) = (app.hub.db.engine(), app.hub.stream.name());
    let figures = ask(&app, |hub, _| {
        hub.open()?;
        figures(hub)
    });
    match figures.await {
        Ok((outbox_depth, review_open)) => {
            let status = "ok".to_owned();
            (StatusCode::OK, Json(Health { status, database, stream, outbox_depth, review_open }))
        }
        Err(problem) => {
            let health = Health { status: problem.code, database, stream, outbox_depth: 0, review_open: 0 };
            (StatusCode::SERVICE_UNAVAILABLE, Json(health))
        }
    }
}

/// Outbox rows that wait, and open findings. Without Kafka nothing waits: the outbox itself is the stream.
fn figures(hub: &Hub) -> Result<(i64, i64), Fault> {
    let relayed = matches!(hub.stream, Stream::Kafka(_));
    hub.db.read(|tx| {
        let depth = if relayed { outbox::depth(tx)? } else { 0 };
        Ok((depth, review::open(tx)?))
    })
}

/// What is running.
#[derive(Debug, Serialize, ToSchema)]
pub struct Version {
    /// The program.
    name: &'static str,
    /// Its version.
    version: &'static str,
}

/// What is running.
#[utoipa::path(get, path = "/version", tag = "operations", operation_id = "version", responses((status = 200, body = Version)), security(()))]
pub async fn version() -> Json<Version> {
    Json(Version { name: "tradepost-hub", version: env!("CARGO_PKG_VERSION") })
}
