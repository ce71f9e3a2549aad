//! The hub is a replica too: restored, it recovers (G27, G38, G39).

use crate::world::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tradepost_sync::amnesia::at_handshake;
use tradepost_sync::barrier::Purpose;
use tradepost_sync::body::NodeFenced;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::lease::{LEASE_MS_DEFAULT, Tenancy};
use tradepost_sync::recovery::{self, Found, HubDeed, OldRights, Recovering, Sign, Start};
use tradepost_sync::replica::{Entry, Replica};
use tradepost_sync::terms::Place;

/// The hub's database is put back to `backup`; with `journal`, all its own events are read from other storage.
fn restore(w: &mut World, backup: &Replica, journal: Option<&[Arc<Entry>]>) -> Recovering {
    let found = Found {
        database: BTreeMap::from([(1, backup.head().seq)]),
        journals: BTreeMap::from([(1, journal.map(|events| u64::try_from(events.len()).unwrap()))]),
        without_journal: false,
        identity: ("pg".into(), Some("pg".into())),
    };
    let Start::Restored(signs) = recovery::at_start(&found) else { panic!("it shows") };
    let mut reborn = backup.reborn(inc("H2"));
    reborn.follow(inc("H2"));
    for entry in journal.unwrap_or_default() {
        reborn.hear(entry);
    }
    if journal.is_some() {
        reborn.known_whole.insert(inc(H));
    }
    w.epoch += 1;
    let known: BTreeSet<_> = reborn.heads().into_keys().filter(|i| *i != inc(H)).collect();
    let (mut waits, tau) = (w.waits.clone(), w.tau());
    let recovering =
        Recovering::begin(signs, inc(H), journal.is_some(), known, &mut waits, LEASE_MS_DEFAULT, tau);
    w.waits = waits;
    w.nodes.insert(H.into(), reborn);
    recovering
}

/// A node connects: the hub takes everything that it holds, the old `H_s` too.
fn meet(w: &mut World, recovering: &mut Recovering, name: &str) {
    let old = w.r(name).heads().get(&inc(H)).copied();
    let (mut waits, tau) = (w.waits.clone(), w.tau());
    recovering.meets(inc(name), old, &mut waits, LEASE_MS_DEFAULT, tau);
    w.waits = waits;
    w.send(name, H);
}

/// The barrier over everybody known that ends the recovering.
fn end(w: &mut World, recovering: &Recovering, members: &[&str]) -> OldRights {
    let fenced = NodeFenced { incarnation: inc(H), successor: None, attested: Some("restored".into()) };
    w.write(H, &fenced.into());
    let tau = w.tau();
    w.waits.attest(inc(H), tau);
    for name in members {
        w.m(name).follow(inc("H2"));
    }
    let (id, now) = (w.id(), w.now(H));
    let mut barrier = w.m(H).open_barrier(id, Purpose::Resolve, tau, now).unwrap();
    let all: Vec<&str> = members.iter().copied().chain([H]).collect();
    for name in &all {
        w.send_stream(H, name, inc("H2"));
        barrier.answer(w.r(name).me(), w.r(name).heads()).unwrap();
        if *name != H {
            w.send(name, H);
        }
    }
    let caps = barrier.propose().unwrap();
    for name in &all {
        w.m(name).frozen.propose(id, &caps);
        if *name != H {
            w.send(H, name);
        }
        w.r(name).may_ack().unwrap();
        barrier.ack(w.r(name).me()).unwrap();
    }
    let out = w.r(H).terms().out();
    let held = |i: &_| w.r(H).reach(i);
    assert!(
        recovering.may_end(&barrier, &out, &w.waits, w.tau(), held).is_err(),
        "not before lease and margin"
    );
    w.wait_out();
    let verdict = recovering.may_end(&barrier, &out, &w.waits, w.tau(), |i| w.r(H).reach(i)).unwrap();
    let (waits, tau, now) = (w.waits.clone(), w.tau(), w.now(H));
    w.m(H).close_barrier(&barrier, &waits, tau, now).unwrap();
    w.m(H).tenancy = Tenancy::alone();
    for name in members {
        w.level(name, H);
    }
    verdict
}

/// Hub restored 10 min back; nodes resend from the hub's head.
#[test]
fn g27_nodes_give_a_restored_hub_its_facts_back() {
    for with_journal in [true, false] {
        let mut w = World::new(&["T1"]);
        w.receive("T1", 10);
        w.give("T1", H, 3).unwrap();
        w.level("T1", H);
        let backup = w.r(H).clone();
        w.pass(10 * MIN);
        w.sell("T1", 2, strict()).unwrap();
        w.level("T1", H);
        let before = w.picture(H);
        w.reserve("T1", 1).unwrap();
        let journal = w.r(H).events_after(&inc(H), 0);
        let mut recovering = restore(&mut w, &backup, with_journal.then_some(&journal[..]));
        assert_eq!(w.picture(H).on_hand, before.on_hand + 2);
        meet(&mut w, &mut recovering, "T1");
        meet(&mut w, &mut recovering, "T1");
        assert_eq!(w.picture(H).on_hand, before.on_hand, "no loss, no double effect");
        let rights = end(&mut w, &recovering, &["T1"]);
        if with_journal {
            // Its rights go on under the new incarnation.
            assert_eq!(rights, OldRights::Move);
            assert_eq!(w.sees(H, "H2"), 2);
            assert_eq!((w.picture(H).suspended, w.picture(H).reserved, w.picture(H).d()), (0, 1, 0));
            assert!(w.reserve("T1", 3).is_err());
            w.reserve("T1", 2).unwrap();
        } else {
            assert_eq!(rights, OldRights::Suspended);
            assert_eq!((w.sees(H, "H2"), w.picture(H).suspended), (0, 3));
            assert!(w.reserve("T1", 1).is_err());
        }
        w.sound();
    }
}

