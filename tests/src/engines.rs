//! The engines under the hubs that the journeys start. Plain, a hub keeps all in its own file; with
//! `TRADEPOST_HUB_ENGINES=services` every hub that names no database stands on PostgreSQL, Kafka and Redis, so that the
//! same journeys are walked on both by the same code. With `services-redis-stopped` and `services-kafka-stopped` one of
//! them is configured and not there; what a hub could not publish is drained to the real Kafka at the journey's end.

use crate::process::{Program, wait_for};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Databases made so far, by the data folder of their hub.
static MADE: Mutex<BTreeMap<PathBuf, String>> = Mutex::new(BTreeMap::new());

/// Stands before the topics of what is drained: topics of each hub's own would be thousands.
const DRAIN: &str = "drain.";
/// Where nobody listens.
const STOPPED: &str = "127.0.0.1:1";
/// A hub's whole outbox is drained within this time once Kafka is there.
const DRAINED: Duration = Duration::from_secs(120);

fn said() -> String {
    std::env::var("TRADEPOST_HUB_ENGINES").unwrap_or_default()
}

/// Whether hubs stand on PostgreSQL, Kafka and Redis in this run.
#[must_use]
pub fn services() -> bool {
    said().starts_with("services")
}

/// Whether hubs stand on those, and Kafka runs.
#[must_use]
pub fn kafka() -> bool {
    services() && !stopped("kafka")
}

/// Whether a test that needs Kafka's consumers can't be run: Kafka is configured and stopped. Says so.
#[must_use]
pub fn needs_kafka(test: &str) -> bool {
    let missing = stopped("kafka");
    if missing {
        eprintln!("{test}: skipped, its consumers read Kafka, which is stopped in this run");
    }
    missing
}

fn stopped(engine: &str) -> bool {
    said() == format!("services-{engine}-stopped")
}

/// What is added to a hub's arguments for the engines of this run: nothing where it names its database itself. The same
/// data folder gets the same database, so that a hub that is started again finds its own.
///
/// # Panics
/// Where the run asks for the services and their addresses are not in the environment, or PostgreSQL can't be reached.
#[must_use]
pub fn of_hub(program: &str, args: &[&str]) -> Vec<String> {
    let named = args.contains(&"--database") || args.first() != Some(&"run");
    if program != "tradepost-hub" || named || !services() {
        return Vec::new();
    }
    let data = args.iter().position(|arg| *arg == "--data-dir").and_then(|at| args.get(at + 1));
    let database = database_of(Path::new(data.expect("a hub of a test has a folder")));
    let mut added = vec!["--database".to_owned(), database];
    // Hubs of journeys share one cluster: consumers of one would read what another says.
    if !args.contains(&"--roles") {
        added.extend(["--roles".to_owned(), "gateway,services,sync,relay".to_owned()]);
    }
    let kafka = if stopped("kafka") { STOPPED.to_owned() } else { address("TRADEPOST_KAFKA") };
    let redis = if stopped("redis") { format!("redis://{STOPPED}/") } else { address("TRADEPOST_REDIS_URL") };
    for (flag, address) in [("--kafka", kafka), ("--redis", redis)] {
        if !args.contains(&flag) {
            added.extend([flag.to_owned(), address]);
        }
    }
    added
}

/// Drops the databases of hubs whose data is in a folder.
pub fn forget(folder: &Path) {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let gone: Vec<PathBuf> = made.keys().filter(|data| data.starts_with(folder)).cloned().collect();
    for data in gone {
        let name = made.remove(&data).expect("it was just seen");
        if stopped("kafka") {
            drain(folder, &name);
        }
        // A database that stays hurts nobody: the server is the run's own.
        let _ = run_sql(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    }
}

fn database_of(data: &Path) -> String {
    let name =
        format!("tradepost_journey_{}", &blake3::hash(data.as_os_str().as_encoded_bytes()).to_hex()[..16]);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if made.insert(data.to_owned(), name.clone()).is_none() {
        run_sql(&format!("CREATE DATABASE {name}")).expect("a database of the journey's own");
    }
    url_of(&name)
}

fn url_of(name: &str) -> String {
    let url = address("TRADEPOST_PG_URL");
    let (server, _) = url.rsplit_once('/').expect("an address ends with a database");
    format!("{server}/{name}")
}

/// Kafka is there again: a relay publishes everything that a hub had to say. The hub itself knows Kafka's address of before
/// and is ended first, and what its relay held is given back, as it would be after the lease's time.
fn drain(folder: &Path, name: &str) {
    let hubs = format!("tradepost-hub run .*{}", folder.display());
    let _ = Command::new("pkill").args(["-KILL", "-f", &hubs]).status();
    run_on(&url_of(name), "UPDATE relay_leases SET until = 0").expect("the hub's database answers");
    let data = folder.join(format!("drain-{name}")).to_string_lossy().into_owned();
    let (database, kafka) = (url_of(name), address("TRADEPOST_KAFKA"));
    let args = ["run", "--roles", "relay", "--data-dir", &data, "--process", "9"];
    let more = ["--database", &database, "--kafka", &kafka, "--kafka-prefix", DRAIN];
    let relay = Program::start("tradepost-hub", &[&args[..], &more[..]].concat()).expect("a relay");
    let left = || rows(&database, UNPUBLISHED);
    wait_for("a drained outbox", DRAINED, || left() == 0)
        .unwrap_or_else(|e| panic!("{e}: {} records of {name} were not published", left()));
    drop(relay);
    eprintln!("{name}: all {} records were published once Kafka was there", rows(&database, ALL));
}

const UNPUBLISHED: &str = "SELECT CAST(COALESCE(SUM(last - relayed), 0) AS BIGINT) FROM outbox_streams";
const ALL: &str = "SELECT CAST(COALESCE(SUM(relayed), 0) AS BIGINT) FROM outbox_streams";

fn rows(database: &str, sql: &str) -> i64 {
    let read = || -> Result<i64, postgres::Error> {
        Ok(postgres::Client::connect(database, postgres::NoTls)?.query_one(sql, &[])?.get(0))
    };
    let read = std::thread::scope(|scope| scope.spawn(read).join().expect("the thread doesn't panic"));
    read.expect("the hub's database answers")
}

fn run_sql(sql: &str) -> Result<(), postgres::Error> {
    run_on(&address("TRADEPOST_PG_URL"), sql)
}

/// On a thread of its own: the client blocks, and the caller may be driving tasks.
fn run_on(database: &str, sql: &str) -> Result<(), postgres::Error> {
    let run = || postgres::Client::connect(database, postgres::NoTls)?.batch_execute(sql);
    std::thread::scope(|scope| scope.spawn(run).join().expect("the thread doesn't panic"))
}

fn address(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("TRADEPOST_HUB_ENGINES asks for services, but {variable} is not set"))
}
