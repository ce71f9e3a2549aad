//! The way back: refunds against sales, and without a receipt (`facts.md` §4, Refund right and Refund shares).
//!
//! Whoever sold holds the refund right, without a byte until it moves. Another node's sale is refunded here only where a
//! manager allows it, and as `unverified`: what exceeds the original after merging is a person's to look at.

use super::books::{self, Booked};
use super::clock::Now;
use super::custody;
use super::node::Node;
use super::policy::Act;
use super::problem::{Answer, Code, Stop, no, no_at};
use super::refund_caps;
use super::refund_money::{self, Paid};
use super::request::{Back, RefundRequest, Till, hash_of, same_request};
use super::shift_desk::at_counter;
use super::staff::{self, Approved, Used};
use super::tender_paper::{self, Step};
use super::voucher;
use crate::db::documents::{self, DocumentKind, Entry, RequestHash};
use crate::db::events;
use crate::db::incarnations::{self, Part};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::sync::Arc;
use tradepost_commerce::basket::{Basket, Shop, Wanted};
use tradepost_commerce::checkout::quote;
use tradepost_commerce::document::{
    Basis, Condition, LineKind, OriginalSale, RefundDocument, RefundInputs, RefundLineInput, StaffId,
};
use tradepost_commerce::money::Money;
use tradepost_commerce::refund::{Return, lines_of, refund_due, rules_of, settle_refund};
use tradepost_commerce::refund_right::within_cap;
use tradepost_commerce::time::UtcMs;
use tradepost_sync::body::{
    Body, CustodyMark, CustodyObject, Moved, RefundCommitted, SaleCommitted, Verification,
};
use tradepost_sync::ids::Id;
use tradepost_sync::rights;

/// A refund that is decided and waits to be booked.
pub(crate) struct Decided {
    /// The document.
    pub(crate) document: RefundDocument,
    /// Whose refund right it is.
    pub(crate) right: Right,
    /// The customer of the sale.
    pub(crate) customer: Option<Id>,
    /// Who allowed what, beyond what anybody may.
    pub(crate) allowed: Vec<(Act, StaffId)>,
    /// It cancels the whole sale in its shift.
    pub(crate) void: bool,
    /// The refund right stands behind it.
    pub(crate) verified: bool,
}

/// Who holds the refund right of a sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// This node, since the sale.
    Here,
    /// This node, since it was handed to it.
    Taken(CustodyMark),
    /// Somebody else; or nobody, without a receipt.
    Elsewhere,
}

/// Books a refund where no terminal has to be asked. The same request again answers the same document.
///
/// # Errors
/// As [`refund_by_card`], and `TENDER_UNSETTLED` where one has.
pub fn refund(
    node: &mut Node,
    now: Now,
    request: &RefundRequest,
    approved: Option<&Approved>,
) -> Answer<Booked> {
    refund_by_card(node, now, request, approved)?.done()
}

/// Books a refund, once the terminal has given back what goes to a card. The same request again answers the same
/// document.
///
/// # Errors
/// Every "no" of a refund, `APPROVAL_REQUIRED`; then nothing was stored. Or a fault.
pub fn refund_by_card(
    node: &mut Node,
    now: Now,
    request: &RefundRequest,
    approved: Option<&Approved>,
) -> Answer<Step<Booked>> {
    let hash = hash_of(request);
    if let Some(found) = documents::find(node.conn(), &request.id)? {
        let place = same_request(&found, DocumentKind::Refund, hash)?;
        return Booked::load(node.conn(), place).map(Step::Done);
    }
    let mut decided = decide(node, now, request, approved, None)?;
    let (till, id) = (request.till.name(), &request.id);
    if let Some(asks) = tender_paper::give_back(node, now, till, id, &mut decided.document)? {
        return Ok(Step::Asks(asks));
    }
    let paper = Paper {
        id: request.id,
        request: hash,
        till: &request.till,
        approver: &request.approver,
        exchange: None,
    };
    book(node, now, decided, &paper).map(Step::Done)
}

