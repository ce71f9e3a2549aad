//! A store alone, from the outside: carts, checkout, receipts, refunds, search, labels, restarts.

use serde_json::{Value, json};
use std::time::Duration;
use tradepost_tests::http::Client;
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::process::TempDir;
use tradepost_tests::till::{Books, cash_sale, put_sale, start_node, start_node_with};

fn post(client: &mut Client, path: &str, body: Value) -> Value {
    client.json("POST", path, &body).unwrap().ok()
}

#[test]
fn a_cart_is_filled_parked_resumed_and_paid_once() {
    let dir = TempDir::new("cart");
    let node = start_node(dir.path(), &[]).unwrap();
    let mut client = node.client("http");
    let id = uuid_v7();
    let cart = post(&mut client, "/v1/carts", json!({"till": "R1", "id": id}));
    assert_eq!((cart["state"].as_str(), cart["totals"]["total"].as_i64()), (Some("open"), Some(0)));
    let lines = format!("/v1/carts/{id}/lines");
    post(&mut client, &lines, json!({"code": "9520202000017", "quantity_milli": 2000}));
    let cart = post(&mut client, &lines, json!({"sku": "EN-002"}));
    assert_eq!(cart["totals"]["total"], 2 * 139 + 245);
    let second = cart["lines"][1]["line"].as_str().unwrap().to_owned();
    let cart =
        client.json("PATCH", &format!("{lines}/{second}"), &json!({"quantity_milli": 3000})).unwrap().ok();
    assert_eq!(cart["totals"]["total"], 2 * 139 + 3 * 245);
    let off = json!({"kind": "percent", "value": 100_000, "reason": "regular"});
    let cart = post(&mut client, &format!("{lines}/{second}/discounts"), off);
    assert_eq!(cart["lines"][1]["discount"], 74, "10 % of 7.35, half away from zero");
    let cart = client.send("DELETE", &format!("{lines}/{second}"), &[], None).unwrap().ok();
    assert_eq!(cart["lines"].as_array().unwrap().len(), 1);
    post(&mut client, &format!("/v1/carts/{id}/park"), json!({}));
    let refused = client.json("POST", &lines, &json!({"sku": "EN-002"})).unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (409, "CART_CLOSED"));
    node.stop(Duration::from_secs(20)).unwrap();

    let node = start_node(dir.path(), &[]).unwrap();
    let mut client = node.client("http");
    let parked = client.get("/v1/carts?state=parked").unwrap().ok();
    assert_eq!(parked["data"][0]["id"].as_str(), Some(id.as_str()), "a parked cart outlives a restart");
    post(&mut client, &format!("/v1/carts/{id}/resume"), json!({}));
    let pay = json!({"tenders": [{"kind": "cash", "amount": 500}], "expected_total": 278});
    let sale = client.json("POST", &format!("/v1/carts/{id}/checkout"), &pay).unwrap();
    assert_eq!(sale.status, 201, "{}", sale.text());
    let again = client.json("POST", &format!("/v1/carts/{id}/checkout"), &pay).unwrap();
    assert_eq!(again.body, sale.body, "a double click is one sale");
    let sale = sale.json();
    assert_eq!(
        (sale["total"].as_i64(), sale["cash_due"].as_i64(), sale["change"].as_i64()),
        (Some(278), Some(280), Some(220))
    );
    let cart = client.get(&format!("/v1/carts/{id}")).unwrap().ok();
    assert_eq!((cart["state"].as_str(), &cart["sale_id"]), (Some("paid"), &sale["id"]));
    let number = sale["receipt"]["number"].as_str().unwrap();
    let found = client.get(&format!("/v1/sales?receipt={number}")).unwrap().ok();
    assert_eq!(found["data"][0]["id"], sale["id"]);
    receipts(&mut client, &sale);
}

fn receipts(client: &mut Client, sale: &Value) {
    let path = format!("/v1/sales/{}/receipt", sale["id"].as_str().unwrap());
    let number = sale["receipt"]["number"].as_str().unwrap();
    for format in ["json", "text", "html"] {
        let receipt = client.get(&format!("{path}?format={format}")).unwrap();
        assert_eq!(receipt.status, 200, "{format}");
        assert!(receipt.text().contains(number), "{format}");
        assert!(receipt.text().contains("Whole milk 1 l"), "{format}");
    }
    let (first, copy) =
        (client.get(&format!("{path}?format=text")), client.get(&format!("{path}?format=text&copy=true")));
    assert!(copy.unwrap().text().to_uppercase().contains("COPY"), "a copy says so");
    assert!(!first.unwrap().text().to_uppercase().contains("COPY"));
}

