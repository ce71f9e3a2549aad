//! What recovering from a lost node needs to remember: waits, barriers, caps, resolved rights (`model.md` §3).

use super::{DbError, Row, Tx};
use crate::values;
use std::collections::{BTreeMap, BTreeSet};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::{Id, Incarnation};
use tradepost_sync::terms::Cap;

/// A store's waits as JSON and when they were saved, locked until the transaction ends.
pub fn waits_locked(tx: &mut Tx<'_>, store: i64) -> Result<Option<(String, UtcMs)>, DbError> {
    let sql = "SELECT body, saved_at FROM waits WHERE store = ?1";
    tx.row_locked(sql, values![store])?.map(|row| Ok((row.get(0)?, row.get(1)?))).transpose()
}

/// A store's waits as JSON.
pub fn waits(tx: &mut Tx<'_>, store: i64) -> Result<Option<String>, DbError> {
    tx.row("SELECT body FROM waits WHERE store = ?1", values![store])?.map(|row| row.get(0)).transpose()
}

/// Saves a store's waits.
pub fn set_waits(tx: &mut Tx<'_>, store: i64, body: &str, saved_at: UtcMs) -> Result<(), DbError> {
    let sql = "INSERT INTO waits (store, body, saved_at) VALUES (?1, ?2, ?3) \
        ON CONFLICT (store) DO UPDATE SET body = excluded.body, saved_at = excluded.saved_at";
    tx.execute(sql, values![store, body, saved_at]).map(|_| ())
}

/// Stores that have waits.
pub fn waiting(tx: &mut Tx<'_>) -> Result<Vec<i64>, DbError> {
    tx.rows("SELECT store FROM waits ORDER BY store", &[])?.iter().map(|row| row.get(0)).collect()
}

/// A barrier.
#[derive(Clone, Debug)]
pub struct BarrierRow {
    /// Its id.
    pub id: Id,
    /// Whose store.
    pub store: i64,
    /// `open`, `closed` or `void`.
    pub state: String,
    /// What it has come to, as JSON.
    pub body: String,
    /// When it was opened.
    pub opened_at: UtcMs,
    /// When it was closed or given up.
    pub ended_at: Option<UtcMs>,
    /// What it decided, as JSON.
    pub result: Option<String>,
}

const COLUMNS: &str = "id, store, state, body, opened_at, ended_at, result";

fn read(row: &Row) -> Result<BarrierRow, DbError> {
    Ok(BarrierRow {
        id: row.get(0)?,
        store: row.get(1)?,
        state: row.get(2)?,
        body: row.get(3)?,
        opened_at: row.get(4)?,
        ended_at: row.get(5)?,
        result: row.get(6)?,
    })
}

/// Adds a barrier that is open.
pub fn add_barrier(tx: &mut Tx<'_>, id: Id, store: i64, body: &str, opened_at: UtcMs) -> Result<(), DbError> {
    let sql = "INSERT INTO barriers (id, store, state, body, opened_at) VALUES (?1, ?2, 'open', ?3, ?4)";
    tx.execute(sql, values![id, store, body, opened_at]).map(|_| ())
}

/// Saves how far an open barrier is.
pub fn set_barrier(tx: &mut Tx<'_>, id: Id, body: &str) -> Result<(), DbError> {
    let sql = "UPDATE barriers SET body = ?2 WHERE id = ?1 AND state = 'open'";
    tx.execute(sql, values![id, body]).map(|_| ())
}

/// Ends a barrier.
pub fn end_barrier(
    tx: &mut Tx<'_>,
    id: Id,
    state: &str,
    result: Option<String>,
    now: UtcMs,
) -> Result<(), DbError> {
    let sql = "UPDATE barriers SET state = ?2, result = ?3, ended_at = ?4 WHERE id = ?1 AND state = 'open'";
    tx.execute(sql, values![id, state, result, now]).map(|_| ())
}

/// The store's open barrier, locked until the transaction ends.
pub fn open_locked(tx: &mut Tx<'_>, store: i64) -> Result<Option<BarrierRow>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM barriers WHERE store = ?1 AND state = 'open'");
    tx.row_locked(&sql, values![store])?.as_ref().map(read).transpose()
}

/// The store's open barrier.
pub fn open(tx: &mut Tx<'_>, store: i64) -> Result<Option<BarrierRow>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM barriers WHERE store = ?1 AND state = 'open'");
    tx.row(&sql, values![store])?.as_ref().map(read).transpose()
}

/// Stores whose barrier is open.
pub fn with_open(tx: &mut Tx<'_>) -> Result<Vec<i64>, DbError> {
    let sql = "SELECT store FROM barriers WHERE state = 'open' ORDER BY store";
    tx.rows(sql, &[])?.iter().map(|row| row.get(0)).collect()
}

/// A barrier by its id.
pub fn barrier(tx: &mut Tx<'_>, id: Id) -> Result<Option<BarrierRow>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM barriers WHERE id = ?1");
    tx.row(&sql, values![id])?.as_ref().map(read).transpose()
}

