//! The hash of the node's state, to be compared with the hub's (`model.md` §7, I14).

use super::books::authors;
use super::problem::Answer;
use super::totals::Totals;
use crate::db::incarnations::{Known, Part};
use crate::db::{documents, stock};
use rusqlite::Connection;
use std::collections::BTreeMap;
use tradepost_commerce::document::Sku;
use tradepost_commerce::money::Money;
use tradepost_sync::body::Day;
use tradepost_sync::ids::Incarnation;
use tradepost_sync::rights::Row;
use tradepost_sync::state_hash::State;

/// Gathers the state: ends of all streams, goods on hand, cells, receipt series, tax.
///
/// # Errors
/// A fault.
pub fn gather(conn: &Connection) -> Answer<State> {
    let mut state = State::default();
    let authors = authors(conn)?;
    for known in authors.values().filter(|k| k.head.seq > 0) {
        state.head(known.mark());
    }
    rows(conn, &authors, &mut state)?;
    for (name, last) in documents::all_series(conn)? {
        let (till, series) = name.rsplit_once('-').unwrap_or((&name, ""));
        state.series(till, series, last);
    }
    let totals = super::totals::of_days(conn, Day(i32::MIN), Day(i32::MAX))?;
    tax(&totals, &mut state);
    Ok(state)
}

fn tax(totals: &Totals, state: &mut State) {
    for (ppm, of_rate) in &totals.tax {
        state.tax(*ppm, Money(of_rate.net), Money(of_rate.tax));
    }
}

/// A lone log's cells count in no fold once its store is enrolled, so they are nobody's row here.
fn rows(conn: &Connection, authors: &BTreeMap<i64, Known>, state: &mut State) -> Answer<()> {
    let mut cells: BTreeMap<(Incarnation, Sku), Row> = BTreeMap::new();
    let id = |no: i64| authors.get(&no).map(|k| k.head.incarnation);
    let present = authors.values().find(|k| k.part == Part::Present).map(|k| k.head.incarnation);
    stock::each(conn, |_, sku, row| {
        state.on_hand(&sku, row.on_hand);
        if let Some(me) = present {
            let row = Row {
                minted: row.minted,
                used: row.used,
                overdrawn: row.overdrawn,
                settled: row.settled,
                given: BTreeMap::new(),
            };
            cells.insert((me, sku), row);
        }
    })?;
    stock::each_of_others(conn, |no, sku, row| {
        if let Some(author) = id(no) {
            cells.insert((author, sku), row);
        }
    })?;
    stock::each_gift(conn, |giver, taker, sku, units| {
        if let (Some(giver), Some(taker)) = (id(giver), id(taker)) {
            cells.entry((giver, sku)).or_default().given.insert(taker, units);
        }
    })?;
    for ((author, sku), row) in &cells {
        state.cells(author, sku, row);
    }
    Ok(())
}
