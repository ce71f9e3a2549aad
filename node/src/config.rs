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

/// What the program can do. It ends with 0 where it was done, 3 where it was refused with a reason and nothing was
/// changed, 2 where the command makes no sense, 1 for anything else.
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
    /// Make a code by which a tablet, a till or a display on another machine is paired with a running node; good once and
    /// for ten minutes.
    Pair {
        /// What people call the device.
        name: String,
        /// The till it stands at.
        #[arg(long, default_value = "R1")]
        till: String,
        /// It shows the customer what is bought, and does nothing else.
        #[arg(long)]
        display: bool,
        /// Who allows it, once the store has staff.
        #[arg(long, requires = "pin")]
        staff: Option<String>,
        /// Their PIN.
        #[arg(long, env = "TRADEPOST_PIN", hide_env_values = true)]
        pin: Option<String>,
        /// Address of the running node.
        #[arg(long, default_value = "http://127.0.0.1:7600")]
        node: String,
    },
    /// Copy database and device key to a new directory, verified; the node may sell on meanwhile.
    Backup {
        /// The new directory.
        to: PathBuf,
        /// The data directory.
        #[arg(long, env = "TRADEPOST_DATA_DIR")]
        data_dir: PathBuf,
    },
    /// Put a backup in place of the database of a node that is not running; what was there is kept beside. The node comes
    /// back as a new incarnation, and gets back what the hub and its neighbours hold.
    Restore {
        /// The directory that `backup` made.
        from: PathBuf,
        /// The data directory.
        #[arg(long, env = "TRADEPOST_DATA_DIR")]
        data_dir: PathBuf,
    },
    /// End a running node's membership: it gives its rights away and writes no more.
    Retire {
        /// Who gets its rights: `hub`, or another node of the store by name or incarnation.
        #[arg(long, default_value = "hub")]
        to: String,
        /// Also with carts, shifts and events that the hub lacks.
        #[arg(long)]
        force: bool,
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
    /// Where the store's other nodes reach this one; port 0 takes a free one. Without it the node keeps to itself.
    #[arg(long, env = "TRADEPOST_LAN")]
    pub lan: Option<SocketAddr>,
    /// Another node of the store, as NAME@HOST:PORT or HOST:PORT.
    #[arg(long = "peer")]
    pub peers: Vec<PeerAddress>,
    /// Look for the store's other nodes on the LAN, and let them find this one.
    #[arg(long)]
    pub lan_discover: bool,
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
    /// Where tills and displays on other machines are served, encrypted by the store's own authority; port 0 takes a free
    /// one.
    #[arg(long, env = "TRADEPOST_TLS")]
    pub tls: Option<SocketAddr>,
    /// Serve beyond this machine without encryption: only on a network of which every machine is trusted.
    #[arg(long)]
    pub insecure_lan: bool,
    /// Most connections at a time.
    #[arg(long)]
    pub connections: Option<usize>,
    /// How many of each stream's last events stay unpacked; older ones take less room and are read a little slower.
    #[arg(long)]
    pub open_events: Option<u64>,
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
    /// The store's other nodes.
    pub lan: LanFile,
    /// A catalog for the first start.
    pub catalog: Option<String>,
    /// The till the page sells at.
    pub till: Option<String>,
    /// A name people know the node by.
    pub name: Option<String>,
    /// Further host names.
    pub hosts: Vec<String>,
    /// Where tills and displays on other machines are served, encrypted.
    pub tls: Option<SocketAddr>,
    /// Serve beyond this machine without encryption.
    pub insecure_lan: bool,
    /// Most connections at a time.
    pub connections: Option<usize>,
    /// How many of each stream's last events stay unpacked.
    pub open_events: Option<u64>,
}

/// How a file names the store's other nodes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LanFile {
    /// Where they reach this one.
    pub listen: Option<SocketAddr>,
    /// Where this one reaches them.
    pub peers: Vec<PeerAddress>,
    /// They are looked for on the LAN.
    pub discover: bool,
}

/// Where another node of the store is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PeerAddress {
    /// Its name in the roster; without one any of the store's nodes may be there.
    pub name: Option<String>,
    /// Host and port.
    pub address: String,
}

