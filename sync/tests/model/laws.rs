//! The invariants of `model.md` §7 on random worlds, and the fold of §4 against a naive reading of it.

use crate::world::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use tradepost_sync::barrier::Purpose;
use tradepost_sync::body::Body;
use tradepost_sync::burn;
use tradepost_sync::cover::Occasion;
use tradepost_sync::custody::End;
use tradepost_sync::ids::Id;
use tradepost_sync::replica::{CountStart, Entry, Replica};
use tradepost_sync::rights::Picture;

const NODES: [&str; 3] = ["A", "B", "C"];
const ALL: [&str; 4] = ["A", "B", "C", H];

#[derive(Clone, Debug)]
enum Act {
    Receive(usize, u64),
    Sell(usize, u64),
    Give(usize, usize, u64),
    Send(usize, usize),
    Settle(usize),
    Gain(usize),
    Reserve(usize, u64),
    Fulfil(usize),
    Cancel(usize),
    Count(usize, u8),
    BeginCount(usize, u8),
    EndCount(bool),
    Burn,
    Pass(i64),
    Renew(usize),
    Fence(usize),
    Timeless(usize),
    Open,
    Answer(usize),
    Cap,
    Close,
    Void,
    Steal(u64),
    Meet(u8),
    Barrier,
}

fn act(theft: bool) -> impl Strategy<Value = Act> {
    let node = 0usize..3;
    let any = 0usize..4;
    prop_oneof![
        6 => (node.clone(), 1u64..9).prop_map(|(i, q)| Act::Receive(i, q)),
        14 => (node.clone(), 1u64..4).prop_map(|(i, q)| Act::Sell(i, q)),
        8 => (any.clone(), any.clone(), 1u64..5).prop_map(|(i, j, q)| Act::Give(i, j, q)),
        24 => (any.clone(), any.clone()).prop_map(|(i, j)| Act::Send(i, j)),
        3 => node.clone().prop_map(Act::Settle),
        2 => any.clone().prop_map(Act::Gain),
        4 => (node.clone(), 1u64..3).prop_map(|(i, q)| Act::Reserve(i, q)),
        3 => (0usize..8).prop_map(Act::Fulfil),
        2 => (0usize..8).prop_map(Act::Cancel),
        5 => (node.clone(), 0u8..8).prop_map(|(i, mask)| Act::Count(i, mask)),
        2 => (node.clone(), 0u8..8).prop_map(|(i, mask)| Act::BeginCount(i, mask)),
        2 => prop::bool::ANY.prop_map(Act::EndCount),
        2 => Just(Act::Burn),
        8 => prop_oneof![Just(1000i64), Just(MIN), Just(5 * MIN), Just(25 * HOUR), Just(73 * HOUR)].prop_map(Act::Pass),
        5 => node.clone().prop_map(Act::Renew),
        2 => (1usize..3).prop_map(Act::Fence),
        1 => node.prop_map(Act::Timeless),
        3 => Just(Act::Open),
        8 => any.prop_map(Act::Answer),
        4 => Just(Act::Cap),
        4 => Just(Act::Close),
        1 => Just(Act::Void),
        4 => (0u8..8).prop_map(Act::Meet),
        4 => Just(Act::Barrier),
        2 => (1u64..3).prop_map(move |q| Act::Steal(if theft { q } else { 0 })),
    ]
}

