//! The lease within a session with the hub (`model.md` §3.1): asked for as both have met, and again while it lasts.

use super::{Done, Pump};
use crate::app::lease;
use tradepost_sync::lease::SealedLease;
use tradepost_sync::session::Input;

/// An ask that brought nothing is made again: the hub may have recovered, or taken this node in.
const ASKED_AGAIN_MS: i64 = 2_000;

impl Pump<'_> {
    /// Asks. The clocks are read where the ask is made, for the lease runs from there.
    pub(super) fn ask_for_lease(&mut self) {
        self.lease_at = self.context.machine.boot().saturating_add(ASKED_AGAIN_MS);
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
        if self.context.machine.boot() >= self.lease_at {
            self.ask_for_lease();
        }
    }

    /// Takes it; one that is not this node's, or too late, changes nothing.
    pub(super) fn leased(&self, sealed: SealedLease) {
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
