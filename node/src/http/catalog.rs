//! The store's own catalog, before enrolment.

use super::answer::{Reply, ok};
use super::body::Json;
use super::parse;
use super::state::Shared;
use crate::app::catalog;
use crate::app::problem::{Answer, Code, no_at};
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use tradepost_commerce::document::Sku;
use tradepost_commerce::gtin::{BadGtin, Gtin};
use tradepost_commerce::money::Money;
use tradepost_commerce::price_book::PriceEntry;
use tradepost_commerce::product::{Product, StockPolicy};
use tradepost_commerce::quantity::{BaseUnit, Unit};
use tradepost_commerce::time::UtcMs;
use utoipa::ToSchema;

/// A product of the store's own.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductBody {
    /// Its name as printed.
    pub name: String,
    /// Where it stands in the range.
    #[serde(default)]
    pub category: String,
    /// Trade item numbers.
    #[serde(default)]
    pub gtins: Vec<String>,
    /// The number on scale labels.
    pub plu: Option<u32>,
    /// What it is priced by; a piece where nothing is said.
    pub unit: Option<UnitBody>,
    /// Its tax category.
    pub tax_category: String,
    /// Years a customer must have.
    pub min_age: Option<u8>,
    /// How stock binds its sale.
    pub policy: Option<PolicyBody>,
    /// Weighed or measured at the sale.
    #[serde(default)]
    pub weighed: bool,
    /// Sold with serial numbers.
    #[serde(default)]
    pub serialised: bool,
    /// In the range.
    pub active: Option<bool>,
    /// What one pricing unit costs the store.
    pub cost: Option<i64>,
}

/// What an item is priced by.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitBody {
    /// What is counted on the shelf.
    pub base: BaseBody,
    /// Base units in one pricing unit.
    pub base_per_unit: u32,
}

/// What is counted on the shelf.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BaseBody {
    /// Pieces.
    Piece,
    /// Grams.
    Gram,
    /// Millilitres.
    Millilitre,
    /// Millimetres.
    Millimetre,
}

/// How stock binds a sale.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PolicyBody {
    /// Only within the rights.
    Strict,
    /// What is in hand is sold.
    InHand,
    /// Beyond the rights when somebody allows it.
    Override,
}

/// A price of the store's own.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceBody {
    /// Minor units for one pricing unit.
    pub price: i64,
    /// Milliseconds since 1970 UTC; from now on where nothing is said.
    pub valid_from: Option<i64>,
    /// Milliseconds since 1970 UTC; for good where nothing is said.
    pub valid_to: Option<i64>,
    /// The list; the store's own where nothing is said.
    pub list: Option<String>,
}

/// The catalog's version after a change.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogOut {
    /// Epoch; 0 before enrolment.
    pub epoch: u32,
    /// Version.
    pub version: u64,
}

/// Writes a product, before enrolment.
#[utoipa::path(put, path = "/v1/products/{sku}", operation_id = "putProduct", tag = "catalog", params(("sku" = String, Path, description = "The item's code")), request_body = ProductBody,
    responses((status = 200, description = "The catalog's new version", body = CatalogOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn put_product(
    State(shared): State<Shared>,
    Path(sku): Path<String>,
    Json(body): Json<ProductBody>,
) -> Reply {
    let sku = parse::sku(&sku, "/sku")?;
    let product = product(&sku, &body)?;
    let put = move |node: &mut crate::app::Node, _| catalog::put_product(node, &sku, product);
    shared.writer.ask(put).await?;
    version(&shared)
}

/// Publishes a price, before enrolment.
#[utoipa::path(put, path = "/v1/prices/{sku}", operation_id = "putPrice", tag = "catalog", params(("sku" = String, Path, description = "The item's code")), request_body = PriceBody,
    responses((status = 200, description = "The catalog's new version", body = CatalogOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn put_price(
    State(shared): State<Shared>,
    Path(sku): Path<String>,
    Json(body): Json<PriceBody>,
) -> Reply {
    let sku = parse::sku(&sku, "/sku")?;
    let list = parse::short(body.list.as_deref().unwrap_or_default(), "/list")?;
    shared
        .writer
        .ask(move |node, now| {
            let entry = PriceEntry {
                list,
                sku,
                price: Money(body.price),
                valid_from: UtcMs(body.valid_from.unwrap_or(now.trading)),
                valid_to: body.valid_to.map(UtcMs),
            };
            catalog::put_price(node, entry)
        })
        .await?;
    version(&shared)
}

fn version(shared: &Shared) -> Reply {
    let at = shared.writer.pulse().borrow().catalog;
    shared.tell("price.activated", format!("{{\"epoch\":{},\"version\":{}}}", at.epoch, at.version));
    Ok(ok(&CatalogOut { epoch: at.epoch, version: at.version }))
}

fn product(sku: &Sku, body: &ProductBody) -> Answer<Product> {
    let gtin = |(i, code): (usize, &String)| Gtin::parse(code).map_err(|bad| bad_gtin(i, &bad));
    Ok(Product {
        sku: sku.clone(),
        name: named(&body.name)?,
        gtins: body.gtins.iter().enumerate().map(gtin).collect::<Answer<_>>()?,
        plu: body.plu,
        unit: body.unit.as_ref().map_or_else(|| Ok(Unit::piece()), unit)?,
        tax_category: parse::short(&body.tax_category, "/tax_category")?,
        min_age: body.min_age,
        policy: match body.policy {
            Some(PolicyBody::Strict) => StockPolicy::Strict,
            Some(PolicyBody::Override) => StockPolicy::Override,
            _ => StockPolicy::InHand,
        },
        weighed: body.weighed,
        serialised: body.serialised,
        active: body.active.unwrap_or(true),
        cost: body.cost.map(Money),
        category: parse::short(&body.category, "/category")?,
    })
}

fn named(name: &str) -> Answer<String> {
    let name = parse::short(name, "/name")?;
    if name.is_empty() {
        return Err(no_at(Code::WrongType, "/name", "a product has a name"));
    }
    Ok(name)
}

fn bad_gtin(index: usize, bad: &BadGtin) -> crate::app::Stop {
    let code = if bad.code() == "BAD_CHECK_DIGIT" { Code::BadCheckDigit } else { Code::BadCode };
    no_at(code, format!("/gtins/{index}"), bad.to_string())
}

fn unit(body: &UnitBody) -> Answer<Unit> {
    if body.base_per_unit == 0 {
        return Err(no_at(Code::WrongType, "/unit/base_per_unit", "a unit of nothing"));
    }
    let base = match body.base {
        BaseBody::Piece => BaseUnit::Piece,
        BaseBody::Gram => BaseUnit::Gram,
        BaseBody::Millilitre => BaseUnit::Millilitre,
        BaseBody::Millimetre => BaseUnit::Millimetre,
    };
    Ok(Unit { base, base_per_unit: body.base_per_unit })
}
