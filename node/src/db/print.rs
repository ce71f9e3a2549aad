//! Printers, and what waits to be printed.

use super::Fault;
use super::incarnations::unsigned;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Id;

/// A till's printer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrinterRow {
    /// The till.
    pub till: String,
    /// Where it is.
    pub target: String,
    /// Columns of its paper.
    pub columns: u16,
    /// The number of its state.
    pub state: i64,
    /// What it said last.
    pub said: String,
}

/// What waits for a printer, is being sent, was printed or given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRow {
    /// Its number.
    pub no: i64,
    /// The client's id.
    pub id: Id,
    /// Hash of the request.
    pub request: [u8; 16],
    /// The till.
    pub till: String,
    /// The number of its kind.
    pub document: i64,
    /// Id of the document, or number of the Z.
    pub subject: String,
    /// Which copy it is.
    pub copy: Option<u32>,
    /// What is sent; nothing once it is printed.
    pub bytes: Vec<u8>,
    /// The number of its state.
    pub state: i64,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried next.
    pub due: UtcMs,
    /// What went wrong last.
    pub said: String,
    /// When it was asked for.
    pub made: UtcMs,
    /// When it was printed.
    pub printed: Option<UtcMs>,
}

/// A job's states.
pub const WAITING: i64 = 1;
/// Sent to the printer, and nobody knows yet.
pub const SENDING: i64 = 2;
/// On paper.
pub const PRINTED: i64 = 3;
/// Nobody wants it any more.
pub const GIVEN_UP: i64 = 4;

const JOB: &str =
    "no, id, request, till, document, subject, copy, bytes, state, tries, due, said, made, printed";

/// A till's printer.
///
/// # Errors
/// [`Fault`].
pub fn printer(conn: &Connection, till: &str) -> Result<Option<PrinterRow>, Fault> {
    let mut statement =
        conn.prepare_cached("SELECT till, target, columns, state, said FROM printers WHERE till = ?1")?;
    Ok(statement.query_row([till], read_printer).optional()?)
}

