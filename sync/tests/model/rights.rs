//! Rights: selling apart, lending, overdraw, covering (G1 to G6, G18, G24, G42, G43, G49).

use crate::world::*;
use tradepost_sync::custody::{CustodyRefusal, End};
use tradepost_sync::replica::{Heard, Refused};
use tradepost_sync::rights::StrictShort;

fn short(asked: u64, free: u64) -> Result<(), Refused> {
    Err(Refused::Short(StrictShort { asked, free }))
}

/// M_T1=10, →T2 4, →H 3, partition; each sells its own rights, then 1 more.
#[test]
fn g1_apart_each_sells_its_own_rights_and_no_more() {
    let mut w = World::new(&["T1", "T2"]);
    w.receive("T1", 10);
    w.give("T1", "T2", 4).unwrap();
    w.give("T1", H, 3).unwrap();
    w.level_all(&["T1", "T2", H]);
    for (name, units) in [("T1", 3), ("T2", 4)] {
        assert_eq!(w.sell(name, units, strict()), Ok(()));
        assert_eq!(w.sell(name, 1, strict()), short(1, 0));
    }
    w.reserve("T1", 3).unwrap();
    assert_eq!(w.reserve("T1", 1).map(drop), short(1, 0));
    w.level_all(&["T1", "T2", H]);
    let picture = w.picture(H);
    assert_eq!((picture.available, picture.on_hand, picture.reserved, picture.d()), (0, 3, 3, 0));
    w.sound();
}

/// M=5, T1→T2 2, message lost; T1 sells 3, +1; T2 sells 1; sync; T2 sells 2, +1.
#[test]
fn g2_a_lost_grant_is_no_lost_right() {
    let mut w = World::new(&["T1", "T2"]);
    w.receive("T1", 5);
    w.give("T1", "T2", 2).unwrap();
    assert_eq!(w.sell("T1", 3, strict()), Ok(()));
    assert_eq!(w.sell("T1", 1, strict()), short(1, 0));
    assert_eq!(w.sell("T2", 1, strict()), short(1, 0));
    w.level("T1", "T2");
    assert_eq!(w.sell("T2", 2, strict()), Ok(()));
    assert_eq!(w.sell("T2", 1, strict()), short(1, 0));
    w.sound();
}

/// T1 (6) snapshots a(T=2), b(T=4), delivered b,a,b,a.
#[test]
fn g3_states_delivered_twice_and_out_of_order_count_once() {
    let mut w = World::new(&["T1", "T2"]);
    w.receive("T1", 6);
    w.give("T1", "T2", 2).unwrap();
    let a = w.r("T1").clone();
    w.give("T1", "T2", 2).unwrap();
    let b = w.r("T1").clone();
    for snapshot in [&b, &a, &b, &a] {
        for entry in snapshot.events_after(&inc("T1"), 0) {
            w.m("T2").hear(&entry);
        }
    }
    assert_eq!((w.own("T2"), w.own("T1")), (4, 2));
    // Later events alone are a gap, named, and change nothing.
    let mut late = World::new(&["T1", "T2"]);
    late.receive("T1", 6);
    late.give("T1", "T2", 2).unwrap();
    let last = late.r("T1").events_after(&inc("T1"), 2).pop().unwrap();
    assert!(matches!(late.m("T2").hear(&last), Heard::Gap { .. }));
    assert_eq!(late.own("T2"), 0);
}

/// r=(5,3); T1→T2 2 ‖ T2→T1 1.
#[test]
fn g4_grants_that_cross() {
    let mut w = World::new(&["T1", "T2"]);
    w.receive("T1", 5);
    w.receive("T2", 3);
    w.level("T1", "T2");
    w.give("T1", "T2", 2).unwrap();
    w.give("T2", "T1", 1).unwrap();
    assert_eq!((w.own("T1"), w.own("T2")), (3, 2));
    w.level("T1", "T2");
    assert_eq!((w.own("T1"), w.own("T2")), (4, 4));
}

