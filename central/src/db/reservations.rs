//! Reservations: promises to web orders and for collection.

use super::{DbError, Row, Tx};
use crate::values;
use std::collections::BTreeMap;
use tradepost_sync::clock::{Tau, UtcMs};
use tradepost_sync::ids::{Hash, Id};

/// One reservation.
#[derive(Clone, Debug)]
pub struct Reservation {
    /// Its place in the order of opening; 0 for a new one.
    pub no: i64,
    /// Its id.
    pub id: Id,
    /// Hash of the request that made it.
    pub request: Hash,
    /// Whose store.
    pub store: i64,
    /// The item.
    pub sku: String,
    /// Base units.
    pub units: u64,
    /// The order it is for.
    pub order: Id,
    /// The order's number.
    pub reference: String,
    /// Hub time at which it may expire.
    pub expires: Tau,
    /// What was paid before, in minor units.
    pub prepaid: Option<i64>,
    /// `open`, `fulfilled`, `cancelled` or `expired`.
    pub state: String,
    /// The sale that handed it over.
    pub sale: Option<Id>,
    /// When it was opened.
    pub opened_at: UtcMs,
    /// When the hub heard of its end.
    pub ended_at: Option<UtcMs>,
}

const COLUMNS: &str = "no, id, request, store, sku, units, order_id, reference, epoch, expires, prepaid, state, sale, \
    opened_at, ended_at";

fn read(row: &Row) -> Result<Reservation, DbError> {
    Ok(Reservation {
        no: row.get(0)?,
        id: row.get(1)?,
        request: row.get(2)?,
        store: row.get(3)?,
        sku: row.get(4)?,
        units: row.get(5)?,
        order: row.get(6)?,
        reference: row.get(7)?,
        expires: Tau::told(row.get(8)?, row.get(9)?),
        prepaid: row.get(10)?,
        state: row.get(11)?,
        sale: row.get(12)?,
        opened_at: row.get(13)?,
        ended_at: row.get(14)?,
    })
}

/// Adds a reservation.
pub fn insert(tx: &mut Tx<'_>, new: &Reservation) -> Result<(), DbError> {
    let sql = "INSERT INTO reservations (id, request, store, sku, units, order_id, reference, epoch, expires, \
        prepaid, state, opened_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'open', ?11)";
    let given = values![
        new.id,
        new.request,
        new.store,
        &new.sku,
        new.units,
        new.order,
        &new.reference,
        new.expires.epoch,
        new.expires.ms,
        new.prepaid,
        new.opened_at
    ];
    tx.execute(sql, given).map(|_| ())
}

/// A reservation by its id.
pub fn find(tx: &mut Tx<'_>, id: Id) -> Result<Option<Reservation>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM reservations WHERE id = ?1");
    tx.row(&sql, values![id])?.as_ref().map(read).transpose()
}

/// Reservations after `after` in the order of opening, of one store or all; open ones only unless `all`.
pub fn list(
    tx: &mut Tx<'_>,
    store: Option<i64>,
    all: bool,
    after: i64,
    limit: usize,
) -> Result<Vec<Reservation>, DbError> {
    let open = if all { "" } else { "AND state = 'open'" };
    let rows = match store {
        Some(store) => {
            let sql = format!(
                "SELECT {COLUMNS} FROM reservations WHERE no > ?1 AND store = ?2 {open} ORDER BY no LIMIT ?3"
            );
            tx.rows(&sql, values![after, store, limit])?
        }
        None => {
            let sql = format!("SELECT {COLUMNS} FROM reservations WHERE no > ?1 {open} ORDER BY no LIMIT ?2");
            tx.rows(&sql, values![after, limit])?
        }
    };
    rows.iter().map(read).collect()
}

/// Open reservations of a store between two SKUs (both included), by item in the order of opening.
pub fn open_between(
    tx: &mut Tx<'_>,
    store: i64,
    from: &str,
    to: &str,
) -> Result<BTreeMap<String, Vec<(Id, u64)>>, DbError> {
    let sql = "SELECT sku, id, units FROM reservations \
        WHERE store = ?1 AND state = 'open' AND sku >= ?2 AND sku <= ?3 ORDER BY sku, no";
    let mut found: BTreeMap<String, Vec<(Id, u64)>> = BTreeMap::new();
    for row in tx.rows(sql, values![store, from, to])? {
        found.entry(row.get(0)?).or_default().push((row.get(1)?, row.get(2)?));
    }
    Ok(found)
}

/// Notes an open reservation's end.
pub fn end(tx: &mut Tx<'_>, id: Id, state: &str, now: UtcMs) -> Result<(), DbError> {
    let sql = "UPDATE reservations SET state = ?2, ended_at = ?3 WHERE id = ?1 AND state = 'open'";
    tx.execute(sql, values![id, state, now]).map(|_| ())
}

/// Notes the sale that handed a reservation over.
pub fn sold(tx: &mut Tx<'_>, id: Id, sale: Id) -> Result<(), DbError> {
    tx.execute("UPDATE reservations SET sale = ?2 WHERE id = ?1 AND sale IS NULL", values![id, sale])
        .map(|_| ())
}

/// Open reservations after a place that a sale has handed over: what is left is to take them off the books.
pub fn handed_over(tx: &mut Tx<'_>, after: i64, limit: usize) -> Result<Vec<Reservation>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM reservations WHERE state = 'open' AND sale IS NOT NULL AND no > ?1 \
         ORDER BY no LIMIT ?2"
    );
    tx.rows(&sql, values![after, limit])?.iter().map(read).collect()
}

/// Open reservations after a place that may run out: hub time is past theirs. Of a former epoch, before the hub's database was put back,
/// the milliseconds are all there is: when a promise ends may be off with them, that it ends once is custody's.
///
/// What a web order holds is ended by its saga alone until it was handed over: a hold with an open payment never expires
/// (`facts.md` §4).
pub fn run_out(tx: &mut Tx<'_>, now: Tau, after: i64, limit: usize) -> Result<Vec<Reservation>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM reservations WHERE state = 'open' AND sale IS NULL AND epoch <= ?1 \
         AND expires < ?2 AND NOT EXISTS (SELECT 1 FROM web_order_holds h JOIN web_orders w ON w.no = h.web_order \
         WHERE h.reservation = reservations.id AND w.state <> 'handed_over') AND no > ?3 ORDER BY no LIMIT ?4"
    );
    tx.rows(&sql, values![now.epoch, now.ms, after, limit])?.iter().map(read).collect()
}

/// Moves what stands under one item of a store to another (an alias).
pub fn rename(tx: &mut Tx<'_>, store: i64, from: &str, to: &str) -> Result<(), DbError> {
    let sql = "UPDATE reservations SET sku = ?3 WHERE store = ?1 AND sku = ?2";
    tx.execute(sql, values![store, from, to]).map(|_| ())
}
