//! The fiscal journal at the node: every document of a till, copy, drawer opening and Z is an entry of the chain of its
//! till and series, signed by the device key, in the document's own transaction (`facts.md` §4). Nothing is certified.

use super::node::Node;
use super::problem::{Answer, Code, Stop, no};
use super::{shift_desk, shift_z};
use crate::db::incarnations::{self, Part};
use crate::db::{Fault, events, fiscal as db, shifts};
use rusqlite::Connection;
use sha2::{Digest, Sha256};
use tradepost_commerce::fiscal::{
    ChainName, DayClosure, FiscalChain, FiscalEntry, FiscalHead, FiscalKind, Witness, verify, verify_closures,
};
use tradepost_commerce::money::Money;
use tradepost_commerce::shift::{Perpetual, Shift};
use tradepost_sync::body::{self, Body, ShiftClosed};
use tradepost_sync::event::Event;
use tradepost_sync::ids::Hash;
use tradepost_sync::signing::{DeviceKey, verify_fiscal};

/// Who else signs a chain's entries. The device key always does; a certified device is put beside it here, and its
/// falling silent is an entry of its own ([`FiscalKind::SigningDeviceDown`]).
pub(crate) enum Signer<'a> {
    /// The node's own key.
    Device(&'a tradepost_sync::signing::Device),
}

impl Signer<'_> {
    fn sign(&self, hash: &[u8; 32]) -> Vec<u8> {
        match self {
            Signer::Device(device) => device.sign_fiscal(hash).to_vec(),
        }
    }
}

/// What an event is to the fiscal journal, with the gross that counts; none for all that is no paper of a till.
fn entry_of(body: &Body) -> Answer<Option<(FiscalKind, Money)>> {
    Ok(Some(match body {
        Body::SaleCommitted(sale) => (FiscalKind::Sale, turnover(sale.document.inputs.rules.currency, body)?),
        Body::RefundCommitted(back) => {
            (FiscalKind::Refund, turnover(back.document.inputs.rules.currency, body)?)
        }
        Body::ReceivableCollected(_) => (FiscalKind::Receivable, Money::ZERO),
        Body::CopyPrinted(_) => (FiscalKind::Copy, Money::ZERO),
        Body::DrawerOpened(_) => (FiscalKind::DrawerOpened, Money::ZERO),
        Body::ShiftClosed(_) => (FiscalKind::Z, Money::ZERO),
        _ => return Ok(None),
    }))
}

/// What a document adds to turnover, as a Z counts it: vouchers sold are none.
fn turnover(currency: tradepost_commerce::money::Currency, body: &Body) -> Answer<Money> {
    let mut alone = Shift::supplement(0, currency, 0);
    shift_desk::take(&mut alone, body, None).map_err(shift_desk::refused)?;
    alone.report().takings().map_err(|e| no(Code::BadMoney, e.to_string()))
}

/// Enters an event of a till into its chain.
///
/// # Errors
/// A fault.
pub(crate) fn enter(node: &mut Node, place: i64, event: &Event, till: &str, body: &Body) -> Answer<()> {
    let Some((kind, gross)) = entry_of(body)? else { return Ok(()) };
    let Writing { no: chain_no, mut chain, series } = writing(node, till)?;
    let overflow = |_| Stop::Fault(Fault::Fatal("the till's totals would leave their range".to_owned()));
    let mut entry = chain.append(kind, &event.bytes, gross).map_err(overflow)?;
    entry.signature = Some(Signer::Device(&node.device).sign(&entry.hash));
    db::add(node.conn(), chain_no, place, &entry)?;
    node.desk(till)?.chain = Some(Writing { no: chain_no, chain, series });
    if let Body::ShiftClosed(closed) = body {
        close_day(node.conn(), chain_no, &chain, closed)?;
    }
    Ok(())
}

/// The chain that a till writes, and where it ends: what the tables say, kept so that a sale needn't ask them.
#[derive(Clone, Debug)]
pub(crate) struct Writing {
    no: i64,
    chain: FiscalChain,
    series: String,
}

