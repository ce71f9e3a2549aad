//! A replica of one store's log, in memory: the reference for what node and hub do over their databases.
//!
//! It takes events in any order of streams, drops none, and keeps what they add up to. Its decisions are the small
//! pure functions of this crate, called on its own values: `rights`, `cover`, `count`, `custody`, `barrier`. It is
//! cheap to clone (events are shared) and equal to another one exactly where both hold the same, so that models can
//! walk over states of it.

mod close;
mod decide;
mod folded;
mod item;
mod sale;

pub use close::*;
pub use decide::*;
pub use folded::*;
pub use item::*;
pub use sale::*;

use crate::amnesia::{self, SelfFence};
use crate::barrier::{BarrierRefusal, Frozen, Heads};
use crate::body::{Body, CutHead};
use crate::clock::Tau;
use crate::event::{BadEvent, Event, Head, Reissue, Stamp};
use crate::fork;
use crate::frontier::HeadMark;
use crate::ids::{Hash, Incarnation};
use crate::lease::{Clocks, Tenancy};
use crate::rights::Picture;
use crate::terms::{Cap, Terms};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tradepost_commerce::document::Sku;

/// The clocks of a replica at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Now {
    /// Wall and boot clock.
    pub clocks: Clocks,
    /// Hub time, where it is known.
    pub tau: Option<Tau>,
}

/// What became of an event that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is held now.
    Taken,
    /// It was held before.
    Known,
    /// Others come first: from this seq.
    Gap {
        /// The next one needed.
        need: u64,
    },
    /// Another event stands at that place, or before it: a fork. It is kept aside.
    Forked {
        /// Where.
        seq: u64,
    },
    /// A barrier has frozen the log.
    Frozen,
    /// It is of this replica's own stream and further than it knows: it lost memory.
    Amnesia(SelfFence),
}

/// One replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replica {
    me: Incarnation,
    head: Head,
    first: Terms,
    logs: BTreeMap<Incarnation, Vec<Arc<Entry>>>,
    aside: BTreeMap<(Incarnation, u64, Hash), Arc<Entry>>,
    folded: Folded,
    /// Logs that a barrier holds still.
    pub frozen: Frozen,
    /// The lease.
    pub tenancy: Tenancy,
    /// Rights that carts hold, by sku; local, never replicated.
    pub held: BTreeMap<Sku, u64>,
    /// It knows that it lost memory: it writes and sends nothing more.
    pub fenced_itself: bool,
    /// Logs that are known to be whole though they are not retired: of the old `H_s`, whose journals were all read to
    /// their end.
    pub known_whole: BTreeSet<Incarnation>,
}

impl Replica {
    /// A replica that holds nothing yet, under the terms it was enrolled with.
    pub fn new(me: Incarnation, terms: Terms, tenancy: Tenancy) -> Self {
        Self {
            me,
            head: Head::empty(me),
            folded: Folded::under(terms.clone()),
            first: terms,
            logs: BTreeMap::new(),
            aside: BTreeMap::new(),
            frozen: Frozen::default(),
            tenancy,
            held: BTreeMap::new(),
            fenced_itself: false,
            known_whole: BTreeSet::new(),
        }
    }

    /// A node that was never enrolled.
    pub fn alone(me: Incarnation) -> Self {
        Self::new(me, Terms::alone(me), Tenancy::alone())
    }

    /// The hub's own replica of a store.
    pub fn hub(me: Incarnation) -> Self {
        Self::new(me, Terms::of_hub(me), Tenancy::alone())
    }

    /// A node of the store that `hub` writes for; it holds no lease yet.
    pub fn node(me: Incarnation, hub: Incarnation) -> Self {
        Self::new(me, Terms::of_hub(hub), Tenancy::default())
    }

    /// The same machine as a new incarnation: it keeps the log as facts, has zero rights and no lease.
    #[must_use]
    pub fn reborn(&self, me: Incarnation) -> Self {
        let mut new = Self::new(me, self.first.clone(), Tenancy::default());
        (new.logs, new.aside) = (self.logs.clone(), self.aside.clone());
        new.frozen = self.frozen.clone();
        new.folded = self.folded.clone();
        new.fold_again();
        new
    }

