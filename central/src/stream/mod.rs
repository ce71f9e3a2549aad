//! The event stream: transport, never memory (`facts.md` §3). Without Kafka the outbox table itself is the stream.

pub mod cloud_event;
mod embedded;
mod kafka;
pub mod schema;

pub use cloud_event::CloudEvent;
pub use embedded::Embedded;
pub use kafka::{BadKafka, Kafka, Lane};

/// The members there are.
pub enum Stream {
    /// The outbox table, read by consumers with their own offsets.
    Embedded(Embedded),
    /// Apache Kafka.
    Kafka(Box<Kafka>),
}

/// Records that could not be sent; they stay in the outbox.
#[derive(Debug, thiserror::Error)]
#[error("the stream didn't take the records: {0}")]
pub struct NotSent(pub String);

impl Stream {
    /// Sends records in order and returns once all of them are durable there; none is seen by readers where it fails.
    pub fn send(&self, lane: Lane<'_>, events: &[CloudEvent]) -> Result<(), NotSent> {
        match self {
            Self::Embedded(stream) => stream.send(events),
            Self::Kafka(stream) => stream.send(lane, events),
        }
    }

    /// The member's name, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Embedded(_) => "embedded",
            Self::Kafka(_) => "kafka",
        }
    }
}
