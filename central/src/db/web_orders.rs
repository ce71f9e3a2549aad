//! Web orders: the durable row of each saga, its steps, and what it holds (`facts.md` §4, Web order).

use super::{DbError, Row, Tx};
use crate::values;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::{Hash, Id};

/// One web order.
#[derive(Clone, Debug)]
pub struct WebOrder {
    /// Its place in the order of arrival; 0 for a new one.
    pub no: i64,
    /// Its id, made by the client.
    pub id: Id,
    /// Hash of the request that made it.
    pub request: Hash,
    /// Whose it is: an account or a guest.
    pub owner: Id,
    /// The cart it came from.
    pub cart: Id,
    /// The store that hands it out.
    pub store: i64,
    /// How far it is.
    pub state: String,
    /// The order's number, by which people find it.
    pub reference: String,
    /// Its frozen document as JSON.
    pub document: String,
    /// The coupon whose use it took.
    pub coupon: Option<String>,
    /// Currency code.
    pub currency: String,
    /// Decimals of the minor unit.
    pub exponent: u8,
    /// What is to be paid, in minor units.
    pub total: i64,
    /// How it is paid, in the provider's words.
    pub method: String,
    /// Why it didn't come to its end, where it didn't.
    pub reason: Option<String>,
    /// Whether somebody asked to cancel it.
    pub cancel: bool,
    /// Minor units to be given back, or given back.
    pub refund: i64,
    /// Whether it was said to be placed.
    pub placed: bool,
    /// Tries of the step it is at.
    pub tries: u32,
    /// The process that drives it.
    pub driver: u32,
    /// From when on anybody may drive it; none where it waits for somebody else or has ended.
    pub due_at: Option<UtcMs>,
    /// When it came.
    pub created_at: UtcMs,
    /// When it last went on.
    pub changed_at: UtcMs,
    /// The place in its trace where it was asked for (W3C trace context); its steps go on from there.
    pub traceparent: Option<String>,
}

const COLUMNS: &str = "no, id, request, owner, cart, store, state, reference, document, coupon, currency, exponent, \
    total, method, reason, cancel, refund, placed, tries, driver, due_at, created_at, changed_at, traceparent";

fn read(row: &Row) -> Result<WebOrder, DbError> {
    Ok(WebOrder {
        no: row.get(0)?,
        id: row.get(1)?,
        request: row.get(2)?,
        owner: row.get(3)?,
        cart: row.get(4)?,
        store: row.get(5)?,
        state: row.get(6)?,
        reference: row.get(7)?,
        document: row.get(8)?,
        coupon: row.get(9)?,
        currency: row.get(10)?,
        exponent: u8::try_from(row.get::<u16>(11)?).unwrap_or(0),
        total: row.get(12)?,
        method: row.get(13)?,
        reason: row.get(14)?,
        cancel: row.get(15)?,
        refund: row.get(16)?,
        placed: row.get(17)?,
        tries: row.get(18)?,
        driver: row.get(19)?,
        due_at: row.get(20)?,
        created_at: row.get(21)?,
        changed_at: row.get(22)?,
        traceparent: row.get(23)?,
    })
}

/// Adds an order; its number.
pub fn insert(tx: &mut Tx<'_>, new: &WebOrder) -> Result<i64, DbError> {
    let sql = "INSERT INTO web_orders (id, request, owner, cart, store, state, reference, document, coupon, currency, \
        exponent, total, method, cancel, refund, placed, tries, driver, due_at, created_at, changed_at, \
        traceparent) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 0, 0, 0, 0, ?14, ?15, ?16, ?16, ?17) RETURNING no";
    let given = values![
        new.id,
        new.request,
        new.owner,
        new.cart,
        new.store,
        &new.state,
        &new.reference,
        &new.document,
        new.coupon.clone(),
        &new.currency,
        u16::from(new.exponent),
        new.total,
        &new.method,
        new.driver,
        new.due_at,
        new.created_at,
        new.traceparent.clone()
    ];
    tx.row(sql, given)?.ok_or_else(|| DbError::Shape("no order".to_owned()))?.get(0)
}

/// The order with an id.
pub fn find(tx: &mut Tx<'_>, id: Id) -> Result<Option<WebOrder>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM web_orders WHERE id = ?1");
    tx.row(&sql, values![id])?.as_ref().map(read).transpose()
}

/// The order with an id, its row locked until the transaction ends.
pub fn find_locked(tx: &mut Tx<'_>, id: Id) -> Result<Option<WebOrder>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM web_orders WHERE id = ?1");
    tx.row_locked(&sql, values![id])?.as_ref().map(read).transpose()
}

/// The order with a number.
pub fn by_no(tx: &mut Tx<'_>, no: i64) -> Result<Option<WebOrder>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM web_orders WHERE no = ?1");
    tx.row(&sql, values![no])?.as_ref().map(read).transpose()
}

