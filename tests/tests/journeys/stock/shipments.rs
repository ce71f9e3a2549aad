//! Goods that come and go: deliveries, and transfers between stores.

use super::kit::*;
use serde_json::{Value, json};
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::process::wait_for;
use tradepost_tests::proxy::Weather;

impl Node {
    /// As [`Self::stock`], nothing where the item is not known yet.
    pub(super) fn stock_or_null(&mut self, sku: &str) -> Value {
        self.client.get(&format!("/v1/stock/{sku}")).expect("the node answers").json()
    }
}

#[test]
fn g21_one_delivery_is_received_by_its_custodian_alone() {
    let mut hub = Hub::start("stock-g21");
    hub.open_store("13", 0);
    hub.add_item("MUG", "Strict");
    let mut north = hub.node("13", "north");
    let mut south = hub.node("13", "south");
    let delivery = json!({
        "id": uuid_v7(), "store": "13", "reference": "PO-7", "custodian": "north",
        "lines": [{"sku": "MUG", "units": 5, "cost": 40}],
    });
    let id = id_of(&delivery);
    assert_eq!(hub.ask("POST", "/v1/deliveries", &delivery).ok()["state"], "expected");
    assert_eq!(hub.ask("POST", "/v1/deliveries", &delivery).status, 201, "the same again");
    let other = with(delivery.clone(), "reference", json!("PO-8"));
    assert_eq!(hub.ask("POST", "/v1/deliveries", &other).code(), "ID_REUSED");
    for node in [&mut north, &mut south] {
        wait_for("the announcement", SOON, || node.stock_or_null("MUG")["incoming"] == 5)
            .expect("it arrives");
        node.link.set(Weather::Closed);
    }
    let path = format!("/v1/deliveries/{id}");
    let came = json!({"reference": "PO-7", "lines": [{"sku": "MUG", "units": 5}]});
    let refused = south.ask("PUT", &path, &came);
    assert_eq!(refused.code(), "NOT_CUSTODIAN");
    assert!(refused.text().contains(&north.incarnation), "it says who is: {}", refused.text());
    assert_eq!(north.ask("PUT", &path, &came).status, 201);
    assert_eq!(north.ask("PUT", &path, &came).status, 201, "the same again changes nothing");
    for node in [&north, &south] {
        node.link.set(Weather::Clear);
    }
    both_show(&mut hub, "13", &mut north, "MUG", [5, 5, 0, 0, 0, 0]);
    both_show(&mut hub, "13", &mut south, "MUG", [5, 5, 0, 0, 0, 0]);
    assert_eq!(hub.get(&path)["state"], "received");
    assert_eq!(south.ask("PUT", &path, &came).code(), "NOT_CUSTODIAN", "also when it is over");
}

#[test]
fn a_delivery_comes_short_or_not_at_all_or_had_come_before() {
    let mut hub = Hub::start("stock-deliveries");
    hub.open_store("13", 0);
    hub.add_item("MUG", "InHand");
    hub.add_item("CUP", "InHand");
    let mut node = hub.node("13", "north");
    let announce = |hub: &mut Hub, reference: &str, units: u64| {
        let lines = json!([{"sku": "MUG", "units": units}, {"sku": "CUP", "units": 1}]);
        let body = json!({"id": uuid_v7(), "store": "13", "reference": reference, "lines": lines});
        let _ = hub.ask("POST", "/v1/deliveries", &body).ok();
        id_of(&body)
    };
    let early = uuid_v7();
    let came = json!({"reference": "E-1", "lines": [{"sku": "MUG", "units": 4}]});
    let _ = node.ask("PUT", &format!("/v1/deliveries/{early}"), &came).ok();
    let short = announce(&mut hub, "PO-1", 6);
    let never = announce(&mut hub, "PO-2", 9);
    let before = announce(&mut hub, "PO-3", 4);
    wait_for("three announcements", SOON, || node.stock("MUG")["incoming"] == 19).expect("they arrive");

    let body = json!({"reference": "PO-1", "lines": [{"sku": "MUG", "units": 5}]});
    let _ = node.ask("PUT", &format!("/v1/deliveries/{short}"), &body).ok();
    let empty = json!({"reference": "PO-2", "lines": []});
    assert_eq!(node.ask("PUT", &format!("/v1/deliveries/{never}"), &empty).code(), "EMPTY_BASKET");
    let closed = json!({"reference": "PO-2", "lines": [], "not_delivered": true});
    let _ = node.ask("PUT", &format!("/v1/deliveries/{never}"), &closed).ok();
    assert_eq!(node.ask("PUT", &format!("/v1/deliveries/{}", uuid_v7()), &closed).code(), "NOT_FOUND");
    let same = json!({"reference": "PO-3", "lines": [], "same_as": early});
    let _ = node.ask("PUT", &format!("/v1/deliveries/{before}"), &same).ok();
    let lost = json!({"reference": "PO-3", "lines": [], "same_as": uuid_v7()});
    let wrong = node.ask("PUT", &format!("/v1/deliveries/{before}"), &lost);
    assert_eq!(wrong.code(), "SALE_ID_REUSED", "it is closed by another request");

    both_show(&mut hub, "13", &mut node, "MUG", [9, 9, 0, 0, 0, 0]);
    let state = |hub: &mut Hub, id: &str| hub.get(&format!("/v1/deliveries/{id}"))["state"].clone();
    wait_for("the last of them at the hub", SOON, || state(&mut hub, &before) == "received")
        .expect("it comes");
    assert_eq!(state(&mut hub, &short), "received");
    assert_eq!(state(&mut hub, &never), "not_delivered");
    assert_eq!(hub.get(&format!("/v1/deliveries/{before}"))["same_as"], json!(early));
    let line = &node.get(&format!("/v1/deliveries/{short}"))["lines"][1];
    assert_eq!(
        (&line["expected"], &line["received"], &line["difference"]),
        (&json!(6), &json!(5), &json!(-1))
    );
    let differing: Vec<Value> = hub.findings("delivery_differs").iter().map(|f| f["ref"].clone()).collect();
    assert_eq!(differing.len(), 2, "the short one and the one that never came: {differing:?}");
    assert_eq!(node.stock("MUG")["incoming"], 0);
}

