//! Ingest: a stretch of a store's stream becomes orders, stock and outbox rows, exactly once whatever is replayed
//! (`model.md` §6, "Hub apply").
//!
//! One transaction a batch: lock the head row; overlap: compare hashes and skip; gap: ask from there; else events,
//! effects, one outbox row an event, the new head; commit; ack.

use super::batches::{self, Unfit};
use super::books::{self, Names};
use super::counts;
use super::said::Counts;
use super::shelf::ShelfMemory;
use super::{Fault, audit, barrier, custody, fence, lend, objects, openings, relive, said};
use crate::db::authors::{Author, Role, State};
use crate::db::booking::{self, Booking};
use crate::db::events::Quarantined;
use crate::db::{Tx, authors, enrolments, events, orders, outbox, review, stores};
use crate::hub::{After, Hub};
use std::collections::{BTreeMap, BTreeSet};
use tradepost_sync::body::{Body, RightsGranted};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::effects::{self, Cell, Effects};
use tradepost_sync::event::Event;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Hash, Id};
use tradepost_sync::session::{Applied, Batch};

/// Takes a batch in. `store` is the session's: no node writes another store's streams.
pub fn ingest(
    hub: &Hub,
    shelf: &ShelfMemory,
    store: i64,
    batch: &Batch,
    now: UtcMs,
) -> Result<Applied, Fault> {
    hub.open()?;
    let known = hub.db.read(|tx| known(tx, batch))?;
    // A stream that nobody enrolled is declined; whoever brings it goes on with the others.
    let Some((author, prev)) = known else {
        return Ok(if batch.from == 0 { Applied::Bad } else { Applied::Unknown });
    };
    if author.store != store {
        return Ok(Applied::Bad);
    }
    if batch.from > author.head.seq + 1 {
        return Ok(need_from(&author));
    }
    let opened = batches::open(batch, &author.device_key, prev, &shelf.shelf(&hub.db, store)?);
    match opened {
        Ok(events) => take(hub, batch, &events, now),
        Err(Unfit::NotRebuilt) => {
            metrics::counter!("tradepost_raw_asked_total").increment(1);
            let (incarnation, from, to) = (batch.incarnation, batch.from, batch.to());
            Ok(Applied::NeedRaw { incarnation, from, to })
        }
        Err(Unfit::Bad(why)) => {
            tracing::warn!(incarnation = %batch.incarnation, from = batch.from, %why, "a batch is refused");
            Ok(Applied::Bad)
        }
    }
}

fn need_from(author: &Author) -> Applied {
    Applied::NeedFrom { incarnation: author.incarnation, from: author.head.seq + 1 }
}

/// The author of a batch and the hash before it.
fn known(tx: &mut Tx<'_>, batch: &Batch) -> Result<Option<(Author, Option<Hash>)>, Fault> {
    let Some(author) = authors::find(tx, &batch.incarnation)? else { return Ok(None) };
    let prev = match batch.from {
        0 => return Ok(None),
        1 => Some(Hash::ZERO),
        from => events::hash_at(tx, author.no, from - 1)?,
    };
    Ok(Some((author, prev)))
}

