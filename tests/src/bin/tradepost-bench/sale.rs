//! A sale over HTTP with full rules against ten raw rows, interleaved.

use crate::load::{self, Request};
use crate::raw::Raw;
use crate::report::{Report, median, ms, percentile};
use crate::{Options, world};
use std::time::{Duration, Instant};
use tradepost_tests::process::{Program, TempDir};
use tradepost_tests::seed::Luck;

#[derive(Default)]
struct Rounds {
    raw_p50: Vec<f64>,
    raw_p99: Vec<f64>,
    raw_64: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    one: Vec<f64>,
    sixteen: Vec<f64>,
    sixty_four: Vec<f64>,
    p99_of_64: Vec<f64>,
}

pub(crate) fn measure(options: &Options, report: &mut Report) {
    println!(
        "\nsale over HTTP, {} products, {} rounds of {} s a point",
        options.products, options.rounds, options.seconds
    );
    let dir = TempDir::new("bench-sale");
    let catalog = dir.path().join("catalog.ndjson");
    world::write_catalog(&catalog, options.products).expect("the catalog is written");
    let node = world::start_node(&options.bin_dir, &dir.join("node"), &catalog.to_string_lossy());
    let mut raw = Raw::new(dir.path());
    let rounds = rounds(options, &node, &mut raw);
    tell(&rounds, report);
    disk(options, &node, &mut raw, dir.path(), report);
    busy(options, &node, report);
}

fn address(node: &Program) -> String {
    node.said("http").trim_start_matches("http://").to_owned()
}

fn selling(products: u32) -> impl Fn(&mut Luck, u64) -> Request {
    move |luck, client| {
        let (path, body) = world::sale(luck, products, &format!("R{}", 1 + client % 4));
        ("PUT", path, body)
    }
}

fn rounds(options: &Options, node: &Program, raw: &mut Raw) -> Rounds {
    let (address, time) = (address(node), Duration::from_secs_f64(options.seconds));
    let mut rounds = Rounds::default();
    load::run(&address, 4, Duration::from_secs(1), selling(options.products));
    for _ in 0..options.rounds {
        let mut floor = raw.run(1, time);
        rounds.raw_p50.push(percentile(&mut floor.latencies, 50.0));
        rounds.raw_p99.push(percentile(&mut floor.latencies, 99.0));
        let mut one = load::run(&address, 1, time, selling(options.products));
        rounds.p50.push(percentile(&mut one.latencies, 50.0));
        rounds.p99.push(percentile(&mut one.latencies, 99.0));
        rounds.one.push(one.per_second);
        rounds.sixteen.push(load::run(&address, 16, time, selling(options.products)).per_second);
        rounds.raw_64.push(raw.run(64, time).per_second);
        let mut many = load::run(&address, 64, time, selling(options.products));
        rounds.sixty_four.push(many.per_second);
        rounds.p99_of_64.push(percentile(&mut many.latencies, 99.0));
    }
    rounds
}

fn tell(rounds: &Rounds, report: &mut Report) {
    let m = |values: &Vec<f64>| median(values.clone());
    let against = |own: f64, floor: f64| format!("raw {}, {:.2}x", ms(floor), own / floor);
    let (p50, p99) = (m(&rounds.p50), m(&rounds.p99));
    report.row("sale p50, 1 client", ms(p50), against(p50, m(&rounds.raw_p50)), "<= 3x raw");
    report.row("sale p99, 1 client", ms(p99), against(p99, m(&rounds.raw_p99)), "<= 2.5x raw");
    report.row("sales/s, 1 client", format!("{:.0}", m(&rounds.one)), String::new(), "-");
    report.row("sales/s, 16 clients", format!("{:.0}", m(&rounds.sixteen)), String::new(), "-");
    let (own, floor) = (m(&rounds.sixty_four), m(&rounds.raw_64));
    let against = format!("raw k=64 {floor:.0}, {:.2}x", own / floor);
    report.row("sales/s, 64 clients", format!("{own:.0}"), against, ">= 0.40x raw");
    report.row("sale p99, 64 clients", ms(m(&rounds.p99_of_64)), String::new(), "-");
}

/// What a sale costs the disk, with one commit a sale.
fn disk(options: &Options, node: &Program, raw: &mut Raw, dir: &std::path::Path, report: &mut Report) {
    let time = Duration::from_secs_f64(options.seconds);
    #[expect(clippy::cast_precision_loss, reason = "bytes of a short run")]
    let each = |bytes: u64, sales: u64| bytes as f64 / sales.max(1) as f64;
    let (before, size_before) = (world::written(node.pid()), world::folder_size(&dir.join("node")));
    let own = load::run(&address(node), 1, time, selling(options.products));
    let written = each(world::written(node.pid()) - before, own.sales);
    raw.write_back();
    let (raw_before, raw_size) = (world::written(std::process::id()), file_size(&dir.join("raw.db")));
    let floor = raw.run(1, time);
    raw.write_back();
    let raw_written = each(world::written(std::process::id()) - raw_before, floor.sales);
    report.row(
        "disk written a sale, one a commit",
        format!("{:.1} KB", written / 1_000.0),
        format!("raw {:.1} KB", raw_written / 1_000.0),
        "<= 46 KB",
    );
    let grown = each(world::folder_size(&dir.join("node")).saturating_sub(size_before), own.sales);
    let raw_grown = each(file_size(&dir.join("raw.db")).saturating_sub(raw_size), floor.sales);
    report.row(
        "storage a sale",
        format!("{grown:.0} B"),
        format!("raw {raw_grown:.0} B, {:.2}x", grown / raw_grown),
        "<= 1.5x raw",
    );
    let wal = file_size(&dir.join("node").join("tradepost.db-wal"));
    report.row("write-ahead log", format!("{:.1} MB", wal as f64 / 1e6), String::new(), "<= 72 MB");
}

fn file_size(path: &std::path::Path) -> u64 {
    std::fs::metadata(path).map_or(0, |m| m.len())
}

/// The same with four busy loops beside it.
fn busy(options: &Options, node: &Program, report: &mut Report) {
    let time = Duration::from_secs_f64(options.seconds);
    let mut idle = load::run(&address(node), 1, time, selling(options.products));
    let until = Instant::now() + time;
    let loops: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || {
                let mut n = 0u64;
                while Instant::now() < until {
                    n = std::hint::black_box(n.wrapping_mul(3) + 1);
                }
            })
        })
        .collect();
    let mut loaded = load::run(&address(node), 1, time, selling(options.products));
    loops.into_iter().for_each(|l| l.join().expect("a busy loop ends"));
    let (idle, loaded) = (percentile(&mut idle.latencies, 50.0), percentile(&mut loaded.latencies, 50.0));
    let against = format!("idle {}, {:.2}x", ms(idle), loaded / idle);
    report.row("sale p50 with 4 busy loops", ms(loaded), against, "<= 2x idle");
}
