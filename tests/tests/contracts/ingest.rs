//! One contract for both databases of the hub: ingest exactly once, whatever is replayed (G22, G23, I10, I12).

use tradepost_central::app::enrol::LoneItem;
use tradepost_central::app::{
    Code, Fault, aliases, catalog, enrol, export, grants, orders, prices, products, review, state_hash,
    stock, stores, totals,
};
use tradepost_central::config::DatabaseAddress;
use tradepost_central::db::orders::Days;
use tradepost_central::db::outbox;
use tradepost_central::hub::Hub;
use tradepost_commerce::document::Sku;
use tradepost_sync::body::{Body, IncarnationRetired, RetiredBy};
use tradepost_sync::event::{Envelope, Event};
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Id, Incarnation};
use tradepost_sync::session::{Applied, Batch};
use tradepost_tests::hub_bench::{Enrolled, NOW, PgDatabase, Writer, application, embedded, service};
use tradepost_tests::process::TempDir;
use tradepost_tests::seed::{Luck, full};

/// Runs a story on SQLite and, where there is a server, on PostgreSQL.
fn on_each_database(test: &str, story: impl Fn(&Hub)) {
    let folder = TempDir::new("hub");
    story(&embedded(folder.path(), &DatabaseAddress::Sqlite));
    if let Some(url) = service("TRADEPOST_PG_URL", test) {
        let (folder, database) = (TempDir::new("hub"), PgDatabase::make(&url));
        story(&embedded(folder.path(), &DatabaseAddress::Postgres(database.url())));
    }
}

fn outbox_rows(hub: &Hub) -> i64 {
    hub.db.read(outbox::count).expect("the hub works")
}

fn findings(hub: &Hub) -> Vec<(String, String)> {
    let list = review::list(hub, false, 0, 500).expect("the hub works");
    list.into_iter().map(|(_, finding)| (finding.kind, finding.reference)).collect()
}

fn everything(hub: &Hub, store: &str) -> totals::Totals {
    totals::totals(hub, store, Days { from: i32::MIN, to: i32::MAX }).expect("the hub works")
}

fn on_hand(hub: &Hub, store: &str, sku: &str) -> (i128, i128) {
    let item = stock::get(hub, store, sku).expect("the hub works");
    (item.picture.on_hand, item.picture.available)
}

#[test]
fn a_sale_becomes_an_order_with_its_stock_and_its_totals() {
    on_each_database("a_sale_becomes_an_order", |hub| {
        let mut store = Enrolled::make(hub, "13", 1);
        store.writer.started();
        store.writer.received("MILK", 10);
        let id = store.writer.sold(&[("MILK", 3, 123), ("TEA", 1, 500)]);
        let head = store.writer.raw(1, 3).end();
        assert_eq!(store.give(hub, &store.writer.raw(1, 3)), Applied::Done(head));

        assert_eq!(on_hand(hub, "13", "MILK"), (7, 7));
        let found = orders::get(hub, id).expect("the order is there");
        assert_eq!((found.len(), found[0].lines.len(), found[0].order.row.total), (1, 2, 869));
        let sums = everything(hub, "13");
        assert_eq!((sums.sales, sums.takings, sums.tenders["cash"]), (1, 869, 869));
        assert_eq!((sums.units["MILK"], sums.units["TEA"]), (3, 1));
        assert_eq!(sums.tax["230000"].gross, 869);
        assert_eq!(findings(hub), []);
    });
}

#[test]
fn g22_ten_to_fourteen_three_times_then_twelve_to_sixteen_is_seven_orders() {
    on_each_database("g22", |hub| {
        let mut store = Enrolled::make(hub, "13", 1);
        (1..=9).for_each(|_| store.writer.started());
        for _ in 10..=16 {
            store.writer.sold(&[("MILK", 1, 100)]);
        }
        store.give(hub, &store.writer.raw(1, 9));
        let before = outbox_rows(hub);
        for _ in 0..3 {
            let end = store.writer.raw(10, 14).end();
            assert_eq!(store.give(hub, &store.writer.raw(10, 14)), Applied::Done(end));
        }
        let end = store.writer.raw(12, 16).end();
        assert_eq!(store.give(hub, &store.writer.raw(12, 16)), Applied::Done(end));
        assert_eq!(everything(hub, "13").documents, 7);
        assert_eq!(outbox_rows(hub) - before, 7);
        assert_eq!(store.acked(hub), 16);
        assert_eq!(on_hand(hub, "13", "MILK").0, -7);
    });
}

