//! The saga itself: broken off at every step, answers lost, money late, two for one cart, a crowd.

use super::shop::*;
use std::sync::atomic::{AtomicU64, Ordering};
use tradepost_central::app::checkout::{self, Progress, Shown};
use tradepost_central::app::payments::{self, Notice};
use tradepost_central::app::web_fan_out;
use tradepost_central::db::outbox::{self, Source};
use tradepost_central::payment::{Kind, Outcome};
use tradepost_commerce::document::Sku;
use tradepost_sync::body::{CustodyMark, Moved, ReservationCancelled, ReservationFulfilled};
use tradepost_sync::session::Applied;
use tradepost_tests::seed::full;

const LONGEST: u32 = 14;

#[test]
fn an_order_goes_its_way_and_says_so() {
    for engine in engines("an_order_goes_its_way") {
        let mut shop = Shop::open(engine, 5);
        let owner = fresh();
        let basket = cart(shop.hub(), owner, 2).expect("a cart");
        assert_eq!((basket.total, basket.store.as_str()), (2 * PRICE, STORE));
        let order = wanted(&basket, "approve");
        let done = checkout::check_out_cart(shop.hub(), owner, &order, now(shop.hub())).expect("an order");
        let way = [
            "created",
            "held",
            "authorizing",
            "authorized",
            "capturing",
            "captured",
            "placed",
            "handed_over",
        ];
        assert_eq!(names(&done), way);
        assert_eq!((done.holds.len(), done.holds[0].prepaid), (1, Some(2 * PRICE)));
        let again = checkout::check_out_cart(shop.hub(), owner, &order, now(shop.hub())).expect("the same");
        assert_eq!((again.order.no, names(&again)), (done.order.no, names(&done)));
        shop.check();
        assert_eq!(
            said(&shop, &done),
            ["held-0 stock.reserved", "captured-0 payment.processed", "placed-0 order.created"]
        );

        // The store hands it out: the order ends with its payment.
        let hold = &done.holds[0];
        let fulfilled = ReservationFulfilled {
            reservation: hold.id,
            sku: Sku(SKU.to_owned()),
            units: hold.units,
            custody: CustodyMark { epoch: 0, n: 2 },
        };
        shop.store.writer.write(&fulfilled.into());
        assert!(matches!(shop.store.give(shop.hub(), &shop.store.writer.raw(3, 3)), Applied::Done(_)));
        shop.settle();
        let ended = checkout::get(shop.hub(), order.id).expect("it is there");
        assert_eq!(ended.order.state, "fulfilled");
        shop.check();
        let late = checkout::cancel(shop.hub(), order.id, "too late", now(shop.hub()));
        assert_eq!(code(&late.expect_err("it was handed out")), "ORDER_ENDED");
    }
}

#[test]
fn what_the_store_does_not_hand_out_is_paid_back() {
    for engine in engines("what_the_store_does_not_hand_out") {
        let mut shop = Shop::open(engine, 5);
        let owner = fresh();
        let basket = cart(shop.hub(), owner, 3).expect("a cart");
        let order = wanted(&basket, "lost");
        checkout::begin(shop.hub(), owner, &order, now(shop.hub())).expect("an order");
        shop.settle();
        let asked =
            checkout::cancel(shop.hub(), order.id, "changed my mind", now(shop.hub())).expect("asked");
        assert_eq!(asked.order.state, "handed_over", "only its custodian ends it");
        let hold = &asked.holds[0];
        let cancelled = ReservationCancelled {
            reservation: hold.id,
            sku: Sku(SKU.to_owned()),
            units: hold.units,
            moved: Moved { m: hold.units, c: 0, o: 0 },
            custody: CustodyMark { epoch: 0, n: 2 },
        };
        shop.store.writer.write(&cancelled.into());
        assert!(matches!(shop.store.give(shop.hub(), &shop.store.writer.raw(3, 3)), Applied::Done(_)));
        shop.settle();
        let ended = checkout::get(shop.hub(), order.id).expect("it is there");
        assert_eq!((ended.order.state.as_str(), ended.order.refund), ("refunded", 3 * PRICE));
        let kept: i64 = shop.ledger().payments().map(|(_, money)| money.kept()).sum();
        assert_eq!(kept, 0);
        let last = said(&shop, &ended).split_off(3);
        assert_eq!(last, ["refunded-0 payment.processed", "refunded-1 order.cancelled"]);
    }
}

/// What the outbox says of an order: the end of each id, and the name.
fn said(shop: &Shop, shown: &Shown) -> Vec<String> {
    let id = shown.order.id.to_string();
    let records = shop.hub().db.read(|tx| {
        let stream = outbox::stream_of(STORE);
        let mut records = Vec::new();
        for row in outbox::after(tx, stream, 0, 1_000)? {
            if let Source::Web { order, step } = row.source {
                records.extend(web_fan_out::records(tx, order, step)?);
            }
        }
        Ok::<_, tradepost_central::app::Fault>(records)
    });
    let mine = records.expect("the hub works").into_iter().filter(|record| record.id.starts_with(&id));
    let short = |text: &str| text.trim_start_matches("dev.tradepost.").trim_end_matches(".v1").to_owned();
    mine.map(|record| format!("{} {}", &record.id[id.len() + 1..], short(&record.ty))).collect()
}

