//! What headquarters does with a hub: a shop's table comes in and goes out, and everything that was done is written down.

use crate::stock::kit::Hub;
use serde_json::{Value, json};
use tradepost_tests::engines;

const NEW: &str = "Title,URL handle,Product category,Status,SKU,Barcode,Option1 name,Option1 value,Price,Cost per item,Inventory quantity\n\
    Shirt,shirt,Apparel > Shirts,Active,SH-M,9520202000017,Size,M,19.90,7.00,5\n\
    ,shirt,,,SH-L,,Size,L,21.00,,3\n\
    Mug,mug,Home,Active,MUG,9520202000025,,,4.50,,\n\
    Gift,gift,,Active,GIFT,,,,,,\n";

fn import(hub: &mut Hub, query: &str, table: &str) -> Value {
    let path = format!("/v1/products/import{query}");
    hub.client
        .send("POST", &path, &[("content-type", "text/csv")], Some(table.as_bytes()))
        .expect("an answer")
        .ok()
}

fn counts(report: &Value) -> [i64; 5] {
    ["created", "updated", "unchanged", "skipped", "wrong"].map(|key| report[key].as_i64().expect("a number"))
}

#[test]
fn a_shops_table_is_tried_taken_in_and_written_again() {
    let mut hub = Hub::start("table");
    hub.open_store("13", 0);
    let version = hub.get("/v1/catalog")["version"].clone();

    let dry = import(&mut hub, "?dry_run=true", NEW);
    assert_eq!((counts(&dry), &dry["dry_run"]), ([3, 0, 0, 0, 1], &json!(true)), "{dry}");
    assert_eq!(dry["columns_passed_over"], json!(["Inventory quantity", "Option1 name"]));
    assert_eq!(dry["rows"][1], json!({"row": 3, "of": "SH-L", "outcome": "created", "changes": []}));
    let wrong = &dry["errors"][0];
    assert_eq!(
        (&wrong["row"], &wrong["pointer"], &wrong["code"]),
        (&json!(4), &json!("/Barcode"), &json!("BAD_CHECK_DIGIT"))
    );
    assert_eq!(hub.get("/v1/catalog")["version"], version, "a dry run changes nothing");
    assert_eq!(hub.get("/v1/products")["data"], json!([]));

    let good = NEW.replace("9520202000025", "9520202000024");
    assert_eq!(counts(&import(&mut hub, "", &good)), [4, 0, 0, 0, 0]);
    let shirt = hub.get("/v1/products/SH-M");
    assert_eq!(
        (&shirt["name"], &shirt["category"], &shirt["cost"]),
        (&json!("Shirt, M"), &json!("Apparel/Shirts"), &json!(700))
    );
    assert_eq!(counts(&import(&mut hub, "", &good)), [0, 0, 4, 0, 0], "again changes nothing");

    // The older columns, another price, and what only this catalog knows of the item stays.
    let etag =
        hub.client.get("/v1/products/MUG").expect("an answer").header("etag").expect("a version").to_owned();
    let mut mug = hub.get("/v1/products/MUG");
    mug["min_age"] = json!(18);
    let headers = [("content-type", "application/json"), ("if-match", &*etag)];
    let body = serde_json::to_vec(&mug).expect("JSON");
    let _ = hub.client.send("PUT", "/v1/products/MUG", &headers, Some(&body)).expect("an answer").ok();
    let old = "Handle,Title,Variant SKU,Variant Price\nmug,Mug,MUG,5.00\n";
    let dry = import(&mut hub, "?dry_run=true", old);
    assert_eq!(dry["rows"], json!([{"row": 2, "of": "MUG", "outcome": "updated", "changes": ["price"]}]));
    assert_eq!(counts(&import(&mut hub, "", old)), [0, 1, 0, 0, 0]);
    assert_eq!(hub.get("/v1/products/MUG")["min_age"], 18);

    let written = hub.client.get("/v1/exports/products.csv").expect("an answer");
    assert!(written.header("content-type").is_some_and(|kind| kind.starts_with("text/csv")));
    let table = written.text();
    assert!(table.contains("Mug,mug,Home,Active,MUG,09520202000024,5.00,,TRUE,standard"), "{table}");
    assert_eq!(counts(&import(&mut hub, "", &table)), [0, 0, 4, 0, 0], "what was written is what is there");
}

