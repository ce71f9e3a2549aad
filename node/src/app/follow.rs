//! The store's `H_s` may change: a hub whose database was put back goes on as a new incarnation (`model.md` §3, The hub is
//! a replica too). Its greeting, signed by the key that was pinned at the enrolment, says which one speaks now.

use super::node::Node;
use super::problem::Answer;
use crate::app::enrol;
use crate::db::incarnations::{self, Part};
use crate::db::meta;
use tradepost_sync::ids::Incarnation;

/// What a hub's greeting means for this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Following {
    /// It speaks as before.
    Same,
    /// It goes on as a new incarnation, and this node follows it: rights go to that one from now on, what the old one said
    /// stays in force.
    Follows,
    /// It speaks as one that was followed by another: two hubs have one key. Nothing is exchanged with it.
    Past,
}

/// Follows the `H_s` that a proven hub speaks as.
///
/// # Errors
/// A fault.
pub fn follow(node: &mut Node, speaks: Incarnation) -> Answer<Following> {
    let Some(hub) = enrol::hub(node.conn())? else { return Ok(Following::Same) };
    if hub.incarnation == speaks {
        return Ok(Following::Same);
    }
    if incarnations::find(node.conn(), &speaks)?.is_some_and(|known| known.part == Part::Hub) {
        return Ok(Following::Past);
    }
    speaks_from_now_on(node, &enrol::Hub { incarnation: speaks, ..hub })?;
    tracing::warn!(hub = %speaks, "the hub's database was put back: it goes on as a new incarnation");
    Ok(Following::Follows)
}

/// Takes a hub for the store's own: its stream is taken in from now on, the one that spoke before says nothing more.
///
/// # Errors
/// A fault.
pub(super) fn speaks_from_now_on(node: &mut Node, hub: &enrol::Hub) -> Answer<()> {
    let conn = node.conn();
    let before = enrol::hub(conn)?.filter(|before| before.incarnation != hub.incarnation);
    if let Some(old) =
        before.map(|before| incarnations::find(conn, &before.incarnation)).transpose()?.flatten()
    {
        incarnations::set_standing(conn, old.no, None, old.registered, true, old.retired)?;
    }
    let no = incarnations::intern(conn, &hub.incarnation, Part::Hub)?;
    incarnations::set_part(conn, no, Part::Hub)?;
    incarnations::set_standing(conn, no, Some(&hub.key), true, false, false)?;
    meta::set(conn, "hub", hub)?;
    node.touch();
    Ok(())
}
