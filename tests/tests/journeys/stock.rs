//! Promised stock across programs: what a store lends, what headquarters promises of it, what is on its way, and how each
//! promise ends once. The interleavings of `model.md` §8 that cross programs, through real processes.

use serde_json::{Value, json};
use std::time::Duration;
use tradepost_tests::http::{Answer, Client};
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::process::{Program, TempDir, wait_for};
use tradepost_tests::proxy::{Proxy, Weather};

/// Bound of every wait; what is promised is far below.
const SOON: Duration = Duration::from_secs(60);

/// A hub, and a runtime for the proxies before it.
struct Hub {
    program: Program,
    client: Client,
    runtime: tokio::runtime::Runtime,
    folder: TempDir,
}

/// A node behind a link that can be cut.
struct Node {
    _program: Program,
    client: Client,
    link: Proxy,
    incarnation: String,
}

impl Hub {
    fn start(name: &str) -> Self {
        let folder = TempDir::new(name);
        let (data, journal) = (folder.join("hub"), folder.join("journal"));
        let args = [
            "run",
            "--data-dir",
            &data,
            "--journal",
            &journal,
            "--admin-listen",
            "127.0.0.1:0",
            "--sync-listen",
            "127.0.0.1:0",
        ];
        let program = Program::start("tradepost-hub", &args).expect("the hub starts");
        let token = std::path::Path::new(&program.said("data_dir")).join("admin.token");
        let token = std::fs::read_to_string(token).expect("the hub made its token");
        let client = program.client("admin").with_token(token.trim());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Self { program, client, runtime: runtime.expect("a runtime"), folder }
    }

    fn get(&mut self, path: &str) -> Value {
        self.client.get(path).expect("the hub answers").ok()
    }

    fn ask(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        self.client.json(method, path, body).expect("the hub answers")
    }

    fn open_store(&mut self, code: &str, web_share_ppm: u32) {
        let taxes = json!([{"category": "standard", "ppm": 230_000}]);
        let settings = json!({"currency": "EUR", "taxes": taxes, "web_share_ppm": web_share_ppm});
        let _ =
            self.ask("POST", "/v1/stores", &json!({"code": code, "name": code, "settings": settings})).ok();
    }

    fn add_item(&mut self, sku: &str, policy: &str) {
        let product = json!({"name": sku, "tax_category": "standard", "policy": policy});
        let _ = self.ask("PUT", &format!("/v1/products/{sku}"), &product).ok();
        let _ = self.ask("POST", "/v1/prices", &json!({"sku": sku, "price": 100})).ok();
    }

    /// A node that is enrolled, in the roster, and holds the catalog.
    fn node(&mut self, store: &str, name: &str) -> Node {
        let sync = self.program.said("sync").trim_start_matches("https://").to_owned();
        let link = self.runtime.block_on(Proxy::start(&sync)).expect("a free port");
        let data = self.folder.join(name);
        let args = ["run", "--data-dir", &data, "--listen", "127.0.0.1:0", "--name", name];
        let program = Program::start("tradepost-node", &args).expect("the node starts");
        let mut client = program.client("http");
        let wanted = json!({"address": link.address()});
        let code = self.ask("POST", &format!("/v1/stores/{store}/enrolment-codes"), &wanted).ok();
        let _ = client.json("POST", "/v1/enrolment", &json!({"code": code["code"]})).expect("an answer").ok();
        let catalog = self.get("/v1/catalog");
        let mut node = Node { _program: program, client, link, incarnation: String::new() };
        wait_for("the roster and the catalog", SOON, || {
            let till = node.get("/v1/till/bootstrap");
            node.get("/v1/sync/status")["registered"] == true
                && till["catalog_version"]["version"] == catalog["version"]
        })
        .expect("they arrive");
        node.incarnation = node.get("/v1/sync/status")["incarnation"].as_str().unwrap_or_default().to_owned();
        node
    }

    fn stock(&mut self, store: &str, sku: &str) -> Value {
        self.get(&format!("/v1/stores/{store}/stock/{sku}"))
    }

    fn reservation(&mut self, id: &str) -> Value {
        self.get(&format!("/v1/reservations/{id}"))
    }

    fn findings(&mut self, kind: &str) -> Vec<Value> {
        let all = self.get("/v1/review?limit=500");
        let rows = all["data"].as_array().cloned().unwrap_or_default();
        rows.into_iter().filter(|row| row["kind"] == kind).collect()
    }
}

impl Node {
    fn get(&mut self, path: &str) -> Value {
        self.client.get(path).expect("the node answers").ok()
    }

    fn ask(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        self.client.json(method, path, body).expect("the node answers")
    }

    fn stock(&mut self, sku: &str) -> Value {
        self.get(&format!("/v1/stock/{sku}"))
    }

