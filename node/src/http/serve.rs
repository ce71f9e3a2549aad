//! The accept loop: time limits for the first byte and the headers, a cap on connections, and an end that lets
//! requests finish. With or without TLS; every request learns which way it came.

use super::auth::Way;
use super::openapi::router;
use super::state::Shared;
use crate::tls::Identity;
use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::Service;

/// How long a client may take over the head of a request, the wait for it on a kept connection included.
const HEAD_SECONDS: u64 = 15;
/// How long a client may take to agree on a secret.
const HANDSHAKE_SECONDS: u64 = 10;
/// How often the certificate is looked at.
const RENEW_LOOK_SECONDS: u64 = 3_600;
/// How long requests may take to finish once the node closes.
const CLOSING_SECONDS: u64 = 10;

/// How a listener speaks TLS.
#[derive(Clone)]
pub struct Tls {
    /// Whose certificate is shown.
    pub identity: Arc<Identity>,
    /// How it is spoken.
    pub config: Arc<ServerConfig>,
}

/// Serves until `closing` says so, then lets what runs come to its end.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    shared: Shared,
    connections: usize,
    mut closing: watch::Receiver<bool>,
) {
    let app = router(shared.clone());
    let room = Arc::new(Semaphore::new(connections));
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(HEAD_SECONDS)).max_headers(64);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &room) => accepted,
            _ = closing.wait_for(|closing| *closing) => break,
        };
        let Some((stream, from, place)) = accepted else { continue };
        let to = stream.local_addr().ok().map(|address| address.ip().to_canonical());
        let from = from.ip().to_canonical();
        // Only this machine itself can talk to one of its addresses from that same address.
        let local = from.is_loopback() || to == Some(from);
        let way = Way { encrypted: tls.is_some(), local, to };
        if let (Some(tls), Some(address)) = (&tls, to) {
            tls.identity.comes_to(address, shared.machine.wall());
        }
        let talk = Talk { app: app.clone(), way, http: http.clone(), watcher: graceful.watcher() };
        tokio::spawn(answer(stream, tls.clone(), talk, place));
    }
    drop(listener);
    // Streams of events would never end by themselves.
    shared.tell(super::events::CLOSING, "{}".into());
    let _ = tokio::time::timeout(Duration::from_secs(CLOSING_SECONDS), graceful.shutdown()).await;
}

/// What a connection is answered by.
struct Talk {
    app: Router,
    way: Way,
    http: http1::Builder,
    watcher: Watcher,
}

/// Answers a connection for as long as it lasts; a client that breaks off is no error of ours.
async fn answer(stream: TcpStream, tls: Option<Tls>, talk: Talk, place: OwnedSemaphorePermit) {
    match tls {
        None => speak(stream, talk).await,
        Some(tls) => {
            let agreed = TlsAcceptor::from(tls.config).accept(stream);
            match tokio::time::timeout(Duration::from_secs(HANDSHAKE_SECONDS), agreed).await {
                Ok(Ok(stream)) => speak(stream, talk).await,
                Ok(Err(error)) => tracing::debug!(%error, "no secret was agreed on"),
                Err(_) => tracing::debug!("a handshake took too long"),
            }
        }
    }
    drop(place);
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, talk: Talk) {
    let Talk { app, way, http, watcher } = talk;
    let service = TowerToHyperService::new(Came { app, way });
    let _ = watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await;
}

/// The routes, for requests that came one way.
#[derive(Clone)]
struct Came {
    app: Router,
    way: Way,
}

impl Service<hyper::Request<hyper::body::Incoming>> for Came {
    type Response = Response;
    type Error = Infallible;
    type Future = <Router as Service<Request>>::Future;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        Service::<Request>::poll_ready(&mut self.app, cx)
    }

    fn call(&mut self, request: hyper::Request<hyper::body::Incoming>) -> Self::Future {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(self.way);
        self.app.call(request)
    }
}

/// Keeps the certificate fresh, for as long as the node runs.
pub async fn keep_fresh(shared: Shared) {
    let Some(identity) = shared.identity.clone() else { return };
    let mut looks = tokio::time::interval(Duration::from_secs(RENEW_LOOK_SECONDS));
    loop {
        looks.tick().await;
        identity.renew(shared.machine.wall());
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    // The semaphore is never closed.
    let place = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, from)) => {
            // Answers are small and awaited: no waiting for more to send.
            let _ = stream.set_nodelay(true);
            Some((stream, from, place))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection was not accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
