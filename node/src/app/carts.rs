//! Carts: what a till collects, kept on the disk with every scan (`facts.md` §4, Cart).
//!
//! A cart is a custody object, not an event: only its checkout is a fact. What is kept here is the cart as it is shown;
//! `shared_cart` merges what the store's tills do to it.

use super::clock::Now;
use super::lookup;
use super::node::Node;
use super::problem::{Answer, Code, Stop, no, no_at};
use super::request::{SaleLine, Till};
use super::sell::{Asker, add_line, list_of, may_discount, may_price};
use super::shared_cart;
use super::staff::Approved;
use crate::db::stock::Stock;
use crate::db::{Fault, carts};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tradepost_commerce::basket::Basket;
use tradepost_commerce::document::{AgeCheck, Discount, Exemption, LineKind, SaleInputs, Sku};
use tradepost_commerce::money::Money;
use tradepost_commerce::price_book::{PriceBook, PriceEntry};
use tradepost_commerce::quantity::Quantity;
use tradepost_sync::ids::{Id, Incarnation, derived_id};
use tradepost_sync::rights::Standing;

/// Where a cart stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CartState {
    /// Being filled.
    Open = 1,
    /// Sealed by its first tender.
    Tendering = 2,
    /// Put aside.
    Parked = 3,
    /// A sale now.
    Paid = 4,
    /// Given up.
    Voided = 5,
}

/// A cart as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cart {
    /// Its id.
    pub id: Id,
    /// The till that opened it.
    pub till: String,
    /// Where it stands.
    pub state: CartState,
    /// Grows with every change.
    pub version: u64,
    /// The customer.
    pub customer: Option<Id>,
    /// What was collected.
    pub basket: Basket,
    /// Names of the lines, beside the basket's: stable while lines come and go.
    pub names: Vec<String>,
    /// How many lines it ever had.
    pub lines_made: u32,
    /// The sale it became.
    pub sale: Option<Id>,
    /// When it was opened.
    pub opened: i64,
    /// What its first tender froze (`facts.md` §4, Cart).
    #[serde(default)]
    pub sealed: Option<Box<SaleInputs>>,
    /// It is one of training: kept here alone, and nothing is promised for it.
    #[serde(default)]
    pub training: bool,
    /// The run of the program that opened it here: only its lines are numbered without saying whose they are.
    #[serde(default)]
    pub life: Option<Incarnation>,
}

impl Cart {
    /// Reads a cart.
    ///
    /// # Errors
    /// `NOT_FOUND`, or a fault.
    pub fn load(conn: &Connection, id: &Id) -> Answer<Self> {
        let body = carts::load(conn, id)?.ok_or_else(|| no(Code::NotFound, format!("no cart {id}")))?;
        Self::parse(&body)
    }

    pub(crate) fn parse(body: &str) -> Answer<Self> {
        serde_json::from_str(body).map_err(|e| Stop::Fault(Fault::Fatal(format!("a stored cart: {e}"))))
    }

    /// Where a line stands in the basket.
    ///
    /// # Errors
    /// `NO_SUCH_LINE`.
    pub fn line(&self, name: &str) -> Answer<usize> {
        self.names
            .iter()
            .position(|n| n == name)
            .ok_or_else(|| no(Code::NoSuchLine, format!("the cart has no line {name}")))
    }

    pub(crate) fn must_be(&self, states: &[CartState]) -> Answer<()> {
        if states.contains(&self.state) {
            return Ok(());
        }
        let state = match self.state {
            CartState::Open => "open",
            CartState::Tendering => "being paid",
            CartState::Parked => "parked",
            CartState::Paid => "paid",
            CartState::Voided => "voided",
        };
        Err(no(Code::CartClosed, format!("the cart is {state}")))
    }

    /// A cart of which nothing is known yet but who opened it.
    pub(crate) fn blank(id: Id, till: String, opened: i64) -> Self {
        Self {
            id,
            till,
            state: CartState::Open,
            version: 0,
            customer: None,
            basket: Basket::default(),
            names: Vec::new(),
            lines_made: 0,
            sale: None,
            opened,
            sealed: None,
            training: false,
            life: None,
        }
    }