    /// Goods that nobody announced.
    fn receive(&mut self, sku: &str, units: u64) {
        let body = json!({"reference": "D-1", "lines": [{"sku": sku, "units": units}]});
        let _ = self.ask("PUT", &format!("/v1/deliveries/{}", uuid_v7()), &body).ok();
    }

    fn give(&mut self, sku: &str, to: &str, units: u64) -> Answer {
        let body = json!({"id": uuid_v7(), "to": to, "units": units});
        self.ask("POST", &format!("/v1/stock/{sku}/grants"), &body)
    }

    fn sell(&mut self, sku: &str, pieces: i64) -> Answer {
        self.sell_line(json!({"sku": sku, "quantity_milli": pieces * 1_000}))
    }

    fn sell_line(&mut self, line: Value) -> Answer {
        let sale = json!({"till": "R1", "lines": [line], "tenders": [{"kind": "cash", "amount": 100_000}]});
        self.ask("PUT", &format!("/v1/sales/{}", uuid_v7()), &sale)
    }

    fn knows_reservation(&mut self, id: &str) -> bool {
        self.client.get(&format!("/v1/reservations/{id}")).expect("the node answers").status == 200
    }

    fn end(&mut self, id: &str, how: &str) -> Answer {
        self.ask("POST", &format!("/v1/reservations/{id}/{how}"), &json!({}))
    }
}

/// Instants from now on, as texts.
fn in_ms(ms: u64) -> String {
    let at = std::time::SystemTime::now() + Duration::from_millis(ms);
    let since = at.duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let (seconds, rest) = (since.as_secs(), since.subsec_millis());
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date_of(days);
    let (hours, minutes, seconds) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{rest:03}Z")
}

/// A day since 1970 in the Gregorian calendar.
fn date_of(days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut left, mut year) = (days, 1970);
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

/// An hour is longer than any of these stories.
const LONG: u64 = 3_600_000;

fn wanted(store: &str, sku: &str, units: u64, expires: &str) -> Value {
    json!({
        "id": uuid_v7(), "store": store, "sku": sku, "units": units, "order": uuid_v7(), "reference": "W-1",
        "expires": expires,
    })
}

fn with(mut wanted: Value, field: &str, value: Value) -> Value {
    wanted[field] = value;
    wanted
}

fn id_of(wanted: &Value) -> String {
    wanted["id"].as_str().expect("an id").to_owned()
}

fn figures(stock: &Value, names: &[&str]) -> Vec<i64> {
    names.iter().map(|name| stock[name].as_i64().unwrap_or(i64::MIN)).collect()
}

const FIGURES: &[&str] = &["on_hand", "available", "reserved", "exposure", "shrink", "surplus"];

/// Node and hub show the same figures, and these.
fn both_show(hub: &mut Hub, store: &str, node: &mut Node, sku: &str, expected: [i64; 6]) {
    let done = wait_for("node and hub to show the same", SOON, || {
        figures(&node.stock(sku), FIGURES) == expected && figures(&hub.stock(store, sku), FIGURES) == expected
    });
    let shown = (node.stock(sku), hub.stock(store, sku));
    done.unwrap_or_else(|e| panic!("{e}: expected {expected:?} of {FIGURES:?}, shown {shown:#?}"));
}

#[test]
fn g5_the_last_good_in_hand_breaks_a_promise_and_the_order_is_flagged() {
    let mut hub = Hub::start("stock-g5");
    hub.open_store("13", 0);
    hub.add_item("TICKET", "Strict");
    hub.add_item("MUG", "InHand");
    let mut node = hub.node("13", "north");
    for sku in ["TICKET", "MUG"] {
        node.receive(sku, 1);
        let _ = node.give(sku, "hub", 1).ok();
        both_show(&mut hub, "13", &mut node, sku, [1, 1, 0, 0, 0, 0]);
    }
    assert_eq!(node.sell("TICKET", 1).code(), "STRICT_STOCK_SHORT", "its right is lent away");

    node.link.set(Weather::Closed);
    let sold = node.sell("MUG", 1);
    assert_eq!(sold.status, 201, "a good in the customer's hand is sold");
    assert_eq!(node.stock("MUG")["overdraw"], 1);
    let order = wanted("13", "MUG", 1, &in_ms(LONG));
    let _ = hub.ask("POST", "/v1/reservations", &order).ok();
    assert_eq!(hub.reservation(&id_of(&order))["exposed"], 0, "the hub doesn't know yet");
    node.link.set(Weather::Clear);

    both_show(&mut hub, "13", &mut node, "MUG", [0, 0, 1, 1, 0, 0]);
    assert_eq!(hub.stock("13", "MUG")["overdraw"], 1);
    assert_eq!(hub.reservation(&id_of(&order))["exposed"], 1);
    let listed = hub.findings("promise_exposed");
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["ref"], order["id"]);
    assert!(listed[0]["detail"].as_str().unwrap_or_default().contains("W-1"), "{listed:?}");

    // The order is given up at the store: nobody is harmed any more, and the overdraw is covered.
    assert!(node.knows_reservation(&id_of(&order)));
    let _ = node.end(&id_of(&order), "cancel").ok();
    both_show(&mut hub, "13", &mut node, "MUG", [0, 0, 0, 0, 0, 0]);
    assert!(hub.findings("promise_exposed").is_empty());
    assert_eq!(hub.stock("13", "MUG")["overdraw"], 0);
}

