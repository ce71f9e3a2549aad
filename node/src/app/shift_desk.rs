//! What stands at each till while the node runs: who is signed on, the open shift with its sums, and the end of its
//! fiscal chain. Every fact of a till passes here, so a shift is the sum of its documents and nothing else.

use super::clock::Now;
use super::fiscal;
use super::node::Node;
use super::problem::{Answer, Code, Stop, no};
use super::shift_z;
use super::staff::Rules;
use crate::db::incarnations::{self, Part};
use crate::db::shifts::{self, ShiftRow, ZRow};
use crate::db::{Fault, reservations, staff};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use tradepost_commerce::document::StaffId;
use tradepost_commerce::shift::{Numbered, Perpetual, Phase, Shift, ShiftRefusal};
use tradepost_sync::body::{Body, Day, PaymentSettled, ReceiptNumber, ShiftOpened};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::event::Event;
use tradepost_sync::ids::Id;

/// An open shift of this node.
#[derive(Clone, Debug)]
pub struct Running {
    /// The event that opened it.
    pub opened: i64,
    /// Its business day.
    pub day: Day,
    /// When it was opened.
    pub at: UtcMs,
    /// The till's totals before it.
    pub before: Perpetual,
    /// Its sums.
    pub shift: Shift,
}

/// The part of it that is kept as JSON.
#[derive(Serialize, Deserialize)]
struct Kept {
    at: UtcMs,
    before: Perpetual,
    shift: Shift,
}

/// A till.
#[derive(Clone, Debug, Default)]
pub struct Desk {
    /// Who is signed on.
    pub staff: Option<StaffId>,
    /// Its open shift.
    pub running: Option<Running>,
    /// It practises.
    pub practises: bool,
    /// The end of the fiscal chain that it writes, once it has.
    pub(super) chain: Option<fiscal::Writing>,
    /// The sums have changed since they were kept.
    changed: bool,
}

/// All tills, as far as they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Desks {
    by_till: BTreeMap<String, Desk>,
    rules: Option<Arc<Rules>>,
}

impl Desk {
    /// Reads a till.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn load(conn: &Connection, till: &str) -> Result<Self, Fault> {
        let staff = staff::at_till(conn, till)?.map(|on| StaffId(on.staff));
        let running = shifts::running(conn, till)?.map(|row| Running::of(&row)).transpose()?;
        let practises = super::training::is_on(conn, till)?;
        Ok(Self { staff, running, practises, chain: None, changed: false })
    }

    /// What every event of the till bears: its shift's number, and who was signed on.
    pub(crate) fn stamp(&self) -> (Option<u32>, Option<StaffId>) {
        (self.running.as_ref().map(|running| running.shift.number()), self.staff.clone())
    }
}

impl Running {
    fn of(row: &ShiftRow) -> Result<Self, Fault> {
        let broken = |e: serde_json::Error| Fault::Fatal(format!("a stored shift: {e}"));
        let kept: Kept = serde_json::from_str(row.body.as_deref().unwrap_or_default()).map_err(broken)?;
        Ok(Self { opened: row.opened, day: row.day, at: kept.at, before: kept.before, shift: kept.shift })
    }

    fn keep(&self) -> Result<String, Fault> {
        let kept = Kept { at: self.at, before: self.before, shift: self.shift.clone() };
        serde_json::to_string(&kept).map_err(|e| Fault::Fatal(format!("a shift: {e}")))
    }
}

