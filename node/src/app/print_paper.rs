//! What is printed, from what is stored: receipts, refund slips, X, Z and count sheets in one model, and their bytes for
//! a printer. A paper is made again from its document and the header of its own settings version.

use super::books::{self, Booked};
use super::export::number;
use super::node::Rulebook;
use super::print_letters::draw;
use super::problem::{Answer, Code, no};
use super::shift;
use super::shift_z::z_back;
use super::staff::Rules;
use super::training;
use crate::db::catalog;
use rusqlite::Connection;
use tradepost_commerce::esc_pos::{Job, QR_BYTES_MAX, render as render_esc_pos};
use tradepost_commerce::money::{Currency, Money};
use tradepost_commerce::receipt::{Head, Receipt, of_refund, of_sale};
use tradepost_commerce::settings::Language;
use tradepost_commerce::shift_paper::{drawer_sheet, of_x, of_z};
use tradepost_sync::body::{Body, ReceiptNumber};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Id;

/// A paper, ready to be rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paper {
    /// What it says.
    pub says: Receipt,
    /// The text of the QR code under it.
    pub qr: Option<String>,
}

/// The receipt of a sale, or the slip of a refund.
///
/// # Errors
/// `NOT_FOUND`, or a fault.
pub fn receipt(conn: &Connection, rules: &Rulebook, id: &Id, copy: Option<u32>) -> Answer<Paper> {
    of_booked(conn, rules, &books::find(conn, id)?, copy)
}

/// The same, of a document that was read already.
///
/// # Errors
/// `NOT_FOUND` for an event that holds no sale and no refund; or a fault.
pub fn of_booked(conn: &Connection, rules: &Rulebook, booked: &Booked, copy: Option<u32>) -> Answer<Paper> {
    let (printed, id, receipt) = match &booked.body {
        Body::SaleCommitted(sale) => {
            let head = head(conn, rules, booked, &sale.receipt, sale.document.inputs.rules.settings, copy)?;
            (of_sale(&head, &sale.document), sale.sale_id, &sale.receipt)
        }
        Body::RefundCommitted(refund) => {
            let settings = refund.document.inputs.rules.settings;
            let head = head(conn, rules, booked, &refund.receipt, settings, copy)?;
            (of_refund(&head, &refund.document), refund.refund_id, &refund.receipt)
        }
        _ => return Err(no(Code::NotFound, "it is no sale and no refund")),
    };
    let says = printed.map_err(|e| no(Code::Internal, e.to_string()))?;
    let number = number(&receipt.till, &receipt.series, receipt.n);
    // Nobody shall bring a paper of training back for money.
    let qr = (!training::is_of_training(receipt)).then(|| format!("TP1:{id}:{number}"));
    Ok(Paper { says, qr })
}

fn head(
    conn: &Connection,
    rules: &Rulebook,
    booked: &Booked,
    receipt: &ReceiptNumber,
    settings: u32,
    copy: Option<u32>,
) -> Answer<Head> {
    let printed_by = catalog::settings_of(conn, settings)?.unwrap_or_else(|| rules.settings.clone());
    let envelope = &booked.event.envelope;
    let (mut header, mut footer) = (printed_by.header, printed_by.footer);
    if training::is_of_training(receipt) {
        let banner = training_banner(printed_by.language);
        header.insert(0, banner.to_owned());
        footer.push(banner.to_owned());
    }
    Ok(Head {
        header,
        footer,
        language: printed_by.language,
        number: number(&receipt.till, &receipt.series, receipt.n),
        when: when(rules, envelope.trading),
        till: receipt.till.clone(),
        cashier: envelope.staff.as_ref().map(|s| s.0.clone()),
        copy,
    })
}

/// What stands on both ends of a paper of training.
fn training_banner(language: Language) -> &'static str {
    match language {
        Language::En => "*** TRAINING - NOT A RECEIPT ***",
        Language::Vi => "*** TẬP BÁN - KHÔNG CÓ GIÁ TRỊ (TRAINING) ***",
    }
}

/// Whether a document is one of training.
pub fn is_of_training(booked: &Booked) -> bool {
    matches!(&booked.body, Body::SaleCommitted(sale) if training::is_of_training(&sale.receipt))
}

