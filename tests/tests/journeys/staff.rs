//! Staff and policy that are kept at the hub and in force at every till of the store, linked or not (`facts.md` §6).

use serde_json::{Value, json};
use tradepost_tests::lan::{LanNode, LanStore, SOON, STORE};
use tradepost_tests::process::wait_for;
use tradepost_tests::proxy::Weather;

fn hires(store: &mut LanStore, id: &str, role: &str, pin: &str) -> tradepost_tests::http::Answer {
    let body = json!({"name": id, "role": role, "pin": pin});
    store.ask("PUT", &format!("/v1/stores/{STORE}/staff/{id}"), &body)
}

fn signs_on(node: &mut LanNode, staff: &str, pin: &str) -> tradepost_tests::http::Answer {
    node.ask("POST", "/v1/tills/R1/sign-on", &json!({"staff": staff, "pin": pin}))
}

fn on_record(node: &mut LanNode, id: &str) -> Value {
    let all = node.get("/v1/staff")["data"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|one| one["id"] == id).unwrap_or_default()
}

fn waits_for(node: &mut LanNode, what: &str, there: impl Fn(&mut LanNode) -> bool) {
    let name = node.name.clone();
    wait_for(&format!("{what} at {name}"), SOON, || there(node)).expect("it comes in time");
}

#[test]
fn who_is_hired_at_the_hub_sells_at_both_tills_offline_and_who_left_does_not() {
    let mut store = LanStore::open("staff-hub", &["north", "south"], &[("MUG", "InHand")]);
    // A store that has managed itself until now.
    let own = json!({"name": "Own", "role": "manager", "pin": "9999"});
    let _ = store.nodes[0].ask("PUT", "/v1/staff/own", &own).ok();
    let first = hires(&mut store, "ben", "cashier", "1111");
    assert_eq!((first.status, first.json()["errors"][0]["pointer"].clone()), (422, json!("/role")));
    assert_eq!(hires(&mut store, "mia", "manager", "2468").status, 201);
    assert_eq!(hires(&mut store, "ben", "cashier", "1111").status, 201);
    assert_eq!(hires(&mut store, "ben", "cashier", "1111").code(), "PRECONDITION_REQUIRED");
    let shown = store.admin.get(&format!("/v1/stores/{STORE}/staff/ben")).expect("it answers").ok();
    assert_eq!((&shown["has_pin"], &shown["version"]), (&json!(true), &json!(1)));
    assert!(shown["pin"].is_null(), "a PIN is never shown");
    for node in &mut store.nodes {
        waits_for(node, "ben", |node| on_record(node, "ben")["active"] == true);
    }

    store.hub_gone();
    for node in &mut store.nodes {
        assert_eq!(signs_on(node, "ben", "2222").code(), "BAD_PIN");
        assert_eq!(signs_on(node, "ben", "1111").status, 200, "{}: without the hub", node.name);
        assert_eq!(node.sell("MUG", 1).1.json()["staff"], "ben");
        let eva = json!({"name": "Eva", "role": "cashier", "approval": {"staff": "mia", "pin": "2468"}});
        assert_eq!(node.ask("PUT", "/v1/staff/eva", &eva).code(), "KEPT_BY_HUB");
    }
    assert_eq!(signs_on(&mut store.nodes[0], "own", "9999").code(), "UNKNOWN_STAFF", "the store's own");

    // One till hears of it from the hub, the other from its neighbour.
    store.nodes[1].hub_link(Weather::Closed);
    store.hub_back();
    let left = json!({"name": "ben", "role": "cashier", "active": false});
    let path = format!("/v1/stores/{STORE}/staff/ben");
    assert_eq!(store.put_if(&path, "\"7\"", &left).code(), "PRECONDITION_FAILED");
    assert_eq!(store.put_if(&path, "\"1\"", &left).json()["active"], false);
    for node in &mut store.nodes {
        waits_for(node, "ben's leave", |node| on_record(node, "ben")["active"] == false);
        assert!(node.get("/v1/tills/R1")["signed_on"].is_null(), "{}: signed off", node.name);
        assert_eq!(signs_on(node, "ben", "1111").code(), "UNKNOWN_STAFF");
        assert_eq!(node.sell("MUG", 1).1.code(), "SIGN_ON_REQUIRED");
    }
    let mia = json!({"name": "mia", "role": "cashier"});
    let last = store.put_if(&format!("/v1/stores/{STORE}/staff/mia"), "\"1\"", &mia);
    assert_eq!(last.status, 422, "somebody who can allow everything is left: {}", last.text());
}

#[test]
fn a_policy_of_the_hub_is_in_force_at_every_till() {
    let mut store = LanStore::open("policy-hub", &["north", "south"], &[("MUG", "InHand")]);
    assert_eq!(hires(&mut store, "mia", "manager", "2468").status, 201);
    assert_eq!(hires(&mut store, "ben", "cashier", "1111").status, 201);
    let path = format!("/v1/stores/{STORE}/policy");
    let stranger = store.put_if(&path, "\"0\"", &json!({"roles": {"fly": "manager"}}));
    assert_eq!(
        (stranger.status, stranger.json()["errors"][0]["pointer"].clone()),
        (422, json!("/roles/fly"))
    );
    let policy = json!({"shift_required": true, "difference_max": 500, "unverified_max": 150,
                        "roles": {"discount": "cashier", "refund": "manager"}});
    assert_eq!(store.put_if(&path, "\"0\"", &policy).status, 200);
    assert_eq!(store.put_if(&path, "\"0\"", &policy).code(), "PRECONDITION_FAILED");
    for node in &mut store.nodes {
        waits_for(node, "the policy", |node| node.get("/v1/policy")["shifts"] == "required");
        let held = node.get("/v1/policy");
        assert_eq!(
            (&held["difference_max"], &held["roles"]["discount"], &held["roles"]["refund"]),
            (&json!(500), &json!("cashier"), &json!("manager"))
        );
        let caps = node.get("/v1/refund-policy");
        assert_eq!((&caps["no_receipt_max"], &caps["unverified_max"]), (&json!(5_000), &json!(150)));
        let approval = json!({"staff": "mia", "pin": "2468"});
        let own = json!({"shifts": "optional", "approval": approval});
        assert_eq!(node.ask("PUT", "/v1/policy", &own).code(), "KEPT_BY_HUB");
        let own = json!({"no_receipt_max": 1, "approval": approval});
        assert_eq!(node.ask("PUT", "/v1/refund-policy", &own).code(), "KEPT_BY_HUB");
        assert_eq!(signs_on(node, "ben", "1111").status, 200);
        assert_eq!(node.sell("MUG", 1).1.code(), "SHIFT_REQUIRED");
    }
}
