//! What a scanned or typed code says: a trade item, a scale label by a configured layout, a PLU, or plain text.
//!
//! A layout is a pattern with one character a digit: digits stand for themselves, `P` is the PLU, `G` the
//! quantity in base units (grams), `A` the amount in minor units, `V` GS1's price verifier over the amount (4 or
//! 5 digits), `X` anything, and `C`, the last one, the check digit. `21PPPPPGGGGGC` reads `2110004003469` as 346 g
//! of PLU 10004.

pub use crate::gtin::{BadGtin, Gtin, check_digit, upc_a_from_sku};

use crate::money::{Money, Overflow, Rounding, round_div};
use crate::quantity::{BaseUnit, Quantity, THOUSAND, Unit, Units};
use serde::{Deserialize, Serialize};

/// Most characters of a code.
pub const CODE_CHARS_MAX: usize = 128;

/// Most digits of a PLU that is typed or scanned by itself.
pub const PLU_DIGITS_MAX: usize = 6;

/// How a store's scale prints its labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BarcodeLayout {
    /// For people, e.g. `scale, weight`.
    #[serde(default)]
    pub name: String,
    /// The pattern; see the module.
    pub pattern: String,
    /// What one step of the `G` or `A` digits is worth, in base or minor units: 1, or e.g. 1,000 where a dong
    /// label counts in thousands.
    #[serde(default = "one")]
    pub multiplier: u32,
}

fn one() -> u32 {
    1
}

/// What a label carries beside its PLU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Content {
    /// How much, in base units.
    Quantity(Units),
    /// What it costs, in minor units.
    Amount(Money),
}

/// A label as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Label {
    /// Which item.
    pub plu: u32,
    /// How much of it, or for how much.
    pub content: Content,
}

/// What a code says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scan {
    /// A trade item.
    Item(Gtin),
    /// A weight- or price-embedded label.
    Label(Label),
    /// Up to [`PLU_DIGITS_MAX`] digits.
    Plu(u32),
    /// Anything else; perhaps a SKU.
    Text(String),
}

/// A code that can't be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCode {
    /// Nothing.
    #[error("the code is empty")]
    Empty,
    /// Longer than [`CODE_CHARS_MAX`].
    #[error("{chars} characters are more than a code has")]
    TooLong {
        /// How many there were.
        chars: usize,
    },
    /// Holds what no scanner prints.
    #[error("the code can't be read")]
    Unreadable,
    /// A wrong check digit.
    #[error(transparent)]
    Gtin(#[from] BadGtin),
    /// The amount on a label was misread.
    #[error("{code}: the price verifier is {found}, it should be {right}")]
    Verifier {
        /// What was given.
        code: String,
        /// The digit that stands there.
        found: u8,
        /// The digit that should.
        right: u8,
    },
    /// A label that says nothing of something.
    #[error("{code}: the label holds nothing")]
    NothingOnLabel {
        /// What was given.
        code: String,
    },
}

impl BadCode {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            BadCode::Empty => "EMPTY_CODE",
            BadCode::TooLong { .. } => "CODE_TOO_LONG",
            BadCode::Unreadable => "UNREADABLE_CODE",
            BadCode::Gtin(bad) => bad.code(),
            BadCode::Verifier { .. } => "BAD_PRICE_VERIFIER",
            BadCode::NothingOnLabel { .. } => "NOTHING_ON_LABEL",
        }
    }
}

/// A layout that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLayout {
    /// Not 8, 12, 13 or 14 characters.
    #[error("a pattern has 8, 12, 13 or 14 characters, not {chars}")]
    Length {
        /// How many there were.
        chars: usize,
    },
    /// A character that stands for nothing.
    #[error("“{letter}” stands for nothing in a pattern")]
    Letter {
        /// Which.
        letter: char,
    },
    /// No leading digit, no `P`, neither or both of `G` and `A`, a field in two places, or no `C` at the end only.
    #[error("a pattern needs a digit first, one P field, one G or A field, and C at its end only")]
    Fields,
    /// A verifier that no rule is known for.
    #[error("a V needs an A field of 4 or 5 digits")]
    Verifier,
    /// Steps that are worth nothing.
    #[error("the multiplier must be 1 or more")]
    Multiplier,
}

