//! Tax: its rates over time, and what a document's lines bear (`money.md` rules 2 and 4–6, `facts.md` §5).

use crate::calc::Figures;
use crate::discount::MILLION;
use crate::document::{LineOutcome, Rules, SaleInputs, Tax, TaxGroup, TaxPolicy};
use crate::money::{Money, Overflow, allocate};
use crate::time::UtcMs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The rate of a tax category from an instant on, until a later one of the same category.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TaxRate {
    /// The category's code, e.g. `standard`.
    pub category: String,
    /// Parts per million: 23 % is 230,000.
    pub ppm: u32,
    /// First instant it is in force.
    #[serde(default)]
    pub valid_from: UtcMs,
}

/// The category's rate at an instant: the latest that has begun; of equal beginnings the later in the list.
pub fn rate_at(rates: &[TaxRate], category: &str, now: UtcMs) -> Option<Tax> {
    rates
        .iter()
        .filter(|rate| rate.category == category && rate.valid_from <= now)
        .max_by_key(|rate| rate.valid_from)
        .map(|rate| Tax { category: rate.category.clone(), ppm: rate.ppm })
}

/// The tax on an amount in the price's own sense: inside it where prices include tax, on top of it where not.
pub(crate) fn on(amount: Money, ppm: u32, rules: &Rules, figures: Figures) -> Result<Money, Overflow> {
    let whole = if rules.prices_include_tax { MILLION + i128::from(ppm) } else { MILLION };
    figures.div(i128::from(amount.0) * i128::from(ppm), whole)
}

/// Fills in each line's net and tax and answers the document's rate groups.
///
/// An exempt customer pays the net of the inclusive price: the tax inside is computed and left out, and the
/// groups stand at the rate that was charged, 0.
pub(crate) fn levy(
    lines: &mut [LineOutcome],
    inputs: &SaleInputs,
    figures: Figures,
) -> Result<Vec<TaxGroup>, Overflow> {
    for (tax, members) in by_rate(inputs) {
        let amounts: Vec<Money> = members.iter().map(|i| lines[*i].amount).collect();
        let shares = shares(&amounts, tax.ppm, &inputs.rules, figures)?;
        for (i, share) in members.into_iter().zip(shares) {
            book(&mut lines[i], share, inputs)?;
        }
    }
    let charged = inputs.lines.iter().map(|line| charged(&line.tax, inputs));
    groups(charged.zip(lines.iter().map(|line| (line.net, line.tax))))
}

/// The category and rate that a line was charged at.
pub(crate) fn charged(tax: &Tax, inputs: &SaleInputs) -> Tax {
    let ppm = if inputs.exemption.is_some() { 0 } else { tax.ppm };
    Tax { category: tax.category.clone(), ppm }
}

fn by_rate(inputs: &SaleInputs) -> BTreeMap<&Tax, Vec<usize>> {
    let mut members: BTreeMap<&Tax, Vec<usize>> = BTreeMap::new();
    for (i, line) in inputs.lines.iter().enumerate() {
        members.entry(&line.tax).or_default().push(i);
    }
    members
}

/// The tax of each line of one rate group: rounded once over the group and spread back, or once a line.
fn shares(amounts: &[Money], ppm: u32, rules: &Rules, figures: Figures) -> Result<Vec<Money>, Overflow> {
    match rules.tax_policy {
        TaxPolicy::Line => amounts.iter().map(|amount| on(*amount, ppm, rules, figures)).collect(),
        TaxPolicy::Group => {
            let tax = on(Money::sum(amounts.iter().copied())?, ppm, rules, figures)?;
            Ok(allocate(tax, amounts))
        }
    }
}

fn book(line: &mut LineOutcome, tax: Money, inputs: &SaleInputs) -> Result<(), Overflow> {
    line.net = if inputs.rules.prices_include_tax { line.amount.minus(tax)? } else { line.amount };
    line.tax = if inputs.exemption.is_some() { Money::ZERO } else { tax };
    Ok(())
}

/// Sums lines into one group a (category, rate), ascending.
pub(crate) fn groups(
    lines: impl IntoIterator<Item = (Tax, (Money, Money))>,
) -> Result<Vec<TaxGroup>, Overflow> {
    let mut groups: BTreeMap<Tax, (Money, Money)> = BTreeMap::new();
    for (tax, (net, amount)) in lines {
        let sums = groups.entry(tax).or_default();
        *sums = (sums.0.plus(net)?, sums.1.plus(amount)?);
    }
    let group = |(tax, (net, amount)): (Tax, (Money, Money))| {
        Ok(TaxGroup { tax, net, amount, gross: net.plus(amount)? })
    };
    groups.into_iter().map(group).collect()
}
