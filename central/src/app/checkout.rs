//! Web orders as a durable saga (`facts.md` §4, Web order): a row stands first, each step is one transaction, and between
//! two of them nothing is locked. Whoever finds an order that is due drives it on from where it stands.

mod saga;

pub use saga::{Progress, advance, drive, drive_if_due, due, take_up};

use super::carts::{self, Quote};
use super::{Code, Fault, coupons, payments, request_hash, stores};
use crate::db::carts as cart_rows;
use crate::db::reservations::{self, Reservation};
use crate::db::web_orders::{self as rows, Of, WebOrder};
use crate::db::{Tx, review, web_payments};
use crate::hub::Hub;
use serde::Serialize;
use tradepost_commerce::check_out;
use tradepost_commerce::checkout::Counter;
use tradepost_commerce::document::{SaleDocument, Tender, TenderKind, TenderState};
use tradepost_commerce::money::Money;
use tradepost_commerce::time::UtcMs as Instant;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Id;

/// How far a web order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It stands durably, and nothing was done for it yet.
    Created,
    /// Its goods are promised; the hub holds them.
    Held,
    /// The provider is asked to set the money aside.
    Authorizing,
    /// The money is set aside.
    Authorized,
    /// The provider is asked to take it.
    Capturing,
    /// The money is taken.
    Captured,
    /// It is an order.
    Placed,
    /// The store's node alone may hand it out or cancel it.
    HandedOver,
    /// It was handed out.
    Fulfilled,
    /// Its goods and money are let go.
    Releasing,
    /// It came to nothing, and nobody paid.
    Failed,
    /// Money goes back.
    Refunding,
    /// All of it went back.
    Refunded,
}

const STATES: &[(State, &str)] = &[
    (State::Created, "created"),
    (State::Held, "held"),
    (State::Authorizing, "authorizing"),
    (State::Authorized, "authorized"),
    (State::Capturing, "capturing"),
    (State::Captured, "captured"),
    (State::Placed, "placed"),
    (State::HandedOver, "handed_over"),
    (State::Fulfilled, "fulfilled"),
    (State::Releasing, "releasing"),
    (State::Failed, "failed"),
    (State::Refunding, "refunding"),
    (State::Refunded, "refunded"),
];

impl State {
    /// The name it is kept and shown by.
    #[must_use]
    pub fn name(self) -> &'static str {
        STATES.iter().find(|(state, _)| *state == self).map_or("", |(_, name)| name)
    }

    /// The state of a name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        STATES.iter().find(|(_, known)| *known == name).map(|(state, _)| *state)
    }

    /// Its number among the steps.
    #[must_use]
    pub fn number(self) -> u32 {
        (1..).zip(STATES).find(|(_, (state, _))| *state == self).map_or(0, |(number, _)| number)
    }

    /// The state of a number.
    #[must_use]
    pub fn by_number(number: u32) -> Option<Self> {
        (1..).zip(STATES).find(|(known, _)| *known == number).map(|(_, (state, _))| *state)
    }
}

/// A checkout that is asked for.
#[derive(Clone, Debug, Serialize)]
pub struct Wanted {
    /// The order's id, made by the client: the same again is the same order.
    pub id: Id,
    /// The cart.
    pub cart: Id,
    /// The cart's version that the shopper saw.
    pub cart_version: u64,
    /// The total that the shopper saw, in minor units.
    pub total: i64,
    /// How it is paid, in the provider's words.
    pub method: String,
}

/// A web order with all that hangs on it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The row.
    pub order: WebOrder,
    /// The store's code.
    pub store: String,
    /// Its document.
    pub document: SaleDocument,
    /// Its steps: state, when, why.
    pub steps: Vec<(State, UtcMs, Option<String>)>,
    /// What it holds.
    pub holds: Vec<Reservation>,
    /// Its payment, once one was asked for.
    pub payment: Option<web_payments::Payment>,
}

/// Freezes a cart as an order and drives it as far as it goes. The same again shows the order as it stands.
///
/// # Errors
/// A refusal where the cart is another one than the shopper saw, or can't be sold; then nothing happened.
pub fn check_out_cart(hub: &Hub, owner: Id, wanted: &Wanted, now: UtcMs) -> Result<Shown, Fault> {
    let new = begin(hub, owner, wanted, now)?;
    // A repeat leaves an order to whoever drives it now.
    let driven = if new { drive(hub, wanted.id) } else { drive_if_due(hub, wanted.id) };
    if let Err(fault) = driven {
        // The order stands, and is driven on by whoever looks next.
        tracing::warn!(order = %wanted.id, %fault, "a web order waits");
    }
    get(hub, wanted.id)
}

