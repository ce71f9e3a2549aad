//! Reading a JSON body, and saying exactly what is wrong with one that makes no sense.

use super::answer::Refused;
use crate::app::problem::{Code, no, no_at};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};
use std::time::Duration;

/// Most bytes of a body.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// Most bytes of a refused body that are read off.
const READ_OFF_BYTES_MAX: usize = 16 << 20;

/// How long a refused body is read off.
const READ_OFF_MAX: Duration = Duration::from_secs(5);

/// A JSON body.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        if !is_json(&request) {
            return Err(no(Code::UnsupportedMediaType, "the body must be application/json").into());
        }
        let announced =
            request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        if announced.is_some_and(|bytes: usize| bytes > BODY_BYTES_MAX) {
            read_off(request).await;
            return Err(too_large());
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            let is_large = rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE;
            if is_large { too_large() } else { no(Code::BadJson, rejection.body_text()).into() }
        })?;
        read(&bytes).map(Json)
    }
}

/// Reads a refused body to its end, within bounds: a connection that is closed on a caller who still sends takes the
/// answer with it. Whoever asked before sending (`Expect`) is told at once.
async fn read_off(request: Request) {
    if request.headers().contains_key(header::EXPECT) {
        return;
    }
    let mut body = request.into_body();
    let all = async {
        let mut bytes = 0;
        while let Some(Ok(frame)) = body.frame().await {
            bytes += frame.data_ref().map_or(0, Bytes::len);
            if bytes > READ_OFF_BYTES_MAX {
                break;
            }
        }
    };
    // What comes slower than this is let go.
    let _ = tokio::time::timeout(READ_OFF_MAX, all).await;
}

fn too_large() -> Refused {
    no(Code::BodyTooLarge, format!("a body may have {BODY_BYTES_MAX} bytes")).into()
}

fn is_json(request: &Request) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// Reads one JSON document.
///
/// # Errors
/// `BAD_JSON`, `UNKNOWN_FIELD`, `MISSING_FIELD`, `WRONG_TYPE`, each pointing at its place.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refused> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().clone();
        wrong(&path, error.inner())
    })?;
    reader.end().map_err(|e| Refused::from(no(Code::BadJson, e.to_string())))?;
    Ok(value)
}

fn wrong(path: &Path, error: &serde_json::Error) -> Refused {
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or_default().to_owned();
    if error.classify() != Category::Data {
        return no(Code::BadJson, error.to_string()).into();
    }
    let here = pointer(path);
    if let Some(field) = quoted(&said, "unknown field `") {
        let at = if here.ends_with(&format!("/{field}")) { here } else { format!("{here}/{field}") };
        return no_at(Code::UnknownField, at, said).into();
    }
    if let Some(field) = quoted(&said, "missing field `") {
        return no_at(Code::MissingField, format!("{here}/{field}"), said).into();
    }
    no_at(code_at(&here, &said), here, said).into()
}

/// A number that is one, but not of this range, is a bad quantity or amount rather than a wrong type.
fn code_at(pointer: &str, said: &str) -> Code {
    let out_of_range = said.starts_with("invalid value: integer");
    match pointer.rsplit('/').next() {
        Some("quantity_milli" | "units") if out_of_range => Code::BadQuantity,
        Some("amount" | "unit_price" | "price" | "value" | "cost") if out_of_range => Code::BadMoney,
        _ => Code::WrongType,
    }
}

fn quoted<'a>(said: &'a str, before: &str) -> Option<&'a str> {
    said.split_once(before)?.1.split('`').next()
}

/// RFC 6901.
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1")))
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::problem::{Problem, Stop};
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only what can go wrong matters here")]
    struct Line {
        sku: String,
        quantity_milli: i64,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only what can go wrong matters here")]
    struct Basket {
        lines: Vec<Line>,
    }

    fn problem(body: &str) -> Problem {
        match read::<Basket>(body.as_bytes()) {
            Err(Refused(Stop::No(problem))) => *problem,
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn trouble_is_named_and_pointed_at() {
        let stories = [
            ("{", Code::BadJson, ""),
            ("{\"lines\":[]} x", Code::BadJson, ""),
            ("{\"lines\":[],\"x\":1}", Code::UnknownField, "/x"),
            (
                "{\"lines\":[{\"sku\":\"A\",\"quantity_milli\":1,\"qty\":2}]}",
                Code::UnknownField,
                "/lines/0/qty",
            ),
            ("{\"lines\":[{\"sku\":\"A\"}]}", Code::MissingField, "/lines/0/quantity_milli"),
            (
                "{\"lines\":[{\"sku\":\"A\",\"quantity_milli\":\"1\"}]}",
                Code::WrongType,
                "/lines/0/quantity_milli",
            ),
            (
                "{\"lines\":[{\"sku\":\"A\",\"quantity_milli\":99999999999999999999}]}",
                Code::WrongType,
                "/lines/0/quantity_milli",
            ),
            ("{\"lines\":{}}", Code::WrongType, "/lines"),
            ("{}", Code::MissingField, "/lines"),
        ];
        for (body, code, pointer) in stories {
            let problem = problem(body);
            assert_eq!(problem.code, code, "{body}: {problem:?}");
            let found = problem.errors.first().map_or("", |e| e.pointer.as_str());
            assert_eq!(found, pointer, "{body}: {problem:?}");
        }
    }
}