/// 1 good, r_H=1; T1 strict; then in_hand ‖ H reserves 1.
fn g5() -> (World, tradepost_sync::ids::Id) {
    let mut w = World::new(&["T1"]);
    w.receive("T1", 1);
    w.give("T1", H, 1).unwrap();
    w.level("T1", H);
    assert_eq!(w.sell("T1", 1, strict()), short(1, 0));
    w.sell("T1", 1, in_hand()).unwrap();
    let order = w.reserve("T1", 1).unwrap();
    w.level("T1", H);
    (w, order)
}

#[test]
fn g5_a_walk_in_sale_can_break_a_promise_and_it_is_counted_to_the_unit() {
    let (w, _) = g5();
    let picture = w.picture(H);
    assert_eq!((picture.overdraw, picture.available, picture.on_hand, picture.reserved), (1, 0, 0, 1));
    assert_eq!((picture.exposure(), picture.d()), (1, 0));
    w.sound();
}

/// r_T2=2; T1 in_hand sale; sync; T2→T1 1; settle.
#[test]
fn g6_overdraw_is_settled_by_rights_that_come_later() {
    let mut w = World::new(&["T1", "T2"]);
    w.receive("T2", 2);
    w.sell("T1", 1, in_hand()).unwrap();
    w.level("T1", "T2");
    assert_eq!(w.picture("T2").overdraw, 1);
    w.give("T2", "T1", 1).unwrap();
    w.level("T1", "T2");
    w.settle("T1").unwrap();
    w.level("T1", "T2");
    let picture = w.picture("T2");
    assert_eq!((picture.overdraw, picture.available, picture.on_hand), (0, 1, 1));
    assert_eq!((picture.exposure(), picture.d()), (0, 0));
    w.sound();
}

/// Lease expired at T1 (r=3): strict; in_hand; renew; settle.
#[test]
fn g18_a_locked_node_sells_in_hand_as_overdraw() {
    let mut w = World::new(&["T1"]);
    w.receive("T1", 3);
    w.pass(73 * HOUR);
    assert_eq!(w.sell("T1", 1, strict()), short(1, 0));
    w.sell("T1", 1, in_hand()).unwrap();
    assert_eq!((w.r("T1").overdraw_of(&sku(), &inc("T1")), w.own("T1")), (1, 3));
    assert_eq!(w.settle("T1"), Err(Refused::Nothing), "locked, it settles nothing");
    w.renew("T1");
    w.settle("T1").unwrap();
    assert_eq!((w.own("T1"), w.picture("T1").overdraw), (2, 0));
}

/// H reserves 2 of 3; cancel delivered ×3.
#[test]
fn g24_a_reservation_ends_once() {
    let mut w = World::new(&["T1"]);
    w.receive("T1", 3);
    w.give("T1", H, 3).unwrap();
    w.level("T1", H);
    let order = w.reserve(H, 2).unwrap();
    assert_eq!(w.own(H), 1);
    let cancel = w.r(H).end(order, End::Cancelled, w.now(H)).unwrap();
    let entry = w.write(H, &cancel);
    for _ in 0..3 {
        w.m("T1").hear(&entry);
        assert_eq!(w.m(H).hear(&entry), Heard::Known);
        let again = w.r(H).end(order, End::Cancelled, w.now(H));
        assert_eq!(again.map(drop), Err(Refused::Custody(CustodyRefusal::Ended)));
    }
    w.level("T1", H);
    assert_eq!((w.own(H), w.picture("T1").reserved, w.picture("T1").d()), (3, 0, 0));
}

/// r_H=3, goods 3; T1 without rights sells 1 in hand, synced.
#[test]
fn g42_the_hub_covers_before_it_promises() {
    let mut w = World::new(&["T1"]);
    w.receive("T1", 3);
    w.give("T1", H, 3).unwrap();
    w.level("T1", H);
    w.sell("T1", 1, in_hand()).unwrap();
    w.level("T1", H);
    assert_eq!(w.reserve("T1", 3).map(drop), short(3, 2));
    w.reserve("T1", 2).unwrap();
    w.level("T1", H);
    w.settle("T1").unwrap();
    w.level("T1", H);
    let picture = w.picture(H);
    assert_eq!((picture.overdraw, picture.on_hand, picture.reserved), (0, 2, 2));
    assert_eq!((picture.exposure(), picture.d()), (0, 0));
    w.sound();
}

