//! kill −9 in the middle of selling, again and again: what was answered with 2xx is there, exactly once, and the
//! receipts have no gap (`resilience.md`, Faults).

#![allow(clippy::print_stdout, reason = "what was measured or skipped is said")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tradepost_tests::http::Client;
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::process::{Program, TempDir, wait_for};
use tradepost_tests::seed::{Luck, full};
use tradepost_tests::till::{Books, cash_sale, put_sale, start_node};

const WRITERS: usize = 4;
/// What is promised is 1 s; a loaded machine may take longer without being wrong.
const READY_MAX: Duration = Duration::from_secs(10);

/// What the client itself knows, whatever the node says later.
#[derive(Default)]
struct Ledger {
    answered: BTreeSet<String>,
    /// Sent, and never answered: to be asked again.
    open: Vec<String>,
}

#[derive(Default)]
struct Round {
    in_flight: AtomicU64,
    answered: AtomicU64,
}

#[test]
fn no_answered_sale_is_lost_or_doubled_by_kills() {
    let cycles = if full() { 300 } else { 30 };
    let mut luck = Luck::of_this_run("kill test");
    let dir = TempDir::new("kill");
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let (mut hit, mut ready) = (0u32, Vec::new());
    let mut incarnation = None;
    for cycle in 0..cycles {
        let node = start_node(dir.path(), &[]).expect("the node starts again");
        ready.push(node.took);
        let said = node.said("incarnation");
        assert_eq!(
            *incarnation.get_or_insert(said.clone()),
            said,
            "cycle {cycle}: a crash is no lost memory"
        );
        if one_cycle(node, &ledger, &mut luck) {
            hit += 1;
        }
    }
    ready.sort();
    println!(
        "{cycles} kills, {hit} with requests in flight ({} %), ready in {:?} (median), {:?} (worst)",
        hit * 100 / cycles,
        ready[ready.len() / 2],
        ready[ready.len() - 1]
    );
    let known = ledger.lock().unwrap();
    check_books(dir.path(), &known);
    assert!(ready[ready.len() - 1] <= READY_MAX, "ready again within {READY_MAX:?}");
    assert!(hit * 100 >= cycles * 80, "at least 80 % of the kills hit requests in flight");
}

/// Sells with four writers, kills, and answers whether requests were in flight.
fn one_cycle(node: Program, ledger: &Arc<Mutex<Ledger>>, luck: &mut Luck) -> bool {
    let round = Arc::new(Round::default());
    let url = node.said("http");
    let writers: Vec<JoinHandle<()>> = (0..WRITERS)
        .map(|writer| {
            let (ledger, round, url) = (Arc::clone(ledger), Arc::clone(&round), url.clone());
            std::thread::spawn(move || sell_until_cut(writer, &url, &ledger, &round))
        })
        .collect();
    let enough = 4 + luck.below(40);
    wait_for("the first answers", Duration::from_secs(30), || {
        round.answered.load(Ordering::SeqCst) >= enough
    })
    .expect("the node sells");
    // Anywhere in a group commit.
    std::thread::sleep(Duration::from_micros(luck.below(3_000)));
    let hit = round.in_flight.load(Ordering::SeqCst) > 0;
    node.kill();
    writers.into_iter().for_each(|writer| writer.join().expect("a writer ends when the node is gone"));
    hit
}

fn sell_until_cut(writer: usize, url: &str, ledger: &Mutex<Ledger>, round: &Round) {
    let mut client = Client::new(url);
    loop {
        let again = ledger.lock().unwrap().open.pop();
        let id = again.unwrap_or_else(uuid_v7);
        // The same id always asks for the same, so that a repeat is one.
        let sale = cash_sale(&[("EN-001", 1_000), ("EN-019", 1_000 * (1 + quantity(&id)))], 10_000);
        round.in_flight.fetch_add(1, Ordering::SeqCst);
        let answer = put_sale(&mut client, &id, &sale);
        round.in_flight.fetch_sub(1, Ordering::SeqCst);
        let mut ledger = ledger.lock().unwrap();
        match answer {
            Ok(answer) => {
                assert_eq!(answer.status, 201, "writer {writer}: {}", answer.text());
                assert_eq!(answer.json()["id"].as_str(), Some(id.as_str()));
                ledger.answered.insert(id);
                round.answered.fetch_add(1, Ordering::SeqCst);
            }
            Err(_) => {
                ledger.open.push(id);
                return;
            }
        }
    }
}

fn quantity(id: &str) -> i64 {
    i64::from(id.as_bytes().last().copied().unwrap_or(0) % 3)
}

fn check_books(dir: &Path, known: &Ledger) {
    let node = start_node(dir, &[]).expect("the node starts at last");
    let mut client = node.client("http");
    // Whatever was cut off is asked for again: it answers, whether it had been booked or not.
    for id in &known.open {
        let sale = cash_sale(&[("EN-001", 1_000), ("EN-019", 1_000 * (1 + quantity(id)))], 10_000);
        let (first, second) =
            (put_sale(&mut client, id, &sale).unwrap(), put_sale(&mut client, id, &sale).unwrap());
        assert_eq!((first.status, &first.body), (201, &second.body), "a repeat gets the same answer");
    }
    let export = client.get("/v1/exports/events").unwrap();
    let books = Books::read(&export.text());
    println!(
        "{} sales answered, {} cut off, {} events",
        known.answered.len(),
        known.open.len(),
        books.events
    );
    assert!(known.answered.len() > 100, "the test sold something");
    assert_eq!(books.missing(&known.answered), Vec::<String>::new(), "lost");
    assert_eq!(books.doubled(), Vec::<String>::new(), "doubled");
    assert_eq!(books.gaps(), Vec::<String>::new(), "gaps in receipts");
    let asked: BTreeSet<&String> = known.answered.iter().chain(&known.open).collect();
    assert_eq!(books.documents.len(), asked.len(), "nothing was booked that nobody asked for");
    let stock = client.get("/v1/stock/EN-001").unwrap().ok();
    let sold = i64::try_from(asked.len()).unwrap();
    assert_eq!(stock["on_hand"], 120 - sold, "one piece a sale left the shelf");
    let verified = std::process::Command::new(tradepost_tests::process::bin_dir().join("tradepost-node"))
        .args(["audit", "verify", "--data-dir"])
        .arg(dir)
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}
