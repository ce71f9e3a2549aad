//! Money that goes back through a real node: shares, tenders, PINs, voids, exchanges, no receipt, another node's sale
//! (`facts.md` §4, Refund right; §5).

use serde_json::{Value, json};
use tradepost_tests::http::{Answer, Client};
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::lan::{LanStore, SOON, STORE};
use tradepost_tests::process::{Program, TempDir, wait_for};
use tradepost_tests::proxy::Weather;
use tradepost_tests::till::start_node_with;

const CATALOG: &str = r#"{"type":"settings","currency":"EUR","cash_step":5}
{"type":"tax","category":"standard","ppm":230000}
{"type":"product","sku":"MUG","name":"Mug","tax_category":"standard"}
{"type":"product","sku":"CUP","name":"Cup","tax_category":"standard"}
{"type":"price","sku":"MUG","price":795}
{"type":"price","sku":"CUP","price":1000}
{"type":"stock","sku":"MUG","units":100}
{"type":"stock","sku":"CUP","units":100}
"#;

struct Till {
    _folder: TempDir,
    _program: Program,
    client: Client,
}

impl Till {
    fn open(name: &str) -> Self {
        let folder = TempDir::new(name);
        let file = folder.join("catalog.ndjson");
        std::fs::write(&file, CATALOG).expect("the catalog is written");
        let program = start_node_with(&folder.path().join("node"), &file, &[], &[]).expect("the node starts");
        let client = program.client("http");
        Self { _folder: folder, _program: program, client }
    }

    fn get(&mut self, path: &str) -> Value {
        self.client.get(path).expect("the node answers").ok()
    }

    fn ask(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        self.client.json(method, path, body).expect("the node answers")
    }

    /// Two mugs and a cup: 25.90.
    fn sell(&mut self, tenders: &Value) -> Value {
        let lines = json!([{"sku": "MUG", "quantity_milli": 2_000}, {"sku": "CUP"}]);
        let sale = json!({"till": "R1", "lines": lines, "tenders": tenders});
        self.ask("PUT", &format!("/v1/sales/{}", uuid_v7()), &sale).ok()
    }

    fn staff(&mut self) {
        let mia = json!({"name": "Mia", "role": "manager", "pin": "2468"});
        let _ = self.ask("PUT", "/v1/staff/mia", &mia).ok();
        let ben = json!({"name": "Ben", "role": "cashier", "pin": "1111", "approval": manager()});
        let _ = self.ask("PUT", "/v1/staff/ben", &ben).ok();
        let _ = self.ask("POST", "/v1/tills/R1/sign-on", &json!({"staff": "ben", "pin": "1111"})).ok();
    }

    fn put(&mut self, what: &str, body: &Value) -> Answer {
        self.ask("PUT", &format!("/v1/{what}/{}", uuid_v7()), body)
    }

    fn on_hand(&mut self, sku: &str) -> Value {
        self.get(&format!("/v1/stock/{sku}"))["on_hand"].clone()
    }
}

