//! The pump: gives the session one input, drains its outputs, does what they say (`house.md`, A sync round).
//!
//! It always reads while it writes: what the disk does runs beside the link, and frames leave over a queue.

use super::daemon::{Context, PROGRAM, as_reason};
use crate::app::enrol::Hub;
use crate::app::problem::{Answer, Stop};
use crate::app::stretch::{self, Asked};
use crate::app::{catalog, join, node};
use crate::db::incarnations;
use crate::link::LinkState;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tradepost_commerce::document::CatalogVersion;
use tradepost_proto::convert::{from_frame, to_frame};
use tradepost_proto::sync::v1::Frame;
use tradepost_proto::sync::v1::sync_service_client::SyncServiceClient;
use tradepost_sync::clock::Tau;
use tradepost_sync::frontier::{Frontier, HeadMark};
use tradepost_sync::limits::FRAME_BYTES_MAX;
use tradepost_sync::session::{Applied, Closing, Input, Local, Output, Refusal, Role, Session};

/// Frames that may wait for the link; the session's own window keeps them few.
const FRAMES_MAX: usize = 64;

/// How a session ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// In words.
    pub why: String,
    /// Whether the hub was met and proven.
    pub met: bool,
    /// Whether trying again is of no use.
    pub for_good: bool,
}

/// What comes back from the disk.
enum Done {
    Input(Box<Input>),
    Broken(Stop),
}

/// Drives one session over a channel until it ends.
pub async fn run(context: &Context, hub: &Hub, channel: Channel) -> Ended {
    match Pump::begin(context, hub, channel).await {
        Ok(pump) => pump.run().await,
        Err(why) => Ended { why, met: false, for_good: false },
    }
}

struct Pump<'a> {
    context: &'a Context,
    session: Session,
    frames: mpsc::Sender<Frame>,
    heard: tonic::Streaming<Frame>,
    done: mpsc::UnboundedReceiver<Done>,
    disk: mpsc::UnboundedSender<Done>,
    wake_at: Option<i64>,
    self_fenced: bool,
    met: bool,
}

impl<'a> Pump<'a> {
    async fn begin(context: &'a Context, hub: &Hub, channel: Channel) -> Result<Self, String> {
        let local = local(context, hub).map_err(|stop| as_reason(&stop))?;
        let (frames, outgoing) = mpsc::channel(FRAMES_MAX);
        let mut session = Session::new(local);
        session.handle(context.machine.boot(), Input::Start);
        let (disk, done) = mpsc::unbounded_channel();
        // The first word must be on its way before the hub answers the call at all.
        let mut early = Vec::new();
        while let Some(output) = session.poll() {
            match output {
                Output::Send(message) => frames.send(to_frame(&message)).await.map_err(|e| e.to_string())?,
                other => early.push(other),
            }
        }
        let mut client = SyncServiceClient::new(channel)
            .max_decoding_message_size(FRAME_BYTES_MAX)
            .max_encoding_message_size(FRAME_BYTES_MAX);
        let call = client.sync(ReceiverStream::new(outgoing));
        let answered = tokio::time::timeout(Duration::from_secs(7), call).await;
        let answered = answered.map_err(|_| "the hub did not answer".to_owned())?;
        let heard = answered.map_err(|status| status.message().to_owned())?.into_inner();
        let mut pump = Self {
            context,
            session,
            frames,
            heard,
            done,
            disk,
            wake_at: None,
            self_fenced: false,
            met: false,
        };
        for output in early {
            pump.act(output).await;
        }
        Ok(pump)
    }

