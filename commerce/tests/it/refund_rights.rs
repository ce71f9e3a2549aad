//! Refunds that meet: what is honest, what is an overrun, voids and exchanges.

use crate::golden_day::{sale_101, sale_102, sale_103};
use crate::shop::{card, cash, line, rules, sale, tender};
use std::collections::BTreeMap;
use tradepost_commerce::document::*;
use tradepost_commerce::money::Money;
use tradepost_commerce::quantity::Quantity;
use tradepost_commerce::refund::{Return, lines_of, rules_of};
use tradepost_commerce::refund_right::{
    RefundOverrun, VoidRefusal, exchange, left, merged, overruns, receivable, share_out, void, within_cap,
};
use tradepost_commerce::tender_life::Settled;
use tradepost_commerce::{refund_due, ring_up, settle_refund};

/// A cash refund of pieces of one line on a basis.
fn back(sale: &SaleDocument, line: u16, pieces: i64, before: &BTreeMap<u16, Basis>) -> RefundDocument {
    let quantity = Quantity(pieces * 1_000);
    let returns = [Return { line, quantity, condition: Condition::Resell, serials: vec![] }];
    let lines = lines_of(sale, &returns, before).unwrap();
    let mut inputs =
        RefundInputs { rules: rules_of(sale), original: None, lines, reason: "r".into(), tenders: vec![] };
    inputs.tenders = vec![cash(refund_due(&inputs).unwrap().cash_due.0)];
    RefundDocument { outcome: settle_refund(&inputs).unwrap(), inputs }
}

fn of_pieces(pieces: i64, total: i64) -> SaleDocument {
    let lines = vec![LineInput { label_amount: Some(Money(total)), ..line("P", pieces * 1_000, 0, 230_000) }];
    let inputs = sale(rules(), lines, vec![card(total)]);
    SaleDocument { outcome: ring_up(&inputs).unwrap(), inputs }
}

#[test]
fn partitioned_refunds_merge_as_the_design_says() {
    let none = BTreeMap::new();
    let over = |units: i64, amount| {
        vec![RefundOverrun { line: 0, units: Quantity(units * 1_000), amount: Money(amount) }]
    };
    let three = of_pieces(3, 1_000);
    let one = back(&three, 0, 1, &none);
    let two = back(&three, 0, 2, &none);
    let stories = [
        ("two nodes, 1 of 3 each, both honest", vec![&one, &one], vec![]),
        ("three nodes, one minor unit under", vec![&one, &one, &one], vec![]),
        ("1 and 2 of 3", vec![&one, &two], vec![]),
        ("2 and 2 of 3: one over", vec![&two, &two], over(1, 334)),
        ("four times 1 of 3", vec![&one, &one, &one, &one], over(1, 332)),
    ];
    for (story, refunds, expected) in stories {
        assert_eq!(overruns(&three, &refunds).unwrap(), expected, "{story}");
    }
}

/// Three nodes give back 6.67 each of three at 20.00: a minor unit beyond, and nobody's fault.
#[test]
fn what_an_older_basis_strays_by_is_no_overrun() {
    let sale = of_pieces(3, 2_000);
    let one = back(&sale, 0, 1, &BTreeMap::new());
    let sum = merged([&one, &one, &one]).unwrap()[&0];
    assert_eq!(sum.net.0 + sum.tax.0, 2_001);
    assert_eq!(overruns(&sale, &[&one, &one, &one]).unwrap(), []);
}

/// One MUG of #101 on each of two nodes: tax 2.98 of 2.97, booked without a word.
#[test]
fn two_mugs_of_101_on_two_nodes_are_honest() {
    let sale = sale_101();
    let one = back(&sale, 0, 1, &BTreeMap::new());
    let sum = merged([&one, &one]).unwrap()[&0];
    assert_eq!((sum.tax, sale.outcome.lines[0].tax), (Money(298), Money(297)));
    assert_eq!(overruns(&sale, &[&one, &one]).unwrap(), []);
    let rest = left(&sale, &merged([&one]).unwrap()).unwrap();
    assert_eq!(rest, [(0, Quantity(1_000)), (1, Quantity(1_000)), (2, Quantity(3_000))]);
}

#[test]
fn a_line_the_sale_never_had_is_all_overrun() {
    let sale = of_pieces(3, 999);
    let mut stranger = back(&sale, 0, 1, &BTreeMap::new());
    stranger.inputs.lines[0].line = Some(5);
    let expected = RefundOverrun { line: 5, units: Quantity(1_000), amount: Money(333) };
    assert_eq!(overruns(&sale, &[&stranger]).unwrap(), [expected]);
}

fn original() -> OriginalSale {
    OriginalSale { sale_id: [1; 16], series: "A".into(), n: 1, store: None }
}

