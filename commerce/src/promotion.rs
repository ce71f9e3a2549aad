//! Promotions: which ones take part in a document, and what they take off (`money.md` rule 7).
//!
//! How a promotion is computed, exactly:
//! * A line of pieces is split into its whole pricing units (and, for packs, the fraction that is left over); the
//!   line's amount after its own discounts is shared over them by largest remainder. A weighed or measured line
//!   is one unit that can't be split.
//! * Promotions go in (priority, id) order. A unit that joined one is gone for the next.
//! * **n-for-m** counts the whole units that are left of its lines; `take` of them make a set. The cheapest
//!   (ties: lower line) join, as many as fill whole sets, and `take - pay` for each set of them are free, the
//!   cheapest first. The sum of the free ones is shared over all that joined, by their amounts.
//! * **Percent** is computed once over the sum of every unit that is left of its lines, and shared over them by
//!   their amounts.
//! * **Fixed off** takes `amount × quantity` off each line, rounded once, capped at what is left of those units.

use crate::calc::Figures;
use crate::document::{AppliedPromotion, LineInput, LineOutcome, PromotionRule, SaleInputs, Sku};
use crate::money::{Money, Overflow, Run, allocate_runs};
use crate::quantity::{BaseUnit, THOUSAND};
use crate::refusal::Refusal;
use crate::time::{UtcMs, in_force};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A promotion as the catalog publishes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Promotion {
    /// Its code.
    pub id: String,
    /// Its name as printed.
    pub name: String,
    /// Lower goes first; ties by id.
    #[serde(default)]
    pub priority: i32,
    /// What it does.
    pub rule: PromotionRule,
    /// The items it is for; none named means every item.
    #[serde(default)]
    pub skus: Vec<Sku>,
    /// First instant it is in force.
    #[serde(default)]
    pub valid_from: UtcMs,
    /// First instant it is not any more; none means for good.
    #[serde(default)]
    pub valid_to: Option<UtcMs>,
}

/// Judges promotions at checkout: those in force at `now` that take part in the document, ready for
/// [`SaleInputs::promotions`]. A promotion takes part when at least one unit joined it. The promotions that
/// `inputs` may hold already are not looked at.
///
/// # Errors
/// As [`crate::calc::total_due`].
pub fn judge(
    inputs: &SaleInputs,
    promotions: &[Promotion],
    now: UtcMs,
) -> Result<Vec<AppliedPromotion>, Refusal> {
    crate::calc::check(inputs)?;
    let figures = Figures { engine: crate::Engine::V1, rounding: inputs.rules.rounding };
    let eligible: Vec<AppliedPromotion> = eligible(&inputs.lines, promotions, now);
    check(&eligible, inputs.lines.len())?;
    let mut lines = crate::calc::discounted_lines(inputs, figures)?;
    let joined = apply(&mut lines, &inputs.lines, &eligible, figures)?;
    Ok(eligible.into_iter().zip(joined).filter(|(_, took_part)| *took_part).map(|(p, _)| p).collect())
}

fn eligible(lines: &[LineInput], promotions: &[Promotion], now: UtcMs) -> Vec<AppliedPromotion> {
    let mut current: Vec<&Promotion> =
        promotions.iter().filter(|p| in_force(p.valid_from, p.valid_to, now)).collect();
    current.sort_by(|a, b| (a.priority, &a.id).cmp(&(b.priority, &b.id)));
    current.dedup_by(|later, first| (later.priority, &later.id) == (first.priority, &first.id));
    current.into_iter().map(|p| applied(p, lines)).filter(|p| !p.lines.is_empty()).collect()
}

fn applied(promotion: &Promotion, lines: &[LineInput]) -> AppliedPromotion {
    let skus: BTreeSet<&Sku> = promotion.skus.iter().collect();
    let for_it = |line: &LineInput| skus.is_empty() || skus.contains(&line.sku);
    AppliedPromotion {
        id: promotion.id.clone(),
        name: promotion.name.clone(),
        priority: promotion.priority,
        rule: promotion.rule,
        lines: (0..=u16::MAX).zip(lines).filter(|(_, line)| for_it(line)).map(|(i, _)| i).collect(),
    }
}

