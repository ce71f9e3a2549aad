//! What a fact says outward, in a fixed order: the record's id is its place in it, the same after a replay, a restore
//! or a rebuild (`facts.md` §2 column "out", §3).

use super::books::tender_kind;
use super::stock_fan_out;
use crate::stream::CloudEvent;
use crate::stream::schema::KINDS;
use prost::Message;
use tradepost_commerce::document::{
    CatalogVersion, LineKind, SaleDocument, Sku, Tender, TenderKind, TenderState,
};
use tradepost_proto::{catalog, inventory, order, payment, shift};
use tradepost_sync::body::{
    Body, CashDirection, DrawerFloat, RefundCommitted, SaleCommitted, SettledAs, ShiftClosed, ZTax, ZTender,
};
use tradepost_sync::catalog::{Change, Entry};
use tradepost_sync::event::{Envelope, Event};
use tradepost_sync::ids::Id;

pub(super) const ORDERS: &str = "tradepost.sales.order.v1";
pub(super) const MOVEMENTS: &str = "tradepost.inventory.movement.v1";
pub(super) const PAYMENTS: &str = "tradepost.payments.payment.v1";
const SHIFTS: &str = "tradepost.sales.shift.v1";
const PRODUCTS: &str = "tradepost.catalog.product.v1";

/// Gathers a fact's records; each takes the next place.
pub(super) struct Records {
    pub(super) fact: String,
    pub(super) source: String,
    pub(super) time: i64,
    pub(super) trace: [u8; 16],
    pub(super) list: Vec<CloudEvent>,
}

/// Where a record goes and what orders it there.
pub(super) struct To<'a> {
    pub(super) topic: &'static str,
    pub(super) key: String,
    pub(super) subject: &'a str,
}

impl Records {
    pub(super) fn say(&mut self, name: &str, schema: &'static str, to: To<'_>, data: &impl Message) {
        debug_assert!(
            KINDS.iter().any(|kind| (kind.name, kind.topic, kind.schema) == (name, to.topic, schema)),
            "{name} is not described in stream/schema.rs"
        );
        let id = format!("{}-{}", self.fact, self.list.len());
        self.list.push(CloudEvent {
            traceparent: traceparent(self.trace, &id),
            id,
            source: self.source.clone(),
            ty: format!("dev.tradepost.{name}.v1"),
            subject: to.subject.to_owned(),
            time: self.time,
            schema,
            data: data.encode_to_vec(),
            topic: to.topic,
            key: to.key,
        });
    }
}

/// The trace of a document goes on from its id; the record's span is its own.
fn traceparent(trace: [u8; 16], id: &str) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    format!("00-{}-{}-01", hex(&trace), hex(&blake3::hash(id.as_bytes()).as_bytes()[..8]))
}

/// The records of an event. `moves` is false for a lone log, whose goods are in its opening movements. What can't be
/// read says nothing: it is in quarantine.
pub fn event(store: &str, moves: bool, bytes: &[u8]) -> Vec<CloudEvent> {
    let Ok(event) = Event::read(bytes) else { return Vec::new() };
    let Ok(body) = event.body() else { return Vec::new() };
    let e = &event.envelope;
    let fact = format!("{}-{}", e.incarnation, e.seq);
    let trace = document_id(&body).map_or_else(|| first_16(&event.hash.0), |id| id.0);
    let mut records =
        Records { fact, source: format!("/stores/{store}"), time: e.wall, trace, list: Vec::new() };
    match &body {
        Body::SaleCommitted(sale) => sale_said(&mut records, store, sale, e.wall),
        Body::RefundCommitted(refund) => refund_said(&mut records, store, refund, e.wall),
        Body::PaymentSettled(settled) => settled_said(&mut records, store, settled),
        Body::ShiftOpened(_) | Body::CashMoved(_) | Body::ShiftClosed(_) => {
            shift_said(&mut records, store, e, &body);
        }
        _ => {}
    }
    if moves {
        stock_fan_out::promise_ended(&mut records, store, &body);
        stock_fan_out::movements(&mut records, store, &event, &body);
    }
    records.list
}

pub(super) fn document_id(body: &Body) -> Option<Id> {
    match body {
        Body::SaleCommitted(sale) => Some(sale.sale_id),
        Body::RefundCommitted(refund) => Some(refund.refund_id),
        _ => None,
    }
}

fn first_16(hash: &[u8; 32]) -> [u8; 16] {
    let mut first = [0; 16];
    first.copy_from_slice(&hash[..16]);
    first
}

