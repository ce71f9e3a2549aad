//! Carts that the tills of a store share over the LAN: edited together, paid by their custodian alone, handed on, cloned
//! where the LAN is split, and never paid with a line that nobody paid for.

use serde_json::{Value, json};
use std::io::{Read, Write};
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::lan::{LanNode, LanStore, SOON, STORE};
use tradepost_tests::process::wait_for;

const ITEMS: &[(&str, &str)] = &[("MILK", "InHand"), ("MUG", "InHand"), ("CAMERA", "Strict")];

fn store(test: &str) -> LanStore {
    LanStore::open(test, &["east", "west"], ITEMS)
}

/// Items of a cart with their quantities, as a till shows them.
fn items(cart: &Value) -> Vec<(String, i64)> {
    let lines = cart["lines"].as_array().cloned().unwrap_or_default();
    let one = |line: &Value| {
        (line["sku"].as_str().unwrap_or("").to_owned(), line["quantity_milli"].as_i64().unwrap_or(0))
    };
    lines.iter().map(one).collect()
}

fn flags(cart: &Value) -> Vec<String> {
    cart["flags"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|flag| flag.as_str().map(str::to_owned))
        .collect()
}

/// Waits until a till shows a cart as `as_it_should`.
fn shows(node: &mut LanNode, cart: &str, what: &str, as_it_should: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let name = node.name.clone();
    wait_for(&format!("{name} shows {what}"), SOON, || {
        last = node.cart(cart);
        as_it_should(&last)
    })
    .unwrap_or_else(|late| panic!("{late}: {last:#}\n{}", node.status()));
    last
}

fn has(sku: &str) -> impl Fn(&Value) -> bool {
    let sku = sku.to_owned();
    move |cart| items(cart).iter().any(|(known, _)| *known == sku)
}

#[test]
fn two_tills_fill_one_cart_and_its_custodian_is_paid() {
    let mut store = store("carts-shared");
    store.hub_gone();
    let [east, west] = &mut store.nodes[..] else { unreachable!("two nodes") };
    let cart = east.open_cart();
    let _ = east.scan(&cart, "MILK").ok();
    shows(west, &cart, "the milk", has("MILK"));
    let _ = west.scan(&cart, "MUG").ok();
    let shown = shows(east, &cart, "the mug", has("MUG"));
    assert_eq!(items(&shown), [("MILK".to_owned(), 1_000), ("MUG".to_owned(), 1_000)]);

    // Who is not the custodian takes no money and gives nothing up, and is told who does.
    for refused in [west.pay(&cart), west.ask("POST", &format!("/v1/carts/{cart}/void"), &json!({}))] {
        assert_eq!((refused.status, refused.code().as_str()), (409, "NOT_OWNER"));
        assert!(
            refused.json()["detail"].as_str().is_some_and(|said| said.contains("east")),
            "{}",
            refused.text()
        );
    }
    assert_eq!(
        (&west.cart(&cart)["owner"]["name"], &west.cart(&cart)["owner"]["here"]),
        (&json!("east"), &json!(false))
    );

    // Put aside here, taken up there: whoever takes it up takes its money.
    let _ = east.ask("POST", &format!("/v1/carts/{cart}/park"), &json!({})).ok();
    shows(west, &cart, "a parked cart", |cart| cart["state"] == "parked");
    let listed = west.get("/v1/carts?state=parked");
    assert!(listed["data"].as_array().is_some_and(|all| all.iter().any(|one| one["id"] == json!(cart))));
    let taken_up = west.ask("POST", &format!("/v1/carts/{cart}/resume"), &json!({})).ok();
    assert_eq!(
        (&taken_up["state"], &taken_up["owner"]["here"]),
        (&json!("open"), &json!(true)),
        "{taken_up:#}"
    );
    shows(east, &cart, "whose it is", |cart| cart["owner"]["name"] == "west");
    assert_eq!(east.pay(&cart).code(), "NOT_OWNER");
    let sale = west.pay(&cart).ok();
    let paid = shows(east, &cart, "a paid cart", |cart| cart["state"] == "paid");
    assert_eq!((&paid["sale_id"], items(&paid).len()), (&sale["id"], 2));
    assert_eq!(east.scan(&cart, "MILK").code(), "CART_CLOSED");
    // Asked for again it is simply paid.
    let _ = east.ask("POST", &format!("/v1/carts/{cart}/take"), &json!({}));
    assert_eq!(west.pay(&cart).ok()["id"], sale["id"], "once");
    store.hub_back();
    store.agrees();
}

