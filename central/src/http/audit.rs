//! The audit trail: who did what, and whether anybody changed what is written of it.

use super::json::{self, Page};
use super::problem::Problem;
use super::{App, ask};
use crate::app::Code;
use crate::db::audit_trail::Entry;
use crate::trail::{self, Act};
use axum::Json;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Lets a change pass and leaves an entry of it. Bodies that are streams (imports) are not kept.
pub(super) async fn leave_entry(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.run(request).await;
    }
    let target = request.uri().path_and_query().map_or("", axum::http::uri::PathAndQuery::as_str);
    let call = format!("{} {target}", request.method());
    let (request, body) = match kept(request).await {
        Ok(kept) => kept,
        Err(problem) => return problem.into_response(),
    };
    let span = tracing::Span::current();
    let trace = tradepost_telemetry::trace_id(&span).unwrap_or_default();
    let act = Act::new(&actor(&app.token), &call, &body, &trace);
    trail::within(act, next.run(request)).await
}

/// Who holds the token, by a piece of the token's hash: another token is somebody else.
fn actor(token: &str) -> String {
    format!("admin token {}", &blake3::hash(token.as_bytes()).to_hex()[..8])
}

async fn kept(request: Request) -> Result<(Request, Vec<u8>), Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json =
        kind.is_some_and(|kind| kind.split(';').next().is_some_and(|it| it.trim() == "application/json"));
    if !is_json || request.uri().path() == "/v1/products/import" {
        return Ok((request, Vec::new()));
    }
    let (head, body) = request.into_parts();
    let bytes = Limited::new(body, json::BODY_BYTES_MAX).collect().await;
    let bytes = bytes.map_err(|_| json::too_large(json::BODY_BYTES_MAX))?.to_bytes();
    let kept = bytes.to_vec();
    Ok((Request::from_parts(head, Body::from(bytes)), kept))
}

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Text in call or body.
    q: Option<String>,
    /// Rows of a page, at most 500.
    limit: Option<usize>,
    /// Where the page begins.
    cursor: Option<String>,
}

/// Something that somebody did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EntryView {
    /// Its number, from 1 without a gap.
    no: u64,
    /// When, ms.
    at: i64,
    /// Who.
    actor: String,
    /// What was called: method and address, or the service's method.
    call: String,
    /// What was sent with it: JSON without secrets; a long or other body by its length and hash.
    body: String,
    /// The request's trace id.
    trace_id: String,
    /// Over this entry and the one before it, hex.
    hash: String,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        Self {
            no: entry.no,
            at: entry.at,
            actor: entry.actor,
            call: entry.call,
            body: entry.body,
            trace_id: entry.trace,
            hash: entry.hash.to_string(),
        }
    }
}

/// Lists what was done through the admin interface and the services, the newest first. Each change has its entry, written
/// with the change itself.
#[utoipa::path(get, path = "/v1/audit", tag = "operations", operation_id = "listAudit", params(Wanted),
    responses((status = 200, body = Page<EntryView>)))]
pub(super) async fn list(
    app: State<Arc<App>>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<EntryView>>, Problem> {
    let limit = json::limit(wanted.limit);
    let place = json::place(wanted.cursor.as_deref())?;
    let before = match place.as_str() {
        "" => u64::try_from(i64::MAX).unwrap_or(u64::MAX),
        text => {
            text.parse().map_err(|_| Problem::new(Code::BadValue, "the cursor is none of this list", &[]))?
        }
    };
    let query = wanted.q.unwrap_or_default();
    let found = ask(&app, move |hub, _| trail::list(hub, before, &query, limit + 1)).await?;
    let rows = found.into_iter().map(EntryView::from).collect();
    Ok(Json(Page::new(rows, limit, |entry: &EntryView| entry.no.to_string())))
}

/// Whether the trail is whole.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VerdictView {
    /// Whether every entry follows from those before it, up to the end.
    whole: bool,
    /// Entries that do, from the first on.
    good: u64,
    /// The first number where that isn't so.
    first_bad: Option<u64>,
    /// The last good entry's hash; kept elsewhere it tells whether the trail was cut or written anew.
    hash: String,
}

/// Walks the whole audit trail and compares every entry with its hash.
#[utoipa::path(get, path = "/v1/audit/verdict", tag = "operations", operation_id = "verifyAudit",
    responses((status = 200, body = VerdictView)))]
pub(super) async fn verify(app: State<Arc<App>>) -> Result<Json<VerdictView>, Problem> {
    let found = ask(&app, |hub, _| trail::verify(hub)).await?;
    Ok(Json(VerdictView {
        whole: found.first_bad.is_none(),
        good: found.good,
        first_bad: found.first_bad,
        hash: found.hash.to_string(),
    }))
}
