//! Carts of the web shop: lines, a store or wherever there is most, a coupon; priced by the engine that prices sales
//! (`hub.md`, Services and Redis).
//!
//! The row is the truth. What was priced is kept in the cache under the catalog's version with the row's version, so a
//! paused reader never puts an older cart in a newer one's place, and a reader that finds another version asks the rows.

use super::{Code, Fault, coupons, products, recovering, stores};
use crate::db::carts::{self as rows, CartRow};
use crate::db::stores::Store;
use crate::db::{Tx, catalog, lent, products as goods};
use crate::hub::{Hub, within_a_request};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tradepost_commerce::basket::{Basket, Shop, Wanted};
use tradepost_commerce::calc::Due;
use tradepost_commerce::checkout::{Counter, ready};
use tradepost_commerce::document::{SaleInputs, Sku};
use tradepost_commerce::price_book::PriceBook;
use tradepost_commerce::promotion::Promotion;
use tradepost_commerce::quantity::Quantity;
use tradepost_commerce::refusal::Refusal;
use tradepost_commerce::time::UtcMs as Instant;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Id;

/// Most lines of a cart.
pub const LINES_MAX: usize = 100;
/// Published prices of one item that are looked at.
const PRICES_MAX: usize = 10_000;
/// Promotions that are looked at.
const PROMOTIONS_MAX: usize = 1_000;
/// A cart that nobody touched for so long is forgotten: thirty days.
const FORGOTTEN_AFTER_MS: i64 = 30 * 86_400_000;

/// One line of a cart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The item.
    pub sku: String,
    /// Thousandths of the pricing unit.
    pub quantity_milli: i64,
}

/// What a cart's row holds as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Body {
    pub(super) lines: Vec<Line>,
    pub(super) coupon: Option<String>,
}

/// A line with what it comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PricedLine {
    /// The item.
    pub sku: String,
    /// Its name; empty where the catalog has it no more.
    pub name: String,
    /// Thousandths of the pricing unit.
    pub quantity_milli: i64,
    /// Price of one pricing unit.
    pub unit_price: i64,
    /// What is left after every discount.
    pub amount: i64,
    /// The tax rate in parts per million.
    pub tax_ppm: u32,
}

/// A cart with what it comes to. Money is in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Priced {
    /// Its id.
    pub id: Id,
    /// Whose it is.
    pub owner: Id,
    /// The store that its owner chose, by code.
    pub chosen: Option<String>,
    /// The store that it is priced at, by code.
    pub store: String,
    /// `open` or `checked_out`.
    pub state: String,
    /// The order that it became.
    pub web_order: Option<Id>,
    /// Version of the row.
    pub row_version: u64,
    /// Its lines.
    pub lines: Vec<PricedLine>,
    /// Its coupon.
    pub coupon: Option<String>,
    /// Currency code.
    pub currency: String,
    /// Decimals of the minor unit.
    pub exponent: u8,
    /// Without tax.
    pub net: i64,
    /// The tax.
    pub tax: i64,
    /// What is to be paid.
    pub total: i64,
    /// Why it can't be checked out as it is.
    pub problem: Option<String>,
    /// First instant at which it may come to something else by itself.
    pub until: UtcMs,
    /// The catalog version it was priced by.
    pub catalog: u64,
}

/// A cart's price, with all that an order freezes of it.
#[derive(Clone, Debug)]
pub(super) struct Quote {
    pub(super) store: Store,
    pub(super) basket: Basket,
    pub(super) counter: (tradepost_commerce::settings::Settings, Vec<Promotion>),
    pub(super) inputs: SaleInputs,
    pub(super) due: Due,
    pub(super) units: BTreeMap<String, u64>,
}

/// What is changed.
#[derive(Clone, Debug)]
pub enum Change {
    /// So much more of an item.
    Add(Line),
    /// So much of an item, whatever there was; nothing takes it out.
    Set(Line),
    /// Everything out.
    Clear,
    /// Another coupon, or none.
    Coupon(Option<String>),
    /// Another store, or wherever there is most.
    Store(Option<String>),
}