#[test]
fn a_table_that_can_t_be_read_is_refused_whole() {
    let mut hub = Hub::start("notable");
    for (query, table, pointer) in
        [("", "SKU,Price\nA,1\n", "/Title"), ("?currency=XX", "Title,Price\nA,1\n", "/currency")]
    {
        let path = format!("/v1/products/import{query}");
        let headers = [("content-type", "text/csv")];
        let answer = hub.client.send("POST", &path, &headers, Some(table.as_bytes())).expect("an answer");
        assert_eq!((answer.status, &answer.json()["errors"][0]["pointer"]), (422, &json!(pointer)));
    }
    // Without a store nobody knows the currency: the amounts are wrong, row by row.
    let report = import(&mut hub, "", "Title,Price\nA,1\nB,\n");
    assert_eq!((counts(&report), &report["errors"][0]["pointer"]), ([1, 0, 0, 0, 1], &json!("/currency")));
}

#[test]
fn whatever_is_changed_is_written_down_once() {
    let mut hub = Hub::start("trail");
    hub.open_store("13", 0);
    hub.add_item("MUG", "InHand");
    let person = json!({"name": "Ann", "role": "manager", "pin": "482913", "active": true});
    let path = "/v1/stores/13/staff/ann";
    let _ = hub.ask("PUT", path, &person).ok();
    let _ = hub.get("/v1/stores");
    assert!(hub.ask("PUT", "/v1/products/BAD", &json!({"name": ""})).status >= 400);

    let page = hub.get("/v1/audit");
    let calls: Vec<_> =
        page["data"].as_array().expect("entries").iter().map(|entry| entry["call"].clone()).collect();
    let wanted = [
        format!("PUT {path}"),
        "POST /v1/prices".to_owned(),
        "PUT /v1/products/MUG".to_owned(),
        "POST /v1/stores".to_owned(),
    ];
    assert_eq!(calls, wanted.map(Value::from), "what was refused or only read isn't there");
    let staff = &page["data"][0];
    assert_eq!(staff["no"], 4);
    assert!(
        staff["body"].as_str().is_some_and(|body| body.contains("Ann") && !body.contains("482913")),
        "{staff}"
    );
    assert!(staff["actor"].as_str().is_some_and(|actor| actor.starts_with("admin token ")));
    assert_eq!(hub.get("/v1/audit?q=prices")["data"].as_array().map(Vec::len), Some(1));
    let second = hub.get("/v1/audit?limit=3");
    let rest =
        hub.get(&format!("/v1/audit?limit=3&cursor={}", second["next_cursor"].as_str().expect("more")));
    assert_eq!(rest["data"][0]["no"], 1);
    let verdict = hub.get("/v1/audit/verdict");
    assert_eq!((&verdict["whole"], &verdict["good"]), (&json!(true), &json!(4)));

    if engines::services() {
        return;
    }
    let file = std::path::Path::new(&hub.program.said("data_dir")).join("hub.db");
    let other = rusqlite::Connection::open(file).expect("the hub's file");
    for (change, good, first_bad) in [
        ("UPDATE audit_trail SET body = replace(body, 'Ann', 'Bob') WHERE no = 4", 3, json!(4)),
        ("DELETE FROM audit_trail WHERE no = 4", 3, json!(4)),
        ("DELETE FROM audit_trail WHERE no = 2", 1, json!(2)),
    ] {
        let _ = other.execute(change, []).expect("changed");
        let verdict = hub.get("/v1/audit/verdict");
        assert_eq!(
            (&verdict["whole"], &verdict["good"], &verdict["first_bad"]),
            (&json!(false), &json!(good), &first_bad)
        );
    }
}
