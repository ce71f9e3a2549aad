//! Samples of shifts and drawers, every field filled.

use crate::documents::tax;
use crate::{NODE, OTHER, id};
use tradepost_commerce::document::{StaffId, TenderKind};
use tradepost_commerce::money::{Currency, Money};
use tradepost_sync::body::*;
use tradepost_sync::ids::Hash;

const EUR: Currency = Currency { code: *b"EUR", exponent: 2 };

fn manager() -> Option<StaffId> {
    Some(StaffId("m-01".to_owned()))
}

fn notes() -> Vec<Denomination> {
    vec![Denomination { value: Money(5_000), count: 2 }, Denomination { value: Money(100), count: 50 }]
}

fn z() -> ShiftClosed {
    ShiftClosed {
        shift: 7,
        z: 42,
        business_day: Day(20_454),
        currency: EUR,
        series: vec![ZSeries { series: "7K2QD".to_owned(), first: 101, last: 108 }],
        sales_count: 7,
        refunds_count: 1,
        units_sold: 24,
        weighed_lines: 2,
        weighed_units: 1_596,
        gross_before_discounts: Money(18_051),
        line_discounts: Money(200),
        promotions: Money(285),
        order_discounts: Money(500),
        sales: Money(17_066),
        refunds: Money(-1_080),
        taxes: vec![ZTax {
            tax: tax(),
            sales_gross: Money(13_082),
            sales_tax: Money(2_447),
            refunds_gross: Money(-795),
            refunds_tax: Money(-149),
        }],
        net: Money(13_363),
        tax: Money(2_623),
        rounding: Money(3),
        tenders: vec![ZTender {
            kind: TenderKind::Card,
            amount: Money(5_934),
            count: 3,
            unsettled: Money(2_000),
        }],
        liabilities_sold: Money(1),
        receivables_collected: Money(2),
        drawers: vec![ZDrawer {
            currency: EUR,
            float: Money(15_000),
            sales: Money(11_135),
            refunds: Money(-1_080),
            paid_in: Money(0),
            paid_out: Money(-1_240),
            safe_drops: Money(-10_000),
            expected: Money(13_815),
            counted_by: notes(),
            counted: Money(13_810),
            difference: Money(-5),
            receivables: Money(2),
        }],
        prepaid_count: 1,
        prepaid_amount: Money(1_999),
        drawer_openings: 3,
        copies: 1,
        approver: manager(),
        perpetual_before: Perpetual { sales: Money(1_000_000), refunds: Money(-5_000), documents: 100 },
        perpetual_after: Perpetual { sales: Money(1_017_066), refunds: Money(-6_080), documents: 108 },
        fiscal_heads: vec![FiscalHead { series: "7K2QD".to_owned(), n: 12, hash: Hash([0xdd; 32]) }],
        open_tenders: vec![OpenTender {
            object: id(2),
            key: id(7),
            kind: TenderKind::Card,
            amount: Money(2_000),
        }],
        recovered: true,
        supplement_of: Some(41),
        units_returned: 2,
        opened_by: Some(OTHER),
        continuity_broken: true,
    }
}

pub(crate) fn samples() -> Vec<Body> {
    vec![
        ShiftOpened {
            shift: 7,
            business_day: Day(20_454),
            floats: vec![DrawerFloat { currency: EUR, by: notes(), total: Money(15_000) }],
        }
        .into(),
        CashMoved {
            direction: CashDirection::SafeDrop,
            currency: EUR,
            amount: Money(10_000),
            reason: "evening".to_owned(),
            approver: manager(),
        }
        .into(),
        DrawerOpened { reason: "change".to_owned(), approver: manager() }.into(),
        z().into(),
        TillMoved { till: "R1".to_owned(), from: NODE, to: OTHER, approver: manager() }.into(),
    ]
}
