//! What a node does by itself as time passes, beside selling and syncing.

use crate::app::reservation;
use crate::db::reservations;
use crate::http::Shared;
use crate::http::tenders;
use std::time::Duration;

/// How often reservations are looked over. A held promise may end this much later than it could.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often terminals are asked to forward the cards they kept.
const FORWARD_EVERY: Duration = Duration::from_secs(3);

/// Ends reservations that have run out and has stored cards forwarded, for as long as the node runs.
pub async fn run(shared: Shared) {
    tokio::join!(end_reservations(&shared), forward_cards(&shared));
}

/// A stored card is money that isn't there yet (`facts.md` §4, Stored card).
async fn forward_cards(shared: &Shared) {
    let mut looks = tokio::time::interval(FORWARD_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
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
