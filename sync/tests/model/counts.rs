//! Counting while others sell (G13 to G17, G29, G30, G33, G34, G46, G50).

use crate::world::*;
use tradepost_sync::burn::{self, BurnAsk};
use tradepost_sync::ids::Id;
use tradepost_sync::replica::Refused;

/// T1 and T2 with these rights, all known to everybody, at 09:00.
fn shop(t1: u64, t2: u64, hub: u64) -> World {
    let mut w = World::new(&["T1", "T2"]);
    w.ms = 9 * HOUR;
    w.receive("T1", t1 + t2 + hub);
    if t2 > 0 {
        w.give("T1", "T2", t2).unwrap();
    }
    if hub > 0 {
        w.give("T1", H, hub).unwrap();
    }
    w.level_all(&["T1", "T2", H]);
    w.renew("T1");
    w.renew("T2");
    w
}

const ALL: [&str; 3] = ["T1", "T2", H];

/// 10 goods, T2 sold 2 at 09:50 unsynced; T1 counts 8 at 10:00.
#[test]
fn g13_a_late_sale_that_the_count_had_included_makes_a_surplus() {
    let mut w = shop(5, 5, 0);
    w.at(9, 50);
    w.sell("T2", 2, strict()).unwrap();
    w.at(10, 0);
    w.count("T1", 8);
    assert_eq!(w.own("T1"), 3, "burns 2");
    w.level_all(&ALL);
    let picture = w.picture(H);
    assert_eq!((picture.available, picture.surplus(), w.tainted(H)), (6, 2, false));
    w.pass(MIN);
    let done = w.barrier(&["T1", "T2"]).unwrap();
    assert_eq!(done.mint, Ok(2));
    let picture = w.picture("T1");
    assert_eq!((picture.on_hand, picture.available, picture.d()), (8, 8, 0));
    assert_eq!(w.own(H), 2);
    w.sound();
}

/// T2 sells 1 at 10:05 unsynced; count 10 at 10:00.
#[test]
fn g14_a_later_sale_is_after_the_count() {
    let mut w = shop(5, 5, 0);
    w.at(10, 0);
    w.count("T1", 10);
    assert_eq!(w.picture("T1").d(), 0, "v = 0");
    w.at(10, 5);
    w.sell("T2", 1, strict()).unwrap();
    w.level_all(&ALL);
    let picture = w.picture(H);
    assert_eq!((picture.on_hand, picture.available, w.tainted(H)), (9, 9, false));
}

/// T2 sells 1 at 10:01; count 10 during 10:00–10:02.
#[test]
fn g15_a_sale_within_the_count_taints_it() {
    let mut w = shop(5, 5, 0);
    w.at(10, 0);
    let start = w.r("T1").begin_count(&sku(), &[], w.now("T1"));
    w.at(10, 1);
    w.sell("T2", 1, strict()).unwrap();
    w.at(10, 2);
    let body = w.r("T1").end_count(Id([9; 16]), &start, 10, &[], w.now("T1"));
    w.write("T1", &body);
    w.level_all(&ALL);
    assert_eq!((w.picture(H).on_hand, w.tainted(H)), (9, true));
    // A tainted count mints nothing, whatever surplus there is.
    w.at(10, 30);
    let done = w.barrier(&["T1", "T2"]).unwrap();
    assert_eq!(done.mint, Err(tradepost_sync::barrier::SkuRefusal::Tainted));
}

/// T2 received +5 offline; T1 counts 15, book 10.
#[test]
fn g16_a_receipt_that_is_on_its_way_is_not_minted_twice() {
    let mut w = shop(10, 0, 0);
    w.at(9, 30);
    w.receive("T2", 5);
    w.at(10, 0);
    w.count("T1", 15);
    let picture = w.picture("T1");
    assert_eq!((picture.available, picture.surplus()), (10, 5), "pending, not minted");
    w.pass(MIN);
    let done = w.barrier(&["T1", "T2"]).unwrap();
    assert_eq!(done.mint, Ok(0));
    let picture = w.picture(H);
    assert_eq!((picture.on_hand, picture.available, picture.d()), (15, 15, 0));
}

