//! Leases on their way through a neighbour (`model.md` §3.1): peers carry an ask and its answer, and give nothing of
//! their own. The token answers the asker's nonce and bears the hub's signature, so whoever carries it can neither
//! make it longer nor use it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tradepost_sync::lease::{LeaseAsk, SealedLease};
use tradepost_sync::limits::ASKS_MAX;

/// How long an answer is waited for. The asker asks anew sooner than that.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// A neighbour's ask on its way to the hub.
#[derive(Debug)]
pub struct Carried {
    /// What it says.
    pub ask: LeaseAsk,
    /// Told the hub's answer.
    pub reply: oneshot::Sender<SealedLease>,
}

/// The one way to the hub that this node has, for its neighbours too, and when it needs theirs.
#[derive(Debug)]
pub struct Carrier {
    hub: Mutex<Option<mpsc::Sender<Carried>>>,
    /// When the next own lease is to be asked for, by the boot clock.
    due: AtomicI64,
}

impl Default for Carrier {
    fn default() -> Self {
        Self { hub: Mutex::default(), due: AtomicI64::new(i64::MIN) }
    }
}

impl Carrier {
    /// The hub was met: asks go this way from now on.
    pub(super) fn met(&self, asks: mpsc::Sender<Carried>) {
        *self.held() = Some(asks);
    }

    /// That session has ended; one that took its place stays.
    pub(super) fn gone(&self, asks: &mpsc::Sender<Carried>) {
        let mut held = self.held();
        if held.as_ref().is_some_and(|held| held.same_channel(asks)) {
            *held = None;
        }
    }

    /// A lease was taken: the next one is to be asked for then, by the boot clock.
    pub(super) fn due_at(&self, boot: i64) {
        self.due.store(boot, Ordering::Relaxed);
    }

    /// Whether a neighbour is to carry an ask now: a lease is due, and the hub can't be asked here.
    pub(super) fn needs_neighbours(&self, boot: i64) -> bool {
        self.held().is_none() && boot >= self.due.load(Ordering::Relaxed)
    }

    /// Carries a neighbour's ask to the hub: the hub's answer, or none where the hub gives none, is out of reach or has
    /// too much to answer.
    pub(super) async fn carry(&self, ask: LeaseAsk) -> Option<SealedLease> {
        let hub = self.held().clone()?;
        let (reply, answer) = oneshot::channel();
        hub.try_send(Carried { ask, reply }).ok()?;
        tokio::time::timeout(ANSWERED_WITHIN, answer).await.ok()?.ok()
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<mpsc::Sender<Carried>>> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Neighbours' asks that this session with the hub carries.
#[derive(Debug)]
pub(super) struct Carrying {
    /// Where neighbours' conversations put theirs, and where they are taken from.
    pub(super) asks: (mpsc::Sender<Carried>, mpsc::Receiver<Carried>),
    unanswered: BTreeMap<[u8; 32], oneshot::Sender<SealedLease>>,
}

impl Default for Carrying {
    fn default() -> Self {
        Self { asks: mpsc::channel(ASKS_MAX), unanswered: BTreeMap::new() }
    }
}

impl Carrying {
    /// Notes who waits for the answer; what is said to the hub.
    pub(super) fn note(&mut self, carried: Carried) -> LeaseAsk {
        // Nobody waits for these any longer.
        self.unanswered.retain(|_, reply| !reply.is_closed());
        self.unanswered.insert(carried.ask.nonce, carried.reply);
        carried.ask
    }

    /// Hands an answer to whoever waits for it; back where nobody does, so that it is this node's own.
    pub(super) fn answered(&mut self, sealed: SealedLease) -> Option<SealedLease> {
        let Some(reply) = self.unanswered.remove(&sealed.lease.nonce) else { return Some(sealed) };
        let _ = reply.send(sealed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tradepost_sync::clock::Tau;
    use tradepost_sync::ids::Incarnation;
    use tradepost_sync::lease::Lease;
    use tradepost_sync::signing::Device;

    fn answer(nonce: u8) -> SealedLease {
        let (incarnation, nonce) = (Incarnation([1; 16]), [nonce; 32]);
        let lease = Lease { incarnation, nonce, issued: Tau::told(1, 0), length_ms: 1_000 };
        SealedLease::seal(lease, &Device::from_secret([9; 32]))
    }

    #[tokio::test]
    async fn an_ask_goes_by_the_hubs_session_and_its_answer_comes_back() {
        let (carrier, mut carrying) = (Carrier::default(), Carrying::default());
        let ask = LeaseAsk { incarnation: Incarnation([1; 16]), nonce: [7; 32] };
        assert_eq!(carrier.carry(ask).await, None, "the hub is out of reach");
        carrier.met(carrying.asks.0.clone());
        let hub = async {
            let carried = carrying.asks.1.recv().await.expect("it was carried");
            assert_eq!(carrying.note(carried), ask);
            assert_eq!(carrying.answered(answer(3)), Some(answer(3)), "that one is this node's own");
            assert_eq!(carrying.answered(answer(7)), None);
        };
        let (carried, ()) = tokio::join!(carrier.carry(ask), hub);
        assert_eq!(carried, Some(answer(7)));
    }

    #[test]
    fn a_neighbour_is_asked_when_a_lease_is_due_and_the_hub_is_out_of_reach() {
        let (carrier, first, second) = (Carrier::default(), Carrying::default(), Carrying::default());
        assert!(carrier.needs_neighbours(0));
        carrier.due_at(100);
        assert!(!carrier.needs_neighbours(99) && carrier.needs_neighbours(100));
        carrier.met(first.asks.0.clone());
        carrier.met(second.asks.0.clone());
        carrier.gone(&first.asks.0);
        assert!(!carrier.needs_neighbours(100), "the session that took its place stays");
        carrier.gone(&second.asks.0);
        assert!(carrier.needs_neighbours(100));
    }
}
