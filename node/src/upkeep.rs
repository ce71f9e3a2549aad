//! What a node does by itself as time passes, beside selling and syncing.

use crate::app::reservation;
use crate::db::reservations;
use crate::http::Shared;
use std::time::Duration;

/// How often reservations are looked over. A held promise may end this much later than it could.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Ends reservations that have run out, for as long as the node runs.
pub async fn run(shared: Shared) {
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
