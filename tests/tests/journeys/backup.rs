//! Backup, restore and retirement by the programs' commands: what they do, and what they refuse with which exit code
//! (`resilience.md`; `model.md` §3, Amnesia and §3.6; G44 of §8).

use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use tradepost_tests::engines;
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::lan::{LanNode, LanStore, SOON, STORE};
use tradepost_tests::process::{bin_dir, wait_for};
use tradepost_tests::proxy::Weather;

const ITEM: &[(&str, &str)] = &[("MUG", "InHand")];
/// Refused with a reason, nothing changed.
const REFUSED: i32 = 3;

/// Runs a command of the node's program: its exit code, and what it said.
fn node_command(args: &[&str]) -> (i32, String) {
    let ran = Command::new(bin_dir().join("tradepost-node")).args(args).output().expect("it runs");
    let said = if ran.status.success() { &ran.stdout } else { &ran.stderr };
    (ran.status.code().unwrap_or(-1), String::from_utf8_lossy(said).into_owned())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

fn incarnation(node: &mut LanNode) -> String {
    node.status()["incarnation"].as_str().expect("an incarnation").to_owned()
}

fn give(node: &mut LanNode, to: &str, units: u64) {
    let body = json!({"id": uuid_v7(), "to": to, "units": units});
    let _ = node.client.json("POST", "/v1/stock/MUG/grants", &body).expect("the node answers").ok();
}

fn sell(node: &mut LanNode, times: usize) -> Vec<String> {
    let sell = |_| {
        let (sale, answer) = node.sell("MUG", 1);
        assert_eq!(answer.status, 201, "{}", answer.text());
        sale
    };
    (0..times).map(sell).collect()
}

fn all_at_hub(store: &mut LanStore, sales: &[String]) {
    for sale in sales {
        wait_for("the sale", SOON, || store.hub_has(sale)).unwrap_or_else(|late| panic!("{late}: {sale}"));
    }
}

#[test]
fn a_node_that_was_put_back_comes_back_as_another_memory() {
    let mut store = LanStore::open("backup-node", &["north", "south"], ITEM);
    store.nodes[0].receive("MUG", 20);
    let mut sales = sell(&mut store.nodes[0], 3);
    let (data, backup) = (store.nodes[0].data_dir(), store.path("backup"));
    let (code, said) = node_command(&["backup", text(&backup), "--data-dir", text(&data)]);
    assert_eq!(code, 0, "a node is backed up while it sells: {said}");
    let made: Value = serde_json::from_str(&said).expect("a line of JSON");
    let old = incarnation(&mut store.nodes[0]);
    assert_eq!(made["incarnation"], json!(old));
    sales.extend(sell(&mut store.nodes[0], 2));
    all_at_hub(&mut store, &sales);
    let again = node_command(&["backup", text(&backup), "--data-dir", text(&data)]);
    assert_eq!(again.0, REFUSED, "a backup is never written over: {}", again.1);
    let running = node_command(&["restore", text(&backup), "--data-dir", text(&data)]);
    assert_eq!(running.0, REFUSED, "nothing is put in place under a running node: {}", running.1);
    store.nodes[0].kill();
    let (code, said) = node_command(&["restore", text(&backup), "--data-dir", text(&data)]);
    assert_eq!(code, 0, "{said}");
    store.nodes[0].start();
    assert_ne!(incarnation(&mut store.nodes[0]), old, "another memory");
    wait_for("the hub to take it in", SOON, || {
        let status = store.nodes[0].status();
        status["registered"] == true && status["lease"]["held"] == true
    })
    .expect("its device key says who it is");
    sales.extend(sell(&mut store.nodes[0], 1));
    all_at_hub(&mut store, &sales);
    store.agrees();
    assert_eq!(store.nodes[0].figure("MUG", "on_hand"), 14);
}

#[test]
fn a_backup_of_this_very_moment_is_a_restore_all_the_same() {
    let mut store = LanStore::open("backup-moment", &["north"], ITEM);
    store.nodes[0].receive("MUG", 5);
    let old = incarnation(&mut store.nodes[0]);
    store.nodes[0].kill();
    let (data, backup) = (store.nodes[0].data_dir(), store.path("backup"));
    let (code, said) = node_command(&["backup", text(&backup), "--data-dir", text(&data)]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = node_command(&["restore", text(&backup), "--data-dir", text(&data)]);
    assert_eq!(code, 0, "{said}");
    store.nodes[0].start();
    assert_ne!(incarnation(&mut store.nodes[0]), old, "what stood in memory alone is gone: another memory");
}

#[test]
fn a_damaged_backup_is_refused_and_changes_nothing() {
    let mut store = LanStore::open("backup-damaged", &["north"], ITEM);
    store.nodes[0].receive("MUG", 5);
    let old = incarnation(&mut store.nodes[0]);
    let (data, backup) = (store.nodes[0].data_dir(), store.path("backup"));
    assert_eq!(node_command(&["backup", text(&backup), "--data-dir", text(&data)]).0, 0);
    let copy = backup.join("tradepost.db");
    let mut bytes = std::fs::read(&copy).expect("the copy is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&copy, bytes).expect("it can be damaged");
    store.nodes[0].kill();
    let (code, said) = node_command(&["restore", text(&backup), "--data-dir", text(&data)]);
    assert_eq!(code, REFUSED, "{said}");
    assert!(said.contains("tradepost.db is not what the manifest says"), "{said}");
    let elsewhere = node_command(&["restore", text(&data), "--data-dir", text(&store.path("new"))]);
    assert_eq!(elsewhere.0, REFUSED, "a data directory is no backup: {}", elsewhere.1);
    store.nodes[0].start();
    assert_eq!(incarnation(&mut store.nodes[0]), old);
}

#[test]
fn a_hubs_backup_is_refused_where_it_would_do_harm() {
    if engines::services() {
        return;
    }
    let mut store = LanStore::open("backup-hub", &[], ITEM);
    let backup = store.path("backup");
    let (code, said) = store.hub_command("backup", &backup);
    assert_eq!(code, 0, "{said}");
    assert_eq!(store.hub_command("backup", &backup).0, REFUSED, "it is never written over");
    let (code, said) = store.hub_command("restore", &backup);
    assert_eq!((code, said.contains("another hub runs")), (REFUSED, true), "{said}");
    store.hub_gone();
    let key = backup.join("hub.key");
    std::fs::write(&key, [7; 32]).expect("it can be changed");
    let (code, said) = store.hub_command("restore", &backup);
    assert_eq!((code, said.contains("hub.key is not what")), (REFUSED, true), "{said}");
    store.hub_back();
    let shown = store.admin.get("/v1/hub/recovery").expect("the hub answers").ok();
    assert_eq!(shown["recovering"], false, "nothing was changed: {shown:#}");
    let postgres = Command::new(bin_dir().join("tradepost-hub"))
        .args(["backup", text(&store.path("other")), "--database", "postgres://nowhere/hub"])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&postgres.stderr).into_owned();
    assert_eq!(postgres.status.code(), Some(REFUSED), "{said}");
    assert!(said.contains("pg_dump") && said.contains("tradepost-hub restored"), "{said}");
}

fn at_hub(store: &mut LanStore) -> Value {
    store.admin.get(&format!("/v1/stores/{STORE}/stock/MUG")).expect("the hub answers").ok()
}

const FIGURES: &[&str] = &["on_hand", "available", "suspended", "hub_rights"];

fn hub_shows(store: &mut LanStore, expected: [i64; 4]) {
    let figures = |stock: &Value| FIGURES.iter().map(|f| stock[*f].as_i64()).collect::<Vec<_>>();
    let done = wait_for("the hub's figures", SOON, || figures(&at_hub(store)) == expected.map(Some));
    let shown = at_hub(store);
    done.unwrap_or_else(|late| panic!("{late}: {expected:?} of {FIGURES:?}: {shown:#}"));
}

fn state_of(store: &mut LanStore, incarnation: &str) -> Value {
    let nodes = store.admin.get("/v1/nodes").expect("the hub answers").ok();
    let found =
        nodes["data"].as_array().into_iter().flatten().find(|node| node["incarnation"] == incarnation);
    found.map_or(Value::Null, |node| node["state"].clone())
}

/// One node gives all away and retires; the other's grant to it crosses that, and comes back at the barrier.
#[test]
fn g44_what_crosses_a_retirement_comes_back() {
    let mut store = LanStore::open("retire", &["north", "south"], ITEM);
    store.nodes[0].receive("MUG", 10);
    let (north, south) = (incarnation(&mut store.nodes[0]), incarnation(&mut store.nodes[1]));
    give(&mut store.nodes[0], &south, 4);
    hub_shows(&mut store, [10, 10, 0, 0]);
    store.agrees();
    let address = format!("http://{}", store.nodes[0].client_address());
    let cart = json!({"id": uuid_v7(), "till": "R1"});
    let opened = store.nodes[0].client.json("POST", "/v1/carts", &cart).expect("the node answers");
    assert!(opened.status < 300, "{}", opened.text());
    let (code, said) = node_command(&["retire", "--node", &address]);
    assert_eq!((code, said.contains("NOT_READY_TO_RETIRE")), (REFUSED, true), "{said}");
    let nobody = node_command(&["retire", "--to", "nobody", "--node", &address]);
    assert_eq!((nobody.0, nobody.1.contains("UNKNOWN_INCARNATION")), (REFUSED, true), "{}", nobody.1);
    // The other gives 2 to it while neither it nor the hub can hear that.
    store.nodes[0].kill();
    store.nodes[1].hub_link(Weather::Closed);
    wait_for("the hub to be away", SOON, || store.nodes[1].status()["link"] == "offline")
        .expect("it is away");
    give(&mut store.nodes[1], &north, 2);
    store.nodes[1].kill();
    store.nodes[0].start();
    let level = |status: &Value| {
        status["link"] == "online" && status["unsynced"] == 0 && status["lease"]["held"] == true
    };
    let done = wait_for("the node to be level", SOON, || level(&store.nodes[0].status()));
    let shown = store.nodes[0].status();
    done.unwrap_or_else(|late| panic!("{late}: {shown:#}"));
    let address = format!("http://{}", store.nodes[0].client_address());
    let (code, said) = node_command(&["retire", "--to", "hub", "--force", "--node", &address]);
    assert_eq!(code, 0, "{said}");
    let retired: Value = serde_json::from_str(&said).expect("a line of JSON");
    assert_eq!((&retired["incarnation"], &retired["items"]), (&json!(north), &json!(1)), "{said}");
    wait_for("the hub to know", SOON, || state_of(&mut store, &north) == "retired").expect("it is told");
    hub_shows(&mut store, [10, 10, 0, 6]);
    store.nodes[0].kill();
    store.nodes[1].hub_link(Weather::Clear);
    store.nodes[1].start();
    // Suspended at first; the barrier mints it anew for the hub.
    hub_shows(&mut store, [10, 10, 0, 8]);
    wait_for("the node to hear of it", SOON, || store.nodes[1].stock("MUG")["suspended"] == 0)
        .expect("it is told");
}
