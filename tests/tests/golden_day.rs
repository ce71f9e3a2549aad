//! The golden store day (`money.md`): one store's realistic day through real programs, with the real outages, the pulled
//! plug and lost answers; every figure as it stands in `tests/golden/day.json`. Then the same day with the plug pulled
//! behind every step.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tradepost_tests::http::{Answer, Client};
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::process::{Program, TempDir, wait_for};
use tradepost_tests::proxy::{Proxy, Weather};

#[path = "golden_day/books.rs"]
mod books;
#[path = "golden_day/browser.rs"]
mod browser;

/// Bound of every wait; what is promised is far below.
const SOON: Duration = Duration::from_secs(120);

const DAY: &str = include_str!("../golden/day.json");

/// Everything of the day.
struct Day {
    figures: Value,
    folder: TempDir,
    runtime: tokio::runtime::Runtime,
    hub: Program,
    admin: Client,
    s1: Store,
    s2: Store,
    /// The plug is pulled behind every step.
    hard: bool,
    /// The day's documents by number, as they were answered.
    papers: BTreeMap<u64, Value>,
    /// Ids that later steps need.
    ids: BTreeMap<&'static str, String>,
}

/// A node behind a link that can be cut.
struct Store {
    program: Option<Program>,
    client: Client,
    link: Proxy,
    args: Vec<String>,
}

impl Store {
    fn get(&mut self, path: &str) -> Value {
        self.client.get(path).expect("the node answers").ok()
    }

    fn ask(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        self.client.json(method, path, body).expect("the node answers")
    }

    fn post(&mut self, path: &str, body: &Value) -> Value {
        self.ask("POST", path, body).ok()
    }

    fn put(&mut self, path: &str, body: &Value) -> Value {
        self.ask("PUT", path, body).ok()
    }

    /// The plug is pulled, and put in again.
    fn pull_the_plug(&mut self) {
        self.program.take().expect("it runs").kill();
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        let program = Program::start("tradepost-node", &args).expect("the node comes back");
        self.client = program.client("http");
        self.program = Some(program);
    }

    fn level(&mut self) {
        wait_for("everything to be at the hub", SOON, || {
            let status = self.get("/v1/sync/status");
            status["unsynced"] == 0
        })
        .expect("it arrives");
    }

    fn on_hand(&mut self, sku: &str) -> i64 {
        number(&self.get(&format!("/v1/stock/{sku}"))["on_hand"])
    }

    /// A cart with lines, not paid yet.
    fn cart(&mut self, lines: &[Value]) -> String {
        let id = uuid_v7();
        self.post("/v1/carts", &json!({"till": "R1", "id": id}));
        for line in lines {
            self.post(&format!("/v1/carts/{id}/lines"), line);
        }
        id
    }

    fn tender(&mut self, cart: &str, kind: &str, amount: i64) -> Value {
        let body = json!({"id": uuid_v7(), "kind": kind, "amount": amount});
        self.post(&format!("/v1/carts/{cart}/tenders"), &body)
    }

    fn check_out(&mut self, cart: &str) -> Value {
        let path = format!("/v1/carts/{cart}/checkout");
        let sale = self.post(&path, &json!({"tenders": []}));
        assert_eq!(self.post(&path, &json!({"tenders": []})), sale, "asked again");
        sale
    }
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("a time of this century")
}

fn pieces(sku: &str, n: i64) -> Value {
    json!({"sku": sku, "quantity_milli": n * 1_000})
}

fn manager() -> Value {
    json!({"staff": "mia", "pin": "2468"})
}

impl Day {
    fn begin(name: &str, hard: bool) -> Self {
        let folder = TempDir::new(name);
        let figures: Value = serde_json::from_str(DAY).expect("the day's figures");
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
        let hub = Program::start("tradepost-hub", &args).expect("the hub starts");
        let token = std::path::Path::new(&hub.said("data_dir")).join("admin.token");
        let token = std::fs::read_to_string(token).expect("the hub made its token");
        let mut admin = hub.client("admin").with_token(token.trim());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        publish_master(&mut admin, &figures);
        let s1 = open_store(&folder, &runtime, &hub, &mut admin, "S1");
        let s2 = open_store(&folder, &runtime, &hub, &mut admin, "S2");
        let (papers, ids) = (BTreeMap::new(), BTreeMap::new());
        Self { figures, folder, runtime, hub, admin, s1, s2, hard, papers, ids }
    }

    fn at_hub(&mut self, method: &str, path: &str, body: &Value) -> Value {
        self.admin.json(method, path, body).expect("the hub answers").ok()
    }

    fn hub_has(&mut self, path: &str) -> Value {
        self.admin.get(path).expect("the hub answers").ok()
    }

    fn step(&mut self, step: fn(&mut Day)) {
        step(self);
        if self.hard {
            self.s1.pull_the_plug();
        }
    }

