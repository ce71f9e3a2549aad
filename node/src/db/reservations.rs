//! Reservations as this node knows them, and the custody register behind them (`model.md` §5).

use super::Fault;
use super::incarnations::{int, unsigned};
use rusqlite::{Connection, OptionalExtension, Row, params};
use tradepost_sync::clock::Tau;
use tradepost_sync::custody::Custody;
use tradepost_sync::ids::{Id, Incarnation};

/// How a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Promised, and not yet handed over.
    Open = 1,
    /// Handed over.
    Fulfilled = 2,
    /// Given up.
    Cancelled = 3,
    /// Not called for in time.
    Expired = 4,
}

/// One reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Its place in the order of opening.
    pub no: i64,
    /// Its id.
    pub id: Id,
    /// The item's number.
    pub sku: i64,
    /// Base units.
    pub units: u64,
    /// The order it is for.
    pub order: Id,
    /// The order's number.
    pub reference: String,
    /// Hub time at which it may expire.
    pub expires: Tau,
    /// Paid before, in minor units; none where it is paid here.
    pub prepaid: Option<i64>,
    /// How it stands.
    pub state: State,
    /// The sale that handed it over.
    pub sale: Option<Id>,
}

const COLUMNS: &str = "no, id, sku, units, order_id, reference, epoch, expires, prepaid, state, sale";

fn read(row: &Row<'_>) -> rusqlite::Result<Reservation> {
    let state = match row.get::<_, i64>(9)? {
        1 => State::Open,
        2 => State::Fulfilled,
        3 => State::Cancelled,
        _ => State::Expired,
    };
    Ok(Reservation {
        no: row.get(0)?,
        id: Id(row.get(1)?),
        sku: row.get(2)?,
        units: unsigned(row.get(3)?),
        order: Id(row.get(4)?),
        reference: row.get(5)?,
        expires: Tau::told(row.get(6)?, row.get(7)?),
        prepaid: row.get(8)?,
        state,
        sale: row.get::<_, Option<[u8; 16]>>(10)?.map(Id),
    })
}

/// Notes a reservation that was opened; a known one stays as it is.
///
/// # Errors
/// [`Fault`].
pub fn open(conn: &Connection, new: &Reservation) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO reservations (id, sku, units, order_id, reference, epoch, expires, prepaid, state) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1) ON CONFLICT (id) DO NOTHING",
    )?
    .execute(params![
        new.id.0,
        new.sku,
        int(new.units),
        new.order.0,
        new.reference,
        new.expires.epoch,
        new.expires.ms,
        new.prepaid
    ])?;
    Ok(())
}

/// Notes an open reservation's end.
///
/// # Errors
/// [`Fault`].
pub fn end(conn: &Connection, id: &Id, state: State) -> Result<(), Fault> {
    conn.prepare_cached("UPDATE reservations SET state = ?2 WHERE id = ?1 AND state = 1")?
        .execute(params![id.0, state as i64])?;
    Ok(())
}

/// Notes the sale that handed a reservation over.
///
/// # Errors
/// [`Fault`].
pub fn sold(conn: &Connection, id: &Id, sale: &Id) -> Result<(), Fault> {
    conn.prepare_cached("UPDATE reservations SET sale = ?2 WHERE id = ?1 AND sale IS NULL")?
        .execute(params![id.0, sale.0])?;
    Ok(())
}

/// A reservation by its id.
///
/// # Errors
/// [`Fault`].
pub fn find(conn: &Connection, id: &Id) -> Result<Option<Reservation>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM reservations WHERE id = ?1");
    Ok(conn.prepare_cached(&sql)?.query_row([id.0], read).optional()?)
}

/// Reservations after `after`, in order of opening; the open ones, or all.
///
/// # Errors
/// [`Fault`].
pub fn page(conn: &Connection, all: bool, after: i64, limit: usize) -> Result<Vec<Reservation>, Fault> {
    let which = if all { "" } else { "AND state = 1" };
    let sql = format!("SELECT {COLUMNS} FROM reservations WHERE no > ?1 {which} ORDER BY no LIMIT ?2");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map(params![after, limit], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Open reservations of an item, in order of opening.
///
/// # Errors
/// [`Fault`].
pub fn open_of(conn: &Connection, sku: i64) -> Result<Vec<Reservation>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM reservations WHERE sku = ?1 AND state = 1 ORDER BY no");
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map([sku], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether any reservation is open.
///
/// # Errors
/// [`Fault`].
pub fn any_open(conn: &Connection) -> Result<bool, Fault> {
    let mut statement = conn.prepare_cached("SELECT 1 FROM reservations WHERE state = 1 LIMIT 1")?;
    Ok(statement.exists([])?)
}

/// Objects that an incarnation is the custodian of and that have not ended, by name.
///
/// # Errors
/// [`Fault`].
pub fn held_by(conn: &Connection, owner: &Incarnation) -> Result<Vec<(String, Custody)>, Fault> {
    let mut statement = conn.prepare(
        "SELECT object, epoch, n, owner, terminal FROM custody WHERE owner = ?1 AND terminal = 0 ORDER BY object",
    )?;
    let rows = statement.query_map([owner.0], |row| {
        let custody = Custody {
            epoch: row.get(1)?,
            n: unsigned(row.get(2)?),
            owner: Incarnation(row.get(3)?),
            terminal: row.get(4)?,
        };
        Ok((row.get(0)?, custody))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Where an object's custody stands; `object` is its JSON.
///
/// # Errors
/// [`Fault`].
pub fn custody(conn: &Connection, object: &str) -> Result<Option<Custody>, Fault> {
    let mut statement =
        conn.prepare_cached("SELECT epoch, n, owner, terminal FROM custody WHERE object = ?1")?;
    let found = statement.query_row([object], |row| {
        Ok(Custody {
            epoch: row.get(0)?,
            n: unsigned(row.get(1)?),
            owner: Incarnation(row.get(2)?),
            terminal: row.get(3)?,
        })
    });
    Ok(found.optional()?)
}

/// Lets an object's custody go, to be folded again.
///
/// # Errors
/// [`Fault`].
pub fn forget_custody(conn: &Connection, object: &str) -> Result<(), Fault> {
    conn.prepare_cached("DELETE FROM custody WHERE object = ?1")?.execute([object])?;
    Ok(())
}

/// Lets a reservation go, to be folded again.
///
/// # Errors
/// [`Fault`].
pub fn forget(conn: &Connection, id: &Id) -> Result<(), Fault> {
    conn.prepare_cached("DELETE FROM reservations WHERE id = ?1")?.execute([id.0])?;
    Ok(())
}

/// Puts an object's custody in place.
///
/// # Errors
/// [`Fault`].
pub fn set_custody(conn: &Connection, object: &str, custody: &Custody) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO custody (object, epoch, n, owner, terminal) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (object) DO UPDATE SET epoch = ?2, n = ?3, owner = ?4, terminal = ?5",
    )?
    .execute(params![object, custody.epoch, int(custody.n), custody.owner.0, custody.terminal])?;
    Ok(())
}
