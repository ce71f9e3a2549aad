//! The three flows of the hub from end to end: a product, a cart, a checkout. Each is one connected trace, from the
//! caller's own span to the last consumer, and says what it must on the topics (`hub.md`, Three flows).

use crate::stock::kit::{Hub, SOON};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tradepost_central::stream::cloud_event::TOPICS;
use tradepost_tests::collector::Collector;
use tradepost_tests::engines;
use tradepost_tests::http::{Answer, Client};
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::process::wait_for;

const ROLES: &str = "gateway,services,sync,relay,consumers";

struct Flows {
    hub: Hub,
    collector: Collector,
    prefix: String,
}

/// A caller's own span.
struct Mine {
    trace: String,
    span: String,
}

impl Mine {
    fn new() -> Self {
        let id = uuid_v7().replace('-', "");
        Self { span: id[16..].to_owned(), trace: id }
    }

    fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace, self.span)
    }

    /// A request of this span's.
    fn ask(&self, client: &mut Client, method: &str, path: &str, body: &Value) -> Answer {
        let traceparent = self.traceparent();
        let headers = [("content-type", "application/json"), ("traceparent", traceparent.as_str())];
        let answer = client.send(method, path, &headers, Some(body.to_string().as_bytes()));
        let answer = answer.expect("the hub answers");
        let _ = answer.ok();
        let place = answer.header("traceparent").expect("the answer says where it is");
        assert_eq!((&place[3..35], answer.header("x-request-id")), (self.trace.as_str(), Some(&*self.trace)));
        answer
    }
}

impl Flows {
    fn open(name: &str) -> Self {
        let collector = Collector::start();
        let prefix = format!("t{}.", &uuid_v7()[24..]);
        let extra = ["--payments", "simulated", "--roles", ROLES, "--kafka-prefix", &prefix];
        let hub = Hub::start_in(name, &extra, &collector.environment());
        Self { hub, collector, prefix }
    }

    /// Waits until the trace is whole.
    fn connected(&self, mine: &Mine, wanted: &[&str]) {
        let mut wanted = wanted.to_vec();
        // Without Kafka nothing is published: consumers read the outbox in place.
        wanted.retain(|name| engines::kafka() || !name.starts_with("publish "));
        let whole = || self.collector.connected(&mine.trace, &mine.span, &wanted);
        wait_for("the whole trace", SOON, || whole().is_ok())
            .unwrap_or_else(|e| panic!("{e}: {:?}\n{:?}", whole(), self.collector.trace(&mine.trace)));
        assert!(whole().expect("it was whole").iter().all(|span| span.service == "tradepost-hub"));
    }

    /// Waits until the topics hold every wanted record of a trace: (event's name, key). Embedded there are no topics.
    fn on_the_topics(&self, mine: &Mine, wanted: &[(&str, &str)]) {
        if !engines::kafka() {
            return;
        }
        let servers = std::env::var("TRADEPOST_KAFKA").expect("engines::kafka saw it");
        let reader: BaseConsumer = rdkafka::ClientConfig::new()
            .set("bootstrap.servers", servers)
            .set("group.id", format!("{}look-{}", self.prefix, mine.span))
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            .create()
            .expect("a consumer");
        let topics: Vec<String> = TOPICS.iter().map(|topic| format!("{}{topic}", self.prefix)).collect();
        reader.subscribe(&topics.iter().map(String::as_str).collect::<Vec<_>>()).expect("it reads");
        let wanted: BTreeSet<(String, String)> = wanted
            .iter()
            .map(|(name, key)| (format!("dev.tradepost.{name}.v1"), (*key).to_owned()))
            .collect();
        let (begun, mut seen) = (Instant::now(), BTreeSet::new());
        while !wanted.is_subset(&seen) {
            assert!(begun.elapsed() < SOON, "{wanted:?} are wanted, the topics hold {seen:?}");
            let Some(Ok(message)) = reader.poll(Duration::from_millis(200)) else { continue };
            let headers = message.headers().expect("CloudEvents headers");
            let header = |name: &str| {
                let value = headers.iter().find(|header| header.key == name).and_then(|header| header.value);
                String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
            };
            if header("traceparent") == mine.traceparent() || header("traceparent").contains(&mine.trace) {
                let key = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
                seen.insert((header("ce_type"), key));
            }
        }
    }
}

