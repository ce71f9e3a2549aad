//! Card money of a document that isn't there yet: what a refund or a void gives back, and what an exchange takes. The
//! terminal that took a card is asked to give it back, under a key made from the document's id; a row stands before it is
//! asked, and the document comes once it is known what became of it (`facts.md` §4, Tender).
//!
//! The client asks again with the same request while nobody knows. Money of a document that never comes is undone by its
//! key ([`abandoned`]).

use super::clock::Now;
use super::node::Node;
use super::problem::{Answer, Code, Stop, no};
use super::shift_z::derived_key;
use super::tender::{self, TenderRow};
use super::tender_caps;
use super::tender_end::Ask;
use super::terminal::{self, Charge};
use crate::db::{Fault, tenders};
use rusqlite::Connection;
use tradepost_commerce::document::{RefundDocument, Tender, TenderKind, TenderState};
use tradepost_commerce::money::Money;
use tradepost_commerce::refund::settle_refund;
use tradepost_commerce::tender_life::TenderStep;
use tradepost_sync::ids::Id;

/// How long a document is waited for once its card money has moved.
const WAITED_MS: i64 = 10 * 60 * 1_000;

/// What becomes of a request that a terminal may have to be asked for.
#[derive(Clone, Debug)]
pub enum Step<T> {
    /// It is booked.
    Done(T),
    /// The terminal is to be asked, once the row is durable; then the request is made again.
    Asks(Asks),
}

/// What a terminal is to be asked.
#[derive(Clone, Debug)]
pub struct Asks {
    /// The tender's key.
    pub key: Id,
    /// The question.
    pub question: Question,
    /// How long an answer is waited for.
    pub timeout_ms: u64,
}

/// A question to a terminal.
#[derive(Clone, Debug)]
pub enum Question {
    /// To take this much, or to give it back where it is below nothing.
    Move(Charge),
    /// What became of it.
    Inquire(Ask),
}

impl<T> Step<T> {
    /// What is booked, for callers that ask no terminal.
    ///
    /// # Errors
    /// `TENDER_UNSETTLED`.
    pub fn done(self) -> Answer<T> {
        match self {
            Step::Done(done) => Ok(done),
            Step::Asks(asks) => Err(no(
                Code::TenderUnsettled,
                format!("the terminal has to be asked for tender {}", asks.key),
            )),
        }
    }
}

/// Sends what a refund gives to cards through the terminal, where one took them; none where nobody has to be asked any
/// more, and then the document says what it said.
///
/// # Errors
/// `TENDER_NOT_TAKEN` where it refused, `OVER_FLOOR_LIMIT`, `OVER_STORED_SUM`, `TENDER_UNSETTLED` while it is being asked,
/// every "no" of the counter; or a fault.
pub(crate) fn give_back(
    node: &mut Node,
    now: Now,
    till: &str,
    id: &Id,
    document: &mut RefundDocument,
) -> Answer<Option<Asks>> {
    super::shift_desk::at_counter(node, now, till)?;
    let sale = document.inputs.original.as_ref().map(|original| Id(original.sale_id));
    let took = match sale {
        Some(sale) => connected(node.conn(), &sale)?,
        None => Vec::new(),
    };
    let has_terminal = terminal::find(node.conn(), till)?.is_some();
    let mut changed = false;
    for (index, tender) in (0_u16..).zip(&mut document.inputs.tenders) {
        if tender.kind != TenderKind::Card || tender.amount.0 >= 0 {
            continue;
        }
        let asked = match tender.original {
            Some(original) => took.contains(&original),
            None => has_terminal,
        };
        if !asked {
            continue;
        }
        match through_terminal(node, now, till, derived_key(id.0, index), tender)? {
            Some(asks) => return Ok(Some(asks)),
            None => changed = true,
        }
    }
    if changed {
        document.outcome = settle_refund(&document.inputs)?;
    }
    Ok(None)
}

/// Sends the cards that pay an exchange through the till's terminal: those without a reference of another one. `first` is the
/// index that the first of them has in the document.
///
/// # Errors
/// As [`give_back`].
pub(crate) fn take(
    node: &mut Node,
    now: Now,
    till: &str,
    id: &Id,
    first: u16,
    given: &mut [Tender],
) -> Answer<Option<Asks>> {
    for (index, tender) in (first..).zip(given) {
        if tender.kind == TenderKind::Card
            && tender.reference.is_none()
            && let Some(asks) = through_terminal(node, now, till, derived_key(id.0, index), tender)?
        {
            return Ok(Some(asks));
        }
    }
    Ok(None)
}

/// Which tenders of a sale a terminal took that is connected.
fn connected(conn: &Connection, sale: &Id) -> Answer<Vec<u16>> {
    let rows =
        tenders::of_document(conn, sale)?.iter().map(TenderRow::read).collect::<Result<Vec<_>, _>>()?;
    Ok(rows.iter().filter(|row| row.connected).filter_map(|row| row.document).map(|(_, i)| i).collect())
}

