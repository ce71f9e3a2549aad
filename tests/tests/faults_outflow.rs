//! What leaves the hub while its relays and consumers are killed, and while Kafka is away: real processes that share
//! PostgreSQL and Kafka; at the end every record is there under its own id, and the read models come to what was sold.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tradepost_central::app::fan_out;
use tradepost_central::cache::{Cache, Memory};
use tradepost_central::config::DatabaseAddress;
use tradepost_central::consumers::read;
use tradepost_central::hub::Hub;
use tradepost_central::stream::cloud_event::TOPICS;
use tradepost_central::stream::{Kafka, Stream};
use tradepost_sync::session::Applied;
use tradepost_tests::demo::progress::print_line;
use tradepost_tests::hub_bench::{Enrolled, PgDatabase, hub, service};
use tradepost_tests::process::{Program, TempDir};
use tradepost_tests::seed::{Luck, full};

/// Ten times what is promised.
const SOON: Duration = Duration::from_secs(180);

/// A hub that takes sales in this process, and workers that relay and consume beside it.
struct Works {
    hub: Hub,
    folder: TempDir,
    database: PgDatabase,
    servers: String,
    prefix: String,
    store: Enrolled,
    given: u64,
    workers: Vec<Option<Program>>,
}

fn open(test: &str) -> Option<Works> {
    let url = service("TRADEPOST_PG_URL", test)?;
    let servers = service("TRADEPOST_KAFKA", test)?;
    let (folder, database) = (TempDir::new("outflow"), PgDatabase::make(&url));
    let mut name = [0; 6];
    getrandom::fill(&mut name).expect("the system has random bytes");
    let prefix = format!("f{}.", name.map(|b| format!("{b:02x}")).concat());
    let stream = Stream::Kafka(Box::new(Kafka::new(&servers, &prefix)));
    let address = DatabaseAddress::Postgres(database.url());
    let hub = hub(folder.path(), &address, stream, Cache::Memory(Memory::default()));
    let store = Enrolled::make(&hub, "13", 1);
    Some(Works { hub, folder, database, servers, prefix, store, given: 0, workers: vec![None, None] })
}

impl Works {
    fn start(&mut self, worker: usize) {
        let data = self.folder.path().join(format!("worker-{worker}"));
        let (data, process) = (data.to_string_lossy().into_owned(), (worker + 2).to_string());
        let url = self.database.url();
        let args = [
            "run",
            "--roles",
            "relay,consumers",
            "--data-dir",
            &data,
            "--database",
            &url,
            "--kafka",
            &self.servers,
            "--kafka-prefix",
            &self.prefix,
            "--process",
            &process,
        ];
        self.workers[worker] = Some(Program::start("tradepost-hub", &args).expect("a worker starts"));
    }

    fn kill(&mut self, worker: usize) {
        self.workers[worker].take().expect("it runs").kill();
    }

    /// Some sales reach the hub in one batch.
    fn sell(&mut self, luck: &mut Luck) {
        for _ in 0..=luck.below(6) {
            let pieces = 1 + i64::try_from(luck.below(3)).expect("small");
            let sku = ["MILK", "TEA", "CAKE"][usize::try_from(luck.below(3)).expect("small")];
            self.store.writer.sold(&[(sku, pieces, 100)]);
        }
        let end = self.store.writer.head.seq;
        let batch = self.store.writer.raw(self.given + 1, end);
        assert!(matches!(self.store.give(&self.hub, &batch), Applied::Done(_)));
        self.given = end;
    }

    /// Everything that the facts say outward, by id.
    fn said(&self) -> BTreeMap<String, String> {
        let events = self.store.writer.events.iter();
        let records = events.flat_map(|event| fan_out::event("13", true, &event.bytes));
        records.map(|record| (record.id, record.ty)).collect()
    }

    /// The read models come to what was sold, and nothing is set aside.
    fn agrees(&self) -> Result<(), String> {
        let said = self.said();
        let orders = said.values().filter(|ty| ty.contains("order.created")).count();
        let counters = read::counters(&self.hub, "13").map_err(|fault| fault.to_string())?;
        let counted =
            |name: &str| counters.iter().find(|(known, ..)| known == name).map_or((0, 0), |it| (it.1, it.2));
        let paid = counted("payment.cash");
        if usize::try_from(paid.0).ok() != Some(orders) {
            return Err(format!("{} payments of {orders}", paid.0));
        }
        let sums = read::balances(&self.hub, "13", "0000-01-01", "9999-12-31").map_err(|f| f.to_string())?;
        let cash: i64 = sums.iter().filter(|(_, account, ..)| account == "cash").map(|sum| sum.3).sum();
        let days =
            read::sales_by_day(&self.hub, "13", "0000-01-01", "9999-12-31").map_err(|f| f.to_string())?;
        let (sales, total) = days.iter().fold((0, 0), |(n, sum), day| (n + day.sales, sum + day.total));
        if (cash, total, usize::try_from(sales).ok()) != (paid.1, paid.1, Some(orders)) {
            return Err(format!("cash {cash}, paid {}, sold {sales} for {total}", paid.1));
        }
        let shelf = read::shelf(&self.hub, "13").map_err(|fault| fault.to_string())?;
        let gone: i64 = shelf.iter().map(|(_, on_hand, _)| -on_hand).sum();
        if gone * 100 != total {
            return Err(format!("{gone} pieces for {total}"));
        }
        for it in read::standing(&self.hub).map_err(|fault| fault.to_string())? {
            if (it.parked, it.dead) != (0, 0) {
                return Err(format!("{it:?}"));
            }
        }
        Ok(())
    }

