//! Rule 9 and `facts.md` §4: cumulative shares, bases as seen, and refunds that can't be.

use crate::shop::{card, cash, exclusive, line, rules, sale, tender};
use std::collections::BTreeMap;
use tradepost_commerce::document::*;
use tradepost_commerce::money::Money;
use tradepost_commerce::quantity::{Quantity, Unit};
use tradepost_commerce::refund::{Return, basis_after, lines_of, rules_of};
use tradepost_commerce::{RefundRefusal, refund_due, ring_up, settle_refund};

fn of(sold: i64, net: i64, tax: i64, asked: i64, basis: Basis) -> RefundLineInput {
    RefundLineInput {
        line: Some(0),
        sku: Sku("x".into()),
        name: "x".into(),
        unit: Unit::piece(),
        tax: Tax { category: "standard".into(), ppm: 230_000 },
        sold: Quantity(sold * 1_000),
        sold_net: Money(net),
        sold_tax: Money(tax),
        quantity: Quantity(asked * 1_000),
        condition: Condition::Resell,
        basis,
        serials: vec![],
        kind: LineKind::Goods,
        price_source: None,
    }
}

fn seen(units: i64, net: i64, tax: i64) -> Basis {
    Basis { quantity: Quantity(units * 1_000), net: Money(net), tax: Money(tax) }
}

fn refund(rules: Rules, lines: Vec<RefundLineInput>, tenders: Vec<Tender>) -> RefundInputs {
    RefundInputs { rules, original: None, lines, reason: "r".into(), tenders }
}

#[test]
fn shares_are_cumulative_and_the_last_takes_the_rest() {
    // 2 MUG of #101: 15.90, tax 2.97; 1 of 3 at 10.00.
    let stories = [
        ("first mug", rules(), of(2, 1_293, 297, 1, seen(0, 0, 0)), [-646, -149]),
        ("second mug", rules(), of(2, 1_293, 297, 1, seen(1, 646, 149)), [-647, -148]),
        ("both at once", rules(), of(2, 1_293, 297, 2, seen(0, 0, 0)), [-1_293, -297]),
        ("second mug on an older basis", rules(), of(2, 1_293, 297, 1, seen(0, 0, 0)), [-646, -149]),
        ("one of three", rules(), of(3, 1_000, 0, 1, seen(0, 0, 0)), [-333, 0]),
        ("the second of three", rules(), of(3, 1_000, 0, 1, seen(1, 333, 0)), [-334, 0]),
        ("the last of three", rules(), of(3, 1_000, 0, 1, seen(2, 667, 0)), [-333, 0]),
        ("after two partitioned thirds", rules(), of(3, 1_000, 0, 1, seen(2, 666, 0)), [-334, 0]),
        ("exclusive", exclusive(), of(3, 1_000, 230, 1, seen(0, 0, 0)), [-333, -77]),
        ("exclusive, the last", exclusive(), of(3, 1_000, 230, 1, seen(2, 667, 153)), [-333, -77]),
        ("an older basis gave a cent too much", exclusive(), of(4, 100, 2, 1, seen(3, 75, 3)), [-25, 0]),
    ];
    for (story, rules, line, expected) in stories {
        let due = refund_due(&refund(rules, vec![line], vec![])).unwrap();
        assert_eq!([due.net.0, due.tax.0], expected, "{story}");
        assert_eq!(due.total.0, expected[0] + expected[1], "{story}");
    }
}

#[test]
fn what_cannot_come_back_is_refused_with_its_numbers() {
    let ok = || of(3, 1_000, 230, 1, seen(2, 667, 153));
    let weird = |change: fn(&mut RefundLineInput)| {
        let mut line = ok();
        change(&mut line);
        vec![line]
    };
    let more = RefundRefusal::MoreThanSold {
        line: 0,
        sold: Quantity(3_000),
        refunded: Quantity(2_000),
        asked: Quantity(2_000),
    };
    let stories = [
        (vec![], RefundRefusal::EmptyRefund),
        (weird(|l| l.quantity = Quantity(2_000)), more),
        (weird(|l| l.quantity = Quantity(0)), RefundRefusal::BadQuantity { line: 0, quantity: Quantity(0) }),
        (weird(|l| l.quantity = Quantity(500)), RefundRefusal::NotWhole { line: 0, quantity: Quantity(500) }),
        (weird(|l| l.basis.net = Money(-1)), RefundRefusal::BadBasis { line: 0 }),
        (weird(|l| l.sold_tax = Money(-1)), RefundRefusal::BadBasis { line: 0 }),
        (vec![of(3, 9, 1, 1, seen(0, 0, 0)); 2], RefundRefusal::BasisNotChained { line: 1 }),
    ];
    for (lines, refusal) in stories {
        let refused = settle_refund(&refund(rules(), lines, vec![]));
        assert_eq!(refused, Err(refusal.clone()));
        assert!(refusal.code().chars().all(|c| c.is_ascii_uppercase() || c == '_'));
    }
    let mut unknown = refund(rules(), vec![ok()], vec![]);
    unknown.rules.calc = 7;
    assert_eq!(settle_refund(&unknown), Err(RefundRefusal::UnknownCalc { calc: 7 }));
}

