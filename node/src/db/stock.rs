//! Goods on hand and the rights matrix, by item (`model.md` §2).

use super::Fault;
use super::incarnations::{int, unsigned};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::BTreeMap;
use tradepost_commerce::document::Sku;
use tradepost_sync::rights::Row as Cells;

/// One item's goods, and the present incarnation's own row. Base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// Fold of the movement ledger.
    pub on_hand: i64,
    /// `M`.
    pub minted: u64,
    /// `U`.
    pub used: u64,
    /// `O`.
    pub overdrawn: u64,
    /// `S`.
    pub settled: u64,
    /// Σ `T` from here.
    pub given: u64,
    /// Σ `T` to here.
    pub received: u64,
    /// On hand by the lone log, until the hub has booked the opening.
    pub lone: i64,
}

impl Stock {
    /// `r` at its owner.
    pub fn rights(&self) -> u64 {
        (self.minted + self.received).saturating_sub(self.given + self.used)
    }

    /// `x`: overdraw that is open.
    pub fn overdraw(&self) -> u64 {
        self.overdrawn.saturating_sub(self.settled)
    }

    /// What the shelf should hold.
    pub fn shelf(&self) -> i64 {
        self.on_hand + self.lone
    }
}

const COLUMNS: &str = "on_hand, minted, used, overdrawn, settled, given, received, lone";

fn read(row: &Row<'_>, at: usize) -> rusqlite::Result<Stock> {
    let cell = |i: usize| row.get::<_, i64>(at + i).map(unsigned);
    Ok(Stock {
        on_hand: row.get(at)?,
        minted: cell(1)?,
        used: cell(2)?,
        overdrawn: cell(3)?,
        settled: cell(4)?,
        given: cell(5)?,
        received: cell(6)?,
        lone: row.get(at + 7)?,
    })
}

/// An item's stock; nothing where there is no row.
///
/// # Errors
/// [`Fault`].
pub fn load(conn: &Connection, sku: i64) -> Result<Stock, Fault> {
    let mut statement = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM stock WHERE sku = ?1"))?;
    Ok(statement.query_row([sku], |row| read(row, 0)).optional()?.unwrap_or_default())
}

/// Writes an item's stock.
///
/// # Errors
/// [`Fault`]; rights below zero are fatal (I1).
pub fn store(conn: &Connection, sku: i64, stock: &Stock) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO stock (sku, on_hand, minted, used, overdrawn, settled, given, received, lone) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (sku) DO UPDATE SET \
         on_hand = ?2, minted = ?3, used = ?4, overdrawn = ?5, settled = ?6, given = ?7, received = ?8, lone = ?9",
    )?
    .execute(params![
        sku,
        stock.on_hand,
        int(stock.minted),
        int(stock.used),
        int(stock.overdrawn),
        int(stock.settled),
        int(stock.given),
        int(stock.received),
        stock.lone
    ])?;
    Ok(())
}