    /// Keeps a document and compares it with the day's figures.
    fn keep(&mut self, paper: Value) {
        let n = paper["receipt"]["n"].as_u64().expect("a number");
        let receipts = self.figures["receipts"].as_array().expect("the day's receipts");
        let told = receipts.iter().find(|told| told["no"].as_u64() == Some(n));
        let told = told.unwrap_or_else(|| panic!("the day has no receipt {n}"));
        compare(&paper, told);
        self.papers.insert(n, paper);
    }
}

impl Drop for Day {
    fn drop(&mut self) {
        // The hub's process goes before its folder, which both outlive the runtime of the proxies.
        let _ = (&self.runtime, &self.hub, &self.folder);
    }
}

/// What the day says of a receipt, said of ours.
fn compare(paper: &Value, told: &Value) {
    let ours: BTreeMap<String, Value> = paper["tax_groups"]
        .as_array()
        .expect("groups")
        .iter()
        .map(|group| (group["ppm"].to_string(), group["tax"].clone()))
        .collect();
    let lines = paper["lines"].as_array().expect("lines");
    let of_lines = |field: &str| json!(lines.iter().map(|line| line[field].clone()).collect::<Vec<_>>());
    let card: i64 = paper["tenders"]
        .as_array()
        .expect("tenders")
        .iter()
        .filter(|tender| tender["kind"] == "card")
        .map(|tender| number(&tender["amount"]))
        .sum();
    for (field, right) in told.as_object().expect("figures") {
        let ours = match field.as_str() {
            "no" => continue,
            "tax" => json!(ours),
            "line_tax" => of_lines("tax"),
            "alloc" => of_lines("order_share"),
            "card" => json!(card),
            "tendered" => paper["cash_tendered"].clone(),
            other => paper[other].clone(),
        };
        assert_eq!(ours, *right, "{field} of {paper:#}");
    }
}

fn publish_master(admin: &mut Client, figures: &Value) {
    let mut ask = |method: &str, path: &str, body: &Value| {
        admin.json(method, path, body).expect("the hub answers").ok()
    };
    let taxes = json!([
        {"category": "standard", "ppm": 230_000}, {"category": "reduced", "ppm": 135_000},
        {"category": "zero", "ppm": 0},
    ]);
    let settings = json!({
        "currency": figures["currency"], "cash_step": figures["master"]["cash_step"], "taxes": taxes,
        "card_floor_limit": figures["master"]["card_floor_limit"],
        "barcodes": [{"name": "scale", "pattern": "21PPPPPGGGGGC"}],
    });
    for code in ["S1", "S2"] {
        ask("POST", "/v1/stores", &json!({"code": code, "name": code, "settings": settings}));
    }
    for product in figures["master"]["products"].as_array().expect("products") {
        let sku = product["sku"].as_str().expect("a code");
        let category = match number(&product["tax"]) {
            230_000 => "standard",
            135_000 => "reduced",
            _ => "zero",
        };
        let mut body = json!({"name": sku, "tax_category": category});
        match product.get("plu") {
            Some(plu) => {
                body["plu"] = plu.clone();
                body["weighed"] = json!(true);
                body["unit"] = json!({"base": "Gram", "base_per_unit": 1_000});
            }
            None => body["gtins"] = json!([product["gtin"]]),
        }
        ask("PUT", &format!("/v1/products/{sku}"), &body);
        ask("POST", "/v1/prices", &json!({"sku": sku, "price": product["price"]}));
    }
    // What was sold before this day.
    ask("PUT", "/v1/products/BAG", &json!({"name": "BAG", "tax_category": "zero"}));
    ask("POST", "/v1/prices", &json!({"sku": "BAG", "price": 10}));
    for (list, prices) in figures["master"]["lists"].as_object().expect("lists") {
        for (sku, price) in prices.as_object().expect("prices") {
            ask("POST", "/v1/prices", &json!({"sku": sku, "price": price, "list": list}));
        }
    }
}

fn open_store(
    folder: &TempDir,
    runtime: &tokio::runtime::Runtime,
    hub: &Program,
    admin: &mut Client,
    code: &str,
) -> Store {
    let sync = hub.said("sync").trim_start_matches("https://").to_owned();
    let link = runtime.block_on(Proxy::start(&sync)).expect("a free port");
    let data = folder.join(code);
    let args = ["run", "--data-dir", &data, "--listen", "127.0.0.1:0", "--till", "R1", "--name", code];
    let program = Program::start("tradepost-node", &args).expect("the node starts");
    let mut client = program.client("http");
    let path = format!("/v1/stores/{code}/enrolment-codes");
    let made = admin.json("POST", &path, &json!({"address": link.address()})).expect("an answer").ok();
    let _ = client.json("POST", "/v1/enrolment", &json!({"code": made["code"]})).expect("an answer").ok();
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    let mut store = Store { program: Some(program), client, link, args };
    let catalog = admin.get("/v1/catalog").expect("the hub answers").ok();
    wait_for("the roster and the catalog", SOON, || {
        let status = store.get("/v1/sync/status");
        status["registered"] == true
            && status["lease"]["held"] == true
            && store.get("/v1/till/bootstrap")["catalog_version"]["version"] == catalog["version"]
    })
    .expect("they arrive");
    store
}

