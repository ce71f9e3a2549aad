//! One suite for every engine; one file a theme.

mod burns;
mod checkout;
mod consumers;
mod customers;
mod engines;
mod fork;
mod ingest;
mod quarantine;
mod recompute;
mod takeover;
