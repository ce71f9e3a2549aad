//! Enrolment: a one-time code makes a node's incarnation a member of a store's roster; a node that sold alone brings
//! its log and its stock along (`model.md` §1, §4).

use super::stores as app_stores;
use super::{Code, Fault, fence, hub_log, waits};
use crate::db::authors::{NewAuthor, Role};
use crate::db::stores::Store;
use crate::db::{Tx, authors, enrolments, products, review, stores};
use crate::hub::{After, Hub};
use std::collections::BTreeMap;
use tradepost_commerce::document::Sku;
use tradepost_proto::enrolment::Code as CodeText;
use tradepost_sync::body::{Body, StockOpened};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Hash, Incarnation};
use tradepost_sync::limits::PLAUSIBLE_UNITS_MAX;
use tradepost_sync::signing::{DeviceKey, SignatureBytes, enrolment_hash, verify_enrolment};
use tradepost_sync::staff::StaffRecord;

/// How long a code is good if nobody says otherwise, in minutes.
pub const TTL_MINUTES: u32 = 10;
/// Longest life of a code, in minutes.
const TTL_MINUTES_MAX: u32 = 24 * 60;
/// Wrong guesses that a code survives.
const TRIES_MAX: i64 = 5;
/// Products or stock rows of one lone node.
pub const LONE_ROWS_MAX: usize = 200_000;
/// People on the staff of one lone node.
pub const LONE_STAFF_MAX: usize = 1_000;
/// Logs that one machine wrote before it lost memory.
pub const EARLIER_MAX: usize = 1_000;

/// A code to be carried to a node.
#[derive(Clone, Debug)]
pub struct NewCode {
    /// The text.
    pub text: String,
    /// When it runs out.
    pub expires_at: UtcMs,
}

/// Makes a one-time code for a store from 64 fresh random bits; only their hash is kept. `address` is what nodes are
/// told instead of the hub's own public address.
pub fn make_code(
    hub: &Hub,
    store: &str,
    secret: [u8; 8],
    ttl_minutes: u32,
    address: Option<&str>,
    now: UtcMs,
) -> Result<NewCode, Fault> {
    if !(1..=TTL_MINUTES_MAX).contains(&ttl_minutes) {
        return Err(Fault::field("/ttl_minutes", Code::BadValue, "a code lives 1 to 1,440 minutes"));
    }
    let address = address.unwrap_or(&hub.face.address).to_owned();
    let text = CodeText { address, secret, fingerprint: hub.face.fingerprint }.to_string();
    if CodeText::parse(&text).is_err() {
        return Err(Fault::field("/address", Code::BadValue, "an address is host:port"));
    }
    let expires_at = now + i64::from(ttl_minutes) * 60_000;
    hub.write(|tx, _| {
        let store = app_stores::find(tx, store)?;
        Ok(enrolments::add_code(tx, enrolment_hash(&secret), store.no, expires_at)?)
    })?;
    Ok(NewCode { text, expires_at })
}

/// An item of a node that sold alone.
#[derive(Clone, Debug, Default)]
pub struct LoneItem {
    /// Its trade item numbers, 14 digits.
    pub gtins: Vec<String>,
    /// Base units on hand by the lone log's fold.
    pub on_hand: i64,
    /// Its rights.
    pub rights: u64,
    /// Its open overdraw.
    pub overdraw: u64,
}

/// A node that wants to be a member.
#[derive(Clone, Debug)]
pub struct Application {
    /// The code's secret.
    pub secret: [u8; 8],
    /// The incarnation to be enrolled.
    pub incarnation: Incarnation,
    /// The node's device key.
    pub device_key: DeviceKey,
    /// The key's signature over the secret's hash and the incarnation.
    pub proof: SignatureBytes,
    /// A name people know the node by.
    pub node_name: String,
    /// Name and version of its program.
    pub program: String,
    /// The end of its lone log, where it sold alone.
    pub lone_head: Option<HeadMark>,
    /// The lone node's items, by its own SKUs.
    pub items: BTreeMap<Sku, LoneItem>,
    /// The lone node's own staff, each PIN as it is kept.
    pub staff: Vec<StaffRecord>,
    /// The ends of the logs that the machine wrote before it lost memory, as it holds them.
    pub earlier: Vec<HeadMark>,
}

