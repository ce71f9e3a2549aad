//! A node that is lost for good, through real processes: fence, wait, count, barrier, resolve (`model.md` §3; the
//! interleavings G9, G11, G12 and G31 of §8).

use serde_json::{Value, json};
use tradepost_tests::http::Answer;
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::lan::{LanNode, LanStore, SOON, STORE};
use tradepost_tests::process::wait_for;
use tradepost_tests::proxy::Weather;

/// The node that is lost, and the one that goes on.
const LOST: usize = 0;
const ON: usize = 1;

fn incarnation(node: &mut LanNode) -> String {
    node.status()["incarnation"].as_str().expect("an incarnation").to_owned()
}

fn give(node: &mut LanNode, to: &str, units: u64) {
    let body = json!({"id": uuid_v7(), "to": to, "units": units});
    let _ = node.client.json("POST", "/v1/stock/MUG/grants", &body).expect("the node answers").ok();
}

fn count(node: &mut LanNode, n: u64) -> Value {
    let id = uuid_v7();
    let begun = json!({"id": id, "sku": "MUG"});
    let _ = node.client.json("POST", "/v1/counts", &begun).expect("the node answers").ok();
    let path = format!("/v1/counts/{id}/finish");
    node.client.json("POST", &path, &json!({"n": n})).expect("the node answers").ok()
}

fn at_hub(store: &mut LanStore) -> Value {
    store.admin.get(&format!("/v1/stores/{STORE}/stock/MUG")).expect("the hub answers").ok()
}

fn recovery(store: &mut LanStore) -> Value {
    store.admin.get(&format!("/v1/stores/{STORE}/recovery")).expect("the hub answers").ok()
}

fn fence(store: &mut LanStore, who: &str, body: &Value) -> Answer {
    store.ask("POST", &format!("/v1/stores/{STORE}/nodes/{who}/fence"), body)
}

fn open(store: &mut LanStore, id: &str) -> Answer {
    let body = json!({"id": id, "purpose": "resolve"});
    store.ask("POST", &format!("/v1/stores/{STORE}/barriers"), &body)
}

const FIGURES: &[&str] = &["on_hand", "available", "suspended", "overdraw", "surplus", "hub_rights"];

fn figures(stock: &Value) -> Vec<i64> {
    FIGURES.iter().map(|name| stock[*name].as_i64().unwrap_or(i64::MIN)).collect()
}

fn hub_shows(store: &mut LanStore, expected: [i64; 6]) {
    let done = wait_for("the hub's figures", SOON, || figures(&at_hub(store)) == expected);
    let (stock, recovery) = (at_hub(store), recovery(store));
    done.unwrap_or_else(|late| panic!("{late}: {expected:?} of {FIGURES:?}: {stock:#}\n{recovery:#}"));
}

/// The last barrier is this one, and over.
fn over(store: &mut LanStore, id: &str) -> Value {
    let done = wait_for("the barrier's end", SOON, || recovery(store)["last_barrier"]["id"] == id);
    let shown = recovery(store);
    done.unwrap_or_else(|late| panic!("{late}: {shown:#}"));
    shown["last_barrier"].clone()
}

/// What was lost is decided, three units of it: by a barrier that is asked for here, or by the one that the hub opens by
/// itself once everybody is in session. That barrier.
fn decided(store: &mut LanStore) -> Value {
    let done = wait_for("the decision", SOON, || {
        let last = recovery(store)["last_barrier"].clone();
        let over = last["state"] == "closed" && last["minted"] == json!([{"sku": "MUG", "units": 3}]);
        if !over {
            // Refused before the count is here, while another is open, and after one that decided.
            let _ = open(store, &uuid_v7());
        }
        over
    });
    let shown = recovery(store);
    done.unwrap_or_else(|late| panic!("{late}: {shown:#}"));
    shown["last_barrier"].clone()
}

/// A third member that is away: while it is, the hub opens no barrier by itself, and none ends. Its place and incarnation.
fn one_more_that_is_away(store: &mut LanStore) -> (usize, String) {
    store.add("west");
    let west = store.nodes.len() - 1;
    wait_for("the third one", SOON, || {
        let status = store.nodes[west].status();
        status["registered"] == true && status["lease"]["held"] == true
    })
    .expect("it is taken in");
    wait_for("its log", SOON, || store.nodes[west].stock("MUG")["suspended"] == 5).expect("it arrives");
    let who = incarnation(&mut store.nodes[west]);
    store.nodes[west].kill();
    (west, who)
}

