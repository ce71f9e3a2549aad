//! Recovering from a node that was lost: fence, wait, count, barrier, resolve, each step with its numbers.

use super::json::Body;
use super::orders::rfc3339;
use super::problem::Problem;
use super::{App, ask, change};
use crate::app::takeover::Orphan;
use crate::app::{Code, Fault, barrier, fence, recovery};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tradepost_sync::barrier::Purpose;
use tradepost_sync::ids::{Id, Incarnation};
use utoipa::ToSchema;

/// What a fence says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FenceWanted {
    /// A live node that takes over its carts, shifts and refund rights after the wait, by name or incarnation.
    successor: Option<String>,
    /// Who attests that the machine is destroyed, and how: then there is no wait.
    attested: Option<String>,
}

/// Fences a lost node: what it held is suspended until it is resolved. Again it changes nothing.
#[utoipa::path(post, path = "/v1/stores/{code}/nodes/{incarnation}/fence", tag = "stores", operation_id = "fenceNode",
    params(("code" = String, Path, description = "The store's code"),
        ("incarnation" = String, Path, description = "The node's incarnation")),
    request_body = FenceWanted,
    responses((status = 200, body = RecoveryView), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
pub(super) async fn fence(
    app: State<Arc<App>>,
    Path((code, incarnation)): Path<(String, String)>,
    Body(wanted): Body<FenceWanted>,
) -> Result<Json<RecoveryView>, Problem> {
    if wanted.attested.as_ref().is_some_and(|by| by.trim().is_empty() || by.len() > 500) {
        let fault =
            Fault::field("/attested", Code::BadValue, "say who attests it and how, in 1 to 500 bytes");
        return Err(fault.into());
    }
    let who = Incarnation::parse(&incarnation).map_err(|_| Fault::not_found("node", &incarnation))?;
    let fencing = fence::Fencing { successor: wanted.successor, attested: wanted.attested };
    let shown = change(&app, move |hub, now| {
        fence::fence(hub, &code, &who, &fencing, now)?;
        recovery::of_store(hub, &code, now)
    });
    Ok(Json(view(shown.await?)))
}

/// A barrier to be opened.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BarrierWanted {
    /// Its id, a UUID made by whoever asks: the same one again opens nothing again.
    id: String,
    /// `resolve` what lost nodes held, or only `mint` a surplus that a count found.
    purpose: String,
}

