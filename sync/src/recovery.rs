//! The hub is a replica too: how it knows that it was restored, what it may do while it recovers, when that ends and
//! what becomes of the old `H_s` (`model.md` §3, The hub is a replica too).

use crate::amnesia::SelfFence;
use crate::barrier::{Barrier, BarrierRefusal};
use crate::clock::Tau;
use crate::fence::{WaitRefusal, Waits};
use crate::ids::{Hash, Incarnation};
use crate::terms::Cap;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a hub finds at its start, beside its database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Found {
    /// The last n that the database holds of each process's journal.
    pub database: BTreeMap<u32, u64>,
    /// The last n in each process's journal; none where the journal is missing or can't be read to its end.
    pub journals: BTreeMap<u32, Option<u64>>,
    /// The journal may be left out: a synchronous standby stands in for it.
    pub without_journal: bool,
    /// The database's system identifier and timeline, as the database tells them and as they were noted last.
    pub identity: (String, Option<String>),
}

/// What a start means for a hub.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Start {
    /// Nothing is missing.
    Whole,
    /// A crash between database and journal: the journals of these processes are completed from the database.
    Complete(BTreeMap<u32, u64>),
    /// The database was put back: the journals are replayed, a new epoch begins, the hub recovers.
    Restored(Vec<Sign>),
}

/// By what a restored database showed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Sign {
    /// A process's journal holds more than the database.
    JournalAhead {
        /// The process.
        process: u32,
        /// Of the journal.
        journal: u64,
        /// Of the database.
        database: u64,
    },
    /// A process's journal is missing or ends unreadably.
    JournalMissing {
        /// The process.
        process: u32,
    },
    /// Another system identifier or timeline.
    OtherDatabase,
    /// A node holds more of `H_s` than the hub, or something else in its place.
    NodeKnowsMore {
        /// Who.
        who: Incarnation,
        /// What it holds.
        theirs: u64,
        /// What the hub holds.
        ours: u64,
    },
    /// A node holds a catalog version that the hub has not published: (epoch, version).
    NodeKnowsCatalog {
        /// Who.
        who: Incarnation,
        /// What it holds.
        theirs: (u32, u64),
        /// What the hub holds.
        ours: (u32, u64),
    },
}

/// The verdict at a start of the hub.
pub fn at_start(found: &Found) -> Start {
    let mut signs = Vec::new();
    let mut behind = BTreeMap::new();
    if found.identity.1.as_ref().is_some_and(|noted| *noted != found.identity.0) {
        signs.push(Sign::OtherDatabase);
    }
    let processes: BTreeSet<u32> = found.database.keys().chain(found.journals.keys()).copied().collect();
    for process in processes.into_iter().filter(|_| !found.without_journal) {
        let database = found.database.get(&process).copied().unwrap_or(0);
        match found.journals.get(&process).copied().flatten() {
            Some(journal) if journal > database => {
                signs.push(Sign::JournalAhead { process, journal, database });
            }
            Some(journal) if journal < database => {
                behind.insert(process, journal);
            }
            Some(_) => {}
            None => signs.push(Sign::JournalMissing { process }),
        }
    }
    match (signs.is_empty(), behind.is_empty()) {
        (false, _) => Start::Restored(signs),
        (true, false) => Start::Complete(behind),
        (true, true) => Start::Whole,
    }
}

/// The verdict at a handshake: a node holds more of `H_s`, or another hash, and the hub was restored.
pub fn at_handshake(who: Incarnation, verdict: Result<(), SelfFence>, ours: u64) -> Option<Sign> {
    match verdict {
        Ok(()) | Err(SelfFence::Fenced) => None,
        Err(SelfFence::PeerKnowsMore { theirs, .. }) => Some(Sign::NodeKnowsMore { who, theirs, ours }),
        Err(SelfFence::OtherBranch { seq, .. }) => Some(Sign::NodeKnowsMore { who, theirs: seq, ours }),
    }
}

/// What a hub does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HubDeed {
    /// Taking facts from nodes.
    Receive,
    /// Rights given to a node.
    Grant,
    /// A lease.
    Lease,
    /// A reservation ended because its time is over.
    Expire,
    /// A forced takeover.
    TakeOver,
    /// Somebody retired.
    Retire,
    /// A fenced incarnation resolved.
    Resolve,
    /// A surplus minted.
    Mint,
    /// A web order promised.
    Promise,
    /// A barrier that ends the recovering.
    Barrier,
    /// Somebody fenced.
    Fence,
}

/// Whether a hub may do it while it recovers: it only receives, fences, and asks for the barrier that ends it.
pub fn may(deed: HubDeed) -> bool {
    matches!(deed, HubDeed::Receive | HubDeed::Barrier | HubDeed::Fence)
}

/// A hub that recovers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Recovering {
    /// By what it knew.
    pub signs: Vec<Sign>,
    /// The old `H_s`.
    pub old: Incarnation,
    /// Every process's journal was read to its end.
    pub journals_whole: bool,
    /// Everybody known from any roster, journal, stream or handshake.
    pub known: BTreeSet<Incarnation>,
    /// The furthest that anyone holds of the old `H_s`: whose copy is taken.
    pub best: Option<(Incarnation, Cap)>,
}

