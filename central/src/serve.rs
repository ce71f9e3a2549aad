//! Starting and stopping the hub: opens what it needs, serves, says when it is ready, drains.

use crate::app::payments::Desk;
use crate::app::recovering;
use crate::cache::{Cache, Memory, Redis};
use crate::config::{Config, Role};
use crate::db::Db;
use crate::grpc::{self, tls};
use crate::http;
use crate::hub::{Hub, PublicFace};
use crate::journal::Journal;
use crate::outflow;
use crate::payment::{Adapter, Payments, Simulated};
use crate::secrets::write_secret;
use crate::stream::{Embedded, Kafka, Stream};
use crate::webhook;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tradepost_sync::signing::Device;

/// Anything that keeps the hub from starting.
pub type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// How long open requests may take while the hub stops.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// A hub that is up.
pub struct Running {
    /// Where its admin interface is, in a process that has it.
    pub admin: Option<SocketAddr>,
    /// Where the gRPC services are, where they were asked for.
    pub services: Option<SocketAddr>,
    /// Where nodes sync, in a process that serves them.
    pub sync: Option<SocketAddr>,
    /// Where metrics and health are told apart from the admin interface, where that was asked for.
    pub metrics: Option<SocketAddr>,
    /// SHA-256 of its certificate.
    pub fingerprint: [u8; 32],
    /// Its parts.
    pub hub: Arc<Hub>,
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    /// Keeps the folder this process's own until all has stopped.
    lock: std::fs::File,
}

/// Starts the hub; it serves when this returns.
pub async fn start(config: &Config) -> Result<Running, Trouble> {
    if !config.admin_listen.ip().is_loopback() {
        return Err("the admin interface is plain HTTP: let it listen on loopback".into());
    }
    if config.services_listen.is_some_and(|address| !address.ip().is_loopback()) {
        return Err("the services are plain gRPC: let them listen on loopback".into());
    }
    make_folder(&config.data_dir)?;
    let lock = lock(&config.data_dir)?;
    let has = |role: Role| config.roles.contains(&role);
    let sync = listener(has(Role::Sync).then_some(config.sync_listen)).await?;
    let admin = listener(has(Role::Gateway).then_some(config.admin_listen)).await?;
    let services = listener(config.services_listen.filter(|_| has(Role::Services))).await?;
    let metrics_door = listener(config.metrics_listen).await?;
    let address_of = |of: &Option<TcpListener>| of.as_ref().map(TcpListener::local_addr).transpose();
    let (sync_at, admin_at, services_at) = (address_of(&sync)?, address_of(&admin)?, address_of(&services)?);
    let metrics_at = address_of(&metrics_door)?;
    let identity = tls::Identity::load(&config.data_dir)?;
    let address =
        config.public_address.clone().unwrap_or_else(|| sync_at.unwrap_or(config.sync_listen).to_string());
    let face = PublicFace { address, fingerprint: identity.fingerprint() };
    let hub = {
        let config = config.clone();
        Arc::new(tokio::task::spawn_blocking(move || open(&config, face)).await??)
    };
    let token = http::auth::token(&config.data_dir)?;
    let metrics = http::metrics::recorder();
    let app = Arc::new(http::App { hub: Arc::clone(&hub), token: token.clone(), metrics });
    let (stop, stopping) = watch::channel(false);
    let mut tasks = Vec::new();
    if let Some(listener) = sync {
        let nodes =
            grpc::serve(listener, identity.server()?, grpc::Service::new(Arc::clone(&hub)), stopping.clone());
        tasks.push(tokio::spawn(async move {
            if let Err(error) = nodes.await {
                tracing::error!(%error, "the sync listener ended");
            }
        }));
        tasks.push(tokio::spawn(crate::upkeep::run(Arc::clone(&hub), stopping.clone())));
    }
    if let Some(listener) = services {
        let callers = grpc::services::serve(listener, Arc::clone(&hub), token.clone(), stopping.clone());
        tasks.push(tokio::spawn(async move {
            if let Err(error) = callers.await {
                tracing::error!(%error, "the services' listener ended");
            }
        }));
    }
    if let Some(listener) = admin {
        tasks.push(tokio::spawn(http::serve(listener, Arc::clone(&app), stopping.clone())));
    }
    if let Some(listener) = metrics_door {
        tasks.push(tokio::spawn(http::metrics::serve(listener, app, stopping.clone())));
    }
    if has(Role::Services) || has(Role::Gateway) {
        tasks.push(tokio::spawn(crate::checkout::run(Arc::clone(&hub), stopping.clone())));
    }
    if has(Role::Relay) {
        tasks.push(tokio::spawn(outflow::relay(Arc::clone(&hub), stopping.clone())));
    }
    if has(Role::Consumers) {
        tasks.extend(outflow::consume(&hub, &stopping));
    }
    Ok(Running {
        admin: admin_at,
        services: services_at,
        sync: sync_at,
        metrics: metrics_at,
        fingerprint: identity.fingerprint(),
        hub,
        stop,
        tasks,
        lock,
    })
}