/// Opens a barrier: every member freezes the logs of lost nodes and says what it holds; once all have stored where those
/// logs end, what they held is resolved and a surplus is minted.
#[utoipa::path(post, path = "/v1/stores/{code}/barriers", tag = "stock", operation_id = "openBarrier",
    params(("code" = String, Path, description = "The store's code")), request_body = BarrierWanted,
    responses((status = 201, body = RecoveryView), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
pub(super) async fn open(
    app: State<Arc<App>>,
    Path(code): Path<String>,
    Body(wanted): Body<BarrierWanted>,
) -> Result<(StatusCode, Json<RecoveryView>), Problem> {
    let id = Id::parse(&wanted.id).map_err(|_| Fault::field("/id", Code::BadValue, "an id is a UUID"))?;
    let purpose = match wanted.purpose.as_str() {
        "resolve" => Purpose::Resolve,
        "mint" => Purpose::Mint,
        _ => return Err(Fault::field("/purpose", Code::BadValue, "`resolve` or `mint`").into()),
    };
    let shown = change(&app, move |hub, now| {
        barrier::open(hub, &code, id, purpose, now)?;
        recovery::of_store(hub, &code, now)
    });
    Ok((StatusCode::CREATED, Json(view(shown.await?))))
}

/// Gives a barrier up that is open: nothing is decided, and the logs thaw.
#[utoipa::path(delete, path = "/v1/stores/{code}/barriers/{id}", tag = "stock", operation_id = "giveUpBarrier",
    params(("code" = String, Path, description = "The store's code"), ("id" = String, Path, description = "The barrier")),
    responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn give_up(
    app: State<Arc<App>>,
    Path((code, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let id = Id::parse(&id).map_err(|_| Fault::not_found("barrier", &id))?;
    change(&app, move |hub, now| barrier::give_up(hub, &code, id, now)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows how far a store's recovery is: who was lost, what is waited for, what must be counted, the barrier.
#[utoipa::path(get, path = "/v1/stores/{code}/recovery", tag = "stock", operation_id = "getRecovery",
    params(("code" = String, Path, description = "The store's code")),
    responses((status = 200, body = RecoveryView), (status = 404, body = Problem)))]
pub(super) async fn read(
    app: State<Arc<App>>,
    Path(code): Path<String>,
) -> Result<Json<RecoveryView>, Problem> {
    let shown = ask(&app, move |hub, now| recovery::of_store(hub, &code, now)).await?;
    Ok(Json(view(shown)))
}

/// How far a store's recovery is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RecoveryView {
    /// The store's code.
    store: String,
    /// Nodes that were fenced or have retired, and are not wholly resolved.
    lost: Vec<LostView>,
    /// Items in which somebody's rights, or a surplus, wait.
    items: Vec<ItemView>,
    /// What lost or long silent nodes alone could finish: a takeover gives it to somebody else.
    objects: Vec<ObjectView>,
    /// The barrier that is open.
    barrier: Option<BarrierView>,
    /// The last one that is over.
    last_barrier: Option<LastView>,
}

/// A lost node.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LostView {
    /// Its incarnation.
    incarnation: String,
    /// The name people know it by.
    name: String,
    /// `fenced`, `retired` or `quarantined`.
    state: &'static str,
    /// The wait is over.
    wait_over: bool,
    /// When it will be, RFC 3339, if the hub runs without a break.
    wait_until: Option<String>,
    /// Running time that must pass, and that has, in milliseconds.
    wait_ms: Option<i64>,
    /// Running time since its last lease, as last saved.
    ran_ms: Option<i64>,
    /// Its log is held up to its signed retirement: it needs neither wait nor count.
    recovered: bool,
    /// Seq of its last event that is held here.
    held_seq: u64,
    /// Its events up to here move rights; none where no barrier has said so yet.
    cap_seq: Option<u64>,
}

/// An item that waits.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ItemView {
    /// The item.
    sku: String,
    /// Rights of lost nodes there, in base units.
    suspended: i64,
    /// Their open overdraw.
    overdraw: u64,
    /// What a barrier opened now would mint, in base units.
    would_mint: u64,
    /// Whether a barrier opened now would resolve all of it.
    would_resolve: bool,
    /// Why not, by a stable name, e.g. `COUNT_NEEDED`.
    code: Option<String>,
    /// Why not, as a sentence with its numbers.
    detail: Option<String>,
}

/// What somebody who is lost or long silent alone could finish.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ObjectView {
    /// `reservation`, `delivery`, `transfer` or `refund`.
    kind: &'static str,
    /// Its id, a UUID; of a refund right the sale's.
    id: String,
    /// The number that people know it by, where it has one.
    reference: String,
    /// Its custodian, an incarnation.
    custodian: String,
    /// The name people know that by.
    name: String,
    /// It may be taken over now.
    wait_over: bool,
    /// When it may be, RFC 3339, if the hub runs without a break.
    wait_until: Option<String>,
}

/// A barrier that is open.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BarrierView {
    /// Its id.
    id: String,
    /// `resolve` or `mint`.
    purpose: &'static str,
    /// `asking` until all have answered, then `proposed` until all have stored the caps, then `levelling`.
    state: &'static str,
    /// When it was opened, RFC 3339.
    opened_at: String,
    /// Who must answer.
    members: Vec<MemberView>,
    /// Streams that the hub doesn't hold as far as a member does.
    missing: Vec<MissingView>,
}

/// A member of a barrier.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MemberView {
    /// Its incarnation.
    incarnation: String,
    /// The name people know it by.
    name: String,
    /// It has said what it holds.
    answered: bool,
    /// It has stored the caps.
    stored: bool,
    /// It is in session with this hub.
    in_session: bool,
}

/// What the hub lacks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MissingView {
    /// Whose stream.
    incarnation: String,
    /// A member holds it up to here.
    needed_seq: u64,
    /// The hub holds it up to here.
    held_seq: u64,
}

