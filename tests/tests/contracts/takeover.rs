//! One contract for both databases of the hub: what a lost or long silent node alone could have finished is taken over after
//! its wait, is flagged, and ends once (`model.md` §5; G40 of §8).

use tradepost_central::app::shelf::ShelfMemory;
use tradepost_central::app::{
    Code, Fault, deliveries, enrol, fence, ingest, products, recovery, reserve, review, stock, stores,
    takeover, waits,
};
use tradepost_central::config::DatabaseAddress;
use tradepost_central::db::recoveries;
use tradepost_central::hub::Hub;
use tradepost_commerce::document::Sku;
use tradepost_sync::body::{Body, CustodyObject, Kind, Moved, RightsGranted};
use tradepost_sync::clock::Tau;
use tradepost_sync::event::Event;
use tradepost_sync::ids::{Id, Incarnation};
use tradepost_sync::lease::LEASE_MS_DEFAULT;
use tradepost_sync::session::Applied;
use tradepost_tests::hub_bench::{Enrolled, NOW, PgDatabase, Writer, application, embedded, service};
use tradepost_tests::process::TempDir;

const HOUR: i64 = 3_600_000;
/// The reservation of these stories.
const ORDER: Id = Id([0x40; 16]);

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

fn take_over(hub: &Hub, object: &CustodyObject, to: &str, at: i64) -> Result<(Incarnation, u32), Fault> {
    let taken = takeover::take_over(hub, "13", object, Some(to), NOW + at)?;
    Ok((taken.custodian, taken.epoch))
}

/// [on_hand, available, reserved, overdraw, surplus].
fn figures(hub: &Hub) -> [i128; 5] {
    let it = stock::get(hub, "13", "MILK").expect("the hub works").picture;
    [it.on_hand, it.available, it.reserved, it.overdraw, it.surplus()]
}

/// Ten goods, one promised to a web order that the store is to hand out; the store asked for its last lease at [`NOW`].
fn ten_goods(hub: &Hub) -> Enrolled {
    let mut store = Enrolled::make(hub, "13", 1);
    let product = serde_json::json!({"sku": "MILK", "name": "Milk", "tax_category": "standard"});
    products::put(hub, &products::read(&product, "").expect("a product"), None, NOW).expect("it is taken");
    let own = Incarnation([101; 16]);
    store.writer.received("MILK", 10);
    store.writer.write(&RightsGranted { sku: Sku("MILK".to_owned()), to: own, units: 1 }.into());
    assert!(matches!(store.give(hub, &store.writer.raw(1, 2)), Applied::Done(_)));
    let wanted = reserve::Wanted {
        id: ORDER,
        store: "13".to_owned(),
        sku: "MILK".to_owned(),
        units: 1,
        order: Id([0x41; 16]),
        reference: "W-1".to_owned(),
        expires: NOW + 74 * HOUR,
        custodian: Some(store.writer.incarnation().to_string()),
        prepaid: None,
    };
    reserve::open(hub, &wanted, Tau::told(1, NOW)).expect("it is free");
    let who = store.writer.incarnation();
    let lease = |tx: &mut tradepost_central::db::Tx<'_>| {
        waits::renewed(tx, store.store, who, LEASE_MS_DEFAULT, Tau::told(1, NOW))
    };
    hub.db.write(lease).expect("the hub works");
    assert_eq!(figures(hub), [10, 9, 1, 0, 0]);
    store
}

/// The hub has run for so long since the lease was given.
fn pass(hub: &Hub, ms: i64) {
    waits::save(&hub.db, ms, Tau::told(1, NOW + ms)).expect("the hub works");
}

/// The locked store hands the order over, by a sale in hand that names it.
fn hands_over(hub: &Hub, store: &mut Enrolled) {
    let seq = store.writer.head.seq + 1;
    let mut sale = store.writer.sale(Id([0x42; 16]), &[("MILK", 1, 100)]);
    sale.moved = vec![Moved { m: 0, c: 0, o: 1 }];
    sale.reservations = vec![(0, ORDER)];
    store.writer.write(&Body::from(sale));
    assert!(matches!(store.give(hub, &store.writer.raw(seq, seq)), Applied::Done(_)));
}

