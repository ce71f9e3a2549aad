//! Clocks that jump, nights with an hour too many, promotions that begin while somebody pays: a whole node whose clock the
//! test holds in its hand, for a real one can't be put back (`facts.md` §4, Shift; `money.md`, rule 7; `model.md` §1).

use jiff::Timestamp;
use tradepost_commerce::document::{Sku, Tender, TenderKind, TenderState};
use tradepost_commerce::money::Money;
use tradepost_commerce::quantity::Quantity;
use tradepost_node::app::books::{Booked, date_of};
use tradepost_node::app::checkout::{CheckoutRequest, check_out};
use tradepost_node::app::clock::Now;
use tradepost_node::app::import::{Catalog, Format, import};
use tradepost_node::app::request::{SaleLine, SaleRequest, Till, Wish};
use tradepost_node::app::shift::{self, CloseRequest, Counted, OpenRequest};
use tradepost_node::app::start::{self, Starting};
use tradepost_node::app::tender::{self, TenderRequest};
use tradepost_node::app::{Answer, Node, carts, sell};
use tradepost_node::db::Durability;
use tradepost_sync::body::{Body, SaleCommitted, ShiftClosed};
use tradepost_sync::ids::Id;
use tradepost_tests::process::TempDir;

const CATALOG: &str = r#"{"type":"settings","currency":"EUR","cash_step":5,"time_zone":"Europe/Dublin"}
{"type":"tax","category":"standard","ppm":230000}
{"type":"product","sku":"CAKE","name":"Cake","tax_category":"standard"}
{"type":"price","sku":"CAKE","price":300}
{"type":"stock","sku":"CAKE","units":100}
"#;

/// Three cakes for the price of two, from noon on.
const PROMOTION: &str = r#"{"type":"promotion","id":"CAKE","name":"3 for 2","priority":1,"rule":{"NForM":{"take":3,"pay":2}},"skus":["CAKE"],"valid_from":NOON,"valid_to":null}"#;

struct Shop {
    _folder: TempDir,
    node: Node,
    ids: u8,
}

fn ms(time: &str) -> i64 {
    time.parse::<Timestamp>().expect("an instant").as_millisecond()
}

fn till() -> Till {
    Till::parse("R1").expect("a till")
}

fn cakes(pieces: i64) -> SaleLine {
    SaleLine {
        wish: Wish::Sku(Sku("CAKE".to_owned())),
        quantity: Some(Quantity(pieces * 1_000)),
        price: None,
        discounts: Vec::new(),
        serials: Vec::new(),
        age_check: None,
        reservation: None,
    }
}

fn cash(amount: i64) -> Tender {
    Tender {
        key: None,
        kind: TenderKind::Cash,
        amount: Money(amount),
        foreign: None,
        state: TenderState::Captured,
        reference: None,
        pool: None,
        original: None,
    }
}

fn sale_of(booked: &Booked) -> &SaleCommitted {
    match &booked.body {
        Body::SaleCommitted(sale) => sale,
        other => panic!("{other:?} is no sale"),
    }
}

fn total(booked: &Booked) -> i64 {
    sale_of(booked).document.outcome.settlement.total.0
}

fn day(booked: &Booked) -> String {
    date_of(sale_of(booked).business_day).to_string()
}

impl Shop {
    fn open(name: &str, time: &str) -> Self {
        let folder = TempDir::new(name);
        let mut turn = 0_u8;
        let luck = Box::new(move || {
            turn = turn.wrapping_add(1);
            [turn; 32]
        });
        let starting =
            Starting { luck, wall: ms(time), boot: 0, durability: Durability::Normal, accept_clock: false };
        let (node, _) = start::start(folder.path(), starting).expect("the node starts");
        let mut shop = Self { _folder: folder, node, ids: 0 };
        shop.publish(time, CATALOG);
        shop
    }

    fn at<T>(&mut self, time: &str, work: impl FnOnce(&mut Node, Now) -> Answer<T>) -> T {
        let wall = ms(time);
        let now = self.node.now(wall, 0);
        self.node.begin().expect("a group begins");
        let done = work(&mut self.node, now);
        self.node.commit().expect("it is durable");
        done.unwrap_or_else(|stop| panic!("at {time}: {stop:?}"))
    }

    fn publish(&mut self, time: &str, lines: &str) {
        let catalog = Catalog::read(lines.as_bytes(), Format::Ndjson).expect("a catalog");
        self.at(time, |node, now| import(node, now, catalog));
    }

    fn id(&mut self) -> Id {
        self.ids += 1;
        Id([1, 0x99, 0, 0, 0, self.ids, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, self.ids])
    }

    fn sell(&mut self, time: &str) -> Booked {
        let request = SaleRequest {
            id: self.id(),
            till: till(),
            lines: vec![cakes(1)],
            discounts: Vec::new(),
            customer: None,
            price_list: None,
            exemption: None,
            tenders: vec![cash(300)],
            expected_total: None,
        };
        self.at(time, |node, now| sell::sell(node, now, &request, None))
    }

    fn open_shift(&mut self, time: &str) {
        let float = Counted { currency: None, by: Vec::new(), total: Money(10_000) };
        let request = OpenRequest { id: self.id(), till: till(), floats: vec![float] };
        self.at(time, |node, now| shift::open(node, now, &request));
    }

    fn close_shift(&mut self, time: &str, shift: u32, counted: i64) -> ShiftClosed {
        let counts = vec![Counted { currency: None, by: Vec::new(), total: Money(counted) }];
        let request = CloseRequest { till: till(), shift, counts };
        let booked = self.at(time, |node, now| shift::close(node, now, &request, None));
        shift::body_of(&booked).expect("a Z").clone()
    }