/// One ask after the other until nothing is left to burn; each is delivered twice.
fn burn_all(w: &mut World) {
    let mut asked: Vec<BurnAsk> = Vec::new();
    loop {
        let id = w.id();
        let hub = w.r(H);
        let rights = &hub.state().items[&sku()].rights;
        let done = |i: &_| asked.iter().any(|ask| ask.holder == *i);
        let Some(ask) = burn::next_ask(id, &sku(), rights, hub.terms(), &w.picture(H), done) else { return };
        let name = ALL.into_iter().find(|name| inc(name) == ask.holder).unwrap();
        let body = w.r(name).burn(&ask, w.now(name)).unwrap();
        w.write(name, &body);
        assert_eq!(w.r(name).burn(&ask, w.now(name)), Err(Refused::Nothing), "a request is done once");
        w.level_all(&ALL);
        asked.push(ask);
    }
}

/// r=(3,4,3), count 5.
#[test]
fn g17_what_the_counting_node_cannot_burn_is_asked_of_others() {
    let mut w = shop(3, 4, 3);
    w.at(10, 0);
    w.count("T1", 5);
    assert_eq!(w.own("T1"), 0, "T1 burns 3");
    w.level_all(&ALL);
    assert_eq!(w.picture(H).shrink(), 2);
    burn_all(&mut w);
    assert_eq!((w.own("T1"), w.own("T2"), w.own(H)), (0, 4, 1));
    let picture = w.picture("T2");
    assert_eq!((picture.available, picture.shrink(), picture.d()), (5, 0, 0));
    w.sound();
}

/// T1 (r=10) has its wall 400 days ahead and counts 10 of 10; sells.
#[test]
fn g29_a_wall_that_runs_ahead_decides_nothing() {
    let mut w = shop(10, 0, 0);
    w.wall.insert("T1".to_owned(), 400 * 24 * HOUR);
    // The lease was asked for under the same wall.
    w.renew("T1");
    w.at(10, 0);
    w.count("T1", 10);
    for _ in 0..10 {
        w.pass(MIN / 2);
        w.sell("T1", 1, strict()).unwrap();
    }
    assert!(w.sell("T1", 1, strict()).is_err());
    w.level_all(&ALL);
    w.pass(MIN);
    assert_eq!(w.barrier(&["T1", "T2"]).unwrap().mint, Ok(0));
    let picture = w.picture(H);
    assert_eq!((picture.on_hand, picture.available, picture.d()), (0, 0, 0));
}

/// G9, but T2 sells 3 between the count (10) and its booking.
#[test]
fn g30_the_fold_is_minted_not_the_raw_count() {
    let mut w = crate::barriers::g9_until_the_wait();
    w.count("T2", 10);
    w.pass(MIN);
    w.sell("T2", 3, strict()).unwrap();
    w.pass(MIN);
    let done = w.barrier(&["T2"]).unwrap();
    assert_eq!(done.mint, Ok(3));
    let picture = w.picture(H);
    assert_eq!((picture.on_hand, picture.available, picture.surplus()), (7, 7, 0));
}

/// 10 goods; T2 received +5 at 09:50 unsynced; 5 stolen; T1 counts 10 at 10:00; sync.
#[test]
fn g33_a_late_receipt_that_the_count_had_included_makes_a_shrink() {
    let mut w = shop(10, 0, 0);
    w.at(9, 50);
    w.receive("T2", 5);
    w.at(10, 0);
    w.count("T1", 10);
    w.level_all(&ALL);
    let picture = w.picture(H);
    assert_eq!((picture.on_hand, picture.available, picture.shrink()), (10, 15, 5));
    burn_all(&mut w);
    assert_eq!((w.picture(H).available, w.picture(H).d()), (10, 0));
}

/// 2 of 10 missing; T1 and T2 each count 8, apart.
#[test]
fn g34_two_counts_of_one_shrink_burn_twice_and_mint_once() {
    let mut w = shop(5, 5, 0);
    w.at(10, 0);
    w.count("T1", 8);
    w.at(10, 1);
    w.count("T2", 8);
    w.level_all(&ALL);
    assert_eq!((w.picture(H).available, w.picture(H).surplus()), (6, 2));
    w.pass(MIN);
    assert_eq!(w.barrier(&["T1", "T2"]).unwrap().mint, Ok(2));
    assert_eq!((w.picture(H).available, w.picture(H).d()), (8, 0));
    w.sound();
}

