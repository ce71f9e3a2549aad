//! Forced takeovers (`model.md` §5): what a lost custodian alone could have finished goes to somebody else, by the hub and
//! only after the custodian's lease and the wait of §3. Always flagged: an end that the old custodian wrote may still turn
//! up, and is a fact then.

use super::barrier::as_wait;
use super::hub_log::append;
use super::{Code, Fault, custody, fence, recovering, reserve, stores as app_stores, waits};
use crate::db::authors::{self, Author, Role, State};
use crate::db::stores::{self, Store};
use crate::db::{Tx, events, orders, recoveries, recovery, reservations, review, shipments, stock};
use crate::hub::Hub;
use std::collections::BTreeSet;
use tradepost_sync::body::{Body, CustodyMoved, CustodyObject, CustodyTaken};
use tradepost_sync::clock::{Tau, UtcMs};
use tradepost_sync::custody::{Custody, CustodyRefusal, Taker};
use tradepost_sync::fence::WaitRefusal;
use tradepost_sync::ids::{Hash, Id, Incarnation};

/// Objects of a custodian that are listed.
const OBJECTS_MAX: usize = 200;

/// What became of a takeover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The object.
    pub object: CustodyObject,
    /// Who alone may finish it now.
    pub custodian: Incarnation,
    /// How often it was taken over.
    pub epoch: u32,
}

/// Gives an object of a store to another custodian: `hub` (reservations only), or a live node by name or incarnation; its
/// latest node if not given. Whoever has it already keeps it, and nothing changes.
///
/// # Errors
/// `NOT_FOUND`, `UNKNOWN_NODE`, `NOT_CUSTODIAN` where the custodian is alive or a successor owns it, `RESERVATION_ENDED`
/// where it has come to its end, `LEASE_NOT_EXPIRED` or `WAIT_NOT_OVER` with the time, `HUB_RECOVERING`.
pub fn take_over(
    hub: &Hub,
    store: &str,
    object: &CustodyObject,
    to: Option<&str>,
    now: UtcMs,
) -> Result<Taken, Fault> {
    hub.write(|tx, after| {
        let no = app_stores::find(tx, store)?.no;
        let store = stores::by_no_locked(tx, no)?.ok_or_else(|| Fault::internal("no such store"))?;
        recovering::must_not_be(tx, no)?;
        let known = standing(tx, &store, object)?;
        let to = reserve::custodian(tx, &store, to)?;
        let own = authors::by_no(tx, store.hub_author)?.map(|author| author.incarnation);
        if own == Some(to) && !matches!(object, CustodyObject::Reservation(_)) {
            let detail = "goods and refunds are finished in a store: name one of its nodes";
            return Err(Fault::field("/custodian", Code::UnknownNode, detail));
        }
        if known.terminal {
            return Err(refused(&CustodyRefusal::Ended));
        }
        if known.owner == to {
            return Ok(Taken { object: object.clone(), custodian: to, epoch: known.epoch });
        }
        let fact = match own.filter(|own| known.may_finish(own)) {
            Some(own) => handed_on(object, &known, own, to),
            None => taken(tx, hub, &store, (object, &known), to, now)?,
        };
        let epoch = match &fact {
            Body::CustodyTaken(taken) => taken.epoch,
            _ => known.epoch,
        };
        append(tx, after, hub, &store, &[fact], now)?;
        Ok(Taken { object: object.clone(), custodian: to, epoch })
    })
}

/// What the hub itself has needs no force.
fn handed_on(object: &CustodyObject, known: &Custody, from: Incarnation, to: Incarnation) -> Body {
    let n = known.next().n;
    CustodyMoved { object: object.clone(), epoch: known.epoch, n, from, to, basis: Vec::new() }.into()
}

fn taken(
    tx: &mut Tx<'_>,
    hub: &Hub,
    store: &Store,
    (object, known): (&CustodyObject, &Custody),
    to: Incarnation,
    now: UtcMs,
) -> Result<Body, Fault> {
    let at = super::tau(tx, now)?;
    let owner = authors::find(tx, &known.owner)?;
    let successor = match (&owner, object) {
        (Some(owner), CustodyObject::Refund(sale)) => successor(tx, store, owner, *sale)?,
        _ => None,
    };
    let owner = match successor {
        Some(successor) => authors::find(tx, &successor)?,
        None => owner,
    };
    let who = owner.as_ref().map_or(known.owner, |owner| owner.incarnation);
    if is_alive(hub, owner.as_ref()) {
        let detail = format!("{who} is its custodian and in session: it finishes it, or hands it on itself");
        return Err(Fault::refused(Code::NotCustodian, detail));
    }
    let wait = waits::of_store(tx, store.no)?.check(who, at);
    let mark = known.take_over(object, Taker::Hub, wait).map_err(|why| refused(&why))?;
    let detail = format!(
        "{} is {to}'s now, {who} had it: what {who} did with it before may still turn up",
        described(object)
    );
    review::add(tx, store.no, "taken_over", &custody::name(object)?, &detail, now)?;
    Ok(CustodyTaken {
        object: object.clone(),
        epoch: mark.epoch,
        owner: to,
        superseded_epoch: known.epoch,
        superseded_n: known.n,
        superseded_hash: Hash::ZERO,
    }
    .into())
}

fn is_alive(hub: &Hub, owner: Option<&Author>) -> bool {
    owner.is_some_and(|owner| {
        owner.state == State::Live
            && (owner.role == Role::Hub || hub.present.all().contains(&owner.incarnation))
    })
}

