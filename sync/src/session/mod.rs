//! The one sync conversation, without I/O (`model.md` §6).
//!
//! A pump gives the session one [`Input`], drains its [`Output`]s, and does what they say; the session decides
//! everything. A cut anywhere needs no resume logic: the next session starts from what is stored.
//! Acks and heartbeats never wait behind data: they are put out the moment they are due, and at most
//! [`crate::limits::UNACKED_BATCHES_MAX`] batches are on their way each way, so two full backlogs can't block each
//! other. Of each stream a receiver asks for one thing at a time and drops what no longer fits, so a batch that can't
//! be rebuilt costs one request, whatever was on its way behind it.

mod barrier;
mod catalog_out;
mod incoming;
mod lease;
mod message;
mod neighbour;
mod outgoing;
mod records;
mod shared;
mod terms;
#[cfg(test)]
mod tests;

pub use message::*;
pub use records::{CustomerRecord, PERSON_BYTES_MAX, RECORDS_MAX, Records};
pub use terms::*;

use crate::catalog::SealedEntry;
use crate::clock::{Tau, UtcMs};
use crate::frontier::HeadMark;
use crate::ids::{Hash, Incarnation};
use crate::limits::{
    ASIDE_MAX, CATALOG_ENTRIES_MAX, DECLINED_MS, FRONTIER_HEADS_MAX, HEARTBEAT_MS, PROGRESS_MS_MAX,
    RELAY_HUB_MS, SILENCE_MS_MAX,
};
use crate::signing::verify_hello;
use catalog_out::CatalogOut;
use incoming::Incoming;
use outgoing::{Heard, Outgoing};
use records::RecordsOut;
use shared::CartsOut;
use std::collections::{BTreeSet, VecDeque};
use tradepost_commerce::document::CatalogVersion;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Fresh,
    Greeted,
    Identifying,
    Levelling,
    Closed,
}

/// The digest that was said in the own Hello, with the heads behind it: both sides judge by what was said, also where
/// their logs have grown since.
struct Said {
    digest: Hash,
    heads: Vec<HeadMark>,
}

/// One conversation that levels two logs.
pub struct Session {
    local: Local,
    phase: Phase,
    peer_nonce: Option<[u8; 32]>,
    caller: Option<Hello>,
    peer: Option<Incarnation>,
    said: Option<Said>,
    peer_frontier_known: bool,
    outgoing: Outgoing,
    incoming: Incoming,
    catalog: CatalogOut,
    records: RecordsOut,
    carts: CartsOut,
    now: UtcMs,
    heard: UtcMs,
    spoke: UtcMs,
    progress: UtcMs,
    was_outstanding: bool,
    tau: Option<(Tau, UtcMs)>,
    waiting_until: Option<UtcMs>,
    /// Requests for rights: asked of the other side, and by it.
    asks: (BTreeSet<u64>, BTreeSet<u64>),
    out: VecDeque<Output>,
}

impl Session {
    /// A conversation that hasn't begun; give it [`Input::Start`].
    pub fn new(local: Local) -> Self {
        Self {
            local,
            phase: Phase::Fresh,
            peer_nonce: None,
            caller: None,
            peer: None,
            said: None,
            peer_frontier_known: false,
            outgoing: Outgoing::default(),
            incoming: Incoming::default(),
            catalog: CatalogOut::default(),
            records: RecordsOut::default(),
            carts: CartsOut::default(),
            now: 0,
            heard: 0,
            spoke: 0,
            progress: 0,
            was_outstanding: false,
            tau: None,
            waiting_until: None,
            asks: Default::default(),
            out: VecDeque::new(),
        }
    }

