//! Several nodes in one store, over the LAN: what one sells the others see with the hub gone, a cut link is made up for
//! by a neighbour, rights go where they are needed, and whatever is killed in between loses and doubles nothing.

use serde_json::json;
use std::time::Duration;
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::lan::{LanNode, LanStore, SOON};
use tradepost_tests::process::wait_for;
use tradepost_tests::proxy::Weather;
use tradepost_tests::seed::{Luck, full};

/// Sold without any question, and only within the rights.
const ITEMS: &[(&str, &str)] = &[("MILK", "InHand"), ("CAMERA", "Strict")];

fn sees(node: &mut LanNode, sale: &str) {
    let name = node.name.clone();
    let path = format!("/v1/sales/{sale}");
    wait_for(&format!("{name} sees the sale"), SOON, || {
        node.client.get(&path).expect("the node answers").status == 200
    })
    .unwrap_or_else(|late| panic!("{late}: {}\n{}", node.status(), node.said()));
}

fn has_rights(node: &mut LanNode, sku: &str, units: i64) {
    let what = format!("{} has {units} rights", node.name);
    wait_for(&what, SOON, || node.figure(sku, "rights") == units)
        .unwrap_or_else(|late| panic!("{late}: {}", node.stock(sku)));
}

/// Whoever shall give must be known to have something.
fn knows_of(node: &mut LanNode, sku: &str, available: i64) {
    let what = format!("{} knows of {available}", node.name);
    wait_for(&what, SOON, || node.figure(sku, "available") == available)
        .unwrap_or_else(|late| panic!("{late}: {}", node.stock(sku)));
}

/// Pieces of milk of the story about rights.
const GOODS: i64 = 20;

/// Sells within the rights, once those whom the node asks for them have answered in time: on a busy machine not each
/// time at once, and a sale that is refused leaves nothing behind.
fn sells(node: &mut LanNode, sku: &str, pieces: i64) {
    let mut said = String::new();
    wait_for(&format!("{} sells {pieces}", node.name), SOON, || {
        let answer = node.sell(sku, pieces).1;
        said = answer.text();
        answer.status == 201
    })
    .unwrap_or_else(|late| panic!("{late}: {said}"));
}

#[test]
fn with_the_hub_gone_a_sale_at_one_is_seen_at_the_others() {
    let mut store = LanStore::open("lan-three", &["east", "west", "north"], ITEMS);
    store.hub_gone();
    store.nodes[0].receive("MILK", 20);
    let mut sales = Vec::new();
    for round in 0..2 {
        for seller in 0..3 {
            let (sale, answer) = store.nodes[seller].sell("MILK", 1 + round);
            let _ = answer.ok();
            sales.push(sale);
        }
    }
    for node in &mut store.nodes {
        sales.iter().for_each(|sale| sees(node, sale));
        wait_for("the shelf is one", SOON, || node.figure("MILK", "on_hand") == 20 - 9).expect("it is");
        assert_eq!(node.online_neighbours(), 2);
    }
    let status = store.nodes[0].status();
    let own = status["head"]["seq"].clone();
    wait_for("the neighbours hold all of it", SOON, || {
        let status = store.nodes[0].status();
        status["neighbours"].as_array().is_some_and(|all| all.iter().all(|n| n["holds_seq"] == own))
    })
    .expect("the status says how far");
    store.hub_back();
    sales.iter().for_each(|sale| {
        wait_for("the hub has it", SOON, || store.hub_has(sale)).expect("it is booked");
    });
    store.agrees();
}

#[test]
fn eight_nodes_that_know_addresses_alone_all_meet() {
    // The store is open once every node talks to all of the others.
    let mut store = LanStore::open("eight", &["n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8"], ITEMS);
    store.hub_gone();
    let (sale, answer) = store.nodes[6].sell("MILK", 1);
    answer.ok();
    store.nodes.iter_mut().for_each(|node| sees(node, &sale));
}

