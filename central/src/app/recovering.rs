//! A hub whose database was put back (`model.md` §3, The hub is a replica too): how it shows, what it may do meanwhile,
//! when it is over.
//!
//! Store by store. The old `H_s` ends and a new one goes on, under a new epoch of hub time and catalog. What the journals
//! hold comes back at once, the rest from the nodes. Until a barrier over everybody known has closed, the hub only
//! receives: no lease, no grant, no promise, no takeover, nothing minted or resolved. Then the old `H_s`'s rights move to
//! the new one where every journal was read to its end; else they stay suspended until they are resolved by a count.

use super::barrier;
use super::{Code, EPOCH, Fault, fence, hub_log, relive, waits};
use crate::db::authors::{self, Author, Role, State};
use crate::db::recoveries::{self, Recovery};
use crate::db::shipments::{self, Shipment};
use crate::db::stores::{self, Store};
use crate::db::{Tx, catalog, recovery as rows, review, stock};
use crate::hub::{After, Hub};
use crate::journal::IDENTITY;
use std::collections::{BTreeMap, BTreeSet};
use tradepost_commerce::document::CatalogVersion;
use tradepost_sync::amnesia::SelfFence;
use tradepost_sync::barrier::{Barrier, Purpose};
use tradepost_sync::body::{Body, CustodyObject, CustodyTaken, NodeFenced};
use tradepost_sync::catalog::Entry;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::event::Event;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Hash, Id, Incarnation};
use tradepost_sync::lease::LEASE_MS_DEFAULT;
use tradepost_sync::recovery::{self, Recovering, Sign, Start, StillRecovering};
use tradepost_sync::terms::Cap;

/// Epochs begin at least here: seconds since 2026-01-01 UTC, so that the same backup put back twice, without a journal,
/// gives two epochs all the same.
const EPOCHS_BEGIN: i64 = 1_767_225_600;

/// Versions of a roster that an epoch has for its own: whatever the forgotten hub had published lies below.
const ROSTERS_PER_EPOCH: u32 = 16;

/// Fresh random bytes: the incarnations that go on as `H_s` are made of them.
pub type Luck = [u8; 32];

/// Whether a store's hub was put back and recovers.
pub fn is(tx: &mut Tx<'_>, store: i64) -> Result<bool, Fault> {
    Ok(recoveries::open(tx, store)?.is_some())
}

/// Refuses while a store's hub recovers.
pub fn must_not_be(tx: &mut Tx<'_>, store: i64) -> Result<(), Fault> {
    if !is(tx, store)? {
        return Ok(());
    }
    let detail = "the hub's database was put back: until every node of the store was heard it gives and promises nothing; \
        GET /v1/hub/recovery says who is missing";
    Err(Fault::refused(Code::HubRecovering, detail))
}

/// Judges a start by what database and journals hold, and begins to recover where the database was put back.
pub fn at_start(hub: &Hub, luck: Luck) -> Result<(), Fault> {
    let found = hub.journal.found();
    match recovery::at_start(found) {
        Start::Whole | Start::Complete(_) => {
            if found.identity.1.is_none() && !found.identity.0.is_empty() {
                hub.write(|tx, _| Ok(stores::set_meta(tx, IDENTITY, &found.identity.0)?))?;
            }
            Ok(())
        }
        Start::Restored(signs) => begin(hub, signs, Seen::Start, luck),
    }
}

/// A node holds more of a store's `H_s` than the hub, or something else in its place. What was told is looked at again:
/// the session that heard it may only have been behind. Whether the hub recovers from now on.
pub fn noticed(hub: &Hub, store: i64, who: Incarnation, told: &HeadMark, luck: Luck) -> Result<bool, Fault> {
    let ours = hub.db.read(|tx| {
        let Some(store) = stores::by_no(tx, store)? else { return Ok(None) };
        let own = authors::by_no(tx, store.hub_author)?.filter(|own| own.incarnation == told.incarnation);
        let Some(own) = own else { return Ok(None) };
        let here = crate::db::events::hash_at(tx, own.no, told.seq)?;
        let verdict = match here {
            None => Err(SelfFence::PeerKnowsMore { peer: who, theirs: told.seq, ours: own.head.seq }),
            Some(hash) if hash != told.hash => Err(SelfFence::OtherBranch { peer: who, seq: told.seq }),
            Some(_) => Ok(()),
        };
        Ok::<_, Fault>(recovery::at_handshake(who, verdict, own.head.seq))
    })?;
    let Some(sign) = ours else { return Ok(false) };
    begin(hub, vec![sign], Seen::Stream(who, store, *told), luck)?;
    Ok(true)
}

