//! The custody register: who alone may finish an object (`model.md` §5).

use crate::body::{CustodyMark, CustodyObject, Moved};
use crate::clock::Tau;
use crate::effects::CustodyEffect;
use crate::fence::WaitRefusal;
use crate::ids::Incarnation;
use crate::terms::Terms;
use serde::{Deserialize, Serialize};

/// Where an object's custody stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Custody {
    /// Grows with every forced takeover.
    pub epoch: u32,
    /// Grows with every step of the owner.
    pub n: u64,
    /// Who alone may write the next step.
    pub owner: Incarnation,
    /// Whether it has come to its end.
    pub terminal: bool,
}

/// What a step did to the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is the new state.
    Taken,
    /// It is the new state, and supersedes an end that was known: flagged like [`Self::TerminalBehindTakeover`].
    TakenFromEnded,
    /// It was known, or is superseded.
    Old,
    /// Same (epoch, n), other content: a fork, to be quarantined.
    Fork,
    /// A terminal state behind a takeover: booked as a fact and flagged.
    TerminalBehindTakeover,
}

impl Custody {
    /// The first state of an object that its author makes.
    pub fn begin(owner: Incarnation) -> Self {
        Self { epoch: 0, n: 0, owner, terminal: false }
    }

    /// Merges a step: the greater (epoch, n) wins, in whatever order they come; of two at one place, the end, then the
    /// greater owner, so that all replicas agree until a person has looked (I7). An end that a takeover supersedes is
    /// flagged whichever of the two is heard first.
    pub fn merge(&mut self, step: &CustodyEffect) -> Step {
        let (ours, theirs) = ((self.epoch, self.n), (step.epoch, step.n));
        if theirs == ours {
            let (ours, theirs) = ((self.terminal, self.owner), (step.terminal, step.owner));
            if ours == theirs {
                return Step::Old;
            }
            (self.terminal, self.owner) = ours.max(theirs);
            return Step::Fork;
        }
        if theirs < ours {
            let flagged = step.terminal && step.epoch < self.epoch;
            return if flagged { Step::TerminalBehindTakeover } else { Step::Old };
        }
        let superseded_end = self.terminal && step.epoch > self.epoch;
        *self = Self { epoch: step.epoch, n: step.n, owner: step.owner, terminal: step.terminal };
        if superseded_end { Step::TakenFromEnded } else { Step::Taken }
    }

    /// Whether `who` may finish the object now.
    pub fn may_finish(&self, who: &Incarnation) -> bool {
        self.owner == *who && !self.terminal
    }

    /// The owner's next step.
    pub fn next(&self) -> CustodyMark {
        CustodyMark { epoch: self.epoch, n: self.n + 1 }
    }

    /// The owner hands it on: only within its lease.
    ///
    /// # Errors
    /// [`CustodyRefusal`].
    pub fn hand_on(&self, who: &Incarnation, locked: bool) -> Result<CustodyMark, CustodyRefusal> {
        self.owned_by(who)?;
        if locked { Err(CustodyRefusal::Locked) } else { Ok(self.next()) }
    }

    /// The owner ends it. Locked, it still finishes its own carts and shifts and receives what it is custodian of;
    /// refund rights and reservations it doesn't end (`model.md` §3.1).
    ///
    /// # Errors
    /// [`CustodyRefusal`].
    pub fn finish(
        &self,
        object: &CustodyObject,
        who: &Incarnation,
        locked: bool,
    ) -> Result<CustodyMark, CustodyRefusal> {
        self.owned_by(who)?;
        let covered = matches!(object, CustodyObject::Reservation(_) | CustodyObject::Refund(_));
        if locked && covered { Err(CustodyRefusal::Locked) } else { Ok(self.next()) }
    }

    /// A forced takeover, always flagged: epoch + 1, after the owner's lease and the wait of §3 (`wait`). Carts by a
    /// manager in the store; reservations, transfers, deliveries and refund rights by the hub only.
    ///
    /// # Errors
    /// [`CustodyRefusal`]; [`CustodyRefusal::Wait`] names the time.
    pub fn take_over(
        &self,
        object: &CustodyObject,
        by: Taker,
        wait: Result<Option<Tau>, WaitRefusal>,
    ) -> Result<CustodyMark, CustodyRefusal> {
        let in_store = matches!(object, CustodyObject::Cart(_) | CustodyObject::Shift { .. });
        if !in_store && by == Taker::Manager {
            return Err(CustodyRefusal::HubOnly);
        }
        if self.terminal {
            return Err(CustodyRefusal::Ended);
        }
        wait?;
        Ok(CustodyMark { epoch: self.epoch + 1, n: 0 })
    }

    /// Who owns it, once fences are heard: carts, shifts and refund rights that a fenced incarnation still owned at its
    /// cap are its successor's after the wait (`wait_over`), without a byte.
    pub fn owner_by(&self, object: &CustodyObject, terms: &Terms, wait_over: bool) -> Incarnation {
        let passes = match object {
            CustodyObject::Cart(_) | CustodyObject::Shift { .. } | CustodyObject::Refund(_) => true,
            CustodyObject::Reservation(_) | CustodyObject::Transfer(_) | CustodyObject::Delivery(_) => false,
        };
        let successor = terms.fence(&self.owner).and_then(|fence| fence.successor);
        successor.filter(|_| passes && wait_over && !self.terminal).unwrap_or(self.owner)
    }

