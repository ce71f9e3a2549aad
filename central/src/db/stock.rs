//! The stock picture: the ledger's fold, the cells, custody.

use super::{DbError, Row, Tx};
use crate::values;
use std::collections::BTreeMap;
use tradepost_sync::custody::Custody;
use tradepost_sync::effects::Cell;
use tradepost_sync::ids::Incarnation;
use tradepost_sync::rights::Rights;

/// Goods on hand of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnHand {
    /// Whose store.
    pub store: i64,
    /// The item.
    pub sku: String,
    /// Base units.
    pub units: i64,
    /// Version of the row.
    pub row_version: u64,
}

/// Stock rows after (store, sku), in that order; of one store if `store` is given.
pub fn on_hand(
    tx: &mut Tx<'_>,
    store: Option<i64>,
    after: (i64, &str),
    limit: usize,
) -> Result<Vec<OnHand>, DbError> {
    let rows = match store {
        Some(store) => {
            let sql = "SELECT store, sku, on_hand, row_version FROM stock WHERE store = ?1 AND sku > ?2 \
                ORDER BY sku LIMIT ?3";
            tx.rows(sql, values![store, after.1, limit])?
        }
        None => {
            let sql = "SELECT store, sku, on_hand, row_version FROM stock WHERE (store, sku) > (?1, ?2) \
                ORDER BY store, sku LIMIT ?3";
            tx.rows(sql, values![after.0, after.1, limit])?
        }
    };
    rows.iter().map(stock_row).collect()
}

/// Locks an item's row until the transaction ends, where there is one.
pub fn lock(tx: &mut Tx<'_>, store: i64, sku: &str) -> Result<(), DbError> {
    let sql = "SELECT on_hand FROM stock WHERE store = ?1 AND sku = ?2";
    tx.row_locked(sql, values![store, sku]).map(|_| ())
}

/// Stock of one item; nothing where no row stands.
pub fn one(tx: &mut Tx<'_>, store: i64, sku: &str) -> Result<Option<OnHand>, DbError> {
    let sql = "SELECT store, sku, on_hand, row_version FROM stock WHERE store = ?1 AND sku = ?2";
    tx.row(sql, values![store, sku])?.as_ref().map(stock_row).transpose()
}

fn stock_row(row: &Row) -> Result<OnHand, DbError> {
    Ok(OnHand { store: row.get(0)?, sku: row.get(1)?, units: row.get(2)?, row_version: row.get(3)? })
}

/// The rights matrix of each item of a store between two SKUs (both included).
pub fn rights(
    tx: &mut Tx<'_>,
    store: i64,
    from: &str,
    to: &str,
) -> Result<BTreeMap<String, Rights>, DbError> {
    let mut found: BTreeMap<String, Rights> = BTreeMap::new();
    let sql = "SELECT c.sku, a.incarnation, c.minted, c.used, c.overdrawn, c.settled FROM cells c \
        JOIN authors a ON a.author = c.author WHERE c.store = ?1 AND c.sku >= ?2 AND c.sku <= ?3";
    for row in tx.rows(sql, values![store, from, to])? {
        let (sku, author): (String, Incarnation) = (row.get(0)?, row.get(1)?);
        let rights = found.entry(sku).or_default();
        for (cell, at) in [(Cell::Minted, 2), (Cell::Used, 3), (Cell::Overdrawn, 4), (Cell::Settled, 5)] {
            put(rights, author, cell, row.get(at)?)?;
        }
    }
    let sql = "SELECT g.sku, a.incarnation, g.receiver, g.units FROM given g \
        JOIN authors a ON a.author = g.author WHERE g.store = ?1 AND g.sku >= ?2 AND g.sku <= ?3";
    for row in tx.rows(sql, values![store, from, to])? {
        let (sku, author): (String, Incarnation) = (row.get(0)?, row.get(1)?);
        put(found.entry(sku).or_default(), author, Cell::Given(row.get(2)?), row.get(3)?)?;
    }
    Ok(found)
}

fn put(rights: &mut Rights, author: Incarnation, cell: Cell, units: u64) -> Result<(), DbError> {
    rights.apply(author, cell, units).map_err(|e| DbError::Shape(e.to_string()))
}

/// Moves whatever stands under one item of a store to another (an alias).
pub fn merge(tx: &mut Tx<'_>, store: i64, from: &str, to: &str) -> Result<(), DbError> {
    let moves = [
        "INSERT INTO stock (store, sku, on_hand, row_version) \
            SELECT store, ?3, on_hand, row_version FROM stock WHERE store = ?1 AND sku = ?2 \
            ON CONFLICT (store, sku) DO UPDATE SET on_hand = stock.on_hand + excluded.on_hand, \
            row_version = stock.row_version + 1",
        "INSERT INTO cells (store, sku, author, minted, used, overdrawn, settled) \
            SELECT store, ?3, author, minted, used, overdrawn, settled FROM cells WHERE store = ?1 AND sku = ?2 \
            ON CONFLICT (store, sku, author) DO UPDATE SET minted = cells.minted + excluded.minted, \
            used = cells.used + excluded.used, overdrawn = cells.overdrawn + excluded.overdrawn, \
            settled = cells.settled + excluded.settled",
        "INSERT INTO given (store, sku, author, receiver, units) \
            SELECT store, ?3, author, receiver, units FROM given WHERE store = ?1 AND sku = ?2 \
            ON CONFLICT (store, sku, author, receiver) DO UPDATE SET units = given.units + excluded.units",
    ];
    for sql in moves {
        tx.execute(sql, values![store, from, to])?;
    }
    for table in ["stock", "cells", "given"] {
        tx.execute(&format!("DELETE FROM {table} WHERE store = ?1 AND sku = ?2"), values![store, from])?;
    }
    Ok(())
}

/// An object's custody, locked until the transaction ends.
pub fn custody(tx: &mut Tx<'_>, store: i64, object: &str) -> Result<Option<Custody>, DbError> {
    let sql = "SELECT epoch, n, owner, terminal FROM custody WHERE store = ?1 AND object = ?2";
    tx.row_locked(sql, values![store, object])?.as_ref().map(custody_row).transpose()
}

/// An object's custody, as it stands.
pub fn custody_seen(tx: &mut Tx<'_>, store: i64, object: &str) -> Result<Option<Custody>, DbError> {
    let sql = "SELECT epoch, n, owner, terminal FROM custody WHERE store = ?1 AND object = ?2";
    tx.row(sql, values![store, object])?.as_ref().map(custody_row).transpose()
}

fn custody_row(row: &Row) -> Result<Custody, DbError> {
    Ok(Custody { epoch: row.get(0)?, n: row.get(1)?, owner: row.get(2)?, terminal: row.get(3)? })
}

/// Puts an object's custody in place.
pub fn set_custody(tx: &mut Tx<'_>, store: i64, object: &str, c: &Custody) -> Result<(), DbError> {
    let sql = "INSERT INTO custody (store, object, epoch, n, owner, terminal) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
        ON CONFLICT (store, object) DO UPDATE SET epoch = excluded.epoch, n = excluded.n, owner = excluded.owner, \
        terminal = excluded.terminal";
    tx.execute(sql, values![store, object, c.epoch, c.n, c.owner, c.terminal]).map(|_| ())
}
