//! A machine that lost memory comes back by itself: it sells at once, the hub takes its new incarnation in by its device
//! key, and nothing that was acknowledged is lost or doubled (`model.md` §3, Amnesia).

use serde_json::{Value, json};
use std::path::Path;
use tradepost_tests::lan::{LanStore, SOON};
use tradepost_tests::process::wait_for;

const ITEMS: &[(&str, &str)] = &[("MILK", "InHand"), ("CAMERA", "Strict")];
const DATABASE: [&str; 2] = ["tradepost.db", "tradepost.db-wal"];

fn copy(from: &Path, to: &Path, names: &[&str]) {
    std::fs::create_dir_all(to).unwrap();
    for name in names {
        let _ = std::fs::remove_file(to.join(name));
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
    let _ = std::fs::remove_file(to.join("tradepost.db-shm"));
}

fn sell(store: &mut LanStore, times: usize) -> Vec<String> {
    let mut sold = Vec::new();
    for _ in 0..times {
        let (id, answer) = store.nodes[0].sell("MILK", 1);
        let _ = answer.ok();
        sold.push(id);
    }
    sold
}

fn all_booked(store: &mut LanStore, sales: &[String]) {
    for sale in sales {
        wait_for("the hub has the sale", SOON, || store.hub_has(sale))
            .unwrap_or_else(|late| panic!("{late}: {}\n{}", store.nodes[0].status(), store.nodes[0].said()));
    }
}

fn registered(store: &mut LanStore) {
    wait_for("the hub has taken it back", SOON, || {
        let status = store.nodes[0].status();
        status["registered"] == true && status["lease"]["held"] == true
    })
    .unwrap_or_else(|late| panic!("{late}: {}\n{}", store.nodes[0].status(), store.nodes[0].said()));
}

fn incarnation(store: &mut LanStore) -> Value {
    store.nodes[0].status()["incarnation"].clone()
}

/// Sells, loses the last three sales at the node with whatever `names` holds, and is taken back; `at_once` sales are
/// made before that. All sales, the forgotten ones among them, and the store.
fn forget_and_come_back(test: &str, names: &[&str], at_once: usize) -> (LanStore, Vec<String>) {
    let mut store = LanStore::open(test, &["east"], ITEMS);
    store.nodes[0].receive("MILK", 20);
    let mut sales = sell(&mut store, 2);
    all_booked(&mut store, &sales);
    let before = incarnation(&mut store);
    let data = store.nodes[0].data_dir();
    let aside = data.with_extension("backup");
    store.nodes[0].kill();
    copy(&data, &aside, names);
    store.nodes[0].start();
    sales.extend(sell(&mut store, 3));
    all_booked(&mut store, &sales);

    store.nodes[0].kill();
    copy(&aside, &data, names);
    store.nodes[0].start();
    // It doesn't wait for anybody.
    sales.extend(sell(&mut store, at_once));
    wait_for("a new memory writes", SOON, || incarnation(&mut store) != before).unwrap();
    registered(&mut store);
    sales.extend(sell(&mut store, 2 - at_once));
    all_booked(&mut store, &sales);
    let orders = store.ask("GET", "/v1/orders?limit=200", &json!(null)).ok();
    assert_eq!(orders["data"].as_array().map(Vec::len), Some(sales.len()), "nothing twice: {orders}");
    let now = incarnation(&mut store);
    store.nodes[0].kill();
    store.nodes[0].start();
    assert_eq!(incarnation(&mut store), now, "an ordinary restart keeps the memory");
    (store, sales)
}

#[test]
fn a_database_from_a_backup_is_taken_back_without_a_code() {
    let (mut store, sales) = forget_and_come_back("rejoin-backup", &DATABASE, 1);
    for sale in &sales {
        let path = format!("/v1/sales/{sale}");
        wait_for("what was forgotten comes back", SOON, || {
            store.nodes[0].client.get(&path).expect("the node answers").status == 200
        })
        .unwrap();
    }
    wait_for("the shelf is right", SOON, || store.nodes[0].figure("MILK", "on_hand") == 20 - 7).unwrap();
    store.agrees();
}

/// What the image writes before the hub finds it out lies on a branch that the hub doesn't take: see `fork.rs`.
#[test]
fn an_image_put_back_with_its_sidecar_is_found_out_by_the_hub() {
    let (mut store, sales) =
        forget_and_come_back("rejoin-image", &["tradepost.db", "tradepost.db-wal", "sidecar"], 0);
    all_booked(&mut store, &sales);
}
