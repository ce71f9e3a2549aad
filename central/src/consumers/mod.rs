//! Consumers of the hub's events: each group keeps read models of its own, exactly once in effect, and can be built
//! anew from the facts (`hub.md`, Events; `facts.md` §3). Nothing that decides reads what they write.
//!
//! Without Kafka a group reads the outbox in place, with offsets of its own; with Kafka it is a consumer group there.
//! Either way an effect and the note that the record was had are one transaction.

mod accounting;
mod analytics;
mod inventory;
pub mod kafka;
mod notifications;
pub mod read;
mod search;
pub mod webhooks;

use crate::app::{Fault, hub_time, relay};
use crate::db::consumers::{self, Parked, Place, State};
use crate::db::{Db, DbError, Tx, outbox};
use crate::hub::Hub;
use crate::stream::{CloudEvent, Stream};
use serde::{Deserialize, Serialize};
use tradepost_sync::clock::UtcMs;

/// Outbox rows of one transaction.
const ROWS: usize = 100;
/// How often a record is tried before a person has to look.
const TRIES_MAX: u32 = 10;
/// Rest after the first failed try; doubled after each, up to [`REST_MAX_MS`].
const REST_MS: i64 = 250;
const REST_MAX_MS: i64 = 60_000;

/// The groups there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// The stock picture that people look at.
    Inventory,
    /// The index of products.
    Search,
    /// Messages to others.
    Notifications,
    /// Sales by store, hour and item.
    Analytics,
    /// The double-entry journal.
    Accounting,
}

impl Group {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Inventory, Self::Search, Self::Notifications, Self::Analytics, Self::Accounting];

    /// Its name, in the database, in addresses and (behind the prefix) in Kafka.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Search => "search",
            Self::Notifications => "notifications",
            Self::Analytics => "analytics",
            Self::Accounting => "accounting",
        }
    }

    /// The group of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.name() == name)
    }

    /// What it reads.
    pub fn topics(self) -> &'static [&'static str] {
        const PRODUCTS: &str = "tradepost.catalog.product.v1";
        const ORDERS: &str = "tradepost.sales.order.v1";
        const SHIFTS: &str = "tradepost.sales.shift.v1";
        const MOVEMENTS: &str = "tradepost.inventory.movement.v1";
        const PAYMENTS: &str = "tradepost.payments.payment.v1";
        match self {
            Self::Inventory => &[PRODUCTS, MOVEMENTS],
            Self::Search => &[PRODUCTS],
            Self::Notifications => crate::stream::cloud_event::TOPICS,
            Self::Analytics => &[PRODUCTS, ORDERS, MOVEMENTS, PAYMENTS],
            Self::Accounting => &[ORDERS, PAYMENTS, SHIFTS],
        }
    }

    fn apply(self, tx: &mut Tx<'_>, record: &Record, how: How) -> Result<(), Trouble> {
        match self {
            Self::Inventory => inventory::apply(tx, record),
            Self::Search => search::apply(tx, record),
            Self::Notifications => notifications::apply(tx, record, how),
            Self::Analytics => analytics::apply(tx, record),
            Self::Accounting => accounting::apply(tx, record, how),
        }
    }

    fn clear(self, tx: &mut Tx<'_>) -> Result<(), DbError> {
        let tables: &[&str] = match self {
            Self::Inventory => &["inventory_items"],
            Self::Search => &["search_products"],
            // What was told stays told: a replay sends nothing (`facts.md` §3).
            Self::Notifications => &[],
            Self::Analytics => &["analytics_days", "analytics_items", "analytics_counters"],
            Self::Accounting => &["journal_lines", "journal_documents"],
        };
        for table in tables {
            tx.execute(&format!("DELETE FROM {table}"), &[])?;
        }
        Ok(())
    }
}

/// How a record is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct How {
    /// It is said again after a rebuild.
    again: bool,
    /// Whether it may still wait for what it depends on.
    patient: bool,
    /// Hub time.
    now: UtcMs,
}

