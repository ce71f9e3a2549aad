//! Customers' records: the only personal data there is, and erasable (`facts.md` §1).

use super::Fault;
use super::incarnations::{int, unsigned};
use rusqlite::{Connection, OptionalExtension, Row, params};
use tradepost_sync::ids::Id;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The price list the customer buys from; empty for the store's own.
    pub list: String,
    /// Grows with every change.
    pub version: u32,
    /// The record; none once it was erased, or where only the price list is known.
    pub record: Option<String>,
    /// Erased, for good.
    pub erased: bool,
    /// Grows with every change here; none where the hub holds it.
    pub change: Option<u64>,
}

fn read(row: &Row<'_>) -> rusqlite::Result<Customer> {
    Ok(Customer {
        list: row.get(0)?,
        version: row.get(1)?,
        record: row.get(2)?,
        erased: row.get(3)?,
        change: row.get::<_, Option<i64>>(4)?.map(unsigned),
    })
}

/// A customer.
///
/// # Errors
/// [`Fault`].
pub fn find(conn: &Connection, id: &Id) -> Result<Option<Customer>, Fault> {
    let sql = "SELECT list, version, record, erased, change FROM customers WHERE id = ?1";
    Ok(conn.prepare_cached(sql)?.query_row([id.0], read).optional()?)
}

/// Writes a customer.
///
/// # Errors
/// [`Fault`].
pub fn put(conn: &Connection, id: &Id, customer: &Customer) -> Result<(), Fault> {
    // What was there is overwritten on the disk too, not only unlinked.
    conn.query_row("PRAGMA secure_delete=ON", [], |_| Ok(()))?;
    let written = conn
        .prepare_cached(
            "INSERT OR REPLACE INTO customers (id, list, version, record, erased, change) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            id.0,
            customer.list,
            customer.version,
            customer.record,
            customer.erased,
            customer.change.map(int)
        ]);
    conn.query_row("PRAGMA secure_delete=OFF", [], |_| Ok(()))?;
    written?;
    Ok(())
}

/// Customers with a record, the newest ids first and only those below `below`; `keep` says of each record whether it
/// is taken, until there are `limit`.
///
/// # Errors
/// [`Fault`].
pub fn search(
    conn: &Connection,
    below: Option<&Id>,
    limit: usize,
    keep: impl Fn(&str) -> bool,
) -> Result<Vec<(Id, Customer)>, Fault> {
    // Longer than any id, and so above all of them.
    let below = below.map_or_else(|| vec![u8::MAX; 17], |id| id.0.to_vec());
    let sql = "SELECT list, version, record, erased, change, id FROM customers \
        WHERE record IS NOT NULL AND id < ?1 ORDER BY id DESC";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([below])?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next()?
    {
        let customer = read(row)?;
        if customer.record.as_deref().is_some_and(&keep) {
            found.push((Id(row.get(5)?), customer));
        }
    }
    Ok(found)
}

/// Sets the price list of a customer that may have no record here.
///
/// # Errors
/// [`Fault`].
pub fn set_list(conn: &Connection, id: &Id, list: &str) -> Result<(), Fault> {
    conn.execute(
        "INSERT INTO customers (id, list, version, record) VALUES (?1, ?2, 0, NULL) ON CONFLICT (id) DO UPDATE SET list = ?2",
        params![id.0, list],
    )?;
    Ok(())
}

/// Customers that the hub doesn't hold as they are here, in the order of their changes.
///
/// # Errors
/// [`Fault`].
pub fn unsaid(conn: &Connection, limit: usize) -> Result<Vec<(Id, Customer)>, Fault> {
    let sql = "SELECT list, version, record, erased, change, id FROM customers WHERE change IS NOT NULL \
        ORDER BY change LIMIT ?1";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement
        .query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| Ok((Id(row.get(5)?), read(row)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The hub holds the changes up to this one. Answers whether that was news.
///
/// # Errors
/// [`Fault`].
pub fn said(conn: &Connection, through: u64) -> Result<bool, Fault> {
    Ok(conn.execute("UPDATE customers SET change = NULL WHERE change <= ?1", [int(through)])? > 0)
}
