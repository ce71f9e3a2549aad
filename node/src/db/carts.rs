//! Open, parked and finished carts.

use super::Fault;
use rusqlite::{Connection, OptionalExtension, params};
use tradepost_sync::ids::Id;

/// A cart's body as it is kept.
///
/// # Errors
/// [`Fault`].
pub fn load(conn: &Connection, id: &Id) -> Result<Option<String>, Fault> {
    let mut statement = conn.prepare_cached("SELECT body FROM carts WHERE id = ?1")?;
    Ok(statement.query_row([id.0], |row| row.get(0)).optional()?)
}

/// Writes a cart.
///
/// # Errors
/// [`Fault`].
pub fn store(conn: &Connection, id: &Id, state: i64, changed: i64, body: &str) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO carts (id, state, changed, body) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (id) DO UPDATE SET state = ?2, changed = ?3, body = ?4",
    )?
    .execute(params![id.0, state, changed, body])?;
    Ok(())
}

/// Bodies of the carts in a state, the one that changed last first.
///
/// # Errors
/// [`Fault`].
pub fn in_state(conn: &Connection, state: i64, limit: usize) -> Result<Vec<String>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT body FROM carts WHERE state IN (1, 2, 3) AND state = ?1 ORDER BY changed DESC LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![state, limit], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
