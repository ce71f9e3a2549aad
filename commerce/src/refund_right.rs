//! What may still come back of a sale, whoever refunds it, and what went beyond (`facts.md` §4, Refund right).
//!
//! A refund freezes the basis it saw. Merging refunds changes none of them: units or money beyond the original are
//! a [`RefundOverrun`] for a person, while the one minor unit that an honest older basis may stray by is booked
//! without a word.

use crate::document::{
    Basis, OriginalSale, RefundDocument, RefundInputs, RefundLineInput, SaleDocument, Tender, TenderKind,
};
use crate::money::{Money, Overflow};
use crate::quantity::Quantity;
use crate::refund::{Return, lines_of, rules_of};
use crate::refusal::RefundRefusal;
use crate::tender_life::Settled;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// More came back of a line than was sold on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundOverrun {
    /// Index of the line in the original sale.
    pub line: u16,
    /// Units beyond those sold; 0 where only the money is beyond.
    pub units: Quantity,
    /// Money beyond what the line cost; 0 where only the units are.
    pub amount: Money,
}

/// What came back of each line by these refunds together, whatever basis each of them saw.
///
/// # Errors
/// [`Overflow`].
pub fn merged<'a>(
    refunds: impl IntoIterator<Item = &'a RefundDocument>,
) -> Result<BTreeMap<u16, Basis>, Overflow> {
    let mut sums: BTreeMap<u16, Basis> = BTreeMap::new();
    for refund in refunds {
        for (line, outcome) in refund.inputs.lines.iter().zip(&refund.outcome.lines) {
            let Some(at) = line.line else { continue };
            let sum = sums.entry(at).or_default();
            let quantity = sum.quantity.0.checked_add(line.quantity.0).ok_or(Overflow)?;
            *sum = Basis {
                quantity: Quantity(quantity),
                net: sum.net.minus(outcome.net)?,
                tax: sum.tax.minus(outcome.tax)?,
            };
        }
    }
    Ok(sums)
}

/// What these refunds together gave back beyond the sale, line by line. Each refund may stray by one minor unit of
/// its line for the basis it saw, so so much is not an overrun while the units are within the sale.
///
/// # Errors
/// [`Overflow`].
pub fn overruns(sale: &SaleDocument, refunds: &[&RefundDocument]) -> Result<Vec<RefundOverrun>, Overflow> {
    let mut found = Vec::new();
    for (at, sum) in merged(refunds.iter().copied())? {
        let index = usize::from(at);
        let sold = sale.inputs.lines.get(index).map_or(Quantity(0), |line| line.quantity);
        let cost = sale.outcome.lines.get(index).map_or(Ok(Money::ZERO), |line| line.net.plus(line.tax))?;
        let units = Quantity(sum.quantity.0.saturating_sub(sold.0).max(0));
        let beyond = sum.net.plus(sum.tax)?.minus(cost)?.max(Money::ZERO);
        let honest = refunds.iter().flat_map(|refund| &refund.inputs.lines).filter(|l| l.line == Some(at));
        let slack = i64::try_from(honest.count()).map_err(|_| Overflow)?;
        let amount = if units.0 == 0 && beyond.0 <= slack { Money::ZERO } else { beyond };
        if units.0 > 0 || !amount.is_zero() {
            found.push(RefundOverrun { line: at, units, amount });
        }
    }
    Ok(found)
}

/// What is left of each line to refund on a basis.
///
/// # Errors
/// [`Overflow`].
pub fn left(sale: &SaleDocument, before: &BTreeMap<u16, Basis>) -> Result<Vec<(u16, Quantity)>, Overflow> {
    let mut rest = Vec::new();
    for (at, line) in (0_u16..).zip(&sale.inputs.lines) {
        let back = before.get(&at).map_or(0, |basis| basis.quantity.0);
        let left = line.quantity.0.checked_sub(back).ok_or(Overflow)?;
        if left > 0 {
            rest.push((at, Quantity(left)));
        }
    }
    Ok(rest)
}

/// Why a sale can't be voided. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoidRefusal {
    /// Another shift sold it: now it is a refund.
    #[error("the sale belongs to another shift; it can only be refunded")]
    OtherShift,
    /// Something came back of it already: the rest is a refund.
    #[error("something of the sale came back already; the rest can only be refunded")]
    RefundedBefore,
    /// Other tenders were more than was due, and the change came out of the drawer: the customer would have to bring
    /// that back first.
    #[error("{change} of change was given; the sale can only be refunded")]
    ChangeGiven {
        /// What came out of the drawer.
        change: Money,
    },
    /// The money can't go back to where it came from.
    #[error(transparent)]
    Refund(#[from] RefundRefusal),
}

impl VoidRefusal {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            VoidRefusal::OtherShift => "VOID_OTHER_SHIFT",
            VoidRefusal::RefundedBefore => "VOID_REFUNDED_BEFORE",
            VoidRefusal::ChangeGiven { .. } => "VOID_CHANGE_GIVEN",
            VoidRefusal::Refund(refusal) => refusal.code(),
        }
    }
}

