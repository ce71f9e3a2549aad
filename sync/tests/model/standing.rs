//! Leases, locks, waits and enrolment: what the goldens only touch.

use crate::world::*;
use tradepost_sync::body::{Body, RetiredBy};
use tradepost_sync::clock::Tau;
use tradepost_sync::fence::{Wait, WaitRefusal};
use tradepost_sync::lease::{
    Clocks, Deed, GRACE_MS, LEASE_MS_DEFAULT, Lease, LeaseRefusal, Leave, Locked, Tenancy, margin_ms,
};
use tradepost_sync::replica::Replica;
use tradepost_sync::signing::{BadSignature, Device};
use tradepost_sync::terms::Place;

fn at(ms: i64) -> Clocks {
    Clocks { boot: ms, wall: 1_000_000 + ms }
}

fn leased() -> Tenancy {
    let hub = Device::from_secret([1; 32]);
    let mut tenancy = Tenancy::default();
    let ask = tenancy.ask([9; 32], at(1_000));
    let issued = Tau::told(1, 5);
    let lease = Lease { incarnation: inc("T1"), nonce: ask.nonce, issued, length_ms: LEASE_MS_DEFAULT };
    tenancy.take(&inc("T1"), &lease, &hub.public(), &lease.sign(&hub)).unwrap();
    tenancy.acknowledge();
    tenancy
}

#[test]
fn a_lease_answers_one_ask_of_one_incarnation() {
    let (hub, other) = (Device::from_secret([1; 32]), Device::from_secret([2; 32]));
    let mut tenancy = Tenancy::default();
    tenancy.ask([9; 32], at(0));
    let lease = Lease { incarnation: inc("T1"), nonce: [9; 32], issued: Tau::told(1, 5), length_ms: HOUR };
    let take = |lease: &Lease, signer: &Device| {
        tenancy.clone().take(&inc("T1"), lease, &hub.public(), &lease.sign(signer))
    };
    assert_eq!(take(&lease, &hub), Ok(()));
    assert_eq!(take(&lease, &other), Err(LeaseRefusal::Signature(BadSignature)));
    let longer = Lease { length_ms: 2 * HOUR, ..lease };
    assert!(longer.verify(&hub.public(), &lease.sign(&hub)).is_err(), "nobody makes it longer");
    assert_eq!(take(&Lease { incarnation: inc("T2"), ..lease }, &hub), Err(LeaseRefusal::NotMine));
    assert_eq!(take(&Lease { nonce: [8; 32], ..lease }, &hub), Err(LeaseRefusal::NotAsked));
}

#[test]
fn a_lease_ends_by_time_by_drift_and_by_a_boot() {
    let tenancy = leased();
    assert_eq!(tenancy.check(at(1_000 + LEASE_MS_DEFAULT - 1)), Ok(()));
    let ended = Err(Locked::RanOut { ago_ms: 0 });
    assert_eq!(tenancy.check(at(1_000 + LEASE_MS_DEFAULT)), ended, "it runs from the asking");
    let margin = margin_ms(LEASE_MS_DEFAULT);
    assert_eq!(margin, 15 * MIN);
    for (by, expected) in [
        (margin, Ok(())),
        (margin + 1, Err(Locked::Drifted { by_ms: margin + 1, margin_ms: margin })),
        (-margin - 1, Err(Locked::Drifted { by_ms: margin + 1, margin_ms: margin })),
    ] {
        let now = Clocks { boot: 2_000, wall: 1_002_000 + by };
        assert_eq!(tenancy.check(now), expected, "{by}");
    }
    assert_eq!(Tenancy::default().check(at(0)), Err(Locked::NotAcknowledged));
    assert_eq!(Tenancy { acknowledged: false, ..tenancy }.check(at(2_000)), Err(Locked::NotAcknowledged));
    assert_eq!(Tenancy { held: None, ..tenancy }.check(at(2_000)), Err(Locked::NoLease));
    assert_eq!(Tenancy::alone().check(at(1 << 60)), Ok(()));
    // A cart that was tendered within the lease.
    let tendered = at(1_000 + LEASE_MS_DEFAULT - 1);
    for (later, covered) in [(GRACE_MS, true), (GRACE_MS + 1, false)] {
        assert_eq!(tenancy.covers_tendered(tendered, at(tendered.boot + later)), covered);
    }
    assert!(!tenancy.covers_tendered(at(1_000 + LEASE_MS_DEFAULT), at(1_001 + LEASE_MS_DEFAULT)));
}

