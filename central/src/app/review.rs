//! The review list: what a person should look at; nothing here waits for it.

use super::{Code, Fault};
use crate::db::authors::{self, Author};
use crate::db::events::{self, Quarantined};
use crate::db::review::{self, Finding};
use crate::db::{Tx, orders, stores};
use crate::hub::Hub;
use tradepost_sync::body::Body;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::event::Event;
use tradepost_sync::ids::Incarnation;

/// Findings with their stores' codes, after a number.
pub fn list(hub: &Hub, all: bool, after: i64, limit: usize) -> Result<Vec<(String, Finding)>, Fault> {
    hub.db.read(|tx| {
        let stores = stores::all(tx)?;
        let code = |no: i64| stores.iter().find(|s| s.no == no).map_or_else(String::new, |s| s.code.clone());
        Ok(review::list(tx, all, after, limit)?.into_iter().map(|f| (code(f.store), f)).collect())
    })
}

/// Findings of one store and one kind, where they are named, after a number.
pub fn list_of(
    hub: &Hub,
    (store, kind): (Option<&str>, Option<&str>),
    all: bool,
    after: i64,
    limit: usize,
) -> Result<Vec<(String, Finding)>, Fault> {
    hub.db.read(|tx| {
        let no = match store {
            Some(code) => super::stores::find(tx, code)?.no,
            None => 0,
        };
        let stores = stores::all(tx)?;
        let code = |no: i64| stores.iter().find(|s| s.no == no).map_or_else(String::new, |s| s.code.clone());
        let found = review::list_of(tx, (no, kind.unwrap_or_default()), all, after, limit)?;
        Ok(found.into_iter().map(|f| (code(f.store), f)).collect())
    })
}

/// Notes that a person is done with a finding.
pub fn resolve(hub: &Hub, id: i64, note: &str, now: UtcMs) -> Result<(), Fault> {
    hub.write(|tx, _| match review::resolve(tx, id, note, now)? {
        true => Ok(()),
        false => Err(Fault::not_found("open finding", &id.to_string())),
    })
}

/// An event that is set aside, with all that is known of it.
#[derive(Clone, Debug)]
pub struct Aside {
    /// The store's code.
    pub store: String,
    /// Who wrote it.
    pub incarnation: Incarnation,
    /// A name people know that node by.
    pub name: String,
    /// The event.
    pub event: Quarantined,
    /// It lies on a branch of its stream that doesn't count: another event stands in its place.
    pub branch: bool,
    /// Nothing is granted to its author, and what that gives away behind it doesn't count.
    pub grants_frozen: bool,
}

impl Aside {
    /// What the event says, where its body can be read at all.
    pub fn body(&self) -> Option<Body> {
        Event::read(&self.event.bytes).ok()?.body().ok()
    }
}

/// What is set aside, the latest first; what a person was done with only where `all` is wanted.
pub fn quarantine(hub: &Hub, all: bool, limit: usize) -> Result<Vec<Aside>, Fault> {
    hub.db.read(|tx| {
        let list = events::quarantined(tx, all, limit)?;
        list.into_iter().map(|event| known(tx, event)).collect()
    })
}

/// The events of a node's stream that are set aside without their effects and not settled, by seq.
pub fn withheld(hub: &Hub, who: &Incarnation) -> Result<Vec<u64>, Fault> {
    hub.db.read(|tx| match authors::find(tx, who)? {
        Some(author) => Ok(events::withheld(tx, author.no)?),
        None => Ok(Vec::new()),
    })
}

/// What is set aside at a place of a stream.
pub fn quarantined_at(hub: &Hub, who: &Incarnation, seq: u64) -> Result<Vec<Aside>, Fault> {
    hub.db.read(|tx| {
        let author = author(tx, who, seq)?;
        let list = events::quarantined_at(tx, author.no, seq)?;
        if list.is_empty() {
            return Err(nothing_aside(who, seq));
        }
        list.into_iter().map(|event| known(tx, event)).collect()
    })
}

/// Notes that a person is done with what is set aside at a place: the hub grants to its author again. Its effects stay
/// withheld, and barriers resolve and mint nothing until its author is fenced and a barrier has put the cap before it
/// (`model.md` §6). Again it changes nothing.
pub fn settle(hub: &Hub, who: &Incarnation, seq: u64, note: &str, now: UtcMs) -> Result<(), Fault> {
    if note.trim().is_empty() {
        return Err(Fault::field("/note", Code::BadValue, "say what was done about it"));
    }
    hub.write(|tx, _| {
        let author = author(tx, who, seq)?;
        if events::quarantined_at(tx, author.no, seq)?.is_empty() {
            return Err(nothing_aside(who, seq));
        }
        if events::settle(tx, author.no, seq, note, now)? {
            let reference = format!("{who}/{seq}");
            for kind in ["quarantined", "fork"] {
                review::resolve_named(tx, author.store, kind, &reference, note, now)?;
            }
        }
        Ok(())
    })
}

fn nothing_aside(who: &Incarnation, seq: u64) -> Fault {
    Fault::not_found("event set aside at", &format!("{who}/{seq}"))
}

fn author(tx: &mut Tx<'_>, who: &Incarnation, seq: u64) -> Result<Author, Fault> {
    authors::find(tx, who)?.ok_or_else(|| nothing_aside(who, seq))
}

fn known(tx: &mut Tx<'_>, event: Quarantined) -> Result<Aside, Fault> {
    let author = authors::by_no(tx, event.author)?.ok_or_else(|| Fault::internal("no such author"))?;
    let store = stores::by_no(tx, author.store)?.map(|store| store.code).unwrap_or_default();
    let logged = events::hash_at(tx, author.no, event.seq)? == Some(event.hash);
    let grants_frozen = events::unapplied(tx, author.no)? > 0;
    Ok(Aside {
        store,
        incarnation: author.incarnation,
        name: author.name,
        event,
        branch: !logged,
        grants_frozen,
    })
}

/// Receipt series of a store, each with its last number and how many documents came: equal where it is gapless.
pub fn series(hub: &Hub, store: &str) -> Result<Vec<orders::Series>, Fault> {
    hub.db.read(|tx| {
        let store = super::stores::find(tx, store)?;
        Ok(orders::series(tx, store.no)?)
    })
}
