//! The stock picture of a store: goods from the ledger's fold, rights from the cells (`model.md` §2).

use super::{Fault, stores as app_stores};
use crate::db::authors::{self, Author, Role, State};
use crate::db::{Tx, stock, stores};
use crate::hub::Hub;
use std::collections::{BTreeMap, BTreeSet};
use tradepost_sync::ids::Incarnation;
use tradepost_sync::rights::{Picture, Rights};

/// An item at a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The store's number.
    pub store_no: i64,
    /// The store's code.
    pub store: String,
    /// The item.
    pub sku: String,
    /// The figures.
    pub picture: Picture,
    /// `r_H`.
    pub hub_rights: i128,
}

/// Who counts in a store's picture.
struct Members {
    live: BTreeSet<Incarnation>,
    suspended: BTreeSet<Incarnation>,
    hub: Option<Incarnation>,
}

impl Members {
    fn of(authors: &[Author]) -> Self {
        let in_state = |live: bool| {
            let counts = move |a: &&Author| {
                a.role != Role::Lone && a.state != State::Retired && live == (a.state == State::Live)
            };
            authors.iter().filter(counts).map(|a| a.incarnation).collect()
        };
        let hub = authors.iter().find(|a| a.role == Role::Hub).map(|a| a.incarnation);
        Self { live: in_state(true), suspended: in_state(false), hub }
    }

    fn picture(&self, on_hand: i64, rights: &Rights) -> (Picture, i128) {
        let picture = Picture {
            on_hand: i128::from(on_hand),
            available: rights.available(&self.live),
            reserved: 0,
            suspended: rights.available(&self.suspended),
            overdraw: i128::from(rights.overdraw()),
        };
        (picture, self.hub.map_or(0, |hub| rights.of(&hub)))
    }
}

/// Items after (store, sku), of one store or of all.
pub fn list(hub: &Hub, store: Option<&str>, after: (i64, &str), limit: usize) -> Result<Vec<Item>, Fault> {
    hub.db.read(|tx| {
        let store = match store {
            Some(code) => Some(app_stores::find(tx, code)?.no),
            None => None,
        };
        let rows = stock::on_hand(tx, store, after, limit)?;
        let mut per_store: BTreeMap<i64, Vec<stock::OnHand>> = BTreeMap::new();
        rows.into_iter().for_each(|row| per_store.entry(row.store).or_default().push(row));
        let mut items = Vec::new();
        for (store, rows) in per_store {
            items.extend(of_store(tx, store, &rows)?);
        }
        Ok(items)
    })
}

fn of_store(tx: &mut Tx<'_>, store: i64, rows: &[stock::OnHand]) -> Result<Vec<Item>, Fault> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
    let code = stores::by_no(tx, store)?.map(|store| store.code).unwrap_or_default();
    let members = Members::of(&authors::of_store(tx, store)?);
    let rights = stock::rights(tx, store, &first.sku, &last.sku)?;
    let none = Rights::default();
    let item = |row: &stock::OnHand| {
        let (picture, hub_rights) = members.picture(row.units, rights.get(&row.sku).unwrap_or(&none));
        Item { store_no: store, store: code.clone(), sku: row.sku.clone(), picture, hub_rights }
    };
    Ok(rows.iter().map(item).collect())
}

/// One item of a store; nothing on hand where nothing was ever booked.
pub fn get(hub: &Hub, store: &str, sku: &str) -> Result<Item, Fault> {
    hub.db.read(|tx| {
        let store = app_stores::find(tx, store)?;
        let row = stock::one(tx, store.no, sku)?;
        let row =
            row.unwrap_or(stock::OnHand { store: store.no, sku: sku.to_owned(), units: 0, row_version: 0 });
        of_store(tx, store.no, &[row])?.pop().ok_or_else(|| Fault::not_found("item", sku))
    })
}
