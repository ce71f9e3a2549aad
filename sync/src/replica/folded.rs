//! What a replica's log adds up to: a pure function of the set of events it holds, kept up as they arrive.

use super::item::Item;
use crate::body::{Body, CustodyObject};
use crate::count::{Count, Movement};
use crate::custody::{Custody, Step};
use crate::effects::{Cell, Effects};
use crate::event::Event;
use crate::fork::SaidAgain;
use crate::ids::{Hash, Id, Incarnation};
use crate::rights::Picture;
use crate::terms::{Cap, Terms};
use std::collections::{BTreeMap, BTreeSet};
use tradepost_commerce::document::Sku;

/// A reservation as it was opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Promised {
    /// The item.
    pub sku: Sku,
    /// Base units.
    pub units: u64,
}

/// What a person is to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flag {
    /// A terminal state surfaced behind a takeover.
    EndedBehindTakeover(CustodyObject),
    /// Two steps of custody contradict each other.
    CustodyFork(CustodyObject),
    /// A sale in hand handed a reservation over.
    HandedOver(Id),
    /// An event's effects are not applied.
    NotApplied(Incarnation, u64),
    /// A grant of an author whose earlier event isn't applied.
    GrantWithheld(Incarnation, u64),
    /// Two branches of a stream.
    Forked(Incarnation, u64),
    /// A receipt number twice.
    ReceiptTwice(String, String, u64),
}

/// An event with what it says, shared by all replicas that hold it.
#[derive(Debug)]
pub struct Entry {
    /// The event.
    pub event: Event,
    /// Its body; none where it doesn't decode.
    pub body: Option<Body>,
    /// Its effects, or why they can't be applied.
    pub effects: Result<Effects, String>,
}

impl Entry {
    /// Reads an event.
    pub fn of(event: Event) -> Self {
        match event.body() {
            Ok(body) => {
                let effects = crate::effects::of(&event.envelope, &body).map_err(|e| e.to_string());
                Self { body: Some(body), effects, event }
            }
            Err(bad) => {
                // The envelope's effects still count where they can be decoded and are plausible (§6).
                let carried = event.envelope.cells.clone();
                let effects = carried.filter(|cells| crate::effects::plausible(cells).is_ok());
                Self { body: None, effects: effects.ok_or_else(|| bad.to_string()), event }
            }
        }
    }

    /// Whose it is.
    pub fn author(&self) -> Incarnation {
        self.event.envelope.incarnation
    }

    /// Its place.
    pub fn seq(&self) -> u64 {
        self.event.envelope.seq
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.event.hash == other.event.hash
    }
}

impl Eq for Entry {}

impl std::hash::Hash for Entry {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.event.hash.hash(state);
    }
}

/// The state that a log adds up to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Folded {
    /// Roster, fences, caps, resolved.
    pub terms: Terms,
    /// Per sku.
    pub items: BTreeMap<Sku, Item>,
    /// The custody register.
    pub custody: BTreeMap<CustodyObject, Custody>,
    /// Reservations that were opened.
    pub reservations: BTreeMap<Id, Promised>,
    /// Reservations that a sale in hand handed over.
    pub handed_over: BTreeMap<Id, (Incarnation, u64)>,
    /// Deliveries that were announced, with their skus.
    pub deliveries: BTreeMap<Id, BTreeSet<Sku>>,
    /// Burn requests that were answered.
    pub burnt: BTreeMap<Id, Incarnation>,
    /// Facts said again.
    pub said: SaidAgain,
    /// Streams with two branches: the last position that they share.
    pub forks: BTreeMap<Incarnation, Cap>,
    /// Events whose effects are not applied, with the skus they touch; none: any.
    pub unapplied: BTreeMap<(Incarnation, u64), BTreeSet<Sku>>,
    /// Incarnations whose first event in view carries on a lone log's overdraw, or none.
    pub started: BTreeSet<Incarnation>,
    /// Receipts, by (till, series, n).
    pub receipts: BTreeMap<(String, String, u64), Hash>,
    /// For a person.
    pub flags: BTreeSet<Flag>,
}