    /// Keeps what was done to it, and tells the store's other nodes.
    ///
    /// # Errors
    /// `NOT_OWNER` where only its custodian may do that; then nothing was stored. Or a fault.
    pub(crate) fn save(&mut self, node: &mut Node, now: Now) -> Answer<()> {
        if !self.training {
            shared_cart::follow(node, now, self)?;
        }
        self.keep(node, now.wall)
    }

    /// Keeps it as it is shown.
    ///
    /// # Errors
    /// A fault.
    pub(crate) fn keep(&mut self, node: &mut Node, wall: i64) -> Answer<()> {
        self.version += 1;
        let body = serde_json::to_string(self).map_err(|e| Stop::Fault(Fault::Fatal(e.to_string())))?;
        node.touch();
        Ok(carts::store(node.conn(), &self.id, self.state as i64, wall, &body)?)
    }
}

/// Carts in a state, the one that changed last first.
///
/// # Errors
/// A fault.
pub fn in_state(conn: &Connection, state: CartState, limit: usize) -> Answer<Vec<Cart>> {
    carts::in_state(conn, state as i64, limit)?.iter().map(|body| Cart::parse(body)).collect()
}

/// Base units that carts hold while they are being paid, but for one of them: what their tenders were taken for is not
/// promised to anybody else (`model.md` §5).
///
/// # Errors
/// A fault.
pub(crate) fn held(conn: &Connection, but: Option<&Id>) -> Answer<BTreeMap<Sku, u64>> {
    let mut held: BTreeMap<Sku, u64> = BTreeMap::new();
    let sealed = in_state(conn, CartState::Tendering, usize::MAX)?;
    // Another till's cart is sealed there, and holds rights there.
    for cart in sealed.iter().filter(|cart| cart.sealed.is_some() && !cart.training && Some(&cart.id) != but)
    {
        let lines = cart.basket.lines.iter().map(|line| &line.input);
        for line in lines.filter(|line| line.kind == LineKind::Goods) {
            let units = line.unit.to_base(line.quantity).ok().and_then(|units| u64::try_from(units.0).ok());
            let sum = held.entry(line.sku.clone()).or_default();
            *sum = sum.saturating_add(units.unwrap_or(0));
        }
    }
    Ok(held)
}

/// What may be promised of an item beside what carts hold that are being paid: burns and grants take free rights only
/// (`model.md` §5).
///
/// # Errors
/// A fault.
pub(crate) fn standing(node: &Node, sku: &Sku, row: &Stock) -> Answer<Standing> {
    let held = held(node.conn(), None)?.get(sku).copied().unwrap_or(0);
    Ok(Standing { held, ..node.standing(row) })
}

/// What a new cart is told.
pub struct NewCart {
    /// The client's id, if it made one.
    pub id: Option<Id>,
    /// The till.
    pub till: Till,
    /// The customer.
    pub customer: Option<Id>,
    /// A price list.
    pub price_list: Option<String>,
}

/// Opens a cart. The same id again answers the cart as it is.
///
/// # Errors
/// A fault.
pub fn open(node: &mut Node, now: Now, new: NewCart) -> Answer<Cart> {
    let id = new.id.unwrap_or_else(|| fresh_id(node, now));
    if let Some(body) = carts::load(node.conn(), &id)? {
        return Cart::parse(&body);
    }
    let list = match (&new.price_list, &new.customer) {
        (Some(list), _) => list.clone(),
        (None, Some(customer)) => list_of(node, customer)?,
        (None, None) => String::new(),
    };
    let basket = Basket { customer: new.customer.map(|c| c.to_string()), list, ..Basket::default() };
    let till = new.till.name().to_owned();
    let training = node.desk(&till)?.practises;
    let life = Some(node.life());
    let mut cart = Cart { customer: new.customer, basket, training, life, ..Cart::blank(id, till, now.wall) };
    cart.save(node, now)?;
    Ok(cart)
}

fn fresh_id(node: &mut Node, now: Now) -> Id {
    let random = super::start::random_id((node.luck)());
    derived_id(u64::try_from(now.wall).unwrap_or(0), &random, 0)
}

