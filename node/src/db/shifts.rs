//! Shifts and Zs of every till that is known, by the events that hold them.

use super::Fault;
use super::events::parts;
use super::incarnations::{int, unsigned};
use rusqlite::{Connection, OptionalExtension, Row, params};
use tradepost_sync::body::Day;

/// A shift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShiftRow {
    /// The event that opened it.
    pub opened: i64,
    /// Its till.
    pub till: String,
    /// Its number at that till.
    pub number: u32,
    /// Number of the incarnation that opened it.
    pub author: i64,
    /// Its business day.
    pub day: Day,
    /// The event that closed it.
    pub closed: Option<i64>,
    /// Its sums, where it is open and this node's.
    pub body: Option<String>,
}

impl ShiftRow {
    /// Whether its opening stood on a branch that was cut off, and was said again.
    pub fn is_said_again(&self) -> bool {
        parts(self.opened).0 != self.author
    }
}

/// A Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZRow {
    /// The event that holds it.
    pub place: i64,
    /// Its number at its till.
    pub z: u32,
    /// The shift's number.
    pub shift: u32,
    /// Of a recovered shift or its supplement: the event that opened it.
    pub opened: Option<i64>,
    /// And up to which seq of its author it tells.
    pub upto: Option<u64>,
}

const SHIFT: &str = "opened, till, number, author, day, closed, body";
const Z: &str = "place, z, shift, opened, upto";

/// Adds a shift that was opened.
///
/// # Errors
/// [`Fault`].
pub fn open(conn: &Connection, row: &ShiftRow) -> Result<(), Fault> {
    conn.prepare_cached(&format!(
        "INSERT OR REPLACE INTO shifts ({SHIFT}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
    ))?
    .execute(params![row.opened, row.till, row.number, row.author, row.day.0, row.closed, row.body])?;
    Ok(())
}

/// Keeps an open shift's sums.
///
/// # Errors
/// [`Fault`].
pub fn keep(conn: &Connection, opened: i64, body: &str) -> Result<(), Fault> {
    conn.prepare_cached("UPDATE shifts SET body = ?2 WHERE opened = ?1")?.execute(params![opened, body])?;
    Ok(())
}

/// A shift is closed: its sums are in its Z now.
///
/// # Errors
/// [`Fault`].
pub fn close(conn: &Connection, opened: i64, closed: i64) -> Result<(), Fault> {
    conn.prepare_cached("UPDATE shifts SET closed = ?2, body = NULL WHERE opened = ?1")?
        .execute(params![opened, closed])?;
    Ok(())
}

/// The open shift of a till that this node runs: of the present memory, or of the one before it was enrolled.
///
/// # Errors
/// [`Fault`].
pub fn running(conn: &Connection, till: &str) -> Result<Option<ShiftRow>, Fault> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {SHIFT} FROM shifts WHERE till = ?1 AND closed IS NULL AND body IS NOT NULL \
         AND author IN (SELECT no FROM incarnations WHERE role IN (1, 3)) ORDER BY number DESC LIMIT 1"
    ))?;
    Ok(statement.query_row([till], read).optional()?)
}

/// Tills whose open shifts this node runs.
///
/// # Errors
/// [`Fault`].
pub fn tills_running(conn: &Connection) -> Result<Vec<String>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT DISTINCT till FROM shifts WHERE closed IS NULL AND body IS NOT NULL \
         AND author IN (SELECT no FROM incarnations WHERE role IN (1, 3)) ORDER BY till",
    )?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Shifts of a till that nobody closed and that this node doesn't run, the oldest first.
///
/// # Errors
/// [`Fault`].
pub fn elsewhere(conn: &Connection, till: &str) -> Result<Vec<ShiftRow>, Fault> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {SHIFT} FROM shifts WHERE till = ?1 AND closed IS NULL \
         AND author NOT IN (SELECT no FROM incarnations WHERE role IN (1, 3)) ORDER BY number, opened"
    ))?;
    let rows = statement.query_map([till], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A shift by the event that opened it.
///
/// # Errors
/// [`Fault`].
pub fn by_opening(conn: &Connection, opened: i64) -> Result<Option<ShiftRow>, Fault> {
    let mut statement = conn.prepare_cached(&format!("SELECT {SHIFT} FROM shifts WHERE opened = ?1"))?;
    Ok(statement.query_row([opened], read).optional()?)
}

/// A till's shifts by their number and the incarnation that opened them, open ones first: one, or two where a branch that
/// was cut off had opened another of the same number, which is said again.
///
/// # Errors
/// [`Fault`].
pub fn of_author(conn: &Connection, till: &str, number: u32, author: i64) -> Result<Vec<ShiftRow>, Fault> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {SHIFT} FROM shifts WHERE till = ?1 AND number = ?2 AND author = ?3 \
         ORDER BY closed IS NOT NULL, opened"
    ))?;
    let rows = statement.query_map(params![till, number, author], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A till's shift by its number, opened by this node itself: by its present memory or by the one before it was enrolled.
///
/// # Errors
/// [`Fault`].
pub fn own(conn: &Connection, till: &str, number: u32) -> Result<Option<ShiftRow>, Fault> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {SHIFT} FROM shifts WHERE till = ?1 AND number = ?2 \
         AND author IN (SELECT no FROM incarnations WHERE role IN (1, 3)) ORDER BY opened DESC LIMIT 1"
    ))?;
    Ok(statement.query_row(params![till, number], read).optional()?)
}

