//! The running program: starts the parts, says when it is ready, and ends well.

use crate::app::import::{BUILT_IN, Catalog, Format, import};
use crate::app::node::{Luck, Node};
use crate::app::problem::Stop;
use crate::app::start::{self, Opening, StartError, Starting};
use crate::app::{audit, status, tender_end};
use crate::backup::BackupError;
use crate::config::{BadConfig, Config};
use crate::db::{Durability, Fault, Reads};
use crate::http::serve::{Tls, keep_fresh, serve};
use crate::http::state::{Given, Shared};
use crate::link::Link;
use crate::net::daemon::{self, Context};
use crate::net::lan::Lan;
use crate::net::tls::Meter;
use crate::peers::Peers;
use crate::tls::Identity;
use crate::writer::{self, Machine, Writer};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use std::io::{BufReader, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};
use tradepost_telemetry::Telemetry;

/// Worker threads of the runtime; the writer has a thread of its own.
const WORKERS: usize = 2;
/// Upper ends of the buckets of durations, in seconds.
const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Why the program ends badly.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The settings.
    #[error(transparent)]
    Config(#[from] BadConfig),
    /// The start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The disk.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It would do harm, and was refused with a reason.
    #[error("{0}")]
    Refused(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Refused(why) => Failure::Refused(why),
            other => Failure::Other(other.to_string()),
        }
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::No(problem) => Failure::Other(format!("{}: {}", problem.code.name(), problem.detail)),
            Stop::Fault(fault) => Failure::Fault(fault),
        }
    }
}

/// The log goes to the standard error as JSON lines; `RUST_LOG` says how much. Traces go to a collector where the usual
/// variables name one, which they don't by default.
pub fn start_logging() -> Telemetry {
    tradepost_telemetry::start("tradepost-node", "info,refinery_core=warn")
}

/// Random bytes of the system.
pub fn luck() -> Luck {
    Box::new(|| {
        let mut bytes = [0u8; 32];
        if let Err(error) = getrandom::fill(&mut bytes) {
            // Without randomness two machines could be one incarnation.
            tracing::error!(%error, "the system has no random bytes");
            std::process::exit(writer::EXIT_BROKEN);
        }
        bytes
    })
}

/// Reads a catalog by the name of a built-in one, or from an NDJSON file.
///
/// # Errors
/// What is wrong with it, or that it isn't there.
pub fn read_catalog(name: &str) -> Result<Catalog, Failure> {
    if let Some((_, text)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
        return Ok(Catalog::read(text.as_bytes(), Format::Ndjson)?);
    }
    let file = std::fs::File::open(name).map_err(|e| Failure::Other(format!("{name}: {e}")))?;
    Ok(Catalog::read(BufReader::new(file), Format::Ndjson)?)
}

/// Serves the store until it is told to end.
///
/// # Errors
/// [`Failure`].
pub fn run(config: Config) -> Result<(), Failure> {
    let machine = Machine::default();
    let durability = if config.test_synchronous_normal { Durability::Normal } else { Durability::Full };
    let starting = Starting {
        luck: luck(),
        wall: machine.wall(),
        boot: machine.boot(),
        durability,
        accept_clock: config.accept_clock,
    };
    let (mut node, opening) = start::start(&config.data_dir, starting)?;
    match &opening {
        Opening::First => tracing::info!("a first start"),
        Opening::Whole => {}
        Opening::Restored(amnesia) => {
            tracing::error!(
                ?amnesia,
                "memory was lost: this is a new incarnation with zero rights and a new series"
            );
        }
    }
    fill_first_catalog(&mut node, &config, machine)?;
    doubt_open_tenders(&mut node)?;
    let device = node.device().clone();
    let db = node.db_path();
    let (writer, thread) = writer::spawn(node, machine)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    let served = runtime.block_on(serve_all(config, machine, device, &db, writer));
    runtime.shutdown_background();
    thread.join();
    served
}

/// What the terminals were asked before the program ended, nobody knows the answer of.
fn doubt_open_tenders(node: &mut Node) -> Result<(), Failure> {
    node.begin()?;
    let lost = tender_end::after_start(node)?;
    node.commit()?;
    if lost > 0 {
        tracing::warn!(lost, "tenders were being taken when the program ended: ask their terminals again");
    }
    Ok(())
}

