//! Who may ask: whoever holds the token of the data folder. And who is asked: this server, by its `Host`.

use super::App;
use super::problem::Problem;
use crate::app::Code;
use crate::secrets::write_secret;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The admin token, made at the first start, readable by the owner alone.
pub fn token(folder: &Path) -> io::Result<String> {
    let path = folder.join("admin.token");
    match std::fs::read_to_string(&path) {
        Ok(token) if token.trim().len() >= 32 => Ok(token.trim().to_owned()),
        Ok(_) => Err(io::Error::other("admin.token is too short")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut secret = [0; 24];
            getrandom::fill(&mut secret).map_err(io::Error::other)?;
            let token: String = secret.iter().map(|b| format!("{b:02x}")).collect();
            write_secret(&path, token.as_bytes())?;
            Ok(token)
        }
        Err(error) => Err(error),
    }
}

/// Lets in who sends the token.
pub async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    // Hashes of equal length are compared, so that time tells nothing about the token.
    if blake3::hash(given.as_bytes()) == blake3::hash(app.token.as_bytes()) {
        return next.run(request).await;
    }
    let mut response =
        Problem::new(Code::Unauthorized, "there is no valid bearer token", &[]).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    response
}

/// Refuses requests that were meant for another server (DNS rebinding).
pub async fn check_host(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    let host = host.or_else(|| request.uri().host()).unwrap_or_default();
    if is_loopback(host) {
        return next.run(request).await;
    }
    Problem::new(Code::MisdirectedHost, format!("{host:?} is not this server"), &[]).into_response()
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_this_server() {
        for host in ["localhost", "localhost:7640", "127.0.0.1:1", "[::1]:7640", "LOCALHOST"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example", "10.0.0.1"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
