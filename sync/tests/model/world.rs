//! A small store: nodes, a hub, a clock, and messages that are delivered when a story says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tradepost_commerce::document::Sku;
use tradepost_commerce::product::StockPolicy;
use tradepost_sync::barrier::{Barrier, Frozen, Purpose, Settlement};
use tradepost_sync::body::*;
use tradepost_sync::clock::Tau;
use tradepost_sync::fence::Waits;
use tradepost_sync::ids::{Id, Incarnation};
use tradepost_sync::lease::{Clocks, LEASE_MS_DEFAULT, Lease, Tenancy};
use tradepost_sync::replica::*;
use tradepost_sync::rights::Picture;
use tradepost_sync::signing::Device;

pub(crate) const H: &str = "H";
pub(crate) const MIN: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MIN;

pub(crate) struct World {
    pub(crate) nodes: BTreeMap<String, Replica>,
    pub(crate) ms: i64,
    pub(crate) epoch: u32,
    pub(crate) waits: Waits,
    pub(crate) barrier: Option<Barrier>,
    /// Wall clocks that go wrong, by node.
    pub(crate) wall: BTreeMap<String, i64>,
    /// Nodes that know no hub time.
    pub(crate) timeless: BTreeSet<String>,
    pub(crate) device: Device,
    /// Hears every event at once: the closed view.
    pub(crate) truth: Option<Replica>,
    roster: u64,
    ids: u64,
}

pub(crate) fn sku() -> Sku {
    Sku("MUG".to_owned())
}

pub(crate) fn inc(name: &str) -> Incarnation {
    let mut id = [0; 16];
    id[..name.len()].copy_from_slice(name.as_bytes());
    Incarnation(id)
}

pub(crate) fn strict() -> StockPolicy {
    StockPolicy::Strict
}

pub(crate) fn in_hand() -> StockPolicy {
    StockPolicy::InHand
}

impl World {
    /// A hub and its nodes, all in the roster and with a lease.
    pub(crate) fn new(names: &[&str]) -> Self {
        let mut world = Self {
            nodes: BTreeMap::from([(H.to_owned(), Replica::hub(inc(H)))]),
            ms: 10 * HOUR,
            epoch: 1,
            waits: Waits::default(),
            barrier: None,
            wall: BTreeMap::new(),
            timeless: BTreeSet::new(),
            device: Device::from_secret([7; 32]),
            truth: None,
            roster: 0,
            ids: 0,
        };
        for name in names {
            world.machine(name);
        }
        world.enrol(names);
        world
    }

    /// A machine that no roster knows yet.
    pub(crate) fn machine(&mut self, name: &str) {
        let hub = self.r(H).terms().hub().unwrap();
        self.nodes.insert(name.to_owned(), Replica::node(inc(name), hub));
        self.write(name, &Replica::started([u8::try_from(self.ids % 251).unwrap(); 16], Vec::new()));
    }

    /// The hub puts machines into its roster; they hear of it, are acknowledged and get a lease.
    pub(crate) fn enrol(&mut self, names: &[&str]) {
        let mut members: BTreeSet<Incarnation> = self.r(H).terms().roster().clone();
        members.extend(names.iter().map(|name| inc(name)));
        self.roster += 1;
        let entry = |i: &Incarnation| RosterEntry {
            incarnation: *i,
            device_key: [0; 32],
            name: i.to_string(),
            fenced: false,
            retired: false,
        };
        let body = RosterChanged { version: self.roster, members: members.iter().map(entry).collect() };
        self.write(H, &body.into());
        for name in names {
            self.level(name, H);
            self.renew(name);
        }
    }

    /// The hub gives a lease that answers the node's ask.
    pub(crate) fn renew(&mut self, name: &str) {
        let clocks = self.now(name).clocks;
        let (device, issued) = (self.device.clone(), self.tau());
        let ask = self.m(name).tenancy.ask([5; 32], clocks);
        let lease = Lease { incarnation: inc(name), nonce: ask.nonce, issued, length_ms: LEASE_MS_DEFAULT };
        let (me, signature) = (inc(name), lease.sign(&device));
        let tenancy = &mut self.m(name).tenancy;
        tenancy.acknowledge();
        tenancy.take(&me, &lease, &device.public(), &signature).unwrap();
        self.waits.renewed(inc(name), LEASE_MS_DEFAULT, issued);
    }

    /// The machine starts again: nothing of this boot is acknowledged yet.
    pub(crate) fn reboot(&mut self, name: &str, random: u8) {
        self.m(name).tenancy = Tenancy::default();
        self.write(name, &Replica::started([random; 16], Vec::new()));
    }

    pub(crate) fn r(&self, name: &str) -> &Replica {
        &self.nodes[name]
    }

    pub(crate) fn m(&mut self, name: &str) -> &mut Replica {
        self.nodes.get_mut(name).unwrap()
    }

