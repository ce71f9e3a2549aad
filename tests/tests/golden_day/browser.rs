//! The golden store day once more, through the browser: sales, the refund, cash out and the close by clicks and scans in
//! Chromium, on the same programs with the same outages; every figure as it stands in `tests/golden/day.json`. The
//! clicks are in `web-ui/e2e/golden.mjs`.
//!
//! Needs what `tradepost_tests::browser` says; where it is missing the test says so.

use super::{
    Day, SOON, catalog_arrives, drawer, hand_out_w1, list_v2, now_ms, number, operation, receive_po77,
    s2_receives_t9, stock_take, the_days_before, the_hub_agrees, the_link_is_back, the_web_order, told,
    transfer_t9,
};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use tradepost_tests::browser;
use tradepost_tests::process::wait_for;
use tradepost_tests::proxy::Weather;

/// A cashier with a browser: does one step at a time, as told.
struct Cashier {
    child: Child,
    told: ChildStdin,
    says: Lines<BufReader<ChildStdout>>,
}

impl Cashier {
    fn sits_down(web: &Path) -> Self {
        let mut child = Command::new("node")
            .arg(web.join("e2e/golden.mjs"))
            .current_dir(web)
            .env("TRADEPOST_SHOTS", browser::shots())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Node.js starts");
        let told = child.stdin.take().expect("stdin is piped");
        let says = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        Self { child, told, says }
    }

    /// One step at the till of S1, wherever its node listens by now; what the page showed.
    fn does(&mut self, day: &Day, step: &str, with: &Value) -> Value {
        let url = day.s1.program.as_ref().expect("it runs").said("http");
        writeln!(self.told, "{}", json!({"step": step, "url": url, "with": with}))
            .expect("the cashier listens");
        for line in self.says.by_ref().map_while(Result::ok) {
            match line.strip_prefix("@done ") {
                Some(said) => return serde_json::from_str(said).expect("JSON"),
                None => eprintln!("{line}"),
            }
        }
        panic!("{step} with {with} went wrong; screenshots in {}", browser::shots().display());
    }

    /// A step that ends with a document: it is compared with the day's.
    fn makes(&mut self, day: &mut Day, step: &str, with: &Value) -> Value {
        let said = self.does(day, step, with);
        let id = said["id"].as_str().expect("the document's id");
        let paper = day.s1.get(&format!("/v1/sales/{id}"));
        day.keep(paper.clone());
        paper
    }
}

