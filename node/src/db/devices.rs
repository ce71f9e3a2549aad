//! Paired devices, and the codes by which devices are paired.

use super::Fault;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Id;

/// A device as it is stored; `kind` is a number of the schema that `app` gives a meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// Its id.
    pub id: Id,
    /// What people call it.
    pub name: String,
    /// The kind's number.
    pub kind: i64,
    /// The till it stands at.
    pub till: String,
    /// When it was paired.
    pub made: UtcMs,
}

/// What a code is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairingRow {
    /// What the device will be called.
    pub name: String,
    /// The kind's number.
    pub kind: i64,
    /// The till it will stand at.
    pub till: String,
    /// It is good until this instant of the wall clock.
    pub until: UtcMs,
}

const COLUMNS: &str = "id, name, kind, till, made";

fn read(row: &Row<'_>) -> rusqlite::Result<DeviceRow> {
    Ok(DeviceRow {
        id: Id(row.get(0)?),
        name: row.get(1)?,
        kind: row.get(2)?,
        till: row.get(3)?,
        made: row.get(4)?,
    })
}

/// Adds a device with the hash of its token.
///
/// # Errors
/// [`Fault`].
pub fn add(conn: &Connection, device: &DeviceRow, token: &[u8; 32]) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO devices (id, name, kind, till, token, made) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![device.id.0, device.name, device.kind, device.till, token, device.made])?;
    Ok(())
}

/// The device with a token of this hash.
///
/// # Errors
/// [`Fault`].
pub fn by_token(conn: &Connection, token: &[u8; 32]) -> Result<Option<DeviceRow>, Fault> {
    let mut statement = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM devices WHERE token = ?1"))?;
    Ok(statement.query_row([token], read).optional()?)
}

/// All devices, in the order in which they were paired.
///
/// # Errors
/// [`Fault`].
pub fn all(conn: &Connection) -> Result<Vec<DeviceRow>, Fault> {
    let mut statement = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM devices ORDER BY made, id"))?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Forgets a device; whether there was one.
///
/// # Errors
/// [`Fault`].
pub fn remove(conn: &Connection, id: &Id) -> Result<bool, Fault> {
    Ok(conn.prepare_cached("DELETE FROM devices WHERE id = ?1")?.execute([id.0])? > 0)
}

/// Keeps a code by its hash, and forgets those that ran out.
///
/// # Errors
/// [`Fault`].
pub fn invite(conn: &Connection, code: &[u8; 32], row: &PairingRow, now: UtcMs) -> Result<(), Fault> {
    conn.prepare_cached("DELETE FROM pairings WHERE until <= ?1")?.execute([now])?;
    conn.prepare_cached(
        "INSERT OR REPLACE INTO pairings (code, name, kind, till, until) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![code, row.name, row.kind, row.till, row.until])?;
    Ok(())
}

/// What a code is good for; it is good for nothing any more.
///
/// # Errors
/// [`Fault`].
pub fn redeem(conn: &Connection, code: &[u8; 32]) -> Result<Option<PairingRow>, Fault> {
    let mut statement =
        conn.prepare_cached("DELETE FROM pairings WHERE code = ?1 RETURNING name, kind, till, until")?;
    let read = |row: &Row<'_>| {
        Ok(PairingRow { name: row.get(0)?, kind: row.get(1)?, till: row.get(2)?, until: row.get(3)? })
    };
    Ok(statement.query_row([code], read).optional()?)
}
