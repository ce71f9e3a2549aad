//! What a till did on a branch that is cut off (`model.md` §3, Forks; `facts.md` §4, Shift): an image with an open shift is
//! put back, sells on, moves cash, counts, closes and opens shifts, and is found out. Every document is in one Z, the
//! drawer comes out to the cent, and goods that were counted are asked to be counted again.

use serde_json::{Value, json};
use std::path::Path;
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::lan::{LanNode, LanStore, SOON, STORE};
use tradepost_tests::process::wait_for;
use tradepost_tests::proxy::Weather;

const ITEMS: &[(&str, &str)] = &[("MILK", "InHand")];
const EAST: usize = 0;
/// What a piece of milk costs, and what lies in the drawer in the morning.
const PRICE: i64 = 100;
const FLOAT: i64 = 5_000;

/// Everything a disk's image holds; the memory that SQLite shares between processes is no part of it.
fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("the node's folder").filter_map(Result::ok) {
        let name = entry.file_name();
        if entry.path().is_file() && !name.to_string_lossy().ends_with("-shm") {
            std::fs::copy(entry.path(), to.join(name)).expect("a file can be copied");
        }
    }
}

fn until(store: &mut LanStore, what: &str, mut condition: impl FnMut(&mut LanStore) -> bool) {
    if let Err(late) = wait_for(what, SOON, || condition(store)) {
        let tell = |node: &mut LanNode| {
            let status = node.status();
            format!("{}: {status}\n{}", node.name, node.said())
        };
        let nodes: Vec<String> = store.nodes.iter_mut().map(tell).collect();
        panic!("{late}\n{}", nodes.join("\n"));
    }
}

fn post(store: &mut LanStore, path: &str, body: &Value) -> Value {
    store.nodes[EAST].ask("POST", path, body).ok()
}

fn open_shift(store: &mut LanStore) -> Value {
    post(store, "/v1/tills/R1/shift", &json!({"id": uuid_v7(), "floats": [{"total": FLOAT}]}))
}

fn close_shift(store: &mut LanStore, number: i64, counted: i64) -> Value {
    post(store, "/v1/tills/R1/shift/close", &json!({"shift": number, "counts": [{"total": counted}]}))
}

fn recover(store: &mut LanStore, counted: i64) -> Value {
    post(store, "/v1/tills/R1/shift/recover", &json!({"counts": [{"total": counted}]}))
}

fn sell(store: &mut LanStore, times: usize) -> Vec<String> {
    let one = |_| {
        let (id, answer) = store.nodes[EAST].sell("MILK", 1);
        assert_eq!(answer.ok()["total"], PRICE);
        id
    };
    (0..times).map(one).collect()
}

fn booked(store: &mut LanStore, sales: &[String]) {
    for sale in sales {
        until(store, "the hub has the sale", |store| store.hub_has(sale));
    }
}

/// Goods, an open shift with one sale, and an image of that.
fn morning(test: &str) -> (LanStore, Vec<String>, std::path::PathBuf) {
    let mut store = LanStore::open(test, &["east"], ITEMS);
    store.nodes[EAST].receive("MILK", 40);
    assert_eq!(open_shift(&mut store)["number"], 1);
    let sales = sell(&mut store, 1);
    booked(&mut store, &sales);
    let node = &mut store.nodes[EAST];
    let image = node.data_dir().with_extension("image");
    node.kill();
    copy(&node.data_dir(), &image);
    node.start();
    (store, sales, image)
}

/// The image comes back, out of the hub's sight.
fn put_back(store: &mut LanStore, image: &Path) {
    let node = &mut store.nodes[EAST];
    node.hub_link(Weather::Closed);
    node.kill();
    copy(image, &node.data_dir());
    node.start();
}

