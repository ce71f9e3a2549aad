//! What the program is told: command line, file, environment. The command line wins.

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Sells with every cable pulled.
#[derive(Debug, Parser)]
#[command(name = "tradepost-node", version, about, long_about = None)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the store.
    Run(Box<RunArgs>),
    /// Work on the store's own catalog.
    #[command(subcommand)]
    Catalog(CatalogCommand),
    /// Make a running node a member of a hub's store.
    Enrol {
        /// The code from the hub (TP1-…).
        code: String,
        /// Address of the running node.
        #[arg(long, default_value = "http://127.0.0.1:7600")]
        node: String,
    },
    /// Write NDJSON to the standard output, from a node that is not running.
    Export {
        /// What to write.
        what: ExportKind,
        /// The data directory.
        #[arg(long, env = "TRADEPOST_DATA_DIR")]
        data_dir: PathBuf,
    },
    /// Look at the audit trail.
    #[command(subcommand)]
    Audit(AuditCommand),
}

/// Work on the catalog.
#[derive(Debug, Subcommand)]
pub enum CatalogCommand {
    /// Fill the catalog of a node that is not running.
    Import {
        /// The file; `en-grocer` and `vn-minimart` are built in.
        file: String,
        /// How it is written.
        #[arg(long, default_value = "ndjson")]
        format: FileFormat,
        /// The data directory.
        #[arg(long, env = "TRADEPOST_DATA_DIR")]
        data_dir: PathBuf,
    },
}

/// Look at the audit trail.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Walk every chain and name the first event that is not what was signed.
    Verify {
        /// The data directory.
        #[arg(long, env = "TRADEPOST_DATA_DIR")]
        data_dir: PathBuf,
    },
}

/// What an export holds.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ExportKind {
    /// Every event.
    Events,
    /// Every receipt.
    Receipts,
    /// Every event's place in its chain.
    Audit,
}

/// How a catalog file is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FileFormat {
    /// One JSON record a line.
    Ndjson,
    /// With a header line.
    Csv,
}

/// How to serve the store.
#[derive(Clone, Debug, Default, Args)]
pub struct RunArgs {
    /// The data directory.
    #[arg(long, env = "TRADEPOST_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, env = "TRADEPOST_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// A hub's sync address, where it isn't the one of the enrolment code.
    #[arg(long, env = "TRADEPOST_HUB")]
    pub hub: Option<String>,
    /// A file with the same settings.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// A catalog for the first start: a file, `en-grocer` or `vn-minimart`.
    #[arg(long)]
    pub catalog: Option<String>,
    /// The till the page sells at.
    #[arg(long)]
    pub till: Option<String>,
    /// A name people know the node by.
    #[arg(long)]
    pub name: Option<String>,
    /// Further host names the node answers for.
    #[arg(long = "host")]
    pub hosts: Vec<String>,
    /// Serve beyond this machine without encryption: only on a network of which every machine is trusted.
    #[arg(long)]
    pub insecure_lan: bool,
    /// Most connections at a time.
    #[arg(long)]
    pub connections: Option<usize>,
    /// A manager says that the wall clock is right.
    #[arg(long)]
    pub accept_clock: bool,
    /// How commits are made durable; anything but `full` is for the power-cut test alone.
    #[arg(long, hide = true, env = "TRADEPOST_TEST_SYNCHRONOUS")]
    pub test_synchronous: Option<String>,
}

/// The same, as a file may say it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigFile {
    /// The data directory.
    pub data_dir: Option<PathBuf>,
    /// Where to listen.
    pub listen: Option<SocketAddr>,
    /// A hub's sync address.
    pub hub: Option<String>,
    /// A catalog for the first start.
    pub catalog: Option<String>,
    /// The till the page sells at.
    pub till: Option<String>,
    /// A name people know the node by.
    pub name: Option<String>,
    /// Further host names.
    pub hosts: Vec<String>,
    /// Serve beyond this machine without encryption.
    pub insecure_lan: bool,
    /// Most connections at a time.
    pub connections: Option<usize>,
}

/// What the program goes by.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data directory.
    pub data_dir: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// A hub's sync address.
    pub hub: Option<String>,
    /// A catalog for the first start.
    pub catalog: Option<String>,
    /// The till the page sells at.
    pub till: String,
    /// A name people know the node by.
    pub name: String,
    /// Further host names.
    pub hosts: Vec<String>,
    /// Most connections at a time.
    pub connections: usize,
    /// A manager says that the wall clock is right.
    pub accept_clock: bool,
    /// The power-cut test's proof that it bites.
    pub test_synchronous_normal: bool,
}

/// Settings that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BadConfig {
    /// The file can't be read.
    #[error("{path}: {why}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Off this machine without saying so.
    #[error(
        "{0} is reachable from other machines and nothing is encrypted: say --insecure-lan if all of them are trusted"
    )]
    NotLoopback(SocketAddr),
}

const DEFAULT_LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 7600);
const CONNECTIONS: usize = 512;

impl Config {
    /// Puts command line and file together.
    ///
    /// # Errors
    /// [`BadConfig`].
    pub fn read(args: RunArgs) -> Result<Self, BadConfig> {
        let file = args.config.as_deref().map_or_else(|| Ok(ConfigFile::default()), read_file)?;
        let listen = args.listen.or(file.listen).unwrap_or_else(|| SocketAddr::from(DEFAULT_LISTEN));
        if !(listen.ip().is_loopback() || args.insecure_lan || file.insecure_lan) {
            return Err(BadConfig::NotLoopback(listen));
        }
        let mut hosts = args.hosts;
        hosts.extend(file.hosts);
        Ok(Self {
            data_dir: args.data_dir.or(file.data_dir).unwrap_or_else(|| PathBuf::from("tradepost-data")),
            listen,
            hub: args.hub.or(file.hub),
            catalog: args.catalog.or(file.catalog),
            till: args.till.or(file.till).unwrap_or_else(|| "R1".to_owned()),
            name: args.name.or(file.name).unwrap_or_else(|| "node".to_owned()),
            hosts,
            connections: args.connections.or(file.connections).unwrap_or(CONNECTIONS),
            accept_clock: args.accept_clock,
            test_synchronous_normal: args.test_synchronous.as_deref() == Some("normal"),
        })
    }
}

fn read_file(path: &Path) -> Result<ConfigFile, BadConfig> {
    let bad = |why: String| BadConfig::File { path: path.to_owned(), why };
    let text = std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))?;
    toml::from_str(&text).map_err(|e| bad(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_this_machine_only_on_purpose() {
        let lan: SocketAddr = "0.0.0.0:7600".parse().unwrap();
        let args = RunArgs { listen: Some(lan), ..RunArgs::default() };
        assert!(matches!(Config::read(args.clone()), Err(BadConfig::NotLoopback(_))));
        assert!(Config::read(RunArgs { insecure_lan: true, ..args }).is_ok());
    }

    #[test]
    fn the_example_file_is_read() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("node.example.toml");
        let read = Config::read(RunArgs { config: Some(example), ..RunArgs::default() }).unwrap();
        assert_eq!(read.listen, SocketAddr::from(DEFAULT_LISTEN));
    }
}