/// Broken off after every number of steps, in every manner of the provider, plain twice, in full twenty times: nobody
/// pays without an order, no order is two, and no right is lost.
#[test]
fn a_checkout_that_is_broken_off_at_any_step_comes_to_its_end() {
    let rounds = if full() { 20 } else { 2 };
    for engine in engines("a_checkout_that_is_broken_off") {
        for method in ["approve", "decline", "decline-capture", "lost", "forgotten"] {
            let mut shop = Shop::open(engine, 2 * u64::from(LONGEST) * rounds);
            let owner = fresh();
            let mut broken = 0u32;
            for _ in 0..rounds {
                for steps in 0..LONGEST {
                    let basket = cart(shop.hub(), owner, 1).expect("a cart");
                    let order = wanted(&basket, method);
                    checkout::begin(shop.hub(), owner, &order, now(shop.hub())).expect("an order");
                    for _ in 0..steps {
                        if checkout::advance(shop.hub(), order.id).expect("a step") == Progress::Ended {
                            break;
                        }
                    }
                    shop.crash();
                    broken += 1;
                    // The shopper, who got no answer, asks again meanwhile.
                    checkout::begin(shop.hub(), owner, &order, now(shop.hub())).expect("the same order");
                    shop.settle();
                }
            }
            shop.check();
            let all = checkout::list(shop.hub(), &checkout::Which::All, 0, 10_000).expect("the hub works");
            assert_eq!(u32::try_from(all.len()), Ok(broken), "{engine} {method}: one order a checkout");
            let ends = ["decline", "decline-capture"].contains(&method);
            let expected = if ends { "failed" } else { "handed_over" };
            for shown in &all {
                assert_eq!(shown.order.state, expected, "{engine} {method}: {:?}", names(shown));
            }
        }
    }
}

/// Cancelled after every number of steps, and broken off right then.
#[test]
fn a_cancelled_checkout_leaves_nobody_paying() {
    for engine in engines("a_cancelled_checkout") {
        for method in ["approve", "lost", "forgotten"] {
            let mut shop = Shop::open(engine, 40);
            let owner = fresh();
            for steps in 0..7 {
                let basket = cart(shop.hub(), owner, 1).expect("a cart");
                let order = wanted(&basket, method);
                checkout::begin(shop.hub(), owner, &order, now(shop.hub())).expect("an order");
                for _ in 0..steps {
                    checkout::advance(shop.hub(), order.id).expect("a step");
                }
                checkout::cancel(shop.hub(), order.id, "changed my mind", now(shop.hub())).expect("asked");
                shop.crash();
                shop.settle();
                let state = checkout::get(shop.hub(), order.id).expect("it is there").order.state;
                assert!(
                    ["failed", "refunded"].contains(&state.as_str()),
                    "{engine} {method} {steps}: {state}"
                );
            }
            shop.check();
            assert_eq!(shop.promised(), 0, "{engine} {method}: every good is free again");
        }
    }
}

