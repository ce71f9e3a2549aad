//! Carts and sessions, and what their caches may never do.

use super::shop::*;
use tradepost_central::app::accounts::{self, Fresh};
use tradepost_central::app::carts::{self, Change, Line};
use tradepost_central::app::checkout;
use tradepost_central::app::coupons::{self, Coupon};
use tradepost_central::cache::{Cache, Memory, Redis};
use tradepost_central::db::catalog;
use tradepost_commerce::document::DiscountKind;
use tradepost_tests::hub_bench::service;

/// The caches of this run, by name.
fn caches(test: &str) -> Vec<(&'static str, Cache)> {
    let mut caches = vec![("memory", Cache::Memory(Memory::default()))];
    if let Some(url) = service("TRADEPOST_REDIS_URL", test) {
        caches.push(("redis", Cache::Redis(Box::new(Redis::new(&url).expect("an address")))));
    }
    caches
}

fn pieces(n: i64) -> Change {
    Change::Add(Line { sku: SKU.to_owned(), quantity_milli: n * 1_000 })
}

/// Two writers and a reader that was paused between reading the rows and filling the cache: whatever the order, the cache
/// holds the newest cart in the end.
#[test]
fn two_writers_and_a_paused_reader_never_leave_the_older_cart() {
    for (name, cache) in caches("two_writers_and_a_paused_reader") {
        eprintln!("cache: {name}");
        let shop = Shop::open_with("sqlite", 100, cache);
        let (hub, owner) = (shop.hub(), fresh());
        // The places of the reader's write among those of the writers.
        for place in 0..3 {
            let id = fresh();
            carts::create(hub, owner, id, None, "", now(hub)).expect("a cart");
            let read = carts::load(hub, owner, id, now(hub)).expect("the paused reader has read");
            for writer in 0..2 {
                if place == writer {
                    carts::remember(hub, &read);
                }
                carts::change(hub, owner, id, None, &pieces(1), now(hub)).expect("a writer");
            }
            if place == 2 {
                carts::remember(hub, &read);
            }
            let version = hub.db.read(catalog::head).expect("the hub works").at.version;
            let kept = carts::recall(hub, id, version).expect("the cache holds it");
            assert_eq!(kept.row_version, 3, "{name}, place {place}");
            let shown = carts::get(hub, owner, id, now(hub)).expect("a cart");
            assert_eq!((shown.row_version, shown.total), (3, 2 * PRICE), "{name}, place {place}");
        }
    }
}

#[test]
fn a_cart_is_priced_anew_when_the_catalog_changes_and_two_writers_lose_nothing() {
    for engine in engines("a_cart_is_priced_anew") {
        let shop = Shop::open(engine, 100);
        let (hub, owner) = (shop.hub(), fresh());
        let basket = cart(hub, owner, 1).expect("a cart");
        publish_price(hub, PRICE + 500);
        let dearer = carts::get(hub, owner, basket.id, now(hub)).expect("a cart");
        assert_eq!((dearer.row_version, dearer.total), (basket.row_version, PRICE + 500));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    carts::change(hub, owner, basket.id, None, &pieces(1), now(hub)).expect("more")
                });
            }
        });
        let nine = carts::get(hub, owner, basket.id, now(hub)).expect("a cart");
        assert_eq!(nine.lines[0].quantity_milli, 9_000, "{engine}");
        let stale = carts::change(hub, owner, basket.id, Some(2), &Change::Clear, now(hub));
        assert_eq!(code(&stale.expect_err("it has changed")), "PRECONDITION_FAILED");
        let many = carts::change(hub, owner, basket.id, None, &pieces(92), now(hub));
        assert_eq!(code(&many.expect_err("100 are lent")), "RIGHTS_SHORT");
        let none = Change::Add(Line { sku: "NOTHING".to_owned(), quantity_milli: 1_000 });
        let none = carts::change(hub, owner, basket.id, None, &none, now(hub));
        assert_eq!(code(&none.expect_err("no such item")), "UNKNOWN_SKU");
        assert!(carts::get(hub, fresh(), basket.id, now(hub)).is_err(), "somebody else's");
    }
}

