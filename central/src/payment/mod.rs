//! Providers of payments: who takes money for web orders (`hub.md`, Services; `facts.md` §4).
//!
//! The hub asks for an operation under a key. The same key asked again means the same operation and gets the same answer,
//! so an answer that was lost is asked for again until it is known. Nothing here keeps state of the hub's, and no
//! transaction is open while a provider is asked.

mod adapter;
mod simulated;

pub use adapter::{Adapter, BadAdapter};
pub use simulated::{KeyReused, Ledger, Manner, Money, Simulated};

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The members there are.
pub enum Payments {
    /// None: nothing can be paid on the web.
    None,
    /// One in this process that plays a provider, for trying things out. It forgets when the process ends.
    Simulated(Simulated),
    /// A real one, behind an adapter on this machine.
    Adapter(Adapter),
}

/// What a provider is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Set an amount aside.
    Authorize,
    /// Take what was set aside.
    Capture,
    /// Let go of what was set aside, for good: also where the authorization was never heard of.
    Void,
    /// Give back of what was taken.
    Refund,
}

impl Kind {
    /// The key of an operation on a payment.
    #[must_use]
    pub fn key(self, id: &str) -> String {
        let name = match self {
            Self::Authorize => "authorize",
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Refund => "refund",
        };
        format!("{name}:{id}")
    }
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// What to do.
    pub kind: Kind,
    /// The payment, a UUID.
    pub payment: String,
    /// The order it is for, a UUID.
    pub order: String,
    /// Minor units.
    pub amount: i64,
    /// Currency code (ISO 4217).
    pub currency: String,
    /// How the shopper pays, in the provider's words: a token, never a card's number.
    pub method: String,
}

/// What became of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Outcome {
    /// It is done.
    Done {
        /// The provider's reference.
        reference: String,
    },
    /// It is refused, for good.
    Declined {
        /// Why, for people.
        reason: String,
    },
}

/// Nobody knows what became of an operation: ask again under the same key.
#[derive(Debug, thiserror::Error)]
#[error("the provider gave no answer: {0}")]
pub struct Unknown(pub String);

impl Payments {
    /// Asks for an operation under a key and waits for what became of it, no longer than `patience`.
    ///
    /// # Errors
    /// [`Unknown`]: it may have been done or not.
    pub fn ask(&self, key: &str, operation: &Operation, patience: Duration) -> Result<Outcome, Unknown> {
        let span = tracing::info_span!("provider", otel.kind = "client", provider = self.name(), key);
        let _within = span.enter();
        match self {
            Self::None => Err(Unknown("no provider is configured".to_owned())),
            Self::Simulated(provider) => provider.ask(key, operation, patience),
            Self::Adapter(provider) => provider.ask(key, operation, patience),
        }
    }

    /// Whether anything can be paid.
    #[must_use]
    pub fn is_there(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// The member's name, for people.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Simulated(_) => "simulated",
            Self::Adapter(_) => "adapter",
        }
    }
}