/// A label that can't be printed by a layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLabel {
    /// The layout itself.
    #[error(transparent)]
    Layout(#[from] BadLayout),
    /// Weight on a price layout, or the other way round.
    #[error("the layout carries something else")]
    OtherContent,
    /// Doesn't fit, is below zero, or is not a whole number of the layout's steps.
    #[error("{value} doesn't fit {digits} digits in steps of {multiplier}")]
    DoesNotFit {
        /// What was to be printed.
        value: i64,
        /// Digits there are.
        digits: usize,
        /// What one step is worth.
        multiplier: u32,
    },
}

/// Reads a code; of several layouts that match the first wins. A store that also has SKUs made of 8 to 14 digits
/// looks those up before it asks this.
///
/// # Errors
/// [`BadCode`]; a wrong check digit is an error, never another item.
pub fn read_code(code: &str, layouts: &[BarcodeLayout]) -> Result<Scan, BadCode> {
    let code = code.trim();
    let chars = code.chars().count();
    if chars == 0 {
        return Err(BadCode::Empty);
    }
    if chars > CODE_CHARS_MAX {
        return Err(BadCode::TooLong { chars });
    }
    if code.chars().any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
        return Err(BadCode::Unreadable);
    }
    if !code.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(Scan::Text(code.to_owned()));
    }
    if let Some(layout) = layouts.iter().find(|layout| layout.matches(code)) {
        return layout.read(code).map(Scan::Label);
    }
    match code.len() {
        8 | 12 | 13 | 14 => Ok(Scan::Item(Gtin::parse(code)?)),
        1..=PLU_DIGITS_MAX => Ok(code.parse().map_or_else(|_| Scan::Text(code.to_owned()), Scan::Plu)),
        _ => Ok(Scan::Text(code.to_owned())),
    }
}

/// How much a label's amount buys at the item's price: the base units nearest to it, at least one. Pieces that
/// are not weighed are one piece, whatever they cost.
///
/// # Errors
/// [`Overflow`], also for an item without a price or a unit whose thousandths aren't whole base units.
pub fn quantity_for(
    amount: Money,
    unit_price: Money,
    unit: &Unit,
    rounding: Rounding,
) -> Result<Quantity, Overflow> {
    if unit.base == BaseUnit::Piece {
        return Ok(Quantity(THOUSAND));
    }
    let worth = i128::from(amount.0) * i128::from(unit.base_per_unit);
    let units = round_div(worth, i128::from(unit_price.0), rounding)?.max(1);
    unit.from_base(Units(units)).map_err(|_| Overflow)
}

impl BarcodeLayout {
    /// Whether the layout can be used.
    ///
    /// # Errors
    /// [`BadLayout`].
    pub fn check(&self) -> Result<(), BadLayout> {
        let pattern = &self.pattern;
        let chars = pattern.chars().count();
        if !matches!(chars, 8 | 12 | 13 | 14) {
            return Err(BadLayout::Length { chars });
        }
        if let Some(letter) = pattern.chars().find(|c| !c.is_ascii_digit() && !"PGAVXC".contains(*c)) {
            return Err(BadLayout::Letter { letter });
        }
        if self.multiplier == 0 {
            return Err(BadLayout::Multiplier);
        }
        let runs = |letter: char| pattern.split(|c| c != letter).filter(|run| !run.is_empty()).count();
        let ends = pattern.find('C') == Some(chars - 1);
        let one_content = runs('G') + runs('A') == 1;
        if !pattern.starts_with(|c: char| c.is_ascii_digit()) || runs('P') != 1 || !one_content || !ends {
            return Err(BadLayout::Fields);
        }
        let verifiers = pattern.matches('V').count();
        let amount = pattern.matches('A').count();
        if verifiers > 1 || verifiers == 1 && !matches!(amount, 4 | 5) {
            return Err(BadLayout::Verifier);
        }
        if pattern.matches('P').count() > 9 {
            return Err(BadLayout::Fields);
        }
        Ok(())
    }

    /// Whether a code has the layout's length and fixed digits.
    fn matches(&self, code: &str) -> bool {
        let same = |(p, c): (u8, u8)| !p.is_ascii_digit() || p == c;
        self.pattern.len() == code.len()
            && self.check().is_ok()
            && self.pattern.bytes().zip(code.bytes()).all(same)
    }

