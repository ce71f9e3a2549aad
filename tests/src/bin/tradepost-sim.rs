//! Runs the simulator for as many seeds as are asked for: behind scripts/sim.

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;
use tradepost_tests::sim::{Outcome, Plan, Plant, run};

#[derive(Parser)]
struct Options {
    /// How many seeds.
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Simulated hours, with about a deed a minute at each machine; without it, some hard minutes.
    #[arg(long)]
    hours: Option<i64>,
    /// How many hard minutes.
    #[arg(long, default_value_t = 5)]
    minutes: i64,
    /// Says the whole trace aloud.
    #[arg(long)]
    loud: bool,
    /// No old files are put back.
    #[arg(long)]
    no_restores: bool,
    /// Plants a bug, by its name.
    #[arg(long)]
    plant: Option<String>,
    /// Goes on after a seed that failed.
    #[arg(long)]
    keep_going: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let plant = options
        .plant
        .as_ref()
        .map(|name| Plant::ALL.iter().find(|plant| format!("{plant:?}").eq_ignore_ascii_case(name)).copied());
    if plant == Some(None) {
        say(&format!("there is no such bug; there are {:?}", Plant::ALL));
        return ExitCode::from(2);
    }
    let plan = options.hours.map_or_else(|| Plan::short(options.minutes), Plan::hours);
    let plan = Plan { restores: plan.restores && !options.no_restores, ..plan };
    let began = Instant::now();
    let (mut bad, mut answered, mut virtual_ms, mut ran) = (Vec::new(), 0usize, 0i64, 0u32);
    for seed in options.from..options.from.saturating_add(options.seeds) {
        let outcome = run(seed, &plan, plant.flatten(), options.loud);
        (answered, virtual_ms, ran) = (answered + outcome.answered, virtual_ms + outcome.virtual_ms, ran + 1);
        tell(&outcome, options.loud);
        if !outcome.wrong.is_empty() {
            bad.push(seed);
            if !options.keep_going {
                break;
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64().max(0.001);
    let hours = f64::from(i32::try_from(virtual_ms / 1_000).unwrap_or(i32::MAX)) / 3_600.0;
    say(&format!(
        "{ran} seeds, {answered} answers, {hours:.1} simulated hours in {seconds:.0} s: {:.1} seeds a minute, {:.3} \
         simulated hours a second; failed: {bad:?}",
        f64::from(ran) * 60.0 / seconds,
        hours / seconds
    ));
    if bad.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(outcome: &Outcome, loud: bool) {
    say(&format!(
        "seed {}: {} answers, agreed after {} ms, {} lines, trace {} {:?}",
        outcome.seed,
        outcome.answered,
        outcome.healed_ms,
        outcome.lines,
        outcome.trace.get(..16).unwrap_or_default(),
        outcome.faults
    ));
    if outcome.wrong.is_empty() {
        return;
    }
    if !loud {
        outcome.tail.iter().for_each(|line| say(line));
    }
    outcome.wrong.iter().for_each(|what| say(&format!("WRONG {what}")));
    say(&format!("run it again: scripts/sim --seeds 1 --from {} --loud", outcome.seed));
}

fn say(line: &str) {
    // Whoever reads may have gone; the result is in the exit code all the same.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
