//! The review list: what a person should look at; nothing here waits for it.

use super::Fault;
use crate::db::events::{self, Quarantined};
use crate::db::review::{self, Finding};
use crate::db::{authors, orders, stores};
use crate::hub::Hub;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Incarnation;

/// Findings with their stores' codes, after a number.
pub fn list(hub: &Hub, all: bool, after: i64, limit: usize) -> Result<Vec<(String, Finding)>, Fault> {
    hub.db.read(|tx| {
        let stores = stores::all(tx)?;
        let code = |no: i64| stores.iter().find(|s| s.no == no).map_or_else(String::new, |s| s.code.clone());
        Ok(review::list(tx, all, after, limit)?.into_iter().map(|f| (code(f.store), f)).collect())
    })
}

/// Notes that a person is done with a finding.
pub fn resolve(hub: &Hub, id: i64, note: &str, now: UtcMs) -> Result<(), Fault> {
    hub.write(|tx, _| match review::resolve(tx, id, note, now)? {
        true => Ok(()),
        false => Err(Fault::not_found("open finding", &id.to_string())),
    })
}

/// What is set aside, with whose it is and the store's code.
pub fn quarantine(hub: &Hub, limit: usize) -> Result<Vec<(String, Incarnation, Quarantined)>, Fault> {
    hub.db.read(|tx| {
        let mut list = Vec::new();
        for aside in events::quarantined(tx, limit)? {
            let Some(author) = authors::by_no(tx, aside.author)? else { continue };
            let code = stores::by_no(tx, author.store)?.map(|store| store.code).unwrap_or_default();
            list.push((code, author.incarnation, aside));
        }
        Ok(list)
    })
}

/// Receipt series of a store, each with its last number and how many documents came: equal where it is gapless.
pub fn series(hub: &Hub, store: &str) -> Result<Vec<orders::Series>, Fault> {
    hub.db.read(|tx| {
        let store = super::stores::find(tx, store)?;
        Ok(orders::series(tx, store.no)?)
    })
}