    /// A cart with three cakes.
    fn cart(&mut self, time: &str) -> Id {
        let id = self.id();
        let new = carts::NewCart { id: Some(id), till: till(), customer: None, price_list: None };
        self.at(time, |node, now| carts::open(node, now, new));
        self.at(time, |node, now| carts::add(node, now, &id, &cakes(3), None));
        id
    }

    fn check_out(&mut self, time: &str, cart: &Id, paid: i64) -> Booked {
        let request = CheckoutRequest { tenders: vec![cash(paid)], till: None, expected_total: None };
        self.at(time, |node, now| check_out(node, now, cart, request, None))
    }
}

#[test]
fn a_shift_keeps_its_day_over_midnight_and_over_an_hour_that_comes_twice() {
    let mut shop = Shop::open("night-long", "2026-10-24T08:00:00Z");
    shop.open_shift("2026-10-24T20:00:00+01:00");
    let times = [
        "2026-10-24T23:59:59+01:00",
        "2026-10-25T00:00:01+01:00",
        "2026-10-25T01:30:00+01:00",
        // The clocks go back at two: half past one comes again.
        "2026-10-25T01:30:00+00:00",
        "2026-10-25T05:00:00+00:00",
    ];
    let mut numbers = Vec::new();
    for time in times {
        let sold = shop.sell(time);
        assert_eq!(day(&sold), "2026-10-24", "{time}: the day of the shift");
        numbers.push(sale_of(&sold).receipt.n);
    }
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    let z = shop.close_shift("2026-10-25T05:10:00+00:00", 1, 11_500);
    assert_eq!((date_of(z.business_day).to_string().as_str(), z.sales_count), ("2026-10-24", 5));
    assert_eq!((z.series[0].first, z.series[0].last, z.drawers[0].difference.0), (1, 5, 0));
}

#[test]
fn the_business_day_begins_by_the_clock_on_the_wall_whatever_night_it_was() {
    let mut shop = Shop::open("night-begins", "2026-03-20T08:00:00Z");
    // The night of the 29th of March lacks an hour, that of the 25th of October has one more.
    let stories = [
        ("2026-03-29T02:59:00Z", "2026-03-28"),
        ("2026-03-29T03:00:00Z", "2026-03-29"),
        ("2026-07-01T02:59:00Z", "2026-06-30"),
        ("2026-07-01T03:00:00Z", "2026-07-01"),
        ("2026-10-25T03:59:00Z", "2026-10-24"),
        ("2026-10-25T04:00:00Z", "2026-10-25"),
    ];
    for (time, expected) in stories {
        assert_eq!(day(&shop.sell(time)), expected, "{time}: from four o'clock on");
    }
}

#[test]
fn a_clock_that_is_put_back_loses_no_paper_and_no_number() {
    let mut shop = Shop::open("night-back", "2026-05-04T20:00:00Z");
    shop.open_shift("2026-05-04T21:00:00Z");
    let first = shop.sell("2026-05-05T00:30:00Z");
    // Somebody sets it right, over midnight, by three hours.
    let second = shop.sell("2026-05-04T21:30:00Z");
    let third = shop.sell("2026-05-04T23:30:00Z");
    let n = |booked: &Booked| sale_of(booked).receipt.n;
    assert_eq!((n(&first), n(&second), n(&third)), (1, 2, 3));
    assert_eq!((day(&first), day(&second)), ("2026-05-04".to_owned(), "2026-05-04".to_owned()));
    let (before, after) = (&first.event.envelope, &second.event.envelope);
    assert!(after.hlc > before.hlc && after.wall < before.wall, "order is kept where the wall isn't");
    let z = shop.close_shift("2026-05-04T23:40:00Z", 1, 10_900);
    assert_eq!((z.sales_count, z.sales.0, z.drawers[0].difference.0), (3, 900, 0));
}

#[test]
fn a_promotion_that_begins_while_somebody_pays_is_for_the_next_one() {
    let mut shop = Shop::open("promotion-noon", "2026-05-04T08:00:00Z");
    let paying = shop.cart("2026-05-04T11:56:00Z");
    let waiting = shop.cart("2026-05-04T11:57:00Z");
    let key = shop.id();
    let part = TenderRequest {
        key,
        cart: paying,
        till: None,
        kind: TenderKind::Cash,
        amount: Money(500),
        currency: None,
        code: None,
        reference: None,
        expected_total: None,
    };
    shop.at("2026-05-04T11:58:00Z", |node, now| tender::begin(node, now, &part, None));
    let noon = ms("2026-05-04T12:00:00Z").to_string();
    shop.publish("2026-05-04T11:59:00Z", &PROMOTION.replace("NOON", &noon));
    let early = shop.cart("2026-05-04T11:59:10Z");
    assert_eq!(total(&shop.check_out("2026-05-04T11:59:59Z", &early, 900)), 900, "it is not noon yet");
    let sealed = shop.check_out("2026-05-04T12:01:00Z", &paying, 400);
    assert_eq!(total(&sealed), 900, "the first tender froze what it comes to");
    let open = shop.check_out("2026-05-04T12:01:30Z", &waiting, 600);
    assert_eq!(total(&open), 600, "an open cart is judged when it is paid");
    let sealed = &sale_of(&sealed).document.inputs;
    let open = &sale_of(&open).document.inputs;
    assert!(sealed.promotions.is_empty() && !open.promotions.is_empty(), "and each paper says by what");
}
