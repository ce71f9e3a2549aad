//! An exchange: one refund and one sale in one transaction, tied by an id and settled through an internal tender that is
//! zero in sum (`facts.md` §2).

use super::books::Booked;
use super::clock::Now;
use super::node::Node;
use super::problem::{Answer, Stop};
use super::refund::{self, Paper};
use super::request::{ExchangeRequest, hash_of, same_request};
use super::sell::{self, Sold};
use super::staff::Approved;
use super::tender;
use super::tender_paper::{self, Step};
use crate::db::documents::{self, DocumentKind};
use tradepost_commerce::document::Tender;
use tradepost_commerce::money::Money;
use tradepost_commerce::refund_right::exchange as internal;
use tradepost_sync::ids::Id;

/// Both documents of an exchange.
#[derive(Clone, Debug)]
pub struct Exchanged {
    /// What came back.
    pub refund: Booked,
    /// What went out.
    pub sale: Booked,
}

/// The ids of an exchange's refund and sale: made of its own, so that a repeat finds them.
pub fn ids(exchange: &Id) -> (Id, Id) {
    (part(exchange, "refund"), part(exchange, "sale"))
}

fn part(exchange: &Id, name: &str) -> Id {
    let mut hasher = blake3::Hasher::new_derive_key("tradepost exchange id v1");
    hasher.update(&exchange.0);
    hasher.update(name.as_bytes());
    let mut id = exchange.0;
    // Its time stays, and so does its shape: a UUID of version 7.
    id[6..].copy_from_slice(&hasher.finalize().as_bytes()[..10]);
    id[6] = 0x70 | (id[6] & 0x0f);
    id[8] = 0x80 | (id[8] & 0x3f);
    Id(id)
}

/// Books an exchange. The same request again answers the same documents.
///
/// # Errors
/// Every "no" of a refund and of a sale; then nothing was stored. Or a fault.
pub fn exchange(
    node: &mut Node,
    now: Now,
    request: &ExchangeRequest,
    approved: Option<&Approved>,
) -> Answer<Step<Exchanged>> {
    let hash = hash_of(request);
    let (refund_id, sale_id) = ids(&request.id);
    if let (Some(back), Some(out)) =
        (documents::find(node.conn(), &refund_id)?, documents::find(node.conn(), &sale_id)?)
    {
        let back = same_request(&back, DocumentKind::Refund, hash)?;
        let out = same_request(&out, DocumentKind::Sale, hash)?;
        let (refund, sale) = (Booked::load(node.conn(), back)?, Booked::load(node.conn(), out)?);
        return Ok(Step::Done(Exchanged { refund, sale }));
    }
    // All refusals of the sale come before the refund is written.
    let basket = sell::fill_basket(node, now, &request.sale, approved).map_err(in_sale)?;
    let (inputs, due) = sell::ready_to_pay(node, now, &basket).map_err(in_sale)?;
    let who = sell::Asker { till: request.refund.till.name(), approved };
    sell::may_promise(node, now, &inputs, &sale_id, who).map_err(in_sale)?;
    let mut decided =
        refund::decide(node, now, &request.refund, approved, Some(due.total)).map_err(in_refund)?;
    let given_back = Money(decided.document.outcome.settlement.total.0.saturating_neg());
    let (_, pays) = internal(given_back, due.total).map_err(|e| sell::bad_money(&e))?;
    let mut more = request.sale.tenders.clone();
    tender::complete(node, &mut more)?;
    let with_more = |more: &[Tender]| [std::slice::from_ref(&pays), more].concat();
    // Whether it would do is known before anybody's card is touched.
    sell::settled(inputs.clone(), with_more(&more), request.sale.expected_total)?;
    let till = &request.refund.till;
    let (back, out) = (&mut decided.document, &mut more);
    let mut asks = tender_paper::give_back(node, now, till.name(), &refund_id, back)?;
    if asks.is_none() {
        asks = tender_paper::take(node, now, till.name(), &sale_id, 1, out)?;
    }
    if let Some(asks) = asks {
        return Ok(Step::Asks(asks));
    }
    let document = sell::settled(inputs, with_more(&more), request.sale.expected_total)?;
    let given = document.inputs.tenders.clone();
    let paper = Paper {
        id: refund_id,
        request: hash,
        till,
        approver: &request.refund.approver,
        exchange: Some(request.id),
    };
    let refund = refund::book(node, now, decided, &paper)?;
    let sold = Sold {
        id: Some(sale_id),
        request: Some(hash),
        cart: None,
        till,
        customer: request.sale.customer,
        document,
        handed_over: Default::default(),
        sealed: true,
        approved: None,
        exchange: Some(request.id),
    };
    let sale = sell::book(node, now, sold)?;
    tender_paper::claimed(node, sale_id, &given)?;
    Ok(Step::Done(Exchanged { refund, sale }))
}

fn in_sale(stop: Stop) -> Stop {
    under(stop, "/sale")
}

fn in_refund(stop: Stop) -> Stop {
    under(stop, "/refund")
}

/// An exchange's halves stand under their own names, but for what is the whole's.
fn under(stop: Stop, at: &str) -> Stop {
    let Stop::No(mut problem) = stop else { return stop };
    for error in problem.errors.iter_mut().filter(|error| !error.pointer.starts_with("/approval")) {
        error.pointer = format!("{at}{}", error.pointer);
    }
    Stop::No(problem)
}
