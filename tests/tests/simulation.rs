//! The whole system on one thread, with faults, by seed.

use tradepost_tests::seed::{Luck, full};
use tradepost_tests::sim::{Outcome, Plan, Plant, run};

/// Seeds of a plain run, and of a full one.
const SEEDS: (u64, u64) = (24, 200);
/// A planted bug shows within so many seeds.
const PLANT_SEEDS_MAX: u64 = 100;

fn must_be_right(outcome: &Outcome) {
    assert!(
        outcome.wrong.is_empty(),
        "seed {}: {}\nthe last of its trace:\n{}\nrun it again: scripts/sim --seeds 1 --from {} --loud",
        outcome.seed,
        outcome.wrong.join("\n  "),
        outcome.tail.join("\n"),
        outcome.seed
    );
}

/// Seeds of this run: short of all bits, so that they can be typed.
fn seeds(test: &str, count: u64) -> impl Iterator<Item = u64> {
    let first = Luck::of_this_run(test).next() >> 40;
    first..first + count
}

#[test]
fn nothing_is_lost_doubled_or_oversold_whatever_breaks() {
    let plan = Plan::short(5);
    let began = std::time::Instant::now();
    let (mut answered, mut virtual_ms, mut runs) = (0, 0, 0u32);
    let count = if full() { SEEDS.1 } else { SEEDS.0 };
    for seed in seeds("simulation", count) {
        let outcome = run(seed, &plan, None, false);
        must_be_right(&outcome);
        answered += outcome.answered;
        virtual_ms += outcome.virtual_ms;
        runs += 1;
    }
    let seconds = began.elapsed().as_secs_f64().max(0.001);
    let hours = f64::from(i32::try_from(virtual_ms / 1_000).unwrap_or(i32::MAX)) / 3_600.0;
    eprintln!(
        "{runs} seeds, {answered} answers, {hours:.1} simulated hours: {:.1} seeds a minute, {:.3} hours a second",
        f64::from(runs) * 60.0 / seconds,
        hours / seconds
    );
}

#[test]
fn the_same_seed_has_the_same_trace() {
    let plan = Plan::short(3);
    let seed = Luck::of_this_run("trace").next() >> 40;
    let (first, second) = (run(seed, &plan, None, false), run(seed, &plan, None, false));
    assert_eq!((first.lines, &first.trace), (second.lines, &second.trace), "seed {seed}");
    assert_ne!(run(seed + 1, &plan, None, false).trace, second.trace, "another seed has another trace");
}

#[test]
fn every_planted_bug_is_found() {
    let plan = Plan::short(3);
    let first = Luck::of_this_run("plants").next() >> 40;
    let mut missed = Vec::new();
    for plant in Plant::ALL {
        let caught = (0..PLANT_SEEDS_MAX).find_map(|n| {
            let outcome = run(first + n, &plan, Some(*plant), false);
            outcome.wrong.first().map(|why| (first + n, n + 1, why.clone()))
        });
        match caught {
            Some((seed, tries, why)) => eprintln!("{plant:?}: seed {seed}, the {tries}. tried: {why}"),
            None => missed.push(*plant),
        }
    }
    assert!(missed.is_empty(), "not found within {PLANT_SEEDS_MAX} seeds from {first}: {missed:?}");
}
