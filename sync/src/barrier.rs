//! The barrier: the one moment at which everybody's word about fenced logs is in, so that what they held can be
//! resolved and a surplus minted without promising a good twice (`model.md` §3.5, §3.6).
//!
//! The hub asks, the members freeze the fenced logs and answer with what they hold, the hub proposes caps, all store
//! them and ack, the hub closes. What may be resolved and minted at that moment is decided per sku by [`decide`].

use crate::body::CutHead;
use crate::clock::Tau;
use crate::count::Fold;
use crate::fence::{WaitRefusal, Waits};
use crate::ids::{Hash, Id, Incarnation};
use crate::rights::Picture;
use crate::terms::{Cap, Terms};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Heads by author: a frontier as a barrier's answer carries it.
pub type Heads = BTreeMap<Incarnation, Cap>;

/// What a barrier is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Purpose {
    /// To resolve what fenced or retired incarnations held.
    Resolve,
    /// To mint a surplus or to compact: it never fences anybody.
    Mint,
}

/// A barrier at the hub.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Barrier {
    /// Its id.
    pub id: Id,
    /// When it was opened.
    pub opened: Tau,
    /// What for.
    pub purpose: Purpose,
    /// Who must answer and ack.
    pub members: BTreeSet<Incarnation>,
    /// Whose logs are frozen: everybody fenced or retired who has no cap yet.
    pub frozen: BTreeSet<Incarnation>,
    /// What the hub held when it opened it.
    pub known: Heads,
    answers: BTreeMap<Incarnation, Heads>,
    caps: Option<Heads>,
    acks: BTreeSet<Incarnation>,
    fenced_since: BTreeSet<Incarnation>,
    void: bool,
}

/// Why a barrier doesn't go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BarrierRefusal {
    /// One at a time per store.
    #[error("barrier {barrier} is open")]
    AlreadyOpen {
        /// Which.
        barrier: Id,
    },
    /// Nobody asked this one.
    #[error("{who} is no member of the barrier")]
    NotMember {
        /// Who answered.
        who: Incarnation,
    },
    /// Members that haven't answered.
    #[error("{} members have not answered", who.len())]
    AnswersMissing {
        /// Who.
        who: Vec<Incarnation>,
    },
    /// Members that haven't stored the caps.
    #[error("{} members have not stored the caps", who.len())]
    AcksMissing {
        /// Who.
        who: Vec<Incarnation>,
    },
    /// The caps were not proposed.
    #[error("no caps were proposed")]
    NoCaps,
    /// Two members hold different events at one place of a fenced log: the fork is cut first.
    #[error("two branches of {incarnation} at {seq}")]
    Forked {
        /// Whose log.
        incarnation: Incarnation,
        /// Where.
        seq: u64,
    },
    /// Not everything that members hold has reached the one that asks.
    #[error("of {incarnation} {needed} is needed, {held} is held")]
    EventsMissing {
        /// Whose log.
        incarnation: Incarnation,
        /// Up to here.
        needed: u64,
        /// Held up to here.
        held: u64,
    },
    /// It was given up.
    #[error("the barrier is void")]
    Void,
    /// A barrier that only mints or compacts fences nobody for being absent.
    #[error("a barrier that only mints fences nobody")]
    NeverFences,
}

impl Barrier {
    /// Opens a barrier: members are all unfenced incarnations of the roster. `known` is what the hub holds.
    ///
    /// # Errors
    /// [`BarrierRefusal::AlreadyOpen`].
    pub fn open(
        id: Id,
        opened: Tau,
        purpose: Purpose,
        terms: &Terms,
        known: Heads,
    ) -> Result<Self, BarrierRefusal> {
        if let Some(barrier) = terms.open_barrier().filter(|open| *open != id) {
            return Err(BarrierRefusal::AlreadyOpen { barrier });
        }
        Ok(Self {
            id,
            opened,
            purpose,
            members: terms.live(),
            frozen: terms.out().into_iter().filter(|i| terms.cap_of(i).is_none()).collect(),
            known,
            answers: BTreeMap::new(),
            caps: None,
            acks: BTreeSet::new(),
            fenced_since: BTreeSet::new(),
            void: false,
        })
    }

    /// A member has frozen the logs and tells what it holds. Told again, the further heads count.
    ///
    /// # Errors
    /// [`BarrierRefusal`] of somebody who was not asked, or when it is void.
    pub fn answer(&mut self, who: Incarnation, heads: Heads) -> Result<(), BarrierRefusal> {
        self.member(&who)?;
        // The frozen logs don't move between two tellings; the others may only grow.
        let known = self.answers.entry(who).or_default();
        for (i, head) in heads {
            let ours = known.entry(i).or_insert(head);
            if head.seq > ours.seq {
                *ours = head;
            }
        }
        Ok(())
    }

