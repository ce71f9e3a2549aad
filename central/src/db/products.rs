//! Products, prices and promotions as the hub keeps them.

use super::{DbError, Row, Tx};
use crate::values;
use tradepost_commerce::document::Sku;
use tradepost_commerce::money::Money;
use tradepost_commerce::price_book::PriceEntry;

/// A product's row.
#[derive(Clone, Debug)]
pub struct ProductRow {
    /// Its number: the order of first appearance in the catalog stream.
    pub no: u32,
    /// Version of the row, for `ETag`.
    pub row_version: u64,
    /// The product as JSON.
    pub body: String,
    /// Whether it is gone from the catalog.
    pub removed: bool,
    /// The catalog version it first appeared with.
    pub first_version: u64,
}

fn product(row: &Row) -> Result<ProductRow, DbError> {
    Ok(ProductRow {
        no: row.get(0)?,
        row_version: row.get(1)?,
        body: row.get(2)?,
        removed: row.get(3)?,
        first_version: row.get(4)?,
    })
}

/// The product with a SKU.
pub fn find(tx: &mut Tx<'_>, sku: &str) -> Result<Option<ProductRow>, DbError> {
    let sql = "SELECT no, row_version, body, removed, first_version FROM products WHERE sku = ?1";
    tx.row(sql, values![sku])?.as_ref().map(product).transpose()
}

/// The SKU with a number.
pub fn sku_of(tx: &mut Tx<'_>, no: u32) -> Result<Option<String>, DbError> {
    tx.row("SELECT sku FROM products WHERE no = ?1", values![no])?.map(|row| row.get(0)).transpose()
}

/// Products after a SKU whose folded text holds `query`, in order.
pub fn list(tx: &mut Tx<'_>, query: &str, after: &str, limit: usize) -> Result<Vec<ProductRow>, DbError> {
    let sql = "SELECT no, row_version, body, removed, first_version FROM products \
        WHERE removed = 0 AND sku > ?1 AND folded LIKE ?2 ORDER BY sku LIMIT ?3";
    let pattern = format!("%{}%", query.replace(['%', '_'], " "));
    tx.rows(sql, values![after, pattern, limit])?.iter().map(product).collect()
}

/// Puts a product in place.
pub fn put(
    tx: &mut Tx<'_>,
    sku: &str,
    row: &ProductRow,
    folded: &str,
    gtins: &[String],
) -> Result<(), DbError> {
    let sql = "INSERT INTO products (sku, no, row_version, folded, body, removed, first_version) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
        ON CONFLICT (sku) DO UPDATE SET row_version = excluded.row_version, folded = excluded.folded, \
        body = excluded.body, removed = excluded.removed";
    tx.execute(
        sql,
        values![sku, row.no, row.row_version, folded, &row.body, row.removed, row.first_version],
    )?;
    tx.execute("DELETE FROM product_gtins WHERE sku = ?1", values![sku])?;
    for gtin in gtins {
        let sql = "INSERT INTO product_gtins (gtin, sku) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        tx.execute(sql, values![gtin, sku])?;
    }
    Ok(())
}

/// Products that carry a GTIN (14 digits).
pub fn with_gtin(tx: &mut Tx<'_>, gtin: &str) -> Result<Vec<String>, DbError> {
    let sql = "SELECT g.sku FROM product_gtins g JOIN products p ON p.sku = g.sku \
        WHERE g.gtin = ?1 AND p.removed = 0 ORDER BY g.sku";
    tx.rows(sql, values![gtin])?.iter().map(|row| row.get(0)).collect()
}

/// How many products there are.
pub fn count(tx: &mut Tx<'_>) -> Result<i64, DbError> {
    tx.row("SELECT count(*) FROM products WHERE removed = 0", &[])?.map_or(Ok(0), |row| row.get(0))
}

