//! Paying a cart tender by tender (`facts.md` §4, Cart and Tender).
//!
//! The first tender seals the cart: what it comes to is frozen until it is paid or every tender is undone. A row with
//! the tender's key is durable before a terminal is asked, so that whatever happens in between can be asked about
//! again. Nothing here waits: whoever asks a terminal does it between [`begin`] and [`super::tender_end::heard`].

use super::carts::{Cart, CartState};
use super::clock::Now;
use super::node::{Node, Rulebook};
use super::problem::{Answer, Code, no, no_at};
use super::request::Till;
use super::sell;
use super::staff::Approved;
use super::tender_caps;
use super::terminal::{self, Charge};
use super::training;
use super::voucher;
use crate::db::tenders::{self, Settlement, TenderLine};
use crate::db::{Fault, meta};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use tradepost_commerce::calc::{Due, total_due};
use tradepost_commerce::checkout::{quote, ready};
use tradepost_commerce::document::{
    Foreign, PoolDraw, RefundDocument, SaleDocument, SaleInputs, Tender, TenderKind, TenderState,
};
use tradepost_commerce::money::{Currency, Money};
use tradepost_commerce::settings::Settings;
use tradepost_commerce::tender::{StillDue, foreign_worth, is_taken, still_due};
use tradepost_commerce::tender_life::{TenderStep, blocks_document, is_unsettled, step};
use tradepost_commerce::viet_qr::{self, BankAccount};
use tradepost_sync::body::{Body, PaymentSettled, SettledAs};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Id;

/// Under which name the store's bank account is kept.
const ACCOUNT_KEY: &str = "bank_account";

/// A tender as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenderRow {
    /// Its idempotency key.
    pub key: Id,
    /// The cart it pays; none for a sale in one call.
    pub cart: Option<Id>,
    /// The document that claims it, and its index there.
    pub document: Option<(Id, u16)>,
    /// The till.
    pub till: String,
    /// When it was made.
    pub made: UtcMs,
    /// What kind of money.
    pub kind: TenderKind,
    /// How much, in the document's currency.
    pub amount: Money,
    /// The foreign side.
    pub foreign: Option<Foreign>,
    /// Where it stands.
    pub state: TenderState,
    /// Reference of the terminal or of the bank.
    pub reference: Option<String>,
    /// What is printed on the voucher or gift card.
    pub code: Option<String>,
    /// The pool it was drawn from.
    pub pool: Option<PoolDraw>,
    /// What the customer scans to pay.
    pub qr: Option<String>,
    /// Why it was refused.
    pub said: Option<String>,
    /// Whether the till's terminal took it.
    pub connected: bool,
    /// The terminal is asked to give it back.
    pub undoing: bool,
}

/// A tender that somebody gives.
#[derive(Clone, Debug)]
pub struct TenderRequest {
    /// Its key, made by the client.
    pub key: Id,
    /// The cart.
    pub cart: Id,
    /// The till, where it isn't the one that opened the cart.
    pub till: Option<Till>,
    /// What kind of money.
    pub kind: TenderKind,
    /// How much: in minor units of the currency that is handed over.
    pub amount: Money,
    /// The currency of foreign cash.
    pub currency: Option<Currency>,
    /// What is printed on a voucher or gift card.
    pub code: Option<String>,
    /// Reference of a terminal that isn't connected, or of the bank.
    pub reference: Option<String>,
    /// What the caller thinks the cart comes to.
    pub expected_total: Option<Money>,
}

/// What has begun.
#[derive(Clone, Debug, Default)]
pub struct Begun {
    /// The terminal is to be asked, once the row is durable.
    pub charge: Option<Charge>,
    /// How long an answer is waited for.
    pub timeout_ms: u64,
}

/// Where a cart's payment stands.
#[derive(Clone, Debug)]
pub struct Payment {
    /// The cart.
    pub cart: Id,
    /// Where the cart stands.
    pub state: CartState,
    /// What it comes to.
    pub total: Money,
    /// What is still due.
    pub due: StillDue,
    /// Its tenders, in the order in which they were given.
    pub tenders: Vec<TenderRow>,
    /// The sale it became.
    pub sale: Option<Id>,
}

