//! The stock picture of an item as this node sees it (`model.md` §2): goods, rights of each incarnation, promises.

use super::problem::Answer;
use crate::db::incarnations::{self, Known, Part};
use crate::db::stock::{self, Stock};
use crate::db::{Fault, caps, reservations};
use rusqlite::Connection;
use tradepost_sync::ids::{Id, Incarnation};
use tradepost_sync::promise::uncovered;
use tradepost_sync::rights::Picture;

/// What one incarnation holds of an item, in base units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub incarnation: Incarnation,
    /// Its number here.
    pub no: i64,
    /// The store's `H_s`.
    pub hub: bool,
    /// In the roster, and neither fenced nor retired: what it holds may be promised.
    pub live: bool,
    /// `r`, in this node's view.
    pub rights: i64,
    /// `x`: overdraw that is open.
    pub overdraw: u64,
}

/// An item's figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The figures.
    pub picture: Picture,
    /// Who holds what, by incarnation; those who hold nothing are left out.
    pub holders: Vec<Holder>,
    /// Open reservations that the shelf can't meet, with the units each lacks.
    pub exposed: Vec<(Id, u64)>,
}

/// The picture of an item. `own` is the present incarnation's row.
///
/// # Errors
/// A fault.
pub fn of(conn: &Connection, sku: i64, own: &Stock) -> Answer<Shown> {
    let open = reservations::open_of(conn, sku)?;
    let reserved: i128 = open.iter().map(|one| i128::from(one.units)).sum();
    let holders = holders(conn, sku, own)?;
    let rights = |live: bool| holders.iter().filter(|h| h.live == live).map(|h| i128::from(h.rights)).sum();
    let on_hand = i128::from(own.shelf());
    let picture = Picture {
        on_hand,
        available: rights(true),
        reserved,
        suspended: rights(false),
        overdraw: holders.iter().map(|h| i128::from(h.overdraw)).sum(),
    };
    let exposed = uncovered(on_hand, open.iter().map(|one| (one.id, one.units)));
    Ok(Shown { picture, holders, exposed })
}

fn holders(conn: &Connection, sku: i64, own: &Stock) -> Result<Vec<Holder>, Fault> {
    let others = stock::held_by_others(conn, sku)?;
    let resolved = caps::resolved(conn, sku)?;
    let mut holders = Vec::new();
    for known in incarnations::all(conn)?.into_iter().filter(Known::moves_stock) {
        // What a lost incarnation had is resolved: nobody holds it any more.
        if resolved.contains(&known.no) {
            continue;
        }
        let (rights, overdraw) = if known.part == Part::Present {
            (i64::try_from(own.rights()).unwrap_or(i64::MAX), own.overdraw())
        } else {
            others.get(&known.no).copied().unwrap_or_default()
        };
        if rights == 0 && overdraw == 0 {
            continue;
        }
        holders.push(Holder {
            incarnation: known.id(),
            no: known.no,
            hub: known.part == Part::Hub,
            live: known.part != Part::Lost && known.admitted(),
            rights,
            overdraw,
        });
    }
    holders.sort_by_key(|holder| holder.incarnation);
    Ok(holders)
}
