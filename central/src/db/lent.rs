//! `r_H`: what the hub itself may promise of each item, one row each, kept with the facts that move it (`model.md` §2).

use super::{DbError, Tx};
use crate::values;

/// What the hub may promise of an item; the row is locked until the transaction ends. Nothing where no row stands.
pub fn locked(tx: &mut Tx<'_>, store: i64, sku: &str) -> Result<u64, DbError> {
    let sql = "SELECT units FROM hub_rights WHERE store = ?1 AND sku = ?2";
    tx.row_locked(sql, values![store, sku])?.map_or(Ok(0), |row| row.get(0))
}

/// What the hub may promise of an item at each store that lent any of it, as it stands.
pub fn by_store(tx: &mut Tx<'_>, sku: &str) -> Result<Vec<(i64, u64)>, DbError> {
    let sql = "SELECT store, units FROM hub_rights WHERE sku = ?1 ORDER BY store";
    tx.rows(sql, values![sku])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Adds to what the hub may promise. Below zero is refused by the row's CHECK.
pub fn add(tx: &mut Tx<'_>, store: i64, sku: &str, units: i64) -> Result<(), DbError> {
    if units >= 0 {
        let sql = "INSERT INTO hub_rights (store, sku, units) VALUES (?1, ?2, ?3) \
            ON CONFLICT (store, sku) DO UPDATE SET units = hub_rights.units + excluded.units";
        return tx.execute(sql, values![store, sku, units]).map(|_| ());
    }
    let sql = "UPDATE hub_rights SET units = units + ?3 WHERE store = ?1 AND sku = ?2";
    if tx.execute(sql, values![store, sku, units])? == 1 {
        return Ok(());
    }
    Err(DbError::Constraint(format!("the hub holds nothing of {sku}")))
}

/// Moves what stands under one item to another (an alias).
pub fn merge(tx: &mut Tx<'_>, store: i64, from: &str, to: &str) -> Result<(), DbError> {
    let units = locked(tx, store, from)?;
    if units > 0 {
        add(tx, store, to, i64::try_from(units).unwrap_or(i64::MAX))?;
    }
    tx.execute("DELETE FROM hub_rights WHERE store = ?1 AND sku = ?2", values![store, from]).map(|_| ())
}
