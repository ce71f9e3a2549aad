//! Carts of the web shop, and coupons.

use super::{DbError, Row, Tx};
use crate::values;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Id;

/// One cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CartRow {
    /// Its id, made by the client.
    pub id: Id,
    /// Whose it is.
    pub owner: Id,
    /// The store it is collected at; 0 for wherever there is most.
    pub store: i64,
    /// The price list it is priced by.
    pub price_list: String,
    /// Its lines and coupon as JSON.
    pub body: String,
    /// `open` or `checked_out`.
    pub state: String,
    /// The order that it became.
    pub web_order: Option<Id>,
    /// Version of the row.
    pub row_version: u64,
    /// When it was made.
    pub created_at: UtcMs,
    /// When it last changed.
    pub changed_at: UtcMs,
}

const COLUMNS: &str =
    "id, owner, store, price_list, body, state, web_order, row_version, created_at, changed_at";

fn read(row: &Row) -> Result<CartRow, DbError> {
    Ok(CartRow {
        id: row.get(0)?,
        owner: row.get(1)?,
        store: row.get(2)?,
        price_list: row.get(3)?,
        body: row.get(4)?,
        state: row.get(5)?,
        web_order: row.get(6)?,
        row_version: row.get(7)?,
        created_at: row.get(8)?,
        changed_at: row.get(9)?,
    })
}

/// Adds a cart, unless one stands under its id; whether it is new.
pub fn insert(tx: &mut Tx<'_>, new: &CartRow) -> Result<bool, DbError> {
    let sql = "INSERT INTO web_carts (id, owner, store, price_list, body, state, row_version, created_at, changed_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, 'open', 1, ?6, ?6) ON CONFLICT DO NOTHING";
    let given = values![new.id, new.owner, new.store, &new.price_list, &new.body, new.created_at];
    Ok(tx.execute(sql, given)? == 1)
}

/// The cart with an id.
pub fn find(tx: &mut Tx<'_>, id: Id) -> Result<Option<CartRow>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM web_carts WHERE id = ?1");
    tx.row(&sql, values![id])?.as_ref().map(read).transpose()
}

/// The cart with an id, its row locked until the transaction ends.
pub fn find_locked(tx: &mut Tx<'_>, id: Id) -> Result<Option<CartRow>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM web_carts WHERE id = ?1");
    tx.row_locked(&sql, values![id])?.as_ref().map(read).transpose()
}

/// Carts of an owner after a place (when, id), the oldest first.
pub fn list(tx: &mut Tx<'_>, owner: Id, after: (UtcMs, Id), limit: usize) -> Result<Vec<CartRow>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM web_carts WHERE owner = ?1 AND (created_at, id) > (?2, ?3) \
         ORDER BY created_at, id LIMIT ?4"
    );
    tx.rows(&sql, values![owner, after.0, after.1, limit])?.iter().map(read).collect()
}

/// Writes what may change of a cart, as its next version.
pub fn save(tx: &mut Tx<'_>, cart: &CartRow, now: UtcMs) -> Result<(), DbError> {
    let sql = "UPDATE web_carts SET owner = ?2, store = ?3, body = ?4, state = ?5, web_order = ?6, \
        row_version = row_version + 1, changed_at = ?7 WHERE id = ?1";
    let given = values![cart.id, cart.owner, cart.store, &cart.body, &cart.state, cart.web_order, now];
    tx.execute(sql, given).map(|_| ())
}

/// Gives the carts of one owner to another one.
pub fn give(tx: &mut Tx<'_>, from: Id, to: Id, now: UtcMs) -> Result<(), DbError> {
    let sql =
        "UPDATE web_carts SET owner = ?2, row_version = row_version + 1, changed_at = ?3 WHERE owner = ?1";
    tx.execute(sql, values![from, to, now]).map(|_| ())
}

/// Takes out carts that nobody touched since `before` and that became no order; how many.
pub fn forget(tx: &mut Tx<'_>, before: UtcMs) -> Result<u64, DbError> {
    tx.execute("DELETE FROM web_carts WHERE state = 'open' AND changed_at < ?1", values![before])
}

/// One coupon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CouponRow {
    /// Its code, as people type it, in capitals.
    pub code: String,
    /// The store it is good at; 0 for every one.
    pub store: i64,
    /// `percent` or `fixed`.
    pub kind: String,
    /// Parts per million, or minor units.
    pub value: i64,
    /// First instant it is good.
    pub valid_from: UtcMs,
    /// First instant it is not any more.
    pub valid_to: Option<UtcMs>,
    /// How often it may still be used; none for as often as it is given.
    pub uses_left: Option<u64>,
    /// Version of the row.
    pub row_version: u64,
}

const COUPON: &str =
    "SELECT code, store, kind, value, valid_from, valid_to, uses_left, row_version FROM coupons";

fn read_coupon(row: &Row) -> Result<CouponRow, DbError> {
    Ok(CouponRow {
        code: row.get(0)?,
        store: row.get(1)?,
        kind: row.get(2)?,
        value: row.get(3)?,
        valid_from: row.get(4)?,
        valid_to: row.get(5)?,
        uses_left: row.get(6)?,
        row_version: row.get(7)?,
    })
}

/// The coupon with a code.
pub fn coupon(tx: &mut Tx<'_>, code: &str) -> Result<Option<CouponRow>, DbError> {
    tx.row(&format!("{COUPON} WHERE code = ?1"), values![code])?.as_ref().map(read_coupon).transpose()
}

/// Coupons after a code.
pub fn coupons(tx: &mut Tx<'_>, after: &str, limit: usize) -> Result<Vec<CouponRow>, DbError> {
    let sql = format!("{COUPON} WHERE code > ?1 ORDER BY code LIMIT ?2");
    tx.rows(&sql, values![after, limit])?.iter().map(read_coupon).collect()
}

/// Puts a coupon in place.
pub fn put_coupon(tx: &mut Tx<'_>, row: &CouponRow) -> Result<(), DbError> {
    let sql = "INSERT INTO coupons (code, store, kind, value, valid_from, valid_to, uses_left, row_version) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (code) DO UPDATE SET store = excluded.store, \
        kind = excluded.kind, value = excluded.value, valid_from = excluded.valid_from, \
        valid_to = excluded.valid_to, uses_left = excluded.uses_left, row_version = excluded.row_version";
    let given = values![
        &row.code,
        row.store,
        &row.kind,
        row.value,
        row.valid_from,
        row.valid_to,
        row.uses_left,
        row.row_version
    ];
    tx.execute(sql, given).map(|_| ())
}

/// Takes one use of a coupon; whether there was one left.
pub fn use_coupon(tx: &mut Tx<'_>, code: &str) -> Result<bool, DbError> {
    let sql = "UPDATE coupons SET uses_left = uses_left - 1 WHERE code = ?1 AND (uses_left IS NULL OR uses_left > 0)";
    Ok(tx.execute(sql, values![code])? == 1)
}

/// Gives a use of a coupon back.
pub fn give_back_coupon(tx: &mut Tx<'_>, code: &str) -> Result<(), DbError> {
    tx.execute("UPDATE coupons SET uses_left = uses_left + 1 WHERE code = ?1", values![code]).map(|_| ())
}
