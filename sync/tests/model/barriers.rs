//! A till that never returns: fence, wait, count, barrier (G9 to G12, G31, G32, G35, G41, G44, G47, G48).

use crate::world::*;
use tradepost_sync::barrier::{BarrierRefusal, Purpose, SkuRefusal};
use tradepost_sync::body::RetiredBy;
use tradepost_sync::fence::WaitRefusal;
use tradepost_sync::replica::{CloseError, Heard, Refused};

/// 12 goods, r=(5,4,3); T1 sells 2 unsynced, dies; fenced, T2 told; lease and margin pass.
pub(crate) fn g9_until_the_wait() -> World {
    let mut w = World::new(&["T1", "T2"]);
    w.receive("T1", 12);
    w.give("T1", "T2", 4).unwrap();
    w.give("T1", H, 3).unwrap();
    w.level_all(&["T1", "T2", H]);
    w.sell("T1", 2, strict()).unwrap();
    w.fence("T1");
    w.wait_out();
    w.level("T2", H);
    w.renew("T2");
    w.pass(MIN);
    w
}

fn g9() -> World {
    let mut w = g9_until_the_wait();
    assert_eq!(w.picture("T2").suspended, 5);
    w.count("T2", 10);
    assert_eq!(w.own("T2"), 4, "suspended rights cover the shrink: nothing is burnt");
    w.pass(MIN);
    let done = w.barrier(&["T2"]).unwrap();
    assert_eq!(done.mint, Ok(3), "by book it would be 5");
    w
}

#[test]
fn g9_a_lost_till_is_resolved_by_a_count_after_the_wait() {
    let w = g9();
    let picture = w.picture("T2");
    assert_eq!((picture.available, picture.suspended, picture.on_hand, picture.d()), (10, 0, 10, 0));
    w.sound();
}

/// M=2; T1→T2 1 undelivered; T1 sells 1; fence, wait, count 1, barrier with cap → mint 1; the old grant arrives.
#[test]
fn g10_an_old_grant_behind_the_cap_moves_nothing() {
    let mut w = World::new(&["T1", "T2"]);
    w.receive("T1", 2);
    w.level_all(&["T1", "T2", H]);
    w.give("T1", "T2", 1).unwrap();
    w.sell("T1", 1, strict()).unwrap();
    w.fence("T1");
    w.wait_out();
    w.level("T2", H);
    w.renew("T2");
    w.pass(MIN);
    w.count("T2", 1);
    w.pass(MIN);
    assert_eq!(w.barrier(&["T2"]).unwrap().mint, Ok(1));
    w.send("T1", "T2");
    assert_eq!(w.own("T2"), 0);
    assert!(w.sell("T2", 1, strict()).is_err());
    w.reserve("T2", 1).unwrap();
    w.level("T2", H);
    let picture = w.picture(H);
    assert_eq!((picture.on_hand, picture.reserved, picture.available, picture.d()), (1, 1, 0, 0));
    w.sound();
}

/// Release of suspended rights 1 min before lease end.
#[test]
fn g11_nothing_is_released_before_the_lease_is_out() {
    let mut w = World::new(&["T1", "T2"]);
    w.receive("T1", 5);
    w.level_all(&["T1", "T2", H]);
    let leased = w.ms;
    w.fence("T1");
    w.pass(72 * HOUR - MIN);
    w.level("T2", H);
    w.renew("T2");
    w.count("T2", 5);
    w.pass(1);
    w.level("T2", H);
    let before = w.picture(H);
    let done = w.barrier(&["T2"]).unwrap();
    let until = tradepost_sync::clock::Tau::told(1, leased + 72 * HOUR);
    let refusal = WaitRefusal::LeaseNotExpired { who: inc("T1"), until };
    assert_eq!(done.mint, Err(SkuRefusal::Wait(refusal)));
    assert!(done.resolve.is_empty());
    assert_eq!(w.picture(H), before);
}