    /// Takes one input at monotonic time `now` (milliseconds; any origin).
    pub fn handle(&mut self, now: UtcMs, input: Input) {
        if self.phase == Phase::Closed {
            return;
        }
        self.now = now;
        match input {
            Input::Start => self.start(),
            Input::Message(message) => self.hear(message),
            Input::Identified(answer) => self.identified(answer),
            Input::Read(batch) => self.read(batch),
            Input::Applied(applied) => self.applied(applied),
            Input::Acquire(acquire) => self.acquire(acquire),
            Input::Given { ask, head } => self.given(ask, head),
            Input::Barrier(word) => self.say_of_barrier(word),
            Input::RecordsRead(records) => self.records_read(records),
            Input::RecordsApplied(through) => self.records_applied(through),
            Input::CartsRead(carts) => self.carts_read(carts),
            Input::CartsApplied(through) => self.carts_applied(through),
            Input::AskCustody(wanted) => self.ask_custody(wanted),
            Input::AskCut(ask) => self.ask_cut(ask),
            Input::CutRead { ask, heads } => self.cut_read(ask, heads),
            Input::AskLease(ask) => self.ask_lease(ask),
            Input::LeaseGiven(sealed) => self.lease_given(sealed),
            Input::Aside(mut seqs) if self.local.role == Role::Hub && self.met() => {
                seqs.truncate(ASIDE_MAX);
                self.send(Message::Aside(seqs));
            }
            Input::AskToBurn(asks) if self.local.role == Role::Hub && self.met() => {
                asks.into_iter().for_each(|ask| self.send(Message::Burn(ask)));
            }
            Input::Aside(_) | Input::AskToBurn(_) => {}
            Input::CatalogRead(entries) => self.catalog_read(entries),
            Input::CatalogApplied(at) => self.catalog_applied(at),
            Input::Local { heads, catalog } => self.grown(&heads, catalog),
            Input::Tick { tau } => self.tick(tau),
        }
        self.move_on();
    }

    /// The next thing to do, if any.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// Whether everything that is held here is durable at the other side, as far as this side knows.
    pub fn level(&self) -> bool {
        self.met() && self.peer_frontier_known && self.outgoing.level(&self.local.frontier)
    }

    /// Whether the other side is met and proven.
    pub fn met(&self) -> bool {
        self.phase == Phase::Levelling
    }

    #[cfg(test)]
    fn streams_known(&self) -> usize {
        self.outgoing.streams_known()
    }

    fn start(&mut self) {
        (self.heard, self.spoke, self.progress) = (self.now, self.now, self.now);
        self.phase = Phase::Greeted;
        self.outgoing.put_first(self.local.roster_of);
        self.send(Message::Greeting {
            protocol: PROTOCOL,
            protocol_min: PROTOCOL_MIN,
            nonce: self.local.nonce,
        });
    }

    fn hear(&mut self, message: Message) {
        self.heard = self.now;
        match (self.phase, message) {
            (_, Message::Refuse(refusal)) => self.refused(refusal),
            (Phase::Levelling, Message::Heartbeat { tau }) => {
                self.hub_time(tau);
                self.neighbours_time(tau);
            }
            (_, Message::Heartbeat { .. }) => {}
            (Phase::Greeted, Message::Greeting { protocol, protocol_min, nonce }) => {
                self.greeted(protocol, protocol_min, nonce);
            }
            (Phase::Greeted, Message::Hello(hello)) => self.hello(hello),
            (Phase::Levelling, message) => self.levelling(message),
            _ => self.refuse(Refusal::Nonsense),
        }
    }

    fn greeted(&mut self, protocol: u32, protocol_min: u32, nonce: [u8; 32]) {
        if self.peer_nonce.is_some() {
            return self.refuse(Refusal::Nonsense);
        }
        if protocol < PROTOCOL_MIN || protocol_min > PROTOCOL {
            return self.refuse(Refusal::Protocol);
        }
        self.peer_nonce = Some(nonce);
        if self.local.role != Role::Hub {
            self.say_hello(nonce);
        }
    }

