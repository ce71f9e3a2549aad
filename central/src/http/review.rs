//! The review list and the quarantine.

use super::json::{self, Body, Page};
use super::orders::rfc3339;
use super::problem::Problem;
use super::{App, ask, change};
use crate::app::{Fault, review};
use crate::db::review::Finding;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tradepost_sync::ids::Incarnation;
use utoipa::{IntoParams, ToSchema};

/// Something that a person should look at.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FindingView {
    /// Its number.
    id: i64,
    /// `total_differs`, `unmatched_sku`, `duplicate_sale_id`, `receipt_gap`, `series_clash`, `refund_overrun`, `fork`,
    /// `quarantined`, `opening_differs`, `custody_clash`, `promise_exposed`, `handed_over_late`, `delivery_differs`,
    /// `transfer_differs`, `transfer_unknown`, `transfer_nowhere`, `transfer_id_reused`, `receipt_twice`, `two_machines`,
    /// `grant_withheld` or `staff_unknown`.
    kind: String,
    /// The store's code.
    store: String,
    /// What it is about.
    #[serde(rename = "ref")]
    reference: String,
    /// A sentence with its numbers.
    detail: String,
    /// When it was found, RFC 3339.
    at: String,
    /// When a person was done with it.
    resolved_at: Option<String>,
    /// What that person wrote.
    note: Option<String>,
}

fn view((store, finding): (String, Finding)) -> FindingView {
    FindingView {
        id: finding.id,
        kind: finding.kind,
        store,
        reference: finding.reference,
        detail: finding.detail,
        at: rfc3339(finding.at),
        resolved_at: finding.resolved_at.map(rfc3339),
        note: finding.note,
    }
}

/// Which findings.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Also those that are done with.
    #[serde(default)]
    all: bool,
    /// Those of one store, by its code.
    store: Option<String>,
    /// Those of one kind, e.g. `refund_overrun`.
    kind: Option<String>,
    /// Rows of a page, at most 500.
    limit: Option<usize>,
    /// Where the page begins.
    cursor: Option<String>,
}

/// Lists what a person should look at.
#[utoipa::path(get, path = "/v1/review", tag = "review", operation_id = "listReview", params(Wanted),
    responses((status = 200, body = Page<FindingView>)))]
pub(super) async fn list(
    app: State<Arc<App>>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<FindingView>>, Problem> {
    let limit = json::limit(wanted.limit);
    let after = json::place(wanted.cursor.as_deref())?.parse().unwrap_or(0);
    let found = ask(&app, move |hub, _| {
        let which = (wanted.store.as_deref(), wanted.kind.as_deref());
        review::list_of(hub, which, wanted.all, after, limit + 1)
    });
    let found = found.await?;
    let rows = found.into_iter().map(view).collect();
    Ok(Json(Page::new(rows, limit, |row: &FindingView| row.id.to_string())))
}

/// What a person writes about it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    /// What was done.
    note: String,
}

/// Notes that a person is done with a finding.
#[utoipa::path(post, path = "/v1/review/{id}/resolve", tag = "review", operation_id = "resolveReview",
    params(("id" = i64, Path, description = "The finding's number")), request_body = Note,
    responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn resolve(
    app: State<Arc<App>>,
    Path(id): Path<i64>,
    Body(note): Body<Note>,
) -> Result<StatusCode, Problem> {
    change(&app, move |hub, now| review::resolve(hub, id, &note.note, now)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn incarnation(text: &str) -> Result<Incarnation, Fault> {
    Incarnation::parse(text).map_err(|_| Fault::not_found("node", text))
}

/// An event that is set aside.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AsideView {
    /// The store's code.
    store: String,
    /// Who wrote it.
    incarnation: String,
    /// A name people know that node by.
    node: String,
    /// Its seq.
    seq: u64,
    /// Its hash.
    hash: String,
    /// Why.
    reason: String,
    /// Whether its envelope's effects were applied.
    effects_applied: bool,
    /// It lies on a branch of its stream that doesn't count: another event stands in its place.
    branch: bool,
    /// Nothing is granted to its author, and what that gives away behind it doesn't count.
    grants_frozen: bool,
    /// When it came, RFC 3339.
    at: String,
    /// When a person was done with it.
    settled_at: Option<String>,
    /// What that person wrote.
    note: Option<String>,
    /// What it says, where it can be read.
    #[schema(value_type = Option<Object>)]
    body: Option<serde_json::Value>,
    /// Its canonical bytes, as hexadecimal digits.
    bytes: String,
}

fn aside(it: review::Aside) -> AsideView {
    let body = it.body().and_then(|body| serde_json::to_value(&body).ok());
    let review::Aside { store, incarnation, name, event, branch, grants_frozen } = it;
    let (settled_at, note) = event.settled.map(|(at, note)| (rfc3339(at), note)).unzip();
    AsideView {
        store,
        incarnation: incarnation.to_string(),
        node: name,
        seq: event.seq,
        hash: event.hash.to_string(),
        reason: event.reason,
        effects_applied: event.effects,
        branch,
        grants_frozen,
        at: rfc3339(event.at),
        settled_at,
        note,
        body,
        bytes: event.bytes.iter().map(|b| format!("{b:02x}")).collect(),
    }
}

/// Events that are set aside.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Aside {
    /// The latest first, at most 500.
    data: Vec<AsideView>,
}

/// Which of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedAside {
    /// Also those that a person was done with.
    #[serde(default)]
    all: bool,
}

/// Lists events that are set aside.
#[utoipa::path(get, path = "/v1/quarantine", tag = "review", operation_id = "listQuarantine", params(WantedAside),
    responses((status = 200, body = Aside)))]
pub(super) async fn quarantine(
    app: State<Arc<App>>,
    Query(wanted): Query<WantedAside>,
) -> Result<Json<Aside>, Problem> {
    let list = ask(&app, move |hub, _| review::quarantine(hub, wanted.all, 500)).await?;
    Ok(Json(Aside { data: list.into_iter().map(aside).collect() }))
}

/// Shows what is set aside at a place of a stream: several events, where more than one branch is.
#[utoipa::path(get, path = "/v1/quarantine/{incarnation}/{seq}", tag = "review", operation_id = "getQuarantined",
    params(("incarnation" = String, Path, description = "Who wrote it"), ("seq" = u64, Path, description = "Its seq")),
    responses((status = 200, body = Aside), (status = 404, body = Problem)))]
pub(super) async fn quarantined(
    app: State<Arc<App>>,
    Path((who, seq)): Path<(String, u64)>,
) -> Result<Json<Aside>, Problem> {
    let list = ask(&app, move |hub, _| review::quarantined_at(hub, &incarnation(&who)?, seq)).await?;
    Ok(Json(Aside { data: list.into_iter().map(aside).collect() }))
}

/// Notes that a person is done with it: its author may be granted to again. Its effects stay withheld: barriers resolve and
/// mint nothing until its author is fenced and a barrier has put the cap before it, so fence it and count its items.
#[utoipa::path(post, path = "/v1/quarantine/{incarnation}/{seq}/settle", tag = "review",
    operation_id = "settleQuarantined",
    params(("incarnation" = String, Path, description = "Who wrote it"), ("seq" = u64, Path, description = "Its seq")),
    request_body = Note,
    responses((status = 204), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn settle(
    app: State<Arc<App>>,
    Path((who, seq)): Path<(String, u64)>,
    Body(note): Body<Note>,
) -> Result<StatusCode, Problem> {
    change(&app, move |hub, now| review::settle(hub, &incarnation(&who)?, seq, &note.note, now)).await?;
    Ok(StatusCode::NO_CONTENT)
}
