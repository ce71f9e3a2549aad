//! Paying a cart tender by tender, and the terminals that take cards.

use super::answer::{Page, Reply, ok};
use super::body::Json;
use super::parse::{self, TenderKindBody};
use super::sales::rfc3339;
use super::staff::ApprovalBody;
use super::state::Shared;
use crate::app::acquire;
use crate::app::clock::Now;
use crate::app::node::Node;
use crate::app::problem::{Answer, Code, Stop, no};
use crate::app::request::Till;
use crate::app::tender::{self, Begun, Payment, TenderRequest, TenderRow};
use crate::app::tender_end::{self, Ask};
use crate::app::tender_paper::{self, Asks, Question, Step};
use crate::app::terminal::{self, Behaviour, Forwards, Said, TIMEOUT_MS, Terminal, TerminalKind};
use crate::app::totals::kind_name;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tradepost_commerce::document::{TenderKind, TenderState};
use tradepost_commerce::money::Money;
use tradepost_commerce::viet_qr::BankAccount;
use tradepost_sync::body::SettledAs;
use tradepost_sync::ids::Id;
use utoipa::{IntoParams, ToSchema};

/// Tenders of a list.
const TENDERS_MAX: usize = 500;

/// A tender that is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CartTenderBody {
    /// Its idempotency key: a UUID of version 7, made by the client.
    pub id: String,
    /// What kind of money.
    pub kind: TenderKindBody,
    /// Minor units; for cash what was handed over, for foreign cash in its own currency.
    pub amount: i64,
    /// The currency of foreign cash.
    pub currency: Option<String>,
    /// What is printed on a voucher or gift card.
    pub code: Option<String>,
    /// Reference of a terminal that isn't connected, or of the bank.
    pub reference: Option<String>,
    /// The till, where it isn't the one that opened the cart.
    pub till: Option<String>,
    /// What the caller thinks the cart comes to.
    pub expected_total: Option<i64>,
    /// Somebody's PIN, for goods that may be sold beyond what is promised here where it is allowed.
    pub approval: Option<ApprovalBody>,
}

/// Where a cart's payment stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct PaymentOut {
    /// The cart.
    pub cart: String,
    /// `open`, `tendering`, `parked`, `paid` or `voided`.
    pub state: &'static str,
    /// ISO 4217.
    pub currency: String,
    /// Decimals of the minor unit.
    pub exponent: u8,
    /// What it comes to.
    pub total: i64,
    /// What the tenders leave, not rounded; below zero it is change.
    pub rest: i64,
    /// What to ask for if the rest is paid in cash; below zero it is change.
    pub cash_due: i64,
    /// Its tenders, in the order in which they were given.
    pub tenders: Vec<TenderRowOut>,
    /// The sale it became.
    pub sale_id: Option<String>,
}

/// A tender.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenderRowOut {
    /// Its idempotency key.
    pub id: String,
    /// What kind of money.
    pub kind: String,
    /// Minor units of the document's currency.
    pub amount: i64,
    /// Where it stands (`facts.md` §4, Tender).
    pub state: &'static str,
    /// The terminal is asked to give it back.
    pub undoing: bool,
    /// Reference of the terminal or of the bank.
    pub reference: Option<String>,
    /// What is printed on the voucher or gift card.
    pub code: Option<String>,
    /// The foreign side.
    pub foreign: Option<ForeignOut>,
    /// What the customer scans to pay.
    pub qr: Option<String>,
    /// The short name under which the bank's list has it.
    pub bill: Option<String>,
    /// What the terminal said where it took nothing.
    pub said: Option<String>,
    /// The till.
    pub till: String,
    /// The cart.
    pub cart: Option<String>,
    /// The document that claims it.
    pub document: Option<String>,
    /// When it was made (RFC 3339).
    pub made_at: String,
}

/// Money of another currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForeignOut {
    /// ISO 4217.
    pub currency: String,
    /// Minor units of that currency.
    pub amount: i64,
    /// Minor units of the document's currency per million of its own.
    pub rate: u64,
}