/// The days before: a hundred receipts, forty-one Zs, and the shelves filled.
fn the_days_before(day: &mut Day) {
    let products = day.figures["master"]["products"].as_array().expect("products").clone();
    let opening = |product: &Value| json!({"sku": product["sku"], "units": product["opening"]});
    let mut lines: Vec<Value> = products.iter().map(opening).collect();
    lines.push(json!({"sku": "BAG", "units": 100}));
    let path = format!("/v1/deliveries/{}", uuid_v7());
    day.s1.put(&path, &json!({"reference": "opening", "lines": lines}));
    let tea = json!([{"sku": "TEA", "units": day.figures["master"]["opening_s2"]["TEA"]}]);
    let path = format!("/v1/deliveries/{}", uuid_v7());
    day.s2.put(&path, &json!({"reference": "opening", "lines": tea}));
    let last = number(&day.figures["z"]["previous"]);
    for z in 1..=last {
        let opened = json!({"id": uuid_v7(), "floats": [{"total": 0}]});
        let shift = day.s1.post("/v1/tills/R1/shift", &opened);
        let mut counted = 0;
        if z == 1 {
            for _ in 1..number(&day.figures["master"]["first_receipt"]) {
                let cash = json!([{"kind": "cash", "amount": 10}]);
                let sale = json!({"till": "R1", "lines": [pieces("BAG", 1)], "tenders": cash});
                day.s1.put(&format!("/v1/sales/{}", uuid_v7()), &sale);
                counted += 10;
            }
        }
        let close = json!({"shift": shift["number"], "counts": [{"total": counted}]});
        assert_eq!(day.s1.post("/v1/tills/R1/shift/close", &close)["z"], z);
    }
    let mia = json!({"name": "Mia", "role": "manager", "pin": "2468"});
    day.s1.put("/v1/staff/mia", &mia);
    let ben = json!({"name": "Ben", "role": "cashier", "pin": "1111", "approval": manager()});
    day.s1.put("/v1/staff/ben", &ben);
    day.s1.put("/v1/terminals/R1", &json!({"kind": "simulated"}));
    let printer = json!({"target": "file:paper", "approval": manager()});
    day.s1.put("/v1/printers/R1", &printer);
    let ann = uuid_v7();
    day.s1.put(&format!("/v1/customers/{ann}"), &json!({"name": "Ann", "price_list": "Friends"}));
    day.ids.insert("Ann", ann);
}

/// Web order W1 was placed and paid the day before, and lies ready.
fn the_web_order(day: &mut Day) {
    let give = json!({"id": uuid_v7(), "to": "hub", "units": 1});
    day.s1.post("/v1/stock/TEE/grants", &give);
    day.s1.level();
    let prepaid =
        day.figures["operations"].as_array().expect("operations").iter().find_map(|o| o.get("hand_out"));
    let w1 = uuid_v7();
    let order = json!({
        "id": w1, "store": "S1", "sku": "TEE", "units": 1, "order": uuid_v7(), "reference": "W1",
        "expires": "2099-01-01T00:00:00Z", "custodian": "hub", "prepaid": prepaid.expect("W1")["prepaid"],
    });
    wait_for("the right to promise it", SOON, || {
        let path = "/v1/stores/S1/stock/TEE";
        day.admin.get(path).expect("the hub answers").ok()["hub_rights"] == 1
    })
    .expect("it arrives");
    day.at_hub("POST", "/v1/reservations", &order);
    day.at_hub("POST", &format!("/v1/reservations/{w1}/hand-over"), &json!({}));
    let path = format!("/v1/reservations/{w1}");
    wait_for("the order at the store", SOON, || {
        let answer = day.s1.client.get(&path).expect("the node answers");
        answer.status == 200 && answer.json()["held_here"] == true
    })
    .expect("it arrives");
    let tee = day.s1.get("/v1/stock/TEE");
    assert_eq!((&tee["on_hand"], &tee["reserved"], &tee["available"]), (&json!(15), &json!(1), &json!(14)));
    day.ids.insert("W1", w1);
}

fn open_the_shift(day: &mut Day) {
    day.s1.post("/v1/tills/R1/sign-on", &json!({"staff": "ben", "pin": "1111"}));
    let float = day.figures["shift"]["float"].clone();
    day.s1.post("/v1/tills/R1/shift", &json!({"id": uuid_v7(), "floats": [{"total": float}]}));
}

fn receipt_101(day: &mut Day) {
    let cart = day.s1.cart(&[pieces("MUG", 2), pieces("TEA", 1), pieces("CAKE", 3)]);
    let payment = day.s1.tender(&cart, "card", 2_794);
    assert_eq!((&payment["tenders"][0]["state"], &payment["rest"]), (&json!("captured"), &json!(0)));
    let sale = day.s1.check_out(&cart);
    day.ids.insert("101", sale["id"].as_str().expect("an id").to_owned());
    day.keep(sale);
}

