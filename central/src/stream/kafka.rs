//! The stream in Kafka: one transactional producer for each stream of the outbox, so that a relay that stalled and was
//! replaced is fenced by Kafka too (`facts.md` §3).

use super::NotSent;
use super::cloud_event::{CloudEvent, TOPICS};
use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
    /// By stream of the outbox: the producer, and the lease's epoch that it was made under.
    producers: Mutex<BTreeMap<i64, Sender>>,
    servers: String,
    prefix: String,
    topics_made: AtomicBool,
}

struct Sender {
    epoch: u64,
    producer: BaseProducer<Deliveries>,
    delivered: Arc<AtomicUsize>,
}

/// Who sends: the stream of the outbox, under which epoch of its lease, and the hub's name among others on the cluster.
#[derive(Clone, Copy, Debug)]
pub struct Lane<'a> {
    /// The stream of the outbox.
    pub stream: i64,
    /// The epoch of the relay's lease on it.
    pub epoch: u64,
    /// The hub's own name.
    pub hub: &'a str,
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
    /// A cluster at `servers` (`host:9092,…`). It is reached when first needed. `prefix` stands before every topic and
    /// group, where several hubs share a cluster.
    pub fn new(servers: &str, prefix: &str) -> Self {
        Self {
            producers: Mutex::default(),
            servers: servers.to_owned(),
            prefix: prefix.to_owned(),
            topics_made: AtomicBool::new(false),
        }
    }

    /// Its servers, as given.
    pub fn servers(&self) -> &str {
        &self.servers
    }

    /// What stands before every topic and group.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether this process has made sure of the topics.
    pub fn has_topics(&self) -> bool {
        self.topics_made.load(Ordering::Acquire)
    }

    /// Makes the hub's topics where they are missing.
    pub async fn make_topics(&self) -> Result<(), BadKafka> {
        let admin: AdminClient<_> = ClientConfig::new().set("bootstrap.servers", &self.servers).create()?;
        let name = |topic: &&str| {
            let name = format!("{}{topic}", self.prefix);
            [format!("{name}.retry"), format!("{name}.dlq"), name]
        };
        let names: Vec<String> = TOPICS.iter().flat_map(name).collect();
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
        self.topics_made.store(true, Ordering::Release);
        Ok(())
    }

    /// Sends records in order, in one transaction of Kafka's: all are there for its readers, or none.
    pub(super) fn send(&self, lane: Lane<'_>, events: &[CloudEvent]) -> Result<(), NotSent> {
        if events.is_empty() {
            return Ok(());
        }
        let mut producers = self.producers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = producers.remove(&lane.stream).filter(|sender| sender.epoch == lane.epoch);
        let sender = match known {
            Some(sender) => sender,
            None => self.sender(lane).map_err(|error| NotSent(error.to_string()))?,
        };
        // A producer that failed is dropped: the next one begins by fencing it.
        self.send_by(&sender, events)?;
        producers.insert(lane.stream, sender);
        Ok(())
    }

    fn sender(&self, lane: Lane<'_>) -> Result<Sender, KafkaError> {
        let delivered = Arc::new(AtomicUsize::new(0));
        let producer: BaseProducer<Deliveries> = ClientConfig::new()
            .set("bootstrap.servers", &self.servers)
            .set("client.id", "tradepost-hub")
            .set("transactional.id", format!("{}tradepost-relay-{}-{}", self.prefix, lane.hub, lane.stream))
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "zstd")
            .set("linger.ms", "5")
            .set("message.timeout.ms", SEND_MAX.as_millis().to_string())
            .set("transaction.timeout.ms", (SEND_MAX.as_millis() * 2).to_string())
            .create_with_context(Deliveries(Arc::clone(&delivered)))?;
        producer.init_transactions(SEND_MAX)?;
        Ok(Sender { epoch: lane.epoch, producer, delivered })
    }

    fn send_by(&self, sender: &Sender, events: &[CloudEvent]) -> Result<(), NotSent> {
        let failed = |error: KafkaError| NotSent(error.to_string());
        sender.delivered.store(0, Ordering::Release);
        sender.producer.begin_transaction().map_err(failed)?;
        for event in events {
            if let Err(why) = queue(&sender.producer, &self.prefix, event) {
                // What an abort leaves undone ends with the transaction's time.
                let _ = sender.producer.abort_transaction(SEND_MAX);
                return Err(why);
            }
        }
        if let Err(error) = sender.producer.commit_transaction(SEND_MAX + Duration::from_secs(1)) {
            let _ = sender.producer.abort_transaction(SEND_MAX);
            return Err(failed(error));
        }
        let delivered = sender.delivered.load(Ordering::Acquire);
        if delivered < events.len() {
            return Err(NotSent(format!("{delivered} of {} were delivered", events.len())));
        }
        Ok(())
    }
}

fn queue(producer: &BaseProducer<Deliveries>, prefix: &str, event: &CloudEvent) -> Result<(), NotSent> {
    let headers = event
        .headers()
        .iter()
        .fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(value) }));
    let topic = format!("{prefix}{}", event.topic);
    let mut record =
        BaseRecord::to(&topic).key(&event.key).payload(&event.data).timestamp(event.time).headers(headers);
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