fn sale_said(records: &mut Records, store: &str, sale: &SaleCommitted, wall: i64) {
    let id = sale.sale_id.to_string();
    let inputs = &sale.document.inputs;
    let document = order::v1::Document {
        id: id.clone(),
        store: store.to_owned(),
        till: sale.receipt.till.clone(),
        series: sale.receipt.series.clone(),
        number: sale.receipt.n,
        business_day: day(sale.business_day.0),
        committed_ms: wall,
        customer_id: sale.customer.map(|id| id.to_string()).unwrap_or_default(),
        currency: inputs.rules.currency.code().to_owned(),
        exponent: inputs.rules.currency.exponent.into(),
        lines: sale_lines(&sale.document),
        net: sale.document.outcome.net.0,
        tax: sale.document.outcome.tax.0,
        total: sale.document.outcome.settlement.total.0,
        rounding: sale.document.outcome.settlement.rounding.0,
        tenders: tenders_said(&inputs.tenders, sale.document.outcome.settlement.change.0),
    };
    let to = To { topic: ORDERS, key: store.to_owned(), subject: &id };
    let created = order::v1::OrderCreated { document: Some(document) };
    records.say("order.created", "tradepost.order.v1.OrderCreated", to, &created);
    for (line, moved) in inputs.lines.iter().zip(&sale.moved) {
        let (sku, units) = (line.sku.0.clone(), moved.c);
        let data = inventory::v1::StockReserved { store: store.to_owned(), sku, units, order_id: id.clone() };
        let to = To { topic: MOVEMENTS, key: format!("{store}/{}", line.sku), subject: &line.sku.0 };
        records.say("stock.reserved", "tradepost.inventory.v1.StockReserved", to, &data);
    }
    let change = sale.document.outcome.settlement.change.0;
    payments_said(records, store, &id, inputs.rules.currency.code(), &inputs.tenders, change);
}

pub(super) fn sale_lines(document: &SaleDocument) -> Vec<order::v1::Line> {
    let line = |(input, outcome): (
        &tradepost_commerce::document::LineInput,
        &tradepost_commerce::document::LineOutcome,
    )| {
        order::v1::Line {
            sku: input.sku.0.clone(),
            name: input.name.clone(),
            quantity_milli: input.quantity.0,
            units: input.unit.to_base(input.quantity).map_or(0, |units| units.0),
            unit_price: input.unit_price.0,
            amount: outcome.amount.0,
            net: outcome.net.0,
            tax: outcome.tax.0,
            tax_category: input.tax.category.clone(),
            tax_ppm: input.tax.ppm,
            liability_pool: match &input.kind {
                LineKind::Liability { pool } => pool.clone(),
                LineKind::Goods | LineKind::Service => String::new(),
            },
        }
    };
    document.inputs.lines.iter().zip(&document.outcome.lines).map(line).collect()
}

fn refund_said(records: &mut Records, store: &str, refund: &RefundCommitted, wall: i64) {
    let id = refund.refund_id.to_string();
    let (inputs, outcome) = (&refund.document.inputs, &refund.document.outcome);
    let line = |(input, outcome): (
        &tradepost_commerce::document::RefundLineInput,
        &tradepost_commerce::document::RefundLineOutcome,
    )| {
        order::v1::Line {
            sku: input.sku.0.clone(),
            name: input.name.clone(),
            quantity_milli: -input.quantity.0,
            units: -input.unit.to_base(input.quantity).map_or(0, |units| units.0),
            unit_price: 0,
            amount: outcome.net.0.saturating_add(outcome.tax.0),
            net: outcome.net.0,
            tax: outcome.tax.0,
            tax_category: input.tax.category.clone(),
            tax_ppm: input.tax.ppm,
            liability_pool: String::new(),
        }
    };
    let document = order::v1::Document {
        id: id.clone(),
        store: store.to_owned(),
        till: refund.receipt.till.clone(),
        series: refund.receipt.series.clone(),
        number: refund.receipt.n,
        business_day: day(refund.business_day.0),
        committed_ms: wall,
        customer_id: refund.customer.map(|id| id.to_string()).unwrap_or_default(),
        currency: inputs.rules.currency.code().to_owned(),
        exponent: inputs.rules.currency.exponent.into(),
        lines: inputs.lines.iter().zip(&outcome.lines).map(line).collect(),
        net: outcome.net.0,
        tax: outcome.tax.0,
        total: outcome.settlement.total.0,
        rounding: outcome.settlement.rounding.0,
        tenders: tenders_said(&inputs.tenders, 0),
    };
    let original_sale_id =
        inputs.original.as_ref().map(|sale| Id(sale.sale_id).to_string()).unwrap_or_default();
    let data = order::v1::OrderRefunded { document: Some(document), original_sale_id };
    let to = To { topic: ORDERS, key: store.to_owned(), subject: &id };
    records.say("order.refunded", "tradepost.order.v1.OrderRefunded", to, &data);
    payments_said(records, store, &id, inputs.rules.currency.code(), &inputs.tenders, 0);
}

