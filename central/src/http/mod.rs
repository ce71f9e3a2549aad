//! The admin interface: REST over loopback HTTP, described by the `OpenAPI` document it serves.

#![allow(
    clippy::result_large_err,
    reason = "a problem is made once for an answer; boxing it would only hide it"
)]

mod audit;
pub mod auth;
mod carts;
mod catalog;
mod consumers;
mod customers;
mod deliveries;
mod exports;
pub mod health;
mod hub_recovery;
mod json;
pub mod metrics;
mod nodes;
mod orders;
mod page;
mod payments;
mod pools;
mod prices;
pub mod problem;
mod products;
mod products_csv;
mod promotions;
mod recovery;
mod reservations;
mod review;
mod shifts;
mod shop;
mod staff;
mod stock;
mod stored;
mod stores;
mod takeovers;
mod transfers;
mod web_orders;

use crate::app::{Code, Fault, hub_time};
use crate::hub::Hub;
use crate::trail;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, extract::Path};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use metrics_exporter_prometheus::PrometheusHandle;
use problem::Problem;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tracing::{Instrument, Span, field};
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

/// Connections at a time.
const CONNECTIONS_MAX: usize = 256;
/// A request's head takes no longer.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// An answer takes no longer; imports and exports are streams and have their own pace.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Pages load from here alone; the API page sets styles and small pictures inline.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

/// What handlers share.
pub struct App {
    /// The hub.
    pub hub: Arc<Hub>,
    /// The admin token.
    pub token: String,
    /// What metrics are rendered from.
    pub metrics: PrometheusHandle,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tradepost hub",
        description = "Admin interface of the hub: stores, catalog, prices, orders and the stock picture of all stores. \
            Money is in minor units, stock in base units, times in milliseconds since 1970 UTC unless a field says otherwise. \
            Errors are RFC 9457 problems with a stable `code`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "http://127.0.0.1:7640", description = "The default address, loopback only")),
    tags(
        (name = "stores", description = "Stores, settings, enrolment"),
        (name = "catalog", description = "Products, prices, promotions and their delivery"),
        (name = "orders", description = "Documents and what they add up to"),
        (name = "stock", description = "Goods and rights"),
        (name = "shop", description = "The web shop: shoppers, carts and checkout, each call by a shopper's token"),
        (name = "web orders", description = "Orders of the web shop, their payments, and coupons"),
        (name = "review", description = "What a person should look at"),
        (name = "exports", description = "NDJSON and hashes"),
        (name = "operations", description = "Health, metrics, version")
    )
)]
struct Description;

fn described() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(stores::create, stores::list))
        .routes(routes!(stores::read))
        .routes(routes!(stores::read_settings, stores::write_settings))
        .routes(routes!(stores::make_code))
        .routes(routes!(pools::list, pools::issue))
        .routes(routes!(staff::list))
        .routes(routes!(staff::read, staff::write))
        .routes(routes!(staff::policy, staff::write_policy))
        .routes(routes!(stores::alias))
        .routes(routes!(nodes::list))
        .routes(routes!(products::list))
        .routes(routes!(products::read, products::write, products::remove))
        .routes(routes!(products::import))
        .routes(routes!(products_csv::export))
        .routes(routes!(prices::publish, prices::list))
        .routes(routes!(prices::publish_batch))
        .routes(routes!(promotions::list))
        .routes(routes!(promotions::read, promotions::write, promotions::remove))
        .routes(routes!(catalog::head))
        .routes(routes!(catalog::rollout))
        .routes(routes!(orders::list))
        .routes(routes!(orders::read))
        .routes(routes!(orders::totals))
        .routes(routes!(orders::series))
        .routes(routes!(stored::list))
        .routes(routes!(shifts::list))
        .routes(routes!(shifts::read))
        .routes(routes!(stock::list))
        .routes(routes!(stock::read))
        .routes(routes!(stock::grant))
        .routes(routes!(recovery::fence))
        .routes(routes!(recovery::open))
        .routes(routes!(recovery::give_up))
        .routes(routes!(recovery::read))
        .routes(routes!(takeovers::take_over))
        .routes(routes!(hub_recovery::read))
        .routes(routes!(hub_recovery::attest))
        .routes(routes!(reservations::open, reservations::list))
        .routes(routes!(reservations::read, reservations::cancel))
        .routes(routes!(reservations::hand_over))
        .routes(routes!(deliveries::announce, deliveries::list))
        .routes(routes!(deliveries::read))
        .routes(routes!(transfers::list))
        .routes(routes!(transfers::read))
        .routes(routes!(customers::read, customers::erase))
        .routes(routes!(review::list))
        .routes(routes!(review::resolve))
        .routes(routes!(review::quarantine))
        .routes(routes!(review::quarantined))
        .routes(routes!(review::settle))
        .routes(routes!(consumers::list))
        .routes(routes!(consumers::replay))
        .routes(routes!(consumers::letters))
        .routes(routes!(consumers::decide))
        .routes(routes!(consumers::balances))
        .routes(routes!(consumers::journal))
        .routes(routes!(consumers::sales))
        .routes(routes!(consumers::items))
        .routes(routes!(consumers::closed_days))
        .routes(routes!(consumers::close_day))
        .routes(routes!(consumers::webhooks_list, consumers::webhooks_add))
        .routes(routes!(consumers::webhooks_remove))
        .routes(routes!(audit::list))
        .routes(routes!(audit::verify))
        .routes(routes!(exports::state_hash))
        .routes(routes!(exports::events))
        .routes(routes!(exports::orders))
        .routes(routes!(web_orders::list))
        .routes(routes!(web_orders::read, web_orders::cancel))
        .routes(routes!(payments::list))
        .routes(routes!(payments::read))
        .routes(routes!(payments::refund))
        .routes(routes!(payments::put_coupon, payments::read_coupon))
        .routes(routes!(payments::list_coupons))
        .routes(routes!(shop::set_price_list))
}

