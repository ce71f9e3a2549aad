//! Retiring: an incarnation gives its rights and what it is custodian of away, and ends its stream by its own word
//! (`model.md` §3.6; G44 of §8). Nobody gives to it afterwards; what crosses its retirement is suspended, and comes back
//! when a barrier resolves it, without a count, because its whole log is held.

use super::carts::{self, CartState};
use super::clock::Now;
use super::enrol;
use super::lend::{must_be_enrolled, taker};
use super::node::Node;
use super::problem::{Answer, Code, no};
use super::request::Taker;
use super::status;
use crate::db::{incarnations, reservations, shifts, stock};
use tradepost_sync::body::{
    Body, CustodyMark, CustodyMoved, CustodyObject, IncarnationRetired, RetiredBy, RightsGranted,
};
use tradepost_sync::frontier::HeadMark;

/// Carts that are named in a refusal.
const CARTS_MAX: usize = 100;

/// How an incarnation is to retire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetireRequest {
    /// Who gets its rights and what it is the custodian of.
    pub to: Taker,
    /// Also with carts, shifts and events that the hub lacks: the shifts are closed by a successor.
    pub force: bool,
}

/// What a retirement did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retired {
    /// The stream's end.
    pub head: HeadMark,
    /// Items of which rights were given away.
    pub items: usize,
    /// Objects handed over.
    pub objects: usize,
}

/// Retires the incarnation that writes. Asked again it changes nothing.
///
/// # Errors
/// `NOT_ENROLLED`; `NOT_READY_TO_RETIRE` with what stands in the way, unless forced; `UNKNOWN_INCARNATION` for somebody
/// who can't be given to. Then nothing was written. Or a fault.
pub fn retire(node: &mut Node, now: Now, request: &RetireRequest) -> Answer<Retired> {
    must_be_enrolled(node)?;
    if node.me.retired {
        return Ok(Retired { head: node.mark(), items: 0, objects: 0 });
    }
    let to = taker(node, &request.to)?;
    let in_the_way = in_the_way(node)?;
    if !request.force && !in_the_way.is_empty() {
        let detail = format!("{}; finish that first, or say force", in_the_way.join(", "));
        return Err(no(Code::NotReadyToRetire, detail));
    }
    let objects = hand_over(node, now, to.id())?;
    let items = give_all(node, now, to.id())?;
    let retired = IncarnationRetired { last_seq: node.head.seq + 1, by: RetiredBy::Itself };
    node.write(now, None, None, retired.into())?;
    let me = incarnations::by_no(node.conn(), node.me.no)?;
    let (registered, fenced) = me.map_or((false, false), |me| (me.registered, me.fenced));
    incarnations::set_standing(node.conn(), node.me.no, None, registered, fenced, true)?;
    (node.me.retired, node.me.registered) = (true, false);
    Ok(Retired { head: node.mark(), items, objects })
}

/// What a retirement would leave undone, in words.
fn in_the_way(node: &mut Node) -> Answer<Vec<String>> {
    node.flush()?;
    let mut found = Vec::new();
    for (state, words) in
        [(CartState::Open, "open"), (CartState::Tendering, "being paid"), (CartState::Parked, "put aside")]
    {
        let carts = carts::in_state(node.conn(), state, CARTS_MAX)?.len();
        if carts > 0 {
            found.push(format!("{carts} carts are {words}"));
        }
    }
    let tills = shifts::tills_running(node.conn())?;
    if !tills.is_empty() {
        found.push(format!("a shift runs at {}", tills.join(", ")));
    }
    let unsynced = status::read(node.conn())?.unsynced;
    if unsynced > 0 {
        found.push(format!("{unsynced} events are not at the hub"));
    }
    Ok(found)
}

/// Reservations, transfers and deliveries go to whoever gets the rights; carts, shifts and refund rights are the
/// successor's without a word (`model.md` §5).
fn hand_over(node: &mut Node, now: Now, to: tradepost_sync::ids::Incarnation) -> Answer<usize> {
    let me = node.head.incarnation;
    let locked = node.standing(&stock::Stock::default()).locked;
    let mut handed = 0;
    for (name, custody) in reservations::held_by(node.conn(), &me)? {
        let Ok(object) = serde_json::from_str::<CustodyObject>(&name) else { continue };
        let goes = matches!(
            object,
            CustodyObject::Reservation(_) | CustodyObject::Transfer(_) | CustodyObject::Delivery(_)
        );
        // Locked, it hands nothing on: the hub takes it over.
        let Ok(CustodyMark { epoch, n }) = custody.hand_on(&me, locked) else { continue };
        if goes {
            let moved = CustodyMoved { object, epoch, n, from: me, to, basis: Vec::new() };
            node.write(now, None, None, moved.into())?;
            handed += 1;
        }
    }
    Ok(handed)
}

/// Overdraw is settled first; what is free after that is given away.
fn give_all(node: &mut Node, now: Now, to: tradepost_sync::ids::Incarnation) -> Answer<usize> {
    let mut owed = Vec::new();
    node.flush()?;
    stock::each(node.conn(), |_, sku, row| {
        if row.overdraw() > 0 && row.rights() > 0 {
            owed.push(sku);
        }
    })?;
    node.settle(now, owed)?;
    node.flush()?;
    let mut rows = Vec::new();
    stock::each(node.conn(), |_, sku, row| rows.push((sku, row)))?;
    let mut given = 0;
    for (sku, row) in rows {
        let units = node.standing(&row).free();
        if units > 0 {
            node.write(now, None, None, Body::from(RightsGranted { sku, to, units }))?;
            given += 1;
        }
    }
    Ok(given)
}

/// Who can be given to, by `hub`, an incarnation or a name of the roster.
///
/// # Errors
/// `UNKNOWN_INCARNATION`; or a fault.
pub fn named(conn: &rusqlite::Connection, name: &str) -> Answer<Taker> {
    let of_roster = incarnations::neighbours(conn)?;
    let found = of_roster.iter().find(|known| known.name == name || known.id().to_string() == name);
    match found {
        _ if name == "hub" && enrol::hub(conn)?.is_some() => Ok(Taker::Hub),
        Some(known) => Ok(Taker::Incarnation(known.id())),
        None => {
            Err(no(Code::UnknownIncarnation, format!("the store's roster has no other live node {name}")))
        }
    }
}
