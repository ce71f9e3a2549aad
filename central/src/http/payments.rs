//! Payments of web orders, the provider's notices, and coupons.

use super::json::{self, Body, Page};
use super::orders::rfc3339;
use super::problem::Problem;
use super::reservations::id;
use super::shop::{timed_page, timed_place};
use super::{App, ask, change};
use crate::app::coupons::{self, Coupon, Found};
use crate::app::payments::{self, Settled, Shown};
use crate::app::{Code, Fault};
use crate::payment::{Kind, Outcome};
use crate::webhook;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tradepost_commerce::document::DiscountKind;
use tradepost_commerce::money::Money;
use tradepost_sync::ids::Id;
use utoipa::{IntoParams, ToSchema};

/// Money that went back, or should.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RefundView {
    /// The key the provider knows it by.
    key: String,
    /// Minor units.
    amount: i64,
    /// `requested`, `refunded` or `declined`.
    state: String,
    /// The provider's reference.
    reference: Option<String>,
}

/// A payment. Money is in minor units.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PaymentView {
    /// Its id.
    id: String,
    /// The web order it is for.
    order: String,
    /// The store's code.
    store: String,
    /// ISO 4217.
    currency: String,
    /// What may be taken.
    amount: i64,
    /// What was taken.
    captured: i64,
    /// What went back.
    refunded: i64,
    /// `requested`, `authorized`, `declined`, `capturing`, `captured`, `voiding` or `voided`.
    state: String,
    /// The provider's reference.
    reference: Option<String>,
    /// Why the provider said no.
    reason: Option<String>,
    /// What goes back of it.
    refunds: Vec<RefundView>,
    /// When it was asked for, RFC 3339.
    created_at: String,
    /// When it last changed.
    changed_at: String,
}

fn view(shown: Shown) -> PaymentView {
    let refunded = shown.refunded();
    let Shown { payment, refunds } = shown;
    let refund = |back: crate::db::web_payments::Refund| RefundView {
        key: back.key,
        amount: back.amount,
        state: back.state,
        reference: back.reference,
    };
    PaymentView {
        id: payment.id.to_string(),
        order: payment.order.to_string(),
        store: payment.store,
        currency: payment.currency,
        amount: payment.amount,
        captured: payment.captured,
        refunded,
        state: payment.state,
        reference: payment.reference,
        reason: payment.reason,
        refunds: refunds.into_iter().map(refund).collect(),
        created_at: rfc3339(payment.created_at),
        changed_at: rfc3339(payment.changed_at),
    }
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Rows of a page, at most 500.
    limit: Option<usize>,
    /// Where the page begins.
    cursor: Option<String>,
}

/// Lists payments in the order in which they were asked for.
#[utoipa::path(get, path = "/v1/payments", tag = "web orders", operation_id = "listPayments", params(Which),
    responses((status = 200, body = Page<PaymentView>)))]
pub(super) async fn list(
    app: State<Arc<App>>,
    Query(which): Query<Which>,
) -> Result<Json<Page<PaymentView>>, Problem> {
    let limit = json::limit(which.limit);
    let after = timed_place(which.cursor.as_deref())?;
    let found = ask(&app, move |hub, _| payments::list(hub, after, limit + 1)).await?;
    let place = |shown: &Shown| format!("{}:{}", shown.payment.created_at, shown.payment.id);
    let rows = found.into_iter().map(|shown| (place(&shown), view(shown))).collect();
    Ok(Json(timed_page(rows, limit)))
}

fn known(text: &str) -> Result<Id, Problem> {
    Id::parse(text).map_err(|_| Problem::from(Fault::not_found("payment", text)))
}

/// Shows a payment.
#[utoipa::path(get, path = "/v1/payments/{id}", tag = "web orders", operation_id = "getPayment",
    params(("id" = String, Path, description = "Its id, a UUID")),
    responses((status = 200, body = PaymentView), (status = 404, body = Problem)))]
pub(super) async fn read(
    app: State<Arc<App>>,
    Path(text): Path<String>,
) -> Result<Json<PaymentView>, Problem> {
    let payment = known(&text)?;
    ask(&app, move |hub, _| payments::find(hub, payment)).await.map(view).map(Json)
}

/// Money that should go back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRefund {
    /// UUID, made by the client: the same again changes nothing.
    id: String,
    /// Minor units.
    amount: i64,
}

