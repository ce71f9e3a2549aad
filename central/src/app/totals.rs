//! What a store's documents add up to: the same figures as the node's (I13).

use super::{Fault, stores};
use crate::db::orders::{self, Days};
use crate::hub::Hub;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// One tax rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct TaxTotal {
    /// Without tax.
    pub net: i64,
    /// The tax.
    pub tax: i64,
    /// Both.
    pub gross: i64,
}

/// What documents add up to. Money in minor units, refunds subtracted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Totals {
    /// Sales, counted.
    pub sales: i64,
    /// Refunds, counted.
    pub refunds: i64,
    /// Σ totals, before cash rounding.
    pub takings: i64,
    /// Σ cash rounding.
    pub rounding: i64,
    /// By rate in parts per million.
    pub tax: BTreeMap<String, TaxTotal>,
    /// Base units by item: sold less those that came back.
    pub units: BTreeMap<String, i64>,
    /// What was kept by kind of tender: cash is what was handed over less the change.
    pub tenders: BTreeMap<String, i64>,
    /// Sales and refunds, counted.
    pub documents: i64,
}

/// Totals of a store over business days, both included.
pub fn totals(hub: &Hub, store: &str, days: Days) -> Result<Totals, Fault> {
    hub.db.read(|tx| {
        let store = stores::find(tx, store)?.no;
        let mut totals = Totals::default();
        let mut change = 0;
        for sums in orders::sums(tx, store, days)? {
            let counted = if sums.kind == "sale" { &mut totals.sales } else { &mut totals.refunds };
            *counted += sums.documents;
            totals.documents += sums.documents;
            totals.takings += sums.total;
            totals.rounding += sums.rounding;
            change += sums.change;
        }
        for (ppm, net, tax) in orders::taxes(tx, store, days)? {
            totals.tax.insert(ppm.to_string(), TaxTotal { net, tax, gross: net + tax });
        }
        totals.units = orders::units(tx, store, days)?.into_iter().collect();
        totals.tenders = orders::tenders(tx, store, days)?.into_iter().collect();
        if change != 0 {
            *totals.tenders.entry("cash".to_owned()).or_default() -= change;
        }
        totals.tenders.retain(|_, amount| *amount != 0);
        Ok(totals)
    })
}
