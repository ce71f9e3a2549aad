//! What one conversation does, story by story.

use super::world::*;
use super::*;
use crate::body::{Body, DrawerOpened};
use crate::event::Head;
use crate::event::Stamp;
use proptest::prelude::*;

#[test]
fn two_logs_are_level_after_one_conversation() {
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    node.write(100);
    hub.write(40);
    hub.publish(10);
    assert_eq!(converse(&mut node, &mut hub, 10_000), (None, None));
    assert_eq!(node.frontier(), hub.frontier());
    assert_eq!(node.catalog_version(), hub.catalog_version());
    assert_eq!(node.acked, 100);
}

#[test]
fn level_logs_say_only_hello() {
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    node.write(3);
    converse(&mut node, &mut hub, 10_000);
    let mut said = Vec::new();
    let (mut a, mut b) = (Side::new(Role::Node, &mut node), Side::new(Role::Hub, &mut hub));
    a.session.handle(0, Input::Start);
    b.session.handle(0, Input::Start);
    let (mut to_hub, mut to_node) = (a.pump(0), b.pump(0));
    while !(to_hub.is_empty() && to_node.is_empty()) {
        said.extend(to_hub.iter().chain(&to_node).cloned());
        for message in std::mem::take(&mut to_hub) {
            b.session.handle(1, Input::Message(message));
        }
        for message in std::mem::take(&mut to_node) {
            a.session.handle(1, Input::Message(message));
        }
        (to_hub, to_node) = (a.pump(1), b.pump(1));
    }
    assert_eq!(said.len(), 4, "{said:?}");
    assert!(a.session.level() && b.session.level());
}

/// The hub is told of its new heads before its session hears that the batch behind them is applied.
#[test]
fn the_hub_never_sends_a_node_its_own_events_back() {
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    node.write(3);
    converse(&mut node, &mut hub, 10_000);
    let mut ahead = Replica::new(NODE);
    ahead.write(9);
    let (mut a, mut b) = (Side::new(Role::Node, &mut node), Side::new(Role::Hub, &mut hub));
    a.session.handle(0, Input::Start);
    b.session.handle(0, Input::Start);
    let (mut to_hub, mut to_node) = (a.pump(0), b.pump(0));
    while !(to_hub.is_empty() && to_node.is_empty()) {
        std::mem::take(&mut to_hub).into_iter().for_each(|m| b.session.handle(1, Input::Message(m)));
        std::mem::take(&mut to_node).into_iter().for_each(|m| a.session.handle(1, Input::Message(m)));
        (to_hub, to_node) = (a.pump(1), b.pump(1));
    }
    b.replica.logs.clone_from(&ahead.logs);
    let heads = b.replica.frontier().heads().collect();
    b.session.handle(2, Input::Local { heads, catalog: CatalogVersion::default() });
    assert!(b.pump(2).iter().all(|message| !matches!(message, Message::Batch(_))));
}

#[test]
fn an_own_batch_that_comes_back_says_nothing_of_later_events() {
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    node.write(3);
    let echoed = node.read(NODE, 1, 7, None).unwrap();
    converse(&mut node, &mut hub, 10_000);
    let (mut a, mut b) = (Side::new(Role::Node, &mut node), Side::new(Role::Hub, &mut hub));
    a.session.handle(0, Input::Start);
    b.session.handle(0, Input::Start);
    for message in b.pump(0) {
        a.session.handle(0, Input::Message(message));
    }
    for message in a.pump(0) {
        b.session.handle(0, Input::Message(message));
    }
    for message in b.pump(0) {
        a.session.handle(0, Input::Message(message));
    }
    a.pump(0);
    assert!(a.session.level());

    // The hub's news overtook its ack, so the hub sends what it just got; meanwhile the node has written on.
    a.replica.write(2);
    a.session.handle(1, Input::Message(Message::Batch(echoed)));
    let mut sent = a.pump(1);
    let heads = a.replica.frontier().heads().collect();
    a.session.handle(1, Input::Local { heads, catalog: CatalogVersion::default() });
    sent.extend(a.pump(1));
    let later = |message: &Message| matches!(message, Message::Batch(b) if (b.from, b.to()) == (4, 5));
    assert!(sent.iter().any(later), "{sent:?}");
    assert!(!a.session.level());
}

#[test]
fn a_node_that_lost_memory_sends_nothing_more_and_fences_itself() {
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    node.write(10);
    converse(&mut node, &mut hub, 10_000);
    node.logs.get_mut(&NODE).unwrap().truncate(4);
    converse(&mut node, &mut hub, 10_000);
    assert!(node.fenced);
    assert_eq!(hub.logs[&NODE].len(), 10);
}

