//! `tradepost-hub`: the hub's program.

use clap::Parser;
use std::process::ExitCode;
use tradepost_central::config::{Cli, Command, Config};
use tradepost_central::{http, serve};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Run(config) => run(&config),
        Command::Openapi => serve::say_ready(&http::openapi_text()).map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            tracing::error!(%trouble, "the hub can't run");
            eprintln!("tradepost-hub: {trouble}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: &Config) -> Result<(), serve::Trouble> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| "info,librdkafka=error,refinery_core=warn".into());
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let running = serve::start(config).await?;
        serve::say_ready(&running.ready_line(&config.data_dir))?;
        stop_signal().await?;
        running.stop().await;
        Ok(())
    })
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
