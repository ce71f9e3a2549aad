//! Two nodes of one store, without their hub.

use super::world::*;
use super::*;
use crate::body::{Body, DrawerOpened};
use crate::event::{Head, Stamp};
use crate::limits::{ASKS_MAX, RELAY_HUB_MS, RELAY_LAN_MS};
use proptest::prelude::*;
use tradepost_commerce::document::Sku;

pub(super) const EAST: Incarnation = Incarnation([4; 16]);
pub(super) const WEST: Incarnation = Incarnation([5; 16]);
const THIRD: Incarnation = Incarnation([6; 16]);

pub(super) fn pair() -> (Replica, Replica) {
    (Replica::new(EAST), Replica::new(WEST))
}

pub(super) fn begin<'a>(east: &'a mut Replica, west: &'a mut Replica) -> (Side<'a>, Side<'a>) {
    let (mut a, mut b) = (Side::beside(east, WEST), Side::beside(west, EAST));
    a.session.handle(0, Input::Start);
    b.session.handle(0, Input::Start);
    (a, b)
}

/// Delivers everything that is said until both are quiet; what was said.
pub(super) fn settle(a: &mut Side<'_>, b: &mut Side<'_>, now: UtcMs) -> Vec<Message> {
    let mut said = Vec::new();
    loop {
        let (to_b, to_a) = (a.pump(now), b.pump(now));
        if to_b.is_empty() && to_a.is_empty() {
            return said;
        }
        said.extend(to_b.iter().chain(&to_a).cloned());
        to_b.into_iter().for_each(|message| b.session.handle(now, Input::Message(message)));
        to_a.into_iter().for_each(|message| a.session.handle(now, Input::Message(message)));
    }
}

pub(super) fn met<'a>(east: &'a mut Replica, west: &'a mut Replica) -> (Side<'a>, Side<'a>) {
    let (mut a, mut b) = begin(east, west);
    settle(&mut a, &mut b, 0);
    assert!(a.session.met() && b.session.met(), "{:?} {:?}", a.closed, b.closed);
    (a, b)
}

pub(super) fn tell(side: &mut Side<'_>, now: UtcMs) {
    let heads = side.replica.frontier().heads().collect();
    side.session.handle(now, Input::Local { heads, catalog: CatalogVersion::default() });
}

/// Lets a log hold what another wrote.
fn learn(side: &mut Replica, of: &Replica) {
    side.logs.insert(of.own, of.logs[&of.own].clone());
    side.signed.insert(of.own, of.signed[&of.own].clone());
}

fn milk(ask: u64, at_least: u64) -> Acquire {
    Acquire { ask, sku: Sku("MILK".to_owned()), at_least }
}

#[test]
fn neighbours_level_their_own_logs_and_whatever_else_they_hold() {
    let (mut east, mut west) = pair();
    let (mut hub, mut third) = (Replica::new(HUB), Replica::new(THIRD));
    east.write(20);
    west.write(30);
    hub.write(9);
    third.write(12);
    learn(&mut east, &hub);
    learn(&mut west, &third);
    let (a, b) = met(&mut east, &mut west);
    assert!(a.session.level() && b.session.level());
    assert_eq!(a.replica.frontier(), b.replica.frontier());
    assert_eq!(a.replica.frontier().heads().count(), 4);
}

/// The roster by which a third node's signatures are checked must be there before its events are.
#[test]
fn the_hubs_stream_goes_before_all_others() {
    let (mut east, mut west) = pair();
    let (mut hub, mut early) = (Replica::new(HUB), Replica::new(Incarnation([1; 16])));
    east.write(3);
    hub.write(3);
    early.write(3);
    learn(&mut east, &hub);
    learn(&mut east, &early);
    let (mut a, mut b) = begin(&mut east, &mut west);
    let said = settle(&mut a, &mut b, 0);
    let first = said.iter().find_map(|message| match message {
        Message::Batch(batch) => Some(batch.incarnation),
        _ => None,
    });
    assert_eq!(first, Some(HUB));
}

#[test]
fn nobody_gets_in_whom_the_roster_does_not_name() {
    let (mut east, mut west) = pair();
    // Known by its key, but fenced or retired since: it is no member any longer.
    let (key, mut b) = (device(EAST).public(), Side::beside(&mut west, EAST));
    let mut a = Side::with(Role::Neighbour, &mut east, Some(device(WEST).public()), Vec::new());
    a.session.handle(0, Input::Start);
    b.session.handle(0, Input::Start);
    settle(&mut a, &mut b, 0);
    assert_eq!(a.closed, Some(Closing::Refused(Refusal::Unknown)));
    assert!(!a.session.met() && !a.replica.fenced && !b.replica.fenced);

    // A member's name under a stranger's key.
    let mut liar = Replica::new(EAST);
    let mut a = Side::with(Role::Neighbour, &mut liar, Some(device(WEST).public()), vec![WEST]);
    let mut third = Replica::new(WEST);
    let mut b = Side::with(Role::Neighbour, &mut third, Some(device(THIRD).public()), vec![EAST]);
    a.session.handle(0, Input::Start);
    b.session.handle(0, Input::Start);
    settle(&mut a, &mut b, 0);
    assert_eq!(
        b.closed,
        Some(Closing::Refused(Refusal::Signature)),
        "signed by {key:?}, not by the one named"
    );
}

