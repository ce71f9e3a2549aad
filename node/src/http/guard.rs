//! What every request must pass (`resilience.md`, Attacks): the right host, no foreign page, and while the node
//! closes no new write.

use super::answer::Refused;
use super::auth::{self, Way};
use super::seen::Seen;
use super::state::Shared;
use crate::app::problem::{Code, no};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use tracing::Instrument;

const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

/// Lets a request in, or says why not; in its span, and measured.
pub async fn guard(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let seen = Seen::begin(&request);
    let response = admit(shared, request, next).instrument(seen.span.clone()).await;
    seen.end(response)
}

async fn admit(shared: Shared, mut request: Request, next: Next) -> Response {
    let way = request.extensions().get::<Way>().copied();
    let refusal = check(&shared, way, request.method(), request.uri().host(), request.headers())
        .or_else(|| auth::admit(&shared, &mut request).err());
    let mut response = match refusal {
        Some(refused) => refused.into_response(),
        None => next.run(request).await,
    };
    let head = response.headers_mut();
    head.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    head.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    head.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    head.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
    response
}

fn check(
    shared: &Shared,
    way: Option<Way>,
    method: &Method,
    target: Option<&str>,
    headers: &HeaderMap,
) -> Option<Refused> {
    let text = |name: HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    let host = target.or_else(|| text(header::HOST)).unwrap_or_default();
    // A name may be pointed here by a stranger's DNS; the address that was dialled can't be.
    let dialled = way.and_then(|way| way.to);
    let ours = |name: &str| answers_for(name, &shared.hosts) || is_address(name, dialled);
    if !ours(host_name(host)) {
        return Some(no(Code::MisdirectedHost, format!("this node doesn't answer for {host:?}")).into());
    }
    let writes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if let Some(origin) = text(header::ORIGIN)
        && !same_site(origin, ours)
        && writes
    {
        return Some(no(Code::BadOrigin, format!("a page of {origin} may not write here")).into());
    }
    (writes && shared.writer.is_closing()).then(|| no(Code::Closing, "the node is closing").into())
}

/// The name without its port; brackets of an IPv6 address stay off.
fn host_name(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// A name in a foreign DNS may point here: only names that were said to be ours are answered for.
fn answers_for(name: &str, hosts: &[String]) -> bool {
    let loopback = matches!(name, "localhost" | "127.0.0.1" | "::1");
    loopback || hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
}

fn is_address(name: &str, dialled: Option<IpAddr>) -> bool {
    dialled.is_some() && name.parse::<IpAddr>().ok().map(|address| address.to_canonical()) == dialled
}

fn same_site(origin: &str, ours: impl Fn(&str) -> bool) -> bool {
    let Some((_, host)) = origin.split_once("://") else { return false };
    ours(host_name(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_answered_for() {
        let ours = ["till.example".to_owned()];
        for (host, right) in [
            ("127.0.0.1:7600", true),
            ("localhost", true),
            ("[::1]:7600", true),
            ("till.example:80", true),
            ("evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("", false),
        ] {
            assert_eq!(answers_for(host_name(host), &ours), right, "{host}");
        }
        let known = |name: &str| answers_for(name, &ours);
        assert!(same_site("http://localhost:7600", known));
        assert!(!same_site("null", known));
        assert!(!same_site("https://evil.example", known));
    }

    #[test]
    fn the_address_that_was_dialled_is_our_own() {
        let dialled = "192.168.1.20".parse().ok();
        assert!(is_address(host_name("192.168.1.20:7643"), dialled));
        for (name, dialled) in [("192.168.1.21", dialled), ("till", dialled), ("192.168.1.20", None)] {
            assert!(!is_address(name, dialled), "{name}");
        }
    }
}
