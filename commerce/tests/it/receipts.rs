//! Receipts as printed, from the stored document alone.

use crate::shop::{card, cash, coupon, discounted, exclusive, line, percent, rules, sale, weighed};
use std::collections::BTreeMap;
use tradepost_commerce::document::*;
use tradepost_commerce::money::{Currency, Money};
use tradepost_commerce::quantity::Quantity;
use tradepost_commerce::receipt::{COLUMNS, Head, of_refund, of_sale, render_html, render_text};
use tradepost_commerce::refund::{Return, lines_of, rules_of};
use tradepost_commerce::settings::Language;
use tradepost_commerce::{Engine, ring_up, ring_up_with, settle_refund};

fn head() -> Head {
    Head {
        header: vec!["Corner Shop".into()],
        footer: vec!["Thank you".into()],
        number: "S1-R1-102".into(),
        when: "2026-03-02 09:20".into(),
        till: "R1".into(),
        cashier: Some("anna".into()),
        ..Head::default()
    }
}

fn document(inputs: SaleInputs) -> SaleDocument {
    SaleDocument { outcome: ring_up(&inputs).unwrap(), inputs }
}

fn sale_102() -> SaleDocument {
    let tee = discounted(line("T-shirt", 1_000, 1_999, 230_000), &[percent(100_000)]);
    document(sale(rules(), vec![tee, weighed("Nuts, loose", 346, 1_890, 230_000)], vec![cash(3_000)]))
}

#[test]
fn receipt_102_prints_as_it_was_sold() {
    let expected = "
               Corner Shop
                 Receipt
S1-R1-102                 2026-03-02 09:20
Till R1 · anna
------------------------------------------
T-shirt                              19.99
  Discount 10 %                      -2.00
Nuts, loose
  0.346 kg x 18.90                    6.54
------------------------------------------
TOTAL EUR                            24.53
Cash rounding                         0.02
Cash                                 30.00
Change                                5.45
------------------------------------------
Tax                Net       Tax     Gross
23 %             19.94      4.59     24.53
------------------------------------------
                Thank you
";
    let receipt = of_sale(&head(), &sale_102()).unwrap();
    assert_eq!(format!("\n{}", render_text(&receipt, COLUMNS)), expected);
}

#[test]
fn vietnamese_receipts_line_up_and_have_no_decimals() {
    let rules = Rules { currency: Currency::VND, cash_step: Money(500), ..rules() };
    let mut milk = line("Sữa tươi tiệt trùng Đà Lạt không đường hộp giấy", 2_000, 32_300, 80_000);
    milk.name = milk.sku.0.clone();
    let inputs =
        SaleInputs { order_discounts: vec![coupon(5_000)], ..sale(rules, vec![milk], vec![cash(60_000)]) };
    let head =
        Head { language: Language::Vi, copy: Some(2), header: vec!["Tạp hóa Minh".into()], ..head() };
    let receipt = of_sale(&head, &document(inputs)).unwrap();
    let expected = "
               Tạp hóa Minh
             Hóa đơn bán hàng
            *** BẢN SAO 2 ***
S1-R1-102                 2026-03-02 09:20
Quầy R1 · anna
------------------------------------------
Sữa tươi tiệt trùng Đà Lạt không đường hộp
giấy
  2 x 32300                          64600
------------------------------------------
Tạm tính                             64600
Phiếu giảm giá C5                    -5000
TỔNG CỘNG VND                        59600
Làm tròn tiền mặt                     -100
Tiền mặt                             60000
Tiền thối                              500
------------------------------------------
Thuế         Chưa thuế      Thuế   Có thuế
8 %              55185      4415     59600
------------------------------------------
                Thank you
";
    assert_eq!(format!("\n{}", render_text(&receipt, COLUMNS)), expected);
    let narrow = render_text(&receipt, 32);
    assert!(narrow.lines().all(|line| line.chars().count() <= 32), "{narrow}");
    assert!(narrow.contains("8 %\n     55185      4415     59600\n"), "{narrow}");
}

#[test]
fn a_refund_prints_what_went_back() {
    let sale = sale_102();
    let back = Return { line: 0, quantity: Quantity(1_000), condition: Condition::Resell, serials: vec![] };
    let original = OriginalSale { sale_id: [7; 16], series: "S1-R1".into(), n: 102, store: None };
    let inputs = RefundInputs {
        rules: rules_of(&sale),
        original: Some(original),
        lines: lines_of(&sale, &[back], &BTreeMap::new()).unwrap(),
        reason: "r".into(),
        tenders: vec![cash(-1_800)],
    };
    let refund = RefundDocument { outcome: settle_refund(&inputs).unwrap(), inputs };
    let text = render_text(&of_refund(&head(), &refund).unwrap(), COLUMNS);
    for row in [
        "For receipt: S1-R1-102",
        "T-shirt                             -17.99",
        "REFUND EUR                          -17.99",
        "Cash rounding                        -0.01",
        "Cash                                -18.00",
        "23 %            -14.62     -3.37    -17.99",
    ] {
        assert!(text.lines().any(|line| line == row), "{row}\n{text}");
    }
}

#[test]
fn exempt_and_exclusive_receipts_explain_their_totals() {
    let exemption = Some(Exemption { reason: "diplomat".into(), certificate: "D-77".into() });
    let inputs =
        SaleInputs { exemption, ..sale(rules(), vec![line("Mug", 1_000, 795, 230_000)], vec![card(646)]) };
    let text = render_text(&of_sale(&head(), &document(inputs)).unwrap(), COLUMNS);
    assert!(text.contains("Tax exempt (diplomat D-77)           -1.49"), "{text}");
    let inputs = sale(exclusive(), vec![line("Mug", 1_000, 1_000, 88_750)], vec![card(1_089)]);
    let text = render_text(&of_sale(&head(), &document(inputs)).unwrap(), COLUMNS);
    assert!(text.contains("8.875 %          10.00      0.89     10.89"), "{text}");
}

#[test]
fn html_escapes_everything_that_came_from_outside() {
    let mut evil = line("x", 1_000, 100, 0);
    evil.name = "<script>alert('&\"')</script>".into();
    let html = render_html(&of_sale(&head(), &document(sale(rules(), vec![evil], vec![cash(100)]))).unwrap());
    assert!(html.contains("&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;"));
    assert!(!html.contains("<script"));
    assert!(html.starts_with("<!doctype html>") && html.contains("S1-R1-102"));
    assert!(!html.contains("COPY"));
    let copy = Head { copy: Some(1), ..head() };
    assert!(render_html(&of_sale(&copy, &sale_102()).unwrap()).contains("*** COPY 1 ***"));
}

/// `facts.md` §1: a reprint reads what is stored, whatever engine is built in.
#[test]
fn a_reprint_shows_the_stored_figures_not_new_ones() {
    let mut sale = sale_102();
    let before = render_text(&of_sale(&head(), &sale).unwrap(), COLUMNS);
    sale.inputs.rules.calc = 999;
    assert_eq!(render_text(&of_sale(&head(), &sale).unwrap(), COLUMNS), before);
    sale.outcome = ring_up_with(Engine::PlantedForTests, &sale.inputs).unwrap();
    assert_ne!(render_text(&of_sale(&head(), &sale).unwrap(), COLUMNS), before);
}
