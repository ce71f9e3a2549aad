//! Products: what the catalog says about an item, whatever it costs at the moment.

use crate::document::Sku;
use crate::gtin::Gtin;
use crate::money::Money;
use crate::quantity::Unit;
use serde::{Deserialize, Serialize};

/// What a store does when the goods in hand and the books disagree (`model.md` §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StockPolicy {
    /// Sold only within the rights that are held; never oversold.
    Strict,
    /// What the customer holds in hand is there: it is sold, and what the books lack is overdraw. The default.
    #[default]
    InHand,
    /// Sold beyond the rights when somebody allows it.
    Override,
}

/// An item of the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Product {
    /// Its code.
    pub sku: Sku,
    /// Its name as printed.
    pub name: String,
    /// Its trade item numbers, normalised to 14 digits.
    #[serde(default)]
    pub gtins: Vec<Gtin>,
    /// The number on scale labels, or that a cashier types.
    #[serde(default)]
    pub plu: Option<u32>,
    /// What it is priced by and counted in.
    #[serde(default = "Unit::piece")]
    pub unit: Unit,
    /// Code of its tax category.
    pub tax_category: String,
    /// Years a customer must have.
    #[serde(default)]
    pub min_age: Option<u8>,
    /// How stock binds its sale.
    #[serde(default)]
    pub policy: StockPolicy,
    /// Whether it is weighed or measured at the sale.
    #[serde(default)]
    pub weighed: bool,
    /// Whether every piece is sold with its serial number.
    #[serde(default)]
    pub serialised: bool,
    /// Whether it is in the range; what is not can't be sold.
    #[serde(default = "yes")]
    pub active: bool,
    /// What one pricing unit costs the store.
    #[serde(default)]
    pub cost: Option<Money>,
    /// Where it stands in the range, e.g. `drinks/beer`.
    #[serde(default)]
    pub category: String,
}

fn yes() -> bool {
    true
}
