//! Who alone may finish what: carts, reservations, deliveries, transfers (G19 to G21, G25, G40, G45).

use crate::world::*;
use tradepost_commerce::basket::BasketLine;
use tradepost_commerce::document::{CatalogVersion, LineInput, LineKind, PriceSource, Tax};
use tradepost_commerce::money::Money;
use tradepost_commerce::quantity::{Quantity, Unit};
use tradepost_commerce::time::UtcMs;
use tradepost_sync::body::*;
use tradepost_sync::cart::{Cart, CartFlag, CartLine, CartRefusal, Opening};
use tradepost_sync::clock::Hlc;
use tradepost_sync::custody::{CustodyRefusal, End};
use tradepost_sync::effects::MovementKind;
use tradepost_sync::ids::Id;
use tradepost_sync::replica::{Flag, Refused};
use tradepost_sync::transit::Transit;

/// Click & collect: store hands over 17:59 offline; hub asks expiry 18:00.
#[test]
fn g19_a_reservation_has_one_end() {
    let mut w = World::new(&["T1"]);
    w.receive("T1", 2);
    w.give("T1", H, 1).unwrap();
    w.level("T1", H);
    let order = w.reserve("T1", 1).unwrap();
    w.level("T1", H);
    w.at(17, 59);
    let fulfilled = w.r("T1").end(order, End::Fulfilled, w.now("T1")).unwrap();
    w.write("T1", &fulfilled);
    w.at(18, 0);
    // The hub isn't the custodian: it can ask, the custodian decides.
    let refusal = CustodyRefusal::NotOwner { owner: inc("T1") };
    assert_eq!(w.r(H).end(order, End::Expired, w.now(H)), Err(Refused::Custody(refusal)));
    let ended = Refused::Custody(CustodyRefusal::Ended);
    assert_eq!(w.r("T1").end(order, End::Expired, w.now("T1")), Err(ended));
    w.level("T1", H);
    let picture = w.picture(H);
    assert_eq!((picture.on_hand, picture.reserved, picture.available, w.own(H)), (1, 0, 1, 0));
    assert_eq!(picture.d(), 0);
}

const SALE: Id = Id([5; 16]);

fn by(name: &str) -> Opening {
    Opening { till: name.to_owned(), at: 0, by: inc(name) }
}

fn opened() -> Cart {
    Cart::open(Id([1; 16]), by("T1"))
}

fn mugs(quantity: i64) -> BasketLine {
    let input = LineInput {
        sku: sku(),
        name: "Mug".to_owned(),
        unit: Unit::piece(),
        quantity: Quantity(quantity),
        unit_price: Money(795),
        price_source: PriceSource::List {
            list: String::new(),
            version: CatalogVersion { epoch: 1, version: 1 },
        },
        label_amount: None,
        tax: Tax { category: "standard".to_owned(), ppm: 230_000 },
        discounts: Vec::new(),
        serials: Vec::new(),
        age_check: None,
        kind: LineKind::Goods,
    };
    BasketLine { input, scanned_at: UtcMs(0), min_age: None, serialised: false }
}

fn line(till: &str, root: u8, at: u64) -> CartLine {
    let name = format!("L{root}");
    CartLine { root: Id([root; 16]), name, scanned: Hlc(at), line: mugs(1_000), by: inc(till), at: Hlc(at) }
}

/// Cart owned by T1; LAN split; T2 checks out; T2 clones, both pay.
#[test]
fn g20_a_cart_is_cloned_never_stolen() {
    let mut cart = opened();
    cart.scan(inc("T1"), line("T1", 1, 1)).unwrap();
    let mut at_t2 = cart.clone();
    let not_owner = CartRefusal::Custody(CustodyRefusal::NotOwner { owner: inc("T1") });
    assert_eq!(at_t2.check_out(&inc("T2"), SALE), Err(not_owner));
    let mut clone = at_t2.clone_for(Id([2; 16]), by("T2"));
    assert_eq!(clone.check_out(&inc("T2"), SALE).unwrap().len(), 1);
    assert_eq!(cart.check_out(&inc("T1"), SALE).unwrap().len(), 1);
    assert_eq!(cart.flag(&clone), Some(CartFlag::ClonedBothPaid));
    assert_eq!(at_t2.flag(&clone), None, "only one of the two is paid as far as is known there");
}

