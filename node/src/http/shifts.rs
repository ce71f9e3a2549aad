//! Shifts over HTTP: open, cash, X, count, close, Z, and the fiscal journal.

use super::answer::{Page, Reply, created, ok};
use super::body::Json;
use super::parse::{self, Paging};
use super::shift_out::{PerpetualOut, ShiftOut, ZOut, perpetual, show_x, show_z};
use super::staff::ApprovalBody;
use super::state::Shared;
use crate::app::books::Booked;
use crate::app::problem::{Answer, Code, no, no_at};
use crate::app::request::Till;
use crate::app::shift::{self, CashRequest, CloseRequest, Counted, OpenRequest};
use crate::app::staff::Rules;
use crate::app::{drawer, fiscal, shift_recover};
use crate::writer::even_when_full;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use tradepost_commerce::drawer::CashDirection;
use tradepost_commerce::money::{Currency, Money};
use utoipa::ToSchema;

/// Cash that somebody counted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CountedBody {
    /// ISO 4217; the store's own where it is left out.
    pub currency: Option<String>,
    /// Notes and coins; may be left out where only the sum is known.
    #[serde(default)]
    pub by: Vec<DenominationBody>,
    /// The sum, minor units.
    pub total: i64,
}

/// Notes or coins of one value.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DenominationBody {
    /// Value of one, minor units.
    pub value: i64,
    /// How many.
    pub count: u32,
}

/// A shift to be opened.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenBody {
    /// UUID, made by the client: again it changes nothing.
    pub id: String,
    /// What lies in the drawers; the store's own currency must be among them.
    pub floats: Vec<CountedBody>,
}

/// Which way cash goes.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DirectionBody {
    /// Into the drawer.
    In,
    /// Out, for an expense.
    Out,
    /// Out, into the safe.
    SafeDrop,
}

/// Cash that goes in or out without a document.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CashBody {
    /// UUID, made by the client: again it changes nothing.
    pub id: String,
    /// Which way.
    pub direction: DirectionBody,
    /// ISO 4217; the store's own where it is left out.
    pub currency: Option<String>,
    /// Minor units, above zero.
    pub amount: i64,
    /// Why.
    pub reason: String,
    /// Who allows it.
    pub approval: Option<ApprovalBody>,
}

/// A shift to be closed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseBody {
    /// Its number: again for the same shift the same Z is answered.
    pub shift: u32,
    /// What was counted, one of each drawer's currency.
    pub counts: Vec<CountedBody>,
    /// Who allows a difference.
    pub approval: Option<ApprovalBody>,
}

/// A lost node's shift to be closed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoverBody {
    /// What was counted; nothing where documents of a closed one turned up late.
    #[serde(default)]
    pub counts: Vec<CountedBody>,
    /// Who allows it.
    pub approval: Option<ApprovalBody>,
}

/// A drawer to be opened without a sale.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DrawerBody {
    /// UUID, made by the client: again it opens nothing.
    pub id: String,
    /// Why.
    pub reason: String,
    /// Who allows it.
    pub approval: Option<ApprovalBody>,
}

/// A drawer was opened.
#[derive(Debug, Serialize, ToSchema)]
pub struct DrawerOpenedOut {
    /// It is new, and the drawer's pulse is on its way where the till has a printer.
    pub opened: bool,
}

fn currency(shared: &Shared, text: Option<&String>, at: &str) -> Answer<Option<Currency>> {
    let Some(text) = text else { return Ok(None) };
    let settings = &shared.rules()?.settings;
    let known =
        std::iter::once(settings.currency).chain(settings.foreign_rates.iter().map(|rate| rate.currency));
    let found = known.into_iter().find(|currency| currency.code() == text);
    let missing = || no_at(Code::BadCash, at, format!("the store takes no {text}"));
    found.map(Some).ok_or_else(missing)
}

fn counted(shared: &Shared, bodies: &[CountedBody], at: &str) -> Answer<Vec<Counted>> {
    let one = |(index, body): (usize, &CountedBody)| {
        Ok(Counted {
            currency: currency(shared, body.currency.as_ref(), &format!("{at}/{index}/currency"))?,
            by: body.by.iter().map(|one| (Money(one.value), one.count)).collect(),
            total: Money(body.total),
        })
    };
    bodies.iter().enumerate().map(one).collect()
}

