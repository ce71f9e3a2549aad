//! Where synchronisation stands.

use super::answer::{Reply, json, ok};
use super::sales::rfc3339;
use super::state::Shared;
use super::totals::HeadOut;
use crate::app::{frozen, status};
use crate::db::incarnations::{Known, Part};
use crate::link::{Link, LinkState};
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use tradepost_sync::lease::{Clocks, Locked};
use utoipa::ToSchema;

/// Where synchronisation stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct SyncStatus {
    /// Belongs to a hub's store.
    pub enrolled: bool,
    /// The hub.
    pub hub: HubOut,
    /// The present incarnation.
    pub incarnation: String,
    /// In the roster, or alone.
    pub registered: bool,
    /// The end of the own log.
    pub head: HeadHashOut,
    /// The hub holds the own log up to here.
    pub acked_seq: u64,
    /// Events of this node's that the hub doesn't hold.
    pub unsynced: u64,
    /// Age of the oldest of them.
    pub oldest_unsynced_ms: Option<i64>,
    /// Events of this node's that the hub has in quarantine, by seq: their effects don't count, and nothing is granted to
    /// this node before a person has settled them there.
    pub quarantined: Vec<u64>,
    /// How far every stream is held.
    pub frontier: Vec<HeadOut>,
    /// The catalog.
    pub catalog: CatalogStatus,
    /// `never`, `online`, `syncing` or `offline`.
    pub link: &'static str,
    /// The store's other nodes.
    pub neighbours: Vec<NeighbourOut>,
    /// Bytes on the wire since the start.
    pub bytes_sent: u64,
    /// Bytes on the wire since the start.
    pub bytes_received: u64,
    /// Wall clock here less hub time.
    pub clock_skew_ms: i64,
    /// Hub time now, where the hub or a neighbour told it in this boot.
    pub hub_time: Option<HubTimeOut>,
    /// The lease that covers strict selling, giving and handing on; nothing at a node that was never enrolled, which needs
    /// none.
    pub lease: Option<LeaseOut>,
    /// A barrier is open: logs stand still until the hub has settled what they end with (`model.md` §3.5).
    pub frozen: bool,
    /// Other machines are answered without encryption.
    pub insecure_lan: bool,
}

/// The lease.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeaseOut {
    /// Whether what it covers is open now.
    pub held: bool,
    /// When it runs out unless it is renewed (RFC 3339, by this node's wall clock); nothing where none was given since
    /// the start.
    pub until: Option<String>,
    /// Why what it covers is locked: `not_acknowledged` (the hub has acknowledged nothing since the start), `no_lease`
    /// (none was given since the start), `ran_out`, `clocks_parted`.
    pub why: Option<&'static str>,
    /// The same in a sentence.
    pub detail: Option<String>,
}

/// Hub time as it is known here.
#[derive(Debug, Serialize, ToSchema)]
pub struct HubTimeOut {
    /// New after a restore, a failover or a step.
    pub epoch: u32,
    /// Milliseconds since 1970 UTC.
    pub ms: i64,
    /// How long ago the hub or a neighbour told it.
    pub heard_ms_ago: i64,
}

/// The hub.
#[derive(Debug, Serialize, ToSchema)]
pub struct HubOut {
    /// Host and port.
    pub address: Option<String>,
    /// Whether a session is up.
    pub connected: bool,
    /// How long ago it was heard of.
    pub last_contact_ms_ago: Option<i64>,
    /// Why the last attempt ended.
    pub last_error: Option<String>,
    /// It takes this node in again only with a code that a person brings; `last_error` says why.
    pub needs_code: bool,
}

/// Another node of the store.
#[derive(Debug, Serialize, ToSchema)]
pub struct NeighbourOut {
    /// Its name in the roster.
    pub name: String,
    /// Its incarnation.
    pub incarnation: String,
    /// `online`, `syncing` or `offline`.
    pub link: &'static str,
    /// Its log is held here up to this seq.
    pub held_seq: u64,
    /// It holds this node's own log up to this seq, as far as it said.
    pub holds_seq: u64,
    /// How long ago it was heard of.
    pub last_contact_ms_ago: Option<i64>,
    /// Why the last conversation ended.
    pub last_error: Option<String>,
}

/// A stream's end with its hash.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeadHashOut {
    /// Seq of the last event.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
}

/// The catalog.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogStatus {
    /// Epoch.
    pub epoch: u32,
    /// Version that is held.
    pub version: u64,
    /// Newest version the hub spoke of.
    pub hub_version: u64,
}

/// Says where synchronisation stands.
#[utoipa::path(get, path = "/v1/sync/status", operation_id = "getSyncStatus", tag = "sync",
    responses((status = 200, description = "Where it stands", body = SyncStatus)))]
