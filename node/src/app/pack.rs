//! Old events take little room (`speed.md`, edge storage): beside the selling, the beginning of each stream is put into
//! packs, one a step. Nothing is ever dropped, so that nothing has to be known of hubs, backups and clocks before it is
//! done: receipts are found for as long as the file lives, and a hub that was put back to any day gets what it lacks.

use super::node::Node;
use super::problem::Answer;
use crate::db::incarnations::{self, Known};
use crate::db::packs::{self, Made, Stretch};
use crate::db::{Fault, events};
use rusqlite::Connection;

/// The last events of each stream that stay as they are, where the operator says nothing else: weeks of a busy till.
pub const OPEN_EVENTS: u64 = 4_096;
/// Events in a pack, but for a stretch that was signed at its end alone: one is opened whole to read one of its events.
const PACK_EVENTS: u64 = 128;
/// A longer stretch without a signature stays open.
const STRETCH_EVENTS_MAX: u64 = 1_024;
/// Canonical bytes in a pack, but for one that must hold a signed stretch.
const PACK_BYTES: usize = 256 << 10;

/// The next pack of some stream, all but the last `open` events of each, made beside the writing thread; none where there
/// is nothing old enough.
pub struct Next {
    made: Made,
    /// How many events of its stream are old enough, in all.
    pub waiting: u64,
}

/// Makes the next pack. It reads and compresses, so a reading thread does it; [`put`] stores it.
///
/// # Errors
/// A fault.
pub fn next(conn: &Connection, open: u64) -> Answer<Option<Next>> {
    for known in incarnations::all(conn)? {
        if let Some((stretch, waiting)) = due(conn, &known, open)?
            && let Some(made) = packs::make(&stretch)
        {
            return Ok(Some(Next { made, waiting }));
        }
    }
    Ok(None)
}

/// Stores a pack in the place of its events; whether it did: a stream that was cut in the meantime keeps them.
///
/// # Errors
/// A fault.
pub fn put(node: &mut Node, next: &Next) -> Answer<bool> {
    let done = packs::put(node.conn(), &next.made)?;
    if done {
        node.touch();
    }
    Ok(done)
}

/// Makes and stores the next pack. Answers whether there was one: then there may be more.
///
/// # Errors
/// A fault.
pub fn advance(node: &mut Node, open: u64) -> Answer<bool> {
    match next(node.conn(), open)? {
        Some(next) => put(node, &next),
        None => Ok(false),
    }
}

/// The next stretch of a stream that is old enough, and how many events are: it ends at a signed head, since from there on it may be sent.
fn due(conn: &Connection, known: &Known, open: u64) -> Result<Option<(Stretch, u64)>, Fault> {
    let from = packs::reach(conn, known.no)? + 1;
    let old = known.head.seq.saturating_sub(open);
    if old < from + PACK_EVENTS - 1 {
        return Ok(None);
    }
    let fits = fitting(conn, known.no, from)?;
    let end = match events::last_signed_open(conn, known.no, from, fits)? {
        Some(end) => Some(end),
        None => events::next_signed(conn, known.no, from)?.filter(|(to, _)| *to < from + STRETCH_EVENTS_MAX),
    };
    let Some((to, signature)) = end.filter(|(to, _)| *to <= old) else { return Ok(None) };
    let mut stretch = Vec::new();
    events::each_open::<Fault>(conn, known.no, from, |place, bytes| {
        let within = events::parts(place).1 <= to;
        if within {
            stretch.push(bytes);
        }
        Ok(within)
    })?;
    let stretch = Stretch { place: events::place(known.no, from), events: stretch, signature };
    Ok(Some((stretch, old - from + 1)))
}

