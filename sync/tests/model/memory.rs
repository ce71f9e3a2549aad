//! Lost memory, forks, and what arrives twice (G7, G8, G22, G23, G26, G28, G36, G37, G51).

use crate::world::*;
use std::collections::BTreeSet;
use tradepost_sync::amnesia::{self, Amnesia, Log, Opening, SelfFence};
use tradepost_sync::barrier::SkuRefusal;
use tradepost_sync::body::{Body, Moved, StockAdjusted};
use tradepost_sync::fork::{sale_said_again, to_reissue};
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::Id;
use tradepost_sync::lease::Locked;
use tradepost_sync::replica::{Flag, Heard, Replica};

fn mark(replica: &Replica) -> HeadMark {
    let head = replica.head();
    HeadMark { incarnation: head.incarnation, seq: head.seq, hash: head.hash }
}

/// The verdict of a start on `database` beside a sidecar that noted `noted`.
fn start(database: &Replica, noted: HeadMark, commits_after: u64) -> Opening {
    let hash_at_noted = database.hash_at(&noted.incarnation, noted.seq);
    let log = Log { head: mark(database), hash_at_noted, commits_after, took_over: false };
    amnesia::at_start(Some(log), Some(noted))
}

/// M=12, →T2 4; backup (r=8); sells 4, →H 2, sync; restore.
#[test]
fn g7_a_restored_database_is_a_new_incarnation_without_rights() {
    let mut w = World::new(&["T1", "T2"]);
    w.receive("T1", 12);
    w.give("T1", "T2", 4).unwrap();
    w.level_all(&["T1", "T2", H]);
    let backup = w.r("T1").clone();
    w.sell("T1", 4, strict()).unwrap();
    w.give("T1", H, 2).unwrap();
    w.level_all(&["T1", "T2", H]);
    let (sidecar, log) = (w.r("T1").head().seq, backup.head().seq);
    let fired = start(&backup, mark(w.r("T1")), 0);
    assert_eq!(fired, Opening::Restored(Amnesia::Behind { sidecar, log }));
    w.nodes.insert("T1b".into(), backup.reborn(inc("T1b")));
    w.reboot("T1b", 9);
    w.fence("T1");
    w.enrol(&["T1b"]);
    w.level_all(&["T1b", "T2", H]);
    assert!(w.sell("T1b", 1, strict()).is_err());
    let picture = w.picture("T1b");
    assert_eq!((w.own("T1b"), picture.suspended, w.own(H), w.own("T2")), (0, 2, 2, 4));
    // 8 goods, 8 promises (naive: 18 promises for 12 goods).
    assert_eq!((picture.on_hand, picture.available, picture.d()), (8, 6, 0));
    w.sound();
}

/// Full image with its sidecar restored at seq 50 (true 57, the hub has 57), isolated boot; 2 in_hand sales, seen by T2
/// over the LAN; handshake.
#[test]
fn g8_an_image_that_sells_apart_is_a_fork_and_its_sales_are_said_again() {
    let mut w = World::new(&["T1", "T2"]);
    w.receive("T1", 100);
    while w.r("T1").head().seq < 50 {
        w.sell("T1", 1, in_hand()).unwrap();
    }
    w.level_all(&["T1", "T2", H]);
    let image = w.r("T1").clone();
    let at_50 = w.picture(H).on_hand;
    for _ in 51..=57 {
        w.sell("T1", 1, in_hand()).unwrap();
    }
    w.level("T1", H);
    // The sidecar came back with the image: nothing shows at the start. But a boot is locked until it is acknowledged.
    assert_eq!(start(&image, mark(&image), 0), Opening::Whole);
    w.nodes.insert("image".into(), image);
    w.reboot("image", 77);
    assert!(w.sell("image", 1, strict()).is_err());
    w.sell("image", 1, in_hand()).unwrap();
    w.sell("image", 1, in_hand()).unwrap();
    w.send("image", "T2");
    assert_eq!(w.r("T2").reach(&inc("T1")), 53);
    // Handshake with the hub.
    let theirs = w.r(H).heads().get(&inc("T1")).copied();
    let fence = w.m("image").shake(inc(H), theirs);
    assert_eq!(fence, Err(SelfFence::PeerKnowsMore { peer: inc(H), theirs: 57, ours: 53 }));
    // The hub hears the other branch from T2, keeps it aside and fences; T2 cuts back and rebuilds.
    let branch = w.r("T2").events_after(&inc("T1"), 50);
    assert_eq!(w.m(H).hear(&branch[0]), Heard::Forked { seq: 51 });
    w.m(H).note_fork(inc("T1"), 50);
    w.fence("T1");
    let (canonical, now) = (w.r(H).events_after(&inc("T1"), 0), w.now("T2"));
    let lost = w.m("T2").cut_back(now, inc("T1"), &canonical).unwrap();
    assert_eq!((lost.len(), w.r("T2").reach(&inc("T1"))), (3, 50));
    w.level("T2", H);
    assert_eq!(w.r("T2").reach(&inc("T1")), 57);
    assert_eq!(w.r("T2").aside().count(), 3, "both versions are kept");
    // Under the new incarnation the two sales are said again, once, with their ids and numbers.
    w.machine("T1b");
    w.enrol(&["T1b"]);
    let sales: Vec<_> = lost.iter().filter(|e| matches!(e.body, Some(Body::SaleCommitted(_)))).collect();
    let envelopes = sales.iter().map(|e| (&e.event.envelope, e.event.hash));
    let marks = to_reissue(envelopes, &BTreeSet::new());
    assert_eq!(marks.len(), 2);
    for _twice in 0..2 {
        for (entry, first) in sales.iter().zip(&marks) {
            let Some(Body::SaleCommitted(sale)) = &entry.body else { unreachable!() };
            let (now, again) = (w.now("T1b"), Body::from(sale_said_again(sale)));
            w.m("T1b").write_again(now, &again, Some(*first)).unwrap();
        }
    }
    w.level_all(&["T1b", "T2", H]);
    let picture = w.picture(H);
    assert_eq!(picture.on_hand, at_50 - 9, "7 of the hub's branch and 2 said again, each once");
    assert_eq!((picture.overdraw, picture.d()), (2, 0));
    let flags = &w.r(H).state().flags;
    assert_eq!(flags.iter().filter(|f| matches!(f, Flag::ReceiptTwice(..))).count(), 2, "{flags:?}");
    assert_eq!(w.r("T2").state().items, w.r(H).state().items);
    w.nodes.remove("image");
    w.nodes.remove("T1");
    w.sound();
}

