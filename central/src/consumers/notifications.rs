//! Messages to others: each record becomes a message for every webhook that asked for its kind. Sent by
//! [`super::webhooks`]; a replay sends nothing (`facts.md` §3).

use super::{How, Record, Trouble};
use crate::db::Tx;
use crate::db::webhooks;
use serde_json::{Value as Json, json};
use tradepost_proto::{catalog, inventory, order, payment, shift};

pub(super) fn apply(tx: &mut Tx<'_>, record: &Record, how: How) -> Result<(), Trouble> {
    let wanted = webhooks::wanting(tx, record.name())?;
    if wanted.is_empty() {
        return Ok(());
    }
    let body = body(record)?.to_string();
    for webhook in wanted {
        webhooks::add_message(tx, &record.id, &webhook, &body, how.again, how.now)?;
    }
    Ok(())
}

/// The message: a sentence from the kind's template, and its figures.
fn body(record: &Record) -> Result<Json, Trouble> {
    let (text, data) = told(record)?;
    let at = jiff::Timestamp::from_millisecond(record.time).map(|at| at.to_string()).unwrap_or_default();
    Ok(json!({"type": record.name(), "timestamp": at, "text": text, "data": data}))
}

fn told(record: &Record) -> Result<(String, Json), Trouble> {
    Ok(match record.name() {
        "order.created" => {
            let of = document(record.message::<order::v1::OrderCreated>()?.document)?;
            (format!("Store {} sold for {}.", of.store, money(of.total, &of)), document_json(&of))
        }
        "order.refunded" => {
            let of = document(record.message::<order::v1::OrderRefunded>()?.document)?;
            (
                format!("Store {} gave back {}.", of.store, money(of.total.saturating_neg(), &of)),
                document_json(&of),
            )
        }
        "order.cancelled" => {
            let of: order::v1::OrderCancelled = record.message()?;
            let data = json!({"order_id": of.order_id, "store": of.store, "reason": of.reason});
            (format!("Order {} is cancelled: {}.", of.order_id, of.reason), data)
        }
        "order.fulfilled" => {
            let of: order::v1::OrderFulfilled = record.message()?;
            let data = json!({"order_id": of.order_id, "store": of.store});
            (format!("Order {} is handed out at {}.", of.order_id, of.store), data)
        }
        "payment.processed" => {
            let of: payment::v1::PaymentProcessed = record.message()?;
            let data = json!({"order_id": of.order_id, "store": of.store, "kind": of.kind, "amount": of.amount,
                "currency": of.currency, "settles": of.settles});
            (format!("A payment by {} for order {}.", of.kind, of.order_id), data)
        }
        "payment.declined" => {
            let of: payment::v1::PaymentDeclined = record.message()?;
            let data =
                json!({"order_id": of.order_id, "store": of.store, "kind": of.kind, "amount": of.amount});
            (format!("A payment by {} for order {} failed.", of.kind, of.order_id), data)
        }
        "z.closed" => {
            let of: shift::v1::ZClosed = record.message()?;
            let off = of.counted.saturating_sub(of.expected);
            let data = json!({"store": of.store, "till": of.till, "z": of.z, "business_day": of.business_day,
                "sales": of.sales, "refunds": of.refunds, "difference": off, "currency": of.currency});
            (
                format!(
                    "Till {} of store {} closed Z {}; the drawer is off by {off}.",
                    of.till, of.store, of.z
                ),
                data,
            )
        }
        "stock.moved" => {
            let of: inventory::v1::StockMoved = record.message()?;
            let data = json!({"store": of.store, "sku": of.sku, "units": of.units, "kind": of.kind});
            (format!("{} of {} at store {} ({}).", of.units, of.sku, of.store, of.kind), data)
        }
        "product.created" | "product.updated" => {
            let of: catalog::v1::ProductChanged = record.message()?;
            let data = json!({"sku": of.sku, "name": of.name, "active": of.active, "removed": of.removed});
            (format!("Product {} is now as told.", of.sku), data)
        }
        other => (format!("{other}: {}.", record.subject), json!({"subject": record.subject})),
    })
}

fn document(of: Option<order::v1::Document>) -> Result<order::v1::Document, Trouble> {
    of.ok_or_else(|| Trouble::Bad("an order without a document".to_owned()))
}

fn document_json(of: &order::v1::Document) -> Json {
    json!({"id": of.id, "store": of.store, "till": of.till, "number": of.number, "business_day": of.business_day,
        "currency": of.currency, "net": of.net, "tax": of.tax, "total": of.total, "lines": of.lines.len()})
}

/// An amount as people read it, e.g. `27.94 EUR`.
fn money(minor: i64, of: &order::v1::Document) -> String {
    let places = usize::try_from(of.exponent).unwrap_or(0).min(6);
    if places == 0 {
        return format!("{minor} {}", of.currency);
    }
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = places + 1);
    let (whole, part) = digits.split_at(digits.len() - places);
    format!("{}{whole}.{part} {}", if minor < 0 { "-" } else { "" }, of.currency)
}

#[cfg(test)]
mod tests {
    use super::money;
    use tradepost_proto::order::v1::Document;

    #[test]
    fn money_is_read_with_its_places() {
        for (minor, exponent, text) in
            [(2794, 2, "27.94 X"), (-5, 2, "-0.05 X"), (12_000, 0, "12000 X"), (1_234, 3, "1.234 X")]
        {
            let of = Document { exponent, currency: "X".to_owned(), ..Default::default() };
            assert_eq!(money(minor, &of), text);
        }
    }
}