/// Makes a cart. The same again shows the one that was made.
pub fn create(
    hub: &Hub,
    owner: Id,
    id: Id,
    store: Option<&str>,
    price_list: &str,
    now: UtcMs,
) -> Result<Priced, Fault> {
    let priced = hub.write(|tx, _| {
        let chosen = store.map(|code| stores::find(tx, code)).transpose()?;
        let new = CartRow {
            id,
            owner,
            store: chosen.map_or(0, |store| store.no),
            price_list: price_list.to_owned(),
            body: serde_json::to_string(&Body::default()).map_err(Fault::internal)?,
            state: "open".to_owned(),
            web_order: None,
            row_version: 1,
            created_at: now,
            changed_at: now,
        };
        rows::insert(tx, &new)?;
        let row = owned(rows::find(tx, id)?, owner, id)?;
        priced(tx, &row, now)
    })?;
    remember(hub, &priced);
    Ok(priced)
}

/// A cart is its owner's alone; for anybody else there is none.
fn owned(row: Option<CartRow>, owner: Id, id: Id) -> Result<CartRow, Fault> {
    row.filter(|row| row.owner == owner).ok_or_else(|| Fault::not_found("cart", &id.to_string()))
}

/// Shows a cart: out of the cache where that holds this very version, else out of the rows.
pub fn get(hub: &Hub, owner: Id, id: Id, now: UtcMs) -> Result<Priced, Fault> {
    let (row, catalog) = hub.db.read(|tx| {
        let row = owned(rows::find(tx, id)?, owner, id)?;
        Ok::<_, Fault>((row, catalog::head(tx)?.at.version))
    })?;
    if let Some(known) = recall(hub, id, catalog)
        && (known.row_version, known.owner) == (row.row_version, owner)
        && now < known.until
    {
        metrics::counter!("tradepost_cart_cache_total", "hit" => "yes").increment(1);
        return Ok(known);
    }
    metrics::counter!("tradepost_cart_cache_total", "hit" => "no").increment(1);
    let priced = load(hub, owner, id, now)?;
    remember(hub, &priced);
    Ok(priced)
}

/// Reads and prices a cart without the cache.
pub fn load(hub: &Hub, owner: Id, id: Id, now: UtcMs) -> Result<Priced, Fault> {
    hub.db.read(|tx| {
        let row = owned(rows::find(tx, id)?, owner, id)?;
        priced(tx, &row, now)
    })
}

/// Puts a priced cart in the cache, unless a newer one is there. Coupons end by other means than time: they aren't kept.
pub fn remember(hub: &Hub, priced: &Priced) {
    let span = within_a_request(|| tracing::info_span!("cache set", cache = hub.cache.name()));
    let _within = span.enter();
    if priced.coupon.is_some() {
        return;
    }
    if let Ok(text) = serde_json::to_string(priced) {
        hub.cache.set(&key(priced.id, priced.catalog), priced.row_version, &text);
    }
}

/// What the cache holds of a cart.
pub fn recall(hub: &Hub, id: Id, catalog: u64) -> Option<Priced> {
    let span = within_a_request(|| tracing::info_span!("cache get", cache = hub.cache.name()));
    let _within = span.enter();
    serde_json::from_str(&hub.cache.get(&key(id, catalog))?.value?).ok()
}

fn key(id: Id, catalog: u64) -> String {
    format!("cart:{id}:{catalog}")
}

/// Carts of an owner after a place, the oldest first.
pub fn list(
    hub: &Hub,
    owner: Id,
    after: (UtcMs, Id),
    limit: usize,
    now: UtcMs,
) -> Result<Vec<(UtcMs, Priced)>, Fault> {
    hub.db.read(|tx| {
        let page = rows::list(tx, owner, after, limit)?;
        page.into_iter().map(|row| Ok((row.created_at, priced(tx, &row, now)?))).collect()
    })
}

/// Changes a cart, if it is still at the version that was read where one is given. What can't be sold is refused here.
pub fn change(
    hub: &Hub,
    owner: Id,
    id: Id,
    expected: Option<u64>,
    change: &Change,
    now: UtcMs,
) -> Result<Priced, Fault> {
    let priced = hub.write(|tx, _| {
        let mut row = owned(rows::find_locked(tx, id)?, owner, id)?;
        if row.state != "open" {
            return Err(closed(&row));
        }
        if let Some(expected) = expected {
            super::must_match(row.row_version, expected)?;
        }
        let mut body = body(&row)?;
        apply(tx, &mut row, &mut body, change)?;
        row.body = serde_json::to_string(&body).map_err(Fault::internal)?;
        if let Change::Add(line) | Change::Set(line) = change
            && body.lines.iter().any(|kept| kept.sku == line.sku)
        {
            sellable(tx, &row, &body, &line.sku, now)?;
        }
        if let Change::Coupon(Some(_)) = change {
            let store = place(tx, &row, &body)?;
            coupons::discount(tx, body.coupon.as_deref().unwrap_or_default(), store.no, now)?;
        }
        rows::save(tx, &row, now)?;
        row.row_version += 1;
        priced(tx, &row, now)
    })?;
    remember(hub, &priced);
    Ok(priced)
}

