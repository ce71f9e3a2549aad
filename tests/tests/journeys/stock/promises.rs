//! Promises and what covers them: the last good in hand, reservations, what the hub lends.

use super::kit::*;
use serde_json::{Value, json};
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::process::wait_for;
use tradepost_tests::proxy::Weather;

#[test]
fn g5_the_last_good_in_hand_breaks_a_promise_and_the_order_is_flagged() {
    let mut hub = Hub::start("stock-g5");
    hub.open_store("13", 0);
    hub.add_item("TICKET", "Strict");
    hub.add_item("MUG", "InHand");
    let mut node = hub.node("13", "north");
    for sku in ["TICKET", "MUG"] {
        node.receive(sku, 1);
        let _ = node.give(sku, "hub", 1).ok();
        both_show(&mut hub, "13", &mut node, sku, [1, 1, 0, 0, 0, 0]);
    }
    assert_eq!(node.sell("TICKET", 1).code(), "STRICT_STOCK_SHORT", "its right is lent away");

    node.link.set(Weather::Closed);
    let sold = node.sell("MUG", 1);
    assert_eq!(sold.status, 201, "a good in the customer's hand is sold");
    assert_eq!(node.stock("MUG")["overdraw"], 1);
    let order = wanted("13", "MUG", 1, in_ms(LONG));
    let _ = hub.ask("POST", "/v1/reservations", &order).ok();
    assert_eq!(hub.reservation(&id_of(&order))["exposed"], 0, "the hub doesn't know yet");
    node.link.set(Weather::Clear);

    both_show(&mut hub, "13", &mut node, "MUG", [0, 0, 1, 1, 0, 0]);
    assert_eq!(hub.stock("13", "MUG")["overdraw"], 1);
    assert_eq!(hub.reservation(&id_of(&order))["exposed"], 1);
    let listed = hub.findings("promise_exposed");
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["ref"], order["id"]);
    assert!(listed[0]["detail"].as_str().unwrap_or_default().contains("W-1"), "{listed:?}");

    // The order is given up at the store: nobody is harmed any more, and the overdraw is covered.
    assert!(node.knows_reservation(&id_of(&order)));
    let _ = node.end(&id_of(&order), "cancel").ok();
    both_show(&mut hub, "13", &mut node, "MUG", [0, 0, 0, 0, 0, 0]);
    assert!(hub.findings("promise_exposed").is_empty());
    assert_eq!(hub.stock("13", "MUG")["overdraw"], 0);
}

#[test]
fn g6_overdraw_is_covered_by_rights_of_another_node() {
    let mut hub = Hub::start("stock-g6");
    hub.open_store("13", 0);
    hub.add_item("MUG", "InHand");
    let mut north = hub.node("13", "north");
    let mut south = hub.node("13", "south");
    south.receive("MUG", 2);
    assert_eq!(north.sell("MUG", 1).status, 201);
    both_show(&mut hub, "13", &mut south, "MUG", [1, 2, 0, 0, 0, 0]);
    assert_eq!(hub.stock("13", "MUG")["overdraw"], 1);
    let to = north.incarnation.clone();
    let _ = south.give("MUG", &to, 1).ok();
    both_show(&mut hub, "13", &mut south, "MUG", [1, 1, 0, 0, 0, 0]);
    both_show(&mut hub, "13", &mut north, "MUG", [1, 1, 0, 0, 0, 0]);
    assert_eq!(hub.stock("13", "MUG")["overdraw"], 0, "it was settled on arrival");
}

#[test]
fn g19_a_reservation_handed_over_offline_is_never_expired_as_well() {
    let mut hub = Hub::start("stock-g19");
    hub.open_store("13", 0);
    hub.add_item("MUG", "Strict");
    let mut node = hub.node("13", "north");
    node.receive("MUG", 3);
    let _ = node.give("MUG", "hub", 2).ok();
    both_show(&mut hub, "13", &mut node, "MUG", [3, 3, 0, 0, 0, 0]);
    // Long enough for a busy machine to come to where the link is cut.
    let soon = in_ms(8_000);
    let taken = with(wanted("13", "MUG", 1, soon), "prepaid", json!(100));
    let left = with(wanted("13", "MUG", 1, soon), "prepaid", json!(100));
    for order in [&taken, &left] {
        let _ = hub.ask("POST", "/v1/reservations", order).ok();
    }
    wait_for("both promises", SOON, || [&taken, &left].iter().all(|o| node.knows_reservation(&id_of(o))))
        .expect("they arrive");

    node.link.set(Weather::Closed);
    assert_eq!(node.end(&id_of(&taken), "fulfil").ok()["state"], "fulfilled");
    assert_eq!(node.end(&id_of(&taken), "fulfil").ok()["state"], "fulfilled", "asked again");
    assert_eq!(node.end(&id_of(&taken), "cancel").code(), "RESERVATION_ENDED");
    // The hub may ask what it wants: only the custodian ends it.
    wait_for("the time to run out", SOON, || in_ms(0) > soon).expect("it passes");
    assert_eq!(
        hub.ask("DELETE", &format!("/v1/reservations/{}", id_of(&taken)), &json!({})).code(),
        "NOT_CUSTODIAN"
    );
    // The other one runs out by hub time, at the store, without a link.
    wait_for("the store to let it expire", SOON, || {
        node.get(&format!("/v1/reservations/{}", id_of(&left)))["state"] == "expired"
    })
    .expect("it expires");
    assert_eq!(node.end(&id_of(&left), "fulfil").code(), "RESERVATION_ENDED");
    node.link.set(Weather::Clear);

    both_show(&mut hub, "13", &mut node, "MUG", [2, 2, 0, 0, 0, 0]);
    assert_eq!(hub.reservation(&id_of(&taken))["state"], "fulfilled");
    assert_eq!(hub.reservation(&id_of(&left))["state"], "expired");
    assert!(hub.findings("custody_clash").is_empty());
    assert_eq!(hub.stock("13", "MUG")["hub_rights"], 0, "what ran out went to the store that held it");
}

