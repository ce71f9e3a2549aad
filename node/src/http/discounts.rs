//! What anybody at a till may take off.

use super::answer::{Reply, ok};
use super::body::Json;
use super::staff::ApprovalBody;
use super::state::Shared;
use crate::app::discount_limit;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What anybody may take off.
#[derive(Debug, Serialize, ToSchema)]
pub struct DiscountPolicyOut {
    /// Of a line, or of an order, in parts per million; beyond it the act `discount` needs its role's PIN.
    pub free_ppm: u32,
}

/// What anybody may take off.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscountPolicyBody {
    /// Of a line, or of an order, in parts per million.
    pub free_ppm: u32,
    /// A manager's PIN, once the store has staff.
    pub approval: Option<ApprovalBody>,
}

fn shown(shared: &Shared) -> Reply {
    let free_ppm = shared.read(|conn| Ok(discount_limit::free_ppm(conn)?))?;
    Ok(ok(&DiscountPolicyOut { free_ppm }))
}

/// Says what anybody may take off.
#[utoipa::path(get, path = "/v1/discount-policy", operation_id = "getDiscountPolicy", tag = "till",
    responses((status = 200, description = "The limit", body = DiscountPolicyOut)))]
pub async fn get(State(shared): State<Shared>) -> Reply {
    shown(&shared)
}

/// Sets what anybody may take off.
#[utoipa::path(put, path = "/v1/discount-policy", operation_id = "putDiscountPolicy", tag = "till", request_body = DiscountPolicyBody,
    responses((status = 200, description = "The limit", body = DiscountPolicyOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn put(State(shared): State<Shared>, Json(body): Json<DiscountPolicyBody>) -> Reply {
    let ppm = body.free_ppm;
    let approved = shared.approved(body.approval.as_ref()).await?;
    shared
        .writer
        .ask(move |node, now| discount_limit::set_free_ppm(node, now, ppm, approved.as_ref()))
        .await?;
    shown(&shared)
}
