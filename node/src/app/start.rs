//! Starting: is this still the memory that wrote the log? (`model.md` §3, Amnesia; `resilience.md`)

use super::clock::Clock;
use super::node::{Luck, Node, Parts};
use super::problem::{Answer, Stop};
use crate::db::directory::{Directory, DirectoryError};
use crate::db::incarnations::{self, Known, Part};
use crate::db::sidecar::Sidecar;
use crate::db::{Db, Durability, Fault, OpenError, events, stock};
use rusqlite::Connection;
use std::path::Path;
pub use tradepost_sync::amnesia::{Amnesia, Opening};
use tradepost_sync::amnesia::{Log, at_start};
use tradepost_sync::body::IncarnationStarted;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::event::hash_of;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::Incarnation;
use tradepost_sync::signing::Device;

/// What a start is told.
pub struct Starting {
    /// Random bytes.
    pub luck: Luck,
    /// The machine's wall clock.
    pub wall: UtcMs,
    /// Milliseconds since some instant of this boot.
    pub boot: i64,
    /// How hard commits are made durable.
    pub durability: Durability,
    /// A manager says that the wall clock is right.
    pub accept_clock: bool,
}

/// Why a node doesn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The database.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The sidecar.
    #[error("sidecar: {0}")]
    Sidecar(std::io::Error),
    /// Anything below.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The first event could not be written.
    #[error("the log's first event: {0}")]
    Refused(String),
}

/// Opens a data directory and writes `incarnation.started`.
///
/// # Errors
/// [`StartError`]; a file of a later program or another one's is left alone.
pub fn start(path: &Path, mut starting: Starting) -> Result<(Node, Opening), StartError> {
    let directory = Directory::open(path)?;
    let has_ballast = directory.lay_ballast();
    let device = Device::from_secret(directory.device_key((starting.luck)())?);
    let (sidecar, noted) = Sidecar::open(&directory.sidecar()).map_err(StartError::Sidecar)?;
    let (db, damage) = open_or_put_aside(&directory, &starting)?;
    let forgotten = noted.as_ref().map(|mark| mark.incarnation);
    let opening = judge(db.conn(), noted, damage)?;
    let last_good = last_trading(db.conn())?;
    let mut clock = Clock::new(last_good, starting.boot);
    if starting.accept_clock {
        clock.accept(starting.wall, starting.boot);
    }
    db.begin()?;
    if opening != Opening::Whole {
        let key = device.public();
        new_incarnation(db.conn(), random_id((starting.luck)()), &key, forgotten)?;
    }
    let Starting { luck, wall, boot, .. } = starting;
    if !clock.believes(wall) {
        tracing::warn!("the wall clock is out of reach of the last good time; the last good time is kept");
    }
    let mut node = Node::assemble(Parts { directory, has_ballast, db, sidecar, device, luck, clock })?;
    let now = node.now(wall, boot);
    // A stream that has ended by its own word says nothing more.
    if !node.me.retired {
        say_started(&mut node, now).map_err(refused)?;
    }
    node.commit()?;
    Ok((node, opening))
}

fn refused(stop: Stop) -> StartError {
    match stop {
        Stop::Fault(fault) => StartError::Fault(fault),
        Stop::No(problem) => StartError::Refused(problem.detail),
    }
}

fn say_started(node: &mut Node, now: super::clock::Now) -> Answer<()> {
    let random = random_id((node.luck)()).0;
    let program = concat!("tradepost-node ", env!("CARGO_PKG_VERSION")).to_owned();
    node.write(now, None, None, IncarnationStarted { random, program, carried: Vec::new() }.into())?;
    node.begin_life(random);
    Ok(())
}

pub(crate) fn random_id(bytes: [u8; 32]) -> Incarnation {
    let mut id = [0; 16];
    id.copy_from_slice(&bytes[..16]);
    Incarnation(id)
}

/// A damaged file is kept aside; the node goes on as a new incarnation and asks the hub for the rest.
fn open_or_put_aside(directory: &Directory, starting: &Starting) -> Result<(Db, Option<String>), StartError> {
    let opened = Db::open(&directory.db(), starting.durability).and_then(|db| {
        let head = last_pages(db.conn());
        head.map(|()| db)
    });
    match opened {
        Ok(db) => Ok((db, None)),
        Err(OpenError::Damaged(why)) => {
            let aside = directory.put_aside(starting.wall)?;
            tracing::error!(%why, aside = %aside.display(), "the database is damaged and was put aside");
            Ok((Db::open(&directory.db(), starting.durability)?, Some(why)))
        }
        Err(error) => Err(error.into()),
    }
}