    async fn run(mut self) -> Ended {
        let mut pulse = self.context.writer.pulse();
        // What was written while the call was being made is news too.
        pulse.mark_changed();
        loop {
            let input = tokio::select! {
                biased;
                done = self.done.recv() => match done {
                    Some(Done::Input(input)) => *input,
                    Some(Done::Broken(stop)) => return self.end(as_reason(&stop)),
                    None => return self.end("the disk is gone".to_owned()),
                },
                frame = self.heard.message() => match frame {
                    Ok(Some(frame)) => match from_frame(frame) {
                        Ok(message) => {
                            self.contact();
                            Input::Message(message)
                        }
                        Err(bad) => return self.end(bad.to_string()),
                    },
                    Ok(None) => return self.end("the hub ended the session".to_owned()),
                    Err(status) => return self.end(status.message().to_owned()),
                },
                changed = pulse.changed() => match changed {
                    Ok(()) => {
                        let now = pulse.borrow_and_update().clone();
                        Input::Local { heads: vec![now.head], catalog: now.catalog }
                    }
                    Err(_) => return self.end("the node closes".to_owned()),
                },
                () = until(self.wake_at, self.context.machine) => Input::Tick { tau: None },
                () = self.context.poke.notified() => Input::Tick { tau: None },
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
                let applied = match join::join(node, now, &batch) {
                    Ok(applied) => applied,
                    Err(Stop::No(_)) => Applied::Bad,
                    fault => fault?,
                };
                Ok(Input::Applied(applied))
            }),
            Output::ApplyCatalog(entries) => {
                self.write(move |node, _| Ok(Input::CatalogApplied(catalog::apply_sealed(node, &entries)?)));
            }
            Output::Acked(head) => self.note_ack(head),
            Output::HubTime(tau) => self.hear_time(tau),
            Output::Met(hello) => {
                self.met = true;
                self.context.tell(|link| {
                    link.state = LinkState::Syncing;
                    link.last_error = None;
                    link.hub_catalog = hello.catalog;
                });
            }
            Output::SelfFence(refusal) => self.self_fence(refusal),
            Output::WaitUntil(at) => self.wake_at = Some(at),
            Output::Close(closing) => return Some(self.close(closing)),
            Output::Identify(_) | Output::ReadCatalog { .. } | Output::CatalogAcked(_) => {}
        }
        None
    }

    fn read(&self, asked: Asked) {
        let (reads, disk) = (self.context.reads.clone(), self.disk.clone());
        tokio::task::spawn_blocking(move || {
            let read = reads.with::<_, Stop>(|conn| Ok(stretch::read(conn, &asked)?));
            let _ = disk.send(match read {
                Ok(batch) => Done::Input(Box::new(Input::Read(batch))),
                Err(stop) => Done::Broken(stop),
            });
        });
    }

    fn write(
        &self,
        work: impl FnOnce(&mut node::Node, crate::app::clock::Now) -> Answer<Input> + Send + 'static,
    ) {
        let (writer, disk) = (self.context.writer.clone(), self.disk.clone());
        tokio::spawn(async move {
            let _ = disk.send(match writer.ask(work).await {
                Ok(input) => Done::Input(Box::new(input)),
                Err(stop) => Done::Broken(stop),
            });
        });
    }

    /// How far the hub holds a stream is a hint for people, so nobody waits for it to be written.
    fn note_ack(&self, head: HeadMark) {
        let writer = self.context.writer.clone();
        tokio::spawn(async move {
            let noted = writer
                .ask(move |node, _| {
                    if let Some(known) = incarnations::find(node.conn(), &head.incarnation)? {
                        incarnations::set_acked(node.conn(), known.no, head.seq)?;
                        node.touch();
                    }
                    Ok(())
                })
                .await;
            if let Err(stop) = noted {
                tracing::debug!(?stop, "an acknowledgement was not noted");
            }
        });
    }

    fn hear_time(&self, tau: Tau) {
        let machine = self.context.machine;
        let (boot, skew) = (machine.boot(), machine.wall() - tau.ms);
        self.context.tell(|link| link.clock_skew_ms = skew);
        let writer = self.context.writer.clone();
        tokio::spawn(async move {
            let heard = writer.ask(move |node, _| {
                node.clock_mut().hear(tau, boot);
                Ok(())
            });
            let _ = heard.await;
        });
    }

    /// The hub knows more of this node than it does itself: this memory writes no more (`model.md` §3). The next
    /// start begins a new incarnation.
    fn self_fence(&mut self, refusal: Refusal) {
        tracing::error!(?refusal, "the hub holds another memory of this node: a new incarnation is needed");
        self.self_fenced = true;
        let (writer, disk) = (self.context.writer.clone(), self.disk.clone());
        tokio::spawn(async move {
            if let Err(stop) = writer.ask_alone(crate::app::start::begin_again).await {
                let _ = disk.send(Done::Broken(stop));
            }
        });
    }

    fn contact(&self) {
        let wall = self.context.machine.wall();
        self.context.tell(|link| link.last_contact = Some(wall));
    }

    fn show(&self) {
        if !self.met {
            return;
        }
        let state = if self.session.level() { LinkState::Online } else { LinkState::Syncing };
        let shown = self.context.link.borrow().state;
        if shown != state {
            self.context.tell(|link| link.state = state);
        }
    }

    fn close(&self, closing: Closing) -> Ended {
        let for_good = matches!(
            closing,
            Closing::PeerRefused(Refusal::Protocol | Refusal::Unknown | Refusal::Fenced)
                | Closing::Refused(Refusal::Protocol | Refusal::Signature)
        );
        let why = match closing {
            Closing::Refused(refusal) => format!("the hub was refused: {refusal:?}"),
            Closing::PeerRefused(refusal) => format!("the hub refuses: {refusal:?}"),
            Closing::Silence => "the hub is silent".to_owned(),
            Closing::Stalled => "nothing moved".to_owned(),
        };
        Ended { why, met: self.met, for_good }
    }

    fn end(&self, why: String) -> Ended {
        Ended { why, met: self.met, for_good: false }
    }
}

async fn until(at: Option<i64>, machine: crate::writer::Machine) {
    let wait = at.map_or(1_000, |at| (at - machine.boot()).clamp(0, 5_000));
    tokio::time::sleep(Duration::from_millis(u64::try_from(wait).unwrap_or(0))).await;
}

fn local(context: &Context, hub: &Hub) -> Answer<Local> {
    let pulse = context.writer.pulse().borrow().clone();
    let (frontier, catalog): (Frontier, CatalogVersion) = context
        .reads
        .with::<_, Stop>(|conn| Ok((incarnations::frontier(conn)?, node::catalog_version(conn)?)))?;
    let mut nonce = [0u8; 32];
    getrandom::fill(&mut nonce).map_err(|e| Stop::Fault(crate::db::Fault::Fatal(e.to_string())))?;
    Ok(Local {
        role: Role::Node,
        incarnation: pulse.head.incarnation,
        device: context.device.clone(),
        nonce,
        frontier,
        catalog,
        wall: context.machine.wall(),
        program: PROGRAM.to_owned(),
        peer_key: Some(hub.key),
    })
}
