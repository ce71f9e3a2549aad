//! HTTP at the node: outside words into `app` calls and back. Loopback by default; nothing here decides.

pub mod answer;
pub mod body;
pub mod carts;
pub mod catalog;
pub mod counts;
pub mod customers;
pub mod deliveries;
pub mod enrolment;
pub mod events;
pub mod exports;
pub mod guard;
pub mod openapi;
pub mod ops;
pub mod page;
pub mod parse;
pub mod products;
pub mod receipts;
pub mod refunds;
pub mod reservations;
pub mod sales;
pub mod serve;
pub mod state;
pub mod stock;
pub mod sync;
pub mod till;
pub mod totals;
pub mod transfers;

pub use state::Shared;
