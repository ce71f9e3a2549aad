//! A shift whose facts stood on a branch that was cut off (`model.md` §3, Forks): they are said again, bear the till and
//! the shift that they bore, and belong to its recovered Z, or to a supplement where it was closed without them.

use super::problem::Answer;
use super::said;
use crate::db::branches::{self, Saying};
use crate::db::shifts::{self, ShiftRow};
use crate::db::{Fault, incarnations};
use rusqlite::Connection;
use std::collections::BTreeSet;
use tradepost_sync::body::Body;

/// A fact of a shift that is said again.
#[derive(Clone, Debug)]
pub(crate) struct Again {
    /// The fact.
    pub(crate) body: Body,
    /// The saying of it that counts.
    by: Saying,
    /// Its place in the stream that was cut off.
    seq: u64,
    /// A Z tells of it.
    pub(crate) told: bool,
}

/// What is said again of a shift, each fact once, in the order in which it was first written.
///
/// # Errors
/// A fault.
pub(crate) fn of(conn: &Connection, row: &ShiftRow) -> Result<Vec<Again>, Fault> {
    let mut found = Vec::new();
    let Some(author) = incarnations::by_no(conn, row.author)?.map(|known| known.id()) else {
        return Ok(found);
    };
    // Where the branch had opened a shift of this number itself, they are that one's.
    let opened_again = |row: &ShiftRow| -> Result<bool, Fault> {
        Ok(shifts::of_author(conn, &row.till, row.number, row.author)?.iter().any(ShiftRow::is_said_again))
    };
    let mut of_this = None;
    for said in branches::all_said(conn)? {
        let Some((_, event)) = said::event_of(conn, &said.by)? else { continue };
        let Some(first) = event.envelope.reissue.filter(|first| first.incarnation == author) else {
            continue;
        };
        let Ok(body) = event.body() else { continue };
        let here =
            event.envelope.till.as_deref() == Some(&row.till) && event.envelope.shift == Some(row.number);
        let is_fact = !matches!(body, Body::ShiftOpened(_) | Body::ShiftClosed(_));
        if !is_fact || !(here || matches!(body, Body::PaymentSettled(_))) || !said::stands(conn, &event)? {
            continue;
        }
        if of_this.is_none() {
            of_this = Some(row.is_said_again() || !opened_again(row)?);
        }
        if of_this == Some(true) {
            found.push(Again { body, by: said.by, seq: first.seq, told: said.told.is_some() });
        }
    }
    found.sort_by_key(|again| again.seq);
    Ok(found)
}

/// A closed shift of a till of which a document was said again that no Z tells of.
///
/// # Errors
/// A fault.
pub(crate) fn late(conn: &Connection, till: &str) -> Result<Option<ShiftRow>, Fault> {
    if !branches::any_said(conn)? {
        return Ok(None);
    }
    let mut seen = BTreeSet::new();
    for said in branches::all_said(conn)?.iter().filter(|said| said.told.is_none()) {
        let Some((_, event)) = said::event_of(conn, &said.by)? else { continue };
        let (Some(first), Some(number)) = (event.envelope.reissue, event.envelope.shift) else { continue };
        let of_till = event.envelope.till.as_deref() == Some(till);
        if !of_till || !seen.insert((first.incarnation, number)) {
            continue;
        }
        let Some(author) = incarnations::find(conn, &first.incarnation)? else { continue };
        for row in shifts::of_author(conn, till, number, author.no)? {
            if row.closed.is_some() && waits(conn, &row)? {
                return Ok(Some(row));
            }
        }
    }
    Ok(None)
}

fn waits(conn: &Connection, row: &ShiftRow) -> Result<bool, Fault> {
    let document = |body: &Body| {
        matches!(body, Body::SaleCommitted(_) | Body::RefundCommitted(_) | Body::ReceivableCollected(_))
    };
    Ok(of(conn, row)?.iter().any(|again| !again.told && document(&again.body)))
}

/// The Z at a place tells of all that is known to be said again of a shift.
///
/// # Errors
/// A fault.
pub(crate) fn are_told(conn: &Connection, row: &ShiftRow, place: i64) -> Answer<()> {
    if !branches::any_said(conn)? {
        return Ok(());
    }
    for again in of(conn, row)?.iter().filter(|again| !again.told) {
        branches::tell(conn, &again.by, place)?;
    }
    Ok(())
}
