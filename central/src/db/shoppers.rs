//! Shoppers' accounts, and the sessions of accounts and guests: the truth that caches only copy.

use super::{DbError, Row, Tx};
use crate::values;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Id;

/// One account.
#[derive(Clone, Debug)]
pub struct Shopper {
    /// Its id.
    pub id: Id,
    /// Its address, in small letters.
    pub email: String,
    /// What it is called.
    pub name: String,
    /// Salt of the password's hash.
    pub salt: Vec<u8>,
    /// The password's hash.
    pub hash: Vec<u8>,
    /// The price list its carts are priced by; empty for the store's own.
    pub price_list: String,
    /// Wrong passwords in a row.
    pub tries: u32,
    /// Nothing more is tried before.
    pub locked_until: UtcMs,
    /// Version of the row.
    pub row_version: u64,
    /// When it was made.
    pub created_at: UtcMs,
}

const COLUMNS: &str = "id, email, name, salt, hash, price_list, tries, locked_until, row_version, created_at";

fn read(row: &Row) -> Result<Shopper, DbError> {
    Ok(Shopper {
        id: row.get(0)?,
        email: row.get(1)?,
        name: row.get(2)?,
        salt: row.get(3)?,
        hash: row.get(4)?,
        price_list: row.get(5)?,
        tries: row.get(6)?,
        locked_until: row.get(7)?,
        row_version: row.get(8)?,
        created_at: row.get(9)?,
    })
}

/// Adds an account, unless its address has one; whether it is new.
pub fn insert(tx: &mut Tx<'_>, new: &Shopper) -> Result<bool, DbError> {
    let sql = "INSERT INTO shoppers (id, email, name, salt, hash, price_list, tries, locked_until, row_version, \
        created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, 1, ?7) ON CONFLICT DO NOTHING";
    let (salt, hash) = (new.salt.as_slice(), new.hash.as_slice());
    let given = values![new.id, &new.email, &new.name, salt, hash, &new.price_list, new.created_at];
    Ok(tx.execute(sql, given)? == 1)
}

/// The account with an address.
pub fn by_email(tx: &mut Tx<'_>, email: &str) -> Result<Option<Shopper>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM shoppers WHERE email = ?1");
    tx.row_locked(&sql, values![email])?.as_ref().map(read).transpose()
}

/// The account with an id.
pub fn find(tx: &mut Tx<'_>, id: Id) -> Result<Option<Shopper>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM shoppers WHERE id = ?1");
    tx.row(&sql, values![id])?.as_ref().map(read).transpose()
}

/// Counts tries of a password.
pub fn set_tries(tx: &mut Tx<'_>, id: Id, tries: u32, locked_until: UtcMs) -> Result<(), DbError> {
    let sql = "UPDATE shoppers SET tries = ?2, locked_until = ?3 WHERE id = ?1";
    tx.execute(sql, values![id, tries, locked_until]).map(|_| ())
}

/// Puts another password in place.
pub fn set_password(tx: &mut Tx<'_>, id: Id, salt: &[u8], hash: &[u8]) -> Result<(), DbError> {
    let sql = "UPDATE shoppers SET salt = ?2, hash = ?3, row_version = row_version + 1 WHERE id = ?1";
    tx.execute(sql, values![id, salt, hash]).map(|_| ())
}

/// Puts another price list in place; whether there is such an account.
pub fn set_price_list(tx: &mut Tx<'_>, id: Id, list: &str) -> Result<bool, DbError> {
    let sql = "UPDATE shoppers SET price_list = ?2, row_version = row_version + 1 WHERE id = ?1";
    Ok(tx.execute(sql, values![id, list])? == 1)
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// The account or guest.
    pub owner: Id,
    /// Whether it is a guest's.
    pub guest: bool,
    /// It ends here by itself.
    pub expires_at: UtcMs,
    /// When it was revoked.
    pub revoked_at: Option<UtcMs>,
    /// Version of the row.
    pub row_version: u64,
}

/// Adds a session under its token's hash.
pub fn insert_session(
    tx: &mut Tx<'_>,
    token: &[u8; 32],
    new: &SessionRow,
    now: UtcMs,
) -> Result<(), DbError> {
    let sql = "INSERT INTO shopper_sessions (token_hash, owner, guest, expires_at, row_version, created_at) \
        VALUES (?1, ?2, ?3, ?4, 1, ?5)";
    tx.execute(sql, values![token.as_slice(), new.owner, new.guest, new.expires_at, now]).map(|_| ())
}

/// The session of a token's hash.
pub fn session(tx: &mut Tx<'_>, token: &[u8; 32]) -> Result<Option<SessionRow>, DbError> {
    let sql = "SELECT owner, guest, expires_at, revoked_at, row_version FROM shopper_sessions \
        WHERE token_hash = ?1";
    let read = |row: &Row| {
        Ok(SessionRow {
            owner: row.get(0)?,
            guest: row.get(1)?,
            expires_at: row.get(2)?,
            revoked_at: row.get(3)?,
            row_version: row.get(4)?,
        })
    };
    tx.row(sql, values![token.as_slice()])?.as_ref().map(read).transpose()
}

/// Revokes a session, for good.
pub fn revoke(tx: &mut Tx<'_>, token: &[u8; 32], now: UtcMs) -> Result<(), DbError> {
    let sql = "UPDATE shopper_sessions SET revoked_at = ?2, row_version = row_version + 1 \
        WHERE token_hash = ?1 AND revoked_at IS NULL";
    tx.execute(sql, values![token.as_slice(), now]).map(|_| ())
}

/// Revokes every session of an owner.
pub fn revoke_all(tx: &mut Tx<'_>, owner: Id, now: UtcMs) -> Result<(), DbError> {
    let sql = "UPDATE shopper_sessions SET revoked_at = ?2, row_version = row_version + 1 \
        WHERE owner = ?1 AND revoked_at IS NULL";
    tx.execute(sql, values![owner, now]).map(|_| ())
}

/// Makes every copy of an owner's sessions an old one.
pub fn touch_sessions(tx: &mut Tx<'_>, owner: Id) -> Result<(), DbError> {
    let sql = "UPDATE shopper_sessions SET row_version = row_version + 1 WHERE owner = ?1";
    tx.execute(sql, values![owner]).map(|_| ())
}

/// Takes out sessions that ended by themselves before `before`; how many.
pub fn forget_sessions(tx: &mut Tx<'_>, before: UtcMs) -> Result<u64, DbError> {
    tx.execute("DELETE FROM shopper_sessions WHERE expires_at < ?1", values![before])
}
