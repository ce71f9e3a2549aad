//! A booking's rows in bulk: `COPY` for what is only added, `UNNEST` for what is added up (`hub.md`, PostgreSQL).

use super::PgTx;
use crate::db::DbError;
use crate::db::booking::{Booking, StockNow};
use postgres::binary_copy::BinaryCopyInWriter;
use postgres::types::{ToSql, Type};
use tradepost_sync::ids::Id;

const EVENTS: &str = "COPY events (author, seq, kind, hash, bytes) FROM STDIN BINARY";
const OUTBOX: &str = "COPY outbox (stream, seq, source, author, event_seq) FROM STDIN BINARY";
const IDS: &str = "COPY document_ids (id, author, seq) FROM STDIN BINARY";
const ORDERS: &str = "COPY orders (author, seq, received_at, id, store, kind, till, series, n, business_day, \
    committed_at, customer, original, currency, exponent, net, tax, total, rounding, cash_due, cash_tendered, change) \
    FROM STDIN BINARY";
const LINES: &str = "COPY order_lines (author, seq, line, of_line, sku, name, quantity_milli, units, unit_price, base, \
    discount, promotion, order_share, amount, net, tax, tax_category, tax_ppm) FROM STDIN BINARY";
const PAYMENTS: &str = "COPY payments (author, seq, n, kind, amount, state, reference) FROM STDIN BINARY";
const STOCK: &str = "INSERT INTO stock AS s (store, sku, on_hand, row_version) \
    SELECT ?1, t.sku, t.units, 1 FROM UNNEST(?2::text[], ?3::bigint[]) AS t (sku, units) \
    ON CONFLICT (store, sku) DO UPDATE SET on_hand = s.on_hand + excluded.on_hand, row_version = s.row_version + 1 \
    RETURNING sku, on_hand, row_version";
const CELLS: &str = "INSERT INTO cells AS c (store, sku, author, minted, used, overdrawn, settled) \
    SELECT ?1, t.sku, ?2, t.m, t.u, t.o, t.s \
    FROM UNNEST(?3::text[], ?4::bigint[], ?5::bigint[], ?6::bigint[], ?7::bigint[]) AS t (sku, m, u, o, s) \
    ON CONFLICT (store, sku, author) DO UPDATE SET minted = c.minted + excluded.minted, used = c.used + excluded.used, \
    overdrawn = c.overdrawn + excluded.overdrawn, settled = c.settled + excluded.settled";
const GIVEN: &str = "INSERT INTO given AS g (store, sku, author, receiver, units) \
    SELECT ?1, t.sku, ?2, t.receiver, t.units FROM UNNEST(?3::text[], ?4::bytea[], ?5::bigint[]) AS t (sku, receiver, units) \
    ON CONFLICT (store, sku, author, receiver) DO UPDATE SET units = g.units + excluded.units";
const SERIES: &str = "INSERT INTO series AS s (store, till, series, author, last_n, documents) \
    SELECT ?1, t.till, t.series, ?2, t.last_n, t.documents \
    FROM UNNEST(?3::text[], ?4::text[], ?5::bigint[], ?6::bigint[]) AS t (till, series, last_n, documents) \
    ON CONFLICT (store, till, series, author) DO UPDATE SET \
    last_n = GREATEST(s.last_n, excluded.last_n), documents = s.documents + excluded.documents";

type Param<'a> = &'a (dyn ToSql + Sync);

pub(in crate::db) fn save(tx: &mut PgTx<'_>, b: &Booking) -> Result<Vec<StockNow>, DbError> {
    log(tx, b)?;
    documents(tx, b)?;
    series(tx, b)?;
    cells(tx, b)?;
    stock(tx, b)
}

fn log(tx: &mut PgTx<'_>, b: &Booking) -> Result<(), DbError> {
    let types = [Type::INT8, Type::INT8, Type::INT8, Type::BYTEA, Type::BYTEA];
    copy(tx, EVENTS, &types, &b.events, |e, put| {
        put(&[&b.author, &big(e.seq), &i64::from(e.kind), &e.hash.0.as_slice(), &e.bytes])
    })?;
    let (stream, first) = b.outbox;
    let types = [Type::INT8, Type::INT8, Type::TEXT, Type::INT8, Type::INT8];
    let rows: Vec<(u64, u64)> = (first..).zip(b.events.iter().map(|e| e.seq)).collect();
    copy(tx, OUTBOX, &types, &rows, |(place, seq), put| {
        put(&[&stream, &big(*place), &"event", &b.author, &big(*seq)])
    })
}

fn documents(tx: &mut PgTx<'_>, b: &Booking) -> Result<(), DbError> {
    let types = [Type::BYTEA, Type::INT8, Type::INT8];
    copy(tx, IDS, &types, &b.ids, |(id, seq), put| put(&[&id.0.as_slice(), &b.author, &big(*seq)]))?;
    copy(tx, ORDERS, &ORDER_TYPES, &b.orders, |o, put| {
        let customer = o.customer.as_ref().map(|id| id.0.as_slice());
        let original = o.original.as_ref().map(|id| id.0.as_slice());
        put(&[
            &b.author,
            &big(o.seq),
            &o.received_at,
            &o.id.0.as_slice(),
            &b.store,
            &o.kind,
            &o.till,
            &o.series,
            &big(o.n),
            &i64::from(o.business_day),
            &o.committed_at,
            &customer,
            &original,
            &o.currency,
            &i64::from(o.exponent),
            &o.net,
            &o.tax,
            &o.total,
            &o.rounding,
            &o.cash_due,
            &o.cash_tendered,
            &o.change,
        ])
    })?;
    copy(tx, LINES, &LINE_TYPES, &b.lines, |l, put| {
        put(&[
            &b.author,
            &big(l.seq),
            &i64::from(l.line),
            &l.of_line.map(i64::from),
            &l.sku,
            &l.name,
            &l.quantity_milli,
            &l.units,
            &l.unit_price,
            &l.base,
            &l.discount,
            &l.promotion,
            &l.order_share,
            &l.amount,
            &l.net,
            &l.tax,
            &l.tax_category,
            &i64::from(l.tax_ppm),
        ])
    })?;
    copy(tx, PAYMENTS, &PAYMENT_TYPES, &b.payments, |p, put| {
        put(&[&b.author, &big(p.seq), &i64::from(p.n), &p.kind, &p.amount, &p.state, &p.reference])
    })
}