pub(super) fn closed(row: &CartRow) -> Fault {
    let order = row.web_order.map(|id| id.to_string()).unwrap_or_default();
    Fault::refused(Code::CartClosed, format!("it has become order {order}"))
}

pub(super) fn body(row: &CartRow) -> Result<Body, Fault> {
    serde_json::from_str(&row.body).map_err(Fault::internal)
}

fn apply(tx: &mut Tx<'_>, row: &mut CartRow, body: &mut Body, change: &Change) -> Result<(), Fault> {
    match change {
        Change::Add(line) => {
            let before = body.lines.iter().find(|kept| kept.sku == line.sku);
            let quantity_milli = before.map_or(0, |kept| kept.quantity_milli);
            let more = quantity_milli.checked_add(line.quantity_milli).filter(|_| line.quantity_milli > 0);
            let Some(quantity_milli) = more else {
                let detail = format!("{} can't be added", Quantity(line.quantity_milli));
                return Err(Fault::field("/quantity_milli", Code::BadQuantity, detail));
            };
            put(body, Line { sku: line.sku.clone(), quantity_milli })?;
        }
        Change::Set(line) if line.quantity_milli == 0 => body.lines.retain(|kept| kept.sku != line.sku),
        Change::Set(line) => put(body, line.clone())?,
        Change::Clear => *body = Body::default(),
        Change::Coupon(code) => body.coupon = code.as_deref().map(coupons::folded),
        Change::Store(code) => {
            let chosen = code.as_deref().map(|code| stores::find(tx, code)).transpose()?;
            row.store = chosen.map_or(0, |store| store.no);
        }
    }
    Ok(())
}

fn put(body: &mut Body, line: Line) -> Result<(), Fault> {
    if let Some(kept) = body.lines.iter_mut().find(|kept| kept.sku == line.sku) {
        *kept = line;
        return Ok(());
    }
    if body.lines.len() >= LINES_MAX {
        return Err(Fault::refused(Code::CartRefused, format!("a cart has at most {LINES_MAX} lines")));
    }
    body.lines.push(line);
    Ok(())
}

/// Refuses what the catalog doesn't have, the engine doesn't sell, or more than there is to promise.
fn sellable(tx: &mut Tx<'_>, row: &CartRow, body: &Body, sku: &str, now: UtcMs) -> Result<(), Fault> {
    let Some(found) = products::find(tx, sku)? else {
        return Err(Fault::field("/sku", Code::UnknownSku, format!("the catalog has no item {sku}")));
    };
    let store = place(tx, row, body)?;
    let only =
        Body { lines: body.lines.iter().filter(|line| line.sku == sku).cloned().collect(), coupon: None };
    let quote = quote_at(tx, row, &only, store, now)?;
    let units = quote.units.get(sku).copied().unwrap_or(0);
    let free = free(tx, quote.store.no, sku)?;
    if units > free {
        let unit = &found.product.unit;
        let detail = format!("{units} base units asked, {free} of {sku} are left at {}", quote.store.code);
        let pointer = if unit.base_per_unit == 1 { "/quantity_milli" } else { "/sku" };
        return Err(Fault::field(pointer, Code::RightsShort, detail));
    }
    Ok(())
}

fn free(tx: &mut Tx<'_>, store: i64, sku: &str) -> Result<u64, Fault> {
    let lent = lent::by_store(tx, sku)?;
    Ok(lent.iter().find(|(no, _)| *no == store).map_or(0, |(_, units)| *units))
}

