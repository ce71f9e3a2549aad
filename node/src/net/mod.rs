//! The link to the hub: connecting, enrolling, and the pump that drives the one sync conversation.

pub mod daemon;
pub mod enrol;
pub mod pump;
pub mod tls;
