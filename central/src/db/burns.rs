//! Requests to burn rights, one open an item and store at a time (`model.md` §2, burn).

use super::{DbError, Row, Tx};
use crate::values;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Id;

/// A request to one holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its id.
    pub id: Id,
    /// Whose store.
    pub store: i64,
    /// The item.
    pub sku: String,
    /// Who is asked, by author's number.
    pub holder: i64,
    /// Base units at most.
    pub units: u64,
    /// The count that the item stood on: (author, seq).
    pub count: (i64, u64),
    /// `open`, `answered` or `withdrawn`.
    pub state: String,
    /// What was burnt, once that is known.
    pub burnt: Option<u64>,
    /// When it was asked first.
    pub asked_at: UtcMs,
    /// When it was answered or withdrawn.
    pub ended_at: Option<UtcMs>,
}

const COLUMNS: &str =
    "id, store, sku, holder, units, count_author, count_seq, state, burnt, asked_at, ended_at";

fn read(row: &Row) -> Result<Asked, DbError> {
    Ok(Asked {
        id: row.get(0)?,
        store: row.get(1)?,
        sku: row.get(2)?,
        holder: row.get(3)?,
        units: row.get(4)?,
        count: (row.get(5)?, row.get(6)?),
        state: row.get(7)?,
        burnt: row.get(8)?,
        asked_at: row.get(9)?,
        ended_at: row.get(10)?,
    })
}

/// Adds a request that is open, unless one for the item is; whether it was added.
pub fn ask(tx: &mut Tx<'_>, it: &Asked) -> Result<bool, DbError> {
    let sql = "INSERT INTO burn_asks (id, store, sku, holder, units, count_author, count_seq, state, asked_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'open', ?8) ON CONFLICT DO NOTHING";
    let (author, seq) = it.count;
    let given = values![it.id, it.store, &it.sku, it.holder, it.units, author, seq, it.asked_at];
    Ok(tx.execute(sql, given)? == 1)
}

/// The open request for an item.
pub fn open(tx: &mut Tx<'_>, store: i64, sku: &str) -> Result<Option<Asked>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM burn_asks WHERE store = ?1 AND sku = ?2 AND state = 'open'");
    tx.row(&sql, values![store, sku])?.as_ref().map(read).transpose()
}

/// Every request of a store that is open, in the order of asking.
pub fn open_of(tx: &mut Tx<'_>, store: i64) -> Result<Vec<Asked>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM burn_asks WHERE store = ?1 AND state = 'open' ORDER BY no");
    tx.rows(&sql, values![store])?.iter().map(read).collect()
}

/// What a holder is asked and has not answered, in the order of asking, at most `limit`.
pub fn owed(tx: &mut Tx<'_>, holder: i64, limit: usize) -> Result<Vec<Asked>, DbError> {
    let sql =
        format!("SELECT {COLUMNS} FROM burn_asks WHERE holder = ?1 AND state = 'open' ORDER BY no LIMIT ?2");
    tx.rows(&sql, values![holder, limit])?.iter().map(read).collect()
}

/// Requests for an item, as it stood on a count, that were answered, in the order of asking.
pub fn answered(tx: &mut Tx<'_>, store: i64, sku: &str, count: (i64, u64)) -> Result<Vec<Asked>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM burn_asks WHERE store = ?1 AND sku = ?2 AND count_author = ?3 AND count_seq = ?4 \
        AND state = 'answered' ORDER BY no"
    );
    tx.rows(&sql, values![store, sku, count.0, count.1])?.iter().map(read).collect()
}

/// A holder has answered, also where it is not waited for any more. The first answer stays.
pub fn answer(tx: &mut Tx<'_>, store: i64, id: Id, burnt: u64, now: UtcMs) -> Result<(), DbError> {
    let sql = "UPDATE burn_asks SET state = 'answered', burnt = ?3, ended_at = ?4 \
        WHERE id = ?1 AND store = ?2 AND state <> 'answered'";
    tx.execute(sql, values![id, store, burnt, now]).map(|_| ())
}

/// A holder is not waited for any more.
pub fn withdraw(tx: &mut Tx<'_>, id: Id, now: UtcMs) -> Result<(), DbError> {
    let sql = "UPDATE burn_asks SET state = 'withdrawn', ended_at = ?2 WHERE id = ?1 AND state = 'open'";
    tx.execute(sql, values![id, now]).map(|_| ())
}