/// Where a cart is collected: the store its owner chose, else where the whole of it is lent, the most first, then by
/// code; else where most of it is (`facts.md` §4: one location an order).
fn place(tx: &mut Tx<'_>, row: &CartRow, body: &Body) -> Result<Store, Fault> {
    let by_no = crate::db::stores::by_no;
    if row.store != 0 {
        return by_no(tx, row.store)?.ok_or_else(|| Fault::internal("a cart of no store"));
    }
    let mut free: BTreeMap<i64, (usize, u64)> = BTreeMap::new();
    for line in &body.lines {
        let Some(found) = products::find(tx, &line.sku)? else { continue };
        let units = units_of(&found.product.unit, line.quantity_milli);
        for (store, lent) in lent::by_store(tx, &line.sku)? {
            let sum = free.entry(store).or_default();
            sum.0 += usize::from(units > 0 && lent >= units);
            sum.1 = sum.1.saturating_add(lent);
        }
    }
    let mut all = crate::db::stores::all(tx)?;
    all.sort_by(|a, b| {
        let of = |store: &Store| free.get(&store.no).copied().unwrap_or_default();
        of(b).cmp(&of(a)).then_with(|| a.code.cmp(&b.code))
    });
    for store in &all {
        if !recovering::is(tx, store.no)? {
            return Ok(store.clone());
        }
    }
    all.into_iter().next().ok_or_else(|| Fault::refused(Code::NotFound, "there is no store"))
}

fn units_of(unit: &tradepost_commerce::quantity::Unit, quantity_milli: i64) -> u64 {
    unit.to_base(Quantity(quantity_milli)).ok().and_then(|units| u64::try_from(units.0).ok()).unwrap_or(0)
}

/// Prices a cart where it is collected.
pub(super) fn quote(tx: &mut Tx<'_>, row: &CartRow, now: UtcMs) -> Result<Quote, Fault> {
    let body = body(row)?;
    let store = place(tx, row, &body)?;
    quote_at(tx, row, &body, store, now)
}

fn quote_at(tx: &mut Tx<'_>, row: &CartRow, body: &Body, store: Store, now: UtcMs) -> Result<Quote, Fault> {
    let settings = stores::settings(&store)?;
    let head = catalog::head(tx)?.at;
    let prices = price_book(tx, body, store.no, head)?;
    let promotions = promotions(tx)?;
    let mut basket = Basket { list: row.price_list.clone(), ..Basket::default() };
    let mut units: BTreeMap<String, u64> = BTreeMap::new();
    let shop = Shop { settings: &settings, prices: &prices, now: Instant(now) };
    for line in &body.lines {
        let Some(found) = products::find(tx, &line.sku)? else {
            let detail = format!("the catalog has no item {}", line.sku);
            return Err(Fault::refused(Code::UnknownSku, detail));
        };
        basket.add(&found.product, Wanted::Quantity(Quantity(line.quantity_milli)), shop).map_err(refused)?;
        *units.entry(line.sku.clone()).or_default() += units_of(&found.product.unit, line.quantity_milli);
    }
    if let Some(code) = &body.coupon {
        basket.discount_order(coupons::discount(tx, code, store.no, now)?).map_err(refused)?;
    }
    let counter = Counter { settings: &settings, promotions: &promotions, catalog: head, now: Instant(now) };
    let (inputs, due) = ready(&basket, counter).map_err(refused)?;
    Ok(Quote { store, basket, counter: (settings, promotions), inputs, due, units })
}

/// What the engine says no to.
pub(super) fn refused(refusal: Refusal) -> Fault {
    Fault::refused(Code::CartRefused, format!("{} ({})", refusal, refusal.code()))
}

fn price_book(
    tx: &mut Tx<'_>,
    body: &Body,
    store: i64,
    at: tradepost_commerce::document::CatalogVersion,
) -> Result<PriceBook, Fault> {
    let mut entries = Vec::new();
    for line in &body.lines {
        let published = goods::prices(tx, Some(&line.sku), 0, PRICES_MAX)?;
        let here = published.into_iter().filter(|price| price.store == 0 || price.store == store);
        entries.extend(here.map(|price| price.entry));
    }
    Ok(PriceBook::new(at, entries))
}

fn promotions(tx: &mut Tx<'_>) -> Result<Vec<Promotion>, Fault> {
    let rows = goods::promotions(tx, "", PROMOTIONS_MAX)?;
    rows.iter().map(|row| serde_json::from_str(&row.body).map_err(Fault::internal)).collect()
}

