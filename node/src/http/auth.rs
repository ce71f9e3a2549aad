//! Who may ask (`resilience.md`, Attacks; `screens.md`, the token): whoever sits at the node's own machine, and paired
//! devices by the token that each of their requests bears in a header.
//!
//! What comes over TLS needs a token, and so does what comes from another machine without it. A proxy on the node's machine
//! would make everybody local: give the node `--tls` instead.

use super::answer::{Page, Refused, Reply, created, ok};
use super::body::Json;
use super::parse;
use super::sales::rfc3339;
use super::staff::ApprovalBody;
use super::state::Shared;
use crate::app::devices::{self, Device, DeviceKind, Invitation};
use crate::app::problem::{Answer, Code, no};
use crate::app::request::Till;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, header};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use utoipa::ToSchema;

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Nobody could read it on its way.
    pub encrypted: bool,
    /// It comes from this very machine: over loopback, or from the address that it came to.
    pub local: bool,
    /// The address of this machine that it came to.
    pub to: Option<IpAddr>,
}

impl Way {
    /// Whether it needs a token.
    fn needs_token(self) -> bool {
        self.encrypted || !self.local
    }
}

/// A device whose token a request bore.
#[derive(Clone, Debug)]
pub struct Asking(pub Device);

/// Lets a request in, or says why not; behind it the request knows which device asks.
///
/// # Errors
/// `UNAUTHORIZED` without a token that is known here, `FORBIDDEN` for what a display doesn't do; or a fault.
pub fn admit(shared: &Shared, request: &mut Request) -> Result<(), Refused> {
    // Without a word about its way it came through no listener: then it is a call inside the program.
    let needs = request.extensions().get::<Way>().is_some_and(|way| way.needs_token());
    let token = token_of(request.headers());
    if !needs && token.is_none() {
        return Ok(());
    }
    let closed = needs && !is_open(request.method(), request.uri().path());
    let found = match token {
        Some(token) => shared.read(|conn| Ok(devices::by_token(conn, token)?))?,
        None => None,
    };
    match found {
        None if closed => {
            let detail = match token {
                None => "this device shows no token: pair it with a code from a till that is paired",
                Some(_) => "nobody here knows this device's token: pair it anew",
            };
            Err(no(Code::Unauthorized, detail).into())
        }
        None => Ok(()),
        Some(device) => {
            if device.kind == DeviceKind::Display && !shows(request.method(), request.uri().path()) {
                return Err(
                    no(Code::Forbidden, format!("{} is a display: it shows carts", device.name)).into()
                );
            }
            request.extensions_mut().insert(Asking(device));
            Ok(())
        }
    }
}

fn token_of(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What anybody may ask: the page, the authority's certificate, health, and to be paired.
fn is_open(method: &Method, path: &str) -> bool {
    let asks_to_be_paired = *method == Method::POST && path == "/v1/devices";
    let inside = path.starts_with("/v1/") || path == "/metrics";
    !inside || asks_to_be_paired
}

/// What a customer's display asks for, beside the open addresses.
fn shows(method: &Method, path: &str) -> bool {
    let shown = path == "/v1/carts" || path.starts_with("/v1/carts/");
    let reads = matches!(*method, Method::GET | Method::HEAD);
    is_open(method, path) || (reads && (shown || matches!(path, "/v1/events" | "/v1/till/bootstrap")))
}

/// What a device may do.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKindBody {
    /// Everything a till does.
    Till,
    /// Show the customer what a till collects.
    Display,
}

/// A device that is to be paired.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PairingBody {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub kind: DeviceKindBody,
    /// The till it stands at.
    pub till: String,
    /// A manager's PIN, once the store has staff.
    pub approval: Option<ApprovalBody>,
}

/// A code for a device.
#[derive(Debug, Serialize, ToSchema)]
pub struct PairingOut {
    /// The code: good once.
    pub code: String,
    /// When it runs out (RFC 3339).
    pub expires_at: String,
}

/// A device brings its code.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceBody {
    /// The code, however it was typed.
    pub code: String,
}

/// A paired device.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeviceOut {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// `till` or `display`.
    pub kind: &'static str,
    /// The till it stands at.
    pub till: String,
    /// When it was paired (RFC 3339).
    pub paired_at: String,
}

/// A device that was just paired.
#[derive(Debug, Serialize, ToSchema)]
pub struct PairedOut {
    /// The device.
    #[serde(flatten)]
    pub device: DeviceOut,
    /// What it puts behind `Authorization: Bearer` from now on; it is told this once.
    pub token: String,
}

