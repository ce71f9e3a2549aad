//! Products of the catalog: one by one with `ETag`s, or imported in bulk.

use super::{Code, Fault, catalog};
use crate::db::catalog::CatalogHead;
use crate::db::products::{self, ProductRow};
use crate::db::{Tx, catalog as stream};
use crate::hub::Hub;
use serde_json::Value as Json;
use tradepost_commerce::document::Sku;
use tradepost_commerce::money::Money;
use tradepost_commerce::product::Product;
use tradepost_sync::catalog::Change;
use tradepost_sync::clock::UtcMs;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A product with the version of its row.
#[derive(Clone, Debug)]
pub struct Found {
    /// The product.
    pub product: Product,
    /// Version of its row.
    pub row_version: u64,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is new.
    Created,
    /// It is other than before.
    Updated,
    /// It was like this before.
    Unchanged,
}

/// Text as search compares it: small letters without marks.
pub fn folded(text: &str) -> String {
    let plain = text.nfd().filter(|c| !is_combining_mark(*c));
    plain.flat_map(char::to_lowercase).map(|c| if c == 'đ' { 'd' } else { c }).collect()
}

/// Reads a product from JSON; every fault names its field.
pub fn read(given: &Json, at: &str) -> Result<Product, Fault> {
    let product: Product = serde_path_to_error::deserialize(given).map_err(|error| {
        let (path, why) = (error.path().to_string(), error.inner().to_string());
        let code = if path.starts_with("gtins") { Code::BadCheckDigit } else { Code::WrongType };
        let path = if path == "." {
            String::new()
        } else {
            format!("/{}", path.replace(['.', '['], "/").replace(']', ""))
        };
        Fault::field(format!("{at}{path}"), code, why)
    })?;
    if let Json::Object(fields) = given
        && let Some(stranger) = fields.keys().find(|key| !FIELDS.contains(&key.as_str()))
    {
        return Err(Fault::field(
            format!("{at}/{stranger}"),
            Code::UnknownField,
            format!("a product has no field {stranger}"),
        ));
    }
    check(&product, at)?;
    Ok(product)
}

const FIELDS: &[&str] = &[
    "sku",
    "name",
    "gtins",
    "plu",
    "unit",
    "tax_category",
    "min_age",
    "policy",
    "weighed",
    "serialised",
    "active",
    "cost",
    "category",
];

pub(super) fn check(product: &Product, at: &str) -> Result<(), Fault> {
    let bad = |field: &str, why: String| Err(Fault::field(format!("{at}/{field}"), Code::BadValue, why));
    if let Err(error) = Sku::parse(&product.sku.0) {
        return bad("sku", error.to_string());
    }
    if product.name.trim().is_empty() || product.name.chars().count() > 200 {
        return bad("name", "a name has 1 to 200 characters".to_owned());
    }
    if product.unit.base_per_unit == 0 {
        return bad("unit/base_per_unit", "a pricing unit holds one base unit or more".to_owned());
    }
    if product.tax_category.is_empty() {
        return bad("tax_category", "a product has a tax category".to_owned());
    }
    if product.cost.is_some_and(|cost| cost < Money::ZERO) {
        return Err(Fault::field(format!("{at}/cost"), Code::BadMoney, "a cost is zero or more"));
    }
    Ok(())
}

/// The product with a SKU.
pub fn get(hub: &Hub, sku: &str) -> Result<Found, Fault> {
    hub.db.read(|tx| find(tx, sku)?.ok_or_else(|| Fault::not_found("product", sku)))
}

/// The product with a SKU, if it is in the catalog.
pub fn find(tx: &mut Tx<'_>, sku: &str) -> Result<Option<Found>, Fault> {
    let row = products::find(tx, sku)?.filter(|row| !row.removed);
    row.map(|row| found(&row)).transpose()
}

fn found(row: &ProductRow) -> Result<Found, Fault> {
    let product = serde_json::from_str(&row.body).map_err(Fault::internal)?;
    Ok(Found { product, row_version: row.row_version })
}

