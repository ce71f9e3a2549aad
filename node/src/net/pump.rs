//! The pump: gives the session one input, drains its outputs, does what they say (`house.md`, A sync round). One pump
//! drives both kinds of link: to the hub over gRPC, to a neighbour over the LAN.
//!
//! It always reads while it writes: what the disk does runs beside the link, and frames leave over a queue.

mod disk;
mod leasing;
mod sharing;
mod telling;

use super::carrier::Carrying;
use super::daemon::{Context, PROGRAM, as_reason};
use crate::app::enrol::Hub;
use crate::app::follow::{self, Following};
use crate::app::problem::{Answer, Stop};
use crate::app::stretch::Asked;
use crate::app::{catalog, customers, join, node};
use crate::db::incarnations;
use crate::link::LinkState;
use crate::peers::Ask;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tradepost_commerce::document::CatalogVersion;
use tradepost_proto::convert::{from_frame, to_frame};
use tradepost_proto::sync::v1::Frame;
use tradepost_proto::sync::v1::sync_service_client::SyncServiceClient;
use tradepost_sync::frontier::{Frontier, HeadMark};
use tradepost_sync::ids::Incarnation;
use tradepost_sync::limits::{ASKS_MAX, FRAME_BYTES_MAX};
use tradepost_sync::session::{Applied, Hello, Input, Local, Output, Refusal, Role, Session};
use tradepost_sync::signing::DeviceKey;

/// Frames that may wait for the link; the session's own window keeps them few.
pub(super) const FRAMES_MAX: usize = 64;

/// How a session ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// In words.
    pub why: String,
    /// Whether the other side was met and proven.
    pub met: bool,
    /// Whether trying again is of no use.
    pub for_good: bool,
    /// What the other side said, where it refused.
    pub refused: Option<Refusal>,
}

/// What comes back from the disk.
enum Done {
    Input(Box<Input>),
    /// A lease was taken: when the next one is asked for.
    Leased(i64),
    Broken(Stop),
}

/// What the other side says.
enum Heard {
    Hub(Box<tonic::Streaming<Frame>>),
    Neighbour(mpsc::Receiver<Frame>),
}

impl Heard {
    async fn next(&mut self) -> Result<Option<Frame>, String> {
        match self {
            Self::Hub(frames) => frames.message().await.map_err(|status| status.message().to_owned()),
            Self::Neighbour(frames) => Ok(frames.recv().await),
        }
    }
}

/// Drives one session with the hub over a channel until it ends.
pub async fn with_hub(context: &Context, hub: &Hub, channel: Channel) -> Ended {
    let never = |why: String| Ended { why, met: false, for_good: false, refused: None };
    let (frames, outgoing) = mpsc::channel(FRAMES_MAX);
    let cuts = context.writer.pulse().borrow().cuts;
    let local = match local(context, Role::Node, hub.key) {
        Ok(local) => local,
        Err(stop) => return never(as_reason(&stop)),
    };
    // The first word must be on its way before the hub answers the call at all.
    let mut pump = Pump::new(context, (local, cuts), frames);
    if let Some(ended) = pump.start().await {
        return ended;
    }
    let mut client = SyncServiceClient::new(channel)
        .max_decoding_message_size(FRAME_BYTES_MAX)
        .max_encoding_message_size(FRAME_BYTES_MAX);
    let call = client.sync(ReceiverStream::new(outgoing));
    match tokio::time::timeout(Duration::from_secs(7), call).await {
        Err(_) => never("the hub did not answer".to_owned()),
        Ok(Err(status)) => never(status.message().to_owned()),
        Ok(Ok(answered)) => pump.run(Heard::Hub(Box::new(answered.into_inner()))).await,
    }
}

