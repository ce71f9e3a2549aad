//! The wait behind a fence: nothing of a lost incarnation is reclaimed before its lease and a margin have surely run
//! out (`model.md` §3.3).
//!
//! The hub counts in running time that it saves each minute: its downtime and steps of its clock count zero.

use crate::clock::Tau;
use crate::ids::Incarnation;
use crate::lease::margin_ms;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How often the hub saves what has run.
pub const SAVED_EVERY_MS: i64 = 60_000;

/// The wait for one fenced incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Wait {
    /// Length of its last lease.
    pub lease_ms: i64,
    /// Running time since the hub last gave it one.
    pub ran_ms: i64,
    /// Hub time at which the wait was over.
    pub over: Option<Tau>,
}

/// Why nothing of an incarnation may be released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitRefusal {
    /// Its lease may still run.
    #[error("the lease of {who} may run until {}", until.ms)]
    LeaseNotExpired {
        /// Whose.
        who: Incarnation,
        /// If the hub runs without a break.
        until: Tau,
    },
    /// Its lease is out, the margin isn't.
    #[error("the wait for {who} is over at {}", until.ms)]
    WaitNotOver {
        /// For whom.
        who: Incarnation,
        /// If the hub runs without a break.
        until: Tau,
    },
}

impl Wait {
    /// A wait that begins with the last renewal, just now. An incarnation that never had a lease (unregistered) is
    /// waited for not at all: `lease_ms` none.
    pub fn since_renewal(lease_ms: Option<i64>, now: Tau) -> Self {
        match lease_ms {
            Some(lease_ms) => Self { lease_ms, ran_ms: 0, over: None },
            None => Self { lease_ms: 0, ran_ms: 0, over: Some(now) },
        }
    }

    /// The hub has run for `ms` more since it last said so, and it is `now`.
    pub fn ran(&mut self, ms: i64, now: Tau) {
        self.ran_ms = self.ran_ms.saturating_add(ms.max(0));
        if self.over.is_none() && self.ran_ms >= self.needs_ms() {
            self.over = Some(now);
        }
    }

    /// The machine's destruction is attested: the wait is over.
    pub fn attest(&mut self, now: Tau) {
        self.over.get_or_insert(now);
    }

    /// Running time that must pass.
    pub fn needs_ms(&self) -> i64 {
        self.lease_ms.saturating_add(margin_ms(self.lease_ms))
    }

    /// Whether it is over now.
    ///
    /// # Errors
    /// [`WaitRefusal`] with the time at which it will be, if the hub runs without a break.
    pub fn check(&self, who: Incarnation, now: Tau) -> Result<Tau, WaitRefusal> {
        if let Some(over) = self.over {
            return Ok(over);
        }
        let until = |needs: i64| Tau::told(now.epoch, now.ms.saturating_add(needs - self.ran_ms));
        Err(if self.ran_ms < self.lease_ms {
            WaitRefusal::LeaseNotExpired { who, until: until(self.lease_ms) }
        } else {
            WaitRefusal::WaitNotOver { who, until: until(self.needs_ms()) }
        })
    }
}

/// The hub's waits of one store, by incarnation. One begins with every renewal, so that it is running when the fence
/// comes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Waits {
    by: BTreeMap<Incarnation, Wait>,
}

impl Waits {
    /// A lease was given just now: its wait begins anew.
    pub fn renewed(&mut self, who: Incarnation, lease_ms: i64, now: Tau) {
        self.by.insert(who, Wait::since_renewal(Some(lease_ms), now));
    }

    /// Somebody who was never given a lease is fenced.
    pub fn never_leased(&mut self, who: Incarnation, now: Tau) {
        self.by.entry(who).or_insert_with(|| Wait::since_renewal(None, now));
    }

    /// The hub has run for `ms` more; it is `now`.
    pub fn ran(&mut self, ms: i64, now: Tau) {
        self.by.values_mut().for_each(|wait| wait.ran(ms, now));
    }

    /// After a restore every wait begins again, at the full length (`model.md` §3, The hub is a replica too).
    pub fn restart(&mut self, known: impl IntoIterator<Item = Incarnation>, lease_ms: i64, now: Tau) {
        self.by = known.into_iter().map(|who| (who, Wait::since_renewal(Some(lease_ms), now))).collect();
    }

    /// A destruction is attested.
    pub fn attest(&mut self, who: Incarnation, now: Tau) {
        self.by.entry(who).or_insert_with(|| Wait::since_renewal(None, now)).attest(now);
    }

    /// The wait for an incarnation.
    pub fn of(&self, who: &Incarnation) -> Option<&Wait> {
        self.by.get(who)
    }

    /// Whether the wait for an incarnation is over; when it ended. None where no wait is known: it never had a lease.
    ///
    /// # Errors
    /// [`WaitRefusal`].
    pub fn check(&self, who: Incarnation, now: Tau) -> Result<Option<Tau>, WaitRefusal> {
        self.by.get(&who).map(|wait| wait.check(who, now)).transpose()
    }
}
