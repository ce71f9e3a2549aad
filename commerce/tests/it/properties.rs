//! The laws: documents add up whatever is in them, refunds never exceed, nothing panics.

use crate::shop::{card, cash, coupon, discounted, fixed, line, percent, rules, sale, weighed};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tradepost_commerce::calc::Due;
use tradepost_commerce::document::*;
use tradepost_commerce::money::{Currency, Money, Rounding, allocate, round_div};
use tradepost_commerce::quantity::{BaseUnit, Quantity, Unit};
use tradepost_commerce::refund::{Return, basis_after, lines_of, rules_of};
use tradepost_commerce::{
    Engine, RefundRefusal, refund_due, ring_up, ring_up_with, settle_refund, settle_refund_with, total_due,
};

const RATES: [u32; 6] = [0, 50_000, 80_000, 88_750, 135_000, 230_000];

fn any_rules() -> impl Strategy<Value = Rules> {
    let currencies = prop_oneof![
        Just((Currency::EUR, 1)),
        Just((Currency::EUR, 5)),
        Just((Currency::EUR, 10)),
        Just((Currency::VND, 500)),
        Just((Currency::VND, 1_000)),
        Just((Currency::KWD, 5)),
        Just((Currency::JPY, 1)),
    ];
    (currencies, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |((currency, step), incl, even, per_line)| Rules {
            currency,
            cash_step: Money(step),
            prices_include_tax: incl,
            rounding: if even { Rounding::HalfEven } else { Rounding::HalfAwayFromZero },
            tax_policy: if per_line { TaxPolicy::Line } else { TaxPolicy::Group },
            ..rules()
        },
    )
}

fn any_discount() -> impl Strategy<Value = Discount> {
    prop_oneof![(0..=1_000_000_u32).prop_map(percent), (0..5_000_i64).prop_map(fixed)]
}

fn any_line() -> impl Strategy<Value = LineInput> {
    let kinds = (1..40_i64, 1..5_000_i64, 0..9_000_i64, prop::sample::select(&RATES[..]), 0..4_u8);
    (kinds, prop::collection::vec(any_discount(), 0..3)).prop_map(
        |((pieces, grams, price, ppm, kind), discounts)| {
            let line = match kind {
                0 => weighed("W", grams, price, ppm),
                1 => LineInput { label_amount: Some(Money(price / 2)), ..weighed("L", grams, price, ppm) },
                _ => line("P", pieces * 1_000, price, ppm),
            };
            discounted(line, &discounts)
        },
    )
}

fn any_rule() -> impl Strategy<Value = PromotionRule> {
    prop_oneof![
        (1..5_u32)
            .prop_flat_map(|take| (Just(take), 0..take))
            .prop_map(|(take, pay)| PromotionRule::NForM { take, pay }),
        (0..=1_000_000_u32).prop_map(PromotionRule::Percent),
        (0..3_000_i64).prop_map(|amount| PromotionRule::FixedOff(Money(amount))),
    ]
}

/// A sale that makes sense, without tenders.
fn any_sale() -> impl Strategy<Value = SaleInputs> {
    let parts = (
        any_rules(),
        prop::collection::vec(any_line(), 1..8),
        prop::collection::vec((any_rule(), any::<u8>()), 0..3),
        prop::collection::vec(any_discount(), 0..2),
        prop::option::of(0..4_000_i64),
        prop::option::weighted(0.1, Just(())),
    );
    parts.prop_map(|(rules, lines, promotions, mut order_discounts, coupons, exempt)| {
        let promotions = (0..).zip(promotions).map(|(priority, (rule, mask))| AppliedPromotion {
            id: format!("P{priority}"),
            name: String::new(),
            priority,
            rule,
            lines: (0..8_u16).filter(|i| mask >> i & 1 == 1 && usize::from(*i) < lines.len()).collect(),
        });
        let promotions = promotions.collect();
        order_discounts.extend(coupons.map(coupon));
        let exemption = exempt.map(|()| Exemption { reason: "r".into(), certificate: "c".into() });
        SaleInputs { promotions, order_discounts, exemption, ..sale(rules, lines, vec![]) }
    })
}

