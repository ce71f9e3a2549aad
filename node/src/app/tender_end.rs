//! How tenders go on once they were begun: what the terminal said, what is undone, and the money that comes or doesn't
//! come later (`facts.md` §4, Tender and Stored card).

use super::carts::{Cart, CartState};
use super::clock::Now;
use super::node::Node;
use super::problem::{Answer, Code, no};
use super::tender::{TenderRow, find, of_cart, waiting};
use super::terminal::Said;
use rusqlite::Connection;
use tradepost_commerce::document::TenderState;
use tradepost_commerce::shift::OpenTender;
use tradepost_commerce::tender_life::{TenderStep, step};
use tradepost_sync::body::{PaymentSettled, SettledAs};
use tradepost_sync::ids::Id;

/// What the terminal said about a tender.
///
/// # Errors
/// `NOT_FOUND`, or a fault.
pub fn heard(node: &mut Node, now: Now, key: &Id, said: Said) -> Answer<()> {
    let mut row = find(node.conn(), key)?;
    if row.undoing {
        return undone(node, now, row, &said);
    }
    if !matches!(row.state, TenderState::Requested | TenderState::Unknown) {
        return Ok(());
    }
    match said {
        Said::Captured { reference } => {
            row.take(TenderStep::Taken)?;
            row.reference = Some(reference);
        }
        // The terminal's answer was lost while its bank was away: it stays unknown until that has decided.
        Said::Stored { .. } if row.state == TenderState::Unknown => return Ok(()),
        Said::Stored { reference } => {
            row.take(TenderStep::Kept)?;
            row.reference = Some(reference);
        }
        Said::Declined { why } => {
            row.take(TenderStep::Refused)?;
            row.said = Some(why);
        }
        Said::Voided | Said::NeverHeard => {
            row.take(TenderStep::Undone)?;
            row.said = Some("the terminal took nothing".to_owned());
        }
        Said::Nothing if row.state == TenderState::Unknown => return Ok(()),
        Said::Nothing => row.take(TenderStep::Silence)?,
    }
    row.save(node)?;
    open_again(node, now, row.cart)
}

fn undone(node: &mut Node, now: Now, mut row: TenderRow, said: &Said) -> Answer<()> {
    match said {
        Said::Nothing | Said::Captured { .. } | Said::Stored { .. } => return Ok(()),
        Said::Declined { why } => row.said = Some(why.clone()),
        Said::Voided | Said::NeverHeard => {}
    }
    row.take(TenderStep::Undone)?;
    row.undoing = false;
    row.save(node)?;
    open_again(node, now, row.cart)
}

/// A cart none of whose tenders pays is open again, and its prices are no longer frozen.
fn open_again(node: &mut Node, now: Now, cart: Option<Id>) -> Answer<()> {
    let Some(cart) = cart else { return Ok(()) };
    let mut cart = Cart::load(node.conn(), &cart)?;
    let live = of_cart(node.conn(), &cart.id)?.iter().any(TenderRow::is_live);
    if live || cart.state != CartState::Tendering {
        return Ok(());
    }
    cart.state = CartState::Open;
    cart.sealed = None;
    cart.save(node, now)
}

/// What has to be asked to undo a tender, or to learn what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Nobody.
    Nobody,
    /// The terminal is to give it back.
    Void {
        /// The till.
        till: String,
    },
    /// The terminal is to say what became of it.
    Inquire {
        /// The till.
        till: String,
    },
}

fn of_this(node: &Node, cart: &Id, key: &Id) -> Answer<TenderRow> {
    let row = find(node.conn(), key)?;
    if row.cart == Some(*cart) {
        return Ok(row);
    }
    Err(no(Code::NotFound, format!("the cart has no tender {key}")))
}

/// Undoes a tender that no document claims. A card that the terminal took is given back there first: then the row says
/// so durably before the terminal is asked.
///
/// # Errors
/// `NOT_FOUND`, `TENDER_CLAIMED`, `TENDER_UNSETTLED` while the terminal is being asked, `NO_SUCH_TENDER_STEP`; or a
/// fault.
pub fn undo(node: &mut Node, now: Now, cart: &Id, key: &Id) -> Answer<Ask> {
    let mut row = of_this(node, cart, key)?;
    if !row.is_live() {
        return Ok(Ask::Nobody);
    }
    if row.connected && row.state == TenderState::Requested {
        return Err(no(Code::TenderUnsettled, "the terminal is being asked: wait for it"));
    }
    // Whether it may be undone at all is asked before anybody is told.
    step(&row.kind, row.state, TenderStep::Undone, row.document.is_some())?;
    if row.connected && matches!(row.state, TenderState::Captured | TenderState::Unknown) {
        row.undoing = true;
        row.save(node)?;
        return Ok(Ask::Void { till: row.till });
    }
    row.take(TenderStep::Undone)?;
    row.save(node)?;
    open_again(node, now, row.cart)?;
    Ok(Ask::Nobody)
}