/// The hub's answers are lost, and the till asks twice itself.
fn receipt_102(day: &mut Day) {
    day.s1.level();
    day.s1.link.set(Weather::SwallowDown);
    let tenth = json!([{"kind": "percent", "value": 100_000, "reason": "scratched"}]);
    let tee = json!({"sku": "TEE", "quantity_milli": 1_000, "discounts": tenth});
    let nuts = json!({"code": "2110004003469"});
    let mut sale =
        json!({"till": "R1", "lines": [tee, nuts], "tenders": [{"kind": "cash", "amount": 3_000}]});
    let path = format!("/v1/sales/{}", uuid_v7());
    assert_eq!(day.s1.ask("PUT", &path, &sale).code(), "APPROVAL_REQUIRED", "a cashier gives no discount");
    sale["approval"] = manager();
    let booked = day.s1.put(&path, &sale);
    for _ in 0..2 {
        assert_eq!(day.s1.put(&path, &sale), booked, "the same again");
    }
    let id = booked["id"].as_str().expect("an id").to_owned();
    let order = format!("/v1/orders/{id}");
    wait_for("it at the hub", SOON, || day.admin.get(&order).expect("the hub answers").status == 200)
        .expect("it was sent");
    assert_eq!(day.s1.get(&format!("/v1/sales/{id}"))["synced"], false, "the hub's answer is lost");
    // Twice the line comes back and its answers are lost again; in the end everything is level.
    for _ in 0..2 {
        day.s1.link.set(Weather::Closed);
        day.s1.link.set(Weather::CutAfter(2_000));
        day.s1.post("/v1/sync/now", &json!({}));
    }
    day.s1.link.set(Weather::Clear);
    day.s1.level();
    day.keep(booked);
}

fn receipt_103(day: &mut Day) {
    day.s1.link.set(Weather::Closed);
    day.s1.put("/v1/terminals/R1", &json!({"kind": "simulated", "online": false}));
    let lines = [pieces("MUG", 1), pieces("TEA", 2), pieces("CAKE", 4), pieces("TEE", 1)];
    let cart = day.s1.cart(&lines);
    let coupon = json!({"kind": "fixed", "value": 500, "reason": "coupon", "coupon": "AUTUMN5"});
    day.s1.post(&format!("/v1/carts/{cart}/discounts"), &coupon);
    let over = json!({"id": uuid_v7(), "kind": "card", "amount": 5_001});
    let refused = day.s1.ask("POST", &format!("/v1/carts/{cart}/tenders"), &over);
    assert_eq!(refused.code(), "BAD_MONEY", "more than it comes to");
    let payment = day.s1.tender(&cart, "card", 2_000);
    assert_eq!(payment["tenders"][0]["state"], "stored", "{payment}");
    assert_eq!((&payment["rest"], &payment["cash_due"]), (&json!(2_132), &json!(2_130)));
    let scan = day.s1.ask("POST", &format!("/v1/carts/{cart}/lines"), &pieces("MUG", 1));
    assert_eq!(scan.code(), "CART_CLOSED", "its first tender sealed it");
    day.s1.tender(&cart, "cash", 5_000);
    let sale = day.s1.check_out(&cart);
    day.ids.insert("103", sale["id"].as_str().expect("an id").to_owned());
    day.keep(sale);
}

fn park_p1(day: &mut Day) {
    let cart = day.s1.cart(&[pieces("CAKE", 5)]);
    let parked = day.s1.post(&format!("/v1/carts/{cart}/park"), &json!({}));
    assert_eq!(parked["state"], "parked");
    day.ids.insert("P1", cart);
}

/// The plug is pulled behind the commit.
fn receipt_104(day: &mut Day) {
    let path = format!("/v1/sales/{}", uuid_v7());
    let nuts = json!({"code": "2110004012508"});
    let sale = json!({"till": "R1", "lines": [nuts], "tenders": [{"kind": "cash", "amount": 2_500}]});
    let booked = day.s1.put(&path, &sale);
    let id = booked["id"].as_str().expect("an id").to_owned();
    let first = json!({"id": uuid_v7(), "till": "R1", "document": "receipt", "of": id});
    day.s1.post("/v1/print-jobs", &first);
    // What is being sent when the plug is pulled goes out again as a copy; this one is on paper.
    wait_for("the paper", SOON, || {
        let waiting = day.s1.get("/v1/print-jobs?state=waiting");
        waiting["data"].as_array().is_some_and(Vec::is_empty)
    })
    .expect("it is printed");
    day.s1.pull_the_plug();
    assert_eq!(day.s1.put(&path, &sale), booked, "it is there, once");
    let parked = day.s1.get("/v1/carts?state=parked");
    assert_eq!(parked["data"].as_array().map(Vec::len), Some(1), "{parked}");
    let again = json!({"id": uuid_v7(), "till": "R1", "document": "receipt", "of": id});
    assert_eq!(day.s1.post("/v1/print-jobs", &again)["copy"], 1, "marked as a copy");
    day.keep(booked);
}

