//! Reservations at the store that holds them: handed out, given up or run out, each exactly once (`model.md` §5).

use super::clock::Now;
use super::custody;
use super::node::Node;
use super::problem::{Answer, Code, Stop, no, no_at};
use super::request::Till;
use crate::db::reservations::{self, Reservation, State};
use crate::db::stock::Stock;
use crate::db::{Fault, catalog};
use rusqlite::Connection;
use std::collections::BTreeMap;
use tradepost_commerce::document::{SaleDocument, Sku};
use tradepost_sync::body::{
    Body, CustodyMark, CustodyObject, Moved, ReservationCancelled, ReservationExpired, ReservationFulfilled,
};
use tradepost_sync::custody::{End, end_reservation};
use tradepost_sync::ids::Id;

/// How a reservation stands, in a word.
pub fn state_name(reservation: &Reservation) -> &'static str {
    match (reservation.state, reservation.sale) {
        (_, Some(_)) | (State::Fulfilled, None) => "fulfilled",
        (State::Open, None) => "open",
        (State::Cancelled, None) => "cancelled",
        (State::Expired, None) => "expired",
    }
}

/// A reservation by its id.
///
/// # Errors
/// `NOT_FOUND`, or a fault.
pub fn find(conn: &Connection, id: &Id) -> Answer<Reservation> {
    reservations::find(conn, id)?.ok_or_else(|| no(Code::NotFound, format!("no reservation {id}")))
}

/// Hands out a prepaid reservation. Asked again it changes nothing.
///
/// # Errors
/// `NOT_FOUND`, `RESERVATION_ENDED`, `RESERVATION_PAYMENT`, `NOT_CUSTODIAN`; then nothing was stored. Or a fault.
pub fn fulfil(node: &mut Node, now: Now, id: &Id) -> Answer<()> {
    fulfil_at(node, now, id, None)
}

/// The same at a till, whose shift tells how many prepaid orders it handed out.
///
/// # Errors
/// As [`fulfil`], and `SHIFT_REQUIRED`, `SHIFT_CLOSING`, `SIGN_ON_REQUIRED`.
pub fn fulfil_at(node: &mut Node, now: Now, id: &Id, till: Option<&Till>) -> Answer<()> {
    let reservation = find(node.conn(), id)?;
    if state_name(&reservation) == "fulfilled" {
        return Ok(());
    }
    must_be_open(&reservation)?;
    if reservation.prepaid.is_none() {
        let detail = "it is not paid: sell it by naming it on a line of a sale";
        return Err(no(Code::ReservationPayment, detail));
    }
    let (custody, _) = step(node, &reservation, End::Fulfilled)?;
    let (sku, units) = (sku_of(node, &reservation)?, reservation.units);
    let body = ReservationFulfilled { reservation: *id, sku, units, custody };
    if let Some(till) = till {
        super::shift_desk::at_counter(node, now, till.name())?;
    }
    node.write(now, till.map(Till::name), None, body.into())?;
    Ok(())
}

/// Gives a reservation up; its units may be promised here again. Asked again it changes nothing.
///
/// # Errors
/// `NOT_FOUND`, `RESERVATION_ENDED`, `NOT_CUSTODIAN`; then nothing was stored. Or a fault.
pub fn cancel(node: &mut Node, now: Now, id: &Id) -> Answer<()> {
    let reservation = find(node.conn(), id)?;
    if state_name(&reservation) == "cancelled" {
        return Ok(());
    }
    must_be_open(&reservation)?;
    release(node, now, &reservation, End::Cancelled)
}

/// Ends what has run out by hub time, and what a sale handed over while custody rested; how many ended. Without hub
/// time nothing runs out.
///
/// # Errors
/// A fault.
pub fn sweep(node: &mut Node, now: Now) -> Answer<u64> {
    let mut ended = 0;
    let (mut after, page) = (0, 200);
    loop {
        let open = reservations::page(node.conn(), false, after, page)?;
        let Some(last) = open.last() else { return Ok(ended) };
        after = last.no;
        for reservation in &open {
            ended += u64::from(sweep_one(node, now, reservation)?);
        }
    }
}

fn sweep_one(node: &mut Node, now: Now, reservation: &Reservation) -> Answer<bool> {
    let run_out = now.tau.is_some_and(|tau| reservation.expires.has_run_out(tau));
    let end = match reservation.sale {
        Some(_) => End::Closed,
        None if run_out => End::Expired,
        None => return Ok(false),
    };
    match release(node, now, reservation, end) {
        Ok(()) => Ok(true),
        // Another's, or custody rests: its own time comes.
        Err(Stop::No(_)) => Ok(false),
        Err(fault) => Err(fault),
    }
}

fn release(node: &mut Node, now: Now, reservation: &Reservation, end: End) -> Answer<()> {
    let (custody, moved) = step(node, reservation, end)?;
    let (id, sku, units) = (reservation.id, sku_of(node, reservation)?, reservation.units);
    let item = sku.clone();
    let body: Body = match end {
        End::Expired => ReservationExpired { reservation: id, sku, units, moved, custody }.into(),
        _ => ReservationCancelled { reservation: id, sku, units, moved, custody }.into(),
    };
    node.write(now, None, None, body)?;
    node.settle(now, [item])
}