/// A node was met that holds a version of the catalog. One that the hub never published, in the epoch in which it speaks,
/// shows that the database is an older copy, also where no event of the hub's own was lost. Whether it recovers from now on.
///
/// # Errors
/// Faults of the database.
pub fn catalog_noticed(
    hub: &Hub,
    who: Incarnation,
    has: CatalogVersion,
    luck: impl FnOnce() -> Result<Luck, Fault>,
) -> Result<bool, Fault> {
    let head = hub.db.read(|tx| Ok::<_, Fault>(catalog::head(tx)?.at))?;
    if !is_beyond(has, head) {
        return Ok(false);
    }
    let (theirs, ours) = ((has.epoch, has.version), (head.epoch, head.version));
    let sign = Sign::NodeKnowsCatalog { who, theirs, ours };
    begin(hub, vec![sign], Seen::Catalog(has), luck()?)?;
    Ok(true)
}

fn is_beyond(has: CatalogVersion, head: CatalogVersion) -> bool {
    has.epoch == head.epoch && has.version > head.version
}

/// By what it is known that the database was put back.
#[derive(Clone, Copy)]
enum Seen {
    /// By journals and identity, at a start.
    Start,
    /// By a node's head of a store's `H_s`.
    Stream(Incarnation, i64, HeadMark),
    /// By a node's catalog.
    Catalog(CatalogVersion),
}

/// What journals hold beyond the database, process by process.
#[derive(Default)]
struct Beyond {
    events: Vec<Event>,
    ends: BTreeMap<u32, u64>,
    whole: bool,
}

fn beyond(hub: &Hub, at_start: bool) -> Result<Beyond, Fault> {
    let found = hub.journal.found();
    let mut beyond = Beyond { whole: at_start && hub.journal.is_kept(), ..Beyond::default() };
    if !at_start {
        return Ok(beyond);
    }
    for (process, journal) in &found.journals {
        let database = found.database.get(process).copied().unwrap_or(0);
        let Some(journal) = *journal else {
            beyond.whole = false;
            continue;
        };
        beyond.ends.insert(*process, journal.max(database));
        if journal <= database {
            continue;
        }
        let mut broken = false;
        let whole = hub.journal.read(*process, database, |_, bytes| match Event::read(bytes) {
            Ok(event) => beyond.events.push(event),
            Err(_) => broken = true,
        });
        beyond.whole &= whole.map_err(Fault::internal)? && !broken;
    }
    Ok(beyond)
}

/// The database was put back: in one transaction a new epoch begins, every store's `H_s` ends and another goes on, and
/// what the journals hold beyond the database comes back.
fn begin(hub: &Hub, signs: Vec<Sign>, seen: Seen, luck: Luck) -> Result<(), Fault> {
    tracing::error!(
        ?signs,
        "the hub's database was put back: it recovers and gives nothing until that is over"
    );
    let beyond = beyond(hub, matches!(seen, Seen::Start))?;
    let now = hub.db.now()?;
    hub.write(|tx, after| {
        let told_before = match &seen {
            Seen::Start => false,
            Seen::Stream(_, store, head) => !is_own(tx, *store, &head.incarnation)?,
            Seen::Catalog(has) => !is_beyond(*has, catalog::head_locked(tx)?.at),
        };
        if told_before {
            // Another node had told of it first: it has begun already.
            return Ok(());
        }
        new_epoch(tx, hub, now)?;
        let mut ended = Vec::new();
        for store in stores::all(tx)? {
            let old = authors::by_no(tx, store.hub_author)?;
            let old = old.ok_or_else(|| Fault::internal("the store has no H_s"))?;
            succeed(tx, hub, &store, &old, successor(&luck, &old), now)?;
            ended.push((store.no, old));
        }
        for (process, n) in &beyond.ends {
            recoveries::set_process(tx, *process, *n)?;
        }
        let whole = replay(tx, after, hub, &beyond.events, now)? && beyond.whole;
        for (store, old) in ended {
            let told = match seen {
                Seen::Stream(who, of, head) if of == store => Some((who, head)),
                _ => None,
            };
            open(tx, after, hub, store, &old, (&signs, whole, told), now)?;
        }
        after.journal = true;
        after.poke = true;
        Ok(())
    })?;
    metrics::counter!("tradepost_hub_restored_total").increment(1);
    Ok(())
}