#[test]
fn g40_after_lease_and_wait_the_hub_takes_a_reservation_over_and_it_expires_without_rights() {
    on_each_database("g40_expires", |hub| {
        let mut store = ten_goods(hub);
        let object = CustodyObject::Reservation(ORDER);
        pass(hub, 71 * HOUR);
        let early = take_over(hub, &object, "hub", 71 * HOUR).expect_err("its lease may run");
        assert_eq!(early.code(), Code::LeaseNotExpired);
        assert_eq!(findings(hub, "taken_over"), 0);
        pass(hub, 73 * HOUR);
        let own = Incarnation([101; 16]);
        for _ in 0..2 {
            assert_eq!(take_over(hub, &object, "hub", 73 * HOUR).expect("the wait is over"), (own, 1));
        }
        assert_eq!(findings(hub, "taken_over"), 1);
        assert_eq!(reserve::sweep(hub, Tau::told(1, NOW + 73 * HOUR)).expect("the hub works"), 0);
        assert_eq!(reserve::sweep(hub, Tau::told(1, NOW + 75 * HOUR)).expect("the hub works"), 1);
        assert_eq!(figures(hub), [10, 9, 0, 0, 1], "no right comes back");
        // The store hears of nothing, and hands it out.
        hands_over(hub, &mut store);
        assert_eq!(figures(hub), [9, 9, 0, 1, 1]);
        assert_eq!(findings(hub, "handed_over_late"), 1);
        let ended = take_over(hub, &object, &store.writer.incarnation().to_string(), 80 * HOUR);
        assert_eq!(ended.expect_err("it has ended").code(), Code::ReservationEnded);
    });
}

#[test]
fn what_a_locked_store_had_handed_over_the_hub_closes_and_never_expires() {
    on_each_database("g40_closed", |hub| {
        let mut store = ten_goods(hub);
        pass(hub, 73 * HOUR);
        let object = CustodyObject::Reservation(ORDER);
        take_over(hub, &object, "hub", 73 * HOUR).expect("the wait is over");
        hands_over(hub, &mut store);
        assert_eq!(reserve::sweep(hub, Tau::told(1, NOW + 80 * HOUR)).expect("the hub works"), 1);
        assert_eq!(figures(hub), [9, 9, 0, 1, 1]);
        let shown = reserve::get(hub, ORDER).expect("the hub works");
        assert_eq!(reserve::state(&shown.row), "fulfilled");
        assert_eq!((findings(hub, "handed_over_late"), findings(hub, "custody_clash")), (0, 0));
        assert_eq!(reserve::sweep(hub, Tau::told(1, NOW + 81 * HOUR)).expect("the hub works"), 0, "once");
    });
}

/// More promises than one look takes wait for a store that is away; what the hub holds itself ends all the same.
#[test]
fn promises_that_wait_for_a_store_hold_up_none_of_the_hubs_own() {
    on_each_database("sweep_pages", |hub| {
        let mut store = ten_goods(hub);
        let (many, seq) = (101u8, store.writer.head.seq + 1);
        store.writer.received("MILK", u64::from(many) + 1);
        let granted = RightsGranted {
            sku: Sku("MILK".to_owned()),
            to: Incarnation([101; 16]),
            units: u64::from(many) + 1,
        };
        store.writer.write(&granted.into());
        assert!(matches!(store.give(hub, &store.writer.raw(seq, seq + 1)), Applied::Done(_)));
        let node = store.writer.incarnation().to_string();
        for n in 0..=many {
            let wanted = reserve::Wanted {
                id: Id([0x60 + n; 16]),
                store: "13".to_owned(),
                sku: "MILK".to_owned(),
                units: 1,
                order: Id([0x41; 16]),
                reference: format!("W-{}", n + 2),
                expires: NOW + HOUR,
                custodian: Some(if n == many { "hub".to_owned() } else { node.clone() }),
                prepaid: None,
            };
            reserve::open(hub, &wanted, Tau::told(1, NOW)).expect("it is free");
        }
        let later = Tau::told(1, NOW + 2 * HOUR);
        assert_eq!(reserve::sweep(hub, later).expect("the hub works"), 1, "its own, behind all others");
        let own = reserve::get(hub, Id([0x60 + many; 16])).expect("the hub works");
        assert_eq!(reserve::state(&own.row), "expired");
        assert_eq!(reserve::sweep(hub, later).expect("the hub works"), 0, "the others are the store's");
    });
}

