//! Documents as the hub shows and adds them up.

use super::booking::{LineRow, OrderRow, PaymentRow};
use super::{DbError, Row, Tx, Value};
use crate::values;
use tradepost_sync::body::ReceiptNumber;
use tradepost_sync::ids::Id;

/// A document with whose it is.
#[derive(Clone, Debug)]
pub struct Order {
    /// Whose stream.
    pub author: i64,
    /// Whose store.
    pub store: i64,
    /// The document.
    pub row: OrderRow,
}

const COLUMNS: &str = "author, store, seq, received_at, id, kind, till, series, n, business_day, committed_at, customer, \
    original, currency, exponent, net, tax, total, rounding, cash_due, cash_tendered, change";

fn order(row: &Row) -> Result<Order, DbError> {
    let kind = if row.get::<String>(5)? == "sale" { "sale" } else { "refund" };
    let exponent: u32 = row.get(14)?;
    Ok(Order {
        author: row.get(0)?,
        store: row.get(1)?,
        row: OrderRow {
            seq: row.get(2)?,
            received_at: row.get(3)?,
            id: row.get(4)?,
            kind,
            till: row.get(6)?,
            series: row.get(7)?,
            n: row.get(8)?,
            business_day: row.get(9)?,
            committed_at: row.get(10)?,
            customer: row.get(11)?,
            original: row.get(12)?,
            currency: row.get(13)?,
            exponent: u8::try_from(exponent).map_err(|_| DbError::Shape("exponent".to_owned()))?,
            net: row.get(15)?,
            tax: row.get(16)?,
            total: row.get(17)?,
            rounding: row.get(18)?,
            cash_due: row.get(19)?,
            cash_tendered: row.get(20)?,
            change: row.get(21)?,
        },
    })
}

/// Documents after (author, seq), in that order; of one store if it is given.
pub fn list(
    tx: &mut Tx<'_>,
    store: Option<i64>,
    after: (i64, u64),
    limit: usize,
) -> Result<Vec<Order>, DbError> {
    let of_store = if store.is_some() { "AND store = ?4" } else { "" };
    let sql = format!(
        "SELECT {COLUMNS} FROM orders WHERE (author, seq) > (?1, ?2) {of_store} ORDER BY author, seq LIMIT ?3"
    );
    let mut given = values![after.0, after.1, limit].to_vec();
    given.extend(store.map(Value::from));
    tx.rows(&sql, &given)?.iter().map(order).collect()
}

/// The document of an event.
pub fn at(tx: &mut Tx<'_>, author: i64, seq: u64) -> Result<Option<Order>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM orders WHERE author = ?1 AND seq = ?2");
    tx.row(&sql, values![author, seq])?.as_ref().map(order).transpose()
}

/// A document's lines.
pub fn lines(tx: &mut Tx<'_>, author: i64, seq: u64) -> Result<Vec<LineRow>, DbError> {
    let sql = "SELECT line, of_line, sku, name, quantity_milli, units, unit_price, base, discount, promotion, \
        order_share, amount, net, tax, tax_category, tax_ppm FROM order_lines WHERE author = ?1 AND seq = ?2 ORDER BY line";
    let read = |row: &Row| {
        Ok(LineRow {
            seq,
            line: row.get(0)?,
            of_line: row.get(1)?,
            sku: row.get(2)?,
            name: row.get(3)?,
            quantity_milli: row.get(4)?,
            units: row.get(5)?,
            unit_price: row.get(6)?,
            base: row.get(7)?,
            discount: row.get(8)?,
            promotion: row.get(9)?,
            order_share: row.get(10)?,
            amount: row.get(11)?,
            net: row.get(12)?,
            tax: row.get(13)?,
            tax_category: row.get(14)?,
            tax_ppm: row.get(15)?,
        })
    };
    tx.rows(sql, values![author, seq])?.iter().map(read).collect()
}

/// A document's tenders.
pub fn payments(tx: &mut Tx<'_>, author: i64, seq: u64) -> Result<Vec<PaymentRow>, DbError> {
    let sql =
        "SELECT n, kind, amount, state, reference FROM payments WHERE author = ?1 AND seq = ?2 ORDER BY n";
    let read = |row: &Row| {
        Ok(PaymentRow {
            seq,
            n: row.get(0)?,
            kind: row.get(1)?,
            amount: row.get(2)?,
            state: row.get(3)?,
            reference: row.get(4)?,
        })
    };
    tx.rows(sql, values![author, seq])?.iter().map(read).collect()
}

/// What came back of a sale's line, as positive figures.
#[derive(Clone, Copy, Debug)]
pub struct Refunded {
    /// The sale's line.
    pub line: u32,
    /// Thousandths of the pricing unit.
    pub quantity_milli: i64,
    /// Without tax.
    pub net: i64,
    /// The tax.
    pub tax: i64,
    /// How many refunds.
    pub refunds: i64,
}