#[test]
fn a_node_whose_link_to_the_hub_is_cut_reaches_it_through_its_neighbour() {
    let mut store = LanStore::open("lan-relay", &["east", "west"], ITEMS);
    store.nodes[0].hub_link(Weather::Closed);
    let sales: Vec<String> = (0..5)
        .map(|_| {
            let (sale, answer) = store.nodes[0].sell("MILK", 1);
            let _ = answer.ok();
            sale
        })
        .collect();
    for sale in &sales {
        wait_for("the neighbour brings it", SOON, || store.hub_has(sale)).expect("the hub books it");
    }
    let status = store.nodes[0].status();
    assert!(status["link"] == "offline" && status["unsynced"].as_u64() >= Some(5), "{status}");
    store.agrees();
    // What the hub says comes back the same way: only so can the first node know whom to let in.
    store.add("north");
    for node in &mut store.nodes {
        wait_for(&format!("{} talks to both", node.name), SOON, || node.online_neighbours() == 2)
            .unwrap_or_else(|late| panic!("{late}: {}\n{}", node.status(), node.said()));
    }
    let (sale, answer) = store.nodes[0].sell("MILK", 1);
    let _ = answer.ok();
    sees(&mut store.nodes[2], &sale);
    store.agrees();
    store.nodes[0].hub_link(Weather::Clear);
    wait_for("its own link is level", SOON, || store.nodes[0].status()["unsynced"] == 0).expect("it heals");
    store.agrees();
}

#[test]
fn rights_go_where_they_are_needed_and_never_further_than_the_goods() {
    let mut store = LanStore::open("lan-rights", &["east", "west", "north"], ITEMS);
    store.hub_gone();
    store.nodes[0].receive("CAMERA", 5);
    store.nodes[0].receive("MILK", 20);
    for node in &mut store.nodes {
        knows_of(node, "CAMERA", 5);
        knows_of(node, "MILK", GOODS);
    }
    // Rights of one cover a strict sale at another; of two of them where one has too few.
    sells(&mut store.nodes[1], "CAMERA", 2);
    sells(&mut store.nodes[0], "CAMERA", 1);
    knows_of(&mut store.nodes[2], "CAMERA", 2);
    sells(&mut store.nodes[2], "CAMERA", 2);
    for node in &mut store.nodes {
        knows_of(node, "CAMERA", 0);
        let (_, answer) = node.sell("CAMERA", 1);
        assert_eq!((answer.status, answer.code().as_str()), (409, "STRICT_STOCK_SHORT"));
    }
    // What is in hand is sold within rights as well, where anybody gives them in time.
    let mut in_hand = 0;
    wait_for("a sale within rights", SOON, || {
        assert_eq!(store.nodes[1].sell("MILK", 1).1.status, 201);
        in_hand += 1;
        store.nodes[1].figure("MILK", "overdraw") == 0 || in_hand == GOODS
    })
    .expect("it is sold");
    assert!(in_hand < GOODS, "each of {in_hand} sales went beyond the rights that others held");
    store.hub_back();
    store.agrees();
    for node in &mut store.nodes {
        assert_eq!((node.figure("CAMERA", "on_hand"), node.figure("CAMERA", "available")), (0, 0));
        let left = GOODS - in_hand;
        assert_eq!((node.figure("MILK", "on_hand"), node.figure("MILK", "available")), (left, left));
    }
}