/// What a refund is booked under.
pub(crate) struct Paper<'a> {
    /// The client's id.
    pub(crate) id: Id,
    /// Hash of the client's request.
    pub(crate) request: RequestHash,
    /// The till.
    pub(crate) till: &'a Till,
    /// Who is named by the client as having allowed it; a store with staff asks for their PIN instead.
    pub(crate) approver: &'a Option<StaffId>,
    /// Ties it to the sale of an exchange.
    pub(crate) exchange: Option<Id>,
}

/// Books a decided refund: number, event, index, what came back so far. Nothing refuses after the first write.
pub(crate) fn book(node: &mut Node, now: Now, decided: Decided, paper: &Paper<'_>) -> Answer<Booked> {
    let Decided { document, right, customer, allowed, void, verified } = decided;
    let till = paper.till.name();
    let day = at_counter(node, now, till)?;
    let moved = moved(node, &document)?;
    let burnt = voucher::taken_back(node, &document)?;
    let receipt = node.next_number(till)?;
    let reason = document.inputs.reason.clone();
    for (act, by) in &allowed {
        let used = Used { act: *act, object: Some(paper.id), by: by.clone(), reason: &reason };
        staff::note(node, now, Some(till), &used)?;
    }
    let body = Body::from(RefundCommitted {
        refund_id: paper.id,
        client_made: true,
        receipt: receipt.clone(),
        business_day: day,
        customer,
        document: document.clone(),
        moved,
        verification: if verified { Verification::Verified } else { Verification::Unverified },
        void,
        approver: allowed.into_iter().next().map(|(_, by)| by).or_else(|| paper.approver.clone()),
        exchange: paper.exchange,
        right: match right {
            Right::Taken(mark) => Some(mark),
            Right::Here | Right::Elsewhere => None,
        },
    });
    for fact in burnt {
        node.write(now, Some(till), None, fact.into())?;
    }
    let written = node.write(now, Some(till), None, body)?;
    node.take_number(&receipt);
    let entry = Entry {
        id: &paper.id,
        kind: DocumentKind::Refund,
        request: Some(paper.request),
        receipt: Some(&receipt),
        day: Some(day),
    };
    documents::insert(node.conn(), written.place, &entry)?;
    tender_paper::claimed(node, paper.id, &document.inputs.tenders)?;
    if let Some(original) = &document.inputs.original {
        note_basis(node.conn(), &Id(original.sale_id), &document)?;
        if !verified {
            refund_caps::note_given(node.conn(), day, given(&document)?)?;
        }
    }
    node.settle(now, document.inputs.lines.iter().map(|line| line.sku.clone()))?;
    Ok(Booked::fresh(written))
}

/// Decides a refund. `internal` is a tender that settles part of it inside an exchange.
pub(crate) fn decide(
    node: &mut Node,
    now: Now,
    request: &RefundRequest,
    approved: Option<&Approved>,
    bought: Option<Money>,
) -> Answer<Decided> {
    let Some(id) = request.sale else { return decide_without_receipt(node, now, request, approved, bought) };
    let known = Known::load(node.conn(), &id)?;
    let right = right_of(node, &known)?;
    let mut allowed = Vec::new();
    let till = request.till.name();
    let verified = is_verified(node, right);
    if verified {
        staff::allow(node, Some(till), Act::Refund, approved)?;
    } else {
        let by = staff::allow(node, Some(till), Act::RefundUnverified, approved)?;
        if right == Right::Elsewhere && by.is_none() {
            // A store that asks nobody for a PIN has nobody who could answer for another's sale.
            return Err(elsewhere());
        }
        allowed.extend(by.map(|by| (Act::RefundUnverified, by)));
    }
    let sale = &known.sale;
    let before = documents::refunded(node.conn(), &id)?;
    let lines = lines_of(&sale.document, &returns(request)?, &before)?;
    let mut inputs = RefundInputs {
        rules: rules_of(&sale.document),
        original: Some(known.original()),
        lines,
        reason: request.reason.clone(),
        tenders: Vec::new(),
    };
    let due = refund_due(&inputs)?;
    let paid = Paid::of(node.conn(), &id, &sale.document)?;
    let out = refund_money::pay_out(request.pay_out, due.total, bought, &paid, &inputs.rules)?;
    if out.another_way
        && let Some(by) = staff::allow(node, Some(till), Act::RefundOtherTender, approved)?
    {
        allowed.push((Act::RefundOtherTender, by));
    }
    inputs.tenders = out.tenders;
    let outcome = settle_refund(&inputs)?;
    let document = RefundDocument { inputs, outcome };
    if !verified {
        quota(node, now, till, &document)?;
    }
    let void = covers_all(&document, sale) && known.same_shift(node, now, till)?;
    Ok(Decided { document, right, customer: sale.customer, allowed, void, verified })
}

