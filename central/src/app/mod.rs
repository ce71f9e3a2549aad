//! What the hub does, one file an intention: load, decide, save, in one transaction. Only here is anything written.

pub mod aliases;
pub mod audit;
pub mod barrier;
pub mod batches;
pub mod books;
pub mod catalog;
pub mod counts;
pub mod custody;
pub mod customers;
pub mod deliveries;
pub mod enrol;
pub mod export;
pub mod exposure;
pub mod fan_out;
pub mod fault;
pub mod fence;
pub mod grants;
pub mod hub_log;
pub mod ingest;
pub mod lend;
pub mod nodes;
pub mod objects;
pub mod openings;
pub mod orders;
pub mod prices;
pub mod products;
pub mod promotions;
pub mod recovery;
pub mod rejoin;
pub mod relay;
pub mod reserve;
pub mod resolve;
pub mod review;
pub mod shelf;
pub mod state_hash;
pub mod stock;
pub mod stores;
pub mod totals;
pub mod transfers;
pub mod waits;

pub use fault::{Code, Fault, FieldFault};

use crate::db::{Db, DbError};
use tradepost_sync::clock::Tau;
use tradepost_sync::ids::Hash;

/// Hub time's epoch. A new one begins after a restore, which a later step brings.
pub const TAU_EPOCH: u32 = 1;

/// Hub time now.
pub fn hub_time(db: &Db) -> Result<Tau, DbError> {
    Ok(Tau::told(TAU_EPOCH, db.now()?))
}

/// The hash by which a repeat of a request is known: over its parsed form (`model.md` §1).
pub fn request_hash<T: serde::Serialize>(request: &T) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key("tradepost hub request v1");
    // Plain values always serialise; if one ever didn't, the request would only be like no other.
    hasher.update(&postcard::to_allocvec(request).unwrap_or_default());
    Hash(*hasher.finalize().as_bytes())
}

/// Refuses where a row has changed since it was read.
pub fn must_match(now: u64, expected: u64) -> Result<(), Fault> {
    if now == expected {
        return Ok(());
    }
    Err(Fault::refused(Code::PreconditionFailed, format!("the row is at version {now}, not {expected}")))
}
