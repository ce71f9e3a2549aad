//! Payments of web orders: the row stands before the provider is asked, no transaction is open while it is asked, and what
//! it says counts once, whether it comes as an answer or as a notice (`facts.md` §4).

use super::{Code, Fault};
use crate::db::web_payments::{self as rows, Payment, Refund};
use crate::db::{Tx, review, stores, web_orders};
use crate::hub::Hub;
use crate::payment::{Kind, Operation, Outcome, Payments};
use std::time::Duration;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Id;

/// How long a provider is waited for where nobody says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(8);
/// Longest name of a method.
const METHOD_CHARS_MAX: usize = 200;

/// Who takes the money, and how long it is waited for.
pub struct Desk {
    /// The provider.
    pub provider: Payments,
    /// How long one answer may take.
    pub patience: Duration,
    /// The secret that notices are signed with; without it none are taken.
    pub secret: Option<Vec<u8>>,
}

impl Default for Desk {
    fn default() -> Self {
        Self { provider: Payments::None, patience: PATIENCE, secret: None }
    }
}

/// What became of what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is done.
    Yes,
    /// The provider said no, for good.
    No(String),
    /// Nobody knows: ask again.
    Unknown(String),
}

/// A payment that is asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its id, made by the client; a checkout's is its order's.
    pub id: Id,
    /// The order it is for.
    pub order: Id,
    /// The store's code.
    pub store: String,
    /// How, in the provider's words.
    pub method: String,
    /// Currency code.
    pub currency: String,
    /// Minor units.
    pub amount: i64,
}

/// A payment with the money that went back.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The row.
    pub payment: Payment,
    /// Its refunds.
    pub refunds: Vec<Refund>,
}

impl Shown {
    /// Minor units that went back.
    #[must_use]
    pub fn refunded(&self) -> i64 {
        self.refunds.iter().filter(|back| back.state == "refunded").map(|back| back.amount).sum()
    }
}

/// Refuses a method that can't be one.
pub fn check_method(method: &str) -> Result<(), Fault> {
    if method.trim().is_empty() || method.chars().count() > METHOD_CHARS_MAX {
        return Err(Fault::field("/method", Code::BadValue, "a method has 1 to 200 characters"));
    }
    Ok(())
}

/// Puts the durable row of a payment in place, in a transaction of the caller's. The same again changes nothing.
pub fn request(tx: &mut Tx<'_>, wanted: &Wanted, now: UtcMs) -> Result<(), Fault> {
    check_method(&wanted.method)?;
    if wanted.amount <= 0 {
        return Err(Fault::field("/amount", Code::BadMoney, "an amount is one minor unit or more"));
    }
    let new = Payment {
        id: wanted.id,
        order: wanted.order,
        store: wanted.store.clone(),
        method: wanted.method.clone(),
        currency: wanted.currency.clone(),
        amount: wanted.amount,
        captured: 0,
        state: "requested".to_owned(),
        reference: None,
        reason: None,
        row_version: 1,
        created_at: now,
        changed_at: now,
    };
    if rows::insert(tx, &new)? {
        return Ok(());
    }
    let known = locked(tx, wanted.id)?;
    let same = (known.order, &known.method, &known.currency, known.amount)
        == (wanted.order, &wanted.method, &wanted.currency, wanted.amount);
    if same { Ok(()) } else { Err(Fault::field("/id", Code::IdReused, "this id is another payment's")) }
}

fn locked(tx: &mut Tx<'_>, id: Id) -> Result<Payment, Fault> {
    rows::find_locked(tx, id)?.ok_or_else(|| Fault::not_found("payment", &id.to_string()))
}

/// Asks the provider to set a requested payment's money aside.
pub fn authorize(hub: &Hub, id: Id, now: UtcMs) -> Result<Settled, Fault> {
    let payment = find(hub, id)?.payment;
    match payment.state.as_str() {
        "requested" => {
            settle(hub, &payment, Kind::Authorize, payment.amount, &Kind::Authorize.key(&id.to_string()), now)
        }
        "declined" | "voiding" | "voided" => Ok(Settled::No(why(&payment))),
        _ => Ok(Settled::Yes),
    }
}