fn state_no(state: TenderState) -> i64 {
    match state {
        TenderState::Created => 1,
        TenderState::Requested => 2,
        TenderState::Captured => 3,
        TenderState::Stored => 4,
        TenderState::Unconfirmed => 5,
        TenderState::Unknown => 6,
        _ => 7,
    }
}

impl TenderRow {
    pub(super) fn read(line: &TenderLine) -> Result<Self, Fault> {
        serde_json::from_str(&line.body).map_err(|e| Fault::Fatal(format!("a stored tender: {e}")))
    }

    pub(super) fn save(&self, node: &mut Node) -> Result<(), Fault> {
        let body = serde_json::to_string(self).map_err(|e| Fault::Fatal(format!("a tender: {e}")))?;
        let line = TenderLine {
            key: self.key,
            cart: self.cart,
            document: self.document.map(|(id, _)| id),
            till: self.till.clone(),
            state: state_no(self.state),
            made: self.made,
            body,
        };
        node.touch();
        tenders::store(node.conn(), &line)
    }

    pub(super) fn take(&mut self, step_to: TenderStep) -> Answer<()> {
        self.state = step(&self.kind, self.state, step_to, self.document.is_some())?;
        Ok(())
    }

    /// Whether it pays, or may turn out to have paid.
    pub(super) fn is_live(&self) -> bool {
        is_taken(self.state) || blocks_document(self.state)
    }

    /// As it stands in a document.
    fn tender(&self) -> Tender {
        Tender {
            key: Some(self.key.0),
            kind: self.kind.clone(),
            amount: self.amount,
            foreign: self.foreign,
            state: self.state,
            reference: self.reference.clone().or_else(|| self.code.clone()),
            pool: self.pool.clone(),
            original: None,
        }
    }
}

/// A tender by its key.
///
/// # Errors
/// `NOT_FOUND`, or a fault.
pub fn find(conn: &Connection, key: &Id) -> Answer<TenderRow> {
    let line = tenders::find(conn, key)?.ok_or_else(|| no(Code::NotFound, format!("no tender {key}")))?;
    Ok(TenderRow::read(&line)?)
}

/// The tenders of a cart, in the order in which they were given.
///
/// # Errors
/// A fault.
pub fn of_cart(conn: &Connection, cart: &Id) -> Answer<Vec<TenderRow>> {
    Ok(tenders::of_cart(conn, cart)?.iter().map(TenderRow::read).collect::<Result<_, _>>()?)
}

/// Tenders in a state that waits for something.
///
/// # Errors
/// A fault.
pub fn waiting(conn: &Connection, state: TenderState, limit: usize) -> Answer<Vec<TenderRow>> {
    let lines = tenders::waiting(conn, state_no(state), limit)?;
    Ok(lines.iter().map(TenderRow::read).collect::<Result<_, _>>()?)
}

/// Tenders that were taken and that no document claims yet.
pub(super) fn unclaimed(conn: &Connection) -> Result<Vec<TenderRow>, Fault> {
    tenders::unclaimed(conn)?.iter().map(TenderRow::read).collect()
}

/// Where a cart's payment stands. `now` matters only to a cart that is not sealed.
///
/// # Errors
/// `NOT_FOUND`, or a fault.
pub fn payment(conn: &Connection, rules: &Rulebook, now: Now, cart: &Id) -> Answer<Payment> {
    let cart = Cart::load(conn, cart)?;
    let tenders = of_cart(conn, &cart.id)?;
    let total = match &cart.sealed {
        Some(sealed) => total_due(sealed).map(|due| due.total),
        None => quote(&cart.basket, Node::counter(rules, now)).map(|(_, due)| due.total),
    };
    // An empty cart comes to nothing.
    let total = total.unwrap_or(Money::ZERO);
    let given: Vec<Tender> = tenders.iter().map(TenderRow::tender).collect();
    let rules = cart.sealed.as_ref().map_or_else(|| rules.settings.rules(), |sealed| sealed.rules.clone());
    let due = still_due(total, &given, &rules).map_err(|e| no(Code::BadMoney, e.to_string()))?;
    Ok(Payment { cart: cart.id, state: cart.state, total, due, tenders, sale: cart.sale })
}