impl Drop for Cashier {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The scanner's code of a product of the day.
fn code(day: &Day, sku: &str) -> Value {
    let all = day.figures["master"]["products"].as_array().expect("products");
    all.iter().find(|product| product["sku"] == sku).expect("it is of the day")["gtin"].clone()
}

fn scans(day: &Day, what: &[(&str, u32)]) -> Value {
    what.iter().map(|(sku, n)| json!({"sku": sku, "code": code(day, sku), "n": n})).collect()
}

fn nuts(label: &str) -> Value {
    json!({"sku": "NUTS", "code": label})
}

fn the_morning(day: &mut Day, till: &mut Cashier) {
    till.does(day, "open", &json!({"name": "Ben", "pin": "1111", "float": "150.00"}));

    let items = scans(day, &[("MUG", 2), ("TEA", 1), ("CAKE", 3)]);
    let paper = till.makes(day, "sell", &json!({"items": items, "card": "all", "shot": "day-101"}));
    day.ids.insert("101", paper["id"].as_str().expect("an id").to_owned());
    day.ids.insert("101 number", paper["receipt"]["number"].as_str().expect("a number").to_owned());

    // The hub's answers are lost: nobody at the till notices.
    day.s1.level();
    day.s1.link.set(Weather::SwallowDown);
    let items = json!([{"sku": "TEE", "code": code(day, "TEE"), "n": 1, "off": "10"}, nuts("2110004003469")]);
    till.makes(day, "sell", &json!({"items": items, "cash": "30", "shot": "day-102"}));

    day.s1.link.set(Weather::Closed);
    day.s1.put("/v1/terminals/R1", &json!({"kind": "simulated", "online": false}));
    let items = scans(day, &[("MUG", 1), ("TEA", 2), ("CAKE", 4), ("TEE", 1)]);
    let coupon = json!({"code": "AUTUMN5", "amount": "5"});
    let with = json!({"items": items, "coupon": coupon, "card": "20", "stored": true, "cash": "50", "shot": "day-103"});
    let paper = till.makes(day, "sell", &with);
    day.ids.insert("103", paper["id"].as_str().expect("an id").to_owned());

    let items = scans(day, &[("CAKE", 5)]);
    till.does(day, "park", &json!({ "items": items }));

    // Printed, the plug pulled, printed again: a copy, and it says so.
    let with = json!({"items": [nuts("2110004012508")], "cash": "25", "print": true});
    let paper = till.makes(day, "sell", &with);
    day.s1.pull_the_plug();
    let copy = till.does(day, "copy", &json!({"number": paper["receipt"]["number"]}));
    assert_eq!(copy["copy"], 1, "marked as a copy");

    let back = json!([{"line": "MUG"}, {"line": "CAKE", "waste": true}]);
    let with = json!({"number": day.ids["101 number"], "back": back, "shot": "day-105"});
    let paper = till.makes(day, "refund", &with);
    assert_eq!((&paper["approver"], &paper["void"]), (&json!("mia"), &json!(false)));
}

/// Scanned before noon and paid after it; where noon came before the scan, it is made later.
fn receipt_107(day: &mut Day, till: &mut Cashier) {
    let items = scans(day, &[("MUG", 1)]);
    let mut wait = 40_000;
    while till.does(day, "scan", &json!({ "items": items }))["total"] != "€7.95" {
        assert!(wait < 1_000_000, "noon comes too early, again and again");
        till.does(day, "cancel", &json!({}));
        day.at_hub("POST", "/v1/prices", &json!({"sku": "MUG", "price": 795}));
        let noon = now_ms() + wait;
        day.at_hub("POST", "/v1/prices", &json!({"sku": "MUG", "price": 845, "valid_from": noon}));
        catalog_arrives(day);
        wait *= 2;
    }
    wait_for("noon", Duration::from_secs(1_200), || number(&day.s1.get("/v1/products/MUG")["price"]) == 845)
        .expect("it comes");
    till.makes(day, "sell", &json!({"items": [], "cash": "10"}));
}

fn the_afternoon(day: &mut Day, till: &mut Cashier) {
    list_v2(day);
    the_link_is_back(day);
    till.makes(day, "sell", &json!({"parked": true, "items": [], "card": "all"}));
    receipt_107(day, till);
    let items = scans(day, &[("MUG", 2), ("TEE", 1)]);
    let paper =
        till.makes(day, "sell", &json!({"customer": "Ann", "items": items, "cash": "40", "shot": "day-108"}));
    assert_eq!(paper["customer"], day.ids["Ann"]);
    transfer_t9(day);
    receive_po77(day);
    hand_out_w1(day);
    s2_receives_t9(day);
}

fn the_evening(day: &mut Day, till: &mut Cashier) {
    let operations = day.figures["operations"].as_array().expect("operations").clone();
    let money = operations.iter().find(|o| o.get("safe_drop").is_some()).expect("it is of the day");
    let euros = |minor: &Value| format!("{}.{:02}", number(minor) / 100, number(minor) % 100);
    till.does(
        day,
        "cash",
        &json!({"direction": "safe_drop", "amount": euros(&money["safe_drop"]), "reason": "safe"}),
    );
    let out = &money["paid_out"];
    let with = json!({"direction": "out", "amount": euros(&out["amount"]), "reason": out["reason"]});
    till.does(day, "cash", &with);
    assert!(operation(day, "count").is_object());
    stock_take(day);
    day.s1.link.set(Weather::Closed);
    let counted = euros(&day.figures["z"]["counted"]);
    till.does(day, "close", &json!({"counted": counted, "shot": "day-z"}));
    let z = day.s1.get("/v1/tills/R1/z?limit=1")["data"][0].clone();
    assert_eq!(told(&z), day.figures["z"], "{z:#}");
    assert_eq!(drawer(day, &z), day.figures["drawer"]);
}

#[test]
fn the_day_through_the_browser() {
    let Some(web) = browser::web_ui() else { return };
    let mut day = Day::begin("golden-day-browser", false);
    the_days_before(&mut day);
    the_web_order(&mut day);
    let page = day.s1.client.get("/").expect("the node serves a page").text();
    assert!(page.contains("id=\"till\""), "the node has no page built in: run scripts/web, then build again");
    let mut till = Cashier::sits_down(&web);
    the_morning(&mut day, &mut till);
    the_afternoon(&mut day, &mut till);
    the_evening(&mut day, &mut till);
    till.does(&day, "end", &json!({}));
    day.s1.link.set(Weather::Clear);
    wait_for("the Z at the hub", SOON, || {
        day.admin.get("/v1/z-reports/S1/R1/42").expect("the hub answers").status == 200
    })
    .expect("it arrives");
    the_hub_agrees(&mut day);
}