#[test]
fn g24_a_cancelled_reservation_gives_its_rights_back_once() {
    let mut hub = Hub::start("stock-g24");
    hub.open_store("13", 0);
    hub.add_item("MUG", "Strict");
    let mut node = hub.node("13", "north");
    node.receive("MUG", 3);
    let _ = node.give("MUG", "hub", 3).ok();
    both_show(&mut hub, "13", &mut node, "MUG", [3, 3, 0, 0, 0, 0]);
    let order = with(wanted("13", "MUG", 2, in_ms(LONG)), "custodian", json!("hub"));
    let path = format!("/v1/reservations/{}", id_of(&order));
    let opened = hub.ask("POST", "/v1/reservations", &order).ok();
    assert_eq!(hub.ask("POST", "/v1/reservations", &order).ok(), opened, "the same again");
    let other = with(order.clone(), "units", json!(1));
    assert_eq!(hub.ask("POST", "/v1/reservations", &other).code(), "ID_REUSED");
    both_show(&mut hub, "13", &mut node, "MUG", [3, 1, 2, 0, 0, 0]);
    assert_eq!(node.end(&id_of(&order), "cancel").code(), "NOT_CUSTODIAN", "the hub holds it");
    for _ in 0..3 {
        assert_eq!(hub.ask("DELETE", &path, &json!({})).ok()["state"], "cancelled");
    }
    both_show(&mut hub, "13", &mut node, "MUG", [3, 3, 0, 0, 0, 0]);
    assert_eq!(hub.stock("13", "MUG")["hub_rights"], 3);

    // One more that the hub holds runs out by itself, and one that it hands to the store is the store's.
    let short = with(wanted("13", "MUG", 1, in_ms(3_000)), "custodian", json!("hub"));
    let _ = hub.ask("POST", "/v1/reservations", &short).ok();
    wait_for("it to run out", SOON, || hub.reservation(&id_of(&short))["state"] == "expired")
        .expect("it does");
    assert_eq!(hub.stock("13", "MUG")["hub_rights"], 3);
    let moved = with(wanted("13", "MUG", 1, in_ms(LONG)), "custodian", json!("hub"));
    let _ = hub.ask("POST", "/v1/reservations", &moved).ok();
    let path = format!("/v1/reservations/{}", id_of(&moved));
    let handed = hub.ask("POST", &format!("{path}/hand-over"), &json!({})).ok();
    assert_eq!(handed["custodian"], json!(node.incarnation));
    assert_eq!(hub.ask("DELETE", &path, &json!({})).code(), "NOT_CUSTODIAN");
    wait_for("custody at the node", SOON, || {
        node.knows_reservation(&id_of(&moved)) && node.get(&path)["held_here"] == true
    })
    .expect("it arrives");
    assert_eq!(node.end(&id_of(&moved), "cancel").ok()["state"], "cancelled");
    both_show(&mut hub, "13", &mut node, "MUG", [3, 3, 0, 0, 0, 0]);
}

#[test]
fn g42_and_g49_the_hub_covers_what_is_gone_before_it_promises_again() {
    let mut hub = Hub::start("stock-g42");
    hub.open_store("13", 0);
    hub.add_item("MUG", "InHand");
    let mut node = hub.node("13", "north");
    node.receive("MUG", 3);
    let _ = node.give("MUG", "hub", 3).ok();
    assert_eq!(node.sell("MUG", 1).status, 201);
    both_show(&mut hub, "13", &mut node, "MUG", [2, 3, 0, 0, 0, 0]);
    let three = hub.ask("POST", "/v1/reservations", &wanted("13", "MUG", 3, in_ms(LONG)));
    assert_eq!((three.status, three.code().as_str()), (409, "RIGHTS_SHORT"), "{}", three.text());
    assert!(three.text().contains("3 asked, the hub may promise 2"), "{}", three.text());
    let two = hub.ask("POST", "/v1/reservations", &wanted("13", "MUG", 2, in_ms(LONG)));
    assert_eq!(two.status, 201, "{}", two.text());
    both_show(&mut hub, "13", &mut node, "MUG", [2, 0, 2, 0, 0, 0]);
    assert_eq!(hub.stock("13", "MUG")["overdraw"], 0, "the hub gave, the store settled");
    assert_eq!(hub.findings("promise_exposed").len(), 0);
}

