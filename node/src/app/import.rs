//! Filling the store's own catalog from a file: NDJSON, or CSV with a header (`model.md` §1, a node alone).

use super::catalog::change;
use super::clock::Now;
use super::node::Node;
use super::problem::{Answer, Code, Problem, Stop, no};
use super::receive;
use super::request::DeliveryRequest;
use serde::Deserialize;
use std::io::BufRead;
use tradepost_commerce::document::Sku;
use tradepost_commerce::gtin::Gtin;
use tradepost_commerce::money::Money;
use tradepost_commerce::price_book::PriceEntry;
use tradepost_commerce::product::Product;
use tradepost_commerce::promotion::Promotion;
use tradepost_commerce::quantity::{BaseUnit, Unit};
use tradepost_commerce::settings::Settings;
use tradepost_commerce::tax::TaxRate;
use tradepost_commerce::time::UtcMs;
use tradepost_sync::catalog::Change;
use tradepost_sync::ids::derived_id;

/// The catalogs that travel with the program.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("en-grocer", include_str!("../../catalogs/en-grocer.ndjson")),
    ("vn-minimart", include_str!("../../catalogs/vn-minimart.ndjson")),
];

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON record a line.
    Ndjson,
    /// `sku,name,price,tax_category,gtin,plu,category,unit,units` with a header line.
    Csv,
}

/// What an import brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Products written.
    pub products: usize,
    /// Prices published.
    pub prices: usize,
    /// Promotions written.
    pub promotions: usize,
    /// Items whose stock was received.
    pub stocked: usize,
}

/// What a file holds, read whole before anything is written.
#[derive(Debug, Default)]
pub struct Catalog {
    settings: Option<Settings>,
    taxes: Vec<TaxRate>,
    products: Vec<Product>,
    prices: Vec<PriceEntry>,
    promotions: Vec<Promotion>,
    stock: Vec<(Sku, u64)>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    Settings(Box<Settings>),
    Tax(TaxRate),
    Product(Box<Product>),
    Price(PriceEntry),
    Promotion(Promotion),
    Stock { sku: Sku, units: u64 },
}

impl Catalog {
    /// Reads a file.
    ///
    /// # Errors
    /// `BAD_JSON` with the line's number and what is wrong with it.
    pub fn read(file: impl BufRead, format: Format) -> Answer<Self> {
        match format {
            Format::Ndjson => Self::read_ndjson(file),
            Format::Csv => Self::read_csv(file),
        }
    }

    fn read_ndjson(file: impl BufRead) -> Answer<Self> {
        let mut catalog = Self::default();
        for (index, line) in file.lines().enumerate() {
            let line = line.map_err(|e| bad(index, &e))?;
            if line.trim().is_empty() {
                continue;
            }
            catalog.take(serde_json::from_str(&line).map_err(|e| bad(index, &e))?);
        }
        Ok(catalog)
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Settings(settings) => self.settings = Some(*settings),
            Line::Tax(rate) => self.taxes.push(rate),
            Line::Product(product) => self.products.push(*product),
            Line::Price(price) => self.prices.push(price),
            Line::Promotion(promotion) => self.promotions.push(promotion),
            Line::Stock { sku, units } => self.stock.push((sku, units)),
        }
    }

    fn read_csv(file: impl BufRead) -> Answer<Self> {
        let mut catalog = Self::default();
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(false).from_reader(file);
        for (index, row) in reader.deserialize::<Row>().enumerate() {
            let row = row.map_err(|e| bad(index + 1, &e))?;
            row.into_catalog(&mut catalog).map_err(|why| bad(index + 1, &why))?;
        }
        Ok(catalog)
    }
}

/// A row of a CSV file.
#[derive(Deserialize)]
struct Row {
    sku: String,
    name: String,
    price: i64,
    tax_category: String,
    #[serde(default)]
    gtin: Option<String>,
    #[serde(default)]
    plu: Option<u32>,
    #[serde(default)]
    category: Option<String>,
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    units: Option<u64>,
}

