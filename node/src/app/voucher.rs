//! Vouchers and gift cards: selling one is a liability, redeeming it is a tender (`facts.md` §4).
//!
//! In a store of a hub a node may redeem what it holds of the card's pool, so that the sum over all nodes is capped by
//! the balance whatever the partition. A node alone is all there is: it redeems what its documents say is left.

use super::node::Node;
use super::problem::{Answer, Code, Stop, no_at};
use super::tender;
use crate::db::vouchers::{self, Voucher};
use crate::db::{Fault, catalog, stock};
use rusqlite::Connection;
use std::collections::BTreeMap;
use tradepost_commerce::basket::BasketLine;
use tradepost_commerce::document::{
    Discount, LineInput, LineKind, PoolDraw, PriceSource, RefundDocument, SaleDocument, Sku, Tax, Tender,
    TenderKind,
};
use tradepost_commerce::money::Money;
use tradepost_commerce::quantity::{Quantity, THOUSAND, Unit};
use tradepost_commerce::tender_life::{self, coupon_pool, pool_code, voucher_pool};
use tradepost_commerce::time::UtcMs;
use tradepost_sync::body::RightsBurnt;

/// Most characters of a code.
const CODE_CHARS_MAX: usize = 32;

/// What is known of a voucher here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What may be redeemed here now.
    pub left: Money,
    /// What was paid for it.
    pub sold: Money,
    /// What was paid with it.
    pub redeemed: Money,
}

/// Reads a code: letters, digits and hyphens, without case.
///
/// # Errors
/// `BAD_CODE` at `pointer`.
pub fn parse_code(text: &str, pointer: &str) -> Answer<String> {
    let code = text.trim().to_ascii_uppercase();
    let right = (1..=CODE_CHARS_MAX).contains(&code.len())
        && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if right {
        return Ok(code);
    }
    Err(no_at(Code::BadCode, pointer, format!("1 to {CODE_CHARS_MAX} letters, digits and hyphens")))
}

/// What is known of a voucher; none where nobody has heard of it.
///
/// # Errors
/// A fault.
pub fn find(conn: &Connection, enrolled: bool, code: &str) -> Answer<Option<Standing>> {
    let known = vouchers::find(conn, code)?;
    let quota = if enrolled { quota(conn, code)? } else { None };
    if known.is_none() && quota.is_none() {
        return Ok(None);
    }
    let Voucher { sold, redeemed } = known.unwrap_or_default();
    let left = if enrolled { quota.unwrap_or_default() } else { sold.saturating_sub(redeemed) };
    // What a cart is being paid with is not there twice.
    let held = i64::try_from(held(conn, code)?).unwrap_or(i64::MAX);
    let left = left.saturating_sub(held).max(0);
    Ok(Some(Standing { left: Money(left), sold: Money(sold), redeemed: Money(redeemed) }))
}

/// The rights held here of a card's pool, in minor units.
fn quota(conn: &Connection, code: &str) -> Result<Option<i64>, Fault> {
    let Some(no) = catalog::sku_no(conn, &Sku(voucher_pool(code)))? else { return Ok(None) };
    Ok(Some(i64::try_from(stock::load(conn, no)?.rights()).unwrap_or(i64::MAX)))
}

/// What carts that are being paid with a voucher hold of its pool, in minor units.
///
/// # Errors
/// [`Fault`].
pub(super) fn held(conn: &Connection, code: &str) -> Result<u64, Fault> {
    let taken = tender::unclaimed(conn)?.into_iter().filter(|row| row.code.as_deref() == Some(code));
    Ok(taken.fold(0, |held, row| held.saturating_add(u64::try_from(row.amount.0).unwrap_or(0))))
}

/// The pool that paying `amount` with a voucher draws on, and what must be held of it.
///
/// # Errors
/// [`Fault`].
pub fn wanted(conn: &Connection, code: &str, amount: Money) -> Result<(Sku, u64), Fault> {
    let units = u64::try_from(amount.0).unwrap_or(0);
    Ok((Sku(voucher_pool(code)), held(conn, code)?.saturating_add(units)))
}

/// Draws on a voucher. What is drawn from a pool is named; a node alone has no pools.
///
/// # Errors
/// `BAD_CODE`, `OVER_QUOTA`, `BAD_MONEY`, `LEASE_EXPIRED` at `pointer`; or a fault.
pub(crate) fn draw(node: &mut Node, code: &str, amount: Money, pointer: &str) -> Answer<Option<PoolDraw>> {
    let enrolled = node.me.enrolled;
    let (code, _) = pool_code(code);
    if let Err(locked) = node.lock() {
        // Its rights may be given to somebody else once it counts as lost.
        return Err(no_at(Code::LeaseExpired, pointer, format!("nothing is drawn on vouchers: {locked}")));
    }
    let left = find(node.conn(), enrolled, code)?.unwrap_or_default().left;
    let draw = tender_life::draw(code, amount, left).map_err(|refusal| match Stop::from(refusal) {
        Stop::No(problem) => no_at(problem.code, pointer, problem.detail),
        fault => fault,
    })?;
    Ok(enrolled.then(|| PoolDraw { pool: voucher_pool(code), ..draw }))
}

