//! What neighbours share apart from events: carts, hub time, the catalog, custody, and what each holds.

use super::neighbours::*;
use super::world::*;
use super::*;
use crate::body::CustodyObject;
use crate::ids::Id;
use crate::session::{Carts, CustodyAsk};

const CART: CustodyObject = CustodyObject::Cart(Id([4; 16]));

fn carts(side: &Side<'_>) -> BTreeSet<Vec<u8>> {
    side.replica.carts.values().cloned().collect()
}

#[test]
fn carts_come_to_be_known_at_both_and_a_cut_anywhere_is_made_up_for() {
    let (mut east, mut west) = pair();
    (1..=5).for_each(|n| east.cart_changed(vec![n, 1]));
    (4..=9).for_each(|n| west.cart_changed(vec![n + 10, 2]));
    for cut in 0..60 {
        let (mut a, mut b) = begin(&mut east, &mut west);
        for _ in 0..cut {
            let (to_b, to_a) = (a.pump(0), b.pump(0));
            to_b.into_iter().for_each(|message| b.session.handle(0, Input::Message(message)));
            to_a.into_iter().for_each(|message| a.session.handle(0, Input::Message(message)));
        }
    }
    let (mut a, mut b) = met(&mut east, &mut west);
    assert_eq!((carts(&a), carts(&a).len()), (carts(&b), 11));
    // What changes later follows, and an echo ends.
    a.replica.cart_changed(vec![1, 2]);
    tell(&mut a, 1);
    settle(&mut a, &mut b, 1);
    assert_eq!(carts(&a), carts(&b));
    assert!(carts(&b).contains(&vec![1, 2]) && !carts(&b).contains(&vec![1, 1]));
    tell(&mut b, 2);
    settle(&mut a, &mut b, 2);
    for side in [&mut a, &mut b] {
        tell(side, 3);
    }
    assert!(settle(&mut a, &mut b, 3).is_empty(), "an echo ends");
}

#[test]
fn the_catalog_passes_between_neighbours_and_comes_once() {
    let (mut east, mut west) = pair();
    let mut hub = Replica::new(HUB);
    hub.publish(10);
    east.catalog.clone_from(&hub.catalog);
    let (mut a, mut b) = met(&mut east, &mut west);
    assert_eq!(b.replica.catalog_version(), hub.catalog_version());
    // Both hear of a newer one; neither sends it to the other.
    hub.publish(1);
    for side in [&mut a, &mut b] {
        side.replica.catalog.clone_from(&hub.catalog);
        let (heads, catalog) = (side.replica.frontier().heads().collect(), hub.catalog_version());
        side.session.handle(10, Input::Local { heads, catalog });
    }
    let mut said = settle(&mut a, &mut b, 500);
    for side in [&mut a, &mut b] {
        side.session.handle(2_000, Input::Tick { tau: None });
    }
    said.extend(settle(&mut a, &mut b, 2_000));
    assert!(said.iter().all(|message| !matches!(message, Message::Catalog(_))), "{said:?}");
    // One alone hears of the next: it comes by the other after a moment.
    hub.publish(1);
    a.replica.catalog.clone_from(&hub.catalog);
    let (heads, catalog) = (a.replica.frontier().heads().collect(), hub.catalog_version());
    a.session.handle(3_000, Input::Local { heads, catalog });
    settle(&mut a, &mut b, 3_000);
    assert!(b.replica.catalog_version() < hub.catalog_version(), "the hub may send it itself");
    for side in [&mut a, &mut b] {
        side.session.handle(5_000, Input::Tick { tau: None });
    }
    let said = settle(&mut a, &mut b, 5_000);
    assert_eq!((a.closed, b.closed), (None, None), "{said:?}");
    assert_eq!(b.replica.catalog_version(), hub.catalog_version());
    assert_eq!((a.closed, b.closed), (None, None));
}

#[test]
fn hub_time_is_told_with_its_age() {
    let (mut east, mut west) = pair();
    let (mut a, mut b) = begin(&mut east, &mut west);
    let tau = Tau { age: 2, ..Tau::told(3, 50_000) };
    a.session.handle(0, Input::Tick { tau: Some(tau) });
    settle(&mut a, &mut b, 0);
    assert_eq!(b.times, [tau]);
    assert!(a.times.is_empty());
    a.session.handle(2_100, Input::Tick { tau: Some(tau.later(2_100)) });
    settle(&mut a, &mut b, 2_100);
    assert_eq!(b.times.last(), Some(&tau.later(2_100)));
}

#[test]
fn custody_is_handed_over_in_the_holders_own_stream() {
    let (mut east, mut west) = pair();
    east.custody.insert(CART);
    let (mut a, mut b) = met(&mut east, &mut west);
    for ask in [7, 8] {
        b.session.handle(1, Input::AskCustody(CustodyAsk { ask, object: CART }));
        settle(&mut a, &mut b, 1);
    }
    assert_eq!(b.answers, [(7, 1), (8, 0)], "once it is gone there is nothing to give");
    assert_eq!(b.replica.frontier().seq(&EAST), 1, "the event came with it");
}

#[test]
fn a_neighbour_says_what_it_holds() {
    let (mut east, mut west) = pair();
    east.write(3);
    let (mut a, mut b) = met(&mut east, &mut west);
    a.replica.write(2);
    b.session.handle(1, Input::AskCut(5));
    settle(&mut a, &mut b, 1);
    let (ask, heads) = b.cuts.pop().expect("an answer");
    assert_eq!((ask, heads.iter().map(|head| head.seq).max()), (5, Some(5)));
    b.session.handle(2, Input::Message(Message::Cut { ask: 5, heads: Vec::new() }));
    b.pump(2);
    assert!(b.cuts.is_empty() && b.closed.is_none(), "nobody waits for it");
}

#[test]
fn nobody_but_a_neighbour_is_told_of_carts() {
    for message in [
        Message::Carts(Carts { through: 1, carts: vec![vec![1]] }),
        Message::CustodyAsk(CustodyAsk { ask: 1, object: CART }),
        Message::CutAsk(1),
    ] {
        let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
        let (mut a, mut b) = (Side::new(Role::Node, &mut node), Side::new(Role::Hub, &mut hub));
        a.session.handle(0, Input::Start);
        b.session.handle(0, Input::Start);
        settle(&mut a, &mut b, 0);
        b.session.handle(1, Input::Message(message));
        assert!(b.session.met() || b.closed.is_none());
        b.pump(1);
        assert_eq!(b.closed, Some(Closing::Refused(Refusal::Nonsense)));
    }
}
