//! How far a store's recovery from lost nodes is: each step with its numbers, so that a manager can do the next one.

use super::barrier::{self, Outcome};
use super::resolve::{self, Court, Sitting};
use super::takeover::{self, Orphan};
use super::{Code, Fault, stores as app_stores, waits};
use crate::db::Tx;
use crate::db::authors::{self, Author, Role, State};
use crate::db::recovery as rows;
use crate::hub::Hub;
use std::collections::{BTreeMap, BTreeSet};
use tradepost_sync::barrier::{Barrier, Purpose};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::fence::{Wait, WaitRefusal};
use tradepost_sync::ids::{Id, Incarnation};

/// A store's recovery.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// The store's code.
    pub store: String,
    /// Who was lost.
    pub lost: Vec<Lost>,
    /// Items that wait.
    pub items: Vec<Item>,
    /// What lost or long silent nodes alone could finish.
    pub objects: Vec<Orphan>,
    /// The barrier that is open.
    pub barrier: Option<Open>,
    /// The last one that is over.
    pub last: Option<Last>,
}

/// A lost incarnation.
#[derive(Clone, Debug)]
pub struct Lost {
    /// Who.
    pub incarnation: Incarnation,
    /// The name people know it by.
    pub name: String,
    /// `fenced`, `retired` or `quarantined`.
    pub state: &'static str,
    /// Its wait, where one is known.
    pub wait: Option<Wait>,
    /// When the wait will be over, if the hub runs without a break; none where it is.
    pub wait_until: Option<UtcMs>,
    /// Its log is held up to its signed retirement.
    pub recovered: bool,
    /// Its last event here.
    pub held: u64,
    /// Where its log ends for rights.
    pub cap: Option<u64>,
}

/// An item in which somebody's rights, or a surplus, wait.
#[derive(Clone, Debug)]
pub struct Item {
    /// The item.
    pub sku: String,
    /// Rights of lost incarnations there.
    pub suspended: i128,
    /// Their open overdraw.
    pub overdraw: u64,
    /// What a barrier opened now would mint.
    pub would_mint: u64,
    /// Whether it would resolve everybody there.
    pub would_resolve: bool,
    /// Why not.
    pub why: Option<(Code, String)>,
}

/// A barrier that is open.
#[derive(Clone, Debug)]
pub struct Open {
    /// Its id.
    pub id: Id,
    /// What for.
    pub purpose: Purpose,
    /// `asking`, `proposed` or `levelling`.
    pub state: &'static str,
    /// When it was opened.
    pub opened_at: UtcMs,
    /// Its members.
    pub members: Vec<Member>,
    /// What the hub lacks: whose stream, needed up to, held up to.
    pub missing: Vec<(Incarnation, u64, u64)>,
}

/// A member of a barrier.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who.
    pub incarnation: Incarnation,
    /// The name people know it by.
    pub name: String,
    /// It has said what it holds.
    pub answered: bool,
    /// It has stored the caps.
    pub stored: bool,
    /// It is in session with this process.
    pub in_session: bool,
}

/// A barrier that is over.
#[derive(Clone, Debug)]
pub struct Last {
    /// Its id.
    pub id: Id,
    /// `closed` or `void`.
    pub state: String,
    /// When.
    pub ended_at: Option<UtcMs>,
    /// What it decided.
    pub outcome: Outcome,
}

/// How far a store's recovery is.
pub fn of_store(hub: &Hub, code: &str, now: UtcMs) -> Result<Recovery, Fault> {
    let present = hub.present.all();
    hub.db.read(|tx| {
        let store = app_stores::find(tx, code)?;
        let court = Court::sits(tx, store.no, Sitting::Before)?;
        let known = resolve::heads(tx, store.no)?;
        let at = super::tau(tx, now)?;
        let decided = court.decide(tx, at, &known, now)?;
        let authors = authors::of_store(tx, store.no)?;
        let mut waiting = BTreeSet::new();
        decided.iter().for_each(|one| waiting.extend(one.columns.keys().copied()));
        let lost = lost(tx, store.no, &authors, &court, &waiting, now)?;
        let items = decided.iter().filter_map(item).collect();
        let objects = takeover::orphans(tx, store.no, &present, at)?;
        let names = authors.into_iter().map(|author| (author.incarnation, author.name)).collect();
        let barrier = match barrier::current(tx, store.no)? {
            Some(barrier) => Some(open(tx, store.no, &barrier, &names, &present)?),
            None => None,
        };
        let last = rows::last(tx, store.no)?.map(over).transpose()?;
        Ok(Recovery { store: store.code, lost, items, objects, barrier, last })
    })
}

