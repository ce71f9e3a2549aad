//! Model 2: a till that never returns (`model.md` §3): fence, wait, count, barrier, cap, resolve and mint are steps of
//! their own, between any of which others sell, give, receive and level.

use crate::kit::{About, BEGIN, H, MINUTE, Shop, full, holds, id, inc, is_caught, leased, sku, tau};
use stateright::{Model, Property};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;
use tradepost_commerce::product::StockPolicy::Strict;
use tradepost_sync::barrier::{Barrier, Purpose};
use tradepost_sync::body::Body;
use tradepost_sync::burn::next_ask;
use tradepost_sync::fence::Waits;
use tradepost_sync::ids::Incarnation;
use tradepost_sync::lease::{LEASE_MS_DEFAULT, margin_ms};

/// The till that is lost: it goes on selling and giving, and only A meets it.
const F: usize = 1;
const A: usize = 2;
const B: usize = 3;

/// Which step is taken wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Nothing,
    /// What a lost till holds goes back to the hub when its lease is out.
    ReclaimsAtExpiry,
    /// A barrier gives back what the books say, without a count.
    ByBook,
    /// A count after the wait is enough.
    NoBarrier,
    /// The barrier may have been opened before the count.
    BarrierBeforeCount,
    /// What is minted follows from the number counted, not from the fold.
    RawCount,
    /// Members go on taking from the lost till's log after they have answered.
    NoFreeze,
    /// Events behind the position that the barrier agreed on keep their cells.
    NoRowCap,
    /// A count counts although the lost till may still have sold when it was made.
    NoWait,
}

/// How time goes: it begins when the lost till's lease is out by the hub's clock and not yet by its own, then the margin
/// is over, then an hour later.
const TIMES: [i64; 3] = [LEASE_MS_DEFAULT, 15 * MINUTE, 60 * MINUTE];

pub(crate) struct Barriers {
    pub(crate) wrong: Wrong,
    /// B receives one, instead of a grant to A.
    receives: bool,
    sales: u8,
    web: u8,
    counts: u8,
    opens: u8,
    /// What was found to recover: states that differ only in what the recovery gives up or never sees recover alike.
    recovered: Mutex<BTreeSet<u64>>,
}

const GOODS: i8 = 2;

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) shop: Shop,
    pub(crate) waits: Waits,
    barrier: Option<Barrier>,
    time: u8,
    granted: bool,
    received: bool,
    sales: [u8; 4],
    web: u8,
    counts: u8,
    opens: u8,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "t{} {:?}", self.time, self.shop)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    SellStrict(usize),
    /// F gives A one.
    Give,
    /// B receives one that nobody announced.
    Receive,
    /// The hub promises one to a web order.
    Reserve,
    Level(usize, usize),
    Fence,
    Pass,
    /// A counts what is on the shelf.
    Count,
    Open,
    Answer(usize),
    /// The caps are proposed, stored and acked by all.
    Cap,
    Close,
    /// A wrong shortcut's own step.
    Shortcut,
}

impl Barriers {
    fn new(wrong: Wrong, receives: bool) -> Self {
        let more = u8::from(full());
        Self {
            wrong,
            receives,
            sales: u8::from(!receives),
            web: u8::from(!receives),
            counts: 1 + more,
            opens: 1,
            recovered: Mutex::default(),
        }
    }

    fn about(&self) -> About {
        let comes = if self.receives { "B receives 1" } else { "the lost till gives A 1" };
        About {
            model: "fence, wait, count, barrier",
            bounds: format!(
                "hub, {} nodes; {GOODS} goods, {comes}; {} sales a node, {} web order, {} counts, {} barriers, {} times",
                self.names().len(),
                self.sales,
                self.web,
                self.counts,
                self.opens,
                self.times()
            ),
            symmetry: "none (one node is lost, one counts, one receives)",
        }
    }

