//! Barriers at the hub (`model.md` §3.5): opened, answered by every member, capped, stored by every member, closed. How
//! far one is stands in the database, so that a hub that died goes on where it was, and whoever owes a word is asked
//! again.

use super::recovering::Verdict;
use super::resolve::{self, Court, Sitting};
use super::{Code, Fault, hub_log, recovering, relive, stores as app_stores, waits};
use crate::db::authors::{self, Author, State};
use crate::db::recovery::{self, BarrierRow};
use crate::db::stores::{self, Store};
use crate::db::{Tx, events, review};
use crate::hub::{After, Hub};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tradepost_sync::barrier::{Barrier, BarrierRefusal, Purpose, SkuRefusal};
use tradepost_sync::body::{BarrierClosed, BarrierOpened, Body, CutHead};
use tradepost_sync::clock::{Tau, UtcMs};
use tradepost_sync::fence::WaitRefusal;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Id, Incarnation};
use tradepost_sync::session::BarrierWord;
use tradepost_sync::terms::Cap;

/// What a barrier decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whose rights in which item are resolved, with the base units minted because a log was recovered.
    pub resolved: Vec<Resolved>,
    /// Surplus minted, by item, in base units.
    pub minted: BTreeMap<String, u64>,
    /// Items in which somebody's rights wait on, or a surplus does.
    pub refused: Vec<Refused>,
}

/// One incarnation's rights in one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// Whose.
    pub incarnation: Incarnation,
    /// Of what.
    pub sku: String,
    /// Base units minted for it.
    pub minted: u64,
}

/// An item in which nothing could be decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The item.
    pub sku: String,
    /// A stable name.
    pub code: String,
    /// A sentence with the numbers.
    pub detail: String,
}

/// A cap as events write it.
pub(super) fn cut((incarnation, cap): (&Incarnation, &Cap)) -> CutHead {
    CutHead { incarnation: *incarnation, seq: cap.seq, hash: cap.hash }
}

fn read(row: &BarrierRow) -> Result<Barrier, Fault> {
    serde_json::from_str(&row.body).map_err(Fault::internal)
}

fn written(barrier: &Barrier) -> Result<String, Fault> {
    serde_json::to_string(barrier).map_err(Fault::internal)
}

/// The store's open barrier.
pub fn current(tx: &mut Tx<'_>, store: i64) -> Result<Option<Barrier>, Fault> {
    recovery::open(tx, store)?.as_ref().map(read).transpose()
}

/// Opens a barrier. The same id again changes nothing.
///
/// Refused where it could decide nothing: while a wait runs, before a count, or with nothing to resolve or mint.
pub fn open(hub: &Hub, store: &str, id: Id, purpose: Purpose, now: UtcMs) -> Result<(), Fault> {
    hub.write(|tx, after| {
        let no = app_stores::find(tx, store)?.no;
        if let Some(known) = recovery::barrier(tx, id)? {
            let same = known.store == no;
            let reused = || Fault::refused(Code::IdReused, "the id belongs to another store's barrier");
            return if same { Ok(()) } else { Err(reused()) };
        }
        let store = stores::by_no_locked(tx, no)?.ok_or_else(|| Fault::internal("no such store"))?;
        if let Some(open) = recovery::open(tx, no)? {
            let detail = format!("barrier {} is open; one at a time", open.id);
            return Err(Fault::refused(Code::BarrierOpen, detail));
        }
        if recovering::is(tx, no)? {
            let detail =
                "the hub recovers and opens the barrier that ends it by itself; see /v1/hub/recovery";
            return Err(Fault::refused(Code::HubRecovering, detail));
        }
        sensible(tx, &store, purpose, now)?;
        begin(tx, after, hub, &store, (id, purpose), now)
    })
}

