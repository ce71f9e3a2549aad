//! Reading a stretch of a stream for the other side: it begins where asked and ends at a signed head.

use super::shelf::HeldShelf;
use crate::app::node::catalog_version;
use crate::db::incarnations::Known;
use crate::db::{Fault, events, incarnations};
use rusqlite::Connection;
use tradepost_sync::event::{Event, hash_of};
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::Incarnation;
use tradepost_sync::session::{Batch, Encoding};
use tradepost_sync::wire::{pack, pack_raw};

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Whose stream.
    pub incarnation: Incarnation,
    /// First seq.
    pub from: u64,
    /// At most this many events.
    pub events_max: usize,
    /// At most this many canonical bytes.
    pub bytes_max: usize,
    /// In canonical bytes, up to this seq or the next signed head.
    pub raw_to: Option<u64>,
}

/// Reads the stretch; none where nothing signed is there yet.
///
/// # Errors
/// [`Fault`].
pub fn read(conn: &Connection, asked: &Asked) -> Result<Option<Batch>, Fault> {
    let Some(known) = incarnations::find(conn, &asked.incarnation)? else { return Ok(None) };
    if asked.from == 0 || asked.from > known.head.seq {
        return Ok(None);
    }
    let within = reach(conn, &known, asked)?;
    let wanted = asked.raw_to.unwrap_or(within);
    let end = match events::last_signed(conn, known.no, asked.from, wanted)? {
        // A raw stretch must reach as far as was asked.
        Some(end) if asked.raw_to.is_none_or(|to| end.0 >= to) => Some(end),
        _ => events::next_signed(conn, known.no, asked.from.max(asked.raw_to.unwrap_or(0)))?,
    };
    let Some((to, signature)) = end else { return Ok(None) };
    let stretch = load(conn, &known, asked.from, to)?;
    let Some(last) = stretch.last() else { return Ok(None) };
    let catalog = catalog_version(conn)?;
    let raw = asked.raw_to.is_some();
    let payload = if raw { pack_raw(&stretch) } else { pack(&stretch, catalog, &HeldShelf::new(conn)) };
    Ok(Some(Batch {
        incarnation: asked.incarnation,
        from: asked.from,
        count: u32::try_from(stretch.len()).unwrap_or(u32::MAX),
        end_hash: last.hash,
        signature,
        encoding: if raw { Encoding::Raw } else { Encoding::Compact },
        catalog,
        payload,
    }))
}

/// Whether this very event is held.
///
/// # Errors
/// [`Fault`].
pub fn holds(conn: &Connection, head: &HeadMark) -> Result<bool, Fault> {
    let Some(known) = incarnations::find(conn, &head.incarnation)? else { return Ok(false) };
    let held = events::bytes(conn, events::place(known.no, head.seq))?;
    Ok(held.is_some_and(|bytes| hash_of(&bytes) == head.hash))
}

/// How far the limits reach.
fn reach(conn: &Connection, known: &Known, asked: &Asked) -> Result<u64, Fault> {
    let (mut to, mut count, mut bytes) = (asked.from, 0, 0);
    events::each::<Fault>(conn, known.no, asked.from, |place, event| {
        count += 1;
        bytes += event.len();
        if count > asked.events_max || (bytes > asked.bytes_max && count > 1) {
            return Ok(false);
        }
        to = events::parts(place).1;
        Ok(true)
    })?;
    Ok(to)
}

fn load(conn: &Connection, known: &Known, from: u64, to: u64) -> Result<Vec<Event>, Fault> {
    let mut stretch = Vec::new();
    events::each::<Fault>(conn, known.no, from, |place, bytes| {
        if events::parts(place).1 > to {
            return Ok(false);
        }
        stretch.push(events::parse(&bytes)?);
        Ok(true)
    })?;
    Ok(stretch)
}
