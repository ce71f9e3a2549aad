//! Amounts in minor units, currencies and the one rounding function (`money.md` rules 1–3, 6 and 8).

use serde::{Deserialize, Serialize};
use std::fmt;

/// An amount in minor units of the document's currency (cents for EUR, dong for VND, fils for KWD).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(pub i64);

/// An ISO 4217 currency: its code and how many decimals its minor unit has (VND 0, EUR 2, KWD 3).
///
/// In bytes it is its two fields; in JSON it is its code (`"EUR"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Currency {
    /// Three upper-case ASCII letters.
    pub code: [u8; 3],
    /// Decimals of the minor unit, 0 to 4.
    pub exponent: u8,
}

/// How a tie or a fraction is rounded; a setting of the store, frozen in each document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Rounding {
    /// Half away from zero, so that a refund mirrors its sale. The default.
    #[default]
    HalfAwayFromZero,
    /// Half to even ("banker's rounding").
    HalfEven,
}

/// A figure left the range of 64-bit minor units (or a divisor was not above zero). Never a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an amount is too large to be counted")]
pub struct Overflow;

/// Text that is no amount of the currency.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMoney {
    /// Not digits with an optional sign and one optional decimal point.
    #[error("“{text}” is not an amount")]
    NotANumber {
        /// What was given.
        text: String,
    },
    /// More decimals than the currency has.
    #[error("“{text}” has more than the {decimals} decimals of the currency")]
    TooManyDecimals {
        /// What was given.
        text: String,
        /// Decimals of the currency.
        decimals: u8,
    },
    /// Out of range.
    #[error("“{text}” is too large")]
    TooLarge {
        /// What was given.
        text: String,
    },
}

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);

    /// The sum.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn plus(self, other: Money) -> Result<Money, Overflow> {
        self.0.checked_add(other.0).map(Money).ok_or(Overflow)
    }

    /// The difference.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn minus(self, other: Money) -> Result<Money, Overflow> {
        self.0.checked_sub(other.0).map(Money).ok_or(Overflow)
    }

    /// The same amount the other way.
    ///
    /// # Errors
    /// [`Overflow`] for the one amount that has no mirror image.
    pub fn negated(self) -> Result<Money, Overflow> {
        self.0.checked_neg().map(Money).ok_or(Overflow)
    }

    /// `n` times the amount.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn times(self, n: i64) -> Result<Money, Overflow> {
        self.0.checked_mul(n).map(Money).ok_or(Overflow)
    }

    /// The sum of all.
    ///
    /// # Errors
    /// [`Overflow`] if the sum itself is out of range, whatever the parts on the way.
    pub fn sum(amounts: impl IntoIterator<Item = Money>) -> Result<Money, Overflow> {
        let sum: i128 = amounts.into_iter().map(|m| i128::from(m.0)).sum();
        i64::try_from(sum).map(Money).map_err(|_| Overflow)
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Plain decimal text in the currency's decimals: `27.94`, `-10.80`, `45000`, `1.250`.
    pub fn text(self, currency: Currency) -> String {
        plain(self.0, currency.exponent)
    }

    /// Reads plain decimal text: an optional sign, digits, at most the currency's decimals.
    ///
    /// # Errors
    /// [`BadMoney`], with the text.
    pub fn parse(text: &str, currency: Currency) -> Result<Money, BadMoney> {
        let not_a_number = || BadMoney::NotANumber { text: text.to_owned() };
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(decimals) || digits.ends_with('.') {
            return Err(not_a_number());
        }
        let places = usize::from(currency.exponent);
        if decimals.len() > places {
            return Err(BadMoney::TooManyDecimals { text: text.to_owned(), decimals: currency.exponent });
        }
        let sign = if negative { "-" } else { "" };
        format!("{sign}{whole}{decimals:0<places$}")
            .parse()
            .map(Money)
            .map_err(|_| BadMoney::TooLarge { text: text.to_owned() })
    }
}

/// Minor units as they are, for logs and refusals that know no currency.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An integer in units of 10^-`decimals` as plain decimal text.
pub(crate) fn plain(value: i64, decimals: u8) -> String {
    let places = usize::from(decimals);
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let sign = if value < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// `num / den` as a whole number: the one rounding function (`money.md` rule 3). `den` is above zero.
///
/// # Errors
/// [`Overflow`] when the quotient is out of range or `den` is not above zero.
pub fn round_div(num: i128, den: i128, mode: Rounding) -> Result<i64, Overflow> {
    if den <= 0 {
        return Err(Overflow);
    }
    let floor = num.div_euclid(den);
    let rest = num.rem_euclid(den);
    // Compare the rest with what is missing to the next whole: twice the rest could leave the range.
    let up = match rest.cmp(&(den - rest)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => match mode {
            Rounding::HalfAwayFromZero => num >= 0,
            Rounding::HalfEven => floor % 2 != 0,
        },
    };
    i64::try_from(floor + i128::from(up)).map_err(|_| Overflow)
}

/// The nearest multiple of `step` (above zero).
///
/// # Errors
/// [`Overflow`] when that multiple is out of range or `step` is not above zero.
pub fn round_to_step(amount: Money, step: Money, mode: Rounding) -> Result<Money, Overflow> {
    let steps = round_div(i128::from(amount.0), i128::from(step.0), mode)?;
    Money(steps).times(step.0)
}

/// Shares `total` by largest remainder: each part is its exact share rounded down or up, the parts add up to
/// `total`, ties go to the lower index (`money.md` rules 6–8). Weights that sum to 0 share nothing: all parts
/// are 0. A weight below zero counts as 0. A negative total is shared as its mirror image.
pub fn allocate(total: Money, weights: &[Money]) -> Vec<Money> {
    let runs: Vec<Run> = weights.iter().map(|w| Run { weight: *w, count: 1 }).collect();
    allocate_runs(total, &runs)
}

/// `count` equal weights side by side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Weight of one.
    pub(crate) weight: Money,
    /// How many.
    pub(crate) count: u64,
}

/// As [`allocate`], over `count` equal weights a run; answers what each run gets in sum.
pub(crate) fn allocate_runs(total: Money, runs: &[Run]) -> Vec<Money> {
    let weight = |run: &Run| i128::from(run.weight.0.max(0));
    let all: i128 = runs.iter().map(|run| weight(run) * i128::from(run.count)).sum();
    if all == 0 {
        return vec![Money::ZERO; runs.len()];
    }
    let size = i128::from(total.0).abs();
    let mut parts: Vec<i128> = runs.iter().map(|r| size * weight(r) / all * i128::from(r.count)).collect();
    let mut left = size - parts.iter().sum::<i128>();
    let mut order: Vec<(i128, usize)> =
        runs.iter().enumerate().map(|(i, run)| (size * weight(run) % all, i)).collect();
    order.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    for (_, i) in order {
        let more = left.min(i128::from(runs[i].count));
        parts[i] += more;
        left -= more;
    }
    let sign = i128::from(total.0.signum());
    // Every part lies between 0 and the total, so it is in range.
    parts.into_iter().map(|part| Money(i64::try_from(part * sign).unwrap_or(total.0))).collect()
}
