//! From an event to the hub's rows: what each fact adds to orders, stock, cells and custody.

use super::counts::Counts;
use crate::db::booking::{Booking, EventRow, LineRow, OrderRow, PaymentRow};
use std::collections::BTreeMap;
use tradepost_commerce::document::{
    RefundDocument, RefundLineInput, RefundLineOutcome, SaleDocument, Settlement, Sku, Tender, TenderKind,
    TenderState,
};
use tradepost_commerce::money::{Currency, Money};
use tradepost_commerce::quantity::{Quantity, Unit};
use tradepost_sync::body::{Body, Day, ReceiptNumber, RefundCommitted, SaleCommitted};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::count::Movement;
use tradepost_sync::effects::{Cell, Effects};
use tradepost_sync::event::{Envelope, Event};
use tradepost_sync::ids::Id;

/// Under which item the hub books what a stream calls something else.
#[derive(Clone, Debug, Default)]
pub struct Names {
    renamed: BTreeMap<String, String>,
}

impl Names {
    /// Names from (as written, as booked) pairs.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { renamed: pairs.into_iter().collect() }
    }

    /// The item as the hub books it: every name is followed to its end; a circle ends where it began.
    pub fn booked(&self, sku: &Sku) -> String {
        let mut name = &sku.0;
        for _ in 0..=self.renamed.len() {
            match self.renamed.get(name) {
                Some(next) => name = next,
                None => break,
            }
        }
        name.clone()
    }
}

/// Adds an event to the log part of a booking.
pub fn log(booking: &mut Booking, event: &Event) {
    booking.events.push(EventRow {
        seq: event.envelope.seq,
        kind: event.envelope.kind,
        hash: event.hash,
        bytes: event.bytes.clone(),
    });
    booking.head.seq = event.envelope.seq;
    booking.head.hash = event.hash;
    booking.head.hlc = event.envelope.hlc;
}

/// Adds an event's effects on goods, rights and custody. Goods that the count an item stands on had already don't move
/// again.
pub fn effects(
    booking: &mut Booking,
    envelope: &Envelope,
    effects: &Effects,
    names: &Names,
    counts: &Counts,
) {
    for moved in &effects.ledger {
        let sku = names.booked(&moved.sku);
        if let Some(count) = counts.get(&sku) {
            let judged = count.judge(&Movement::of(envelope, moved));
            if judged.taints {
                booking.tainted.insert(sku.clone());
            }
            if judged.included || count.held_said_again(envelope) {
                continue;
            }
        }
        let units = booking.stock.entry(sku).or_default();
        *units = units.saturating_add(moved.units);
    }
    let behind_cap = booking.cap.is_some_and(|cap| envelope.seq > cap);
    for effect in effects.cells.iter().filter(|_| !behind_cap) {
        let sku = names.booked(&effect.sku);
        if let Cell::Given(to) = effect.cell {
            let units = booking.given.entry((sku, to)).or_default();
            *units = units.saturating_add(effect.units);
            continue;
        }
        let row = booking.cells.entry(sku).or_default();
        let cell = match effect.cell {
            Cell::Minted => &mut row.minted,
            Cell::Used => &mut row.used,
            Cell::Overdrawn => &mut row.overdrawn,
            Cell::Settled | Cell::Given(_) => &mut row.settled,
        };
        *cell = cell.saturating_add(effect.units);
    }
    booking.custody.extend(effects.custody.iter().cloned());
}

/// Of a fact that is booked already under another saying: the overdraw, which is this author's from now on.
pub fn overdraw(booking: &mut Booking, event: &Event, names: &Names) {
    let told = event.body().ok().and_then(|body| tradepost_sync::effects::of(&event.envelope, &body).ok());
    for effect in told.unwrap_or_default().cells.iter().filter(|effect| effect.cell == Cell::Overdrawn) {
        let row = booking.cells.entry(names.booked(&effect.sku)).or_default();
        row.overdrawn = row.overdrawn.saturating_add(effect.units);
    }
}

