//! The catalog as a predictor of the wire form (`model.md` §6); a wrong answer costs bytes and nothing else.

use crate::app::node::catalog_version;
use crate::db::catalog::{self, Item};
use rusqlite::Connection;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use tradepost_commerce::document::{CatalogVersion, Sku};
use tradepost_commerce::price_book::{DEFAULT_LIST, PriceEntry, in_force_at};
use tradepost_commerce::settings::Settings;
use tradepost_commerce::time::UtcMs;
use tradepost_sync::wire::{Shelf, ShelfFacts};

type Priced = (Item, Vec<(PriceEntry, CatalogVersion)>);

/// The catalog that is held, for as long as one batch is packed or read.
pub struct HeldShelf<'a> {
    conn: &'a Connection,
    settings: OnceCell<Settings>,
    items: RefCell<HashMap<Sku, Option<Rc<Priced>>>>,
}

impl<'a> HeldShelf<'a> {
    /// Over a connection.
    pub fn new(conn: &'a Connection) -> Self {
        Self { conn, settings: OnceCell::new(), items: RefCell::new(HashMap::new()) }
    }

    fn item(&self, sku: &Sku) -> Option<Rc<Priced>> {
        if let Some(item) = self.items.borrow().get(sku) {
            return item.clone();
        }
        let found = catalog::by_sku(self.conn, sku).ok().flatten().and_then(|item| {
            let prices = catalog::prices(self.conn, item.sku_no, sku).ok()?;
            Some(Rc::new((item, prices)))
        });
        self.items.borrow_mut().insert(sku.clone(), found.clone());
        found
    }

    fn settings(&self) -> &Settings {
        self.settings.get_or_init(|| catalog::settings(self.conn).ok().flatten().unwrap_or_default())
    }
}

impl Shelf for HeldShelf<'_> {
    fn facts(
        &self,
        sku: &Sku,
        at: CatalogVersion,
        trading: tradepost_sync::clock::UtcMs,
    ) -> Option<ShelfFacts> {
        let item = self.item(sku)?;
        let (item, prices) = (&item.0, &item.1);
        let known = prices.iter().filter(|(_, version)| *version <= at).map(|(entry, _)| entry);
        let price = in_force_at(known, DEFAULT_LIST, UtcMs(trading)).map(|entry| entry.price);
        let tax = self.settings().tax_at(&item.product.tax_category, UtcMs(trading))?;
        Some(ShelfFacts { name: item.product.name.clone(), unit: item.product.unit.clone(), tax, price })
    }

    fn number(&self, sku: &Sku) -> Option<u32> {
        // A node's own numbering says nothing to a hub: only the stream's does.
        let stream = catalog_version(self.conn).ok()?.epoch > 0;
        self.item(sku).filter(|_| stream).map(|item| item.0.no)
    }

    fn sku(&self, number: u32) -> Option<Sku> {
        catalog::by_no(self.conn, number).ok().flatten().map(|item| item.product.sku)
    }
}
