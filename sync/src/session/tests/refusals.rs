//! What a session does with a peer that errs, lies or falls silent.

use super::world::*;
use super::*;
use crate::body::{Body, DrawerOpened};
use crate::event::{Head, Stamp};
use crate::ids::Hash;
use crate::limits::UNACKED_BATCHES_MAX;

/// A conversation that has come as far as levelling; nothing is on its way.
fn met<'a>(node: &'a mut Replica, hub: &'a mut Replica) -> (Side<'a>, Side<'a>) {
    let (mut a, mut b) = (Side::new(Role::Node, node), Side::new(Role::Hub, hub));
    a.session.handle(0, Input::Start);
    b.session.handle(0, Input::Start);
    settle(&mut a, &mut b, 0);
    assert!(a.session.met() && b.session.met());
    (a, b)
}

/// Delivers everything that is said until both are quiet.
fn settle(a: &mut Side<'_>, b: &mut Side<'_>, now: UtcMs) {
    loop {
        let (to_b, to_a) = (a.pump(now), b.pump(now));
        if to_b.is_empty() && to_a.is_empty() {
            return;
        }
        to_b.into_iter().for_each(|message| b.session.handle(now, Input::Message(message)));
        to_a.into_iter().for_each(|message| a.session.handle(now, Input::Message(message)));
    }
}

fn hear(side: &mut Side<'_>, now: UtcMs, message: Message) -> Vec<Message> {
    side.session.handle(now, Input::Message(message));
    side.pump(now)
}

fn batches(said: &[Message]) -> Vec<(u64, Encoding)> {
    let of = |message: &Message| match message {
        Message::Batch(batch) => Some((batch.from, batch.encoding)),
        _ => None,
    };
    said.iter().filter_map(of).collect()
}

/// The other side throws away its whole window with the first batch it can't rebuild; nothing but this request
/// will come.
#[test]
fn a_full_window_of_batches_that_cannot_be_rebuilt_does_not_block() {
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    let (mut a, _) = met(&mut node, &mut hub);
    for _ in 0..40 {
        a.replica.write(1);
    }
    let heads = a.replica.frontier().heads().collect();
    a.session.handle(1, Input::Local { heads, catalog: CatalogVersion::default() });
    assert_eq!(batches(&a.pump(1)).len(), UNACKED_BATCHES_MAX);
    let again = hear(&mut a, 2, Message::NeedRaw { incarnation: NODE, from: 1, to: 7 });
    assert_eq!(batches(&again).first(), Some(&(1, Encoding::Raw)), "{again:?}");
}

/// A stream that is being asked for again brings more that no longer fits; it is dropped and not asked for twice.
#[test]
fn what_was_asked_for_again_is_asked_for_once() {
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    let mut source = Replica::new(NODE);
    for _ in 0..40 {
        source.write(1);
    }
    let (_, mut b) = met(&mut node, &mut hub);
    b.replica.baffled = 100;
    let mut said = Vec::new();
    for from in [1, 8, 15, 22] {
        let batch = source.read(NODE, from, 7, None).unwrap();
        said.extend(hear(&mut b, 1, Message::Batch(batch)));
    }
    assert_eq!(said, [Message::NeedRaw { incarnation: NODE, from: 1, to: 7 }]);
    let raw = source.read(NODE, 1, 7, Some(7)).unwrap();
    assert!(matches!(hear(&mut b, 2, Message::Batch(raw))[..], [Message::Ack(_)]));
    let next = source.read(NODE, 8, 7, Some(14)).unwrap();
    assert!(matches!(hear(&mut b, 3, Message::Batch(next))[..], [Message::Ack(_)]));
}

/// A sale in the blink between the two greetings: the digests that were said decide for both sides alike.
#[test]
fn a_log_that_grows_while_hello_is_said_is_levelled_all_the_same() {
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    node.write(3);
    converse(&mut node, &mut hub, 10_000);
    let (mut a, mut b) = (Side::new(Role::Node, &mut node), Side::new(Role::Hub, &mut hub));
    a.session.handle(0, Input::Start);
    b.session.handle(0, Input::Start);
    for message in b.pump(0) {
        a.session.handle(0, Input::Message(message));
    }
    let said = a.pump(0);
    a.replica.write(2);
    let heads = a.replica.frontier().heads().collect();
    a.session.handle(0, Input::Local { heads, catalog: CatalogVersion::default() });
    said.into_iter().for_each(|message| b.session.handle(0, Input::Message(message)));
    settle(&mut a, &mut b, 1);
    assert_eq!(a.replica.frontier(), b.replica.frontier());
    assert!(a.session.level() && b.session.level());
}

