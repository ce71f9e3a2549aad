//! Rules 4–6 and exemption: what bears which tax, and how it comes back to the lines.

use crate::shop::{exclusive, line, rules, sale};
use tradepost_commerce::calc::Due;
use tradepost_commerce::document::{Exemption, LineInput, Rules, SaleInputs, Tax, TaxPolicy};
use tradepost_commerce::tax::{TaxRate, rate_at};
use tradepost_commerce::time::UtcMs;
use tradepost_commerce::total_due;

fn of(rules: Rules, lines: Vec<LineInput>) -> Due {
    total_due(&sale(rules, lines, vec![])).unwrap()
}

#[test]
fn a_groups_tax_comes_back_to_its_lines_by_largest_remainder() {
    let due = of(rules(), vec![line("TEE", 1_000, 1_799, 230_000), line("NUTS", 1_000, 654, 230_000)]);
    let lines: Vec<(i64, i64)> = due.lines.iter().map(|l| (l.net.0, l.tax.0)).collect();
    assert_eq!(lines, [(1_462, 337), (532, 122)]);
}

#[test]
fn equal_remainders_go_to_the_lower_line() {
    let due = of(exclusive(), vec![line("a", 1_000, 50, 10_000); 3]);
    let taxes: Vec<i64> = due.lines.iter().map(|l| l.tax.0).collect();
    assert_eq!((due.tax.0, taxes), (2, vec![1, 1, 0]));
}

#[test]
fn inclusive_and_exclusive_compute_one_side_and_subtract() {
    let stories = [
        ("inclusive", rules(), 1_590, [1_293, 297]),
        ("exclusive", exclusive(), 1_293, [1_293, 297]),
        ("inclusive, a tie", rules(), 123, [100, 23]),
        ("exclusive 8.875 %", exclusive(), 1_000, [1_000, 230]),
    ];
    for (story, rules, price, [net, tax]) in stories {
        let due = of(rules, vec![line("x", 1_000, price, 230_000)]);
        assert_eq!([due.net.0, due.tax.0], [net, tax], "{story}");
        assert_eq!(due.total.0, net + tax, "{story}");
    }
    assert_eq!(of(exclusive(), vec![line("x", 1_000, 1_000, 88_750)]).tax.0, 89);
}

#[test]
fn groups_are_one_a_category_and_rate_in_order() {
    let other = |category: &str| {
        let mut line = line("x", 1_000, 1_000, 50_000);
        line.tax.category = category.to_owned();
        line
    };
    let due = of(exclusive(), vec![other("b"), other("a"), other("b")]);
    let groups: Vec<(&str, i64)> = due.groups.iter().map(|g| (g.tax.category.as_str(), g.net.0)).collect();
    assert_eq!(groups, [("a", 1_000), ("b", 2_000)]);
}

fn exempt(rules: Rules) -> SaleInputs {
    let exemption = Some(Exemption { reason: "diplomat".into(), certificate: "D-77".into() });
    let lines =
        vec![line("a", 1_000, 1_799, 230_000), line("b", 1_000, 654, 230_000), line("c", 1_000, 100, 0)];
    SaleInputs { exemption, ..sale(rules, lines, vec![]) }
}

#[test]
fn an_exempt_customer_pays_the_net_of_the_inclusive_price() {
    for policy in [TaxPolicy::Group, TaxPolicy::Line] {
        let rules = Rules { tax_policy: policy, ..rules() };
        let taxed = total_due(&SaleInputs { exemption: None, ..exempt(rules.clone()) }).unwrap();
        let due = total_due(&exempt(rules)).unwrap();
        assert_eq!((due.net, due.tax.0, due.total), (taxed.net, 0, taxed.net));
        assert!(due.lines.iter().all(|line| line.tax.0 == 0));
        assert!(due.groups.iter().all(|group| group.tax.ppm == 0 && group.gross == group.net));
    }
    let due = total_due(&exempt(exclusive())).unwrap();
    assert_eq!((due.net.0, due.tax.0, due.total.0), (2_553, 0, 2_553));
}

#[test]
fn a_rate_holds_from_its_day_until_the_next_one() {
    let rate =
        |category: &str, ppm, from| TaxRate { category: category.into(), ppm, valid_from: UtcMs(from) };
    let rates =
        [rate("std", 100_000, 0), rate("std", 80_000, 10), rate("std", 100_000, 20), rate("low", 50_000, 5)];
    let stories = [
        ("std", 0, Some(100_000)),
        ("std", 10, Some(80_000)),
        ("std", 19, Some(80_000)),
        ("std", 20, Some(100_000)),
        ("low", 4, None),
        ("low", 5, Some(50_000)),
        ("none", 99, None),
    ];
    for (category, now, expected) in stories {
        let tax = rate_at(&rates, category, UtcMs(now));
        assert_eq!(tax, expected.map(|ppm| Tax { category: category.into(), ppm }), "{category} at {now}");
    }
}