    fn owned_by(&self, who: &Incarnation) -> Result<(), CustodyRefusal> {
        if self.terminal {
            return Err(CustodyRefusal::Ended);
        }
        if self.owner == *who { Ok(()) } else { Err(CustodyRefusal::NotOwner { owner: self.owner }) }
    }
}

/// Who forces a takeover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Taker {
    /// A manager in the store.
    Manager,
    /// The hub.
    Hub,
}

/// Why a step of custody is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CustodyRefusal {
    /// Somebody else is the custodian.
    #[error("{owner} is the custodian")]
    NotOwner {
        /// Who.
        owner: Incarnation,
    },
    /// It has come to its end.
    #[error("it has come to its end")]
    Ended,
    /// The lease doesn't run.
    #[error("locked: the lease does not run")]
    Locked,
    /// Only the hub takes this kind of object over.
    #[error("only the hub may take it over")]
    HubOnly,
    /// The owner's lease or its wait still runs.
    #[error(transparent)]
    Wait(#[from] WaitRefusal),
    /// A locked store handed it over: it is closed by its custodian, never expired or cancelled.
    #[error("it was handed over by a sale that names it")]
    HandedOver,
    /// Nothing is known of it.
    #[error("nothing is known of it")]
    Unknown,
}

/// How a reservation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// Handed out.
    Fulfilled,
    /// The order is cancelled.
    Cancelled,
    /// Its time is over.
    Expired,
    /// A locked store handed it over by a sale that names it: that sale is its fulfilment, and this takes the
    /// reservation off the books.
    Closed,
}

/// Decides the end of a reservation of `units`: exactly one, by its custodian (`model.md` §2, §5). The rights come back
/// with a cancellation, an expiry or a closing, minted by the custodian; behind a forced takeover nobody mints, as a
/// terminal state of the old custodian may surface (`D` makes it a surplus).
///
/// # Errors
/// [`CustodyRefusal`].
pub fn end_reservation(
    custody: &Custody,
    who: &Incarnation,
    locked: bool,
    how: End,
    handed_over: bool,
    units: u64,
) -> Result<(CustodyMark, Moved), CustodyRefusal> {
    custody.owned_by(who)?;
    if locked {
        return Err(CustodyRefusal::Locked);
    }
    if handed_over != (how == End::Closed) {
        return Err(CustodyRefusal::HandedOver);
    }
    let m = if how == End::Fulfilled || custody.epoch > 0 { 0 } else { units };
    Ok((custody.next(), Moved { m, ..Moved::default() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::CustodyObject;
    use crate::ids::Id;

    const A: Incarnation = Incarnation([1; 16]);
    const B: Incarnation = Incarnation([2; 16]);

    fn step(epoch: u32, n: u64, owner: Incarnation, terminal: bool) -> CustodyEffect {
        CustodyEffect { object: CustodyObject::Cart(Id([9; 16])), epoch, n, owner, terminal }
    }

    #[test]
    fn the_greater_epoch_and_n_win_in_any_order() {
        let steps = [step(0, 1, B, false), step(0, 2, A, false), step(1, 0, B, false), step(1, 1, B, true)];
        let mut forward = Custody::begin(A);
        steps.iter().for_each(|s| {
            forward.merge(s);
        });
        let mut backward = Custody::begin(A);
        steps.iter().rev().for_each(|s| {
            backward.merge(s);
        });
        assert_eq!(forward, backward);
        assert!(forward.terminal);
    }

    #[test]
    fn the_same_step_with_other_content_is_a_fork() {
        let mut custody = Custody::begin(A);
        assert_eq!(custody.merge(&step(0, 1, B, false)), Step::Taken);
        assert_eq!(custody.merge(&step(0, 1, A, false)), Step::Fork);
    }

    #[test]
    fn a_fork_ends_alike_in_either_order() {
        let (end, hand_on) = (step(0, 1, A, true), step(0, 1, B, false));
        let [mut one, mut other] = [Custody::begin(A), Custody::begin(A)];
        assert_eq!([one.merge(&end), one.merge(&hand_on)], [Step::Taken, Step::Fork]);
        assert_eq!([other.merge(&hand_on), other.merge(&end)], [Step::Taken, Step::Fork]);
        assert_eq!(one, other);
        assert!(one.terminal, "what was ended once is not ended again");
    }

    #[test]
    fn a_terminal_state_behind_a_takeover_is_flagged() {
        let mut custody = Custody::begin(A);
        custody.merge(&step(1, 0, B, false));
        assert_eq!(custody.merge(&step(0, 5, A, true)), Step::TerminalBehindTakeover);
        assert!(!custody.terminal);
    }

    #[test]
    fn an_end_and_a_takeover_are_flagged_in_either_order() {
        let (end, takeover) = (step(0, 1, A, true), step(1, 0, B, false));
        let mut one = Custody::begin(A);
        assert_eq!([one.merge(&end), one.merge(&takeover)], [Step::Taken, Step::TakenFromEnded]);
        let mut other = Custody::begin(A);
        assert_eq!([other.merge(&takeover), other.merge(&end)], [Step::Taken, Step::TerminalBehindTakeover]);
        assert_eq!(one, other);
    }

    #[test]
    fn only_the_custodian_finishes() {
        let custody = Custody::begin(A);
        assert!(custody.may_finish(&A));
        assert!(!custody.may_finish(&B));
    }
}
