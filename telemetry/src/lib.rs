//! Seeing inside: both programs write their log as JSON lines on standard error, each with the trace that it belongs to,
//! and hand their traces to a collector by OTLP where one is configured (`hub.md`, Operating it; `conventions.md` §1.5).
//!
//! A trace is named by W3C trace context (`traceparent`) in HTTP and gRPC headers, in rows of the outbox and in records
//! of the stream. It is followed whether or not a collector is there: problems and log lines name it.

pub mod grpc;
mod place;

pub use place::{Place, current, follow, follow_headers, trace_id};

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use std::sync::atomic::{AtomicBool, Ordering};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, filter};

/// Where a collector takes traces over gRPC, e.g. `http://127.0.0.1:4317`; the second one counts for traces alone.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

/// Whether spans go to a collector.
static EXPORTING: AtomicBool = AtomicBool::new(false);

/// What is done at the end of a program that logs and traces.
#[must_use = "what was not sent yet is sent by `finish`"]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
    exporter: Option<Exporter>,
}

/// The thread that talks to the collector. It has a runtime of its own, so that the program's may come and go.
struct Exporter {
    end: tokio::sync::oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

/// Begins logging and tracing as `name`. `quiet` says which log lines are left out unless `RUST_LOG` says otherwise. A
/// second call in one process (tests) changes nothing.
pub fn start(name: &'static str, quiet: &str) -> Telemetry {
    let lines = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(quiet));
    let lines = tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr).with_filter(lines);
    let wanted = ENDPOINTS.iter().any(|name| std::env::var(name).is_ok_and(|said| !said.trim().is_empty()));
    let (exporter, trouble) = match wanted.then(exporter) {
        None => (None, None),
        Some(Ok((spans, exporter))) => (Some((spans, exporter)), None),
        Some(Err(trouble)) => (None, Some(trouble)),
    };
    let builder = SdkTracerProvider::builder().with_resource(resource(name));
    let (builder, exporter) = match exporter {
        // What is recorded is said by the usual variable, OTEL_TRACES_SAMPLER.
        Some((spans, exporter)) => (builder.with_batch_exporter(spans), Some(exporter)),
        // Traces still have names; nothing is recorded of them.
        None => (builder.with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOff))), None),
    };
    let provider = builder.build();
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(name))
        .with_location(false)
        .with_threads(false)
        .with_filter(filter::filter_fn(|of| of.target().starts_with("tradepost")));
    if tracing_subscriber::registry().with(lines).with(spans).try_init().is_err() {
        return Telemetry { provider: None, exporter: None };
    }
    EXPORTING.store(exporter.is_some(), Ordering::Release);
    if let Some(trouble) = trouble {
        tracing::error!(%trouble, "traces go nowhere");
    }
    Telemetry { provider: Some(provider), exporter }
}

/// Whether traces go to a collector. Spans of single records are made only then: there are many.
pub fn exporting() -> bool {
    EXPORTING.load(Ordering::Acquire)
}

impl Telemetry {
    /// Sends what was not sent yet; waits no longer than the exporter's own deadline.
    pub fn finish(self) {
        EXPORTING.store(false, Ordering::Release);
        if let Some(provider) = self.provider
            && self.exporter.is_some()
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "the last traces were not sent");
        }
        if let Some(exporter) = self.exporter {
            // An exporter that has ended already is what is wanted.
            let _ = exporter.end.send(());
            let _ = exporter.thread.join();
        }
    }
}

/// Who says it: `OTEL_SERVICE_NAME` where it is set.
fn resource(name: &'static str) -> Resource {
    let builder = Resource::builder();
    match std::env::var_os("OTEL_SERVICE_NAME") {
        Some(_) => builder.build(),
        None => builder.with_service_name(name).build(),
    }
}

fn exporter() -> Result<(SpanExporter, Exporter), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let spans = {
        let _within = runtime.enter();
        SpanExporter::builder().with_tonic().build().map_err(|error| error.to_string())?
    };
    let (end, ended) = tokio::sync::oneshot::channel();
    let run = move || {
        // The other end being gone says the same.
        let _ = runtime.block_on(ended);
    };
    let thread = std::thread::Builder::new().name("traces".to_owned()).spawn(run);
    let thread = thread.map_err(|error| error.to_string())?;
    Ok((spans, Exporter { end, thread }))
}