/// What has to be asked to learn what became of a tender.
///
/// # Errors
/// `NOT_FOUND`, or a fault.
pub fn inquire(node: &mut Node, cart: &Id, key: &Id) -> Answer<Ask> {
    let row = of_this(node, cart, key)?;
    Ok(match (row.undoing, row.state) {
        (true, _) => Ask::Void { till: row.till },
        (false, TenderState::Unknown) => Ask::Inquire { till: row.till },
        _ => Ask::Nobody,
    })
}

/// The cashier saw the transfer on the customer's phone: the bank's list will tell.
///
/// # Errors
/// `NOT_FOUND`, `NOT_FOR_THIS_TENDER`, `NO_SUCH_TENDER_STEP`; or a fault.
pub fn seen(node: &mut Node, cart: &Id, key: &Id) -> Answer<()> {
    let mut row = of_this(node, cart, key)?;
    if row.state == TenderState::Unconfirmed {
        return Ok(());
    }
    row.take(TenderStep::Seen)?;
    Ok(row.save(node)?)
}

/// A program that starts asks nobody what it had asked before: those tenders are unknown now. How many they are.
///
/// # Errors
/// A fault.
pub fn after_start(node: &mut Node) -> Answer<usize> {
    let asked = waiting(node.conn(), TenderState::Requested, usize::MAX)?;
    let mut lost = 0;
    for mut row in asked.into_iter().filter(|row| row.connected) {
        row.take(TenderStep::Silence)?;
        row.save(node)?;
        lost += 1;
    }
    Ok(lost)
}

/// Tenders of a till that nobody knows of whether they paid: a shift that closes names them and goes on; the sale belongs to
/// the shift that commits it (`facts.md` §4, Tender).
///
/// # Errors
/// A fault.
pub(crate) fn open_at(conn: &Connection, till: &str) -> Answer<Vec<OpenTender>> {
    let mut open = Vec::new();
    for state in [TenderState::Requested, TenderState::Unknown] {
        let rows = waiting(conn, state, usize::MAX)?;
        for (index, row) in (0_u16..).zip(rows.iter().filter(|row| row.till == till)) {
            let object = row.cart.unwrap_or(row.key).0;
            let (key, kind) = (Some(row.key.0), row.kind.clone());
            open.push(OpenTender { object, index, key, kind, amount: row.amount });
        }
    }
    Ok(open)
}

/// A tender that waited found its end: a fact, where a document claims it (`facts.md` §4, Stored card).
///
/// # Errors
/// `NO_SUCH_TENDER_STEP`, `NOT_FOR_THIS_TENDER`; or a fault.
pub fn settle(
    node: &mut Node,
    now: Now,
    key: &Id,
    how: SettledAs,
    reference: Option<String>,
) -> Answer<TenderRow> {
    let mut row = find(node.conn(), key)?;
    let (to, ended) = match how {
        SettledAs::Captured => (TenderStep::Taken, TenderState::Captured),
        SettledAs::Declined => (TenderStep::Refused, TenderState::Declined),
        SettledAs::Expired => (TenderStep::TooLate, TenderState::Expired),
        SettledAs::Confirmed => (TenderStep::Listed, TenderState::Confirmed),
        SettledAs::Missing => (TenderStep::NotListed, TenderState::Missing),
        SettledAs::Voided => (TenderStep::Undone, TenderState::Voided),
    };
    if row.state == ended {
        return Ok(row);
    }
    row.take(to)?;
    row.reference = reference.or(row.reference);
    row.save(node)?;
    let Some((document, _)) = row.document else {
        open_again(node, now, row.cart)?;
        return Ok(row);
    };
    let settled = PaymentSettled {
        document: Some(document),
        key: row.key,
        kind: row.kind.clone(),
        outcome: how,
        amount: row.amount,
        reference: row.reference.clone(),
    };
    node.write(now, Some(&row.till), None, settled.into())?;
    Ok(row)
}

/// A stored card after its terminal was asked to forward it; whether it found its end.
///
/// # Errors
/// As [`settle`].
pub fn forwarded(node: &mut Node, now: Now, key: &Id, said: Said) -> Answer<Option<SettledAs>> {
    if find(node.conn(), key)?.state != TenderState::Stored {
        return Ok(None);
    }
    let (how, reference) = match said {
        Said::Captured { reference } => (SettledAs::Captured, Some(reference)),
        Said::Declined { .. } => (SettledAs::Declined, None),
        // It was taken under that key once, and now the terminal knows nothing of it.
        Said::Voided | Said::NeverHeard => (SettledAs::Expired, None),
        Said::Stored { .. } | Said::Nothing => return Ok(None),
    };
    settle(node, now, key, how, reference)?;
    Ok(Some(how))
}
