//! Where logs of lost incarnations end for rights, and which of their rights are resolved (`model.md` §3.5, §3.6).

use super::Fault;
use super::incarnations::{int, unsigned};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeSet;
use tradepost_sync::ids::Hash;
use tradepost_sync::rights::Row;
use tradepost_sync::terms::Cap;

/// The last position of an incarnation's log that moves rights; none where it has no cap.
///
/// # Errors
/// [`Fault`].
pub fn of(conn: &Connection, no: i64) -> Result<Option<Cap>, Fault> {
    let mut statement = conn.prepare_cached("SELECT seq, hash FROM caps WHERE incarnation = ?1")?;
    let read = |row: &rusqlite::Row<'_>| Ok(Cap { seq: unsigned(row.get(0)?), hash: Hash(row.get(1)?) });
    Ok(statement.query_row([no], read).optional()?)
}

/// Sets a cap; the first one stays. Whether it is new.
///
/// # Errors
/// [`Fault`].
pub fn set(conn: &Connection, no: i64, cap: &Cap) -> Result<bool, Fault> {
    let sql =
        "INSERT INTO caps (incarnation, seq, hash) VALUES (?1, ?2, ?3) ON CONFLICT (incarnation) DO NOTHING";
    Ok(conn.prepare_cached(sql)?.execute(params![no, int(cap.seq), cap.hash.0])? == 1)
}

/// What an incarnation had of an item is resolved. Again it changes nothing.
///
/// # Errors
/// [`Fault`].
pub fn resolve(conn: &Connection, no: i64, sku: i64) -> Result<(), Fault> {
    let sql = "INSERT INTO resolved (sku, incarnation) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    conn.prepare_cached(sql)?.execute([sku, no])?;
    Ok(())
}

/// Whose rights in an item are resolved.
///
/// # Errors
/// [`Fault`].
pub fn resolved(conn: &Connection, sku: i64) -> Result<BTreeSet<i64>, Fault> {
    let mut statement = conn.prepare_cached("SELECT incarnation FROM resolved WHERE sku = ?1")?;
    let rows = statement.query_map([sku], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What is resolved under one item is resolved under another (an alias).
///
/// # Errors
/// [`Fault`].
pub fn merge(conn: &Connection, from: i64, to: i64) -> Result<(), Fault> {
    conn.execute("UPDATE OR IGNORE resolved SET sku = ?2 WHERE sku = ?1", [from, to])?;
    conn.execute("DELETE FROM resolved WHERE sku = ?1", [from])?;
    Ok(())
}

/// Takes back from a cell of somebody else's row what an event behind its author's cap had added.
///
/// # Errors
/// [`Fault`].
pub fn take_back_cells(conn: &Connection, no: i64, sku: i64, cells: &Row) -> Result<(), Fault> {
    conn.prepare_cached(
        "UPDATE cells SET minted = minted - ?3, used = used - ?4, overdrawn = overdrawn - ?5, \
         settled = settled - ?6 WHERE incarnation = ?1 AND sku = ?2",
    )?
    .execute(params![
        no,
        sku,
        int(cells.minted),
        int(cells.used),
        int(cells.overdrawn),
        int(cells.settled)
    ])?;
    // A row that says nothing is no row: whoever never took the event has none.
    conn.prepare_cached(
        "DELETE FROM cells WHERE incarnation = ?1 AND sku = ?2 \
         AND minted = 0 AND used = 0 AND overdrawn = 0 AND settled = 0",
    )?
    .execute([no, sku])?;
    Ok(())
}

/// The same of what one incarnation gave to another.
///
/// # Errors
/// [`Fault`].
pub fn take_back_gift(conn: &Connection, giver: i64, taker: i64, sku: i64, units: u64) -> Result<(), Fault> {
    conn.prepare_cached("UPDATE gifts SET units = units - ?4 WHERE sku = ?1 AND giver = ?2 AND taker = ?3")?
        .execute(params![sku, giver, taker, int(units)])?;
    conn.prepare_cached("DELETE FROM gifts WHERE sku = ?1 AND giver = ?2 AND taker = ?3 AND units = 0")?
        .execute([sku, giver, taker])?;
    Ok(())
}
