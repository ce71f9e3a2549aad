//! Zs as the hub hears them: noted with what its own documents come to, and a difference is put before a person
//! (`facts.md` §2, `shift.closed`; `money.md`, Expected Z report).

use super::{Fault, said, stores as app_stores};
use crate::db::authors::{self, Author};
use crate::db::shifts::{self, Wanted, ZRow};
use crate::db::{Tx, events, review, stores};
use crate::hub::Hub;
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
fn agrees(tx: &mut Tx<'_>, store: i64, till: &str, z: &ShiftClosed) -> Result<bool, Fault> {
    let (mut documents, mut total, mut rounding) = (0i64, 0i64, 0i64);
    for range in &z.series {
        let (n, sum, rounded) =
            shifts::documents(tx, (store, till), &range.series, (range.first, range.last))?;
        documents = documents.saturating_add(n);
        total = total.saturating_add(sum);
        rounding = rounding.saturating_add(rounded);
    }
    let told = i64::from(z.sales_count).saturating_add(i64::from(z.refunds_count));
    let due = [z.sales.0, z.refunds.0, z.liabilities_sold.0].into_iter().fold(0i64, i64::saturating_add);
    let alone = z.receivables_collected.is_zero();
    Ok(total == due && documents == told && (!alone || rounding == z.rounding.0))
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
    let stored = events::from(tx, row.author, row.seq, 1)?.into_iter().next();
    let stored = stored.ok_or_else(|| Fault::internal("a Z without an event"))?;
    let body = Event::read(&stored.bytes).ok().and_then(|event| event.body().ok());
    let Some(Body::ShiftClosed(closed)) = body else { return Err(Fault::internal("a Z that can't be read")) };
    Ok(Report { row, store, incarnation: writer.incarnation, closed: *closed })
}
