//! Traces across gRPC: [`Inject`] at the caller, [`Calls`] at the called.

use crate::place::{self, TRACEPARENT};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
use tonic::service::Interceptor;
use tower::{Layer, Service};
use tracing::Instrument;

/// Sends the current span's place with each call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inject;

impl Interceptor for Inject {
    fn call(&mut self, mut request: tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status> {
        if let Some(value) = place::current().and_then(|place| place.parse().ok()) {
            request.metadata_mut().insert(TRACEPARENT, value);
        }
        Ok(request)
    }
}

/// Gives each call a span that goes on from its caller's, and measures it: `tradepost_rpc_seconds` by method and code.
#[derive(Clone, Copy, Debug, Default)]
pub struct Calls;

impl<S> Layer<S> for Calls {
    type Service = Called<S>;

    fn layer(&self, inner: S) -> Called<S> {
        Called { inner }
    }
}

/// See [`Calls`].
#[derive(Clone, Debug)]
pub struct Called<S> {
    inner: S,
}

impl<S, B, A> Service<http::Request<B>> for Called<S>
where
    S: Service<http::Request<B>, Response = http::Response<A>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    A: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let begun = Instant::now();
        let method = request.uri().path().trim_start_matches('/').to_owned();
        let span = tracing::info_span!(
            "call",
            otel.name = %method,
            otel.kind = "server",
            rpc.system = "grpc",
            trace_id = tracing::field::Empty
        );
        place::follow_headers(&span, request.headers());
        let answer = self.inner.call(request).instrument(span);
        Box::pin(async move {
            let answer = answer.await?;
            // A status behind a body isn't known yet: the body came, so the call was taken.
            let code = answer.headers().get("grpc-status").and_then(|code| code.to_str().ok()).unwrap_or("0");
            // Methods that aren't there could be any: they share a name.
            let method = if code == "12" { "other".to_owned() } else { method };
            metrics::histogram!("tradepost_rpc_seconds", "method" => method, "code" => code.to_owned())
                .record(begun.elapsed());
            Ok(answer)
        })
    }
}
