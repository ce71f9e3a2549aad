//! What a store's log says, read without any of the product's books.

use std::collections::{BTreeMap, BTreeSet};
use tradepost_central::db::{DbError, authors, events};
use tradepost_sync::body::{Body, Moved};
use tradepost_sync::event::{Event, hash_of};
use tradepost_sync::ids::{Hash, Id, Incarnation};

/// Every stream of a store, with its events in order.
pub(super) type Log = BTreeMap<Incarnation, Vec<events::Stored>>;

/// A document as it lies in a log.
pub(super) struct Found {
    pub(super) author: Incarnation,
    pub(super) seq: u64,
    /// Till, series, number and total of what is printed.
    pub(super) printed: Option<(String, String, u64, i64)>,
    /// What it sold: an item's code and pieces, a line.
    pub(super) sold: Vec<(String, u64)>,
}

/// All documents of a store's log, by id.
pub(super) type Books = BTreeMap<Id, Vec<Found>>;

/// Every stream of a store, as the hub's file holds it.
pub(super) fn log_of_hub(hub: &tradepost_central::hub::Hub, store: i64) -> Result<Log, DbError> {
    hub.db.read(|tx| {
        let mut log = BTreeMap::new();
        for author in authors::of_store(tx, store)? {
            log.insert(author.incarnation, events::from(tx, author.no, 1, usize::from(u16::MAX) * 16)?);
        }
        Ok(log)
    })
}

/// I8: every stream is gapless and its chain unbroken.
pub(super) fn chains(log: &Log) -> Vec<String> {
    let mut wrong = Vec::new();
    for (author, stream) in log {
        let mut before = Hash::ZERO;
        for (seq, stored) in (1..).zip(stream) {
            let prev = Event::read(&stored.bytes).map(|event| event.envelope.prev_hash);
            if stored.seq != seq || prev != Ok(before) || hash_of(&stored.bytes) != stored.hash {
                wrong.push(format!("the chain of {author} breaks at {seq}"));
                break;
            }
            before = stored.hash;
        }
    }
    wrong
}

/// Documents by their ids.
pub(super) fn books_of(log: &Log) -> Books {
    let mut books = Books::new();
    for (author, stored) in log.iter().flat_map(|(author, stream)| stream.iter().map(move |s| (*author, s))) {
        let Ok(event) = Event::read(&stored.bytes) else { continue };
        // What is said again stands where it was said first.
        let first = event.envelope.reissue.as_ref().map(|first| (first.incarnation, first.seq));
        let (author, seq) = first.unwrap_or((author, stored.seq));
        let Ok(body) = event.body() else { continue };
        let sold = match &body {
            Body::SaleCommitted(_) => {
                lines_of(&body).into_iter().map(|(sku, n, _)| (sku, n.unsigned_abs())).collect()
            }
            _ => Vec::new(),
        };
        let (id, printed) = match body {
            Body::SaleCommitted(it) => {
                let n = it.receipt;
                // A cart is sold once: its sale is known by it.
                (
                    it.cart.unwrap_or(it.sale_id),
                    Some((n.till, n.series, n.n, it.document.outcome.settlement.total.0)),
                )
            }
            Body::RefundCommitted(it) => {
                let n = it.receipt;
                (it.refund_id, Some((n.till, n.series, n.n, it.document.outcome.settlement.total.0)))
            }
            Body::DeliveryReceived(it) => (it.delivery, None),
            Body::StockAdjusted(it) => (it.adjustment, None),
            Body::TransferShipped(it) => (it.transfer, None),
            _ => continue,
        };
        books.entry(id).or_default().push(Found { author, seq, printed, sold });
    }
    books
}

/// Transfers that were taken in, by whoever's word.
pub(super) fn taken_in(log: &Log) -> BTreeSet<Id> {
    let bodies =
        log.values().flatten().map(|stored| Event::read(&stored.bytes).and_then(|event| event.body()));
    let taken = bodies.filter_map(|body| match body {
        Ok(Body::TransferReceived(it)) => Some(it.transfer),
        _ => None,
    });
    taken.collect()
}

