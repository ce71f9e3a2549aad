//! A basket: what a till collects before anybody pays. Unit prices are frozen when scanned (`money.md`, the golden
//! day); promotions wait for checkout.

use crate::barcode::quantity_for;
use crate::document::{
    AgeCheck, CatalogVersion, Discount, Exemption, LineInput, PriceSource, Rules, SaleInputs, Sku, StaffId,
};
use crate::money::Money;
use crate::price_book::PriceBook;
use crate::product::Product;
use crate::quantity::Quantity;
use crate::refusal::Refusal;
use crate::settings::Settings;
use crate::time::UtcMs;
use serde::{Deserialize, Serialize};

/// How much of an item was scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Wanted {
    /// In thousandths of the pricing unit.
    Quantity(Quantity),
    /// As much as the amount on a price-embedded label says.
    LabelAmount(Money),
}

/// What a scan needs to know: the settings and prices in force, and when it is.
#[derive(Clone, Copy, Debug)]
pub struct Shop<'a> {
    /// The store's settings.
    pub settings: &'a Settings,
    /// Prices of at least the items that are touched.
    pub prices: &'a PriceBook,
    /// Now.
    pub now: UtcMs,
}

/// A line, and what checkout will ask of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BasketLine {
    /// The line as it will stand in the document.
    pub input: LineInput,
    /// When it was scanned: prices are looked up as of then, also later.
    pub scanned_at: UtcMs,
    /// Years the customer must have.
    pub min_age: Option<u8>,
    /// Whether every piece needs its serial number.
    pub serialised: bool,
}

/// What a till collected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Basket {
    /// The lines, in the order they were scanned.
    pub lines: Vec<BasketLine>,
    /// Discounts on the whole order; coupons last.
    pub order_discounts: Vec<Discount>,
    /// Tax exemption, if any.
    pub exemption: Option<Exemption>,
    /// The customer's id, if one is attached.
    pub customer: Option<String>,
    /// The customer's price list; empty for the store's own.
    pub list: String,
}

impl Basket {
    /// Adds an item at the price that is in force; answers the index of its line.
    ///
    /// # Errors
    /// [`Refusal`] when the item is not for sale, has no price or no tax rate, or the quantity makes no sense.
    pub fn add(&mut self, product: &Product, wanted: Wanted, shop: Shop<'_>) -> Result<usize, Refusal> {
        let line = self.lines.len();
        if line >= usize::from(shop.settings.max_lines) {
            let most = usize::from(shop.settings.max_lines);
            return Err(Refusal::TooManyLines { lines: line + 1, most });
        }
        let input = self.line_of(product, wanted, shop)?;
        check_quantity(line, &input, shop.settings)?;
        let (min_age, serialised) = (product.min_age, product.serialised);
        self.lines.push(BasketLine { input, scanned_at: shop.now, min_age, serialised });
        Ok(line)
    }

    fn line_of(&self, product: &Product, wanted: Wanted, shop: Shop<'_>) -> Result<LineInput, Refusal> {
        let sku = || product.sku.clone();
        if !product.active {
            return Err(Refusal::NotForSale { sku: sku() });
        }
        let price = shop
            .prices
            .price_at(&self.list, &product.sku, shop.now)
            .ok_or_else(|| Refusal::NoPrice { sku: sku() })?;
        let category = &product.tax_category;
        let no_rate = || Refusal::NoTaxRate { sku: sku(), category: category.clone() };
        let tax = shop.settings.tax_at(category, shop.now).ok_or_else(no_rate)?;
        let (quantity, label_amount) = match wanted {
            Wanted::Quantity(quantity) => (quantity, None),
            Wanted::LabelAmount(amount) => {
                let rounding = shop.settings.rounding;
                (quantity_for(amount, price.price, &product.unit, rounding)?, Some(amount))
            }
        };
        Ok(LineInput {
            sku: sku(),
            name: product.name.clone(),
            unit: product.unit.clone(),
            quantity,
            unit_price: price.price,
            price_source: price.source(shop.prices.version()),
            label_amount,
            tax,
            discounts: Vec::new(),
            serials: Vec::new(),
            age_check: None,
            kind: crate::document::LineKind::Goods,
        })
    }