fn fill_first_catalog(node: &mut Node, config: &Config, machine: Machine) -> Result<(), Failure> {
    let empty = node.rulebook().catalog == tradepost_commerce::document::CatalogVersion::default();
    if !empty {
        return Ok(());
    }
    let Some(name) = &config.catalog else {
        tracing::warn!(
            "the catalog is empty: fill it with `tradepost-node catalog import FILE`, or enrol the node"
        );
        return Ok(());
    };
    let catalog = read_catalog(name)?;
    let now = node.now(machine.wall(), machine.boot());
    node.begin()?;
    let done = import(node, now, catalog)?;
    node.commit()?;
    tracing::info!(?done, catalog = %name, "the first catalog was imported");
    Ok(())
}

async fn serve_all(
    config: Config,
    machine: Machine,
    device: tradepost_sync::signing::Device,
    db: &std::path::Path,
    writer: Writer,
) -> Result<(), Failure> {
    // Before anybody is told that the node is ready: a signal that comes early is no sudden death.
    let told_to_end = Signals::listen()?;
    let listener = TcpListener::bind(config.listen).await?;
    let address = listener.local_addr()?;
    if config.insecure_lan {
        tracing::warn!(%address, "other machines are answered without encryption (insecure_lan)");
    }
    let secure = listen_secretly(&config, machine).await?;
    let suffix = Matcher::Suffix("_seconds".to_owned());
    let recorder = PrometheusBuilder::new().set_buckets_for_metric(suffix, SECONDS);
    let recorder = recorder.map_err(|error| Failure::Other(error.to_string()))?.build_recorder();
    let handle = recorder.handle();
    // A second node in one process (tests) shares the first one's numbers.
    let _ = metrics::set_global_recorder(recorder);
    crate::http::ops::describe();
    let (link, linked) = watch::channel(Link::default());
    let (enrol, asks) = mpsc::channel(4);
    let poke = Arc::new(Notify::new());
    let peers = Arc::new(Peers::default());
    let lan = match config.lan {
        Some(address) => {
            Some(Lan::bind(&device, address, config.lan_discover).await.map_err(Failure::Other)?)
        }
        None => None,
    };
    let lan_address = lan.as_ref().and_then(Lan::address);
    let shared = Shared::new(Given {
        writer: writer.clone(),
        reads: Reads::new(db),
        machine,
        till: config.till.clone(),
        hosts: config.hosts.clone(),
        identity: secure.as_ref().map(|secure| Arc::clone(&secure.tls.identity)),
        insecure_lan: config.insecure_lan,
        link: linked,
        poke: Arc::clone(&poke),
        peers: Arc::clone(&peers),
        enrol,
        metrics: Box::new(move || handle.render()),
    });
    let context = Context {
        carrier: Arc::default(),
        writer: writer.clone(),
        reads: Arc::new(Reads::new(db)),
        machine,
        device,
        name: config.name.clone(),
        hub_override: config.hub.clone(),
        meter: Arc::new(Meter::default()),
        poke,
        link: Arc::new(link),
        peers,
    };
    let (close, closing) = watch::channel(false);
    let neighbours =
        lan.map(|lan| tokio::spawn(lan.run(context.clone(), config.peers.clone(), closing.clone())));
    let daemon = tokio::spawn(daemon::run(context, asks));
    let news = tokio::spawn(crate::http::events::tell_changes(shared.clone()));
    let upkeep = tokio::spawn(crate::upkeep::run(shared.clone(), config.open_events));
    let printing = tokio::spawn(crate::printing::run(shared.clone(), config.data_dir.clone()));
    walk_chains(&shared);
    let fresh = tokio::spawn(keep_fresh(shared.clone()));
    let listening = Listening { http: address, https: secure.as_ref().map(|s| s.address), lan: lan_address };
    say_ready(&shared, listening, &config)?;
    let secure_serving = secure.map(|secure| {
        tokio::spawn(serve(
            secure.listener,
            Some(secure.tls),
            shared.clone(),
            config.connections,
            closing.clone(),
        ))
    });
    let serving = tokio::spawn(serve(listener, None, shared.clone(), config.connections, closing));
    told_to_end.wait().await;
    tracing::info!("closing");
    writer.close();
    close.send_replace(true);
    let _ = serving.await;
    if let Some(task) = secure_serving {
        let _ = task.await;
    }
    fresh.abort();
    daemon.abort();
    news.abort();
    upkeep.abort();
    printing.abort();
    let _ = (daemon.await, news.await, upkeep.await, printing.await);
    if let Some(task) = neighbours {
        let _ = task.await;
    }
    Ok(())
}

/// Where TLS is spoken.
struct Secure {
    listener: TcpListener,
    address: SocketAddr,
    tls: Tls,
}

