//! Tenders that are being taken or wait for their money, how they ended, and the terminals that take cards.

use super::Fault;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Id;

/// A row; what it says is JSON that `app` reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenderLine {
    /// Its idempotency key.
    pub key: Id,
    /// The cart it pays.
    pub cart: Option<Id>,
    /// The document that claims it.
    pub document: Option<Id>,
    /// The till.
    pub till: String,
    /// Where it stands, as a number of the schema.
    pub state: i64,
    /// When it was made.
    pub made: UtcMs,
    /// What it says.
    pub body: String,
}

const COLUMNS: &str = "key, cart, document, till, state, made, body";

fn read(row: &Row<'_>) -> rusqlite::Result<TenderLine> {
    Ok(TenderLine {
        key: Id(row.get(0)?),
        cart: row.get::<_, Option<[u8; 16]>>(1)?.map(Id),
        document: row.get::<_, Option<[u8; 16]>>(2)?.map(Id),
        till: row.get(3)?,
        state: row.get(4)?,
        made: row.get(5)?,
        body: row.get(6)?,
    })
}

/// Adds a row, or writes it anew.
///
/// # Errors
/// [`Fault`].
pub fn store(conn: &Connection, line: &TenderLine) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO tenders (key, cart, document, till, state, made, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
         ON CONFLICT (key) DO UPDATE SET document = ?3, state = ?5, body = ?7",
    )?
    .execute(params![
        line.key.0,
        line.cart.map(|id| id.0),
        line.document.map(|id| id.0),
        line.till,
        line.state,
        line.made,
        line.body
    ])?;
    Ok(())
}

/// A row by its key.
///
/// # Errors
/// [`Fault`].
pub fn find(conn: &Connection, key: &Id) -> Result<Option<TenderLine>, Fault> {
    let mut statement = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM tenders WHERE key = ?1"))?;
    Ok(statement.query_row([key.0], read).optional()?)
}

/// The rows of a cart, in the order in which they were made.
///
/// # Errors
/// [`Fault`].
pub fn of_cart(conn: &Connection, cart: &Id) -> Result<Vec<TenderLine>, Fault> {
    let mut statement =
        conn.prepare_cached(&format!("SELECT {COLUMNS} FROM tenders WHERE cart = ?1 ORDER BY no"))?;
    let rows = statement.query_map([cart.0], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The rows of a document, in the order in which they were made.
///
/// # Errors
/// [`Fault`].
pub fn of_document(conn: &Connection, document: &Id) -> Result<Vec<TenderLine>, Fault> {
    let mut statement =
        conn.prepare_cached(&format!("SELECT {COLUMNS} FROM tenders WHERE document = ?1 ORDER BY no"))?;
    let rows = statement.query_map([document.0], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The rows in a state that waits for something, in the order in which they were made.
///
/// # Errors
/// [`Fault`].
pub fn waiting(conn: &Connection, state: i64, limit: usize) -> Result<Vec<TenderLine>, Fault> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM tenders WHERE state IN (1, 2, 4, 5, 6) AND state = ?1 ORDER BY no LIMIT ?2"
    ))?;
    let rows = statement.query_map(params![state, i64::try_from(limit).unwrap_or(i64::MAX)], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The rows that were taken for a cart and that no document claims, in the order in which they were made.
///
/// # Errors
/// [`Fault`].
pub fn unclaimed(conn: &Connection) -> Result<Vec<TenderLine>, Fault> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM tenders WHERE cart IS NOT NULL AND document IS NULL AND state = 3 ORDER BY no"
    ))?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The rows that no cart holds and no document claims and that were made before an instant, in the order in which they
/// were made.
///
/// # Errors
/// [`Fault`].
pub fn of_no_paper(conn: &Connection, before: UtcMs) -> Result<Vec<TenderLine>, Fault> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM tenders WHERE cart IS NULL AND document IS NULL AND state IN (2, 3, 4, 6) \
         AND made < ?1 ORDER BY made, no"
    ))?;
    let rows = statement.query_map([before], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How a tender of a document ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The tender's key.
    pub key: Id,
    /// The document.
    pub document: Id,
    /// How, as a number of the schema.
    pub outcome: i64,
    /// What kind of money, as JSON.
    pub kind: String,
    /// How much, in minor units.
    pub amount: i64,
}

/// Notes how a tender ended; what was said first stands.
///
/// # Errors
/// [`Fault`].
pub fn settle(conn: &Connection, done: &Settlement) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO settlements (key, document, outcome, kind, amount) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (key) DO NOTHING",
    )?
    .execute(params![done.key.0, done.document.0, done.outcome, done.kind, done.amount])?;
    Ok(())
}

