//! What a hub that was put back needs to remember while it recovers, and what it has to take back (`model.md` §3, The hub
//! is a replica too).

use super::{DbError, Row, Tx};
use crate::values;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Incarnation;

/// A store's recovery.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// Its number.
    pub no: i64,
    /// Whose store.
    pub store: i64,
    /// The `H_s` of before.
    pub old_author: i64,
    /// Every process's journal was read to its end.
    pub whole: bool,
    /// What it has come to, as JSON.
    pub body: String,
    /// Who attested that nobody unheard can still sell on an old lease.
    pub attested: Option<String>,
    /// When it began.
    pub begun_at: UtcMs,
    /// When it was over.
    pub ended_at: Option<UtcMs>,
}

const COLUMNS: &str = "no, store, old_author, whole, body, attested, begun_at, ended_at";

fn read(row: &Row) -> Result<Recovery, DbError> {
    Ok(Recovery {
        no: row.get(0)?,
        store: row.get(1)?,
        old_author: row.get(2)?,
        whole: row.get(3)?,
        body: row.get(4)?,
        attested: row.get(5)?,
        begun_at: row.get(6)?,
        ended_at: row.get(7)?,
    })
}

/// Begins one; one of the store that is still open is over with it.
pub fn begin(
    tx: &mut Tx<'_>,
    store: i64,
    old_author: i64,
    whole: bool,
    body: &str,
    now: UtcMs,
) -> Result<(), DbError> {
    tx.execute(
        "UPDATE recoveries SET ended_at = ?2 WHERE store = ?1 AND ended_at IS NULL",
        values![store, now],
    )?;
    let sql = "INSERT INTO recoveries (store, old_author, whole, body, begun_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    tx.execute(sql, values![store, old_author, whole, body, now]).map(|_| ())
}

/// Saves what a recovery has come to.
pub fn save(tx: &mut Tx<'_>, row: &Recovery) -> Result<(), DbError> {
    let sql = "UPDATE recoveries SET body = ?2, whole = ?3, attested = ?4, ended_at = ?5 WHERE no = ?1";
    tx.execute(sql, values![row.no, &row.body, row.whole, row.attested.as_deref(), row.ended_at]).map(|_| ())
}

/// The store's recovery that is not over.
pub fn open(tx: &mut Tx<'_>, store: i64) -> Result<Option<Recovery>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM recoveries WHERE store = ?1 AND ended_at IS NULL");
    tx.row(&sql, values![store])?.as_ref().map(read).transpose()
}

/// The same, locked until the transaction ends.
pub fn open_locked(tx: &mut Tx<'_>, store: i64) -> Result<Option<Recovery>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM recoveries WHERE store = ?1 AND ended_at IS NULL");
    tx.row_locked(&sql, values![store])?.as_ref().map(read).transpose()
}

/// The last recovery of each store, by store.
pub fn last_of_all(tx: &mut Tx<'_>) -> Result<Vec<Recovery>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM recoveries r WHERE no = (SELECT MAX(no) FROM recoveries WHERE store = r.store) \
         ORDER BY store"
    );
    tx.rows(&sql, &[])?.iter().map(read).collect()
}

/// Whether the whole log of an `H_s` of before was read from journals: then what it had is known exactly.
pub fn is_whole(tx: &mut Tx<'_>, old_author: i64) -> Result<bool, DbError> {
    let sql = "SELECT no FROM recoveries WHERE old_author = ?1 AND whole = 1 LIMIT 1";
    Ok(tx.row(sql, values![old_author])?.is_some())
}

/// What the hub could promise of a store's items belonged to the `H_s` of before: the new one begins with nothing.
pub fn forget_hub_rights(tx: &mut Tx<'_>, store: i64) -> Result<(), DbError> {
    tx.execute("DELETE FROM hub_rights WHERE store = ?1", values![store]).map(|_| ())
}

/// Objects that an incarnation is the custodian of and that have not ended.
pub fn objects_of(tx: &mut Tx<'_>, store: i64, owner: &Incarnation) -> Result<Vec<String>, DbError> {
    let sql = "SELECT object FROM custody WHERE store = ?1 AND owner = ?2 AND terminal = 0 ORDER BY object";
    tx.rows(sql, values![store, *owner])?.iter().map(|row| row.get(0)).collect()
}

/// Cells of an author's row that turned out to lie behind its cap fall away: minted, used, overdrawn, settled.
pub fn take_back_cells(
    tx: &mut Tx<'_>,
    store: i64,
    sku: &str,
    author: i64,
    [minted, used, overdrawn, settled]: [u64; 4],
) -> Result<(), DbError> {
    let sql = "UPDATE cells SET minted = minted - ?4, used = used - ?5, overdrawn = overdrawn - ?6, \
        settled = settled - ?7 WHERE store = ?1 AND sku = ?2 AND author = ?3";
    tx.execute(sql, values![store, sku, author, minted, used, overdrawn, settled]).map(|_| ())
}

