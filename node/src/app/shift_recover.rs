//! The shift of a till whose node is lost: its successor closes it from what is known, with a count of the drawer, and
//! documents that turn up later make a supplement (`facts.md` §4, Shift).

use super::books::{self, Booked};
use super::clock::Now;
use super::node::Node;
use super::policy::Act;
use super::problem::{Answer, Code, Stop, no};
use super::request::Till;
use super::shift::{Counted, cash, last_z, somebody};
use super::shift_again;
use super::shift_desk::{prepaid_of, refused, take_in};
use super::shift_z::{self, Beside};
use super::staff::{self, Approved, Used};
use super::{fiscal, shift_z::floats_back};
use crate::db::incarnations::{self, Known, Part};
use crate::db::shifts::{self, ShiftRow};
use crate::db::{Fault, events, meta};
use rusqlite::Connection;
use tradepost_commerce::drawer::Cash;
use tradepost_commerce::shift::{Close, ClosePolicy, LastZ, Shift};
use tradepost_sync::body::Body;
use tradepost_sync::ids::Incarnation;

/// A shift that waits for its successor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// Its row.
    pub row: ShiftRow,
    /// Who opened it.
    pub incarnation: Incarnation,
    /// It was closed already, and documents of it turned up since.
    pub late: bool,
}

/// Whether nobody will write on behind an incarnation's last event: this node's own that lost memory, a fenced or a
/// retired one.
pub(crate) fn is_lost(known: &Known) -> bool {
    known.part == Part::Lost || known.fenced || known.retired
}

/// The shift of a till that waits for its successor, the oldest first; else one of which documents turned up late.
///
/// # Errors
/// A fault.
pub fn orphan(conn: &Connection, till: &str) -> Answer<Option<Orphan>> {
    for row in shifts::elsewhere(conn, till)? {
        if let Some(known) = incarnations::by_no(conn, row.author)?.filter(is_lost) {
            return Ok(Some(Orphan { row, incarnation: known.id(), late: false }));
        }
    }
    for opened in shifts::recovered(conn, till)? {
        let (Some(row), Some(told)) = (shifts::by_opening(conn, opened)?, shifts::last_told(conn, opened)?)
        else {
            continue;
        };
        let Some(known) = incarnations::by_no(conn, row.author)? else { continue };
        let upto = told.upto.unwrap_or(0);
        if known.head.seq > upto && late_documents(conn, &row, upto)? {
            return Ok(Some(Orphan { row, incarnation: known.id(), late: true }));
        }
    }
    let Some(row) = shift_again::late(conn, till)? else { return Ok(None) };
    let known = incarnations::by_no(conn, row.author)?.filter(is_lost);
    Ok(known.map(|known| Orphan { row, incarnation: known.id(), late: true }))
}

fn late_documents(conn: &Connection, row: &ShiftRow, upto: u64) -> Answer<bool> {
    let mut found = false;
    each_of(conn, row, upto + 1, |body| {
        found |=
            matches!(body, Body::SaleCommitted(_) | Body::RefundCommitted(_) | Body::ReceivableCollected(_));
        Ok(!found)
    })?;
    Ok(found)
}

/// Tells the facts of a shift from a seq of its author on.
fn each_of(
    conn: &Connection,
    row: &ShiftRow,
    from: u64,
    mut tell: impl FnMut(Body) -> Answer<bool>,
) -> Answer<()> {
    // Of a shift that is said again the stream it was opened in holds nothing any more.
    if row.is_said_again() {
        return Ok(());
    }
    events::each::<Stop>(conn, row.author, from, |_, bytes| {
        let event = events::parse(&bytes)?;
        let envelope = &event.envelope;
        let of_shift = envelope.till.as_deref() == Some(&row.till) && envelope.shift == Some(row.number);
        let body = event.body().map_err(|e| Stop::Fault(Fault::Fatal(e.to_string())))?;
        if of_shift || matches!(body, Body::PaymentSettled(_)) {
            return tell(body);
        }
        Ok(true)
    })
}

/// Closes the shift that waits, or makes the supplement of one that was closed so: the Z.
///
/// # Errors
/// `NO_SHIFT`, `COUNT_MISSING`, `BAD_CASH`, `APPROVAL_REQUIRED`, `SIGN_ON_REQUIRED`; then nothing was stored. Or a fault.
pub fn recover(
    node: &mut Node,
    now: Now,
    till: &Till,
    counts: &[Counted],
    approved: Option<&Approved>,
) -> Answer<Booked> {
    let name = till.name();
    somebody(node, name)?;
    let missing = || no(Code::NoShift, format!("no shift of till {name} waits for a successor"));
    let orphan = orphan(node.conn(), name)?.ok_or_else(missing)?;
    let by = staff::allow(node, Some(name), Act::RecoverShift, approved)?;
    let counts = cash(node, counts);
    let z = match orphan.late {
        false => close_orphan(node, &orphan, counts, by.clone())?,
        true => supplement(node, &orphan)?,
    };
    if let Some(by) = by {
        let reason = format!("shift {} of {}", orphan.row.number, orphan.incarnation);
        staff::note(
            node,
            now,
            Some(name),
            &Used { act: Act::RecoverShift, object: None, by, reason: &reason },
        )?;
    }
    let written = node.write(now, Some(name), None, z.into())?;
    Ok(Booked::fresh(written))
}

