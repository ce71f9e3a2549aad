//! Asking for a lease and handing it over (`model.md` §3.1). The hub gives, neighbours carry, nothing is decided here.

use super::{Message, Output, Refusal, Role, Session};
use crate::lease::{LeaseAsk, SealedLease};

impl Session {
    /// A lease is wanted. Before both sides have met the ask is lost, and made again later.
    pub(super) fn ask_lease(&mut self, ask: LeaseAsk) {
        if self.met() && self.local.role != Role::Hub {
            self.send(Message::LeaseAsk(ask));
        }
    }

    /// The other side wants one; a node is asked by neighbours only.
    pub(super) fn lease_asked(&mut self, ask: LeaseAsk) {
        if self.local.role == Role::Node {
            return self.refuse(Refusal::Nonsense);
        }
        self.out.push_back(Output::GiveLease(ask));
    }

    /// The hub gave one, here or to the neighbour that carried the ask.
    pub(super) fn lease_given(&mut self, sealed: SealedLease) {
        if self.met() && self.local.role != Role::Node {
            self.send(Message::Lease(sealed));
        }
    }

    /// One came. Nobody gives the hub a lease.
    pub(super) fn lease_heard(&mut self, sealed: SealedLease) {
        if self.local.role == Role::Hub {
            return self.refuse(Refusal::Nonsense);
        }
        self.out.push_back(Output::Leased(sealed));
    }
}
