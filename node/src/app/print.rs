//! The print spool: what is asked for is rendered and kept in the database, goes to the till's printer in its order, and
//! waits where there is no paper. What went to a printer before is a copy and says so (`facts.md` §2, `copy.printed`).

use super::books;
use super::clock::Now;
use super::node::Node;
use super::policy::Act;
use super::print_paper;
use super::problem::{Answer, Code, no, no_at};
use super::request::{Till, hash_of};
use super::shift;
use super::staff::{self, Approved, Used};
use crate::db::print::{self as db, GIVEN_UP, JobRow, PRINTED, PrinterRow, SENDING, WAITING};
use rusqlite::Connection;
use serde::Serialize;
use std::sync::Arc;
use tradepost_commerce::esc_pos::drawer_kick;
use tradepost_sync::body::CopyPrinted;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::{Id, derived_id};

/// How long a printer without paper is left alone, and the longest wait of any other one.
const PAPER_WAIT_MS: i64 = 2_000;
const WAIT_MS_MAX: i64 = 30_000;
/// How long printed jobs are remembered.
const KEPT_MS: i64 = 30 * 24 * 3_600_000;
/// Columns of the papers there are.
pub const COLUMNS: std::ops::RangeInclusive<u16> = 24..=64;

/// What is to be printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Document {
    /// The receipt of a sale or the slip of a refund.
    Receipt(Id),
    /// The X of the till's open shift.
    X,
    /// A Z of the till.
    Z(u32),
    /// The sheet that the drawer is counted on.
    CountSheet,
    /// Nothing: the drawer's pulse alone.
    Kick,
}

impl Document {
    /// Its name outside.
    pub fn name(&self) -> &'static str {
        match self {
            Document::Receipt(_) => "receipt",
            Document::X => "x",
            Document::Z(_) => "z",
            Document::CountSheet => "count_sheet",
            Document::Kick => "drawer",
        }
    }

    /// Which one of its kind.
    pub fn subject(&self) -> String {
        match self {
            Document::Receipt(id) => id.to_string(),
            Document::Z(n) => n.to_string(),
            Document::X | Document::CountSheet | Document::Kick => String::new(),
        }
    }

    fn number(&self) -> i64 {
        match self {
            Document::Receipt(_) => 1,
            Document::X => 2,
            Document::Z(_) => 3,
            Document::CountSheet => 4,
            Document::Kick => 5,
        }
    }

    /// What a stored job is about; none for a row that no version wrote.
    pub fn of(job: &JobRow) -> Option<Document> {
        Some(match job.document {
            1 => Document::Receipt(Id::parse(&job.subject).ok()?),
            2 => Document::X,
            3 => Document::Z(job.subject.parse().ok()?),
            4 => Document::CountSheet,
            5 => Document::Kick,
            _ => return None,
        })
    }
}

/// A print that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PrintRequest {
    /// The client's id.
    pub id: Id,
    /// The till whose printer it is.
    pub till: Till,
    /// What.
    pub document: Document,
    /// Whether the drawer opens first.
    pub kick: bool,
}

/// Where a printer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// On the network, `host:port`.
    Tcp(String),
    /// A file of this name in the data directory's folder `printers`.
    File(String),
    /// A device of this machine, e.g. `/dev/usb/lp0`.
    Device(String),
}

