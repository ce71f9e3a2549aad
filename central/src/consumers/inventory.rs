//! The stock picture that people look at: a default record per store for each product, and what has moved.

use super::{Record, Trouble};
use crate::db::{DbError, Tx, stores};
use crate::values;
use tradepost_proto::{catalog, inventory};

pub(super) fn apply(tx: &mut Tx<'_>, record: &Record) -> Result<(), Trouble> {
    match record.name() {
        "product.created" => {
            let product: catalog::v1::ProductChanged = record.message()?;
            for store in stores::all(tx)? {
                add(tx, &store.code, &product.sku, 0, 0, record.time)?;
            }
        }
        "stock.moved" => {
            let moved: inventory::v1::StockMoved = record.message()?;
            let sold = match moved.kind.as_str() {
                "sale" | "pick_up" | "return" => moved.units.saturating_neg(),
                _ => 0,
            };
            add(tx, &moved.store, &moved.sku, moved.units, sold, record.time)?;
        }
        _ => {}
    }
    Ok(())
}

fn add(tx: &mut Tx<'_>, store: &str, sku: &str, units: i64, sold: i64, at: i64) -> Result<(), DbError> {
    let sql = "INSERT INTO inventory_items (store, sku, on_hand, sold, moved_at) VALUES (?1, ?2, ?3, ?4, ?5) \
        ON CONFLICT (store, sku) DO UPDATE SET on_hand = inventory_items.on_hand + excluded.on_hand, \
        sold = inventory_items.sold + excluded.sold, \
        moved_at = CASE WHEN excluded.moved_at > inventory_items.moved_at THEN excluded.moved_at \
        ELSE inventory_items.moved_at END";
    tx.execute(sql, values![store, sku, units, sold, at]).map(|_| ())
}
