//! Baskets, price books and checkout: what is asked before anybody pays.

use crate::shop::{cash, coupon, fixed, percent};
use tradepost_commerce::Refusal;
use tradepost_commerce::basket::{Basket, Shop, Wanted};
use tradepost_commerce::checkout::{Counter, check_out, quote, ready};
use tradepost_commerce::document::*;
use tradepost_commerce::money::Money;
use tradepost_commerce::price_book::{PriceBook, PriceEntry};
use tradepost_commerce::product::Product;
use tradepost_commerce::quantity::{Quantity, Unit};
use tradepost_commerce::settings::{BadSettings, Settings};
use tradepost_commerce::tax::TaxRate;
use tradepost_commerce::time::UtcMs;

const V: CatalogVersion = CatalogVersion { epoch: 1, version: 7 };

fn settings() -> Settings {
    let rate = TaxRate { category: "std".into(), ppm: 230_000, valid_from: UtcMs(0) };
    Settings { taxes: vec![rate], max_lines: 3, max_quantity: Quantity(20_000), ..Settings::default() }
}

fn product(sku: &str) -> Product {
    let json = format!(r#"{{"sku":"{sku}","name":"{sku}","tax_category":"std"}}"#);
    serde_json::from_str(&json).unwrap()
}

fn entry(list: &str, sku: &str, price: i64, from: i64, to: Option<i64>) -> PriceEntry {
    PriceEntry {
        list: list.into(),
        sku: Sku(sku.into()),
        price: Money(price),
        valid_from: UtcMs(from),
        valid_to: to.map(UtcMs),
    }
}

fn book() -> PriceBook {
    let entries = [
        entry("", "MUG", 795, 0, None),
        entry("", "MUG", 845, 100, None),
        entry("", "MUG", 500, 150, Some(160)),
        entry("", "TEE", 1_999, 0, None),
        entry("Friends", "TEE", 1_699, 50, None),
        entry("", "HAM", 1_890, 0, None),
        entry("", "GONE", 100, 0, Some(10)),
        entry("", "TWICE", 100, 5, None),
        entry("", "TWICE", 90, 5, None),
    ];
    PriceBook::new(V, entries)
}

#[test]
fn a_price_is_asked_of_an_instant_and_a_list() {
    let stories = [
        ("", "MUG", 0, Some(795)),
        ("", "MUG", 99, Some(795)),
        ("", "MUG", 100, Some(845)),
        ("", "MUG", 155, Some(500)),
        ("", "MUG", 160, Some(845)),
        ("", "MUG", -1, None),
        ("Friends", "TEE", 49, Some(1_999)),
        ("Friends", "TEE", 50, Some(1_699)),
        ("Friends", "MUG", 50, Some(795)),
        ("Nobody's", "TEE", 50, Some(1_999)),
        ("", "GONE", 9, Some(100)),
        ("", "GONE", 10, None),
        ("", "TWICE", 5, Some(90)),
        ("", "NONE", 5, None),
    ];
    for (list, sku, now, expected) in stories {
        let price = book().price_at(list, &Sku(sku.into()), UtcMs(now)).map(|entry| entry.price.0);
        assert_eq!(price, expected, "{sku} on “{list}” at {now}");
    }
}

fn add(basket: &mut Basket, product: &Product, quantity: i64, now: i64) -> Result<usize, Refusal> {
    let (settings, prices) = (settings(), book());
    let shop = Shop { settings: &settings, prices: &prices, now: UtcMs(now) };
    basket.add(product, Wanted::Quantity(Quantity(quantity)), shop)
}

#[test]
fn what_cannot_be_added_is_refused_by_name() {
    let sku = |code: &str| Sku(code.into());
    let gone = Product { active: false, ..product("MUG") };
    let untaxed = Product { tax_category: "none".into(), ..product("MUG") };
    let stories = [
        (gone, 1_000, Refusal::NotForSale { sku: sku("MUG") }),
        (product("GONE"), 1_000, Refusal::NoPrice { sku: sku("GONE") }),
        (untaxed, 1_000, Refusal::NoTaxRate { sku: sku("MUG"), category: "none".into() }),
        (product("MUG"), 0, Refusal::BadQuantity { line: 0, quantity: Quantity(0) }),
        (product("MUG"), 1_500, Refusal::NotWhole { line: 0, quantity: Quantity(1_500) }),
        (
            product("MUG"),
            21_000,
            Refusal::QuantityTooLarge { line: 0, quantity: Quantity(21_000), most: Quantity(20_000) },
        ),
    ];
    for (product, quantity, refusal) in stories {
        let mut basket = Basket::default();
        assert_eq!(add(&mut basket, &product, quantity, 20), Err(refusal));
        assert_eq!(basket, Basket::default());
    }
    let mut full = Basket::default();
    for line in 0..3 {
        assert_eq!(add(&mut full, &product("MUG"), 1_000, 20), Ok(line));
    }
    assert_eq!(add(&mut full, &product("MUG"), 1_000, 20), Err(Refusal::TooManyLines { lines: 4, most: 3 }));
}

#[test]
fn lines_can_be_changed_until_they_are_paid() {
    let settings = settings();
    let mut basket = Basket::default();
    add(&mut basket, &product("MUG"), 1_000, 20).unwrap();
    add(&mut basket, &product("TEE"), 1_000, 20).unwrap();
    basket.set_quantity(0, Quantity(3_000), &settings).unwrap();
    let half = basket.set_quantity(0, Quantity(500), &settings);
    assert_eq!(half, Err(Refusal::NotWhole { line: 0, quantity: Quantity(500) }));
    assert_eq!(basket.lines[0].input.quantity, Quantity(3_000), "a refused change changes nothing");
    basket.set_price(0, Money(700), Some(StaffId("anna".into())), "chipped").unwrap();
    assert_eq!(
        basket.set_price(0, Money(-1), None, ""),
        Err(Refusal::BadPrice { line: 0, price: Money(-1) })
    );
    assert_eq!(basket.remove(1).unwrap().input.sku, Sku("TEE".into()));
    assert_eq!(basket.remove(1), Err(Refusal::NoSuchLine { line: 1 }));
    basket.discount_line(0, percent(100_000)).unwrap();
    assert_eq!(basket.discount_line(0, coupon(1)), Err(Refusal::CouponOnLine { line: 0, discount: 1 }));
    assert_eq!(basket.discount_line(9, fixed(1)), Err(Refusal::NoSuchLine { line: 9 }));
    let counter = Counter { settings: &settings, promotions: &[], catalog: V, now: UtcMs(20) };
    let (inputs, due) = quote(&basket, counter).unwrap();
    assert_eq!(due.total.0, 1_890);
    assert!(matches!(inputs.lines[0].price_source, PriceSource::Manual { .. }));
}

#[test]
fn coupons_stay_behind_other_order_discounts() {
    let mut basket = Basket::default();
    for discount in [coupon(1), fixed(2), coupon(3), fixed(4)] {
        basket.discount_order(discount).unwrap();
    }
    let order: Vec<DiscountKind> = basket.order_discounts.iter().map(|d| d.kind).collect();
    assert_eq!(order, [2, 4, 1, 3].map(|n| DiscountKind::Fixed(Money(n))));
}

#[test]
fn a_customer_reprices_each_line_as_of_its_scan() {
    let mut basket = Basket::default();
    add(&mut basket, &product("TEE"), 1_000, 20).unwrap();
    add(&mut basket, &product("TEE"), 1_000, 60).unwrap();
    add(&mut basket, &product("MUG"), 1_000, 60).unwrap();
    basket.attach_customer("C-001", "Friends", &book());
    let prices: Vec<i64> = basket.lines.iter().map(|line| line.input.unit_price.0).collect();
    assert_eq!(prices, [1_999, 1_699, 795]);
    basket.set_price(0, Money(1), None, "gift").unwrap();
    basket.attach_customer("C-002", "", &book());
    let prices: Vec<i64> = basket.lines.iter().map(|line| line.input.unit_price.0).collect();
    assert_eq!(prices, [1, 1_999, 795]);
}

#[test]
fn a_price_label_is_sold_at_its_amount() {
    let (settings, prices) = (settings(), book());
    let shop = Shop { settings: &settings, prices: &prices, now: UtcMs(20) };
    let ham = Product { unit: Unit::kilogram(), weighed: true, ..product("HAM") };
    let mut basket = Basket::default();
    basket.add(&ham, Wanted::LabelAmount(Money(653)), shop).unwrap();
    assert_eq!(basket.lines[0].input.quantity, Quantity(346));
    let counter = Counter { settings: &settings, promotions: &[], catalog: V, now: UtcMs(20) };
    assert_eq!(quote(&basket, counter).unwrap().1.total.0, 653);
    assert!(basket.set_quantity(0, Quantity(100), &settings).is_err());
}

#[test]
fn checkout_asks_for_ages_and_serials_first() {
    let settings = settings();
    let counter = Counter { settings: &settings, promotions: &[], catalog: V, now: UtcMs(20) };
    let mut basket = Basket::default();
    let beer = Product { min_age: Some(18), ..product("MUG") };
    let phone = Product { serialised: true, ..product("TEE") };
    add(&mut basket, &beer, 1_000, 20).unwrap();
    add(&mut basket, &phone, 2_000, 20).unwrap();
    let age = Refusal::AgeCheckMissing { line: 0, sku: Sku("MUG".into()), min_age: 18 };
    assert_eq!(check_out(&basket, counter, vec![cash(9_999)]), Err(age.clone()));
    basket.note_age_check(0, AgeCheck { min_age: 16, method: "sight".into() }).unwrap();
    assert_eq!(ready(&basket, counter), Err(age));
    basket.note_age_check(0, AgeCheck { min_age: 18, method: "id".into() }).unwrap();
    for serials in [vec![], vec!["A".to_owned()], vec!["A".to_owned(), "A".to_owned()]] {
        basket.note_serials(1, serials.clone()).unwrap();
        let refused = ready(&basket, counter);
        assert!(matches!(refused, Err(Refusal::SerialsMissing { line: 1, needed: 2, .. })), "{serials:?}");
    }
    basket.note_serials(1, vec!["A".into(), "B".into()]).unwrap();
    let sale = check_out(&basket, counter, vec![cash(9_999)]).unwrap();
    assert_eq!(sale.outcome.settlement.change.0, 9_999 - 795 - 2 * 1_999);
}

#[test]
fn settings_come_with_defaults_and_are_checked() {
    let settings: Settings = serde_json::from_str(r#"{"currency":"VND","cash_step":500}"#).unwrap();
    assert_eq!(settings.rules().currency.code(), "VND");
    assert_eq!((settings.rules().cash_step, settings.day_start_minutes), (Money(500), 240));
    assert_eq!(settings.check(), Ok(()));
    let bad = |change: fn(&mut Settings)| {
        let mut settings = Settings::default();
        change(&mut settings);
        settings.check().unwrap_err()
    };
    assert_eq!(bad(|s| s.cash_step = Money(0)), BadSettings::CashStep { step: Money(0) });
    assert_eq!(bad(|s| s.day_start_minutes = 1_440), BadSettings::DayStart { minutes: 1_440 });
    assert_eq!(bad(|s| s.web_share_ppm = 1_000_001), BadSettings::WebShare { ppm: 1_000_001 });
    assert_eq!(bad(|s| s.max_lines = 0), BadSettings::TooSmall { field: "max_lines", least: 1 });
    let bytes = postcard::to_stdvec(&settings).unwrap();
    assert_eq!(postcard::from_bytes::<Settings>(&bytes).unwrap(), settings);
}

#[test]
fn products_survive_json_and_bytes() {
    let mut product = product("MUG");
    product.gtins = vec!["5391234500011".parse().unwrap()];
    product.plu = Some(7);
    let json = serde_json::to_string(&product).unwrap();
    assert!(json.contains("\"05391234500011\""));
    assert_eq!(serde_json::from_str::<Product>(&json).unwrap(), product);
    assert_eq!(postcard::from_bytes::<Product>(&postcard::to_stdvec(&product).unwrap()).unwrap(), product);
}
