//! A provider that is played: its books, and manners in which it can trouble whoever asks it.

use super::{Kind, Operation, Outcome, Unknown};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How a payment goes, named by its method: `approve`, `decline`, `decline-capture`, `lost`, `forgotten`, `slow:MS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    Approve,
    /// Nothing is set aside.
    Decline,
    /// Something is set aside, and then can't be taken.
    DeclineCapture,
    /// Each operation is done when it is first asked for, and the answer is lost.
    Lost,
    /// Each operation is forgotten when it is first asked for.
    Forgotten,
    /// Each answer takes so long.
    Slow(Duration),
}

impl Manner {
    /// The manner that a method names; every other method is approved.
    #[must_use]
    pub fn of(method: &str) -> Self {
        let slow = method.strip_prefix("slow:").and_then(|ms| ms.parse().ok());
        match (method, slow) {
            ("decline", _) => Self::Decline,
            ("decline-capture", _) => Self::DeclineCapture,
            ("lost", _) => Self::Lost,
            ("forgotten", _) => Self::Forgotten,
            (_, Some(ms)) => Self::Slow(Duration::from_millis(ms)),
            _ => Self::Approve,
        }
    }
}

/// What a provider's books say of one payment, in minor units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Money {
    /// The order it is for.
    pub order: String,
    /// Set aside.
    pub authorized: i64,
    /// Taken.
    pub captured: i64,
    /// Given back.
    pub refunded: i64,
    /// What was set aside was let go; nothing will ever be taken.
    pub voided: bool,
}

impl Money {
    /// What the provider holds of the shopper's.
    #[must_use]
    pub fn kept(&self) -> i64 {
        self.captured - self.refunded
    }
}

/// A key was used for another operation before.
#[derive(Debug, thiserror::Error)]
#[error("the key was used for another operation")]
pub struct KeyReused;

/// A provider's books: pure, and the same key has one effect.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    operations: BTreeMap<String, (Operation, Outcome)>,
    payments: BTreeMap<String, Money>,
}

impl Ledger {
    /// Does an operation once; asked again under its key it answers the same.
    ///
    /// # Errors
    /// [`KeyReused`].
    pub fn perform(&mut self, key: &str, operation: &Operation) -> Result<Outcome, KeyReused> {
        if let Some((known, outcome)) = self.operations.get(key) {
            return if known == operation { Ok(outcome.clone()) } else { Err(KeyReused) };
        }
        let outcome = match self.book(operation) {
            Ok(()) => Outcome::Done { reference: format!("sim-{}", self.operations.len() + 1) },
            Err(reason) => Outcome::Declined { reason: reason.to_owned() },
        };
        self.operations.insert(key.to_owned(), (operation.clone(), outcome.clone()));
        Ok(outcome)
    }

    fn book(&mut self, operation: &Operation) -> Result<(), &'static str> {
        let (manner, amount) = (Manner::of(&operation.method), operation.amount);
        let money = self.payments.entry(operation.payment.clone()).or_default();
        money.order.clone_from(&operation.order);
        match operation.kind {
            Kind::Authorize if money.voided => Err("voided"),
            Kind::Authorize if manner == Manner::Decline => Err("insufficient_funds"),
            Kind::Authorize => {
                money.authorized = amount;
                Ok(())
            }
            Kind::Capture if money.voided => Err("voided"),
            Kind::Capture if manner == Manner::DeclineCapture => Err("authorization_expired"),
            Kind::Capture if money.captured > 0 || amount > money.authorized => Err("not_authorized"),
            Kind::Capture => {
                money.captured = amount;
                Ok(())
            }
            Kind::Void if money.captured > 0 => Err("captured"),
            Kind::Void => {
                money.voided = true;
                Ok(())
            }
            Kind::Refund if money.refunded + amount > money.captured => Err("more_than_captured"),
            Kind::Refund => {
                money.refunded += amount;
                Ok(())
            }
        }
    }

    /// What became of an operation, if it was ever heard of.
    #[must_use]
    pub fn known(&self, key: &str) -> Option<&Outcome> {
        self.operations.get(key).map(|(_, outcome)| outcome)
    }

    /// Every payment with its money.
    pub fn payments(&self) -> impl Iterator<Item = (&str, &Money)> {
        self.payments.iter().map(|(id, money)| (id.as_str(), money))
    }
}

/// A provider in this process.
#[derive(Default)]
pub struct Simulated {
    state: Mutex<(Ledger, BTreeMap<String, u32>)>,
}

impl Simulated {
    pub(super) fn ask(
        &self,
        key: &str,
        operation: &Operation,
        patience: Duration,
    ) -> Result<Outcome, Unknown> {
        let manner = Manner::of(&operation.method);
        let mut state = self.lock();
        let (ledger, asked) = &mut *state;
        let tries = asked.entry(key.to_owned()).or_default();
        *tries += 1;
        let first = *tries == 1;
        if manner == Manner::Forgotten && first {
            return Err(Unknown("the request was lost".to_owned()));
        }
        let outcome = ledger.perform(key, operation).map_err(|error| Unknown(error.to_string()))?;
        drop(state);
        match manner {
            Manner::Lost if first => Err(Unknown("the answer was lost".to_owned())),
            Manner::Slow(time) if time > patience => {
                std::thread::sleep(patience);
                Err(Unknown("the answer took too long".to_owned()))
            }
            Manner::Slow(time) => {
                std::thread::sleep(time);
                Ok(outcome)
            }
            _ => Ok(outcome),
        }
    }

    /// Its books as they stand.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.lock().0.clone()
    }

    fn lock(&self) -> MutexGuard<'_, (Ledger, BTreeMap<String, u32>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(kind: Kind, method: &str, amount: i64) -> Operation {
        let (payment, order) = ("p".to_owned(), "o".to_owned());
        Operation { kind, payment, order, amount, currency: "EUR".to_owned(), method: method.to_owned() }
    }

    #[test]
    fn an_operation_is_done_once_however_often_it_is_asked_for() {
        let mut ledger = Ledger::default();
        for _ in 0..3 {
            for (key, kind) in [("a", Kind::Authorize), ("c", Kind::Capture), ("r", Kind::Refund)] {
                let done = ledger.perform(key, &operation(kind, "approve", 500)).expect("the same operation");
                assert!(matches!(done, Outcome::Done { .. }), "{key}: {done:?}");
            }
        }
        let (_, money) = ledger.payments().next().expect("one payment");
        assert_eq!((money.authorized, money.captured, money.refunded), (500, 500, 500));
        assert!(ledger.perform("a", &operation(Kind::Authorize, "approve", 501)).is_err());
        let twice = ledger.perform("r2", &operation(Kind::Refund, "approve", 1)).expect("another key");
        assert!(matches!(twice, Outcome::Declined { .. }));
    }

    #[test]
    fn what_was_voided_is_never_taken_even_if_it_arrives_later() {
        let mut ledger = Ledger::default();
        assert!(matches!(
            ledger.perform("v", &operation(Kind::Void, "approve", 500)),
            Ok(Outcome::Done { .. })
        ));
        for (key, kind) in [("a", Kind::Authorize), ("c", Kind::Capture)] {
            let late = ledger.perform(key, &operation(kind, "approve", 500));
            assert!(matches!(late, Ok(Outcome::Declined { .. })), "{key}: {late:?}");
        }
    }

    #[test]
    fn a_lost_answer_and_a_forgotten_request_are_known_once_asked_again() {
        for (method, captured_at_first) in [("lost", 500), ("forgotten", 0)] {
            let provider = Simulated::default();
            let patience = Duration::from_millis(1);
            let ask = |key: &str, kind| provider.ask(key, &operation(kind, method, 500), patience);
            assert!(ask("a", Kind::Authorize).is_err());
            assert!(ask("a", Kind::Authorize).is_ok());
            assert!(ask("c", Kind::Capture).is_err());
            let captured = |provider: &Simulated| {
                provider.ledger().payments().map(|(_, money)| money.captured).sum::<i64>()
            };
            assert_eq!(captured(&provider), captured_at_first, "{method}");
            assert!(ask("c", Kind::Capture).is_ok());
            assert_eq!(captured(&provider), 500, "{method}");
        }
    }
}
