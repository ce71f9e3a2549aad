//! A node that lives for years: old events take little room, nothing of them is lost, and whoever lacks them gets them
//! (`speed.md`, edge storage; `model.md` §3, The hub is a replica too).

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tradepost_tests::engines;
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::lan::{LanNode, LanStore, SOON, STORE};
use tradepost_tests::process::{Program, TempDir, wait_for};
use tradepost_tests::seed::full;
use tradepost_tests::till::{Books, put_sale, start_node};

const STOP_MAX: Duration = Duration::from_secs(60);
const ITEM: &[(&str, &str)] = &[("MUG", "InHand")];

/// One number out of a node's file, which may be in use.
fn look(data: &Path, sql: &str) -> i64 {
    let file = Connection::open_with_flags(data.join("tradepost.db"), OpenFlags::SQLITE_OPEN_READ_ONLY);
    let file = file.expect("the file opens");
    file.busy_timeout(Duration::from_secs(5)).expect("it waits");
    file.query_row(sql, [], |row| row.get(0)).expect("the file answers")
}

/// Events that lie in packs.
fn packed(data: &Path) -> i64 {
    look(data, "SELECT coalesce(sum(last - place + 1), 0) FROM packs")
}

fn sell(node: &mut LanNode, times: usize, sold: &mut BTreeSet<String>) {
    for _ in 0..times {
        let (sale, answer) = node.sell("MUG", 1);
        assert_eq!(answer.status, 201, "{}", answer.text());
        sold.insert(sale);
    }
}

fn orders(store: &mut LanStore) -> BTreeSet<String> {
    let mut booked = BTreeSet::new();
    let mut path = "/v1/orders?limit=500".to_owned();
    loop {
        let page = store.admin.get(&path).expect("the hub answers").ok();
        for sale in page["data"].as_array().into_iter().flatten() {
            assert!(booked.insert(sale["id"].as_str().expect("an id").to_owned()), "twice: {sale:#}");
        }
        match page["next_cursor"].as_str() {
            Some(next) => path = format!("/v1/orders?limit=500&cursor={next}"),
            None => return booked,
        }
    }
}

/// The hub is put back to a day before nearly everything, without its journal; and a new machine comes to the store.
#[test]
fn whoever_lacks_years_gets_them_out_of_packs() {
    if engines::services() {
        return;
    }
    let mut store = LanStore::open("years", &["north", "south"], ITEM);
    let mut sold = BTreeSet::new();
    store.nodes[0].receive("MUG", 1_000);
    sell(&mut store.nodes[0], 5, &mut sold);
    store.agrees();
    let (code, said) = store.hub_command("backup", &store.path("backup"));
    assert_eq!(code, 0, "{said}");
    sell(&mut store.nodes[0], 290, &mut sold);
    store.agrees();
    // The neighbour holds the same stream, and packs it too.
    for node in &store.nodes {
        let data = node.data_dir();
        let done = wait_for("old events to be packed", SOON, || packed(&data) >= 128);
        done.unwrap_or_else(|late| panic!("{late}: {} at {}", packed(&data), data.display()));
    }
    store.hub_gone();
    let (code, said) = store.hub_command("restore", &store.path("backup"));
    assert_eq!(code, 0, "{said}");
    std::fs::remove_dir_all(store.journal()).expect("the journal is gone");
    store.hub_back();
    let attested = json!({"attested": "the operator: nobody was enrolled since the backup"});
    let _ = store.ask("POST", "/v1/hub/recovery/attestation", &attested).ok();
    let status = |store: &mut LanStore| store.admin.get("/v1/hub/recovery").expect("it answers").ok();
    wait_for("the recovery's end", SOON, || status(&mut store)["recovering"] == false).expect("it recovers");
    store.agrees();
    assert_eq!(orders(&mut store), sold, "each sale once");
    store.add("east");
    store.agrees();
    let first = sold.first().expect("a sale");
    for node in &mut store.nodes {
        assert_eq!(node.get(&format!("/v1/sales/{first}"))["id"].as_str(), Some(first.as_str()));
    }
    let path = format!("/v1/stores/{STORE}/stock/MUG");
    let shown = store.admin.get(&path).expect("the hub answers").ok();
    assert_eq!(shown["on_hand"], 1_000 - i64::try_from(sold.len()).expect("a small number"), "{shown:#}");
}