/// Why recovering doesn't end yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StillRecovering {
    /// Somebody's lease and margin may still run.
    #[error(transparent)]
    Wait(#[from] WaitRefusal),
    /// The barrier isn't ready.
    #[error(transparent)]
    Barrier(#[from] BarrierRefusal),
    /// The barrier doesn't ask everybody known.
    #[error("the barrier does not ask {who}")]
    NotAsked {
        /// Who is left out.
        who: Incarnation,
    },
    /// Somebody holds more of the old `H_s` than the hub has read.
    #[error("of the old hub's log {needed} is held elsewhere, {held} here")]
    OldLogMissing {
        /// The furthest that anyone holds.
        needed: u64,
        /// What the hub has of it.
        held: u64,
    },
}

/// What becomes of the rights of the old `H_s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OldRights {
    /// Its log is whole: they are minted anew, exactly.
    Move,
    /// They are suspended, to be resolved by a count and the payment provider's list.
    Suspended,
}

impl Recovering {
    /// Recovering begins: all waits start anew for everybody known.
    pub fn begin(
        signs: Vec<Sign>,
        old: Incarnation,
        journals_whole: bool,
        known: BTreeSet<Incarnation>,
        waits: &mut Waits,
        lease_ms: i64,
        now: Tau,
    ) -> Self {
        waits.restart(known.iter().copied(), lease_ms, now);
        Self { signs, old, journals_whole, known, best: None }
    }

    /// Somebody connects and tells how far it holds the old `H_s`. Who was not known gets a wait of its own.
    pub fn meets(
        &mut self,
        who: Incarnation,
        old_head: Option<Cap>,
        waits: &mut Waits,
        lease_ms: i64,
        now: Tau,
    ) {
        if self.known.insert(who) {
            waits.renewed(who, lease_ms, now);
        }
        if let Some(head) = old_head
            && self.best.is_none_or(|(_, best)| head.seq > best.seq)
        {
            self.best = Some((who, head));
        }
    }

    /// Whether it may end: the waits are over, everybody known and unfenced was asked, the barrier is ready and the old
    /// log is here as far as anyone holds it. `fenced` are those whom the old log or a manager has fenced.
    ///
    /// # Errors
    /// [`StillRecovering`].
    pub fn may_end(
        &self,
        barrier: &Barrier,
        fenced: &BTreeSet<Incarnation>,
        waits: &Waits,
        now: Tau,
        held: impl Fn(&Incarnation) -> u64,
    ) -> Result<OldRights, StillRecovering> {
        for who in self.known.iter().filter(|who| **who != self.old) {
            waits.check(*who, now)?;
            if !barrier.members.contains(who) && !fenced.contains(who) {
                return Err(StillRecovering::NotAsked { who: *who });
            }
        }
        let (needed, have) = (self.best.map_or(0, |(_, head)| head.seq), held(&self.old));
        if have < needed {
            return Err(StillRecovering::OldLogMissing { needed, held: have });
        }
        barrier.ready(held)?;
        Ok(if self.journals_whole { OldRights::Move } else { OldRights::Suspended })
    }

    /// Whoever turns up after the end and was no member is fenced, and capped at what the members held of it; it comes
    /// back as a new incarnation.
    pub fn late(barrier: &Barrier, who: &Incarnation) -> Option<Cap> {
        if barrier.members.contains(who) {
            return None;
        }
        let held = barrier.frontier().into_iter().find(|head| head.incarnation == *who);
        Some(held.map_or(Cap { seq: 0, hash: Hash::ZERO }, |head| Cap { seq: head.seq, hash: head.hash }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(database: u64, journal: Option<u64>) -> Found {
        Found {
            database: BTreeMap::from([(1, database)]),
            journals: BTreeMap::from([(1, journal)]),
            without_journal: false,
            identity: ("pg-7".into(), Some("pg-7".into())),
        }
    }

    #[test]
    fn how_a_hub_knows_that_it_was_restored() {
        assert_eq!(at_start(&found(9, Some(9))), Start::Whole);
        assert_eq!(at_start(&found(9, Some(8))), Start::Complete(BTreeMap::from([(1, 8)])));
        let ahead = Sign::JournalAhead { process: 1, journal: 12, database: 9 };
        assert_eq!(at_start(&found(9, Some(12))), Start::Restored(vec![ahead]));
        let missing = Start::Restored(vec![Sign::JournalMissing { process: 1 }]);
        assert_eq!(at_start(&found(9, None)), missing);
        assert_eq!(at_start(&Found { without_journal: true, ..found(9, None) }), Start::Whole);
        let other = Found { identity: ("pg-8".into(), Some("pg-7".into())), ..found(9, Some(9)) };
        assert_eq!(at_start(&other), Start::Restored(vec![Sign::OtherDatabase]));
    }
}