/// What a story is made of: a few acts, then somebody is lost, time passes, what is left is counted, a barrier is held
/// step by step, and late events turn up; other acts fall between.
fn story(theft: bool) -> impl Strategy<Value = Vec<Act>> {
    let some = |n: usize| prop::collection::vec(act(theft), 0..n);
    let sends = prop::collection::vec((0usize..4, 0usize..4).prop_map(|(i, j)| Act::Send(i, j)), 0..6);
    let sells = prop::collection::vec((0usize..3, 1u64..4).prop_map(|(i, q)| Act::Sell(i, q)), 0..4);
    let lost = prop::collection::vec((1usize..3).prop_map(Act::Fence), 0..3);
    let waited = prop_oneof![1 => Just(Act::Pass(25 * HOUR)), 4 => Just(Act::Pass(80 * HOUR))];
    let counted = (0usize..3, 0u8..8).prop_map(|(i, mask)| Act::Count(i, mask));
    let held = prop_oneof![
        2 => Just(vec![Act::Barrier]),
        1 => Just(vec![Act::Open, Act::Answer(0), Act::Answer(3), Act::Cap, Act::Close]),
    ];
    let steps = prop::collection::vec((act(theft), prop::bool::weighted(0.3)), 5);
    let barrier = (held, steps).prop_map(|(held, between)| {
        let mixed = held
            .into_iter()
            .zip(between)
            .flat_map(|(step, (other, with))| with.then_some(other).into_iter().chain([step]));
        mixed.collect::<Vec<_>>()
    });
    let minutes = prop_oneof![Just(Act::Pass(1000)), Just(Act::Pass(5 * MIN))];
    let first = (some(30), sends.clone(), sells.clone(), lost);
    let second = (waited, some(4), (0u8..8).prop_map(Act::Meet), counted, minutes);
    let third = (some(4), barrier, sends, sells, some(12));
    (first, second, third).prop_map(|((a, b, c, d), (e, f, g, h, i), (j, k, l, m, n))| {
        let waits = [vec![e], f, vec![g, Act::Pass(5 * MIN), h, i]].concat();
        [a, b, c, d, waits, j, k, l, m, n].concat()
    })
}

/// A store with its true shelf.
struct Store {
    w: World,
    shelf: u64,
    orders: Vec<Id>,
    counting: Option<(usize, Vec<usize>, CountStart, u64)>,
    /// Walk-in sales beyond the rights are allowed.
    in_hand: bool,
}

impl Store {
    fn new(in_hand: bool) -> Self {
        let mut w = World::new(&NODES);
        w.watch();
        Self { w, shelf: 0, orders: Vec::new(), counting: None, in_hand }
    }

    fn truth(&self) -> &Replica {
        self.w.truth.as_ref().unwrap()
    }

    fn others(&self, i: usize, mask: u8) -> Vec<usize> {
        (0..3).filter(|j| *j != i && mask & (1 << j) != 0).collect()
    }

    fn replicas(&self, of: &[usize]) -> Vec<Replica> {
        of.iter().map(|j| self.w.r(NODES[*j]).clone()).collect()
    }

