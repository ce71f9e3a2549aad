//! Drives web orders on: those that a process left behind, those whose provider or store had not answered, and those of
//! which something new was heard.

use crate::app::{Fault, accounts, carts, checkout, hub_time};
use crate::hub::Hub;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tradepost_sync::ids::Id;

/// How often it looks where nothing new has come.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The least rest between two looks.
const REST: Duration = Duration::from_millis(50);
/// Orders driven at a time: a slow provider stalls only so many.
const DRIVEN_MAX: usize = 8;
/// How often carts and sessions that have had their time are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

/// Drives orders that are due until `stopping` says true.
pub async fn run(hub: Arc<Hub>, mut stopping: watch::Receiver<bool>) {
    let mut pokes = hub.pokes.subscribe();
    let mut driven: JoinSet<(Id, Result<checkout::Progress, Fault>)> = JoinSet::new();
    let (mut taken_up, mut forgotten_at) = (false, None::<Instant>);
    while !*stopping.borrow() {
        if !taken_up {
            taken_up = on_a_thread(&hub, |hub| checkout::take_up(hub).map(|_| ())).await;
        }
        if forgotten_at.is_none_or(|at| at.elapsed() >= FORGET_EVERY) {
            on_a_thread(&hub, forget).await;
            forgotten_at = Some(Instant::now());
        }
        drive_due(&hub, &mut driven).await;
        tokio::time::sleep(REST).await;
        tokio::select! {
            Some(done) = driven.join_next() => tell(done),
            _ = pokes.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stopping.changed() => {}
        }
        while let Some(done) = driven.try_join_next() {
            tell(done);
        }
    }
    while let Some(done) = driven.join_next().await {
        tell(done);
    }
}

async fn drive_due(hub: &Arc<Hub>, driven: &mut JoinSet<(Id, Result<checkout::Progress, Fault>)>) {
    if driven.len() >= DRIVEN_MAX {
        return;
    }
    let looking = Arc::clone(hub);
    let due = match tokio::task::spawn_blocking(move || checkout::due(&looking)).await {
        Ok(Ok(due)) => due,
        Ok(Err(fault)) => return tracing::warn!(%fault, "web orders wait"),
        Err(error) => return tracing::error!(%error, "web orders can't be looked at"),
    };
    for id in due.into_iter().take(DRIVEN_MAX - driven.len()) {
        let hub = Arc::clone(hub);
        driven.spawn_blocking(move || (id, checkout::drive_if_due(&hub, id)));
    }
}

fn tell(done: Result<(Id, Result<checkout::Progress, Fault>), tokio::task::JoinError>) {
    match done {
        Ok((_, Ok(_))) => {}
        Ok((order, Err(fault))) => tracing::warn!(%order, %fault, "a web order waits"),
        Err(error) => tracing::error!(%error, "a web order's step broke off"),
    }
}

/// Whether a job was done.
async fn on_a_thread(hub: &Arc<Hub>, job: fn(&Hub) -> Result<(), Fault>) -> bool {
    let working = Arc::clone(hub);
    match tokio::task::spawn_blocking(move || job(&working)).await {
        Ok(Ok(())) => true,
        Ok(Err(fault)) => {
            tracing::warn!(%fault, "the web shop's upkeep waits");
            false
        }
        Err(error) => {
            tracing::error!(%error, "the web shop's upkeep failed");
            false
        }
    }
}

fn forget(hub: &Hub) -> Result<(), Fault> {
    let now = hub_time(&hub.db)?.ms;
    carts::forget(hub, now)?;
    accounts::forget(hub, now)?;
    Ok(())
}