/// The same for whoever holds the store's row and knows that it decides something: (id, what for).
pub(super) fn begin(
    tx: &mut Tx<'_>,
    after: &mut After,
    hub: &Hub,
    store: &Store,
    (id, purpose): (Id, Purpose),
    now: UtcMs,
) -> Result<(), Fault> {
    lock_streams(tx, store.no)?;
    let terms = resolve::terms(tx, store, None)?;
    let known = resolve::heads(tx, store.no)?;
    let at = super::tau(tx, now)?;
    let mut barrier = Barrier::open(id, at, purpose, &terms, known.clone()).map_err(refused)?;
    // The hub is a member: from this transaction on it takes nothing more of the frozen logs.
    if let Some(own) = terms.hub() {
        let known = resolve::applied(tx, &barrier.frozen, known)?;
        barrier.answer(own, known).map_err(refused)?;
    }
    recovery::add_barrier(tx, id, store.no, &written(&barrier)?, now)?;
    let fact = BarrierOpened {
        barrier: id,
        members: barrier.members.iter().copied().collect(),
        fenced: barrier.frozen.iter().copied().collect(),
    };
    hub_log::append(tx, after, hub, store, &[fact.into()], now)?;
    go_on(tx, after, hub, store, barrier, now)
}

/// Whoever takes a stretch of a stream in holds its row: with all of them locked, goods and rights stand still.
fn lock_streams(tx: &mut Tx<'_>, store: i64) -> Result<(), Fault> {
    for author in authors::of_store(tx, store)? {
        authors::find_locked(tx, &author.incarnation)?;
    }
    Ok(())
}

/// Whether a barrier opened now could decide anything.
fn sensible(tx: &mut Tx<'_>, store: &Store, purpose: Purpose, now: UtcMs) -> Result<(), Fault> {
    let court = Court::sits(tx, store.no, Sitting::Before)?;
    let known = resolve::heads(tx, store.no)?;
    let at = super::tau(tx, now)?;
    let decided = court.decide(tx, at, &known, now)?;
    let wanted = |one: &&resolve::Decided| purpose == Purpose::Mint || !one.columns.is_empty();
    let useful = |one: &resolve::Decided| {
        !one.settlement.resolve.is_empty() || matches!(one.settlement.mint, Ok(units) if units > 0)
    };
    if decided.iter().any(useful) {
        return Ok(());
    }
    let why = decided
        .iter()
        .filter(wanted)
        .find_map(|one| one.settlement.mint.as_ref().err().map(|why| (one.sku.clone(), why.clone())));
    match why {
        Some((sku, why)) => Err(as_fault(&sku, &why)),
        None if purpose == Purpose::Resolve => cap_only(tx, store.no, &court, at),
        None => Err(Fault::refused(Code::NothingToDecide, "there is no surplus to mint")),
    }
}

/// Somebody lost who holds nothing is still to be capped, once nothing can come of it any more.
fn cap_only(tx: &mut Tx<'_>, store: i64, court: &Court, at: Tau) -> Result<(), Fault> {
    let caps = recovery::caps(tx, store)?;
    let waits = waits::of_store(tx, store)?;
    let open: Vec<Incarnation> = court.out().filter(|f| !caps.contains_key(f)).copied().collect();
    if open.is_empty() {
        return Err(Fault::refused(Code::NothingToDecide, "nobody's rights wait to be resolved"));
    }
    for f in open {
        waits.check(f, at).map_err(|why| as_wait(&why))?;
    }
    Ok(())
}

pub(super) fn as_wait(why: &WaitRefusal) -> Fault {
    let (code, until) = match why {
        WaitRefusal::LeaseNotExpired { until, .. } => (Code::LeaseNotExpired, until.ms),
        WaitRefusal::WaitNotOver { until, .. } => (Code::WaitNotOver, until.ms),
    };
    Fault::TooEarly { code, detail: why.to_string(), until }
}

fn as_fault(sku: &str, why: &SkuRefusal) -> Fault {
    match why {
        SkuRefusal::Wait(why) => as_wait(why),
        other => Fault::field("/sku", code_of(other), format!("{sku}: {other}")),
    }
}

