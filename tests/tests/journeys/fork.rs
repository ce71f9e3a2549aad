//! Two branches of one stream, through real processes (`model.md` §3, Forks; the interleavings G8, G36 and G51 of §8): an
//! image put back together with its sidecar, and two machines from one image.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tradepost_tests::lan::{LanNode, LanStore, SOON};
use tradepost_tests::process::wait_for;
use tradepost_tests::proxy::Weather;
use tradepost_tests::seed::{Luck, full};

const ITEMS: &[(&str, &str)] = &[("MILK", "InHand"), ("CAMERA", "Strict")];
/// The node whose image is put back, and its neighbour.
const EAST: usize = 0;
const WEST: usize = 1;

/// Everything a disk's image holds.
fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("the node's folder").filter_map(Result::ok) {
        // The memory that SQLite shares between processes is no part of a disk.
        let name = entry.file_name();
        if entry.path().is_file() && !name.to_string_lossy().ends_with("-shm") {
            std::fs::copy(entry.path(), to.join(name)).expect("a file can be copied");
        }
    }
}

fn image_of(node: &mut LanNode, name: &str) -> PathBuf {
    let image = node.data_dir().with_extension(name);
    node.kill();
    copy(&node.data_dir(), &image);
    node.start();
    image
}

fn put_back(node: &mut LanNode, image: &Path) {
    node.kill();
    copy(image, &node.data_dir());
    node.start();
}

fn sell(node: &mut LanNode, times: usize) -> Vec<String> {
    let one = |_| {
        let (id, answer) = node.sell("MILK", 1);
        let _ = answer.ok();
        id
    };
    (0..times).map(one).collect()
}

fn explain(store: &mut LanStore, late: &str) -> String {
    let tell = |node: &mut LanNode| {
        let status = node.status();
        format!("{}: {status}\n{}", node.name, node.said())
    };
    let nodes: Vec<String> = store.nodes.iter_mut().map(tell).collect();
    format!("{late}\n{}", nodes.join("\n"))
}

fn until(store: &mut LanStore, what: &str, mut condition: impl FnMut(&mut LanStore) -> bool) {
    if let Err(late) = wait_for(what, SOON, || condition(store)) {
        panic!("{}", explain(store, &late));
    }
}

fn all_booked(store: &mut LanStore, sales: &[String]) {
    for sale in sales {
        until(store, "the hub has the sale", |store| store.hub_has(sale));
    }
}

/// Every sale once, and no other.
fn once_each(store: &mut LanStore, sales: &[String]) {
    all_booked(store, sales);
    let orders = store.ask("GET", "/v1/orders?limit=200", &json!(null)).ok();
    let mut booked: Vec<String> = orders["data"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|order| order["id"].as_str().unwrap_or_default().to_owned())
        .collect();
    let mut sold = sales.to_vec();
    booked.sort();
    sold.sort();
    assert_eq!(booked, sold, "each sale is booked once");
}

fn findings(store: &mut LanStore, kind: &str) -> Vec<Value> {
    let found = store.ask("GET", "/v1/review?limit=200", &json!(null)).ok();
    found["data"].as_array().into_iter().flatten().filter(|one| one["kind"] == kind).cloned().collect()
}

fn incarnation(node: &mut LanNode) -> String {
    node.status()["incarnation"].as_str().unwrap_or_default().to_owned()
}

fn registered(store: &mut LanStore, node: usize) {
    until(store, "the node is a member", |store| {
        let status = store.nodes[node].status();
        status["registered"] == true && status["lease"]["held"] == true
    });
}

/// Goods, and a sale that the image remembers.
fn begin(store: &mut LanStore) -> Vec<String> {
    store.nodes[EAST].receive("MILK", 40);
    let sales = sell(&mut store.nodes[EAST], 1);
    all_booked(store, &sales);
    sales
}