    fn say_hello(&mut self, nonce: [u8; 32]) {
        let Some(to) = self.local.peer_key else { return self.refuse(Refusal::Unknown) };
        let incarnation = self.local.incarnation;
        let digest = self.local.frontier.digest();
        self.said = Some(Said { digest, heads: self.local.frontier.heads().collect() });
        self.send(Message::Hello(Hello {
            incarnation,
            signature: self.local.device.sign_hello(&incarnation, &nonce, &to),
            digest,
            own_head: self.local.frontier.head(&incarnation),
            wall: self.local.wall,
            tau: self.tau_now(),
            catalog: self.local.catalog,
            program: self.local.program.clone(),
        }));
    }

    fn hello(&mut self, hello: Hello) {
        if self.peer_nonce.is_none()
            || hello.own_head.is_some_and(|head| head.incarnation != hello.incarnation)
        {
            return self.refuse(Refusal::Nonsense);
        }
        match self.local.role {
            Role::Hub => {
                self.phase = Phase::Identifying;
                self.caller = Some(hello.clone());
                self.out.push_back(Output::Identify(hello));
            }
            Role::Node => self.meet(&hello),
            Role::Neighbour if self.local.members.contains(&hello.incarnation) => self.meet(&hello),
            Role::Neighbour => self.refuse(Refusal::Unknown),
        }
    }

    fn identified(&mut self, answer: Result<Box<Caller>, Refusal>) {
        if self.phase != Phase::Identifying {
            return;
        }
        let caller = match answer {
            Ok(caller) => caller,
            Err(refusal) => return self.refuse(refusal),
        };
        let (Some(hello), Some(nonce)) = (self.caller.take(), self.peer_nonce) else {
            return self.refuse(Refusal::Nonsense);
        };
        self.outgoing.spare(hello.incarnation);
        self.local.incarnation = caller.hub_incarnation;
        self.outgoing.put_first(Some(caller.hub_incarnation));
        self.local.frontier.join(&caller.frontier);
        self.local.catalog = self.local.catalog.max(caller.catalog);
        self.local.peer_key = Some(caller.device_key);
        self.tau = Some((caller.tau, self.now));
        if !self.proven(&hello) {
            return self.refuse(Refusal::Signature);
        }
        if let Some(refusal) = self.contradiction(&hello) {
            return self.refuse(refusal);
        }
        self.say_hello(nonce);
        self.level_with(&hello);
    }

    fn meet(&mut self, hello: &Hello) {
        if !self.proven(hello) {
            return self.refuse(Refusal::Signature);
        }
        self.hub_time(hello.tau);
        self.neighbours_time(hello.tau);
        if self.local.role == Role::Neighbour {
            self.outgoing.spare(hello.incarnation);
        }
        self.level_with(hello);
    }

    fn proven(&self, hello: &Hello) -> bool {
        let Some(key) = self.local.peer_key else { return false };
        let me = self.local.device.public();
        verify_hello(&key, &hello.incarnation, &self.local.nonce, &me, &hello.signature).is_ok()
    }

    /// The caller's own stream against what is held of it: another hash at the same place is a fork (`model.md` §3,
    /// Amnesia). Where more is held here than the caller said, it is the caller's to judge: it may have written on
    /// since, and a neighbour's relay have been faster than its Hello. The frontier tells it.
    fn contradiction(&self, hello: &Hello) -> Option<Refusal> {
        let held = self.local.frontier.head(&hello.incarnation)?;
        let same_place = hello.own_head.filter(|head| head.seq == held.seq)?;
        (same_place.hash != held.hash).then_some(Refusal::Fork)
    }

    fn level_with(&mut self, hello: &Hello) {
        self.phase = Phase::Levelling;
        self.progress = self.now;
        self.peer = Some(hello.incarnation);
        self.out.push_back(Output::Met(hello.clone()));
        self.catalog.greet(hello.catalog);
        match self.said.take().filter(|said| said.digest == hello.digest) {
            Some(said) => self.peer_holds(&said.heads),
            None => self.send(Message::Frontier(self.local.frontier.heads().collect())),
        }
    }

