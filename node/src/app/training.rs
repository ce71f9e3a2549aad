//! Practising at a till: the same code on a series and a chain of its own, in tables beside the log and never in it. It moves
//! no stock and no money, asks no terminal and no neighbour, counts in no total and in no Z, leaves no gap and is never
//! uploaded (`facts.md` §2).

use super::books::{self, Booked};
use super::carts::{Cart, CartState};
use super::checkout::CheckoutRequest;
use super::clock::Now;
use super::node::{Node, Written};
use super::policy::Act;
use super::problem::{Answer, Code, Stop, no};
use super::request::Till;
use super::sell::{pay, settled};
use super::staff::{self, Approved, Used};
use super::tender::{self, TenderRequest};
use crate::db::documents::RequestHash;
use crate::db::training::{self, Practising, TrainingRow};
use crate::db::{Fault, staff as signed_on};
use rusqlite::Connection;
use std::sync::Arc;
use tradepost_commerce::document::{SaleDocument, TenderKind};
use tradepost_sync::body::{Body, Moved, ReceiptNumber, SaleCommitted};
use tradepost_sync::clock::Hlc;
use tradepost_sync::event::{Event, Head, Stamp};
use tradepost_sync::ids::{Hash, Id, Incarnation, derived_id};

/// The series of every paper of training. One that sells has five letters, so no paper is taken for the other kind.
pub const SERIES: &str = "TRAINING";

/// What a tender of training refers to.
const REFERENCE: &str = "TRAINING";

/// Whether a number is one of training.
pub fn is_of_training(receipt: &ReceiptNumber) -> bool {
    receipt.series == SERIES
}

/// Where a till stands with training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// It practises, since when and by whose word; none where it sells.
    pub on: Option<Practising>,
    /// The last number of its series.
    pub last: u64,
}

/// Where a till stands with training.
///
/// # Errors
/// A fault.
pub fn standing(conn: &Connection, till: &str) -> Answer<Standing> {
    Ok(Standing { on: training::practising(conn, till)?, last: training::last_number(conn, till)? })
}

/// Whether a till practises.
///
/// # Errors
/// [`Fault`].
pub fn is_on(conn: &Connection, till: &str) -> Result<bool, Fault> {
    Ok(training::practising(conn, till)?.is_some())
}

/// A till practises from now on, or sells again. Said again it changes nothing.
///
/// # Errors
/// `APPROVAL_REQUIRED`, to begin and to end; or a fault.
pub fn switch(node: &mut Node, now: Now, till: &Till, on: bool, approved: Option<&Approved>) -> Answer<()> {
    let name = till.name();
    if node.desk(name)?.practises == on {
        return Ok(());
    }
    let by = staff::allow(node, Some(name), Act::Training, approved)?;
    if let Some(by) = by.clone() {
        let reason = if on { "begun" } else { "ended" };
        staff::note(node, now, Some(name), &Used { act: Act::Training, object: None, by, reason })?;
    }
    let practising = Practising { since: now.wall, by: by.map(|who| who.0) };
    training::set(node.conn(), name, on.then_some(&practising))?;
    node.desk(name)?.practises = on;
    node.touch();
    Ok(())
}

/// Refuses what only a till does that sells.
///
/// # Errors
/// `TRAINING_MODE`; or a fault.
pub(crate) fn must_be_off(node: &mut Node, till: &str) -> Answer<()> {
    match node.desk(till)?.practises {
        false => Ok(()),
        true => Err(no(Code::TrainingMode, format!("till {till} practises: end its training first"))),
    }
}

/// The last guard before the log: no fact of the counter comes from a till that practises.
///
/// # Errors
/// `TRAINING_MODE`; or a fault.
pub(crate) fn keep_out(node: &mut Node, till: Option<&str>, body: &Body) -> Answer<()> {
    let of_the_counter = matches!(
        body,
        Body::SaleCommitted(_)
            | Body::RefundCommitted(_)
            | Body::ReceivableCollected(_)
            | Body::CashMoved(_)
            | Body::DrawerOpened(_)
            | Body::ShiftOpened(_)
            | Body::ShiftClosed(_)
    );
    match till {
        Some(till) if of_the_counter => must_be_off(node, till),
        _ => Ok(()),
    }
}

/// A cart is real or of training from its first scan on, and is only paid at a till that is the same.
///
/// # Errors
/// `TRAINING_MODE`, `SIGN_ON_REQUIRED`; or a fault.
pub(crate) fn same_as_till(node: &mut Node, cart: &Cart, till: &str) -> Answer<()> {
    let on = node.desk(till)?.practises;
    if on == cart.training {
        return if on { somebody(node, till) } else { Ok(()) };
    }
    let detail = match on {
        true => format!("the cart is real, and till {till} practises"),
        false => format!("the cart is one of training, and till {till} sells"),
    };
    Err(no(Code::TrainingMode, detail))
}

fn somebody(node: &mut Node, till: &str) -> Answer<()> {
    if node.rules()?.staffed && signed_on::at_till(node.conn(), till)?.is_none() {
        return Err(no(Code::SignOnRequired, format!("nobody is signed on at till {till}")));
    }
    Ok(())
}

/// A tender as it is practised: nobody is asked, and what would have to be redeemed is refused.
///
/// # Errors
/// `NOT_FOR_THIS_TENDER`.
pub(crate) fn tender(request: &TenderRequest) -> Answer<TenderRequest> {
    no_redeeming(&request.kind)?;
    let reference = (request.kind == TenderKind::Card).then(|| REFERENCE.to_owned());
    Ok(TenderRequest { reference, ..request.clone() })
}

fn no_redeeming(kind: &TenderKind) -> Answer<()> {
    match kind {
        TenderKind::Voucher | TenderKind::GiftCard => {
            Err(no(Code::NotForThisTender, "vouchers and gift cards are not redeemed in training"))
        }
        _ => Ok(()),
    }
}

