//! The steps of a web order. Each looks at the row under its lock, does one thing and goes on, in one transaction; the
//! provider is asked between two of them, under keys that make a repeat the same.

use super::{Shown, State, holds, locked, state};
use crate::app::payments::{self, Settled, Wanted as Pay};
use crate::app::{Code, Fault, carts, hub_time, reserve};
use crate::db::outbox::{self, Source};
use crate::db::stores::Store;
use crate::db::web_orders::{self as rows, WebOrder};
use crate::db::{Tx, carts as cart_rows, stores, web_payments};
use crate::hub::{After, Hub};
use crate::payment::Kind;
use tradepost_commerce::calc::Due;
use tradepost_commerce::document::SaleDocument;
use tradepost_sync::clock::{Tau, UtcMs};
use tradepost_sync::ids::{Id, Incarnation, derived_id};

/// How long goods wait to be collected: seven days.
const COLLECT_MS: i64 = 7 * 86_400_000;
/// An authorization that nobody has answered for so long is given up.
const AUTHORIZE_MS_MAX: i64 = 15 * 60_000;
/// What a driver has for one step beside the provider's answer.
const STEP_MS: i64 = 5_000;
/// Rest before the first repeat of a step; it doubles.
const RETRY_MS: i64 = 500;
/// Longest rest.
const RETRY_MS_MAX: i64 = 60_000;
/// Steps driven in one go: more than any order has.
const STEPS_MAX: u32 = 40;
/// Orders driven in one go.
const ORDERS_MAX: usize = 50;

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It went on.
    Moved,
    /// It waits: for the provider, the store, or for another try.
    Waits,
    /// It has come to its end.
    Ended,
}

/// Until when an order is its driver's alone.
pub(super) fn lead(hub: &Hub, now: UtcMs) -> UtcMs {
    let patience = i64::try_from(hub.payments.patience.as_millis()).unwrap_or(STEP_MS);
    now + patience + STEP_MS
}

/// Drives an order as far as it goes.
pub fn drive(hub: &Hub, id: Id) -> Result<Progress, Fault> {
    for _ in 0..STEPS_MAX {
        match advance(hub, id) {
            Ok(Progress::Moved) => {}
            Ok(progress) => return Ok(progress),
            Err(fault) => {
                postpone(hub, id, hub_time(&hub.db)?.ms)?;
                return Err(fault);
            }
        }
    }
    Ok(Progress::Waits)
}

/// Orders that are due: whoever looks may drive them.
pub fn due(hub: &Hub) -> Result<Vec<Id>, Fault> {
    let now = hub_time(&hub.db)?.ms;
    hub.db.read(|tx| Ok(rows::due(tx, now, ORDERS_MAX)?))
}

/// Drives an order that is due, if nobody else does.
pub fn drive_if_due(hub: &Hub, id: Id) -> Result<Progress, Fault> {
    hub.open()?;
    if claim(hub, id, hub_time(&hub.db)?.ms)? { drive(hub, id) } else { Ok(Progress::Waits) }
}

/// Makes an order that is due this process's for a while, so that no two drive it at once; safe if they did.
fn claim(hub: &Hub, id: Id, now: UtcMs) -> Result<bool, Fault> {
    hub.write(|tx, _| {
        let mut order = locked(tx, id)?;
        if order.due_at.is_none_or(|due| due > now) {
            return Ok(false);
        }
        order.driver = hub.journal.process();
        order.due_at = Some(lead(hub, now));
        rows::save(tx, &order)?;
        Ok(true)
    })
}

/// At its start a process goes on with what it drove when it ended; how many orders these are.
pub fn take_up(hub: &Hub) -> Result<u64, Fault> {
    hub.write(|tx, _| Ok(rows::take_up(tx, hub.journal.process())?))
}

