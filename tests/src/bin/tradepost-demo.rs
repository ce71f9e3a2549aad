//! `tradepost-demo`: the program behind `scripts/demo`.

use clap::Parser;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use tradepost_tests::demo::progress::{Voice, print_line};
use tradepost_tests::demo::story::{Options, Report, Stage, tell};
use tradepost_tests::demo::{Failure, Outcome};

/// A hub and its stores on this machine: goods, baskets, a hub that is away, a kill, and the books compared.
#[derive(Debug, Parser)]
#[command(name = "tradepost-demo", version)]
struct Arguments {
    /// Folder for all data; must be empty.
    #[arg(long)]
    data: PathBuf,
    /// Folder of tradepost-node and tradepost-hub.
    #[arg(long)]
    bin_dir: PathBuf,
    /// The goods (NDJSON).
    #[arg(long)]
    catalog: PathBuf,
    /// The baskets (NDJSON); stores.ndjson beside it names the stores.
    #[arg(long)]
    baskets: PathBuf,
    /// scripts/recompute.py.
    #[arg(long)]
    recompute: PathBuf,
    /// End by itself; exit 0 only if everything agreed; the last line is one JSON object.
    #[arg(long)]
    check: bool,
    /// Change one cent in one export before it is computed again: then nothing may agree.
    #[arg(long)]
    tamper: bool,
    /// Customers at once.
    #[arg(long, default_value_t = 16)]
    workers: usize,
    /// Sell so many baskets at most.
    #[arg(long)]
    limit: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => return failed(&arguments, &why.into()),
    };
    match runtime.block_on(run(&arguments)) {
        Ok(report) => {
            if arguments.check {
                print_line(&report.json().to_string());
            }
            if report.agree { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(why) => failed(&arguments, &why),
    }
}

fn failed(arguments: &Arguments, why: &Failure) -> ExitCode {
    print_line(&format!("   the story broke off: {why}"));
    if arguments.check {
        print_line(&serde_json::json!({"agree": false, "error": why.to_string()}).to_string());
    }
    ExitCode::FAILURE
}

async fn run(arguments: &Arguments) -> Outcome<Report> {
    let options = Options {
        data: arguments.data.clone(),
        bin_dir: arguments.bin_dir.clone(),
        catalog: arguments.catalog.clone(),
        baskets: arguments.baskets.clone(),
        recompute: arguments.recompute.clone(),
        tamper: arguments.tamper,
        workers: arguments.workers,
        limit: arguments.limit,
        voice: Voice::choose(arguments.check),
    };
    let asked_to_end = asked_to_end()?;
    tokio::pin!(asked_to_end);
    let (report, stage) = tokio::select! {
        told = tell(&options) => told?,
        () = &mut asked_to_end => return Err("interrupted".into()),
    };
    if !arguments.check {
        stay(&options, &stage);
        asked_to_end.await;
        print_line("-- Closing");
    }
    stage.end()?;
    Ok(report)
}

/// Ends when somebody asks the demo to end.
fn asked_to_end() -> Outcome<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Says where everything is, and opens the first till page where there is a display.
fn stay(options: &Options, stage: &Stage) {
    print_line("-- Everything goes on; Ctrl-C ends it");
    for shop in &stage.shops {
        print_line(&format!("   till page of {}: {}/", shop.name(), shop.client.base()));
    }
    print_line(&format!("   the hub's API page: {}/docs/", stage.hub.client.base()));
    print_line(&format!("   its token: {}", options.data.join("hub/admin.token").display()));
    let Some(first) = stage.shops.first() else { return };
    if ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some()) {
        let quiet = |command: &mut Command| {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().is_ok()
        };
        quiet(Command::new("xdg-open").arg(format!("{}/", first.client.base())));
    }
}
