//! Staff and policy of a store: kept here, in force at every till of the store, linked or not.

use super::json::{Body, if_match, must_match, tagged};
use super::problem::Problem;
use super::{App, ask, change};
use crate::app::{Code, staff};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use tradepost_commerce::money::Money;
use tradepost_sync::staff::{Role, StorePolicy};
use utoipa::ToSchema;

/// What somebody may do, each role all of the one before.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum StaffRole {
    /// Sells.
    Cashier,
    /// Allows what a cashier may not.
    Supervisor,
    /// Allows everything.
    Manager,
}

impl StaffRole {
    fn role(self) -> Role {
        match self {
            Self::Cashier => Role::Cashier,
            Self::Supervisor => Role::Supervisor,
            Self::Manager => Role::Manager,
        }
    }

    fn of(role: Role) -> Self {
        match role {
            Role::Cashier => Self::Cashier,
            Role::Supervisor => Self::Supervisor,
            Role::Manager => Self::Manager,
        }
    }
}

/// Somebody, as they are to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StaffBody {
    /// The name.
    name: String,
    /// What they may do.
    role: StaffRole,
    /// 4 to 12 digits; left out, the old one stays.
    pin: Option<String>,
    /// Works there still; yes where it is left out. Who left can't sign on anywhere once the store's nodes have heard of it.
    active: Option<bool>,
}

/// Somebody of a store's staff. A PIN is never shown.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StaffView {
    /// Their id.
    id: String,
    /// The name.
    name: String,
    /// What they may do.
    role: StaffRole,
    /// Works there still.
    active: bool,
    /// Has a PIN.
    has_pin: bool,
    /// Version of the row: what `If-Match` names.
    version: u64,
    /// When it last changed, RFC 3339.
    changed_at: String,
}

impl StaffView {
    fn of(found: &staff::Found) -> Self {
        Self {
            id: found.record.id.0.clone(),
            name: found.record.name.clone(),
            role: StaffRole::of(found.record.role),
            active: found.record.active,
            has_pin: found.record.pin.is_some(),
            version: found.row_version,
            changed_at: super::orders::rfc3339(found.changed_at),
        }
    }
}

/// A store's staff.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StaffList {
    /// By id.
    data: Vec<StaffView>,
}

/// Lists a store's staff.
#[utoipa::path(get, path = "/v1/stores/{code}/staff", tag = "stores", operation_id = "listStaff",
    params(("code" = String, Path, description = "The store's code")),
    responses((status = 200, body = StaffList), (status = 404, body = Problem)))]
pub(super) async fn list(app: State<Arc<App>>, Path(code): Path<String>) -> Result<Json<StaffList>, Problem> {
    let found = ask(&app, move |hub, _| staff::list(hub, &code)).await?;
    Ok(Json(StaffList { data: found.iter().map(StaffView::of).collect() }))
}

/// Shows one of a store's staff; the `ETag` is the row's version.
#[utoipa::path(get, path = "/v1/stores/{code}/staff/{id}", tag = "stores", operation_id = "getStaff",
    params(("code" = String, Path, description = "The store's code"), ("id" = String, Path, description = "Their id")),
    responses((status = 200, body = StaffView), (status = 404, body = Problem)))]
pub(super) async fn read(
    app: State<Arc<App>>,
    Path((code, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let found = ask(&app, move |hub, _| staff::get(hub, &code, &id)).await?;
    Ok(tagged(StatusCode::OK, found.row_version, &StaffView::of(&found)))
}

/// Adds somebody to a store's staff, or replaces the record whose `ETag` is sent as `If-Match`. The store's nodes hold it
/// once they have the next catalog version (`GET /v1/catalog/rollout`).
#[utoipa::path(put, path = "/v1/stores/{code}/staff/{id}", tag = "stores", operation_id = "putStaff",
    params(("code" = String, Path, description = "The store's code"), ("id" = String, Path, description = "1 to 32 small letters, digits, '-', '_' or '.'"), ("If-Match" = Option<String>, Header, description = "ETag that was read")),
    request_body = StaffBody,
    responses((status = 200, body = StaffView), (status = 201, body = StaffView), (status = 404, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem), (status = 428, body = Problem)))]
