//! Documents as they stand in the log: the stored event is the answer, today and in ten years.

use super::node::{Rulebook, Written};
use super::problem::{Answer, Code, Stop, no};
use crate::db::incarnations::{self, unsigned};
use crate::db::{Fault, documents, events};
use jiff::Timestamp;
use rusqlite::Connection;
use std::collections::BTreeMap;
use tradepost_commerce::document::{Basis, TenderState};
use tradepost_sync::body::{Body, Day};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::event::Event;
use tradepost_sync::ids::Id;

/// A document in the log.
#[derive(Clone, Debug)]
pub struct Booked {
    /// Where it stands.
    pub place: i64,
    /// The event that holds it.
    pub event: Event,
    /// Its body.
    pub body: Body,
    /// What came back of it, by line.
    pub refunded: BTreeMap<u16, Basis>,
    /// Where its tenders stand by now, by index; none of them where nothing was settled since.
    pub by_now: Vec<TenderState>,
    /// The hub holds it.
    pub synced: bool,
}

impl Booked {
    pub(crate) fn fresh(written: Written) -> Self {
        let Written { place, event, body } = written;
        Self { place, event, body, refunded: BTreeMap::new(), by_now: Vec::new(), synced: false }
    }

    /// Reads the document of an event.
    ///
    /// # Errors
    /// A fault, also where the log has no such event.
    pub fn load(conn: &Connection, place: i64) -> Answer<Self> {
        let event = events::read(conn, place)?.ok_or_else(|| Fault::Fatal(format!("no event at {place}")))?;
        let body = event.body().map_err(|e| Stop::Fault(Fault::Fatal(e.to_string())))?;
        let refunded = match &body {
            Body::SaleCommitted(sale) => documents::refunded(conn, &sale.sale_id)?,
            _ => BTreeMap::new(),
        };
        let by_now = match &body {
            Body::SaleCommitted(sale) => {
                super::tender::states(conn, &sale.sale_id, &sale.document.inputs.tenders)?
            }
            Body::RefundCommitted(back) => {
                super::tender::states(conn, &back.refund_id, &back.document.inputs.tenders)?
            }
            _ => Vec::new(),
        };
        let (no, seq) = events::parts(place);
        let synced = acked(conn, no)? >= seq;
        Ok(Self { place, event, body, refunded, by_now, synced })
    }
}

fn acked(conn: &Connection, no: i64) -> Result<u64, Fault> {
    let mut statement = conn.prepare_cached("SELECT acked FROM incarnations WHERE no = ?1")?;
    Ok(statement.query_row([no], |row| row.get(0)).map(unsigned)?)
}

/// A sale or refund by its id, also one of training.
///
/// # Errors
/// `NOT_FOUND`, or a fault.
pub fn find(conn: &Connection, id: &Id) -> Answer<Booked> {
    if let Some(found) = documents::find(conn, id)? {
        return Booked::load(conn, found.place);
    }
    super::training::find(conn, id)?.ok_or_else(|| no(Code::NotFound, format!("no document {id}")))
}

/// A sale or refund by its number as printed, e.g. `R1-7K2QD-000101`.
///
/// # Errors
/// `NOT_FOUND`, or a fault.
pub fn find_by_number(conn: &Connection, number: &str) -> Answer<Booked> {
    let missing = || no(Code::NotFound, format!("no receipt {number}"));
    let (series, n) = number.trim().rsplit_once('-').ok_or_else(missing)?;
    let n: u64 = n.parse().map_err(|_| missing())?;
    let place = documents::by_number(conn, &series.to_uppercase(), n)?;
    let place = match place {
        Some(place) => place,
        None => documents::by_number(conn, series, n)?.ok_or_else(missing)?,
    };
    Booked::load(conn, place)
}

/// Sales and refunds, newest first, before a place; of one business day where it is named.
///
/// # Errors
/// A fault.
pub fn page(conn: &Connection, before: Option<i64>, day: Option<Day>, limit: usize) -> Answer<Vec<Booked>> {
    let places = documents::page(conn, before.unwrap_or(i64::MAX), day, limit)?;
    places.into_iter().map(|place| Booked::load(conn, place)).collect()
}

/// The business day of an instant: the local date, or the day before where the day has not begun (`facts.md` §4).
pub fn business_day(rulebook: &Rulebook, trading: UtcMs) -> Day {
    let start = i64::from(rulebook.settings.day_start_minutes) * 60_000;
    let shifted = Timestamp::from_millisecond(trading).unwrap_or(Timestamp::UNIX_EPOCH);
    let local = rulebook.zone.to_datetime(shifted);
    let since_midnight = local.time().duration_since(jiff::civil::Time::midnight()).as_millis();
    let date = local.date();
    let date = if since_midnight < i128::from(start) { date.yesterday().unwrap_or(date) } else { date };
    day_of(date)
}

/// A date as days since 1970.
pub fn day_of(date: jiff::civil::Date) -> Day {
    let epoch = jiff::civil::date(1970, 1, 1);
    let days = date.since((jiff::Unit::Day, epoch)).map_or(0, |span| span.get_days());
    Day(days)
}

/// A day as a date.
pub fn date_of(day: Day) -> jiff::civil::Date {
    let epoch = jiff::civil::date(1970, 1, 1);
    epoch.checked_add(jiff::Span::new().days(i64::from(day.0))).unwrap_or(epoch)
}

/// Every incarnation by its number.
///
/// # Errors
/// A fault.
pub fn authors(conn: &Connection) -> Result<BTreeMap<i64, incarnations::Known>, Fault> {
    Ok(incarnations::all(conn)?.into_iter().map(|known| (known.no, known)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;
    use tradepost_commerce::settings::Settings;

    #[test]
    fn a_business_day_begins_at_the_settings_hour_of_the_local_clock() {
        let zone = TimeZone::get("Asia/Ho_Chi_Minh").unwrap();
        let rulebook = Rulebook {
            settings: Settings::default(),
            zone,
            promotions: Vec::new(),
            catalog: Default::default(),
        };
        // 2026-11-21T21:30Z is 04:30 of the 22nd in Saigon, 20:30Z is 03:30: still the 21st's business.
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
        for (instant, day) in [("2026-11-21T21:30:00Z", "2026-11-22"), ("2026-11-21T20:30:00Z", "2026-11-21")]
        {
            assert_eq!(date_of(business_day(&rulebook, at(instant))).to_string(), day, "{instant}");
        }
    }
}
