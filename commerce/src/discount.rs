//! Discounts on lines and on the whole order (`money.md` rules 7 and 8).

use crate::calc::Figures;
use crate::document::{Discount, DiscountKind, LineOutcome};
use crate::money::{Money, Overflow, allocate};

/// Parts per million in a whole.
pub(crate) const MILLION: i128 = 1_000_000;

/// Whether a discount lies between nothing and all.
pub(crate) fn makes_sense(discount: &Discount) -> bool {
    match discount.kind {
        DiscountKind::Percent(ppm) => i128::from(ppm) <= MILLION,
        DiscountKind::Fixed(amount) => amount.0 >= 0,
    }
}

/// What a discount takes off what is left; never more than that.
fn taken(kind: DiscountKind, left: Money, figures: Figures) -> Result<Money, Overflow> {
    match kind {
        DiscountKind::Percent(ppm) => figures.ppm_of(left, ppm),
        DiscountKind::Fixed(amount) => Ok(amount.min(left)),
    }
}

/// Takes the line's discounts off it, in the order they were given.
pub(crate) fn on_line(
    line: &mut LineOutcome,
    discounts: &[Discount],
    figures: Figures,
) -> Result<(), Overflow> {
    for discount in discounts {
        let off = taken(discount.kind, line.amount, figures)?;
        line.amount = line.amount.minus(off)?;
        line.discounts.push(off);
    }
    Ok(())
}

/// Takes an order discount off the lines: computed once on what is left of the order, shared by what is left of
/// each line.
pub(crate) fn on_order(
    lines: &mut [LineOutcome],
    discount: &Discount,
    figures: Figures,
) -> Result<(), Overflow> {
    let left: Vec<Money> = lines.iter().map(|line| line.amount).collect();
    let off = taken(discount.kind, Money::sum(left.iter().copied())?, figures)?;
    for (line, share) in lines.iter_mut().zip(allocate(off, &left)) {
        line.amount = line.amount.minus(share)?;
        line.order_shares.push(share);
    }
    Ok(())
}
