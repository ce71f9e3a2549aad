//! Words about a barrier between hub and node.

use super::world::*;
use super::*;
use crate::ids::Id;

const BARRIER: Id = Id([7; 16]);
const LOST: Incarnation = Incarnation([9; 16]);

fn deliver(a: &mut Side<'_>, b: &mut Side<'_>) -> Vec<Message> {
    let mut said = Vec::new();
    loop {
        let (to_b, to_a) = (a.pump(1), b.pump(1));
        if to_b.is_empty() && to_a.is_empty() {
            return said;
        }
        said.extend(to_b.iter().chain(&to_a).cloned());
        to_b.into_iter().for_each(|message| b.session.handle(1, Input::Message(message)));
        to_a.into_iter().for_each(|message| a.session.handle(1, Input::Message(message)));
    }
}

fn met<'a>(node: &'a mut Replica, hub: &'a mut Replica) -> (Side<'a>, Side<'a>) {
    let (mut a, mut b) = (Side::new(Role::Node, node), Side::new(Role::Hub, hub));
    a.session.handle(0, Input::Start);
    b.session.handle(0, Input::Start);
    deliver(&mut a, &mut b);
    assert!(a.session.met() && b.session.met());
    (a, b)
}

fn caps(seq: u64) -> Vec<HeadMark> {
    vec![HeadMark { incarnation: LOST, seq, hash: Hash([1; 32]) }]
}

#[test]
fn each_side_hears_the_others_half() {
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    let (mut a, mut b) = met(&mut node, &mut hub);
    let ask = BarrierWord::Ask { barrier: BARRIER };
    let reply = BarrierWord::Reply { barrier: BARRIER, heads: caps(3) };
    let proposal = BarrierWord::Proposal { barrier: BARRIER, caps: caps(3) };
    let ack = BarrierWord::Ack { barrier: BARRIER };
    for word in [&ask, &ask, &proposal] {
        b.session.handle(1, Input::Barrier(word.clone()));
    }
    deliver(&mut a, &mut b);
    assert_eq!(a.words, [ask.clone(), ask, proposal], "said again is heard again: the log decides");
    for word in [&reply, &ack] {
        a.session.handle(1, Input::Barrier(word.clone()));
    }
    deliver(&mut a, &mut b);
    assert_eq!(b.words, [reply, ack]);
    assert_eq!((a.closed, b.closed), (None, None));
}

#[test]
fn the_wrong_half_makes_no_sense() {
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    let (mut a, mut b) = met(&mut node, &mut hub);
    a.session.handle(1, Input::Message(Message::Barrier(BarrierWord::Ack { barrier: BARRIER })));
    a.pump(1);
    assert_eq!(a.closed, Some(Closing::Refused(Refusal::Nonsense)));
    let ask = BarrierWord::Ask { barrier: BARRIER };
    b.session.handle(1, Input::Message(Message::Barrier(ask)));
    b.pump(1);
    assert_eq!(b.closed, Some(Closing::Refused(Refusal::Nonsense)));
}

#[test]
fn before_both_have_met_nothing_is_said() {
    let mut hub = Replica::new(HUB);
    let mut b = Side::new(Role::Hub, &mut hub);
    b.session.handle(0, Input::Start);
    b.pump(0);
    b.session.handle(0, Input::Barrier(BarrierWord::Ask { barrier: BARRIER }));
    assert!(b.pump(0).is_empty());
}

/// A member declines a frozen log; the caps say how far it may go after all, and nobody waits any longer.
#[test]
fn a_log_that_was_declined_goes_on_up_to_its_cap() {
    let (mut node, mut hub, mut lost) = (Replica::new(NODE), Replica::new(HUB), Replica::new(LOST));
    lost.write(5);
    let (mut a, mut b) = met(&mut node, &mut hub);
    b.replica.logs.insert(LOST, lost.logs[&LOST].clone());
    b.replica.signed.insert(LOST, lost.signed[&LOST].clone());
    let now = crate::limits::RELAY_HUB_MS + 1;
    let heads: Vec<HeadMark> = b.replica.frontier().heads().collect();
    b.session.handle(1, Input::Local { heads, catalog: CatalogVersion::default() });
    b.pump(1);
    b.session.handle(now, Input::Tick { tau: None });
    let offered = |said: &[Message]| {
        said.iter().any(|m| matches!(m, Message::Batch(batch) if batch.incarnation == LOST))
    };
    assert!(offered(&b.pump(now)));
    b.session.handle(now, Input::Message(Message::Declined(LOST)));
    b.session.handle(now, Input::Tick { tau: None });
    assert!(!offered(&b.pump(now)), "it was declined");
    b.session.handle(now, Input::Barrier(BarrierWord::Proposal { barrier: BARRIER, caps: caps(5) }));
    assert!(offered(&b.pump(now)));
    deliver(&mut a, &mut b);
}
