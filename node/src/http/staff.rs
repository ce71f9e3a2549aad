//! Staff, who is signed on where, approvals by PIN, and the store's policy.

use super::answer::{Page, Reply, ok};
use super::body::Json;
use super::parse;
use super::sales::rfc3339;
use super::state::Shared;
use crate::app::policy::{self, Act, Policy, Shifts};
use crate::app::problem::{Answer, Code, Stop, no_at};
use crate::app::request::Till;
use crate::app::staff::{self, Approved, Role, Rules, Staff, StaffRequest};
use crate::app::{shift, shift_desk::Desk, shift_recover};
use crate::db::{self, Fault};
use axum::extract::{Path, State};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tradepost_commerce::document::StaffId;
use tradepost_commerce::money::Money;
use tradepost_commerce::shift::Phase;
use utoipa::ToSchema;

/// Somebody's PIN, to allow what another may not do.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalBody {
    /// Who.
    pub staff: String,
    /// Their PIN.
    pub pin: String,
}

/// A role.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoleBody {
    /// Sells.
    Cashier,
    /// Allows what a cashier may not.
    Supervisor,
    /// Allows everything.
    Manager,
}

impl RoleBody {
    fn role(self) -> Role {
        match self {
            RoleBody::Cashier => Role::Cashier,
            RoleBody::Supervisor => Role::Supervisor,
            RoleBody::Manager => Role::Manager,
        }
    }

    fn of(role: Role) -> Self {
        match role {
            Role::Cashier => RoleBody::Cashier,
            Role::Supervisor => RoleBody::Supervisor,
            Role::Manager => RoleBody::Manager,
        }
    }
}

/// A record to be stored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StaffBody {
    /// The name.
    pub name: String,
    /// What they may do.
    pub role: RoleBody,
    /// 4 to 12 digits; left out, the old one stays.
    pub pin: Option<String>,
    /// Works here still; yes where it is left out.
    pub active: Option<bool>,
    /// A manager's PIN, once the store has staff.
    pub approval: Option<ApprovalBody>,
}

/// A record.
#[derive(Debug, Serialize, ToSchema)]
pub struct StaffOut {
    /// Its id.
    pub id: String,
    /// The name.
    pub name: String,
    /// What they may do.
    pub role: RoleBody,
    /// Works here still.
    pub active: bool,
    /// Has a PIN.
    pub has_pin: bool,
    /// No PIN is tried before then (RFC 3339).
    pub locked_until: Option<String>,
}

fn show(staff: Staff) -> StaffOut {
    StaffOut {
        id: staff.id.0,
        name: staff.name,
        role: RoleBody::of(staff.role),
        active: staff.active,
        has_pin: staff.has_pin,
        locked_until: staff.locked_until.map(rfc3339),
    }
}

/// Lists the staff.
#[utoipa::path(get, path = "/v1/staff", operation_id = "listStaff", tag = "till",
    responses((status = 200, description = "All records", body = Page<StaffOut>)))]
pub async fn list_staff(State(shared): State<Shared>) -> Reply {
    let data = shared.read(staff::all)?.into_iter().map(show).collect();
    Ok(ok(&Page { data, next_cursor: None, has_more: false }))
}