#[test]
fn a_product_is_one_trace_from_the_request_to_every_reader_and_reaches_the_till() {
    if engines::needs_kafka("a_product_is_one_trace_from_the_request_to_every_reader_and_reaches_the_till") {
        return;
    }
    let mut flows = Flows::open("flow-product");
    flows.hub.open_store("13", 0);
    let mut node = flows.hub.node("13", "north");
    let mine = Mine::new();
    let product = json!({"name": "Mug", "tax_category": "standard", "policy": "Strict"});
    let _ = mine.ask(&mut flows.hub.client, "PUT", "/v1/products/MUG", &product);
    flows.connected(
        &mine,
        &[
            "PUT /v1/products/{sku}",
            "write",
            "publish tradepost.catalog.product.v1",
            "inventory product.created",
            "search product.created",
            "analytics product.created",
        ],
    );
    flows.on_the_topics(&mine, &[("product.created", "MUG")]);
    wait_for("the item at the till", SOON, || {
        node.client.get("/v1/products/MUG").is_ok_and(|answer| answer.status == 200)
    })
    .expect("it arrives");
}

/// A store whose node lent all it has to the web, and a shopper with a cart of two.
fn shopper(flows: &mut Flows) -> (Client, Value, Mine) {
    flows.hub.open_store("13", 0);
    flows.hub.add_item("MUG", "Strict");
    let mut node = flows.hub.node("13", "north");
    node.receive("MUG", 5);
    let _ = node.give("MUG", "hub", 5).ok();
    wait_for("the loan", SOON, || flows.hub.stock("13", "MUG")["hub_rights"] == 5).expect("it arrives");
    let account = json!({"email": "ann@example.org", "name": "Ann", "password": "correct horse"});
    let mut knock = flows.hub.program.client("admin");
    let made = knock.json("POST", "/v1/shop/accounts", &account).expect("the hub answers").ok();
    let mut ann = flows.hub.program.client("admin").with_token(made["token"].as_str().expect("a token"));
    let id = uuid_v7();
    let _ = ann.json("POST", "/v1/shop/carts", &json!({"id": id})).expect("the hub answers").ok();
    let mine = Mine::new();
    let line = json!({"sku": "MUG", "quantity_milli": 2_000});
    let cart = mine.ask(&mut ann, "POST", &format!("/v1/shop/carts/{id}/lines"), &line).json();
    (ann, cart, mine)
}

#[test]
fn a_cart_and_its_checkout_are_one_trace_each_and_the_company_hears_of_the_order() {
    if engines::needs_kafka("a_cart_and_its_checkout_are_one_trace_each_and_the_company_hears_of_the_order") {
        return;
    }
    let mut flows = Flows::open("flow-checkout");
    let (mut ann, cart, mine) = shopper(&mut flows);
    flows.connected(&mine, &["POST /v1/shop/carts/{id}/lines", "write", "cache set"]);
    let read = Mine::new();
    let path = format!("/v1/shop/carts/{}", cart["id"].as_str().expect("an id"));
    let again = read.ask(&mut ann, "GET", &path, &Value::Null).json();
    assert_eq!((&again["version"], &again["total"]), (&cart["version"], &json!(200)), "{again}");
    flows.connected(&read, &["GET /v1/shop/carts/{id}", "cache get"]);

    let mine = Mine::new();
    let id = uuid_v7();
    let wanted =
        json!({"cart": cart["id"], "cart_version": cart["version"], "total": 200, "method": "approve"});
    let order = mine.ask(&mut ann, "PUT", &format!("/v1/shop/orders/{id}"), &wanted).json();
    assert_eq!(order["state"], "handed_over", "{order}");
    flows.connected(
        &mine,
        &[
            "PUT /v1/shop/orders/{id}",
            "web order",
            "provider",
            "write",
            "publish tradepost.sales.order.v1",
            "publish tradepost.inventory.movement.v1",
            "publish tradepost.payments.payment.v1",
            "analytics order.created",
            "accounting payment.processed",
            "notifications order.created",
        ],
    );
    flows.on_the_topics(
        &mine,
        &[("order.created", "13"), ("stock.reserved", "13/MUG"), ("payment.processed", &id)],
    );
}
