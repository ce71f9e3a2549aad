//! What all five models share: a shop of real replicas, its true shelf, and the checker's run with its figures.

use stateright::{Checker, HasDiscoveries, Model};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::sync::Arc;
use tradepost_commerce::document::Sku;
use tradepost_commerce::product::StockPolicy;
use tradepost_sync::body::{Body, NodeFenced, RosterChanged, RosterEntry};
use tradepost_sync::clock::Tau;
use tradepost_sync::ids::{Id, Incarnation};
use tradepost_sync::lease::{Clocks, Held as Lease, LEASE_MS_DEFAULT, Tenancy};
use tradepost_sync::replica::{Entry, Heard, Now, Promise, Refused, Replica};
use tradepost_sync::rights::Rights;

pub(crate) const MINUTE: i64 = 60_000;
/// Where the story begins, in hub time.
pub(crate) const BEGIN: i64 = 3_600_000;
pub(crate) const H: usize = 0;

pub(crate) fn sku() -> Sku {
    Sku("MUG".to_owned())
}

pub(crate) fn inc(name: &str) -> Incarnation {
    let mut id = [0; 16];
    id[..name.len()].copy_from_slice(name.as_bytes());
    Incarnation(id)
}

pub(crate) fn id(n: u8) -> Id {
    Id([n; 16])
}

/// The tau that belongs to a moment of the story.
pub(crate) fn tau(ms: i64) -> Tau {
    Tau::told(1, ms)
}

/// A lease that was asked for at `ms`, in a boot that the hub has acknowledged.
pub(crate) fn leased(ms: i64) -> Tenancy {
    let held = Lease { asked: Clocks { boot: ms, wall: ms }, length_ms: LEASE_MS_DEFAULT };
    Tenancy { alone: false, ask: None, held: Some(held), acknowledged: true }
}

/// A replica in a state. What it folds to follows from the events it holds, so only these tell states apart: the heads
/// (each a hash over its whole stream), what was put aside, and what is not in the log. Nothing else may multiply
/// states.
#[derive(Clone)]
pub(crate) struct Held {
    replica: Arc<Replica>,
    print: u64,
}

impl Held {
    pub(crate) fn new(replica: Replica) -> Self {
        let mut hasher = DefaultHasher::new();
        replica.me().hash(&mut hasher);
        replica.heads().hash(&mut hasher);
        replica.state().forks.hash(&mut hasher);
        for entry in replica.aside() {
            entry.event.hash.hash(&mut hasher);
        }
        replica.frozen.hash(&mut hasher);
        replica.tenancy.hash(&mut hasher);
        replica.held.hash(&mut hasher);
        replica.fenced_itself.hash(&mut hasher);
        Self { print: hasher.finish(), replica: Arc::new(replica) }
    }

    /// The replica after a step.
    pub(crate) fn step<T>(&mut self, step: impl FnOnce(&mut Replica) -> T) -> T {
        let mut replica = Replica::clone(&self.replica);
        let answer = step(&mut replica);
        *self = Self::new(replica);
        answer
    }
}

impl std::ops::Deref for Held {
    type Target = Replica;
    fn deref(&self) -> &Replica {
        &self.replica
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.print == other.print
    }
}

impl Eq for Held {}

impl Hash for Held {
    fn hash<S: Hasher>(&self, state: &mut S) {
        self.print.hash(state);
    }
}

/// The replicas of one store (the hub first), and the truth that no replica knows.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Shop {
    pub(crate) nodes: Vec<Held>,
    /// Goods in the store, less those that were promised strictly and were not there: below zero somebody went without.
    pub(crate) shelf: i8,
    /// Every cell that anybody ever wrote, whoever forgot it.
    pub(crate) truth: Rights,
    /// Hub time.
    pub(crate) ms: i64,
    /// By how much the first node's clocks lag, within what a lease allows.
    pub(crate) lag: i64,
}

