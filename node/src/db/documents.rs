//! What can be asked for by id or by receipt number, and what came back of each sale.

use super::Fault;
use super::events::place;
use super::incarnations::{int, unsigned};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;
use tradepost_commerce::document::Basis;
use tradepost_commerce::money::Money;
use tradepost_commerce::quantity::Quantity;
use tradepost_sync::body::{Day, ReceiptNumber};
use tradepost_sync::ids::Id;

/// What kind of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    /// A sale.
    Sale = 1,
    /// A refund.
    Refund = 2,
    /// Goods received.
    Delivery = 3,
    /// Stock corrected.
    Adjustment = 4,
    /// Rights given.
    Grant = 5,
    /// Goods sent to another store.
    TransferShipped = 6,
    /// Goods received from another store.
    TransferReceived = 7,
    /// Stock counted.
    Count = 8,
    /// A shift opened.
    ShiftOpening = 9,
    /// Cash moved without a document.
    CashMove = 10,
    /// A drawer opened without a sale.
    DrawerOpening = 11,
    /// A receivable that was paid.
    Receivable = 12,
}

/// 16 bytes of the hash of a parsed request.
pub type RequestHash = [u8; 16];

/// A row of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The event that holds it.
    pub place: i64,
    /// What it is.
    pub kind: DocumentKind,
    /// The request it answered, where its id was made by a client.
    pub request: Option<RequestHash>,
}

/// What is put into the index.
pub struct Entry<'a> {
    /// The document's id.
    pub id: &'a Id,
    /// What it is.
    pub kind: DocumentKind,
    /// The request behind a client-made id.
    pub request: Option<RequestHash>,
    /// Its number, where it has one.
    pub receipt: Option<&'a ReceiptNumber>,
    /// Its business day.
    pub day: Option<Day>,
}

/// TILL-SERIES: a series' name in the index.
pub fn series_name(till: &str, series: &str) -> String {
    format!("{till}-{series}")
}

/// Adds a document.
///
/// # Errors
/// [`Fault`]; an id or number that is taken is fatal, so the caller has looked before.
pub fn insert(conn: &Connection, place: i64, entry: &Entry<'_>) -> Result<(), Fault> {
    let series = entry.receipt.map(|r| series_name(&r.till, &r.series));
    conn.prepare_cached(
        "INSERT INTO documents (place, id, kind, request, series, n, day) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        place,
        entry.id.0,
        entry.kind as i64,
        entry.request,
        series,
        entry.receipt.map(|r| int(r.n)),
        entry.day.map(|d| d.0)
    ])?;
    Ok(())
}

/// Adds a document of somebody else's log. Two nodes may have used one id: both stand (`house.md`, A sale).
///
/// # Errors
/// [`Fault`].
pub fn insert_of_other(conn: &Connection, place: i64, entry: &Entry<'_>) -> Result<(), Fault> {
    let clash = match entry.receipt {
        Some(receipt) => by_number(conn, &series_name(&receipt.till, &receipt.series), receipt.n)?.is_some(),
        None => false,
    };
    // A number that two incarnations gave out finds the document that came first; the hub lists the clash.
    let receipt = entry.receipt.filter(|_| !clash);
    insert(conn, place, &Entry { receipt, ..*entry })
}

/// A row as it stood in the index, for a document whose event was cut off.
#[derive(Clone, Debug)]
pub struct Row {
    id: Vec<u8>,
    kind: i64,
    request: Option<Vec<u8>>,
    series: Option<String>,
    n: Option<i64>,
    day: Option<i32>,
}

/// Takes the document of an event out of the index.
///
/// # Errors
/// [`Fault`].
pub fn take_out(conn: &Connection, place: i64) -> Result<Option<Row>, Fault> {
    let mut statement = conn.prepare_cached(
        "DELETE FROM documents WHERE place = ?1 RETURNING id, kind, request, series, n, day",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Row {
            id: row.get(0)?,
            kind: row.get(1)?,
            request: row.get(2)?,
            series: row.get(3)?,
            n: row.get(4)?,
            day: row.get(5)?,
        })
    };
    Ok(statement.query_row([place], read).optional()?)
}