/// Without a word of the hub, a node hears of its time and of its catalog by its neighbours.
#[test]
fn hub_time_and_catalog_come_over_the_lan() {
    let mut store = LanStore::open("lan-catalog", &["east", "west"], ITEMS);
    store.nodes[1].kill();
    store.nodes[1].hub_link(Weather::Closed);
    let _ = store.ask("POST", "/v1/prices", &json!({"sku": "MILK", "price": 250})).ok();
    let newest = store.ask("POST", "/v1/prices", &json!({"sku": "CAMERA", "price": 9_900})).ok();
    let version = |node: &mut LanNode| node.status()["catalog"]["version"].clone();
    let east = &mut store.nodes[0];
    wait_for("east has the prices", SOON, || east.get("/v1/products/CAMERA")["price"] == 9_900)
        .unwrap_or_else(|late| panic!("{late}: {newest} {}", east.get("/v1/products/CAMERA")));
    let there = version(&mut store.nodes[0]);
    store.nodes[1].start();
    let west = &mut store.nodes[1];
    wait_for("the catalog comes by the neighbour", SOON, || version(west) == there)
        .unwrap_or_else(|late| panic!("{late}: {}\n{}", west.status(), west.said()));
    assert_eq!(west.get("/v1/products/MILK")["price"], 250);
    wait_for("hub time comes by the neighbour", SOON, || west.status()["hub_time"]["epoch"].is_u64())
        .unwrap_or_else(|late| panic!("{late}: {}", west.status()));
    assert_eq!(west.status()["hub"]["connected"], false);
    // What is published now comes too, to a node that has neighbours only.
    let _ = store.ask("POST", "/v1/prices", &json!({"sku": "MILK", "price": 260})).ok();
    let west = &mut store.nodes[1];
    wait_for("the next price comes as well", SOON, || west.get("/v1/products/MILK")["price"] == 260)
        .unwrap_or_else(|late| panic!("{late}: {}", west.status()));
    let (sale, answer) = west.sell("MILK", 1);
    assert_eq!(answer.ok()["total"], 260, "it sells at it");
    wait_for("the hub books it", SOON, || store.hub_has(&sale)).expect("by the neighbour");
    store.nodes[1].hub_link(Weather::Clear);
    store.agrees();
}

/// Whoever sold holds the right to refund; a node that a customer comes to asks for it, and it goes with what was
/// refunded before.
#[test]
fn the_right_to_refund_is_handed_to_the_node_that_a_customer_comes_to() {
    let mut store = LanStore::open("lan-refund", &["east", "west"], ITEMS);
    store.hub_gone();
    store.nodes[0].receive("MILK", 9);
    let (sale, sold) = store.nodes[0].sell("MILK", 3);
    let _ = sold.ok();
    sees(&mut store.nodes[1], &sale);
    let refund = |node: &mut LanNode| {
        let lines = json!([{"line": 0, "quantity_milli": 1_000, "condition": "resell"}]);
        let body = json!({"till": "R1", "sale_id": sale, "reason": "sour", "lines": lines, "tender": "cash"});
        node.ask("PUT", &format!("/v1/refunds/{}", uuid_v7()), &body)
    };
    // There, back again, and there: each sees what the others gave back before it.
    for node in [1, 0, 1] {
        let done = refund(&mut store.nodes[node]).ok();
        assert_eq!((&done["verified"], &done["total"]), (&json!(true), &json!(-100)), "{done:#}");
    }
    for node in &mut store.nodes {
        let refused = refund(node);
        assert_eq!((refused.status, refused.code().as_str()), (422, "MORE_THAN_SOLD"), "{}", refused.text());
    }
    store.hub_back();
    store.agrees();
}

/// Nodes that answer when a count begins and when it ends leave no doubt about what they sell afterwards (`model.md` §4).
#[test]
fn a_count_asks_all_that_can_be_reached_what_they_hold() {
    let mut store = LanStore::open("lan-count", &["east", "west"], ITEMS);
    store.nodes[0].receive("MILK", 10);
    knows_of(&mut store.nodes[1], "MILK", 10);
    assert_eq!(store.nodes[1].sell("MILK", 2).1.status, 201);
    let count = |store: &mut LanStore, n: u64, between: i64| {
        let id = uuid_v7();
        let _ = store.nodes[0].ask("POST", "/v1/counts", &json!({"id": id, "sku": "MILK"})).ok();
        if between > 0 {
            assert_eq!(store.nodes[1].sell("MILK", between).1.status, 201);
        }
        let done = store.nodes[0].ask("POST", &format!("/v1/counts/{id}/finish"), &json!({"n": n})).ok();
        (id, done)
    };
    // What west has sold just now is on its way at most, and is not missing.
    let (id, counted) = count(&mut store, 8, 0);
    assert_eq!((&counted["recount"], &counted["burnt"]), (&json!(false), &json!(0)), "{counted:#}");
    // What it sells after the count leaves that without doubt; what it sells meanwhile doesn't.
    assert_eq!(store.nodes[1].sell("MILK", 1).1.status, 201);
    // Whether it was given the right in time or sold in hand is another story: the goods are gone either way.
    for node in &mut store.nodes {
        wait_for("7 on the shelf", SOON, || node.figure("MILK", "on_hand") == 7)
            .unwrap_or_else(|late| panic!("{late}: {}", node.stock("MILK")));
    }
    let counted = store.nodes[0].get(&format!("/v1/counts/{id}"));
    assert_eq!(counted["recount"], false, "{counted:#}");
    let (_, counted) = count(&mut store, 6, 1);
    assert_eq!(counted["recount"], true, "{counted:#}");
    store.agrees();
}

