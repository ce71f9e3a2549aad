//! Consumers on each stream: every record once in effect, whatever is said again; one that can't be taken holds up its
//! own key alone; a rebuild comes to the same; who relays too late is fenced.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tradepost_central::app::relay::Relay;
use tradepost_central::app::{days, fan_out, products};
use tradepost_central::cache::{Cache, Memory};
use tradepost_central::config::DatabaseAddress;
use tradepost_central::consumers::{self, Group, Record, kafka, read, webhooks};
use tradepost_central::db::consumers as rows;
use tradepost_central::hub::Hub;
use tradepost_central::stream::{CloudEvent, Kafka, Lane, Stream};
use tradepost_sync::session::Applied;
use tradepost_tests::hub_bench::{Enrolled, NOW, PgDatabase, embedded, hub, service};
use tradepost_tests::process::TempDir;

/// Longest wait for records to come through.
const PATIENCE: Duration = Duration::from_secs(60);

/// A hub, and what moves its records on.
struct Flow {
    hub: Arc<Hub>,
    relay: Option<Relay>,
    stop: watch::Sender<bool>,
    readers: Vec<std::thread::JoinHandle<()>>,
}

impl Flow {
    fn embedded(hub: Hub) -> Self {
        Self { hub: Arc::new(hub), relay: None, stop: watch::channel(false).0, readers: Vec::new() }
    }

    fn on_kafka(hub: Hub) -> Self {
        let (stop, stopping) = watch::channel(false);
        let hub = Arc::new(hub);
        let relay = Some(Relay::new(&hub, random()).expect("the hub works"));
        let reader = |group| {
            let (hub, stopping) = (Arc::clone(&hub), stopping.clone());
            std::thread::spawn(move || kafka::run(&hub, group, &stopping))
        };
        let readers = Group::ALL.into_iter().map(reader).collect();
        Self { hub, relay, stop, readers }
    }