/// After G9, T1 returns with its 2 sales.
#[test]
fn g12_late_sales_are_booked_and_move_no_rights() {
    let mut w = g9();
    w.send("T1", H);
    w.level("T2", H);
    let picture = w.picture(H);
    assert_eq!((picture.on_hand, picture.available, picture.d()), (10, 10, 0));
    assert_eq!(
        w.r(H).reach(&inc("T1")),
        w.r("T1").reach(&inc("T1")),
        "the money is real: every fact is held"
    );
    // It hears that it is fenced, and comes back as a new incarnation with zero rights.
    w.send(H, "T1");
    assert!(w.sell("T1", 1, strict()).is_err());
    w.machine("T3");
    w.enrol(&["T3"]);
    assert_eq!(w.own("T3"), 0);
    w.sound();
}

/// Resolve or mint with a barrier opened before the latest count's τe.
#[test]
fn g31_a_barrier_from_before_the_count_decides_nothing() {
    let mut w = g9_until_the_wait();
    w.open(Purpose::Resolve);
    for name in ["T2", H] {
        w.answer(name);
    }
    w.pass(MIN);
    w.count("T2", 10);
    w.level("T2", H);
    w.cap(&["T2", H]).unwrap();
    let before = w.picture(H);
    let done = w.close().unwrap();
    assert!(matches!(done.mint, Err(SkuRefusal::BarrierTooOld { .. })), "{done:?}");
    assert!(done.resolve.is_empty());
    assert_eq!(w.picture(H), before);
}

/// Barrier on T1: T2 has replied; T1's old grant of 2 reaches T2 over the LAN.
#[test]
fn g32_a_frozen_log_takes_nothing() {
    let mut w = World::new(&["T1", "T2"]);
    w.receive("T1", 5);
    w.level_all(&["T1", "T2", H]);
    w.give("T1", "T2", 2).unwrap();
    w.fence("T1");
    w.wait_out();
    w.level("T2", H);
    w.renew("T2");
    w.pass(MIN);
    w.count("T2", 5);
    w.pass(MIN);
    w.open(Purpose::Resolve);
    w.answer("T2");
    let grant = w.r("T1").events_after(&inc("T1"), w.r("T2").reach(&inc("T1")));
    assert_eq!(w.m("T2").hear(&grant[0]), Heard::Frozen);
    assert_eq!(w.own("T2"), 0);
    w.answer(H);
    w.cap(&["T2", H]).unwrap();
    assert_eq!(w.m("T2").hear(&grant[0]), Heard::Frozen, "behind the cap");
    assert_eq!(w.close().unwrap().mint, Ok(5));
    w.level("T2", H);
    w.send("T1", "T2");
    assert_eq!((w.own("T2"), w.picture("T2").available), (0, 5));
    w.sound();
}

/// T1 dead, fenced, its wait over; T1′ made offline, receives 5 that no order announced, asks T2 for 2, sells 1 in hand.
/// T2's own 2 goods lie on the same shelf, so that 4 of the 5 and these 2 are counted.
#[test]
fn g35_an_unregistered_incarnation_writes_facts_only() {
    let mut w = World::new(&["T1", "T2"]);
    w.receive("T2", 2);
    w.fence("T1");
    w.wait_out();
    w.level("T2", H);
    w.renew("T2");
    w.machine("T1b");
    w.receive("T1b", 5);
    assert_eq!(w.give("T2", "T1b", 2), Err(Refused::MayNotBeGiven { to: inc("T1b") }));
    w.sell("T1b", 1, in_hand()).unwrap();
    w.level("T1b", "T2");
    assert_eq!((w.own("T1b"), w.r("T2").overdraw_of(&sku(), &inc("T1b"))), (0, 1));
    w.enrol(&["T1b"]);
    w.level("T2", H);
    w.pass(10 * MIN);
    w.count_with("T2", 6, &["T1b"]);
    w.level_all(&["T2", "T1b", H]);
    assert_eq!(w.picture(H).surplus(), 5);
    w.pass(MIN);
    assert_eq!(w.barrier(&["T2", "T1b"]).unwrap().mint, Ok(5));
    assert_eq!(w.picture(H).d(), 0);
    w.sound();
}

