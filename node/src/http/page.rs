//! The till page, out of memory.

use super::answer::Refused;
use crate::app::problem::{Code, no};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

/// Serves the page and what belongs to it.
pub async fn page(uri: Uri, headers: HeaderMap) -> Response {
    let Some(asset) = tradepost_web_ui::asset(uri.path()) else {
        return Refused(no(Code::NotFound, format!("nothing is at {}", uri.path()))).into_response();
    };
    let known = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok()) == Some(asset.etag.as_str());
    let mut response = Response::new(if known { Body::empty() } else { Body::from(asset.bytes) });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let keep = if asset.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    let head = response.headers_mut();
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.mime));
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    if let Ok(etag) = HeaderValue::from_str(&asset.etag) {
        head.insert(header::ETAG, etag);
    }
    response
}
