//! Stores, their settings, enrolment codes and aliases.

use super::json::{Body, must_match, tagged};
use super::problem::Problem;
use super::{App, ask, change};
use crate::app::{Code, aliases, enrol, stores};
use crate::db::stores::Store;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value as Any;
use std::sync::Arc;
use tradepost_sync::ids::Incarnation;
use utoipa::ToSchema;

/// A store to be opened.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewStore {
    /// 1 to 32 letters, digits, hyphens or underscores.
    code: String,
    /// Its name.
    name: String,
    /// Settings that differ from the defaults.
    #[schema(value_type = Option<Object>)]
    settings: Option<Any>,
}

/// A store.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StoreView {
    /// Its code.
    code: String,
    /// Its name.
    name: String,
    /// Version of its settings.
    settings_version: u32,
    /// When it was opened, RFC 3339.
    created_at: String,
}

impl StoreView {
    fn of(store: &Store) -> Self {
        Self {
            code: store.code.clone(),
            name: store.name.clone(),
            settings_version: store.settings_version,
            created_at: super::orders::rfc3339(store.created_at),
        }
    }
}

/// Every store.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Stores {
    /// By code.
    data: Vec<StoreView>,
}

/// Opens a store.
#[utoipa::path(post, path = "/v1/stores", tag = "stores", operation_id = "createStore", request_body = NewStore,
    responses((status = 201, body = StoreView), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn create(
    app: State<Arc<App>>,
    Body(new): Body<NewStore>,
) -> Result<(StatusCode, Json<StoreView>), Problem> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|e| Problem::new(Code::Internal, e.to_string(), &[]))?;
    let store = change(&app, move |hub, now| {
        stores::open(hub, &new.code, &new.name, new.settings.as_ref(), Incarnation(random), now)
    });
    Ok((StatusCode::CREATED, Json(StoreView::of(&store.await?))))
}

/// Lists the stores.
#[utoipa::path(get, path = "/v1/stores", tag = "stores", operation_id = "listStores", responses((status = 200, body = Stores)))]
pub(super) async fn list(app: State<Arc<App>>) -> Result<Json<Stores>, Problem> {
    let stores = ask(&app, |hub, _| stores::list(hub)).await?;
    Ok(Json(Stores { data: stores.iter().map(StoreView::of).collect() }))
}

/// Shows a store.
#[utoipa::path(get, path = "/v1/stores/{code}", tag = "stores", operation_id = "getStore",
    params(("code" = String, Path, description = "The store's code")),
    responses((status = 200, body = StoreView), (status = 404, body = Problem)))]
pub(super) async fn read(app: State<Arc<App>>, Path(code): Path<String>) -> Result<Json<StoreView>, Problem> {
    let store = ask(&app, move |hub, _| stores::get(hub, &code)).await?;
    Ok(Json(StoreView::of(&store)))
}

/// Shows a store's settings; the `ETag` is their version.
#[utoipa::path(get, path = "/v1/stores/{code}/settings", tag = "stores", operation_id = "getSettings",
    params(("code" = String, Path, description = "The store's code")),
    responses((status = 200, body = Object), (status = 404, body = Problem)))]
pub(super) async fn read_settings(
    app: State<Arc<App>>,
    Path(code): Path<String>,
) -> Result<Response, Problem> {
    let store = ask(&app, move |hub, _| stores::get(hub, &code)).await?;
    shown(&store)
}

fn shown(store: &Store) -> Result<Response, Problem> {
    let settings = stores::settings(store).map_err(Problem::from)?;
    Ok(tagged(StatusCode::OK, u64::from(store.settings_version), &settings))
}

/// Replaces a store's settings; what is left out has its default. `If-Match` names the version that was read.
#[utoipa::path(put, path = "/v1/stores/{code}/settings", tag = "stores", operation_id = "putSettings",
    params(("code" = String, Path, description = "The store's code"), ("If-Match" = String, Header, description = "ETag that was read")),
    request_body = Object,
    responses((status = 200, body = Object), (status = 412, body = Problem), (status = 422, body = Problem), (status = 428, body = Problem)))]
pub(super) async fn write_settings(
    app: State<Arc<App>>,
    Path(code): Path<String>,
    headers: HeaderMap,
    Body(settings): Body<Any>,
) -> Result<Response, Problem> {
    let expected = must_match(&headers)?;
    let store =
        change(&app, move |hub, now| stores::set_settings(hub, &code, &settings, expected, now)).await?;
    shown(&store)
}

/// What a code should be like.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeWanted {
    /// Minutes it is good for; 10 if not given.
    ttl_minutes: Option<u32>,
    /// `host:port` that the node should sync with, where it isn't the hub's usual public address.
    address: Option<String>,
}

/// A one-time enrolment code. It is shown once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CodeView {
    /// To be typed in at the node.
    code: String,
    /// When it runs out, RFC 3339.
    expires_at: String,
    /// SHA-256 of the hub's certificate, to be compared by eye.
    fingerprint: String,
}

/// Makes a one-time enrolment code for a store's node.
#[utoipa::path(post, path = "/v1/stores/{code}/enrolment-codes", tag = "stores", operation_id = "createEnrolmentCode",
    params(("code" = String, Path, description = "The store's code")), request_body(content = CodeWanted),
    responses((status = 201, body = CodeView), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn make_code(
    app: State<Arc<App>>,
    Path(code): Path<String>,
    body: bytes::Bytes,
) -> Result<(StatusCode, Json<CodeView>), Problem> {
    let wanted: CodeWanted = match body.is_empty() {
        true => CodeWanted::default(),
        false => super::json::parse(&body).map_err(Problem::from)?,
    };
    let mut secret = [0; 8];
    getrandom::fill(&mut secret).map_err(|e| Problem::new(Code::Internal, e.to_string(), &[]))?;
    let fingerprint = app.hub.face.fingerprint.iter().map(|b| format!("{b:02x}")).collect();
    let made = change(&app, move |hub, now| {
        let ttl = wanted.ttl_minutes.unwrap_or(enrol::TTL_MINUTES);
        enrol::make_code(hub, &code, secret, ttl, wanted.address.as_deref(), now)
    });
    let made = made.await?;
    let expires_at = super::orders::rfc3339(made.expires_at);
    Ok((StatusCode::CREATED, Json(CodeView { code: made.text, expires_at, fingerprint })))
}

/// Two names of one item.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Alias {
    /// The placeholder or old code.
    from: String,
    /// The catalog's item.
    to: String,
}

/// Says that whatever a store booked under one name counts as another item.
#[utoipa::path(post, path = "/v1/stores/{code}/aliases", tag = "stores", operation_id = "createAlias",
    params(("code" = String, Path, description = "The store's code")), request_body = Alias,
    responses((status = 204), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn alias(
    app: State<Arc<App>>,
    Path(code): Path<String>,
    Body(alias): Body<Alias>,
) -> Result<StatusCode, Problem> {
    change(&app, move |hub, now| aliases::add(hub, &code, &alias.from, &alias.to, now)).await?;
    Ok(StatusCode::NO_CONTENT)
}