/// Drives one session with the neighbour that holds `key`, over two queues of frames, until it ends.
pub(super) async fn with_neighbour(
    context: &Context,
    key: DeviceKey,
    frames: mpsc::Sender<Frame>,
    heard: mpsc::Receiver<Frame>,
) -> Ended {
    let cuts = context.writer.pulse().borrow().cuts;
    let local = match local(context, Role::Neighbour, key) {
        Ok(local) => local,
        Err(stop) => return Ended { why: as_reason(&stop), met: false, for_good: false, refused: None },
    };
    let mut pump = Pump::new(context, (local, cuts), frames);
    if let Some(ended) = pump.start().await {
        return ended;
    }
    pump.run(Heard::Neighbour(heard)).await
}

struct Pump<'a> {
    context: &'a Context,
    role: Role,
    session: Session,
    frames: mpsc::Sender<Frame>,
    done: mpsc::UnboundedReceiver<Done>,
    disk: mpsc::UnboundedSender<Done>,
    /// The store's `H_s`, and its end when the roster was last looked at.
    hub: Option<Incarnation>,
    roster_at: Option<HeadMark>,
    wake_at: Option<i64>,
    /// When a lease is asked for again, by the boot clock.
    lease_at: i64,
    /// Branches that had been cut off when the ends of streams were read.
    cuts: u64,
    /// Who was met and proven.
    peer: Option<Incarnation>,
    /// Requests for rights: by whoever sells here, and those on their way.
    asks: (mpsc::Sender<Ask>, mpsc::Receiver<Ask>),
    asked: BTreeMap<u64, oneshot::Sender<u64>>,
    cuts_asked: BTreeMap<u64, oneshot::Sender<Vec<HeadMark>>>,
    next_ask: u64,
    /// Neighbours' asks for leases that this session takes to the hub.
    carrying: Carrying,
}

impl Drop for Pump<'_> {
    fn drop(&mut self) {
        self.context.carrier.gone(&self.carrying.asks.0);
        if let (Role::Neighbour, Some(peer)) = (self.role, self.peer) {
            self.context.peers.gone(&peer, &self.asks.0);
        }
    }
}

impl<'a> Pump<'a> {
    fn new(context: &'a Context, (local, cuts): (Local, u64), frames: mpsc::Sender<Frame>) -> Self {
        let (disk, done) = mpsc::unbounded_channel();
        let (role, hub) = (local.role, local.roster_of);
        Self {
            context,
            role,
            session: Session::new(local),
            frames,
            done,
            disk,
            hub,
            roster_at: None,
            wake_at: None,
            lease_at: i64::MAX,
            cuts,
            peer: None,
            asks: mpsc::channel(ASKS_MAX),
            asked: BTreeMap::new(),
            cuts_asked: BTreeMap::new(),
            next_ask: 1,
            carrying: Carrying::default(),
        }
    }

    async fn start(&mut self) -> Option<Ended> {
        let boot = self.context.machine.boot();
        self.session.handle(boot, Input::Tick { tau: self.known_time() });
        self.session.handle(boot, Input::Start);
        self.drain().await
    }

    async fn run(mut self, mut heard: Heard) -> Ended {
        let mut pulse = self.context.writer.pulse();
        let cuts = self.cuts;
        // What was written while the link was being made is news too.
        pulse.mark_changed();
        loop {
            let input = tokio::select! {
                biased;
                done = self.done.recv() => match done {
                    Some(Done::Input(input)) => *input,
                    Some(Done::Leased(next)) => {
                        self.lease_lasts_until(next);
                        continue;
                    }
                    Some(Done::Broken(stop)) => return self.end(as_reason(&stop)),
                    None => return self.end("the disk is gone".to_owned()),
                },
                frame = heard.next() => match frame {
                    Ok(Some(frame)) => match from_frame(frame) {
                        Ok(message) => {
                            self.contact();
                            Input::Message(message)
                        }
                        Err(bad) => return self.end(bad.to_string()),
                    },
                    Ok(None) => return self.end(format!("{} ended the session", self.them())),
                    Err(why) => return self.end(why),
                },
                Some(ask) = self.asks.1.recv() => self.pass_on(ask),
                Some(carried) = self.carrying.asks.1.recv() => Input::AskLease(self.carrying.note(carried)),
                changed = pulse.changed() => match changed {
                    Ok(()) => {
                        let now = pulse.borrow_and_update().clone();
                        if now.cuts != cuts {
                            return self.end("a branch was cut off: ends of streams have gone back".to_owned());
                        }
                        let roster = self.hub.and_then(|hub| now.others.get(&hub).copied());
                        if let Err(ended) = self.look_at_the_roster(roster) {
                            return ended;
                        }
                        let others = now.others.values().copied();
                        Input::Local { heads: others.chain([now.head]).collect(), catalog: now.catalog }
                    }
                    Err(_) => return self.end("the node closes".to_owned()),
                },
                () = until(self.wake_at, self.context.machine) => Input::Tick { tau: self.known_time() },
                () = until(Some(self.lease_at), self.context.machine) => {
                    self.ask_for_lease_when_due();
                    continue;
                }
                () = self.context.poke.notified(), if self.role == Role::Node => Input::Tick { tau: None },
            };
            self.session.handle(self.context.machine.boot(), input);
            if let Some(ended) = self.drain().await {
                return ended;
            }
            self.show();
        }
    }

