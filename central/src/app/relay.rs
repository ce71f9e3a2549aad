//! The relay: from the outbox to the stream, per stream in order by its gapless seq; marked after it was sent, so a
//! crash in between sends again under the same ids (`facts.md` §3).

use super::{Fault, fan_out};
use crate::db::authors;
use crate::db::outbox::{self, Source};
use crate::db::{Tx, events, stores};
use crate::hub::Hub;
use crate::stream::{CloudEvent, Stream};

/// Outbox rows of one send.
const ROWS: usize = 200;

/// Sends what waits, one portion of each stream. How many outbox rows went out; 0 where nothing waits.
pub fn run_once(hub: &Hub) -> Result<u64, Fault> {
    if matches!(hub.stream, Stream::Embedded(_)) {
        return Ok(0);
    }
    let waiting = hub.db.read(|tx| Ok::<_, Fault>(outbox::waiting(tx)?))?;
    let mut sent = 0;
    for (stream, relayed) in waiting {
        sent += relay(hub, stream, relayed)?;
    }
    Ok(sent)
}

fn relay(hub: &Hub, stream: i64, relayed: u64) -> Result<u64, Fault> {
    let (rows, records) = hub.db.read(|tx| {
        let rows = outbox::after(tx, stream, relayed, ROWS)?;
        let mut records = Vec::new();
        for row in &rows {
            records.extend(records_of(tx, row.source)?);
        }
        Ok::<_, Fault>((rows, records))
    })?;
    let Some(last) = rows.last() else { return Ok(0) };
    hub.stream.send(&records).map_err(Fault::internal)?;
    hub.write(|tx, _| Ok(outbox::relayed(tx, stream, last.seq)?))?;
    metrics::counter!("tradepost_relayed_records_total").increment(u64::try_from(records.len()).unwrap_or(0));
    Ok(u64::try_from(rows.len()).unwrap_or(0))
}

/// What an outbox row says outward: a pure function of the fact.
fn records_of(tx: &mut Tx<'_>, source: Source) -> Result<Vec<CloudEvent>, Fault> {
    match source {
        Source::Event { author, seq } => {
            let Some(stored) = events::from(tx, author, seq, 1)?.into_iter().find(|e| e.seq == seq) else {
                return Ok(Vec::new());
            };
            let author = authors::by_no(tx, author)?.ok_or_else(|| Fault::internal("no such author"))?;
            let store = stores::by_no(tx, author.store)?.ok_or_else(|| Fault::internal("no such store"))?;
            Ok(fan_out::event(&store.code, author.moves_stock(), &stored.bytes))
        }
        Source::Catalog { version, .. } => {
            let mut records = Vec::new();
            let new = crate::db::products::first_in(tx, version)?;
            for (code, bytes) in sealed(tx, version)? {
                records.extend(fan_out::catalog(code.as_deref(), &bytes, &|sku| new.contains(&sku.0)));
            }
            Ok(records)
        }
    }
}

/// What a version holds for a store (its code; none for every store): canonical bytes.
type ForStore = (Option<String>, Vec<u8>);

fn sealed(tx: &mut Tx<'_>, version: u64) -> Result<Vec<ForStore>, Fault> {
    let mut entries = Vec::new();
    for (store, bytes) in crate::db::catalog::at(tx, version)? {
        let code = stores::by_no(tx, store)?.map(|store| store.code);
        entries.push((code, bytes));
    }
    Ok(entries)
}
