//! The hub's console in Chromium on real programs: who gets in, every page in both languages and themes, what it shows of
//! a store's day and books, events that a consumer could not take, and a lost computer: fenced, waited for, counted at a
//! till, resolved (`screens.md` §4.5, `model.md` §3).
//! The stories are in `web-ui/e2e/console.mjs`.
//!
//! Needs what `tradepost_tests::browser` says; where it is missing the test says so.

use serde_json::json;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tradepost_central::consumers::Record;
use tradepost_tests::browser;
use tradepost_tests::http::Client;
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::lan::{LanNode, LanStore, SOON, STORE};
use tradepost_tests::process::wait_for;

const LOST: usize = 0;
const ON: usize = 1;

fn post(node: &mut LanNode, path: &str, body: &serde_json::Value) -> serde_json::Value {
    node.ask("POST", path, body).ok()
}

/// A store with a lost computer, a drawer that was off by five cents and a card that waits to be sent.
fn a_store_with_troubles() -> LanStore {
    let mut store = LanStore::open("web-console", &["north", "south"], &[("MUG", "Strict")]);
    let path = format!("/v1/stores/{STORE}/settings");
    let read = store.admin.get(&path).expect("the hub answers");
    let (tag, mut settings) = (read.header("etag").expect("an ETag").to_owned(), read.ok());
    settings["card_floor_limit"] = json!(5_000);
    let _ = store.put_if(&path, &tag, &settings).ok();
    store.nodes[LOST].receive("MUG", 12);
    let south = store.nodes[ON].status()["incarnation"].as_str().expect("an incarnation").to_owned();
    let grant = json!({"id": uuid_v7(), "to": south, "units": 4});
    let _ = post(&mut store.nodes[LOST], "/v1/stock/MUG/grants", &grant);
    store.agrees();
    store.nodes[LOST].kill();
    let south = &mut store.nodes[ON];
    let till = south.get("/v1/till/bootstrap")["till"].as_str().expect("its till").to_owned();
    let opened = json!({"id": uuid_v7(), "floats": [{"total": 0}]});
    let shift = post(south, &format!("/v1/tills/{till}/shift"), &opened);
    let offline = json!({"kind": "simulated", "online": false});
    let _ = south.ask("PUT", &format!("/v1/terminals/{till}"), &offline).ok();
    let (_, sold) = south.sell("MUG", 1);
    assert_eq!(sold.status, 201, "{}", sold.text());
    let cart = south.open_cart();
    let scanned = south.scan(&cart, "MUG");
    assert!(scanned.status < 300, "{}", scanned.text());
    let card = json!({"id": uuid_v7(), "kind": "card", "amount": 100});
    let tenders = format!("/v1/carts/{cart}/tenders");
    wait_for("the limit for cards at the till", SOON, || {
        south.ask("POST", &tenders, &card).json()["tenders"][0]["state"] == "stored"
    })
    .expect("it arrives");
    let _ = post(south, &format!("/v1/carts/{cart}/checkout"), &json!({"tenders": []}));
    let close = json!({"shift": shift["number"], "counts": [{"total": 95}]});
    let z = post(south, &format!("/v1/tills/{till}/shift/close"), &close);
    assert_eq!(z["drawers"][0]["difference"], -5, "{z}");
    let _ = store.ask("POST", "/v1/prices", &json!({"sku": "MUG", "price": 120})).ok();
    wait_for("the day at the hub", SOON, || {
        let zs = store.admin.get("/v1/z-reports").expect("the hub answers").ok();
        let rollout = store.admin.get("/v1/catalog/rollout").expect("the hub answers").ok();
        zs["data"].as_array().is_some_and(|all| !all.is_empty()) && rollout["of"] == 1
    })
    .expect("it arrives");
    store
}

/// Two events that consumers gave up before: one whose hindrance is gone, and one that nobody can ever take.
fn set_aside(store: &LanStore) {
    let record = |id: &str, name: &str, topic: &str, data: &[u8]| Record {
        id: id.to_owned(),
        ty: format!("dev.tradepost.{name}.v1"),
        source: "/catalog".to_owned(),
        subject: "MUG".to_owned(),
        time: 0,
        topic: topic.to_owned(),
        key: "MUG".to_owned(),
        data: data.to_vec(),
        traceparent: String::new(),
    };
    // Field 1 of the message: the item.
    let well = record("before-1", "product.created", "tradepost.catalog.product.v1", b"\x0a\x03MUG");
    let ill = record("before-2", "order.created", "tradepost.sales.order.v1", b"");
    let hub = rusqlite::Connection::open(store.path("hub").join("hub.db")).expect("the hub's file is there");
    hub.busy_timeout(SOON).expect("it can wait for the hub");
    for (group, record, reason) in
        [("analytics", well, "the disk was full"), ("accounting", ill, "an order without a document")]
    {
        let sql = "INSERT INTO consumer_parked (name, place, lane, ce_id, state, tries, next_at, parked_at, reason, record) \
            VALUES (?1, 1, ?2, ?3, 'dead', 10, 0, 1795000000000, ?4, ?5)";
        let lane = format!("{} {}", record.topic, record.key);
        let bytes = postcard::to_allocvec(&record).expect("plain values serialise");
        let _ =
            hub.execute(sql, rusqlite::params![group, lane, record.id, reason, bytes]).expect("a new row");
    }
}

#[test]
fn a_person_at_headquarters_sees_and_recovers() {
    let Some(web) = browser::web_ui() else { return };
    let mut store = a_store_with_troubles();
    set_aside(&store);
    let url = store.hub_address();
    let page = Client::new(&url).get("/").expect("the hub serves a page").text();
    assert!(
        page.contains("id=\"console\""),
        "the hub has no console built in: run scripts/web, then build again"
    );
    let token =
        std::fs::read_to_string(store.path("hub").join("admin.token")).expect("the hub made its token");

    let till = format!("http://{}", store.nodes[ON].client_address());
    let mut stories = start(&web, (&url, token.trim()), &till);
    let mut told = String::new();
    let said = BufReader::new(stories.stdout.take().expect("stdout is piped"));
    for line in said.lines().map_while(Result::ok) {
        eprintln!("{line}");
        told.push_str(&line);
        told.push('\n');
    }
    let status = stories.wait().expect("the stories end");
    assert!(status.success(), "{status}; screenshots in {}\n{told}", browser::shots().display());
    let recovery = store.admin.get(&format!("/v1/stores/{STORE}/recovery")).expect("the hub answers").ok();
    assert_eq!((&recovery["lost"], &recovery["items"]), (&json!([]), &json!([])), "{recovery:#}");
    assert_eq!(recovery["last_barrier"]["minted"], json!([{"sku": "MUG", "units": 7}]), "{recovery:#}");
    let stock = store.admin.get(&format!("/v1/stores/{STORE}/stock/MUG")).expect("the hub answers").ok();
    let figures = ["on_hand", "available", "suspended"].map(|name| stock[name].as_i64());
    assert_eq!(figures, [Some(9), Some(9), Some(0)], "{stock:#}");
    // The lost one is gone for good; hub and till have come to the same.
    drop(store.nodes.remove(LOST));
    store.agrees();
}

fn start(web: &Path, (url, token): (&str, &str), till: &str) -> Child {
    Command::new("node")
        .arg(web.join("e2e/console.mjs"))
        .current_dir(web)
        .env("TRADEPOST_URL", url)
        .env("TRADEPOST_TOKEN", token)
        .env("TRADEPOST_URL_TILL", till)
        .env("TRADEPOST_SHOTS", browser::shots())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Node.js starts")
}
