//! The waits of a store's incarnations (`model.md` §3.3): one begins with every lease, runs while a hub runs, and must be
//! over before anything of a fenced incarnation is released.

use super::Fault;
use crate::db::{Db, Tx, recovery};
use std::time::Instant;
use tradepost_sync::clock::Tau;
use tradepost_sync::fence::{SAVED_EVERY_MS, Waits};
use tradepost_sync::ids::Incarnation;

/// A store's waits.
pub fn of_store(tx: &mut Tx<'_>, store: i64) -> Result<Waits, Fault> {
    recovery::waits(tx, store)?.map_or_else(|| Ok(Waits::default()), |body| read(&body))
}

fn read(body: &str) -> Result<Waits, Fault> {
    serde_json::from_str(body).map_err(Fault::internal)
}

/// Changes a store's waits under their row's lock. A store's first row begins to run now.
pub fn change(tx: &mut Tx<'_>, store: i64, now: Tau, change: impl FnOnce(&mut Waits)) -> Result<(), Fault> {
    let (mut waits, saved_at) = match recovery::waits_locked(tx, store)? {
        Some((body, saved_at)) => (read(&body)?, saved_at),
        None => (Waits::default(), now.ms),
    };
    change(&mut waits);
    Ok(recovery::set_waits(tx, store, &serde_json::to_string(&waits).map_err(Fault::internal)?, saved_at)?)
}

/// A lease of `lease_ms` was given to an incarnation just now: its wait begins anew.
pub fn renewed(tx: &mut Tx<'_>, store: i64, who: Incarnation, lease_ms: i64, now: Tau) -> Result<(), Fault> {
    change(tx, store, now, |waits| waits.renewed(who, lease_ms, now))
}

/// Counts running time: this process's by its monotonic clock, so that its downtime and steps of any clock count zero.
#[derive(Debug)]
pub struct Running {
    since: Instant,
}

impl Default for Running {
    fn default() -> Self {
        Self { since: Instant::now() }
    }
}

impl Running {
    /// Saves what has run, once a minute.
    pub fn save_when_due(&mut self, db: &Db, now: Tau) -> Result<(), Fault> {
        let ran = i64::try_from(self.since.elapsed().as_millis()).unwrap_or(i64::MAX);
        if ran < SAVED_EVERY_MS {
            return Ok(());
        }
        self.since = Instant::now();
        save(db, ran, now)
    }
}

/// This process has run for `ran` ms more. What another process has saved meanwhile is not counted twice: no more than
/// hub time since the row was saved.
pub fn save(db: &Db, ran: i64, now: Tau) -> Result<(), Fault> {
    let stores = db.read(|tx| Ok::<_, Fault>(recovery::waiting(tx)?))?;
    for store in stores {
        db.write(|tx| {
            let Some((body, saved_at)) = recovery::waits_locked(tx, store)? else { return Ok(()) };
            let mut waits = read(&body)?;
            waits.ran(ran.min(now.ms.saturating_sub(saved_at)).max(0), now);
            let body = serde_json::to_string(&waits).map_err(Fault::internal)?;
            Ok::<_, Fault>(recovery::set_waits(tx, store, &body, now.ms)?)
        })?;
    }
    Ok(())
}