impl Target {
    /// Reads `tcp://HOST:PORT`, `file:NAME` or `device:/dev/…lp…`. A name can't lead out of its folder.
    ///
    /// # Errors
    /// `BAD_PRINTER` at `/target`.
    pub fn parse(text: &str) -> Answer<Target> {
        let bad = || {
            let detail = format!("{text:?} is no printer: tcp://HOST:PORT, file:NAME or device:/dev/usb/lp0");
            no_at(Code::BadPrinter, "/target", detail)
        };
        let plain = |name: &str| {
            (1..=64).contains(&name.len())
                && !name.starts_with('.')
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        if let Some(address) = text.strip_prefix("tcp://") {
            let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            let named = address.bytes().all(|b| b.is_ascii_graphic()) && !address.starts_with(':');
            return port.filter(|_| named).map(|_| Target::Tcp(address.to_owned())).ok_or_else(bad);
        }
        if let Some(name) = text.strip_prefix("file:") {
            return plain(name).then(|| Target::File(name.to_owned())).ok_or_else(bad);
        }
        let device = text.strip_prefix("device:").ok_or_else(bad)?;
        let name =
            device.strip_prefix("/dev/usb/").or_else(|| device.strip_prefix("/dev/")).ok_or_else(bad)?;
        let printer = name.starts_with("lp") && plain(name);
        printer.then(|| Target::Device(device.to_owned())).ok_or_else(bad)
    }
}

/// How a printer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrinterState {
    /// Nothing was printed yet.
    Unknown = 0,
    /// It printed.
    Ready = 1,
    /// It has no paper.
    PaperOut = 2,
    /// It doesn't answer.
    Unreachable = 3,
}

impl PrinterState {
    /// Its name outside.
    pub fn name(self) -> &'static str {
        match self {
            PrinterState::Unknown => "unknown",
            PrinterState::Ready => "ready",
            PrinterState::PaperOut => "paper_out",
            PrinterState::Unreachable => "unreachable",
        }
    }

    /// The state of a number.
    pub fn of(number: i64) -> Self {
        match number {
            1 => PrinterState::Ready,
            2 => PrinterState::PaperOut,
            3 => PrinterState::Unreachable,
            _ => PrinterState::Unknown,
        }
    }
}

/// Why nothing was printed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrintFault {
    /// The printer says so.
    #[error("the printer has no paper")]
    PaperOut,
    /// Everything else.
    #[error("{0}")]
    Unreachable(String),
}

/// Asks for a print. The same request again is the same job.
///
/// # Errors
/// `NO_PRINTER`, `NOT_FOUND`, `NO_SHIFT`, `SALE_ID_REUSED`; then nothing was stored. Or a fault.
pub fn ask(node: &mut Node, now: Now, request: &PrintRequest) -> Answer<JobRow> {
    let hash = hash_of(request);
    if let Some(known) = db::by_id(node.conn(), &request.id)? {
        if known.request == hash {
            return Ok(known);
        }
        return Err(no(Code::SaleIdReused, "this id was used for another request"));
    }
    let till = request.till.name();
    let missing = || no_at(Code::NoPrinter, "/till", format!("till {till} has no printer"));
    let printer = db::printer(node.conn(), till)?.ok_or_else(missing)?;
    let (copy, bytes) = render(node, now, till, &printer, &request.document, request.kick)?;
    let mut job = JobRow {
        no: 0,
        id: request.id,
        request: hash,
        till: till.to_owned(),
        document: request.document.number(),
        subject: request.document.subject(),
        copy,
        bytes,
        state: WAITING,
        tries: 0,
        due: now.wall,
        said: String::new(),
        made: now.wall,
        printed: None,
    };
    job.no = db::add(node.conn(), &job)?;
    node.touch();
    Ok(job)
}

/// The bytes of a document; what was sent before is a copy, and that is a fact of its own.
fn render(
    node: &mut Node,
    now: Now,
    till: &str,
    printer: &PrinterRow,
    document: &Document,
    kick: bool,
) -> Answer<(Option<u32>, Vec<u8>)> {
    let rules = Arc::clone(&node.rulebook);
    let columns = usize::from(printer.columns);
    match document {
        Document::Kick => Ok((None, drawer_kick().to_vec())),
        Document::CountSheet => {
            let paper = print_paper::count_sheet(&rules, till, now.trading);
            Ok((None, print_paper::bytes(&paper, columns, kick)?))
        }
        Document::X => {
            node.keep_desks()?;
            let paper = print_paper::x(node.conn(), &rules, till, now.trading)?;
            Ok((None, print_paper::bytes(&paper, columns, kick)?))
        }
        Document::Receipt(id) => {
            let booked = books::find(node.conn(), id)?;
            if print_paper::is_of_training(&booked) {
                let paper = print_paper::of_booked(node.conn(), &rules, &booked, None)?;
                return Ok((None, print_paper::bytes(&paper, columns, false)?));
            }
            let copy = which_copy(node.conn(), id)?;
            let paper = print_paper::of_booked(node.conn(), &rules, &booked, copy)?;
            let bytes = print_paper::bytes(&paper, columns, kick)?;
            note_print(node, now, till, id, copy)?;
            Ok((copy, bytes))
        }
        Document::Z(n) => {
            let booked = shift::z(node.conn(), till, *n)?;
            let id = shift::z_id(&booked);
            let copy = which_copy(node.conn(), &id)?;
            let paper = print_paper::of_z_booked(&rules, till, &booked, copy)?;
            let bytes = print_paper::bytes(&paper, columns, kick)?;
            note_print(node, now, till, &id, copy)?;
            Ok((copy, bytes))
        }
    }
}