pub(super) async fn write(
    app: State<Arc<App>>,
    Path((code, id)): Path<(String, String)>,
    headers: HeaderMap,
    Body(body): Body<StaffBody>,
) -> Result<Response, Problem> {
    let expected = if_match(&headers)?;
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|e| Problem::new(Code::Internal, e.to_string(), &[]))?;
    let put = change(&app, move |hub, now| {
        let pin = body.pin.as_deref().map(|pin| staff::seal_pin(pin, salt)).transpose()?;
        let (role, active) = (body.role.role(), body.active.unwrap_or(true));
        let wanted = staff::Wanted { id, name: body.name, role, active, pin };
        staff::put(hub, &code, &wanted, expected, now)
    });
    let (is_new, found) = put.await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(tagged(status, found.row_version, &StaffView::of(&found)))
}

/// What a store's owner decided about the counter. Amounts in minor units.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyBody {
    /// A till sells nothing without a shift.
    #[serde(default)]
    shift_required: bool,
    /// Drawers are counted without being told what should be there.
    #[serde(default)]
    blind_count: bool,
    /// The most a drawer may be off without a manager; none means any difference passes.
    difference_max: Option<i64>,
    /// The most that is given back without a receipt; none leaves the usual cap.
    no_receipt_max: Option<i64>,
    /// The most that a node gives back unverified on one business day; none leaves the usual cap.
    unverified_max: Option<i64>,
    /// The role of acts, by name; those left out need their usual one.
    #[serde(default)]
    roles: BTreeMap<String, StaffRole>,
}

impl PolicyBody {
    fn of(policy: &StorePolicy) -> Self {
        Self {
            shift_required: policy.shift_required,
            blind_count: policy.blind_count,
            difference_max: policy.difference_max.map(|most| most.0),
            no_receipt_max: policy.no_receipt_max.map(|most| most.0),
            unverified_max: policy.unverified_max.map(|most| most.0),
            roles: policy.roles.iter().map(|(act, role)| (act.clone(), StaffRole::of(*role))).collect(),
        }
    }

    fn policy(self) -> StorePolicy {
        StorePolicy {
            shift_required: self.shift_required,
            blind_count: self.blind_count,
            difference_max: self.difference_max.map(Money),
            no_receipt_max: self.no_receipt_max.map(Money),
            unverified_max: self.unverified_max.map(Money),
            roles: self.roles.into_iter().map(|(act, role)| (act, role.role())).collect(),
        }
    }
}

/// Shows a store's policy; the `ETag` is its version, 0 where none was published yet.
#[utoipa::path(get, path = "/v1/stores/{code}/policy", tag = "stores", operation_id = "getPolicy",
    params(("code" = String, Path, description = "The store's code")),
    responses((status = 200, body = PolicyBody), (status = 404, body = Problem)))]
pub(super) async fn policy(app: State<Arc<App>>, Path(code): Path<String>) -> Result<Response, Problem> {
    let (version, policy) = ask(&app, move |hub, _| staff::policy(hub, &code)).await?;
    Ok(tagged(StatusCode::OK, version, &PolicyBody::of(&policy)))
}

/// Replaces a store's policy. `If-Match` names the version that was read. From then on its nodes change none of it
/// themselves.
#[utoipa::path(put, path = "/v1/stores/{code}/policy", tag = "stores", operation_id = "putPolicy",
    params(("code" = String, Path, description = "The store's code"), ("If-Match" = String, Header, description = "ETag that was read")),
    request_body = PolicyBody,
    responses((status = 200, body = PolicyBody), (status = 404, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem), (status = 428, body = Problem)))]
pub(super) async fn write_policy(
    app: State<Arc<App>>,
    Path(code): Path<String>,
    headers: HeaderMap,
    Body(body): Body<PolicyBody>,
) -> Result<Response, Problem> {
    let expected = must_match(&headers)?;
    let policy = body.policy();
    let shown = PolicyBody::of(&policy);
    let version = change(&app, move |hub, now| staff::put_policy(hub, &code, &policy, expected, now)).await?;
    Ok(tagged(StatusCode::OK, version, &shown))
}
