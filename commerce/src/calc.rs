//! The engine: what a sale comes to, as a pure function of its inputs (`money.md` rules 1–8, 11 and 12).
//!
//! An outcome is computed once, by the node, and stored. The hub and the wire run the engine of the document's
//! own `calc` version over the same inputs again; readers never do.

use crate::discount::{self, MILLION};
use crate::document::{LineInput, LineKind, LineOutcome, SaleInputs, SaleOutcome, TaxGroup};
use crate::money::{Money, Overflow, Rounding, round_div};
use crate::promotion;
use crate::quantity::THOUSAND;
use crate::refusal::Refusal;
use crate::{tax, tender};

/// Version of the engine that new documents are computed with.
pub const CALC_VERSION: u16 = 1;

/// Most lines of one document.
pub const LINES_MAX: usize = u16::MAX as usize;

/// Every engine this program has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::manual_non_exhaustive,
    reason = "the hidden engine is a real one, used by tests of other crates"
)]
pub enum Engine {
    /// Version 1.
    V1,
    /// Rounds every fraction the wrong way: proves in tests that stored documents are never computed again. No
    /// version names it, so no document can ask for it.
    #[doc(hidden)]
    PlantedForTests,
}

impl Engine {
    /// The engine of a document's `calc` version.
    pub fn of(version: u16) -> Option<Engine> {
        (version == CALC_VERSION).then_some(Engine::V1)
    }
}

/// How the figures of one document round.
#[derive(Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) engine: Engine,
    pub(crate) rounding: Rounding,
}

impl Figures {
    /// `num / den`, rounded as the document's rules say.
    pub(crate) fn div(self, num: i128, den: i128) -> Result<Money, Overflow> {
        let right = round_div(num, den, self.rounding)?;
        let whole = match self.engine {
            Engine::V1 => right,
            Engine::PlantedForTests => other_side(num, den, right)?,
        };
        Ok(Money(whole))
    }

    /// So many parts per million of an amount.
    pub(crate) fn ppm_of(self, amount: Money, ppm: u32) -> Result<Money, Overflow> {
        self.div(i128::from(amount.0) * i128::from(ppm), MILLION)
    }
}

/// The whole number on the other side of a fraction; a whole quotient has none.
fn other_side(num: i128, den: i128, right: i64) -> Result<i64, Overflow> {
    if num.rem_euclid(den) == 0 {
        return Ok(right);
    }
    let below = num.div_euclid(den);
    i64::try_from(below + below + 1 - i128::from(right)).map_err(|_| Overflow)
}

/// What a sale would come to, before anybody pays: the preview of a cart.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Due {
    /// One for each line of the inputs.
    pub lines: Vec<LineOutcome>,
    /// One for each (category, rate), ascending.
    pub groups: Vec<TaxGroup>,
    /// Σ net of the lines.
    pub net: Money,
    /// Σ tax of the groups.
    pub tax: Money,
    /// Net + tax.
    pub total: Money,
    /// What would be due if all of it were paid in cash: the total in whole cash steps.
    pub cash_due: Money,
}

/// Rings up a sale with the engine its rules name: the whole outcome from the inputs alone, tenders included.
///
/// # Errors
/// [`Refusal`], by name and with its numbers; never a panic, whatever the inputs hold.
pub fn ring_up(inputs: &SaleInputs) -> Result<SaleOutcome, Refusal> {
    run(inputs.rules.calc, inputs)
}

/// Rings up a sale with the engine of a version.
///
/// # Errors
/// [`Refusal::UnknownCalc`] when this program lacks it, else as [`ring_up`].
pub fn run(version: u16, inputs: &SaleInputs) -> Result<SaleOutcome, Refusal> {
    let engine = Engine::of(version).ok_or(Refusal::UnknownCalc { calc: version })?;
    ring_up_with(engine, inputs)
}

/// Rings up a sale with a given engine, whatever version its rules name.
///
/// # Errors
/// As [`ring_up`].
pub fn ring_up_with(engine: Engine, inputs: &SaleInputs) -> Result<SaleOutcome, Refusal> {
    pay(price(engine, inputs)?, inputs)
}

/// The whole outcome of a sale whose price is known already: settles the tenders of `inputs` against it.
///
/// # Errors
/// What is wrong with the tenders, as in [`ring_up`].
pub fn pay(due: Due, inputs: &SaleInputs) -> Result<SaleOutcome, Refusal> {
    let settlement = tender::settle_sale(due.total, &inputs.tenders, &inputs.rules)?;
    Ok(SaleOutcome { lines: due.lines, groups: due.groups, net: due.net, tax: due.tax, settlement })
}