    fn levelling(&mut self, message: Message) {
        match message {
            Message::Frontier(heads) => self.frontier(&heads),
            Message::Batch(batch) => self.batch(batch),
            Message::Ack(heads) => heads.iter().for_each(|head| self.ack(head)),
            Message::NeedFrom { incarnation, from } => self.asked_again(incarnation, from, None),
            Message::NeedRaw { incarnation, from, to } => self.asked_again(incarnation, from, Some(to)),
            Message::Catalog(entries) if self.local.role != Role::Hub => {
                if self.incoming.entries(entries).is_err() {
                    self.refuse(Refusal::Nonsense);
                }
            }
            Message::CatalogAck(at) if self.local.role == Role::Hub => self.catalog_acked(at),
            Message::CatalogAck(at) if self.local.role == Role::Neighbour => self.neighbour_holds_catalog(at),
            Message::Carts(carts) if self.local.role == Role::Neighbour => self.hear_carts(carts),
            Message::CartsAck(through) if self.local.role == Role::Neighbour => self.carts_acked(through),
            Message::CustodyAsk(wanted) if self.local.role == Role::Neighbour => self.asked_custody(wanted),
            Message::CutAsk(ask) if self.local.role == Role::Neighbour => self.asked_cut(ask),
            Message::Cut { ask, heads } if self.local.role == Role::Neighbour => self.cut_heard(ask, heads),
            Message::Burn(ask) if self.local.role == Role::Node => self.out.push_back(Output::Burn(ask)),
            Message::Acquire(acquire) if self.local.role == Role::Neighbour => self.asked(acquire),
            Message::Acquired { ask, through } if self.local.role == Role::Neighbour => {
                self.answered(ask, through);
            }
            Message::Barrier(word) => self.hear_of_barrier(word),
            Message::Records(records) => self.hear_records(records),
            Message::RecordsAck(through) => self.records_acked(through),
            Message::LeaseAsk(ask) => self.lease_asked(ask),
            Message::Lease(sealed) => self.lease_heard(sealed),
            Message::Aside(seqs) if self.local.role == Role::Node && seqs.len() <= ASIDE_MAX => {
                self.out.push_back(Output::Aside(seqs));
            }
            Message::Declined(stream) => self.outgoing.declined(stream, self.now + DECLINED_MS),
            _ => self.refuse(Refusal::Nonsense),
        }
    }

    fn frontier(&mut self, heads: &[HeadMark]) {
        if self.peer_frontier_known || heads.len() > FRONTIER_HEADS_MAX {
            return self.refuse(Refusal::Nonsense);
        }
        let own = self.local.incarnation;
        let mine = self.local.frontier.head(&own);
        if let Some(told) = heads.iter().find(|head| head.incarnation == own) {
            let lost = told.seq > mine.map_or(0, |head| head.seq);
            let forked = mine.is_some_and(|head| head.seq == told.seq && head.hash != told.hash);
            if lost || forked {
                return self.self_fence(if lost { Refusal::Amnesia } else { Refusal::Fork }, *told);
            }
        }
        self.peer_holds(heads);
        if self.local.role == Role::Hub {
            self.mend_branches(heads);
        }
        if self.local.role == Role::Node {
            let others: Vec<_> = self.local.frontier.heads().filter(|head| head.incarnation != own).collect();
            others.iter().for_each(|head| self.relay_later(head.incarnation, 0));
        }
    }

    /// The other side knows more of me than I do, or knows another me: I send nothing more. It is mine to say so, and
    /// no word to the other side, which would take it for its own loss.
    fn self_fence(&mut self, why: Refusal, told: HeadMark) {
        self.out.push_back(Output::SelfFence { why, told: Some(told) });
        self.send(Message::Refuse(Refusal::Busy));
        self.close(Closing::Refused(why));
    }