/// The stable name of why nothing is decided in an item.
pub fn code_of(why: &SkuRefusal) -> Code {
    match why {
        SkuRefusal::NotCounted | SkuRefusal::CountTooOld { .. } | SkuRefusal::Tainted => Code::CountNeeded,
        SkuRefusal::BarrierTooOld { .. } => Code::BarrierTooOld,
        SkuRefusal::Wait(WaitRefusal::LeaseNotExpired { .. }) => Code::LeaseNotExpired,
        SkuRefusal::Wait(WaitRefusal::WaitNotOver { .. }) => Code::WaitNotOver,
        SkuRefusal::DeliveryOpen { .. } => Code::DeliveryOpen,
        SkuRefusal::Unapplied { .. } => Code::EventNotApplied,
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn refused(why: BarrierRefusal) -> Fault {
    Fault::refused(Code::BarrierRefused, why.to_string())
}

/// What a member still owes the open barrier of its store, as the hub's word to it.
pub fn word_for(hub: &Hub, store: i64, who: &Incarnation) -> Result<Option<BarrierWord>, Fault> {
    let Some(barrier) = hub.db.read(|tx| current(tx, store))? else { return Ok(None) };
    Ok(match owing(&barrier, who) {
        Owing::Answer => Some(BarrierWord::Ask { barrier: barrier.id }),
        Owing::Ack => Some(BarrierWord::Proposal { barrier: barrier.id, caps: marks(&barrier) }),
        Owing::Nothing => None,
    })
}

fn marks(barrier: &Barrier) -> Vec<HeadMark> {
    let mark = |cap: CutHead| HeadMark { incarnation: cap.incarnation, seq: cap.seq, hash: cap.hash };
    barrier.caps().into_iter().map(mark).collect()
}

/// What a member owes a barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owing {
    /// What it holds.
    Answer,
    /// That the caps are stored.
    Ack,
    /// Nothing, or it is no member.
    Nothing,
}

/// What `who` owes.
pub fn owing(barrier: &Barrier, who: &Incarnation) -> Owing {
    if barrier.is_void() || !barrier.members.contains(who) {
        return Owing::Nothing;
    }
    let Standing { unanswered, unacked, proposed } = standing(barrier);
    if unanswered.contains(who) {
        Owing::Answer
    } else if proposed && unacked.contains(who) {
        Owing::Ack
    } else {
        Owing::Nothing
    }
}

/// How far a barrier is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Members that have not answered.
    pub unanswered: BTreeSet<Incarnation>,
    /// Members that have not stored the caps.
    pub unacked: BTreeSet<Incarnation>,
    /// The caps are proposed.
    pub proposed: bool,
}

/// How far it is, by asking the pure barrier what it waits for.
pub fn standing(barrier: &Barrier) -> Standing {
    let mut trial = barrier.clone();
    let unanswered = match trial.propose() {
        Err(BarrierRefusal::AnswersMissing { who }) => who.into_iter().collect(),
        _ => BTreeSet::new(),
    };
    let (proposed, unacked) = match barrier.ready(|_| u64::MAX) {
        Err(BarrierRefusal::NoCaps) => (false, barrier.members.clone()),
        Err(BarrierRefusal::AcksMissing { who }) => (true, who.into_iter().collect()),
        _ => (true, BTreeSet::new()),
    };
    Standing { unanswered, unacked, proposed }
}

/// A member's word is booked; what can go on then, goes on in the same transaction.
pub fn hear(hub: &Hub, store: i64, who: &Incarnation, word: &BarrierWord, now: UtcMs) -> Result<(), Fault> {
    hub.write(|tx, after| {
        let Some((store, mut barrier)) = open_barrier(tx, store)? else { return Ok(()) };
        let heard = match word {
            BarrierWord::Reply { barrier: id, heads } if *id == barrier.id => {
                let cap = |head: &HeadMark| (head.incarnation, Cap { seq: head.seq, hash: head.hash });
                let heads = resolve::applied(tx, &barrier.frozen, heads.iter().map(cap).collect())?;
                barrier.answer(*who, heads)
            }
            BarrierWord::Ack { barrier: id } if *id == barrier.id => barrier.ack(*who),
            _ => return Ok(()),
        };
        if let Err(why) = heard {
            tracing::warn!(%who, %why, "a word about a barrier is not taken");
            return Ok(());
        }
        go_on(tx, after, hub, &store, barrier, now)
    })
}

