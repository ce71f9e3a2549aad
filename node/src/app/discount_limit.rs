//! How much of a line or an order anybody at a till may take off, with a reason; beyond it somebody who may has to allow it
//! (`facts.md` §2, discount with its approver).

use super::clock::Now;
use super::node::Node;
use super::policy::Act;
use super::problem::{Answer, Code, no_at};
use super::staff::{self, Approved, Used};
use crate::db::{Fault, meta};
use rusqlite::Connection;
use tradepost_commerce::document::{Discount, DiscountKind};

/// Under which name the limit is kept.
const KEY: &str = "discount.free_ppm";
/// All of it, in parts per million.
const WHOLE_PPM: u32 = 1_000_000;

/// What anybody may take off a line, or off an order, in parts per million; 0 where nobody said anything else.
///
/// # Errors
/// [`Fault`].
pub fn free_ppm(conn: &Connection) -> Result<u32, Fault> {
    Ok(meta::get(conn, KEY)?.unwrap_or(0))
}

/// Whether a discount needs nobody's word beside those that were given on the same line or order: shares that nobody allowed
/// add up, and a fixed amount is no share.
///
/// # Errors
/// [`Fault`].
pub(crate) fn is_free(conn: &Connection, given: &[Discount], discount: &Discount) -> Result<bool, Fault> {
    let share = |discount: &Discount| match discount.kind {
        DiscountKind::Percent(ppm) => u64::from(ppm),
        DiscountKind::Fixed(_) => u64::from(WHOLE_PPM),
    };
    let unallowed = given.iter().filter(|other| other.approver.is_none() && other.coupon.is_none());
    let sum = unallowed.map(share).fold(share(discount), u64::saturating_add);
    Ok(sum <= u64::from(free_ppm(conn)?))
}

/// Sets what anybody may take off.
///
/// # Errors
/// `BAD_DISCOUNT` above all of it, `APPROVAL_REQUIRED`; or a fault.
pub fn set_free_ppm(node: &mut Node, now: Now, ppm: u32, approved: Option<&Approved>) -> Answer<()> {
    if ppm > WHOLE_PPM {
        return Err(no_at(Code::BadDiscount, "/free_ppm", format!("{ppm} is more than all of it")));
    }
    if let Some(by) = staff::allow(node, None, Act::Policy, approved)? {
        staff::note(node, now, None, &Used { act: Act::Policy, object: None, by, reason: KEY })?;
    }
    meta::set(node.conn(), KEY, &ppm)?;
    node.touch();
    Ok(())
}
