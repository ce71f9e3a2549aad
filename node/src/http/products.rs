//! Products: search, lookup by code, and one by one.

use super::answer::{Page, Reply, ok};
use super::parse::{self, Paging};
use super::state::Shared;
use crate::app::lookup::{self, Matched};
use crate::app::node::Rulebook;
use crate::app::problem::{Answer, Code, Stop, no};
use crate::db::catalog::{self, Item};
use crate::db::search::{self, From, Match};
use crate::db::stock;
use axum::extract::{Path, Query, State};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tradepost_commerce::basket::Wanted;
use tradepost_commerce::price_book::{DEFAULT_LIST, in_force_at};
use tradepost_commerce::product::StockPolicy;
use tradepost_commerce::quantity::BaseUnit;
use tradepost_commerce::time::UtcMs;
use utoipa::{IntoParams, ToSchema};

/// A product with the price and stock of now.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProductOut {
    /// Its code.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// Where it stands in the range.
    pub category: String,
    /// Trade item numbers.
    pub gtins: Vec<String>,
    /// The number on scale labels.
    pub plu: Option<u32>,
    /// What it is priced by.
    pub unit: UnitOut,
    /// Price of one pricing unit in minor units; none where no list has one.
    pub price: Option<i64>,
    /// The list it comes from; empty for the store's own.
    pub price_list: String,
    /// The catalog version it came in.
    pub price_version: Option<VersionOut>,
    /// Its tax.
    pub tax: TaxOut,
    /// ISO 4217.
    pub currency: String,
    /// Decimals of the minor unit.
    pub exponent: u8,
    /// Years a customer must have.
    pub min_age: Option<u8>,
    /// `strict`, `in_hand` or `override`.
    pub policy: &'static str,
    /// Weighed or measured at the sale.
    pub weighed: bool,
    /// In the range.
    pub active: bool,
    /// Goods.
    pub stock: StockFigures,
}

/// What an item is priced by.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnitOut {
    /// `piece`, `gram`, `millilitre` or `millimetre`.
    pub base: &'static str,
    /// Base units in one pricing unit.
    pub base_per_unit: u32,
}

/// A catalog version.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionOut {
    /// Epoch.
    pub epoch: u32,
    /// Version.
    pub version: u64,
}

/// Category and rate.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaxOut {
    /// Category.
    pub category: String,
    /// Parts per million; none where no rate is in force.
    pub ppm: Option<u32>,
}

/// Goods, in base units.
#[derive(Debug, Serialize, ToSchema)]
pub struct StockFigures {
    /// What the shelf should hold.
    pub on_hand: i64,
    /// What may be promised.
    pub available: i64,
}

/// What a code named.
#[derive(Debug, Serialize, ToSchema)]
pub struct LookupOut {
    /// `gtin`, `plu`, `weight_label`, `price_label` or `sku`.
    pub matched: &'static str,
    /// The item.
    pub product: ProductOut,
    /// How much, where a label says so.
    pub quantity_milli: Option<i64>,
    /// The amount on a label.
    pub label_amount: Option<i64>,
}

/// What is searched for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ProductsQuery {
    /// Words, or their beginnings; marks on letters don't matter.
    pub q: Option<String>,
    /// Rows of a page, 1 to 200.
    pub limit: Option<usize>,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// Searches products, or lists them where nothing is searched for.
#[utoipa::path(get, path = "/v1/products", operation_id = "listProducts", tag = "catalog", params(ProductsQuery),
    responses((status = 200, description = "A page of products", body = Page<ProductOut>)))]
pub async fn list_products(State(shared): State<Shared>, Query(query): Query<ProductsQuery>) -> Reply {
    let paging = Paging { limit: query.limit, cursor: query.cursor };
    let limit = paging.rows()?;
    let from = from(paging.cursor.as_deref())?;
    let rules = shared.rules()?;
    let wall = shared.machine.wall();
    let page = shared.read(|conn| {
        let items = find(conn, query.q.as_deref(), from, limit + 1)?;
        let rows = items.into_iter().map(|(found, item)| {
            let cursor = cursor(found, item.sku_no);
            Ok((cursor, show(conn, &rules, wall, item)?))
        });
        rows.collect::<Answer<Vec<_>>>()
    })?;
    Ok(ok(&Page::cut(page, limit, |(cursor, _)| cursor.clone(), |(_, product)| product)))
}

/// `12` is behind the 12th among whole words, `b12` among beginnings.
fn cursor(found: Match, after: i64) -> String {
    match found {
        Match::Whole => after.to_string(),
        Match::Beginning => format!("b{after}"),
    }
}

fn from(cursor: Option<&str>) -> Answer<From> {
    let Some(text) = cursor else { return Ok(search::START) };
    let (found, number) = match text.strip_prefix('b') {
        Some(number) => (Match::Beginning, number),
        None => (Match::Whole, text),
    };
    let after = number.parse().map_err(|_| no(Code::BadQuery, "the cursor is none of this list's"))?;
    Ok(From { found, after })
}

