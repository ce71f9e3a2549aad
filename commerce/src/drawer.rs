//! Cash drawers: what is in one at opening, what goes in and out, what should be there and what was counted.

use crate::document::StaffId;
use crate::money::{Currency, Money, Overflow};
use serde::{Deserialize, Serialize};

/// Notes or coins of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Denomination {
    /// Value of one, in minor units; above zero.
    pub value: Money,
    /// How many.
    pub count: u32,
}

/// Cash that somebody counted: a float at opening, or what was found at closing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cash {
    /// Its currency.
    pub currency: Currency,
    /// By denomination; may be empty where only the sum was entered.
    #[serde(default)]
    pub by: Vec<Denomination>,
    /// The sum.
    pub total: Money,
}

/// Cash that can't be what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are the numbers of the sentence above them")]
pub enum BadCash {
    /// A sum below zero.
    #[error("{total} can't lie in a drawer")]
    Negative { total: Money },
    /// A note of no value, or the same one twice.
    #[error("a note or coin of {value} stands there twice or is worth nothing")]
    BadDenomination { value: Money },
    /// The denominations come to another sum.
    #[error("the notes and coins come to {sum}, not to {total}")]
    SumDiffers { total: Money, sum: Money },
    /// A figure too large to be counted.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

impl Cash {
    /// A sum that nobody split.
    pub fn sum(currency: Currency, total: Money) -> Cash {
        Cash { currency, by: Vec::new(), total }
    }

    /// Notes and coins, with their sum.
    ///
    /// # Errors
    /// [`BadCash`], as [`Cash::check`].
    pub fn counted(currency: Currency, by: Vec<Denomination>) -> Result<Cash, BadCash> {
        let cash = Cash { currency, total: worth(&by)?, by };
        cash.check()?;
        Ok(cash)
    }

    /// Whether it is cash at all: not below zero, each denomination once, and their sum the sum.
    ///
    /// # Errors
    /// [`BadCash`], the first that was found.
    pub fn check(&self) -> Result<(), BadCash> {
        if self.total.0 < 0 {
            return Err(BadCash::Negative { total: self.total });
        }
        for (index, one) in self.by.iter().enumerate() {
            if one.value.0 < 1 || self.by[..index].iter().any(|other| other.value == one.value) {
                return Err(BadCash::BadDenomination { value: one.value });
            }
        }
        let sum = worth(&self.by)?;
        if !self.by.is_empty() && sum != self.total {
            return Err(BadCash::SumDiffers { total: self.total, sum });
        }
        Ok(())
    }
}

fn worth(by: &[Denomination]) -> Result<Money, Overflow> {
    let worth = |one: &Denomination| one.value.times(i64::from(one.count));
    Money::sum(by.iter().map(worth).collect::<Result<Vec<_>, _>>()?)
}

/// Which way cash went without a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CashDirection {
    /// Into the drawer.
    In,
    /// Out of the drawer, for an expense.
    Out,
    /// Out of the drawer, into the safe.
    SafeDrop,
}

/// Cash that goes in or out without a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CashMove {
    /// Which way.
    pub direction: CashDirection,
    /// Of which drawer.
    pub currency: Currency,
    /// How much; above zero.
    pub amount: Money,
    /// Reason code.
    pub reason: String,
    /// Who allowed it.
    pub approver: Option<StaffId>,
}

/// What went in and out of the drawer of one currency since the shift began. Amounts are of that currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drawer {
    /// The currency.
    pub currency: Currency,
    /// What lay in it at opening.
    pub float: Money,
    /// Cash of sales, without change; below zero where only change was given.
    pub sales: Money,
    /// Cash given back by refunds, negative.
    pub refunds: Money,
    /// Paid in.
    pub paid_in: Money,
    /// Paid out, negative.
    pub paid_out: Money,
    /// Dropped into the safe, negative.
    pub safe_drops: Money,
    /// Cash of receivables collected.
    pub receivables: Money,
}

impl Drawer {
    /// A drawer with its float.
    pub fn new(currency: Currency, float: Money) -> Drawer {
        let none = Money::ZERO;
        let (sales, refunds, paid_in, paid_out, safe_drops, receivables) =
            (none, none, none, none, none, none);
        Drawer { currency, float, sales, refunds, paid_in, paid_out, safe_drops, receivables }
    }

    /// What should lie in it.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn expected(&self) -> Result<Money, Overflow> {
        let moved =
            [self.sales, self.refunds, self.paid_in, self.paid_out, self.safe_drops, self.receivables];
        Money::sum(moved.into_iter().chain([self.float]))
    }

    pub(crate) fn book(&mut self, direction: CashDirection, amount: Money) -> Result<(), Overflow> {
        match direction {
            CashDirection::In => self.paid_in = self.paid_in.plus(amount)?,
            CashDirection::Out => self.paid_out = self.paid_out.minus(amount)?,
            CashDirection::SafeDrop => self.safe_drops = self.safe_drops.minus(amount)?,
        }
        Ok(())
    }
}

/// A drawer that was counted at closing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountedDrawer {
    /// What went in and out.
    pub drawer: Drawer,
    /// What should be there.
    pub expected: Money,
    /// What was counted, by denomination.
    pub counted_by: Vec<Denomination>,
    /// What was counted.
    pub counted: Money,
    /// Counted − expected: below zero where money is missing.
    pub difference: Money,
}

impl CountedDrawer {
    pub(crate) fn new(drawer: Drawer, count: &Cash) -> Result<CountedDrawer, Overflow> {
        let expected = drawer.expected()?;
        Ok(CountedDrawer {
            drawer,
            expected,
            counted_by: count.by.clone(),
            counted: count.total,
            difference: count.total.minus(expected)?,
        })
    }
}
