//! Goods that lie in a basket while somebody counts: neither on the shelf nor sold (`model.md` §4; G46 of §8).

use serde_json::{Value, json};
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::lan::{LanNode, LanStore, SOON, STORE};
use tradepost_tests::process::wait_for;

const NORTH: usize = 0;
const SOUTH: usize = 1;

fn count(node: &mut LanNode, n: u64) -> Value {
    let id = uuid_v7();
    let _ = node.ask("POST", "/v1/counts", &json!({"id": id, "sku": "MUG"})).ok();
    node.ask("POST", &format!("/v1/counts/{id}/finish"), &json!({"n": n})).ok()
}

fn hub_shows(store: &mut LanStore, expected: [i64; 4]) {
    let path = format!("/v1/stores/{STORE}/stock/MUG");
    let figures = |store: &mut LanStore| {
        let stock = store.ask("GET", &path, &Value::Null).ok();
        ["on_hand", "available", "shrink", "surplus"].map(|name| stock[name].as_i64().unwrap_or(i64::MIN))
    };
    let done = wait_for("the hub's figures", SOON, || figures(store) == expected);
    let shown = figures(store);
    done.unwrap_or_else(|late| panic!("{late}: {expected:?}, shown {shown:?}"));
}

/// The last one is in a basket when another till counts none: nobody burns what the basket holds, its sale commits, and a
/// count made again comes out even.
#[test]
fn g46_a_right_that_a_basket_holds_is_not_burnt_and_its_sale_commits() {
    let mut store = LanStore::open("baskets-g46", &["north", "south"], &[("MUG", "Strict")]);
    store.nodes[NORTH].receive("MUG", 1);
    hub_shows(&mut store, [1, 1, 0, 0]);
    store.agrees();
    let cart = store.nodes[NORTH].open_cart();
    let _ = store.nodes[NORTH].scan(&cart, "MUG").ok();
    let seen = wait_for("the other till to know the basket", SOON, || {
        store.nodes[SOUTH].cart(&cart)["lines"].as_array().is_some_and(|lines| lines.len() == 1)
    });
    seen.expect("carts are shared");
    let counted = count(&mut store.nodes[SOUTH], 0);
    assert_eq!((&counted["burnt"], &counted["recount"]), (&json!(0), &json!(true)), "{counted:#}");
    // The hub asks for the right to be burnt, and is told that nothing is free.
    hub_shows(&mut store, [0, 1, 1, 0]);
    let _ = store.nodes[NORTH].pay(&cart).ok();
    wait_for("the other till to know the sale", SOON, || store.nodes[SOUTH].figure("MUG", "available") == 0)
        .expect("it is told");
    let counted = count(&mut store.nodes[SOUTH], 0);
    assert_eq!((&counted["burnt"], &counted["recount"]), (&json!(0), &json!(false)), "{counted:#}");
    hub_shows(&mut store, [0, 0, 0, 0]);
    store.agrees();
}