/// Products after a SKU that hold `query` in name, SKU or GTIN.
pub fn list(hub: &Hub, query: &str, after: &str, limit: usize) -> Result<Vec<Found>, Fault> {
    hub.db.read(|tx| products::list(tx, &folded(query), after, limit)?.iter().map(found).collect())
}

/// Puts a product in place. `expected` is the row's version that was read; none for a new one.
pub fn put(
    hub: &Hub,
    product: &Product,
    expected: Option<u64>,
    now: UtcMs,
) -> Result<(Written, Found), Fault> {
    hub.write(|tx, after| {
        let mut head = stream::head_locked(tx)?;
        let before = products::find(tx, &product.sku.0)?.filter(|row| !row.removed);
        match (&before, expected) {
            (Some(row), Some(expected)) => super::must_match(row.row_version, expected)?,
            (None, Some(_)) => {
                return Err(Fault::refused(Code::PreconditionFailed, "the product is not there"));
            }
            (Some(_), None) => {
                return Err(Fault::refused(
                    Code::PreconditionRequired,
                    "send the product's ETag as If-Match",
                ));
            }
            (None, None) => {}
        }
        let written = save(tx, &mut head, product)?;
        if written != Written::Unchanged {
            let changes = vec![Change::Product(product.clone())];
            catalog::next(&mut head, tx, hub, catalog::EVERY_STORE, changes, now)?;
            stream::set_head(tx, &head)?;
            after.poke = true;
        }
        let found = find(tx, &product.sku.0)?.ok_or_else(|| Fault::internal("the product is gone"))?;
        Ok((written, found))
    })
}

/// Writes a product's row. A new one, also one that comes back, takes its number once and for good.
pub(super) fn save(tx: &mut Tx<'_>, head: &mut CatalogHead, product: &Product) -> Result<Written, Fault> {
    let body = serde_json::to_string(product).map_err(Fault::internal)?;
    let before = products::find(tx, &product.sku.0)?;
    if before.as_ref().is_some_and(|row| !row.removed && row.body == body) {
        return Ok(Written::Unchanged);
    }
    let next = head.at.version + 1;
    let (no, row_version, first_version, written) = match &before {
        Some(row) => (row.no, row.row_version + 1, row.first_version, Written::Updated),
        None => {
            head.last_no += 1;
            (head.last_no, 1, next, Written::Created)
        }
    };
    let row = ProductRow { no, row_version, body, removed: false, first_version };
    products::put(tx, &product.sku.0, &row, &search_text(product), &gtins(product))?;
    Ok(written)
}

fn search_text(product: &Product) -> String {
    let gtins = gtins(product).join(" ");
    folded(&format!("{} {} {gtins}", product.name, product.sku))
}

/// A product's trade item numbers as 14 digits.
pub fn gtins(product: &Product) -> Vec<String> {
    product.gtins.iter().map(ToString::to_string).collect()
}

/// Takes a product out of the catalog; documents that name it stay.
pub fn remove(hub: &Hub, sku: &str, expected: u64, now: UtcMs) -> Result<(), Fault> {
    hub.write(|tx, after| {
        let row = products::find(tx, sku)?.filter(|row| !row.removed);
        let row = row.ok_or_else(|| Fault::not_found("product", sku))?;
        super::must_match(row.row_version, expected)?;
        let gone = ProductRow { row_version: row.row_version + 1, removed: true, ..row };
        products::put(tx, sku, &gone, "", &[])?;
        let changes = vec![Change::ProductRemoved(Sku(sku.to_owned()))];
        catalog::publish(tx, after, hub, catalog::EVERY_STORE, changes, now)?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vietnamese_is_found_without_its_marks() {
        assert_eq!(folded("Đường Sữa Tươi"), "duong sua tuoi");
    }

    #[test]
    fn a_product_with_a_stranger_field_is_refused_by_its_name() {
        let given = serde_json::json!({"sku": "A", "name": "a", "tax_category": "standard", "colour": "red"});
        let Err(Fault::Refused { fields, .. }) = read(&given, "") else { panic!("taken") };
        assert_eq!((fields[0].pointer.as_str(), fields[0].code), ("/colour", Code::UnknownField));
    }
}