/// Date and time in the store's own zone.
fn when(rules: &Rulebook, at: UtcMs) -> String {
    let instant = jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    rules.zone.to_datetime(instant).strftime("%Y-%m-%d %H:%M").to_string()
}

/// What a paper of a till says beside its figures.
fn head_of_till(rules: &Rulebook, till: &str, number: String, at: UtcMs) -> Head {
    Head {
        header: rules.settings.header.clone(),
        footer: Vec::new(),
        language: rules.settings.language,
        number,
        when: when(rules, at),
        till: till.to_owned(),
        cashier: None,
        copy: None,
    }
}

/// The X of a till's open shift.
///
/// # Errors
/// `NO_SHIFT`, or a fault.
pub fn x(conn: &Connection, rules: &Rulebook, till: &str, at: UtcMs) -> Answer<Paper> {
    let running = shift::running(conn, till)?;
    let policy = Rules::load(conn)?.policy.closing();
    let head = head_of_till(rules, till, format!("{till}-{}", running.shift.number()), at);
    let says = of_x(&head, &running.shift, policy).map_err(|e| no(Code::Internal, e.to_string()))?;
    Ok(Paper { says, qr: None })
}

/// A Z as it was made.
///
/// # Errors
/// `NOT_FOUND`, or a fault.
pub fn z(conn: &Connection, rules: &Rulebook, till: &str, n: u32, copy: Option<u32>) -> Answer<Paper> {
    of_z_booked(rules, till, &shift::z(conn, till, n)?, copy)
}

/// The same, of a Z that was read already.
///
/// # Errors
/// `NOT_FOUND` for an event that holds none.
pub fn of_z_booked(rules: &Rulebook, till: &str, booked: &Booked, copy: Option<u32>) -> Answer<Paper> {
    let closed = shift::body_of(booked)?;
    let envelope = &booked.event.envelope;
    let mut head = head_of_till(rules, till, format!("{till}-Z{}", closed.z), envelope.trading);
    head.copy = copy;
    head.cashier = envelope.staff.as_ref().map(|who| who.0.clone());
    head.footer = closed
        .fiscal_heads
        .iter()
        .map(|head| format!("{} {} {}", head.series, head.n, &head.hash.to_string()[..16]))
        .collect();
    let mut says = of_z(&head, &z_back(closed)?).map_err(|e| no(Code::Internal, e.to_string()))?;
    says.footer = head.footer;
    Ok(Paper { says, qr: None })
}

/// The sheet that a till's drawer is counted on.
pub fn count_sheet(rules: &Rulebook, till: &str, at: UtcMs) -> Paper {
    let currency = rules.settings.currency;
    let head = head_of_till(rules, till, till.to_owned(), at);
    Paper { says: drawer_sheet(&head, currency, &denominations(currency)), qr: None }
}

/// Notes and coins there are, the largest first: of euro and dong as issued, of others in steps of 1, 2 and 5.
pub fn denominations(currency: Currency) -> Vec<Money> {
    let values: &[i64] = match currency.code() {
        "EUR" => &[50_000, 20_000, 10_000, 5_000, 2_000, 1_000, 500, 200, 100, 50, 20, 10, 5, 2, 1],
        "VND" => &[500_000, 200_000, 100_000, 50_000, 20_000, 10_000, 5_000, 2_000, 1_000, 500, 200],
        _ => &[10_000, 5_000, 2_000, 1_000, 500, 200, 100, 50, 20, 10, 5, 2, 1],
    };
    values.iter().map(|value| Money(*value)).collect()
}

/// A paper as bytes for a printer.
///
/// # Errors
/// `INTERNAL` for a picture that no printer takes.
pub fn bytes(paper: &Paper, columns: usize, kick: bool) -> Answer<Vec<u8>> {
    let qr = paper.qr.clone().filter(|text| text.len() <= QR_BYTES_MAX);
    let job = Job { columns, qr, kick, cut: true };
    render_esc_pos(&paper.says, &job, &draw).map_err(|e| no(Code::Internal, e.to_string()))
}