    /// The nodes: who receives is there where goods come in.
    fn names(&self) -> &'static [&'static str] {
        if self.receives { &["F", "A", "B"] } else { &["F", "A"] }
    }

    /// How far time goes: an hour after the wait matters to what is received only.
    fn times(&self) -> usize {
        if self.receives { TIMES.len() } else { TIMES.len() - 1 }
    }

    fn open(&self, state: &mut State) -> bool {
        state.opens += 1;
        state.runs(MINUTE);
        let (at, now) = (tau(state.shop.ms), state.shop.now());
        let open = |hub: &mut tradepost_sync::replica::Replica| {
            hub.open_barrier(id(100 + state.opens), Purpose::Resolve, at, now)
        };
        let mut barrier = state.shop.nodes[H].step(open).expect("none is open");
        if self.wrong == Wrong::NoFreeze {
            state.shop.nodes[H].step(|hub| hub.frozen.thaw(&barrier.id));
        }
        let hub = &state.shop.nodes[H];
        barrier.answer(hub.me(), hub.heads()).expect("the hub is a member");
        state.barrier = Some(barrier);
        true
    }

    fn answer(&self, state: &mut State, who: usize) -> bool {
        state.shop.send(H, who);
        let Some(barrier) = &mut state.barrier else { return false };
        if self.wrong == Wrong::NoFreeze {
            state.shop.nodes[who].step(|node| node.frozen.thaw(&barrier.id));
        }
        let node = &state.shop.nodes[who];
        let before = barrier.clone();
        barrier.answer(node.me(), node.heads()).is_ok() && *barrier != before
    }

    fn cap(&self, state: &mut State) -> bool {
        let Some(mut barrier) = state.barrier.clone() else { return false };
        let Ok(caps) = barrier.propose() else { return false };
        let members = state.members();
        for &who in &members {
            state.shop.nodes[who].step(|node| node.frozen.propose(barrier.id, &caps));
        }
        let frozen = |i: &Incarnation| caps.iter().any(|cap| cap.incarnation == *i);
        for (from, to) in members.iter().flat_map(|a| members.iter().map(move |b| (*a, *b))) {
            if from != to && self.wrong != Wrong::NoFreeze {
                state.shop.send_of(from, to, frozen);
            }
        }
        for &who in &members {
            let node = &state.shop.nodes[who];
            if self.wrong != Wrong::NoFreeze && node.may_ack().is_err() {
                return false;
            }
            barrier.ack(node.me()).expect("it is a member");
        }
        let moved = state.barrier.as_ref() != Some(&barrier);
        state.barrier = Some(barrier);
        moved
    }

    fn close(&self, state: &mut State) -> bool {
        let Some(barrier) = state.barrier.clone() else { return false };
        let (at, now) = (tau(state.shop.ms), state.shop.now());
        let written = state.shop.nodes[H].head().seq;
        let done = if self.closes_itself() {
            self.closes_wrong(state, &barrier)
        } else {
            let waits = &state.waits;
            state.shop.nodes[H].step(|hub| hub.close_barrier(&barrier, waits, at, now)).is_ok()
        };
        if !done {
            return false;
        }
        let me = state.shop.nodes[H].me();
        if !self.closes_itself() {
            for entry in state.shop.nodes[H].events_after(&me, written) {
                state.shop.is_true(&entry);
            }
        }
        state.barrier = None;
        true
    }

    fn closes_itself(&self) -> bool {
        matches!(
            self.wrong,
            Wrong::ByBook | Wrong::BarrierBeforeCount | Wrong::RawCount | Wrong::NoRowCap | Wrong::NoWait
        )
    }
}

impl State {
    /// Time passes and the hub runs. Who is in the hub's reach has its lease renewed.
    fn runs(&mut self, ms: i64) {
        self.shop.ms += ms;
        self.waits.ran(ms, tau(self.shop.ms));
    }

    fn passes(&mut self, to: u8) {
        self.time = to;
        self.runs(TIMES[usize::from(self.time)]);
        let (ms, at) = (self.shop.ms, tau(self.shop.ms));
        for i in A..self.shop.nodes.len() {
            self.shop.nodes[i].step(|node| node.tenancy = leased(ms));
            self.waits.renewed(self.shop.nodes[i].me(), LEASE_MS_DEFAULT, at);
        }
    }

    fn members(&self) -> Vec<usize> {
        std::iter::once(H).chain(A..self.shop.nodes.len()).collect()
    }

    fn count(&mut self, others: &[usize]) {
        self.counts += 1;
        let now = self.shop.now_at(A);
        let others: Vec<_> = others.iter().map(|i| self.shop.nodes[*i].clone()).collect();
        let others: Vec<&tradepost_sync::replica::Replica> = others.iter().map(|held| &**held).collect();
        let counter = &self.shop.nodes[A];
        let start = counter.begin_count(&sku(), &others, now);
        let n = u64::from(self.shop.shelf.max(0).unsigned_abs());
        let body = counter.end_count(id(50 + self.counts), &start, n, &others, now);
        self.shop.write(A, &body);
    }

    fn is_fenced(&self) -> bool {
        self.shop.nodes[H].terms().fence(&inc("F")).is_some()
    }

