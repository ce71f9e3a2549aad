//! What waits on cards while the terminal's bank can't be reached, and what may.

use super::answer::{Reply, ok};
use super::body::Json;
use super::staff::ApprovalBody;
use super::state::Shared;
use crate::app::tender_caps::{self, Stored};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tradepost_commerce::money::Money;
use utoipa::ToSchema;

/// What waits on cards, and what may.
#[derive(Debug, Serialize, ToSchema)]
pub struct CardsOut {
    /// The most on one card offline, in minor units (the settings' floor limit).
    pub floor_limit: i64,
    /// The most that may wait in all; none where only each card has a limit.
    pub stored_sum_max: Option<i64>,
    /// What waits now, whichever way it goes.
    pub stored_sum: i64,
    /// On how many cards.
    pub stored: u64,
}

/// What may wait on cards.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CardsBody {
    /// The most that may wait in all, in minor units; null takes the limit away.
    pub stored_sum_max: Option<i64>,
    /// A manager's PIN, once the store has staff.
    pub approval: Option<ApprovalBody>,
}

fn shown(shared: &Shared) -> Reply {
    let floor_limit = shared.rules()?.settings.card_floor_limit.0;
    let Stored { sum, cards, most } = shared.read(tender_caps::stored)?;
    let stored_sum_max = most.map(|most| most.0);
    Ok(ok(&CardsOut { floor_limit, stored_sum_max, stored_sum: sum.0, stored: cards }))
}

/// Says what waits on cards, and what may.
#[utoipa::path(get, path = "/v1/card-policy", operation_id = "getCardPolicy", tag = "till",
    responses((status = 200, description = "What waits and what may", body = CardsOut)))]
pub async fn get(State(shared): State<Shared>) -> Reply {
    shown(&shared)
}

/// Sets what may wait on cards in all.
#[utoipa::path(put, path = "/v1/card-policy", operation_id = "putCardPolicy", tag = "till", request_body = CardsBody,
    responses((status = 200, description = "What waits and what may", body = CardsOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn put(State(shared): State<Shared>, Json(body): Json<CardsBody>) -> Reply {
    let most = body.stored_sum_max.map(Money);
    let approved = shared.approved(body.approval.as_ref()).await?;
    shared.writer.ask(move |node, now| tender_caps::set_most(node, now, most, approved.as_ref())).await?;
    shown(&shared)
}