/// What is practised once it is paid.
pub(crate) struct Practised<'a> {
    /// The client's id, or none where it is made here.
    pub(crate) id: Option<Id>,
    /// Hash of the client's request.
    pub(crate) request: Option<RequestHash>,
    /// The cart it comes from.
    pub(crate) cart: Option<Id>,
    /// The till.
    pub(crate) till: &'a Till,
    /// The customer.
    pub(crate) customer: Option<Id>,
    /// The document.
    pub(crate) document: SaleDocument,
}

/// Books a sale of training: a number of its own series, an event of its own chain, and nothing else.
///
/// # Errors
/// `SIGN_ON_REQUIRED`, `NOT_FOR_THIS_TENDER`; then nothing was stored. Or a fault.
pub(crate) fn book(node: &mut Node, now: Now, sold: Practised<'_>) -> Answer<Booked> {
    let till = sold.till.name();
    somebody(node, till)?;
    sold.document.inputs.tenders.iter().try_for_each(|tender| no_redeeming(&tender.kind))?;
    let mut head = head(node.conn(), &node.head.incarnation)?;
    let n = training::last_number(node.conn(), till)? + 1;
    let (seq, hlc) = head.next(now.wall);
    let id = sold.id.unwrap_or_else(|| derived_id(hlc.ms(), &head.incarnation, seq));
    let body = Body::from(SaleCommitted {
        sale_id: id,
        client_made: sold.id.is_some(),
        cart: sold.cart,
        receipt: ReceiptNumber { till: till.to_owned(), series: SERIES.to_owned(), n },
        business_day: books::business_day(&node.rulebook, now.trading),
        customer: sold.customer,
        moved: vec![Moved::default(); sold.document.inputs.lines.len()],
        document: sold.document,
        exchange: None,
        reservations: Vec::new(),
        cart_custody: None,
    });
    let stamp = Stamp {
        wall: now.wall,
        tau: now.tau,
        trading: now.trading,
        till: Some(till.to_owned()),
        shift: None,
        staff: node.desk(till)?.staff.clone(),
    };
    let event = head.append(stamp, &body).map_err(|e| no(Code::BadQuantity, e.to_string()))?;
    let row = TrainingRow {
        seq,
        id,
        request: sold.request,
        till: till.to_owned(),
        n,
        event: event.bytes.clone(),
        hash: event.hash.0,
    };
    training::add(node.conn(), &row)?;
    node.touch();
    Ok(Booked::fresh(Written { place: 0, event, body }))
}

/// The end of the chain of training. Its author is nobody of the roster: no log takes such an event in.
fn head(conn: &Connection, me: &Incarnation) -> Answer<Head> {
    let derived = blake3::derive_key("tradepost training author v1", &me.0);
    let mut incarnation = [0; 16];
    incarnation.copy_from_slice(&derived[..16]);
    let incarnation = Incarnation(incarnation);
    let Some(last) = training::last(conn)? else {
        return Ok(Head { incarnation, seq: 0, hash: Hash([0; 32]), hlc: Hlc(0) });
    };
    let event = read(&last)?;
    Ok(Head { incarnation, seq: last.seq, hash: event.hash, hlc: event.envelope.hlc })
}

fn read(row: &TrainingRow) -> Answer<Event> {
    let broken = |why: String| Stop::Fault(Fault::Fatal(format!("a stored paper of training: {why}")));
    let event = Event::read(&row.event).map_err(|e| broken(e.to_string()))?;
    if event.hash.0 != row.hash {
        return Err(broken("it was changed".to_owned()));
    }
    Ok(event)
}

/// A paper of training by its id.
///
/// # Errors
/// A fault.
pub fn find(conn: &Connection, id: &Id) -> Answer<Option<Booked>> {
    let Some(row) = training::find(conn, id)? else { return Ok(None) };
    let event = read(&row)?;
    let body = event.body().map_err(|e| Stop::Fault(Fault::Fatal(e.to_string())))?;
    Ok(Some(Booked::fresh(Written { place: 0, event, body })))
}

/// What the same request was answered before.
///
/// # Errors
/// `SALE_ID_REUSED`; or a fault.
pub(crate) fn repeated(conn: &Connection, id: &Id, request: RequestHash) -> Answer<Option<Booked>> {
    match training::find(conn, id)? {
        Some(row) if row.request != Some(request) => {
            Err(no(Code::SaleIdReused, "this id was used for another request"))
        }
        Some(_) => find(conn, id),
        None => Ok(None),
    }
}

/// Makes a sale of training of a cart.
///
/// # Errors
/// As [`super::checkout::check_out`].
pub(crate) fn check_out(
    node: &mut Node,
    now: Now,
    mut cart: Cart,
    till: &Till,
    request: CheckoutRequest,
) -> Answer<Booked> {
    let rulebook = Arc::clone(&node.rulebook);
    let mut more = request.tenders;
    tender::complete(node, &mut more)?;
    let (rows, tenders) = tender::paying(node, &cart.id, more)?;
    let document = match &cart.sealed {
        Some(sealed) => settled(sealed.as_ref().clone(), tenders, request.expected_total)?,
        None => pay(&cart.basket, &rulebook, now, tenders, request.expected_total)?,
    };
    let practised =
        Practised { id: None, request: None, cart: Some(cart.id), till, customer: cart.customer, document };
    let booked = book(node, now, practised)?;
    if let Body::SaleCommitted(sale) = &booked.body {
        cart.sale = Some(sale.sale_id);
        tender::claimed(node, rows, sale.sale_id)?;
    }
    cart.state = CartState::Paid;
    cart.save(node, now)?;
    Ok(booked)
}
