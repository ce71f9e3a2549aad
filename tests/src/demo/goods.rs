//! The goods and baskets of a demo, read from NDJSON (`scripts/lib/rules.py` says how baskets are made).

use super::Outcome;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use tradepost_commerce::price_book::PriceEntry;
use tradepost_commerce::product::Product;
use tradepost_commerce::promotion::Promotion;
use tradepost_commerce::settings::Settings;

/// A catalog as it is published.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// The stores' settings, with the tax rates in them.
    pub settings: Value,
    /// Everything that can be sold.
    pub products: Vec<Product>,
    /// What it costs.
    pub prices: Vec<PriceEntry>,
    /// What takes off by itself.
    pub promotions: Vec<Promotion>,
    /// What arrives in each store: item and base units.
    pub stock: Vec<(String, i64)>,
}

/// One customer's purchase.
#[derive(Clone, Debug, Deserialize)]
pub struct Basket {
    /// The store's number in the data set.
    pub store: u32,
    /// The purchase's name in the data set.
    pub basket: String,
    /// What was bought.
    pub lines: Vec<BasketLine>,
    /// `cash`, `card` or `mixed`.
    pub pay: String,
    /// Discounts on the whole order.
    #[serde(default)]
    pub discounts: Vec<BasketDiscount>,
    /// What comes back.
    #[serde(default)]
    pub refund: Option<BasketRefund>,
}

/// A line of a basket.
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
pub struct BasketLine {
    /// The item.
    pub sku: String,
    /// Thousandths of the pricing unit.
    pub quantity_milli: i64,
    /// Discounts on the line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discounts: Vec<BasketDiscount>,
}

/// A discount, as the node's API takes it.
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
pub struct BasketDiscount {
    /// `percent` or `fixed`.
    pub kind: String,
    /// Parts per million or minor units.
    pub value: i64,
    /// Why.
    pub reason: String,
    /// The coupon behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon: Option<String>,
}

/// What a customer brings back.
#[derive(Clone, Debug, Deserialize)]
pub struct BasketRefund {
    /// Index of the basket's line.
    pub line: usize,
    /// Thousandths of the pricing unit.
    pub quantity_milli: i64,
    /// `resell` or `waste`.
    pub condition: String,
    /// `cash` or `card`.
    pub tender: String,
    /// Why.
    pub reason: String,
}

/// A store as the data set names it.
#[derive(Clone, Debug, Deserialize)]
pub struct StoreName {
    /// Its number in the data set.
    pub store: u32,
    /// Its code at the hub.
    pub code: String,
    /// Its name.
    pub name: String,
}

impl Catalog {
    /// Reads a catalog file, one record a line.
    ///
    /// # Errors
    /// The file can't be read, or a line isn't what its type says.
    pub fn read(path: &Path) -> Outcome<Self> {
        let mut catalog = Self::default();
        let mut taxes = Vec::new();
        for (at, record) in records(path)?.into_iter().enumerate() {
            let wrong = |e: super::Failure| format!("{}:{}: {e}", path.display(), at + 1);
            catalog.take(record, &mut taxes).map_err(wrong)?;
        }
        catalog.settings["taxes"] = Value::Array(taxes);
        Ok(catalog)
    }

    fn take(&mut self, mut record: Map<String, Value>, taxes: &mut Vec<Value>) -> Outcome<()> {
        let kind = record.remove("type").unwrap_or_default();
        let value = Value::Object(record);
        match kind.as_str().unwrap_or_default() {
            "settings" => self.settings = value,
            "tax" => taxes.push(value),
            "product" => self.products.push(serde_json::from_value(value)?),
            "price" => self.prices.push(serde_json::from_value(value)?),
            "promotion" => self.promotions.push(serde_json::from_value(value)?),
            "stock" => {
                let units = value["units"].as_i64().ok_or("stock without units")?;
                self.stock.push((value["sku"].as_str().unwrap_or_default().to_owned(), units));
            }
            other => return Err(format!("unknown type {other}").into()),
        }
        Ok(())
    }

    /// Keeps the stock of what these baskets hold: what nobody will buy isn't delivered.
    pub fn deliver_only(&mut self, baskets: &[Basket]) {
        let bought: BTreeSet<&str> =
            baskets.iter().flat_map(|basket| &basket.lines).map(|line| line.sku.as_str()).collect();
        self.stock.retain(|(sku, _)| bought.contains(sku.as_str()));
    }

    /// The settings as the engine reads them.
    ///
    /// # Errors
    /// They aren't settings.
    pub fn parsed_settings(&self) -> Outcome<Settings> {
        Ok(serde_json::from_value(self.settings.clone())?)
    }
}

/// Reads baskets; with a limit, an equal part of each store.
///
/// # Errors
/// The file can't be read, or a line is no basket.
pub fn read_baskets(path: &Path, limit: Option<usize>) -> Outcome<Vec<Basket>> {
    let mut by_store: BTreeMap<u32, Vec<Basket>> = BTreeMap::new();
    for record in records(path)? {
        let basket: Basket = serde_json::from_value(Value::Object(record))?;
        by_store.entry(basket.store).or_default().push(basket);
    }
    let share = limit.map_or(usize::MAX, |limit| limit.div_ceil(by_store.len().max(1)));
    Ok(take_turns(by_store.into_values().map(|baskets| baskets.into_iter().take(share).collect()).collect()))
}

/// The stores of these baskets, by the names that stand beside them in `stores.ndjson` or by their numbers.
///
/// # Errors
/// That file holds something else.
pub fn stores_of(baskets: &[Basket], path: &Path) -> Outcome<Vec<StoreName>> {
    let mut named: BTreeMap<u32, StoreName> = BTreeMap::new();
    let file = path.with_file_name("stores.ndjson");
    if file.is_file() {
        for record in records(&file)? {
            let store: StoreName = serde_json::from_value(Value::Object(record))?;
            named.insert(store.store, store);
        }
    }
    let numbers: BTreeSet<u32> = baskets.iter().map(|basket| basket.store).collect();
    let numbered = |store| StoreName { store, code: format!("S{store:02}"), name: format!("Store {store}") };
    Ok(numbers.into_iter().map(|store| named.remove(&store).unwrap_or_else(|| numbered(store))).collect())
}

/// The stores' baskets in turns, so that all stores sell all the time; what one has more of is spread evenly.
fn take_turns(stores: Vec<Vec<Basket>>) -> Vec<Basket> {
    let mut placed: Vec<(u64, usize, Basket)> = Vec::new();
    for (store, baskets) in stores.into_iter().enumerate() {
        let count = u64::try_from(baskets.len()).unwrap_or(u64::MAX).max(1);
        for (at, basket) in (0u64..).zip(baskets) {
            placed.push((at * 1_000_000 / count, store, basket));
        }
    }
    placed.sort_by_key(|(place, store, _)| (*place, *store));
    placed.into_iter().map(|(_, _, basket)| basket).collect()
}

fn records(path: &Path) -> Outcome<Vec<Map<String, Value>>> {
    let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    Ok(lines.map(serde_json::from_str).collect::<Result<_, _>>()?)
}

impl BasketRefund {
    /// The refund as the node's API takes it; `line` is the number that the sale gave the line.
    pub fn request(&self, till: &str, sale: &str, line: &Value) -> Value {
        json!({
            "till": till,
            "sale_id": sale,
            "reason": self.reason,
            "lines": [{"line": line, "quantity_milli": self.quantity_milli, "condition": self.condition}],
            "tender": self.tender,
        })
    }
}
