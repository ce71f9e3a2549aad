//! The hub as a program: what people and nodes see of it, also when it is killed.

use serde_json::{Value, json};
use std::time::Duration;
use tradepost_tests::http::{Answer, Client};
use tradepost_tests::hub_bench::{PgDatabase, service};
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::process::{Program, TempDir, wait_for};
use tradepost_tests::seed::{Luck, full};

/// Bound of every wait; what is promised is far below.
const SOON: Duration = Duration::from_secs(60);

/// A hub that is up, with its admin client.
struct Hub {
    program: Program,
    client: Client,
    args: Vec<String>,
}

impl Hub {
    fn start(folder: &TempDir, more: &[&str]) -> Self {
        let data = folder.path().join("hub").display().to_string();
        let journal = folder.path().join("journal").display().to_string();
        let first = ["run", "--data-dir", &data, "--admin-listen", "127.0.0.1:0", "--journal", &journal];
        let mut args: Vec<String> = first.iter().chain(more).map(|arg| (*arg).to_owned()).collect();
        let sync = ["--sync-listen".to_owned(), "127.0.0.1:0".to_owned()];
        args.extend(sync);
        let mut hub = Self::run(args);
        // A restart listens where nodes know it.
        if let Some(last) = hub.args.last_mut() {
            *last = hub.program.said("sync").trim_start_matches("https://").to_owned();
        }
        hub
    }

    fn run(args: Vec<String>) -> Self {
        let given: Vec<&str> = args.iter().map(String::as_str).collect();
        let program = Program::start("tradepost-hub", &given).expect("the hub starts");
        let token = std::path::Path::new(&program.said("data_dir")).join("admin.token");
        let token = std::fs::read_to_string(token).expect("the hub made its token");
        let client = program.client("admin").with_token(token.trim());
        Self { program, client, args }
    }

    fn kill_and_restart(self) -> Self {
        let args = self.args.clone();
        self.program.kill();
        Self::run(args)
    }

    fn get(&mut self, path: &str) -> Value {
        self.client.get(path).expect("the hub answers").ok()
    }

    fn ask(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        self.client.json(method, path, body).expect("the hub answers")
    }

    fn put_if(&mut self, path: &str, tag: &str, body: &Value) -> Answer {
        let headers = [("if-match", tag), ("content-type", "application/json")];
        self.client.send("PUT", path, &headers, Some(body.to_string().as_bytes())).expect("the hub answers")
    }

    fn open_store(&mut self, code: &str) {
        let taxes = json!([{"category": "standard", "ppm": 230_000}]);
        let store = json!({"code": code, "name": "Salem", "settings": {"currency": "EUR", "taxes": taxes}});
        let _ = self.ask("POST", "/v1/stores", &store).ok();
    }

    fn add_item(&mut self, sku: &str, price: i64) {
        let product = json!({"name": format!("item {sku}"), "tax_category": "standard"});
        let _ = self.ask("PUT", &format!("/v1/products/{sku}"), &product).ok();
        let _ = self.ask("POST", "/v1/prices", &json!({"sku": sku, "price": price})).ok();
    }

    fn enrol(&mut self, store: &str, node: &mut Client) {
        let made = self.ask("POST", &format!("/v1/stores/{store}/enrolment-codes"), &json!({})).ok();
        let _ = node
            .json("POST", "/v1/enrolment", &json!({"code": made["code"]}))
            .expect("the node answers")
            .ok();
    }
}

fn start_node(folder: &TempDir, name: &str) -> (Program, Client) {
    let data = folder.path().join(name).display().to_string();
    let node = Program::start("tradepost-node", &["run", "--data-dir", &data, "--listen", "127.0.0.1:0"]);
    let node = node.expect("the node starts");
    let client = node.client("http");
    (node, client)
}

fn sell(node: &mut Client, sku: &str, pieces: i64) -> String {
    let id = uuid_v7();
    let line = json!({"sku": sku, "quantity_milli": pieces * 1_000});
    let tender = json!({"kind": "cash", "amount": 100_000});
    let sale = json!({"till": "R1", "lines": [line], "tenders": [tender]});
    let _ = node.json("PUT", &format!("/v1/sales/{id}"), &sale).expect("the node answers").ok();
    id
}