#[test]
fn g6_overdraw_is_covered_by_rights_of_another_node() {
    let mut hub = Hub::start("stock-g6");
    hub.open_store("13", 0);
    hub.add_item("MUG", "InHand");
    let mut north = hub.node("13", "north");
    let mut south = hub.node("13", "south");
    south.receive("MUG", 2);
    assert_eq!(north.sell("MUG", 1).status, 201);
    both_show(&mut hub, "13", &mut south, "MUG", [1, 2, 0, 0, 0, 0]);
    assert_eq!(hub.stock("13", "MUG")["overdraw"], 1);
    let to = north.incarnation.clone();
    let _ = south.give("MUG", &to, 1).ok();
    both_show(&mut hub, "13", &mut south, "MUG", [1, 1, 0, 0, 0, 0]);
    both_show(&mut hub, "13", &mut north, "MUG", [1, 1, 0, 0, 0, 0]);
    assert_eq!(hub.stock("13", "MUG")["overdraw"], 0, "it was settled on arrival");
}

#[test]
fn g19_a_reservation_handed_over_offline_is_never_expired_as_well() {
    let mut hub = Hub::start("stock-g19");
    hub.open_store("13", 0);
    hub.add_item("MUG", "Strict");
    let mut node = hub.node("13", "north");
    node.receive("MUG", 3);
    let _ = node.give("MUG", "hub", 2).ok();
    both_show(&mut hub, "13", &mut node, "MUG", [3, 3, 0, 0, 0, 0]);
    let soon = in_ms(4_000);
    let taken = with(wanted("13", "MUG", 1, &soon), "prepaid", json!(100));
    let left = with(wanted("13", "MUG", 1, &soon), "prepaid", json!(100));
    for order in [&taken, &left] {
        let _ = hub.ask("POST", "/v1/reservations", order).ok();
    }
    wait_for("both promises", SOON, || [&taken, &left].iter().all(|o| node.knows_reservation(&id_of(o))))
        .expect("they arrive");

    node.link.set(Weather::Closed);
    assert_eq!(node.end(&id_of(&taken), "fulfil").ok()["state"], "fulfilled");
    assert_eq!(node.end(&id_of(&taken), "fulfil").ok()["state"], "fulfilled", "asked again");
    assert_eq!(node.end(&id_of(&taken), "cancel").code(), "RESERVATION_ENDED");
    // The hub may ask what it wants: only the custodian ends it.
    wait_for("the time to run out", SOON, || in_ms(0) > soon).expect("it passes");
    assert_eq!(
        hub.ask("DELETE", &format!("/v1/reservations/{}", id_of(&taken)), &json!({})).code(),
        "NOT_CUSTODIAN"
    );
    // The other one runs out by hub time, at the store, without a link.
    wait_for("the store to let it expire", SOON, || {
        node.get(&format!("/v1/reservations/{}", id_of(&left)))["state"] == "expired"
    })
    .expect("it expires");
    assert_eq!(node.end(&id_of(&left), "fulfil").code(), "RESERVATION_ENDED");
    node.link.set(Weather::Clear);

    both_show(&mut hub, "13", &mut node, "MUG", [2, 2, 0, 0, 0, 0]);
    assert_eq!(hub.reservation(&id_of(&taken))["state"], "fulfilled");
    assert_eq!(hub.reservation(&id_of(&left))["state"], "expired");
    assert!(hub.findings("custody_clash").is_empty());
    assert_eq!(hub.stock("13", "MUG")["hub_rights"], 0, "what ran out went to the store that held it");
}