/// LAN split; T2 scans into the cart while T1 takes the payment; heal.
#[test]
fn g45_a_paid_cart_has_no_unpaid_line() {
    let mut at_t1 = opened();
    at_t1.scan(inc("T1"), line("T1", 1, 1)).unwrap();
    let mut at_t2 = at_t1.clone();
    at_t1.seal(&inc("T1")).unwrap();
    assert_eq!(at_t1.scan(inc("T1"), line("T1", 3, 3)), Err(CartRefusal::Sealed));
    at_t2.scan(inc("T2"), line("T2", 2, 2)).unwrap();
    let paid = at_t1.check_out(&inc("T1"), SALE).unwrap();
    at_t1.merge(&at_t2);
    at_t2.merge(&at_t1);
    assert!(at_t1.split(Id([8; 16]), by("T1"), &[]).is_none(), "it is not T1's scan");
    let left = at_t2.split(Id([9; 16]), by("T2"), &[]).expect("the scan is in a cart of its own");
    assert_eq!(left.lines().into_keys().collect::<Vec<_>>(), [Id([2; 16])]);
    assert_eq!(left.left_over_of, Some(Id([1; 16])));
    assert!(at_t2.is_paid() && at_t2.split(Id([7; 16]), by("T2"), &[]).is_none(), "once");
    at_t1.merge(&at_t2);
    for at in [&at_t1, &at_t2] {
        assert_eq!(at.in_order(), paid, "the paid cart is unchanged");
    }
}

#[test]
fn carts_merge_whatever_the_order_and_an_add_wins() {
    let mut a = opened();
    a.scan(inc("T1"), line("T1", 1, 1)).unwrap();
    let mut b = a.clone();
    a.void(&Id([1; 16])).unwrap();
    b.change((inc("T2"), inc("T2")), &Id([1; 16]), mugs(3_000), Hlc(5)).unwrap();
    b.scan(inc("T2"), line("T2", 2, 6)).unwrap();
    let (mut ab, mut ba) = (a.clone(), b.clone());
    ab.merge(&b);
    ba.merge(&a);
    assert_eq!(ab.lines(), ba.lines());
    assert_eq!(
        ab.lines()[&Id([1; 16])].line.input.quantity,
        Quantity(3_000),
        "changed beside the void: it stays"
    );
    let mut c = ab.clone();
    ab.change((inc("T1"), inc("T1")), &Id([2; 16]), mugs(2_000), Hlc(7)).unwrap();
    c.change((inc("T2"), inc("T2")), &Id([2; 16]), mugs(4_000), Hlc(8)).unwrap();
    ab.merge(&c);
    assert_eq!(ab.changed_on_both(), [Id([2; 16])]);
    assert_eq!(ab.lines()[&Id([2; 16])].line.input.quantity, Quantity(4_000), "the highest clock wins");
}

/// Cart states are in no log: a till whose file was put back has forgotten its last scans, though no event is missing.
/// Counted on under the same actor, its next scan would stand where the forgotten one stood, and the merge would drop it.
#[test]
fn a_till_that_forgot_its_scans_makes_new_ones() {
    let old = opened();
    let mut at_t1 = old.clone();
    at_t1.scan(inc("run 1"), line("T1", 1, 1)).unwrap();
    let mut at_t2 = at_t1.clone();
    let mut put_back = old;
    put_back.scan(inc("run 2"), line("T1", 2, 2)).unwrap();
    put_back.merge(&at_t2);
    at_t2.merge(&put_back);
    let both = [Id([1; 16]), Id([2; 16])];
    assert_eq!(put_back.lines().into_keys().collect::<Vec<_>>(), both);
    assert_eq!(at_t2.lines(), put_back.lines());
}

