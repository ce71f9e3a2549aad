//! What is seen of each request from outside: its span, its place in a trace, how long it took (`hub.md`, Operating it).

use crate::app::books::Booked;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::Response;
use std::time::Instant;
use tracing::{Span, field};
use tradepost_sync::body::Body;
use tradepost_telemetry::Place;

/// The route that takes a sale in one call: its trace is named by the sale, so that the hub goes on in it without being
/// told.
const SALE: &str = "/v1/sales/{id}";

/// A request that is being answered.
pub(super) struct Seen {
    pub(super) span: Span,
    begun: Instant,
    method: &'static str,
    route: String,
}

impl Seen {
    /// Looks at a request before anybody else does.
    pub(super) fn begin(request: &Request) -> Self {
        let method = method_label(request.method());
        // Ids in addresses make no labels.
        let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
        let span = span(method, &route, request.uri().path(), request.headers());
        Self { span, begun: Instant::now(), method, route }
    }

    /// Measures it, and says in the answer where it is in its trace.
    pub(super) fn end(self, mut response: Response) -> Response {
        let status = response.status().as_u16();
        self.span.record("http.response.status_code", status);
        if status >= 500 {
            self.span.record("otel.status_code", "ERROR");
        }
        if let Some(value) =
            Place::of(&self.span).and_then(|place| HeaderValue::from_str(&place.to_string()).ok())
        {
            response.headers_mut().insert("traceparent", value);
        }
        metrics::histogram!("tradepost_http_request_seconds",
            "method" => self.method, "route" => self.route, "status" => status.to_string())
        .record(self.begun.elapsed());
        response
    }
}

/// Counts a document: how many, and how much in minor units, by currency.
pub(super) fn count(booked: &Booked) {
    let (documents, minor_units, currency, total) = match &booked.body {
        Body::SaleCommitted(sale) => (
            "tradepost_sales_total",
            "tradepost_revenue_minor_units_total",
            sale.document.inputs.rules.currency,
            sale.document.outcome.settlement.total.0,
        ),
        Body::RefundCommitted(refund) => (
            "tradepost_refunds_total",
            "tradepost_refunded_minor_units_total",
            refund.document.inputs.rules.currency,
            refund.document.outcome.net.0.saturating_add(refund.document.outcome.tax.0),
        ),
        _ => return,
    };
    metrics::counter!(documents).increment(1);
    metrics::counter!(minor_units, "currency" => currency.code().to_owned()).increment(total.unsigned_abs());
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

/// None for what asks every few seconds how the node is.
fn span(method: &'static str, route: &str, path: &str, headers: &HeaderMap) -> Span {
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
    match document(method, route, path).filter(|_| !headers.contains_key("traceparent")) {
        Some(place) => tradepost_telemetry::follow(&span, Some(&place.to_string())),
        None => tradepost_telemetry::follow_headers(&span, headers),
    }
    span
}

/// The trace of the sale that a request makes.
fn document(method: &str, route: &str, path: &str) -> Option<Place> {
    let id = (method == "PUT" && route == SALE).then(|| path.rsplit('/').next()).flatten()?;
    Place::of_document(tradepost_sync::ids::Id::parse(id).ok()?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_names_its_trace() {
        let path = "/v1/sales/0198c0de-0000-7000-8000-00000000002a";
        let place = document("PUT", SALE, path).expect("a place");
        assert!(place.to_string().starts_with("00-0198c0de00007000800000000000002a-"));
        assert_eq!(document("GET", SALE, path), None);
        assert_eq!(document("PUT", SALE, "/v1/sales/none"), None);
        assert_eq!(document("PUT", "/v1/refunds/{id}", path), None);
    }
}