fn open_barrier(tx: &mut Tx<'_>, store: i64) -> Result<Option<(Store, Barrier)>, Fault> {
    let Some(store) = stores::by_no_locked(tx, store)? else { return Ok(None) };
    let Some(row) = recovery::open_locked(tx, store.no)? else { return Ok(None) };
    Ok(Some((store, read(&row)?)))
}

/// Looks at every open barrier: what has come in since may let it go on.
pub fn advance(hub: &Hub, now: UtcMs) -> Result<(), Fault> {
    for store in hub.db.read(|tx| Ok::<_, Fault>(recovery::with_open(tx)?))? {
        if hub.db.read(|tx| Ok::<_, Fault>(!out_since(tx, store)?.is_empty()))? {
            hub.write(|tx, after| note_out(tx, after, hub, store, now))?;
        }
        if !hub.db.read(|tx| may_move(tx, store))? {
            continue;
        }
        hub.write(|tx, after| match open_barrier(tx, store)? {
            Some((store, barrier)) => go_on(tx, after, hub, &store, barrier, now),
            None => Ok(()),
        })?;
    }
    Ok(())
}

/// Members of the open barrier that are fenced without its knowing: the word of before the hub's database was put back
/// may have come back only after the barrier was opened.
fn out_since(tx: &mut Tx<'_>, store: i64) -> Result<Vec<Incarnation>, Fault> {
    let Some(barrier) = current(tx, store)? else { return Ok(Vec::new()) };
    let news = |author: &Author| {
        let mut told = barrier.clone();
        told.fenced(author.incarnation);
        author.state == State::Fenced && told != barrier
    };
    let members = authors::of_store(tx, store)?;
    Ok(members.iter().filter(|author| news(author)).map(|author| author.incarnation).collect())
}

fn note_out(tx: &mut Tx<'_>, after: &mut After, hub: &Hub, store: i64, now: UtcMs) -> Result<(), Fault> {
    for who in out_since(tx, store)? {
        let Some(store) = stores::by_no_locked(tx, store)? else { return Ok(()) };
        if let Some(fact) = member_fenced(tx, &store, &who, now)? {
            hub_log::append(tx, after, hub, &store, &[fact], now)?;
        }
    }
    Ok(())
}

/// Whether a barrier waits for anything but its members' words.
fn may_move(tx: &mut Tx<'_>, store: i64) -> Result<bool, Fault> {
    let Some(barrier) = current(tx, store)? else { return Ok(false) };
    let waits = standing(&barrier);
    let own = stores::by_no(tx, store)?.map_or(0, |store| store.hub_author);
    let own = authors::by_no(tx, own)?.map(|author| author.incarnation);
    Ok(waits.unanswered.is_empty() && (!waits.proposed || waits.unacked.iter().all(|who| Some(*who) == own)))
}

/// Takes a barrier as far as it goes: proposes caps, stores the hub's own ack, closes.
fn go_on(
    tx: &mut Tx<'_>,
    after: &mut After,
    hub: &Hub,
    store: &Store,
    mut barrier: Barrier,
    now: UtcMs,
) -> Result<(), Fault> {
    if !standing(&barrier).proposed {
        match barrier.propose() {
            Ok(_) | Err(BarrierRefusal::AnswersMissing { .. }) => {}
            Err(why) => {
                let reference = barrier.id.to_string();
                review::add(tx, store.no, "barrier_waits", &reference, &why.to_string(), now)?;
            }
        }
    }
    if standing(&barrier).proposed && holds_caps(tx, &barrier)? {
        let own = authors::by_no(tx, store.hub_author)?.map(|author| author.incarnation);
        own.map_or(Ok(()), |own| barrier.ack(own)).map_err(refused)?;
    }
    let now_written = written(&barrier)?;
    if recovery::open(tx, store.no)?.is_none_or(|known| known.body != now_written) {
        recovery::set_barrier(tx, barrier.id, &now_written)?;
        // Whoever waits for a word is told at once.
        after.poke = true;
    }
    let held = resolve::heads(tx, store.no)?;
    if barrier.ready(|i| held.get(i).map_or(0, |cap| cap.seq)).is_err() {
        return Ok(());
    }
    match recovering::verdict(tx, store, &barrier, now)? {
        Verdict::Ordinary => close(tx, after, hub, store, &barrier, now),
        Verdict::Ends(row) => {
            close(tx, after, hub, store, &barrier, now)?;
            recovering::end(tx, after, hub, store, *row, now)
        }
        Verdict::Wait(why) => {
            tracing::info!(store = %store.code, %why, "the recovery does not end yet");
            Ok(())
        }
    }
}

