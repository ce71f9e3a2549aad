//! Groups of consumers, their dead letters and what their read models say; webhooks; accounting days.

use super::json::{self, Body, Page};
use super::orders::rfc3339;
use super::problem::Problem;
use super::{App, ask, change};
use crate::app::{Fault, days, fan_out};
use crate::consumers::{self, Group, Record, read, webhooks};
use crate::db::consumers::Parked;
use crate::db::days::Close;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// How a group stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GroupView {
    /// `inventory`, `search`, `notifications`, `analytics` or `accounting`.
    name: &'static str,
    /// Topics that it reads.
    topics: &'static [&'static str],
    /// Records it has had.
    had: u64,
    /// Outbox rows that it hasn't read yet: of the embedded stream, or of a rebuild.
    behind: u64,
    /// Whether it is being built anew.
    rebuilding: bool,
    /// Records that are tried again.
    parked: u64,
    /// Records that a person has to decide on.
    dead: u64,
}

/// Lists the groups of consumers and how they stand.
#[utoipa::path(get, path = "/v1/consumers", tag = "operations", operation_id = "listConsumers",
    responses((status = 200, body = Vec<GroupView>)))]
pub(super) async fn list(app: State<Arc<App>>) -> Result<Json<Vec<GroupView>>, Problem> {
    let all = ask(&app, |hub, _| read::standing(hub)).await?;
    let view = |it: read::Standing| GroupView {
        name: it.group.name(),
        topics: it.group.topics(),
        had: it.had,
        behind: it.behind,
        rebuilding: it.rebuilding,
        parked: it.parked,
        dead: it.dead,
    };
    Ok(Json(all.into_iter().map(view).collect()))
}

fn named(group: &str) -> Result<Group, Problem> {
    Group::named(group).ok_or_else(|| Fault::not_found("group", group).into())
}

/// Builds a group anew: its read model and inbox are emptied and fed from the facts, under the same ids.
#[utoipa::path(post, path = "/v1/consumers/{group}/replay", tag = "operations", operation_id = "replayConsumer",
    params(("group" = String, Path, description = "The group")),
    responses((status = 202), (status = 404, body = Problem)))]
pub(super) async fn replay(app: State<Arc<App>>, Path(group): Path<String>) -> Result<StatusCode, Problem> {
    let group = named(&group)?;
    change(&app, move |hub, _| consumers::replay(hub, group)).await?;
    Ok(StatusCode::ACCEPTED)
}

/// A record that a group could not take.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AsideView {
    /// The record's id.
    id: String,
    /// `parked`: it is tried again; `dead`: a person decides.
    state: &'static str,
    /// What kind of event.
    #[serde(rename = "type")]
    ty: String,
    topic: String,
    key: String,
    /// What comes later under this waits behind it.
    subject: String,
    /// Why it was not taken.
    reason: String,
    tries: u32,
    /// RFC 3339.
    parked_at: String,
    /// RFC 3339.
    next_at: String,
    /// Its data, base64.
    data: String,
    #[serde(skip)]
    #[schema(ignore)]
    place: i64,
}

fn aside(it: Parked) -> AsideView {
    use base64::Engine;
    let record = postcard::from_bytes::<Record>(&it.record).ok();
    let of = |what: fn(&Record) -> &String| record.as_ref().map(what).cloned().unwrap_or_default();
    let data = record.as_ref().map(|record| record.data.as_slice()).unwrap_or_default();
    AsideView {
        ty: of(|record| &record.ty),
        topic: of(|record| &record.topic),
        key: of(|record| &record.key),
        subject: of(|record| &record.subject),
        data: base64::engine::general_purpose::STANDARD.encode(data),
        id: it.ce_id,
        state: it.state.name(),
        reason: it.reason,
        tries: it.tries,
        parked_at: rfc3339(it.parked_at),
        next_at: rfc3339(it.next_at),
        place: it.place,
    }
}

