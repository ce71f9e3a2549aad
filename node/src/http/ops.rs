//! For operators: health, metrics, version, the problems by their codes.

use super::answer::{Reply, json, ok, text};
use super::state::Shared;
use crate::app::problem::{Code, no};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;
use utoipa::{IntoParams, ToSchema};

/// How much is told.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Verbose {
    /// With the parts.
    pub verbose: Option<String>,
}

/// Health with its parts.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// Whether all is well.
    pub ok: bool,
    /// New writes are refused because the node ends.
    pub closing: bool,
    /// The chains: `whole`, `broken`, or `being_walked`.
    pub chains: &'static str,
    /// Requests that wait for the writer.
    pub waiting: u64,
}

/// What program this is.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionInfo {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The engine's version.
    pub calc_version: u16,
    /// SQLite's version.
    pub sqlite: &'static str,
}

/// Whether the process lives. It touches no disk.
#[utoipa::path(get, path = "/livez", operation_id = "livez", tag = "operations",
    responses((status = 200, description = "It lives")))]
pub async fn livez() -> Reply {
    Ok(text("text/plain; charset=utf-8", "ok\n".to_owned()))
}

/// Whether it sells.
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "operations", params(Verbose),
    responses((status = 200, description = "It sells", body = Health), (status = 503, description = "It doesn't", body = Health)))]
pub async fn readyz(State(shared): State<Shared>, Query(query): Query<Verbose>) -> Reply {
    Ok(health(&shared, query.verbose.is_some()))
}

/// Whether it has started.
#[utoipa::path(get, path = "/startupz", operation_id = "startupz", tag = "operations", params(Verbose),
    responses((status = 200, description = "It has started", body = Health)))]
pub async fn startupz(State(shared): State<Shared>, Query(query): Query<Verbose>) -> Reply {
    Ok(health(&shared, query.verbose.is_some()))
}

fn health(shared: &Shared, verbose: bool) -> Response {
    let closing = shared.writer.is_closing();
    let chains = match shared.chains_whole() {
        None => "being_walked",
        Some(true) => "whole",
        Some(false) => "broken",
    };
    let well = !closing && chains != "broken";
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if verbose {
        return json(status, &Health { ok: well, closing, chains, waiting: shared.writer.waiting() });
    }
    let mut response =
        text("text/plain; charset=utf-8", if well { "ok\n" } else { "not ready\n" }.to_owned());
    *response.status_mut() = status;
    response
}

/// Metrics in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "operations",
    responses((status = 200, description = "Metrics", content_type = "text/plain")))]
pub async fn metrics(State(shared): State<Shared>) -> Reply {
    let pulse = shared.writer.pulse().borrow().clone();
    gauge("tradepost_log_seq", pulse.head.seq);
    gauge("tradepost_catalog_version", pulse.catalog.version);
    gauge("tradepost_writes_waiting", shared.writer.waiting());
    gauge("tradepost_chain_broken", u64::from(shared.chains.broken.load(Ordering::Relaxed)));
    let standing = super::sync::current(&shared)?;
    let seconds = |ms: i64| u64::try_from(ms / 1_000).unwrap_or(0);
    gauge("tradepost_events_unsynced", standing.unsynced);
    gauge("tradepost_oldest_unsynced_seconds", standing.oldest_unsynced_ms.map_or(0, seconds));
    gauge("tradepost_hub_connected", u64::from(standing.hub.connected));
    // A node that was never enrolled lags behind nobody.
    gauge("tradepost_sync_lag_seconds", standing.hub.last_contact_ms_ago.map_or(0, seconds));
    gauge("tradepost_catalog_behind", standing.catalog.hub_version - standing.catalog.version);
    gauge("tradepost_lease_locked", u64::from(standing.lease.as_ref().is_some_and(|lease| !lease.held)));
    gauge("tradepost_events_quarantined", u64::try_from(standing.quarantined.len()).unwrap_or(0));
    gauge("tradepost_clock_skew_seconds", seconds(shared.link.borrow().clock_skew_ms.abs()));
    Ok(text("text/plain; version=0.0.4", (shared.metrics)()))
}

