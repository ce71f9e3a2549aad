//! Identity, the log, stock rights, custody, the frontier and the sync session.
//!
//! This crate is pure: no sockets, no database, no clock and no luck of its own. It knows `commerce` (whose
//! documents its events hold) and nothing else of the project. The rules are those of the design note
//! `model.md`; its section numbers are named where a rule has one.

pub mod amnesia;
pub mod barrier;
pub mod body;
pub mod burn;
pub mod cart;
pub mod catalog;
pub mod clock;
pub mod count;
pub mod cover;
pub mod custody;
pub mod effects;
pub mod event;
pub mod fence;
pub mod fork;
pub mod frontier;
pub mod ids;
pub mod lease;
pub mod limits;
pub mod promise;
pub mod recovery;
pub mod replica;
pub mod rights;
pub mod session;
pub mod signing;
pub mod staff;
pub mod state_hash;
pub mod terms;
pub mod transit;
pub mod wire;