/// Begins a tender: the cart is sealed and the row stands. Again under the same key nothing happens.
///
/// # Errors
/// Every "no" of a sale that comes before money, `CART_CLOSED`, `TOTAL_CHANGED`, `BAD_MONEY` beyond what is left,
/// `TENDER_NOT_TAKEN`, `OVER_FLOOR_LIMIT`, `OVER_STORED_SUM`, `OVER_QUOTA`; then nothing was stored. Or a fault.
pub fn begin(
    node: &mut Node,
    now: Now,
    request: &TenderRequest,
    approved: Option<&Approved>,
) -> Answer<Begun> {
    if let Some(line) = tenders::find(node.conn(), &request.key)? {
        let row = TenderRow::read(&line)?;
        if row.cart == Some(request.cart) && row.kind == request.kind {
            return Ok(Begun::default());
        }
        return Err(no(Code::SaleIdReused, "this id was used for another tender"));
    }
    let mut cart = Cart::load(node.conn(), &request.cart)?;
    let till = match &request.till {
        Some(till) => till.name().to_owned(),
        None => cart.till.clone(),
    };
    let who = sell::Asker { till: &till, approved };
    let (inputs, due) = seal(node, now, &cart, request.expected_total, who)?;
    training::same_as_till(node, &cart, &till)?;
    let practised = cart.training.then(|| training::tender(request)).transpose()?;
    if !cart.training {
        super::shift_desk::at_counter(node, now, &till)?;
    }
    let mut row = new_row(node, now, practised.as_ref().unwrap_or(request), till)?;
    fits(&of_cart(node.conn(), &cart.id)?, &row, &due, &inputs)?;
    let mut begun = Begun::default();
    match (&row.kind, row.connected) {
        (TenderKind::Card, true) => {
            begun = charge(node, &row)?;
            row.take(TenderStep::Ask)?;
        }
        (TenderKind::VietQr | TenderKind::BankTransfer, _) if !cart.training => row.take(TenderStep::Ask)?,
        (TenderKind::Cash | TenderKind::ForeignCash, _) => row.take(TenderStep::Taken)?,
        _ => {
            row.take(TenderStep::Ask)?;
            row.take(TenderStep::Taken)?;
        }
    }
    if cart.state != CartState::Tendering {
        cart.state = CartState::Tendering;
        cart.sealed = Some(Box::new(inputs));
        cart.save(node, now)?;
    }
    row.save(node)?;
    Ok(begun)
}

/// What the cart is paid by: what its first tender froze, or what this one freezes.
fn seal(
    node: &mut Node,
    now: Now,
    cart: &Cart,
    expected: Option<Money>,
    who: sell::Asker<'_>,
) -> Answer<(SaleInputs, Due)> {
    cart.must_be(&[CartState::Open, CartState::Tendering])?;
    let (inputs, due) = match &cart.sealed {
        Some(sealed) => (sealed.as_ref().clone(), total_due(sealed)?),
        None => {
            if cart.basket.lines.is_empty() {
                return Err(no(Code::CartEmpty, "there is nothing in the cart"));
            }
            let rulebook = Arc::clone(&node.rulebook);
            let made = ready(&cart.basket, Node::counter(&rulebook, now))?;
            if !cart.training {
                sell::may_promise(node, now, &made.0, &cart.id, who)?;
            }
            made
        }
    };
    match expected {
        Some(expected) if expected != due.total => {
            let currency = inputs.rules.currency;
            let detail = format!("it comes to {}, not {}", due.total.text(currency), expected.text(currency));
            Err(no_at(Code::TotalChanged, "/expected_total", detail))
        }
        _ => Ok((inputs, due)),
    }
}