#[test]
fn g21_one_delivery_is_received_by_its_custodian_alone() {
    let mut hub = Hub::start("stock-g21");
    hub.open_store("13", 0);
    hub.add_item("MUG", "Strict");
    let mut north = hub.node("13", "north");
    let mut south = hub.node("13", "south");
    let delivery = json!({
        "id": uuid_v7(), "store": "13", "reference": "PO-7", "custodian": "north",
        "lines": [{"sku": "MUG", "units": 5, "cost": 40}],
    });
    let id = id_of(&delivery);
    assert_eq!(hub.ask("POST", "/v1/deliveries", &delivery).ok()["state"], "expected");
    assert_eq!(hub.ask("POST", "/v1/deliveries", &delivery).status, 201, "the same again");
    let other = with(delivery.clone(), "reference", json!("PO-8"));
    assert_eq!(hub.ask("POST", "/v1/deliveries", &other).code(), "ID_REUSED");
    for node in [&mut north, &mut south] {
        wait_for("the announcement", SOON, || node.stock_or_null("MUG")["incoming"] == 5)
            .expect("it arrives");
        node.link.set(Weather::Closed);
    }
    let path = format!("/v1/deliveries/{id}");
    let came = json!({"reference": "PO-7", "lines": [{"sku": "MUG", "units": 5}]});
    let refused = south.ask("PUT", &path, &came);
    assert_eq!(refused.code(), "NOT_CUSTODIAN");
    assert!(refused.text().contains(&north.incarnation), "it says who is: {}", refused.text());
    assert_eq!(north.ask("PUT", &path, &came).status, 201);
    assert_eq!(north.ask("PUT", &path, &came).status, 201, "the same again changes nothing");
    for node in [&north, &south] {
        node.link.set(Weather::Clear);
    }
    both_show(&mut hub, "13", &mut north, "MUG", [5, 5, 0, 0, 0, 0]);
    both_show(&mut hub, "13", &mut south, "MUG", [5, 5, 0, 0, 0, 0]);
    assert_eq!(hub.get(&path)["state"], "received");
    assert_eq!(south.ask("PUT", &path, &came).code(), "NOT_CUSTODIAN", "also when it is over");
}

impl Node {
    /// As [`Self::stock`], nothing where the item is not known yet.
    fn stock_or_null(&mut self, sku: &str) -> Value {
        self.client.get(&format!("/v1/stock/{sku}")).expect("the node answers").json()
    }
}

#[test]
fn a_delivery_comes_short_or_not_at_all_or_had_come_before() {
    let mut hub = Hub::start("stock-deliveries");
    hub.open_store("13", 0);
    hub.add_item("MUG", "InHand");
    hub.add_item("CUP", "InHand");
    let mut node = hub.node("13", "north");
    let announce = |hub: &mut Hub, reference: &str, units: u64| {
        let lines = json!([{"sku": "MUG", "units": units}, {"sku": "CUP", "units": 1}]);
        let body = json!({"id": uuid_v7(), "store": "13", "reference": reference, "lines": lines});
        let _ = hub.ask("POST", "/v1/deliveries", &body).ok();
        id_of(&body)
    };
    let early = uuid_v7();
    let came = json!({"reference": "E-1", "lines": [{"sku": "MUG", "units": 4}]});
    let _ = node.ask("PUT", &format!("/v1/deliveries/{early}"), &came).ok();
    let short = announce(&mut hub, "PO-1", 6);
    let never = announce(&mut hub, "PO-2", 9);
    let before = announce(&mut hub, "PO-3", 4);
    wait_for("three announcements", SOON, || node.stock("MUG")["incoming"] == 19).expect("they arrive");

    let body = json!({"reference": "PO-1", "lines": [{"sku": "MUG", "units": 5}]});
    let _ = node.ask("PUT", &format!("/v1/deliveries/{short}"), &body).ok();
    let empty = json!({"reference": "PO-2", "lines": []});
    assert_eq!(node.ask("PUT", &format!("/v1/deliveries/{never}"), &empty).code(), "EMPTY_BASKET");
    let closed = json!({"reference": "PO-2", "lines": [], "not_delivered": true});
    let _ = node.ask("PUT", &format!("/v1/deliveries/{never}"), &closed).ok();
    assert_eq!(node.ask("PUT", &format!("/v1/deliveries/{}", uuid_v7()), &closed).code(), "NOT_FOUND");
    let same = json!({"reference": "PO-3", "lines": [], "same_as": early});
    let _ = node.ask("PUT", &format!("/v1/deliveries/{before}"), &same).ok();
    let lost = json!({"reference": "PO-3", "lines": [], "same_as": uuid_v7()});
    let wrong = node.ask("PUT", &format!("/v1/deliveries/{before}"), &lost);
    assert_eq!(wrong.code(), "SALE_ID_REUSED", "it is closed by another request");

    both_show(&mut hub, "13", &mut node, "MUG", [9, 9, 0, 0, 0, 0]);
    let state = |hub: &mut Hub, id: &str| hub.get(&format!("/v1/deliveries/{id}"))["state"].clone();
    wait_for("the last of them at the hub", SOON, || state(&mut hub, &before) == "received")
        .expect("it comes");
    assert_eq!(state(&mut hub, &short), "received");
    assert_eq!(state(&mut hub, &never), "not_delivered");
    assert_eq!(hub.get(&format!("/v1/deliveries/{before}"))["same_as"], json!(early));
    let line = &node.get(&format!("/v1/deliveries/{short}"))["lines"][1];
    assert_eq!(
        (&line["expected"], &line["received"], &line["difference"]),
        (&json!(6), &json!(5), &json!(-1))
    );
    let differing: Vec<Value> = hub.findings("delivery_differs").iter().map(|f| f["ref"].clone()).collect();
    assert_eq!(differing.len(), 2, "the short one and the one that never came: {differing:?}");
    assert_eq!(node.stock("MUG")["incoming"], 0);
}

