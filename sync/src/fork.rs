//! Forks: two events at one place of a stream (`model.md` §3, Forks). The branch that the hub accepted first is
//! canonical; the others cut back to the fork, put the rest aside and rebuild.

use crate::body::{Body, BranchCut, CutHead, Moved, SaleCommitted};
use crate::event::{Envelope, Reissue};
use crate::ids::{Hash, Incarnation};
use crate::rights::Rights;
use std::collections::{BTreeMap, BTreeSet};
use tradepost_commerce::document::Sku;

/// The last seq that two branches of one stream share; `ours` and `theirs` tell the hash at a seq, none beyond the
/// branch. Both are hash chains, so the first place where they differ is found by halving.
pub fn last_shared(
    reach: u64,
    ours: impl Fn(u64) -> Option<Hash>,
    theirs: impl Fn(u64) -> Option<Hash>,
) -> u64 {
    let same = |seq: u64| match (ours(seq), theirs(seq)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    };
    let (mut shared, mut beyond) = (0, reach.saturating_add(1));
    while beyond - shared > 1 {
        let middle = shared + (beyond - shared) / 2;
        if same(middle) {
            shared = middle;
        } else {
            beyond = middle;
        }
    }
    shared
}

/// What a replica says in the same transaction in which it cuts a branch off: where its own rights came from that
/// branch and were used, it makes them good by `M += d, O += d`, d = −r. None where it has nothing to make good.
/// `items` is the state after the cut.
pub fn make_good<'a>(
    me: &Incarnation,
    cut: Incarnation,
    fork: CutHead,
    items: impl IntoIterator<Item = (&'a Sku, &'a Rights)>,
) -> Option<BranchCut> {
    let missing = |(sku, rights): (&Sku, &Rights)| {
        let units = rights.missing(me);
        (units > 0).then(|| (sku.clone(), units))
    };
    let made_good: Vec<(Sku, u64)> = items.into_iter().filter_map(missing).collect();
    (!made_good.is_empty()).then_some(BranchCut { incarnation: cut, fork, made_good })
}

/// The mark under which a fact of a branch that was cut off is said again by the new incarnation: the original
/// (incarnation, seq, hash), hub time and wall clock. A fact that was itself said again keeps its first origin.
pub fn reissue_of(envelope: &Envelope, hash: Hash) -> Reissue {
    envelope.reissue.unwrap_or(Reissue {
        incarnation: envelope.incarnation,
        seq: envelope.seq,
        hash,
        tau: envelope.tau,
        wall: envelope.wall,
    })
}

/// The body of a sale that is said again: the whole document with its ids and numbers, all goods as overdraw, like a
/// sale in hand; the rights that it used stay with the branch that was cut off.
pub fn sale_said_again(sale: &SaleCommitted) -> SaleCommitted {
    let mut again = sale.clone();
    again.moved.iter_mut().for_each(owes);
    again
}

/// What is to be said again of a fact of a branch that was cut off: money, goods, promises that ended and shifts are real
/// whoever remembers them, with everything printed. Goods that left are overdraw, goods that came mint nothing, a count
/// burns nothing; rights, custody and what is said of the incarnation itself went with the branch: none.
pub fn said_again(body: &Body) -> Option<Body> {
    let mut again = body.clone();
    match &mut again {
        Body::SaleCommitted(sale) => **sale = sale_said_again(sale),
        Body::RefundCommitted(refund) => refund.moved.iter_mut().for_each(owes),
        Body::DeliveryReceived(delivery) => delivery.lines.iter_mut().for_each(|line| owes(&mut line.moved)),
        Body::TransferShipped(transfer) => transfer.lines.iter_mut().for_each(|line| owes(&mut line.moved)),
        Body::TransferReceived(transfer) => transfer.lines.iter_mut().for_each(|line| owes(&mut line.moved)),
        Body::StockAdjusted(adjusted) => owes(&mut adjusted.moved),
        Body::ReservationCancelled(done) => owes(&mut done.moved),
        Body::ReservationExpired(done) => owes(&mut done.moved),
        Body::StockCounted(counted) => counted.moved = Moved::default(),
        Body::ReservationFulfilled(_)
        | Body::ShiftOpened(_)
        | Body::ShiftClosed(_)
        | Body::PaymentSettled(_)
        | Body::ReceivableCollected(_)
        | Body::CashMoved(_)
        | Body::DrawerOpened(_)
        | Body::CopyPrinted(_)
        | Body::OverrideUsed(_)
        | Body::CustomerCreated(_)
        | Body::CustomerChanged(_) => {}
        _ => return None,
    }
    Some(again)
}

