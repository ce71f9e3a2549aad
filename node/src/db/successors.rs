//! Whom a fence names to go on with what a lost incarnation owned (`model.md` §5).

use super::Fault;
use rusqlite::{Connection, OptionalExtension, params};
use tradepost_sync::ids::Incarnation;

/// Notes the successor of a lost incarnation, by its number.
///
/// # Errors
/// [`Fault`].
pub fn set(conn: &Connection, lost: i64, successor: &Incarnation) -> Result<(), Fault> {
    conn.execute(
        "INSERT INTO successors (lost, successor) VALUES (?1, ?2) ON CONFLICT (lost) DO UPDATE SET successor = ?2",
        params![lost, successor.0],
    )?;
    Ok(())
}

/// The successor of a lost incarnation, if its fence names one.
///
/// # Errors
/// [`Fault`].
pub fn of(conn: &Connection, lost: i64) -> Result<Option<Incarnation>, Fault> {
    let mut statement = conn.prepare_cached("SELECT successor FROM successors WHERE lost = ?1")?;
    Ok(statement.query_row([lost], |row| row.get(0)).optional()?.map(Incarnation))
}
