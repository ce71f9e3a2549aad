//! The pump of one session at the hub: it gives the session one input, drains its outputs and does what they say.
//! It always reads while it writes: the database's work runs beside it on blocking threads.

use crate::app::batches::{self, Wanted};
use crate::app::shelf::ShelfMemory;
use crate::app::{
    Fault, barrier, burns, catalog, customers, hub_time, ingest, lease, nodes, recovering, review,
};
use crate::config::program;
use crate::hub::Hub;
use crate::presence::Present;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::{Status, Streaming};
use tradepost_commerce::document::CatalogVersion;
use tradepost_proto::convert::{from_frame, to_frame};
use tradepost_proto::sync::v1::Frame;
use tradepost_sync::clock::Tau;
use tradepost_sync::frontier::{Frontier, HeadMark};
use tradepost_sync::ids::Incarnation;
use tradepost_sync::lease::LeaseAsk;
use tradepost_sync::session::{
    Applied, BarrierWord, Hello, Input, Local, Output, Records, Refusal, Role, Session,
};

/// How often a member is asked again for what it owes a barrier.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Runs one session to its end.
pub(super) async fn run(
    hub: Arc<Hub>,
    mut frames: Streaming<Frame>,
    outgoing: mpsc::Sender<Result<Frame, Status>>,
) {
    let mut pump = match Pump::new(hub, outgoing) {
        Ok(pump) => pump,
        Err(error) => {
            tracing::error!(%error, "no randomness for a session");
            return;
        }
    };
    let mut pokes = pump.hub.pokes.subscribe();
    pump.give(Input::Start);
    while !pump.over && !pump.put_out.load(Ordering::Acquire) {
        let tick = pump.tick_at;
        tokio::select! {
            frame = frames.message() => match frame {
                Ok(Some(frame)) => pump.hear(frame),
                Ok(None) | Err(_) => break,
            },
            Some(done) = pump.jobs.join_next(), if !pump.jobs.is_empty() => match done {
                Ok(Some(input)) => pump.give(input),
                Ok(None) => {}
                Err(_) => break,
            },
            poked = pokes.changed() => match poked {
                Ok(()) if !pump.hub.closing.load(Ordering::Acquire) => pump.look_for_news(),
                // The hub closes: nothing is lost, the next session goes on from what is stored.
                Ok(()) | Err(_) => break,
            },
            () = tokio::time::sleep_until(tick) => pump.tick(),
        }
    }
}

/// What is known of the caller once it was identified.
#[derive(Clone, Copy)]
struct Known {
    store: i64,
    /// The `H_s` that the session speaks for.
    own: Incarnation,
    /// Hub time then, and when that was: the database's clock goes on by the monotonic one.
    tau: Tau,
    at: Instant,
}

/// What one session needs.
struct Pump {
    hub: Arc<Hub>,
    session: Session,
    begun: Instant,
    tick_at: Instant,
    jobs: JoinSet<Option<Input>>,
    outgoing: mpsc::Sender<Result<Frame, Status>>,
    known: Arc<Mutex<Option<Known>>>,
    node: Option<Incarnation>,
    present: Option<Present>,
    /// The node was fenced while it was in session, and is refused when it calls again; or the hub's database was put back,
    /// and another `H_s` goes on.
    put_out: Arc<AtomicBool>,
    /// Events of the node's that it was told are set aside.
    aside: Arc<Mutex<Vec<u64>>>,
    /// When a word that is owed to a barrier was last asked for.
    asked_at: Option<Instant>,
    shelf: Arc<ShelfMemory>,
    over: bool,
}

