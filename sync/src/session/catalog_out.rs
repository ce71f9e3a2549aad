//! The catalog on its way to a node, from the hub or a neighbour: one frame at a time, the next once the last is
//! acknowledged.

use crate::clock::UtcMs;
use tradepost_commerce::document::CatalogVersion;

/// How long a node that couldn't apply the catalog is left in peace. Its sales go on meanwhile.
const REFUSED_MS: UtcMs = 10_000;
/// How soon the catalog is read again where that failed.
const UNREADABLE_MS: UtcMs = 2_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Idle,
    Reading,
    Sent,
}

/// The giving side of the catalog stream.
#[derive(Debug, Default)]
pub(super) struct CatalogOut {
    /// What the node holds.
    peer: CatalogVersion,
    stage: Stage,
    not_before: UtcMs,
}

impl CatalogOut {
    /// The node said what it holds.
    pub(super) fn greet(&mut self, peer: CatalogVersion) {
        self.peer = peer;
    }

    /// Where to read on from, if the node lacks anything and nothing is on its way.
    pub(super) fn next(&mut self, now: UtcMs, newest: CatalogVersion) -> Option<CatalogVersion> {
        if self.stage != Stage::Idle || self.peer >= newest || now < self.not_before {
            return None;
        }
        self.stage = Stage::Reading;
        Some(self.peer)
    }

    /// Entries were read, or none could be; whether they are to be sent.
    pub(super) fn read(&mut self, now: UtcMs, any: bool) -> bool {
        if self.stage != Stage::Reading {
            return false;
        }
        self.stage = if any { Stage::Sent } else { Stage::Idle };
        if !any {
            self.not_before = now + UNREADABLE_MS;
        }
        any
    }

    /// The node says what it holds now; whether that is more than before, or nonsense.
    pub(super) fn acked(&mut self, now: UtcMs, at: CatalogVersion, newest: CatalogVersion) -> Option<bool> {
        if self.stage != Stage::Sent || at > newest {
            return None;
        }
        self.stage = Stage::Idle;
        let further = at > self.peer;
        if !further {
            self.not_before = now + REFUSED_MS;
        }
        self.peer = at;
        Some(further)
    }

    /// Something new was published; it goes at this time, at the earliest.
    pub(super) fn wake(&mut self, not_before: UtcMs) {
        self.not_before = not_before;
    }

    /// A neighbour says what it holds, asked or not; whether that is more than before.
    pub(super) fn holds(&mut self, now: UtcMs, at: CatalogVersion) -> bool {
        let further = at > self.peer;
        if self.stage == Stage::Sent {
            self.stage = Stage::Idle;
            if !further {
                self.not_before = now + REFUSED_MS;
            }
        }
        self.peer = self.peer.max(at);
        further
    }

    /// Whether entries were sent that are not acknowledged.
    pub(super) fn outstanding(&self) -> bool {
        self.stage == Stage::Sent
    }
}
