//! Counting while others sell: on_hand as a pure function of a grow-only set of facts (`model.md` §4).
//!
//! A count is no absolute write. It has a cut (what the answering nodes held when it began and when it ended), and
//! every movement is judged against it: included in what was counted, or not, and whether it leaves the count in
//! doubt. A replica keeps a [`Fold`]: a new movement is judged alone, a new latest count is folded again from the
//! log's movements. The fold doesn't depend on the order in which facts arrive.

use crate::body::{CutHead, StockCounted};
use crate::clock::{TAU_AGE_MS, Tau};
use crate::effects::{LedgerEffect, MovementKind};
use crate::event::Envelope;
use crate::frontier::Frontier;
use crate::ids::{Hash, Incarnation};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long goods may lie in a basket between shelf and sale.
pub const DWELL_MS: i64 = 2 * 60 * 1000;
/// How far two clocks part, in parts of a million.
pub const DRIFT_PPM: i64 = 500;

/// One movement of goods, as far as a count asks about it. A fact said again keeps its original author, seq and hub
/// time here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Movement {
    /// Who wrote it, originally.
    pub author: Incarnation,
    /// Its original place.
    pub seq: u64,
    /// Hub time, where its author knew it.
    pub tau: Option<Tau>,
    /// Base units, in or out.
    pub units: i64,
    /// Why.
    pub kind: MovementKind,
    /// The original hash, for a fact said again: it lay on a branch that was cut off, so no head covers it.
    pub reissued: Option<Hash>,
}

impl Movement {
    /// The movement that a ledger effect of an event is.
    pub fn of(envelope: &Envelope, effect: &LedgerEffect) -> Self {
        let (units, kind) = (effect.units, effect.kind);
        match &envelope.reissue {
            Some(first) => Self {
                author: first.incarnation,
                seq: first.seq,
                tau: first.tau,
                units,
                kind,
                reissued: Some(first.hash),
            },
            None => Self {
                author: envelope.incarnation,
                seq: envelope.seq,
                tau: envelope.tau,
                units,
                kind,
                reissued: None,
            },
        }
    }
}

/// A head within a count's cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reach {
    /// Up to here.
    pub seq: u64,
    /// With this hash.
    pub hash: Hash,
}

/// A count of one sku, with its place in the log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Count {
    /// Who counted.
    pub author: Incarnation,
    /// Its place in the author's log.
    pub seq: u64,
    /// Base units found.
    pub n: u64,
    /// τs.
    pub start: Option<Tau>,
    /// τe.
    pub end: Option<Tau>,
    /// What the answering nodes held at τs: heads of every author.
    cut_start: BTreeMap<Incarnation, Reach>,
    /// The own heads at τe of the authors that answered both times.
    cut_end: BTreeMap<Incarnation, Reach>,
    /// Authors of whom the cut holds a branch that was cut off: up to the fork only.
    forked: BTreeMap<Incarnation, u64>,
    /// Rights lay in carts at τs or τe.
    held: bool,
}

/// What a count makes of a movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The goods were counted with it (or without it, if it took them away): it moves on_hand no more.
    pub included: bool,
    /// It leaves the count in doubt: the count burns, never mints, and asks for a recount.
    pub taints: bool,
}

impl Judgement {
    const INCLUDED: Self = Self { included: true, taints: false };
    const AFTER: Self = Self { included: false, taints: false };
}

impl Count {
    /// A count as its event froze it. In `cut_end` stand the authors that answered at both times, and no others: of
    /// whoever is missing there, hub time decides.
    pub fn of(author: Incarnation, seq: u64, counted: &StockCounted) -> Self {
        Self {
            author,
            seq,
            n: counted.n,
            start: counted.tau_start,
            end: counted.tau_end,
            cut_start: heads(&counted.cut_start),
            cut_end: heads(&counted.cut_end),
            forked: BTreeMap::new(),
            held: counted.held > 0,
        }
    }

    /// Judges the cut's heads by the canonical branches: `hash_at` tells the hash that the canonical log of an author
    /// has at a seq (none where it isn't held), `fork_of` the last seq that its branches share. Whether anything
    /// changed is the answer; then the count is to be folded again.
    pub fn settle_branches(
        &mut self,
        hash_at: impl Fn(&Incarnation, u64) -> Option<Hash>,
        fork_of: impl Fn(&Incarnation) -> Option<u64>,
    ) -> bool {
        let heads = self.cut_start.iter().chain(&self.cut_end);
        let off = heads.filter(|(i, head)| hash_at(i, head.seq).is_some_and(|known| known != head.hash));
        let forked: BTreeMap<Incarnation, u64> = off.map(|(i, _)| (*i, fork_of(i).unwrap_or(0))).collect();
        let changed = forked != self.forked;
        self.forked = forked;
        changed
    }

    /// Judges one movement (`model.md` §4).
    pub fn judge(&self, m: &Movement) -> Judgement {
        if m.reissued.is_none() {
            if m.seq <= self.start_of(&m.author) {
                return Judgement::INCLUDED;
            }
            if m.kind != MovementKind::Opening
                && let Some(end) = self.answered(&m.author)
            {
                return Judgement { taints: m.seq <= end, ..Judgement::AFTER };
            }
        }
        self.judge_by_time(m)
    }