/// Whether the refund right stands behind a refund: it is here, and the lease that covers it runs (`facts.md` §4).
pub(crate) fn is_verified(node: &Node, right: Right) -> bool {
    right != Right::Elsewhere && node.lock().is_ok()
}

/// What a refund gives back, above nothing.
fn given(document: &RefundDocument) -> Answer<Money> {
    document.outcome.settlement.total.negated().map_err(|e| no(Code::BadMoney, e.to_string()))
}

/// Refuses what would pass the day's quota of unverified refunds.
///
/// # Errors
/// `UNVERIFIED_QUOTA`; or a fault.
pub(crate) fn quota(node: &mut Node, now: Now, till: &str, document: &RefundDocument) -> Answer<()> {
    let day = at_counter(node, now, till)?;
    refund_caps::within_quota(node.conn(), day, given(document)?, document.inputs.rules.currency)
}

fn elsewhere() -> Stop {
    no_at(Code::NotCustodian, "/sale_id", "another node of the store sold it and may refund it")
}

/// A sale as it is known here.
pub(crate) struct Known {
    /// The sale.
    pub(crate) sale: Box<SaleCommitted>,
    /// Its event.
    pub(crate) booked: Booked,
}

impl Known {
    /// Finds a sale by its id.
    ///
    /// # Errors
    /// `NOT_FOUND` at `/sale_id`; or a fault.
    pub(crate) fn load(conn: &Connection, id: &Id) -> Answer<Self> {
        let missing = || no_at(Code::NotFound, "/sale_id", format!("no sale {id}"));
        let found = documents::find(conn, id)?.ok_or_else(missing)?;
        let booked = Booked::load(conn, found.place)?;
        match booked.body.clone() {
            Body::SaleCommitted(sale) => Ok(Self { sale, booked }),
            _ => Err(missing()),
        }
    }

    /// How refunds name it.
    pub(crate) fn original(&self) -> OriginalSale {
        OriginalSale {
            sale_id: self.sale.sale_id.0,
            series: self.sale.receipt.series.clone(),
            n: self.sale.receipt.n,
            store: None,
        }
    }

    /// Whether the till's present shift sold it; without shifts, whether it was sold there on this business day.
    pub(crate) fn same_shift(&self, node: &mut Node, now: Now, till: &str) -> Answer<bool> {
        let of_here = self.booked.event.envelope.incarnation == node.head.incarnation
            && self.booked.event.envelope.till.as_deref() == Some(till);
        let of_shift = self.booked.event.envelope.shift;
        let running = node.desk(till)?.running.as_ref().map(|running| running.shift.number());
        let today = books::business_day(&node.rulebook, now.trading);
        let same = match running {
            Some(_) => of_shift == running,
            None => of_shift.is_none() && self.sale.business_day == today,
        };
        Ok(of_here && same)
    }
}

