//! One hash over all that is held of a store: equal to its node's once both are level (`model.md` §7, I14).

use super::{Fault, stores};
use crate::db::orders::Days;
use crate::db::{authors, catalog, orders, stock};
use crate::hub::Hub;
use std::collections::BTreeMap;
use tradepost_commerce::document::{CatalogVersion, Sku};
use tradepost_commerce::money::Money;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::Hash;
use tradepost_sync::state_hash::State;

/// The hashes and where they were taken.
#[derive(Clone, Debug)]
pub struct StateHash {
    /// Over facts and what they add up to.
    pub state: Hash,
    /// Over facts alone.
    pub events: Hash,
    /// Every stream's head.
    pub at: Vec<HeadMark>,
    /// The newest catalog version.
    pub catalog: CatalogVersion,
    /// Version of the store's settings.
    pub settings: u32,
}

/// Rows read at a time.
const PAGE: usize = 1_000;

/// The state of a store, in one view of the data.
pub fn of_store(hub: &Hub, code: &str) -> Result<StateHash, Fault> {
    hub.db.read(|tx| {
        let store = stores::find(tx, code)?;
        let mut state = State::default();
        let heads: Vec<HeadMark> =
            authors::of_store(tx, store.no)?.iter().filter_map(authors::Author::mark).collect();
        heads.iter().for_each(|head| state.head(*head));
        let mut after = String::new();
        loop {
            let page = stock::on_hand(tx, Some(store.no), (store.no, &after), PAGE)?;
            page.iter().for_each(|row| state.on_hand(&Sku(row.sku.clone()), row.units));
            match page.last() {
                Some(last) => after.clone_from(&last.sku),
                None => break,
            }
        }
        // A char above every SKU's, so that the whole range is read.
        for (sku, rights) in stock::rights(tx, store.no, "", "\u{10ffff}")? {
            for author in rights.known() {
                if let Some(row) = rights.row(&author) {
                    state.cells(&author, &Sku(sku.clone()), row);
                }
            }
        }
        let mut last: BTreeMap<(String, String), u64> = BTreeMap::new();
        for series in orders::series(tx, store.no)? {
            let n = last.entry((series.till, series.series)).or_default();
            *n = series.last_n.max(*n);
        }
        last.iter().for_each(|((till, series), n)| state.series(till, series, *n));
        for (ppm, net, tax) in orders::taxes(tx, store.no, Days { from: i32::MIN, to: i32::MAX })? {
            state.tax(ppm, Money(net), Money(tax));
        }
        Ok(StateHash {
            state: state.state_hash(),
            events: state.events_hash(),
            at: heads,
            catalog: catalog::head(tx)?.at,
            settings: store.settings_version,
        })
    })
}
