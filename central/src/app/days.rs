//! Closing an accounting day of a store: a fact of the hub's own, never reopened nor made again (`facts.md` §4).

use super::{Code, Fault, hub_log, stores as app_stores};
use crate::db::days::{self, Close};
use crate::db::{Tx, authors, stores};
use crate::hub::Hub;
use crate::values;
use tradepost_sync::body::{CutHead, Day, DayClosed};
use tradepost_sync::clock::UtcMs;

/// Closes a day of a store (days since 1970): what the hub holds of the store's streams now belongs to it, or to an
/// earlier day; a document of that day that comes later posts to the next open one. The same call again changes
/// nothing.
///
/// # Errors
/// [`Fault`]: an unknown store; a day that isn't over by hub time; a day while an earlier one with documents is open.
pub fn close(hub: &Hub, store: &str, day: i32, now: UtcMs) -> Result<Close, Fault> {
    hub.write(|tx, after| {
        let known = app_stores::find(tx, store)?;
        let store = stores::by_no_locked(tx, known.no)?.unwrap_or(known);
        if let Some(known) = days::closed(tx, store.no, usize::MAX >> 1)?.into_iter().find(|it| it.day == day)
        {
            return Ok(known);
        }
        if i64::from(day) * 86_400_000 > now {
            let why = "the day has not begun anywhere on earth".to_owned();
            return Err(Fault::field("/day", Code::BadValue, why));
        }
        if let Some(open) = first_open(tx, store.no, day)? {
            let why =
                format!("{} has documents and is still open: close it first", super::fan_out::day(open));
            return Err(Fault::field("/day", Code::BadValue, why));
        }
        let mut frontier = Vec::new();
        for author in authors::of_store(tx, store.no)? {
            if author.head.seq > 0 {
                let (incarnation, seq, hash) = (author.incarnation, author.head.seq, author.head.hash);
                frontier.push(CutHead { incarnation, seq, hash });
            }
        }
        frontier.sort_by_key(|head| head.incarnation);
        let fact = DayClosed {
            day: Day(day),
            frontier: frontier.clone(),
            restored: false,
            fiscal_heads: Vec::new(),
        };
        hub_log::append(tx, after, hub, &store, &[fact.into()], now)?;
        let own =
            authors::by_no(tx, store.hub_author)?.ok_or_else(|| Fault::internal("the store has no H_s"))?;
        let made = Close { day, author: own.no, seq: own.head.seq, closed_at: now };
        let heads: Vec<(String, u64)> =
            frontier.iter().map(|head| (head.incarnation.to_string(), head.seq)).collect();
        days::close(tx, store.no, &made, &heads)?;
        Ok(made)
    })
}

/// The first day before one that has documents of the store and isn't closed.
fn first_open(tx: &mut Tx<'_>, store: i64, before: i32) -> Result<Option<i32>, Fault> {
    let sql = "SELECT MIN(o.business_day) FROM orders o WHERE o.store = ?1 AND o.business_day < ?2 \
        AND NOT EXISTS (SELECT 1 FROM day_closes d WHERE d.store = o.store AND d.day >= o.business_day)";
    let row = tx.row(sql, values![store, before])?;
    Ok(row.map(|row| row.get::<Option<i32>>(0)).transpose()?.flatten())
}

/// A store's closed days, the latest first.
///
/// # Errors
/// [`Fault`], also for a store that nobody knows.
pub fn list(hub: &Hub, store: &str, limit: usize) -> Result<Vec<Close>, Fault> {
    hub.db.read(|tx| {
        let store = app_stores::find(tx, store)?;
        Ok(days::closed(tx, store.no, limit)?)
    })
}

/// Reads a day as people write it.
///
/// # Errors
/// [`Fault`] that names the field where it is none.
pub fn parse(text: &str, pointer: &str) -> Result<i32, Fault> {
    let date: jiff::civil::Date = text
        .parse()
        .map_err(|_| Fault::field(pointer, Code::BadValue, format!("{text} is no day (2026-11-23)")))?;
    let since = date.since(jiff::civil::date(1970, 1, 1)).map_err(Fault::internal)?;
    Ok(since.get_days())
}