/// What a sale would come to; its tenders are not looked at.
///
/// # Errors
/// As [`ring_up`], but nothing about tenders.
pub fn total_due(inputs: &SaleInputs) -> Result<Due, Refusal> {
    let calc = inputs.rules.calc;
    price(Engine::of(calc).ok_or(Refusal::UnknownCalc { calc })?, inputs)
}

fn price(engine: Engine, inputs: &SaleInputs) -> Result<Due, Refusal> {
    check(inputs)?;
    promotion::check(&inputs.promotions, inputs.lines.len())?;
    let rules = &inputs.rules;
    let figures = Figures { engine, rounding: rules.rounding };
    let mut lines = discounted_lines(inputs, figures)?;
    promotion::apply(&mut lines, &inputs.lines, &inputs.promotions, figures)?;
    for order_discount in &inputs.order_discounts {
        discount::on_order(&mut lines, order_discount, figures)?;
    }
    let groups = tax::levy(&mut lines, inputs, figures)?;
    let net = Money::sum(lines.iter().map(|line| line.net))?;
    let tax = Money::sum(groups.iter().map(|group| group.amount))?;
    let total = net.plus(tax)?;
    let cash_due = tender::cash_due(total, rules)?;
    Ok(Due { lines, groups, net, tax, total, cash_due })
}

/// Each line's base with its own discounts taken off.
pub(crate) fn discounted_lines(inputs: &SaleInputs, figures: Figures) -> Result<Vec<LineOutcome>, Refusal> {
    inputs.lines.iter().map(|line| discounted(line, figures).map_err(Refusal::from)).collect()
}

fn discounted(line: &LineInput, figures: Figures) -> Result<LineOutcome, Overflow> {
    let base = base(line, figures)?;
    let mut outcome = LineOutcome {
        base,
        discounts: Vec::with_capacity(line.discounts.len()),
        promotions: Vec::new(),
        order_shares: Vec::new(),
        amount: base,
        net: Money::ZERO,
        tax: Money::ZERO,
    };
    discount::on_line(&mut outcome, &line.discounts, figures)?;
    Ok(outcome)
}

/// Unit price × quantity, rounded once; or what the label says.
fn base(line: &LineInput, figures: Figures) -> Result<Money, Overflow> {
    match line.label_amount {
        Some(amount) => Ok(amount),
        None => {
            figures.div(i128::from(line.unit_price.0) * i128::from(line.quantity.0), i128::from(THOUSAND))
        }
    }
}

/// Everything beside promotions and tenders that makes inputs unfit to be computed.
pub(crate) fn check(inputs: &SaleInputs) -> Result<(), Refusal> {
    if inputs.lines.is_empty() {
        return Err(Refusal::EmptySale);
    }
    if inputs.lines.len() > LINES_MAX {
        return Err(Refusal::TooManyLines { lines: inputs.lines.len(), most: LINES_MAX });
    }
    if inputs.rules.cash_step.0 < 1 {
        return Err(Refusal::BadCashStep { step: inputs.rules.cash_step });
    }
    for (index, line) in inputs.lines.iter().enumerate() {
        check_line(index, line)?;
    }
    check_order_discounts(inputs)
}

fn check_line(index: usize, line: &LineInput) -> Result<(), Refusal> {
    if line.quantity.0 <= 0 {
        return Err(Refusal::BadQuantity { line: index, quantity: line.quantity });
    }
    if line.unit.to_base(line.quantity).is_err() {
        return Err(Refusal::NotWhole { line: index, quantity: line.quantity });
    }
    for price in [Some(line.unit_price), line.label_amount].into_iter().flatten() {
        if price.0 < 0 {
            return Err(Refusal::BadPrice { line: index, price });
        }
    }
    if matches!(line.kind, LineKind::Liability { .. }) && line.tax.ppm > 0 {
        return Err(Refusal::TaxedLiability { line: index });
    }
    for (discount, given) in line.discounts.iter().enumerate() {
        if !discount::makes_sense(given) {
            return Err(Refusal::BadDiscount { line: index, discount });
        }
        if given.coupon.is_some() {
            return Err(Refusal::CouponOnLine { line: index, discount });
        }
    }
    Ok(())
}

fn check_order_discounts(inputs: &SaleInputs) -> Result<(), Refusal> {
    let mut coupons = false;
    for (discount, given) in inputs.order_discounts.iter().enumerate() {
        if !discount::makes_sense(given) {
            return Err(Refusal::BadOrderDiscount { discount });
        }
        if coupons && given.coupon.is_none() {
            return Err(Refusal::CouponNotLast { discount });
        }
        coupons |= given.coupon.is_some();
    }
    Ok(())
}
