//! Two replicas in memory and what their pumps do.

use super::super::*;
use crate::body::{Body, DrawerOpened};
use crate::event::{Event, Head, Stamp};
use crate::frontier::Frontier;
use crate::ids::{Hash, Id};
use crate::signing::Device;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const NODE: Incarnation = Incarnation([1; 16]);
pub(super) const HUB: Incarnation = Incarnation([2; 16]);

pub(super) fn device(of: Incarnation) -> Device {
    Device::from_secret([of.0[0]; 32])
}

/// A replica that outlives its sessions.
pub(super) struct Replica {
    pub(super) own: Incarnation,
    pub(super) logs: BTreeMap<Incarnation, Vec<Event>>,
    pub(super) applied: BTreeMap<(Incarnation, u64), u32>,
    pub(super) catalog: Vec<SealedEntry>,
    pub(super) fenced: bool,
    pub(super) acked: u64,
    /// Signed heads: a batch ends at one.
    pub(super) signed: BTreeMap<Incarnation, BTreeSet<u64>>,
    /// Of a hundred compact batches so many can't be rebuilt here.
    pub(super) baffled: u32,
    /// Batches sent, for bounds on traffic.
    pub(super) sent_events: u64,
    /// Rights that may be given, and that were.
    pub(super) free: u64,
    pub(super) given: u64,
    luck: u64,
    /// Customers, those changed here by number, and how many changes there were.
    pub(super) people: BTreeMap<Id, CustomerRecord>,
    unsaid: BTreeMap<u64, Id>,
    changes: u64,
    /// Carts by the number of their last change here, and what this replica is custodian of.
    pub(super) carts: BTreeMap<u64, Vec<u8>>,
    pub(super) custody: BTreeSet<crate::body::CustodyObject>,
}

impl Replica {
    pub(super) fn new(own: Incarnation) -> Self {
        Self {
            own,
            logs: BTreeMap::new(),
            applied: BTreeMap::new(),
            catalog: Vec::new(),
            fenced: false,
            acked: 0,
            signed: BTreeMap::new(),
            baffled: 0,
            sent_events: 0,
            free: 0,
            given: 0,
            luck: u64::from(own.0[0]),
            people: BTreeMap::new(),
            unsaid: BTreeMap::new(),
            changes: 0,
            carts: BTreeMap::new(),
            custody: BTreeSet::new(),
        }
    }

    /// A cart changes here, unless it is known as it is; bytes that begin alike are one cart.
    pub(super) fn cart_changed(&mut self, cart: Vec<u8>) {
        if self.carts.values().any(|known| *known == cart) {
            return;
        }
        self.carts.retain(|_, known| known.first() != cart.first());
        self.changes += 1;
        self.carts.insert(self.changes, cart);
    }

    /// Two carts that changed later.
    fn carts_after(&self, after: u64) -> Option<Carts> {
        let later: Vec<_> = self.carts.range(after + 1..).take(2).collect();
        let carts = later.iter().map(|(_, cart)| (*cart).clone()).collect();
        Some(Carts { through: *later.last()?.0, carts })
    }