/// Who holds the right to refund a sale (`facts.md` §4).
///
/// # Errors
/// A fault.
pub(crate) fn right_of(node: &Node, known: &Known) -> Answer<Right> {
    let object = CustodyObject::Refund(known.sale.sale_id);
    if let Some(custody) = custody::of(node.conn(), &object)? {
        let mine = custody.owner == node.head.incarnation && !custody.terminal;
        let mark = CustodyMark { epoch: custody.epoch, n: custody.n };
        return Ok(if mine { Right::Taken(mark) } else { Right::Elsewhere });
    }
    let author = incarnations::by_no(node.conn(), events::parts(known.booked.place).0)?;
    let other = author.is_some_and(|author| matches!(author.part, Part::Other | Part::OtherLone));
    Ok(if other { Right::Elsewhere } else { Right::Here })
}

fn returns(request: &RefundRequest) -> Answer<Vec<Return>> {
    let one = |(index, line): (usize, &super::request::RefundLine)| match &line.back {
        Back::Line(at) => Ok(Return {
            line: *at,
            quantity: line.quantity,
            condition: line.condition,
            serials: line.serials.clone(),
        }),
        Back::Item(_) => {
            Err(no_at(Code::UnknownField, format!("/lines/{index}/sku"), "a sale's lines are named by line"))
        }
    };
    request.lines.iter().enumerate().map(one).collect()
}

/// Without a receipt: at today's price, up to the policy's cap, and only where somebody allows it.
fn decide_without_receipt(
    node: &mut Node,
    now: Now,
    request: &RefundRequest,
    approved: Option<&Approved>,
    bought: Option<Money>,
) -> Answer<Decided> {
    let till = request.till.name();
    let by = staff::allow(node, Some(till), Act::RefundNoReceipt, approved)?;
    let rulebook = Arc::clone(&node.rulebook);
    let mut lines = Vec::new();
    for (index, line) in request.lines.iter().enumerate() {
        let at = |field: &str| format!("/lines/{index}/{field}");
        let Back::Item(sku) = &line.back else {
            return Err(no_at(Code::MissingField, at("sku"), "without a receipt an item is named by sku"));
        };
        let item = node.item(sku)?;
        let shop = Shop { settings: &rulebook.settings, prices: &item.book, now: UtcMs(now.trading) };
        let mut basket = Basket::default();
        basket.add(&item.item.product, Wanted::Quantity(line.quantity), shop)?;
        // No promotion of today says what was paid then.
        let counter =
            tradepost_commerce::checkout::Counter { promotions: &[], ..Node::counter(&rulebook, now) };
        let (inputs, due) = quote(&basket, counter)?;
        let (input, outcome) = (&inputs.lines[0], &due.lines[0]);
        lines.push(RefundLineInput {
            line: None,
            sku: input.sku.clone(),
            name: input.name.clone(),
            unit: input.unit.clone(),
            tax: input.tax.clone(),
            sold: input.quantity,
            sold_net: outcome.net,
            sold_tax: outcome.tax,
            quantity: line.quantity,
            condition: line.condition,
            basis: Basis::default(),
            serials: line.serials.clone(),
            kind: input.kind.clone(),
            price_source: Some(input.price_source.clone()),
        });
    }
    let mut inputs = RefundInputs {
        rules: rulebook.settings.rules(),
        original: None,
        lines,
        reason: request.reason.clone(),
        tenders: Vec::new(),
    };
    let due = refund_due(&inputs)?;
    let cap = refund_caps::no_receipt_max(node.conn())?;
    within_cap(&inputs.lines, due.total, cap).map_err(|_| {
        let currency = inputs.rules.currency;
        let detail = format!("at most {} is given back without a receipt", cap.text(currency));
        no(Code::NoReceiptCap, detail)
    })?;
    let out = refund_money::pay_out(request.pay_out, due.total, bought, &Paid::nothing(), &inputs.rules)?;
    inputs.tenders = out.tenders;
    let outcome = settle_refund(&inputs)?;
    let allowed = by.map(|by| (Act::RefundNoReceipt, by)).into_iter().collect();
    let document = RefundDocument { inputs, outcome };
    Ok(Decided { document, right: Right::Elsewhere, customer: None, allowed, void: false, verified: false })
}

