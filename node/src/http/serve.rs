//! The accept loop: time limits for the first byte and the headers, a cap on connections, and an end that lets
//! requests finish.

use super::openapi::router;
use super::state::Shared;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// How long a client may take over the head of a request, the wait for it on a kept connection included.
const HEAD_SECONDS: u64 = 15;
/// How long requests may take to finish once the node closes.
const CLOSING_SECONDS: u64 = 10;

/// Serves until `closing` says so, then lets what runs come to its end.
pub async fn serve(
    listener: TcpListener,
    shared: Shared,
    connections: usize,
    mut closing: watch::Receiver<bool>,
) {
    let app = router(shared.clone());
    let room = Arc::new(Semaphore::new(connections));
    let graceful = GracefulShutdown::new();
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(HEAD_SECONDS)).max_headers(64);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &room) => accepted,
            _ = closing.wait_for(|closing| *closing) => break,
        };
        let Some((stream, place)) = accepted else { continue };
        let service = TowerToHyperService::new(app.clone());
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // A client that breaks off is no error of ours.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    // Streams of events would never end by themselves.
    shared.tell(super::events::CLOSING, "{}".into());
    let _ = tokio::time::timeout(Duration::from_secs(CLOSING_SECONDS), graceful.shutdown()).await;
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    // The semaphore is never closed.
    let place = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Answers are small and awaited: no waiting for more to send.
            let _ = stream.set_nodelay(true);
            Some((stream, place))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection was not accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
