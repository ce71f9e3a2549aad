//! What the hub does by itself as time passes and facts come in.

use crate::app::waits::Running;
use crate::app::{Fault, barrier, burns, hub_time, pools, recovering, reserve, retire, transfers};
use crate::hub::Hub;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tradepost_sync::ids::Id;

/// How often it looks where nothing new has come.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The least rest between two looks, so that a busy hub looks no more often than it must.
const REST: Duration = Duration::from_millis(100);
/// How often it looks for a surplus to mint: that reads the whole stock of stores that count.
const BARRIERS_EVERY: Duration = Duration::from_secs(3);

/// Tells receiving stores of transfers, and ends reservations of the hub's own that have run out, until `stopping` says
/// true.
pub async fn run(hub: Arc<Hub>, mut stopping: watch::Receiver<bool>) {
    let mut pokes = hub.pokes.subscribe();
    let running = Arc::new(Mutex::new(State::default()));
    while !*stopping.borrow() {
        let (working, running) = (Arc::clone(&hub), Arc::clone(&running));
        match tokio::task::spawn_blocking(move || look(&working, &running)).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => tracing::warn!(%fault, "the hub's upkeep waits"),
            Err(error) => tracing::error!(%error, "the hub's upkeep failed"),
        }
        tokio::time::sleep(REST).await;
        tokio::select! {
            _ = pokes.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stopping.changed() => {}
        }
    }
}

/// What it remembers between two looks.
#[derive(Default)]
struct State {
    running: Running,
    looked_at: Option<Instant>,
}

fn look(hub: &Hub, running: &Mutex<State>) -> Result<(), Fault> {
    hub.open()?;
    let now = hub_time(&hub.db)?;
    transfers::announce(hub, now.ms)?;
    reserve::sweep(hub, now)?;
    let mut state = running.lock().unwrap_or_else(PoisonError::into_inner);
    state.running.save_when_due(&hub.db, now)?;
    pools::advance(hub, now.ms)?;
    barrier::advance(hub, now.ms)?;
    recovering::advance(hub, fresh_id, now.ms)?;
    retire::advance(hub, fresh_id, now.ms)?;
    if state.looked_at.is_none_or(|at| at.elapsed() >= BARRIERS_EVERY) {
        open_barriers(hub, now.ms)?;
        burns::advance(hub, fresh_id, now.ms)?;
        state.looked_at = Some(Instant::now());
    }
    Ok(())
}

/// Where a count left a surplus and everybody is there, the barrier that mints it is opened without being asked for.
fn open_barriers(hub: &Hub, now: i64) -> Result<(), Fault> {
    let present = hub.present.all();
    if present.is_empty() {
        return Ok(());
    }
    for store in barrier::counted_stores(hub)? {
        barrier::open_where_due(hub, store, fresh_id()?, &present, now)?;
    }
    Ok(())
}

fn fresh_id() -> Result<Id, Fault> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(Fault::internal)?;
    Ok(Id(id))
}
