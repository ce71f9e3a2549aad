//! Old stretches of streams as compressed pieces (`speed.md`, edge storage): the same events, byte by byte, so a receipt
//! of years ago is found, every chain can be walked from its beginning, and a hub that was put back to any day gets from
//! its nodes whatever it lacks. A pack is immutable; a stream that is cut back within one has it opened first.
//!
//! Nothing is left to an engine or a catalog to rebuild: what is taken out before compressing is each event's hash of the
//! one before, which the chain itself gives back, and the end's hash proves the whole.

use super::Fault;
use super::events::{SEQ_MAX, parse, parts, place};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::cell::RefCell;
use std::rc::Rc;
use tradepost_sync::event::hash_of;
use tradepost_sync::ids::Hash;
use tradepost_sync::signing::SignatureBytes;

/// Level of compression: packs are made once, beside the selling, and read often.
const LEVEL: i32 = 9;
const HASH_BYTES: usize = 32;
/// What stands before an event's `prev_hash`, apart from its seq: the format and the author.
const BEFORE_SEQ_BYTES: usize = 17;

/// A stretch of a stream that may become a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Place of its first event.
    pub place: i64,
    /// Canonical bytes of its events, in order.
    pub events: Vec<Vec<u8>>,
    /// The author's, over its last event.
    pub signature: SignatureBytes,
}

/// A pack that is made and not yet stored.
pub struct Made {
    packed: Packed,
    last: i64,
    /// The last event's canonical bytes: its hash of the one before proves all of the stretch.
    end: Vec<u8>,
    signature: SignatureBytes,
}

/// Compresses a stretch, which takes its time and writes nothing. None for one that wouldn't come back as it was: it stays
/// where it is.
pub fn make(stretch: &Stretch) -> Option<Made> {
    let packed = pack(stretch.place, &stretch.events)?;
    let last = stretch.place + i64::try_from(stretch.events.len()).unwrap_or(i64::MAX) - 1;
    Some(Made { packed, last, end: stretch.events.last()?.clone(), signature: stretch.signature })
}

/// Puts a pack into the place of its events. Answers whether it did: where the stream was cut back or packed in the
/// meantime, nothing is changed.
///
/// # Errors
/// [`Fault`].
pub fn put(conn: &Connection, made: &Made) -> Result<bool, Fault> {
    let (first, (no, seq)) = (made.packed.place, parts(made.packed.place));
    let mut last = conn.prepare_cached("SELECT bytes FROM events WHERE place = ?1")?;
    let held: Option<Vec<u8>> = last.query_row([made.last], |row| row.get(0)).optional()?;
    if reach(conn, no)? + 1 != seq || held.as_ref() != Some(&made.end) {
        return Ok(false);
    }
    conn.prepare_cached(
        "INSERT INTO packs (place, last, length, hash, signature, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        first,
        made.last,
        i64::try_from(made.packed.length).unwrap_or(i64::MAX),
        made.packed.end.0,
        made.signature,
        made.packed.bytes
    ])?;
    conn.prepare_cached("DELETE FROM events WHERE place BETWEEN ?1 AND ?2")?.execute([first, made.last])?;
    Ok(true)
}

/// The seq of the last event of a stream that lies in a pack; 0 where none does.
///
/// # Errors
/// [`Fault`].
pub fn reach(conn: &Connection, no: i64) -> Result<u64, Fault> {
    let mut statement = conn.prepare_cached("SELECT max(last) FROM packs WHERE place BETWEEN ?1 AND ?2")?;
    let last: Option<i64> =
        statement.query_row(params![place(no, 0), place(no, SEQ_MAX)], |row| row.get(0))?;
    Ok(last.map_or(0, |last| parts(last).1))
}