impl Row {
    fn into_catalog(self, catalog: &mut Catalog) -> Result<(), String> {
        let sku = Sku::parse(&self.sku).map_err(|e| e.to_string())?;
        let gtins = match self.gtin.as_deref() {
            None | Some("") => Vec::new(),
            Some(gtin) => vec![Gtin::parse(gtin).map_err(|e| e.to_string())?],
        };
        let unit = match self.unit.as_deref() {
            None | Some("" | "piece") => Unit::piece(),
            Some("kg") => Unit::kilogram(),
            Some("l") => Unit::litre(),
            Some("m") => Unit::metre(),
            Some(other) => return Err(format!("{other:?} is no unit: piece, kg, l or m")),
        };
        let weighed = unit.base != BaseUnit::Piece;
        catalog.prices.push(PriceEntry {
            list: String::new(),
            sku: sku.clone(),
            price: Money(self.price),
            valid_from: UtcMs(0),
            valid_to: None,
        });
        catalog.stock.extend(self.units.filter(|u| *u > 0).map(|units| (sku.clone(), units)));
        catalog.products.push(Product {
            sku,
            name: self.name,
            gtins,
            plu: self.plu,
            unit,
            tax_category: self.tax_category,
            min_age: None,
            policy: Default::default(),
            weighed,
            serialised: false,
            active: true,
            cost: None,
            category: self.category.unwrap_or_default(),
        });
        Ok(())
    }
}

fn bad(index: usize, why: &dyn std::fmt::Display) -> Stop {
    no(Code::BadJson, format!("line {}: {why}", index + 1))
}

/// Books a catalog: one version, and its stock as deliveries.
///
/// # Errors
/// `ENROLLED_CATALOG`, or what is wrong with the settings; or a fault. Then nothing was stored.
pub fn import(node: &mut Node, now: Now, file: Catalog) -> Answer<Imported> {
    let mut done = Imported {
        products: file.products.len(),
        prices: file.prices.len(),
        promotions: file.promotions.len(),
        stocked: file.stock.len(),
    };
    let changes = changes(node, file.settings, file.taxes, file.products, file.prices, file.promotions)?;
    change(node, &changes)?;
    done.stocked = stock(node, now, file.stock)?;
    Ok(done)
}

fn changes(
    node: &Node,
    settings: Option<Settings>,
    taxes: Vec<TaxRate>,
    products: Vec<Product>,
    prices: Vec<PriceEntry>,
    promotions: Vec<Promotion>,
) -> Answer<Vec<Change>> {
    let mut changes = Vec::with_capacity(products.len() + prices.len() + promotions.len() + 1);
    if settings.is_some() || !taxes.is_empty() {
        let before = &node.rulebook.settings;
        let mut settings = settings.unwrap_or_else(|| before.clone());
        settings.version = before.version + 1;
        settings.taxes.extend(taxes);
        settings.check().map_err(|bad| Problem::new(Code::WrongType, bad.to_string()))?;
        changes.push(Change::Settings(settings));
    }
    changes.extend(products.into_iter().map(Change::Product));
    changes.extend(prices.into_iter().map(Change::Price));
    changes.extend(promotions.into_iter().map(Change::Promotion));
    Ok(changes)
}

fn stock(node: &mut Node, now: Now, stock: Vec<(Sku, u64)>) -> Answer<usize> {
    let stock: Vec<_> = stock.into_iter().filter(|(_, units)| *units > 0).collect();
    for lines in stock.chunks(receive::LINES_MAX) {
        let (seq, hlc) = node.head.next(now.wall);
        let request = DeliveryRequest {
            id: derived_id(hlc.ms(), &node.head.incarnation, seq),
            reference: "catalog import".to_owned(),
            lines: lines.iter().map(|(sku, units)| (sku.clone(), *units, None)).collect(),
            not_delivered: false,
            same_as: None,
            approver: None,
        };
        receive::receive(node, now, &request)?;
    }
    Ok(stock.len())
}