fn new_row(node: &mut Node, now: Now, request: &TenderRequest, till: String) -> Answer<TenderRow> {
    let rulebook = Arc::clone(&node.rulebook);
    let settings = &rulebook.settings;
    let terminal = terminal::find(node.conn(), &till)?;
    let connected = request.kind == TenderKind::Card && request.reference.is_none() && terminal.is_some();
    if request.kind == TenderKind::Card && request.reference.is_none() && !connected {
        let detail = format!("till {till} has no terminal: name the reference of the one that took the card");
        return Err(no_at(Code::TenderNotTaken, "/reference", detail));
    }
    let mut row = TenderRow {
        key: request.key,
        cart: Some(request.cart),
        document: None,
        till,
        made: now.wall,
        kind: request.kind.clone(),
        amount: request.amount,
        foreign: None,
        state: TenderState::Created,
        reference: request.reference.clone(),
        code: request.code.clone(),
        pool: None,
        qr: None,
        said: None,
        connected,
        undoing: false,
    };
    match row.kind {
        TenderKind::ForeignCash => {
            let foreign = foreign_of(settings, request.currency, request.amount, "/currency")?;
            row.amount = foreign_worth(&foreign, settings.rounding)
                .map_err(|e| no_at(Code::BadMoney, "/amount", e.to_string()))?;
            row.foreign = Some(foreign);
        }
        TenderKind::Voucher | TenderKind::GiftCard => {
            let code = request
                .code
                .as_deref()
                .ok_or_else(|| no_at(Code::MissingField, "/code", "what is printed on it is missing"))?;
            row.pool = voucher::draw(node, code, request.amount, "/amount")?;
        }
        TenderKind::VietQr => row.qr = Some(qr(node, settings, request)?),
        _ => {}
    }
    Ok(row)
}

/// What a tender may be beside those that were given: above nothing, and nothing but cash above what is left.
fn fits(given: &[TenderRow], row: &TenderRow, due: &Due, inputs: &SaleInputs) -> Answer<()> {
    let pending = |row: &TenderRow| Tender { state: TenderState::Captured, ..row.tender() };
    let live: Vec<Tender> = given.iter().filter(|row| row.is_live()).map(pending).collect();
    let left = still_due(due.total, &live, &inputs.rules)
        .map_err(|e| no_at(Code::BadMoney, "/amount", e.to_string()))?;
    let currency = inputs.rules.currency;
    if row.amount.0 <= 0 {
        return Err(no_at(Code::BadMoney, "/amount", "an amount above zero"));
    }
    let cash = matches!(row.kind, TenderKind::Cash | TenderKind::ForeignCash);
    let nothing_left = left.rest.0 <= 0;
    if nothing_left || (!cash && row.amount > left.rest) {
        let (asked, rest) = (row.amount.text(currency), left.rest.max(Money::ZERO).text(currency));
        return Err(no_at(
            Code::BadMoney,
            "/amount",
            format!("{asked} is more than the {rest} that is left"),
        ));
    }
    Ok(())
}

/// What the terminal is asked; offline only what it may keep.
fn charge(node: &Node, row: &TenderRow) -> Answer<Begun> {
    let missing = || no(Code::NotFound, format!("till {} has no terminal", row.till));
    let terminal = terminal::find(node.conn(), &row.till)?.ok_or_else(missing)?;
    if !terminal.online {
        tender_caps::may_store_more(node, row.amount)?;
    }
    let charge = Charge { key: row.key, till: row.till.clone(), amount: row.amount };
    Ok(Begun { charge: Some(charge), timeout_ms: terminal.timeout_ms })
}

fn foreign_of(
    settings: &Settings,
    currency: Option<Currency>,
    amount: Money,
    pointer: &str,
) -> Answer<Foreign> {
    let currency =
        currency.ok_or_else(|| no_at(Code::MissingField, pointer, "foreign cash needs its currency"))?;
    let rate = settings.foreign_rates.iter().find(|rate| rate.currency == currency);
    let rate = rate.ok_or_else(|| {
        no_at(Code::NotForThisTender, pointer, format!("the store has no rate for {}", currency.code()))
    })?;
    Ok(Foreign { currency, amount, rate: rate.rate })
}

/// The account that transfers are paid to.
///
/// # Errors
/// [`Fault`].
pub fn account(conn: &Connection) -> Result<Option<BankAccount>, Fault> {
    meta::get(conn, ACCOUNT_KEY)
}