/// Takes one step of an order.
pub fn advance(hub: &Hub, id: Id) -> Result<Progress, Fault> {
    let order = hub.db.read(|tx| Ok::<_, Fault>(rows::find(tx, id)?))?;
    let order = order.ok_or_else(|| Fault::not_found("order", &id.to_string()))?;
    let now = hub_time(&hub.db)?;
    let at = state(&order)?;
    let span =
        tracing::info_span!("web order", step = at.name(), order = %id, trace_id = tracing::field::Empty);
    tradepost_telemetry::follow(&span, order.traceparent.as_deref());
    let _within = span.enter();
    let given_up = order.cancel || now.ms - order.created_at > AUTHORIZE_MS_MAX;
    match at {
        State::Created | State::Held | State::Authorizing if order.cancel => {
            release(hub, id, at, "cancelled", now.ms)
        }
        State::Created => hold(hub, &order, now),
        State::Held => step(hub, id, at, now.ms, request_money),
        State::Authorizing => match payments::authorize(hub, id, now.ms)? {
            Settled::Yes => go(hub, id, at, State::Authorized, None, now.ms),
            Settled::No(why) => release(hub, id, at, &why, now.ms),
            Settled::Unknown(_) if given_up => release(hub, id, at, "the provider gave no answer", now.ms),
            Settled::Unknown(why) => wait(hub, id, &why, now.ms),
        },
        State::Authorized => step(hub, id, at, now.ms, still_wanted),
        State::Capturing => match payments::capture(hub, id, now.ms)? {
            Settled::Yes => go(hub, id, at, State::Captured, None, now.ms),
            Settled::No(why) => release(hub, id, at, &why, now.ms),
            Settled::Unknown(why) => wait(hub, id, &why, now.ms),
        },
        State::Captured => step(hub, id, at, now.ms, place),
        State::Placed => step(hub, id, at, now.ms, hand_over),
        State::HandedOver => step(hub, id, at, now.ms, settle),
        State::Releasing => let_go(hub, id, now.ms),
        State::Refunding => give_back(hub, &order, now.ms),
        State::Failed => step(hub, id, at, now.ms, late_money),
        State::Fulfilled | State::Refunded => step(hub, id, at, now.ms, |_| Ok(Progress::Ended)),
    }
}

/// What a step works with.
struct Step<'a, 't, 'c> {
    hub: &'a Hub,
    tx: &'t mut Tx<'c>,
    after: &'t mut After,
    order: WebOrder,
    store: Store,
    now: UtcMs,
}

/// Takes a step under the order's lock, unless somebody else has taken it.
fn step(
    hub: &Hub,
    id: Id,
    from: State,
    now: UtcMs,
    mut job: impl FnMut(&mut Step<'_, '_, '_>) -> Result<Progress, Fault>,
) -> Result<Progress, Fault> {
    hub.write(|tx, after| {
        let order = locked(tx, id)?;
        if state(&order)? != from {
            return Ok(Progress::Moved);
        }
        let store = stores::by_no(tx, order.store)?.ok_or_else(|| Fault::internal("an order of no store"))?;
        let mut step = Step { hub, tx, after, order, store, now };
        let progress = job(&mut step)?;
        if progress == Progress::Ended && step.order.due_at.is_some() {
            step.order.due_at = None;
            rows::save(step.tx, &step.order)?;
        }
        Ok(progress)
    })
}

impl Step<'_, '_, '_> {
    /// Goes on to a state, and says so outward.
    fn go(&mut self, to: State, reason: Option<&str>) -> Result<Progress, Fault> {
        to.name().clone_into(&mut self.order.state);
        if let Some(reason) = reason {
            self.order.reason = Some(reason.to_owned());
        }
        self.order.placed |= to == State::Placed;
        self.order.tries = 0;
        self.order.driver = self.hub.journal.process();
        self.order.due_at = Some(lead(self.hub, self.now));
        self.order.changed_at = self.now;
        rows::save(self.tx, &self.order)?;
        let new = rows::add_step(self.tx, self.order.no, to.number(), self.now, reason)?;
        if new && speaks(to) {
            let seq = outbox::take(self.tx, self.store.stream, 1)?;
            let source = Source::Web { order: self.order.no, step: to.number() };
            outbox::put(self.tx, (self.store.stream, seq), source, self.order.traceparent.clone())?;
        }
        metrics::counter!("tradepost_web_order_steps_total", "step" => to.name()).increment(1);
        self.after.poke = true;
        Ok(Progress::Moved)
    }

    /// Ends what the hub still holds of it: the goods may be promised again.
    fn let_goods_go(&mut self) -> Result<(), Fault> {
        let held = holds(self.tx, self.order.no)?;
        reserve::cancel_all(self.tx, self.after, self.hub, &self.store, &held, self.now)
    }

    /// Gives a coupon's use back.
    fn give_coupon_back(&mut self) -> Result<(), Fault> {
        match &self.order.coupon {
            Some(code) => Ok(cart_rows::give_back_coupon(self.tx, code)?),
            None => Ok(()),
        }
    }

    /// Money goes back: so much.
    fn refund(&mut self, amount: i64, reason: &str) -> Result<Progress, Fault> {
        self.order.refund = amount;
        self.go(State::Refunding, Some(reason))
    }

    fn rest(&mut self) -> Result<Progress, Fault> {
        rest(&mut self.order, self.now);
        rows::save(self.tx, &self.order)?;
        Ok(Progress::Waits)
    }
}

/// Which steps the company hears of.
fn speaks(to: State) -> bool {
    matches!(
        to,
        State::Held | State::Captured | State::Placed | State::Failed | State::Fulfilled | State::Refunded
    )
}

fn go(
    hub: &Hub,
    id: Id,
    from: State,
    to: State,
    reason: Option<&str>,
    now: UtcMs,
) -> Result<Progress, Fault> {
    step(hub, id, from, now, |step| step.go(to, reason))
}

