//! Shifts: what they take, what they refuse, and the law that a Z is the sum of its documents (`model.md` I13).

use crate::shop::{card, cash, line, rules, sale, tender, weighed};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tradepost_commerce::document::*;
use tradepost_commerce::drawer::{BadCash, Cash, CashDirection, CashMove, Denomination};
use tradepost_commerce::money::{Currency, Money};
use tradepost_commerce::quantity::Quantity;
use tradepost_commerce::refund::{Return, lines_of, rules_of};
use tradepost_commerce::shift::{
    Close, ClosePolicy, LastZ, Numbered, OpenTender, Perpetual, Phase, Shift, ShiftRefusal, Z, business_day,
    documents,
};
use tradepost_commerce::tender_life::Settled;
use tradepost_commerce::{refund_due, ring_up, settle_refund, total_due};

const EUR: Currency = Currency::EUR;

fn open(float: i64) -> Shift {
    Shift::open(1, EUR, &[Cash::sum(EUR, Money(float))]).unwrap()
}

fn at(n: u64) -> Numbered<'static> {
    Numbered { id: u128::from(n).to_be_bytes(), series: "A", n, again: false }
}

fn sold(lines: Vec<LineInput>, tenders: Vec<Tender>) -> SaleDocument {
    let inputs = sale(rules(), lines, tenders);
    SaleDocument { outcome: ring_up(&inputs).unwrap(), inputs }
}

/// One piece for ten, paid so.
fn for_ten(tenders: Vec<Tender>) -> SaleDocument {
    sold(vec![line("MUG", 1_000, 1_000, 230_000)], tenders)
}

fn stored(amount: i64) -> Tender {
    Tender { state: TenderState::Stored, ..card(amount) }
}

fn moved(direction: CashDirection, amount: i64) -> CashMove {
    CashMove { direction, currency: EUR, amount: Money(amount), reason: "r".into(), approver: None }
}

fn count(total: i64) -> Close {
    Close { counts: vec![Cash::sum(EUR, Money(total))], ..Close::default() }
}

fn closed(mut shift: Shift, counted: i64) -> Z {
    shift.begin_closing().unwrap();
    shift.close(count(counted), ClosePolicy::default(), LastZ::default()).unwrap()
}

fn expected(shift: &Shift) -> i64 {
    shift.drawers()[0].expected().unwrap().0
}

#[test]
fn cash_moves_as_it_does_at_a_counter() {
    use CashDirection::{In, Out, SafeDrop};
    let mut shift = open(15_000);
    shift.sale(at(1), &for_ten(vec![cash(2_000)])).unwrap();
    assert_eq!(expected(&shift), 16_000, "the change is not in the drawer");
    for (direction, amount, then) in [(In, 500, 16_500), (Out, 1_240, 15_260), (SafeDrop, 10_000, 5_260)] {
        shift.cash(&moved(direction, amount)).unwrap();
        assert_eq!(expected(&shift), then, "{direction:?}");
    }
    let z = closed(shift, 5_255);
    let drawer = &z.drawers[0];
    assert_eq!((drawer.expected.0, drawer.counted.0, drawer.difference.0), (5_260, 5_255, -5));
}

