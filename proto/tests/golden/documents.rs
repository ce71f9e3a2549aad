//! Samples of sales, refunds and payments, every field filled.

use crate::id;
use tradepost_commerce::document::*;
use tradepost_commerce::money::{Currency, Money, Rounding};
use tradepost_commerce::quantity::{BaseUnit, Quantity, Unit};
use tradepost_sync::body::*;

fn rules() -> Rules {
    Rules {
        calc: 1,
        settings: 3,
        currency: Currency { code: *b"EUR", exponent: 2 },
        prices_include_tax: true,
        rounding: Rounding::HalfAwayFromZero,
        tax_policy: TaxPolicy::Group,
        cash_step: Money(5),
    }
}

fn staff(code: &str) -> StaffId {
    StaffId(code.to_owned())
}

pub(crate) fn tax() -> Tax {
    Tax { category: "standard".to_owned(), ppm: 230_000 }
}

pub(crate) fn receipt(n: u64) -> ReceiptNumber {
    ReceiptNumber { till: "R1".to_owned(), series: "7K2QD".to_owned(), n }
}

fn discount(kind: DiscountKind, coupon: Option<&str>) -> Discount {
    Discount {
        kind,
        reason: "damaged".to_owned(),
        approver: Some(staff("m-01")),
        coupon: coupon.map(str::to_owned),
        pool: coupon.map(|code| PoolDraw { pool: format!("coupon/{code}"), used: Money(1) }),
    }
}

pub(crate) fn tenders(sign: i64) -> Vec<Tender> {
    let tender = |kind, amount| Tender {
        key: Some([7; 16]),
        kind,
        amount: Money(amount * sign),
        foreign: None,
        state: TenderState::Captured,
        reference: Some("T-1".to_owned()),
        pool: None,
        original: (sign < 0).then_some(1),
    };
    let usd =
        Foreign { currency: Currency { code: *b"USD", exponent: 2 }, amount: Money(100), rate: 920_000 };
    vec![
        Tender { key: None, reference: None, ..tender(TenderKind::Cash, 2_000) },
        Tender { state: TenderState::Stored, ..tender(TenderKind::Card, 500) },
        Tender {
            pool: Some(PoolDraw { pool: "G-1".to_owned(), used: Money(100) }),
            ..tender(TenderKind::GiftCard, 100)
        },
        Tender { foreign: Some(usd), ..tender(TenderKind::ForeignCash, 92) },
        Tender { state: TenderState::Unconfirmed, ..tender(TenderKind::Other("cheque".to_owned()), 10) },
    ]
}

fn kg() -> Unit {
    Unit { base: BaseUnit::Gram, base_per_unit: 1_000 }
}

fn line() -> LineInput {
    LineInput {
        sku: Sku("NUTS".to_owned()),
        name: "Nuts, loose".to_owned(),
        unit: kg(),
        quantity: Quantity(346),
        unit_price: Money(1_890),
        price_source: PriceSource::List {
            list: "friends".to_owned(),
            version: CatalogVersion { epoch: 1, version: 6 },
        },
        label_amount: Some(Money(654)),
        tax: tax(),
        discounts: vec![discount(DiscountKind::Percent(100_000), None)],
        serials: vec!["SN-1".to_owned()],
        age_check: Some(AgeCheck { min_age: 18, method: "id".to_owned() }),
        kind: LineKind::Liability { pool: "G-2".to_owned() },
    }
}

fn groups(sign: i64) -> Vec<TaxGroup> {
    vec![TaxGroup { tax: tax(), net: Money(532 * sign), amount: Money(122 * sign), gross: Money(654 * sign) }]
}

fn settlement(sign: i64) -> Settlement {
    Settlement {
        total: Money(654 * sign),
        other: Money(0),
        cash_due: Money(655 * sign),
        cash_tendered: Money(2_000 * sign),
        change: Money(1_345),
        rounding: Money(sign),
    }
}

