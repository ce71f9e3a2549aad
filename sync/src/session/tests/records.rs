//! Customers' records: every state of one arrives in any order and any number of times, and all sides hold the same.

use super::super::{CustomerRecord, Records};
use super::*;
use crate::ids::Id;

fn record(n: u8, version: u32, person: Option<&str>) -> CustomerRecord {
    CustomerRecord { id: Id([n; 16]), version, person: person.map(str::to_owned), price_list: String::new() }
}

fn folded(states: &[CustomerRecord]) -> CustomerRecord {
    let mut held = states[0].clone();
    for state in states {
        if state.replaces(&held) {
            held = state.clone();
        }
    }
    held
}

#[test]
fn whatever_the_order_all_hold_the_same_and_erased_is_final() {
    let states = [
        record(1, 1, Some("Ada")),
        record(1, 2, Some("Ada L.")),
        record(1, 2, Some("Bea")),
        record(1, 3, Some("Eve")),
        record(1, 2, None),
        record(1, 9, Some("back again")),
    ];
    let without: Vec<_> = states.iter().filter(|state| state.person.is_some()).cloned().collect();
    for (states, expected) in [(states.to_vec(), &states[4]), (without, &states[5])] {
        for turn in 0..states.len() {
            let mut order = states.clone();
            order.rotate_left(turn);
            assert_eq!(&folded(&order), expected, "{order:?}");
            order.reverse();
            order.extend(order.clone());
            assert_eq!(&folded(&order), expected, "{order:?}");
        }
    }
    assert!(!states[4].replaces(&states[4]), "a repeat changes nothing");
    // Two erasures that met another version each: one of them stays, and nobody goes on telling.
    assert!(!record(1, 7, None).replaces(&record(1, 4, None)));
}

#[test]
fn both_sides_offer_and_a_cut_anywhere_is_made_up_for() {
    let mut whole = 0;
    for cut in 0..200 {
        let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
        (1..=7).for_each(|n| node.changed(record(n, 1, Some("at the till"))));
        (5..=12).for_each(|n| hub.changed(record(n, 2, Some("at the hub"))));
        hub.changed(record(1, 1, None));
        converse(&mut node, &mut hub, cut);
        whole = whole.max(node.people.len());
        converse(&mut node, &mut hub, usize::MAX);
        assert_eq!(node.people, hub.people, "cut at {cut}");
        assert_eq!(node.people.len(), 12);
        assert_eq!(node.people[&Id([1; 16])].person, None, "erased wins");
        assert_eq!(node.people[&Id([5; 16])].person.as_deref(), Some("at the hub"), "the later version");
    }
    assert_eq!(whole, 12, "the cuts went through the whole conversation");
}

#[test]
fn what_is_said_out_of_turn_is_nonsense() {
    let (mut node, mut hub) = (Replica::new(NODE), Replica::new(HUB));
    let (mut a, mut b) = (Side::new(Role::Node, &mut node), Side::new(Role::Hub, &mut hub));
    a.session.handle(0, Input::Start);
    b.session.handle(0, Input::Start);
    let mut to_hub = VecDeque::from(a.pump(0));
    let mut to_node = VecDeque::from(b.pump(0));
    while !(to_hub.is_empty() && to_node.is_empty()) {
        if let Some(message) = to_hub.pop_front() {
            b.session.handle(1, Input::Message(message));
            to_node.extend(b.pump(1));
        }
        if let Some(message) = to_node.pop_front() {
            a.session.handle(1, Input::Message(message));
            to_hub.extend(a.pump(1));
        }
    }
    assert!(a.session.met() && b.session.met());
    a.session.handle(2, Input::Message(Message::RecordsAck(3)));
    b.session.handle(2, Input::Message(Message::Records(Records::default())));
    let _ = (a.pump(2), b.pump(2));
    assert_eq!(a.closed, Some(Closing::Refused(Refusal::Nonsense)));
    assert_eq!(b.closed, Some(Closing::Refused(Refusal::Nonsense)));
}