#[test]
fn what_two_tills_change_apart_is_merged_and_flagged() {
    let mut store = store("carts-apart");
    let cart = store.nodes[0].open_cart();
    let line =
        store.nodes[0].scan(&cart, "MILK").ok()["lines"][0]["line"].as_str().expect("a name").to_owned();
    let _ = store.nodes[0].scan(&cart, "CAMERA").ok();
    shows(&mut store.nodes[1], &cart, "both lines", |cart| items(cart).len() == 2);
    let set = |node: &mut LanNode, quantity: i64| {
        let body = json!({"quantity_milli": quantity});
        let _ = node.ask("PATCH", &format!("/v1/carts/{cart}/lines/{line}"), &body).ok();
    };
    // Neither hears of the other while it changes the line.
    store.nodes[0].kill();
    set(&mut store.nodes[1], 3_000);
    let _ = store.nodes[1].scan(&cart, "MUG").ok();
    store.nodes[1].kill();
    store.nodes[0].start();
    set(&mut store.nodes[0], 5_000);
    let camera = store.nodes[0].cart(&cart)["lines"][1]["line"].as_str().expect("a name").to_owned();
    let _ = store.nodes[0].ask("DELETE", &format!("/v1/carts/{cart}/lines/{camera}"), &json!({})).ok();
    store.nodes[1].start();
    let expected = [("MILK".to_owned(), 5_000), ("MUG".to_owned(), 1_000)];
    for node in &mut store.nodes {
        let merged = shows(node, &cart, "both words", |cart| items(cart) == expected);
        assert_eq!(merged["lines"][0]["changed_on_both"], true, "{merged:#}");
        assert_eq!(merged["lines"][1]["changed_on_both"], false);
    }
    // Whoever looks at it and says what it is settles it.
    set(&mut store.nodes[1], 4_000);
    for node in &mut store.nodes {
        shows(node, &cart, "one word", |cart| {
            items(cart)[0].1 == 4_000 && cart["lines"][0]["changed_on_both"] == false
        });
    }
    let _ = store.nodes[0].pay(&cart).ok();
    store.agrees();
}

/// G20.
#[test]
fn a_cart_is_cloned_where_the_lan_is_split_and_two_paid_ones_are_flagged() {
    let mut store = store("carts-cloned");
    let cart = store.nodes[0].open_cart();
    let _ = store.nodes[0].scan(&cart, "MILK").ok();
    shows(&mut store.nodes[1], &cart, "the milk", has("MILK"));
    store.nodes[0].kill();
    let west = &mut store.nodes[1];
    let refused = west.ask("POST", &format!("/v1/carts/{cart}/take"), &json!({}));
    assert_eq!(refused.code(), "NOT_OWNER", "its custodian may still be paid: it is never stolen");
    let forced = west.ask("POST", &format!("/v1/carts/{cart}/take"), &json!({"force": "east is broken"}));
    assert_eq!(forced.code(), "NOT_OWNER", "nor by force while its lease may run");
    let clone = uuid_v7();
    let body = json!({"id": clone, "till": "R1"});
    let shown = west.ask("POST", &format!("/v1/carts/{cart}/clone"), &body).ok();
    assert_eq!((&shown["cloned_from"], items(&shown).len()), (&json!(cart), 1));
    assert_eq!(west.ask("POST", &format!("/v1/carts/{cart}/clone"), &body).ok()["id"], shown["id"], "once");
    let sold_west = west.pay(&clone).ok();
    west.kill();
    store.nodes[0].start();
    let sold_east = store.nodes[0].pay(&cart).ok();
    assert_ne!(sold_east["id"], sold_west["id"], "two orders");
    store.nodes[1].start();
    for node in &mut store.nodes {
        for id in [&cart, &clone] {
            shows(node, id, "the flag", |cart| flags(cart).contains(&"cloned_both_paid".to_owned()));
        }
    }
    store.agrees();
}

/// G45.
#[test]
fn what_is_scanned_into_a_cart_while_it_is_paid_is_in_a_new_one() {
    let mut store = store("carts-sealed");
    let cart = store.nodes[0].open_cart();
    let _ = store.nodes[0].scan(&cart, "MILK").ok();
    shows(&mut store.nodes[1], &cart, "the milk", has("MILK"));
    store.nodes[0].kill();
    let _ = store.nodes[1].scan(&cart, "MUG").ok();
    store.nodes[1].kill();
    store.nodes[0].start();
    let sale = store.nodes[0].pay(&cart).ok();
    store.nodes[1].start();
    for node in &mut store.nodes {
        let paid =
            shows(node, &cart, "a paid cart", |cart| cart["state"] == "paid" && items(cart).len() == 1);
        assert_eq!((&paid["sale_id"], items(&paid)), (&sale["id"], vec![("MILK".to_owned(), 1_000)]));
    }
    let mut left = Value::Null;
    for node in &mut store.nodes {
        wait_for("the scan is in a cart of its own", SOON, || {
            let open = node.get("/v1/carts?state=open")["data"].as_array().cloned().unwrap_or_default();
            left = open.into_iter().find(|open| open["left_over_of"] == json!(cart)).unwrap_or_default();
            left != Value::Null
        })
        .unwrap_or_else(|late| panic!("{late}: {}", node.get("/v1/carts?state=open")));
        assert_eq!(
            (items(&left), flags(&left)),
            (vec![("MUG".to_owned(), 1_000)], vec!["left_over".to_owned()])
        );
    }
    let id = left["id"].as_str().expect("an id").to_owned();
    let _ = store.nodes[1].pay(&id).ok();
    let open = store.nodes[1].get("/v1/carts?state=open");
    assert_eq!(open["data"], json!([]), "one scan, one cart");
    store.agrees();
}

