//! The links to the hub and to the store's other nodes: connecting, enrolling, and the pump that drives the one sync
//! conversation.

pub mod carrier;
pub mod daemon;
pub mod enrol;
pub mod lan;
pub mod pump;
mod rejoin;
pub mod tls;
