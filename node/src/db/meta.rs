//! Small values by name.

use super::Fault;
use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The value under a name.
///
/// # Errors
/// [`Fault`], also for a value that isn't what the caller takes it for.
pub fn get<T: DeserializeOwned>(conn: &Connection, key: &str) -> Result<Option<T>, Fault> {
    let mut statement = conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    let bytes: Option<Vec<u8>> = statement.query_row([key], |row| row.get(0)).optional()?;
    bytes
        .map(|b| serde_json::from_slice(&b).map_err(|e| Fault::Fatal(format!("meta {key}: {e}"))))
        .transpose()
}

/// Puts a value under a name.
///
/// # Errors
/// [`Fault`].
pub fn set<T: Serialize>(conn: &Connection, key: &str, value: &T) -> Result<(), Fault> {
    let bytes = serde_json::to_vec(value).map_err(|e| Fault::Fatal(format!("meta {key}: {e}")))?;
    conn.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?
        .execute(rusqlite::params![key, bytes])?;
    Ok(())
}
