//! The print spool and the printers.

use super::answer::{Page, Reply, created, ok};
use super::body::Json;
use super::parse::{self, Paging};
use super::sales::rfc3339;
use super::staff::ApprovalBody;
use super::state::Shared;
use crate::app::print::{self, COLUMNS, Document, PrintRequest, PrinterState, Target};
use crate::app::problem::{Answer, Code, no, no_at};
use crate::app::request::Till;
use crate::db::print::{self as db, GIVEN_UP, JobRow, PRINTED, PrinterRow, SENDING, WAITING};
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What is to be printed.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentBody {
    /// The receipt of a sale or the slip of a refund.
    Receipt,
    /// The X of the till's open shift.
    X,
    /// A Z of the till.
    Z,
    /// The sheet that the drawer is counted on.
    CountSheet,
}

/// A print that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrintBody {
    /// UUID, made by the client: again it is the same job.
    pub id: String,
    /// The till whose printer it is.
    pub till: String,
    /// What.
    pub document: DocumentBody,
    /// Which one: id of the sale or refund, number of the Z.
    pub of: Option<String>,
    /// Whether the drawer opens first.
    #[serde(default)]
    pub kick: bool,
}

/// A job of the spool.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobOut {
    /// Its number.
    pub no: i64,
    /// The till.
    pub till: String,
    /// `receipt`, `x`, `z`, `count_sheet` or `drawer`.
    pub document: &'static str,
    /// Which one.
    pub of: String,
    /// Which copy it is; none for the first print.
    pub copy: Option<u32>,
    /// `waiting`, `printed` or `given_up`.
    pub state: &'static str,
    /// How often it was tried.
    pub tries: u32,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it was printed (RFC 3339).
    pub printed_at: Option<String>,
}

fn show(job: &JobRow) -> JobOut {
    JobOut {
        no: job.no,
        till: job.till.clone(),
        document: Document::of(job).map_or("unknown", |document| document.name()),
        of: job.subject.clone(),
        copy: job.copy,
        state: match job.state {
            PRINTED => "printed",
            GIVEN_UP => "given_up",
            _ => "waiting",
        },
        tries: job.tries,
        last_error: Some(job.said.clone()).filter(|said| !said.is_empty()),
        printed_at: job.printed.map(rfc3339),
    }
}

/// Asks for a print. What was printed before is printed as a copy and says so.
#[utoipa::path(post, path = "/v1/print-jobs", operation_id = "print", tag = "documents",
    request_body = PrintBody, responses((status = 201, description = "The job", body = JobOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn ask(State(shared): State<Shared>, Json(body): Json<PrintBody>) -> Reply {
    let of =
        || body.of.as_deref().ok_or_else(|| no_at(Code::MissingField, "/of", "which one is to be printed?"));
    let request = PrintRequest {
        id: parse::id(&body.id, "/id")?,
        till: Till::parse(&body.till)?,
        document: match body.document {
            DocumentBody::Receipt => Document::Receipt(parse::id(of()?, "/of")?),
            DocumentBody::X => Document::X,
            DocumentBody::Z => {
                Document::Z(of()?.parse().map_err(|_| no_at(Code::WrongType, "/of", "a Z has a number"))?)
            }
            DocumentBody::CountSheet => Document::CountSheet,
        },
        kick: body.kick,
    };
    let job = shared.writer.ask(move |node, now| print::ask(node, now, &request)).await?;
    Ok(created(&show(&job)))
}

/// Which jobs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct JobsQuery {
    /// `waiting`, `printed` or `given_up`; all where it is left out.
    pub state: Option<String>,
    /// Rows of a page, 1 to 200.
    pub limit: Option<usize>,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// Lists the spool, the last job first.
#[utoipa::path(get, path = "/v1/print-jobs", operation_id = "listPrintJobs", tag = "documents", params(JobsQuery),
    responses((status = 200, description = "A page of jobs", body = Page<JobOut>)))]
pub async fn list_jobs(State(shared): State<Shared>, Query(query): Query<JobsQuery>) -> Reply {
    let states = match query.state.as_deref() {
        None => (WAITING, GIVEN_UP),
        Some("waiting") => (WAITING, SENDING),
        Some("printed") => (PRINTED, PRINTED),
        Some("given_up") => (GIVEN_UP, GIVEN_UP),
        Some(other) => return Err(no(Code::BadQuery, format!("{other:?} is no state of a job")).into()),
    };
    let paging = Paging { limit: query.limit, cursor: query.cursor };
    let (limit, before) = (paging.rows()?, paging.place()?.unwrap_or(i64::MAX));
    let rows = shared.read(|conn| Ok(db::page(conn, states, before, limit + 1)?))?;
    Ok(ok(&Page::cut(rows, limit, |job| job.no.to_string(), |job| show(&job))))
}

