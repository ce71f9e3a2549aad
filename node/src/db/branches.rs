//! What of others' logs doesn't count as it stands: branches that were cut off, facts that were said again (`model.md` §3,
//! Forks), and events whose effects can't be applied (§6).

use super::Fault;
use super::events::place;
use super::incarnations::{int, unsigned};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, BTreeSet};
use tradepost_sync::event::Event;
use tradepost_sync::ids::{Hash, Incarnation};

/// Who said a fact again, and where.
pub type Saying = (Incarnation, u64);

/// Takes an event out of its stream and keeps it aside.
///
/// # Errors
/// [`Fault`].
pub fn put_aside(conn: &Connection, no: i64, event: &Event) -> Result<(), Fault> {
    let seq = event.envelope.seq;
    super::packs::open(conn, no, seq)?;
    conn.prepare_cached(
        "INSERT INTO branches (incarnation, seq, hash, bytes) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    )?
    .execute(params![no, int(seq), event.hash.0, event.bytes])?;
    conn.prepare_cached("DELETE FROM events WHERE place = ?1")?.execute([place(no, seq)])?;
    Ok(())
}

/// How many events are kept aside.
///
/// # Errors
/// [`Fault`].
pub fn aside(conn: &Connection) -> Result<u64, Fault> {
    let mut statement = conn.prepare_cached("SELECT count(*) FROM branches")?;
    Ok(statement.query_row([], |row| row.get(0)).map(unsigned)?)
}

/// Whether any fact was said again.
///
/// # Errors
/// [`Fault`].
pub fn any_said(conn: &Connection) -> Result<bool, Fault> {
    let mut statement = conn.prepare_cached("SELECT 1 FROM said_again LIMIT 1")?;
    Ok(statement.exists([])?)
}

/// The saying of a fact that counts: the one by the smallest (incarnation, seq); none where nobody said it again.
///
/// # Errors
/// [`Fault`].
pub fn first_said(conn: &Connection, original: &Hash) -> Result<Option<Saying>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT incarnation, seq FROM said_again WHERE original = ?1 ORDER BY incarnation, seq LIMIT 1",
    )?;
    let read = |row: &rusqlite::Row<'_>| Ok((Incarnation(row.get(0)?), unsigned(row.get(1)?)));
    Ok(statement.query_row([original.0], read).optional()?)
}

/// Every original that was said again.
///
/// # Errors
/// [`Fault`].
pub fn originals(conn: &Connection) -> Result<BTreeSet<Hash>, Fault> {
    let mut statement = conn.prepare_cached("SELECT DISTINCT original FROM said_again")?;
    let rows = statement.query_map([], |row| Ok(Hash(row.get(0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Notes a saying; a known one is left as it is.
///
/// # Errors
/// [`Fault`].
pub fn say(conn: &Connection, original: &Hash, by: &Saying) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO said_again (original, incarnation, seq) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
    )?
    .execute(params![original.0, by.0.0, int(by.1)])?;
    Ok(())
}

/// A fact that was said again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Who said it, and where.
    pub by: Saying,
    /// The event whose Z tells of it.
    pub told: Option<i64>,
}

/// Every saying there is.
///
/// # Errors
/// [`Fault`].
pub fn all_said(conn: &Connection) -> Result<Vec<Said>, Fault> {
    let mut statement =
        conn.prepare_cached("SELECT incarnation, seq, told FROM said_again ORDER BY incarnation, seq")?;
    let rows = statement.query_map([], |row| {
        Ok(Said { by: (Incarnation(row.get(0)?), unsigned(row.get(1)?)), told: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A Z tells of a saying.
///
/// # Errors
/// [`Fault`].
pub fn tell(conn: &Connection, by: &Saying, told: i64) -> Result<(), Fault> {
    conn.prepare_cached("UPDATE said_again SET told = ?3 WHERE incarnation = ?1 AND seq = ?2")?
        .execute(params![by.0.0, int(by.1), told])?;
    Ok(())
}

/// A Z counts no more: what it told of waits for another.
///
/// # Errors
/// [`Fault`].
pub fn untell(conn: &Connection, told: i64) -> Result<(), Fault> {
    conn.prepare_cached("UPDATE said_again SET told = NULL WHERE told = ?1")?.execute([told])?;
    Ok(())
}

/// A stream parts here, as a fact tells; the lowest place stays.
///
/// # Errors
/// [`Fault`].
pub fn note_fork(conn: &Connection, no: i64, shared: u64) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO forks (incarnation, seq) VALUES (?1, ?2) \
         ON CONFLICT (incarnation) DO UPDATE SET seq = min(seq, excluded.seq)",
    )?
    .execute([no, int(shared)])?;
    Ok(())
}

/// Where streams part, by incarnation.
///
/// # Errors
/// [`Fault`].
pub fn forks(conn: &Connection) -> Result<BTreeMap<i64, u64>, Fault> {
    let mut statement = conn.prepare_cached("SELECT incarnation, seq FROM forks")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, unsigned(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A saying was cut off itself.
///
/// # Errors
/// [`Fault`].
pub fn unsay(conn: &Connection, original: &Hash, by: &Saying) -> Result<(), Fault> {
    conn.prepare_cached("DELETE FROM said_again WHERE original = ?1 AND incarnation = ?2 AND seq = ?3")?
        .execute(params![original.0, by.0.0, int(by.1)])?;
    Ok(())
}

/// The first event of an incarnation whose effects are not applied.
///
/// # Errors
/// [`Fault`].
pub fn first_unapplied(conn: &Connection, no: i64) -> Result<Option<u64>, Fault> {
    let mut statement = conn.prepare_cached("SELECT seq FROM unapplied WHERE incarnation = ?1")?;
    Ok(statement.query_row([no], |row| row.get(0).map(unsigned)).optional()?)
}

/// An event's effects are not applied; the first one of its author stays noted.
///
/// # Errors
/// [`Fault`].
pub fn note_unapplied(conn: &Connection, no: i64, seq: u64) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO unapplied (incarnation, seq) VALUES (?1, ?2) ON CONFLICT (incarnation) DO NOTHING",
    )?
    .execute([no, int(seq)])?;
    Ok(())
}

/// A stream was cut back: what stood behind is no event of it any more.
///
/// # Errors
/// [`Fault`].
pub fn cut_unapplied(conn: &Connection, no: i64, shared: u64) -> Result<(), Fault> {
    conn.prepare_cached("DELETE FROM unapplied WHERE incarnation = ?1 AND seq > ?2")?
        .execute([no, int(shared)])?;
    Ok(())
}