fn release(hub: &Hub, id: Id, from: State, reason: &str, now: UtcMs) -> Result<Progress, Fault> {
    go(hub, id, from, State::Releasing, Some(reason), now)
}

fn wait(hub: &Hub, id: Id, why: &str, now: UtcMs) -> Result<Progress, Fault> {
    tracing::info!(order = %id, why, "a web order waits for the provider");
    postpone(hub, id, now)?;
    Ok(Progress::Waits)
}

fn postpone(hub: &Hub, id: Id, now: UtcMs) -> Result<(), Fault> {
    hub.write(|tx, _| {
        let mut order = locked(tx, id)?;
        rest(&mut order, now);
        Ok(rows::save(tx, &order)?)
    })
}

fn rest(order: &mut WebOrder, now: UtcMs) {
    let pause = RETRY_MS.saturating_mul(1 << order.tries.min(10)).min(RETRY_MS_MAX);
    order.tries = order.tries.saturating_add(1);
    order.due_at = Some(now + pause);
}

/// Takes rights for the whole order at its store, all or none. Goods that aren't there end it.
fn hold(hub: &Hub, order: &WebOrder, now: Tau) -> Result<Progress, Fault> {
    let wanted = wanted(hub, order, now)?;
    for one in &wanted {
        // What others sold beyond their rights is covered before anything is promised (model.md §2).
        reserve::cover(hub, &one.store, &one.sku, now.ms)?;
    }
    let held = step(hub, order.id, State::Created, now.ms, |step| {
        let store = step.store.clone();
        reserve::open_all(step.tx, step.after, step.hub, &store, &wanted, now)?;
        for one in &wanted {
            rows::add_hold(step.tx, step.order.no, one.id)?;
        }
        step.go(State::Held, None)
    });
    match held {
        Err(Fault::Refused {
            code: Code::RightsShort | Code::UnknownSku | Code::BadQuantity,
            detail,
            ..
        }) => release(hub, order.id, State::Created, &detail, now.ms),
        other => other,
    }
}

/// The reservations that an order needs, by ascending item, each with what is paid for it.
fn wanted(hub: &Hub, order: &WebOrder, now: Tau) -> Result<Vec<reserve::Wanted>, Fault> {
    let SaleDocument { inputs, outcome } = super::document(order)?;
    let store = hub
        .db
        .read(|tx| stores::by_no(tx, order.store)?.ok_or_else(|| Fault::internal("an order of no store")))?;
    let due = Due {
        lines: outcome.lines,
        groups: outcome.groups,
        net: outcome.net,
        tax: outcome.tax,
        total: outcome.settlement.total,
        cash_due: outcome.settlement.cash_due,
    };
    let mut units: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    for line in &inputs.lines {
        let base = line.unit.to_base(line.quantity).map_err(Fault::internal)?;
        *units.entry(line.sku.0.clone()).or_default() += u64::try_from(base.0).unwrap_or(0);
    }
    let paid = carts::paid_by_item(&inputs, &due);
    let created = u64::try_from(order.created_at).unwrap_or(0);
    let one = |(n, (sku, units)): (u64, (String, u64))| reserve::Wanted {
        id: derived_id(created, &Incarnation(order.id.0), n),
        store: store.code.clone(),
        prepaid: paid.get(&sku).copied(),
        sku,
        units,
        order: order.id,
        reference: order.reference.clone(),
        expires: now.ms + COLLECT_MS,
        custodian: Some("hub".to_owned()),
    };
    Ok((1..).zip(units).map(one).collect())
}

/// The payment's durable row, before anybody is asked. What costs nothing is as good as paid.
fn request_money(step: &mut Step<'_, '_, '_>) -> Result<Progress, Fault> {
    if step.order.total == 0 {
        return step.go(State::Captured, None);
    }
    let pay = Pay {
        id: step.order.id,
        order: step.order.id,
        store: step.store.code.clone(),
        method: step.order.method.clone(),
        currency: step.order.currency.clone(),
        amount: step.order.total,
    };
    payments::request(step.tx, &pay, step.now)?;
    step.go(State::Authorizing, None)
}

/// Nothing is taken for an order that is cancelled, or whose goods aren't held any more.
fn still_wanted(step: &mut Step<'_, '_, '_>) -> Result<Progress, Fault> {
    if step.order.cancel {
        return step.go(State::Releasing, Some("cancelled"));
    }
    for hold in holds(step.tx, step.order.no)? {
        if !reserve::hub_holds(step.tx, &step.store, &hold)? {
            return step.go(State::Releasing, Some("its goods were given up"));
        }
    }
    step.go(State::Capturing, None)
}

fn place(step: &mut Step<'_, '_, '_>) -> Result<Progress, Fault> {
    if step.order.cancel {
        step.let_goods_go()?;
        return step.refund(step.order.total, "cancelled");
    }
    step.go(State::Placed, None)
}