/// The hub is reached, the branch is cut off, and all that was sold is booked.
fn found_out(store: &mut LanStore, sales: &[String]) {
    let before = store.nodes[EAST].status()["incarnation"].clone();
    store.nodes[EAST].hub_link(Weather::Clear);
    until(store, "a new memory is a member", |store| {
        let status = store.nodes[EAST].status();
        status["incarnation"] != before && status["registered"] == true && status["lease"]["held"] == true
    });
    booked(store, sales);
    let orders = store.ask("GET", "/v1/orders?limit=200", &json!(null)).ok();
    assert_eq!(orders["data"].as_array().map(Vec::len), Some(sales.len()), "each is booked once: {orders:#}");
    store.agrees();
}

fn findings(store: &mut LanStore, kind: &str) -> usize {
    let found = store.ask("GET", "/v1/review?limit=200", &json!(null)).ok();
    found["data"].as_array().into_iter().flatten().filter(|one| one["kind"] == kind).count()
}

/// A Z at the hub, whose documents come to the same there.
fn at_hub(store: &mut LanStore, z: &Value) -> Value {
    let path = format!("/v1/z-reports/{STORE}/R1/{}", z["z"]);
    until(store, "the Z at the hub", |store| store.admin.get(&path).expect("the hub answers").status == 200);
    let told = store.admin.get(&path).expect("the hub answers").ok();
    assert_eq!(told["agrees"], true, "{told:#}");
    for figure in ["sales", "sales_count", "tax"] {
        assert_eq!(told[figure], z["report"][figure], "{figure}: {told:#}");
    }
    told
}

/// Of a Z: sales, what they come to, and what should lie in the drawer.
fn figures(z: &Value) -> [i64; 3] {
    let number = |value: &Value| value.as_i64().unwrap_or_else(|| panic!("{value} is no number: {z:#}"));
    [
        number(&z["report"]["sales_count"]),
        number(&z["report"]["takings"]),
        number(&z["drawers"][0]["expected"]),
    ]
}

fn journal_is_whole(store: &mut LanStore) {
    assert_eq!(store.nodes[EAST].get("/v1/fiscal/verify")["whole"], true);
}

/// The hub holds two more sales of the open shift than the image. The image sells two into it, pays cash out, closes it
/// (that Z tells of what both branches have, and falls), opens another and sells one, and counts the milk.
#[test]
fn g8_a_shift_that_two_branches_sold_into_comes_out_in_one_z() {
    let (mut store, mut sales, image) = morning("fork-shift");
    let on_the_hubs = sell(&mut store, 2);
    booked(&mut store, &on_the_hubs);
    sales.extend(on_the_hubs);

    put_back(&mut store, &image);
    sales.extend(sell(&mut store, 2));
    let out = json!({"id": uuid_v7(), "direction": "out", "amount": 150, "reason": "stamps"});
    post(&mut store, "/v1/tills/R1/shift/cash", &out);
    let fell = close_shift(&mut store, 1, FLOAT + 3 * PRICE - 150);
    assert_eq!((&fell["z"], figures(&fell)), (&json!(1), [3, 3 * PRICE, FLOAT + 3 * PRICE - 150]));
    assert_eq!(open_shift(&mut store)["number"], 2);
    sales.extend(sell(&mut store, 1));
    let count = uuid_v7();
    let _ = post(&mut store, "/v1/counts", &json!({"id": count, "sku": "MILK"}));
    let _ = post(&mut store, &format!("/v1/counts/{count}/finish"), &json!({"n": 34}));
    found_out(&mut store, &sales);
    assert_eq!(sales.len(), 6);

    // The first shift: what the hub's branch has, and what is said again. The till's number goes on behind the Z on paper.
    let expected = FLOAT + 5 * PRICE - 150;
    let z = recover(&mut store, expected);
    assert_eq!(figures(&z), [5, 5 * PRICE, expected], "{z:#}");
    assert_eq!((&z["shift"], &z["z"], &z["recovered"]), (&json!(1), &json!(2), &json!(true)));
    at_hub(&mut store, &z);
    // The second one stood on the branch alone.
    let z = recover(&mut store, FLOAT + PRICE - 20);
    assert_eq!(figures(&z), [1, PRICE, FLOAT + PRICE], "{z:#}");
    assert_eq!((&z["shift"], &z["z"], &z["drawers"][0]["difference"]), (&json!(2), &json!(3), &json!(-20)));
    at_hub(&mut store, &z);
    let more =
        store.nodes[EAST].ask("POST", "/v1/tills/R1/shift/recover", &json!({"counts": [{"total": 0}]}));
    assert_eq!((more.status, more.code().as_str()), (404, "NO_SHIFT"), "{}", more.text());
    journal_is_whole(&mut store);
    assert_eq!((findings(&mut store, "z_differs"), findings(&mut store, "z_twice")), (0, 0));

    // The count is said again as well; no hub time was known, so it is in doubt, promises too little and is asked for anew.
    until(&mut store, "the milk is to be counted again", |store| findings(store, "recount") == 1);
    assert!(store.nodes[EAST].figure("MILK", "available") <= 34);
    let count = uuid_v7();
    let _ = post(&mut store, "/v1/counts", &json!({"id": count, "sku": "MILK"}));
    let _ = post(&mut store, &format!("/v1/counts/{count}/finish"), &json!({"n": 34}));
    until(&mut store, "the count is the latest", |store| store.nodes[EAST].figure("MILK", "on_hand") == 34);
    store.agrees();
    // And the till goes on.
    assert_eq!(open_shift(&mut store)["number"], 3);
    sales.extend(sell(&mut store, 1));
    let z = close_shift(&mut store, 3, FLOAT + PRICE);
    assert_eq!((&z["z"], figures(&z)), (&json!(4), [1, PRICE, FLOAT + PRICE]));
    at_hub(&mut store, &z);
    journal_is_whole(&mut store);
}