fn find(conn: &Connection, words: Option<&str>, from: From, limit: usize) -> Answer<Vec<(Match, Item)>> {
    let Some(words) = words.map(str::trim).filter(|w| !w.is_empty()) else {
        let page = catalog::page(conn, from.after, limit)?;
        return Ok(page.into_iter().map(|item| (Match::Whole, item)).collect());
    };
    let mut items = Vec::new();
    for (found, no) in search::find(conn, words, from, limit)? {
        items.extend(catalog::by_sku_no(conn, no)?.map(|item| (found, item)));
    }
    Ok(items)
}

/// Reads a product.
#[utoipa::path(get, path = "/v1/products/{sku}", operation_id = "getProduct", tag = "catalog", params(("sku" = String, Path, description = "The item's code")),
    responses((status = 200, description = "The product", body = ProductOut), (status = 404, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn get_product(State(shared): State<Shared>, Path(text): Path<String>) -> Reply {
    let sku = parse::sku(&text, "/sku")?;
    let rules = shared.rules()?;
    let wall = shared.machine.wall();
    let product = shared.read(|conn| {
        let item =
            catalog::by_sku(conn, &sku)?.ok_or_else(|| no(Code::NotFound, format!("no item {}", sku.0)))?;
        show(conn, &rules, wall, item)
    })?;
    Ok(ok(&product))
}

/// Looks up whatever a scanner read: trade item, label, PLU or SKU.
#[utoipa::path(get, path = "/v1/lookup/{code}", operation_id = "lookUp", tag = "catalog", params(("code" = String, Path, description = "What the scanner read")),
    responses((status = 200, description = "What it names", body = LookupOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn look_up(State(shared): State<Shared>, Path(code): Path<String>) -> Reply {
    let rules = shared.rules()?;
    let wall = shared.machine.wall();
    let found = shared.read(|conn| {
        let found = lookup::scan(conn, &rules.settings, &code).map_err(not_here)?;
        let label_amount = found.label_amount().map(|m| m.0);
        let quantity_milli = match found.wanted {
            Some(Wanted::Quantity(quantity)) => Some(quantity.0),
            _ => None,
        };
        let matched = matched_name(found.matched);
        Ok(LookupOut {
            matched,
            product: show(conn, &rules, wall, found.item)?,
            quantity_milli,
            label_amount,
        })
    })?;
    Ok(ok(&found))
}

/// In an address, a code that names nothing is a thing that isn't here.
fn not_here(stop: Stop) -> Stop {
    match stop {
        Stop::No(problem) if problem.code == Code::UnknownBarcode => no(Code::NoSuchCode, problem.detail),
        stop => stop,
    }
}

fn matched_name(matched: Matched) -> &'static str {
    match matched {
        Matched::Gtin => "gtin",
        Matched::Plu => "plu",
        Matched::WeightLabel => "weight_label",
        Matched::PriceLabel => "price_label",
        Matched::Sku => "sku",
    }
}

fn show(conn: &Connection, rules: &Rulebook, wall: i64, item: Item) -> Answer<ProductOut> {
    let prices = catalog::prices(conn, item.sku_no, &item.product.sku)?;
    let price = in_force_at(prices.iter().map(|(entry, _)| entry), DEFAULT_LIST, UtcMs(wall));
    let version =
        price.and_then(|p| prices.iter().rev().find(|(entry, _)| entry == p)).map(|(_, version)| *version);
    let row = stock::load(conn, item.sku_no)?;
    let available =
        i64::try_from(row.rights()).unwrap_or(i64::MAX) + stock::rights_of_others(conn, item.sku_no)?;
    let product = item.product;
    let ppm = rules.settings.tax_at(&product.tax_category, UtcMs(wall)).map(|tax| tax.ppm);
    Ok(ProductOut {
        sku: product.sku.0,
        name: product.name,
        category: product.category,
        gtins: product.gtins.iter().map(|g| g.shortest()).collect(),
        plu: product.plu,
        unit: unit(&product.unit),
        price: price.map(|p| p.price.0),
        price_list: price.map(|p| p.list.clone()).unwrap_or_default(),
        price_version: version.map(|v| VersionOut { epoch: v.epoch, version: v.version }),
        tax: TaxOut { category: product.tax_category, ppm },
        currency: rules.settings.currency.code().to_owned(),
        exponent: rules.settings.currency.exponent,
        min_age: product.min_age,
        policy: match product.policy {
            StockPolicy::Strict => "strict",
            StockPolicy::InHand => "in_hand",
            StockPolicy::Override => "override",
        },
        weighed: product.weighed,
        active: product.active,
        stock: StockFigures { on_hand: row.shelf(), available },
    })
}

pub(super) fn unit(unit: &tradepost_commerce::quantity::Unit) -> UnitOut {
    let base = match unit.base {
        BaseUnit::Piece => "piece",
        BaseUnit::Gram => "gram",
        BaseUnit::Millilitre => "millilitre",
        BaseUnit::Millimetre => "millimetre",
    };
    UnitOut { base, base_per_unit: unit.base_per_unit }
}
