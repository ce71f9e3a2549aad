//! The log: events, signed heads, quarantine.

use super::{DbError, Row, Tx};
use crate::values;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::{Hash, Id};
use tradepost_sync::signing::SignatureBytes;

/// An event's canonical bytes.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its seq.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
    /// Its canonical bytes.
    pub bytes: Vec<u8>,
}

/// Events of a stream from `from` on, at most `limit`.
pub fn from(tx: &mut Tx<'_>, author: i64, from: u64, limit: usize) -> Result<Vec<Stored>, DbError> {
    let sql = "SELECT seq, hash, bytes FROM events WHERE author = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3";
    let read = |row: &Row| Ok(Stored { seq: row.get(0)?, hash: row.get(1)?, bytes: row.get(2)? });
    tx.rows(sql, values![author, from, limit])?.iter().map(read).collect()
}

/// Hashes of a stretch of a stream, ascending.
pub fn hashes(tx: &mut Tx<'_>, author: i64, from: u64, to: u64) -> Result<Vec<(u64, Hash)>, DbError> {
    let sql = "SELECT seq, hash FROM events WHERE author = ?1 AND seq >= ?2 AND seq <= ?3 ORDER BY seq";
    tx.rows(sql, values![author, from, to])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// The hash of one event.
pub fn hash_at(tx: &mut Tx<'_>, author: i64, seq: u64) -> Result<Option<Hash>, DbError> {
    Ok(hashes(tx, author, seq, seq)?.first().map(|(_, hash)| *hash))
}

/// Signed heads of a stream from `from` on, ascending, at most `limit`.
pub fn signed_from(
    tx: &mut Tx<'_>,
    author: i64,
    from: u64,
    limit: usize,
) -> Result<Vec<(u64, SignatureBytes)>, DbError> {
    let sql = "SELECT seq, signature FROM signatures WHERE author = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3";
    tx.rows(sql, values![author, from, limit])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Keeps a head's signature.
pub fn sign(tx: &mut Tx<'_>, author: i64, seq: u64, signature: &SignatureBytes) -> Result<(), DbError> {
    let sql = "INSERT INTO signatures (author, seq, signature) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    tx.execute(sql, values![author, seq, signature.as_slice()]).map(|_| ())
}

/// An event that couldn't be applied, or that contradicts another.
#[derive(Clone, Debug)]
pub struct Quarantined {
    /// Whose.
    pub author: i64,
    /// Its seq.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Why.
    pub reason: String,
    /// Whether its envelope's effects were applied.
    pub effects: bool,
    /// When it came.
    pub at: UtcMs,
    /// When a person was done with it, and what they wrote.
    pub settled: Option<(UtcMs, String)>,
}

/// Keeps an event aside; known ones are left as they are.
pub fn quarantine(tx: &mut Tx<'_>, it: &Quarantined) -> Result<(), DbError> {
    let sql = "INSERT INTO quarantine (author, seq, hash, bytes, reason, effects, at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
    let given = values![it.author, it.seq, it.hash, it.bytes.as_slice(), &it.reason, it.effects, it.at];
    tx.execute(sql, given).map(|_| ())
}

const ASIDE: &str = "author, seq, hash, bytes, reason, effects, at, settled_at, note";

fn set_aside(row: &Row) -> Result<Quarantined, DbError> {
    let (settled_at, note): (Option<UtcMs>, Option<String>) = (row.get(7)?, row.get(8)?);
    Ok(Quarantined {
        author: row.get(0)?,
        seq: row.get(1)?,
        hash: row.get(2)?,
        bytes: row.get(3)?,
        reason: row.get(4)?,
        effects: row.get(5)?,
        at: row.get(6)?,
        settled: settled_at.map(|at| (at, note.unwrap_or_default())),
    })
}

/// What is set aside, the latest first; what a person was done with only where `all` is wanted.
pub fn quarantined(tx: &mut Tx<'_>, all: bool, limit: usize) -> Result<Vec<Quarantined>, DbError> {
    let open = if all { "" } else { "WHERE settled_at IS NULL" };
    let sql = format!("SELECT {ASIDE} FROM quarantine {open} ORDER BY at DESC, author, seq, hash LIMIT ?1");
    tx.rows(&sql, values![limit])?.iter().map(set_aside).collect()
}

/// What is set aside at a place of a stream.
pub fn quarantined_at(tx: &mut Tx<'_>, author: i64, seq: u64) -> Result<Vec<Quarantined>, DbError> {
    let sql = format!("SELECT {ASIDE} FROM quarantine WHERE author = ?1 AND seq = ?2 ORDER BY hash");
    tx.rows(&sql, values![author, seq])?.iter().map(set_aside).collect()
}

/// Notes that a person is done with what is set aside at a place; whether anything was open.
pub fn settle(tx: &mut Tx<'_>, author: i64, seq: u64, note: &str, now: UtcMs) -> Result<bool, DbError> {
    let sql = "UPDATE quarantine SET settled_at = ?3, note = ?4 \
        WHERE author = ?1 AND seq = ?2 AND settled_at IS NULL";
    Ok(tx.execute(sql, values![author, seq, now, note])? > 0)
}

/// The seqs of an author's log that are set aside without their effects and not settled.
pub fn withheld(tx: &mut Tx<'_>, author: i64) -> Result<Vec<u64>, DbError> {
    let sql = "SELECT q.seq FROM quarantine q JOIN events e \
        ON e.author = q.author AND e.seq = q.seq AND e.hash = q.hash \
        WHERE q.author = ?1 AND q.effects = 0 AND q.settled_at IS NULL ORDER BY q.seq";
    tx.rows(sql, values![author])?.iter().map(|row| row.get(0)).collect()
}

/// How many of an author's events are set aside without their effects, and not settled by a person. Another branch of its
/// stream is not its log.
pub fn unapplied(tx: &mut Tx<'_>, author: i64) -> Result<i64, DbError> {
    Ok(i64::try_from(withheld(tx, author)?.len()).unwrap_or(i64::MAX))
}

/// The first event of an author's log whose effects are not applied, settled or not: what it gives away behind that stays
/// withheld (`model.md` §6).
pub fn first_unapplied(tx: &mut Tx<'_>, author: i64) -> Result<Option<u64>, DbError> {
    let sql = "SELECT min(q.seq) FROM quarantine q JOIN events e \
        ON e.author = q.author AND e.seq = q.seq AND e.hash = q.hash WHERE q.author = ?1 AND q.effects = 0";
    Ok(tx.row(sql, values![author])?.map(|row| row.get(0)).transpose()?.flatten())
}

/// Where documents with this id stand: (author, seq).
pub fn with_id(tx: &mut Tx<'_>, id: Id) -> Result<Vec<(i64, u64)>, DbError> {
    let sql = "SELECT author, seq FROM document_ids WHERE id = ?1 ORDER BY author, seq";
    tx.rows(sql, values![id])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}