fn close_orphan(
    node: &mut Node,
    orphan: &Orphan,
    counts: Vec<Cash>,
    approver: Option<tradepost_commerce::document::StaffId>,
) -> Answer<tradepost_sync::body::ShiftClosed> {
    let mut shift = fold(node, &orphan.row)?;
    shift.begin_closing().map_err(refused)?;
    let close = Close { counts, approver, carts: Vec::new() };
    let z = shift.close(close, ClosePolicy::default(), before(node, &orphan.row.till)?).map_err(refused)?;
    Ok(shift_z::closed(z, beside(node, orphan)?))
}

fn supplement(node: &mut Node, orphan: &Orphan) -> Answer<tradepost_sync::body::ShiftClosed> {
    let conn = node.conn();
    let its_own = || orphan.row.closed.map_or(Ok(None), |closed| shifts::z_at(conn, closed));
    let told = match shifts::last_told(conn, orphan.row.opened)? {
        Some(told) => Some(told),
        None => its_own()?,
    };
    let told = told.ok_or_else(|| Fault::Fatal("a closed shift without its Z".to_owned()))?;
    let currency = node.rulebook.settings.currency;
    let mut shift = Shift::supplement(orphan.row.number, currency, told.z);
    // Its own Z tells of all that stands in its stream; one that a successor made, of what was known then.
    if let Some(upto) = told.upto {
        fold_log(node, &mut shift, &orphan.row, upto + 1)?;
    }
    fold_again(node, &mut shift, &orphan.row, true)?;
    shift.begin_closing().map_err(refused)?;
    let z = shift
        .close(Close::default(), ClosePolicy::default(), before(node, &orphan.row.till)?)
        .map_err(refused)?;
    Ok(shift_z::closed(z, beside(node, orphan)?))
}

fn before(node: &Node, till: &str) -> Answer<LastZ> {
    let totals = fiscal::last_totals(node.conn(), till)?;
    Ok(LastZ { z: last_z(node.conn(), till)?, totals })
}

fn beside(node: &Node, orphan: &Orphan) -> Answer<Beside> {
    Ok(Beside {
        day: orphan.row.day,
        heads: fiscal::heads(node, &orphan.row.till)?,
        opened_by: Some(orphan.incarnation),
        continuity_broken: true,
    })
}

/// A lost shift as far as its log is known.
fn fold(node: &Node, row: &ShiftRow) -> Answer<Shift> {
    let opened = books::Booked::load(node.conn(), row.opened)?;
    let Body::ShiftOpened(opening) = &opened.body else {
        return Err(Stop::Fault(Fault::Fatal("a shift that no event opened".to_owned())));
    };
    let floats = floats_back(&opening.floats);
    let currency = floats.first().map_or(node.rulebook.settings.currency, |cash| cash.currency);
    let mut shift = Shift::open(row.number, currency, &floats).map_err(refused)?;
    fold_log(node, &mut shift, row, events::parts(row.opened).1 + 1)?;
    fold_again(node, &mut shift, row, false)?;
    Ok(shift)
}

/// Folds what the shift's own stream holds of it from a seq on.
fn fold_log(node: &Node, shift: &mut Shift, row: &ShiftRow, from: u64) -> Answer<()> {
    let mut bodies = Vec::new();
    each_of(node.conn(), row, from, |body| {
        bodies.push(body);
        Ok(true)
    })?;
    for body in &bodies {
        let prepaid = prepaid_of(node.conn(), body)?;
        take_or_say(shift, body, prepaid, false);
    }
    Ok(())
}

/// Folds what is said again of it, because it stood on a branch that was cut off; `untold` only what no Z tells of.
fn fold_again(node: &Node, shift: &mut Shift, row: &ShiftRow, untold: bool) -> Answer<()> {
    for again in shift_again::of(node.conn(), row)?.iter().filter(|again| !(untold && again.told)) {
        let prepaid = prepaid_of(node.conn(), &again.body)?;
        take_or_say(shift, &again.body, prepaid, true);
    }
    Ok(())
}

/// What a lost node wrote is folded as far as it goes; what can't be is said aloud, and the count tells the rest.
fn take_or_say(
    shift: &mut Shift,
    body: &Body,
    prepaid: Option<tradepost_commerce::money::Money>,
    again: bool,
) {
    if let Err(refusal) = take_in(shift, body, prepaid, again) {
        tracing::error!(%refusal, "a fact of a lost shift can't be counted in its Z");
    }
}

/// Whether Zs may be missing between the last one that is known of a till and the next: another memory wrote it, or this
/// one began after something was forgotten.
pub(crate) fn broken_before(node: &Node, till: &str) -> Answer<bool> {
    let Some(row) = shifts::last_z(node.conn(), till)? else {
        return Ok(meta::get::<Incarnation>(node.conn(), "forgotten")?.is_some());
    };
    let author = incarnations::by_no(node.conn(), events::parts(row.place).0)?;
    Ok(author.is_none_or(|author| !matches!(author.part, Part::Present | Part::Lone)))
}
