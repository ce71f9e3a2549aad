//! The index of products: the newest state of each, whatever the order of arrival.

use super::{Record, Trouble};
use crate::app::products::folded;
use crate::db::Tx;
use crate::values;
use tradepost_proto::catalog;

pub(super) fn apply(tx: &mut Tx<'_>, record: &Record) -> Result<(), Trouble> {
    if !matches!(record.name(), "product.created" | "product.updated") {
        return Ok(());
    }
    let product: catalog::v1::ProductChanged = record.message()?;
    // A product that is gone stays as a row that isn't found, so that an older state can't bring it back.
    let active = product.active && !product.removed;
    let sql = "INSERT INTO search_products (sku, name, folded, gtins, category, active, epoch, version) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (sku) DO UPDATE SET name = excluded.name, \
        folded = excluded.folded, gtins = excluded.gtins, category = excluded.category, active = excluded.active, \
        epoch = excluded.epoch, version = excluded.version \
        WHERE excluded.epoch > search_products.epoch \
        OR (excluded.epoch = search_products.epoch AND excluded.version >= search_products.version)";
    let text = folded(&format!("{} {}", product.name, product.sku));
    let gtins = product.gtins.join(" ");
    let given = values![
        &product.sku,
        &product.name,
        &text,
        &gtins,
        &product.category,
        active,
        product.epoch,
        product.version
    ];
    tx.execute(sql, given)?;
    Ok(())
}
