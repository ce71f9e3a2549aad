//! The way back: a refund against a sale of this node (`facts.md` §4, Refund shares).

use super::books::{self, Booked, business_day};
use super::clock::Now;
use super::node::Node;
use super::problem::{Answer, Code, no, no_at};
use super::request::{PayOut, RefundRequest, hash_of, same_request};
use crate::db::documents::{self, DocumentKind, Entry};
use crate::db::events;
use crate::db::incarnations::{self, Part};
use rusqlite::Connection;
use tradepost_commerce::document::{
    Basis, Condition, LineKind, OriginalSale, RefundDocument, RefundInputs, Tender, TenderKind, TenderState,
};
use tradepost_commerce::money::Money;
use tradepost_commerce::refund::{Return, lines_of, refund_due, rules_of, settle_refund};
use tradepost_sync::body::{Body, Moved, RefundCommitted, SaleCommitted, Verification};
use tradepost_sync::ids::Id;
use tradepost_sync::rights;

/// Books a refund. The same request again answers the same document.
///
/// # Errors
/// Every "no" of a refund; then nothing was stored. Or a fault.
pub fn refund(node: &mut Node, now: Now, request: &RefundRequest) -> Answer<Booked> {
    let hash = hash_of(request);
    if let Some(found) = documents::find(node.conn(), &request.id)? {
        let place = same_request(&found, DocumentKind::Refund, hash)?;
        return Booked::load(node.conn(), place);
    }
    let sale = sale_of(node, request)?;
    let document = decide(node, request, &sale)?;
    let moved = moved(node, &document)?;
    let receipt = node.next_number(request.till.name())?;
    let day = business_day(&node.rulebook, now.trading);
    let void = covers_all(&document, &sale);
    let body = Body::from(RefundCommitted {
        refund_id: request.id,
        client_made: true,
        receipt: receipt.clone(),
        business_day: day,
        customer: sale.customer,
        document: document.clone(),
        moved,
        verification: Verification::Verified,
        void: void && sale.business_day == day,
        approver: request.approver.clone(),
        exchange: None,
        right: None,
    });
    let written = node.write(now, Some(request.till.name()), None, body)?;
    node.take_number(&receipt);
    let entry = Entry {
        id: &request.id,
        kind: DocumentKind::Refund,
        request: Some(hash),
        receipt: Some(&receipt),
        day: Some(day),
    };
    documents::insert(node.conn(), written.place, &entry)?;
    note_basis(node.conn(), &request.sale, &document)?;
    node.settle(now, document.inputs.lines.iter().map(|line| line.sku.clone()))?;
    Ok(Booked::fresh(written))
}

fn sale_of(node: &Node, request: &RefundRequest) -> Answer<Box<SaleCommitted>> {
    let missing = || no_at(Code::NotFound, "/sale_id", format!("no sale {}", request.sale));
    let found = documents::find(node.conn(), &request.sale)?.ok_or_else(missing)?;
    only_here(node, found.place)?;
    match books::Booked::load(node.conn(), found.place)?.body {
        Body::SaleCommitted(sale) => Ok(sale),
        _ => Err(missing()),
    }
}

/// Another node's sale is refunded there: two nodes that part must not pay back the same line (`model.md` §5).
fn only_here(node: &Node, place: i64) -> Answer<()> {
    let author = incarnations::by_no(node.conn(), events::parts(place).0)?;
    if author.is_some_and(|author| matches!(author.part, Part::Other | Part::OtherLone)) {
        return Err(no_at(
            Code::NotCustodian,
            "/sale_id",
            "another node of the store sold it and may refund it",
        ));
    }
    Ok(())
}

fn decide(node: &Node, request: &RefundRequest, sale: &SaleCommitted) -> Answer<RefundDocument> {
    let before = documents::refunded(node.conn(), &request.sale)?;
    let returns: Vec<Return> = request
        .lines
        .iter()
        .map(|line| Return {
            line: line.line,
            quantity: line.quantity,
            condition: line.condition,
            serials: line.serials.clone(),
        })
        .collect();
    let lines = lines_of(&sale.document, &returns, &before)?;
    let mut inputs = RefundInputs {
        rules: rules_of(&sale.document),
        original: Some(OriginalSale {
            sale_id: request.sale.0,
            series: sale.receipt.series.clone(),
            n: sale.receipt.n,
            store: None,
        }),
        lines,
        reason: request.reason.clone(),
        tenders: Vec::new(),
    };
    let due = refund_due(&inputs)?;
    inputs.tenders = tenders(request.pay_out, due.total, due.cash_due);
    let outcome = settle_refund(&inputs)?;
    Ok(RefundDocument { inputs, outcome })
}

fn tenders(pay_out: PayOut, total: Money, cash_due: Money) -> Vec<Tender> {
    let (kind, amount) = match pay_out {
        PayOut::Cash => (TenderKind::Cash, cash_due),
        PayOut::Card => (TenderKind::Card, total),
    };
    if amount.is_zero() && pay_out == PayOut::Card {
        return Vec::new();
    }
    let state = TenderState::Captured;
    vec![Tender {
        key: None,
        kind,
        amount,
        foreign: None,
        state,
        reference: None,
        pool: None,
        original: None,
    }]
}

/// Goods to be sold again mint rights; what is waste is booked in and out and moves nothing.
fn moved(node: &Node, document: &RefundDocument) -> Answer<Vec<Moved>> {
    let standing = node.standing(&crate::db::stock::Stock::default());
    let one = |line: &tradepost_commerce::document::RefundLineInput| {
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
