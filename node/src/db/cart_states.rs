//! Carts as they are merged between the store's nodes.

use super::Fault;
use super::incarnations::{int, unsigned};
use rusqlite::{Connection, OptionalExtension, params};
use tradepost_sync::ids::Id;

/// How long an ended cart is told to others, and how long it is kept.
const TOLD_MS: i64 = 24 * 60 * 60 * 1_000;
const KEPT_MS: i64 = 30 * TOLD_MS;
/// Ended carts are kept among this many of the last changes, whatever a wall clock says that has jumped.
const KEPT_CHANGES: i64 = 10_000;

/// A cart's state to be kept.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Its id.
    pub id: &'a Id,
    /// When it changed, by the wall clock.
    pub changed: i64,
    /// It has come to its end.
    pub ended: bool,
    /// The cart that it was cloned from, or is left over of.
    pub related: Option<Id>,
    /// The state.
    pub bytes: &'a [u8],
}

/// A cart's state.
///
/// # Errors
/// [`Fault`].
pub fn load(conn: &Connection, id: &Id) -> Result<Option<Vec<u8>>, Fault> {
    let mut statement = conn.prepare_cached("SELECT bytes FROM cart_states WHERE id = ?1")?;
    Ok(statement.query_row([id.0], |row| row.get(0)).optional()?)
}

/// Writes a cart's state under the next number; ended carts of long ago are let go.
///
/// # Errors
/// [`Fault`].
pub fn store(conn: &Connection, row: &Row<'_>) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO cart_states (id, n, changed, ended, related, bytes) \
         VALUES (?1, (SELECT COALESCE(MAX(n), 0) + 1 FROM cart_states), ?2, ?3, ?4, ?5) \
         ON CONFLICT (id) DO UPDATE SET n = excluded.n, changed = ?2, ended = ?3, bytes = ?5",
    )?
    .execute(params![row.id.0, row.changed, row.ended, row.related.map(|id| id.0), row.bytes])?;
    if row.ended {
        conn.prepare_cached(
            "DELETE FROM cart_states WHERE ended = 1 AND changed < ?1 \
             AND n < (SELECT MAX(n) FROM cart_states) - ?2",
        )?
        .execute(params![row.changed.saturating_sub(KEPT_MS), KEPT_CHANGES])?;
    }
    Ok(())
}

/// States that changed after the number `after`, in order, each with its number; of ended carts the latest only. How long
/// ago one ended is measured against the last change: the highest time would be that of a clock which jumped ahead, and
/// after it was set right no end would be told any more.
///
/// # Errors
/// [`Fault`].
pub fn after(conn: &Connection, after: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT n, bytes FROM cart_states WHERE n > ?1 AND \
         (ended = 0 OR changed > (SELECT changed FROM cart_states ORDER BY n DESC LIMIT 1) - ?2) \
         ORDER BY n LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement
        .query_map(params![int(after), TOLD_MS, limit], |row| Ok((unsigned(row.get(0)?), row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The number of the last change; 0 where nothing ever changed.
///
/// # Errors
/// [`Fault`].
pub fn last(conn: &Connection) -> Result<u64, Fault> {
    let mut statement = conn.prepare_cached("SELECT COALESCE(MAX(n), 0) FROM cart_states")?;
    Ok(statement.query_row([], |row| row.get(0).map(unsigned))?)
}

/// Carts whose last change bears a number above `after`, up to `until`, in order.
///
/// # Errors
/// [`Fault`].
pub fn changed(conn: &Connection, after: u64, until: u64) -> Result<Vec<Id>, Fault> {
    let mut statement =
        conn.prepare_cached("SELECT id FROM cart_states WHERE n > ?1 AND n <= ?2 ORDER BY n")?;
    let rows = statement.query_map(params![int(after), int(until)], |row| Ok(Id(row.get(0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// States of carts that were cloned from a cart, or are left over of it.
///
/// # Errors
/// [`Fault`].
pub fn related(conn: &Connection, to: &Id) -> Result<Vec<Vec<u8>>, Fault> {
    let mut statement =
        conn.prepare_cached("SELECT bytes FROM cart_states WHERE related = ?1 ORDER BY id")?;
    let rows = statement.query_map([to.0], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Connection {
        let conn = Connection::open_in_memory().unwrap();
        let schema = include_str!("../../schema.sql");
        let from = schema.find("CREATE TABLE cart_states").unwrap();
        let upto = from + schema[from..].find(") STRICT;").unwrap() + ") STRICT;".len();
        conn.execute_batch(&schema[from..upto]).unwrap();
        conn
    }

    fn ended(conn: &Connection, id: u8, changed: i64) {
        let row = Row { id: &Id([id; 16]), changed, ended: true, related: None, bytes: &[id] };
        store(conn, &row).unwrap();
    }

    fn told(conn: &Connection) -> Vec<u8> {
        after(conn, 0, 10).unwrap().iter().map(|(_, bytes)| bytes[0]).collect()
    }

    /// The wall clock jumped a year ahead and was set right: ends from before, from then and of now are told.
    #[test]
    fn ends_are_told_though_the_clock_has_jumped() {
        const NOW: i64 = 1_800_000_000_000;
        let conn = table();
        ended(&conn, 1, NOW);
        ended(&conn, 2, NOW + 365 * TOLD_MS);
        ended(&conn, 3, NOW + 1_000);
        assert_eq!(told(&conn), [1, 2, 3]);
        ended(&conn, 4, NOW + 2 * TOLD_MS);
        assert_eq!(told(&conn), [2, 4], "those of long ago are not");
    }

    #[test]
    fn no_clock_lets_a_cart_go_before_others_have_heard_of_it() {
        let conn = table();
        ended(&conn, 1, 0);
        ended(&conn, 2, 365 * TOLD_MS);
        assert!(load(&conn, &Id([1; 16])).unwrap().is_some(), "two changes ago");
        conn.execute("UPDATE cart_states SET n = n + ?1 WHERE id = ?2", params![KEPT_CHANGES, [2u8; 16]])
            .unwrap();
        ended(&conn, 3, 365 * TOLD_MS);
        assert!(load(&conn, &Id([1; 16])).unwrap().is_none());
    }
}