#[test]
fn refusals_by_name_and_nothing_changed() {
    let in_dollars = Rules { currency: Currency::USD, ..rules() };
    let dollars = SaleInputs { rules: in_dollars, ..for_ten(vec![cash(1_000)]).inputs };
    let foreign = SaleDocument { outcome: ring_up(&dollars).unwrap(), inputs: dollars };
    type Story = (&'static str, fn(&mut Shift, &SaleDocument) -> Result<(), ShiftRefusal>, &'static str);
    let stories: [Story; 8] = [
        ("a number twice", |s, _| s.sale(at(1), &for_ten(vec![cash(1_000)])), "NUMBER_GAP"),
        ("a number left out", |s, _| s.sale(at(3), &for_ten(vec![cash(1_000)])), "NUMBER_GAP"),
        ("another currency", |s, usd| s.sale(at(2), usd), "WRONG_CURRENCY"),
        ("nothing to move", |s, _| s.cash(&moved(CashDirection::In, 0)), "BAD_AMOUNT"),
        ("more than is there", |s, _| s.cash(&moved(CashDirection::SafeDrop, 1_101)), "NOT_IN_DRAWER"),
        (
            "no reason",
            |s, _| s.cash(&CashMove { reason: " ".into(), ..moved(CashDirection::Out, 1) }),
            "REASON_MISSING",
        ),
        (
            "another currency's drawer is empty",
            |s, _| s.cash(&CashMove { currency: Currency::USD, ..moved(CashDirection::Out, 1) }),
            "NOT_IN_DRAWER",
        ),
        (
            "not counted yet",
            |s, _| s.close(count(0), ClosePolicy::default(), LastZ::default()).map(|_| ()),
            "SHIFT_NOT_CLOSING",
        ),
    ];
    for (story, ask, code) in stories {
        let mut shift = open(100);
        shift.sale(at(1), &for_ten(vec![cash(1_000)])).unwrap();
        let before = shift.clone();
        let refused = ask(&mut shift, &foreign).unwrap_err();
        assert_eq!((refused.code(), &shift), (code, &before), "{story}");
    }
}

#[test]
fn a_float_must_be_one() {
    let by = |value, count| vec![Denomination { value: Money(value), count }];
    let own = Cash::sum(EUR, Money(100));
    let stories: [(&str, Vec<Cash>, &str); 6] = [
        ("none", vec![], "FLOAT_MISSING"),
        ("only dollars", vec![Cash::sum(Currency::USD, Money(1))], "FLOAT_MISSING"),
        ("twice", vec![own.clone(), own.clone()], "CURRENCY_TWICE"),
        ("below nothing", vec![Cash::sum(EUR, Money(-1))], "BAD_CASH"),
        ("another sum", vec![Cash { by: by(50, 3), ..own.clone() }], "BAD_CASH"),
        ("a note of nothing", vec![Cash { by: by(0, 3), ..own }], "BAD_CASH"),
    ];
    for (story, floats, code) in stories {
        assert_eq!(Shift::open(1, EUR, &floats).unwrap_err().code(), code, "{story}");
    }
    let twice = [by(50, 1), by(50, 1)].concat();
    let refused = Cash::counted(EUR, twice).unwrap_err();
    assert_eq!(refused, BadCash::BadDenomination { value: Money(50) });
}

#[test]
fn nothing_is_sold_into_a_drawer_that_is_counted() {
    let mut shift = open(100);
    shift.begin_closing().unwrap();
    let refused = shift.sale(at(1), &for_ten(vec![cash(1_000)]));
    assert_eq!(refused, Err(ShiftRefusal::NotOpen { phase: Phase::Closing }));
    shift.close(count(100), ClosePolicy::default(), LastZ::default()).unwrap();
    let again = shift.close(count(100), ClosePolicy::default(), LastZ::default());
    assert_eq!(again, Err(ShiftRefusal::NotClosing { phase: Phase::Closed }));
    assert_eq!(shift.drawer_opened(), Err(ShiftRefusal::NotOpen { phase: Phase::Closed }));
}

#[test]
fn a_blind_count_is_told_nothing_and_a_big_difference_needs_a_manager() {
    let policy = ClosePolicy { blind: true, difference_max: Some(Money(50)) };
    let manager = Some(StaffId("m1".into()));
    let stories = [
        ("exact", 100, None, Ok(0)),
        ("a little over", 150, None, Ok(50)),
        ("a little short", 50, None, Ok(-50)),
        ("too much over", 151, None, Err("DIFFERENCE_NEEDS_APPROVAL")),
        ("too short", 49, None, Err("DIFFERENCE_NEEDS_APPROVAL")),
        ("too short, and allowed", 49, manager, Ok(-51)),
    ];
    for (story, counted, approver, outcome) in stories {
        let mut shift = open(100);
        shift.begin_closing().unwrap();
        assert_eq!(shift.expected(policy).unwrap(), None);
        let open_count = ClosePolicy { blind: false, ..policy };
        assert_eq!(shift.expected(open_count).unwrap(), Some(vec![Cash::sum(EUR, Money(100))]));
        let z = shift.close(Close { approver, ..count(counted) }, policy, LastZ::default());
        let told = z.map(|z| z.drawers[0].difference.0).map_err(|refusal| refusal.code());
        assert_eq!(told, outcome, "{story}");
    }
}

