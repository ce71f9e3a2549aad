//! What may be given back without proof that it is owed (`facts.md` §4): without a receipt, and unverified, where whoever
//! holds the refund right can't be asked.

use super::clock::Now;
use super::node::Node;
use super::policy::Act;
use super::problem::{Answer, Code, no, no_at};
use super::staff::{self, Approved, Used};
use crate::db::{Fault, meta};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tradepost_commerce::money::{Currency, Money};
use tradepost_sync::body::Day;

/// Under which name the most that is given back without a receipt is kept.
const NO_RECEIPT_KEY: &str = "refund.no_receipt_max";
/// Under which name the most that is given back unverified on a business day is kept.
const UNVERIFIED_KEY: &str = "refund.unverified_max";
/// And what was given back so on the latest one.
const GIVEN_KEY: &str = "refund.unverified_given";
/// The most that is given back without a receipt where nobody says otherwise, in minor units.
pub const NO_RECEIPT_MAX: Money = Money(5_000);
/// The most that a node gives back unverified on a business day where nobody says otherwise, in minor units.
pub const UNVERIFIED_MAX: Money = Money(50_000);

/// What was given back unverified on a business day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Given {
    day: Day,
    amount: Money,
}

/// The most that is given back without a receipt.
///
/// # Errors
/// A fault.
pub fn no_receipt_max(conn: &Connection) -> Answer<Money> {
    Ok(meta::get(conn, NO_RECEIPT_KEY)?.unwrap_or(NO_RECEIPT_MAX))
}

/// The most that a node gives back unverified on a business day.
///
/// # Errors
/// A fault.
pub fn unverified_max(conn: &Connection) -> Answer<Money> {
    Ok(meta::get(conn, UNVERIFIED_KEY)?.unwrap_or(UNVERIFIED_MAX))
}

/// Sets both as the hub says; what it doesn't say is the usual one.
///
/// # Errors
/// [`Fault`].
pub(super) fn set(
    conn: &Connection,
    no_receipt: Option<Money>,
    unverified: Option<Money>,
) -> Result<(), Fault> {
    meta::set(conn, NO_RECEIPT_KEY, &no_receipt.unwrap_or(NO_RECEIPT_MAX))?;
    meta::set(conn, UNVERIFIED_KEY, &unverified.unwrap_or(UNVERIFIED_MAX))
}

/// Sets what is given: the most without a receipt, and the most unverified on a business day.
///
/// # Errors
/// `BAD_MONEY` below nothing, `APPROVAL_REQUIRED`, `KEPT_BY_HUB`; or a fault.
pub fn put(
    node: &mut Node,
    now: Now,
    (no_receipt, unverified): (Money, Option<Money>),
    approved: Option<&Approved>,
) -> Answer<()> {
    super::published::policy_is_own(node.conn())?;
    for (field, most) in [("no_receipt_max", Some(no_receipt)), ("unverified_max", unverified)] {
        if most.is_some_and(|most| most.0 < 0) {
            return Err(no_at(Code::BadMoney, format!("/{field}"), "it is not below nothing"));
        }
    }
    if let Some(by) = staff::allow(node, None, Act::Policy, approved)? {
        staff::note(node, now, None, &Used { act: Act::Policy, object: None, by, reason: NO_RECEIPT_KEY })?;
    }
    meta::set(node.conn(), NO_RECEIPT_KEY, &no_receipt)?;
    if let Some(most) = unverified {
        meta::set(node.conn(), UNVERIFIED_KEY, &most)?;
    }
    node.touch();
    Ok(())
}

/// Refuses an unverified refund of `amount` (above nothing) that would pass the day's quota.
///
/// # Errors
/// `UNVERIFIED_QUOTA`; or a fault.
pub(super) fn within_quota(conn: &Connection, day: Day, amount: Money, currency: Currency) -> Answer<()> {
    let most = unverified_max(conn)?;
    let given = given_on(conn, day)?;
    if given.0.saturating_add(amount.0) <= most.0 {
        return Ok(());
    }
    let detail = format!(
        "at most {} is given back unverified here on a day, and {} was",
        most.text(currency),
        given.text(currency)
    );
    Err(no(Code::UnverifiedQuota, detail))
}

/// Notes what was given back unverified.
///
/// # Errors
/// [`Fault`].
pub(super) fn note_given(conn: &Connection, day: Day, amount: Money) -> Result<(), Fault> {
    let before = given_on(conn, day)?;
    meta::set(conn, GIVEN_KEY, &Given { day, amount: Money(before.0.saturating_add(amount.0)) })
}

fn given_on(conn: &Connection, day: Day) -> Result<Money, Fault> {
    let given: Option<Given> = meta::get(conn, GIVEN_KEY)?;
    Ok(given.filter(|given| given.day == day).map_or(Money::ZERO, |given| given.amount))
}
