//! Effective-dated prices on lists; no job flips them, an instant is simply asked about (`house.md`, a price change).

use crate::document::{CatalogVersion, PriceSource, Sku};
use crate::money::Money;
use crate::time::{UtcMs, in_force};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The store's own list, which every other list falls back to.
pub const DEFAULT_LIST: &str = "";

/// The price of an item on a list from an instant on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PriceEntry {
    /// Code of the list; empty for the store's own.
    #[serde(default)]
    pub list: String,
    /// The item.
    pub sku: Sku,
    /// Price of one pricing unit, in minor units.
    pub price: Money,
    /// First instant it is in force.
    #[serde(default)]
    pub valid_from: UtcMs,
    /// First instant it is not any more; none means until a later entry begins.
    #[serde(default)]
    pub valid_to: Option<UtcMs>,
}

/// The entry of one item and one list that is in force: the one that began last; of equal beginnings the later
/// in order of publication, which is the order they are given in.
pub fn in_force_at<'a>(
    entries: impl IntoIterator<Item = &'a PriceEntry>,
    list: &str,
    now: UtcMs,
) -> Option<&'a PriceEntry> {
    entries
        .into_iter()
        .filter(|entry| entry.list == list && in_force(entry.valid_from, entry.valid_to, now))
        .max_by_key(|entry| entry.valid_from)
}

/// The entry of one item in force on a list, or else on the store's own list.
pub fn choose<'a>(
    entries: impl IntoIterator<Item = &'a PriceEntry> + Clone,
    list: &str,
    now: UtcMs,
) -> Option<&'a PriceEntry> {
    in_force_at(entries.clone(), list, now).or_else(|| in_force_at(entries, DEFAULT_LIST, now))
}

impl PriceEntry {
    /// Where a price read from this entry came from.
    pub fn source(&self, version: CatalogVersion) -> PriceSource {
        PriceSource::List { list: self.list.clone(), version }
    }
}

/// All prices a store has, at one catalog version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceBook {
    version: CatalogVersion,
    entries: BTreeMap<Sku, Vec<PriceEntry>>,
}

impl PriceBook {
    /// A book of entries in order of publication.
    pub fn new(version: CatalogVersion, entries: impl IntoIterator<Item = PriceEntry>) -> PriceBook {
        let mut book = PriceBook { version, entries: BTreeMap::new() };
        entries.into_iter().for_each(|entry| book.add(entry));
        book
    }

    /// The catalog version of the book.
    pub fn version(&self) -> CatalogVersion {
        self.version
    }

    /// Takes a later entry in.
    pub fn add(&mut self, entry: PriceEntry) {
        self.entries.entry(entry.sku.clone()).or_default().push(entry);
    }

    /// The price of an item at an instant, on a list or, where that has none, on the store's own.
    pub fn price_at(&self, list: &str, sku: &Sku, now: UtcMs) -> Option<&PriceEntry> {
        choose(self.entries.get(sku)?, list, now)
    }
}
