//! What commerce promises: every rule and golden vector of `money.md`, and the laws behind them.

mod arithmetic;
mod barcodes;
mod baskets;
mod bytes;
mod cash;
mod discounts;
mod esc_pos;
mod fiscal;
mod golden_day;
mod golden_vectors;
mod promotions;
mod properties;
mod receipts;
mod refund_rights;
mod refunds;
mod shift_papers;
mod shifts;
mod shop;
mod store_day;
mod taxes;
mod tenders;
mod viet_qr;
