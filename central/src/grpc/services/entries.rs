//! Calls leave an entry in the audit trail where they change something.

use crate::trail::{self, Act};
use std::pin::Pin;
use std::task::{Context, Poll};
use tower::{Layer, Service};

/// Names each call to what writes the audit trail. Reading calls write nothing and so leave no entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeaveEntries;

impl<S> Layer<S> for LeaveEntries {
    type Service = Named<S>;

    fn layer(&self, inner: S) -> Named<S> {
        Named { inner }
    }
}

/// See [`LeaveEntries`].
#[derive(Clone, Debug)]
pub(super) struct Named<S> {
    inner: S,
}

impl<S, B> Service<axum::http::Request<B>> for Named<S>
where
    S: Service<axum::http::Request<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: axum::http::Request<B>) -> Self::Future {
        let trace = tradepost_telemetry::trace_id(&tracing::Span::current()).unwrap_or_default();
        let act = Act::new("service token", request.uri().path().trim_start_matches('/'), &[], &trace);
        Box::pin(trail::within(act, self.inner.call(request)))
    }
}
