//! Sales by store, day, hour and item, and live counts of payments and movements.

use super::{Record, Trouble};
use crate::db::{DbError, Tx, stores};
use crate::values;
use tradepost_commerce::settings::Settings;
use tradepost_proto::order::v1::{Document, OrderCreated, OrderRefunded};
use tradepost_proto::{inventory, payment};

pub(super) fn apply(tx: &mut Tx<'_>, record: &Record) -> Result<(), Trouble> {
    match record.name() {
        "order.created" => {
            let created: OrderCreated = record.message()?;
            let document =
                created.document.ok_or_else(|| Trouble::Bad("an order without a document".to_owned()))?;
            booked(tx, &document, (1, 0))?;
        }
        "order.refunded" => {
            let refunded: OrderRefunded = record.message()?;
            let document =
                refunded.document.ok_or_else(|| Trouble::Bad("a refund without a document".to_owned()))?;
            booked(tx, &document, (0, 1))?;
        }
        "payment.processed" => {
            let paid: payment::v1::PaymentProcessed = record.message()?;
            count(tx, &paid.store, &format!("payment.{}", paid.kind), paid.amount)?;
        }
        "stock.moved" => {
            let moved: inventory::v1::StockMoved = record.message()?;
            count(tx, &moved.store, &format!("movement.{}", moved.kind), moved.units)?;
        }
        "product.created" => count(tx, "", "product.created", 1)?,
        _ => {}
    }
    Ok(())
}

fn booked(tx: &mut Tx<'_>, document: &Document, (sales, refunds): (i64, i64)) -> Result<(), Trouble> {
    let sql = "INSERT INTO analytics_days (store, day, currency, sales, refunds, net, tax, total) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (store, day, currency) DO UPDATE SET \
        sales = analytics_days.sales + excluded.sales, refunds = analytics_days.refunds + excluded.refunds, \
        net = analytics_days.net + excluded.net, tax = analytics_days.tax + excluded.tax, \
        total = analytics_days.total + excluded.total";
    let (store, day) = (&document.store, &document.business_day);
    let currency = &document.currency;
    tx.execute(
        sql,
        values![store, day, currency, sales, refunds, document.net, document.tax, document.total],
    )?;
    let hour = hour(tx, store, document.committed_ms)?;
    for line in &document.lines {
        let sql = "INSERT INTO analytics_items (store, day, hour, sku, units, net, tax, amount) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (store, day, hour, sku) DO UPDATE SET \
            units = analytics_items.units + excluded.units, net = analytics_items.net + excluded.net, \
            tax = analytics_items.tax + excluded.tax, amount = analytics_items.amount + excluded.amount";
        tx.execute(sql, values![store, day, hour, &line.sku, line.units, line.net, line.tax, line.amount])?;
    }
    Ok(())
}

/// The hour of the day on the store's own clock.
fn hour(tx: &mut Tx<'_>, store: &str, at_ms: i64) -> Result<i64, DbError> {
    let settings =
        stores::find(tx, store)?.and_then(|store| serde_json::from_str::<Settings>(&store.settings).ok());
    let zone = settings.and_then(|settings| jiff::tz::TimeZone::get(&settings.time_zone).ok());
    let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    Ok(i64::from(at.to_zoned(zone.unwrap_or(jiff::tz::TimeZone::UTC)).hour()))
}

fn count(tx: &mut Tx<'_>, store: &str, name: &str, amount: i64) -> Result<(), DbError> {
    let sql = "INSERT INTO analytics_counters (store, name, n, amount) VALUES (?1, ?2, 1, ?3) \
        ON CONFLICT (store, name) DO UPDATE SET n = analytics_counters.n + 1, \
        amount = analytics_counters.amount + excluded.amount";
    tx.execute(sql, values![store, name, amount]).map(|_| ())
}