    /// Of a stream that the other side holds another branch of, the hub's branch is canonical and is sent from its end:
    /// whoever takes it in asks from further back until the two meet, and cuts its own (`model.md` §3, Forks).
    fn mend_branches(&mut self, heads: &[HeadMark]) {
        let other = |told: &&HeadMark| {
            let held = self.local.frontier.head(&told.incarnation);
            held.is_some_and(|held| held.seq == told.seq && held.hash != told.hash)
        };
        let others: Vec<_> = heads.iter().filter(other).map(|told| told.incarnation).collect();
        others.into_iter().for_each(|stream| self.tell_canonical(stream));
    }

    fn tell_canonical(&mut self, stream: Incarnation) {
        if let Some(held) = self.local.frontier.head(&stream) {
            self.outgoing.again(stream, held.seq);
        }
    }

    fn peer_holds(&mut self, heads: &[HeadMark]) {
        self.peer_frontier_known = true;
        for head in heads.iter().filter(|head| head.seq > 0) {
            self.outgoing.holds(head);
            if head.seq <= self.local.frontier.seq(&head.incarnation) {
                self.out.push_back(Output::Acked(*head));
            }
        }
    }

    fn batch(&mut self, batch: Batch) {
        let end = batch.from.checked_add(u64::from(batch.count)).filter(|end| i64::try_from(*end).is_ok());
        if batch.count == 0 || batch.from == 0 || end.is_none() {
            return self.refuse(Refusal::Nonsense);
        }
        if batch.incarnation == self.local.incarnation
            && batch.to() > self.local.frontier.seq(&batch.incarnation)
        {
            return self.self_fence(Refusal::Amnesia, batch.end());
        }
        if self.incoming.batch(batch).is_err() {
            self.refuse(Refusal::Nonsense);
        }
    }

    fn applied(&mut self, applied: Applied) {
        let end = self.incoming.applied();
        let whose = end.map(|end| end.incarnation);
        match applied {
            Applied::Done(head) => {
                self.progress = self.now;
                self.local.frontier.advance(head);
                // The other side holds what it sent, and perhaps no more: of a stream that comes back to its own
                // author (the hub's news may overtake its ack), the head here may have grown since.
                if let Some(end) = end {
                    self.outgoing.holds(&end);
                }
                // Of the other side's own stream more may have come by another way than it knows that it has sent.
                let own = end.filter(|end| Some(end.incarnation) == self.peer && end.seq < head.seq);
                self.send(Message::Ack(vec![own.unwrap_or(head)]));
            }
            Applied::NeedFrom { incarnation, from } => {
                self.incoming.ask_again(incarnation, from);
                self.send(Message::NeedFrom { incarnation, from });
            }
            Applied::NeedRaw { incarnation, from, to } => {
                self.incoming.ask_again(incarnation, from);
                self.send(Message::NeedRaw { incarnation, from, to });
            }
            Applied::Fork if whose == Some(self.local.incarnation) => {
                end.into_iter().for_each(|end| self.self_fence(Refusal::Fork, end));
            }
            // Said to the author it means that it has a twin. A neighbour's bare word for that is not enough, and
            // somebody who relays must not take it for its own: the stream is declined, all others go on.
            Applied::Fork if whose == self.peer && self.local.role == Role::Hub => self.refuse(Refusal::Fork),
            Applied::Fork if self.local.role == Role::Hub => {
                self.decline(whose);
                whose.into_iter().for_each(|stream| self.tell_canonical(stream));
            }
            Applied::Fork | Applied::Unknown => self.decline(whose),
            Applied::Bad => self.refuse(Refusal::Nonsense),
            Applied::Later => self.refuse(Refusal::Busy),
        }
    }

