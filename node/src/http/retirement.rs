//! Ending the node's membership by its own word.

use super::answer::{Reply, json};
use super::body::Json;
use super::state::Shared;
use crate::app::retire::{self, RetireRequest};
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the node is to retire.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetirementBody {
    /// Who gets its rights and what it is the custodian of: `hub`, or another node of the store by name or incarnation.
    pub to: String,
    /// Also with carts, shifts and events that the hub lacks.
    #[serde(default)]
    pub force: bool,
}

/// A retirement.
#[derive(Debug, Serialize, ToSchema)]
pub struct Retirement {
    /// The incarnation that has ended.
    pub incarnation: String,
    /// Seq of its last event.
    pub last_seq: u64,
    /// Items of which rights were given away.
    pub items: usize,
    /// Reservations, transfers and deliveries that were handed over.
    pub objects: usize,
}

/// Retires the node: it gives its rights away and writes no more. Again it changes nothing.
#[utoipa::path(post, path = "/v1/retirement", operation_id = "retire", tag = "sync", request_body = RetirementBody,
    responses((status = 201, description = "Retired", body = Retirement), (status = "4XX", description = "A problem", body = super::answer::ProblemBody), (status = "5XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn retire(State(shared): State<Shared>, Json(body): Json<RetirementBody>) -> Reply {
    let RetirementBody { to, force } = body;
    let retired = shared.writer.ask_alone(move |node, now| {
        let to = retire::named(node.conn(), &to)?;
        retire::retire(node, now, &RetireRequest { to, force })
    });
    let retired = retired.await?;
    shared.poke.notify_one();
    let shown = Retirement {
        incarnation: retired.head.incarnation.to_string(),
        last_seq: retired.head.seq,
        items: retired.items,
        objects: retired.objects,
    };
    Ok(json(StatusCode::CREATED, &shown))
}