/// 12 goods, r = (5, 4, 3); the first node sells 2 that nobody hears of, and dies. Its incarnation, and the sales.
fn a_till_dies(test: &str) -> (LanStore, String, Vec<String>) {
    let mut store = LanStore::open(test, &["north", "south"], &[("MUG", "Strict")]);
    store.nodes[LOST].receive("MUG", 12);
    let (lost, south) = (incarnation(&mut store.nodes[LOST]), incarnation(&mut store.nodes[ON]));
    give(&mut store.nodes[LOST], &south, 4);
    give(&mut store.nodes[LOST], "hub", 3);
    hub_shows(&mut store, [12, 12, 0, 0, 0, 3]);
    store.agrees();
    store.nodes[ON].kill();
    store.nodes[LOST].hub_link(Weather::Closed);
    let sold = [(); 2].map(|()| {
        let (sale, answer) = store.nodes[LOST].sell("MUG", 1);
        assert_eq!(answer.status, 201, "{}", answer.text());
        sale
    });
    store.nodes[LOST].kill();
    store.nodes[ON].start();
    (store, lost, sold.to_vec())
}

fn twelve_goods(test: &str) -> (LanStore, String) {
    let (store, lost, _) = a_till_dies(test);
    (store, lost)
}

fn destroyed() -> Value {
    json!({"attested": "the manager: it burnt in the back room", "successor": "south"})
}

/// Fenced, with its destruction attested; the other node knows.
fn fenced(store: &mut LanStore, lost: &str) {
    let _ = fence(store, lost, &destroyed()).ok();
    let _ = fence(store, lost, &destroyed()).ok();
    hub_shows(store, [12, 7, 5, 0, 0, 3]);
    wait_for("the other node to know", SOON, || store.nodes[ON].stock("MUG")["suspended"] == 5)
        .expect("it is told");
}

fn only_the_other_goes_on(store: &mut LanStore) {
    let lost = store.nodes.remove(LOST);
    drop(lost);
}

#[test]
fn g9_what_a_lost_till_held_is_resolved_to_the_unit() {
    let (mut store, lost) = twelve_goods("recovery-g9");
    fenced(&mut store, &lost);
    let shown = recovery(&mut store);
    assert_eq!(shown["lost"][0]["wait_over"], true, "{shown:#}");
    assert_eq!(
        (&shown["items"][0]["suspended"], &shown["items"][0]["code"]),
        (&json!(5), &json!("COUNT_NEEDED"))
    );
    assert_eq!(open(&mut store, &uuid_v7()).code(), "COUNT_NEEDED", "nothing is decided before a count");

    let counted = count(&mut store.nodes[ON], 10);
    assert_eq!(counted["burnt"], 0, "suspended rights cover the shrink: {counted}");
    // By book it would be 5.
    let done = decided(&mut store);
    let id = done["id"].as_str().expect("an id").to_owned();
    assert_eq!(done["resolved"][0]["incarnation"], lost, "{done:#}");
    hub_shows(&mut store, [10, 10, 0, 0, 0, 6]);
    only_the_other_goes_on(&mut store);
    wait_for("the other node to show it", SOON, || {
        figures(&store.nodes[ON - 1].stock("MUG"))[..3] == [10, 10, 0]
    })
    .expect("it is told");
    store.agrees();
    assert_eq!(open(&mut store, &uuid_v7()).code(), "NOTHING_TO_DECIDE");
    assert_eq!(open(&mut store, &id).status, 201, "the same id again opens nothing again");
    assert_eq!(recovery(&mut store)["barrier"], Value::Null);
    assert_eq!(recovery(&mut store)["lost"], json!([]));
}