    /// The hub goes on as a new incarnation.
    pub fn follow(&mut self, hub: Incarnation) {
        self.first.succeed(hub);
        self.fold_again();
    }

    /// Who writes here.
    pub fn me(&self) -> Incarnation {
        self.me
    }

    /// What the log adds up to.
    pub fn state(&self) -> &Folded {
        &self.folded
    }

    /// Roster, fences, caps.
    pub fn terms(&self) -> &Terms {
        &self.folded.terms
    }

    /// The figures of a sku.
    pub fn picture(&self, sku: &Sku) -> Picture {
        self.folded.picture(sku)
    }

    /// `r_i` of a sku, in this replica's view.
    pub fn rights_of(&self, sku: &Sku, i: &Incarnation) -> i128 {
        self.folded.items.get(sku).map_or(0, |item| item.rights.of(i))
    }

    /// `x_i` of a sku, in this replica's view.
    pub fn overdraw_of(&self, sku: &Sku, i: &Incarnation) -> u64 {
        self.folded.items.get(sku).map_or(0, |item| item.rights.overdraw_of(i))
    }

    /// Seq of the last event held of a stream.
    pub fn reach(&self, i: &Incarnation) -> u64 {
        self.logs.get(i).map_or(0, |log| log.last().map_or(0, |entry| entry.seq()))
    }

    /// The hash at a place of a stream.
    pub fn hash_at(&self, i: &Incarnation, seq: u64) -> Option<Hash> {
        self.entry(i, seq).map(|entry| entry.event.hash)
    }

    /// An event that is held.
    pub fn entry(&self, i: &Incarnation, seq: u64) -> Option<&Arc<Entry>> {
        entry_of(&self.logs, i, seq)
    }

    /// The events of a stream behind `after`, in order.
    pub fn events_after(&self, i: &Incarnation, after: u64) -> Vec<Arc<Entry>> {
        let log = self.logs.get(i).map_or(&[][..], Vec::as_slice);
        log.iter().filter(|entry| entry.seq() > after).cloned().collect()
    }

    /// Every stream's head: an answer to a barrier, and the frontier of a session.
    pub fn heads(&self) -> Heads {
        let last = |(i, log): (&Incarnation, &Vec<Arc<Entry>>)| {
            log.last().map(|entry| (*i, Cap { seq: entry.seq(), hash: entry.event.hash }))
        };
        self.logs.iter().filter_map(last).collect()
    }

    /// The heads as a count's cut.
    pub fn cut(&self) -> Vec<CutHead> {
        let cut =
            |(incarnation, cap): (Incarnation, Cap)| CutHead { incarnation, seq: cap.seq, hash: cap.hash };
        self.heads().into_iter().map(cut).collect()
    }

    /// The head of the own stream, which the next event follows.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Branches that were cut off or never taken, kept aside.
    pub fn aside(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.aside.values()
    }

    /// Writes the next event of the own stream and takes it in.
    ///
    /// # Errors
    /// [`BadEvent`] where it would be too long.
    pub fn write(&mut self, now: Now, body: &Body) -> Result<Arc<Entry>, BadEvent> {
        self.write_again(now, body, None)
    }

    /// As [`Self::write`], for a fact said again.
    ///
    /// # Errors
    /// [`BadEvent`] where it would be too long.
    pub fn write_again(
        &mut self,
        now: Now,
        body: &Body,
        reissue: Option<Reissue>,
    ) -> Result<Arc<Entry>, BadEvent> {
        let stamp = Stamp {
            wall: now.clocks.wall,
            tau: now.tau,
            trading: now.clocks.wall,
            till: None,
            shift: None,
            staff: None,
        };
        let event = self.head.append_with(stamp, body, None, reissue)?;
        let entry = Arc::new(Entry::of(event));
        self.push(entry.clone());
        Ok(entry)
    }

