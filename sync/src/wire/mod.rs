//! The wire form of a batch: a lossless compression of canonical bytes (`model.md` §6).
//!
//! What the receiver can rebuild is left out: ids, hashes, names, prices, line amounts, tax, receipt numbers. The
//! catalog and the engine of the document's own `calc_version` are predictors; whatever they don't foresee is
//! written out, column by column so that a general compressor finds the likeness. The chain hash is the proof:
//! where a rebuilt stretch ends in another hash, the receiver asks for canonical bytes instead.

mod columns;
mod envelope;
mod raw;
mod sale;

pub use raw::{join, pack_raw, unpack_raw};

use crate::body::Body;
use crate::clock::UtcMs;
use crate::event::{Envelope, Event};
use crate::ids::{Hash, Incarnation};
use crate::limits::UNPACKED_BYTES_MAX;
use columns::{Columns, Reader};
use envelope::Memory;
use tradepost_commerce::document::{CatalogVersion, Sku, Tax};
use tradepost_commerce::money::Money;
use tradepost_commerce::quantity::Unit;

/// Version of the compact form; the payload's first byte.
const FORM: u8 = 1;

/// How an event is written.
const AS_BYTES: u8 = 0;
const AS_BODY: u8 = 1;
const AS_SALE: u8 = 2;

/// What the catalog says about an item at some time: the prediction of a sale's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShelfFacts {
    /// Name as printed.
    pub name: String,
    /// What it is priced by.
    pub unit: Unit,
    /// Category and rate.
    pub tax: Tax,
    /// Price on the store's own list; none where there is none.
    pub price: Option<Money>,
}

/// A catalog as a predictor. Answers may be wrong: then the batch grows or is sent in canonical bytes, and
/// nothing else happens. So a receiver answers from what it holds now.
pub trait Shelf {
    /// Facts of an item for a store on catalog `at`, at a trading time.
    fn facts(&self, sku: &Sku, at: CatalogVersion, trading: UtcMs) -> Option<ShelfFacts>;
    /// The item's number: its place in the order of first appearance in the catalog stream of the epoch.
    fn number(&self, sku: &Sku) -> Option<u32>;
    /// The item with this number.
    fn sku(&self, number: u32) -> Option<Sku>;
}

/// A catalog that knows nothing: all is written out.
#[derive(Clone, Copy, Debug)]
pub struct NoShelf;

impl Shelf for NoShelf {
    fn facts(&self, _: &Sku, _: CatalogVersion, _: UtcMs) -> Option<ShelfFacts> {
        None
    }
    fn number(&self, _: &Sku) -> Option<u32> {
        None
    }
    fn sku(&self, _: u32) -> Option<Sku> {
        None
    }
}

/// Why a payload can't be rebuilt. In each case the canonical bytes are asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// The form is of a later program.
    #[error("compact form {0} is not known")]
    UnknownForm(u8),
    /// Cut off, or not what it should be.
    #[error("the compact form is malformed: {0}")]
    Malformed(&'static str),
    /// Something was predicted there that can't be predicted here.
    #[error("a prediction of the sender can't be made here: {0}")]
    Unpredictable(&'static str),
    /// The rebuilt stretch ends in another hash.
    #[error("the rebuilt events end in another hash")]
    OtherHash,
}

/// Packs a gapless stretch of one incarnation's stream. `at` is the catalog both sides predict from.
pub fn pack(events: &[Event], at: CatalogVersion, shelf: &dyn Shelf) -> Vec<u8> {
    let mut columns = Columns::default();
    let mut memory = Memory::new(at);
    for event in events {
        pack_event(event, &mut columns, &mut memory, shelf);
    }
    columns.finish(FORM)
}

fn pack_event(event: &Event, columns: &mut Columns, memory: &mut Memory, shelf: &dyn Shelf) {
    let envelope = &event.envelope;
    match event.body() {
        Ok(Body::SaleCommitted(sale)) if sale::foreseen(&sale) => {
            columns.shape.byte(AS_SALE);
            envelope::write(envelope, columns, memory);
            sale::write(&sale, envelope, columns, memory, shelf);
        }
        Ok(_) => {
            columns.shape.byte(AS_BODY);
            envelope::write(envelope, columns, memory);
            columns.shape.uint(u64::from(envelope.kind));
            columns.shape.uint(u64::from(envelope.version));
            columns.literals.bytes(&envelope.body);
        }
        Err(_) => {
            columns.shape.byte(AS_BYTES);
            columns.literals.bytes(&event.bytes);
        }
    }
    memory.remember(envelope);
}

/// Rebuilds `count` events that follow the event with hash `prev` (zero before the first).
///
/// # Errors
/// [`UnpackError`], also where the last event's hash is not `end`.
pub fn unpack(
    payload: &[u8],
    stretch: Stretch,
    at: CatalogVersion,
    shelf: &dyn Shelf,
) -> Result<Vec<Event>, UnpackError> {
    let mut reader = Reader::new(payload, FORM)?;
    let mut memory = Memory::new(at);
    let mut prev = stretch.prev;
    let mut events = Vec::with_capacity(usize::try_from(stretch.count).unwrap_or(0).min(1 << 12));
    let mut bytes = 0;
    for seq in stretch.from..stretch.from.saturating_add(u64::from(stretch.count)) {
        let event = unpack_event(stretch.incarnation, seq, prev, &mut reader, &mut memory, shelf)?;
        bytes += event.bytes.len();
        if bytes > UNPACKED_BYTES_MAX {
            return Err(UnpackError::Malformed("too long"));
        }
        prev = event.hash;
        memory.remember(&event.envelope);
        events.push(event);
    }
    if prev != stretch.end {
        return Err(UnpackError::OtherHash);
    }
    Ok(events)
}

/// Which stretch of a stream a payload holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Whose stream.
    pub incarnation: Incarnation,
    /// Seq of the first event.
    pub from: u64,
    /// How many.
    pub count: u32,
    /// Hash of the event before the first; zero where there is none.
    pub prev: Hash,
    /// Hash of the last.
    pub end: Hash,
}

fn unpack_event(
    incarnation: Incarnation,
    seq: u64,
    prev: Hash,
    reader: &mut Reader<'_>,
    memory: &mut Memory,
    shelf: &dyn Shelf,
) -> Result<Event, UnpackError> {
    let form = reader.shape.byte()?;
    if form == AS_BYTES {
        let event = Event::read(reader.literals.bytes()?).map_err(|_| UnpackError::Malformed("event"))?;
        let at = &event.envelope;
        let in_place = (at.incarnation, at.seq, at.prev_hash) == (incarnation, seq, prev);
        return if in_place { Ok(event) } else { Err(UnpackError::Malformed("event of another place")) };
    }
    let mut envelope: Envelope = envelope::read(incarnation, seq, prev, reader, memory)?;
    match form {
        AS_BODY => {
            envelope.kind = reader.shape.small()?;
            envelope.version = reader.shape.small()?;
            envelope.body = reader.literals.bytes()?.to_vec();
        }
        AS_SALE => {
            let sale = sale::read(&envelope, reader, memory, shelf)?;
            let encoded = Body::from(sale).encode().map_err(|_| UnpackError::Malformed("sale"))?;
            (envelope.kind, envelope.version, envelope.body) = encoded;
        }
        _ => return Err(UnpackError::Malformed("form of an event")),
    }
    Event::seal(envelope).map_err(|_| UnpackError::Malformed("event"))
}