/// What a neighbour holds of me beyond what I do is proof of lost memory; its bare word is none.
#[test]
fn a_neighbour_that_knows_more_of_me_makes_me_fence_myself() {
    let (mut east, mut west) = pair();
    east.write(10);
    met(&mut east, &mut west);
    east.logs.get_mut(&EAST).unwrap().truncate(4);
    east.signed.insert(EAST, [4].into());
    let (mut a, mut b) = begin(&mut east, &mut west);
    settle(&mut a, &mut b, 0);
    assert!(a.replica.fenced && !b.replica.fenced);
    assert_eq!(b.replica.logs[&EAST].len(), 10);

    let (mut east, mut west) = pair();
    let (mut a, _) = met(&mut east, &mut west);
    a.session.handle(1, Input::Message(Message::Refuse(Refusal::Amnesia)));
    a.pump(1);
    assert_eq!((a.closed, a.replica.fenced), (Some(Closing::PeerRefused(Refusal::Amnesia)), false));
}

/// A sale during the greeting may reach the other side by a third before the greeting does.
#[test]
fn a_log_that_grew_while_hello_was_said_is_no_lost_memory() {
    for hub_asks in [false, true] {
        let mut node = Replica::new(NODE);
        node.write(3);
        let mut other = Replica::new(if hub_asks { HUB } else { WEST });
        let mut ahead = Replica::new(NODE);
        ahead.logs.clone_from(&node.logs);
        ahead.signed.clone_from(&node.signed);
        ahead.write(1);
        learn(&mut other, &ahead);
        let (mut a, mut b) = if hub_asks {
            (Side::new(Role::Node, &mut node), Side::new(Role::Hub, &mut other))
        } else {
            (Side::beside(&mut node, WEST), Side::beside(&mut other, NODE))
        };
        a.session.handle(0, Input::Start);
        b.session.handle(0, Input::Start);
        b.pump(0).into_iter().for_each(|message| a.session.handle(0, Input::Message(message)));
        let said = a.pump(0);
        // The event is durable here as well, only the session hasn't heard.
        a.replica.logs.clone_from(&ahead.logs);
        said.into_iter().for_each(|message| b.session.handle(0, Input::Message(message)));
        settle(&mut a, &mut b, 1);
        assert!(!a.replica.fenced, "asked by the hub: {hub_asks}");
    }
}

/// Of somebody else's events the other side is told at once, and gets them only where its own ways are slower.
#[test]
fn what_came_by_another_way_is_announced_and_relayed_later() {
    let (mut east, mut west) = pair();
    let mut third = Replica::new(THIRD);
    third.write(5);
    let (mut a, mut b) = met(&mut east, &mut west);
    learn(a.replica, &third);
    tell(&mut a, 1_000);
    let said = settle(&mut a, &mut b, 1_000);
    assert!(matches!(&said[..], [Message::Ack(heads)] if heads[0].incarnation == THIRD), "{said:?}");
    assert_eq!(a.wake, Some(1_000 + RELAY_LAN_MS), "it asks to be called back");
    a.session.handle(1_000 + RELAY_LAN_MS, Input::Tick { tau: None });
    settle(&mut a, &mut b, 1_000 + RELAY_LAN_MS);
    assert_eq!(b.replica.frontier().seq(&THIRD), 5);

    // Both get it at the same time: nothing is sent twice.
    third.write(2);
    learn(a.replica, &third);
    learn(b.replica, &third);
    tell(&mut a, 5_000);
    tell(&mut b, 5_000);
    settle(&mut a, &mut b, 5_000);
    let sent = a.replica.sent_events + b.replica.sent_events;
    for now in [5_500, 6_000, 7_000] {
        a.session.handle(now, Input::Tick { tau: None });
        b.session.handle(now, Input::Tick { tau: None });
        settle(&mut a, &mut b, now);
    }
    assert_eq!(a.replica.sent_events + b.replica.sent_events, sent);
    assert!(a.session.level() && b.session.level());
}