#[test]
fn what_a_locked_node_may_still_do() {
    let refused = [Deed::SellStrict, Deed::Give, Deed::Settle, Deed::Burn, Deed::HandCustody];
    for deed in Deed::ALL {
        let locked = deed.leave(Place::Live, true);
        assert_eq!(locked == Leave::Refused, refused.contains(&deed), "{deed:?}");
        assert_eq!(deed.leave(Place::Unregistered, false), locked, "{deed:?}: facts only");
        assert_eq!(deed.leave(Place::Fenced, false), Leave::Refused, "{deed:?}");
        let open = if deed == Deed::AdjustUp { Leave::FactOnly } else { Leave::Whole };
        assert_eq!(deed.leave(Place::Live, false), open, "{deed:?}");
    }
    for (deed, leave) in [
        (Deed::SellInHand, Leave::OverdrawOnly),
        (Deed::Ship, Leave::OverdrawWithPin),
        (Deed::Receive, Leave::FactOnly),
        (Deed::Refund, Leave::Unverified),
        (Deed::EndReservation, Leave::AsSaleInHand),
        (Deed::Shift, Leave::Whole),
    ] {
        assert_eq!(deed.leave(Place::Live, true), leave, "{deed:?}");
    }
}

#[test]
fn a_wait_counts_only_the_time_that_the_hub_has_run() {
    let (who, start) = (inc("T1"), Tau::told(1, 0));
    let mut wait = Wait::since_renewal(Some(LEASE_MS_DEFAULT), start);
    // The hub was down for 100 h: nothing of that counts.
    let now = Tau::told(1, 100 * HOUR);
    wait.ran(HOUR, now);
    let until = Tau::told(1, 171 * HOUR);
    assert_eq!(wait.check(who, now), Err(WaitRefusal::LeaseNotExpired { who, until }));
    let now = Tau::told(1, 171 * HOUR);
    wait.ran(71 * HOUR, now);
    let until = Tau::told(1, 171 * HOUR + 15 * MIN);
    assert_eq!(wait.check(who, now), Err(WaitRefusal::WaitNotOver { who, until }));
    wait.ran(-HOUR, now);
    wait.ran(15 * MIN, until);
    assert_eq!(wait.check(who, until), Ok(until));
    let mut attested = Wait::since_renewal(Some(LEASE_MS_DEFAULT), start);
    attested.attest(start);
    assert_eq!(attested.check(who, start), Ok(start));
}

/// A lone node settles, retires and goes on as a member: its stock is one movement (`model.md` §4).
#[test]
fn enrolment_is_one_movement() {
    for (sold, counted) in [(2u64, false), (7, false), (2, true)] {
        let mut w = World::new(&["T2"]);
        if counted {
            w.receive("T2", 4);
            w.level("T2", H);
            w.pass(HOUR);
            w.count("T2", 4);
            w.level("T2", H);
        }
        w.nodes.insert("lone".into(), Replica::alone(inc("lone")));
        w.receive("lone", 5);
        w.sell("lone", sold, in_hand()).unwrap();
        drop(w.settle("lone"));
        assert_eq!(w.picture("lone").d(), 0);
        let before = w.picture(H);
        w.nodes.insert("next".into(), Replica::node(inc("next"), inc(H)));
        let retired = w.r("lone").retired(RetiredBy::Enrolment(inc("next")));
        w.write("lone", &retired);
        let openings = w.r(H).openings(w.r("lone"), inc("next"));
        let carried: Vec<_> = openings.iter().map(|one| (one.sku.clone(), one.overdraw)).collect();
        for opening in openings {
            w.write(H, &Body::from(opening));
        }
        // The lone log is a document, whether it comes before or after.
        w.send("lone", H);
        let on_hand = 5 - i128::from(sold);
        let picture = w.picture(H);
        if counted {
            assert_eq!((picture.on_hand, w.tainted(H)), (before.on_hand, true), "counted with the rest");
            assert_eq!(w.sees(H, "next"), 0, "and minted by nobody but a barrier");
        } else {
            assert_eq!((picture.on_hand, w.sees(H, "next")), (on_hand, on_hand.max(0)));
            assert_eq!(picture.overdraw, -on_hand.min(0), "open until the successor carries it");
        }
        assert_eq!(picture.d(), 0);
        // The successor's own first event carries the overdraw; nothing changes by it.
        w.write("next", &Replica::started([3; 16], carried));
        w.send("next", H);
        w.enrol(&["next"]);
        assert_eq!((w.picture(H).overdraw, w.picture(H).d()), (picture.overdraw, 0));
        w.level("next", H);
        assert_eq!(w.own("next"), w.sees(H, "next"));
        w.sound();
    }
}