    async fn drain(&mut self) -> Option<Ended> {
        while let Some(output) = self.session.poll() {
            if let Some(ended) = self.act(output).await {
                return Some(ended);
            }
        }
        None
    }

    async fn act(&mut self, output: Output) -> Option<Ended> {
        let role = self.role;
        match output {
            Output::Send(message) => {
                if self.frames.send(to_frame(&message)).await.is_err() {
                    return Some(self.end("the link is gone".to_owned()));
                }
            }
            Output::Read { incarnation, from, events_max, bytes_max, raw_to } => {
                self.read(Asked { incarnation, from, events_max, bytes_max, raw_to });
            }
            Output::Apply(batch) => self.write(move |node, now| {
                let joined = match role {
                    Role::Node => join::join_canonical(node, now, &batch),
                    _ => join::join(node, now, &batch),
                };
                let applied = match joined {
                    Ok(applied) => applied,
                    Err(Stop::No(_)) => Applied::Bad,
                    fault => fault?,
                };
                Ok(Input::Applied(applied))
            }),
            Output::ApplyCatalog(entries) => {
                self.write(move |node, _| Ok(Input::CatalogApplied(catalog::apply_sealed(node, &entries)?)));
            }
            Output::Acked(head) => self.acked(head),
            Output::HubTime(tau) => self.hear_time(tau),
            Output::Met(hello) => {
                if let Some(ended) = self.follow(&hello).await {
                    return Some(ended);
                }
                self.met(&hello);
            }
            Output::SelfFence { why, told } => self.self_fence(why, told),
            Output::Give(asked) => self.give(asked),
            Output::HandOver(wanted) => self.hand_over(wanted),
            Output::ReadCarts { after } => self.read_carts(after),
            Output::ApplyCarts(carts) => self.apply_carts(carts),
            Output::ReadCut(ask) => self.read_cut(ask),
            Output::Cut { ask, heads } => {
                if let Some(reply) = self.cuts_asked.remove(&ask) {
                    let _ = reply.send(heads);
                }
            }
            Output::Burn(asked) => self.burn(asked),
            Output::Leased(sealed) => self.leased(sealed),
            Output::Aside(seqs) => self.context.tell(|link| link.aside = seqs),
            Output::ReadCatalog { after, max } => self.read_catalog(after, max),
            Output::Acquired { ask, through } => {
                if let Some(reply) = self.asked.remove(&ask) {
                    // Whoever asked may have run out of patience; the rights come all the same.
                    let _ = reply.send(through);
                }
            }
            Output::Barrier(word) => self.hear_of_barrier(word),
            Output::ReadRecords { held } => self.read_records(held),
            Output::ApplyRecords(records) => {
                self.write(move |node, _| Ok(Input::RecordsApplied(Some(customers::take(node, &records)?))));
            }
            Output::WaitUntil(at) => self.wake_at = Some(at),
            Output::Close(closing) => return Some(self.close(closing)),
            Output::GiveLease(ask) => self.carry(ask),
            Output::Identify(_) | Output::CatalogAcked(_) => {}
        }
        None
    }

