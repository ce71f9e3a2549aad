//! The web shop's own door: shoppers, their sessions, carts and orders. Each call carries a shopper's token.

use super::json::{self, Body, Page};
use super::orders::rfc3339;
use super::problem::Problem;
use super::reservations::id;
use super::{App, ask, change};
use crate::app::accounts::{self, Account, Begun, Fresh, Session};
use crate::app::{Code, Fault};
use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Who asks, by the token they carry.
pub(super) struct Shopper {
    pub(super) session: Session,
    token: String,
}

impl FromRequestParts<Arc<App>> for Shopper {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let token = bearer(&parts.headers).ok_or_else(|| {
            Problem::new(Code::SessionRefused, "send a shopper's token as a bearer token", &[])
        })?;
        let asked = token.clone();
        let session = ask(&State(Arc::clone(app)), move |hub, now| accounts::who(hub, &asked, now)).await?;
        Ok(Self { session, token })
    }
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    given.strip_prefix("Bearer ").map(str::to_owned)
}

/// Fresh random bytes for one call.
pub(super) fn fresh() -> Result<Fresh, Problem> {
    let mut fresh = Fresh { id: [0; 16], salt: [0; 16], token: [0; 32] };
    let filled = getrandom::fill(&mut fresh.id)
        .and_then(|()| getrandom::fill(&mut fresh.salt))
        .and_then(|()| getrandom::fill(&mut fresh.token));
    filled.map_err(|error| Problem::from(Fault::internal(error)))?;
    // A UUID of version 4, as random ids are shown.
    fresh.id[6] = 0x40 | (fresh.id[6] & 0x0f);
    fresh.id[8] = 0x80 | (fresh.id[8] & 0x3f);
    Ok(fresh)
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccountView {
    /// Its id.
    id: String,
    /// Its address.
    email: String,
    /// What it is called.
    name: String,
    /// The price list that its carts are priced by; empty for the store's own.
    price_list: String,
}

fn account_view(account: Account) -> AccountView {
    let Account { id, email, name, price_list } = account;
    AccountView { id: id.to_string(), email, name, price_list }
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionView {
    /// The token to be sent as a bearer token; told once.
    token: Option<String>,
    /// The account's or guest's id.
    shopper: String,
    /// Whether it is a guest's.
    guest: bool,
    /// It ends here by itself, RFC 3339.
    expires_at: String,
    /// The account, unless it is a guest's.
    account: Option<AccountView>,
}

fn session_view(session: Session, token: Option<String>) -> SessionView {
    SessionView {
        token,
        shopper: session.owner.to_string(),
        guest: session.guest,
        expires_at: rfc3339(session.expires_at),
        account: session.account.map(account_view),
    }
}

fn begun(begun: Begun) -> (StatusCode, Json<SessionView>) {
    (StatusCode::CREATED, Json(session_view(begun.session, Some(begun.token))))
}

/// Begins the session of a guest.
#[utoipa::path(post, path = "/v1/shop/guests", tag = "shop", operation_id = "beginGuest", security(()),
    responses((status = 201, body = SessionView)))]
pub(super) async fn guest(app: State<Arc<App>>) -> Result<(StatusCode, Json<SessionView>), Problem> {
    let fresh = fresh()?;
    Ok(begun(change(&app, move |hub, now| accounts::guest(hub, &fresh, now)).await?))
}

/// An account that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccount {
    /// Its address.
    email: String,
    /// What it is called.
    name: String,
    /// Its password: 10 to 128 characters.
    password: String,
    /// The token of the guest who makes it: the guest's carts go with them.
    guest: Option<String>,
}

/// Makes an account and begins its first session.
#[utoipa::path(post, path = "/v1/shop/accounts", tag = "shop", operation_id = "createAccount", security(()),
    request_body = NewAccount,
    responses((status = 201, body = SessionView), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn create(
    app: State<Arc<App>>,
    Body(body): Body<NewAccount>,
) -> Result<(StatusCode, Json<SessionView>), Problem> {
    let fresh = fresh()?;
    let made = change(&app, move |hub, now| {
        let NewAccount { email, name, password, guest } = body;
        let wanted = accounts::Wanted { email, name, password };
        accounts::create(hub, &wanted, guest.as_deref(), &fresh, now)
    });
    Ok(begun(made.await?))
}

/// Who logs in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    /// The account's address.
    email: String,
    /// Its password.
    password: String,
    /// The token of the guest who logs in: the guest's carts go with them.
    guest: Option<String>,
}

