//! Counts of the logs, and which one each item's goods stand on.

use super::{DbError, Row, Tx};
use crate::values;
use std::collections::BTreeMap;

/// A count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The item.
    pub sku: String,
    /// Whose stream holds it.
    pub author: i64,
    /// Where.
    pub seq: u64,
    /// The item's goods stand on it.
    pub latest: bool,
    /// It is in doubt.
    pub tainted: bool,
}

const COLUMNS: &str = "sku, author, seq, latest, tainted";

fn read(row: &Row) -> Result<Counted, DbError> {
    Ok(Counted {
        sku: row.get(0)?,
        author: row.get(1)?,
        seq: row.get(2)?,
        latest: row.get(3)?,
        tainted: row.get(4)?,
    })
}

/// Adds a count.
pub fn add(tx: &mut Tx<'_>, store: i64, sku: &str, author: i64, seq: u64) -> Result<(), DbError> {
    let sql = "INSERT INTO counts (store, sku, author, seq, latest, tainted) VALUES (?1, ?2, ?3, ?4, 0, 0) \
        ON CONFLICT DO NOTHING";
    tx.execute(sql, values![store, sku, author, seq]).map(|_| ())
}

/// Whether a store ever counted anything.
pub fn any(tx: &mut Tx<'_>, store: i64) -> Result<bool, DbError> {
    Ok(tx.row("SELECT 1 FROM counts WHERE store = ?1 LIMIT 1", values![store])?.is_some())
}

/// Every count of a store.
pub fn all(tx: &mut Tx<'_>, store: i64) -> Result<Vec<Counted>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM counts WHERE store = ?1 ORDER BY sku, author, seq");
    tx.rows(&sql, values![store])?.iter().map(read).collect()
}

/// Every count of an item of a store.
pub fn of(tx: &mut Tx<'_>, store: i64, sku: &str) -> Result<Vec<Counted>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM counts WHERE store = ?1 AND sku = ?2 ORDER BY author, seq");
    tx.rows(&sql, values![store, sku])?.iter().map(read).collect()
}

/// The count that an item's goods stand on.
pub fn latest(tx: &mut Tx<'_>, store: i64, sku: &str) -> Result<Option<Counted>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM counts WHERE store = ?1 AND sku = ?2 AND latest = 1");
    tx.row(&sql, values![store, sku])?.as_ref().map(read).transpose()
}

/// Items of a store that stand on a count, between two SKUs (both included), and whether it is in doubt.
pub fn between(tx: &mut Tx<'_>, store: i64, from: &str, to: &str) -> Result<BTreeMap<String, bool>, DbError> {
    let sql = "SELECT sku, tainted FROM counts \
        WHERE store = ?1 AND sku >= ?2 AND sku <= ?3 AND latest = 1";
    tx.rows(sql, values![store, from, to])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Says on which count an item stands, and whether it is in doubt.
pub fn stand_on(
    tx: &mut Tx<'_>,
    store: i64,
    sku: &str,
    place: (i64, u64),
    tainted: bool,
) -> Result<(), DbError> {
    let sql = "UPDATE counts SET latest = 0, tainted = 0 WHERE store = ?1 AND sku = ?2";
    tx.execute(sql, values![store, sku])?;
    let sql = "UPDATE counts SET latest = 1, tainted = ?5 \
        WHERE store = ?1 AND sku = ?2 AND author = ?3 AND seq = ?4";
    tx.execute(sql, values![store, sku, place.0, place.1, tainted]).map(|_| ())
}

/// The count an item stands on is in doubt from now on; whether it was not before.
pub fn taint(tx: &mut Tx<'_>, store: i64, sku: &str) -> Result<bool, DbError> {
    let sql = "UPDATE counts SET tainted = 1 WHERE store = ?1 AND sku = ?2 AND latest = 1 AND tainted = 0";
    Ok(tx.execute(sql, values![store, sku])? == 1)
}

/// What was counted under a name is no count any more (an alias).
pub fn forget(tx: &mut Tx<'_>, store: i64, sku: &str) -> Result<(), DbError> {
    tx.execute("DELETE FROM counts WHERE store = ?1 AND sku = ?2", values![store, sku]).map(|_| ())
}

/// Puts an item's goods at what a fold came to.
pub fn set_on_hand(tx: &mut Tx<'_>, store: i64, sku: &str, units: i64) -> Result<u64, DbError> {
    let sql = "INSERT INTO stock (store, sku, on_hand, row_version) VALUES (?1, ?2, ?3, 1) \
        ON CONFLICT (store, sku) DO UPDATE SET on_hand = excluded.on_hand, row_version = stock.row_version + 1 \
        RETURNING row_version";
    tx.row(sql, values![store, sku, units])?.ok_or_else(|| DbError::Shape("no stock row".to_owned()))?.get(0)
}
