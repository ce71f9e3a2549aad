//! Reservations: a web order takes of what the hub has borrowed, under one row's lock, and never waits for a store
//! (`model.md` §2, §5). Whoever has custody ends it, once.

use super::hub_log::append;
use super::{Code, Fault, exposure, grants, products, recovering, relive, request_hash, resolve, stores};
use crate::db::authors::{self, Author, Role, State};
use crate::db::reservations::{self, Reservation};
use crate::db::stores::Store;
use crate::db::{Tx, events, lent, stock};
use crate::hub::{After, Hub};
use serde::Serialize;
use std::collections::BTreeSet;
use tradepost_commerce::document::Sku;
use tradepost_commerce::money::Money;
use tradepost_sync::body::{
    Body, CustodyMoved, CustodyObject, Moved, ReservationCancelled, ReservationExpired, ReservationOpened,
    RightsGranted,
};
use tradepost_sync::clock::{Tau, UtcMs};
use tradepost_sync::cover::{Cover, Occasion, cover as core_cover};
use tradepost_sync::custody::{Custody, End, end_reservation};
use tradepost_sync::ids::{Id, Incarnation};
use tradepost_sync::limits::PLAUSIBLE_UNITS_MAX;

/// Most characters of an order's number.
const REFERENCE_CHARS_MAX: usize = 200;
/// Reservations ended in one go.
const SWEEP_MAX: usize = 100;

/// A reservation that is asked for.
#[derive(Clone, Debug, Serialize)]
pub struct Wanted {
    /// Its id, made by the client.
    pub id: Id,
    /// At which store, by code.
    pub store: String,
    /// The item.
    pub sku: String,
    /// Base units.
    pub units: u64,
    /// The order it is for.
    pub order: Id,
    /// The order's number, by which the store finds it.
    pub reference: String,
    /// Hub time in milliseconds at which it may expire.
    pub expires: UtcMs,
    /// Who may end it: `hub`, or a node by its name or incarnation; the store's latest node if not given.
    pub custodian: Option<String>,
    /// What was paid before, in minor units.
    pub prepaid: Option<i64>,
}

/// A reservation with what belongs to it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The row.
    pub row: Reservation,
    /// The store's code.
    pub store: String,
    /// Who alone may end it.
    pub custodian: Option<Incarnation>,
    /// Base units of it that the shelf can't meet.
    pub exposed: u64,
}

/// Opens a reservation out of the hub's rights. The same request again changes nothing.
pub fn open(hub: &Hub, wanted: &Wanted, now: Tau) -> Result<Shown, Fault> {
    check(wanted, now)?;
    let request = request_hash(wanted);
    if let Some(known) = hub.db.read(|tx| repeated(tx, wanted, request))? {
        return Ok(known);
    }
    cover(hub, &wanted.store, &wanted.sku, now.ms)?;
    hub.write(|tx, after| {
        if let Some(known) = repeated(tx, wanted, request)? {
            return Ok(known);
        }
        let store = stores::find(tx, &wanted.store)?;
        recovering::must_not_be(tx, store.no)?;
        if products::find(tx, &wanted.sku)?.is_none() {
            let detail = format!("the catalog has no item {}", wanted.sku);
            return Err(Fault::field("/sku", Code::UnknownSku, detail));
        }
        let custodian = custodian(tx, &store, wanted.custodian.as_deref())?;
        let free = lent::locked(tx, store.no, &wanted.sku)?;
        let free = covering(tx, &store, &wanted.sku, free)?.free;
        if free < wanted.units {
            let detail = format!("{} asked, the hub may promise {free} of {}", wanted.units, wanted.sku);
            return Err(Fault::field("/units", Code::RightsShort, detail));
        }
        let row = row_of(wanted, store.no, request, now);
        reservations::insert(tx, &row)?;
        append(tx, after, hub, &store, &[opened(wanted, &row, custodian)], now.ms)?;
        exposure::look(tx, store.no, &BTreeSet::from([wanted.sku.clone()]), now.ms)?;
        shown(tx, row)
    })
}