/// A record as consumers take it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// See [`CloudEvent::id`].
    pub id: String,
    /// See [`CloudEvent::ty`].
    pub ty: String,
    /// See [`CloudEvent::source`].
    pub source: String,
    /// See [`CloudEvent::subject`].
    pub subject: String,
    /// See [`CloudEvent::time`].
    pub time: i64,
    /// Where it came from.
    pub topic: String,
    /// The business key that orders it.
    pub key: String,
    /// The data.
    pub data: Vec<u8>,
    /// W3C trace context.
    pub traceparent: String,
}

impl Record {
    fn lane(&self) -> String {
        format!("{} {}", self.topic, self.key)
    }

    /// The event's name without its prefix and version, e.g. `order.created`.
    pub(crate) fn name(&self) -> &str {
        let name = self.ty.strip_prefix("dev.tradepost.").unwrap_or(&self.ty);
        name.strip_suffix(".v1").unwrap_or(name)
    }

    /// Its data as a message.
    pub(crate) fn message<M: prost::Message + Default>(&self) -> Result<M, Trouble> {
        M::decode(self.data.as_slice()).map_err(|error| Trouble::Bad(format!("{}: {error}", self.ty)))
    }
}

impl From<CloudEvent> for Record {
    fn from(event: CloudEvent) -> Self {
        Self {
            id: event.id,
            ty: event.ty,
            source: event.source,
            subject: event.subject,
            time: event.time,
            topic: event.topic.to_owned(),
            key: event.key,
            data: event.data,
            traceparent: event.traceparent,
        }
    }
}

/// Why a record wasn't taken. Nothing was written by then.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The database failed: nothing of the batch is taken.
    Db(DbError),
    /// The record can't be read, or contradicts itself.
    Bad(String),
    /// What it depends on hasn't come yet.
    Early(String),
}

