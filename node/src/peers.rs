//! The way to the store's other nodes, between `net` and whoever sells: rights that are short here are asked for, within
//! a budget (`model.md` §2, In the store, offline), and so is custody, and what each holds when one counts.

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
use tradepost_sync::body::CustodyObject;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::Incarnation;

/// How long a sale waits for neighbours at most, whatever they do.
const BUDGET: Duration = Duration::from_millis(150);
/// A neighbour that let the budget run out isn't waited for again within this time.
const SLOW_FOR: Duration = Duration::from_secs(2);

/// How long somebody at a till waits to be handed what a neighbour holds.
const HAND_OVER: Duration = Duration::from_secs(3);
/// How long a count waits to hear what neighbours hold; who hasn't answered by then hasn't.
const CUT: Duration = Duration::from_secs(2);

/// Somebody asks one neighbour.
pub enum Ask {
    /// For rights.
    Rights {
        /// The item.
        sku: Sku,
        /// Base units that this node shall have been given by it in all.
        at_least: u64,
        /// Told how far the neighbour's stream must be held; 0 for a no.
        reply: oneshot::Sender<u64>,
    },
    /// For custody.
    Custody {
        /// The object.
        object: CustodyObject,
        /// Told how far the neighbour's stream must be held; 0 for a no.
        reply: oneshot::Sender<u64>,
    },
    /// For what it holds now.
    Cut {
        /// Told all its heads; none where it can't say.
        reply: oneshot::Sender<Vec<HeadMark>>,
    },
}

/// The neighbours that can be asked now.
#[derive(Default)]
pub struct Peers {
    links: Mutex<BTreeMap<Incarnation, mpsc::Sender<Ask>>>,
    slow: Mutex<BTreeMap<Incarnation, Instant>>,
    /// One item is asked for at a time, so that two sales don't both count on what one of them was given.
    turn: tokio::sync::Mutex<()>,
}

impl Peers {
    /// A neighbour can be asked from now on.
    pub fn met(&self, who: Incarnation, asks: mpsc::Sender<Ask>) {
        lock(&self.slow).remove(&who);
        lock(&self.links).insert(who, asks);
    }

    /// A neighbour is gone; a conversation that took this one's place stays.
    pub fn gone(&self, who: &Incarnation, asks: &mpsc::Sender<Ask>) {
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

    /// Asks a neighbour to hand an object over, and waits until its own signed events say so here; whether they do in time.
    pub async fn take_custody(
        &self,
        mut pulse: watch::Receiver<Pulse>,
        holder: &Incarnation,
        object: CustodyObject,
    ) -> bool {
        let Some(asks) = lock(&self.links).get(holder).cloned() else { return false };
        let asking = async {
            let (reply, answer) = oneshot::channel();
            if asks.send(Ask::Custody { object, reply }).await.is_err() {
                return false;
            }
            let through = answer.await.unwrap_or(0);
            let held = |pulse: &Pulse| pulse.others.get(holder).is_some_and(|h| h.seq >= through);
            through > 0 && pulse.wait_for(held).await.is_ok()
        };
        tokio::time::timeout(HAND_OVER, asking).await.unwrap_or(false)
    }

    /// What each neighbour that can be asked holds now, its own stream included (`model.md` §4).
    pub async fn cuts(&self) -> Vec<(Incarnation, Vec<HeadMark>)> {
        let links = lock(&self.links).clone();
        let mut answers = Vec::new();
        for (who, asks) in links {
            let (reply, answer) = oneshot::channel();
            if asks.try_send(Ask::Cut { reply }).is_ok() {
                answers.push((who, answer));
            }
        }
        let deadline = Instant::now() + CUT;
        let mut cuts = Vec::new();
        for (who, answer) in answers {
            if let Ok(Ok(heads)) = tokio::time::timeout_at(deadline, answer).await {
                cuts.push((who, heads));
            }
        }
        cuts.retain(|(_, heads)| !heads.is_empty());
        cuts
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

    fn way_to(&self, donor: &Donor) -> Option<mpsc::Sender<Ask>> {
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
        asks: &mpsc::Sender<Ask>,
        sku: &Sku,
        donor: &Donor,
        wanted: u64,
        pulse: &mut watch::Receiver<Pulse>,
    ) -> bool {
        let (reply, answer) = oneshot::channel();
        let at_least = donor.given.saturating_add(wanted);
        if asks.send(Ask::Rights { sku: sku.clone(), at_least, reply }).await.is_err() {
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
