//! What is in force at the counter, read from the file: settings, promotions, and items with their prices.

use crate::db::catalog::{self, Item};
use crate::db::{Fault, meta};
use jiff::tz::TimeZone;
use rusqlite::Connection;
use tradepost_commerce::document::CatalogVersion;
use tradepost_commerce::price_book::PriceBook;
use tradepost_commerce::promotion::Promotion;
use tradepost_commerce::settings::Settings;

/// The rules of the counter: settings, promotions and the catalog they come from.
#[derive(Debug)]
pub struct Rulebook {
    /// The store's settings.
    pub settings: Settings,
    /// Its time zone.
    pub zone: TimeZone,
    /// All promotions.
    pub promotions: Vec<Promotion>,
    /// The catalog's version.
    pub catalog: CatalogVersion,
}

/// An item with its prices.
#[derive(Debug)]
pub struct ShelfItem {
    /// The product and its numbers.
    pub item: Item,
    /// Its prices.
    pub book: PriceBook,
}

impl Rulebook {
    /// Reads the rules from the file.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn load(conn: &Connection) -> Result<Self, Fault> {
        let settings = catalog::settings(conn)?.unwrap_or_default();
        let zone = TimeZone::get(&settings.time_zone).unwrap_or_else(|error| {
            tracing::warn!(zone = %settings.time_zone, %error, "unknown time zone; UTC is used");
            TimeZone::UTC
        });
        let catalog = catalog_version(conn)?;
        Ok(Self { settings, zone, promotions: catalog::promotions(conn)?, catalog })
    }
}

/// The catalog's version that is held.
///
/// # Errors
/// [`Fault`].
pub fn catalog_version(conn: &Connection) -> Result<CatalogVersion, Fault> {
    Ok(meta::get(conn, "catalog")?.unwrap_or_default())
}

impl ShelfItem {
    /// Reads an item's prices.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn load(conn: &Connection, item: Item, catalog: CatalogVersion) -> Result<Self, Fault> {
        let prices = catalog::prices(conn, item.sku_no, &item.product.sku)?;
        let book = PriceBook::new(catalog, prices.into_iter().map(|(entry, _)| entry));
        Ok(Self { item, book })
    }
}