/// A hub that finds itself to have lost memory must not make its nodes fence themselves.
#[test]
fn a_hub_that_lost_memory_does_not_fence_its_nodes() {
    for rewritten in [false, true] {
        let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
        node.write(4);
        hub.write(4);
        converse(&mut node, &mut hub, 10_000);
        hub.logs.get_mut(&HUB).unwrap().truncate(2);
        hub.signed.insert(HUB, [2].into());
        if rewritten {
            let stamp = Stamp { wall: 7, tau: None, trading: 7, till: None, shift: None, staff: None };
            let last = hub.logs[&HUB].last().unwrap().clone();
            let mut head = Head { incarnation: HUB, seq: 2, hash: last.hash, hlc: last.envelope.hlc };
            for _ in 0..2 {
                let body = Body::from(DrawerOpened { reason: "again".to_owned(), approver: None });
                hub.logs.get_mut(&HUB).unwrap().push(head.append(stamp.clone(), &body).unwrap());
            }
            hub.signed.insert(HUB, [2, 4].into());
        }
        let (_, b) = converse(&mut node, &mut hub, 10_000);
        assert!(matches!(b, Some(Closing::Refused(Refusal::Amnesia | Refusal::Fork))), "{b:?}");
        assert!(!node.fenced, "rewritten: {rewritten}");
    }
}

/// The branch that contradicts may be a neighbour's or a lone log's, not the caller's own: it is declined, the rest
/// goes on.
#[test]
fn a_fork_in_a_relayed_stream_neither_fences_nor_blocks_the_one_who_relays() {
    const THIRD: Incarnation = Incarnation([3; 16]);
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    let (mut third, mut other) = (Replica::new(THIRD), Replica::new(THIRD));
    third.write(3);
    other.write(1);
    other.logs.get_mut(&THIRD).unwrap()[0] = {
        let stamp = Stamp { wall: 7, tau: None, trading: 7, till: None, shift: None, staff: None };
        let body = Body::from(DrawerOpened { reason: "other".to_owned(), approver: None });
        Head::empty(THIRD).append(stamp, &body).unwrap()
    };
    node.logs.extend(third.logs);
    node.signed.extend(third.signed);
    hub.logs.extend(other.logs);
    hub.signed.extend(other.signed);
    node.write(2);
    let (mut a, mut b) = met(&mut node, &mut hub);
    for now in (1..=20).map(|beat| beat * 1_000) {
        a.session.handle(now, Input::Tick { tau: None });
        b.session.handle(now, Input::Tick { tau: None });
        settle(&mut a, &mut b, now);
    }
    assert_eq!((a.closed, b.closed), (None, None));
    assert!(!a.replica.fenced);
    assert_eq!((b.replica.frontier().seq(&NODE), b.replica.frontier().seq(&THIRD)), (2, 1));
}

/// Where the other side knows more of a neighbour's stream than is held here, that is no nonsense.
#[test]
fn an_ack_beyond_what_is_held_of_a_neighbour_is_taken() {
    const THIRD: Incarnation = Incarnation([3; 16]);
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    let mut third = Replica::new(THIRD);
    third.write(3);
    let ahead = HeadMark { incarnation: THIRD, seq: 9, hash: Hash([1; 32]) };
    node.logs.extend(third.logs);
    node.signed.extend(third.signed);
    let (mut a, _) = met(&mut node, &mut hub);
    hear(&mut a, 1, Message::Ack(vec![ahead]));
    assert_eq!(a.closed, None);
    assert!(a.session.level());
}

#[test]
fn an_ack_of_more_than_a_node_ever_wrote_fences_it() {
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    node.write(2);
    let (mut a, _) = met(&mut node, &mut hub);
    hear(&mut a, 1, Message::Ack(vec![HeadMark { incarnation: NODE, seq: 9, hash: Hash([1; 32]) }]));
    assert!(a.replica.fenced);
}

#[test]
fn numbers_at_the_end_of_their_range_end_a_session_and_nothing_else() {
    let max = u64::MAX;
    let head = |seq| HeadMark { incarnation: Incarnation([9; 16]), seq, hash: Hash([1; 32]) };
    let mut source = Replica::new(NODE);
    source.write(3);
    let batch = source.read(NODE, 1, 7, None).unwrap();
    let stories = [
        Message::Batch(Batch { from: max, count: u32::MAX, ..batch.clone() }),
        Message::Batch(Batch { from: 0, ..batch.clone() }),
        Message::Batch(Batch { from: max - 1, count: 2, ..batch.clone() }),
        Message::NeedFrom { incarnation: NODE, from: 0 },
        Message::NeedFrom { incarnation: HUB, from: max },
        Message::NeedRaw { incarnation: HUB, from: 0, to: 0 },
        Message::NeedRaw { incarnation: HUB, from: 1, to: max },
        Message::NeedRaw { incarnation: HUB, from: max, to: max },
        Message::NeedRaw { incarnation: HUB, from: 3, to: 1 },
        Message::Ack(vec![head(0), head(max)]),
        Message::CatalogAck(CatalogVersion { epoch: u32::MAX, version: max }),
    ];
    for message in stories {
        let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
        hub.write(5);
        hub.publish(2);
        let (_, mut b) = met(&mut node, &mut hub);
        let told = format!("{message:?}");
        hear(&mut b, 1, message);
        for _ in 0..3 {
            hear(&mut b, 1, Message::Heartbeat { tau: None });
        }
        assert_eq!(b.replica.frontier().seq(&HUB), 5, "{told}");
    }
}

