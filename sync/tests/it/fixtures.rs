//! A small shop for tests: three items, one catalog, sales rung up by the real engine.

use tradepost_commerce::calc;
use tradepost_commerce::document::*;
use tradepost_commerce::money::{Currency, Money, Rounding};
use tradepost_commerce::quantity::{Quantity, Unit};
use tradepost_sync::body::{Body, Day, Moved, ReceiptNumber, SaleCommitted};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::event::{Event, Head, Stamp};
use tradepost_sync::ids::{Id, Incarnation, derived_id};
use tradepost_sync::wire::{Shelf, ShelfFacts};

pub(crate) const NODE: Incarnation = Incarnation([0x11; 16]);
pub(crate) const CATALOG: CatalogVersion = CatalogVersion { epoch: 1, version: 7 };
pub(crate) const ITEMS: [(&str, &str, i64, u32); 3] =
    [("MUG", "Mug", 795, 230_000), ("TEA", "Tea 80 bags", 349, 0), ("CAKE", "Cake slice", 285, 135_000)];

pub(crate) struct Shop;

impl Shelf for Shop {
    fn facts(&self, sku: &Sku, _: CatalogVersion, _: UtcMs) -> Option<ShelfFacts> {
        let (_, name, price, ppm) = ITEMS.iter().find(|item| item.0 == sku.0)?;
        Some(ShelfFacts {
            name: (*name).to_owned(),
            unit: Unit::piece(),
            tax: Tax { category: format!("r{ppm}"), ppm: *ppm },
            price: Some(Money(*price)),
        })
    }
    fn number(&self, sku: &Sku) -> Option<u32> {
        ITEMS.iter().position(|item| item.0 == sku.0).and_then(|at| u32::try_from(at + 1).ok())
    }
    fn sku(&self, number: u32) -> Option<Sku> {
        let at = usize::try_from(number.checked_sub(1)?).ok()?;
        ITEMS.get(at).map(|item| Sku(item.0.to_owned()))
    }
}

pub(crate) fn rules() -> Rules {
    Rules {
        calc: calc::CALC_VERSION,
        settings: 1,
        currency: Currency { code: *b"EUR", exponent: 2 },
        prices_include_tax: true,
        rounding: Rounding::HalfAwayFromZero,
        tax_policy: TaxPolicy::Group,
        cash_step: Money(5),
    }
}

pub(crate) fn line(item: usize, pieces: i64) -> LineInput {
    let (sku, name, price, ppm) = ITEMS[item];
    LineInput {
        sku: Sku(sku.to_owned()),
        name: name.to_owned(),
        unit: Unit::piece(),
        quantity: Quantity(pieces * 1_000),
        unit_price: Money(price),
        price_source: PriceSource::List { list: String::new(), version: CATALOG },
        label_amount: None,
        tax: Tax { category: format!("r{ppm}"), ppm },
        discounts: Vec::new(),
        serials: Vec::new(),
        age_check: None,
        kind: LineKind::Goods,
    }
}

pub(crate) fn cash(amount: i64) -> Tender {
    Tender {
        key: None,
        kind: TenderKind::Cash,
        amount: Money(amount),
        foreign: None,
        state: TenderState::Captured,
        reference: None,
        pool: None,
        original: None,
    }
}

pub(crate) fn inputs(lines: Vec<LineInput>, tenders: Vec<Tender>) -> SaleInputs {
    SaleInputs {
        rules: rules(),
        catalog: CATALOG,
        lines,
        promotions: Vec::new(),
        order_discounts: Vec::new(),
        exemption: None,
        tenders,
    }
}

pub(crate) fn document(inputs: SaleInputs) -> SaleDocument {
    let outcome = calc::ring_up(&inputs).expect("the fixture rings up");
    SaleDocument { inputs, outcome }
}

pub(crate) fn stamp(wall: UtcMs) -> Stamp {
    Stamp { wall, tau: None, trading: wall, till: Some("R1".to_owned()), shift: None, staff: None }
}

/// A sale as the node would write it next.
pub(crate) fn sale(
    head: &Head,
    wall: UtcMs,
    n: u64,
    client: Option<Id>,
    document: SaleDocument,
) -> SaleCommitted {
    let (seq, hlc) = head.next(wall);
    let moved = document
        .inputs
        .lines
        .iter()
        .map(|l| Moved { m: 0, c: u64::try_from(l.unit.to_base(l.quantity).unwrap().0).unwrap(), o: 0 })
        .collect();
    SaleCommitted {
        sale_id: client.unwrap_or_else(|| derived_id(hlc.ms(), &head.incarnation, seq)),
        client_made: client.is_some(),
        cart: None,
        receipt: ReceiptNumber { till: "R1".to_owned(), series: head.incarnation.series(), n },
        business_day: Day(20_000),
        customer: None,
        document,
        moved,
        exchange: None,
        reservations: Vec::new(),
        cart_custody: None,
    }
}

/// A day of ordinary sales.
pub(crate) fn sales(count: u64) -> Vec<Event> {
    let mut head = Head::empty(NODE);
    let mut wall = 1_700_000_000_000;
    (1..=count)
        .map(|n| {
            wall += 20_000 + i64::try_from(n * 7_919 % 90_000).unwrap();
            let lines = (0..1 + n % 4)
                .map(|k| {
                    line(
                        usize::try_from((n * 31 + k * 17) % 3).unwrap(),
                        1 + i64::try_from((n + k) % 5 / 4).unwrap(),
                    )
                })
                .collect();
            let body = sale(&head, wall, n, None, document(inputs(lines, vec![cash(100_000)])));
            head.append(stamp(wall), &Body::from(body)).unwrap()
        })
        .collect()
}