/// A page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Paged {
    /// Rows of a page, at most 500.
    limit: Option<usize>,
    /// Where the page begins.
    cursor: Option<String>,
}

/// Lists what a group could not take.
#[utoipa::path(get, path = "/v1/consumers/{group}/letters", tag = "operations", operation_id = "listLetters",
    params(("group" = String, Path, description = "The group"), Paged),
    responses((status = 200, body = Page<AsideView>), (status = 404, body = Problem)))]
pub(super) async fn letters(
    app: State<Arc<App>>,
    Path(group): Path<String>,
    Query(wanted): Query<Paged>,
) -> Result<Json<Page<AsideView>>, Problem> {
    let group = named(&group)?;
    let limit = json::limit(wanted.limit);
    let after = json::place(wanted.cursor.as_deref())?.parse().unwrap_or(0);
    let found = ask(&app, move |hub, _| read::aside(hub, group, after, limit + 1)).await?;
    let rows = found.into_iter().map(aside).collect();
    Ok(Json(Page::new(rows, limit, |row: &AsideView| row.place.to_string())))
}

/// What is to become of a dead letter.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Decision {
    /// It is tried again, at once.
    Replay,
    /// It is given up for good.
    Discard,
}

/// A person's decision.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Decided {
    /// What is to become of it.
    decision: Decision,
}

/// Decides on a dead letter.
#[utoipa::path(post, path = "/v1/consumers/{group}/letters/{id}", tag = "operations", operation_id = "decideLetter",
    params(("group" = String, Path, description = "The group"), ("id" = String, Path, description = "The record's id")),
    request_body = Decided,
    responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn decide(
    app: State<Arc<App>>,
    Path((group, id)): Path<(String, String)>,
    Body(decided): Body<Decided>,
) -> Result<StatusCode, Problem> {
    let group = named(&group)?;
    change(&app, move |hub, now| match decided.decision {
        Decision::Replay => consumers::revive(hub, group, &id, now),
        Decision::Discard => consumers::discard(hub, group, &id),
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which days of a store.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct DaysWanted {
    /// The store's code.
    store: String,
    /// First day, ISO 8601.
    from: String,
    /// Last day.
    to: String,
}

impl DaysWanted {
    fn checked(self) -> Result<Self, Fault> {
        days::parse(&self.from, "/from")?;
        days::parse(&self.to, "/to")?;
        Ok(self)
    }
}

/// What an account came to on a day.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BalanceView {
    /// ISO 8601.
    day: String,
    account: String,
    currency: String,
    /// Debits less credits, minor units.
    amount: i64,
}

/// Sums the journal of a store by day and account.
#[utoipa::path(get, path = "/v1/journal/balances", tag = "orders", operation_id = "getBalances", params(DaysWanted),
    responses((status = 200, body = Vec<BalanceView>), (status = 422, body = Problem)))]
pub(super) async fn balances(
    app: State<Arc<App>>,
    Query(wanted): Query<DaysWanted>,
) -> Result<Json<Vec<BalanceView>>, Problem> {
    let wanted = wanted.checked()?;
    let sums = ask(&app, move |hub, _| read::balances(hub, &wanted.store, &wanted.from, &wanted.to)).await?;
    let view = |(day, account, currency, amount)| BalanceView { day, account, currency, amount };
    Ok(Json(sums.into_iter().map(view).collect()))
}

/// The journal as a table.
#[utoipa::path(get, path = "/v1/journal.csv", tag = "exports", operation_id = "exportJournal", params(DaysWanted),
    responses((status = 200, content_type = "text/csv", body = String), (status = 422, body = Problem)))]
pub(super) async fn journal(
    app: State<Arc<App>>,
    Query(wanted): Query<DaysWanted>,
) -> Result<impl axum::response::IntoResponse, Problem> {
    let wanted = wanted.checked()?;
    let text = ask(&app, move |hub, _| table(hub, &wanted)).await?;
    Ok(([(axum::http::header::CONTENT_TYPE, "text/csv; charset=utf-8")], text))
}

