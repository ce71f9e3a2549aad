//! The LAN: the store's nodes talk to each other directly over QUIC (`model.md` §6). This file alone knows iroh.
//!
//! No relay, no discovery service outside, no port mapping: an address that is bound here, and addresses of neighbours
//! that the settings name, or that are found by multicast on the LAN where the settings allow that. The transport's key is the device key, so a connection itself proves who is at the other end;
//! whom the signed roster doesn't let in is turned away before a word is said. Each pair keeps one conversation.

use super::daemon::Context;
use super::pump::{self, Ended, FRAMES_MAX};
use crate::app::problem::Stop;
use crate::config::PeerAddress;
use crate::db::incarnations::{self, Known};
use iroh::endpoint::{Connection, Incoming, RecvStream, SendStream, presets};
use iroh::{Endpoint, EndpointAddr, EndpointId, RelayMode, SecretKey, TransportAddr};
use iroh_mdns_address_lookup::MdnsAddressLookup;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tradepost_proto::convert::{frame_bytes, frame_of};
use tradepost_proto::sync::v1::Frame;
use tradepost_sync::limits::FRAME_BYTES_MAX;
use tradepost_sync::signing::{Device, DeviceKey};

/// What is spoken: the frames of `tradepost.sync.v1`, each behind its length in four bytes.
const ALPN: &[u8] = b"tradepost/sync/1";
/// How long a connection may take to be made, and to say its first word.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// A pause between two attempts, shorter after a success.
const PAUSE_MS: std::ops::Range<u64> = 200..2_000;
/// Within this time of its beginning a conversation is no dead one, whatever the other side thinks.
const YOUNG: Duration = Duration::from_secs(3);
/// Connections that may be on their way in at a time.
const INCOMING_MAX: usize = 32;
/// How long a last word may take to leave.
const FAREWELL: Duration = Duration::from_millis(500);

/// What nodes that look for each other announce themselves as.
const SERVICE: &str = "tradepost";
/// How often it is looked who of the roster isn't talked to.
const SEEK_EVERY: Duration = Duration::from_secs(2);

/// The node's end of the LAN.
pub struct Lan {
    endpoint: Endpoint,
    discover: bool,
}

impl Lan {
    /// Binds an address; with `discover` it is announced on the LAN, and so are others' found. Nobody is talked to yet.
    ///
    /// # Errors
    /// Why it can't be bound.
    pub async fn bind(device: &Device, address: SocketAddr, discover: bool) -> Result<Self, String> {
        let endpoint = bound(SecretKey::from_bytes(&device.secret()), address).await?;
        if discover {
            let found = MdnsAddressLookup::builder().service_name(SERVICE).build(endpoint.id());
            let found = found.map_err(|e| e.to_string())?;
            endpoint.address_lookup().map_err(|e| e.to_string())?.add(found);
        }
        Ok(Self { endpoint, discover })
    }

    /// Where neighbours reach this node.
    pub fn address(&self) -> Option<SocketAddr> {
        self.endpoint.bound_sockets().first().copied()
    }

    /// Talks to the store's other nodes until the program ends.
    pub async fn run(self, context: Context, peers: Vec<PeerAddress>, mut closing: watch::Receiver<bool>) {
        tokio::select! {
            () = talk_to_all(self.endpoint.clone(), context, peers, self.discover) => {}
            _ = closing.wait_for(|closing| *closing) => {}
        }
        let _ = timeout(FAREWELL, self.endpoint.close()).await;
    }
}

/// An endpoint at an address. It knows nobody yet.
async fn bound(key: SecretKey, address: SocketAddr) -> Result<Endpoint, String> {
    let bound = Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .clear_address_lookup()
        .clear_ip_transports()
        .bind_addr(address)
        .map_err(|e| e.to_string())?
        .secret_key(key)
        .alpns(vec![ALPN.to_vec()])
        .bind()
        .await;
    bound.map_err(|e| format!("{address}: {e}"))
}

