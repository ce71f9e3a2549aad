//! Stores, their settings and what belongs to the hub as a whole.

use super::{DbError, Row, Tx};
use crate::values;
use tradepost_sync::clock::UtcMs;

/// One store.
#[derive(Clone, Debug)]
pub struct Store {
    /// Its number inside this database.
    pub no: i64,
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// The author that is its `H_s`.
    pub hub_author: i64,
    /// Its outbox stream.
    pub stream: i64,
    /// Its settings, as JSON.
    pub settings: String,
    /// Version of the settings.
    pub settings_version: u32,
    /// Version of the roster.
    pub roster_version: u64,
    /// When it was made.
    pub created_at: UtcMs,
}

const COLUMNS: &str =
    "store, code, name, hub_author, stream, settings, settings_version, roster_version, created_at";

impl Store {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            no: row.get(0)?,
            code: row.get(1)?,
            name: row.get(2)?,
            hub_author: row.get(3)?,
            stream: row.get(4)?,
            settings: row.get(5)?,
            settings_version: row.get(6)?,
            roster_version: row.get(7)?,
            created_at: row.get(8)?,
        })
    }
}

/// Makes a store; its number. Its `H_s` is set afterwards.
pub fn insert(
    tx: &mut Tx<'_>,
    code: &str,
    name: &str,
    stream: i64,
    settings: &str,
    now: UtcMs,
) -> Result<i64, DbError> {
    let sql = "INSERT INTO stores (code, name, hub_author, stream, settings, settings_version, roster_version, \
        created_at) VALUES (?1, ?2, 0, ?3, ?4, 1, 0, ?5) RETURNING store";
    tx.row(sql, values![code, name, stream, settings, now])?
        .ok_or_else(|| DbError::Shape("no store".to_owned()))?
        .get(0)
}

/// Says which author is the store's `H_s`.
pub fn set_hub_author(tx: &mut Tx<'_>, store: i64, author: i64) -> Result<(), DbError> {
    tx.execute("UPDATE stores SET hub_author = ?2 WHERE store = ?1", values![store, author]).map(|_| ())
}

/// The store with a code.
pub fn find(tx: &mut Tx<'_>, code: &str) -> Result<Option<Store>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM stores WHERE code = ?1");
    tx.row(&sql, values![code])?.as_ref().map(Store::from_row).transpose()
}

/// The store with a number, its row locked until the transaction ends.
pub fn by_no_locked(tx: &mut Tx<'_>, store: i64) -> Result<Option<Store>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM stores WHERE store = ?1");
    tx.row_locked(&sql, values![store])?.as_ref().map(Store::from_row).transpose()
}

/// The store with a number.
pub fn by_no(tx: &mut Tx<'_>, store: i64) -> Result<Option<Store>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM stores WHERE store = ?1");
    tx.row(&sql, values![store])?.as_ref().map(Store::from_row).transpose()
}

/// Every store, by code.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<Store>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM stores ORDER BY code");
    tx.rows(&sql, &[])?.iter().map(Store::from_row).collect()
}

/// Puts a new version of the settings in place.
pub fn set_settings(tx: &mut Tx<'_>, store: i64, settings: &str, version: u32) -> Result<(), DbError> {
    let sql = "UPDATE stores SET settings = ?2, settings_version = ?3 WHERE store = ?1";
    tx.execute(sql, values![store, settings, version]).map(|_| ())
}

/// Counts the roster's version on; the new one.
pub fn next_roster(tx: &mut Tx<'_>, store: i64) -> Result<u64, DbError> {
    let sql =
        "UPDATE stores SET roster_version = roster_version + 1 WHERE store = ?1 RETURNING roster_version";
    tx.row(sql, values![store])?.ok_or_else(|| DbError::Shape("no such store".to_owned()))?.get(0)
}

/// A fact about the hub as a whole.
pub fn meta(tx: &mut Tx<'_>, key: &str) -> Result<Option<String>, DbError> {
    tx.row("SELECT value FROM meta WHERE key = ?1", values![key])?.map(|row| row.get(0)).transpose()
}

/// Sets a fact about the hub as a whole.
pub fn set_meta(tx: &mut Tx<'_>, key: &str, value: &str) -> Result<(), DbError> {
    let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    tx.execute(sql, values![key, value]).map(|_| ())
}

/// The next place in a process's journal, kept with the event that takes it.
pub fn next_journal_n(tx: &mut Tx<'_>, process: u32) -> Result<u64, DbError> {
    let sql = "INSERT INTO journal_processes (process, last_n) VALUES (?1, 1) \
        ON CONFLICT (process) DO UPDATE SET last_n = journal_processes.last_n + 1 RETURNING last_n";
    tx.row(sql, values![process])?.ok_or_else(|| DbError::Shape("no journal counter".to_owned()))?.get(0)
}

/// Notes which event stands at a place of a process's journal.
pub fn mark_journal(tx: &mut Tx<'_>, process: u32, n: u64, author: i64, seq: u64) -> Result<(), DbError> {
    let sql = "INSERT INTO journal_marks (process, n, author, seq) VALUES (?1, ?2, ?3, ?4)";
    tx.execute(sql, values![process, n, author, seq]).map(|_| ())
}

/// The last place taken in a process's journal.
pub fn last_journal_n(tx: &mut Tx<'_>, process: u32) -> Result<u64, DbError> {
    tx.row("SELECT last_n FROM journal_processes WHERE process = ?1", values![process])?
        .map_or(Ok(0), |row| row.get(0))
}

/// Events of a process's journal after place `n`: (place, canonical bytes).
pub fn journal_after(tx: &mut Tx<'_>, process: u32, n: u64) -> Result<Vec<(u64, Vec<u8>)>, DbError> {
    let sql = "SELECT m.n, e.bytes FROM journal_marks m JOIN events e ON e.author = m.author AND e.seq = m.seq \
        WHERE m.process = ?1 AND m.n > ?2 ORDER BY m.n";
    tx.rows(sql, values![process, n])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}
