//! Rule 7: who joins a promotion, what is free, and how it is shared.

use crate::shop::{discounted, fixed, line, percent, rules, sale, weighed};
use tradepost_commerce::document::{AppliedPromotion, LineInput, PromotionRule, SaleInputs, Sku};
use tradepost_commerce::money::Money;
use tradepost_commerce::promotion::{Promotion, judge};
use tradepost_commerce::quantity::{BaseUnit, Unit};
use tradepost_commerce::time::UtcMs;
use tradepost_commerce::{Refusal, total_due};

fn applied(id: &str, priority: i32, rule: PromotionRule, lines: &[u16]) -> AppliedPromotion {
    AppliedPromotion { id: id.into(), name: id.into(), priority, rule, lines: lines.to_vec() }
}

fn n_for_m(take: u32, pay: u32) -> PromotionRule {
    PromotionRule::NForM { take, pay }
}

/// What each line loses to each promotion.
fn off(lines: Vec<LineInput>, promotions: Vec<AppliedPromotion>) -> Vec<Vec<(u16, i64)>> {
    let inputs = SaleInputs { promotions, ..sale(rules(), lines, vec![]) };
    let due = total_due(&inputs).unwrap();
    due.lines.iter().map(|l| l.promotions.iter().map(|(p, m)| (*p, m.0)).collect()).collect()
}

#[test]
fn n_for_m_frees_the_cheapest() {
    let piece = |sku, n: i64, price| line(sku, n * 1_000, price, 0);
    let three_for_two = || vec![applied("A", 0, n_for_m(3, 2), &[0, 1, 2])];
    let stories: [(&str, Vec<LineInput>, [i64; 3]); 6] = [
        (
            "two of five cakes are free, shared by six units",
            vec![piece("a", 5, 285), piece("b", 1, 9_999), piece("c", 1, 9_999)],
            [71, 499, 0],
        ),
        (
            "two are no set",
            vec![piece("a", 1, 100), piece("b", 1, 100), weighed("c", 3_000, 100, 0)],
            [0, 0, 0],
        ),
        ("shared by amount", vec![piece("a", 1, 100), piece("b", 1, 200), piece("c", 1, 300)], [17, 33, 50]),
        (
            "the dearest stays out",
            vec![piece("a", 1, 1_000), piece("b", 2, 100), piece("c", 1, 100)],
            [0, 67, 33],
        ),
        (
            "ties by lower line",
            vec![piece("a", 1, 100), piece("b", 1, 100), piece("c", 1, 100)],
            [34, 33, 33],
        ),
        ("free units are at their discounted price", cheap_by_discount(), [0, 3, 2]),
    ];
    for (story, lines, expected) in stories {
        let lost: Vec<i64> =
            off(lines, three_for_two()).iter().map(|l| l.iter().map(|(_, m)| m).sum()).collect();
        assert_eq!(lost, expected, "{story}");
    }
}

/// A line of 10.00 with 9.95 off costs less than the others.
fn cheap_by_discount() -> Vec<LineInput> {
    vec![
        discounted(line("a", 1_000, 1_000, 0), &[fixed(995)]),
        line("b", 1_000, 100, 0),
        line("c", 1_000, 100, 0),
    ]
}

#[test]
fn a_lines_units_share_its_amount_by_largest_remainder() {
    // 10.00 for three after the discount: 3.34, 3.33, 3.33; the third is free.
    let lines = vec![discounted(line("a", 3_000, 400, 0), &[fixed(200)])];
    assert_eq!(off(lines, vec![applied("A", 0, n_for_m(3, 2), &[0])]), [[(0, 333)]]);
}

#[test]
fn a_unit_joins_at_most_one_promotion_in_order_of_priority_then_id() {
    let cakes = || vec![line("CAKE", 4_000, 300, 0)];
    let set = |priority| applied("SET", priority, n_for_m(3, 2), &[0]);
    let half = |priority| applied("HALF", priority, PromotionRule::Percent(500_000), &[0]);
    assert_eq!(off(cakes(), vec![set(0), half(1)]), [[(0, 300), (1, 150)]]);
    assert_eq!(off(cakes(), vec![half(0), set(1)]), [[(0, 600)]]);
    assert_eq!(off(cakes(), vec![half(5), set(5)]), [[(0, 600)]], "HALF sorts before SET");
}

#[test]
fn a_percentage_is_computed_once_and_shared() {
    let lines = vec![line("a", 1_000, 105, 0), line("b", 1_000, 105, 0), weighed("c", 346, 1_890, 0)];
    // 10 % of 1.05 + 1.05 + 6.54 is 0.864, so 0.86: shares 0.1045, 0.1045, 0.6510.
    let off = off(lines, vec![applied("A", 0, PromotionRule::Percent(100_000), &[0, 1, 2])]);
    assert_eq!(off, [[(0, 11)], [(0, 10)], [(0, 65)]]);
}

