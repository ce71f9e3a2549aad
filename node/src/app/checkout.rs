//! Checking a cart out: idempotent by the cart's id (`house.md`, A sale).

use super::books::{self, Booked};
use super::carts::{Cart, CartState};
use super::clock::Now;
use super::node::Node;
use super::problem::{Answer, Code, no};
use super::request::Till;
use super::reservation::HandedOver;
use super::sell::{Sold, book, pay, settled};
use super::shared_cart;
use super::staff::Approved;
use super::tender;
use super::training;
use std::sync::Arc;
use tradepost_commerce::document::Tender;
use tradepost_commerce::money::Money;
use tradepost_sync::body::Body;
use tradepost_sync::ids::Id;

/// What a checkout is told.
pub struct CheckoutRequest {
    /// What was paid.
    pub tenders: Vec<Tender>,
    /// The till that finishes it, where it isn't the one that opened it.
    pub till: Option<Till>,
    /// What the caller thinks it comes to.
    pub expected_total: Option<Money>,
}

/// Makes a sale of a cart. Again answers the same sale.
///
/// # Errors
/// Every "no" of a sale, `CART_CLOSED`, `CART_EMPTY`; then nothing was stored. Or a fault.
pub fn check_out(
    node: &mut Node,
    now: Now,
    id: &Id,
    request: CheckoutRequest,
    approved: Option<&Approved>,
) -> Answer<Booked> {
    let mut cart = Cart::load(node.conn(), id)?;
    if let Some(sale) = &cart.sale {
        return books::find(node.conn(), sale);
    }
    cart.must_be(&[CartState::Open, CartState::Tendering])?;
    if cart.basket.lines.is_empty() {
        return Err(no(Code::CartEmpty, "there is nothing in the cart"));
    }
    let till = match &request.till {
        Some(till) => till.clone(),
        None => Till::parse(&cart.till)?,
    };
    training::same_as_till(node, &cart, till.name())?;
    if cart.training {
        return training::check_out(node, now, cart, &till, request);
    }
    shared_cart::must_be_mine(node, id)?;
    let rulebook = Arc::clone(&node.rulebook);
    let mut more = request.tenders;
    tender::complete(node, &mut more)?;
    let (rows, tenders) = tender::paying(node, &cart.id, more)?;
    let document = match &cart.sealed {
        // Its first tender froze everything but the tenders.
        Some(sealed) => settled(sealed.as_ref().clone(), tenders, request.expected_total)?,
        None => pay(&cart.basket, &rulebook, now, tenders, request.expected_total)?,
    };
    let sold = Sold {
        id: None,
        request: None,
        cart: Some(cart.id),
        till: &till,
        customer: cart.customer,
        document,
        handed_over: HandedOver::default(),
        sealed: cart.sealed.is_some(),
        approved,
        exchange: None,
    };
    let booked = book(node, now, sold)?;
    if let Body::SaleCommitted(sale) = &booked.body {
        cart.sale = Some(sale.sale_id);
        tender::claimed(node, rows, sale.sale_id)?;
    }
    cart.state = CartState::Paid;
    cart.save(node, now)?;
    Ok(booked)
}
