//! A sale in one call, and the booking that every sale ends in (`house.md`, A sale).

use super::books::Booked;
use super::carts;
use super::clock::Now;
use super::discount_limit;
use super::lease;
use super::lend;
use super::lookup::scan;
use super::node::{Node, Rulebook, ShelfItem};
use super::policy::Act;
use super::problem::{Answer, Code, no, no_at};
use super::request::{SaleLine, SaleRequest, Till, Wish, hash_of, same_request};
use super::reservation::{self, HandedOver};
use super::shift_desk::at_counter;
use super::staff::{self, Approved, Used};
use super::tender;
use super::training::{self, Practised};
use super::voucher;
use crate::db::documents::{self, DocumentKind, Entry, RequestHash};
use crate::db::{customers, stock::Stock};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tradepost_commerce::basket::{Basket, BasketLine, Shop, Wanted};
use tradepost_commerce::calc::Due;
use tradepost_commerce::checkout::{check_out, ready};
use tradepost_commerce::document::{Discount, LineKind, SaleDocument, SaleInputs, Sku, StaffId, Tender};
use tradepost_commerce::money::{Money, Overflow};
use tradepost_commerce::product::StockPolicy;
use tradepost_commerce::quantity::{Quantity, THOUSAND};
use tradepost_commerce::ring_up;
use tradepost_commerce::time::UtcMs;
use tradepost_sync::body::{Body, Moved, SaleCommitted};
use tradepost_sync::ids::{Id, derived_id};
use tradepost_sync::rights::{self, Standing};