/// Numbers of every series: 1, 2, 3 … without a gap, each once.
pub(super) fn judge_numbers(books: &Books, twins: bool, wrong: &mut Vec<String>) {
    let mut series: BTreeMap<(&str, &str), Vec<u64>> = BTreeMap::new();
    for (till, of, n, _) in books.values().flatten().filter_map(|found| found.printed.as_ref()) {
        series.entry((till, of)).or_default().push(*n);
    }
    for (name, mut numbers) in series {
        numbers.sort_unstable();
        if twins {
            numbers.dedup();
        }
        if !numbers.iter().copied().eq(1..=u64::try_from(numbers.len()).unwrap_or(0)) {
            wrong.push(format!("receipt numbers of {name:?}: {numbers:?}"));
        }
    }
}

/// Where logs end for rights, as the hub's own streams say it.
pub(super) fn caps_of(log: &Log) -> BTreeMap<Incarnation, u64> {
    let mut caps = BTreeMap::new();
    for stored in log.values().flatten() {
        if let Ok(Body::BarrierClosed(closed)) = Event::read(&stored.bytes).and_then(|event| event.body()) {
            for cap in closed.caps.iter().filter(|_| !closed.void) {
                caps.entry(cap.incarnation).or_insert(cap.seq);
            }
        }
    }
    caps
}

/// What stands in a store's log about goods that came without the rights that belong to them.
#[derive(Default)]
pub(super) struct Surplus {
    /// More goods than rights, by item's code.
    pub(super) units: BTreeMap<String, i64>,
    /// Items of which rights were given to somebody whose log had ended: those come back by a count alone.
    pub(super) given_behind: BTreeSet<String>,
}

/// What the documents themselves make of goods and rights, for items that nobody ever counted: only goods that came, or
/// were set free, without a right leave a surplus, and whatever stands behind a cap moves goods and no rights.
/// `must_mint` names events whose authors were free to mint; where one did not, it is answered.
pub(super) fn surplus(
    log: &Log,
    caps: &BTreeMap<Incarnation, u64>,
    must_mint: &BTreeSet<(Incarnation, u64)>,
    wrong: &mut Vec<String>,
) -> Surplus {
    let mut found = Surplus::default();
    for (author, stream) in log {
        let cap = caps.get(author).copied().unwrap_or(u64::MAX);
        for stored in stream {
            let Ok(event) = Event::read(&stored.bytes) else { continue };
            let Ok(body) = event.body() else { continue };
            if let Body::RightsGranted(it) = &body
                && caps.contains_key(&it.to)
            {
                found.given_behind.insert(it.sku.0.clone());
            }
            for (sku, came, moved) in lines_of(&body) {
                let free = event.envelope.reissue.is_none() && stored.seq <= cap;
                let m = if free { signed(moved.m) } else { 0 };
                let out = if stored.seq <= cap { signed(moved.o) } else { 0 };
                let used = if free { signed(moved.c) } else { 0 };
                if came > 0 && m != came && must_mint.contains(&(*author, stored.seq)) {
                    wrong.push(format!("{came} of {sku} came at {author}/{}, {m} were minted", stored.seq));
                }
                *found.units.entry(sku).or_default() += came - m + used + out;
            }
        }
    }
    found
}

/// Lines of a document: the item, units that came (below zero for those that left), and what it says of rights.
fn lines_of(body: &Body) -> Vec<(String, i64, Moved)> {
    match body {
        Body::SaleCommitted(it) => {
            let lines = it.document.inputs.lines.iter().zip(&it.moved);
            lines.map(|(line, moved)| (line.sku.0.clone(), -line.quantity.0 / 1_000, *moved)).collect()
        }
        Body::RefundCommitted(it) => {
            let lines = it.document.inputs.lines.iter().zip(&it.moved);
            lines.map(|(line, moved)| (line.sku.0.clone(), line.quantity.0 / 1_000, *moved)).collect()
        }
        Body::DeliveryReceived(it) => {
            it.lines.iter().map(|line| (line.sku.0.clone(), signed(line.units), line.moved)).collect()
        }
        Body::TransferReceived(it) => {
            it.lines.iter().map(|line| (line.sku.0.clone(), signed(line.units), line.moved)).collect()
        }
        Body::TransferShipped(it) => {
            it.lines.iter().map(|line| (line.sku.0.clone(), -signed(line.units), line.moved)).collect()
        }
        Body::StockAdjusted(it) => vec![(it.sku.0.clone(), it.units, it.moved)],
        // Goods that were set aside are free again.
        Body::ReservationCancelled(it) => vec![(it.sku.0.clone(), signed(it.units), it.moved)],
        Body::ReservationExpired(it) => vec![(it.sku.0.clone(), signed(it.units), it.moved)],
        _ => Vec::new(),
    }
}

fn signed(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}