/// What the node is told.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its store.
    pub store: Store,
    /// The store's `H_s`.
    pub hub_incarnation: Incarnation,
}

/// Makes an applicant a member, in one transaction; a repeat gets the same answer and does nothing again.
pub fn enrol(hub: &Hub, applicant: &Application, now: UtcMs) -> Result<Member, Fault> {
    hub.open()?;
    let hash = enrolment_hash(&applicant.secret);
    if !hub.db.read(|tx| enrolments::knows_code(tx, hash))? {
        hub.write(|tx, _| Ok(enrolments::count_try(tx, now)?))?;
        return Err(refused("the code is not known here"));
    }
    hub.write(|tx, after| {
        let code = enrolments::code(tx, hash)?.ok_or_else(|| refused("the code is not known here"))?;
        let holds = verify_enrolment(&applicant.device_key, &applicant.incarnation, &hash, &applicant.proof);
        if holds.is_err() {
            return Err(refused("the proof of the device key does not hold"));
        }
        if code.used_by == Some(applicant.incarnation) {
            return member(tx, code.store);
        }
        if let Some(why) = spent(&code, now) {
            return Err(refused(why));
        }
        admit(tx, after, hub, applicant, code.store, now)?;
        enrolments::use_code(tx, hash, applicant.incarnation)?;
        member(tx, code.store)
    })
}

fn refused(why: &str) -> Fault {
    Fault::refused(Code::EnrolmentRefused, why)
}

fn spent(code: &enrolments::Code, now: UtcMs) -> Option<&'static str> {
    if code.used_by.is_some() {
        return Some("the code was used by another node");
    }
    if code.expires_at <= now {
        return Some("the code has run out");
    }
    (code.tries >= TRIES_MAX).then_some("too many wrong codes were tried: make a new one")
}

fn member(tx: &mut Tx<'_>, store: i64) -> Result<Member, Fault> {
    let store = stores::by_no(tx, store)?.ok_or_else(|| Fault::internal("no such store"))?;
    let own = authors::by_no(tx, store.hub_author)?.ok_or_else(|| Fault::internal("the store has no H_s"))?;
    Ok(Member { store, hub_incarnation: own.incarnation })
}

fn admit(
    tx: &mut Tx<'_>,
    after: &mut After,
    hub: &Hub,
    applicant: &Application,
    store: i64,
    now: UtcMs,
) -> Result<(), Fault> {
    if authors::find(tx, &applicant.incarnation)?.is_some() {
        return Err(refused("the incarnation is enrolled already"));
    }
    let lone = applicant.lone_head.unwrap_or(HeadMark {
        incarnation: applicant.incarnation,
        seq: 0,
        hash: Hash::ZERO,
    });
    if enrolments::of_lone(tx, lone.incarnation, lone.hash)?.is_some()
        || (applicant.lone_head.is_some() && authors::find(tx, &lone.incarnation)?.is_some())
    {
        return Err(refused("the lone log was enrolled under another incarnation"));
    }
    let store = stores::by_no_locked(tx, store)?.ok_or_else(|| Fault::internal("no such store"))?;
    super::recovering::must_not_be(tx, store.no)?;
    let new = NewAuthor {
        incarnation: applicant.incarnation,
        store: store.no,
        role: Role::Node,
        device_key: applicant.device_key,
        name: &applicant.node_name,
        program: &applicant.program,
        successor: None,
    };
    let mut facts = Vec::new();
    let mut fenced = Vec::new();
    let earlier = unheard_of(tx, applicant)?;
    if let Some(head) = applicant.lone_head {
        let successor = Some(authors::insert(tx, &new, now)?);
        let mut logs = Vec::new();
        for head in earlier.iter().chain([&head]) {
            let log = NewAuthor { incarnation: head.incarnation, role: Role::Lone, successor, ..new };
            logs.push(authors::insert(tx, &log, now)?);
            enrolments::add(tx, head.incarnation, head.hash, applicant.incarnation, store.no, now)?;
        }
        facts = openings(tx, applicant, &head, &logs, store.no, now)?;
    } else {
        for head in &earlier {
            fenced.push(authors::insert(tx, &NewAuthor { incarnation: head.incarnation, ..new }, now)?);
        }
        // Behind them: the last one that a device's key wrote with is who goes on (`rejoin`).
        let successor = authors::insert(tx, &new, now)?;
        fenced.iter().try_for_each(|no| authors::set_successor(tx, *no, successor))?;
        enrolments::add(tx, lone.incarnation, lone.hash, applicant.incarnation, store.no, now)?;
    }
    facts.insert(0, hub_log::roster(tx, &store)?);
    hub_log::append(tx, after, hub, &store, &facts, now)?;
    for no in fenced {
        put_out(tx, after, hub, (&store, no), applicant.incarnation, now)?;
    }
    super::staff::brought(tx, after, hub, store.no, &applicant.staff, now)
}

