//! Becoming a node of a hub's store.

use super::answer::{Reply, json, ok};
use super::body::Json;
use super::state::Shared;
use crate::app::problem::{Code, no};
use crate::app::status::{self, Standing};
use crate::link::EnrolAsk;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use utoipa::ToSchema;

/// The code a person brings.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolBody {
    /// TP1-…
    pub code: String,
}

/// Where enrolment stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct Enrolment {
    /// Whether it is done.
    pub enrolled: bool,
    /// The store's code.
    pub store: Option<String>,
    /// The store's name.
    pub store_name: Option<String>,
    /// The present incarnation.
    pub incarnation: String,
    /// The hub's address.
    pub hub: Option<String>,
}

/// Enrols the node with a code from the hub.
#[utoipa::path(post, path = "/v1/enrolment", operation_id = "enrol", tag = "sync", request_body = EnrolBody,
    responses((status = 201, description = "Enrolled", body = Enrolment), (status = "4XX", description = "A problem", body = super::answer::ProblemBody), (status = "5XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn enrol(State(shared): State<Shared>, Json(body): Json<EnrolBody>) -> Reply {
    let (reply, answer) = oneshot::channel();
    let closing = || no(Code::Closing, "the node is closing");
    shared.enrol.send(EnrolAsk { code: body.code, reply }).await.map_err(|_| closing())?;
    answer.await.map_err(|_| closing())??;
    let standing = shared.read(status::read)?;
    Ok(json(StatusCode::CREATED, &show(&standing)))
}

/// Says where enrolment stands.
#[utoipa::path(get, path = "/v1/enrolment", operation_id = "getEnrolment", tag = "sync",
    responses((status = 200, description = "Where it stands", body = Enrolment)))]
pub async fn get_enrolment(State(shared): State<Shared>) -> Reply {
    Ok(ok(&show(&shared.read(status::read)?)))
}

fn show(standing: &Standing) -> Enrolment {
    let hub = standing.hub.as_ref();
    Enrolment {
        enrolled: hub.is_some(),
        store: hub.map(|h| h.store_code.clone()),
        store_name: hub.map(|h| h.store_name.clone()),
        incarnation: standing.me().map(|k| k.id().to_string()).unwrap_or_default(),
        hub: hub.map(|h| h.address.clone()),
    }
}
