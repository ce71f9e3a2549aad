//! Products, prices, promotions, settings: what the hub published, or the store keeps itself before enrolment.

use super::Fault;
use super::incarnations::{int, unsigned};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tradepost_commerce::document::{CatalogVersion, Sku};
use tradepost_commerce::gtin::Gtin;
use tradepost_commerce::money::Money;
use tradepost_commerce::price_book::PriceEntry;
use tradepost_commerce::product::Product;
use tradepost_commerce::promotion::Promotion;
use tradepost_commerce::settings::Settings;
use tradepost_commerce::time::UtcMs;

/// A product with the number it has here and in the catalog stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its code's number in this file.
    pub sku_no: i64,
    /// Order of first appearance in this epoch of the catalog stream.
    pub no: u32,
    /// What the catalog says.
    pub product: Product,
}

/// The number of a code, where it is known.
///
/// # Errors
/// [`Fault`].
pub fn sku_no(conn: &Connection, sku: &Sku) -> Result<Option<i64>, Fault> {
    let mut statement = conn.prepare_cached("SELECT no FROM skus WHERE sku = ?1")?;
    Ok(statement.query_row([&sku.0], |row| row.get(0)).optional()?)
}

/// The code of a number.
///
/// # Errors
/// [`Fault`].
pub fn sku(conn: &Connection, no: i64) -> Result<Option<Sku>, Fault> {
    let mut statement = conn.prepare_cached("SELECT sku FROM skus WHERE no = ?1")?;
    Ok(statement.query_row([no], |row| row.get(0)).optional()?.map(Sku))
}

/// The number of a code, given to it where it has none.
///
/// # Errors
/// [`Fault`].
pub fn intern(conn: &Connection, sku: &Sku) -> Result<i64, Fault> {
    if let Some(no) = sku_no(conn, sku)? {
        return Ok(no);
    }
    conn.prepare_cached("INSERT INTO skus (sku) VALUES (?1)")?.execute([&sku.0])?;
    Ok(conn.last_insert_rowid())
}

/// A product by its code.
///
/// # Errors
/// [`Fault`].
pub fn by_sku(conn: &Connection, sku: &Sku) -> Result<Option<Item>, Fault> {
    let sql = "SELECT p.sku, p.no, p.body FROM skus k JOIN products p ON p.sku = k.no WHERE k.sku = ?1";
    item(conn, sql, [&sku.0])
}

/// A product by its code's number.
///
/// # Errors
/// [`Fault`].
pub fn by_sku_no(conn: &Connection, no: i64) -> Result<Option<Item>, Fault> {
    item(conn, "SELECT sku, no, body FROM products WHERE sku = ?1", [no])
}

/// A product by its place in the catalog stream.
///
/// # Errors
/// [`Fault`].
pub fn by_no(conn: &Connection, no: u32) -> Result<Option<Item>, Fault> {
    item(conn, "SELECT sku, no, body FROM products WHERE no = ?1", [no])
}

/// Products with this trade item number; usually one.
///
/// # Errors
/// [`Fault`].
pub fn by_gtin(conn: &Connection, gtin: Gtin) -> Result<Vec<Item>, Fault> {
    let sql = "SELECT p.sku, p.no, p.body FROM barcodes b JOIN products p ON p.sku = b.sku WHERE b.gtin = ?1";
    items(conn, sql, [gtin_int(gtin)])
}

/// Products with this PLU; usually one.
///
/// # Errors
/// [`Fault`].
pub fn by_plu(conn: &Connection, plu: u32) -> Result<Vec<Item>, Fault> {
    items(conn, "SELECT sku, no, body FROM products WHERE plu = ?1 ORDER BY sku", [plu])
}

/// Products whose number comes after `after`.
///
/// # Errors
/// [`Fault`].
pub fn page(conn: &Connection, after: i64, limit: usize) -> Result<Vec<Item>, Fault> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    items(conn, "SELECT sku, no, body FROM products WHERE sku > ?1 ORDER BY sku LIMIT ?2", [after, limit])
}

