//! What a barrier's close decides of each item: the hub's rows as the pure rules ask for them (`model.md` §3.5, §3.6).

use super::{Fault, counts as app_counts, hub_log, stock as app_stock, waits};
use crate::db::authors::{self, Author, Role, State};
use crate::db::stores::Store;
use crate::db::{Tx, counts, events, recoveries, recovery, stock};
use std::collections::{BTreeMap, BTreeSet};
use tradepost_commerce::document::Sku;
use tradepost_commerce::tender_life::is_pool;
use tradepost_sync::barrier::{Case, Column, Heads, Settlement, decide};
use tradepost_sync::body::{BarrierClosed, BarrierOpened, Body, RosterChanged};
use tradepost_sync::clock::{Tau, UtcMs};
use tradepost_sync::count::{Count, Fold};
use tradepost_sync::event::Event;
use tradepost_sync::ids::{Id, Incarnation};
use tradepost_sync::rights::Rights;
use tradepost_sync::terms::{Cap, Terms};

/// Above every item's code.
pub(super) const LAST: &str = "\u{10ffff}";
/// Events read at a time.
const PAGE: u64 = 64;

/// The terms of a store by the hub's rows, with the barrier that is open.
pub fn terms(tx: &mut Tx<'_>, store: &Store, open: Option<(Id, Vec<Incarnation>)>) -> Result<Terms, Fault> {
    let own = authors::by_no(tx, store.hub_author)?.ok_or_else(|| Fault::internal("the store has no H_s"))?;
    let hub = own.incarnation;
    let mut terms = Terms::of_hub(hub);
    // A lone log is documents only: it is nobody's column.
    let lone: BTreeSet<Incarnation> = authors::of_store(tx, store.no)?
        .into_iter()
        .filter(|author| author.role == Role::Lone)
        .map(|author| author.incarnation)
        .collect();
    let mut members = hub_log::members(tx, store)?;
    members.retain(|member| !lone.contains(&member.incarnation));
    terms.hear(&hub, &RosterChanged { version: store.roster_version.max(1), members }.into());
    let caps = recovery::caps(tx, store.no)?;
    let closed = BarrierClosed {
        barrier: Id([0; 16]),
        caps: caps.iter().map(super::barrier::cut).collect(),
        frontier: Vec::new(),
        fold: None,
        void: false,
    };
    terms.hear(&hub, &closed.into());
    if let Some((barrier, fenced)) = open {
        terms.hear(&hub, &BarrierOpened { barrier, members: Vec::new(), fenced }.into());
    }
    Ok(terms)
}

/// The ends of a store's streams at the hub.
pub fn heads(tx: &mut Tx<'_>, store: i64) -> Result<Heads, Fault> {
    let marks = authors::of_store(tx, store)?.into_iter().filter_map(|author| author.mark());
    Ok(marks.map(|mark| (mark.incarnation, Cap { seq: mark.seq, hash: mark.hash })).collect())
}

/// What somebody holds of lost logs, as a barrier takes it: an event whose effects are not applied counts as not held, so
/// that the cap comes to lie before it (`model.md` §6).
pub fn applied(tx: &mut Tx<'_>, frozen: &BTreeSet<Incarnation>, mut heads: Heads) -> Result<Heads, Fault> {
    for lost in frozen {
        let Some(author) = authors::find(tx, lost)? else { continue };
        let Some(first) = events::first_unapplied(tx, author.no)? else { continue };
        if heads.get(lost).is_none_or(|head| head.seq < first) {
            continue;
        }
        match events::hash_at(tx, author.no, first - 1)? {
            Some(hash) => heads.insert(*lost, Cap { seq: first - 1, hash }),
            None => heads.remove(lost),
        };
    }
    Ok(heads)
}

