//! Whose a cart is: asked for over the LAN, cloned where its custodian can't be reached, taken over once that is lost.

use super::answer::{Reply, created, ok};
use super::body::Json;
use super::carts::{CartOut, change, now, show};
use super::parse;
use super::staff::ApprovalBody;
use super::state::Shared;
use crate::app::carts::Cart;
use crate::app::policy::Act;
use crate::app::problem::Answer;
use crate::app::request::Till;
use crate::app::{shared_cart, staff};
use axum::extract::{Path, State};
use serde::Deserialize;
use std::time::Duration;
use tradepost_sync::body::CustodyObject;
use tradepost_sync::ids::{Id, Incarnation};
use utoipa::ToSchema;

/// How long the cart itself may take to follow the word that it is this node's.
const FOLLOWS: Duration = Duration::from_secs(2);

/// Wanting a cart that another till is the custodian of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeBody {
    /// Take it over by force, as its custodian is lost: why. Its log must be capped before.
    pub force: Option<String>,
    /// Who allows that.
    pub approval: Option<ApprovalBody>,
}

/// Cloning a cart.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloneBody {
    /// The clone's id, made by the client; the same again answers the same clone.
    pub id: String,
    /// The till.
    pub till: String,
}

/// Asks the cart's custodian to hand it over, or takes it over by force where that is lost.
#[utoipa::path(post, path = "/v1/carts/{id}/take", operation_id = "takeCart", tag = "carts", params(("id" = String, Path, description = "UUID")), request_body = TakeBody,
    responses((status = 200, description = "The cart, this node's now", body = CartOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn take(State(shared): State<Shared>, Path(id): Path<String>, Json(body): Json<TakeBody>) -> Reply {
    let id = parse::id(&id, "/id")?;
    let approved = shared.approved(body.approval.as_ref()).await?;
    if ask(&shared, &id).await? {
        return Ok(ok(&read(&shared, &id)?));
    }
    let force = body.force;
    let taken = change(&shared, move |node, now| {
        let Some(reason) = force else {
            shared_cart::must_be_mine(node, &id)?;
            return Cart::load(node.conn(), &id);
        };
        let by = staff::allow(node, None, Act::TakeOverCart, approved.as_ref())?;
        shared_cart::take_over(node, now, &id, by, &reason)
    });
    Ok(ok(&taken.await?))
}

/// Makes a cart of this node's own with the lines of one whose custodian can't be reached. Paid both, they are two orders.
#[utoipa::path(post, path = "/v1/carts/{id}/clone", operation_id = "cloneCart", tag = "carts", params(("id" = String, Path, description = "UUID")), request_body = CloneBody,
    responses((status = 201, description = "The clone", body = CartOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn clone(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<CloneBody>,
) -> Reply {
    let (id, new) = (parse::id(&id, "/id")?, parse::id(&body.id, "/body/id")?);
    let till = Till::parse(&body.till)?.name().to_owned();
    let cloned = change(&shared, move |node, now| shared_cart::clone_cart(node, now, &id, new, till));
    Ok(created(&cloned.await?))
}

/// Asks the cart's custodian for it, unless it is this node's; whether it is then.
pub(super) async fn ask(shared: &Shared, id: &Id) -> Answer<bool> {
    let mut pulse = shared.writer.pulse();
    let owner = shared.read(|conn| {
        Cart::load(conn, id)?;
        Ok(shared_cart::about(conn, id)?.owner)
    })?;
    let holder: Incarnation = match owner {
        Some(owner) if !owner.here => owner.incarnation,
        _ => return Ok(true),
    };
    if !shared.ask_for(&holder, CustodyObject::Cart(*id)).await {
        return Ok(false);
    }
    // Its custodian's own word is here; the cart's last lines come with its state.
    let deadline = tokio::time::Instant::now() + FOLLOWS;
    loop {
        pulse.mark_unchanged();
        if shared.read(|conn| shared_cart::is_mine(conn, id))? {
            return Ok(true);
        }
        if tokio::time::timeout_at(deadline, pulse.changed()).await.is_err() {
            return Ok(false);
        }
    }
}

/// The cart as it is shown.
pub(super) fn read(shared: &Shared, id: &Id) -> Answer<CartOut> {
    let (cart, about) = shared.read(|conn| Ok((Cart::load(conn, id)?, shared_cart::about(conn, id)?)))?;
    let rules = shared.rules()?;
    Ok(show(&cart, &about, &rules, now(shared)))
}
