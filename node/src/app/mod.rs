//! What the node can be asked to do, one file an intention: load, decide, save in one transaction (`house.md`).
//!
//! Synchronous; clocks and randomness come in as arguments. The only writer of the database.

pub mod acquire;
pub mod adjust;
pub mod audit;
pub mod barrier;
pub mod books;
pub mod carts;
pub mod catalog;
pub mod checkout;
pub mod clock;
pub mod count;
pub mod custody;
pub mod customers;
pub mod enrol;
pub mod export;
pub mod frozen;
pub mod import;
pub mod join;
pub mod lend;
pub mod lookup;
pub mod node;
pub mod picture;
pub mod problem;
pub mod receive;
pub mod refund;
pub mod rejoin;
pub mod request;
pub mod reservation;
pub mod sell;
pub mod shelf;
pub mod start;
pub mod state_hash;
pub mod status;
pub mod stretch;
pub mod totals;
pub mod transfer;

pub use node::Node;
pub use problem::{Answer, Code, Problem, Stop};
