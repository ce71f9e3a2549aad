//! Rights between the nodes of a store (`model.md` §2, In the store, offline): what is short here, who may have it, and
//! what is given.

use super::carts::{self, Cart};
use super::clock::Now;
use super::lookup::scan;
use super::node::Node;
use super::problem::{Answer, Stop};
use super::request::{SaleRequest, Wish};
use super::voucher;
use crate::db::incarnations::{self, Known};
use crate::db::{Fault, catalog, documents, stock};
use rusqlite::Connection;
use std::collections::BTreeMap;
use tradepost_commerce::basket::Wanted;
use tradepost_commerce::document::{LineKind, Sku};
use tradepost_commerce::money::Money;
use tradepost_commerce::quantity::{Quantity, THOUSAND, Unit};
use tradepost_commerce::settings::Settings;
use tradepost_commerce::tender_life::{is_pool, pool_code};
use tradepost_sync::body::RightsGranted;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Id, Incarnation};
use tradepost_sync::limits::PLAUSIBLE_UNITS_MAX;
use tradepost_sync::rights::{self, Standing};
use tradepost_sync::session::Acquire;

/// Base units of items that a sale will take.
pub type Wants = BTreeMap<Sku, u64>;

/// An item of which less may be promised here than is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Short {
    /// The item.
    pub sku: Sku,
    /// Base units that are missing.
    pub units: u64,
}

/// Who may have rights to give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Donor {
    /// The neighbour.
    pub incarnation: Incarnation,
    /// Its rights, as far as they are known here.
    pub rights: u64,
    /// What it has given to this node in all.
    pub given: u64,
}

/// What a sale in one call will take; nothing where it is booked already, or where it can't be read anyway.
///
/// # Errors
/// A fault.
pub fn of_sale(conn: &Connection, settings: &Settings, request: &SaleRequest) -> Result<Wants, Fault> {
    let mut wants = Wants::new();
    let practises = super::training::is_on(conn, request.till.name())?;
    if practises || documents::find(conn, &request.id)?.is_some() {
        return Ok(wants);
    }
    for line in &request.lines {
        want(conn, settings, &line.wish, line.quantity, &mut wants)?;
    }
    for tender in &request.tenders {
        if let Some(draw) = &tender.pool {
            wants.extend([voucher::wanted(conn, pool_code(&draw.pool).0, tender.amount)?]);
        }
    }
    Ok(wants)
}

/// What paying with a voucher will take of its pool.
///
/// # Errors
/// A fault.
pub fn of_voucher(conn: &Connection, code: &str, amount: Money) -> Result<Wants, Fault> {
    Ok(Wants::from([voucher::wanted(conn, code, amount)?]))
}

/// What a cart will take.
///
/// # Errors
/// A fault.
pub fn of_cart(conn: &Connection, cart: &Id) -> Result<Wants, Fault> {
    let mut wants = Wants::new();
    let cart = match Cart::load(conn, cart) {
        Ok(cart) if cart.sale.is_none() && !cart.training => cart,
        Ok(_) | Err(Stop::No(_)) => return Ok(wants),
        Err(Stop::Fault(fault)) => return Err(fault),
    };
    for line in cart.basket.lines.iter().map(|line| &line.input).filter(|line| line.kind == LineKind::Goods) {
        add(&mut wants, &line.sku, &line.unit, line.quantity);
    }
    Ok(wants)
}

fn want(
    conn: &Connection,
    settings: &Settings,
    wish: &Wish,
    quantity: Option<Quantity>,
    wants: &mut Wants,
) -> Result<(), Fault> {
    let asked = quantity.unwrap_or(Quantity(THOUSAND));
    let (item, asked) = match wish {
        // A voucher stands on no shelf.
        Wish::Voucher { .. } => return Ok(()),
        Wish::Sku(sku) => (catalog::by_sku(conn, sku)?, asked),
        Wish::Code(code) => match scan(conn, settings, code) {
            Ok(found) => match found.wanted {
                Some(Wanted::Quantity(weighed)) => (Some(found.item), weighed),
                _ => (Some(found.item), asked),
            },
            // The sale itself will say what is wrong with it.
            Err(Stop::No(_)) => return Ok(()),
            Err(Stop::Fault(fault)) => return Err(fault),
        },
    };
    if let Some(item) = item {
        add(wants, &item.product.sku, &item.product.unit, asked);
    }
    Ok(())
}

