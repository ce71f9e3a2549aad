//! What the node can be asked to do, one file an intention: load, decide, save in one transaction (`house.md`).
//!
//! Synchronous; clocks and randomness come in as arguments. The only writer of the database.

pub mod adjust;
pub mod audit;
pub mod books;
pub mod carts;
pub mod catalog;
pub mod checkout;
pub mod clock;
pub mod customers;
pub mod enrol;
pub mod export;
pub mod import;
pub mod join;
pub mod lookup;
pub mod node;
pub mod problem;
pub mod receive;
pub mod refund;
pub mod request;
pub mod sell;
pub mod shelf;
pub mod start;
pub mod state_hash;
pub mod status;
pub mod stretch;
pub mod totals;

pub use node::Node;
pub use problem::{Answer, Code, Problem, Stop};
