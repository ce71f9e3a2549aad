//! Leases through real processes (`model.md` §3.1; the interleavings G11, G18, G36 and G37 of §8): what a node may do
//! while it can't reach the hub, for how long, and what opens again by itself.
//!
//! Goods come while leases are long; then the hub is started again with short ones, so that nothing hangs on a race.

use serde_json::{Value, json};
use tradepost_tests::http::Answer;
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::lan::{LanNode, LanStore, SOON, STORE};
use tradepost_tests::process::wait_for;
use tradepost_tests::proxy::Weather;

const ITEMS: &[(&str, &str)] = &[("CAMERA", "Strict"), ("MILK", "InHand")];
/// A short lease: long enough that it is renewed several times within.
const SHORT: u32 = 4;
const EAST: usize = 0;
const WEST: usize = 1;

fn lease(node: &mut LanNode) -> Value {
    node.status()["lease"].clone()
}

fn until(store: &mut LanStore, what: &str, mut condition: impl FnMut(&mut LanStore) -> bool) {
    if let Err(late) = wait_for(what, SOON, || condition(store)) {
        let mut all = vec![late];
        for node in &mut store.nodes {
            let status = node.status();
            all.push(format!("{}: {status:#}\n{}", node.name, node.said()));
        }
        panic!("{}", all.join("\n"));
    }
}

fn instant(told: &Value) -> jiff::Timestamp {
    told.as_str().expect("a time").parse().expect("RFC 3339")
}

/// What is left of the lease that a node shows, in seconds.
fn left(lease: &Value) -> i64 {
    instant(&lease["until"]).as_second() - jiff::Timestamp::now().as_second()
}

/// The hub gives short leases, and every node that reaches it holds one.
fn short_leases(store: &mut LanStore) {
    store.leases_of(SHORT);
    for node in 0..store.nodes.len() {
        until(store, "a short lease", |store| left(&lease(&mut store.nodes[node])) <= i64::from(SHORT) + 1);
    }
}

/// Nothing strict is promised, with a sentence what to do.
fn strict_is_locked(node: &mut LanNode, why: &str) {
    let (_, refused) = node.sell("CAMERA", 1);
    assert_eq!((refused.status, refused.code()), (409, "LEASE_EXPIRED".to_owned()), "{}", refused.text());
    let told = refused.json();
    assert_eq!(told["errors"][0]["pointer"], "/lines/0/sku", "{told:#}");
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("hub")), "{told:#}");
    let lease = lease(node);
    assert_eq!((&lease["held"], &lease["why"]), (&json!(false), &json!(why)), "{lease:#}");
    assert!(lease["detail"].is_string(), "{lease:#}");
}

fn sells(node: &mut LanNode, sku: &str) {
    let (_, sold) = node.sell(sku, 1);
    assert_eq!(sold.status, 201, "{}", sold.text());
}

fn figures(node: &mut LanNode, sku: &str) -> [i64; 3] {
    ["on_hand", "rights", "overdraw"].map(|name| node.figure(sku, name))
}

fn grant(node: &mut LanNode, to: &str) -> Answer {
    node.ask("POST", "/v1/stock/MILK/grants", &json!({"id": uuid_v7(), "to": to, "units": 1}))
}

