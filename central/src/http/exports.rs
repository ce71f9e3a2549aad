//! NDJSON exports, streamed page by page, and the state hash.

use super::nodes::VersionView;
use super::problem::Problem;
use super::{App, ask};
use crate::app::{Fault, export, orders, state_hash, stores};
use crate::hub::Hub;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::{IntoParams, ToSchema};

/// A stream's end.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HeadView {
    incarnation: String,
    seq: u64,
}

/// Where the hashes were taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct At {
    /// Every stream's end.
    frontier: Vec<HeadView>,
}

/// Versions that equal hashes need.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Versions {
    /// The newest catalog.
    catalog: VersionView,
    /// The store's settings.
    settings: u32,
}

/// One hash over all that is held of a store.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StateHashView {
    /// Over facts and what they add up to: equal to the node's once both are level.
    state_hash: String,
    /// Over facts alone.
    events_hash: String,
    at: At,
    versions: Versions,
}

/// Hashes a store's state.
#[utoipa::path(get, path = "/v1/stores/{code}/state-hash", tag = "exports", operation_id = "getStateHash",
    params(("code" = String, Path, description = "The store's code")),
    responses((status = 200, body = StateHashView), (status = 404, body = Problem)))]
pub(super) async fn state_hash(
    app: State<Arc<App>>,
    Path(code): Path<String>,
) -> Result<Json<StateHashView>, Problem> {
    let hash = ask(&app, move |hub, _| state_hash::of_store(hub, &code)).await?;
    let head = |head: &tradepost_sync::frontier::HeadMark| HeadView {
        incarnation: head.incarnation.to_string(),
        seq: head.seq,
    };
    Ok(Json(StateHashView {
        state_hash: hash.state.to_string(),
        events_hash: hash.events.to_string(),
        at: At { frontier: hash.at.iter().map(head).collect() },
        versions: Versions { catalog: hash.catalog.into(), settings: hash.settings },
    }))
}

/// Whose export.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The store's code.
    store: String,
}

/// Exports every event of a store's streams, one line each.
#[utoipa::path(get, path = "/v1/exports/events", tag = "exports", operation_id = "exportEvents", params(Wanted),
    responses((status = 200, body = String, content_type = "application/x-ndjson"), (status = 404, body = Problem)))]
pub(super) async fn events(app: State<Arc<App>>, Query(wanted): Query<Wanted>) -> Result<Response, Problem> {
    let authors = ask(&app, move |hub, _| export::authors(hub, &wanted.store)).await?;
    Ok(streamed(Arc::clone(&app.hub), "application/x-ndjson", move |hub, put| {
        let mut place = export::Place::default();
        while let Some((lines, next)) = export::events(hub, &authors, place)? {
            if !lines.is_empty() && !put(lines) {
                break;
            }
            place = next;
        }
        Ok(())
    }))
}

/// Exports every order of a store, one line each.
#[utoipa::path(get, path = "/v1/exports/orders", tag = "exports", operation_id = "exportOrders", params(Wanted),
    responses((status = 200, body = String, content_type = "application/x-ndjson"), (status = 404, body = Problem)))]
pub(super) async fn orders(app: State<Arc<App>>, Query(wanted): Query<Wanted>) -> Result<Response, Problem> {
    let store = wanted.store.clone();
    ask(&app, move |hub, _| stores::get(hub, &store).map(|_| ())).await?;
    Ok(streamed(Arc::clone(&app.hub), "application/x-ndjson", move |hub, put| {
        let mut after = (0, 0);
        loop {
            let page = orders::list(hub, Some(&wanted.store), after, export::PAGE)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = (last.order.author, last.order.row.seq);
            let lines = page.into_iter().map(|d| super::orders::view(d, false));
            let lines: String = lines.map(|v| serde_json::to_string(&v).unwrap_or_default() + "\n").collect();
            if !put(lines) {
                return Ok(());
            }
        }
    }))
}

/// An answer whose lines are written on a blocking thread, as fast as they are read. `put` says whether anybody still
/// reads; an error cuts the answer off, so that it can't be taken for whole.
pub(super) fn streamed(
    hub: Arc<Hub>,
    kind: &'static str,
    write: impl FnOnce(&Hub, &dyn Fn(String) -> bool) -> Result<(), Fault> + Send + 'static,
) -> Response {
    let (lines, read) = mpsc::channel::<Result<Bytes, std::io::Error>>(4);
    tokio::task::spawn_blocking(move || {
        let put = |text: String| lines.blocking_send(Ok(Bytes::from(text))).is_ok();
        if let Err(fault) = write(&hub, &put) {
            tracing::error!(%fault, "an export broke off");
            let _ = lines.blocking_send(Err(std::io::Error::other("the export broke off")));
        }
    });
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(ReceiverStream::new(read))).into_response()
}
