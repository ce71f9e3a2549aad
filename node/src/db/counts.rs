//! Counts: those that stand in the log, which one each item stands on, and those that are being made.

use super::Fault;
use rusqlite::{Connection, OptionalExtension, params};
use tradepost_sync::ids::Id;

/// A count in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The event that holds it.
    pub place: i64,
    /// The item's number.
    pub sku: i64,
    /// The item's goods stand on it.
    pub latest: bool,
    /// It is in doubt.
    pub tainted: bool,
}

/// A count that has begun and not ended: its id, the item's number, and how it began as JSON.
pub type Begun = (Id, i64, String);

const COLUMNS: &str = "place, sku, latest, tainted";

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row { place: row.get(0)?, sku: row.get(1)?, latest: row.get(2)?, tainted: row.get(3)? })
}

/// Adds a count of the log.
///
/// # Errors
/// [`Fault`].
pub fn add(conn: &Connection, place: i64, sku: i64) -> Result<(), Fault> {
    conn.prepare_cached("INSERT INTO counts (place, sku) VALUES (?1, ?2) ON CONFLICT (place) DO NOTHING")?
        .execute([place, sku])?;
    Ok(())
}

/// Every count of an item.
///
/// # Errors
/// [`Fault`].
pub fn of(conn: &Connection, sku: i64) -> Result<Vec<Row>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM counts WHERE sku = ?1 ORDER BY place");
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map([sku], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The counts that items stand on.
///
/// # Errors
/// [`Fault`].
pub fn latest(conn: &Connection) -> Result<Vec<Row>, Fault> {
    let mut statement =
        conn.prepare_cached(&format!("SELECT {COLUMNS} FROM counts WHERE latest = 1 ORDER BY sku"))?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether anything was ever counted.
///
/// # Errors
/// [`Fault`].
pub fn any(conn: &Connection) -> Result<bool, Fault> {
    Ok(conn.prepare_cached("SELECT 1 FROM counts LIMIT 1")?.exists([])?)
}

/// The count at a place of the log.
///
/// # Errors
/// [`Fault`].
pub fn at(conn: &Connection, place: i64) -> Result<Option<Row>, Fault> {
    let mut statement = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM counts WHERE place = ?1"))?;
    Ok(statement.query_row([place], read).optional()?)
}

/// Takes a count out whose event was cut off.
///
/// # Errors
/// [`Fault`].
pub fn take_out(conn: &Connection, place: i64) -> Result<(), Fault> {
    conn.prepare_cached("DELETE FROM counts WHERE place = ?1")?.execute([place])?;
    Ok(())
}

/// Says on which count an item stands, and whether it is in doubt.
///
/// # Errors
/// [`Fault`].
pub fn stand_on(conn: &Connection, sku: i64, place: i64, tainted: bool) -> Result<(), Fault> {
    conn.prepare_cached(
        "UPDATE counts SET latest = (place = ?2), tainted = (place = ?2 AND ?3) WHERE sku = ?1",
    )?
    .execute(params![sku, place, tainted])?;
    Ok(())
}

/// The count an item stands on is in doubt from now on.
///
/// # Errors
/// [`Fault`].
pub fn taint(conn: &Connection, sku: i64) -> Result<(), Fault> {
    conn.prepare_cached("UPDATE counts SET tainted = 1 WHERE sku = ?1 AND latest = 1")?.execute([sku])?;
    Ok(())
}

/// Items of an alias are no longer what was counted.
///
/// # Errors
/// [`Fault`].
pub fn forget(conn: &Connection, sku: i64) -> Result<(), Fault> {
    conn.execute("DELETE FROM counts WHERE sku = ?1", [sku])?;
    Ok(())
}

/// Keeps how a count began.
///
/// # Errors
/// [`Fault`].
pub fn begin(conn: &Connection, id: &Id, sku: i64, begun: &str) -> Result<(), Fault> {
    conn.prepare_cached("INSERT INTO counting (id, sku, begun) VALUES (?1, ?2, ?3)")?
        .execute(params![id.0, sku, begun])?;
    Ok(())
}

/// A count that has begun.
///
/// # Errors
/// [`Fault`].
pub fn begun(conn: &Connection, id: &Id) -> Result<Option<Begun>, Fault> {
    let mut statement = conn.prepare_cached("SELECT id, sku, begun FROM counting WHERE id = ?1")?;
    Ok(statement.query_row([id.0], |row| Ok((Id(row.get(0)?), row.get(1)?, row.get(2)?))).optional()?)
}

/// Counts that have begun and not ended, by id.
///
/// # Errors
/// [`Fault`].
pub fn all_begun(conn: &Connection) -> Result<Vec<Begun>, Fault> {
    let mut statement = conn.prepare_cached("SELECT id, sku, begun FROM counting ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok((Id(row.get(0)?), row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Lets a count go that had begun; whether there was one.
///
/// # Errors
/// [`Fault`].
pub fn let_go(conn: &Connection, id: &Id) -> Result<bool, Fault> {
    Ok(conn.prepare_cached("DELETE FROM counting WHERE id = ?1")?.execute([id.0])? == 1)
}
