//! What an `H_s` of before a restore had said is lived again (`model.md` §3, The hub is a replica too): its events come out
//! of journals or from the nodes that hold them, and the tables that they had filled are filled once more: members,
//! fences, caps, resolved rights, reservations, deliveries, transfers, aliases.

use super::books::{self, Names};
use super::{Fault, aliases, barrier, counts, custody, exposure, lend, objects, waits};
use crate::db::authors::{self, Author, NewAuthor, Role, State};
use crate::db::booking::{self, Booking};
use crate::db::reservations::{self, Reservation};
use crate::db::shipments::{self, Line, Shipment};
use crate::db::{Tx, enrolments, events, lent, outbox, recoveries, recovery, review, stock, stores};
use crate::hub::{After, Hub};
use std::collections::BTreeSet;
use tradepost_sync::body::{
    BarrierClosed, Body, CustodyObject, DeliveryExpected, ExpectedLine, Kind, NodeFenced, ReservationOpened,
    RosterChanged, RosterEntry, TransferExpected,
};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::effects::{self, Cell, Effects};
use tradepost_sync::event::Event;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Hash, Id};
use tradepost_sync::lease::LEASE_MS_DEFAULT;
use tradepost_sync::recovery::Recovering;
use tradepost_sync::terms::Cap;

/// Events read at a time.
const PAGE: usize = 500;

/// The request of a reservation that came back is not known: whoever asks again is known by what it asks for.
pub const REQUEST_FORGOTTEN: Hash = Hash::ZERO;

/// Books an event of a journal: false where something is missing before it, or its store isn't known.
pub(super) fn book(
    tx: &mut Tx<'_>,
    after: &mut After,
    hub: &Hub,
    event: &Event,
    now: UtcMs,
) -> Result<bool, Fault> {
    let Some(author) = author(tx, hub, event, now)? else { return Ok(false) };
    let seq = event.envelope.seq;
    if seq <= author.head.seq {
        return Ok(events::hash_at(tx, author.no, seq)? == Some(event.hash));
    }
    if seq != author.head.seq + 1 || event.envelope.prev_hash != author.head.hash {
        return Ok(false);
    }
    let store = stores::by_no(tx, author.store)?.ok_or_else(|| Fault::internal("no such store"))?;
    let names = Names::new(enrolments::aliases(tx, store.no)?);
    let one = std::slice::from_ref(event);
    let judged = counts::judging(tx, &author, one, &names)?;
    let mut booking = Booking::new(author.no, store.no, author.head);
    booking.cap = barrier::cap_of(tx, &author)?;
    books::log(&mut booking, event);
    let told = told(event);
    books::effects(&mut booking, &event.envelope, &told, &names, &judged.counts);
    booking.outbox = (store.stream, outbox::take(tx, store.stream, 1)?);
    let mark = HeadMark { incarnation: author.incarnation, seq, hash: event.hash };
    booking.signature = Some(hub.device.sign_head(&mark));
    let mut moved = booking::save(tx, &booking)?;
    lend::follow(tx, &store, &booking)?;
    custody::take(tx, &booking, now)?;
    let folded = counts::follow(tx, &booking, &judged, &[], &names, now)?;
    moved.retain(|row| !folded.iter().any(|other| other.sku == row.sku));
    moved.extend(folded);
    if let Ok(body) = event.body() {
        let touched = booking.stock.keys().cloned().collect();
        objects::note(tx, store.no, &names, std::slice::from_ref(&body), touched, now)?;
    }
    if let Some(mark) = event.envelope.journal {
        stores::mark_journal(tx, mark.process, mark.n, author.no, seq)?;
    }
    heard(tx, &author, one, now)?;
    after.stock.push((store.code, moved));
    Ok(true)
}

