//! Paying: the cash part, its rounding and the change (`money.md` rules 10, 11 and 14).

use crate::document::{Foreign, Rules, Settlement, Tender, TenderKind, TenderState};
use crate::money::{Money, Overflow, Rounding, round_div, round_to_step};
use crate::refusal::{RefundRefusal, Refusal};
use serde::Serialize;

/// What is left to pay after the tenders so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StillDue {
    /// Left after all tenders, not rounded; below zero where they were more than the total.
    pub rest: Money,
    /// The cash part (what other tenders leave) in whole cash steps, less the cash so far: what to ask for if
    /// the rest is paid in cash. Below zero it is change.
    pub cash_due: Money,
}

/// What is left to pay of a total after the tenders given so far; declined and undone ones count nothing.
///
/// # Errors
/// [`Overflow`], also for a cash step below 1.
pub fn still_due(total: Money, tenders: &[Tender], rules: &Rules) -> Result<StillDue, Overflow> {
    let taken = || tenders.iter().filter(|tender| is_taken(tender.state));
    let cash = Money::sum(taken().filter(|t| is_cash(t)).map(|t| t.amount))?;
    let other = Money::sum(taken().filter(|t| !is_cash(t)).map(|t| t.amount))?;
    let part = total.minus(other)?;
    Ok(StillDue { rest: part.minus(cash)?, cash_due: cash_due(part, rules)?.minus(cash)? })
}

/// An amount as it is paid in cash: in whole cash steps.
///
/// # Errors
/// [`Overflow`], also for a cash step below 1.
pub fn cash_due(amount: Money, rules: &Rules) -> Result<Money, Overflow> {
    round_to_step(amount, rules.cash_step, rules.rounding)
}

/// What foreign money is worth in minor units of the document's currency.
///
/// # Errors
/// [`Overflow`].
pub fn foreign_worth(foreign: &Foreign, rounding: Rounding) -> Result<Money, Overflow> {
    round_div(i128::from(foreign.amount.0) * i128::from(foreign.rate), 1_000_000, rounding).map(Money)
}

/// Whether a tender in this state has paid: taken, kept by the terminal, or waiting for a bank's list.
pub fn is_taken(state: TenderState) -> bool {
    use TenderState::{Captured, Confirmed, Stored, Unconfirmed};
    matches!(state, Captured | Stored | Unconfirmed | Confirmed)
}

fn is_cash(tender: &Tender) -> bool {
    tender.kind == TenderKind::Cash
}

/// What was handed over in cash of the document's currency, and by every other means.
struct Given {
    cash: Money,
    other: Money,
    any_cash: bool,
}

fn given(tenders: &[Tender]) -> Result<Given, Overflow> {
    let sum = |cash: bool| Money::sum(tenders.iter().filter(|t| is_cash(t) == cash).map(|t| t.amount));
    Ok(Given { cash: sum(true)?, other: sum(false)?, any_cash: tenders.iter().any(is_cash) })
}

/// Settles a sale.
pub(crate) fn settle_sale(total: Money, tenders: &[Tender], rules: &Rules) -> Result<Settlement, Refusal> {
    check_tenders(tenders, rules, |amount| amount.0 > 0).map_err(Refusal::from)?;
    let given = given(tenders)?;
    let rest = total.minus(given.other)?;
    let rounded = cash_due(rest, rules)?;
    let in_steps = given.cash.0 % rules.cash_step.0 == 0;
    // Without any cash there is no cash part that could be rounded away.
    if rest.0 > 0 && !given.any_cash {
        return Err(Refusal::ShortTender { due: rest, rest, tendered: Money::ZERO });
    }
    if rest.0 > 0 && given.cash < if in_steps { rounded } else { rest } {
        return Err(Refusal::ShortTender { due: rounded, rest, tendered: given.cash });
    }
    let change =
        if in_steps { given.cash.minus(rounded)? } else { cash_due(given.cash.minus(rest)?, rules)? };
    settlement(total, given, rest, change)
}

