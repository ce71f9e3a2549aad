//! A hub whose database was put back: how far it is, and a person's word that ends the waiting.

use super::json::Body;
use super::orders::rfc3339;
use super::problem::Problem;
use super::{App, ask, change};
use crate::app::hub_status::{self, Node, OfStore, Status};
use crate::app::{Code, Fault, recovering};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Shows how far a hub is whose database was put back: what was lost, who has to be heard, what to do next.
#[utoipa::path(get, path = "/v1/hub/recovery", tag = "operations", operation_id = "getHubRecovery",
    responses((status = 200, body = HubRecoveryView)))]
pub(super) async fn read(app: State<Arc<App>>) -> Result<Json<HubRecoveryView>, Problem> {
    Ok(Json(view(ask(&app, hub_status::read).await?)))
}

/// What a person says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AttestationWanted {
    /// Who says it, and how they know: that no node beside those shown can still sell on a lease of the forgotten time.
    attested: String,
    /// Nodes that are not in session are fenced, so that nobody waits for them.
    #[serde(default)]
    fence_absent: bool,
}

/// Attests that nobody unheard can still sell on an old lease: the recovery ends once all others have answered.
#[utoipa::path(post, path = "/v1/hub/recovery/attestation", tag = "operations", operation_id = "attestHubRecovery",
    request_body = AttestationWanted,
    responses((status = 200, body = HubRecoveryView), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn attest(
    app: State<Arc<App>>,
    Body(wanted): Body<AttestationWanted>,
) -> Result<Json<HubRecoveryView>, Problem> {
    if wanted.attested.trim().is_empty() || wanted.attested.len() > 500 {
        let detail = "say who attests it and how they know, in 1 to 500 bytes";
        return Err(Fault::field("/attested", Code::BadValue, detail).into());
    }
    let shown = change(&app, move |hub, now| {
        recovering::attest(hub, &wanted.attested, wanted.fence_absent, now)?;
        hub_status::read(hub, now)
    });
    Ok(Json(view(shown.await?)))
}

/// The hub's recovery.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HubRecoveryView {
    /// The database was put back and some store still recovers: no lease, no grant and no promise there.
    recovering: bool,
    /// Hub time's epoch: another one after every restore.
    epoch: u32,
    /// Stores whose hub was ever put back, with their last recovery.
    stores: Vec<StoreRecoveryView>,
}

/// A store's last recovery.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StoreRecoveryView {
    /// The store's code.
    store: String,
    /// `recovering` or `over`.
    state: &'static str,
    /// What it waits for and what to do about it, in sentences.
    next: Vec<String>,
    /// When it began, RFC 3339.
    begun_at: String,
    /// When it was over, RFC 3339.
    ended_at: Option<String>,
    /// By what it showed that the database was put back.
    signs: Vec<String>,
    /// Every journal was read to its end: all that was acknowledged is here again.
    journal_whole: bool,
    /// Who attested that nobody unheard can still sell.
    attested: Option<String>,
    /// The hub's incarnation for the store before.
    old_hub: String,
    /// The one that goes on.
    hub: String,
    /// Events of the old one that are held here.
    old_log_held: u64,
    /// The furthest that a node said to hold of it.
    old_log_needed: u64,
    /// How far the barrier is that ends it: `asking`, `proposed` or `levelling`.
    barrier: Option<&'static str>,
    /// Who has to be heard.
    nodes: Vec<KnownNodeView>,
}

/// A node that has to be heard.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KnownNodeView {
    /// Its incarnation.
    incarnation: String,
    /// The name people know it by.
    name: String,
    /// `live`, `fenced`, `retired` or `quarantined`.
    state: &'static str,
    /// It has said hello since.
    heard: bool,
    /// It is in session with this hub.
    in_session: bool,
    /// Until when a lease of the forgotten time may run, RFC 3339, if the hub runs without a break.
    lease_until: Option<String>,
}

fn view(status: Status) -> HubRecoveryView {
    HubRecoveryView {
        recovering: status.recovering,
        epoch: status.epoch,
        stores: status.stores.into_iter().map(of_store).collect(),
    }
}

fn of_store(store: OfStore) -> StoreRecoveryView {
    StoreRecoveryView {
        store: store.store,
        state: if store.ended_at.is_some() { "over" } else { "recovering" },
        next: store.next,
        begun_at: rfc3339(store.begun_at),
        ended_at: store.ended_at.map(rfc3339),
        signs: store.signs,
        journal_whole: store.journal_whole,
        attested: store.attested,
        old_hub: store.old.to_string(),
        hub: store.own.to_string(),
        old_log_held: store.old_log.0,
        old_log_needed: store.old_log.1,
        barrier: store.barrier,
        nodes: store.nodes.into_iter().map(node).collect(),
    }
}

fn node(node: Node) -> KnownNodeView {
    KnownNodeView {
        incarnation: node.incarnation.to_string(),
        name: node.name,
        state: node.state,
        heard: node.heard,
        in_session: node.in_session,
        lease_until: node.lease_until.map(rfc3339),
    }
}
