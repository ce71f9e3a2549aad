//! What is owed of a sale whose stored card was refused later: the sale and its Z stand, and what is paid in the end has a
//! document of its own (`facts.md` §4, Stored card).

use super::clock::Now;
use super::node::Node;
use super::problem::{Answer, Code, no, no_at};
use super::refund::Known;
use super::request::{ReceivableRequest, hash_of, same_request};
use super::shift_desk::at_counter;
use super::tender;
use crate::db::documents::{self, DocumentKind, Entry};
use crate::db::{Fault, events, tenders};
use rusqlite::Connection;
use tradepost_commerce::document::{
    LineInput, LineKind, PriceSource, SaleInputs, Sku, Tax, Tender, TenderKind,
};
use tradepost_commerce::money::Money;
use tradepost_commerce::quantity::{Quantity, THOUSAND, Unit};
use tradepost_commerce::ring_up;
use tradepost_sync::body::{Body, ReceiptNumber, ReceivableCollected};
use tradepost_sync::ids::Id;

/// Something that is owed.
#[derive(Clone, Debug)]
pub struct Owed {
    /// The sale.
    pub sale: Id,
    /// Its number.
    pub receipt: ReceiptNumber,
    /// The tender that failed.
    pub key: Id,
    /// What kind of money it was.
    pub kind: TenderKind,
    /// How much.
    pub amount: Money,
    /// How it ended, as a number of the schema: 2 declined, 3 expired, 5 missing.
    pub outcome: i64,
    /// Paid since.
    pub collected: bool,
}

/// Everything that is owed or was.
///
/// # Errors
/// A fault.
pub fn all(conn: &Connection) -> Answer<Vec<Owed>> {
    let mut list = Vec::new();
    for (settled, collected) in tenders::owed(conn)? {
        let Some(found) = documents::find(conn, &settled.document)? else { continue };
        let Some(event) = events::read(conn, found.place)? else { continue };
        let body = event.body().map_err(|e| Fault::Fatal(e.to_string()))?;
        let Body::SaleCommitted(sale) = body else { continue };
        let kind = serde_json::from_str(&settled.kind).map_err(|e| Fault::Fatal(e.to_string()))?;
        list.push(Owed {
            sale: settled.document,
            receipt: sale.receipt.clone(),
            key: settled.key,
            kind,
            amount: Money(settled.amount),
            outcome: settled.outcome,
            collected: collected.is_some(),
        });
    }
    Ok(list)
}

/// A receivable that was paid.
#[derive(Clone, Debug)]
pub struct Collected {
    /// Its number.
    pub receipt: ReceiptNumber,
    /// How much was owed.
    pub amount: Money,
    /// Cash rounding.
    pub rounding: Money,
    /// Given back.
    pub change: Money,
}

impl Collected {
    fn of(body: &Body) -> Answer<Self> {
        match body {
            Body::ReceivableCollected(paid) => Ok(Self {
                receipt: paid.receipt.clone(),
                amount: paid.amount,
                rounding: paid.rounding,
                change: paid.change,
            }),
            _ => Err(no(Code::SaleIdReused, "this id was used for another request")),
        }
    }
}

/// Takes the money of a receivable. The same request again answers the same document.
///
/// # Errors
/// `NOT_FOUND`, `ALREADY_CLOSED`, and what is wrong with the tenders; then nothing was stored. Or a fault.
pub fn collect(node: &mut Node, now: Now, request: &ReceivableRequest) -> Answer<Collected> {
    let hash = hash_of(request);
    if let Some(found) = documents::find(node.conn(), &request.id)? {
        let place = same_request(&found, DocumentKind::Receivable, hash)?;
        let event =
            events::read(node.conn(), place)?.ok_or_else(|| Fault::Fatal(format!("no event at {place}")))?;
        return Collected::of(&event.body().map_err(|e| Fault::Fatal(e.to_string()))?);
    }
    let owed = all(node.conn())?
        .into_iter()
        .find(|owed| owed.sale == request.sale && owed.key == request.key)
        .ok_or_else(|| no_at(Code::NotFound, "/tender", "nothing is owed under this tender"))?;
    if owed.collected {
        return Err(no(Code::AlreadyClosed, "it was paid already"));
    }
    let till = request.till.name();
    let day = at_counter(node, now, till)?;
    let mut tenders = request.tenders.clone();
    tender::complete(node, &mut tenders)?;
    let settlement = settle(node, &owed, tenders.clone())?;
    let receipt = node.next_number(till)?;
    let known = Known::load(node.conn(), &request.sale)?;
    let body = Body::from(ReceivableCollected {
        sale_id: known.sale.sale_id,
        key: request.key,
        receipt: receipt.clone(),
        business_day: day,
        amount: owed.amount,
        tenders,
        rounding: settlement.rounding,
        change: settlement.change,
    });
    let written = node.write(now, Some(till), None, body)?;
    node.take_number(&receipt);
    let entry = Entry {
        id: &request.id,
        kind: DocumentKind::Receivable,
        request: Some(hash),
        receipt: Some(&receipt),
        day: Some(day),
    };
    documents::insert(node.conn(), written.place, &entry)?;
    Collected::of(&written.body)
}

/// Cash rounding and change are those of a sale of one untaxed line.
fn settle(
    node: &Node,
    owed: &Owed,
    tenders: Vec<Tender>,
) -> Answer<tradepost_commerce::document::Settlement> {
    let line = LineInput {
        sku: Sku("RECEIVABLE".to_owned()),
        name: String::new(),
        unit: Unit::piece(),
        quantity: Quantity(THOUSAND),
        unit_price: owed.amount,
        price_source: PriceSource::Manual { approver: None, reason: String::new() },
        label_amount: None,
        tax: Tax { category: "none".to_owned(), ppm: 0 },
        discounts: Vec::new(),
        serials: Vec::new(),
        age_check: None,
        kind: LineKind::Service,
    };
    let inputs = SaleInputs {
        rules: node.rulebook.settings.rules(),
        catalog: node.rulebook.catalog,
        lines: vec![line],
        promotions: Vec::new(),
        order_discounts: Vec::new(),
        exemption: None,
        tenders,
    };
    Ok(ring_up(&inputs)?.settlement)
}
