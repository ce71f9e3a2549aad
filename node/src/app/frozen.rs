//! Logs that stand still at this node, and where they end: what the hub's stream says of fences, caps and resolved
//! rights (`model.md` §3.5).
//!
//! What is frozen is stored, so that a restart doesn't thaw it.

use super::node::Node;
use super::problem::Answer;
use crate::db::incarnations::{self, Known, Part};
use crate::db::stock::Stock;
use crate::db::{Fault, branches, caps, catalog, events, meta, successors};
use rusqlite::Connection;
use tradepost_sync::barrier::Frozen;
use tradepost_sync::body::{BarrierClosed, BarrierOpened, Body, NodeFenced, NodeResolved};
use tradepost_sync::effects::{self, Cell, CellEffect, Effects};
use tradepost_sync::event::Event;
use tradepost_sync::ids::Incarnation;
use tradepost_sync::rights::Row;
use tradepost_sync::terms::Cap;

const KEY: &str = "frozen";

/// Which logs stand still.
///
/// # Errors
/// [`Fault`].
pub fn load(conn: &Connection) -> Result<Frozen, Fault> {
    Ok(meta::get(conn, KEY)?.unwrap_or_default())
}

pub(super) fn store(node: &mut Node, frozen: &Frozen) -> Result<(), Fault> {
    meta::set(node.conn(), KEY, frozen)?;
    node.touch();
    Ok(())
}

/// Whether a stretch of a stream up to `to` may be taken: of a frozen log only what the barrier brings.
///
/// # Errors
/// [`Fault`].
pub fn takes(conn: &Connection, author: &Incarnation, to: u64) -> Result<bool, Fault> {
    Ok(load(conn)?.takes(author, to))
}

/// Whether an event stands behind its author's cap: then it is a fact, and none of its cells count.
///
/// # Errors
/// [`Fault`].
pub fn behind_cap(conn: &Connection, author: &Known, seq: u64) -> Result<bool, Fault> {
    Ok(caps::of(conn, author.no)?.is_some_and(|cap| seq > cap.seq))
}

/// What counts of an event's effects: behind its author's cap it moves goods, never rights (`model.md` §3.5); behind an
/// event whose effects are not applied nothing is given away, for nobody knows what its author had left (§6).
///
/// # Errors
/// [`Fault`].
pub(super) fn counted(conn: &Connection, author: &Known, seq: u64, told: &mut Effects) -> Result<(), Fault> {
    if behind_cap(conn, author, seq)? {
        told.cells.clear();
        return Ok(());
    }
    let gives = told.cells.iter().any(|effect| matches!(effect.cell, Cell::Given(_)));
    if gives && branches::first_unapplied(conn, author.no)?.is_some_and(|first| first < seq) {
        told.cells.retain(|effect| !matches!(effect.cell, Cell::Given(_)));
    }
    Ok(())
}

/// What the hub's stream says of lost incarnations; everything else is left alone.
///
/// # Errors
/// A fault.
pub fn hear(node: &mut Node, body: &Body) -> Answer<()> {
    match body {
        Body::NodeFenced(fenced) => fence(node, fenced)?,
        Body::BarrierOpened(opened) => open(node, opened)?,
        Body::BarrierClosed(closed) => close(node, closed)?,
        Body::NodeResolved(resolved) => resolve(node, resolved)?,
        _ => {}
    }
    Ok(())
}

fn fence(node: &mut Node, fenced: &NodeFenced) -> Result<(), Fault> {
    let no = incarnations::intern(node.conn(), &fenced.incarnation, Part::Other)?;
    let Some(known) = incarnations::by_no(node.conn(), no)? else { return Ok(()) };
    incarnations::set_standing(node.conn(), no, None, known.registered, true, known.retired)?;
    if let Some(successor) = &fenced.successor {
        successors::set(node.conn(), no, successor)?;
    }
    if fenced.incarnation == node.head.incarnation {
        node.me.registered = false;
    }
    Ok(())
}

fn open(node: &mut Node, opened: &BarrierOpened) -> Result<(), Fault> {
    let mut frozen = load(node.conn())?;
    frozen.freeze(opened.barrier, opened.fenced.iter().copied());
    store(node, &frozen)
}

