//! What the read models say, for people.

use super::Group;
use crate::app::{Fault, products::folded};
use crate::db::consumers::{self, Parked, State};
use crate::hub::Hub;
use crate::values;

/// How a group stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its name.
    pub group: Group,
    /// Records it has had.
    pub had: u64,
    /// Outbox rows that it has not read yet: of the embedded stream, or of a rebuild.
    pub behind: u64,
    /// Whether it is being built anew.
    pub rebuilding: bool,
    /// Records that are tried again.
    pub parked: u64,
    /// Records that a person has to decide on.
    pub dead: u64,
}

/// How every group stands.
///
/// # Errors
/// [`Fault`] of the database.
pub fn standing(hub: &Hub) -> Result<Vec<Standing>, Fault> {
    let embedded = matches!(hub.stream, crate::stream::Stream::Embedded(_));
    hub.db.read(|tx| {
        let mut all = Vec::new();
        for group in Group::ALL {
            let places = consumers::places(tx, group.name())?;
            let end = |place: &consumers::Place| if embedded { place.last } else { place.replay_to };
            let behind = places.iter().map(|place| end(place).saturating_sub(place.seq)).sum();
            let rebuilding = places.iter().any(|place| place.seq < place.replay_to);
            let aside = consumers::parked(tx, group.name(), 0, 10_000)?;
            let count =
                |state| u64::try_from(aside.iter().filter(|it| it.state == state).count()).unwrap_or(0);
            let (parked, dead) = (count(State::Parked), count(State::Dead));
            let had = consumers::inbox_size(tx, group.name())?;
            all.push(Standing { group, had, behind, rebuilding, parked, dead });
        }
        Ok(all)
    })
}

/// What a group set aside, after a place.
///
/// # Errors
/// [`Fault`] of the database.
pub fn aside(hub: &Hub, group: Group, after: i64, limit: usize) -> Result<Vec<Parked>, Fault> {
    hub.db.read(|tx| Ok(consumers::parked(tx, group.name(), after, limit)?))
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalLine {
    /// The record that it comes from.
    pub ce_id: String,
    /// Its place in the entry.
    pub n: u32,
    /// The store's code.
    pub store: String,
    /// The day it is posted to, ISO 8601.
    pub day: String,
    /// The fact's own day.
    pub business_day: String,
    /// The account.
    pub account: String,
    /// Currency code.
    pub currency: String,
    /// Debit above zero, credit below, in minor units.
    pub amount: i64,
    /// The document, the reason or the Z.
    pub reference: String,
}

/// Lines of a store's journal on the days from `from` to `to` (ISO 8601), after an entry's place.
///
/// # Errors
/// [`Fault`] of the database.
pub fn journal(
    hub: &Hub,
    store: &str,
    (from, to): (&str, &str),
    after: (&str, i64),
    limit: usize,
) -> Result<Vec<JournalLine>, Fault> {
    let sql = "SELECT ce_id, n, store, day, business_day, account, currency, amount, reference FROM journal_lines \
        WHERE store = ?1 AND day >= ?2 AND day <= ?3 AND (ce_id > ?4 OR (ce_id = ?4 AND n > ?5)) \
        ORDER BY ce_id, n LIMIT ?6";
    hub.db.read(|tx| {
        let mut lines = Vec::new();
        for row in tx.rows(sql, values![store, from, to, after.0, after.1, limit])? {
            lines.push(JournalLine {
                ce_id: row.get(0)?,
                n: row.get(1)?,
                store: row.get(2)?,
                day: row.get(3)?,
                business_day: row.get(4)?,
                account: row.get(5)?,
                currency: row.get(6)?,
                amount: row.get(7)?,
                reference: row.get(8)?,
            });
        }
        Ok(lines)
    })
}

/// A sum of an account: (day, account, currency, debits − credits).
pub type Balance = (String, String, String, i64);

/// What each account of a store came to on each day from `from` to `to`.
///
/// # Errors
/// [`Fault`] of the database.
pub fn balances(hub: &Hub, store: &str, from: &str, to: &str) -> Result<Vec<Balance>, Fault> {
    let sql = "SELECT day, account, currency, CAST(SUM(amount) AS BIGINT) FROM journal_lines \
        WHERE store = ?1 AND day >= ?2 AND day <= ?3 GROUP BY day, account, currency ORDER BY day, account, currency";
    hub.db.read(|tx| {
        let rows = tx.rows(sql, values![store, from, to])?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).collect()
    })
}

