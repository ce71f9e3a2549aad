//! Handing on what this node alone may finish, to a neighbour of the store that asks for it (`model.md` §5).

use super::clock::Now;
use super::custody;
use super::node::Node;
use super::problem::Answer;
use super::shared_cart;
use crate::db::documents::{self, DocumentKind};
use crate::db::incarnations::{self, Known, Part};
use crate::db::stock::Stock;
use crate::db::{Fault, events};
use rusqlite::Connection;
use tradepost_sync::body::{CustodyMoved, CustodyObject};
use tradepost_sync::custody::Custody;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Id, Incarnation};

/// Hands an object over: a cart that isn't being paid, or the right to refund a sale. Answers the end of the own log that
/// says so; none where it is not this node's to give. The same words again give nothing again.
///
/// # Errors
/// A fault.
pub fn hand_over(
    node: &mut Node,
    now: Now,
    to: &Incarnation,
    object: &CustodyObject,
) -> Answer<Option<HeadMark>> {
    if !incarnations::find(node.conn(), to)?.is_some_and(|known| known.admitted()) {
        return Ok(None);
    }
    match object {
        CustodyObject::Cart(cart) => shared_cart::hand_over(node, now, to, cart),
        CustodyObject::Refund(sale) => refund_right(node, now, to, sale),
        _ => Ok(None),
    }
}

/// The right to refund a sale goes with what was refunded of it before, so that shares stay cumulative (`facts.md` §4).
fn refund_right(node: &mut Node, now: Now, to: &Incarnation, sale: &Id) -> Answer<Option<HeadMark>> {
    let object = CustodyObject::Refund(*sale);
    let me = node.head.incarnation;
    let held = match custody::of(node.conn(), &object)? {
        Some(custody) if custody.owner == *to => return Ok(Some(node.mark())),
        Some(custody) => Some(custody),
        None => sold_here(node.conn(), sale)?.then(|| Custody::begin(me)),
    };
    let locked = node.standing(&Stock::default()).locked;
    let Some(Ok(mark)) = held.map(|custody| custody.hand_on(&me, locked)) else { return Ok(None) };
    let basis = documents::refunded(node.conn(), sale)?.into_iter().collect();
    let moved = CustodyMoved { object, epoch: mark.epoch, n: mark.n, from: me, to: *to, basis };
    node.write(now, None, None, moved.into())?;
    Ok(Some(node.mark()))
}

fn sold_here(conn: &Connection, sale: &Id) -> Result<bool, Fault> {
    Ok(author(conn, sale)?.is_some_and(|author| author.part == Part::Present))
}

/// Who sold.
fn author(conn: &Connection, sale: &Id) -> Result<Option<Known>, Fault> {
    match documents::find(conn, sale)?.filter(|found| found.kind == DocumentKind::Sale) {
        Some(found) => incarnations::by_no(conn, events::parts(found.place).0),
        None => Ok(None),
    }
}

/// Which other node of the store holds the right to refund a sale; none where it is held here, or nothing is known of it.
///
/// # Errors
/// A fault.
pub fn holder_of_refund(conn: &Connection, sale: &Id) -> Result<Option<Incarnation>, Fault> {
    let holder = match custody::of(conn, &CustodyObject::Refund(*sale))? {
        Some(custody) => Some(custody.owner),
        None => author(conn, sale)?.map(|author| author.id()),
    };
    let me = incarnations::present(conn)?.map(|known| known.id());
    Ok(holder.filter(|holder| Some(*holder) != me))
}