#[test]
fn a_refund_gives_back_what_was_paid_and_never_more() {
    let dir = TempDir::new("refund");
    let node = start_node(dir.path(), &[]).unwrap();
    let mut client = node.client("http");
    let sale_id = uuid_v7();
    let sale = put_sale(&mut client, &sale_id, &cash_sale(&[("EN-001", 3000), ("EN-002", 1000)], 10_000))
        .unwrap()
        .ok();
    let refund = |quantity: i64, condition: &str| {
        json!({"till": "R1", "sale_id": sale_id, "reason": "broken", "tender": "card",
               "lines": [{"line": 0, "quantity_milli": quantity, "condition": condition}]})
    };
    let put = |client: &mut Client, id: &str, body: &Value| {
        client.json("PUT", &format!("/v1/refunds/{id}"), body).unwrap()
    };
    let first = uuid_v7();
    let answer = put(&mut client, &first, &refund(1000, "resell"));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let booked = answer.json();
    assert_eq!((booked["kind"].as_str(), booked["total"].as_i64()), (Some("refund"), Some(-139)));
    assert_eq!(booked["original_sale"].as_str(), Some(sale_id.as_str()));
    assert_eq!(
        put(&mut client, &first, &refund(1000, "resell")).body,
        answer.body,
        "a repeat answers the same"
    );
    put(&mut client, &uuid_v7(), &refund(2000, "waste")).ok();
    let more = put(&mut client, &uuid_v7(), &refund(1000, "resell"));
    assert_eq!((more.status, more.code().as_str()), (422, "MORE_THAN_SOLD"), "{}", more.text());
    let read = client.get(&format!("/v1/sales/{sale_id}")).unwrap().ok();
    assert_eq!(read["lines"][0]["refunded_milli"], 3000);
    let stock = client.get("/v1/stock/EN-001").unwrap().ok();
    assert_eq!(
        (stock["on_hand"].as_i64(), stock["rights"].as_i64()),
        (Some(118), Some(118)),
        "one back, two in the bin"
    );
    let totals = client.get("/v1/totals").unwrap().ok();
    assert_eq!((totals["sales"].as_i64(), totals["refunds"].as_i64()), (Some(1), Some(2)));
    assert_eq!(totals["takings"], sale["total"].as_i64().unwrap() - 3 * 139, "before cash rounding");
    assert_eq!(totals["rounding"], sale["rounding"]);
    assert_eq!(totals["units"]["EN-001"], 0);
}

