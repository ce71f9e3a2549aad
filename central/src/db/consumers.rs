//! How far each group of consumers has read, what it has had, and what it could not take yet (`facts.md` §3).

use super::{DbError, Row, Tx};
use crate::values;
use tradepost_sync::clock::UtcMs;

/// How far a group is in a stream of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The stream.
    pub stream: i64,
    /// Read up to here.
    pub seq: u64,
    /// The stream's end.
    pub last: u64,
    /// What is up to here is said again.
    pub replay_to: u64,
}

/// What may become of a record that a group could not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is tried again, and what comes later in its lane waits behind it.
    Parked,
    /// It was tried often enough: a person decides.
    Dead,
}

impl State {
    /// Its name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Dead => "dead",
        }
    }
}

/// A record that a group could not take.
#[derive(Clone, Debug)]
pub struct Parked {
    /// Its place among the group's parked records.
    pub place: i64,
    /// Topic and key: what comes later in it waits behind it.
    pub lane: String,
    /// The record's id.
    pub ce_id: String,
    /// Whether it is tried again.
    pub state: State,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried next.
    pub next_at: UtcMs,
    /// When it was set aside.
    pub parked_at: UtcMs,
    /// Why, for people.
    pub reason: String,
    /// The record.
    pub record: Vec<u8>,
}

const PARKED: &str = "place, lane, ce_id, state, tries, next_at, parked_at, reason, record";

fn parked_row(row: &Row) -> Result<Parked, DbError> {
    let state = match row.get::<String>(3)?.as_str() {
        "dead" => State::Dead,
        _ => State::Parked,
    };
    Ok(Parked {
        place: row.get(0)?,
        lane: row.get(1)?,
        ce_id: row.get(2)?,
        state,
        tries: row.get(4)?,
        next_at: row.get(5)?,
        parked_at: row.get(6)?,
        reason: row.get(7)?,
        record: row.get(8)?,
    })
}

/// Locks a group until the transaction ends, so that one process at a time works for it; its epoch.
pub fn lock(tx: &mut Tx<'_>, group: &str) -> Result<u64, DbError> {
    tx.execute(
        "INSERT INTO consumer_groups (name, epoch) VALUES (?1, 0) ON CONFLICT DO NOTHING",
        values![group],
    )?;
    let row = tx.row_locked("SELECT epoch FROM consumer_groups WHERE name = ?1", values![group])?;
    row.ok_or_else(|| DbError::Shape("no such group".to_owned()))?.get(0)
}

/// Where a group is in each stream that has rows.
pub fn places(tx: &mut Tx<'_>, group: &str) -> Result<Vec<Place>, DbError> {
    let sql = "SELECT s.stream, COALESCE(o.seq, 0), s.last, COALESCE(o.replay_to, 0) FROM outbox_streams s \
        LEFT JOIN consumer_offsets o ON o.name = ?1 AND o.stream = s.stream ORDER BY s.stream";
    let place = |row: &Row| {
        Ok(Place { stream: row.get(0)?, seq: row.get(1)?, last: row.get(2)?, replay_to: row.get(3)? })
    };
    tx.rows(sql, values![group])?.iter().map(place).collect()
}

/// Where a group is in one stream: (read up to, said again up to).
pub fn place(tx: &mut Tx<'_>, group: &str, stream: i64) -> Result<(u64, u64), DbError> {
    let sql = "SELECT seq, replay_to FROM consumer_offsets WHERE name = ?1 AND stream = ?2";
    match tx.row(sql, values![group, stream])? {
        Some(row) => Ok((row.get(0)?, row.get(1)?)),
        None => Ok((0, 0)),
    }
}

/// Moves a group on in a stream.
pub fn set_place(
    tx: &mut Tx<'_>,
    group: &str,
    stream: i64,
    (seq, replay_to): (u64, u64),
) -> Result<(), DbError> {
    let sql = "INSERT INTO consumer_offsets (name, stream, seq, replay_to) VALUES (?1, ?2, ?3, ?4) \
        ON CONFLICT (name, stream) DO UPDATE SET seq = excluded.seq, replay_to = excluded.replay_to";
    tx.execute(sql, values![group, stream, seq, replay_to]).map(|_| ())
}

/// Notes that a group has had a record; whether it is the first time.
pub fn first_time(tx: &mut Tx<'_>, group: &str, ce_id: &str) -> Result<bool, DbError> {
    let sql = "INSERT INTO consumer_inbox (name, ce_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    Ok(tx.execute(sql, values![group, ce_id])? > 0)
}

/// Whether a group has had a record.
pub fn had(tx: &mut Tx<'_>, group: &str, ce_id: &str) -> Result<bool, DbError> {
    let sql = "SELECT 1 FROM consumer_inbox WHERE name = ?1 AND ce_id = ?2";
    Ok(tx.row(sql, values![group, ce_id])?.is_some())
}