/// Asks the provider to take what was set aside. The intention stands before it is asked.
pub fn capture(hub: &Hub, id: Id, now: UtcMs) -> Result<Settled, Fault> {
    let payment = hub.write(|tx, _| {
        let mut payment = locked(tx, id)?;
        if payment.state == "authorized" && payment.reason.is_none() {
            "capturing".clone_into(&mut payment.state);
            rows::save(tx, &payment, now)?;
        }
        Ok(payment)
    })?;
    match payment.state.as_str() {
        "captured" => Ok(Settled::Yes),
        "capturing" => {
            settle(hub, &payment, Kind::Capture, payment.amount, &Kind::Capture.key(&id.to_string()), now)
        }
        "requested" => Err(Fault::refused(Code::PaymentState, "nothing was set aside yet")),
        _ => Ok(Settled::No(why(&payment))),
    }
}

/// Asks the provider to let go of what was or may be set aside, for good. `No` says that the money was taken before.
pub fn void(hub: &Hub, id: Id, now: UtcMs) -> Result<Settled, Fault> {
    let payment = hub.write(|tx, _| {
        let mut payment = locked(tx, id)?;
        if matches!(payment.state.as_str(), "requested" | "authorized") {
            "voiding".clone_into(&mut payment.state);
            rows::save(tx, &payment, now)?;
        }
        Ok(payment)
    })?;
    match payment.state.as_str() {
        "voided" | "declined" => Ok(Settled::Yes),
        "voiding" => settle(hub, &payment, Kind::Void, payment.amount, &Kind::Void.key(&id.to_string()), now),
        "capturing" => Err(Fault::refused(Code::PaymentState, "it is being captured")),
        _ => Ok(Settled::No("captured".to_owned())),
    }
}

/// Gives `amount` of a payment back, under a key. All that goes back is never more than what was taken.
pub fn refund(hub: &Hub, id: Id, key: &str, amount: i64, now: UtcMs) -> Result<Settled, Fault> {
    let (payment, back) = hub.write(|tx, _| {
        let payment = locked(tx, id)?;
        if let Some(known) = rows::refund(tx, key)? {
            if known.payment != id {
                return Err(Fault::field("/key", Code::IdReused, "this key is another payment's"));
            }
            return Ok((payment, known));
        }
        let before = rows::refunds(tx, id)?;
        let gone: i64 = before.iter().filter(|back| back.state != "declined").map(|back| back.amount).sum();
        if amount <= 0 || amount > payment.captured - gone {
            let left = payment.captured - gone;
            let detail = format!("{amount} can't go back: {left} of {} is left", payment.captured);
            return Err(Fault::field("/amount", Code::PaymentState, detail));
        }
        let state = "requested".to_owned();
        let back = Refund { key: key.to_owned(), payment: id, amount, state, reference: None };
        rows::insert_refund(tx, &back, now)?;
        Ok((payment, back))
    })?;
    match back.state.as_str() {
        "refunded" => Ok(Settled::Yes),
        "declined" => Ok(Settled::No("the provider declined it".to_owned())),
        _ => settle(hub, &payment, Kind::Refund, back.amount, key, now),
    }
}

fn why(payment: &Payment) -> String {
    payment.reason.clone().unwrap_or_else(|| payment.state.clone())
}

/// Asks, and books what is heard.
fn settle(
    hub: &Hub,
    payment: &Payment,
    kind: Kind,
    amount: i64,
    key: &str,
    now: UtcMs,
) -> Result<Settled, Fault> {
    let operation = Operation {
        kind,
        payment: payment.id.to_string(),
        order: payment.order.to_string(),
        amount,
        currency: payment.currency.clone(),
        method: payment.method.clone(),
    };
    let outcome = match hub.payments.provider.ask(key, &operation, hub.payments.patience) {
        Ok(outcome) => outcome,
        Err(unknown) => return Ok(Settled::Unknown(unknown.0)),
    };
    hub.write(|tx, _| {
        let payment = locked(tx, payment.id)?;
        book(tx, payment, kind, key, &outcome, now)
    })?;
    Ok(match outcome {
        Outcome::Done { .. } => Settled::Yes,
        Outcome::Declined { reason } => Settled::No(reason),
    })
}

