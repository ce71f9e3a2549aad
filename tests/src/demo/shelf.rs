//! What a customer's purse needs to know: what a basket will come to, by the prices in force at an instant.
//!
//! A card is charged exactly and cash is handed over in whole notes, so the demo computes each total beforehand.

use super::Outcome;
use super::goods::{Basket, BasketDiscount, Catalog};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tradepost_commerce::document::{CatalogVersion, Discount, DiscountKind, LineInput, SaleInputs, Sku};
use tradepost_commerce::money::Money;
use tradepost_commerce::price_book::{DEFAULT_LIST, PriceBook, PriceEntry};
use tradepost_commerce::product::Product;
use tradepost_commerce::promotion::{Promotion, judge};
use tradepost_commerce::quantity::Quantity;
use tradepost_commerce::settings::Settings;
use tradepost_commerce::time::UtcMs;
use tradepost_commerce::total_due;

/// Everything that decides a basket's total.
#[derive(Clone, Debug)]
pub struct Shelf {
    settings: Settings,
    products: BTreeMap<Sku, Product>,
    prices: PriceBook,
    promotions: Vec<Promotion>,
}

impl Shelf {
    /// The shelf of a catalog.
    ///
    /// # Errors
    /// Its settings can't be read.
    pub fn of(catalog: &Catalog) -> Outcome<Self> {
        let products = catalog.products.iter().map(|product| (product.sku.clone(), product.clone()));
        Ok(Self {
            settings: catalog.parsed_settings()?,
            products: products.collect(),
            prices: PriceBook::new(CatalogVersion::default(), catalog.prices.iter().cloned()),
            promotions: catalog.promotions.clone(),
        })
    }

    /// Prices that headquarters changed.
    pub fn reprice(&mut self, entries: &[PriceEntry]) {
        entries.iter().for_each(|entry| self.prices.add(entry.clone()));
    }

    /// What a basket comes to at an instant, in minor units.
    ///
    /// # Errors
    /// An item or its price is unknown, or the engine refuses.
    pub fn total(&self, basket: &Basket, now: UtcMs) -> Outcome<i64> {
        let mut inputs = SaleInputs {
            rules: self.settings.rules(),
            catalog: CatalogVersion::default(),
            lines: basket.lines.iter().map(|line| self.line(line, now)).collect::<Outcome<_>>()?,
            promotions: Vec::new(),
            order_discounts: basket.discounts.iter().map(discount).collect::<Outcome<_>>()?,
            exemption: None,
            tenders: Vec::new(),
        };
        inputs.promotions = judge(&inputs, &self.promotions, now).map_err(|e| e.to_string())?;
        Ok(total_due(&inputs).map_err(|e| e.to_string())?.total.0)
    }

    /// The tenders that pay a total in the basket's way; cash in whole notes of a hundred cash steps.
    pub fn tenders(&self, basket: &Basket, total: i64) -> Value {
        let note = self.settings.cash_step.0 * 100;
        let cash = |due: i64| json!({"kind": "cash", "amount": (due / note + 1) * note});
        let card = |amount: i64| json!({"kind": "card", "amount": amount, "reference": basket.basket});
        match basket.pay.as_str() {
            "card" if total > 0 => json!([card(total)]),
            "mixed" if total > 1 => json!([card(total / 2), cash(total - total / 2)]),
            _ => json!([cash(total)]),
        }
    }

    /// The price entry of an item that is in force.
    pub fn price(&self, sku: &Sku, now: UtcMs) -> Option<&PriceEntry> {
        self.prices.price_at(DEFAULT_LIST, sku, now)
    }

    fn line(&self, line: &super::goods::BasketLine, now: UtcMs) -> Outcome<LineInput> {
        let sku = Sku(line.sku.clone());
        let product = self.products.get(&sku).ok_or_else(|| format!("{} is in no catalog", line.sku))?;
        let price = self.price(&sku, now).ok_or_else(|| format!("{} has no price", line.sku))?;
        let tax = self.settings.tax_at(&product.tax_category, now);
        Ok(LineInput {
            sku,
            name: product.name.clone(),
            unit: product.unit.clone(),
            quantity: Quantity(line.quantity_milli),
            unit_price: price.price,
            price_source: price.source(CatalogVersion::default()),
            label_amount: None,
            tax: tax.ok_or_else(|| format!("{} has no tax rate", line.sku))?,
            discounts: line.discounts.iter().map(discount).collect::<Outcome<_>>()?,
            serials: Vec::new(),
            age_check: None,
            kind: Default::default(),
        })
    }
}

fn discount(discount: &BasketDiscount) -> Outcome<Discount> {
    let kind = match discount.kind.as_str() {
        "percent" => DiscountKind::Percent(u32::try_from(discount.value)?),
        _ => DiscountKind::Fixed(Money(discount.value)),
    };
    Ok(Discount {
        kind,
        reason: discount.reason.clone(),
        approver: None,
        coupon: discount.coupon.clone(),
        pool: None,
    })
}
