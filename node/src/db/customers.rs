//! Customers' records: the only personal data there is, and erasable (`facts.md` §1).

use super::Fault;
use rusqlite::{Connection, OptionalExtension, params};
use tradepost_sync::ids::Id;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The price list the customer buys from; empty for the store's own.
    pub list: String,
    /// Grows with every change.
    pub version: u32,
    /// The record; none once it was erased.
    pub record: Option<String>,
}

/// A customer.
///
/// # Errors
/// [`Fault`].
pub fn find(conn: &Connection, id: &Id) -> Result<Option<Customer>, Fault> {
    let mut statement = conn.prepare_cached("SELECT list, version, record FROM customers WHERE id = ?1")?;
    let found = statement.query_row([id.0], |row| {
        Ok(Customer { list: row.get(0)?, version: row.get(1)?, record: row.get(2)? })
    });
    Ok(found.optional()?)
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
            "INSERT OR REPLACE INTO customers (id, list, version, record) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![id.0, customer.list, customer.version, customer.record]);
    conn.query_row("PRAGMA secure_delete=OFF", [], |_| Ok(()))?;
    written?;
    Ok(())
}

/// Sets the price list of a customer that may have no record here.
///
/// # Errors
/// [`Fault`].
pub fn set_list(conn: &Connection, id: &Id, list: &str) -> Result<(), Fault> {
    conn.execute(
        "INSERT INTO customers (id, list, record) VALUES (?1, ?2, NULL) ON CONFLICT (id) DO UPDATE SET list = ?2",
        params![id.0, list],
    )?;
    Ok(())
}
