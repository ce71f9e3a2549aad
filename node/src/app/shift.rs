//! A till's shift from opening to Z (`facts.md` §2 and §4; `money.md`, Expected Z report). The pure shift decides; each
//! step is one event with its sums, its Z and its fiscal entry in one transaction.

use super::books::{self, Booked, business_day};
use super::clock::Now;
use super::node::Node;
use super::policy::Act;
use super::problem::{Answer, Code, no, no_at};
use super::request::{Till, hash_of};
use super::shift_desk::{Desk, Running, refused};
use super::shift_z::{self, Beside};
use super::staff::{self, Approved, Used};
use super::{fiscal, shift_recover};
use crate::db::documents::{self, DocumentKind, Entry, RequestHash};
use crate::db::{incarnations, shifts};
use rusqlite::Connection;
use serde::Serialize;
use tradepost_commerce::drawer::{Cash, CashDirection, CashMove, Denomination};
use tradepost_commerce::money::{Currency, Money};
use tradepost_commerce::shift::{Close, LastZ, Phase, Shift};
use tradepost_sync::body::{Body, ShiftClosed, ShiftOpened};
use tradepost_sync::ids::Id;

/// Cash that somebody counted; the store's own currency where none is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Its currency.
    pub currency: Option<Currency>,
    /// By denomination, where it was counted so.
    pub by: Vec<(Money, u32)>,
    /// The sum.
    pub total: Money,
}

/// A shift to be opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenRequest {
    /// The client's id.
    pub id: Id,
    /// The till.
    pub till: Till,
    /// What lies in its drawers.
    pub floats: Vec<Counted>,
}

/// Cash that goes in or out without a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CashRequest {
    /// The client's id.
    pub id: Id,
    /// The till.
    pub till: Till,
    /// Which way.
    pub direction: CashDirection,
    /// Of which drawer; the store's own currency where none is named.
    pub currency: Option<Currency>,
    /// How much.
    pub amount: Money,
    /// Why.
    pub reason: String,
}

/// A shift to be closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CloseRequest {
    /// The till.
    pub till: Till,
    /// The shift's number, so that a repeat is known for one.
    pub shift: u32,
    /// What was counted.
    pub counts: Vec<Counted>,
}

/// Cash in the core's words.
pub(crate) fn cash(node: &Node, counted: &[Counted]) -> Vec<Cash> {
    let own = node.rulebook.settings.currency;
    let one = |counted: &Counted| Cash {
        currency: counted.currency.unwrap_or(own),
        by: counted.by.iter().map(|(value, count)| Denomination { value: *value, count: *count }).collect(),
        total: counted.total,
    };
    counted.iter().map(one).collect()
}

/// Opens a shift. The same request again changes nothing.
///
/// # Errors
/// `SHIFT_OPEN`, `TILL_ELSEWHERE`, `ORPHAN_SHIFT`, `SIGN_ON_REQUIRED`, `COUNT_MISSING`, `BAD_CASH`; then nothing was
/// stored. Or a fault.
pub fn open(node: &mut Node, now: Now, request: &OpenRequest) -> Answer<()> {
    let hash = hash_of(request);
    if repeated(node.conn(), &request.id, DocumentKind::ShiftOpening, hash)? {
        return Ok(());
    }
    let till = request.till.name();
    somebody(node, till)?;
    if let Some(running) = &node.desk(till)?.running {
        let detail = format!("shift {} of till {till} is open", running.shift.number());
        return Err(no(Code::ShiftOpen, detail));
    }
    free_here(node, till)?;
    let number = shifts::last_number(node.conn(), till)?.saturating_add(1);
    let floats = cash(node, &request.floats);
    let probe = Shift::open(number, node.rulebook.settings.currency, &floats).map_err(refused)?;
    // The store's own currency first, as the core sorts its drawers.
    let order = |cash: &Cash| probe.drawers().iter().position(|drawer| drawer.currency == cash.currency);
    let mut floats = floats;
    floats.sort_by_key(order);
    let body = ShiftOpened {
        shift: number,
        business_day: business_day(&node.rulebook, now.trading),
        floats: shift_z::floats(&floats),
    };
    let written = node.write(now, Some(till), None, body.into())?;
    note_request(node, written.place, &request.id, DocumentKind::ShiftOpening, hash)
}