/// Refuses promotions that can't be computed: a rule without sense, lines that aren't there, a wrong order.
pub(crate) fn check(promotions: &[AppliedPromotion], lines: usize) -> Result<(), Refusal> {
    let mut before: Option<&AppliedPromotion> = None;
    for promotion in promotions {
        let in_order = before.is_none_or(|b| (b.priority, &b.id) < (promotion.priority, &promotion.id));
        let ascending = promotion.lines.is_sorted_by(|a, b| a < b);
        let there = promotion.lines.last().is_none_or(|last| usize::from(*last) < lines);
        if !(in_order && ascending && there && makes_sense(promotion.rule)) {
            return Err(Refusal::BadPromotion { promotion: promotion.id.clone() });
        }
        before = Some(promotion);
    }
    // Outcomes name promotions by a 16-bit index.
    match promotions.get(usize::from(u16::MAX)) {
        Some(surplus) => Err(Refusal::BadPromotion { promotion: surplus.id.clone() }),
        None => Ok(()),
    }
}

/// Whether a rule can be computed.
pub fn makes_sense(rule: PromotionRule) -> bool {
    match rule {
        PromotionRule::NForM { take, pay } => pay < take,
        PromotionRule::Percent(ppm) => ppm <= 1_000_000,
        PromotionRule::FixedOff(amount) => amount.0 >= 0,
    }
}

/// Units of one line that cost the same and stand side by side.
#[derive(Clone, Copy, Debug)]
struct Units {
    line: usize,
    /// What one costs after the line's discounts.
    amount: Money,
    /// How many; those that joined a promotion are gone.
    count: u64,
    /// The size of one, in thousandths of the pricing unit.
    thousandths: i64,
    /// A whole unit that n-for-m may count.
    whole: bool,
}

/// So many of the units of a pool.
struct Joined {
    pool: usize,
    count: u64,
}

/// Takes the promotions off the lines; answers for each whether any unit joined it.
pub(crate) fn apply(
    outcomes: &mut [LineOutcome],
    lines: &[LineInput],
    promotions: &[AppliedPromotion],
    figures: Figures,
) -> Result<Vec<bool>, Overflow> {
    if promotions.is_empty() {
        return Ok(Vec::new());
    }
    let mut pools: Vec<Units> =
        lines.iter().zip(outcomes.iter()).enumerate().flat_map(|(i, (l, o))| split(i, l, o.amount)).collect();
    let mut took_part = Vec::with_capacity(promotions.len());
    for (index, promotion) in (0..=u16::MAX).zip(promotions) {
        let joined = join(promotion, &pools);
        for (line, off) in amounts(promotion.rule, &joined, &pools, figures)? {
            take_off(&mut outcomes[line], index, off)?;
        }
        for units in &joined {
            pools[units.pool].count -= units.count;
        }
        took_part.push(!joined.is_empty());
    }
    Ok(took_part)
}

fn take_off(line: &mut LineOutcome, promotion: u16, off: Money) -> Result<(), Overflow> {
    if !off.is_zero() {
        line.amount = line.amount.minus(off)?;
        line.promotions.push((promotion, off));
    }
    Ok(())
}

/// Splits a line's amount over its units by largest remainder, in at most three runs of equal units.
fn split(line: usize, input: &LineInput, amount: Money) -> Vec<Units> {
    let size = input.quantity.0;
    if input.unit.base != BaseUnit::Piece {
        return vec![Units { line, amount, count: 1, thousandths: size, whole: false }];
    }
    let (wholes, fraction) = (size / THOUSAND, size % THOUSAND);
    // The quantity was checked to be above zero.
    let count = u64::try_from(wholes).unwrap_or(0);
    let one = |weight: i64, count: u64| Run { weight: Money(weight), count };
    let sums = allocate_runs(amount, &[one(THOUSAND, count), one(fraction, u64::from(fraction > 0))]);
    let (each, dearer) = (sums[0].0 / wholes.max(1), sums[0].0 % wholes.max(1));
    let dearer = u64::try_from(dearer).unwrap_or(0);
    let run = |amount: i64, count: u64, thousandths: i64, whole: bool| Units {
        line,
        amount: Money(amount),
        count,
        thousandths,
        whole,
    };
    [
        run(each.saturating_add(1), dearer, THOUSAND, true),
        run(each, count - dearer, THOUSAND, true),
        run(sums[1].0, u64::from(fraction > 0), fraction, false),
    ]
    .into_iter()
    .filter(|units| units.count > 0)
    .collect()
}

