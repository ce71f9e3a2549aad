//! One store with several nodes on a LAN: real programs, each behind a proxy of its own to the hub, so that hub, links
//! and machines can be taken away one by one.

use crate::http::{Answer, Client};
use crate::ids::uuid_v7;
use crate::process::{Program, TempDir, bin_dir, wait_for};
use crate::proxy::{Proxy, Weather};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::runtime::Runtime;

/// Bound of every wait; what is promised is far below.
pub const SOON: Duration = Duration::from_secs(60);

/// The store's code at the hub.
pub const STORE: &str = "13";

/// A hub, a store, its nodes.
pub struct LanStore {
    folder: TempDir,
    runtime: Runtime,
    hub: Option<Program>,
    hub_args: Vec<String>,
    /// The hub's admin API.
    pub admin: Client,
    /// The nodes, in the order in which they were opened.
    pub nodes: Vec<LanNode>,
}

/// A node of the store.
pub struct LanNode {
    /// Its name.
    pub name: String,
    program: Option<Program>,
    args: Vec<String>,
    proxy: Proxy,
    /// Its API.
    pub client: Client,
}

impl LanStore {
    /// A hub with a store, and nodes by name that are enrolled, hold the catalog and know each other. Items are given
    /// as (sku, policy).
    ///
    /// # Panics
    /// Where anything doesn't start.
    #[must_use]
    pub fn open(test: &str, names: &[&str], items: &[(&str, &str)]) -> Self {
        Self::open_on(test, names, items, &[])
    }

    /// As [`Self::open`], the hub with further arguments, as on what database it stands.
    ///
    /// # Panics
    /// Where anything doesn't start.
    #[must_use]
    pub fn open_on(test: &str, names: &[&str], items: &[(&str, &str)], hub: &[String]) -> Self {
        let folder = TempDir::new(test);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let data = folder.join("hub");
        let journal = folder.join("journal");
        let args = ["run", "--data-dir", &data, "--journal", &journal, "--admin-listen", "127.0.0.1:0"];
        let mut hub_args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        hub_args.extend(["--sync-listen".to_owned(), "127.0.0.1:0".to_owned()]);
        hub_args.extend_from_slice(hub);
        let hub = start("tradepost-hub", &hub_args);
        // A restart listens where it was.
        hub_args[6] = hub.said("admin").trim_start_matches("http://").to_owned();
        hub_args[8] = hub.said("sync").trim_start_matches("https://").to_owned();
        let token = std::fs::read_to_string(std::path::Path::new(&data).join("admin.token"));
        let admin = hub.client("admin").with_token(token.expect("the hub made its token").trim());
        let mut store = Self { folder, runtime, hub: Some(hub), hub_args, admin, nodes: Vec::new() };
        store.found(items);
        names.iter().for_each(|name| store.add(name));
        store.all_know_each_other();
        store
    }

    fn found(&mut self, items: &[(&str, &str)]) {
        let taxes = json!([{"category": "standard", "ppm": 230_000}]);
        let settings = json!({"currency": "EUR", "taxes": taxes});
        let body = json!({"code": STORE, "name": "Salem", "settings": settings});
        let _ = self.ask("POST", "/v1/stores", &body).ok();
        for (sku, policy) in items {
            let product =
                json!({"name": format!("item {sku}"), "tax_category": "standard", "policy": policy});
            let _ = self.ask("PUT", &format!("/v1/products/{sku}"), &product).ok();
            let _ = self.ask("POST", "/v1/prices", &json!({"sku": sku, "price": 100})).ok();
        }
    }

    /// Where the hub's console and admin API are.
    #[must_use]
    pub fn hub_address(&self) -> String {
        format!("http://{}", self.hub_args[6])
    }

