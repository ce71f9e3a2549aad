//! Carts: filled step by step, each step durable, checked out once.

use super::answer::{Page, Reply, created, ok};
use super::body::Json;
use super::cart_custody;
use super::parse::{self, DiscountBody, LineBody, TenderBody};
use super::sales::{ExemptionOut, Sale, TaxGroupBody, as_answered, groups};
use super::staff::ApprovalBody;
use super::state::Shared;
use crate::app::acquire;
use crate::app::carts::{self, Cart, CartState, NewCart};
use crate::app::checkout::{self, CheckoutRequest};
use crate::app::clock::Now;
use crate::app::node::{Node, Rulebook};
use crate::app::problem::{Answer, Code, no};
use crate::app::request::Till;
use crate::app::shared_cart::{self, About};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tradepost_commerce::calc::Due;
use tradepost_commerce::checkout::quote;
use tradepost_commerce::document::{Discount, DiscountKind, LineOutcome, PriceSource, SaleInputs};
use tradepost_commerce::money::Money;
use tradepost_commerce::quantity::Quantity;
use tradepost_sync::ids::Id;
use utoipa::{IntoParams, ToSchema};

/// Carts of a list.
const CARTS_MAX: usize = 200;

/// A new cart.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CartBody {
    /// The till.
    pub till: String,
    /// The client's id, if it makes one.
    pub id: Option<String>,
    /// The customer's id.
    pub customer: Option<String>,
    /// A price list.
    pub price_list: Option<String>,
}

/// Another quantity.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuantityBody {
    /// Thousandths of the pricing unit.
    pub quantity_milli: i64,
}

/// Paying a cart.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckoutBody {
    /// What was paid.
    pub tenders: Vec<TenderBody>,
    /// The till that finishes it.
    pub till: Option<String>,
    /// What the caller thinks it comes to.
    pub expected_total: Option<i64>,
    /// Somebody's PIN, for goods that may be sold beyond what is promised here where it is allowed.
    pub approval: Option<ApprovalBody>,
}

/// A cart and what it comes to now.
#[derive(Debug, Serialize, ToSchema)]
pub struct CartOut {
    /// Its id.
    pub id: String,
    /// The till that opened it.
    pub till: String,
    /// `open`, `tendering`, `parked`, `paid` or `voided`.
    pub state: &'static str,
    /// The customer's id.
    pub customer: Option<String>,
    /// Grows with every change.
    pub version: u64,
    /// The lines, in the order they were scanned.
    pub lines: Vec<CartLine>,
    /// Discounts on the order.
    pub discounts: Vec<DiscountOut>,
    /// Why it is sold without tax, if it is.
    pub exemption: Option<ExemptionOut>,
    /// What it comes to.
    pub totals: CartTotals,
    /// ISO 4217.
    pub currency: String,
    /// Decimals of the minor unit.
    pub exponent: u8,
    /// The sale it became.
    pub sale_id: Option<String>,
    /// Who alone may take its money.
    pub owner: Option<CartOwner>,
    /// `cloned_both_paid`, `left_over`, `taken_over`: what a person is to look at.
    pub flags: Vec<&'static str>,
    /// The cart it was cloned from.
    pub cloned_from: Option<String>,
    /// The cart that was being paid when these lines were scanned into it.
    pub left_over_of: Option<String>,
    /// It is one of training.
    pub training: bool,
}

/// A cart's custodian.
#[derive(Debug, Serialize, ToSchema)]
pub struct CartOwner {
    /// The node's name in the roster.
    pub name: String,
    /// Its incarnation.
    pub incarnation: String,
    /// It is this node.
    pub here: bool,
}

/// A line of a cart.
#[derive(Debug, Serialize, ToSchema)]
pub struct CartLine {
    /// Its name.
    pub line: String,
    /// The item's code.
    pub sku: String,
    /// The item's name.
    pub name: String,
    /// Thousandths of the pricing unit.
    pub quantity_milli: i64,
    /// Price of one pricing unit.
    pub unit_price: i64,
    /// Price × quantity.
    pub base: i64,
    /// Line discounts.
    pub discount: i64,
    /// Promotions.
    pub promotion: i64,
    /// Share of the order's discounts.
    pub order_share: i64,
    /// What is left.
    pub amount: i64,
    /// The tax rate.
    pub tax_ppm: u32,
    /// Weighed or measured at the sale.
    pub weighed: bool,
    /// Years the customer must have.
    pub min_age: Option<u8>,
    /// Discounts on the line, as they were given.
    pub discounts: Vec<DiscountOut>,
    /// Why the price is another one than the list's.
    pub note: Option<String>,
    /// Every piece is sold with its serial number.
    pub serialised: bool,
    /// Serial numbers so far.
    pub serials: Vec<String>,
    /// Two tills changed it at once; what was changed last is shown. Any further change settles it.
    pub changed_on_both: bool,
}

