//! Tenders whose money was still to come when their document was made.

use super::{DbError, Row, Tx};
use crate::values;
use tradepost_sync::clock::UtcMs;

/// Such a tender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// Its key.
    pub key: String,
    /// The store.
    pub store: i64,
    /// The document that claims it; nothing where only its end was heard of.
    pub document: String,
    /// The till.
    pub till: String,
    /// The document's number as printed.
    pub receipt: String,
    /// What kind of money.
    pub kind: String,
    /// How much, in minor units; below nothing for what is given back.
    pub amount: i64,
    /// The document's business day, counted from 1970-01-01.
    pub business_day: i32,
    /// When the document was made, by the node's clock.
    pub committed_at: UtcMs,
    /// How it ended; nothing while it waits.
    pub outcome: String,
    /// When it ended, by the node's clock; 0 while it waits.
    pub settled_at: UtcMs,
}

const COLUMNS: &str =
    "key, store, document, till, receipt, kind, amount, business_day, committed_at, outcome, settled_at";

/// Adds a tender that waits; how it ended stays where that was heard before.
pub fn wait(tx: &mut Tx<'_>, row: &StoredRow) -> Result<(), DbError> {
    let sql = format!(
        "INSERT INTO stored_tenders ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, '', 0) \
         ON CONFLICT (key) DO UPDATE SET store = ?2, document = ?3, till = ?4, receipt = ?5, kind = ?6, amount = ?7, \
         business_day = ?8, committed_at = ?9"
    );
    let given = values![
        &row.key,
        row.store,
        &row.document,
        &row.till,
        &row.receipt,
        &row.kind,
        row.amount,
        row.business_day,
        row.committed_at
    ];
    tx.execute(&sql, given).map(|_| ())
}

/// Notes how a tender ended; what was said first stands.
pub fn settle(tx: &mut Tx<'_>, row: &StoredRow) -> Result<(), DbError> {
    let sql = format!(
        "INSERT INTO stored_tenders ({COLUMNS}) VALUES (?1, ?2, '', '', '', ?3, ?4, 0, 0, ?5, ?6) \
         ON CONFLICT (key) DO UPDATE SET outcome = ?5, settled_at = ?6 WHERE stored_tenders.outcome = ''"
    );
    let given = values![&row.key, row.store, &row.kind, row.amount, &row.outcome, row.settled_at];
    tx.execute(&sql, given).map(|_| ())
}

/// Which of them.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of one store; 0 for all.
    pub store: i64,
    /// Those that ended so; nothing for those that wait.
    pub outcome: String,
}

/// Those of a document that ended so, after a key, by key.
pub fn list(tx: &mut Tx<'_>, wanted: &Wanted, after: &str, limit: usize) -> Result<Vec<StoredRow>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM stored_tenders WHERE document <> '' AND outcome = ?1 AND (?2 = 0 OR store = ?2) \
         AND key > ?3 ORDER BY key LIMIT ?4"
    );
    tx.rows(&sql, values![&wanted.outcome, wanted.store, after, limit])?.iter().map(read).collect()
}

/// How many they are, and what they come to.
pub fn sum(tx: &mut Tx<'_>, wanted: &Wanted) -> Result<(i64, i64), DbError> {
    let sql = "SELECT count(*), CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM stored_tenders \
         WHERE document <> '' AND outcome = ?1 AND (?2 = 0 OR store = ?2)";
    let row = tx.row(sql, values![&wanted.outcome, wanted.store])?;
    row.map_or(Ok((0, 0)), |row: Row| Ok((row.get(0)?, row.get(1)?)))
}

fn read(row: &Row) -> Result<StoredRow, DbError> {
    Ok(StoredRow {
        key: row.get(0)?,
        store: row.get(1)?,
        document: row.get(2)?,
        till: row.get(3)?,
        receipt: row.get(4)?,
        kind: row.get(5)?,
        amount: row.get(6)?,
        business_day: row.get(7)?,
        committed_at: row.get(8)?,
        outcome: row.get(9)?,
        settled_at: row.get(10)?,
    })
}