    pub(crate) fn me(&self, name: &str) -> Incarnation {
        self.r(name).me()
    }

    pub(crate) fn tau(&self) -> Tau {
        Tau::told(self.epoch, self.ms)
    }

    pub(crate) fn now(&self, name: &str) -> Now {
        let wall = self.ms + self.wall.get(name).copied().unwrap_or(0);
        let tau = (!self.timeless.contains(name)).then(|| self.tau());
        Now { clocks: Clocks { boot: self.ms, wall }, tau }
    }

    /// Time passes and the hub runs.
    pub(crate) fn pass(&mut self, ms: i64) {
        self.ms += ms;
        let tau = self.tau();
        self.waits.ran(ms, tau);
    }

    pub(crate) fn at(&mut self, hour: i64, minute: i64) {
        let ms = hour * HOUR + minute * MIN - self.ms;
        self.pass(ms);
    }

    pub(crate) fn id(&mut self) -> Id {
        self.ids += 1;
        let mut id = [0; 16];
        id[8..].copy_from_slice(&self.ids.to_be_bytes());
        Id(id)
    }

    pub(crate) fn write(&mut self, name: &str, body: &Body) -> Arc<Entry> {
        let now = self.now(name);
        let entry = self.m(name).write(now, body).unwrap();
        if let Some(truth) = &mut self.truth {
            assert_eq!(truth.hear(&entry), Heard::Taken);
            // It is asked by no barrier.
            truth.frozen = Frozen::default();
        }
        entry
    }

    /// Writes what is covered, and the promise where it was made.
    pub(crate) fn promise(&mut self, name: &str, promise: Promise) -> Result<(), Refused> {
        for body in &promise.covers {
            self.write(name, body);
        }
        self.write(name, &promise.then?);
        Ok(())
    }

    pub(crate) fn receive(&mut self, name: &str, units: u64) {
        self.try_receive(name, units).unwrap();
    }

    pub(crate) fn try_receive(&mut self, name: &str, units: u64) -> Result<(), Refused> {
        let delivery = self.id();
        let body = self.r(name).receive(delivery, &sku(), units, self.now(name))?;
        self.write(name, &body);
        Ok(())
    }

    pub(crate) fn sell(&mut self, name: &str, units: u64, policy: StockPolicy) -> Result<(), Refused> {
        let promise = self.r(name).sell(&sku(), units, policy, false, self.now(name));
        self.promise(name, promise)
    }

    pub(crate) fn give(&mut self, from: &str, to: &str, units: u64) -> Result<(), Refused> {
        let body = self.r(from).grant(&sku(), inc(to), units, self.now(from))?;
        self.write(from, &body);
        Ok(())
    }

    pub(crate) fn settle(&mut self, name: &str) -> Result<(), Refused> {
        let body = self.r(name).settle(&sku(), self.now(name))?;
        self.write(name, &body);
        Ok(())
    }

    pub(crate) fn reserve(&mut self, custodian: &str, units: u64) -> Result<Id, Refused> {
        let id = self.id();
        let expires = self.tau().later(HOUR);
        let promise = self.r(H).reserve(id, &sku(), units, inc(custodian), expires, self.now(H));
        self.promise(H, promise)?;
        Ok(id)
    }

    /// A count that takes no time, answered by the counting node alone.
    pub(crate) fn count(&mut self, name: &str, n: u64) {
        self.count_with(name, n, &[]);
    }

    pub(crate) fn count_with(&mut self, name: &str, n: u64, others: &[&str]) {
        let others: Vec<Replica> = others.iter().map(|other| self.r(other).clone()).collect();
        let others: Vec<&Replica> = others.iter().collect();
        let start = self.r(name).begin_count(&sku(), &others, self.now(name));
        let id = self.id();
        let body = self.r(name).end_count(id, &start, n, &others, self.now(name));
        self.write(name, &body);
    }

    /// What `from` holds and `to` lacks goes over.
    pub(crate) fn send(&mut self, from: &str, to: &str) {
        let streams: Vec<Incarnation> = self.r(from).heads().keys().copied().collect();
        for stream in streams {
            self.send_stream(from, to, stream);
        }
    }

    pub(crate) fn send_stream(&mut self, from: &str, to: &str, stream: Incarnation) {
        let after = self.r(to).reach(&stream);
        for entry in self.r(from).events_after(&stream, after) {
            if self.m(to).hear(&entry) != Heard::Taken {
                break;
            }
        }
    }

    /// Two replicas level their logs.
    pub(crate) fn level(&mut self, a: &str, b: &str) {
        self.send(a, b);
        self.send(b, a);
    }

    pub(crate) fn level_all(&mut self, names: &[&str]) {
        for _ in 0..2 {
            for a in names {
                for b in names.iter().filter(|b| *b != a) {
                    self.send(a, b);
                }
            }
        }
    }