async fn talk_to_all(endpoint: Endpoint, context: Context, peers: Vec<PeerAddress>, discover: bool) {
    let mut pulse = context.writer.pulse();
    if pulse.wait_for(|pulse| pulse.enrolled).await.is_err() {
        return;
    }
    let (conversations, incoming) = (Mutex::default(), Semaphore::new(INCOMING_MAX));
    let town = Arc::new(Town { context, endpoint, conversations, incoming });
    // Dropped with everything in it when the program ends.
    let mut tasks = JoinSet::new();
    for peer in peers {
        tasks.spawn(dial(Arc::clone(&town), peer));
    }
    if discover {
        tasks.spawn(seek(Arc::clone(&town)));
    }
    while let Some(incoming) = town.endpoint.accept().await {
        while tasks.try_join_next().is_some() {}
        tasks.spawn(answer(Arc::clone(&town), incoming));
    }
}

/// Everybody this node talks to over the LAN.
struct Town {
    context: Context,
    endpoint: Endpoint,
    conversations: Mutex<BTreeMap<DeviceKey, Arc<Conversation>>>,
    incoming: Semaphore,
}

/// One conversation.
struct Conversation {
    began: Instant,
    /// The side with the smaller key called; of two that begin at once this one stays.
    preferred: bool,
    /// Another one has taken its place.
    replaced: Notify,
}

impl Town {
    /// Nodes of the store that the roster lets in.
    fn roster(&self) -> Vec<Known> {
        let read = self.context.reads.with::<_, Stop>(|conn| Ok(incarnations::neighbours(conn)?));
        read.unwrap_or_else(|stop| {
            tracing::warn!(?stop, "the roster can't be read");
            Vec::new()
        })
    }

    fn admits(&self, key: &DeviceKey) -> bool {
        self.roster().iter().any(|known| known.device_key.as_ref() == Some(key))
    }

    fn talks_to(&self, key: &DeviceKey) -> bool {
        self.conversations().contains_key(key)
    }

    fn conversations(&self) -> std::sync::MutexGuard<'_, BTreeMap<DeviceKey, Arc<Conversation>>> {
        self.conversations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a conversation, unless there is one that is to stay. A neighbour that calls although there is one has
    /// lost it, but for the moment in which both call each other.
    fn enter(&self, key: DeviceKey, called: bool) -> Option<Arc<Conversation>> {
        let smaller = self.endpoint.id().as_bytes() < &key;
        let new = Arc::new(Conversation {
            began: Instant::now(),
            preferred: smaller == called,
            replaced: Notify::new(),
        });
        let mut conversations = self.conversations();
        if let Some(old) = conversations.get(&key) {
            if old.preferred && !new.preferred && old.began.elapsed() < YOUNG {
                return None;
            }
            old.replaced.notify_one();
        }
        conversations.insert(key, Arc::clone(&new));
        Some(new)
    }

    /// An endpoint of this node's that has no memory. One that calls several keys at one address, to find out who lives
    /// there, keeps that address with each of them, and from then on sends every call to all of a key's addresses: the
    /// first who answers is mostly a wrong one, and the call fails.
    async fn stranger(&self) -> Option<Endpoint> {
        let mut here = self.endpoint.bound_sockets().first().copied()?;
        here.set_port(0);
        let bound = bound(self.endpoint.secret_key().clone(), here).await;
        bound.inspect_err(|why| tracing::warn!(%why, "nobody can be called by address alone")).ok()
    }

    fn leave(&self, key: &DeviceKey, left: &Arc<Conversation>) {
        let mut conversations = self.conversations();
        if conversations.get(key).is_some_and(|held| Arc::ptr_eq(held, left)) {
            conversations.remove(key);
        }
    }

