//! The hub's catalog as a predictor for the wire (`model.md` §6): what is known of an item for one store.

use crate::db::{Db, DbError, Tx, products, stores};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tradepost_commerce::document::{CatalogVersion, Sku};
use tradepost_commerce::price_book::{DEFAULT_LIST, PriceEntry};
use tradepost_commerce::product::Product;
use tradepost_commerce::settings::Settings;
use tradepost_commerce::time::{self, in_force};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::wire::{Shelf, ShelfFacts};

/// What is known of an item.
#[derive(Clone, Debug)]
struct Item {
    product: Product,
    number: u32,
    /// Its prices on the store's own list: (catalog version, entry), in order of publication.
    prices: Vec<(u64, PriceEntry)>,
}

/// What a store's shelf remembers between batches, until the catalog moves on.
#[derive(Default)]
pub struct ShelfMemory {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    at: CatalogVersion,
    settings_version: u32,
    items: HashMap<Sku, Option<Arc<Item>>>,
    numbers: HashMap<u32, Option<Sku>>,
}

/// The shelf of one store, for one batch.
pub struct StoreShelf<'a> {
    db: &'a Db,
    store: i64,
    settings: Settings,
    held: RefCell<std::sync::MutexGuard<'a, Held>>,
}

impl ShelfMemory {
    /// The shelf as of now; what was remembered of an older catalog is forgotten.
    pub fn shelf<'a>(&'a self, db: &'a Db, store: i64) -> Result<StoreShelf<'a>, DbError> {
        let (at, row) =
            db.read(|tx| Ok::<_, DbError>((crate::db::catalog::head(tx)?.at, stores::by_no(tx, store)?)))?;
        let row = row.ok_or_else(|| DbError::Shape("no such store".to_owned()))?;
        let settings = serde_json::from_str(&row.settings).map_err(|e| DbError::Shape(e.to_string()))?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.at != at || held.settings_version != row.settings_version {
            *held = Held { at, settings_version: row.settings_version, ..Held::default() };
        }
        Ok(StoreShelf { db, store, settings, held: RefCell::new(held) })
    }
}

impl StoreShelf<'_> {
    fn item(&self, sku: &Sku) -> Option<Arc<Item>> {
        if let Some(known) = self.held.borrow().items.get(sku) {
            return known.clone();
        }
        let item = self.db.read(|tx| load(tx, self.store, sku)).ok().flatten().map(Arc::new);
        self.held.borrow_mut().items.insert(sku.clone(), item.clone());
        item
    }
}

fn load(tx: &mut Tx<'_>, store: i64, sku: &Sku) -> Result<Option<Item>, DbError> {
    let Some(row) = products::find(tx, &sku.0)? else { return Ok(None) };
    let product = serde_json::from_str(&row.body).map_err(|e| DbError::Shape(e.to_string()))?;
    let prices = products::prices(tx, Some(&sku.0), 0, 1_000)?
        .into_iter()
        .filter(|price| price.entry.list == DEFAULT_LIST && (price.store == 0 || price.store == store))
        .map(|price| (price.version, price.entry))
        .collect();
    Ok(Some(Item { product, number: row.no, prices }))
}

impl Shelf for StoreShelf<'_> {
    fn facts(&self, sku: &Sku, at: CatalogVersion, trading: UtcMs) -> Option<ShelfFacts> {
        let item = self.item(sku)?;
        let trading = time::UtcMs(trading);
        let known = item.prices.iter().filter(|(version, _)| *version <= at.version).map(|(_, entry)| entry);
        let price = known
            .filter(|entry| in_force(entry.valid_from, entry.valid_to, trading))
            .max_by_key(|entry| entry.valid_from)
            .map(|entry| entry.price);
        Some(ShelfFacts {
            name: item.product.name.clone(),
            unit: item.product.unit.clone(),
            tax: self.settings.tax_at(&item.product.tax_category, trading)?,
            price,
        })
    }

    fn number(&self, sku: &Sku) -> Option<u32> {
        self.item(sku).map(|item| item.number)
    }

    fn sku(&self, number: u32) -> Option<Sku> {
        if let Some(known) = self.held.borrow().numbers.get(&number) {
            return known.clone();
        }
        let sku = self.db.read(|tx| products::sku_of(tx, number)).ok().flatten().map(Sku);
        self.held.borrow_mut().numbers.insert(number, sku.clone());
        sku
    }
}