    /// The digits that stand in the places of a letter.
    fn field(&self, letter: u8, code: &str) -> String {
        let places = self.pattern.bytes().zip(code.chars());
        places.filter(|(p, _)| *p == letter).map(|(_, c)| c).collect()
    }

    fn read(&self, code: &str) -> Result<Label, BadCode> {
        crate::gtin::verify(code)?;
        let number = |letter: u8| self.field(letter, code).parse::<u32>().unwrap_or(0);
        let amount = self.field(b'A', code);
        if let Some(found) = self.field(b'V', code).bytes().next() {
            let (found, right) = (found - b'0', price_verifier(&amount));
            if found != right {
                return Err(BadCode::Verifier { code: code.to_owned(), found, right });
            }
        }
        let steps = if amount.is_empty() { number(b'G') } else { number(b'A') };
        if steps == 0 {
            return Err(BadCode::NothingOnLabel { code: code.to_owned() });
        }
        let value = i64::from(steps) * i64::from(self.multiplier);
        let content =
            if amount.is_empty() { Content::Quantity(Units(value)) } else { Content::Amount(Money(value)) };
        Ok(Label { plu: number(b'P'), content })
    }

    /// The code to print for a label; places that may be anything become 0.
    ///
    /// # Errors
    /// [`BadLabel`] when the layout carries something else or the label doesn't fit it.
    pub fn write(&self, label: Label) -> Result<String, BadLabel> {
        self.check()?;
        let (letter, value) = match label.content {
            Content::Quantity(units) => ('G', units.0),
            Content::Amount(amount) => ('A', amount.0),
        };
        if !self.pattern.contains(letter) {
            return Err(BadLabel::OtherContent);
        }
        let plu = self.digits('P', i64::from(label.plu), 1)?;
        let content = self.digits(letter, value, self.multiplier)?;
        let verifier = if letter == 'A' { price_verifier(&content) } else { 0 };
        let (mut plu, mut content) = (plu.chars(), content.chars());
        let body = self.pattern.chars().filter(|p| *p != 'C').filter_map(|p| match p {
            'P' => plu.next(),
            'G' | 'A' => content.next(),
            'V' => char::from_digit(u32::from(verifier), 10),
            'X' => Some('0'),
            fixed => Some(fixed),
        });
        let body: String = body.collect();
        let check = check_digit(&body);
        Ok(format!("{body}{check}"))
    }

    fn digits(&self, letter: char, value: i64, multiplier: u32) -> Result<String, BadLabel> {
        let digits = self.pattern.matches(letter).count();
        let step = i64::from(multiplier);
        let text = format!("{:0>digits$}", value / step);
        if value < 0 || value % step != 0 || text.len() > digits {
            return Err(BadLabel::DoesNotFit { value, digits, multiplier });
        }
        Ok(text)
    }
}

/// GS1's price verifier over 4 or 5 digits of an amount.
fn price_verifier(amount: &str) -> u8 {
    let digits: Vec<i32> = amount.bytes().map(|b| i32::from(b & 0x0f)).collect();
    let verifier = match digits[..] {
        [a, b, c, d] => (two_minus(a) + two_minus(b) + 3 * c + five_minus(d)) * 3 % 10,
        [a, b, c, d, e] => {
            let sum = five_plus(a) + two_minus(b) + five_minus(c) + five_plus(d) + two_minus(e);
            let to_ten = (10 - sum % 10) % 10;
            (0..10).find(|digit| five_minus(*digit) == to_ten).unwrap_or(0)
        }
        _ => 0,
    };
    u8::try_from(verifier).unwrap_or(0)
}

/// Twice, less its tens.
fn two_minus(digit: i32) -> i32 {
    (2 * digit - 2 * digit / 10).rem_euclid(10)
}

/// Five times, less its tens.
fn five_minus(digit: i32) -> i32 {
    (5 * digit - 5 * digit / 10).rem_euclid(10)
}

/// Five times, and its tens.
fn five_plus(digit: i32) -> i32 {
    (5 * digit + 5 * digit / 10).rem_euclid(10)
}