impl PeerAddress {
    /// Whether the node with this name may be there.
    pub fn may_be(&self, name: &str) -> bool {
        self.name.as_deref().is_none_or(|wanted| wanted == name)
    }
}

impl std::str::FromStr for PeerAddress {
    type Err = BadConfig;

    fn from_str(text: &str) -> Result<Self, BadConfig> {
        let (name, address) = match text.rsplit_once('@') {
            Some((name, address)) => (Some(name.to_owned()), address),
            None => (None, text),
        };
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
        if name.as_deref() == Some("") || port.is_none_or(|port| port.parse::<u16>().is_err()) {
            return Err(BadConfig::Peer(text.to_owned()));
        }
        Ok(Self { name, address: address.to_owned() })
    }
}

impl TryFrom<String> for PeerAddress {
    type Error = BadConfig;

    fn try_from(text: String) -> Result<Self, BadConfig> {
        text.parse()
    }
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
    /// Where the store's other nodes reach this one.
    pub lan: Option<SocketAddr>,
    /// Where this one reaches them.
    pub peers: Vec<PeerAddress>,
    /// They are looked for on the LAN.
    pub lan_discover: bool,
    /// A catalog for the first start.
    pub catalog: Option<String>,
    /// The till the page sells at.
    pub till: String,
    /// A name people know the node by.
    pub name: String,
    /// Further host names.
    pub hosts: Vec<String>,
    /// Where tills and displays on other machines are served, encrypted.
    pub tls: Option<SocketAddr>,
    /// Other machines are answered without encryption.
    pub insecure_lan: bool,
    /// Most connections at a time.
    pub connections: usize,
    /// How many of each stream's last events stay unpacked.
    pub open_events: u64,
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
    /// An address of another node.
    #[error("{0:?} is no address of another node: write NAME@HOST:PORT")]
    Peer(String),
    /// Off this machine without saying so.
    #[error(
        "{0} is reachable from other machines and nothing is encrypted: listen there with --tls, or say --insecure-lan if all \
         of them are trusted"
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
        let mut peers = args.peers;
        peers.extend(file.lan.peers);
        let mut hosts = args.hosts;
        hosts.extend(file.hosts);
        Ok(Self {
            data_dir: args.data_dir.or(file.data_dir).unwrap_or_else(|| PathBuf::from("tradepost-data")),
            listen,
            hub: args.hub.or(file.hub),
            lan: args.lan.or(file.lan.listen),
            peers,
            lan_discover: args.lan_discover || file.lan.discover,
            catalog: args.catalog.or(file.catalog),
            till: args.till.or(file.till).unwrap_or_else(|| "R1".to_owned()),
            name: args.name.or(file.name).unwrap_or_else(|| "node".to_owned()),
            hosts,
            tls: args.tls.or(file.tls),
            insecure_lan: !listen.ip().is_loopback(),
            connections: args.connections.or(file.connections).unwrap_or(CONNECTIONS),
            open_events: args.open_events.or(file.open_events).unwrap_or(crate::app::pack::OPEN_EVENTS),
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
        let insecure = Config::read(RunArgs { insecure_lan: true, ..args }).unwrap();
        assert!(insecure.insecure_lan);
        let args = RunArgs { tls: Some(lan), insecure_lan: true, ..RunArgs::default() };
        let secure = Config::read(args).unwrap();
        assert!(!secure.insecure_lan && secure.listen.ip().is_loopback(), "nothing is sent in the clear");
    }

    #[test]
    fn a_neighbour_is_named_with_its_address_or_by_it_alone() {
        let peer = |text: &str| text.parse::<PeerAddress>().ok();
        let named = peer("back office@10.0.0.5:7620").unwrap();
        assert_eq!((named.name.as_deref(), &*named.address), (Some("back office"), "10.0.0.5:7620"));
        assert!(named.may_be("back office") && !named.may_be("east"));
        assert!(peer("[::1]:7620").unwrap().may_be("anybody"));
        for wrong in ["", "10.0.0.5", "east@10.0.0.5", "@10.0.0.5:1", ":7620", "east@host:port"] {
            assert_eq!(peer(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_example_file_is_read() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("node.example.toml");
        let read = Config::read(RunArgs { config: Some(example), ..RunArgs::default() }).unwrap();
        assert_eq!(read.listen, SocketAddr::from(DEFAULT_LISTEN));
    }
}