const I: Type = Type::INT8;
const T: Type = Type::TEXT;
const B: Type = Type::BYTEA;
const ORDER_TYPES: [Type; 22] = [I, I, I, B, I, T, T, T, I, I, I, B, B, T, I, I, I, I, I, I, I, I];
const LINE_TYPES: [Type; 18] = [I, I, I, I, T, T, I, I, I, I, I, I, I, I, I, I, T, I];
const PAYMENT_TYPES: [Type; 7] = [I, I, I, T, I, T, T];

type Put<'a> = dyn FnMut(&[Param<'_>]) -> Result<(), postgres::Error> + 'a;

fn copy<R>(
    tx: &mut PgTx<'_>,
    sql: &str,
    types: &[Type],
    rows: &[R],
    write: impl Fn(&R, &mut Put<'_>) -> Result<(), postgres::Error>,
) -> Result<(), DbError> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut copy = BinaryCopyInWriter::new(tx.tx.copy_in(sql)?, types);
    rows.iter().try_for_each(|row| write(row, &mut |values| copy.write(values)))?;
    copy.finish()?;
    Ok(())
}

fn series(tx: &mut PgTx<'_>, b: &Booking) -> Result<(), DbError> {
    let (keys, counts): (Vec<_>, Vec<_>) = b.series.iter().unzip();
    let (tills, names): (Vec<&str>, Vec<&str>) = keys.iter().map(|(t, s)| (t.as_str(), s.as_str())).unzip();
    let (last, documents): (Vec<i64>, Vec<i64>) = counts.iter().map(|(l, d)| (big(*l), big(*d))).unzip();
    add_up(tx, SERIES, keys.len(), &[&b.store, &b.author, &tills, &names, &last, &documents])
}

/// Rows in ascending order of their keys, so that two batches of one store never wait for each other in a circle.
fn cells(tx: &mut PgTx<'_>, b: &Booking) -> Result<(), DbError> {
    let skus: Vec<&str> = b.cells.keys().map(String::as_str).collect();
    let column = |of: fn(&crate::db::booking::CellDeltas) -> u64| -> Vec<i64> {
        b.cells.values().map(|c| big(of(c))).collect()
    };
    let (m, u) = (column(|c| c.minted), column(|c| c.used));
    let (o, s) = (column(|c| c.overdrawn), column(|c| c.settled));
    add_up(tx, CELLS, skus.len(), &[&b.store, &b.author, &skus, &m, &u, &o, &s])?;
    let skus: Vec<&str> = b.given.keys().map(|(sku, _)| sku.as_str()).collect();
    let receivers: Vec<&[u8]> = b.given.keys().map(|(_, to)| to.0.as_slice()).collect();
    let units: Vec<i64> = b.given.values().map(|u| big(*u)).collect();
    add_up(tx, GIVEN, skus.len(), &[&b.store, &b.author, &skus, &receivers, &units])
}

fn add_up(tx: &mut PgTx<'_>, sql: &str, rows: usize, values: &[Param<'_>]) -> Result<(), DbError> {
    if rows == 0 {
        return Ok(());
    }
    let statement = tx.prepared(sql)?;
    tx.tx.execute(&statement, values)?;
    Ok(())
}

fn stock(tx: &mut PgTx<'_>, b: &Booking) -> Result<Vec<StockNow>, DbError> {
    if b.stock.is_empty() {
        return Ok(Vec::new());
    }
    let skus: Vec<&str> = b.stock.keys().map(String::as_str).collect();
    let units: Vec<i64> = b.stock.values().copied().collect();
    let statement = tx.prepared(STOCK)?;
    let rows = tx.tx.query(&statement, &[&b.store, &skus, &units])?;
    let read = |row: postgres::Row| -> Result<StockNow, DbError> {
        let version: i64 = row.try_get(2)?;
        let row_version =
            u64::try_from(version).map_err(|_| DbError::Shape("row version below zero".to_owned()))?;
        Ok(StockNow { sku: row.try_get(0)?, on_hand: row.try_get(1)?, row_version })
    };
    rows.into_iter().map(read).collect()
}

/// Seqs and units fit: what doesn't breaks the column's CHECK and with it the transaction.
fn big(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(-1)
}

pub(in crate::db) fn known_ids(tx: &mut PgTx<'_>, ids: &[(Id, u64)]) -> Result<Vec<(Id, i64, u64)>, DbError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: Vec<&[u8]> = ids.iter().map(|(id, _)| id.0.as_slice()).collect();
    let statement = tx.prepared("SELECT id, author, seq FROM document_ids WHERE id = ANY(?1)")?;
    let rows = tx.tx.query(&statement, &[&wanted])?;
    let shape = |_| DbError::Shape("an id of another length".to_owned());
    let read = |row: postgres::Row| -> Result<(Id, i64, u64), DbError> {
        let (id, author, seq): (Vec<u8>, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        Ok((Id(id.try_into().map_err(shape)?), author, u64::try_from(seq).unwrap_or(0)))
    };
    rows.into_iter().map(read).collect()
}