/// What was taken in, for metrics.
#[derive(Default)]
struct Tally {
    events: u64,
    documents: u64,
    quarantined: u64,
    /// The store's code, and per document: (kind, currency, total in minor units).
    sold: (String, Vec<(&'static str, String, i64)>),
    /// Items that were counted: (store's code, item).
    counted: Vec<(String, String)>,
}

fn take(hub: &Hub, batch: &Batch, events: &[Event], now: UtcMs) -> Result<Applied, Fault> {
    let (applied, tally) = hub.write(|tx, after| {
        let Some(author) = authors::find_locked(tx, &batch.incarnation)? else {
            return Ok((Applied::Bad, Tally::default()));
        };
        if author.state != State::Live && barrier::stands_still(tx, &author, batch.to())? {
            return Ok((Applied::Unknown, Tally::default()));
        }
        if batch.from > author.head.seq + 1 {
            return Ok((need_from(&author), Tally::default()));
        }
        if forks_at(tx, &author, events)?.is_some() {
            return Ok((Applied::Fork, Tally::default()));
        }
        let held = usize::try_from(author.head.seq + 1 - batch.from).unwrap_or(usize::MAX);
        let new = events.get(held..).unwrap_or_default();
        if new.is_empty() {
            return Ok((Applied::Done(author.mark().unwrap_or(batch.end())), Tally::default()));
        }
        let tally = book(tx, after, &author, new, batch, now)?;
        Ok((Applied::Done(batch.end()), tally))
    })?;
    if applied == Applied::Fork {
        set_aside_fork(hub, batch, events, now)?;
    }
    for (store, sku) in &tally.counted {
        counts::burn_own(hub, store, sku, now)?;
    }
    metrics::counter!("tradepost_ingested_events_total").increment(tally.events);
    metrics::counter!("tradepost_ingested_documents_total").increment(tally.documents);
    tell_sold(&tally.sold);
    metrics::counter!("tradepost_quarantined_events_total").increment(tally.quarantined);
    Ok(applied)
}

/// Counts what was sold. A refund's total is negative.
fn tell_sold((store, documents): &(String, Vec<(&'static str, String, i64)>)) {
    for (kind, currency, total) in documents {
        let of = [("store", store.clone()), ("currency", currency.clone())];
        let name = match total {
            0.. => "tradepost_revenue_minor_units_total",
            _ => "tradepost_refunded_minor_units_total",
        };
        metrics::counter!(name, &of).increment(total.unsigned_abs());
        let [store, currency] = of;
        metrics::counter!("tradepost_documents_total", &[store, currency, ("kind", (*kind).to_owned())])
            .increment(1);
    }
}

/// Where a stretch contradicts what is held: the index of the first event with another hash.
fn forks_at(tx: &mut Tx<'_>, author: &Author, events: &[Event]) -> Result<Option<usize>, Fault> {
    let Some(first) = events.first() else { return Ok(None) };
    let from = first.envelope.seq;
    if from == author.head.seq + 1 {
        return Ok((first.envelope.prev_hash != author.head.hash).then_some(0));
    }
    let held = events::hashes(tx, author.no, from, author.head.seq)?;
    let differs = |((_, ours), theirs): (&(u64, Hash), &Event)| *ours != theirs.hash;
    Ok(held.iter().zip(events).position(differs))
}

/// Both branches are kept, the later one without effects; the incarnation is quarantined and fenced (G8, G23). The branch
/// that came first goes on as facts. A node's machine comes back by itself, as a new incarnation. A transaction of its own:
/// a fence holds the store's row before any stream's.
fn set_aside_fork(hub: &Hub, batch: &Batch, events: &[Event], now: UtcMs) -> Result<(), Fault> {
    hub.write(|tx, after| {
        let Some(found) = authors::find(tx, &batch.incarnation)? else { return Ok(()) };
        let store = stores::by_no_locked(tx, found.store)?.ok_or_else(|| Fault::internal("no such store"))?;
        let Some(author) = authors::find_locked(tx, &batch.incarnation)? else { return Ok(()) };
        let Some(at) = forks_at(tx, &author, events)? else { return Ok(()) };
        for event in &events[at..] {
            events::quarantine(tx, &aside(&author, event, BRANCH, false, now))?;
        }
        let seq = events[at].envelope.seq;
        let detail = format!("the stream of {} holds two different events at {seq}", author.incarnation);
        review::add(tx, author.store, "fork", &format!("{}/{seq}", author.incarnation), &detail, now)?;
        if author.role != Role::Node || author.state != State::Live {
            return Ok(());
        }
        tracing::warn!(incarnation = %author.incarnation, seq, "two branches of one stream: it is fenced");
        authors::set_state(tx, author.no, State::Quarantined)?;
        let fenced = Author { state: State::Quarantined, ..author };
        fence::put_out(tx, after, hub, &store, &fenced, (None, None), now)
    })
}

/// Why an event of a second branch is set aside.
const BRANCH: &str = "a second branch of the stream";

fn aside(author: &Author, event: &Event, reason: &str, effects: bool, at: UtcMs) -> Quarantined {
    Quarantined {
        author: author.no,
        seq: event.envelope.seq,
        hash: event.hash,
        bytes: event.bytes.clone(),
        reason: reason.to_owned(),
        effects,
        at,
        settled: None,
    }
}

fn book(
    tx: &mut Tx<'_>,
    after: &mut After,
    author: &Author,
    new: &[Event],
    batch: &Batch,
    now: UtcMs,
) -> Result<Tally, Fault> {
    let store = stores::by_no(tx, author.store)?.ok_or_else(|| Fault::internal("no such store"))?;
    let names = names(tx, author)?;
    let mut booking = Booking::new(author.no, author.store, author.head);
    booking.cap = barrier::cap_of(tx, author)?;
    let mut tally = Tally::default();
    let (mut counted, any_said) = (Vec::new(), crate::db::said::any(tx, author.store)?);
    let mut bodies = Vec::with_capacity(new.len());
    let judged = counts::judging(tx, author, new, &names)?;
    let mut unapplied = events::first_unapplied(tx, author.no)?;
    for event in new {
        books::log(&mut booking, event);
        match said::judge(tx, author, event, any_said)? {
            Counts::Fully => {}
            Counts::Not => continue,
            Counts::Instead(later) => {
                said::take_off(tx, author.store, later, &names)?;
                books::overdraw(&mut booking, event, &names);
                continue;
            }
        }
        let withheld = unapplied.is_some_and(|first| first < event.envelope.seq);
        match digest(&mut booking, author, event, (&names, &judged.counts, withheld), now) {
            Ok(body) => {
                if withheld && let Body::RightsGranted(granted) = &body {
                    flag_withheld(tx, author, event, granted, now)?;
                }
                if matches!(body, Body::StockCounted(_) | Body::BranchCut(_)) {
                    counted.push((event.envelope.seq, body.clone()));
                }
                bodies.push(body);
            }
            Err((reason, effects)) => {
                tally.quarantined += 1;
                if !effects && author.moves_stock() {
                    unapplied.get_or_insert(event.envelope.seq);
                }
                events::quarantine(tx, &aside(author, event, &reason, effects, now))?;
                let reference = format!("{}/{}", author.incarnation, event.envelope.seq);
                review::add(tx, author.store, "quarantined", &reference, &reason, now)?;
            }
        }
    }
    let first = outbox::take(tx, store.stream, booking.events.len())?;
    booking.outbox = (store.stream, first);
    booking.signature = Some(batch.signature);
    flag_numbers(tx, author, &booking, now)?;
    flag_numbers_given_twice(tx, author, &booking, now)?;
    flag_known_ids(tx, author, &booking.ids, now)?;
    let mut stock = booking::save(tx, &booking)?;
    lend::follow(tx, &store, &booking)?;
    custody::take(tx, &booking, now)?;
    if author.moves_stock() {
        let folded = counts::follow(tx, &booking, &judged, &counted, &names, now)?;
        tally
            .counted
            .extend(counted.iter().filter_map(|(_, body)| counts::item_of(&store.code, body, &names)));
        stock.retain(|row| !folded.iter().any(|other| other.sku == row.sku));
        stock.extend(folded);
        let touched = stock.iter().map(|row| row.sku.clone()).collect();
        objects::note(tx, author.store, &names, &bodies, touched, now)?;
    }
    look_over(tx, author, &names, &bodies, now)?;
    super::pools::heard(tx, author, &bodies, now)?;
    super::shifts::heard(tx, author, new, now)?;
    super::stored::heard(tx, author, new)?;
    if author.role == Role::Hub {
        relive::heard(tx, author, new, now)?;
    }
    tally.events = u64::try_from(new.len()).unwrap_or(0);
    tally.documents = u64::try_from(booking.orders.len()).unwrap_or(0);
    let sold = booking.orders.iter().map(|order| (order.kind, order.currency.clone(), order.total)).collect();
    tally.sold = (store.code.clone(), sold);
    after.stock.push((store.code, stock));
    after.poke = true;
    Ok(tally)
}

/// How the hub calls what a stream names: a lone log by its own list, then the store's aliases.
fn names(tx: &mut Tx<'_>, author: &Author) -> Result<Names, Fault> {
    let mut pairs = enrolments::aliases(tx, author.store)?;
    if author.role == Role::Lone {
        pairs.extend(enrolments::lone_skus(tx, author.no)?);
    }
    Ok(Names::new(pairs))
}

/// What an event adds. An error is why it goes to quarantine, and whether its effects were applied all the same.
fn digest(
    booking: &mut Booking,
    author: &Author,
    event: &Event,
    (names, counts, withheld): (&Names, &counts::Counts, bool),
    now: UtcMs,
) -> Result<Body, (String, bool)> {
    let body = event.body().map_err(|error| {
        // The body can't be read; what the envelope itself says may still count.
        let told = event.envelope.cells.clone().filter(|_| author.moves_stock());
        let told = told.filter(|told| effects::plausible(told).is_ok());
        let applies = told.is_some();
        if let Some(mut told) = told {
            withhold(&mut told, withheld);
            books::effects(booking, &event.envelope, &told, names, counts);
        }
        (error.to_string(), applies)
    })?;
    if author.moves_stock() {
        let mut told = effects::of(&event.envelope, &body).map_err(|error| (error.to_string(), false))?;
        withhold(&mut told, withheld);
        books::effects(booking, &event.envelope, &told, names, counts);
    }
    books::document(booking, event, &body, names, now);
    Ok(body)
}

/// What an author gives away behind an event whose effects are not applied is frozen: nobody knows what it had left to
/// give (`model.md` §6).
fn withhold(told: &mut Effects, withheld: bool) {
    if withheld {
        told.cells.retain(|effect| !matches!(effect.cell, Cell::Given(_)));
    }
}

fn flag_withheld(
    tx: &mut Tx<'_>,
    author: &Author,
    event: &Event,
    granted: &RightsGranted,
    now: UtcMs,
) -> Result<(), Fault> {
    let reference = format!("{}/{}", author.incarnation, event.envelope.seq);
    let (units, sku, to) = (granted.units, &granted.sku, granted.to);
    let detail = format!("{units} of {sku} given to {to} behind an event in quarantine: they don't count");
    Ok(review::add(tx, author.store, "grant_withheld", &reference, &detail, now)?)
}

/// A number that doesn't follow the last of its series is a gap; a series that another incarnation writes is a clash.
fn flag_numbers(tx: &mut Tx<'_>, author: &Author, booking: &Booking, now: UtcMs) -> Result<(), Fault> {
    if booking.series.is_empty() {
        return Ok(());
    }
    let known = orders::series(tx, author.store)?;
    for ((till, series), (last, documents)) in &booking.series {
        let same = known.iter().filter(|s| s.till == *till && s.series == *series);
        let (ours, others): (Vec<_>, Vec<_>) = same.partition(|s| s.author == author.no);
        let before = ours.first().map_or(0, |s| s.last_n);
        let reference = format!("{till}-{series}");
        // What is said again keeps its numbers, which begin anywhere. Its first author may still be heard later.
        let said_again = booking.said_again.iter().any(|(_, r)| r.till == *till && r.series == *series);
        for other in others.iter().filter(|_| !said_again) {
            if crate::db::said::numbers_itself(tx, other.author, till, series)? {
                let detail = format!("two incarnations number {reference}");
                review::add(tx, author.store, "series_clash", &reference, &detail, now)?;
            }
        }
        if before.saturating_add(*documents) != *last && !said_again {
            let detail = format!("{reference}: {documents} documents after {before}, the last one is {last}");
            review::add(tx, author.store, "receipt_gap", &format!("{reference}-{last}"), &detail, now)?;
        }
    }
    Ok(())
}

/// A document said again keeps its printed number, which the branch that counts may have given to another one: both
/// stand, and a person is told (`model.md` §8, G8).
fn flag_numbers_given_twice(
    tx: &mut Tx<'_>,
    author: &Author,
    booking: &Booking,
    now: UtcMs,
) -> Result<(), Fault> {
    for (id, receipt) in &booking.said_again {
        let others = orders::numbered(tx, author.store, receipt)?;
        for other in others.into_iter().filter(|other| other != id) {
            let reference = format!("{}-{}-{:06}", receipt.till, receipt.series, receipt.n);
            let detail = format!("receipt {reference} was printed for {other} and for {id}");
            review::add(tx, author.store, "receipt_twice", &format!("{reference}/{id}"), &detail, now)?;
        }
    }
    Ok(())
}

/// A second event under a known id is booked, and both are flagged.
fn flag_known_ids(tx: &mut Tx<'_>, author: &Author, ids: &[(Id, u64)], now: UtcMs) -> Result<(), Fault> {
    let mut places: BTreeMap<Id, Vec<String>> = BTreeMap::new();
    for (id, author, seq) in booking::known_ids(tx, ids)? {
        places.entry(id).or_default().push(format!("{author}/{seq}"));
    }
    for (id, seq) in ids {
        places.entry(*id).or_default().push(format!("{}/{seq}", author.no));
    }
    for (id, places) in places.into_iter().filter(|(_, places)| places.len() > 1) {
        let detail = format!("the id stands at {}", places.join(", "));
        review::add(tx, author.store, "duplicate_sale_id", &id.to_string(), &detail, now)?;
    }
    Ok(())
}

/// What is looked at once the rows stand: the audit of each document, refunds against their sales, the stream's end.
fn look_over(
    tx: &mut Tx<'_>,
    author: &Author,
    names: &Names,
    bodies: &[Body],
    now: UtcMs,
) -> Result<(), Fault> {
    let mut refunded = BTreeSet::new();
    for body in bodies {
        if let Some(difference) = audit::audit(body) {
            let reference = difference.document.to_string();
            review::add(tx, author.store, "total_differs", &reference, &difference.detail, now)?;
        }
        match body {
            Body::RefundCommitted(refund) => {
                refunded.extend(refund.document.inputs.original.as_ref().map(|sale| Id(sale.sale_id)));
            }
            Body::IncarnationRetired(_) => {
                authors::set_state(tx, author.no, State::Retired)?;
            }
            _ => {}
        }
    }
    if author.role == Role::Lone {
        openings::compare(tx, author, names, now)?;
    }
    refunded.into_iter().try_for_each(|sale| flag_overrun(tx, author.store, sale, now))
}

/// More units, or more money than honest older bases explain (one minor unit a refund), is a person's (`facts.md` §4).
fn flag_overrun(tx: &mut Tx<'_>, store: i64, sale: Id, now: UtcMs) -> Result<(), Fault> {
    let Some((author, seq)) = events::with_id(tx, sale)?.first().copied() else { return Ok(()) };
    let lines = orders::lines(tx, author, seq)?;
    for back in orders::refunded(tx, sale)? {
        let Some(sold) = lines.iter().find(|l| l.line == back.line) else { continue };
        let over_units = back.quantity_milli - sold.quantity_milli;
        let (over, line) = (back.net + back.tax - sold.net - sold.tax, back.line);
        if over_units > 0 || over > back.refunds {
            let detail = format!(
                "line {line}: {over_units} thousandths and {over} minor units beyond the sale came back"
            );
            review::add(tx, store, "refund_overrun", &format!("{sale}/{line}"), &detail, now)?;
        }
    }
    Ok(())
}

/// The stream's head here, for whoever asks.
pub fn head(hub: &Hub, incarnation: &tradepost_sync::ids::Incarnation) -> Result<Option<HeadMark>, Fault> {
    hub.db.read(|tx| Ok(authors::find(tx, incarnation)?.and_then(|author| author.mark())))
}
