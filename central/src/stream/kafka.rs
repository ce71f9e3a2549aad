//! The stream in Kafka: an idempotent producer that waits for every replica.

use super::NotSent;
use super::cloud_event::{CloudEvent, TOPICS};
use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a send may take, retries included.
const SEND_MAX: Duration = Duration::from_secs(10);
/// Partitions of a new topic.
const PARTITIONS: i32 = 12;

/// Why Kafka can't be used.
#[derive(Debug, thiserror::Error)]
#[error("Kafka: {0}")]
pub struct BadKafka(#[from] KafkaError);

/// A Kafka cluster.
pub struct Kafka {
    /// One send at a time: the relay is one, and records of a stream must stay in order.
    producer: Mutex<BaseProducer<Deliveries>>,
    deliveries: Arc<AtomicUsize>,
    servers: String,
}

/// Counts what was delivered.
struct Deliveries(Arc<AtomicUsize>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => {
                self.0.fetch_add(1, Ordering::AcqRel);
            }
            Err((error, _)) => tracing::warn!(%error, "a record was not delivered"),
        }
    }
}

impl Kafka {
    /// A cluster at `servers` (`host:9092,…`). It is reached when first needed.
    pub fn new(servers: &str) -> Result<Self, BadKafka> {
        let deliveries = Arc::new(AtomicUsize::new(0));
        let producer = ClientConfig::new()
            .set("bootstrap.servers", servers)
            .set("client.id", "tradepost-hub")
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "zstd")
            .set("linger.ms", "5")
            .set("message.timeout.ms", SEND_MAX.as_millis().to_string())
            .create_with_context(Deliveries(Arc::clone(&deliveries)))?;
        Ok(Self { producer: Mutex::new(producer), deliveries, servers: servers.to_owned() })
    }

    /// Makes the hub's topics where they are missing.
    pub async fn make_topics(&self) -> Result<(), BadKafka> {
        let admin: AdminClient<_> = ClientConfig::new().set("bootstrap.servers", &self.servers).create()?;
        let names: Vec<String> =
            TOPICS.iter().flat_map(|t| [(*t).to_owned(), format!("{t}.retry"), format!("{t}.dlq")]).collect();
        let topics: Vec<NewTopic<'_>> =
            names.iter().map(|t| NewTopic::new(t, PARTITIONS, TopicReplication::Fixed(-1))).collect();
        let options = AdminOptions::new().operation_timeout(Some(SEND_MAX)).request_timeout(Some(SEND_MAX));
        for made in admin.create_topics(&topics, &options).await? {
            match made {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, error)) => {
                    tracing::warn!(%topic, %error, "the topic could not be made");
                    return Err(KafkaError::AdminOp(error).into());
                }
            }
        }
        Ok(())
    }

    pub(super) fn send(&self, events: &[CloudEvent]) -> Result<(), NotSent> {
        let producer = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        self.deliveries.store(0, Ordering::Release);
        for event in events {
            queue(&producer, event)?;
        }
        producer.flush(SEND_MAX + Duration::from_secs(1)).map_err(|e| NotSent(e.to_string()))?;
        let delivered = self.deliveries.load(Ordering::Acquire);
        if delivered < events.len() {
            return Err(NotSent(format!("{delivered} of {} were delivered", events.len())));
        }
        Ok(())
    }
}

fn queue(producer: &BaseProducer<Deliveries>, event: &CloudEvent) -> Result<(), NotSent> {
    let headers = event
        .headers()
        .iter()
        .fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(value) }));
    let mut record = BaseRecord::to(event.topic)
        .key(&event.key)
        .payload(&event.data)
        .timestamp(event.time)
        .headers(headers);
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                producer.poll(Duration::from_millis(20));
                record = back;
            }
            Err((error, _)) => return Err(NotSent(error.to_string())),
        }
    }
}