    fn ack(&mut self, head: &HeadMark) {
        if self.phase == Phase::Closed {
            return;
        }
        if head.seq == 0 {
            return self.refuse(Refusal::Nonsense);
        }
        let held = self.local.frontier.head(&head.incarnation);
        let own = head.incarnation == self.local.incarnation;
        if own && held.is_none_or(|held| head.seq > held.seq) {
            return self.self_fence(Refusal::Amnesia, *head);
        }
        // Of a stream that isn't held here a neighbour may know all the same.
        let Some(held) = held else { return };
        if !own {
            self.outgoing.others_are_at_it(head, self.now + self.relay_ms());
        }
        if !own && head.seq == held.seq && head.hash != held.hash {
            return self.other_branch(head, held);
        }
        match self.outgoing.ack(head) {
            Heard::OtherHash if own => return self.self_fence(Refusal::Fork, *head),
            Heard::OtherHash => {
                return self.outgoing.declined(head.incarnation, self.now + DECLINED_MS);
            }
            Heard::Further => self.progress = self.now,
            Heard::Known => {}
        }
        // Of a neighbour's stream the other side may hold more than is held here.
        self.out.push_back(Output::Acked(if head.seq > held.seq { held } else { *head }));
    }

    /// Somebody else's stream ends at both sides at one place and not alike: nothing was on its way that could have told.
    /// The hub says its branch, a node tells the hub what it holds so that it does; neighbours leave it to the hub.
    fn other_branch(&mut self, theirs: &HeadMark, held: HeadMark) {
        match self.local.role {
            // Once in a while: two sides that answer each other would never come to an end.
            role @ (Role::Hub | Role::Node) => {
                if !self.outgoing.may_say_branch(theirs.incarnation, self.now, self.now + DECLINED_MS) {
                    return;
                }
                if role == Role::Node {
                    return self.send(Message::Ack(vec![held]));
                }
                self.outgoing.ack(theirs);
                self.tell_canonical(theirs.incarnation);
            }
            Role::Neighbour => self.outgoing.declined(theirs.incarnation, self.now + DECLINED_MS),
        }
    }

    /// Asking is no progress: only what comes of it is.
    fn asked_again(&mut self, incarnation: Incarnation, from: u64, raw_to: Option<u64>) {
        let held = self.local.frontier.seq(&incarnation);
        if from == 0 || from > held || raw_to.is_some_and(|to| to < from) {
            return self.refuse(Refusal::Nonsense);
        }
        match raw_to {
            Some(to) => self.outgoing.again_raw(incarnation, from, to.min(held)),
            None => self.outgoing.again(incarnation, from),
        }
    }

    fn read(&mut self, batch: Option<Batch>) {
        let Some(batch) = self.outgoing.read(batch, self.now + HEARTBEAT_MS) else { return };
        // The log may have grown since the session was last told.
        self.local.frontier.advance(batch.end());
        self.send(Message::Batch(batch));
    }

    fn catalog_read(&mut self, entries: Vec<SealedEntry>) {
        if self.catalog.read(self.now, !entries.is_empty()) {
            self.send(Message::Catalog(entries));
        }
    }

    fn catalog_applied(&mut self, at: CatalogVersion) {
        self.incoming.entries_applied();
        if at > self.local.catalog {
            self.progress = self.now;
        }
        self.local.catalog = at;
        self.send(Message::CatalogAck(at));
    }

    fn catalog_acked(&mut self, at: CatalogVersion) {
        match self.catalog.acked(self.now, at, self.local.catalog) {
            None => self.refuse(Refusal::Nonsense),
            Some(false) => {}
            Some(true) => {
                self.progress = self.now;
                self.out.push_back(Output::CatalogAcked(at));
            }
        }
    }

    fn grown(&mut self, heads: &[HeadMark], catalog: CatalogVersion) {
        self.others_have_grown(heads);
        heads.iter().for_each(|head| self.local.frontier.advance(*head));
        self.outgoing.wake();
        self.records.wake();
        self.carts.wake();
        if catalog > self.local.catalog {
            self.local.catalog = catalog;
            self.tell_catalog();
            // A neighbour is likely to hear it of the hub itself.
            let wait = if self.local.role == Role::Neighbour { RELAY_HUB_MS } else { 0 };
            self.catalog.wake(self.now + wait);
        }
    }