    pub(crate) fn fence(&mut self, name: &str) {
        let fenced = NodeFenced { incarnation: inc(name), successor: None, attested: None };
        self.write(H, &fenced.into());
        let tau = self.tau();
        self.waits.never_leased(inc(name), tau);
        if let Some(barrier) = &mut self.barrier {
            barrier.fenced(inc(name));
        }
    }

    /// Lease and margin pass.
    pub(crate) fn wait_out(&mut self) {
        self.pass(80 * HOUR);
    }

    pub(crate) fn open(&mut self, purpose: Purpose) {
        let (id, tau, now) = (self.id(), self.tau(), self.now(H));
        let barrier = self.m(H).open_barrier(id, purpose, tau, now).unwrap();
        self.barrier = Some(barrier);
        self.tell_truth(H);
    }

    /// What was written past [`Self::write`].
    pub(crate) fn tell_truth(&mut self, name: &str) {
        let Some(mut truth) = self.truth.take() else { return };
        let me = self.me(name);
        for entry in self.r(name).events_after(&me, truth.reach(&me)) {
            assert_eq!(truth.hear(&entry), Heard::Taken);
            truth.frozen = Frozen::default();
        }
        self.truth = Some(truth);
    }

    /// From here on there is a closed view.
    pub(crate) fn watch(&mut self) {
        let mut truth = Replica::node(inc("truth"), inc(H));
        for name in self.nodes.keys().filter(|name| *name != H).chain([&H.to_owned()]) {
            for entry in self.r(name).events_after(&inc(name), 0) {
                truth.hear(&entry);
            }
        }
        self.truth = Some(truth);
    }

    /// A member hears the ask, stands still and answers; the hub gets what it holds.
    pub(crate) fn answer(&mut self, name: &str) {
        if name != H {
            self.send_stream(H, name, self.me(H));
        }
        let (me, heads) = (self.me(name), self.r(name).heads());
        self.barrier.as_mut().unwrap().answer(me, heads).unwrap();
        if name != H {
            self.send(name, H);
        }
    }

    pub(crate) fn cap(&mut self, members: &[&str]) -> Result<(), CloseError> {
        let barrier = self.barrier.as_mut().unwrap();
        let (id, caps) = (barrier.id, barrier.propose()?);
        for name in members {
            self.m(name).frozen.propose(id, &caps);
        }
        for _ in 0..2 {
            for from in members {
                for to in members.iter().filter(|to| *to != from) {
                    for cap in &caps {
                        self.send_stream(from, to, cap.incarnation);
                    }
                }
            }
        }
        for name in members {
            self.r(name).may_ack()?;
            let me = self.me(name);
            self.barrier.as_mut().unwrap().ack(me).unwrap();
        }
        Ok(())
    }

    pub(crate) fn close(&mut self) -> Result<Settlement, CloseError> {
        let barrier = self.barrier.clone().unwrap();
        let (waits, tau, now) = (self.waits.clone(), self.tau(), self.now(H));
        let done = self.m(H).close_barrier(&barrier, &waits, tau, now)?;
        self.barrier = None;
        self.tell_truth(H);
        Ok(done.get(&sku()).cloned().unwrap_or(Settlement { resolve: BTreeMap::new(), mint: Ok(0) }))
    }

    /// A whole barrier among these members and the hub.
    pub(crate) fn barrier(&mut self, members: &[&str]) -> Result<Settlement, CloseError> {
        self.open(Purpose::Resolve);
        let all: Vec<&str> = members.iter().copied().chain([H]).collect();
        for name in &all {
            self.answer(name);
        }
        self.cap(&all)?;
        let done = self.close()?;
        self.level_all(&all);
        Ok(done)
    }

    pub(crate) fn picture(&self, name: &str) -> Picture {
        self.r(name).picture(&sku())
    }

    /// `r` of a node, as it sees it itself.
    pub(crate) fn own(&self, name: &str) -> i128 {
        self.r(name).rights_of(&sku(), &self.me(name))
    }

    /// `r` of `i` as `name` sees it.
    pub(crate) fn sees(&self, name: &str, i: &str) -> i128 {
        self.r(name).rights_of(&sku(), &inc(i))
    }

    pub(crate) fn tainted(&self, name: &str) -> bool {
        self.r(name).state().items[&sku()].fold.tainted
    }

    /// Everything a replica holds, folded from nothing, is what it has kept up.
    pub(crate) fn sound(&self) {
        for (name, replica) in &self.nodes {
            assert_eq!(replica.rebuilt().state(), replica.state(), "{name} rebuilds to what it was");
            let me = replica.me();
            for (sku, item) in &replica.state().items {
                assert!(item.rights.of(&me) >= 0, "I1: {name} has {} of {}", item.rights.of(&me), sku.0);
            }
        }
    }
}
