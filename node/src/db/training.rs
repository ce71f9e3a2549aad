//! What tills make while they practise, beside the log and never in it (`facts.md` §2), and which tills do.

use super::Fault;
use super::incarnations::{int, unsigned};
use rusqlite::{Connection, OptionalExtension, params};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Id;

/// A till that practises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Practising {
    /// Since when.
    pub since: UtcMs,
    /// By whose word.
    pub by: Option<String>,
}

/// A document of training as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainingRow {
    /// Its place in the chain of training.
    pub seq: u64,
    /// Its id.
    pub id: Id,
    /// Hash of the client's request; none for a cart's.
    pub request: Option<[u8; 16]>,
    /// The till.
    pub till: String,
    /// Its number there.
    pub n: u64,
    /// The event, in canonical bytes.
    pub event: Vec<u8>,
    /// The event's hash.
    pub hash: [u8; 32],
}

/// Since when a till practises; none where it sells.
///
/// # Errors
/// [`Fault`].
pub fn practising(conn: &Connection, till: &str) -> Result<Option<Practising>, Fault> {
    let mut statement = conn.prepare_cached("SELECT since, by FROM training_tills WHERE till = ?1")?;
    let read = |row: &rusqlite::Row<'_>| Ok(Practising { since: row.get(0)?, by: row.get(1)? });
    Ok(statement.query_row([till], read).optional()?)
}

/// A till practises from now on, or sells again.
///
/// # Errors
/// [`Fault`].
pub fn set(conn: &Connection, till: &str, practising: Option<&Practising>) -> Result<(), Fault> {
    match practising {
        None => conn.prepare_cached("DELETE FROM training_tills WHERE till = ?1")?.execute([till])?,
        Some(on) => conn
            .prepare_cached("INSERT OR REPLACE INTO training_tills (till, since, by) VALUES (?1, ?2, ?3)")?
            .execute(params![till, on.since, on.by])?,
    };
    Ok(())
}

/// Adds a document.
///
/// # Errors
/// [`Fault`].
pub fn add(conn: &Connection, row: &TrainingRow) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO training (seq, id, request, till, n, event, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![int(row.seq), row.id.0, row.request, row.till, int(row.n), row.event, row.hash])?;
    Ok(())
}

const COLUMNS: &str = "seq, id, request, till, n, event, hash";

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<TrainingRow> {
    Ok(TrainingRow {
        seq: row.get(0).map(unsigned)?,
        id: Id(row.get(1)?),
        request: row.get(2)?,
        till: row.get(3)?,
        n: row.get(4).map(unsigned)?,
        event: row.get(5)?,
        hash: row.get(6)?,
    })
}

/// A document by its id.
///
/// # Errors
/// [`Fault`].
pub fn find(conn: &Connection, id: &Id) -> Result<Option<TrainingRow>, Fault> {
    let mut statement = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM training WHERE id = ?1"))?;
    Ok(statement.query_row([id.0], read).optional()?)
}

/// The last document of all.
///
/// # Errors
/// [`Fault`].
pub fn last(conn: &Connection) -> Result<Option<TrainingRow>, Fault> {
    let mut statement =
        conn.prepare_cached(&format!("SELECT {COLUMNS} FROM training ORDER BY seq DESC LIMIT 1"))?;
    Ok(statement.query_row([], read).optional()?)
}

/// The last number of a till; 0 before the first.
///
/// # Errors
/// [`Fault`].
pub fn last_number(conn: &Connection, till: &str) -> Result<u64, Fault> {
    let mut statement = conn.prepare_cached("SELECT coalesce(max(n), 0) FROM training WHERE till = ?1")?;
    Ok(statement.query_row([till], |row| row.get(0)).map(unsigned)?)
}