/// Header, schema, the chain's head and the last pages must be readable.
fn last_pages(conn: &Connection) -> Result<(), OpenError> {
    let damaged = |why: &str| OpenError::Damaged(why.to_owned());
    let Some(me) = incarnations::present(conn).map_err(as_damage)? else { return Ok(()) };
    if me.head.seq == 0 {
        return Ok(());
    }
    let bytes = events::bytes(conn, events::place(me.no, me.head.seq)).map_err(as_damage)?;
    let bytes = bytes.ok_or_else(|| damaged("the log ends before its head"))?;
    if hash_of(&bytes) != me.head.hash {
        return Err(damaged("the last event has another hash than the head"));
    }
    Ok(())
}

fn as_damage(fault: Fault) -> OpenError {
    match fault {
        Fault::Fatal(why) if why.contains("malformed") || why.contains("not a database") => {
            OpenError::Damaged(why)
        }
        fault => OpenError::Fault(fault),
    }
}

/// What the core makes of log and sidecar.
fn judge(conn: &Connection, noted: Option<HeadMark>, damage: Option<String>) -> Result<Opening, Fault> {
    if let Some(why) = damage {
        return Ok(Opening::Restored(Amnesia::Damaged(why)));
    }
    let log = incarnations::present(conn)?.map(|me| told_of(conn, &me, noted.as_ref())).transpose()?;
    Ok(at_start(log, noted))
}

/// What the database says of the place that the sidecar noted. Another incarnation than the present one is right there only
/// where the present one began in the very next group commit.
fn told_of(conn: &Connection, me: &Known, noted: Option<&HeadMark>) -> Result<Log, Fault> {
    let mut log = Log { head: me.mark(), hash_at_noted: None, commits_after: 0, took_over: false };
    let Some(noted) = noted else { return Ok(log) };
    let Some(author) = incarnations::find(conn, &noted.incarnation)? else { return Ok(log) };
    let bytes = events::bytes(conn, events::place(author.no, noted.seq))?;
    log.hash_at_noted = bytes.map(|bytes| hash_of(&bytes));
    log.commits_after = events::signed_after(conn, author.no, noted.seq)?;
    log.took_over = author.no < me.no && log.commits_after <= 1 && events::signed_after(conn, me.no, 0)? <= 1;
    Ok(log)
}

/// A new memory: zero rights, a new series. What the last one wrote stays a fact. `forgotten` is the one that the sidecar
/// names; without one it is the log's.
fn new_incarnation(
    conn: &Connection,
    id: Incarnation,
    key: &[u8; 32],
    forgotten: Option<Incarnation>,
) -> Result<(), Fault> {
    let past = incarnations::present(conn)?;
    if let Some(forgotten) = forgotten.or(past.as_ref().map(Known::id)) {
        crate::db::meta::set(conn, "forgotten", &forgotten)?;
    }
    if let Some(past) = &past {
        incarnations::set_part(conn, past.no, Part::Lost)?;
        stock::put_own_row_aside(conn, past.no)?;
        super::frozen::take_back_past(conn, past.no)?;
    }
    let no = incarnations::insert(conn, &id, Part::Present)?;
    // Alone, a node is its own roster. Enrolled, or having lost rights that it can't know, it waits for the hub's.
    let alone = !crate::db::meta::get::<bool>(conn, "enrolled")?.unwrap_or(false);
    incarnations::set_standing(conn, no, Some(key), alone, false, false)
}

/// The hub holds another memory of this node than it has itself: it goes on as a new incarnation.
///
/// # Errors
/// A fault.
pub fn begin_again(node: &mut Node, now: super::clock::Now) -> Answer<()> {
    node.flush()?;
    incarnations::set_head(node.conn(), node.me.no, &node.head)?;
    let (id, key) = (random_id((node.luck)()), node.device.public());
    new_incarnation(node.conn(), id, &key, None)?;
    node.reload()?;
    say_started(node, now)
}

/// The trading time of the last event: the last one known to be good.
fn last_trading(conn: &Connection) -> Result<Option<UtcMs>, Fault> {
    let Some(me) = incarnations::present(conn)? else { return Ok(None) };
    if me.head.seq == 0 {
        return Ok(None);
    }
    let event = events::read(conn, events::place(me.no, me.head.seq))?;
    Ok(event.map(|event| event.envelope.trading))
}
