//! The catalog stream: every change set is one version, gap-free, sealed by the hub, one outbox row each.

use super::Fault;
use crate::db::catalog::CatalogHead;
use crate::db::outbox::{self, CATALOG_STREAM, Source};
use crate::db::{Tx, authors, catalog, stores};
use crate::hub::{After, Hub};
use tradepost_commerce::document::CatalogVersion;
use tradepost_sync::catalog::{Change, Entry, SealedEntry};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Hash;

/// Most changes of one version.
pub const CHANGES_MAX: usize = 500;
/// Bytes of entries in one frame, but for an entry that is longer by itself. A frame is heard only once it is whole,
/// and a slow link must bring it well before it counts as silent.
const FRAME_BYTES: usize = 64 << 10;

/// The stores a change is for.
pub const EVERY_STORE: i64 = 0;

/// Publishes one change set as the next version, for every store or for one. The head is the caller's lock until its
/// transaction ends, so versions have no gap in the order of commits.
pub fn publish(
    tx: &mut Tx<'_>,
    after: &mut After,
    hub: &Hub,
    store: i64,
    changes: Vec<Change>,
    now: UtcMs,
) -> Result<CatalogVersion, Fault> {
    let mut head = catalog::head_locked(tx)?;
    let at = next(&mut head, tx, hub, store, changes, now)?;
    catalog::set_head(tx, &head)?;
    after.poke = true;
    Ok(at)
}

/// Writes the version after `head`, and moves `head` on; the caller stores it.
pub fn next(
    head: &mut CatalogHead,
    tx: &mut Tx<'_>,
    hub: &Hub,
    store: i64,
    changes: Vec<Change>,
    now: UtcMs,
) -> Result<CatalogVersion, Fault> {
    head.at.version += 1;
    let sealed = Entry { at: head.at, changes }.seal(&hub.device).map_err(Fault::internal)?;
    head.hash = chain(head.hash, &sealed.bytes);
    catalog::add(tx, store, &sealed, now)?;
    let place = outbox::take(tx, CATALOG_STREAM, 1)?;
    let source = Source::Catalog { epoch: head.at.epoch, version: head.at.version };
    outbox::put(tx, (CATALOG_STREAM, place), source, tradepost_telemetry::current())?;
    Ok(head.at)
}

fn chain(before: Hash, bytes: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key("tradepost catalog chain v1");
    hasher.update(&before.0);
    hasher.update(bytes);
    Hash(*hasher.finalize().as_bytes())
}

/// The newest version.
pub fn head(hub: &Hub) -> Result<CatalogHead, Fault> {
    hub.db.read(|tx| Ok(catalog::head(tx)?))
}

/// The entries that a store's node lacks, in order and without a gap, at most `max` and as much as fits a frame. A
/// version that holds nothing for the store is empty.
pub fn entries(hub: &Hub, store: i64, has: CatalogVersion, max: usize) -> Result<Vec<SealedEntry>, Fault> {
    let (head, stored) = hub.db.read(|tx| {
        let head = catalog::head(tx)?;
        let after = if has.epoch == head.at.epoch { has.version } else { 0 };
        Ok::<_, Fault>((head, (after, catalog::after(tx, store, head.at.epoch, after, max)?)))
    })?;
    let (mut version, stored) = stored;
    let mut stored = stored.into_iter().peekable();
    let (mut entries, mut bytes) = (Vec::new(), 0);
    while version < head.at.version && entries.len() < max && bytes < FRAME_BYTES {
        version += 1;
        let at = CatalogVersion { epoch: head.at.epoch, version };
        let entry = match stored.next_if(|entry| entry.at == at) {
            Some(entry) => entry,
            None => Entry { at, changes: Vec::new() }.seal(&hub.device).map_err(Fault::internal)?,
        };
        if !entries.is_empty() && bytes + entry.bytes.len() > FRAME_BYTES {
            break;
        }
        bytes += entry.bytes.len();
        entries.push(entry);
    }
    Ok(entries)
}

/// How far a store's node is behind.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The store's code.
    pub store: String,
    /// The version its node holds; none where no node is enrolled.
    pub delivered: Option<CatalogVersion>,
    /// Versions it lacks.
    pub behind: u64,
    /// When its node was last heard.
    pub last_contact: Option<UtcMs>,
}

/// Who holds the newest catalog.
#[derive(Clone, Debug)]
pub struct Rollout {
    /// The newest version.
    pub version: CatalogVersion,
    /// Store by store.
    pub stores: Vec<Delivery>,
    /// How long the oldest undelivered version has waited.
    pub oldest_waiting_ms: Option<UtcMs>,
}

/// Who holds the newest catalog, from what nodes said in their greetings and acks.
pub fn rollout(hub: &Hub, now: UtcMs) -> Result<Rollout, Fault> {
    hub.db.read(|tx| {
        let head = catalog::head(tx)?.at;
        let all = authors::all(tx)?;
        let mut deliveries = Vec::new();
        for store in stores::all(tx)? {
            let node = all.iter().rfind(|a| {
                a.store == store.no && a.role == authors::Role::Node && a.state == authors::State::Live
            });
            let delivered = node.map(|node| node.catalog);
            let has = delivered.filter(|has| has.epoch == head.epoch).map_or(0, |has| has.version);
            let behind = head.version.saturating_sub(has);
            let last_contact = node.and_then(|node| node.last_contact);
            deliveries.push(Delivery { store: store.code, delivered, behind, last_contact });
        }
        let first_missing = deliveries.iter().filter(|d| d.delivered.is_some()).map(|d| d.behind).max();
        let oldest = match first_missing.filter(|behind| *behind > 0) {
            Some(behind) => catalog::made_at(tx, head.version - behind + 1)?,
            None => None,
        };
        let oldest_waiting_ms = oldest.map(|made| now.saturating_sub(made));
        Ok(Rollout { version: head, stores: deliveries, oldest_waiting_ms })
    })
}

/// Notes that a store's node holds the catalog up to `has`.
pub fn delivered(
    hub: &Hub,
    node: &tradepost_sync::ids::Incarnation,
    has: CatalogVersion,
    now: UtcMs,
) -> Result<(), Fault> {
    hub.write(|tx, _| {
        let author = authors::find(tx, node)?.ok_or_else(|| Fault::not_found("node", &node.to_string()))?;
        Ok(authors::set_catalog(tx, author.no, now, has)?)
    })
}
