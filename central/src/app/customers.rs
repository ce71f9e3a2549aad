//! Customers' records: taken from the nodes that write them, given to all others, erased everywhere (`model.md` §6,
//! `facts.md` §6). No event and no export holds one.

use super::Fault;
use crate::db::customers::{self, Kept};
use crate::db::{Tx, authors};
use crate::hub::Hub;
use tradepost_sync::ids::{Id, Incarnation};
use tradepost_sync::session::{CustomerRecord, RECORDS_MAX, Records};

/// A customer's record.
///
/// # Errors
/// `NOT_FOUND`.
pub fn get(hub: &Hub, id: Id) -> Result<CustomerRecord, Fault> {
    let found = hub.db.read(|tx| Ok::<_, Fault>(customers::find(tx, id)?))?;
    found.map(|kept| kept.record).ok_or_else(|| Fault::not_found("customer", &id.to_string()))
}

/// Erases the person, here and at every node. Again it changes nothing.
///
/// # Errors
/// `NOT_FOUND`.
pub fn erase(hub: &Hub, id: Id) -> Result<(), Fault> {
    hub.write(|tx, after| {
        let kept = customers::find(tx, id)?;
        let held = kept.ok_or_else(|| Fault::not_found("customer", &id.to_string()))?.record;
        if held.person.is_none() {
            return Ok(());
        }
        let version = held.version.saturating_add(1);
        let record = CustomerRecord { id, version, person: None, price_list: String::new() };
        after.poke = true;
        keep(tx, record, None)
    })
}

fn keep(tx: &mut Tx<'_>, record: CustomerRecord, brought_by: Option<i64>) -> Result<(), Fault> {
    let change = customers::next_change(tx)?;
    Ok(customers::put(tx, &Kept { record, change, brought_by })?)
}

/// Stores what a node brings, where it replaces what is held; the number to be answered.
pub fn take(hub: &Hub, who: &Incarnation, records: &Records) -> Result<u64, Fault> {
    hub.write(|tx, after| {
        let brought_by = authors::find(tx, who)?.map(|author| author.no);
        // Numbers are taken one after another: whoever comes first has them all, and what it read stays true.
        let _ = customers::next_change(tx)?;
        for record in &records.records {
            let held = customers::find(tx, record.id)?;
            if held.is_none_or(|held| record.replaces(&held.record)) {
                keep(tx, record.clone(), brought_by)?;
                after.poke = true;
            }
        }
        Ok(records.through)
    })
}

/// Notes how far a node is, then reads what it doesn't hold yet; none where it holds all.
pub fn offer(hub: &Hub, who: &Incarnation, held: Option<u64>) -> Result<Option<Records>, Fault> {
    let found = hub.db.read(|tx| {
        let Some(author) = authors::find(tx, who)? else { return Ok::<_, Fault>(None) };
        Ok(Some((author.no, customers::held_by(tx, author.no)?)))
    })?;
    let Some((author, noted)) = found else { return Ok(None) };
    let mut through = held.map_or(noted, |held| held.max(noted));
    let records = loop {
        let some = hub.db.read(|tx| Ok::<_, Fault>(customers::after(tx, through, RECORDS_MAX)?))?;
        let Some(last) = some.last().map(|kept| kept.change) else { break None };
        // What it brought itself it has.
        let others = some.into_iter().filter(|kept| kept.brought_by != Some(author));
        let records: Vec<CustomerRecord> = others.map(|kept| kept.record).collect();
        if !records.is_empty() {
            break Some(Records { through: last, records });
        }
        through = last;
    };
    if through > noted {
        hub.write(|tx, _| Ok(customers::set_held(tx, author, through)?))?;
    }
    Ok(records)
}