    /// Changes how much of a line is bought. A price-embedded label says so itself and can't be changed.
    ///
    /// # Errors
    /// [`Refusal`] when there is no such line or the quantity makes no sense.
    pub fn set_quantity(
        &mut self,
        line: usize,
        quantity: Quantity,
        settings: &Settings,
    ) -> Result<(), Refusal> {
        let input = &mut self.line_mut(line)?.input;
        if input.label_amount.is_some() {
            return Err(Refusal::BadQuantity { line, quantity });
        }
        let before = std::mem::replace(&mut input.quantity, quantity);
        check_quantity(line, input, settings).inspect_err(|_| input.quantity = before)
    }

    /// Takes a line out.
    ///
    /// # Errors
    /// [`Refusal::NoSuchLine`].
    pub fn remove(&mut self, line: usize) -> Result<BasketLine, Refusal> {
        self.line_mut(line)?;
        Ok(self.lines.remove(line))
    }

    /// Gives a line a price by hand, instead of the list's or the label's.
    ///
    /// # Errors
    /// [`Refusal`] when there is no such line or the price is below zero.
    pub fn set_price(
        &mut self,
        line: usize,
        price: Money,
        approver: Option<StaffId>,
        reason: &str,
    ) -> Result<(), Refusal> {
        let input = &mut self.line_mut(line)?.input;
        if price.0 < 0 {
            return Err(Refusal::BadPrice { line, price });
        }
        input.unit_price = price;
        input.label_amount = None;
        input.price_source = PriceSource::Manual { approver, reason: reason.to_owned() };
        Ok(())
    }

    /// Gives a discount on a line, behind those it has.
    ///
    /// # Errors
    /// [`Refusal`] when there is no such line or the discount makes no sense there.
    pub fn discount_line(&mut self, line: usize, discount: Discount) -> Result<(), Refusal> {
        let given = &mut self.line_mut(line)?.input.discounts;
        if !crate::discount::makes_sense(&discount) {
            return Err(Refusal::BadDiscount { line, discount: given.len() });
        }
        if discount.coupon.is_some() {
            return Err(Refusal::CouponOnLine { line, discount: given.len() });
        }
        given.push(discount);
        Ok(())
    }

    /// Gives a discount on the whole order: behind the others of its kind, coupons behind all.
    ///
    /// # Errors
    /// [`Refusal::BadOrderDiscount`].
    pub fn discount_order(&mut self, discount: Discount) -> Result<(), Refusal> {
        let coupons = self.order_discounts.iter().filter(|given| given.coupon.is_some()).count();
        let last = self.order_discounts.len();
        let place = if discount.coupon.is_some() { last } else { last - coupons };
        if !crate::discount::makes_sense(&discount) {
            return Err(Refusal::BadOrderDiscount { discount: place });
        }
        self.order_discounts.insert(place, discount);
        Ok(())
    }

    /// Attaches a customer and prices the lines again from the customer's list, each as of its own scan. What is
    /// not on that list is at the store's own price; manual prices and labels stay.
    pub fn attach_customer(&mut self, customer: &str, list: &str, prices: &PriceBook) {
        self.customer = Some(customer.to_owned());
        self.list = list.to_owned();
        for line in &mut self.lines {
            let by_list = matches!(line.input.price_source, PriceSource::List { .. });
            if !by_list || line.input.label_amount.is_some() {
                continue;
            }
            if let Some(price) = prices.price_at(list, &line.input.sku, line.scanned_at) {
                reprice(&mut line.input, price.price, price.source(prices.version()));
            }
        }
    }

