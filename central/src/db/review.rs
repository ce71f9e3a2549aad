//! What a person should look at.

use super::{DbError, Row, Tx};
use crate::values;
use tradepost_sync::clock::UtcMs;

/// One finding.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its number; 0 for a new one.
    pub id: i64,
    /// What kind, e.g. `total_differs`.
    pub kind: String,
    /// Which store.
    pub store: i64,
    /// What it is about; with kind and store it names the finding.
    pub reference: String,
    /// A sentence with its numbers.
    pub detail: String,
    /// When it was found.
    pub at: UtcMs,
    /// When a person was done with it.
    pub resolved_at: Option<UtcMs>,
    /// What that person wrote.
    pub note: Option<String>,
}

/// Lists a finding; one that is listed already stays as it is.
pub fn add(
    tx: &mut Tx<'_>,
    store: i64,
    kind: &str,
    reference: &str,
    detail: &str,
    now: UtcMs,
) -> Result<(), DbError> {
    let sql = "INSERT INTO review (kind, store, ref, detail, at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    tx.execute(sql, values![kind, store, reference, detail, now]).map(|_| ())
}

/// Open findings by kind; kinds whose findings are all resolved are there with 0.
pub fn open_by_kind(tx: &mut Tx<'_>) -> Result<Vec<(String, i64)>, DbError> {
    let sql = "SELECT kind, CAST(SUM(CASE WHEN resolved_at IS NULL THEN 1 ELSE 0 END) AS BIGINT) \
        FROM review GROUP BY kind ORDER BY kind";
    tx.rows(sql, &[])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Findings, open ones only unless `all`, by number.
pub fn list(tx: &mut Tx<'_>, all: bool, after: i64, limit: usize) -> Result<Vec<Finding>, DbError> {
    let open = if all { "" } else { "AND resolved_at IS NULL" };
    let sql = format!(
        "SELECT id, kind, store, ref, detail, at, resolved_at, note FROM review WHERE id > ?1 {open} ORDER BY id LIMIT ?2"
    );
    tx.rows(&sql, values![after, limit])?.iter().map(finding).collect()
}

/// The same of one store (0 for all) and of one kind (empty for all).
pub fn list_of(
    tx: &mut Tx<'_>,
    (store, kind): (i64, &str),
    all: bool,
    after: i64,
    limit: usize,
) -> Result<Vec<Finding>, DbError> {
    let open = if all { "" } else { "AND resolved_at IS NULL" };
    let sql = format!(
        "SELECT id, kind, store, ref, detail, at, resolved_at, note FROM review WHERE id > ?1 {open} \
         AND store BETWEEN ?2 AND ?3 AND kind BETWEEN ?4 AND ?5 ORDER BY id LIMIT ?6"
    );
    let (first, last) = if store == 0 { (i64::MIN, i64::MAX) } else { (store, store) };
    let kinds = if kind.is_empty() { ("", "~") } else { (kind, kind) };
    tx.rows(&sql, values![after, first, last, kinds.0, kinds.1, limit])?.iter().map(finding).collect()
}

fn finding(row: &Row) -> Result<Finding, DbError> {
    Ok(Finding {
        id: row.get(0)?,
        kind: row.get(1)?,
        store: row.get(2)?,
        reference: row.get(3)?,
        detail: row.get(4)?,
        at: row.get(5)?,
        resolved_at: row.get(6)?,
        note: row.get(7)?,
    })
}

/// Marks a finding as done with; whether there was one that was open.
pub fn resolve(tx: &mut Tx<'_>, id: i64, note: &str, now: UtcMs) -> Result<bool, DbError> {
    let sql = "UPDATE review SET resolved_at = ?2, note = ?3 WHERE id = ?1 AND resolved_at IS NULL";
    Ok(tx.execute(sql, values![id, now, note])? == 1)
}

/// Marks the finding of a name as done with, where it is open.
pub fn resolve_named(
    tx: &mut Tx<'_>,
    store: i64,
    kind: &str,
    reference: &str,
    note: &str,
    now: UtcMs,
) -> Result<(), DbError> {
    let sql = "UPDATE review SET resolved_at = ?4, note = ?5 \
        WHERE kind = ?1 AND store = ?2 AND ref = ?3 AND resolved_at IS NULL";
    tx.execute(sql, values![kind, store, reference, now, note]).map(|_| ())
}

/// Open findings, for metrics.
pub fn open(tx: &mut Tx<'_>) -> Result<i64, DbError> {
    tx.row("SELECT count(*) FROM review WHERE resolved_at IS NULL", &[])?.map_or(Ok(0), |row| row.get(0))
}
