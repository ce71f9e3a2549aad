//! The log, and the signatures over the heads it was committed at. Old stretches of it lie in [`packs`]; whoever reads
//! here doesn't see the difference.

use super::incarnations::{int, unsigned};
use super::{Fault, packs};
use rusqlite::{Connection, OptionalExtension, params};
use tradepost_sync::event::Event;
use tradepost_sync::signing::SignatureBytes;

const SEQ_BITS: u32 = 40;
pub(super) const SEQ_MAX: u64 = (1 << SEQ_BITS) - 1;

/// Where an event stands in the table.
pub fn place(no: i64, seq: u64) -> i64 {
    (no << SEQ_BITS) | int(seq)
}

/// The incarnation's number and the seq of a place.
pub fn parts(place: i64) -> (i64, u64) {
    (place >> SEQ_BITS, unsigned(place & ((1 << SEQ_BITS) - 1)))
}

/// Adds an event to the log.
///
/// # Errors
/// [`Fault`]; a seq that is taken is fatal.
pub fn insert(conn: &Connection, no: i64, event: &Event) -> Result<i64, Fault> {
    let place = place(no, event.envelope.seq);
    conn.prepare_cached("INSERT INTO events (place, kind, bytes) VALUES (?1, ?2, ?3)")?.execute(params![
        place,
        event.envelope.kind,
        event.bytes
    ])?;
    Ok(place)
}

/// An event's canonical bytes.
///
/// # Errors
/// [`Fault`].
pub fn bytes(conn: &Connection, place: i64) -> Result<Option<Vec<u8>>, Fault> {
    let mut statement = conn.prepare_cached("SELECT bytes FROM events WHERE place = ?1")?;
    match statement.query_row([place], |row| row.get(0)).optional()? {
        Some(bytes) => Ok(Some(bytes)),
        None => packs::bytes(conn, place),
    }
}

/// An event.
///
/// # Errors
/// [`Fault`], also for bytes that are no event.
pub fn read(conn: &Connection, place: i64) -> Result<Option<Event>, Fault> {
    bytes(conn, place)?.map(|bytes| parse(&bytes)).transpose()
}

/// Reads stored bytes.
///
/// # Errors
/// [`Fault`]: what is stored must be an event.
pub fn parse(bytes: &[u8]) -> Result<Event, Fault> {
    Event::read(bytes).map_err(|e| Fault::Fatal(format!("a stored event: {e}")))
}

/// Tells the events of one stream from `from` on, in order, until `tell` says stop (`false`).
///
/// # Errors
/// [`Fault`], or what `tell` says.
pub fn each<E: From<Fault>>(
    conn: &Connection,
    no: i64,
    from: u64,
    mut tell: impl FnMut(i64, Vec<u8>) -> Result<bool, E>,
) -> Result<(), E> {
    if !packs::each(conn, no, from, &mut tell)? {
        return Ok(());
    }
    each_open(conn, no, from, tell)
}

/// As [`each`], of those events only that lie in no pack.
///
/// # Errors
/// As [`each`].
pub fn each_open<E: From<Fault>>(
    conn: &Connection,
    no: i64,
    from: u64,
    mut tell: impl FnMut(i64, Vec<u8>) -> Result<bool, E>,
) -> Result<(), E> {
    let mut statement = conn
        .prepare_cached("SELECT place, bytes FROM events WHERE place BETWEEN ?1 AND ?2 ORDER BY place")
        .map_err(Fault::from)?;
    let last = place(no + 1, 0) - 1;
    let mut rows = statement.query(params![place(no, from), last]).map_err(Fault::from)?;
    while let Some(row) = rows.next().map_err(Fault::from)? {
        let (place, bytes) = (row.get(0).map_err(Fault::from)?, row.get(1).map_err(Fault::from)?);
        if !tell(place, bytes)? {
            break;
        }
    }
    Ok(())
}

/// Keeps the signature over a head.
///
/// # Errors
/// [`Fault`].
pub fn sign(conn: &Connection, place: i64, signature: &SignatureBytes) -> Result<(), Fault> {
    conn.prepare_cached("UPDATE events SET signature = ?2 WHERE place = ?1")?
        .execute(params![place, signature])?;
    Ok(())
}

/// The last signed head of a stream within `[from, to]`.
///
/// # Errors
/// [`Fault`].
pub fn last_signed(
    conn: &Connection,
    no: i64,
    from: u64,
    to: u64,
) -> Result<Option<(u64, SignatureBytes)>, Fault> {
    // Packs are the beginning of a stream.
    match signed(conn, "DESC", no, from, to)? {
        Some(head) => Ok(Some(head)),
        None => packs::last_end(conn, no, from, to),
    }
}

/// As [`last_signed`], of those heads only that lie in no pack.
///
/// # Errors
/// [`Fault`].
pub fn last_signed_open(
    conn: &Connection,
    no: i64,
    from: u64,
    to: u64,
) -> Result<Option<(u64, SignatureBytes)>, Fault> {
    signed(conn, "DESC", no, from, to)
}

/// The first signed head of a stream at `from` or later.
///
/// # Errors
/// [`Fault`].
pub fn next_signed(conn: &Connection, no: i64, from: u64) -> Result<Option<(u64, SignatureBytes)>, Fault> {
    match packs::first_end(conn, no, from)? {
        Some(head) => Ok(Some(head)),
        None => signed(conn, "ASC", no, from, SEQ_MAX),
    }
}

/// Signed heads are a group commit apart, so few rows are passed over.
fn signed(
    conn: &Connection,
    way: &str,
    no: i64,
    from: u64,
    to: u64,
) -> Result<Option<(u64, SignatureBytes)>, Fault> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT place, signature FROM events WHERE place BETWEEN ?1 AND ?2 AND signature IS NOT NULL \
         ORDER BY place {way} LIMIT 1"
    ))?;
    let to = to.min(SEQ_MAX);
    let row = |row: &rusqlite::Row<'_>| Ok((parts(row.get(0)?).1, row.get(1)?));
    Ok(statement.query_row(params![place(no, from), place(no, to)], row).optional()?)
}

/// How many heads were signed after `seq`; of many only that they are more than one.
///
/// # Errors
/// [`Fault`].
pub fn signed_after(conn: &Connection, no: i64, seq: u64) -> Result<u64, Fault> {
    let count: i64 = conn.query_row(
        "SELECT count(*) FROM (SELECT 1 FROM events WHERE place > ?1 AND place < ?2 AND signature IS NOT NULL LIMIT 2)",
        params![place(no, seq), place(no + 1, 0)],
        |row| row.get(0),
    )?;
    Ok(unsigned(count) + packs::ends_after(conn, no, seq)?)
}