    /// The caps: of each frozen log the highest position that anyone holds. Nothing of it held by anyone is a cap at 0.
    ///
    /// # Errors
    /// [`BarrierRefusal::AnswersMissing`], [`BarrierRefusal::Forked`] or [`BarrierRefusal::Void`].
    pub fn propose(&mut self) -> Result<Vec<CutHead>, BarrierRefusal> {
        self.alive()?;
        let who: Vec<_> = self.members.iter().filter(|m| !self.answers.contains_key(m)).copied().collect();
        if !who.is_empty() {
            return Err(BarrierRefusal::AnswersMissing { who });
        }
        let mut caps = Heads::new();
        for f in &self.frozen {
            let mut cap = Cap { seq: 0, hash: Hash::ZERO };
            for head in self.answers.values().filter_map(|heads| heads.get(f)) {
                if head.seq == cap.seq && head.hash != cap.hash {
                    return Err(BarrierRefusal::Forked { incarnation: *f, seq: head.seq });
                }
                if head.seq > cap.seq {
                    cap = *head;
                }
            }
            caps.insert(*f, cap);
        }
        self.caps = Some(caps);
        Ok(self.caps())
    }

    /// The caps that were proposed.
    pub fn caps(&self) -> Vec<CutHead> {
        self.caps.iter().flat_map(cut).collect()
    }

    /// A member has stored the caps and holds every frozen log up to them.
    ///
    /// # Errors
    /// [`BarrierRefusal`] where nothing was proposed to it.
    pub fn ack(&mut self, who: Incarnation) -> Result<(), BarrierRefusal> {
        self.member(&who)?;
        if self.caps.is_none() {
            return Err(BarrierRefusal::NoCaps);
        }
        self.acks.insert(who);
        Ok(())
    }

    /// A member is fenced while the barrier is open: that voids it if the member has not answered.
    pub fn fenced(&mut self, who: Incarnation) {
        if !self.members.contains(&who) {
            return;
        }
        if self.answers.contains_key(&who) {
            self.fenced_since.insert(who);
        } else {
            self.void = true;
        }
    }

    /// Whether a manager may have an absent member fenced for this barrier's sake.
    ///
    /// # Errors
    /// [`BarrierRefusal::NeverFences`] for one that only mints or compacts.
    pub fn may_fence_absent(&self) -> Result<(), BarrierRefusal> {
        if self.purpose == Purpose::Mint { Err(BarrierRefusal::NeverFences) } else { Ok(()) }
    }

    /// Gives it up: nothing is decided, the logs thaw.
    pub fn give_up(&mut self) {
        self.void = true;
    }

    /// Whether it was given up.
    pub fn is_void(&self) -> bool {
        self.void
    }

    /// Whether it may be closed: all answered, all acked, and the hub holds (`held`, by author) every event of every
    /// frontier that was answered.
    ///
    /// # Errors
    /// [`BarrierRefusal`] with who or what is missing.
    pub fn ready(&self, held: impl Fn(&Incarnation) -> u64) -> Result<(), BarrierRefusal> {
        self.alive()?;
        if self.caps.is_none() {
            return Err(BarrierRefusal::NoCaps);
        }
        let owing = self.members.iter().filter(|m| !self.acks.contains(m) && !self.fenced_since.contains(m));
        let who: Vec<_> = owing.copied().collect();
        if !who.is_empty() {
            return Err(BarrierRefusal::AcksMissing { who });
        }
        for (incarnation, head) in self.answers.values().flatten() {
            let held = held(incarnation);
            if held < head.seq {
                let incarnation = *incarnation;
                return Err(BarrierRefusal::EventsMissing { incarnation, needed: head.seq, held });
            }
        }
        Ok(())
    }

    /// What every member held: the join of the answers.
    pub fn frontier(&self) -> Vec<CutHead> {
        let mut join = Heads::new();
        for (i, head) in self.answers.values().flatten() {
            let ours = join.entry(*i).or_insert(*head);
            if head.seq > ours.seq {
                *ours = *head;
            }
        }
        cut(&join).collect()
    }

    fn member(&self, who: &Incarnation) -> Result<(), BarrierRefusal> {
        self.alive()?;
        if self.members.contains(who) { Ok(()) } else { Err(BarrierRefusal::NotMember { who: *who }) }
    }