fn close(node: &mut Node, closed: &BarrierClosed) -> Result<(), Fault> {
    let mut frozen = load(node.conn())?;
    frozen.thaw(&closed.barrier);
    store(node, &frozen)?;
    if closed.void {
        return Ok(());
    }
    for cap in &closed.caps {
        let no = incarnations::intern(node.conn(), &cap.incarnation, Part::Other)?;
        if caps::set(node.conn(), no, &Cap { seq: cap.seq, hash: cap.hash })? {
            take_back(node, no, cap.seq)?;
        }
    }
    Ok(())
}

fn resolve(node: &mut Node, resolved: &NodeResolved) -> Result<(), Fault> {
    let no = incarnations::intern(node.conn(), &resolved.incarnation, Part::Other)?;
    let stands = catalog::alias(node.conn(), &resolved.sku)?;
    let sku = catalog::intern(node.conn(), stands.as_ref().unwrap_or(&resolved.sku))?;
    caps::resolve(node.conn(), no, sku)
}

/// Cells of events that were taken in before their author's cap was known, and stand behind it, fall away.
fn take_back(node: &mut Node, no: i64, cap: u64) -> Result<(), Fault> {
    let Some(known) = incarnations::by_no(node.conn(), no)?.filter(Known::moves_stock) else { return Ok(()) };
    if known.head.seq <= cap || known.part == Part::Present {
        return Ok(());
    }
    behind(node.conn(), no, cap)?.iter().try_for_each(|told| take_back_one(node, no, told))
}

/// The same of the log that was the present one until now: a neighbour may have told of its cap before.
///
/// # Errors
/// [`Fault`].
pub(super) fn take_back_past(conn: &Connection, no: i64) -> Result<(), Fault> {
    let Some(cap) = caps::of(conn, no)? else { return Ok(()) };
    for told in behind(conn, no, cap.seq)? {
        told.cells.iter().try_for_each(|effect| forget(conn, no, effect).map(|_| ()))?;
    }
    Ok(())
}

/// What the events of a log behind its cap had added, in order.
fn behind(conn: &Connection, no: i64, cap: u64) -> Result<Vec<Effects>, Fault> {
    let first = branches::first_unapplied(conn, no)?;
    let mut behind = Vec::new();
    events::each::<Fault>(conn, no, cap + 1, |_, bytes| {
        let event = events::parse(&bytes)?;
        let mut told = told(&event);
        if first.is_some_and(|first| first < event.envelope.seq) {
            told.cells.retain(|effect| !matches!(effect.cell, Cell::Given(_)));
        }
        behind.push(told);
        Ok(true)
    })?;
    Ok(behind)
}

fn told(event: &Event) -> Effects {
    let told = match event.body() {
        Ok(body) => effects::of(&event.envelope, &body).ok(),
        Err(_) => event.envelope.cells.clone().filter(|told| effects::plausible(told).is_ok()),
    };
    told.unwrap_or_default()
}

/// Takes back what an event of another row had added to cells.
pub(super) fn take_back_one(node: &mut Node, no: i64, told: &Effects) -> Result<(), Fault> {
    for effect in &told.cells {
        let sku = forget(node.conn(), no, effect)?;
        if effect.cell == Cell::Given(node.head.incarnation) {
            let row = node.stock(sku)?;
            let received = row.received.saturating_sub(effect.units);
            node.set_stock(sku, Stock { received, ..row });
        }
    }
    Ok(())
}

/// Takes one effect back from the cells and gifts that are kept; answers the item.
fn forget(conn: &Connection, no: i64, effect: &CellEffect) -> Result<i64, Fault> {
    let stands = catalog::alias(conn, &effect.sku)?;
    let sku = catalog::intern(conn, stands.as_ref().unwrap_or(&effect.sku))?;
    let mut cells = Row::default();
    match effect.cell {
        Cell::Minted => cells.minted = effect.units,
        Cell::Used => cells.used = effect.units,
        Cell::Overdrawn => cells.overdrawn = effect.units,
        Cell::Settled => cells.settled = effect.units,
        Cell::Given(to) => {
            let taker = incarnations::intern(conn, &to, Part::Other)?;
            caps::take_back_gift(conn, no, taker, sku, effect.units)?;
            return Ok(sku);
        }
    }
    caps::take_back_cells(conn, no, sku, &cells)?;
    Ok(sku)
}
