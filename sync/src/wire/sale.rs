//! A sale's part: inputs as the catalog foresees them, the outcome left to the engine.

use super::columns::{Columns, Cursor, Reader};
use super::envelope::Memory;
use super::{Shelf, ShelfFacts, UnpackError};
use crate::body::{Day, Moved, ReceiptNumber, SaleCommitted};
use crate::event::Envelope;
use crate::ids::{Id, derived_id};
use crate::limits::EVENT_BYTES_MAX;
use tradepost_commerce::calc;
use tradepost_commerce::document::{
    CatalogVersion, LineInput, LineKind, PriceSource, SaleDocument, SaleInputs, Sku, Tender, TenderKind,
    TenderState,
};
use tradepost_commerce::money::Money;
use tradepost_commerce::quantity::{Quantity, Unit};

/// Canonical bytes that a line with its outcome takes at least.
const LINE_BYTES_MIN: usize = 24;

// Of the sale.
const CLIENT_MADE: u8 = 1;
const DERIVED: u8 = 2;
const PLAIN: u8 = 4; // no cart, customer, exchange, reservations, exemption
const RECEIPT: u8 = 8;
const RULES: u8 = 16;
const CATALOG: u8 = 32;
const DAY: u8 = 64;
const UNTOUCHED: u8 = 128; // no promotions, no order discounts
// Of how it was paid and what it moved.
const ONE_CASH: u8 = 1;
const ALL_RIGHTS: u8 = 2;
const ALL_OVERDRAW: u8 = 4;
// Of a line.
const NUMBERED: u8 = 1;
const FACTS: u8 = 2;
const PRICE: u8 = 4;
const SOURCE: u8 = 8;
const WHOLE: u8 = 16;
const BARE: u8 = 32; // goods, and no label amount, discounts, serials, age check

/// Whether the engine that the document names gives the very outcome it holds, and so may be left to it.
pub(super) fn foreseen(sale: &SaleCommitted) -> bool {
    let document = &sale.document;
    calc::run(document.inputs.rules.calc, &document.inputs).is_ok_and(|outcome| outcome == document.outcome)
}

fn bit(flag: u8, set: bool) -> u8 {
    if set { flag } else { 0 }
}

fn own_source(catalog: CatalogVersion) -> PriceSource {
    PriceSource::List { list: String::new(), version: catalog }
}

fn id_of(envelope: &Envelope) -> Id {
    derived_id(envelope.hlc.ms(), &envelope.incarnation, envelope.seq)
}

fn next_receipt(envelope: &Envelope, memory: &Memory) -> ReceiptNumber {
    let till = envelope.till.clone().unwrap_or_default();
    let series = envelope.incarnation.series();
    let n = memory.receipts.get(&(till.clone(), series.clone())).copied().unwrap_or(0).wrapping_add(1);
    ReceiptNumber { till, series, n }
}

fn base_units(line: &LineInput) -> Option<u64> {
    if line.kind != LineKind::Goods {
        return Some(0);
    }
    line.unit.to_base(line.quantity).ok().and_then(|units| u64::try_from(units.0).ok())
}

fn all_moved(sale: &SaleCommitted, how: fn(u64) -> Moved) -> bool {
    let lines = &sale.document.inputs.lines;
    lines.len() == sale.moved.len()
        && lines.iter().zip(&sale.moved).all(|(line, moved)| base_units(line).map(how) == Some(*moved))
}

fn from_rights(units: u64) -> Moved {
    Moved { m: 0, c: units, o: 0 }
}

fn from_overdraw(units: u64) -> Moved {
    Moved { m: 0, c: 0, o: units }
}

fn one_cash(tenders: &[Tender]) -> Option<Money> {
    match tenders {
        [tender] if *tender == cash(tender.amount) => Some(tender.amount),
        _ => None,
    }
}