/// What a document was paid with; the change comes out of the first cash.
fn tenders_said(tenders: &[Tender], change: i64) -> Vec<order::v1::Tender> {
    let mut change = change;
    let mut said = Vec::new();
    for paid in tenders {
        let unsettled = match paid.state {
            TenderState::Stored | TenderState::Unconfirmed => true,
            TenderState::Declined | TenderState::Voided => continue,
            _ => false,
        };
        let given_back = if paid.kind == TenderKind::Cash { std::mem::take(&mut change) } else { 0 };
        let amount = paid.amount.0.saturating_sub(given_back);
        said.push(order::v1::Tender { kind: tender_kind(&paid.kind).to_owned(), amount, unsettled });
    }
    said
}

/// One record for each tender whose money is taken; the change comes out of the first cash.
fn payments_said(
    records: &mut Records,
    store: &str,
    order_id: &str,
    currency: &str,
    tenders: &[Tender],
    change: i64,
) {
    let mut change = change;
    for (tender, paid) in (0u32..).zip(tenders) {
        let cash = paid.kind == TenderKind::Cash;
        if !cash && paid.state != TenderState::Captured {
            continue;
        }
        let given_back = if cash { std::mem::take(&mut change) } else { 0 };
        let data = payment::v1::PaymentProcessed {
            order_id: order_id.to_owned(),
            store: store.to_owned(),
            tender,
            kind: tender_kind(&paid.kind).to_owned(),
            amount: paid.amount.0.saturating_sub(given_back),
            currency: currency.to_owned(),
            reference: paid.reference.clone().unwrap_or_default(),
            settles: false,
        };
        let to = To { topic: PAYMENTS, key: order_id.to_owned(), subject: order_id };
        records.say("payment.processed", "tradepost.payment.v1.PaymentProcessed", to, &data);
    }
}

fn settled_said(records: &mut Records, store: &str, settled: &tradepost_sync::body::PaymentSettled) {
    let order_id = settled.document.map(|id| id.to_string()).unwrap_or_default();
    let to = To { topic: PAYMENTS, key: order_id.clone(), subject: &order_id };
    match settled.outcome {
        SettledAs::Captured | SettledAs::Confirmed => {
            let data = payment::v1::PaymentProcessed {
                order_id: order_id.clone(),
                store: store.to_owned(),
                tender: 0,
                kind: tender_kind(&settled.kind).to_owned(),
                amount: settled.amount.0,
                currency: String::new(),
                reference: settled.reference.clone().unwrap_or_default(),
                settles: true,
            };
            records.say("payment.processed", "tradepost.payment.v1.PaymentProcessed", to, &data);
        }
        SettledAs::Declined | SettledAs::Expired | SettledAs::Missing | SettledAs::Voided => {
            let data = payment::v1::PaymentDeclined {
                order_id: order_id.clone(),
                store: store.to_owned(),
                tender_key: settled.key.to_string(),
                kind: tender_kind(&settled.kind).to_owned(),
                amount: settled.amount.0,
            };
            records.say("payment.declined", "tradepost.payment.v1.PaymentDeclined", to, &data);
        }
    }
}

/// What becomes of a till's day, ordered by its store.
fn shift_said(records: &mut Records, store: &str, envelope: &Envelope, body: &Body) {
    let till = envelope.till.clone().unwrap_or_default();
    let subject = format!("{store}/{till}");
    let to = || To { topic: SHIFTS, key: store.to_owned(), subject: &subject };
    let store = store.to_owned();
    match body {
        Body::ShiftOpened(opened) => {
            let float = |float: &DrawerFloat| shift::v1::Float {
                currency: float.currency.code().to_owned(),
                total: float.total.0,
            };
            let data = shift::v1::ShiftOpened {
                store,
                till,
                shift: opened.shift,
                business_day: day(opened.business_day.0),
                floats: opened.floats.iter().map(float).collect(),
            };
            records.say("shift.opened", "tradepost.shift.v1.ShiftOpened", to(), &data);
        }
        Body::CashMoved(moved) => {
            let direction = match moved.direction {
                CashDirection::In => "in",
                CashDirection::Out => "out",
                CashDirection::SafeDrop => "safe_drop",
            };
            let data = shift::v1::CashMoved {
                store,
                till,
                shift: envelope.shift.unwrap_or(0),
                direction: direction.to_owned(),
                currency: moved.currency.code().to_owned(),
                amount: moved.amount.0,
                reason: moved.reason.clone(),
                approver: moved.approver.as_ref().map(|who| who.0.clone()).unwrap_or_default(),
            };
            records.say("cash.moved", "tradepost.shift.v1.CashMoved", to(), &data);
        }
        Body::ShiftClosed(closed) => {
            let data = z_said(store, till, closed);
            records.say("z.closed", "tradepost.shift.v1.ZClosed", to(), &data);
        }
        _ => {}
    }
}