#[test]
fn g12_a_till_that_comes_back_brings_its_sales_and_no_rights() {
    let (mut store, lost, sold) = a_till_dies("recovery-g12");
    fenced(&mut store, &lost);
    let _ = count(&mut store.nodes[ON], 10);
    let _ = decided(&mut store);
    hub_shows(&mut store, [10, 10, 0, 0, 0, 6]);

    store.nodes[LOST].hub_link(Weather::Clear);
    store.nodes[LOST].start();
    wait_for("a new incarnation", SOON, || incarnation(&mut store.nodes[LOST]) != lost).expect("it begins");
    assert_eq!(store.nodes[LOST].figure("MUG", "rights"), 0, "it forgot nothing and holds nothing");
    let path = format!("/v1/stores/{STORE}/enrolment-codes");
    let code = store.ask("POST", &path, &json!({})).ok()["code"].clone();
    let asked = store.nodes[LOST].client.json("POST", "/v1/enrolment", &json!({"code": code}));
    let _ = asked.expect("the node answers").ok();
    for sale in &sold {
        wait_for("a late sale", SOON, || store.hub_has(sale)).expect("no fact is dropped");
    }
    hub_shows(&mut store, [10, 10, 0, 0, 0, 6]);
    store.agrees();
    assert_eq!(store.nodes[LOST].figure("MUG", "rights"), 0);
    assert_eq!(store.nodes[LOST].figure("MUG", "available"), 10);
}

/// A time of an answer: as text a shorter fraction of a second would sort after a longer one.
fn instant(told: &Value) -> jiff::Timestamp {
    told.as_str().expect("a time").parse().expect("RFC 3339")
}

#[test]
fn g11_nothing_is_released_before_the_lease_is_out() {
    let (mut store, lost) = twelve_goods("recovery-g11");
    let _ = fence(&mut store, &lost, &json!({})).ok();
    hub_shows(&mut store, [12, 7, 5, 0, 0, 3]);
    wait_for("the other node to know", SOON, || store.nodes[ON].stock("MUG")["suspended"] == 5)
        .expect("it is told");
    let _ = count(&mut store.nodes[ON], 10);
    wait_for("the count", SOON, || at_hub(&mut store)["on_hand"] == 10).expect("it arrives");
    let before = figures(&at_hub(&mut store));
    let early = open(&mut store, &uuid_v7());
    assert_eq!((early.status, early.code()), (409, "LEASE_NOT_EXPIRED".to_owned()), "{}", early.text());
    let until = instant(&early.json()["until"]);
    let shown = recovery(&mut store);
    assert_eq!(shown["lost"][0]["wait_over"], false);
    assert_eq!(shown["items"][0]["code"], "LEASE_NOT_EXPIRED", "{shown:#}");
    assert!(instant(&shown["lost"][0]["wait_until"]) >= until, "{shown:#}");
    assert_eq!((figures(&at_hub(&mut store)), &shown["barrier"]), (before, &Value::Null), "nothing changes");
    assert_eq!(fence(&mut store, &lost, &json!({"attested": " "})).code(), "BAD_VALUE");
    assert_eq!(
        fence(&mut store, &lost, &json!({"successor": "west", "attested": "x"})).code(),
        "UNKNOWN_NODE"
    );
    assert_eq!(fence(&mut store, "nobody", &json!({})).code(), "NOT_FOUND");
}

#[test]
fn g31_a_barrier_from_before_the_count_decides_nothing() {
    let (mut store, lost) = twelve_goods("recovery-g31");
    fenced(&mut store, &lost);
    let (west, _) = one_more_that_is_away(&mut store);
    let _ = count(&mut store.nodes[ON], 10);
    wait_for("the count", SOON, || recovery(&mut store)["items"][0]["would_mint"] == 3).expect("it arrives");
    // The member can't be reached, so that the barrier stays open; meanwhile it counts again.
    store.nodes[ON].hub_link(Weather::Closed);
    wait_for("the member to be away", SOON, || store.nodes[ON].status()["link"] == "offline")
        .expect("it is away");
    let id = uuid_v7();
    let opened = open(&mut store, &id).ok();
    assert_eq!(opened["barrier"]["state"], "asking", "{opened:#}");
    assert_eq!(open(&mut store, &uuid_v7()).code(), "BARRIER_OPEN");
    // The member knows hub time as well as the last message took to it: the second count is later beyond doubt.
    let begun = std::time::Instant::now();
    wait_for("some seconds", SOON, || begun.elapsed().as_secs() >= 3).expect("time passes");
    let _ = count(&mut store.nodes[ON], 10);
    store.nodes[ON].hub_link(Weather::Clear);
    store.nodes[west].start();
    let done = over(&mut store, &id);
    assert_eq!((&done["minted"], &done["resolved"]), (&json!([]), &json!([])), "{done:#}");
    assert_eq!(done["refused"][0]["code"], "BARRIER_TOO_OLD", "{done:#}");
    // Another one decides.
    let _ = decided(&mut store);
    hub_shows(&mut store, [10, 10, 0, 0, 0, 6]);
}