fn sale() -> SaleCommitted {
    let typed = LineInput {
        price_source: PriceSource::Manual { approver: Some(staff("m-01")), reason: "label torn".to_owned() },
        label_amount: None,
        ..line()
    };
    SaleCommitted {
        sale_id: id(1),
        client_made: true,
        cart: Some(id(2)),
        receipt: receipt(102),
        business_day: Day(20_454),
        customer: Some(id(3)),
        document: SaleDocument {
            inputs: SaleInputs {
                rules: rules(),
                catalog: CatalogVersion { epoch: 1, version: 7 },
                lines: vec![line(), typed],
                promotions: vec![
                    promotion(PromotionRule::NForM { take: 3, pay: 2 }),
                    promotion(PromotionRule::Percent(50_000)),
                    promotion(PromotionRule::FixedOff(Money(20))),
                ],
                order_discounts: vec![discount(DiscountKind::Fixed(Money(500)), Some("WELCOME"))],
                exemption: Some(Exemption { reason: "embassy".to_owned(), certificate: "X-9".to_owned() }),
                tenders: tenders(1),
            },
            outcome: SaleOutcome {
                lines: vec![LineOutcome {
                    base: Money(654),
                    discounts: vec![Money(65)],
                    promotions: vec![(0, Money(10))],
                    order_shares: vec![Money(5)],
                    amount: Money(574),
                    net: Money(467),
                    tax: Money(107),
                }],
                groups: groups(1),
                net: Money(532),
                tax: Money(122),
                settlement: settlement(1),
            },
        },
        moved: vec![Moved { m: 0, c: 300, o: 46 }],
        exchange: Some(id(4)),
        reservations: vec![(0, id(5))],
        cart_custody: Some(CustodyMark { epoch: 1, n: 3 }),
    }
}

fn promotion(rule: PromotionRule) -> AppliedPromotion {
    AppliedPromotion { id: "P-1".to_owned(), name: "Offer".to_owned(), priority: 10, rule, lines: vec![0, 1] }
}

fn refund() -> RefundCommitted {
    RefundCommitted {
        refund_id: id(6),
        client_made: true,
        receipt: receipt(105),
        business_day: Day(20_454),
        customer: Some(id(3)),
        document: RefundDocument {
            inputs: RefundInputs {
                rules: rules(),
                original: Some(OriginalSale {
                    sale_id: [1; 16],
                    series: "7K2QD".to_owned(),
                    n: 102,
                    store: Some("s2".to_owned()),
                }),
                lines: vec![RefundLineInput {
                    line: Some(0),
                    sku: Sku("NUTS".to_owned()),
                    name: "Nuts, loose".to_owned(),
                    unit: kg(),
                    tax: tax(),
                    sold: Quantity(346),
                    sold_net: Money(532),
                    sold_tax: Money(122),
                    quantity: Quantity(100),
                    condition: Condition::Waste,
                    basis: Basis { quantity: Quantity(46), net: Money(70), tax: Money(16) },
                    serials: vec!["SN-1".to_owned()],
                    kind: LineKind::Service,
                    price_source: Some(PriceSource::Manual {
                        approver: None,
                        reason: "no receipt".to_owned(),
                    }),
                }],
                reason: "stale".to_owned(),
                tenders: tenders(-1),
            },
            outcome: RefundOutcome {
                lines: vec![RefundLineOutcome { net: Money(-154), tax: Money(-35) }],
                groups: groups(-1),
                net: Money(-154),
                tax: Money(-35),
                settlement: settlement(-1),
            },
        },
        moved: vec![Moved { m: 100, c: 0, o: 0 }],
        verification: Verification::Unverified,
        void: true,
        approver: Some(staff("m-01")),
        exchange: Some(id(4)),
        right: Some(CustodyMark { epoch: 1, n: 2 }),
    }
}

pub(crate) fn samples() -> Vec<Body> {
    vec![
        sale().into(),
        refund().into(),
        PaymentSettled {
            document: Some(id(1)),
            key: id(7),
            kind: TenderKind::Card,
            outcome: SettledAs::Captured,
            amount: Money(2_000),
            reference: Some("T-1".to_owned()),
        }
        .into(),
        CopyPrinted { document: id(1), copy: 2 }.into(),
        ReceivableCollected {
            sale_id: id(1),
            key: id(7),
            receipt: receipt(110),
            business_day: Day(20_455),
            amount: Money(2_000),
            tenders: tenders(1),
            rounding: Money(2),
            change: Money(3),
        }
        .into(),
        OverrideUsed {
            what: "price".to_owned(),
            object: Some(id(1)),
            to: Some(staff("s-04")),
            by: staff("m-01"),
            reason: "label torn".to_owned(),
        }
        .into(),
        CustomerCreated { customer: id(3) }.into(),
        CustomerChanged { customer: id(3) }.into(),
    ]
}
