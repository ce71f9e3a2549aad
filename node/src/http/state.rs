//! What every handler has at hand.

use crate::app::acquire::Wants;
use crate::app::count::Held;
use crate::app::hand_over;
use crate::app::node::Rulebook;
use crate::app::problem::{Answer, Stop};
use crate::db::{Fault, Reads};
use crate::link::{EnrolAsk, Link, Told};
use crate::peers::Peers;
use crate::tls::Identity;
use crate::writer::{Machine, Pulse, Writer};
use rusqlite::Connection;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tradepost_sync::body::CustodyObject;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Id, Incarnation};

/// How long events that neighbours hold may take to arrive here.
const ARRIVING: Duration = Duration::from_secs(1);

/// What every handler has at hand. Clones are cheap.
#[derive(Clone)]
pub struct Shared(Arc<Inner>);

/// See [`Shared`].
pub struct Inner {
    /// The way to the writing thread.
    pub writer: Writer,
    /// Read-only connections.
    pub reads: Reads,
    /// The machine's clocks.
    pub machine: Machine,
    /// The till the page sells at.
    pub till: String,
    /// Host names that are answered for; empty means loopback names alone.
    pub hosts: Vec<String>,
    /// What is shown to devices that come over TLS; none where the node serves none.
    pub identity: Option<Arc<Identity>>,
    /// Other machines are answered without encryption.
    pub insecure_lan: bool,
    /// The link, as the sync daemon tells it.
    pub link: watch::Receiver<Link>,
    /// Pokes the sync daemon.
    pub poke: Arc<Notify>,
    /// The neighbours that can be asked for rights.
    pub peers: Arc<Peers>,
    /// Asks the sync daemon to enrol the node.
    pub enrol: mpsc::Sender<EnrolAsk>,
    /// What is told at `/v1/events`.
    pub told: broadcast::Sender<Told>,
    /// Prometheus' text.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Whether the chains were found whole, once they were walked.
    pub chains: Arc<Chains>,
    /// Rules as readers need them, with the pulse they were read at.
    rules: Mutex<Option<(Pulse, Arc<Rulebook>)>>,
}

/// What the walk over the chains found so far.
#[derive(Debug, Default)]
pub struct Chains {
    /// It ended.
    pub walked: AtomicBool,
    /// It found something.
    pub broken: AtomicBool,
}

/// The parts of [`Shared`] that somebody else makes.
pub struct Given {
    /// See [`Inner`].
    pub writer: Writer,
    /// See [`Inner`].
    pub reads: Reads,
    /// See [`Inner`].
    pub machine: Machine,
    /// See [`Inner`].
    pub till: String,
    /// See [`Inner`].
    pub hosts: Vec<String>,
    /// See [`Inner`].
    pub identity: Option<Arc<Identity>>,
    /// See [`Inner`].
    pub insecure_lan: bool,
    /// See [`Inner`].
    pub link: watch::Receiver<Link>,
    /// See [`Inner`].
    pub poke: Arc<Notify>,
    /// See [`Inner`].
    pub peers: Arc<Peers>,
    /// See [`Inner`].
    pub enrol: mpsc::Sender<EnrolAsk>,
    /// See [`Inner`].
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
}

impl Shared {
    /// Puts it together.
    pub fn new(given: Given) -> Self {
        let Given {
            writer,
            reads,
            machine,
            till,
            hosts,
            identity,
            insecure_lan,
            link,
            poke,
            peers,
            enrol,
            metrics,
        } = given;
        Self(Arc::new(Inner {
            writer,
            reads,
            machine,
            till,
            hosts,
            identity,
            insecure_lan,
            link,
            poke,
            peers,
            enrol,
            told: broadcast::channel(64).0,
            metrics,
            chains: Arc::default(),
            rules: Mutex::new(None),
        }))
    }

    /// Reads on one consistent picture of the file. Short: it holds a thread of the runtime.
    ///
    /// # Errors
    /// What `look` says, or a fault.
    pub fn read<T>(&self, look: impl FnOnce(&Connection) -> Answer<T>) -> Answer<T> {
        self.0.reads.with(look)
    }

    /// As [`Self::read`], on a thread that may take its time.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_long<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Connection) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let shared = self.clone();
        let done = tokio::task::spawn_blocking(move || shared.read(look)).await;
        done.map_err(|e| Stop::Fault(Fault::Fatal(e.to_string())))?
    }

    /// Asks neighbours for rights that `wants` lacks here, within a budget; then it is sold with what there is
    /// (`model.md` §2, In the store, offline).
    pub async fn cover(&self, wants: impl Fn(&Connection) -> Result<Wants, Fault>) {
        self.0.peers.cover(&self.0.reads, self.0.writer.pulse(), wants).await;
    }

    /// What the neighbours that can be asked hold now; it is waited a moment until this node holds it too, so that a count
    /// doesn't take for missing what is only on its way (`model.md` §4).
    pub async fn held_by_neighbours(&self) -> Vec<Held> {
        let held = self.0.peers.cuts().await;
        let all: Vec<HeadMark> = held.iter().flat_map(|(_, heads)| heads.iter().copied()).collect();
        let mut pulse = self.0.writer.pulse();
        let there = |pulse: &Pulse| {
            all.iter().all(|head| {
                let known = pulse.others.get(&head.incarnation).map_or(0, |known| known.seq);
                head.incarnation == pulse.head.incarnation || known >= head.seq
            })
        };
        let _ = tokio::time::timeout(ARRIVING, pulse.wait_for(there)).await;
        held
    }

    /// Asks the neighbour that holds an object to hand it over; whether it is this node's then.
    pub async fn ask_for(&self, holder: &Incarnation, object: CustodyObject) -> bool {
        self.0.peers.take_custody(self.0.writer.pulse(), holder, object).await
    }

    /// Where another node of the store holds the right to refund a sale, it is asked to hand it over; whether it does shows
    /// in the refund alone (`facts.md` §4, Refund right).
    ///
    /// # Errors
    /// A fault.
    pub async fn ask_refund_right(&self, sale: &Id) -> Answer<()> {
        if let Some(holder) = self.read(|conn| Ok(hand_over::holder_of_refund(conn, sale)?))? {
            self.ask_for(&holder, CustodyObject::Refund(*sale)).await;
        }
        Ok(())
    }

    /// The rules of the counter as they are now.
    ///
    /// # Errors
    /// A fault.
    pub fn rules(&self) -> Answer<Arc<Rulebook>> {
        let catalog = self.0.writer.pulse().borrow().catalog;
        let mut held = self.0.rules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((pulse, rules)) = held.as_ref()
            && pulse.catalog == catalog
        {
            return Ok(Arc::clone(rules));
        }
        let rules = Arc::new(self.read(|conn| Ok(Rulebook::load(conn)?))?);
        *held = Some((Pulse { catalog, ..Pulse::default() }, Arc::clone(&rules)));
        Ok(rules)
    }

    /// Tells those who listen.
    pub fn tell(&self, name: &'static str, data: String) {
        // Nobody may be listening.
        let _ = self.told.send(Told { name, data });
    }

    /// Whether the chains were found whole; none while they are being walked.
    pub fn chains_whole(&self) -> Option<bool> {
        let walked = self.0.chains.walked.load(Ordering::Relaxed);
        walked.then(|| !self.0.chains.broken.load(Ordering::Relaxed))
    }
}

impl std::ops::Deref for Shared {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}
