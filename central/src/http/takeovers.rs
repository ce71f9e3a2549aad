//! Taking over what a lost node alone could have finished.

use super::json::Body;
use super::problem::Problem;
use super::reservations::id;
use super::{App, change};
use crate::app::takeover::{self, Taken};
use crate::app::{Code, Fault};
use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tradepost_sync::body::CustodyObject;
use utoipa::ToSchema;

/// A takeover that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TakeoverWanted {
    /// What it is: `reservation`, `delivery`, `transfer` (to this store) or `refund` (the right to refund a sale).
    kind: String,
    /// Its id, a UUID; of a refund right the sale's.
    id: String,
    /// Who finishes it from now on: a live node of the store by its name or incarnation, its latest node if not given; of
    /// a reservation also `hub`, which may then cancel it or let it expire.
    custodian: Option<String>,
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TakeoverView {
    /// What it is.
    kind: String,
    /// Its id.
    id: String,
    /// Who alone may finish it, an incarnation.
    custodian: String,
    /// How often it was taken over.
    epoch: u32,
}

/// Gives what a lost or long silent node alone could have finished to another custodian, after its lease and the wait. It
/// is listed for review, as what the old custodian did may still turn up. Asked again it changes nothing.
#[utoipa::path(post, path = "/v1/stores/{code}/takeovers", tag = "stock", operation_id = "takeOver",
    params(("code" = String, Path, description = "The store's code")), request_body = TakeoverWanted,
    responses((status = 200, body = TakeoverView), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
pub(super) async fn take_over(
    app: State<Arc<App>>,
    Path(code): Path<String>,
    Body(wanted): Body<TakeoverWanted>,
) -> Result<Json<TakeoverView>, Problem> {
    let about = id(&wanted.id, "/id")?;
    let object = match wanted.kind.as_str() {
        "reservation" => CustodyObject::Reservation(about),
        "delivery" => CustodyObject::Delivery(about),
        "transfer" => CustodyObject::Transfer(about),
        "refund" => CustodyObject::Refund(about),
        _ => {
            let detail = "`reservation`, `delivery`, `transfer` or `refund`";
            return Err(Fault::field("/kind", Code::BadValue, detail).into());
        }
    };
    let done = change(&app, move |hub, now| {
        takeover::take_over(hub, &code, &object, wanted.custodian.as_deref(), now)
    });
    let Taken { custodian, epoch, .. } = done.await?;
    Ok(Json(TakeoverView {
        kind: wanted.kind,
        id: about.to_string(),
        custodian: custodian.to_string(),
        epoch,
    }))
}
