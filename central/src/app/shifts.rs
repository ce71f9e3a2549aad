//! Zs as the hub hears them: noted with what its own documents come to, and a difference is put before a person
//! (`facts.md` §2, `shift.closed`; `money.md`, Expected Z report).

use super::{Fault, said, stores as app_stores};
use crate::db::authors::{self, Author};
use crate::db::shifts::{self, Wanted, ZRow};
use crate::db::{Tx, events, review, stores};
use crate::hub::Hub;
use std::collections::BTreeSet;
use tradepost_sync::body::{Body, ShiftClosed};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::event::Event;
use tradepost_sync::ids::Incarnation;

/// A Z with what hangs on it.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its row.
    pub row: ZRow,
    /// The store's code.
    pub store: String,
    /// Who made it.
    pub incarnation: Incarnation,
    /// The Z itself.
    pub closed: ShiftClosed,
}

/// Notes the Zs of a batch, once its documents are booked.
///
/// # Errors
/// [`Fault`] of the database.
pub fn heard(tx: &mut Tx<'_>, author: &Author, new: &[Event], now: UtcMs) -> Result<(), Fault> {
    for event in new {
        let Ok(Body::ShiftClosed(closed)) = event.body() else { continue };
        if event.envelope.reissue.is_some() && !said::stands(tx, author, event)? {
            continue;
        }
        let till = event.envelope.till.clone().unwrap_or_default();
        let agrees = agrees(tx, author.store, &till, &closed)?;
        let difference = closed.drawers.first().map_or(0, |drawer| drawer.difference.0);
        let row = ZRow {
            author: author.no,
            seq: event.envelope.seq,
            store: author.store,
            till: till.clone(),
            z: closed.z,
            business_day: closed.business_day.0,
            closed_at: event.envelope.wall,
            received_at: now,
            difference,
            agrees,
        };
        shifts::add(tx, &row)?;
        let reference = format!("{till}-Z{}", closed.z);
        if !agrees {
            let detail = format!("Z {} of till {till} and the documents that came don't agree", closed.z);
            review::add(tx, author.store, "z_differs", &reference, &detail, now)?;
        }
        if shifts::numbered(tx, author.store, &till, closed.z)?.len() > 1 {
            let detail = format!("Z {} of till {till} was given out twice", closed.z);
            review::add(tx, author.store, "z_twice", &reference, &detail, now)?;
        }
    }
    Ok(())
}

/// Whether the documents that a Z names are here and come to its figures: sales, refunds and vouchers sold, and cash
/// rounding. A Z with receivables tells of papers that are no orders, so their count and rounding are left out.
///
/// A supplement's numbers may lie between those of the Zs before it, or be the same: all Zs of the shift are looked at
/// as one, and so are their documents.
fn agrees(tx: &mut Tx<'_>, store: i64, till: &str, z: &ShiftClosed) -> Result<bool, Fault> {
    let Some(all) = with_supplemented(tx, store, till, z)? else { return Ok(false) };
    let here = match z.supplement_of {
        None => by_number(tx, (store, till), z)?,
        Some(_) => of_shift(tx, (store, till), z.shift, &all)?,
    };
    let sum = |of: fn(&ShiftClosed) -> i64| all.iter().map(of).fold(0i64, i64::saturating_add);
    let told = sum(|z| i64::from(z.sales_count).saturating_add(i64::from(z.refunds_count)));
    let due = sum(|z| z.sales.0.saturating_add(z.refunds.0).saturating_add(z.liabilities_sold.0));
    let alone = all.iter().all(|z| z.receivables_collected.is_zero());
    let rounding = sum(|z| z.rounding.0);
    Ok(here.total == due && here.documents == told && (!alone || here.rounding == rounding))
}

/// What documents come to.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    documents: i64,
    total: i64,
    rounding: i64,
}

impl Sums {
    fn add(&mut self, (documents, total, rounding): (i64, i64, i64)) {
        self.documents = self.documents.saturating_add(documents);
        self.total = self.total.saturating_add(total);
        self.rounding = self.rounding.saturating_add(rounding);
    }
}