/// Whether a log is held up to its signed retirement, and no cap lies before that: then its column is exact. Before a
/// barrier has capped it, it will be. Of an `H_s` of before a restore it is exact where every journal was read to its end.
fn recovered(tx: &mut Tx<'_>, author: &Author, cap: Option<&Cap>) -> Result<bool, Fault> {
    let last = author.head.seq;
    if author.role == Role::Hub {
        let whole = author.state != State::Live && recoveries::is_whole(tx, author.no)?;
        return Ok(whole && cap.is_none_or(|cap| cap.seq >= last));
    }
    if author.state == State::Live || last == 0 || cap.is_some_and(|cap| cap.seq < last) {
        return Ok(false);
    }
    let Some(stored) = events::from(tx, author.no, last, 1)?.pop() else { return Ok(false) };
    let body = Event::read(&stored.bytes).ok().and_then(|event| event.body().ok());
    Ok(matches!(body, Some(Body::IncarnationRetired(retired)) if retired.last_seq == last))
}

/// Somebody who is out.
#[derive(Clone, Copy, Debug)]
struct Out {
    recovered: bool,
    capped: bool,
}

/// When a store is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sitting {
    /// At a barrier's close: who has no cap now is not resolved by it.
    Close,
    /// Before: a barrier that is opened now will have capped everyone who is out.
    Before,
}

/// A store as a barrier's close judges it.
pub struct Court {
    store: i64,
    rights: BTreeMap<String, Rights>,
    resolved: BTreeMap<String, BTreeSet<Incarnation>>,
    /// Everyone fenced or retired.
    out: BTreeMap<Incarnation, Out>,
    unapplied: Option<(Incarnation, u64)>,
}

/// What was decided of an item.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The item.
    pub sku: String,
    /// The rules' word.
    pub settlement: Settlement,
    /// Everyone whose rights there wait to be resolved.
    pub columns: BTreeMap<Incarnation, Column>,
}

impl Court {
    /// Reads a store.
    pub fn sits(tx: &mut Tx<'_>, store: i64, sitting: Sitting) -> Result<Self, Fault> {
        let caps = recovery::caps(tx, store)?;
        let mut out = BTreeMap::new();
        for author in authors::of_store(tx, store)? {
            if author.role != Role::Lone && author.state != State::Live {
                let cap = caps.get(&author.incarnation);
                let recovered = recovered(tx, &author, cap)?;
                out.insert(
                    author.incarnation,
                    Out { recovered, capped: cap.is_some() || sitting == Sitting::Before },
                );
            }
        }
        Ok(Self {
            store,
            rights: stock::rights(tx, store, "", LAST)?,
            resolved: recovery::resolved(tx, store, "", LAST)?,
            out,
            unapplied: recovery::unapplied(tx, store, sitting == Sitting::Before)?,
        })
    }

    /// Everyone fenced or retired.
    pub fn out(&self) -> impl Iterator<Item = &Incarnation> {
        self.out.keys()
    }

    /// Whether a lost log is held up to its signed retirement.
    pub fn is_recovered(&self, who: &Incarnation) -> bool {
        self.out.get(who).is_some_and(|out| out.recovered)
    }

    /// What everyone that is out and not resolved has in an item; who has nothing is left out.
    pub fn columns(&self, sku: &str) -> BTreeMap<Incarnation, Column> {
        let Some(rights) = self.rights.get(sku) else { return BTreeMap::new() };
        let resolved = self.resolved.get(sku);
        let waits = self.out.iter().filter(|(f, _)| resolved.is_none_or(|resolved| !resolved.contains(f)));
        let column = |(f, out): (&Incarnation, &Out)| {
            let Out { recovered, capped } = *out;
            (*f, Column { rights: rights.of(f), overdraw: rights.overdraw_of(f), recovered, capped })
        };
        // What nobody can count is given back by its log alone (`facts.md` §4, Voucher).
        let decidable = |column: &Column| column.recovered || !is_pool(sku);
        let any = |column: &Column| column.rights != 0 || column.overdraw != 0;
        waits.map(column).filter(|(_, column)| any(column) && decidable(column)).collect()
    }

