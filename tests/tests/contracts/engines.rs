//! The engines at scale: one sale through PostgreSQL, Kafka and Redis, and the contracts of stream and cache on each of
//! their members.

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tradepost_central::app::fan_out;
use tradepost_central::app::products;
use tradepost_central::app::relay::Relay;
use tradepost_central::cache::{Cache, Memory, Redis};
use tradepost_central::config::DatabaseAddress;
use tradepost_central::db::outbox;
use tradepost_central::hub::Hub;
use tradepost_central::stream::cloud_event::TOPICS;
use tradepost_central::stream::{CloudEvent, Embedded, Kafka, Stream};
use tradepost_sync::ids::Incarnation;
use tradepost_sync::session::Applied;
use tradepost_tests::hub_bench::{Enrolled, NOW, PgDatabase, hub, service};
use tradepost_tests::process::TempDir;

/// Longest wait for records that were sent.
const PATIENCE: Duration = Duration::from_secs(20);

/// A hub on the three servers.
struct AtScale {
    hub: Hub,
    kafka: String,
    redis: String,
    _folder: TempDir,
    _database: PgDatabase,
}

fn at_scale(test: &str) -> Option<AtScale> {
    let url = service("TRADEPOST_PG_URL", test)?;
    let kafka = service("TRADEPOST_KAFKA", test)?;
    let redis = service("TRADEPOST_REDIS_URL", test)?;
    let (folder, database) = (TempDir::new("hub"), PgDatabase::make(&url));
    let stream = Kafka::new(&kafka, "");
    runtime().block_on(stream.make_topics()).expect("the topics");
    let cache = Cache::Redis(Box::new(Redis::new(&redis).expect("an address")));
    let postgres = DatabaseAddress::Postgres(database.url());
    let hub = hub(folder.path(), &postgres, Stream::Kafka(Box::new(stream)), cache);
    Some(AtScale { hub, kafka, redis, _folder: folder, _database: database })
}