impl Shop {
    /// A hub and its nodes, in the roster and with a lease; the first node receives `goods`, and all are level.
    pub(crate) fn open(names: &[&str], goods: i8) -> Self {
        let hub = inc("H");
        let nodes = names.iter().map(|name| {
            let mut node = Replica::node(inc(name), hub);
            node.tenancy = leased(BEGIN);
            node
        });
        let nodes = std::iter::once(Replica::hub(hub)).chain(nodes).map(Held::new).collect();
        let mut shop = Self { nodes, shelf: goods, truth: Rights::default(), ms: BEGIN, lag: 0 };
        let members: Vec<Incarnation> = names.iter().map(|name| inc(name)).collect();
        shop.write(H, &roster(1, &members, &[]));
        for i in 1..=names.len() {
            shop.send(H, i);
        }
        if goods > 0 {
            let units = u64::from(goods.unsigned_abs());
            let body = shop.nodes[1].receive(id(200), &sku(), units, shop.now()).expect("it has a lease");
            shop.write(1, &body);
        }
        shop.level_all();
        shop
    }

    pub(crate) fn now(&self) -> Now {
        self.now_at(H)
    }

    /// The clocks of one replica.
    pub(crate) fn now_at(&self, i: usize) -> Now {
        let ms = if i == 1 { self.ms - self.lag } else { self.ms };
        Now { clocks: Clocks { boot: ms, wall: ms }, tau: Some(tau(ms)) }
    }

    /// Writes an event at a node. Its cells are true, whatever becomes of it.
    pub(crate) fn write(&mut self, i: usize, body: &Body) -> Arc<Entry> {
        let now = self.now_at(i);
        let entry = self.nodes[i].step(|node| node.write(now, body)).expect("the events are small");
        self.is_true(&entry);
        entry
    }

    pub(crate) fn is_true(&mut self, entry: &Entry) {
        let effects = entry.effects.as_ref().expect("known kinds apply");
        for cell in &effects.cells {
            self.truth.apply(entry.author(), cell.cell, cell.units).expect("small numbers");
        }
    }

    /// Writes what a promise covers, and the promise where it is made; whether it was.
    pub(crate) fn promise(&mut self, i: usize, promise: Promise) -> bool {
        for body in &promise.covers {
            self.write(i, body);
        }
        let Ok(body) = promise.then else { return false };
        self.write(i, &body);
        true
    }

    /// A sale of one; whether it was made. The customer goes away with a good, or without one.
    pub(crate) fn sell(&mut self, i: usize, policy: StockPolicy) -> bool {
        let promise = self.nodes[i].sell(&sku(), 1, policy, false, self.now_at(i));
        let sold = self.promise(i, promise);
        if sold {
            self.shelf -= 1;
        }
        sold
    }

    pub(crate) fn give(&mut self, from: usize, to: usize) -> bool {
        let to = self.nodes[to].me();
        let Ok(body) = self.nodes[from].grant(&sku(), to, 1, self.now_at(from)) else { return false };
        self.write(from, &body);
        true
    }

    /// What `from` holds and `to` lacks goes over; whether anything did.
    pub(crate) fn send(&mut self, from: usize, to: usize) -> bool {
        self.send_of(from, to, |_| true)
    }

    /// As [`Self::send`], of some streams.
    pub(crate) fn send_of(&mut self, from: usize, to: usize, of: impl Fn(&Incarnation) -> bool) -> bool {
        let source = self.nodes[from].clone();
        let heads = source.heads();
        let missing = heads.iter().filter(|(i, head)| of(i) && self.nodes[to].reach(i) < head.seq);
        let missing: Vec<Incarnation> = missing.map(|(i, _)| *i).collect();
        if missing.is_empty() {
            return false;
        }
        let mut replica = Replica::clone(&self.nodes[to]);
        let mut taken = false;
        // The hub's stream is told last, so that a freeze finds what came before it in the same session.
        let hub = replica.terms().hub().unwrap_or(inc("H"));
        let order = missing.iter().filter(|i| **i != hub).chain(missing.iter().filter(|i| **i == hub));
        for stream in order {
            let after = replica.reach(stream);
            for entry in source.events_after(stream, after) {
                if replica.hear(&entry) != Heard::Taken {
                    break;
                }
                taken = true;
            }
        }
        if taken {
            self.nodes[to] = Held::new(replica);
        }
        taken
    }

    /// Two replicas level their logs; whether anything moved.
    pub(crate) fn level(&mut self, a: usize, b: usize) -> bool {
        let there = self.send(a, b);
        self.send(b, a) || there
    }