/// Stores a record of staff. The first one is a manager with a PIN; from then on a manager allows each change.
#[utoipa::path(put, path = "/v1/staff/{id}", operation_id = "putStaff", tag = "till", params(("id" = String, Path, description = "Small letters, digits, '-', '_', '.'")),
    request_body = StaffBody, responses((status = 200, description = "The record", body = StaffOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn put_staff(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<StaffBody>,
) -> Reply {
    let id = staff::parse_id(&id, "/id")?;
    let name = parse::short(&body.name, "/name")?;
    let pin = match body.pin {
        Some(pin) => Some(shared.hash_pin(pin).await?),
        None => None,
    };
    let approved = shared.approved(body.approval.as_ref()).await?;
    let request = StaffRequest { id, name, role: body.role.role(), active: body.active.unwrap_or(true), pin };
    let put = move |node: &mut crate::app::Node, now| staff::put(node, now, &request, approved.as_ref());
    Ok(ok(&show(shared.writer.ask(put).await?)))
}

/// A till.
#[derive(Debug, Serialize, ToSchema)]
pub struct TillOut {
    /// Its name.
    pub till: String,
    /// Who is signed on.
    pub signed_on: Option<SignedOn>,
    /// The store has staff: somebody must sign on before anything is sold.
    pub staffed: bool,
    /// Its open shift.
    pub shift: Option<ShiftRef>,
    /// Nothing is sold without a shift.
    pub shift_required: bool,
    /// The shift of a lost node that waits to be closed here.
    pub orphan: Option<OrphanOut>,
    /// The number of its last Z; 0 before the first.
    pub last_z: u32,
    /// It practises: what it makes is no sale.
    pub training: bool,
}

/// Who is signed on.
#[derive(Debug, Serialize, ToSchema)]
pub struct SignedOn {
    /// The record's id.
    pub id: String,
    /// The name.
    pub name: String,
    /// What they may do.
    pub role: RoleBody,
    /// Since when (RFC 3339).
    pub since: String,
}

/// An open shift, in short.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShiftRef {
    /// Its number at the till.
    pub number: u32,
    /// `open` or `closing`.
    pub phase: &'static str,
    /// Its business day.
    pub business_day: String,
    /// When it was opened (RFC 3339).
    pub opened_at: String,
}

/// A lost node's shift.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrphanOut {
    /// Its number.
    pub number: u32,
    /// Who opened it.
    pub incarnation: String,
    /// Its business day.
    pub business_day: String,
    /// It was closed already, and documents turned up since: a supplement waits to be made.
    pub late: bool,
}

/// A shift's phase in a word.
pub(super) fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Open => "open",
        Phase::Closing => "closing",
        Phase::Closed => "closed",
    }
}

fn show_till(conn: &Connection, till: &str) -> Answer<TillOut> {
    let rules = Rules::load(conn)?;
    let desk = Desk::load(conn, till)?;
    let signed_on = match db::staff::at_till(conn, till)? {
        None => None,
        Some(on) => {
            let staff = staff::find(conn, &StaffId(on.staff))?;
            let role = RoleBody::of(staff.role);
            Some(SignedOn { id: staff.id.0, name: staff.name, role, since: rfc3339(on.since) })
        }
    };
    let orphan = shift_recover::orphan(conn, till)?.map(|orphan| OrphanOut {
        number: orphan.row.number,
        incarnation: orphan.incarnation.to_string(),
        business_day: shift::day_text(orphan.row.day),
        late: orphan.late,
    });
    Ok(TillOut {
        till: till.to_owned(),
        signed_on,
        staffed: rules.staffed,
        shift: desk.running.map(|running| ShiftRef {
            number: running.shift.number(),
            phase: phase_name(running.shift.phase()),
            business_day: shift::day_text(running.day),
            opened_at: rfc3339(running.at),
        }),
        shift_required: rules.policy.shifts == Shifts::Required,
        orphan,
        last_z: db::shifts::last_z(conn, till)?.map_or(0, |row| row.z),
        training: crate::app::training::is_on(conn, till)?,
    })
}

/// Lists the tills that are known here.
#[utoipa::path(get, path = "/v1/tills", operation_id = "listTills", tag = "till",
    responses((status = 200, description = "All tills", body = Page<TillOut>)))]
pub async fn list_tills(State(shared): State<Shared>) -> Reply {
    let own = shared.till.clone();
    let data = shared.read(|conn| {
        let mut tills = db::staff::tills(conn)?;
        if !tills.contains(&own) {
            tills.push(own);
            tills.sort();
        }
        tills.iter().map(|till| show_till(conn, till)).collect::<Answer<Vec<_>>>()
    })?;
    Ok(ok(&Page { data, next_cursor: None, has_more: false }))
}