fn read_settlement(row: &Row<'_>) -> rusqlite::Result<Settlement> {
    Ok(Settlement {
        key: Id(row.get(0)?),
        document: Id(row.get(1)?),
        outcome: row.get(2)?,
        kind: row.get(3)?,
        amount: row.get(4)?,
    })
}

/// How the tenders of a document ended, as far as they have.
///
/// # Errors
/// [`Fault`].
pub fn settlements(conn: &Connection, document: &Id) -> Result<Vec<Settlement>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT key, document, outcome, kind, amount FROM settlements WHERE document = ?1 ORDER BY key",
    )?;
    let rows = statement.query_map([document.0], read_settlement)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Tenders whose money never came, with what was collected of each since.
///
/// # Errors
/// [`Fault`].
pub fn owed(conn: &Connection) -> Result<Vec<(Settlement, Option<i64>)>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT s.key, s.document, s.outcome, s.kind, s.amount, c.amount FROM settlements s \
         LEFT JOIN collected c ON c.key = s.key WHERE s.outcome IN (2, 3, 5) ORDER BY s.document, s.key",
    )?;
    let rows = statement.query_map([], |row| Ok((read_settlement(row)?, row.get(5)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Notes that a receivable was paid.
///
/// # Errors
/// [`Fault`].
pub fn collect(conn: &Connection, key: &Id, sale: &Id, amount: i64) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO collected (key, sale, amount) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO NOTHING",
    )?
    .execute(params![key.0, sale.0, amount])?;
    Ok(())
}

/// Adds what a refund gave back to a tender of a sale.
///
/// # Errors
/// [`Fault`].
pub fn give_back(conn: &Connection, sale: &Id, tender: u16, amount: i64) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO given_back (sale, tender, amount) VALUES (?1, ?2, ?3) \
         ON CONFLICT (sale, tender) DO UPDATE SET amount = amount + ?3",
    )?
    .execute(params![sale.0, tender, amount])?;
    Ok(())
}

/// What refunds gave back to the tenders of a sale, by index.
///
/// # Errors
/// [`Fault`].
pub fn given_back(conn: &Connection, sale: &Id) -> Result<BTreeMap<u16, i64>, Fault> {
    let mut statement = conn.prepare_cached("SELECT tender, amount FROM given_back WHERE sale = ?1")?;
    let rows = statement.query_map([sale.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The terminal of a till, as JSON.
///
/// # Errors
/// [`Fault`].
pub fn terminal<T: DeserializeOwned>(conn: &Connection, till: &str) -> Result<Option<T>, Fault> {
    let mut statement = conn.prepare_cached("SELECT body FROM terminals WHERE till = ?1")?;
    let body: Option<String> = statement.query_row([till], |row| row.get(0)).optional()?;
    body.map(|text| serde_json::from_str(&text).map_err(|e| Fault::Fatal(format!("a terminal: {e}"))))
        .transpose()
}

/// Puts a terminal at a till.
///
/// # Errors
/// [`Fault`].
pub fn set_terminal<T: Serialize>(conn: &Connection, till: &str, terminal: &T) -> Result<(), Fault> {
    let body = serde_json::to_string(terminal).map_err(|e| Fault::Fatal(format!("a terminal: {e}")))?;
    conn.prepare_cached("INSERT OR REPLACE INTO terminals (till, body) VALUES (?1, ?2)")?
        .execute(params![till, body])?;
    Ok(())
}

/// What the simulated terminal of a till remembers of a key, as JSON.
///
/// # Errors
/// [`Fault`].
pub fn remembered<T: DeserializeOwned>(conn: &Connection, till: &str, key: &Id) -> Result<Option<T>, Fault> {
    let mut statement =
        conn.prepare_cached("SELECT said FROM terminal_memory WHERE till = ?1 AND key = ?2")?;
    let said: Option<String> = statement.query_row(params![till, key.0], |row| row.get(0)).optional()?;
    said.map(|text| serde_json::from_str(&text).map_err(|e| Fault::Fatal(format!("a terminal: {e}"))))
        .transpose()
}

/// The simulated terminal of a till remembers something of a key.
///
/// # Errors
/// [`Fault`].
pub fn remember<T: Serialize>(conn: &Connection, till: &str, key: &Id, said: &T) -> Result<(), Fault> {
    let said = serde_json::to_string(said).map_err(|e| Fault::Fatal(format!("a terminal: {e}")))?;
    conn.prepare_cached("INSERT OR REPLACE INTO terminal_memory (till, key, said) VALUES (?1, ?2, ?3)")?
        .execute(params![till, key.0, said])?;
    Ok(())
}
