//! The engines under a hub are taken away while its stores sell: PostgreSQL killed hard and its backends ended at random,
//! Redis killed and emptied. Real servers of the test's own, a real hub, real nodes; at the end hub and nodes hold the
//! same, and every sale that was answered stands there once.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use tradepost_tests::demo::progress::print_line;
use tradepost_tests::hub_bench::service;
use tradepost_tests::lan::{LanStore, STORE};
use tradepost_tests::process::wait_for;
use tradepost_tests::seed::{Luck, full};

/// Ten times what is promised.
const SOON: Duration = Duration::from_secs(180);

/// Servers of this test alone: what is done to them hurts no other test.
struct Servers {
    folder: PathBuf,
}

impl Servers {
    /// None where the run has no services: then the test says that it is skipped.
    fn start(test: &str, names: &[&str]) -> Option<Self> {
        service("TRADEPOST_PG_URL", test)?;
        let folder = PathBuf::from(format!("/tmp/tradepost-{test}-{}", std::process::id()));
        let servers = Self { folder };
        names.iter().for_each(|name| {
            servers.run(&["up", name]);
        });
        Some(servers)
    }

    fn script(&self, args: &[&str]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/services");
        let done = Command::new(script).args(args).env("TRADEPOST_SERVICES_DIR", &self.folder).output();
        done.expect("the script runs")
    }