/// Which copy the next print of a paper is; none for its first.
fn which_copy(conn: &Connection, id: &Id) -> Answer<Option<u32>> {
    let times = db::times(conn, id)?;
    Ok((times > 0).then_some(times))
}

/// A paper goes to a printer; a copy is a fact.
fn note_print(node: &mut Node, now: Now, till: &str, id: &Id, copy: Option<u32>) -> Answer<()> {
    if let Some(copy) = copy {
        node.write(now, Some(till), None, CopyPrinted { document: *id, copy }.into())?;
    }
    db::set_times(node.conn(), id, copy.unwrap_or(0).saturating_add(1))?;
    node.touch();
    Ok(())
}

/// Sends the drawer's pulse to a till's printer, where it has one.
///
/// # Errors
/// A fault.
pub(crate) fn kick(node: &mut Node, now: Now, till: &Till, because: &Id) -> Answer<()> {
    if db::printer(node.conn(), till.name())?.is_none() {
        return Ok(());
    }
    let mut luck = [0; 8];
    luck.copy_from_slice(&because.0[8..]);
    let id = derived_id(0, &node.head.incarnation, u64::from_be_bytes(luck));
    ask(node, now, &PrintRequest { id, till: till.clone(), document: Document::Kick, kick: true }).map(|_| ())
}

/// Whether a job is due.
///
/// # Errors
/// A fault.
pub fn any_due(conn: &Connection, wall: UtcMs) -> Answer<bool> {
    Ok(!db::next_due(conn, wall)?.is_empty())
}

/// The next job of each printer, noted as being sent; with where it goes.
///
/// # Errors
/// A fault.
pub fn claim(node: &mut Node, now: Now) -> Answer<Vec<(JobRow, String)>> {
    let mut claimed = Vec::new();
    for mut job in db::next_due(node.conn(), now.wall)? {
        let Some(printer) = db::printer(node.conn(), &job.till)?.filter(|_| job.state == WAITING) else {
            continue;
        };
        job.state = SENDING;
        job.tries = job.tries.saturating_add(1);
        db::update(node.conn(), &job)?;
        node.touch();
        claimed.push((job, printer.target));
    }
    Ok(claimed)
}

/// What became of a job that was sent. Answers how its printer is now, where that has changed.
///
/// # Errors
/// A fault.
pub fn settle(
    node: &mut Node,
    now: Now,
    no: i64,
    sent: &Result<(), PrintFault>,
) -> Answer<Option<PrinterState>> {
    let Some(mut job) = db::job(node.conn(), no)?.filter(|job| job.state == SENDING) else { return Ok(None) };
    let (state, said) = match sent {
        Ok(()) => {
            (job.state, job.printed) = (PRINTED, Some(now.wall));
            job.bytes = Vec::new();
            (PrinterState::Ready, String::new())
        }
        Err(fault) => {
            job.state = WAITING;
            let (state, wait) = match fault {
                PrintFault::PaperOut => (PrinterState::PaperOut, PAPER_WAIT_MS),
                PrintFault::Unreachable(_) => {
                    let wait = i64::from(job.tries).saturating_mul(1_000).min(WAIT_MS_MAX);
                    (PrinterState::Unreachable, wait)
                }
            };
            job.due = now.wall + wait;
            (state, fault.to_string())
        }
    };
    job.said.clone_from(&said);
    db::update(node.conn(), &job)?;
    node.touch();
    let before = db::printer(node.conn(), &job.till)?.map(|printer| PrinterState::of(printer.state));
    db::set_state(node.conn(), &job.till, state as i64, &said)?;
    Ok((before != Some(state)).then_some(state))
}