#[test]
fn g25_goods_between_stores_are_in_transit_until_the_receiver_has_counted() {
    let mut hub = Hub::start("stock-g25");
    hub.open_store("A", 0);
    hub.open_store("B", 0);
    hub.add_item("MUG", "Strict");
    let mut a = hub.node("A", "a");
    a.receive("MUG", 9);
    let transfer = json!({"id": uuid_v7(), "to_store": "B", "lines": [{"sku": "MUG", "units": 6}]});
    let path = format!("/v1/transfers/{}", id_of(&transfer));
    let _ = a.ask("POST", "/v1/transfers", &transfer).ok();
    let _ = a.ask("POST", "/v1/transfers", &transfer).ok();
    both_show(&mut hub, "A", &mut a, "MUG", [3, 3, 0, 0, 0, 0]);
    let four = json!({"id": uuid_v7(), "to_store": "B", "lines": [{"sku": "MUG", "units": 4}]});
    let short = a.ask("POST", "/v1/transfers", &four);
    assert_eq!((short.status, short.code().as_str()), (409, "RIGHTS_SHORT"));
    assert_eq!(short.json()["errors"][0]["pointer"], "/lines/0/units");

    // B has no node yet: what comes to it is told once it has one.
    assert_eq!(hub.get(&path)["announced"], false);
    let mut b = hub.node("B", "b");
    wait_for("the announcement", SOON, || b.stock_or_null("MUG")["incoming"] == 6).expect("it arrives");
    let came = |id: String, units: u64, confirmed: bool| {
        let lines = if units == 0 { json!([]) } else { json!([{"sku": "MUG", "units": units}]) };
        json!({"id": id, "lines": lines, "confirmed": confirmed})
    };
    let first = came(uuid_v7(), 5, false);
    for _ in 0..3 {
        let _ = b.ask("POST", &format!("{path}/receive"), &first).ok();
    }
    both_show(&mut hub, "B", &mut b, "MUG", [5, 5, 0, 0, 0, 0]);
    let line = hub.get(&path)["lines"][0].clone();
    assert_eq!((&line["in_transit"], &line["missing"]), (&json!(1), &json!(0)), "{line}");
    assert_eq!(hub.get(&path)["state"], "in_transit");

    let _ = b.ask("POST", &format!("{path}/receive"), &came(uuid_v7(), 0, true)).ok();
    wait_for("the shortage at the hub", SOON, || hub.get(&path)["state"] == "received").expect("it arrives");
    let line = hub.get(&path)["lines"][0].clone();
    assert_eq!((&line["in_transit"], &line["missing"]), (&json!(0), &json!(1)), "{line}");
    assert_eq!(hub.findings("transfer_differs").len(), 1);
    let late = b.ask("POST", &format!("{path}/receive"), &came(uuid_v7(), 1, true));
    assert_eq!(late.code(), "ALREADY_CLOSED");

    // Beyond the rights only where somebody allows it.
    let allowed = with(four, "approver", json!("maria"));
    let _ = a.ask("POST", "/v1/transfers", &allowed).ok();
    both_show(&mut hub, "A", &mut a, "MUG", [-1, 0, 0, 1, 0, 0]);
    assert_eq!(a.stock("MUG")["overdraw"], 1);
}