#[test]
fn another_history_at_the_same_place_is_a_fork() {
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    node.write(5);
    converse(&mut node, &mut hub, 10_000);
    let mut other = Replica::new(NODE);
    other.logs.insert(NODE, node.logs[&NODE][..4].to_vec());
    let log = other.logs.get_mut(&NODE).unwrap();
    let last = log.last().unwrap().clone();
    let mut head = Head { incarnation: NODE, seq: 4, hash: last.hash, hlc: last.envelope.hlc };
    let stamp = Stamp { wall: 9, tau: None, trading: 9, till: None, shift: None, staff: None };
    log.push(
        head.append(stamp, &Body::from(DrawerOpened { reason: "other".to_owned(), approver: None })).unwrap(),
    );
    converse(&mut other, &mut hub, 10_000);
    assert!(other.fenced);
    assert_eq!(hub.logs[&NODE], node.logs[&NODE]);
}

#[test]
fn a_stranger_and_a_liar_are_refused() {
    let mut hub = Replica::new(HUB);
    let mut stranger = Replica::new(Incarnation([9; 16]));
    stranger.write(1);
    let (a, _) = converse(&mut stranger, &mut hub, 100);
    assert_eq!(a, Some(Closing::PeerRefused(Refusal::Unknown)));

    let mut other_hub = Replica::new(Incarnation([7; 16]));
    let mut node = Replica::new(NODE);
    let (a, b) = converse(&mut node, &mut other_hub, 100);
    assert_eq!(b, Some(Closing::Refused(Refusal::Signature)), "the greeting was for another hub");
    assert_eq!(a, Some(Closing::PeerRefused(Refusal::Signature)));
}

/// A hub that doesn't look at what it is told meets a node that does.
#[test]
fn a_node_pins_its_hubs_key() {
    let (other, mut node) = (device(Incarnation([7; 16])), Replica::new(NODE));
    let mut a = Side::new(Role::Node, &mut node);
    a.session.handle(0, Input::Start);
    a.session.handle(0, Input::Message(Message::Greeting { protocol: 1, protocol_min: 1, nonce: [8; 32] }));
    let hello = a.pump(0).into_iter().find_map(|message| match message {
        Message::Hello(hello) => Some(hello),
        _ => None,
    });
    let signature = other.sign_hello(&HUB, &[NODE.0[0]; 32], &device(NODE).public());
    let forged = Hello { incarnation: HUB, signature, own_head: None, ..hello.unwrap() };
    a.session.handle(0, Input::Message(Message::Hello(forged)));
    a.pump(0);
    assert_eq!(a.closed, Some(Closing::Refused(Refusal::Signature)));
}

#[test]
fn silence_and_a_stall_end_a_session_and_heartbeats_keep_it() {
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    let mut side = Side::new(Role::Node, &mut node);
    side.session.handle(0, Input::Start);
    side.pump(0);
    side.session.handle(HEARTBEAT_MS, Input::Tick { tau: None });
    assert!(matches!(side.pump(HEARTBEAT_MS)[..], [Message::Heartbeat { .. }]));
    side.session.handle(SILENCE_MS_MAX + 1, Input::Tick { tau: None });
    side.pump(SILENCE_MS_MAX + 1);
    assert_eq!(side.closed, Some(Closing::Silence));

    let mut hub_side = Side::new(Role::Hub, &mut hub);
    hub_side.session.handle(0, Input::Start);
    let mut now = 0;
    while hub_side.closed.is_none() && now < 10 * PROGRESS_MS_MAX {
        now += HEARTBEAT_MS;
        hub_side.session.handle(now, Input::Message(Message::Heartbeat { tau: None }));
        hub_side.pump(now);
    }
    assert_eq!(hub_side.closed, Some(Closing::Stalled), "who only says that it is alive is let go");
}

#[test]
fn nonsense_ends_a_session() {
    let mut hub = Replica::new(HUB);
    let mut side = Side::new(Role::Hub, &mut hub);
    side.session.handle(0, Input::Start);
    side.pump(0);
    side.session.handle(1, Input::Message(Message::Ack(Vec::new())));
    side.pump(1);
    assert_eq!(side.closed, Some(Closing::Refused(Refusal::Nonsense)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever is cut wherever: in the end all is level, and nothing was applied twice.
    #[test]
    fn cuts_anywhere_lose_and_double_nothing(
        rounds in prop::collection::vec((0usize..30, 0usize..10, 0u64..5, 0usize..40), 1..8),
    ) {
        let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
        for (sales, grants, versions, cut) in rounds {
            node.write(sales);
            hub.write(grants);
            hub.publish(versions);
            converse(&mut node, &mut hub, cut);
        }
        let (a, b) = converse(&mut node, &mut hub, 10_000);
        prop_assert_eq!((a, b), (None, None));
        prop_assert_eq!(node.frontier(), hub.frontier());
        prop_assert_eq!(node.catalog_version(), hub.catalog_version());
        prop_assert!(node.applied.values().chain(hub.applied.values()).all(|times| *times == 1));
        prop_assert!(!node.fenced);
    }
}
