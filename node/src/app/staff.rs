//! Who works in the store: records with a role and a PIN, who stands at which till, and who may allow what
//! (`facts.md` §6). A store without staff asks nobody for anything.
//!
//! A PIN is checked before the writer is asked for the deed: slow on purpose, it must not hold up the tills. Each try is
//! counted before it is checked, so that many at once are no way around the cap.

use super::clock::Now;
use super::node::Node;
use super::policy::{Act, Policy};
use super::problem::{Answer, Code, Stop, no, no_at};
use crate::db::Fault;
use crate::db::staff::{self, PinHash, StaffRow};
use argon2::{Algorithm, Argon2, Params, Version};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tradepost_commerce::document::StaffId;
use tradepost_sync::body::OverrideUsed;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Id;
use tradepost_sync::staff::{self as told, PIN_HASH_BYTES, PIN_MEMORY_KIB, PIN_ROUNDS, is_id, is_pin};

/// Digits of a PIN.
pub use tradepost_sync::staff::PIN_DIGITS;
/// Wrong PINs in a row that cost nothing but the answer.
pub const TRIES_FREE: u32 = 5;
/// How long nothing is tried after the last free one; each further one doubles it.
const LOCK_MS: i64 = 30_000;
/// And at most this long.
const LOCK_MS_MAX: i64 = 15 * 60_000;

/// What somebody may do, each role all of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sells.
    Cashier = 1,
    /// Allows what a cashier may not.
    Supervisor = 2,
    /// Allows everything.
    Manager = 3,
}

impl Role {
    /// Its name outside.
    pub fn name(self) -> &'static str {
        match self {
            Role::Cashier => "cashier",
            Role::Supervisor => "supervisor",
            Role::Manager => "manager",
        }
    }

    fn of_number(number: i64) -> Role {
        match number {
            3 => Role::Manager,
            2 => Role::Supervisor,
            _ => Role::Cashier,
        }
    }
}

/// A record as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staff {
    /// Its id: what documents and events name.
    pub id: StaffId,
    /// The name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Works here still.
    pub active: bool,
    /// Has a PIN.
    pub has_pin: bool,
    /// No PIN is tried before this instant.
    pub locked_until: Option<UtcMs>,
}

/// A record to be stored.
#[derive(Clone, Debug)]
pub struct StaffRequest {
    /// Its id.
    pub id: StaffId,
    /// The name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Works here still.
    pub active: bool,
    /// A new PIN; none keeps the old one.
    pub pin: Option<PinHash>,
}

/// Somebody who has just proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    staff: StaffId,
}

impl Approved {
    /// Who.
    pub fn staff(&self) -> &StaffId {
        &self.staff
    }
}

/// What was allowed, to be written down.
#[derive(Clone, Debug)]
pub struct Used<'a> {
    /// What.
    pub act: Act,
    /// For which document or object.
    pub object: Option<Id>,
    /// By whom.
    pub by: StaffId,
    /// Why.
    pub reason: &'a str,
}

/// Reads a record's id: 1 to 32 small letters, digits, `-`, `_`, `.`.
///
/// # Errors
/// `UNKNOWN_STAFF` at `pointer`.
pub fn parse_id(text: &str, pointer: &str) -> Answer<StaffId> {
    if is_id(text) {
        return Ok(StaffId(text.to_owned()));
    }
    let detail = format!("{text:?} is no id: 1 to 32 small letters, digits, '-', '_' or '.'");
    Err(no_at(Code::UnknownStaff, pointer, detail))
}

/// Whether a text can be a PIN.
///
/// # Errors
/// `BAD_PIN_FORMAT` at `pointer`.
pub fn check_pin(pin: &str, pointer: &str) -> Answer<()> {
    if is_pin(pin) {
        return Ok(());
    }
    let detail = format!("a PIN has {} to {} digits", PIN_DIGITS.start(), PIN_DIGITS.end());
    Err(no_at(Code::BadPinFormat, pointer, detail))
}

/// Hashes a PIN, slowly.
///
/// # Errors
/// A fault, only where the parameters can't be.
pub fn hash_pin(pin: &str, salt: &[u8]) -> Answer<PinHash> {
    let bad = |e: argon2::Error| Stop::Fault(Fault::Fatal(format!("the PIN's hash: {e}")));
    let params = Params::new(PIN_MEMORY_KIB, PIN_ROUNDS, 1, Some(PIN_HASH_BYTES)).map_err(bad)?;
    let mut hash = vec![0; PIN_HASH_BYTES];
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into(pin.as_bytes(), salt, &mut hash).map_err(bad)?;
    Ok(PinHash { salt: salt.to_vec(), hash })
}

/// Whether a PIN is the one that was kept. Takes as long for a wrong one as for the right one.
///
/// # Errors
/// A fault.
pub fn pin_is(pin: &str, kept: &PinHash) -> Answer<bool> {
    let tried = hash_pin(pin, &kept.salt)?;
    let differ = tried.hash.iter().zip(&kept.hash).fold(0, |sum, (a, b)| sum | (a ^ b));
    Ok(differ == 0 && tried.hash.len() == kept.hash.len())
}

