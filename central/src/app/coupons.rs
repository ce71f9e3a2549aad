//! Coupons of the web shop: what they take off, where and when they are good, and how often.

use super::{Code, Fault, stores};
use crate::db::Tx;
use crate::db::carts::{self as rows, CouponRow};
use crate::hub::Hub;
use tradepost_commerce::document::{Discount, DiscountKind};
use tradepost_commerce::money::Money;
use tradepost_sync::clock::UtcMs;

/// Longest code.
const CODE_CHARS_MAX: usize = 32;
/// All of it, in parts per million.
const MILLION: i64 = 1_000_000;

/// A coupon as it is published.
#[derive(Clone, Debug)]
pub struct Coupon {
    /// Its code.
    pub code: String,
    /// The store it is good at; none for every one.
    pub store: Option<String>,
    /// What it takes off.
    pub kind: DiscountKind,
    /// First instant it is good.
    pub valid_from: UtcMs,
    /// First instant it is not any more.
    pub valid_to: Option<UtcMs>,
    /// How often it may still be used; none for as often as it is given.
    pub uses_left: Option<u64>,
}

/// A coupon with the version of its row.
#[derive(Clone, Debug)]
pub struct Found {
    /// The coupon.
    pub coupon: Coupon,
    /// Version of the row.
    pub row_version: u64,
}

/// A code as it is kept: capitals, without space around.
pub fn folded(code: &str) -> String {
    code.trim().to_uppercase()
}

/// Puts a coupon in place; `expected` is the row's version that was read, none for a new one.
pub fn put(hub: &Hub, coupon: &Coupon, expected: Option<u64>) -> Result<Found, Fault> {
    let code = folded(&coupon.code);
    let fits = (1..=CODE_CHARS_MAX).contains(&code.chars().count());
    if !fits || !code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(Fault::field("/code", Code::BadValue, "a code has 1 to 32 letters, digits or hyphens"));
    }
    let (kind, value) = match coupon.kind {
        DiscountKind::Percent(ppm) => ("percent", i64::from(ppm)),
        DiscountKind::Fixed(amount) => ("fixed", amount.0),
    };
    if value <= 0 || (kind == "percent" && value > MILLION) {
        return Err(Fault::field("/value", Code::BadValue, "it takes off something, and at most all"));
    }
    if coupon.valid_to.is_some_and(|to| to <= coupon.valid_from) {
        return Err(Fault::field("/valid_to", Code::BadValue, "it ends before it begins"));
    }
    hub.write(|tx, _| {
        let before = rows::coupon(tx, &code)?;
        match (&before, expected) {
            (Some(row), Some(expected)) => super::must_match(row.row_version, expected)?,
            (None, None) => {}
            (Some(_), None) => {
                return Err(Fault::refused(Code::PreconditionRequired, "send the coupon's ETag as If-Match"));
            }
            (None, Some(_)) => {
                return Err(Fault::refused(Code::PreconditionFailed, "the coupon is not there"));
            }
        }
        let store = coupon.store.as_deref().map(|code| stores::find(tx, code)).transpose()?;
        let row = CouponRow {
            code: code.clone(),
            store: store.map_or(0, |store| store.no),
            kind: kind.to_owned(),
            value,
            valid_from: coupon.valid_from,
            valid_to: coupon.valid_to,
            uses_left: coupon.uses_left,
            row_version: before.map_or(1, |row| row.row_version + 1),
        };
        rows::put_coupon(tx, &row)?;
        shown(tx, row)
    })
}

/// Shows a coupon.
pub fn get(hub: &Hub, code: &str) -> Result<Found, Fault> {
    hub.db.read(|tx| {
        let row = rows::coupon(tx, &folded(code))?.ok_or_else(|| Fault::not_found("coupon", code))?;
        shown(tx, row)
    })
}

/// Coupons after a code.
pub fn list(hub: &Hub, after: &str, limit: usize) -> Result<Vec<Found>, Fault> {
    hub.db.read(|tx| {
        let page = rows::coupons(tx, after, limit)?;
        page.into_iter().map(|row| shown(tx, row)).collect()
    })
}

fn shown(tx: &mut Tx<'_>, row: CouponRow) -> Result<Found, Fault> {
    let store = match row.store {
        0 => None,
        no => crate::db::stores::by_no(tx, no)?.map(|store| store.code),
    };
    let kind = kind_of(&row);
    let CouponRow { code, valid_from, valid_to, uses_left, row_version, .. } = row;
    Ok(Found { coupon: Coupon { code, store, kind, valid_from, valid_to, uses_left }, row_version })
}

fn kind_of(row: &CouponRow) -> DiscountKind {
    match row.kind.as_str() {
        "percent" => DiscountKind::Percent(u32::try_from(row.value).unwrap_or(0)),
        _ => DiscountKind::Fixed(Money(row.value)),
    }
}

/// What a coupon takes off an order of a store now.
pub fn discount(tx: &mut Tx<'_>, code: &str, store: i64, now: UtcMs) -> Result<Discount, Fault> {
    let no = |why: &str| Fault::field("/coupon", Code::CouponRefused, format!("coupon {code}: {why}"));
    let row = rows::coupon(tx, code)?.ok_or_else(|| no("there is none of that code"))?;
    if row.store != 0 && row.store != store {
        return Err(no("it is not good at this store"));
    }
    if now < row.valid_from || row.valid_to.is_some_and(|to| now >= to) {
        return Err(no("it is not good now"));
    }
    if row.uses_left == Some(0) {
        return Err(no("it is used up"));
    }
    Ok(Discount {
        kind: kind_of(&row),
        reason: "coupon".to_owned(),
        approver: None,
        coupon: Some(code.to_owned()),
        pool: None,
    })
}

/// Takes one use of a coupon for an order.
pub fn take(tx: &mut Tx<'_>, code: &str) -> Result<(), Fault> {
    if rows::use_coupon(tx, code)? {
        return Ok(());
    }
    Err(Fault::field("/coupon", Code::CouponRefused, format!("coupon {code}: it is used up")))
}
