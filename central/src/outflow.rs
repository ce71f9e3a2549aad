//! What leaves the outbox by itself: the relay to Kafka, the groups of consumers, and webhooks.

use crate::app::Fault;
use crate::app::relay::Relay;
use crate::consumers::{self, Group, kafka, webhooks};
use crate::hub::Hub;
use crate::stream::Stream;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};

/// How often each looks by itself.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The least rest of consumers between two looks, so that a busy hub's facts are taken in portions.
const REST: Duration = Duration::from_millis(25);

/// Relays what the outbox holds, whenever something new is there, and now and then by itself. Nothing is to be done
/// without Kafka.
pub async fn relay(hub: Arc<Hub>, mut stopping: watch::Receiver<bool>) {
    let Stream::Kafka(kafka) = &hub.stream else { return };
    let mut pokes = hub.pokes.subscribe();
    let mut own: Option<Relay> = None;
    while !*stopping.borrow() {
        if !kafka.has_topics() {
            tokio::select! {
                made = kafka.make_topics() => if let Err(error) = made {
                    tracing::warn!(%error, "the topics could not be made");
                },
                _ = stopping.changed() => return,
            }
        }
        let (working, known) = (Arc::clone(&hub), own.take());
        let sent = spawn_blocking(move || {
            let relay = match known {
                Some(relay) => relay,
                None => Relay::new(&working, luck()?)?,
            };
            let sent = relay.run_once(&working);
            Ok::<_, Fault>((relay, sent))
        });
        match sent.await {
            Ok(Ok((relay, sent))) => {
                own = Some(relay);
                match sent {
                    Ok(sent) if sent > 0 => continue,
                    Ok(_) => {}
                    Err(fault) => tracing::warn!(%fault, "the relay waits"),
                }
            }
            Ok(Err(fault)) => tracing::warn!(%fault, "the relay waits"),
            Err(error) => tracing::error!(%error, "the relay failed"),
        }
        tokio::select! {
            _ = pokes.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stopping.changed() => {}
        }
    }
}

fn luck() -> Result<[u8; 16], Fault> {
    let mut luck = [0; 16];
    getrandom::fill(&mut luck).map_err(Fault::internal)?;
    Ok(luck)
}

/// Starts every group of consumers, and the sender of webhooks.
pub fn consume(hub: &Arc<Hub>, stopping: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
    let mut tasks = vec![
        tokio::spawn(read_outbox(Arc::clone(hub), stopping.clone())),
        tokio::spawn(webhooks::run(Arc::clone(hub), stopping.clone())),
    ];
    if matches!(hub.stream, Stream::Kafka(_)) {
        for group in Group::ALL {
            let (hub, stopping) = (Arc::clone(hub), stopping.clone());
            tasks.push(spawn_blocking(move || kafka::run(&hub, group, &stopping)));
        }
    }
    tasks
}

/// Reads the outbox where it is the stream, rebuilds groups from the facts, and tries again what was parked.
async fn read_outbox(hub: Arc<Hub>, mut stopping: watch::Receiver<bool>) {
    let mut pokes = hub.pokes.subscribe();
    while !*stopping.borrow() {
        let working = Arc::clone(&hub);
        let read = spawn_blocking(move || consumers::round(&working)).await;
        tokio::time::sleep(REST).await;
        match read {
            Ok(Ok(read)) if read > 0 => continue,
            Ok(Err(fault)) => tracing::warn!(%fault, "the consumers wait"),
            Err(error) => tracing::error!(%error, "the consumers failed"),
            Ok(Ok(_)) => {}
        }
        tokio::select! {
            _ = pokes.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stopping.changed() => {}
        }
    }
}