/// The chain that a till writes now, begun where there is none.
fn writing(node: &mut Node, till: &str) -> Answer<Writing> {
    let series = node.head.incarnation.series();
    if let Some(known) = node.desk(till)?.chain.take_if(|known| known.series == series) {
        return Ok(known);
    }
    if let Some(chain) = db::chain(node.conn(), till, &series)? {
        return Ok(Writing { no: chain.no, chain: end_of(node.conn(), &chain)?, series });
    }
    let totals = last_totals(node.conn(), till)?;
    let name = ChainName { till: till.to_owned(), series, totals };
    let no = db::begin(node.conn(), &name, &node.device.public())?;
    Ok(Writing { no, chain: FiscalChain::new(&name), series: name.series })
}

fn end_of(conn: &Connection, chain: &db::Chain) -> Result<FiscalChain, Fault> {
    let last = db::last(conn, chain.no)?;
    Ok(last.map_or_else(|| FiscalChain::new(&chain.name), |last| FiscalChain::after(&last)))
}

/// The totals of the last Z that is known of a till.
pub(crate) fn last_totals(conn: &Connection, till: &str) -> Answer<Perpetual> {
    let Some(row) = shifts::last_z(conn, till)? else { return Ok(Perpetual::default()) };
    match super::books::Booked::load(conn, row.place)?.body {
        Body::ShiftClosed(closed) => Ok(shift_z::perpetual_back(closed.perpetual_after)),
        _ => Ok(Perpetual::default()),
    }
}

/// A till's totals now: of its chain, else of its last Z.
///
/// # Errors
/// A fault.
pub(crate) fn totals(node: &Node, till: &str) -> Answer<Perpetual> {
    match db::chain(node.conn(), till, &node.head.incarnation.series())? {
        Some(chain) => Ok(end_of(node.conn(), &chain)?.totals()),
        None => last_totals(node.conn(), till),
    }
}

/// The head of a till's chain as a Z freezes it; nothing where the till has no chain yet.
///
/// # Errors
/// A fault.
pub(crate) fn heads(node: &Node, till: &str) -> Answer<Vec<body::FiscalHead>> {
    let series = node.head.incarnation.series();
    let Some(chain) = db::chain(node.conn(), till, &series)? else { return Ok(Vec::new()) };
    let FiscalHead { n, hash } = end_of(node.conn(), &chain)?.head();
    Ok(vec![body::FiscalHead { series, n, hash: Hash(hash) }])
}

fn close_day(conn: &Connection, chain: i64, to: &FiscalChain, closed: &ShiftClosed) -> Answer<()> {
    let last = db::last_day(conn, chain)?;
    let from = match &last {
        Some(day) if day.to.n > 0 => {
            db::entry(conn, chain, day.to.n)?.map(|entry| FiscalChain::after(&entry))
        }
        _ => db::chains(conn)?.into_iter().find(|one| one.no == chain).map(|one| FiscalChain::new(&one.name)),
    };
    let from = from.ok_or_else(|| Fault::Fatal("a fiscal chain without its beginning".to_owned()))?;
    let day = DayClosure::new(closed.business_day.0, closed.z, &from, to, last.as_ref());
    Ok(db::add_day(conn, chain, &day)?)
}

/// How far a chain is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The till.
    pub till: String,
    /// The series.
    pub series: String,
    /// The last entry's place and hash.
    pub head: FiscalHead,
    /// The till's totals.
    pub totals: Perpetual,
    /// Days that were closed.
    pub closures: usize,
}

/// Every chain of this node.
///
/// # Errors
/// A fault.
pub fn all(conn: &Connection) -> Answer<Vec<Shown>> {
    let one = |chain: db::Chain| {
        let end = end_of(conn, &chain)?;
        let closures = db::days(conn, chain.no)?.len();
        let ChainName { till, series, .. } = chain.name;
        Ok(Shown { till, series, head: end.head(), totals: end.totals(), closures })
    };
    db::chains(conn)?.into_iter().map(one).collect()
}

/// The first bad entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fiscal journal of till {till}, series {series}, entry {n}: {why}")]
pub struct Broken {
    /// The till.
    pub till: String,
    /// The series.
    pub series: String,
    /// The entry, or the Z of a day's closure.
    pub n: u64,
    /// What is wrong.
    pub why: String,
}