/// The same for what it gave.
pub fn take_back_gift(
    tx: &mut Tx<'_>,
    store: i64,
    sku: &str,
    author: i64,
    to: &Incarnation,
    units: u64,
) -> Result<(), DbError> {
    let sql =
        "UPDATE given SET units = units - ?5 WHERE store = ?1 AND sku = ?2 AND author = ?3 AND receiver = ?4";
    tx.execute(sql, values![store, sku, author, *to, units]).map(|_| ())
}

/// Every process that ever wrote to a journal: (process, its last place).
pub fn processes(tx: &mut Tx<'_>) -> Result<Vec<(u32, u64)>, DbError> {
    let sql = "SELECT process, last_n FROM journal_processes ORDER BY process";
    tx.rows(sql, &[])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// A process's journal reaches to `n`: what it writes next comes after that.
pub fn set_process(tx: &mut Tx<'_>, process: u32, n: u64) -> Result<(), DbError> {
    let sql = "INSERT INTO journal_processes (process, last_n) VALUES (?1, ?2) \
        ON CONFLICT (process) DO UPDATE SET last_n = excluded.last_n";
    tx.execute(sql, values![process, n]).map(|_| ())
}

/// Every stored version of the catalog: (version, store, bytes).
pub fn catalog_versions(tx: &mut Tx<'_>) -> Result<Vec<(u64, i64)>, DbError> {
    let sql = "SELECT version, store FROM catalog ORDER BY version, store";
    tx.rows(sql, &[])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// One stored version of the catalog: its bytes and its signature.
pub fn catalog_entry(tx: &mut Tx<'_>, version: u64, store: i64) -> Result<(Vec<u8>, Vec<u8>), DbError> {
    let sql = "SELECT bytes, signature FROM catalog WHERE version = ?1 AND store = ?2";
    let row = tx.row(sql, values![version, store])?;
    let row = row.ok_or_else(|| DbError::Shape(format!("no version {version} of the catalog")))?;
    Ok((row.get(0)?, row.get(1)?))
}

/// Puts a version of the catalog in place of the same one of an earlier epoch.
pub fn reseal(
    tx: &mut Tx<'_>,
    version: u64,
    store: i64,
    bytes: &[u8],
    signature: &[u8],
) -> Result<(), DbError> {
    let sql = "UPDATE catalog SET bytes = ?3, signature = ?4 WHERE version = ?1 AND store = ?2";
    tx.execute(sql, values![version, store, bytes, signature]).map(|_| ())
}

/// What tells one database from another (`model.md` §3): the cluster's system identifier and timeline; a file has none of
/// its own, so that only what was noted in it counts.
pub fn identity(tx: &mut Tx<'_>) -> Result<String, DbError> {
    match tx {
        Tx::Sqlite(_) => Ok("sqlite".to_owned()),
        Tx::Postgres(_) => {
            let sql = "SELECT CAST(s.system_identifier AS TEXT) || '/' || CAST(c.timeline_id AS TEXT) \
                FROM pg_control_system() s, pg_control_checkpoint() c";
            tx.row(sql, &[])?.ok_or_else(|| DbError::Shape("no system identifier".to_owned()))?.get(0)
        }
    }
}

/// Events of some kinds in a store's streams, as canonical bytes.
pub fn events_of_kinds(tx: &mut Tx<'_>, store: i64, kinds: [u16; 3]) -> Result<Vec<Vec<u8>>, DbError> {
    let sql = "SELECT e.bytes FROM events e JOIN authors a ON a.author = e.author \
        WHERE a.store = ?1 AND e.kind IN (?2, ?3, ?4) ORDER BY e.author, e.seq";
    let [a, b, c] = kinds;
    tx.rows(sql, values![store, a, b, c])?.iter().map(|row| row.get(0)).collect()
}

/// The store's roster goes on from at least this version.
pub fn roster_at_least(tx: &mut Tx<'_>, store: i64, version: u64) -> Result<(), DbError> {
    let sql = "UPDATE stores SET roster_version = ?2 WHERE store = ?1 AND roster_version < ?2";
    tx.execute(sql, values![store, version]).map(|_| ())
}

/// Stores with a node that has retired and whose log has no cap yet.
pub fn with_retired(tx: &mut Tx<'_>) -> Result<Vec<i64>, DbError> {
    let sql = "SELECT DISTINCT a.store FROM authors a WHERE a.role = 'node' AND a.state = 'retired' \
        AND NOT EXISTS (SELECT 1 FROM caps c WHERE c.author = a.author) ORDER BY a.store";
    tx.rows(sql, &[])?.iter().map(|row| row.get(0)).collect()
}

/// Stores that recover.
pub fn with_open(tx: &mut Tx<'_>) -> Result<Vec<i64>, DbError> {
    let sql = "SELECT store FROM recoveries WHERE ended_at IS NULL ORDER BY store";
    tx.rows(sql, &[])?.iter().map(|row| row.get(0)).collect()
}