/// The lease ran out at T1 with r = 3: strict is refused, in hand goes on as overdraw, and what comes in mints nothing;
/// once it is renewed the overdraw is settled.
#[test]
fn g18_without_a_lease_only_what_is_in_hand_is_sold() {
    let mut store = LanStore::open("lease-g18", &["east"], ITEMS);
    for (sku, _) in ITEMS {
        store.nodes[EAST].receive(sku, 3);
        assert_eq!(figures(&mut store.nodes[EAST], sku), [3, 3, 0]);
    }
    short_leases(&mut store);
    store.nodes[EAST].hub_link(Weather::Closed);
    until(&mut store, "the end of the lease", |store| lease(&mut store.nodes[EAST])["held"] == false);
    strict_is_locked(&mut store.nodes[EAST], "ran_out");
    sells(&mut store.nodes[EAST], "MILK");
    assert_eq!(figures(&mut store.nodes[EAST], "MILK"), [2, 3, 1], "O=1, r=3");
    assert_eq!(grant(&mut store.nodes[EAST], "hub").code(), "RIGHTS_SHORT", "nothing is given");
    store.nodes[EAST].receive("CAMERA", 2);
    assert_eq!(figures(&mut store.nodes[EAST], "CAMERA"), [5, 3, 0], "goods come in without M");

    store.nodes[EAST].hub_link(Weather::Clear);
    until(&mut store, "overdraw to be settled", |store| figures(&mut store.nodes[EAST], "MILK") == [2, 2, 0]);
    until(&mut store, "strict goods to be sold", |store| store.nodes[EAST].sell("CAMERA", 1).1.status == 201);
    store.agrees();
}

/// A start is a boot: until the hub has acknowledged something of it, what the lease covers stays locked.
#[test]
fn after_a_start_without_the_hub_strict_goods_wait_for_it() {
    let mut store = LanStore::open("lease-reboot", &["east"], ITEMS);
    for (sku, _) in ITEMS {
        store.nodes[EAST].receive(sku, 3);
    }
    sells(&mut store.nodes[EAST], "CAMERA");
    store.nodes[EAST].hub_link(Weather::Closed);
    sells(&mut store.nodes[EAST], "CAMERA");
    assert_eq!(lease(&mut store.nodes[EAST])["held"], true, "a cut link takes no lease away");

    store.nodes[EAST].kill();
    store.nodes[EAST].start();
    strict_is_locked(&mut store.nodes[EAST], "not_acknowledged");
    sells(&mut store.nodes[EAST], "MILK");
    assert_eq!(figures(&mut store.nodes[EAST], "MILK"), [2, 3, 1]);
    let counted = uuid_v7();
    let begun = store.nodes[EAST].ask("POST", "/v1/counts", &json!({"id": counted, "sku": "CAMERA"}));
    assert!(begun.status < 300, "it counts: {}", begun.text());

    store.nodes[EAST].hub_link(Weather::Clear);
    until(&mut store, "a lease", |store| lease(&mut store.nodes[EAST])["held"] == true);
    assert_eq!(figures(&mut store.nodes[EAST], "MILK"), [2, 2, 0], "settled as it opens");
    sells(&mut store.nodes[EAST], "CAMERA");
    store.agrees();
}

/// T1 levels with its neighbour only: that renews nothing, and its lease ends when it would have.
#[test]
fn g37_a_neighbour_renews_nothing() {
    let mut store = LanStore::open("lease-g37", &["east", "west"], ITEMS);
    store.nodes[EAST].receive("CAMERA", 3);
    store.nodes[EAST].receive("MILK", 3);
    store.agrees();
    short_leases(&mut store);
    store.hub_gone();
    until(&mut store, "the hub's absence to be felt", |store| {
        store.nodes.iter_mut().all(|node| node.status()["link"] == "offline")
    });
    // The last one that was given; whatever is heard now doesn't move its end.
    let end = instant(&lease(&mut store.nodes[EAST])["until"]);
    let (sale, sold) = store.nodes[WEST].sell("MILK", 1);
    assert_eq!(sold.status, 201, "{}", sold.text());
    until(&mut store, "the neighbour's sale", |store| store.nodes[EAST].figure("MILK", "on_hand") == 2);
    until(&mut store, "the end of the lease", |store| lease(&mut store.nodes[EAST])["held"] == false);
    let shown = lease(&mut store.nodes[EAST]);
    assert!((instant(&shown["until"]) - end).get_seconds().abs() <= 1, "{shown:#}, before {end}");
    strict_is_locked(&mut store.nodes[EAST], "ran_out");

    store.hub_back();
    for node in [EAST, WEST] {
        until(&mut store, "a lease again", |store| lease(&mut store.nodes[node])["held"] == true);
    }
    until(&mut store, "the sale at the hub", |store| store.hub_has(&sale));
    store.agrees();
}

