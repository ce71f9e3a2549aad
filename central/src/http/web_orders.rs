//! Web orders: checkout, how far each is, and cancelling; for shoppers their own, for the company all.

use super::json::{self, Body, Page};
use super::orders::rfc3339;
use super::problem::Problem;
use super::reservations::id;
use super::shop::Shopper;
use super::{App, ask, change};
use crate::app::checkout::{self, Shown, Wanted};
use crate::app::{Fault, reserve};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tradepost_sync::ids::Id;
use utoipa::{IntoParams, ToSchema};

/// A line of an order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebLineView {
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
    /// Without tax.
    net: i64,
    /// The tax.
    tax: i64,
}

/// A step that was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebStepView {
    /// The state it went on to.
    state: &'static str,
    /// When, RFC 3339.
    at: String,
    /// Why, where there was trouble.
    reason: Option<String>,
}

/// Goods that are held for an order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebHoldView {
    /// The reservation.
    reservation: String,
    /// The item.
    sku: String,
    /// Base units.
    units: u64,
    /// What was paid for it, in minor units.
    paid: i64,
    /// `open`, `fulfilled`, `cancelled` or `expired`, as far as the hub has heard.
    state: String,
}

/// A web order. Money is in minor units.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebOrderView {
    /// Its id.
    id: String,
    /// Its number, by which the store finds it.
    reference: String,
    /// How far it is: `created`, `held`, `authorizing`, `authorized`, `capturing`, `captured`, `placed`, `handed_over`,
    /// `fulfilled`; on trouble `releasing`, `failed`, `refunding`, `refunded`.
    state: String,
    /// Why it didn't come to its end, where it didn't.
    reason: Option<String>,
    /// Whether somebody asked to cancel it.
    cancel_asked: bool,
    /// The store that hands it out.
    store: String,
    /// The cart it came from.
    cart: String,
    /// The account or guest.
    shopper: String,
    /// ISO 4217.
    currency: String,
    /// Decimals of the minor unit.
    exponent: u8,
    /// Its lines.
    lines: Vec<WebLineView>,
    /// Without tax.
    net: i64,
    /// The tax.
    tax: i64,
    /// What is to be paid.
    total: i64,
    /// What was taken so far.
    captured: i64,
    /// What goes back or went back.
    refund: i64,
    /// How its payment stands; none where none was asked for.
    payment: Option<String>,
    /// The goods that are held for it.
    holds: Vec<WebHoldView>,
    /// Its steps.
    steps: Vec<WebStepView>,
    /// When it came, RFC 3339.
    created_at: String,
    /// When it last went on.
    changed_at: String,
    #[serde(skip)]
    #[schema(ignore)]
    place: i64,
}

fn view(shown: Shown) -> WebOrderView {
    let Shown { order, store, document, steps, holds, payment } = shown;
    let line = |(input, outcome): (
        &tradepost_commerce::document::LineInput,
        &tradepost_commerce::document::LineOutcome,
    )| WebLineView {
        sku: input.sku.0.clone(),
        name: input.name.clone(),
        quantity_milli: input.quantity.0,
        unit_price: input.unit_price.0,
        amount: outcome.amount.0,
        net: outcome.net.0,
        tax: outcome.tax.0,
    };
    let hold = |hold: crate::db::reservations::Reservation| WebHoldView {
        reservation: hold.id.to_string(),
        state: reserve::state(&hold).to_owned(),
        units: hold.units,
        paid: hold.prepaid.unwrap_or(0),
        sku: hold.sku,
    };
    WebOrderView {
        place: order.no,
        id: order.id.to_string(),
        reference: order.reference,
        state: order.state,
        reason: order.reason,
        cancel_asked: order.cancel,
        store,
        cart: order.cart.to_string(),
        shopper: order.owner.to_string(),
        currency: order.currency,
        exponent: order.exponent,
        lines: document.inputs.lines.iter().zip(&document.outcome.lines).map(line).collect(),
        net: document.outcome.net.0,
        tax: document.outcome.tax.0,
        total: order.total,
        captured: payment.as_ref().map_or(0, |paid| paid.captured),
        refund: order.refund,
        payment: payment.map(|paid| paid.state),
        holds: holds.into_iter().map(hold).collect(),
        steps: steps
            .into_iter()
            .map(|(state, at, reason)| WebStepView { state: state.name(), at: rfc3339(at), reason })
            .collect(),
        created_at: rfc3339(order.created_at),
        changed_at: rfc3339(order.changed_at),
    }
}

fn known(text: &str) -> Result<Id, Problem> {
    Id::parse(text).map_err(|_| Problem::from(Fault::not_found("order", text)))
}

/// A checkout.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Checkout {
    /// The cart.
    cart: String,
    /// The cart's version that the shopper saw.
    cart_version: u64,
    /// The total that the shopper saw, in minor units.
    total: i64,
    /// How it is paid, in the provider's words: a token, never a card's number.
    method: String,
}

