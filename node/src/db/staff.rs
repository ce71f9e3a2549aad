//! Who works in the store, and who stands at which till.

use super::Fault;
use super::incarnations::int;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tradepost_sync::clock::UtcMs;

/// A PIN as it is kept: never in the clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinHash {
    /// Random, one for each PIN.
    pub salt: Vec<u8>,
    /// What the PIN comes to with it.
    pub hash: Vec<u8>,
}

/// A record as it is stored; `role` is a number that `app` gives a meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaffRow {
    /// Its id.
    pub id: String,
    /// The name.
    pub name: String,
    /// The role's number.
    pub role: i64,
    /// Works here still.
    pub active: bool,
    /// The PIN, where one was given.
    pub pin: Option<PinHash>,
    /// Wrong PINs in a row.
    pub tries: u32,
    /// No PIN is tried before this instant of the wall clock.
    pub locked_until: UtcMs,
}

/// Who is signed on at a till.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignOn {
    /// The till.
    pub till: String,
    /// The record's id.
    pub staff: String,
    /// Since when.
    pub since: UtcMs,
}

const COLUMNS: &str = "id, name, role, active, salt, pin, tries, locked_until";

/// A record by its id.
///
/// # Errors
/// [`Fault`].
pub fn find(conn: &Connection, id: &str) -> Result<Option<StaffRow>, Fault> {
    let mut statement = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM staff WHERE id = ?1"))?;
    Ok(statement.query_row([id], read).optional()?)
}

/// All records, by id.
///
/// # Errors
/// [`Fault`].
pub fn all(conn: &Connection) -> Result<Vec<StaffRow>, Fault> {
    let mut statement = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM staff ORDER BY id"))?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether anybody works here at all.
///
/// # Errors
/// [`Fault`].
pub fn any(conn: &Connection) -> Result<bool, Fault> {
    Ok(conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM staff)")?.query_row([], |row| row.get(0))?)
}

/// Nobody of those who are on record works here any more, and nobody is signed on.
///
/// # Errors
/// [`Fault`].
pub fn nobody_works_here(conn: &Connection) -> Result<(), Fault> {
    conn.execute_batch("UPDATE staff SET active = 0; DELETE FROM sign_ons")?;
    Ok(())
}

/// Stores a record as a whole.
///
/// # Errors
/// [`Fault`].
pub fn put(conn: &Connection, row: &StaffRow) -> Result<(), Fault> {
    let (salt, pin) = row.pin.as_ref().map(|pin| (&pin.salt, &pin.hash)).unzip();
    conn.prepare_cached(&format!(
        "INSERT OR REPLACE INTO staff ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
    ))?
    .execute(params![
        row.id,
        row.name,
        row.role,
        row.active,
        salt,
        pin,
        row.tries,
        row.locked_until
    ])?;
    Ok(())
}

/// Notes how many PINs went wrong, and from when on the next may be tried.
///
/// # Errors
/// [`Fault`].
pub fn set_tries(conn: &Connection, id: &str, tries: u32, locked_until: UtcMs) -> Result<(), Fault> {
    conn.prepare_cached("UPDATE staff SET tries = ?2, locked_until = ?3 WHERE id = ?1")?.execute(params![
        id,
        tries,
        locked_until
    ])?;
    Ok(())
}

/// Who is signed on at a till.
///
/// # Errors
/// [`Fault`].
pub fn at_till(conn: &Connection, till: &str) -> Result<Option<SignOn>, Fault> {
    let mut statement = conn.prepare_cached("SELECT till, staff, since FROM sign_ons WHERE till = ?1")?;
    let sign_on = |row: &Row<'_>| Ok(SignOn { till: row.get(0)?, staff: row.get(1)?, since: row.get(2)? });
    Ok(statement.query_row([till], sign_on).optional()?)
}

/// Signs somebody on at a till, or the last one off.
///
/// # Errors
/// [`Fault`].
pub fn sign_on(conn: &Connection, till: &str, who: Option<(&str, UtcMs)>) -> Result<(), Fault> {
    match who {
        None => conn.prepare_cached("DELETE FROM sign_ons WHERE till = ?1")?.execute([till])?,
        Some((staff, since)) => conn
            .prepare_cached("INSERT OR REPLACE INTO sign_ons (till, staff, since) VALUES (?1, ?2, ?3)")?
            .execute(params![till, staff, since])?,
    };
    Ok(())
}

/// Signs a person off everywhere.
///
/// # Errors
/// [`Fault`].
pub fn sign_off_everywhere(conn: &Connection, staff: &str) -> Result<(), Fault> {
    conn.prepare_cached("DELETE FROM sign_ons WHERE staff = ?1")?.execute([staff])?;
    Ok(())
}

/// Every till that is known: somebody signed on, sold or opened a shift there, or it has a printer.
///
/// # Errors
/// [`Fault`].
pub fn tills(conn: &Connection) -> Result<Vec<String>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT till FROM sign_ons UNION SELECT till FROM shifts UNION SELECT till FROM fiscal_chains \
         UNION SELECT till FROM printers ORDER BY 1 LIMIT ?1",
    )?;
    let rows = statement.query_map([int(10_000)], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<StaffRow> {
    let (salt, hash): (Option<Vec<u8>>, Option<Vec<u8>>) = (row.get(4)?, row.get(5)?);
    Ok(StaffRow {
        id: row.get(0)?,
        name: row.get(1)?,
        role: row.get(2)?,
        active: row.get(3)?,
        pin: salt.zip(hash).map(|(salt, hash)| PinHash { salt, hash }),
        tries: row.get(6)?,
        locked_until: row.get(7)?,
    })
}
