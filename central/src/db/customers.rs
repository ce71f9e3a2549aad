//! Customers' records: the only personal data there is, apart from events and erasable (`model.md` §6).

use super::{DbError, Row, Tx};
use crate::values;
use tradepost_sync::ids::Id;
use tradepost_sync::session::CustomerRecord;

/// A record with the place of its last change among all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The record.
    pub record: CustomerRecord,
    /// Grows with every change of any record.
    pub change: u64,
    /// The author that brought it; none where it was changed here.
    pub brought_by: Option<i64>,
}

const COLUMNS: &str = "id, version, person, price_list, change, brought_by";

fn kept(row: &Row) -> Result<Kept, DbError> {
    let record = CustomerRecord {
        id: row.get(0)?,
        version: row.get(1)?,
        person: row.get(2)?,
        price_list: row.get(3)?,
    };
    Ok(Kept { record, change: row.get(4)?, brought_by: row.get(5)? })
}

/// A customer's record.
pub fn find(tx: &mut Tx<'_>, id: Id) -> Result<Option<Kept>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM customers WHERE id = ?1");
    tx.row(&sql, values![id])?.as_ref().map(kept).transpose()
}

/// Takes the next number among changes. Whoever holds it keeps others waiting until the transaction ends, so that a
/// reader never passes by a smaller one.
pub fn next_change(tx: &mut Tx<'_>) -> Result<u64, DbError> {
    let sql = "INSERT INTO customer_changes (one, last) VALUES (1, 1) \
        ON CONFLICT (one) DO UPDATE SET last = customer_changes.last + 1 RETURNING last";
    tx.row(sql, &[])?.ok_or_else(|| DbError::Shape("no change number".to_owned()))?.get(0)
}

/// Writes a record.
pub fn put(tx: &mut Tx<'_>, kept: &Kept) -> Result<(), DbError> {
    let sql = "INSERT INTO customers (id, version, person, price_list, change, brought_by) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO UPDATE SET version = excluded.version, \
        person = excluded.person, price_list = excluded.price_list, change = excluded.change, \
        brought_by = excluded.brought_by";
    let CustomerRecord { id, version, person, price_list } = &kept.record;
    let given = values![*id, *version, person.clone(), price_list, kept.change, kept.brought_by];
    tx.execute(sql, given).map(|_| ())
}

/// Records that changed after `change`, in order.
pub fn after(tx: &mut Tx<'_>, change: u64, limit: usize) -> Result<Vec<Kept>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM customers WHERE change > ?1 ORDER BY change LIMIT ?2");
    tx.rows(&sql, values![change, limit])?.iter().map(kept).collect()
}

/// Up to which change a node holds them.
pub fn held_by(tx: &mut Tx<'_>, author: i64) -> Result<u64, DbError> {
    let row = tx.row("SELECT through FROM customer_heads WHERE author = ?1", values![author])?;
    row.map_or(Ok(0), |row| row.get(0))
}

/// Notes up to which change a node holds them.
pub fn set_held(tx: &mut Tx<'_>, author: i64, through: u64) -> Result<(), DbError> {
    let sql = "INSERT INTO customer_heads (author, through) VALUES (?1, ?2) \
        ON CONFLICT (author) DO UPDATE SET through = excluded.through WHERE customer_heads.through < excluded.through";
    tx.execute(sql, values![author, through]).map(|_| ())
}
