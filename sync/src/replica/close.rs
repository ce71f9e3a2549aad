//! The hub opens and closes barriers over its replica (`model.md` §3.5, §3.6).

use super::{Now, Replica};
use crate::barrier::{Barrier, BarrierRefusal, Case, Column, Purpose, Settlement, decide};
use crate::body::{BarrierClosed, BarrierOpened, Body, NodeResolved, RightsMinted};
use crate::clock::Tau;
use crate::event::BadEvent;
use crate::fence::Waits;
use crate::ids::{Id, Incarnation};
use std::collections::BTreeMap;
use tradepost_commerce::document::Sku;

/// Why a barrier isn't closed.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// The barrier doesn't allow it.
    #[error(transparent)]
    Refused(#[from] BarrierRefusal),
    /// The event would be too long.
    #[error(transparent)]
    Event(#[from] BadEvent),
}

impl Replica {
    /// Opens a barrier: the hub's logs stand still from here on.
    ///
    /// # Errors
    /// [`CloseError`].
    pub fn open_barrier(
        &mut self,
        id: Id,
        purpose: Purpose,
        at: Tau,
        now: Now,
    ) -> Result<Barrier, CloseError> {
        let barrier = Barrier::open(id, at, purpose, self.terms(), self.heads())?;
        let opened = BarrierOpened {
            barrier: id,
            members: barrier.members.iter().copied().collect(),
            fenced: barrier.frozen.iter().copied().collect(),
        };
        self.write(now, &opened.into())?;
        Ok(barrier)
    }

    /// Closes it, in one transaction: the caps, then per sku who is resolved and what is minted.
    ///
    /// # Errors
    /// [`CloseError`]; nothing changes then.
    pub fn close_barrier(
        &mut self,
        barrier: &Barrier,
        waits: &Waits,
        at: Tau,
        now: Now,
    ) -> Result<BTreeMap<Sku, Settlement>, CloseError> {
        barrier.ready(|i| self.reach(i))?;
        let closed = BarrierClosed {
            barrier: barrier.id,
            caps: barrier.caps(),
            frontier: barrier.frontier(),
            fold: None,
            void: false,
        };
        self.write(now, &closed.into())?;
        let skus: Vec<Sku> = self.state().items.keys().cloned().collect();
        let mut done = BTreeMap::new();
        for sku in skus {
            let settlement = decide(&self.case(&sku, barrier), barrier.opened, waits, at);
            for body in bodies(&sku, barrier.id, &settlement) {
                self.write(now, &body)?;
            }
            done.insert(sku, settlement);
        }
        Ok(done)
    }

    /// Gives a barrier up.
    ///
    /// # Errors
    /// [`CloseError`].
    pub fn void_barrier(&mut self, barrier: &Barrier, now: Now) -> Result<(), CloseError> {
        let closed = BarrierClosed {
            barrier: barrier.id,
            caps: Vec::new(),
            frontier: Vec::new(),
            fold: None,
            void: true,
        };
        self.write(now, &closed.into())?;
        Ok(())
    }

    /// One sku as a barrier's close judges it.
    pub fn case(&self, sku: &Sku, barrier: &Barrier) -> Case<'_> {
        static EMPTY: std::sync::LazyLock<super::Item> = std::sync::LazyLock::new(super::Item::default);
        let item = self.state().items.get(sku).unwrap_or(&EMPTY);
        let count = item.fold.latest.as_ref();
        let held_before = |i: &Incarnation| barrier.known.get(i).map_or(0, |cap| cap.seq);
        let out = self.terms().out();
        let waited_for = out.iter().filter(|f| !self.recovered(f)).copied().collect();
        let out = out.into_iter().filter(|f| !self.terms().is_resolved(f, sku));
        let column = |f: Incarnation| {
            let (recovered, capped) = (self.recovered(&f), self.terms().cap_of(&f).is_some());
            let (rights, overdraw) = (item.rights.of(&f), item.rights.overdraw_of(&f));
            (f, Column { rights, overdraw, recovered, capped })
        };
        Case {
            fold: &item.fold,
            count_held_before: count.is_some_and(|count| held_before(&count.author) >= count.seq),
            last_tau: count.and_then(|count| self.last_tau(&count.author, count.seq)),
            picture: self.picture(sku),
            columns: out.map(column).collect(),
            waited_for,
            delivery: self.state().open_delivery(sku),
            unapplied: self.state().unapplied_of(sku),
        }
    }

    /// Whether a log is here up to its signed retirement (or known to be whole), within its cap: then its column is exact.
    pub fn recovered(&self, f: &Incarnation) -> bool {
        let last = self.reach(f);
        let retired = self.entry(f, last).is_some_and(|entry| {
            matches!(&entry.body, Some(Body::IncarnationRetired(retired)) if retired.last_seq == last)
        });
        (retired || self.known_whole.contains(f)) && self.terms().cap_of(f).is_some_and(|cap| cap.seq >= last)
    }

    /// The last hub time that an author knew before a place in its stream.
    fn last_tau(&self, author: &Incarnation, seq: u64) -> Option<Tau> {
        (1..seq).rev().find_map(|at| self.entry(author, at)?.event.envelope.tau)
    }
}

/// What a barrier's close writes about a sku.
pub fn bodies(sku: &Sku, barrier: Id, settlement: &Settlement) -> Vec<Body> {
    let minted = |units, retired| {
        RightsMinted { sku: sku.clone(), units, barrier: Some(barrier), reservation: None, retired }.into()
    };
    let mut out = Vec::new();
    for (incarnation, units) in &settlement.resolve {
        let resolved = NodeResolved { incarnation: *incarnation, sku: sku.clone(), barrier };
        out.push(Body::from(resolved));
        if *units > 0 {
            out.push(minted(*units, Some(*incarnation)));
        }
    }
    if let Ok(units) = settlement.mint
        && units > 0
    {
        out.push(minted(units, None));
    }
    out
}
