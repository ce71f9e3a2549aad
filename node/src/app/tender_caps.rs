//! What may wait on cards while the terminal's bank can't be reached: so much on one card, and so much in all
//! (`facts.md` §4, Stored card; `resilience.md`).

use super::clock::Now;
use super::node::Node;
use super::policy::Act;
use super::problem::{Answer, Code, no, no_at};
use super::staff::{self, Approved, Used};
use super::tender::waiting;
use crate::db::meta;
use rusqlite::Connection;
use tradepost_commerce::document::TenderState;
use tradepost_commerce::money::{Money, Overflow};
use tradepost_commerce::tender_life::{OfflineCaps, may_store};

/// Under which name the most that may wait in all is kept.
const KEY: &str = "cards.stored_max";

/// What waits on cards, and what may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What waits now, whichever way it goes.
    pub sum: Money,
    /// On how many cards.
    pub cards: u64,
    /// The most that may wait in all; none means that only each card has a limit.
    pub most: Option<Money>,
}

fn bad(overflow: Overflow) -> super::Stop {
    no(Code::BadMoney, overflow.to_string())
}

/// What waits on cards, and what may.
///
/// # Errors
/// A fault.
pub fn stored(conn: &Connection) -> Answer<Stored> {
    let rows = waiting(conn, TenderState::Stored, usize::MAX)?;
    let sizes = rows.iter().map(|row| size(row.amount)).collect::<Result<Vec<_>, _>>().map_err(bad)?;
    let cards = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    Ok(Stored {
        sum: Money::sum(sizes).map_err(bad)?,
        cards,
        most: meta::get::<Option<Money>>(conn, KEY)?.flatten(),
    })
}

/// What is given back offline is at risk as what is taken.
fn size(amount: Money) -> Result<Money, Overflow> {
    if amount.0 < 0 { amount.negated() } else { Ok(amount) }
}

/// Whether a card of this much may wait beside those that do.
///
/// # Errors
/// `OVER_FLOOR_LIMIT`, `OVER_STORED_SUM`; or a fault.
pub(crate) fn may_store_more(node: &Node, amount: Money) -> Answer<()> {
    let Stored { sum, most, .. } = stored(node.conn())?;
    let floor_limit = node.rulebook.settings.card_floor_limit;
    Ok(may_store(size(amount).map_err(bad)?, sum, OfflineCaps { floor_limit, stored_sum: most })?)
}

/// Sets the most that may wait in all; none takes the limit away.
///
/// # Errors
/// `BAD_MONEY` below nothing, `APPROVAL_REQUIRED`; or a fault.
pub fn set_most(node: &mut Node, now: Now, most: Option<Money>, approved: Option<&Approved>) -> Answer<()> {
    if most.is_some_and(|most| most.0 < 0) {
        return Err(no_at(Code::BadMoney, "/stored_sum_max", "it is not below nothing"));
    }
    if let Some(by) = staff::allow(node, None, Act::Policy, approved)? {
        staff::note(node, now, None, &Used { act: Act::Policy, object: None, by, reason: KEY })?;
    }
    meta::set(node.conn(), KEY, &most)?;
    node.touch();
    Ok(())
}