    /// Adds a node that calls those that are there already.
    ///
    /// # Panics
    /// Where it doesn't start or isn't enrolled.
    pub fn add(&mut self, name: &str) {
        let sync = self.hub_args[8].clone();
        let proxy = self.runtime.block_on(Proxy::start(&sync)).expect("the proxy starts");
        let data = self.folder.join(name);
        let first = ["run", "--data-dir", &data, "--listen", "127.0.0.1:0", "--name", name, "--lan"];
        let mut args: Vec<String> = first.iter().map(|arg| (*arg).to_owned()).collect();
        args.extend(["127.0.0.1:0".to_owned(), "--hub".to_owned(), proxy.address()]);
        // So that what is old here is packed as it is in a store after weeks.
        args.extend(["--open-events".to_owned(), "64".to_owned()]);
        for node in &self.nodes {
            // The third one isn't told who lives where.
            let known = if self.nodes.len() < 2 { format!("{}@", node.name) } else { String::new() };
            args.extend(["--peer".to_owned(), format!("{known}{}", node.args[8])]);
        }
        let program = start("tradepost-node", &args);
        args[4] = program.said("http").trim_start_matches("http://").to_owned();
        args[8] = program.said("lan");
        let mut client = program.client("http");
        let code = self.ask("POST", &format!("/v1/stores/{STORE}/enrolment-codes"), &json!({})).ok();
        let _ =
            client.json("POST", "/v1/enrolment", &json!({"code": code["code"]})).expect("it answers").ok();
        self.nodes.push(LanNode { name: name.to_owned(), program: Some(program), args, proxy, client });
    }

    /// Another machine, started from what lies in a folder: a copy of a node's files. It has a way of its own to the hub and
    /// talks to nobody on the LAN.
    ///
    /// # Panics
    /// Where it doesn't start.
    pub fn add_image(&mut self, name: &str, image: &Path, weather: Weather) {
        let sync = self.hub_args[8].clone();
        let proxy = self.runtime.block_on(Proxy::start(&sync)).expect("the proxy starts");
        proxy.set(weather);
        let data = self.folder.join(name);
        std::fs::rename(image, &data).expect("the copy can be moved");
        let first = ["run", "--data-dir", &data, "--listen", "127.0.0.1:0", "--name", name];
        let mut args: Vec<String> = first.iter().map(|arg| (*arg).to_owned()).collect();
        args.extend(["--hub".to_owned(), proxy.address()]);
        let program = start("tradepost-node", &args);
        args[4] = program.said("http").trim_start_matches("http://").to_owned();
        let client = program.client("http");
        self.nodes.push(LanNode { name: name.to_owned(), program: Some(program), args, proxy, client });
    }

    /// Adds a node of the store that talks to the hub alone: with its link cut nothing reaches it. It is ready to promise.
    ///
    /// # Panics
    /// Where it doesn't start or isn't enrolled.
    pub fn add_apart(&mut self, name: &str) {
        let sync = self.hub_args[8].clone();
        let proxy = self.runtime.block_on(Proxy::start(&sync)).expect("the proxy starts");
        let data = self.folder.join(name);
        let first = ["run", "--data-dir", &data, "--listen", "127.0.0.1:0", "--name", name];
        let mut args: Vec<String> = first.iter().map(|arg| (*arg).to_owned()).collect();
        args.extend(["--hub".to_owned(), proxy.address()]);
        let program = start("tradepost-node", &args);
        args[4] = program.said("http").trim_start_matches("http://").to_owned();
        let client = program.client("http");
        self.nodes.push(LanNode { name: name.to_owned(), program: Some(program), args, proxy, client });
        self.enrol(self.nodes.len() - 1);
        self.all_may_promise_apart();
    }

    fn all_may_promise_apart(&mut self) {
        for node in &mut self.nodes {
            wait_for(&format!("{} is ready", node.name), SOON, || {
                let status = node.status();
                status["registered"] == true
                    && status["lease"]["held"] == true
                    && status["catalog"]["version"] != 0
            })
            .unwrap_or_else(|late| panic!("{late}: {}", node.status()));
        }
    }

    /// Replaces what stands at the hub under a version.
    ///
    /// # Panics
    /// Where it doesn't answer.
    pub fn put_if(&mut self, path: &str, tag: &str, body: &Value) -> Answer {
        let headers = [("if-match", tag), ("content-type", "application/json")];
        let sent = self.admin.send("PUT", path, &headers, Some(body.to_string().as_bytes()));
        sent.expect("the hub answers")
    }

    /// Enrols a node with a fresh code, as a person does.
    ///
    /// # Panics
    /// Where it isn't taken in.
    pub fn enrol(&mut self, node: usize) {
        let code = self.ask("POST", &format!("/v1/stores/{STORE}/enrolment-codes"), &json!({})).ok();
        let client = &mut self.nodes[node].client;
        let _ =
            client.json("POST", "/v1/enrolment", &json!({"code": code["code"]})).expect("it answers").ok();
    }

