//! Many worlds: they are independent of each other, so each core has its own.

use super::{Outcome, Plan, Plant, run};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs all these worlds; `told` hears what became of each, in the order of seeds, and says whether to go on.
///
/// # Panics
/// Where a simulation itself can't go on.
pub fn run_all(seeds: Range<u64>, plan: &Plan, plant: Option<Plant>, mut told: impl FnMut(&Outcome) -> bool) {
    let (next, over) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (done, outcomes) = mpsc::channel();
        for _ in 0..cores() {
            let (done, next, over) = (done.clone(), &next, &over);
            scope.spawn(move || {
                while !over.load(Ordering::Acquire) {
                    let seed = next.fetch_add(1, Ordering::AcqRel);
                    if seed >= seeds.end || done.send((seed, run(seed, plan, plant, false))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        let (mut waiting, mut turn) = (BTreeMap::new(), seeds.start);
        for (seed, outcome) in outcomes {
            waiting.insert(seed, outcome);
            while let Some(outcome) = waiting.remove(&turn) {
                turn += 1;
                if !over.load(Ordering::Acquire) && !told(&outcome) {
                    over.store(true, Ordering::Release);
                }
            }
        }
    });
}

/// For each planted bug the first seed whose world shows it, with what was found; none where no seed does. As many bugs
/// at a time as there are cores; `told` hears of each once it is known.
///
/// # Panics
/// Where a simulation itself can't go on.
pub fn caught(
    plants: &[Plant],
    seeds: &Range<u64>,
    plan: &Plan,
    mut told: impl FnMut(Plant, Option<(u64, String)>),
) {
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let (done, found) = mpsc::channel();
        for _ in 0..cores() {
            let (done, next) = (done.clone(), &next);
            scope.spawn(move || {
                loop {
                    let at = usize::try_from(next.fetch_add(1, Ordering::AcqRel)).unwrap_or(usize::MAX);
                    let Some(plant) = plants.get(at).copied() else {
                        return;
                    };
                    let first = seeds.clone().find_map(|seed| {
                        let outcome = run(seed, plan, Some(plant), false);
                        outcome.wrong.first().map(|why| (seed, why.clone()))
                    });
                    if done.send((plant, first)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        for (plant, first) in found {
            told(plant, first);
        }
    });
}
