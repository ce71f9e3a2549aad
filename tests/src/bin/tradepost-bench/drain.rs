//! A backlog that waits for the hub: how fast it drains, and what it costs on the wire.

use crate::raw::Raw;
use crate::report::Report;
use crate::{Options, entropy, load, world};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tradepost_tests::http::Client;
use tradepost_tests::process::{Program, TempDir, wait_for};

/// Documents a second of PouchDB's best batch, as recorded in the design note on speed.
const POUCHDB_RECORDED: f64 = 8_400.0;
const PRODUCTS: u32 = 1_560;
const DRAIN_MAX: Duration = Duration::from_secs(300);

pub(crate) fn measure(options: &Options, report: &mut Report) {
    println!("\ndrain of {} sales that waited for the hub", options.backlog);
    let dir = TempDir::new("bench-drain");
    let hub = start_hub(options, &dir, "127.0.0.1:0", "127.0.0.1:0");
    let (admin, sync) = (hub.said("admin"), hub.said("sync"));
    let mut client = admin_client(&hub, &dir);
    publish(&mut client);
    let code = enrolment_code(&mut client);
    let node = world::restart_node(&options.bin_dir, &dir.join("node"));
    let mut till = node.client("http");
    till.json("POST", "/v1/enrolment", &json!({ "code": code })).expect("the node answers").ok();
    let caught_up = |till: &mut Client| {
        let status = status(till);
        status["registered"] == true
            && status["lease"]["held"] == true
            && status["catalog"]["version"] == status["catalog"]["hub_version"]
            && status["catalog"]["version"].as_u64() > Some(0)
    };
    wait_for("the catalog is delivered", DRAIN_MAX, || caught_up(&mut till)).expect("delivery");
    hub.stop(Duration::from_secs(20)).expect("the hub stops");
    sell(options, &node);
    let sold = status(&mut till)["unsynced"].as_u64().unwrap_or(0);
    let sent_before = status(&mut till)["bytes_sent"].as_u64().unwrap_or(0);
    let port = |url: &str| url.rsplit(':').next().unwrap_or("0").trim_end_matches('/').to_owned();
    let (admin, sync) = (format!("127.0.0.1:{}", port(&admin)), format!("127.0.0.1:{}", port(&sync)));
    let hub = start_hub(options, &dir, &admin, &sync);
    wait_for("the first ack", DRAIN_MAX, || status(&mut till)["unsynced"].as_u64() < Some(sold))
        .expect("an ack");
    let (begun, first) = (Instant::now(), status(&mut till)["unsynced"].as_u64().unwrap_or(0));
    wait_for("the queue is empty", DRAIN_MAX, || status(&mut till)["unsynced"] == 0).expect("a drain");
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    let (rate, sold) = (first as f64 / begun.elapsed().as_secs_f64(), sold as f64);
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    let wire = (status(&mut till)["bytes_sent"].as_u64().unwrap_or(0) - sent_before) as f64 / sold;
    let floor = Raw::new(dir.path()).run(500, Duration::from_secs_f64(options.seconds)).per_second;
    let against = format!(
        "PouchDB recorded {POUCHDB_RECORDED}/s, {:.1}x; raw rows {floor:.0}/s, {:.2}x",
        rate / POUCHDB_RECORDED,
        rate / floor
    );
    report.row("drain, events/s, one store", format!("{rate:.0}"), against, ">= 1x PouchDB, >= 0.4x raw");
    let events = export(&mut till);
    let least = entropy::bytes_a_sale(&events);
    let against = format!("entropy {least:.1} B, {:.2}x", wire / least);
    report.row("wire bytes a sale, all counted", format!("{wire:.1} B"), against, "<= 3.5x");
    drop(hub);
}

fn status(till: &mut Client) -> Value {
    till.get("/v1/sync/status").map(|a| a.json()).unwrap_or(Value::Null)
}

fn export(till: &mut Client) -> Vec<Value> {
    let text = till.get("/v1/exports/events").expect("the export").text();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn start_hub(options: &Options, dir: &TempDir, admin: &str, sync: &str) -> Program {
    let data = dir.join("hub");
    let args = ["run", "--data-dir", &data, "--admin-listen", admin, "--sync-listen", sync];
    Program::start_from(&options.bin_dir, "tradepost-hub", &args, &[]).unwrap_or_else(|e| panic!("{e}"))
}

fn admin_client(hub: &Program, dir: &TempDir) -> Client {
    let token = std::fs::read_to_string(dir.path().join("hub").join("admin.token")).expect("the hub's token");
    hub.client("admin").with_token(&token)
}

fn publish(client: &mut Client) {
    let store = json!({ "code": "s1", "name": "Bench", "settings": world::settings() });
    client.json("POST", "/v1/stores", &store).expect("the hub answers").ok();
    let dir = TempDir::new("bench-publish");
    let file = dir.path().join("catalog.ndjson");
    world::write_catalog(&file, PRODUCTS).expect("the catalog is written");
    let body = std::fs::read(&file).expect("the catalog");
    let headers = [("content-type", "application/x-ndjson")];
    client.send("POST", "/v1/products/import", &headers, Some(&body)).expect("the hub answers").ok();
}

fn enrolment_code(client: &mut Client) -> String {
    let answer =
        client.json("POST", "/v1/stores/s1/enrolment-codes", &json!({})).expect("the hub answers").ok();
    answer["code"].as_str().expect("a code").to_owned()
}

fn sell(options: &Options, node: &Program) {
    let address = node.said("http").trim_start_matches("http://").to_owned();
    let mut sold = 0;
    while sold < u64::from(options.backlog) {
        let figures = load::run(&address, 16, Duration::from_millis(500), |luck, client| {
            let (path, body) = world::sale(luck, PRODUCTS, &format!("R{}", 1 + client % 4));
            ("PUT", path, body)
        });
        sold += figures.sales;
    }
}