/// A till belongs to one node at a time, and a lost one's shift is closed before the next begins.
fn free_here(node: &Node, till: &str) -> Answer<()> {
    let Some(row) = shifts::elsewhere(node.conn(), till)?.into_iter().next() else { return Ok(()) };
    let author = incarnations::by_no(node.conn(), row.author)?;
    let code = match author.as_ref().is_none_or(shift_recover::is_lost) {
        true => Code::OrphanShift,
        false => Code::TillElsewhere,
    };
    let who = author.map(|author| author.name).unwrap_or_default();
    Err(no(code, format!("shift {} of till {till} was opened by another memory {who}", row.number)))
}

/// Somebody must stand at the till, where the store has staff.
pub(crate) fn somebody(node: &mut Node, till: &str) -> Answer<()> {
    super::training::must_be_off(node, till)?;
    if node.rules()?.staffed && node.desk(till)?.staff.is_none() {
        return Err(no(Code::SignOnRequired, format!("nobody is signed on at till {till}")));
    }
    Ok(())
}

/// Moves cash in or out. The same request again changes nothing.
///
/// # Errors
/// `NO_SHIFT`, `SHIFT_CLOSING`, `NOT_IN_DRAWER`, `REASON_MISSING`, `BAD_MONEY`, `APPROVAL_REQUIRED`; then nothing was
/// stored. Or a fault.
pub fn move_cash(
    node: &mut Node,
    now: Now,
    request: &CashRequest,
    approved: Option<&Approved>,
) -> Answer<()> {
    let hash = hash_of(request);
    if repeated(node.conn(), &request.id, DocumentKind::CashMove, hash)? {
        return Ok(());
    }
    let till = request.till.name();
    somebody(node, till)?;
    let mut shift = open_of(node, till)?.shift.clone();
    let approver = match request.direction {
        CashDirection::Out => staff::allow(node, Some(till), Act::CashOut, approved)?,
        _ => approved.map(|approved| approved.staff().clone()),
    };
    let moved = CashMove {
        direction: request.direction,
        currency: request.currency.unwrap_or(node.rulebook.settings.currency),
        amount: request.amount,
        reason: request.reason.clone(),
        approver,
    };
    shift.cash(&moved).map_err(refused)?;
    let written = node.write(now, Some(till), None, shift_z::cash_moved(&moved).into())?;
    note_request(node, written.place, &request.id, DocumentKind::CashMove, hash)
}

/// Begins the count: from now on nothing is sold into the shift. Asked again it changes nothing.
///
/// # Errors
/// `NO_SHIFT`; or a fault.
pub fn begin_count(node: &mut Node, till: &Till) -> Answer<()> {
    somebody(node, till.name())?;
    let mut shift = open_of(node, till.name())?.shift.clone();
    if shift.phase() == Phase::Open {
        shift.begin_closing().map_err(refused)?;
        node.set_running(till.name(), shift)?;
    }
    Ok(())
}

/// Closes a shift: the Z. Asked again for the same shift it answers the same Z.
///
/// # Errors
/// `NO_SHIFT`, `COUNT_MISSING`, `BAD_CASH`, `DIFFERENCE_NEEDS_APPROVAL`, `APPROVAL_REQUIRED`; then nothing was stored.
/// Or a fault.
pub fn close(
    node: &mut Node,
    now: Now,
    request: &CloseRequest,
    approved: Option<&Approved>,
) -> Answer<Booked> {
    let till = request.till.name();
    if let Some(done) = closed_before(node, till, request.shift)? {
        return Ok(done);
    }
    somebody(node, till)?;
    let running = open_of(node, till)?.clone();
    if running.shift.number() != request.shift {
        let detail =
            format!("shift {} is open at till {till}, not {}", running.shift.number(), request.shift);
        return Err(no_at(Code::NoShift, "/shift", detail));
    }
    let counts = cash(node, &request.counts);
    let z = decide(node, till, running, counts, approved)?;
    if let Some(by) = z.approver.clone() {
        let reason = format!("Z {}", z.z);
        staff::note(
            node,
            now,
            Some(till),
            &Used { act: Act::CountDifference, object: None, by, reason: &reason },
        )?;
    }
    let written = node.write(now, Some(till), None, z.into())?;
    Ok(Booked::fresh(written))
}

