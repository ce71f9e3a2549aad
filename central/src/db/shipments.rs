//! Goods under way: deliveries to a store, transfers between two.

use super::{DbError, Row, Tx};
use crate::values;
use std::collections::BTreeMap;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::{Hash, Id};

/// What is under way.
#[derive(Clone, Debug)]
pub struct Shipment {
    /// Its place in the order in which they became known; 0 for a new one.
    pub no: i64,
    /// Its id.
    pub id: Id,
    /// Hash of the request that made it, where one did.
    pub request: Option<Hash>,
    /// `delivery` or `transfer`.
    pub kind: String,
    /// The receiving store of a delivery, the sending one of a transfer.
    pub store: i64,
    /// The receiving store of a transfer, by its code.
    pub to_store: Option<String>,
    /// The order's or the supplier's number.
    pub reference: String,
    /// `expected`, `in_transit`, `received` or `not_delivered`.
    pub state: String,
    /// Whether the receiving store's stream says that it comes.
    pub announced: bool,
    /// The unannounced receipt that was this delivery.
    pub same_as: Option<Id>,
    /// When it became known.
    pub begun_at: UtcMs,
    /// When the hub heard of its end.
    pub ended_at: Option<UtcMs>,
}

/// One line, in base units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The item.
    pub sku: String,
    /// Cost of one pricing unit, as ordered.
    pub cost: Option<i64>,
    /// What was announced, or left.
    pub expected: u64,
    /// What came.
    pub received: u64,
}

const COLUMNS: &str =
    "no, id, request, kind, store, to_store, reference, state, announced, same_as, begun_at, ended_at";

fn read(row: &Row) -> Result<Shipment, DbError> {
    Ok(Shipment {
        no: row.get(0)?,
        id: row.get(1)?,
        request: row.get(2)?,
        kind: row.get(3)?,
        store: row.get(4)?,
        to_store: row.get(5)?,
        reference: row.get(6)?,
        state: row.get(7)?,
        announced: row.get(8)?,
        same_as: row.get(9)?,
        begun_at: row.get(10)?,
        ended_at: row.get(11)?,
    })
}

/// Makes a shipment known; whether it was new.
pub fn begin(tx: &mut Tx<'_>, new: &Shipment) -> Result<bool, DbError> {
    let sql = "INSERT INTO shipments (id, request, kind, store, to_store, reference, state, announced, same_as, \
        begun_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (id) DO NOTHING";
    let given = values![
        new.id,
        new.request,
        &new.kind,
        new.store,
        new.to_store.clone(),
        &new.reference,
        &new.state,
        new.announced,
        new.same_as,
        new.begun_at
    ];
    Ok(tx.execute(sql, given)? == 1)
}

/// Adds to a line: what is expected, and what came.
pub fn add(tx: &mut Tx<'_>, id: Id, line: &Line) -> Result<(), DbError> {
    let sql = "INSERT INTO shipment_lines (id, sku, cost, expected, received) VALUES (?1, ?2, ?3, ?4, ?5) \
        ON CONFLICT (id, sku) DO UPDATE SET expected = shipment_lines.expected + excluded.expected, \
        received = shipment_lines.received + excluded.received";
    tx.execute(sql, values![id, &line.sku, line.cost, line.expected, line.received]).map(|_| ())
}

/// Notes the end of one that has not ended.
pub fn end(tx: &mut Tx<'_>, id: Id, state: &str, same_as: Option<Id>, now: UtcMs) -> Result<(), DbError> {
    let sql =
        "UPDATE shipments SET state = ?2, same_as = ?3, ended_at = ?4 WHERE id = ?1 AND ended_at IS NULL";
    tx.execute(sql, values![id, state, same_as, now]).map(|_| ())
}

/// Notes that the receiving store's stream says that it comes.
pub fn set_announced(tx: &mut Tx<'_>, id: Id) -> Result<(), DbError> {
    tx.execute("UPDATE shipments SET announced = 1 WHERE id = ?1", values![id]).map(|_| ())
}

/// By its id.
pub fn find(tx: &mut Tx<'_>, id: Id) -> Result<Option<Shipment>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM shipments WHERE id = ?1");
    tx.row(&sql, values![id])?.as_ref().map(read).transpose()
}

/// By its id, its row locked until the transaction ends.
pub fn find_locked(tx: &mut Tx<'_>, id: Id) -> Result<Option<Shipment>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM shipments WHERE id = ?1");
    tx.row_locked(&sql, values![id])?.as_ref().map(read).transpose()
}

/// Shipments of a kind after `after`, in the order in which they became known; those under way unless `all`.
pub fn list(
    tx: &mut Tx<'_>,
    kind: &str,
    all: bool,
    after: i64,
    limit: usize,
) -> Result<Vec<Shipment>, DbError> {
    let open = if all { "" } else { "AND ended_at IS NULL" };
    let sql =
        format!("SELECT {COLUMNS} FROM shipments WHERE kind = ?1 AND no > ?2 {open} ORDER BY no LIMIT ?3");
    tx.rows(&sql, values![kind, after, limit])?.iter().map(read).collect()
}

/// Transfers that the receiving store has not been told of.
pub fn unannounced(tx: &mut Tx<'_>, limit: usize) -> Result<Vec<Shipment>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM shipments WHERE announced = 0 ORDER BY no LIMIT ?1");
    tx.rows(&sql, values![limit])?.iter().map(read).collect()
}

/// Base units on their way to a store, by item between two SKUs (both included).
pub fn incoming(
    tx: &mut Tx<'_>,
    store: i64,
    code: &str,
    from: &str,
    to: &str,
) -> Result<BTreeMap<String, u64>, DbError> {
    let sql = "SELECT l.sku, l.expected - l.received FROM shipments s JOIN shipment_lines l ON l.id = s.id \
        WHERE s.ended_at IS NULL AND l.expected > l.received AND l.sku >= ?3 AND l.sku <= ?4 \
        AND ((s.kind = 'delivery' AND s.store = ?1) OR (s.kind = 'transfer' AND s.to_store = ?2))";
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    for row in tx.rows(sql, values![store, code, from, to])? {
        *found.entry(row.get(0)?).or_default() += row.get::<u64>(1)?;
    }
    Ok(found)
}

/// Its lines, by item.
pub fn lines(tx: &mut Tx<'_>, id: Id) -> Result<Vec<Line>, DbError> {
    let sql = "SELECT sku, cost, expected, received FROM shipment_lines WHERE id = ?1 ORDER BY sku";
    let line = |row: &Row| {
        Ok(Line { sku: row.get(0)?, cost: row.get(1)?, expected: row.get(2)?, received: row.get(3)? })
    };
    tx.rows(sql, values![id])?.iter().map(line).collect()
}
