//! The way back: what a refund comes to (`money.md` rules 8 and 9, `facts.md` §4).
//!
//! With K the units of a line refunded so far, this refund included, and n the units sold, a line's cumulative
//! share of a figure is `round(figure × K / n)`, and this refund's is that less what was refunded before. Where
//! prices include tax, money and tax are shared so and net is the difference; where not, net and tax, and money
//! is their sum. A share is never below nothing (nor the tax share above the money share): minor units that an
//! older basis gave too much are not asked back. On one basis the last unit takes the rest and the sum is exactly
//! the original's.

use crate::calc::{CALC_VERSION, Engine, Figures, LINES_MAX};
use crate::document::{
    Basis, Condition, RefundInputs, RefundLineInput, RefundLineOutcome, RefundOutcome, Rules, SaleDocument,
    TaxGroup,
};
use crate::money::{Money, Overflow};
use crate::quantity::Quantity;
use crate::refusal::RefundRefusal;
use crate::{tax, tender};
use std::collections::BTreeMap;

/// What a refund would come to, before anything is paid out: the preview at the till. All figures are zero or
/// negative.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RefundDue {
    /// One for each line of the inputs.
    pub lines: Vec<RefundLineOutcome>,
    /// One for each (category, rate), ascending.
    pub groups: Vec<TaxGroup>,
    /// Σ net of the lines.
    pub net: Money,
    /// Σ tax of the lines.
    pub tax: Money,
    /// Net + tax.
    pub total: Money,
    /// What to pay out if all of it goes out in cash: the total in whole cash steps.
    pub cash_due: Money,
}

/// Something a customer brings back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Return {
    /// Index of the line in the original sale.
    pub line: u16,
    /// How much comes back; above zero.
    pub quantity: Quantity,
    /// In what state.
    pub condition: Condition,
    /// The serial numbers that come back, for serialised goods.
    pub serials: Vec<String>,
}

/// Settles a refund with the engine its rules name: the whole outcome from the inputs alone, tenders included.
///
/// # Errors
/// [`RefundRefusal`], by name and with its numbers; never a panic, whatever the inputs hold.
pub fn settle_refund(inputs: &RefundInputs) -> Result<RefundOutcome, RefundRefusal> {
    settle_refund_with(engine(inputs)?, inputs)
}

/// Settles a refund with a given engine, whatever version its rules name.
///
/// # Errors
/// As [`settle_refund`].
pub fn settle_refund_with(engine: Engine, inputs: &RefundInputs) -> Result<RefundOutcome, RefundRefusal> {
    let due = share(engine, inputs)?;
    let settlement = tender::settle_refund(due.total, &inputs.tenders, &inputs.rules)?;
    Ok(RefundOutcome { lines: due.lines, groups: due.groups, net: due.net, tax: due.tax, settlement })
}

/// What a refund would come to; its tenders are not looked at.
///
/// # Errors
/// As [`settle_refund`], but nothing about tenders.
pub fn refund_due(inputs: &RefundInputs) -> Result<RefundDue, RefundRefusal> {
    share(engine(inputs)?, inputs)
}

/// The rules that refunds of a sale go by: the sale's own, computed with the present engine.
pub fn rules_of(sale: &SaleDocument) -> Rules {
    Rules { calc: CALC_VERSION, ..sale.inputs.rules.clone() }
}

/// The lines of a refund against a sale. `before` says what had come back of each line, as this node sees it;
/// entries of the same line (one to resell, one to waste) build on each other.
///
/// # Errors
/// [`RefundRefusal`] for a line, a serial number or units that the sale doesn't have.
pub fn lines_of(
    sale: &SaleDocument,
    returns: &[Return],
    before: &BTreeMap<u16, Basis>,
) -> Result<Vec<RefundLineInput>, RefundRefusal> {
    let rules = rules_of(sale);
    let mut bases = before.clone();
    let mut lines = Vec::with_capacity(returns.len());
    for (index, back) in returns.iter().enumerate() {
        let basis = bases.entry(back.line).or_default();
        let line = line_of(sale, index, back, *basis)?;
        check_line(index, &line)?;
        *basis = basis_after(&line, &share_of(&line, &rules, figures(Engine::V1, &rules))?)?;
        lines.push(line);
    }
    Ok(lines)
}

/// What will have been refunded of a line once this entry has.
///
/// # Errors
/// [`Overflow`].
pub fn basis_after(line: &RefundLineInput, outcome: &RefundLineOutcome) -> Result<Basis, Overflow> {
    Ok(Basis {
        quantity: plus(line.basis.quantity, line.quantity)?,
        net: line.basis.net.minus(outcome.net)?,
        tax: line.basis.tax.minus(outcome.tax)?,
    })
}