/// The logs that the machine wrote before it lost memory and that nobody told the hub of: one may hold sales. Signed by
/// the applicant's key they are taken in, by any other they are refused as they come.
fn unheard_of(tx: &mut Tx<'_>, applicant: &Application) -> Result<Vec<HeadMark>, Fault> {
    let mut unknown = BTreeMap::new();
    for head in applicant.earlier.iter().filter(|head| head.seq > 0) {
        let present = applicant.lone_head.map_or(applicant.incarnation, |lone| lone.incarnation);
        let is_another = head.incarnation != present && head.incarnation != applicant.incarnation;
        if is_another && authors::find(tx, &head.incarnation)?.is_none() {
            unknown.insert(head.incarnation, *head);
        }
    }
    Ok(unknown.into_values().collect())
}

/// A log that was never a member's and had no lease: fenced from the first, so that what it holds is booked as facts.
fn put_out(
    tx: &mut Tx<'_>,
    after: &mut After,
    hub: &Hub,
    (store, no): (&Store, i64),
    successor: Incarnation,
    now: UtcMs,
) -> Result<(), Fault> {
    let lost = authors::by_no(tx, no)?.ok_or_else(|| Fault::internal("no such author"))?;
    let at = super::tau(tx, now)?;
    waits::change(tx, store.no, at, |waits| waits.never_leased(lost.incarnation, at))?;
    fence::put_out(tx, after, hub, store, &lost, (Some(successor), None), now)
}

/// One opening movement for each item the lone node had: its goods, and its rights minted and given on.
fn openings(
    tx: &mut Tx<'_>,
    applicant: &Application,
    head: &HeadMark,
    logs: &[i64],
    store: i64,
    now: UtcMs,
) -> Result<Vec<Body>, Fault> {
    let mut facts = Vec::new();
    for (sku, item) in &applicant.items {
        let booked = booked_as(tx, &head.incarnation, sku, &item.gtins)?;
        if booked != sku.0 {
            logs.iter().try_for_each(|log| enrolments::book_lone_sku(tx, *log, &sku.0, &booked))?;
        }
        if booked == placeholder(&head.incarnation, sku) {
            let detail =
                format!("the lone node's item {sku} has no equal in the catalog; it is booked as {booked}");
            review::add(tx, store, "unmatched_sku", &booked, &detail, now)?;
        }
        if item.on_hand == 0 && item.rights == 0 && item.overdraw == 0 {
            continue;
        }
        let units = [item.on_hand.unsigned_abs(), item.rights, item.overdraw];
        if units.into_iter().any(|units| units > PLAUSIBLE_UNITS_MAX) {
            return Err(refused("the lone node's stock is not plausible"));
        }
        facts.push(Body::from(StockOpened {
            lone: head.incarnation,
            sku: Sku(booked),
            on_hand: item.on_hand,
            minted: item.rights,
            successor: applicant.incarnation,
            overdraw: item.overdraw,
        }));
    }
    Ok(facts)
}

/// The catalog's item for a lone node's: by equal SKU, by equal GTIN, or a placeholder until a person says.
fn booked_as(tx: &mut Tx<'_>, lone: &Incarnation, sku: &Sku, gtins: &[String]) -> Result<String, Fault> {
    if products::find(tx, &sku.0)?.is_some_and(|row| !row.removed) {
        return Ok(sku.0.clone());
    }
    for gtin in gtins {
        if let Some(found) = products::with_gtin(tx, gtin)?.into_iter().next() {
            return Ok(found);
        }
    }
    Ok(placeholder(lone, sku))
}

fn placeholder(lone: &Incarnation, sku: &Sku) -> String {
    format!("{lone}/{sku}")
}