/// An image is put back with its sidecar, sells in hand alone, and then meets the hub: shorter than the hub's branch, and
/// longer than it. The till's client may ask again for what it was answered.
#[test]
fn g8_what_an_image_sold_before_it_was_found_out_is_booked_once() {
    for (test, alone) in [("fork-short", 1), ("fork-long", 6)] {
        let mut store = LanStore::open(test, &["east"], ITEMS);
        let mut sales = begin(&mut store);
        let image = image_of(&mut store.nodes[EAST], "image");
        sales.extend(sell(&mut store.nodes[EAST], 3));
        all_booked(&mut store, &sales);
        let before = incarnation(&mut store.nodes[EAST]);

        store.nodes[EAST].hub_link(Weather::Closed);
        put_back(&mut store.nodes[EAST], &image);
        let in_hand = sell(&mut store.nodes[EAST], alone);
        sales.extend(in_hand.clone());
        store.nodes[EAST].hub_link(Weather::Clear);
        until(&mut store, "a new memory writes", |store| incarnation(&mut store.nodes[EAST]) != before);
        registered(&mut store, EAST);
        once_each(&mut store, &sales);
        store.agrees();
        let on_hand = 40 - i64::try_from(sales.len()).expect("few");
        assert_eq!(store.nodes[EAST].figure("MILK", "on_hand"), on_hand);
        assert!(!findings(&mut store, "receipt_twice").is_empty(), "numbers were printed twice");
        assert_eq!(findings(&mut store, "duplicate_sale_id").len(), 0);
        for sale in &sales {
            let _ = store.nodes[EAST].get(&format!("/v1/sales/{sale}"));
        }
        until(&mut store, "nothing waits", |store| store.nodes[EAST].status()["unsynced"] == 0);
        // It goes on as any other.
        sales.extend(sell(&mut store.nodes[EAST], 1));
        once_each(&mut store, &sales);
        store.agrees();
    }
}

/// As it stands in the table: the neighbour has seen the two sales over the LAN, cuts that branch too and rebuilds.
#[test]
fn g8_a_neighbour_that_saw_the_branch_cuts_it_back() {
    let mut store = LanStore::open("fork-seen", &["east", "west"], ITEMS);
    let mut sales = begin(&mut store);
    let image = image_of(&mut store.nodes[EAST], "image");
    // The later events reach the hub alone, so that the neighbour doesn't find the image out.
    store.nodes[WEST].kill();
    sales.extend(sell(&mut store.nodes[EAST], 3));
    all_booked(&mut store, &sales);
    store.hub_gone();
    put_back(&mut store.nodes[EAST], &image);
    store.nodes[WEST].start();
    let in_hand = sell(&mut store.nodes[EAST], 2);
    for sale in &in_hand {
        let path = format!("/v1/sales/{sale}");
        until(&mut store, "the neighbour sees it", |store| {
            store.nodes[WEST].client.get(&path).expect("it answers").status == 200
        });
    }
    sales.extend(in_hand);
    sales.extend(sell(&mut store.nodes[WEST], 1));
    store.hub_back();
    once_each(&mut store, &sales);
    registered(&mut store, EAST);
    store.agrees();
    for node in &mut store.nodes {
        assert_eq!(node.figure("MILK", "on_hand"), 40 - 7);
        for sale in &sales {
            let _ = node.get(&format!("/v1/sales/{sale}"));
        }
    }
    assert!(!findings(&mut store, "receipt_twice").is_empty());
}

/// Killed at any time on its way back, the node heals all the same.
#[test]
fn a_kill_at_any_step_of_the_healing_loses_and_doubles_nothing() {
    let mut luck = Luck::of_this_run("journeys_fork");
    for round in 0..if full() { 12 } else { 2 } {
        let mut store = LanStore::open(&format!("fork-kill-{round}"), &["east"], ITEMS);
        let mut sales = begin(&mut store);
        let image = image_of(&mut store.nodes[EAST], "image");
        sales.extend(sell(&mut store.nodes[EAST], 2));
        all_booked(&mut store, &sales);
        store.nodes[EAST].hub_link(Weather::Closed);
        put_back(&mut store.nodes[EAST], &image);
        sales.extend(sell(&mut store.nodes[EAST], 4));
        store.nodes[EAST].hub_link(Weather::Clear);
        for _ in 0..4 {
            std::thread::sleep(std::time::Duration::from_millis(luck.below(250)));
            store.nodes[EAST].kill();
            store.nodes[EAST].start();
        }
        once_each(&mut store, &sales);
        registered(&mut store, EAST);
        store.agrees();
    }
}