    fn all_know_each_other(&mut self) {
        let others = self.nodes.len().saturating_sub(1);
        for node in &mut self.nodes {
            wait_for(&format!("{} is ready", node.name), SOON, || {
                let status = node.status();
                status["registered"] == true
                    && status["lease"]["held"] == true
                    && status["catalog"]["version"] != 0
                    && node.online_neighbours() == others
            })
            .unwrap_or_else(|late| panic!("{late}: {}", node.status()));
        }
    }

    /// Asks the hub.
    ///
    /// # Panics
    /// Where it doesn't answer.
    pub fn ask(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        self.admin.json(method, path, body).expect("the hub answers")
    }

    /// kill −9 of the hub.
    pub fn hub_gone(&mut self) {
        self.hub.take().into_iter().for_each(Program::kill);
    }

    /// The hub is started where it was.
    pub fn hub_back(&mut self) {
        self.hub = Some(start("tradepost-hub", &self.hub_args));
    }

    /// The hub is killed and started where it was; it gives leases of so many seconds from now on.
    pub fn leases_of(&mut self, seconds: u32) {
        self.hub_gone();
        self.hub_args.retain(|arg| !arg.starts_with("--lease-seconds="));
        self.hub_args.push(format!("--lease-seconds={seconds}"));
        self.hub_back();
    }

    /// Runs a command of the hub's program on its data folder: its exit code, and what it said on stdout or stderr.
    ///
    /// # Panics
    /// Where it can't be run.
    #[must_use]
    pub fn hub_command(&self, command: &str, folder: &Path) -> (i32, String) {
        let ran = std::process::Command::new(bin_dir().join("tradepost-hub"))
            .arg(command)
            .args((!folder.as_os_str().is_empty()).then_some(folder))
            .args(["--data-dir", &self.hub_args[2]])
            .output()
            .expect("the hub's program runs");
        let said = if ran.status.success() { ran.stdout } else { ran.stderr };
        (ran.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
    }

    /// A path in the store's own folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the hub's journal is.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.hub_args[4].clone().into()
    }

    /// Waits until every node may promise and give: it holds a lease, and the hub has acknowledged its start.
    ///
    /// # Panics
    /// Where one may not in time.
    pub fn may_promise(&mut self) {
        for node in &mut self.nodes {
            wait_for(&format!("{} holds a lease", node.name), SOON, || {
                node.status()["lease"]["held"] == true
            })
            .unwrap_or_else(|late| panic!("{late}: {}", node.status()));
        }
    }

    /// Whether the hub has booked a document.
    ///
    /// # Panics
    /// Where it doesn't answer.
    pub fn hub_has(&mut self, sale: &str) -> bool {
        self.admin.get(&format!("/v1/orders/{sale}")).expect("the hub answers").status == 200
    }

    /// Waits until hub and nodes hash their state to the same.
    ///
    /// # Panics
    /// Where they don't in time.
    pub fn agrees(&mut self) {
        let hashes = |store: &mut Self| {
            let path = format!("/v1/stores/{STORE}/state-hash");
            let mut all = vec![store.admin.get(&path).expect("the hub answers").ok()];
            all.extend(store.nodes.iter_mut().map(|node| node.get("/v1/state-hash")));
            all
        };
        let same = |all: &[Value]| {
            let of = |hash: &Value| (hash["state_hash"].clone(), hash["events_hash"].clone());
            all.iter().all(|hash| of(hash) == of(&all[0]))
        };
        let done = wait_for("all agree", SOON, || same(&hashes(self)));
        if let Err(late) = done {
            let statuses: Vec<Value> = self.nodes.iter_mut().map(LanNode::status).collect();
            panic!("{late}: {:#?}\n{statuses:#?}", hashes(self));
        }
    }
}

impl LanNode {
    fn program(&self) -> &Program {
        self.program.as_ref().expect("the node runs")
    }

    /// GET.
    ///
    /// # Panics
    /// Where it doesn't answer with a 2xx.
    pub fn get(&mut self, path: &str) -> Value {
        self.client.get(path).expect("the node answers").ok()
    }

    /// Where synchronisation stands.
    pub fn status(&mut self) -> Value {
        self.get("/v1/sync/status")
    }

