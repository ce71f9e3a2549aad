//! The wire form loses nothing, and what it can't rebuild it names.

use crate::fixtures::*;
use proptest::prelude::*;
use tradepost_commerce::document::*;
use tradepost_commerce::money::Money;
use tradepost_sync::body::{Body, DrawerOpened};
use tradepost_sync::clock::Tau;
use tradepost_sync::event::{Event, Head};
use tradepost_sync::ids::{Hash, Id};
use tradepost_sync::wire::{NoShelf, Shelf, Stretch, UnpackError, pack, unpack};

fn stretch(events: &[Event]) -> Stretch {
    let (first, last) = (&events[0].envelope, events.last().unwrap());
    Stretch {
        incarnation: first.incarnation,
        from: first.seq,
        count: u32::try_from(events.len()).unwrap(),
        prev: first.prev_hash,
        end: last.hash,
    }
}

fn round_trip(events: &[Event], shelf: &dyn Shelf) -> usize {
    let payload = pack(events, CATALOG, shelf);
    assert_eq!(unpack(&payload, stretch(events), CATALOG, shelf).as_deref(), Ok(events));
    payload.len()
}

#[test]
fn ordinary_sales_come_back_to_the_byte_and_cost_little() {
    let events = sales(200);
    let canonical: usize = events.iter().map(|event| event.bytes.len()).sum();
    let packed = round_trip(&events, &Shop);
    assert!(packed * 10 < canonical, "{packed} of {canonical} bytes");
    assert!(round_trip(&events, &NoShelf) < canonical);
    for from in [1, 50, 199] {
        round_trip(&events[from..], &Shop);
    }
}

/// Everything a sale may hold, at once.
fn rich(head: &Head, wall: i64) -> Body {
    let discount = |kind| Discount {
        kind,
        reason: "damaged".into(),
        approver: Some(StaffId("m1".into())),
        coupon: None,
        pool: None,
    };
    let mut first = line(0, 2);
    first.discounts =
        vec![discount(DiscountKind::Percent(100_000)), discount(DiscountKind::Fixed(Money(50)))];
    first.serials = vec!["S-1".into(), "S-2".into()];
    first.age_check = Some(AgeCheck { min_age: 18, method: "id".into() });
    let mut second = line(1, 1);
    second.sku = Sku("not in the catalog".into());
    second.name = "Đường cát trắng".into();
    second.price_source = PriceSource::Manual { approver: None, reason: "damaged".into() };
    second.label_amount = Some(Money(1_234));
    second.kind = LineKind::Liability { pool: "G-1".into() };
    let mut third = line(2, 3);
    third.quantity.0 = 3_000;
    third.unit_price = Money(999);
    let mut inputs = inputs(vec![first, second, third], Vec::new());
    inputs.promotions = vec![AppliedPromotion {
        id: "P".into(),
        name: "3 for 2".into(),
        priority: 1,
        rule: PromotionRule::NForM { take: 3, pay: 2 },
        lines: vec![2],
    }];
    inputs.order_discounts =
        vec![Discount { coupon: Some("C5".into()), ..discount(DiscountKind::Fixed(Money(500))) }];
    let card =
        Tender { kind: TenderKind::Card, reference: Some("T-77".into()), key: Some([9; 16]), ..cash(1_000) };
    inputs.tenders = vec![card, cash(20_000)];
    let mut sale = sale(head, wall, 900, Some(Id([0x42; 16])), document(inputs));
    sale.cart = Some(Id([1; 16]));
    sale.customer = Some(Id([2; 16]));
    sale.moved[1] = tradepost_sync::body::Moved { m: 0, c: 0, o: 1 };
    Body::from(sale)
}

