//! Counting while others sell (`model.md` §4).

use super::kit::*;
use serde_json::json;
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::process::wait_for;
use tradepost_tests::proxy::Weather;

#[test]
fn g17_what_is_missing_is_burnt_where_it_is_counted_and_then_at_the_hub() {
    let mut hub = Hub::start("stock-g17");
    hub.open_store("13", 0);
    hub.add_item("MUG", "Strict");
    let mut north = hub.node("13", "north");
    let mut south = hub.node("13", "south");
    north.receive("MUG", 10);
    let to = south.incarnation.clone();
    let _ = north.give("MUG", &to, 4).ok();
    let _ = north.give("MUG", "hub", 3).ok();
    for node in [&mut north, &mut south] {
        both_show(&mut hub, "13", node, "MUG", [10, 10, 0, 0, 0, 0]);
    }
    let counted = count(&mut north, "MUG", 5, |_| {});
    assert_eq!((&counted["variance"], &counted["burnt"]), (&json!(-5), &json!(3)), "{counted}");
    assert_eq!((&counted["recount"], &counted["latest"]), (&json!(false), &json!(true)), "{counted}");
    for node in [&mut north, &mut south] {
        both_show(&mut hub, "13", node, "MUG", [5, 5, 0, 0, 0, 0]);
        agree(&mut hub, "13", node);
    }
    let shown = hub.stock("13", "MUG");
    assert_eq!(rights_of(&shown, &north.incarnation), 0);
    assert_eq!(rights_of(&shown, &south.incarnation), 4);
    assert_eq!(shown["hub_rights"], 1, "{shown}");
    assert_eq!(shown["recount"], false);
}

/// The counting node has nothing to burn, so that the hub asks who holds the rights. Its word gets there, the answer
/// doesn't: it is asked again and again, and burns once.
#[test]
fn g50_what_the_counting_node_cannot_burn_is_asked_of_another_and_burnt_once() {
    let mut hub = Hub::start("stock-g50");
    hub.open_store("13", 0);
    hub.add_item("MUG", "Strict");
    let mut north = hub.node("13", "north");
    let mut south = hub.node("13", "south");
    north.receive("MUG", 10);
    let to = south.incarnation.clone();
    let _ = north.give("MUG", &to, 10).ok();
    for node in [&mut north, &mut south] {
        both_show(&mut hub, "13", node, "MUG", [10, 10, 0, 0, 0, 0]);
    }
    south.link.set(Weather::SwallowUp);
    let counted = count(&mut north, "MUG", 9, |_| {});
    assert_eq!((&counted["variance"], &counted["burnt"]), (&json!(-1), &json!(0)), "{counted}");
    let swallowed = south.link.counters().swallowed();
    wait_for("its answers to vanish", SOON, || south.link.counters().swallowed() > swallowed)
        .expect("it says something");
    south.link.set(Weather::Clear);
    for node in [&mut north, &mut south] {
        both_show(&mut hub, "13", node, "MUG", [9, 9, 0, 0, 0, 0]);
        agree(&mut hub, "13", node);
    }
    assert_eq!(rights_of(&hub.stock("13", "MUG"), &to), 9);
}

#[test]
fn g13_a_sale_that_a_count_had_included_is_surplus_once_it_is_heard_of() {
    let mut hub = Hub::start("stock-g13");
    hub.open_store("13", 0);
    hub.add_item("MUG", "Strict");
    let mut north = hub.node("13", "north");
    let mut south = hub.node("13", "south");
    north.receive("MUG", 10);
    let to = south.incarnation.clone();
    let _ = north.give("MUG", &to, 4).ok();
    wait_for("the rights", SOON, || south.stock_or_null("MUG")["rights"] == 4).expect("they arrive");
    both_show(&mut hub, "13", &mut south, "MUG", [10, 10, 0, 0, 0, 0]);
    south.link.set(Weather::Closed);
    assert_eq!(south.sell("MUG", 2).status, 201);
    // The two know hub time no better than their greetings were quick: the count begins later than that.
    let later = in_ms(3_000);
    wait_for("hub time to go on", SOON, || in_ms(0) > later).expect("it does");
    let counted = count(&mut north, "MUG", 8, |_| {});
    assert_eq!(counted["burnt"], 2);
    both_show(&mut hub, "13", &mut north, "MUG", [8, 8, 0, 0, 0, 0]);
    south.link.set(Weather::Clear);
    for node in [&mut north, &mut south] {
        both_show(&mut hub, "13", node, "MUG", [8, 6, 0, 0, 0, 2]);
        agree(&mut hub, "13", node);
    }
    // The sale lay within the dwell of a basket before the count, so that a person counts again.
    assert_eq!(north.stock("MUG")["count"]["recount"], true);
    assert_eq!(hub.findings("recount").len(), 1);
    let counted = count(&mut north, "MUG", 8, |_| {});
    assert_eq!((&counted["variance"], &counted["burnt"]), (&json!(0), &json!(0)), "{counted}");
    // Everybody is there, so that the hub's barrier mints it.
    for node in [&mut north, &mut south] {
        both_show(&mut hub, "13", node, "MUG", [8, 8, 0, 0, 0, 0]);
        agree(&mut hub, "13", node);
    }
    assert_eq!(hub.stock("13", "MUG")["recount"], false);
    assert!(hub.findings("recount").is_empty());
}

