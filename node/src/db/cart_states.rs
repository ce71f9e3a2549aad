//! Carts as they are merged between the store's nodes.

use super::Fault;
use super::incarnations::{int, unsigned};
use rusqlite::{Connection, OptionalExtension, params};
use tradepost_sync::ids::Id;

/// How long an ended cart is told to others, and how long it is kept.
const TOLD_MS: i64 = 24 * 60 * 60 * 1_000;
const KEPT_MS: i64 = 30 * TOLD_MS;

/// A cart's state to be kept.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Its id.
    pub id: &'a Id,
    /// When it changed, by the wall clock.
    pub changed: i64,
    /// It has come to its end.
    pub ended: bool,
    /// The cart that it was cloned from, or is left over of.
    pub related: Option<Id>,
    /// The state.
    pub bytes: &'a [u8],
}

/// A cart's state.
///
/// # Errors
/// [`Fault`].
pub fn load(conn: &Connection, id: &Id) -> Result<Option<Vec<u8>>, Fault> {
    let mut statement = conn.prepare_cached("SELECT bytes FROM cart_states WHERE id = ?1")?;
    Ok(statement.query_row([id.0], |row| row.get(0)).optional()?)
}

/// Writes a cart's state under the next number; ended carts of long ago are let go.
///
/// # Errors
/// [`Fault`].
pub fn store(conn: &Connection, row: &Row<'_>) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO cart_states (id, n, changed, ended, related, bytes) \
         VALUES (?1, (SELECT COALESCE(MAX(n), 0) + 1 FROM cart_states), ?2, ?3, ?4, ?5) \
         ON CONFLICT (id) DO UPDATE SET n = excluded.n, changed = ?2, ended = ?3, bytes = ?5",
    )?
    .execute(params![row.id.0, row.changed, row.ended, row.related.map(|id| id.0), row.bytes])?;
    if row.ended {
        conn.prepare_cached("DELETE FROM cart_states WHERE ended = 1 AND changed < ?1")?
            .execute([row.changed.saturating_sub(KEPT_MS)])?;
    }
    Ok(())
}

/// States that changed after the number `after`, in order, each with its number; of ended carts the latest only.
///
/// # Errors
/// [`Fault`].
pub fn after(conn: &Connection, after: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT n, bytes FROM cart_states WHERE n > ?1 AND \
         (ended = 0 OR changed > (SELECT MAX(changed) FROM cart_states) - ?2) ORDER BY n LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement
        .query_map(params![int(after), TOLD_MS, limit], |row| Ok((unsigned(row.get(0)?), row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The number of the last change; 0 where nothing ever changed.
///
/// # Errors
/// [`Fault`].
pub fn last(conn: &Connection) -> Result<u64, Fault> {
    let mut statement = conn.prepare_cached("SELECT COALESCE(MAX(n), 0) FROM cart_states")?;
    Ok(statement.query_row([], |row| row.get(0).map(unsigned))?)
}

/// Carts whose last change bears a number above `after`, up to `until`, in order.
///
/// # Errors
/// [`Fault`].
pub fn changed(conn: &Connection, after: u64, until: u64) -> Result<Vec<Id>, Fault> {
    let mut statement =
        conn.prepare_cached("SELECT id FROM cart_states WHERE n > ?1 AND n <= ?2 ORDER BY n")?;
    let rows = statement.query_map(params![int(after), int(until)], |row| Ok(Id(row.get(0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// States of carts that were cloned from a cart, or are left over of it.
///
/// # Errors
/// [`Fault`].
pub fn related(conn: &Connection, to: &Id) -> Result<Vec<Vec<u8>>, Fault> {
    let mut statement =
        conn.prepare_cached("SELECT bytes FROM cart_states WHERE related = ?1 ORDER BY id")?;
    let rows = statement.query_map([to.0], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
