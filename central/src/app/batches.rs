//! Batches to events and back: unpacking what a node sends, and packing what it lacks.

use super::Fault;
use super::shelf::StoreShelf;
use crate::db::{authors, events};
use crate::hub::Hub;
use tradepost_commerce::document::CatalogVersion;
use tradepost_sync::event::Event;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Hash, Incarnation};
use tradepost_sync::session::{Batch, Encoding};
use tradepost_sync::signing::{DeviceKey, SignatureBytes, verify_head};
use tradepost_sync::wire::{Stretch, join, unpack, unpack_raw};

/// Why a batch can't be taken as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It couldn't be rebuilt: canonical bytes are asked for.
    NotRebuilt,
    /// Its chain is broken, its signature doesn't hold, or it is malformed.
    Bad(String),
}

/// The events of a batch, after their chain and the signature of its end were checked. `prev` is the hash of the event
/// before it, where that is known here.
pub fn open(
    batch: &Batch,
    key: &DeviceKey,
    prev: Option<Hash>,
    shelf: &StoreShelf<'_>,
) -> Result<Vec<Event>, Unfit> {
    let events = match (batch.encoding, prev) {
        (Encoding::Raw, _) => unpack_raw(&batch.payload).map_err(|e| Unfit::Bad(e.to_string()))?,
        (Encoding::Compact, None) => return Err(Unfit::NotRebuilt),
        (Encoding::Compact, Some(prev)) => {
            let (incarnation, from, count) = (batch.incarnation, batch.from, batch.count);
            let stretch = Stretch { incarnation, from, count, prev, end: batch.end_hash };
            match unpack(&batch.payload, stretch, batch.catalog, shelf) {
                Ok(events) => events,
                Err(error) => {
                    tracing::debug!(%incarnation, from, count, %error, "asking for canonical bytes");
                    return Err(Unfit::NotRebuilt);
                }
            }
        }
    };
    check(batch, &events)?;
    verify_head(key, &batch.end(), &batch.signature).map_err(|e| Unfit::Bad(e.to_string()))?;
    Ok(events)
}

/// Whether events are the gapless stretch that the batch says.
fn check(batch: &Batch, events: &[Event]) -> Result<(), Unfit> {
    let bad = |why: &str| Err(Unfit::Bad(why.to_owned()));
    let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
    if events.is_empty() || count != u64::from(batch.count) {
        return bad("another number of events than it says");
    }
    let in_place = |(seq, event): (u64, &Event)| {
        event.envelope.seq == seq && event.envelope.incarnation == batch.incarnation
    };
    if !(batch.from..).zip(events).all(in_place) {
        return bad("events of another stretch than it says");
    }
    if events.windows(2).any(|pair| pair[1].envelope.prev_hash != pair[0].hash) {
        return bad("a broken chain");
    }
    match events.last().map(|event| event.hash) {
        Some(hash) if hash == batch.end_hash => Ok(()),
        _ => bad("another end than it says"),
    }
}

/// What a session asks to be read.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Whose stream.
    pub incarnation: Incarnation,
    /// First seq.
    pub from: u64,
    /// At most this many events.
    pub events_max: usize,
    /// At most this many canonical bytes.
    pub bytes_max: usize,
    /// Up to exactly this seq or the next signed head.
    pub raw_to: Option<u64>,
}

/// A stretch of a stream that ends at a signed head; none where nothing can be read. What the hub sends goes in
/// canonical bytes: its own stream is small, and nothing in it can be predicted from the catalog.
pub fn read(hub: &Hub, wanted: &Wanted) -> Result<Option<Batch>, Fault> {
    hub.db.read(|tx| {
        let Some(author) = authors::find(tx, &wanted.incarnation)? else { return Ok(None) };
        let signed = events::signed_from(tx, author.no, wanted.from, wanted.events_max)?;
        if signed.is_empty() {
            return Ok(None);
        }
        let limit = most_events(wanted, &signed);
        let stored = events::from(tx, author.no, wanted.from, limit)?;
        Ok(batch_of(wanted, &stored, &signed, |event| may_leave(hub, &author, event)))
    })
}

