//! Exports: one JSON document a line, straight from the stored bytes.

use super::problem::{Answer, Stop};
use crate::db::incarnations::Known;
use crate::db::{Fault, events};
use rusqlite::Connection;
use serde_json::{Value, json};
use tradepost_sync::body::Body;
use tradepost_sync::event::Event;

/// Tells every event of every stream that is held, stream by stream, as lines; stops when `tell` says `false`.
///
/// # Errors
/// A fault.
pub fn events(conn: &Connection, tell: &mut dyn FnMut(String) -> bool) -> Answer<()> {
    each(conn, |_, event, body| tell(event_line(event, body).to_string()))
}

/// Tells every receipt: the documents with their numbers.
///
/// # Errors
/// A fault.
pub fn receipts(conn: &Connection, tell: &mut dyn FnMut(String) -> bool) -> Answer<()> {
    each(conn, |_, event, body| receipt_line(event, body).is_none_or(|line| tell(line.to_string())))
}

/// Tells the audit trail: every event's place in its chain, and the signed heads.
///
/// # Errors
/// A fault.
pub fn audit(conn: &Connection, tell: &mut dyn FnMut(String) -> bool) -> Answer<()> {
    each(conn, |known, event, body| {
        let signed = events::last_signed(conn, known.no, event.envelope.seq, event.envelope.seq);
        let signature = signed.ok().flatten().map(|(_, signature)| hex(&signature));
        let line = json!({
            "incarnation": event.envelope.incarnation,
            "seq": event.envelope.seq,
            "kind": kind_name(event, body),
            "wall": event.envelope.wall,
            "staff": event.envelope.staff,
            "prev_hash": event.envelope.prev_hash,
            "hash": event.hash,
            "signature": signature,
        });
        tell(line.to_string())
    })
}

fn each(conn: &Connection, mut tell: impl FnMut(&Known, &Event, &Body) -> bool) -> Answer<()> {
    for known in crate::db::incarnations::all(conn)? {
        let mut goes_on = true;
        events::each::<Stop>(conn, known.no, 1, |_, bytes| {
            let event = events::parse(&bytes)?;
            let body = event.body().map_err(|e| Stop::Fault(Fault::Fatal(e.to_string())))?;
            goes_on = tell(&known, &event, &body);
            Ok(goes_on)
        })?;
        if !goes_on {
            break;
        }
    }
    Ok(())
}

fn kind_name(event: &Event, body: &Body) -> String {
    body.kind().map_or_else(|| event.envelope.kind.to_string(), |kind| kind.name().to_owned())
}

/// An event as a line of the export.
pub fn event_line(event: &Event, body: &Body) -> Value {
    let envelope = &event.envelope;
    json!({
        "incarnation": envelope.incarnation,
        "seq": envelope.seq,
        "hlc": envelope.hlc,
        "wall": envelope.wall,
        "tau": envelope.tau,
        "trading": envelope.trading,
        "till": envelope.till,
        "shift": envelope.shift,
        "staff": envelope.staff,
        "kind": kind_name(event, body),
        "version": envelope.version,
        "prev_hash": envelope.prev_hash,
        "hash": event.hash,
        "body": body,
    })
}

fn receipt_line(event: &Event, body: &Body) -> Option<Value> {
    let (kind, id, receipt, day, settlement) = match body {
        Body::SaleCommitted(sale) => {
            ("sale", sale.sale_id, &sale.receipt, sale.business_day, sale.document.outcome.settlement)
        }
        Body::RefundCommitted(refund) => (
            "refund",
            refund.refund_id,
            &refund.receipt,
            refund.business_day,
            refund.document.outcome.settlement,
        ),
        _ => return None,
    };
    Some(json!({
        "kind": kind,
        "id": id,
        "till": receipt.till,
        "series": receipt.series,
        "n": receipt.n,
        "number": number(&receipt.till, &receipt.series, receipt.n),
        "business_day": super::books::date_of(day).to_string(),
        "total": settlement.total,
        "rounding": settlement.rounding,
        "incarnation": event.envelope.incarnation,
        "seq": event.envelope.seq,
    }))
}

/// A receipt number as printed.
pub fn number(till: &str, series: &str, n: u64) -> String {
    format!("{till}-{series}-{n:06}")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
