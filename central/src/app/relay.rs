//! The relay: from the outbox to the stream, per stream in order by its gapless seq; marked after it was sent, so a
//! crash in between sends again under the same ids (`facts.md` §3). A stream is leased with an epoch: who comes back
//! late is fenced by Kafka, which knows each stream's producer by one name, and by the mark, which asks for the epoch.

use super::{Fault, fan_out};
use crate::db::authors;
use crate::db::outbox::{self, Outgoing, Source};
use crate::db::{Tx, events, stores};
use crate::hub::Hub;
use crate::stream::{CloudEvent, Lane, Stream};

/// Outbox rows of one send.
const ROWS: usize = 200;

/// How long a relay holds a stream without saying so again.
const LEASE_MS: i64 = 15_000;
/// Under this name the database keeps what this hub is called among others on a cluster.
const HUB: &str = "relay_hub";

/// One process that relays.
#[derive(Clone, Debug)]
pub struct Relay {
    /// Its own name, made at its start.
    holder: String,
    /// What the hub is called on the cluster.
    hub: String,
}

impl Relay {
    /// A relay of this hub. `luck` is fresh random bytes.
    ///
    /// # Errors
    /// [`Fault`] of the database.
    pub fn new(hub: &Hub, luck: [u8; 16]) -> Result<Self, Fault> {
        let holder: String = luck.iter().map(|b| format!("{b:02x}")).collect();
        let named = hub.db.write(|tx| {
            if let Some(known) = stores::meta(tx, HUB)? {
                return Ok::<_, Fault>(known);
            }
            stores::set_meta(tx, HUB, &holder)?;
            Ok(holder.clone())
        })?;
        Ok(Self { holder, hub: named })
    }

    /// Sends what waits, one portion of each stream whose lease it has or gets. How many outbox rows went out; 0 where
    /// nothing waits for it.
    ///
    /// # Errors
    /// [`Fault`]: the database, or the stream that took nothing.
    pub fn run_once(&self, hub: &Hub) -> Result<u64, Fault> {
        if matches!(hub.stream, Stream::Embedded(_)) {
            return Ok(0);
        }
        let waiting = hub.db.read(|tx| Ok::<_, Fault>(outbox::waiting(tx)?))?;
        let mut sent = 0;
        for (stream, _) in waiting {
            let now = hub.db.now()?;
            let lease =
                hub.db.write(|tx| Ok::<_, Fault>(outbox::lease(tx, stream, &self.holder, now, LEASE_MS)?))?;
            if let Some((epoch, relayed)) = lease {
                sent += self.relay(hub, stream, epoch, relayed)?;
            }
        }
        Ok(sent)
    }

    fn relay(&self, hub: &Hub, stream: i64, epoch: u64, relayed: u64) -> Result<u64, Fault> {
        let (rows, records) = hub.db.read(|tx| {
            let rows = outbox::after(tx, stream, relayed, ROWS)?;
            let mut records = Vec::new();
            for row in &rows {
                records.extend(records_of(tx, row)?);
            }
            Ok::<_, Fault>((rows, records))
        })?;
        let Some(last) = rows.last() else { return Ok(0) };
        let lane = Lane { stream, epoch, hub: &self.hub };
        let spans = publishing(&records);
        hub.stream.send(lane, &records).map_err(Fault::internal)?;
        drop(spans);
        let marked = hub.write(|tx, _| Ok(outbox::relayed(tx, stream, last.seq, (&self.holder, epoch))?))?;
        if !marked {
            tracing::info!(stream, "another relay has taken the stream over");
            return Ok(0);
        }
        metrics::counter!("tradepost_relayed_records_total")
            .increment(u64::try_from(records.len()).unwrap_or(0));
        Ok(u64::try_from(rows.len()).unwrap_or(0))
    }
}

/// A span for each record that is sent, in the trace of its fact; none where nobody collects them.
fn publishing(records: &[CloudEvent]) -> Vec<tracing::Span> {
    if !tradepost_telemetry::exporting() {
        return Vec::new();
    }
    let span = |record: &CloudEvent| {
        let span = tracing::info_span!(
            parent: None,
            "publish",
            otel.name = %format!("publish {}", record.topic),
            otel.kind = "producer",
            messaging.system = "kafka",
            messaging.destination.name = record.topic,
            messaging.message.id = record.id,
            trace_id = tracing::field::Empty
        );
        tradepost_telemetry::follow(&span, Some(&record.traceparent));
        span
    };
    records.iter().map(span).collect()
}

/// What an outbox row says outward: a pure function of the fact, in the trace that the row names.
pub(crate) fn records_of(tx: &mut Tx<'_>, row: &Outgoing) -> Result<Vec<CloudEvent>, Fault> {
    let mut records = said_by(tx, row.source)?;
    if let Some(traceparent) = &row.traceparent {
        for record in &mut records {
            record.traceparent.clone_from(traceparent);
        }
    }
    Ok(records)
}

fn said_by(tx: &mut Tx<'_>, source: Source) -> Result<Vec<CloudEvent>, Fault> {
    match source {
        Source::Event { author, seq } => {
            let Some(stored) = events::from(tx, author, seq, 1)?.into_iter().find(|e| e.seq == seq) else {
                return Ok(Vec::new());
            };
            let author = authors::by_no(tx, author)?.ok_or_else(|| Fault::internal("no such author"))?;
            let store = stores::by_no(tx, author.store)?.ok_or_else(|| Fault::internal("no such store"))?;
            Ok(fan_out::event(&store.code, author.moves_stock(), &stored.bytes))
        }
        Source::Web { order, step } => super::web_fan_out::records(tx, order, step),
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