/// Reads a till.
#[utoipa::path(get, path = "/v1/tills/{till}", operation_id = "getTill", tag = "till", params(("till" = String, Path, description = "The till")),
    responses((status = 200, description = "The till", body = TillOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn get_till(State(shared): State<Shared>, Path(till): Path<String>) -> Reply {
    let till = Till::parse(&till)?;
    Ok(ok(&shared.read(|conn| show_till(conn, till.name()))?))
}

/// Signs somebody on at a till, instead of whoever was.
#[utoipa::path(post, path = "/v1/tills/{till}/sign-on", operation_id = "signOn", tag = "till", params(("till" = String, Path, description = "The till")),
    request_body = ApprovalBody, responses((status = 200, description = "The till", body = TillOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn sign_on(
    State(shared): State<Shared>,
    Path(till): Path<String>,
    Json(body): Json<ApprovalBody>,
) -> Reply {
    let till = Till::parse(&till)?;
    let who = shared.prove(&body, "").await?;
    let name = till.name().to_owned();
    shared.writer.ask(move |node, now| staff::sign_on(node, now, &name, &who)).await?;
    Ok(ok(&shared.read(|conn| show_till(conn, till.name()))?))
}

/// Signs off whoever is at a till.
#[utoipa::path(post, path = "/v1/tills/{till}/sign-off", operation_id = "signOff", tag = "till", params(("till" = String, Path, description = "The till")),
    responses((status = 200, description = "The till", body = TillOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn sign_off(State(shared): State<Shared>, Path(till): Path<String>) -> Reply {
    let till = Till::parse(&till)?;
    let name = till.name().to_owned();
    shared.writer.ask(move |node, _| staff::sign_off(node, &name)).await?;
    Ok(ok(&shared.read(|conn| show_till(conn, till.name()))?))
}

/// Whether a till sells without a shift.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShiftsBody {
    /// It does.
    Optional,
    /// It doesn't.
    Required,
}

/// A policy to be stored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyBody {
    /// Whether a till sells without a shift.
    pub shifts: ShiftsBody,
    /// Whether drawers are counted without being told what should be there.
    #[serde(default)]
    pub blind_count: bool,
    /// The most a drawer may be off without a manager, in minor units; none means any difference passes.
    pub difference_max: Option<i64>,
    /// The role of acts, by name; those left out need their usual one.
    #[serde(default)]
    pub roles: BTreeMap<String, RoleBody>,
    /// A manager's PIN, once the store has staff.
    pub approval: Option<ApprovalBody>,
}

/// The policy, with the role of every act.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyOut {
    /// Whether a till sells without a shift.
    pub shifts: ShiftsBody,
    /// Whether drawers are counted without being told what should be there.
    pub blind_count: bool,
    /// The most a drawer may be off without a manager, in minor units; none means any difference passes.
    pub difference_max: Option<i64>,
    /// The role that each act needs.
    pub roles: BTreeMap<String, RoleBody>,
}

fn show_policy(policy: &Policy) -> PolicyOut {
    PolicyOut {
        shifts: match policy.shifts {
            Shifts::Optional => ShiftsBody::Optional,
            Shifts::Required => ShiftsBody::Required,
        },
        blind_count: policy.blind_count,
        difference_max: policy.difference_max.map(|most| most.0),
        roles: Act::ALL
            .iter()
            .map(|act| (act.name().to_owned(), RoleBody::of(policy.role_of(*act))))
            .collect(),
    }
}

/// Reads the policy.
#[utoipa::path(get, path = "/v1/policy", operation_id = "getPolicy", tag = "till",
    responses((status = 200, description = "The policy", body = PolicyOut)))]
pub async fn get_policy(State(shared): State<Shared>) -> Reply {
    Ok(ok(&show_policy(&shared.read(|conn| Ok(Policy::load(conn)?))?)))
}

/// Stores the policy.
#[utoipa::path(put, path = "/v1/policy", operation_id = "putPolicy", tag = "till",
    request_body = PolicyBody, responses((status = 200, description = "The policy", body = PolicyOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn put_policy(State(shared): State<Shared>, Json(body): Json<PolicyBody>) -> Reply {
    let known = |name: &String| Act::ALL.iter().any(|act| act.name() == name);
    if let Some(stranger) = body.roles.keys().find(|name| !known(name)) {
        let detail = format!("{stranger:?} is no act; the policy as it is names them all");
        return Err(no_at(Code::UnknownField, format!("/roles/{stranger}"), detail).into());
    }
    if body.difference_max.is_some_and(|most| most < 0) {
        return Err(no_at(Code::BadMoney, "/difference_max", "a difference is not below zero").into());
    }
    let policy = Policy {
        shifts: match body.shifts {
            ShiftsBody::Optional => Shifts::Optional,
            ShiftsBody::Required => Shifts::Required,
        },
        blind_count: body.blind_count,
        difference_max: body.difference_max.map(Money),
        roles: body.roles.into_iter().map(|(act, role)| (act, role.role())).collect(),
    };
    let approved = shared.approved(body.approval.as_ref()).await?;
    let shown = show_policy(&policy);
    shared.writer.ask(move |node, now| policy::put(node, now, &policy, approved.as_ref())).await?;
    Ok(ok(&shown))
}

impl Shared {
    /// Who has allowed a request, by their PIN; none where nobody was named.
    ///
    /// # Errors
    /// `UNKNOWN_STAFF`, `BAD_PIN`, `PIN_LOCKED`, pointing into `/approval`; or a fault.
    pub async fn approved(&self, approval: Option<&ApprovalBody>) -> Answer<Option<Approved>> {
        match approval {
            None => Ok(None),
            Some(approval) => self.prove(approval, "/approval").await.map(Some),
        }
    }

    /// Checks somebody's PIN: the try is counted first, and the slow check holds up nobody who writes.
    ///
    /// # Errors
    /// As [`Self::approved`], under `at`.
    pub async fn prove(&self, body: &ApprovalBody, at: &str) -> Answer<Approved> {
        let who = staff::parse_id(&body.staff, &format!("{at}/staff"))?;
        let (first, second) = (who.clone(), who);
        let kept = self.writer.ask(move |node, now| staff::begin_try(node, now, &first)).await;
        let kept = kept.map_err(|stop| under(stop, at))?;
        let pin = body.pin.clone();
        let right = slowly(move || staff::pin_is(&pin, &kept)).await?;
        if !right {
            return Err(staff::wrong_pin(&format!("{at}/pin")));
        }
        self.writer.ask(move |node, _| staff::right_pin(node, &second)).await
    }

    /// Hashes a new PIN with a salt of its own.
    async fn hash_pin(&self, pin: String) -> Answer<db::staff::PinHash> {
        staff::check_pin(&pin, "/pin")?;
        let mut salt = [0u8; 16];
        getrandom::fill(&mut salt).map_err(|e| Stop::Fault(Fault::Fatal(e.to_string())))?;
        slowly(move || staff::hash_pin(&pin, &salt)).await
    }
}

async fn slowly<T: Send + 'static>(work: impl FnOnce() -> Answer<T> + Send + 'static) -> Answer<T> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Stop::Fault(Fault::Fatal(e.to_string())))?
}

/// Puts the pointers of a problem under a field.
fn under(stop: Stop, at: &str) -> Stop {
    match stop {
        Stop::No(mut problem) => {
            for error in &mut problem.errors {
                error.pointer = format!("{at}{}", error.pointer);
            }
            Stop::No(problem)
        }
        fault => fault,
    }
}