#[test]
fn sixty_four_shoppers_race_for_a_hundred_pieces() {
    for engine in engines("sixty_four_shoppers") {
        let shop = Shop::open(engine, 100);
        let sold = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for n in 0..64 {
                let (shop, sold) = (&shop, &sold);
                scope.spawn(move || {
                    let owner = fresh();
                    let hub = shop.hub();
                    loop {
                        let basket = match cart(hub, owner, 1) {
                            Ok(basket) => basket,
                            Err(fault) if code(&fault) == "RIGHTS_SHORT" => return,
                            Err(fault) if code(&fault) == "UNAVAILABLE" => continue,
                            Err(fault) => panic!("shopper {n}: {fault}"),
                        };
                        let order = wanted(&basket, "approve");
                        let done = loop {
                            // A busy database answers so; the same again is the same order.
                            match checkout::check_out_cart(hub, owner, &order, now(hub)) {
                                Ok(done) => break done,
                                Err(fault) => assert_eq!(code(&fault), "UNAVAILABLE", "shopper {n}: {fault}"),
                            }
                        };
                        if done.order.placed {
                            sold.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        shop.settle();
        shop.check();
        let all = checkout::list(shop.hub(), &checkout::Which::All, 0, 10_000).expect("the hub works");
        let placed = all.iter().filter(|shown| shown.order.placed).count();
        assert_eq!((placed, shop.promised()), (100, 100), "{engine}: exactly 100 are sold");
        assert!(sold.load(Ordering::SeqCst) <= 100);
        let short = all.iter().filter(|shown| !shown.order.placed);
        for shown in short {
            let asked = names(shown).contains(&"authorizing");
            assert!(!asked, "nobody was asked for money who gets nothing: {:?}", names(shown));
        }
    }
}

#[test]
fn a_cart_becomes_one_order_and_only_as_it_was_seen() {
    for engine in engines("a_cart_becomes_one_order") {
        let shop = Shop::open(engine, 10);
        let owner = fresh();
        let hub = shop.hub();
        let basket = cart(hub, owner, 1).expect("a cart");
        publish_price(hub, PRICE + 1);
        let dearer = checkout::check_out_cart(hub, owner, &wanted(&basket, "approve"), now(hub));
        let dearer = dearer.expect_err("the shopper saw another total");
        assert_eq!(code(&dearer), "CART_CHANGED");
        assert!(dearer.to_string().contains(&format!("comes to {}", PRICE + 1)), "{dearer}");
        let stranger = checkout::check_out_cart(hub, fresh(), &wanted(&basket, "approve"), now(hub));
        assert_eq!(code(&stranger.expect_err("it is not theirs")), "NOT_FOUND");

        let seen = tradepost_central::app::carts::get(hub, owner, basket.id, now(hub)).expect("a cart");
        let two: Vec<_> = (0..8).map(|_| wanted(&seen, "approve")).collect();
        let placed = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for order in &two {
                let placed = &placed;
                scope.spawn(move || match checkout::check_out_cart(hub, owner, order, now(hub)) {
                    Ok(_) => {
                        placed.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(fault) => assert_eq!(code(&fault), "CART_CLOSED", "{fault}"),
                });
            }
        });
        assert_eq!(placed.load(Ordering::SeqCst), 1, "{engine}");
        let other = checkout::Wanted { method: "other".to_owned(), ..two[0].clone() };
        let other = checkout::check_out_cart(hub, owner, &other, now(hub)).expect_err("not the same");
        assert!(["ID_REUSED", "CART_CLOSED"].contains(&code(&other)), "{other}");
        shop.settle();
        shop.check();
    }
}

#[test]
fn a_declined_card_opens_the_cart_again() {
    let shop = Shop::open("sqlite", 3);
    let (owner, hub) = (fresh(), shop.hub());
    let basket = cart(hub, owner, 3).expect("a cart");
    let declined = checkout::check_out_cart(hub, owner, &wanted(&basket, "decline"), now(hub));
    let declined = declined.expect("an order that failed");
    assert_eq!(
        (declined.order.state.as_str(), declined.order.reason.as_deref()),
        ("failed", Some("insufficient_funds"))
    );
    assert_eq!(said(&shop, &declined), ["held-0 stock.reserved", "failed-0 payment.declined"]);
    let open = tradepost_central::app::carts::get(hub, owner, basket.id, now(hub)).expect("a cart");
    assert_eq!((open.state.as_str(), open.web_order), ("open", None));
    let paid = checkout::check_out_cart(hub, owner, &wanted(&open, "approve"), now(hub)).expect("an order");
    assert!(paid.order.placed);
    shop.check();
}

/// A provider that says so twice, and one whose money comes after the order died.
#[test]
fn notices_count_once_and_late_money_goes_back() {
    for engine in engines("notices_count_once") {
        let shop = Shop::open(engine, 10);
        let (owner, hub) = (fresh(), shop.hub());
        let basket = cart(hub, owner, 1).expect("a cart");
        let order = wanted(&basket, "forgotten");
        checkout::begin(hub, owner, &order, now(hub)).expect("an order");
        let notice = |n: u32, kind: Kind| Notice {
            id: format!("msg_{n}"),
            payment: order.id,
            kind,
            key: kind.key(&order.id.to_string()),
            outcome: Outcome::Done { reference: "late".to_owned() },
        };
        // It failed before anybody answered.
        for _ in 0..2 {
            checkout::advance(hub, order.id).expect("a step");
        }
        checkout::cancel(hub, order.id, "changed my mind", now(hub)).expect("asked");
        shop.settle();
        assert_eq!(checkout::get(hub, order.id).expect("it is there").order.state, "failed");

        // The provider had taken the money all the same, and says so again and again.
        for _ in 0..3 {
            payments::hear(hub, &notice(1, Kind::Capture), now(hub)).expect("it is heard");
        }
        let new = payments::hear(hub, &notice(1, Kind::Capture), now(hub)).expect("it is heard");
        assert!(!new, "a repeat is no news");
        let _ = checkout::drive_if_due(hub, order.id).expect("it is driven");
        let shown = checkout::get(hub, order.id).expect("it is there");
        assert_eq!(shown.order.state, "refunding", "{engine}: {:?}", names(&shown));
        assert_eq!(shown.order.refund, PRICE);
        // The request to give it back was lost at first; the provider tells that the money went back.
        payments::hear(hub, &notice(2, Kind::Refund), now(hub)).expect("it is heard");
        let _ = checkout::drive(hub, order.id).expect("it is driven");
        let shown = checkout::get(hub, order.id).expect("it is there");
        let back = payments::find(hub, order.id).expect("a payment");
        assert_eq!((back.payment.captured, back.refunded()), (PRICE, PRICE), "{:?}", names(&shown));
        assert_eq!(shown.order.state, "refunded");
    }
}