/// Counts a try before it is made; the hash to check against.
///
/// # Errors
/// `UNKNOWN_STAFF`, `BAD_PIN` where there is no PIN at all, `PIN_LOCKED`; or a fault.
pub fn begin_try(node: &mut Node, now: Now, who: &StaffId) -> Answer<PinHash> {
    let row = working(node.conn(), who)?;
    let pin = row.pin.ok_or_else(|| no_at(Code::BadPin, "/pin", format!("{} has no PIN", who.0)))?;
    if now.wall < row.locked_until {
        let seconds = (row.locked_until - now.wall + 999) / 1_000;
        let detail = format!("too many wrong PINs of {}: try again in {seconds} s", who.0);
        return Err(no_at(Code::PinLocked, "/pin", detail));
    }
    let tries = row.tries.saturating_add(1);
    staff::set_tries(node.conn(), &row.id, tries, now.wall + lock_after(tries))?;
    node.touch();
    Ok(pin)
}

/// How long nothing more is tried after so many wrong ones in a row.
fn lock_after(tries: u32) -> i64 {
    match tries.checked_sub(TRIES_FREE) {
        None => 0,
        Some(more) => LOCK_MS.saturating_mul(1 << more.min(10)).min(LOCK_MS_MAX),
    }
}

/// The PIN was right: who gave it is who they say.
///
/// # Errors
/// `UNKNOWN_STAFF`; or a fault.
pub fn right_pin(node: &mut Node, who: &StaffId) -> Answer<Approved> {
    let row = working(node.conn(), who)?;
    staff::set_tries(node.conn(), &row.id, 0, 0)?;
    node.touch();
    Ok(Approved { staff: who.clone() })
}

/// What is said of a wrong PIN.
pub fn wrong_pin(pointer: &str) -> Stop {
    no_at(Code::BadPin, pointer, "the PIN is wrong")
}

/// A record of somebody who works here.
fn working(conn: &Connection, who: &StaffId) -> Answer<StaffRow> {
    let row = staff::find(conn, &who.0)?.filter(|row| row.active);
    row.ok_or_else(|| no_at(Code::UnknownStaff, "/staff", format!("nobody of the name {} works here", who.0)))
}

/// Everybody, by id.
///
/// # Errors
/// A fault.
pub fn all(conn: &Connection) -> Answer<Vec<Staff>> {
    Ok(staff::all(conn)?.into_iter().map(show).collect())
}

/// A record.
///
/// # Errors
/// `UNKNOWN_STAFF`; or a fault.
pub fn find(conn: &Connection, who: &StaffId) -> Answer<Staff> {
    let row = staff::find(conn, &who.0)?;
    row.map(show).ok_or_else(|| no(Code::NotFound, format!("nobody of the name {} works here", who.0)))
}

/// Everybody as a hub is told of them at the enrolment (`facts.md` §6), by id.
///
/// # Errors
/// A fault.
pub(super) fn records(conn: &Connection) -> Answer<Vec<told::StaffRecord>> {
    let record = |row: StaffRow| told::StaffRecord {
        id: StaffId(row.id),
        name: row.name,
        role: match Role::of_number(row.role) {
            Role::Cashier => told::Role::Cashier,
            Role::Supervisor => told::Role::Supervisor,
            Role::Manager => told::Role::Manager,
        },
        active: row.active,
        pin: row.pin.map(|pin| told::SealedPin { salt: pin.salt, hash: pin.hash }),
    };
    Ok(staff::all(conn)?.into_iter().map(record).collect())
}

fn show(row: StaffRow) -> Staff {
    Staff {
        id: StaffId(row.id),
        name: row.name,
        role: Role::of_number(row.role),
        active: row.active,
        has_pin: row.pin.is_some(),
        locked_until: (row.locked_until > 0).then_some(row.locked_until),
    }
}

/// Stores a record. The first one is a manager with a PIN, and the last one who can allow everything stays so.
///
/// # Errors
/// `KEPT_BY_HUB`, `FIRST_STAFF`, `LAST_MANAGER`, `APPROVAL_REQUIRED`; then nothing was stored. Or a fault.
pub fn put(node: &mut Node, now: Now, request: &StaffRequest, approved: Option<&Approved>) -> Answer<Staff> {
    super::published::staff_is_own(node.conn())?;
    let known = staff::find(node.conn(), &request.id.0)?;
    let pin = request.pin.clone().or_else(|| known.as_ref().and_then(|row| row.pin.clone()));
    let row = StaffRow {
        id: request.id.0.clone(),
        name: request.name.clone(),
        role: request.role as i64,
        active: request.active,
        pin,
        tries: known.as_ref().filter(|_| request.pin.is_none()).map_or(0, |row| row.tries),
        locked_until: known.as_ref().filter(|_| request.pin.is_none()).map_or(0, |row| row.locked_until),
    };
    let by = match node.rules()?.staffed {
        true => allow(node, None, Act::Staff, approved)?,
        false if allows_all(&row) => None,
        false => {
            return Err(no_at(Code::FirstStaff, "/role", "the first one is an active manager with a PIN"));
        }
    };
    let others = staff::all(node.conn())?;
    let left = others.iter().filter(|other| other.id != row.id).any(allows_all);
    if by.is_some() && !left && !allows_all(&row) {
        let detail = format!("{} is the last manager with a PIN", row.id);
        return Err(no_at(Code::LastManager, "/role", detail));
    }
    if let Some(by) = by {
        note(node, now, None, &Used { act: Act::Staff, object: None, by, reason: &row.id })?;
    }
    staff::put(node.conn(), &row)?;
    if !row.active {
        staff::sign_off_everywhere(node.conn(), &row.id)?;
    }
    node.forget_desks();
    node.touch();
    Ok(show(row))
}