/// Items whose code comes after `after`, with their stock; pools are no items.
///
/// # Errors
/// [`Fault`].
pub fn page(conn: &Connection, after: &str, limit: usize) -> Result<Vec<(Sku, Stock)>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT k.sku, s.on_hand, s.minted, s.used, s.overdrawn, s.settled, s.given, s.received, s.lone \
         FROM skus k JOIN stock s ON s.sku = k.no WHERE k.sku > ?1 \
         AND k.sku NOT LIKE ' pool/%' ORDER BY k.sku LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![after, limit], |row| Ok((Sku(row.get(0)?), read(row, 1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Tells every item's stock, by code.
///
/// # Errors
/// [`Fault`].
pub fn each(conn: &Connection, mut tell: impl FnMut(i64, Sku, Stock)) -> Result<(), Fault> {
    let mut statement = conn.prepare(
        "SELECT k.sku, s.on_hand, s.minted, s.used, s.overdrawn, s.settled, s.given, s.received, s.lone, k.no \
         FROM skus k JOIN stock s ON s.sku = k.no ORDER BY k.sku",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        tell(row.get(9)?, Sku(row.get(0)?), read(row, 1)?);
    }
    Ok(())
}

/// What of all rights may be promised by others than the present incarnation: Σ r of the live ones.
///
/// # Errors
/// [`Fault`].
pub fn rights_of_others(conn: &Connection, sku: i64) -> Result<i64, Fault> {
    let mut cells = conn.prepare_cached("SELECT incarnation, minted - used FROM cells WHERE sku = ?1")?;
    let mut rights: Vec<(i64, i64)> =
        cells.query_map([sku], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut gifts = conn.prepare_cached("SELECT giver, taker, units FROM gifts WHERE sku = ?1")?;
    let mut rows = gifts.query([sku])?;
    while let Some(row) = rows.next()? {
        let units: i64 = row.get(2)?;
        rights.push((row.get(0)?, -units));
        rights.push((row.get(1)?, units));
    }
    if rights.is_empty() {
        return Ok(0);
    }
    let mut live = conn.prepare_cached("SELECT no FROM incarnations WHERE role IN (4, 5) AND fenced = 0")?;
    let live: Vec<i64> = live.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(rights.iter().filter(|(no, _)| live.contains(no)).map(|(_, units)| units).sum())
}

/// Rights and open overdraw of everybody but the present incarnation, by incarnation's number.
///
/// # Errors
/// [`Fault`].
pub fn held_by_others(conn: &Connection, sku: i64) -> Result<BTreeMap<i64, (i64, u64)>, Fault> {
    let mut held: BTreeMap<i64, (i64, u64)> = BTreeMap::new();
    let mut cells = conn
        .prepare_cached("SELECT incarnation, minted - used, overdrawn - settled FROM cells WHERE sku = ?1")?;
    let mut rows = cells.query([sku])?;
    while let Some(row) = rows.next()? {
        held.insert(row.get(0)?, (row.get(1)?, unsigned(row.get(2)?)));
    }
    let mut gifts = conn.prepare_cached("SELECT giver, taker, units FROM gifts WHERE sku = ?1")?;
    let mut rows = gifts.query([sku])?;
    while let Some(row) = rows.next()? {
        let units: i64 = row.get(2)?;
        held.entry(row.get(0)?).or_default().0 -= units;
        held.entry(row.get(1)?).or_default().0 += units;
    }
    Ok(held)
}

/// What an item's holders other than the present incarnation may promise, as far as is known here: number and `r`.
///
/// # Errors
/// [`Fault`].
pub fn holders(conn: &Connection, sku: i64) -> Result<BTreeMap<i64, i64>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT incarnation, minted - used FROM cells WHERE sku = ?1 \
         UNION ALL SELECT giver, -units FROM gifts WHERE sku = ?1 \
         UNION ALL SELECT taker, units FROM gifts WHERE sku = ?1",
    )?;
    let mut rows = statement.query([sku])?;
    let mut rights: BTreeMap<i64, i64> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let units = rights.entry(row.get(0)?).or_default();
        *units = units.saturating_add(row.get(1)?);
    }
    Ok(rights)
}

/// `T` of one incarnation to another.
///
/// # Errors
/// [`Fault`].
pub fn gift(conn: &Connection, giver: i64, taker: i64, sku: i64) -> Result<u64, Fault> {
    let mut statement =
        conn.prepare_cached("SELECT units FROM gifts WHERE sku = ?1 AND giver = ?2 AND taker = ?3")?;
    let units = statement.query_row(params![sku, giver, taker], |row| row.get(0)).optional()?;
    Ok(units.map_or(0, unsigned))
}

/// Adds to a cell of somebody else's row.
///
/// # Errors
/// [`Fault`].
pub fn add_cells(conn: &Connection, no: i64, sku: i64, cells: &Cells) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO cells (incarnation, sku, minted, used, overdrawn, settled) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (sku, incarnation) DO UPDATE SET minted = minted + ?3, used = used + ?4, \
         overdrawn = overdrawn + ?5, settled = settled + ?6",
    )?
    .execute(params![no, sku, int(cells.minted), int(cells.used), int(cells.overdrawn), int(cells.settled)])?;
    Ok(())
}

/// Adds to `T` of one incarnation to another.
///
/// # Errors
/// [`Fault`].
pub fn add_gift(conn: &Connection, giver: i64, taker: i64, sku: i64, units: u64) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO gifts (sku, giver, taker, units) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (sku, giver, taker) DO UPDATE SET units = units + ?4",
    )?
    .execute(params![sku, giver, taker, int(units)])?;
    Ok(())
}

/// Tells every row of somebody else's: incarnation's number, item, cells.
///
/// # Errors
/// [`Fault`].
pub fn each_of_others(conn: &Connection, mut tell: impl FnMut(i64, Sku, Cells)) -> Result<(), Fault> {
    let mut statement = conn.prepare(
        "SELECT c.incarnation, k.sku, c.minted, c.used, c.overdrawn, c.settled FROM cells c \
         JOIN skus k ON k.no = c.sku",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let cell = |i: usize| row.get::<_, i64>(i).map(unsigned);
        let (minted, used, overdrawn, settled) = (cell(2)?, cell(3)?, cell(4)?, cell(5)?);
        tell(row.get(0)?, Sku(row.get(1)?), Cells { minted, used, overdrawn, settled, ..Cells::default() });
    }
    Ok(())
}

