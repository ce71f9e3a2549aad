//! Practising at a till: everything works, and nothing of it is true (`facts.md` §2, Training mode).

use serde_json::{Value, json};
use tradepost_tests::http::{Answer, Client};
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::lan::{LanStore, SOON};
use tradepost_tests::process::{TempDir, wait_for};
use tradepost_tests::till::{cash_sale, put_sale, start_node};

fn ask(client: &mut Client, method: &str, path: &str, body: &Value) -> Answer {
    client.json(method, path, body).expect("the node answers")
}

fn get(client: &mut Client, path: &str) -> Value {
    client.get(path).expect("the node answers").ok()
}

fn practise(client: &mut Client, on: bool) -> Value {
    ask(client, "POST", "/v1/tills/R1/training", &json!({"on": on})).ok()
}

/// A cart that is filled, paid by card and cash, and checked out.
fn whole_cart(client: &mut Client) -> Value {
    let id = uuid_v7();
    let cart = ask(client, "POST", "/v1/carts", &json!({"till": "R1", "id": id})).ok();
    assert_eq!(cart["training"], json!(true));
    let line = json!({"sku": "EN-001", "quantity_milli": 2_000});
    let filled = ask(client, "POST", &format!("/v1/carts/{id}/lines"), &line).ok();
    let total = filled["totals"]["total"].as_i64().expect("a total");
    let tenders = format!("/v1/carts/{id}/tenders");
    let card = json!({"id": uuid_v7(), "kind": "card", "amount": 100});
    let payment = ask(client, "POST", &tenders, &card).ok();
    assert_eq!(payment["tenders"][0]["state"], json!("captured"), "no terminal is asked: {payment}");
    let cash = json!({"id": uuid_v7(), "kind": "cash", "amount": total});
    ask(client, "POST", &tenders, &cash).ok();
    let path = format!("/v1/carts/{id}/checkout");
    let sold = ask(client, "POST", &path, &json!({"tenders": []})).ok();
    assert_eq!(ask(client, "POST", &path, &json!({"tenders": []})).ok(), sold, "again it is the same paper");
    assert_eq!(get(client, &format!("/v1/sales/{}", sold["id"].as_str().expect("an id"))), sold);
    sold
}

/// What must be the same before and after: the log, the goods, the figures, the drawer.
fn truth(client: &mut Client) -> Vec<Value> {
    let mut all: Vec<Value> =
        ["/v1/state-hash", "/v1/totals", "/v1/stock/EN-001", "/v1/sales", "/v1/documents/x/R1"]
            .iter()
            .map(|path| get(client, path))
            .collect();
    // An X is dated.
    all[4]["when"] = Value::Null;
    all.push(get(client, "/v1/sync/status")["head"]["seq"].clone());
    all
}

#[test]
fn what_is_practised_moves_nothing_and_its_papers_say_so() {
    let folder = TempDir::new("training");
    let node = start_node(folder.path(), &[]).expect("the node starts");
    let mut client = node.client("http");
    let opened = json!({"id": uuid_v7(), "floats": [{"total": 10_000}]});
    ask(&mut client, "POST", "/v1/tills/R1/shift", &opened).ok();
    let real = put_sale(&mut client, &uuid_v7(), &cash_sale(&[("EN-001", 1_000)], 1_000)).unwrap().ok();
    let before = truth(&mut client);

    assert_eq!(practise(&mut client, true)["on"], json!(true));
    assert_eq!(get(&mut client, "/v1/tills/R1")["training"], json!(true));
    let first = whole_cart(&mut client);
    assert_eq!((&first["training"], &first["receipt"]["n"]), (&json!(true), &json!(1)));
    let id = uuid_v7();
    let sale = cash_sale(&[("EN-001", 3_000)], 10_000);
    let second = put_sale(&mut client, &id, &sale).unwrap();
    assert_eq!((second.status, &second.ok()["receipt"]["n"]), (201, &json!(2)));
    assert_eq!(
        put_sale(&mut client, &id, &sale).unwrap().ok(),
        second.ok(),
        "the same request, the same paper"
    );
    let other = put_sale(&mut client, &id, &cash_sale(&[("EN-001", 1_000)], 10_000)).unwrap();
    assert_eq!(other.code(), "SALE_ID_REUSED");
    let number = second.ok()["receipt"]["number"].as_str().expect("a number").to_owned();
    assert_ne!(second.ok()["receipt"]["series"], real["receipt"]["series"]);
    let paper = client.get(&format!("/v1/documents/receipts/{id}?format=text")).unwrap().text();
    assert_eq!(paper.matches("TRAINING - NOT A RECEIPT").count(), 2, "at both ends: {paper}");
    assert!(paper.contains(&number) && !paper.contains("TP1:"), "{paper}");

    for (path, body) in [
        (
            "/v1/tills/R1/shift/cash",
            json!({"id": uuid_v7(), "direction": "in", "amount": 100, "reason": "x"}),
        ),
        ("/v1/tills/R1/shift/close", json!({"shift": 1, "counts": [{"total": 1}]})),
    ] {
        let refused = ask(&mut client, "POST", path, &body);
        assert_eq!(refused.code(), "TRAINING_MODE", "{path}: {}", refused.text());
    }
    let back = json!({"till": "R1", "sale_id": real["id"], "reason": "x", "tender": "cash",
                      "lines": [{"line": 0, "quantity_milli": 1_000, "condition": "resell"}]});
    let refused = ask(&mut client, "PUT", &format!("/v1/refunds/{}", uuid_v7()), &back);
    assert_eq!(refused.code(), "TRAINING_MODE", "{}", refused.text());
    let left = uuid_v7();
    ask(&mut client, "POST", "/v1/carts", &json!({"till": "R1", "id": left})).ok();
    ask(&mut client, "POST", &format!("/v1/carts/{left}/lines"), &json!({"sku": "EN-001"})).ok();

    assert_eq!(practise(&mut client, false)["last_number"], json!(2));
    let body = json!({"tenders": [{"kind": "cash", "amount": 10_000}]});
    let refused = ask(&mut client, "POST", &format!("/v1/carts/{left}/checkout"), &body);
    assert_eq!(refused.code(), "TRAINING_MODE", "it doesn't become real by itself");
    assert_eq!(truth(&mut client), before);
    let back = ask(
        &mut client,
        "PUT",
        &format!("/v1/refunds/{}", uuid_v7()),
        &json!({
        "till": "R1", "sale_id": id, "reason": "x", "tender": "cash",
        "lines": [{"line": 0, "quantity_milli": 1_000, "condition": "resell"}]}),
    );
    assert_eq!(back.code(), "NOT_FOUND", "nobody gets money for a paper of training");
    let next = put_sale(&mut client, &uuid_v7(), &cash_sale(&[("EN-001", 1_000)], 1_000)).unwrap().ok();
    let n = |sale: &Value| sale["receipt"]["n"].as_i64();
    assert_eq!(n(&next), n(&real).map(|n| n + 1), "and the till's own series has no gap");
}

