//! What a barrier adds to a conversation between hub and node: questions, answers, caps, and nothing decided here
//! (`model.md` §3.5, §6). Whoever isn't answered says it again; the same word again changes nothing.

use super::{BarrierWord, Message, Output, Refusal, Role, Session};
use crate::frontier::HeadMark;

impl Session {
    /// The pump has a word for the other side. Before both have met it is lost, and said again later.
    pub(super) fn say_of_barrier(&mut self, word: BarrierWord) {
        if !self.met() {
            return;
        }
        self.take_again(&word);
        self.send(Message::Barrier(word));
    }

    /// The other side has a word; each side says its own half only.
    pub(super) fn hear_of_barrier(&mut self, word: BarrierWord) {
        let mine_to_hear = match word {
            BarrierWord::Ask { .. } | BarrierWord::Proposal { .. } => self.local.role == Role::Node,
            BarrierWord::Reply { .. } | BarrierWord::Ack { .. } => self.local.role == Role::Hub,
        };
        if !mine_to_hear {
            return self.refuse(Refusal::Nonsense);
        }
        self.take_again(&word);
        self.out.push_back(Output::Barrier(word));
    }

    /// Once caps are proposed, a frozen log that was declined may go on, up to its cap.
    fn take_again(&mut self, word: &BarrierWord) {
        if let BarrierWord::Proposal { caps, .. } = word {
            let capped = caps.iter().map(|HeadMark { incarnation, .. }| *incarnation);
            capped.for_each(|log| self.outgoing.offer_again(log));
        }
    }
}
