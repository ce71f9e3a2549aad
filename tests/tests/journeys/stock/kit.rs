//! What stories about stock need: a hub, nodes behind links that can be cut, and the figures that both show.

use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;
use tradepost_tests::http::{Answer, Client};
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::process::{Program, TempDir, bin_dir, wait_for};
use tradepost_tests::proxy::Proxy;

/// Bound of every wait; what is promised is far below.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A hub, and a runtime for the proxies before it.
pub(crate) struct Hub {
    pub(crate) program: Program,
    pub(crate) client: Client,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) folder: TempDir,
}

/// A node behind a link that can be cut.
pub(crate) struct Node {
    _program: Program,
    pub(crate) client: Client,
    pub(crate) link: Proxy,
    pub(crate) incarnation: String,
}

impl Hub {
    pub(crate) fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    /// The same with more arguments.
    pub(crate) fn start_with(name: &str, extra: &[&str]) -> Self {
        Self::start_in(name, extra, &[])
    }

    /// The same in an environment.
    pub(crate) fn start_in(name: &str, extra: &[&str], environment: &[(&str, &str)]) -> Self {
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
        let args = [&args[..], extra].concat();
        let program = Program::start_from(&bin_dir(), "tradepost-hub", &args, environment);
        let program = program.expect("the hub starts");
        let token = std::path::Path::new(&program.said("data_dir")).join("admin.token");
        let token = std::fs::read_to_string(token).expect("the hub made its token");
        let client = program.client("admin").with_token(token.trim());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Self { program, client, runtime: runtime.expect("a runtime"), folder }
    }

    pub(crate) fn get(&mut self, path: &str) -> Value {
        self.client.get(path).expect("the hub answers").ok()
    }

    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        self.client.json(method, path, body).expect("the hub answers")
    }

    pub(crate) fn open_store(&mut self, code: &str, web_share_ppm: u32) {
        let taxes = json!([{"category": "standard", "ppm": 230_000}]);
        let settings = json!({"currency": "EUR", "taxes": taxes, "web_share_ppm": web_share_ppm});
        let _ =
            self.ask("POST", "/v1/stores", &json!({"code": code, "name": code, "settings": settings})).ok();
    }

    pub(crate) fn add_item(&mut self, sku: &str, policy: &str) {
        let product = json!({"name": sku, "tax_category": "standard", "policy": policy});
        let _ = self.ask("PUT", &format!("/v1/products/{sku}"), &product).ok();
        let _ = self.ask("POST", "/v1/prices", &json!({"sku": sku, "price": 100})).ok();
    }

    /// A node that is enrolled, in the roster, and holds the catalog.
    pub(crate) fn node(&mut self, store: &str, name: &str) -> Node {
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
        wait_for("the roster, a lease and the catalog", SOON, || {
            let till = node.get("/v1/till/bootstrap");
            let status = node.get("/v1/sync/status");
            status["registered"] == true
                && status["lease"]["held"] == true
                && till["catalog_version"]["version"] == catalog["version"]
        })
        .expect("they arrive");
        node.incarnation = node.get("/v1/sync/status")["incarnation"].as_str().unwrap_or_default().to_owned();
        node
    }

    pub(crate) fn stock(&mut self, store: &str, sku: &str) -> Value {
        self.get(&format!("/v1/stores/{store}/stock/{sku}"))
    }

    pub(crate) fn reservation(&mut self, id: &str) -> Value {
        self.get(&format!("/v1/reservations/{id}"))
    }

    pub(crate) fn findings(&mut self, kind: &str) -> Vec<Value> {
        let all = self.get("/v1/review?limit=500");
        let rows = all["data"].as_array().cloned().unwrap_or_default();
        rows.into_iter().filter(|row| row["kind"] == kind).collect()
    }
}

