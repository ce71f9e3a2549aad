//! Closed accounting days (`facts.md` §4).

use super::{DbError, Tx};
use crate::values;
use tradepost_sync::clock::UtcMs;

/// One closed day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// The day, days since 1970.
    pub day: i32,
    /// The hub's own stream of the store.
    pub author: i64,
    /// The place of `day.closed` in it.
    pub seq: u64,
    /// When it was closed.
    pub closed_at: UtcMs,
}

/// Notes a close with its frontier; whether the day was open before.
pub fn close(tx: &mut Tx<'_>, store: i64, it: &Close, frontier: &[(String, u64)]) -> Result<bool, DbError> {
    let sql = "INSERT INTO day_closes (store, day, author, seq, closed_at) VALUES (?1, ?2, ?3, ?4, ?5) \
        ON CONFLICT DO NOTHING";
    if tx.execute(sql, values![store, it.day, it.author, it.seq, it.closed_at])? == 0 {
        return Ok(false);
    }
    let sql = "INSERT INTO day_frontiers (store, day, incarnation, seq) VALUES (?1, ?2, ?3, ?4)";
    for (incarnation, seq) in frontier {
        tx.execute(sql, values![store, it.day, incarnation, *seq])?;
    }
    Ok(true)
}

/// A store's closed days, the latest first.
pub fn closed(tx: &mut Tx<'_>, store: i64, limit: usize) -> Result<Vec<Close>, DbError> {
    let sql =
        "SELECT day, author, seq, closed_at FROM day_closes WHERE store = ?1 ORDER BY day DESC LIMIT ?2";
    let read = |row: &super::Row| {
        Ok(Close { day: row.get(0)?, author: row.get(1)?, seq: row.get(2)?, closed_at: row.get(3)? })
    };
    tx.rows(sql, values![store, limit])?.iter().map(read).collect()
}

/// Whether a day of a store is closed.
pub fn is_closed(tx: &mut Tx<'_>, store: i64, day: i32) -> Result<bool, DbError> {
    let sql = "SELECT 1 FROM day_closes WHERE store = ?1 AND day = ?2";
    Ok(tx.row(sql, values![store, day])?.is_some())
}

/// The day that a fact posts to (`facts.md` §4, Accounting day): the first from its own on whose close covers it, else
/// the first that is open. Days are ISO 8601; `fact` is (incarnation, seq), none for what no stream holds.
pub fn posting_day(
    tx: &mut Tx<'_>,
    store: &str,
    own: &str,
    fact: Option<(&str, u64)>,
) -> Result<String, DbError> {
    let Ok(date) = own.parse::<jiff::civil::Date>() else {
        return Err(DbError::Shape(format!("{own} is no day")));
    };
    let first = date.since(jiff::civil::date(1970, 1, 1)).map(|span| span.get_days()).unwrap_or_default();
    let (incarnation, seq) = fact.unwrap_or(("", u64::MAX >> 1));
    let sql = "SELECT d.day, COALESCE(f.seq, -1) FROM day_closes d JOIN stores s ON s.store = d.store \
        LEFT JOIN day_frontiers f ON f.store = d.store AND f.day = d.day AND f.incarnation = ?3 \
        WHERE s.code = ?1 AND d.day >= ?2 ORDER BY d.day";
    let mut open = first;
    for row in tx.rows(sql, values![store, first, incarnation])? {
        let (day, covered): (i32, i64) = (row.get(0)?, row.get(1)?);
        if u64::try_from(covered).is_ok_and(|covered| seq <= covered) {
            return Ok(iso(day));
        }
        if day == open {
            open += 1;
        }
    }
    Ok(iso(open))
}

/// A day as ISO 8601.
fn iso(days: i32) -> String {
    use jiff::ToSpan;
    jiff::civil::date(1970, 1, 1).saturating_add(i64::from(days).days()).to_string()
}