/// Whether a record can allow everything.
fn allows_all(row: &StaffRow) -> bool {
    row.active && row.pin.is_some() && Role::of_number(row.role) == Role::Manager
}

/// Signs somebody on at a till, instead of whoever was.
///
/// # Errors
/// A fault.
pub fn sign_on(node: &mut Node, now: Now, till: &str, who: &Approved) -> Answer<()> {
    staff::sign_on(node.conn(), till, Some((&who.staff.0, now.wall)))?;
    node.forget_desks();
    node.touch();
    Ok(())
}

/// Signs off whoever is at a till.
///
/// # Errors
/// A fault.
pub fn sign_off(node: &mut Node, till: &str) -> Answer<()> {
    staff::sign_on(node.conn(), till, None)?;
    node.forget_desks();
    node.touch();
    Ok(())
}

/// Who answers for an act: whoever has proved themselves, else who is signed on at the till. None where the store has no
/// staff.
///
/// # Errors
/// `APPROVAL_REQUIRED`, saying which role it needs; or a fault.
pub fn allow(
    node: &mut Node,
    till: Option<&str>,
    act: Act,
    approved: Option<&Approved>,
) -> Answer<Option<StaffId>> {
    let rules = node.rules()?;
    if !rules.staffed {
        return Ok(None);
    }
    let needed = rules.policy.role_of(act);
    let signed_on = match till {
        Some(till) => node.desk(till)?.staff.clone(),
        None => None,
    };
    let candidate = approved.map(|approved| approved.staff.clone()).or(signed_on);
    if let Some(who) = &candidate
        && role_of(node.conn(), who)?.is_some_and(|role| role >= needed)
    {
        return Ok(candidate);
    }
    let detail = format!("{} needs the PIN of a {}", act.name(), needed.name());
    Err(no_at(Code::ApprovalRequired, "/approval", detail))
}

/// The role of somebody who works here.
fn role_of(conn: &Connection, who: &StaffId) -> Result<Option<Role>, Fault> {
    Ok(staff::find(conn, &who.0)?.filter(|row| row.active).map(|row| Role::of_number(row.role)))
}

/// Writes down what was allowed, by whom and why.
///
/// # Errors
/// A fault.
pub fn note(node: &mut Node, now: Now, till: Option<&str>, used: &Used<'_>) -> Answer<()> {
    let to = match till {
        Some(till) => node.desk(till)?.staff.clone(),
        None => None,
    };
    let body = OverrideUsed {
        what: used.act.name().to_owned(),
        object: used.object,
        to,
        by: used.by.clone(),
        reason: used.reason.to_owned(),
    };
    node.write(now, till, None, body.into())?;
    Ok(())
}

/// The store's rules of who may do what, and whether anybody is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The policy.
    pub policy: Policy,
    /// The store has staff.
    pub staffed: bool,
}

impl Rules {
    /// Reads them.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn load(conn: &Connection) -> Result<Self, Fault> {
        Ok(Self { policy: Policy::load(conn)?, staffed: staff::any(conn)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_known_again_and_another_is_not() {
        let kept = hash_pin("4711", &[7; 16]).unwrap();
        assert!(pin_is("4711", &kept).unwrap());
        assert!(!pin_is("4712", &kept).unwrap());
        assert_ne!(kept.hash, hash_pin("4711", &[8; 16]).unwrap().hash, "two salts, two hashes");
    }

    #[test]
    fn wrong_pins_cost_more_and_more_time() {
        let waits: Vec<i64> = (1..=12).map(lock_after).collect();
        assert_eq!(waits[..4], [0; 4]);
        assert_eq!(waits[4..7], [30_000, 60_000, 120_000]);
        assert_eq!(waits[11], LOCK_MS_MAX);
    }

    #[test]
    fn pins_are_digits_and_ids_are_plain() {
        for (pin, right) in [("1234", true), ("123", false), ("12a4", false), ("1234567890123", false)] {
            assert_eq!(check_pin(pin, "/pin").is_ok(), right, "{pin}");
        }
        for (id, right) in [("anna", true), ("a.b-1", true), ("Anna", false), ("", false), ("a b", false)] {
            assert_eq!(parse_id(id, "/id").is_ok(), right, "{id}");
        }
    }
}