    fn is_out(&self, name: &str) -> bool {
        self.w.r(H).terms().out().contains(&inc(name))
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Receive(i, q) => {
                if self.w.try_receive(NODES[i], q).is_ok() {
                    self.shelf += q;
                }
            }
            Act::Sell(i, q) => self.sell(NODES[i], q),
            Act::Give(i, j, q) if i != j => drop(self.w.give(ALL[i], ALL[j], q)),
            Act::Send(i, j) if i != j => self.w.send(ALL[i], ALL[j]),
            Act::Settle(i) => drop(self.w.settle(NODES[i])),
            Act::Gain(i) => {
                let covers = self.w.r(ALL[i]).covers(&sku(), Occasion::Gain, self.w.now(ALL[i])).0;
                covers.iter().for_each(|body| drop(self.w.write(ALL[i], body)));
            }
            Act::Reserve(i, q) => {
                if let Ok(order) = self.w.reserve(NODES[i], q) {
                    self.orders.push(order);
                }
            }
            Act::Fulfil(k) => self.end(k, End::Fulfilled),
            Act::Cancel(k) => self.end(k, End::Cancelled),
            Act::Count(i, mask) => {
                let others: Vec<&str> = self.others(i, mask).into_iter().map(|j| NODES[j]).collect();
                if self.may_count(NODES[i]) {
                    self.w.count_with(NODES[i], self.shelf, &others);
                }
            }
            Act::BeginCount(i, mask) => {
                let others = self.others(i, mask);
                let answering = self.replicas(&others);
                let refs: Vec<&Replica> = answering.iter().collect();
                let start = self.w.r(NODES[i]).begin_count(&sku(), &refs, self.w.now(NODES[i]));
                self.counting = Some((i, others, start, self.shelf));
            }
            Act::EndCount(late) => self.end_count(late),
            Act::Burn => self.burn(),
            Act::Pass(ms) => self.w.pass(ms),
            Act::Renew(i) => self.renew(NODES[i]),
            Act::Fence(i) if !self.is_out(NODES[i]) => self.w.fence(NODES[i]),
            Act::Timeless(i) => {
                let name = NODES[i].to_owned();
                if !self.w.timeless.remove(&name) {
                    self.w.timeless.insert(name);
                }
            }
            Act::Open if self.w.barrier.is_none() => self.w.open(Purpose::Resolve),
            Act::Answer(i) => self.answer(ALL[i]),
            Act::Cap => self.cap(),
            Act::Close if self.w.barrier.is_some() => drop(self.w.close()),
            Act::Void => self.void(),
            Act::Meet(mask) => self.meet(mask),
            Act::Barrier => self.barrier(),
            Act::Steal(q) => self.shelf -= q.min(self.shelf),
            Act::Give(..) | Act::Send(..) | Act::Fence(..) | Act::Open | Act::Close => {}
        }
    }

    fn sell(&mut self, name: &str, q: u64) {
        if self.in_hand && self.shelf >= q {
            if self.w.sell(name, q, in_hand()).is_ok() {
                self.shelf -= q;
            }
        } else if self.w.sell(name, q, strict()).is_ok() {
            assert!(self.in_hand || self.shelf >= q, "I5: a strict sale finds its good");
            self.shelf = self.shelf.saturating_sub(q);
        }
    }

    /// A custodian that hasn't heard of a reservation can't end it; one that is locked doesn't.
    fn end(&mut self, k: usize, how: End) {
        let Some(order) = self.orders.get(k).copied() else { return };
        for name in NODES {
            let Ok(body) = self.w.r(name).end(order, how, self.w.now(name)) else { continue };
            let units = self.w.r(name).state().reservations[&order].units;
            if how == End::Fulfilled {
                if self.shelf < units {
                    assert!(self.in_hand, "I5: an open reservation finds its good");
                    return;
                }
                self.shelf -= units;
            }
            self.w.write(name, &body);
        }
    }

    /// Fenced nodes don't count: the store's people have heard of it.
    fn may_count(&self, name: &str) -> bool {
        !self.is_out(name)
    }

    fn end_count(&mut self, late: bool) {
        let Some((i, others, start, n)) = self.counting.take() else { return };
        let answering = self.replicas(&others);
        let refs: Vec<&Replica> = answering.iter().collect();
        let n = if late { self.shelf } else { n };
        let id = self.w.id();
        if self.may_count(NODES[i]) {
            let body = self.w.r(NODES[i]).end_count(id, &start, n, &refs, self.w.now(NODES[i]));
            self.w.write(NODES[i], &body);
        }
    }

    fn burn(&mut self) {
        let id = self.w.id();
        let hub = self.w.r(H);
        let Some(item) = hub.state().items.get(&sku()) else { return };
        let ask = burn::next_ask(id, &sku(), &item.rights, hub.terms(), &self.w.picture(H), |_| false);
        let Some(ask) = ask else { return };
        let name = ALL.into_iter().find(|name| inc(name) == ask.holder).unwrap();
        if let Ok(body) = self.w.r(name).burn(&ask, self.w.now(name)) {
            self.w.write(name, &body);
        }
    }

    /// The hub renews nobody whom it has fenced.
    fn renew(&mut self, name: &str) {
        if !self.is_out(name) {
            self.w.renew(name);
        }
    }

    fn answer(&mut self, name: &str) {
        let member = self.w.barrier.as_ref().is_some_and(|b| !b.is_void() && b.members.contains(&inc(name)));
        if member && !self.is_out(name) {
            self.w.answer(name);
        }
    }

    fn cap(&mut self) {
        let Some(barrier) = &self.w.barrier else { return };
        let members: Vec<&str> =
            ALL.into_iter().filter(|name| barrier.members.contains(&inc(name))).collect();
        if barrier.is_void() {
            return;
        }
        drop(self.w.cap(&members));
    }

    fn void(&mut self) {
        if let Some(barrier) = self.w.barrier.take() {
            let now = self.w.now(H);
            self.w.m(H).void_barrier(&barrier, now).unwrap();
            self.w.tell_truth(H);
        }
    }

    /// Some live nodes and the hub level their logs; their leases are renewed.
    fn meet(&mut self, mask: u8) {
        let met: Vec<&str> = (0..3).filter(|i| mask & (1 << i) != 0).map(|i| NODES[i]).collect();
        let met: Vec<&str> = met.into_iter().filter(|name| !self.is_out(name)).chain([H]).collect();
        self.w.level_all(&met);
        met.iter().filter(|name| **name != H).for_each(|name| self.w.renew(name));
    }

    /// A whole barrier at once, among everybody live.
    fn barrier(&mut self) {
        self.void();
        self.w.pass(1);
        drop(self.w.barrier(&self.live()));
        self.w.barrier = None;
    }

    /// I1 to I4 in every view.
    fn holds(&self) {
        let truth = self.truth();
        for name in ALL {
            let (own, me) = (self.w.own(name), inc(name));
            assert!(own >= 0, "I1: {name} has {own}");
            let behind = truth.terms().cap_of(&me).is_some() || self.is_out(name);
            assert!(behind || own <= truth.rights_of(&sku(), &me), "I2: {name} sees more than it has");
        }
        let Some(item) = truth.state().items.get(&sku()) else { return };
        if truth.terms().out().is_empty() {
            let sum: i128 = item.rights.known().iter().map(|i| item.rights.of(i)).sum();
            assert!(sum >= 0, "I4");
        }
        if !self.in_hand {
            let free = |i: &&str| self.w.r(i).standing(&sku(), self.w.now(i)).free();
            let open: i128 = ALL.iter().map(|i| i128::from(free(i))).sum();
            let reserved = truth.state().reserved(&sku());
            let shelf = i128::from(self.shelf);
            assert!(
                shelf >= reserved + open,
                "I5: {shelf} goods, {reserved} promised, {open} may be promised"
            );
        }
    }

    fn live(&self) -> Vec<&'static str> {
        NODES.into_iter().filter(|name| !self.is_out(name)).collect()
    }

    /// Everybody meets, the waits pass, the shelf is counted, a barrier is held, burns are asked for and overdraw is
    /// covered, until nothing moves any more.
    fn heal(&mut self) -> Picture {
        self.void();
        self.w.wait_out();
        self.w.timeless.clear();
        let live = self.live();
        let everyone: Vec<&str> = live.iter().copied().chain([H]).collect();
        let all = |s: &mut Self| s.w.level_all(&everyone);
        for name in &live {
            self.w.renew(name);
        }
        all(self);
        self.w.pass(HOUR);
        self.w.count_with("A", self.shelf, &live[1..]);
        self.w.pass(HOUR);
        all(self);
        for _ in 0..6 {
            self.w.barrier(&live).unwrap();
            all(self);
            for _ in 0..6 {
                self.burn();
                all(self);
            }
            for name in &everyone {
                let covers = self.w.r(name).covers(&sku(), Occasion::StrictPromise, self.w.now(name)).0;
                covers.iter().for_each(|body| drop(self.w.write(name, body)));
                drop(self.w.settle(name));
                all(self);
            }
            self.w.pass(MIN);
        }
        self.w.picture(H)
    }
}

