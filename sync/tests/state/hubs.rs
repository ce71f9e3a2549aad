//! Model 5: a hub that is put back (`model.md` §3, The hub is a replica too), with its journal and without: it lends,
//! promises web orders, forgets, recovers by a barrier over everybody known, and goes on as a new incarnation.

use crate::kit::{About, BEGIN, H, Held, MINUTE, Shop, full, holds, id, inc, is_caught, leased, sku, tau};
use stateright::{Model, Property};
use std::collections::{BTreeMap, BTreeSet};
use tradepost_commerce::product::StockPolicy::Strict;
use tradepost_sync::barrier::{Barrier, Purpose};
use tradepost_sync::body::NodeFenced;
use tradepost_sync::fence::Waits;
use tradepost_sync::ids::Incarnation;
use tradepost_sync::lease::{LEASE_MS_DEFAULT, Tenancy};
use tradepost_sync::recovery::{Found, OldRights, Recovering, Start, at_start};
use tradepost_sync::replica::Replica;

const A: usize = 1;
const B: usize = 2;

/// Which step is taken wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// What was put back goes on as the incarnation it was.
    KeepsIncarnation,
    /// The old hub's rights move on although its journal is lost.
    MovesUnread,
}

struct Hubs {
    wrong: Wrong,
    journal: bool,
    grants: u8,
    web: u8,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    shop: Shop,
    saved: Option<Held>,
    recovering: Option<Recovering>,
    restored: bool,
    waits: Waits,
    barrier: Option<Barrier>,
    /// Web orders that a customer was told of.
    orders: u8,
    grants: u8,
    waited: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let recovering = if self.recovering.is_some() { "recovering | " } else { "" };
        write!(f, "{recovering}orders {} | {:?}", self.orders, self.shop)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    SellStrict(usize),
    /// A gives the hub one, or the hub gives a node one.
    Give(usize, usize),
    Reserve,
    Level(usize),
    Backup,
    Restore,
    /// A node connects to the hub that recovers.
    Meet(usize),
    /// Lease and margin pass.
    Wait,
    Open,
    Answer(usize),
    Cap,
    /// The barrier that ends the recovering is closed.
    End,
}

impl Hubs {
    fn new(wrong: Wrong, journal: bool) -> Self {
        let more = u8::from(full());
        Self { wrong, journal, grants: 2 + more, web: 2 }
    }

    fn about(&self) -> About {
        let journal = if self.journal { "its journal is read" } else { "its journal is lost" };
        About {
            model: "a hub that is put back",
            bounds: format!(
                "hub, 2 nodes; 2 goods, {} grants of 1, {} web orders, 1 backup, 1 restore; {journal}",
                self.grants, self.web
            ),
            symmetry: "none (one node has the goods)",
        }
    }

    fn restores(&self, state: &mut State) -> bool {
        let Some(backup) = state.saved.take() else { return false };
        let forgotten = state.shop.nodes[H].clone();
        state.restored = true;
        if self.wrong == Wrong::KeepsIncarnation {
            state.shop.nodes[H] = backup;
            return true;
        }
        let written = |hub: &Replica| hub.head().seq;
        let journal = self.journal.then(|| written(&forgotten));
        let found = Found {
            database: BTreeMap::from([(1, written(&backup))]),
            journals: BTreeMap::from([(1, journal)]),
            without_journal: false,
            identity: ("pg".into(), Some("pg".into())),
        };
        let signs = match at_start(&found) {
            Start::Restored(signs) => signs,
            // Nothing was written since: nothing is lost.
            Start::Whole | Start::Complete(_) => {
                state.shop.nodes[H] = backup;
                return true;
            }
        };
        let mut hub = backup.reborn(inc("H2"));
        hub.follow(inc("H2"));
        if self.journal {
            for entry in forgotten.events_after(&inc("H"), written(&backup)) {
                hub.hear(&entry);
            }
        }
        if self.journal || self.wrong == Wrong::MovesUnread {
            hub.known_whole.insert(inc("H"));
        }
        let known: BTreeSet<Incarnation> = hub.heads().into_keys().filter(|i| *i != inc("H")).collect();
        let (waits, at) = (&mut state.waits, tau(state.shop.ms));
        let whole = self.journal || self.wrong == Wrong::MovesUnread;
        state.recovering =
            Some(Recovering::begin(signs, inc("H"), whole, known, waits, LEASE_MS_DEFAULT, at));
        state.shop.nodes[H] = Held::new(hub);
        true
    }