fn must_be_open(reservation: &Reservation) -> Answer<()> {
    if reservation.state == State::Open && reservation.sale.is_none() {
        return Ok(());
    }
    let detail = format!("reservation {} was {}", reservation.id, state_name(reservation));
    Err(no(Code::ReservationEnded, detail))
}

/// The step that ends it, and what its end moves: the core decides (`model.md` §5).
fn step(node: &Node, reservation: &Reservation, end: End) -> Answer<(CustodyMark, Moved)> {
    let object = CustodyObject::Reservation(reservation.id);
    let held = custody::of(node.conn(), &object)?;
    let held =
        held.ok_or_else(|| no(Code::NotFound, format!("nobody holds reservation {}", reservation.id)))?;
    let locked = node.standing(&Stock::default()).locked;
    let handed_over = reservation.sale.is_some();
    end_reservation(&held, &node.head.incarnation, locked, end, handed_over, reservation.units)
        .map_err(custody::refused)
}

fn sku_of(node: &Node, reservation: &Reservation) -> Result<Sku, Fault> {
    let missing = || Fault::Fatal("a reservation of an item without a number".to_owned());
    catalog::sku(node.conn(), reservation.sku)?.ok_or_else(missing)
}

/// Reservations that a sale hands over, by line of its document.
#[derive(Clone, Debug, Default)]
pub(crate) struct HandedOver {
    /// (line, reservation), by line.
    pub(crate) lines: Vec<(u16, Id)>,
}

impl HandedOver {
    /// Whether a line is promised already: then its policy asks nothing more.
    pub(crate) fn covers(&self, line: usize) -> bool {
        self.lines.iter().any(|(at, _)| usize::from(*at) == line)
    }
}

/// Checks what a sale wants to hand over: open, held here, not paid before, and exactly what the line sells. `asked` is
/// (line of the request, line of the document, reservation).
///
/// # Errors
/// `NOT_FOUND`, `RESERVATION_ENDED`, `RESERVATION_PAYMENT`, `NOT_CUSTODIAN`, `BAD_QUANTITY`, each at its line.
pub(crate) fn handed_over(
    node: &mut Node,
    document: &SaleDocument,
    asked: &[(usize, usize, Id)],
) -> Answer<HandedOver> {
    let mut units: BTreeMap<usize, u64> = BTreeMap::new();
    let mut lines: Vec<(u16, Id)> = Vec::new();
    for (from, line, id) in asked {
        let pointer = format!("/lines/{from}/reservation");
        let one = check_one(node, document, *line, id).map_err(|stop| at(stop, &pointer))?;
        if lines.iter().any(|(_, known)| known == id) {
            return Err(no_at(Code::ReservationEnded, pointer, "a reservation is handed over once"));
        }
        *units.entry(*line).or_default() += one.units;
        lines.push((u16::try_from(*line).unwrap_or(u16::MAX), *id));
    }
    for (line, reserved) in units {
        let sold = base_units(document, line);
        if sold != Some(reserved) {
            let from = asked.iter().find(|(_, at, _)| *at == line).map_or(line, |(from, ..)| *from);
            let detail = format!("{reserved} base units are reserved, the line sells {}", sold.unwrap_or(0));
            return Err(no_at(Code::BadQuantity, format!("/lines/{from}/quantity_milli"), detail));
        }
    }
    lines.sort();
    Ok(HandedOver { lines })
}

fn check_one(node: &mut Node, document: &SaleDocument, line: usize, id: &Id) -> Answer<Reservation> {
    let reservation = find(node.conn(), id)?;
    must_be_open(&reservation)?;
    if reservation.prepaid.is_some() {
        return Err(no(Code::ReservationPayment, "it is paid already: hand it out with fulfil"));
    }
    custody::held_here(node, &CustodyObject::Reservation(*id))?;
    let sold = document.inputs.lines.get(line).map(|input| input.sku.clone());
    let same = match sold {
        Some(sku) => node.item(&sku)?.item.sku_no == reservation.sku,
        None => false,
    };
    if same {
        return Ok(reservation);
    }
    Err(no(Code::UnknownSku, format!("reservation {id} is of another item")))
}

fn at(stop: Stop, pointer: &str) -> Stop {
    match stop {
        Stop::No(problem) => no_at(problem.code, pointer, problem.detail),
        fault => fault,
    }
}

fn base_units(document: &SaleDocument, line: usize) -> Option<u64> {
    let input = document.inputs.lines.get(line)?;
    u64::try_from(input.unit.to_base(input.quantity).ok()?.0).ok()
}

/// Closes what a sale has just handed over: its units become rights again and cover what the sale overdrew. Where
/// custody rests, the sweep does it later.
///
/// # Errors
/// A fault.
pub(crate) fn close_sold(node: &mut Node, now: Now, handed: &HandedOver) -> Answer<()> {
    for (_, id) in &handed.lines {
        let reservation = find(node.conn(), id)?;
        sweep_one(node, now, &reservation)?;
    }
    Ok(())
}