/// Opens reservations of one store together, in a transaction of the caller's: all or none. The hub holds them until it
/// hands them over. `wanted` goes by ascending item, each item once: so rows are locked in one order everywhere.
pub(super) fn open_all(
    tx: &mut Tx<'_>,
    after: &mut After,
    hub: &Hub,
    store: &Store,
    wanted: &[Wanted],
    now: Tau,
) -> Result<(), Fault> {
    recovering::must_not_be(tx, store.no)?;
    let own = custodian(tx, store, Some("hub"))?;
    let (mut facts, mut touched) = (Vec::new(), BTreeSet::new());
    for one in wanted {
        check(one, now)?;
        let free = lent::locked(tx, store.no, &one.sku)?;
        let free = covering(tx, store, &one.sku, free)?.free;
        if free < one.units {
            let detail = format!("{} of {} asked, the hub may promise {free}", one.units, one.sku);
            return Err(Fault::refused(Code::RightsShort, detail));
        }
        let row = row_of(one, store.no, request_hash(one), now);
        reservations::insert(tx, &row)?;
        facts.push(opened(one, &row, own));
        touched.insert(one.sku.clone());
    }
    append(tx, after, hub, store, &facts, now.ms)?;
    exposure::look(tx, store.no, &touched, now.ms)
}

/// Cancels those of a store's reservations that the hub still holds, in a transaction of the caller's.
pub(super) fn cancel_all(
    tx: &mut Tx<'_>,
    after: &mut After,
    hub: &Hub,
    store: &Store,
    known: &[Reservation],
    now: UtcMs,
) -> Result<(), Fault> {
    let mut facts: Vec<Body> = Vec::new();
    for one in known {
        let (_, held) = standing(tx, one)?;
        let Ok(own) = must_hold(tx, store, one, &held) else { continue };
        let (reservation, sku, units) = (one.id, Sku(one.sku.clone()), one.units);
        let (custody, moved) = end_reservation(&held, &own, false, End::Cancelled, one.sale.is_some(), units)
            .map_err(|refusal| Fault::refused(Code::ReservationEnded, refusal.to_string()))?;
        facts.push(ReservationCancelled { reservation, sku, units, moved, custody }.into());
    }
    if facts.is_empty() { Ok(()) } else { append(tx, after, hub, store, &facts, now) }
}

/// Hands those of a store's reservations that the hub still holds to the store's latest node, in a transaction of the
/// caller's.
pub(super) fn hand_over_all(
    tx: &mut Tx<'_>,
    after: &mut After,
    hub: &Hub,
    store: &Store,
    known: &[Reservation],
    now: UtcMs,
) -> Result<(), Fault> {
    let to = custodian(tx, store, None)?;
    let mut facts: Vec<Body> = Vec::new();
    for one in known {
        let (_, custody) = standing(tx, one)?;
        let Ok(from) = must_hold(tx, store, one, &custody) else { continue };
        let (object, n) = (CustodyObject::Reservation(one.id), custody.next().n);
        let moved = CustodyMoved { object, epoch: custody.epoch, n, from, to, basis: Vec::new() };
        facts.push(moved.into());
    }
    if facts.is_empty() { Ok(()) } else { append(tx, after, hub, store, &facts, now) }
}

/// Whether the hub alone may end a reservation now.
pub(super) fn hub_holds(tx: &mut Tx<'_>, store: &Store, known: &Reservation) -> Result<bool, Fault> {
    let (_, custody) = standing(tx, known)?;
    Ok(must_hold(tx, store, known, &custody).is_ok())
}

fn check(wanted: &Wanted, now: Tau) -> Result<(), Fault> {
    if !(1..=PLAUSIBLE_UNITS_MAX).contains(&wanted.units) {
        let detail = format!("{} units can't be reserved", wanted.units);
        return Err(Fault::field("/units", Code::BadQuantity, detail));
    }
    let reference = wanted.reference.chars();
    if wanted.reference.trim().is_empty() || reference.count() > REFERENCE_CHARS_MAX {
        return Err(Fault::field("/reference", Code::BadValue, "an order's number has 1 to 200 characters"));
    }
    if wanted.expires <= now.ms {
        return Err(Fault::field("/expires", Code::BadValue, "it would have expired already"));
    }
    if wanted.prepaid.is_some_and(|amount| amount < 0) {
        return Err(Fault::field("/prepaid", Code::BadMoney, "an amount is zero or more minor units"));
    }
    Ok(())
}