/// A neighbour that reaches the hub carries the ask and the answer: the lease is the hub's own, answers the nonce that was
/// asked with, and ends when the neighbour can carry no more. Short ones are renewed so; then one of an hour can only have
/// come this way.
#[test]
fn a_neighbour_carries_a_lease_and_gives_none_of_its_own() {
    let mut store = LanStore::open("lease-carried", &["east", "west"], ITEMS);
    store.nodes[WEST].receive("CAMERA", 3);
    store.agrees();
    short_leases(&mut store);
    store.nodes[WEST].hub_link(Weather::Closed);
    until(&mut store, "the hub's absence to be felt", |store| {
        store.nodes[WEST].status()["link"] == "offline" && store.nodes[EAST].status()["link"] == "online"
    });
    let end = instant(&lease(&mut store.nodes[WEST])["until"]).as_second();
    let renewed = |store: &mut LanStore| {
        let lease = lease(&mut store.nodes[WEST]);
        lease["held"] == true && instant(&lease["until"]).as_second() > end + i64::from(SHORT)
    };
    until(&mut store, "a lease that came through the neighbour", renewed);
    store.leases_of(3_600);
    until(&mut store, "a lease of an hour", |store| left(&lease(&mut store.nodes[WEST])) > 1_800);
    assert_ne!(store.nodes[WEST].status()["link"], "online", "its own way to the hub is closed");
    sells(&mut store.nodes[WEST], "CAMERA");
    // The wait behind a fence counts from what was given, whichever way it went.
    let may_sell_until = instant(&lease(&mut store.nodes[WEST])["until"]);
    let lost = store.nodes[WEST].status()["incarnation"].as_str().expect("an incarnation").to_owned();
    store.nodes[WEST].kill();
    let path = format!("/v1/stores/{STORE}/nodes/{lost}/fence");
    let _ = store.ask("POST", &path, &json!({"successor": "east"})).ok();
    let shown = store.admin.get(&format!("/v1/stores/{STORE}/recovery")).expect("the hub answers").ok();
    let waits_until = instant(&shown["lost"][0]["wait_until"]).as_second();
    assert!(waits_until + 2 >= may_sell_until.as_second(), "{shown:#}, it may sell until {may_sell_until}");
}

/// Twins of one image, r = 2: A starts, is acknowledged and sells both without a link. B starts: before the hub is reached it
/// promises nothing, and then its start is a fork.
#[test]
fn g36_the_second_twin_is_a_fork_and_no_seller() {
    let mut store = LanStore::open("lease-g36", &["east"], ITEMS);
    store.nodes[EAST].receive("CAMERA", 2);
    store.agrees();
    let image = store.nodes[EAST].data_dir().with_extension("image");
    store.nodes[EAST].kill();
    copy(&store.nodes[EAST].data_dir(), &image);
    store.nodes[EAST].start();
    until(&mut store, "A to be acknowledged", |store| lease(&mut store.nodes[EAST])["held"] == true);
    let was = store.nodes[EAST].status()["incarnation"].clone();
    store.nodes[EAST].hub_link(Weather::Closed);
    for _ in 0..2 {
        sells(&mut store.nodes[EAST], "CAMERA");
    }

    store.add_image("twin", &image, Weather::Closed);
    let twin = 1;
    assert_eq!(store.nodes[twin].status()["incarnation"], was);
    assert_eq!(store.nodes[twin].figure("CAMERA", "rights"), 2, "it believes that it may");
    strict_is_locked(&mut store.nodes[twin], "not_acknowledged");
    store.nodes[twin].hub_link(Weather::Clear);
    until(&mut store, "the twin to fence itself", |store| {
        let (_, refused) = store.nodes[twin].sell("CAMERA", 1);
        assert_ne!(refused.status, 201, "a third camera was promised");
        store.nodes[twin].status()["incarnation"] != was
    });
    let (_, refused) = store.nodes[twin].sell("CAMERA", 1);
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert_eq!(store.nodes[twin].figure("CAMERA", "rights"), 0, "a new memory holds nothing");
}