    /// Neighbours whose link is up.
    pub fn online_neighbours(&mut self) -> usize {
        let status = self.status();
        let neighbours = status["neighbours"].as_array().cloned().unwrap_or_default();
        neighbours.iter().filter(|n| n["link"] == "online" || n["link"] == "syncing").count()
    }

    /// The link to the hub is cut, or whole again.
    pub fn hub_link(&self, weather: Weather) {
        self.proxy.set(weather);
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        self.program().signal(name);
    }

    /// kill −9.
    pub fn kill(&mut self) {
        self.program.take().into_iter().for_each(Program::kill);
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.program().pid()
    }

    /// Where its API listens.
    #[must_use]
    pub fn client_address(&self) -> String {
        self.program().said("http").trim_start_matches("http://").to_owned()
    }

    /// Connections to the hub that its proxy has cut.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.proxy.counters().cut()
    }

    /// Where its files are.
    #[must_use]
    pub fn data_dir(&self) -> std::path::PathBuf {
        self.args[2].clone().into()
    }

    /// Starts it where it was.
    pub fn start(&mut self) {
        let program = start("tradepost-node", &self.args);
        self.client = program.client("http");
        self.program = Some(program);
    }

    /// Goods come.
    ///
    /// # Panics
    /// Where they aren't taken in.
    pub fn receive(&mut self, sku: &str, units: u64) {
        let body = json!({"reference": "D-1", "lines": [{"sku": sku, "units": units}]});
        let path = format!("/v1/deliveries/{}", uuid_v7());
        let _ = self.client.json("PUT", &path, &body).expect("the node answers").ok();
    }

    /// Asks its API; no answer is a panic, a refusal isn't.
    ///
    /// # Panics
    /// Where no answer comes.
    pub fn ask(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        self.client.json(method, path, body).expect("the node answers")
    }

    /// Opens a cart; its id.
    pub fn open_cart(&mut self) -> String {
        let id = uuid_v7();
        let _ = self.ask("POST", "/v1/carts", &json!({"till": "R1", "id": id})).ok();
        id
    }

    /// Scans a piece of an item into a cart.
    pub fn scan(&mut self, cart: &str, sku: &str) -> Answer {
        self.ask("POST", &format!("/v1/carts/{cart}/lines"), &json!({"sku": sku}))
    }

    /// A cart as it is shown here; null where it isn't known.
    ///
    /// # Panics
    /// Where no answer comes.
    pub fn cart(&mut self, cart: &str) -> Value {
        let answer = self.client.get(&format!("/v1/carts/{cart}")).expect("the node answers");
        if answer.status == 200 { answer.json() } else { Value::Null }
    }

    /// Pays a cart in cash.
    pub fn pay(&mut self, cart: &str) -> Answer {
        let tender = json!({"kind": "cash", "amount": 100_000});
        self.ask("POST", &format!("/v1/carts/{cart}/checkout"), &json!({"tenders": [tender]}))
    }

    /// Tries to sell pieces of an item; the sale's id and the answer.
    ///
    /// # Panics
    /// Where no answer comes.
    pub fn sell(&mut self, sku: &str, pieces: i64) -> (String, Answer) {
        let id = uuid_v7();
        let line = json!({"sku": sku, "quantity_milli": pieces * 1_000});
        let tender = json!({"kind": "cash", "amount": 100_000});
        let sale = json!({"till": "R1", "lines": [line], "tenders": [tender]});
        let answer = self.client.json("PUT", &format!("/v1/sales/{id}"), &sale).expect("the node answers");
        (id, answer)
    }

    /// An item's figures.
    pub fn stock(&mut self, sku: &str) -> Value {
        self.get(&format!("/v1/stock/{sku}"))
    }

    /// A figure of an item.
    ///
    /// # Panics
    /// Where there is no such figure.
    pub fn figure(&mut self, sku: &str, name: &str) -> i64 {
        self.stock(sku)[name].as_i64().expect("a figure")
    }

    /// What it has said on stderr.
    #[must_use]
    pub fn said(&self) -> String {
        self.program().stderr()
    }
}

fn start(name: &str, args: &[String]) -> Program {
    let given: Vec<&str> = args.iter().map(String::as_str).collect();
    Program::start(name, &given).expect("it starts")
}