/// Locked T1 (r=0) books O=1, dies, is fenced; T2 then relays the event; r_H=1; count 2; barrier; resolve.
#[test]
fn g41_a_resolved_overdraw_leaves_the_books() {
    let mut w = World::new(&["T1", "T2"]);
    w.receive("T2", 1);
    w.give("T2", H, 1).unwrap();
    w.level_all(&["T1", "T2", H]);
    w.pass(73 * HOUR);
    w.sell("T1", 1, in_hand()).unwrap();
    w.send("T1", "T2");
    w.fence("T1");
    w.wait_out();
    w.level("T2", H);
    w.renew("T2");
    assert_eq!(w.picture(H).overdraw, 1);
    w.pass(10 * MIN);
    w.count("T2", 2);
    w.pass(MIN);
    let done = w.barrier(&["T2"]).unwrap();
    assert_eq!(done.mint, Ok(1));
    let picture = w.picture(H);
    assert_eq!((picture.overdraw, picture.surplus(), picture.available), (0, 0, 2));
    w.sound();
}

/// T1 gives all away and retires; T2's grant of 2 to T1 crosses.
#[test]
fn g44_a_grant_that_crosses_a_retirement_comes_back() {
    let mut w = World::new(&["T1", "T2"]);
    w.receive("T1", 3);
    w.receive("T2", 4);
    w.level_all(&["T1", "T2", H]);
    w.give("T1", "T2", 3).unwrap();
    let retired = w.r("T1").retired(RetiredBy::Itself);
    w.write("T1", &retired);
    w.give("T2", "T1", 2).unwrap();
    w.send("T1", H);
    w.level("T2", H);
    assert_eq!(w.give("T2", "T1", 1), Err(Refused::MayNotBeGiven { to: inc("T1") }));
    assert_eq!((w.picture(H).suspended, w.picture(H).available), (2, 5));
    w.pass(MIN);
    // Its log is recovered to its signed retirement: exactly its r is minted, without a count and without a wait.
    let done = w.barrier(&["T2"]).unwrap();
    assert_eq!(done.resolve.get(&inc("T1")), Some(&2));
    let picture = w.picture("T2");
    assert_eq!((picture.suspended, picture.available, picture.on_hand, picture.d()), (0, 7, 7, 0));
    assert_eq!(w.own(H), 2);
    w.sound();
}

/// r_f=1, r_t=1, 2 goods; f→g 1, known to g only; t sells 1.
fn two_lost() -> World {
    let mut w = World::new(&["f", "g", "t"]);
    w.receive("f", 2);
    w.give("f", "t", 1).unwrap();
    w.level_all(&["f", "g", "t", H]);
    w.give("f", "g", 1).unwrap();
    w.send("f", "g");
    w.sell("t", 1, strict()).unwrap();
    w.fence("f");
    w.pass(60 * HOUR);
    w.renew("g");
    w.pass(20 * HOUR);
    assert!(w.waits.check(inc("f"), w.tau()).is_ok());
    w.fence("g");
    w.level("t", H);
    w.renew("t");
    w
}

#[test]
fn g47_every_wait_must_be_over_when_the_count_begins() {
    let mut w = two_lost();
    w.count("t", 1);
    w.pass(MIN);
    w.sell("g", 1, strict()).unwrap();
    // The lease of g is out, the margin isn't.
    w.pass(52 * HOUR);
    w.level("t", H);
    let done = w.barrier(&["t"]).unwrap();
    let Err(SkuRefusal::Wait(WaitRefusal::WaitNotOver { who, .. })) = done.mint else { panic!("{done:?}") };
    assert_eq!((who, done.resolve.len()), (inc("g"), 0));
    // After the wait the old count is still too old, however often a barrier is made: g, who held nothing by its cap, is
    // resolved without a count, and that doesn't let the old count pass (it would mint 1 for an empty shelf).
    w.pass(HOUR);
    for resolved in [1, 0] {
        let done = w.barrier(&["t"]).unwrap();
        assert!(matches!(done.mint, Err(SkuRefusal::CountTooOld { .. })), "{done:?}");
        assert_eq!(done.resolve.len(), resolved);
    }
    // Its shelf is empty.
    w.renew("t");
    w.count("t", 0);
    w.pass(MIN);
    let done = w.barrier(&["t"]).unwrap();
    assert_eq!((done.mint, done.resolve.len()), (Ok(0), 1));
    assert_eq!((w.picture(H).available, w.picture(H).on_hand, w.picture(H).d()), (0, 0, 0));
    w.sound();
}

