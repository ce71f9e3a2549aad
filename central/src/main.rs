//! `tradepost-hub`: the hub's program.

use clap::Parser;
use std::path::Path;
use std::process::ExitCode;
use tradepost_central::backup::{self, BackupError};
use tradepost_central::config::{Cli, Command, Config, Place};
use tradepost_central::consumers::{self, Group};
use tradepost_central::db::Db;
use tradepost_central::{http, serve};

/// What the log leaves out, unless `RUST_LOG` says otherwise: libraries that repeat themselves.
const QUIET: &str = "info,librdkafka=error,refinery_core=warn";
/// A command would do harm and was refused with a reason; nothing was changed. Any other failure is 1.
const EXIT_REFUSED: u8 = 3;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Run(config) => run(&config),
        Command::Backup { to, place } => back_up(&to, &place),
        Command::Restore { from, place } => restore(&from, &place),
        Command::Restored { place } => say_restored(&place),
        Command::Replay { group, place } => replay(&group, &place),
        Command::Openapi => serve::say_ready(&http::openapi_text()).map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            tracing::error!(%trouble, "the hub can't run");
            eprintln!("tradepost-hub: {trouble}");
            match trouble.downcast_ref::<BackupError>() {
                Some(BackupError::Refused(_)) => ExitCode::from(EXIT_REFUSED),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn back_up(to: &Path, place: &Place) -> Result<(), serve::Trouble> {
    let made = backup::back_up(&place.data_dir, &place.database, to)?;
    say(&serde_json::json!({"backup": to, "made_at": made.made_at}))
}

fn restore(from: &Path, place: &Place) -> Result<(), serve::Trouble> {
    let aside = backup::restore(&place.data_dir, &place.database, from)?;
    say(&serde_json::json!({"restored": place.data_dir, "kept_beside": aside}))
}

fn say_restored(place: &Place) -> Result<(), serve::Trouble> {
    backup::say_restored(&place.data_dir, &place.database)?;
    say(&serde_json::json!({"restored": place.data_dir}))
}

fn replay(group: &str, place: &Place) -> Result<(), serve::Trouble> {
    let named = Group::named(group).ok_or_else(|| format!("there is no group {group}"))?;
    let db = Db::open(&place.database, &place.data_dir)?;
    consumers::begin_anew(&db, named)?;
    say(&serde_json::json!({"replaying": group}))
}

fn say(what: &serde_json::Value) -> Result<(), serve::Trouble> {
    Ok(serve::say_ready(&what.to_string())?)
}

/// What was begun had its time to be finished before (`serve::Running::stop`).
const LEFT_AFTER: std::time::Duration = std::time::Duration::from_secs(1);

fn run(config: &Config) -> Result<(), serve::Trouble> {
    let telemetry = tradepost_telemetry::start("tradepost-hub", QUIET);
    let ran = run_until_stopped(config);
    telemetry.finish();
    ran
}

fn run_until_stopped(config: &Config) -> Result<(), serve::Trouble> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ran = runtime.block_on(async {
        let running = serve::start(config).await?;
        serve::say_ready(&running.ready_line(&config.data_dir))?;
        stop_signal().await?;
        running.stop().await;
        Ok(())
    });
    // Whoever still waits for an engine that doesn't answer is left: what it had begun is undone there, as by a crash.
    runtime.shutdown_timeout(LEFT_AFTER);
    ran
}

#[cfg(unix)]
async fn stop_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminated.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted,
    }
}

#[cfg(not(unix))]
async fn stop_signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
