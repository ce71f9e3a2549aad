//! A lease within a session: asked for by the node, given by the hub, carried by neighbours, and nothing else.

use super::*;
use crate::lease::{Lease, LeaseAsk, SealedLease};

const ASK: LeaseAsk = LeaseAsk { incarnation: NODE, nonce: [5; 32] };

fn sealed() -> SealedLease {
    let lease = Lease { incarnation: NODE, nonce: ASK.nonce, issued: Tau::told(1, 9), length_ms: 60_000 };
    SealedLease { lease, signature: [7; 64] }
}

fn talk(a: &mut Side<'_>, b: &mut Side<'_>, now: i64) {
    loop {
        let (to_b, to_a) = (a.pump(now), b.pump(now));
        if to_b.is_empty() && to_a.is_empty() {
            return;
        }
        to_b.into_iter().for_each(|message| b.session.handle(now, Input::Message(message)));
        to_a.into_iter().for_each(|message| a.session.handle(now, Input::Message(message)));
    }
}

#[test]
fn the_node_asks_and_the_hub_gives() {
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    let (mut a, mut b) = (Side::new(Role::Node, &mut node), Side::new(Role::Hub, &mut hub));
    a.session.handle(0, Input::Start);
    b.session.handle(0, Input::Start);
    a.session.handle(0, Input::AskLease(ASK));
    talk(&mut a, &mut b, 0);
    assert!(b.lease_asks.is_empty(), "before both have met an ask is lost, and made again later");
    a.session.handle(1, Input::AskLease(ASK));
    talk(&mut a, &mut b, 1);
    assert_eq!(b.lease_asks, [ASK]);
    b.session.handle(2, Input::LeaseGiven(sealed()));
    talk(&mut a, &mut b, 2);
    assert_eq!(a.leases, [sealed()]);
    assert!(a.closed.is_none() && b.closed.is_none());
}

#[test]
fn nobody_asks_a_node_and_nobody_gives_the_hub_one() {
    for (to_hub, message) in [(true, Message::Lease(sealed())), (false, Message::LeaseAsk(ASK))] {
        let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
        let (mut a, mut b) = (Side::new(Role::Node, &mut node), Side::new(Role::Hub, &mut hub));
        a.session.handle(0, Input::Start);
        b.session.handle(0, Input::Start);
        talk(&mut a, &mut b, 0);
        let told = if to_hub { &mut b } else { &mut a };
        told.session.handle(1, Input::Message(message));
        told.pump(1);
        assert_eq!(told.closed, Some(Closing::Refused(Refusal::Nonsense)));
    }
}
