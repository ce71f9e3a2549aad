//! The fiscal journal: chains per till and series, their entries and the days they closed (`facts.md` §4).

use super::Fault;
use super::events::{bytes, parts};
use super::incarnations::{int, unsigned};
use rusqlite::{Connection, OptionalExtension, Row, params};
use tradepost_commerce::fiscal::{ChainName, DayClosure, FiscalEntry, FiscalKind, Sha};
use tradepost_commerce::money::Money;
use tradepost_commerce::shift::Perpetual;
use tradepost_sync::signing::DeviceKey;

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its small number.
    pub no: i64,
    /// Whose it is and what it begins with.
    pub name: ChainName,
    /// The key that signs its entries.
    pub key: DeviceKey,
}

const CHAIN: &str = "no, till, series, sales, refunds, documents, key";
const ENTRY: &str = "n, kind, document, amount, sales, refunds, documents, previous, hash, signature, place";

/// A chain by its till and series.
///
/// # Errors
/// [`Fault`].
pub fn chain(conn: &Connection, till: &str, series: &str) -> Result<Option<Chain>, Fault> {
    let mut statement =
        conn.prepare_cached(&format!("SELECT {CHAIN} FROM fiscal_chains WHERE till = ?1 AND series = ?2"))?;
    Ok(statement.query_row([till, series], read_chain).optional()?)
}

/// All chains, in the order in which they began.
///
/// # Errors
/// [`Fault`].
pub fn chains(conn: &Connection) -> Result<Vec<Chain>, Fault> {
    let mut statement = conn.prepare_cached(&format!("SELECT {CHAIN} FROM fiscal_chains ORDER BY no"))?;
    let rows = statement.query_map([], read_chain)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Begins a chain; its number.
///
/// # Errors
/// [`Fault`].
pub fn begin(conn: &Connection, name: &ChainName, key: &DeviceKey) -> Result<i64, Fault> {
    conn.prepare_cached(
        "INSERT INTO fiscal_chains (till, series, sales, refunds, documents, key) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        name.till,
        name.series,
        name.totals.sales.0,
        name.totals.refunds.0,
        int(name.totals.documents),
        key
    ])?;
    Ok(conn.last_insert_rowid())
}

/// Adds an entry about the event at `place`.
///
/// # Errors
/// [`Fault`]; a place in the chain that is taken is fatal.
pub fn add(conn: &Connection, chain: i64, place: i64, entry: &FiscalEntry) -> Result<(), Fault> {
    conn.prepare_cached(&format!(
        "INSERT INTO fiscal (chain, {ENTRY}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
    ))?
    .execute(params![
        chain,
        int(entry.n),
        number(entry.kind),
        entry.document,
        entry.amount.0,
        entry.totals.sales.0,
        entry.totals.refunds.0,
        int(entry.totals.documents),
        entry.previous,
        entry.hash,
        entry.signature,
        place
    ])?;
    Ok(())
}

/// The last entry of a chain.
///
/// # Errors
/// [`Fault`].
pub fn last(conn: &Connection, chain: i64) -> Result<Option<FiscalEntry>, Fault> {
    let mut statement =
        conn.prepare_cached(&format!("SELECT {ENTRY} FROM fiscal WHERE chain = ?1 ORDER BY n DESC LIMIT 1"))?;
    Ok(statement.query_row([chain], read_entry).optional()?.map(|(entry, _)| entry))
}

/// An entry by its place in the chain.
///
/// # Errors
/// [`Fault`].
pub fn entry(conn: &Connection, chain: i64, n: u64) -> Result<Option<FiscalEntry>, Fault> {
    let mut statement =
        conn.prepare_cached(&format!("SELECT {ENTRY} FROM fiscal WHERE chain = ?1 AND n = ?2"))?;
    Ok(statement.query_row(params![chain, int(n)], read_entry).optional()?.map(|(entry, _)| entry))
}

