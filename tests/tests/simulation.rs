//! The whole system on one thread, with faults, by seed; many seeds at a time.

use std::collections::BTreeMap;
use tradepost_central::app::rejoin::{Returning, rejoin};
use tradepost_central::app::{enrol, nodes, stores};
use tradepost_central::config::DatabaseAddress;
use tradepost_sync::ids::Incarnation;
use tradepost_tests::hub_bench::{NOW, Writer, application, embedded};
use tradepost_tests::process::TempDir;
use tradepost_tests::seed::{Luck, full};
use tradepost_tests::sim::{Outcome, Plan, Plant, caught, run, run_all};

/// Seeds of a plain run, and of a full one.
const SEEDS: (u64, u64) = (200, 1_000);
/// The same where machines are copied and the hub forgets.
const COPY_SEEDS: (u64, u64) = (40, 400);
/// A planted bug shows within so many seeds, in a plain run and in a full one.
const PLANT_SEEDS_MAX: (u64, u64) = (100, 1_000);

/// A world of the plain run is short: two hard minutes, then it heals and settles.
const MINUTES: i64 = 2;

fn must_be_right(outcome: &Outcome, options: &str) {
    assert!(
        outcome.wrong.is_empty(),
        "seed {}: {}\nthe last of its trace:\n{}\nrun it again: scripts/sim --seeds 1 --from {} --minutes {MINUTES}{options} --loud",
        outcome.seed,
        outcome.wrong.join("\n  "),
        outcome.tail.join("\n"),
        outcome.seed
    );
}

/// The first seed of this run, short of all bits, so that it can be typed.
fn first(test: &str) -> u64 {
    Luck::of_this_run(test).next() >> 40
}

fn of_run<T>((plain, of_full): (T, T)) -> T {
    if full() { of_full } else { plain }
}

/// Runs many worlds, and says what they went through.
fn must_all_be_right(test: &str, seeds: u64, plan: &Plan, options: &str) {
    let began = std::time::Instant::now();
    let (mut answered, mut runs) = (0, 0u32);
    let mut faults: BTreeMap<&str, u32> = BTreeMap::new();
    let mut failed = None;
    let first = first(test);
    run_all(first..first + seeds, plan, None, |outcome| {
        answered += outcome.answered;
        runs += 1;
        for (fault, times) in &outcome.faults {
            *faults.entry(fault).or_default() += times;
        }
        failed = (!outcome.wrong.is_empty()).then(|| outcome.clone());
        failed.is_none()
    });
    if let Some(outcome) = &failed {
        must_be_right(outcome, options);
    }
    let seconds = began.elapsed().as_secs_f64().max(0.001);
    let rate = f64::from(runs) * 60.0 / seconds;
    eprintln!("{runs} seeds from {first}, {answered} answers, {rate:.1} seeds a minute; {faults:?}");
    assert_eq!(u64::from(runs), seeds, "every world was run");
}

#[test]
fn nothing_is_lost_doubled_or_oversold_whatever_breaks() {
    must_all_be_right("simulation", of_run(SEEDS), &Plan::short(MINUTES), "");
}

/// The same where machines are copied with their disks and the hub's own database is put back.
#[test]
fn copies_of_machines_and_a_forgetful_hub_lose_nothing_either() {
    let plan = Plan { clones: true, hub_restores: true, ..Plan::short(MINUTES) };
    must_all_be_right("copies", of_run(COPY_SEEDS), &plan, " --clones --hub-restores");
}

/// Worlds that showed something once: a machine that was enrolled anew at a hub whose database had been put back; a hub
/// that had forgotten nothing but a version of the catalog; two branches that end at one place; a machine that lost
/// memory twice before a person enrolled it; one that heard of its own cap from a neighbour before it began again; sales
/// that were said again before their first author was heard; goods that were packed at a machine that stood still and sold
/// at the next.
#[test]
fn seeds_that_once_failed_are_right() {
    let copies = [(5_002, 3), (7_000, 2), (7_017, 2), (7_029, 2), (7_091, 2), (7_230, 2), (41_022, 2)];
    for (seed, minutes) in copies {
        must_be_right_again(
            seed,
            &Plan { hub_restores: true, clones: true, carts: false, ..Plan::short(minutes) },
        );
    }
    for seed in [9_000, 41_501] {
        must_be_right_again(seed, &Plan { hub_restores: true, carts: false, ..Plan::short(MINUTES) });
    }
}