fn cash(amount: Money) -> Tender {
    Tender {
        key: None,
        kind: TenderKind::Cash,
        amount,
        foreign: None,
        state: TenderState::Captured,
        reference: None,
        pool: None,
        original: None,
    }
}

pub(super) fn write(
    sale: &SaleCommitted,
    envelope: &Envelope,
    columns: &mut Columns,
    memory: &mut Memory,
    shelf: &dyn Shelf,
) {
    let inputs = &sale.document.inputs;
    let derived = sale.sale_id == id_of(envelope);
    let plain = sale.cart.is_none()
        && sale.customer.is_none()
        && sale.exchange.is_none()
        && sale.reservations.is_empty()
        && sale.cart_custody.is_none()
        && inputs.exemption.is_none();
    let receipt = sale.receipt == next_receipt(envelope, memory);
    let rules = memory.rules.as_ref() == Some(&inputs.rules);
    let catalog = inputs.catalog == memory.catalog;
    let day = sale.business_day == memory.day;
    let untouched = inputs.promotions.is_empty() && inputs.order_discounts.is_empty();
    columns.flags.byte(
        bit(CLIENT_MADE, sale.client_made)
            | bit(DERIVED, derived)
            | bit(PLAIN, plain)
            | bit(RECEIPT, receipt)
            | bit(RULES, rules)
            | bit(CATALOG, catalog)
            | bit(DAY, day)
            | bit(UNTOUCHED, untouched),
    );
    if !derived {
        write_id(&sale.sale_id, envelope, columns);
    }
    if !plain {
        let ties = (sale.cart, sale.customer, sale.exchange, &sale.reservations, sale.cart_custody);
        columns.literals.value(&(ties, &inputs.exemption));
    }
    if !receipt {
        columns.literals.value(&sale.receipt);
    }
    if !rules {
        columns.literals.value(&inputs.rules);
    }
    if !catalog {
        columns.literals.value(&inputs.catalog);
    }
    if !day {
        columns.literals.value(&sale.business_day);
    }
    if !untouched {
        columns.literals.value(&(&inputs.promotions, &inputs.order_discounts));
    }
    columns.shape.uint(u64::try_from(inputs.lines.len()).unwrap_or(u64::MAX));
    for line in &inputs.lines {
        write_line(line, inputs.catalog, envelope, columns, memory, shelf);
    }
    write_payment(sale, columns);
    remember(sale, memory);
}

fn write_payment(sale: &SaleCommitted, columns: &mut Columns) {
    let paid_cash = one_cash(&sale.document.inputs.tenders);
    let (rights, overdraw) = (all_moved(sale, from_rights), all_moved(sale, from_overdraw));
    columns.flags.byte(
        bit(ONE_CASH, paid_cash.is_some()) | bit(ALL_RIGHTS, rights) | bit(ALL_OVERDRAW, overdraw && !rights),
    );
    let total = sale.document.outcome.settlement.total;
    match paid_cash {
        Some(amount) => columns.amounts.int(amount.0.wrapping_sub(total.0)),
        None => columns.literals.value(&sale.document.inputs.tenders),
    }
    if !rights && !overdraw {
        columns.literals.value(&sale.moved);
    }
}

fn remember(sale: &SaleCommitted, memory: &mut Memory) {
    let inputs = &sale.document.inputs;
    memory.receipts.insert((sale.receipt.till.clone(), sale.receipt.series.clone()), sale.receipt.n);
    memory.rules = Some(inputs.rules.clone());
    memory.catalog = inputs.catalog;
    memory.day = sale.business_day;
}

/// A client's UUIDv7 begins with a time close to the event's; the rest is luck and can't be foreseen.
fn write_id(id: &Id, envelope: &Envelope, columns: &mut Columns) {
    columns.time.int(id_ms(id).wrapping_sub(envelope.wall));
    columns.ids.raw(&id.0[6..]);
}

