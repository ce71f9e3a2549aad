//! Exports as NDJSON: one line an event or an order, page by page, so that any amount fits.

use super::{Fault, stores};
use crate::db::authors::{self, Author};
use crate::db::events;
use crate::hub::Hub;
use serde_json::{Value as Json, json};
use tradepost_sync::body::Body;
use tradepost_sync::event::Event;

/// Lines of one page.
pub const PAGE: usize = 500;

/// Where an export of events goes on: the author's place in the list, and the next seq.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    author: usize,
    seq: u64,
}

/// Every author of a store, in the order of an export.
pub fn authors(hub: &Hub, store: &str) -> Result<Vec<Author>, Fault> {
    hub.db.read(|tx| {
        let store = stores::find(tx, store)?;
        Ok(authors::of_store(tx, store.no)?)
    })
}

/// The page of events at a place, and the next place; none after the last.
pub fn events(hub: &Hub, authors: &[Author], at: Place) -> Result<Option<(String, Place)>, Fault> {
    let Some(author) = authors.get(at.author) else { return Ok(None) };
    let stored = hub.db.read(|tx| Ok::<_, Fault>(events::from(tx, author.no, at.seq.max(1), PAGE)?))?;
    let Some(last) = stored.last() else {
        return Ok(Some((String::new(), Place { author: at.author + 1, seq: 1 })));
    };
    let next = Place { author: at.author, seq: last.seq + 1 };
    let mut lines = String::new();
    for event in &stored {
        let event = Event::read(&event.bytes).map_err(Fault::internal)?;
        lines.push_str(&line(&event).to_string());
        lines.push('\n');
    }
    Ok(Some((lines, next)))
}

/// An event as a line says it.
pub fn line(event: &Event) -> Json {
    let e = &event.envelope;
    let kind = event.kind().map_or_else(|| format!("unknown.{}", e.kind), |kind| kind.name().to_owned());
    json!({
        "incarnation": e.incarnation,
        "seq": e.seq,
        "hlc": e.hlc,
        "wall": e.wall,
        "tau": e.tau,
        "trading": e.trading,
        "till": e.till,
        "shift": e.shift,
        "staff": e.staff,
        "kind": kind,
        "version": e.version,
        "prev_hash": e.prev_hash,
        "hash": event.hash,
        "reissue": e.reissue,
        "body": body(event),
    })
}

fn body(event: &Event) -> Json {
    let unread =
        || json!({ "bytes": event.envelope.body.iter().map(|b| format!("{b:02x}")).collect::<String>() });
    match event.body() {
        Ok(Body::Unknown(_)) | Err(_) => unread(),
        Ok(body) => serde_json::to_value(&body).unwrap_or_else(|_| unread()),
    }
}
