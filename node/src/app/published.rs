//! Staff and policy that the hub publishes (`facts.md` §6). They come with the catalog, signed like it, also by way of a
//! neighbour; from the first of them on the store changes none of it itself, and its own earlier staff stop counting.

use super::policy::{Policy, Shifts};
use super::problem::{Answer, Code, no};
use super::staff::Role;
use crate::db::staff::{self, PinHash, StaffRow};
use crate::db::{Fault, meta};
use rusqlite::Connection;
use tradepost_sync::staff::{self as told, StaffRecord, StorePolicy};

/// Under this name it is kept that the hub keeps the staff.
const STAFF_KEPT: &str = "staff.kept";
/// And the policy.
const POLICY_KEPT: &str = "policy.kept";

/// Somebody is as the hub says. A new PIN forgives wrong tries of the old one; who left is signed off everywhere.
///
/// # Errors
/// [`Fault`].
pub(super) fn staff(conn: &Connection, record: &StaffRecord) -> Result<(), Fault> {
    if !kept(conn, STAFF_KEPT)? {
        staff::nobody_works_here(conn)?;
        meta::set(conn, STAFF_KEPT, &true)?;
    }
    let pin = record.pin.as_ref().map(|pin| PinHash { salt: pin.salt.clone(), hash: pin.hash.clone() });
    let known = staff::find(conn, &record.id.0)?.filter(|known| known.pin == pin);
    let row = StaffRow {
        id: record.id.0.clone(),
        name: record.name.clone(),
        role: role(record.role) as i64,
        active: record.active,
        pin,
        tries: known.as_ref().map_or(0, |known| known.tries),
        locked_until: known.as_ref().map_or(0, |known| known.locked_until),
    };
    staff::put(conn, &row)?;
    if !row.active {
        staff::sign_off_everywhere(conn, &row.id)?;
    }
    Ok(())
}

/// The policy is as the hub says.
///
/// # Errors
/// [`Fault`].
pub(super) fn policy(conn: &Connection, told: &StorePolicy) -> Result<(), Fault> {
    let policy = Policy {
        shifts: if told.shift_required { Shifts::Required } else { Shifts::Optional },
        blind_count: told.blind_count,
        difference_max: told.difference_max,
        roles: told.roles.iter().map(|(act, told)| (act.clone(), role(*told))).collect(),
    };
    policy.store(conn)?;
    super::refund_caps::set(conn, told.no_receipt_max, told.unverified_max)?;
    meta::set(conn, POLICY_KEPT, &true)
}

fn role(told: told::Role) -> Role {
    match told {
        told::Role::Cashier => Role::Cashier,
        told::Role::Supervisor => Role::Supervisor,
        told::Role::Manager => Role::Manager,
    }
}

fn kept(conn: &Connection, key: &str) -> Result<bool, Fault> {
    Ok(meta::get(conn, key)?.unwrap_or(false))
}

/// Refuses where the hub keeps the store's staff.
///
/// # Errors
/// `KEPT_BY_HUB`; or a fault.
pub(super) fn staff_is_own(conn: &Connection) -> Answer<()> {
    match kept(conn, STAFF_KEPT)? {
        true => Err(no(Code::KeptByHub, "the hub keeps this store's staff")),
        false => Ok(()),
    }
}

/// Refuses where the hub keeps the store's policy.
///
/// # Errors
/// `KEPT_BY_HUB`; or a fault.
pub(super) fn policy_is_own(conn: &Connection) -> Answer<()> {
    match kept(conn, POLICY_KEPT)? {
        true => Err(no(Code::KeptByHub, "the hub keeps this store's policy")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::app::policy::Act;
    use tradepost_sync::staff::ACTS;

    #[test]
    fn the_hub_knows_every_act_by_its_name() {
        let names: Vec<&str> = Act::ALL.iter().map(|act| act.name()).collect();
        assert_eq!(names, ACTS, "what the hub may name in a policy is what a till asks about");
    }
}
