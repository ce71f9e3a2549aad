//! One suite for every engine; one file a theme.

mod customers;
mod engines;
mod fork;
mod ingest;
mod quarantine;
mod recompute;