/// What came too late is moved by whoever scanned it, also where that till is another incarnation since.
#[test]
fn lines_that_came_too_late_are_moved_by_who_scanned_them_before_it_forgot() {
    let mut at_t1 = opened();
    let mut at_t2 = at_t1.clone();
    at_t2.scan(inc("T2"), line("T2", 2, 2)).unwrap();
    at_t1.scan(inc("T1"), line("T1", 1, 1)).unwrap();
    at_t1.check_out(&inc("T1"), SALE).unwrap();
    at_t2.merge(&at_t1);
    assert!(at_t2.clone().split(Id([9; 16]), by("T2 again"), &[]).is_none(), "nobody's");
    let left = at_t2.split(Id([9; 16]), by("T2 again"), &[inc("T2")]).expect("it was scanned there");
    assert_eq!(left.lines().into_keys().collect::<Vec<_>>(), [Id([2; 16])]);
}

/// A till gives a cart up, forgets that, and sells it: a sale is a fact, and every node comes to it in any order.
#[test]
fn a_sold_cart_is_sold_whatever_else_was_said_of_it() {
    let before = {
        let mut cart = opened();
        cart.scan(inc("T1"), line("T1", 1, 1)).unwrap();
        cart
    };
    let (mut given_up, mut sold, mut heard) = (before.clone(), before.clone(), before);
    given_up.give_up(&inc("T1")).unwrap();
    sold.check_out(&inc("T1"), SALE).unwrap();
    heard.give_up(&inc("T1")).unwrap();
    heard.heard_paid(SALE);
    assert!(heard.is_paid());
    let (mut one, mut other) = (given_up.clone(), sold.clone());
    one.merge(&sold);
    other.merge(&given_up);
    heard.merge(&sold);
    for cart in [one, other, heard] {
        assert!(cart.is_paid());
        assert_eq!(cart.in_order(), sold.in_order());
    }
}

/// Two nodes receive one delivery of 5 offline.
#[test]
fn g21_only_the_custodian_receives_a_delivery() {
    let mut w = World::new(&["T1", "T2"]);
    let delivery = w.id();
    let line = ExpectedLine { sku: sku(), units: 5, cost: None };
    let expected =
        DeliveryExpected { delivery, reference: String::new(), custodian: inc("T1"), lines: vec![line] };
    w.write(H, &expected.into());
    w.level_all(&["T1", "T2", H]);
    assert_eq!(w.r(H).state().open_delivery(&sku()), Some(delivery));
    let body = w.r("T1").receive(delivery, &sku(), 5, w.now("T1")).unwrap();
    w.write("T1", &body);
    let refusal = Refused::Custody(CustodyRefusal::NotOwner { owner: inc("T1") });
    assert_eq!(w.r("T2").receive(delivery, &sku(), 5, w.now("T2")), Err(refusal));
    w.level_all(&["T1", "T2", H]);
    let picture = w.picture(H);
    assert_eq!((picture.available, picture.on_hand, picture.d()), (5, 5, 0));
    assert_eq!(w.r(H).state().open_delivery(&sku()), None);
}

/// A(9) ships 6, B receives 5.
#[test]
fn g25_what_is_missing_stays_in_transit_until_it_is_confirmed() {
    let (mut a, mut b) = (World::new(&["A"]), World::new(&["B"]));
    a.receive("A", 9);
    let transfer = Id([4; 16]);
    let line = |units, moved| TransferLine { sku: sku(), units, moved };
    let lines = vec![line(6, Moved { c: 6, ..Moved::default() })];
    a.write("A", &TransferShipped { transfer, to_store: "B".into(), lines, approver: None }.into());
    let lines = vec![ExpectedLine { sku: sku(), units: 6, cost: None }];
    let expected = TransferExpected { transfer, from_store: "A".into(), custodian: inc("B"), lines };
    b.write(H, &expected.into());
    b.level("B", H);
    let receipt = |confirmed, units| TransferReceived {
        transfer,
        from_store: "A".into(),
        lines: vec![line(units, Moved { m: units, ..Moved::default() })],
        custody: CustodyMark { epoch: 0, n: if confirmed { 2 } else { 1 } },
        confirmed,
        approver: None,
    };
    b.write("B", &receipt(false, 5).into());
    assert_eq!((a.own("A"), b.own("B")), (3, 5));
    let moved = |w: &World, name: &str, kind| -> u64 {
        let item = &w.r(name).state().items[&sku()];
        item.movements.values().filter(|m| m.kind == kind).map(|m| m.units.unsigned_abs()).sum()
    };
    let shipped = moved(&a, "A", MovementKind::TransferOut);
    let transit = |w: &World, confirmed| Transit {
        shipped,
        received: moved(w, "B", MovementKind::TransferIn),
        confirmed,
    };
    assert_eq!((transit(&b, false).in_transit(), transit(&b, false).discrepancy()), (1, -1));
    b.write("B", &TransferReceived { lines: Vec::new(), ..receipt(true, 0) }.into());
    assert!(b.r("B").state().custody[&CustodyObject::Transfer(transfer)].terminal);
    assert_eq!(transit(&b, true).in_transit(), 0, "written off");
    assert_eq!((a.picture("A").d(), b.picture("B").d()), (0, 0));
}