#[test]
fn vietnamese_goods_are_found_without_their_marks_and_weighed_by_their_label() {
    let dir = TempDir::new("vn");
    let node = start_node_with(dir.path(), "vn-minimart", &[], &[]).unwrap();
    let mut client = node.client("http");
    for (typed, part) in
        [("duong", "đường"), ("sua tuoi", "sữa tươi"), ("sữa tươi", "sữa tươi"), ("NUOC", "nước")]
    {
        let query: String = typed.bytes().map(|b| format!("%{b:02x}")).collect();
        let found = client.get(&format!("/v1/products?q={query}&limit=50")).unwrap().ok();
        let names: Vec<String> = found["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["name"].as_str().unwrap_or_default().to_lowercase())
            .collect();
        assert!(names.iter().any(|name| name.contains(part)), "{typed}: {names:?}");
    }
    let weighed = weighed_item(&mut client);
    let label = weight_label(weighed["plu"].as_u64().unwrap(), 346);
    let found = client.get(&format!("/v1/lookup/{label}")).unwrap().ok();
    assert_eq!(
        (found["matched"].as_str(), found["quantity_milli"].as_i64()),
        (Some("weight_label"), Some(346))
    );
    assert_eq!(found["product"]["sku"], weighed["sku"]);
    let plu = client.get(&format!("/v1/lookup/{}", weighed["plu"])).unwrap().ok();
    assert_eq!((plu["matched"].as_str(), &plu["product"]["sku"]), (Some("plu"), &weighed["sku"]));
    let price = weighed["price"].as_i64().unwrap();
    let id = uuid_v7();
    let sale =
        json!({"till": "R1", "lines": [{"code": label}], "tenders": [{"kind": "cash", "amount": 500_000}]});
    let sale = put_sale(&mut client, &id, &sale).unwrap().ok();
    assert_eq!(sale["lines"][0]["quantity_milli"], 346);
    assert_eq!(sale["total"].as_i64().unwrap(), (price * 346 + 500) / 1000, "dong have no decimals");
    assert_eq!((sale["currency"].as_str(), sale["exponent"].as_i64()), (Some("VND"), Some(0)));
    assert_eq!(sale["cash_due"].as_i64().unwrap() % 500, 0, "cash goes in steps of 500");
}

fn weighed_item(client: &mut Client) -> Value {
    let page = client.get("/v1/products?limit=200").unwrap().ok();
    let weighed =
        |p: &&Value| !p["plu"].is_null() && p["unit"]["base"] == "gram" && p["unit"]["base_per_unit"] == 1000;
    page["data"].as_array().unwrap().iter().find(weighed).expect("the catalog has weighed goods").clone()
}

/// `21PPPPPGGGGGC`, as the catalog's scale prints it.
fn weight_label(plu: u64, grams: u64) -> String {
    let body = format!("21{plu:05}{grams:05}");
    format!("{body}{}", tradepost_commerce::gtin::check_digit(&body))
}

#[test]
fn an_age_is_checked_and_noted() {
    let dir = TempDir::new("age");
    let node = start_node(dir.path(), &[]).unwrap();
    let mut client = node.client("http");
    let page = client.get("/v1/products?limit=200").unwrap().ok();
    let item = page["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|p| !p["min_age"].is_null())
        .expect("a restricted item")
        .clone();
    let line = json!({"sku": item["sku"], "age_check": {"min_age": item["min_age"], "method": "id"}});
    let sale = json!({"till": "R1", "lines": [line], "tenders": [{"kind": "cash", "amount": 100_000}]});
    put_sale(&mut client, &uuid_v7(), &sale).unwrap().ok();
}

#[test]
fn a_store_keeps_its_own_catalog_until_it_is_enrolled() {
    let dir = TempDir::new("own");
    let node = start_node(dir.path(), &[]).unwrap();
    let mut client = node.client("http");
    let product = json!({"name": "Crème fraîche 20 cl", "tax_category": "zero", "gtins": ["4006381333931"], "policy": "strict"});
    client.json("PUT", "/v1/products/OWN-1", &product).unwrap().ok();
    client.json("PUT", "/v1/prices/OWN-1", &json!({"price": 199})).unwrap().ok();
    let found = client.get("/v1/lookup/4006381333931").unwrap().ok();
    assert_eq!(
        (found["product"]["sku"].as_str(), found["product"]["price"].as_i64()),
        (Some("OWN-1"), Some(199))
    );
    assert_eq!(client.get("/v1/products?q=creme+fr").unwrap().ok()["data"][0]["sku"], "OWN-1");
    let sale = cash_sale(&[("OWN-1", 2000)], 1000);
    let short = put_sale(&mut client, &uuid_v7(), &sale).unwrap();
    assert_eq!(
        (short.status, short.code().as_str()),
        (409, "STRICT_STOCK_SHORT"),
        "nothing is there to be promised"
    );
    let delivery = json!({"reference": "D-1", "lines": [{"sku": "OWN-1", "units": 2}]});
    let id = uuid_v7();
    for _ in 0..2 {
        let booked = client.json("PUT", &format!("/v1/deliveries/{id}"), &delivery).unwrap();
        assert_eq!(booked.status, 201, "{}", booked.text());
        assert_eq!(booked.json()["stock"][0]["on_hand"], 2, "a repeat receives nothing more");
    }
    put_sale(&mut client, &uuid_v7(), &sale).unwrap().ok();
    let short = put_sale(&mut client, &uuid_v7(), &sale).unwrap();
    assert_eq!(short.status, 409);
    let adjust = json!({"sku": "EN-001", "units": -3, "reason": "breakage"});
    let stock = client.json("PUT", &format!("/v1/adjustments/{}", uuid_v7()), &adjust).unwrap().ok();
    assert_eq!(
        (stock["stock"][0]["on_hand"].as_i64(), stock["stock"][0]["rights"].as_i64()),
        (Some(117), Some(117))
    );
}

#[test]
fn what_is_sold_beyond_the_books_is_overdraw_until_goods_come() {
    let dir = TempDir::new("overdraw");
    let node = start_node(dir.path(), &[]).unwrap();
    let mut client = node.client("http");
    put_sale(&mut client, &uuid_v7(), &cash_sale(&[("EN-001", 125_000)], 100_000)).unwrap().ok();
    let stock = client.get("/v1/stock/EN-001").unwrap().ok();
    assert_eq!(
        (stock["on_hand"].as_i64(), stock["rights"].as_i64(), stock["overdraw"].as_i64()),
        (Some(-5), Some(0), Some(5))
    );
    let delivery = json!({"reference": "D-2", "lines": [{"sku": "EN-001", "units": 8}]});
    client.json("PUT", &format!("/v1/deliveries/{}", uuid_v7()), &delivery).unwrap().ok();
    let stock = client.get("/v1/stock/EN-001").unwrap().ok();
    assert_eq!(
        (stock["on_hand"].as_i64(), stock["rights"].as_i64(), stock["overdraw"].as_i64()),
        (Some(3), Some(3), Some(0))
    );
}

#[test]
fn erasing_a_customer_breaks_no_chain() {
    let dir = TempDir::new("erase");
    let node = start_node(dir.path(), &[]).unwrap();
    let mut client = node.client("http");
    let customer = uuid_v7();
    let person = json!({"name": "Zzyzx Quorvath", "phone": "+353 1 555 0199", "email": "zzyzx@example.org"});
    client.json("PUT", &format!("/v1/customers/{customer}"), &person).unwrap().ok();
    let mut sale = cash_sale(&[("EN-001", 1000)], 500);
    sale["customer"] = json!(customer);
    let sold = put_sale(&mut client, &uuid_v7(), &sale).unwrap().ok();
    assert_eq!(sold["customer"].as_str(), Some(customer.as_str()));
    assert_eq!(client.send("DELETE", &format!("/v1/customers/{customer}"), &[], None).unwrap().status, 204);
    let read = client.get(&format!("/v1/customers/{customer}")).unwrap().ok();
    assert_eq!((read["erased"].as_bool(), read["name"].is_null()), (Some(true), true));
    assert!(
        !client.get("/v1/exports/events").unwrap().text().contains("Quorvath"),
        "no event ever held the name"
    );
    node.stop(Duration::from_secs(20)).unwrap();
    let bytes = std::fs::read(dir.path().join("tradepost.db")).unwrap();
    assert!(!bytes.windows(8).any(|w| w == b"Quorvath"), "nor does the file any more");
    let audit = std::process::Command::new(tradepost_tests::process::bin_dir().join("tradepost-node"))
        .args(["audit", "verify", "--data-dir"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stderr));
}

#[test]
fn a_second_process_cannot_open_the_same_store() {
    let dir = TempDir::new("twice");
    let node = start_node(dir.path(), &[]).unwrap();
    let second = start_node(dir.path(), &[]);
    assert!(second.is_err_and(|why| why.contains("another process")));
    node.stop(Duration::from_secs(20)).unwrap();
}

#[test]
fn operators_see_what_they_need() {
    let dir = TempDir::new("ops");
    let node = start_node(dir.path(), &[]).unwrap();
    let mut client = node.client("http");
    put_sale(&mut client, &uuid_v7(), &cash_sale(&[("EN-001", 1000)], 500)).unwrap().ok();
    for path in
        ["/livez", "/readyz", "/startupz", "/readyz?verbose", "/version", "/openapi.json", "/problems", "/"]
    {
        assert_eq!(client.get(path).unwrap().status, 200, "{path}");
    }
    assert!(client.get("/metrics").unwrap().text().contains("tradepost_sales_total 1"));
    let page = client.get("/").unwrap();
    assert!(page.header("content-security-policy").is_some_and(|p| p.contains("default-src 'self'")));
    let (one, two) = (client.get("/v1/state-hash").unwrap().ok(), client.get("/v1/state-hash").unwrap().ok());
    assert_eq!(one["state_hash"], two["state_hash"]);
    let books = Books::read(&client.get("/v1/exports/events").unwrap().text());
    assert_eq!((books.documents.len(), books.gaps().len()), (1, 0));
    assert_eq!(client.get("/v1/exports/receipts").unwrap().text().lines().count(), 1);
    assert!(client.get("/v1/exports/audit").unwrap().text().lines().count() >= 3);
    let status = client.get("/v1/sync/status").unwrap().ok();
    assert_eq!((status["link"].as_str(), status["registered"].as_bool()), (Some("never"), Some(true)));
}

#[test]
fn every_match_is_on_exactly_one_page() {
    let dir = TempDir::new("pages");
    let node = start_node(dir.path(), &[]).unwrap();
    let mut client = node.client("http");
    for (sku, name) in [("X-1", "Teapot"), ("X-2", "Tea"), ("X-3", "Teaspoon tea"), ("X-4", "Teak oil")] {
        let product = json!({"name": format!("Zz {name}"), "tax_category": "zero"});
        client.json("PUT", &format!("/v1/products/{sku}"), &product).unwrap().ok();
    }
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/v1/products?q=zz+tea&limit=1{cursor}")).unwrap().ok();
        found.push(page["data"][0]["sku"].as_str().unwrap().to_owned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, ["X-2", "X-3", "X-1", "X-4"], "whole words first");
}
