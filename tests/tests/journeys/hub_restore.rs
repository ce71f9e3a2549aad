//! A hub whose database is put back from a backup, through real processes: it notices, gives nothing until everybody was
//! heard, and nothing is lost that anybody still holds (`model.md` §3, The hub is a replica too; G27, G38 and G39 of §8).

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use tradepost_tests::engines;
use tradepost_tests::http::Answer;
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::lan::{LanNode, LanStore, SOON, STORE};
use tradepost_tests::process::wait_for;
use tradepost_tests::proxy::Weather;
use tradepost_tests::seed::{Luck, full};

const ITEM: &[(&str, &str)] = &[("MUG", "Strict")];

/// Of what a hub remembers what is left after the restore.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Journal {
    Kept,
    Lost,
}

fn give(node: &mut LanNode, to: &str, units: u64) {
    let body = json!({"id": uuid_v7(), "to": to, "units": units});
    let _ = node.client.json("POST", "/v1/stock/MUG/grants", &body).expect("the node answers").ok();
}

fn stock(store: &mut LanStore) -> Value {
    store.admin.get(&format!("/v1/stores/{STORE}/stock/MUG")).expect("the hub answers").ok()
}

const FIGURES: &[&str] = &["on_hand", "available", "reserved", "suspended", "hub_rights"];

fn hub_shows(store: &mut LanStore, expected: [i64; 5]) {
    let figures = |stock: &Value| FIGURES.iter().map(|f| stock[*f].as_i64()).collect::<Vec<_>>();
    let done = wait_for("the hub's figures", SOON, || figures(&stock(store)) == expected.map(Some));
    let (shown, recovery) = (stock(store), status(store));
    done.unwrap_or_else(|late| panic!("{late}: {expected:?} of {FIGURES:?}: {shown:#}\n{recovery:#}"));
}

fn status(store: &mut LanStore) -> Value {
    store.admin.get("/v1/hub/recovery").expect("the hub answers").ok()
}

fn order(units: u64) -> Value {
    let body = json!({
        "id": uuid_v7(), "store": STORE, "sku": "MUG", "units": units, "order": uuid_v7(), "reference": "W-1",
        "expires": "2099-01-01T00:00:00Z", "custodian": "hub",
    });
    body
}

fn reserve(store: &mut LanStore, order: &Value) -> Answer {
    store.ask("POST", "/v1/reservations", order)
}

fn back_up(store: &LanStore, name: &str) {
    let (code, said) = store.hub_command("backup", &store.path(name));
    assert_eq!(code, 0, "{said}");
}

/// The hub dies, and its database is put back to a backup.
fn put_back(store: &mut LanStore, name: &str, journal: Journal) {
    store.hub_gone();
    let (code, said) = store.hub_command("restore", &store.path(name));
    assert_eq!(code, 0, "{said}");
    if journal == Journal::Lost {
        std::fs::remove_dir_all(store.journal()).expect("the journal is gone");
    }
    store.hub_back();
}

fn attest(store: &mut LanStore) {
    let body = json!({"attested": "the operator: nobody was enrolled since the backup"});
    let shown = store.ask("POST", "/v1/hub/recovery/attestation", &body).ok();
    assert_eq!(shown["stores"][0]["attested"], body["attested"], "{shown:#}");
}

fn recovered(store: &mut LanStore) {
    let done = wait_for("the recovery's end", SOON, || status(store)["recovering"] == false);
    let shown = status(store);
    done.unwrap_or_else(|late| panic!("{late}: {shown:#}"));
}

/// Three goods, all lent to the hub, and the backup of that moment.
fn three_goods(test: &str) -> LanStore {
    let mut store = LanStore::open(test, &["north"], ITEM);
    store.nodes[0].receive("MUG", 3);
    give(&mut store.nodes[0], "hub", 3);
    hub_shows(&mut store, [3, 3, 0, 0, 3]);
    back_up(&store, "backup");
    store
}