fn refused(why: &CustodyRefusal) -> Fault {
    match why {
        CustodyRefusal::Wait(why) => as_wait(why),
        CustodyRefusal::Ended => Fault::refused(Code::ReservationEnded, why.to_string()),
        other => Fault::refused(Code::NotCustodian, other.to_string()),
    }
}

/// Where an object of a store stands. A refund right that never moved is with whoever wrote the sale.
fn standing(tx: &mut Tx<'_>, store: &Store, object: &CustodyObject) -> Result<Custody, Fault> {
    if let Some(known) = stock::custody(tx, store.no, &custody::name(object)?)? {
        return Ok(known);
    }
    let missing = || Fault::not_found("object", &described(object));
    let CustodyObject::Refund(sale) = object else { return Err(missing()) };
    let author = author_of(tx, store.no, *sale)?.ok_or_else(missing)?;
    Ok(Custody::begin(author.0.incarnation))
}

/// Who wrote a sale of a store, and where.
fn author_of(tx: &mut Tx<'_>, store: i64, sale: Id) -> Result<Option<(Author, u64)>, Fault> {
    for (author, seq) in events::with_id(tx, sale)? {
        let is_sale = orders::at(tx, author, seq)?.is_some_and(|order| order.row.kind == "sale");
        if let Some(author) = authors::by_no(tx, author)?.filter(|author| is_sale && author.store == store) {
            return Ok(Some((author, seq)));
        }
    }
    Ok(None)
}

/// Who owns the refund right of a sale without a byte: the successor that the custodian's fence names, unless the sale lies
/// behind its author's cap.
fn successor(tx: &mut Tx<'_>, store: &Store, owner: &Author, sale: Id) -> Result<Option<Incarnation>, Fault> {
    if let Some((author, seq)) = author_of(tx, store.no, sale)?
        && recovery::cap(tx, author.no)?.is_some_and(|cap| seq > cap.seq)
    {
        return Ok(None);
    }
    fence::named(tx, store.no, &owner.incarnation)
}

/// What an object is, in words.
fn described(object: &CustodyObject) -> String {
    match object {
        CustodyObject::Cart(id) => format!("cart {id}"),
        CustodyObject::Reservation(id) => format!("reservation {id}"),
        CustodyObject::Transfer(id) => format!("transfer {id}"),
        CustodyObject::Delivery(id) => format!("delivery {id}"),
        CustodyObject::Refund(id) => format!("the right to refund sale {id}"),
        CustodyObject::Shift { till, shift } => format!("shift {shift} of till {till}"),
    }
}

/// An object whose custodian is lost, or has not been heard for longer than its lease.
#[derive(Clone, Debug)]
pub struct Orphan {
    /// `reservation`, `delivery`, `transfer` or `refund`.
    pub kind: &'static str,
    /// Its id; of a refund right the sale's.
    pub id: Id,
    /// The number that people know it by, where it has one.
    pub reference: String,
    /// Its custodian.
    pub custodian: Incarnation,
    /// The name people know that by.
    pub name: String,
    /// When it may be taken over, if the hub runs without a break; none where it may be now.
    pub wait_until: Option<UtcMs>,
}

/// Objects of a store that the hub may have to give to somebody else, by custodian.
pub(super) fn orphans(
    tx: &mut Tx<'_>,
    store: i64,
    present: &BTreeSet<Incarnation>,
    at: Tau,
) -> Result<Vec<Orphan>, Fault> {
    let waits = waits::of_store(tx, store)?;
    let mut orphans = Vec::new();
    for author in authors::of_store(tx, store)?.into_iter().filter(|author| author.role == Role::Node) {
        let who = author.incarnation;
        let until = match waits.check(who, at) {
            Err(WaitRefusal::LeaseNotExpired { until, .. } | WaitRefusal::WaitNotOver { until, .. }) => {
                Some(until.ms)
            }
            Ok(_) => None,
        };
        let silent = author.state != State::Live || (until.is_none() && !present.contains(&who));
        if !silent {
            continue;
        }
        for name in recoveries::objects_of(tx, store, &who)?.into_iter().take(OBJECTS_MAX) {
            let object: CustodyObject = serde_json::from_str(&name).map_err(Fault::internal)?;
            if let Some((kind, id, reference)) = shown(tx, &object)? {
                let name = author.name.clone();
                orphans.push(Orphan { kind, id, reference, custodian: who, name, wait_until: until });
            }
        }
    }
    Ok(orphans)
}

/// Carts and shifts are taken over in the store.
fn shown(tx: &mut Tx<'_>, object: &CustodyObject) -> Result<Option<(&'static str, Id, String)>, Fault> {
    Ok(match object {
        CustodyObject::Reservation(id) => {
            let known = reservations::find(tx, *id)?;
            Some(("reservation", *id, known.map(|known| known.reference).unwrap_or_default()))
        }
        CustodyObject::Delivery(id) => {
            let known = shipments::find(tx, *id)?;
            Some(("delivery", *id, known.map(|known| known.reference).unwrap_or_default()))
        }
        CustodyObject::Transfer(id) => Some(("transfer", *id, String::new())),
        CustodyObject::Refund(id) => Some(("refund", *id, String::new())),
        CustodyObject::Cart(_) | CustodyObject::Shift { .. } => None,
    })
}