/// Five came and were on no list yet when the shelf was counted, and five are gone: the books had been right by accident.
#[test]
fn g33_goods_that_came_before_a_count_and_are_heard_of_later_are_missing() {
    let mut hub = Hub::start("stock-g33");
    hub.open_store("13", 0);
    hub.add_item("MUG", "Strict");
    let mut north = hub.node("13", "north");
    let mut south = hub.node("13", "south");
    north.receive("MUG", 10);
    both_show(&mut hub, "13", &mut south, "MUG", [10, 10, 0, 0, 0, 0]);
    south.link.set(Weather::Closed);
    south.receive("MUG", 5);
    let later = in_ms(3_000);
    wait_for("hub time to go on", SOON, || in_ms(0) > later).expect("it does");
    let counted = count(&mut north, "MUG", 10, |_| {});
    assert_eq!((&counted["variance"], &counted["burnt"]), (&json!(0), &json!(0)), "{counted}");
    both_show(&mut hub, "13", &mut north, "MUG", [10, 10, 0, 0, 0, 0]);
    assert_eq!(south.stock("MUG")["on_hand"], 15, "as far as it knows");
    south.link.set(Weather::Clear);
    // The rights beyond the goods are burnt by whoever has them.
    for node in [&mut north, &mut south] {
        both_show(&mut hub, "13", node, "MUG", [10, 10, 0, 0, 0, 0]);
        agree(&mut hub, "13", node);
    }
    // The goods came within the dwell of a basket before the count, so that a person counts again.
    assert_eq!(hub.stock("13", "MUG")["recount"], true);
    let counted = count(&mut south, "MUG", 10, |_| {});
    assert_eq!((&counted["variance"], &counted["burnt"]), (&json!(0), &json!(0)), "{counted}");
    for node in [&mut north, &mut south] {
        both_show(&mut hub, "13", node, "MUG", [10, 10, 0, 0, 0, 0]);
        agree(&mut hub, "13", node);
    }
    assert_eq!(hub.stock("13", "MUG")["recount"], false);
}

#[test]
fn g15_selling_goes_on_while_it_is_counted_and_the_count_is_made_again() {
    let mut hub = Hub::start("stock-g15");
    hub.open_store("13", 0);
    hub.add_item("MUG", "InHand");
    let mut node = hub.node("13", "north");
    node.receive("MUG", 10);
    let counted = count(&mut node, "MUG", 10, |node| assert_eq!(node.sell("MUG", 1).status, 201));
    assert_eq!(counted["recount"], true, "{counted}");
    both_show(&mut hub, "13", &mut node, "MUG", [9, 9, 0, 0, 0, 0]);
    assert_eq!(hub.stock("13", "MUG")["recount"], true);
    // More than the books have is surplus: no count mints it, the barrier behind it does.
    let counted = count(&mut node, "MUG", 12, |_| {});
    assert_eq!((&counted["variance"], &counted["burnt"]), (&json!(3), &json!(0)), "{counted}");
    both_show(&mut hub, "13", &mut node, "MUG", [12, 12, 0, 0, 0, 0]);
    assert_eq!(node.sell("MUG", 1).status, 201);
    both_show(&mut hub, "13", &mut node, "MUG", [11, 11, 0, 0, 0, 0]);
    agree(&mut hub, "13", &mut node);

    // A count that is given up leaves nothing behind; one that never began is not ended.
    let id = uuid_v7();
    let _ = node.ask("POST", "/v1/counts", &json!({"id": id, "sku": "MUG"})).ok();
    assert_eq!(node.get("/v1/counts")["data"].as_array().map(Vec::len), Some(1));
    let _ = node.ask("DELETE", &format!("/v1/counts/{id}"), &json!({})).ok();
    assert_eq!(node.get("/v1/counts")["data"], json!([]));
    let gone = node.ask("POST", &format!("/v1/counts/{id}/finish"), &json!({"n": 1}));
    assert_eq!(gone.code(), "NOT_FOUND");
}