/// The logs as the fold asks about them.
pub struct Canon<'a> {
    /// The hash that the canonical log of an author has at a seq.
    pub hash_at: &'a dyn Fn(&Incarnation, u64) -> Option<Hash>,
}

impl Folded {
    /// An empty state under some terms.
    pub fn under(terms: Terms) -> Self {
        Self { terms, ..Self::default() }
    }

    /// Takes in one event that follows the ones of its stream. Whether everything must be folded again (a cap or a
    /// lone log became known, another saying of a fact counts now) is the answer.
    pub fn take(&mut self, entry: &Entry, canon: &Canon<'_>) -> bool {
        let (author, seq) = (entry.author(), entry.seq());
        let mut again = false;
        if let Some(body) = &entry.body {
            again |= self.terms.hear(&author, body);
            self.note(entry, body, canon);
        }
        if self.terms.is_lone(&author) {
            return again;
        }
        if let Some(first) = &entry.event.envelope.reissue {
            again |= self.said.note(first.hash, (author, seq));
            let stands = (canon.hash_at)(&first.incarnation, first.seq) == Some(first.hash);
            if stands || !self.said.counts(&first.hash, &(author, seq)) {
                return again;
            }
        }
        again |= self.said.originals().contains(&entry.event.hash);
        match &entry.effects {
            Ok(effects) => self.apply(entry, effects),
            Err(_) => self.put_aside(entry),
        }
        if let Some(Body::StockCounted(counted)) = &entry.body
            && entry.effects.is_ok()
        {
            let count = Count::of(author, seq, counted);
            let forks = &self.forks;
            let item = self.items.entry(counted.sku.clone()).or_default();
            item.counted((author, seq), count, canon.hash_at, |i| forks.get(i).map(|cap| cap.seq));
        }
        again
    }

    /// Judges the cuts of all counts by the canonical branches.
    pub fn settle_branches(&mut self, canon: &Canon<'_>) {
        let forks = &self.forks;
        for item in self.items.values_mut() {
            item.settle_branches(canon.hash_at, |i| forks.get(i).map(|cap| cap.seq));
        }
    }

    fn apply(&mut self, entry: &Entry, effects: &Effects) {
        let (author, seq) = (entry.author(), entry.seq());
        if !self.terms.is_behind_cap(&author, seq) {
            let withheld = self.unapplied.keys().any(|(i, before)| *i == author && *before < seq);
            for effect in &effects.cells {
                if withheld && matches!(effect.cell, Cell::Given(_)) {
                    self.flags.insert(Flag::GrantWithheld(author, seq));
                    continue;
                }
                let item = self.items.entry(effect.sku.clone()).or_default();
                if item.rights.apply(author, effect.cell, effect.units).is_err() {
                    self.unapplied.entry((author, seq)).or_default().insert(effect.sku.clone());
                    self.flags.insert(Flag::NotApplied(author, seq));
                }
            }
        }
        for (at, effect) in (0u32..).zip(&effects.ledger) {
            let movement = Movement::of(&entry.event.envelope, effect);
            self.items.entry(effect.sku.clone()).or_default().moved((author, seq, at), movement);
        }
        for step in &effects.custody {
            let first = Custody { epoch: step.epoch, n: step.n, owner: step.owner, terminal: step.terminal };
            let Some(custody) = self.custody.get_mut(&step.object) else {
                self.custody.insert(step.object.clone(), first);
                continue;
            };
            match custody.merge(step) {
                Step::Taken | Step::Old => {}
                Step::Fork => {
                    self.flags.insert(Flag::CustodyFork(step.object.clone()));
                }
                Step::TakenFromEnded | Step::TerminalBehindTakeover => {
                    self.flags.insert(Flag::EndedBehindTakeover(step.object.clone()));
                }
            }
        }
    }

