//! Walking the chains: whether the log is what its authors signed (`resilience.md`, Audit).

use super::problem::{Answer, Stop};
use crate::db::incarnations::Known;
use crate::db::{events, incarnations};
use rusqlite::Connection;
use tradepost_sync::event::Event;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Hash, Incarnation};
use tradepost_sync::signing::{SignatureBytes, verify_head};

/// The first thing that is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {seq} of {incarnation}: {why}")]
pub struct Broken {
    /// Whose stream.
    pub incarnation: Incarnation,
    /// Which event.
    pub seq: u64,
    /// What is wrong.
    pub why: String,
}

/// What a walk saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Events.
    pub events: u64,
    /// Signatures that hold.
    pub signatures: u64,
}

/// Walks every stream that is held, from its first event to its head.
///
/// # Errors
/// A fault.
pub fn walk(conn: &Connection) -> Answer<Result<Walked, Broken>> {
    let mut walked = Walked::default();
    for known in incarnations::all(conn)? {
        if let Err(broken) = walk_one(conn, &known, &mut walked)? {
            return Ok(Err(broken));
        }
    }
    Ok(Ok(walked))
}

fn walk_one(conn: &Connection, known: &Known, walked: &mut Walked) -> Answer<Result<(), Broken>> {
    let (mut before, mut seq) = (Hash::ZERO, 0);
    let mut found = None;
    let broken = |seq: u64, why: &str| Broken { incarnation: known.id(), seq, why: why.to_owned() };
    events::each::<Stop>(conn, known.no, 0, |place, bytes| {
        seq += 1;
        let stored = events::parts(place).1;
        if stored != seq {
            found = Some(broken(seq, "missing"));
            return Ok(false);
        }
        match check(known, seq, before, &bytes) {
            Ok(hash) => before = hash,
            Err(why) => found = Some(broken(seq, why)),
        }
        if found.is_none() {
            match signature_holds(conn, known, seq, before)? {
                Some(true) => walked.signatures += 1,
                Some(false) => found = Some(broken(seq, "its signature does not hold")),
                None => {}
            }
        }
        walked.events += 1;
        Ok(found.is_none())
    })?;
    if found.is_none() && (seq != known.head.seq || (seq > 0 && before != known.head.hash)) {
        found = Some(broken(seq + 1, "the log ends elsewhere than its head says"));
    }
    Ok(found.map_or(Ok(()), Err))
}

fn check(known: &Known, seq: u64, before: Hash, bytes: &[u8]) -> Result<Hash, &'static str> {
    let event = Event::read(bytes).map_err(|_| "its bytes are no event")?;
    if event.envelope.incarnation != known.id() || event.envelope.seq != seq {
        return Err("it stands in another's place");
    }
    if event.envelope.prev_hash != before {
        return Err("it does not follow the event before it");
    }
    event.body().map_err(|_| "its body can't be read")?;
    Ok(event.hash)
}

fn signature_holds(conn: &Connection, known: &Known, seq: u64, hash: Hash) -> Answer<Option<bool>> {
    let Some(key) = known.device_key else { return Ok(None) };
    let signed: Option<(u64, SignatureBytes)> = events::last_signed(conn, known.no, seq, seq)?;
    let head = HeadMark { incarnation: known.id(), seq, hash };
    Ok(signed.map(|(_, signature)| verify_head(&key, &head, &signature).is_ok()))
}
