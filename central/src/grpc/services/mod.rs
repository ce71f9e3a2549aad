//! The gRPC services of `hub.md`: the same `app` functions as the admin interface, with health, reflection, rich errors,
//! deadlines and compression.

mod cart;
mod catalog;
mod entries;
mod inventory;
mod orders;
mod payment;
mod status;

use crate::app::Fault;
use crate::app::hub_time;
use crate::hub::Hub;
use crate::trail;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::CompressionEncoding::{Gzip, Zstd};
use tonic::transport::Server;
use tonic::{Request, Status};
use tradepost_proto::cart::v1::cart_service_server::CartServiceServer;
use tradepost_proto::catalog::v1::catalog_service_server::CatalogServiceServer;
use tradepost_proto::inventory::v1::inventory_service_server::InventoryServiceServer;
use tradepost_proto::order::v1::order_service_server::OrderServiceServer;
use tradepost_proto::payment::v1::payment_service_server::PaymentServiceServer;

/// Longest time for one answer; a caller's own deadline counts where it is earlier.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Calls of one connection at a time.
const CALLS_MAX: usize = 64;
/// Rows of a page.
const PAGE_MAX: usize = 500;
/// Rows of a page where the caller doesn't say.
const PAGE: usize = 50;

/// Serves the services until `closing` says true.
///
/// # Errors
/// The listener broke.
pub async fn serve(
    listener: TcpListener,
    hub: Arc<Hub>,
    token: String,
    mut closing: watch::Receiver<bool>,
) -> Result<(), tonic::transport::Error> {
    let (health, health_service) = tonic_health::server::health_reporter();
    let catalog = CatalogServiceServer::new(catalog::Catalog(Arc::clone(&hub)));
    let inventory = InventoryServiceServer::new(inventory::Inventory(Arc::clone(&hub)));
    let orders = OrderServiceServer::new(orders::Orders(Arc::clone(&hub)));
    let carts = CartServiceServer::new(cart::Carts(Arc::clone(&hub)));
    let payments = PaymentServiceServer::new(payment::PaymentCalls(hub));
    health.set_serving::<CatalogServiceServer<catalog::Catalog>>().await;
    health.set_serving::<InventoryServiceServer<inventory::Inventory>>().await;
    health.set_serving::<OrderServiceServer<orders::Orders>>().await;
    health.set_serving::<CartServiceServer<cart::Carts>>().await;
    health.set_serving::<PaymentServiceServer<payment::PaymentCalls>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(tradepost_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .inspect_err(|error| tracing::error!(%error, "reflection is off"));
    let known = move |request: Request<()>| authorised(&token, request);
    macro_rules! compressed {
        ($service:expr) => {
            tonic::service::interceptor::InterceptedService::new(
                $service
                    .accept_compressed(Gzip)
                    .accept_compressed(Zstd)
                    .send_compressed(Gzip)
                    .send_compressed(Zstd),
                known.clone(),
            )
        };
    }
    let draining = health.clone();
    Server::builder()
        .layer(tradepost_telemetry::grpc::Calls)
        .layer(entries::LeaveEntries)
        .timeout(ANSWER_MAX)
        .concurrency_limit_per_connection(CALLS_MAX)
        .tcp_nodelay(true)
        .add_service(health_service)
        .add_optional_service(reflection.ok())
        .add_service(compressed!(catalog))
        .add_service(compressed!(inventory))
        .add_service(compressed!(orders))
        .add_service(compressed!(carts))
        .add_service(compressed!(payments))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async move {
            // An error means that the one who would say so is gone, which says the same.
            let _ = closing.wait_for(|closing| *closing).await;
            draining.set_service_status("", tonic_health::ServingStatus::NotServing).await;
        })
        .await
}

/// Lets in who sends the token.
fn authorised(token: &str, request: Request<()>) -> Result<Request<()>, Status> {
    let given = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    // Hashes of equal length are compared, so that time tells nothing about the token.
    if blake3::hash(given.as_bytes()) == blake3::hash(token.as_bytes()) {
        return Ok(request);
    }
    Err(Status::unauthenticated("there is no valid bearer token"))
}

/// Does work on the database on a thread that may block; `work` is told hub time.
async fn ask<T: Send + 'static>(
    hub: &Arc<Hub>,
    work: impl FnOnce(&Hub, i64) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Status> {
    let hub = Arc::clone(hub);
    let (span, act) = (tracing::Span::current(), trail::carried());
    let job = tokio::task::spawn_blocking(move || {
        let _within = span.enter();
        let now = hub_time(&hub.db)?.ms;
        trail::on_this_thread(act, now, || work(&hub, now))
    });
    match job.await {
        Ok(done) => done.map_err(|fault| status::of(&fault)),
        Err(_) => Err(Status::internal("the call broke off")),
    }
}

/// The same for what changes something: refused while the hub is stopping.
async fn change<T: Send + 'static>(
    hub: &Arc<Hub>,
    work: impl FnOnce(&Hub, i64) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Status> {
    ask(hub, move |hub, now| {
        hub.open()?;
        work(hub, now)
    })
    .await
}

fn page_size(wanted: u32) -> usize {
    match usize::try_from(wanted).unwrap_or(PAGE_MAX) {
        0 => PAGE,
        wanted => wanted.min(PAGE_MAX),
    }
}

/// The place that a page token names.
fn place(token: &str) -> Result<String, Status> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    bytes.ok_or_else(|| status::bad_field("page_token", "this is no token of an earlier page"))
}

/// Cuts what was read for one row too many to a page; where the next one begins.
fn page<T>(mut rows: Vec<T>, size: usize, place: impl Fn(&T) -> String) -> (Vec<T>, String) {
    if rows.len() <= size {
        return (rows, String::new());
    }
    rows.truncate(size);
    let token = rows.last().map(|row| URL_SAFE_NO_PAD.encode(place(row))).unwrap_or_default();
    (rows, token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_without_gap_or_overlap() {
        let all: Vec<u32> = (0..7).collect();
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let after = place(&token).expect("a token of ours").parse().map_or(0, |n: u32| n + 1);
            let rest: Vec<u32> = all.iter().copied().filter(|n| *n >= after).take(4).collect();
            let (rows, next) = page(rest, 3, ToString::to_string);
            seen.extend(rows);
            token = next;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, all);
        assert_eq!(place("!").expect_err("no token").code(), tonic::Code::InvalidArgument);
    }

    #[test]
    fn only_the_token_lets_in() {
        for (given, right) in [("Bearer right", true), ("Bearer wrong", false), ("right", false)] {
            let mut request = Request::new(());
            request.metadata_mut().insert("authorization", given.parse().expect("ASCII"));
            assert_eq!(authorised("right", request).is_ok(), right, "{given}");
        }
        assert!(authorised("right", Request::new(())).is_err());
    }
}