/// A cart as its owner sees it; one that can't be sold as it is says why, and comes to nothing.
fn priced(tx: &mut Tx<'_>, row: &CartRow, now: UtcMs) -> Result<Priced, Fault> {
    let body = body(row)?;
    let store = place(tx, row, &body)?;
    let settings = stores::settings(&store)?;
    let catalog = catalog::head(tx)?.at.version;
    let until = next_change(tx, &body, &settings, now)?;
    let chosen = if row.store == 0 { None } else { Some(store.code.clone()) };
    let mut shown = Priced {
        id: row.id,
        owner: row.owner,
        chosen,
        store: store.code.clone(),
        state: row.state.clone(),
        web_order: row.web_order,
        row_version: row.row_version,
        lines: Vec::new(),
        coupon: body.coupon.clone(),
        currency: settings.currency.code().to_owned(),
        exponent: settings.currency.exponent,
        net: 0,
        tax: 0,
        total: 0,
        problem: None,
        until,
        catalog,
    };
    if body.lines.is_empty() {
        return Ok(shown);
    }
    match quote_at(tx, row, &body, store, now) {
        Ok(quote) => {
            shown.lines = priced_lines(&quote);
            (shown.net, shown.tax) = (quote.due.net.0, quote.due.tax.0);
            shown.total = quote.due.total.0;
        }
        Err(Fault::Refused { code, detail, .. }) if code != Code::Internal => {
            shown.lines = unpriced_lines(tx, &body)?;
            shown.problem = Some(detail);
        }
        Err(fault) => return Err(fault),
    }
    Ok(shown)
}

fn priced_lines(quote: &Quote) -> Vec<PricedLine> {
    let line = |(input, outcome): (
        &tradepost_commerce::document::LineInput,
        &tradepost_commerce::document::LineOutcome,
    )| PricedLine {
        sku: input.sku.0.clone(),
        name: input.name.clone(),
        quantity_milli: input.quantity.0,
        unit_price: input.unit_price.0,
        amount: outcome.amount.0,
        tax_ppm: input.tax.ppm,
    };
    quote.inputs.lines.iter().zip(&quote.due.lines).map(line).collect()
}

fn unpriced_lines(tx: &mut Tx<'_>, body: &Body) -> Result<Vec<PricedLine>, Fault> {
    let mut lines = Vec::new();
    for Line { sku, quantity_milli } in body.lines.clone() {
        let name = products::find(tx, &sku)?.map(|found| found.product.name).unwrap_or_default();
        lines.push(PricedLine { sku, name, quantity_milli, unit_price: 0, amount: 0, tax_ppm: 0 });
    }
    Ok(lines)
}

/// The next instant at which a price, a promotion or a tax rate begins or ends.
fn next_change(
    tx: &mut Tx<'_>,
    body: &Body,
    settings: &tradepost_commerce::settings::Settings,
    now: UtcMs,
) -> Result<UtcMs, Fault> {
    let mut instants = Vec::new();
    for line in &body.lines {
        for price in goods::prices(tx, Some(&line.sku), 0, PRICES_MAX)? {
            instants.extend([Some(price.entry.valid_from), price.entry.valid_to]);
        }
    }
    for promotion in promotions(tx)? {
        instants.extend([Some(promotion.valid_from), promotion.valid_to]);
    }
    for rate in &settings.taxes {
        instants.push(Some(rate.valid_from));
    }
    Ok(instants.into_iter().flatten().map(|at| at.0).filter(|at| *at > now).min().unwrap_or(i64::MAX))
}

/// The items of a quote with what was paid for each: net and tax of its lines.
pub(super) fn paid_by_item(inputs: &SaleInputs, due: &Due) -> BTreeMap<String, i64> {
    let mut paid: BTreeMap<String, i64> = BTreeMap::new();
    for (input, outcome) in inputs.lines.iter().zip(&due.lines) {
        let Sku(sku) = &input.sku;
        *paid.entry(sku.clone()).or_default() += outcome.net.0.saturating_add(outcome.tax.0);
    }
    paid
}

/// Forgets carts that nobody touched for thirty days; how many.
pub fn forget(hub: &Hub, now: UtcMs) -> Result<u64, Fault> {
    hub.write(|tx, _| Ok(rows::forget(tx, now - FORGOTTEN_AFTER_MS)?))
}