/// Puts a document back that is said again at another place: the same request answers it as before. Its number finds it
/// unless another document bears it too.
///
/// # Errors
/// [`Fault`].
pub fn put_back(conn: &Connection, place: i64, row: &Row) -> Result<(), Fault> {
    let free = match (&row.series, row.n) {
        (Some(series), Some(n)) => by_number(conn, series, unsigned(n))?.is_none(),
        _ => false,
    };
    let (series, n) = if free { (row.series.as_ref(), row.n) } else { (None, None) };
    conn.prepare_cached(
        "INSERT INTO documents (place, id, kind, request, series, n, day) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![place, row.id, row.kind, row.request, series, n, row.day])?;
    Ok(())
}

/// A number that is free finds the document of that id, where it stands at another place now.
///
/// # Errors
/// [`Fault`].
pub fn number_again(conn: &Connection, row: &Row) -> Result<(), Fault> {
    let (Some(series), Some(n)) = (&row.series, row.n) else { return Ok(()) };
    if by_number(conn, series, unsigned(n))?.is_some() {
        return Ok(());
    }
    conn.prepare_cached(
        "UPDATE documents SET series = ?3, n = ?4 WHERE place = \
         (SELECT min(place) FROM documents WHERE id = ?1 AND kind = ?2 AND series IS NULL)",
    )?
    .execute(params![row.id, row.kind, series, n])?;
    Ok(())
}

/// A document by its id; one made here before one that came from elsewhere.
///
/// # Errors
/// [`Fault`].
pub fn find(conn: &Connection, id: &Id) -> Result<Option<Found>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT place, kind, request FROM documents WHERE id = ?1 ORDER BY request IS NULL, place LIMIT 1",
    )?;
    let found = statement.query_row([id.0], |row| {
        Ok(Found { place: row.get(0)?, kind: kind(row.get(1)?), request: row.get(2)? })
    });
    Ok(found.optional()?)
}

/// Places of sales and refunds by receipt number (`TILL-SERIES`, n).
///
/// # Errors
/// [`Fault`].
pub fn by_number(conn: &Connection, series: &str, n: u64) -> Result<Option<i64>, Fault> {
    let mut statement = conn.prepare_cached("SELECT place FROM documents WHERE series = ?1 AND n = ?2")?;
    Ok(statement.query_row(params![series, int(n)], |row| row.get(0)).optional()?)
}

/// Places of sales and refunds before `before`, newest first; of one business day where it is given.
///
/// # Errors
/// [`Fault`].
pub fn page(conn: &Connection, before: i64, day: Option<Day>, limit: usize) -> Result<Vec<i64>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT place FROM documents WHERE place < ?1 AND kind IN (1, 2) AND (?2 IS NULL OR day = ?2) \
         ORDER BY place DESC LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![before, day.map(|d| d.0), limit], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Places of all sales and refunds of the business days `from..=to`, in order.
///
/// # Errors
/// [`Fault`].
pub fn of_days(conn: &Connection, from: Day, to: Day) -> Result<Vec<i64>, Fault> {
    let mut statement = conn.prepare(
        "SELECT place FROM documents WHERE kind IN (1, 2) AND day BETWEEN ?1 AND ?2 ORDER BY place",
    )?;
    let rows = statement.query_map(params![from.0, to.0], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The last number a series gave out; 0 for none.
///
/// # Errors
/// [`Fault`].
pub fn last_number(conn: &Connection, name: &str) -> Result<u64, Fault> {
    let mut statement = conn.prepare_cached("SELECT coalesce(max(n), 0) FROM documents WHERE series = ?1")?;
    Ok(statement.query_row([name], |row| row.get(0)).map(unsigned)?)
}

/// Every series with its last number.
///
/// # Errors
/// [`Fault`].
pub fn all_series(conn: &Connection) -> Result<Vec<(String, u64)>, Fault> {
    let mut statement = conn.prepare(
        "SELECT series, max(n) FROM documents WHERE series IS NOT NULL GROUP BY series ORDER BY series",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, unsigned(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What came back of a sale, by line.
///
/// # Errors
/// [`Fault`].
pub fn refunded(conn: &Connection, sale: &Id) -> Result<BTreeMap<u16, Basis>, Fault> {
    let mut statement =
        conn.prepare_cached("SELECT line, quantity, net, tax FROM refunded WHERE sale = ?1")?;
    let rows = statement.query_map([sale.0], |row| {
        let basis =
            Basis { quantity: Quantity(row.get(1)?), net: Money(row.get(2)?), tax: Money(row.get(3)?) };
        Ok((row.get(0)?, basis))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Adds what came back of one line.
///
/// # Errors
/// [`Fault`].
pub fn add_refunded(conn: &Connection, sale: &Id, line: u16, back: &Basis) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO refunded (sale, line, quantity, net, tax) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (sale, line) DO UPDATE SET quantity = quantity + ?3, net = net + ?4, tax = tax + ?5",
    )?
    .execute(params![sale.0, line, back.quantity.0, back.net.0, back.tax.0])?;
    Ok(())
}

/// The first and the last place that events of an incarnation can have.
pub fn span(no: i64) -> (i64, i64) {
    (place(no, 0), place(no + 1, 0) - 1)
}

fn kind(number: i64) -> DocumentKind {
    match number {
        1 => DocumentKind::Sale,
        2 => DocumentKind::Refund,
        3 => DocumentKind::Delivery,
        5 => DocumentKind::Grant,
        6 => DocumentKind::TransferShipped,
        7 => DocumentKind::TransferReceived,
        12 => DocumentKind::Receivable,
        8 => DocumentKind::Count,
        9 => DocumentKind::ShiftOpening,
        10 => DocumentKind::CashMove,
        11 => DocumentKind::DrawerOpening,
        _ => DocumentKind::Adjustment,
    }
}
