//! The golden store day as a whole, played through the pure core: shift, drawer, Z, stock, movements, accounts
//! and what the hub says outward; every figure against `tests/golden/day.json`.

use crate::golden_day::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tradepost_commerce::document::*;
use tradepost_commerce::drawer::{Cash, CashDirection, CashMove, Denomination};
use tradepost_commerce::money::{Currency, Money, Rounding, round_div};
use tradepost_commerce::shift::{Close, ClosePolicy, LastZ, Numbered, Shift, Z, documents};
use tradepost_commerce::shift_report::{RateTotals, Report};
use tradepost_commerce::tender_life::Settled;

/// A document of the day.
pub(crate) enum Paper {
    Sale(SaleDocument),
    Refund(RefundDocument),
}

/// The eight of them, with their numbers.
pub(crate) fn papers() -> Vec<(u64, Paper)> {
    vec![
        (101, Paper::Sale(sale_101())),
        (102, Paper::Sale(sale_102())),
        (103, Paper::Sale(sale_103())),
        (104, Paper::Sale(sale_104())),
        (105, Paper::Refund(refund_105())),
        (106, Paper::Sale(sale_106())),
        (107, Paper::Sale(sale_107())),
        (108, Paper::Sale(sale_108())),
    ]
}

pub(crate) fn id(n: u64) -> [u8; 16] {
    u128::from(n).to_be_bytes()
}

pub(crate) fn take(shift: &mut Shift, n: u64, paper: &Paper) {
    let which = Numbered { id: id(n), series: "A", n, again: false };
    match paper {
        Paper::Sale(sale) => shift.sale(which, sale).unwrap(),
        Paper::Refund(refund) => shift.refund(which, refund).unwrap(),
    }
}

