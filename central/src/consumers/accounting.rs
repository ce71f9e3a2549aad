//! The double-entry journal of each closed day (`facts.md` §4, Accounting day): a debit is above zero, a credit below,
//! and the lines of every entry come to nothing.

use super::{How, Record, Trouble};
use crate::app::fan_out::day as iso;
use crate::db::{DbError, Tx, days, stores};
use crate::values;
use tradepost_commerce::settings::Settings;
use tradepost_commerce::shift::business_day;
use tradepost_proto::order::v1::{Document, OrderCreated, OrderFulfilled, OrderRefunded};
use tradepost_proto::payment::v1::{PaymentDeclined, PaymentProcessed};
use tradepost_proto::shift::v1::{CashMoved, ShiftOpened, ZClosed};

const CASH: &str = "cash";
const PREPAYMENTS: &str = "customer_prepayments";
const REVENUE: &str = "revenue";
const VAT: &str = "vat";

/// What an entry is posted under.
struct Entry<'a> {
    record: &'a Record,
    store: &'a str,
    currency: &'a str,
    /// The document's own day, ISO 8601.
    business_day: String,
    reference: &'a str,
}

pub(super) fn apply(tx: &mut Tx<'_>, record: &Record, how: How) -> Result<(), Trouble> {
    match record.name() {
        "order.created" => {
            let document = record.message::<OrderCreated>()?.document;
            let document = document.ok_or_else(|| Trouble::Bad("an order without a document".to_owned()))?;
            // A web order's turnover counts from its hand-out on.
            if record.source.starts_with("/stores/") { posted(tx, record, &document) } else { Ok(()) }
        }
        "order.refunded" => {
            let refunded: OrderRefunded = record.message()?;
            let document =
                refunded.document.ok_or_else(|| Trouble::Bad("a refund without a document".to_owned()))?;
            let original = &refunded.original_sale_id;
            if how.patient && !original.is_empty() && !is_known(tx, original)? {
                return Err(Trouble::Early(format!("its sale {original} isn't known yet")));
            }
            posted(tx, record, &document)
        }
        "payment.processed" => paid(tx, record, &record.message()?, how),
        "payment.declined" => declined(tx, record, &record.message()?, how),
        "order.fulfilled" => handed_out(tx, record, &record.message()?),
        "shift.opened" => shift_opened(tx, &record.message()?),
        "cash.moved" => cash_moved(tx, record, &record.message()?),
        "z.closed" => z_closed(tx, record, &record.message()?),
        _ => Ok(()),
    }
}

fn is_known(tx: &mut Tx<'_>, document: &str) -> Result<bool, DbError> {
    Ok(tx.row("SELECT 1 FROM journal_documents WHERE id = ?1", values![document])?.is_some())
}

/// A store's document: what it was paid with against turnover, tax, rounding and what it sold as a liability.
fn posted(tx: &mut Tx<'_>, record: &Record, document: &Document) -> Result<(), Trouble> {
    let liabilities = document.lines.iter().filter(|line| !line.liability_pool.is_empty());
    let liability = liabilities.fold(0i64, |sum, line| sum.saturating_add(line.amount));
    let mut lines: Vec<(String, i64)> = Vec::new();
    for tender in &document.tenders {
        lines.push((account_of(&tender.kind, tender.unsettled), tender.amount));
    }
    lines.push((REVENUE.to_owned(), liability.saturating_sub(document.net)));
    lines.push(("vouchers".to_owned(), liability.saturating_neg()));
    lines.push((VAT.to_owned(), document.tax.saturating_neg()));
    lines.push(("rounding".to_owned(), document.rounding.saturating_neg()));
    let entry = Entry {
        record,
        store: &document.store,
        currency: &document.currency,
        business_day: document.business_day.clone(),
        reference: &document.id,
    };
    post(tx, &entry, &lines)?;
    let sql = "INSERT INTO journal_documents (id) VALUES (?1) ON CONFLICT DO NOTHING";
    tx.execute(sql, values![&document.id])?;
    Ok(())
}

