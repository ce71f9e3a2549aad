//! The terms of a store: who is in the signed roster, who is fenced, retired, frozen, capped or resolved
//! (`model.md` §1, §3). All of it comes from the hub's stream `H_s` and the retirements that authors sign themselves.

use crate::body::{Body, CutHead, RetiredBy};
use crate::ids::{Hash, Id, Incarnation};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tradepost_commerce::document::Sku;

/// Where an incarnation stands in its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Place {
    /// In no roster: it writes facts only, and nobody gives to it.
    Unregistered,
    /// A member.
    Live,
    /// Fenced by the hub: what it holds is suspended until it is resolved.
    Fenced,
    /// It signed its last event: what stands in its column is suspended until it is resolved.
    Retired,
}

/// What a fence said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fence {
    /// Who owns its carts, shifts and refund rights after the wait (`model.md` §5).
    pub successor: Option<Incarnation>,
    /// The machine's destruction is attested: no wait.
    pub attested: bool,
}

/// The last position of a fenced log whose events have cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cap {
    /// Up to here.
    pub seq: u64,
    /// With this hash.
    pub hash: Hash,
}

/// A barrier that is open.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Open {
    barrier: Id,
    by: Incarnation,
    logs: BTreeSet<Incarnation>,
}

/// What a replica knows of its store's members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Terms {
    hub: Option<Incarnation>,
    past: BTreeSet<Incarnation>,
    version: u64,
    roster: BTreeSet<Incarnation>,
    fences: BTreeMap<Incarnation, Fence>,
    retired: BTreeSet<Incarnation>,
    lone: BTreeMap<Incarnation, Incarnation>,
    open: Option<Open>,
    caps: BTreeMap<Incarnation, Cap>,
    resolved: BTreeSet<(Incarnation, Sku)>,
}

impl Terms {
    /// A node that was never enrolled: its own hub, in a roster of one (`model.md` §1).
    pub fn alone(me: Incarnation) -> Self {
        Self { hub: Some(me), roster: BTreeSet::from([me]), ..Self::default() }
    }

    /// A store whose hub writes as `hub`; nobody is registered yet but it.
    pub fn of_hub(hub: Incarnation) -> Self {
        Self { hub: Some(hub), roster: BTreeSet::from([hub]), ..Self::default() }
    }

    /// The hub was restored and goes on as a new incarnation: what the old one said stays in force.
    pub fn succeed(&mut self, hub: Incarnation) {
        self.past.extend(self.hub.replace(hub).filter(|old| *old != hub));
        self.roster.insert(hub);
    }

    /// Takes in what an event says about terms. Only the hub's word counts, but for an author's own retirement.
    /// Hearing the same event again changes nothing. Whether caps or lone logs changed, by which cells that were
    /// folded before fall away, is the answer.
    pub fn hear(&mut self, author: &Incarnation, body: &Body) -> bool {
        match body {
            Body::IncarnationRetired(retired) => return self.retires(*author, &retired.by),
            _ if Some(*author) != self.hub && !self.past.contains(author) => return false,
            Body::RosterChanged(roster) if roster.version > self.version => {
                self.version = roster.version;
                self.roster = roster.members.iter().map(|m| m.incarnation).chain(self.hub).collect();
                for member in &roster.members {
                    if member.fenced {
                        self.fences
                            .entry(member.incarnation)
                            .or_insert(Fence { successor: None, attested: false });
                    }
                    if member.retired {
                        self.retired.insert(member.incarnation);
                    }
                }
            }
            Body::NodeFenced(fenced) => {
                let fence = Fence { successor: fenced.successor, attested: fenced.attested.is_some() };
                self.fences.insert(fenced.incarnation, fence);
            }
            Body::BarrierOpened(opened) => {
                let logs = opened.fenced.iter().copied().collect();
                self.open = Some(Open { barrier: opened.barrier, by: *author, logs });
            }
            Body::BarrierClosed(closed) => {
                if self.open.as_ref().is_some_and(|open| open.barrier == closed.barrier) {
                    self.open = None;
                }
                return !closed.void && self.cap(&closed.caps);
            }
            Body::NodeResolved(done) => {
                self.resolved.insert((done.incarnation, done.sku.clone()));
            }
            Body::StockOpened(opened) => {
                return self.lone.insert(opened.lone, opened.successor).is_none();
            }
            _ => {}
        }
        false
    }