/// The taker falls silent while it waits, the donor commits and dies with its answer, the taker dies too: neither of
/// them remembers more than its own log, and that is enough.
#[test]
fn a_donor_that_dies_between_its_commit_and_its_answer_loses_no_right() {
    let mut store = LanStore::open("lan-donor", &["donor", "taker"], ITEMS);
    store.hub_gone();
    store.nodes[0].receive("CAMERA", 5);
    knows_of(&mut store.nodes[1], "CAMERA", 5);

    store.nodes[0].signal("STOP");
    let (_, answer) = store.nodes[1].sell("CAMERA", 2);
    assert_eq!(answer.code(), "STRICT_STOCK_SHORT", "nobody answered within the budget");
    store.nodes[1].signal("STOP");
    store.nodes[0].signal("CONT");
    has_rights(&mut store.nodes[0], "CAMERA", 3);
    store.nodes[0].kill();
    store.nodes[1].kill();

    store.nodes[1].start();
    assert_eq!(store.nodes[1].figure("CAMERA", "rights"), 0, "the answer got lost with it");
    assert_ne!(store.nodes[1].sell("CAMERA", 2).1.status, 201);
    store.nodes[0].start();
    has_rights(&mut store.nodes[1], "CAMERA", 2);
    // After a start nothing strict is sold before the hub has acknowledged it.
    store.hub_back();
    store.may_promise();
    assert_eq!(store.nodes[1].sell("CAMERA", 2).1.status, 201);
    assert_eq!(store.nodes[0].sell("CAMERA", 3).1.status, 201);
    for node in &mut store.nodes {
        knows_of(node, "CAMERA", 0);
        assert_eq!(node.sell("CAMERA", 1).1.code(), "STRICT_STOCK_SHORT");
    }
    store.agrees();
}

/// Nodes are killed at any time while both sell the last goods: never more is promised than there is, and nothing that
/// was promised is lost.
#[test]
fn killed_at_any_time_two_nodes_never_promise_more_than_there_is() {
    let mut luck = Luck::of_this_run("journeys_lan");
    let mut store = LanStore::open("lan-kill", &["east", "west"], ITEMS);
    let goods = 40;
    store.nodes[0].receive("CAMERA", goods);
    knows_of(&mut store.nodes[1], "CAMERA", 40);
    let mut sold = 0;
    for round in 0..if full() { 20 } else { 4 } {
        for _ in 0..3 {
            for node in &mut store.nodes {
                let pieces = 1 + i64::try_from(luck.below(2)).expect("small");
                match node.sell("CAMERA", pieces).1.status {
                    201 => sold += pieces,
                    status => assert_eq!(status, 409),
                }
            }
        }
        std::thread::sleep(Duration::from_millis(luck.below(30)));
        let victim = &mut store.nodes[round % 2];
        victim.kill();
        victim.start();
        store.may_promise();
        for node in &mut store.nodes {
            wait_for("they meet again", SOON, || node.online_neighbours() == 1)
                .unwrap_or_else(|late| panic!("{late}: {}\n{}", node.status(), node.said()));
        }
    }
    assert!(sold <= 40 && sold > 8, "{sold} were sold");
    store.agrees();
    for node in &mut store.nodes {
        let (on_hand, available) = (node.figure("CAMERA", "on_hand"), node.figure("CAMERA", "available"));
        assert_eq!((on_hand, available), (40 - sold, 40 - sold));
    }
}