/// Opens a shift.
#[utoipa::path(post, path = "/v1/tills/{till}/shift", operation_id = "openShift", tag = "shifts", params(("till" = String, Path, description = "The till")),
    request_body = OpenBody, responses((status = 201, description = "The shift", body = ShiftOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn open(
    State(shared): State<Shared>,
    Path(till): Path<String>,
    Json(body): Json<OpenBody>,
) -> Reply {
    let till = Till::parse(&till)?;
    let request = OpenRequest {
        id: parse::id(&body.id, "/id")?,
        till: till.clone(),
        floats: counted(&shared, &body.floats, "/floats")?,
    };
    shared.writer.ask(move |node, now| shift::open(node, now, &request)).await?;
    Ok(created(&x(&shared, till.name())?))
}

/// Reads the open shift: the X.
#[utoipa::path(get, path = "/v1/tills/{till}/shift", operation_id = "getShift", tag = "shifts", params(("till" = String, Path, description = "The till")),
    responses((status = 200, description = "The shift so far", body = ShiftOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn get_shift(State(shared): State<Shared>, Path(till): Path<String>) -> Reply {
    let till = Till::parse(&till)?;
    Ok(ok(&x(&shared, till.name())?))
}

/// Moves cash in or out.
#[utoipa::path(post, path = "/v1/tills/{till}/shift/cash", operation_id = "moveCash", tag = "shifts", params(("till" = String, Path, description = "The till")),
    request_body = CashBody, responses((status = 201, description = "The shift so far", body = ShiftOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn move_cash(
    State(shared): State<Shared>,
    Path(till): Path<String>,
    Json(body): Json<CashBody>,
) -> Reply {
    let till = Till::parse(&till)?;
    let request = CashRequest {
        id: parse::id(&body.id, "/id")?,
        till: till.clone(),
        direction: match body.direction {
            DirectionBody::In => CashDirection::In,
            DirectionBody::Out => CashDirection::Out,
            DirectionBody::SafeDrop => CashDirection::SafeDrop,
        },
        currency: currency(&shared, body.currency.as_ref(), "/currency")?,
        amount: Money(body.amount),
        reason: reason(&body.reason)?,
    };
    let approved = shared.approved(body.approval.as_ref()).await?;
    shared.writer.ask(move |node, now| shift::move_cash(node, now, &request, approved.as_ref())).await?;
    Ok(created(&x(&shared, till.name())?))
}

/// Opens the drawer without a sale.
#[utoipa::path(post, path = "/v1/tills/{till}/drawer", operation_id = "openDrawer", tag = "shifts", params(("till" = String, Path, description = "The till")),
    request_body = DrawerBody, responses((status = 201, description = "It is written down", body = DrawerOpenedOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn open_drawer(
    State(shared): State<Shared>,
    Path(till): Path<String>,
    Json(body): Json<DrawerBody>,
) -> Reply {
    let request = drawer::DrawerRequest {
        id: parse::id(&body.id, "/id")?,
        till: Till::parse(&till)?,
        reason: reason(&body.reason)?,
    };
    let approved = shared.approved(body.approval.as_ref()).await?;
    let opened =
        shared.writer.ask(move |node, now| drawer::open(node, now, &request, approved.as_ref())).await?;
    Ok(created(&DrawerOpenedOut { opened }))
}

fn reason(text: &str) -> Answer<String> {
    if text.trim().is_empty() {
        return Err(no_at(Code::ReasonMissing, "/reason", "a reason is missing"));
    }
    parse::short(text, "/reason")
}

/// Begins the count of the drawer: nothing is sold into the shift any more.
#[utoipa::path(post, path = "/v1/tills/{till}/shift/count", operation_id = "beginCount", tag = "shifts", params(("till" = String, Path, description = "The till")),
    responses((status = 200, description = "The shift, closing", body = ShiftOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn count(State(shared): State<Shared>, Path(till): Path<String>) -> Reply {
    let till = Till::parse(&till)?;
    let begin = async || {
        let asked = till.clone();
        shared.writer.ask(move |node, _| shift::begin_count(node, &asked)).await
    };
    even_when_full(&shared.writer, begin).await?;
    Ok(ok(&x(&shared, till.name())?))
}

/// Closes the shift: the Z.
#[utoipa::path(post, path = "/v1/tills/{till}/shift/close", operation_id = "closeShift", tag = "shifts", params(("till" = String, Path, description = "The till")),
    request_body = CloseBody, responses((status = 200, description = "The Z", body = ZOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn close(
    State(shared): State<Shared>,
    Path(till): Path<String>,
    Json(body): Json<CloseBody>,
) -> Reply {
    let till = Till::parse(&till)?;
    let close = async || {
        let request = CloseRequest {
            till: till.clone(),
            shift: body.shift,
            counts: counted(&shared, &body.counts, "/counts")?,
        };
        let approved = shared.approved(body.approval.as_ref()).await?;
        shared.writer.ask(move |node, now| shift::close(node, now, &request, approved.as_ref())).await
    };
    let booked = even_when_full(&shared.writer, close).await?;
    metrics::counter!("tradepost_zs_total").increment(1);
    Ok(ok(&show_z(&Booked { synced: false, ..booked })?))
}

/// Closes the shift of a lost node, or makes the supplement of one whose documents turned up late.
#[utoipa::path(post, path = "/v1/tills/{till}/shift/recover", operation_id = "recoverShift", tag = "shifts", params(("till" = String, Path, description = "The till")),
    request_body = RecoverBody, responses((status = 200, description = "The Z", body = ZOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn recover(
    State(shared): State<Shared>,
    Path(till): Path<String>,
    Json(body): Json<RecoverBody>,
) -> Reply {
    let till = Till::parse(&till)?;
    let counts = counted(&shared, &body.counts, "/counts")?;
    let approved = shared.approved(body.approval.as_ref()).await?;
    let recover = move |node: &mut crate::app::Node, now| {
        shift_recover::recover(node, now, &till, &counts, approved.as_ref())
    };
    Ok(ok(&show_z(&shared.writer.ask(recover).await?)?))
}

/// Lists a till's Zs, the last first.
#[utoipa::path(get, path = "/v1/tills/{till}/z", operation_id = "listZs", tag = "shifts", params(("till" = String, Path, description = "The till"), Paging),
    responses((status = 200, description = "A page of Zs", body = Page<ZOut>)))]
pub async fn list_zs(
    State(shared): State<Shared>,
    Path(till): Path<String>,
    Query(paging): Query<Paging>,
) -> Reply {
    let till = Till::parse(&till)?;
    let limit = paging.rows()?;
    let bad = |_| no(Code::BadQuery, "the cursor is none of this list's");
    let below = paging.place()?.map(u32::try_from).transpose().map_err(bad)?;
    let rows = shared.read(|conn| shift::zs(conn, till.name(), below, limit + 1))?;
    let shown = rows.iter().map(show_z).collect::<Answer<Vec<_>>>()?;
    Ok(ok(&Page::cut(shown, limit, |z| z.z.to_string(), |z| z)))
}

/// Reads a Z.
#[utoipa::path(get, path = "/v1/tills/{till}/z/{n}", operation_id = "getZ", tag = "shifts", params(("till" = String, Path, description = "The till"), ("n" = u32, Path, description = "Its number")),
    responses((status = 200, description = "The Z", body = ZOut), (status = 404, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn get_z(State(shared): State<Shared>, Path((till, n)): Path<(String, u32)>) -> Reply {
    let till = Till::parse(&till)?;
    Ok(ok(&show_z(&shared.read(|conn| shift::z(conn, till.name(), n))?)?))
}

fn x(shared: &Shared, till: &str) -> Answer<ShiftOut> {
    shared.read(|conn| {
        let blind = Rules::load(conn)?.policy.blind_count;
        show_x(till, &shift::running(conn, till)?, blind)
    })
}

/// A chain of the fiscal journal.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChainOut {
    /// The till.
    pub till: String,
    /// The series.
    pub series: String,
    /// Entries.
    pub entries: u64,
    /// Hash of the last one, hexadecimal.
    pub hash: String,
    /// The till's totals after it.
    pub totals: PerpetualOut,
    /// Days that were closed.
    pub closures: usize,
}

/// What a check of the fiscal journal found.
#[derive(Debug, Serialize, ToSchema)]
pub struct FiscalCheckOut {
    /// Every entry is what was signed.
    pub whole: bool,
    /// Entries, where it is whole.
    pub entries: u64,
    /// The first bad one.
    pub broken: Option<FiscalBrokenOut>,
}

/// The first bad entry.
#[derive(Debug, Serialize, ToSchema)]
pub struct FiscalBrokenOut {
    /// The till.
    pub till: String,
    /// The series.
    pub series: String,
    /// Its place in the chain.
    pub n: u64,
    /// What is wrong.
    pub why: String,
}

/// Lists the chains of the fiscal journal.
#[utoipa::path(get, path = "/v1/fiscal", operation_id = "listFiscalChains", tag = "shifts",
    responses((status = 200, description = "All chains", body = Page<ChainOut>)))]
pub async fn list_chains(State(shared): State<Shared>) -> Reply {
    let show = |chain: fiscal::Shown| ChainOut {
        till: chain.till,
        series: chain.series,
        entries: chain.head.n,
        hash: tradepost_sync::ids::Hash(chain.head.hash).to_string(),
        totals: perpetual(chain.totals),
        closures: chain.closures,
    };
    let data = shared.read_long(fiscal::all).await?.into_iter().map(show).collect();
    Ok(ok(&Page { data, next_cursor: None, has_more: false }))
}

/// Checks the fiscal journal and names the first bad entry.
#[utoipa::path(get, path = "/v1/fiscal/verify", operation_id = "verifyFiscal", tag = "shifts",
    responses((status = 200, description = "What was found", body = FiscalCheckOut)))]
pub async fn verify(State(shared): State<Shared>) -> Reply {
    let found = shared.read_long(fiscal::check).await?;
    Ok(ok(&match found {
        Ok(entries) => FiscalCheckOut { whole: true, entries, broken: None },
        Err(fiscal::Broken { till, series, n, why }) => FiscalCheckOut {
            whole: false,
            entries: 0,
            broken: Some(FiscalBrokenOut { till, series, n, why }),
        },
    }))
}