/// How many products there are.
///
/// # Errors
/// [`Fault`].
pub fn count(conn: &Connection) -> Result<u64, Fault> {
    Ok(conn
        .prepare_cached("SELECT coalesce(max(no), 0) FROM products")?
        .query_row([], |r| r.get(0))
        .map(unsigned)?)
}

/// Writes a product, its trade item numbers included; one that is new gets the next number of the stream.
///
/// # Errors
/// [`Fault`].
pub fn put_product(conn: &Connection, product: &Product) -> Result<Item, Fault> {
    let sku_no = intern(conn, &product.sku)?;
    let before = by_sku_no(conn, sku_no)?;
    let no = match &before {
        Some(before) => before.no,
        None => next_no(conn)?,
    };
    conn.prepare_cached(
        "INSERT INTO products (sku, no, plu, body) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (sku) DO UPDATE SET plu = ?3, body = ?4",
    )?
    .execute(params![sku_no, no, product.plu, json(product)?])?;
    if before.is_none_or(|b| b.product.gtins != product.gtins) {
        put_gtins(conn, sku_no, &product.gtins)?;
    }
    Ok(Item { sku_no, no, product: product.clone() })
}

fn next_no(conn: &Connection) -> Result<u32, Fault> {
    let mut statement = conn.prepare_cached("SELECT coalesce(max(no), 0) + 1 FROM products")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

fn put_gtins(conn: &Connection, sku_no: i64, gtins: &[Gtin]) -> Result<(), Fault> {
    // Few items ever change their numbers, so no index by item is kept.
    let mut statement = conn.prepare_cached("INSERT OR IGNORE INTO barcodes (gtin, sku) VALUES (?1, ?2)")?;
    for gtin in gtins {
        statement.execute(params![gtin_int(*gtin), sku_no])?;
    }
    Ok(())
}

/// Forgets the whole catalog: a new epoch replaces it. Codes keep their numbers, stock stays.
///
/// # Errors
/// [`Fault`].
pub fn clear(conn: &Connection) -> Result<(), Fault> {
    Ok(conn.execute_batch(
        "DELETE FROM products; DELETE FROM barcodes; DELETE FROM prices; DELETE FROM promotions; \
         DELETE FROM aliases; INSERT INTO search (search) VALUES ('delete-all');",
    )?)
}

/// An item's prices in order of publication, with the version each came in.
///
/// # Errors
/// [`Fault`].
pub fn prices(conn: &Connection, sku_no: i64, sku: &Sku) -> Result<Vec<(PriceEntry, CatalogVersion)>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT list, valid_from, valid_to, price, epoch, version FROM prices WHERE sku = ?1 ORDER BY no",
    )?;
    let rows = statement.query_map([sku_no], |row| {
        let entry = PriceEntry {
            list: row.get(0)?,
            sku: sku.clone(),
            price: Money(row.get(3)?),
            valid_from: UtcMs(row.get(1)?),
            valid_to: row.get::<_, Option<i64>>(2)?.map(UtcMs),
        };
        Ok((entry, CatalogVersion { epoch: row.get(4)?, version: unsigned(row.get(5)?) }))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Publishes a price.
///
/// # Errors
/// [`Fault`].
pub fn put_price(conn: &Connection, entry: &PriceEntry, at: CatalogVersion) -> Result<(), Fault> {
    let sku_no = intern(conn, &entry.sku)?;
    conn.prepare_cached(
        "INSERT INTO prices (sku, list, valid_from, valid_to, price, epoch, version) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        sku_no,
        entry.list,
        entry.valid_from.0,
        entry.valid_to.map(|t| t.0),
        entry.price.0,
        at.epoch,
        int(at.version)
    ])?;
    Ok(())
}

/// All promotions.
///
/// # Errors
/// [`Fault`].
pub fn promotions(conn: &Connection) -> Result<Vec<Promotion>, Fault> {
    let mut statement = conn.prepare("SELECT body FROM promotions ORDER BY id")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    rows.map(|body| parse("promotion", &body?)).collect()
}

/// Writes a promotion.
///
/// # Errors
/// [`Fault`].
pub fn put_promotion(conn: &Connection, promotion: &Promotion) -> Result<(), Fault> {
    conn.prepare_cached("INSERT OR REPLACE INTO promotions (id, body) VALUES (?1, ?2)")?
        .execute(params![promotion.id, json(promotion)?])?;
    Ok(())
}

/// Takes a promotion out.
///
/// # Errors
/// [`Fault`].
pub fn remove_promotion(conn: &Connection, id: &str) -> Result<(), Fault> {
    conn.prepare_cached("DELETE FROM promotions WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// The newest settings.
///
/// # Errors
/// [`Fault`].
pub fn settings(conn: &Connection) -> Result<Option<Settings>, Fault> {
    let mut statement = conn.prepare_cached("SELECT body FROM settings ORDER BY version DESC LIMIT 1")?;
    let body: Option<String> = statement.query_row([], |row| row.get(0)).optional()?;
    body.map(|body| parse("settings", &body)).transpose()
}

/// The settings of one version: a receipt is printed again with its own header.
///
/// # Errors
/// [`Fault`].
pub fn settings_of(conn: &Connection, version: u32) -> Result<Option<Settings>, Fault> {
    let mut statement = conn.prepare_cached("SELECT body FROM settings WHERE version = ?1")?;
    let body: Option<String> = statement.query_row([version], |row| row.get(0)).optional()?;
    body.map(|body| parse("settings", &body)).transpose()
}

/// Writes settings.
///
/// # Errors
/// [`Fault`].
pub fn put_settings(conn: &Connection, settings: &Settings) -> Result<(), Fault> {
    conn.prepare_cached("INSERT OR REPLACE INTO settings (version, body) VALUES (?1, ?2)")?
        .execute(params![settings.version, json(settings)?])?;
    Ok(())
}

/// What an old code or placeholder stands for.
///
/// # Errors
/// [`Fault`].
pub fn alias(conn: &Connection, sku: &Sku) -> Result<Option<Sku>, Fault> {
    let mut statement = conn.prepare_cached("SELECT stands FROM aliases WHERE sku = ?1")?;
    Ok(statement.query_row([&sku.0], |row| row.get(0)).optional()?.map(Sku))
}

/// Says what an old code or placeholder stands for.
///
/// # Errors
/// [`Fault`].
pub fn put_alias(conn: &Connection, from: &Sku, to: &Sku) -> Result<(), Fault> {
    conn.prepare_cached("INSERT OR REPLACE INTO aliases (sku, stands) VALUES (?1, ?2)")?
        .execute([&from.0, &to.0])?;
    Ok(())
}

fn item(conn: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Option<Item>, Fault> {
    let mut statement = conn.prepare_cached(sql)?;
    statement.query_row(params, raw).optional()?.map(finish).transpose()
}

fn items(conn: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Item>, Fault> {
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map(params, raw)?;
    rows.map(|row| finish(row?)).collect()
}

fn raw(row: &Row<'_>) -> rusqlite::Result<(i64, u32, String)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn finish((sku_no, no, body): (i64, u32, String)) -> Result<Item, Fault> {
    Ok(Item { sku_no, no, product: parse("product", &body)? })
}

fn gtin_int(gtin: Gtin) -> i64 {
    // 14 digits: always in range.
    gtin.to_string().parse().unwrap_or(0)
}

fn json<T: Serialize>(value: &T) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|e| Fault::Fatal(e.to_string()))
}

fn parse<T: DeserializeOwned>(what: &str, body: &str) -> Result<T, Fault> {
    serde_json::from_str(body).map_err(|e| Fault::Fatal(format!("a stored {what}: {e}")))
}