#[test]
fn money_goes_out_as_due_rounded_for_cash_and_mirrored() {
    let pay = |total, tenders| {
        let refund = refund(rules(), vec![of(1, total, 0, 1, seen(0, 0, 0))], tenders);
        settle_refund(&refund).map(|outcome| outcome.settlement)
    };
    let stories = [
        ("in steps", 1_080, vec![cash(-1_080)], [-1_080, 0]),
        ("-1.03 goes out as -1.05", 103, vec![cash(-105)], [-105, -2]),
        ("or in exact coins", 103, vec![cash(-103)], [-103, 0]),
        ("to the card", 103, vec![card(-103)], [0, 0]),
        ("card first, the rest in cash", 1_003, vec![card(-500), cash(-505)], [-505, -2]),
        ("nothing is due", 0, vec![], [0, 0]),
        ("an exchange", 103, vec![tender(TenderKind::Exchange, -103)], [0, 0]),
    ];
    for (story, total, tenders, [cash_due, rounding]) in stories {
        let settlement = pay(total, tenders).unwrap();
        assert_eq!([settlement.cash_due.0, settlement.rounding.0], [cash_due, rounding], "{story}");
        assert_eq!((settlement.cash_tendered.0, settlement.change.0), (cash_due, 0), "{story}");
        let given = settlement.other.0 + settlement.cash_tendered.0;
        assert_eq!(settlement.total.0 + settlement.rounding.0, given, "{story}: I13");
    }
    let more = |asked, paid| RefundRefusal::MoreThanPaid { asked: Money(asked), paid: Money(paid) };
    let short = |due, given| RefundRefusal::ShortPayout { due: Money(due), given: Money(given) };
    let stories = [
        (103, vec![cash(-110)], more(110, 105)),
        (103, vec![card(-104)], more(104, 103)),
        (103, vec![cash(-100)], short(105, 100)),
        (103, vec![], short(103, 0)),
        (103, vec![card(-100), cash(0)], short(5, 0)),
        (103, vec![cash(105)], RefundRefusal::BadTender { tender: 0, amount: Money(105) }),
    ];
    for (total, tenders, refusal) in stories {
        assert_eq!(pay(total, tenders), Err(refusal));
    }
    let asked = Tender { state: TenderState::Requested, ..card(-103) };
    let refusal = RefundRefusal::TenderNotTaken { tender: 0, state: TenderState::Requested };
    assert_eq!(pay(103, vec![asked]), Err(refusal));
}

fn sold(rules: Rules) -> SaleDocument {
    let mut phone = line("PHONE", 3_000, 19_999, 230_000);
    phone.serials = vec!["A1".into(), "A2".into(), "A3".into()];
    let inputs = sale(rules, vec![line("MUG", 3_000, 795, 230_000), phone], vec![cash(1_000_000)]);
    SaleDocument { outcome: ring_up(&inputs).unwrap(), inputs }
}

fn back(line: u16, pieces: i64, condition: Condition) -> Return {
    Return { line, quantity: Quantity(pieces * 1_000), condition, serials: vec![] }
}

#[test]
fn one_line_may_come_back_in_two_states_and_the_entries_build_on_each_other() {
    for rules in [rules(), exclusive()] {
        let sale = sold(rules);
        let returns = [back(0, 1, Condition::Resell), back(0, 2, Condition::Waste)];
        let lines = lines_of(&sale, &returns, &BTreeMap::new()).unwrap();
        let due = refund_due(&refund(rules_of(&sale), lines.clone(), vec![])).unwrap();
        let whole = &sale.outcome.lines[0];
        assert_eq!((due.net.0, due.tax.0), (-whole.net.0, -whole.tax.0));
        let after = basis_after(&lines[1], &due.lines[1]).unwrap();
        assert_eq!(after, Basis { quantity: Quantity(3_000), net: whole.net, tax: whole.tax });
        let third = [back(0, 1, Condition::Resell)];
        let refused = lines_of(&sale, &third, &BTreeMap::from([(0, after)]));
        assert!(matches!(refused, Err(RefundRefusal::MoreThanSold { .. })));
    }
}

#[test]
fn lines_and_serials_must_be_of_the_sale() {
    let sale = sold(rules());
    let of = |line, serial: &str| Return { serials: vec![serial.into()], ..back(line, 1, Condition::Resell) };
    let lines = |back: Return| lines_of(&sale, &[back], &BTreeMap::new());
    assert_eq!(lines(of(1, "A2")).unwrap()[0].serials, ["A2"]);
    let stranger = RefundRefusal::UnknownSerial { line: 0, serial: "B9".into() };
    assert_eq!(lines(of(1, "B9")), Err(stranger));
    assert_eq!(lines(of(2, "A1")), Err(RefundRefusal::NoSuchLine { line: 2 }));
}

#[test]
fn a_refund_of_an_exempt_sale_gives_back_no_tax() {
    let exemption = Some(Exemption { reason: "diplomat".into(), certificate: "D-77".into() });
    let mut inputs = sale(rules(), vec![line("MUG", 2_000, 795, 230_000)], vec![card(1_293)]);
    inputs.exemption = exemption;
    let sale = SaleDocument { outcome: ring_up(&inputs).unwrap(), inputs };
    let lines = lines_of(&sale, &[back(0, 1, Condition::Resell)], &BTreeMap::new()).unwrap();
    let due = refund_due(&refund(rules_of(&sale), lines, vec![])).unwrap();
    assert_eq!((due.net.0, due.tax.0, due.groups[0].tax.ppm), (-647, 0, 0));
}