#[test]
fn g23_another_event_at_a_known_seq_quarantines_the_incarnation_and_keeps_both() {
    on_each_database("g23", |hub| {
        let mut store = Enrolled::make(hub, "13", 1);
        let mut twin = Writer::new(1);
        for _ in 1..=14 {
            store.writer.started();
            twin.started();
        }
        store.writer.sold(&[("MILK", 1, 100)]);
        twin.sold(&[("MILK", 2, 100)]);
        store.give(hub, &store.writer.raw(1, 15));
        assert_eq!(store.give(hub, &twin.raw(15, 15)), Applied::Fork);
        let first = store.writer.raw(15, 15).end();
        assert_eq!(store.give(hub, &store.writer.raw(15, 15)), Applied::Done(first), "that one stands");
        assert_eq!(store.give(hub, &twin.raw(15, 15)), Applied::Fork, "this one never does");
        assert_eq!(everything(hub, "13").documents, 1);
        assert_eq!(on_hand(hub, "13", "MILK").0, -1, "the second branch has no effects");
        let aside = review::quarantine(hub, false, 10).expect("the hub works");
        assert_eq!(aside.len(), 1);
        assert_eq!(aside[0].event.hash, twin.events[14].hash);
        assert_eq!(findings(hub)[0].0, "fork");
    });
}

#[test]
fn a_branch_that_forks_behind_its_overlap_is_seen_too() {
    on_each_database("fork behind overlap", |hub| {
        let mut store = Enrolled::make(hub, "13", 1);
        let mut twin = Writer::new(1);
        store.writer.started();
        twin.started();
        store.writer.received("MILK", 1);
        twin.received("MILK", 2);
        twin.started();
        store.give(hub, &store.writer.raw(1, 2));
        assert_eq!(store.give(hub, &twin.raw(3, 3)), Applied::Fork, "it follows an event that is not held");
    });
}

#[test]
fn a_gap_is_asked_for_from_the_head() {
    on_each_database("gap", |hub| {
        let mut store = Enrolled::make(hub, "13", 1);
        (1..=6).for_each(|_| store.writer.started());
        store.give(hub, &store.writer.raw(1, 2));
        let expected = Applied::NeedFrom { incarnation: store.writer.incarnation(), from: 3 };
        assert_eq!(store.give(hub, &store.writer.raw(5, 6)), expected);
        assert_eq!(store.acked(hub), 2);
    });
}

#[test]
fn the_compact_form_gives_the_same_rows_as_canonical_bytes() {
    on_each_database("compact", |hub| {
        let mut hashes = Vec::new();
        for (code, compact) in [("13", false), ("14", true)] {
            // The same key and incarnation can't be in two stores: the amounts are compared, not the streams.
            let mut store = Enrolled::make(hub, code, if compact { 2 } else { 1 });
            store.writer.received("MILK", 10);
            store.writer.sold(&[("MILK", 3, 123)]);
            let batch = if compact { store.writer.compact(1, 2) } else { store.writer.raw(1, 2) };
            assert!(matches!(store.give(hub, &batch), Applied::Done(_)), "{code}");
            hashes.push((everything(hub, code), on_hand(hub, code, "MILK")));
        }
        assert_eq!(hashes[0], hashes[1]);
    });
}