fn manager() -> Value {
    json!({"staff": "mia", "pin": "2468"})
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

fn back(sale: &Value, line: u16, pieces: i64, tender: &str) -> Value {
    json!({"till": "R1", "sale_id": sale["id"], "reason": "broken", "tender": tender,
           "lines": [{"line": line, "quantity_milli": pieces * 1_000, "condition": "resell"}]})
}

fn paid_out(refund: &Value) -> Vec<(String, i64)> {
    let tenders = refund["tenders"].as_array().cloned().unwrap_or_default();
    let one = |tender: &Value| {
        (tender["kind"].as_str().unwrap_or_default().to_owned(), tender["amount"].as_i64().unwrap_or(0))
    };
    tenders.iter().map(one).collect()
}

#[test]
fn money_goes_back_the_way_it_came_and_another_way_needs_a_manager() {
    let mut till = Till::open("refund-ways");
    let tenders =
        json!([{"kind": "card", "amount": 1_000, "reference": "T-1"}, {"kind": "cash", "amount": 2_000}]);
    let sale = till.sell(&tenders);
    assert_eq!((&sale["total"], &sale["change"]), (&json!(2_590), &json!(410)));
    let quote = till.get(&format!("/v1/refund-quote?sale_id={}", sale["id"].as_str().expect("an id")));
    assert_eq!((&quote["right"], &quote["same_shift"]), (&json!("held"), &json!(true)), "{quote}");
    assert_eq!(quote["paid"][1]["amount"], 1_590, "of the cash what the drawer kept");
    let number = sale["receipt"]["number"].as_str().expect("a number").to_owned();
    let by_number = till.get(&format!("/v1/refund-quote?receipt={number}"));
    assert_eq!(by_number["left"].as_array().map(Vec::len), Some(2));
    till.staff();
    let mut first = back(&sale, 1, 1, "original");
    first["sale_id"].take();
    let first = with(
        json!({"till": "R1", "receipt": number, "reason": "broken", "lines": first["lines"]}),
        "tender",
        json!("original"),
    );
    let refund = till.put("refunds", &first).ok();
    assert_eq!(paid_out(&refund), [("card".to_owned(), -1_000)], "in the order in which it was paid");
    assert_eq!((&refund["verified"], &refund["staff"]), (&json!(true), &json!("ben")));
    let refused = till.put("refunds", &with(back(&sale, 0, 1, "card"), "reason", json!("x")));
    assert_eq!(refused.status, 201, "a card was among its tenders: {}", refused.text());
    let refund = till.put("refunds", &back(&sale, 0, 1, "original")).ok();
    assert_eq!(paid_out(&refund), [("cash".to_owned(), -795)]);
    assert_eq!(till.put("refunds", &back(&sale, 0, 1, "cash")).code(), "MORE_THAN_SOLD");

    // What was paid by card alone goes out in cash only where a manager allows it.
    let by_card = till.sell(&json!([{"kind": "card", "amount": 2_590, "reference": "T-2"}]));
    let cash = back(&by_card, 0, 1, "cash");
    let refused = till.put("refunds", &cash);
    assert_eq!((refused.status, refused.code().as_str()), (403, "APPROVAL_REQUIRED"), "{}", refused.text());
    let wrong = with(cash.clone(), "approval", json!({"staff": "mia", "pin": "1357"}));
    assert_eq!(till.put("refunds", &wrong).code(), "BAD_PIN");
    let allowed = till.put("refunds", &with(cash, "approval", manager())).ok();
    assert_eq!((paid_out(&allowed), &allowed["approver"]), (vec![("cash".to_owned(), -795)], &json!("mia")));
}

#[test]
fn a_void_cancels_a_sale_of_the_shift_to_the_cent() {
    let mut till = Till::open("refund-void");
    let open = json!({"id": uuid_v7(), "floats": [{"total": 0}]});
    let _ = till.ask("POST", "/v1/tills/R1/shift", &open).ok();
    let sale = till.sell(&json!([{"kind": "cash", "amount": 3_000}]));
    let void = json!({"till": "R1", "sale_id": sale["id"], "reason": "wrong customer"});
    let path = format!("/v1/voids/{}", uuid_v7());
    let done = till.ask("PUT", &path, &void).ok();
    assert_eq!((&done["void"], &done["total"], &done["tax"]), (&json!(true), &json!(-2_590), &json!(-484)));
    assert_eq!(till.ask("PUT", &path, &void).ok(), done, "the same again");
    assert_eq!((till.on_hand("MUG"), till.on_hand("CUP")), (json!(100), json!(100)));
    assert_eq!(till.put("voids", &void).code(), "VOID_REFUNDED_BEFORE");
    let sale = till.sell(&json!([{"kind": "cash", "amount": 2_590}]));
    let close = json!({"shift": 1, "counts": [{"total": 2_590}]});
    assert_eq!(till.ask("POST", "/v1/tills/R1/shift/close", &close).ok()["report"]["takings"], 2_590);
    let void = json!({"till": "R1", "sale_id": sale["id"], "reason": "too late"});
    assert_eq!(till.put("voids", &void).code(), "VOID_OTHER_SHIFT");
}

#[test]
fn an_exchange_is_both_documents_or_none() {
    let mut till = Till::open("refund-exchange");
    let sale = till.sell(&json!([{"kind": "cash", "amount": 2_590}]));
    let refund = json!({"sale_id": sale["id"], "reason": "size",
                        "lines": [{"line": 0, "quantity_milli": 1_000, "condition": "resell"}]});
    let out = json!({"lines": [{"sku": "CUP"}]});
    let mut exchange = json!({"till": "R1", "refund": refund, "sale": out, "tenders": []});
    let path = format!("/v1/exchanges/{}", uuid_v7());
    let short = till.ask("PUT", &path, &exchange);
    assert_eq!(short.code(), "SHORT_TENDER", "2.05 is missing: {}", short.text());
    assert_eq!(till.on_hand("MUG"), 98, "nothing came back");
    exchange["tenders"] = json!([{"kind": "cash", "amount": 500}]);
    let done = till.ask("PUT", &path, &exchange).ok();
    assert_eq!(till.ask("PUT", &path, &exchange).ok(), done, "the same again");
    assert_eq!((&done["refund"]["total"], &done["sale"]["total"]), (&json!(-795), &json!(1_000)));
    assert_eq!(paid_out(&done["refund"]), [("exchange".to_owned(), -795)]);
    assert_eq!(paid_out(&done["sale"]), [("exchange".to_owned(), 795), ("cash".to_owned(), 500)]);
    assert_eq!((&done["sale"]["cash_due"], &done["sale"]["change"]), (&json!(205), &json!(295)));
    assert_eq!(done["sale"]["exchange"], done["refund"]["exchange"]);
    assert_eq!((till.on_hand("MUG"), till.on_hand("CUP")), (json!(99), json!(98)));
    let n = |paper: &Value| paper["receipt"]["n"].as_u64().unwrap_or(0);
    assert_eq!((n(&done["refund"]), n(&done["sale"])), (2, 3), "no gap");

    // What comes back is worth more: the rest goes out.
    let refund = json!({"sale_id": sale["id"], "reason": "size",
                        "lines": [{"line": 1, "quantity_milli": 1_000, "condition": "resell"}]});
    let exchange =
        json!({"till": "R1", "refund": refund, "sale": {"lines": [{"sku": "MUG"}]}, "tender": "cash"});
    let done = till.put("exchanges", &exchange).ok();
    assert_eq!(paid_out(&done["refund"]), [("exchange".to_owned(), -795), ("cash".to_owned(), -205)]);
    assert_eq!(paid_out(&done["sale"]), [("exchange".to_owned(), 795)]);
}

#[test]
fn without_a_receipt_a_manager_gives_back_up_to_the_cap() {
    let mut till = Till::open("refund-no-receipt");
    till.staff();
    let refund = |pieces: i64| {
        json!({"till": "R1", "reason": "gift", "tender": "cash",
               "lines": [{"sku": "CUP", "quantity_milli": pieces * 1_000, "condition": "waste"}]})
    };
    assert_eq!(till.put("refunds", &refund(1)).code(), "APPROVAL_REQUIRED");
    let allowed = with(refund(1), "approval", manager());
    let done = till.put("refunds", &allowed).ok();
    assert_eq!(
        (&done["total"], &done["verified"], &done["original_sale"]),
        (&json!(-1_000), &json!(false), &Value::Null)
    );
    assert_eq!(till.on_hand("CUP"), 100, "waste comes in and goes out");
    assert_eq!(till.put("refunds", &with(refund(6), "approval", manager())).code(), "NO_RECEIPT_CAP");
    let policy = json!({"no_receipt_max": 6_000, "approval": manager()});
    let _ = till.ask("PUT", "/v1/refund-policy", &policy).ok();
    assert_eq!(till.put("refunds", &with(refund(6), "approval", manager())).status, 201);
    let line = json!({"till": "R1", "reason": "gift", "lines": [{"line": 0, "quantity_milli": 1_000, "condition": "waste"}]});
    let refused = till.put("refunds", &with(line, "approval", manager()));
    assert_eq!(
        (refused.code().as_str(), &refused.json()["errors"][0]["pointer"]),
        ("MISSING_FIELD", &json!("/lines/0/sku"))
    );
}

#[test]
fn prices_and_discounts_name_who_allowed_them() {
    let mut till = Till::open("refund-prices");
    till.staff();
    let cart = uuid_v7();
    let _ = till.ask("POST", "/v1/carts", &json!({"till": "R1", "id": cart})).ok();
    let path = format!("/v1/carts/{cart}/lines");
    let _ = till.ask("POST", &path, &json!({"sku": "MUG"})).ok();
    let price = json!({"unit_price": 500, "reason": "scratched"});
    let at = format!("{path}/L1/price");
    assert_eq!(till.ask("PATCH", &at, &price).code(), "APPROVAL_REQUIRED");
    let shown = till.ask("PATCH", &at, &with(price, "approval", manager())).ok();
    assert_eq!((&shown["lines"][0]["unit_price"], &shown["totals"]["total"]), (&json!(500), &json!(500)));
    let tenth = json!({"kind": "percent", "value": 100_000, "reason": "regular"});
    let at = format!("/v1/carts/{cart}/discounts");
    assert_eq!(till.ask("POST", &at, &tenth).code(), "APPROVAL_REQUIRED");
    let shown = till.ask("POST", &at, &with(tenth, "approval", manager())).ok();
    assert_eq!((&shown["discounts"][0]["approver"], &shown["totals"]["total"]), (&json!("mia"), &json!(450)));
    let coupon = json!({"kind": "fixed", "value": 50, "reason": "coupon", "coupon": "SPRING"});
    assert_eq!(till.ask("POST", &at, &coupon).ok()["totals"]["total"], 400, "a coupon needs nobody");
    // The net of the inclusive price is paid, and the certificate is in the document.
    let exempt = json!({"reason": "embassy", "certificate": "X-1"});
    let shown = till.ask("PUT", &format!("/v1/carts/{cart}/exemption"), &exempt).ok();
    assert_eq!((&shown["totals"]["tax"], &shown["totals"]["total"]), (&json!(0), &json!(325)));
    let pay = json!({"tenders": [{"kind": "cash", "amount": 325}]});
    let sale = till.ask("POST", &format!("/v1/carts/{cart}/checkout"), &pay).ok();
    assert_eq!(sale["exemption"]["certificate"], "X-1");
}

#[test]
fn a_cashier_takes_a_little_off_and_no_more() {
    let mut till = Till::open("refund-limit");
    till.staff();
    let limit = |till: &mut Till, body: Value| till.ask("PUT", "/v1/discount-policy", &body);
    let refused = limit(&mut till, json!({"free_ppm": 50_000}));
    assert_eq!((refused.status, refused.code().as_str()), (403, "APPROVAL_REQUIRED"));
    let set = limit(&mut till, json!({"free_ppm": 50_000, "approval": manager()})).ok();
    assert_eq!(
        (&set["free_ppm"], &till.get("/v1/discount-policy")["free_ppm"]),
        (&json!(50_000), &json!(50_000))
    );
    let cart = uuid_v7();
    let _ = till.ask("POST", "/v1/carts", &json!({"till": "R1", "id": cart})).ok();
    let _ = till.ask("POST", &format!("/v1/carts/{cart}/lines"), &json!({"sku": "CUP"})).ok();
    let line = format!("/v1/carts/{cart}/lines/L1/discounts");
    let off = |ppm: u32| json!({"kind": "percent", "value": ppm, "reason": "regular"});
    let shown = till.ask("POST", &line, &off(30_000)).ok();
    assert_eq!(shown["totals"]["total"], 970, "with a reason and nobody's PIN");
    let more = till.ask("POST", &line, &off(30_000));
    assert_eq!(more.code(), "APPROVAL_REQUIRED", "little by little is no way around: {}", more.text());
    let fixed = json!({"kind": "fixed", "value": 10, "reason": "regular"});
    assert_eq!(till.ask("POST", &line, &fixed).code(), "APPROVAL_REQUIRED", "an amount is no share");
    let shown = till.ask("POST", &line, &with(off(100_000), "approval", manager())).ok();
    assert_eq!(shown["totals"]["total"], 873);
    let order = format!("/v1/carts/{cart}/discounts");
    let shown = till.ask("POST", &order, &off(50_000)).ok();
    assert_eq!((&shown["discounts"][0]["approver"], &shown["totals"]["total"]), (&json!(null), &json!(829)));
    let sale = json!({"till": "R1", "tenders": [{"kind": "cash", "amount": 2_000}],
                      "lines": [{"sku": "CUP", "discounts": [off(60_000)]}]});
    assert_eq!(till.put("sales", &sale).code(), "APPROVAL_REQUIRED");
    let all = limit(&mut till, json!({"free_ppm": 1_000_001, "approval": manager()}));
    assert_eq!(all.code(), "BAD_DISCOUNT");
}

#[test]
fn another_nodes_sale_is_refunded_unverified_where_a_manager_allows_it() {
    let mut store = LanStore::open("refund-elsewhere", &["north", "south"], &[("MUG", "InHand")]);
    store.nodes[0].receive("MUG", 9);
    let (id, sold) = store.nodes[0].sell("MUG", 2);
    assert_eq!(sold.status, 201, "{}", sold.text());
    let path = format!("/v1/sales/{id}");
    wait_for("the sale at the other node", SOON, || {
        store.nodes[1].client.get(&path).expect("the node answers").status == 200
    })
    .expect("it arrives");
    // Whoever sold it can't be asked for the right.
    store.nodes[0].kill();
    let lines = json!([{"line": 0, "quantity_milli": 1_000, "condition": "resell"}]);
    let refund = json!({"till": "S1", "sale_id": id, "reason": "broken", "lines": lines, "tender": "cash"});
    let put = |store: &mut LanStore, body: &Value| {
        store.nodes[1].ask("PUT", &format!("/v1/refunds/{}", uuid_v7()), body)
    };
    assert_eq!(put(&mut store, &refund).code(), "NOT_CUSTODIAN", "nobody here could answer for it");
    let mia = json!({"name": "Mia", "role": "manager", "pin": "2468"});
    let _ = store.nodes[1].ask("PUT", "/v1/staff/mia", &mia).ok();
    let ben = json!({"name": "Ben", "role": "cashier", "pin": "1111", "approval": manager()});
    let _ = store.nodes[1].ask("PUT", "/v1/staff/ben", &ben).ok();
    let _ = store.nodes[1].ask("POST", "/v1/tills/S1/sign-on", &json!({"staff": "ben", "pin": "1111"})).ok();
    assert_eq!(put(&mut store, &refund).code(), "APPROVAL_REQUIRED");
    let done = put(&mut store, &with(refund, "approval", manager())).ok();
    assert_eq!((&done["verified"], &done["approver"]), (&json!(false), &json!("mia")));
    // It merges where the sale was made, and only one is left there.
    store.nodes[0].start();
    wait_for("the refund at the seller", SOON, || {
        store.nodes[0].get(&path)["lines"][0]["refunded_milli"] == 1_000
    })
    .expect("it arrives");
    let quote = store.nodes[0].get(&format!("/v1/refund-quote?sale_id={id}"));
    assert_eq!(quote["left"][0]["quantity_milli"], 1_000);
    store.agrees();
}

#[test]
fn refunds_on_two_sides_of_a_cut_are_both_honest_until_they_pass_the_sale() {
    let mut store = LanStore::open("refund-race", &[], &[("MUG", "InHand")]);
    store.add_apart("north");
    store.add_apart("south");
    let mia = json!({"name": "Mia", "role": "manager", "pin": "2468"});
    assert_eq!(store.ask("PUT", &format!("/v1/stores/{STORE}/staff/mia"), &mia).status, 201);
    let ben = json!({"name": "Ben", "role": "cashier", "pin": "1111"});
    assert_eq!(store.ask("PUT", &format!("/v1/stores/{STORE}/staff/ben"), &ben).status, 201);
    let policy = format!("/v1/stores/{STORE}/policy");
    assert_eq!(store.put_if(&policy, "\"0\"", &json!({"unverified_max": 350})).status, 200);
    for node in &mut store.nodes {
        wait_for("the policy", SOON, || node.get("/v1/refund-policy")["unverified_max"] == 350).expect("it");
        let _ = node.ask("POST", "/v1/tills/R1/sign-on", &json!({"staff": "ben", "pin": "1111"})).ok();
    }
    let (honest, _) = store.nodes[0].sell("MUG", 3);
    let (passed, _) = store.nodes[0].sell("MUG", 3);
    for sale in [&honest, &passed] {
        let path = format!("/v1/sales/{sale}");
        let known = || store.nodes[1].client.get(&path).expect("the node answers").status == 200;
        wait_for("the sale at the other node", SOON, known).expect("it arrives");
    }
    store.nodes.iter().for_each(|node| node.hub_link(Weather::Closed));
    let refund = |store: &mut LanStore, node: usize, sale: &str, pieces: i64, allowed: bool| {
        let body = json!({"till": "R1", "sale_id": sale, "reason": "broken", "tender": "cash",
                          "lines": [{"line": 0, "quantity_milli": pieces * 1_000, "condition": "resell"}]});
        let body = if allowed { with(body, "approval", manager()) } else { body };
        store.nodes[node].ask("PUT", &format!("/v1/refunds/{}", uuid_v7()), &body)
    };
    assert_eq!(refund(&mut store, 1, &honest, 1, false).code(), "APPROVAL_REQUIRED");
    assert_eq!(refund(&mut store, 1, &honest, 1, true).ok()["verified"], false);
    assert_eq!(refund(&mut store, 0, &honest, 1, false).ok()["verified"], true, "it holds the right");
    assert_eq!(refund(&mut store, 1, &passed, 2, true).ok()["verified"], false);
    assert_eq!(refund(&mut store, 0, &passed, 2, false).ok()["verified"], true);
    let beyond = refund(&mut store, 1, &honest, 1, true);
    assert_eq!((beyond.status, beyond.code().as_str()), (422, "UNVERIFIED_QUOTA"), "{}", beyond.text());

    store.nodes.iter().for_each(|node| node.hub_link(Weather::Clear));
    let overruns = |store: &mut LanStore| {
        let path = format!("/v1/review?store={STORE}&kind=refund_overrun");
        let review = store.admin.get(&path).expect("the hub answers").ok();
        let all = review["data"].as_array().cloned().unwrap_or_default();
        all.iter().map(|one| (one["store"].clone(), one["ref"].clone())).collect::<Vec<_>>()
    };
    wait_for("the overrun is listed", SOON, || !overruns(&mut store).is_empty()).expect("it is");
    store.agrees();
    assert_eq!(overruns(&mut store), [(json!(STORE), json!(format!("{passed}/0")))], "and only that one");
    let quote = store.nodes[1].get(&format!("/v1/refund-quote?sale_id={honest}"));
    assert_eq!(quote["left"][0]["quantity_milli"], 1_000);

    // Whoever sold it is locked after a start without the hub: then even its own refunds need a manager.
    store.nodes[0].hub_link(Weather::Closed);
    store.nodes[0].kill();
    store.nodes[0].start();
    assert_eq!(refund(&mut store, 0, &honest, 1, false).code(), "APPROVAL_REQUIRED");
    let own = refund(&mut store, 0, &honest, 1, true).ok();
    assert_eq!((&own["verified"], &own["approver"]), (&json!(false), &json!("mia")));
}
