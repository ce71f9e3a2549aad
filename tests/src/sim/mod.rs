//! The simulator: the whole system on one thread, from one seed (`model.md` §9).
//!
//! Real nodes on real SQLite files, without their writing thread, and a real hub on its own, joined by real sessions
//! over links that only exist here. One scheduler has all clocks, all links and all luck, so that a seed does the same
//! every time, to the last hash of the last event. A run is unsafe first: links are cut, machines are lost at every
//! point of a commit, clocks step, disks fill, files are put back. Then everything is healed, and within a bounded time
//! all replicas must agree with each other and with an oracle that is no product code. At last all waits are over,
//! everything is counted and everybody lost is resolved: then goods, rights and the true shelf are the same.

mod basket;
mod books;
mod cart_check;
mod check;
mod counting;
mod faults;
mod group;
mod hub;
mod hub_lost;
mod hub_work;
mod later;
mod lost;
mod machine;
mod many;
mod oracle;
mod people;
mod plant;
mod pump;
mod quiet;
mod setup;
mod shopping;
mod tamper;
mod trace;
mod twins;
mod work;
mod world;

pub use many::{caught, run_all};
pub use oracle::{Count, Deed, Kind, Oracle, Receipt, State, Transfer, Verdict, WebOrder};
pub use plant::Plant;
pub use trace::Trace;

use std::collections::BTreeMap;
use world::World;

/// How large a world is, and how hard its weather.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Stores.
    pub stores: usize,
    /// Machines in each store.
    pub machines: usize,
    /// How long it is unsafe, in milliseconds.
    pub unsafe_ms: i64,
    /// About how often somebody at a till wants something, in milliseconds.
    pub deed_ms: u64,
    /// About how often something breaks, in milliseconds.
    pub fault_ms: u64,
    /// Whether old files are put back.
    pub restores: bool,
    /// Whether old databases of the hub are put back.
    pub hub_restores: bool,
    /// Whether machines are copied with their disks.
    pub clones: bool,
    /// Whether machines are lost for good and fenced.
    pub losses: bool,
    /// Whether it is brought to rest at the end: all waits over, everything counted, everybody lost resolved.
    pub settles: bool,
    /// Whether customers fill carts at several tills.
    pub carts: bool,
}

impl Plan {
    /// A short hard day for every run of the tests: six machines in two stores, about `minutes` long.
    #[must_use]
    pub fn short(minutes: i64) -> Self {
        Self {
            stores: 2,
            machines: 3,
            unsafe_ms: minutes * 60_000,
            deed_ms: 6_000,
            fault_ms: 7_000,
            restores: true,
            hub_restores: false,
            clones: false,
            losses: true,
            settles: true,
            carts: true,
        }
    }

    /// Whole hours with about a deed a minute at each machine.
    #[must_use]
    pub fn hours(hours: i64) -> Self {
        let unsafe_ms = hours * 3_600_000;
        Self { stores: 2, machines: 3, unsafe_ms, deed_ms: 60_000, fault_ms: 90_000, ..Self::short(0) }
    }
}

/// What became of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Hash over the trace.
    pub trace: String,
    /// Lines of the trace.
    pub lines: u64,
    /// The trace's last lines.
    pub tail: Vec<String>,
    /// Deeds that were answered.
    pub answered: usize,
    /// Virtual milliseconds.
    pub virtual_ms: i64,
    /// How long it took to agree once healed, in virtual milliseconds.
    pub healed_ms: i64,
    /// How often each fault was made.
    pub faults: BTreeMap<&'static str, u32>,
    /// What the oracle found wrong; empty for a good run.
    pub wrong: Vec<String>,
}

/// Runs a world from a seed. Where `loud`, the trace is said aloud.
///
/// # Panics
/// Where the simulation itself can't go on (no room for its files, no first start).
#[must_use]
pub fn run(seed: u64, plan: &Plan, plant: Option<Plant>, loud: bool) -> Outcome {
    let mut world = World::new(seed, *plan, plant, loud);
    world.set_up();
    world.run_unsafely();
    let healed_ms = world.heal();
    world.check();
    if plan.settles {
        world.settle();
    }
    world.outcome(healed_ms)
}
