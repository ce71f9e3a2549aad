//! The store's authority, for devices that are to trust it: its certificate, and a page that says how to install it.

use super::answer::{Reply, text};
use super::state::Shared;
use crate::app::problem::{Answer, Code, no};
use crate::tls::Identity;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use std::sync::Arc;

/// The page brings its own style and no script.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn identity(shared: &Shared) -> Answer<&Arc<Identity>> {
    let none = || no(Code::NotFound, "the node serves no TLS: start it with --tls ADDRESS");
    shared.identity.as_ref().ok_or_else(none)
}

/// The authority's certificate as systems install it (DER).
#[utoipa::path(get, path = "/ca.crt", operation_id = "getAuthority", tag = "operations",
    responses((status = 200, description = "The certificate", content_type = "application/x-x509-ca-cert"), (status = 404, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn certificate(State(shared): State<Shared>) -> Reply {
    let mut response = identity(&shared)?.authority_der().to_vec().into_response();
    let kind = HeaderValue::from_static("application/x-x509-ca-cert");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// The authority's certificate as text (PEM).
#[utoipa::path(get, path = "/ca.pem", operation_id = "getAuthorityPem", tag = "operations",
    responses((status = 200, description = "The certificate", content_type = "application/x-pem-file"), (status = 404, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn pem(State(shared): State<Shared>) -> Reply {
    Ok(text("application/x-pem-file", identity(&shared)?.authority_pem().to_owned()))
}

/// Says how a device is told to trust the store.
#[utoipa::path(get, path = "/ca", operation_id = "getAuthorityPage", tag = "operations",
    responses((status = 200, description = "A page", content_type = "text/html"), (status = 404, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn page(State(shared): State<Shared>) -> Reply {
    let fingerprint = identity(&shared)?.fingerprint();
    let mut response =
        text("text/html; charset=utf-8", include_str!("trust.html").replace("{fingerprint}", &fingerprint));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Ok(response)
}