/// Streams that nobody holds leave no trace, and a second frontier is refused.
#[test]
fn a_peer_cannot_make_a_session_grow() {
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    let (_, mut b) = met(&mut node, &mut hub);
    for n in 0..200u8 {
        hear(&mut b, 1, Message::NeedFrom { incarnation: Incarnation([n; 16]), from: 1 });
    }
    assert!(b.session.streams_known() <= 3);
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    node.write(1);
    let (_, mut b) = met(&mut node, &mut hub);
    hear(&mut b, 1, Message::Frontier(Vec::new()));
    assert_eq!(b.closed, Some(Closing::Refused(Refusal::Nonsense)));
}

/// Asking for the same again and again is no progress.
#[test]
fn a_peer_that_only_ever_asks_again_is_let_go() {
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    let (mut a, _) = met(&mut node, &mut hub);
    a.replica.write(3);
    let heads = a.replica.frontier().heads().collect();
    a.session.handle(1, Input::Local { heads, catalog: CatalogVersion::default() });
    let mut now = 1;
    while a.closed.is_none() && now < 4 * PROGRESS_MS_MAX {
        a.pump(now);
        now += 100;
        let again = if now % 200 == 1 {
            Message::NeedRaw { incarnation: NODE, from: 1, to: 3 }
        } else {
            Message::NeedFrom { incarnation: NODE, from: 1 }
        };
        hear(&mut a, now, again);
    }
    assert_eq!(a.closed, Some(Closing::Stalled));
    assert!(now <= PROGRESS_MS_MAX + 1_000, "{now}");
}

/// Whoever greets and then never says what it holds, or never acks the catalog, is let go too.
#[test]
fn a_peer_that_keeps_back_its_frontier_or_an_ack_is_let_go() {
    for catalog in [false, true] {
        let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
        node.write(1);
        let (mut a, mut b) = (Side::new(Role::Node, &mut node), Side::new(Role::Hub, &mut hub));
        a.session.handle(0, Input::Start);
        b.session.handle(0, Input::Start);
        if catalog {
            settle(&mut a, &mut b, 0);
            b.replica.publish(1);
            let catalog = b.replica.catalog_version();
            b.session.handle(0, Input::Local { heads: Vec::new(), catalog });
            assert!(matches!(b.pump(0)[..], [Message::Catalog(_)]));
        } else {
            b.pump(0).into_iter().for_each(|message| a.session.handle(0, Input::Message(message)));
            a.pump(0).into_iter().for_each(|message| b.session.handle(0, Input::Message(message)));
            b.pump(0);
        }
        let mut now = 0;
        while b.closed.is_none() && now < 4 * PROGRESS_MS_MAX {
            now += 1_000;
            hear(&mut b, now, Message::Heartbeat { tau: None });
        }
        assert_eq!(b.closed, Some(Closing::Stalled), "catalog: {catalog}");
    }
}

/// A node that can't apply the catalog still delivers its sales, and isn't sent the same entries in a circle.
#[test]
fn a_catalog_that_cannot_be_applied_goes_in_no_circle() {
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    hub.publish(3);
    let mut sent = 0;
    let (mut a, mut b) = (Side::new(Role::Node, &mut node), Side::new(Role::Hub, &mut hub));
    a.session.handle(0, Input::Start);
    b.session.handle(0, Input::Start);
    for now in 0..100 {
        for message in a.pump(now) {
            b.session.handle(now, Input::Message(message));
        }
        for message in b.pump(now) {
            match message {
                Message::Catalog(_) => {
                    sent += 1;
                    b.session.handle(now, Input::Message(Message::CatalogAck(CatalogVersion::default())));
                }
                message => a.session.handle(now, Input::Message(message)),
            }
        }
    }
    assert_eq!(sent, 1);
    a.replica.write(3);
    let heads = a.replica.frontier().heads().collect();
    a.session.handle(100, Input::Local { heads, catalog: CatalogVersion::default() });
    settle(&mut a, &mut b, 101);
    assert_eq!(b.replica.frontier().seq(&NODE), 3);
}