fn is_own(tx: &mut Tx<'_>, store: i64, who: &Incarnation) -> Result<bool, Fault> {
    let Some(store) = stores::by_no_locked(tx, store)? else { return Ok(false) };
    Ok(authors::by_no(tx, store.hub_author)?.is_some_and(|own| own.incarnation == *who))
}

/// Hub time and catalog go on in an epoch that nobody has seen.
fn new_epoch(tx: &mut Tx<'_>, hub: &Hub, now: UtcMs) -> Result<(), Fault> {
    let mut head = catalog::head_locked(tx)?;
    let floor = u32::try_from(now / 1_000 - EPOCHS_BEGIN).unwrap_or(0);
    let epoch = super::epoch(tx)?.max(head.at.epoch).saturating_add(1).max(floor);
    stores::set_meta(tx, EPOCH, &epoch.to_string())?;
    hub.journal.note_kept(tx)?;
    if let Some(identity) = Some(&hub.journal.found().identity.0).filter(|now| !now.is_empty()) {
        stores::set_meta(tx, IDENTITY, identity)?;
    }
    for (version, store) in recoveries::catalog_versions(tx)? {
        let (bytes, _) = recoveries::catalog_entry(tx, version, store)?;
        let mut entry: Entry = postcard::from_bytes(&bytes).map_err(Fault::internal)?;
        entry.at = CatalogVersion { epoch, version };
        let sealed = entry.seal(&hub.device).map_err(Fault::internal)?;
        recoveries::reseal(tx, version, store, &sealed.bytes, &sealed.signature)?;
    }
    head.at.epoch = epoch;
    Ok(catalog::set_head(tx, &head)?)
}

fn successor(luck: &Luck, old: &Author) -> Incarnation {
    let mut hasher = blake3::Hasher::new_derive_key("tradepost hub successor v1");
    hasher.update(luck);
    hasher.update(&old.incarnation.0);
    let mut id = [0; 16];
    id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    Incarnation(id)
}

/// Another incarnation goes on as a store's `H_s`, with nothing.
fn succeed(
    tx: &mut Tx<'_>,
    hub: &Hub,
    store: &Store,
    old: &Author,
    new: Incarnation,
    now: UtcMs,
) -> Result<(), Fault> {
    authors::set_state(tx, old.no, State::Fenced)?;
    let no = hub_log::begin(tx, hub, store.no, new, now)?;
    authors::set_successor(tx, old.no, no)?;
    recoveries::forget_hub_rights(tx, store.no)?;
    let epoch = u64::from(super::epoch(tx)?);
    recoveries::roster_at_least(tx, store.no, epoch << ROSTERS_PER_EPOCH)?;
    // What the backup had open can't be answered any more.
    if let Some(open) = rows::open_locked(tx, store.no)? {
        rows::end_barrier(tx, open.id, "void", None, now)?;
    }
    Ok(())
}

/// Lives again what journals hold. Several processes' journals interleave: whatever fits is taken, until nothing does.
fn replay(
    tx: &mut Tx<'_>,
    after: &mut After,
    hub: &Hub,
    events: &[Event],
    now: UtcMs,
) -> Result<bool, Fault> {
    let mut left: Vec<&Event> = events.iter().collect();
    loop {
        let before = left.len();
        let mut stays = Vec::new();
        for event in left {
            if !relive::book(tx, after, hub, event, now)? {
                stays.push(event);
            }
        }
        left = stays;
        if left.is_empty() || left.len() == before {
            return Ok(left.is_empty());
        }
    }
}