fn unsynced(node: &mut Client) -> i64 {
    let status = node.get("/v1/sync/status").expect("the node answers").ok();
    status["unsynced"].as_i64().unwrap_or(-1)
}

fn has_catalog(node: &mut Client, version: &Value) -> bool {
    let bootstrap = node.get("/v1/till/bootstrap").expect("the node answers").ok();
    bootstrap["catalog_version"]["version"] == version["version"]
}

#[test]
fn wrong_requests_are_told_what_is_wrong() {
    let folder = TempDir::new("hub-input");
    let mut hub = Hub::start(&folder, &[]);
    hub.open_store("13");
    hub.add_item("MILK", 120);
    let milk = json!({"sku": "MILK", "name": "Milk", "tax_category": "standard"});
    let with = |field: &str, value: Value| {
        let mut product = milk.clone();
        product[field] = value;
        product
    };
    let stories: Vec<(&str, &str, Value, u16, &str, &str)> = vec![
        ("POST", "/v1/stores", json!({"code": "13", "name": "again"}), 409, "ALREADY_EXISTS", "/code"),
        ("POST", "/v1/stores", json!({"code": "a b", "name": "x"}), 422, "BAD_VALUE", "/code"),
        ("POST", "/v1/stores", json!({"code": "x"}), 422, "WRONG_TYPE", ""),
        (
            "POST",
            "/v1/stores",
            json!({"code": "x", "name": "x", "colour": 1}),
            422,
            "UNKNOWN_FIELD",
            "/colour",
        ),
        (
            "POST",
            "/v1/stores",
            json!({"code": "x", "name": "x", "settings": {"cash_step": 0}}),
            422,
            "BAD_VALUE",
            "/settings",
        ),
        (
            "POST",
            "/v1/stores",
            json!({"code": "x", "name": "x", "settings": {"cash_step": "1"}}),
            422,
            "WRONG_TYPE",
            "/settings/cash_step",
        ),
        (
            "POST",
            "/v1/stores",
            json!({"code": "x", "name": "x", "settings": {"time_zone": "Mars/Olympus"}}),
            422,
            "BAD_VALUE",
            "/settings/time_zone",
        ),
        (
            "POST",
            "/v1/stores/13/enrolment-codes",
            json!({"ttl_minutes": 0}),
            422,
            "BAD_VALUE",
            "/ttl_minutes",
        ),
        ("POST", "/v1/stores/nowhere/enrolment-codes", json!({}), 404, "NOT_FOUND", ""),
        ("PUT", "/v1/products/TEA", milk.clone(), 422, "BAD_VALUE", "/sku"),
        ("PUT", "/v1/products/MILK", milk.clone(), 428, "PRECONDITION_REQUIRED", ""),
        (
            "PUT",
            "/v1/products/MILK",
            with("gtins", json!(["4006381333932"])),
            422,
            "BAD_CHECK_DIGIT",
            "/gtins/0",
        ),
        ("PUT", "/v1/products/MILK", with("colour", json!("red")), 422, "UNKNOWN_FIELD", "/colour"),
        ("PUT", "/v1/products/MILK", with("name", json!("")), 422, "BAD_VALUE", "/name"),
        ("PUT", "/v1/products/MILK", with("name", json!(7)), 422, "WRONG_TYPE", "/name"),
        ("POST", "/v1/prices", json!({"sku": "NOBODY", "price": 1}), 422, "UNKNOWN_SKU", "/entries/0/sku"),
        ("POST", "/v1/prices", json!({"sku": "MILK", "price": -1}), 422, "BAD_MONEY", "/entries/0/price"),
        ("POST", "/v1/prices", json!({"sku": "MILK", "price": "1"}), 422, "WRONG_TYPE", "/price"),
        (
            "POST",
            "/v1/prices/batch",
            json!({"entries": [{"sku": "MILK", "price": 1}, {"sku": "X", "price": 1}]}),
            422,
            "UNKNOWN_SKU",
            "/entries/1/sku",
        ),
        ("POST", "/v1/stores/13/grants", json!({"sku": "MILK", "units": 1}), 409, "NOT_ENROLLED", ""),
        ("POST", "/v1/stores/13/grants", json!({"sku": "MILK", "units": 0}), 422, "BAD_QUANTITY", "/units"),
        ("POST", "/v1/stores/13/aliases", json!({"from": "A", "to": "NOBODY"}), 422, "UNKNOWN_SKU", "/to"),
        ("POST", "/v1/review/99/resolve", json!({"note": "done"}), 404, "NOT_FOUND", ""),
        ("POST", "/v1/nothing", json!({}), 404, "NOT_FOUND", ""),
        ("DELETE", "/v1/stores", json!({}), 405, "METHOD_NOT_ALLOWED", ""),
    ];
    for (method, path, body, status, code, pointer) in stories {
        let answer = hub.ask(method, path, &body);
        let problem = answer.json();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{method} {path} {body}: {problem}"
        );
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(
            problem["errors"][0]["pointer"].as_str().unwrap_or_default(),
            pointer,
            "{path} {body}: {problem}"
        );
        assert_eq!(problem["instance"], path);
        let page = hub.client.get(problem["type"].as_str().expect("a type")).expect("the hub answers");
        assert_eq!(page.status, 200, "every code has its page");
    }
    let head = hub.get("/v1/catalog");
    let long = json!({"code": "x", "name": "x".repeat(2 << 20)});
    assert_eq!(hub.ask("POST", "/v1/stores", &long).code(), "BODY_TOO_LARGE");
    assert_eq!(hub.get("/v1/catalog"), head, "nothing was half-written");
    let mut stranger = hub.program.client("admin");
    assert_eq!(stranger.get("/v1/stores").expect("the hub answers").code(), "UNAUTHORIZED");
    let mut stranger = stranger.with_token("wrong");
    assert_eq!(stranger.get("/v1/stores").expect("the hub answers").code(), "UNAUTHORIZED");
}