/// On the hub's branch the shift is closed. What the image sold into it is told in a supplement; a shift that stood on the
/// branch as a whole keeps its Z as it was printed.
#[test]
fn what_was_sold_into_a_shift_that_is_closed_on_the_hubs_branch_makes_a_supplement() {
    let (mut store, mut sales, image) = morning("fork-supplement");
    sales.extend(sell(&mut store, 1));
    let stands = close_shift(&mut store, 1, FLOAT + 2 * PRICE);
    at_hub(&mut store, &stands);

    put_back(&mut store, &image);
    sales.extend(sell(&mut store, 2));
    let fell = close_shift(&mut store, 1, FLOAT + 3 * PRICE);
    assert_eq!(figures(&fell), [3, 3 * PRICE, FLOAT + 3 * PRICE]);
    assert_eq!(open_shift(&mut store)["number"], 2);
    sales.extend(sell(&mut store, 1));
    let whole = close_shift(&mut store, 2, FLOAT + PRICE);
    assert_eq!((&whole["z"], figures(&whole)), (&json!(2), [1, PRICE, FLOAT + PRICE]));
    found_out(&mut store, &sales);
    assert_eq!(sales.len(), 5);

    at_hub(&mut store, &whole);
    let first = store.nodes[EAST].get("/v1/tills/R1/z/1");
    assert_eq!(figures(&first), figures(&stands), "the Z of the hub's branch stands: {first:#}");
    let z = recover(&mut store, 0);
    assert_eq!((&z["supplement_of"], &z["shift"], &z["z"]), (&json!(1), &json!(1), &json!(3)), "{z:#}");
    assert_eq!(figures(&z)[..2], [2, 2 * PRICE], "{z:#}");
    // Its first number is one that the hub's branch had given out as well.
    at_hub(&mut store, &z);
    assert_eq!(findings(&mut store, "z_differs"), 0);
    let more =
        store.nodes[EAST].ask("POST", "/v1/tills/R1/shift/recover", &json!({"counts": [{"total": 0}]}));
    assert_eq!(more.code(), "NO_SHIFT", "{}", more.text());
    journal_is_whole(&mut store);
    let shown = store.nodes[EAST].get("/v1/tills/R1/z");
    let told: i64 = shown["data"].as_array().into_iter().flatten().map(|z| figures(z)[1]).sum();
    assert_eq!(told, 5 * PRICE, "all of it is in a Z, once: {shown:#}");
}
