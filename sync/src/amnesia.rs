//! Whether a memory is still the one that wrote the log: at the start by the sidecar, at the handshake by what the
//! other side knows (`model.md` §3, Amnesia). An incarnation that lost memory is dead.

use crate::frontier::HeadMark;
use crate::ids::{Hash, Incarnation};
use serde::{Deserialize, Serialize};

/// One slot of the sidecar, as read: none where its checksum doesn't hold.
pub type Slot = Option<HeadMark>;

/// Of the two alternating slots the one that was written last; none where neither is readable. Within an incarnation
/// that is the higher seq; `newer` tells the slot that carries the higher write counter where the incarnations differ.
pub fn noted(slots: [Slot; 2], newer: usize) -> Slot {
    match slots {
        [Some(a), Some(b)] if a.incarnation == b.incarnation => Some(if a.seq >= b.seq { a } else { b }),
        [Some(a), Some(b)] => Some(if newer == 0 { a } else { b }),
        [a, b] => a.or(b),
    }
}

/// What the database says at a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// The present incarnation's head.
    pub head: HeadMark,
    /// The hash of the event at the place that the sidecar noted, in the log of the incarnation it noted; none where
    /// there is no such event.
    pub hash_at_noted: Option<Hash>,
    /// Group commits behind the noted place.
    pub commits_after: u64,
    /// The sidecar notes the incarnation that was the present one just before, and the present one began in the next
    /// group commit.
    pub took_over: bool,
}

/// What a start found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Opening {
    /// Nothing was here: a first start.
    First,
    /// The memory is whole.
    Whole,
    /// The database lost memory: a new incarnation goes on, with zero rights and a new receipt series.
    Restored(Amnesia),
}

/// How lost memory showed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Amnesia {
    /// The sidecar has seen more than the log holds, or something else at that place.
    Behind {
        /// Of the sidecar.
        sidecar: u64,
        /// Of the log.
        log: u64,
    },
    /// The log is further than a crash between commit and sidecar explains.
    Ahead {
        /// Of the sidecar.
        sidecar: u64,
        /// Of the log.
        log: u64,
    },
    /// A log without its sidecar.
    NoSidecar,
    /// The database was damaged and put aside.
    Damaged(String),
    /// The database was gone, the sidecar was not.
    NoLog,
}

/// The verdict at a start, on a database that reads.
pub fn at_start(log: Option<Log>, noted: Slot) -> Opening {
    let (log, noted) = match (log, noted) {
        (None, None) => return Opening::First,
        (None, Some(_)) => return Opening::Restored(Amnesia::NoLog),
        (Some(log), None) if log.head.seq == 0 => return Opening::Whole,
        (Some(_), None) => return Opening::Restored(Amnesia::NoSidecar),
        (Some(log), Some(noted)) => (log, noted),
    };
    let (at_sidecar, at_log) = (noted.seq, log.head.seq);
    let behind = Opening::Restored(Amnesia::Behind { sidecar: at_sidecar, log: at_log });
    let known = at_sidecar == 0 || log.hash_at_noted == Some(noted.hash);
    if noted.incarnation != log.head.incarnation {
        return if log.took_over && known { Opening::Whole } else { behind };
    }
    if at_log < at_sidecar || !known {
        return behind;
    }
    // One group commit may stand between the two: that is a crash, not a restore.
    if log.commits_after > 1 {
        return Opening::Restored(Amnesia::Ahead { sidecar: at_sidecar, log: at_log });
    }
    Opening::Whole
}

/// Why an incarnation fences itself at a handshake: it sends nothing more and comes back as a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SelfFence {
    /// The other side knows more of it than it does itself.
    #[error("{peer} holds {theirs} events of this incarnation, it has {ours} itself")]
    PeerKnowsMore {
        /// Who.
        peer: Incarnation,
        /// Its head of this stream.
        theirs: u64,
        /// The own head.
        ours: u64,
    },
    /// The other side has another event at a place that it wrote.
    #[error("{peer} holds another event at {seq}")]
    OtherBranch {
        /// Who.
        peer: Incarnation,
        /// Where.
        seq: u64,
    },
    /// The hub's roster says so.
    #[error("fenced by the hub")]
    Fenced,
}