/// Reservation at an offline store; takeover at 73 h, expiry at 74 h without `M`; handed over at 80 h.
#[test]
fn g40_a_locked_store_hands_a_reservation_over_behind_a_takeover() {
    let mut w = World::new(&["T1"]);
    w.receive("T1", 10);
    w.give("T1", H, 1).unwrap();
    w.level("T1", H);
    let order = w.reserve("T1", 1).unwrap();
    w.level("T1", H);
    let object = CustodyObject::Reservation(order);
    w.pass(71 * HOUR);
    let early = w.r(H).take_over(
        object.clone(),
        inc(H),
        w.waits.check(inc("T1"), w.tau()).map(Some).map(Option::flatten),
    );
    assert!(matches!(early, Err(Refused::Custody(CustodyRefusal::Wait(_)))), "{early:?}");
    w.pass(2 * HOUR);
    let taken = w.r(H).take_over(object, inc(H), w.waits.check(inc("T1"), w.tau())).unwrap();
    w.write(H, &taken);
    w.pass(HOUR);
    let expired = w.r(H).end(order, End::Expired, w.now(H)).unwrap();
    w.write(H, &expired);
    let picture = w.picture(H);
    assert_eq!((picture.available, picture.surplus(), picture.reserved), (9, 1, 0));
    w.pass(6 * HOUR);
    let locked = w.r("T1").end(order, End::Fulfilled, w.now("T1"));
    assert_eq!(locked, Err(Refused::Custody(CustodyRefusal::Locked)));
    let sale = w.r("T1").hand_over(order, w.now("T1")).unwrap();
    w.write("T1", &sale);
    w.renew("T1");
    w.level("T1", H);
    let picture = w.picture(H);
    assert_eq!((picture.on_hand, picture.available, picture.overdraw), (9, 9, 1));
    assert_eq!((picture.surplus(), picture.reserved), (1, 0));
    assert!(w.r(H).state().flags.contains(&Flag::HandedOver(order)));
    w.settle("T1").unwrap();
    w.level("T1", H);
    assert_eq!((w.picture(H).available, w.picture(H).overdraw), (8, 0));
    w.pass(MIN);
    w.count("T1", 9);
    w.pass(MIN);
    assert_eq!(w.barrier(&["T1"]).unwrap().mint, Ok(1));
    assert_eq!((w.picture(H).available, w.picture(H).d()), (9, 0));
    w.sound();
}

/// The same without a takeover: on unlock the custodian closes what it handed over, then settles.
#[test]
fn a_locked_hand_over_is_closed_by_its_custodian() {
    let mut w = World::new(&["T1"]);
    w.receive("T1", 10);
    w.give("T1", H, 1).unwrap();
    w.level("T1", H);
    let order = w.reserve("T1", 1).unwrap();
    w.level("T1", H);
    w.pass(73 * HOUR);
    let sale = w.r("T1").hand_over(order, w.now("T1")).unwrap();
    w.write("T1", &sale);
    assert_eq!(w.picture("T1").d(), 0);
    w.renew("T1");
    for how in [End::Expired, End::Cancelled, End::Fulfilled] {
        let refused = Err(Refused::Custody(CustodyRefusal::HandedOver));
        assert_eq!(w.r("T1").end(order, how, w.now("T1")), refused);
    }
    let closed = w.r("T1").end(order, End::Closed, w.now("T1")).unwrap();
    w.write("T1", &closed);
    w.settle("T1").unwrap();
    let picture = w.picture("T1");
    assert_eq!((picture.on_hand, picture.available, picture.reserved), (9, 9, 0));
    assert_eq!((picture.overdraw, picture.d()), (0, 0));
}