#[test]
fn foreign_notes_have_a_drawer_of_their_own_and_change_is_in_the_stores_money() {
    let notes = Foreign { currency: Currency::USD, amount: Money(2_000), rate: 900_000 };
    let dollars = Tender { foreign: Some(notes), ..tender(TenderKind::ForeignCash, 1_800) };
    let mut shift = open(1_000);
    shift.sale(at(1), &for_ten(vec![dollars])).unwrap();
    assert_eq!(expected(&shift), 200, "8.00 of change went out");
    assert_eq!(shift.drawers()[1].expected().unwrap(), Money(2_000));
    assert!(shift.report().balances());
    shift.begin_closing().unwrap();
    let missing = shift.close(count(200), ClosePolicy::default(), LastZ::default());
    assert_eq!(missing, Err(ShiftRefusal::CountMissing { currency: Currency::USD }));
    let counts = vec![
        Cash::sum(EUR, Money(200)),
        Cash::sum(Currency::USD, Money(1_900)),
        Cash::sum(Currency::JPY, Money(500)),
    ];
    let close = Close { counts, ..Close::default() };
    let z = shift.close(close, ClosePolicy::default(), LastZ::default()).unwrap();
    let told: Vec<(&str, i64)> =
        z.drawers.iter().map(|counted| (counted.drawer.currency.code(), counted.difference.0)).collect();
    assert_eq!(told, [("EUR", 0), ("USD", -100), ("JPY", 500)]);
}

#[test]
fn a_stored_card_is_unsettled_until_it_ends() {
    let stories = [
        ("captured", Settled::Captured, (1_000, 0, 0)),
        ("declined: the sale stands, and it is owed", Settled::Declined, (1_000, 0, 1_000)),
        ("never forwarded", Settled::Expired, (1_000, 0, 1_000)),
    ];
    for (story, how, (amount, unsettled, failed)) in stories {
        let mut shift = open(0);
        shift.sale(at(1), &for_ten(vec![stored(1_000)])).unwrap();
        let before = shift.report().tender(&TenderKind::Card).unwrap();
        assert_eq!((before.amount.0, before.unsettled.0), (1_000, 1_000));
        assert!(!shift.settled(at(9).id, 0, how).unwrap(), "another shift's");
        assert!(shift.settled(at(1).id, 0, how).unwrap());
        assert!(!shift.settled(at(1).id, 0, how).unwrap(), "it may be told twice");
        let row = shift.report().tender(&TenderKind::Card).unwrap();
        assert_eq!((row.amount.0, row.unsettled.0, row.failed.0), (amount, unsettled, failed), "{story}");
        assert!(shift.report().balances());
    }
}

#[test]
fn open_tenders_dont_keep_a_shift_from_closing() {
    let mut shift = open(0);
    shift.sale(at(1), &for_ten(vec![stored(1_000)])).unwrap();
    shift.begin_closing().unwrap();
    let unknown = OpenTender {
        object: [7; 16],
        index: 0,
        key: Some([8; 16]),
        kind: TenderKind::Card,
        amount: Money(5),
    };
    let close = Close { carts: vec![unknown.clone()], ..count(0) };
    let z = shift.close(close, ClosePolicy::default(), LastZ::default()).unwrap();
    assert_eq!(z.open_tenders.len(), 2);
    assert_eq!(z.open_tenders[1], unknown);
    assert!(shift.settled(at(1).id, 0, Settled::Declined).is_err(), "the Z stands whatever happens");
}

#[test]
fn numbers_and_totals_go_on_from_z_to_z() {
    let mut last =
        LastZ { z: 41, totals: Perpetual { sales: Money(500), refunds: Money(-50), documents: 3 } };
    for (z, n) in [(42, 1), (43, 2)] {
        let mut shift = open(0);
        shift.sale(at(n), &for_ten(vec![cash(1_000)])).unwrap();
        shift.begin_closing().unwrap();
        let made = shift.close(count(1_000), ClosePolicy::default(), last).unwrap();
        assert_eq!((made.z, made.before), (z, last.totals));
        last = LastZ { z: made.z, totals: made.after };
    }
    assert_eq!(last.totals, Perpetual { sales: Money(2_500), refunds: Money(-50), documents: 5 });
}