    /// Whether everything comes back into sale without the lost till, from here, by what the house tells a manager to
    /// do (G44): an open barrier is given up, the till is fenced, the wait passes, all level, A and B count, the hub
    /// has burnt what is too much, one barrier resolves and mints.
    fn recovers(&self, right: &Barriers) -> bool {
        let mut seen = DefaultHasher::new();
        (&self.shop.nodes[H], &self.shop.nodes[A..], self.shop.shelf, self.shop.ms, self.time)
            .hash(&mut seen);
        let seen = seen.finish();
        let known = || right.recovered.lock().expect("no thread panics while it holds it");
        if known().contains(&seen) {
            return true;
        }
        let recovers = self.recovers_by_the_book(right);
        if recovers {
            known().insert(seen);
        }
        recovers
    }

    fn recovers_by_the_book(&self, right: &Barriers) -> bool {
        let mut state = self.clone();
        if let Some(barrier) = state.barrier.take() {
            let now = state.shop.now();
            state.shop.nodes[H].step(|hub| hub.void_barrier(&barrier, now)).expect("a small event");
        }
        if !state.is_fenced() {
            state.shop.fence(F);
        }
        while usize::from(state.time) + 1 < TIMES.len() {
            state.passes(state.time + 1);
        }
        state.runs(60 * MINUTE);
        state.levels();
        let others: Vec<usize> = (B..state.shop.nodes.len()).collect();
        state.count(&others);
        state.levels();
        state.burns();
        right.open(&mut state);
        for who in A..state.shop.nodes.len() {
            right.answer(&mut state, who);
        }
        state.levels();
        if !right.cap(&mut state) || !right.close(&mut state) {
            return false;
        }
        state.levels();
        let picture = state.shop.nodes[H].picture(&sku());
        let sellable = i128::from(state.shop.shelf) - picture.reserved;
        picture.d() == 0 && picture.suspended == 0 && picture.available == sellable
    }

    fn levels(&mut self) {
        for _ in 0..2 {
            for i in A..self.shop.nodes.len() {
                self.shop.level(i, H);
            }
        }
    }

    fn burns(&mut self) {
        let mut answered: Vec<Incarnation> = Vec::new();
        for n in 0..4 {
            let hub = &self.shop.nodes[H];
            let Some(item) = hub.state().items.get(&sku()) else { return };
            let picture = hub.picture(&sku());
            let asked =
                next_ask(id(150 + n), &sku(), &item.rights, hub.terms(), &picture, |i| answered.contains(i));
            let Some(ask) = asked else { return };
            answered.push(ask.holder);
            let Some(at) = self.shop.nodes.iter().position(|node| node.me() == ask.holder) else { return };
            let Ok(body) = self.shop.nodes[at].burn(&ask, self.shop.now_at(at)) else { continue };
            self.shop.write(at, &body);
            self.levels();
        }
    }

    /// I11: the hub mints a surplus in the close of a barrier only, which was opened after a count that it holds.
    fn i11(&self) -> bool {
        let hub = &self.shop.nodes[H];
        let log = hub.events_after(&hub.me(), 0);
        let mut closed = None;
        let mut opened = None;
        log.iter().all(|entry| match &entry.body {
            Some(Body::BarrierOpened(_)) => {
                opened = entry.event.envelope.tau;
                true
            }
            Some(Body::BarrierClosed(one)) => {
                closed = (!one.void).then_some(one.barrier);
                true
            }
            Some(Body::RightsMinted(minted)) => {
                let item = hub.state().items.get(&minted.sku);
                let ends =
                    item.into_iter().flat_map(|item| item.counts.values()).filter_map(|count| count.end);
                let mut before =
                    ends.filter(|end| opened.and_then(|opened| end.before(opened)) == Some(true));
                minted.barrier.is_some() && minted.barrier == closed && before.next().is_some()
            }
            _ => true,
        })
    }
}

