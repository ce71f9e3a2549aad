//! Facts that were said again after their branch was cut off, by the original's hash (`model.md` §3, Forks).

use super::{DbError, Tx};
use crate::values;
use std::collections::BTreeMap;
use tradepost_sync::ids::{Hash, Incarnation};

/// Who said a fact again, and where.
pub type Saying = (Incarnation, u64);

/// Whether anything of a store was ever said again.
pub fn any(tx: &mut Tx<'_>, store: i64) -> Result<bool, DbError> {
    Ok(tx.row("SELECT 1 FROM said_again WHERE store = ?1 LIMIT 1", values![store])?.is_some())
}

/// The saying of a fact that counts: the one by the smallest (incarnation, seq); none where nobody said it again.
pub fn first(tx: &mut Tx<'_>, store: i64, original: Hash) -> Result<Option<Saying>, DbError> {
    let sql = "SELECT incarnation, seq FROM said_again WHERE store = ?1 AND original = ?2 \
        ORDER BY incarnation, seq LIMIT 1";
    tx.row(sql, values![store, original])?.map(|row| Ok((row.get(0)?, row.get(1)?))).transpose()
}

/// Notes a saying; a known one is left as it is.
pub fn add(tx: &mut Tx<'_>, store: i64, original: Hash, by: Saying) -> Result<(), DbError> {
    let sql = "INSERT INTO said_again (store, original, incarnation, seq) VALUES (?1, ?2, ?3, ?4) \
        ON CONFLICT DO NOTHING";
    tx.execute(sql, values![store, original, by.0, by.1]).map(|_| ())
}

/// Whether an author has numbered documents of a series itself, and not only said again what another one had.
pub fn numbers_itself(tx: &mut Tx<'_>, author: i64, till: &str, series: &str) -> Result<bool, DbError> {
    let sql = "SELECT 1 FROM orders o JOIN authors a ON a.author = o.author \
        WHERE o.author = ?1 AND o.till = ?2 AND o.series = ?3 AND NOT EXISTS (SELECT 1 FROM said_again s \
        WHERE s.store = o.store AND s.incarnation = a.incarnation AND s.seq = o.seq) LIMIT 1";
    Ok(tx.row(sql, values![author, till, series])?.is_some())
}

/// Takes overdraw off an author's row: another saying of the fact counts now.
pub fn take_off_overdraw(
    tx: &mut Tx<'_>,
    store: i64,
    sku: &str,
    author: i64,
    units: u64,
) -> Result<(), DbError> {
    let sql = "UPDATE cells SET overdrawn = overdrawn - ?4 WHERE store = ?1 AND sku = ?2 AND author = ?3";
    tx.execute(sql, values![store, sku, author, units]).map(|_| ())
}

/// A stream of a store parts here, as a fact tells; the lowest place stays.
pub fn note_fork(tx: &mut Tx<'_>, store: i64, author: i64, shared: u64) -> Result<(), DbError> {
    let sql = "INSERT INTO forks (store, author, seq) VALUES (?1, ?2, ?3) \
        ON CONFLICT (store, author) DO UPDATE SET seq = excluded.seq WHERE excluded.seq < forks.seq";
    tx.execute(sql, values![store, author, shared]).map(|_| ())
}

/// Where the streams of a store part, by author.
pub fn forks(tx: &mut Tx<'_>, store: i64) -> Result<BTreeMap<i64, u64>, DbError> {
    let rows = tx.rows("SELECT author, seq FROM forks WHERE store = ?1 ORDER BY author", values![store])?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}