/// Which orders are listed.
#[derive(Clone, Copy, Debug)]
pub enum Of {
    /// All of them.
    All,
    /// Those of a store.
    Store(i64),
    /// Those of an account or guest.
    Owner(Id),
}

/// Orders after a number, in the order of arrival.
pub fn list(tx: &mut Tx<'_>, of: Of, after: i64, limit: usize) -> Result<Vec<WebOrder>, DbError> {
    let select = format!("SELECT {COLUMNS} FROM web_orders WHERE no > ?1");
    let rows = match of {
        Of::All => tx.rows(&format!("{select} ORDER BY no LIMIT ?2"), values![after, limit])?,
        Of::Store(store) => {
            let sql = format!("{select} AND store = ?2 ORDER BY no LIMIT ?3");
            tx.rows(&sql, values![after, store, limit])?
        }
        Of::Owner(owner) => {
            let sql = format!("{select} AND owner = ?2 ORDER BY no LIMIT ?3");
            tx.rows(&sql, values![after, owner, limit])?
        }
    };
    rows.iter().map(read).collect()
}

/// Orders that somebody should drive by now.
pub fn due(tx: &mut Tx<'_>, now: UtcMs, limit: usize) -> Result<Vec<Id>, DbError> {
    let sql =
        "SELECT id FROM web_orders WHERE due_at IS NOT NULL AND due_at <= ?1 ORDER BY due_at, no LIMIT ?2";
    tx.rows(sql, values![now, limit])?.iter().map(|row| row.get(0)).collect()
}

/// Writes what may change of an order.
pub fn save(tx: &mut Tx<'_>, order: &WebOrder) -> Result<(), DbError> {
    let sql = "UPDATE web_orders SET state = ?2, reason = ?3, cancel = ?4, refund = ?5, placed = ?6, tries = ?7, \
        driver = ?8, due_at = ?9, changed_at = ?10 WHERE no = ?1";
    let given = values![
        order.no,
        &order.state,
        order.reason.clone(),
        order.cancel,
        order.refund,
        order.placed,
        order.tries,
        order.driver,
        order.due_at,
        order.changed_at
    ];
    tx.execute(sql, given).map(|_| ())
}

/// What a process drove when it ended is due at once: nobody else drives it. How many these are.
pub fn take_up(tx: &mut Tx<'_>, driver: u32) -> Result<u64, DbError> {
    let sql = "UPDATE web_orders SET due_at = 0 WHERE driver = ?1 AND due_at IS NOT NULL";
    tx.execute(sql, values![driver])
}

/// A reservation has ended: whichever order holds it is due.
pub fn hold_ended(tx: &mut Tx<'_>, reservation: Id, now: UtcMs) -> Result<(), DbError> {
    let sql = "UPDATE web_orders SET due_at = ?2 WHERE state IN ('placed', 'handed_over') \
        AND no IN (SELECT web_order FROM web_order_holds WHERE reservation = ?1)";
    tx.execute(sql, values![reservation, now]).map(|_| ())
}

/// Something new is known of an order: whoever looks next drives it on.
pub fn due_now(tx: &mut Tx<'_>, id: Id, now: UtcMs) -> Result<(), DbError> {
    let sql = "UPDATE web_orders SET due_at = ?2 WHERE id = ?1 AND (due_at IS NULL OR due_at > ?2)";
    tx.execute(sql, values![id, now]).map(|_| ())
}

/// Notes a step, by its number; a step is taken once.
pub fn add_step(
    tx: &mut Tx<'_>,
    order: i64,
    step: u32,
    at: UtcMs,
    reason: Option<&str>,
) -> Result<bool, DbError> {
    let sql = "INSERT INTO web_order_steps (web_order, step, at, reason) VALUES (?1, ?2, ?3, ?4) \
        ON CONFLICT DO NOTHING";
    Ok(tx.execute(sql, values![order, step, at, reason])? == 1)
}

/// The steps of an order, in the order of their numbers: (number, when, why).
pub fn steps(tx: &mut Tx<'_>, order: i64) -> Result<Vec<(u32, UtcMs, Option<String>)>, DbError> {
    let sql = "SELECT step, at, reason FROM web_order_steps WHERE web_order = ?1 ORDER BY at, step";
    tx.rows(sql, values![order])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).collect()
}

/// Notes that an order holds a reservation.
pub fn add_hold(tx: &mut Tx<'_>, order: i64, reservation: Id) -> Result<(), DbError> {
    let sql = "INSERT INTO web_order_holds (web_order, reservation) VALUES (?1, ?2)";
    tx.execute(sql, values![order, reservation]).map(|_| ())
}

/// The reservations of an order.
pub fn holds(tx: &mut Tx<'_>, order: i64) -> Result<Vec<Id>, DbError> {
    let sql = "SELECT reservation FROM web_order_holds WHERE web_order = ?1 ORDER BY reservation";
    tx.rows(sql, values![order])?.iter().map(|row| row.get(0)).collect()
}