#[test]
fn a_list_is_read_to_its_end_page_by_page() {
    let folder = TempDir::new("hub-pages");
    let mut hub = Hub::start(&folder, &[]);
    for n in 0..7 {
        hub.add_item(&format!("SKU-{n}"), n);
    }
    for (path, key) in [("/v1/products", "sku"), ("/v1/prices", "sku")] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = hub.get(&format!("{path}?limit=3{cursor}"));
            seen.extend(page["data"].as_array().expect("rows").iter().map(|row| row[key].to_string()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let expected: Vec<String> = (0..7).map(|n| format!("\"SKU-{n}\"")).collect();
        assert_eq!(seen, expected, "{path}");
    }
}

#[test]
fn a_price_change_reaches_the_till_and_the_hub_sees_that_it_did() {
    let folder = TempDir::new("hub-price");
    let mut hub = Hub::start(&folder, &[]);
    hub.open_store("13");
    hub.add_item("MILK", 120);
    let (_node, mut node) = start_node(&folder, "node");
    hub.enrol("13", &mut node);
    let version = hub.get("/v1/catalog");
    wait_for("the catalog at the node", SOON, || has_catalog(&mut node, &version)).expect("it arrives");

    let changed = hub.ask("POST", "/v1/prices", &json!({"sku": "MILK", "price": 150})).ok();
    wait_for("the new price", SOON, || has_catalog(&mut node, &changed)).expect("it arrives");
    let product = node.get("/v1/products/MILK").expect("the node answers").ok();
    assert_eq!(product["price"], 150);
    wait_for("the rollout", SOON, || hub.get("/v1/catalog/rollout")["delivered"] == 1).expect("it is acked");

    // One store's own price goes to that store alone, and the versions stay gapless for the other.
    hub.open_store("14");
    let (_other, mut other) = start_node(&folder, "other");
    hub.enrol("14", &mut other);
    let changed = hub.ask("POST", "/v1/prices", &json!({"sku": "MILK", "price": 99, "store": "14"})).ok();
    wait_for("both", SOON, || has_catalog(&mut node, &changed) && has_catalog(&mut other, &changed))
        .expect("they do");
    let price = |client: &mut Client| {
        client.get("/v1/products/MILK").expect("the node answers").ok()["price"].clone()
    };
    assert_eq!((price(&mut node), price(&mut other)), (json!(150), json!(99)));

    // Settings have a version of their own.
    let settings = hub.client.get("/v1/stores/13/settings").expect("the hub answers");
    let mut given = settings.ok();
    given["cash_step"] = json!(5);
    let stale = hub.put_if("/v1/stores/13/settings", "\"9\"", &given);
    assert_eq!(stale.code(), "PRECONDITION_FAILED");
    let tag = settings.header("etag").expect("an ETag").to_owned();
    assert_eq!(hub.put_if("/v1/stores/13/settings", &tag, &given).ok()["version"], 2);
    let step = |client: &mut Client| {
        client.get("/v1/till/bootstrap").expect("the node answers").ok()["cash_step"].clone()
    };
    wait_for("the settings", SOON, || step(&mut node) == json!(5)).expect("they arrive");
}

/// Sells while the hub is killed again and again; then everything agrees.
fn survives_being_killed(test: &str, more: &[&str]) {
    let folder = TempDir::new("hub-kill");
    let mut luck = Luck::of_this_run(test);
    let mut hub = Hub::start(&folder, more);
    hub.open_store("13");
    hub.add_item("MILK", 120);
    hub.add_item("TEA", 300);
    let (_node, mut node) = start_node(&folder, "node");
    hub.enrol("13", &mut node);
    let version = hub.get("/v1/catalog");
    wait_for("the catalog", SOON, || has_catalog(&mut node, &version)).expect("it arrives");
    let mut sold = Vec::new();
    for _ in 0..if full() { 30 } else { 4 } {
        for _ in 0..20 {
            let sku = ["MILK", "TEA"][usize::from(luck.below(2) == 1)];
            sold.push(sell(&mut node, sku, 1 + i64::try_from(luck.below(3)).unwrap_or(0)));
        }
        hub = hub.kill_and_restart();
    }
    wait_for("the queue to drain", SOON * 2, || unsynced(&mut node) == 0).expect("it drains");
    for id in &sold {
        let order = hub.get(&format!("/v1/orders/{id}"));
        assert_eq!(order["duplicate"], false, "{order}");
    }
    let totals = hub.get("/v1/stores/13/totals");
    assert_eq!(totals, node.get("/v1/totals").expect("the node answers").ok());
    assert_eq!(totals["sales"], json!(sold.len()));
    let hub_hash = hub.get("/v1/stores/13/state-hash");
    let node_hash = node.get("/v1/state-hash").expect("the node answers").ok();
    assert_eq!(hub_hash["state_hash"], node_hash["state_hash"]);
    assert_eq!(hub.get("/v1/review")["data"], json!([]));
    let series = hub.get("/v1/stores/13/receipts");
    assert!(series["data"].as_array().expect("series").iter().all(|s| s["gapless"] == true), "{series}");
    hub.program.stop(Duration::from_secs(15)).expect("it stops when it is told");
}

#[test]
fn a_killed_hub_loses_nothing_and_doubles_nothing() {
    survives_being_killed("killed hub, embedded", &[]);
}

#[test]
fn a_killed_hub_on_its_servers_loses_nothing_and_doubles_nothing() {
    let test = "killed hub, PostgreSQL, Kafka and Redis";
    let Some(postgres) = service("TRADEPOST_PG_URL", test) else { return };
    let Some(kafka) = service("TRADEPOST_KAFKA", test) else { return };
    let Some(redis) = service("TRADEPOST_REDIS_URL", test) else { return };
    let database = PgDatabase::make(&postgres);
    survives_being_killed(test, &["--database", &database.url(), "--kafka", &kafka, "--redis", &redis]);
}
