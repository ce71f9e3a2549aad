//! Starting and stopping the hub: opens what it needs, serves, says when it is ready, drains.

use crate::app::{recovering, relay};
use crate::cache::{Cache, Memory, Redis};
use crate::config::Config;
use crate::db::Db;
use crate::grpc::{self, tls};
use crate::http;
use crate::hub::{Hub, PublicFace};
use crate::journal::Journal;
use crate::secrets::write_secret;
use crate::stream::{Embedded, Kafka, Stream};
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

/// How often the relay looks by itself.
const RELAY_REST: Duration = Duration::from_millis(500);
/// How long open requests may take while the hub stops.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// A hub that is up.
pub struct Running {
    /// Where its admin interface is.
    pub admin: SocketAddr,
    /// Where the gRPC services are, where they were asked for.
    pub services: Option<SocketAddr>,
    /// Where nodes sync.
    pub sync: SocketAddr,
    /// SHA-256 of its certificate.
    pub fingerprint: [u8; 32],
    /// Its parts.
    pub hub: Arc<Hub>,
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
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
    let sync = TcpListener::bind(config.sync_listen).await?;
    let admin = TcpListener::bind(config.admin_listen).await?;
    let services = match config.services_listen {
        Some(address) => Some(TcpListener::bind(address).await?),
        None => None,
    };
    let services_at = services.as_ref().map(TcpListener::local_addr).transpose()?;
    let (sync_at, admin_at) = (sync.local_addr()?, admin.local_addr()?);
    let identity = tls::Identity::load(&config.data_dir)?;
    let address = config.public_address.clone().unwrap_or_else(|| sync_at.to_string());
    let face = PublicFace { address, fingerprint: identity.fingerprint() };
    let hub = {
        let config = config.clone();
        Arc::new(tokio::task::spawn_blocking(move || open(&config, face)).await??)
    };
    let token = http::auth::token(&config.data_dir)?;
    let metrics = http::health::recorder();
    let (stop, stopping) = watch::channel(false);
    let service = grpc::Service::new(Arc::clone(&hub));
    let nodes = grpc::serve(sync, identity.server()?, service, stopping.clone());
    let callers = services
        .map(|listener| grpc::services::serve(listener, Arc::clone(&hub), token.clone(), stopping.clone()));
    let people = http::serve(admin, Arc::clone(&hub), token, metrics, stopping.clone());
    let upkept = crate::upkeep::run(Arc::clone(&hub), stopping.clone());
    let relayed = relay_loop(Arc::clone(&hub), stopping);
    let mut tasks = vec![
        tokio::spawn(async move {
            if let Err(error) = nodes.await {
                tracing::error!(%error, "the sync listener ended");
            }
            drop(lock);
        }),
        tokio::spawn(people),
        tokio::spawn(relayed),
        tokio::spawn(upkept),
    ];
    tasks.extend(callers.map(|serving| {
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the services' listener ended");
            }
        })
    }));
    Ok(Running {
        admin: admin_at,
        services: services_at,
        sync: sync_at,
        fingerprint: identity.fingerprint(),
        hub,
        stop,
        tasks,
    })
}

impl Running {
    /// The readiness line.
    pub fn ready_line(&self, data_dir: &Path) -> String {
        let fingerprint: String = self.fingerprint.iter().map(|b| format!("{b:02x}")).collect();
        serde_json::json!({
            "ready": true,
            "admin": format!("http://{}", self.admin),
            "services": self.services.map(|address| format!("http://{address}")),
            "sync": format!("https://{}", self.sync),
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
        for task in self.tasks {
            let abort = task.abort_handle();
            if tokio::time::timeout(DRAIN_MAX, task).await.is_err() {
                abort.abort();
            }
        }
        // The database's clients must not be dropped on a thread that drives tasks.
        let _ = tokio::task::spawn_blocking(move || drop(self.hub)).await;
    }
}

fn open(config: &Config, face: PublicFace) -> Result<Hub, Trouble> {
    let db = Db::open(&config.database, &config.data_dir)?;
    let journal = Journal::open(config.journal.as_deref(), config.process, &db)?;
    let stream = match &config.kafka {
        Some(servers) => Stream::Kafka(Box::new(Kafka::new(servers)?)),
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
        present: Default::default(),
        closing: AtomicBool::new(false),
    };
    let mut luck = [0; 32];
    getrandom::fill(&mut luck).map_err(io::Error::other)?;
    recovering::at_start(&hub, luck)?;
    Ok(hub)
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

/// Relays what the outbox holds, whenever something new is there, and now and then by itself.
async fn relay_loop(hub: Arc<Hub>, mut stopping: watch::Receiver<bool>) {
    let Stream::Kafka(_) = &hub.stream else { return };
    let mut pokes = hub.pokes.subscribe();
    let mut topics_made = false;
    while !*stopping.borrow() {
        if let (false, Stream::Kafka(kafka)) = (topics_made, &hub.stream) {
            match kafka.make_topics().await {
                Ok(()) => topics_made = true,
                Err(error) => tracing::warn!(%error, "the topics could not be made"),
            }
        }
        let working = Arc::clone(&hub);
        let sent = tokio::task::spawn_blocking(move || relay::run_once(&working)).await;
        match sent {
            Ok(Ok(sent)) if sent > 0 => continue,
            Ok(Err(fault)) => tracing::warn!(%fault, "the relay waits"),
            _ => {}
        }
        tokio::select! {
            _ = pokes.changed() => {}
            () = tokio::time::sleep(RELAY_REST) => {}
            _ = stopping.changed() => {}
        }
    }
}

/// Says on standard output that the hub is ready.
pub fn say_ready(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