/// Draws each coupon of a sale that has a number of uses: one use, where this node holds one. Beyond that the coupon
/// stands without, and the hub flags it (`facts.md` §5).
///
/// # Errors
/// [`Fault`].
pub(crate) fn draw_coupons(node: &mut Node, discounts: &mut [Discount]) -> Answer<()> {
    if !node.me.enrolled || node.lock().is_err() {
        return Ok(());
    }
    let mut used: BTreeMap<String, u64> = BTreeMap::new();
    for discount in discounts.iter_mut().filter(|discount| discount.pool.is_none()) {
        let Some(coupon) = discount.coupon.as_deref() else { continue };
        let pool = coupon_pool(&coupon.trim().to_uppercase());
        let Some(no) = catalog::sku_no(node.conn(), &Sku(pool.clone()))? else { continue };
        let taken = used.entry(pool.clone()).or_default();
        if node.stock(no)?.rights() > *taken {
            *taken += 1;
            discount.pool = Some(PoolDraw { pool, used: Money(1) });
        }
    }
    Ok(())
}

/// What a refund of sold vouchers takes out of their pools again: facts to be written with it. A voucher that was spent,
/// or whose rights are elsewhere, is not given back.
///
/// # Errors
/// `OVER_QUOTA`; or a fault.
pub(crate) fn taken_back(node: &mut Node, refund: &RefundDocument) -> Answer<Vec<RightsBurnt>> {
    let mut burnt = Vec::new();
    if !node.me.enrolled {
        return Ok(burnt);
    }
    for (index, (input, outcome)) in refund.inputs.lines.iter().zip(&refund.outcome.lines).enumerate() {
        let LineKind::Liability { pool } = &input.kind else { continue };
        let amount = Money(outcome.net.0.saturating_add(outcome.tax.0).saturating_neg());
        let draw = draw(node, pool, amount, &format!("/lines/{index}"))?;
        let units = u64::try_from(amount.0).unwrap_or(0);
        burnt.extend(draw.map(|draw| RightsBurnt { sku: Sku(draw.pool), units, asked_by: None }));
    }
    Ok(burnt)
}

/// The line by which a voucher is sold.
pub(crate) fn line(kind: &TenderKind, code: &str, amount: Money, now: UtcMs) -> BasketLine {
    let name = if *kind == TenderKind::GiftCard { "Gift card" } else { "Voucher" };
    let sku = if *kind == TenderKind::GiftCard { "GIFT-CARD" } else { "VOUCHER" };
    let input = LineInput {
        sku: Sku(sku.to_owned()),
        name: format!("{name} {code}"),
        unit: Unit::piece(),
        quantity: Quantity(THOUSAND),
        unit_price: amount,
        price_source: PriceSource::Manual { approver: None, reason: "face value".to_owned() },
        label_amount: None,
        tax: Tax { category: "none".to_owned(), ppm: 0 },
        discounts: Vec::new(),
        serials: Vec::new(),
        age_check: None,
        kind: LineKind::Liability { pool: code.to_owned() },
    };
    BasketLine { input, scanned_at: now, min_age: None, serialised: false }
}

/// What a sale says of vouchers.
pub(crate) fn sold(conn: &Connection, sale: &SaleDocument) -> Result<(), Fault> {
    for (input, outcome) in sale.inputs.lines.iter().zip(&sale.outcome.lines) {
        if let LineKind::Liability { pool } = &input.kind {
            vouchers::add(conn, pool, outcome.net.0.saturating_add(outcome.tax.0), 0)?;
        }
    }
    redeemed(conn, &sale.inputs.tenders)
}

/// What a refund says of vouchers: one that is given back is worth so much less, one that was paid with is worth so much
/// more.
pub(crate) fn refunded(conn: &Connection, refund: &RefundDocument) -> Result<(), Fault> {
    for (input, outcome) in refund.inputs.lines.iter().zip(&refund.outcome.lines) {
        if let LineKind::Liability { pool } = &input.kind {
            vouchers::add(conn, pool, outcome.net.0.saturating_add(outcome.tax.0), 0)?;
        }
    }
    redeemed(conn, &refund.inputs.tenders)
}

fn redeemed(conn: &Connection, tenders: &[Tender]) -> Result<(), Fault> {
    for tender in tenders.iter().filter(|t| matches!(t.kind, TenderKind::Voucher | TenderKind::GiftCard)) {
        let code = tender.pool.as_ref().map(|draw| &draw.pool).or(tender.reference.as_ref());
        if let Some(code) = code {
            vouchers::add(conn, pool_code(code).0, 0, tender.amount.0)?;
        }
    }
    Ok(())
}
