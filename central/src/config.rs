//! What the hub is told at start: by flags or by the environment.

use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

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

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs the hub until it is told to stop.
    Run(Box<Config>),
    /// Prints the `OpenAPI` document of the admin interface.
    Openapi,
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
    /// `host:port` that enrolment codes tell nodes; the sync address itself if not given.
    #[arg(long, env = "TRADEPOST_HUB_PUBLIC_ADDRESS")]
    pub public_address: Option<String>,
    /// `sqlite`, or `postgres://…`.
    #[arg(long, env = "TRADEPOST_HUB_DATABASE", default_value = "sqlite", value_parser = DatabaseAddress::parse)]
    pub database: DatabaseAddress,
    /// Kafka's bootstrap servers; without them the outbox table itself is the stream.
    #[arg(long, env = "TRADEPOST_HUB_KAFKA")]
    pub kafka: Option<String>,
    /// Redis; without it the cache is in memory.
    #[arg(long, env = "TRADEPOST_HUB_REDIS")]
    pub redis: Option<String>,
    /// Folder, best on other storage, for the journal of the hub's own events.
    #[arg(long, env = "TRADEPOST_HUB_JOURNAL")]
    pub journal: Option<PathBuf>,
    /// This process's number, where several hubs share a database.
    #[arg(long, env = "TRADEPOST_HUB_PROCESS", default_value_t = 1)]
    pub process: u32,
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
