//! A sale in one call, and the booking that every sale ends in (`house.md`, A sale).

use super::books::{Booked, business_day};
use super::clock::Now;
use super::lend;
use super::lookup::scan;
use super::node::{Node, Rulebook, ShelfItem};
use super::problem::{Answer, Code, no, no_at};
use super::request::{SaleLine, SaleRequest, Till, Wish, hash_of, same_request};
use super::reservation::{self, HandedOver};
use crate::db::documents::{self, DocumentKind, Entry, RequestHash};
use crate::db::{customers, stock::Stock};
use std::collections::HashMap;
use std::sync::Arc;
use tradepost_commerce::basket::{Basket, Shop, Wanted};
use tradepost_commerce::checkout::check_out;
use tradepost_commerce::document::{LineKind, SaleDocument, Sku, Tender};
use tradepost_commerce::money::Money;
use tradepost_commerce::product::StockPolicy;
use tradepost_commerce::quantity::{Quantity, THOUSAND};
use tradepost_commerce::time::UtcMs;
use tradepost_sync::body::{Body, Moved, SaleCommitted};
use tradepost_sync::ids::{Id, derived_id};
use tradepost_sync::rights;

/// Books a sale. The same request again answers the same document.
///
/// # Errors
/// Every "no" of a sale; then nothing was stored. Or a fault.
pub fn sell(node: &mut Node, now: Now, request: &SaleRequest) -> Answer<Booked> {
    let hash = hash_of(request);
    if let Some(found) = documents::find(node.conn(), &request.id)? {
        let place = same_request(&found, DocumentKind::Sale, hash)?;
        return Booked::load(node.conn(), place);
    }
    let (basket, asked) = fill(node, now, request)?;
    let rulebook = Arc::clone(&node.rulebook);
    let document = pay(&basket, &rulebook, now, request.tenders.clone(), request.expected_total)?;
    let handed_over = reservation::handed_over(node, &document, &asked)?;
    let sale = Sold {
        id: Some(request.id),
        request: Some(hash),
        cart: None,
        till: &request.till,
        customer: request.customer,
        document,
        handed_over,
    };
    book(node, now, sale)
}

/// What a request asks to hand over: (its line, the basket's line, reservation).
type Asked = Vec<(usize, usize, Id)>;

/// The document of a basket, or why there is none.
pub(crate) fn pay(
    basket: &Basket,
    rulebook: &Rulebook,
    now: Now,
    tenders: Vec<Tender>,
    expected: Option<Money>,
) -> Answer<SaleDocument> {
    let document = check_out(basket, Node::counter(rulebook, now), tenders)?;
    let total = document.outcome.settlement.total;
    match expected {
        Some(expected) if expected != total => {
            let currency = rulebook.settings.currency;
            let detail = format!("it comes to {}, not {}", total.text(currency), expected.text(currency));
            Err(no_at(Code::TotalChanged, "/expected_total", detail))
        }
        _ => Ok(document),
    }
}

fn fill(node: &mut Node, now: Now, request: &SaleRequest) -> Answer<(Basket, Asked)> {
    let mut asked = Asked::new();
    let list = match (&request.price_list, &request.customer) {
        (Some(list), _) => list.clone(),
        (None, Some(customer)) => list_of(node, customer)?,
        (None, None) => String::new(),
    };
    let mut basket = Basket { customer: request.customer.map(|c| c.to_string()), list, ..Basket::default() };
    for (index, line) in request.lines.iter().enumerate() {
        let at = add_line(node, now, &mut basket, line).map_err(|stop| in_line(stop, index))?;
        asked.extend(line.reservation.map(|id| (index, at, id)));
    }
    for discount in &request.discounts {
        basket.discount_order(discount.clone())?;
    }
    basket.exemption = request.exemption.clone();
    Ok((basket, asked))
}

/// The price list a customer buys from.
pub(crate) fn list_of(node: &Node, customer: &Id) -> Answer<String> {
    Ok(customers::find(node.conn(), customer)?.map(|c| c.list).unwrap_or_default())
}

/// Says on which line an item was not found.
fn in_line(stop: super::Stop, index: usize) -> super::Stop {
    match stop {
        super::Stop::No(mut problem) => {
            if problem.errors.is_empty() {
                *problem = super::Problem::at(problem.code, format!("/lines/{index}"), problem.detail);
            }
            for error in &mut problem.errors {
                if !error.pointer.starts_with("/lines") {
                    error.pointer = format!("/lines/{index}{}", error.pointer);
                }
            }
            super::Stop::No(problem)
        }
        fault => fault,
    }
}

/// Adds a line to a basket at the price in force; answers its index.
pub(crate) fn add_line(node: &mut Node, now: Now, basket: &mut Basket, line: &SaleLine) -> Answer<usize> {
    let (item, wanted) = wish(node, &line.wish, line.quantity)?;
    let rulebook = Arc::clone(&node.rulebook);
    let shop = Shop { settings: &rulebook.settings, prices: &item.book, now: UtcMs(now.trading) };
    let product = &item.item.product;
    let at = match &line.price {
        None => basket.add(product, wanted, shop)?,
        Some((price, reason)) => add_at_price(basket, &item, wanted, shop, *price, reason)?,
    };
    for discount in &line.discounts {
        basket.discount_line(at, discount.clone())?;
    }
    if !line.serials.is_empty() {
        basket.note_serials(at, line.serials.clone())?;
    }
    if let Some(check) = &line.age_check {
        basket.note_age_check(at, check.clone())?;
    }
    Ok(at)
}

