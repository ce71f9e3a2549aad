//! Trade item numbers: GTIN-8, -12, -13 and -14, their check digit, and the one form they are compared in.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A GTIN with a right check digit, normalised to 14 digits, so that 036000291452 and 0036000291452 are one item.
///
/// In JSON it is the text of 14 digits, in bytes an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gtin(u64);

/// Digits that are no GTIN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadGtin {
    /// Something else than digits.
    #[error("“{code}” is not made of digits")]
    NotDigits {
        /// What was given.
        code: String,
    },
    /// Not 8, 12, 13 or 14 digits.
    #[error("{digits} digits are no GTIN: it has 8, 12, 13 or 14")]
    Length {
        /// How many there were.
        digits: usize,
    },
    /// Misread or mistyped.
    #[error("{code}: the check digit is {found}, it should be {right}")]
    CheckDigit {
        /// What was given.
        code: String,
        /// The digit that stands there.
        found: u8,
        /// The digit that should.
        right: u8,
    },
}

impl BadGtin {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            BadGtin::NotDigits { .. } => "NOT_DIGITS",
            BadGtin::Length { .. } => "BAD_GTIN_LENGTH",
            BadGtin::CheckDigit { .. } => "BAD_CHECK_DIGIT",
        }
    }
}

/// The GS1 check digit over digits without it: weights 3 and 1 from the right, up to the next ten.
/// Bytes that are no digits count by their lower half; callers have looked before.
pub fn check_digit(body: &str) -> u8 {
    let weighted = body.bytes().rev().zip([3_u32, 1].into_iter().cycle());
    let sum: u32 = weighted.map(|(byte, weight)| u32::from(byte & 0x0f) * weight).sum();
    let digit = (10 - sum % 10) % 10;
    u8::try_from(digit).unwrap_or(0)
}

/// Whether the last digit is the check digit of those before it.
///
/// # Errors
/// [`BadGtin::NotDigits`] or [`BadGtin::CheckDigit`].
pub(crate) fn verify(code: &str) -> Result<(), BadGtin> {
    if code.is_empty() || !code.bytes().all(|b| b.is_ascii_digit()) {
        return Err(BadGtin::NotDigits { code: code.chars().take(64).collect() });
    }
    let (body, last) = code.split_at(code.len() - 1);
    let (found, right) = (last.as_bytes()[0] - b'0', check_digit(body));
    if found == right {
        return Ok(());
    }
    Err(BadGtin::CheckDigit { code: code.to_owned(), found, right })
}

impl Gtin {
    /// Reads 8, 12, 13 or 14 digits.
    ///
    /// # Errors
    /// [`BadGtin`].
    pub fn parse(code: &str) -> Result<Gtin, BadGtin> {
        if matches!(code.len(), 8 | 12 | 13 | 14) {
            verify(code)?;
            return code.parse().map(Gtin).map_err(|_| BadGtin::NotDigits { code: code.to_owned() });
        }
        match code.bytes().all(|b| b.is_ascii_digit()) {
            true => Err(BadGtin::Length { digits: code.len() }),
            false => Err(BadGtin::NotDigits { code: code.chars().take(64).collect() }),
        }
    }

    /// The shortest form it is printed in: 8, 12, 13 or 14 digits.
    pub fn shortest(self) -> String {
        match self.0 {
            0..=99_999_999 => format!("{:08}", self.0),
            100_000_000..=999_999_999_999 => format!("{:012}", self.0),
            1_000_000_000_000..=9_999_999_999_999 => format!("{:013}", self.0),
            _ => self.to_string(),
        }
    }
}

/// All 14 digits.
impl fmt::Display for Gtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:014}", self.0)
    }
}

impl std::str::FromStr for Gtin {
    type Err = BadGtin;

    fn from_str(code: &str) -> Result<Gtin, BadGtin> {
        Gtin::parse(code)
    }
}

impl Serialize for Gtin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Gtin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Gtin, D::Error> {
        let code = match deserializer.is_human_readable() {
            true => String::deserialize(deserializer)?,
            false => format!("{:014}", u64::deserialize(deserializer)?),
        };
        Gtin::parse(&code).map_err(serde::de::Error::custom)
    }
}

/// The UPC-A of a SKU of up to 11 digits: zeros in front, the check digit behind.
///
/// # Errors
/// [`BadGtin`] when the SKU isn't 1 to 11 digits.
pub fn upc_a_from_sku(sku: &str) -> Result<String, BadGtin> {
    if sku.is_empty() || !sku.bytes().all(|b| b.is_ascii_digit()) {
        return Err(BadGtin::NotDigits { code: sku.chars().take(64).collect() });
    }
    if sku.len() > 11 {
        return Err(BadGtin::Length { digits: sku.len() });
    }
    let body = format!("{sku:0>11}");
    Ok(format!("{body}{}", check_digit(&body)))
}