/// Adds the document an event holds, if it holds one.
pub fn document(booking: &mut Booking, event: &Event, body: &Body, names: &Names, received_at: UtcMs) {
    let seq = event.envelope.seq;
    match body {
        Body::SaleCommitted(sale) => {
            booking.ids.push((sale.sale_id, seq));
            booking.orders.push(sale_row(event, sale, received_at));
            lines_of_sale(booking, seq, &sale.document, names);
            payments(booking, seq, &sale.document.inputs.tenders);
            number(booking, event, sale.sale_id, &sale.receipt);
        }
        Body::RefundCommitted(refund) => {
            booking.ids.push((refund.refund_id, seq));
            booking.orders.push(refund_row(event, refund, received_at));
            lines_of_refund(booking, seq, &refund.document, names);
            payments(booking, seq, &refund.document.inputs.tenders);
            number(booking, event, refund.refund_id, &refund.receipt);
        }
        _ => {}
    }
}

fn number(booking: &mut Booking, event: &Event, id: Id, receipt: &ReceiptNumber) {
    if event.envelope.reissue.is_some() {
        booking.said_again.push((id, receipt.clone()));
    }
    let key = (receipt.till.clone(), receipt.series.clone());
    let (last, documents) = booking.series.entry(key).or_default();
    *last = receipt.n.max(*last);
    *documents += 1;
}

/// What both kinds of documents share.
struct Common<'a> {
    id: Id,
    kind: &'static str,
    receipt: &'a ReceiptNumber,
    day: Day,
    customer: Option<Id>,
    original: Option<Id>,
    currency: Currency,
    net: Money,
    tax: Money,
    settlement: &'a Settlement,
}

fn row(event: &Event, received_at: UtcMs, d: &Common<'_>) -> OrderRow {
    OrderRow {
        seq: event.envelope.seq,
        received_at,
        id: d.id,
        kind: d.kind,
        till: d.receipt.till.clone(),
        series: d.receipt.series.clone(),
        n: d.receipt.n,
        business_day: d.day.0,
        // What is said again was printed at its own time.
        committed_at: event.envelope.reissue.map_or(event.envelope.wall, |first| first.wall),
        customer: d.customer,
        original: d.original,
        currency: d.currency.code().to_owned(),
        exponent: d.currency.exponent,
        net: d.net.0,
        tax: d.tax.0,
        total: d.settlement.total.0,
        rounding: d.settlement.rounding.0,
        cash_due: d.settlement.cash_due.0,
        cash_tendered: d.settlement.cash_tendered.0,
        change: d.settlement.change.0,
    }
}

fn sale_row(event: &Event, sale: &SaleCommitted, received_at: UtcMs) -> OrderRow {
    let outcome = &sale.document.outcome;
    let common = Common {
        id: sale.sale_id,
        kind: "sale",
        receipt: &sale.receipt,
        day: sale.business_day,
        customer: sale.customer,
        original: None,
        currency: sale.document.inputs.rules.currency,
        net: outcome.net,
        tax: outcome.tax,
        settlement: &outcome.settlement,
    };
    row(event, received_at, &common)
}

fn refund_row(event: &Event, refund: &RefundCommitted, received_at: UtcMs) -> OrderRow {
    let outcome = &refund.document.outcome;
    let common = Common {
        id: refund.refund_id,
        kind: "refund",
        receipt: &refund.receipt,
        day: refund.business_day,
        customer: refund.customer,
        original: refund.document.inputs.original.as_ref().map(|sale| Id(sale.sale_id)),
        currency: refund.document.inputs.rules.currency,
        net: outcome.net,
        tax: outcome.tax,
        settlement: &outcome.settlement,
    };
    row(event, received_at, &common)
}