#[test]
fn what_the_device_did_not_sign_is_refused_and_leaves_nothing() {
    on_each_database("signatures", |hub| {
        let mut store = Enrolled::make(hub, "13", 1);
        store.writer.received("MILK", 10);
        let good = store.writer.raw(1, 1);
        let stranger = tradepost_sync::signing::Device::from_secret([77; 32]);
        let wrong = [
            Batch { signature: stranger.sign_head(&good.end()), ..good.clone() },
            Batch { count: 2, ..good.clone() },
            Batch { end_hash: tradepost_sync::ids::Hash([1; 32]), ..good.clone() },
            Batch { from: 0, ..good.clone() },
            Batch { payload: good.payload[..good.payload.len() - 1].to_vec(), ..good.clone() },
        ];
        for batch in &wrong {
            assert_eq!(store.give(hub, batch), Applied::Bad, "{batch:?}");
        }
        let nobody = Batch { incarnation: Incarnation([55; 16]), ..good.clone() };
        assert_eq!(store.give(hub, &nobody), Applied::Unknown, "a stream that nobody enrolled is declined");
        assert_eq!((store.acked(hub), on_hand(hub, "13", "MILK").0), (0, 0));
        let other = Enrolled::make(hub, "14", 2);
        assert_eq!(other.give(hub, &good), Applied::Bad, "another store's session can't write it");
    });
}

#[test]
fn one_id_from_two_nodes_is_booked_twice_and_flagged() {
    on_each_database("duplicate id", |hub| {
        let (mut one, mut two) = (Enrolled::make(hub, "13", 1), Enrolled::make(hub, "14", 2));
        let id = Id([0x17; 16]);
        one.writer.sold_as(id, &[("MILK", 1, 100)]);
        two.writer.sold_as(id, &[("MILK", 2, 100)]);
        one.give(hub, &one.writer.raw(1, 1));
        two.give(hub, &two.writer.raw(1, 1));
        assert_eq!(orders::get(hub, id).expect("both are there").len(), 2);
        assert!(findings(hub).contains(&("duplicate_sale_id".to_owned(), id.to_string())));
        assert_eq!((everything(hub, "13").takings, everything(hub, "14").takings), (100, 200));
    });
}

/// An event with a body that no program of this version can read, rightly chained.
fn poison(writer: &mut Writer) {
    let (seq, hlc) = writer.head.next(NOW);
    let last = writer.events.last().expect("something was written").envelope.clone();
    let envelope =
        Envelope { seq, hlc, prev_hash: writer.head.hash, kind: 4, version: 1, body: vec![0xff; 9], ..last };
    let event = Event::seal(envelope).expect("it fits");
    (writer.head.seq, writer.head.hash, writer.head.hlc) = (seq, event.hash, hlc);
    writer.events.push(event);
}

#[test]
fn a_poison_event_goes_to_quarantine_and_later_ones_go_on() {
    on_each_database("poison", |hub| {
        let mut store = Enrolled::make(hub, "13", 1);
        store.writer.received("MILK", 10);
        poison(&mut store.writer);
        store.writer.sold(&[("MILK", 1, 100)]);
        let end = store.writer.raw(1, 3).end();
        assert_eq!(store.give(hub, &store.writer.raw(1, 3)), Applied::Done(end));
        assert_eq!((everything(hub, "13").sales, on_hand(hub, "13", "MILK").0), (1, 9));
        let aside = review::quarantine(hub, false, 10).expect("the hub works");
        assert_eq!((aside.len(), aside[0].event.seq), (1, 2));
        assert_eq!(findings(hub)[0].0, "quarantined");
        // What isn't applied freezes what the hub would give to its author.
        let given = grants::grant(hub, "13", "MILK", 1, NOW);
        assert!(given.is_err());
    });
}

#[test]
fn an_implausible_effect_is_not_applied_but_the_event_is_kept() {
    on_each_database("g28", |hub| {
        let mut store = Enrolled::make(hub, "13", 1);
        store.writer.received("MILK", 2_000_000_000);
        store.writer.received("MILK", 5);
        store.give(hub, &store.writer.raw(1, 2));
        assert_eq!(on_hand(hub, "13", "MILK"), (5, 5));
        assert_eq!((store.acked(hub), findings(hub)[0].0.as_str()), (2, "quarantined"));
    });
}