/// After a start: what was being sent may be on paper or not. A receipt or Z of it goes out again, as a copy.
///
/// # Errors
/// A fault.
pub fn after_start(node: &mut Node, now: Now) -> Answer<()> {
    for mut job in db::page(node.conn(), (SENDING, SENDING), i64::MAX, 1_000)? {
        let printer = db::printer(node.conn(), &job.till)?;
        if let (Some(printer), Some(document)) = (printer, Document::of(&job))
            && matches!(document, Document::Receipt(_) | Document::Z(_))
        {
            let till = job.till.clone();
            (job.copy, job.bytes) = render(node, now, &till, &printer, &document, false)?;
        }
        job.state = WAITING;
        job.due = now.wall;
        db::update(node.conn(), &job)?;
    }
    if db::forget_before(node.conn(), now.wall - KEPT_MS)? > 0 {
        tracing::debug!("old print jobs were forgotten");
    }
    node.touch();
    Ok(())
}

/// Tries a waiting job at once.
///
/// # Errors
/// `NOT_FOUND`, `ALREADY_CLOSED`; or a fault.
pub fn retry(node: &mut Node, now: Now, no: i64) -> Answer<JobRow> {
    let mut job = waiting(node.conn(), no)?;
    job.due = now.wall;
    db::update(node.conn(), &job)?;
    node.touch();
    Ok(job)
}

/// Gives a waiting job up.
///
/// # Errors
/// `NOT_FOUND`, `ALREADY_CLOSED`; or a fault.
pub fn give_up(node: &mut Node, no: i64) -> Answer<JobRow> {
    let mut job = waiting(node.conn(), no)?;
    (job.state, job.bytes) = (GIVEN_UP, Vec::new());
    db::update(node.conn(), &job)?;
    node.touch();
    Ok(job)
}

fn waiting(conn: &Connection, number: i64) -> Answer<JobRow> {
    let job = db::job(conn, number)?.ok_or_else(|| no(Code::NotFound, format!("no print job {number}")))?;
    if job.state == WAITING {
        return Ok(job);
    }
    Err(no(Code::AlreadyClosed, format!("print job {number} waits no more")))
}

/// Says where a till prints; none takes its printer away.
///
/// # Errors
/// `APPROVAL_REQUIRED`; or a fault.
pub fn set_printer(
    node: &mut Node,
    now: Now,
    till: &Till,
    printer: Option<(&str, u16)>,
    approved: Option<&Approved>,
) -> Answer<()> {
    if let Some(by) = staff::allow(node, Some(till.name()), Act::Printer, approved)? {
        let reason = printer.map_or("", |(target, _)| target);
        staff::note(node, now, Some(till.name()), &Used { act: Act::Printer, object: None, by, reason })?;
    }
    db::set_printer(node.conn(), till.name(), printer)?;
    node.touch();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printer_is_a_host_a_plain_file_or_a_printing_device() {
        for (text, right) in [
            ("tcp://10.0.0.9:9100", true),
            ("tcp://printer.local:9100", true),
            ("tcp://:9100", false),
            ("tcp://10.0.0.9", false),
            ("file:receipts.bin", true),
            ("file:../tradepost.db", false),
            ("file:/etc/passwd", false),
            ("file:.hidden", false),
            ("device:/dev/usb/lp0", true),
            ("device:/dev/lp1", true),
            ("device:/dev/sda", false),
            ("device:/dev/../etc/passwd", false),
            ("", false),
        ] {
            assert_eq!(Target::parse(text).is_ok(), right, "{text}");
        }
    }
}