fn add(wants: &mut Wants, sku: &Sku, unit: &Unit, quantity: Quantity) {
    let units = unit.to_base(quantity).ok().and_then(|units| u64::try_from(units.0).ok()).unwrap_or(0);
    let wanted = wants.entry(sku.clone()).or_default();
    *wanted = wanted.saturating_add(units);
}

/// What of these wants the rights held here don't cover.
///
/// # Errors
/// A fault.
pub fn shorts(conn: &Connection, wants: &Wants) -> Result<Vec<Short>, Fault> {
    let mut shorts = Vec::new();
    for (sku, wanted) in wants {
        let Some(no) = catalog::sku_no(conn, sku)? else { continue };
        let units = wanted.saturating_sub(stock::load(conn, no)?.rights());
        if (1..=PLAUSIBLE_UNITS_MAX).contains(&units) {
            shorts.push(Short { sku: sku.clone(), units });
        }
    }
    Ok(shorts)
}

/// Who may have rights in an item, the largest known first; of equal ones the smaller id.
///
/// # Errors
/// A fault.
pub fn donors(conn: &Connection, sku: &Sku) -> Result<Vec<Donor>, Fault> {
    let (Some(item), Some(me)) = (catalog::sku_no(conn, sku)?, incarnations::present(conn)?) else {
        return Ok(Vec::new());
    };
    let holders = stock::holders(conn, item)?;
    let mut donors = Vec::new();
    for known in incarnations::neighbours(conn)? {
        let rights = holders.get(&known.no).and_then(|units| u64::try_from(*units).ok()).unwrap_or(0);
        if rights > 0 {
            let given = stock::gift(conn, known.no, me.no, item)?;
            donors.push(Donor { incarnation: known.id(), rights, given });
        }
    }
    donors.sort_by_key(|donor| (std::cmp::Reverse(donor.rights), donor.incarnation));
    Ok(donors)
}

/// What one of them has given to this node in all.
///
/// # Errors
/// A fault.
pub fn given_by(conn: &Connection, donor: &Incarnation, sku: &Sku) -> Result<u64, Fault> {
    let item = catalog::sku_no(conn, sku)?;
    let (Some(item), Some(me), Some(donor)) =
        (item, incarnations::present(conn)?, incarnations::find(conn, donor)?)
    else {
        return Ok(0);
    };
    stock::gift(conn, donor.no, me.no, item)
}