    fn retires(&mut self, author: Incarnation, by: &RetiredBy) -> bool {
        self.retired.insert(author);
        match by {
            // In its own fold a lone log stays what it is: the opening is made from it.
            RetiredBy::Enrolment(_) if self.hub == Some(author) => false,
            RetiredBy::Enrolment(successor) => self.lone.insert(author, *successor).is_none(),
            RetiredBy::Itself | RetiredBy::Operator(_) => false,
        }
    }

    fn cap(&mut self, caps: &[CutHead]) -> bool {
        let before = self.caps.len();
        for cap in caps {
            self.caps.entry(cap.incarnation).or_insert(Cap { seq: cap.seq, hash: cap.hash });
        }
        self.caps.len() > before
    }

    /// `H_s`.
    pub fn hub(&self) -> Option<Incarnation> {
        self.hub
    }

    /// Version of the roster that is known.
    pub fn roster_version(&self) -> u64 {
        self.version
    }

    /// Where an incarnation stands.
    pub fn place(&self, i: &Incarnation) -> Place {
        if self.fences.contains_key(i) {
            Place::Fenced
        } else if self.retired.contains(i) {
            Place::Retired
        } else if self.roster.contains(i) {
            Place::Live
        } else {
            Place::Unregistered
        }
    }

    /// The members that are neither fenced nor retired: the members of a barrier, and whose rights make up ATP.
    pub fn live(&self) -> BTreeSet<Incarnation> {
        self.roster.iter().copied().filter(|i| self.place(i) == Place::Live).collect()
    }

    /// Everyone fenced or retired, whose column is suspended until it is resolved.
    pub fn out(&self) -> BTreeSet<Incarnation> {
        self.fences.keys().chain(&self.retired).copied().filter(|i| !self.is_lone(i)).collect()
    }

    /// Everyone that was ever in the roster.
    pub fn roster(&self) -> &BTreeSet<Incarnation> {
        &self.roster
    }

    /// Whether rights may be given to an incarnation: it is a member, and no barrier has frozen it.
    pub fn may_be_given(&self, i: &Incarnation) -> bool {
        self.place(i) == Place::Live && !self.is_frozen(i) && !self.caps.contains_key(i)
    }

    /// The barrier that is open, as far as is known. One that a past hub left open is given up by its successor's first.
    pub fn open_barrier(&self) -> Option<Id> {
        self.open.as_ref().filter(|open| Some(open.by) == self.hub).map(|open| open.barrier)
    }

    /// Whether an open barrier has frozen this log where it is.
    pub fn is_frozen(&self, i: &Incarnation) -> bool {
        self.open.as_ref().is_some_and(|open| open.logs.contains(i))
    }

    /// What a fence said.
    pub fn fence(&self, i: &Incarnation) -> Option<&Fence> {
        self.fences.get(i)
    }

    /// Where a log's cells end.
    pub fn cap_of(&self, i: &Incarnation) -> Option<Cap> {
        self.caps.get(i).copied()
    }

    /// Whether an event of an author is behind its cap: a fact without cells.
    pub fn is_behind_cap(&self, i: &Incarnation, seq: u64) -> bool {
        self.caps.get(i).is_some_and(|cap| seq > cap.seq)
    }

    /// Whether a fenced incarnation's rights in a sku are resolved.
    pub fn is_resolved(&self, i: &Incarnation, sku: &Sku) -> bool {
        self.resolved.contains(&(*i, sku.clone()))
    }

    /// Whether this is the log of a node from before its enrolment: documents only, in every fold (`model.md` §4).
    pub fn is_lone(&self, i: &Incarnation) -> bool {
        self.lone.contains_key(i)
    }
}
