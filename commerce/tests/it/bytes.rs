//! The frozen byte shape of documents: these bytes are in every log (`facts.md` §1).

use crate::shop::{cash, coupon, discounted, line, percent, rules, sale, weighed};
use std::collections::BTreeMap;
use tradepost_commerce::document::*;
use tradepost_commerce::quantity::Quantity;
use tradepost_commerce::refund::{Return, lines_of, rules_of};
use tradepost_commerce::{ring_up, settle_refund};

fn sold() -> SaleDocument {
    let promotion = AppliedPromotion {
        id: "P".into(),
        name: "Half".into(),
        priority: -1,
        rule: PromotionRule::Percent(500_000),
        lines: vec![1],
    };
    let lines = vec![
        discounted(line("TEE", 1_000, 1_999, 230_000), &[percent(100_000)]),
        weighed("NUTS", 346, 1_890, 230_000),
    ];
    let inputs = SaleInputs {
        promotions: vec![promotion],
        order_discounts: vec![coupon(100)],
        ..sale(rules(), lines, vec![cash(3_000)])
    };
    SaleDocument { outcome: ring_up(&inputs).unwrap(), inputs }
}

fn refunded() -> RefundDocument {
    let sale = sold();
    let back = Return { line: 0, quantity: Quantity(1_000), condition: Condition::Waste, serials: vec![] };
    let mut inputs = RefundInputs {
        rules: rules_of(&sale),
        original: Some(OriginalSale { sale_id: [9; 16], series: "A".into(), n: 7, store: Some("S2".into()) }),
        lines: lines_of(&sale, &[back], &BTreeMap::new()).unwrap(),
        reason: "broken".into(),
        tenders: vec![],
    };
    let due = tradepost_commerce::refund_due(&inputs).unwrap();
    inputs.tenders = vec![cash(due.cash_due.0)];
    RefundDocument { outcome: settle_refund(&inputs).unwrap(), inputs }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_sale_keeps_its_bytes() {
    let bytes = postcard::to_stdvec(&sold()).unwrap();
    assert_eq!(hex(&bytes), include_str!("../golden/sale.hex").trim());
    assert_eq!(postcard::from_bytes::<SaleDocument>(&bytes).unwrap(), sold());
}

#[test]
fn a_refund_keeps_its_bytes() {
    let bytes = postcard::to_stdvec(&refunded()).unwrap();
    assert_eq!(hex(&bytes), include_str!("../golden/refund.hex").trim());
    assert_eq!(postcard::from_bytes::<RefundDocument>(&bytes).unwrap(), refunded());
}

#[test]
fn documents_survive_json_too() {
    let json = serde_json::to_string(&sold()).unwrap();
    assert!(json.contains("\"currency\":\"EUR\""));
    assert_eq!(serde_json::from_str::<SaleDocument>(&json).unwrap(), sold());
    let json = serde_json::to_string(&refunded()).unwrap();
    assert_eq!(serde_json::from_str::<RefundDocument>(&json).unwrap(), refunded());
}