/// All printers with how many jobs wait for each.
///
/// # Errors
/// [`Fault`].
pub fn printers(conn: &Connection) -> Result<Vec<(PrinterRow, u64)>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT till, target, columns, state, said, \
         (SELECT count(*) FROM print_jobs j WHERE j.till = p.till AND j.state IN (1, 2)) \
         FROM printers p ORDER BY till",
    )?;
    let rows = statement.query_map([], |row| Ok((read_printer(row)?, unsigned(row.get(5)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Stores a printer, or takes it away.
///
/// # Errors
/// [`Fault`].
pub fn set_printer(conn: &Connection, till: &str, printer: Option<(&str, u16)>) -> Result<(), Fault> {
    match printer {
        None => conn.prepare_cached("DELETE FROM printers WHERE till = ?1")?.execute([till])?,
        Some((target, columns)) => conn
            .prepare_cached("INSERT OR REPLACE INTO printers (till, target, columns) VALUES (?1, ?2, ?3)")?
            .execute(params![till, target, columns])?,
    };
    Ok(())
}

/// Notes how a printer is.
///
/// # Errors
/// [`Fault`].
pub fn set_state(conn: &Connection, till: &str, state: i64, said: &str) -> Result<(), Fault> {
    conn.prepare_cached("UPDATE printers SET state = ?2, said = ?3 WHERE till = ?1")?
        .execute(params![till, state, said])?;
    Ok(())
}

/// Adds a job; its number.
///
/// # Errors
/// [`Fault`].
pub fn add(conn: &Connection, job: &JobRow) -> Result<i64, Fault> {
    conn.prepare_cached(
        "INSERT INTO print_jobs (id, request, till, document, subject, copy, bytes, state, tries, due, said, made) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        job.id.0,
        job.request,
        job.till,
        job.document,
        job.subject,
        job.copy,
        job.bytes,
        job.state,
        job.tries,
        job.due,
        job.said,
        job.made
    ])?;
    Ok(conn.last_insert_rowid())
}

/// Stores what became of a job.
///
/// # Errors
/// [`Fault`].
pub fn update(conn: &Connection, job: &JobRow) -> Result<(), Fault> {
    conn.prepare_cached(
        "UPDATE print_jobs SET copy = ?2, bytes = ?3, state = ?4, tries = ?5, due = ?6, said = ?7, printed = ?8 \
         WHERE no = ?1",
    )?
    .execute(params![job.no, job.copy, job.bytes, job.state, job.tries, job.due, job.said, job.printed])?;
    Ok(())
}

/// A job by its number.
///
/// # Errors
/// [`Fault`].
pub fn job(conn: &Connection, no: i64) -> Result<Option<JobRow>, Fault> {
    one(conn, "no = ?1", params![no])
}

/// A job by the client's id.
///
/// # Errors
/// [`Fault`].
pub fn by_id(conn: &Connection, id: &Id) -> Result<Option<JobRow>, Fault> {
    one(conn, "id = ?1", params![id.0])
}

/// The next job that is due at each printer: a printer prints in the order in which it was asked.
///
/// # Errors
/// [`Fault`].
pub fn next_due(conn: &Connection, now: UtcMs) -> Result<Vec<JobRow>, Fault> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {JOB} FROM print_jobs WHERE no IN \
         (SELECT min(no) FROM print_jobs WHERE state IN (1, 2) AND till IN (SELECT till FROM printers) GROUP BY till) \
         AND due <= ?1 ORDER BY no"
    ))?;
    let rows = statement.query_map([now], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Jobs in a state before a number, the last first.
///
/// # Errors
/// [`Fault`].
pub fn page(conn: &Connection, states: (i64, i64), before: i64, limit: usize) -> Result<Vec<JobRow>, Fault> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {JOB} FROM print_jobs WHERE state BETWEEN ?1 AND ?2 AND no < ?3 ORDER BY no DESC LIMIT ?4"
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![states.0, states.1, before, limit], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Forgets what was printed or given up before an instant.
///
/// # Errors
/// [`Fault`].
pub fn forget_before(conn: &Connection, made: UtcMs) -> Result<usize, Fault> {
    Ok(conn.prepare_cached("DELETE FROM print_jobs WHERE state IN (3, 4) AND made < ?1")?.execute([made])?)
}

/// How often a paper went to a printer.
///
/// # Errors
/// [`Fault`].
pub fn times(conn: &Connection, document: &Id) -> Result<u32, Fault> {
    let mut statement = conn.prepare_cached("SELECT times FROM prints WHERE document = ?1")?;
    Ok(statement.query_row([document.0], |row| row.get(0)).optional()?.unwrap_or(0))
}

/// Notes that a paper goes to a printer once more.
///
/// # Errors
/// [`Fault`].
pub fn set_times(conn: &Connection, document: &Id, times: u32) -> Result<(), Fault> {
    conn.prepare_cached("INSERT OR REPLACE INTO prints (document, times) VALUES (?1, ?2)")?
        .execute(params![document.0, times])?;
    Ok(())
}

fn one(conn: &Connection, which: &str, with: &[&dyn rusqlite::ToSql]) -> Result<Option<JobRow>, Fault> {
    let mut statement = conn.prepare_cached(&format!("SELECT {JOB} FROM print_jobs WHERE {which}"))?;
    Ok(statement.query_row(with, read).optional()?)
}

fn read_printer(row: &Row<'_>) -> rusqlite::Result<PrinterRow> {
    Ok(PrinterRow {
        till: row.get(0)?,
        target: row.get(1)?,
        columns: row.get(2)?,
        state: row.get(3)?,
        said: row.get(4)?,
    })
}

fn read(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    Ok(JobRow {
        no: row.get(0)?,
        id: Id(row.get(1)?),
        request: row.get(2)?,
        till: row.get(3)?,
        document: row.get(4)?,
        subject: row.get(5)?,
        copy: row.get(6)?,
        bytes: row.get(7)?,
        state: row.get(8)?,
        tries: row.get(9)?,
        due: row.get(10)?,
        said: row.get(11)?,
        made: row.get(12)?,
        printed: row.get(13)?,
    })
}