/// What a line took of rights is owed, what it minted is not.
fn owes(moved: &mut Moved) {
    *moved = Moved { m: 0, c: 0, o: moved.c.saturating_add(moved.o) };
}

/// Which of a losing branch's facts are to be said again: those whose original hash nobody said again before, each
/// once.
pub fn to_reissue<'a>(
    lost: impl IntoIterator<Item = (&'a Envelope, Hash)>,
    said_again: &BTreeSet<Hash>,
) -> Vec<Reissue> {
    let mut once = said_again.clone();
    let marks = lost.into_iter().map(|(envelope, hash)| reissue_of(envelope, hash));
    marks.filter(|mark| once.insert(mark.hash)).collect()
}

/// Which saying of a re-issued fact counts: the one by the smallest (incarnation, seq), and none where the original
/// itself stands in the canonical log. A pure function of the set, so that every replica counts the same one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SaidAgain {
    by_hash: BTreeMap<Hash, BTreeSet<(Incarnation, u64)>>,
}

impl SaidAgain {
    /// Notes a saying; tells whether another one counted until now, so that what it did must be folded again.
    pub fn note(&mut self, original: Hash, by: (Incarnation, u64)) -> bool {
        let sayings = self.by_hash.entry(original).or_default();
        let first = sayings.first().copied();
        sayings.insert(by);
        first.is_some_and(|first| by < first)
    }

    /// Whether this saying counts.
    pub fn counts(&self, original: &Hash, by: &(Incarnation, u64)) -> bool {
        self.by_hash.get(original).and_then(BTreeSet::first).is_none_or(|first| first == by)
    }

    /// Every original that was said again.
    pub fn originals(&self) -> BTreeSet<Hash> {
        self.by_hash.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::{RightsSettled, StockAdjusted, StockCounted};
    use crate::ids::Id;

    fn branch(len: u64, other_from: u64) -> impl Fn(u64) -> Option<Hash> {
        move |seq| {
            let tail = u8::from(seq >= other_from);
            (1..=len).contains(&seq).then(|| Hash([u8::try_from(seq).unwrap() + 100 * tail; 32]))
        }
    }

    #[test]
    fn the_fork_is_found() {
        for fork in 0..=20 {
            assert_eq!(last_shared(20, branch(20, 99), branch(25, fork + 1)), fork);
        }
        assert_eq!(last_shared(0, branch(0, 1), branch(9, 1)), 0);
    }

    #[test]
    fn goods_that_left_are_owed_and_goods_that_came_mint_nothing() {
        let adjusted = |units: i64, moved: Moved| {
            Body::from(StockAdjusted {
                adjustment: Id([1; 16]),
                sku: Sku("MILK".into()),
                units,
                reason: "waste".into(),
                approver: None,
                moved,
            })
        };
        let left = adjusted(-3, Moved { m: 0, c: 2, o: 1 });
        assert_eq!(said_again(&left), Some(adjusted(-3, Moved { m: 0, c: 0, o: 3 })));
        let came = adjusted(4, Moved { m: 4, c: 0, o: 0 });
        assert_eq!(said_again(&came), Some(adjusted(4, Moved::default())));
        let settled = RightsSettled { sku: Sku("MILK".into()), units: 1 };
        assert_eq!(said_again(&settled.into()), None, "rights went with the branch");
    }

    #[test]
    fn a_count_burns_nothing_where_it_is_said_again() {
        let counted = |c: u64| {
            Body::from(StockCounted {
                count: Id([1; 16]),
                sku: Sku("MILK".into()),
                n: 7,
                tau_start: None,
                tau_end: None,
                cut_start: vec![CutHead { incarnation: Incarnation([1; 16]), seq: 9, hash: Hash([9; 32]) }],
                cut_end: Vec::new(),
                held: 0,
                moved: Moved { m: 0, c, o: 0 },
                variance: -2,
            })
        };
        assert_eq!(said_again(&counted(2)), Some(counted(0)), "those rights went with the branch");
    }

    #[test]
    fn a_fact_counts_once_whoever_says_it_again() {
        let (a, b) = ((Incarnation([1; 16]), 3), (Incarnation([2; 16]), 9));
        let original = Hash([7; 32]);
        let (mut one, mut other) = (SaidAgain::default(), SaidAgain::default());
        assert!(!one.note(original, a) && !one.note(original, b));
        assert!(!other.note(original, b) && other.note(original, a));
        assert_eq!(one, other);
        assert!(one.counts(&original, &a) && !one.counts(&original, &b));
    }
}