#[test]
fn g24_a_cancelled_reservation_gives_its_rights_back_once() {
    let mut hub = Hub::start("stock-g24");
    hub.open_store("13", 0);
    hub.add_item("MUG", "Strict");
    let mut node = hub.node("13", "north");
    node.receive("MUG", 3);
    let _ = node.give("MUG", "hub", 3).ok();
    both_show(&mut hub, "13", &mut node, "MUG", [3, 3, 0, 0, 0, 0]);
    let order = with(wanted("13", "MUG", 2, &in_ms(LONG)), "custodian", json!("hub"));
    let path = format!("/v1/reservations/{}", id_of(&order));
    let opened = hub.ask("POST", "/v1/reservations", &order).ok();
    assert_eq!(hub.ask("POST", "/v1/reservations", &order).ok(), opened, "the same again");
    let other = with(order.clone(), "units", json!(1));
    assert_eq!(hub.ask("POST", "/v1/reservations", &other).code(), "ID_REUSED");
    both_show(&mut hub, "13", &mut node, "MUG", [3, 1, 2, 0, 0, 0]);
    assert_eq!(node.end(&id_of(&order), "cancel").code(), "NOT_CUSTODIAN", "the hub holds it");
    for _ in 0..3 {
        assert_eq!(hub.ask("DELETE", &path, &json!({})).ok()["state"], "cancelled");
    }
    both_show(&mut hub, "13", &mut node, "MUG", [3, 3, 0, 0, 0, 0]);
    assert_eq!(hub.stock("13", "MUG")["hub_rights"], 3);

    // One more that the hub holds runs out by itself, and one that it hands to the store is the store's.
    let short = with(wanted("13", "MUG", 1, &in_ms(1_500)), "custodian", json!("hub"));
    let _ = hub.ask("POST", "/v1/reservations", &short).ok();
    wait_for("it to run out", SOON, || hub.reservation(&id_of(&short))["state"] == "expired")
        .expect("it does");
    assert_eq!(hub.stock("13", "MUG")["hub_rights"], 3);
    let moved = with(wanted("13", "MUG", 1, &in_ms(LONG)), "custodian", json!("hub"));
    let _ = hub.ask("POST", "/v1/reservations", &moved).ok();
    let path = format!("/v1/reservations/{}", id_of(&moved));
    let handed = hub.ask("POST", &format!("{path}/hand-over"), &json!({})).ok();
    assert_eq!(handed["custodian"], json!(node.incarnation));
    assert_eq!(hub.ask("DELETE", &path, &json!({})).code(), "NOT_CUSTODIAN");
    wait_for("custody at the node", SOON, || {
        node.knows_reservation(&id_of(&moved)) && node.get(&path)["held_here"] == true
    })
    .expect("it arrives");
    assert_eq!(node.end(&id_of(&moved), "cancel").ok()["state"], "cancelled");
    both_show(&mut hub, "13", &mut node, "MUG", [3, 3, 0, 0, 0, 0]);
}

