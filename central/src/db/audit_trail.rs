//! The audit trail's rows: written once, never changed.

use super::{DbError, Row, Tx};
use crate::values;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Hash;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 1 without a gap.
    pub no: u64,
    /// When, in hub time.
    pub at: UtcMs,
    /// Who.
    pub actor: String,
    /// What was called.
    pub call: String,
    /// What was sent with it, without secrets.
    pub body: String,
    /// The request's trace.
    pub trace: String,
    /// Over this entry and the one before it.
    pub hash: Hash,
}

fn entry(row: &Row) -> Result<Entry, DbError> {
    Ok(Entry {
        no: row.get(0)?,
        at: row.get::<UtcMs>(1)?,
        actor: row.get(2)?,
        call: row.get(3)?,
        body: row.get(4)?,
        trace: row.get(5)?,
        hash: row.get(6)?,
    })
}

/// The last entry's number and hash, locked until the transaction ends: the next one is the caller's.
pub fn end_locked(tx: &mut Tx<'_>) -> Result<(u64, Hash), DbError> {
    let sql = "INSERT INTO audit_end (one, no, hash) VALUES (1, 0, ?1) ON CONFLICT DO NOTHING";
    tx.execute(sql, values![Hash::ZERO])?;
    let row = tx.row_locked("SELECT no, hash FROM audit_end WHERE one = 1", &[])?;
    let row = row.ok_or_else(|| DbError::Shape("no end of the audit trail".to_owned()))?;
    Ok((row.get(0)?, row.get(1)?))
}

/// Where the trail ends: the last entry's number and hash.
pub fn end(tx: &mut Tx<'_>) -> Result<(u64, Hash), DbError> {
    match tx.row("SELECT no, hash FROM audit_end WHERE one = 1", &[])? {
        Some(row) => Ok((row.get(0)?, row.get(1)?)),
        None => Ok((0, Hash::ZERO)),
    }
}

/// Writes the entry after the end.
pub fn add(tx: &mut Tx<'_>, it: &Entry) -> Result<(), DbError> {
    let sql = "INSERT INTO audit_trail (no, at, actor, call, body, trace, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    tx.execute(sql, values![it.no, it.at, &it.actor, &it.call, &it.body, &it.trace, it.hash])?;
    tx.execute("UPDATE audit_end SET no = ?1, hash = ?2 WHERE one = 1", values![it.no, it.hash]).map(|_| ())
}

const COLUMNS: &str = "SELECT no, at, actor, call, body, trace, hash FROM audit_trail";

/// Entries after a number, in their order.
pub fn after(tx: &mut Tx<'_>, no: u64, limit: usize) -> Result<Vec<Entry>, DbError> {
    let sql = format!("{COLUMNS} WHERE no > ?1 ORDER BY no LIMIT ?2");
    tx.rows(&sql, values![no, limit])?.iter().map(entry).collect()
}

/// Entries before a number, the newest first, whose call or body holds a text.
pub fn before(tx: &mut Tx<'_>, no: u64, holds: &str, limit: usize) -> Result<Vec<Entry>, DbError> {
    let sql = format!("{COLUMNS} WHERE no < ?1 AND (call LIKE ?2 OR body LIKE ?2) ORDER BY no DESC LIMIT ?3");
    let pattern = format!("%{}%", holds.replace(['%', '_'], " "));
    tx.rows(&sql, values![no, pattern, limit])?.iter().map(entry).collect()
}