    /// One conversation over two halves of a stream, to its end.
    async fn talk(&self, key: DeviceKey, called: bool, streams: (SendStream, RecvStream)) -> Ended {
        let Some(conversation) = self.enter(key, called) else {
            return Ended {
                why: "there is one already".to_owned(),
                met: true,
                for_good: false,
                refused: None,
            };
        };
        let (frames, outgoing) = mpsc::channel(FRAMES_MAX);
        let (incoming, heard) = mpsc::channel(FRAMES_MAX);
        let writing = tokio::spawn(write(streams.0, outgoing));
        let reading = tokio::spawn(read(streams.1, incoming));
        let ended = tokio::select! {
            ended = pump::with_neighbour(&self.context, key, frames, heard) => ended,
            () = conversation.replaced.notified() => {
                Ended { why: "another conversation took its place".to_owned(), met: true, for_good: false, refused: None }
            }
        };
        reading.abort();
        let _ = timeout(FAREWELL, writing).await;
        self.leave(&key, &conversation);
        ended
    }
}

/// Somebody calls.
async fn answer(town: Arc<Town>, incoming: Incoming) {
    let Ok(room) = town.incoming.try_acquire() else { return incoming.refuse() };
    let Ok(Ok(connection)) = timeout(CONNECT_MAX, incoming).await else { return };
    let key = *connection.remote_id().as_bytes();
    if !town.admits(&key) {
        tracing::warn!(key = %connection.remote_id(), "somebody calls whom the roster doesn't let in");
        return connection.close(1u32.into(), b"not in the roster");
    }
    let Ok(Ok(streams)) = timeout(CONNECT_MAX, connection.accept_bi()).await else { return };
    drop(room);
    let ended = town.talk(key, false, streams).await;
    tracing::info!(why = %ended.why, "a neighbour's conversation ended");
    connection.close(0u32.into(), b"done");
}

/// Calls a neighbour, again and again.
async fn dial(town: Arc<Town>, peer: PeerAddress) {
    let mut attempt = 0u32;
    loop {
        // Who lives there isn't known before somebody has answered: each may be called in turn.
        let candidates: Vec<_> = town.roster().into_iter().filter(|known| peer.may_be(&known.name)).collect();
        let keys = candidates.iter().filter_map(|known| known.device_key);
        let mut keys: Vec<DeviceKey> = keys.filter(|key| !town.talks_to(key)).collect();
        keys.dedup();
        let mut met = false;
        let caller = match &peer.name {
            _ if keys.is_empty() => None,
            Some(_) => Some(town.endpoint.clone()),
            None => town.stranger().await,
        };
        for key in keys {
            let Some(caller) = &caller else { break };
            let called = match located(&peer, &key).await {
                Ok(address) => call(&town, caller, address, key).await,
                Err(why) => Err(why),
            };
            match called {
                Ok(ended) => {
                    tracing::info!(address = %peer.address, why = %ended.why, "a neighbour's conversation ended");
                    met = ended.met;
                    break;
                }
                Err(why) => tracing::debug!(address = %peer.address, %why, "no neighbour answers"),
            }
        }
        if let (Some(caller), None) = (caller, &peer.name) {
            let _ = timeout(FAREWELL, caller.close()).await;
        }
        attempt = if met { 0 } else { attempt.saturating_add(1) };
        pause(attempt).await;
    }
}

/// Calls whoever of the roster isn't talked to, wherever the LAN says that it is. The side with the smaller key calls.
async fn seek(town: Arc<Town>) {
    let calling = Arc::new(Mutex::new(BTreeSet::new()));
    let mut tasks = JoinSet::new();
    loop {
        while tasks.try_join_next().is_some() {}
        let keys = town.roster().into_iter().filter_map(|known| known.device_key);
        for key in keys.filter(|key| town.endpoint.id().as_bytes() < key && !town.talks_to(key)) {
            if !calling.lock().unwrap_or_else(PoisonError::into_inner).insert(key) {
                continue;
            }
            let (town, calling) = (Arc::clone(&town), Arc::clone(&calling));
            tasks.spawn(async move {
                if let Ok(id) = EndpointId::from_bytes(&key) {
                    let called = call(&town, &town.endpoint, EndpointAddr::new(id), key).await;
                    tracing::debug!(neighbour = %id, ?called, "a neighbour that was sought");
                }
                calling.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            });
        }
        tokio::time::sleep(SEEK_EVERY).await;
    }
}