#[test]
fn g25_goods_between_stores_are_in_transit_until_the_receiver_has_counted() {
    let mut hub = Hub::start("stock-g25");
    hub.open_store("A", 0);
    hub.open_store("B", 0);
    hub.add_item("MUG", "Strict");
    let mut a = hub.node("A", "a");
    a.receive("MUG", 9);
    let transfer = json!({"id": uuid_v7(), "to_store": "B", "lines": [{"sku": "MUG", "units": 6}]});
    let path = format!("/v1/transfers/{}", id_of(&transfer));
    let _ = a.ask("POST", "/v1/transfers", &transfer).ok();
    let _ = a.ask("POST", "/v1/transfers", &transfer).ok();
    both_show(&mut hub, "A", &mut a, "MUG", [3, 3, 0, 0, 0, 0]);
    let four = json!({"id": uuid_v7(), "to_store": "B", "lines": [{"sku": "MUG", "units": 4}]});
    let short = a.ask("POST", "/v1/transfers", &four);
    assert_eq!((short.status, short.code().as_str()), (409, "RIGHTS_SHORT"));
    assert_eq!(short.json()["errors"][0]["pointer"], "/lines/0/units");

    // B has no node yet: what comes to it is told once it has one.
    assert_eq!(hub.get(&path)["announced"], false);
    let mut b = hub.node("B", "b");
    wait_for("the announcement", SOON, || b.stock_or_null("MUG")["incoming"] == 6).expect("it arrives");
    let came = |id: String, units: u64, confirmed: bool| {
        let lines = if units == 0 { json!([]) } else { json!([{"sku": "MUG", "units": units}]) };
        json!({"id": id, "lines": lines, "confirmed": confirmed})
    };
    let first = came(uuid_v7(), 5, false);
    for _ in 0..3 {
        let _ = b.ask("POST", &format!("{path}/receive"), &first).ok();
    }
    both_show(&mut hub, "B", &mut b, "MUG", [5, 5, 0, 0, 0, 0]);
    let line = hub.get(&path)["lines"][0].clone();
    assert_eq!((&line["in_transit"], &line["missing"]), (&json!(1), &json!(0)), "{line}");
    assert_eq!(hub.get(&path)["state"], "in_transit");

    let _ = b.ask("POST", &format!("{path}/receive"), &came(uuid_v7(), 0, true)).ok();
    wait_for("the shortage at the hub", SOON, || hub.get(&path)["state"] == "received").expect("it arrives");
    let line = hub.get(&path)["lines"][0].clone();
    assert_eq!((&line["in_transit"], &line["missing"]), (&json!(0), &json!(1)), "{line}");
    assert_eq!(hub.findings("transfer_differs").len(), 1);
    let late = b.ask("POST", &format!("{path}/receive"), &came(uuid_v7(), 1, true));
    assert_eq!(late.code(), "ALREADY_CLOSED");

    // Beyond the rights only where somebody allows it.
    let allowed = with(four, "approver", json!("maria"));
    let _ = a.ask("POST", "/v1/transfers", &allowed).ok();
    both_show(&mut hub, "A", &mut a, "MUG", [-1, 0, 0, 1, 0, 0]);
    assert_eq!(a.stock("MUG")["overdraw"], 1);
}

#[test]
fn g42_and_g49_the_hub_covers_what_is_gone_before_it_promises_again() {
    let mut hub = Hub::start("stock-g42");
    hub.open_store("13", 0);
    hub.add_item("MUG", "InHand");
    let mut node = hub.node("13", "north");
    node.receive("MUG", 3);
    let _ = node.give("MUG", "hub", 3).ok();
    assert_eq!(node.sell("MUG", 1).status, 201);
    both_show(&mut hub, "13", &mut node, "MUG", [2, 3, 0, 0, 0, 0]);
    let three = hub.ask("POST", "/v1/reservations", &wanted("13", "MUG", 3, &in_ms(LONG)));
    assert_eq!((three.status, three.code().as_str()), (409, "RIGHTS_SHORT"), "{}", three.text());
    assert!(three.text().contains("3 asked, the hub may promise 2"), "{}", three.text());
    let two = hub.ask("POST", "/v1/reservations", &wanted("13", "MUG", 2, &in_ms(LONG)));
    assert_eq!(two.status, 201, "{}", two.text());
    both_show(&mut hub, "13", &mut node, "MUG", [2, 0, 2, 0, 0, 0]);
    assert_eq!(hub.stock("13", "MUG")["overdraw"], 0, "the hub gave, the store settled");
    assert_eq!(hub.findings("promise_exposed").len(), 0);
}

