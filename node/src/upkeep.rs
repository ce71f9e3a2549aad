//! What a node does by itself as time passes, beside selling and syncing.

use crate::app::problem::Answer;
use crate::app::{pack, reservation};
use crate::db::reservations;
use crate::http::Shared;
use crate::http::tenders;
use crate::writer;
use std::time::Duration;

/// How often reservations are looked over. A held promise may end this much later than it could.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often terminals are asked to forward the cards they kept.
const FORWARD_EVERY: Duration = Duration::from_secs(3);

/// How often the ballast is looked after: where it is gone nothing is sold.
const BALLAST_EVERY: Duration = Duration::from_secs(10);
/// How often old events are looked for, and how soon after a pack for more of them.
const PACK_EVERY: Duration = Duration::from_secs(10);
const PACK_ON: Duration = Duration::from_millis(50);
/// Groups that were written since the last look while nobody is in a hurry; above it old events wait, up to so many.
const QUIET_GROUPS: u64 = 4;
const PACK_WAITING_MAX: u64 = 65_536;

/// Ends reservations that have run out, has stored cards forwarded and puts old events into packs, all but the last `open`
/// of each stream, for as long as the node runs.
pub async fn run(shared: Shared, open: u64) {
    tokio::join!(
        end_reservations(&shared),
        forward_cards(&shared),
        pack_old(&shared, open),
        keep_ballast(&shared)
    );
}

async fn keep_ballast(shared: &Shared) {
    let mut lay = true;
    loop {
        tokio::time::sleep(BALLAST_EVERY).await;
        let lies = writer::lay_ballast_again(&shared.writer).await.unwrap_or(lay);
        if lies && !lay {
            tracing::info!("there is room again: everything is written as before");
        }
        lay = lies;
    }
}

async fn pack_old(shared: &Shared, open: u64) {
    let mut wait = PACK_EVERY;
    loop {
        tokio::time::sleep(wait - wait.min(PACK_ON)).await;
        let before = shared.writer.pulse().borrow().groups;
        tokio::time::sleep(PACK_ON).await;
        let quiet = shared.writer.pulse().borrow().groups - before <= QUIET_GROUPS;
        let more = pack_next(shared, open, quiet).await;
        if let Err(stop) = &more {
            tracing::warn!(?stop, "old events can't be packed");
        }
        wait = match more {
            Ok(true) => PACK_ON,
            _ => PACK_EVERY,
        };
    }
}

/// Compressing is done beside the writing thread: a sale never waits for it.
async fn pack_next(shared: &Shared, open: u64, quiet: bool) -> Answer<bool> {
    let Some(next) = shared.read_long(move |conn| pack::next(conn, open)).await? else { return Ok(false) };
    if !quiet && next.waiting < PACK_WAITING_MAX {
        return Ok(false);
    }
    shared.writer.ask(move |node, _| pack::put(node, &next)).await
}

/// A stored card is money that isn't there yet (`facts.md` §4, Stored card).
async fn forward_cards(shared: &Shared) {
    let mut looks = tokio::time::interval(FORWARD_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        match tenders::undo_abandoned(shared).await {
            Ok(0) => {}
            Ok(undone) => tracing::warn!(undone, "card money was undone whose document never came"),
            Err(stop) => tracing::warn!(?stop, "card money without a document can't be undone"),
        }
        match tenders::forward_all(shared).await {
            Ok(told) if told.captured + told.declined == 0 => {}
            Ok(told) => tracing::info!(?told, "stored cards were forwarded"),
            Err(stop) => tracing::warn!(?stop, "stored cards can't be forwarded"),
        }
    }
}

async fn end_reservations(shared: &Shared) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        match shared.read(|conn| Ok(reservations::any_open(conn)?)) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(stop) => {
                tracing::warn!(?stop, "reservations can't be looked over");
                continue;
            }
        }
        match shared.writer.ask(reservation::sweep).await {
            Ok(0) => {}
            Ok(ended) => tracing::info!(ended, "reservations came to their end"),
            Err(stop) => tracing::warn!(?stop, "reservations can't be looked over"),
        }
    }
}