/// Gives some of a payment back, by a person's decision. `202` says that the provider hasn't answered: ask again.
#[utoipa::path(post, path = "/v1/payments/{id}/refunds", tag = "web orders", operation_id = "refundPayment",
    params(("id" = String, Path, description = "The payment's id, a UUID")), request_body = NewRefund,
    responses((status = 200, body = PaymentView), (status = 202, body = PaymentView), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn refund(
    app: State<Arc<App>>,
    Path(text): Path<String>,
    Body(body): Body<NewRefund>,
) -> Result<(StatusCode, Json<PaymentView>), Problem> {
    let payment = known(&text)?;
    let (settled, shown) = change(&app, move |hub, now| {
        let key = Kind::Refund.key(&id(&body.id, "/id")?.to_string());
        let settled = payments::refund(hub, payment, &key, body.amount, now)?;
        Ok((settled, payments::find(hub, payment)?))
    })
    .await?;
    match settled {
        Settled::Yes => Ok((StatusCode::OK, Json(view(shown)))),
        Settled::Unknown(_) => Ok((StatusCode::ACCEPTED, Json(view(shown)))),
        Settled::No(why) => Err(Problem::from(Fault::refused(Code::PaymentState, why))),
    }
}

/// What a provider tells of its own accord.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoticeBody {
    /// The payment's id, a UUID.
    payment: String,
    /// `authorize`, `capture`, `void` or `refund`.
    kind: String,
    /// The key it was asked for under.
    key: String,
    /// `done` or `declined`.
    outcome: String,
    /// The provider's reference, where it was done.
    reference: Option<String>,
    /// Why, where it was declined.
    reason: Option<String>,
}

fn notice(id: String, body: NoticeBody) -> Result<payments::Notice, Fault> {
    let payment = super::reservations::id(&body.payment, "/payment")?;
    let bad = |pointer: &str, given: &str| {
        Err(Fault::field(pointer, Code::BadValue, format!("{given:?} is not known here")))
    };
    let kind = match body.kind.as_str() {
        "authorize" => Kind::Authorize,
        "capture" => Kind::Capture,
        "void" => Kind::Void,
        "refund" => Kind::Refund,
        other => return bad("/kind", other),
    };
    let outcome = match body.outcome.as_str() {
        "done" => Outcome::Done { reference: body.reference.unwrap_or_default() },
        "declined" => Outcome::Declined { reason: body.reason.unwrap_or_default() },
        other => return bad("/outcome", other),
    };
    Ok(payments::Notice { id, payment, kind, key: body.key, outcome })
}

