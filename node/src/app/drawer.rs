//! Opening a drawer without a sale: a fact with a reason, and who allowed it.

use super::clock::Now;
use super::node::Node;
use super::policy::Act;
use super::problem::{Answer, Code, no_at};
use super::request::{Till, hash_of};
use super::shift::{note_request, repeated, somebody};
use super::staff::{self, Approved};
use crate::db::documents::DocumentKind;
use serde::Serialize;
use tradepost_sync::body::DrawerOpened;
use tradepost_sync::ids::Id;

/// A drawer to be opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DrawerRequest {
    /// The client's id.
    pub id: Id,
    /// The till.
    pub till: Till,
    /// Why.
    pub reason: String,
}

/// Writes down that a drawer is opened without a sale. Answers whether it is new: a repeat opens nothing again.
///
/// # Errors
/// `REASON_MISSING`, `APPROVAL_REQUIRED`, `SHIFT_CLOSING`; then nothing was stored. Or a fault.
pub fn open(node: &mut Node, now: Now, request: &DrawerRequest, approved: Option<&Approved>) -> Answer<bool> {
    let hash = hash_of(request);
    if repeated(node.conn(), &request.id, DocumentKind::DrawerOpening, hash)? {
        return Ok(false);
    }
    let till = request.till.name();
    if request.reason.trim().is_empty() {
        return Err(no_at(Code::ReasonMissing, "/reason", "a drawer is opened for a reason"));
    }
    somebody(node, till)?;
    let approver = staff::allow(node, Some(till), Act::OpenDrawer, approved)?;
    let body = DrawerOpened { reason: request.reason.clone(), approver };
    let written = node.write(now, Some(till), None, body.into())?;
    note_request(node, written.place, &request.id, DocumentKind::DrawerOpening, hash)?;
    super::print::kick(node, now, &request.till, &request.id)?;
    Ok(true)
}