/// Tries a waiting job at once.
#[utoipa::path(post, path = "/v1/print-jobs/{no}/retry", operation_id = "retryPrintJob", tag = "documents", params(("no" = i64, Path, description = "Its number")),
    responses((status = 200, description = "The job", body = JobOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn retry(State(shared): State<Shared>, Path(number): Path<i64>) -> Reply {
    Ok(ok(&show(&shared.writer.ask(move |node, now| print::retry(node, now, number)).await?)))
}

/// Gives a waiting job up.
#[utoipa::path(delete, path = "/v1/print-jobs/{no}", operation_id = "giveUpPrintJob", tag = "documents", params(("no" = i64, Path, description = "Its number")),
    responses((status = 200, description = "The job", body = JobOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn give_up(State(shared): State<Shared>, Path(number): Path<i64>) -> Reply {
    Ok(ok(&show(&shared.writer.ask(move |node, _| print::give_up(node, number)).await?)))
}

/// A printer to be set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrinterBody {
    /// `tcp://HOST:PORT`, `device:/dev/usb/lp0`, or `file:NAME` in the data directory's folder `printers`.
    pub target: String,
    /// Columns of its paper, 24 to 64; 42 where it is left out.
    pub columns: Option<u16>,
    /// A manager's PIN, once the store has staff.
    pub approval: Option<ApprovalBody>,
}

/// A till's printer.
#[derive(Debug, Serialize, ToSchema)]
pub struct PrinterOut {
    /// The till.
    pub till: String,
    /// Where it is.
    pub target: String,
    /// Columns of its paper.
    pub columns: u16,
    /// `unknown`, `ready`, `paper_out` or `unreachable`.
    pub state: &'static str,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// Jobs that wait for it.
    pub waiting: u64,
}

fn show_printer(printer: PrinterRow, waiting: u64) -> PrinterOut {
    PrinterOut {
        state: PrinterState::of(printer.state).name(),
        last_error: Some(printer.said).filter(|said| !said.is_empty()),
        till: printer.till,
        target: printer.target,
        columns: printer.columns,
        waiting,
    }
}

/// Lists the printers and how they are.
#[utoipa::path(get, path = "/v1/printers", operation_id = "listPrinters", tag = "documents",
    responses((status = 200, description = "All printers", body = Page<PrinterOut>)))]
pub async fn list_printers(State(shared): State<Shared>) -> Reply {
    let rows = shared.read(|conn| Ok(db::printers(conn)?))?;
    let data = rows.into_iter().map(|(printer, waiting)| show_printer(printer, waiting)).collect();
    Ok(ok(&Page { data, next_cursor: None, has_more: false }))
}

/// Says where a till prints.
#[utoipa::path(put, path = "/v1/printers/{till}", operation_id = "putPrinter", tag = "documents", params(("till" = String, Path, description = "The till")),
    request_body = PrinterBody, responses((status = 200, description = "The printer", body = PrinterOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn put_printer(
    State(shared): State<Shared>,
    Path(till): Path<String>,
    Json(body): Json<PrinterBody>,
) -> Reply {
    let till = Till::parse(&till)?;
    Target::parse(&body.target)?;
    let columns = body.columns.unwrap_or(42);
    if !COLUMNS.contains(&columns) {
        let detail = format!("paper has {} to {} columns", COLUMNS.start(), COLUMNS.end());
        return Err(no_at(Code::BadPrinter, "/columns", detail).into());
    }
    let approved = shared.approved(body.approval.as_ref()).await?;
    let (name, target) = (till.clone(), body.target);
    let set = move |node: &mut crate::app::Node, now| {
        print::set_printer(node, now, &till, Some((&target, columns)), approved.as_ref())
    };
    shared.writer.ask(set).await?;
    Ok(ok(&one_printer(&shared, name.name())?))
}

fn one_printer(shared: &Shared, till: &str) -> Answer<PrinterOut> {
    let missing = || no(Code::NotFound, format!("till {till} has no printer"));
    shared.read(|conn| {
        let found = db::printers(conn)?.into_iter().find(|(printer, _)| printer.till == till);
        found.map(|(printer, waiting)| show_printer(printer, waiting)).ok_or_else(missing)
    })
}

/// Takes a till's printer away; what waits for it waits on.
#[utoipa::path(delete, path = "/v1/printers/{till}", operation_id = "deletePrinter", tag = "documents", params(("till" = String, Path, description = "The till")),
    responses((status = 204, description = "It has none any more"), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn delete_printer(State(shared): State<Shared>, Path(till): Path<String>) -> Reply {
    let till = Till::parse(&till)?;
    shared.writer.ask(move |node, now| print::set_printer(node, now, &till, None, None)).await?;
    let mut response = axum::response::Response::default();
    *response.status_mut() = axum::http::StatusCode::NO_CONTENT;
    Ok(response)
}