    fn alive(&self) -> Result<(), BarrierRefusal> {
        if self.void { Err(BarrierRefusal::Void) } else { Ok(()) }
    }
}

fn cut(heads: &Heads) -> impl Iterator<Item = CutHead> + '_ {
    heads.iter().map(|(i, cap)| CutHead { incarnation: *i, seq: cap.seq, hash: cap.hash })
}

/// A barrier at a member: which logs stand still. Stored, so that a restart doesn't thaw them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Frozen {
    /// The barrier, where one is open.
    pub barrier: Option<Id>,
    /// The logs.
    pub logs: BTreeSet<Incarnation>,
    /// What the hub proposed.
    pub caps: Option<Heads>,
}

impl Frozen {
    /// The hub asks: the logs stand still from here on. Asked again, nothing changes.
    pub fn freeze(&mut self, barrier: Id, logs: impl IntoIterator<Item = Incarnation>) {
        if self.barrier != Some(barrier) {
            *self = Self { barrier: Some(barrier), logs: logs.into_iter().collect(), caps: None };
        }
    }

    /// The hub proposes caps; only those of the open barrier count.
    pub fn propose(&mut self, barrier: Id, caps: &[CutHead]) {
        if self.barrier == Some(barrier) {
            let caps = caps.iter().map(|c| (c.incarnation, Cap { seq: c.seq, hash: c.hash }));
            self.caps = Some(caps.collect());
        }
    }

    /// Whether an event may be taken: of a frozen log only through the barrier, up to the proposed cap.
    pub fn takes(&self, author: &Incarnation, seq: u64) -> bool {
        if !self.logs.contains(author) {
            return true;
        }
        self.caps.as_ref().and_then(|caps| caps.get(author)).is_some_and(|cap| seq <= cap.seq)
    }

    /// Whether the caps can be acked: every frozen log is held up to its cap, with its hash.
    ///
    /// # Errors
    /// [`BarrierRefusal::NoCaps`], [`BarrierRefusal::EventsMissing`] or [`BarrierRefusal::Forked`].
    pub fn may_ack(
        &self,
        hash_at: impl Fn(&Incarnation, u64) -> Option<Hash>,
        held: impl Fn(&Incarnation) -> u64,
    ) -> Result<(), BarrierRefusal> {
        for (i, cap) in self.caps.as_ref().ok_or(BarrierRefusal::NoCaps)? {
            let (incarnation, held) = (*i, held(i));
            if held < cap.seq {
                return Err(BarrierRefusal::EventsMissing { incarnation, needed: cap.seq, held });
            }
            if cap.seq > 0 && hash_at(i, cap.seq).is_some_and(|hash| hash != cap.hash) {
                return Err(BarrierRefusal::Forked { incarnation, seq: cap.seq });
            }
        }
        Ok(())
    }

    /// The barrier is closed or void: nothing is frozen any more.
    pub fn thaw(&mut self, barrier: &Id) {
        if self.barrier.as_ref() == Some(barrier) {
            *self = Self::default();
        }
    }
}

/// What a fenced or retired incarnation, not yet resolved, has in one sku.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Column {
    /// `r_f` at its cap.
    pub rights: i128,
    /// `x_f`.
    pub overdraw: u64,
    /// Its log is here up to its signed retirement.
    pub recovered: bool,
    /// Its log has a cap. Who was fenced after it had answered this barrier has none yet, and is not resolved by it: what
    /// it writes later would have cells.
    pub capped: bool,
}

/// One sku at the moment a barrier closes, by the hub's view.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// What is on hand, and the count it stands on.
    pub fold: &'a Fold,
    /// The hub held the latest count before the barrier was opened.
    pub count_held_before: bool,
    /// For a count without τs: its author's last known τ before it.
    pub last_tau: Option<Tau>,
    /// The figures before anything is resolved.
    pub picture: Picture,
    /// Everyone fenced or retired and not yet resolved here.
    pub columns: BTreeMap<Incarnation, Column>,
    /// Everyone fenced or retired whose log is not recovered, resolved here or not: each one's wait must have been over
    /// when the count began. (Who held nothing is resolved without a count; that must not let an older count pass.)
    pub waited_for: BTreeSet<Incarnation>,
    /// A delivery of the sku that is still open.
    pub delivery: Option<Id>,
    /// An event that touches the sku and whose effects are not applied.
    pub unapplied: Option<(Incarnation, u64)>,
}

