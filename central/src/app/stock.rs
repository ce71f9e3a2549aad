//! The stock picture of a store: goods from the ledger's fold, rights from the cells (`model.md` §2).

use super::{Fault, stores as app_stores};
use crate::db::authors::{self, Author, Role, State};
use crate::db::{Tx, counts, recovery, reservations, shipments, stock, stores};
use crate::hub::Hub;
use std::collections::{BTreeMap, BTreeSet};
use tradepost_commerce::tender_life::is_pool;
use tradepost_sync::ids::{Id, Incarnation};
use tradepost_sync::promise::uncovered;
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
    /// Base units on their way here.
    pub incoming: u64,
    /// Who holds rights or owes overdraw.
    pub holders: Vec<Holder>,
    /// Open reservations that the shelf can't meet, with the base units each lacks.
    pub exposed: Vec<(Id, u64)>,
    /// The count it stands on is in doubt; none where it was never counted.
    pub recount: Option<bool>,
}

/// What one incarnation holds of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub incarnation: Incarnation,
    /// The name people know it by.
    pub name: String,
    /// It is the store's `H_s`.
    pub hub: bool,
    /// Neither fenced nor retired.
    pub live: bool,
    /// `r`.
    pub rights: i128,
    /// `x`.
    pub overdraw: u64,
}

/// Lost incarnations whose rights in an item are resolved.
type Resolved = BTreeSet<Incarnation>;

/// Who counts in a store's picture: a lone log does not (`model.md` §4).
struct Members {
    authors: Vec<Author>,
    live: BTreeSet<Incarnation>,
    suspended: BTreeSet<Incarnation>,
    hub: Option<Incarnation>,
}

impl Members {
    fn of(mut authors: Vec<Author>) -> Self {
        authors.retain(|author| author.role != Role::Lone);
        let in_state = |live: bool| {
            let counts = move |author: &&Author| live == (author.state == State::Live);
            authors.iter().filter(counts).map(|author| author.incarnation).collect()
        };
        let (live, suspended) = (in_state(true), in_state(false));
        // One whose database was put back goes on as another.
        let own = |author: &&Author| author.role == Role::Hub && author.state == State::Live;
        let hub = authors.iter().find(own).map(|author| author.incarnation);
        Self { authors, live, suspended, hub }
    }

    /// `resolved` are those whose rights in the item nobody holds any more.
    fn picture(&self, on_hand: i64, rights: &Rights, reserved: u64, resolved: &Resolved) -> Picture {
        let suspended = self.suspended.difference(resolved).copied().collect();
        let gone: u64 = resolved.iter().map(|who| rights.overdraw_of(who)).sum();
        Picture {
            on_hand: i128::from(on_hand),
            available: rights.available(&self.live),
            reserved: i128::from(reserved),
            suspended: rights.available(&suspended),
            overdraw: i128::from(rights.overdraw()) - i128::from(gone),
        }
    }

    fn holders(&self, rights: &Rights, resolved: &Resolved) -> Vec<Holder> {
        let holder = |author: &Author| Holder {
            incarnation: author.incarnation,
            name: author.name.clone(),
            hub: Some(author.incarnation) == self.hub,
            live: author.state == State::Live,
            rights: rights.of(&author.incarnation),
            overdraw: rights.overdraw_of(&author.incarnation),
        };
        let holders =
            self.authors.iter().filter(|author| !resolved.contains(&author.incarnation)).map(holder);
        holders.filter(|holder| holder.rights != 0 || holder.overdraw != 0).collect()
    }
}

/// Rows of items after (store, sku); pools stand among them and are none.
fn goods(
    tx: &mut Tx<'_>,
    store: Option<i64>,
    after: (i64, &str),
    limit: usize,
) -> Result<Vec<stock::OnHand>, Fault> {
    let (mut no, mut last) = (after.0, after.1.to_owned());
    let mut rows = Vec::new();
    loop {
        let page = stock::on_hand(tx, store, (no, &last), limit)?;
        let is_last = page.len() < limit;
        if let Some(row) = page.last() {
            (no, last) = (row.store, row.sku.clone());
        }
        rows.extend(page.into_iter().filter(|row| !is_pool(&row.sku)));
        if is_last || rows.len() >= limit {
            rows.truncate(limit);
            return Ok(rows);
        }
    }
}

/// Items after (store, sku), of one store or of all.
pub fn list(hub: &Hub, store: Option<&str>, after: (i64, &str), limit: usize) -> Result<Vec<Item>, Fault> {
    hub.db.read(|tx| {
        let store = match store {
            Some(code) => Some(app_stores::find(tx, code)?.no),
            None => None,
        };
        let rows = goods(tx, store, after, limit)?;
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
    let members = Members::of(authors::of_store(tx, store)?);
    let rights = stock::rights(tx, store, &first.sku, &last.sku)?;
    let promised = reservations::open_between(tx, store, &first.sku, &last.sku)?;
    let incoming = shipments::incoming(tx, store, &code, &first.sku, &last.sku)?;
    let counted = counts::between(tx, store, &first.sku, &last.sku)?;
    let resolved = recovery::resolved(tx, store, &first.sku, &last.sku)?;
    let (none, nobody) = (Rights::default(), Resolved::new());
    let item = |row: &stock::OnHand| {
        let rights = rights.get(&row.sku).unwrap_or(&none);
        let resolved = resolved.get(&row.sku).unwrap_or(&nobody);
        let promised = promised.get(&row.sku).map_or(&[][..], Vec::as_slice);
        let reserved = promised.iter().map(|(_, units)| *units).sum();
        Item {
            store_no: store,
            store: code.clone(),
            sku: row.sku.clone(),
            picture: members.picture(row.units, rights, reserved, resolved),
            hub_rights: members.hub.map_or(0, |hub| rights.of(&hub)),
            incoming: incoming.get(&row.sku).copied().unwrap_or(0),
            holders: members.holders(rights, resolved),
            recount: counted.get(&row.sku).copied(),
            exposed: uncovered(i128::from(row.units), promised.iter().copied()),
        }
    };
    Ok(rows.iter().map(item).collect())
}

/// The figures of one item, inside a transaction that goes on.
pub fn picture(tx: &mut Tx<'_>, store: i64, row: &stock::OnHand) -> Result<Picture, Fault> {
    let found = of_store(tx, store, std::slice::from_ref(row))?.pop();
    Ok(found.map(|item| item.picture).unwrap_or_default())
}

/// The figures of several items of a store, which are given in their order.
pub fn pictures(
    tx: &mut Tx<'_>,
    store: i64,
    rows: &[stock::OnHand],
) -> Result<Vec<(String, Picture)>, Fault> {
    Ok(of_store(tx, store, rows)?.into_iter().map(|item| (item.sku, item.picture)).collect())
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