/// Whose event it is. An `H_s` that the database doesn't know (it began after the backup) is known by its first word, the
/// roster.
fn author(tx: &mut Tx<'_>, hub: &Hub, event: &Event, now: UtcMs) -> Result<Option<Author>, Fault> {
    let who = event.envelope.incarnation;
    if let Some(known) = authors::find(tx, &who)? {
        return Ok(Some(known));
    }
    let Ok(Body::RosterChanged(roster)) = event.body() else { return Ok(None) };
    for member in &roster.members {
        if let Some(known) = authors::find(tx, &member.incarnation)? {
            let new = NewAuthor {
                incarnation: who,
                store: known.store,
                role: Role::Hub,
                device_key: hub.device.public(),
                name: "hub",
                program: "",
                successor: None,
            };
            let no = authors::insert(tx, &new, now)?;
            authors::set_state(tx, no, State::Fenced)?;
            return Ok(authors::by_no(tx, no)?);
        }
    }
    Ok(None)
}

fn told(event: &Event) -> Effects {
    let told = match event.body() {
        Ok(body) => effects::of(&event.envelope, &body).ok(),
        Err(_) => event.envelope.cells.clone().filter(|told| effects::plausible(told).is_ok()),
    };
    told.unwrap_or_default()
}

/// What events of an `H_s` of before said, after they were booked. What lies behind its cap comes too late to be lived
/// again: it is listed for a person.
pub(super) fn heard(tx: &mut Tx<'_>, old: &Author, new: &[Event], now: UtcMs) -> Result<(), Fault> {
    let cap = recovery::cap(tx, old.no)?;
    for event in new {
        let Ok(body) = event.body() else { continue };
        if cap.is_none_or(|cap| event.envelope.seq <= cap.seq) {
            live(tx, old, &body, now)?;
        } else if is_promise(&body) {
            let reference = format!("{}/{}", old.incarnation, event.envelope.seq);
            let kind = body.kind().map_or("", Kind::name);
            let detail =
                format!("{kind} of the hub before it was put back turned up after the recovery had ended");
            review::add(tx, old.store, "old_hub_late", &reference, &detail, now)?;
        }
    }
    Ok(())
}

fn is_promise(body: &Body) -> bool {
    matches!(
        body,
        Body::ReservationOpened(_)
            | Body::NodeFenced(_)
            | Body::DeliveryExpected(_)
            | Body::TransferExpected(_)
    )
}

fn live(tx: &mut Tx<'_>, old: &Author, body: &Body, now: UtcMs) -> Result<(), Fault> {
    let store = old.store;
    let names = Names::new(enrolments::aliases(tx, store)?);
    match body {
        Body::RosterChanged(roster) => members(tx, old, roster, now),
        Body::NodeFenced(fenced) => fence(tx, store, fenced, now),
        Body::BarrierClosed(closed) if !closed.void => caps(tx, store, closed),
        Body::NodeResolved(done) => match authors::find(tx, &done.incarnation)? {
            Some(author) => Ok(recovery::resolve(tx, store, &names.booked(&done.sku), author.no)?),
            None => Ok(()),
        },
        Body::ReservationOpened(opened) => reserve(tx, store, opened, &names, now),
        Body::DeliveryExpected(expected) => delivery(tx, store, expected, &names, now),
        Body::TransferExpected(expected) => transfer(tx, store, expected, &names, now),
        Body::SkuAliased(alias) if names.booked(&alias.from) != alias.to.0 => {
            aliases::join(tx, store, &alias.from.0, &alias.to.0, now)
        }
        _ => Ok(()),
    }
}

/// Members that the backup didn't know are known again; who was out is out.
fn members(tx: &mut Tx<'_>, old: &Author, roster: &RosterChanged, now: UtcMs) -> Result<(), Fault> {
    recoveries::roster_at_least(tx, old.store, roster.version)?;
    for member in &roster.members {
        match authors::find(tx, &member.incarnation)? {
            Some(known) if known.role == Role::Node => stand(tx, &known, member)?,
            Some(_) => {}
            None => take_in(tx, old, member, now)?,
        }
    }
    Ok(())
}

fn stand(tx: &mut Tx<'_>, known: &Author, member: &RosterEntry) -> Result<(), Fault> {
    let state = match (member.fenced, member.retired) {
        _ if known.state != State::Live => return Ok(()),
        (true, _) => State::Fenced,
        (false, true) => State::Retired,
        (false, false) => return Ok(()),
    };
    Ok(authors::set_state(tx, known.no, state)?)
}