/// Why nothing is resolved or minted in a sku.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkuRefusal {
    /// It was never counted.
    #[error("the item was never counted")]
    NotCounted,
    /// The barrier was opened before the latest count was over.
    #[error("the barrier was opened before the count was over")]
    BarrierTooOld {
        /// When it was opened.
        opened: Tau,
        /// When the count was over, where that is known.
        counted: Option<Tau>,
    },
    /// The wait for somebody is not over.
    #[error(transparent)]
    Wait(#[from] WaitRefusal),
    /// The wait for somebody was not over when the count began.
    #[error("the count began before the wait for {who} was over")]
    CountTooOld {
        /// For whom.
        who: Incarnation,
        /// When its wait was over.
        over: Tau,
        /// When the count began, where that is known.
        counted: Option<Tau>,
    },
    /// The count is in doubt: a recount is asked for.
    #[error("the count is in doubt")]
    Tainted,
    /// A delivery is open.
    #[error("delivery {delivery} is open")]
    DeliveryOpen {
        /// Which.
        delivery: Id,
    },
    /// An event's effects are not applied.
    #[error("event {seq} of {incarnation} is not applied")]
    Unapplied {
        /// Whose.
        incarnation: Incarnation,
        /// Which.
        seq: u64,
    },
}

/// What a barrier does in one sku.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Who is resolved, and what is minted for it because its log is recovered: exactly its `r`.
    pub resolve: BTreeMap<Incarnation, u64>,
    /// The surplus minted, or why none.
    pub mint: Result<u64, SkuRefusal>,
}

/// Decides one sku at the close of a barrier that is [`Barrier::ready`].
///
/// What is recovered, and what holds nothing, is resolved whatever the counts say; the rest, and the surplus, only
/// under every condition of `model.md` §3.5.
pub fn decide(case: &Case<'_>, opened: Tau, waits: &Waits, now: Tau) -> Settlement {
    let mut resolve = BTreeMap::new();
    if case.unapplied.is_none() {
        for (f, column) in case.columns.iter().filter(|(_, column)| column.capped) {
            if column.recovered {
                resolve.insert(*f, u64::try_from(column.rights.max(0)).unwrap_or(u64::MAX));
            } else if column.rights == 0 && column.overdraw == 0 && waits.check(*f, now).is_ok() {
                resolve.insert(*f, 0);
            }
        }
    }
    if let Err(refusal) = counted(case, opened, waits, now) {
        return Settlement { resolve, mint: Err(refusal) };
    }
    for (f, _) in case.columns.iter().filter(|(_, column)| column.capped) {
        resolve.entry(*f).or_insert(0);
    }
    Settlement { mint: Ok(surplus(case, &resolve)), resolve }
}

/// `P` once the incarnations are resolved and their recovered rights minted.
fn surplus(case: &Case<'_>, resolved: &BTreeMap<Incarnation, u64>) -> u64 {
    let mut picture = case.picture;
    for (f, minted) in resolved {
        let Some(column) = case.columns.get(f) else { continue };
        picture.suspended -= column.rights;
        picture.overdraw -= i128::from(column.overdraw);
        picture.available += i128::from(*minted);
    }
    u64::try_from(picture.surplus()).unwrap_or(u64::MAX)
}

/// The conditions on the latest count (`model.md` §2, mint of P; §3.5).
fn counted(case: &Case<'_>, opened: Tau, waits: &Waits, now: Tau) -> Result<(), SkuRefusal> {
    let count = case.fold.latest.as_ref().ok_or(SkuRefusal::NotCounted)?;
    let after_end = count.end.and_then(|end| end.before(opened));
    if !after_end.unwrap_or(case.count_held_before) {
        return Err(SkuRefusal::BarrierTooOld { opened, counted: count.end });
    }
    let began = count.start.or(case.last_tau);
    for f in &case.waited_for {
        let Some(over) = waits.check(*f, now)? else { continue };
        let was_over = began.is_some_and(|began| began.before(over) == Some(false));
        if !was_over {
            return Err(SkuRefusal::CountTooOld { who: *f, over, counted: began });
        }
    }
    if case.fold.tainted {
        return Err(SkuRefusal::Tainted);
    }
    if let Some(delivery) = case.delivery {
        return Err(SkuRefusal::DeliveryOpen { delivery });
    }
    match case.unapplied {
        Some((incarnation, seq)) => Err(SkuRefusal::Unapplied { incarnation, seq }),
        None => Ok(()),
    }
}