fn receipt_105(day: &mut Day) {
    let path = format!("/v1/refunds/{}", uuid_v7());
    let mut refund = json!({
        "till": "R1", "sale_id": day.ids["101"], "reason": "not liked", "tender": "cash",
        "lines": [{"line": 0, "quantity_milli": 1_000, "condition": "resell"},
                  {"line": 2, "quantity_milli": 1_000, "condition": "waste"}],
    });
    assert_eq!(day.s1.ask("PUT", &path, &refund).code(), "APPROVAL_REQUIRED", "it was paid by card");
    refund["approval"] = manager();
    let booked = day.s1.put(&path, &refund);
    assert_eq!((&booked["approver"], &booked["void"]), (&json!("mia"), &json!(false)));
    day.keep(booked);
}

/// List v2 is published while the store can't hear of it: the price is the later one from 12:00 on.
fn list_v2(day: &mut Day) {
    let v2 = day.figures["master"]["list_v2"].clone();
    let noon = now_ms() + 20_000;
    let price = json!({"sku": "MUG", "price": v2["MUG"]["price"], "valid_from": noon});
    day.at_hub("POST", "/v1/prices", &price);
    let rule = json!({"NForM": {"take": v2["promotion"]["take"], "pay": v2["promotion"]["pay"]}});
    let promotion = json!({
        "name": "3 for 2 CAKE", "priority": 0, "rule": rule, "skus": [v2["promotion"]["sku"]],
        "valid_from": now_ms(),
    });
    day.at_hub("PUT", "/v1/promotions/3FOR2-CAKE", &promotion);
}

fn unsettled(day: &mut Day) -> i64 {
    let shift = day.s1.get("/v1/tills/R1/shift");
    let tenders = shift["report"]["tenders"].as_array().expect("tenders").clone();
    let card = tenders.iter().find(|tender| tender["kind"] == "card").expect("cards were taken");
    number(&card["unsettled"])
}

fn the_link_is_back(day: &mut Day) {
    assert_eq!(unsettled(day), day.figures["unsettled_at"]["11:49"]);
    day.s1.link.set(Weather::Clear);
    day.s1.put("/v1/terminals/R1", &json!({"kind": "simulated", "online": true}));
    let path = format!("/v1/sales/{}", day.ids["103"]);
    wait_for("the stored card to be forwarded", SOON, || {
        day.s1.post("/v1/tenders/forward", &json!({}));
        day.s1.get(&path)["tenders"][0]["now"] == "captured"
    })
    .expect("it is");
    assert_eq!(day.s1.get(&path)["tenders"][0]["state"], "stored", "the document stands as it was printed");
    assert_eq!(unsettled(day), day.figures["unsettled_at"]["11:51"]);
    catalog_arrives(day);
    day.s1.level();
    let hub = day.hub_has("/v1/orders?limit=200&store=S1");
    let total =
        |n: u64| hub["data"].as_array().expect("orders").iter().filter(|o| o["receipt"]["n"] == n).count();
    assert_eq!((101..=105).map(total).collect::<Vec<_>>(), vec![1; 5], "each is there once");
}

fn catalog_arrives(day: &mut Day) {
    let catalog = day.hub_has("/v1/catalog");
    wait_for("the catalog", SOON, || {
        day.s1.get("/v1/till/bootstrap")["catalog_version"]["version"] == catalog["version"]
    })
    .expect("it arrives");
}

fn receipt_106(day: &mut Day) {
    let cart = day.ids["P1"].clone();
    day.s1.post(&format!("/v1/carts/{cart}/resume"), &json!({}));
    day.s1.tender(&cart, "card", 1_140);
    let sale = day.s1.check_out(&cart);
    assert_eq!(sale["lines"][0]["promotion"], 285);
    day.keep(sale);
}

/// Opened before noon, paid after it: the line keeps the price of its scan. On a slow machine noon may have come before
/// the scan; then the old price is put back, and noon is later.
fn receipt_107(day: &mut Day) {
    let price = |day: &mut Day| number(&day.s1.get("/v1/products/MUG")["price"]);
    let mut wait = 40_000;
    let cart = loop {
        let cart = day.s1.cart(&[pieces("MUG", 1)]);
        let line = day.s1.get(&format!("/v1/carts/{cart}"))["lines"][0].clone();
        if line["unit_price"] == 795 {
            break cart;
        }
        assert!(wait < 1_000_000, "noon comes too early, again and again");
        day.s1.post(&format!("/v1/carts/{cart}/void"), &json!({}));
        day.at_hub("POST", "/v1/prices", &json!({"sku": "MUG", "price": 795}));
        let noon = now_ms() + wait;
        day.at_hub("POST", "/v1/prices", &json!({"sku": "MUG", "price": 845, "valid_from": noon}));
        catalog_arrives(day);
        wait *= 2;
    };
    wait_for("noon", Duration::from_secs(1_200), || price(day) == 845).expect("it comes");
    day.s1.tender(&cart, "cash", 1_000);
    let sale = day.s1.check_out(&cart);
    day.keep(sale);
}