/// Enough events to reach a signed head, even where the first lies beyond the limit.
fn most_events(wanted: &Wanted, signed: &[(u64, SignatureBytes)]) -> usize {
    let to_first = signed.first().map_or(0, |(seq, _)| seq + 1 - wanted.from);
    let to_raw = wanted.raw_to.map_or(0, |to| (to + 1).saturating_sub(wanted.from));
    let least = usize::try_from(to_first.max(to_raw)).unwrap_or(usize::MAX);
    wanted.events_max.max(least)
}

/// An event of the hub's own stays until it is in its journal (`model.md` §3).
fn may_leave(hub: &Hub, author: &authors::Author, event: &events::Stored) -> bool {
    // What an `H_s` of before a restore wrote is a log like any other's.
    if author.role != authors::Role::Hub || author.state != authors::State::Live {
        return true;
    }
    let mark = Event::read(&event.bytes).ok().and_then(|event| event.envelope.journal);
    mark.is_none_or(|mark| mark.process != hub.journal.process() || mark.n <= hub.journal.durable())
}

fn batch_of(
    wanted: &Wanted,
    stored: &[events::Stored],
    signed: &[(u64, SignatureBytes)],
    may_leave: impl Fn(&events::Stored) -> bool,
) -> Option<Batch> {
    let ready = stored.iter().take_while(|event| may_leave(event)).count();
    let stored = &stored[..ready];
    let last = stored.last()?.seq;
    let within = |(seq, _): &&(u64, SignatureBytes)| *seq <= last;
    let fits = |seq: u64| {
        let bytes: usize = stored.iter().take_while(|e| e.seq <= seq).map(|e| e.bytes.len()).sum();
        bytes <= wanted.bytes_max && (wanted.raw_to.is_none_or(|to| seq <= to))
    };
    let ends: Vec<_> = signed.iter().filter(within).collect();
    let end = ends.iter().rev().find(|(seq, _)| fits(*seq)).or(ends.first())?;
    let events: Vec<_> = stored.iter().take_while(|event| event.seq <= end.0).collect();
    let (first, last) = (events.first()?, events.last()?);
    if first.seq != wanted.from || last.seq != end.0 {
        return None;
    }
    Some(Batch {
        incarnation: wanted.incarnation,
        from: wanted.from,
        count: u32::try_from(events.len()).ok()?,
        end_hash: last.hash,
        signature: end.1,
        encoding: Encoding::Raw,
        catalog: CatalogVersion::default(),
        payload: join(events.iter().map(|event| event.bytes.as_slice())),
    })
}

/// Every head of a store's streams that may leave the hub.
pub fn heads(hub: &Hub, store: i64) -> Result<Vec<HeadMark>, Fault> {
    hub.db.read(|tx| {
        let mut heads = Vec::new();
        for author in authors::of_store(tx, store)? {
            match author.role {
                authors::Role::Hub if author.state == authors::State::Live => {
                    heads.extend(own_head(hub, tx, &author)?)
                }
                _ => heads.extend(author.mark()),
            }
        }
        Ok(heads)
    })
}

/// The hub's own head, as far as it is journaled.
fn own_head(
    hub: &Hub,
    tx: &mut crate::db::Tx<'_>,
    author: &authors::Author,
) -> Result<Option<HeadMark>, Fault> {
    let Some(head) = author.mark() else { return Ok(None) };
    let from = head.seq.saturating_sub(64).max(1);
    let recent = events::from(tx, author.no, from, 65)?;
    let last = recent.iter().rev().find(|event| may_leave(hub, author, event));
    Ok(last.map(|event| HeadMark { incarnation: head.incarnation, seq: event.seq, hash: event.hash }))
}
