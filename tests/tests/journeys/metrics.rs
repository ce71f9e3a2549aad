//! Every metric that the dashboard and the alert rules name is told by a hub or a node, and labels stay bounded.

use crate::stock::kit::{Hub, SOON};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use tradepost_tests::engines;
use tradepost_tests::http::Client;
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::process::wait_for;

/// Told only where Kafka is the stream.
const KAFKA_ALONE: [&str; 2] = ["tradepost_consumer_lag", "tradepost_relayed_records_total"];

/// Names of metrics in a text: words that begin as ours do.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = words.filter(|word| word.starts_with("tradepost_"));
    let plain = |word: &str| word.trim_end_matches("_bucket").trim_end_matches("_count").to_owned();
    ours.map(plain).collect()
}

fn told(client: &mut Client) -> String {
    client.get("/metrics").expect("it answers").text()
}

/// What the dashboard and the rules ask for.
fn named() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("it is in the repository");
    let dashboard: Value = serde_json::from_str(&read("grafana/tradepost.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let asked: Vec<&str> = targets.filter_map(|target| target["expr"].as_str()).collect();
    let rules = read("alerts.yml");
    let rules = rules.lines().filter(|line| line.trim_start().starts_with("expr:"));
    let all: Vec<&str> = asked.into_iter().chain(rules).collect();
    assert!(all.len() > 30, "{all:?}");
    names(&all.join("\n"))
}

#[test]
fn what_dashboard_and_alerts_ask_for_is_told() {
    if engines::needs_kafka("what_dashboard_and_alerts_ask_for_is_told") {
        return;
    }
    let extra = ["--payments", "simulated", "--roles", "gateway,services,sync,relay,consumers"];
    let prefix = format!("m{}.", &uuid_v7()[24..]);
    let apart =
        ["--kafka-prefix", &prefix, "--metrics-listen", "127.0.0.1:0", "--services-listen", "127.0.0.1:0"];
    let mut hub = Hub::start_with("metrics", &[&extra[..], &apart[..]].concat());
    hub.open_store("13", 0);
    hub.add_item("MUG", "InHand");
    let mut node = hub.node("13", "north");
    node.receive("MUG", 9);
    let _ = node.give("MUG", "hub", 3).ok();
    let sale = node.sell("MUG", 2).ok();
    let back = json!({"till": "R1", "sale_id": sale["id"], "reason": "broken", "tender": "cash",
        "lines": [{"line": 0, "quantity_milli": 1_000, "condition": "resell"}]});
    let _ = node.ask("PUT", &format!("/v1/refunds/{}", uuid_v7()), &back).ok();
    buy_on_the_web(&mut hub);
    call_a_service(&hub);
    let mut apart = hub.program.client("metrics");
    let missing = |apart: &mut Client, node: &mut Client| {
        let told = names(&(told(apart) + &told(node)));
        let here = |name: &&String| engines::services() || !KAFKA_ALONE.contains(&name.as_str());
        named().into_iter().filter(|name| !told.contains(name)).filter(|name| here(&name)).collect::<Vec<_>>()
    };
    wait_for("every metric", SOON, || missing(&mut apart, &mut node.client).is_empty())
        .unwrap_or_else(|e| panic!("{e}: {:?}", missing(&mut apart, &mut node.client)));

    let text = told(&mut apart);
    let sold =
        format!("tradepost_revenue_minor_units_total{{store=\"13\",currency=\"EUR\"}} {}", sale["total"]);
    assert!(text.contains(&sold), "{sold} in {text}");
    assert!(text.contains("route=\"/v1/products/{sku}\""), "routes are told as they are described");
    for secret in ["MUG", sale["id"].as_str().expect("an id"), "ann@example.org"] {
        assert!(!text.contains(secret), "{secret} is in a label");
        assert!(!told(&mut node.client).contains(secret), "{secret} is in a label");
    }
}

fn buy_on_the_web(hub: &mut Hub) {
    wait_for("the loan", SOON, || hub.stock("13", "MUG")["hub_rights"] == 3).expect("it arrives");
    let account = json!({"email": "ann@example.org", "name": "Ann", "password": "correct horse"});
    let ask = |client: &mut Client, method: &str, path: &str, body: Value| {
        client.json(method, path, &body).expect("the hub answers").ok()
    };
    let mut knock = hub.program.client("admin");
    let made = ask(&mut knock, "POST", "/v1/shop/accounts", account);
    let mut ann = hub.program.client("admin").with_token(made["token"].as_str().expect("a token"));
    let id = uuid_v7();
    let _ = ask(&mut ann, "POST", "/v1/shop/carts", json!({"id": id}));
    let line = json!({"sku": "MUG", "quantity_milli": 1_000});
    let cart = ask(&mut ann, "POST", &format!("/v1/shop/carts/{id}/lines"), line);
    let _ = ann.get(&format!("/v1/shop/carts/{id}")).expect("the hub answers").ok();
    let wanted =
        json!({"cart": id, "cart_version": cart["version"], "total": cart["total"], "method": "approve"});
    let _ = ask(&mut ann, "PUT", &format!("/v1/shop/orders/{}", uuid_v7()), wanted);
}

/// Without a token: a call that is refused is a call.
fn call_a_service(hub: &Hub) {
    use tradepost_proto::catalog::v1::GetProductRequest;
    use tradepost_proto::catalog::v1::catalog_service_client::CatalogServiceClient;
    hub.runtime.block_on(async {
        let channel =
            tonic::transport::Channel::from_shared(hub.program.said("services")).expect("an address");
        let channel = channel.connect().await.expect("the services answer");
        let refused = CatalogServiceClient::new(channel).get_product(GetProductRequest::default()).await;
        assert_eq!(refused.expect_err("no token").code(), tonic::Code::Unauthenticated);
    });
}
