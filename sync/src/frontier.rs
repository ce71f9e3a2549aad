//! The frontier: per incarnation, how far a replica's log reaches (`model.md` §6).
//!
//! Streams are gapless, so a frontier is heads only: a version vector (`crdts::VClock`) of seqs, with the hash at
//! each head beside it, by which forks show.

use crate::ids::{Hash, Incarnation};
use crdts::{CmRDT, CvRDT, VClock};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One stream's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadMark {
    /// Whose stream.
    pub incarnation: Incarnation,
    /// Seq of the last event held.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
}

/// How far a replica's log reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    clock: VClock<Incarnation>,
    hashes: BTreeMap<Incarnation, Hash>,
}

impl Frontier {
    /// A frontier from heads. Of two heads of one stream the further counts.
    pub fn from_heads(heads: impl IntoIterator<Item = HeadMark>) -> Self {
        let mut frontier = Self::default();
        heads.into_iter().for_each(|head| frontier.advance(head));
        frontier
    }

    /// Seq of the last event held of a stream; 0 for none.
    pub fn seq(&self, incarnation: &Incarnation) -> u64 {
        self.clock.get(incarnation)
    }

    /// The end of a stream, where anything is held of it.
    pub fn head(&self, incarnation: &Incarnation) -> Option<HeadMark> {
        let hash = *self.hashes.get(incarnation)?;
        Some(HeadMark { incarnation: *incarnation, seq: self.seq(incarnation), hash })
    }

    /// Every stream's end, by incarnation.
    pub fn heads(&self) -> impl Iterator<Item = HeadMark> + '_ {
        self.hashes.iter().map(|(incarnation, hash)| HeadMark {
            incarnation: *incarnation,
            seq: self.seq(incarnation),
            hash: *hash,
        })
    }

    /// Moves a stream's end on; a lower head changes nothing.
    pub fn advance(&mut self, head: HeadMark) {
        if head.seq > self.seq(&head.incarnation) {
            self.clock.apply(self.clock.inc(head.incarnation).dot_at(head.seq));
            self.hashes.insert(head.incarnation, head.hash);
        }
    }

    /// Takes in all that another frontier holds.
    pub fn join(&mut self, other: &Self) {
        for head in other.heads() {
            self.advance(head);
        }
        self.clock.merge(other.clock.clone());
    }

    /// Whether everything `other` holds is held here.
    pub fn covers(&self, other: &Self) -> bool {
        self.clock >= other.clock
    }

    /// A hash over all heads, by which two frontiers are compared without being sent.
    pub fn digest(&self) -> Hash {
        let mut hasher = blake3::Hasher::new_derive_key("tradepost frontier digest v1");
        for head in self.heads() {
            hasher.update(&head.incarnation.0);
            hasher.update(&head.seq.to_le_bytes());
            hasher.update(&head.hash.0);
        }
        Hash(*hasher.finalize().as_bytes())
    }
}

/// `VClock` steps by one; a gapless stream may be taken in many at a time.
trait DotAt {
    fn dot_at(self, counter: u64) -> crdts::Dot<Incarnation>;
}

impl DotAt for crdts::Dot<Incarnation> {
    fn dot_at(self, counter: u64) -> crdts::Dot<Incarnation> {
        crdts::Dot::new(self.actor, counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mark(i: u8, seq: u64) -> HeadMark {
        HeadMark {
            incarnation: Incarnation([i; 16]),
            seq,
            hash: Hash([u8::try_from(seq % 251).unwrap(); 32]),
        }
    }

    fn any_frontier() -> impl Strategy<Value = Frontier> {
        prop::collection::vec((0u8..5, 1u64..50), 0..8)
            .prop_map(|heads| Frontier::from_heads(heads.into_iter().map(|(i, seq)| mark(i, seq))))
    }

    proptest! {
        #[test]
        fn joining_is_commutative_associative_and_idempotent(a in any_frontier(), b in any_frontier(), c in any_frontier()) {
            let join = |x: &Frontier, y: &Frontier| { let mut z = x.clone(); z.join(y); z };
            prop_assert_eq!(join(&a, &b), join(&b, &a));
            prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
            prop_assert_eq!(join(&a, &a), a.clone());
            prop_assert!(join(&a, &b).covers(&a));
        }

        #[test]
        fn equal_frontiers_have_equal_digests_and_others_do_not(a in any_frontier(), b in any_frontier()) {
            prop_assert_eq!(a == b, a.digest() == b.digest());
        }
    }

    #[test]
    fn a_lower_head_changes_nothing() {
        let mut frontier = Frontier::from_heads([mark(1, 9)]);
        frontier.advance(mark(1, 3));
        assert_eq!(frontier.head(&Incarnation([1; 16])), Some(mark(1, 9)));
    }
}
