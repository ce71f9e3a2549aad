//! Quantities: documents count in thousandths of the pricing unit, stock in base units (`money.md` rule 2).

use serde::{Deserialize, Serialize};
use std::fmt;

/// A document quantity in thousandths of the pricing unit: 2 pieces are 2,000; 346 g at a price per kg are 346.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quantity(pub i64);

/// A stock quantity in base units (pieces, grams).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Units(pub i64);

/// What an item is priced by, and the one conversion to what stock counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Unit {
    /// What is counted on the shelf.
    pub base: BaseUnit,
    /// Base units in one pricing unit: 1 for pieces, 1,000 for a price per kg counted in grams.
    pub base_per_unit: u32,
}

/// What stock is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BaseUnit {
    /// Whole pieces.
    Piece,
    /// Grams.
    Gram,
    /// Millilitres.
    Millilitre,
    /// Millimetres.
    Millimetre,
}

/// Thousandths in one pricing unit.
pub const THOUSAND: i64 = 1_000;

/// A quantity that can't be what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadQuantity {
    /// Not a whole number of base units (half a piece, a tenth of a gram), or of thousandths on the way back.
    #[error("{quantity} thousandths of a unit of {base_per_unit} are not whole")]
    NotWhole {
        /// What was asked, in the units it was asked in.
        quantity: i64,
        /// Base units in one pricing unit.
        base_per_unit: u32,
    },
    /// Out of range.
    #[error("{quantity} is too large to be counted")]
    TooLarge {
        /// What was asked.
        quantity: i64,
    },
    /// A pricing unit of no base units.
    #[error("the item's unit holds nothing")]
    EmptyUnit,
}

impl Unit {
    /// Sold and counted by the piece.
    pub fn piece() -> Unit {
        Unit { base: BaseUnit::Piece, base_per_unit: 1 }
    }

    /// Priced per kilogram, counted in grams.
    pub fn kilogram() -> Unit {
        Unit { base: BaseUnit::Gram, base_per_unit: 1_000 }
    }

    /// Priced per litre, counted in millilitres.
    pub fn litre() -> Unit {
        Unit { base: BaseUnit::Millilitre, base_per_unit: 1_000 }
    }

    /// Priced per metre, counted in millimetres.
    pub fn metre() -> Unit {
        Unit { base: BaseUnit::Millimetre, base_per_unit: 1_000 }
    }

    /// What a document quantity takes from the shelf, exactly (`money.md` rule 2).
    ///
    /// # Errors
    /// [`BadQuantity`] when it is not a whole number of base units or out of range.
    pub fn to_base(&self, quantity: Quantity) -> Result<Units, BadQuantity> {
        let scaled = i128::from(quantity.0) * i128::from(self.base_per_unit);
        if self.base_per_unit == 0 {
            return Err(BadQuantity::EmptyUnit);
        }
        if scaled % i128::from(THOUSAND) != 0 {
            return Err(BadQuantity::NotWhole { quantity: quantity.0, base_per_unit: self.base_per_unit });
        }
        i64::try_from(scaled / i128::from(THOUSAND))
            .map(Units)
            .map_err(|_| BadQuantity::TooLarge { quantity: quantity.0 })
    }

    /// The document quantity of so many base units, exactly.
    ///
    /// # Errors
    /// [`BadQuantity`] when thousandths can't hold it (1 piece of a pack of 7) or it is out of range.
    pub fn from_base(&self, units: Units) -> Result<Quantity, BadQuantity> {
        let scaled = i128::from(units.0) * i128::from(THOUSAND);
        let per_unit = i128::from(self.base_per_unit);
        if per_unit == 0 {
            return Err(BadQuantity::EmptyUnit);
        }
        if scaled % per_unit != 0 {
            return Err(BadQuantity::NotWhole { quantity: units.0, base_per_unit: self.base_per_unit });
        }
        i64::try_from(scaled / per_unit)
            .map(Quantity)
            .map_err(|_| BadQuantity::TooLarge { quantity: units.0 })
    }

    /// The sign of the pricing unit as printed: nothing for pieces, `kg`, `l`, `m`, or base units (`500 g`).
    pub fn sign(&self) -> String {
        let (small, large) = match self.base {
            BaseUnit::Piece => ("", ""),
            BaseUnit::Gram => ("g", "kg"),
            BaseUnit::Millilitre => ("ml", "l"),
            BaseUnit::Millimetre => ("mm", "m"),
        };
        match (self.base, self.base_per_unit) {
            (BaseUnit::Piece, _) => String::new(),
            (_, 1_000) => large.to_owned(),
            (_, 1) => small.to_owned(),
            (_, n) => format!("{n} {small}"),
        }
    }
}

impl Quantity {
    /// `n` whole pricing units.
    ///
    /// # Errors
    /// [`BadQuantity::TooLarge`].
    pub fn whole(n: i64) -> Result<Quantity, BadQuantity> {
        n.checked_mul(THOUSAND).map(Quantity).ok_or(BadQuantity::TooLarge { quantity: n })
    }

    /// Plain decimal text without trailing zeros: `2`, `0.346`.
    pub fn text(self) -> String {
        let text = crate::money::plain(self.0, 3);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// The decimal number of pricing units, as [`Quantity::text`].
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// The number of base units.
impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
