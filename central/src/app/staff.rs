//! Staff and policy of a store (`facts.md` §6): kept here, versioned, and published to every node of the store in the
//! catalog stream, so that they travel where prices travel and are in force at a till that is cut off.

use super::{Code, Fault, catalog, stores};
use crate::db::staff::{self as rows, StaffRow};
use crate::db::{Tx, authors, review, stores as stores_db};
use crate::hub::{After, Hub};
use argon2::{Algorithm, Argon2, Params, Version};
use tradepost_commerce::document::StaffId;
use tradepost_sync::catalog::Change;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::staff::{
    ACTS, PIN_DIGITS, PIN_HASH_BYTES, PIN_MEMORY_KIB, PIN_ROUNDS, Role, SealedPin, StaffRecord, StaffRefusal,
    StorePolicy, is_id, is_pin, may_stand,
};

/// Characters of a name.
const NAME_CHARS_MAX: usize = 100;

/// Somebody as they are asked to be.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Their id.
    pub id: String,
    /// The name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Works there still.
    pub active: bool,
    /// A new PIN; none keeps the old one.
    pub pin: Option<SealedPin>,
}

/// A record with the version of its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The record.
    pub record: StaffRecord,
    /// Version of its row.
    pub row_version: u64,
    /// When it last changed.
    pub changed_at: UtcMs,
}

/// Hashes a PIN, slowly: not inside a transaction.
///
/// # Errors
/// [`Fault`] at `/pin` for what is no PIN.
pub fn seal_pin(pin: &str, salt: [u8; 16]) -> Result<SealedPin, Fault> {
    if !is_pin(pin) {
        let detail = format!("a PIN has {} to {} digits", PIN_DIGITS.start(), PIN_DIGITS.end());
        return Err(Fault::field("/pin", Code::BadValue, detail));
    }
    let params = Params::new(PIN_MEMORY_KIB, PIN_ROUNDS, 1, Some(PIN_HASH_BYTES)).map_err(Fault::internal)?;
    let mut hash = vec![0; PIN_HASH_BYTES];
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into(pin.as_bytes(), &salt, &mut hash).map_err(Fault::internal)?;
    Ok(SealedPin { salt: salt.to_vec(), hash })
}

fn found(row: StaffRow) -> Found {
    let record = StaffRecord {
        id: StaffId(row.id),
        name: row.name,
        role: match row.role {
            3 => Role::Manager,
            2 => Role::Supervisor,
            _ => Role::Cashier,
        },
        active: row.active,
        pin: row.pin.map(|(salt, hash)| SealedPin { salt, hash }),
    };
    Found { record, row_version: row.row_version, changed_at: row.changed_at }
}

/// A store's staff, by id.
///
/// # Errors
/// [`Fault`], for a store that isn't there.
pub fn list(hub: &Hub, store: &str) -> Result<Vec<Found>, Fault> {
    hub.db.read(|tx| {
        let store = stores::find(tx, store)?;
        Ok(rows::all(tx, store.no)?.into_iter().map(found).collect())
    })
}

/// One of a store's staff.
///
/// # Errors
/// [`Fault`], for a store or somebody who isn't there.
pub fn get(hub: &Hub, store: &str, id: &str) -> Result<Found, Fault> {
    hub.db.read(|tx| {
        let store = stores::find(tx, store)?;
        rows::find(tx, store.no, id)?.map(found).ok_or_else(|| Fault::not_found("staff", id))
    })
}

/// Puts somebody in place and publishes them to the store's nodes. `expected` is the row's version that was read; none for
/// somebody new. Whether they are new, and the record.
///
/// # Errors
/// [`Fault`]: what is wrong with the record, `If-Match`, or nobody would be left who can allow everything.
pub fn put(
    hub: &Hub,
    store: &str,
    wanted: &Wanted,
    expected: Option<u64>,
    now: UtcMs,
) -> Result<(bool, Found), Fault> {
    check(wanted)?;
    hub.write(|tx, after| {
        let store = locked(tx, store)?;
        let all: Vec<Found> = rows::all(tx, store.no)?.into_iter().map(found).collect();
        let before = all.iter().find(|other| other.record.id.0 == wanted.id);
        matches_version(before.map(|before| before.row_version), expected)?;
        let record = StaffRecord {
            id: StaffId(wanted.id.clone()),
            name: wanted.name.trim().to_owned(),
            role: wanted.role,
            active: wanted.active,
            pin: wanted.pin.clone().or_else(|| before.and_then(|before| before.record.pin.clone())),
        };
        may_stand(&record, all.iter().map(|other| &other.record)).map_err(|refusal| {
            let at = if refusal == StaffRefusal::First { "/role" } else { "/active" };
            Fault::field(at, Code::BadValue, refusal.to_string())
        })?;
        if let Some(before) = before.filter(|before| before.record == record) {
            return Ok((false, before.clone()));
        }
        let is_new = before.is_none();
        let row = row_of(&record, before.map_or(1, |before| before.row_version + 1), now);
        rows::put(tx, store.no, &row)?;
        catalog::publish(tx, after, hub, store.no, vec![Change::Staff(record)], now)?;
        Ok((is_new, found(row)))
    })
}