pub async fn get_status(State(shared): State<Shared>) -> Reply {
    Ok(ok(&current(&shared)?))
}

pub(super) fn current(shared: &Shared) -> Result<SyncStatus, crate::app::Stop> {
    let standing = shared.read(status::read)?;
    let link = shared.link.borrow().clone();
    let wall = shared.machine.wall();
    let me = standing.me();
    let held = standing.streams.iter().filter(|k| k.head.seq > 0);
    let address = link.address.clone().or_else(|| standing.hub.as_ref().map(|hub| hub.address.clone()));
    Ok(SyncStatus {
        enrolled: standing.hub.is_some(),
        hub: HubOut {
            address,
            connected: matches!(link.state, LinkState::Online | LinkState::Syncing),
            last_contact_ms_ago: link.last_contact.map(|at| (wall - at).max(0)),
            last_error: link.last_error.clone(),
            needs_code: link.needs_code,
        },
        incarnation: me.map(|k| k.id().to_string()).unwrap_or_default(),
        registered: me.is_some_and(|k| k.registered && !k.fenced),
        head: HeadHashOut {
            seq: me.map_or(0, |k| k.head.seq),
            hash: me.map(|k| k.head.hash.to_string()).unwrap_or_default(),
        },
        acked_seq: me.map_or(0, |k| k.acked),
        unsynced: standing.unsynced,
        oldest_unsynced_ms: standing.oldest_unsynced.map(|at| (wall - at).max(0)),
        quarantined: link.aside.clone(),
        frontier: held.map(|k| HeadOut { incarnation: k.id().to_string(), seq: k.head.seq }).collect(),
        catalog: CatalogStatus {
            epoch: standing.catalog.epoch,
            version: standing.catalog.version,
            hub_version: link.hub_catalog.version.max(standing.catalog.version),
        },
        link: if standing.hub.is_none() { "never" } else { state_name(link.state) },
        neighbours: neighbours(&standing, &link, wall),
        bytes_sent: link.bytes_sent,
        bytes_received: link.bytes_received,
        clock_skew_ms: link.clock_skew_ms,
        lease: lease(shared),
        frozen: shared.read(|conn| Ok(frozen::load(conn)?))?.barrier.is_some(),
        insecure_lan: shared.insecure_lan,
        hub_time: link.hub_time.map(|(tau, at)| {
            let ago = (shared.machine.boot() - at).max(0);
            HubTimeOut { epoch: tau.epoch, ms: tau.later(ago).ms, heard_ms_ago: ago }
        }),
    })
}

fn lease(shared: &Shared) -> Option<LeaseOut> {
    let tenancy = shared.writer.pulse().borrow().tenancy;
    if tenancy.alone {
        return None;
    }
    let now = Clocks { boot: shared.machine.boot(), wall: shared.machine.wall() };
    let locked = tenancy.check(now).err();
    let why = locked.map(|locked| match locked {
        Locked::NotAcknowledged => "not_acknowledged",
        Locked::NoLease => "no_lease",
        Locked::RanOut { .. } => "ran_out",
        Locked::Drifted { .. } => "clocks_parted",
    });
    Some(LeaseOut {
        held: locked.is_none(),
        until: tenancy.ends_at().map(|ends| rfc3339(now.wall.saturating_add(ends.saturating_sub(now.boot)))),
        why,
        detail: locked.map(|locked| locked.to_string()),
    })
}

fn neighbours(standing: &status::Standing, link: &Link, wall: i64) -> Vec<NeighbourOut> {
    let others = standing.streams.iter().filter(|known| known.part == Part::Other && known.admitted());
    let one = |known: &Known| {
        let told = link.neighbours.get(&known.id()).cloned().unwrap_or_default();
        NeighbourOut {
            name: known.name.clone(),
            incarnation: known.id().to_string(),
            link: state_name(told.state),
            held_seq: known.head.seq,
            holds_seq: told.holds,
            last_contact_ms_ago: told.last_contact.map(|at| (wall - at).max(0)),
            last_error: told.last_error,
        }
    };
    others.map(one).collect()
}

fn state_name(state: LinkState) -> &'static str {
    match state {
        LinkState::Never | LinkState::Offline => "offline",
        LinkState::Online => "online",
        LinkState::Syncing => "syncing",
    }
}

/// Synchronises at once instead of at the next attempt.
#[utoipa::path(post, path = "/v1/sync/now", operation_id = "syncNow", tag = "sync",
    responses((status = 202, description = "Asked for")))]
pub async fn sync_now(State(shared): State<Shared>) -> Reply {
    shared.poke.notify_one();
    Ok(json(StatusCode::ACCEPTED, &serde_json::json!({})))
}
