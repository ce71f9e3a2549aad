//! The catalog stream: gap-free versions, sealed.

use super::{DbError, Row, Tx};
use crate::values;
use tradepost_commerce::document::CatalogVersion;
use tradepost_sync::catalog::SealedEntry;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Hash;

/// The end of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogHead {
    /// The newest version.
    pub at: CatalogVersion,
    /// A hash over all versions.
    pub hash: Hash,
    /// The last number given to a product.
    pub last_no: u32,
}

const HEAD: &str = "SELECT epoch, version, hash, last_no FROM catalog_head WHERE one = 1";

fn head_row(row: &Row) -> Result<CatalogHead, DbError> {
    let at = CatalogVersion { epoch: row.get(0)?, version: row.get(1)? };
    Ok(CatalogHead { at, hash: row.get(2)?, last_no: row.get(3)? })
}

/// The end of the stream.
pub fn head(tx: &mut Tx<'_>) -> Result<CatalogHead, DbError> {
    tx.row(HEAD, &[])?.as_ref().map_or_else(|| Ok(first()), head_row)
}

/// The end of the stream, locked until the transaction ends: the next version is the caller's.
pub fn head_locked(tx: &mut Tx<'_>) -> Result<CatalogHead, DbError> {
    let sql = "INSERT INTO catalog_head (one, epoch, version, hash, last_no) VALUES (1, ?1, 0, ?2, 0) \
        ON CONFLICT DO NOTHING";
    tx.execute(sql, values![first().at.epoch, Hash::ZERO])?;
    tx.row_locked(HEAD, &[])?.as_ref().map_or_else(|| Ok(first()), head_row)
}

fn first() -> CatalogHead {
    CatalogHead { at: CatalogVersion { epoch: 1, version: 0 }, hash: Hash::ZERO, last_no: 0 }
}

/// Moves the end on.
pub fn set_head(tx: &mut Tx<'_>, head: &CatalogHead) -> Result<(), DbError> {
    let sql = "UPDATE catalog_head SET epoch = ?1, version = ?2, hash = ?3, last_no = ?4 WHERE one = 1";
    tx.execute(sql, values![head.at.epoch, head.at.version, head.hash, head.last_no]).map(|_| ())
}

/// Adds a sealed version, for every store (0) or for one.
pub fn add(tx: &mut Tx<'_>, store: i64, entry: &SealedEntry, now: UtcMs) -> Result<(), DbError> {
    let sql = "INSERT INTO catalog (version, store, bytes, signature, at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let (bytes, signature) = (entry.bytes.as_slice(), entry.signature.as_slice());
    tx.execute(sql, values![entry.at.version, store, bytes, signature, now]).map(|_| ())
}

/// What concerns a store among the versions after `after`, at most `limit`, ascending.
pub fn after(
    tx: &mut Tx<'_>,
    store: i64,
    epoch: u32,
    after: u64,
    limit: usize,
) -> Result<Vec<SealedEntry>, DbError> {
    let sql = "SELECT version, bytes, signature FROM catalog WHERE version > ?1 AND store IN (0, ?2) \
        ORDER BY version LIMIT ?3";
    let read = |row: &Row| {
        let at = CatalogVersion { epoch, version: row.get(0)? };
        Ok(SealedEntry { at, bytes: row.get(1)?, signature: row.get(2)? })
    };
    tx.rows(sql, values![after, store, limit])?.iter().map(read).collect()
}

/// When a version was made.
pub fn made_at(tx: &mut Tx<'_>, version: u64) -> Result<Option<UtcMs>, DbError> {
    let sql = "SELECT MIN(at) FROM catalog WHERE version = ?1";
    tx.row(sql, values![version])?.map_or(Ok(None), |row| row.get(0))
}

/// What a version holds: (store, canonical bytes); store 0 for every one.
pub fn at(tx: &mut Tx<'_>, version: u64) -> Result<Vec<(i64, Vec<u8>)>, DbError> {
    let sql = "SELECT store, bytes FROM catalog WHERE version = ?1 ORDER BY store";
    tx.rows(sql, values![version])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}
