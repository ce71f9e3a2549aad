//! A lone log's fold, made here once its last event is in, against the opening movements that were booked at its
//! enrolment from the node's own fold (`model.md` §4): a difference is listed for a person.

use super::Fault;
use super::books::Names;
use crate::db::authors::{self, Author, Role, State};
use crate::db::{Tx, enrolments, events, review, stores};
use std::collections::{BTreeMap, BTreeSet};
use tradepost_sync::body::Body;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::effects;
use tradepost_sync::event::Event;
use tradepost_sync::ids::Incarnation;

/// Events read at a time.
const PAGE: usize = 500;

/// Compares the two folds once every log that a machine wrote alone has come to its end: the one that its enrolment
/// ended, and those from before it lost memory.
pub fn compare(tx: &mut Tx<'_>, lone: &Author, names: &Names, now: UtcMs) -> Result<(), Fault> {
    let is_of_machine = |log: &Author| {
        log.no == lone.no
            || (log.role == Role::Lone && log.successor.is_some() && log.successor == lone.successor)
    };
    let logs: Vec<Author> = authors::of_store(tx, lone.store)?.into_iter().filter(is_of_machine).collect();
    for log in &logs {
        let is_whole =
            log.state == State::Retired || enrolments::of_lone(tx, log.incarnation, log.head.hash)?.is_some();
        if !is_whole {
            return Ok(());
        }
    }
    let mut left: BTreeMap<String, i64> = BTreeMap::new();
    for log in &logs {
        each(tx, log.no, |event, body| {
            let moved = effects::of(&event.envelope, body).map(|told| told.ledger).unwrap_or_default();
            for movement in moved {
                let units = left.entry(names.booked(&movement.sku)).or_default();
                *units = units.saturating_add(movement.units);
            }
        })?;
    }
    let logs: BTreeSet<Incarnation> = logs.into_iter().map(|log| log.incarnation).collect();
    for (sku, units) in opened(tx, lone.store, &logs, names)? {
        let rest = left.entry(sku).or_default();
        *rest = rest.saturating_sub(units);
    }
    for (sku, units) in left.into_iter().filter(|(_, units)| *units != 0) {
        let detail =
            format!("the lone log leaves {units} base units of {sku} more than its opening movement");
        review::add(tx, lone.store, "opening_differs", &format!("{}/{sku}", lone.incarnation), &detail, now)?;
    }
    Ok(())
}

/// What the store's `H_s` opened with for a machine's lone logs.
fn opened(
    tx: &mut Tx<'_>,
    store: i64,
    logs: &BTreeSet<Incarnation>,
    names: &Names,
) -> Result<Vec<(String, i64)>, Fault> {
    let store = stores::by_no(tx, store)?.ok_or_else(|| Fault::internal("no such store"))?;
    let mut found = Vec::new();
    each(tx, store.hub_author, |_, body| {
        if let Body::StockOpened(opened) = body
            && logs.contains(&opened.lone)
        {
            found.push((names.booked(&opened.sku), opened.on_hand));
        }
    })?;
    Ok(found)
}

fn each(tx: &mut Tx<'_>, author: i64, mut tell: impl FnMut(&Event, &Body)) -> Result<(), Fault> {
    let mut from = 1;
    loop {
        let page = events::from(tx, author, from, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        from = last.seq + 1;
        for stored in &page {
            if let Ok(event) = Event::read(&stored.bytes)
                && let Ok(body) = event.body()
            {
                tell(&event, &body);
            }
        }
    }
}