    /// Takes in an event that arrives, whoever brings it.
    pub fn hear(&mut self, entry: &Arc<Entry>) -> Heard {
        let (author, seq) = (entry.author(), entry.seq());
        let reach = self.reach(&author);
        if author == self.me && seq > reach {
            self.fenced_itself = true;
            let more = SelfFence::PeerKnowsMore { peer: author, theirs: seq, ours: reach };
            return Heard::Amnesia(more);
        }
        if seq <= reach {
            if self.hash_at(&author, seq) == Some(entry.event.hash) {
                return Heard::Known;
            }
            return self.forked(entry);
        }
        if !self.frozen.takes(&author, seq) {
            return Heard::Frozen;
        }
        if seq > reach + 1 {
            return Heard::Gap { need: reach + 1 };
        }
        let before = self.hash_at(&author, reach).unwrap_or(Hash::ZERO);
        if entry.event.envelope.prev_hash != before {
            return self.forked(entry);
        }
        self.push(entry.clone());
        Heard::Taken
    }

    fn forked(&mut self, entry: &Arc<Entry>) -> Heard {
        let (author, seq) = (entry.author(), entry.seq());
        if author == self.me {
            self.fenced_itself = true;
            return Heard::Amnesia(SelfFence::OtherBranch { peer: author, seq });
        }
        self.aside.insert((author, seq, entry.event.hash), entry.clone());
        self.folded.flags.insert(Flag::Forked(author, seq));
        Heard::Forked { seq }
    }

    fn push(&mut self, entry: Arc<Entry>) {
        let author = entry.author();
        self.logs.entry(author).or_default().push(entry.clone());
        let logs = &self.logs;
        let hash_at = |i: &Incarnation, seq: u64| entry_of(logs, i, seq).map(|entry| entry.event.hash);
        let canon = Canon { hash_at: &hash_at };
        let again = self.folded.take(&entry, &canon);
        if again {
            self.fold_again();
        } else if self.folded.flags.iter().any(|flag| matches!(flag, Flag::Forked(..)))
            || !self.folded.forks.is_empty()
        {
            self.folded.settle_branches(&canon);
        }
        self.stand_still_or_thaw(&entry);
    }

    /// Freezes and thaws as the hub's stream says.
    fn stand_still_or_thaw(&mut self, entry: &Entry) {
        if Some(entry.author()) != self.terms().hub() {
            return;
        }
        match &entry.body {
            Some(Body::BarrierOpened(opened)) => {
                self.frozen.freeze(opened.barrier, opened.fenced.iter().copied());
            }
            Some(Body::BarrierClosed(closed)) => self.frozen.thaw(&closed.barrier),
            _ => {}
        }
    }

    /// Folds the whole log again, the hub's stream first.
    fn fold_again(&mut self) {
        let mut folded = Folded::under(self.first.clone());
        folded.forks = self.folded.forks.clone();
        let kept = self.folded.flags.iter().filter(|flag| matches!(flag, Flag::Forked(..))).cloned();
        folded.flags = kept.collect();
        let logs = &self.logs;
        let hash_at = |i: &Incarnation, seq: u64| entry_of(logs, i, seq).map(|entry| entry.event.hash);
        let canon = Canon { hash_at: &hash_at };
        let hub = self.first.hub();
        let order = logs.iter().filter(|(i, _)| Some(**i) == hub);
        let order = order.chain(logs.iter().filter(|(i, _)| Some(**i) != hub));
        let entries: Vec<&Arc<Entry>> = order.flat_map(|(_, log)| log).collect();
        // What is learned late in a log (a lone log, another saying) may concern what was folded before it: the second
        // pass knows it from the start.
        let mut again = false;
        for entry in &entries {
            again |= folded.take(entry, &canon);
        }
        if again {
            let mut second = Folded::under(folded.terms.clone());
            second.said = folded.said.clone();
            second.forks = folded.forks.clone();
            second.flags =
                self.folded.flags.iter().filter(|f| matches!(f, Flag::Forked(..))).cloned().collect();
            for entry in &entries {
                second.take(entry, &canon);
            }
            folded = second;
        }
        folded.settle_branches(&canon);
        self.folded = folded;
    }