/// Puts a settlement together: whatever was kept is the cash part, and what it differs by is the rounding.
fn settlement<E: From<Overflow>>(
    total: Money,
    given: Given,
    rest: Money,
    change: Money,
) -> Result<Settlement, E> {
    let kept = given.cash.minus(change)?;
    Ok(Settlement {
        total,
        other: given.other,
        cash_due: kept,
        cash_tendered: given.cash,
        change,
        rounding: kept.minus(rest)?,
    })
}

/// Settles a refund, whose total and tenders are zero or negative: cash goes out in whole steps, or to the minor
/// unit (exact coins); there is no change.
pub(crate) fn settle_refund(
    total: Money,
    tenders: &[Tender],
    rules: &Rules,
) -> Result<Settlement, RefundRefusal> {
    check_tenders(tenders, rules, |amount| amount.0 < 0).map_err(RefundRefusal::from)?;
    let given = given(tenders)?;
    let rest = total.minus(given.other)?;
    let rounded = cash_due(rest, rules)?;
    let due = if given.any_cash && given.cash != rest { rounded } else { rest };
    if given.cash < due || rest.0 > 0 {
        let asked = given.other.plus(given.cash)?.negated()?;
        return Err(RefundRefusal::MoreThanPaid { asked, paid: given.other.plus(due)?.negated()? });
    }
    if given.cash > due {
        return Err(RefundRefusal::ShortPayout { due: due.negated()?, given: given.cash.negated()? });
    }
    settlement(total, given, rest, Money::ZERO)
}

/// What is wrong with a tender, whichever way the money goes.
enum Trouble {
    Amount { tender: usize, amount: Money },
    NotTaken { tender: usize, state: TenderState },
    ForeignSide { tender: usize },
    Mismatch { tender: usize, worth: Money, given: Money },
    Overflow(Overflow),
}

fn check_tenders(tenders: &[Tender], rules: &Rules, right_way: fn(Money) -> bool) -> Result<(), Trouble> {
    for (tender, given) in tenders.iter().enumerate() {
        // No cash at all is a way to pay what rounds to nothing, and an exchange may be even.
        let may_be_nothing = matches!(given.kind, TenderKind::Cash | TenderKind::Exchange);
        let nothing = may_be_nothing && given.amount.is_zero();
        if !nothing && !right_way(given.amount) {
            return Err(Trouble::Amount { tender, amount: given.amount });
        }
        if !is_taken(given.state) {
            return Err(Trouble::NotTaken { tender, state: given.state });
        }
        check_foreign(tender, given, rules)?;
    }
    Ok(())
}

fn check_foreign(tender: usize, given: &Tender, rules: &Rules) -> Result<(), Trouble> {
    match (&given.foreign, &given.kind) {
        (None, kind) if *kind != TenderKind::ForeignCash => Ok(()),
        (Some(foreign), TenderKind::ForeignCash) if foreign.currency != rules.currency => {
            let worth = foreign_worth(foreign, rules.rounding).map_err(Trouble::Overflow)?;
            if worth == given.amount {
                return Ok(());
            }
            Err(Trouble::Mismatch { tender, worth, given: given.amount })
        }
        _ => Err(Trouble::ForeignSide { tender }),
    }
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Refusal {
        match trouble {
            Trouble::Amount { tender, amount } => Refusal::BadTender { tender, amount },
            Trouble::NotTaken { tender, state } => Refusal::TenderNotTaken { tender, state },
            Trouble::ForeignSide { tender } => Refusal::ForeignSide { tender },
            Trouble::Mismatch { tender, worth, given } => Refusal::ForeignMismatch { tender, worth, given },
            Trouble::Overflow(overflow) => Refusal::Overflow(overflow),
        }
    }
}

impl From<Trouble> for RefundRefusal {
    fn from(trouble: Trouble) -> RefundRefusal {
        match trouble {
            Trouble::Amount { tender, amount } => RefundRefusal::BadTender { tender, amount },
            Trouble::NotTaken { tender, state } => RefundRefusal::TenderNotTaken { tender, state },
            Trouble::ForeignSide { tender } => RefundRefusal::ForeignSide { tender },
            Trouble::Mismatch { tender, worth, given } => {
                RefundRefusal::ForeignMismatch { tender, worth, given }
            }
            Trouble::Overflow(overflow) => RefundRefusal::Overflow(overflow),
        }
    }
}