#[test]
fn a_coupon_is_used_by_orders_that_come_to_something() {
    for engine in engines("a_coupon_is_used") {
        let shop = Shop::open(engine, 10);
        let (hub, owner) = (shop.hub(), fresh());
        let coupon = Coupon {
            code: "spring".to_owned(),
            store: None,
            kind: DiscountKind::Percent(100_000),
            valid_from: 0,
            valid_to: None,
            uses_left: Some(1),
        };
        coupons::put(hub, &coupon, None).expect("a coupon");
        let priced = |pieces: i64| {
            let basket = cart(hub, owner, pieces).expect("a cart");
            let code = Change::Coupon(Some("Spring".to_owned()));
            carts::change(hub, owner, basket.id, None, &code, now(hub)).expect("a coupon")
        };
        let (one, two) = (priced(1), priced(1));
        assert_eq!(one.total, PRICE - 200, "a tenth off, rounded once");
        let failed = checkout::check_out_cart(hub, owner, &wanted(&one, "decline"), now(hub));
        assert_eq!(failed.expect("it failed").order.state, "failed");
        let paid = checkout::check_out_cart(hub, owner, &wanted(&two, "approve"), now(hub));
        assert!(paid.expect("its use was given back").order.placed, "{engine}");
        let again = carts::get(hub, owner, one.id, now(hub)).expect("a cart");
        assert!(again.problem.as_deref().unwrap_or_default().contains("used up"), "{again:?}");
        let refused = checkout::check_out_cart(hub, owner, &wanted(&again, "approve"), now(hub));
        assert_eq!(code(&refused.expect_err("it is used up")), "COUPON_REFUSED");
        shop.check();
    }
}

fn luck(n: u8) -> Fresh {
    let token = *blake3::hash(&[&fresh().0[..], &[n]].concat()).as_bytes();
    Fresh { id: fresh().0, salt: fresh().0, token }
}

#[test]
fn nothing_revives_a_token_that_was_revoked() {
    for (name, cache) in caches("nothing_revives_a_token") {
        eprintln!("cache: {name}");
        let shop = Shop::open_with("sqlite", 1, cache);
        let hub = shop.hub();
        let guest = accounts::guest(hub, &luck(1), now(hub)).expect("a guest");
        let seen = accounts::who(hub, &guest.token, now(hub)).expect("a session");
        assert_eq!((seen.owner, seen.guest), (guest.session.owner, true));
        let hash = blake3::derive_key("tradepost shopper token v1", guest.token.as_bytes());
        let key = hash.iter().fold("session:".to_owned(), |text, b| text + &format!("{b:02x}"));
        let copy = hub.cache.get(&key).expect("a copy");

        accounts::log_out(hub, &guest.token, now(hub)).expect("it ends");
        accounts::log_out(hub, &guest.token, now(hub)).expect("asked again");
        assert_eq!(
            code(&accounts::who(hub, &guest.token, now(hub)).expect_err("it ended")),
            "SESSION_REFUSED"
        );
        // A cache that was away meanwhile comes back with what it knew; one that was flushed knows nothing.
        hub.cache.set(&key, 99, &copy.value.expect("a session"));
        assert_eq!(
            code(&accounts::who(hub, &guest.token, now(hub)).expect_err("it ended")),
            "SESSION_REFUSED"
        );
    }
}

#[test]
fn accounts_take_their_guests_carts_along_and_lock_after_wrong_passwords() {
    for engine in engines("accounts_take_their_guests_carts") {
        let shop = Shop::open(engine, 10);
        let hub = shop.hub();
        let guest = accounts::guest(hub, &luck(1), now(hub)).expect("a guest");
        let basket = cart(hub, guest.session.owner, 1).expect("a cart");
        let wanted = accounts::Wanted {
            email: "Ann@Example.org".to_owned(),
            name: "Ann".to_owned(),
            password: "correct horse".to_owned(),
        };
        let made =
            accounts::create(hub, &wanted, Some(&guest.token), &luck(2), now(hub)).expect("an account");
        assert!(carts::get(hub, made.session.owner, basket.id, now(hub)).is_ok(), "the cart went along");
        let twice = accounts::create(hub, &wanted, None, &luck(3), now(hub));
        assert_eq!(code(&twice.expect_err("the address has one")), "ALREADY_EXISTS");
        let log_in = |password: &str, n: u8| {
            accounts::log_in(hub, "ann@example.org", password, None, &luck(n), now(hub))
        };
        let again = log_in("correct horse", 4).expect("the right one");
        let changed = accounts::change_password(
            hub,
            made.session.owner,
            "correct horse",
            "battery staple",
            &luck(5),
            now(hub),
        );
        let changed = changed.expect("another password");
        for (token, good) in [(&made.token, false), (&again.token, false), (&changed.token, true)] {
            assert_eq!(accounts::who(hub, token, now(hub)).is_ok(), good, "{engine}");
        }
        for n in 10..15 {
            assert_eq!(code(&log_in("wrong password", n).expect_err("wrong")), "LOGIN_REFUSED");
        }
        assert_eq!(code(&log_in("battery staple", 20).expect_err("it rests")), "LOGIN_LOCKED");
        let nobody = accounts::log_in(hub, "bob@example.org", "whatever it is", None, &luck(21), now(hub));
        assert_eq!(code(&nobody.expect_err("no account")), "LOGIN_REFUSED");
    }
}
