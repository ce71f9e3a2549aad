//! What a stretch of business days comes to: sums of the stored documents, nothing computed again.

use super::problem::{Answer, Stop};
use crate::db::{Fault, documents, events};
use rusqlite::Connection;
use std::collections::BTreeMap;
use tradepost_commerce::document::{Settlement, TaxGroup, Tender, TenderKind};
use tradepost_commerce::money::Money;
use tradepost_sync::body::{Body, Day};

/// Net, tax and gross of one rate; refunds subtracted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfRate {
    /// Without tax.
    pub net: i64,
    /// The tax.
    pub tax: i64,
    /// With tax.
    pub gross: i64,
}

/// The sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Sales.
    pub sales: u64,
    /// Refunds.
    pub refunds: u64,
    /// Σ totals, before cash rounding, refunds subtracted.
    pub takings: i64,
    /// Cash rounding.
    pub rounding: i64,
    /// By rate in parts per million.
    pub tax: BTreeMap<u32, OfRate>,
    /// Base units by item: sold less come back.
    pub units: BTreeMap<String, i64>,
    /// By kind of tender, change subtracted from cash.
    pub tenders: BTreeMap<String, i64>,
}

/// Sums the documents of the business days `from..=to`.
///
/// # Errors
/// A fault.
pub fn of_days(conn: &Connection, from: Day, to: Day) -> Answer<Totals> {
    let mut totals = Totals::default();
    for place in documents::of_days(conn, from, to)? {
        let event = events::read(conn, place)?.ok_or_else(|| Fault::Fatal(format!("no event at {place}")))?;
        let body = event.body().map_err(|e| Stop::Fault(Fault::Fatal(e.to_string())))?;
        totals.add(&body);
    }
    Ok(totals)
}

impl Totals {
    /// Adds a document; other bodies add nothing.
    pub fn add(&mut self, body: &Body) {
        match body {
            Body::SaleCommitted(sale) => {
                self.sales += 1;
                self.money(&sale.document.outcome.groups, &sale.document.outcome.settlement);
                self.paid(&sale.document.inputs.tenders, sale.document.outcome.settlement.change);
                for line in &sale.document.inputs.lines {
                    let units = line.unit.to_base(line.quantity).map_or(0, |u| u.0);
                    *self.units.entry(line.sku.0.clone()).or_default() += units;
                }
            }
            Body::RefundCommitted(refund) => {
                self.refunds += 1;
                self.money(&refund.document.outcome.groups, &refund.document.outcome.settlement);
                self.paid(&refund.document.inputs.tenders, refund.document.outcome.settlement.change);
                for line in &refund.document.inputs.lines {
                    let units = line.unit.to_base(line.quantity).map_or(0, |u| u.0);
                    *self.units.entry(line.sku.0.clone()).or_default() -= units;
                }
            }
            _ => {}
        }
    }

    fn money(&mut self, groups: &[TaxGroup], settlement: &Settlement) {
        self.takings += settlement.total.0;
        self.rounding += settlement.rounding.0;
        for group in groups {
            let of_rate = self.tax.entry(group.tax.ppm).or_default();
            of_rate.net += group.net.0;
            of_rate.tax += group.amount.0;
            of_rate.gross += group.gross.0;
        }
    }

    fn paid(&mut self, tenders: &[Tender], change: Money) {
        for tender in tenders {
            *self.tenders.entry(kind_name(&tender.kind).to_owned()).or_default() += tender.amount.0;
        }
        if !change.is_zero() {
            *self.tenders.entry("cash".to_owned()).or_default() -= change.0;
        }
    }
}

/// A tender kind's name outside.
pub fn kind_name(kind: &TenderKind) -> &str {
    match kind {
        TenderKind::Cash => "cash",
        TenderKind::Card => "card",
        TenderKind::VietQr => "vietqr",
        TenderKind::BankTransfer => "bank_transfer",
        TenderKind::Voucher => "voucher",
        TenderKind::GiftCard => "gift_card",
        TenderKind::OnAccount => "on_account",
        TenderKind::ForeignCash => "foreign_cash",
        TenderKind::Exchange => "exchange",
        TenderKind::Prepaid => "prepaid",
        TenderKind::Other(_) => "other",
    }
}
