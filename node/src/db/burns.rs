//! Requests to burn rights, each done once (`model.md` §2).

use super::Fault;
use super::incarnations::int;
use rusqlite::{Connection, params};
use tradepost_sync::ids::Id;

/// Notes that a request is done; false where it was done before.
///
/// # Errors
/// [`Fault`].
pub fn done(conn: &Connection, id: &Id, units: u64) -> Result<bool, Fault> {
    let new =
        conn.execute("INSERT OR IGNORE INTO burns (id, units) VALUES (?1, ?2)", params![id.0, int(units)])?;
    Ok(new > 0)
}

/// Whether a request is done.
///
/// # Errors
/// [`Fault`].
pub fn is_done(conn: &Connection, id: &Id) -> Result<bool, Fault> {
    let mut statement = conn.prepare_cached("SELECT 1 FROM burns WHERE id = ?1")?;
    Ok(statement.exists([id.0])?)
}
