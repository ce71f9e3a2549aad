//! Payments of web orders, their refunds, and the provider's notices that were taken in.

use super::{DbError, Row, Tx};
use crate::values;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Id;

/// One payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Its id; a checkout's is its order's.
    pub id: Id,
    /// The order it is for.
    pub order: Id,
    /// The store's code.
    pub store: String,
    /// How, in the provider's words.
    pub method: String,
    /// Currency code.
    pub currency: String,
    /// Minor units that may be taken.
    pub amount: i64,
    /// Minor units that were taken.
    pub captured: i64,
    /// `requested`, `authorized`, `declined`, `capturing`, `captured`, `voiding` or `voided`.
    pub state: String,
    /// The provider's reference.
    pub reference: Option<String>,
    /// Why the provider said no.
    pub reason: Option<String>,
    /// Version of the row.
    pub row_version: u64,
    /// When it was asked for.
    pub created_at: UtcMs,
    /// When it last changed.
    pub changed_at: UtcMs,
}

const COLUMNS: &str = "id, order_id, store, method, currency, amount, captured, state, reference, reason, row_version, \
    created_at, changed_at";

fn read(row: &Row) -> Result<Payment, DbError> {
    Ok(Payment {
        id: row.get(0)?,
        order: row.get(1)?,
        store: row.get(2)?,
        method: row.get(3)?,
        currency: row.get(4)?,
        amount: row.get(5)?,
        captured: row.get(6)?,
        state: row.get(7)?,
        reference: row.get(8)?,
        reason: row.get(9)?,
        row_version: row.get(10)?,
        created_at: row.get(11)?,
        changed_at: row.get(12)?,
    })
}

/// Adds a payment, unless one stands under its id.
pub fn insert(tx: &mut Tx<'_>, new: &Payment) -> Result<bool, DbError> {
    let sql = "INSERT INTO web_payments (id, order_id, store, method, currency, amount, captured, state, row_version, \
        created_at, changed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 'requested', 1, ?7, ?7) ON CONFLICT DO NOTHING";
    let given =
        values![new.id, new.order, &new.store, &new.method, &new.currency, new.amount, new.created_at];
    Ok(tx.execute(sql, given)? == 1)
}

/// The payment with an id.
pub fn find(tx: &mut Tx<'_>, id: Id) -> Result<Option<Payment>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM web_payments WHERE id = ?1");
    tx.row(&sql, values![id])?.as_ref().map(read).transpose()
}

/// The payment with an id, its row locked until the transaction ends.
pub fn find_locked(tx: &mut Tx<'_>, id: Id) -> Result<Option<Payment>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM web_payments WHERE id = ?1");
    tx.row_locked(&sql, values![id])?.as_ref().map(read).transpose()
}

/// Payments after a place (when, id), in the order in which they were asked for.
pub fn list(tx: &mut Tx<'_>, after: (UtcMs, Id), limit: usize) -> Result<Vec<Payment>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM web_payments WHERE (created_at, id) > (?1, ?2) ORDER BY created_at, id LIMIT ?3"
    );
    tx.rows(&sql, values![after.0, after.1, limit])?.iter().map(read).collect()
}

/// Writes what may change of a payment.
pub fn save(tx: &mut Tx<'_>, payment: &Payment, now: UtcMs) -> Result<(), DbError> {
    let sql = "UPDATE web_payments SET captured = ?2, state = ?3, reference = ?4, reason = ?5, \
        row_version = row_version + 1, changed_at = ?6 WHERE id = ?1";
    let given = values![
        payment.id,
        payment.captured,
        &payment.state,
        payment.reference.clone(),
        payment.reason.clone(),
        now
    ];
    tx.execute(sql, given).map(|_| ())
}

/// Money that goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// The key the provider knows it by.
    pub key: String,
    /// Of which payment.
    pub payment: Id,
    /// Minor units.
    pub amount: i64,
    /// `requested`, `refunded` or `declined`.
    pub state: String,
    /// The provider's reference.
    pub reference: Option<String>,
}

fn read_refund(row: &Row) -> Result<Refund, DbError> {
    Ok(Refund {
        key: row.get(0)?,
        payment: row.get(1)?,
        amount: row.get(2)?,
        state: row.get(3)?,
        reference: row.get(4)?,
    })
}

/// Adds a refund that is asked for.
pub fn insert_refund(tx: &mut Tx<'_>, new: &Refund, now: UtcMs) -> Result<(), DbError> {
    let sql = "INSERT INTO web_refunds (key, payment, amount, state, created_at, changed_at) \
        VALUES (?1, ?2, ?3, 'requested', ?4, ?4)";
    tx.execute(sql, values![&new.key, new.payment, new.amount, now]).map(|_| ())
}

/// The refund with a key.
pub fn refund(tx: &mut Tx<'_>, key: &str) -> Result<Option<Refund>, DbError> {
    let sql = "SELECT key, payment, amount, state, reference FROM web_refunds WHERE key = ?1";
    tx.row(sql, values![key])?.as_ref().map(read_refund).transpose()
}

/// The refunds of a payment, in the order in which they were asked for.
pub fn refunds(tx: &mut Tx<'_>, payment: Id) -> Result<Vec<Refund>, DbError> {
    let sql = "SELECT key, payment, amount, state, reference FROM web_refunds WHERE payment = ?1 \
        ORDER BY created_at, key";
    tx.rows(sql, values![payment])?.iter().map(read_refund).collect()
}

/// Writes how a refund ended.
pub fn settle_refund(
    tx: &mut Tx<'_>,
    key: &str,
    state: &str,
    reference: Option<&str>,
    now: UtcMs,
) -> Result<(), DbError> {
    let sql = "UPDATE web_refunds SET state = ?2, reference = ?3, changed_at = ?4 WHERE key = ?1 \
        AND state = 'requested'";
    tx.execute(sql, values![key, state, reference, now]).map(|_| ())
}

/// Notes a notice of the provider; whether it is new.
pub fn take_notice(tx: &mut Tx<'_>, id: &str, now: UtcMs) -> Result<bool, DbError> {
    let sql = "INSERT INTO payment_notices (id, at) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    Ok(tx.execute(sql, values![id, now])? == 1)
}