/// Click and collect: custody goes to the store. A store without a node is waited for.
fn hand_over(step: &mut Step<'_, '_, '_>) -> Result<Progress, Fault> {
    if step.order.cancel {
        step.let_goods_go()?;
        return step.refund(step.order.total, "cancelled");
    }
    let held = holds(step.tx, step.order.no)?;
    match reserve::hand_over_all(step.tx, step.after, step.hub, &step.store, &held, step.now) {
        Ok(()) => step.go(State::HandedOver, None),
        Err(Fault::Refused { code: Code::NotEnrolled | Code::HubRecovering, .. }) => step.rest(),
        Err(fault) => Err(fault),
    }
}

/// What the store did with the goods: the money follows its events.
fn settle(step: &mut Step<'_, '_, '_>) -> Result<Progress, Fault> {
    if step.order.cancel {
        // Where the hub took custody back, it decides itself.
        step.let_goods_go()?;
    }
    let held = holds(step.tx, step.order.no)?;
    let open = held.iter().any(|hold| reserve::state(hold) == "open");
    if open {
        step.order.due_at = None;
        rows::save(step.tx, &step.order)?;
        return Ok(Progress::Waits);
    }
    let back = held.iter().filter(|hold| reserve::state(hold) != "fulfilled");
    let back: i64 = back.map(|hold| hold.prepaid.unwrap_or(0)).sum();
    match back.min(step.order.total) {
        0 => step.go(State::Fulfilled, None),
        amount => step.refund(amount, "the store did not hand it out"),
    }
}

/// Lets go of money and goods, the money first: while nobody knows of the one, the other stays held.
fn let_go(hub: &Hub, id: Id, now: UtcMs) -> Result<Progress, Fault> {
    let asked = hub.db.read(|tx| Ok::<_, Fault>(web_payments::find(tx, id)?.is_some()))?;
    let voided = if asked { payments::void(hub, id, now)? } else { Settled::Yes };
    match voided {
        Settled::Unknown(why) => wait(hub, id, &why, now),
        // The money was taken before it could be let go: it goes back.
        Settled::No(_) => step(hub, id, State::Releasing, now, |step| {
            step.let_goods_go()?;
            let why = step.order.reason.clone().unwrap_or_default();
            step.refund(step.order.total, &why)
        }),
        Settled::Yes => step(hub, id, State::Releasing, now, |step| {
            step.let_goods_go()?;
            step.give_coupon_back()?;
            if !step.order.cancel {
                reopen_cart(step)?;
            }
            let why = step.order.reason.clone();
            step.go(State::Failed, why.as_deref())
        }),
    }
}

/// The shopper may try again, with another method or less of it.
fn reopen_cart(step: &mut Step<'_, '_, '_>) -> Result<(), Fault> {
    let cart = cart_rows::find_locked(step.tx, step.order.cart)?;
    if let Some(mut cart) = cart.filter(|cart| cart.web_order == Some(step.order.id)) {
        "open".clone_into(&mut cart.state);
        cart.web_order = None;
        cart_rows::save(step.tx, &cart, step.now)?;
    }
    Ok(())
}

/// Gives back what is to go back, under one key for the order.
fn give_back(hub: &Hub, order: &WebOrder, now: UtcMs) -> Result<Progress, Fault> {
    let id = order.id;
    let refunded = if order.total == 0 { 0 } else { payments::find(hub, id)?.refunded() };
    let left = order.refund - refunded;
    let settled = match left {
        ..=0 => Settled::Yes,
        _ => payments::refund(hub, id, &Kind::Refund.key(&id.to_string()), left, now)?,
    };
    match settled {
        Settled::Unknown(why) => wait(hub, id, &why, now),
        // A person was told; the money may go back by other means.
        Settled::No(_) => wait(hub, id, "the provider declined to give money back", now),
        Settled::Yes => step(hub, id, State::Refunding, now, |step| {
            if step.order.refund < step.order.total {
                return step.go(State::Fulfilled, None);
            }
            step.let_goods_go()?;
            step.give_coupon_back()?;
            let why = step.order.reason.clone();
            step.go(State::Refunded, why.as_deref())
        }),
    }
}

/// Money that arrives for a dead order goes back (`facts.md` §4).
fn late_money(step: &mut Step<'_, '_, '_>) -> Result<Progress, Fault> {
    let taken = web_payments::find(step.tx, step.order.id)?.map_or(0, |paid| paid.captured);
    if taken > 0 { step.refund(taken, "the money came too late") } else { Ok(Progress::Ended) }
}

impl Shown {
    /// Whether it has come to its end.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(State::by_name(&self.order.state), Some(State::Fulfilled | State::Failed | State::Refunded))
    }
}
