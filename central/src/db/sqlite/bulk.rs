//! A booking's rows, row by row through cached statements.

use crate::db::booking::{Booking, StockNow};
use crate::db::{DbError, Value};
use crate::values;
use rusqlite::Transaction;
use tradepost_sync::ids::Id;

const EVENT: &str = "INSERT INTO events (author, seq, kind, hash, bytes) VALUES (?1, ?2, ?3, ?4, ?5)";
const ID: &str = "INSERT INTO document_ids (id, author, seq) VALUES (?1, ?2, ?3)";
const ORDER: &str = "INSERT INTO orders (author, seq, received_at, id, store, kind, till, series, n, business_day, \
    committed_at, customer, original, currency, exponent, net, tax, total, rounding, cash_due, cash_tendered, change) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)";
const LINE: &str = "INSERT INTO order_lines (author, seq, line, of_line, sku, name, quantity_milli, units, unit_price, \
    base, discount, promotion, order_share, amount, net, tax, tax_category, tax_ppm) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";
const PAYMENT: &str = "INSERT INTO payments (author, seq, n, kind, amount, state, reference) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const STOCK: &str = "INSERT INTO stock (store, sku, on_hand, row_version) VALUES (?1, ?2, ?3, 1) \
    ON CONFLICT (store, sku) DO UPDATE SET on_hand = on_hand + excluded.on_hand, row_version = row_version + 1 \
    RETURNING on_hand, row_version";
const CELLS: &str = "INSERT INTO cells (store, sku, author, minted, used, overdrawn, settled) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (store, sku, author) DO UPDATE SET \
    minted = minted + excluded.minted, used = used + excluded.used, \
    overdrawn = overdrawn + excluded.overdrawn, settled = settled + excluded.settled";
const GIVEN: &str = "INSERT INTO given (store, sku, author, receiver, units) VALUES (?1, ?2, ?3, ?4, ?5) \
    ON CONFLICT (store, sku, author, receiver) DO UPDATE SET units = units + excluded.units";
const SERIES: &str = "INSERT INTO series (store, till, series, author, last_n, documents) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (store, till, series, author) DO UPDATE SET \
    last_n = max(last_n, excluded.last_n), documents = documents + excluded.documents";
const OUTBOX: &str =
    "INSERT INTO outbox (stream, seq, source, author, event_seq) VALUES (?1, ?2, 'event', ?3, ?4)";

pub(in crate::db) fn save(tx: &Transaction<'_>, b: &Booking) -> Result<Vec<StockNow>, DbError> {
    documents(tx, b)?;
    for ((till, series), (last, documents)) in &b.series {
        run(tx, SERIES, values![b.store, till, series, b.author, *last, *documents])?;
    }
    for (sku, c) in &b.cells {
        run(tx, CELLS, values![b.store, sku, b.author, c.minted, c.used, c.overdrawn, c.settled])?;
    }
    for ((sku, receiver), units) in &b.given {
        run(tx, GIVEN, values![b.store, sku, b.author, *receiver, *units])?;
    }
    let (stream, first) = b.outbox;
    for (place, event) in (first..).zip(&b.events) {
        run(tx, EVENT, values![b.author, event.seq, event.kind, event.hash, event.bytes.as_slice()])?;
        run(tx, OUTBOX, values![stream, place, b.author, event.seq])?;
    }
    b.stock.iter().map(|(sku, units)| stock(tx, b.store, sku, *units)).collect()
}

fn documents(tx: &Transaction<'_>, b: &Booking) -> Result<(), DbError> {
    for (id, seq) in &b.ids {
        run(tx, ID, values![*id, b.author, *seq])?;
    }
    for o in &b.orders {
        let given = values![
            b.author,
            o.seq,
            o.received_at,
            o.id,
            b.store,
            o.kind,
            &o.till,
            &o.series,
            o.n,
            o.business_day,
            o.committed_at,
            o.customer,
            o.original,
            &o.currency,
            u32::from(o.exponent),
            o.net,
            o.tax,
            o.total,
            o.rounding,
            o.cash_due,
            o.cash_tendered,
            o.change,
        ];
        run(tx, ORDER, given)?;
    }
    for l in &b.lines {
        let given = values![
            b.author,
            l.seq,
            l.line,
            l.of_line,
            &l.sku,
            &l.name,
            l.quantity_milli,
            l.units,
            l.unit_price,
            l.base,
            l.discount,
            l.promotion,
            l.order_share,
            l.amount,
            l.net,
            l.tax,
            &l.tax_category,
            l.tax_ppm,
        ];
        run(tx, LINE, given)?;
    }
    for p in &b.payments {
        let reference = p.reference.as_deref();
        run(tx, PAYMENT, values![b.author, p.seq, p.n, &p.kind, p.amount, &p.state, reference])?;
    }
    Ok(())
}

fn stock(tx: &Transaction<'_>, store: i64, sku: &str, units: i64) -> Result<StockNow, DbError> {
    let rows = super::rows(tx, STOCK, values![store, sku, units])?;
    let row = rows.first().ok_or_else(|| DbError::Shape("no stock row".to_owned()))?;
    Ok(StockNow { sku: sku.to_owned(), on_hand: row.get(0)?, row_version: row.get(1)? })
}

pub(in crate::db) fn known_ids(
    tx: &Transaction<'_>,
    ids: &[(Id, u64)],
) -> Result<Vec<(Id, i64, u64)>, DbError> {
    let mut known = Vec::new();
    for (id, _) in ids {
        for row in super::rows(tx, "SELECT author, seq FROM document_ids WHERE id = ?1", values![*id])? {
            known.push((*id, row.get(0)?, row.get(1)?));
        }
    }
    Ok(known)
}

fn run(tx: &Transaction<'_>, sql: &str, values: &[Value]) -> Result<(), DbError> {
    super::execute(tx, sql, values).map(|_| ())
}
