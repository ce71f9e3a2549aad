//! Zs of the stores' tills.

use super::{DbError, Row, Tx};
use crate::values;
use tradepost_sync::clock::UtcMs;

/// A Z.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZRow {
    /// Whose stream holds it.
    pub author: i64,
    /// Seq of its event.
    pub seq: u64,
    /// The store.
    pub store: i64,
    /// The till.
    pub till: String,
    /// Its number there.
    pub z: u32,
    /// Its business day, counted from 1970-01-01.
    pub business_day: i32,
    /// When it was made, by the node's clock.
    pub closed_at: UtcMs,
    /// When the hub heard of it.
    pub received_at: UtcMs,
    /// Counted − expected of the store's own currency.
    pub difference: i64,
    /// Whether the documents that the hub holds come to the same.
    pub agrees: bool,
}

const COLUMNS: &str = "author, seq, store, till, z, business_day, closed_at, received_at, difference, agrees";

/// Adds a Z; one that is known stays as it is.
pub fn add(tx: &mut Tx<'_>, z: &ZRow) -> Result<(), DbError> {
    let sql = format!(
        "INSERT INTO zs ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING"
    );
    let given = values![
        z.author,
        z.seq,
        z.store,
        &z.till,
        z.z,
        z.business_day,
        z.closed_at,
        z.received_at,
        z.difference,
        z.agrees
    ];
    tx.execute(&sql, given).map(|_| ())
}

/// Which Zs.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of one store.
    pub store: Option<i64>,
    /// Of one till.
    pub till: Option<String>,
    /// Those alone whose drawer was off or whose documents don't come to the same.
    pub off: bool,
}

/// Zs after a place (author, seq), by stream and seq.
pub fn list(tx: &mut Tx<'_>, wanted: &Wanted, after: (i64, u64), limit: usize) -> Result<Vec<ZRow>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM zs WHERE (author > ?1 OR (author = ?1 AND seq > ?2)) \
         AND (?3 = 0 OR store = ?3) AND (?4 = '' OR till = ?4) AND (?5 = 0 OR difference <> 0 OR agrees = 0) \
         ORDER BY author, seq LIMIT ?6"
    );
    let till = wanted.till.clone().unwrap_or_default();
    let given = values![after.0, after.1, wanted.store.unwrap_or(0), &till, i64::from(wanted.off), limit];
    tx.rows(&sql, given)?.iter().map(read).collect()
}

/// A till's Z by its number; more than one where two nodes gave it out, the last that came first.
pub fn numbered(tx: &mut Tx<'_>, store: i64, till: &str, z: u32) -> Result<Vec<ZRow>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM zs WHERE store = ?1 AND till = ?2 AND z = ?3 ORDER BY received_at DESC, author, seq"
    );
    tx.rows(&sql, values![store, till, z])?.iter().map(read).collect()
}

/// What a store's documents of a till and series come to, from one number to another, both included:
/// (documents, Σ totals, Σ cash rounding).
pub fn documents(
    tx: &mut Tx<'_>,
    (store, till): (i64, &str),
    series: &str,
    (first, last): (u64, u64),
) -> Result<(i64, i64, i64), DbError> {
    let sql = "SELECT count(*), CAST(COALESCE(SUM(total), 0) AS BIGINT), \
        CAST(COALESCE(SUM(rounding), 0) AS BIGINT) FROM orders \
        WHERE store = ?1 AND till = ?2 AND series = ?3 AND n >= ?4 AND n <= ?5";
    let row = tx.row(sql, values![store, till, series, first, last])?;
    row.map_or(Ok((0, 0, 0)), |row: Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

/// A store's documents of a till and series between two numbers, both included: (author, seq, total, cash rounding).
pub fn each_document(
    tx: &mut Tx<'_>,
    (store, till): (i64, &str),
    series: &str,
    (first, last): (u64, u64),
) -> Result<Vec<(i64, u64, i64, i64)>, DbError> {
    let sql = "SELECT author, seq, total, rounding FROM orders \
        WHERE store = ?1 AND till = ?2 AND series = ?3 AND n >= ?4 AND n <= ?5";
    let rows = tx.rows(sql, values![store, till, series, first, last])?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).collect()
}

fn read(row: &Row) -> Result<ZRow, DbError> {
    Ok(ZRow {
        author: row.get(0)?,
        seq: row.get(1)?,
        store: row.get(2)?,
        till: row.get(3)?,
        z: row.get(4)?,
        business_day: row.get(5)?,
        closed_at: row.get(6)?,
        received_at: row.get(7)?,
        difference: row.get(8)?,
        agrees: row.get(9)?,
    })
}