/// One card: what the terminal has to be asked, or none and the tender says how it ended.
fn through_terminal(
    node: &mut Node,
    now: Now,
    till: &str,
    key: Id,
    tender: &mut Tender,
) -> Answer<Option<Asks>> {
    let Some(line) = tenders::find(node.conn(), &key)? else {
        return begin(node, now, till, key, tender.amount).map(Some);
    };
    let row = TenderRow::read(&line)?;
    if row.amount != tender.amount || row.till != till {
        return Err(no(Code::SaleIdReused, "the terminal was asked for another amount under this id"));
    }
    match row.state {
        _ if row.undoing => {
            Err(no(Code::TenderNotTaken, "the terminal undoes it: begin anew under another id"))
        }
        TenderState::Captured | TenderState::Stored => {
            (tender.key, tender.state, tender.reference) = (Some(key.0), row.state, row.reference);
            Ok(None)
        }
        TenderState::Unknown => {
            let question = Question::Inquire(Ask::Inquire { till: till.to_owned() });
            Ok(Some(Asks { key, question, timeout_ms: 0 }))
        }
        TenderState::Created | TenderState::Requested => {
            Err(no(Code::TenderUnsettled, "the terminal is being asked: wait for it"))
        }
        _ => {
            let why = row.said.unwrap_or_else(|| "the terminal took nothing".to_owned());
            Err(no(
                Code::TenderNotTaken,
                format!("{why}: begin anew under another id, or choose another way"),
            ))
        }
    }
}

fn begin(node: &mut Node, now: Now, till: &str, key: Id, amount: Money) -> Answer<Asks> {
    let none =
        || no(Code::TenderNotTaken, format!("till {till} has no terminal: choose a till that has one"));
    let terminal = terminal::find(node.conn(), till)?.ok_or_else(none)?;
    if !terminal.online {
        tender_caps::may_store_more(node, amount)?;
    }
    let mut row = TenderRow {
        key,
        cart: None,
        document: None,
        till: till.to_owned(),
        made: now.wall,
        kind: TenderKind::Card,
        amount,
        foreign: None,
        state: TenderState::Created,
        reference: None,
        code: None,
        pool: None,
        qr: None,
        said: None,
        connected: true,
        undoing: false,
    };
    row.take(TenderStep::Ask)?;
    row.save(node)?;
    let question = Question::Move(Charge { key, till: till.to_owned(), amount });
    Ok(Asks { key, question, timeout_ms: terminal.timeout_ms })
}

/// The rows are claimed by a document from now on.
///
/// # Errors
/// A fault.
pub(crate) fn claimed(node: &mut Node, document: Id, given: &[Tender]) -> Answer<()> {
    for (index, tender) in (0_u16..).zip(given) {
        let Some(key) = tender.key.filter(|_| tender.kind == TenderKind::Card) else { continue };
        let Some(line) = tenders::find(node.conn(), &Id(key))? else { continue };
        let mut row = TenderRow::read(&line)?;
        row.document = Some((document, index));
        row.save(node)?;
    }
    Ok(())
}

/// Tenders whose document was waited for long enough: of each what its terminal is to be asked.
///
/// # Errors
/// A fault.
pub fn abandoned(node: &mut Node, now: Now) -> Answer<Vec<(Id, Ask)>> {
    let before = now.wall.saturating_sub(WAITED_MS);
    let lines = tenders::of_no_paper(node.conn(), before)?;
    let mut asks = Vec::new();
    for line in lines {
        let mut row = TenderRow::read(&line)?;
        let till = row.till.clone();
        match row.state {
            TenderState::Captured => {
                row.undoing = true;
                row.save(node)?;
                asks.push((row.key, Ask::Void { till }));
            }
            TenderState::Unknown if row.undoing => asks.push((row.key, Ask::Void { till })),
            TenderState::Unknown => asks.push((row.key, Ask::Inquire { till })),
            _ => {}
        }
    }
    Ok(asks)
}

/// Whether any tender's document was waited for long enough.
///
/// # Errors
/// A fault.
pub fn any_abandoned(conn: &Connection, wall: i64) -> Answer<bool> {
    Ok(!tenders::of_no_paper(conn, wall.saturating_sub(WAITED_MS))?.is_empty())
}

/// Where a tender stands that a terminal was asked for.
///
/// # Errors
/// `TENDER_UNSETTLED` while nobody knows; or a fault.
pub fn known(conn: &Connection, key: &Id) -> Answer<()> {
    match tender::find(conn, key) {
        Ok(row) if row.state == TenderState::Unknown => {
            Err(no(Code::TenderUnsettled, "the terminal said nothing: send the same request again to ask it"))
        }
        Ok(_) => Ok(()),
        Err(Stop::No(_)) => Err(Stop::Fault(Fault::Fatal(format!("tender {key} was lost")))),
        Err(fault) => Err(fault),
    }
}
