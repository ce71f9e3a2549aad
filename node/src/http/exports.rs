//! NDJSON exports, streamed: one JSON document a line.

use super::answer::Reply;
use super::state::Shared;
use crate::app::export;
use crate::app::problem::Answer;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use rusqlite::Connection;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// A chunk of lines.
const CHUNK_BYTES: usize = 64 << 10;

type Export = fn(&Connection, &mut dyn FnMut(String) -> bool) -> Answer<()>;

/// Exports every event that is held.
#[utoipa::path(get, path = "/v1/exports/events", operation_id = "exportEvents", tag = "reports",
    responses((status = 200, description = "One event a line", content_type = "application/x-ndjson")))]
pub async fn events(State(shared): State<Shared>) -> Reply {
    Ok(stream(shared, export::events))
}

/// Exports every receipt.
#[utoipa::path(get, path = "/v1/exports/receipts", operation_id = "exportReceipts", tag = "reports",
    responses((status = 200, description = "One receipt a line", content_type = "application/x-ndjson")))]
pub async fn receipts(State(shared): State<Shared>) -> Reply {
    Ok(stream(shared, export::receipts))
}

/// Exports the audit trail.
#[utoipa::path(get, path = "/v1/exports/audit", operation_id = "exportAudit", tag = "reports",
    responses((status = 200, description = "One event's place in its chain a line", content_type = "application/x-ndjson")))]
pub async fn audit(State(shared): State<Shared>) -> Reply {
    Ok(stream(shared, export::audit))
}

/// A file that breaks off is not whole: a fault in the middle cuts the connection instead of ending it well.
fn stream(shared: Shared, export: Export) -> Response {
    let (chunks, lines) = mpsc::channel::<std::io::Result<Bytes>>(4);
    tokio::task::spawn_blocking(move || {
        let done = shared.read(|conn| write(conn, export, &chunks));
        if let Err(stop) = done {
            tracing::error!(?stop, "an export broke off");
            let _ = chunks.blocking_send(Err(std::io::Error::other("the export broke off")));
        }
    });
    let body = Body::from_stream(ReceiverStream::new(lines).map(|chunk| chunk));
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

fn write(conn: &Connection, export: Export, chunks: &mpsc::Sender<std::io::Result<Bytes>>) -> Answer<()> {
    let mut held = String::with_capacity(CHUNK_BYTES * 2);
    export(conn, &mut |line| {
        held.push_str(&line);
        held.push('\n');
        if held.len() < CHUNK_BYTES {
            return true;
        }
        // Nobody reads any more: no need to go on.
        chunks.blocking_send(Ok(Bytes::from(std::mem::take(&mut held)))).is_ok()
    })?;
    if !held.is_empty() {
        let _ = chunks.blocking_send(Ok(Bytes::from(held)));
    }
    Ok(())
}