/// A till that was off while a cart was paid elsewhere hears of it by the sale itself.
#[test]
fn a_restart_forgets_no_cart() {
    let mut store = store("carts-restart");
    let cart = store.nodes[0].open_cart();
    let _ = store.nodes[0].scan(&cart, "MILK").ok();
    shows(&mut store.nodes[1], &cart, "the milk", has("MILK"));
    store.nodes[0].kill();
    store.nodes[0].start();
    let shown = store.nodes[0].cart(&cart);
    assert_eq!((items(&shown).len(), &shown["owner"]["here"]), (1, &json!(true)));
    store.nodes[1].kill();
    let sale = store.nodes[0].pay(&cart).ok();
    store.nodes[1].start();
    let paid = shows(&mut store.nodes[1], &cart, "a paid cart", |cart| cart["state"] == "paid");
    assert_eq!(paid["sale_id"], sale["id"]);
    store.agrees();
}

/// A page that looks at a cart hears of what another till did to it.
#[test]
fn whoever_watches_a_cart_hears_what_another_till_did_to_it() {
    let mut store = store("carts-watched");
    let address = store.nodes[1].client_address();
    let mut news = std::net::TcpStream::connect(&address).expect("the node listens");
    news.set_read_timeout(Some(SOON)).expect("a limit can be set");
    let asked = format!("GET /v1/events HTTP/1.1\r\nHost: {address}\r\n\r\n");
    news.write_all(asked.as_bytes()).expect("it can be asked");
    let _ = until_it_says(&mut news, &["HTTP/1.1 200", "\r\n\r\n"]);

    let cart = store.nodes[0].open_cart();
    let _ = store.nodes[0].scan(&cart, "MILK").ok();
    let heard = until_it_says(&mut news, &["cart.updated", &cart]);
    assert!(heard.contains("\"till\":\"R1\""), "{heard}");
    shows(&mut store.nodes[1], &cart, "the milk", has("MILK"));
    let _ = store.nodes[0].pay(&cart).ok();
    let _ = until_it_says(&mut news, &["cart.updated", "\"state\":\"paid\""]);
}

/// Reads on until all these were said.
fn until_it_says(news: &mut std::net::TcpStream, words: &[&str]) -> String {
    let mut heard = String::new();
    let mut piece = [0; 1_024];
    while !words.iter().all(|word| heard.contains(word)) {
        let n = news.read(&mut piece).expect("it goes on");
        assert!(n > 0, "it ended behind {heard}");
        heard.push_str(&String::from_utf8_lossy(&piece[..n]));
    }
    heard
}

/// r = 1, held by a cart with its card captured; a count on another till finds none. The hub asks for what is missing to be
/// burnt, and free rights alone are: the sale commits. The count is in doubt, and a count of none puts it right.
#[test]
fn g46_goods_in_a_basket_taint_a_count_and_keep_their_right() {
    let mut store = store("carts-g46");
    store.nodes[0].receive("CAMERA", 1);
    store.agrees();
    let terminal = json!({"kind": "simulated", "behaviour": "approve", "online": true, "forwards": "capture",
                          "timeout_ms": 20});
    let _ = store.nodes[0].ask("PUT", "/v1/terminals/R1", &terminal).ok();
    let cart = store.nodes[0].open_cart();
    let total = store.nodes[0].scan(&cart, "CAMERA").ok()["totals"]["total"].clone();
    let card = json!({"id": uuid_v7(), "kind": "card", "amount": total});
    let paid = store.nodes[0].ask("POST", &format!("/v1/carts/{cart}/tenders"), &card).ok();
    assert_eq!(paid["tenders"][0]["state"], "captured", "{paid:#}");
    shows(&mut store.nodes[1], &cart, "a cart that is being paid", |cart| cart["state"] == "tendering");

    let counted = count(&mut store.nodes[1], "CAMERA", 0);
    assert_eq!((&counted["burnt"], &counted["recount"]), (&json!(0), &json!(true)), "{counted:#}");
    let known = |node: &mut LanNode| node.figure("CAMERA", "on_hand") == 0;
    wait_for("the count at the cart's till", SOON, || known(&mut store.nodes[0])).expect("it is told");
    store.agrees();
    assert_eq!(store.nodes[0].figure("CAMERA", "rights"), 1, "what a cart holds isn't burnt");
    let sale = store.nodes[0].ask("POST", &format!("/v1/carts/{cart}/checkout"), &json!({"tenders": []}));
    assert_eq!(sale.status, 201, "{}", sale.text());
    store.agrees();
    let again = count(&mut store.nodes[1], "CAMERA", 0);
    assert_eq!(again["recount"], false, "{again:#}");
    store.agrees();
    for node in &mut store.nodes {
        let figures = ["on_hand", "available", "overdraw"].map(|figure| node.figure("CAMERA", figure));
        assert_eq!(figures, [0, 0, 0], "{}", node.stock("CAMERA"));
    }
}

