//! Counts: begun blind, ended with what was found.

use super::answer::{Reply, created, ok};
use super::body::Json;
use super::parse;
use super::sales::rfc3339;
use super::state::Shared;
use crate::app::count;
use crate::app::problem::{Answer, Code, no};
use crate::db::documents::{self, DocumentKind};
use crate::db::{catalog, counts, events};
use axum::extract::{Path, State};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tradepost_sync::ids::Id;
use utoipa::ToSchema;

/// A count to be begun.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CountBody {
    /// UUID, made by the client.
    pub id: String,
    /// The item's code.
    pub sku: String,
}

/// What was found.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FoundBody {
    /// Base units on the shelf and set aside.
    pub n: u64,
}

/// A count. While it goes on nothing is told of the books.
#[derive(Debug, Serialize, ToSchema)]
pub struct CountOut {
    /// Its id.
    pub id: String,
    /// The item's code.
    pub sku: String,
    /// `counting` or `counted`.
    pub state: &'static str,
    /// When it began (RFC 3339), while it goes on.
    pub began: Option<String>,
    /// Base units that were found.
    pub n: Option<u64>,
    /// By how much the books were changed.
    pub variance: Option<i64>,
    /// Rights that were burnt for what is missing.
    pub burnt: Option<u64>,
    /// Whether the item's goods stand on this count.
    pub latest: bool,
    /// Goods moved while it went on, so that it is in doubt: count again.
    pub recount: bool,
}

/// Counts that go on.
#[derive(Debug, Serialize, ToSchema)]
pub struct CountsOut {
    /// By id.
    pub data: Vec<CountOut>,
}

/// Begins a count of an item; selling goes on. The client makes the id; the same request again changes nothing.
#[utoipa::path(post, path = "/v1/counts", operation_id = "beginCount", tag = "stock", request_body = CountBody,
    responses((status = 201, description = "Begun", body = CountOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn begin(State(shared): State<Shared>, Json(body): Json<CountBody>) -> Reply {
    let (id, sku) = (parse::id(&body.id, "/id")?, parse::sku(&body.sku, "/sku")?);
    let held = shared.held_by_neighbours().await;
    shared.writer.ask(move |node, now| count::begin(node, now, &id, &sku, &held)).await?;
    Ok(created(&read(&shared, &id)?))
}

/// Ends a count with what was found. The same request again changes nothing.
#[utoipa::path(post, path = "/v1/counts/{id}/finish", operation_id = "finishCount", tag = "stock", params(("id" = String, Path, description = "UUID")), request_body = FoundBody,
    responses((status = 200, description = "Counted", body = CountOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn finish(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<FoundBody>,
) -> Reply {
    let id = parse::id(&id, "/id")?;
    let held = shared.held_by_neighbours().await;
    shared.writer.ask(move |node, now| count::finish(node, now, &id, body.n, &held)).await?;
    Ok(ok(&read(&shared, &id)?))
}

/// Lets a count go that has begun.
#[utoipa::path(delete, path = "/v1/counts/{id}", operation_id = "abandonCount", tag = "stock", params(("id" = String, Path, description = "UUID")),
    responses((status = 200, description = "The counts that go on", body = CountsOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn abandon(State(shared): State<Shared>, Path(id): Path<String>) -> Reply {
    let id = parse::id(&id, "/id")?;
    shared.writer.ask(move |node, _| count::let_go(node, &id)).await?;
    list_counts(State(shared)).await
}

/// Lists the counts that go on.
#[utoipa::path(get, path = "/v1/counts", operation_id = "listCounts", tag = "stock",
    responses((status = 200, description = "The counts that go on", body = CountsOut)))]
pub async fn list_counts(State(shared): State<Shared>) -> Reply {
    let data = shared.read(|conn| {
        let begun = counts::all_begun(conn)?;
        begun.iter().map(|(id, ..)| show(conn, id)).collect::<Answer<Vec<_>>>()
    })?;
    Ok(ok(&CountsOut { data }))
}

/// Reads a count.
#[utoipa::path(get, path = "/v1/counts/{id}", operation_id = "getCount", tag = "stock", params(("id" = String, Path, description = "UUID")),
    responses((status = 200, description = "The count", body = CountOut), (status = 404, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn get_count(State(shared): State<Shared>, Path(id): Path<String>) -> Reply {
    let id = parse::id(&id, "/id")?;
    Ok(ok(&read(&shared, &id)?))
}

fn read(shared: &Shared, id: &Id) -> Answer<CountOut> {
    shared.read(|conn| show(conn, id))
}

fn show(conn: &Connection, id: &Id) -> Answer<CountOut> {
    let found = documents::find(conn, id)?.filter(|found| found.kind == DocumentKind::Count);
    if let Some(found) = found
        && let Some(counted) = count::counted(conn, found.place)?
    {
        let row = counts::at(conn, found.place)?;
        let (latest, tainted) = row.map_or((false, false), |row| (row.latest, row.tainted));
        return Ok(CountOut {
            id: id.to_string(),
            sku: counted.sku.0.clone(),
            state: "counted",
            began: None,
            n: Some(counted.n),
            variance: Some(counted.variance),
            burnt: Some(counted.moved.c),
            latest,
            recount: latest && tainted,
        });
    }
    let (sku, begun) = count::begun(conn, id)?;
    let sku = catalog::sku(conn, sku)?.ok_or_else(|| no(Code::NotFound, "the item has no code"))?;
    Ok(CountOut {
        id: id.to_string(),
        sku: sku.0,
        state: "counting",
        began: Some(rfc3339(begun.at)),
        n: None,
        variance: None,
        burnt: None,
        latest: false,
        recount: false,
    })
}

/// The count that an item's goods stand on.
#[derive(Debug, Serialize, ToSchema)]
pub struct StandsOnOut {
    /// Its id.
    pub id: String,
    /// Who counted.
    pub incarnation: String,
    /// Base units that were found.
    pub n: u64,
    /// When it was entered, by its author's wall clock (RFC 3339).
    pub at: String,
    /// It is in doubt: goods moved while it went on. Count again.
    pub recount: bool,
}

/// The count that an item's goods stand on.
pub(super) fn stands_on(conn: &Connection, sku: i64) -> Answer<Option<StandsOnOut>> {
    let Some(row) = counts::of(conn, sku)?.into_iter().find(|row| row.latest) else { return Ok(None) };
    let Some(event) = events::read(conn, row.place)? else { return Ok(None) };
    let Some(counted) = count::counted(conn, row.place)? else { return Ok(None) };
    Ok(Some(StandsOnOut {
        id: counted.count.to_string(),
        incarnation: event.envelope.incarnation.to_string(),
        n: counted.n,
        at: rfc3339(event.envelope.wall),
        recount: row.tainted,
    }))
}
