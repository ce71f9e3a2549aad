//! The currencies of ISO 4217 and how a currency is read and written.

use crate::money::Currency;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Current codes without decimals.
const DECIMALS_0: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";

/// Current codes with two decimals.
const DECIMALS_2: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD \
    CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD \
    HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU \
    MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK \
    SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD \
    XCG YER ZAR ZMW ZWG";

/// Current codes with three decimals.
const DECIMALS_3: &str = "BHD IQD JOD KWD LYD OMR TND";

/// Current codes with four decimals.
const DECIMALS_4: &str = "CLF UYW";

/// Most decimals of a minor unit.
pub const DECIMALS_MAX: u8 = 4;

/// What is not a currency.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCurrency {
    /// Not three upper-case letters.
    #[error("“{code}” is not a currency code of three capital letters")]
    NotACode {
        /// What was given.
        code: String,
    },
    /// Not in ISO 4217.
    #[error("{code} is not a currency of ISO 4217")]
    Unknown {
        /// What was given.
        code: String,
    },
    /// More decimals than [`DECIMALS_MAX`].
    #[error("{decimals} decimals are more than {DECIMALS_MAX}")]
    TooManyDecimals {
        /// What was given.
        decimals: u8,
    },
}

impl Currency {
    /// The euro.
    pub const EUR: Currency = Currency { code: *b"EUR", exponent: 2 };
    /// The dong, which has no decimals.
    pub const VND: Currency = Currency { code: *b"VND", exponent: 0 };
    /// The Kuwaiti dinar of 1,000 fils.
    pub const KWD: Currency = Currency { code: *b"KWD", exponent: 3 };
    /// The yen, which has no decimals.
    pub const JPY: Currency = Currency { code: *b"JPY", exponent: 0 };
    /// The US dollar.
    pub const USD: Currency = Currency { code: *b"USD", exponent: 2 };

    /// A currency with decimals of the caller's choice.
    ///
    /// # Errors
    /// [`BadCurrency`] when the code isn't three capital letters or the decimals are too many.
    pub fn new(code: &str, exponent: u8) -> Result<Currency, BadCurrency> {
        if exponent > DECIMALS_MAX {
            return Err(BadCurrency::TooManyDecimals { decimals: exponent });
        }
        match <[u8; 3]>::try_from(code.as_bytes()) {
            Ok(letters) if letters.iter().all(u8::is_ascii_uppercase) => {
                Ok(Currency { code: letters, exponent })
            }
            _ => Err(BadCurrency::NotACode { code: code.to_owned() }),
        }
    }

    /// The currency of an ISO 4217 code, with its decimals.
    ///
    /// # Errors
    /// [`BadCurrency`] when it isn't one.
    pub fn parse(code: &str) -> Result<Currency, BadCurrency> {
        let currency = Currency::new(code, 0)?;
        let exponent = decimals(code).ok_or_else(|| BadCurrency::Unknown { code: code.to_owned() })?;
        Ok(Currency { exponent, ..currency })
    }

    /// The three letters.
    pub fn code(&self) -> &str {
        // A currency from foreign bytes may hold anything; it must still be printable.
        std::str::from_utf8(&self.code).unwrap_or("???")
    }

    /// Minor units in one major unit.
    pub fn scale(&self) -> i64 {
        10_i64.pow(u32::from(self.exponent.min(DECIMALS_MAX)))
    }
}

/// Decimals of an ISO 4217 code.
fn decimals(code: &str) -> Option<u8> {
    let tables = [(DECIMALS_2, 2), (DECIMALS_0, 0), (DECIMALS_3, 3), (DECIMALS_4, 4)];
    tables.into_iter().find(|(codes, _)| codes.split_whitespace().any(|c| c == code)).map(|(_, n)| n)
}

/// All current codes with their decimals, in no particular order of meaning but always the same one.
pub fn all() -> impl Iterator<Item = Currency> {
    [DECIMALS_0, DECIMALS_2, DECIMALS_3, DECIMALS_4]
        .into_iter()
        .flat_map(str::split_whitespace)
        .filter_map(|code| Currency::parse(code).ok())
}

/// The code; with its decimals behind a colon where they aren't those of ISO 4217 (`XTS:2`).
impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if decimals(self.code()) == Some(self.exponent) {
            return f.write_str(self.code());
        }
        write!(f, "{}:{}", self.code(), self.exponent)
    }
}

impl std::str::FromStr for Currency {
    type Err = BadCurrency;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Currency, BadCurrency> {
        match text.split_once(':') {
            None => Currency::parse(text),
            Some((code, exponent)) => {
                let bad = |_| BadCurrency::NotACode { code: text.to_owned() };
                Currency::new(code, exponent.parse().map_err(bad)?)
            }
        }
    }
}

/// The two fields as they stand in bytes.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Currency")]
struct Fields {
    code: [u8; 3],
    exponent: u8,
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        Fields { code: self.code, exponent: self.exponent }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Currency, D::Error> {
        if deserializer.is_human_readable() {
            return String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom);
        }
        let fields = Fields::deserialize(deserializer)?;
        // Plain decimal text pads to this many places, so the bound is checked where bytes come in.
        if fields.exponent > DECIMALS_MAX {
            return Err(serde::de::Error::custom(BadCurrency::TooManyDecimals { decimals: fields.exponent }));
        }
        Ok(Currency { code: fields.code, exponent: fields.exponent })
    }
}
