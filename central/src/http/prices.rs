//! Effective-dated prices.

use super::json::{self, Body, Page};
use super::nodes::VersionView;
use super::orders::rfc3339;
use super::problem::Problem;
use super::{App, ask, change};
use crate::app::prices::{self, NewPrice};
use crate::app::stores;
use crate::db::products::PriceRow;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use tradepost_commerce::document::Sku;
use tradepost_commerce::money::Money;
use tradepost_commerce::price_book::PriceEntry;
use tradepost_commerce::time::UtcMs;
use utoipa::{IntoParams, ToSchema};

/// A price to be published.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PriceWanted {
    /// The list; the stores' own if not given.
    #[serde(default)]
    list: String,
    /// The store's code, where it is for one store only.
    store: Option<String>,
    /// The item.
    sku: String,
    /// Minor units for one pricing unit.
    price: i64,
    /// First instant it is in force (ms since 1970 UTC); at once if not given.
    valid_from: Option<i64>,
    /// First instant it is not any more; until a later price begins if not given.
    valid_to: Option<i64>,
}

impl PriceWanted {
    fn at(self, now: i64) -> NewPrice {
        let entry = PriceEntry {
            list: self.list,
            sku: Sku(self.sku),
            price: Money(self.price),
            valid_from: UtcMs(self.valid_from.unwrap_or(now)),
            valid_to: self.valid_to.map(UtcMs),
        };
        NewPrice { store: self.store, entry }
    }
}

/// Many prices.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PricesWanted {
    /// All or none are published.
    entries: Vec<PriceWanted>,
}

/// Publishes a price.
#[utoipa::path(post, path = "/v1/prices", tag = "catalog", operation_id = "publishPrice", request_body = PriceWanted,
    responses((status = 201, body = VersionView), (status = 422, body = Problem)))]
pub(super) async fn publish(
    app: State<Arc<App>>,
    Body(wanted): Body<PriceWanted>,
) -> Result<(StatusCode, Json<VersionView>), Problem> {
    let at = change(&app, move |hub, now| prices::publish(hub, &[wanted.at(now)], now)).await?;
    Ok((StatusCode::CREATED, Json(at.into())))
}

/// Publishes many prices, all or none.
#[utoipa::path(post, path = "/v1/prices/batch", tag = "catalog", operation_id = "publishPrices", request_body = PricesWanted,
    responses((status = 201, body = VersionView), (status = 422, body = Problem)))]
pub(super) async fn publish_batch(
    app: State<Arc<App>>,
    Body(wanted): Body<PricesWanted>,
) -> Result<(StatusCode, Json<VersionView>), Problem> {
    let at = change(&app, move |hub, now| {
        let entries: Vec<NewPrice> = wanted.entries.into_iter().map(|price| price.at(now)).collect();
        prices::publish(hub, &entries, now)
    });
    Ok((StatusCode::CREATED, Json(at.await?.into())))
}

/// A published price.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PriceView {
    /// Its place in the order of publication.
    no: i64,
    /// The list; empty for the stores' own.
    list: String,
    /// The store it is for; none for every one.
    store: Option<String>,
    /// The item.
    sku: String,
    /// Minor units for one pricing unit.
    price: i64,
    /// First instant it is in force, RFC 3339.
    valid_from: String,
    /// First instant it is not any more.
    valid_to: Option<String>,
    /// The catalog version it came with.
    version: u64,
}

/// Which prices.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Of one item only.
    sku: Option<String>,
    /// Rows of a page, at most 500.
    limit: Option<usize>,
    /// Where the page begins.
    cursor: Option<String>,
}

/// Lists prices in the order they were published.
#[utoipa::path(get, path = "/v1/prices", tag = "catalog", operation_id = "listPrices", params(Wanted),
    responses((status = 200, body = Page<PriceView>)))]
pub(super) async fn list(
    app: State<Arc<App>>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<PriceView>>, Problem> {
    let limit = json::limit(wanted.limit);
    let after = json::place(wanted.cursor.as_deref())?.parse().unwrap_or(0);
    let (rows, stores) = ask(&app, move |hub, _| {
        Ok((prices::list(hub, wanted.sku.as_deref(), after, limit + 1)?, stores::list(hub)?))
    })
    .await?;
    let codes: BTreeMap<i64, String> = stores.into_iter().map(|store| (store.no, store.code)).collect();
    let rows = rows.into_iter().map(|row| view(row, &codes)).collect();
    Ok(Json(Page::new(rows, limit, |row: &PriceView| row.no.to_string())))
}

fn view(row: PriceRow, codes: &BTreeMap<i64, String>) -> PriceView {
    PriceView {
        no: row.no,
        list: row.entry.list,
        store: codes.get(&row.store).cloned(),
        sku: row.entry.sku.0,
        price: row.entry.price.0,
        valid_from: rfc3339(row.entry.valid_from.0),
        valid_to: row.entry.valid_to.map(|to| rfc3339(to.0)),
        version: row.version,
    }
}