/// Whose own way to the hub is cut is served by its neighbour; whose isn't, costs the neighbour nothing.
#[test]
fn a_neighbours_events_reach_the_hub_once_its_own_way_is_seen_to_be_slower() {
    for own_way in [false, true] {
        let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
        let mut third = Replica::new(THIRD);
        third.write(10);
        learn(&mut node, &third);
        let (mut a, mut b) = (Side::new(Role::Node, &mut node), Side::new(Role::Hub, &mut hub));
        a.session.handle(0, Input::Start);
        b.session.handle(0, Input::Start);
        settle(&mut a, &mut b, 0);
        assert_eq!(a.replica.sent_events, 0);
        if own_way {
            learn(b.replica, &third);
            tell(&mut b, 500);
        }
        for now in [500, RELAY_HUB_MS + 1, 2 * RELAY_HUB_MS] {
            a.session.handle(now, Input::Tick { tau: None });
            settle(&mut a, &mut b, now);
        }
        assert_eq!(b.replica.frontier().seq(&THIRD), 10);
        assert_eq!(a.replica.sent_events, if own_way { 0 } else { 10 });
    }
}

/// A stream that grows without end isn't held back without end.
#[test]
fn a_stream_that_never_rests_is_relayed_all_the_same() {
    let (mut east, mut west) = pair();
    let mut third = Replica::new(THIRD);
    let (mut a, mut b) = met(&mut east, &mut west);
    for now in (1..40).map(|n| n * 100) {
        third.write(1);
        learn(a.replica, &third);
        tell(&mut a, now);
        settle(&mut a, &mut b, now);
    }
    assert!(b.replica.frontier().seq(&THIRD) > 30, "{}", b.replica.frontier().seq(&THIRD));
}

#[test]
fn another_branch_of_a_third_is_declined_and_everything_else_goes_on() {
    let (mut east, mut west) = pair();
    let (mut third, mut twin) = (Replica::new(THIRD), Replica::new(THIRD));
    third.write(3);
    let stamp = Stamp { wall: 7, tau: None, trading: 7, till: None, shift: None, staff: None };
    let body = Body::from(DrawerOpened { reason: "other".to_owned(), approver: None });
    twin.logs.insert(THIRD, vec![Head::empty(THIRD).append(stamp, &body).unwrap()]);
    twin.signed.insert(THIRD, [1].into());
    learn(&mut east, &third);
    learn(&mut west, &twin);
    east.write(2);
    west.write(2);
    let (mut a, mut b) = met(&mut east, &mut west);
    assert_eq!((b.replica.frontier().seq(&EAST), a.replica.frontier().seq(&WEST)), (2, 2));
    assert_eq!(b.replica.logs[&THIRD].len(), 1);
    for now in (1..60).map(|n| n * 1_000) {
        a.session.handle(now, Input::Tick { tau: None });
        b.session.handle(now, Input::Tick { tau: None });
        settle(&mut a, &mut b, now);
    }
    assert_eq!((a.closed, b.closed), (None, None));
}

/// Two machines wrote one stream, and one branch came to the hub while the other came to a node: both end at one place. In
/// a session that goes on neither has anything to send, and the hub says its branch all the same.
#[test]
fn the_hub_says_its_branch_where_both_end_at_one_place() {
    for node_is_first in [true, false] {
        let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
        let (mut third, mut twin) = (Replica::new(THIRD), Replica::new(THIRD));
        third.write(1);
        let stamp = Stamp { wall: 7, tau: None, trading: 7, till: None, shift: None, staff: None };
        let body = Body::from(DrawerOpened { reason: "other".to_owned(), approver: None });
        twin.logs.insert(THIRD, vec![Head::empty(THIRD).append(stamp, &body).unwrap()]);
        twin.signed.insert(THIRD, [1].into());
        let (mut a, mut b) = (Side::new(Role::Node, &mut node), Side::new(Role::Hub, &mut hub));
        a.session.handle(0, Input::Start);
        b.session.handle(0, Input::Start);
        settle(&mut a, &mut b, 0);
        let sent = b.replica.sent_events;
        learn(a.replica, &twin);
        learn(b.replica, &third);
        if node_is_first {
            tell(&mut a, 1);
            settle(&mut a, &mut b, 1);
        }
        tell(&mut b, 2);
        settle(&mut a, &mut b, 2);
        tell(&mut a, 3);
        settle(&mut a, &mut b, 3);
        for now in [RELAY_HUB_MS + 10, 2 * RELAY_HUB_MS] {
            a.session.handle(now, Input::Tick { tau: None });
            b.session.handle(now, Input::Tick { tau: None });
            settle(&mut a, &mut b, now);
        }
        assert!(b.replica.sent_events > sent, "the node is first: {node_is_first}");
        assert_eq!((a.closed, b.closed), (None, None));
    }
}

