//! Pools of vouchers, gift cards and coupons: what was issued, what came back, what was minted (`facts.md` §4).

use super::{DbError, Row, Tx};
use crate::values;
use tradepost_sync::clock::UtcMs;

/// One pool of a store. Minor units, or uses of a coupon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolRow {
    /// Its id.
    pub pool: String,
    /// What was issued, less what was drawn without rights.
    pub issued: i64,
    /// What was drawn or taken back.
    pub redeemed: i64,
    /// What was minted as rights of the store.
    pub minted: i64,
}

const COLUMNS: &str = "pool, issued, redeemed, minted";

fn read(row: &Row) -> Result<PoolRow, DbError> {
    Ok(PoolRow { pool: row.get(0)?, issued: row.get(1)?, redeemed: row.get(2)?, minted: row.get(3)? })
}

/// Adds to a pool, which is made where there is none; amounts below zero take away.
pub fn add(tx: &mut Tx<'_>, store: i64, by: &PoolRow, now: UtcMs) -> Result<(), DbError> {
    let sql = "INSERT INTO pools (store, pool, issued, redeemed, minted, made_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
        ON CONFLICT (store, pool) DO UPDATE SET issued = pools.issued + excluded.issued, \
        redeemed = pools.redeemed + excluded.redeemed, minted = pools.minted + excluded.minted";
    let given = values![store, &by.pool, by.issued, by.redeemed, by.minted, now];
    tx.execute(sql, given).map(|_| ())
}

/// A pool.
pub fn find(tx: &mut Tx<'_>, store: i64, pool: &str) -> Result<Option<PoolRow>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM pools WHERE store = ?1 AND pool = ?2");
    tx.row(&sql, values![store, pool])?.as_ref().map(read).transpose()
}

/// Pools of a store after an id.
pub fn list(tx: &mut Tx<'_>, store: i64, after: &str, limit: usize) -> Result<Vec<PoolRow>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM pools WHERE store = ?1 AND pool > ?2 ORDER BY pool LIMIT ?3");
    tx.rows(&sql, values![store, after, limit])?.iter().map(read).collect()
}

/// Pools of which more was issued than minted: (store, id).
pub fn due(tx: &mut Tx<'_>, limit: usize) -> Result<Vec<(i64, String)>, DbError> {
    let sql = "SELECT store, pool FROM pools WHERE issued > minted ORDER BY store, pool LIMIT ?1";
    tx.rows(sql, values![limit])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}
