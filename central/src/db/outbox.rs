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
    /// A step of a web order.
    Web {
        /// The order's number.
        order: i64,
        /// The step's number.
        step: u32,
    },
}

/// One row.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its place in the stream.
    pub seq: u64,
    /// What it speaks of.
    pub source: Source,
    /// Where its records' trace goes on from, where that isn't the document's own (W3C trace context).
    pub traceparent: Option<String>,
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

/// Puts one row into a stream, at a place taken before. `traceparent` is where its records' trace goes on from.
pub fn put(
    tx: &mut Tx<'_>,
    (stream, seq): (i64, u64),
    source: Source,
    traceparent: Option<String>,
) -> Result<(), DbError> {
    let (kind, author, of) = match source {
        Source::Event { author, seq } => ("event", author, seq),
        Source::Catalog { epoch, version } => ("catalog", i64::from(epoch), version),
        Source::Web { order, step } => ("web", order, u64::from(step)),
    };
    let sql = "INSERT INTO outbox (stream, seq, source, author, event_seq, traceparent) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    tx.execute(sql, values![stream, seq, kind, author, of, traceparent]).map(|_| ())
}

/// Streams with rows that weren't relayed yet: (stream, relayed up to).
pub fn waiting(tx: &mut Tx<'_>) -> Result<Vec<(i64, u64)>, DbError> {
    let sql = "SELECT stream, relayed FROM outbox_streams WHERE relayed < last ORDER BY stream";
    tx.rows(sql, &[])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Rows of a stream after a place, in order.
pub fn after(tx: &mut Tx<'_>, stream: i64, seq: u64, limit: usize) -> Result<Vec<Outgoing>, DbError> {
    let sql = "SELECT seq, source, author, event_seq, traceparent FROM outbox WHERE stream = ?1 AND seq > ?2 \
        ORDER BY seq LIMIT ?3";
    tx.rows(sql, values![stream, seq, limit])?.iter().map(outgoing).collect()
}

fn outgoing(row: &Row) -> Result<Outgoing, DbError> {
    let source = match row.get::<String>(1)?.as_str() {
        "event" => Source::Event { author: row.get(2)?, seq: row.get(3)? },
        "web" => Source::Web { order: row.get(2)?, step: row.get(3)? },
        _ => Source::Catalog { epoch: row.get(2)?, version: row.get(3)? },
    };
    Ok(Outgoing { seq: row.get(0)?, source, traceparent: row.get(4)? })
}

/// Takes or keeps a stream's lease until `now + for_ms`: its epoch, and how far the stream is relayed; none where
/// somebody else holds it. Each change of hands has an epoch of its own.
pub fn lease(
    tx: &mut Tx<'_>,
    stream: i64,
    holder: &str,
    now: i64,
    for_ms: i64,
) -> Result<Option<(u64, u64)>, DbError> {
    let sql = "INSERT INTO relay_leases (stream, holder, epoch, until) VALUES (?1, ?2, 1, ?3) \
        ON CONFLICT (stream) DO UPDATE SET epoch = relay_leases.epoch + \
        CASE WHEN relay_leases.holder = excluded.holder THEN 0 ELSE 1 END, \
        holder = excluded.holder, until = excluded.until \
        WHERE relay_leases.holder = excluded.holder OR relay_leases.until < ?4 RETURNING epoch";
    let Some(row) = tx.row(sql, values![stream, holder, now.saturating_add(for_ms), now])? else {
        return Ok(None);
    };
    let epoch = row.get(0)?;
    let row = tx.row("SELECT relayed FROM outbox_streams WHERE stream = ?1", values![stream])?;
    row.map(|row| Ok((epoch, row.get(0)?))).transpose()
}

/// Marks a stream as relayed up to `seq`, after it was sent under a lease; whether the lease still stood.
pub fn relayed(
    tx: &mut Tx<'_>,
    stream: i64,
    seq: u64,
    (holder, epoch): (&str, u64),
) -> Result<bool, DbError> {
    let sql = "SELECT epoch FROM relay_leases WHERE stream = ?1 AND holder = ?2 AND epoch = ?3";
    if tx.row_locked(sql, values![stream, holder, epoch])?.is_none() {
        return Ok(false);
    }
    let sql = "UPDATE outbox_streams SET relayed = ?2 WHERE stream = ?1 AND relayed < ?2";
    tx.execute(sql, values![stream, seq])?;
    Ok(true)
}

/// Rows that wait to be relayed, over all streams.
pub fn depth(tx: &mut Tx<'_>) -> Result<i64, DbError> {
    let sql = "SELECT CAST(COALESCE(SUM(last - relayed), 0) AS BIGINT) FROM outbox_streams";
    tx.row(sql, &[])?.map_or(Ok(0), |row| row.get(0))
}

/// Rows that were relayed, over all streams.
pub fn relayed_so_far(tx: &mut Tx<'_>) -> Result<i64, DbError> {
    let sql = "SELECT CAST(COALESCE(SUM(relayed), 0) AS BIGINT) FROM outbox_streams";
    tx.row(sql, &[])?.map_or(Ok(0), |row| row.get(0))
}

/// Rows in all streams.
pub fn count(tx: &mut Tx<'_>) -> Result<i64, DbError> {
    tx.row("SELECT count(*) FROM outbox", &[])?.map_or(Ok(0), |row| row.get(0))
}