fn decide(
    node: &mut Node,
    till: &str,
    running: Running,
    counts: Vec<Cash>,
    approved: Option<&Approved>,
) -> Answer<ShiftClosed> {
    let mut shift = running.shift;
    if shift.phase() == Phase::Open {
        shift.begin_closing().map_err(refused)?;
    }
    let policy = node.rules()?.policy.closing();
    let last = last_z(node.conn(), till)?;
    let last = LastZ { z: last, totals: running.before };
    let mut alone = shift.clone();
    let carts = super::tender_end::open_at(node.conn(), till)?;
    let close = |approver| Close { counts: counts.clone(), approver, carts: carts.clone() };
    let z = match alone.close(close(None), policy, last) {
        Err(refusal @ tradepost_commerce::shift::ShiftRefusal::DifferenceNeedsApproval { .. }) => {
            let by = match node.rules()?.staffed {
                true => staff::allow(node, Some(till), Act::CountDifference, approved)
                    .map_err(|_| refused(refusal))?,
                // Nobody is there to be asked: the difference stands in the Z for all to see.
                false => None,
            };
            let policy = tradepost_commerce::shift::ClosePolicy { difference_max: None, ..policy };
            shift.close(close(by), policy, last).map_err(refused)?
        }
        done => done.map_err(refused)?,
    };
    let beside = Beside {
        day: running.day,
        heads: fiscal::heads(node, till)?,
        opened_by: None,
        continuity_broken: shift_recover::broken_before(node, till)?,
    };
    Ok(shift_z::closed(z, beside))
}

/// The number of the last Z that is known of a till: one that was printed on a branch which fell isn't given out again.
pub(crate) fn last_z(conn: &Connection, till: &str) -> Answer<u32> {
    let stands = shifts::last_z(conn, till)?.map_or(0, |row| row.z);
    Ok(stands.max(crate::db::fiscal::last_z(conn, till)?))
}

fn closed_before(node: &Node, till: &str, number: u32) -> Answer<Option<Booked>> {
    let row = shifts::own(node.conn(), till, number)?;
    row.and_then(|row| row.closed).map(|place| Booked::load(node.conn(), place)).transpose()
}

fn open_of<'a>(node: &'a mut Node, till: &str) -> Answer<&'a Running> {
    let missing = || no(Code::NoShift, format!("till {till} has no open shift"));
    node.desk(till)?.running.as_ref().ok_or_else(missing)
}

/// Whether an id was used for this very request.
pub(crate) fn repeated(conn: &Connection, id: &Id, kind: DocumentKind, hash: RequestHash) -> Answer<bool> {
    match documents::find(conn, id)? {
        Some(found) => super::request::same_request(&found, kind, hash).map(|_| true),
        None => Ok(false),
    }
}

/// Notes which request an event answered.
pub(crate) fn note_request(
    node: &Node,
    place: i64,
    id: &Id,
    kind: DocumentKind,
    hash: RequestHash,
) -> Answer<()> {
    let entry = Entry { id, kind, request: Some(hash), receipt: None, day: None };
    Ok(documents::insert(node.conn(), place, &entry)?)
}

/// A till's open shift as it is stored.
///
/// # Errors
/// `NO_SHIFT`, or a fault.
pub fn running(conn: &Connection, till: &str) -> Answer<Running> {
    let missing = || no(Code::NoShift, format!("till {till} has no open shift"));
    Desk::load(conn, till)?.running.ok_or_else(missing)
}

/// A Z by its till and number.
///
/// # Errors
/// `NOT_FOUND`, or a fault.
pub fn z(conn: &Connection, till: &str, number: u32) -> Answer<Booked> {
    let missing = || no(Code::NotFound, format!("till {till} has no Z {number}"));
    let row = shifts::z(conn, till, number)?.ok_or_else(missing)?;
    Booked::load(conn, row.place)
}

/// Zs of a till below a number, the last first.
///
/// # Errors
/// A fault.
pub fn zs(conn: &Connection, till: &str, below: Option<u32>, limit: usize) -> Answer<Vec<Booked>> {
    let rows = shifts::zs(conn, till, below, limit)?;
    rows.into_iter().map(|row| Booked::load(conn, row.place)).collect()
}

/// The frozen body of a Z.
///
/// # Errors
/// `NOT_FOUND` for an event that holds none.
pub fn body_of(booked: &Booked) -> Answer<&ShiftClosed> {
    match &booked.body {
        Body::ShiftClosed(closed) => Ok(closed),
        _ => Err(no(Code::NotFound, "it is no Z")),
    }
}

/// The id by which copies of a Z are counted: of its event, so that nobody has to give one.
pub(crate) fn z_id(booked: &Booked) -> Id {
    let envelope = &booked.event.envelope;
    tradepost_sync::ids::derived_id(envelope.hlc.ms(), &envelope.incarnation, envelope.seq)
}

/// A business day as people write it.
pub fn day_text(day: tradepost_sync::body::Day) -> String {
    books::date_of(day).to_string()
}