fn sum(amounts: impl Iterator<Item = Money>) -> i64 {
    amounts.map(|amount| amount.0).sum()
}

fn check_lines(inputs: &SaleInputs, due: &Due) -> Result<(), TestCaseError> {
    for (input, line) in inputs.lines.iter().zip(&due.lines) {
        let off = sum(line.discounts.iter().copied())
            + sum(line.promotions.iter().map(|p| p.1))
            + sum(line.order_shares.iter().copied());
        prop_assert_eq!(line.base.0 - off, line.amount.0);
        prop_assert!(line.amount.0 >= 0 && line.net.0 >= 0 && line.tax.0 >= 0, "{line:?}");
        prop_assert_eq!(line.discounts.len(), input.discounts.len());
        prop_assert_eq!(line.order_shares.len(), inputs.order_discounts.len());
        if inputs.rules.prices_include_tax && inputs.exemption.is_none() {
            prop_assert_eq!(line.net.0 + line.tax.0, line.amount.0);
        }
    }
    Ok(())
}

fn check_groups(due: &Due) -> Result<(), TestCaseError> {
    prop_assert_eq!(sum(due.lines.iter().map(|l| l.net)), due.net.0);
    prop_assert_eq!(sum(due.lines.iter().map(|l| l.tax)), due.tax.0);
    prop_assert_eq!(sum(due.groups.iter().map(|g| g.net)), due.net.0);
    prop_assert_eq!(sum(due.groups.iter().map(|g| g.amount)), due.tax.0);
    prop_assert_eq!(sum(due.groups.iter().map(|g| g.gross)), due.total.0);
    prop_assert!(due.groups.is_sorted_by(|a, b| a.tax < b.tax));
    Ok(())
}

