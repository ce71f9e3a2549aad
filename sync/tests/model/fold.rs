//! The fold of `model.md` §4 against a naive reading of it, and its independence of the order of arrival.

use crate::world::{HOUR, MIN, inc, sku};
use proptest::prelude::*;
use tradepost_sync::body::{CutHead, Moved, StockCounted};
use tradepost_sync::clock::Tau;
use tradepost_sync::count::{Count, Fold, Movement, latest};
use tradepost_sync::effects::MovementKind;
use tradepost_sync::ids::{Hash, Id};

const AUTHORS: [&str; 3] = ["A", "B", "C"];

fn tau() -> impl Strategy<Value = Option<Tau>> {
    let ms = prop_oneof![(0i64..40).prop_map(|m| m * MIN / 2), (0i64..8).prop_map(|h| h * HOUR)];
    prop_oneof![1 => Just(None), 6 => (prop::sample::select(vec![1u32, 1, 1, 2]), ms)
        .prop_map(|(epoch, ms)| Some(Tau::told(epoch, ms)))]
}

fn movement() -> impl Strategy<Value = Movement> {
    let kind = prop::sample::select(vec![MovementKind::Sale, MovementKind::Receipt, MovementKind::Opening]);
    (0usize..3, 1u64..30, tau(), -5i64..6, kind, prop::bool::weighted(0.1)).prop_map(
        |(author, seq, tau, units, kind, again)| Movement {
            author: inc(AUTHORS[author]),
            seq,
            tau,
            units,
            kind,
            reissued: again.then_some(Hash([1; 32])),
        },
    )
}

/// (author, seq, n, τs, minutes it took, heads at τs, how far the authors that answered both times went on, held)
type Counted = (usize, u64, u64, Option<Tau>, i64, Vec<u64>, Vec<Option<u64>>, bool);

fn counted() -> impl Strategy<Value = Counted> {
    let heads = prop::collection::vec(0u64..30, 3);
    let ends = prop::collection::vec(prop::option::of(0u64..6), 3);
    (0usize..3, 30u64..60, 0u64..20, tau(), 0i64..4, heads, ends, prop::bool::weighted(0.1))
}

fn event(c: &Counted) -> StockCounted {
    let head = |i: usize, seq| CutHead { incarnation: inc(AUTHORS[i]), seq, hash: Hash([2; 32]) };
    let ends = c.6.iter().enumerate().filter_map(|(i, more)| Some(head(i, c.5[i] + (*more)?)));
    StockCounted {
        count: Id([0; 16]),
        sku: sku(),
        n: c.2,
        tau_start: c.3,
        tau_end: c.3.map(|at| Tau { ms: at.ms + c.4 * MIN, ..at }),
        cut_start: c.5.iter().enumerate().map(|(i, seq)| head(i, *seq)).collect(),
        cut_end: ends.collect(),
        held: u64::from(c.7),
        moved: Moved::default(),
        variance: 0,
    }
}

/// §4, sentence by sentence: whether the count had the movement in it, and whether it taints it.
fn read_naively(c: &Counted, m: &Movement) -> (bool, bool) {
    let author = AUTHORS.iter().position(|name| inc(name) == m.author).unwrap();
    let opening = m.kind == MovementKind::Opening;
    // "What any of them held at τs is included, whoever wrote it." A branch that was cut off is held by nobody.
    if m.reissued.is_none() && m.seq <= c.5[author] {
        return (true, false);
    }
    // "A positive opening is taken as included, taints that count"; one below zero took away at unknown times.
    if opening {
        return (m.units > 0, true);
    }
    // "For an author who answered both, the rest is not; between its two heads it taints."
    if let Some(more) = c.6[author].filter(|_| m.reissued.is_none()) {
        return (false, m.seq <= c.5[author] + more);
    }
    // "For the other authors' further events τ decides … Unknown τ: not included if it takes away, included if it adds,
    // and it taints." τ of different epochs is unknown.
    match (m.tau, c.3) {
        (Some(at), Some(start)) if at.epoch == start.epoch => {
            let slack = 2 * MIN + 600;
            let end = start.ms + c.4 * MIN;
            (at.ms < start.ms, (start.ms - slack..=end + slack).contains(&at.ms))
        }
        _ => (m.units > 0, true),
    }
}

proptest! {
    #[test]
    fn the_fold_is_what_the_text_says(
        movements in prop::collection::vec(movement(), 0..25),
        c in prop::option::of(counted()),
    ) {
        let count = c.as_ref().map(|c| Count::of(inc(AUTHORS[c.0]), c.1, &event(c)));
        let fold = Fold::again(0, count, &movements);
        let read = |m: &Movement| c.as_ref().map_or((false, false), |c| read_naively(c, m));
        let moved: i128 = movements.iter().filter(|m| !read(m).0).map(|m| i128::from(m.units)).sum();
        prop_assert_eq!(fold.on_hand, i128::from(c.as_ref().map_or(0, |c| c.2)) + moved);
        prop_assert_eq!(fold.tainted, c.as_ref().is_some_and(|c| c.7 || movements.iter().any(|m| read(m).1)));
    }

    #[test]
    fn the_fold_does_not_depend_on_the_order_of_arrival(
        movements in prop::collection::vec(movement(), 0..20),
        counts in prop::collection::vec(counted(), 0..5),
        shuffled in Just((0..25usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        // Counts and movements arrive mixed; after each, what is kept is what folding everything again gives. No author
        // has two counts at one place.
        let count = |(k, c): (u64, &Counted)| Count::of(inc(AUTHORS[c.0]), 5 * c.1 + k, &event(c));
        let counts: Vec<Count> = (0..).zip(&counts).map(count).collect();
        let (mut fold, mut heard, mut known) = (Fold::default(), Vec::new(), Vec::<Count>::new());
        for k in shuffled {
            if k < 20 {
                if let Some(m) = movements.get(k) {
                    heard.push(*m);
                    fold.moved(m);
                }
            } else if let Some(count) = counts.get(k - 20) {
                known.push(count.clone());
                fold = Fold::again(0, latest(&known).cloned(), &heard);
            }
        }
        prop_assert_eq!(fold, Fold::again(0, latest(&counts).cloned(), &movements));
    }
}