fn lines_of_sale(booking: &mut Booking, seq: u64, document: &SaleDocument, names: &Names) {
    let sum = |amounts: &mut dyn Iterator<Item = i64>| amounts.fold(0i64, i64::saturating_add);
    for (line, (input, outcome)) in (0u32..).zip(document.inputs.lines.iter().zip(&document.outcome.lines)) {
        booking.lines.push(LineRow {
            seq,
            line,
            of_line: None,
            sku: names.booked(&input.sku),
            name: input.name.clone(),
            quantity_milli: input.quantity.0,
            units: units(&input.unit, input.quantity),
            unit_price: input.unit_price.0,
            base: outcome.base.0,
            discount: sum(&mut outcome.discounts.iter().map(|d| d.0)),
            promotion: sum(&mut outcome.promotions.iter().map(|(_, d)| d.0)),
            order_share: sum(&mut outcome.order_shares.iter().map(|d| d.0)),
            amount: outcome.amount.0,
            net: outcome.net.0,
            tax: outcome.tax.0,
            tax_category: input.tax.category.clone(),
            // Who is exempt is charged at the rate 0, as the document's rate groups say.
            tax_ppm: if document.inputs.exemption.is_some() { 0 } else { input.tax.ppm },
        });
    }
}

fn lines_of_refund(booking: &mut Booking, seq: u64, document: &RefundDocument, names: &Names) {
    for (line, (input, outcome)) in (0u32..).zip(document.inputs.lines.iter().zip(&document.outcome.lines)) {
        booking.lines.push(refund_line(seq, line, input, outcome, names));
    }
}

fn refund_line(
    seq: u64,
    line: u32,
    input: &RefundLineInput,
    outcome: &RefundLineOutcome,
    names: &Names,
) -> LineRow {
    let amount = outcome.net.0.saturating_add(outcome.tax.0);
    LineRow {
        seq,
        line,
        of_line: input.line.map(u32::from),
        sku: names.booked(&input.sku),
        name: input.name.clone(),
        quantity_milli: -input.quantity.0,
        units: -units(&input.unit, input.quantity),
        unit_price: 0,
        base: amount,
        discount: 0,
        promotion: 0,
        order_share: 0,
        amount,
        net: outcome.net.0,
        tax: outcome.tax.0,
        tax_category: input.tax.category.clone(),
        tax_ppm: input.tax.ppm,
    }
}

fn units(unit: &Unit, quantity: Quantity) -> i64 {
    unit.to_base(quantity).map_or(0, |units| units.0)
}

fn payments(booking: &mut Booking, seq: u64, tenders: &[Tender]) {
    for (n, tender) in (0u32..).zip(tenders) {
        booking.payments.push(PaymentRow {
            seq,
            n,
            kind: tender_kind(&tender.kind).to_owned(),
            amount: tender.amount.0,
            state: tender_state(tender.state).to_owned(),
            reference: tender.reference.clone(),
        });
    }
}

/// A tender's kind as answers, totals and events say it.
pub fn tender_kind(kind: &TenderKind) -> &str {
    match kind {
        TenderKind::Cash => "cash",
        TenderKind::Card => "card",
        TenderKind::VietQr => "viet_qr",
        TenderKind::BankTransfer => "bank_transfer",
        TenderKind::Voucher => "voucher",
        TenderKind::GiftCard => "gift_card",
        TenderKind::OnAccount => "on_account",
        TenderKind::ForeignCash => "foreign_cash",
        TenderKind::Exchange => "exchange",
        TenderKind::Prepaid => "prepaid",
        TenderKind::Other(code) => code,
    }
}

fn tender_state(state: TenderState) -> &'static str {
    match state {
        TenderState::Created => "created",
        TenderState::Requested => "requested",
        TenderState::Captured => "captured",
        TenderState::Stored => "stored",
        TenderState::Unconfirmed => "unconfirmed",
        TenderState::Unknown => "unknown",
        TenderState::Declined => "declined",
        TenderState::Voided => "voided",
        TenderState::Confirmed => "confirmed",
        TenderState::Missing => "missing",
        TenderState::Expired => "expired",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_followed_to_its_end_and_a_circle_ends() {
        let pairs = [("a", "b"), ("b", "c"), ("x", "y"), ("y", "x")];
        let names = Names::new(pairs.map(|(from, to)| (from.to_owned(), to.to_owned())));
        assert_eq!(names.booked(&Sku("a".into())), "c");
        assert_eq!(names.booked(&Sku("c".into())), "c");
        assert!(["x", "y"].contains(&names.booked(&Sku("x".into())).as_str()));
    }
}