/// Sets the account that transfers are paid to.
///
/// # Errors
/// `WRONG_TYPE` for what no bank has; or a fault.
pub fn set_account(node: &mut Node, account: &BankAccount) -> Answer<()> {
    viet_qr::payment(account, Money(1), Currency::VND, "TEST").map_err(|bad| {
        let pointer = if matches!(bad, viet_qr::BadVietQr::Bank { .. }) { "/bank" } else { "/account" };
        no_at(Code::WrongType, pointer, bad.to_string())
    })?;
    meta::set(node.conn(), ACCOUNT_KEY, account)?;
    node.touch();
    Ok(())
}

/// The bill number is the tender's short name, by which the bank's list is matched.
fn qr(node: &Node, settings: &Settings, request: &TenderRequest) -> Answer<String> {
    let to = account(node.conn())?
        .ok_or_else(|| no(Code::NoBankAccount, "the store has no bank account to be paid to"))?;
    viet_qr::payment(&to, request.amount, settings.currency, &bill(&request.key))
        .map_err(|bad| no_at(Code::NotForThisTender, "/amount", bad.to_string()))
}

/// A tender's short name.
pub fn bill(key: &Id) -> String {
    let text = key.to_string().replace('-', "").to_uppercase();
    format!("TP{}", &text[text.len() - 10..])
}

/// What pays a sealed cart: its tenders that were taken, and those that come with the checkout.
///
/// # Errors
/// `TENDER_UNSETTLED` while nobody knows of one whether it pays; or a fault.
pub(crate) fn paying(node: &Node, cart: &Id, more: Vec<Tender>) -> Answer<(Vec<TenderRow>, Vec<Tender>)> {
    let rows = of_cart(node.conn(), cart)?;
    if let Some(open) = rows.iter().find(|row| row.undoing || blocks_document(row.state)) {
        let detail = format!("tender {} is {}", open.key, state_name(open.state));
        return Err(no(Code::TenderUnsettled, detail));
    }
    let rows: Vec<TenderRow> = rows.into_iter().filter(|row| is_taken(row.state)).collect();
    let tenders = rows.iter().map(TenderRow::tender).chain(more).collect();
    Ok((rows, tenders))
}

/// The rows are claimed by a document from now on.
pub(crate) fn claimed(node: &mut Node, rows: Vec<TenderRow>, document: Id) -> Answer<()> {
    for (index, mut row) in (0_u16..).zip(rows) {
        row.document = Some((document, index));
        row.save(node)?;
    }
    Ok(())
}

/// Tenders of a sale in one call that wait for their money get rows too, so that their end can be told.
pub(crate) fn wait_for(node: &mut Node, now: Now, till: &str, id: Id, sale: &SaleDocument) -> Answer<()> {
    for (index, tender) in (0_u16..).zip(&sale.inputs.tenders) {
        if !is_unsettled(tender.state) || tender.key.is_some() {
            continue;
        }
        let row = TenderRow {
            key: super::shift_z::derived_key(id.0, index),
            cart: None,
            document: Some((id, index)),
            till: till.to_owned(),
            made: now.wall,
            kind: tender.kind.clone(),
            amount: tender.amount,
            foreign: None,
            state: tender.state,
            reference: tender.reference.clone(),
            code: None,
            pool: None,
            qr: None,
            said: None,
            connected: false,
            undoing: false,
        };
        row.save(node)?;
    }
    Ok(())
}

