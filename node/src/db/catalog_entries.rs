//! The hub's catalog stream as it was sealed, so that a neighbour can be given it (`model.md` §6, Catalog).

use super::Fault;
use super::incarnations::{int, unsigned};
use rusqlite::{Connection, params};
use tradepost_commerce::document::CatalogVersion;
use tradepost_sync::catalog::SealedEntry;

/// Keeps an entry.
///
/// # Errors
/// [`Fault`].
pub fn put(conn: &Connection, entry: &SealedEntry) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO catalog_entries (epoch, version, bytes, signature) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![entry.at.epoch, int(entry.at.version), entry.bytes, entry.signature])?;
    Ok(())
}

/// Forgets all of them: another epoch begins.
///
/// # Errors
/// [`Fault`].
pub fn clear(conn: &Connection) -> Result<(), Fault> {
    conn.execute("DELETE FROM catalog_entries", [])?;
    Ok(())
}

/// Entries after a version, in order.
///
/// # Errors
/// [`Fault`].
pub fn after(conn: &Connection, after: CatalogVersion, max: usize) -> Result<Vec<SealedEntry>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT epoch, version, bytes, signature FROM catalog_entries WHERE (epoch, version) > (?1, ?2) \
         ORDER BY epoch, version LIMIT ?3",
    )?;
    let limit = i64::try_from(max).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![after.epoch, int(after.version), limit], |row| {
        let at = CatalogVersion { epoch: row.get(0)?, version: unsigned(row.get(1)?) };
        Ok(SealedEntry { at, bytes: row.get(2)?, signature: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