fn receipt_108(day: &mut Day) {
    let id = uuid_v7();
    day.s1.post("/v1/carts", &json!({"till": "R1", "id": id}));
    day.s1.put(&format!("/v1/carts/{id}/customer"), &json!({"customer": day.ids["Ann"]}));
    for line in [pieces("MUG", 2), pieces("TEE", 1)] {
        day.s1.post(&format!("/v1/carts/{id}/lines"), &line);
    }
    day.s1.tender(&id, "cash", 4_000);
    let sale = day.s1.check_out(&id);
    assert_eq!(sale["customer"], day.ids["Ann"]);
    day.keep(sale);
}

fn operation(day: &Day, name: &str) -> Value {
    let operations = day.figures["operations"].as_array().expect("operations");
    operations.iter().find_map(|operation| operation.get(name)).expect("it is of the day").clone()
}

fn transfer_t9(day: &mut Day) {
    let units = operation(day, "transfer_out")["TEA"].clone();
    let id = uuid_v7();
    let body = json!({"id": id, "to_store": "S2", "lines": [{"sku": "TEA", "units": units}]});
    // Behind a boot nothing is sent before the hub has heard of it (`model.md` §3.1).
    wait_for("the lease of this boot", SOON, || {
        let answer = day.s1.ask("POST", "/v1/transfers", &body);
        let sent = (200..300).contains(&answer.status);
        assert!(sent || answer.code() == "RIGHTS_SHORT", "{}", answer.text());
        sent
    })
    .expect("it runs");
    day.s1.level();
    let transit = &day.hub_has(&format!("/v1/transfers/{id}"))["lines"][0]["in_transit"];
    assert_eq!(*transit, units);
    day.ids.insert("T-9", id);
}

fn receive_po77(day: &mut Day) {
    let cake = operation(day, "receive")["CAKE"].clone();
    let id = uuid_v7();
    let lines = json!([{"sku": "CAKE", "units": cake["ordered"]}]);
    day.at_hub(
        "POST",
        "/v1/deliveries",
        &json!({"id": id, "store": "S1", "reference": "PO-77", "lines": lines}),
    );
    let path = format!("/v1/deliveries/{id}");
    wait_for("the announcement", SOON, || day.s1.client.get(&path).expect("an answer").status == 200)
        .expect("it arrives");
    let got = json!([{"sku": "CAKE", "units": cake["got"]}]);
    day.s1.put(&path, &json!({"reference": "PO-77", "lines": got}));
    day.s1.level();
    let line = day.hub_has(&path)["lines"][0].clone();
    let open = number(&line["expected"]) - number(&line["received"]);
    assert_eq!(open, number(&day.figures["open_order"]["CAKE"]));
    day.ids.insert("PO-77", id);
}

fn hand_out_w1(day: &mut Day) {
    let path = format!("/v1/reservations/{}/fulfil?till=R1", day.ids["W1"]);
    // Behind a boot nothing is handed out before the hub has heard of it (`model.md` §3.1).
    wait_for("the lease of this boot", SOON, || {
        let answer = day.s1.ask("POST", &path, &json!({}));
        assert!(answer.status == 200 || answer.code() == "NOT_CUSTODIAN", "{}", answer.text());
        answer.status == 200
    })
    .expect("it runs");
    day.s1.post(&path, &json!({}));
}

fn s2_receives_t9(day: &mut Day) {
    let path = format!("/v1/transfers/{}", day.ids["T-9"]);
    wait_for("the transfer at S2", SOON, || day.s2.client.get(&path).expect("an answer").status == 200)
        .expect("it arrives");
    let got = operation(day, "transfer_in")["TEA"]["got"].clone();
    let body = json!({"id": uuid_v7(), "lines": [{"sku": "TEA", "units": got}], "confirmed": true});
    day.s2.post(&format!("{path}/receive"), &body);
    day.s2.level();
    assert_eq!(day.s2.on_hand("TEA"), number(&day.figures["stock_s2"]["TEA"]));
    let line = day.hub_has(&path)["lines"][0].clone();
    assert_eq!(line["missing"], day.figures["in_transit_loss"]["TEA"]);
}

fn cash_out(day: &mut Day) {
    let operations = day.figures["operations"].as_array().expect("operations").clone();
    let money = operations.iter().find(|o| o.get("safe_drop").is_some()).expect("it is of the day");
    let move_cash = |day: &mut Day, direction: &str, amount: &Value, reason: &Value| {
        let body = json!({"id": uuid_v7(), "direction": direction, "amount": amount, "reason": reason,
                          "approval": manager()});
        day.s1.post("/v1/tills/R1/shift/cash", &body);
    };
    move_cash(day, "safe_drop", &money["safe_drop"], &json!("safe"));
    move_cash(day, "out", &money["paid_out"]["amount"], &money["paid_out"]["reason"]);
}

