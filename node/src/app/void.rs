//! A void: the full refund of a sale within its own shift, to the very tenders it was paid with (`facts.md` §5). The
//! sale stands; this is a new fact beside it.

use super::books::Booked;
use super::clock::Now;
use super::node::Node;
use super::policy::Act;
use super::problem::{Answer, Code, Stop, no_at};
use super::refund::{Decided, Known, Paper, Right, book, is_verified, quota, right_of};
use super::request::{VoidRequest, hash_of, same_request};
use super::staff::{self, Approved};
use super::tender_paper::{self, Step};
use crate::db::documents::{self, DocumentKind};
use tradepost_commerce::document::RefundDocument;
use tradepost_commerce::refund::settle_refund;
use tradepost_commerce::refund_right::{VoidRefusal, void as decide};

/// Cancels a sale, once the terminal has given back what it took. The same request again answers the same document.
///
/// # Errors
/// `NOT_FOUND`, `NOT_CUSTODIAN`, `VOID_OTHER_SHIFT`, `VOID_REFUNDED_BEFORE`, `VOID_CHANGE_GIVEN`, `APPROVAL_REQUIRED`;
/// then nothing was stored. Or a fault.
pub fn void(
    node: &mut Node,
    now: Now,
    request: &VoidRequest,
    approved: Option<&Approved>,
) -> Answer<Step<Booked>> {
    let hash = hash_of(request);
    if let Some(found) = documents::find(node.conn(), &request.id)? {
        let place = same_request(&found, DocumentKind::Refund, hash)?;
        return Booked::load(node.conn(), place).map(Step::Done);
    }
    let till = request.till.name();
    let known = Known::load(node.conn(), &request.sale)?;
    let right = right_of(node, &known)?;
    if right == Right::Elsewhere {
        return Err(no_at(Code::NotCustodian, "/sale_id", "another node of the store sold it"));
    }
    let before = documents::refunded(node.conn(), &request.sale)?;
    let same_shift = known.same_shift(node, now, till)?;
    let inputs = decide(&known.sale.document, known.original(), same_shift, &before, &request.reason)
        .map_err(refused)?;
    let verified = is_verified(node, right);
    let by =
        staff::allow(node, Some(till), if verified { Act::Void } else { Act::RefundUnverified }, approved)?;
    let outcome = settle_refund(&inputs)?;
    let mut document = RefundDocument { inputs, outcome };
    if !verified {
        quota(node, now, till, &document)?;
    }
    if let Some(asks) = tender_paper::give_back(node, now, till, &request.id, &mut document)? {
        return Ok(Step::Asks(asks));
    }
    let decided = Decided {
        document,
        right,
        customer: known.sale.customer,
        allowed: by.map(|by| (Act::Void, by)).into_iter().collect(),
        void: true,
        verified,
    };
    let paper = Paper { id: request.id, request: hash, till: &request.till, approver: &None, exchange: None };
    book(node, now, decided, &paper).map(Step::Done)
}

fn refused(refusal: VoidRefusal) -> Stop {
    let code = match refusal {
        VoidRefusal::OtherShift => Code::VoidOtherShift,
        VoidRefusal::RefundedBefore => Code::VoidRefundedBefore,
        VoidRefusal::ChangeGiven { .. } => Code::VoidChangeGiven,
        VoidRefusal::Refund(refusal) => return refusal.into(),
    };
    no_at(code, "/sale_id", refusal.to_string())
}