/// Fills in what only the node knows: rates of foreign cash, and what may be drawn from vouchers and gift cards.
///
/// # Errors
/// `NOT_FOR_THIS_TENDER`, `OVER_QUOTA`, each at its tender; or a fault.
pub(crate) fn complete(node: &mut Node, tenders: &mut [Tender]) -> Answer<()> {
    let rulebook = Arc::clone(&node.rulebook);
    let mut drawn: BTreeMap<String, Money> = BTreeMap::new();
    for (index, tender) in tenders.iter_mut().enumerate() {
        let at = |field: &str| format!("/tenders/{index}/{field}");
        if let Some(asked) = tender.foreign {
            let foreign =
                foreign_of(&rulebook.settings, Some(asked.currency), asked.amount, &at("currency"))?;
            tender.amount = foreign_worth(&foreign, rulebook.settings.rounding)
                .map_err(|e| no_at(Code::BadMoney, at("amount"), e.to_string()))?;
            tender.foreign = Some(foreign);
        }
        if let Some(draw) = tender.pool.take() {
            // The same voucher twice in one sale is not there twice.
            let sum = drawn.entry(draw.pool.clone()).or_insert(Money::ZERO);
            *sum = sum.plus(tender.amount).map_err(|e| no_at(Code::BadMoney, at("amount"), e.to_string()))?;
            let whole = voucher::draw(node, &draw.pool, *sum, &at("amount"))?;
            tender.pool = whole.map(|whole| PoolDraw { used: tender.amount, ..whole });
            tender.reference = Some(draw.pool);
        }
    }
    Ok(())
}

/// Folds what any log says of payments into the tables: for the own log and everybody else's.
///
/// # Errors
/// [`Fault`].
pub(crate) fn note(conn: &Connection, body: &Body) -> Result<(), Fault> {
    match body {
        Body::PaymentSettled(settled) => note_settled(conn, settled),
        Body::ReceivableCollected(paid) => tenders::collect(conn, &paid.key, &paid.sale_id, paid.amount.0),
        Body::SaleCommitted(sale) => voucher::sold(conn, &sale.document),
        Body::RefundCommitted(refund) => {
            voucher::refunded(conn, &refund.document)?;
            note_given_back(conn, &refund.document)
        }
        _ => Ok(()),
    }
}

fn note_given_back(conn: &Connection, refund: &RefundDocument) -> Result<(), Fault> {
    let Some(original) = &refund.inputs.original else { return Ok(()) };
    for tender in &refund.inputs.tenders {
        if let Some(index) = tender.original {
            tenders::give_back(conn, &Id(original.sale_id), index, tender.amount.0.saturating_neg())?;
        }
    }
    Ok(())
}

fn note_settled(conn: &Connection, settled: &PaymentSettled) -> Result<(), Fault> {
    let Some(document) = settled.document else { return Ok(()) };
    let kind = serde_json::to_string(&settled.kind).map_err(|e| Fault::Fatal(e.to_string()))?;
    let outcome = match settled.outcome {
        SettledAs::Captured => 1,
        SettledAs::Declined => 2,
        SettledAs::Expired => 3,
        SettledAs::Confirmed => 4,
        SettledAs::Missing => 5,
        SettledAs::Voided => 6,
    };
    let done = Settlement { key: settled.key, document, outcome, kind, amount: settled.amount.0 };
    tenders::settle(conn, &done)
}

/// Where the tenders of a document stand by now, by index; those that never waited are as the document says.
///
/// # Errors
/// A fault.
pub fn states(conn: &Connection, id: &Id, tenders_of: &[Tender]) -> Result<Vec<TenderState>, Fault> {
    let done = tenders::settlements(conn, id)?;
    let by_now = |(index, tender): (u16, &Tender)| {
        let key = tender.key.map_or_else(|| super::shift_z::derived_key(id.0, index), Id);
        match done.iter().find(|one| one.key == key).map(|one| one.outcome) {
            Some(1) => TenderState::Captured,
            Some(2) => TenderState::Declined,
            Some(3) => TenderState::Expired,
            Some(4) => TenderState::Confirmed,
            Some(5) => TenderState::Missing,
            Some(6) => TenderState::Voided,
            _ => tender.state,
        }
    };
    Ok((0_u16..).zip(tenders_of).map(by_now).collect())
}

/// A state's name outside.
pub fn state_name(state: TenderState) -> &'static str {
    match state {
        TenderState::Created => "created",
        TenderState::Requested => "requested",
        TenderState::Captured => "captured",
        TenderState::Stored => "stored",
        TenderState::Unconfirmed => "unconfirmed",
        TenderState::Unknown => "unknown",
        TenderState::Declined => "declined",
        TenderState::Voided => "voided",
        TenderState::Confirmed => "confirmed",
        TenderState::Missing => "missing",
        TenderState::Expired => "expired",
    }
}