/// How many records a group has had.
pub fn inbox_size(tx: &mut Tx<'_>, group: &str) -> Result<u64, DbError> {
    let row = tx.row("SELECT count(*) FROM consumer_inbox WHERE name = ?1", values![group])?;
    row.map_or(Ok(0), |row| row.get(0))
}

/// How many records each group set aside: (group, state, how many).
pub fn aside(tx: &mut Tx<'_>) -> Result<Vec<(String, String, u64)>, DbError> {
    let sql = "SELECT name, state, count(*) FROM consumer_parked GROUP BY name, state ORDER BY name, state";
    tx.rows(sql, &[])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).collect()
}

/// Whether something is parked in a lane.
pub fn lane_waits(tx: &mut Tx<'_>, group: &str, lane: &str) -> Result<bool, DbError> {
    let sql = "SELECT 1 FROM consumer_parked WHERE name = ?1 AND lane = ?2 AND state = 'parked' LIMIT 1";
    Ok(tx.row(sql, values![group, lane])?.is_some())
}

/// Sets a record aside, behind what is set aside already; one that is, stays as it is.
pub fn park(tx: &mut Tx<'_>, group: &str, it: &Parked) -> Result<(), DbError> {
    let sql = "INSERT INTO consumer_parked (name, place, lane, ce_id, state, tries, next_at, parked_at, reason, record) \
        SELECT ?1, COALESCE(MAX(place), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM consumer_parked WHERE name = ?1 \
        ON CONFLICT (name, ce_id) DO NOTHING";
    let (tries, record) = (it.tries, it.record.as_slice());
    let given = values![
        group,
        &it.lane,
        &it.ce_id,
        it.state.name(),
        tries,
        it.next_at,
        it.parked_at,
        &it.reason,
        record
    ];
    tx.execute(sql, given).map(|_| ())
}

/// What a group set aside and may be tried now, in its order.
pub fn due(tx: &mut Tx<'_>, group: &str, now: UtcMs, limit: usize) -> Result<Vec<Parked>, DbError> {
    let sql = format!(
        "SELECT {PARKED} FROM consumer_parked WHERE name = ?1 AND state = 'parked' AND next_at <= ?2 ORDER BY place LIMIT ?3"
    );
    tx.rows(&sql, values![group, now, limit])?.iter().map(parked_row).collect()
}

/// Whether another record of the lane was parked before a place.
pub fn is_behind(tx: &mut Tx<'_>, group: &str, lane: &str, place: i64) -> Result<bool, DbError> {
    let sql = "SELECT 1 FROM consumer_parked WHERE name = ?1 AND lane = ?2 AND place < ?3 AND state = 'parked' LIMIT 1";
    Ok(tx.row(sql, values![group, lane, place])?.is_some())
}

/// Notes another failed try.
pub fn tried(tx: &mut Tx<'_>, group: &str, it: &Parked) -> Result<(), DbError> {
    let sql = "UPDATE consumer_parked SET state = ?3, tries = ?4, next_at = ?5, reason = ?6 WHERE name = ?1 AND place = ?2";
    tx.execute(sql, values![group, it.place, it.state.name(), it.tries, it.next_at, &it.reason]).map(|_| ())
}

/// Takes a record out again.
pub fn unpark(tx: &mut Tx<'_>, group: &str, place: i64) -> Result<(), DbError> {
    tx.execute("DELETE FROM consumer_parked WHERE name = ?1 AND place = ?2", values![group, place])
        .map(|_| ())
}

/// What a group set aside, after a place.
pub fn parked(tx: &mut Tx<'_>, group: &str, after: i64, limit: usize) -> Result<Vec<Parked>, DbError> {
    let sql = format!(
        "SELECT {PARKED} FROM consumer_parked WHERE name = ?1 AND place > ?2 ORDER BY place LIMIT ?3"
    );
    tx.rows(&sql, values![group, after, limit])?.iter().map(parked_row).collect()
}

/// One record that a group set aside.
pub fn parked_at(tx: &mut Tx<'_>, group: &str, ce_id: &str) -> Result<Option<Parked>, DbError> {
    let sql = format!("SELECT {PARKED} FROM consumer_parked WHERE name = ?1 AND ce_id = ?2");
    tx.row(&sql, values![group, ce_id])?.as_ref().map(parked_row).transpose()
}

/// Forgets all that a group has had and set aside, and begins again: what the streams hold now is said again.
pub fn forget(tx: &mut Tx<'_>, group: &str) -> Result<(), DbError> {
    for place in places(tx, group)? {
        set_place(tx, group, place.stream, (0, place.last))?;
    }
    tx.execute("DELETE FROM consumer_inbox WHERE name = ?1", values![group])?;
    tx.execute("DELETE FROM consumer_parked WHERE name = ?1", values![group])?;
    tx.execute("UPDATE consumer_groups SET epoch = epoch + 1 WHERE name = ?1", values![group]).map(|_| ())
}