/// A till whose node died: its successor counts the drawer, and the late document takes back what was too much.
#[test]
fn a_recovered_shift_and_its_supplement_add_up() {
    let mut known = open(100);
    known.sale(at(1), &for_ten(vec![cash(1_000)])).unwrap();
    let recovered = closed(known, 2_100);
    assert_eq!(recovered.drawers[0].difference, Money(1_000), "cash of a sale that nobody knows of");
    let mut late = Shift::supplement(1, EUR, recovered.z);
    late.sale(at(2), &for_ten(vec![cash(1_000)])).unwrap();
    late.begin_closing().unwrap();
    let last = LastZ { z: recovered.z, totals: recovered.after };
    let policy = ClosePolicy { difference_max: Some(Money(0)), ..ClosePolicy::default() };
    let supplement = late.close(Close::default(), policy, last).unwrap();
    assert_eq!((supplement.z, supplement.supplement_of), (recovered.z + 1, Some(recovered.z)));
    assert_eq!(supplement.drawers[0].difference, Money(-1_000));
    assert_eq!(supplement.after.documents, 2);
}

/// Two branches of one stream printed the same numbers; what fell is said again, and every document is in the Z once.
#[test]
fn numbers_that_were_printed_twice_are_one_range_and_two_documents() {
    let mut shift = open(5_000);
    for n in [4, 5] {
        shift.sale(at(n), &for_ten(vec![cash(1_000)])).unwrap();
    }
    for n in [5, 6, 7] {
        let again = Numbered { again: true, ..at(n) };
        shift.sale(again, &for_ten(vec![cash(1_000)])).unwrap();
    }
    assert!(matches!(
        shift.sale(at(9), &for_ten(vec![cash(1_000)])),
        Err(ShiftRefusal::NumberGap { expected: 8, .. })
    ));
    let z = closed(shift, 10_000);
    assert_eq!((z.report.sales_count, documents(&z.report), z.after.documents), (5, 5, 5));
    let range = &z.report.series[0];
    assert_eq!((z.report.series.len(), range.first, range.last), (1, 4, 7));
    assert_eq!(z.drawers[0].expected, Money(10_000));
}

#[test]
fn vouchers_sold_are_no_turnover() {
    let voucher =
        LineInput { kind: LineKind::Liability { pool: "v".into() }, ..line("VOUCHER", 1_000, 2_500, 0) };
    let mut shift = open(0);
    let goods = line("TEA", 2_000, 349, 0);
    shift.sale(at(1), &sold(vec![voucher.clone(), goods], vec![card(3_198)])).unwrap();
    shift.sale(at(2), &sold(vec![voucher], vec![card(2_500)])).unwrap();
    let report = shift.report();
    assert_eq!((report.sales.0, report.liabilities_sold.0, report.units_sold), (698, 5_000, 2));
    assert_eq!((report.gross_before_discounts.0, report.taxes.len()), (698, 1));
    assert_eq!((report.taxes[0].sales_gross.0, report.net.0), (698, 698));
    assert!(report.balances());
}

#[test]
fn receivables_are_collected_beside_turnover() {
    let mut shift = open(0);
    let paid = Settlement {
        total: Money(1_003),
        cash_due: Money(1_005),
        cash_tendered: Money(2_000),
        change: Money(995),
        rounding: Money(2),
        other: Money(0),
    };
    shift.receivable(at(1), &paid, &[cash(2_000)]).unwrap();
    let (report, drawer) = (shift.report(), shift.drawers()[0]);
    assert_eq!((report.receivables_collected.0, report.sales.0, drawer.receivables.0), (1_003, 0, 1_005));
    assert_eq!((expected(&shift), documents(report)), (1_005, 1));
    assert!(report.balances());
}

#[test]
fn a_shift_belongs_to_the_day_it_was_opened() {
    let start = 4 * 60;
    for (minute, day) in [(0, 99), (start - 1, 99), (start, 100), (1_439, 100)] {
        assert_eq!(business_day(100, minute, start), day, "{minute}");
    }
}