    /// Throws a die of a hundred sides.
    pub(super) fn dice(&mut self) -> u32 {
        self.luck = self.luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.luck >> 33) % 100).unwrap()
    }

    /// A customer changes here.
    pub(super) fn changed(&mut self, record: CustomerRecord) {
        self.changes += 1;
        self.unsaid.insert(self.changes, record.id);
        self.people.insert(record.id, record);
    }

    /// Three records that the other side doesn't hold.
    fn unsaid(&mut self, held: Option<u64>) -> Option<Records> {
        self.unsaid.retain(|change, _| held.is_none_or(|held| *change > held));
        let some: Vec<(u64, Id)> = self.unsaid.iter().take(3).map(|(change, id)| (*change, *id)).collect();
        let records = some.iter().map(|(_, id)| self.people[id].clone()).collect();
        Some(Records { through: some.last()?.0, records })
    }

    fn store(&mut self, records: Records) {
        for record in records.records {
            if self.people.get(&record.id).is_none_or(|held| record.replaces(held)) {
                self.people.insert(record.id, record);
            }
        }
    }

    /// Lets the replica have another luck.
    pub(super) fn lucky(mut self, seed: u64) -> Self {
        self.luck ^= seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self
    }

    /// One group commit: its last event's head is signed.
    pub(super) fn write(&mut self, events: usize) {
        if events == 0 {
            return;
        }
        let log = self.logs.entry(self.own).or_default();
        let mut head = Head::empty(self.own);
        if let Some(last) = log.last() {
            head = Head { seq: last.envelope.seq, hash: last.hash, hlc: last.envelope.hlc, ..head };
        }
        for _ in 0..events {
            let wall = 1_000 + i64::try_from(head.seq).unwrap();
            let stamp = Stamp { wall, tau: None, trading: wall, till: None, shift: None, staff: None };
            let body = Body::from(DrawerOpened { reason: "change".to_owned(), approver: None });
            log.push(head.append(stamp, &body).unwrap());
        }
        self.signed.entry(self.own).or_default().insert(head.seq);
    }

    pub(super) fn publish(&mut self, versions: u64) {
        let epoch = self.catalog_version().epoch.max(1);
        let have = self.catalog_version().version;
        for version in have + 1..=have + versions {
            let at = CatalogVersion { epoch, version };
            let entry = crate::catalog::Entry { at, changes: Vec::new() };
            self.catalog.push(entry.seal(&device(self.own)).unwrap());
        }
    }

    /// A restored hub publishes its catalog again in a new epoch.
    pub(super) fn new_epoch(&mut self) {
        let at = CatalogVersion { epoch: self.catalog_version().epoch + 1, version: 1 };
        self.catalog =
            vec![crate::catalog::Entry { at, changes: Vec::new() }.seal(&device(self.own)).unwrap()];
    }

    /// Whether this very event is in the log.
    pub(super) fn holds(&self, head: &HeadMark) -> bool {
        let at = usize::try_from(head.seq).unwrap().checked_sub(1);
        let log = self.logs.get(&head.incarnation);
        at.and_then(|at| log?.get(at)).is_some_and(|event| event.hash == head.hash)
    }

    /// Writes a grant of what is missing, within what may be given; the end of the log where anything stands.
    pub(super) fn give(&mut self, acquire: &Acquire) -> Option<HeadMark> {
        let missing = acquire.at_least.saturating_sub(self.given).min(self.free);
        if missing > 0 {
            (self.given, self.free) = (self.given + missing, self.free - missing);
            self.write(1);
        }
        let log = self.logs.get(&self.own).filter(|_| self.given > 0)?;
        log.last().map(mark)
    }

    pub(super) fn frontier(&self) -> Frontier {
        Frontier::from_heads(self.logs.values().filter_map(|log| log.last()).map(mark))
    }

    pub(super) fn catalog_version(&self) -> CatalogVersion {
        self.catalog.last().map_or_else(CatalogVersion::default, |entry| entry.at)
    }

    pub(super) fn read(
        &mut self,
        of: Incarnation,
        from: u64,
        max: usize,
        raw_to: Option<u64>,
    ) -> Option<Batch> {
        let signed = self.signed.get(&of)?;
        let reach = raw_to.unwrap_or(from + u64::try_from(max.min(7)).unwrap() - 1);
        let to = match signed.range(from..=reach.max(from)).next_back() {
            Some(to) if raw_to.is_none_or(|wanted| *to >= wanted) => *to,
            _ => *signed.range(from.max(raw_to.unwrap_or(0))..).next()?,
        };
        let bounds = usize::try_from(from - 1).unwrap()..usize::try_from(to).unwrap();
        let events = self.logs.get(&of)?.get(bounds)?.to_vec();
        let last = events.last()?;
        self.sent_events += u64::try_from(events.len()).unwrap();
        Some(Batch {
            incarnation: of,
            from,
            count: u32::try_from(events.len()).unwrap(),
            end_hash: last.hash,
            signature: device(of).sign_head(&mark(last)),
            encoding: if raw_to.is_some() { Encoding::Raw } else { Encoding::Compact },
            catalog: CatalogVersion::default(),
            payload: crate::wire::pack_raw(&events),
        })
    }

    pub(super) fn apply(&mut self, batch: &Batch) -> Applied {
        let baffled = self.dice() < self.baffled;
        let log = self.logs.entry(batch.incarnation).or_default();
        let have = u64::try_from(log.len()).unwrap();
        if batch.from > have + 1 {
            return Applied::NeedFrom { incarnation: batch.incarnation, from: have + 1 };
        }
        if batch.encoding == Encoding::Compact && baffled {
            return Applied::NeedRaw { incarnation: batch.incarnation, from: batch.from, to: batch.to() };
        }
        for event in crate::wire::unpack_raw(&batch.payload).unwrap() {
            if event.envelope.seq <= u64::try_from(log.len()).unwrap() {
                continue;
            }
            let prev = log.last().map_or(Hash::ZERO, |last| last.hash);
            if event.envelope.prev_hash != prev {
                return Applied::Fork;
            }
            *self.applied.entry((batch.incarnation, event.envelope.seq)).or_default() += 1;
            log.push(event);
        }
        self.signed.entry(batch.incarnation).or_default().insert(batch.to());
        Applied::Done(mark(log.last().unwrap()))
    }
}