/// Nothing to read now (no signed head yet, the disk is busy) is no reason to end a session.
#[test]
fn what_cannot_be_read_now_is_read_later() {
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    let (mut a, mut b) = met(&mut node, &mut hub);
    a.replica.write(3);
    let heads = a.replica.frontier().heads().collect();
    let signed = a.replica.signed.remove(&NODE).unwrap();
    a.session.handle(1, Input::Local { heads, catalog: CatalogVersion::default() });
    settle(&mut a, &mut b, 1);
    assert_eq!(a.closed, None);
    a.replica.signed.insert(NODE, signed);
    a.session.handle(HEARTBEAT_MS + 1, Input::Tick { tau: None });
    settle(&mut a, &mut b, HEARTBEAT_MS + 1);
    assert_eq!(b.replica.frontier().seq(&NODE), 3);
}

/// A pump whose timer rings a little early asks again when to come back.
#[test]
fn every_tick_says_when_the_next_is_due() {
    let mut node = Replica::new(NODE);
    let mut side = Side::new(Role::Node, &mut node);
    side.session.handle(0, Input::Start);
    while side.session.poll().is_some() {}
    side.session.handle(HEARTBEAT_MS - 1, Input::Tick { tau: None });
    let outputs: Vec<_> = std::iter::from_fn(|| side.session.poll()).collect();
    assert_eq!(outputs, [Output::WaitUntil(HEARTBEAT_MS)]);
}

/// Hub time goes on between a tick and the next word, and is believed only of a hub that has proven itself.
#[test]
fn hub_time_runs_and_is_heard_from_the_hub_alone() {
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    let mut a = Side::new(Role::Node, &mut node);
    a.session.handle(0, Input::Start);
    a.session.handle(1, Input::Message(Message::Heartbeat { tau: Some(Tau::told(9, 9)) }));
    assert!(!std::iter::from_fn(|| a.session.poll()).any(|output| matches!(output, Output::HubTime(_))));
    drop(a);
    let (_, mut b) = met(&mut node, &mut hub);
    b.session.handle(1_500, Input::Tick { tau: Some(Tau::told(1, 10_000)) });
    b.pump(1_500);
    let said = hear(&mut b, 2_100, Message::Heartbeat { tau: None });
    assert_eq!(said, [Message::Heartbeat { tau: Some(Tau::told(1, 10_600)) }]);
}

/// A greeting answered for one peer proves nothing to another.
#[test]
fn a_greeting_cannot_be_passed_on() {
    let node = device(NODE);
    let nonce = [4; 32];
    let for_third = node.sign_hello(&NODE, &nonce, &device(Incarnation([3; 16])).public());
    assert!(verify_hello(&node.public(), &NODE, &nonce, &device(HUB).public(), &for_third).is_err());
    let for_hub = node.sign_hello(&NODE, &nonce, &device(HUB).public());
    assert!(verify_hello(&node.public(), &NODE, &nonce, &device(HUB).public(), &for_hub).is_ok());
}

/// The head a caller shows is its own.
#[test]
fn somebody_elses_head_is_no_own_head() {
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    node.write(2);
    let (mut a, mut b) = (Side::new(Role::Node, &mut node), Side::new(Role::Hub, &mut hub));
    a.session.handle(0, Input::Start);
    b.session.handle(0, Input::Start);
    b.pump(0).into_iter().for_each(|message| a.session.handle(0, Input::Message(message)));
    for message in a.pump(0) {
        let Message::Hello(hello) = message else {
            hear(&mut b, 0, message);
            continue;
        };
        let own_head = hello.own_head.map(|head| HeadMark { incarnation: HUB, ..head });
        hear(&mut b, 0, Message::Hello(Hello { own_head, ..hello }));
    }
    assert_eq!(b.closed, Some(Closing::Refused(Refusal::Nonsense)));
}

/// A hub tells a node what of its stream is set aside; nobody tells the hub.
#[test]
fn a_node_hears_which_of_its_events_are_set_aside() {
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    node.write(2);
    let (mut a, mut b) = met(&mut node, &mut hub);
    b.session.handle(1, Input::Aside(vec![2]));
    settle(&mut a, &mut b, 1);
    b.session.handle(2, Input::Aside(Vec::new()));
    settle(&mut a, &mut b, 2);
    assert_eq!((&a.asides, a.closed), (&vec![vec![2], Vec::new()], None));
    hear(&mut b, 3, Message::Aside(vec![1]));
    assert_eq!(b.closed, Some(Closing::Refused(Refusal::Nonsense)));
}