/// What was refunded of a sale, line by line.
pub fn refunded(tx: &mut Tx<'_>, sale: Id) -> Result<Vec<Refunded>, DbError> {
    let sql = "SELECT l.of_line, CAST(SUM(l.quantity_milli) AS BIGINT), CAST(SUM(l.net) AS BIGINT), \
        CAST(SUM(l.tax) AS BIGINT), count(*) FROM orders o \
        JOIN order_lines l ON l.author = o.author AND l.seq = o.seq \
        WHERE o.original = ?1 AND l.of_line IS NOT NULL GROUP BY l.of_line ORDER BY l.of_line";
    let read = |row: &Row| {
        let (quantity, net, tax): (i64, i64, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(Refunded {
            line: row.get(0)?,
            quantity_milli: -quantity,
            net: -net,
            tax: -tax,
            refunds: row.get(4)?,
        })
    };
    tx.rows(sql, values![sale])?.iter().map(read).collect()
}

/// Business days, both included.
#[derive(Clone, Copy, Debug)]
pub struct Days {
    /// First.
    pub from: i32,
    /// Last.
    pub to: i32,
}

/// What the documents of one kind come to.
#[derive(Clone, Debug)]
pub struct Sums {
    /// `sale` or `refund`.
    pub kind: String,
    /// How many.
    pub documents: i64,
    /// Σ totals.
    pub total: i64,
    /// Σ cash rounding.
    pub rounding: i64,
    /// Σ change.
    pub change: i64,
}

/// Sums over a store's documents by kind.
pub fn sums(tx: &mut Tx<'_>, store: i64, days: Days) -> Result<Vec<Sums>, DbError> {
    let sql = "SELECT kind, count(*), CAST(SUM(total) AS BIGINT), CAST(SUM(rounding) AS BIGINT), \
        CAST(SUM(change) AS BIGINT) FROM orders WHERE store = ?1 AND business_day >= ?2 AND business_day <= ?3 GROUP BY kind";
    let read = |row: &Row| {
        Ok(Sums {
            kind: row.get(0)?,
            documents: row.get(1)?,
            total: row.get(2)?,
            rounding: row.get(3)?,
            change: row.get(4)?,
        })
    };
    tx.rows(sql, values![store, days.from, days.to])?.iter().map(read).collect()
}

/// Sums over a store's lines by rate: (ppm, net, tax).
pub fn taxes(tx: &mut Tx<'_>, store: i64, days: Days) -> Result<Vec<(u32, i64, i64)>, DbError> {
    let sql = "SELECT l.tax_ppm, CAST(SUM(l.net) AS BIGINT), CAST(SUM(l.tax) AS BIGINT) FROM orders o \
        JOIN order_lines l ON l.author = o.author AND l.seq = o.seq \
        WHERE o.store = ?1 AND o.business_day >= ?2 AND o.business_day <= ?3 GROUP BY l.tax_ppm ORDER BY l.tax_ppm";
    let read = |row: &Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    tx.rows(sql, values![store, days.from, days.to])?.iter().map(read).collect()
}

/// Sums over a store's lines by item: (sku, base units sold less those that came back).
pub fn units(tx: &mut Tx<'_>, store: i64, days: Days) -> Result<Vec<(String, i64)>, DbError> {
    let sql = "SELECT l.sku, CAST(SUM(l.units) AS BIGINT) FROM orders o \
        JOIN order_lines l ON l.author = o.author AND l.seq = o.seq \
        WHERE o.store = ?1 AND o.business_day >= ?2 AND o.business_day <= ?3 GROUP BY l.sku ORDER BY l.sku";
    tx.rows(sql, values![store, days.from, days.to])?
        .iter()
        .map(|row| Ok((row.get(0)?, row.get(1)?)))
        .collect()
}

/// Sums over a store's tenders by kind: (kind, amount handed over).
pub fn tenders(tx: &mut Tx<'_>, store: i64, days: Days) -> Result<Vec<(String, i64)>, DbError> {
    let sql = "SELECT p.kind, CAST(SUM(p.amount) AS BIGINT) FROM orders o \
        JOIN payments p ON p.author = o.author AND p.seq = o.seq \
        WHERE o.store = ?1 AND o.business_day >= ?2 AND o.business_day <= ?3 GROUP BY p.kind ORDER BY p.kind";
    tx.rows(sql, values![store, days.from, days.to])?
        .iter()
        .map(|row| Ok((row.get(0)?, row.get(1)?)))
        .collect()
}

/// A receipt series: what came of it.
#[derive(Clone, Debug)]
pub struct Series {
    /// The till.
    pub till: String,
    /// The series.
    pub series: String,
    /// Whose.
    pub author: i64,
    /// The last number.
    pub last_n: u64,
    /// How many documents.
    pub documents: u64,
}

/// A store's receipt series.
pub fn series(tx: &mut Tx<'_>, store: i64) -> Result<Vec<Series>, DbError> {
    let sql = "SELECT till, series, author, last_n, documents FROM series WHERE store = ?1 ORDER BY till, series, author";
    let read = |row: &Row| {
        Ok(Series {
            till: row.get(0)?,
            series: row.get(1)?,
            author: row.get(2)?,
            last_n: row.get(3)?,
            documents: row.get(4)?,
        })
    };
    tx.rows(sql, values![store])?.iter().map(read).collect()
}

/// Ids of the documents that bear a number.
pub fn numbered(tx: &mut Tx<'_>, store: i64, receipt: &ReceiptNumber) -> Result<Vec<Id>, DbError> {
    let sql = "SELECT id FROM orders WHERE store = ?1 AND till = ?2 AND series = ?3 AND n = ?4 ORDER BY id";
    let given = values![store, &receipt.till, &receipt.series, receipt.n];
    tx.rows(sql, given)?.iter().map(|row| row.get(0)).collect()
}

/// Moves a store's lines from one item to another (an alias).
pub fn rename_sku(tx: &mut Tx<'_>, store: i64, from: &str, to: &str) -> Result<(), DbError> {
    let sql = "UPDATE order_lines SET sku = ?3 WHERE sku = ?2 AND author IN (SELECT author FROM authors WHERE store = ?1)";
    tx.execute(sql, values![store, from, to]).map(|_| ())
}