pub(super) fn mark(event: &Event) -> HeadMark {
    HeadMark { incarnation: event.envelope.incarnation, seq: event.envelope.seq, hash: event.hash }
}

/// One side of a conversation: a session and what its pump does.
pub(super) struct Side<'a> {
    pub(super) session: Session,
    pub(super) replica: &'a mut Replica,
    pub(super) closed: Option<Closing>,
    /// When the session wants to be called back.
    pub(super) wake: Option<UtcMs>,
    /// What became of requests for rights.
    pub(super) answers: Vec<(u64, u64)>,
    pub(super) words: Vec<BarrierWord>,
    /// What was heard of hub time, of the other side's holdings, and of rights to burn.
    pub(super) times: Vec<Tau>,
    pub(super) cuts: Vec<(u64, Vec<HeadMark>)>,
    pub(super) burns: Vec<crate::burn::BurnAsk>,
    pub(super) lease_asks: Vec<crate::lease::LeaseAsk>,
    pub(super) asides: Vec<Vec<u64>>,
    pub(super) leases: Vec<crate::lease::SealedLease>,
}

impl<'a> Side<'a> {
    pub(super) fn new(role: Role, replica: &'a mut Replica) -> Self {
        let peer_key = (role == Role::Node).then(|| device(HUB).public());
        Self::with(role, replica, peer_key, Vec::new())
    }

    /// One of two neighbours: it knows the other's key, and that the roster names it.
    pub(super) fn beside(replica: &'a mut Replica, other: Incarnation) -> Self {
        Self::with(Role::Neighbour, replica, Some(device(other).public()), vec![other])
    }

    pub(super) fn with(
        role: Role,
        replica: &'a mut Replica,
        peer_key: Option<crate::signing::DeviceKey>,
        members: Vec<Incarnation>,
    ) -> Self {
        let session = Session::new(Local {
            role,
            incarnation: replica.own,
            device: device(replica.own),
            nonce: [replica.own.0[0]; 32],
            frontier: replica.frontier(),
            catalog: replica.catalog_version(),
            wall: 1_000,
            program: "test".to_owned(),
            peer_key,
            members,
            roster_of: (role == Role::Neighbour).then_some(HUB),
        });
        Self {
            session,
            replica,
            closed: None,
            wake: None,
            answers: Vec::new(),
            words: Vec::new(),
            times: Vec::new(),
            cuts: Vec::new(),
            burns: Vec::new(),
            lease_asks: Vec::new(),
            leases: Vec::new(),
            asides: Vec::new(),
        }
    }