/// Lines of one question.
const LINES: usize = 1_000;

fn table(hub: &crate::hub::Hub, wanted: &DaysWanted) -> Result<String, Fault> {
    use std::fmt::Write;
    let mut text = "entry,line,store,day,business_day,account,currency,debit,credit,reference\n".to_owned();
    let mut after = (String::new(), -1);
    loop {
        let days = (wanted.from.as_str(), wanted.to.as_str());
        let lines = read::journal(hub, &wanted.store, days, (&after.0, after.1), LINES)?;
        for line in &lines {
            let (debit, credit) = (line.amount.max(0), line.amount.min(0).saturating_neg());
            let reference = quoted(&line.reference);
            // Writing to a text never fails.
            let _ = writeln!(
                text,
                "{},{},{},{},{},{},{},{debit},{credit},{reference}",
                line.ce_id,
                line.n,
                quoted(&line.store),
                line.day,
                line.business_day,
                line.account,
                line.currency
            );
        }
        match lines.last() {
            Some(last) if lines.len() == LINES => after = (last.ce_id.clone(), i64::from(last.n)),
            _ => return Ok(text),
        }
    }
}

/// A field that holds what a table would take for its own; one that a spreadsheet would compute is made plain text.
fn quoted(text: &str) -> String {
    let plain = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() };
    if plain.contains([',', '"', '\n', '\r']) { format!("\"{}\"", plain.replace('"', "\"\"")) } else { plain }
}

/// Sales of a day.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SalesView {
    /// ISO 8601.
    day: String,
    currency: String,
    sales: u64,
    refunds: u64,
    net: i64,
    tax: i64,
    total: i64,
}

/// Reports sales of a store by day.
#[utoipa::path(get, path = "/v1/reports/sales", tag = "orders", operation_id = "reportSales", params(DaysWanted),
    responses((status = 200, body = Vec<SalesView>), (status = 422, body = Problem)))]
pub(super) async fn sales(
    app: State<Arc<App>>,
    Query(wanted): Query<DaysWanted>,
) -> Result<Json<Vec<SalesView>>, Problem> {
    let wanted = wanted.checked()?;
    let days =
        ask(&app, move |hub, _| read::sales_by_day(hub, &wanted.store, &wanted.from, &wanted.to)).await?;
    let view = |it: read::SalesDay| SalesView {
        day: it.day,
        currency: it.currency,
        sales: it.sales,
        refunds: it.refunds,
        net: it.net,
        tax: it.tax,
        total: it.total,
    };
    Ok(Json(days.into_iter().map(view).collect()))
}

/// Which day of a store.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct DayWanted {
    /// The store's code.
    store: String,
    /// ISO 8601.
    day: String,
}

/// Sales of an item in an hour.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ItemView {
    /// Of the day, on the store's own clock.
    hour: u32,
    sku: String,
    /// Base units.
    units: i64,
    net: i64,
    tax: i64,
}

/// Reports sales of a store on a day by hour and item.
#[utoipa::path(get, path = "/v1/reports/items", tag = "orders", operation_id = "reportItems", params(DayWanted),
    responses((status = 200, body = Vec<ItemView>), (status = 422, body = Problem)))]
pub(super) async fn items(
    app: State<Arc<App>>,
    Query(wanted): Query<DayWanted>,
) -> Result<Json<Vec<ItemView>>, Problem> {
    days::parse(&wanted.day, "/day")?;
    let sold = ask(&app, move |hub, _| read::sales_by_item(hub, &wanted.store, &wanted.day)).await?;
    let view = |(hour, sku, units, net, tax)| ItemView { hour, sku, units, net, tax };
    Ok(Json(sold.into_iter().map(view).collect()))
}

/// A closed accounting day.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CloseView {
    /// ISO 8601.
    day: String,
    /// RFC 3339.
    closed_at: String,
    /// Place of `day.closed` in the hub's own stream of the store.
    seq: u64,
}

