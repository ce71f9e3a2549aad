//! Builders that all stories share.

use tradepost_commerce::calc::CALC_VERSION;
use tradepost_commerce::document::*;
use tradepost_commerce::money::{Currency, Money, Rounding};
use tradepost_commerce::quantity::{Quantity, Unit};

/// The golden day's rules: EUR, tax included, group policy, half away from zero, cash in steps of 0.05.
pub(crate) fn rules() -> Rules {
    Rules {
        calc: CALC_VERSION,
        settings: 1,
        currency: Currency::EUR,
        prices_include_tax: true,
        rounding: Rounding::HalfAwayFromZero,
        tax_policy: TaxPolicy::Group,
        cash_step: Money(5),
    }
}

pub(crate) fn exclusive() -> Rules {
    Rules { prices_include_tax: false, ..rules() }
}

/// A line of pieces: SKU, thousandths, unit price, tax rate.
pub(crate) fn line(sku: &str, quantity: i64, price: i64, ppm: u32) -> LineInput {
    LineInput {
        sku: Sku(sku.to_owned()),
        name: sku.to_owned(),
        unit: Unit::piece(),
        quantity: Quantity(quantity),
        unit_price: Money(price),
        price_source: PriceSource::List { list: String::new(), version: CatalogVersion::default() },
        label_amount: None,
        tax: Tax { category: format!("rate-{ppm}"), ppm },
        discounts: Vec::new(),
        serials: Vec::new(),
        age_check: None,
        kind: LineKind::Goods,
    }
}

/// A line priced per kilogram, in grams.
pub(crate) fn weighed(sku: &str, grams: i64, price: i64, ppm: u32) -> LineInput {
    LineInput { unit: Unit::kilogram(), ..line(sku, grams, price, ppm) }
}

pub(crate) fn discounted(line: LineInput, discounts: &[Discount]) -> LineInput {
    LineInput { discounts: discounts.to_vec(), ..line }
}

pub(crate) fn percent(ppm: u32) -> Discount {
    Discount {
        kind: DiscountKind::Percent(ppm),
        reason: "r".to_owned(),
        approver: None,
        coupon: None,
        pool: None,
    }
}

pub(crate) fn fixed(amount: i64) -> Discount {
    Discount { kind: DiscountKind::Fixed(Money(amount)), ..percent(0) }
}

pub(crate) fn coupon(amount: i64) -> Discount {
    Discount { coupon: Some("C5".to_owned()), ..fixed(amount) }
}

pub(crate) fn tender(kind: TenderKind, amount: i64) -> Tender {
    Tender {
        key: None,
        kind,
        amount: Money(amount),
        foreign: None,
        state: TenderState::Captured,
        reference: None,
        pool: None,
        original: None,
    }
}

pub(crate) fn cash(amount: i64) -> Tender {
    tender(TenderKind::Cash, amount)
}

pub(crate) fn card(amount: i64) -> Tender {
    tender(TenderKind::Card, amount)
}

pub(crate) fn sale(rules: Rules, lines: Vec<LineInput>, tenders: Vec<Tender>) -> SaleInputs {
    SaleInputs {
        rules,
        catalog: CatalogVersion { epoch: 1, version: 1 },
        lines,
        promotions: Vec::new(),
        order_discounts: Vec::new(),
        exemption: None,
        tenders,
    }
}

/// Amounts as bare integers.
pub(crate) fn figures(amounts: &[Money]) -> Vec<i64> {
    amounts.iter().map(|amount| amount.0).collect()
}