/// What may move D, by `model.md` §2 (C).
fn moves_d(store: &Store, entry: &Entry) -> bool {
    let terms = store.truth().terms();
    let Some(body) = &entry.body else { return true };
    let included = store.truth().state().items.get(&sku()).is_some_and(|item| {
        let Some(count) = &item.fold.latest else { return false };
        let own =
            item.movements.range((entry.author(), entry.seq(), 0)..=(entry.author(), entry.seq(), u32::MAX));
        own.into_iter().any(|(_, m)| count.judge(m).included)
    });
    let listed = match body {
        Body::StockCounted(_) | Body::NodeResolved(_) | Body::BarrierClosed(_) => true,
        Body::RightsMinted(_) | Body::RightsBurnt(_) => true,
        Body::RightsGranted(granted) => terms.cap_of(&granted.to).is_some(),
        Body::DeliveryReceived(delivery) => delivery.lines.iter().any(|line| line.moved.m < line.units),
        Body::ReservationCancelled(done) => done.moved.m < done.units,
        _ => false,
    };
    listed || included || terms.is_behind_cap(&entry.author(), entry.seq())
}

fn run(store: &mut Store, acts: &[Act]) {
    for act in acts {
        let before = store.truth().clone();
        store.act(act);
        store.holds();
        // (C), event by event: only where a single act wrote a single event is its share of D told apart.
        let written: Vec<_> = ALL
            .into_iter()
            .flat_map(|name| store.truth().events_after(&inc(name), before.reach(&inc(name))))
            .collect();
        let (was, is) = (before.picture(&sku()).d(), store.truth().picture(&sku()).d());
        if !written.iter().any(|entry| moves_d(store, entry)) {
            assert_eq!(was, is, "(C): {act:?} moves D");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 3, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    /// I1 to I5 and (C): goods in hand are only sold within the rights, nothing is stolen.
    #[test]
    fn strict_promises_find_their_goods(acts in story(false)) {
        let mut store = Store::new(false);
        run(&mut store, &acts);
    }

    /// I1 to I4, (C) and I6, with walk-in sales beyond the rights and theft.
    #[test]
    fn healed_counted_and_quiet_the_books_are_right(acts in story(true)) {
        let mut store = Store::new(true);
        run(&mut store, &acts);
        let p = store.heal();
        prop_assert!(
            p.d() == 0 || (p.available == 0 && -p.d() <= p.exposure()),
            "I6: {p:?} D {} E {}", p.d(), p.exposure()
        );
        let live = store.live();
        for name in &live {
            prop_assert_eq!(&store.w.r(name).state().items, &store.w.r(H).state().items, "I7 {}", name);
        }
        store.w.sound();
    }

    /// I7: what a replica holds doesn't depend on the order in which streams arrive.
    #[test]
    fn the_order_of_arrival_does_not_matter(
        acts in story(true),
        order in prop::collection::vec(0usize..4, 0..400),
    ) {
        let mut store = Store::new(true);
        run(&mut store, &acts);
        let truth = store.truth().clone();
        let mut other = Replica::node(inc("truth"), inc(H));
        for k in order.into_iter().chain((0..4).cycle().take(2_000)) {
            let stream = inc(ALL[k]);
            let next = truth.entry(&stream, other.reach(&stream) + 1).cloned();
            next.map(|entry| other.hear(&entry));
            other.frozen = Default::default();
        }
        let streams: BTreeSet<_> = truth.heads().into_keys().collect();
        prop_assert!(streams.iter().all(|i| truth.reach(i) == other.reach(i)));
        prop_assert_eq!(other.state(), truth.state());
        let rebuilt = other.rebuilt();
        prop_assert_eq!(rebuilt.state(), truth.state());
    }
}