impl Model for Barriers {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        assert_eq!(TIMES[1], margin_ms(LEASE_MS_DEFAULT));
        let mut shop = Shop::open(self.names(), GOODS);
        shop.lag = MINUTE;
        let mut waits = Waits::default();
        for name in self.names() {
            waits.renewed(inc(name), LEASE_MS_DEFAULT, tau(BEGIN));
        }
        let mut state = State {
            shop,
            waits,
            barrier: None,
            time: 0,
            granted: false,
            received: false,
            sales: [0; 4],
            web: 0,
            counts: 0,
            opens: 0,
        };
        state.passes(0);
        vec![state]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        let sellers = (F..state.shop.nodes.len()).filter(|i| state.sales[*i] < self.sales);
        steps.extend(sellers.map(Step::SellStrict));
        steps.push(Step::Level(F, A));
        steps.extend((A..state.shop.nodes.len()).map(|i| Step::Level(i, H)));
        if !state.granted && !self.receives {
            steps.push(Step::Give);
        }
        if !state.received && self.receives {
            steps.push(Step::Receive);
        }
        if state.web < self.web {
            steps.push(Step::Reserve);
        }
        if !state.is_fenced() {
            steps.push(Step::Fence);
            return;
        }
        if usize::from(state.time) + 1 < self.times() {
            steps.push(Step::Pass);
        }
        if state.counts < self.counts {
            steps.push(Step::Count);
        }
        if matches!(self.wrong, Wrong::ReclaimsAtExpiry | Wrong::NoBarrier) && state.barrier.is_none() {
            steps.push(Step::Shortcut);
        }
        if state.barrier.is_some() {
            steps.extend((A..state.shop.nodes.len()).map(Step::Answer));
            steps.extend([Step::Cap, Step::Close]);
        } else if state.opens < self.opens {
            steps.push(Step::Open);
        }
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let mut state = before.clone();
        let moved = match step {
            Step::SellStrict(i) => {
                state.sales[i] += 1;
                state.shop.sell(i, Strict)
            }
            Step::Give => {
                state.granted = true;
                state.shop.give(F, A)
            }
            Step::Receive => {
                state.received = true;
                state.shop.shelf += 1;
                let body = state.shop.nodes[B].receive(id(201), &sku(), 1, state.shop.now());
                state.shop.write(B, &body.expect("it has a lease"));
                true
            }
            Step::Reserve => {
                state.web += 1;
                let (at, now) = (tau(BEGIN), state.shop.now());
                let promise = state.shop.nodes[H].reserve(id(state.web), &sku(), 1, inc("A"), at, now);
                state.shop.promise(H, promise)
            }
            Step::Level(a, b) => state.shop.level(a, b),
            Step::Fence => {
                state.shop.fence(F);
                true
            }
            Step::Pass => {
                state.passes(state.time + 1);
                true
            }
            Step::Count => {
                state.count(&[]);
                true
            }
            Step::Open => self.open(&mut state),
            Step::Answer(who) => self.answer(&mut state, who),
            Step::Cap => self.cap(&mut state),
            Step::Close => self.close(&mut state),
            Step::Shortcut => self.shortcut(&mut state),
        };
        moved.then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        // The checker stops at the first story only where nothing else is asked.
        let mut all = vec![Property::always(I5, |_: &Self, s: &State| s.shop.i5())];
        if self.wrong != Wrong::Nothing {
            return all;
        }
        all.extend([
            Property::always("I1 own rights are never below zero", |_: &Self, s: &State| s.shop.i1()),
            Property::always("I2 nobody takes more for his own than he has", |_, s: &State| s.shop.i2()),
            Property::always("I4 no more is used than was minted", |_, s: &State| s.shop.i4()),
            Property::always("I11 the hub mints at a barrier after the count", |_, s: &State| s.i11()),
            Property::always("G44 nothing is unsellable for ever", |model: &Self, s: &State| {
                s.recovers(model)
            }),
        ]);
        if self.web > 0 {
            all.push(Property::sometimes("the hub sells what a lost till held", |_: &Self, s: &State| {
                s.web > 0 && s.shop.reserved(H) > 0
            }));
        }
        all
    }
}

const I5: &str = "I5 every strict sale and open reservation finds its good";

#[test]
fn a_lost_till_s_rights_come_back_once() {
    let model = Barriers::new(Wrong::Nothing, false);
    let about = model.about();
    holds(model, &about);
}

#[test]
fn a_lost_till_s_rights_come_back_once_beside_new_goods() {
    let model = Barriers::new(Wrong::Nothing, true);
    let about = model.about();
    holds(model, &about);
}

#[test]
fn wrong_ways_to_bring_back_rights_are_caught() {
    let all = [
        (Wrong::ReclaimsAtExpiry, false),
        (Wrong::ByBook, false),
        (Wrong::NoBarrier, false),
        (Wrong::BarrierBeforeCount, true),
        (Wrong::RawCount, false),
        (Wrong::NoFreeze, false),
        (Wrong::NoRowCap, false),
        (Wrong::NoWait, false),
    ];
    for (wrong, receives) in all {
        let model = Barriers::new(wrong, receives);
        let about = model.about();
        is_caught(model, &about, &format!("{wrong:?}"), &[I5]);
    }
}