/// Scans or names an item into a cart.
///
/// # Errors
/// Every "no" of a scan, `CART_CLOSED`; then nothing was stored. Or a fault.
pub fn add(node: &mut Node, now: Now, id: &Id, line: &SaleLine, approved: Option<&Approved>) -> Answer<Cart> {
    if line.reservation.is_some() {
        let detail = "a reservation is handed over by a sale in one call";
        return Err(no_at(Code::UnknownField, "/reservation", detail));
    }
    change(node, now, id, |node, cart| {
        let who = Asker { till: &cart.till, approved };
        add_line(node, now, &mut cart.basket, line, who).map_err(on_the_only_line)?;
        cart.lines_made += 1;
        cart.names.push(shared_cart::line_name(node, cart));
        Ok(())
    })
}

/// A request of one line has no `/lines/3` to point into.
fn on_the_only_line(stop: Stop) -> Stop {
    let Stop::No(mut problem) = stop else { return stop };
    for error in &mut problem.errors {
        if let Some(rest) = error.pointer.strip_prefix("/lines/") {
            error.pointer = rest.find('/').map_or(String::new(), |at| rest[at..].to_owned());
        }
    }
    Stop::No(problem)
}

/// Changes how much of a line is bought.
///
/// # Errors
/// `NO_SUCH_LINE`, `BAD_QUANTITY`, `CART_CLOSED`; or a fault.
pub fn set_quantity(node: &mut Node, now: Now, id: &Id, line: &str, quantity: Quantity) -> Answer<Cart> {
    change(node, now, id, |node, cart| {
        let at = cart.line(line)?;
        let rulebook = std::sync::Arc::clone(&node.rulebook);
        cart.basket.set_quantity(at, quantity, &rulebook.settings).map_err(|r| on_the_only_line(r.into()))
    })
}

/// Takes a line out.
///
/// # Errors
/// `NO_SUCH_LINE`, `CART_CLOSED`; or a fault.
pub fn remove(node: &mut Node, now: Now, id: &Id, line: &str) -> Answer<Cart> {
    change(node, now, id, |_, cart| {
        let at = cart.line(line)?;
        cart.basket.remove(at)?;
        cart.names.remove(at);
        Ok(())
    })
}

/// Gives a discount on a line, or on the order where no line is named.
///
/// # Errors
/// `BAD_DISCOUNT`, `NO_SUCH_LINE`, `CART_CLOSED`; or a fault.
pub fn discount(
    node: &mut Node,
    now: Now,
    id: &Id,
    line: Option<&str>,
    discount: &Discount,
    approved: Option<&Approved>,
) -> Answer<Cart> {
    change(node, now, id, |node, cart| {
        let given = match line {
            Some(line) => &cart.basket.lines[cart.line(line)?].input.discounts,
            None => &cart.basket.order_discounts,
        };
        let discount = may_discount(node, given, discount, Asker { till: &cart.till, approved })?;
        match line {
            Some(line) => {
                let at = cart.line(line)?;
                cart.basket.discount_line(at, discount).map_err(as_value)?;
            }
            None => cart.basket.discount_order(discount).map_err(as_value)?,
        }
        Ok(())
    })
}

/// The one thing such a request can have wrong.
fn as_value(refusal: tradepost_commerce::Refusal) -> Stop {
    let detail = refusal.to_string();
    no_at(Code::BadDiscount, "/value", detail)
}

/// Takes the discounts of a line, or of the order, back.
///
/// # Errors
/// `NO_SUCH_LINE`, `CART_CLOSED`; or a fault.
pub fn clear_discounts(node: &mut Node, now: Now, id: &Id, line: Option<&str>) -> Answer<Cart> {
    change(node, now, id, |_, cart| {
        match line {
            Some(line) => {
                let at = cart.line(line)?;
                cart.basket.lines[at].input.discounts.clear();
            }
            None => cart.basket.order_discounts.clear(),
        }
        Ok(())
    })
}

/// Gives a line a price by hand.
///
/// # Errors
/// `APPROVAL_REQUIRED`, `BAD_MONEY`, `NO_SUCH_LINE`, `CART_CLOSED`; or a fault.
pub fn set_price(
    node: &mut Node,
    now: Now,
    id: &Id,
    line: &str,
    (price, reason): (Money, &str),
    approved: Option<&Approved>,
) -> Answer<Cart> {
    change(node, now, id, |node, cart| {
        let at = cart.line(line)?;
        if matches!(cart.basket.lines[at].input.kind, LineKind::Liability { .. }) {
            return Err(no_at(Code::BadMoney, "/unit_price", "a voucher is sold at its value"));
        }
        let by = may_price(node, Asker { till: &cart.till, approved })?;
        cart.basket
            .set_price(at, price, by, reason)
            .map_err(|refusal| no_at(Code::BadMoney, "/unit_price", refusal.to_string()))
    })
}

