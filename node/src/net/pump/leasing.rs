//! The lease within a session (`model.md` §3.1): asked for as node and hub have met, and again while it lasts. Where the
//! hub is out of reach neighbours are asked to carry the ask, and theirs are carried where it is not.

use super::{Done, Pump};
use crate::app::lease;
use std::sync::Arc;
use tradepost_sync::lease::{LeaseAsk, SealedLease};
use tradepost_sync::session::{Input, Role};

/// An ask that brought nothing is made again: the hub may have recovered, or taken this node in. So often it is looked,
/// too, whether a neighbour is to carry one.
const ASKED_AGAIN_MS: i64 = 2_000;

impl Pump<'_> {
    /// Asks. The clocks are read where the ask is made, for the lease runs from there.
    fn ask_for_lease(&self) {
        let (writer, disk) = (self.context.writer.clone(), self.disk.clone());
        tokio::spawn(async move {
            match writer.ask(|node, now| Ok(lease::ask(node, now))).await {
                Ok(Some(ask)) => {
                    let _ = disk.send(Done::Input(Box::new(Input::AskLease(ask))));
                }
                Ok(None) => {}
                Err(stop) => {
                    let _ = disk.send(Done::Broken(stop));
                }
            }
        });
    }

    /// The timer rings early where the next ask is far away.
    pub(super) fn ask_for_lease_when_due(&mut self) {
        let boot = self.context.machine.boot();
        if boot < self.lease_at {
            return;
        }
        self.lease_at = boot.saturating_add(ASKED_AGAIN_MS);
        if self.role == Role::Node || self.context.carrier.needs_neighbours(boot) {
            self.ask_for_lease();
        }
    }

    /// A lease was taken, by whichever way it came.
    pub(super) fn lease_lasts_until(&mut self, next: i64) {
        self.context.carrier.due_at(next);
        if self.role == Role::Node {
            self.lease_at = next;
        }
    }

    /// A neighbour asks for its own lease, and for nobody else's: that goes to the hub, if it can be reached here.
    pub(super) fn carry(&self, ask: LeaseAsk) {
        if self.role != Role::Neighbour || self.peer != Some(ask.incarnation) {
            return;
        }
        let (carrier, disk) = (Arc::clone(&self.context.carrier), self.disk.clone());
        tokio::spawn(async move {
            if let Some(sealed) = carrier.carry(ask).await {
                let _ = disk.send(Done::Input(Box::new(Input::LeaseGiven(sealed))));
            }
        });
    }

    /// Takes it, or hands it to the neighbour that asked; one that is nobody's here, or too late, changes nothing.
    pub(super) fn leased(&mut self, sealed: SealedLease) {
        let Some(sealed) = self.carrying.answered(sealed) else { return };
        let (writer, disk) = (self.context.writer.clone(), self.disk.clone());
        tokio::spawn(async move {
            match writer.ask(move |node, _| lease::take(node, &sealed)).await {
                Ok(Some(next)) => {
                    let _ = disk.send(Done::Leased(next));
                }
                Ok(None) => {}
                Err(stop) => {
                    let _ = disk.send(Done::Broken(stop));
                }
            }
        });
    }
}
