//! What a step of a web order says outward, in a fixed order under fixed ids (`facts.md` §2 column "out", §3).

use super::checkout::State;
use super::fan_out::{MOVEMENTS, ORDERS, PAYMENTS, Records, To, day, sale_lines};
use super::{Fault, checkout};
use crate::db::web_orders::{self, WebOrder};
use crate::db::{Tx, reservations, stores, web_payments};
use crate::stream::CloudEvent;
use tradepost_proto::{inventory, order, payment};

const DAY_MS: i64 = 86_400_000;

/// The records of a step. A step that is not known says nothing.
pub fn records(tx: &mut Tx<'_>, no: i64, step: u32) -> Result<Vec<CloudEvent>, Fault> {
    let (Some(web), Some(state)) = (web_orders::by_no(tx, no)?, State::by_number(step)) else {
        return Ok(Vec::new());
    };
    let steps = web_orders::steps(tx, no)?;
    let Some((_, at, reason)) = steps.iter().find(|(known, ..)| *known == step).cloned() else {
        return Ok(Vec::new());
    };
    let taken = steps.iter().any(|(known, ..)| *known == State::Captured.number());
    let store = stores::by_no(tx, web.store)?.map(|store| store.code).unwrap_or_default();
    let fact = format!("{}-{}", web.id, state.name());
    let mut said = Records { fact, source: "/web".to_owned(), time: at, trace: web.id.0, list: Vec::new() };
    match state {
        State::Held => held(tx, &mut said, &web, &store)?,
        State::Captured => money(tx, &mut said, &web, &store, web.total)?,
        State::Placed => created(&mut said, &web, &store, at)?,
        State::Failed => declined(tx, &mut said, &web, &store)?,
        State::Fulfilled => {
            fulfilled(&mut said, &web, &store, at)?;
            money(tx, &mut said, &web, &store, -web.refund)?;
        }
        State::Refunded => {
            if taken {
                money(tx, &mut said, &web, &store, -web.refund)?;
            }
            if web.placed {
                cancelled(&mut said, &web, &store, reason.unwrap_or_default());
            }
        }
        _ => {}
    }
    Ok(said.list)
}

fn held(tx: &mut Tx<'_>, said: &mut Records, web: &WebOrder, store: &str) -> Result<(), Fault> {
    let mut held = Vec::new();
    for id in web_orders::holds(tx, web.no)? {
        held.extend(reservations::find(tx, id)?.map(|row| (row.no, row.sku, row.units)));
    }
    held.sort();
    for (_, sku, units) in held {
        let order_id = web.id.to_string();
        let data =
            inventory::v1::StockReserved { store: store.to_owned(), sku: sku.clone(), units, order_id };
        let to = To { topic: MOVEMENTS, key: format!("{store}/{sku}"), subject: &sku };
        said.say("stock.reserved", "tradepost.inventory.v1.StockReserved", to, &data);
    }
    Ok(())
}

fn money(tx: &mut Tx<'_>, said: &mut Records, web: &WebOrder, store: &str, amount: i64) -> Result<(), Fault> {
    if amount == 0 {
        return Ok(());
    }
    let (id, paid) = (web.id.to_string(), web_payments::find(tx, web.id)?);
    let data = payment::v1::PaymentProcessed {
        order_id: id.clone(),
        store: store.to_owned(),
        kind: "card".to_owned(),
        amount,
        currency: web.currency.clone(),
        reference: paid.and_then(|paid| paid.reference).unwrap_or_default(),
        ..Default::default()
    };
    let to = To { topic: PAYMENTS, key: id.clone(), subject: &id };
    said.say("payment.processed", "tradepost.payment.v1.PaymentProcessed", to, &data);
    Ok(())
}

fn declined(tx: &mut Tx<'_>, said: &mut Records, web: &WebOrder, store: &str) -> Result<(), Fault> {
    let Some(asked) = web_payments::find(tx, web.id)?.filter(|paid| paid.reason.is_some()) else {
        return Ok(());
    };
    let id = web.id.to_string();
    let data = payment::v1::PaymentDeclined {
        order_id: id.clone(),
        store: store.to_owned(),
        tender_key: asked.id.to_string(),
        kind: "card".to_owned(),
        amount: asked.amount,
    };
    let to = To { topic: PAYMENTS, key: id.clone(), subject: &id };
    said.say("payment.declined", "tradepost.payment.v1.PaymentDeclined", to, &data);
    Ok(())
}

/// The order as a document.
fn document(web: &WebOrder, store: &str, at: i64) -> Result<order::v1::Document, Fault> {
    let document = checkout::document(web)?;
    Ok(order::v1::Document {
        id: web.id.to_string(),
        store: store.to_owned(),
        series: "web".to_owned(),
        business_day: day(i32::try_from(at.div_euclid(DAY_MS)).unwrap_or(0)),
        committed_ms: at,
        currency: web.currency.clone(),
        exponent: web.exponent.into(),
        lines: sale_lines(&document),
        net: document.outcome.net.0,
        tax: document.outcome.tax.0,
        total: document.outcome.settlement.total.0,
        ..Default::default()
    })
}

fn created(said: &mut Records, web: &WebOrder, store: &str, at: i64) -> Result<(), Fault> {
    let document = Some(document(web, store, at)?);
    let to = To { topic: ORDERS, key: store.to_owned(), subject: &web.id.to_string() };
    said.say("order.created", "tradepost.order.v1.OrderCreated", to, &order::v1::OrderCreated { document });
    Ok(())
}

/// The order is handed out: its turnover counts from here on, less what was given back for what the store didn't have.
fn fulfilled(said: &mut Records, web: &WebOrder, store: &str, at: i64) -> Result<(), Fault> {
    let mut document = document(web, store, at)?;
    if web.refund > 0 && document.total > 0 {
        let (total, kept) =
            (i128::from(document.total), i128::from(document.total.saturating_sub(web.refund)));
        let tax = i128::from(document.tax).saturating_mul(kept).saturating_add(total / 2) / total;
        document.total = document.total.saturating_sub(web.refund);
        document.tax = i64::try_from(tax).unwrap_or(document.tax);
        document.net = document.total.saturating_sub(document.tax);
    }
    let id = web.id.to_string();
    let to = To { topic: ORDERS, key: store.to_owned(), subject: &id };
    let data =
        order::v1::OrderFulfilled { order_id: id.clone(), store: store.to_owned(), document: Some(document) };
    said.say("order.fulfilled", "tradepost.order.v1.OrderFulfilled", to, &data);
    Ok(())
}

fn cancelled(said: &mut Records, web: &WebOrder, store: &str, reason: String) {
    let id = web.id.to_string();
    let data = order::v1::OrderCancelled { order_id: id.clone(), store: store.to_owned(), reason };
    let to = To { topic: ORDERS, key: store.to_owned(), subject: &id };
    said.say("order.cancelled", "tradepost.order.v1.OrderCancelled", to, &data);
}