fn day() -> Value {
    serde_json::from_str(DAY).unwrap()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn unsettled(shift: &Shift) -> i64 {
    shift.report().tender(&TenderKind::Card).map_or(0, |card| card.unsettled.0)
}

fn out(direction: CashDirection, amount: &Value, reason: &str) -> CashMove {
    let (currency, amount) = (Currency::EUR, Money(number(amount)));
    CashMove { direction, currency, amount, reason: reason.into(), approver: None }
}

/// The till's day up to the Z.
pub(crate) fn close_the_day() -> Z {
    let day = day();
    let float = Money(number(&day["shift"]["float"]));
    let mut shift = Shift::open(7, Currency::EUR, &[Cash::sum(Currency::EUR, float)]).unwrap();
    for (n, paper) in papers() {
        if n == 106 {
            assert_eq!(unsettled(&shift), day["unsettled_at"]["11:49"]);
            assert!(shift.settled(id(103), 0, Settled::Captured).unwrap());
            assert_eq!(unsettled(&shift), day["unsettled_at"]["11:51"]);
        }
        take(&mut shift, n, &paper);
        if n == 104 {
            shift.copy_printed().unwrap();
        }
    }
    let operations = day["operations"].as_array().unwrap();
    for operation in operations {
        if let Some(order) = operation.get("hand_out") {
            shift.handed_out(Money(number(&order["prepaid"]))).unwrap();
        }
        if let Some(amount) = operation.get("safe_drop") {
            shift.cash(&out(CashDirection::SafeDrop, amount, "safe")).unwrap();
            let paid = &operation["paid_out"];
            let reason = paid["reason"].as_str().unwrap();
            shift.cash(&out(CashDirection::Out, &paid["amount"], reason)).unwrap();
        }
    }
    shift.begin_closing().unwrap();
    let by = [(5_000, 2), (2_000, 1), (1_000, 1), (500, 1), (200, 1), (100, 1), (10, 1)];
    let by = by.map(|(value, count)| Denomination { value: Money(value), count }).to_vec();
    let count = Cash::counted(Currency::EUR, by).unwrap();
    let last = LastZ { z: u32::try_from(number(&day["z"]["previous"])).unwrap(), ..LastZ::default() };
    let close = Close { counts: vec![count], ..Close::default() };
    shift.close(close, ClosePolicy::default(), last).unwrap()
}

fn rates(report: &Report, of: impl Fn(&RateTotals) -> Money) -> Value {
    report.taxes.iter().map(|row| (row.tax.ppm.to_string(), Value::from(of(row).0))).collect()
}

/// As [`rates`], without the rates that no refund had.
fn refunds(report: &Report, of: impl Fn(&RateTotals) -> Money) -> Value {
    let back = report.taxes.iter().filter(|row| !row.refunds_gross.is_zero());
    back.map(|row| (row.tax.ppm.to_string(), Value::from(of(row).0))).collect()
}

/// What `day.json` says of the Z, said of ours.
fn told(z: &Z) -> Value {
    let report = &z.report;
    let (drawer, series) = (&z.drawers[0], &report.series[0]);
    let tender = |kind| report.tender(&kind).unwrap();
    json!({
        "no": z.z, "previous": z.z - 1, "first": series.first, "last": series.last,
        "documents": documents(report),
        "sales_count": report.sales_count, "refunds_count": report.refunds_count,
        "sales": report.sales.0, "refunds": report.refunds.0, "takings": report.takings().unwrap().0,
        "net": report.net.0, "total_tax": report.tax.0, "rounding": report.rounding.0,
        "cash_net": tender(TenderKind::Cash).amount.0, "card": tender(TenderKind::Card).amount.0,
        "card_unsettled": tender(TenderKind::Card).unsettled.0, "open_tenders": z.open_tenders.len(),
        "expected_drawer": drawer.expected.0, "counted": drawer.counted.0,
        "difference": drawer.difference.0,
        "tax_sales": rates(report, |row| row.sales_tax),
        "tax_refunds": refunds(report, |row| row.refunds_tax),
        "tax_net": rates(report, |row| row.sales_tax.plus(row.refunds_tax).unwrap()),
        "gross_sales": rates(report, |row| row.sales_gross),
        "gross_refunds": refunds(report, |row| row.refunds_gross),
        "gross_net": rates(report, |row| row.sales_gross.plus(row.refunds_gross).unwrap()),
        "gross_before_discounts": report.gross_before_discounts.0,
        "line_discounts": report.line_discounts.0, "promotions": report.promotions.0,
        "order_discounts": report.order_discounts.0,
        "units_sold": report.units_sold, "units_returned": report.units_returned,
        "weighed_lines": report.weighed_lines, "weighed_g": report.weighed_units,
        "prepaid_handed_out": { "count": report.prepaid_count, "amount": report.prepaid_amount.0 },
        "drawer_openings": report.drawer_openings, "copies": report.copies,
        "balanced": report.balances(),
    })
}

#[test]
fn the_z_of_the_day_is_exact() {
    let z = close_the_day();
    assert_eq!(told(&z), day()["z"]);
    assert_eq!(z.after.sales, z.report.sales);
    assert_eq!((z.after.refunds, z.after.documents), (z.report.refunds, 8));
}

#[test]
fn the_drawer_adds_up() {
    let z = close_the_day();
    let counted = &z.drawers[0];
    let drawer = &counted.drawer;
    let by_receipt: Vec<Value> = papers()
        .iter()
        .map(|(n, paper)| match paper {
            Paper::Sale(sale) => (*n, sale.outcome.settlement.cash_due),
            Paper::Refund(refund) => (*n, refund.outcome.settlement.cash_due),
        })
        .filter(|(_, cash)| !cash.is_zero())
        .map(|(n, cash)| json!([n, cash.0]))
        .collect();
    let told = json!({
        "float": drawer.float.0, "sales": drawer.sales.0, "refunds": drawer.refunds.0,
        "paid_in": drawer.paid_in.0, "paid_out": drawer.paid_out.0, "safe_drops": drawer.safe_drops.0,
        "receivables": drawer.receivables.0, "expected": counted.expected.0,
        "counted": counted.counted.0, "difference": counted.difference.0,
        "cash_by_receipt": by_receipt,
    });
    assert_eq!(told, day()["drawer"]);
}

/// The trap of the day: a Z that computed tax from its own sums would be a cent off.
#[test]
fn tax_computed_from_sums_would_be_wrong() {
    let (z, day) = (close_the_day(), day());
    let again = |gross: Money, ppm: u32| {
        round_div(i128::from(gross.0) * i128::from(ppm), i128::from(1_000_000 + ppm), Rounding::default())
            .unwrap()
    };
    for row in &z.report.taxes {
        let ppm = row.tax.ppm;
        for (trap, gross, right) in [
            ("recomputed_from_sales", row.sales_gross, row.sales_tax),
            (
                "recomputed_from_takings",
                row.sales_gross.plus(row.refunds_gross).unwrap(),
                row.sales_tax.plus(row.refunds_tax).unwrap(),
            ),
        ] {
            let Some(wrong) = day["traps"][trap].get(ppm.to_string()) else { continue };
            assert_eq!((again(gross, ppm), right.0), (number(wrong), number(wrong) + 1), "{trap} {ppm}");
        }
    }
}

/// One movement row: why, of what, how much in base units.
type Move = (&'static str, String, i64);

fn units(unit: &tradepost_commerce::quantity::Unit, quantity: tradepost_commerce::quantity::Quantity) -> i64 {
    unit.to_base(quantity).unwrap().0
}

fn moves_of(paper: &Paper) -> Vec<Move> {
    match paper {
        Paper::Sale(sale) => {
            let sold = |line: &LineInput| ("sales", line.sku.0.clone(), -units(&line.unit, line.quantity));
            sale.inputs.lines.iter().map(sold).collect()
        }
        Paper::Refund(refund) => refund.inputs.lines.iter().flat_map(back).collect(),
    }
}

fn back(line: &RefundLineInput) -> Vec<Move> {
    let n = units(&line.unit, line.quantity);
    let returned = ("refund_returns", line.sku.0.clone(), n);
    match line.condition {
        Condition::Resell => vec![returned],
        Condition::Waste => vec![returned, ("waste", line.sku.0.clone(), -n)],
    }
}

/// What the day's other work moved before the count.
fn moves_of_operation(operation: &Value) -> Vec<Move> {
    let one = |why, sku: &str, n| vec![(why, sku.to_owned(), n)];
    if let Some(transfer) = operation.get("transfer_out") {
        return one("transfer_out", "TEA", -number(&transfer["TEA"]));
    }
    if let Some(delivery) = operation.get("receive") {
        return one("receipt", "CAKE", number(&delivery["CAKE"]["got"]));
    }
    if let Some(order) = operation.get("hand_out") {
        return one("pick_up", "TEE", -number(&order["TEE"]));
    }
    Vec::new()
}

#[test]
fn stock_and_movements_come_out() {
    let day = day();
    let operations = day["operations"].as_array().unwrap();
    let mut moves: Vec<Move> = papers().iter().flat_map(|(_, paper)| moves_of(paper)).collect();
    moves.extend(operations.iter().flat_map(moves_of_operation));
    let mut stock: BTreeMap<String, i64> = BTreeMap::new();
    for product in day["master"]["products"].as_array().unwrap() {
        stock.insert(product["sku"].as_str().unwrap().into(), number(&product["opening"]));
    }
    for (sku, told) in day["stock_moves"].as_object().unwrap() {
        let ours: Vec<i64> = moves.iter().filter(|(_, of, _)| of == sku).map(|(_, _, n)| *n).collect();
        assert_eq!(json!(ours), *told, "{sku}");
        *stock.get_mut(sku).unwrap() += ours.iter().sum::<i64>();
    }
    assert_eq!(json!(stock), day["stock_book"]);
    let count = operations.iter().find_map(|operation| operation.get("count")).unwrap();
    for (sku, found) in count.as_object().unwrap() {
        let variance = number(found) - stock[sku];
        assert_eq!(variance, day["count_variances"][sku], "{sku}");
        if variance != 0 {
            moves.push(("stock_take", sku.clone(), variance));
        }
        stock.insert(sku.clone(), number(found));
    }
    let nuts = stock.remove("NUTS").unwrap();
    stock.insert("NUTS_g".into(), nuts);
    assert_eq!(json!(stock), day["stock"]);
    let mut rows: BTreeMap<&str, i64> = BTreeMap::new();
    moves.iter().for_each(|(why, _, _)| *rows.entry(why).or_default() += 1);
    assert_eq!(json!(rows), day["movements"]);
    assert_eq!(json!(moves.len()), day["movements_s1"]);
}

#[test]
fn what_arrives_elsewhere_comes_out() {
    let day = day();
    let operations = day["operations"].as_array().unwrap();
    let of = |name: &str| operations.iter().find_map(|operation| operation.get(name)).unwrap();
    let arrived = &of("transfer_in")["TEA"];
    assert_eq!(arrived["sent"], of("transfer_out")["TEA"]);
    let in_s2 = number(&day["master"]["opening_s2"]["TEA"]) + number(&arrived["got"]);
    assert_eq!(in_s2, day["stock_s2"]["TEA"]);
    assert_eq!(number(&arrived["sent"]) - number(&arrived["got"]), day["in_transit_loss"]["TEA"]);
    let cake = &of("receive")["CAKE"];
    assert_eq!(number(&cake["ordered"]) - number(&cake["got"]), day["open_order"]["CAKE"]);
}

/// Payments that the hub speaks of: one a captured or cash tender, and one a settlement.
#[test]
fn the_hub_speaks_of_each_payment_once() {
    let mut told = BTreeMap::from([("order_created", 0), ("order_refunded", 0), ("payments_card", 1)]);
    for (_, paper) in papers() {
        let (what, tenders) = match &paper {
            Paper::Sale(sale) => ("order_created", &sale.inputs.tenders),
            Paper::Refund(refund) => ("order_refunded", &refund.inputs.tenders),
        };
        *told.entry(what).or_default() += 1;
        for tender in tenders.iter().filter(|tender| tender.state == TenderState::Captured) {
            let kind = match (&tender.kind, tender.amount.0 < 0) {
                (TenderKind::Card, _) => "payments_card",
                (_, false) => "payments_cash_in",
                (_, true) => "payments_cash_out",
            };
            *told.entry(kind).or_default() += 1;
        }
    }
    let payments = told["payments_card"] + told["payments_cash_in"] + told["payments_cash_out"];
    told.insert("payments", payments);
    // One order, its payments (cash at once, the card when it settles), and two a line.
    let sale = sale_103();
    let facts = 1 + sale.inputs.tenders.len() + 2 * sale.inputs.lines.len();
    told.insert("of_receipt_103", i64::try_from(facts).unwrap());
    assert_eq!(json!(told), day()["hub_events"]);
}

/// The journal of the day (`facts.md` §4): each entry sums to nothing, and the drawer ends as counted.
#[test]
fn the_accounts_balance() {
    let (z, day) = (close_the_day(), day());
    let (report, counted) = (&z.report, &z.drawers[0]);
    let sum = |entry: &Value| entry.as_object().unwrap().values().map(number).sum::<i64>();
    let tender = |kind| report.tender(&kind).unwrap().amount.0;
    let sales = json!({
        "cash": tender(TenderKind::Cash), "card": tender(TenderKind::Card),
        "revenue": -report.net.0, "vat": -report.tax.0, "rounding": -report.rounding.0,
    });
    let out = counted.drawer.paid_out.0 + counted.drawer.safe_drops.0 + counted.difference.0;
    let drawer = json!({
        "over_short": -counted.difference.0, "expenses": -counted.drawer.paid_out.0,
        "safe": -counted.drawer.safe_drops.0, "cash": out,
    });
    assert_eq!((sum(&sales), sum(&drawer)), (0, 0));
    assert_eq!((&sales, &drawer), (&day["accounts"]["sales"], &day["accounts"]["drawer"]));
    let end = counted.drawer.float.0 + tender(TenderKind::Cash) + out;
    assert_eq!((json!(end), end), (day["accounts"]["cash_at_end"].clone(), counted.counted.0));
    assert_eq!(sum(&day["accounts"]["hand_out"]), 0);
}
