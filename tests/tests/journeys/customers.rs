//! Customers' records travel apart from events: written at one node they are known at all, erased anywhere they are gone
//! everywhere, and no chain breaks (`model.md` §6, `facts.md` §6).

use serde_json::{Value, json};
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::lan::{LanNode, LanStore, SOON, STORE};
use tradepost_tests::process::wait_for;
use tradepost_tests::proxy::Weather;

const NAME: &str = "Ada Quillfeather";

fn write(node: &mut LanNode, id: &str, name: &str) -> u16 {
    let person = json!({"name": name, "phone": "555-0100"});
    let path = format!("/v1/customers/{id}");
    node.client.json("PUT", &path, &person).expect("the node answers").status
}

fn at_hub(store: &mut LanStore, id: &str) -> Option<Value> {
    let answer = store.admin.get(&format!("/v1/customers/{id}")).expect("the hub answers");
    (answer.status == 200).then(|| answer.ok())
}

fn at_node(node: &mut LanNode, id: &str) -> Option<Value> {
    let answer = node.client.get(&format!("/v1/customers/{id}")).expect("the node answers");
    (answer.status == 200).then(|| answer.ok())
}

fn named(node: &mut LanNode, id: &str, name: &str) {
    let what = format!("{} knows {name}", node.name);
    wait_for(&what, SOON, || at_node(node, id).is_some_and(|c| c["name"] == name))
        .unwrap_or_else(|late| panic!("{late}: {:?}\n{}", at_node(node, id), node.said()));
}

fn erased(store: &mut LanStore, id: &str) {
    let done = wait_for("the hub has erased it", SOON, || {
        at_hub(store, id).is_some_and(|c| c["erased"] == true && c["person"] == Value::Null)
    });
    done.unwrap_or_else(|late| panic!("{late}: {:?}", at_hub(store, id)));
    for node in &mut store.nodes {
        let what = format!("{} has erased it", node.name);
        wait_for(&what, SOON, || {
            at_node(node, id).is_some_and(|c| c["erased"] == true && c["name"] == Value::Null)
        })
        .unwrap_or_else(|late| panic!("{late}: {:?}\n{}", at_node(node, id), node.said()));
    }
}

/// No export of either side holds the person, before and after.
fn exports_hold_nobody(store: &mut LanStore) {
    let mut exports = Vec::new();
    for path in ["events", "orders"] {
        let path = format!("/v1/exports/{path}?store={STORE}");
        exports.push(store.admin.get(&path).expect("the hub answers").text());
    }
    for node in &mut store.nodes {
        exports.push(node.client.get("/v1/exports/events").expect("the node answers").text());
    }
    assert!(exports[0].contains("customer.created"), "the export of events holds the id's events");
    assert!(exports.iter().all(|export| !export.contains(NAME)), "an export holds a person");
}

#[test]
fn a_record_reaches_all_and_erased_at_the_hub_it_is_gone_everywhere() {
    let mut store = LanStore::open("customers-hub", &["east", "west"], &[("MILK", "InHand")]);
    let id = uuid_v7();
    assert_eq!(write(&mut store.nodes[0], &id, NAME), 200);
    named(&mut store.nodes[1], &id, NAME);
    assert!(at_hub(&mut store, &id).is_some_and(|c| c["person"]["name"] == NAME));
    exports_hold_nobody(&mut store);
    // The other node changes it, and the first one learns.
    assert_eq!(write(&mut store.nodes[1], &id, "Ada Q."), 200);
    named(&mut store.nodes[0], &id, "Ada Q.");
    let path = format!("/v1/customers/{id}");
    assert_eq!(store.admin.json("DELETE", &path, &json!({})).expect("it answers").status, 204);
    assert_eq!(store.admin.json("DELETE", &path, &json!({})).expect("it answers").status, 204, "again");
    erased(&mut store, &id);
    assert_eq!(write(&mut store.nodes[0], &id, NAME), 409, "erased is final");
    exports_hold_nobody(&mut store);
    store.agrees();
}

#[test]
fn erased_beats_a_later_version_and_a_cut_link_is_made_up_for() {
    let mut store = LanStore::open("customers-cut", &["east", "west"], &[("MILK", "InHand")]);
    let id = uuid_v7();
    assert_eq!(write(&mut store.nodes[0], &id, NAME), 200);
    named(&mut store.nodes[1], &id, NAME);
    store.nodes.iter().for_each(|node| node.hub_link(Weather::Closed));
    // Cut off, one erases while the other changes it three times.
    let path = format!("/v1/customers/{id}");
    let gone = store.nodes[0].client.json("DELETE", &path, &json!({})).expect("it answers");
    assert_eq!(gone.status, 204);
    for turn in 0..3 {
        assert_eq!(write(&mut store.nodes[1], &id, &format!("{NAME} {turn}")), 200);
    }
    // What was written meanwhile survives a kill, and is sent all the same.
    let other = uuid_v7();
    assert_eq!(write(&mut store.nodes[1], &other, "Bo"), 200);
    store.nodes[1].kill();
    store.nodes[1].start();
    store.nodes.iter().for_each(|node| node.hub_link(Weather::Clear));
    erased(&mut store, &id);
    named(&mut store.nodes[0], &other, "Bo");
    exports_hold_nobody(&mut store);
    store.agrees();
}