#[test]
fn a_void_gives_everything_back_to_the_same_tenders() {
    for (story, sale) in [("card", sale_101()), ("cash, rounded", sale_102()), ("card and cash", sale_103())]
    {
        let inputs = void(&sale, original(), true, &BTreeMap::new(), "mistake").unwrap();
        let outcome = settle_refund(&inputs).unwrap();
        let (there, again) = (&sale.outcome.settlement, &outcome.settlement);
        assert_eq!(again.total.0, -there.total.0, "{story}");
        assert_eq!((again.cash_due.0, again.rounding.0), (-there.cash_due.0, -there.rounding.0), "{story}");
        assert_eq!((again.other.0, outcome.tax.0), (-there.other.0, -sale.outcome.tax.0), "{story}");
        let to: Vec<Option<u16>> = inputs.tenders.iter().map(|tender| tender.original).collect();
        assert_eq!(to, (0..).map(Some).take(to.len()).collect::<Vec<_>>(), "{story}");
    }
}

#[test]
fn only_a_whole_sale_of_the_same_shift_is_voided() {
    let sale = sale_101();
    let refused = void(&sale, original(), false, &BTreeMap::new(), "r");
    assert_eq!(refused, Err(VoidRefusal::OtherShift));
    let before = merged([&back(&sale, 0, 1, &BTreeMap::new())]).unwrap();
    assert_eq!(void(&sale, original(), true, &before, "r"), Err(VoidRefusal::RefundedBefore));
}

#[test]
fn an_exchange_is_zero_in_sum() {
    for (given_back, bought, settled) in [(1_000, 1_500, 1_000), (1_500, 1_000, 1_000), (700, 700, 700)] {
        let (out, paid) = exchange(Money(given_back), Money(bought)).unwrap();
        assert_eq!((out.amount.0, paid.amount.0), (-settled, settled));
    }
    let sale = of_pieces(1, 700);
    let inputs = back(&sale, 0, 1, &BTreeMap::new()).inputs;
    let (out, paid) = exchange(Money(700), Money(995)).unwrap();
    let refund = settle_refund(&RefundInputs { tenders: vec![out], ..inputs }).unwrap();
    assert_eq!(refund.settlement.cash_due, Money(0));
    let new = crate::shop::sale(rules(), vec![line("Q", 1_000, 995, 230_000)], vec![paid, cash(300)]);
    let outcome = ring_up(&new).unwrap();
    assert_eq!((outcome.settlement.cash_due.0, outcome.settlement.change.0), (295, 5));
}

#[test]
fn money_goes_back_to_what_waits_first() {
    let paid = [(0, Money(2_130)), (1, Money(2_000))];
    let stories = [
        ("within the stored card", 1_500, vec![(1, Money(1_500))], 0),
        ("beyond it", 3_000, vec![(1, Money(2_000)), (0, Money(1_000))], 0),
        ("beyond both", 5_000, vec![(1, Money(2_000)), (0, Money(2_130))], 870),
    ];
    for (story, due, parts, rest) in stories {
        assert_eq!(share_out(Money(due), &paid, &[1]).unwrap(), (parts, Money(rest)), "{story}");
    }
}

#[test]
fn what_a_bank_refuses_is_owed() {
    use Settled::{Captured, Confirmed, Declined, Expired, Missing};
    for (how, owed) in [(Captured, 0), (Confirmed, 0), (Declined, 2_000), (Expired, 2_000), (Missing, 2_000)]
    {
        assert_eq!(receivable(Money(2_000), how), Money(owed), "{how:?}");
    }
}

#[test]
fn a_return_without_a_receipt_has_a_cap() {
    let sale = of_pieces(1, 700);
    let mut lines = back(&sale, 0, 1, &BTreeMap::new()).inputs.lines;
    assert!(within_cap(&lines, Money(-700), Money(0)).is_ok(), "with its receipt there is no cap");
    lines[0].line = None;
    assert!(within_cap(&lines, Money(-700), Money(700)).is_ok());
    let refused = within_cap(&lines, Money(-700), Money(699)).unwrap_err();
    assert_eq!(refused.code(), "MORE_THAN_PAID");
}

/// Foreign notes go back as they came, or the drawer of their currency would be off.
#[test]
fn a_void_gives_foreign_notes_back() {
    let usd = tradepost_commerce::money::Currency::USD;
    let notes = Foreign { currency: usd, amount: Money(2_000), rate: 900_000 };
    let dollars = Tender { foreign: Some(notes), ..tender(TenderKind::ForeignCash, 1_800) };
    let lines = vec![line("P", 1_000, 1_800, 230_000)];
    let inputs = sale(rules(), lines, vec![dollars]);
    let sale = SaleDocument { outcome: ring_up(&inputs).unwrap(), inputs };
    let inputs = void(&sale, original(), true, &BTreeMap::new(), "r").unwrap();
    assert_eq!(inputs.tenders[0].foreign.unwrap().amount, Money(-2_000));
    assert!(settle_refund(&inputs).is_ok());
    let lines = vec![line("P", 1_000, 1_000, 230_000)];
    let overpaid = SaleInputs { lines, ..sale.inputs };
    let sale = SaleDocument { outcome: ring_up(&overpaid).unwrap(), inputs: overpaid };
    let refused = void(&sale, original(), true, &BTreeMap::new(), "r");
    assert_eq!(refused, Err(VoidRefusal::ChangeGiven { change: Money(800) }));
}