/// The account that a kind of money stands in.
fn account_of(kind: &str, unsettled: bool) -> String {
    let account = match kind {
        // Redeeming is paying off what was owed (`facts.md` §4).
        "voucher" | "gift_card" => "vouchers",
        "prepaid" => PREPAYMENTS,
        other => other,
    };
    if unsettled { format!("{account}_unsettled") } else { account.to_owned() }
}

/// Money of a web order is a prepayment; money at a till stands in its document, until it settles what that left open.
fn paid(tx: &mut Tx<'_>, record: &Record, paid: &PaymentProcessed, how: How) -> Result<(), Trouble> {
    if !record.source.starts_with("/stores/") {
        let business_day = local_day(tx, &paid.store, record.time)?;
        let (store, currency, reference) = (&*paid.store, &*paid.currency, &*paid.order_id);
        let entry = Entry { record, store, currency, business_day, reference };
        let lines = [(account_of(&paid.kind, false), paid.amount), (PREPAYMENTS.to_owned(), -paid.amount)];
        return post(tx, &entry, &lines);
    }
    if !paid.settles {
        return Ok(());
    }
    let to = account_of(&paid.kind, false);
    settled(tx, record, how, (&paid.store, &paid.order_id, &paid.kind, paid.amount), &to)
}

/// Money that never comes is owed by the customer (`facts.md` §4, Stored card).
fn declined(tx: &mut Tx<'_>, record: &Record, lost: &PaymentDeclined, how: How) -> Result<(), Trouble> {
    if !record.source.starts_with("/stores/") {
        return Ok(());
    }
    settled(tx, record, how, (&lost.store, &lost.order_id, &lost.kind, lost.amount), "receivables")
}

fn settled(
    tx: &mut Tx<'_>,
    record: &Record,
    how: How,
    (store, document, kind, amount): (&str, &str, &str, i64),
    to: &str,
) -> Result<(), Trouble> {
    let from = account_of(kind, true);
    let sql = "SELECT currency FROM journal_lines WHERE reference = ?1 AND account = ?2 LIMIT 1";
    let Some(row) = tx.row(sql, values![document, &from])? else {
        if how.patient {
            return Err(Trouble::Early(format!("the document {document} that it settles isn't known yet")));
        }
        // A tender without a document (an unknown one that was voided) has left nothing open in the books.
        return Ok(());
    };
    let currency: String = row.get(0)?;
    let business_day = local_day(tx, store, record.time)?;
    let entry = Entry { record, store, currency: &currency, business_day, reference: document };
    post(tx, &entry, &[(to.to_owned(), amount), (from, -amount)])
}

/// A web order's revenue, once it is handed out or shipped.
fn handed_out(tx: &mut Tx<'_>, record: &Record, out: &OrderFulfilled) -> Result<(), Trouble> {
    let Some(document) = &out.document else { return Ok(()) };
    let business_day = local_day(tx, &out.store, record.time)?;
    let (store, reference) = (&*out.store, &*out.order_id);
    let entry = Entry { record, store, currency: &document.currency, business_day, reference };
    let lines = [
        (PREPAYMENTS.to_owned(), document.net.saturating_add(document.tax)),
        (REVENUE.to_owned(), document.net.saturating_neg()),
        (VAT.to_owned(), document.tax.saturating_neg()),
    ];
    post(tx, &entry, &lines)
}

fn shift_opened(tx: &mut Tx<'_>, opened: &ShiftOpened) -> Result<(), Trouble> {
    let sql = "INSERT INTO journal_shifts (store, till, shift, business_day) VALUES (?1, ?2, ?3, ?4) \
        ON CONFLICT DO NOTHING";
    tx.execute(sql, values![&opened.store, &opened.till, opened.shift, &opened.business_day])?;
    Ok(())
}