/// What each metric says, for Prometheus' help lines.
pub fn describe() {
    use ::metrics::{describe_counter as counter, describe_gauge as gauge, describe_histogram as histogram};
    histogram!("tradepost_http_request_seconds", "Requests by method, route and status");
    histogram!("tradepost_group_seconds", "Commits of what waited for the writer, with their fsync");
    counter!("tradepost_sales_total", "Sales that were committed");
    counter!("tradepost_refunds_total", "Refunds that were committed");
    counter!("tradepost_revenue_minor_units_total", "Sold, in minor units, by currency");
    counter!("tradepost_refunded_minor_units_total", "Given back, in minor units, by currency");
    counter!("tradepost_problems_total", "Problems by code");
    gauge!("tradepost_log_seq", "Events in the present incarnation's stream");
    gauge!("tradepost_writes_waiting", "Requests that wait for the writer");
    gauge!("tradepost_chain_broken", "1 where a chain was found broken");
    gauge!("tradepost_events_unsynced", "Events that the hub doesn't hold");
    gauge!("tradepost_oldest_unsynced_seconds", "Age of the oldest of them");
    gauge!("tradepost_hub_connected", "1 while there is a session with the hub");
    gauge!("tradepost_sync_lag_seconds", "Since the hub was last heard");
    gauge!("tradepost_catalog_version", "Catalog version that is held");
    gauge!("tradepost_catalog_behind", "Catalog versions that the node lacks, as far as it knows");
    gauge!("tradepost_lease_locked", "1 where what a lease covers is locked");
    gauge!("tradepost_events_quarantined", "Own events that the hub set aside");
    gauge!("tradepost_clock_skew_seconds", "Wall clock here against hub time, without its sign");
}

fn gauge(name: &'static str, value: u64) {
    // A gauge shows; above 2^53 it would round.
    #[expect(clippy::cast_precision_loss, reason = "counters stay far below 2^53")]
    ::metrics::gauge!(name).set(value as f64);
}

/// What program this is.
#[utoipa::path(get, path = "/version", operation_id = "getVersion", tag = "operations",
    responses((status = 200, description = "What program this is", body = VersionInfo)))]
pub async fn version() -> Reply {
    Ok(ok(&VersionInfo {
        name: "tradepost-node",
        version: env!("CARGO_PKG_VERSION"),
        calc_version: tradepost_commerce::CALC_VERSION,
        sqlite: rusqlite::version(),
    }))
}

/// Explains a problem's code.
#[utoipa::path(get, path = "/problems/{code}", operation_id = "explainProblem", tag = "operations", params(("code" = String, Path, description = "The code")),
    responses((status = 200, description = "What it means and what to do", content_type = "text/plain")))]
pub async fn problem(Path(name): Path<String>) -> Reply {
    let code = Code::ALL.iter().find(|code| code.name() == name);
    let code = code.ok_or_else(|| no(Code::NotFound, format!("no problem is called {name}")))?;
    Ok(text("text/plain; charset=utf-8", explain(*code)))
}

/// Lists all problems.
#[utoipa::path(get, path = "/problems", operation_id = "listProblems", tag = "operations",
    responses((status = 200, description = "Every code", content_type = "text/plain")))]
pub async fn problems() -> Reply {
    let mut all: Vec<String> = Code::ALL.iter().map(|code| explain(*code)).collect();
    all.sort();
    Ok(text("text/plain; charset=utf-8", all.join("\n")))
}

fn explain(code: Code) -> String {
    let again = if code.retryable() {
        "The same request may succeed later."
    } else {
        "The same request won't succeed."
    };
    format!("{} ({})\n{}. {} {}\n", code.name(), code.status(), code.title(), code.help(), again)
}
