//! The sync daemon: connects, keeps a session up, and tries again with jitter. Nobody who sells waits for it.

use super::carrier::Carrier;
use super::pump::{self, Ended};
use super::rejoin::NotTaken;
use super::{enrol, rejoin, tls};
use crate::app::enrol::Hub;
use crate::app::problem::Stop;
use crate::db::{Fault, Reads};
use crate::link::{EnrolAsk, Link, LinkState};
use crate::peers::Peers;
use crate::writer::{Machine, Writer};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tls::Meter;
use tokio::sync::{Notify, mpsc, watch};
use tradepost_sync::clock::Tau;
use tradepost_sync::session::Refusal;
use tradepost_sync::signing::Device;

/// Name and version, for people.
pub const PROGRAM: &str = concat!("tradepost-node ", env!("CARGO_PKG_VERSION"));
/// A healed link moves within 11 s: connecting takes up to 5, so a pause may take 2.
const PAUSE_MS: std::ops::Range<u64> = 250..2_000;
/// Once the hub has said that only a person helps, it is asked now and then, in case one has.
const PAUSE_FOR_A_PERSON_MS: u64 = 120_000;

/// What the daemon has at hand.
#[derive(Clone)]
pub struct Context {
    /// The way to the writing thread.
    pub writer: Writer,
    /// Read-only connections.
    pub reads: Arc<Reads>,
    /// The machine's clocks.
    pub machine: Machine,
    /// The device's keys.
    pub device: Device,
    /// A name people know the node by.
    pub name: String,
    /// A hub's address that is used instead of the enrolment code's.
    pub hub_override: Option<String>,
    /// Bytes on the wire.
    pub meter: Arc<Meter>,
    /// Pokes the daemon.
    pub poke: Arc<Notify>,
    /// Where the link stands.
    pub link: Arc<watch::Sender<Link>>,
    /// The neighbours that can be asked for rights.
    pub peers: Arc<Peers>,
    /// Leases that neighbours carry.
    pub carrier: Arc<Carrier>,
}

impl Context {
    /// Tells where the link stands.
    pub(super) fn tell(&self, change: impl FnOnce(&mut Link)) {
        self.link.send_modify(|link| {
            change(link);
            link.bytes_sent = self.meter.sent.load(Ordering::Relaxed);
            link.bytes_received = self.meter.received.load(Ordering::Relaxed);
        });
    }

    /// The hub said what time it is; answers once the writer knows.
    pub(super) async fn hear_time(&self, tau: Tau) {
        let (boot, skew) = (self.machine.boot(), self.machine.wall() - tau.ms);
        self.tell(|link| (link.clock_skew_ms, link.hub_time) = (skew, Some((tau, boot))));
        let heard = self.writer.ask(move |node, _| {
            node.clock_mut().hear(tau, boot);
            Ok(())
        });
        if let Err(stop) = heard.await {
            tracing::debug!(?stop, "hub time was not noted");
        }
    }

    /// What is known of hub time now, with its age.
    pub(super) fn hub_time(&self) -> Option<Tau> {
        let (tau, at) = self.link.borrow().hub_time?;
        Some(tau.later(self.machine.boot() - at))
    }

    /// Whether a neighbour's word about hub time is to be taken: nothing is known here, a later epoch has begun, or the
    /// hub told it more lately.
    pub(super) fn is_fresher(&self, tau: Tau) -> bool {
        self.hub_time().is_none_or(|known| (tau.epoch, known.age) > (known.epoch, tau.age))
    }

    /// The hub this node belongs to.
    fn hub(&self) -> Option<Hub> {
        let read = self.reads.with::<_, Stop>(|conn| Ok(crate::app::enrol::hub(conn)?));
        read.unwrap_or_else(|stop| {
            tracing::error!(?stop, "the hub's address can't be read");
            None
        })
    }
}