/// Listens where other machines are served, with a certificate of the store's own authority.
async fn listen_secretly(config: &Config, machine: Machine) -> Result<Option<Secure>, Failure> {
    let Some(address) = config.tls else { return Ok(None) };
    let mut hosts = config.hosts.clone();
    hosts.extend((!address.ip().is_unspecified()).then(|| address.ip().to_canonical().to_string()));
    let identity = Identity::load(&config.data_dir.join("tls"), &hosts, machine.wall());
    let identity = Arc::new(identity.map_err(|error| Failure::Refused(error.to_string()))?);
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let config = identity.server()?;
    Ok(Some(Secure { listener, address, tls: Tls { identity, config } }))
}

/// Where the node listens.
struct Listening {
    http: SocketAddr,
    https: Option<SocketAddr>,
    lan: Option<SocketAddr>,
}

/// One line of JSON on the standard output: the node can be used.
fn say_ready(shared: &Shared, listening: Listening, config: &Config) -> Result<(), Failure> {
    let incarnation = shared.writer.pulse().borrow().head.incarnation;
    let standing = shared.read(status::read)?;
    let line = serde_json::json!({
        "ready": true,
        "http": format!("http://{}", listening.http),
        "https": listening.https.map(|address| format!("https://{address}")),
        "ca": shared.identity.as_ref().map(|identity| identity.fingerprint()),
        "lan": listening.lan.map(|address| address.to_string()),
        "pid": std::process::id(),
        "data_dir": config.data_dir,
        "incarnation": incarnation,
        "version": env!("CARGO_PKG_VERSION"),
        "products": standing.products,
        "enrolled": standing.hub.is_some(),
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Beside the selling, every chain is walked from its beginning.
fn walk_chains(shared: &Shared) {
    let shared = shared.clone();
    std::thread::spawn(move || {
        let chains = Arc::clone(&shared.chains);
        match shared.read(audit::walk) {
            Ok(Ok(walked)) => tracing::info!(events = walked.events, "every chain is whole"),
            Ok(Err(broken)) => {
                tracing::error!(%broken, "a chain is broken");
                chains.broken.store(true, Ordering::Relaxed);
            }
            Err(stop) => {
                tracing::error!(?stop, "the chains could not be walked");
                chains.broken.store(true, Ordering::Relaxed);
            }
        }
        chains.walked.store(true, Ordering::Relaxed);
    });
}

/// The signals that end the program.
struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

/// Asks a running node to enrol itself.
///
/// # Errors
/// What the node says.
pub fn enrol(node: &str, code: &str) -> Result<(), Failure> {
    let (done, said) = post(node, "/v1/enrolment", &serde_json::json!({ "code": code }))?;
    if done { say(&said) } else { Err(Failure::Other(said)) }
}

/// Asks a running node for a code by which a device is paired, and says it; `by` is who allows it, with their PIN.
///
/// # Errors
/// What the node says.
pub fn pair(
    node: &str,
    name: &str,
    kind: &str,
    till: &str,
    by: Option<(String, String)>,
) -> Result<(), Failure> {
    let approval = by.map(|(staff, pin)| serde_json::json!({ "staff": staff, "pin": pin }));
    let body = serde_json::json!({ "name": name, "kind": kind, "till": till, "approval": approval });
    let (done, said) = post(node, "/v1/pairings", &body)?;
    if done { say(&said) } else { Err(Failure::Other(said)) }
}

/// Asks a running node to retire; what it says about that.
///
/// # Errors
/// [`Failure::Refused`] with the node's reason.
pub fn retire(node: &str, to: &str, force: bool) -> Result<(), Failure> {
    let (done, said) = post(node, "/v1/retirement", &serde_json::json!({ "to": to, "force": force }))?;
    if done {
        return say(&said);
    }
    let problem: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
    let (code, detail) = (problem["code"].as_str(), problem["detail"].as_str());
    let reason = code.zip(detail).map(|(code, detail)| format!("{code}: {detail}"));
    Err(Failure::Refused(reason.unwrap_or(said)))
}

/// Says a line on the standard output.
///
/// # Errors
/// What the system says.
pub fn say(line: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

/// Posts to a running node: whether something was made, and what it says.
fn post(node: &str, path: &str, body: &serde_json::Value) -> Result<(bool, String), Failure> {
    use std::io::Read;
    let host = node.trim_start_matches("http://").trim_end_matches('/');
    let body = body.to_string();
    let mut stream = std::net::TcpStream::connect(host)?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let said = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((answer.starts_with("HTTP/1.1 201"), said.to_owned()))
}