/// T2 takes a grant of 2 from T1, sells 2, rebuilds from its log.
#[test]
fn g43_a_rebuild_ends_where_it_was() {
    let mut w = World::new(&["T1", "T2"]);
    w.receive("T1", 2);
    w.give("T1", "T2", 2).unwrap();
    // The donor answers with its signed events up to the grant.
    w.send_stream("T1", "T2", inc("T1"));
    w.sell("T2", 2, strict()).unwrap();
    let rebuilt = w.r("T2").rebuilt();
    assert_eq!(rebuilt.rights_of(&sku(), &inc("T2")), 0);
    assert_eq!(&rebuilt, w.r("T2"));
}

/// G5, then the reservation is cancelled; next web order.
#[test]
fn g49_after_a_broken_promise_the_next_order_is_refused() {
    let (mut w, order) = g5();
    let cancel = w.r("T1").end(order, End::Cancelled, w.now("T1")).unwrap();
    w.write("T1", &cancel);
    // What came back to its custodian T1 settles T1's own overdraw before anything else.
    w.settle("T1").unwrap();
    w.level("T1", H);
    assert_eq!(w.reserve("T1", 1).map(drop), short(1, 0));
    let picture = w.picture(H);
    assert_eq!((picture.overdraw, w.own(H), picture.exposure(), picture.d()), (0, 0, 0, 0));
}

/// G49 with the hub as custodian: what comes back to it covers T1, by the refused order itself.
#[test]
fn g49_the_hub_covers_first() {
    let mut w = World::new(&["T1"]);
    w.receive("T1", 1);
    w.give("T1", H, 1).unwrap();
    w.level("T1", H);
    w.sell("T1", 1, in_hand()).unwrap();
    let order = w.reserve(H, 1).unwrap();
    w.level("T1", H);
    let cancel = w.r(H).end(order, End::Cancelled, w.now(H)).unwrap();
    w.write(H, &cancel);
    assert_eq!(w.own(H), 1);
    assert_eq!(w.reserve("T1", 1).map(drop), short(1, 0));
    w.level("T1", H);
    w.settle("T1").unwrap();
    w.level("T1", H);
    let picture = w.picture(H);
    assert_eq!((picture.overdraw, w.own(H), picture.exposure(), picture.d()), (0, 0, 0, 0));
}

/// What somebody overdrew whom nobody may give to is held back by the hub, and given to the hub by the others.
#[test]
fn overdraw_of_the_unregistered_is_held_back() {
    let mut w = World::new(&["T1"]);
    w.receive("T1", 3);
    w.give("T1", H, 2).unwrap();
    w.machine("T2");
    w.sell("T2", 2, in_hand()).unwrap();
    w.send("T2", "T1");
    w.level("T1", H);
    // 1 good is left. H holds 2 back and promises none; T1 sees that H has enough for it and sells its own.
    assert_eq!(w.reserve("T1", 1).map(drop), short(1, 0));
    assert_eq!(w.sell("T1", 1, strict()), Ok(()));
    w.level("T1", H);
    let picture = w.picture(H);
    assert_eq!((picture.on_hand, picture.available, picture.overdraw, picture.d()), (0, 2, 2, 0));
    // Without a right at H, T1 gives it what is missing before it promises.
    let mut w = World::new(&["T1"]);
    w.receive("T1", 3);
    w.machine("T2");
    w.sell("T2", 2, in_hand()).unwrap();
    w.send("T2", "T1");
    assert_eq!(w.sell("T1", 2, strict()), short(2, 1));
    w.level("T1", H);
    assert_eq!((w.own(H), w.own("T1")), (2, 1));
    w.enrol(&["T2"]);
    assert_eq!(w.reserve("T1", 1).map(drop), short(1, 0));
    w.level("T2", H);
    w.settle("T2").unwrap();
    w.level("T2", H);
    assert_eq!((w.picture(H).overdraw, w.picture(H).available, w.picture(H).d()), (0, 1, 0));
}