/// A discount that was given.
#[derive(Debug, Serialize, ToSchema)]
pub struct DiscountOut {
    /// `percent` or `fixed`.
    pub kind: &'static str,
    /// Parts per million, or minor units.
    pub value: i64,
    /// Reason code.
    pub reason: String,
    /// Who allowed it.
    pub approver: Option<String>,
    /// The coupon.
    pub coupon: Option<String>,
}

/// What a cart comes to.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct CartTotals {
    /// Before anything came off.
    pub gross_before_discounts: i64,
    /// All that came off.
    pub discounts: i64,
    /// Without tax.
    pub net: i64,
    /// The tax.
    pub tax: i64,
    /// Net and tax.
    pub total: i64,
    /// If all of it is paid in cash.
    pub cash_due: i64,
    /// By tax rate.
    pub tax_groups: Vec<TaxGroupBody>,
}

/// Which carts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CartsQuery {
    /// `open` or `parked`.
    pub state: Option<String>,
}

/// Opens a cart; a repeat with the same id answers the cart as it is.
#[utoipa::path(post, path = "/v1/carts", operation_id = "openCart", tag = "carts", request_body = CartBody,
    responses((status = 201, description = "The cart", body = CartOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn open_cart(State(shared): State<Shared>, Json(body): Json<CartBody>) -> Reply {
    let new = NewCart {
        id: body.id.as_deref().map(|id| parse::id(id, "/id")).transpose()?,
        till: Till::parse(&body.till)?,
        customer: body.customer.as_deref().map(|c| parse::id(c, "/customer")).transpose()?,
        price_list: body.price_list.as_deref().map(|l| parse::short(l, "/price_list")).transpose()?,
    };
    let cart = change(&shared, move |node, now| carts::open(node, now, new)).await?;
    Ok(created(&cart))
}

/// Lists carts, the one that changed last first.
#[utoipa::path(get, path = "/v1/carts", operation_id = "listCarts", tag = "carts", params(CartsQuery),
    responses((status = 200, description = "Carts", body = Page<CartOut>)))]
pub async fn list_carts(State(shared): State<Shared>, Query(query): Query<CartsQuery>) -> Reply {
    let state = match query.state.as_deref() {
        None | Some("open") => CartState::Open,
        Some("parked") => CartState::Parked,
        Some(other) => return Err(no(Code::BadQuery, format!("{other:?} is no state: open, parked")).into()),
    };
    let found = shared.read(|conn| {
        let found = carts::in_state(conn, state, CARTS_MAX)?.into_iter();
        found.map(|cart| Ok((shared_cart::about(conn, &cart.id)?, cart))).collect::<Answer<Vec<_>>>()
    })?;
    let rules = shared.rules()?;
    let now = now(&shared);
    let data = found.iter().map(|(about, cart)| show(cart, about, &rules, now)).collect();
    Ok(ok(&Page { data, next_cursor: None, has_more: false }))
}

