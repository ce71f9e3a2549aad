//! Coming back after lost memory (`model.md` §3, Amnesia): the new incarnation asks the hub to take it in, with the device
//! key as its proof.

use super::enrol::{Hub, hub};
use crate::db::incarnations::{self, Part};
use crate::db::{Fault, meta};
use rusqlite::Connection;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::Incarnation;

/// Who asks, and whose memory was lost; nothing where no memory was lost since the enrolment.
///
/// # Errors
/// [`Fault`].
pub fn forgotten(conn: &Connection) -> Result<Option<(Hub, Incarnation)>, Fault> {
    let (Some(hub), Some(forgotten)) = (hub(conn)?, meta::get(conn, "forgotten")?) else { return Ok(None) };
    Ok(Some((hub, forgotten)))
}

/// Whom else this machine wrote with before, as far as it remembers: memory that was lost again before the hub had heard
/// of the first loss must not read as a second machine.
///
/// # Errors
/// [`Fault`].
pub fn earlier(conn: &Connection) -> Result<Vec<Incarnation>, Fault> {
    Ok(earlier_heads(conn)?.into_iter().map(|head| head.incarnation).collect())
}

/// The same with the end of each log as it is held here. The hub may never have heard of any of them: what was sold with
/// them must still reach it.
///
/// # Errors
/// [`Fault`].
pub fn earlier_heads(conn: &Connection) -> Result<Vec<HeadMark>, Fault> {
    let own = incarnations::all(conn)?.into_iter().filter(|known| known.part == Part::Lost);
    Ok(own.map(|known| known.mark()).collect())
}