fn repeated(
    tx: &mut Tx<'_>,
    wanted: &Wanted,
    request: tradepost_sync::ids::Hash,
) -> Result<Option<Shown>, Fault> {
    match reservations::find(tx, wanted.id)? {
        Some(known) if known.request == request => shown(tx, known).map(Some),
        Some(known) if known.request == relive::REQUEST_FORGOTTEN && asks_for(tx, wanted, &known)? => {
            shown(tx, known).map(Some)
        }
        Some(_) => Err(Fault::field("/id", Code::IdReused, "this id was used for another request")),
        None => Ok(None),
    }
}

/// Whether a request asks for what a reservation is that came back after a restore, without its request.
fn asks_for(tx: &mut Tx<'_>, wanted: &Wanted, known: &Reservation) -> Result<bool, Fault> {
    let store = stores::find(tx, &wanted.store)?;
    Ok(store.no == known.store
        && (&wanted.sku, wanted.units) == (&known.sku, known.units)
        && (wanted.order, &wanted.reference) == (known.order, &known.reference)
        && (wanted.expires, wanted.prepaid) == (known.expires.ms, known.prepaid))
}

fn row_of(wanted: &Wanted, store: i64, request: tradepost_sync::ids::Hash, now: Tau) -> Reservation {
    Reservation {
        no: 0,
        id: wanted.id,
        request,
        store,
        sku: wanted.sku.clone(),
        units: wanted.units,
        order: wanted.order,
        reference: wanted.reference.clone(),
        expires: Tau::told(now.epoch, wanted.expires),
        prepaid: wanted.prepaid,
        state: "open".to_owned(),
        sale: None,
        opened_at: now.ms,
        ended_at: None,
    }
}

fn opened(wanted: &Wanted, row: &Reservation, custodian: Incarnation) -> Body {
    ReservationOpened {
        reservation: wanted.id,
        order: wanted.order,
        sku: Sku(wanted.sku.clone()),
        units: wanted.units,
        moved: Moved { m: 0, c: wanted.units, o: 0 },
        expires: row.expires,
        custodian,
        reference: wanted.reference.clone(),
        prepaid: wanted.prepaid.map(Money),
    }
    .into()
}

/// Whoever is named as custodian at a store: `hub`, a live node by name or incarnation, or its latest node.
pub fn custodian(tx: &mut Tx<'_>, store: &Store, named: Option<&str>) -> Result<Incarnation, Fault> {
    let Some(named) = named else { return Ok(grants::node_of(tx, store.no)?.incarnation) };
    let members = authors::of_store(tx, store.no)?;
    let is_named = |author: &&Author| match author.role {
        Role::Hub => named == "hub",
        Role::Node => author.name == named || author.incarnation.to_string() == named,
        Role::Lone => false,
    };
    let found = members.iter().filter(|author| author.state == State::Live).rfind(is_named);
    found.map(|author| author.incarnation).ok_or_else(|| {
        let detail = format!("store {} has no live node {named}", store.code);
        Fault::field("/custodian", Code::UnknownNode, detail)
    })
}

/// What the hub must do for an item before it promises any of it, and what is left to promise; the item's rights are
/// locked until the transaction ends. The core decides (`model.md` §2, When rights run out).
fn covering(tx: &mut Tx<'_>, store: &Store, sku: &str, free: u64) -> Result<Cover, Fault> {
    let rights = stock::rights(tx, store.no, sku, sku)?.remove(sku).unwrap_or_default();
    let terms = resolve::terms(tx, store, None)?;
    let own = terms.hub().ok_or_else(|| Fault::internal("the store has no H_s"))?;
    let item = Sku(sku.to_owned());
    Ok(core_cover(&rights, &terms, &item, &own, free, Occasion::StrictPromise))
}