/// The web shop's door: whoever knocks shows a shopper's token, or gets one; the provider signs its notices.
fn shop_door() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(shop::guest))
        .routes(routes!(shop::create))
        .routes(routes!(shop::log_in))
        .routes(routes!(shop::current, shop::log_out))
        .routes(routes!(shop::change_password))
        .routes(routes!(carts::create, carts::list))
        .routes(routes!(carts::read))
        .routes(routes!(carts::add, carts::clear))
        .routes(routes!(carts::set, carts::remove))
        .routes(routes!(carts::coupon))
        .routes(routes!(carts::store))
        .routes(routes!(web_orders::list_own))
        .routes(routes!(web_orders::check_out, web_orders::read_own, web_orders::cancel_own))
        .routes(routes!(payments::hear))
}

fn open_to_all() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::startupz))
        .routes(routes!(metrics::metrics))
        .routes(routes!(health::version))
}

/// The `OpenAPI` document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let (_, mut document) = described().split_for_parts();
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", scheme.clone());
    components.add_security_scheme("shopper", scheme);
    document.security =
        Some(vec![utoipa::openapi::security::SecurityRequirement::new("token", Vec::<String>::new())]);
    let (_, open) = open_to_all().split_for_parts();
    document.merge(open);
    let (_, shop) = shop_door().split_for_parts();
    document.merge(shop);
    document
}

/// The `OpenAPI` document as text, as it is committed.
pub fn openapi_text() -> String {
    openapi().to_pretty_json().unwrap_or_default()
}

/// Every route.
pub fn router(app: Arc<App>) -> Router {
    let (guarded, _) = described().split_for_parts();
    let (open, _) = open_to_all().split_for_parts();
    let (shop, _) = shop_door().split_for_parts();
    guarded
        .route_layer(middleware::from_fn_with_state(Arc::clone(&app), audit::leave_entry))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&app), auth::check))
        .merge(open)
        .merge(shop)
        .route("/", get(page::front))
        .route("/assets/{*name}", get(page::file))
        .route("/icon.svg", get(page::file))
        .route("/problems/{code}", get(problem_page))
        .merge(SwaggerUi::new("/docs").url("/openapi.json", openapi()))
        .fallback(async || Problem::new(Code::NotFound, "there is nothing at this address", &[]))
        .method_not_allowed_fallback(async || {
            Problem::new(Code::MethodNotAllowed, "another method is meant", &[])
        })
        .layer(middleware::from_fn(auth::check_host))
        .layer(middleware::from_fn(finish))
        .with_state(app)
}

async fn problem_page(Path(code): Path<String>) -> Result<String, Problem> {
    problem::page(&code)
        .ok_or_else(|| Problem::new(Code::NotFound, format!("there is no problem {code}"), &[]))
}