/// A till is lost with a delivery that it alone could receive and the right to refund what it sold.
#[test]
fn a_lost_tills_deliveries_and_refund_rights_are_listed_and_given_to_another() {
    on_each_database("takeover_objects", |hub| {
        let mut store = ten_goods(hub);
        let other = Writer::new(2);
        enrol::enrol(hub, &application(hub, "13", &other, [2; 8]), NOW).expect("a good code");
        let (lost, to) = (store.writer.incarnation(), other.incarnation());
        let _there = hub.present.met(to);
        let announced = Id([0x50; 16]);
        let wanted = deliveries::Wanted {
            id: announced,
            store: "13".to_owned(),
            reference: "PO-7".to_owned(),
            custodian: Some(lost.to_string()),
            lines: vec![("MILK".to_owned(), 5, None)],
        };
        deliveries::announce(hub, &wanted, NOW).expect("it is announced");
        let sale = store.writer.sold(&[("MILK", 1, 100)]);
        assert!(matches!(store.give(hub, &store.writer.raw(3, 3)), Applied::Done(_)));
        let delivery = CustodyObject::Delivery(announced);
        let present = hub.present.met(lost);
        let alive = take_over(hub, &delivery, &to.to_string(), HOUR).expect_err("it is in session");
        assert_eq!(alive.code(), Code::NotCustodian);
        drop(present);
        let fencing = fence::Fencing { successor: None, attested: Some("it burnt".to_owned()) };
        fence::fence(hub, "13", &lost, &fencing, NOW + HOUR).expect("it is fenced");

        let listed = recovery::of_store(hub, "13", NOW + HOUR).expect("the hub works").objects;
        let mut kinds: Vec<_> = listed.iter().map(|one| (one.kind, one.reference.as_str())).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, [("delivery", "PO-7"), ("reservation", "W-1")]);
        assert!(listed.iter().all(|one| one.wait_until.is_none() && one.custodian == lost));

        let by_hub = take_over(hub, &delivery, "hub", HOUR).expect_err("the hub has no shelf");
        assert_eq!(by_hub.code(), Code::UnknownNode);
        let nobody = take_over(hub, &CustodyObject::Delivery(Id([9; 16])), &to.to_string(), HOUR);
        assert_eq!(nobody.expect_err("nothing is known of it").code(), Code::NotFound);
        assert_eq!(take_over(hub, &delivery, &to.to_string(), HOUR).expect("it is lost"), (to, 1));
        let refund = CustodyObject::Refund(sale);
        assert_eq!(take_over(hub, &refund, &to.to_string(), HOUR).expect("it is lost"), (to, 1));
        assert_eq!(findings(hub, "taken_over"), 2);
        let left = recovery::of_store(hub, "13", NOW + HOUR).expect("the hub works").objects;
        assert_eq!(left.iter().map(|one| one.kind).collect::<Vec<_>>(), ["reservation"]);
    });
}

/// The fence names who goes on with the refund rights: the hub gives none of them away beside it.
#[test]
fn refund_rights_of_a_successor_are_not_given_away() {
    on_each_database("takeover_successor", |hub| {
        let mut store = ten_goods(hub);
        let others = [2, 3].map(|seed| {
            let writer = Writer::new(seed);
            enrol::enrol(hub, &application(hub, "13", &writer, [seed; 8]), NOW).expect("a good code");
            writer.incarnation()
        });
        let sale = store.writer.sold(&[("MILK", 1, 100)]);
        let batch = store.writer.raw(3, 3);
        let done = ingest::ingest(hub, &ShelfMemory::default(), store.store, &batch, NOW);
        assert!(matches!(done, Ok(Applied::Done(_))));
        let [successor, third] = others;
        let fencing =
            fence::Fencing { successor: Some(successor.to_string()), attested: Some("it burnt".to_owned()) };
        fence::fence(hub, "13", &store.writer.incarnation(), &fencing, NOW + HOUR).expect("it is fenced");
        let _present = hub.present.met(successor);
        let refused = take_over(hub, &CustodyObject::Refund(sale), &third.to_string(), HOUR);
        assert_eq!(refused.expect_err("the successor owns it").code(), Code::NotCustodian);
    });
}

/// The nodes go by the last fence they hear of: the one that tells of the destruction later names the same successor.
#[test]
fn destruction_told_later_keeps_the_successor() {
    on_each_database("takeover_told_later", |hub| {
        let store = ten_goods(hub);
        let second = Writer::new(2);
        enrol::enrol(hub, &application(hub, "13", &second, [2; 8]), NOW).expect("a good code");
        let (lost, successor) = (store.writer.incarnation(), second.incarnation());
        let first = fence::Fencing { successor: Some(successor.to_string()), attested: None };
        fence::fence(hub, "13", &lost, &first, NOW).expect("it is fenced");
        let told = fence::Fencing { successor: None, attested: Some("it burnt".to_owned()) };
        fence::fence(hub, "13", &lost, &told, NOW + HOUR).expect("its end is told");

        let last = hub.db.read(|tx| {
            let no = stores::find(tx, "13")?.no;
            Ok::<_, Fault>(recoveries::events_of_kinds(tx, no, [Kind::NodeFenced.number(); 3])?.pop())
        });
        let last = last.expect("the hub works").expect("a fence");
        let Ok(Body::NodeFenced(last)) = Event::read(&last).expect("an event").body() else {
            panic!("no fence")
        };
        assert_eq!(
            (last.incarnation, last.successor, last.attested.is_some()),
            (lost, Some(successor), true)
        );
    });
}