#[test]
fn a_reservation_that_is_paid_at_the_store_is_sold_by_naming_it() {
    let mut hub = Hub::start("stock-sold");
    hub.open_store("13", 0);
    hub.add_item("MUG", "Strict");
    hub.add_item("CUP", "Strict");
    let mut north = hub.node("13", "north");
    let mut south = hub.node("13", "south");
    for sku in ["MUG", "CUP"] {
        north.receive(sku, 2);
        let _ = north.give(sku, "hub", 2).ok();
        both_show(&mut hub, "13", &mut north, sku, [2, 2, 0, 0, 0, 0]);
    }
    let unpaid = with(wanted("13", "MUG", 2, in_ms(LONG)), "custodian", json!("north"));
    let paid = with(wanted("13", "CUP", 1, in_ms(LONG)), "custodian", json!("north"));
    let paid = with(paid, "prepaid", json!(100));
    for order in [&unpaid, &paid] {
        let _ = hub.ask("POST", "/v1/reservations", order).ok();
    }
    for node in [&mut north, &mut south] {
        wait_for("both promises", SOON, || {
            [&unpaid, &paid].iter().all(|order| node.knows_reservation(&id_of(order)))
        })
        .expect("they arrive");
    }
    let line = |sku: &str, pieces: i64, order: &Value| json!({"sku": sku, "quantity_milli": pieces * 1_000, "reservation": order["id"]});
    let stories = [
        (line("MUG", 1, &unpaid), "BAD_QUANTITY", "/lines/0/quantity_milli"),
        (line("CUP", 2, &unpaid), "UNKNOWN_SKU", "/lines/0/reservation"),
        (line("CUP", 1, &paid), "RESERVATION_PAYMENT", "/lines/0/reservation"),
        (line("MUG", 2, &json!({"id": uuid_v7()})), "NOT_FOUND", "/lines/0/reservation"),
    ];
    for (line, code, pointer) in stories {
        let refused = north.sell_line(line);
        assert_eq!(refused.code(), code, "{}", refused.text());
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer);
    }
    assert_eq!(south.sell_line(line("MUG", 2, &unpaid)).code(), "NOT_CUSTODIAN");
    assert_eq!(north.end(&id_of(&unpaid), "fulfil").code(), "RESERVATION_PAYMENT");
    assert_eq!(north.sell("MUG", 1).code(), "STRICT_STOCK_SHORT", "without naming it nothing is free");

    let sale = north.sell_line(line("MUG", 2, &unpaid));
    assert_eq!(sale.status, 201, "{}", sale.text());
    assert_eq!(north.sell_line(line("MUG", 2, &unpaid)).code(), "RESERVATION_ENDED");
    assert_eq!(north.end(&id_of(&unpaid), "cancel").code(), "RESERVATION_ENDED");
    both_show(&mut hub, "13", &mut north, "MUG", [0, 0, 0, 0, 0, 0]);
    both_show(&mut hub, "13", &mut south, "MUG", [0, 0, 0, 0, 0, 0]);
    assert_eq!(hub.stock("13", "MUG")["overdraw"], 0);
    let shown = hub.reservation(&id_of(&unpaid));
    assert_eq!((&shown["state"], &shown["sale"]), (&json!("fulfilled"), &sale.json()["id"]));
    assert_eq!(north.end(&id_of(&paid), "fulfil").ok()["state"], "fulfilled");
    both_show(&mut hub, "13", &mut north, "CUP", [1, 1, 0, 0, 0, 0]);
    assert!(hub.findings("handed_over_late").is_empty());
    assert!(hub.findings("custody_clash").is_empty());
}

#[test]
fn a_share_of_what_comes_is_lent_to_the_web() {
    let mut hub = Hub::start("stock-lent");
    hub.open_store("13", 400_000);
    hub.add_item("MUG", "InHand");
    let mut node = hub.node("13", "north");
    node.receive("MUG", 10);
    both_show(&mut hub, "13", &mut node, "MUG", [10, 10, 0, 0, 0, 0]);
    assert_eq!(hub.stock("13", "MUG")["hub_rights"], 4);
    assert_eq!(node.stock("MUG")["rights"], 6);
    node.receive("MUG", 5);
    wait_for("the new share", SOON, || hub.stock("13", "MUG")["hub_rights"] == 6).expect("it arrives");
    let order = wanted("13", "MUG", 6, in_ms(LONG));
    assert_eq!(hub.ask("POST", "/v1/reservations", &order).status, 201, "it waits for no store");
    let seven = hub.ask("POST", "/v1/reservations", &wanted("13", "MUG", 1, in_ms(LONG)));
    assert_eq!(seven.code(), "RIGHTS_SHORT");
}
