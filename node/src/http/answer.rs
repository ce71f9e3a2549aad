//! Answers: JSON, or a problem (RFC 9457).

use crate::app::problem::{Code, Problem, Stop};
use crate::db::Fault;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// A problem as it travels.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemBody {
    /// Where its code is explained.
    #[serde(rename = "type")]
    pub kind: String,
    /// A few words.
    pub title: &'static str,
    /// HTTP status.
    pub status: u16,
    /// The sentence, with the numbers.
    pub detail: String,
    /// The request's path, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Stable name.
    pub code: &'static str,
    /// Where it sits, in parts.
    pub errors: Vec<FieldErrorBody>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// Finds it in the log.
    pub trace_id: String,
}

/// Trouble in one field.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldErrorBody {
    /// RFC 6901 pointer into the request.
    pub pointer: String,
    /// The finer name.
    pub code: String,
    /// The sentence.
    pub detail: String,
}

/// A refusal on its way out.
#[derive(Debug)]
pub struct Refused(pub Stop);

/// What handlers answer.
pub type Reply = Result<Response, Refused>;

impl<E: Into<Stop>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// The trace that a refused request belongs to; where nothing follows traces, 16 random bytes in hexadecimal.
fn trace_id() -> String {
    tradepost_telemetry::trace_id(&tracing::Span::current()).unwrap_or_else(fresh_id)
}

fn fresh_id() -> String {
    let mut bytes = [0u8; 16];
    // Without luck the id is zeros; nothing depends on it.
    let _ = getrandom::fill(&mut bytes);
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let trace_id = trace_id();
        let problem = match self.0 {
            Stop::No(problem) => *problem,
            Stop::Fault(Fault::Full) => Problem::new(Code::DiskFull, "nothing was written"),
            Stop::Fault(Fault::Fatal(why)) => {
                tracing::error!(%why, trace_id, "a request failed");
                Problem::new(Code::Internal, "it is in the log, under the trace id")
            }
        };
        metrics::counter!("tradepost_problems_total", "code" => problem.code.name()).increment(1);
        problem_response(problem, trace_id)
    }
}

fn problem_response(problem: Problem, trace_id: String) -> Response {
    let code = problem.code;
    let errors = problem.errors.into_iter();
    let body = ProblemBody {
        kind: format!("/problems/{}", code.name()),
        title: code.title(),
        status: code.status(),
        detail: problem.detail,
        instance: None,
        code: code.name(),
        errors: errors
            .map(|e| FieldErrorBody { pointer: e.pointer, code: e.code, detail: e.detail })
            .collect(),
        retryable: code.retryable(),
        trace_id,
    };
    let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(status, &body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if code.retryable() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// A JSON answer.
pub fn json<T: Serialize>(status: StatusCode, body: &T) -> Response {
    // Plain values with text keys always serialise.
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 200 with JSON.
pub fn ok<T: Serialize>(body: &T) -> Response {
    json(StatusCode::OK, body)
}

/// 201 with JSON.
pub fn created<T: Serialize>(body: &T) -> Response {
    json(StatusCode::CREATED, body)
}

/// Text of some kind.
pub fn text(kind: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Where the next page begins; none at the end.
    pub next_cursor: Option<String>,
    /// Whether there is a next page.
    pub has_more: bool,
}

impl<T> Page<T> {
    /// A page of `limit` rows out of `limit + 1` that were looked for.
    pub fn cut<R>(
        mut rows: Vec<R>,
        limit: usize,
        cursor: impl Fn(&R) -> String,
        show: impl Fn(R) -> T,
    ) -> Self {
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| has_more).map(cursor);
        Self { data: rows.into_iter().map(show).collect(), next_cursor, has_more }
    }
}
