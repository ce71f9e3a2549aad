//! Facts said again after their branch was cut off: each counts once per original hash, whoever says it and however often,
//! and not at all where the original stands in the log (`model.md` §3, Forks).

use super::node::Node;
use crate::db::branches::{self, Saying};
use crate::db::stock::Stock;
use crate::db::{Fault, caps, catalog, events, incarnations, stock};
use rusqlite::Connection;
use tradepost_commerce::document::Sku;
use tradepost_sync::effects::{self, Cell, Effects};
use tradepost_sync::event::{Envelope, Event, hash_of};
use tradepost_sync::ids::Hash;
use tradepost_sync::rights::Row;

/// What an event counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counts {
    /// All it says.
    Fully,
    /// It is logged, and nothing more: the same fact is booked already.
    Not,
    /// The fact is booked already, under a later saying: its overdraw is this author's from now on.
    Instead(Saying),
}

/// Judges an event that is taken in; a fact that is said again is noted.
///
/// # Errors
/// [`Fault`].
pub(super) fn judge(conn: &Connection, event: &Event) -> Result<Counts, Fault> {
    let envelope = &event.envelope;
    let Some(first) = &envelope.reissue else {
        let said = branches::any_said(conn)? && branches::first_said(conn, &event.hash)?.is_some();
        return Ok(if said { Counts::Not } else { Counts::Fully });
    };
    let by = (envelope.incarnation, envelope.seq);
    let before = branches::first_said(conn, &first.hash)?;
    branches::say(conn, &first.hash, &by)?;
    Ok(match before {
        _ if original_stands(conn, envelope)? => Counts::Not,
        None => Counts::Fully,
        Some(before) if by < before => Counts::Instead(before),
        Some(_) => Counts::Not,
    })
}

/// Whether an event that is logged counts.
///
/// # Errors
/// [`Fault`].
pub(super) fn stands(conn: &Connection, event: &Event) -> Result<bool, Fault> {
    let envelope = &event.envelope;
    let Some(original) = &envelope.reissue else {
        return Ok(branches::first_said(conn, &event.hash)?.is_none());
    };
    if original_stands(conn, envelope)? {
        return Ok(false);
    }
    let by = (envelope.incarnation, envelope.seq);
    Ok(branches::first_said(conn, &original.hash)?.is_none_or(|first| first == by))
}

fn original_stands(conn: &Connection, envelope: &Envelope) -> Result<bool, Fault> {
    let Some(original) = &envelope.reissue else { return Ok(false) };
    let Some(known) = incarnations::find(conn, &original.incarnation)? else { return Ok(false) };
    let held = events::bytes(conn, events::place(known.no, original.seq))?;
    Ok(held.is_some_and(|bytes| hash_of(&bytes) == original.hash))
}

/// The event of a saying.
///
/// # Errors
/// [`Fault`].
pub(super) fn event_of(conn: &Connection, saying: &Saying) -> Result<Option<(i64, Event)>, Fault> {
    let Some(known) = incarnations::find(conn, &saying.0)? else { return Ok(None) };
    let place = events::place(known.no, saying.1);
    Ok(events::read(conn, place)?.map(|event| (place, event)))
}

/// The saying that counts of a fact that is no event of the log any more.
///
/// # Errors
/// [`Fault`].
pub(super) fn standing(conn: &Connection, original: &Hash) -> Result<Option<(i64, Event)>, Fault> {
    match branches::first_said(conn, original)? {
        Some(saying) => event_of(conn, &saying),
        None => Ok(None),
    }
}

/// What an event does, as it is applied when it comes.
pub(super) fn told(event: &Event) -> Effects {
    let told = match event.body() {
        Ok(body) => effects::of(&event.envelope, &body).ok(),
        Err(_) => event.envelope.cells.clone().filter(|told| effects::plausible(told).is_ok()),
    };
    told.unwrap_or_default()
}

/// A saying's overdraw goes on its author's row, or comes off it where another saying counts.
///
/// # Errors
/// [`Fault`].
pub(super) fn owe(node: &mut Node, place: i64, event: &Event, on: bool) -> Result<(), Fault> {
    let author = events::parts(place).0;
    for effect in told(event).cells.iter().filter(|effect| effect.cell == Cell::Overdrawn) {
        let sku = item(node, &effect.sku)?;
        if author == node.me.no {
            let row = node.stock(sku)?;
            let overdrawn = if on {
                row.overdrawn.saturating_add(effect.units)
            } else {
                row.overdrawn.saturating_sub(effect.units)
            };
            node.set_stock(sku, Stock { overdrawn, ..row });
            continue;
        }
        let cells = Row { overdrawn: effect.units, ..Row::default() };
        if on {
            stock::add_cells(node.conn(), author, sku, &cells)?;
        } else {
            caps::take_back_cells(node.conn(), author, sku, &cells)?;
        }
    }
    Ok(())
}

/// An item's number, under the name it goes by here.
///
/// # Errors
/// [`Fault`].
pub(super) fn item(node: &Node, sku: &Sku) -> Result<i64, Fault> {
    let stands = catalog::alias(node.conn(), sku)?;
    catalog::intern(node.conn(), stands.as_ref().unwrap_or(sku))
}
