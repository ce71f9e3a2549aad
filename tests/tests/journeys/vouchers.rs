//! Vouchers, gift cards and counted coupons in a store of several nodes: whatever is cut, what is drawn never exceeds what
//! was issued (`facts.md` §4, Voucher; §5).

use serde_json::{Value, json};
use tradepost_tests::http::Answer;
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::lan::{LanNode, LanStore, SOON, STORE};
use tradepost_tests::process::wait_for;
use tradepost_tests::proxy::Weather;

fn issue(store: &mut LanStore, kind: &str, code: &str, units: i64) -> Value {
    let body = json!({"kind": kind, "code": code, "units": units});
    store.ask("POST", &format!("/v1/stores/{STORE}/pools"), &body).ok()
}

fn left(node: &mut LanNode, code: &str) -> i64 {
    let answer = node.client.get(&format!("/v1/vouchers/{code}")).expect("the node answers");
    if answer.status == 200 { answer.json()["left"].as_i64().unwrap_or(-1) } else { 0 }
}

/// Buys so many mugs at 1.00 with a gift card.
fn redeems(node: &mut LanNode, code: &str, mugs: i64) -> Answer {
    let tender = json!({"kind": "gift_card", "amount": mugs * 100, "code": code});
    sells(node, mugs, &json!([tender]), &json!([]))
}

fn sells(node: &mut LanNode, mugs: i64, tenders: &Value, discounts: &Value) -> Answer {
    let line = json!({"sku": "MUG", "quantity_milli": mugs * 1_000});
    let sale = json!({"till": "R1", "lines": [line], "tenders": tenders, "discounts": discounts});
    node.ask("PUT", &format!("/v1/sales/{}", uuid_v7()), &sale)
}

fn pool(store: &mut LanStore, code: &str) -> Value {
    let listed = store.admin.get(&format!("/v1/stores/{STORE}/pools")).expect("the hub answers").ok();
    let all = listed["data"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|pool| pool["code"] == code).unwrap_or_default()
}

fn hub_says(store: &mut LanStore, code: &str, left: i64) {
    let waited = wait_for("the hub's balance", SOON, || pool(store, code)["left"] == left);
    waited.unwrap_or_else(|late| panic!("{late}: {}", pool(store, code)));
}

#[test]
fn two_nodes_that_are_cut_off_never_draw_more_than_was_issued() {
    let mut store = LanStore::open("voucher-apart", &[], &[("MUG", "InHand")]);
    store.add_apart("north");
    store.add_apart("south");
    let issued = issue(&mut store, "voucher", "gift-1", 2_000);
    assert_eq!((&issued["code"], &issued["left"]), (&json!("GIFT-1"), &json!(2_000)));
    for node in &mut store.nodes {
        wait_for("its share", SOON, || left(node, "GIFT-1") == 1_000).expect("it comes");
        node.hub_link(Weather::Closed);
    }
    for node in &mut store.nodes {
        assert_eq!(redeems(node, "GIFT-1", 6).status, 201, "{}", node.name);
        let beyond = redeems(node, "GIFT-1", 5);
        assert_eq!((beyond.status, beyond.code().as_str()), (422, "OVER_QUOTA"), "{}", beyond.text());
        let twice = json!([{"kind": "gift_card", "amount": 300, "code": "GIFT-1"},
                           {"kind": "gift_card", "amount": 300, "code": "GIFT-1"}]);
        assert_eq!(sells(node, 6, &twice, &json!([])).code(), "OVER_QUOTA", "the same card twice");
        assert_eq!(redeems(node, "GIFT-1", 4).status, 201);
        assert_eq!(left(node, "GIFT-1"), 0);
        assert_eq!(redeems(node, "MUG", 1).code(), "OVER_QUOTA", "an item's rights are no voucher");
        node.hub_link(Weather::Clear);
    }
    hub_says(&mut store, "GIFT-1", 0);
    store.agrees();
    let stock = store.nodes[0].get("/v1/stock");
    let skus: Vec<&Value> = stock["data"].as_array().expect("rows").iter().map(|row| &row["sku"]).collect();
    assert_eq!(skus, [&json!("MUG")], "a pool is no item");
}

#[test]
fn a_gift_card_that_is_sold_pays_at_either_till_and_a_neighbour_hands_its_share_over() {
    let mut store = LanStore::open("voucher-lan", &["north", "south"], &[("MUG", "InHand")]);
    let sold = json!({"till": "R1", "lines": [{"voucher": {"kind": "gift_card", "code": "CARD-7", "amount": 1_000}}],
                      "tenders": [{"kind": "cash", "amount": 1_000}]});
    let sold = store.nodes[0].ask("PUT", &format!("/v1/sales/{}", uuid_v7()), &sold).ok();
    assert_eq!((&sold["total"], &sold["tax"]), (&json!(1_000), &json!(0)), "a liability, untaxed");
    for node in &mut store.nodes {
        wait_for("its share", SOON, || left(node, "CARD-7") == 500).expect("it comes");
    }
    // The hub is gone; the neighbours settle it between them.
    store.hub_gone();
    wait_for("the neighbour's share", SOON, || redeems(&mut store.nodes[1], "CARD-7", 8).status == 201)
        .expect("it hands it over");
    assert_eq!(redeems(&mut store.nodes[0], "CARD-7", 3).code(), "OVER_QUOTA", "2.00 is all that is left");
    wait_for("the rest", SOON, || redeems(&mut store.nodes[1], "CARD-7", 2).status == 201).expect("it pays");
    store.hub_back();
    hub_says(&mut store, "CARD-7", 0);
    store.agrees();
}

#[test]
fn a_coupon_with_one_use_is_good_once_and_flagged_beyond() {
    let mut store = LanStore::open("coupon-apart", &[], &[("MUG", "InHand")]);
    store.add_apart("north");
    store.add_apart("south");
    let _ = issue(&mut store, "coupon", "SPRING", 1);
    let _ = issue(&mut store, "voucher", "SIGNAL", 200);
    for node in &mut store.nodes {
        // What was issued later is here, so the coupon's use is where it belongs.
        wait_for("what was issued", SOON, || left(node, "SIGNAL") == 100).expect("it comes");
        node.hub_link(Weather::Closed);
    }
    let coupon = json!([{"kind": "fixed", "value": 50, "reason": "coupon", "coupon": "spring"}]);
    let paid = json!([{"kind": "cash", "amount": 150}]);
    for node in &mut store.nodes {
        let sale = sells(node, 2, &paid, &coupon).ok();
        assert_eq!(sale["total"], 150, "offline it is taken, whoever holds its use");
        node.hub_link(Weather::Clear);
    }
    hub_says(&mut store, "SPRING", 0);
    let flagged = |store: &mut LanStore| {
        let review = store.admin.get("/v1/review").expect("the hub answers").ok();
        let all = review["data"].as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|one| one["kind"] == "coupon_overrun").count()
    };
    wait_for("the second one is listed", SOON, || flagged(&mut store) == 1).expect("it is");
    store.agrees();
    assert_eq!(flagged(&mut store), 1, "and the first one isn't");
}
