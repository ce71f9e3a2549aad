//! What neighbours add: others' streams that several ways lead to, and rights that are asked for (`model.md` §2, In the
//! store, offline; §6).

use super::{Acquire, Message, Output, Refusal, Role, Session};
use crate::clock::UtcMs;
use crate::frontier::HeadMark;
use crate::ids::Incarnation;
use crate::limits::{ASKS_MAX, RELAY_HUB_MS, RELAY_LAN_MS};

impl Session {
    /// How long somebody else's events wait for a faster way.
    pub(super) fn relay_ms(&self) -> UtcMs {
        if self.local.role == Role::Neighbour { RELAY_LAN_MS } else { RELAY_HUB_MS }
    }

    /// Events of a stream that this side doesn't write, held up to `before` until now, are relayed a little later.
    pub(super) fn relay_later(&mut self, stream: Incarnation, before: u64) {
        self.outgoing.relay_later(stream, before, self.now + self.relay_ms());
    }

    /// Others' streams have grown here by another way than this session: the other side is told, so that it needn't
    /// send what is held, and gets them only where its own ways are slower.
    pub(super) fn others_have_grown(&mut self, heads: &[HeadMark]) {
        if !self.met() {
            return;
        }
        let own = self.local.incarnation;
        // Between node and hub the other side's own stream has one way only.
        let peer = self.peer.filter(|_| self.local.role != Role::Neighbour);
        let news = heads.iter().filter(|head| head.incarnation != own && Some(head.incarnation) != peer);
        let mut told = Vec::new();
        for head in news {
            let before = self.local.frontier.seq(&head.incarnation);
            if head.seq > before && !self.incoming.brings(head) {
                self.relay_later(head.incarnation, before);
                told.push(*head);
            }
        }
        if !told.is_empty() {
            self.send(Message::Ack(told));
        }
    }

    /// Of this stream nothing more is taken for now.
    pub(super) fn decline(&mut self, whose: Option<Incarnation>) {
        let Some(whose) = whose else { return };
        self.incoming.forget(whose);
        self.send(Message::Declined(whose));
    }

    /// Rights are wanted of the other side. Without anybody to ask the answer is no.
    pub(super) fn acquire(&mut self, acquire: Acquire) {
        let able = self.met() && self.local.role == Role::Neighbour && self.asks.0.len() < ASKS_MAX;
        if !able {
            return self.out.push_back(Output::Acquired { ask: acquire.ask, through: 0 });
        }
        self.asks.0.insert(acquire.ask);
        self.send(Message::Acquire(acquire));
    }

    /// The other side wants rights.
    pub(super) fn asked(&mut self, acquire: Acquire) {
        if self.asks.1.len() >= ASKS_MAX || !self.asks.1.insert(acquire.ask) {
            return self.refuse(Refusal::Nonsense);
        }
        self.out.push_back(Output::Give(acquire));
    }

    /// What became of it is durable here: the own stream goes next, and the answer says how far it must be read.
    pub(super) fn given(&mut self, ask: u64, head: Option<HeadMark>) {
        if !self.asks.1.remove(&ask) {
            return;
        }
        if let Some(head) = head {
            self.local.frontier.advance(head);
            self.outgoing.hurry(head.incarnation);
        }
        self.send(Message::Acquired { ask, through: head.map_or(0, |head| head.seq) });
    }

    /// The other side has answered; an answer that nobody waits for says nothing.
    pub(super) fn answered(&mut self, ask: u64, through: u64) {
        if self.asks.0.remove(&ask) {
            self.out.push_back(Output::Acquired { ask, through });
        }
    }
}