/// As G47, but g's log reaches H; both waits over; t counts 0.
#[test]
fn g48_one_barrier_caps_and_resolves_both() {
    let mut w = two_lost();
    w.sell("g", 1, strict()).unwrap();
    w.wait_out();
    w.send("g", H);
    w.level("t", H);
    w.renew("t");
    w.pass(MIN);
    w.count("t", 0);
    w.pass(MIN);
    let done = w.barrier(&["t"]).unwrap();
    assert_eq!((done.mint, done.resolve.len()), (Ok(0), 2));
    let picture = w.picture(H);
    assert_eq!((picture.surplus(), picture.available, picture.suspended, picture.d()), (0, 0, 0, 0));
    w.sound();
}

/// An absent member holds a barrier up; fenced, it voids it where it has not answered, and not where it has.
#[test]
fn an_absent_member_holds_a_barrier_up() {
    let mut w = g9_until_the_wait();
    w.machine("T3");
    w.enrol(&["T3"]);
    w.count("T2", 10);
    w.pass(MIN);
    w.open(Purpose::Resolve);
    w.answer(H);
    w.answer("T2");
    assert!(matches!(w.cap(&["T2", H]), Err(CloseError::Refused(_))));
    let barrier = w.barrier.clone().unwrap();
    assert_eq!(barrier.may_fence_absent(), Ok(()));
    let mut answered = barrier.clone();
    w.fence("T3");
    assert!(w.barrier.as_ref().unwrap().is_void());
    answered.answer(inc("T3"), w.r("T3").heads()).unwrap();
    answered.fenced(inc("T3"));
    assert!(!answered.is_void());
    let now = w.now(H);
    let void = w.barrier.take().unwrap();
    w.m(H).void_barrier(&void, now).unwrap();
    w.level("T2", H);
    assert!(!w.r("T2").terms().is_frozen(&inc("T1")), "the logs thaw");
    let mint = w.r(H).clone().open_barrier(w.id(), Purpose::Mint, w.tau(), now).unwrap();
    assert!(mint.may_fence_absent().is_err(), "a barrier that only mints never fences anybody");
}

/// A member that is fenced after it answered has no cap yet: it is not resolved by that barrier, though it holds nothing,
/// or its next overdraw would be on nobody's books.
#[test]
fn who_is_fenced_after_its_answer_is_not_resolved_by_that_barrier() {
    let mut w = World::new(&["T1", "T2"]);
    w.receive("T2", 3);
    w.level_all(&["T1", "T2", H]);
    w.wait_out();
    w.renew("T2");
    w.count("T2", 3);
    w.pass(MIN);
    w.open(Purpose::Resolve);
    for name in ["T1", "T2", H] {
        w.answer(name);
    }
    w.fence("T1");
    w.cap(&["T1", "T2", H]).unwrap();
    let done = w.close().unwrap();
    assert_eq!((done.mint, done.resolve.len()), (Ok(0), 0));
    w.pass(10 * MIN);
    w.sell("T1", 1, in_hand()).unwrap();
    w.send("T1", H);
    assert_eq!((w.picture(H).overdraw, w.picture(H).d()), (1, 0));
    w.level("T2", H);
    let done = w.barrier(&["T2"]).unwrap();
    assert_eq!(done.resolve.len(), 1);
}

/// The hub has answers, not yet all that they speak of.
#[test]
fn a_barrier_waits_for_every_event_that_was_answered() {
    let mut w = g9_until_the_wait();
    w.count("T2", 10);
    w.pass(MIN);
    w.open(Purpose::Resolve);
    w.answer(H);
    w.send_stream(H, "T2", inc(H));
    w.sell("T2", 1, strict()).unwrap();
    let heads = w.r("T2").heads();
    w.barrier.as_mut().unwrap().answer(inc("T2"), heads).unwrap();
    w.cap(&["T2", H]).unwrap();
    let missing = w.close().map(drop);
    let Err(CloseError::Refused(BarrierRefusal::EventsMissing { incarnation, .. })) = missing else {
        panic!("{missing:?}")
    };
    assert_eq!(incarnation, inc("T2"));
    w.level("T2", H);
    assert_eq!(w.close().unwrap().mint, Ok(3));
}
