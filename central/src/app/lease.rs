//! Leases as the hub gives them (`model.md` §3.1): to whoever asks with a nonce, and only to a live member.
//!
//! The wait behind a fence counts from the last lease, so it begins anew in the transaction before the lease leaves.

use super::{Fault, recovering, tau, waits};
use crate::db::authors::{self, Role, State};
use crate::hub::Hub;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::lease::{Lease, LeaseAsk, SealedLease};

/// Gives a lease to a node of a store. None where its incarnation is no live member there (unknown, fenced, retired,
/// quarantined), or while the hub recovers.
pub fn give(hub: &Hub, store: i64, ask: &LeaseAsk, now: UtcMs) -> Result<Option<SealedLease>, Fault> {
    let (who, length_ms) = (ask.incarnation, hub.lease_ms);
    let given = hub.write(|tx, _| {
        if recovering::is(tx, store)? {
            return Ok(None);
        }
        let asks = authors::find_locked(tx, &who)?;
        let may = |author: &authors::Author| {
            author.store == store && author.role == Role::Node && author.state == State::Live
        };
        if !asks.is_some_and(|author| may(&author)) {
            return Ok(None);
        }
        let issued = tau(tx, now)?;
        waits::renewed(tx, store, who, length_ms, issued)?;
        Ok(Some(Lease { incarnation: who, nonce: ask.nonce, issued, length_ms }))
    })?;
    Ok(given.map(|lease| SealedLease::seal(lease, &hub.device)))
}