/// All entries of a chain, each with the place of its event.
///
/// # Errors
/// [`Fault`].
pub fn entries(conn: &Connection, chain: i64) -> Result<Vec<(FiscalEntry, i64)>, Fault> {
    let mut statement =
        conn.prepare_cached(&format!("SELECT {ENTRY} FROM fiscal WHERE chain = ?1 ORDER BY n"))?;
    let rows = statement.query_map([chain], read_entry)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Notes that a Z closed a day.
///
/// # Errors
/// [`Fault`].
pub fn add_day(conn: &Connection, chain: i64, day: &DayClosure) -> Result<(), Fault> {
    let body = serde_json::to_string(day).map_err(|e| Fault::Fatal(format!("a day's closure: {e}")))?;
    conn.prepare_cached("INSERT INTO fiscal_days (chain, z, body) VALUES (?1, ?2, ?3)")?
        .execute(params![chain, day.z, body])?;
    Ok(())
}

/// The days that a chain closed, in order.
///
/// # Errors
/// [`Fault`].
pub fn days(conn: &Connection, chain: i64) -> Result<Vec<DayClosure>, Fault> {
    let mut statement = conn.prepare_cached("SELECT body FROM fiscal_days WHERE chain = ?1 ORDER BY z")?;
    let rows = statement.query_map([chain], |row| row.get::<_, String>(0))?;
    rows.map(|body| read_day(&body?)).collect()
}

/// The last day that a chain closed.
///
/// # Errors
/// [`Fault`].
pub fn last_day(conn: &Connection, chain: i64) -> Result<Option<DayClosure>, Fault> {
    let mut statement =
        conn.prepare_cached("SELECT body FROM fiscal_days WHERE chain = ?1 ORDER BY z DESC LIMIT 1")?;
    let body: Option<String> = statement.query_row([chain], |row| row.get(0)).optional()?;
    body.map(|body| read_day(&body)).transpose()
}

/// The highest Z that a till's journal closed a day with, whether it stands or was cut off with its branch; 0 for none.
///
/// # Errors
/// [`Fault`].
pub fn last_z(conn: &Connection, till: &str) -> Result<u32, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT coalesce(max(z), 0) FROM fiscal_days \
         WHERE chain IN (SELECT no FROM fiscal_chains WHERE till = ?1)",
    )?;
    Ok(statement.query_row([till], |row| row.get(0))?)
}

fn read_day(body: &str) -> Result<DayClosure, Fault> {
    serde_json::from_str(body).map_err(|e| Fault::Fatal(format!("a day's closure: {e}")))
}

fn read_chain(row: &Row<'_>) -> rusqlite::Result<Chain> {
    let documents: i64 = row.get(5)?;
    let totals =
        Perpetual { sales: Money(row.get(3)?), refunds: Money(row.get(4)?), documents: unsigned(documents) };
    Ok(Chain {
        no: row.get(0)?,
        name: ChainName { till: row.get(1)?, series: row.get(2)?, totals },
        key: row.get(6)?,
    })
}

fn read_entry(row: &Row<'_>) -> rusqlite::Result<(FiscalEntry, i64)> {
    let (n, documents): (i64, i64) = (row.get(0)?, row.get(6)?);
    let (document, previous, hash): (Sha, Sha, Sha) = (row.get(2)?, row.get(7)?, row.get(8)?);
    let entry = FiscalEntry {
        n: unsigned(n),
        kind: kind(row.get(1)?),
        document,
        amount: Money(row.get(3)?),
        totals: Perpetual {
            sales: Money(row.get(4)?),
            refunds: Money(row.get(5)?),
            documents: unsigned(documents),
        },
        previous,
        hash,
        signature: row.get(9)?,
    };
    Ok((entry, row.get(10)?))
}

/// The kinds' numbers, as they are stored.
const KINDS: [FiscalKind; 8] = [
    FiscalKind::Sale,
    FiscalKind::Refund,
    FiscalKind::Receivable,
    FiscalKind::Copy,
    FiscalKind::DrawerOpened,
    FiscalKind::Z,
    FiscalKind::SigningDeviceDown,
    FiscalKind::SigningDeviceUp,
];

fn number(kind: FiscalKind) -> i64 {
    (1..).zip(KINDS).find(|(_, known)| *known == kind).map_or(0, |(number, _)| number)
}

/// A number that nobody wrote reads as another kind, and then its hash doesn't hold.
fn kind(number: i64) -> FiscalKind {
    (1..)
        .zip(KINDS)
        .find(|(known, _)| *known == number)
        .map_or(FiscalKind::SigningDeviceDown, |(_, kind)| kind)
}

/// The place of the event that a chain's last entry is about.
///
/// # Errors
/// [`Fault`].
pub fn last_place(conn: &Connection, chain: i64) -> Result<Option<i64>, Fault> {
    let mut statement =
        conn.prepare_cached("SELECT place FROM fiscal WHERE chain = ?1 ORDER BY n DESC LIMIT 1")?;
    Ok(statement.query_row([chain], |row| row.get(0)).optional()?)
}

/// What the log has, or once had, at a place: a branch that was cut off keeps what the till printed (`model.md` §3).
///
/// # Errors
/// [`Fault`].
pub fn documents_at(conn: &Connection, place: i64) -> Result<Vec<Vec<u8>>, Fault> {
    let (no, seq) = parts(place);
    let mut found: Vec<Vec<u8>> = bytes(conn, place)?.into_iter().collect();
    let mut statement =
        conn.prepare_cached("SELECT bytes FROM branches WHERE incarnation = ?1 AND seq = ?2 ORDER BY hash")?;
    let rows = statement.query_map(params![no, int(seq)], |row| row.get(0))?;
    found.extend(rows.collect::<Result<Vec<_>, _>>()?);
    Ok(found)
}