#[test]
fn everything_a_sale_may_hold_comes_back_to_the_byte() {
    let mut head = Head::empty(NODE);
    let mut events = Vec::new();
    for wall in [5_000, 4_000, 900_000, 900_001] {
        let mut stamp = stamp(wall);
        stamp.tau = (wall > 4_500).then_some(Tau::told(3, wall + 17));
        stamp.trading = wall - 600;
        stamp.staff = Some(StaffId("lan".into()));
        stamp.shift = Some(4);
        events.push(head.append(stamp.clone(), &rich(&head, wall)).unwrap());
        events.push(
            head.append(stamp, &Body::from(DrawerOpened { reason: "change".into(), approver: None }))
                .unwrap(),
        );
    }
    round_trip(&events, &Shop);
    round_trip(&events, &NoShelf);
}

/// A document whose outcome is another engine's: it isn't foreseen, so it travels whole.
#[test]
fn an_outcome_the_engine_does_not_foresee_travels_whole() {
    let mut head = Head::empty(NODE);
    let mut body = sale(&head, 1, 1, None, document(inputs(vec![line(0, 1)], vec![cash(1_000)])));
    body.document.outcome.tax = Money(1);
    let events = [head.append(stamp(1), &Body::from(body)).unwrap()];
    round_trip(&events, &Shop);
}

struct OtherPrices;

impl Shelf for OtherPrices {
    fn facts(&self, sku: &Sku, at: CatalogVersion, trading: i64) -> Option<tradepost_sync::wire::ShelfFacts> {
        Shop.facts(sku, at, trading).map(|f| tradepost_sync::wire::ShelfFacts { price: Some(Money(1)), ..f })
    }
    fn number(&self, sku: &Sku) -> Option<u32> {
        Shop.number(sku)
    }
    fn sku(&self, number: u32) -> Option<Sku> {
        Shop.sku(number)
    }
}

#[test]
fn a_receiver_that_predicts_otherwise_sees_it_by_the_hash_and_never_takes_a_wrong_figure() {
    let events = sales(20);
    let payload = pack(&events, CATALOG, &Shop);
    let result = unpack(&payload, stretch(&events), CATALOG, &OtherPrices);
    assert!(matches!(result, Err(UnpackError::OtherHash | UnpackError::Unpredictable(_))), "{result:?}");
    assert!(matches!(
        unpack(&payload, stretch(&events), CATALOG, &NoShelf),
        Err(UnpackError::Unpredictable(_))
    ));
    let other_past = Stretch { prev: Hash([1; 32]), ..stretch(&events) };
    assert_eq!(unpack(&payload, other_past, CATALOG, &Shop), Err(UnpackError::OtherHash));
}