/// Canonical bytes of an event that lies in a pack.
///
/// # Errors
/// [`Fault`], also for a pack that is damaged.
pub fn bytes(conn: &Connection, at: i64) -> Result<Option<Vec<u8>>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT place, length, hash, bytes FROM packs \
         WHERE place = (SELECT max(place) FROM packs WHERE place <= ?1) AND last >= ?1",
    )?;
    let Some(found) = statement.query_row([at], read).optional()? else { return Ok(None) };
    let n = usize::try_from(at - found.place).unwrap_or(usize::MAX);
    Ok(unpacked(found)?.get(n).cloned())
}

/// Tells the packed events of a stream from `from` on, in order. Answers whether to go on behind them.
///
/// # Errors
/// [`Fault`], also for a pack that is damaged, or what `tell` says.
pub fn each<E: From<Fault>>(
    conn: &Connection,
    no: i64,
    from: u64,
    tell: &mut impl FnMut(i64, Vec<u8>) -> Result<bool, E>,
) -> Result<bool, E> {
    let first = place(no, from);
    let mut statement = conn
        .prepare_cached(
            "SELECT place, length, hash, bytes FROM packs WHERE place BETWEEN ?1 AND ?3 AND last >= ?2 ORDER BY place",
        )
        .map_err(Fault::from)?;
    // The pack that `from` lies in begins before it.
    let begin = before(conn, no, from)?;
    let mut rows = statement.query(params![begin, first, place(no, SEQ_MAX)]).map_err(Fault::from)?;
    while let Some(row) = rows.next().map_err(Fault::from)? {
        let found = read(row).map_err(Fault::from)?;
        let start = found.place;
        for (at, bytes) in (start..).zip(unpacked(found)?.iter()) {
            if at >= first && !tell(at, bytes.clone())? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// The last pack of a stream that ends within `[from, to]`: its last seq and the signature there.
///
/// # Errors
/// [`Fault`].
pub fn last_end(
    conn: &Connection,
    no: i64,
    from: u64,
    to: u64,
) -> Result<Option<(u64, SignatureBytes)>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT last, signature FROM packs WHERE place BETWEEN ?1 AND ?3 AND last BETWEEN ?2 AND ?3 \
         ORDER BY place DESC LIMIT 1",
    )?;
    let (begin, to) = (before(conn, no, from)?, place(no, to.min(SEQ_MAX)));
    Ok(statement.query_row(params![begin, place(no, from), to], end).optional()?)
}

/// The first pack of a stream that ends at `from` or later: its last seq and the signature there.
///
/// # Errors
/// [`Fault`].
pub fn first_end(conn: &Connection, no: i64, from: u64) -> Result<Option<(u64, SignatureBytes)>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT last, signature FROM packs WHERE place BETWEEN ?1 AND ?3 AND last >= ?2 ORDER BY place LIMIT 1",
    )?;
    let begin = before(conn, no, from)?;
    Ok(statement.query_row(params![begin, place(no, from), place(no, SEQ_MAX)], end).optional()?)
}