/// Hub gets 10–14 three times, then 12–16.
#[test]
fn g22_what_comes_again_counts_once() {
    let mut w = World::new(&["T1"]);
    w.receive("T1", 100);
    while w.r("T1").head().seq < 9 {
        w.sell("T1", 1, in_hand()).unwrap();
    }
    w.send("T1", H);
    let before = w.picture(H).on_hand;
    while w.r("T1").head().seq < 16 {
        w.sell("T1", 1, in_hand()).unwrap();
    }
    let events = w.r("T1").events_after(&inc("T1"), 0);
    let mut taken = 0;
    for batch in [&events[9..14], &events[9..14], &events[9..14], &events[11..16]] {
        taken += batch.iter().filter(|entry| w.m(H).hear(entry) == Heard::Taken).count();
    }
    assert_eq!((taken, w.r(H).reach(&inc("T1"))), (7, 16));
    assert_eq!(w.picture(H).on_hand, before - 7);
}

/// Hub has seq 15 hash h1; a batch brings 15 hash h2.
#[test]
fn g23_two_events_at_one_place_are_both_kept_and_the_second_does_nothing() {
    let mut w = World::new(&["T1"]);
    w.receive("T1", 100);
    while w.r("T1").head().seq < 14 {
        w.sell("T1", 1, in_hand()).unwrap();
    }
    w.nodes.insert("twin".into(), w.r("T1").clone());
    w.sell("T1", 1, in_hand()).unwrap();
    w.sell("twin", 5, in_hand()).unwrap();
    w.send("T1", H);
    let before = w.picture(H);
    let other = w.r("twin").entry(&inc("T1"), 15).unwrap().clone();
    assert_eq!(w.m(H).hear(&other), Heard::Forked { seq: 15 });
    assert_eq!((w.picture(H), w.r(H).aside().count()), (before, 1));
    assert!(w.r(H).state().flags.contains(&Flag::Forked(inc("T1"), 15)));
}

/// Power cut after commit, before the sidecar write.
#[test]
fn g26_one_group_commit_ahead_is_a_crash() {
    let mut w = World::new(&["T1"]);
    w.receive("T1", 3);
    let noted = mark(w.r("T1"));
    w.sell("T1", 1, strict()).unwrap();
    assert_eq!(start(w.r("T1"), noted, 1), Opening::Whole);
    w.send("T1", H);
    let last = w.r("T1").entry(&inc("T1"), w.r("T1").head().seq).unwrap().clone();
    assert_eq!(w.m(H).hear(&last), Heard::Known, "sent again, it counts once");
    assert_eq!(w.picture(H).on_hand, 2);
}