fn close_view(it: Close) -> CloseView {
    CloseView { day: fan_out::day(it.day), closed_at: rfc3339(it.closed_at), seq: it.seq }
}

/// Lists the closed accounting days of a store, the latest first.
#[utoipa::path(get, path = "/v1/stores/{code}/days", tag = "orders", operation_id = "listDays",
    params(("code" = String, Path, description = "The store's code")),
    responses((status = 200, body = Vec<CloseView>), (status = 404, body = Problem)))]
pub(super) async fn closed_days(
    app: State<Arc<App>>,
    Path(code): Path<String>,
) -> Result<Json<Vec<CloseView>>, Problem> {
    let closed = ask(&app, move |hub, _| days::list(hub, &code, 500)).await?;
    Ok(Json(closed.into_iter().map(close_view).collect()))
}

/// Closes an accounting day of a store, for good; asked again it answers the same.
#[utoipa::path(put, path = "/v1/stores/{code}/days/{day}", tag = "orders", operation_id = "closeDay",
    params(("code" = String, Path, description = "The store's code"), ("day" = String, Path, description = "ISO 8601")),
    responses((status = 200, body = CloseView), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn close_day(
    app: State<Arc<App>>,
    Path((code, day)): Path<(String, String)>,
) -> Result<Json<CloseView>, Problem> {
    let day = days::parse(&day, "/day")?;
    change(&app, move |hub, now| days::close(hub, &code, day, now)).await.map(close_view).map(Json)
}

/// Who wants to be told, and of what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookNew {
    /// Where messages are sent: an http or https address.
    url: String,
    /// Kinds of events, e.g. `order.created`; none for all.
    #[serde(default)]
    types: Vec<String>,
}

/// Messages in a state.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessagesView {
    /// `due`, `sent`, `given_up`, or `silent` (a replay told of it).
    state: String,
    count: u64,
}

/// A webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookView {
    id: String,
    url: String,
    types: Vec<String>,
    /// RFC 3339.
    created_at: String,
    /// What messages are signed with (Standard Webhooks); told once, when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    messages: Vec<MessagesView>,
}

fn webhook_view((it, states): webhooks::Shown, secret: Option<String>) -> WebhookView {
    let messages = states.into_iter().map(|(state, count)| MessagesView { state, count }).collect();
    WebhookView {
        id: it.id,
        url: it.url,
        types: it.types,
        created_at: rfc3339(it.created_at),
        secret,
        messages,
    }
}

/// Lists webhooks.
#[utoipa::path(get, path = "/v1/webhooks", tag = "operations", operation_id = "listWebhooks",
    responses((status = 200, body = Vec<WebhookView>)))]
pub(super) async fn webhooks_list(app: State<Arc<App>>) -> Result<Json<Vec<WebhookView>>, Problem> {
    let all = ask(&app, |hub, _| webhooks::list(hub)).await?;
    Ok(Json(all.into_iter().map(|it| webhook_view(it, None)).collect()))
}

/// Adds a webhook. Messages are signed as Standard Webhooks says, and come at least once under one id.
#[utoipa::path(post, path = "/v1/webhooks", tag = "operations", operation_id = "addWebhook", request_body = WebhookNew,
    responses((status = 201, body = WebhookView), (status = 422, body = Problem)))]
pub(super) async fn webhooks_add(
    app: State<Arc<App>>,
    Body(new): Body<WebhookNew>,
) -> Result<(StatusCode, Json<WebhookView>), Problem> {
    let (made, secret) = change(&app, move |hub, now| webhooks::add(hub, &new.url, &new.types, now)).await?;
    Ok((StatusCode::CREATED, Json(webhook_view((made, Vec::new()), Some(secret)))))
}

/// Takes a webhook away, with what waits for it.
#[utoipa::path(delete, path = "/v1/webhooks/{id}", tag = "operations", operation_id = "removeWebhook",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn webhooks_remove(
    app: State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    change(&app, move |hub, _| webhooks::remove(hub, &id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