/// The last seq of a pack of ordinary size.
fn fitting(conn: &Connection, no: i64, from: u64) -> Result<u64, Fault> {
    let (mut fits, mut length) = (from, 0);
    events::each_open::<Fault>(conn, no, from, |place, bytes| {
        let seq = events::parts(place).1;
        length += bytes.len();
        let within = seq < from + PACK_EVENTS && (length <= PACK_BYTES || seq == from);
        if within {
            fits = seq;
        }
        Ok(within)
    })?;
    Ok(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::audit;
    use crate::app::clock::Now;
    use crate::app::start::{Opening, Starting, start};
    use crate::app::stretch::{self, Asked};
    use crate::db::{Durability, branches};
    use std::path::{Path, PathBuf};
    use tradepost_commerce::document::Sku;
    use tradepost_sync::body::{Moved, StockAdjusted};
    use tradepost_sync::event::hash_of;
    use tradepost_sync::frontier::HeadMark;
    use tradepost_sync::ids::Id;
    use tradepost_sync::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
    use tradepost_sync::signing::verify_head;

    /// A folder that goes with its test.
    struct Scratch(PathBuf);

    impl std::ops::Deref for Scratch {
        type Target = Path;

        fn deref(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn scratch(name: &str) -> Scratch {
        let dir = std::env::temp_dir().join(format!("tradepost-pack-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        Scratch(dir)
    }

    fn open(dir: &Path, wanted: &Opening) -> Node {
        let mut n = 0u8;
        let luck = Box::new(move || {
            n += 1;
            [n; 32]
        });
        let durability = Durability::Normal;
        let starting = Starting { luck, wall: 1_767_225_600_000, boot: 0, durability, accept_clock: true };
        let (node, opening) = start(dir, starting).unwrap();
        assert_eq!(&opening, wanted);
        node
    }

    fn say(node: &mut Node, now: Now, n: u64) {
        let body = StockAdjusted {
            adjustment: Id([u8::try_from(n % 251).unwrap(); 16]),
            sku: Sku("EN-001".to_owned()),
            units: 1,
            reason: "found ".repeat(usize::try_from(n % 7).unwrap()),
            approver: None,
            moved: Moved { m: 1, c: 0, o: 0 },
        };
        node.write(now, None, None, body.into()).unwrap();
    }

    /// A node with some events, in groups of one to eleven.
    fn busy(dir: &Path, events: u64) -> Node {
        let mut node = open(dir, &Opening::First);
        let now = node.now(1_767_225_600_500, 500);
        let mut n = 0;
        while n < events {
            node.begin().unwrap();
            for _ in 0..=n % 11 {
                say(&mut node, now, n);
                n += 1;
            }
            node.commit().unwrap();
        }
        node
    }

    fn pack_all(node: &mut Node, open: u64) -> u64 {
        let mut packs = 0;
        loop {
            node.begin().unwrap();
            let more = advance(node, open).unwrap();
            node.commit().unwrap();
            if !more {
                return packs;
            }
            packs += 1;
        }
    }

    fn log(node: &Node, from: u64) -> Vec<(i64, Vec<u8>)> {
        let mut log = Vec::new();
        events::each::<Fault>(node.conn(), node.me.no, from, |place, bytes| {
            log.push((place, bytes));
            Ok(true)
        })
        .unwrap();
        log
    }

    fn unpacked(node: &Node) -> i64 {
        node.conn().query_row("SELECT count(*) FROM events", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn readers_see_no_difference() {
        let dir = scratch("readers");
        let mut node = busy(&dir, 700);
        let before = log(&node, 0);
        assert!(pack_all(&mut node, 90) >= 4);
        assert!(unpacked(&node) < 90 + 128, "{} are left", unpacked(&node));
        for from in [0, 1, 2, 100, 128, 129, 350, node.head.seq - 1, node.head.seq, node.head.seq + 1] {
            let wanted = &before[usize::try_from(from.max(1) - 1).unwrap()..];
            assert_eq!(log(&node, from), wanted, "from {from}");
        }
        for (place, bytes) in &before {
            assert_eq!(events::bytes(node.conn(), *place).unwrap().as_ref(), Some(bytes));
        }
        for nowhere in [events::place(node.me.no, 0), events::place(node.me.no, node.head.seq + 1), 5] {
            assert_eq!(events::bytes(node.conn(), nowhere).unwrap(), None);
        }
        let walked = audit::walk(node.conn()).unwrap().unwrap();
        assert_eq!(walked.events, node.head.seq);
        assert!(walked.signatures >= 4);
    }

    /// Every stretch that anybody may ask for is sent, ends at a signed head and is the same events.
    #[test]
    fn packed_events_are_sent_like_any_others() {
        let dir = scratch("sent");
        let mut node = busy(&dir, 600);
        let before = log(&node, 0);
        pack_all(&mut node, 60);
        let key = node.device().public();
        for from in 1..=node.head.seq {
            for raw_to in [None, Some(from), Some((from + 40).min(node.head.seq))] {
                let asked = Asked {
                    incarnation: node.head.incarnation,
                    from,
                    events_max: BATCH_EVENTS_MAX,
                    bytes_max: BATCH_BYTES_MAX,
                    raw_to,
                };
                let batch = stretch::read(node.conn(), &asked).unwrap().expect("a stretch");
                assert_eq!(batch.from, from);
                assert!(raw_to.is_none_or(|to| batch.to() >= to));
                verify_head(&key, &batch.end(), &batch.signature).unwrap();
                let last = &before[usize::try_from(batch.to() - 1).unwrap()].1;
                assert_eq!(hash_of(last), batch.end_hash);
                assert!(stretch::holds(node.conn(), &batch.end()).unwrap());
            }
        }
        let other = HeadMark { hash: hash_of(b"another"), ..node.mark() };
        assert!(!stretch::holds(node.conn(), &HeadMark { seq: 3, ..other }).unwrap());
    }

    #[test]
    fn a_start_knows_its_memory_though_all_of_it_is_packed() {
        let dir = scratch("start");
        let mut node = busy(&dir, 300);
        pack_all(&mut node, 0);
        let (head, before) = (node.head, log(&node, 0));
        drop(node);
        let node = open(&dir, &Opening::Whole);
        assert_eq!(node.head.incarnation, head.incarnation);
        assert_eq!(log(&node, 0)[..before.len()], before);
    }

    /// Whoever holds another branch than the hub's cuts within a pack.
    #[test]
    fn a_stream_is_cut_within_a_pack() {
        let dir = scratch("cut");
        let mut node = busy(&dir, 500);
        let before = log(&node, 0);
        pack_all(&mut node, 40);
        let shared = 200;
        node.begin().unwrap();
        for (_, bytes) in before[shared..].iter().rev() {
            branches::put_aside(node.conn(), node.me.no, &events::parse(bytes).unwrap()).unwrap();
        }
        assert_eq!(log(&node, 0), before[..shared]);
        let aside = branches::aside(node.conn()).unwrap();
        assert_eq!(aside, u64::try_from(before.len() - shared).unwrap());
        // What stood before the pack that was cut is one still.
        assert!(packs::reach(node.conn(), node.me.no).unwrap() > 64);
    }

    #[test]
    fn what_is_young_stays_open_and_an_unfinished_group_changes_nothing() {
        let dir = scratch("young");
        let mut node = busy(&dir, 260);
        assert_eq!(pack_all(&mut node, 4_096), 0);
        let (before, count) = (log(&node, 0), unpacked(&node));
        node.begin().unwrap();
        assert!(advance(&mut node, 10).unwrap());
        node.give_up().unwrap();
        assert_eq!((log(&node, 0), unpacked(&node)), (before, count));
    }

    /// A pack is made on what was read a moment ago: what has changed since then stands.
    #[test]
    fn a_pack_that_comes_late_changes_nothing() {
        let dir = scratch("late");
        let mut node = busy(&dir, 400);
        let late = next(node.conn(), 40).unwrap().expect("something old");
        let again = next(node.conn(), 40).unwrap().expect("the same");
        assert_eq!(late.waiting, node.head.seq - 40);
        let before = log(&node, 0);
        node.begin().unwrap();
        assert!(put(&mut node, &late).unwrap());
        assert!(!put(&mut node, &again).unwrap(), "it lies in a pack already");
        node.commit().unwrap();
        assert_eq!(log(&node, 0), before);
        let late = next(node.conn(), 40).unwrap().expect("more that is old");
        node.begin().unwrap();
        for (_, bytes) in before[150..].iter().rev() {
            branches::put_aside(node.conn(), node.me.no, &events::parse(bytes).unwrap()).unwrap();
        }
        assert!(!put(&mut node, &late).unwrap(), "its events were cut off");
        assert_eq!(log(&node, 0), before[..150]);
    }

    /// What is freed is used again, and given back at the end where nothing uses it.
    #[test]
    fn the_file_gets_smaller_with_its_log() {
        let dir = scratch("smaller");
        let node = busy(&dir, 6_000);
        node.close().unwrap();
        let size = || std::fs::metadata(dir.join("tradepost.db")).unwrap().len();
        let fat = size();
        let mut node = open(&dir, &Opening::Whole);
        let before = log(&node, 0);
        pack_all(&mut node, 256);
        node.close().unwrap();
        assert!(size() * 2 < fat, "{} of {fat} bytes", size());
        let node = open(&dir, &Opening::Whole);
        assert_eq!(log(&node, 0)[..before.len()], before);
    }
}
