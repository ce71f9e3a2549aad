//! One contract for both databases of the hub: two branches of one stream, and facts said again after theirs was cut off
//! (`model.md` §3, Forks).

use tradepost_central::app::shelf::ShelfMemory;
use tradepost_central::app::{enrol, ingest, orders, review, stock, totals};
use tradepost_central::config::DatabaseAddress;
use tradepost_central::db::authors::{self, State};
use tradepost_central::db::orders::Days;
use tradepost_central::db::{Tx, stock as db_stock};
use tradepost_central::hub::Hub;
use tradepost_sync::event::{Event, Stamp};
use tradepost_sync::fork::{reissue_of, said_again};
use tradepost_sync::ids::Id;
use tradepost_sync::session::Applied;
use tradepost_tests::hub_bench::{Enrolled, NOW, PgDatabase, Writer, application, embedded, service};
use tradepost_tests::process::TempDir;

fn on_each_database(test: &str, story: impl Fn(&Hub)) {
    let folder = TempDir::new("hub");
    story(&embedded(folder.path(), &DatabaseAddress::Sqlite));
    if let Some(url) = service("TRADEPOST_PG_URL", test) {
        let (folder, database) = (TempDir::new("hub"), PgDatabase::make(&url));
        story(&embedded(folder.path(), &DatabaseAddress::Postgres(database.url())));
    }
}

fn findings(hub: &Hub, kind: &str) -> usize {
    let list = review::list(hub, false, 0, 500).expect("the hub works");
    list.into_iter().filter(|(_, finding)| finding.kind == kind).count()
}

fn documents(hub: &Hub) -> i64 {
    totals::totals(hub, "13", Days { from: i32::MIN, to: i32::MAX }).expect("the hub works").documents
}

fn on_hand(hub: &Hub, sku: &str) -> i128 {
    stock::get(hub, "13", sku).expect("the hub works").picture.on_hand
}

/// Open overdraw of one writer.
fn owed(hub: &Hub, store: &Enrolled, writer: &Writer) -> u64 {
    let rights = |tx: &mut Tx<'_>| db_stock::rights(tx, store.store, "MILK", "MILK");
    let rights = hub.db.read(rights).expect("the hub works");
    let row = rights.get("MILK").and_then(|rights| rights.row(&writer.incarnation()));
    row.map_or(0, |row| row.overdrawn - row.settled)
}

/// Another member of the store.
fn member(hub: &Hub, seed: u8) -> Writer {
    let writer = Writer::new(seed);
    enrol::enrol(hub, &application(hub, "13", &writer, [seed; 8]), NOW).expect("a good code");
    writer
}

fn give(hub: &Hub, store: &Enrolled, writer: &Writer, from: u64, to: u64) -> Applied {
    let batch = writer.raw(from, to);
    ingest::ingest(hub, &ShelfMemory::default(), store.store, &batch, NOW + 60_000).expect("the hub works")
}

/// Says a fact again in a writer's stream.
fn says_again(writer: &mut Writer, original: &Event) {
    let body = said_again(&original.body().expect("it reads")).expect("a fact that is said again");
    let stamp = Stamp {
        wall: NOW + 90_000,
        tau: None,
        trading: NOW + 90_000,
        till: original.envelope.till.clone(),
        shift: None,
        staff: None,
    };
    let mark = reissue_of(&original.envelope, original.hash);
    let event = writer.head.append_with(stamp, &body, None, Some(mark)).expect("it fits");
    writer.events.push(event);
}

/// A store whose device wrote two branches: one delivery, then a sale of one on the branch that came first, and a sale of
/// two on the other, both under the same number.
fn two_branches(hub: &Hub) -> (Enrolled, Writer, Id) {
    let mut store = Enrolled::make(hub, "13", 1);
    store.writer.received("MILK", 10);
    let mut twin = store.writer.clone();
    store.writer.started();
    twin.started();
    store.writer.sold(&[("MILK", 1, 100)]);
    let id = Id([0x42; 16]);
    twin.sold_as(id, &[("MILK", 2, 100)]);
    let end = store.writer.raw(1, 3).end();
    assert_eq!(store.give(hub, &store.writer.raw(1, 3)), Applied::Done(end));
    (store, twin, id)
}

#[test]
fn the_branch_that_came_first_goes_on_and_its_writer_is_fenced() {
    on_each_database("fork_goes_on", |hub| {
        let (mut store, twin, _) = two_branches(hub);
        for _ in 0..2 {
            assert_eq!(store.give(hub, &twin.raw(3, 3)), Applied::Fork);
        }
        let state = hub.db.read(|tx| authors::find(tx, &twin.incarnation())).expect("the hub works");
        assert_eq!(state.map(|author| author.state), Some(State::Quarantined));
        assert_eq!((findings(hub, "fork"), documents(hub), on_hand(hub, "MILK")), (1, 1, 9));
        // What the first branch's writer sold before it heard of it is money all the same.
        store.writer.sold(&[("MILK", 1, 100)]);
        let end = store.writer.raw(4, 4).end();
        assert_eq!(store.give(hub, &store.writer.raw(4, 4)), Applied::Done(end));
        assert_eq!((documents(hub), on_hand(hub, "MILK")), (2, 8));
    });
}

#[test]
fn a_fact_said_again_counts_once_whoever_says_it_first() {
    on_each_database("said_again", |hub| {
        let (store, twin, id) = two_branches(hub);
        assert_eq!(store.give(hub, &twin.raw(3, 3)), Applied::Fork);
        let (mut early, mut late) = (member(hub, 2), member(hub, 3));
        for writer in [&mut early, &mut late] {
            writer.started();
            says_again(writer, &twin.events[2]);
        }
        // The later incarnation is heard first; then the one that counts, and both once more.
        for writer in [&late, &early, &late, &early] {
            assert!(matches!(give(hub, &store, writer, 1, 2), Applied::Done(_)));
        }
        assert_eq!((documents(hub), on_hand(hub, "MILK")), (2, 7), "the sale is booked once");
        assert_eq!(orders::get(hub, id).expect("it is there").len(), 1);
        assert_eq!((owed(hub, &store, &early), owed(hub, &store, &late)), (2, 0));
        assert_eq!((findings(hub, "receipt_twice"), findings(hub, "receipt_gap")), (1, 0));
        assert_eq!(findings(hub, "duplicate_sale_id"), 0);
    });
}

#[test]
fn what_stands_in_the_log_is_not_booked_again_by_its_saying() {
    on_each_database("said_again_stands", |hub| {
        let (store, _, _) = two_branches(hub);
        let mut other = member(hub, 2);
        other.started();
        says_again(&mut other, &store.writer.events[2]);
        assert!(matches!(give(hub, &store, &other, 1, 2), Applied::Done(_)));
        assert_eq!((documents(hub), on_hand(hub, "MILK"), owed(hub, &store, &other)), (1, 9, 0));
    });
}
