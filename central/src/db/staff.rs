//! Staff and policy of each store, with the versions of their rows.

use super::{DbError, Row, Tx};
use crate::values;
use tradepost_sync::clock::UtcMs;

/// Somebody of a store's staff; `role` is a number that `app` gives a meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaffRow {
    /// Their id.
    pub id: String,
    /// Version of the row.
    pub row_version: u64,
    /// The name.
    pub name: String,
    /// The role's number.
    pub role: i64,
    /// Works there still.
    pub active: bool,
    /// Salt and hash of the PIN, where one was given.
    pub pin: Option<(Vec<u8>, Vec<u8>)>,
    /// When it last changed.
    pub changed_at: UtcMs,
}

const COLUMNS: &str = "id, row_version, name, role, active, salt, pin, changed_at";

fn read(row: &Row) -> Result<StaffRow, DbError> {
    let (salt, hash): (Option<Vec<u8>>, Option<Vec<u8>>) = (row.get(5)?, row.get(6)?);
    Ok(StaffRow {
        id: row.get(0)?,
        row_version: row.get(1)?,
        name: row.get(2)?,
        role: row.get(3)?,
        active: row.get(4)?,
        pin: salt.zip(hash),
        changed_at: row.get(7)?,
    })
}

/// A store's staff, by id.
pub fn all(tx: &mut Tx<'_>, store: i64) -> Result<Vec<StaffRow>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM staff WHERE store = ?1 ORDER BY id");
    tx.rows(&sql, values![store])?.iter().map(read).collect()
}

/// One of a store's staff.
pub fn find(tx: &mut Tx<'_>, store: i64, id: &str) -> Result<Option<StaffRow>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM staff WHERE store = ?1 AND id = ?2");
    tx.row(&sql, values![store, id])?.as_ref().map(read).transpose()
}

/// Writes one of a store's staff as a whole.
pub fn put(tx: &mut Tx<'_>, store: i64, row: &StaffRow) -> Result<(), DbError> {
    let sql = "INSERT INTO staff (store, id, row_version, name, role, active, salt, pin, changed_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (store, id) DO UPDATE SET \
        row_version = excluded.row_version, name = excluded.name, role = excluded.role, active = excluded.active, \
        salt = excluded.salt, pin = excluded.pin, changed_at = excluded.changed_at";
    let (salt, pin) = row.pin.clone().unzip();
    let given = values![
        store,
        &row.id,
        row.row_version,
        &row.name,
        row.role,
        i64::from(row.active),
        salt,
        pin,
        row.changed_at
    ];
    tx.execute(sql, given).map(|_| ())
}

/// A store's policy as JSON, with the version of its row.
pub fn policy(tx: &mut Tx<'_>, store: i64) -> Result<Option<(u64, String)>, DbError> {
    let sql = "SELECT row_version, body FROM policies WHERE store = ?1";
    tx.row(sql, values![store])?.map(|row| Ok((row.get(0)?, row.get(1)?))).transpose()
}

/// Writes a store's policy.
pub fn put_policy(
    tx: &mut Tx<'_>,
    store: i64,
    row_version: u64,
    body: &str,
    now: UtcMs,
) -> Result<(), DbError> {
    let sql = "INSERT INTO policies (store, row_version, body, changed_at) VALUES (?1, ?2, ?3, ?4) \
        ON CONFLICT (store) DO UPDATE SET row_version = excluded.row_version, body = excluded.body, \
        changed_at = excluded.changed_at";
    tx.execute(sql, values![store, row_version, body, now]).map(|_| ())
}
