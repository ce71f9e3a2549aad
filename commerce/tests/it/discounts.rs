//! Rules 7 and 8: the order of discounts, caps, shares, and what makes no sense.

use crate::shop::{card, coupon, discounted, figures, fixed, line, percent, rules, sale};
use tradepost_commerce::document::{
    AppliedPromotion, Discount, LineInput, LineKind, PromotionRule, SaleInputs,
};
use tradepost_commerce::money::Money;
use tradepost_commerce::quantity::Quantity;
use tradepost_commerce::{Engine, Refusal, ring_up, ring_up_with, total_due};

#[test]
fn line_discounts_go_in_the_order_they_were_given_each_on_what_is_left() {
    let stories: [(&[Discount], &[i64], i64); 5] = [
        (&[percent(100_000), fixed(500)], &[200, 500], 1_299),
        (&[fixed(500), percent(100_000)], &[500, 150], 1_349),
        (&[fixed(9_999), percent(500_000)], &[1_999, 0], 0),
        (&[percent(1_000_000)], &[1_999], 0),
        (&[], &[], 1_999),
    ];
    for (discounts, off, left) in stories {
        let lines = vec![discounted(line("TEE", 1_000, 1_999, 230_000), discounts)];
        let due = total_due(&sale(rules(), lines, vec![])).unwrap();
        assert_eq!((figures(&due.lines[0].discounts).as_slice(), due.total.0), (off, left));
    }
}

#[test]
fn the_order_is_line_then_promotion_then_order_then_coupon() {
    let promotion = AppliedPromotion {
        id: "P".into(),
        name: "Half".into(),
        priority: 0,
        rule: PromotionRule::Percent(500_000),
        lines: vec![0],
    };
    let inputs = SaleInputs {
        promotions: vec![promotion],
        order_discounts: vec![percent(100_000), coupon(100)],
        ..sale(rules(), vec![discounted(line("x", 1_000, 2_000, 0), &[fixed(400)])], vec![])
    };
    let line = &total_due(&inputs).unwrap().lines[0];
    assert_eq!(figures(&line.discounts), [400]);
    assert_eq!(line.promotions, [(0, Money(800))]);
    assert_eq!(figures(&line.order_shares), [80, 100]);
    assert_eq!(line.amount.0, 620);
}

#[test]
fn an_order_discount_is_capped_and_shared_over_what_is_left() {
    let lines = || vec![line("a", 1_000, 795, 0), line("b", 1_000, 698, 0), line("c", 1_000, 0, 0)];
    for (discount, shares) in [(coupon(5_000), [795, 698, 0]), (percent(1_000_000), [795, 698, 0])] {
        let inputs = SaleInputs { order_discounts: vec![discount], ..sale(rules(), lines(), vec![]) };
        let due = total_due(&inputs).unwrap();
        let given: Vec<i64> = due.lines.iter().map(|l| l.order_shares[0].0).collect();
        assert_eq!((given.as_slice(), due.total.0, due.tax.0), (shares.as_slice(), 0, 0));
    }
}

#[test]
fn a_label_amount_replaces_price_times_quantity() {
    let mut labelled = crate::shop::weighed("CHEESE", 333, 1_890, 0);
    labelled.label_amount = Some(Money(629));
    assert_eq!(total_due(&sale(rules(), vec![labelled], vec![])).unwrap().total.0, 629);
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let one = || line("x", 1_000, 100, 0);
    let with_line = |line| sale(rules(), vec![one(), line], vec![]);
    let with_order = |order_discounts| SaleInputs { order_discounts, ..sale(rules(), vec![one()], vec![]) };
    let mut negative_label = one();
    negative_label.label_amount = Some(Money(-1));
    let gift_card = |ppm| LineInput {
        kind: LineKind::Liability { pool: "G-1".into() },
        ..line("GIFT", 1_000, 5_000, ppm)
    };
    assert!(total_due(&sale(rules(), vec![gift_card(0)], vec![])).is_ok());
    let mut no_step = sale(rules(), vec![one()], vec![]);
    no_step.rules.cash_step = Money(0);
    let mut other_engine = sale(rules(), vec![one()], vec![]);
    other_engine.rules.calc = 60_001;
    let stories = [
        (sale(rules(), vec![], vec![]), Refusal::EmptySale),
        (with_line(line("x", 0, 1, 0)), Refusal::BadQuantity { line: 1, quantity: Quantity(0) }),
        (with_line(line("x", -1_000, 1, 0)), Refusal::BadQuantity { line: 1, quantity: Quantity(-1_000) }),
        (with_line(line("x", 1_500, 1, 0)), Refusal::NotWhole { line: 1, quantity: Quantity(1_500) }),
        (with_line(line("x", 1_000, -1, 0)), Refusal::BadPrice { line: 1, price: Money(-1) }),
        (with_line(negative_label), Refusal::BadPrice { line: 1, price: Money(-1) }),
        (with_line(discounted(one(), &[percent(1_000_001)])), Refusal::BadDiscount { line: 1, discount: 0 }),
        (
            with_line(discounted(one(), &[percent(1), fixed(-1)])),
            Refusal::BadDiscount { line: 1, discount: 1 },
        ),
        (with_line(discounted(one(), &[coupon(5)])), Refusal::CouponOnLine { line: 1, discount: 0 }),
        (with_order(vec![fixed(-1)]), Refusal::BadOrderDiscount { discount: 0 }),
        (with_order(vec![coupon(5), fixed(1)]), Refusal::CouponNotLast { discount: 1 }),
        (with_line(gift_card(230_000)), Refusal::TaxedLiability { line: 1 }),
        (no_step, Refusal::BadCashStep { step: Money(0) }),
        (other_engine, Refusal::UnknownCalc { calc: 60_001 }),
    ];
    for (inputs, refusal) in stories {
        assert_eq!(ring_up(&inputs), Err(refusal.clone()));
        assert_eq!(total_due(&inputs), Err(refusal.clone()));
        assert!(refusal.code().chars().all(|c| c.is_ascii_uppercase() || c == '_'), "{refusal}");
    }
}

#[test]
fn amounts_too_large_to_count_are_refused() {
    let huge = |quantity, price| sale(rules(), vec![line("x", quantity, price, 0); 2], vec![]);
    for inputs in [huge(i64::MAX / 1_000 * 1_000, i64::MAX), huge(1_000, i64::MAX)] {
        assert!(matches!(ring_up(&inputs), Err(Refusal::Overflow(_))));
    }
    let many = sale(rules(), vec![line("x", 1_000, 1, 0); 65_536], vec![]);
    assert_eq!(ring_up(&many), Err(Refusal::TooManyLines { lines: 65_536, most: 65_535 }));
}

#[test]
fn the_planted_engine_differs_so_that_a_recomputing_reader_is_found_out() {
    let inputs = sale(rules(), vec![line("MUG", 2_000, 795, 230_000)], vec![card(1_590)]);
    let (real, planted) =
        (ring_up(&inputs).unwrap(), ring_up_with(Engine::PlantedForTests, &inputs).unwrap());
    assert_ne!(real, planted);
    assert_eq!(Engine::of(60_001), None);
    assert_eq!(Engine::of(1), Some(Engine::V1));
}