#[test]
fn a_terminals_own_report_is_compared() {
    let mut shift = open(0);
    shift.sale(at(1), &for_ten(vec![card(1_000)])).unwrap();
    let told = shift.report().against(&[(TenderKind::Card, Money(900)), (TenderKind::VietQr, Money(5))]);
    let told: Vec<i64> = told.unwrap().iter().map(|row| row.difference.0).collect();
    assert_eq!(told, [-100, 5]);
}

/// One thing that happens in a shift.
#[derive(Clone, Debug)]
enum Act {
    Sell { pieces: i64, grams: i64, price: i64, card_ppm: i64, over: i64, stored: bool },
    GiveBack { which: usize, line: usize, by_card: bool },
    Cash { direction: CashDirection, amount: i64 },
    Settle { which: usize, paid: bool },
    Look,
}

fn any_act() -> impl Strategy<Value = Act> {
    use CashDirection::{In, Out, SafeDrop};
    let sell = (1..9_i64, 0..900_i64, 1..3_000_i64, 0..=1_000_000_i64, 0..30_i64, any::<bool>());
    prop_oneof![
        4 => sell.prop_map(|(pieces, grams, price, card_ppm, over, stored)| {
            Act::Sell { pieces, grams, price, card_ppm, over, stored }
        }),
        2 => (0..20_usize, 0..2_usize, any::<bool>())
            .prop_map(|(which, line, by_card)| Act::GiveBack { which, line, by_card }),
        1 => (prop::sample::select(vec![In, Out, SafeDrop]), -5..4_000_i64)
            .prop_map(|(direction, amount)| Act::Cash { direction, amount }),
        1 => (0..20_usize, any::<bool>()).prop_map(|(which, paid)| Act::Settle { which, paid }),
        1 => Just(Act::Look),
    ]
}

/// What the till did, kept beside the shift as plain lists.
#[derive(Default)]
struct Diary {
    sales: Vec<SaleDocument>,
    refunds: Vec<RefundDocument>,
    bases: Vec<BTreeMap<u16, Basis>>,
    ids: Vec<u64>,
    moved: i64,
    next: u64,
}

impl Diary {
    fn number(&mut self) -> Numbered<'static> {
        self.next += 1;
        at(self.next)
    }

    fn act(&mut self, shift: &mut Shift, act: &Act) {
        match *act {
            Act::Sell { pieces, grams, price, card_ppm, over, stored: keep } => {
                let mut lines = vec![line("P", pieces * 1_000, price, 230_000)];
                lines.extend((grams > 0).then(|| weighed("W", grams, price, 135_000)));
                let sold = pay(sale(rules(), lines, vec![]), card_ppm, over, keep);
                let which = self.number();
                shift.sale(which, &sold).unwrap();
                self.ids.push(which.n);
                self.sales.push(sold);
                self.bases.push(BTreeMap::new());
            }
            Act::GiveBack { which, line, by_card } => self.give_back(shift, which, line, by_card),
            Act::Cash { direction, amount } => {
                let done = shift.cash(&moved(direction, amount)).is_ok();
                let signed = if direction == CashDirection::In { amount } else { -amount };
                self.moved += if done { signed } else { 0 };
            }
            Act::Settle { which, paid } => {
                let how = if paid { Settled::Captured } else { Settled::Declined };
                let id = self.ids.get(which).copied().unwrap_or(9_999);
                shift.settled(at(id).id, 0, how).unwrap();
            }
            Act::Look => assert!(shift.report().balances()),
        }
    }

    fn give_back(&mut self, shift: &mut Shift, which: usize, line: usize, by_card: bool) {
        let Some(sale) = self.sales.get(which).cloned() else { return };
        let line = u16::try_from(line % sale.inputs.lines.len()).unwrap();
        let weighed = sale.inputs.lines[usize::from(line)].sku.0 == "W";
        let quantity = if weighed { sale.inputs.lines[usize::from(line)].quantity } else { Quantity(1_000) };
        let back = Return { line, quantity, condition: Condition::Resell, serials: vec![] };
        let Ok(lines) = lines_of(&sale, &[back], &self.bases[which]) else { return };
        let mut inputs = RefundInputs {
            rules: rules_of(&sale),
            original: None,
            lines,
            reason: "r".into(),
            tenders: vec![],
        };
        let due = refund_due(&inputs).unwrap();
        let whole = if by_card { card(due.total.0) } else { cash(due.cash_due.0) };
        inputs.tenders = if due.total.is_zero() { vec![] } else { vec![whole] };
        let refund = RefundDocument { outcome: settle_refund(&inputs).unwrap(), inputs };
        let after =
            tradepost_commerce::refund::basis_after(&refund.inputs.lines[0], &refund.outcome.lines[0]);
        self.bases[which].insert(line, after.unwrap());
        shift.refund(self.number(), &refund).unwrap();
        self.refunds.push(refund);
    }
}