/// Freezes a cart as an order, durably; nothing else is done for it yet. Whether it is new.
pub fn begin(hub: &Hub, owner: Id, wanted: &Wanted, now: UtcMs) -> Result<bool, Fault> {
    payments::check_method(&wanted.method)?;
    let request = request_hash(&(owner, wanted));
    hub.write(|tx, after| {
        if let Some(known) = rows::find(tx, wanted.id)? {
            if known.request == request {
                return Ok(false);
            }
            return Err(Fault::field("/id", Code::IdReused, "this id was used for another checkout"));
        }
        let cart = cart_rows::find_locked(tx, wanted.cart)?.filter(|cart| cart.owner == owner);
        let mut cart = cart.ok_or_else(|| Fault::not_found("cart", &wanted.cart.to_string()))?;
        if cart.state != "open" {
            return Err(carts::closed(&cart));
        }
        let quote = carts::quote(tx, &cart, now)?;
        must_be_as_seen(wanted, cart.row_version, quote.due.total.0)?;
        if quote.due.total > Money::ZERO && !hub.payments.provider.is_there() {
            let detail = "no payment provider is configured: start the hub with --payments";
            return Err(Fault::refused(Code::EngineNotReady, detail));
        }
        let coupon = carts::body(&cart)?.coupon;
        if let Some(code) = &coupon {
            coupons::take(tx, code)?;
        }
        let mut order = frozen(wanted, owner, request, &quote, coupon, now)?;
        order.driver = hub.journal.process();
        order.due_at = Some(saga::lead(hub, now));
        order.no = rows::insert(tx, &order)?;
        rows::add_step(tx, order.no, State::Created.number(), now, None)?;
        "checked_out".clone_into(&mut cart.state);
        cart.web_order = Some(wanted.id);
        cart_rows::save(tx, &cart, now)?;
        after.poke = true;
        Ok(true)
    })
}

/// Checkout freezes a cart version; a change in between is refused with the new total (`facts.md` §4).
fn must_be_as_seen(wanted: &Wanted, version: u64, total: i64) -> Result<(), Fault> {
    if wanted.cart_version != version {
        let detail =
            format!("the cart is at version {version}, not {}; it comes to {total}", wanted.cart_version);
        return Err(Fault::field("/cart_version", Code::CartChanged, detail));
    }
    if wanted.total != total {
        let detail = format!("the cart comes to {total}, not {}", wanted.total);
        return Err(Fault::field("/total", Code::CartChanged, detail));
    }
    Ok(())
}

fn frozen(
    wanted: &Wanted,
    owner: Id,
    request: tradepost_sync::ids::Hash,
    quote: &Quote,
    coupon: Option<String>,
    now: UtcMs,
) -> Result<WebOrder, Fault> {
    let total = quote.due.total;
    let (settings, promotions) = &quote.counter;
    let counter = Counter { settings, promotions, catalog: quote.inputs.catalog, now: Instant(now) };
    // What it will have been paid with once it is an order; until then nobody is shown it as paid.
    let tenders = if total.is_zero() { Vec::new() } else { vec![card(total, wanted.id)] };
    let document = check_out(&quote.basket, counter, tenders).map_err(carts::refused)?;
    let currency = document.inputs.rules.currency;
    Ok(WebOrder {
        no: 0,
        id: wanted.id,
        request,
        owner,
        cart: wanted.cart,
        store: quote.store.no,
        state: State::Created.name().to_owned(),
        reference: reference(wanted.id),
        document: serde_json::to_string(&document).map_err(Fault::internal)?,
        coupon,
        currency: currency.code().to_owned(),
        exponent: currency.exponent,
        total: total.0,
        method: wanted.method.clone(),
        reason: None,
        cancel: false,
        refund: 0,
        placed: false,
        tries: 0,
        driver: 0,
        due_at: None,
        created_at: now,
        changed_at: now,
        traceparent: tradepost_telemetry::current(),
    })
}

fn card(amount: Money, order: Id) -> Tender {
    Tender {
        key: None,
        kind: TenderKind::Card,
        amount,
        foreign: None,
        state: TenderState::Captured,
        reference: Some(order.to_string()),
        pool: None,
        original: None,
    }
}

