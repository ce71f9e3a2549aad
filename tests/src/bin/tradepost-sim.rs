//! Runs the simulator for as many seeds as are asked for: behind scripts/sim.

use clap::Parser;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;
use tradepost_tests::sim::{Outcome, Plan, Plant, caught, run, run_all};

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
    /// Says the whole trace aloud; one seed at a time.
    #[arg(long)]
    loud: bool,
    /// No old files are put back.
    #[arg(long)]
    without_restores: bool,
    /// Old databases of the hub are put back too, with its journal or without.
    #[arg(long)]
    hub_restores: bool,
    /// Machines are copied with their disks too.
    #[arg(long)]
    clones: bool,
    /// No machine is lost for good.
    #[arg(long)]
    without_losses: bool,
    /// No world is brought to rest at the end.
    #[arg(long)]
    without_settling: bool,
    /// Nobody fills carts at several tills.
    #[arg(long)]
    without_carts: bool,
    /// Plants a bug, by its name; `all` looks for the first seed that shows each.
    #[arg(long)]
    plant: Option<String>,
    /// Goes on after a seed that failed.
    #[arg(long)]
    keep_going: bool,
}

/// What all runs come to.
struct Sum {
    began: Instant,
    seeds: u64,
    ran: u32,
    answered: usize,
    virtual_ms: i64,
    faults: BTreeMap<&'static str, u32>,
    bad: Vec<u64>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let all = options.plant.as_deref() == Some("all");
    let named = |name: &String| {
        Plant::ALL.iter().find(|plant| format!("{plant:?}").eq_ignore_ascii_case(name)).copied()
    };
    let plant = options.plant.as_ref().filter(|_| !all).map(named);
    if plant == Some(None) {
        say(&format!("there is no such bug; there are {:?}", Plant::ALL));
        return ExitCode::from(2);
    }
    let plan = options.hours.map_or_else(|| Plan::short(options.minutes), Plan::hours);
    let plan = Plan {
        restores: !options.without_restores,
        hub_restores: options.hub_restores,
        clones: options.clones,
        losses: !options.without_losses,
        settles: !options.without_settling,
        carts: !options.without_carts,
        ..plan
    };
    let seeds = options.from..options.from.saturating_add(options.seeds);
    if all {
        return look_for_all(&seeds, &plan);
    }
    let mut sum = Sum {
        began: Instant::now(),
        seeds: options.seeds,
        ran: 0,
        answered: 0,
        virtual_ms: 0,
        faults: BTreeMap::new(),
        bad: Vec::new(),
    };
    if options.loud {
        for seed in seeds {
            let outcome = run(seed, &plan, plant.flatten(), true);
            if !sum.add(&outcome, &options) {
                break;
            }
        }
    } else {
        run_all(seeds, &plan, plant.flatten(), |outcome| sum.add(outcome, &options));
    }
    sum.table();
    if sum.bad.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Sum {
    /// Whether to go on.
    fn add(&mut self, outcome: &Outcome, options: &Options) -> bool {
        self.ran += 1;
        self.answered += outcome.answered;
        self.virtual_ms += outcome.virtual_ms;
        for (fault, times) in &outcome.faults {
            *self.faults.entry(fault).or_default() += times;
        }
        tell(outcome, options.loud, (self.ran, self.seeds));
        if outcome.wrong.is_empty() {
            return true;
        }
        say(&format!("run it again: {}", again(outcome.seed, options)));
        self.bad.push(outcome.seed);
        options.keep_going
    }

    fn table(&self) {
        let seconds = self.began.elapsed().as_secs_f64().max(0.001);
        let hours = f64::from(i32::try_from(self.virtual_ms / 1_000).unwrap_or(i32::MAX)) / 3_600.0;
        let rate = f64::from(self.ran) * 60.0 / seconds;
        say("");
        for (what, number) in [
            ("seeds", self.ran.to_string()),
            ("answers to people", self.answered.to_string()),
            ("simulated hours", format!("{hours:.1}")),
            ("seconds", format!("{seconds:.0}")),
            ("seeds a minute", format!("{rate:.1}")),
            ("simulated hours a second", format!("{:.3}", hours / seconds)),
        ] {
            say(&format!("{what:<26}{number:>12}"));
        }
        for (fault, times) in &self.faults {
            say(&format!("  {fault:<24}{times:>12}"));
        }
        say(&format!("{:<26}{:>12}", "seeds that failed", self.bad.len()));
        if !self.bad.is_empty() {
            say(&format!("  {:?}", self.bad));
        }
    }
}

fn again(seed: u64, options: &Options) -> String {
    let length = match options.hours {
        Some(hours) => format!("--hours {hours}"),
        None => format!("--minutes {}", options.minutes),
    };
    let plant = options.plant.as_ref().map_or_else(String::new, |plant| format!(" --plant {plant}"));
    let others = [
        (options.hub_restores, " --hub-restores"),
        (options.clones, " --clones"),
        (options.without_restores, " --without-restores"),
        (options.without_losses, " --without-losses"),
        (options.without_settling, " --without-settling"),
    ];
    let others: String = others.iter().filter(|(is, _)| *is).map(|(_, option)| *option).collect();
    format!("scripts/sim --seeds 1 --from {seed} {length}{plant}{others} --loud")
}

fn look_for_all(seeds: &std::ops::Range<u64>, plan: &Plan) -> ExitCode {
    let mut missed = 0;
    caught(Plant::ALL, seeds, plan, |plant, found| match found {
        Some((seed, why)) => {
            let first = why.lines().next().unwrap_or_default();
            let first: String = first.chars().take(120).collect();
            say(&format!(
                "{:<22}{:>6}. seed ({seed}): {first}",
                format!("{plant:?}"),
                seed - seeds.start + 1
            ));
        }
        None => {
            missed += 1;
            say(&format!("{:<22} not found in {} seeds", format!("{plant:?}"), seeds.end - seeds.start));
        }
    });
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(outcome: &Outcome, loud: bool, (nth, of): (u32, u64)) {
    say(&format!(
        "{nth}/{of} seed {}: {} answers, agreed after {} ms, {} lines, trace {}",
        outcome.seed,
        outcome.answered,
        outcome.healed_ms,
        outcome.lines,
        outcome.trace.get(..16).unwrap_or_default(),
    ));
    if outcome.wrong.is_empty() {
        return;
    }
    if !loud {
        outcome.tail.iter().for_each(|line| say(line));
    }
    outcome.wrong.iter().for_each(|what| say(&format!("WRONG {what}")));
}

fn say(line: &str) {
    // Whoever reads may have gone; the result is in the exit code all the same.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
