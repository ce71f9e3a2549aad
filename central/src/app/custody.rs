//! The custody register of a store: who alone may finish what (`model.md` §5).

use super::Fault;
use crate::db::booking::Booking;
use crate::db::{Tx, review, stock};
use tradepost_sync::body::CustodyObject;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::custody::{Custody, Step};

/// An object as the register names it.
pub fn name(object: &CustodyObject) -> Result<String, Fault> {
    serde_json::to_string(object).map_err(Fault::internal)
}

/// Merges a booking's steps into the register; steps that contradict each other are listed for a person.
pub fn take(tx: &mut Tx<'_>, booking: &Booking, now: UtcMs) -> Result<(), Fault> {
    for step in &booking.custody {
        let object = name(&step.object)?;
        let Some(mut custody) = stock::custody(tx, booking.store, &object)? else {
            let first = Custody { epoch: step.epoch, n: step.n, owner: step.owner, terminal: step.terminal };
            stock::set_custody(tx, booking.store, &object, &first)?;
            continue;
        };
        let done = custody.merge(step);
        if matches!(done, Step::Taken | Step::TakenFromEnded | Step::Fork) {
            stock::set_custody(tx, booking.store, &object, &custody)?;
        }
        if matches!(done, Step::Fork | Step::TakenFromEnded | Step::TerminalBehindTakeover) {
            review::add(tx, booking.store, "custody_clash", &object, "two steps contradict each other", now)?;
        }
    }
    Ok(())
}