/// Before the hub promises, and when it gains rights, it covers what others have sold beyond theirs: goods that have
/// left can't be promised again (`model.md` §2, G42 and G49).
pub fn cover(hub: &Hub, store: &str, sku: &str, now: UtcMs) -> Result<(), Fault> {
    let due = hub.db.read(|tx| {
        let store = stores::find(tx, store)?;
        let waits = recovering::is(tx, store.no)?;
        Ok::<_, Fault>(!waits && !covering(tx, &store, sku, u64::MAX)?.grants.is_empty())
    })?;
    if !due {
        return Ok(());
    }
    hub.write(|tx, after| {
        let store = stores::find(tx, store)?;
        let free = lent::locked(tx, store.no, sku)?;
        let mut facts = Vec::new();
        for (to, units) in covering(tx, &store, sku, free)?.grants {
            let author = authors::find(tx, &to)?.ok_or_else(|| Fault::internal("a member without a row"))?;
            if events::unapplied(tx, author.no)? == 0 {
                facts.push(RightsGranted { sku: Sku(sku.to_owned()), to, units }.into());
            }
        }
        if facts.is_empty() { Ok(()) } else { append(tx, after, hub, &store, &facts, now) }
    })
}

/// Gives a reservation up that the hub itself holds. Asked again it changes nothing.
pub fn cancel(hub: &Hub, id: Id, now: Tau) -> Result<Shown, Fault> {
    let done = hub.write(|tx, after| {
        let known = find(tx, id)?;
        if known.state == "cancelled" {
            return shown(tx, known);
        }
        release(tx, after, hub, &known, End::Cancelled, now.ms)?;
        let known = find(tx, id)?;
        shown(tx, known)
    })?;
    cover(hub, &done.store, &done.row.sku, now.ms)?;
    Ok(done)
}

/// Hands a reservation that the hub holds to a node of its store. Asked again it changes nothing.
pub fn hand_over(hub: &Hub, id: Id, to: Option<&str>, now: Tau) -> Result<Shown, Fault> {
    hub.write(|tx, after| {
        let known = find(tx, id)?;
        let (store, custody) = standing(tx, &known)?;
        let to = custodian(tx, &store, to)?;
        if custody.owner == to {
            return shown(tx, known);
        }
        let own = must_hold(tx, &store, &known, &custody)?;
        let fact = CustodyMoved {
            object: CustodyObject::Reservation(id),
            epoch: custody.epoch,
            n: custody.next().n,
            from: own,
            to,
            basis: Vec::new(),
        };
        append(tx, after, hub, &store, &[fact.into()], now.ms)?;
        shown(tx, known)
    })
}

/// Ends reservations that the hub itself holds and that have run out, and closes those that a locked store handed over
/// before the hub had taken them; how many.
pub fn sweep(hub: &Hub, now: Tau) -> Result<u64, Fault> {
    let due = hub.db.read(|tx| {
        let mut due = its_own(tx, now, End::Expired)?;
        due.extend(its_own(tx, now, End::Closed)?);
        Ok::<_, Fault>(due)
    })?;
    let mut ended = 0;
    for (store, known, end) in due {
        let done = hub.write(|tx, after| {
            let known = find(tx, known.id)?;
            release(tx, after, hub, &known, end, now.ms)
        });
        match done {
            Ok(()) => ended += 1,
            // Somebody else ended it or took it over meanwhile.
            Err(Fault::Refused { code: Code::ReservationEnded | Code::NotCustodian, .. }) => {}
            Err(fault) => return Err(fault),
        }
        cover(hub, &store, &known.sku, now.ms)?;
    }
    Ok(ended)
}

/// The first reservations whose end in this way is due and the hub's to decide, each with its store's code. Those that
/// wait for an absent store are passed over: however many they are, they hold up nobody behind them.
fn its_own(tx: &mut Tx<'_>, now: Tau, end: End) -> Result<Vec<(String, Reservation, End)>, Fault> {
    let (mut found, mut after) = (Vec::new(), 0);
    while found.len() < SWEEP_MAX {
        let page = match end {
            End::Expired => reservations::run_out(tx, now, after, SWEEP_MAX)?,
            _ => reservations::handed_over(tx, after, SWEEP_MAX)?,
        };
        let Some(last) = page.last() else { break };
        after = last.no;
        for known in page {
            if let Some(store) = its_store(tx, &known)? {
                found.push((store, known, end));
            }
        }
    }
    Ok(found)
}

/// The code of a reservation's store, where the hub may end it now.
fn its_store(tx: &mut Tx<'_>, known: &Reservation) -> Result<Option<String>, Fault> {
    let object = super::custody::name(&CustodyObject::Reservation(known.id))?;
    let Some(custody) = stock::custody_seen(tx, known.store, &object)? else { return Ok(None) };
    let Some(store) = crate::db::stores::by_no(tx, known.store)? else { return Ok(None) };
    if recovering::is(tx, store.no)? || must_hold(tx, &store, known, &custody).is_err() {
        return Ok(None);
    }
    Ok(Some(store.code))
}