/// kill −9 of hub and member at every step: what was said stands, who owes a word is asked again, and the surplus is
/// minted once.
#[test]
fn a_barrier_survives_the_hub_and_its_members() {
    let (mut store, lost) = twelve_goods("recovery-kill");
    fenced(&mut store, &lost);
    let (west, _) = one_more_that_is_away(&mut store);
    let _ = count(&mut store.nodes[ON], 10);
    wait_for("the count", SOON, || recovery(&mut store)["items"][0]["would_mint"] == 3).expect("it arrives");
    store.nodes[ON].kill();
    let id = uuid_v7();
    let _ = open(&mut store, &id).ok();
    store.hub_gone();
    store.hub_back();
    let shown = recovery(&mut store);
    assert_eq!(
        (&shown["barrier"]["id"], &shown["barrier"]["state"]),
        (&json!(id), &json!("asking")),
        "{shown:#}"
    );
    store.nodes[ON].start();
    store.nodes[west].start();
    // Whatever step it has come to, the hub dies there, and again.
    for _ in 0..3 {
        store.hub_gone();
        store.hub_back();
    }
    store.nodes[ON].kill();
    store.nodes[ON].start();
    let done = over(&mut store, &id);
    assert_eq!(done["minted"], json!([{"sku": "MUG", "units": 3}]), "{done:#}");
    hub_shows(&mut store, [10, 10, 0, 0, 0, 6]);
    store.hub_gone();
    store.hub_back();
    hub_shows(&mut store, [10, 10, 0, 0, 0, 6]);
    only_the_other_goes_on(&mut store);
    store.agrees();
    assert_eq!(store.nodes[ON - 1].sell("MUG", 4).1.status, 201);
    assert_eq!(store.nodes[ON - 1].sell("MUG", 1).1.code(), "STRICT_STOCK_SHORT");
}

/// An absent member holds a barrier up; fenced as well, it voids it, and the next one is made without it.
#[test]
fn an_absent_member_holds_a_barrier_up() {
    let (mut store, lost) = twelve_goods("recovery-absent");
    fenced(&mut store, &lost);
    let (_, west) = one_more_that_is_away(&mut store);
    let _ = count(&mut store.nodes[ON], 10);
    wait_for("the count", SOON, || recovery(&mut store)["items"][0]["would_mint"] == 3).expect("it arrives");
    let id = uuid_v7();
    let _ = open(&mut store, &id).ok();
    let answered = |shown: &Value| {
        let members = shown["barrier"]["members"].as_array().cloned().unwrap_or_default();
        members.iter().filter(|m| m["answered"] == true).count()
    };
    wait_for("the others' answers", SOON, || answered(&recovery(&mut store)) == 2).expect("they come");
    let shown = recovery(&mut store);
    let away = shown["barrier"]["members"].as_array().into_iter().flatten().find(|m| m["name"] == "west");
    assert_eq!(away.map(|m| &m["answered"]), Some(&json!(false)), "{shown:#}");
    let _ = fence(&mut store, &west, &json!({"attested": "stolen, and seen broken"})).ok();
    assert_eq!(over(&mut store, &id)["state"], "void");
    hub_shows(&mut store, [10, 7, 5, 0, 0, 3]);
    // The count is older than the second wait's end.
    assert_eq!(open(&mut store, &uuid_v7()).code(), "COUNT_NEEDED");
    let _ = count(&mut store.nodes[ON], 10);
    let _ = decided(&mut store);
    hub_shows(&mut store, [10, 10, 0, 0, 0, 6]);
}

/// More than the books have is found: the hub opens the barrier by itself, once everybody is there.
#[test]
fn a_surplus_is_minted_without_being_asked_for() {
    let mut store = LanStore::open("recovery-surplus", &["north", "south"], &[("MUG", "Strict")]);
    store.nodes[0].receive("MUG", 10);
    hub_shows(&mut store, [10, 10, 0, 0, 0, 0]);
    store.nodes[1].kill();
    let _ = count(&mut store.nodes[0], 12);
    hub_shows(&mut store, [12, 10, 0, 0, 2, 0]);
    store.nodes[1].start();
    hub_shows(&mut store, [12, 12, 0, 0, 0, 2]);
    let shown = recovery(&mut store);
    assert_eq!(shown["last_barrier"]["minted"], json!([{"sku": "MUG", "units": 2}]), "{shown:#}");
    store.agrees();
}