/// The order's number, as people say it: W and eight characters of its id's hash.
fn reference(id: Id) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let hash = blake3::hash(&id.0);
    let letters = hash.as_bytes().iter().take(8).map(|b| char::from(ALPHABET[usize::from(b & 31)]));
    format!("W-{}", letters.collect::<String>())
}

/// Asks to cancel an order. Before its money is taken it comes to nothing; after that its money goes back; once it was
/// handed over, its custodian decides, and a person is told. Asked again it changes nothing.
pub fn cancel(hub: &Hub, id: Id, reason: &str, now: UtcMs) -> Result<Shown, Fault> {
    hub.write(|tx, after| {
        let mut order = locked(tx, id)?;
        if order.cancel {
            return Ok(());
        }
        let state = state(&order)?;
        match state {
            State::Fulfilled => return Err(Fault::refused(Code::OrderEnded, "it was handed out")),
            State::Releasing | State::Failed | State::Refunding | State::Refunded => return Ok(()),
            State::HandedOver => {
                let detail = format!("order {} should be cancelled at the store: {reason}", order.reference);
                review::add(tx, order.store, "cancel_asked", &id.to_string(), &detail, now)?;
            }
            _ => order.due_at = Some(now),
        }
        order.cancel = true;
        order.reason.get_or_insert_with(|| reason.to_owned());
        rows::save(tx, &order)?;
        after.poke = true;
        Ok(())
    })?;
    if let Err(fault) = drive(hub, id) {
        tracing::warn!(order = %id, %fault, "a web order waits");
    }
    get(hub, id)
}

fn locked(tx: &mut Tx<'_>, id: Id) -> Result<WebOrder, Fault> {
    rows::find_locked(tx, id)?.ok_or_else(|| Fault::not_found("order", &id.to_string()))
}

/// How far an order is.
pub fn state(order: &WebOrder) -> Result<State, Fault> {
    State::by_name(&order.state)
        .ok_or_else(|| Fault::internal(format!("order {} is {}", order.id, order.state)))
}

/// Shows a web order.
pub fn get(hub: &Hub, id: Id) -> Result<Shown, Fault> {
    hub.db.read(|tx| {
        let order = rows::find(tx, id)?.ok_or_else(|| Fault::not_found("order", &id.to_string()))?;
        shown(tx, order)
    })
}

/// Shows an order to whoever's it is; for anybody else there is none.
pub fn get_own(hub: &Hub, owner: Id, id: Id) -> Result<Shown, Fault> {
    let shown = get(hub, id)?;
    if shown.order.owner == owner { Ok(shown) } else { Err(Fault::not_found("order", &id.to_string())) }
}

/// Whose orders are listed.
#[derive(Clone, Debug)]
pub enum Which {
    /// All of them.
    All,
    /// Those of a store, by code.
    Store(String),
    /// Those of an account or guest.
    Owner(Id),
}

/// Orders after a number, in the order of arrival.
pub fn list(hub: &Hub, which: &Which, after: i64, limit: usize) -> Result<Vec<Shown>, Fault> {
    hub.db.read(|tx| {
        let of = match which {
            Which::All => Of::All,
            Which::Store(code) => Of::Store(stores::find(tx, code)?.no),
            Which::Owner(owner) => Of::Owner(*owner),
        };
        let page = rows::list(tx, of, after, limit)?;
        page.into_iter().map(|order| shown(tx, order)).collect()
    })
}

fn shown(tx: &mut Tx<'_>, order: WebOrder) -> Result<Shown, Fault> {
    let store = crate::db::stores::by_no(tx, order.store)?.map(|store| store.code).unwrap_or_default();
    let steps = rows::steps(tx, order.no)?;
    let steps = steps.into_iter().filter_map(|(n, at, why)| Some((State::by_number(n)?, at, why)));
    let (document, holds) = (document(&order)?, holds(tx, order.no)?);
    let payment = web_payments::find(tx, order.id)?;
    Ok(Shown { steps: steps.collect(), order, store, document, holds, payment })
}

/// The reservations of an order, in the order of opening.
fn holds(tx: &mut Tx<'_>, no: i64) -> Result<Vec<Reservation>, Fault> {
    let mut found = Vec::new();
    for id in rows::holds(tx, no)? {
        found.extend(reservations::find(tx, id)?);
    }
    found.sort_by_key(|hold| hold.no);
    Ok(found)
}

/// The frozen document of an order.
pub fn document(order: &WebOrder) -> Result<SaleDocument, Fault> {
    serde_json::from_str(&order.document).map_err(Fault::internal)
}
