//! The custody register: who alone may finish an object (`model.md` §5).

use crate::effects::CustodyEffect;
use crate::ids::Incarnation;
use serde::{Deserialize, Serialize};

/// Where an object's custody stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

    /// Merges a step: the greater (epoch, n) wins, in whatever order they come. An end that a takeover supersedes is
    /// flagged whichever of the two is heard first.
    pub fn merge(&mut self, step: &CustodyEffect) -> Step {
        let (ours, theirs) = ((self.epoch, self.n), (step.epoch, step.n));
        if theirs == ours {
            let same = step.owner == self.owner && step.terminal == self.terminal;
            return if same { Step::Old } else { Step::Fork };
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