/// Books a sale. The same request again answers the same document.
///
/// # Errors
/// Every "no" of a sale; then nothing was stored. Or a fault.
pub fn sell(node: &mut Node, now: Now, request: &SaleRequest, approved: Option<&Approved>) -> Answer<Booked> {
    let hash = hash_of(request);
    if let Some(found) = documents::find(node.conn(), &request.id)? {
        let place = same_request(&found, DocumentKind::Sale, hash)?;
        return Booked::load(node.conn(), place);
    }
    if let Some(practised) = training::repeated(node.conn(), &request.id, hash)? {
        return Ok(practised);
    }
    let (basket, asked) = fill(node, now, request, approved)?;
    let rulebook = Arc::clone(&node.rulebook);
    let mut tenders = request.tenders.clone();
    tender::complete(node, &mut tenders)?;
    let document = pay(&basket, &rulebook, now, tenders, request.expected_total)?;
    if node.desk(request.till.name())?.practises {
        let till = &request.till;
        let (id, request, customer) = (Some(request.id), Some(hash), request.customer);
        return training::book(node, now, Practised { id, request, cart: None, till, customer, document });
    }
    let handed_over = reservation::handed_over(node, &document, &asked)?;
    let sale = Sold {
        id: Some(request.id),
        request: Some(hash),
        cart: None,
        till: &request.till,
        customer: request.customer,
        document,
        handed_over,
        sealed: false,
        approved,
        exchange: None,
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
    as_expected(check_out(basket, Node::counter(rulebook, now), tenders)?, expected)
}

/// A document that comes to what the caller thinks it does.
///
/// # Errors
/// `TOTAL_CHANGED`.
pub(crate) fn as_expected(document: SaleDocument, expected: Option<Money>) -> Answer<SaleDocument> {
    let total = document.outcome.settlement.total;
    match expected {
        Some(expected) if expected != total => {
            let currency = document.inputs.rules.currency;
            let detail = format!("it comes to {}, not {}", total.text(currency), expected.text(currency));
            Err(no_at(Code::TotalChanged, "/expected_total", detail))
        }
        _ => Ok(document),
    }
}

/// The basket of a sale that hands over no reservations.
///
/// # Errors
/// Every "no" of its lines and discounts; or a fault.
pub(crate) fn fill_basket(
    node: &mut Node,
    now: Now,
    request: &SaleRequest,
    approved: Option<&Approved>,
) -> Answer<Basket> {
    let (basket, asked) = fill(node, now, request, approved)?;
    match asked.first() {
        None => Ok(basket),
        Some((line, ..)) => {
            let detail = "a reservation is handed over by a sale of its own";
            Err(no_at(Code::UnknownField, format!("/lines/{line}/reservation"), detail))
        }
    }
}

/// What a basket comes to, once everything that its items ask for is there.
///
/// # Errors
/// Every "no" that comes before money.
pub(crate) fn ready_to_pay(node: &Node, now: Now, basket: &Basket) -> Answer<(SaleInputs, Due)> {
    if basket.lines.is_empty() {
        return Err(no(Code::EmptyBasket, "there is nothing to sell"));
    }
    Ok(ready(basket, Node::counter(&node.rulebook, now))?)
}

/// The document of inputs that are settled but for their tenders.
///
/// # Errors
/// What is wrong with the tenders; `TOTAL_CHANGED`.
pub(crate) fn settled(
    inputs: SaleInputs,
    tenders: Vec<Tender>,
    expected: Option<Money>,
) -> Answer<SaleDocument> {
    let inputs = SaleInputs { tenders, ..inputs };
    let outcome = ring_up(&inputs)?;
    as_expected(SaleDocument { inputs, outcome }, expected)
}

/// A figure that can't be.
pub(crate) fn bad_money(overflow: &Overflow) -> super::Stop {
    no(Code::BadMoney, overflow.to_string())
}

fn fill(
    node: &mut Node,
    now: Now,
    request: &SaleRequest,
    approved: Option<&Approved>,
) -> Answer<(Basket, Asked)> {
    let who = Asker { till: request.till.name(), approved };
    let mut asked = Asked::new();
    let list = match (&request.price_list, &request.customer) {
        (Some(list), _) => list.clone(),
        (None, Some(customer)) => list_of(node, customer)?,
        (None, None) => String::new(),
    };
    let mut basket = Basket { customer: request.customer.map(|c| c.to_string()), list, ..Basket::default() };
    for (index, line) in request.lines.iter().enumerate() {
        let at = add_line(node, now, &mut basket, line, who).map_err(|stop| in_line(stop, index))?;
        asked.extend(line.reservation.map(|id| (index, at, id)));
    }
    for discount in &request.discounts {
        let discount = may_discount(node, &basket.order_discounts, discount, who)?;
        basket.discount_order(discount)?;
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
pub(crate) fn add_line(
    node: &mut Node,
    now: Now,
    basket: &mut Basket,
    line: &SaleLine,
    who: Asker<'_>,
) -> Answer<usize> {
    if let Wish::Voucher { kind, code, amount } = &line.wish {
        return add_voucher(node, basket, voucher::line(kind, code, *amount, UtcMs(now.trading)));
    }
    let (item, wanted) = wish(node, &line.wish, line.quantity)?;
    let rulebook = Arc::clone(&node.rulebook);
    let shop = Shop { settings: &rulebook.settings, prices: &item.book, now: UtcMs(now.trading) };
    let product = &item.item.product;
    let at = match &line.price {
        None => basket.add(product, wanted, shop)?,
        Some((price, reason)) => {
            let by = may_price(node, who)?;
            add_at_price(basket, &item, wanted, shop, (*price, by, reason))?
        }
    };
    for discount in &line.discounts {
        let discount = may_discount(node, &basket.lines[at].input.discounts, discount, who)?;
        basket.discount_line(at, discount)?;
    }
    if !line.serials.is_empty() {
        basket.note_serials(at, line.serials.clone())?;
    }
    if let Some(check) = &line.age_check {
        basket.note_age_check(at, check.clone())?;
    }
    Ok(at)
}

/// Who asks for something that somebody may have to allow.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    /// The till.
    pub(crate) till: &'a str,
    /// Who has proved themselves for it.
    pub(crate) approved: Option<&'a Approved>,
}

/// A discount with whoever allowed it; `given` stand on the same line or order. A coupon needs nobody, nor does what anybody
/// may take off.
///
/// # Errors
/// `APPROVAL_REQUIRED`; or a fault.
pub(crate) fn may_discount(
    node: &mut Node,
    given: &[Discount],
    discount: &Discount,
    who: Asker<'_>,
) -> Answer<Discount> {
    let mut discount = discount.clone();
    if discount.coupon.is_none()
        && !discount_limit::is_free(node.conn(), given, &discount)?
        && let Some(by) = staff::allow(node, Some(who.till), Act::Discount, who.approved)?
    {
        discount.approver = Some(by);
    }
    Ok(discount)
}

/// Who allows a price by hand; none in a store that asks nobody.
///
/// # Errors
/// `APPROVAL_REQUIRED`; or a fault.
pub(crate) fn may_price(node: &mut Node, who: Asker<'_>) -> Answer<Option<StaffId>> {
    staff::allow(node, Some(who.till), Act::PriceOverride, who.approved)
}

/// A voucher is a line of its own kind: it needs no item, and nothing is taken off it.
fn add_voucher(node: &Node, basket: &mut Basket, line: BasketLine) -> Answer<usize> {
    let most = usize::from(node.rulebook.settings.max_lines);
    if basket.lines.len() >= most {
        return Err(no(Code::TooManyLines, format!("a basket has at most {most} lines")));
    }
    if line.input.unit_price.0 <= 0 {
        return Err(no_at(Code::BadMoney, "/voucher/amount", "an amount above zero"));
    }
    basket.lines.push(line);
    Ok(basket.lines.len() - 1)
}

/// A price by hand also sells what has no price on any list.
fn add_at_price(
    basket: &mut Basket,
    item: &ShelfItem,
    wanted: Wanted,
    shop: Shop<'_>,
    (price, by, reason): (Money, Option<StaffId>, &str),
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
    basket.set_price(at, price, by, reason)?;
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
        Wish::Voucher { .. } => Err(no(Code::UnknownSku, "a voucher is no item")),
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
    /// Its goods were promised when its first tender was taken.
    pub(crate) sealed: bool,
    /// Who has proved themselves for it.
    pub(crate) approved: Option<&'a Approved>,
    /// Ties it to the refund of an exchange.
    pub(crate) exchange: Option<Id>,
}

/// Books a paid document: rights, number, event, index. The last refusal (strict stock) comes before any write.
pub(crate) fn book(node: &mut Node, now: Now, sold: Sold<'_>) -> Answer<Booked> {
    let handed_over = sold.handed_over;
    let day = at_counter(node, now, sold.till.name())?;
    let claim =
        Claim { handed_over: &handed_over, sealed: sold.sealed, cart: sold.cart, approved: sold.approved };
    let Taking { moved, covers, beyond } = take_goods(node, &sold.document.inputs, &claim)?;
    let mut document = sold.document;
    voucher::draw_coupons(node, &mut document.inputs.order_discounts)?;
    covers.into_iter().try_for_each(|cover| node.write(now, None, None, cover).map(|_| ()))?;
    let receipt = node.next_number(sold.till.name())?;
    let (seq, hlc) = node.head.next(now.wall);
    let id = sold.id.unwrap_or_else(|| derived_id(hlc.ms(), &node.head.incarnation, seq));
    let body = Body::from(SaleCommitted {
        sale_id: id,
        client_made: sold.id.is_some(),
        cart: sold.cart,
        receipt: receipt.clone(),
        business_day: day,
        customer: sold.customer,
        document,
        moved,
        exchange: sold.exchange,
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
    note_beyond(node, now, sold.till.name(), id, &beyond)?;
    if let Body::SaleCommitted(sale) = &written.body {
        tender::wait_for(node, now, sold.till.name(), id, &sale.document)?;
    }
    reservation::close_sold(node, now, &handed_over)?;
    Ok(Booked::fresh(written))
}

/// How a sale takes its goods.
struct Taking {
    /// What each line moves.
    moved: Vec<Moved>,
    /// What is written before it: overdraw that is covered before anything strict is promised.
    covers: Vec<Body>,
    /// What somebody allowed beyond the rights, and who.
    beyond: Vec<(StaffId, String)>,
}

/// What a sale has a claim to already.
struct Claim<'a> {
    /// Reservations that it hands over.
    handed_over: &'a HandedOver,
    /// Everything, since its first tender.
    sealed: bool,
    /// The cart it comes from.
    cart: Option<Id>,
    /// Who has proved themselves for it.
    approved: Option<&'a Approved>,
}

/// Whether everything that is promised in a cart may be, as its first tender is taken: no refusal may come behind money.
/// What is allowed beyond the rights is written down here.
///
/// # Errors
/// `STRICT_STOCK_SHORT` at its line, `APPROVAL_REQUIRED`; or a fault.
pub(crate) fn may_promise(
    node: &mut Node,
    now: Now,
    inputs: &SaleInputs,
    cart: &Id,
    who: Asker<'_>,
) -> Answer<()> {
    let handed_over = HandedOver::default();
    let claim = Claim { handed_over: &handed_over, sealed: false, cart: Some(*cart), approved: who.approved };
    let taking = take_goods(node, inputs, &claim)?;
    note_beyond(node, now, who.till, *cart, &taking.beyond)?;
    node.is_tendered(*cart);
    Ok(())
}

/// Writes down what was allowed beyond the rights: for which sale or cart, by whom, and how much of what.
fn note_beyond(node: &mut Node, now: Now, till: &str, of: Id, beyond: &[(StaffId, String)]) -> Answer<()> {
    for (by, reason) in beyond {
        let used = Used { act: Act::SellBeyond, object: Some(of), by: by.clone(), reason };
        staff::note(node, now, Some(till), &used)?;
    }
    Ok(())
}

/// Whether an item is promised before it is handed over: an override is strict but for the PIN.
fn is_promised(policy: StockPolicy) -> bool {
    matches!(policy, StockPolicy::Strict | StockPolicy::Override)
}

/// From which rights each line is taken, and what goes beyond them (`model.md` §2).
fn take_goods(node: &mut Node, inputs: &SaleInputs, claim: &Claim<'_>) -> Answer<Taking> {
    let (mut covers, mut beyond) = (Vec::new(), Vec::new());
    let mut seen: HashMap<i64, Stock> = HashMap::new();
    let mut held: Option<BTreeMap<Sku, u64>> = None;
    let mut moved = Vec::with_capacity(inputs.lines.len());
    for (index, line) in inputs.lines.iter().enumerate() {
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
        if is_promised(item.item.product.policy) && !seen.contains_key(&sku_no) {
            covers.extend(lend::cover_first(node, &line.sku, sku_no, &mut row)?);
        }
        let lock = node.lock_for(claim.cart.as_ref());
        let mut standing = Standing { locked: lock.is_err(), ..node.standing(&row) };
        // What was promised before is handed over whatever the policy; closing the promise covers it.
        let promised = claim.sealed || claim.handed_over.covers(index);
        let policy = if promised { StockPolicy::InHand } else { item.item.product.policy };
        if is_promised(policy) {
            if policy == StockPolicy::Strict {
                lock.map_err(|locked| lease::expired(locked, index))?;
            }
            let held = match &mut held {
                Some(held) => held,
                none => none.insert(carts::held(node.conn(), claim.cart.as_ref())?),
            };
            standing.held = held.get(&line.sku).copied().unwrap_or(0);
        }
        let approver = match policy == StockPolicy::Override && standing.free() < asked {
            true => Some(allowed_beyond(node, &item.item.product.name, claim.approved)?),
            false => None,
        };
        let taken = rights::take(&standing, policy, asked, approver.as_ref().is_some_and(Option::is_some))
            .map_err(|short| strict_short(&line.sku, index, short))?;
        beyond.extend(approver.flatten().map(|by| (by, beyond_what(&line.sku, taken))));
        row.used += taken.rights;
        row.overdrawn += taken.overdraw;
        seen.insert(sku_no, row);
        moved.push(Moved { m: 0, c: taken.rights, o: taken.overdraw });
    }
    Ok(Taking { moved, covers, beyond })
}

/// Who allows an item to be sold beyond the rights. It takes a PIN also from whoever is signed on, who would otherwise
/// sell what isn't there without being told. Nobody, where the store has no staff: then it is refused like a strict one.
fn allowed_beyond(node: &mut Node, name: &str, approved: Option<&Approved>) -> Answer<Option<StaffId>> {
    staff::allow(node, None, Act::SellBeyond, approved).map_err(|stop| match stop {
        super::Stop::No(mut problem) if problem.code == Code::ApprovalRequired => {
            problem.detail = format!("{name}: no more of it may be promised here; {}", problem.detail);
            super::Stop::No(problem)
        }
        other => other,
    })
}

fn beyond_what(sku: &Sku, taken: rights::Taken) -> String {
    format!("{}: {} of {} beyond the rights", sku.0, taken.overdraw, taken.rights + taken.overdraw)
}

fn strict_short(sku: &Sku, line: usize, short: rights::StrictShort) -> super::Stop {
    let detail = format!("{}: {} asked, {} may be promised here", sku.0, short.asked, short.free);
    no_at(Code::StrictStockShort, format!("/lines/{line}/quantity_milli"), detail)
}
