//! Where the node stands, as it tells.

use super::enrol::Hub;
use super::node::catalog_version;
use super::problem::Answer;
use crate::db::incarnations::{self, Known, Part};
use crate::db::{catalog, events, meta};
use rusqlite::Connection;
use tradepost_commerce::document::CatalogVersion;
use tradepost_sync::event::Event;

/// What the file knows about synchronisation.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The hub, if the node is enrolled.
    pub hub: Option<Hub>,
    /// All streams.
    pub streams: Vec<Known>,
    /// The catalog that is held.
    pub catalog: CatalogVersion,
    /// Events of this node's that the hub doesn't hold.
    pub unsynced: u64,
    /// When the oldest of them was written, by the wall clock.
    pub oldest_unsynced: Option<i64>,
    /// Products in the catalog.
    pub products: u64,
}

impl Standing {
    /// The present incarnation.
    pub fn me(&self) -> Option<&Known> {
        self.streams.iter().find(|known| known.part == Part::Present)
    }
}

/// Reads it.
///
/// # Errors
/// A fault.
pub fn read(conn: &Connection) -> Answer<Standing> {
    let streams = incarnations::all(conn)?;
    let own = || streams.iter().filter(|k| matches!(k.part, Part::Present | Part::Lone | Part::Lost));
    let unsynced = own().map(|k| k.head.seq.saturating_sub(k.acked)).sum();
    let mut oldest: Option<i64> = None;
    for known in own().filter(|k| k.head.seq > k.acked) {
        let wall = wall_of(conn, known)?;
        oldest = match (oldest, wall) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    Ok(Standing {
        hub: meta::get(conn, "hub")?,
        catalog: catalog_version(conn)?,
        products: catalog::count(conn)?,
        unsynced,
        oldest_unsynced: oldest,
        streams,
    })
}

fn wall_of(conn: &Connection, known: &Known) -> Answer<Option<i64>> {
    let bytes = events::bytes(conn, events::place(known.no, known.acked + 1))?;
    Ok(bytes.and_then(|b| Event::read(&b).ok()).map(|event| event.envelope.wall))
}