#[test]
fn a_fixed_amount_comes_off_every_unit_and_never_more_than_is_left() {
    let five = PromotionRule::FixedOff(Money(50));
    let lines = vec![line("a", 3_000, 100, 0), line("b", 2_000, 30, 0), weighed("c", 346, 1_890, 0)];
    let off = off(lines, vec![applied("A", 0, five, &[0, 1, 2])]);
    assert_eq!(off, [[(0, 150)], [(0, 60)], [(0, 17)]]);
}

#[test]
fn packs_count_whole_packs_and_a_fraction_stands_by_itself() {
    let mut packs = line("BEER", 3_500, 600, 0);
    packs.unit = Unit { base: BaseUnit::Piece, base_per_unit: 6 };
    assert_eq!(off(vec![packs.clone()], vec![applied("A", 0, n_for_m(3, 2), &[0])]), [[(0, 600)]]);
    let fixed = PromotionRule::FixedOff(Money(100));
    assert_eq!(off(vec![packs], vec![applied("A", 0, fixed, &[0])]), [[(0, 350)]]);
}

#[test]
fn a_million_pieces_cost_no_more_than_three() {
    let lines = vec![line("NAIL", 1_000_000_000_000_000, 1, 0)];
    assert_eq!(off(lines, vec![applied("A", 0, n_for_m(3, 2), &[0])]), [[(0, 333_333_333_333)]]);
}

fn promotion(id: &str, rule: PromotionRule, skus: &[&str]) -> Promotion {
    Promotion {
        id: id.into(),
        name: id.into(),
        priority: 0,
        rule,
        skus: skus.iter().map(|sku| Sku((*sku).into())).collect(),
        valid_from: UtcMs(10),
        valid_to: Some(UtcMs(20)),
    }
}

#[test]
fn checkout_keeps_those_that_are_in_force_and_took_part() {
    let inputs = sale(rules(), vec![line("CAKE", 3_000, 285, 0), line("TEA", 1_000, 349, 0)], vec![]);
    let all = [
        promotion("TEA-SET", n_for_m(2, 1), &["TEA"]),
        promotion("CAKE-SET", n_for_m(3, 2), &["CAKE"]),
        promotion("LATE-CAKE", PromotionRule::Percent(100_000), &["CAKE"]),
        promotion("MUGS", PromotionRule::Percent(100_000), &["MUG"]),
        promotion("REST", PromotionRule::Percent(100_000), &[]),
    ];
    let ids = |now| -> Vec<(String, Vec<u16>)> {
        judge(&inputs, &all, UtcMs(now)).unwrap().into_iter().map(|p| (p.id, p.lines)).collect()
    };
    assert_eq!(ids(9), []);
    assert_eq!(ids(20), []);
    let expected = [("CAKE-SET".to_owned(), vec![0]), ("REST".to_owned(), vec![0, 1])];
    assert_eq!(ids(10), expected);
}

#[test]
fn promotions_that_cannot_be_computed_are_refused() {
    let percent_of = |id: &str, lines: &[u16]| applied(id, 0, PromotionRule::Percent(1), lines);
    let stories = [
        ("a line that isn't there", vec![percent_of("A", &[1])]),
        ("a line twice", vec![percent_of("A", &[0, 0])]),
        ("out of order", vec![percent_of("B", &[0]), percent_of("A", &[0])]),
        ("twice", vec![percent_of("A", &[0]), percent_of("A", &[0])]),
        ("more than all", vec![applied("A", 0, PromotionRule::Percent(1_000_001), &[0])]),
        ("nothing is free", vec![applied("A", 0, n_for_m(2, 2), &[0])]),
        ("sets of none", vec![applied("A", 0, n_for_m(0, 0), &[0])]),
        ("less than nothing off", vec![applied("A", 0, PromotionRule::FixedOff(Money(-1)), &[0])]),
    ];
    for (story, promotions) in stories {
        let id = promotions.last().unwrap().id.clone();
        let inputs = SaleInputs { promotions, ..sale(rules(), vec![line("x", 1_000, 100, 0)], vec![]) };
        assert_eq!(total_due(&inputs), Err(Refusal::BadPromotion { promotion: id }), "{story}");
    }
}

#[test]
fn promotions_come_after_line_discounts() {
    let lines = vec![discounted(line("a", 1_000, 1_000, 0), &[percent(500_000)])];
    assert_eq!(off(lines, vec![applied("A", 0, PromotionRule::Percent(500_000), &[0])]), [[(0, 250)]]);
}