/// Relays until nothing waits.
fn send_all(hub: &Hub) {
    let relay = Relay::new(hub, [fresh(); 16]).expect("the hub works");
    // Another relay of the test may have held a stream.
    hub.db.write(|tx| tx.execute("UPDATE relay_leases SET until = 0", &[])).expect("the hub works");
    let begun = Instant::now();
    loop {
        match relay.run_once(hub) {
            Ok(0) => return,
            Ok(_) => {}
            // As the hub's own relay does: what Kafka doesn't take now is sent again.
            Err(fault) => assert!(begun.elapsed() < PATIENCE, "{fault}"),
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A record as a consumer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    topic: String,
    key: String,
    headers: BTreeMap<String, String>,
    data: Vec<u8>,
}

/// Where every topic of the hub ends now.
fn ends(kafka: &str) -> BaseConsumer {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", kafka)
        .set("group.id", "contracts")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer");
    let mut places = TopicPartitionList::new();
    for topic in TOPICS {
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("metadata");
        for partition in metadata.topics()[0].partitions() {
            let end = end_of(&consumer, topic, partition.id());
            places.add_partition_offset(topic, partition.id(), Offset::Offset(end)).expect("a place");
        }
    }
    consumer.assign(&places).expect("the places are there");
    consumer
}

/// Where a partition ends. A topic that was only just made has no leader yet.
fn end_of(consumer: &BaseConsumer, topic: &str, partition: i32) -> i64 {
    let begun = Instant::now();
    loop {
        match consumer.fetch_watermarks(topic, partition, PATIENCE) {
            Ok((_, end)) => return end,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "watermarks: {error}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The next `count` records of this test's incarnations.
fn read(consumer: &BaseConsumer, count: usize, mine: impl Fn(&Seen) -> bool) -> Vec<Seen> {
    let (begun, mut seen) = (Instant::now(), Vec::new());
    while seen.len() < count && begun.elapsed() < PATIENCE {
        let Some(message) = consumer.poll(Duration::from_millis(200)) else { continue };
        let message = message.expect("a record");
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let headers = message.headers().expect("CloudEvents headers");
        let headers = headers.iter().map(|h| (h.key.to_owned(), text(h.value))).collect();
        let data = message.payload().unwrap_or_default().to_vec();
        let record = Seen { topic: message.topic().to_owned(), key: text(message.key()), headers, data };
        if mine(&record) {
            seen.push(record);
        }
    }
    seen
}

fn fresh() -> u8 {
    let mut byte = [0];
    getrandom::fill(&mut byte).expect("the system has random bytes");
    byte[0]
}

#[test]
fn a_sale_goes_through_postgres_kafka_and_redis() {
    let Some(at) = at_scale("a_sale_goes_through_postgres_kafka_and_redis") else { return };
    let consumer = ends(&at.kafka);
    let code = format!("k{}", Incarnation([fresh(); 16]).series());
    let mut store = Enrolled::make(&at.hub, &code, fresh());
    store.writer.received("MILK", 10);
    store.writer.sold(&[("MILK", 3, 123), ("TEA", 1, 500)]);
    assert!(matches!(store.give(&at.hub, &store.writer.raw(1, 2)), Applied::Done(_)));
    assert_eq!(at.hub.cache.stock(&code, "MILK"), Some(7), "the cache was told");

    let depth = at.hub.db.read(outbox::depth).expect("the hub works");
    assert!(depth > 0);
    send_all(&at.hub);
    assert_eq!(at.hub.db.read(outbox::depth).expect("the hub works"), 0);

    let source = format!("/stores/{code}");
    let mine = |record: &Seen| record.headers.get("ce_source") == Some(&source);
    let seen = read(&consumer, 7, mine);
    let sale = store.writer.events[1].clone();
    let expected: Vec<CloudEvent> =
        store.writer.events.iter().flat_map(|event| fan_out::event(&code, true, &event.bytes)).collect();
    let names: Vec<&str> = expected.iter().map(|e| e.ty.as_str()).collect();
    assert_eq!(
        names,
        [
            "dev.tradepost.stock.moved.v1",
            "dev.tradepost.order.created.v1",
            "dev.tradepost.stock.reserved.v1",
            "dev.tradepost.stock.reserved.v1",
            "dev.tradepost.payment.processed.v1",
            "dev.tradepost.stock.moved.v1",
            "dev.tradepost.stock.moved.v1",
        ]
    );
    assert_eq!(seen.len(), expected.len());
    for event in &expected {
        let record = seen.iter().find(|r| r.headers["ce_id"] == event.id).expect("every record arrives");
        assert_eq!(
            (record.topic.as_str(), &record.key, &record.data),
            (event.topic, &event.key, &event.data)
        );
        let headers: BTreeMap<String, String> =
            event.headers().into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        assert_eq!(record.headers, headers);
    }
    let first = format!("{}-{}-0", sale.envelope.incarnation, sale.envelope.seq);
    assert_eq!(expected[1].id, first);
    assert!(expected[1].traceparent.starts_with("00-"));

    // A relay that was killed between the send and the mark sends the same records under the same ids again.
    let rewind = "UPDATE outbox_streams SET relayed = 0";
    at.hub.db.write(|tx| tx.execute(rewind, &[])).expect("the hub works");
    send_all(&at.hub);
    let again = read(&consumer, 7, mine);
    let ids = |records: &[Seen]| {
        let mut ids: Vec<String> = records.iter().map(|r| r.headers["ce_id"].clone()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&again), ids(&seen));

    // What everybody forgets changes no result.
    let mut redis =
        redis::Client::open(at.redis.as_str()).and_then(|c| c.get_connection()).expect("Redis answers");
    redis::cmd("DEL").arg(format!("stock:{code}:MILK")).exec(&mut redis).expect("it is deleted");
    assert_eq!(at.hub.cache.stock(&code, "MILK"), None);
    let item = tradepost_central::app::stock::get(&at.hub, &code, "MILK").expect("the hub works");
    assert_eq!(item.picture.on_hand, 7);
}

#[test]
fn ingest_goes_on_while_kafka_and_redis_are_away() {
    let Some(url) = service("TRADEPOST_PG_URL", "ingest_goes_on") else { return };
    let (folder, database) = (TempDir::new("hub"), PgDatabase::make(&url));
    // Ports that nobody listens on.
    let stream = Stream::Kafka(Box::new(Kafka::new("127.0.0.1:1", "")));
    let cache = Cache::Redis(Box::new(Redis::new("redis://127.0.0.1:1/").expect("an address")));
    let hub = hub(folder.path(), &DatabaseAddress::Postgres(database.url()), stream, cache);
    let mut store = Enrolled::make(&hub, "13", 1);
    store.writer.sold(&[("MILK", 1, 100)]);
    assert!(matches!(store.give(&hub, &store.writer.raw(1, 1)), Applied::Done(_)));
    assert!(hub.db.read(outbox::depth).expect("the hub works") > 0, "events wait in the outbox");
    assert_eq!(hub.cache.stock("13", "MILK"), None);
}

#[test]
fn a_catalog_change_is_said_with_the_whole_state_and_created_only_once() {
    let Some(at) = at_scale("a_catalog_change_is_said") else { return };
    let consumer = ends(&at.kafka);
    let sku = format!("SKU-{}", Incarnation([fresh(); 16]).series());
    for name in ["Milk", "Fresh milk"] {
        let given = serde_json::json!({"sku": sku, "name": name, "tax_category": "standard"});
        let product = products::read(&given, "").expect("a product");
        let before = products::get(&at.hub, &sku).ok().map(|found| found.row_version);
        products::put(&at.hub, &product, before, NOW).expect("it is taken");
    }
    send_all(&at.hub);
    let seen = read(&consumer, 2, |record| record.key == sku);
    let names: Vec<&str> = seen.iter().map(|r| r.headers["ce_type"].as_str()).collect();
    assert_eq!(names, ["dev.tradepost.product.created.v1", "dev.tradepost.product.updated.v1"]);
}

/// The contract of the cache, on each member: a value by an older row never wins, a tombstone holds against the past.
fn cache_contract(cache: &Cache, key: &str) {
    assert_eq!(cache.get(key), None);
    assert!(cache.set(key, 2, "two"));
    assert!(!cache.set(key, 1, "one"), "a paused reader's older value");
    assert!(!cache.set(key, 2, "two again"));
    assert_eq!(cache.get(key).and_then(|held| held.value).as_deref(), Some("two"));
    assert!(cache.delete(key, 3));
    assert!(!cache.set(key, 3, "from before the delete"));
    let held = cache.get(key).expect("a tombstone");
    assert_eq!((held.version, held.value), (3, None));
    assert!(cache.set(key, 4, "four"));
    assert_eq!(cache.get(key).and_then(|held| held.value).as_deref(), Some("four"));
}

#[test]
fn the_cache_never_goes_back_in_memory() {
    cache_contract(&Cache::Memory(Memory::default()), "contract");
}

#[test]
fn the_cache_never_goes_back_in_redis() {
    let Some(url) = service("TRADEPOST_REDIS_URL", "the_cache_never_goes_back_in_redis") else { return };
    let key = format!("contract:{}", tradepost_tests::ids::uuid_v7());
    cache_contract(&Cache::Redis(Box::new(Redis::new(&url).expect("an address"))), &key);
}

/// Prints what ingest does a second beside what `COPY` alone does (`speed.md`: at least 0.20 of it on one connection).
#[test]
#[ignore = "prints figures; run it in release mode, on a quiet machine"]
fn ingest_against_the_copy_ceiling() {
    let Some(url) = service("TRADEPOST_PG_URL", "ingest_against_the_copy_ceiling") else { return };
    let (folder, database) = (TempDir::new("hub"), PgDatabase::make(&url));
    let (stream, cache) = (Stream::Embedded(Embedded), Cache::Memory(Memory::default()));
    let postgres = hub(folder.path(), &DatabaseAddress::Postgres(database.url()), stream, cache);
    let folder = TempDir::new("hub");
    let (stream, cache) = (Stream::Embedded(Embedded), Cache::Memory(Memory::default()));
    let sqlite = hub(folder.path(), &DatabaseAddress::Sqlite, stream, cache);
    let skus: Vec<String> = (0..500).map(|n| format!("SKU-{n:04}")).collect();
    let sales = 10_000usize;
    for (name, hub) in [("postgres", &postgres), ("sqlite", &sqlite)] {
        let mut store = Enrolled::make(hub, "13", 1);
        for n in 0..sales {
            let sku = |k: usize| skus[(n * 7 + k * 131) % skus.len()].as_str();
            store.writer.sold(&[(sku(0), 1, 120), (sku(1), 2, 95), (sku(2), 1, 310)]);
        }
        let end = store.writer.head.seq;
        let batches: Vec<_> = (0..end / 500).map(|b| store.writer.raw(b * 500 + 1, (b + 1) * 500)).collect();
        let begun = Instant::now();
        for batch in &batches {
            assert!(matches!(store.give(hub, batch), Applied::Done(_)));
        }
        eprintln!("{name}: {:.0} sales/s", per_second(sales, begun));
    }
    let mut client = postgres::Client::connect(&database.url(), postgres::NoTls).expect("PostgreSQL answers");
    eprintln!("COPY alone: {:.0} sales/s", copy_alone(&mut client, sales));
}

#[expect(clippy::cast_precision_loss, reason = "a figure to be read")]
fn per_second(count: usize, begun: Instant) -> f64 {
    count as f64 / begun.elapsed().as_secs_f64()
}

/// The ten plain rows of a sale through `COPY`, 500 sales a transaction.
fn copy_alone(client: &mut postgres::Client, sales: usize) -> f64 {
    use std::io::Write;
    let tables = [("o", 1), ("l", 3), ("p", 1), ("s", 3), ("e", 1), ("x", 1)];
    for (table, _) in tables {
        let sql = format!(
            "CREATE TABLE ceiling_{table} (a BIGINT, b BIGINT, c TEXT, d BIGINT, PRIMARY KEY (a, b))"
        );
        client.batch_execute(&sql).expect("a table");
    }
    let begun = Instant::now();
    for batch in 0..sales / 500 {
        let mut tx = client.transaction().expect("a transaction");
        for (table, rows) in tables {
            let mut copy = tx.copy_in(&format!("COPY ceiling_{table} FROM STDIN")).expect("a copy");
            for sale in 0..500 {
                for row in 0..rows {
                    writeln!(copy, "{}\t{row}\tsome text of a row\t{sale}", batch * 500 + sale)
                        .expect("a row");
                }
            }
            copy.finish().expect("it is taken");
        }
        tx.commit().expect("it commits");
    }
    per_second(sales, begun)
}