fn stock_take(day: &mut Day) {
    let mut book = day.figures["stock_book"].clone();
    for (sku, right) in book.as_object_mut().expect("the books") {
        assert_eq!(day.s1.on_hand(sku), number(right), "{sku} at 17:29");
    }
    for (sku, found) in operation(day, "count").as_object().expect("a count") {
        let id = uuid_v7();
        day.s1.post("/v1/counts", &json!({"id": id, "sku": sku}));
        let done = day.s1.post(&format!("/v1/counts/{id}/finish"), &json!({"n": found}));
        assert_eq!(done["variance"], day.figures["count_variances"][sku], "{sku}");
    }
}

/// The link is down again: the day ends all the same.
fn close_the_shift(day: &mut Day) {
    day.s1.link.set(Weather::Closed);
    let shift = day.s1.post("/v1/tills/R1/shift/count", &json!({}));
    assert_eq!(shift["phase"], "closing");
    let counted = day.figures["z"]["counted"].clone();
    let body = json!({"shift": shift["number"], "counts": [{"total": counted}], "approval": manager()});
    let z = day.s1.post("/v1/tills/R1/shift/close", &body);
    assert_eq!(told(&z), day.figures["z"], "{z:#}");
    assert_eq!(drawer(day, &z), day.figures["drawer"]);
}

fn by_rate(z: &Value, field: &str, all: bool) -> Value {
    let rows = z["report"]["taxes"].as_array().expect("rates");
    let told = rows.iter().filter(|row| all || row["refunds_gross"] != 0);
    told.map(|row| (row["ppm"].to_string(), row[field].clone())).collect()
}

/// What the day says of the Z, said of ours.
fn told(z: &Value) -> Value {
    let report = &z["report"];
    let (drawer, series) = (&z["drawers"][0], &report["series"][0]);
    let tender = |kind: &str| {
        let all = report["tenders"].as_array().expect("tenders");
        all.iter().find(|tender| tender["kind"] == kind).expect("it was taken").clone()
    };
    let sum = |fields: &[&str]| fields.iter().map(|field| number(&report[*field])).sum::<i64>();
    let tenders: i64 =
        report["tenders"].as_array().expect("tenders").iter().map(|t| number(&t["amount"])).sum();
    json!({
        "no": z["z"], "previous": number(&z["z"]) - 1, "first": series["first"], "last": series["last"],
        "documents": report["documents"], "sales_count": report["sales_count"],
        "refunds_count": report["refunds_count"], "sales": report["sales"], "refunds": report["refunds"],
        "takings": report["takings"], "net": report["net"], "total_tax": report["tax"],
        "rounding": report["rounding"], "cash_net": tender("cash")["amount"], "card": tender("card")["amount"],
        "card_unsettled": tender("card")["unsettled"],
        "open_tenders": z["open_tenders"].as_array().map(Vec::len),
        "expected_drawer": drawer["expected"], "counted": drawer["counted"], "difference": drawer["difference"],
        "tax_sales": by_rate(z, "sales_tax", true), "tax_refunds": by_rate(z, "refunds_tax", false),
        "tax_net": by_rate(z, "net_tax", true), "gross_sales": by_rate(z, "sales_gross", true),
        "gross_refunds": by_rate(z, "refunds_gross", false), "gross_net": by_rate(z, "net_gross", true),
        "gross_before_discounts": report["gross_before_discounts"], "line_discounts": report["line_discounts"],
        "promotions": report["promotions"], "order_discounts": report["order_discounts"],
        "units_sold": report["units_sold"], "units_returned": report["units_returned"],
        "weighed_lines": report["weighed_lines"], "weighed_g": report["weighed_units"],
        "prepaid_handed_out": {"count": report["prepaid_count"], "amount": report["prepaid_amount"]},
        "drawer_openings": report["drawer_openings"], "copies": report["copies"],
        "balanced": sum(&["takings", "rounding"]) == tenders,
    })
}

fn drawer(day: &Day, z: &Value) -> Value {
    let drawer = &z["drawers"][0];
    let cash: Vec<Value> = day
        .papers
        .iter()
        .filter(|(_, paper)| paper["cash_due"] != 0)
        .map(|(n, paper)| json!([n, paper["cash_due"]]))
        .collect();
    let mut told = json!({ "cash_by_receipt": cash });
    for field in [
        "float",
        "sales",
        "refunds",
        "paid_in",
        "paid_out",
        "safe_drops",
        "receivables",
        "expected",
        "counted",
        "difference",
    ] {
        told[field] = drawer[field].clone();
    }
    told
}