#[test]
fn a_reservation_that_is_paid_at_the_store_is_sold_by_naming_it() {
    let mut hub = Hub::start("stock-sold");
    hub.open_store("13", 0);
    hub.add_item("MUG", "Strict");
    hub.add_item("CUP", "Strict");
    let mut north = hub.node("13", "north");
    let mut south = hub.node("13", "south");
    for sku in ["MUG", "CUP"] {
        north.receive(sku, 2);
        let _ = north.give(sku, "hub", 2).ok();
        both_show(&mut hub, "13", &mut north, sku, [2, 2, 0, 0, 0, 0]);
    }
    let unpaid = with(wanted("13", "MUG", 2, &in_ms(LONG)), "custodian", json!("north"));
    let paid = with(wanted("13", "CUP", 1, &in_ms(LONG)), "custodian", json!("north"));
    let paid = with(paid, "prepaid", json!(100));
    for order in [&unpaid, &paid] {
        let _ = hub.ask("POST", "/v1/reservations", order).ok();
    }
    for node in [&mut north, &mut south] {
        wait_for("both promises", SOON, || {
            [&unpaid, &paid].iter().all(|order| node.knows_reservation(&id_of(order)))
        })
        .expect("they arrive");
    }
    let line = |sku: &str, pieces: i64, order: &Value| json!({"sku": sku, "quantity_milli": pieces * 1_000, "reservation": order["id"]});
    let stories = [
        (line("MUG", 1, &unpaid), "BAD_QUANTITY", "/lines/0/quantity_milli"),
        (line("CUP", 2, &unpaid), "UNKNOWN_SKU", "/lines/0/reservation"),
        (line("CUP", 1, &paid), "RESERVATION_PAYMENT", "/lines/0/reservation"),
        (line("MUG", 2, &json!({"id": uuid_v7()})), "NOT_FOUND", "/lines/0/reservation"),
    ];
    for (line, code, pointer) in stories {
        let refused = north.sell_line(line);
        assert_eq!(refused.code(), code, "{}", refused.text());
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer);
    }
    assert_eq!(south.sell_line(line("MUG", 2, &unpaid)).code(), "NOT_CUSTODIAN");
    assert_eq!(north.end(&id_of(&unpaid), "fulfil").code(), "RESERVATION_PAYMENT");
    assert_eq!(north.sell("MUG", 1).code(), "STRICT_STOCK_SHORT", "without naming it nothing is free");

    let sale = north.sell_line(line("MUG", 2, &unpaid));
    assert_eq!(sale.status, 201, "{}", sale.text());
    assert_eq!(north.sell_line(line("MUG", 2, &unpaid)).code(), "RESERVATION_ENDED");
    assert_eq!(north.end(&id_of(&unpaid), "cancel").code(), "RESERVATION_ENDED");
    both_show(&mut hub, "13", &mut north, "MUG", [0, 0, 0, 0, 0, 0]);
    both_show(&mut hub, "13", &mut south, "MUG", [0, 0, 0, 0, 0, 0]);
    assert_eq!(hub.stock("13", "MUG")["overdraw"], 0);
    let shown = hub.reservation(&id_of(&unpaid));
    assert_eq!((&shown["state"], &shown["sale"]), (&json!("fulfilled"), &sale.json()["id"]));
    assert_eq!(north.end(&id_of(&paid), "fulfil").ok()["state"], "fulfilled");
    both_show(&mut hub, "13", &mut north, "CUP", [1, 1, 0, 0, 0, 0]);
    assert!(hub.findings("handed_over_late").is_empty());
    assert!(hub.findings("custody_clash").is_empty());
}

#[test]
fn a_share_of_what_comes_is_lent_to_the_web() {
    let mut hub = Hub::start("stock-lent");
    hub.open_store("13", 400_000);
    hub.add_item("MUG", "InHand");
    let mut node = hub.node("13", "north");
    node.receive("MUG", 10);
    both_show(&mut hub, "13", &mut node, "MUG", [10, 10, 0, 0, 0, 0]);
    assert_eq!(hub.stock("13", "MUG")["hub_rights"], 4);
    assert_eq!(node.stock("MUG")["rights"], 6);
    node.receive("MUG", 5);
    wait_for("the new share", SOON, || hub.stock("13", "MUG")["hub_rights"] == 6).expect("it arrives");
    let order = wanted("13", "MUG", 6, &in_ms(LONG));
    assert_eq!(hub.ask("POST", "/v1/reservations", &order).status, 201, "it waits for no store");
    let seven = hub.ask("POST", "/v1/reservations", &wanted("13", "MUG", 1, &in_ms(LONG)));
    assert_eq!(seven.code(), "RIGHTS_SHORT");
}

/// Counts an item at a node, whatever happens in between.
fn count(node: &mut Node, sku: &str, n: u64, meanwhile: impl FnOnce(&mut Node)) -> Value {
    let id = uuid_v7();
    let begun = node.ask("POST", "/v1/counts", &json!({"id": id, "sku": sku})).ok();
    assert_eq!((&begun["state"], &begun["n"]), (&json!("counting"), &Value::Null), "a count is blind");
    meanwhile(node);
    let path = format!("/v1/counts/{id}/finish");
    let done = node.ask("POST", &path, &json!({"n": n})).ok();
    assert_eq!(node.ask("POST", &path, &json!({"n": n})).ok(), done, "asked again");
    assert_eq!(node.ask("POST", &path, &json!({"n": n + 1})).code(), "SALE_ID_REUSED");
    done
}

/// Node and hub hash all that they hold to the same.
fn agree(hub: &mut Hub, store: &str, node: &mut Node) {
    wait_for("node and hub to agree", SOON, || {
        node.get("/v1/state-hash")["state_hash"]
            == hub.get(&format!("/v1/stores/{store}/state-hash"))["state_hash"]
    })
    .expect("they do");
}

fn rights_of(stock: &Value, incarnation: &str) -> i64 {
    let holders = stock["holders"].as_array().cloned().unwrap_or_default();
    let own = holders.iter().find(|holder| holder["incarnation"] == incarnation);
    own.map_or(0, |holder| holder["rights"].as_i64().unwrap_or(i64::MIN))
}

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