impl Node {
    /// A till as this group sees it.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn desk(&mut self, till: &str) -> Result<&mut Desk, Fault> {
        if !self.desks.by_till.contains_key(till) {
            let desk = Desk::load(self.conn(), till)?;
            self.desks.by_till.insert(till.to_owned(), desk);
        }
        self.desks.by_till.get_mut(till).ok_or_else(|| Fault::Fatal("a till was lost".to_owned()))
    }

    /// The rules of who may do what.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn rules(&mut self) -> Result<Arc<Rules>, Fault> {
        if let Some(rules) = &self.desks.rules {
            return Ok(Arc::clone(rules));
        }
        let rules = Arc::new(Rules::load(self.conn())?);
        self.desks.rules = Some(Arc::clone(&rules));
        Ok(rules)
    }

    /// Records behind the tills have changed: they are read again. Sums that are not kept yet stay.
    pub(crate) fn forget_desks(&mut self) {
        self.desks.rules = None;
        self.desks.by_till.retain(|_, desk| desk.changed);
        let tills: Vec<String> = self.desks.by_till.keys().cloned().collect();
        for till in tills {
            // What can't be read here can't be read below either, and then the group is given up.
            let on = staff::at_till(self.conn(), &till).ok().flatten();
            if let Some(desk) = self.desks.by_till.get_mut(&till) {
                desk.staff = on.map(|on| StaffId(on.staff));
            }
        }
    }

    /// Forgets everything that is known of tills: the tables are right.
    pub(crate) fn drop_desks(&mut self) {
        self.desks = Desks::default();
    }

    /// Keeps the sums that changed.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn keep_desks(&mut self) -> Result<(), Fault> {
        for desk in self.desks.by_till.values_mut().filter(|desk| desk.changed) {
            if let Some(running) = &desk.running {
                shifts::keep(self.db.conn(), running.opened, &running.keep()?)?;
            }
            desk.changed = false;
        }
        Ok(())
    }

    /// Replaces an open shift's sums.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn set_running(&mut self, till: &str, shift: Shift) -> Result<(), Fault> {
        let desk = self.desk(till)?;
        if let Some(running) = &mut desk.running {
            running.shift = shift;
            desk.changed = true;
            self.touch();
        }
        Ok(())
    }
}

/// What a till must have before it makes a document, and the document's business day: the shift's, else the calendar's
/// (`facts.md` §4, Shift).
///
/// # Errors
/// `SHIFT_REQUIRED`, `SHIFT_CLOSING`, `SIGN_ON_REQUIRED`, `TRAINING_MODE`; or a fault.
pub(crate) fn at_counter(node: &mut Node, now: Now, till: &str) -> Answer<Day> {
    super::training::must_be_off(node, till)?;
    let rules = node.rules()?;
    let today = super::books::business_day(&node.rulebook, now.trading);
    let desk = node.desk(till)?;
    if rules.staffed && desk.staff.is_none() {
        return Err(no(Code::SignOnRequired, format!("nobody is signed on at till {till}")));
    }
    Ok(match &desk.running {
        Some(running) if running.shift.phase() == Phase::Open => running.day,
        Some(running) => {
            let detail = format!("shift {} of till {till} is being counted", running.shift.number());
            return Err(no(Code::ShiftClosing, detail));
        }
        None if rules.policy.shifts == super::policy::Shifts::Required => {
            return Err(no(Code::ShiftRequired, format!("till {till} has no open shift")));
        }
        None => today,
    })
}

/// What a fact makes of a till's open shift; decided before the fact is written.
pub(crate) struct Folded {
    till: String,
    shift: Shift,
}

/// Folds a fact into the open shift of its till. Facts without a shift change none.
///
/// # Errors
/// Why the shift can't take it; or a fault.
pub(crate) fn fold(node: &mut Node, till: Option<&str>, body: &Body) -> Answer<Option<Folded>> {
    if let Body::PaymentSettled(settled) = body {
        return settle(node, settled);
    }
    let Some(till) = till else { return Ok(None) };
    let prepaid = prepaid_of(node.conn(), body)?;
    let Some(running) = &node.desk(till)?.running else { return Ok(None) };
    let mut shift = running.shift.clone();
    let changed = take(&mut shift, body, prepaid).map_err(refused)?;
    Ok(changed.then(|| Folded { till: till.to_owned(), shift }))
}

/// Takes a fact into a shift; whether it is one that a shift is made of.
///
/// # Errors
/// [`ShiftRefusal`].
pub(crate) fn take(
    shift: &mut Shift,
    body: &Body,
    prepaid: Option<tradepost_commerce::money::Money>,
) -> Result<bool, ShiftRefusal> {
    take_in(shift, body, prepaid, false)
}