/// A published price.
#[derive(Clone, Debug)]
pub struct PriceRow {
    /// Its place in the order of publication.
    pub no: i64,
    /// The store it is for; 0 for every one.
    pub store: i64,
    /// The price.
    pub entry: PriceEntry,
    /// The catalog version it came with.
    pub version: u64,
}

/// Adds a price.
pub fn add_price(tx: &mut Tx<'_>, store: i64, entry: &PriceEntry, version: u64) -> Result<(), DbError> {
    let sql = "INSERT INTO prices (sku, list, store, price, valid_from, valid_to, version) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let (sku, list) = (&entry.sku.0, &entry.list);
    tx.execute(sql, values![sku, list, store, entry.price.0, entry.valid_from, entry.valid_to, version])
        .map(|_| ())
}

/// Prices after a place in the order of publication; of one item if it is given.
pub fn prices(
    tx: &mut Tx<'_>,
    sku: Option<&str>,
    after: i64,
    limit: usize,
) -> Result<Vec<PriceRow>, DbError> {
    let columns = "SELECT no, sku, list, store, price, valid_from, valid_to, version FROM prices";
    let rows = match sku {
        Some(sku) => {
            let sql = format!("{columns} WHERE sku = ?1 AND no > ?2 ORDER BY no LIMIT ?3");
            tx.rows(&sql, values![sku, after, limit])?
        }
        None => tx.rows(&format!("{columns} WHERE no > ?1 ORDER BY no LIMIT ?2"), values![after, limit])?,
    };
    let read = |row: &Row| {
        Ok(PriceRow {
            no: row.get(0)?,
            store: row.get(3)?,
            entry: PriceEntry {
                sku: Sku(row.get(1)?),
                list: row.get(2)?,
                price: Money(row.get(4)?),
                valid_from: row.get(5)?,
                valid_to: row.get(6)?,
            },
            version: row.get(7)?,
        })
    };
    rows.iter().map(read).collect()
}

/// A promotion's row.
#[derive(Clone, Debug)]
pub struct PromotionRow {
    /// Version of the row, for `ETag`.
    pub row_version: u64,
    /// The promotion as JSON.
    pub body: String,
    /// Whether it is gone.
    pub removed: bool,
}

/// The promotion with a code.
pub fn promotion(tx: &mut Tx<'_>, id: &str) -> Result<Option<PromotionRow>, DbError> {
    let sql = "SELECT row_version, body, removed FROM promotions WHERE id = ?1";
    tx.row(sql, values![id])?.as_ref().map(promotion_row).transpose()
}

/// Promotions after a code, in order.
pub fn promotions(tx: &mut Tx<'_>, after: &str, limit: usize) -> Result<Vec<PromotionRow>, DbError> {
    let sql = "SELECT row_version, body, removed FROM promotions WHERE removed = 0 AND id > ?1 ORDER BY id LIMIT ?2";
    tx.rows(sql, values![after, limit])?.iter().map(promotion_row).collect()
}

fn promotion_row(row: &Row) -> Result<PromotionRow, DbError> {
    Ok(PromotionRow { row_version: row.get(0)?, body: row.get(1)?, removed: row.get(2)? })
}

/// Puts a promotion in place.
pub fn put_promotion(tx: &mut Tx<'_>, id: &str, row: &PromotionRow) -> Result<(), DbError> {
    let sql = "INSERT INTO promotions (id, row_version, body, removed) VALUES (?1, ?2, ?3, ?4) \
        ON CONFLICT (id) DO UPDATE SET row_version = excluded.row_version, body = excluded.body, \
        removed = excluded.removed";
    tx.execute(sql, values![id, row.row_version, &row.body, row.removed]).map(|_| ())
}

/// Products that first appeared with a catalog version.
pub fn first_in(tx: &mut Tx<'_>, version: u64) -> Result<std::collections::BTreeSet<String>, DbError> {
    let sql = "SELECT sku FROM products WHERE first_version = ?1";
    tx.rows(sql, values![version])?.iter().map(|row| row.get(0)).collect()
}
