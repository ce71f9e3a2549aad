//! A store's nodes among themselves, the hub away: how soon a sale is seen, what asking a neighbour costs, how two logs
//! that grew apart are levelled, and what a connection costs where there is nothing to say.

use crate::report::{Report, ms, percentile};
use crate::{Options, load};
use serde_json::json;
use std::time::{Duration, Instant};
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::lan::{LanNode, LanStore, SOON};
use tradepost_tests::process::wait_for;
use tradepost_tests::proxy::Weather;

const NAMES: [&str; 8] = ["n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8"];
const ITEMS: [(&str, &str); 2] = [("TICKET", "Strict"), ("MUG", "InHand")];
const LEVEL_MAX: Duration = Duration::from_secs(600);

pub(crate) fn measure(_: &Options, report: &mut Report) {
    println!("\neight nodes on a LAN, the hub away");
    let mut store = LanStore::open("bench-lan", &NAMES, &ITEMS);
    store.nodes[0].receive("MUG", 100_000);
    store.nodes[0].receive("TICKET", 100_000);
    store.agrees();
    store.hub_gone();
    seen(&mut store, report);
    acquired(&mut store, report);
}

/// A sale at one node until each of the others shows one piece less.
fn seen(store: &mut LanStore, report: &mut Report) {
    let mut waits = Vec::new();
    let mut left = store.nodes[0].figure("MUG", "on_hand");
    for turn in 0..200 {
        let at = turn % NAMES.len();
        let (_, answer) = store.nodes[at].sell("MUG", 1);
        let begun = Instant::now();
        answer.ok();
        left -= 1;
        let mut waiting: Vec<&mut LanNode> =
            store.nodes.iter_mut().enumerate().filter(|(n, _)| *n != at).map(|(_, node)| node).collect();
        while !waiting.is_empty() {
            waiting.retain_mut(|node| {
                let there = node.figure("MUG", "on_hand") == left;
                if there {
                    waits.push(begun.elapsed().as_secs_f64());
                }
                !there
            });
            assert!(begun.elapsed() < SOON, "a sale isn't seen");
        }
    }
    let (p50, p99) = (percentile(&mut waits, 50.0), percentile(&mut waits, 99.0));
    report.row(
        "LAN, 8 nodes: a sale seen by each other, p99",
        ms(p99),
        format!("p50 {}", ms(p50)),
        "<= 200 ms",
    );
}

/// A promised good whose rights another node holds: the sale with its asking. What was given beyond it goes back, so
/// that the next one has to ask again.
fn acquired(store: &mut LanStore, report: &mut Report) {
    let holder = store.nodes[0].status()["incarnation"].clone();
    let (mut asked, mut own, mut short) = (Vec::new(), Vec::new(), 0);
    for turn in 0..200 {
        let node = &mut store.nodes[1 + turn % (NAMES.len() - 1)];
        let begun = Instant::now();
        let (_, answer) = node.sell("TICKET", 1);
        asked.push(begun.elapsed().as_secs_f64());
        // The answer came after the till had stopped waiting; the rights arrive all the same.
        short += u32::from(answer.status == 409);
        let rest = node.figure("TICKET", "rights");
        if rest > 0 {
            let back = json!({"id": uuid_v7(), "to": holder, "units": rest});
            node.client.json("POST", "/v1/stock/TICKET/grants", &back).expect("the node answers").ok();
        }
        let begun = Instant::now();
        store.nodes[0].sell("MUG", 1).1.ok();
        own.push(begun.elapsed().as_secs_f64());
    }
    let (p50, p99) = (percentile(&mut asked, 50.0), percentile(&mut asked, 99.0));
    let alone = ms(percentile(&mut own, 99.0));
    let against = format!("p50 {}, {short} of 200 refused; a sale that asks nobody p99 {alone}", ms(p50));
    report.row("LAN, 8 nodes: a sale that asks a neighbour, p99", ms(p99), against, "<= 150 ms");
}

