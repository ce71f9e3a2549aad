//! Carts of the web shop.

use super::json::{self, Body, Page};
use super::problem::Problem;
use super::reservations::id;
use super::shop::{Shopper, timed_page, timed_place};
use super::{App, ask, change};
use crate::app::Fault;
use crate::app::carts::{self, Change, Line, Priced};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tradepost_sync::ids::Id;
use utoipa::{IntoParams, ToSchema};

/// A cart's line.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CartLineView {
    /// The item.
    sku: String,
    /// Its name.
    name: String,
    /// Thousandths of the pricing unit.
    quantity_milli: i64,
    /// Price of one pricing unit.
    unit_price: i64,
    /// What is left after every discount.
    amount: i64,
    /// The tax rate in parts per million.
    tax_ppm: u32,
}

/// A cart. Money is in minor units.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CartView {
    /// Its id.
    id: String,
    /// Version of the row: what checkout is told.
    version: u64,
    /// `open` or `checked_out`.
    state: String,
    /// The order that it became.
    order: Option<String>,
    /// The store that was chosen to collect it at.
    store: Option<String>,
    /// The store that it is priced at: the chosen one, or where there is most of it.
    priced_at: String,
    /// Its lines.
    lines: Vec<CartLineView>,
    /// Its coupon.
    coupon: Option<String>,
    /// ISO 4217.
    currency: String,
    /// Decimals of the minor unit.
    exponent: u8,
    /// Without tax.
    net: i64,
    /// The tax.
    tax: i64,
    /// What is to be paid: what checkout is told.
    total: i64,
    /// Why it can't be checked out as it is.
    problem: Option<String>,
}

fn view(cart: Priced) -> CartView {
    let line = |line: carts::PricedLine| CartLineView {
        sku: line.sku,
        name: line.name,
        quantity_milli: line.quantity_milli,
        unit_price: line.unit_price,
        amount: line.amount,
        tax_ppm: line.tax_ppm,
    };
    CartView {
        id: cart.id.to_string(),
        version: cart.row_version,
        state: cart.state,
        order: cart.web_order.map(|id| id.to_string()),
        store: cart.chosen,
        priced_at: cart.store,
        lines: cart.lines.into_iter().map(line).collect(),
        coupon: cart.coupon,
        currency: cart.currency,
        exponent: cart.exponent,
        net: cart.net,
        tax: cart.tax,
        total: cart.total,
        problem: cart.problem,
    }
}

fn tagged(status: StatusCode, cart: Priced) -> Response {
    let version = cart.row_version;
    json::tagged(status, version, &view(cart))
}

fn known(text: &str) -> Result<Id, Problem> {
    Id::parse(text).map_err(|_| Problem::from(Fault::not_found("cart", text)))
}

/// A cart that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCart {
    /// UUID, made by the client: the same again is the same cart.
    id: String,
    /// The store to collect it at, by code; wherever there is most of it if not given.
    store: Option<String>,
}

/// Makes a cart.
#[utoipa::path(post, path = "/v1/shop/carts", tag = "shop", operation_id = "createCart",
    security(("shopper" = [])), request_body = NewCart,
    responses((status = 201, body = CartView), (status = 401, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn create(
    app: State<Arc<App>>,
    shopper: Shopper,
    Body(body): Body<NewCart>,
) -> Result<Response, Problem> {
    let cart = change(&app, move |hub, now| {
        let list = shopper.session.account.map(|account| account.price_list).unwrap_or_default();
        let cart = id(&body.id, "/id")?;
        carts::create(hub, shopper.session.owner, cart, body.store.as_deref(), &list, now)
    });
    Ok(tagged(StatusCode::CREATED, cart.await?))
}

/// Which carts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Rows of a page, at most 500.
    limit: Option<usize>,
    /// Where the page begins.
    cursor: Option<String>,
}

/// Lists the shopper's carts, the oldest first.
#[utoipa::path(get, path = "/v1/shop/carts", tag = "shop", operation_id = "listCarts", params(Which),
    security(("shopper" = [])),
    responses((status = 200, body = Page<CartView>), (status = 401, body = Problem)))]
pub(super) async fn list(
    app: State<Arc<App>>,
    shopper: Shopper,
    Query(which): Query<Which>,
) -> Result<Json<Page<CartView>>, Problem> {
    let limit = json::limit(which.limit);
    let after = timed_place(which.cursor.as_deref())?;
    let owner = shopper.session.owner;
    let found = ask(&app, move |hub, now| carts::list(hub, owner, after, limit + 1, now)).await?;
    let rows = found.into_iter().map(|(at, cart)| (format!("{at}:{}", cart.id), view(cart))).collect();
    Ok(Json(timed_page(rows, limit)))
}

