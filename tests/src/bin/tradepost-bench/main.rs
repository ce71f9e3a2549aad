//! `scripts/bench`: the product against what the same machine can do, in one run. Figures are ratios to a baseline
//! that is measured in between, median of the rounds; nothing here is a test and nothing fails on a slow machine.
#![allow(clippy::print_stdout, reason = "a report is printed")]

mod catalog;
mod drain;
mod entropy;
mod lan;
mod load;
mod parts;
mod raw;
mod report;
mod sale;
mod steps;
mod world;

use clap::Parser;
use report::Report;
use std::path::PathBuf;
use std::process::ExitCode;

/// Measures sales, drain, wire bytes, memory, start-up, lookup, search, and a store's nodes among themselves.
#[derive(Parser)]
struct Options {
    /// Folder with the built programs.
    #[arg(long)]
    bin_dir: PathBuf,
    /// Products in the catalog.
    #[arg(long, default_value_t = 100_000)]
    products: u32,
    /// Interleaved rounds; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds a point and round.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Sales that wait for the hub in the drain.
    #[arg(long, default_value_t = 20_000)]
    backlog: u32,
    /// Sales that each of two nodes makes apart from the other.
    #[arg(long, default_value_t = 100_000)]
    apart: u32,
    /// Only these parts: sale, steps, drain, catalog, lan, apart, reconnect, killed.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The long runs that the aims speak of: ten times the seconds.
    #[arg(long)]
    soak: bool,
    /// Measure one part in this process and put its rows into this file.
    #[arg(long, hide = true)]
    rows: Option<PathBuf>,
}

/// Measures something and reports it.
type Part = fn(&Options, &mut Report);

const PARTS: [(&str, Part); 8] = [
    ("sale", sale::measure),
    ("steps", steps::measure),
    ("drain", drain::measure),
    ("catalog", catalog::measure),
    ("lan", lan::measure),
    ("apart", lan::apart),
    ("reconnect", lan::reconnected),
    ("killed", lan::killed),
];

fn main() -> ExitCode {
    let mut options = Options::parse();
    if let Some(rows) = options.rows.clone() {
        if options.soak {
            options.seconds *= 10.0;
        }
        parts::alone(&options, &rows);
        return ExitCode::SUCCESS;
    }
    println!("2 vCPU figures are only comparable within this run; everything is durable (WAL, FULL).");
    let wanted = |part: &str| options.only.is_empty() || options.only.iter().any(|o| o == part);
    let mut report = Report::default();
    let mut failed = false;
    for (name, _) in PARTS.iter().filter(|(name, _)| wanted(name)) {
        failed |= !parts::beside(name, &mut report);
    }
    report.print();
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