/// The terminal of a till.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TerminalBody {
    /// What kind; the only one there is behaves as it is told and takes no real money.
    pub kind: TerminalKindBody,
    /// What it does with a card.
    #[serde(default)]
    pub behaviour: BehaviourBody,
    /// Whether its bank can be reached.
    #[serde(default = "yes")]
    pub online: bool,
    /// What becomes of cards it kept.
    #[serde(default)]
    pub forwards: ForwardsBody,
    /// How long the till waits for an answer, in milliseconds.
    #[serde(default = "timeout")]
    pub timeout_ms: u64,
}

/// What kind of terminal.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TerminalKindBody {
    /// A program that behaves like a terminal.
    Simulated,
}

/// What a simulated terminal does with a card.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BehaviourBody {
    /// It takes the money.
    #[default]
    Approve,
    /// It refuses.
    Decline,
    /// It takes the money, and its answer is lost.
    TimeOut,
    /// It never hears the question.
    Forget,
}

/// What becomes of cards that a simulated terminal kept.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForwardsBody {
    /// They are paid.
    #[default]
    Capture,
    /// They are refused.
    Decline,
}

/// How many stored cards found their end.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct ForwardedOut {
    /// Paid.
    pub captured: usize,
    /// Refused, or not known to the terminal any more.
    pub declined: usize,
    /// Still kept.
    pub waiting: usize,
}

/// What the bank's list says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmBody {
    /// `confirmed` or `missing`.
    pub outcome: BankWord,
}

/// What the bank's list says of a transfer.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BankWord {
    /// It has it.
    Confirmed,
    /// It doesn't.
    Missing,
}

/// Where transfers are paid to.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BankAccountBody {
    /// The bank's six digits.
    pub bank: String,
    /// The account, 1 to 19 letters and digits.
    pub account: String,
}

/// Which tenders.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TendersQuery {
    /// `requested`, `stored`, `unconfirmed` or `unknown`; `stored` where none is named.
    pub state: Option<String>,
}

/// Nothing more to say.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

fn yes() -> bool {
    true
}

fn timeout() -> u64 {
    TIMEOUT_MS
}