#[test]
fn a_document_that_the_engine_computes_otherwise_stands_and_is_listed() {
    on_each_database("audit", |hub| {
        let mut store = Enrolled::make(hub, "13", 1);
        let id = Id([0x33; 16]);
        let mut sale = store.writer.sale(id, &[("MILK", 1, 100)]);
        sale.document.outcome.tax.0 += 1;
        sale.document.outcome.net.0 -= 1;
        store.writer.write(&Body::from(sale));
        store.give(hub, &store.writer.raw(1, 1));
        assert_eq!(findings(hub), [("total_differs".to_owned(), id.to_string())]);
        assert_eq!(everything(hub, "13").sales, 1);
    });
}

#[test]
fn a_missing_receipt_number_is_listed() {
    on_each_database("receipt gap", |hub| {
        let mut store = Enrolled::make(hub, "13", 1);
        store.writer.sold(&[("MILK", 1, 100)]);
        let lost = store.writer.sale(Id([1; 16]), &[("MILK", 1, 100)]);
        drop(lost);
        store.writer.sold(&[("MILK", 1, 100)]);
        store.give(hub, &store.writer.raw(1, 2));
        assert_eq!(findings(hub)[0].0, "receipt_gap");
        let series = review::series(hub, "13").expect("the hub works");
        assert_eq!((series[0].last_n, series[0].documents), (3, 2));
    });
}

#[test]
fn any_replay_gives_the_same_state_on_both_databases() {
    let mut luck = Luck::of_this_run("any_replay");
    let rounds = if full() { 200 } else { 20 };
    let store_of = |hub: &Hub, writer: &Writer, luck: &mut Luck, code: &str| {
        let mut store = Enrolled::make(hub, code, 1);
        store.writer = writer.clone();
        for _ in 0..luck.below(20) {
            let end = writer.head.seq;
            let from = 1 + luck.below(end);
            store.give(hub, &store.writer.raw(from, (from + luck.below(9)).min(end)));
        }
        store.give_all(hub, luck);
        assert_eq!(store.acked(hub), writer.head.seq);
        let state = state_hash::of_store(hub, code).expect("the hub works");
        (state.events, state.state)
    };
    let url = service("TRADEPOST_PG_URL", "any_replay");
    for round in 0..rounds {
        let mut writer = Writer::new(1);
        for _ in 0..20 {
            match luck.below(3) {
                0 => writer.received(["MILK", "TEA"][usize::from(luck.below(2) == 1)], 1 + luck.below(9)),
                1 => {
                    writer.sold(&[
                        ("MILK", 1 + i64::try_from(luck.below(3)).unwrap_or(0), 120),
                        ("TEA", 1, 99),
                    ]);
                }
                _ => writer.started(),
            }
        }
        let mut seen = Vec::new();
        for _ in 0..2 {
            let folder = TempDir::new("hub");
            seen.push(store_of(&embedded(folder.path(), &DatabaseAddress::Sqlite), &writer, &mut luck, "13"));
        }
        // Making a database takes a second: every fourth round is enough.
        if let Some(url) = url.as_ref().filter(|_| round % 4 == 0) {
            let (folder, database) = (TempDir::new("hub"), PgDatabase::make(url));
            let hub = embedded(folder.path(), &DatabaseAddress::Postgres(database.url()));
            seen.push(store_of(&hub, &writer, &mut luck, "13"));
        }
        assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
    }
}

/// What two stores come to at the hub: facts and what is made of them, by their natural keys and without the times at
/// which anything arrived.
fn picture(hub: &Hub, codes: [&str; 2]) -> Vec<String> {
    let mut told = Vec::new();
    for code in codes {
        let hash = state_hash::of_store(hub, code).expect("the hub works");
        told.push(format!("{code}: {} {} {:?}", hash.state, hash.events, hash.at));
        told.push(format!("{code}: {:?}", everything(hub, code)));
        let documents = orders::list(hub, Some(code), (0, 0), 500).expect("the hub works");
        let papers = documents.iter().map(|one| {
            let row = &one.order.row;
            format!("{} {} {} {:?}", row.id, row.seq, row.total, one.lines.len())
        });
        let mut papers: Vec<String> = papers.collect();
        papers.sort();
        told.extend(papers);
        for sku in ["MILK", "TEA"] {
            told.push(format!("{code}: {sku} {:?}", on_hand(hub, code, sku)));
        }
    }
    let mut found = findings(hub);
    found.sort();
    told.push(format!("{found:?}"));
    let prices = prices::list(hub, None, 0, 500).expect("the hub works");
    told.extend(prices.iter().map(|row| format!("{} {} {:?} {}", row.no, row.store, row.entry, row.version)));
    let head = catalog::head(hub).expect("the hub works");
    told.push(format!("{:?} {}", head.at, head.hash));
    told
}