fn take_in(tx: &mut Tx<'_>, old: &Author, member: &RosterEntry, now: UtcMs) -> Result<(), Fault> {
    // Whoever is named for the first time and has ended already sold alone before its enrolment.
    let role = match (member.device_key == old.device_key, member.retired && !member.fenced) {
        (true, _) => Role::Hub,
        (false, true) => Role::Lone,
        (false, false) => Role::Node,
    };
    let new = NewAuthor {
        incarnation: member.incarnation,
        store: old.store,
        role,
        device_key: member.device_key,
        name: &member.name,
        program: "",
        successor: None,
    };
    let no = authors::insert(tx, &new, now)?;
    if role == Role::Lone {
        return Ok(authors::set_state(tx, no, State::Retired)?);
    }
    if member.fenced || role == Role::Hub {
        authors::set_state(tx, no, State::Fenced)?;
    }
    if role == Role::Node
        && let Some(mut row) = recoveries::open_locked(tx, old.store)?
    {
        let mut recovering: Recovering = serde_json::from_str(&row.body).map_err(Fault::internal)?;
        recovering.known.insert(member.incarnation);
        row.body = serde_json::to_string(&recovering).map_err(Fault::internal)?;
        recoveries::save(tx, &row)?;
        let at = super::tau(tx, now)?;
        waits::change(tx, old.store, at, |waits| waits.renewed(member.incarnation, LEASE_MS_DEFAULT, at))?;
    }
    Ok(())
}

fn fence(tx: &mut Tx<'_>, store: i64, fenced: &NodeFenced, now: UtcMs) -> Result<(), Fault> {
    let Some(known) = authors::find(tx, &fenced.incarnation)?.filter(|known| known.role == Role::Node) else {
        return Ok(());
    };
    if known.state == State::Live {
        authors::set_state(tx, known.no, State::Fenced)?;
    }
    if fenced.attested.is_some() {
        let at = super::tau(tx, now)?;
        waits::change(tx, store, at, |waits| waits.attest(fenced.incarnation, at))?;
    }
    Ok(())
}

fn caps(tx: &mut Tx<'_>, store: i64, closed: &BarrierClosed) -> Result<(), Fault> {
    for cap in &closed.caps {
        let Some(author) = authors::find(tx, &cap.incarnation)? else { continue };
        if recovery::cap(tx, author.no)?.is_none() {
            recovery::set_cap(tx, author.no, &Cap { seq: cap.seq, hash: cap.hash })?;
            take_back(tx, store, &author, cap.seq)?;
        }
    }
    Ok(())
}