fn line_of(
    sale: &SaleDocument,
    index: usize,
    back: &Return,
    basis: Basis,
) -> Result<RefundLineInput, RefundRefusal> {
    let at = usize::from(back.line);
    let found = sale.inputs.lines.get(at).zip(sale.outcome.lines.get(at));
    let (input, outcome) = found.ok_or(RefundRefusal::NoSuchLine { line: at })?;
    if let Some(stranger) = back.serials.iter().find(|serial| !input.serials.contains(serial)) {
        return Err(RefundRefusal::UnknownSerial { line: index, serial: stranger.clone() });
    }
    Ok(RefundLineInput {
        line: Some(back.line),
        sku: input.sku.clone(),
        name: input.name.clone(),
        unit: input.unit.clone(),
        tax: tax::charged(&input.tax, &sale.inputs),
        sold: input.quantity,
        sold_net: outcome.net,
        sold_tax: outcome.tax,
        quantity: back.quantity,
        condition: back.condition,
        basis,
        serials: back.serials.clone(),
        kind: input.kind.clone(),
        price_source: None,
    })
}

fn engine(inputs: &RefundInputs) -> Result<Engine, RefundRefusal> {
    let calc = inputs.rules.calc;
    Engine::of(calc).ok_or(RefundRefusal::UnknownCalc { calc })
}

fn figures(engine: Engine, rules: &Rules) -> Figures {
    Figures { engine, rounding: rules.rounding }
}

fn share(engine: Engine, inputs: &RefundInputs) -> Result<RefundDue, RefundRefusal> {
    check(inputs)?;
    let figures = figures(engine, &inputs.rules);
    let mut chain: BTreeMap<u16, Basis> = BTreeMap::new();
    let mut lines = Vec::with_capacity(inputs.lines.len());
    for (index, line) in inputs.lines.iter().enumerate() {
        let outcome = share_of(line, &inputs.rules, figures)?;
        if let Some(at) = line.line {
            let after = basis_after(line, &outcome)?;
            if chain.insert(at, after).is_some_and(|built_on| built_on != line.basis) {
                return Err(RefundRefusal::BasisNotChained { line: index });
            }
        }
        lines.push(outcome);
    }
    sum_up(lines, inputs)
}

fn sum_up(lines: Vec<RefundLineOutcome>, inputs: &RefundInputs) -> Result<RefundDue, RefundRefusal> {
    let rates = inputs.lines.iter().map(|line| line.tax.clone());
    let groups = tax::groups(rates.zip(lines.iter().map(|line| (line.net, line.tax))))?;
    let net = Money::sum(lines.iter().map(|line| line.net))?;
    let tax = Money::sum(lines.iter().map(|line| line.tax))?;
    let total = net.plus(tax)?;
    let cash_due = tender::cash_due(total, &inputs.rules)?;
    Ok(RefundDue { lines, groups, net, tax, total, cash_due })
}

/// What a line gives back, as zero or negative figures.
fn share_of(line: &RefundLineInput, rules: &Rules, figures: Figures) -> Result<RefundLineOutcome, Overflow> {
    let so_far = plus(line.basis.quantity, line.quantity)?;
    let cumulative =
        |total: Money| figures.div(i128::from(total.0) * i128::from(so_far.0), i128::from(line.sold.0));
    let part =
        |total: Money, before: Money| Ok::<_, Overflow>(cumulative(total)?.minus(before)?.max(Money::ZERO));
    let tax = part(line.sold_tax, line.basis.tax)?;
    if !rules.prices_include_tax {
        let net = part(line.sold_net, line.basis.net)?;
        return Ok(RefundLineOutcome { net: net.negated()?, tax: tax.negated()? });
    }
    let money = part(line.sold_net.plus(line.sold_tax)?, line.basis.net.plus(line.basis.tax)?)?;
    let tax = tax.min(money);
    Ok(RefundLineOutcome { net: tax.minus(money)?, tax: tax.negated()? })
}

fn plus(a: Quantity, b: Quantity) -> Result<Quantity, Overflow> {
    a.0.checked_add(b.0).map(Quantity).ok_or(Overflow)
}

fn check(inputs: &RefundInputs) -> Result<(), RefundRefusal> {
    if inputs.lines.is_empty() {
        return Err(RefundRefusal::EmptyRefund);
    }
    if inputs.lines.len() > LINES_MAX {
        return Err(RefundRefusal::TooManyLines { lines: inputs.lines.len(), most: LINES_MAX });
    }
    if inputs.rules.cash_step.0 < 1 {
        return Err(RefundRefusal::BadCashStep { step: inputs.rules.cash_step });
    }
    inputs.lines.iter().enumerate().try_for_each(|(index, line)| check_line(index, line))
}

fn check_line(index: usize, line: &RefundLineInput) -> Result<(), RefundRefusal> {
    let Basis { quantity: refunded, net, tax } = line.basis;
    if line.quantity.0 <= 0 {
        return Err(RefundRefusal::BadQuantity { line: index, quantity: line.quantity });
    }
    if line.unit.to_base(line.quantity).is_err() {
        return Err(RefundRefusal::NotWhole { line: index, quantity: line.quantity });
    }
    let figures = [line.sold.0, line.sold_net.0, line.sold_tax.0, refunded.0, net.0, tax.0];
    if figures.into_iter().any(|figure| figure < 0) {
        return Err(RefundRefusal::BadBasis { line: index });
    }
    if plus(refunded, line.quantity)? > line.sold {
        let (sold, asked) = (line.sold, line.quantity);
        return Err(RefundRefusal::MoreThanSold { line: index, sold, refunded, asked });
    }
    Ok(())
}