/// A document of the sale, paid partly by card and the rest in cash.
fn paid(mut inputs: SaleInputs, due: &Due, card_ppm: i64, over: i64) -> SaleDocument {
    let by_card = due.total.0 * card_ppm / 1_000_000;
    inputs.tenders = if by_card > 0 { vec![card(by_card)] } else { vec![] };
    inputs.tenders.push(cash(due.total.0 - by_card + over * inputs.rules.cash_step.0));
    SaleDocument { outcome: ring_up(&inputs).unwrap(), inputs }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn lines_add_up_to_the_document(inputs in any_sale()) {
        let due = total_due(&inputs).unwrap();
        check_lines(&inputs, &due)?;
        check_groups(&due)?;
        prop_assert_eq!(total_due(&inputs).unwrap(), due);
    }

    #[test]
    fn i13_holds_for_every_payment(
        inputs in any_sale(), card_ppm in 0..=1_000_000_i64, over in 0..40_i64,
    ) {
        let due = total_due(&inputs).unwrap();
        let sale = paid(inputs, &due, card_ppm, over + 1);
        let (paid, step) = (sale.outcome.settlement, sale.inputs.rules.cash_step.0);
        let tenders = sum(sale.inputs.tenders.iter().map(|t| t.amount));
        prop_assert_eq!(sale.outcome.net.0 + sale.outcome.tax.0, paid.total.0);
        prop_assert_eq!(paid.total.0 + paid.rounding.0, tenders - paid.change.0);
        prop_assert_eq!(paid.total.0 + paid.rounding.0, paid.other.0 + paid.cash_due.0);
        prop_assert!(paid.rounding.0.abs() * 2 <= step);
        prop_assert!(paid.change.0 >= 0 && paid.change.0 % step == 0);
    }

    #[test]
    fn a_hundred_percent_off_is_exactly_nothing(inputs in any_sale(), on_lines in any::<bool>()) {
        let mut inputs = inputs;
        if on_lines {
            inputs.lines.iter_mut().for_each(|line| line.discounts.push(percent(1_000_000)));
        } else {
            inputs.order_discounts.insert(0, percent(1_000_000));
        }
        let due = total_due(&inputs).unwrap();
        prop_assert_eq!((due.net.0, due.tax.0, due.total.0, due.cash_due.0), (0, 0, 0, 0));
        prop_assert!(due.lines.iter().all(|l| l.amount.0 == 0 && l.tax.0 == 0));
        prop_assert!(ring_up(&inputs).is_ok(), "nothing needs no tender");
    }

    #[test]
    fn shares_add_up_and_stay_within_one_of_exact(
        total in any::<i64>(), weights in prop::collection::vec(0..i64::MAX, 0..20),
    ) {
        let money: Vec<Money> = weights.iter().copied().map(Money).collect();
        let shares = allocate(Money(total), &money);
        let all: i128 = weights.iter().map(|w| i128::from(*w)).sum();
        let expected = if all == 0 { 0 } else { i128::from(total) };
        prop_assert_eq!(shares.iter().map(|s| i128::from(s.0)).sum::<i128>(), expected);
        for (share, weight) in shares.iter().zip(&weights) {
            let floor = (i128::from(total).abs() * i128::from(*weight)).checked_div(all).unwrap_or(0);
            let size = i128::from(share.0).abs();
            prop_assert!(size == floor || size == floor + 1);
            prop_assert!(*weight > 0 || size == 0);
        }
    }

    #[test]
    fn rounding_mirrors_and_is_never_off_by_more_than_half(
        num in any::<i64>(), den in 1..i64::MAX, even in any::<bool>(),
    ) {
        let mode = if even { Rounding::HalfEven } else { Rounding::HalfAwayFromZero };
        let (num, den) = (i128::from(num), i128::from(den));
        let whole = i128::from(round_div(num, den, mode).unwrap());
        prop_assert!((whole * den - num).abs() * 2 <= den);
        if let Ok(mirrored) = round_div(-num, den, mode) {
            prop_assert_eq!(i128::from(mirrored), -whole);
        }
    }

    /// On one basis, units that come back one by one give exactly the line, and never more on the way.
    #[test]
    fn the_last_refund_takes_the_rest(inputs in any_sale(), steps in prop::collection::vec(1..9_i64, 1..9)) {
        let due = total_due(&inputs).unwrap();
        let sale = paid(inputs, &due, 0, 1);
        for (index, (input, line)) in (0..).zip(sale.inputs.lines.iter().zip(&sale.outcome.lines)) {
            let grain = if input.unit.base == BaseUnit::Piece { 1_000 } else { 1 };
            let mut basis = Basis::default();
            let mut steps = steps.iter().cycle();
            while basis.quantity < input.quantity {
                let left = input.quantity.0 - basis.quantity.0;
                let step = (steps.next().unwrap() * grain * (1 + input.quantity.0 / 20_000)).min(left);
                // Long weighed lines come back in bigger parts, so that the story ends.
                let step = if grain == 1 { (step * 97).min(left) } else { step };
                basis = give_back(&sale, index, Quantity(step), basis)?;
                prop_assert!(basis.net <= line.net);
                prop_assert!(basis.net.0 + basis.tax.0 <= line.net.0 + line.tax.0);
                prop_assert!(basis.tax <= line.tax);
            }
            prop_assert_eq!((basis.net, basis.tax), (line.net, line.tax));
            let more = Return { line: index, quantity: Quantity(grain), condition: Condition::Resell, serials: vec![] };
            let refused = lines_of(&sale, &[more], &BTreeMap::from([(index, basis)]));
            let too_much = matches!(refused, Err(RefundRefusal::MoreThanSold { .. }));
            prop_assert!(too_much);
        }
    }

    /// Partitioned refunds that know nothing of each other are each at most one minor unit beyond their share.
    #[test]
    fn refunds_on_old_bases_stray_by_at_most_one_each(
        net in 0..100_000_i64, tax in 0..20_000_i64, sold in 1..30_i64, inclusive in any::<bool>(),
    ) {
        let one = single(net, tax.min(net), sold, Basis::default());
        let rules = Rules { prices_include_tax: inclusive, ..rules() };
        let inputs = RefundInputs { rules, original: None, lines: vec![one], reason: "r".into(), tenders: vec![] };
        let due = refund_due(&inputs).unwrap();
        prop_assert!((-due.total.0 * sold - (net + tax.min(net))).abs() <= sold);
    }

    /// Whatever a refund's inputs hold: an answer or a refusal, and never a figure above nothing.
    #[test]
    fn no_refund_panics_or_takes_money(inputs in wild_refund()) {
        for engine in [Engine::V1, Engine::PlantedForTests] {
            let _ = settle_refund_with(engine, &inputs);
        }
        let _ = settle_refund(&inputs);
        if let Ok(due) = refund_due(&inputs) {
            prop_assert!(due.lines.iter().all(|l| l.net.0 <= 0 && l.tax.0 <= 0));
            prop_assert!(due.total.0 <= 0);
        }
    }

    /// Whatever a sale's inputs hold: an answer or a refusal.
    #[test]
    fn no_sale_panics(inputs in wild_sale()) {
        for engine in [Engine::V1, Engine::PlantedForTests] {
            let _ = ring_up_with(engine, &inputs);
        }
        if let Ok(due) = total_due(&inputs) {
            check_lines(&inputs, &due)?;
            check_groups(&due)?;
        }
    }
}

