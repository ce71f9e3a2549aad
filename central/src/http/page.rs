//! The console, out of memory; where it wasn't built, a page that tells where the API is.

use super::problem::Problem;
use crate::app::Code;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use tradepost_web_ui::Asset;

/// Serves `/`: open to all, as it holds nothing; what it asks for then needs the token.
pub(super) async fn front(headers: HeaderMap) -> Response {
    match tradepost_web_ui::console("/") {
        Some(asset) => answer(asset, &headers),
        None => Html(include_str!("front_page.html")).into_response(),
    }
}

/// Serves what the console loads.
pub(super) async fn file(uri: Uri, headers: HeaderMap) -> Response {
    match tradepost_web_ui::console(uri.path()) {
        Some(asset) => answer(asset, &headers),
        None => Problem::new(Code::NotFound, format!("nothing is at {}", uri.path()), &[]).into_response(),
    }
}

fn answer(asset: Asset, headers: &HeaderMap) -> Response {
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