    pub(crate) fn level_all(&mut self) {
        for _ in 0..2 {
            for a in 0..self.nodes.len() {
                for b in 0..a {
                    self.level(a, b);
                }
            }
        }
    }

    /// Σ open reservations, as the hub opened and the custodians ended them.
    pub(crate) fn reserved(&self, i: usize) -> i128 {
        self.nodes[i].state().reserved(&sku())
    }

    /// Writes a body that the core has decided; whether it had.
    pub(crate) fn decided(&mut self, i: usize, body: Result<Body, Refused>) -> bool {
        let Ok(body) = body else { return false };
        self.write(i, &body);
        true
    }

    pub(crate) fn fence(&mut self, i: usize) {
        let fenced = NodeFenced { incarnation: self.nodes[i].me(), successor: None, attested: None };
        self.write(H, &fenced.into());
    }

    /// How many promises would find no good if everybody now promised all that the core lets him, where he stands:
    /// `open` were made before and not yet handed out.
    pub(crate) fn short(&self, open: i128) -> i128 {
        let free = |(i, node): (usize, &Held)| i128::from(node.standing(&sku(), self.now_at(i)).free());
        let may_go: i128 = self.nodes.iter().enumerate().map(free).sum();
        let at_most = open + may_go - i128::from(self.shelf);
        if at_most <= 0 {
            return at_most;
        }
        let mut sold_out = self.clone();
        for i in 0..self.nodes.len() {
            while sold_out.sell(i, StockPolicy::Strict) {}
        }
        open - i128::from(sold_out.shelf)
    }

    /// I5: every strict sale found its good, every open reservation would find one, and so would every promise that
    /// anybody may still make.
    pub(crate) fn i5(&self) -> bool {
        self.shelf >= 0 && self.short(self.reserved(H)) <= 0
    }

    /// X, truly.
    pub(crate) fn overdraw(&self) -> i128 {
        i128::from(self.truth.overdraw())
    }

    /// What a replica that holds everything would see.
    pub(crate) fn closed_view(&self) -> Self {
        let mut closed = self.clone();
        for i in 1..self.nodes.len() {
            closed.send(i, H);
        }
        closed
    }

    /// Whether a replica knows everything that any other one does.
    pub(crate) fn knows_all(&self, who: usize) -> bool {
        let heads = self.nodes.iter().flat_map(|node| node.heads());
        heads.into_iter().all(|(i, head)| self.nodes[who].reach(&i) >= head.seq)
    }

    // ---- invariants ------------------------------------------------------------------------------------------------

    /// I1: nobody's own rights are below zero.
    pub(crate) fn i1(&self) -> bool {
        let alive = self.nodes.iter().filter(|node| !node.fenced_itself);
        alive.into_iter().all(|node| node.rights_of(&sku(), &node.me()) >= 0)
    }

    /// I2: what a replica takes for its own to promise is at most what it truly has.
    pub(crate) fn i2(&self) -> bool {
        self.nodes.iter().enumerate().all(|(i, node)| {
            i128::from(node.standing(&sku(), self.now_at(i)).free()) <= self.truth.of(&node.me()).max(0)
        })
    }

    /// I4: what was used is at most what was minted.
    pub(crate) fn i4(&self) -> bool {
        self.truth.known().iter().map(|i| self.truth.of(i)).sum::<i128>() >= 0
    }

    pub(crate) fn picture_line(&self) -> String {
        let mut line = format!("shelf {}", self.shelf);
        for node in &self.nodes {
            let (rights, overdraw) =
                (node.rights_of(&sku(), &node.me()), node.overdraw_of(&sku(), &node.me()));
            let _ = write!(line, " | {} r={rights}", name(&node.me()));
            if overdraw > 0 {
                let _ = write!(line, " x={overdraw}");
            }
        }
        let picture = self.nodes[H].picture(&sku());
        let _ = write!(line, " | H sees on hand {} ATP {}", picture.on_hand, picture.available);
        for (what, units) in
            [("susp", picture.suspended), ("reserved", picture.reserved), ("X", picture.overdraw)]
        {
            if units != 0 {
                let _ = write!(line, " {what} {units}");
            }
        }
        line
    }
}