/// A barrier that is over.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LastView {
    /// Its id.
    id: String,
    /// `closed` or `void`.
    state: String,
    /// When, RFC 3339.
    ended_at: Option<String>,
    /// Whose rights in which items were resolved.
    resolved: Vec<ResolvedView>,
    /// What was minted.
    minted: Vec<MintedView>,
    /// Where nothing could be decided.
    refused: Vec<RefusedView>,
}

/// Rights that were resolved.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ResolvedView {
    /// Whose.
    incarnation: String,
    /// Of what.
    sku: String,
    /// Base units minted because its log was recovered.
    minted: u64,
}

/// A surplus that was minted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MintedView {
    /// Of what.
    sku: String,
    /// Base units.
    units: u64,
}

/// An item in which nothing could be decided.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RefusedView {
    /// The item.
    sku: String,
    /// Why, by a stable name.
    code: String,
    /// Why, as a sentence with its numbers.
    detail: String,
}

fn view(shown: recovery::Recovery) -> RecoveryView {
    RecoveryView {
        store: shown.store,
        lost: shown.lost.into_iter().map(lost).collect(),
        items: shown.items.into_iter().map(item).collect(),
        objects: shown.objects.into_iter().map(object).collect(),
        barrier: shown.barrier.map(open_barrier),
        last_barrier: shown.last.map(last),
    }
}

fn lost(one: recovery::Lost) -> LostView {
    LostView {
        incarnation: one.incarnation.to_string(),
        name: one.name,
        state: one.state,
        wait_over: one.wait_until.is_none(),
        wait_until: one.wait_until.map(rfc3339),
        wait_ms: one.wait.map(|wait| wait.needs_ms()),
        ran_ms: one.wait.map(|wait| wait.ran_ms),
        recovered: one.recovered,
        held_seq: one.held,
        cap_seq: one.cap,
    }
}

fn object(one: Orphan) -> ObjectView {
    ObjectView {
        kind: one.kind,
        id: one.id.to_string(),
        reference: one.reference,
        custodian: one.custodian.to_string(),
        name: one.name,
        wait_over: one.wait_until.is_none(),
        wait_until: one.wait_until.map(rfc3339),
    }
}

fn item(one: recovery::Item) -> ItemView {
    let (code, detail) = one.why.unzip();
    ItemView {
        sku: one.sku,
        suspended: i64::try_from(one.suspended).unwrap_or(if one.suspended < 0 {
            i64::MIN
        } else {
            i64::MAX
        }),
        overdraw: one.overdraw,
        would_mint: one.would_mint,
        would_resolve: one.would_resolve,
        code: code.map(|code| code.name().to_owned()),
        detail,
    }
}

fn open_barrier(one: recovery::Open) -> BarrierView {
    let member = |m: recovery::Member| MemberView {
        incarnation: m.incarnation.to_string(),
        name: m.name,
        answered: m.answered,
        stored: m.stored,
        in_session: m.in_session,
    };
    let missing = |(incarnation, needed_seq, held_seq): (Incarnation, u64, u64)| MissingView {
        incarnation: incarnation.to_string(),
        needed_seq,
        held_seq,
    };
    BarrierView {
        id: one.id.to_string(),
        purpose: if one.purpose == Purpose::Mint { "mint" } else { "resolve" },
        state: one.state,
        opened_at: rfc3339(one.opened_at),
        members: one.members.into_iter().map(member).collect(),
        missing: one.missing.into_iter().map(missing).collect(),
    }
}

fn last(one: recovery::Last) -> LastView {
    let barrier::Outcome { resolved, minted, refused } = one.outcome;
    let resolved = resolved.into_iter().map(|one| ResolvedView {
        incarnation: one.incarnation.to_string(),
        sku: one.sku,
        minted: one.minted,
    });
    let refused =
        refused.into_iter().map(|one| RefusedView { sku: one.sku, code: one.code, detail: one.detail });
    LastView {
        id: one.id.to_string(),
        state: one.state,
        ended_at: one.ended_at.map(rfc3339),
        resolved: resolved.collect(),
        minted: minted.into_iter().map(|(sku, units)| MintedView { sku, units }).collect(),
        refused: refused.collect(),
    }
}