/// How many packs of a stream end after `seq`; of many only that they are more than one.
///
/// # Errors
/// [`Fault`].
pub fn ends_after(conn: &Connection, no: i64, seq: u64) -> Result<u64, Fault> {
    let count: i64 = conn.query_row(
        "SELECT count(*) FROM (SELECT 1 FROM packs WHERE place BETWEEN ?1 AND ?3 AND last > ?2 LIMIT 2)",
        params![place(no, 0), place(no, seq), place(no, SEQ_MAX)],
        |row| row.get(0),
    )?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Puts a stream's events at `seq` and behind back into the table of events, with all of the pack that `seq` lies in.
/// Signatures within a pack are gone; the one at its end stands.
///
/// # Errors
/// [`Fault`], also for a pack that is damaged.
pub fn open(conn: &Connection, no: i64, seq: u64) -> Result<(), Fault> {
    let found: Vec<(Packed, Vec<u8>)> = conn
        .prepare_cached(
            "SELECT place, length, hash, bytes, signature FROM packs \
             WHERE place BETWEEN ?1 AND ?3 AND last >= ?2 ORDER BY place",
        )?
        .query_map(params![place(no, 0), place(no, seq), place(no, SEQ_MAX)], |row| {
            Ok((read(row)?, row.get(4)?))
        })?
        .collect::<Result<_, _>>()?;
    let sql = "INSERT INTO events (place, kind, signature, bytes) VALUES (?1, ?2, ?3, ?4)";
    for (packed, signature) in found {
        let start = packed.place;
        let events = unpacked(packed)?;
        for (n, (at, bytes)) in (1..).zip((start..).zip(events.iter())) {
            let kind = parse(bytes)?.envelope.kind;
            let signature = (n == events.len()).then_some(&signature);
            conn.prepare_cached(sql)?.execute(params![at, kind, signature, bytes])?;
        }
        conn.prepare_cached("DELETE FROM packs WHERE place = ?1")?.execute([start])?;
    }
    Ok(())
}

/// Place of the pack that `from` may lie in, or the stream's beginning.
fn before(conn: &Connection, no: i64, from: u64) -> Result<i64, Fault> {
    let mut statement = conn.prepare_cached("SELECT max(place) FROM packs WHERE place BETWEEN ?1 AND ?2")?;
    let found: Option<i64> = statement.query_row(params![place(no, 0), place(no, from)], |row| row.get(0))?;
    Ok(found.unwrap_or(place(no, 0)))
}

/// A pack as it is stored.
struct Packed {
    place: i64,
    length: usize,
    end: Hash,
    bytes: Vec<u8>,
}

fn read(row: &Row<'_>) -> rusqlite::Result<Packed> {
    let length: i64 = row.get(1)?;
    Ok(Packed {
        place: row.get(0)?,
        length: usize::try_from(length).unwrap_or(0),
        end: Hash(row.get(2)?),
        bytes: row.get(3)?,
    })
}

fn end(row: &Row<'_>) -> rusqlite::Result<(u64, SignatureBytes)> {
    Ok((parts(row.get(0)?).1, row.get(1)?))
}

type Opened = Rc<Vec<Vec<u8>>>;

thread_local! {
    /// The pack that was opened last: its compressed bytes, and what they unpack to. Documents of one day lie side by side,
    /// so readers ask for the same pack again and again.
    static LAST: RefCell<Option<(i64, Vec<u8>, Opened)>> = const { RefCell::new(None) };
}

fn unpacked(packed: Packed) -> Result<Opened, Fault> {
    let again = LAST.with_borrow(|last| {
        let same =
            |(place, bytes, _): &&(i64, Vec<u8>, Opened)| *place == packed.place && *bytes == packed.bytes;
        last.as_ref().filter(same).map(|(_, _, events)| Rc::clone(events))
    });
    if let Some(events) = again {
        return Ok(events);
    }
    let damaged = || Fault::Fatal(format!("the pack at {} is damaged", packed.place));
    let events = Rc::new(unpack(&packed).ok_or_else(damaged)?);
    LAST.set(Some((packed.place, packed.bytes, Rc::clone(&events))));
    Ok(events)
}

/// Compresses a stretch; none where it wouldn't come back byte by byte.
fn pack(first: i64, events: &[Vec<u8>]) -> Option<Packed> {
    let mut plain = Vec::new();
    let mut before: Option<Hash> = None;
    for (at, event) in (first..).zip(events) {
        let (head, tail) = match before {
            Some(hash) => {
                let (head, rest) = event.split_at_checked(chain_at(parts(at).1))?;
                let (prev, tail) = rest.split_at_checked(HASH_BYTES)?;
                if prev != hash.0 {
                    return None;
                }
                (head, tail)
            }
            None => (event.as_slice(), &[][..]),
        };
        plain.extend_from_slice(&u32::try_from(head.len() + tail.len()).ok()?.to_le_bytes());
        plain.extend_from_slice(head);
        plain.extend_from_slice(tail);
        before = Some(hash_of(event));
    }
    let bytes = zstd::bulk::compress(&plain, LEVEL).ok()?;
    let packed = Packed { place: first, length: plain.len(), end: before?, bytes };
    (unpack(&packed)? == events).then_some(packed)
}

/// What was packed; none where it isn't what it says.
fn unpack(packed: &Packed) -> Option<Vec<Vec<u8>>> {
    let plain = zstd::bulk::decompress(&packed.bytes, packed.length).ok()?;
    let mut events = Vec::new();
    let (mut rest, mut before) = (plain.as_slice(), None::<Hash>);
    for at in packed.place.. {
        let Some((length, after)) = rest.split_first_chunk::<4>() else { break };
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (kept, next) = after.split_at_checked(length)?;
        let event = match before {
            Some(hash) => {
                let (head, tail) = kept.split_at_checked(chain_at(parts(at).1))?;
                [head, &hash.0, tail].concat()
            }
            None => kept.to_vec(),
        };
        before = Some(hash_of(&event));
        events.push(event);
        rest = next;
    }
    (rest.is_empty() && before == Some(packed.end)).then_some(events)
}

/// Where an event's `prev_hash` begins in its canonical bytes: its seq before it is a number of variable length.
fn chain_at(seq: u64) -> usize {
    let bits = usize::try_from(u64::BITS - seq.leading_zeros()).unwrap_or(0);
    BEFORE_SEQ_BYTES + bits.div_ceil(7).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tradepost_sync::body::{Moved, StockAdjusted};
    use tradepost_sync::event::{Head, Stamp};
    use tradepost_sync::ids::{Id, Incarnation};

    /// Events of one stream behind `seq`, each a little longer than the one before.
    fn stream(seq: u64, count: usize) -> Vec<Vec<u8>> {
        let mut head = Head { seq, ..Head::empty(Incarnation([7; 16])) };
        let said = |n: usize| StockAdjusted {
            adjustment: Id([u8::try_from(n % 251).unwrap(); 16]),
            sku: tradepost_commerce::document::Sku(format!("EN-{n:03}")),
            units: -1,
            reason: "broken ".repeat(n % 9),
            approver: None,
            moved: Moved { m: 0, c: 1, o: 0 },
        };
        let stamp = |n: usize| Stamp {
            wall: 1_767_225_600_000 + i64::try_from(n).unwrap(),
            tau: None,
            trading: 1_767_225_600_000,
            till: Some("R1".to_owned()),
            shift: None,
            staff: None,
        };
        (0..count).map(|n| head.append(stamp(n), &said(n).into()).unwrap().bytes).collect()
    }

    #[test]
    fn what_is_packed_comes_back_byte_by_byte_wherever_the_stretch_begins() {
        for seq in [0, 1, 126, 127, 128, 16_382, 16_383, (1 << 21) - 2, (1 << 28) - 1, SEQ_MAX - 60] {
            let events = stream(seq, 50);
            let packed = pack(place(3, seq + 1), &events).unwrap_or_else(|| panic!("behind {seq}"));
            assert_eq!(unpack(&packed).as_ref(), Some(&events));
            let plain: usize = events.iter().map(Vec::len).sum();
            assert!(packed.bytes.len() * 2 < plain, "{} of {plain} bytes", packed.bytes.len());
        }
        let one = stream(40, 1);
        assert_eq!(unpack(&pack(place(1, 41), &one).unwrap()), Some(one));
    }

    #[test]
    fn a_stretch_that_is_no_chain_stays_as_it_is() {
        let mut events = stream(0, 9);
        events.swap(3, 4);
        assert!(pack(place(1, 1), &events).is_none());
        assert!(pack(place(1, 1), &[]).is_none());
        assert!(pack(place(1, 1), &[vec![1], vec![2]]).is_none());
    }

    #[test]
    fn a_flipped_byte_of_a_pack_is_found() {
        let events = stream(5, 40);
        let whole = pack(place(1, 6), &events).unwrap();
        for at in 0..whole.bytes.len() {
            let mut bytes = whole.bytes.clone();
            bytes[at] ^= 0x20;
            let read = unpack(&Packed { bytes, ..whole });
            assert!(read.is_none() || read.as_ref() == Some(&events), "the flip at {at} gave other events");
        }
    }
}
