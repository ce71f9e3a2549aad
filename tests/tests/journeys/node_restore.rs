//! A database put back from a backup, cut off from its sidecar, damaged: lost memory shows, and nothing is reused
//! (`model.md` §3, Amnesia).

use std::path::Path;
use std::time::Duration;
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::process::{Program, TempDir};
use tradepost_tests::till::{Books, cash_sale, put_sale, start_node};

const STOP_MAX: Duration = Duration::from_secs(20);

fn sell(node: &Program, times: usize) {
    let mut client = node.client("http");
    for _ in 0..times {
        put_sale(&mut client, &uuid_v7(), &cash_sale(&[("EN-001", 1000)], 500)).unwrap().ok();
    }
}

fn back_up(dir: &Path) -> Vec<u8> {
    std::fs::read(dir.join("tradepost.db")).unwrap()
}

fn restore(dir: &Path, backup: &[u8]) {
    for name in ["tradepost.db-wal", "tradepost.db-shm"] {
        let _ = std::fs::remove_file(dir.join(name));
    }
    std::fs::write(dir.join("tradepost.db"), backup).unwrap();
}

/// A new incarnation: zero rights, a new series from 1, the goods still on the shelf.
fn check_new_memory(node: &Program, old: &str, on_hand: i64) {
    assert_ne!(node.said("incarnation"), old, "a new incarnation");
    let mut client = node.client("http");
    let stock = client.get("/v1/stock/EN-001").unwrap().ok();
    assert_eq!(
        (stock["rights"].as_i64(), stock["on_hand"].as_i64()),
        (Some(0), Some(on_hand)),
        "zero rights"
    );
    let sale = put_sale(&mut client, &uuid_v7(), &cash_sale(&[("EN-001", 1000)], 500)).unwrap().ok();
    assert_eq!(sale["receipt"]["n"], 1, "a new series");
    let stock = client.get("/v1/stock/EN-001").unwrap().ok();
    assert_eq!(stock["overdraw"], 1, "what is in hand is sold, beyond all rights");
    let books = Books::read(&client.get("/v1/exports/events").unwrap().text());
    assert_eq!((books.gaps(), books.doubled()), (vec![], vec![]));
}

#[test]
fn an_old_database_under_a_newer_sidecar_is_a_new_incarnation() {
    let dir = TempDir::new("restore");
    let node = start_node(dir.path(), &[]).unwrap();
    let old = node.said("incarnation");
    sell(&node, 3);
    node.stop(STOP_MAX).unwrap();
    let backup = back_up(dir.path());
    let node = start_node(dir.path(), &[]).unwrap();
    assert_eq!(node.said("incarnation"), old, "an ordinary restart keeps the memory");
    sell(&node, 2);
    node.stop(STOP_MAX).unwrap();
    restore(dir.path(), &backup);
    let node = start_node(dir.path(), &[]).unwrap();
    check_new_memory(&node, &old, 117);
    let now = node.said("incarnation");
    node.stop(STOP_MAX).unwrap();
    let node = start_node(dir.path(), &[]).unwrap();
    assert_eq!(node.said("incarnation"), now, "and that one is kept");
}

#[test]
fn a_log_without_its_sidecar_counts_as_restored() {
    let dir = TempDir::new("no-sidecar");
    let node = start_node(dir.path(), &[]).unwrap();
    let old = node.said("incarnation");
    sell(&node, 1);
    node.stop(STOP_MAX).unwrap();
    std::fs::remove_file(dir.path().join("sidecar")).unwrap();
    let node = start_node(dir.path(), &[]).unwrap();
    check_new_memory(&node, &old, 119);
}

#[test]
fn another_log_of_the_same_length_is_no_memory_of_ours() {
    let dir = TempDir::new("other-branch");
    let node = start_node(dir.path(), &[]).unwrap();
    node.stop(STOP_MAX).unwrap();
    let backup = back_up(dir.path());
    let node = start_node(dir.path(), &[]).unwrap();
    let old = node.said("incarnation");
    sell(&node, 4);
    node.stop(STOP_MAX).unwrap();
    let newer = std::fs::read(dir.path().join("sidecar")).unwrap();
    restore(dir.path(), &backup);
    // The copy sells on with a sidecar of its own time, then meets the newer one.
    std::fs::remove_file(dir.path().join("sidecar")).unwrap();
    let copy = start_node(dir.path(), &[]).unwrap();
    let copied = copy.said("incarnation");
    assert_ne!(copied, old);
    sell(&copy, 9);
    copy.stop(STOP_MAX).unwrap();
    std::fs::write(dir.path().join("sidecar"), newer).unwrap();
    let node = start_node(dir.path(), &[]).unwrap();
    assert!(
        ![old, copied].contains(&node.said("incarnation")),
        "a third memory, with nothing of the others'"
    );
}

#[test]
fn a_damaged_database_is_put_aside_and_kept() {
    let dir = TempDir::new("damaged");
    let node = start_node(dir.path(), &[]).unwrap();
    let old = node.said("incarnation");
    sell(&node, 2);
    node.stop(STOP_MAX).unwrap();
    std::fs::write(dir.path().join("tradepost.db"), vec![0x5a; 64 << 10]).unwrap();
    let node = start_node(dir.path(), &[]).unwrap();
    assert_ne!(node.said("incarnation"), old);
    let kept = std::fs::read_dir(dir.path()).unwrap().filter_map(Result::ok);
    let mut aside = kept.filter(|entry| entry.file_name().to_string_lossy().starts_with("quarantine-"));
    let aside = aside.next().expect("the damaged file is kept").path();
    assert_eq!(std::fs::read(aside.join("tradepost.db")).unwrap().len(), 64 << 10);
    sell(&node, 1);
}

#[test]
fn a_changed_byte_in_the_log_is_found_and_named() {
    let dir = TempDir::new("tampered");
    let node = start_node(dir.path(), &[]).unwrap();
    sell(&node, 5);
    node.stop(STOP_MAX).unwrap();
    let db = rusqlite::Connection::open(dir.path().join("tradepost.db")).unwrap();
    // The fourth event: one cent in the middle of a sale.
    db.execute(
        "UPDATE events SET bytes = CAST(substr(bytes, 1, 200) || x'7f' || substr(bytes, 202) AS BLOB) \
         WHERE place = (SELECT place FROM events ORDER BY place LIMIT 1 OFFSET 4)",
        [],
    )
    .unwrap();
    drop(db);
    let program = tradepost_tests::process::bin_dir().join("tradepost-node");
    let audit =
        std::process::Command::new(program).args(["audit", "verify", "--data-dir"]).arg(dir.path()).output();
    let audit = audit.unwrap();
    assert!(!audit.status.success());
    let said = String::from_utf8_lossy(&audit.stderr).into_owned();
    assert!(said.contains("event 5") || said.contains("event 6"), "{said}");
}
