//! What the hub does, one file an intention: load, decide, save, in one transaction. Only here is anything written.

pub mod aliases;
pub mod audit;
pub mod batches;
pub mod books;
pub mod catalog;
pub mod custody;
pub mod enrol;
pub mod export;
pub mod fan_out;
pub mod fault;
pub mod grants;
pub mod hub_log;
pub mod ingest;
pub mod nodes;
pub mod openings;
pub mod orders;
pub mod prices;
pub mod products;
pub mod promotions;
pub mod relay;
pub mod review;
pub mod shelf;
pub mod state_hash;
pub mod stock;
pub mod stores;
pub mod totals;

pub use fault::{Code, Fault, FieldFault};

use crate::db::{Db, DbError};
use tradepost_sync::clock::Tau;

/// Hub time's epoch. A new one begins after a restore, which a later step brings.
pub const TAU_EPOCH: u32 = 1;

/// Hub time now.
pub fn hub_time(db: &Db) -> Result<Tau, DbError> {
    Ok(Tau::told(TAU_EPOCH, db.now()?))
}

/// Refuses where a row has changed since it was read.
pub fn must_match(now: u64, expected: u64) -> Result<(), Fault> {
    if now == expected {
        return Ok(());
    }
    Err(Fault::refused(Code::PreconditionFailed, format!("the row is at version {now}, not {expected}")))
}