#[test]
fn g38_an_acknowledged_order_comes_back_out_of_the_journal() {
    if engines::services() {
        return;
    }
    let mut store = three_goods("hub-g38-journal");
    let wanted = order(3);
    let acknowledged = reserve(&mut store, &wanted).ok();
    store.nodes[0].kill();
    put_back(&mut store, "backup", Journal::Kept);
    let shown = status(&mut store);
    let of_store = &shown["stores"][0];
    assert_eq!((&shown["recovering"], &of_store["journal_whole"]), (&json!(true), &json!(true)), "{shown:#}");
    assert!(of_store["next"][0].as_str().is_some_and(|next| next.contains("north")), "{shown:#}");
    // The order is there, its units are nobody else's, and nothing new is promised before the node was heard.
    hub_shows(&mut store, [3, 0, 3, 0, 0]);
    assert_eq!(reserve(&mut store, &order(1)).code(), "HUB_RECOVERING");
    let grant = json!({"sku": "MUG", "units": 1});
    let granted = store.ask("POST", &format!("/v1/stores/{STORE}/grants"), &grant);
    assert_eq!(granted.code(), "HUB_RECOVERING");
    store.nodes[0].start();
    recovered(&mut store);
    hub_shows(&mut store, [3, 0, 3, 0, 0]);
    assert_eq!(reserve(&mut store, &order(1)).code(), "RIGHTS_SHORT");
    let again = reserve(&mut store, &wanted).ok();
    assert_eq!(
        (&again["id"], &again["state"]),
        (&acknowledged["id"], &json!("open")),
        "the same order again"
    );
    store.agrees();
    // The new incarnation of the hub is its custodian, and goes on with it.
    let path = format!("/v1/reservations/{}", wanted["id"].as_str().expect("an id"));
    let _ = store.ask("DELETE", &path, &json!({})).ok();
    store.agrees();
}

#[test]
fn g38_without_a_journal_the_hubs_rights_are_suspended_until_a_count() {
    if engines::services() {
        return;
    }
    let mut store = three_goods("hub-g38-lost");
    // The order reaches nobody but the hub.
    store.nodes[0].hub_link(Weather::Closed);
    let _ = reserve(&mut store, &order(3)).ok();
    put_back(&mut store, "backup", Journal::Lost);
    assert_eq!(status(&mut store)["stores"][0]["journal_whole"], false);
    hub_shows(&mut store, [3, 0, 0, 3, 0]);
    assert_eq!(reserve(&mut store, &order(1)).code(), "HUB_RECOVERING");
    store.nodes[0].hub_link(Weather::Clear);
    let heard =
        wait_for("the node", SOON, || status(&mut store)["stores"][0]["nodes"][0]["in_session"] == true);
    heard.expect("it is heard");
    // Nobody knows who else was enrolled: a person must say so, or three days must pass.
    let shown = status(&mut store);
    assert!(shown["stores"][0]["nodes"][0]["lease_until"].is_string(), "{shown:#}");
    assert_eq!(reserve(&mut store, &order(1)).code(), "HUB_RECOVERING");
    attest(&mut store);
    recovered(&mut store);
    hub_shows(&mut store, [3, 0, 0, 3, 0]);
    assert_eq!(reserve(&mut store, &order(1)).code(), "RIGHTS_SHORT");
    store.agrees();
    count(&mut store.nodes[0], 3);
    let recovery = format!("/v1/stores/{STORE}/recovery");
    let ready = wait_for("the count", SOON, || {
        store.admin.get(&recovery).expect("the hub answers").ok()["items"][0]["would_mint"] == 3
    });
    ready.unwrap_or_else(|late| panic!("{late}: {:#}", store.admin.get(&recovery).expect("it answers").ok()));
    let body = json!({"id": uuid_v7(), "purpose": "resolve"});
    let opened = store.ask("POST", &format!("/v1/stores/{STORE}/barriers"), &body);
    // It may have opened one by itself.
    assert!(opened.status == 201 || opened.code() == "BARRIER_OPEN", "{}", opened.text());
    hub_shows(&mut store, [3, 3, 0, 0, 3]);
    let _ = reserve(&mut store, &order(3)).ok();
    store.agrees();
}