fn count(node: &mut LanNode, sku: &str, n: u64) -> Value {
    let id = uuid_v7();
    let _ = node.ask("POST", "/v1/counts", &json!({"id": id, "sku": sku})).ok();
    node.ask("POST", &format!("/v1/counts/{id}/finish"), &json!({"n": n})).ok()
}

/// A till is lost with carts that others see. Nobody takes them while it may still act, also not by force. Once it is capped
/// its successor has them without a word; whom the fence didn't name takes one by force, which is flagged.
#[test]
fn carts_of_a_lost_till_go_to_its_successor_and_to_others_by_force() {
    let mut store = LanStore::open("carts-successor", &["east", "west", "south"], ITEMS);
    let (first, second) = (store.nodes[0].open_cart(), store.nodes[0].open_cart());
    for cart in [&first, &second] {
        let _ = store.nodes[0].scan(cart, "MILK").ok();
        for node in 1..3 {
            shows(&mut store.nodes[node], cart, "the milk", has("MILK"));
        }
    }
    let lost = store.nodes[0].status()["incarnation"].as_str().expect("an incarnation").to_owned();
    let held = |store: &mut LanStore| store.nodes[0].status()["unsynced"] == 0;
    wait_for("the hub to hold all of it", SOON, || held(&mut store)).expect("it does");
    store.nodes[0].kill();
    let force = json!({"force": "its till is gone"});
    for node in 1..3 {
        let early = store.nodes[node].ask("POST", &format!("/v1/carts/{first}/take"), &force);
        assert_eq!((early.status, early.code().as_str()), (409, "NOT_OWNER"), "{}", early.text());
    }
    let burnt = json!({"attested": "it burnt", "successor": "west"});
    let fence = format!("/v1/stores/{STORE}/nodes/{lost}/fence");
    for _ in 0..2 {
        let _ = store.ask("POST", &fence, &burnt).ok();
    }
    let barrier = uuid_v7();
    let path = format!("/v1/stores/{STORE}/barriers");
    let _ = store.ask("POST", &path, &json!({"id": barrier, "purpose": "resolve"})).ok();
    shows(&mut store.nodes[1], &first, "its own cart", |cart| cart["owner"]["here"] == true);
    let paid = store.nodes[1].pay(&first);
    assert_eq!(paid.status, 201, "{}", paid.text());
    shows(&mut store.nodes[2], &first, "a paid cart", |cart| cart["state"] == "paid");

    let other = store.nodes[2].ask("POST", &format!("/v1/carts/{second}/take"), &json!({}));
    assert_eq!(other.status, 409, "without force it isn't its own: {}", other.text());
    let mut taken = Value::Null;
    wait_for("the cap to be known", SOON, || {
        let answer = store.nodes[2].ask("POST", &format!("/v1/carts/{second}/take"), &force);
        taken = answer.json();
        answer.status == 200
    })
    .unwrap_or_else(|late| panic!("{late}: {taken:#}"));
    assert!(flags(&taken).contains(&"taken_over".to_owned()), "{taken:#}");
    shows(&mut store.nodes[1], &second, "whose it is now", |cart| {
        cart["owner"]["name"] == "south" && flags(cart).contains(&"taken_over".to_owned())
    });
    let refused = store.nodes[1].pay(&second);
    assert_eq!(refused.code(), "NOT_OWNER", "{}", refused.text());
    let paid = store.nodes[2].pay(&second);
    assert_eq!(paid.status, 201, "{}", paid.text());
    store.nodes.remove(0);
    store.agrees();
}