    /// Moves records on until something is so.
    fn until(&self, what: &str, mut so: impl FnMut(&Hub) -> bool) {
        let begun = Instant::now();
        loop {
            if let Some(relay) = &self.relay {
                // What Kafka doesn't take now is sent again.
                let _ = relay.run_once(&self.hub);
            }
            let read = consumers::round(&self.hub).expect("the hub works");
            if read == 0 && so(&self.hub) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "waited for {what}: {:?}", read::standing(&self.hub));
            if read == 0 && self.relay.is_some() {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Moves records on until a group has had so many.
    fn had(&self, group: Group, count: u64) {
        self.until(&format!("{count} records at {}", group.name()), |hub| standing(hub, group).had >= count);
    }

    fn forget_places(&self) {
        let sql = "UPDATE consumer_offsets SET seq = 0";
        self.hub.db.write(|tx| tx.execute(sql, &[])).expect("the hub works");
        let sql = "UPDATE outbox_streams SET relayed = 0";
        self.hub.db.write(|tx| tx.execute(sql, &[])).expect("the hub works");
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        // Readers that are gone have stopped already.
        let _ = self.stop.send(true);
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    bytes
}

fn prefix() -> String {
    let hex: String = random().iter().map(|b| format!("{b:02x}")).collect();
    format!("t{}.", &hex[..12])
}

fn cluster(servers: &str) -> Kafka {
    let kafka = Kafka::new(servers, &prefix());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(kafka.make_topics()).expect("the topics");
    kafka
}

fn standing(hub: &Hub, group: Group) -> read::Standing {
    read::standing(hub).expect("the hub works").into_iter().find(|it| it.group == group).expect("it is there")
}

/// Runs a story on the outbox in SQLite, on the outbox in PostgreSQL, and on Kafka beside PostgreSQL.
fn on_each_stream(test: &str, story: impl Fn(&Flow)) {
    let folder = TempDir::new("hub");
    eprintln!("{test}: sqlite, embedded");
    story(&Flow::embedded(embedded(folder.path(), &DatabaseAddress::Sqlite)));
    let Some(url) = service("TRADEPOST_PG_URL", test) else { return };
    eprintln!("{test}: postgres, embedded");
    let (folder, database) = (TempDir::new("hub"), PgDatabase::make(&url));
    story(&Flow::embedded(embedded(folder.path(), &DatabaseAddress::Postgres(database.url()))));
    let Some(servers) = service("TRADEPOST_KAFKA", test) else { return };
    eprintln!("{test}: postgres, kafka");
    let (folder, database) = (TempDir::new("hub"), PgDatabase::make(&url));
    let stream = Stream::Kafka(Box::new(cluster(&servers)));
    let cache = Cache::Memory(Memory::default());
    story(&Flow::on_kafka(hub(folder.path(), &DatabaseAddress::Postgres(database.url()), stream, cache)));
}

const EVER: (&str, &str) = ("0000-01-01", "9999-12-31");

fn books(hub: &Hub) -> BTreeMap<String, i64> {
    let sums = read::balances(hub, "13", EVER.0, EVER.1).expect("the hub works");
    sums.into_iter().map(|(_, account, _, amount)| (account, amount)).collect()
}

/// A store that received ten and sold three in one and two in another sale.
fn trade(flow: &Flow) -> Enrolled {
    let given = serde_json::json!({"sku": "MILK", "name": "Sữa tươi", "tax_category": "standard"});
    let product = products::read(&given, "").expect("a product");
    products::put(&flow.hub, &product, None, NOW).expect("it is taken");
    let mut store = Enrolled::make(&flow.hub, "13", 1);
    store.writer.received("MILK", 10);
    store.writer.sold(&[("MILK", 3, 123)]);
    store.writer.sold(&[("MILK", 2, 123), ("TEA", 1, 500)]);
    assert!(matches!(store.give(&flow.hub, &store.writer.raw(1, 3)), Applied::Done(_)));
    store
}

type Everything = (BTreeMap<String, i64>, Vec<read::SalesDay>, Vec<read::Shelf>, Vec<(String, u64, i64)>);

fn everything(hub: &Hub) -> Everything {
    let days = read::sales_by_day(hub, "13", EVER.0, EVER.1).expect("the hub works");
    let shelf = read::shelf(hub, "13").expect("the hub works");
    (books(hub), days, shelf, read::counters(hub, "13").expect("the hub works"))
}

#[test]
fn every_record_is_taken_once_whatever_is_said_again() {
    on_each_stream("every_record_is_taken_once", |flow| {
        let (hook, _) = webhooks::add(&flow.hub, "http://127.0.0.1:9/", &["order.created".to_owned()], NOW)
            .expect("an address");
        trade(flow);
        // Of two sales: two orders, two payments; with the receipt four movements. The product is one more.
        for (group, count) in
            [(Group::Accounting, 4), (Group::Analytics, 9), (Group::Inventory, 8), (Group::Search, 1)]
        {
            flow.had(group, count);
        }
        flow.had(Group::Notifications, 12);
        let before = everything(&flow.hub);
        assert_eq!(before.0["cash"], 5 * 123 + 500);
        assert_eq!(before.0.values().sum::<i64>(), 0, "debits and credits");
        assert_eq!((before.1[0].sales, before.1[0].total), (2, 1_115));
        assert_eq!(before.2.iter().find(|(sku, ..)| sku == "MILK"), Some(&("MILK".to_owned(), 5, 5)));
        let payments = before.3.iter().find(|(name, ..)| name == "payment.cash").expect("cash");
        assert_eq!((payments.1, payments.2), (2, 1_115));
        let found = read::search(&flow.hub, "sua tuoi", 5).expect("the hub works");
        assert_eq!(found, [("MILK".to_owned(), "Sữa tươi".to_owned())]);
        let told = |hub: &Hub| {
            let all = webhooks::list(hub).expect("the hub works");
            all.into_iter().find(|(it, _)| it.id == hook.id).expect("it is there").1
        };
        assert_eq!(told(&flow.hub), [("due".to_owned(), 2)]);

        // Places that were lost: everything is said again under the same ids.
        flow.forget_places();
        let mut store = Enrolled::make(&flow.hub, "14", 2);
        store.writer.sold(&[("TEA", 1, 500)]);
        assert!(matches!(store.give(&flow.hub, &store.writer.raw(1, 1)), Applied::Done(_)));
        flow.had(Group::Accounting, 6);
        flow.had(Group::Notifications, 16);
        assert_eq!(everything(&flow.hub), before);
        assert_eq!(told(&flow.hub), [("due".to_owned(), 3)], "store 14's sale alone is new");

        // A rebuild from the facts comes to the same, and sends nothing again.
        for group in Group::ALL {
            consumers::replay(&flow.hub, group).expect("the hub works");
        }
        assert_eq!(books(&flow.hub), BTreeMap::new());
        flow.until("the rebuild", |hub| {
            read::standing(hub).expect("the hub works").iter().all(|it| !it.rebuilding && it.behind == 0)
        });
        assert_eq!(everything(&flow.hub), before);
        assert_eq!(told(&flow.hub), [("due".to_owned(), 3)]);
        for it in read::standing(&flow.hub).expect("the hub works") {
            assert_eq!((it.parked, it.dead), (0, 0), "{it:?}");
        }
    });
}

/// The records of an event, as consumers take them.
fn records(store: &Enrolled, at: usize) -> Vec<Record> {
    let said: Vec<CloudEvent> = fan_out::event("13", true, &store.writer.events[at].bytes);
    said.into_iter().map(Record::from).collect()
}

fn hand(hub: &Hub, group: Group, given: &[Record]) {
    assert!(consumers::take_all(hub, group, given).expect("the hub works"));
}

fn hurry(hub: &Hub) {
    hub.db.write(|tx| tx.execute("UPDATE consumer_parked SET next_at = 0", &[])).expect("the hub works");
    consumers::round(hub).expect("the hub works");
}

#[test]
fn what_cannot_be_taken_holds_up_its_own_key_until_a_person_decides() {
    let folder = TempDir::new("hub");
    let mut databases = vec![(folder, None)];
    if let Some(url) = service("TRADEPOST_PG_URL", "what_cannot_be_taken") {
        databases.push((TempDir::new("hub"), Some(PgDatabase::make(&url))));
    }
    for (folder, database) in &databases {
        let address =
            database.as_ref().map_or(DatabaseAddress::Sqlite, |db| DatabaseAddress::Postgres(db.url()));
        // A stream that nobody reads: records are handed in by the test.
        let stream = Stream::Kafka(Box::new(Kafka::new("127.0.0.1:1", "")));
        let hub = hub(folder.path(), &address, stream, Cache::Memory(Memory::default()));
        let mut store = Enrolled::make(&hub, "13", 1);
        for _ in 0..3 {
            store.writer.sold(&[("MILK", 1, 100)]);
        }
        let order = |at: usize| records(&store, at).swap_remove(0);
        let (mut bad, next, mut elsewhere) = (order(0), order(1), order(2));
        bad.data = vec![0xff; 7];
        elsewhere.key = "14".to_owned();
        hand(&hub, Group::Accounting, &[bad.clone(), next, elsewhere]);
        let standing = |hub: &Hub| {
            let it = standing(hub, Group::Accounting);
            (it.had, it.parked, it.dead)
        };
        assert_eq!(standing(&hub), (1, 2, 0), "another store's order went on");

        // It is tried, and tried; what waits behind it isn't, and then goes on without it.
        for _ in 0..20 {
            hurry(&hub);
        }
        assert_eq!(standing(&hub), (2, 0, 1));
        let letters = read::aside(&hub, Group::Accounting, 0, 10).expect("the hub works");
        assert_eq!((letters.len(), letters[0].ce_id.as_str(), letters[0].tries), (1, bad.id.as_str(), 10));
        assert!(letters[0].reason.contains("order.created"), "{}", letters[0].reason);

        // Replayed it fails again; given up it never comes back, even if it is said again.
        consumers::revive(&hub, Group::Accounting, &bad.id, NOW).expect("it is there");
        assert_eq!(standing(&hub), (2, 1, 0));
        for _ in 0..12 {
            hurry(&hub);
        }
        assert_eq!(standing(&hub), (2, 0, 1));
        assert!(consumers::discard(&hub, Group::Accounting, "nothing").is_err());
        consumers::discard(&hub, Group::Accounting, &bad.id).expect("it is there");
        hand(&hub, Group::Accounting, &[order(0)]);
        assert_eq!(standing(&hub), (3, 0, 0));
        assert_eq!(books(&hub).values().sum::<i64>(), 0);
    }
}

#[test]
fn a_late_document_posts_to_the_first_day_that_is_open() {
    let folder = TempDir::new("hub");
    let flow = Flow::embedded(embedded(folder.path(), &DatabaseAddress::Sqlite));
    let mut store = Enrolled::make(&flow.hub, "13", 1);
    store.writer.sold(&[("MILK", 1, 100)]);
    store.writer.sold(&[("MILK", 1, 200)]);
    store.writer.sold(&[("MILK", 1, 400)]);
    let own = 20_775;
    assert!(matches!(store.give(&flow.hub, &store.writer.raw(1, 1)), Applied::Done(_)));
    let now = i64::from(own + 1) * 86_400_000;
    let closed = days::close(&flow.hub, "13", own, now).expect("it is over");
    assert_eq!(days::close(&flow.hub, "13", own, now + 5).expect("it is closed"), closed, "asked again");
    assert!(matches!(store.give(&flow.hub, &store.writer.raw(2, 2)), Applied::Done(_)));
    days::close(&flow.hub, "13", own + 1, now + 86_400_000).expect("it is over");
    assert!(matches!(store.give(&flow.hub, &store.writer.raw(3, 3)), Applied::Done(_)));
    let cash = |hub: &Hub| -> Vec<(String, i64)> {
        let sums = read::balances(hub, "13", EVER.0, EVER.1).expect("the hub works");
        let cash = sums.into_iter().filter(|(_, account, ..)| account == "cash");
        cash.map(|(day, _, _, amount)| (day, amount)).collect()
    };
    let right: Vec<(String, i64)> =
        [(own, 100), (own + 1, 200), (own + 2, 400)].map(|(day, sum)| (fan_out::day(day), sum)).into();
    flow.had(Group::Accounting, 6);
    assert_eq!(cash(&flow.hub), right);
    consumers::replay(&flow.hub, Group::Accounting).expect("the hub works");
    flow.had(Group::Accounting, 6);
    assert_eq!(cash(&flow.hub), right, "said again");
    assert!(days::close(&flow.hub, "13", own + 900, now).is_err(), "a day that hasn't begun");
}

#[test]
fn a_refund_that_comes_before_its_sale_waits_for_it() {
    let folder = TempDir::new("hub");
    let stream = Stream::Kafka(Box::new(Kafka::new("127.0.0.1:1", "")));
    let hub = hub(folder.path(), &DatabaseAddress::Sqlite, stream, Cache::Memory(Memory::default()));
    let mut store = Enrolled::make(&hub, "13", 1);
    let sale = store.writer.sold(&[("MILK", 1, 100)]);
    let order = records(&store, 0).swap_remove(0);
    let refund = tradepost_proto::order::v1::OrderRefunded {
        document: Some(tradepost_proto::order::v1::Document {
            id: "r1".to_owned(),
            store: "14".to_owned(),
            business_day: "2026-11-23".to_owned(),
            currency: "EUR".to_owned(),
            net: -81,
            tax: -19,
            total: -100,
            tenders: vec![tradepost_proto::order::v1::Tender {
                kind: "cash".to_owned(),
                amount: -100,
                unsettled: false,
            }],
            ..Default::default()
        }),
        original_sale_id: sale.to_string(),
    };
    let early = Record {
        id: "0202-7-0".to_owned(),
        ty: "dev.tradepost.order.refunded.v1".to_owned(),
        source: "/stores/14".to_owned(),
        key: "14".to_owned(),
        data: prost::Message::encode_to_vec(&refund),
        ..order.clone()
    };
    hand(&hub, Group::Accounting, &[early]);
    assert_eq!(standing(&hub, Group::Accounting).parked, 1);
    hurry(&hub);
    assert_eq!(standing(&hub, Group::Accounting).parked, 1);
    hand(&hub, Group::Accounting, &[order]);
    hurry(&hub);
    assert_eq!((standing(&hub, Group::Accounting).parked, standing(&hub, Group::Accounting).had), (0, 2));
    let sums = read::balances(&hub, "14", EVER.0, EVER.1).expect("the hub works");
    let cash: i64 = sums.iter().filter(|(_, account, ..)| account == "cash").map(|sum| sum.3).sum();
    assert_eq!(cash, -100);
}

#[test]
fn a_relay_that_wakes_late_publishes_nothing() {
    let Some(servers) = service("TRADEPOST_KAFKA", "a_relay_that_wakes_late") else { return };
    let own = prefix();
    let (first, second) = (Kafka::new(&servers, &own), Kafka::new(&servers, &own));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(first.make_topics()).expect("the topics");
    let (first, second) = (Stream::Kafka(Box::new(first)), Stream::Kafka(Box::new(second)));
    let folder = TempDir::new("hub");
    let hub = embedded(folder.path(), &DatabaseAddress::Sqlite);
    let mut store = Enrolled::make(&hub, "13", 1);
    for _ in 0..3 {
        store.writer.sold(&[("MILK", 1, 100)]);
    }
    let said = |at: usize| fan_out::event("13", true, &store.writer.events[at].bytes);
    let lane = |epoch| Lane { stream: 3, epoch, hub: "h" };
    first.send(lane(1), &said(0)).expect("it is alone");
    second.send(lane(2), &said(1)).expect("it took over");
    let late = first.send(lane(1), &said(2));
    assert!(late.is_err(), "the first one was replaced");
    second.send(lane(2), &said(1)).expect("it goes on");

    let ids = committed(&servers, &own, 12);
    let count = |at: usize| said(at).iter().filter(|event| ids.contains(&event.id)).count();
    assert_eq!((count(0), count(1), count(2)), (4, 4, 0), "{ids:?}");
}

/// Ids of records that readers of what is committed see, once there are so many.
fn committed(servers: &str, prefix: &str, at_least: usize) -> Vec<String> {
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::message::{Headers, Message};
    let reader: BaseConsumer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", format!("{prefix}look"))
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .create()
        .expect("a consumer");
    let topics: Vec<String> = tradepost_central::stream::cloud_event::TOPICS
        .iter()
        .map(|topic| format!("{prefix}{topic}"))
        .collect();
    reader.subscribe(&topics.iter().map(String::as_str).collect::<Vec<_>>()).expect("it reads");
    let (begun, mut ids) = (Instant::now(), Vec::new());
    while ids.len() < at_least && begun.elapsed() < PATIENCE {
        let Some(Ok(message)) = reader.poll(Duration::from_millis(200)) else { continue };
        let headers = message.headers().expect("CloudEvents headers");
        let id = headers.iter().find(|header| header.key == "ce_id").and_then(|header| header.value);
        ids.push(String::from_utf8_lossy(id.unwrap_or_default()).into_owned());
    }
    ids
}

#[test]
fn two_relays_share_the_streams_and_a_lease_changes_hands() {
    let folder = TempDir::new("hub");
    let hub = embedded(folder.path(), &DatabaseAddress::Sqlite);
    let mut store = Enrolled::make(&hub, "13", 1);
    store.writer.sold(&[("MILK", 1, 100)]);
    assert!(matches!(store.give(&hub, &store.writer.raw(1, 1)), Applied::Done(_)));
    use tradepost_central::db::outbox;
    let stream = outbox::stream_of("13");
    let lease = |holder: &str, now: i64| {
        hub.db.write(|tx| outbox::lease(tx, stream, holder, now, 1_000)).expect("the hub works")
    };
    let mark = |holder: &str, epoch: u64, seq: u64| {
        hub.db.write(|tx| outbox::relayed(tx, stream, seq, (holder, epoch))).expect("the hub works")
    };
    assert_eq!(lease("a", 0), Some((1, 0)));
    assert_eq!(lease("b", 500), None, "a holds it");
    assert_eq!(lease("a", 900), Some((1, 0)), "it keeps it");
    assert!(mark("a", 1, 1));
    assert_eq!(lease("b", 1_901), Some((2, 1)), "a was away too long");
    assert!(!mark("a", 1, 2), "a is too late");
    assert_eq!(lease("a", 3_000), Some((3, 1)), "b is gone");
    assert!(!mark("a", 1, 2), "not under its former epoch either");
    assert!(mark("a", 3, 2));
    let place = hub.db.read(|tx| rows::places(tx, "search")).expect("the hub works");
    assert!(!place.is_empty());
}
