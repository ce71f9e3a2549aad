//! Events and their canonical bytes (`model.md` §1). The byte format here is frozen: see `proto/golden`.
//!
//! An event is one immutable fact, identified by (incarnation, seq). Its canonical bytes hold the whole fact and
//! the hash of the event before it, so the hash of the last one speaks for the whole stream.

use crate::body::{Body, Kind};
use crate::clock::{Hlc, Tau, UtcMs};
use crate::effects::Effects;
use crate::ids::{Hash, Incarnation};
use crate::limits::EVENT_BYTES_MAX;
use serde::{Deserialize, Serialize};
use tradepost_commerce::document::StaffId;

/// The format of the envelope itself; the first field of every event.
pub const ENVELOPE_FORMAT: u8 = 1;

/// Where an event of `H_s` stands in the hub's journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JournalMark {
    /// The hub process that wrote it.
    pub process: u32,
    /// Its place in that process's journal.
    pub n: u64,
}

/// The fact that an event says again after its branch was cut off (`model.md` §3, Forks).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reissue {
    /// Original author.
    pub incarnation: Incarnation,
    /// Original seq.
    pub seq: u64,
    /// Original hash: the fact counts once per this hash.
    pub hash: Hash,
    /// Original hub time, which goes on to decide for counts.
    pub tau: Option<Tau>,
    /// Original wall clock, which stays the document's.
    pub wall: UtcMs,
}

/// Everything an event says. Field order is the byte order and frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// [`ENVELOPE_FORMAT`].
    pub format: u8,
    /// Who wrote it.
    pub incarnation: Incarnation,
    /// Its place in that incarnation's stream, from 1, gapless.
    pub seq: u64,
    /// Hash of the event before it; zero for the first.
    pub prev_hash: Hash,
    /// Orders edits, nothing else.
    pub hlc: Hlc,
    /// The node's wall clock.
    pub wall: UtcMs,
    /// Hub time, where it was known.
    pub tau: Option<Tau>,
    /// The trading clock's reading: what prices and promotions go by.
    pub trading: UtcMs,
    /// The till, where there is one.
    pub till: Option<String>,
    /// The shift's number at that till, where there is one.
    pub shift: Option<u32>,
    /// Who was signed in.
    pub staff: Option<StaffId>,
    /// What kind of fact (see [`Kind`]).
    pub kind: u16,
    /// Version of the kind's body.
    pub version: u16,
    /// Effects on cells, ledger and custody. Empty for kinds of format 1, which imply theirs; every later kind
    /// carries them, so that a replica that doesn't know it still counts right.
    pub cells: Option<Effects>,
    /// For events of `H_s`: where the hub's journal has it.
    pub journal: Option<JournalMark>,
    /// For a fact said again.
    pub reissue: Option<Reissue>,
    /// The kind's own bytes.
    #[serde(with = "hex_bytes")]
    pub body: Vec<u8>,
}

/// An event with its canonical bytes and their hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it says.
    pub envelope: Envelope,
    /// The canonical bytes, as stored and hashed.
    pub bytes: Vec<u8>,
    /// Hash of the bytes.
    pub hash: Hash,
}

/// Why bytes are no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEvent {
    /// Not decodable as an envelope, or bytes left over.
    #[error("the event's bytes are malformed: {0}")]
    Malformed(String),
    /// An envelope format of a later program.
    #[error("envelope format {0} is not known")]
    UnknownFormat(u8),
    /// Decodable, but encoding it again gives other bytes.
    #[error("the event's bytes are not canonical")]
    NotCanonical,
    /// Longer than any event may be.
    #[error("an event of {0} bytes is too long")]
    TooLong(usize),
    /// A kind's body doesn't decode.
    #[error("the body of a {kind} event is malformed: {why}")]
    Body {
        /// Name of the kind.
        kind: String,
        /// What the decoder said.
        why: String,
    },
}

/// The hash of canonical bytes.
pub fn hash_of(bytes: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key("tradepost event chain v1");
    hasher.update(bytes);
    Hash(*hasher.finalize().as_bytes())
}