    /// Notes that the customer's age was checked.
    ///
    /// # Errors
    /// [`Refusal::NoSuchLine`].
    pub fn note_age_check(&mut self, line: usize, check: AgeCheck) -> Result<(), Refusal> {
        self.line_mut(line)?.input.age_check = Some(check);
        Ok(())
    }

    /// Notes the serial numbers of a line.
    ///
    /// # Errors
    /// [`Refusal::NoSuchLine`].
    pub fn note_serials(&mut self, line: usize, serials: Vec<String>) -> Result<(), Refusal> {
        self.line_mut(line)?.input.serials = serials;
        Ok(())
    }

    /// The inputs of a document, before promotions are judged and without tenders.
    pub fn inputs(&self, rules: Rules, catalog: CatalogVersion) -> SaleInputs {
        SaleInputs {
            rules,
            catalog,
            lines: self.lines.iter().map(|line| line.input.clone()).collect(),
            promotions: Vec::new(),
            order_discounts: self.order_discounts.clone(),
            exemption: self.exemption.clone(),
            tenders: Vec::new(),
        }
    }

    /// What the items ask for that is still missing.
    ///
    /// # Errors
    /// [`Refusal`]: an age check or serial numbers, or a quantity above what the settings allow.
    pub fn check(&self, settings: &Settings) -> Result<(), Refusal> {
        let most = usize::from(settings.max_lines);
        if self.lines.len() > most {
            return Err(Refusal::TooManyLines { lines: self.lines.len(), most });
        }
        for (index, line) in self.lines.iter().enumerate() {
            check_quantity(index, &line.input, settings)?;
            check_age(index, line)?;
            check_serials(index, line)?;
        }
        Ok(())
    }

    fn line_mut(&mut self, line: usize) -> Result<&mut BasketLine, Refusal> {
        self.lines.get_mut(line).ok_or(Refusal::NoSuchLine { line })
    }
}

/// A line whose price doesn't change keeps the version it was read at.
fn reprice(input: &mut LineInput, price: Money, source: PriceSource) {
    let list_of = |source: &PriceSource| match source {
        PriceSource::List { list, .. } => Some(list.clone()),
        PriceSource::Manual { .. } => None,
    };
    if input.unit_price == price && list_of(&input.price_source) == list_of(&source) {
        return;
    }
    input.unit_price = price;
    input.price_source = source;
}

fn check_quantity(line: usize, input: &LineInput, settings: &Settings) -> Result<(), Refusal> {
    let quantity = input.quantity;
    if quantity.0 <= 0 {
        return Err(Refusal::BadQuantity { line, quantity });
    }
    if quantity > settings.max_quantity {
        return Err(Refusal::QuantityTooLarge { line, quantity, most: settings.max_quantity });
    }
    match input.unit.to_base(quantity) {
        Ok(_) => Ok(()),
        Err(_) => Err(Refusal::NotWhole { line, quantity }),
    }
}

fn check_age(index: usize, line: &BasketLine) -> Result<(), Refusal> {
    let Some(min_age) = line.min_age else { return Ok(()) };
    if line.input.age_check.as_ref().is_some_and(|check| check.min_age >= min_age) {
        return Ok(());
    }
    let sku: Sku = line.input.sku.clone();
    Err(Refusal::AgeCheckMissing { line: index, sku, min_age })
}

fn check_serials(index: usize, line: &BasketLine) -> Result<(), Refusal> {
    let given: std::collections::BTreeSet<&String> = line.input.serials.iter().collect();
    let needed = line.input.unit.to_base(line.input.quantity).map_or(0, |units| units.0);
    let right = i64::try_from(given.len()) == Ok(needed) && given.len() == line.input.serials.len();
    if !line.serialised || right {
        return Ok(());
    }
    let sku = line.input.sku.clone();
    Err(Refusal::SerialsMissing { line: index, sku, needed, given: given.len() })
}