    fn ends(&self, state: &mut State) -> bool {
        let (Some(barrier), Some(recovering)) = (&state.barrier, &state.recovering) else { return false };
        let hub = &state.shop.nodes[H];
        let (out, at, now) = (hub.terms().out(), tau(state.shop.ms), state.shop.now());
        let Ok(rights) = recovering.may_end(barrier, &out, &state.waits, at, |i| hub.reach(i)) else {
            return false;
        };
        assert_eq!(rights == OldRights::Move, self.journal || self.wrong == Wrong::MovesUnread);
        let (me, written) = (hub.me(), hub.head().seq);
        let closed = state.shop.nodes[H].step(|hub| hub.close_barrier(barrier, &state.waits, at, now));
        if closed.is_err() {
            return false;
        }
        for entry in state.shop.nodes[H].events_after(&me, written) {
            state.shop.is_true(&entry);
        }
        state.shop.nodes[H].step(|hub| hub.tenancy = Tenancy::alone());
        (state.barrier, state.recovering) = (None, None);
        true
    }
}

impl State {
    fn meets(&mut self, who: usize) -> bool {
        let node = &self.shop.nodes[who];
        let old = node.heads().get(&inc("H")).copied();
        let (me, at) = (node.me(), tau(self.shop.ms));
        let Some(recovering) = &mut self.recovering else { return false };
        let before = recovering.clone();
        recovering.meets(me, old, &mut self.waits, LEASE_MS_DEFAULT, at);
        let met = *recovering != before;
        self.shop.send(who, H) || met
    }

    fn opens(&mut self) -> bool {
        if self.barrier.is_some() {
            return false;
        }
        let fenced = NodeFenced { incarnation: inc("H"), successor: None, attested: Some("restored".into()) };
        self.shop.write(H, &fenced.into());
        let (at, now) = (tau(self.shop.ms), self.shop.now());
        self.waits.attest(inc("H"), at);
        let open = |hub: &mut Replica| hub.open_barrier(id(90), Purpose::Resolve, at, now);
        let mut barrier = self.shop.nodes[H].step(open).expect("none is open");
        let hub = &self.shop.nodes[H];
        barrier.answer(hub.me(), hub.heads()).expect("the hub is a member");
        self.barrier = Some(barrier);
        true
    }

    fn answers(&mut self, who: usize) -> bool {
        if self.barrier.is_none() {
            return false;
        }
        if self.shop.nodes[who].terms().hub() != Some(inc("H2")) {
            self.shop.nodes[who].step(|node| node.follow(inc("H2")));
        }
        self.shop.send_of(H, who, |i| *i == inc("H2"));
        let node = &self.shop.nodes[who];
        let Some(barrier) = &mut self.barrier else { return false };
        let before = barrier.clone();
        let answered = barrier.answer(node.me(), node.heads()).is_ok() && *barrier != before;
        self.shop.send(who, H) || answered
    }

    fn caps(&mut self) -> bool {
        let Some(mut barrier) = self.barrier.clone() else { return false };
        let Ok(caps) = barrier.propose() else { return false };
        for who in [H, A, B] {
            self.shop.nodes[who].step(|node| node.frozen.propose(barrier.id, &caps));
        }
        for (from, to) in [(A, H), (B, H), (H, A), (H, B)] {
            self.shop.send_of(from, to, |i| caps.iter().any(|cap| cap.incarnation == *i));
        }
        for who in [H, A, B] {
            let node = &self.shop.nodes[who];
            if node.may_ack().is_err() {
                return false;
            }
            barrier.ack(node.me()).expect("it is a member");
        }
        let moved = self.barrier.as_ref() != Some(&barrier);
        self.barrier = Some(barrier);
        moved
    }

    /// A session with a hub that is in office: the lease is renewed.
    fn levels(&mut self, who: usize) -> bool {
        let mut moved = false;
        let hub = self.shop.nodes[H].me();
        if self.shop.nodes[who].terms().hub() != Some(hub) {
            self.shop.nodes[who].step(|node| node.follow(hub));
            moved = true;
        }
        moved |= self.shop.level(who, H);
        let fresh = leased(self.shop.ms);
        if self.shop.nodes[who].tenancy != fresh {
            self.shop.nodes[who].step(|node| node.tenancy = fresh);
            moved = true;
        }
        moved
    }

    fn gives(&mut self, from: usize, to: usize) -> bool {
        self.grants += 1;
        let node = &self.shop.nodes[from];
        // A node gives to the hub that it knows.
        let to = if to == H { node.terms().hub().expect("it has one") } else { self.shop.nodes[to].me() };
        let body = node.grant(&sku(), to, 1, self.shop.now());
        self.shop.decided(from, body)
    }
}