/// Whether the hub itself holds every frozen log up to its cap.
fn holds_caps(tx: &mut Tx<'_>, barrier: &Barrier) -> Result<bool, Fault> {
    for cap in barrier.caps().iter().filter(|cap| cap.seq > 0) {
        let Some(author) = authors::find(tx, &cap.incarnation)? else { return Ok(false) };
        if events::hash_at(tx, author.no, cap.seq)? != Some(cap.hash) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Closes it: the caps, then per item who is resolved and what is minted, in one transaction.
fn close(
    tx: &mut Tx<'_>,
    after: &mut After,
    hub: &Hub,
    store: &Store,
    barrier: &Barrier,
    now: UtcMs,
) -> Result<(), Fault> {
    lock_streams(tx, store.no)?;
    for cap in barrier.caps() {
        let Some(author) = authors::find(tx, &cap.incarnation)? else { continue };
        if recovery::cap(tx, author.no)?.is_none() {
            recovery::set_cap(tx, author.no, &Cap { seq: cap.seq, hash: cap.hash })?;
            relive::take_back(tx, store.no, &author, cap.seq)?;
        }
    }
    let decided =
        Court::sits(tx, store.no, Sitting::Close)?.decide(tx, barrier.opened, &barrier.known, now)?;
    let closed = BarrierClosed {
        barrier: barrier.id,
        caps: barrier.caps(),
        frontier: barrier.frontier(),
        fold: None,
        void: false,
    };
    let mut facts = vec![Body::from(closed)];
    facts.extend(resolve::facts(barrier.id, &decided));
    for one in &decided {
        for f in one.settlement.resolve.keys() {
            if let Some(author) = authors::find(tx, f)? {
                recovery::resolve(tx, store.no, &one.sku, author.no)?;
            }
        }
    }
    let outcome = outcome(&decided);
    let result = serde_json::to_string(&outcome).map_err(Fault::internal)?;
    recovery::end_barrier(tx, barrier.id, "closed", Some(result), now)?;
    hub_log::append(tx, after, hub, store, &facts, now)
}

fn outcome(decided: &[resolve::Decided]) -> Outcome {
    let mut outcome = Outcome::default();
    for one in decided {
        for (incarnation, minted) in &one.settlement.resolve {
            let (incarnation, minted, sku) = (*incarnation, *minted, one.sku.clone());
            outcome.resolved.push(Resolved { incarnation, sku, minted });
        }
        match &one.settlement.mint {
            Ok(0) => {}
            Ok(units) => {
                outcome.minted.insert(one.sku.clone(), *units);
            }
            Err(why) => outcome.refused.push(Refused {
                sku: one.sku.clone(),
                code: code_of(why).name().to_owned(),
                detail: why.to_string(),
            }),
        }
    }
    outcome
}

/// A member of the open barrier was fenced: where it has not answered nothing can be decided any more. The fact that
/// says so, if there is one.
pub(super) fn member_fenced(
    tx: &mut Tx<'_>,
    store: &Store,
    who: &Incarnation,
    now: UtcMs,
) -> Result<Option<Body>, Fault> {
    let Some(row) = recovery::open_locked(tx, store.no)? else { return Ok(None) };
    let mut barrier = read(&row)?;
    barrier.fenced(*who);
    if barrier.is_void() {
        return end_void(tx, &barrier, now).map(Some);
    }
    recovery::set_barrier(tx, barrier.id, &written(&barrier)?)?;
    Ok(None)
}

fn end_void(tx: &mut Tx<'_>, barrier: &Barrier, now: UtcMs) -> Result<Body, Fault> {
    recovery::end_barrier(tx, barrier.id, "void", None, now)?;
    let closed =
        BarrierClosed { barrier: barrier.id, caps: Vec::new(), frontier: Vec::new(), fold: None, void: true };
    Ok(closed.into())
}

/// Gives the store's open barrier up: nothing is decided, the logs thaw. One that is over stays as it is.
pub fn give_up(hub: &Hub, store: &str, id: Id, now: UtcMs) -> Result<(), Fault> {
    hub.write(|tx, after| {
        let no = app_stores::find(tx, store)?.no;
        let known = recovery::barrier(tx, id)?.filter(|known| known.store == no);
        let known = known.ok_or_else(|| Fault::not_found("barrier", &id.to_string()))?;
        if known.state != "open" {
            return Ok(());
        }
        let Some((store, mut barrier)) = open_barrier(tx, no)? else { return Ok(()) };
        barrier.give_up();
        let fact = end_void(tx, &barrier, now)?;
        hub_log::append(tx, after, hub, &store, &[fact], now)
    })
}

/// Whether a stretch of a lost author's log up to `to` must wait: a barrier holds it where it is, and only what the
/// barrier brings is taken.
pub fn stands_still(tx: &mut Tx<'_>, author: &Author, to: u64) -> Result<bool, Fault> {
    let Some(barrier) = current(tx, author.store)? else { return Ok(false) };
    if !barrier.frozen.contains(&author.incarnation) {
        return Ok(false);
    }
    let cap = barrier.caps().into_iter().find(|cap| cap.incarnation == author.incarnation);
    Ok(cap.is_none_or(|cap| to > cap.seq))
}

/// Where an author's log ends for rights: events behind it are facts, and none of their cells count.
pub fn cap_of(tx: &mut Tx<'_>, author: &Author) -> Result<Option<u64>, Fault> {
    Ok(recovery::cap(tx, author.no)?.map(|cap| cap.seq))
}

/// Stores that ever counted anything.
pub fn counted_stores(hub: &Hub) -> Result<Vec<i64>, Fault> {
    hub.db.read(|tx| Ok(recovery::counted_stores(tx)?))
}

/// Opens a barrier by itself where a count left a surplus and every member is in session (`model.md` §2, mint of P).
/// Whether it did.
pub fn open_where_due(
    hub: &Hub,
    store: i64,
    id: Id,
    in_session: &BTreeSet<Incarnation>,
    now: UtcMs,
) -> Result<bool, Fault> {
    let due = hub.db.read(|tx| is_due(tx, store, in_session, now))?;
    if !due {
        return Ok(false);
    }
    hub.write(|tx, after| {
        let Some(store) = stores::by_no_locked(tx, store)? else { return Ok(false) };
        if recovery::open(tx, store.no)?.is_some() {
            return Ok(false);
        }
        begin(tx, after, hub, &store, (id, Purpose::Mint), now)?;
        Ok(true)
    })
}

fn is_due(
    tx: &mut Tx<'_>,
    store: i64,
    in_session: &BTreeSet<Incarnation>,
    now: UtcMs,
) -> Result<bool, Fault> {
    if !crate::db::counts::any(tx, store)?
        || recovery::open(tx, store)?.is_some()
        || recovering::is(tx, store)?
    {
        return Ok(false);
    }
    let Some(store) = stores::by_no(tx, store)? else { return Ok(false) };
    let terms = resolve::terms(tx, &store, None)?;
    let present = |who: &Incarnation| Some(*who) == terms.hub() || in_session.contains(who);
    if !terms.live().iter().all(present) {
        return Ok(false);
    }
    let court = Court::sits(tx, store.no, Sitting::Before)?;
    let known = resolve::heads(tx, store.no)?;
    let at = super::tau(tx, now)?;
    let decided = court.decide(tx, at, &known, now)?;
    Ok(decided.iter().any(|one| matches!(one.settlement.mint, Ok(units) if units > 0)))
}
