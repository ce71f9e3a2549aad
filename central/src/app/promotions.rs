//! Promotions of the catalog.

use super::products::Written;
use super::{Code, Fault, catalog};
use crate::db::Tx;
use crate::db::products::{self, PromotionRow};
use crate::hub::Hub;
use tradepost_commerce::promotion::{Promotion, makes_sense};
use tradepost_sync::catalog::Change;
use tradepost_sync::clock::UtcMs;

/// A promotion with the version of its row.
#[derive(Clone, Debug)]
pub struct Found {
    /// The promotion.
    pub promotion: Promotion,
    /// Version of its row.
    pub row_version: u64,
}

/// Whether a promotion can be computed.
pub fn check(promotion: &Promotion) -> Result<(), Fault> {
    if promotion.id.is_empty() || promotion.id.chars().count() > 64 {
        return Err(Fault::field("/id", Code::BadValue, "a promotion's code has 1 to 64 characters"));
    }
    if promotion.name.trim().is_empty() {
        return Err(Fault::field("/name", Code::BadValue, "a promotion has a name"));
    }
    if !makes_sense(promotion.rule) {
        return Err(Fault::field("/rule", Code::BadValue, "the rule can't be computed"));
    }
    if promotion.valid_to.is_some_and(|to| to <= promotion.valid_from) {
        return Err(Fault::field("/valid_to", Code::BadValue, "it ends before it begins"));
    }
    Ok(())
}

/// The promotion with a code.
pub fn get(hub: &Hub, id: &str) -> Result<Found, Fault> {
    let row = hub.db.read(|tx| Ok::<_, Fault>(products::promotion(tx, id)?))?;
    found(row.filter(|row| !row.removed).ok_or_else(|| Fault::not_found("promotion", id))?)
}

fn found(row: PromotionRow) -> Result<Found, Fault> {
    let promotion = serde_json::from_str(&row.body).map_err(Fault::internal)?;
    Ok(Found { promotion, row_version: row.row_version })
}

/// Promotions after a code.
pub fn list(hub: &Hub, after: &str, limit: usize) -> Result<Vec<Found>, Fault> {
    hub.db.read(|tx| products::promotions(tx, after, limit)?.into_iter().map(found).collect())
}

/// Puts a promotion in place. `expected` is the row's version that was read; none for a new one.
pub fn put(
    hub: &Hub,
    promotion: &Promotion,
    expected: Option<u64>,
    now: UtcMs,
) -> Result<(Written, Found), Fault> {
    check(promotion)?;
    let written = hub.write(|tx, after| {
        let before = products::promotion(tx, &promotion.id)?.filter(|row| !row.removed);
        match (&before, expected) {
            (Some(row), Some(expected)) => super::must_match(row.row_version, expected)?,
            (None, Some(_)) => {
                return Err(Fault::refused(Code::PreconditionFailed, "the promotion is not there"));
            }
            (Some(_), None) => {
                return Err(Fault::refused(
                    Code::PreconditionRequired,
                    "send the promotion's ETag as If-Match",
                ));
            }
            (None, None) => {}
        }
        let written = save(tx, promotion)?;
        if written != Written::Unchanged {
            let changes = vec![Change::Promotion(promotion.clone())];
            catalog::publish(tx, after, hub, catalog::EVERY_STORE, changes, now)?;
        }
        Ok(written)
    })?;
    Ok((written, get(hub, &promotion.id)?))
}

/// Writes a promotion's row.
pub fn save(tx: &mut Tx<'_>, promotion: &Promotion) -> Result<Written, Fault> {
    let body = serde_json::to_string(promotion).map_err(Fault::internal)?;
    let before = products::promotion(tx, &promotion.id)?;
    let (row_version, written) = match before {
        Some(row) if !row.removed && row.body == body => return Ok(Written::Unchanged),
        Some(row) => (row.row_version + 1, Written::Updated),
        None => (1, Written::Created),
    };
    products::put_promotion(tx, &promotion.id, &PromotionRow { row_version, body, removed: false })?;
    Ok(written)
}

/// Takes a promotion out of the catalog.
pub fn remove(hub: &Hub, id: &str, expected: u64, now: UtcMs) -> Result<(), Fault> {
    hub.write(|tx, after| {
        let row = products::promotion(tx, id)?.filter(|row| !row.removed);
        let row = row.ok_or_else(|| Fault::not_found("promotion", id))?;
        super::must_match(row.row_version, expected)?;
        let gone = PromotionRow { row_version: row.row_version + 1, removed: true, ..row };
        products::put_promotion(tx, id, &gone)?;
        let changes = vec![Change::PromotionRemoved(id.to_owned())];
        catalog::publish(tx, after, hub, catalog::EVERY_STORE, changes, now)?;
        Ok(())
    })
}