async fn located(peer: &PeerAddress, key: &DeviceKey) -> Result<EndpointAddr, String> {
    let mut address = EndpointAddr::new(EndpointId::from_bytes(key).map_err(|e| e.to_string())?);
    for found in tokio::net::lookup_host(&peer.address).await.map_err(|e| e.to_string())? {
        address = address.with_ip_addr(found);
    }
    Ok(address)
}

async fn call(
    town: &Town,
    caller: &Endpoint,
    address: EndpointAddr,
    key: DeviceKey,
) -> Result<Ended, String> {
    let wanted: Vec<SocketAddr> = address.ip_addrs().map(canonical).collect();
    let connecting = timeout(CONNECT_MAX, caller.connect(address, ALPN)).await;
    let connection = connecting.map_err(|_| "no answer".to_owned())?.map_err(|e| e.to_string())?;
    if !(wanted.is_empty() || is_at(&connection, &wanted)) {
        connection.close(0u32.into(), b"not here");
        return Err("it lives elsewhere".to_owned());
    }
    let streams = timeout(CONNECT_MAX, connection.open_bi()).await;
    let streams = streams.map_err(|_| "no answer".to_owned())?.map_err(|e| e.to_string())?;
    let ended = town.talk(key, true, streams).await;
    let why = closed(&connection);
    connection.close(0u32.into(), b"done");
    Ok(Ended { why: why.unwrap_or(ended.why), ..ended })
}

/// Whether the neighbour was reached where it was looked for. The endpoint remembers where it met a key: without this
/// look, who is called at another's address would hold that address's line, and the other would never be called.
fn is_at(connection: &Connection, wanted: &[SocketAddr]) -> bool {
    connection.paths().iter().any(|path| match path.remote_addr() {
        TransportAddr::Ip(address) => wanted.contains(&canonical(address)),
        _ => false,
    })
}

fn canonical(address: &SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// What the other side said when it closed.
fn closed(connection: &Connection) -> Option<String> {
    connection.close_reason().map(|why| why.to_string())
}

async fn pause(attempt: u32) {
    let reach = PAUSE_MS.start.saturating_mul(1 << attempt.min(4)).min(PAUSE_MS.end);
    let mut luck = [0u8; 8];
    let _ = getrandom::fill(&mut luck);
    let wait = reach / 2 + u64::from_le_bytes(luck) % (reach / 2 + 1);
    tokio::time::sleep(Duration::from_millis(wait)).await;
}

async fn write(mut stream: SendStream, mut frames: mpsc::Receiver<Frame>) {
    while let Some(frame) = frames.recv().await {
        let bytes = frame_bytes(&frame);
        let Ok(length) = u32::try_from(bytes.len()) else { break };
        let framed = [length.to_le_bytes().as_slice(), &bytes].concat();
        if stream.write_all(&framed).await.is_err() {
            return;
        }
    }
    if stream.finish().is_ok() {
        let _ = stream.stopped().await;
    }
}

async fn read(mut stream: RecvStream, frames: mpsc::Sender<Frame>) {
    let mut length = [0; 4];
    while stream.read_exact(&mut length).await.is_ok() {
        let Ok(length) = usize::try_from(u32::from_le_bytes(length)) else { return };
        if length > FRAME_BYTES_MAX {
            return tracing::warn!(length, "a neighbour's frame is too long");
        }
        let mut bytes = vec![0; length];
        if stream.read_exact(&mut bytes).await.is_err() {
            return;
        }
        let Ok(frame) = frame_of(&bytes) else { return tracing::warn!("a neighbour's frame makes no sense") };
        if frames.send(frame).await.is_err() {
            return;
        }
    }
}