/// A void: the full refund of a sale within its own shift, to the very tenders it was paid with (`facts.md` §5).
/// The sale stands; this is a new fact beside it.
///
/// # Errors
/// [`VoidRefusal`] for a sale of another shift, one of which something came back, or one whose change came out of
/// the drawer.
pub fn void(
    sale: &SaleDocument,
    original: OriginalSale,
    same_shift: bool,
    before: &BTreeMap<u16, Basis>,
    reason: &str,
) -> Result<RefundInputs, VoidRefusal> {
    if !same_shift {
        return Err(VoidRefusal::OtherShift);
    }
    if before.values().any(|basis| *basis != Basis::default()) {
        return Err(VoidRefusal::RefundedBefore);
    }
    if sale.outcome.settlement.cash_due.0 < 0 {
        return Err(VoidRefusal::ChangeGiven { change: sale.outcome.settlement.change });
    }
    let whole = |(line, input): (u16, &crate::document::LineInput)| Return {
        line,
        quantity: input.quantity,
        condition: crate::document::Condition::Resell,
        serials: input.serials.clone(),
    };
    let returns: Vec<Return> = (0..).zip(&sale.inputs.lines).map(whole).collect();
    Ok(RefundInputs {
        rules: rules_of(sale),
        original: Some(original),
        lines: lines_of(sale, &returns, before)?,
        reason: reason.to_owned(),
        tenders: mirrored(sale).map_err(RefundRefusal::from)?,
    })
}

/// The sale's tenders the other way round: cash as the drawer kept it, so nothing is given as change.
fn mirrored(sale: &SaleDocument) -> Result<Vec<Tender>, Overflow> {
    let mut cash_left = sale.outcome.settlement.cash_due;
    let mut back = Vec::new();
    for (index, tender) in (0_u16..).zip(&sale.inputs.tenders) {
        let mut mirror = Tender { key: None, original: Some(index), ..tender.clone() };
        mirror.amount = tender.amount.negated()?;
        if tender.kind == TenderKind::Cash {
            let part = tender.amount.min(cash_left.max(Money::ZERO));
            cash_left = cash_left.minus(part)?;
            mirror.amount = part.negated()?;
        }
        if let Some(foreign) = &mut mirror.foreign {
            foreign.amount = foreign.amount.negated()?;
        }
        if let Some(pool) = &mut mirror.pool {
            pool.used = pool.used.negated()?;
        }
        if !mirror.amount.is_zero() {
            back.push(mirror);
        }
    }
    Ok(back)
}

/// Where a refund's money goes first: the part of the original tenders that waits for its money, then the other
/// original ones in their order; each at most what it paid less what it gave back. Answers (index, amount) with
/// positive amounts; what no original tender can take is the rest and needs a manager.
///
/// # Errors
/// [`Overflow`].
pub fn share_out(
    due: Money,
    paid: &[(u16, Money)],
    unsettled: &[u16],
) -> Result<(Vec<(u16, Money)>, Money), Overflow> {
    let (first, then): (Vec<_>, Vec<_>) = paid.iter().partition(|(index, _)| unsettled.contains(index));
    let mut rest = due;
    let mut parts = Vec::new();
    for (index, most) in first.into_iter().chain(then) {
        let part = rest.min(most.max(Money::ZERO));
        if part.0 > 0 {
            parts.push((index, part));
            rest = rest.minus(part)?;
        }
    }
    Ok((parts, rest))
}

/// The internal tenders that tie the refund and the sale of an exchange: what comes back pays for what goes out, up
/// to the smaller of the two, and the pair is zero in sum. `given_back` and `bought` are positive. Answers the
/// refund's tender and the sale's; what is left of either is paid in the usual way.
///
/// # Errors
/// [`Overflow`].
pub fn exchange(given_back: Money, bought: Money) -> Result<(Tender, Tender), Overflow> {
    let settled = given_back.min(bought).max(Money::ZERO);
    let tender = |amount| Tender {
        key: None,
        kind: TenderKind::Exchange,
        amount,
        foreign: None,
        state: crate::document::TenderState::Captured,
        reference: None,
        pool: None,
        original: None,
    };
    Ok((tender(settled.negated()?), tender(settled)))
}

/// What a customer owes when a sale's open tender ends: nothing where it is paid, all of it where not. The sale and
/// its Z stand; the receivable is collected by a document of its own.
pub fn receivable(amount: Money, how: Settled) -> Money {
    if how.is_paid() || how == Settled::Voided { Money::ZERO } else { amount }
}

/// What a return without a receipt may give back: no more than the policy's cap (`facts.md` §4, the store's quota).
///
/// # Errors
/// [`RefundRefusal::MoreThanPaid`] beyond the cap, [`RefundRefusal::Overflow`].
pub fn within_cap(lines: &[RefundLineInput], due: Money, cap: Money) -> Result<(), RefundRefusal> {
    let without_receipt = lines.iter().any(|line| line.line.is_none());
    let asked = due.negated()?;
    if without_receipt && asked > cap {
        return Err(RefundRefusal::MoreThanPaid { asked, paid: cap });
    }
    Ok(())
}
