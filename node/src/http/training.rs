//! Practising at a till.

use super::answer::{Reply, ok};
use super::body::Json;
use super::sales::rfc3339;
use super::staff::ApprovalBody;
use super::state::Shared;
use crate::app::request::Till;
use crate::app::training::{self, Standing};
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Begins or ends a till's training.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainingBody {
    /// Whether it practises from now on.
    pub on: bool,
    /// Somebody's PIN, for who may not do that by themselves.
    pub approval: Option<ApprovalBody>,
}

/// Where a till stands with training.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrainingOut {
    /// The till.
    pub till: String,
    /// It practises: what it makes is no sale, and its papers say so.
    pub on: bool,
    /// Since when (RFC 3339).
    pub since: Option<String>,
    /// By whose word.
    pub by: Option<String>,
    /// The last number of its series of training; 0 before the first.
    pub last_number: u64,
}

fn show(till: &Till, standing: Standing) -> TrainingOut {
    let Standing { on, last } = standing;
    TrainingOut {
        till: till.name().to_owned(),
        on: on.is_some(),
        since: on.as_ref().map(|on| rfc3339(on.since)),
        by: on.and_then(|on| on.by),
        last_number: last,
    }
}

/// Says whether a till practises.
#[utoipa::path(get, path = "/v1/tills/{till}/training", operation_id = "getTraining", tag = "till", params(("till" = String, Path, description = "The till")),
    responses((status = 200, description = "Where it stands", body = TrainingOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn get(State(shared): State<Shared>, Path(till): Path<String>) -> Reply {
    let till = Till::parse(&till)?;
    let standing = shared.read(|conn| training::standing(conn, till.name()))?;
    Ok(ok(&show(&till, standing)))
}

/// Begins or ends a till's training. Said again it changes nothing.
#[utoipa::path(post, path = "/v1/tills/{till}/training", operation_id = "setTraining", tag = "till", params(("till" = String, Path, description = "The till")), request_body = TrainingBody,
    responses((status = 200, description = "Where it stands", body = TrainingOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn set(
    State(shared): State<Shared>,
    Path(till): Path<String>,
    Json(body): Json<TrainingBody>,
) -> Reply {
    let till = Till::parse(&till)?;
    let approved = shared.approved(body.approval.as_ref()).await?;
    let (name, on) = (till.clone(), body.on);
    shared.writer.ask(move |node, now| training::switch(node, now, &name, on, approved.as_ref())).await?;
    let standing = shared.read(|conn| training::standing(conn, till.name()))?;
    Ok(ok(&show(&till, standing)))
}
