//! The engines under the hubs that the journeys start. Plain, a hub keeps all in its own file; with
//! `TRADEPOST_HUB_ENGINES=services` every hub that names no database stands on PostgreSQL, Kafka and Redis, so that the
//! same journeys are walked on both by the same code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Databases made so far, by the data folder of their hub.
static MADE: Mutex<BTreeMap<PathBuf, String>> = Mutex::new(BTreeMap::new());

/// Whether hubs stand on PostgreSQL, Kafka and Redis in this run.
#[must_use]
pub fn services() -> bool {
    std::env::var_os("TRADEPOST_HUB_ENGINES").is_some_and(|said| said == "services")
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
    for (flag, variable) in [("--kafka", "TRADEPOST_KAFKA"), ("--redis", "TRADEPOST_REDIS_URL")] {
        if !args.contains(&flag) {
            added.extend([flag.to_owned(), address(variable)]);
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
        // A database that stays hurts nobody: the server is the run's own.
        let _ = run_sql(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    }
}

fn database_of(data: &Path) -> String {
    let url = address("TRADEPOST_PG_URL");
    let name =
        format!("tradepost_journey_{}", &blake3::hash(data.as_os_str().as_encoded_bytes()).to_hex()[..16]);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if made.insert(data.to_owned(), name.clone()).is_none() {
        run_sql(&format!("CREATE DATABASE {name}")).expect("a database of the journey's own");
    }
    let (server, _) = url.rsplit_once('/').expect("an address ends with a database");
    format!("{server}/{name}")
}

/// On a thread of its own: the client blocks, and the caller may be driving tasks.
fn run_sql(sql: &str) -> Result<(), postgres::Error> {
    let run = || postgres::Client::connect(&address("TRADEPOST_PG_URL"), postgres::NoTls)?.batch_execute(sql);
    std::thread::scope(|scope| scope.spawn(run).join().expect("the thread doesn't panic"))
}

fn address(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("TRADEPOST_HUB_ENGINES=services, but {variable} is not set"))
}