/// r_H=3, backup; a web order for 3 is acknowledged; hub restored.
#[test]
fn g38_an_acknowledged_order_survives_in_the_journal() {
    let story = |with_journal: bool| {
        let mut w = World::new(&["T1"]);
        w.receive("T1", 3);
        w.give("T1", H, 3).unwrap();
        w.level("T1", H);
        let backup = w.r(H).clone();
        w.reserve("T1", 3).unwrap();
        let journal = w.r(H).events_after(&inc(H), 0);
        let recovering = restore(&mut w, &backup, with_journal.then_some(&journal[..]));
        (w, recovering)
    };
    let (mut w, mut recovering) = story(true);
    assert!(w.reserve("T1", 1).is_err(), "recovering, it promises nothing");
    meet(&mut w, &mut recovering, "T1");
    assert_eq!(end(&mut w, &recovering, &["T1"]), OldRights::Move);
    assert_eq!((w.picture(H).reserved, w.picture(H).available, w.picture(H).d()), (3, 0, 0));
    let (mut w, mut recovering) = story(false);
    meet(&mut w, &mut recovering, "T1");
    assert_eq!(end(&mut w, &recovering, &["T1"]), OldRights::Suspended);
    assert_eq!((w.picture(H).reserved, w.picture(H).suspended), (0, 3));
    assert!(w.reserve("T1", 1).is_err(), "no web promise until it is resolved");
    // Resolved by a count: the goods are there, and the payment provider's list has brought no order back.
    w.renew("T1");
    w.pass(MIN);
    w.count("T1", 3);
    w.pass(MIN);
    assert_eq!(w.barrier(&["T1"]).unwrap().mint, Ok(3));
    w.reserve("T1", 3).unwrap();
    assert_eq!(w.picture(H).d(), 0);
}

/// Fence and resolve of T1 after the backup; hub restored; T1, alive, connects first.
#[test]
fn g39_a_fence_that_the_backup_forgot_comes_back_from_the_nodes() {
    let mut w = World::new(&["T1", "T2"]);
    w.receive("T1", 5);
    w.level_all(&["T1", "T2", H]);
    let backup = w.r(H).clone();
    w.fence("T1");
    w.wait_out();
    w.level("T2", H);
    w.renew("T2");
    w.pass(MIN);
    w.count("T2", 5);
    w.pass(MIN);
    assert_eq!(w.barrier(&["T2"]).unwrap().mint, Ok(5));
    let cap = w.r("T2").terms().cap_of(&inc("T1"));
    let mut recovering = restore(&mut w, &backup, None);
    assert_eq!(recovering.signs, [Sign::JournalMissing { process: 1 }]);
    meet(&mut w, &mut recovering, "T1");
    assert_eq!(w.r(H).terms().place(&inc("T1")), Place::Live, "the backup has forgotten");
    for deed in [HubDeed::Lease, HubDeed::Grant, HubDeed::Promise, HubDeed::Resolve, HubDeed::TakeOver] {
        assert!(!recovery::may(deed), "{deed:?}");
    }
    assert!(recovery::may(HubDeed::Receive));
    assert!(w.give(H, "T1", 1).is_err());
    // T2 holds more of the old hub's log: that alone says that the hub was restored.
    let ours = HeadMark { incarnation: inc(H), seq: backup.head().seq, hash: backup.head().hash };
    let theirs = w.r("T2").heads()[&inc(H)];
    let theirs = HeadMark { incarnation: inc(H), seq: theirs.seq, hash: theirs.hash };
    let verdict = at_handshake(&ours, inc("T2"), Some(&theirs), |seq| backup.hash_at(&inc(H), seq));
    assert!(recovery::at_handshake(inc("T2"), verdict, ours.seq).is_some());
    meet(&mut w, &mut recovering, "T2");
    assert_eq!(w.r(H).terms().place(&inc("T1")), Place::Fenced, "T2 reports the fence and the cap");
    assert_eq!(w.r(H).terms().cap_of(&inc("T1")), cap);
    end(&mut w, &recovering, &["T2"]);
    assert_eq!(w.r("T2").terms().place(&inc("T1")), Place::Fenced);
    w.sound();
}