/// A price by hand also sells what has no price on any list.
fn add_at_price(
    basket: &mut Basket,
    item: &ShelfItem,
    wanted: Wanted,
    shop: Shop<'_>,
    price: Money,
    reason: &str,
) -> Answer<usize> {
    use tradepost_commerce::price_book::{PriceBook, PriceEntry};
    let sku = &item.item.product.sku;
    let entry = PriceEntry {
        list: basket.list.clone(),
        sku: sku.clone(),
        price,
        valid_from: UtcMs(i64::MIN),
        valid_to: None,
    };
    let book = PriceBook::new(shop.prices.version(), [entry]);
    let at = basket.add(&item.item.product, wanted, Shop { prices: &book, ..shop })?;
    basket.set_price(at, price, None, reason)?;
    Ok(at)
}

fn wish(node: &mut Node, wish: &Wish, quantity: Option<Quantity>) -> Answer<(Arc<ShelfItem>, Wanted)> {
    let quantity_or_one = Wanted::Quantity(quantity.unwrap_or(Quantity(THOUSAND)));
    match wish {
        Wish::Sku(sku) => match node.item(sku) {
            Err(super::Stop::No(problem)) => Err(no_at(problem.code, "/sku", problem.detail)),
            item => Ok((item?, quantity_or_one)),
        },
        Wish::Code(code) => {
            let settings = Arc::clone(&node.rulebook);
            let found = scan(node.conn(), &settings.settings, code)?;
            let wanted = found.wanted.unwrap_or(quantity_or_one);
            Ok((node.item(&found.item.product.sku)?, wanted))
        }
    }
}

/// A document that is paid and waits to be booked.
pub(crate) struct Sold<'a> {
    /// The client's id, or none where it is derived.
    pub(crate) id: Option<Id>,
    /// Hash of the client's request.
    pub(crate) request: Option<RequestHash>,
    /// The cart it comes from.
    pub(crate) cart: Option<Id>,
    /// The till.
    pub(crate) till: &'a Till,
    /// The customer.
    pub(crate) customer: Option<Id>,
    /// The document.
    pub(crate) document: SaleDocument,
    /// Reservations that it hands over.
    pub(crate) handed_over: HandedOver,
}

/// Books a paid document: rights, number, event, index. The last refusal (strict stock) comes before any write.
pub(crate) fn book(node: &mut Node, now: Now, sold: Sold<'_>) -> Answer<Booked> {
    let handed_over = sold.handed_over;
    let Taking { moved, covers } = take_goods(node, &sold.document, &handed_over)?;
    covers.into_iter().try_for_each(|cover| node.write(now, None, None, cover).map(|_| ()))?;
    let receipt = node.next_number(sold.till.name())?;
    let (seq, hlc) = node.head.next(now.wall);
    let day = business_day(&node.rulebook, now.trading);
    let id = sold.id.unwrap_or_else(|| derived_id(hlc.ms(), &node.head.incarnation, seq));
    let body = Body::from(SaleCommitted {
        sale_id: id,
        client_made: sold.id.is_some(),
        cart: sold.cart,
        receipt: receipt.clone(),
        business_day: day,
        customer: sold.customer,
        document: sold.document,
        moved,
        exchange: None,
        reservations: handed_over.lines.clone(),
        cart_custody: None,
    });
    let written = node.write(now, Some(sold.till.name()), None, body)?;
    node.take_number(&receipt);
    let entry = Entry {
        id: &id,
        kind: DocumentKind::Sale,
        request: sold.request,
        receipt: Some(&receipt),
        day: Some(day),
    };
    documents::insert(node.conn(), written.place, &entry)?;
    reservation::close_sold(node, now, &handed_over)?;
    Ok(Booked::fresh(written))
}

/// How a sale takes its goods.
struct Taking {
    /// What each line moves.
    moved: Vec<Moved>,
    /// What is written before it: overdraw that is covered before anything strict is promised.
    covers: Vec<Body>,
}

/// From which rights each line is taken, and what goes beyond them (`model.md` §2).
fn take_goods(node: &mut Node, document: &SaleDocument, handed_over: &HandedOver) -> Answer<Taking> {
    let mut covers = Vec::new();
    let mut seen: HashMap<i64, Stock> = HashMap::new();
    let mut moved = Vec::with_capacity(document.inputs.lines.len());
    for (index, line) in document.inputs.lines.iter().enumerate() {
        if line.kind != LineKind::Goods {
            moved.push(Moved::default());
            continue;
        }
        let item = node.item(&line.sku)?;
        let units = line.unit.to_base(line.quantity).map_err(|e| no(Code::BadQuantity, e.to_string()))?.0;
        let asked = u64::try_from(units).map_err(|_| no(Code::BadQuantity, "a quantity below zero"))?;
        let sku_no = item.item.sku_no;
        let mut row = match seen.get(&sku_no) {
            Some(row) => *row,
            None => node.stock(sku_no)?,
        };
        if item.item.product.policy == StockPolicy::Strict && !seen.contains_key(&sku_no) {
            covers.extend(lend::cover_first(node, &line.sku, sku_no, &mut row)?);
        }
        let standing = node.standing(&row);
        // What was promised before is handed over whatever the policy; closing the promise covers it.
        let policy = if handed_over.covers(index) { StockPolicy::InHand } else { item.item.product.policy };
        let taken = rights::take(&standing, policy, asked, false)
            .map_err(|short| strict_short(&line.sku, index, short))?;
        row.used += taken.rights;
        row.overdrawn += taken.overdraw;
        seen.insert(sku_no, row);
        moved.push(Moved { m: 0, c: taken.rights, o: taken.overdraw });
    }
    Ok(Taking { moved, covers })
}

fn strict_short(sku: &Sku, line: usize, short: rights::StrictShort) -> super::Stop {
    let detail = format!("{}: {} asked, {} may be promised here", sku.0, short.asked, short.free);
    no_at(Code::StrictStockShort, format!("/lines/{line}/quantity_milli"), detail)
}
