//! Enrolment codes and what enrolments did.

use super::{DbError, Tx};
use crate::values;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::{Hash, Incarnation};

/// A one-time code; of its secret only the hash is known.
#[derive(Clone, Debug)]
pub struct Code {
    /// For which store.
    pub store: i64,
    /// When it runs out.
    pub expires_at: UtcMs,
    /// Wrong guesses made while it was open.
    pub tries: i64,
    /// Who used it.
    pub used_by: Option<Incarnation>,
}

/// Keeps a new code.
pub fn add_code(tx: &mut Tx<'_>, hash: Hash, store: i64, expires_at: UtcMs) -> Result<(), DbError> {
    let sql = "INSERT INTO enrolment_codes (code_hash, store, expires_at, tries) VALUES (?1, ?2, ?3, 0)";
    tx.execute(sql, values![hash, store, expires_at]).map(|_| ())
}

/// The code with this hash, locked until the transaction ends.
pub fn code(tx: &mut Tx<'_>, hash: Hash) -> Result<Option<Code>, DbError> {
    let sql = "SELECT store, expires_at, tries, used_by FROM enrolment_codes WHERE code_hash = ?1";
    tx.row_locked(sql, values![hash])?
        .map(|row| {
            Ok(Code { store: row.get(0)?, expires_at: row.get(1)?, tries: row.get(2)?, used_by: row.get(3)? })
        })
        .transpose()
}

/// Whether there is a code with this hash.
pub fn knows_code(tx: &mut Tx<'_>, hash: Hash) -> Result<bool, DbError> {
    Ok(tx.row("SELECT store FROM enrolment_codes WHERE code_hash = ?1", values![hash])?.is_some())
}

/// Marks a code as used.
pub fn use_code(tx: &mut Tx<'_>, hash: Hash, by: Incarnation) -> Result<(), DbError> {
    tx.execute("UPDATE enrolment_codes SET used_by = ?2 WHERE code_hash = ?1", values![hash, by]).map(|_| ())
}

/// Whether an incarnation became a member by a code that somebody carried to it.
pub fn by_code(tx: &mut Tx<'_>, who: Incarnation) -> Result<bool, DbError> {
    Ok(tx.row("SELECT store FROM enrolment_codes WHERE used_by = ?1", values![who])?.is_some())
}

/// Counts a wrong guess against every open code: nobody knows which one was meant.
pub fn count_try(tx: &mut Tx<'_>, now: UtcMs) -> Result<(), DbError> {
    let sql = "UPDATE enrolment_codes SET tries = tries + 1 WHERE used_by IS NULL AND expires_at > ?1";
    tx.execute(sql, values![now]).map(|_| ())
}

/// The successor that an enrolment of this lone log made: (successor, store).
pub fn of_lone(
    tx: &mut Tx<'_>,
    lone: Incarnation,
    last: Hash,
) -> Result<Option<(Incarnation, i64)>, DbError> {
    let sql = "SELECT successor, store FROM enrolments WHERE lone = ?1 AND last_hash = ?2";
    tx.row(sql, values![lone, last])?.map(|row| Ok((row.get(0)?, row.get(1)?))).transpose()
}

/// Notes what an enrolment did.
pub fn add(
    tx: &mut Tx<'_>,
    lone: Incarnation,
    last: Hash,
    successor: Incarnation,
    store: i64,
    now: UtcMs,
) -> Result<(), DbError> {
    let sql = "INSERT INTO enrolments (lone, last_hash, successor, store, at) VALUES (?1, ?2, ?3, ?4, ?5)";
    tx.execute(sql, values![lone, last, successor, store, now]).map(|_| ())
}

/// Books what a lone log calls `sku` under another name.
pub fn book_lone_sku(tx: &mut Tx<'_>, author: i64, sku: &str, booked_as: &str) -> Result<(), DbError> {
    let sql = "INSERT INTO lone_skus (author, sku, booked_as) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    tx.execute(sql, values![author, sku, booked_as]).map(|_| ())
}

/// Every item of a lone log with the name it is booked under.
pub fn lone_skus(tx: &mut Tx<'_>, author: i64) -> Result<Vec<(String, String)>, DbError> {
    let sql = "SELECT sku, booked_as FROM lone_skus WHERE author = ?1";
    tx.rows(sql, values![author])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// A store's aliases: (from, to).
pub fn aliases(tx: &mut Tx<'_>, store: i64) -> Result<Vec<(String, String)>, DbError> {
    let sql = "SELECT from_sku, to_sku FROM aliases WHERE store = ?1";
    tx.rows(sql, values![store])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Adds an alias.
pub fn add_alias(tx: &mut Tx<'_>, store: i64, from: &str, to: &str) -> Result<(), DbError> {
    let sql = "INSERT INTO aliases (store, from_sku, to_sku) VALUES (?1, ?2, ?3) \
        ON CONFLICT (store, from_sku) DO UPDATE SET to_sku = excluded.to_sku";
    tx.execute(sql, values![store, from, to]).map(|_| ())
}