/// A Z and those that it supplements; none where one of them isn't here.
fn with_supplemented(
    tx: &mut Tx<'_>,
    store: i64,
    till: &str,
    z: &ShiftClosed,
) -> Result<Option<Vec<ShiftClosed>>, Fault> {
    let mut all = vec![z.clone()];
    let mut before = z.supplement_of;
    while let Some(number) = before {
        // Numbers only grow at a till: what points to itself or ahead supplements nothing.
        if all.last().is_none_or(|z| z.z <= number) {
            return Ok(None);
        }
        let mut found = None;
        for row in shifts::numbered(tx, store, till, number)? {
            let closed = body_of(tx, &row)?;
            if found.is_none() && closed.shift == z.shift {
                found = Some(closed);
            }
        }
        let Some(closed) = found else { return Ok(None) };
        before = closed.supplement_of;
        all.push(closed);
    }
    Ok(Some(all))
}

fn by_number(tx: &mut Tx<'_>, whose: (i64, &str), z: &ShiftClosed) -> Result<Sums, Fault> {
    let mut sums = Sums::default();
    for range in &z.series {
        sums.add(shifts::documents(tx, whose, &range.series, (range.first, range.last))?);
    }
    Ok(sums)
}

/// What the documents of a shift come to whose numbers any of its Zs tells of, each once.
fn of_shift(tx: &mut Tx<'_>, whose: (i64, &str), shift: u32, all: &[ShiftClosed]) -> Result<Sums, Fault> {
    let (mut sums, mut seen) = (Sums::default(), BTreeSet::new());
    for range in all.iter().flat_map(|z| &z.series) {
        let numbers = (range.first, range.last);
        for (author, seq, total, rounding) in shifts::each_document(tx, whose, &range.series, numbers)? {
            if seen.insert((author, seq)) && shift_of(tx, author, seq)? == Some(shift) {
                sums.add((1, total, rounding));
            }
        }
    }
    Ok(sums)
}

/// The shift that a document was made in.
fn shift_of(tx: &mut Tx<'_>, author: i64, seq: u64) -> Result<Option<u32>, Fault> {
    let stored = events::from(tx, author, seq, 1)?.into_iter().find(|stored| stored.seq == seq);
    Ok(stored.and_then(|stored| Event::read(&stored.bytes).ok()).and_then(|event| event.envelope.shift))
}

/// Zs after a place, of one store and till or of all.
///
/// # Errors
/// [`Fault`], also for a store that nobody knows.
pub fn list(
    hub: &Hub,
    store: Option<&str>,
    wanted: &Wanted,
    after: (i64, u64),
    limit: usize,
) -> Result<Vec<Report>, Fault> {
    hub.db.read(|tx| {
        let store = match store {
            Some(code) => Some(app_stores::find(tx, code)?.no),
            None => None,
        };
        let wanted = Wanted { store, ..wanted.clone() };
        shifts::list(tx, &wanted, after, limit)?.into_iter().map(|row| whole(tx, row)).collect()
    })
}

/// A till's Z by its number; the last that came, where two nodes gave it out.
///
/// # Errors
/// [`Fault`], also for a Z that the hub doesn't hold.
pub fn get(hub: &Hub, store: &str, till: &str, z: u32) -> Result<Report, Fault> {
    hub.db.read(|tx| {
        let no = app_stores::find(tx, store)?.no;
        let mut found = shifts::numbered(tx, no, till, z)?;
        if found.is_empty() {
            return Err(Fault::not_found("Z", &format!("{till} {z}")));
        }
        whole(tx, found.swap_remove(0))
    })
}

fn whole(tx: &mut Tx<'_>, row: ZRow) -> Result<Report, Fault> {
    let writer = authors::by_no(tx, row.author)?.ok_or_else(|| Fault::internal("no such author"))?;
    let store = stores::by_no(tx, row.store)?.map(|store| store.code).unwrap_or_default();
    let closed = body_of(tx, &row)?;
    Ok(Report { row, store, incarnation: writer.incarnation, closed })
}

fn body_of(tx: &mut Tx<'_>, row: &ZRow) -> Result<ShiftClosed, Fault> {
    let stored = events::from(tx, row.author, row.seq, 1)?.into_iter().next();
    let stored = stored.ok_or_else(|| Fault::internal("a Z without an event"))?;
    let body = Event::read(&stored.bytes).ok().and_then(|event| event.body().ok());
    let Some(Body::ShiftClosed(closed)) = body else { return Err(Fault::internal("a Z that can't be read")) };
    Ok(*closed)
}