/// Checks every chain: links, documents, signatures, the heads that Zs froze, and the days. `Ok(Ok)` is the number of
/// entries.
///
/// # Errors
/// A fault.
pub fn check(conn: &Connection) -> Answer<Result<u64, Broken>> {
    let mut entries = 0;
    for chain in db::chains(conn)? {
        match check_one(conn, &chain)? {
            Ok(n) => entries += n,
            Err(broken) => return Ok(Err(broken)),
        }
    }
    if let Some(broken) = unentered(conn)? {
        return Ok(Err(broken));
    }
    Ok(Ok(entries))
}

fn check_one(conn: &Connection, chain: &db::Chain) -> Answer<Result<u64, Broken>> {
    let rows = db::entries(conn, chain.no)?;
    let mut documents = std::collections::BTreeMap::new();
    let mut kept = Vec::new();
    for (entry, place) in &rows {
        let held = db::documents_at(conn, *place)?;
        let its_own = |bytes: &&Vec<u8>| <[u8; 32]>::from(Sha256::digest(bytes)) == entry.document;
        let Some(bytes) = held.iter().find(its_own).or(held.first()).cloned() else { continue };
        if entry.kind == FiscalKind::Z {
            kept.extend(heads_in(&bytes, &chain.name.series));
        }
        documents.insert(entry.n, bytes);
    }
    let entries: Vec<FiscalEntry> = rows.into_iter().map(|(entry, _)| entry).collect();
    let witness = Witness {
        document: &|entry: &FiscalEntry| documents.get(&entry.n).cloned(),
        signed: &|entry: &FiscalEntry| signed(&chain.key, entry),
        heads: &kept,
    };
    let broken = |n: u64, why: String| Broken {
        till: chain.name.till.clone(),
        series: chain.name.series.clone(),
        n,
        why,
    };
    let head = match verify(&chain.name, &entries, &witness) {
        Ok(head) => head,
        Err(bad) => return Ok(Err(broken(bad.n, bad.fault.to_string()))),
    };
    match verify_closures(&chain.name, &entries, &db::days(conn, chain.no)?) {
        Ok(()) => Ok(Ok(head.n)),
        Err(z) => Ok(Err(broken(z.into(), format!("the closure of Z {z} doesn't lie on the chain")))),
    }
}

fn signed(key: &DeviceKey, entry: &FiscalEntry) -> bool {
    let signature = entry.signature.as_ref().and_then(|bytes| bytes.as_slice().try_into().ok());
    signature.is_some_and(|signature| verify_fiscal(key, &entry.hash, &signature).is_ok())
}

/// The heads of a series that a Z froze: somebody has them on paper.
fn heads_in(bytes: &[u8], series: &str) -> Vec<FiscalHead> {
    let body = Event::read(bytes).ok().and_then(|event| event.body().ok());
    let Some(Body::ShiftClosed(closed)) = body else { return Vec::new() };
    let of_series = closed.fiscal_heads.iter().filter(|head| head.series == series);
    of_series.map(|head| FiscalHead { n: head.n, hash: head.hash.0 }).collect()
}

/// A document behind a chain's last entry that the chain lacks: its tail was cut. The signed log keeps it.
fn unentered(conn: &Connection) -> Answer<Option<Broken>> {
    for chain in db::chains(conn)? {
        let Some(last) = db::last_place(conn, chain.no)? else { continue };
        let (author, seq) = events::parts(last);
        let own = incarnations::by_no(conn, author)?.is_some_and(|author| author.part != Part::Lost);
        if !own {
            // Behind a lost memory's last entry another branch of its stream may stand.
            continue;
        }
        let mut missing = None;
        events::each::<Stop>(conn, author, seq + 1, |place, bytes| {
            let event = events::parse(&bytes)?;
            // What is said again was entered when it was first said.
            let mine =
                event.envelope.till.as_deref() == Some(&chain.name.till) && event.envelope.reissue.is_none();
            if mine && entry_of(&event.body().map_err(|e| Fault::Fatal(e.to_string()))?)?.is_some() {
                missing = Some(events::parts(place).1);
            }
            Ok(missing.is_none())
        })?;
        if let Some(seq) = missing {
            let n = db::last(conn, chain.no)?.map_or(1, |last| last.n + 1);
            let (till, series) = (chain.name.till, chain.name.series);
            let why = format!("it is missing: event {seq} of the log was never entered");
            return Ok(Some(Broken { till, series, n, why }));
        }
    }
    Ok(None)
}
