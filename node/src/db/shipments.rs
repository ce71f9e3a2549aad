//! Goods under way: announced deliveries, and transfers from and to this store.

use super::Fault;
use super::incarnations::{int, unsigned};
use rusqlite::{Connection, OptionalExtension, Row, params};
use tradepost_commerce::document::Sku;
use tradepost_sync::ids::Id;

/// What is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// From a supplier.
    Delivery = 1,
    /// To another store.
    Outgoing = 2,
    /// From another store.
    Incoming = 3,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Under way, or received in part.
    UnderWay = 1,
    /// Received, and nothing more comes.
    Received = 2,
    /// Closed without goods.
    NotDelivered = 3,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shipment {
    /// Its id.
    pub id: Id,
    /// What it is.
    pub kind: Kind,
    /// The order's number.
    pub reference: String,
    /// The other store of a transfer, by code.
    pub store: String,
    /// How far it is.
    pub state: State,
    /// The unannounced receipt that was this delivery.
    pub same_as: Option<Id>,
}

/// One line, in base units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The item.
    pub sku: Sku,
    /// What was announced or left.
    pub expected: u64,
    /// What came.
    pub received: u64,
}

fn read(row: &Row<'_>) -> rusqlite::Result<Shipment> {
    Ok(Shipment {
        id: Id(row.get(0)?),
        kind: match row.get::<_, i64>(1)? {
            1 => Kind::Delivery,
            2 => Kind::Outgoing,
            _ => Kind::Incoming,
        },
        reference: row.get(2)?,
        store: row.get(3)?,
        state: match row.get::<_, i64>(4)? {
            1 => State::UnderWay,
            2 => State::Received,
            _ => State::NotDelivered,
        },
        same_as: row.get::<_, Option<[u8; 16]>>(5)?.map(Id),
    })
}

const COLUMNS: &str = "id, kind, reference, store, state, same_as";

/// Makes a shipment known; whether it was new.
///
/// # Errors
/// [`Fault`].
pub fn begin(conn: &Connection, new: &Shipment) -> Result<bool, Fault> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO shipments (id, kind, reference, store, state, same_as) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (id) DO NOTHING",
    )?;
    let same_as = new.same_as.map(|id| id.0);
    let done = statement.execute(params![
        new.id.0,
        new.kind as i64,
        new.reference,
        new.store,
        new.state as i64,
        same_as
    ])?;
    Ok(done == 1)
}

/// Lets a shipment go, to be folded again.
///
/// # Errors
/// [`Fault`].
pub fn forget(conn: &Connection, id: &Id) -> Result<(), Fault> {
    conn.prepare_cached("DELETE FROM shipment_lines WHERE id = ?1")?.execute([id.0])?;
    conn.prepare_cached("DELETE FROM shipments WHERE id = ?1")?.execute([id.0])?;
    Ok(())
}

/// Adds to a line: what is expected, and what came.
///
/// # Errors
/// [`Fault`].
pub fn add(conn: &Connection, id: &Id, sku: i64, expected: u64, received: u64) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO shipment_lines (id, sku, expected, received) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (id, sku) DO UPDATE SET expected = expected + ?3, received = received + ?4",
    )?
    .execute(params![id.0, sku, int(expected), int(received)])?;
    Ok(())
}

/// Notes its end.
///
/// # Errors
/// [`Fault`].
pub fn end(conn: &Connection, id: &Id, state: State, same_as: Option<Id>) -> Result<(), Fault> {
    conn.prepare_cached("UPDATE shipments SET state = ?2, same_as = ?3 WHERE id = ?1 AND state = 1")?
        .execute(params![id.0, state as i64, same_as.map(|id| id.0)])?;
    Ok(())
}

/// By its id.
///
/// # Errors
/// [`Fault`].
pub fn find(conn: &Connection, id: &Id) -> Result<Option<Shipment>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM shipments WHERE id = ?1");
    Ok(conn.prepare_cached(&sql)?.query_row([id.0], read).optional()?)
}

/// Shipments after `after`, by id: deliveries or transfers, those under way or all.
///
/// # Errors
/// [`Fault`].
pub fn page(
    conn: &Connection,
    deliveries: bool,
    all: bool,
    after: &[u8],
    limit: usize,
) -> Result<Vec<Shipment>, Fault> {
    let which = if deliveries { "kind = 1" } else { "kind IN (2, 3)" };
    let open = if all { "" } else { "AND state = 1" };
    let sql =
        format!("SELECT {COLUMNS} FROM shipments WHERE {which} {open} AND id > ?1 ORDER BY id LIMIT ?2");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map(params![after, limit], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Its lines, by item.
///
/// # Errors
/// [`Fault`].
pub fn lines(conn: &Connection, id: &Id) -> Result<Vec<Line>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT k.sku, l.expected, l.received FROM shipment_lines l JOIN skus k ON k.no = l.sku \
         WHERE l.id = ?1 ORDER BY k.sku",
    )?;
    let rows = statement.query_map([id.0], |row| {
        Ok(Line { sku: Sku(row.get(0)?), expected: unsigned(row.get(1)?), received: unsigned(row.get(2)?) })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Base units of an item that are on their way here.
///
/// # Errors
/// [`Fault`].
pub fn incoming(conn: &Connection, sku: i64) -> Result<u64, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT coalesce(sum(max(0, l.expected - l.received)), 0) FROM shipment_lines l \
         JOIN shipments s ON s.id = l.id WHERE l.sku = ?1 AND s.state = 1 AND s.kind IN (1, 3)",
    )?;
    Ok(statement.query_row([sku], |row| row.get(0)).map(unsigned)?)
}