fn count(node: &mut LanNode, n: u64) {
    let id = uuid_v7();
    let _ =
        node.client.json("POST", "/v1/counts", &json!({"id": id, "sku": "MUG"})).expect("it answers").ok();
    let path = format!("/v1/counts/{id}/finish");
    let _ = node.client.json("POST", &path, &json!({"n": n})).expect("it answers").ok();
}

fn state_of(store: &mut LanStore, incarnation: &str) -> Value {
    let nodes = store.admin.get("/v1/nodes").expect("the hub answers").ok();
    let found =
        nodes["data"].as_array().into_iter().flatten().find(|node| node["incarnation"] == incarnation);
    found.map_or(Value::Null, |node| node["state"].clone())
}

/// A node is fenced, and what it held resolved, after the backup; the hub is put back, and the node, alive, connects first.
#[test]
fn g39_a_fence_that_the_backup_forgot_comes_back_from_the_other_node() {
    if engines::services() {
        return;
    }
    let mut store = LanStore::open("hub-g39", &["north", "south"], ITEM);
    store.nodes[0].receive("MUG", 5);
    hub_shows(&mut store, [5, 5, 0, 0, 0]);
    store.agrees();
    back_up(&store, "backup");
    let north = store.nodes[0].status()["incarnation"].as_str().expect("an incarnation").to_owned();
    store.nodes[0].kill();
    let fence = json!({"attested": "the manager: it burnt", "successor": "south"});
    let _ = store.ask("POST", &format!("/v1/stores/{STORE}/nodes/{north}/fence"), &fence).ok();
    wait_for("the other to know", SOON, || store.nodes[1].stock("MUG")["suspended"] == 5)
        .expect("it is told");
    count(&mut store.nodes[1], 5);
    let recovery = format!("/v1/stores/{STORE}/recovery");
    let counted =
        |store: &mut LanStore| store.admin.get(&recovery).expect("it answers").ok()["items"][0].clone();
    wait_for("the count", SOON, || counted(&mut store)["would_mint"] == 5).expect("it arrives");
    let body = json!({"id": uuid_v7(), "purpose": "resolve"});
    let _ = store.ask("POST", &format!("/v1/stores/{STORE}/barriers"), &body).ok();
    hub_shows(&mut store, [5, 5, 0, 0, 5]);
    store.nodes[1].hub_link(Weather::Closed);
    put_back(&mut store, "backup", Journal::Lost);
    store.nodes[0].start();
    wait_for("the fenced one to be met", SOON, || {
        status(&mut store)["stores"][0]["nodes"][0]["in_session"] == true
    })
    .expect("it connects first");
    assert_eq!(state_of(&mut store, &north), "live", "the backup has forgotten");
    assert_eq!(reserve(&mut store, &order(1)).code(), "HUB_RECOVERING");
    store.nodes[1].hub_link(Weather::Clear);
    let fenced = wait_for("the fence", SOON, || state_of(&mut store, &north) == "fenced");
    let shown = status(&mut store);
    fenced.unwrap_or_else(|late| panic!("{late}: {shown:#}"));
    attest(&mut store);
    recovered(&mut store);
    // What the old hub held is resolved by the count that stands, or waits for another; nothing is promised twice.
    let promised = stock(&mut store);
    let sum = promised["available"].as_i64().zip(promised["suspended"].as_i64()).map(|(a, s)| a + s);
    assert!(sum.is_some_and(|sum| sum <= 5), "{promised:#}");
    assert_eq!(state_of(&mut store, &north), "fenced");
    let another = |node: &mut LanNode| node.status()["incarnation"].as_str().is_some_and(|now| now != north);
    wait_for("the fenced one to hear of it", SOON, || another(&mut store.nodes[0])).expect("it is told");
    let sold = store.nodes[0].sell("MUG", 1).1;
    assert_ne!(sold.status, 201, "it stays fenced: {}", sold.text());
}

