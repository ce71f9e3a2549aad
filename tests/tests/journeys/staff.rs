//! Staff and policy that are kept at the hub and in force at every till of the store, linked or not (`facts.md` §6).

use serde_json::{Value, json};
use tradepost_tests::ids::uuid_v7;
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

/// A cart with so many of an item.
fn cart_of(node: &mut LanNode, sku: &str, pieces: i64) -> String {
    let id = uuid_v7();
    let _ = node.ask("POST", "/v1/carts", &json!({"id": id, "till": "R1"})).ok();
    let line = json!({"sku": sku, "quantity_milli": pieces * 1_000});
    let _ = node.ask("POST", &format!("/v1/carts/{id}/lines"), &line).ok();
    id
}

#[test]
fn a_managers_pin_sells_beyond_the_rights_and_says_so() {
    let items = [("LAMP", "Override"), ("CAMERA", "Strict")];
    let mut store = LanStore::open("beyond", &["north", "south"], &items);
    for sku in ["LAMP", "CAMERA"] {
        store.nodes[0].receive(sku, 2);
    }
    let cash = json!({"kind": "cash", "amount": 10_000});
    let node = &mut store.nodes[0];
    let alone = cart_of(node, "LAMP", 3);
    let path = format!("/v1/carts/{alone}/checkout");
    let refused = node.ask("POST", &path, &json!({"till": "R1", "tenders": [cash]}));
    assert_eq!(refused.code(), "STRICT_STOCK_SHORT", "where nobody has a PIN nobody can allow it");
    assert_eq!(hires(&mut store, "mia", "manager", "2468").status, 201);
    assert_eq!(hires(&mut store, "ben", "cashier", "1111").status, 201);
    let node = &mut store.nodes[0];
    waits_for(node, "ben", |node| on_record(node, "ben")["active"] == true);
    store.hub_gone();
    let node = &mut store.nodes[0];

    // Whoever is signed on is asked all the same: nobody oversells without being told.
    assert_eq!(signs_on(node, "mia", "2468").status, 200);
    let with = |staff: &str, pin: &str| json!({"till": "R1", "tenders": [cash], "approval": {"staff": staff, "pin": pin}});
    let asked = node.ask("POST", &path, &json!({"till": "R1", "tenders": [cash]}));
    assert_eq!((asked.code().as_str(), asked.status), ("APPROVAL_REQUIRED", 403));
    let detail = asked.json()["detail"].as_str().unwrap_or_default().to_owned();
    assert!(detail.contains("LAMP") && detail.contains("manager"), "{detail}");
    assert_eq!(node.ask("POST", &path, &with("ben", "1111")).code(), "APPROVAL_REQUIRED");
    assert_eq!(node.ask("POST", &path, &with("mia", "1357")).code(), "BAD_PIN");
    assert_eq!(node.figure("LAMP", "on_hand"), 2, "nothing was taken so far");
    let sale = node.ask("POST", &path, &with("mia", "2468")).ok();
    assert_eq!((node.figure("LAMP", "on_hand"), node.figure("LAMP", "exposure")), (-1, 1));
    assert_eq!(node.ask("POST", &path, &json!({"till": "R1", "tenders": [cash]})).ok()["id"], sale["id"]);

    // Paid tender by tender it is asked before any money, and once.
    let paid = cart_of(node, "LAMP", 1);
    let part = json!({"id": uuid_v7(), "kind": "cash", "amount": 1_000, "till": "R1"});
    let tenders = format!("/v1/carts/{paid}/tenders");
    assert_eq!(node.ask("POST", &tenders, &part).code(), "APPROVAL_REQUIRED");
    let mut allowed = part.clone();
    allowed["approval"] = json!({"staff": "mia", "pin": "2468"});
    let _ = node.ask("POST", &tenders, &allowed).ok();
    let done = json!({"till": "R1", "tenders": []});
    let _ = node.ask("POST", &format!("/v1/carts/{paid}/checkout"), &done).ok();
    assert_eq!(node.figure("LAMP", "exposure"), 2);

    let strict = cart_of(node, "CAMERA", 3);
    let refused = node.ask("POST", &format!("/v1/carts/{strict}/checkout"), &with("mia", "2468"));
    assert_eq!(refused.code(), "STRICT_STOCK_SHORT", "a strict item is sold by nobody's PIN");

    let events = node.client.get("/v1/exports/events").expect("it answers").text();
    let used: Vec<Value> = events
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|event| event["kind"] == "override.used" && event["body"]["what"] == "sell_beyond")
        .collect();
    let told: Vec<_> = used.iter().map(|event| (&event["body"]["object"], &event["body"]["by"])).collect();
    assert_eq!(told, [(&sale["id"], &json!("mia")), (&json!(paid), &json!("mia"))]);
    assert_eq!(used[0]["body"]["reason"], "LAMP: 1 of 3 beyond the rights");
    store.hub_back();
    store.agrees();
}