/// Gives a tender: the first one seals the cart. A card waits for the till's terminal. The same id again answers how it stands.
#[utoipa::path(post, path = "/v1/carts/{id}/tenders", operation_id = "giveTender", tag = "carts", params(("id" = String, Path, description = "UUID")), request_body = CartTenderBody,
    responses((status = 200, description = "Where the payment stands; a declined card is among its tenders", body = PaymentOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn give(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<CartTenderBody>,
) -> Reply {
    let cart = parse::id(&id, "/cart")?;
    let request = parse_tender(cart, &body)?;
    let key = request.key;
    if let Some(code) = request.code.clone().filter(|_| request.kind != TenderKind::Card) {
        shared.cover(|conn| acquire::of_voucher(conn, &code, request.amount)).await;
    }
    let approved = shared.approved(body.approval.as_ref()).await?;
    let work = move |node: &mut Node, now| tender::begin(node, now, &request, approved.as_ref());
    let begun = shared.writer.ask(work).await?;
    if begun.charge.is_some() {
        take_card(&shared, begun, key).await?;
    }
    answer(&shared, &cart)
}

/// Asks the terminal, whoever is still listening: what it says is written down also where the caller has gone.
async fn take_card(shared: &Shared, begun: Begun, key: Id) -> Answer<()> {
    let Begun { charge: Some(charge), timeout_ms } = begun else { return Ok(()) };
    let shared = shared.clone();
    let asked = tokio::spawn(async move {
        let said = shared.writer.ask(move |node, now| terminal::take(node, now, &charge)).await?;
        if said == Said::Nothing {
            tokio::time::sleep(Duration::from_millis(timeout_ms)).await;
        }
        shared.writer.ask(move |node, now| tender_end::heard(node, now, &key, said)).await
    });
    asked.await.map_err(|e| Stop::Fault(crate::db::Fault::Fatal(e.to_string())))?
}

/// Books what a terminal may have to be asked for first: while it gives answers the request goes on, whoever is still
/// listening.
///
/// # Errors
/// Every "no" of the request; `TENDER_UNSETTLED` while nobody knows what a terminal did; or a fault.
pub(super) async fn by_card<T: Send + 'static>(
    shared: &Shared,
    work: impl Fn(&mut Node, Now) -> Answer<Step<T>> + Send + Sync + 'static,
) -> Answer<T> {
    let work = Arc::new(work);
    loop {
        let step = Arc::clone(&work);
        let asks = match shared.writer.ask(move |node, now| step(node, now)).await? {
            Step::Done(done) => return Ok(done),
            Step::Asks(asks) => asks,
        };
        let Asks { key, question, timeout_ms } = asks;
        match question {
            Question::Move(charge) => {
                take_card(shared, Begun { charge: Some(charge), timeout_ms }, key).await?;
            }
            Question::Inquire(ask) => follow(shared, ask, key).await?,
        }
        shared.read(|conn| tender_paper::known(conn, &key))?;
    }
}

/// Undoes card money whose document never came.
///
/// # Errors
/// A fault.
pub async fn undo_abandoned(shared: &Shared) -> Answer<usize> {
    let wall = shared.machine.wall();
    if !shared.read(|conn| tender_paper::any_abandoned(conn, wall))? {
        return Ok(0);
    }
    let asks = shared.writer.ask(tender_paper::abandoned).await?;
    let undone = asks.len();
    for (key, ask) in asks {
        match follow(shared, ask, key).await {
            // Its till has no terminal any more: it waits until there is one.
            Ok(()) | Err(Stop::No(_)) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(undone)
}

fn parse_tender(cart: Id, body: &CartTenderBody) -> Answer<TenderRequest> {
    let currency = body.currency.as_deref().map(|text| parse::currency(text, "/currency")).transpose()?;
    let reference = body.reference.as_deref().map(str::trim).filter(|text| !text.is_empty());
    Ok(TenderRequest {
        key: parse::document_id(&body.id)?,
        cart,
        till: body.till.as_deref().map(Till::parse).transpose()?,
        kind: body.kind.kind(),
        amount: Money(body.amount),
        currency,
        code: body.code.as_deref().map(|c| crate::app::voucher::parse_code(c, "/code")).transpose()?,
        reference: reference.map(|text| parse::short(text, "/reference")).transpose()?,
        expected_total: body.expected_total.map(Money),
    })
}

/// Says where a cart's payment stands.
#[utoipa::path(get, path = "/v1/carts/{id}/tenders", operation_id = "getPayment", tag = "carts", params(("id" = String, Path, description = "UUID")),
    responses((status = 200, description = "Where the payment stands", body = PaymentOut), (status = 404, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn get_payment(State(shared): State<Shared>, Path(id): Path<String>) -> Reply {
    Ok(ok(&shown(&shared, &parse::id(&id, "/cart")?)?))
}

/// Asks the terminal what became of a tender that nobody knows of.
#[utoipa::path(post, path = "/v1/carts/{id}/tenders/{tender}/inquire", operation_id = "inquireTender", tag = "carts", params(("id" = String, Path, description = "UUID"), ("tender" = String, Path, description = "The tender's key")), request_body = Nothing,
    responses((status = 200, description = "Where the payment stands", body = PaymentOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn inquire(
    State(shared): State<Shared>,
    Path((id, key)): Path<(String, String)>,
    Json(_nothing): Json<Nothing>,
) -> Reply {
    let (cart, key) = (parse::id(&id, "/cart")?, parse::id(&key, "/tender")?);
    let ask = shared.writer.ask(move |node, _| tender_end::inquire(node, &cart, &key)).await?;
    follow(&shared, ask, key).await?;
    answer(&shared, &cart)
}

/// Undoes a tender; a card is given back at the terminal first. The cart is open again once all are undone.
#[utoipa::path(post, path = "/v1/carts/{id}/tenders/{tender}/undo", operation_id = "undoTender", tag = "carts", params(("id" = String, Path, description = "UUID"), ("tender" = String, Path, description = "The tender's key")), request_body = Nothing,
    responses((status = 200, description = "Where the payment stands", body = PaymentOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn undo(
    State(shared): State<Shared>,
    Path((id, key)): Path<(String, String)>,
    Json(_nothing): Json<Nothing>,
) -> Reply {
    let (cart, key) = (parse::id(&id, "/cart")?, parse::id(&key, "/tender")?);
    let ask = shared.writer.ask(move |node, now| tender_end::undo(node, now, &cart, &key)).await?;
    follow(&shared, ask, key).await?;
    answer(&shared, &cart)
}

async fn follow(shared: &Shared, ask: Ask, key: Id) -> Answer<()> {
    let said = match ask {
        Ask::Nobody => return Ok(()),
        Ask::Void { till } => shared.writer.ask(move |node, _| terminal::void(node, &till, &key)).await?,
        Ask::Inquire { till } => {
            shared.writer.ask(move |node, _| terminal::inquire(node, &till, &key)).await?
        }
    };
    shared.writer.ask(move |node, now| tender_end::heard(node, now, &key, said)).await
}

/// The cashier saw the transfer on the customer's phone.
#[utoipa::path(post, path = "/v1/carts/{id}/tenders/{tender}/seen", operation_id = "tenderSeen", tag = "carts", params(("id" = String, Path, description = "UUID"), ("tender" = String, Path, description = "The tender's key")), request_body = Nothing,
    responses((status = 200, description = "Where the payment stands", body = PaymentOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn seen(
    State(shared): State<Shared>,
    Path((id, key)): Path<(String, String)>,
    Json(_nothing): Json<Nothing>,
) -> Reply {
    let (cart, key) = (parse::id(&id, "/cart")?, parse::id(&key, "/tender")?);
    shared.writer.ask(move |node, _| tender_end::seen(node, &cart, &key)).await?;
    answer(&shared, &cart)
}

/// Lists tenders that wait for something.
#[utoipa::path(get, path = "/v1/tenders", operation_id = "listTenders", tag = "sales", params(TendersQuery),
    responses((status = 200, description = "Tenders", body = Page<TenderRowOut>), (status = 400, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn list(State(shared): State<Shared>, Query(query): Query<TendersQuery>) -> Reply {
    let state = match query.state.as_deref().unwrap_or("stored") {
        "requested" => TenderState::Requested,
        "stored" => TenderState::Stored,
        "unconfirmed" => TenderState::Unconfirmed,
        "unknown" => TenderState::Unknown,
        other => {
            let detail = format!("{other:?} is no state: requested, stored, unconfirmed, unknown");
            return Err(no(Code::BadQuery, detail).into());
        }
    };
    let rows = shared.read(|conn| tender::waiting(conn, state, TENDERS_MAX))?;
    Ok(ok(&Page { data: rows.iter().map(show_row).collect(), next_cursor: None, has_more: false }))
}

/// Forwards stored cards now; the node does it by itself every few seconds too.
#[utoipa::path(post, path = "/v1/tenders/forward", operation_id = "forwardTenders", tag = "sales", request_body = Nothing,
    responses((status = 200, description = "How many found their end", body = ForwardedOut)))]
pub async fn forward(State(shared): State<Shared>, Json(_nothing): Json<Nothing>) -> Reply {
    Ok(ok(&forward_all(&shared).await?))
}

/// Asks each terminal to forward what it keeps.
///
/// # Errors
/// A fault.
pub async fn forward_all(shared: &Shared) -> Answer<ForwardedOut> {
    let rows = shared.read(|conn| tender::waiting(conn, TenderState::Stored, usize::MAX))?;
    let mut told = ForwardedOut::default();
    for row in rows {
        let (till, key) = (row.till, row.key);
        let asked = shared.writer.ask(move |node, _| terminal::forward(node, &till, &key)).await;
        let said = match asked {
            Ok(said) => said,
            // Its till has no terminal any more: it waits until there is one.
            Err(Stop::No(_)) => Said::Nothing,
            Err(fault) => return Err(fault),
        };
        match shared.writer.ask(move |node, now| tender_end::forwarded(node, now, &key, said)).await? {
            Some(SettledAs::Captured) => told.captured += 1,
            Some(_) => told.declined += 1,
            None => told.waiting += 1,
        }
    }
    Ok(told)
}

/// Says what the bank's list has of a transfer.
#[utoipa::path(post, path = "/v1/tenders/{tender}/confirm", operation_id = "confirmTender", tag = "sales", params(("tender" = String, Path, description = "The tender's key")), request_body = ConfirmBody,
    responses((status = 200, description = "The tender", body = TenderRowOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn confirm(
    State(shared): State<Shared>,
    Path(key): Path<String>,
    Json(body): Json<ConfirmBody>,
) -> Reply {
    let key = parse::id(&key, "/tender")?;
    let how = match body.outcome {
        BankWord::Confirmed => SettledAs::Confirmed,
        BankWord::Missing => SettledAs::Missing,
    };
    let row = shared.writer.ask(move |node, now| tender_end::settle(node, now, &key, how, None)).await?;
    Ok(ok(&show_row(&row)))
}

/// Shows the terminal of a till.
#[utoipa::path(get, path = "/v1/terminals/{till}", operation_id = "getTerminal", tag = "till", params(("till" = String, Path, description = "The till")),
    responses((status = 200, description = "The terminal", body = TerminalBody), (status = 404, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn get_terminal(State(shared): State<Shared>, Path(till): Path<String>) -> Reply {
    let till = Till::parse(&till)?;
    let terminal = shared.read(|conn| Ok(terminal::find(conn, till.name())?))?;
    let terminal =
        terminal.ok_or_else(|| no(Code::NotFound, format!("till {} has no terminal", till.name())))?;
    Ok(ok(&show_terminal(&terminal)))
}

/// Puts a terminal at a till.
#[utoipa::path(put, path = "/v1/terminals/{till}", operation_id = "putTerminal", tag = "till", params(("till" = String, Path, description = "The till")), request_body = TerminalBody,
    responses((status = 200, description = "The terminal", body = TerminalBody), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn put_terminal(
    State(shared): State<Shared>,
    Path(till): Path<String>,
    Json(body): Json<TerminalBody>,
) -> Reply {
    let till = Till::parse(&till)?;
    let terminal = read_terminal(&body);
    let stored = terminal.clone();
    shared.writer.ask(move |node, _| terminal::put(node, till.name(), &stored)).await?;
    Ok(ok(&show_terminal(&terminal)))
}

fn read_terminal(body: &TerminalBody) -> Terminal {
    let TerminalKindBody::Simulated = body.kind;
    Terminal {
        kind: TerminalKind::Simulated,
        behaviour: match body.behaviour {
            BehaviourBody::Approve => Behaviour::Approve,
            BehaviourBody::Decline => Behaviour::Decline,
            BehaviourBody::TimeOut => Behaviour::TimeOut,
            BehaviourBody::Forget => Behaviour::Forget,
        },
        online: body.online,
        forwards: match body.forwards {
            ForwardsBody::Capture => Forwards::Capture,
            ForwardsBody::Decline => Forwards::Decline,
        },
        timeout_ms: body.timeout_ms,
    }
}

fn show_terminal(terminal: &Terminal) -> TerminalBody {
    let TerminalKind::Simulated = terminal.kind;
    TerminalBody {
        kind: TerminalKindBody::Simulated,
        behaviour: match terminal.behaviour {
            Behaviour::Approve => BehaviourBody::Approve,
            Behaviour::Decline => BehaviourBody::Decline,
            Behaviour::TimeOut => BehaviourBody::TimeOut,
            Behaviour::Forget => BehaviourBody::Forget,
        },
        online: terminal.online,
        forwards: match terminal.forwards {
            Forwards::Capture => ForwardsBody::Capture,
            Forwards::Decline => ForwardsBody::Decline,
        },
        timeout_ms: terminal.timeout_ms,
    }
}

/// Shows the account that transfers are paid to.
#[utoipa::path(get, path = "/v1/bank-account", operation_id = "getBankAccount", tag = "till",
    responses((status = 200, description = "The account", body = BankAccountBody), (status = 404, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn get_account(State(shared): State<Shared>) -> Reply {
    let account = shared.read(|conn| Ok(tender::account(conn)?))?;
    let BankAccount { bank, account } =
        account.ok_or_else(|| no(Code::NotFound, "the store has no bank account to be paid to"))?;
    Ok(ok(&BankAccountBody { bank, account }))
}

/// Sets the account that transfers are paid to.
#[utoipa::path(put, path = "/v1/bank-account", operation_id = "putBankAccount", tag = "till", request_body = BankAccountBody,
    responses((status = 200, description = "The account", body = BankAccountBody), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn put_account(State(shared): State<Shared>, Json(body): Json<BankAccountBody>) -> Reply {
    let account = BankAccount { bank: body.bank.clone(), account: body.account.clone() };
    shared.writer.ask(move |node, _| tender::set_account(node, &account)).await?;
    Ok(ok(&body))
}

/// After a step: the payment, and the word of it to those who look at the cart.
fn answer(shared: &Shared, cart: &Id) -> Reply {
    let payment = shown(shared, cart)?;
    shared.tell("cart.updated", format!("{{\"id\":\"{}\",\"state\":\"{}\"}}", payment.cart, payment.state));
    Ok(ok(&payment))
}

fn shown(shared: &Shared, cart: &Id) -> Answer<PaymentOut> {
    let rules = shared.rules()?;
    let wall = shared.machine.wall();
    let now = Now { wall, boot: shared.machine.boot(), trading: wall, tau: None };
    let payment = shared.read(|conn| tender::payment(conn, &rules, now, cart))?;
    let currency = rules.settings.currency;
    let state = super::carts::state_name(payment.state);
    let Payment { cart, total, due, tenders, sale, .. } = payment;
    Ok(PaymentOut {
        cart: cart.to_string(),
        state,
        currency: currency.code().to_owned(),
        exponent: currency.exponent,
        total: total.0,
        rest: due.rest.0,
        cash_due: due.cash_due.0,
        tenders: tenders.iter().map(show_row).collect(),
        sale_id: sale.map(|id| id.to_string()),
    })
}

fn show_row(row: &TenderRow) -> TenderRowOut {
    let transfer = matches!(row.kind, TenderKind::VietQr | TenderKind::BankTransfer);
    TenderRowOut {
        id: row.key.to_string(),
        kind: kind_name(&row.kind).to_owned(),
        amount: row.amount.0,
        state: tender::state_name(row.state),
        undoing: row.undoing,
        reference: row.reference.clone(),
        code: row.code.clone(),
        foreign: row.foreign.as_ref().map(show_foreign),
        qr: row.qr.clone(),
        bill: transfer.then(|| tender::bill(&row.key)),
        said: row.said.clone(),
        till: row.till.clone(),
        cart: row.cart.map(|id| id.to_string()),
        document: row.document.map(|(id, _)| id.to_string()),
        made_at: rfc3339(row.made),
    }
}

pub(super) fn show_foreign(foreign: &tradepost_commerce::document::Foreign) -> ForeignOut {
    ForeignOut { currency: foreign.currency.code().to_owned(), amount: foreign.amount.0, rate: foreign.rate }
}