fn release(
    tx: &mut Tx<'_>,
    after: &mut After,
    hub: &Hub,
    known: &Reservation,
    end: End,
    now: UtcMs,
) -> Result<(), Fault> {
    let (store, held) = standing(tx, known)?;
    let own = must_hold(tx, &store, known, &held)?;
    let (reservation, sku, units) = (known.id, Sku(known.sku.clone()), known.units);
    let (custody, moved) = end_reservation(&held, &own, false, end, known.sale.is_some(), units)
        .map_err(|refusal| Fault::refused(Code::ReservationEnded, refusal.to_string()))?;
    let fact: Body = match end {
        End::Expired => ReservationExpired { reservation, sku, units, moved, custody }.into(),
        _ => ReservationCancelled { reservation, sku, units, moved, custody }.into(),
    };
    append(tx, after, hub, &store, &[fact], now)
}

fn standing(tx: &mut Tx<'_>, known: &Reservation) -> Result<(Store, Custody), Fault> {
    let store = crate::db::stores::by_no(tx, known.store)?.ok_or_else(|| Fault::internal("no such store"))?;
    recovering::must_not_be(tx, store.no)?;
    let object = super::custody::name(&CustodyObject::Reservation(known.id))?;
    let custody = stock::custody(tx, known.store, &object)?;
    Ok((store, custody.ok_or_else(|| Fault::internal("a reservation without a custodian"))?))
}

/// The store's `H_s`, if it is the custodian of a reservation that has not ended.
fn must_hold(
    tx: &mut Tx<'_>,
    store: &Store,
    known: &Reservation,
    custody: &Custody,
) -> Result<Incarnation, Fault> {
    if known.state != "open" {
        let detail = format!("reservation {} was {}", known.id, state(known));
        return Err(Fault::refused(Code::ReservationEnded, detail));
    }
    let own = authors::by_no(tx, store.hub_author)?.map(|author| author.incarnation);
    match own {
        Some(own) if custody.may_finish(&own) => Ok(own),
        _ => {
            let detail = format!("{} is its custodian and alone may end it", custody.owner);
            Err(Fault::refused(Code::NotCustodian, detail))
        }
    }
}

fn find(tx: &mut Tx<'_>, id: Id) -> Result<Reservation, Fault> {
    reservations::find(tx, id)?.ok_or_else(|| Fault::not_found("reservation", &id.to_string()))
}

/// How it stands, in a word: handed over by a sale is fulfilled.
pub fn state(row: &Reservation) -> &str {
    if row.sale.is_some() { "fulfilled" } else { &row.state }
}

fn shown(tx: &mut Tx<'_>, row: Reservation) -> Result<Shown, Fault> {
    let store = crate::db::stores::by_no(tx, row.store)?.map(|store| store.code).unwrap_or_default();
    let object = super::custody::name(&CustodyObject::Reservation(row.id))?;
    let custodian = stock::custody_seen(tx, row.store, &object)?.map(|custody| custody.owner);
    let lacking = exposure::of(tx, row.store, &row.sku)?;
    let exposed = lacking.iter().find(|(id, _)| *id == row.id).map_or(0, |(_, units)| *units);
    Ok(Shown { row, store, custodian, exposed })
}

/// Shows a reservation.
pub fn get(hub: &Hub, id: Id) -> Result<Shown, Fault> {
    hub.db.read(|tx| {
        let row = find(tx, id)?;
        shown(tx, row)
    })
}

/// Reservations in the order of opening, of one store or of all; open ones only unless `all`.
pub fn list(
    hub: &Hub,
    store: Option<&str>,
    all: bool,
    after: i64,
    limit: usize,
) -> Result<Vec<Shown>, Fault> {
    hub.db.read(|tx| {
        let store = match store {
            Some(code) => Some(stores::find(tx, code)?.no),
            None => None,
        };
        let rows = reservations::list(tx, store, all, after, limit)?;
        rows.into_iter().map(|row| shown(tx, row)).collect()
    })
}