fn pay(mut inputs: SaleInputs, card_ppm: i64, over: i64, keep: bool) -> SaleDocument {
    let due = total_due(&inputs).unwrap();
    let by_card = due.total.0 * card_ppm / 1_000_000;
    let by = if keep { stored(by_card) } else { card(by_card) };
    inputs.tenders = if by_card > 0 { vec![by] } else { vec![] };
    inputs.tenders.push(cash(due.total.0 - by_card + over));
    SaleDocument {
        outcome: ring_up(&inputs).unwrap_or_else(|_| ring_up(&exact(&mut inputs)).unwrap()),
        inputs,
    }
}

/// Rounds the cash up to whole steps.
fn exact(inputs: &mut SaleInputs) -> SaleInputs {
    for tender in inputs.tenders.iter_mut().filter(|tender| tender.kind == TenderKind::Cash) {
        tender.amount = Money((tender.amount.0 + 4) / 5 * 5);
    }
    inputs.clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// I13: whatever a till does, its Z is the sum of its documents, what was due is what was paid, and the
    /// drawer should hold what went into it.
    #[test]
    fn a_z_is_the_sum_of_its_documents(acts in prop::collection::vec(any_act(), 0..40), float in 0..20_000_i64) {
        let (mut shift, mut diary) = (open(float), Diary::default());
        for act in &acts {
            diary.act(&mut shift, act);
        }
        let z = closed(shift, 0);
        let report = &z.report;
        let sales = || diary.sales.iter().map(|sale| (&sale.outcome.settlement, sale.outcome.net, sale.outcome.tax));
        let refunds =
            || diary.refunds.iter().map(|back| (&back.outcome.settlement, back.outcome.net, back.outcome.tax));
        let all = || sales().chain(refunds());
        prop_assert!(report.balances());
        prop_assert_eq!(report.sales.0, sales().map(|s| s.0.total.0).sum::<i64>());
        prop_assert_eq!(report.refunds.0, refunds().map(|s| s.0.total.0).sum::<i64>());
        prop_assert_eq!(report.net.0, all().map(|s| s.1.0).sum::<i64>());
        prop_assert_eq!(report.tax.0, all().map(|s| s.2.0).sum::<i64>());
        prop_assert_eq!(report.rounding.0, all().map(|s| s.0.rounding.0).sum::<i64>());
        prop_assert_eq!(report.net.0 + report.tax.0, report.takings().unwrap().0);
        let rates: i64 = report.taxes.iter().map(|row| row.sales_tax.0 + row.refunds_tax.0).sum();
        prop_assert_eq!(rates, report.tax.0);
        prop_assert_eq!(documents(report), diary.next);
        let off = report.line_discounts.0 + report.promotions.0 + report.order_discounts.0;
        prop_assert_eq!(report.gross_before_discounts.0 - off, report.sales.0);
        let kept: i64 = all().map(|s| s.0.cash_due.0).sum();
        prop_assert_eq!(z.drawers[0].expected.0, float + kept + diary.moved);
        let cash = report.tender(&TenderKind::Cash).map_or(0, |row| row.amount.0);
        prop_assert_eq!(cash, kept);
        let waiting: i64 = z.open_tenders.iter().map(|open| open.amount.0).sum();
        prop_assert_eq!(report.tenders.iter().map(|row| row.unsettled.0).sum::<i64>(), waiting);
    }
}