/// Worlds with carts that showed something once: one whose custodian had lost memory twice, so that nobody could take it
/// over; one that had ended before a wall clock jumped, and stayed open elsewhere; and a barrier that waited for a member
/// whose fence came back with the forgotten log.
#[test]
fn carts_that_once_were_wrong_are_right() {
    must_be_right_again(70_041, &Plan::short(MINUTES));
    for seed in [72_039, 72_048] {
        must_be_right_again(seed, &Plan { hub_restores: true, clones: true, ..Plan::short(MINUTES) });
    }
}

fn must_be_right_again(seed: u64, plan: &Plan) {
    let outcome = run(seed, plan, None, false);
    let options = [
        (plan.clones, " --clones"),
        (plan.hub_restores, " --hub-restores"),
        (!plan.carts, " --without-carts"),
    ];
    let options: String = options.iter().filter(|(given, _)| *given).map(|(_, option)| *option).collect();
    let minutes = plan.unsafe_ms / 60_000;
    let again = format!("scripts/sim --seeds 1 --from {seed} --minutes {minutes}{options} --loud");
    assert!(outcome.wrong.is_empty(), "seed {seed}: {}\n{again}", outcome.wrong.join("\n  "));
}

#[test]
fn the_same_seed_has_the_same_trace() {
    let plan = Plan::short(3);
    let seed = first("trace");
    let (once, again) = (run(seed, &plan, None, false), run(seed, &plan, None, false));
    assert_eq!((once.lines, &once.trace), (again.lines, &again.trace), "seed {seed}");
    assert_ne!(run(seed + 1, &plan, None, false).trace, again.trace, "another seed has another trace");
}

#[test]
fn every_planted_bug_is_found() {
    let (first, most) = (first("plants"), of_run(PLANT_SEEDS_MAX));
    let mut missed = Vec::new();
    caught(Plant::ALL, &(first..first + most), &Plan::short(3), |plant, found| match found {
        Some((seed, why)) => eprintln!("{plant:?}: seed {seed}, the {}. tried: {why}", seed - first + 1),
        None => missed.push(plant),
    });
    assert!(missed.is_empty(), "not found within {most} seeds from {first}: {missed:?}");
}

/// Two machines have one device key, a person has given one of them a code: whatever the other says then, the right one
/// goes on. Else each would put the other out for ever.
#[test]
fn a_machine_that_a_person_enrolled_is_not_put_out_by_its_twin() {
    let room = TempDir::new("twins");
    let hub = embedded(room.path(), &DatabaseAddress::Sqlite);
    let own = stores::open(&hub, "S1", "S1", None, Incarnation([90; 16]), NOW).expect("a store").no;
    let twin = |incarnation: [u8; 16]| {
        let mut writer = Writer::new(1);
        writer.head.incarnation = Incarnation(incarnation);
        writer
    };
    let enrolled = |writer: &Writer, secret: [u8; 8]| {
        enrol::enrol(&hub, &application(&hub, "S1", writer, secret), NOW).expect("a member").hub_incarnation
    };
    let image = twin([1; 16]);
    let speaks = enrolled(&image, [1; 8]);
    let asks = |incarnation: [u8; 16], forgotten: [u8; 16]| {
        let (incarnation, forgotten) = (Incarnation(incarnation), Incarnation(forgotten));
        let returning = Returning {
            incarnation,
            forgotten,
            earlier: Vec::new(),
            device_key: image.device.public(),
            proof: image.device.sign_rejoin((&incarnation, &forgotten), &speaks),
            program: "twin".to_owned(),
        };
        rejoin(&hub, &returning, NOW)
    };
    asks([2; 16], [1; 16]).expect("the first one that comes back goes on");
    asks([3; 16], [1; 16]).expect_err("the second one is a second machine");
    let live =
        |incarnation: [u8; 16]| nodes::is_member(&hub, &Incarnation(incarnation)).expect("it is known");
    assert!(!live([2; 16]), "both are put out, and a person must look");
    enrolled(&twin([4; 16]), [2; 8]);
    asks([3; 16], [1; 16]).expect_err("the other one needs a code of its own");
    assert!(live([4; 16]), "whoever was enrolled by a person stays in store {own}");
}