impl std::fmt::Debug for Shop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.picture_line())
    }
}

pub(crate) fn name(i: &Incarnation) -> String {
    i.0.iter().take_while(|b| **b != 0).map(|b| char::from(*b)).collect()
}

pub(crate) fn roster(version: u64, members: &[Incarnation], fenced: &[Incarnation]) -> Body {
    let entry = |i: &Incarnation| RosterEntry {
        incarnation: *i,
        device_key: [0; 32],
        name: name(i),
        fenced: fenced.contains(i),
        retired: false,
    };
    RosterChanged { version, members: members.iter().map(entry).collect() }.into()
}

/// Whether the larger bounds are asked for (`scripts/test --full`).
pub(crate) fn full() -> bool {
    std::env::var_os("TRADEPOST_FULL").is_some_and(|v| v == "1")
}

// ---- the checker's run -------------------------------------------------------------------------------------------

/// What is printed of every run.
pub(crate) struct About {
    pub(crate) model: &'static str,
    pub(crate) bounds: String,
    pub(crate) symmetry: &'static str,
}

fn seconds() -> impl Fn() -> f64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "a run's length is told to the reader, nothing depends on it"
    )]
    let begun = std::time::Instant::now();
    move || begun.elapsed().as_secs_f64()
}

/// Most states that a model may have.
const STATES_MAX: usize = 10_000_000;

/// Walks every state of the right model: nothing may be found.
pub(crate) fn holds<M>(model: M, about: &About)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + PartialEq + Hash + Send + Sync + std::fmt::Debug,
    M::Action: std::fmt::Debug + Clone + PartialEq + Send + Sync,
{
    let since = seconds();
    let checker = model.checker().target_state_count(STATES_MAX).finish_when(HasDiscoveries::AnyFailures);
    let checker = checker.spawn_bfs().join();
    tell(&format!(
        "{}: {}; {} unique states ({} walked), depth {}, {:.1} s; symmetry: {}",
        about.model,
        about.bounds,
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        since(),
        about.symmetry
    ));
    for (property, path) in checker.discoveries() {
        let sometimes = checker.model().property(property).expectation;
        assert!(
            matches!(sometimes, stateright::Expectation::Sometimes),
            "{property}\n{}",
            story(&path.into_vec())
        );
    }
    assert!(
        checker.is_done() && checker.unique_state_count() < STATES_MAX,
        "{}: not every state was walked",
        about.model
    );
    for property in checker.model().properties() {
        let sometimes = matches!(property.expectation, stateright::Expectation::Sometimes);
        assert!(!sometimes || checker.discovery(property.name).is_some(), "never: {}", property.name);
    }
}

/// Walks a model with one wrong step until one of the named properties breaks; tells the shortest story.
pub(crate) fn is_caught<M>(model: M, about: &About, variant: &str, by: &[&'static str])
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + PartialEq + Hash + Send + Sync + std::fmt::Debug,
    M::Action: std::fmt::Debug + Clone + PartialEq + Send + Sync,
{
    let since = seconds();
    let by: BTreeSet<&'static str> = by.iter().copied().collect();
    let checker =
        model.checker().target_state_count(STATES_MAX).finish_when(HasDiscoveries::AnyOf(by.clone()));
    let checker = checker.spawn_bfs().join();
    let found = by.iter().find_map(|property| Some((*property, checker.discovery(property)?)));
    let Some((property, path)) = found else {
        panic!("{}: {variant} was not caught in {} states", about.model, checker.unique_state_count());
    };
    let steps = path.into_vec();
    tell(&format!(
        "{}, {variant}: caught by \"{property}\" after {} steps ({} states, {:.1} s)\n{}",
        about.model,
        steps.len() - 1,
        checker.unique_state_count(),
        since(),
        story(&steps)
    ));
}

/// Figures and stories are told whether a test passes or not, so not through what the test runner keeps back.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn story<S: std::fmt::Debug, A: std::fmt::Debug>(steps: &[(S, Option<A>)]) -> String {
    let mut text = String::new();
    for (state, action) in steps {
        let _ = writeln!(text, "    {state:?}");
        if let Some(action) = action {
            let _ = writeln!(text, "  {action:?}");
        }
    }
    text
}
