//! The way to the store's other nodes, between `net` and whoever sells: rights that are short here are asked for, within
//! a budget (`model.md` §2, In the store, offline).

use crate::app::acquire::{self, Donor, Short, Wants};
use crate::db::{Fault, Reads};
use crate::writer::Pulse;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tradepost_commerce::document::Sku;
use tradepost_sync::ids::Incarnation;

/// How long a sale waits for neighbours at most, whatever they do.
const BUDGET: Duration = Duration::from_millis(150);
/// A neighbour that let the budget run out isn't waited for again within this time.
const SLOW_FOR: Duration = Duration::from_secs(2);

/// Somebody wants rights of one neighbour.
pub struct AcquireAsk {
    /// The item.
    pub sku: Sku,
    /// Base units that this node shall have been given by it in all.
    pub at_least: u64,
    /// Told how far the neighbour's stream must be held; 0 for a no.
    pub reply: oneshot::Sender<u64>,
}

/// The neighbours that can be asked now.
#[derive(Default)]
pub struct Peers {
    links: Mutex<BTreeMap<Incarnation, mpsc::Sender<AcquireAsk>>>,
    slow: Mutex<BTreeMap<Incarnation, Instant>>,
    /// One item is asked for at a time, so that two sales don't both count on what one of them was given.
    turn: tokio::sync::Mutex<()>,
}

impl Peers {
    /// A neighbour can be asked from now on.
    pub fn met(&self, who: Incarnation, asks: mpsc::Sender<AcquireAsk>) {
        lock(&self.slow).remove(&who);
        lock(&self.links).insert(who, asks);
    }

    /// A neighbour is gone; a conversation that took this one's place stays.
    pub fn gone(&self, who: &Incarnation, asks: &mpsc::Sender<AcquireAsk>) {
        let mut links = lock(&self.links);
        if links.get(who).is_some_and(|held| held.same_channel(asks)) {
            links.remove(who);
        }
    }

    /// Whether anybody can be asked.
    pub fn any(&self) -> bool {
        !lock(&self.links).is_empty()
    }

    /// Sees to it that the rights here cover what `wants` names, as far as neighbours give any in time. It never takes
    /// longer than the budget, and whether it was of use shows in the sale alone.
    pub async fn cover(
        &self,
        reads: &Reads,
        mut pulse: watch::Receiver<Pulse>,
        wants: impl Fn(&Connection) -> Result<Wants, Fault>,
    ) {
        if !self.any() || !pulse.borrow().registered {
            return;
        }
        let short = |conn: &Connection| acquire::shorts(conn, &wants(conn)?);
        if looked_up(reads, short).is_empty() {
            return;
        }
        let deadline = Instant::now() + BUDGET;
        let covering = async {
            let _turn = self.turn.lock().await;
            for short in looked_up(reads, short) {
                self.gather(reads, &mut pulse, short, deadline).await;
            }
        };
        if tokio::time::timeout_at(deadline, covering).await.is_err() {
            metrics::counter!("tradepost_acquire_late_total").increment(1);
        }
    }

    /// Asks one neighbour after another, the largest known holder first.
    async fn gather(
        &self,
        reads: &Reads,
        pulse: &mut watch::Receiver<Pulse>,
        short: Short,
        deadline: Instant,
    ) {
        let mut missing = short.units;
        for donor in looked_up(reads, |conn| acquire::donors(conn, &short.sku)) {
            if missing == 0 {
                return;
            }
            let wanted = missing.min(donor.rights);
            let Some(asks) = self.way_to(&donor) else { continue };
            self.note_slow(donor.incarnation, deadline + SLOW_FOR);
            if self.ask(&asks, &short.sku, &donor, wanted, pulse).await {
                let given = |conn: &Connection| acquire::given_by(conn, &donor.incarnation, &short.sku);
                let given = looked_up(reads, |conn| given(conn).map(|units| vec![units]));
                let more = given.first().map_or(0, |given| given.saturating_sub(donor.given));
                missing = missing.saturating_sub(more);
            }
            lock(&self.slow).remove(&donor.incarnation);
        }
    }

    fn way_to(&self, donor: &Donor) -> Option<mpsc::Sender<AcquireAsk>> {
        let slow = lock(&self.slow).get(&donor.incarnation).is_some_and(|until| *until > Instant::now());
        if slow { None } else { lock(&self.links).get(&donor.incarnation).cloned() }
    }

    /// Taken back once the neighbour has answered.
    fn note_slow(&self, who: Incarnation, until: Instant) {
        lock(&self.slow).insert(who, until);
    }

    /// Whether one neighbour gave anything; then its own signed events say so here too.
    async fn ask(
        &self,
        asks: &mpsc::Sender<AcquireAsk>,
        sku: &Sku,
        donor: &Donor,
        wanted: u64,
        pulse: &mut watch::Receiver<Pulse>,
    ) -> bool {
        let (reply, answer) = oneshot::channel();
        let at_least = donor.given.saturating_add(wanted);
        if asks.send(AcquireAsk { sku: sku.clone(), at_least, reply }).await.is_err() {
            return false;
        }
        let through = answer.await.unwrap_or(0);
        if through == 0 {
            return false;
        }
        let held = |pulse: &Pulse| pulse.others.get(&donor.incarnation).is_some_and(|h| h.seq >= through);
        pulse.wait_for(held).await.is_ok()
    }
}

/// Whoever sells finds out about a broken disk by itself.
fn looked_up<T>(reads: &Reads, look: impl FnOnce(&Connection) -> Result<Vec<T>, Fault>) -> Vec<T> {
    reads.with(look).unwrap_or_else(|fault: Fault| {
        tracing::warn!(%fault, "rights can't be looked up");
        Vec::new()
    })
}

fn lock<T>(held: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