/// Shows a cart.
#[utoipa::path(get, path = "/v1/shop/carts/{id}", tag = "shop", operation_id = "getCart",
    security(("shopper" = [])), params(("id" = String, Path, description = "Its id, a UUID")),
    responses((status = 200, body = CartView), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn read(
    app: State<Arc<App>>,
    shopper: Shopper,
    Path(text): Path<String>,
) -> Result<Response, Problem> {
    let cart = known(&text)?;
    let cart = ask(&app, move |hub, now| carts::get(hub, shopper.session.owner, cart, now)).await?;
    Ok(tagged(StatusCode::OK, cart))
}

async fn changed(
    app: State<Arc<App>>,
    shopper: Shopper,
    text: &str,
    headers: &HeaderMap,
    what: Change,
) -> Result<Response, Problem> {
    let (cart, expected) = (known(text)?, json::if_match(headers)?);
    let owner = shopper.session.owner;
    let cart = change(&app, move |hub, now| carts::change(hub, owner, cart, expected, &what, now)).await?;
    Ok(tagged(StatusCode::OK, cart))
}

/// So much of an item.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLine {
    /// The item.
    sku: String,
    /// Thousandths of the pricing unit.
    quantity_milli: i64,
}

/// Adds so much of an item. With `If-Match` only to the version that was read.
#[utoipa::path(post, path = "/v1/shop/carts/{id}/lines", tag = "shop", operation_id = "addToCart",
    security(("shopper" = [])), params(("id" = String, Path, description = "The cart's id, a UUID")),
    request_body = NewLine,
    responses((status = 200, body = CartView), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn add(
    app: State<Arc<App>>,
    shopper: Shopper,
    Path(text): Path<String>,
    headers: HeaderMap,
    Body(line): Body<NewLine>,
) -> Result<Response, Problem> {
    let line = Line { sku: line.sku, quantity_milli: line.quantity_milli };
    changed(app, shopper, &text, &headers, Change::Add(line)).await
}

/// How much of an item.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewQuantity {
    /// Thousandths of the pricing unit; 0 takes it out.
    quantity_milli: i64,
}

/// Sets how much of an item is in it.
#[utoipa::path(put, path = "/v1/shop/carts/{id}/lines/{sku}", tag = "shop", operation_id = "setCartLine",
    security(("shopper" = [])),
    params(("id" = String, Path, description = "The cart's id, a UUID"), ("sku" = String, Path, description = "The item")),
    request_body = NewQuantity,
    responses((status = 200, body = CartView), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn set(
    app: State<Arc<App>>,
    shopper: Shopper,
    Path((text, sku)): Path<(String, String)>,
    headers: HeaderMap,
    Body(NewQuantity { quantity_milli }): Body<NewQuantity>,
) -> Result<Response, Problem> {
    changed(app, shopper, &text, &headers, Change::Set(Line { sku, quantity_milli })).await
}

/// Takes an item out.
#[utoipa::path(delete, path = "/v1/shop/carts/{id}/lines/{sku}", tag = "shop", operation_id = "removeFromCart",
    security(("shopper" = [])),
    params(("id" = String, Path, description = "The cart's id, a UUID"), ("sku" = String, Path, description = "The item")),
    responses((status = 200, body = CartView), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem)))]
pub(super) async fn remove(
    app: State<Arc<App>>,
    shopper: Shopper,
    Path((text, sku)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    changed(app, shopper, &text, &headers, Change::Set(Line { sku, quantity_milli: 0 })).await
}

/// Takes everything out.
#[utoipa::path(delete, path = "/v1/shop/carts/{id}/lines", tag = "shop", operation_id = "clearCart",
    security(("shopper" = [])), params(("id" = String, Path, description = "The cart's id, a UUID")),
    responses((status = 200, body = CartView), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem)))]
pub(super) async fn clear(
    app: State<Arc<App>>,
    shopper: Shopper,
    Path(text): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    changed(app, shopper, &text, &headers, Change::Clear).await
}

/// A coupon, or none.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CouponOfCart {
    /// Its code; none takes it off.
    code: Option<String>,
}

/// Puts another coupon on it, or none.
#[utoipa::path(put, path = "/v1/shop/carts/{id}/coupon", tag = "shop", operation_id = "setCartCoupon",
    security(("shopper" = [])), params(("id" = String, Path, description = "The cart's id, a UUID")),
    request_body = CouponOfCart,
    responses((status = 200, body = CartView), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn coupon(
    app: State<Arc<App>>,
    shopper: Shopper,
    Path(text): Path<String>,
    headers: HeaderMap,
    Body(body): Body<CouponOfCart>,
) -> Result<Response, Problem> {
    changed(app, shopper, &text, &headers, Change::Coupon(body.code)).await
}

/// A store, or wherever there is most.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreOfCart {
    /// Its code; none for wherever there is most of it.
    store: Option<String>,
}

/// Chooses the store to collect it at.
#[utoipa::path(put, path = "/v1/shop/carts/{id}/store", tag = "shop", operation_id = "setCartStore",
    security(("shopper" = [])), params(("id" = String, Path, description = "The cart's id, a UUID")),
    request_body = StoreOfCart,
    responses((status = 200, body = CartView), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem)))]
pub(super) async fn store(
    app: State<Arc<App>>,
    shopper: Shopper,
    Path(text): Path<String>,
    headers: HeaderMap,
    Body(body): Body<StoreOfCart>,
) -> Result<Response, Problem> {
    changed(app, shopper, &text, &headers, Change::Store(body.store)).await
}
