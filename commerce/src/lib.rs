//! Money, tax, prices, promotions, baskets, checkout, refunds, shifts and what is printed of them.
//!
//! This crate is pure: it knows no clock, no luck, no database and no other crate of the project. The node
//! decides every sale with it, and the hub runs the very same engine again over what was uploaded.
//!
//! The road of a sale: [`basket::Basket`] collects lines, [`checkout::check_out`] judges the promotions, asks
//! for what is missing and calls [`calc::ring_up`], which computes the [`document::SaleOutcome`] from the
//! [`document::SaleInputs`] and nothing else. [`refund::settle_refund`] is the way back. A
//! [`shift::Shift`] sums up the documents of a till's day.

#![deny(clippy::float_arithmetic, clippy::float_cmp)]

pub mod barcode;
pub mod basket;
pub mod calc;
pub mod checkout;
pub mod currency;
pub mod document;
pub mod drawer;
pub mod esc_pos;
pub mod fiscal;
pub mod gtin;
pub mod money;
pub mod names;
pub mod price_book;
pub mod product;
pub mod promotion;
pub mod quantity;
pub mod receipt;
pub mod refund;
pub mod refund_right;
pub mod refusal;
pub mod settings;
pub mod shift;
pub mod shift_paper;
pub mod shift_report;
pub mod tax;
pub mod tender;
pub mod tender_life;
pub mod time;
pub mod viet_qr;

mod discount;
mod receipt_html;
mod receipt_text;
mod width;

pub use calc::{CALC_VERSION, Engine, ring_up, ring_up_with, total_due};
pub use checkout::check_out;
pub use refund::{refund_due, settle_refund, settle_refund_with};
pub use refusal::{RefundRefusal, Refusal};
