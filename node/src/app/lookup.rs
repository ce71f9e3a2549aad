//! What a scanned or typed code means in this store.

use super::problem::{Answer, Code, no_at};
use crate::db::catalog::{self, Item};
use rusqlite::Connection;
use tradepost_commerce::barcode::{BadCode, Content, Label, Scan, read_code};
use tradepost_commerce::basket::Wanted;
use tradepost_commerce::document::Sku;
use tradepost_commerce::gtin::Gtin;
use tradepost_commerce::money::Money;
use tradepost_commerce::settings::Settings;

/// How a code was understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matched {
    /// A trade item number.
    Gtin,
    /// A PLU.
    Plu,
    /// A label that carries a weight.
    WeightLabel,
    /// A label that carries a price.
    PriceLabel,
    /// The item's own code.
    Sku,
}

/// What a code named.
#[derive(Clone, Debug)]
pub struct Found {
    /// How it was understood.
    pub matched: Matched,
    /// The item.
    pub item: Item,
    /// What a label says about how much.
    pub wanted: Option<Wanted>,
}

/// Looks a code up: the store's own codes first, then trade items, labels and PLUs.
///
/// # Errors
/// `UNKNOWN_BARCODE`, `BAD_CHECK_DIGIT`, `BAD_CODE`, pointing at `/code`; or a fault.
pub fn scan(conn: &Connection, settings: &Settings, code: &str) -> Answer<Found> {
    let code = code.trim();
    if let Some(item) = by_own_code(conn, code)? {
        return Ok(Found { matched: Matched::Sku, item, wanted: None });
    }
    let found = match read_code(code, &settings.barcodes).map_err(unreadable)? {
        Scan::Item(gtin) => by_gtin(conn, gtin)?.map(|item| (Matched::Gtin, item, None)),
        Scan::Label(label) => by_label(conn, label)?,
        Scan::Plu(plu) => by_plu(conn, plu)?.map(|item| (Matched::Plu, item, None)),
        Scan::Text(_) => None,
    };
    match found {
        Some((matched, item, wanted)) => Ok(Found { matched, item, wanted }),
        None => Err(no_at(Code::UnknownBarcode, "/code", format!("no item has the code {code}"))),
    }
}

fn unreadable(bad: BadCode) -> super::Stop {
    let code = match &bad {
        BadCode::Gtin(_) if bad.code() == "BAD_CHECK_DIGIT" => Code::BadCheckDigit,
        BadCode::Verifier { .. } => Code::BadCheckDigit,
        _ => Code::BadCode,
    };
    no_at(code, "/code", bad.to_string())
}

fn by_own_code(conn: &Connection, code: &str) -> Answer<Option<Item>> {
    Ok(match Sku::parse(code) {
        Ok(sku) => catalog::by_sku(conn, &sku)?,
        Err(_) => None,
    })
}

/// A number that an item once had and has no more is no match.
fn by_gtin(conn: &Connection, gtin: Gtin) -> Answer<Option<Item>> {
    let items = catalog::by_gtin(conn, gtin)?;
    Ok(best(items.into_iter().filter(|item| item.product.gtins.contains(&gtin))))
}

fn by_plu(conn: &Connection, plu: u32) -> Answer<Option<Item>> {
    Ok(best(catalog::by_plu(conn, plu)?))
}

/// Of several items with one number, one that is in the range.
fn best(items: impl IntoIterator<Item = Item>) -> Option<Item> {
    items.into_iter().max_by_key(|item| (item.product.active, -item.sku_no))
}

fn by_label(conn: &Connection, label: Label) -> Answer<Option<(Matched, Item, Option<Wanted>)>> {
    let Some(item) = by_plu(conn, label.plu)? else { return Ok(None) };
    Ok(Some(match label.content {
        Content::Quantity(units) => {
            let quantity = item.product.unit.from_base(units);
            let quantity = quantity.map_err(|e| no_at(Code::BadQuantity, "/code", e.to_string()))?;
            (Matched::WeightLabel, item, Some(Wanted::Quantity(quantity)))
        }
        Content::Amount(amount) => (Matched::PriceLabel, item, Some(Wanted::LabelAmount(amount))),
    }))
}

impl Found {
    /// The amount on a price label.
    pub fn label_amount(&self) -> Option<Money> {
        match self.wanted {
            Some(Wanted::LabelAmount(amount)) => Some(amount),
            _ => None,
        }
    }
}