fn sell_lines(node: &Program, sales: usize, lines: usize) -> usize {
    let mut client = node.client("http");
    let line = |n: usize| json!({"sku": format!("EN-{:03}", 1 + n % 9), "quantity_milli": 1_000});
    for sale in 0..sales {
        let lines: Vec<Value> = (0..lines).map(|n| line(n + sale)).collect();
        let tenders = json!([{"kind": "cash", "amount": 10_000_000}]);
        let body = json!({"till": "R1", "lines": lines, "tenders": tenders});
        put_sale(&mut client, &uuid_v7(), &body).expect("the node answers").ok();
    }
    sales * lines
}

fn export(node: &Program) -> String {
    node.client("http").get("/v1/exports/events").expect("the node answers").text()
}

/// Signatures within a pack are gone; every fact and every hash is as it was.
fn facts(export: &str) -> Vec<Value> {
    let fact = |line: &str| {
        let mut event: Value = serde_json::from_str(line).expect("a line is JSON");
        if let Some(event) = event.as_object_mut() {
            event.remove("signature");
        }
        event
    };
    export.lines().map(fact).collect()
}

#[test]
fn a_kill_while_old_events_are_packed_loses_none() {
    let dir = TempDir::new("packing-killed");
    let node = start_node(dir.path(), &[]).expect("it starts");
    sell_lines(&node, 700, 1);
    let before = facts(&export(&node));
    node.kill();
    let few: &[&str] = &["--open-events", "20"];
    // Packing begins with the start and takes a while: each kill comes somewhere in it.
    for _ in 0..6 {
        start_node(dir.path(), few).expect("it starts").kill();
    }
    let node = start_node(dir.path(), few).expect("it starts");
    let done = wait_for("everything old to be packed", SOON, || packed(dir.path()) >= 512);
    done.unwrap_or_else(|late| panic!("{late}: {}", packed(dir.path())));
    let after = export(&node);
    assert_eq!(facts(&after)[..before.len()], before);
    let books = Books::read(&after);
    assert_eq!((books.documents.len(), books.gaps(), books.doubled()), (700, vec![], vec![]));
    node.stop(STOP_MAX).expect("it stops");
    let node = start_node(dir.path(), &[]).expect("it starts again, keeping more open than before");
    let mut client = node.client("http");
    let walked = wait_for("the chains to be walked", SOON, || {
        client.get("/readyz?verbose").is_ok_and(|ready| ready.ok()["chains"] == "whole")
    });
    walked.expect("every chain is whole");
    assert_eq!(facts(&export(&node))[..before.len()], before);
}

/// After so many movements the file is at most 1.3 times its live data and the log that it keeps; and the log takes less
/// than half of what it says.
#[test]
fn the_file_stays_small() {
    let dir = TempDir::new("small-file");
    let open: &[&str] = &["--open-events", "128"];
    let node = start_node(dir.path(), open).expect("it starts");
    let (sales, lines) = if full() { (25_000, 40) } else { (1_250, 40) };
    let movements = sell_lines(&node, sales, lines);
    let wanted = i64::try_from(sales).expect("a small number") - 300;
    let done = wait_for("old events to be packed", Duration::from_secs(120), || packed(dir.path()) >= wanted);
    done.unwrap_or_else(|late| panic!("{late}: {}", packed(dir.path())));
    node.stop(STOP_MAX).expect("it stops");
    let data = dir.path();
    let log = look(data, "SELECT coalesce(sum(length(bytes)), 0) FROM events")
        + look(data, "SELECT coalesce(sum(length(bytes)), 0) FROM packs");
    let (kept, said) =
        (look(data, "SELECT sum(length(bytes)) FROM packs"), look(data, "SELECT sum(length) FROM packs"));
    let wal = std::fs::metadata(data.join("tradepost.db-wal")).map_or(0, |file| file.len());
    let file = std::fs::metadata(data.join("tradepost.db")).expect("the file").len() + wal;
    let copy = data.join("vacuumed.db");
    Connection::open(data.join("tradepost.db"))
        .and_then(|file| file.execute("VACUUM INTO ?1", [copy.to_string_lossy()]))
        .expect("it can be copied");
    let vacuumed = std::fs::metadata(&copy).expect("the copy").len();
    let (file, vacuumed) = (i64::try_from(file).expect("small"), i64::try_from(vacuumed).expect("small"));
    let live = vacuumed - log;
    eprintln!("{movements} movements: file {file}, vacuumed {vacuumed}, log {log}; packs {kept} for {said}");
    assert!(file * 10 <= live * 13 + log * 10, "file {file}, live {live}, log {log}");
    assert!(kept * 2 <= said, "{kept} bytes for {said}");
}