#[test]
fn wrong_requests_about_stock_are_told_what_is_wrong() {
    let mut hub = Hub::start("stock-input");
    hub.open_store("13", 0);
    hub.add_item("MUG", "InHand");
    let mut node = hub.node("13", "north");
    node.receive("MUG", 1);
    let right = wanted("13", "MUG", 1, &in_ms(LONG));
    let delivery =
        json!({"id": uuid_v7(), "store": "13", "reference": "PO", "lines": [{"sku": "MUG", "units": 1}]});
    let stories: Vec<(&str, Value, u16, &str, &str)> = vec![
        ("/v1/reservations", right.clone(), 409, "RIGHTS_SHORT", "/units"),
        ("/v1/reservations", with(right.clone(), "units", json!(0)), 422, "BAD_QUANTITY", "/units"),
        ("/v1/reservations", with(right.clone(), "id", json!("x")), 422, "BAD_VALUE", "/id"),
        ("/v1/reservations", with(right.clone(), "order", json!("x")), 422, "BAD_VALUE", "/order"),
        ("/v1/reservations", with(right.clone(), "sku", json!("NONE")), 422, "UNKNOWN_SKU", "/sku"),
        ("/v1/reservations", with(right.clone(), "store", json!("99")), 404, "NOT_FOUND", ""),
        ("/v1/reservations", with(right.clone(), "expires", json!("soon")), 422, "BAD_VALUE", "/expires"),
        (
            "/v1/reservations",
            with(right.clone(), "expires", json!("2001-01-01T00:00:00Z")),
            422,
            "BAD_VALUE",
            "/expires",
        ),
        ("/v1/reservations", with(right.clone(), "reference", json!("")), 422, "BAD_VALUE", "/reference"),
        ("/v1/reservations", with(right.clone(), "prepaid", json!(-1)), 422, "BAD_MONEY", "/prepaid"),
        (
            "/v1/reservations",
            with(right.clone(), "custodian", json!("east")),
            422,
            "UNKNOWN_NODE",
            "/custodian",
        ),
        ("/v1/reservations", with(right, "colour", json!(1)), 422, "UNKNOWN_FIELD", "/colour"),
        ("/v1/deliveries", with(delivery.clone(), "lines", json!([])), 422, "BAD_VALUE", "/lines"),
        (
            "/v1/deliveries",
            with(delivery.clone(), "lines", json!([{"sku": "MUG", "units": 0}])),
            422,
            "BAD_QUANTITY",
            "/lines/0/units",
        ),
        (
            "/v1/deliveries",
            with(delivery, "lines", json!([{"sku": "NONE", "units": 1}])),
            422,
            "UNKNOWN_SKU",
            "/lines/0/sku",
        ),
    ];
    for (path, body, status, code, pointer) in stories {
        let answer = hub.ask("POST", path, &body);
        let problem = answer.json();
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path} {body}: {problem}");
        assert_eq!(
            problem["errors"][0]["pointer"].as_str().unwrap_or_default(),
            pointer,
            "{body}: {problem}"
        );
    }
    let grant = |to: &str, units: i64| json!({"id": uuid_v7(), "to": to, "units": units});
    let own = node.incarnation.clone();
    let ship = |to: &str, sku: &str, units: u64| json!({"id": uuid_v7(), "to_store": to, "lines": [{"sku": sku, "units": units}]});
    let stories: Vec<(&str, Value, u16, &str, &str)> = vec![
        ("/v1/stock/MUG/grants", grant("hub", 2), 409, "RIGHTS_SHORT", "/units"),
        ("/v1/stock/MUG/grants", grant("hub", 0), 422, "BAD_QUANTITY", "/units"),
        ("/v1/stock/MUG/grants", grant("nobody", 1), 422, "UNKNOWN_INCARNATION", "/to"),
        ("/v1/stock/MUG/grants", grant(&own, 1), 422, "UNKNOWN_INCARNATION", "/to"),
        ("/v1/stock/NONE/grants", grant("hub", 1), 422, "UNKNOWN_SKU", ""),
        ("/v1/transfers", ship("13", "MUG", 1), 422, "UNKNOWN_STORE", "/to_store"),
        ("/v1/transfers", ship("14", "NONE", 1), 422, "UNKNOWN_SKU", "/lines/0/sku"),
        ("/v1/transfers", ship("14", "MUG", 0), 422, "BAD_QUANTITY", "/lines/0/units"),
    ];
    for (path, body, status, code, pointer) in stories {
        let answer = node.ask("POST", path, &body);
        let problem = answer.json();
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path} {body}: {problem}");
        assert_eq!(
            problem["errors"][0]["pointer"].as_str().unwrap_or_default(),
            pointer,
            "{body}: {problem}"
        );
    }
    let nothing = format!("/v1/reservations/{}/fulfil", uuid_v7());
    assert_eq!(node.ask("POST", &nothing, &json!({})).code(), "NOT_FOUND");
}
