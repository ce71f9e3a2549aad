//! Carrying print jobs from the spool to printers: over the network, to a device of this machine, or into a file.
//!
//! A printer on the network is asked for its paper first; one that doesn't talk back is believed.

use crate::app::print::{self, PrintFault, Target};
use crate::db::print::JobRow;
use crate::http::Shared;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How often the spool is looked over.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a printer may take to be reached, and to take a whole job.
const REACH_MAX: Duration = Duration::from_secs(2);
const SEND_MAX: Duration = Duration::from_secs(20);
/// How long it may take to say whether it has paper.
const PAPER_MAX: Duration = Duration::from_millis(300);
/// "Transmit paper sensor status", and the bits of its answer that say that the roll is at its end.
const ASK_PAPER: [u8; 3] = [0x10, 0x04, 0x04];
const PAPER_END: u8 = 0x60;

/// Prints for as long as the node runs.
pub async fn run(shared: Shared, data_dir: PathBuf) {
    if let Err(stop) = shared.writer.ask(print::after_start).await {
        tracing::warn!(?stop, "the print spool can't be taken up again");
    }
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let wall = shared.machine.wall();
        match shared.read(|conn| print::any_due(conn, wall)) {
            Ok(true) => print_due(&shared, &data_dir).await,
            Ok(false) => {}
            Err(stop) => tracing::warn!(?stop, "the print spool can't be looked over"),
        }
    }
}

async fn print_due(shared: &Shared, data_dir: &Path) {
    let claimed = match shared.writer.ask(print::claim).await {
        Ok(claimed) => claimed,
        Err(stop) => {
            tracing::warn!(?stop, "nothing is printed");
            return;
        }
    };
    // Printers don't wait for each other.
    let jobs = claimed.into_iter().map(|(job, target)| print_one(shared, data_dir, job, target));
    futures_util::future::join_all(jobs).await;
}

async fn print_one(shared: &Shared, data_dir: &Path, job: JobRow, target: String) {
    let sent = match Target::parse(&target) {
        Ok(Target::Tcp(address)) => over_tcp(&address, &job.bytes).await,
        Ok(Target::File(name)) => to_file(data_dir.join("printers"), name, job.bytes).await,
        Ok(Target::Device(path)) => to_device(path, job.bytes).await,
        Err(_) => Err(PrintFault::Unreachable(format!("{target} is no printer"))),
    };
    if let Err(fault) = &sent {
        tracing::warn!(job = job.no, till = %job.till, %fault, "a paper waits");
    }
    metrics::counter!("tradepost_prints_total", "printed" => sent.is_ok().to_string()).increment(1);
    let (no, till) = (job.no, job.till);
    match shared.writer.ask(move |node, now| print::settle(node, now, no, &sent)).await {
        Ok(Some(state)) => {
            let told = serde_json::json!({ "till": till, "state": state.name() });
            shared.tell("printer.state", told.to_string());
        }
        Ok(None) => {}
        Err(stop) => tracing::warn!(?stop, job = no, "what became of a print can't be noted"),
    }
}

fn unreachable(error: impl ToString) -> PrintFault {
    PrintFault::Unreachable(error.to_string())
}

async fn over_tcp(address: &str, bytes: &[u8]) -> Result<(), PrintFault> {
    let silent = |_| PrintFault::Unreachable(format!("{address} doesn't answer"));
    let stream = timeout(REACH_MAX, TcpStream::connect(address)).await.map_err(silent)?;
    let mut stream = stream.map_err(unreachable)?;
    stream.write_all(&ASK_PAPER).await.map_err(unreachable)?;
    let mut paper = [0u8; 1];
    if let Ok(Ok(1)) = timeout(PAPER_MAX, stream.read(&mut paper)).await
        && paper[0] & PAPER_END != 0
    {
        return Err(PrintFault::PaperOut);
    }
    let send = async {
        stream.write_all(bytes).await?;
        stream.flush().await?;
        stream.shutdown().await
    };
    timeout(SEND_MAX, send).await.map_err(silent)?.map_err(unreachable)
}

async fn to_file(folder: PathBuf, name: String, bytes: Vec<u8>) -> Result<(), PrintFault> {
    let write = move || {
        std::fs::create_dir_all(&folder)?;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(folder.join(name))?;
        file.write_all(&bytes)?;
        file.sync_data()
    };
    tokio::task::spawn_blocking(write).await.map_err(unreachable)?.map_err(unreachable)
}

/// The kernel's printer driver says "no space" where there is no paper.
async fn to_device(path: String, bytes: Vec<u8>) -> Result<(), PrintFault> {
    let write = move || {
        let mut device = std::fs::OpenOptions::new().write(true).open(path)?;
        device.write_all(&bytes)?;
        device.flush()
    };
    let written = timeout(SEND_MAX, tokio::task::spawn_blocking(write)).await;
    let written = written.map_err(|_| unreachable("the printer takes nothing"))?.map_err(unreachable)?;
    written.map_err(|error| match error.kind() {
        ErrorKind::StorageFull => PrintFault::PaperOut,
        _ => unreachable(error),
    })
}