    fn run(&self, args: &[&str]) -> String {
        let done = self.script(args);
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// kill −9.
    fn kill(&self, name: &str) {
        self.run(&["kill", name]);
    }

    /// What the killed server's children still hold may keep a new one out for a moment.
    fn back(&self, name: &str) {
        wait_for("the server to start", SOON, || self.script(&["up", name]).status.success())
            .expect("it does");
    }

    fn address(&self, variable: &str) -> String {
        let lines = self.run(&["status", "--env"]);
        let found = lines.lines().find_map(|line| line.split_once(&format!("{variable}=")));
        let (_, value) = found.unwrap_or_else(|| panic!("no {variable} in {lines}"));
        value.trim_matches(['\'', '"']).to_owned()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        // Servers that stay would hurt nobody but the machine: a failing test has said more already.
        let _ = self.script(&["down"]);
    }
}

/// How often something is taken away.
fn times() -> u64 {
    if full() { 50 } else { 5 }
}

/// Some sales at a till picked by luck. A node answers whatever becomes of the hub.
fn sell(store: &mut LanStore, luck: &mut Luck, sales: &mut BTreeSet<String>) {
    for _ in 0..=luck.below(5) {
        let node = usize::from(luck.below(2) == 1);
        let (sale, answer) = store.nodes[node].sell("MUG", 1);
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert!(sales.insert(sale), "ids are fresh");
    }
}

/// Everything that was answered stands at the hub, once, and the shelf is right.
fn comes_out(store: &mut LanStore, sales: &BTreeSet<String>, received: usize) -> Duration {
    let begun = Instant::now();
    for node in 0..store.nodes.len() {
        let level =
            wait_for("the hub to have everything", SOON, || store.nodes[node].status()["unsynced"] == 0);
        level.unwrap_or_else(|late| panic!("{late}: {:#}", store.nodes[node].status()));
    }
    let took = begun.elapsed();
    store.agrees();
    let mut booked = BTreeSet::new();
    let mut path = format!("/v1/orders?store={STORE}&limit=200");
    loop {
        let page = store.admin.get(&path).expect("the hub answers").ok();
        for order in page["data"].as_array().expect("orders") {
            assert!(booked.insert(order["id"].as_str().expect("an id").to_owned()), "booked twice: {order}");
            assert_eq!(order["duplicate"], Value::Bool(false), "{order}");
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/orders?store={STORE}&limit=200&cursor={next}");
    }
    assert_eq!(booked, *sales, "every sale that was answered, and no other");
    let left = i64::try_from(received - sales.len()).expect("small");
    assert_eq!(store.nodes[0].figure("MUG", "on_hand"), left);
    took
}

#[test]
fn postgres_is_killed_while_sales_come_in_and_nothing_is_lost_or_doubled() {
    let Some(servers) = Servers::start("faults-postgres", &["postgres"]) else { return };
    let url = servers.address("TRADEPOST_PG_URL");
    let args = ["--database".to_owned(), url.clone()];
    let mut store = LanStore::open_on("faults-postgres", &["north", "south"], &[("MUG", "InHand")], &args);
    let mut luck = Luck::of_this_run("faults_engines_postgres");
    let (mut sales, received) = (BTreeSet::new(), 2_000);
    store.nodes[0].receive("MUG", 2_000);
    let mut ended = 0;
    for _ in 0..times() {
        sell(&mut store, &mut luck, &mut sales);
        // Sessions are ended in the middle of their work.
        if let Ok(mut client) = postgres::Client::connect(&url, postgres::NoTls) {
            let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
            ended += client.query(others, &[]).map_or(0, |rows| rows.len());
        }
        sell(&mut store, &mut luck, &mut sales);
        servers.kill("postgres");
        sell(&mut store, &mut luck, &mut sales);
        servers.back("postgres");
    }
    sell(&mut store, &mut luck, &mut sales);
    let took = comes_out(&mut store, &sales, received);
    print_line(&format!(
        "postgres: killed {} times, {ended} sessions ended, {} sales, 0 lost, 0 doubled, level {:.1} s after the last",
        times(),
        sales.len(),
        took.as_secs_f64()
    ));
}

/// Every process of a server: its first, and its children.
fn signal(first: u32, signal: &str) {
    let children = Command::new("pgrep").args(["-P", &first.to_string()]).output().expect("it runs");
    let children = String::from_utf8_lossy(&children.stdout).into_owned();
    let all = children.split_whitespace().map(str::to_owned).chain([first.to_string()]);
    let sent = Command::new("kill").arg(format!("-{signal}")).args(all).status().expect("it runs");
    // A child that has ended meanwhile is none to be stopped.
    assert!(sent.success() || signal == "STOP", "kill -{signal}");
}

/// A server that takes connections and answers nobody, as on a machine that is out of memory or whose disk hangs.
#[test]
fn postgres_stands_still_and_the_stores_sell_on() {
    let Some(servers) = Servers::start("faults-still", &["postgres"]) else { return };
    let args = ["--database".to_owned(), servers.address("TRADEPOST_PG_URL")];
    let mut store = LanStore::open_on("faults-still", &["north", "south"], &[("MUG", "InHand")], &args);
    let pid = std::fs::read_to_string(servers.folder.join("pg/postmaster.pid")).expect("the server runs");
    let first: u32 = pid.lines().next().and_then(|line| line.parse().ok()).expect("its process");
    let mut luck = Luck::of_this_run("faults_engines_still");
    let (mut sales, received) = (BTreeSet::new(), 500);
    store.nodes[0].receive("MUG", 500);
    for _ in 0..times().div_ceil(5) {
        sell(&mut store, &mut luck, &mut sales);
        signal(first, "STOP");
        sell(&mut store, &mut luck, &mut sales);
        let (asked, said) = (Instant::now(), store.admin.get("/readyz").expect("the hub answers"));
        signal(first, "CONT");
        assert_eq!(said.status, 503, "{}", said.text());
        assert_eq!(said.json()["status"], "UNAVAILABLE", "it says what is wrong");
        assert!(asked.elapsed() < SOON, "it says so in time");
        wait_for("the hub to be ready", SOON, || store.admin.get("/readyz").is_ok_and(|it| it.status == 200))
            .expect("its database works again");
    }
    // It works, and somebody's long statement is in the way: that is waited for.
    let mut other =
        postgres::Client::connect(&servers.address("TRADEPOST_PG_URL"), postgres::NoTls).expect("a way");
    let mut held = other.transaction().expect("a transaction");
    held.batch_execute("LOCK TABLE orders, outbox IN ACCESS EXCLUSIVE MODE").expect("a lock");
    sell(&mut store, &mut luck, &mut sales);
    held.commit().expect("it ends");
    let took = comes_out(&mut store, &sales, received);
    print_line(&format!(
        "postgres: stood still {} times and was locked once, {} sales, 0 lost, 0 doubled, level {:.1} s after the last",
        times().div_ceil(5),
        sales.len(),
        took.as_secs_f64()
    ));
}

#[test]
fn redis_is_killed_and_emptied_while_sales_come_in_and_nobody_notices() {
    let Some(servers) = Servers::start("faults-redis", &["postgres", "redis"]) else { return };
    let redis = servers.address("TRADEPOST_REDIS_URL");
    let args =
        ["--database".to_owned(), servers.address("TRADEPOST_PG_URL"), "--redis".to_owned(), redis.clone()];
    let mut store = LanStore::open_on("faults-redis", &["north", "south"], &[("MUG", "InHand")], &args);
    let mut luck = Luck::of_this_run("faults_engines_redis");
    let (mut sales, received) = (BTreeSet::new(), 2_000);
    store.nodes[0].receive("MUG", 2_000);
    let cli = |words: &[&str]| {
        let ran = Command::new("redis-cli").args(["-u", &redis]).args(words).output().expect("it runs");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    };
    for _ in 0..times() {
        sell(&mut store, &mut luck, &mut sales);
        cli(&["FLUSHALL"]);
        sell(&mut store, &mut luck, &mut sales);
        // Nobody is answered for a while, as by a machine that is out of breath.
        cli(&["CLIENT", "PAUSE", "1500", "ALL"]);
        sell(&mut store, &mut luck, &mut sales);
        let shown = store.admin.get(&format!("/v1/stores/{STORE}/stock/MUG")).expect("the hub answers");
        assert_eq!(shown.status, 200, "{}", shown.text());
        servers.kill("redis");
        sell(&mut store, &mut luck, &mut sales);
        let shown = store.admin.get(&format!("/v1/stores/{STORE}/stock/MUG")).expect("the hub answers");
        assert_eq!(shown.status, 200, "{}", shown.text());
        servers.back("redis");
    }
    let took = comes_out(&mut store, &sales, received);
    print_line(&format!(
        "redis: emptied, paused and killed {} times each, {} sales, 0 lost, 0 doubled, level {:.1} s after the last",
        times(),
        sales.len(),
        took.as_secs_f64()
    ));
}