/// Everything of both stores three times, in stretches and in an order of luck's, prices published in between; what came
/// too early for its stream comes once more until all is there.
fn uploaded(hub: &Hub, writers: &[Writer; 2], luck: &mut Luck) -> Vec<String> {
    let codes = ["13", "14"];
    let stores = [0, 1].map(|at| {
        let mut store = Enrolled::make(hub, codes[at], u8::try_from(at).expect("small") + 1);
        store.writer = writers[at].clone();
        store
    });
    for sku in ["MILK", "TEA"] {
        let product = serde_json::json!({"sku": sku, "name": sku, "tax_category": "standard"});
        let product = products::read(&product, "").expect("a product");
        products::put(hub, &product, None, NOW).expect("a new product");
    }
    let mut stretches = Vec::new();
    for (at, store) in stores.iter().enumerate() {
        let (mut from, end) = (1, store.writer.head.seq);
        while from <= end {
            let to = (from + luck.below(7)).min(end);
            stretches.extend([(at, from, to); 3]);
            from = to + 1;
        }
    }
    for at in (1..stretches.len()).rev() {
        stretches.swap(at, usize::try_from(luck.below(at as u64 + 1)).expect("small"));
    }
    let mut published = 0;
    let publish = |of: i64| {
        let entry = serde_json::json!({"sku": "MILK", "price": 100 + of, "valid_from": NOW + of});
        let entry = serde_json::from_value(entry).expect("a price");
        let store = (of % 2 == 0).then(|| codes[0].to_owned());
        prices::publish(hub, &[prices::NewPrice { store, entry }], NOW + of).expect("published");
    };
    let all_there = || stores.iter().all(|store| store.acked(hub) == store.writer.head.seq);
    let mut rounds = 0;
    while rounds == 0 || !all_there() {
        for (at, from, to) in &stretches {
            if published < 6 && luck.below(3) == 0 {
                published += 1;
                publish(published);
            }
            let store = &stores[*at];
            let batch = if luck.below(2) == 0 {
                store.writer.raw(*from, *to)
            } else {
                store.writer.compact(*from, *to)
            };
            store.give(hub, &batch);
        }
        rounds += 1;
        assert!(rounds < 200, "it never comes to an end");
    }
    while published < 6 {
        published += 1;
        publish(published);
    }
    picture(hub, codes)
}

#[test]
fn uploads_three_times_in_any_order_between_price_changes_come_to_one_state() {
    let mut luck = Luck::of_this_run("three uploads");
    let rounds = if full() { 100 } else { 10 };
    let url = service("TRADEPOST_PG_URL", "three uploads");
    for round in 0..rounds {
        let mut writers = [Writer::new(1), Writer::new(2)];
        for writer in &mut writers {
            for _ in 0..24 {
                let pieces = 1 + i64::try_from(luck.below(3)).expect("small");
                match luck.below(4) {
                    0 => writer.received("MILK", 1 + luck.below(9)),
                    1 => writer.started(),
                    _ => drop(writer.sold(&[("MILK", pieces, 120), ("TEA", 1, 99)])),
                }
            }
        }
        let mut seen = Vec::new();
        for _ in 0..2 {
            let folder = TempDir::new("hub");
            let hub = embedded(folder.path(), &DatabaseAddress::Sqlite);
            seen.push(uploaded(&hub, &writers, &mut luck));
        }
        if let Some(url) = url.as_ref().filter(|_| round % 5 == 0) {
            let (folder, database) = (TempDir::new("hub"), PgDatabase::make(url));
            let hub = embedded(folder.path(), &DatabaseAddress::Postgres(database.url()));
            seen.push(uploaded(&hub, &writers, &mut luck));
        }
        for other in &seen[1..] {
            assert_eq!(&seen[0], other, "round {round}");
        }
        assert!(seen[0].len() > 30, "too little happened");
    }
}