    /// Items about which there is anything to decide: somebody lost has something there, or they were counted.
    pub fn items(&self, tx: &mut Tx<'_>) -> Result<BTreeSet<String>, Fault> {
        let mut items: BTreeSet<String> = counts::between(tx, self.store, "", LAST)?.into_keys().collect();
        items.extend(self.rights.keys().filter(|sku| !self.columns(sku).is_empty()).cloned());
        Ok(items)
    }

    /// Decides every item at the close of a barrier that was opened at `opened` when the hub held `known`.
    pub fn decide(
        &self,
        tx: &mut Tx<'_>,
        opened: Tau,
        known: &Heads,
        now: UtcMs,
    ) -> Result<Vec<Decided>, Fault> {
        let waits = waits::of_store(tx, self.store)?;
        let at = super::tau(tx, now)?;
        let mut decided = Vec::new();
        for sku in self.items(tx)? {
            let fold = fold(tx, self.store, &sku)?;
            let columns = self.columns(&sku);
            let count = fold.latest.as_ref();
            let held_before = |count: &Count| known.get(&count.author).map_or(0, |cap| cap.seq) >= count.seq;
            let row = stock_row(tx, self.store, &sku)?;
            let case = Case {
                count_held_before: count.is_some_and(held_before),
                last_tau: match count {
                    Some(count) if count.start.is_none() => last_tau(tx, count)?,
                    _ => None,
                },
                fold: &fold,
                picture: app_stock::picture(tx, self.store, &row)?,
                columns: columns.clone(),
                waited_for: self.out.iter().filter(|(_, out)| !out.recovered).map(|(f, _)| *f).collect(),
                delivery: recovery::open_delivery(tx, self.store, &sku)?,
                unapplied: self.unapplied,
            };
            let settlement = decide(&case, opened, &waits, at);
            decided.push(Decided { sku, settlement, columns });
        }
        Ok(decided)
    }
}

fn stock_row(tx: &mut Tx<'_>, store: i64, sku: &str) -> Result<stock::OnHand, Fault> {
    let none = || stock::OnHand { store, sku: sku.to_owned(), units: 0, row_version: 0 };
    Ok(stock::one(tx, store, sku)?.unwrap_or_else(none))
}

/// What an item's goods stand on, as the hub keeps it.
fn fold(tx: &mut Tx<'_>, store: i64, sku: &str) -> Result<Fold, Fault> {
    let on_hand = i128::from(stock_row(tx, store, sku)?.units);
    let Some(row) = counts::latest(tx, store, sku)? else { return Ok(Fold { on_hand, ..Fold::default() }) };
    let latest = app_counts::load(tx, row.author, row.seq)?;
    Ok(Fold { on_hand, latest, tainted: row.tainted })
}

/// The last hub time that a count's author knew before it.
fn last_tau(tx: &mut Tx<'_>, count: &Count) -> Result<Option<Tau>, Fault> {
    let Some(author) = authors::find(tx, &count.author)? else { return Ok(None) };
    let mut before = count.seq;
    while before > 1 {
        let from = before.saturating_sub(PAGE).max(1);
        let page = events::from(tx, author.no, from, usize::try_from(before - from).unwrap_or(usize::MAX))?;
        let known = page.iter().rev().find_map(|stored| Event::read(&stored.bytes).ok()?.envelope.tau);
        if known.is_some() {
            return Ok(known);
        }
        before = from;
    }
    Ok(None)
}

/// Facts that a decision makes, in order.
pub fn facts(barrier: Id, decided: &[Decided]) -> Vec<Body> {
    let of_item =
        |one: &Decided| tradepost_sync::replica::bodies(&Sku(one.sku.clone()), barrier, &one.settlement);
    decided.iter().flat_map(of_item).collect()
}