/// A store's last barrier that is over.
pub fn last(tx: &mut Tx<'_>, store: i64) -> Result<Option<BarrierRow>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM barriers WHERE store = ?1 AND state <> 'open' ORDER BY no DESC LIMIT 1"
    );
    tx.row(&sql, values![store])?.as_ref().map(read).transpose()
}

/// Where an author's log ends for rights; none where it has no cap.
pub fn cap(tx: &mut Tx<'_>, author: i64) -> Result<Option<Cap>, DbError> {
    let sql = "SELECT seq, hash FROM caps WHERE author = ?1";
    tx.row(sql, values![author])?.map(|row| Ok(Cap { seq: row.get(0)?, hash: row.get(1)? })).transpose()
}

/// Every cap of a store's authors.
pub fn caps(tx: &mut Tx<'_>, store: i64) -> Result<BTreeMap<Incarnation, Cap>, DbError> {
    let sql = "SELECT a.incarnation, c.seq, c.hash FROM caps c JOIN authors a ON a.author = c.author \
        WHERE a.store = ?1";
    let read = |row: &Row| Ok((row.get(0)?, Cap { seq: row.get(1)?, hash: row.get(2)? }));
    tx.rows(sql, values![store])?.iter().map(read).collect()
}

/// Sets an author's cap; the first one stays.
pub fn set_cap(tx: &mut Tx<'_>, author: i64, cap: &Cap) -> Result<(), DbError> {
    let sql = "INSERT INTO caps (author, seq, hash) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    tx.execute(sql, values![author, cap.seq, cap.hash]).map(|_| ())
}

/// What an author had of an item is resolved.
pub fn resolve(tx: &mut Tx<'_>, store: i64, sku: &str, author: i64) -> Result<(), DbError> {
    let sql = "INSERT INTO resolved (store, sku, author) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    tx.execute(sql, values![store, sku, author]).map(|_| ())
}

/// Whose rights are resolved, by item between two SKUs (both included).
pub fn resolved(
    tx: &mut Tx<'_>,
    store: i64,
    from: &str,
    to: &str,
) -> Result<BTreeMap<String, BTreeSet<Incarnation>>, DbError> {
    let sql = "SELECT r.sku, a.incarnation FROM resolved r JOIN authors a ON a.author = r.author \
        WHERE r.store = ?1 AND r.sku >= ?2 AND r.sku <= ?3";
    let mut found: BTreeMap<String, BTreeSet<Incarnation>> = BTreeMap::new();
    for row in tx.rows(sql, values![store, from, to])? {
        found.entry(row.get(0)?).or_default().insert(row.get(1)?);
    }
    Ok(found)
}

/// What is resolved under one item is resolved under another (an alias).
pub fn merge(tx: &mut Tx<'_>, store: i64, from: &str, to: &str) -> Result<(), DbError> {
    let sql = "INSERT INTO resolved (store, sku, author) \
        SELECT store, ?3, author FROM resolved WHERE store = ?1 AND sku = ?2 ON CONFLICT DO NOTHING";
    tx.execute(sql, values![store, from, to])?;
    tx.execute("DELETE FROM resolved WHERE store = ?1 AND sku = ?2", values![store, from]).map(|_| ())
}

/// An event of a store that is held and whose effects are not applied, up to its author's cap, whether a person is done
/// with it or not (`model.md` §6). What it touches can't be known. `before` a barrier whoever is lost and has no cap yet is
/// left out, as theirs will lie before it.
pub fn unapplied(tx: &mut Tx<'_>, store: i64, before: bool) -> Result<Option<(Incarnation, u64)>, DbError> {
    let lost = if before { "AND (c.seq IS NOT NULL OR a.state = 'live')" } else { "" };
    let sql = format!(
        "SELECT a.incarnation, q.seq FROM quarantine q JOIN authors a ON a.author = q.author \
        JOIN events e ON e.author = q.author AND e.seq = q.seq AND e.hash = q.hash \
        LEFT JOIN caps c ON c.author = q.author \
        WHERE a.store = ?1 AND a.role <> 'lone' AND q.effects = 0 AND (c.seq IS NULL OR q.seq <= c.seq) {lost} \
        ORDER BY q.author, q.seq LIMIT 1"
    );
    tx.row(&sql, values![store])?.map(|row| Ok((row.get(0)?, row.get(1)?))).transpose()
}

/// A delivery to a store that is announced and not over, and that brings an item.
pub fn open_delivery(tx: &mut Tx<'_>, store: i64, sku: &str) -> Result<Option<Id>, DbError> {
    let sql = "SELECT s.id FROM shipments s JOIN shipment_lines l ON l.id = s.id \
        WHERE s.kind = 'delivery' AND s.store = ?1 AND s.ended_at IS NULL AND l.sku = ?2 ORDER BY s.no LIMIT 1";
    tx.row(sql, values![store, sku])?.map(|row| row.get(0)).transpose()
}

/// Stores that ever counted anything.
pub fn counted_stores(tx: &mut Tx<'_>) -> Result<Vec<i64>, DbError> {
    tx.rows("SELECT DISTINCT store FROM counts ORDER BY store", &[])?.iter().map(|row| row.get(0)).collect()
}
