//! What comes in: batches in order, one at a time, and what was asked for again.

use super::Batch;
use crate::catalog::SealedEntry;
use crate::frontier::HeadMark;
use crate::ids::Incarnation;
use crate::limits::UNACKED_BATCHES_MAX;
use std::collections::{BTreeMap, VecDeque};

/// Everything that comes in.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    queue: VecDeque<Batch>,
    /// The end of the batch that is being applied.
    applying: Option<HeadMark>,
    /// Streams that were asked for again, and from where: what comes before that was on its way already, no longer
    /// fits, and is asked for but once.
    awaited: BTreeMap<Incarnation, u64>,
    catalog: VecDeque<Vec<SealedEntry>>,
    applying_catalog: bool,
}

/// More is waiting than an honest sender has on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl Incoming {
    /// A batch came.
    pub(super) fn batch(&mut self, batch: Batch) -> Result<(), TooMany> {
        if self.awaited.get(&batch.incarnation).is_some_and(|from| batch.from > *from) {
            return Ok(());
        }
        self.awaited.remove(&batch.incarnation);
        if self.queue.len() >= 2 * UNACKED_BATCHES_MAX {
            return Err(TooMany);
        }
        self.queue.push_back(batch);
        Ok(())
    }

    /// The batch to be applied now, if any and none is being applied.
    pub(super) fn next(&mut self) -> Option<Batch> {
        if self.applying.is_some() {
            return None;
        }
        let batch = self.queue.pop_front()?;
        self.applying = Some(batch.end());
        Some(batch)
    }

    /// The batch was dealt with; where it ended.
    pub(super) fn applied(&mut self) -> Option<HeadMark> {
        self.applying.take()
    }

    /// A stream is asked for again from here: what waits of it is of no use.
    pub(super) fn ask_again(&mut self, incarnation: Incarnation, from: u64) {
        self.queue.retain(|batch| batch.incarnation != incarnation);
        self.awaited.insert(incarnation, from);
    }

    /// Nothing more of a stream is taken for now: what waits of it is of no use.
    pub(super) fn forget(&mut self, incarnation: Incarnation) {
        self.queue.retain(|batch| batch.incarnation != incarnation);
        self.awaited.remove(&incarnation);
    }

    /// Whether this head is about to come of what is being applied.
    pub(super) fn brings(&self, head: &HeadMark) -> bool {
        self.applying.is_some_and(|end| end.incarnation == head.incarnation && end.seq >= head.seq)
    }

    /// Whether something was asked for that has not come.
    pub(super) fn awaits(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// Catalog entries came. Nobody sends more before these are acknowledged, but for a neighbour that was told
    /// meanwhile of what came by another way: then there are more on their way.
    pub(super) fn entries(&mut self, entries: Vec<SealedEntry>) -> Result<(), TooMany> {
        if self.catalog.len() >= UNACKED_BATCHES_MAX {
            return Err(TooMany);
        }
        self.catalog.push_back(entries);
        Ok(())
    }

    /// The entries to be applied now.
    pub(super) fn next_entries(&mut self) -> Option<Vec<SealedEntry>> {
        if self.applying_catalog {
            return None;
        }
        let entries = self.catalog.pop_front()?;
        self.applying_catalog = true;
        Some(entries)
    }

    /// The entries were dealt with.
    pub(super) fn entries_applied(&mut self) {
        self.applying_catalog = false;
    }
}