/// Whoever is capped and has nothing left that waits is no step any more.
fn lost(
    tx: &mut Tx<'_>,
    store: i64,
    authors: &[Author],
    court: &Court,
    waiting: &BTreeSet<Incarnation>,
    now: UtcMs,
) -> Result<Vec<Lost>, Fault> {
    let waits = waits::of_store(tx, store)?;
    let at = super::tau(tx, now)?;
    let mut lost = Vec::new();
    for author in authors.iter().filter(|a| a.role != Role::Lone && a.state != State::Live) {
        let who = author.incarnation;
        let cap = rows::cap(tx, author.no)?.map(|cap| cap.seq);
        if cap.is_some() && !waiting.contains(&who) {
            continue;
        }
        let recovered = court.is_recovered(&who);
        let until = match waits.check(who, at) {
            Err(WaitRefusal::LeaseNotExpired { until, .. } | WaitRefusal::WaitNotOver { until, .. }) => {
                Some(until.ms)
            }
            Ok(_) => None,
        };
        let state = match author.state {
            State::Retired => "retired",
            State::Quarantined => "quarantined",
            State::Live | State::Fenced => "fenced",
        };
        lost.push(Lost {
            incarnation: who,
            name: author.name.clone(),
            state,
            wait: waits.of(&who).copied(),
            wait_until: until.filter(|_| !recovered),
            recovered,
            held: author.head.seq,
            cap,
        });
    }
    Ok(lost)
}

fn item(one: &resolve::Decided) -> Option<Item> {
    let would_mint = one.settlement.mint.as_ref().map_or(0, |units| *units);
    if one.columns.is_empty() && would_mint == 0 {
        return None;
    }
    let would_resolve = one.columns.keys().all(|f| one.settlement.resolve.contains_key(f));
    let why = one.settlement.mint.as_ref().err().filter(|_| !would_resolve);
    Some(Item {
        sku: one.sku.clone(),
        suspended: one.columns.values().map(|column| column.rights).sum(),
        overdraw: one.columns.values().map(|column| column.overdraw).sum(),
        would_mint,
        would_resolve,
        why: why.map(|why| (barrier::code_of(why), why.to_string())),
    })
}

fn open(
    tx: &mut Tx<'_>,
    store: i64,
    barrier: &Barrier,
    names: &BTreeMap<Incarnation, String>,
    present: &BTreeSet<Incarnation>,
) -> Result<Open, Fault> {
    let standing = barrier::standing(barrier);
    let held = resolve::heads(tx, store)?;
    let missing = barrier.frontier().into_iter().filter_map(|head| {
        let here = held.get(&head.incarnation).map_or(0, |cap| cap.seq);
        (here < head.seq).then_some((head.incarnation, head.seq, here))
    });
    let member = |who: &Incarnation| Member {
        incarnation: *who,
        name: names.get(who).cloned().unwrap_or_default(),
        answered: !standing.unanswered.contains(who),
        stored: standing.proposed && !standing.unacked.contains(who),
        in_session: present.contains(who),
    };
    let state = match (standing.proposed, standing.unacked.is_empty()) {
        (false, _) => "asking",
        (true, false) => "proposed",
        (true, true) => "levelling",
    };
    Ok(Open {
        id: barrier.id,
        purpose: barrier.purpose,
        state,
        opened_at: barrier.opened.ms,
        members: barrier.members.iter().map(member).collect(),
        missing: missing.collect(),
    })
}

fn over(row: rows::BarrierRow) -> Result<Last, Fault> {
    let outcome = match &row.result {
        Some(result) => serde_json::from_str(result).map_err(Fault::internal)?,
        None => Outcome::default(),
    };
    Ok(Last { id: row.id, state: row.state, ended_at: row.ended_at, outcome })
}