/// Begins a session with a password. After five wrong ones in a row the account rests, longer each time.
#[utoipa::path(post, path = "/v1/shop/sessions", tag = "shop", operation_id = "logIn", security(()),
    request_body = Login,
    responses((status = 201, body = SessionView), (status = 401, body = Problem), (status = 429, body = Problem)))]
pub(super) async fn log_in(
    app: State<Arc<App>>,
    Body(body): Body<Login>,
) -> Result<(StatusCode, Json<SessionView>), Problem> {
    let fresh = fresh()?;
    let made = change(&app, move |hub, now| {
        accounts::log_in(hub, &body.email, &body.password, body.guest.as_deref(), &fresh, now)
    });
    Ok(begun(made.await?))
}

/// Shows whose session it is.
#[utoipa::path(get, path = "/v1/shop/sessions/current", tag = "shop", operation_id = "getSession",
    security(("shopper" = [])),
    responses((status = 200, body = SessionView), (status = 401, body = Problem)))]
pub(super) async fn current(shopper: Shopper) -> Json<SessionView> {
    Json(session_view(shopper.session, None))
}

/// Ends the session for good.
#[utoipa::path(delete, path = "/v1/shop/sessions/current", tag = "shop", operation_id = "logOut",
    security(("shopper" = [])),
    responses((status = 204), (status = 401, body = Problem)))]
pub(super) async fn log_out(app: State<Arc<App>>, shopper: Shopper) -> Result<StatusCode, Problem> {
    change(&app, move |hub, now| accounts::log_out(hub, &shopper.token, now)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Another password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    /// The password until now.
    old: String,
    /// The password from now on: 10 to 128 characters.
    new: String,
}

/// Puts another password in place. Every session of the account ends, and a new one begins.
#[utoipa::path(put, path = "/v1/shop/password", tag = "shop", operation_id = "changePassword",
    security(("shopper" = [])), request_body = NewPassword,
    responses((status = 201, body = SessionView), (status = 401, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn change_password(
    app: State<Arc<App>>,
    shopper: Shopper,
    Body(body): Body<NewPassword>,
) -> Result<(StatusCode, Json<SessionView>), Problem> {
    let fresh = fresh()?;
    let made = change(&app, move |hub, now| {
        accounts::change_password(hub, shopper.session.owner, &body.old, &body.new, &fresh, now)
    });
    Ok(begun(made.await?))
}

/// A price list.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PriceList {
    /// Its code; empty for the store's own.
    price_list: String,
}

/// Puts an account on a price list: its carts from now on are priced by it.
#[utoipa::path(put, path = "/v1/shoppers/{id}/price-list", tag = "web orders", operation_id = "setPriceList",
    params(("id" = String, Path, description = "The account's id, a UUID")), request_body = PriceList,
    responses((status = 200, body = AccountView), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn set_price_list(
    app: State<Arc<App>>,
    axum::extract::Path(text): axum::extract::Path<String>,
    Body(body): Body<PriceList>,
) -> Result<Json<AccountView>, Problem> {
    let account =
        change(&app, move |hub, _| accounts::set_price_list(hub, id(&text, "/id")?, &body.price_list));
    Ok(Json(account_view(account.await?)))
}

/// A page of what has a place of (when, id).
pub(super) fn timed_place(cursor: Option<&str>) -> Result<(i64, tradepost_sync::ids::Id), Problem> {
    let place = json::place(cursor)?;
    let nowhere = || (i64::MIN, tradepost_sync::ids::Id([0; 16]));
    let Some((at, id)) = place.split_once(':') else { return Ok(nowhere()) };
    let id = tradepost_sync::ids::Id::parse(id)
        .map_err(|_| Problem::new(Code::BadValue, "the cursor is not one that was given out", &[]))?;
    Ok((at.parse().unwrap_or(i64::MIN), id))
}

/// A page of rows with their places.
pub(super) fn timed_page<T>(rows: Vec<(String, T)>, limit: usize) -> Page<T> {
    let page = Page::new(rows, limit, |(place, _)| place.clone());
    Page {
        data: page.data.into_iter().map(|(_, row)| row).collect(),
        next_cursor: page.next_cursor,
        has_more: page.has_more,
    }
}
