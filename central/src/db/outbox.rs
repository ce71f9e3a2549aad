//! The outbox: per stream a gapless seq, taken under the stream's lock (`facts.md` §3).

use super::{DbError, Row, Tx};
use crate::values;

/// Streams that stores are spread over; the catalog has the one after them.
pub const STREAMS: i64 = 64;
/// The catalog's stream.
pub const CATALOG_STREAM: i64 = STREAMS;

/// What an outbox row speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// An event, by author and seq.
    Event {
        /// Whose.
        author: i64,
        /// Which.
        seq: u64,
    },
    /// A catalog version.
    Catalog {
        /// Its epoch.
        epoch: u32,
        /// Its version.
        version: u64,
    },
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing {
    /// Its place in the stream.
    pub seq: u64,
    /// What it speaks of.
    pub source: Source,
}

/// The stream of a store: `hash(code) mod 64`.
pub fn stream_of(store_code: &str) -> i64 {
    let hash = blake3::hash(store_code.as_bytes());
    i64::from(hash.as_bytes()[0]) % STREAMS
}

/// Takes `count` places of a stream, under its lock; the first of them.
pub fn take(tx: &mut Tx<'_>, stream: i64, count: usize) -> Result<u64, DbError> {
    let sql = "INSERT INTO outbox_streams (stream, last, relayed) VALUES (?1, ?2, 0) \
        ON CONFLICT (stream) DO UPDATE SET last = outbox_streams.last + excluded.last RETURNING last";
    let row = tx.row(sql, values![stream, count])?.ok_or_else(|| DbError::Shape("no stream".to_owned()))?;
    let last: u64 = row.get(0)?;
    Ok(last + 1 - u64::try_from(count).unwrap_or(0))
}

/// Puts one row into a stream, at a place taken before.
pub fn put(tx: &mut Tx<'_>, stream: i64, seq: u64, source: Source) -> Result<(), DbError> {
    let (kind, author, of) = match source {
        Source::Event { author, seq } => ("event", author, seq),
        Source::Catalog { epoch, version } => ("catalog", i64::from(epoch), version),
    };
    let sql = "INSERT INTO outbox (stream, seq, source, author, event_seq) VALUES (?1, ?2, ?3, ?4, ?5)";
    tx.execute(sql, values![stream, seq, kind, author, of]).map(|_| ())
}

/// Streams with rows that weren't relayed yet: (stream, relayed up to).
pub fn waiting(tx: &mut Tx<'_>) -> Result<Vec<(i64, u64)>, DbError> {
    let sql = "SELECT stream, relayed FROM outbox_streams WHERE relayed < last ORDER BY stream";
    tx.rows(sql, &[])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Rows of a stream after a place, in order.
pub fn after(tx: &mut Tx<'_>, stream: i64, seq: u64, limit: usize) -> Result<Vec<Outgoing>, DbError> {
    let sql = "SELECT seq, source, author, event_seq FROM outbox WHERE stream = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
    tx.rows(sql, values![stream, seq, limit])?.iter().map(outgoing).collect()
}

fn outgoing(row: &Row) -> Result<Outgoing, DbError> {
    let source = match row.get::<String>(1)?.as_str() {
        "event" => Source::Event { author: row.get(2)?, seq: row.get(3)? },
        _ => Source::Catalog { epoch: row.get(2)?, version: row.get(3)? },
    };
    Ok(Outgoing { seq: row.get(0)?, source })
}

/// Marks a stream as relayed up to `seq`, after it was sent.
pub fn relayed(tx: &mut Tx<'_>, stream: i64, seq: u64) -> Result<(), DbError> {
    let sql = "UPDATE outbox_streams SET relayed = ?2 WHERE stream = ?1 AND relayed < ?2";
    tx.execute(sql, values![stream, seq]).map(|_| ())
}

/// Rows that wait to be relayed, over all streams.
pub fn depth(tx: &mut Tx<'_>) -> Result<i64, DbError> {
    let sql = "SELECT CAST(COALESCE(SUM(last - relayed), 0) AS BIGINT) FROM outbox_streams";
    tx.row(sql, &[])?.map_or(Ok(0), |row| row.get(0))
}

/// Rows in all streams.
pub fn count(tx: &mut Tx<'_>) -> Result<i64, DbError> {
    tx.row("SELECT count(*) FROM outbox", &[])?.map_or(Ok(0), |row| row.get(0))
}