impl Running {
    /// The readiness line.
    pub fn ready_line(&self, data_dir: &Path) -> String {
        let fingerprint: String = self.fingerprint.iter().map(|b| format!("{b:02x}")).collect();
        serde_json::json!({
            "ready": true,
            "admin": self.admin.map(|address| format!("http://{address}")),
            "services": self.services.map(|address| format!("http://{address}")),
            "sync": self.sync.map(|address| format!("https://{address}")),
            "metrics": self.metrics.map(|address| format!("http://{address}")),
            "fingerprint": fingerprint,
            "pid": std::process::id(),
            "data_dir": data_dir,
            "version": env!("CARGO_PKG_VERSION"),
        })
        .to_string()
    }

    /// Refuses what is new, finishes what was begun, and stops.
    pub async fn stop(self) {
        self.hub.closing.store(true, Ordering::Release);
        self.hub.poke();
        // Nobody listening any more is what is wanted.
        let _ = self.stop.send(true);
        let until = tokio::time::Instant::now() + DRAIN_MAX;
        for task in self.tasks {
            let abort = task.abort_handle();
            if tokio::time::timeout_at(until, task).await.is_err() {
                abort.abort();
            }
        }
        // The database's clients must not be dropped on a thread that drives tasks.
        let _ = tokio::task::spawn_blocking(move || drop(self.hub)).await;
        drop(self.lock);
    }
}

async fn listener(at: Option<SocketAddr>) -> io::Result<Option<TcpListener>> {
    match at {
        Some(address) => TcpListener::bind(address).await.map(Some),
        None => Ok(None),
    }
}

fn open(config: &Config, face: PublicFace) -> Result<Hub, Trouble> {
    let db = Db::open(&config.database, &config.data_dir)?;
    let journal = Journal::open(config.journal.as_deref(), config.process, &db)?;
    let stream = match &config.kafka {
        Some(servers) => Stream::Kafka(Box::new(Kafka::new(servers, &config.kafka_prefix))),
        None => Stream::Embedded(Embedded),
    };
    let cache = match &config.redis {
        Some(url) => Cache::Redis(Box::new(Redis::new(url)?)),
        None => Cache::Memory(Memory::default()),
    };
    let device = Device::from_secret(device_secret(&config.data_dir)?);
    let (pokes, _) = watch::channel(0);
    let hub = Hub {
        db,
        stream,
        cache,
        device,
        journal,
        face,
        lease_ms: i64::from(config.lease_seconds) * 1_000,
        pokes,
        payments: desk(config)?,
        present: Default::default(),
        closing: AtomicBool::new(false),
    };
    let mut luck = [0; 32];
    getrandom::fill(&mut luck).map_err(io::Error::other)?;
    recovering::at_start(&hub, luck)?;
    Ok(hub)
}

/// Who takes the money of web orders, as the configuration says.
fn desk(config: &Config) -> Result<Desk, Trouble> {
    let provider = match config.payments.as_deref() {
        None => Payments::None,
        Some("simulated") => Payments::Simulated(Simulated::default()),
        Some(url) => Payments::Adapter(Adapter::new(url)?),
    };
    let secret = config.payment_secret_file.as_ref().map(std::fs::read_to_string).transpose()?;
    let secret = secret.map(|text| webhook::secret(text.trim())).transpose()?;
    Ok(Desk { provider, patience: Duration::from_millis(config.payment_patience_ms), secret })
}

fn make_folder(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    #[cfg(unix)]
    std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

/// One process a folder: a second one is refused.
pub(crate) fn lock(folder: &Path) -> Result<std::fs::File, Trouble> {
    let file = std::fs::File::create(folder.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err("another hub runs on this data folder".into()),
        Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

/// The hub's key, made at the first start.
fn device_secret(folder: &Path) -> io::Result<[u8; 32]> {
    let path = folder.join("hub.key");
    match std::fs::read(&path) {
        Ok(bytes) => bytes.try_into().map_err(|_| io::Error::other("hub.key is not a key of 32 bytes")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).map_err(io::Error::other)?;
            write_secret(&path, &secret)?;
            Ok(secret)
        }
        Err(error) => Err(error),
    }
}

/// Says on standard output that the hub is ready.
pub fn say_ready(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