/// The staff that a node brings which sold alone (`facts.md` §6). Where it is the store's first node, and the hub keeps
/// nobody there yet, they become the store's staff with their PINs; else nobody's standing changes under a store that works,
/// and a person is shown who isn't on record. The store's row is locked.
///
/// # Errors
/// [`Fault`].
pub(super) fn brought(
    tx: &mut Tx<'_>,
    after: &mut After,
    hub: &Hub,
    store: i64,
    proposed: &[StaffRecord],
    now: UtcMs,
) -> Result<(), Fault> {
    if proposed.is_empty() {
        return Ok(());
    }
    let kept: Vec<Found> = rows::all(tx, store)?.into_iter().map(found).collect();
    let nodes =
        authors::of_store(tx, store)?.iter().filter(|author| author.role == authors::Role::Node).count();
    let fits = proposed.iter().all(|record| is_id(&record.id.0) && is_name(record.name.trim()));
    if kept.is_empty() && nodes == 1 && fits && proposed.iter().any(StaffRecord::allows_all) {
        for record in proposed {
            rows::put(tx, store, &row_of(record, 1, now))?;
        }
        let changes = proposed.iter().cloned().map(Change::Staff).collect();
        return catalog::publish(tx, after, hub, store, changes, now).map(drop);
    }
    for record in proposed.iter().filter(|record| record.active) {
        if kept.iter().any(|known| known.record.id == record.id) {
            continue;
        }
        let (id, name) = (record.id.0.escape_debug(), record.name.escape_debug());
        let detail = format!(
            "the lone node's {name} ({id}, {:?}) is not on the store's staff here; who is to sign on is added by hand",
            record.role
        );
        review::add(tx, store, "staff_unknown", &id.to_string(), &detail, now)?;
    }
    Ok(())
}

fn row_of(record: &StaffRecord, row_version: u64, now: UtcMs) -> StaffRow {
    StaffRow {
        id: record.id.0.clone(),
        row_version,
        name: record.name.clone(),
        role: record.role as i64,
        active: record.active,
        pin: record.pin.clone().map(|pin| (pin.salt, pin.hash)),
        changed_at: now,
    }
}

/// The store, its row locked: two changes of its staff don't cross.
fn locked(tx: &mut Tx<'_>, store: &str) -> Result<stores_db::Store, Fault> {
    let found = stores::find(tx, store)?;
    stores_db::by_no_locked(tx, found.no)?.ok_or_else(|| Fault::not_found("store", store))
}

fn matches_version(now: Option<u64>, expected: Option<u64>) -> Result<(), Fault> {
    match (now, expected) {
        (Some(now), Some(expected)) => super::must_match(now, expected),
        (None, Some(_)) => Err(Fault::refused(Code::PreconditionFailed, "there is no such row")),
        (Some(_), None) => Err(Fault::refused(Code::PreconditionRequired, "send the row's ETag as If-Match")),
        (None, None) => Ok(()),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX && !name.chars().any(char::is_control)
}

fn check(wanted: &Wanted) -> Result<(), Fault> {
    if !is_id(&wanted.id) {
        let detail = format!("{:?} is no id: 1 to 32 small letters, digits, '-', '_' or '.'", wanted.id);
        return Err(Fault::field("/id", Code::BadValue, detail));
    }
    let name = wanted.name.trim();
    if !is_name(name) {
        let detail = format!("a name has 1 to {NAME_CHARS_MAX} characters");
        return Err(Fault::field("/name", Code::BadValue, detail));
    }
    Ok(())
}

/// A store's policy with the version of its row; the usual one, at version 0, where none was ever published.
///
/// # Errors
/// [`Fault`], for a store that isn't there.
pub fn policy(hub: &Hub, store: &str) -> Result<(u64, StorePolicy), Fault> {
    hub.db.read(|tx| {
        let store = stores::find(tx, store)?;
        policy_of(tx, store.no)
    })
}

fn policy_of(tx: &mut Tx<'_>, store: i64) -> Result<(u64, StorePolicy), Fault> {
    match rows::policy(tx, store)? {
        None => Ok((0, StorePolicy::default())),
        Some((version, body)) => Ok((version, serde_json::from_str(&body).map_err(Fault::internal)?)),
    }
}

/// Puts a store's policy in place and publishes it to the store's nodes. `expected` is the version that was read, 0 before
/// the first; the version it has now.
///
/// # Errors
/// [`Fault`]: an act that isn't one, an amount below zero, `If-Match`.
pub fn put_policy(
    hub: &Hub,
    store: &str,
    policy: &StorePolicy,
    expected: u64,
    now: UtcMs,
) -> Result<u64, Fault> {
    check_policy(policy)?;
    hub.write(|tx, after| {
        let store = locked(tx, store)?;
        let (version, before) = policy_of(tx, store.no)?;
        super::must_match(version, expected)?;
        if version > 0 && before == *policy {
            return Ok(version);
        }
        let body = serde_json::to_string(policy).map_err(Fault::internal)?;
        rows::put_policy(tx, store.no, version + 1, &body, now)?;
        catalog::publish(tx, after, hub, store.no, vec![Change::Policy(policy.clone())], now)?;
        Ok(version + 1)
    })
}

fn check_policy(policy: &StorePolicy) -> Result<(), Fault> {
    if let Some(stranger) = policy.roles.keys().find(|act| !ACTS.contains(&act.as_str())) {
        let detail = format!("{stranger:?} is no act: {}", ACTS.join(", "));
        return Err(Fault::field(format!("/roles/{stranger}"), Code::UnknownField, detail));
    }
    let amounts = [
        ("/difference_max", policy.difference_max),
        ("/no_receipt_max", policy.no_receipt_max),
        ("/unverified_max", policy.unverified_max),
    ];
    match amounts.into_iter().find(|(_, amount)| amount.is_some_and(|amount| amount.0 < 0)) {
        Some((at, _)) => Err(Fault::field(at, Code::BadMoney, "it is not below zero")),
        None => Ok(()),
    }
}
