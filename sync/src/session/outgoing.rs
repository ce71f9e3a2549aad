//! What goes out: how far the other side is in each stream, what is on its way, and what is read next.

use super::{Batch, Output};
use crate::clock::UtcMs;
use crate::frontier::{Frontier, HeadMark};
use crate::ids::Incarnation;
use crate::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, UNACKED_BATCHES_MAX};
use std::collections::{BTreeMap, VecDeque};

/// Events in a batch that goes in canonical bytes though nobody asked for these very ones.
const RAW_EVENTS_MAX: u64 = 50;
/// After that many failures to rebuild in a row the run of batches in canonical bytes grows no longer.
const MISSES_MAX: u32 = 5;

/// One stream, as the other side has it.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    /// Durable there.
    acked: u64,
    /// Durable there or on its way.
    sent: u64,
    /// The longest batch that was sent: no honest request for canonical bytes asks for more at once.
    longest: u64,
    /// Up to here canonical bytes were asked for.
    raw_to: u64,
    /// Batches in a row that couldn't be rebuilt there.
    misses: u32,
    /// Batches that go in canonical bytes without being asked for: guessing right has become unlikely.
    raw_left: u32,
    /// Nothing could be read; not tried again before this time.
    paused_until: UtcMs,
    /// Somebody else's events: not relayed before this time, for their author may be faster.
    held_until: UtcMs,
    /// The other side takes nothing more of it for now.
    declined: bool,
    /// The canonical branch was said; not again before this time.
    said_until: UtcMs,
}

/// A batch on its way.
#[derive(Clone, Copy, Debug)]
struct Sent {
    end: HeadMark,
    raw: bool,
}

/// A read that was asked for and not answered.
#[derive(Clone, Copy, Debug)]
struct Reading {
    incarnation: Incarnation,
    from: u64,
    raw: bool,
}

/// Everything that goes out.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    streams: BTreeMap<Incarnation, Stream>,
    in_flight: VecDeque<Sent>,
    reading: Option<Reading>,
    /// The stream that was read last: the others have their turn first.
    turn: Option<Incarnation>,
    /// The other side's own stream, which only it writes: never sent to it.
    theirs: Option<Incarnation>,
    /// The stream that goes before all others.
    first: Option<Incarnation>,
    /// The stream that goes next.
    urgent: Option<Incarnation>,
}

/// What an ack said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// More is durable there than before.
    Further,
    /// Nothing new.
    Known,
    /// Another hash at the end of a batch that is on its way.
    OtherHash,
}

impl Outgoing {
    /// Whose own stream is never sent: what is held of it came from there, or it has lost memory.
    pub(super) fn spare(&mut self, theirs: Incarnation) {
        self.theirs = Some(theirs);
    }

    /// Which stream goes before all others.
    pub(super) fn put_first(&mut self, stream: Option<Incarnation>) {
        self.first = stream;
    }

    /// This stream goes next.
    pub(super) fn hurry(&mut self, stream: Incarnation) {
        self.urgent = Some(stream);
    }

    /// Somebody else's stream has grown, and was held up to `before`: it is relayed later, unless it waits already.
    pub(super) fn relay_later(&mut self, stream: Incarnation, before: u64, at: UtcMs) {
        let stream = self.streams.entry(stream).or_default();
        if stream.sent >= before {
            stream.held_until = stream.held_until.max(at);
        }
    }

    /// The other side got somebody else's events by another way: its author is at it, so the rest can wait.
    pub(super) fn others_are_at_it(&mut self, head: &HeadMark, at: UtcMs) {
        if let Some(stream) = self.streams.get_mut(&head.incarnation).filter(|s| head.seq > s.sent) {
            stream.held_until = at;
        }
    }

    /// The other side takes nothing more of a stream before this time.
    pub(super) fn declined(&mut self, incarnation: Incarnation, until: UtcMs) {
        self.in_flight.retain(|sent| sent.end.incarnation != incarnation);
        if let Some(stream) = self.streams.get_mut(&incarnation) {
            (stream.declined, stream.held_until, stream.sent) = (true, until, stream.acked);
        }
    }

    /// Whether the canonical branch of a stream is to be said; not again before `until`, whatever the other side answers.
    pub(super) fn may_say_branch(&mut self, incarnation: Incarnation, now: UtcMs, until: UtcMs) -> bool {
        let stream = self.streams.entry(incarnation).or_default();
        let may = now >= stream.said_until;
        if may {
            stream.said_until = until;
        }
        may
    }

    /// A stream that was declined is taken again.
    pub(super) fn offer_again(&mut self, incarnation: Incarnation) {
        if let Some(stream) = self.streams.get_mut(&incarnation).filter(|stream| stream.declined) {
            (stream.declined, stream.held_until) = (false, 0);
        }
    }

    /// When the next stream that is held back may go.
    pub(super) fn released_at(&self, now: UtcMs, frontier: &Frontier) -> Option<UtcMs> {
        let held = frontier.heads().filter_map(|head| {
            let stream = self.streams.get(&head.incarnation)?;
            let waits = self.theirs != Some(head.incarnation) && stream.sent < head.seq;
            (waits && stream.held_until > now).then_some(stream.held_until)
        });
        held.min()
    }

    /// The other side holds a stream up to here.
    pub(super) fn holds(&mut self, head: &HeadMark) -> bool {
        let stream = self.streams.entry(head.incarnation).or_default();
        let further = head.seq > stream.acked;
        stream.acked = stream.acked.max(head.seq);
        stream.sent = stream.sent.max(head.seq);
        stream.declined &= !further;
        further
    }