/// Cells of events that were booked before their author's cap was known again, and stand behind it, fall away.
pub(super) fn take_back(tx: &mut Tx<'_>, store: i64, author: &Author, cap: u64) -> Result<(), Fault> {
    if !author.moves_stock() || author.head.seq <= cap {
        return Ok(());
    }
    let withheld = events::first_unapplied(tx, author.no)?;
    let names = Names::new(enrolments::aliases(tx, store)?);
    let own = match stores::by_no(tx, store)? {
        Some(store) => authors::by_no(tx, store.hub_author)?.map(|own| own.incarnation),
        None => None,
    };
    let mut from = cap + 1;
    loop {
        let page = events::from(tx, author.no, from, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        from = last.seq + 1;
        for event in page.iter().filter_map(|stored| Event::read(&stored.bytes).ok()) {
            for effect in told(&event).cells {
                let sku = names.booked(&effect.sku);
                let units = effect.units;
                let cells = match effect.cell {
                    Cell::Minted => [units, 0, 0, 0],
                    Cell::Used => [0, units, 0, 0],
                    Cell::Overdrawn => [0, 0, units, 0],
                    Cell::Settled => [0, 0, 0, units],
                    // What was given away behind an event that is not applied was never counted.
                    Cell::Given(_) if withheld.is_some_and(|first| first < event.envelope.seq) => continue,
                    Cell::Given(to) => {
                        recoveries::take_back_gift(tx, store, &sku, author.no, &to, units)?;
                        if Some(to) == own {
                            lent::add(tx, store, &sku, -i64::try_from(units).unwrap_or(i64::MAX))?;
                        }
                        continue;
                    }
                };
                recoveries::take_back_cells(tx, store, &sku, author.no, cells)?;
            }
        }
    }
}

fn reserve(
    tx: &mut Tx<'_>,
    store: i64,
    opened: &ReservationOpened,
    names: &Names,
    now: UtcMs,
) -> Result<(), Fault> {
    let id = opened.reservation;
    if reservations::find(tx, id)?.is_some() {
        return Ok(());
    }
    let sku = names.booked(&opened.sku);
    let row = Reservation {
        no: 0,
        id,
        request: REQUEST_FORGOTTEN,
        store,
        sku: sku.clone(),
        units: opened.units,
        order: opened.order,
        reference: opened.reference.clone(),
        expires: opened.expires,
        prepaid: opened.prepaid.map(|amount| amount.0),
        state: "open".to_owned(),
        sale: None,
        opened_at: now,
        ended_at: None,
    };
    reservations::insert(tx, &row)?;
    // Its end may have come from a node before its beginning came back.
    let object = custody::name(&CustodyObject::Reservation(id))?;
    if stock::custody_seen(tx, store, &object)?.is_some_and(|custody| custody.terminal)
        && let Some(state) = ended_as(tx, store, id)?
    {
        reservations::end(tx, id, state, now)?;
    }
    exposure::look(tx, store, &BTreeSet::from([sku]), now)
}

fn ended_as(tx: &mut Tx<'_>, store: i64, id: Id) -> Result<Option<&'static str>, Fault> {
    let kinds = [Kind::ReservationFulfilled, Kind::ReservationCancelled, Kind::ReservationExpired];
    for bytes in recoveries::events_of_kinds(tx, store, kinds.map(Kind::number))? {
        let body = Event::read(&bytes).ok().and_then(|event| event.body().ok());
        match body {
            Some(Body::ReservationFulfilled(done)) if done.reservation == id => return Ok(Some("fulfilled")),
            Some(Body::ReservationCancelled(done)) if done.reservation == id => return Ok(Some("cancelled")),
            Some(Body::ReservationExpired(done)) if done.reservation == id => return Ok(Some("expired")),
            _ => {}
        }
    }
    Ok(None)
}

fn lines(tx: &mut Tx<'_>, id: Id, expected: &[ExpectedLine], names: &Names) -> Result<(), Fault> {
    for line in expected {
        let (sku, cost) = (names.booked(&line.sku), line.cost.map(|cost| cost.0));
        shipments::add(tx, id, &Line { sku, cost, expected: line.units, received: 0 })?;
    }
    Ok(())
}

fn delivery(
    tx: &mut Tx<'_>,
    store: i64,
    expected: &DeliveryExpected,
    names: &Names,
    now: UtcMs,
) -> Result<(), Fault> {
    let row = Shipment {
        no: 0,
        id: expected.delivery,
        request: None,
        kind: "delivery".to_owned(),
        store,
        to_store: None,
        reference: expected.reference.clone(),
        state: "expected".to_owned(),
        announced: true,
        same_as: None,
        begun_at: now,
        ended_at: None,
    };
    // Its receipt may have come from a node before its announcement came back.
    let unknown = shipments::begin(tx, &row)?;
    if unknown || shipments::lines(tx, row.id)?.iter().all(|line| line.expected == 0) {
        lines(tx, row.id, &expected.lines, names)?;
    }
    Ok(())
}

/// The sending store's own word makes the row; where that has not come back yet, this one stands for it.
fn transfer(
    tx: &mut Tx<'_>,
    store: i64,
    expected: &TransferExpected,
    names: &Names,
    now: UtcMs,
) -> Result<(), Fault> {
    let id = expected.transfer;
    if shipments::find(tx, id)?.is_none() {
        let Some(from) = stores::find(tx, &expected.from_store)? else { return Ok(()) };
        let to_store = stores::by_no(tx, store)?.map(|store| store.code);
        let row = Shipment {
            no: 0,
            id,
            request: None,
            kind: "transfer".to_owned(),
            store: from.no,
            to_store,
            reference: String::new(),
            state: "in_transit".to_owned(),
            announced: true,
            same_as: None,
            begun_at: now,
            ended_at: None,
        };
        shipments::begin(tx, &row)?;
        lines(tx, id, &expected.lines, names)?;
    }
    Ok(shipments::set_announced(tx, id)?)
}
