//! A group's reader of Kafka: what is committed there alone, its place kept there once the effects are in the database.

use super::{Group, Record, take_all};
use crate::hub::Hub;
use crate::stream::cloud_event::TOPICS;
use crate::stream::{BadKafka, Stream};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{ClientConfig, ClientContext, Message, Statistics};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Records of one transaction.
const RECORDS: usize = 500;
/// How long a reader waits for the first of them, and rests after a failure.
const WAIT: Duration = Duration::from_millis(200);

/// Reads for a group until `stopping` says true; blocks its thread. Nothing happens without Kafka.
pub fn run(hub: &Arc<Hub>, group: Group, stopping: &watch::Receiver<bool>) {
    let Stream::Kafka(kafka) = &hub.stream else { return };
    while !*stopping.borrow() && !kafka.has_topics() {
        std::thread::sleep(WAIT);
    }
    let reader = match subscribe(kafka.servers(), kafka.prefix(), group) {
        Ok(reader) => reader,
        Err(error) => {
            tracing::error!(%error, group = group.name(), "the group can't read");
            return;
        }
    };
    let mut records: Vec<Record> = Vec::new();
    while !*stopping.borrow() {
        if records.is_empty() {
            records = read(&reader, kafka.prefix());
        }
        if records.is_empty() {
            continue;
        }
        match take_all(hub, group, &records) {
            Ok(true) => {
                records.clear();
                // A place that isn't kept means that records come again: the inbox knows them.
                if let Err(error) = reader.commit_consumer_state(CommitMode::Async) {
                    tracing::debug!(%error, "the place was not kept");
                }
            }
            Ok(false) => std::thread::sleep(WAIT),
            Err(fault) => {
                tracing::warn!(%fault, group = group.name(), "the group waits");
                std::thread::sleep(WAIT);
            }
        }
    }
}

/// Tells now and then how much a group has not read yet.
struct Lag(Group);

impl ClientContext for Lag {
    fn stats(&self, statistics: Statistics) {
        let partitions = statistics.topics.values().flat_map(|topic| topic.partitions.values());
        // Partitions that aren't this reader's have no lag here (-1).
        let lag: i64 = partitions.map(|partition| partition.consumer_lag.max(0)).sum();
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
        metrics::gauge!("tradepost_consumer_lag", "group" => self.0.name()).set(lag as f64);
    }
}

impl ConsumerContext for Lag {}

fn subscribe(servers: &str, prefix: &str, group: Group) -> Result<BaseConsumer<Lag>, BadKafka> {
    let reader: BaseConsumer<Lag> = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("client.id", "tradepost-hub")
        .set("group.id", format!("{prefix}tradepost-{}", group.name()))
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .set("topic.metadata.refresh.interval.ms", "5000")
        .set("session.timeout.ms", "10000")
        .set("statistics.interval.ms", "5000")
        .create_with_context(Lag(group))?;
    let topics: Vec<String> = group.topics().iter().map(|topic| format!("{prefix}{topic}")).collect();
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    reader.subscribe(&topics)?;
    Ok(reader)
}

fn read(reader: &BaseConsumer<Lag>, prefix: &str) -> Vec<Record> {
    let mut records = Vec::new();
    let mut patience = WAIT;
    while records.len() < RECORDS {
        match reader.poll(patience) {
            Some(Ok(message)) => {
                records.extend(record(&message, prefix));
                patience = Duration::ZERO;
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "Kafka can't be read");
                break;
            }
            None => break,
        }
    }
    records
}

/// A message as consumers take it; none where it isn't one of the hub's, which is left alone.
fn record(message: &BorrowedMessage<'_>, prefix: &str) -> Option<Record> {
    let topic = message.topic().strip_prefix(prefix)?;
    let topic = TOPICS.iter().find(|known| **known == topic)?;
    let headers = message.headers()?;
    let header = |name: &str| {
        let found = headers.iter().find(|header| header.key == name)?.value?;
        std::str::from_utf8(found).ok().map(ToOwned::to_owned)
    };
    let key = message.key().and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default();
    let time = header("ce_time").and_then(|at| at.parse::<jiff::Timestamp>().ok());
    Some(Record {
        id: header("ce_id")?,
        ty: header("ce_type")?,
        source: header("ce_source")?,
        subject: header("ce_subject").unwrap_or_default(),
        time: time.map_or(0, jiff::Timestamp::as_millisecond),
        topic: (*topic).to_owned(),
        key: key.to_owned(),
        data: message.payload().unwrap_or_default().to_vec(),
        traceparent: header("traceparent").unwrap_or_default(),
    })
}