/// Goods to be sold again mint rights; what is waste is booked in and out and moves nothing.
fn moved(node: &Node, document: &RefundDocument) -> Answer<Vec<Moved>> {
    let standing = node.standing(&crate::db::stock::Stock::default());
    let one = |line: &RefundLineInput| {
        if line.condition == Condition::Waste || line.kind != LineKind::Goods {
            return Ok(Moved::default());
        }
        let units = line.unit.to_base(line.quantity).map_err(|e| no(Code::BadQuantity, e.to_string()))?;
        let units = u64::try_from(units.0).map_err(|_| no(Code::BadQuantity, "a quantity below zero"))?;
        Ok(Moved { m: rights::mint(&standing, units), c: 0, o: 0 })
    };
    document.inputs.lines.iter().map(one).collect()
}

/// Adds what came back to the lines of the sale.
///
/// # Errors
/// `BAD_MONEY` where an amount can't be; or a fault.
pub(crate) fn note_basis(conn: &Connection, sale: &Id, document: &RefundDocument) -> Answer<()> {
    for (line, outcome) in document.inputs.lines.iter().zip(&document.outcome.lines) {
        let Some(index) = line.line else { continue };
        let positive = |amount: Money| amount.negated().map_err(|e| no(Code::BadMoney, e.to_string()));
        let back =
            Basis { quantity: line.quantity, net: positive(outcome.net)?, tax: positive(outcome.tax)? };
        documents::add_refunded(conn, sale, index, &back)?;
    }
    Ok(())
}

/// Whether one refund cancels the whole sale.
fn covers_all(document: &RefundDocument, sale: &SaleCommitted) -> bool {
    let back = |index: usize| -> i64 {
        let of_line = document.inputs.lines.iter().filter(|l| l.line.map(usize::from) == Some(index));
        of_line.map(|l| l.quantity.0).sum()
    };
    sale.document.inputs.lines.iter().enumerate().all(|(index, line)| back(index) == line.quantity.0)
}

/// What a refund of a sale could still be.
#[derive(Clone, Debug)]
pub struct Quote {
    /// The sale.
    pub booked: Booked,
    /// What is left of each line, in thousandths.
    pub left: Vec<(u16, i64)>,
    /// Who holds the refund right.
    pub right: Right,
    /// What each tender paid and what is left of it.
    pub paid: Vec<refund_money::Part>,
    /// The present shift sold it.
    pub same_shift: bool,
}

/// Looks a sale up for a refund.
///
/// # Errors
/// `NOT_FOUND`; or a fault.
pub fn look(node: &mut Node, now: Now, id: &Id, till: &str) -> Answer<Quote> {
    let known = Known::load(node.conn(), id)?;
    let right = right_of(node, &known)?;
    let before: BTreeMap<u16, Basis> = documents::refunded(node.conn(), id)?;
    let left = tradepost_commerce::refund_right::left(&known.sale.document, &before)
        .map_err(|e| no(Code::BadMoney, e.to_string()))?;
    let paid = Paid::of(node.conn(), id, &known.sale.document)?;
    let same_shift = known.same_shift(node, now, till)?;
    let left = left.into_iter().map(|(line, quantity)| (line, quantity.0)).collect();
    Ok(Quote { booked: known.booked, left, right, paid: paid.parts, same_shift })
}

/// A sale by what the customer shows: a number as it is printed, or its code.
///
/// # Errors
/// `NOT_FOUND`; or a fault.
pub fn by_number(conn: &Connection, number: &str) -> Answer<Id> {
    let booked = books::find_by_number(conn, number)?;
    match &booked.body {
        Body::SaleCommitted(sale) => Ok(sale.sale_id),
        _ => Err(no(Code::NotFound, format!("{number} is no sale"))),
    }
}
