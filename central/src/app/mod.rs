//! What the hub does, one file an intention: load, decide, save, in one transaction. Only here is anything written.

pub mod accounts;
pub mod aliases;
pub mod audit;
pub mod barrier;
pub mod batches;
pub mod books;
pub mod burns;
pub mod carts;
pub mod catalog;
pub mod checkout;
pub mod counts;
pub mod coupons;
pub mod custody;
pub mod customers;
pub mod days;
pub mod deliveries;
pub mod enrol;
pub mod export;
pub mod exposure;
pub mod fan_out;
pub mod fault;
pub mod fence;
pub mod figures;
pub mod grants;
pub mod hub_log;
pub mod hub_status;
pub mod import;
pub mod ingest;
pub mod lease;
pub mod lend;
pub mod nodes;
pub mod objects;
pub mod openings;
pub mod orders;
pub mod payments;
pub mod pools;
pub mod prices;
pub mod products;
pub mod promotions;
pub mod recovering;
pub mod recovery;
pub mod rejoin;
pub mod relay;
pub mod relive;
pub mod reserve;
pub mod resolve;
pub mod retire;
pub mod review;
pub mod said;
pub mod shelf;
pub mod shifts;
pub mod shop_table;
pub mod staff;
pub mod state_hash;
pub mod stock;
mod stock_fan_out;
pub mod stored;
pub mod stores;
pub mod takeover;
pub mod totals;
pub mod transfers;
pub mod waits;
pub mod web_fan_out;

pub use fault::{Code, Fault, FieldFault};

use crate::db::{Db, DbError, Tx, stores as rows};
use tradepost_sync::clock::{Tau, UtcMs};
use tradepost_sync::ids::Hash;

/// The first epoch of hub time. A new one begins whenever the database was put back ([`epoch`]).
pub const TAU_EPOCH: u32 = 1;

/// Under this name the database keeps the epoch.
pub(crate) const EPOCH: &str = "hub_epoch";

/// Hub time's epoch (`model.md` §1): times of different epochs don't compare.
pub fn epoch(tx: &mut Tx<'_>) -> Result<u32, DbError> {
    match rows::meta(tx, EPOCH)? {
        Some(text) => text.parse().map_err(|_| DbError::Shape(format!("the epoch is {text}"))),
        None => Ok(TAU_EPOCH),
    }
}

/// Hub time at `now`, in milliseconds of the database's clock.
pub fn tau(tx: &mut Tx<'_>, now: UtcMs) -> Result<Tau, DbError> {
    Ok(Tau::told(epoch(tx)?, now))
}

/// Hub time now.
pub fn hub_time(db: &Db) -> Result<Tau, DbError> {
    let epoch = db.read(epoch)?;
    Ok(Tau::told(epoch, db.now()?))
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