fn give_back(
    sale: &SaleDocument,
    line: u16,
    quantity: Quantity,
    basis: Basis,
) -> Result<Basis, TestCaseError> {
    let back = Return { line, quantity, condition: Condition::Resell, serials: vec![] };
    let lines = lines_of(sale, &[back], &BTreeMap::from([(line, basis)])).unwrap();
    let mut inputs =
        RefundInputs { rules: rules_of(sale), original: None, lines, reason: "r".into(), tenders: vec![] };
    inputs.tenders = vec![cash(refund_due(&inputs).unwrap().cash_due.0)];
    let outcome = settle_refund(&inputs).unwrap();
    prop_assert!(outcome.lines[0].net.0 <= 0 && outcome.lines[0].tax.0 <= 0);
    Ok(basis_after(&inputs.lines[0], &outcome.lines[0]).unwrap())
}

fn single(net: i64, tax: i64, sold: i64, basis: Basis) -> RefundLineInput {
    RefundLineInput {
        line: None,
        sku: Sku("x".into()),
        name: String::new(),
        unit: Unit::piece(),
        tax: Tax { category: "c".into(), ppm: 1 },
        sold: Quantity(sold * 1_000),
        sold_net: Money(net),
        sold_tax: Money(tax),
        quantity: Quantity(1_000),
        condition: Condition::Resell,
        basis,
        serials: vec![],
        kind: LineKind::Goods,
        price_source: None,
    }
}

/// Any integer, the edges often.
fn wild() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        prop::sample::select(vec![i64::MIN, i64::MIN + 1, -1, 0, 1, 999, 1_000, i64::MAX - 1, i64::MAX]),
        0..100_000_i64,
    ]
}

fn wild_unit() -> impl Strategy<Value = Unit> {
    let base = prop::sample::select(vec![BaseUnit::Piece, BaseUnit::Gram]);
    let sizes = prop_oneof![Just(1_u32), Just(1_000), Just(0), any::<u32>()];
    (base, sizes).prop_map(|(base, base_per_unit)| Unit { base, base_per_unit })
}

