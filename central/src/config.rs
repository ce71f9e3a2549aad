//! What the hub is told at start: by flags or by the environment.

use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// The longest lease: a wait that the hub doesn't remember is taken to be of this length.
const LEASE_SECONDS_MAX: u32 = 259_200;

/// The hub of Tradepost.
#[derive(Debug, Parser)]
#[command(
    name = "tradepost-hub",
    version,
    about = "The hub: orders, catalog and stock picture of all stores"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do. It ends with 0 where it was done, 3 where it was refused with a reason and nothing was
/// changed, 2 where the command makes no sense, 1 for anything else.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs the hub until it is told to stop.
    Run(Box<Config>),
    /// Copies database and keys to a new folder, verified; the hub may run meanwhile.
    Backup {
        /// The new folder.
        to: PathBuf,
        /// Where the hub's data is.
        #[command(flatten)]
        place: Place,
    },
    /// Puts a backup in place of the database of a hub that does not run; what was there is kept beside. The hub then
    /// recovers: its nodes, and its journal, give back what the backup has forgotten.
    Restore {
        /// The folder that `backup` made.
        from: PathBuf,
        /// Where the hub's data is.
        #[command(flatten)]
        place: Place,
    },
    /// Says that the database was put back by other tools (PostgreSQL's), before the hub starts on it.
    Restored {
        /// Where the hub's data is.
        #[command(flatten)]
        place: Place,
    },
    /// Builds a group of consumers anew from the facts: inventory, search, notifications, analytics or accounting. The
    /// hub may run meanwhile: its consumers do the work.
    Replay {
        /// Which group.
        #[arg(long)]
        group: String,
        /// Where the hub's data is.
        #[command(flatten)]
        place: Place,
    },
    /// Prints the `OpenAPI` document of the admin interface.
    Openapi,
}

/// Where a hub's data is, for commands beside a running one.
#[derive(Clone, Debug, Args)]
pub struct Place {
    /// Folder of keys, token and (with SQLite) the database.
    #[arg(long, env = "TRADEPOST_HUB_DATA_DIR", default_value = "hub-data")]
    pub data_dir: PathBuf,
    /// `sqlite`, or `postgres://…`.
    #[arg(long, env = "TRADEPOST_HUB_DATABASE", default_value = "sqlite", value_parser = DatabaseAddress::parse)]
    pub database: DatabaseAddress,
}

/// Where things are.
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// Folder of keys, token and (with SQLite) the database.
    #[arg(long, env = "TRADEPOST_HUB_DATA_DIR", default_value = "hub-data")]
    pub data_dir: PathBuf,
    /// Address of the admin interface: plain HTTP, so loopback only.
    #[arg(long, env = "TRADEPOST_HUB_ADMIN_LISTEN", default_value = "127.0.0.1:7640")]
    pub admin_listen: SocketAddr,
    /// Address that nodes sync with (TLS).
    #[arg(long, env = "TRADEPOST_HUB_SYNC_LISTEN", default_value = "127.0.0.1:7643")]
    pub sync_listen: SocketAddr,
    /// Address of the gRPC services (catalog, inventory, orders; the admin token is their bearer): without TLS, so
    /// loopback only. They are off where it isn't given.
    #[arg(long, env = "TRADEPOST_HUB_SERVICES_LISTEN")]
    pub services_listen: Option<SocketAddr>,
    /// Address where metrics and health alone are told, in plain HTTP to whoever asks: for processes without the admin
    /// interface. They are not told apart where it isn't given.
    #[arg(long, env = "TRADEPOST_HUB_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
    /// `host:port` that enrolment codes tell nodes; the sync address itself if not given.
    #[arg(long, env = "TRADEPOST_HUB_PUBLIC_ADDRESS")]
    pub public_address: Option<String>,
    /// `sqlite`, or `postgres://…`.
    #[arg(long, env = "TRADEPOST_HUB_DATABASE", default_value = "sqlite", value_parser = DatabaseAddress::parse)]
    pub database: DatabaseAddress,
    /// Kafka's bootstrap servers; without them the outbox table itself is the stream.
    #[arg(long, env = "TRADEPOST_HUB_KAFKA")]
    pub kafka: Option<String>,
    /// Stands before the names of topics and groups, where several hubs share a cluster.
    #[arg(long, env = "TRADEPOST_HUB_KAFKA_PREFIX", default_value = "")]
    pub kafka_prefix: String,
    /// What this process does, of gateway (admin interface), services (gRPC), sync (nodes), relay (to Kafka) and
    /// consumers (read models, webhooks).
    #[arg(
        long,
        env = "TRADEPOST_HUB_ROLES",
        value_delimiter = ',',
        default_value = "gateway,services,sync,relay,consumers"
    )]
    pub roles: Vec<Role>,
    /// Redis; without it the cache is in memory.
    #[arg(long, env = "TRADEPOST_HUB_REDIS")]
    pub redis: Option<String>,
    /// Folder, best on other storage, for the journal of the hub's own events.
    #[arg(long, env = "TRADEPOST_HUB_JOURNAL")]
    pub journal: Option<PathBuf>,
    /// This process's number, where several hubs share a database.
    #[arg(long, env = "TRADEPOST_HUB_PROCESS", default_value_t = 1)]
    pub process: u32,
    /// Who takes the money of web orders: `simulated` plays a provider in this process, `http://127.0.0.1:PORT` is the
    /// adapter of a real one. Without it nothing can be paid on the web.
    #[arg(long, env = "TRADEPOST_HUB_PAYMENTS")]
    pub payments: Option<String>,
    /// How long a provider's answer is waited for, in milliseconds; what came of it is asked for again later.
    #[arg(long, env = "TRADEPOST_HUB_PAYMENT_PATIENCE_MS", default_value_t = 8_000,
        value_parser = clap::value_parser!(u64).range(1..=25_000))]
    pub payment_patience_ms: u64,
    /// File with the secret that the provider signs its notices with (`whsec_…`); without it none are taken.
    #[arg(long, env = "TRADEPOST_HUB_PAYMENT_SECRET_FILE")]
    pub payment_secret_file: Option<PathBuf>,
    /// How long a node may promise, give and hand on without reaching the hub, in seconds: 1 to 259,200 (three days).
    #[arg(long, env = "TRADEPOST_HUB_LEASE_SECONDS", default_value_t = LEASE_SECONDS_MAX,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(LEASE_SECONDS_MAX)))]
    pub lease_seconds: u32,
}

/// A part of the hub that may run as a process of its own; each of them as often as is liked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// The admin interface.
    Gateway,
    /// The gRPC services.
    Services,
    /// Nodes' sessions, and what the hub does by itself.
    Sync,
    /// From the outbox to Kafka.
    Relay,
    /// Read models and webhooks.
    Consumers,
}

/// Which database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseAddress {
    /// A SQLite file in the data folder.
    Sqlite,
    /// A PostgreSQL server.
    Postgres(String),
}

impl DatabaseAddress {
    /// Reads `sqlite` or `postgres://…`.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "sqlite" => Ok(Self::Sqlite),
            url if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                Ok(Self::Postgres(url.to_owned()))
            }
            other => Err(format!("{other}: say sqlite or postgres://user@host/database")),
        }
    }
}

/// Name and version of the program, as it says them to nodes and people.
pub fn program() -> String {
    format!("tradepost-hub {}", env!("CARGO_PKG_VERSION"))
}