    /// Drains the session's outputs, does them, and returns what is to be sent.
    pub(super) fn pump(&mut self, now: UtcMs) -> Vec<Message> {
        let mut sent = Vec::new();
        while let Some(output) = self.session.poll() {
            let answer = match output {
                Output::Send(message) => {
                    sent.push(message);
                    continue;
                }
                Output::Identify(hello) => Input::Identified(if hello.incarnation == NODE {
                    Ok(Box::new(Caller {
                        device_key: device(NODE).public(),
                        hub_incarnation: self.replica.own,
                        frontier: self.replica.frontier(),
                        catalog: self.replica.catalog_version(),
                        tau: Tau::told(1, 5),
                    }))
                } else {
                    Err(Refusal::Unknown)
                }),
                Output::Read { incarnation, from, events_max, raw_to, .. } => {
                    Input::Read(self.replica.read(incarnation, from, events_max, raw_to))
                }
                Output::Apply(batch) => Input::Applied(self.replica.apply(&batch)),
                Output::ReadCatalog { after, .. } => {
                    let later = self.replica.catalog.iter().filter(|entry| entry.at > after);
                    Input::CatalogRead(later.take(3).cloned().collect())
                }
                Output::ApplyCatalog(entries) => {
                    for entry in entries {
                        entry.open(&device(HUB).public()).unwrap();
                        match crate::catalog::fit(self.replica.catalog_version(), entry.at) {
                            crate::catalog::Fit::Next => self.replica.catalog.push(entry),
                            crate::catalog::Fit::Replace => self.replica.catalog = vec![entry],
                            crate::catalog::Fit::Known | crate::catalog::Fit::Gap => {}
                        }
                    }
                    Input::CatalogApplied(self.replica.catalog_version())
                }
                Output::Acked(head) => {
                    if head.incarnation == self.replica.own {
                        self.replica.acked = self.replica.acked.max(head.seq);
                    }
                    continue;
                }
                Output::SelfFence { told, .. } => {
                    self.replica.fenced |= told.is_none_or(|told| !self.replica.holds(&told));
                    continue;
                }
                Output::ReadRecords { held } => Input::RecordsRead(self.replica.unsaid(held)),
                Output::ApplyRecords(records) => {
                    let through = records.through;
                    self.replica.store(records);
                    Input::RecordsApplied(Some(through))
                }
                Output::Give(acquire) => {
                    let head = self.replica.give(&acquire);
                    Input::Given { ask: acquire.ask, head }
                }
                Output::HandOver(wanted) => {
                    let mine = self.replica.custody.remove(&wanted.object);
                    if mine {
                        self.replica.write(1);
                    }
                    let log = self.replica.logs.get(&self.replica.own).filter(|_| mine);
                    Input::Given { ask: wanted.ask, head: log.and_then(|log| log.last()).map(mark) }
                }
                Output::ReadCarts { after } => Input::CartsRead(self.replica.carts_after(after)),
                Output::ApplyCarts(carts) => {
                    let through = carts.through;
                    carts.carts.into_iter().for_each(|cart| self.replica.cart_changed(cart));
                    Input::CartsApplied(through)
                }
                Output::ReadCut(ask) => {
                    Input::CutRead { ask, heads: self.replica.frontier().heads().collect() }
                }
                Output::Cut { ask, heads } => {
                    self.cuts.push((ask, heads));
                    continue;
                }
                Output::Burn(ask) => {
                    self.burns.push(ask);
                    continue;
                }
                Output::Acquired { ask, through } => {
                    self.answers.push((ask, through));
                    continue;
                }
                Output::Close(why) => {
                    self.closed = Some(why);
                    continue;
                }
                Output::WaitUntil(at) => {
                    self.wake = Some(at);
                    continue;
                }
                Output::Barrier(word) => {
                    self.words.push(word);
                    continue;
                }
                Output::HubTime(tau) => {
                    self.times.push(tau);
                    continue;
                }
                Output::GiveLease(ask) => {
                    self.lease_asks.push(ask);
                    continue;
                }
                Output::Leased(sealed) => {
                    self.leases.push(sealed);
                    continue;
                }
                Output::Aside(seqs) => {
                    self.asides.push(seqs);
                    continue;
                }
                Output::Met(_) | Output::CatalogAcked(_) => continue,
            };
            self.session.handle(now, answer);
        }
        sent
    }
}