    /// A hub whose database was put back speaks as another incarnation than before.
    async fn follow(&mut self, hello: &Hello) -> Option<Ended> {
        if self.role != Role::Node || self.hub == Some(hello.incarnation) {
            return None;
        }
        let speaks = hello.incarnation;
        match self.context.writer.ask(move |node, _| follow::follow(node, speaks)).await {
            Ok(Following::Past) => Some(
                self.end("another hub with the same key speaks as it did before it was restored".to_owned()),
            ),
            Ok(Following::Same | Following::Follows) => {
                self.hub = Some(speaks);
                None
            }
            Err(stop) => Some(self.end(as_reason(&stop))),
        }
    }

    fn met(&mut self, hello: &Hello) {
        self.peer = Some(hello.incarnation);
        if self.role == Role::Node {
            self.context.carrier.met(self.carrying.asks.0.clone());
        }
        // At once, and from here on whenever it is due.
        self.lease_at = self.context.machine.boot();
        self.ask_for_lease_when_due();
        if self.role == Role::Neighbour {
            self.context.peers.met(hello.incarnation, self.asks.0.clone());
            let held = self.context.writer.pulse().borrow().head;
            tracing::info!(neighbour = %hello.incarnation, own_seq = held.seq, "a neighbour was met");
        }
        let catalog = hello.catalog;
        self.context.tell(|link| {
            if self.role == Role::Node {
                (link.state, link.last_error, link.hub_catalog) = (LinkState::Syncing, None, catalog);
                link.needs_code = false;
                link.aside.clear();
            }
        });
        self.tell_of_neighbour(|link| (link.state, link.last_error) = (LinkState::Syncing, None));
        self.contact();
    }

    /// A neighbour that the roster lets in no longer is left.
    fn look_at_the_roster(&mut self, roster: Option<HeadMark>) -> Result<(), Ended> {
        let Some(peer) = self.peer.filter(|_| self.role == Role::Neighbour && roster != self.roster_at)
        else {
            return Ok(());
        };
        self.roster_at = roster;
        let known = self.context.reads.with::<_, Stop>(|conn| Ok(incarnations::find(conn, &peer)?));
        match known {
            Ok(Some(known)) if known.admitted() => Ok(()),
            Ok(_) => Err(self.end("the roster lets it in no longer".to_owned())),
            Err(stop) => Err(self.end(as_reason(&stop))),
        }
    }
}

async fn until(at: Option<i64>, machine: crate::writer::Machine) {
    let wait = at.map_or(1_000, |at| (at - machine.boot()).clamp(0, 5_000));
    tokio::time::sleep(Duration::from_millis(u64::try_from(wait).unwrap_or(0))).await;
}

fn local(context: &Context, role: Role, peer_key: DeviceKey) -> Answer<Local> {
    let pulse = context.writer.pulse().borrow().clone();
    type Found = (Frontier, CatalogVersion, Vec<Incarnation>, Option<Incarnation>);
    let (frontier, catalog, members, roster_of): Found = context.reads.with::<_, Stop>(|conn| {
        let neighbours = incarnations::neighbours(conn)?;
        let bearers = neighbours.iter().filter(|known| known.device_key == Some(peer_key));
        Ok((
            incarnations::frontier(conn)?,
            node::catalog_version(conn)?,
            bearers.map(incarnations::Known::id).collect(),
            incarnations::hub(conn)?.map(|known| known.id()),
        ))
    })?;
    let mut nonce = [0u8; 32];
    getrandom::fill(&mut nonce).map_err(|e| Stop::Fault(crate::db::Fault::Fatal(e.to_string())))?;
    Ok(Local {
        role,
        incarnation: pulse.head.incarnation,
        device: context.device.clone(),
        nonce,
        frontier,
        catalog,
        wall: context.machine.wall(),
        program: PROGRAM.to_owned(),
        peer_key: Some(peer_key),
        members,
        roster_of,
    })
}