/// Takes in what the payment provider tells of its own accord, signed as Standard Webhooks say. Repeats change nothing.
#[utoipa::path(post, path = "/v1/payment-notices", tag = "web orders", operation_id = "hearProvider", security(()),
    request_body = NoticeBody,
    params(
        ("webhook-id" = String, Header, description = "The notice's id: repeats have the same"),
        ("webhook-timestamp" = String, Header, description = "Seconds since 1970 UTC"),
        ("webhook-signature" = String, Header, description = "`v1,` and HMAC-SHA256 in base64, over id, time and body")),
    responses((status = 204), (status = 401, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn hear(
    app: State<Arc<App>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    change(&app, move |hub, now| {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (id, at) = (header("webhook-id"), header("webhook-timestamp").parse().unwrap_or(0));
        let good = hub.payments.secret.as_deref().is_some_and(|secret| {
            webhook::verify(secret, id, at, &body, header("webhook-signature"), now / 1_000)
        });
        if !good {
            return Err(Fault::refused(Code::NoticeRefused, "there is no good and recent signature"));
        }
        let told: NoticeBody = json::parse(&body)?;
        payments::hear(hub, &notice(id.to_owned(), told)?, now)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A coupon.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CouponBody {
    /// The store it is good at; every one if not given.
    store: Option<String>,
    /// Parts per million that it takes off; give this or `amount_off`.
    percent_ppm: Option<u32>,
    /// Minor units that it takes off.
    amount_off: Option<i64>,
    /// First instant it is good, RFC 3339; at once if not given.
    valid_from: Option<String>,
    /// First instant it is not any more.
    valid_to: Option<String>,
    /// How often it may be used; as often as it is given if not said.
    uses: Option<u64>,
}

/// A coupon as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CouponView {
    /// Its code.
    code: String,
    /// The store it is good at; none for every one.
    store: Option<String>,
    /// Parts per million that it takes off.
    percent_ppm: Option<u32>,
    /// Minor units that it takes off.
    amount_off: Option<i64>,
    /// First instant it is good.
    valid_from: String,
    /// First instant it is not any more.
    valid_to: Option<String>,
    /// How often it may still be used.
    uses_left: Option<u64>,
}

fn coupon_view(found: Found) -> CouponView {
    let Coupon { code, store, kind, valid_from, valid_to, uses_left } = found.coupon;
    let (percent_ppm, amount_off) = match kind {
        DiscountKind::Percent(ppm) => (Some(ppm), None),
        DiscountKind::Fixed(amount) => (None, Some(amount.0)),
    };
    let (valid_from, valid_to) = (rfc3339(valid_from), valid_to.map(rfc3339));
    CouponView { code, store, percent_ppm, amount_off, valid_from, valid_to, uses_left }
}

fn coupon(code: String, body: CouponBody) -> Result<Coupon, Fault> {
    let kind = match (body.percent_ppm, body.amount_off) {
        (Some(ppm), None) => DiscountKind::Percent(ppm),
        (None, Some(amount)) => DiscountKind::Fixed(Money(amount)),
        _ => {
            let detail = "give percent_ppm or amount_off, and not both";
            return Err(Fault::field("/percent_ppm", Code::BadValue, detail));
        }
    };
    let instant = |text: Option<String>, pointer: &str| match text {
        None => Ok(None),
        Some(text) => match text.parse::<jiff::Timestamp>() {
            Ok(at) => Ok(Some(at.as_millisecond())),
            Err(_) => {
                Err(Fault::field(pointer, Code::BadValue, format!("{text:?} is no instant of RFC 3339")))
            }
        },
    };
    Ok(Coupon {
        code,
        store: body.store,
        kind,
        valid_from: instant(body.valid_from, "/valid_from")?.unwrap_or(0),
        valid_to: instant(body.valid_to, "/valid_to")?,
        uses_left: body.uses,
    })
}

/// Puts a coupon in place; one that is there only with the `ETag` that was read.
#[utoipa::path(put, path = "/v1/coupons/{code}", tag = "web orders", operation_id = "putCoupon",
    params(("code" = String, Path, description = "Its code")), request_body = CouponBody,
    responses((status = 200, body = CouponView), (status = 404, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem), (status = 428, body = Problem)))]
pub(super) async fn put_coupon(
    app: State<Arc<App>>,
    Path(code): Path<String>,
    headers: HeaderMap,
    Body(body): Body<CouponBody>,
) -> Result<Response, Problem> {
    let expected = json::if_match(&headers)?;
    let found = change(&app, move |hub, _| coupons::put(hub, &coupon(code, body)?, expected)).await?;
    Ok(json::tagged(StatusCode::OK, found.row_version, &coupon_view(found)))
}

/// Shows a coupon.
#[utoipa::path(get, path = "/v1/coupons/{code}", tag = "web orders", operation_id = "getCoupon",
    params(("code" = String, Path, description = "Its code")),
    responses((status = 200, body = CouponView), (status = 404, body = Problem)))]
pub(super) async fn read_coupon(app: State<Arc<App>>, Path(code): Path<String>) -> Result<Response, Problem> {
    let found = ask(&app, move |hub, _| coupons::get(hub, &code)).await?;
    Ok(json::tagged(StatusCode::OK, found.row_version, &coupon_view(found)))
}

/// Lists coupons by code.
#[utoipa::path(get, path = "/v1/coupons", tag = "web orders", operation_id = "listCoupons", params(Which),
    responses((status = 200, body = Page<CouponView>)))]
pub(super) async fn list_coupons(
    app: State<Arc<App>>,
    Query(which): Query<Which>,
) -> Result<Json<Page<CouponView>>, Problem> {
    let (limit, after) = (json::limit(which.limit), json::place(which.cursor.as_deref())?);
    let found = ask(&app, move |hub, _| coupons::list(hub, &after, limit + 1)).await?;
    let rows = found.into_iter().map(coupon_view).collect();
    Ok(Json(Page::new(rows, limit, |row: &CouponView| row.code.clone())))
}