/// The same; `again` for a fact that is said again, whose number may have been given out twice.
///
/// # Errors
/// [`ShiftRefusal`].
pub(crate) fn take_in(
    shift: &mut Shift,
    body: &Body,
    prepaid: Option<tradepost_commerce::money::Money>,
    again: bool,
) -> Result<bool, ShiftRefusal> {
    match body {
        Body::SaleCommitted(sale) => {
            shift.sale(numbered(&sale.sale_id, &sale.receipt, again), &sale.document)?;
        }
        Body::RefundCommitted(back) => {
            shift.refund(numbered(&back.refund_id, &back.receipt, again), &back.document)?;
        }
        Body::ReceivableCollected(paid) => {
            let settlement = shift_z::settlement_of(paid)?;
            shift.receivable(numbered(&paid.sale_id, &paid.receipt, again), &settlement, &paid.tenders)?;
        }
        Body::CashMoved(moved) => shift.cash(&shift_z::cash_move(moved))?,
        Body::DrawerOpened(_) => shift.drawer_opened()?,
        Body::CopyPrinted(_) => shift.copy_printed()?,
        Body::ReservationFulfilled(_) => match prepaid {
            Some(amount) => shift.handed_out(amount)?,
            None => return Ok(false),
        },
        Body::PaymentSettled(settled) => {
            let Some((object, index)) = shift_z::waiting(shift, settled) else { return Ok(false) };
            shift.settled(object, index, shift_z::settled_as(settled.outcome))?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn numbered<'a>(id: &Id, receipt: &'a ReceiptNumber, again: bool) -> Numbered<'a> {
    Numbered { id: id.0, series: &receipt.series, n: receipt.n, again }
}

/// What a prepaid order that is handed out was worth.
pub(crate) fn prepaid_of(
    conn: &Connection,
    body: &Body,
) -> Result<Option<tradepost_commerce::money::Money>, Fault> {
    let Body::ReservationFulfilled(done) = body else { return Ok(None) };
    let reservation = reservations::find(conn, &done.reservation)?;
    Ok(reservation.and_then(|one| one.prepaid).map(tradepost_commerce::money::Money))
}

/// A tender's end belongs to the shift that waits for it, whichever till it is.
fn settle(node: &mut Node, settled: &PaymentSettled) -> Answer<Option<Folded>> {
    let tills = shifts::tills_running(node.conn())?;
    for till in tills {
        let Some(running) = &node.desk(&till)?.running else { continue };
        let mut shift = running.shift.clone();
        let body = Body::PaymentSettled(Box::new(settled.clone()));
        if take(&mut shift, &body, None).map_err(refused)? {
            return Ok(Some(Folded { till, shift }));
        }
    }
    Ok(None)
}

/// A fact of a till is written: its shift, its Z and its fiscal chain follow in the same transaction.
///
/// # Errors
/// A fault.
pub(crate) fn book(
    node: &mut Node,
    place: i64,
    event: &Event,
    body: &Body,
    folded: Option<Folded>,
) -> Answer<()> {
    if let Some(Folded { till, shift }) = folded {
        node.set_running(&till, shift)?;
    }
    let Some(till) = event.envelope.till.clone() else { return Ok(()) };
    match body {
        Body::ShiftOpened(opened) => begin(node, place, event, &till, opened)?,
        Body::ShiftClosed(closed) => {
            let author = match closed.opened_by {
                Some(author) => crate::db::incarnations::find(node.conn(), &author)?.map(|known| known.no),
                None => None,
            };
            end(node, place, &till, closed, author)?;
        }
        _ => {}
    }
    fiscal::enter(node, place, event, &till, body)
}

fn begin(node: &mut Node, place: i64, event: &Event, till: &str, opened: &ShiftOpened) -> Answer<()> {
    let before = fiscal::totals(node, till)?;
    let currency = node.rulebook.settings.currency;
    let floats = shift_z::floats_back(&opened.floats);
    let shift = Shift::open(opened.shift, currency, &floats).map_err(refused)?;
    let running = Running { opened: place, day: opened.business_day, at: event.envelope.wall, before, shift };
    let row = ShiftRow {
        opened: place,
        till: till.to_owned(),
        number: opened.shift,
        author: crate::db::events::parts(place).0,
        day: opened.business_day,
        closed: None,
        body: Some(running.keep()?),
    };
    shifts::open(node.conn(), &row)?;
    node.desk(till)?.running = Some(running);
    Ok(())
}

/// A Z of this node: of its own shift, or of a lost one that it closed.
fn end(
    node: &mut Node,
    place: i64,
    till: &str,
    closed: &tradepost_sync::body::ShiftClosed,
    author: Option<i64>,
) -> Answer<()> {
    let mut z = ZRow { place, z: closed.z, shift: closed.shift, opened: None, upto: None };
    match author {
        Some(author) => {
            if let Some(row) = shifts::of_author(node.conn(), till, closed.shift, author)?.into_iter().next()
            {
                z.opened = Some(row.opened);
                z.upto = crate::db::incarnations::by_no(node.conn(), author)?.map(|known| known.head.seq);
                if row.closed.is_none() {
                    shifts::close(node.conn(), row.opened, place)?;
                }
                super::shift_again::are_told(node.conn(), &row, place)?;
            }
        }
        None => {
            let desk = node.desk(till)?;
            desk.changed = false;
            if let Some(running) = desk.running.take() {
                shifts::close(node.conn(), running.opened, place)?;
            }
        }
    }
    Ok(shifts::add_z(node.conn(), till, &z)?)
}

/// Another one's shift begins or ends: noted, so that a till that comes here goes on from it.
///
/// # Errors
/// A fault.
pub(crate) fn hear(node: &mut Node, place: i64, event: &Event, body: &Body) -> Answer<()> {
    let Some(till) = event.envelope.till.clone() else { return Ok(()) };
    // A shift that is said again is the shift of whoever opened it first.
    let again = event.envelope.reissue.is_some();
    let author = match &event.envelope.reissue {
        Some(first) => incarnations::intern(node.conn(), &first.incarnation, Part::Other)?,
        None => crate::db::events::parts(place).0,
    };
    match body {
        Body::ShiftOpened(opened) => {
            let row = ShiftRow {
                opened: place,
                till,
                number: opened.shift,
                author,
                day: opened.business_day,
                closed: None,
                body: None,
            };
            Ok(shifts::open(node.conn(), &row)?)
        }
        Body::ShiftClosed(closed) => {
            let by = match &closed.opened_by {
                Some(by) => crate::db::incarnations::find(node.conn(), by)?.map(|known| known.no),
                None => Some(author),
            };
            let rows = match by {
                Some(by) => shifts::of_author(node.conn(), &till, closed.shift, by)?,
                None => Vec::new(),
            };
            let recovered = closed.opened_by.is_some();
            let row = rows.into_iter().find(|row| recovered || row.is_said_again() == again);
            if let Some(row) = row {
                if row.closed.is_none() {
                    shifts::close(node.conn(), row.opened, place)?;
                }
                if recovered || again {
                    super::shift_again::are_told(node.conn(), &row, place)?;
                }
            }
            let z = ZRow { place, z: closed.z, shift: closed.shift, opened: None, upto: None };
            Ok(shifts::add_z(node.conn(), &till, &z)?)
        }
        _ => Ok(()),
    }
}

/// A shift's "no" in the node's words.
pub(crate) fn refused(refusal: ShiftRefusal) -> Stop {
    let code = match &refusal {
        ShiftRefusal::NotOpen { phase: Phase::Closing } => Code::ShiftClosing,
        ShiftRefusal::NotOpen { .. } | ShiftRefusal::NotClosing { .. } => Code::NoShift,
        ShiftRefusal::FloatMissing { .. } | ShiftRefusal::CountMissing { .. } => Code::CountMissing,
        ShiftRefusal::CurrencyTwice { .. } | ShiftRefusal::BadCash { .. } => Code::BadCash,
        ShiftRefusal::WrongCurrency { .. } | ShiftRefusal::BadAmount { .. } => Code::BadMoney,
        ShiftRefusal::NumberGap { .. } | ShiftRefusal::Overflow(_) => Code::BadMoney,
        ShiftRefusal::ReasonMissing => Code::ReasonMissing,
        ShiftRefusal::NotInDrawer { .. } => Code::NotInDrawer,
        ShiftRefusal::DifferenceNeedsApproval { .. } => Code::DifferenceNeedsApproval,
    };
    let pointer = match &refusal {
        ShiftRefusal::FloatMissing { .. } => Some("/floats"),
        ShiftRefusal::CountMissing { .. }
        | ShiftRefusal::CurrencyTwice { .. }
        | ShiftRefusal::BadCash { .. } => Some("/counts"),
        ShiftRefusal::BadAmount { .. } | ShiftRefusal::NotInDrawer { .. } => Some("/amount"),
        ShiftRefusal::ReasonMissing => Some("/reason"),
        ShiftRefusal::DifferenceNeedsApproval { .. } => Some("/approval"),
        _ => None,
    };
    match pointer {
        Some(pointer) => super::problem::no_at(code, pointer, refusal.to_string()),
        None => no(code, refusal.to_string()),
    }
}