/// Reads a cart.
#[utoipa::path(get, path = "/v1/carts/{id}", operation_id = "getCart", tag = "carts", params(("id" = String, Path, description = "UUID")),
    responses((status = 200, description = "The cart", body = CartOut), (status = 404, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn get_cart(State(shared): State<Shared>, Path(id): Path<String>) -> Reply {
    let id = parse::id(&id, "/id")?;
    let (cart, about) = shared.read(|conn| Ok((Cart::load(conn, &id)?, shared_cart::about(conn, &id)?)))?;
    let rules = shared.rules()?;
    Ok(ok(&show(&cart, &about, &rules, now(&shared))))
}

/// Scans or names an item into a cart.
#[utoipa::path(post, path = "/v1/carts/{id}/lines", operation_id = "addCartLine", tag = "carts", params(("id" = String, Path, description = "UUID")), request_body = LineBody,
    responses((status = 200, description = "The cart", body = CartOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn add_line(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<LineBody>,
) -> Reply {
    let id = parse::id(&id, "/id")?;
    let line = body.parse("")?;
    let approved = shared.approved(body.approval.as_ref()).await?;
    let cart = change(&shared, move |node, now| carts::add(node, now, &id, &line, approved.as_ref())).await?;
    if shared.peers.any() {
        // Nobody at the till waits for it: the rights are there when the cart is paid.
        tokio::spawn(async move { shared.cover(|conn| acquire::of_cart(conn, &id)).await });
    }
    answer(Ok(cart))
}

/// Changes how much of a line is bought.
#[utoipa::path(patch, path = "/v1/carts/{id}/lines/{line}", operation_id = "setCartLine", tag = "carts", params(("id" = String, Path, description = "UUID"), ("line" = String, Path, description = "The line's name")), request_body = QuantityBody,
    responses((status = 200, description = "The cart", body = CartOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn set_line(
    State(shared): State<Shared>,
    Path((id, line)): Path<(String, String)>,
    Json(body): Json<QuantityBody>,
) -> Reply {
    let id = parse::id(&id, "/id")?;
    let quantity = Quantity(body.quantity_milli);
    answer(change(&shared, move |node, now| carts::set_quantity(node, now, &id, &line, quantity)).await)
}

/// Takes a line out.
#[utoipa::path(delete, path = "/v1/carts/{id}/lines/{line}", operation_id = "removeCartLine", tag = "carts", params(("id" = String, Path, description = "UUID"), ("line" = String, Path, description = "The line's name")),
    responses((status = 200, description = "The cart", body = CartOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn remove_line(State(shared): State<Shared>, Path((id, line)): Path<(String, String)>) -> Reply {
    let id = parse::id(&id, "/id")?;
    answer(change(&shared, move |node, now| carts::remove(node, now, &id, &line)).await)
}

/// Gives a discount on a line.
#[utoipa::path(post, path = "/v1/carts/{id}/lines/{line}/discounts", operation_id = "discountCartLine", tag = "carts", params(("id" = String, Path, description = "UUID"), ("line" = String, Path, description = "The line's name")), request_body = DiscountBody,
    responses((status = 200, description = "The cart", body = CartOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn discount_line(
    State(shared): State<Shared>,
    Path((id, line)): Path<(String, String)>,
    Json(body): Json<DiscountBody>,
) -> Reply {
    let id = parse::id(&id, "/id")?;
    let discount = body.parse("")?;
    let approved = shared.approved(body.approval.as_ref()).await?;
    let step = move |node: &mut Node, now| {
        carts::discount(node, now, &id, Some(&line), &discount, approved.as_ref())
    };
    answer(change(&shared, step).await)
}

/// Takes a line's discounts back.
#[utoipa::path(delete, path = "/v1/carts/{id}/lines/{line}/discounts", operation_id = "clearCartLineDiscounts", tag = "carts", params(("id" = String, Path, description = "UUID"), ("line" = String, Path, description = "The line's name")),
    responses((status = 200, description = "The cart", body = CartOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn clear_line_discounts(
    State(shared): State<Shared>,
    Path((id, line)): Path<(String, String)>,
) -> Reply {
    let id = parse::id(&id, "/id")?;
    answer(change(&shared, move |node, now| carts::clear_discounts(node, now, &id, Some(&line))).await)
}

/// Gives a discount on the whole order.
#[utoipa::path(post, path = "/v1/carts/{id}/discounts", operation_id = "discountCart", tag = "carts", params(("id" = String, Path, description = "UUID")), request_body = DiscountBody,
    responses((status = 200, description = "The cart", body = CartOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn discount_cart(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<DiscountBody>,
) -> Reply {
    let id = parse::id(&id, "/id")?;
    let discount = body.parse("")?;
    let approved = shared.approved(body.approval.as_ref()).await?;
    let step =
        move |node: &mut Node, now| carts::discount(node, now, &id, None, &discount, approved.as_ref());
    answer(change(&shared, step).await)
}

/// Takes the order's discounts back.
#[utoipa::path(delete, path = "/v1/carts/{id}/discounts", operation_id = "clearCartDiscounts", tag = "carts", params(("id" = String, Path, description = "UUID")),
    responses((status = 200, description = "The cart", body = CartOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn clear_cart_discounts(State(shared): State<Shared>, Path(id): Path<String>) -> Reply {
    let id = parse::id(&id, "/id")?;
    answer(change(&shared, move |node, now| carts::clear_discounts(node, now, &id, None)).await)
}

/// Puts a cart aside.
#[utoipa::path(post, path = "/v1/carts/{id}/park", operation_id = "parkCart", tag = "carts", params(("id" = String, Path, description = "UUID")),
    responses((status = 200, description = "The cart", body = CartOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn park(State(shared): State<Shared>, Path(id): Path<String>) -> Reply {
    set_state(&shared, &id, CartState::Parked).await
}

/// Takes a parked cart up again.
#[utoipa::path(post, path = "/v1/carts/{id}/resume", operation_id = "resumeCart", tag = "carts", params(("id" = String, Path, description = "UUID")),
    responses((status = 200, description = "The cart", body = CartOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn resume(State(shared): State<Shared>, Path(id): Path<String>) -> Reply {
    let taken_up = set_state(&shared, &id, CartState::Open).await?;
    // Nobody stands at it any more: whoever takes it up takes its money, if its custodian can be asked.
    let id = parse::id(&id, "/id")?;
    if cart_custody::ask(&shared, &id).await? {
        return Ok(ok(&cart_custody::read(&shared, &id)?));
    }
    Ok(taken_up)
}

/// Gives a cart up.
#[utoipa::path(post, path = "/v1/carts/{id}/void", operation_id = "voidCart", tag = "carts", params(("id" = String, Path, description = "UUID")),
    responses((status = 200, description = "The cart", body = CartOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn void(State(shared): State<Shared>, Path(id): Path<String>) -> Reply {
    set_state(&shared, &id, CartState::Voided).await
}

async fn set_state(shared: &Shared, id: &str, state: CartState) -> Reply {
    let id = parse::id(id, "/id")?;
    answer(change(shared, move |node, now| carts::set_state(node, now, &id, state)).await)
}

/// Makes a sale of a cart; a repeat answers the same sale.
#[utoipa::path(post, path = "/v1/carts/{id}/checkout", operation_id = "checkOutCart", tag = "carts", params(("id" = String, Path, description = "UUID")), request_body = CheckoutBody,
    responses((status = 201, description = "The sale", body = Sale), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn check_out(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<CheckoutBody>,
) -> Reply {
    let id: Id = parse::id(&id, "/id")?;
    let request = CheckoutRequest {
        tenders: parse::tenders(&body.tenders)?,
        till: body.till.as_deref().map(Till::parse).transpose()?,
        expected_total: body.expected_total.map(Money),
    };
    shared.cover(|conn| acquire::of_cart(conn, &id)).await;
    let approved = shared.approved(body.approval.as_ref()).await?;
    let work = move |node: &mut Node, now| checkout::check_out(node, now, &id, request, approved.as_ref());
    let booked = shared.writer.ask(work).await?;
    super::seen::count(&booked);
    shared.tell("cart.updated", format!("{{\"id\":\"{id}\",\"state\":\"paid\"}}"));
    Ok(created(&as_answered(booked)?))
}

pub(super) fn answer(cart: Answer<CartOut>) -> Reply {
    Ok::<Response, _>(ok(&cart?))
}

pub(super) async fn change(
    shared: &Shared,
    step: impl FnOnce(&mut Node, Now) -> Answer<Cart> + Send + 'static,
) -> Answer<CartOut> {
    let shown = shared
        .writer
        .ask(move |node, now| {
            let cart = step(node, now)?;
            let about = shared_cart::about(node.conn(), &cart.id)?;
            Ok(show(&cart, &about, node.rulebook(), now))
        })
        .await?;
    let (id, state, version) = (&shown.id, shown.state, shown.version);
    let till = serde_json::Value::from(shown.till.as_str());
    let data = format!("{{\"id\":\"{id}\",\"till\":{till},\"state\":\"{state}\",\"version\":{version}}}");
    shared.tell("cart.updated", data);
    Ok(shown)
}

/// Reading a cart, nothing is written: the wall does as the trading clock for what promotions are in force.
pub(super) fn now(shared: &Shared) -> Now {
    let wall = shared.machine.wall();
    Now { wall, boot: shared.machine.boot(), trading: wall, tau: None }
}

pub(super) fn show(cart: &Cart, about: &About, rules: &Rulebook, now: Now) -> CartOut {
    let priced = quote(&cart.basket, Node::counter(rules, now)).ok();
    let outcome = |index: usize| priced.as_ref().and_then(|(_, due)| due.lines.get(index));
    let lines = cart.basket.lines.iter().enumerate().map(|(index, line)| {
        let name = cart.names.get(index).cloned().unwrap_or_default();
        let changed_on_both = about.changed_on_both.contains(&name);
        CartLine { changed_on_both, ..show_line(name, line, outcome(index)) }
    });
    let currency = rules.settings.currency;
    CartOut {
        id: cart.id.to_string(),
        till: cart.till.clone(),
        state: state_name(cart.state),
        customer: cart.customer.map(|c| c.to_string()),
        version: cart.version,
        lines: lines.collect(),
        discounts: cart.basket.order_discounts.iter().map(show_discount).collect(),
        exemption: cart.basket.exemption.as_ref().map(|exemption| ExemptionOut {
            reason: exemption.reason.clone(),
            certificate: exemption.certificate.clone(),
        }),
        totals: priced.as_ref().map(totals).unwrap_or_default(),
        currency: currency.code().to_owned(),
        exponent: currency.exponent,
        sale_id: cart.sale.map(|s| s.to_string()),
        owner: about.owner.as_ref().map(|owner| CartOwner {
            name: owner.name.clone(),
            incarnation: owner.incarnation.to_string(),
            here: owner.here,
        }),
        flags: flags(about),
        cloned_from: about.cloned_from.map(|id| id.to_string()),
        left_over_of: about.left_over_of.map(|id| id.to_string()),
        training: cart.training,
    }
}

fn flags(about: &About) -> Vec<&'static str> {
    let all = [
        (about.cloned_both_paid, "cloned_both_paid"),
        (about.left_over_of.is_some(), "left_over"),
        (about.taken_over, "taken_over"),
    ];
    all.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect()
}

pub(super) fn state_name(state: CartState) -> &'static str {
    match state {
        CartState::Open => "open",
        CartState::Tendering => "tendering",
        CartState::Parked => "parked",
        CartState::Paid => "paid",
        CartState::Voided => "voided",
    }
}

fn show_line(
    name: String,
    line: &tradepost_commerce::basket::BasketLine,
    outcome: Option<&LineOutcome>,
) -> CartLine {
    let input = &line.input;
    let note = match &input.price_source {
        PriceSource::Manual { reason, .. } => Some(reason.clone()),
        PriceSource::List { .. } => None,
    };
    let taken = outcome.map(Taken::of).unwrap_or_default();
    CartLine {
        line: name,
        sku: input.sku.0.clone(),
        name: input.name.clone(),
        quantity_milli: input.quantity.0,
        unit_price: input.unit_price.0,
        base: outcome.map_or(0, |o| o.base.0),
        discount: taken.discount,
        promotion: taken.promotion,
        order_share: taken.order_share,
        amount: outcome.map_or(0, |o| o.amount.0),
        tax_ppm: input.tax.ppm,
        weighed: input.unit.base != tradepost_commerce::quantity::BaseUnit::Piece,
        min_age: line.min_age,
        discounts: input.discounts.iter().map(show_discount).collect(),
        note,
        serialised: line.serialised,
        serials: input.serials.clone(),
        changed_on_both: false,
    }
}

#[derive(Default)]
struct Taken {
    discount: i64,
    promotion: i64,
    order_share: i64,
}

impl Taken {
    fn of(outcome: &LineOutcome) -> Self {
        Self {
            discount: outcome.discounts.iter().map(|m| m.0).sum(),
            promotion: outcome.promotions.iter().map(|(_, m)| m.0).sum(),
            order_share: outcome.order_shares.iter().map(|m| m.0).sum(),
        }
    }
}

fn totals((_, due): &(SaleInputs, Due)) -> CartTotals {
    let taken = due.lines.iter().map(Taken::of).map(|t| t.discount + t.promotion + t.order_share).sum();
    CartTotals {
        gross_before_discounts: due.lines.iter().map(|l| l.base.0).sum(),
        discounts: taken,
        net: due.net.0,
        tax: due.tax.0,
        total: due.total.0,
        cash_due: due.cash_due.0,
        tax_groups: groups(&due.groups),
    }
}

fn show_discount(discount: &Discount) -> DiscountOut {
    let (kind, value) = match discount.kind {
        DiscountKind::Percent(ppm) => ("percent", i64::from(ppm)),
        DiscountKind::Fixed(amount) => ("fixed", amount.0),
    };
    DiscountOut {
        kind,
        value,
        reason: discount.reason.clone(),
        approver: discount.approver.as_ref().map(|s| s.0.clone()),
        coupon: discount.coupon.clone(),
    }
}