impl Pump {
    fn new(hub: Arc<Hub>, outgoing: mpsc::Sender<Result<Frame, Status>>) -> Result<Self, getrandom::Error> {
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce)?;
        let local = Local {
            role: Role::Hub,
            incarnation: Incarnation([0; 16]),
            device: hub.device.clone(),
            nonce,
            frontier: Frontier::default(),
            catalog: CatalogVersion::default(),
            wall: wall(),
            program: program(),
            peer_key: None,
            members: Vec::new(),
            roster_of: None,
        };
        let now = Instant::now();
        Ok(Self {
            hub,
            session: Session::new(local),
            begun: now,
            tick_at: now + Duration::from_secs(1),
            jobs: JoinSet::new(),
            outgoing,
            known: Arc::default(),
            node: None,
            present: None,
            put_out: Arc::default(),
            aside: Arc::default(),
            asked_at: None,
            shelf: Arc::default(),
            over: false,
        })
    }

    fn now(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn hear(&mut self, frame: Frame) {
        match from_frame(frame) {
            Ok(message) => self.give(Input::Message(message)),
            Err(error) => {
                tracing::debug!(%error, "a frame makes no sense");
                self.over = true;
            }
        }
    }

    fn tick(&mut self) {
        self.tick_at = Instant::now() + Duration::from_secs(1);
        let tau = self.known().map(|known| {
            let since = i64::try_from(known.at.elapsed().as_millis()).unwrap_or(0);
            known.tau.later(since)
        });
        self.give(Input::Tick { tau });
        if self.asked_at.is_none_or(|at| at.elapsed() >= ASK_AGAIN) {
            self.ask_of_barrier();
            self.ask_to_burn();
        }
    }

    fn give(&mut self, input: Input) {
        let now = self.now();
        self.session.handle(now, input);
        while let Some(output) = self.session.poll() {
            self.obey(output);
        }
    }

    fn obey(&mut self, output: Output) {
        match output {
            Output::Send(message) => {
                // A full channel means that the other side has stopped reading: the session is over.
                if self.outgoing.try_send(Ok(to_frame(&message))).is_err() {
                    self.over = true;
                }
            }
            Output::Identify(hello) => self.identify(hello),
            Output::Met(hello) => {
                self.node = Some(hello.incarnation);
                self.present = Some(self.hub.present.met(hello.incarnation));
                self.beside(move |hub| {
                    nodes::met(hub, &hello, hub_time(&hub.db)?.ms, fresh_luck).map(|()| None)
                });
                // What was published while the caller was being identified woke nobody.
                self.look_for_news();
            }
            Output::Read { incarnation, from, events_max, bytes_max, raw_to } => {
                let wanted = Wanted { incarnation, from, events_max, bytes_max, raw_to };
                self.beside_or(Input::Read(None), move |hub| {
                    Ok(Some(Input::Read(batches::read(hub, &wanted)?)))
                });
            }
            Output::Apply(batch) => self.apply(batch),
            Output::ReadCatalog { after, max } => self.read_catalog(after, max),
            Output::CatalogAcked(has) => self.catalog_acked(has),
            Output::Barrier(word) => self.hear_of_barrier(word),
            Output::ReadRecords { held } => self.read_records(held),
            Output::ApplyRecords(records) => self.apply_records(records),
            Output::WaitUntil(at) => {
                let wait = Duration::from_millis(u64::try_from(at - self.now()).unwrap_or(0));
                self.tick_at = Instant::now() + wait.min(Duration::from_secs(1));
            }
            Output::Close(closing) => {
                tracing::debug!(?closing, node = ?self.node, "a session is over");
                self.over = true;
            }
            Output::SelfFence { why, told } => {
                tracing::error!(?why, node = ?self.node, "a node knows another memory of this hub: was it restored?");
                self.look_at_memory(told);
            }
            Output::GiveLease(ask) => self.give_lease(ask),
            Output::Acked(_)
            | Output::Aside(_)
            | Output::Leased(_)
            | Output::ApplyCatalog(_)
            | Output::HubTime(_)
            | Output::Give(_)
            | Output::HandOver(_)
            | Output::ReadCarts { .. }
            | Output::ApplyCarts(_)
            | Output::ReadCut(_)
            | Output::Cut { .. }
            | Output::Burn(_)
            | Output::Acquired { .. } => {}
        }
    }

    fn identify(&mut self, hello: Hello) {
        let known = Arc::clone(&self.known);
        self.beside_or(Input::Identified(Err(Refusal::Busy)), move |hub| {
            Ok(Some(Input::Identified(match nodes::identify(hub, &hello)? {
                Ok((caller, of_store)) => {
                    let own = caller.hub_incarnation;
                    let now = Known { store: of_store, own, tau: caller.tau, at: Instant::now() };
                    *known.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
                    Ok(caller)
                }
                Err(refusal) => Err(refusal),
            })))
        });
    }

    fn apply(&mut self, batch: tradepost_sync::session::Batch) {
        let (store, shelf) = (self.store_of(), Arc::clone(&self.shelf));
        self.beside_or(Input::Applied(Applied::Later), move |hub| {
            let Some(store) = store else { return Ok(Some(Input::Applied(Applied::Bad))) };
            let begun = std::time::Instant::now();
            let applied = ingest::ingest(hub, &shelf, store, &batch, hub_time(&hub.db)?.ms)?;
            metrics::histogram!("tradepost_ingest_seconds").record(begun.elapsed());
            Ok(Some(Input::Applied(applied)))
        });
    }

    fn read_catalog(&mut self, after: CatalogVersion, max: usize) {
        let Some(store) = self.store_of() else { return };
        self.beside_or(Input::CatalogRead(Vec::new()), move |hub| {
            Ok(Some(Input::CatalogRead(catalog::entries(hub, store, after, max)?)))
        });
    }

    fn catalog_acked(&mut self, has: CatalogVersion) {
        let Some(node) = self.node else { return };
        self.beside(move |hub| catalog::delivered(hub, &node, has, hub_time(&hub.db)?.ms).map(|()| None));
    }

    fn look_for_news(&mut self) {
        self.ask_of_barrier();
        self.ask_to_burn();
        self.tell_what_is_aside();
        let Some(Known { store, own, .. }) = self.known().filter(|_| self.session.met()) else { return };
        let (node, put_out) = (self.node, Arc::clone(&self.put_out));
        self.beside(move |hub| {
            let is_member = node.map_or(Ok(true), |node| nodes::is_member(hub, &node))?;
            if !is_member || !nodes::speaks_for(hub, store, &own)? {
                put_out.store(true, Ordering::Release);
                return Ok(None);
            }
            let heads = batches::heads(hub, store)?;
            Ok(Some(Input::Local { heads, catalog: catalog::head(hub)?.at }))
        });
    }

    /// A node holds more of the store's `H_s` than this session knew: where the database doesn't hold it either, it was put
    /// back, and the hub recovers (`model.md` §3). The session is over; the work goes on without it.
    fn look_at_memory(&self, told: Option<HeadMark>) {
        let (Some(store), Some(who), Some(told)) = (self.store_of(), self.node, told) else { return };
        let hub = Arc::clone(&self.hub);
        tokio::task::spawn_blocking(move || {
            let noticed = fresh_luck().and_then(|luck| recovering::noticed(&hub, store, who, &told, luck));
            if let Err(fault) = noticed {
                tracing::error!(%fault, "the hub could not begin to recover");
            }
        });
    }

    /// The node hears which of its events are set aside without their effects, as often as that changes.
    fn tell_what_is_aside(&mut self) {
        let Some(node) = self.node.filter(|_| self.session.met()) else { return };
        let told = Arc::clone(&self.aside);
        self.beside(move |hub| {
            let aside = review::withheld(hub, &node)?;
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            if *told == aside {
                return Ok(None);
            }
            told.clone_from(&aside);
            Ok(Some(Input::Aside(aside)))
        });
    }

    /// What this member owes a barrier is asked for: at news, and again while it is owed.
    fn ask_of_barrier(&mut self) {
        let Some((store, who)) = self.store_of().zip(self.node).filter(|_| self.session.met()) else {
            return;
        };
        self.asked_at = Some(Instant::now());
        self.beside(move |hub| Ok(barrier::word_for(hub, store, &who)?.map(Input::Barrier)));
    }

    /// Rights without goods that this node is to burn are asked for: at news, and again until it has answered.
    fn ask_to_burn(&mut self) {
        let Some(who) = self.node.filter(|_| self.session.met()) else { return };
        self.beside(move |hub| {
            let asks = burns::asks_for(hub, &who)?;
            Ok((!asks.is_empty()).then_some(Input::AskToBurn(asks)))
        });
    }

    fn hear_of_barrier(&mut self, word: BarrierWord) {
        let Some((store, who)) = self.store_of().zip(self.node) else { return };
        self.beside(move |hub| barrier::hear(hub, store, &who, &word, hub_time(&hub.db)?.ms).map(|()| None));
    }

    /// Where none is given nothing is said: whoever asks, asks again.
    fn give_lease(&mut self, ask: LeaseAsk) {
        let Some(store) = self.store_of() else { return };
        self.beside(move |hub| {
            let now = hub_time(&hub.db)?.ms;
            Ok(lease::give(hub, store, &ask, now)?.map(Input::LeaseGiven))
        });
    }

    fn read_records(&mut self, held: Option<u64>) {
        let Some(node) = self.node else { return };
        self.beside_or(Input::RecordsRead(None), move |hub| {
            Ok(Some(Input::RecordsRead(customers::offer(hub, &node, held)?)))
        });
    }

    fn apply_records(&mut self, records: Records) {
        let Some(node) = self.node else { return };
        self.beside_or(Input::RecordsApplied(None), move |hub| {
            Ok(Some(Input::RecordsApplied(Some(customers::take(hub, &node, &records)?))))
        });
    }

    fn known(&self) -> Option<Known> {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store_of(&self) -> Option<i64> {
        self.known().map(|known| known.store)
    }

    /// Runs database work beside the pump; what it answers is the session's next input.
    fn beside(&mut self, job: impl FnOnce(&Hub) -> Result<Option<Input>, Fault> + Send + 'static) {
        let hub = Arc::clone(&self.hub);
        self.jobs.spawn_blocking(move || job(&hub).unwrap_or_else(|fault| failed(&fault)));
    }

    /// The same, where the session waits for an answer also when the work fails.
    fn beside_or(
        &mut self,
        otherwise: Input,
        job: impl FnOnce(&Hub) -> Result<Option<Input>, Fault> + Send + 'static,
    ) {
        let hub = Arc::clone(&self.hub);
        self.jobs.spawn_blocking(move || match job(&hub) {
            Ok(input) => input,
            Err(fault) => failed(&fault).or(Some(otherwise)),
        });
    }
}

fn failed(fault: &Fault) -> Option<Input> {
    tracing::warn!(%fault, "a session's work failed");
    None
}

fn wall() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn fresh_luck() -> Result<recovering::Luck, Fault> {
    let mut luck = [0; 32];
    getrandom::fill(&mut luck).map_err(Fault::internal)?;
    Ok(luck)
}