/// Sales of a store on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SalesDay {
    /// ISO 8601.
    pub day: String,
    /// Currency code.
    pub currency: String,
    /// Sales.
    pub sales: u64,
    /// Refunds.
    pub refunds: u64,
    /// Turnover without tax.
    pub net: i64,
    /// Tax.
    pub tax: i64,
    /// Both.
    pub total: i64,
}

/// Sales of a store by day.
///
/// # Errors
/// [`Fault`] of the database.
pub fn sales_by_day(hub: &Hub, store: &str, from: &str, to: &str) -> Result<Vec<SalesDay>, Fault> {
    let sql = "SELECT day, currency, sales, refunds, net, tax, total FROM analytics_days \
        WHERE store = ?1 AND day >= ?2 AND day <= ?3 ORDER BY day, currency";
    hub.db.read(|tx| {
        let mut days = Vec::new();
        for row in tx.rows(sql, values![store, from, to])? {
            days.push(SalesDay {
                day: row.get(0)?,
                currency: row.get(1)?,
                sales: row.get(2)?,
                refunds: row.get(3)?,
                net: row.get(4)?,
                tax: row.get(5)?,
                total: row.get(6)?,
            });
        }
        Ok(days)
    })
}

/// Sales of an item: (hour, sku, base units, net, tax).
pub type SoldItem = (u32, String, i64, i64, i64);

/// Sales of a store on a day by hour and item.
///
/// # Errors
/// [`Fault`] of the database.
pub fn sales_by_item(hub: &Hub, store: &str, day: &str) -> Result<Vec<SoldItem>, Fault> {
    let sql = "SELECT hour, sku, units, net, tax FROM analytics_items WHERE store = ?1 AND day = ?2 ORDER BY hour, sku";
    hub.db.read(|tx| {
        let rows = tx.rows(sql, values![store, day])?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))).collect()
    })
}

/// How often something happened at a store, and what it comes to: (what, how often, sum).
///
/// # Errors
/// [`Fault`] of the database.
pub fn counters(hub: &Hub, store: &str) -> Result<Vec<(String, u64, i64)>, Fault> {
    let sql = "SELECT name, n, amount FROM analytics_counters WHERE store = ?1 ORDER BY name";
    hub.db.read(|tx| {
        let rows = tx.rows(sql, values![store])?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).collect()
    })
}

/// An item of the stock picture: (sku, on hand, sold).
pub type Shelf = (String, i64, i64);

/// The stock picture of a store as its events told it.
///
/// # Errors
/// [`Fault`] of the database.
pub fn shelf(hub: &Hub, store: &str) -> Result<Vec<Shelf>, Fault> {
    let sql = "SELECT sku, on_hand, sold FROM inventory_items WHERE store = ?1 ORDER BY sku";
    hub.db.read(|tx| {
        let rows = tx.rows(sql, values![store])?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).collect()
    })
}

/// A product that was found: (sku, name).
pub type Found = (String, String);

/// Products whose name or code holds every word, or whose trade item number is the text.
///
/// # Errors
/// [`Fault`] of the database.
pub fn search(hub: &Hub, text: &str, limit: usize) -> Result<Vec<Found>, Fault> {
    let words: Vec<String> = folded(text).split_whitespace().take(8).map(ToOwned::to_owned).collect();
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = "SELECT sku, name FROM search_products WHERE active = 1".to_owned();
    let mut given = Vec::new();
    for word in &words {
        given.push(crate::db::Value::from(format!("%{}%", word.replace(['%', '_'], ""))));
        let n = given.len();
        sql.push_str(&format!(" AND (folded LIKE ?{n} OR gtins LIKE ?{n})"));
    }
    given.push(limit.into());
    sql.push_str(&format!(" ORDER BY folded, sku LIMIT ?{}", given.len()));
    hub.db.read(|tx| tx.rows(&sql, &given)?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect())
}