/// A store's recovery begins: who is known, how long each may sell on, and the new `H_s`'s first word.
fn open(
    tx: &mut Tx<'_>,
    after: &mut After,
    hub: &Hub,
    store: i64,
    old: &Author,
    (signs, whole, told): (&[Sign], bool, Option<(Incarnation, HeadMark)>),
    now: UtcMs,
) -> Result<(), Fault> {
    let store = stores::by_no_locked(tx, store)?.ok_or_else(|| Fault::internal("no such store"))?;
    let at = super::tau(tx, now)?;
    let members = authors::of_store(tx, store.no)?;
    let known = members.iter().filter(|author| author.role == Role::Node).map(|author| author.incarnation);
    let known: BTreeSet<Incarnation> = known.collect();
    let mut recovering = None;
    waits::change(tx, store.no, at, |waits| {
        let signs = signs.to_vec();
        recovering =
            Some(Recovering::begin(signs, old.incarnation, whole, known, waits, LEASE_MS_DEFAULT, at));
        members.iter().filter(|a| a.role == Role::Hub).for_each(|a| waits.attest(a.incarnation, at));
    })?;
    let mut recovering = recovering.ok_or_else(|| Fault::internal("no waits"))?;
    recovering.best = told.map(|(who, head)| (who, Cap { seq: head.seq, hash: head.hash }));
    let body = serde_json::to_string(&recovering).map_err(Fault::internal)?;
    recoveries::begin(tx, store.no, old.no, whole, &body, now)?;
    let attested = Some("the hub's database was put back".to_owned());
    let fenced = NodeFenced { incarnation: old.incarnation, successor: None, attested };
    let facts = [hub_log::roster(tx, &store)?, fenced.into()];
    hub_log::append(tx, after, hub, &store, &facts, now)
}

fn read(row: &Recovery) -> Result<Recovering, Fault> {
    serde_json::from_str(&row.body).map_err(Fault::internal)
}

/// What a barrier that could close means for a store that recovers.
pub(super) enum Verdict {
    /// The hub doesn't recover: it closes like any other.
    Ordinary,
    /// It ends the recovery.
    Ends(Box<Recovery>),
    /// Not yet.
    Wait(StillRecovering),
}

/// Whether a barrier that is ready ends the store's recovery. A journal that was read to its end attests the roster, and
/// so may a person: then nobody's lease is waited for.
pub(super) fn verdict(
    tx: &mut Tx<'_>,
    store: &Store,
    barrier: &Barrier,
    now: UtcMs,
) -> Result<Verdict, Fault> {
    let Some(row) = recoveries::open_locked(tx, store.no)? else { return Ok(Verdict::Ordinary) };
    let recovering = read(&row)?;
    let at = super::tau(tx, now)?;
    let mut waits = waits::of_store(tx, store.no)?;
    if row.whole || row.attested.is_some() {
        recovering.known.iter().for_each(|who| waits.attest(*who, at));
    }
    let members = authors::of_store(tx, store.no)?;
    let out = members.iter().filter(|a| a.state != State::Live).map(|a| a.incarnation).collect();
    let held: BTreeMap<Incarnation, u64> = members.iter().map(|a| (a.incarnation, a.head.seq)).collect();
    let held = |who: &Incarnation| held.get(who).copied().unwrap_or(0);
    Ok(match recovering.may_end(barrier, &out, &waits, at, held) {
        Ok(_) => Verdict::Ends(Box::new(row)),
        Err(why) => Verdict::Wait(why),
    })
}

/// The barrier has closed: what the old `H_s` was the custodian of the new one takes over, and tells who belongs to the
/// store.
pub(super) fn end(
    tx: &mut Tx<'_>,
    after: &mut After,
    hub: &Hub,
    store: &Store,
    mut row: Recovery,
    now: UtcMs,
) -> Result<(), Fault> {
    let own = authors::by_no(tx, store.hub_author)?.ok_or_else(|| Fault::internal("the store has no H_s"))?;
    let old = authors::by_no(tx, row.old_author)?.ok_or_else(|| Fault::internal("no old H_s"))?;
    let mut facts = vec![hub_log::roster(tx, store)?];
    for name in recoveries::objects_of(tx, store.no, &old.incarnation)? {
        let object: CustodyObject = serde_json::from_str(&name).map_err(Fault::internal)?;
        let Some(known) = stock::custody(tx, store.no, &name)? else { continue };
        facts.push(Body::from(CustodyTaken {
            object,
            epoch: known.epoch + 1,
            owner: own.incarnation,
            superseded_epoch: known.epoch,
            superseded_n: known.n,
            superseded_hash: Hash::ZERO,
        }));
    }
    hub_log::append(tx, after, hub, store, &facts, now)?;
    row.ended_at = Some(now);
    tracing::info!(store = %store.code, whole = row.whole, "the hub has recovered");
    Ok(recoveries::save(tx, &row)?)
}