/// Runs until the program ends.
pub async fn run(context: Context, mut asks: mpsc::Receiver<EnrolAsk>) {
    let mut attempt = 0u32;
    loop {
        let Some(hub) = context.hub() else {
            match asks.recv().await {
                Some(ask) => answer(&context, ask).await,
                None => return,
            }
            continue;
        };
        let ended = tokio::select! {
            ended = one_session(&context, &hub) => ended,
            ask = asks.recv() => match ask {
                Some(ask) => {
                    answer(&context, ask).await;
                    continue;
                }
                None => return,
            },
        };
        attempt = if ended.met { 0 } else { attempt.saturating_add(1) };
        context.tell(|link| {
            link.state = LinkState::Offline;
            link.last_error = Some(ended.why.clone());
        });
        tracing::info!(why = %ended.why, "the session ended");
        let pause = match come_back(&context, &hub, &ended).await {
            Back::AtOnce => continue,
            Back::Later => pause_ms(attempt),
            Back::NeedsCode(why) => {
                tracing::error!(%why, "the hub does not take this node in: a person must enrol it with a code");
                context.tell(|link| (link.needs_code, link.last_error) = (true, Some(why)));
                PAUSE_FOR_A_PERSON_MS
            }
        };
        if ended.for_good {
            tracing::error!("the hub refuses this node; a person must look");
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(pause)) => {}
            () = context.poke.notified() => {}
            ask = asks.recv() => match ask {
                Some(ask) => answer(&context, ask).await,
                None => return,
            },
        }
    }
}

/// What comes after a refusal.
enum Back {
    /// The hub is called again at once.
    AtOnce,
    /// After a pause.
    Later,
    /// Not before a person has helped.
    NeedsCode(String),
}

/// A fenced memory writes no more and a new one begins; a new one asks to be taken in (`model.md` §3, Amnesia).
async fn come_back(context: &Context, hub: &Hub, ended: &Ended) -> Back {
    match ended.refused {
        Some(Refusal::Fenced) => {
            let told = context.writer.pulse().borrow().head.incarnation;
            let begun = context.writer.ask_alone(move |node, now| {
                if node.mark().incarnation != told {
                    return Ok(());
                }
                tracing::error!("the hub has fenced this node: a new incarnation begins");
                crate::app::start::begin_again(node, now)
            });
            if begun.await.is_ok() { Back::AtOnce } else { Back::Later }
        }
        Some(Refusal::Unknown) => match rejoin::rejoin(context, hub).await {
            Ok(()) => Back::AtOnce,
            Err(NotTaken::NeedsCode(why)) => Back::NeedsCode(why),
            Err(NotTaken::NotAsked(why)) => {
                tracing::warn!(%why, "the hub did not take this node back");
                context.tell(|link| link.last_error = Some(why));
                Back::Later
            }
        },
        _ => Back::Later,
    }
}

async fn answer(context: &Context, ask: EnrolAsk) {
    let done = enrol::enrol(context, &ask.code).await;
    if done.is_ok() {
        context.tell(|link| link.needs_code = false);
    }
    let _ = ask.reply.send(done);
}

async fn one_session(context: &Context, hub: &Hub) -> Ended {
    let address = context.hub_override.clone().unwrap_or_else(|| hub.address.clone());
    context.tell(|link| link.address = Some(address.clone()));
    match tls::connect(&address, hub.fingerprint, Arc::clone(&context.meter)).await {
        Ok(channel) => pump::with_hub(context, hub, channel).await,
        Err(why) => Ended { why, met: false, for_good: false, refused: None },
    }
}

/// Longer with every failure up to a bound, and never for all nodes at the same time.
fn pause_ms(attempt: u32) -> u64 {
    let reach = PAUSE_MS.start.saturating_mul(1 << attempt.min(4)).min(PAUSE_MS.end);
    let mut luck = [0u8; 8];
    let _ = getrandom::fill(&mut luck);
    reach / 2 + u64::from_le_bytes(luck) % (reach / 2 + 1)
}

/// A fault that ends a session; the writer has said more about it.
pub(super) fn as_reason(stop: &Stop) -> String {
    match stop {
        Stop::No(problem) => problem.detail.clone(),
        Stop::Fault(Fault::Full) => "the disk is full".to_owned(),
        Stop::Fault(Fault::Fatal(why)) => why.clone(),
    }
}