/// The link is back: the hub holds the same day, each fact once.
fn the_hub_agrees(day: &mut Day) {
    day.s1.link.set(Weather::Clear);
    day.s1.level();
    for (n, paper) in day.papers.clone() {
        let id = paper["id"].as_str().expect("an id");
        let order = day.hub_has(&format!("/v1/orders/{id}"));
        for field in ["total", "net", "tax", "rounding", "cash_due", "change"] {
            assert_eq!(order[field], paper[field], "{field} of {n} at the hub");
        }
        assert_eq!(order["duplicate"], false, "{n}");
    }
    let mut stock = day.figures["stock"].clone();
    let grams = stock.as_object_mut().expect("the stock").remove("NUTS_g").expect("nuts");
    stock["NUTS"] = grams;
    for (sku, right) in stock.as_object().expect("the stock") {
        assert_eq!(day.s1.on_hand(sku), number(right), "{sku}");
        let path = format!("/v1/stores/S1/stock/{sku}");
        assert_eq!(day.hub_has(&path)["on_hand"], *right, "{sku} at the hub");
    }
    let log = day.admin.get("/v1/exports/events?store=S1").expect("the hub answers").text();
    let events: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
    let moves = movements(day, &events);
    let rows: i64 = moves.as_object().expect("rows").values().map(number).sum();
    assert_eq!((moves, json!(rows)), (day.figures["movements"].clone(), day.figures["movements_s1"].clone()));
    assert_eq!(said_outside(&events), day.figures["hub_events"]);
    let node = day.s1.get("/v1/state-hash")["state_hash"].clone();
    assert_eq!(day.hub_has("/v1/stores/S1/state-hash")["state_hash"], node);
}

/// A document of the day, not of those before it.
fn of_the_day(body: &Value) -> bool {
    body["receipt"]["n"].as_u64().is_some_and(|n| n > 100)
}

fn lines_of(body: &Value) -> Vec<Value> {
    body["document"]["inputs"]["lines"].as_array().expect("lines").clone()
}

/// Movement rows of the day, by why.
fn movements(day: &Day, events: &[Value]) -> Value {
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    let mut add = |why, n| *rows.entry(why).or_default() += n;
    for event in events {
        let body = &event["body"];
        match event["kind"].as_str().unwrap_or_default() {
            "sale.committed" if of_the_day(body) => add("sales", lines_of(body).len()),
            "refund.committed" => {
                let lines = lines_of(body);
                add("refund_returns", lines.len());
                add("waste", lines.iter().filter(|line| line["condition"] == "Waste").count());
            }
            "transfer.shipped" => add("transfer_out", body["lines"].as_array().map_or(0, Vec::len)),
            "delivery.received" if body["delivery"] == day.ids["PO-77"] => add("receipt", 1),
            "reservation.fulfilled" => add("pick_up", 1),
            "stock.counted" if body["variance"] != 0 => add("stock_take", 1),
            _ => {}
        }
    }
    json!(rows)
}

/// What the hub says outward of the day (`facts.md` §3).
fn said_outside(events: &[Value]) -> Value {
    let mut told: BTreeMap<&str, usize> = BTreeMap::new();
    let mut of_103 = 0;
    for event in events {
        let body = &event["body"];
        let kind = event["kind"].as_str().unwrap_or_default();
        if kind == "payment.settled" {
            *told.entry("payments_card").or_default() += 1;
            of_103 += 1;
        }
        if !matches!(kind, "sale.committed" | "refund.committed") || !of_the_day(body) {
            continue;
        }
        let sale = kind == "sale.committed";
        *told.entry(if sale { "order_created" } else { "order_refunded" }).or_default() += 1;
        let tenders = body["document"]["inputs"]["tenders"].as_array().expect("tenders");
        let paid = tenders.iter().filter(|tender| tender["state"] == "Captured");
        let mut payments = 0;
        for tender in paid {
            let name = match (tender["kind"].as_str(), sale) {
                (Some("Card"), _) => "payments_card",
                (_, true) => "payments_cash_in",
                (_, false) => "payments_cash_out",
            };
            *told.entry(name).or_default() += 1;
            payments += 1;
        }
        if body["receipt"]["n"] == 103 {
            of_103 += 1 + payments + 2 * lines_of(body).len();
        }
    }
    let payments = told["payments_card"] + told["payments_cash_in"] + told["payments_cash_out"];
    told.insert("payments", payments);
    told.insert("of_receipt_103", of_103);
    json!(told)
}

const STEPS: &[fn(&mut Day)] = &[
    open_the_shift,
    receipt_101,
    receipt_102,
    receipt_103,
    park_p1,
    receipt_104,
    receipt_105,
    list_v2,
    the_link_is_back,
    receipt_106,
    receipt_107,
    receipt_108,
    transfer_t9,
    receive_po77,
    hand_out_w1,
    s2_receives_t9,
    cash_out,
    stock_take,
    close_the_shift,
    the_hub_agrees,
    books::are_kept,
];

fn live(name: &str, hard: bool) {
    let mut day = Day::begin(name, hard);
    the_days_before(&mut day);
    the_web_order(&mut day);
    for step in STEPS {
        day.step(*step);
    }
}

#[test]
fn every_figure_of_the_golden_day_comes_out() {
    live("golden-day", false);
}

#[test]
fn the_same_day_with_the_plug_pulled_behind_every_step() {
    live("golden-day-hard", true);
}
