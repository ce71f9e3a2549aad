//! `scripts/bench`: the product against what the same machine can do, in one run. Figures are ratios to a baseline
//! that is measured in between, median of the rounds; nothing here is a test and nothing fails on a slow machine.
#![allow(clippy::print_stdout, reason = "a report is printed")]

mod catalog;
mod drain;
mod entropy;
mod lan;
mod load;
mod raw;
mod report;
mod sale;
mod steps;
mod world;

use clap::Parser;
use report::Report;
use std::path::PathBuf;

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
    /// Only these parts: sale, steps, drain, catalog, lan.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The long runs that the aims speak of: ten times the seconds.
    #[arg(long)]
    soak: bool,
}

fn main() {
    let mut options = Options::parse();
    if options.soak {
        options.seconds *= 10.0;
    }
    let wanted = |part: &str| options.only.is_empty() || options.only.iter().any(|o| o == part);
    let mut report = Report::default();
    println!("2 vCPU figures are only comparable within this run; everything is durable (WAL, FULL).");
    if wanted("sale") {
        sale::measure(&options, &mut report);
    }
    if wanted("steps") {
        steps::measure(&options, &mut report);
    }
    if wanted("drain") {
        drain::measure(&options, &mut report);
    }
    if wanted("catalog") {
        catalog::measure(&options, &mut report);
    }
    if wanted("lan") {
        lan::measure(&options, &mut report);
    }
    report.print();
}