#[test]
fn a_used_or_old_or_guessed_code_enrols_nobody_and_a_repeat_changes_nothing() {
    on_each_database("codes", |hub| {
        stores::open(hub, "13", "Salem", None, Incarnation([90; 16]), NOW).expect("a new store");
        let node = Writer::new(1);
        let applicant = application(hub, "13", &node, [1; 8]);
        let member = enrol::enrol(hub, &applicant, NOW).expect("a good code");
        let rows = outbox_rows(hub);
        let again = enrol::enrol(hub, &applicant, NOW + 1).expect("a repeat");
        assert_eq!(again.hub_incarnation, member.hub_incarnation);
        assert_eq!(outbox_rows(hub), rows, "a repeat writes no fact");

        let refused = |applicant: &enrol::Application, now: i64| {
            let fault = enrol::enrol(hub, applicant, now).expect_err("refused");
            assert_eq!(fault.code(), Code::EnrolmentRefused, "{fault}");
        };
        let other = Writer::new(2);
        let mut stolen = application(hub, "13", &other, [2; 8]);
        stolen.secret = [1; 8];
        refused(&stolen, NOW);
        let late = application(hub, "13", &other, [3; 8]);
        refused(&late, NOW + 11 * 60_000);
        let forged = enrol::Application { proof: [0; 64], ..application(hub, "13", &other, [4; 8]) };
        refused(&forged, NOW);
        let guessed = application(hub, "13", &other, [5; 8]);
        for guess in 0..5 {
            refused(&enrol::Application { secret: [100 + guess; 8], ..guessed.clone() }, NOW);
        }
        refused(&guessed, NOW);
    });
}

#[test]
fn a_lone_node_brings_its_documents_and_one_opening_movement_an_item() {
    on_each_database("lone", |hub| {
        stores::open(hub, "13", "Salem", None, Incarnation([90; 16]), NOW).expect("a new store");
        let milk = serde_json::json!({"sku": "MILK", "name": "Milk", "tax_category": "standard"});
        let tea = serde_json::json!({"sku": "TEA-HQ", "name": "Tea", "tax_category": "standard", "gtins": ["4006381333931"]});
        for product in [&milk, &tea] {
            let product = products::read(product, "").expect("a product");
            products::put(hub, &product, None, NOW).expect("it is taken");
        }
        let mut lone = Writer::new(1);
        lone.received("MILK", 10);
        lone.received("TEA", 4);
        lone.received("OWN", 3);
        lone.sold(&[("MILK", 2, 100), ("TEA", 1, 300), ("OWN", 1, 50)]);
        let last = HeadMark { incarnation: lone.incarnation(), seq: lone.head.seq, hash: lone.head.hash };

        let mut node = Writer::new(1);
        node.head = tradepost_sync::event::Head::empty(Incarnation([2; 16]));
        let item = |on_hand: i64, gtins: &[&str]| LoneItem {
            gtins: gtins.iter().map(|g| (*g).to_owned()).collect(),
            on_hand,
            rights: on_hand.unsigned_abs(),
            overdraw: 0,
        };
        let items = [("MILK", item(8, &[])), ("TEA", item(3, &["04006381333931"])), ("OWN", item(2, &[]))];
        let applicant = enrol::Application {
            lone_head: Some(last),
            items: items.into_iter().map(|(sku, item)| (Sku(sku.to_owned()), item)).collect(),
            ..application(hub, "13", &node, [1; 8])
        };
        enrol::enrol(hub, &applicant, NOW).expect("a good code");
        enrol::enrol(hub, &applicant, NOW).expect("a repeat gets the same");

        let own = format!("{}/OWN", lone.incarnation());
        assert_eq!(on_hand(hub, "13", "MILK"), (8, 8));
        assert_eq!(on_hand(hub, "13", "TEA-HQ"), (3, 3));
        assert_eq!(on_hand(hub, "13", &own), (2, 2));
        assert_eq!(findings(hub), [("unmatched_sku".to_owned(), own.clone())]);

        // The log comes afterwards: its documents are booked, its goods are not moved again.
        lone.write(
            &IncarnationRetired { last_seq: lone.head.seq + 1, by: RetiredBy::Enrolment(node.incarnation()) }
                .into(),
        );
        let store = stores::get(hub, "13").expect("the store").no;
        let shelf = tradepost_central::app::shelf::ShelfMemory::default();
        let batch = lone.raw(1, lone.head.seq);
        let applied =
            tradepost_central::app::ingest::ingest(hub, &shelf, store, &batch, NOW).expect("the hub works");
        assert!(matches!(applied, Applied::Done(_)));
        let sums = everything(hub, "13");
        assert_eq!((sums.sales, sums.takings), (1, 550));
        assert_eq!((sums.units["MILK"], sums.units["TEA-HQ"], sums.units[&own]), (2, 1, 1));
        assert_eq!(on_hand(hub, "13", "MILK"), (8, 8));

        // A person says what the placeholder is.
        aliases::add(hub, "13", &own, "MILK", NOW).expect("an alias");
        assert_eq!(on_hand(hub, "13", "MILK"), (10, 10));
        assert_eq!(everything(hub, "13").units["MILK"], 3);
        assert_eq!(findings(hub), []);
    });
}