impl Event {
    /// Seals an envelope: its canonical bytes and hash. Fails only where the event would be too long.
    pub fn seal(envelope: Envelope) -> Result<Self, BadEvent> {
        let bytes = postcard::to_allocvec(&envelope).map_err(|e| BadEvent::Malformed(e.to_string()))?;
        if bytes.len() > EVENT_BYTES_MAX {
            return Err(BadEvent::TooLong(bytes.len()));
        }
        let hash = hash_of(&bytes);
        Ok(Self { envelope, bytes, hash })
    }

    /// Reads canonical bytes. Bytes that another encoding of the same event would give are refused, so that an
    /// event has one hash.
    pub fn read(bytes: &[u8]) -> Result<Self, BadEvent> {
        if bytes.len() > EVENT_BYTES_MAX {
            return Err(BadEvent::TooLong(bytes.len()));
        }
        match bytes.first() {
            Some(&ENVELOPE_FORMAT) => {}
            Some(&format) => return Err(BadEvent::UnknownFormat(format)),
            None => return Err(BadEvent::Malformed("empty".to_owned())),
        }
        let envelope: Envelope =
            postcard::from_bytes(bytes).map_err(|e| BadEvent::Malformed(e.to_string()))?;
        let event = Self::seal(envelope)?;
        if event.bytes != bytes {
            return Err(BadEvent::NotCanonical);
        }
        Ok(event)
    }

    /// The decoded body; [`Body::Unknown`] for a kind or version this program doesn't know.
    pub fn body(&self) -> Result<Body, BadEvent> {
        Body::decode(self.envelope.kind, self.envelope.version, &self.envelope.body)
    }

    /// The kind, if this program knows it.
    pub fn kind(&self) -> Option<Kind> {
        Kind::from_number(self.envelope.kind)
    }
}

/// What an event adds to the envelope of the one before: used by whoever appends to its own stream.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// Wall clock now.
    pub wall: UtcMs,
    /// Hub time now, where known.
    pub tau: Option<Tau>,
    /// Trading clock now.
    pub trading: UtcMs,
    /// Till, shift and staff, where there are any.
    pub till: Option<String>,
    /// The shift's number.
    pub shift: Option<u32>,
    /// Who is signed in.
    pub staff: Option<StaffId>,
}

/// The end of an incarnation's own stream: what the next event follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Head {
    /// Whose stream.
    pub incarnation: Incarnation,
    /// Seq of the last event; 0 before the first.
    pub seq: u64,
    /// Its hash; zero before the first.
    pub hash: Hash,
    /// The clock after it.
    pub hlc: Hlc,
}

impl Head {
    /// The head of a stream without events.
    pub fn empty(incarnation: Incarnation) -> Self {
        Self { incarnation, seq: 0, hash: Hash::ZERO, hlc: Hlc::default() }
    }

    /// The clock and seq that the next event will have at `wall`: documents derive their ids from them.
    pub fn next(&self, wall: UtcMs) -> (u64, Hlc) {
        (self.seq + 1, self.hlc.tick(wall))
    }

    /// Writes the next event and moves the head on. Nothing changes on an error.
    pub fn append(&mut self, stamp: Stamp, body: &Body) -> Result<Event, BadEvent> {
        self.append_with(stamp, body, None, None)
    }

    /// As [`Self::append`], for an event of `H_s` or a fact said again.
    pub fn append_with(
        &mut self,
        stamp: Stamp,
        body: &Body,
        journal: Option<JournalMark>,
        reissue: Option<Reissue>,
    ) -> Result<Event, BadEvent> {
        let (seq, hlc) = self.next(stamp.wall);
        let (kind, version, bytes) = body.encode()?;
        let event = Event::seal(Envelope {
            format: ENVELOPE_FORMAT,
            incarnation: self.incarnation,
            seq,
            prev_hash: self.hash,
            hlc,
            wall: stamp.wall,
            tau: stamp.tau,
            trading: stamp.trading,
            till: stamp.till,
            shift: stamp.shift,
            staff: stamp.staff,
            kind,
            version,
            cells: None,
            journal,
            reissue,
            body: bytes,
        })?;
        *self = Self { incarnation: self.incarnation, seq, hash: event.hash, hlc };
        Ok(event)
    }
}

mod hex_bytes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Vec<u8>, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() {
            return s.serialize_str(&bytes.iter().map(|b| format!("{b:02x}")).collect::<String>());
        }
        bytes.serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        Vec::<u8>::deserialize(d)
    }
}