/// The event at a place counts no more: what it opened or closed is as before it.
///
/// # Errors
/// [`Fault`].
pub fn cut(conn: &Connection, place: i64) -> Result<(), Fault> {
    conn.prepare_cached("DELETE FROM shifts WHERE opened = ?1")?.execute([place])?;
    conn.prepare_cached("UPDATE shifts SET closed = NULL WHERE closed = ?1")?.execute([place])?;
    conn.prepare_cached("DELETE FROM zs WHERE place = ?1")?.execute([place])?;
    super::branches::untell(conn, place)
}

/// The highest number of a shift that is known of a till; 0 for none.
///
/// # Errors
/// [`Fault`].
pub fn last_number(conn: &Connection, till: &str) -> Result<u32, Fault> {
    let mut statement = conn.prepare_cached("SELECT coalesce(max(number), 0) FROM shifts WHERE till = ?1")?;
    Ok(statement.query_row([till], |row| row.get(0))?)
}

/// Adds a Z of a till.
///
/// # Errors
/// [`Fault`].
pub fn add_z(conn: &Connection, till: &str, row: &ZRow) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO zs (place, till, z, shift, opened, upto) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![row.place, till, row.z, row.shift, row.opened, row.upto.map(int)])?;
    Ok(())
}

/// The last Z that is known of a till.
///
/// # Errors
/// [`Fault`].
pub fn last_z(conn: &Connection, till: &str) -> Result<Option<ZRow>, Fault> {
    Ok(zs(conn, till, None, 1)?.pop())
}

/// Zs of a till below a number, the last first.
///
/// # Errors
/// [`Fault`].
pub fn zs(conn: &Connection, till: &str, below: Option<u32>, limit: usize) -> Result<Vec<ZRow>, Fault> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {Z} FROM zs WHERE till = ?1 AND (?2 IS NULL OR z < ?2) ORDER BY z DESC, place DESC LIMIT ?3"
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![till, below, limit], read_z)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A Z by its number; the last that bears it, where two nodes gave it out.
///
/// # Errors
/// [`Fault`].
pub fn z(conn: &Connection, till: &str, z: u32) -> Result<Option<ZRow>, Fault> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {Z} FROM zs WHERE till = ?1 AND z = ?2 ORDER BY place DESC LIMIT 1"
    ))?;
    Ok(statement.query_row(params![till, z], read_z).optional()?)
}

/// The Z that a shift ended in: the first that names its number and was closed by this event.
///
/// # Errors
/// [`Fault`].
pub fn z_at(conn: &Connection, place: i64) -> Result<Option<ZRow>, Fault> {
    let mut statement = conn.prepare_cached(&format!("SELECT {Z} FROM zs WHERE place = ?1"))?;
    Ok(statement.query_row([place], read_z).optional()?)
}

/// The last Z that tells of a recovered shift: the recovery, or its last supplement.
///
/// # Errors
/// [`Fault`].
pub fn last_told(conn: &Connection, opened: i64) -> Result<Option<ZRow>, Fault> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {Z} FROM zs WHERE opened = ?1 ORDER BY upto DESC, place DESC LIMIT 1"
    ))?;
    Ok(statement.query_row([opened], read_z).optional()?)
}

/// Recovered shifts of a till, the oldest first.
///
/// # Errors
/// [`Fault`].
pub fn recovered(conn: &Connection, till: &str) -> Result<Vec<i64>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT DISTINCT opened FROM zs WHERE till = ?1 AND opened IS NOT NULL ORDER BY opened",
    )?;
    let rows = statement.query_map([till], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<ShiftRow> {
    Ok(ShiftRow {
        opened: row.get(0)?,
        till: row.get(1)?,
        number: row.get(2)?,
        author: row.get(3)?,
        day: Day(row.get(4)?),
        closed: row.get(5)?,
        body: row.get(6)?,
    })
}

fn read_z(row: &Row<'_>) -> rusqlite::Result<ZRow> {
    let upto: Option<i64> = row.get(4)?;
    Ok(ZRow {
        place: row.get(0)?,
        z: row.get(1)?,
        shift: row.get(2)?,
        opened: row.get(3)?,
        upto: upto.map(unsigned),
    })
}