fn read_id(envelope: &Envelope, reader: &mut Reader<'_>) -> Result<Id, UnpackError> {
    let ms = envelope.wall.wrapping_add(reader.time.int()?);
    let mut id = [0; 16];
    id[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    id[6..].copy_from_slice(reader.ids.raw(10)?);
    Ok(Id(id))
}

fn id_ms(id: &Id) -> i64 {
    id.0[..6].iter().fold(0, |ms, byte| (ms << 8) | i64::from(*byte))
}

fn write_line(
    line: &LineInput,
    catalog: CatalogVersion,
    envelope: &Envelope,
    columns: &mut Columns,
    memory: &Memory,
    shelf: &dyn Shelf,
) {
    let number = shelf.number(&line.sku);
    let facts = shelf.facts(&line.sku, memory.at, envelope.trading);
    let as_facts =
        facts.as_ref().is_some_and(|f| f.name == line.name && f.unit == line.unit && f.tax == line.tax);
    let as_priced = facts.as_ref().is_some_and(|f| f.price == Some(line.unit_price));
    let as_sourced = line.price_source == own_source(catalog);
    let whole = line.quantity.0 % 1_000 == 0;
    let bare = line.label_amount.is_none()
        && line.discounts.is_empty()
        && line.serials.is_empty()
        && line.age_check.is_none()
        && line.kind == LineKind::Goods;
    columns.flags.byte(
        bit(NUMBERED, number.is_some())
            | bit(FACTS, as_facts)
            | bit(PRICE, as_priced)
            | bit(SOURCE, as_sourced)
            | bit(WHOLE, whole)
            | bit(BARE, bare),
    );
    match number {
        Some(number) => columns.skus.uint(u64::from(number)),
        None => columns.literals.value(&line.sku),
    }
    if !as_facts {
        columns.literals.value(&(&line.name, &line.unit, &line.tax));
    }
    if !as_priced {
        columns.amounts.int(line.unit_price.0);
    }
    if !as_sourced {
        columns.literals.value(&line.price_source);
    }
    columns.quantities.int(if whole { line.quantity.0 / 1_000 } else { line.quantity.0 });
    if !bare {
        let extras = (&line.label_amount, &line.discounts, &line.serials, &line.age_check, &line.kind);
        columns.literals.value(&extras);
    }
}

fn read_line(
    catalog: CatalogVersion,
    envelope: &Envelope,
    reader: &mut Reader<'_>,
    memory: &Memory,
    shelf: &dyn Shelf,
) -> Result<LineInput, UnpackError> {
    let flags = reader.flags.byte()?;
    let foreseen = |bit: u8| flags & bit != 0;
    let sku: Sku =
        if foreseen(NUMBERED) { read_sku(&mut reader.skus, shelf)? } else { reader.literals.value()? };
    let facts = shelf.facts(&sku, memory.at, envelope.trading);
    let known = |facts: &Option<ShelfFacts>| facts.clone().ok_or(UnpackError::Unpredictable("an item"));
    let (name, unit, tax): (String, Unit, _) = if foreseen(FACTS) {
        let facts = known(&facts)?;
        (facts.name, facts.unit, facts.tax)
    } else {
        reader.literals.value()?
    };
    let unit_price = if foreseen(PRICE) {
        known(&facts)?.price.ok_or(UnpackError::Unpredictable("a price"))?
    } else {
        Money(reader.amounts.int()?)
    };
    let price_source = if foreseen(SOURCE) { own_source(catalog) } else { reader.literals.value()? };
    let count = reader.quantities.int()?;
    let thousandths = if foreseen(WHOLE) { count.checked_mul(1_000) } else { Some(count) };
    let quantity = Quantity(thousandths.ok_or(UnpackError::Malformed("quantity"))?);
    let (label_amount, discounts, serials, age_check, kind) = if foreseen(BARE) {
        (None, Vec::new(), Vec::new(), None, LineKind::Goods)
    } else {
        reader.literals.value()?
    };
    Ok(LineInput {
        sku,
        name,
        unit,
        quantity,
        unit_price,
        price_source,
        label_amount,
        tax,
        discounts,
        serials,
        age_check,
        kind,
    })
}

fn read_sku(skus: &mut Cursor<'_>, shelf: &dyn Shelf) -> Result<Sku, UnpackError> {
    let number = u32::try_from(skus.uint()?).map_err(|_| UnpackError::Malformed("number of an item"))?;
    shelf.sku(number).ok_or(UnpackError::Unpredictable("number of an item"))
}

pub(super) fn read(
    envelope: &Envelope,
    reader: &mut Reader<'_>,
    memory: &mut Memory,
    shelf: &dyn Shelf,
) -> Result<SaleCommitted, UnpackError> {
    let flags = reader.flags.byte()?;
    let foreseen = |bit: u8| flags & bit != 0;
    let sale_id = if foreseen(DERIVED) { id_of(envelope) } else { read_id(envelope, reader)? };
    let ((cart, customer, exchange, reservations, cart_custody), exemption) = if foreseen(PLAIN) {
        ((None, None, None, Vec::new(), None), None)
    } else {
        reader.literals.value()?
    };
    let receipt = if foreseen(RECEIPT) { next_receipt(envelope, memory) } else { reader.literals.value()? };
    let rules = match (foreseen(RULES), &memory.rules) {
        (true, Some(rules)) => rules.clone(),
        (true, None) => return Err(UnpackError::Malformed("rules")),
        (false, _) => reader.literals.value()?,
    };
    let catalog = if foreseen(CATALOG) { memory.catalog } else { reader.literals.value()? };
    let business_day: Day = if foreseen(DAY) { memory.day } else { reader.literals.value()? };
    let (promotions, order_discounts) =
        if foreseen(UNTOUCHED) { (Vec::new(), Vec::new()) } else { reader.literals.value()? };
    let count = reader.shape.small()?;
    if usize::from(count) * LINE_BYTES_MIN > EVENT_BYTES_MAX {
        return Err(UnpackError::Malformed("too long"));
    }
    let lines = (0..count)
        .map(|_| read_line(catalog, envelope, reader, memory, shelf))
        .collect::<Result<Vec<_>, _>>()?;
    let mut inputs =
        SaleInputs { rules, catalog, lines, promotions, order_discounts, exemption, tenders: Vec::new() };
    let (outcome, moved) = read_payment(&mut inputs, reader)?;
    let sale = SaleCommitted {
        sale_id,
        client_made: foreseen(CLIENT_MADE),
        cart,
        receipt,
        business_day,
        customer,
        document: SaleDocument { inputs, outcome },
        moved,
        exchange,
        reservations,
        cart_custody,
    };
    remember(&sale, memory);
    Ok(sale)
}

fn read_payment(
    inputs: &mut SaleInputs,
    reader: &mut Reader<'_>,
) -> Result<(tradepost_commerce::document::SaleOutcome, Vec<Moved>), UnpackError> {
    let flags = reader.flags.byte()?;
    let due = calc::total_due(inputs).map_err(|_| UnpackError::Unpredictable("an outcome"))?;
    inputs.tenders = if flags & ONE_CASH != 0 {
        vec![cash(Money(due.total.0.wrapping_add(reader.amounts.int()?)))]
    } else {
        reader.literals.value()?
    };
    let outcome = calc::pay(due, inputs).map_err(|_| UnpackError::Unpredictable("a payment"))?;
    let all = |how: fn(u64) -> Moved| {
        let units =
            inputs.lines.iter().map(|line| base_units(line).ok_or(UnpackError::Malformed("quantity")));
        units.map(|units| units.map(how)).collect::<Result<Vec<_>, _>>()
    };
    let moved = match flags & (ALL_RIGHTS | ALL_OVERDRAW) {
        ALL_RIGHTS => all(from_rights)?,
        ALL_OVERDRAW => all(from_overdraw)?,
        _ => reader.literals.value()?,
    };
    Ok((outcome, moved))
}
