//! Who is in session with this process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use tradepost_sync::ids::Incarnation;

/// Everyone who is in session, with how many sessions: a new one may begin before the old one is known to be over.
#[derive(Clone, Debug, Default)]
pub struct Presence {
    by: Arc<Mutex<BTreeMap<Incarnation, usize>>>,
}

/// One session of somebody's; dropped, it is over.
#[derive(Debug)]
pub struct Present {
    who: Incarnation,
    of: Presence,
}

impl Presence {
    /// Somebody was met and proven.
    #[must_use]
    pub fn met(&self, who: Incarnation) -> Present {
        let mut by = self.by.lock().unwrap_or_else(PoisonError::into_inner);
        *by.entry(who).or_default() += 1;
        Present { who, of: self.clone() }
    }

    /// Everyone.
    #[must_use]
    pub fn all(&self) -> BTreeSet<Incarnation> {
        self.by.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let mut by = self.of.by.lock().unwrap_or_else(PoisonError::into_inner);
        let left = by.get_mut(&self.who).map(|sessions| {
            *sessions = sessions.saturating_sub(1);
            *sessions
        });
        if left == Some(0) {
            by.remove(&self.who);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_two_sessions_is_present_until_both_are_over() {
        let (presence, who) = (Presence::default(), Incarnation([1; 16]));
        let (first, second) = (presence.met(who), presence.met(who));
        drop(first);
        assert!(presence.all().contains(&who));
        drop(second);
        assert!(presence.all().is_empty());
    }
}