    fn tick(&mut self, tau: Option<Tau>) {
        self.tau = tau.map(|tau| (tau, self.now)).or(self.tau);
        // A timer may ring early; whoever rings is told again when to come back.
        self.waiting_until = None;
    }

    fn hub_time(&mut self, tau: Option<Tau>) {
        if let (Role::Node, Some(tau)) = (self.local.role, tau) {
            self.tau = Some((tau, self.now));
            self.out.push_back(Output::HubTime(tau));
        }
    }

    fn tau_now(&self) -> Option<Tau> {
        self.tau.map(|(tau, at)| tau.later(self.now - at))
    }

    /// Everything that may begin now, begins; called after every input.
    fn move_on(&mut self) {
        if self.phase == Phase::Levelling {
            self.begin_applying();
            self.begin_reading();
            self.begin_catalog();
            self.offer_records();
            self.offer_carts();
        }
        if !matches!(self.phase, Phase::Fresh | Phase::Closed) {
            self.keep_time();
        }
    }

    fn begin_applying(&mut self) {
        if let Some(batch) = self.incoming.next() {
            self.out.push_back(Output::Apply(batch));
        }
        if let Some(entries) = self.incoming.next_entries() {
            self.out.push_back(Output::ApplyCatalog(entries));
        }
    }

    fn begin_reading(&mut self) {
        if !self.peer_frontier_known {
            return;
        }
        self.out.extend(self.outgoing.next(self.now, &self.local.frontier));
    }

    fn begin_catalog(&mut self) {
        if self.local.role == Role::Node {
            return;
        }
        if let Some(after) = self.catalog.next(self.now, self.local.catalog) {
            self.out.push_back(Output::ReadCatalog { after, max: CATALOG_ENTRIES_MAX });
        }
    }

    /// Whether anything is owed that the other side must move: a greeting, a frontier, an ack, or what was asked for.
    fn outstanding(&self) -> bool {
        !self.level() || self.incoming.awaits() || self.catalog.outstanding()
    }

    fn keep_time(&mut self) {
        if self.now - self.heard > SILENCE_MS_MAX {
            return self.close(Closing::Silence);
        }
        let outstanding = self.outstanding();
        if outstanding && !self.was_outstanding {
            self.progress = self.now;
        }
        self.was_outstanding = outstanding;
        if outstanding && self.now - self.progress > PROGRESS_MS_MAX {
            return self.close(Closing::Stalled);
        }
        if self.now - self.spoke >= HEARTBEAT_MS {
            let tau = if self.local.role == Role::Node { None } else { self.tau_now() };
            self.send(Message::Heartbeat { tau });
        }
        let next = self.spoke + HEARTBEAT_MS;
        let released = self.outgoing.released_at(self.now, &self.local.frontier).filter(|_| self.met());
        let next = released.map_or(next, |at| at.min(next));
        if self.waiting_until != Some(next) {
            self.waiting_until = Some(next);
            self.out.push_back(Output::WaitUntil(next));
        }
    }

    fn refused(&mut self, refusal: Refusal) {
        if self.local.role == Role::Node && matches!(refusal, Refusal::Amnesia | Refusal::Fork) {
            self.out.push_back(Output::SelfFence { why: refusal, told: None });
        }
        self.close(Closing::PeerRefused(refusal));
    }

    fn refuse(&mut self, refusal: Refusal) {
        if self.phase == Phase::Closed {
            return;
        }
        self.send(Message::Refuse(refusal));
        self.close(Closing::Refused(refusal));
    }

    fn close(&mut self, why: Closing) {
        self.phase = Phase::Closed;
        self.out.push_back(Output::Close(why));
    }

    fn send(&mut self, message: Message) {
        self.spoke = self.now;
        self.out.push_back(Output::Send(message));
    }
}
