//! Money that was still to come when a store's document was made.

use super::json;
use super::orders::rfc3339;
use super::problem::Problem;
use super::{App, ask};
use crate::app::fan_out::day;
use crate::app::stored;
use crate::db::stored::StoredRow;
use axum::Json;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// How such money ended.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It waits.
    #[default]
    Unsettled,
    /// It came.
    Captured,
    /// The card's bank refused it.
    Declined,
    /// It was forwarded too late, or the terminal knows nothing of it any more.
    Expired,
    /// The bank's list has it.
    Confirmed,
    /// The bank's list lacks it.
    Missing,
    /// It was undone.
    Voided,
}

impl Outcome {
    fn stored(self) -> &'static str {
        match self {
            Outcome::Unsettled => "",
            Outcome::Captured => "captured",
            Outcome::Declined => "declined",
            Outcome::Expired => "expired",
            Outcome::Confirmed => "confirmed",
            Outcome::Missing => "missing",
            Outcome::Voided => "voided",
        }
    }
}

/// Which of it.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredWanted {
    /// Of one store only, by code.
    store: Option<String>,
    /// How it ended; what waits where nothing is said.
    #[serde(default)]
    #[param(inline)]
    outcome: Outcome,
    /// Rows of a page, at most 500.
    limit: Option<usize>,
    /// Where the page begins.
    cursor: Option<String>,
}

/// A tender whose money was still to come.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StoredView {
    /// Its key.
    tender: String,
    /// The store's code.
    store: String,
    /// The sale or refund.
    order: String,
    /// The till.
    till: String,
    /// The document's number as printed.
    receipt: String,
    /// What kind of money.
    kind: String,
    /// Minor units; below nothing for what is given back.
    amount: i64,
    /// The document's business day.
    business_day: String,
    /// When the document was made (RFC 3339).
    committed_at: String,
    /// How it ended; nothing while it waits.
    outcome: Option<String>,
    /// When it ended (RFC 3339).
    settled_at: Option<String>,
}

/// Money that was still to come.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StoredPage {
    /// The rows.
    data: Vec<StoredView>,
    /// How many there are in all.
    count: i64,
    /// What they come to in all, in minor units.
    sum: i64,
    /// Where the next page begins; none at the end.
    next_cursor: Option<String>,
    /// Whether there is a next page.
    has_more: bool,
}

fn view((store, row): (String, StoredRow)) -> StoredView {
    let ended = !row.outcome.is_empty();
    StoredView {
        tender: row.key,
        store,
        order: row.document,
        till: row.till,
        receipt: row.receipt,
        kind: row.kind,
        amount: row.amount,
        business_day: day(row.business_day),
        committed_at: rfc3339(row.committed_at),
        settled_at: ended.then(|| rfc3339(row.settled_at)),
        outcome: ended.then_some(row.outcome),
    }
}

/// Lists cards that the stores' terminals kept and transfers that nobody has seen on the bank's list, by key.
#[utoipa::path(get, path = "/v1/stored-tenders", tag = "orders", operation_id = "listStoredTenders", params(StoredWanted),
    responses((status = 200, body = StoredPage), (status = 404, body = Problem)))]
pub(super) async fn list(
    app: State<Arc<App>>,
    Query(wanted): Query<StoredWanted>,
) -> Result<Json<StoredPage>, Problem> {
    let limit = json::limit(wanted.limit);
    let after = json::place(wanted.cursor.as_deref())?;
    let outcome = wanted.outcome.stored();
    let found =
        ask(&app, move |hub, _| stored::list(hub, wanted.store.as_deref(), outcome, &after, limit + 1))
            .await?;
    let rows = found.rows.into_iter().map(view).collect();
    let page = json::Page::new(rows, limit, |row: &StoredView| row.tender.clone());
    Ok(Json(StoredPage {
        data: page.data,
        count: found.count,
        sum: found.sum,
        next_cursor: page.next_cursor,
        has_more: page.has_more,
    }))
}