fn wild_discount() -> impl Strategy<Value = Discount> {
    let kind = prop_oneof![
        any::<u32>().prop_map(DiscountKind::Percent),
        wild().prop_map(|m| DiscountKind::Fixed(Money(m)))
    ];
    (kind, any::<bool>()).prop_map(|(kind, coupon)| Discount {
        kind,
        coupon: coupon.then(String::new),
        ..percent(0)
    })
}

fn wild_line() -> impl Strategy<Value = LineInput> {
    let parts = (
        wild(),
        wild(),
        any::<u32>(),
        wild_unit(),
        prop::option::of(wild()),
        prop::collection::vec(wild_discount(), 0..2),
    );
    parts.prop_map(|(quantity, price, ppm, unit, label, discounts)| LineInput {
        unit,
        label_amount: label.map(Money),
        ..discounted(line("x", quantity, price, ppm), &discounts)
    })
}

fn wild_rule() -> impl Strategy<Value = PromotionRule> {
    prop_oneof![
        (any::<u32>(), any::<u32>()).prop_map(|(take, pay)| PromotionRule::NForM { take, pay }),
        (2..5_u32).prop_map(|take| PromotionRule::NForM { take, pay: 1 }),
        any::<u32>().prop_map(PromotionRule::Percent),
        wild().prop_map(|amount| PromotionRule::FixedOff(Money(amount))),
    ]
}

fn wild_tender() -> impl Strategy<Value = Tender> {
    let foreign = (wild(), any::<u64>()).prop_map(|(amount, rate)| Foreign {
        currency: Currency::USD,
        amount: Money(amount),
        rate,
    });
    (wild(), 0..3_u8, prop::option::of(foreign)).prop_map(|(amount, kind, foreign)| {
        let kind = [TenderKind::Cash, TenderKind::Card, TenderKind::ForeignCash][usize::from(kind)].clone();
        Tender { foreign, ..crate::shop::tender(kind, amount) }
    })
}

fn wild_sale() -> impl Strategy<Value = SaleInputs> {
    let parts = (
        any_rules(),
        wild(),
        prop::collection::vec(wild_line(), 0..4),
        prop::collection::vec((wild_rule(), prop::collection::vec(0..4_u16, 0..3)), 0..3),
        prop::collection::vec(wild_discount(), 0..2),
        prop::collection::vec(wild_tender(), 0..3),
    );
    parts.prop_map(|(rules, step, lines, promotions, order_discounts, tenders)| SaleInputs {
        order_discounts,
        promotions: (0..)
            .zip(promotions)
            .map(|(priority, (rule, lines))| AppliedPromotion {
                id: String::new(),
                name: String::new(),
                priority,
                rule,
                lines,
            })
            .collect(),
        ..sale(Rules { cash_step: Money(step), ..rules }, lines, tenders)
    })
}

fn wild_refund_line() -> impl Strategy<Value = RefundLineInput> {
    ((wild(), wild(), wild(), wild()), (wild(), wild(), wild()), wild_unit(), prop::option::of(0..3_u16))
        .prop_map(|((sold, net, tax, quantity), (seen, seen_net, seen_tax), unit, line)| RefundLineInput {
            line,
            unit,
            sold: Quantity(sold),
            sold_net: Money(net),
            sold_tax: Money(tax),
            quantity: Quantity(quantity),
            basis: Basis { quantity: Quantity(seen), net: Money(seen_net), tax: Money(seen_tax) },
            ..single(0, 0, 1, Basis::default())
        })
}

fn wild_refund() -> impl Strategy<Value = RefundInputs> {
    let lines = prop::collection::vec(wild_refund_line(), 0..4);
    let tenders = prop::collection::vec(wild_tender(), 0..3);
    (any_rules(), wild(), lines, tenders).prop_map(|(rules, step, lines, tenders)| RefundInputs {
        rules: Rules { cash_step: Money(step), ..rules },
        original: None,
        lines,
        reason: String::new(),
        tenders,
    })
}