/// The verdict at a handshake: `theirs` is the head that the peer holds of this stream, `hash_at` the own log.
pub fn at_handshake(
    own: &HeadMark,
    peer: Incarnation,
    theirs: Option<&HeadMark>,
    hash_at: impl Fn(u64) -> Option<Hash>,
) -> Result<(), SelfFence> {
    let Some(theirs) = theirs.filter(|head| head.seq > 0) else { return Ok(()) };
    if theirs.seq > own.seq {
        return Err(SelfFence::PeerKnowsMore { peer, theirs: theirs.seq, ours: own.seq });
    }
    if hash_at(theirs.seq).is_some_and(|ours| ours != theirs.hash) {
        return Err(SelfFence::OtherBranch { peer, seq: theirs.seq });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Incarnation = Incarnation([1; 16]);
    const OTHER: Incarnation = Incarnation([2; 16]);

    fn mark(incarnation: Incarnation, seq: u64) -> HeadMark {
        HeadMark { incarnation, seq, hash: hash(seq) }
    }

    fn hash(seq: u64) -> Hash {
        Hash([u8::try_from(seq % 251).unwrap(); 32])
    }

    fn log(seq: u64, noted: u64, commits_after: u64) -> Log {
        let hash_at_noted = (noted <= seq && noted > 0).then(|| hash(noted));
        Log { head: mark(ME, seq), hash_at_noted, commits_after, took_over: false }
    }

    #[test]
    fn verdicts_at_a_start() {
        let behind = |sidecar, log| Opening::Restored(Amnesia::Behind { sidecar, log });
        let forked = Log { hash_at_noted: Some(Hash([99; 32])), ..log(9, 9, 0) };
        let changed = Log { took_over: true, hash_at_noted: Some(hash(9)), ..log(1, 9, 0) };
        let stories = [
            (None, None, Opening::First),
            (None, Some(mark(ME, 3)), Opening::Restored(Amnesia::NoLog)),
            (Some(log(0, 0, 0)), None, Opening::Whole),
            (Some(log(9, 0, 0)), None, Opening::Restored(Amnesia::NoSidecar)),
            (Some(log(9, 9, 0)), Some(mark(ME, 9)), Opening::Whole),
            (Some(log(9, 8, 1)), Some(mark(ME, 8)), Opening::Whole),
            (Some(log(9, 4, 3)), Some(mark(ME, 4)), Opening::Restored(Amnesia::Ahead { sidecar: 4, log: 9 })),
            (Some(log(8, 9, 0)), Some(mark(ME, 9)), behind(9, 8)),
            (Some(forked), Some(mark(ME, 9)), behind(9, 9)),
            (Some(log(9, 9, 0)), Some(mark(OTHER, 9)), behind(9, 9)),
            (Some(changed), Some(mark(OTHER, 9)), Opening::Whole),
        ];
        for (log, noted, expected) in stories {
            assert_eq!(at_start(log, noted), expected, "{log:?} {noted:?}");
        }
    }

    #[test]
    fn of_two_slots_the_last_readable_one_counts() {
        let (old, new) = (Some(mark(ME, 7)), Some(mark(ME, 8)));
        assert_eq!(noted([old, new], 0), new);
        assert_eq!(noted([old, None], 1), old);
        assert_eq!(noted([None, None], 0), None);
        assert_eq!(noted([Some(mark(OTHER, 70)), new], 1), new);
    }

    #[test]
    fn verdicts_at_a_handshake() {
        let own = mark(ME, 9);
        let at = |head: Option<HeadMark>| at_handshake(&own, OTHER, head.as_ref(), |seq| Some(hash(seq)));
        assert_eq!(at(None), Ok(()));
        assert_eq!(at(Some(mark(ME, 9))), Ok(()));
        let more = SelfFence::PeerKnowsMore { peer: OTHER, theirs: 10, ours: 9 };
        assert_eq!(at(Some(mark(ME, 10))), Err(more));
        let other = HeadMark { hash: Hash([99; 32]), ..mark(ME, 5) };
        assert_eq!(at(Some(other)), Err(SelfFence::OtherBranch { peer: OTHER, seq: 5 }));
    }
}