/// Sales before and after the backup, told to the hub and not; put back, with its journal and without.
#[test]
fn g27_nodes_give_a_hub_that_was_put_back_its_facts_again() {
    if engines::services() {
        return;
    }
    let times = if full() { 20 } else { 2 };
    let mut luck = Luck::of_this_run("hub_restore::g27");
    for round in 0..times {
        let journal = if round % 2 == 0 { Journal::Kept } else { Journal::Lost };
        goods_and_sales_come_back(&mut luck, journal, round);
    }
}

fn goods_and_sales_come_back(luck: &mut Luck, journal: Journal, round: u64) {
    let mut store = LanStore::open(&format!("hub-g27-{round}"), &["north", "south"], ITEM);
    let mut sold = BTreeSet::new();
    store.nodes[0].receive("MUG", 60);
    let south = store.nodes[1].status()["incarnation"].as_str().expect("an incarnation").to_owned();
    give(&mut store.nodes[0], &south, 20);
    give(&mut store.nodes[0], "hub", 10);
    hub_shows(&mut store, [60, 60, 0, 0, 10]);
    store.agrees();
    sell_some(&mut store, luck, &mut sold, 4);
    let before = order(2);
    let _ = reserve(&mut store, &before).ok();
    store.agrees();
    back_up(&store, "backup");
    sell_some(&mut store, luck, &mut sold, 6);
    let after = order(1 + luck.below(3));
    let _ = reserve(&mut store, &after).ok();
    let price = json!({"sku": "MUG", "price": 120});
    let _ = store.ask("POST", "/v1/prices", &price).ok();
    store.agrees();
    // The last ones are known to nobody but their node.
    store.nodes.iter().for_each(|node| node.hub_link(Weather::Closed));
    sell_some(&mut store, luck, &mut sold, 3);
    put_back(&mut store, "backup", journal);
    sell_some(&mut store, luck, &mut sold, 2);
    store.nodes.iter().for_each(|node| node.hub_link(Weather::Clear));
    if journal == Journal::Lost {
        attest(&mut store);
    }
    recovered(&mut store);
    store.agrees();
    let mut booked = BTreeSet::new();
    let mut path = "/v1/orders?limit=500".to_owned();
    loop {
        let page = store.admin.get(&path).expect("the hub answers").ok();
        for sale in page["data"].as_array().into_iter().flatten() {
            assert!(booked.insert(sale["id"].as_str().expect("an id").to_owned()), "twice: {sale:#}");
        }
        match page["next_cursor"].as_str() {
            Some(next) => path = format!("/v1/orders?limit=500&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(booked, sold, "no loss and no double effect, {journal:?}, round {round}");
    let reserved = before["units"].as_i64().zip(after["units"].as_i64()).map(|(a, b)| a + b);
    let shown = stock(&mut store);
    assert_eq!(shown["reserved"].as_i64(), reserved, "the orders stand: {shown:#}");
    assert_eq!((&shown["overdraw"], &shown["surplus"], &shown["shrink"]), (&json!(0), &json!(0), &json!(0)));
    match journal {
        // Its rights go on under its new incarnation.
        Journal::Kept => assert_eq!(shown["hub_rights"].as_i64(), reserved.map(|r| 10 - r), "{shown:#}"),
        Journal::Lost => assert_eq!(
            (&shown["hub_rights"], shown["suspended"].as_i64()),
            (&json!(0), reserved.map(|r| 10 - r)),
            "{shown:#}"
        ),
    }
    assert!(!Path::new(&store.path("backup")).join("hub.db-wal").exists(), "a backup is one file");
}

fn sell_some(store: &mut LanStore, luck: &mut Luck, sold: &mut BTreeSet<String>, times: u64) {
    for _ in 0..times {
        let node = usize::try_from(luck.below(2)).expect("a small number");
        let (sale, answer) = store.nodes[node].sell("MUG", 1);
        assert_eq!(answer.status, 201, "{}", answer.text());
        sold.insert(sale);
    }
}