    /// The same log folded from nothing: a node that rebuilds from its log ends where it was (`model.md` §2).
    #[must_use]
    pub fn rebuilt(&self) -> Self {
        let mut rebuilt = self.clone();
        rebuilt.fold_again();
        rebuilt
    }

    /// Judges what a peer knows of this replica's own stream, at a handshake; fences itself where it knows more.
    ///
    /// # Errors
    /// [`SelfFence`].
    pub fn shake(&mut self, peer: Incarnation, theirs: Option<Cap>) -> Result<(), SelfFence> {
        let own = HeadMark { incarnation: self.me, seq: self.head.seq, hash: self.head.hash };
        let theirs = theirs.map(|cap| HeadMark { incarnation: self.me, seq: cap.seq, hash: cap.hash });
        let verdict = amnesia::at_handshake(&own, peer, theirs.as_ref(), |seq| self.hash_at(&self.me, seq));
        self.fenced_itself |= verdict.is_err();
        verdict
    }

    /// Cuts another's stream back to what it shares with the canonical branch (the hub's), keeps the rest aside, folds
    /// again and writes what its own use of that branch takes to make good, in the same step.
    ///
    /// # Errors
    /// [`BadEvent`] where the event would be too long.
    pub fn cut_back(
        &mut self,
        now: Now,
        author: Incarnation,
        canonical: &[Arc<Entry>],
    ) -> Result<Vec<Arc<Entry>>, BadEvent> {
        let theirs = |seq: u64| canonical.iter().find(|e| e.seq() == seq).map(|e| e.event.hash);
        let reach = self.reach(&author).max(canonical.last().map_or(0, |e| e.seq()));
        let shared = fork::last_shared(reach, |seq| self.hash_at(&author, seq), theirs);
        let hash = self.hash_at(&author, shared).unwrap_or(Hash::ZERO);
        let log = self.logs.entry(author).or_default();
        let lost = log.split_off(usize::try_from(shared).unwrap_or(usize::MAX).min(log.len()));
        for entry in &lost {
            self.aside.insert((author, entry.seq(), entry.event.hash), entry.clone());
        }
        self.folded.flags.insert(Flag::Forked(author, shared + 1));
        self.folded.forks.insert(author, Cap { seq: shared, hash });
        self.fold_again();
        let fork = CutHead { incarnation: author, seq: shared, hash };
        let items = self.folded.items.iter().map(|(sku, item)| (sku, &item.rights));
        if let Some(cut) = fork::make_good(&self.me, author, fork, items) {
            self.write(now, &Body::from(cut))?;
        }
        Ok(lost)
    }

    /// Notes that a stream has another branch from behind `shared` on: the hub's part when it refuses one.
    pub fn note_fork(&mut self, author: Incarnation, shared: u64) {
        let hash = self.hash_at(&author, shared).unwrap_or(Hash::ZERO);
        self.folded.flags.insert(Flag::Forked(author, shared + 1));
        self.folded.forks.insert(author, Cap { seq: shared, hash });
        self.fold_again();
    }

    /// Whether the caps of the open barrier can be acked.
    ///
    /// # Errors
    /// [`BarrierRefusal`] with what is missing.
    pub fn may_ack(&self) -> Result<(), BarrierRefusal> {
        self.frozen.may_ack(|i, seq| self.hash_at(i, seq), |i| self.reach(i))
    }

    /// Seals an event as another program's would be, for kinds this one can't write.
    ///
    /// # Errors
    /// [`BadEvent`].
    pub fn take_own(&mut self, event: Event) -> Result<Arc<Entry>, BadEvent> {
        let envelope = &event.envelope;
        self.head = Head { incarnation: self.me, seq: envelope.seq, hash: event.hash, hlc: envelope.hlc };
        let entry = Arc::new(Entry::of(event));
        self.push(entry.clone());
        Ok(entry)
    }
}

fn entry_of<'a>(
    logs: &'a BTreeMap<Incarnation, Vec<Arc<Entry>>>,
    i: &Incarnation,
    seq: u64,
) -> Option<&'a Arc<Entry>> {
    let at = usize::try_from(seq.checked_sub(1)?).ok()?;
    logs.get(i)?.get(at)
}
