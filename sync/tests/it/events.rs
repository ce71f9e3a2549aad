//! Events: canonical, chained, and never decided again.

use crate::fixtures::*;
use tradepost_commerce::calc::{self, Engine};
use tradepost_sync::body::{Body, DrawerOpened, Kind};
use tradepost_sync::event::{BadEvent, Event, Head, hash_of};
use tradepost_sync::ids::{Hash, Id};

#[test]
fn an_event_reads_back_as_it_was_sealed() {
    for event in sales(20) {
        let read = Event::read(&event.bytes).unwrap();
        assert_eq!(read, event);
        assert_eq!(read.hash, hash_of(&event.bytes));
    }
}

#[test]
fn a_stream_is_gapless_and_each_event_holds_the_hash_of_the_one_before() {
    let events = sales(20);
    let mut prev = Hash::ZERO;
    for (seq, event) in (1..).zip(&events) {
        assert_eq!(event.envelope.seq, seq);
        assert_eq!(event.envelope.prev_hash, prev);
        prev = event.hash;
    }
}

#[test]
fn a_flipped_bit_anywhere_is_another_hash() {
    let event = sales(1).remove(0);
    for at in 0..event.bytes.len() {
        let mut bytes = event.bytes.clone();
        bytes[at] ^= 1;
        assert!(Event::read(&bytes).map_or(true, |read| read.hash != event.hash), "byte {at}");
    }
}

#[test]
fn bytes_that_are_no_event_are_refused_by_name() {
    let event = sales(1).remove(0);
    assert!(matches!(Event::read(&[]), Err(BadEvent::Malformed(_))));
    assert_eq!(Event::read(&[9, 1, 2]), Err(BadEvent::UnknownFormat(9)));
    assert!(Event::read(&event.bytes[..event.bytes.len() - 1]).is_err());
    let longer = [event.bytes.as_slice(), &[0]].concat();
    assert_eq!(Event::read(&longer), Err(BadEvent::NotCanonical));
    // A number written with one byte more than it needs says the same and is refused all the same.
    let mut other_spelling = event.bytes.clone();
    assert_eq!(other_spelling[17], 1, "seq 1 stands behind the format and the incarnation");
    other_spelling.splice(17..18, [0x81, 0x00]);
    assert_eq!(Event::read(&other_spelling), Err(BadEvent::NotCanonical));
}

#[test]
fn an_unknown_kind_is_kept_untouched() {
    let mut head = Head::empty(NODE);
    let mut event =
        head.append(stamp(1_000), &Body::from(DrawerOpened { reason: "x".into(), approver: None })).unwrap();
    event.envelope.kind = 999;
    let event = Event::seal(event.envelope).unwrap();
    let read = Event::read(&event.bytes).unwrap();
    assert_eq!(read.kind(), None);
    assert!(matches!(read.body(), Ok(Body::Unknown(u)) if u.kind == 999 && u.bytes == event.envelope.body));
}

#[test]
fn kinds_have_numbers_and_names_of_their_own() {
    for kind in Kind::ALL {
        assert_eq!(Kind::from_number(kind.number()), Some(*kind));
        assert_eq!(Kind::ALL.iter().filter(|k| k.name() == kind.name()).count(), 1);
    }
}

/// The engine may change; what was decided is stored (`facts.md` §1). A fold over old bytes beside a second engine
/// with a planted rounding change gives the same figures, though the engine itself would give others.
#[test]
fn a_second_engine_version_changes_no_stored_figure() {
    let events = sales(200);
    let total = |event: &Event| match event.body().unwrap() {
        Body::SaleCommitted(sale) => (sale.document.outcome.settlement.total, sale.document.outcome.tax),
        other => panic!("{other:?}"),
    };
    let stored: Vec<_> = events.iter().map(total).collect();
    let folded: Vec<_> = events.iter().map(|event| total(&Event::read(&event.bytes).unwrap())).collect();
    assert_eq!(stored, folded);
    let planted = events.iter().map(|event| match event.body().unwrap() {
        Body::SaleCommitted(sale) => {
            let outcome = calc::ring_up_with(Engine::PlantedForTests, &sale.document.inputs).unwrap();
            (outcome.settlement.total, outcome.tax)
        }
        other => panic!("{other:?}"),
    });
    assert_ne!(stored, planted.collect::<Vec<_>>(), "the planted engine must differ, or this proves nothing");
}

#[test]
fn no_body_can_hold_more_of_a_customer_than_an_id() {
    let mut head = Head::empty(NODE);
    let mut body = sale(&head, 1_000, 1, None, document(inputs(vec![line(0, 1)], vec![cash(1_000)])));
    body.customer = Some(Id([0xcc; 16]));
    let event = head.append(stamp(1_000), &Body::from(body)).unwrap();
    let Ok(Body::SaleCommitted(read)) = event.body() else { panic!() };
    assert_eq!(read.customer, Some(Id([0xcc; 16])));
}
