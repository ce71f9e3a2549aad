//! Orders are partitioned by the month the hub received them (`hub.md`, PostgreSQL); months are made ahead.

use crate::db::DbError;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use postgres::Client;

/// Months made ahead, the present one included.
const MONTHS_AHEAD: i64 = 3;

/// Makes the partitions of this month and the next ones, where they are missing. What no partition covers goes to
/// the default one, so a failure here loses nothing.
pub(super) fn make_ahead(client: &mut Client, now: Timestamp) -> Result<(), DbError> {
    let today = now.to_zoned(TimeZone::UTC).date();
    for ahead in 0..MONTHS_AHEAD {
        let month = today.first_of_month().saturating_add(ahead.months());
        if let Err(error) = client.batch_execute(&partition(month)) {
            tracing::warn!(%month, %error, "orders of this month go to the default partition");
        }
    }
    Ok(())
}

fn partition(month: Date) -> String {
    let (from, to) = (start(month), start(month.saturating_add(1.month())));
    let name = format!("orders_{:04}_{:02}", month.year(), month.month());
    format!("CREATE TABLE IF NOT EXISTS {name} PARTITION OF orders FOR VALUES FROM ({from}) TO ({to})")
}

fn start(month: Date) -> i64 {
    month.to_zoned(TimeZone::UTC).map_or(0, |start| start.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_covered_from_its_first_millisecond_to_the_next_ones_first() {
        let sql = partition(Date::constant(2026, 12, 1));
        assert!(sql.contains("orders_2026_12"), "{sql}");
        assert!(sql.ends_with("FROM (1796083200000) TO (1798761600000)"), "{sql}");
    }
}