    /// For authors that didn't answer: hub time decides. What isn't comparable is taken so that nothing is promised
    /// twice: what takes away is subtracted again, what adds isn't added again, and either taints.
    fn judge_by_time(&self, m: &Movement) -> Judgement {
        let doubtful = Judgement { included: m.units > 0, taints: true };
        if m.kind == MovementKind::Opening {
            return doubtful;
        }
        let (Some(at), Some(start), Some(end)) = (m.tau, self.start, self.end) else { return doubtful };
        let (Some(included), Some(after)) = (at.before(start), end.before(at)) else { return doubtful };
        let (from, until) =
            (start.ms.saturating_sub(margin(at, start)), end.ms.saturating_add(margin(at, end)));
        let near = at.ms >= from && at.ms <= until;
        Judgement { included: included && !after, taints: near }
    }

    /// Whether an event said a fact again and was itself held when the count began: then its goods were counted, whatever
    /// its original place.
    pub fn held_said_again(&self, envelope: &Envelope) -> bool {
        envelope.reissue.is_some() && envelope.seq <= self.start_of(&envelope.incarnation)
    }

    /// Up to where an author's events were held when the count began: folding again starts behind it.
    pub fn reaches(&self, author: &Incarnation) -> u64 {
        self.start_of(author)
    }

    /// Up to where an author's events were held when the count began.
    fn start_of(&self, author: &Incarnation) -> u64 {
        let seq = self.cut_start.get(author).map_or(0, |head| head.seq);
        self.forked.get(author).map_or(seq, |fork| seq.min(*fork))
    }

    /// Up to where an author that answered both times had come when the count ended.
    fn answered(&self, author: &Incarnation) -> Option<u64> {
        let both = self.cut_start.contains_key(author) && !self.forked.contains_key(author);
        self.cut_end.get(author).filter(|_| both).map(|head| head.seq)
    }

    /// Whether an other count was known when this one began.
    pub fn has_in_cut(&self, other: &Self) -> bool {
        let own = other.author == self.author && other.seq < self.seq;
        own || other.seq <= self.start_of(&other.author)
    }

    /// Whether the ledger's base lies above the count's cut: then the movements between are folded away and nothing can
    /// be judged. It is a fact, asks for a recount and never becomes the latest (`model.md` §6).
    pub fn is_below(&self, base: &Frontier) -> bool {
        base.heads().any(|head| head.seq > self.start_of(&head.incarnation))
    }

    /// Whether goods lay in carts when it began or ended, which taints it by itself.
    pub fn held(&self) -> bool {
        self.held
    }

    /// Greater τs, then the greater (incarnation, seq): the order of counts of which neither knew the other. An
    /// unknown τs is before every known one.
    fn rank(&self) -> (Option<(u32, i64)>, Incarnation, u64) {
        (self.start.map(|tau| (tau.epoch, tau.ms)), self.author, self.seq)
    }
}

/// The latest count: of those that no other one had in its cut, the greatest by τs, then by (incarnation, seq). It is
/// chosen from all counts at once, so that the order of arrival doesn't matter.
pub fn latest<'a>(counts: impl IntoIterator<Item = &'a Count>) -> Option<&'a Count> {
    let counts: Vec<&Count> = counts.into_iter().collect();
    let newest = |c: &&&Count| !counts.iter().any(|other| other.rank() != c.rank() && other.has_in_cut(c));
    counts.iter().filter(newest).max_by_key(|c| c.rank()).copied()
}

/// Basket dwell, and what the two clocks may have parted since the hub told them the time.
fn margin(a: Tau, b: Tau) -> i64 {
    // An age is rounded down to whole steps; one more covers what was cut off.
    let steps = i64::from(a.age) + i64::from(b.age) + 2;
    DWELL_MS + steps * (TAU_AGE_MS * DRIFT_PPM / 1_000_000)
}

fn heads(cut: &[CutHead]) -> BTreeMap<Incarnation, Reach> {
    cut.iter().map(|head| (head.incarnation, Reach { seq: head.seq, hash: head.hash })).collect()
}

/// What the movements of one sku come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fold {
    /// Base units on hand, by the books; below zero where more left than came.
    pub on_hand: i128,
    /// The count it stands on.
    pub latest: Option<Count>,
    /// The count is in doubt: it burns, never mints, and a recount is asked for.
    pub tainted: bool,
}

impl Fold {
    /// Folds everything again, for a new latest count: `on_hand = n + Σ movements not included`. Without a count the
    /// sum goes on from `base`, what compaction left.
    pub fn again<'a>(
        base: i128,
        latest: Option<Count>,
        movements: impl IntoIterator<Item = &'a Movement>,
    ) -> Self {
        let mut fold = match &latest {
            Some(count) => Self { on_hand: i128::from(count.n), tainted: count.held, latest: None },
            None => Self { on_hand: base, ..Self::default() },
        };
        fold.latest = latest;
        movements.into_iter().for_each(|m| fold.moved(m));
        fold
    }

    /// Takes in one more movement.
    pub fn moved(&mut self, m: &Movement) {
        let judged = self.latest.as_ref().map_or(Judgement::AFTER, |count| count.judge(m));
        if !judged.included {
            self.on_hand += i128::from(m.units);
        }
        self.tainted |= judged.taints;
    }

    /// Whether a surplus may be minted on the count's word: there is one and it isn't in doubt.
    pub fn is_sure(&self) -> bool {
        self.latest.is_some() && !self.tainted
    }
}
