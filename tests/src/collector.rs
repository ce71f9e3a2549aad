//! A collector of traces inside the test: it takes what programs export by OTLP over gRPC, and keeps it.

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use tonic::{Request, Response, Status};

/// One span, as far as tests look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its trace, 32 hexadecimal digits.
    pub trace: String,
    /// Its own id, 16 digits.
    pub id: String,
    /// The span that it goes on from; empty for a first one.
    pub parent: String,
    /// What it is called.
    pub name: String,
    /// The program that it comes from.
    pub service: String,
}

/// A collector on a port of its own. It ends with its value.
pub struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    url: String,
    _runtime: tokio::runtime::Runtime,
}

struct Taking(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Taking {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for resource in request.into_inner().resource_spans {
            let service = service_name(resource.resource.as_ref());
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                kept.push(Span {
                    trace: hex(&span.trace_id),
                    id: hex(&span.span_id),
                    parent: hex(&span.parent_span_id),
                    name: span.name,
                    service: service.clone(),
                });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn service_name(resource: Option<&opentelemetry_proto::tonic::resource::v1::Resource>) -> String {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    let named = resource.and_then(|it| it.attributes.iter().find(|pair| pair.key == "service.name"));
    match named.and_then(|pair| pair.value.clone()).and_then(|value| value.value) {
        Some(Value::StringValue(name)) => name,
        _ => String::new(),
    }
}

impl Collector {
    /// Starts one.
    ///
    /// # Panics
    /// Where loopback has no free port.
    #[must_use]
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it has an address"));
        let spans = Arc::new(Mutex::default());
        let service = TraceServiceServer::new(Taking(Arc::clone(&spans)));
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        runtime.spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
        Self { spans, url, _runtime: runtime }
    }

    /// What a program's environment says, so that its traces come here soon.
    #[must_use]
    pub fn environment(&self) -> [(&str, &str); 2] {
        [("OTEL_EXPORTER_OTLP_ENDPOINT", &self.url), ("OTEL_BSP_SCHEDULE_DELAY", "200")]
    }

    /// The spans of a trace that have come so far.
    #[must_use]
    pub fn trace(&self, trace: &str) -> Vec<Span> {
        let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        spans.iter().filter(|span| span.trace == trace).cloned().collect()
    }

    /// The spans of a trace, once each of `wanted` is the name of one and all hang together: every span goes on from
    /// another one of the trace or from `root`, the caller's own.
    ///
    /// # Errors
    /// What is missing so far.
    pub fn connected(&self, trace: &str, root: &str, wanted: &[&str]) -> Result<Vec<Span>, String> {
        let spans = self.trace(trace);
        let names: BTreeSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
        let missing: Vec<&&str> = wanted.iter().filter(|name| !names.contains(**name)).collect();
        if !missing.is_empty() {
            return Err(format!("no span is called {missing:?}: {names:?}"));
        }
        let ids: BTreeSet<&str> = spans.iter().map(|span| span.id.as_str()).chain([root]).collect();
        match spans.iter().find(|span| !ids.contains(span.parent.as_str())) {
            Some(lost) => Err(format!("{} goes on from nowhere ({})", lost.name, lost.parent)),
            None => Ok(spans),
        }
    }
}