/// The number and name here of what a neighbour asks for: an item, or a pool.
fn asked_for(node: &mut Node, sku: &Sku) -> Answer<Option<(i64, Sku)>> {
    if is_pool(&sku.0) {
        return Ok(catalog::sku_no(node.conn(), sku)?.map(|no| (no, sku.clone())));
    }
    match node.item(sku) {
        Ok(item) => Ok(Some((item.item.sku_no, item.item.product.sku.clone()))),
        Err(Stop::No(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Gives a neighbour what it lacks to have been given `at_least` in all, within the free rights; asked again it gives
/// nothing again. The end of the own log that holds all that was ever given, or none.
///
/// # Errors
/// A fault.
pub fn give(node: &mut Node, now: Now, to: &Incarnation, asked: &Acquire) -> Answer<Option<HeadMark>> {
    let Some(taker) = incarnations::find(node.conn(), to)?.filter(Known::admitted) else { return Ok(None) };
    let Some((sku_no, sku)) = asked_for(node, &asked.sku)? else { return Ok(None) };
    let given = stock::gift(node.conn(), node.me.no, taker.no, sku_no)?;
    let row = node.stock(sku_no)?;
    let missing = asked.at_least.saturating_sub(given).min(PLAUSIBLE_UNITS_MAX);
    let standing = match is_pool(&sku.0) {
        true => Standing { held: voucher::held(node.conn(), pool_code(&sku.0).0)?, ..node.standing(&row) },
        false => carts::standing(node, &sku, &row)?,
    };
    let units = rights::give(&standing, missing);
    if units > 0 {
        node.write(now, None, None, RightsGranted { sku, to: *to, units }.into())?;
    }
    Ok((given + units > 0).then(|| node.mark()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::import::{BUILT_IN, Catalog, Format, import};
    use crate::app::start::{Starting, start};
    use crate::db::incarnations::Part;
    use crate::db::{Durability, events};
    use std::path::{Path, PathBuf};
    use tradepost_sync::body::{Body, Moved, StockAdjusted};

    const WEST: Incarnation = Incarnation([7; 16]);

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("tradepost-acquire-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        dir
    }

    fn open(dir: &Path) -> Node {
        let mut n = 0u8;
        let luck = Box::new(move || {
            n += 1;
            [n; 32]
        });
        let durability = Durability::Normal;
        let starting = Starting { luck, wall: 1_767_225_600_000, boot: 0, durability, accept_clock: true };
        start(dir, starting).unwrap().0
    }

    fn now(node: &Node) -> Now {
        node.now(1_767_225_600_500, 500)
    }

    /// A node with five of an item, and a neighbour in its roster.
    fn with_goods(dir: &Path) -> (Node, Sku) {
        let mut node = open(dir);
        let now = now(&node);
        let (_, text) = BUILT_IN.iter().find(|(name, _)| *name == "en-grocer").unwrap();
        let catalog = Catalog::read(text.as_bytes(), Format::Ndjson).unwrap();
        node.begin().unwrap();
        import(&mut node, now, catalog).unwrap();
        let sku = Sku("EN-001".to_owned());
        let no = node.sku_no(&sku).unwrap();
        let had = i64::try_from(node.stock(no).unwrap().rights()).unwrap();
        for (units, moved) in
            [(-had, Moved { m: 0, c: had.unsigned_abs(), o: 0 }), (5, Moved { m: 5, c: 0, o: 0 })]
        {
            let adjustment = Id([u8::try_from(units.rem_euclid(251)).unwrap(); 16]);
            let reason = "found".to_owned();
            let body = StockAdjusted { adjustment, sku: sku.clone(), units, reason, approver: None, moved };
            if units != 0 {
                node.write(now, None, None, body.into()).unwrap();
            }
        }
        let west = incarnations::insert(node.conn(), &WEST, Part::Other).unwrap();
        incarnations::set_standing(node.conn(), west, Some(&[9; 32]), true, false, false).unwrap();
        node.commit().unwrap();
        (node, sku)
    }

    fn ask(node: &mut Node, sku: &Sku, at_least: u64) -> Option<HeadMark> {
        let now = now(node);
        node.begin().unwrap();
        let head = give(node, now, &WEST, &Acquire { ask: 1, sku: sku.clone(), at_least }).unwrap();
        node.commit().unwrap();
        head
    }

    fn rights(node: &mut Node, sku: &Sku) -> u64 {
        let no = node.sku_no(sku).unwrap();
        node.stock(no).unwrap().rights()
    }

    #[test]
    fn rights_are_given_once_for_the_same_words_and_never_beyond_what_is_free() {
        let (mut node, sku) = with_goods(&scratch("once"));
        for (at_least, left) in [(2, 3), (2, 3), (1, 3), (3, 2), (50, 0), (50, 0), (60, 0)] {
            let head = ask(&mut node, &sku, at_least).unwrap();
            assert_eq!((rights(&mut node, &sku), head), (left, node.mark()), "at least {at_least}");
        }
        let granted = (1..=node.mark().seq)
            .filter_map(|seq| events::read(node.conn(), events::place(node.me.no, seq)).unwrap())
            .filter_map(|event| match event.body() {
                Ok(Body::RightsGranted(granted)) => Some(granted.units),
                _ => None,
            });
        assert_eq!(granted.collect::<Vec<_>>(), [2, 1, 2]);
    }

    /// The process ended after the commit and before anybody was told.
    #[test]
    fn what_was_given_before_the_end_is_not_given_again_after_it() {
        let dir = scratch("killed");
        let (mut node, sku) = with_goods(&dir);
        ask(&mut node, &sku, 2).unwrap();
        drop(node);
        let mut node = open(&dir);
        assert!(ask(&mut node, &sku, 2).is_some(), "the log still says so");
        assert_eq!(rights(&mut node, &sku), 3);
    }

    #[test]
    fn whoever_is_fenced_or_unknown_and_whatever_is_unknown_gets_nothing() {
        let (mut node, sku) = with_goods(&scratch("refused"));
        assert_eq!(ask(&mut node, &Sku("NOTHING".to_owned()), 1), None);
        let west = incarnations::find(node.conn(), &WEST).unwrap().unwrap();
        for (registered, fenced, retired) in [(false, false, false), (true, true, false), (true, false, true)]
        {
            node.begin().unwrap();
            incarnations::set_standing(node.conn(), west.no, None, registered, fenced, retired).unwrap();
            node.touch();
            node.commit().unwrap();
            assert_eq!(ask(&mut node, &sku, 1), None);
        }
        assert_eq!(rights(&mut node, &sku), 5);
    }
}