/// Books what became of an operation, whenever and however often it is heard.
fn book(
    tx: &mut Tx<'_>,
    mut payment: Payment,
    kind: Kind,
    key: &str,
    outcome: &Outcome,
    now: UtcMs,
) -> Result<(), Fault> {
    let before = payment.clone();
    let state = payment.state.as_str();
    match (kind, outcome) {
        (Kind::Authorize, Outcome::Done { reference }) if state == "requested" => {
            "authorized".clone_into(&mut payment.state);
            payment.reference = Some(reference.clone());
        }
        (Kind::Authorize, Outcome::Declined { reason }) if state == "requested" => {
            "declined".clone_into(&mut payment.state);
            payment.reason = Some(reason.clone());
        }
        // Money that was taken is taken, whatever we believed.
        (Kind::Capture, Outcome::Done { reference }) if payment.captured == 0 => {
            "captured".clone_into(&mut payment.state);
            payment.captured = payment.amount;
            payment.reference = Some(reference.clone());
        }
        (Kind::Capture, Outcome::Declined { reason }) if state == "capturing" => {
            "authorized".clone_into(&mut payment.state);
            payment.reason = Some(reason.clone());
        }
        (Kind::Void, Outcome::Done { .. }) if state == "voiding" => {
            "voided".clone_into(&mut payment.state);
        }
        (Kind::Void, Outcome::Declined { .. }) if state == "voiding" => {
            "captured".clone_into(&mut payment.state);
            payment.captured = payment.amount;
        }
        (Kind::Refund, Outcome::Done { reference }) => {
            rows::settle_refund(tx, key, "refunded", Some(reference), now)?;
        }
        (Kind::Refund, Outcome::Declined { reason }) => {
            rows::settle_refund(tx, key, "declined", None, now)?;
            refund_declined(tx, &payment, key, reason, now)?;
        }
        _ => {}
    }
    if payment != before {
        rows::save(tx, &payment, now)?;
    }
    Ok(())
}

fn refund_declined(
    tx: &mut Tx<'_>,
    payment: &Payment,
    key: &str,
    why: &str,
    now: UtcMs,
) -> Result<(), Fault> {
    let store = stores::find(tx, &payment.store)?.map_or(0, |store| store.no);
    let detail = format!("order {}: the provider declined to give money back ({why})", payment.order);
    Ok(review::add(tx, store, "refund_declined", key, &detail, now)?)
}

/// What a provider tells of its own accord.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The notice's own id: repeats have the same.
    pub id: String,
    /// The payment.
    pub payment: Id,
    /// What was done.
    pub kind: Kind,
    /// The key it was asked for under.
    pub key: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// Takes a notice in; whether it was new. Money for an order that nobody knows is listed for a person.
pub fn hear(hub: &Hub, notice: &Notice, now: UtcMs) -> Result<bool, Fault> {
    hub.write(|tx, after| {
        if !rows::take_notice(tx, &notice.id, now)? {
            return Ok(false);
        }
        let Some(payment) = rows::find_locked(tx, notice.payment)? else {
            let detail = format!("the provider tells of {}, which nobody asked for here", notice.key);
            review::add(tx, 0, "unknown_payment", &notice.payment.to_string(), &detail, now)?;
            return Ok(true);
        };
        let order = payment.order;
        book(tx, payment, notice.kind, &notice.key, &notice.outcome, now)?;
        web_orders::due_now(tx, order, now)?;
        after.poke = true;
        Ok(true)
    })
}

/// Shows a payment.
pub fn find(hub: &Hub, id: Id) -> Result<Shown, Fault> {
    hub.db.read(|tx| {
        let payment = rows::find(tx, id)?.ok_or_else(|| Fault::not_found("payment", &id.to_string()))?;
        shown(tx, payment)
    })
}

fn shown(tx: &mut Tx<'_>, payment: Payment) -> Result<Shown, Fault> {
    let refunds = rows::refunds(tx, payment.id)?;
    Ok(Shown { payment, refunds })
}

/// Payments after a place, in the order in which they were asked for.
pub fn list(hub: &Hub, after: (UtcMs, Id), limit: usize) -> Result<Vec<Shown>, Fault> {
    hub.db.read(|tx| {
        let page = rows::list(tx, after, limit)?;
        page.into_iter().map(|payment| shown(tx, payment)).collect()
    })
}
