//! A store's settings: a versioned document that the hub publishes; a fresh node starts with the defaults.

use crate::barcode::BarcodeLayout;
use crate::calc::CALC_VERSION;
use crate::document::{Rules, Tax, TaxPolicy};
use crate::money::{Currency, Money, Rounding};
use crate::quantity::Quantity;
use crate::tax::{TaxRate, rate_at};
use crate::time::UtcMs;
use serde::{Deserialize, Serialize};

/// In which language receipts are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Vietnamese.
    Vi,
}

/// What a foreign currency is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ForeignRate {
    /// The foreign currency.
    pub currency: Currency,
    /// Minor units of the store's currency per million minor units of the foreign one.
    pub rate: u64,
}

/// All settings of a store. Money is in minor units of `currency`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Version of this document; frozen in every sale.
    pub version: u32,
    /// The store's currency.
    pub currency: Currency,
    /// Whether prices include tax.
    pub prices_include_tax: bool,
    /// How fractions round.
    pub rounding: Rounding,
    /// Over what tax rounds.
    pub tax_policy: TaxPolicy,
    /// The smallest step cash is paid in; 1 means no cash rounding.
    pub cash_step: Money,
    /// IANA name of the store's time zone, e.g. `Asia/Ho_Chi_Minh`.
    pub time_zone: String,
    /// Minutes after local midnight when a business day begins; a shift opened earlier is of the day before.
    pub day_start_minutes: u16,
    /// Printed at the top of every receipt.
    pub header: Vec<String>,
    /// Printed at the bottom of every receipt.
    pub footer: Vec<String>,
    /// The language of receipts.
    pub language: Language,
    /// Tax rates, effective-dated.
    pub taxes: Vec<TaxRate>,
    /// Layouts of weight- and price-embedded labels, first match wins.
    pub barcodes: Vec<BarcodeLayout>,
    /// The share of free stock lent to the web, in parts per million (`facts.md` §4).
    pub web_share_ppm: u32,
    /// Base units of every item that are never lent to the web.
    pub safety_stock: i64,
    /// Most that one line may hold.
    pub max_quantity: Quantity,
    /// Most lines of one basket.
    pub max_lines: u16,
    /// What foreign cash is taken at.
    pub foreign_rates: Vec<ForeignRate>,
    /// Most a terminal may take offline in one transaction; 0 means nothing.
    pub card_floor_limit: Money,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            version: 0,
            currency: Currency::EUR,
            prices_include_tax: true,
            rounding: Rounding::default(),
            tax_policy: TaxPolicy::default(),
            cash_step: Money(1),
            time_zone: "UTC".to_owned(),
            day_start_minutes: 4 * 60,
            header: Vec::new(),
            footer: Vec::new(),
            language: Language::default(),
            taxes: Vec::new(),
            barcodes: Vec::new(),
            web_share_ppm: 0,
            safety_stock: 0,
            max_quantity: Quantity(9_999_000),
            max_lines: 500,
            foreign_rates: Vec::new(),
            card_floor_limit: Money::ZERO,
        }
    }
}

/// Settings a store could not work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    /// Below one minor unit.
    #[error("cash_step: {step} must be 1 or more")]
    CashStep {
        /// What was given.
        step: Money,
    },
    /// Not within a day.
    #[error("day_start_minutes: {minutes} is not within a day")]
    DayStart {
        /// What was given.
        minutes: u16,
    },
    /// More than all.
    #[error("web_share_ppm: {ppm} is more than all")]
    WebShare {
        /// What was given.
        ppm: u32,
    },
    /// Limits that allow no sale, or a stock below nothing.
    #[error("{field} must be {least} or more")]
    TooSmall {
        /// The setting.
        field: &'static str,
        /// The least it may be.
        least: i64,
    },
    /// A label layout that can't be read.
    #[error("barcodes/{index}: {why}")]
    Barcode {
        /// Which one.
        index: usize,
        /// What is wrong with it.
        why: crate::barcode::BadLayout,
    },
}

impl Settings {
    /// The rules that documents freeze.
    pub fn rules(&self) -> Rules {
        Rules {
            calc: CALC_VERSION,
            settings: self.version,
            currency: self.currency,
            prices_include_tax: self.prices_include_tax,
            rounding: self.rounding,
            tax_policy: self.tax_policy,
            cash_step: self.cash_step,
        }
    }

    /// The rate of a tax category at an instant.
    pub fn tax_at(&self, category: &str, now: UtcMs) -> Option<Tax> {
        rate_at(&self.taxes, category, now)
    }

    /// Whether a store can work with them.
    ///
    /// # Errors
    /// [`BadSettings`], the first that was found.
    pub fn check(&self) -> Result<(), BadSettings> {
        if self.cash_step.0 < 1 {
            return Err(BadSettings::CashStep { step: self.cash_step });
        }
        if self.day_start_minutes >= 24 * 60 {
            return Err(BadSettings::DayStart { minutes: self.day_start_minutes });
        }
        if self.web_share_ppm > 1_000_000 {
            return Err(BadSettings::WebShare { ppm: self.web_share_ppm });
        }
        let least = [
            ("safety_stock", self.safety_stock, 0),
            ("max_quantity", self.max_quantity.0, 1),
            ("max_lines", i64::from(self.max_lines), 1),
            ("card_floor_limit", self.card_floor_limit.0, 0),
        ];
        if let Some((field, _, least)) = least.into_iter().find(|(_, value, least)| value < least) {
            return Err(BadSettings::TooSmall { field, least });
        }
        self.barcodes
            .iter()
            .enumerate()
            .try_for_each(|(index, layout)| layout.check().map_err(|why| BadSettings::Barcode { index, why }))
    }
}
