//! What is changed of a cart beside its lines: prices by hand, checks, the customer, the tax exemption.

use super::answer::Reply;
use super::body::Json;
use super::carts::{CartOut, answer, change};
use super::parse::{self, AgeCheckBody, ExemptionBody};
use super::staff::ApprovalBody;
use super::state::Shared;
use crate::app::carts::{self, Checks};
use crate::app::node::Node;
use axum::extract::{Path, State};
use serde::Deserialize;
use tradepost_commerce::money::Money;
use utoipa::ToSchema;

/// A price by hand.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceOverrideBody {
    /// Price of one pricing unit, in minor units.
    pub unit_price: i64,
    /// Why.
    pub reason: String,
    /// Somebody's PIN, for what the one at the till may not do.
    pub approval: Option<ApprovalBody>,
}

/// What checkout will ask of a line.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChecksBody {
    /// Serial numbers, one for each piece.
    pub serials: Option<Vec<String>>,
    /// The age check.
    pub age_check: Option<AgeCheckBody>,
}

/// Whose cart it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CartCustomerBody {
    /// The customer's id; none takes the customer off.
    pub customer: Option<String>,
    /// A price list, where it isn't the customer's own.
    pub price_list: Option<String>,
}

/// Gives a line a price by hand.
#[utoipa::path(patch, path = "/v1/carts/{id}/lines/{line}/price", operation_id = "setCartLinePrice", tag = "carts", params(("id" = String, Path, description = "UUID"), ("line" = String, Path, description = "The line's name")), request_body = PriceOverrideBody,
    responses((status = 200, description = "The cart", body = CartOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn set_price(
    State(shared): State<Shared>,
    Path((id, line)): Path<(String, String)>,
    Json(body): Json<PriceOverrideBody>,
) -> Reply {
    let id = parse::id(&id, "/id")?;
    let (price, reason) = (Money(body.unit_price), parse::short(&body.reason, "/reason")?);
    let approved = shared.approved(body.approval.as_ref()).await?;
    let step = move |node: &mut Node, now| {
        carts::set_price(node, now, &id, &line, (price, &reason), approved.as_ref())
    };
    answer(change(&shared, step).await)
}

/// Notes serial numbers and the check of an age on a line.
#[utoipa::path(patch, path = "/v1/carts/{id}/lines/{line}/checks", operation_id = "setCartLineChecks", tag = "carts", params(("id" = String, Path, description = "UUID"), ("line" = String, Path, description = "The line's name")), request_body = ChecksBody,
    responses((status = 200, description = "The cart", body = CartOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn set_checks(
    State(shared): State<Shared>,
    Path((id, line)): Path<(String, String)>,
    Json(body): Json<ChecksBody>,
) -> Reply {
    let id = parse::id(&id, "/id")?;
    let checks = Checks {
        serials: body.serials.as_deref().map(|given| parse::serials(given, "/serials")).transpose()?,
        age_check: body.age_check.as_ref().map(|check| parse::age_check(check, "")).transpose()?,
    };
    answer(change(&shared, move |node, now| carts::check(node, now, &id, &line, checks)).await)
}

/// Attaches a customer, or takes one off: every line is priced again, as of its own scan.
#[utoipa::path(put, path = "/v1/carts/{id}/customer", operation_id = "setCartCustomer", tag = "carts", params(("id" = String, Path, description = "UUID")), request_body = CartCustomerBody,
    responses((status = 200, description = "The cart", body = CartOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn set_customer(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<CartCustomerBody>,
) -> Reply {
    let id = parse::id(&id, "/id")?;
    let customer = body.customer.as_deref().map(|c| parse::id(c, "/customer")).transpose()?;
    let list = body.price_list.as_deref().map(|l| parse::short(l, "/price_list")).transpose()?;
    answer(change(&shared, move |node, now| carts::attach(node, now, &id, customer, list)).await)
}

/// Says why the sale bears no tax.
#[utoipa::path(put, path = "/v1/carts/{id}/exemption", operation_id = "exemptCart", tag = "carts", params(("id" = String, Path, description = "UUID")), request_body = ExemptionBody,
    responses((status = 200, description = "The cart", body = CartOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn exempt(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<ExemptionBody>,
) -> Reply {
    let id = parse::id(&id, "/id")?;
    let exemption = Some(body.parse()?);
    answer(change(&shared, move |node, now| carts::exempt(node, now, &id, exemption)).await)
}

/// Takes the exemption back.
#[utoipa::path(delete, path = "/v1/carts/{id}/exemption", operation_id = "clearCartExemption", tag = "carts", params(("id" = String, Path, description = "UUID")),
    responses((status = 200, description = "The cart", body = CartOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn clear_exemption(State(shared): State<Shared>, Path(id): Path<String>) -> Reply {
    let id = parse::id(&id, "/id")?;
    answer(change(&shared, move |node, now| carts::exempt(node, now, &id, None)).await)
}