/// Memory is lost twice before the hub hears of the first loss: that is one machine.
#[test]
fn memory_lost_twice_before_the_hub_heard_of_it_is_no_second_machine() {
    let mut store = LanStore::open("fork-twice", &["east"], ITEMS);
    let mut sales = begin(&mut store);
    let image = image_of(&mut store.nodes[EAST], "image");
    sales.extend(sell(&mut store.nodes[EAST], 1));
    all_booked(&mut store, &sales);
    store.nodes[EAST].hub_link(Weather::Closed);
    for _ in 0..2 {
        // The database alone comes back: its sidecar knows better.
        let sidecar = std::fs::read(store.nodes[EAST].data_dir().join("sidecar")).expect("a sidecar");
        store.nodes[EAST].kill();
        copy(&image, &store.nodes[EAST].data_dir());
        std::fs::write(store.nodes[EAST].data_dir().join("sidecar"), sidecar).expect("it can be written");
        store.nodes[EAST].start();
    }
    sales.extend(sell(&mut store.nodes[EAST], 1));
    store.nodes[EAST].hub_link(Weather::Clear);
    registered(&mut store, EAST);
    once_each(&mut store, &sales);
    assert_eq!(findings(&mut store, "two_machines").len(), 0);
    store.agrees();
}

/// Two machines from one image (G36, G51): the copy calls the hub first, so that its branch is the one that counts. The
/// other one's, with rights that a neighbour has used, is cut off; who comes back second is a second machine, both are
/// fenced, and a person says which is the right one.
#[test]
fn two_machines_from_one_image_are_found_out_and_a_person_decides() {
    let mut store = LanStore::open("fork-clones", &["east", "west"], ITEMS);
    let mut sales = begin(&mut store);
    store.nodes[EAST].receive("CAMERA", 4);
    until(&mut store, "the hub holds it all", |store| store.nodes[EAST].status()["unsynced"] == 0);
    store.agrees();
    for node in &mut store.nodes {
        node.hub_link(Weather::Closed);
    }
    store.nodes[EAST].signal("STOP");
    let image = store.nodes[EAST].data_dir().with_extension("image");
    copy(&store.nodes[EAST].data_dir(), &image);
    store.nodes[EAST].signal("CONT");
    until(&mut store, "the neighbours talk", |store| store.nodes[WEST].online_neighbours() == 1);

    // The original goes on alone with its neighbour, on rights that it has.
    sales.extend(sell(&mut store.nodes[EAST], 2));
    until(&mut store, "the neighbour knows of the cameras", |store| {
        store.nodes[WEST].figure("CAMERA", "available") == 4
    });
    let mut cameras = 0;
    for _ in 0..2 {
        let (sale, answer) = store.nodes[WEST].sell("CAMERA", 1);
        if answer.status == 201 {
            sales.push(sale);
            cameras += 1;
        }
    }
    assert_eq!(cameras, 2, "the neighbour sells on rights of the original");
    store.add_image("copy", &image, Weather::Clear);
    let copy = store.nodes.len() - 1;
    until(&mut store, "the hub hears the copy", |store| {
        store.nodes[copy].status()["hub"]["connected"] == true
    });
    until(&mut store, "the hub holds what it wrote", |store| store.nodes[copy].status()["unsynced"] == 0);
    for node in &mut store.nodes {
        node.hub_link(Weather::Clear);
    }

    until(&mut store, "two machines are found", |store| findings(store, "two_machines").len() == 1);
    for machine in [EAST, copy] {
        until(&mut store, "it is fenced", |store| store.nodes[machine].status()["hub"]["needs_code"] == true);
        let (_, refused) = store.nodes[machine].sell("CAMERA", 1);
        assert_eq!(refused.status, 409, "nothing strict is sold any more: {}", refused.text());
    }
    // What is in hand is sold all the same, and told through the neighbour or later.
    sales.extend(sell(&mut store.nodes[EAST], 1));
    store.nodes[copy].kill();
    store.nodes.truncate(copy);
    store.enrol(EAST);
    registered(&mut store, EAST);
    once_each(&mut store, &sales);
    store.agrees();
    for node in &mut store.nodes {
        assert_eq!(node.figure("CAMERA", "on_hand"), 4 - cameras);
        assert!(node.figure("CAMERA", "available") <= 4 - cameras, "never more than there is");
    }
    // G51: what it had used of the branch it owes now.
    assert_eq!(store.nodes[WEST].figure("CAMERA", "overdraw"), cameras);
}