/// Event with an implausible cell jump, or near the integer's end.
#[test]
fn g28_an_implausible_jump_is_shown_and_freezes_its_authors_grants() {
    for units in [-2_000_000_000, 2_000_000_000, i64::MAX, i64::MIN] {
        let mut w = World::new(&["T1", "T2"]);
        w.receive("T1", 5);
        w.level_all(&["T1", "T2", H]);
        let before = w.picture(H);
        let o = if units < 0 { units.unsigned_abs() } else { 0 };
        let wild = StockAdjusted {
            adjustment: Id([1; 16]),
            sku: sku(),
            units,
            reason: "found".into(),
            approver: None,
            moved: Moved { m: 0, c: 0, o },
        };
        let place = w.write("T1", &wild.into()).seq();
        w.send("T1", H);
        assert_eq!(w.picture(H), before, "{units}: no effects");
        assert!(w.r(H).state().flags.contains(&Flag::NotApplied(inc("T1"), place)));
        // Later events go through, but for its grants.
        w.sell("T1", 1, in_hand()).unwrap();
        w.give("T1", "T2", 2).unwrap();
        w.level_all(&["T1", "T2", H]);
        assert_eq!((w.picture(H).on_hand, w.own("T2")), (4, 0));
        assert!(w.r(H).state().flags.iter().any(|f| matches!(f, Flag::GrantWithheld(..))));
        // No barrier passes over it.
        w.pass(10 * MIN);
        w.count("T2", 6);
        w.pass(MIN);
        let done = w.barrier(&["T1", "T2"]).unwrap();
        assert_eq!(done.mint, Err(SkuRefusal::Unapplied { incarnation: inc("T1"), seq: place }));
    }
}

/// Twins A and B of one image, r=2; A starts and is acknowledged, sells 2 offline; B starts.
#[test]
fn g36_of_two_twins_the_second_is_a_fork() {
    let mut w = World::new(&["T1"]);
    w.receive("T1", 2);
    w.send("T1", H);
    w.nodes.insert("B".into(), w.r("T1").clone());
    w.reboot("T1", 1);
    w.send("T1", H);
    w.renew("T1");
    w.sell("T1", 2, strict()).unwrap();
    w.reboot("B", 2);
    let started = w.r("B").entry(&inc("T1"), w.r("B").head().seq).unwrap().clone();
    assert!(matches!(w.m(H).hear(&started), Heard::Forked { .. }));
    assert!(w.sell("B", 1, strict()).is_err(), "nothing of this boot is acknowledged");
    let theirs = w.r(H).heads().get(&inc("T1")).copied();
    assert!(matches!(w.m("B").shake(inc(H), theirs), Err(SelfFence::OtherBranch { .. })));
    assert!(w.r("B").fenced_itself);
    w.send("T1", H);
    assert_eq!((w.picture(H).on_hand, w.picture(H).available), (0, 0), "2 strict sales in all");
}

/// T1 last asked the hub at 0 h; at 71 h it levels with T2 only.
#[test]
fn g37_peers_carry_a_lease_and_never_issue_one() {
    let mut w = World::new(&["T1", "T2"]);
    let asked = w.ms;
    w.pass(71 * HOUR);
    w.renew("T2");
    w.level("T1", "T2");
    assert_eq!(w.r("T1").tenancy.ends_at(), Some(asked + 72 * HOUR));
    w.pass(HOUR - 1);
    assert_eq!(w.r("T1").tenancy.check(w.now("T1").clocks), Ok(()));
    w.pass(1);
    assert_eq!(w.r("T1").tenancy.check(w.now("T1").clocks), Err(Locked::RanOut { ago_ms: 0 }));
}

/// T2 sold a right that came from a branch which is then cut off.
#[test]
fn g51_who_used_rights_of_a_cut_branch_makes_them_good() {
    let mut w = World::new(&["T1", "T2"]);
    w.receive("T1", 2);
    w.level_all(&["T1", "T2", H]);
    // A copy beside an original that still runs on its lease.
    w.nodes.insert("copy".into(), w.r("T1").clone());
    w.give("copy", "T2", 1).unwrap();
    w.send("copy", "T2");
    w.sell("T2", 1, strict()).unwrap();
    let copy = w.r("T1").retired(tradepost_sync::body::RetiredBy::Itself);
    w.write("T1", &copy);
    w.send("T1", H);
    let before = w.picture("T2");
    let (canonical, now) = (w.r(H).events_after(&inc("T1"), 0), w.now("T2"));
    w.m("T2").cut_back(now, inc("T1"), &canonical).unwrap();
    let picture = w.picture("T2");
    assert_eq!((w.own("T2"), picture.overdraw, picture.d()), (0, 1, before.d()));
    w.level("T2", H);
    assert_eq!((w.own("T2"), w.picture(H).d()), (0, 0));
    w.nodes.remove("copy");
    w.sound();
}
