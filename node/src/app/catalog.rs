//! Changing the catalog: by the store itself before enrolment, by the hub's stream after it.

use super::node::Node;
use super::problem::{Answer, Code, Stop, no, no_at};
use super::published;
use crate::db::{Fault, catalog, catalog_entries, customers, meta, search};
use rusqlite::Connection;
use tradepost_commerce::document::{CatalogVersion, Sku};
use tradepost_commerce::price_book::PriceEntry;
use tradepost_commerce::product::Product;
use tradepost_commerce::settings::Settings;
use tradepost_sync::catalog::{Change, Entry, Fit, SealedEntry, fit};

/// Bytes of sealed entries in one frame.
const BYTES_MAX: usize = 1 << 20;

/// A change by the store itself: the next version of its own catalog.
///
/// # Errors
/// `ENROLLED_CATALOG` once the hub keeps it; or a fault.
pub fn change(node: &mut Node, changes: &[Change]) -> Answer<CatalogVersion> {
    if node.me.enrolled {
        return Err(no(Code::EnrolledCatalog, "the hub keeps this store's catalog"));
    }
    let before = node.rulebook.catalog;
    let at = CatalogVersion { epoch: before.epoch, version: before.version + 1 };
    apply(node, at, changes)?;
    Ok(at)
}

/// Writes a product of the store's own catalog.
///
/// # Errors
/// As [`change`]; `WRONG_TYPE` where its code isn't the one it is put under.
pub fn put_product(node: &mut Node, sku: &Sku, product: Product) -> Answer<()> {
    if product.sku != *sku {
        return Err(no_at(Code::WrongType, "/sku", "the code is another one than in the address"));
    }
    change(node, &[Change::Product(product)]).map(|_| ())
}

/// Publishes a price of the store's own catalog.
///
/// # Errors
/// As [`change`]; `BAD_MONEY`, `UNKNOWN_SKU`.
pub fn put_price(node: &mut Node, entry: PriceEntry) -> Answer<()> {
    if entry.price.0 < 0 {
        return Err(no_at(Code::BadMoney, "/price", "a price below nothing"));
    }
    node.item(&entry.sku)?;
    change(node, &[Change::Price(entry)]).map(|_| ())
}

/// Publishes the store's own settings.
///
/// # Errors
/// As [`change`]; `WRONG_TYPE` where a store could not work with them.
pub fn put_settings(node: &mut Node, settings: Settings) -> Answer<()> {
    settings.check().map_err(|bad| no(Code::WrongType, bad.to_string()))?;
    let version = node.rulebook.settings.version + 1;
    change(node, &[Change::Settings(Settings { version, ..settings })]).map(|_| ())
}

/// Applies entries of the hub's stream in order, each the next one; answers the version held then.
///
/// # Errors
/// A fault. An entry that doesn't fit or isn't the hub's ends it: what was applied before it stays.
pub fn apply_sealed(node: &mut Node, entries: &[SealedEntry]) -> Answer<CatalogVersion> {
    let Some(key) = hub_key(node)? else { return Ok(node.rulebook.catalog) };
    for sealed in entries {
        let held = node.rulebook.catalog;
        match fit(held, sealed.at) {
            Fit::Known => continue,
            Fit::Gap => break,
            Fit::Next => {}
            Fit::Replace => {
                catalog::clear(node.conn())?;
                catalog_entries::clear(node.conn())?;
            }
        }
        match sealed.open(&key) {
            Ok(entry) => {
                catalog_entries::put(node.conn(), sealed)?;
                apply_entry(node, &entry)?;
            }
            Err(error) => {
                tracing::error!(%error, at = ?sealed.at, "a catalog entry was refused");
                break;
            }
        }
    }
    Ok(node.rulebook.catalog)
}

/// Entries after `after` as the hub sealed them, in order and without a gap; nothing where the next one isn't held so.
///
/// # Errors
/// A fault.
pub fn sealed_after(conn: &Connection, after: CatalogVersion, max: usize) -> Result<Vec<SealedEntry>, Fault> {
    let mut found = Vec::new();
    let (mut at, mut bytes) = (after, 0);
    for entry in catalog_entries::after(conn, after, max)? {
        bytes += entry.bytes.len();
        let full = bytes > BYTES_MAX && !found.is_empty();
        if full || !matches!(fit(at, entry.at), Fit::Next | Fit::Replace) {
            break;
        }
        at = entry.at;
        found.push(entry);
    }
    Ok(found)
}

fn hub_key(node: &Node) -> Result<Option<[u8; 32]>, Fault> {
    Ok(meta::get::<super::enrol::Hub>(node.conn(), "hub")?.map(|hub| hub.key))
}

fn apply_entry(node: &mut Node, entry: &Entry) -> Answer<()> {
    apply(node, entry.at, &entry.changes)
}

fn apply(node: &mut Node, at: CatalogVersion, changes: &[Change]) -> Answer<()> {
    for change in changes {
        apply_one(node, at, change)?;
    }
    meta::set(node.conn(), "catalog", &at)?;
    if changes.iter().any(|change| matches!(change, Change::Staff(_) | Change::Policy(_))) {
        node.forget_desks();
    }
    Ok(node.catalog_changed()?)
}

fn apply_one(node: &Node, at: CatalogVersion, change: &Change) -> Result<(), Stop> {
    let conn = node.conn();
    match change {
        Change::Product(product) => put(node, product)?,
        Change::ProductRemoved(sku) => {
            // Its number in the stream stays taken, and documents go on to name it.
            if let Some(item) = catalog::by_sku(conn, sku)? {
                put(node, &Product { active: false, ..item.product })?;
            }
        }
        Change::Price(entry) => catalog::put_price(conn, entry, at)?,
        Change::Promotion(promotion) => catalog::put_promotion(conn, promotion)?,
        Change::PromotionRemoved(id) => catalog::remove_promotion(conn, id)?,
        Change::Settings(settings) => catalog::put_settings(conn, settings)?,
        Change::Alias { from, to } => catalog::put_alias(conn, from, to)?,
        Change::CustomerList { customer, list } => customers::set_list(conn, customer, list)?,
        Change::Staff(record) => published::staff(conn, record)?,
        Change::Policy(policy) => published::policy(conn, policy)?,
    }
    Ok(())
}

fn put(node: &Node, product: &Product) -> Result<(), Fault> {
    let conn = node.conn();
    let is_new = catalog::by_sku(conn, &product.sku)?.is_none();
    let item = catalog::put_product(conn, product)?;
    search::put(conn, &item, is_new)
}