/// Two nodes that sold apart, each `options.apart` sales, and see each other again.
pub(crate) fn apart(options: &Options, report: &mut Report) {
    println!("\ntwo logs of {} sales that grew apart", options.apart);
    let mut store = LanStore::open("bench-apart", &NAMES[..2], &ITEMS);
    store.hub_gone();
    for at in [0, 1] {
        store.nodes[1 - at].kill();
        sell(&store.nodes[at].client_address(), options.apart);
        store.nodes[at].kill();
        store.nodes[1 - at].start();
    }
    store.nodes[1].start();
    let begun = Instant::now();
    wait_for("one log", LEVEL_MAX, || {
        let heads = |node: &mut LanNode| node.status()["frontier"].clone();
        heads(&mut store.nodes[0]) == heads(&mut store.nodes[1])
    })
    .expect("they level");
    let took = begun.elapsed().as_secs_f64();
    let most = store.nodes.iter().map(|node| peak_mib(node.pid())).max().unwrap_or(0);
    let rate = 2.0 * f64::from(options.apart) / took;
    let against = format!("{rate:.0} events/s both ways together");
    report.row(
        "LAN: two logs level",
        format!("{took:.1} s, at most {most} MiB resident"),
        against,
        "<= 10 s, <= 256 MiB",
    );
}

/// Application bytes of a connection that has nothing to say, with an empty database and a full one.
pub(crate) fn reconnected(_: &Options, report: &mut Report) {
    let mut store = LanStore::open("bench-again", &NAMES[..1], &ITEMS);
    let mut costs = Vec::new();
    for sales in [0, 20_000] {
        sell(&store.nodes[0].client_address(), sales);
        wait_for("all sent", LEVEL_MAX, || store.nodes[0].status()["unsynced"] == 0).expect("it drains");
        let bytes = |node: &mut LanNode| {
            let status = node.status();
            status["bytes_sent"].as_u64().unwrap_or(0) + status["bytes_received"].as_u64().unwrap_or(0)
        };
        store.nodes[0].hub_link(Weather::Closed);
        wait_for("no link", SOON, || store.nodes[0].status()["link"] == "offline").expect("it is cut");
        let before = bytes(&mut store.nodes[0]);
        store.nodes[0].hub_link(Weather::Clear);
        wait_for("a link", SOON, || store.nodes[0].status()["link"] == "online").expect("it is back");
        costs.push(bytes(&mut store.nodes[0]) - before);
    }
    let against = format!("{} B with nothing in the log", costs[0]);
    report.row(
        "reconnect with nothing to do, 20,000 sales in the log",
        format!("{} B", costs[1]),
        against,
        "<= 1,000 B",
    );
}

/// Bytes of a drain whose connection is cut again and again, against those of one that isn't.
pub(crate) fn killed(options: &Options, report: &mut Report) {
    let sales = options.backlog.min(20_000);
    let drained = |cut_after: Option<u64>| {
        let mut store = LanStore::open("bench-killed", &NAMES[..1], &ITEMS);
        store.nodes[0].hub_link(Weather::Closed);
        wait_for("no link", SOON, || store.nodes[0].status()["link"] == "offline").expect("it is cut");
        sell(&store.nodes[0].client_address(), sales);
        let before = store.nodes[0].status()["bytes_sent"].as_u64().unwrap_or(0);
        store.nodes[0].hub_link(cut_after.map_or(Weather::Clear, Weather::CutAfter));
        wait_for("all sent", LEVEL_MAX, || store.nodes[0].status()["unsynced"] == 0).expect("it drains");
        (store.nodes[0].status()["bytes_sent"].as_u64().unwrap_or(0) - before, store.nodes[0].cuts())
    };
    let (clean, _) = drained(None);
    let (cut, cuts) = drained(Some(clean / 10 + 4_000));
    #[expect(clippy::cast_precision_loss, reason = "counts of bytes")]
    let ratio = cut as f64 / clean as f64;
    let against = format!("{clean} B undisturbed, {cuts} connections cut");
    report.row("application bytes of a drain cut at every tenth", format!("{ratio:.3}x"), against, "<= 1.1x");
}

/// Sells `sales` mugs through 16 tills.
fn sell(address: &str, sales: u32) {
    let mut sold = 0;
    while sold < u64::from(sales) {
        let wanted = Duration::from_millis(if u64::from(sales) - sold < 2_000 { 50 } else { 500 });
        let figures = load::run(address, 16, wanted, |_, client| {
            let line = json!({"sku": "MUG", "quantity_milli": 1_000});
            let tender = json!({"kind": "cash", "amount": 100});
            let sale = json!({"till": format!("R{}", 1 + client % 4), "lines": [line], "tenders": [tender]});
            ("PUT", format!("/v1/sales/{}", uuid_v7()), sale.to_string())
        });
        sold += figures.sales;
    }
}

/// The most a process has held in memory, in MiB (Linux).
fn peak_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1_024
}