/// Tells every gift: giver's number, taker's number, item, units.
///
/// # Errors
/// [`Fault`].
pub fn each_gift(conn: &Connection, mut tell: impl FnMut(i64, i64, Sku, u64)) -> Result<(), Fault> {
    let mut statement =
        conn.prepare("SELECT g.giver, g.taker, k.sku, g.units FROM gifts g JOIN skus k ON k.no = g.sku")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        tell(row.get(0)?, row.get(1)?, Sku(row.get(2)?), unsigned(row.get(3)?));
    }
    Ok(())
}

/// The present incarnation's row becomes a past one's: its cells stay a fact, its successor starts with none.
///
/// # Errors
/// [`Fault`].
pub fn put_own_row_aside(conn: &Connection, no: i64) -> Result<(), Fault> {
    conn.execute(
        "INSERT INTO cells (incarnation, sku, minted, used, overdrawn, settled) \
         SELECT ?1, sku, minted, used, overdrawn, settled FROM stock \
         WHERE minted + used + overdrawn + settled > 0",
        [no],
    )?;
    clear_own_row(conn)
}

/// A lone log's stock waits for the hub's opening: none of its cells or movements count any more (`model.md` §4).
///
/// # Errors
/// [`Fault`].
pub fn set_lone_aside(conn: &Connection) -> Result<(), Fault> {
    conn.execute("UPDATE stock SET lone = lone + on_hand, on_hand = 0", [])?;
    conn.execute("DELETE FROM counts", [])?;
    clear_own_row(conn)
}

/// What a past incarnation had of rights counts nowhere any more.
///
/// # Errors
/// [`Fault`].
pub fn forget_cells(conn: &Connection, no: i64) -> Result<(), Fault> {
    conn.execute("DELETE FROM cells WHERE incarnation = ?1", [no])?;
    Ok(())
}

/// The hub has opened the lone log's stock: it is in the ledger now.
///
/// # Errors
/// [`Fault`].
pub fn forget_lone(conn: &Connection) -> Result<(), Fault> {
    conn.execute("UPDATE stock SET lone = 0 WHERE lone <> 0", [])?;
    Ok(())
}

/// Whatever stands under one item counts as another from now on (an alias).
///
/// # Errors
/// [`Fault`].
pub fn merge(conn: &Connection, from: i64, to: i64) -> Result<(), Fault> {
    let moves = [
        "INSERT INTO stock (sku, on_hand, minted, used, overdrawn, settled, given, received, lone) \
         SELECT ?2, on_hand, minted, used, overdrawn, settled, given, received, lone FROM stock WHERE sku = ?1 \
         ON CONFLICT (sku) DO UPDATE SET on_hand = stock.on_hand + excluded.on_hand, \
         minted = stock.minted + excluded.minted, used = stock.used + excluded.used, \
         overdrawn = stock.overdrawn + excluded.overdrawn, settled = stock.settled + excluded.settled, \
         given = stock.given + excluded.given, received = stock.received + excluded.received, \
         lone = stock.lone + excluded.lone",
        "INSERT INTO cells (incarnation, sku, minted, used, overdrawn, settled) \
         SELECT incarnation, ?2, minted, used, overdrawn, settled FROM cells WHERE sku = ?1 \
         ON CONFLICT (sku, incarnation) DO UPDATE SET minted = cells.minted + excluded.minted, \
         used = cells.used + excluded.used, overdrawn = cells.overdrawn + excluded.overdrawn, \
         settled = cells.settled + excluded.settled",
        "INSERT INTO gifts (sku, giver, taker, units) SELECT ?2, giver, taker, units FROM gifts WHERE sku = ?1 \
         ON CONFLICT (sku, giver, taker) DO UPDATE SET units = gifts.units + excluded.units",
    ];
    for sql in moves {
        conn.execute(sql, [from, to])?;
    }
    conn.execute("UPDATE reservations SET sku = ?2 WHERE sku = ?1", [from, to])?;
    super::caps::merge(conn, from, to)?;
    // What was counted under either name is no count of both.
    super::counts::forget(conn, from)?;
    super::counts::forget(conn, to)?;
    conn.execute(
        "INSERT INTO shipment_lines (id, sku, expected, received) \
         SELECT id, ?2, expected, received FROM shipment_lines WHERE sku = ?1 \
         ON CONFLICT (id, sku) DO UPDATE SET expected = shipment_lines.expected + excluded.expected, \
         received = shipment_lines.received + excluded.received",
        [from, to],
    )?;
    for table in ["stock", "cells", "gifts", "shipment_lines"] {
        conn.execute(&format!("DELETE FROM {table} WHERE sku = ?1"), [from])?;
    }
    Ok(())
}

fn clear_own_row(conn: &Connection) -> Result<(), Fault> {
    conn.execute(
        "UPDATE stock SET minted = 0, used = 0, overdrawn = 0, settled = 0, given = 0, received = 0",
        [],
    )?;
    Ok(())
}