/// r=1, held by a cart with its card captured; a count on another till finds 0.
#[test]
fn g46_goods_in_a_basket_taint_a_count() {
    let mut w = shop(1, 0, 0);
    w.m("T1").held.insert(sku(), 1);
    w.at(10, 0);
    w.count_with("T2", 0, &["T1"]);
    w.level_all(&ALL);
    assert_eq!((w.own("T1"), w.tainted(H)), (1, true), "nothing free to burn");
    let ask = BurnAsk { id: Id([8; 16]), holder: inc("T1"), sku: sku(), units: 1 };
    let body = w.r("T1").burn(&ask, w.now("T1")).unwrap();
    w.write("T1", &body);
    assert_eq!(w.own("T1"), 1, "asked, it burns free rights only: none");
    // The sale commits out of the right that its cart held.
    w.m("T1").held.clear();
    w.pass(MIN);
    w.sell("T1", 1, strict()).unwrap();
    w.level_all(&ALL);
    w.at(10, 30);
    w.count_with("T2", 0, &["T1"]);
    w.level_all(&ALL);
    assert_eq!((w.picture(H).d(), w.tainted(H), w.picture(H).on_hand), (0, false, 0));
}

/// G=1; H asks T2 to burn 1 (twice delivered); T1 meanwhile counts again and burns 1.
#[test]
fn g50_a_burn_that_others_did_is_not_done_again() {
    let start = || {
        let mut w = shop(0, 5, 5);
        w.at(10, 0);
        // T1 has nothing of its own to burn when it counts 9 of 10.
        w.count("T1", 9);
        w.level_all(&ALL);
        assert_eq!(w.picture(H).shrink(), 1);
        w.give("T2", "T1", 2).unwrap();
        w.level_all(&ALL);
        w
    };
    let ask = BurnAsk { id: Id([8; 16]), holder: inc("T2"), sku: sku(), units: 1 };
    // T1's second count is known to T2 when the request comes.
    let mut w = start();
    w.at(10, 30);
    w.count("T1", 9);
    assert_eq!(w.own("T1"), 1, "burns 1");
    w.level("T1", "T2");
    for _ in 0..2 {
        if let Ok(body) = w.r("T2").burn(&ask, w.now("T2")) {
            w.write("T2", &body);
        }
    }
    w.level_all(&ALL);
    assert_eq!((w.own("T2"), w.picture(H).d()), (3, 0), "T2 sees G 0: burns 0");
    // Had it burnt first, both burn: P 1, and the hub's own barrier mints it back.
    let mut w = start();
    let body = w.r("T2").burn(&ask, w.now("T2")).unwrap();
    w.write("T2", &body);
    w.at(10, 30);
    w.count("T1", 9);
    w.level_all(&ALL);
    assert_eq!((w.own("T2"), w.own("T1"), w.picture(H).surplus()), (2, 1, 1));
    w.pass(MIN);
    assert_eq!(w.barrier(&["T1", "T2"]).unwrap().mint, Ok(1));
    assert_eq!((w.picture(H).available, w.picture(H).d()), (9, 0));
}

/// Of whoever didn't answer and knows no hub time, what takes away is subtracted and what adds isn't added; either
/// leaves the count in doubt, so nothing is minted on its word.
#[test]
fn a_movement_without_hub_time_leaves_a_count_in_doubt() {
    for (receives, on_hand, shrink) in [(false, 9, 0), (true, 10, 3)] {
        let mut w = shop(5, 5, 0);
        w.timeless.insert("T2".to_owned());
        w.at(9, 30);
        if receives {
            w.receive("T2", 3);
        } else {
            w.sell("T2", 1, strict()).unwrap();
        }
        w.at(10, 0);
        w.count("T1", 10);
        w.level_all(&ALL);
        assert_eq!((w.picture(H).on_hand, w.picture(H).shrink(), w.tainted(H)), (on_hand, shrink, true));
        // Answered by both, a recount is sure.
        w.count_with("T1", 12, &["T2"]);
        w.level_all(&ALL);
        assert_eq!((w.picture(H).on_hand, w.tainted(H)), (12, false));
    }
}