/// Opens the barrier that ends a store's recovery, where everybody who could answer is in session.
pub fn advance(hub: &Hub, id: impl Fn() -> Result<Id, Fault>, now: UtcMs) -> Result<(), Fault> {
    let present = hub.present.all();
    for store in hub.db.read(|tx| Ok::<_, Fault>(recoveries::with_open(tx)?))? {
        if !hub.db.read(|tx| could_end(tx, store, &present, now))? {
            continue;
        }
        let id = id()?;
        hub.write(|tx, after| {
            let Some(store) = stores::by_no_locked(tx, store)? else { return Ok(()) };
            if !could_end(tx, store.no, &present, now)? {
                return Ok(());
            }
            barrier::begin(tx, after, hub, &store, (id, Purpose::Resolve), now)
        })?;
    }
    Ok(())
}

fn could_end(
    tx: &mut Tx<'_>,
    store: i64,
    present: &BTreeSet<Incarnation>,
    now: UtcMs,
) -> Result<bool, Fault> {
    let Some(row) = recoveries::open(tx, store)? else { return Ok(false) };
    if rows::open(tx, store)?.is_some() {
        return Ok(false);
    }
    let members = authors::of_store(tx, store)?;
    let live = members.iter().filter(|a| a.role == Role::Node && a.state == State::Live);
    Ok(leases_are_out(tx, &row, now)? && live.into_iter().all(|a| present.contains(&a.incarnation)))
}

fn leases_are_out(tx: &mut Tx<'_>, row: &Recovery, now: UtcMs) -> Result<bool, Fault> {
    if row.whole || row.attested.is_some() {
        return Ok(true);
    }
    let (at, waits) = (super::tau(tx, now)?, waits::of_store(tx, row.store)?);
    Ok(read(row)?.known.iter().all(|who| waits.check(*who, at).is_ok()))
}

/// A person attests that nobody who was not heard can still sell on a lease of the forgotten time; with `fence_absent`
/// every node that is not in session is fenced, so that it isn't waited for.
pub fn attest(hub: &Hub, by: &str, fence_absent: bool, now: UtcMs) -> Result<(), Fault> {
    let present = hub.present.all();
    hub.write(|tx, after| {
        let mut any = false;
        for store in stores::all(tx)? {
            let Some(mut row) = recoveries::open_locked(tx, store.no)? else { continue };
            any = true;
            row.attested.get_or_insert_with(|| by.to_owned());
            recoveries::save(tx, &row)?;
            let absent = |a: &Author| {
                a.role == Role::Node && a.state == State::Live && !present.contains(&a.incarnation)
            };
            let members = authors::of_store(tx, store.no)?;
            for lost in members.iter().filter(|a| fence_absent && absent(a)) {
                fence::put_out(tx, after, hub, &store, lost, (None, None), now)?;
            }
        }
        after.poke = true;
        if any { Ok(()) } else { Err(Fault::refused(Code::NotRecovering, "the hub does not recover")) }
    })
}

/// A node was met. One that holds a later catalog than the hub tells that changes of it were forgotten.
pub(super) fn met(tx: &mut Tx<'_>, author: &Author, has: CatalogVersion, now: UtcMs) -> Result<(), Fault> {
    let head = catalog::head(tx)?.at;
    if has.epoch >= head.epoch || has.version <= head.version || !is(tx, author.store)? {
        return Ok(());
    }
    let detail = format!(
        "{} holds version {} of the catalog, the backup ended at {}: the changes between were forgotten, make them again",
        author.name, has.version, head.version
    );
    let reference = format!("{}/{}", has.epoch, has.version);
    Ok(review::add(tx, author.store, "catalog_forgotten", &reference, &detail, now)?)
}

/// Whether a transfer's row stands for its shipment, which comes back only now: the receiving store had been told of it.
pub(super) fn stood_for(tx: &mut Tx<'_>, row: &Shipment) -> Result<bool, Fault> {
    let Some(known) = shipments::find(tx, row.id)? else { return Ok(false) };
    let same = known.kind == row.kind && known.store == row.store && known.to_store == row.to_store;
    Ok(same && !recoveries::last_of_all(tx)?.is_empty())
}