    /// An event that can't be applied: a fact, shown, that no barrier passes over; what it touches is known only where
    /// its envelope says so.
    fn put_aside(&mut self, entry: &Entry) {
        let at = (entry.author(), entry.seq());
        if !self.terms.is_behind_cap(&at.0, at.1) {
            self.unapplied.insert(at, BTreeSet::new());
        }
        self.flags.insert(Flag::NotApplied(at.0, at.1));
    }

    fn note(&mut self, entry: &Entry, body: &Body, canon: &Canon<'_>) {
        let (author, seq) = (entry.author(), entry.seq());
        match body {
            Body::ReservationOpened(one) => {
                let promised = Promised { sku: one.sku.clone(), units: one.units };
                self.reservations.insert(one.reservation, promised);
            }
            Body::SaleCommitted(sale) => {
                for (_, reservation) in &sale.reservations {
                    let by = self.handed_over.entry(*reservation).or_insert((author, seq));
                    *by = (*by).min((author, seq));
                    self.flags.insert(Flag::HandedOver(*reservation));
                }
                let number = (sale.receipt.till.clone(), sale.receipt.series.clone(), sale.receipt.n);
                let original = entry.event.envelope.reissue.map_or(entry.event.hash, |first| first.hash);
                let known = self.receipts.entry(number.clone()).or_insert(original);
                let twice = *known != original;
                *known = (*known).min(original);
                if twice {
                    self.flags.insert(Flag::ReceiptTwice(number.0, number.1, number.2));
                }
            }
            Body::DeliveryExpected(expected) => {
                let skus = expected.lines.iter().map(|line| line.sku.clone()).collect();
                self.deliveries.insert(expected.delivery, skus);
            }
            Body::RightsBurnt(burnt) => {
                self.burnt.extend(burnt.asked_by.map(|id| (id, author)));
            }
            Body::IncarnationStarted(_) => {
                self.started.insert(author);
            }
            Body::StockOpened(opened) => {
                let item = self.items.entry(opened.sku.clone()).or_default();
                item.carried.insert(opened.successor, opened.overdraw);
            }
            Body::BranchCut(cut) => {
                let shared = Cap { seq: cut.fork.seq, hash: cut.fork.hash };
                let known = self.forks.entry(cut.incarnation).or_insert(shared);
                if shared.seq < known.seq {
                    *known = shared;
                }
                self.settle_branches(canon);
            }
            _ => {}
        }
    }

    /// Σ open reservations of a sku.
    pub fn reserved(&self, sku: &Sku) -> i128 {
        let open = self.reservations.iter().filter(|(id, one)| one.sku == *sku && !self.has_ended(id));
        open.map(|(_, one)| i128::from(one.units)).sum()
    }

    fn has_ended(&self, reservation: &Id) -> bool {
        self.custody.get(&CustodyObject::Reservation(*reservation)).is_some_and(|custody| custody.terminal)
    }

    /// A delivery of the sku that was announced and has not come to its end.
    pub fn open_delivery(&self, sku: &Sku) -> Option<Id> {
        let mut open = self.deliveries.iter().filter(|(id, skus)| {
            let custody = self.custody.get(&CustodyObject::Delivery(**id));
            skus.contains(sku) && custody.is_some_and(|custody| !custody.terminal)
        });
        open.next().map(|(id, _)| *id)
    }

    /// An event that touches the sku (or may) and whose effects are not applied.
    pub fn unapplied_of(&self, sku: &Sku) -> Option<(Incarnation, u64)> {
        let mut touching = self.unapplied.iter().filter(|(_, skus)| skus.is_empty() || skus.contains(sku));
        touching.next().map(|(at, _)| *at)
    }

    /// The figures of a sku (`model.md` §2).
    pub fn picture(&self, sku: &Sku) -> Picture {
        let reserved = self.reserved(sku);
        match self.items.get(sku) {
            Some(item) => item.picture(sku, &self.terms, reserved, &self.started),
            None => Picture { reserved, ..Picture::default() },
        }
    }
}