#[test]
fn practising_outlives_a_pulled_plug_and_needs_somebody_who_may() {
    let folder = TempDir::new("training-staff");
    let node = start_node(folder.path(), &[]).expect("the node starts");
    let mut client = node.client("http");
    for (id, role, pin) in [("ann", "manager", "4711"), ("ben", "cashier", "1234")] {
        let record =
            json!({"name": id, "role": role, "pin": pin, "approval": {"staff": "ann", "pin": "4711"}});
        let record = match id {
            "ann" => json!({"name": id, "role": role, "pin": pin}),
            _ => record,
        };
        ask(&mut client, "PUT", &format!("/v1/staff/{id}"), &record).ok();
    }
    let on = |client: &mut Client, who: &str, pin: &str| {
        ask(
            client,
            "POST",
            "/v1/tills/R1/training",
            &json!({"on": true, "approval": {"staff": who, "pin": pin}}),
        )
    };
    let refused = on(&mut client, "ben", "1234");
    assert_eq!((refused.status, refused.code().as_str()), (403, "APPROVAL_REQUIRED"));
    assert_eq!(on(&mut client, "ann", "4711").ok()["by"], json!("ann"));
    let unsigned = put_sale(&mut client, &uuid_v7(), &cash_sale(&[("EN-001", 1_000)], 1_000)).unwrap();
    assert_eq!(unsigned.code(), "SIGN_ON_REQUIRED", "practising begins with signing on");
    ask(&mut client, "POST", "/v1/tills/R1/sign-on", &json!({"staff": "ben", "pin": "1234"})).ok();
    let id = uuid_v7();
    let sold = put_sale(&mut client, &id, &cash_sale(&[("EN-001", 1_000)], 1_000)).unwrap().ok();
    assert_eq!((&sold["staff"], &sold["training"]), (&json!("ben"), &json!(true)));
    node.kill();
    let node = start_node(folder.path(), &[]).expect("the node comes back");
    let mut client = node.client("http");
    assert_eq!(get(&mut client, "/v1/tills/R1/training")["last_number"], json!(1));
    assert_eq!(get(&mut client, &format!("/v1/sales/{id}")), sold);
    let next = put_sale(&mut client, &uuid_v7(), &cash_sale(&[("EN-001", 1_000)], 1_000)).unwrap().ok();
    assert_eq!((&next["receipt"]["n"], &next["training"]), (&json!(2), &json!(true)));
}

#[test]
fn the_hub_never_hears_of_it() {
    let mut store = LanStore::open("training-hub", &["east"], &[("MUG", "InHand")]);
    store.nodes[0].receive("MUG", 10);
    let (real, sold) = store.nodes[0].sell("MUG", 1);
    assert_eq!(sold.status, 201, "{}", sold.text());
    practise(&mut store.nodes[0].client, true);
    let (practised, sold) = store.nodes[0].sell("MUG", 4);
    assert_eq!((sold.status, &sold.json()["training"]), (201, &json!(true)), "{}", sold.text());
    practise(&mut store.nodes[0].client, false);
    let (after, _) = store.nodes[0].sell("MUG", 1);
    wait_for("the hub to hold what was sold", SOON, || store.hub_has(&after)).expect("it comes");
    store.agrees();
    assert!(store.hub_has(&real) && !store.hub_has(&practised));
    assert_eq!(store.nodes[0].figure("MUG", "on_hand"), 8);
}