impl Model for Hubs {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let mut shop = Shop::open(&["A", "B"], 2);
        shop.give(A, H);
        shop.level_all();
        vec![State {
            shop,
            saved: None,
            recovering: None,
            restored: false,
            waits: Waits::default(),
            barrier: None,
            orders: 0,
            grants: 0,
            waited: false,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        steps.extend([Step::SellStrict(A), Step::SellStrict(B)]);
        if state.grants < self.grants {
            steps.extend([Step::Give(A, H), Step::Give(H, A), Step::Give(H, B)]);
        }
        if state.recovering.is_some() {
            steps.extend([Step::Meet(A), Step::Meet(B), Step::Open]);
            steps.extend([Step::Answer(A), Step::Answer(B), Step::Cap, Step::End]);
            if !state.waited {
                steps.push(Step::Wait);
            }
            return;
        }
        steps.extend([Step::Level(A), Step::Level(B)]);
        if state.orders < self.web {
            steps.push(Step::Reserve);
        }
        if !state.restored {
            steps.push(if state.saved.is_some() { Step::Restore } else { Step::Backup });
        }
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let mut state = before.clone();
        let moved = match step {
            Step::SellStrict(i) => state.shop.sell(i, Strict),
            Step::Give(from, to) => state.gives(from, to),
            Step::Reserve => {
                state.orders += 1;
                let (at, now) = (tau(BEGIN), state.shop.now());
                let promise = state.shop.nodes[H].reserve(id(state.orders), &sku(), 1, inc("A"), at, now);
                state.shop.promise(H, promise)
            }
            Step::Level(who) => state.levels(who),
            Step::Backup => {
                state.saved = Some(state.shop.nodes[H].clone());
                true
            }
            Step::Restore => self.restores(&mut state),
            Step::Meet(who) => state.meets(who),
            Step::Wait => {
                state.waited = true;
                let ms = LEASE_MS_DEFAULT + 15 * MINUTE;
                state.shop.ms += ms;
                state.waits.ran(ms, tau(state.shop.ms));
                true
            }
            Step::Open => state.opens(),
            Step::Answer(who) => state.answers(who),
            Step::Cap => state.caps(),
            Step::End => self.ends(&mut state),
        };
        moved.then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all =
            vec![Property::always(I5, |_: &Self, s: &State| s.shop.short(i128::from(s.orders)) <= 0)];
        if self.wrong != Wrong::Nothing {
            return all;
        }
        all.extend([
            Property::always("no acknowledged order is lost with the journal", |model: &Self, s: &State| {
                !model.journal || s.shop.reserved(H) == i128::from(s.orders)
            }),
            Property::always("recovering, the hub promises nothing", |_: &Self, s: &State| {
                s.recovering.is_none() || s.shop.nodes[H].standing(&sku(), s.shop.now()).free() == 0
            }),
            Property::always("I1 own rights are never below zero", |_, s: &State| s.shop.i1()),
            Property::always("I2 nobody takes more for his own than he has", |_, s: &State| s.shop.i2()),
            Property::sometimes("it recovers", |_, s: &State| {
                s.restored && s.recovering.is_none() && s.shop.nodes[H].me() == inc("H2")
            }),
            Property::sometimes(
                "the new hub promises, or keeps back what it can't know",
                |model: &Self, s: &State| {
                    let hub = &s.shop.nodes[H];
                    let goes_on = s.recovering.is_none() && hub.me() == inc("H2");
                    let picture = hub.picture(&sku());
                    goes_on && if model.journal { picture.reserved > 0 } else { picture.suspended > 0 }
                },
            ),
        ]);
        all
    }
}

const I5: &str = "I5 every strict sale and acknowledged order finds its good";

#[test]
fn a_hub_with_its_journal_goes_on() {
    let model = Hubs::new(Wrong::Nothing, true);
    let about = model.about();
    holds(model, &about);
}

#[test]
fn a_hub_without_its_journal_keeps_back_what_it_can_not_know() {
    let model = Hubs::new(Wrong::Nothing, false);
    let about = model.about();
    holds(model, &about);
}

#[test]
fn wrong_ways_to_put_a_hub_back_are_caught() {
    for wrong in [Wrong::KeepsIncarnation, Wrong::MovesUnread] {
        let model = Hubs::new(wrong, false);
        let about = model.about();
        is_caught(model, &about, &format!("{wrong:?}"), &[I5]);
    }
}
