//! One contract for both databases of the hub: what can't be applied is set aside and seen, and blocks nobody else
//! (`model.md` §6; G28 of §8).

use tradepost_central::app::shelf::ShelfMemory;
use tradepost_central::app::{
    Code, barrier, enrol, fence, grants, ingest, products, recovery, review, stock,
};
use tradepost_central::config::DatabaseAddress;
use tradepost_central::hub::Hub;
use tradepost_commerce::document::Sku;
use tradepost_sync::barrier::Purpose;
use tradepost_sync::body::RightsGranted;
use tradepost_sync::clock::Tau;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Id, Incarnation};
use tradepost_sync::session::{Applied, BarrierWord};
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

fn aside(hub: &Hub, all: bool) -> usize {
    review::quarantine(hub, all, 100).expect("the hub works").len()
}

fn refusal(hub: &Hub) -> Code {
    grants::grant(hub, "13", "MILK", 1, NOW).expect_err("the hub holds nothing").code()
}

#[test]
fn g28_what_is_not_plausible_freezes_its_author_until_a_person_is_done_with_it() {
    on_each_database("g28_frozen", |hub| {
        let mut store = Enrolled::make(hub, "13", 1);
        let product = serde_json::json!({"sku": "MILK", "name": "Milk", "tax_category": "standard"});
        let product = products::read(&product, "").expect("a product");
        products::put(hub, &product, None, NOW).expect("it is taken");
        let who = store.writer.incarnation();
        let taker = Incarnation([77; 16]);
        let give = |units| RightsGranted { sku: Sku("MILK".to_owned()), to: taker, units }.into();

        store.writer.received("MILK", 10);
        store.writer.write(&give(1));
        store.writer.received("MILK", 2_000_000_000);
        store.writer.write(&give(2));
        store.writer.sold(&[("MILK", 1, 100)]);
        let end = store.writer.raw(1, 5).end();
        assert_eq!(store.give(hub, &store.writer.raw(1, 5)), Applied::Done(end), "nothing waits behind it");

        let seen = stock::get(hub, "13", "MILK").expect("the hub works").picture;
        assert_eq!(seen.on_hand, 9, "goods and money behind it count, the implausible ones don't");
        let found = review::quarantined_at(hub, &who, 3).expect("it is set aside");
        assert_eq!((found.len(), found[0].branch, found[0].grants_frozen), (1, false, true));
        assert!(found[0].body().is_some() && !found[0].event.effects);
        assert_eq!((findings(hub, "quarantined"), findings(hub, "grant_withheld")), (1, 1));
        assert_eq!(review::withheld(hub, &who).expect("the hub works"), [3], "its author is told");
        assert_eq!(refusal(hub), Code::GrantsFrozen);

        assert!(review::settle(hub, &who, 3, " ", NOW).is_err(), "a person says what was done");
        for _ in 0..2 {
            review::settle(hub, &who, 3, "counted", NOW + 1).expect("it is there");
        }
        assert!(review::settle(hub, &who, 4, "counted", NOW).is_err(), "nothing is set aside there");
        assert_eq!((aside(hub, false), aside(hub, true), findings(hub, "quarantined")), (0, 1, 0));
        assert_eq!(refusal(hub), Code::RightsShort, "it may be granted to again");
        // What it gave away behind it stays withheld: nobody knows what it had left.
        store.writer.write(&give(3));
        assert!(matches!(store.give(hub, &store.writer.raw(6, 6)), Applied::Done(_)));
        assert_eq!(findings(hub, "grant_withheld"), 2);
    });
}

/// What a barrier would say of the item now.
fn waits_for(hub: &Hub) -> Option<Code> {
    let shown = recovery::of_store(hub, "13", NOW + 130_000).expect("the hub works");
    let item = shown.items.into_iter().find(|item| item.sku == "MILK")?;
    item.why.map(|(code, _)| code)
}

/// A person who is done with it lets the author be granted to again; goods that it may have moved are decided only behind a
/// cap that lies before it (`model.md` §6).
#[test]
fn a_barrier_decides_only_behind_a_cap_that_lies_before_what_is_not_applied() {
    on_each_database("quarantine_cap", |hub| {
        let mut store = Enrolled::make(hub, "13", 1);
        let mut other = Writer::new(2);
        enrol::enrol(hub, &application(hub, "13", &other, [2; 8]), NOW).expect("a good code");
        let (lost, on) = (store.writer.incarnation(), other.incarnation());
        let give = |units| RightsGranted { sku: Sku("MILK".to_owned()), to: on, units }.into();
        store.writer.received("MILK", 10);
        store.writer.write(&give(1));
        store.writer.received("MILK", 2_000_000_000);
        store.writer.write(&give(2));
        store.writer.sold(&[("MILK", 1, 100)]);
        assert!(matches!(store.give(hub, &store.writer.raw(1, 5)), Applied::Done(_)));
        let count = |other: &mut Writer, n: u64, at: i64| {
            let (seq, cut) = (other.head.seq + 1, store.writer.cut());
            other.counted("MILK", n, Tau::told(1, NOW + at), &[cut]);
            let batch = other.raw(seq, seq);
            let done = ingest::ingest(hub, &ShelfMemory::default(), store.store, &batch, NOW + at);
            assert_eq!(done.expect("the hub works"), Applied::Done(batch.end()));
        };
        count(&mut other, 12, 70_000);
        review::settle(hub, &lost, 3, "counted", NOW + 71_000).expect("it is there");
        let mint = barrier::open(hub, "13", Id([1; 16]), Purpose::Mint, NOW + 90_000);
        assert_eq!(mint.expect_err("nothing is minted over it").code(), Code::EventNotApplied);

        let destroyed = fence::Fencing { successor: None, attested: Some("it burnt".to_owned()) };
        fence::fence(hub, "13", &lost, &destroyed, NOW + 100_000).expect("it is fenced");
        count(&mut other, 9, 120_000);
        assert_eq!(waits_for(hub), None, "the barrier will cap it before");
        let id = Id([2; 16]);
        barrier::open(hub, "13", id, Purpose::Resolve, NOW + 130_000).expect("it opens");
        let say = |word| barrier::hear(hub, store.store, &on, &word, NOW + 131_000).expect("the hub works");
        let mark = |writer: &Writer| HeadMark {
            incarnation: writer.incarnation(),
            seq: writer.head.seq,
            hash: writer.head.hash,
        };
        // The other member holds all of the lost log.
        say(BarrierWord::Reply { barrier: id, heads: vec![mark(&store.writer), mark(&other)] });
        let word = barrier::word_for(hub, store.store, &on).expect("the hub works");
        let Some(BarrierWord::Proposal { caps, .. }) = word else { panic!("caps are proposed: {word:?}") };
        let cap = caps.iter().find(|cap| cap.incarnation == lost).expect("it is capped");
        assert_eq!((cap.seq, cap.hash), (2, store.writer.events[1].hash), "what is not applied is not held");
        say(BarrierWord::Ack { barrier: id });
        let last = recovery::of_store(hub, "13", NOW + 132_000).expect("the hub works").last;
        let outcome = last.expect("it is over").outcome;
        assert_eq!(outcome.minted.get("MILK"), Some(&8), "{outcome:?}");
        let picture = stock::get(hub, "13", "MILK").expect("the hub works").picture;
        assert_eq!((picture.on_hand, picture.available, picture.suspended, picture.d()), (9, 9, 0, 0));
    });
}