#[test]
fn exports_hold_every_event_once_and_in_order() {
    on_each_database("exports", |hub| {
        let mut store = Enrolled::make(hub, "13", 1);
        let count = 2 * u64::try_from(export::PAGE).unwrap_or(0) + 3;
        (0..count).for_each(|_| store.writer.started());
        let (from, to) = (1, store.writer.head.seq);
        store.give(hub, &store.writer.raw(from, to));
        let authors = export::authors(hub, "13").expect("the store");
        let (mut place, mut lines) = (export::Place::default(), Vec::new());
        while let Some((page, next)) = export::events(hub, &authors, place).expect("the hub works") {
            lines.extend(
                page.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")),
            );
            place = next;
        }
        let mine = store.writer.incarnation().to_string();
        let seqs: Vec<u64> =
            lines.iter().filter(|l| l["incarnation"] == mine).filter_map(|l| l["seq"].as_u64()).collect();
        assert_eq!(seqs, (1..=count).collect::<Vec<_>>());
        assert!(lines.iter().all(|l| l["hash"].as_str().is_some_and(|h| h.len() == 64)));
    });
}

#[test]
fn two_batches_of_two_stores_do_not_wait_for_each_other_in_a_circle() {
    on_each_database("parallel", |hub| {
        let mut stores: Vec<Enrolled> = (1..=4).map(|n| Enrolled::make(hub, &format!("s{n}"), n)).collect();
        for store in &mut stores {
            for n in 0..30 {
                store.writer.sold(&[("MILK", 1, 100), ("TEA", 1 + n % 2, 90)]);
            }
        }
        std::thread::scope(|scope| {
            for store in &stores {
                scope.spawn(move || {
                    for from in [1, 11, 6, 21] {
                        store.give(hub, &store.writer.raw(from, from + 9));
                    }
                });
            }
        });
        for (n, _) in stores.iter().enumerate() {
            assert_eq!(everything(hub, &format!("s{}", n + 1)).sales, 30);
        }
    });
}

#[test]
fn nobody_writes_while_the_hub_is_stopping() {
    on_each_database("closing", |hub| {
        let mut store = Enrolled::make(hub, "13", 1);
        store.writer.started();
        hub.closing.store(true, std::sync::atomic::Ordering::Release);
        let shelf = tradepost_central::app::shelf::ShelfMemory::default();
        let refused: Result<_, Fault> =
            tradepost_central::app::ingest::ingest(hub, &shelf, store.store, &store.writer.raw(1, 1), NOW);
        assert_eq!(refused.expect_err("refused").code(), Code::Closing);
    });
}