impl From<DbError> for Trouble {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

/// Takes records for a group inside a transaction whose group row is locked: each once; what can't be taken is parked,
/// and what comes later under its key waits behind it. How many were new.
///
/// # Errors
/// [`DbError`]; then the transaction must not be committed.
pub fn take(
    tx: &mut Tx<'_>,
    group: Group,
    records: &[Record],
    again: bool,
    now: UtcMs,
) -> Result<u64, DbError> {
    let mut new = 0;
    for record in records {
        if !group.topics().contains(&record.topic.as_str()) || consumers::had(tx, group.name(), &record.id)? {
            continue;
        }
        let lane = record.lane();
        let waits = consumers::lane_waits(tx, group.name(), &lane)?;
        let reason = if waits {
            "an earlier record of its key waits".to_owned()
        } else {
            let span = taking(group, record);
            let applied = span.in_scope(|| group.apply(tx, record, How { again, patient: true, now }));
            match applied {
                Ok(()) => {
                    consumers::first_time(tx, group.name(), &record.id)?;
                    new += 1;
                    continue;
                }
                Err(Trouble::Db(error)) => return Err(error),
                Err(Trouble::Bad(reason) | Trouble::Early(reason)) => reason,
            }
        };
        let parked = Parked {
            place: 0,
            lane,
            ce_id: record.id.clone(),
            state: State::Parked,
            tries: u32::from(!waits),
            next_at: now + REST_MS,
            parked_at: now,
            reason,
            // Plain values always serialise.
            record: postcard::to_allocvec(record).unwrap_or_default(),
        };
        consumers::park(tx, group.name(), &parked)?;
    }
    Ok(new)
}

/// The span of a record that a group takes, in the trace of its fact; none where nobody collects them.
fn taking(group: Group, record: &Record) -> tracing::Span {
    if !tradepost_telemetry::exporting() {
        return tracing::Span::none();
    }
    let span = tracing::info_span!(
        parent: None,
        "take",
        otel.name = %format!("{} {}", group.name(), record.name()),
        otel.kind = "consumer",
        messaging.destination.name = record.topic,
        messaging.consumer.group.name = group.name(),
        messaging.message.id = record.id,
        trace_id = tracing::field::Empty
    );
    tradepost_telemetry::follow(&span, Some(&record.traceparent));
    span
}

/// Reads on for every group: the outbox where it is the stream, or where a group is being built anew; and what was
/// parked and is due. How many records were new; 0 where nothing waits.
///
/// # Errors
/// [`Fault`] of the database; what was read by then stays.
pub fn round(hub: &Hub) -> Result<u64, Fault> {
    let mut new = 0;
    for group in Group::ALL {
        new += read_on(hub, group)?;
        new += try_again(hub, group)?;
    }
    Ok(new)
}

fn read_on(hub: &Hub, group: Group) -> Result<u64, Fault> {
    let embedded = matches!(hub.stream, Stream::Embedded(_));
    let places = hub.db.read(|tx| Ok::<_, Fault>(consumers::places(tx, group.name())?))?;
    let mut new = 0;
    for place in places {
        let end = if embedded { place.last } else { place.replay_to };
        if place.seq < end {
            new += read_stream(hub, group, place)?;
        }
    }
    Ok(new)
}

fn read_stream(hub: &Hub, group: Group, place: Place) -> Result<u64, Fault> {
    let embedded = matches!(hub.stream, Stream::Embedded(_));
    let (rows, records) = hub.db.read(|tx| {
        let mut rows = outbox::after(tx, place.stream, place.seq, ROWS)?;
        if !embedded {
            rows.retain(|row| row.seq <= place.replay_to);
        }
        let mut records = Vec::new();
        for row in &rows {
            let said = relay::records_of(tx, row)?.into_iter().map(Record::from).collect();
            records.push((row.seq, said));
        }
        Ok::<(_, Vec<(u64, Vec<Record>)>), Fault>((rows, records))
    })?;
    let Some(last) = rows.last().map(|row| row.seq) else { return Ok(0) };
    let now = hub_time(&hub.db)?.ms;
    let new = hub.db.write(|tx| {
        consumers::lock(tx, group.name())?;
        let (seq, replay_to) = consumers::place(tx, group.name(), place.stream)?;
        // Another process read on, or the group was begun anew, meanwhile.
        if (seq, replay_to) != (place.seq, place.replay_to) {
            return Ok::<_, Fault>(1);
        }
        let mut new = 0;
        for (at, said) in &records {
            new += take(tx, group, said, *at <= replay_to, now)?;
        }
        consumers::set_place(tx, group.name(), place.stream, (last, replay_to))?;
        Ok(new)
    })?;
    metrics::counter!("tradepost_consumed_records_total", "group" => group.name()).increment(new);
    Ok(new.max(1))
}

/// Tries what was parked and is due again, each behind what was parked before it under its key.
fn try_again(hub: &Hub, group: Group) -> Result<u64, Fault> {
    let now = hub_time(&hub.db)?.ms;
    let waiting = hub.db.read(|tx| Ok::<_, Fault>(consumers::due(tx, group.name(), now, 1)?))?;
    if waiting.is_empty() {
        return Ok(0);
    }
    hub.db.write(|tx| {
        consumers::lock(tx, group.name())?;
        let mut new = 0;
        for parked in consumers::due(tx, group.name(), now, ROWS)? {
            if !consumers::is_behind(tx, group.name(), &parked.lane, parked.place)? {
                new += retry(tx, group, parked, now)?;
            }
        }
        Ok::<_, Fault>(new)
    })
}

fn retry(tx: &mut Tx<'_>, group: Group, mut parked: Parked, now: UtcMs) -> Result<u64, DbError> {
    let Ok(record) = postcard::from_bytes::<Record>(&parked.record) else {
        return Err(DbError::Shape(format!("the parked record {} can't be read", parked.ce_id)));
    };
    parked.tries += 1;
    // The last time it doesn't wait for anything any more: a refund whose sale never comes is posted all the same.
    let how = How { again: false, patient: parked.tries < TRIES_MAX, now };
    let span = taking(group, &record);
    let _within = span.enter();
    let reason = match group.apply(tx, &record, how) {
        Ok(()) => {
            consumers::first_time(tx, group.name(), &record.id)?;
            consumers::unpark(tx, group.name(), parked.place)?;
            return Ok(1);
        }
        Err(Trouble::Db(error)) => return Err(error),
        Err(Trouble::Bad(reason) | Trouble::Early(reason)) => reason,
    };
    parked.reason = reason;
    parked.next_at = now + (REST_MS << parked.tries.min(16)).min(REST_MAX_MS);
    if parked.tries >= TRIES_MAX {
        parked.state = State::Dead;
        tracing::warn!(group = group.name(), id = parked.ce_id, reason = parked.reason, "a dead letter");
        metrics::counter!("tradepost_dead_letters_total", "group" => group.name()).increment(1);
    }
    consumers::tried(tx, group.name(), &parked)?;
    Ok(0)
}

/// Takes what Kafka gave, in one transaction; records of a group that is being built anew have to wait until it has
/// caught up with the facts. Whether they were taken.
///
/// # Errors
/// [`Fault`] of the database: nothing was taken.
pub fn take_all(hub: &Hub, group: Group, records: &[Record]) -> Result<bool, Fault> {
    let now = hub_time(&hub.db)?.ms;
    let new = hub.db.write(|tx| {
        consumers::lock(tx, group.name())?;
        if consumers::places(tx, group.name())?.iter().any(|place| place.seq < place.replay_to) {
            return Ok::<_, Fault>(None);
        }
        Ok(Some(take(tx, group, records, false, now)?))
    })?;
    if let Some(new) = new {
        metrics::counter!("tradepost_consumed_records_total", "group" => group.name()).increment(new);
    }
    Ok(new.is_some())
}

/// Begins a group anew: its read model and its inbox are emptied in one transaction, and it is fed from the facts, under
/// the same ids, up to where the streams end now; there it goes on.
///
/// # Errors
/// [`Fault`] of the database: nothing has changed.
pub fn replay(hub: &Hub, group: Group) -> Result<(), Fault> {
    hub.write(|tx, after| {
        after.poke = true;
        forget(tx, group)
    })
}

/// [`replay`] beside a hub that may be running: its own consumers see it within a second.
///
/// # Errors
/// [`Fault`] of the database: nothing has changed.
pub fn begin_anew(db: &Db, group: Group) -> Result<(), Fault> {
    db.write(|tx| forget(tx, group))
}

fn forget(tx: &mut Tx<'_>, group: Group) -> Result<(), Fault> {
    consumers::lock(tx, group.name())?;
    group.clear(tx)?;
    Ok(consumers::forget(tx, group.name())?)
}

/// Brings a dead letter back to be tried once more, at once; what came later under its key went on without it.
///
/// # Errors
/// [`Fault`], also where the group has no such dead letter.
pub fn revive(hub: &Hub, group: Group, ce_id: &str, now: UtcMs) -> Result<(), Fault> {
    hub.write(|tx, after| {
        after.poke = true;
        consumers::lock(tx, group.name())?;
        let dead = consumers::parked_at(tx, group.name(), ce_id)?.filter(|it| it.state == State::Dead);
        let mut dead = dead.ok_or_else(|| Fault::not_found("dead letter", ce_id))?;
        dead.state = State::Parked;
        dead.tries = 0;
        dead.next_at = now;
        Ok(consumers::tried(tx, group.name(), &dead)?)
    })
}

/// Gives a dead letter up for good.
///
/// # Errors
/// [`Fault`], also where the group has no such dead letter.
pub fn discard(hub: &Hub, group: Group, ce_id: &str) -> Result<(), Fault> {
    hub.write(|tx, _| {
        consumers::lock(tx, group.name())?;
        let dead = consumers::parked_at(tx, group.name(), ce_id)?.filter(|it| it.state == State::Dead);
        let dead = dead.ok_or_else(|| Fault::not_found("dead letter", ce_id))?;
        consumers::first_time(tx, group.name(), ce_id)?;
        Ok(consumers::unpark(tx, group.name(), dead.place)?)
    })
}
