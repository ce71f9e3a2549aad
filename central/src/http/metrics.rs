//! Metrics in Prometheus' text format: what was counted on the way, and how the database stands at the moment of asking.
//! Labels are bounded: routes as they are described, stores, nodes, groups, kinds; never an item, a document or a
//! shopper (`conventions.md` §1.5).

use super::{App, ask};
use crate::app::figures::{self, Figures};
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_util::MetricKindMask;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Upper ends of the buckets of durations, in seconds.
const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// A gauge that nobody has set for so long is not told any more: its node has gone.
const GONE_AFTER: Duration = Duration::from_secs(600);

/// The process's recorder: installed once, shared by every hub in it.
pub fn recorder() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let builder = PrometheusBuilder::new().idle_timeout(MetricKindMask::GAUGE, Some(GONE_AFTER));
            let suffix = Matcher::Suffix("_seconds".to_owned());
            let builder = builder.set_buckets_for_metric(suffix, SECONDS).unwrap_or_else(|error| {
                tracing::error!(%error, "durations have no buckets");
                PrometheusBuilder::new()
            });
            let recorder = builder.build_recorder();
            let handle = recorder.handle();
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("another recorder takes the metrics");
            }
            describe();
            handle
        })
        .clone()
}

fn describe() {
    use metrics::{describe_counter as counter, describe_gauge as gauge, describe_histogram as histogram};
    histogram!("tradepost_http_request_seconds", "Requests by method, route and status");
    histogram!("tradepost_rpc_seconds", "gRPC calls by method and code");
    histogram!("tradepost_ingest_seconds", "Taking in one batch of a node's");
    counter!("tradepost_ingested_events_total", "Events taken in");
    counter!("tradepost_ingested_documents_total", "Documents taken in");
    counter!("tradepost_quarantined_events_total", "Events set aside without effects");
    counter!("tradepost_documents_total", "Documents by store, kind and currency");
    counter!("tradepost_revenue_minor_units_total", "Sold, in minor units, by store and currency");
    counter!("tradepost_refunded_minor_units_total", "Given back, in minor units, by store and currency");
    counter!("tradepost_web_order_steps_total", "Steps of web orders, by the state they led to");
    counter!("tradepost_relayed_records_total", "Records sent to Kafka");
    counter!("tradepost_consumed_records_total", "Records that a group had for the first time");
    counter!("tradepost_dead_letters_total", "Records that a group gave up");
    counter!("tradepost_cart_cache_total", "Reads of carts, by whether the cache had them");
    gauge!("tradepost_sessions", "Nodes in session with this process");
    gauge!("tradepost_outbox_depth", "Outbox rows that wait to be relayed");
    gauge!("tradepost_outbox_stalled_seconds", "How long rows wait while none was relayed");
    gauge!("tradepost_consumer_behind", "Outbox rows that a group has not read yet");
    gauge!("tradepost_consumer_lag", "Records of Kafka that a group has not read yet");
    gauge!("tradepost_consumer_parked", "Records that a group tries again");
    gauge!("tradepost_consumer_dead", "Records that wait for a person's decision");
    gauge!("tradepost_review_open", "Open findings, all kinds");
    gauge!("tradepost_findings_open", "Open findings by kind, e.g. promise_exposed, quarantined");
    gauge!("tradepost_store_node_silent_seconds", "Since a live node was last heard");
    gauge!("tradepost_store_node_catalog_behind", "Catalog versions that a live node lacks");
    gauge!("tradepost_price_rollout_stores", "Stores with a node, by whether it holds the newest catalog");
}

/// Metrics in the text form of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operations", operation_id = "metrics", responses((status = 200, body = String)), security(()))]
pub(super) async fn metrics(app: State<Arc<App>>) -> impl IntoResponse {
    match ask(&app, figures::read).await {
        Ok(figures) => show(&figures, app.hub.present.all().len()),
        Err(problem) => tracing::warn!(code = problem.code, "metrics lack the database's figures"),
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], app.metrics.render())
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn show(figures: &Figures, sessions: usize) {
    use ::metrics::gauge;
    gauge!("tradepost_sessions").set(sessions as f64);
    gauge!("tradepost_outbox_depth").set(figures.outbox_depth as f64);
    gauge!("tradepost_outbox_stalled_seconds").set(stalled(figures).as_secs_f64());
    let open: i64 = figures.findings.iter().map(|(_, open)| open).sum();
    gauge!("tradepost_review_open").set(open as f64);
    // A rule that waits for a kind needs its zero.
    for kind in ["promise_exposed", "quarantined", "fork"] {
        if figures.findings.iter().all(|(known, _)| known != kind) {
            gauge!("tradepost_findings_open", "kind" => kind).set(0.0);
        }
    }
    for (kind, open) in &figures.findings {
        gauge!("tradepost_findings_open", "kind" => kind.clone()).set(*open as f64);
    }
    for node in &figures.nodes {
        let labels = [("store", node.store.clone()), ("node", node.node.clone())];
        if let Some(silent) = node.silent_ms {
            gauge!("tradepost_store_node_silent_seconds", &labels).set(silent as f64 / 1_000.0);
        }
        gauge!("tradepost_store_node_catalog_behind", &labels).set(node.behind as f64);
    }
    for it in &figures.groups {
        gauge!("tradepost_consumer_behind", "group" => it.group.name()).set(it.behind as f64);
        gauge!("tradepost_consumer_parked", "group" => it.group.name()).set(it.parked as f64);
        gauge!("tradepost_consumer_dead", "group" => it.group.name()).set(it.dead as f64);
    }
    let (level, behind) = figures.rollout;
    gauge!("tradepost_price_rollout_stores", "state" => "delivered").set(level as f64);
    gauge!("tradepost_price_rollout_stores", "state" => "waiting").set(behind as f64);
}

/// How long rows have waited while none was relayed, as far as those who ask for metrics have seen.
fn stalled(figures: &Figures) -> Duration {
    static MOVED: Mutex<Option<(i64, Instant)>> = Mutex::new(None);
    let mut moved = MOVED.lock().unwrap_or_else(PoisonError::into_inner);
    match *moved {
        Some((relayed, at)) if relayed == figures.outbox_relayed && figures.outbox_depth > 0 => at.elapsed(),
        _ => {
            *moved = Some((figures.outbox_relayed, Instant::now()));
            Duration::ZERO
        }
    }
}

/// Serves metrics and health alone until `closing` says true, for processes without the gateway's role, and for
/// collectors that must not reach the admin interface.
pub async fn serve(listener: TcpListener, app: Arc<App>, mut closing: watch::Receiver<bool>) {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(super::health::livez))
        .route("/readyz", get(super::health::readyz))
        .with_state(app);
    let served = axum::serve(listener, router).with_graceful_shutdown(async move {
        // An error means that the one who would say so is gone, which says the same.
        let _ = closing.wait_for(|closing| *closing).await;
    });
    if let Err(error) = served.await {
        tracing::error!(%error, "metrics are not told any more");
    }
}
