//! One suite for every engine; one file a theme.

mod customers;
mod engines;
mod ingest;
mod recompute;