/// Names each answer, counts it, and tells a problem where it arose. A request goes on in the trace that its
/// `traceparent` names; the answer says where.
async fn finish(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let instance = request.uri().path().to_owned();
    let method = method_label(request.method());
    let route = route_label(&request);
    let span = request_span(method, &route, request.headers());
    let place = tradepost_telemetry::Place::of(&span);
    let trace_id = tradepost_telemetry::trace_id(&span).unwrap_or_else(fresh_id);
    let mut response = next.run(request).instrument(span.clone()).await;
    if let Some(mut problem) = response.extensions_mut().remove::<Problem>() {
        problem.instance = instance;
        problem.trace_id.clone_from(&trace_id);
        let extra = response.headers().clone();
        response = problem.into_response();
        for (name, value) in &extra {
            if name != header::CONTENT_LENGTH && name != header::CONTENT_TYPE {
                response.headers_mut().insert(name, value.clone());
            }
        }
    }
    if let Ok(value) = HeaderValue::from_str(&trace_id) {
        response.headers_mut().insert("x-request-id", value);
    }
    if let Some(value) = place.and_then(|place| HeaderValue::from_str(&place.to_string()).ok()) {
        response.headers_mut().insert("traceparent", value);
    }
    let headers = response.headers_mut();
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    let status = response.status().as_u16();
    span.record("http.response.status_code", status);
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
    ::metrics::histogram!("tradepost_http_request_seconds",
        "method" => method, "route" => route, "status" => status.to_string())
    .record(begun.elapsed());
    response
}

/// The method; one name for those that no route has.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

/// The route as it is described, so that ids in addresses make no labels.
fn route_label(request: &Request) -> String {
    request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned()
}

/// The span of a request; none for what asks every few seconds how the hub is.
fn request_span(method: &'static str, route: &str, headers: &HeaderMap) -> Span {
    if matches!(route, "/livez" | "/readyz" | "/startupz" | "/metrics") {
        return Span::none();
    }
    let span = tracing::info_span!(
        "request",
        otel.name = %format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
        otel.status_code = field::Empty,
        trace_id = field::Empty
    );
    tradepost_telemetry::follow_headers(&span, headers);
    span
}

fn fresh_id() -> String {
    let mut id = [0; 16];
    // Without randomness an answer goes out unnamed, which hurts nobody.
    let _ = getrandom::fill(&mut id);
    id.iter().map(|b| format!("{b:02x}")).collect()
}

/// Runs `app` work on a blocking thread; it is told the time.
async fn ask<T: Send + 'static>(
    app: &State<Arc<App>>,
    work: impl FnOnce(&Hub, i64) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Problem> {
    let hub = Arc::clone(&app.hub);
    let (span, act) = (tracing::Span::current(), trail::carried());
    let job = tokio::task::spawn_blocking(move || {
        let _within = span.enter();
        let now = hub_time(&hub.db)?.ms;
        trail::on_this_thread(act, now, || work(&hub, now))
    });
    match tokio::time::timeout(ANSWER_MAX, job).await {
        Ok(Ok(answer)) => answer.map_err(Problem::from),
        Ok(Err(_)) => Err(Problem::new(Code::Internal, Code::Internal.title(), &[])),
        Err(_) => Err(Problem::new(Code::Unavailable, "the database takes too long", &[])),
    }
}

/// The same for what changes something: refused while the hub is stopping.
async fn change<T: Send + 'static>(
    app: &State<Arc<App>>,
    work: impl FnOnce(&Hub, i64) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Problem> {
    ask(app, move |hub, now| {
        hub.open()?;
        work(hub, now)
    })
    .await
}

/// Serves people until `closing` says true: a cap on connections, a deadline on each request's head.
pub async fn serve(listener: TcpListener, app: Arc<App>, mut closing: watch::Receiver<bool>) {
    let router = router(app);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let open = hyper_util::server::graceful::GracefulShutdown::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = closing.wait_for(|closing| *closing) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_MAX);
        builder.http2().timer(TokioTimer::new()).max_concurrent_streams(64);
        let service = TowerToHyperService::new(router.clone());
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = open.watch(connection);
        tokio::spawn(async move {
            let _ = connection.await;
            drop(place);
        });
    }
    let _ = tokio::time::timeout(Duration::from_secs(5), open.shutdown()).await;
}