/// Each column with its length before it, as a hostile sender would write it.
fn by_hand(columns: [&[u8]; 8]) -> Vec<u8> {
    let mut payload = vec![1];
    for column in columns {
        let mut length = column.len();
        while length >= 0x80 {
            payload.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        payload.push(u8::try_from(length).unwrap());
        payload.extend_from_slice(column);
    }
    payload
}

/// Bytes that travel whole stand where the stretch says, or nowhere: a chain alone would not show it.
#[test]
fn bytes_of_another_place_are_refused() {
    let mut head = Head::empty(NODE);
    let strayed = Head { seq: 40, ..Head::empty(NODE) };
    let stranger = Head::empty(tradepost_sync::ids::Incarnation([0x22; 16]));
    let other_past = Head { hash: Hash([3; 32]), ..Head::empty(NODE) };
    let drawer = Body::from(DrawerOpened { reason: "change".into(), approver: None });
    let right = head.append(stamp(1), &drawer).unwrap();
    for (mut from, fits) in
        [(Head::empty(NODE), true), (strayed, false), (stranger, false), (other_past, false)]
    {
        let event = from.append(stamp(1), &drawer).unwrap();
        let mut literals = vec![u8::try_from(event.bytes.len()).unwrap()];
        literals.extend_from_slice(&event.bytes);
        let payload = by_hand([&[0], &[], &[], &[], &[], &[], &[], &literals]);
        let wanted = Stretch { end: event.hash, ..stretch(std::slice::from_ref(&right)) };
        assert_eq!(unpack(&payload, wanted, CATALOG, &NoShelf).is_ok(), fits, "{:?}", event.envelope);
    }
}

/// A few bytes can't become a mountain: neither lines nor events without end.
#[test]
fn a_small_payload_that_would_grow_without_end_is_refused() {
    let wanted = Stretch { incarnation: NODE, from: 1, count: u32::MAX, prev: Hash::ZERO, end: Hash::ZERO };
    let many = 4 << 20;
    // Drawers without a word: envelope flags all foreseen, wall unchanged, kind 3, version 1, no body.
    let shape: Vec<u8> = [1, 3, 1].repeat(many / 3);
    let payload = by_hand([&shape, &vec![0x7f; many], &vec![0; many], &[], &[], &[], &[], &vec![0; many]]);
    assert_eq!(unpack(&payload, wanted, CATALOG, &Shop), Err(UnpackError::Malformed("too long")));
    // Sales of 65,535 lines of the first item.
    let shape: Vec<u8> = [2, 0xff, 0xff, 3].repeat(10);
    let flags = vec![0x7f; many];
    let payload = by_hand([&shape, &flags, &vec![0; many], &[], &vec![1; many], &vec![2; many], &[], &[]]);
    assert!(unpack(&payload, wanted, CATALOG, &Shop).is_err());
}

/// The number after the last possible one is foreseen by nobody, and breaks nothing.
#[test]
fn a_receipt_number_at_the_end_of_its_range_is_carried() {
    let mut head = Head::empty(NODE);
    let mut events = Vec::new();
    for n in [u64::MAX, 0, 1] {
        let body = sale(&head, 1, n, None, document(inputs(vec![line(0, 1)], vec![cash(1_000)])));
        events.push(head.append(stamp(1), &Body::from(body)).unwrap());
    }
    round_trip(&events, &Shop);
}

/// Clocks, ids and amounts at the ends of their ranges.
#[test]
fn the_ends_of_every_range_come_back_to_the_byte() {
    let mut head = Head::empty(NODE);
    let mut events = Vec::new();
    for (wall, age) in [(i64::MAX, 0), (i64::MIN, 9), (0, 9), (-1, u16::MAX), (i64::MAX, 1)] {
        let mut stamp = stamp(wall);
        stamp.tau = Some(Tau { epoch: u32::MAX, ms: wall.wrapping_neg(), age });
        stamp.trading = wall.wrapping_sub(5);
        let mut inputs = inputs(vec![line(0, 1)], vec![cash(1_000)]);
        inputs.catalog = CatalogVersion { epoch: u32::MAX, version: u64::MAX };
        let body = sale(&head, wall, 1, Some(Id([0xff; 16])), document(inputs));
        events.push(head.append(stamp, &Body::from(body)).unwrap());
    }
    round_trip(&events, &Shop);
    round_trip(&events, &NoShelf);
}

proptest! {
    #[test]
    fn whatever_bytes_come_nothing_panics(payload in prop::collection::vec(any::<u8>(), 0..400), form in any::<bool>()) {
        let events = sales(3);
        let mut payload = payload;
        if form && !payload.is_empty() {
            payload[0] = 1;
        }
        prop_assert!(unpack(&payload, stretch(&events), CATALOG, &Shop).is_err());
        let _ = tradepost_sync::wire::unpack_raw(&payload);
        let _ = Event::read(&payload);
    }

    #[test]
    fn cut_or_spoilt_payloads_are_refused_and_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let events = sales(12);
        let mut payload = pack(&events, CATALOG, &Shop);
        let at = at.index(payload.len());
        let spoilt = cut || payload[at] != byte;
        if cut { payload.truncate(at) } else { payload[at] = byte }
        let result = unpack(&payload, stretch(&events), CATALOG, &Shop);
        // A changed byte may happen to say the same thing in another way; it never says another thing.
        if let Ok(rebuilt) = &result {
            prop_assert_eq!(rebuilt, &events);
        }
        prop_assert!(result.is_err() || !spoilt || !cut);
    }
}