/// Checks a cart out. Safe to repeat after any trouble: the same again under the same id shows the order as it stands.
/// `201` says that it has come to an end or is with its store, `202` that it goes on by itself.
#[utoipa::path(put, path = "/v1/shop/orders/{id}", tag = "shop", operation_id = "checkOut",
    security(("shopper" = [])), params(("id" = String, Path, description = "Its id, a UUID made by the client")),
    request_body = Checkout,
    responses((status = 201, body = WebOrderView), (status = 202, body = WebOrderView), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn check_out(
    app: State<Arc<App>>,
    shopper: Shopper,
    Path(text): Path<String>,
    Body(body): Body<Checkout>,
) -> Result<(StatusCode, Json<WebOrderView>), Problem> {
    let order = id(&text, "/id").map_err(Problem::from)?;
    let cart = id(&body.cart, "/cart").map_err(Problem::from)?;
    let Checkout { cart_version, total, method, .. } = body;
    let wanted = Wanted { id: order, cart, cart_version, total, method };
    let shown =
        change(&app, move |hub, now| checkout::check_out_cart(hub, shopper.session.owner, &wanted, now));
    let shown = shown.await?;
    let settled = shown.has_ended() || shown.order.placed;
    let status = if settled { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    Ok((status, Json(view(shown))))
}

/// Which orders.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Own {
    /// Rows of a page, at most 500.
    limit: Option<usize>,
    /// Where the page begins.
    cursor: Option<String>,
}

async fn page(
    app: State<Arc<App>>,
    which: checkout::Which,
    limit: Option<usize>,
    cursor: Option<&str>,
) -> Result<Json<Page<WebOrderView>>, Problem> {
    let limit = json::limit(limit);
    let after = json::place(cursor)?.parse().unwrap_or(0);
    let found = ask(&app, move |hub, _| checkout::list(hub, &which, after, limit + 1)).await?;
    let rows = found.into_iter().map(view).collect();
    Ok(Json(Page::new(rows, limit, |row: &WebOrderView| row.place.to_string())))
}

/// Lists the shopper's orders in the order in which they came.
#[utoipa::path(get, path = "/v1/shop/orders", tag = "shop", operation_id = "listOwnOrders", params(Own),
    security(("shopper" = [])),
    responses((status = 200, body = Page<WebOrderView>), (status = 401, body = Problem)))]
pub(super) async fn list_own(
    app: State<Arc<App>>,
    shopper: Shopper,
    Query(which): Query<Own>,
) -> Result<Json<Page<WebOrderView>>, Problem> {
    let of = checkout::Which::Owner(shopper.session.owner);
    page(app, of, which.limit, which.cursor.as_deref()).await
}

/// Shows one of the shopper's orders.
#[utoipa::path(get, path = "/v1/shop/orders/{id}", tag = "shop", operation_id = "getOwnOrder",
    security(("shopper" = [])), params(("id" = String, Path, description = "Its id, a UUID")),
    responses((status = 200, body = WebOrderView), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn read_own(
    app: State<Arc<App>>,
    shopper: Shopper,
    Path(text): Path<String>,
) -> Result<Json<WebOrderView>, Problem> {
    let order = known(&text)?;
    ask(&app, move |hub, _| checkout::get_own(hub, shopper.session.owner, order)).await.map(view).map(Json)
}

/// Asks to cancel one of the shopper's orders. Money that was taken goes back; once the store has it, the store decides.
#[utoipa::path(delete, path = "/v1/shop/orders/{id}", tag = "shop", operation_id = "cancelOwnOrder",
    security(("shopper" = [])), params(("id" = String, Path, description = "Its id, a UUID")),
    responses((status = 200, body = WebOrderView), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn cancel_own(
    app: State<Arc<App>>,
    shopper: Shopper,
    Path(text): Path<String>,
) -> Result<Json<WebOrderView>, Problem> {
    let order = known(&text)?;
    let shown = change(&app, move |hub, now| {
        checkout::get_own(hub, shopper.session.owner, order)?;
        checkout::cancel(hub, order, "the shopper cancelled it", now)
    });
    Ok(Json(view(shown.await?)))
}

/// Which orders.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Of one store only, by code.
    store: Option<String>,
    /// Rows of a page, at most 500.
    limit: Option<usize>,
    /// Where the page begins.
    cursor: Option<String>,
}

/// Lists web orders in the order in which they came.
#[utoipa::path(get, path = "/v1/web-orders", tag = "web orders", operation_id = "listWebOrders", params(Which),
    responses((status = 200, body = Page<WebOrderView>), (status = 404, body = Problem)))]
pub(super) async fn list(
    app: State<Arc<App>>,
    Query(which): Query<Which>,
) -> Result<Json<Page<WebOrderView>>, Problem> {
    let of = which.store.map_or(checkout::Which::All, checkout::Which::Store);
    page(app, of, which.limit, which.cursor.as_deref()).await
}

/// Shows a web order.
#[utoipa::path(get, path = "/v1/web-orders/{id}", tag = "web orders", operation_id = "getWebOrder",
    params(("id" = String, Path, description = "Its id, a UUID")),
    responses((status = 200, body = WebOrderView), (status = 404, body = Problem)))]
pub(super) async fn read(
    app: State<Arc<App>>,
    Path(text): Path<String>,
) -> Result<Json<WebOrderView>, Problem> {
    let order = known(&text)?;
    ask(&app, move |hub, _| checkout::get(hub, order)).await.map(view).map(Json)
}

/// Asks to cancel a web order. Money that was taken goes back; once the store has it, the store decides, and the order is
/// listed for a person. Asked again it answers the same.
#[utoipa::path(delete, path = "/v1/web-orders/{id}", tag = "web orders", operation_id = "cancelWebOrder",
    params(("id" = String, Path, description = "Its id, a UUID")),
    responses((status = 200, body = WebOrderView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn cancel(
    app: State<Arc<App>>,
    Path(text): Path<String>,
) -> Result<Json<WebOrderView>, Problem> {
    let order = known(&text)?;
    let shown = change(&app, move |hub, now| checkout::cancel(hub, order, "the company cancelled it", now));
    Ok(Json(view(shown.await?)))
}