/// Who joins a promotion, in the order of the pools (line, then unit).
fn join(promotion: &AppliedPromotion, pools: &[Units]) -> Vec<Joined> {
    let eligible = |units: &Units| {
        units.count > 0 && u16::try_from(units.line).is_ok_and(|l| promotion.lines.binary_search(&l).is_ok())
    };
    let of_its_lines = pools.iter().enumerate().filter(|(_, units)| eligible(units));
    let PromotionRule::NForM { take, .. } = promotion.rule else {
        return of_its_lines.map(|(pool, units)| Joined { pool, count: units.count }).collect();
    };
    let mut cheapest: Vec<(Money, usize)> =
        of_its_lines.filter(|(_, units)| units.whole).map(|(pool, units)| (units.amount, pool)).collect();
    cheapest.sort_unstable();
    let all: u64 = cheapest.iter().map(|(_, pool)| pools[*pool].count).sum();
    let take = u64::from(take);
    let mut joined = first(all / take * take, &cheapest, pools);
    joined.sort_by_key(|units| units.pool);
    joined
}

/// The first `count` units of pools in the given order.
fn first(mut count: u64, order: &[(Money, usize)], pools: &[Units]) -> Vec<Joined> {
    let mut taken = Vec::new();
    for (_, pool) in order {
        let here = count.min(pools[*pool].count);
        if here == 0 {
            break;
        }
        taken.push(Joined { pool: *pool, count: here });
        count -= here;
    }
    taken
}

/// What each line loses to a promotion, by the units that joined it.
fn amounts(
    rule: PromotionRule,
    joined: &[Joined],
    pools: &[Units],
    figures: Figures,
) -> Result<BTreeMap<usize, Money>, Overflow> {
    let off = match rule {
        PromotionRule::FixedOff(off) => return fixed_off(off, joined, pools, figures),
        PromotionRule::Percent(ppm) => figures.ppm_of(sum(joined, pools)?, ppm)?,
        PromotionRule::NForM { take, pay } => {
            let sets = joined.iter().map(|units| units.count).sum::<u64>() / u64::from(take);
            free(sets * u64::from(take - pay), joined, pools)?
        }
    };
    let runs: Vec<Run> =
        joined.iter().map(|u| Run { weight: pools[u.pool].amount, count: u.count }).collect();
    let mut lines = BTreeMap::new();
    for (units, share) in joined.iter().zip(allocate_runs(off, &runs)) {
        let line: &mut Money = lines.entry(pools[units.pool].line).or_default();
        *line = line.plus(share)?;
    }
    Ok(lines)
}

fn worth(units: &Joined, pools: &[Units]) -> i128 {
    i128::from(pools[units.pool].amount.0) * i128::from(units.count)
}

fn sum(joined: &[Joined], pools: &[Units]) -> Result<Money, Overflow> {
    let sum: i128 = joined.iter().map(|units| worth(units, pools)).sum();
    i64::try_from(sum).map(Money).map_err(|_| Overflow)
}

/// The amount of the `count` cheapest of the units that joined.
fn free(mut count: u64, joined: &[Joined], pools: &[Units]) -> Result<Money, Overflow> {
    let mut cheapest: Vec<&Joined> = joined.iter().collect();
    cheapest.sort_by_key(|units| (pools[units.pool].amount, units.pool));
    let mut amount = 0_i128;
    for units in cheapest {
        let here = count.min(units.count);
        amount += i128::from(pools[units.pool].amount.0) * i128::from(here);
        count -= here;
    }
    i64::try_from(amount).map(Money).map_err(|_| Overflow)
}

fn fixed_off(
    off: Money,
    joined: &[Joined],
    pools: &[Units],
    figures: Figures,
) -> Result<BTreeMap<usize, Money>, Overflow> {
    let mut lines: BTreeMap<usize, (i128, i128)> = BTreeMap::new();
    for units in joined {
        let pool = &pools[units.pool];
        let (size, left) = lines.entry(pool.line).or_default();
        *size += i128::from(pool.thousandths) * i128::from(units.count);
        *left += worth(units, pools);
    }
    let capped = |(line, (size, left)): (usize, (i128, i128))| {
        // Capped before it is narrowed: an absurd amount off is simply all that is left.
        let wanted = i128::from(off.0) * size / i128::from(THOUSAND);
        if wanted >= left {
            return Ok((line, figures.div(left, 1)?));
        }
        Ok((line, figures.div(i128::from(off.0) * size, i128::from(THOUSAND))?))
    };
    lines.into_iter().map(capped).collect()
}