/// The wait behind a fence is counted from the lease that was really given, not from the fence and not by its default length.
#[test]
fn g11_nothing_is_released_before_the_given_lease_is_out() {
    let mut store = LanStore::open("lease-g11", &["east", "west"], ITEMS);
    store.nodes[EAST].receive("CAMERA", 5);
    store.agrees();
    store.leases_of(3_600);
    until(&mut store, "a lease of an hour", |store| left(&lease(&mut store.nodes[EAST])) <= 3_601);
    let lost = store.nodes[EAST].status()["incarnation"].as_str().expect("an incarnation").to_owned();
    store.nodes[EAST].hub_link(Weather::Closed);
    sells(&mut store.nodes[EAST], "CAMERA");
    let may_sell_until = instant(&lease(&mut store.nodes[EAST])["until"]);
    store.nodes[EAST].kill();

    let path = format!("/v1/stores/{STORE}/nodes/{lost}/fence");
    let _ = store.ask("POST", &path, &json!({"successor": "west"})).ok();
    let west = &mut store.nodes[WEST];
    // Whether the last sale came out over the LAN before the end is chance: 4 or 5.
    wait_for("west to know", SOON, || west.figure("CAMERA", "suspended") > 0).expect("it is told");
    let count = uuid_v7();
    let _ = west.ask("POST", "/v1/counts", &json!({"id": count, "sku": "CAMERA"})).ok();
    let _ = west.ask("POST", &format!("/v1/counts/{count}/finish"), &json!({"n": 4})).ok();
    let stock = format!("/v1/stores/{STORE}/stock/CAMERA");
    let counted =
        |store: &mut LanStore| store.admin.get(&stock).expect("the hub answers").ok()["on_hand"] == 4;
    until(&mut store, "the count", counted);

    let body = json!({"id": uuid_v7(), "purpose": "resolve"});
    let early = store.ask("POST", &format!("/v1/stores/{STORE}/barriers"), &body);
    assert_eq!((early.status, early.code()), (409, "LEASE_NOT_EXPIRED".to_owned()), "{}", early.text());
    let out = instant(&early.json()["until"]);
    assert!(
        out.as_second() + 2 >= may_sell_until.as_second(),
        "{out}: the node may sell until {may_sell_until}"
    );
    assert!(out.as_second() - jiff::Timestamp::now().as_second() <= 3_601, "{out}: it was given an hour");
    let shown = store.admin.get(&format!("/v1/stores/{STORE}/recovery")).expect("the hub answers").ok();
    assert_eq!(shown["lost"][0]["wait_over"], false, "{shown:#}");
}

/// A node that was never enrolled is its own hub.
#[test]
fn a_lone_node_needs_no_lease() {
    let folder = tradepost_tests::process::TempDir::new("lease-lone");
    let node = tradepost_tests::till::start_node(folder.path(), &[]).expect("it starts");
    let status = node.client("http").get("/v1/sync/status").expect("it answers").ok();
    assert_eq!(status["lease"], Value::Null, "{status:#}");
}

/// Everything a disk's image holds; the memory that SQLite shares between processes is no part of it.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("the node's folder").filter_map(Result::ok) {
        let name = entry.file_name();
        if entry.path().is_file() && !name.to_string_lossy().ends_with("-shm") {
            std::fs::copy(entry.path(), to.join(name)).expect("a file can be copied");
        }
    }
}