    fn settle(&self) -> Duration {
        let begun = Instant::now();
        loop {
            let state = self.agrees();
            if state.is_ok() {
                return begun.elapsed();
            }
            assert!(begun.elapsed() < SOON, "{state:?}: {:?}", read::standing(&self.hub));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Ids that readers of what is committed see: every one of the facts, and how many came more than once.
    fn published(&self) -> (usize, usize) {
        use rdkafka::consumer::{BaseConsumer, Consumer};
        use rdkafka::message::{Headers, Message};
        let reader: BaseConsumer = rdkafka::ClientConfig::new()
            .set("bootstrap.servers", &self.servers)
            .set("group.id", format!("{}look", self.prefix))
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            .create()
            .expect("a consumer");
        let topics: Vec<String> = TOPICS.iter().map(|topic| format!("{}{topic}", self.prefix)).collect();
        reader.subscribe(&topics.iter().map(String::as_str).collect::<Vec<_>>()).expect("it reads");
        let said = self.said();
        let (begun, mut seen, mut again) = (Instant::now(), BTreeSet::new(), 0);
        while seen.len() < said.len() && begun.elapsed() < SOON {
            let Some(Ok(message)) = reader.poll(Duration::from_millis(200)) else { continue };
            let headers = message.headers().expect("CloudEvents headers");
            let id = headers.iter().find(|header| header.key == "ce_id").and_then(|header| header.value);
            let id = String::from_utf8_lossy(id.unwrap_or_default()).into_owned();
            if !said.contains_key(&id) {
                // The hub's own stream of the store says things too.
                continue;
            }
            again += usize::from(!seen.insert(id));
        }
        assert_eq!(seen.len(), said.len(), "records are missing");
        (seen.len(), again)
    }
}

fn kills() -> u64 {
    if full() { 100 } else { 10 }
}

#[test]
fn relays_and_consumers_are_killed_and_every_record_counts_once() {
    let Some(mut works) = open("relays_and_consumers_are_killed") else { return };
    let mut luck = Luck::of_this_run("faults_outflow");
    (0..2).for_each(|worker| works.start(worker));
    for kill in 0..kills() {
        for _ in 0..=luck.below(8) {
            works.sell(&mut luck);
            std::thread::sleep(Duration::from_millis(luck.below(60)));
        }
        let worker = usize::try_from(kill % 2).expect("small");
        works.kill(worker);
        works.sell(&mut luck);
        works.start(worker);
    }
    let took = works.settle();
    let (records, again) = works.published();
    print_line(&format!(
        "postgres, kafka: {} kills of relay and consumers, {} sales, {records} records ({again} told again under their \
         ids), 0 lost, 0 doubled in effect, level {:.1} s after the last",
        kills(),
        works.given,
        took.as_secs_f64()
    ));
}

/// `scripts/services` on the services of this run.
fn services(args: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/services");
    let done = Command::new(script).args(args).output().expect("the script runs");
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn kafka_is_away_and_its_events_wait() {
    let Some(mut works) = open("kafka_is_away") else { return };
    let mut luck = Luck::of_this_run("faults_outflow_kafka");
    works.start(0);
    works.sell(&mut luck);
    works.settle();
    services(&["kill", "kafka"]);
    let away = Duration::from_secs(if full() { 120 } else { 10 });
    let begun = Instant::now();
    while begun.elapsed() < away {
        works.sell(&mut luck);
        std::thread::sleep(Duration::from_millis(100));
    }
    let waiting =
        works.hub.db.read(tradepost_central::db::outbox::depth).expect("selling never waits for Kafka");
    assert!(waiting > 0, "events wait in the outbox");
    services(&["up", "kafka"]);
    let took = works.settle();
    let (records, again) = works.published();
    print_line(&format!(
        "kafka away for {} s: {} sales meanwhile, {waiting} rows waited, level {:.1} s after it was back, {records} \
         records ({again} told again), 0 lost, 0 doubled in effect",
        away.as_secs(),
        works.given,
        took.as_secs_f64()
    ));
}