    /// The other side holds a stream durably up to here, and says so about what is on its way.
    pub(super) fn ack(&mut self, head: &HeadMark) -> Heard {
        let of_stream = |sent: &&Sent| sent.end.incarnation == head.incarnation;
        if self.in_flight.iter().filter(of_stream).any(|s| s.end.seq == head.seq && s.end.hash != head.hash) {
            return Heard::OtherHash;
        }
        let rebuilt = self.in_flight.iter().filter(of_stream).any(|s| s.end.seq <= head.seq && !s.raw);
        self.in_flight.retain(|s| s.end.incarnation != head.incarnation || s.end.seq > head.seq);
        let further = self.holds(head);
        if let Some(stream) = self.streams.get_mut(&head.incarnation).filter(|_| rebuilt) {
            stream.misses = 0;
        }
        if further { Heard::Further } else { Heard::Known }
    }

    /// Sends a stream again from here; whatever was on its way of it counts as lost.
    pub(super) fn again(&mut self, incarnation: Incarnation, from: u64) {
        self.in_flight.retain(|sent| sent.end.incarnation != incarnation);
        let stream = self.streams.entry(incarnation).or_default();
        stream.sent = stream.sent.min(from.saturating_sub(1));
        stream.acked = stream.acked.min(stream.sent);
    }

    /// Sends a stretch again, in canonical bytes. Where guessing goes wrong again and again, more and more batches
    /// go so unasked.
    pub(super) fn again_raw(&mut self, incarnation: Incarnation, from: u64, to: u64) {
        self.again(incarnation, from);
        let stream = self.streams.entry(incarnation).or_default();
        stream.raw_to = to.min(from.saturating_add(stream.longest.max(RAW_EVENTS_MAX)) - 1);
        stream.misses = (stream.misses + 1).min(MISSES_MAX);
        stream.raw_left = (1 << stream.misses) - 2;
    }

    /// The next stretch to be read, if the window has room and the other side lacks anything.
    pub(super) fn next(&mut self, now: UtcMs, frontier: &Frontier) -> Option<Output> {
        if self.reading.is_some() || self.in_flight.len() >= UNACKED_BATCHES_MAX {
            return None;
        }
        let lacking = |head: &HeadMark| {
            let stream = self.streams.get(&head.incarnation).copied().unwrap_or_default();
            let spared = self.theirs == Some(head.incarnation);
            !spared && stream.sent < head.seq && stream.paused_until.max(stream.held_until) <= now
        };
        let named = |stream: Option<Incarnation>| stream.and_then(|s| frontier.head(&s)).filter(lacking);
        let hurried = named(self.first).or_else(|| named(self.urgent));
        let first = frontier.heads().find(lacking);
        let after = frontier.heads().filter(|head| Some(head.incarnation) > self.turn).find(lacking);
        hurried.or(after).or(first).map(|head| self.ask(&head))
    }

    fn ask(&mut self, head: &HeadMark) -> Output {
        let incarnation = head.incarnation;
        let stream = self.streams.entry(incarnation).or_default();
        let from = stream.sent + 1;
        let raw_to = if from <= stream.raw_to {
            Some(stream.raw_to)
        } else if stream.raw_left > 0 {
            stream.raw_left -= 1;
            Some(head.seq.min(from + RAW_EVENTS_MAX - 1))
        } else {
            None
        };
        self.turn = Some(incarnation);
        self.urgent = self.urgent.filter(|urgent| *urgent != incarnation);
        self.reading = Some(Reading { incarnation, from, raw: raw_to.is_some() });
        Output::Read { incarnation, from, events_max: BATCH_EVENTS_MAX, bytes_max: BATCH_BYTES_MAX, raw_to }
    }

    /// A read was answered. The batch is to be sent, unless the stream is to be read from elsewhere by now.
    pub(super) fn read(&mut self, batch: Option<Batch>, retry_at: UtcMs) -> Option<Batch> {
        let asked = self.reading.take()?;
        let stream = self.streams.entry(asked.incarnation).or_default();
        let Some(batch) = batch else {
            stream.paused_until = retry_at;
            return None;
        };
        let wanted = batch.incarnation == asked.incarnation && batch.from == asked.from && batch.count > 0;
        if !wanted || asked.from != stream.sent + 1 || (!asked.raw && asked.from <= stream.raw_to) {
            return None;
        }
        stream.sent = batch.to();
        stream.longest = stream.longest.max(u64::from(batch.count));
        self.in_flight.push_back(Sent { end: batch.end(), raw: asked.raw });
        Some(batch)
    }

    /// There is news: what couldn't be read may be readable now.
    pub(super) fn wake(&mut self) {
        self.streams.values_mut().for_each(|stream| stream.paused_until = 0);
    }

    /// Whether everything that is held here is durable there.
    pub(super) fn level(&self, frontier: &Frontier) -> bool {
        let known = |head: &HeadMark| self.streams.get(&head.incarnation).copied().unwrap_or_default();
        let done = |head: &HeadMark| {
            let stream = known(head);
            stream.acked >= head.seq || stream.declined || self.theirs == Some(head.incarnation)
        };
        self.in_flight.is_empty() && frontier.heads().all(|head| done(&head))
    }

    #[cfg(test)]
    pub(super) fn streams_known(&self) -> usize {
        self.streams.len()
    }
}