/// What checkout will ask of a line: serial numbers and the check of an age.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    /// Serial numbers; none leaves them.
    pub serials: Option<Vec<String>>,
    /// The age check; none leaves it.
    pub age_check: Option<AgeCheck>,
}

/// Notes serial numbers and the check of an age on a line.
///
/// # Errors
/// `NO_SUCH_LINE`, `CART_CLOSED`; or a fault.
pub fn check(node: &mut Node, now: Now, id: &Id, line: &str, checks: Checks) -> Answer<Cart> {
    change(node, now, id, |_, cart| {
        let at = cart.line(line)?;
        if let Some(serials) = checks.serials {
            cart.basket.note_serials(at, serials)?;
        }
        if let Some(check) = checks.age_check {
            cart.basket.note_age_check(at, check)?;
        }
        Ok(())
    })
}

/// Attaches a customer, or takes one off: the lines are priced again, each as of its own scan (`money.md`, golden day).
///
/// # Errors
/// `CART_CLOSED`; or a fault.
pub fn attach(
    node: &mut Node,
    now: Now,
    id: &Id,
    customer: Option<Id>,
    list: Option<String>,
) -> Answer<Cart> {
    change(node, now, id, |node, cart| {
        let list = match (list, &customer) {
            (Some(list), _) => list,
            (None, Some(customer)) => list_of(node, customer)?,
            (None, None) => String::new(),
        };
        let mut entries = Vec::new();
        let version = node.rulebook.catalog;
        for line in cart.basket.lines.iter().filter(|line| line.input.kind == LineKind::Goods) {
            let item = node.item(&line.input.sku)?;
            let known = |list: &str| item.book.price_at(list, &line.input.sku, line.scanned_at).cloned();
            // The item's own book knows more entries than these, but these are the ones that its scan sees.
            entries.extend(known(&list).map(|entry| PriceEntry { valid_from: line.scanned_at, ..entry }));
        }
        let book = PriceBook::new(version, entries);
        match customer {
            Some(customer) => cart.basket.attach_customer(&customer.to_string(), &list, &book),
            None => {
                cart.basket.attach_customer("", &list, &book);
                cart.basket.customer = None;
            }
        }
        cart.customer = customer;
        Ok(())
    })
}

/// Sets why the sale bears no tax; none takes it back.
///
/// # Errors
/// `CART_CLOSED`; or a fault.
pub fn exempt(node: &mut Node, now: Now, id: &Id, exemption: Option<Exemption>) -> Answer<Cart> {
    change(node, now, id, |_, cart| {
        cart.basket.exemption = exemption;
        Ok(())
    })
}

/// Puts a cart aside, takes it up again, or gives it up.
///
/// # Errors
/// `CART_CLOSED`; or a fault.
pub fn set_state(node: &mut Node, now: Now, id: &Id, state: CartState) -> Answer<Cart> {
    let mut cart = Cart::load(node.conn(), id)?;
    if cart.state == state {
        return Ok(cart);
    }
    match state {
        CartState::Parked => cart.must_be(&[CartState::Open])?,
        CartState::Open => cart.must_be(&[CartState::Parked])?,
        _ => cart.must_be(&[CartState::Open, CartState::Parked])?,
    }
    cart.state = state;
    cart.save(node, now)?;
    Ok(cart)
}

fn change(
    node: &mut Node,
    now: Now,
    id: &Id,
    step: impl FnOnce(&mut Node, &mut Cart) -> Answer<()>,
) -> Answer<Cart> {
    let mut cart = Cart::load(node.conn(), id)?;
    cart.must_be(&[CartState::Open])?;
    step(node, &mut cart)?;
    cart.save(node, now)?;
    Ok(cart)
}

/// What a code means here, for a till that shows it before it is added.
///
/// # Errors
/// As [`lookup::scan`].
pub fn look(conn: &Connection, rulebook: &super::node::Rulebook, code: &str) -> Answer<lookup::Found> {
    lookup::scan(conn, &rulebook.settings, code)
}