#[test]
fn what_is_asked_for_is_given_once_and_comes_as_the_givers_own_events() {
    let (mut east, mut west) = pair();
    west.free = 5;
    let (mut a, mut b) = met(&mut east, &mut west);
    a.session.handle(1, Input::Acquire(milk(1, 3)));
    settle(&mut a, &mut b, 1);
    assert_eq!(a.answers, [(1, 1)]);
    assert_eq!(a.replica.frontier().seq(&WEST), 1, "the grant is here");
    assert_eq!((b.replica.given, b.replica.free), (3, 2));

    // The same words again, as after a lost reply, give nothing again; more is more.
    a.session.handle(2, Input::Acquire(milk(2, 3)));
    a.session.handle(2, Input::Acquire(milk(3, 4)));
    settle(&mut a, &mut b, 2);
    assert_eq!((b.replica.given, b.replica.free), (4, 1));
    assert_eq!(a.answers[1..], [(2, 1), (3, 2)]);
}

#[test]
fn whoever_has_nothing_says_so() {
    let (mut east, mut west) = pair();
    let (mut a, mut b) = met(&mut east, &mut west);
    a.session.handle(1, Input::Acquire(milk(1, 3)));
    settle(&mut a, &mut b, 1);
    assert_eq!(a.answers, [(1, 0)]);
    let mut alone = Replica::new(EAST);
    let mut a = Side::beside(&mut alone, WEST);
    a.session.handle(0, Input::Start);
    a.session.handle(1, Input::Acquire(milk(1, 3)));
    a.pump(1);
    assert_eq!(a.answers, [(1, 0)], "before anybody is met there is nobody to ask");
}

#[test]
fn a_neighbour_that_asks_without_end_is_let_go() {
    let (mut east, mut west) = pair();
    let (mut a, _) = met(&mut east, &mut west);
    for ask in 0..=u64::try_from(ASKS_MAX).unwrap() {
        a.session.handle(1, Input::Message(Message::Acquire(milk(ask, 1))));
    }
    a.pump(1);
    assert_eq!(a.closed, Some(Closing::Refused(Refusal::Nonsense)));
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    node.write(1);
    let (mut a, mut b) = (Side::new(Role::Node, &mut node), Side::new(Role::Hub, &mut hub));
    a.session.handle(0, Input::Start);
    b.session.handle(0, Input::Start);
    settle(&mut a, &mut b, 0);
    b.session.handle(1, Input::Message(Message::Acquire(milk(1, 1))));
    b.pump(1);
    assert_eq!(
        b.closed,
        Some(Closing::Refused(Refusal::Nonsense)),
        "the hub's rights are asked for elsewhere"
    );
}

/// Talks for so many messages, then the link is cut.
fn talk(east: &mut Replica, west: &mut Replica, cut: usize, asks: &[u64]) {
    let (mut a, mut b) = begin(east, west);
    let (mut to_b, mut to_a) = (VecDeque::from(a.pump(0)), VecDeque::from(b.pump(0)));
    let mut asked = false;
    for _ in 0..cut {
        if a.session.met() && !asked {
            asked = true;
            for (at, at_least) in asks.iter().enumerate() {
                let ask = u64::try_from(at).unwrap();
                a.session.handle(1, Input::Acquire(milk(ask, *at_least)));
            }
            to_b.extend(a.pump(1));
        }
        if let Some(message) = to_b.pop_front() {
            b.session.handle(1, Input::Message(message));
        } else if let Some(message) = to_a.pop_front() {
            a.session.handle(1, Input::Message(message));
        } else {
            break;
        }
        to_b.extend(a.pump(1));
        to_a.extend(b.pump(1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever is cut wherever: nothing is applied twice, no right is given twice, and the last word levels all.
    #[test]
    fn cuts_between_neighbours_lose_and_double_nothing(
        rounds in prop::collection::vec((0usize..20, 0usize..20, 0usize..50, prop::collection::vec(0u64..9, 0..3)), 1..8),
    ) {
        let (mut east, mut west) = pair();
        west.free = 6;
        for (sold_east, sold_west, cut, asks) in rounds {
            east.write(sold_east);
            west.write(sold_west);
            talk(&mut east, &mut west, cut, &asks);
        }
        talk(&mut east, &mut west, 10_000, &[]);
        prop_assert_eq!(east.frontier(), west.frontier());
        prop_assert!(east.applied.values().chain(west.applied.values()).all(|times| *times == 1));
        prop_assert!(!east.fenced && !west.fenced);
        prop_assert_eq!(west.given + west.free, 6);
    }
}