impl Node {
    pub(crate) fn get(&mut self, path: &str) -> Value {
        self.client.get(path).expect("the node answers").ok()
    }

    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        self.client.json(method, path, body).expect("the node answers")
    }

    pub(crate) fn stock(&mut self, sku: &str) -> Value {
        self.get(&format!("/v1/stock/{sku}"))
    }

    /// Goods that nobody announced.
    pub(crate) fn receive(&mut self, sku: &str, units: u64) {
        let body = json!({"reference": "D-1", "lines": [{"sku": sku, "units": units}]});
        let _ = self.ask("PUT", &format!("/v1/deliveries/{}", uuid_v7()), &body).ok();
    }

    pub(crate) fn give(&mut self, sku: &str, to: &str, units: u64) -> Answer {
        let body = json!({"id": uuid_v7(), "to": to, "units": units});
        self.ask("POST", &format!("/v1/stock/{sku}/grants"), &body)
    }

    pub(crate) fn sell(&mut self, sku: &str, pieces: i64) -> Answer {
        self.sell_line(json!({"sku": sku, "quantity_milli": pieces * 1_000}))
    }

    pub(crate) fn sell_line(&mut self, line: Value) -> Answer {
        let sale = json!({"till": "R1", "lines": [line], "tenders": [{"kind": "cash", "amount": 100_000}]});
        self.ask("PUT", &format!("/v1/sales/{}", uuid_v7()), &sale)
    }

    pub(crate) fn knows_reservation(&mut self, id: &str) -> bool {
        self.client.get(&format!("/v1/reservations/{id}")).expect("the node answers").status == 200
    }

    pub(crate) fn end(&mut self, id: &str, how: &str) -> Answer {
        self.ask("POST", &format!("/v1/reservations/{id}/{how}"), &json!({}))
    }
}

/// An instant so long from now, to the millisecond.
pub(crate) fn in_ms(ms: i64) -> Timestamp {
    let at = Timestamp::now().as_millisecond() + ms;
    Timestamp::from_millisecond(at).expect("it is no far future")
}

/// An hour is longer than any of these stories.
pub(crate) const LONG: i64 = 3_600_000;

pub(crate) fn wanted(store: &str, sku: &str, units: u64, expires: Timestamp) -> Value {
    json!({
        "id": uuid_v7(), "store": store, "sku": sku, "units": units, "order": uuid_v7(), "reference": "W-1",
        "expires": expires.to_string(),
    })
}

pub(crate) fn with(mut wanted: Value, field: &str, value: Value) -> Value {
    wanted[field] = value;
    wanted
}

pub(crate) fn id_of(wanted: &Value) -> String {
    wanted["id"].as_str().expect("an id").to_owned()
}

pub(crate) fn figures(stock: &Value, names: &[&str]) -> Vec<i64> {
    names.iter().map(|name| stock[name].as_i64().unwrap_or(i64::MIN)).collect()
}

pub(crate) const FIGURES: &[&str] = &["on_hand", "available", "reserved", "exposure", "shrink", "surplus"];

/// Node and hub show the same figures, and these, and the hub has heard all that the node did.
pub(crate) fn both_show(hub: &mut Hub, store: &str, node: &mut Node, sku: &str, expected: [i64; 6]) {
    let done = wait_for("node and hub to show the same", SOON, || {
        figures(&node.stock(sku), FIGURES) == expected
            && node.get("/v1/sync/status")["unsynced"] == 0
            && figures(&hub.stock(store, sku), FIGURES) == expected
    });
    let shown = (node.stock(sku), hub.stock(store, sku));
    done.unwrap_or_else(|e| panic!("{e}: expected {expected:?} of {FIGURES:?}, shown {shown:#?}"));
}

/// Counts an item at a node, whatever happens in between.
pub(crate) fn count(node: &mut Node, sku: &str, n: u64, meanwhile: impl FnOnce(&mut Node)) -> Value {
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
pub(crate) fn agree(hub: &mut Hub, store: &str, node: &mut Node) {
    wait_for("node and hub to agree", SOON, || {
        node.get("/v1/state-hash")["state_hash"]
            == hub.get(&format!("/v1/stores/{store}/state-hash"))["state_hash"]
    })
    .expect("they do");
}

pub(crate) fn rights_of(stock: &Value, incarnation: &str) -> i64 {
    let holders = stock["holders"].as_array().cloned().unwrap_or_default();
    let own = holders.iter().find(|holder| holder["incarnation"] == incarnation);
    own.map_or(0, |holder| holder["rights"].as_i64().unwrap_or(i64::MIN))
}