fn cash_moved(tx: &mut Tx<'_>, record: &Record, moved: &CashMoved) -> Result<(), Trouble> {
    let (to, amount) = match moved.direction.as_str() {
        "in" => ("paid_in", -moved.amount),
        "out" => ("expenses", moved.amount),
        "safe_drop" => ("safe", moved.amount),
        other => return Err(Trouble::Bad(format!("cash moves {other}"))),
    };
    let sql = "SELECT business_day FROM journal_shifts WHERE store = ?1 AND till = ?2 AND shift = ?3";
    let business_day = match tx.row(sql, values![&moved.store, &moved.till, moved.shift])? {
        Some(row) => row.get(0)?,
        None => local_day(tx, &moved.store, record.time)?,
    };
    let (store, currency, reference) = (&*moved.store, &*moved.currency, &*moved.reason);
    let entry = Entry { record, store, currency, business_day, reference };
    post(tx, &entry, &[(to.to_owned(), amount), (CASH.to_owned(), -amount)])
}

fn z_closed(tx: &mut Tx<'_>, record: &Record, z: &ZClosed) -> Result<(), Trouble> {
    let short = z.expected.saturating_sub(z.counted);
    let reference = format!("{} Z{}", z.till, z.z);
    let business_day = z.business_day.clone();
    let (store, currency) = (&*z.store, &*z.currency);
    let entry = Entry { record, store, currency, business_day, reference: &reference };
    post(tx, &entry, &[("over_short".to_owned(), short), (CASH.to_owned(), -short)])
}

/// The business day that an instant falls on by the store's clock.
fn local_day(tx: &mut Tx<'_>, store: &str, at_ms: i64) -> Result<String, DbError> {
    let settings =
        stores::find(tx, store)?.and_then(|store| serde_json::from_str::<Settings>(&store.settings).ok());
    let settings = settings.unwrap_or_default();
    let zone = jiff::tz::TimeZone::get(&settings.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_zoned(zone);
    let since =
        at.date().since(jiff::civil::date(1970, 1, 1)).map(|span| span.get_days()).unwrap_or_default();
    let minute = u16::try_from(i32::from(at.hour()) * 60 + i32::from(at.minute())).unwrap_or_default();
    Ok(iso(business_day(since, minute, settings.day_start_minutes)))
}

/// Writes an entry's lines under the day that its fact belongs to; lines of nothing are left out.
fn post(tx: &mut Tx<'_>, entry: &Entry<'_>, lines: &[(String, i64)]) -> Result<(), Trouble> {
    let sum = lines.iter().fold(0i64, |sum, (_, amount)| sum.saturating_add(*amount));
    if sum != 0 {
        return Err(Trouble::Bad(format!("the entry is off by {sum}")));
    }
    let day = days::posting_day(tx, entry.store, &entry.business_day, fact_of(&entry.record.id))?;
    let sql = "INSERT INTO journal_lines (ce_id, n, store, day, business_day, account, currency, amount, reference) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    for (n, (account, amount)) in lines.iter().filter(|(_, amount)| *amount != 0).enumerate() {
        let (id, own) = (&entry.record.id, &entry.business_day);
        tx.execute(
            sql,
            values![id, n, entry.store, &day, own, account, entry.currency, *amount, entry.reference],
        )?;
    }
    Ok(())
}

/// Which fact a record tells of: (incarnation, seq); none for what no stream holds.
fn fact_of(ce_id: &str) -> Option<(&str, u64)> {
    let (fact, _) = ce_id.rsplit_once('-')?;
    let (incarnation, seq) = fact.rsplit_once('-')?;
    Some((incarnation, seq.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{account_of, fact_of};

    #[test]
    fn a_records_fact_is_read_from_its_id() {
        let id = "0b1e4fb4-7c6a-4a52-9a30-0d3f5b0a1c22-17-3";
        assert_eq!(fact_of(id), Some(("0b1e4fb4-7c6a-4a52-9a30-0d3f5b0a1c22", 17)));
        assert_eq!(fact_of("ab12-9-0"), Some(("ab12", 9)));
        assert_eq!(fact_of("0b1e4fb4-captured-0"), None);
        assert_eq!(fact_of("x"), None);
    }

    #[test]
    fn money_that_was_not_taken_stands_apart() {
        for (kind, unsettled, account) in [
            ("cash", false, "cash"),
            ("card", true, "card_unsettled"),
            ("gift_card", false, "vouchers"),
            ("prepaid", false, "customer_prepayments"),
        ] {
            assert_eq!(account_of(kind, unsettled), account);
        }
    }
}