fn z_said(store: String, till: String, z: &ShiftClosed) -> shift::v1::ZClosed {
    let tax = |of: &ZTax| shift::v1::ZTax {
        category: of.tax.category.clone(),
        ppm: of.tax.ppm,
        gross: of.sales_gross.0.saturating_add(of.refunds_gross.0),
        tax: of.sales_tax.0.saturating_add(of.refunds_tax.0),
    };
    let tender = |of: &ZTender| shift::v1::ZTender {
        kind: tender_kind(&of.kind).to_owned(),
        amount: of.amount.0,
        unsettled: of.unsettled.0,
    };
    let (expected, counted) = z.drawers.first().map_or((0, 0), |own| (own.expected.0, own.counted.0));
    shift::v1::ZClosed {
        store,
        till,
        z: z.z,
        shift: z.shift,
        business_day: day(z.business_day.0),
        currency: z.currency.code().to_owned(),
        documents: u64::from(z.sales_count).saturating_add(u64::from(z.refunds_count)),
        sales: z.sales.0,
        refunds: z.refunds.0,
        net: z.net.0,
        tax: z.tax.0,
        rounding: z.rounding.0,
        taxes: z.taxes.iter().map(tax).collect(),
        tenders: z.tenders.iter().map(tender).collect(),
        expected,
        counted,
        recovered: z.recovered,
        supplement_of: z.supplement_of.unwrap_or(0),
    }
}

/// A business day as ISO 8601.
pub fn day(days: i32) -> String {
    use jiff::ToSpan;
    jiff::civil::date(1970, 1, 1).saturating_add(i64::from(days).days()).to_string()
}

/// The records of a catalog version; `store` is none where it is for every one.
///
/// `is_new` says whether a product first appeared with this version.
pub fn catalog(store: Option<&str>, bytes: &[u8], is_new: &dyn Fn(&Sku) -> bool) -> Vec<CloudEvent> {
    let Ok(entry) = postcard::from_bytes::<Entry>(bytes) else { return Vec::new() };
    let (epoch, version) = (entry.at.epoch, entry.at.version);
    let trace = first_16(blake3::hash(format!("catalog {epoch} {version}").as_bytes()).as_bytes());
    let fact = format!("{epoch}-{version}");
    let mut records = Records { fact, source: "/catalog".to_owned(), time: 0, trace, list: Vec::new() };
    for change in &entry.changes {
        change_said(&mut records, store, change, entry.at, is_new);
    }
    records.list
}

fn change_said(
    records: &mut Records,
    store: Option<&str>,
    change: &Change,
    at: CatalogVersion,
    is_new: &dyn Fn(&Sku) -> bool,
) {
    let CatalogVersion { epoch, version } = at;
    match change {
        Change::Product(product) => {
            let data = catalog::v1::ProductChanged {
                sku: product.sku.0.clone(),
                name: product.name.clone(),
                gtins: super::products::gtins(product),
                tax_category: product.tax_category.clone(),
                category: product.category.clone(),
                active: product.active,
                removed: false,
                epoch,
                version,
            };
            let to = To { topic: PRODUCTS, key: product.sku.0.clone(), subject: &product.sku.0 };
            let name = if is_new(&product.sku) { "product.created" } else { "product.updated" };
            records.say(name, "tradepost.catalog.v1.ProductChanged", to, &data);
        }
        Change::ProductRemoved(sku) => {
            let data = catalog::v1::ProductChanged {
                sku: sku.0.clone(),
                removed: true,
                epoch,
                version,
                ..Default::default()
            };
            let to = To { topic: PRODUCTS, key: sku.0.clone(), subject: &sku.0 };
            records.say("product.updated", "tradepost.catalog.v1.ProductChanged", to, &data);
        }
        Change::Price(price) => {
            let data = catalog::v1::PriceChanged {
                sku: price.sku.0.clone(),
                list: price.list.clone(),
                price: price.price.0,
                valid_from_ms: price.valid_from.0,
                valid_to_ms: price.valid_to.map_or(0, |to| to.0),
                store: store.unwrap_or_default().to_owned(),
                epoch,
                version,
            };
            let to = To { topic: PRODUCTS, key: price.sku.0.clone(), subject: &price.sku.0 };
            records.say("price.changed", "tradepost.catalog.v1.PriceChanged", to, &data);
        }
        _ => {}
    }
}
