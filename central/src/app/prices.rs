//! Effective-dated prices: published ahead, in force by themselves.

use super::{Code, Fault, FieldFault, catalog, stores};
use crate::db::catalog as stream;
use crate::db::products::{self, PriceRow};
use crate::hub::Hub;
use tradepost_commerce::document::CatalogVersion;
use tradepost_commerce::money::Money;
use tradepost_commerce::price_book::PriceEntry;
use tradepost_sync::catalog::Change;
use tradepost_sync::clock::UtcMs;

/// A price and the store it is for; none for every store.
#[derive(Clone, Debug)]
pub struct NewPrice {
    /// The store's code.
    pub store: Option<String>,
    /// The price.
    pub entry: PriceEntry,
}

/// Publishes prices: all or none; those of one store (or of every store) together as one version.
pub fn publish(hub: &Hub, prices: &[NewPrice], now: UtcMs) -> Result<CatalogVersion, Fault> {
    if prices.is_empty() {
        return Err(Fault::field("/entries", Code::BadValue, "there is no price"));
    }
    hub.write(|tx, after| {
        let mut head = stream::head_locked(tx)?;
        let mut per_store: std::collections::BTreeMap<i64, Vec<&PriceEntry>> =
            std::collections::BTreeMap::new();
        let mut faults = Vec::new();
        for (at, price) in prices.iter().enumerate() {
            if let Some(fault) = wrong_with(tx, at, &price.entry)? {
                faults.push(fault);
                continue;
            }
            let store = match &price.store {
                Some(code) => stores::find(tx, code)?.no,
                None => catalog::EVERY_STORE,
            };
            per_store.entry(store).or_default().push(&price.entry);
        }
        refuse_if_any(faults)?;
        for (store, entries) in per_store {
            for chunk in entries.chunks(catalog::CHANGES_MAX) {
                for entry in chunk {
                    products::add_price(tx, store, entry, head.at.version + 1)?;
                }
                let changes = chunk.iter().map(|entry| Change::Price((*entry).clone())).collect();
                catalog::next(&mut head, tx, hub, store, changes, now)?;
            }
        }
        stream::set_head(tx, &head)?;
        after.poke = true;
        Ok(head.at)
    })
}

fn wrong_with(
    tx: &mut crate::db::Tx<'_>,
    at: usize,
    entry: &PriceEntry,
) -> Result<Option<FieldFault>, Fault> {
    let fault = |field: &str, code, detail: String| {
        Ok(Some(FieldFault { pointer: format!("/entries/{at}/{field}"), code, detail }))
    };
    if entry.price < Money::ZERO {
        return fault("price", Code::BadMoney, format!("{} is below zero", entry.price));
    }
    if entry.valid_to.is_some_and(|to| to <= entry.valid_from) {
        return fault("valid_to", Code::BadValue, "it ends before it begins".to_owned());
    }
    if products::find(tx, &entry.sku.0)?.is_none_or(|row| row.removed) {
        return fault("sku", Code::UnknownSku, format!("the catalog has no item {}", entry.sku));
    }
    Ok(None)
}

fn refuse_if_any(fields: Vec<FieldFault>) -> Result<(), Fault> {
    match fields.first() {
        None => Ok(()),
        Some(first) => {
            let (code, detail) = (first.code, first.detail.clone());
            Err(Fault::Refused { code, detail, fields })
        }
    }
}

/// Prices in order of publication.
pub fn list(hub: &Hub, sku: Option<&str>, after: i64, limit: usize) -> Result<Vec<PriceRow>, Fault> {
    hub.db.read(|tx| Ok(products::prices(tx, sku, after, limit)?))
}
