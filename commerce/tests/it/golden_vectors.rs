//! The golden vectors of `money.md`: bugs that other systems really had.

use crate::shop::{card, discounted, exclusive, line, percent, rules, sale};
use tradepost_commerce::document::{LineInput, Rules, SaleOutcome, TaxPolicy};
use tradepost_commerce::ring_up;

/// Where it was seen, the rules, the lines; net, tax and total.
type Vector = (&'static str, Rules, Vec<LineInput>, [i64; 3]);

fn vectors() -> Vec<Vector> {
    let per_line = |rules: Rules| Rules { tax_policy: TaxPolicy::Line, ..rules };
    let odoo_6224 = || {
        vec![
            line("a", 4_000, 148, 210_000),
            line("b", 1_000, 152, 210_000),
            line("c", 1_000, 154, 210_000),
            line("d", 1_000, 39, 210_000),
        ]
    };
    let house = || vec![line("TEE", 1_000, 1_799, 230_000), line("NUTS", 1_000, 654, 230_000)];
    let less = |price, ppm| vec![discounted(line("x", 1_000, price, 230_000), &[percent(ppm)])];
    vec![
        (
            "Medusa #14818",
            exclusive(),
            vec![line("a", 1_000, 2_499, 107_500), line("b", 1_000, 644, 0)],
            [3_143, 269, 3_412],
        ),
        (
            "Odoo #230726",
            rules(),
            vec![line("a", 1_000, 2_890, 220_000), line("b", 1_000, 125, 100_000)],
            [2_483, 532, 3_015],
        ),
        ("Odoo #6224", exclusive(), odoo_6224(), [937, 197, 1_134]),
        ("Odoo #6224, line policy", per_line(exclusive()), odoo_6224(), [937, 196, 1_133]),
        ("Odoo #36732", rules(), less(230, 50_000), [177, 41, 218]),
        ("Odoo #166699", rules(), less(82_900, 960_190), [2_683, 617, 3_300]),
        ("Saleor #12040", rules(), less(1_999, 250_000), [1_219, 280, 1_499]),
        ("ERPNext #52001", rules(), less(130_000, 1_000_000), [0, 0, 0]),
        (
            "Woo-Android #12496",
            rules(),
            vec![line("a", 2_000, 1, 230_000), line("b", 1_000, 1_600, 230_000)],
            [1_302, 300, 1_602],
        ),
        ("Vendure #2662", rules(), vec![line("a", 10_000, 3_823, 200_000)], [31_858, 6_372, 38_230]),
        (
            "Vendure #2662 (2026 comment)",
            exclusive(),
            vec![line("a", 1_000, 16_402, 26_000)],
            [16_402, 426, 16_828],
        ),
        ("commercetools docs", exclusive(), vec![line("a", 3_000, 108, 190_000)], [324, 62, 386]),
        ("house", rules(), house(), [1_994, 459, 2_453]),
        ("house, line policy", per_line(rules()), house(), [1_995, 458, 2_453]),
    ]
}

#[test]
fn every_vector_comes_out_exactly() {
    for (seen_in, rules, lines, expected) in vectors() {
        let outcome = paid_by_card(&rules, lines, expected[2]);
        let totals = [outcome.net.0, outcome.tax.0, outcome.settlement.total.0];
        assert_eq!(totals, expected, "{seen_in}");
    }
}

/// Rule 11: the terminal gets the very integer that the document has.
fn paid_by_card(rules: &Rules, lines: Vec<LineInput>, total: i64) -> SaleOutcome {
    let tenders = if total == 0 { vec![] } else { vec![card(total)] };
    let outcome = ring_up(&sale(rules.clone(), lines, tenders)).unwrap();
    assert_eq!(outcome.settlement.other, outcome.settlement.total);
    assert_eq!(outcome.settlement.rounding.0, 0);
    outcome
}

#[test]
fn odoo_230726_has_both_taxes_right() {
    let lines = vec![line("a", 1_000, 2_890, 220_000), line("b", 1_000, 125, 100_000)];
    let taxes: Vec<i64> = paid_by_card(&rules(), lines, 3_015).groups.iter().map(|g| g.amount.0).collect();
    assert_eq!(taxes, [11, 521]);
}

#[test]
fn odoo_36732_takes_off_the_rounded_discount_once() {
    let lines = vec![discounted(line("x", 1_000, 230, 230_000), &[percent(50_000)])];
    let outcome = paid_by_card(&rules(), lines, 218);
    assert_eq!((outcome.lines[0].discounts[0].0, outcome.lines[0].amount.0), (12, 218));
}

#[test]
fn erpnext_52001_is_nothing_everywhere() {
    let lines = vec![discounted(line("x", 1_000, 130_000, 230_000), &[percent(1_000_000)])];
    let outcome = paid_by_card(&rules(), lines, 0);
    let line = &outcome.lines[0];
    assert_eq!([line.amount.0, line.net.0, line.tax.0, outcome.groups[0].gross.0], [0; 4]);
}