/// Takes a device's token away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnpairBody {
    /// A manager's PIN, once the store has staff.
    pub approval: Option<ApprovalBody>,
}

fn show(device: &Device) -> DeviceOut {
    DeviceOut {
        id: device.id.to_string(),
        name: device.name.clone(),
        kind: device.kind.name(),
        till: device.till.clone(),
        paired_at: rfc3339(device.made),
    }
}

/// Makes a code by which a device is paired: good once and for ten minutes.
#[utoipa::path(post, path = "/v1/pairings", operation_id = "invite", tag = "till", request_body = PairingBody,
    responses((status = 201, description = "The code", body = PairingOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn invite(State(shared): State<Shared>, Json(body): Json<PairingBody>) -> Reply {
    let invitation = Invitation {
        name: parse::short(&body.name, "/name")?,
        kind: match body.kind {
            DeviceKindBody::Till => DeviceKind::Till,
            DeviceKindBody::Display => DeviceKind::Display,
        },
        till: Till::parse(&body.till)?,
    };
    let approved = shared.approved(body.approval.as_ref()).await?;
    let made = shared
        .writer
        .ask(move |node, now| devices::invite(node, now, &invitation, approved.as_ref()))
        .await?;
    Ok(created(&PairingOut { code: made.code, expires_at: rfc3339(made.until) }))
}

/// Pairs the device that brings a code; its token is in the answer and nowhere else.
#[utoipa::path(post, path = "/v1/devices", operation_id = "pair", tag = "till", request_body = DeviceBody,
    responses((status = 201, description = "The device, with its token", body = PairedOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn pair(State(shared): State<Shared>, Json(body): Json<DeviceBody>) -> Reply {
    let paired = shared.writer.ask(move |node, now| devices::pair(node, now, &body.code)).await?;
    Ok(created(&PairedOut { device: show(&paired.device), token: paired.token }))
}

/// Lists the paired devices.
#[utoipa::path(get, path = "/v1/devices", operation_id = "listDevices", tag = "till",
    responses((status = 200, description = "All devices", body = Page<DeviceOut>)))]
pub async fn list(State(shared): State<Shared>) -> Reply {
    let known: Vec<Device> = shared.read(|conn| -> Answer<_> { Ok(devices::all(conn)?) })?;
    Ok(ok(&Page { data: known.iter().map(show).collect(), next_cursor: None, has_more: false }))
}

/// Takes a device's token away: it asks in vain from now on.
#[utoipa::path(post, path = "/v1/devices/{id}/unpair", operation_id = "unpair", tag = "till", params(("id" = String, Path, description = "UUID")), request_body = UnpairBody,
    responses((status = 200, description = "The devices that are left", body = Page<DeviceOut>), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn unpair(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<UnpairBody>,
) -> Reply {
    let id = parse::id(&id, "/id")?;
    let approved = shared.approved(body.approval.as_ref()).await?;
    shared.writer.ask(move |node, now| devices::unpair(node, now, &id, approved.as_ref())).await?;
    list(State(shared)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_sits_at_the_node_needs_no_token() {
        let way = |encrypted, local| Way { encrypted, local, to: None };
        assert!(!way(false, true).needs_token());
        for other in [way(true, true), way(true, false), way(false, false)] {
            assert!(other.needs_token(), "{other:?}");
        }
    }

    #[test]
    fn a_strange_device_sees_the_page_and_nothing_of_the_store() {
        let get = |path: &str| is_open(&Method::GET, path);
        for open in ["/", "/assets/till.js", "/ca", "/ca.crt", "/livez", "/openapi.json", "/problems"] {
            assert!(get(open), "{open}");
        }
        for closed in ["/v1/sales", "/v1/staff", "/v1/events", "/v1/devices", "/metrics"] {
            assert!(!get(closed), "{closed}");
        }
        assert!(is_open(&Method::POST, "/v1/devices"));
        assert!(!is_open(&Method::POST, "/v1/pairings"));
    }

    #[test]
    fn a_display_shows_and_changes_nothing() {
        assert!(shows(&Method::GET, "/v1/carts/0192/tenders") && shows(&Method::GET, "/v1/events"));
        assert!(!shows(&Method::POST, "/v1/carts") && !shows(&Method::GET, "/v1/customers"));
        assert!(!shows(&Method::GET, "/v1/cartsmith"));
    }
}
