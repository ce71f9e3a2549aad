//! Bodies in and out: JSON only, nothing unknown, every fault with its pointer.

use super::problem::Problem;
use crate::app::{Code, Fault};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

/// Longest body of a write.
pub(super) const BODY_BYTES_MAX: usize = 1 << 20;

/// A JSON body, parsed.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        expect_type(request.headers(), &["application/json"])?;
        let bytes = read(request, BODY_BYTES_MAX).await?;
        parse(&bytes).map(Self).map_err(Problem::from)
    }
}

/// Refuses a body of another content type.
pub(super) fn expect_type(headers: &HeaderMap, wanted: &[&str]) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if wanted.contains(&essence) {
        return Ok(());
    }
    let detail = format!("{essence:?} is not {}", wanted.join(" or "));
    Err(Problem::new(Code::UnsupportedMediaType, detail, &[]))
}

async fn read(request: Request, most: usize) -> Result<Bytes, Problem> {
    let body = Limited::new(request.into_body(), most).collect().await;
    body.map(http_body_util::Collected::to_bytes).map_err(|_| too_large(most))
}

/// The problem of a body that is too long.
pub(super) fn too_large(most: usize) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("a body has at most {most} bytes"), &[])
}

/// Reads JSON into a type that refuses unknown fields.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let (path, inner) = (error.path().to_string(), error.inner());
        if inner.is_data() { field_fault(&path, &inner.to_string()) } else { not_json(inner) }
    })?;
    reader.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

fn not_json(error: &serde_json::Error) -> Fault {
    Fault::refused(Code::BadJson, format!("the body is not JSON: {error}"))
}

fn field_fault(path: &str, why: &str) -> Fault {
    let code = if why.starts_with("unknown field") { Code::UnknownField } else { Code::WrongType };
    Fault::field(pointer(path), code, why)
}

/// `entries[2].price` as a JSON pointer.
pub(super) fn pointer(path: &str) -> String {
    if path == "." || path.is_empty() {
        return String::new();
    }
    let dotted = path.replace('[', ".").replace(']', "");
    dotted.split('.').filter(|part| !part.is_empty()).map(|part| format!("/{part}")).collect()
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Where the next page begins; none on the last.
    pub next_cursor: Option<String>,
    /// Whether there is one.
    pub has_more: bool,
}

impl<T> Page<T> {
    /// A page of at most `limit` rows from one row more than that; `place` names where a row stands.
    pub(super) fn new(mut rows: Vec<T>, limit: usize, place: impl Fn(&T) -> String) -> Self {
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| has_more).map(|last| cursor(&place(last)));
        Self { data: rows, next_cursor, has_more }
    }
}

/// A place as clients carry it.
pub(super) fn cursor(place: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(place)
}

/// The place of a client's cursor; the beginning where there is none.
pub(super) fn place(cursor: Option<&str>) -> Result<String, Problem> {
    use base64::Engine;
    let Some(cursor) = cursor else { return Ok(String::new()) };
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(cursor).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Problem::new(Code::BadValue, "the cursor is not one that was given out", &[]))
}

/// Rows of a page if nobody says otherwise, and at most.
pub(super) fn limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(50).clamp(1, 500)
}

/// The version in `If-Match`; none where it isn't sent.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(given) = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok()) else {
        return Ok(None);
    };
    let version = given.trim().trim_matches('"').parse().ok();
    version.map(Some).ok_or_else(|| {
        Problem::new(Code::PreconditionFailed, format!("{given} is not an ETag of this hub"), &[])
    })
}

/// The version in `If-Match`, which must be sent.
pub(super) fn must_match(headers: &HeaderMap) -> Result<u64, Problem> {
    if_match(headers)?
        .ok_or_else(|| Problem::new(Code::PreconditionRequired, "send the ETag as If-Match", &[]))
}

/// An answer with its row's version as `ETag`.
pub(super) fn tagged(status: axum::http::StatusCode, version: u64, body: &impl Serialize) -> Response {
    (
        status,
        [(header::ETAG, format!("\"{version}\""))],
        axum::Json(serde_json::to_value(body).unwrap_or_default()),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_pointer() {
        for (path, expected) in [(".", ""), ("code", "/code"), ("entries[2].price", "/entries/2/price")] {
            assert_eq!(pointer(path), expected);
        }
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        let page = Page::new(vec![1, 2, 3], 2, ToString::to_string);
        assert_eq!((page.data, page.has_more), (vec![1, 2], true));
        assert_eq!(place(page.next_cursor.as_deref()).ok().as_deref(), Some("2"));
        assert_eq!(Page::new(vec![1, 2], 2, ToString::to_string).next_cursor, None);
    }
}
