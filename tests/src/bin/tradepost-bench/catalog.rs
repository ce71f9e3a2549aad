//! Start-up, memory, lookup and search with a large catalog.

use crate::report::{Report, median, ms, percentile};
use crate::{Options, load, world};
use std::time::Duration;
use tradepost_tests::process::TempDir;
use tradepost_tests::seed::Luck;

pub(crate) fn measure(options: &Options, report: &mut Report) {
    println!("\ncatalog of {} products", options.products);
    let dir = TempDir::new("bench-catalog");
    let catalog = dir.path().join("catalog.ndjson");
    world::write_catalog(&catalog, options.products).expect("the catalog is written");
    let data = dir.join("node");
    world::start_node(&options.bin_dir, &data, &catalog.to_string_lossy()).kill();
    let mut starts = Vec::new();
    for _ in 0..options.rounds {
        let node = world::restart_node(&options.bin_dir, &data);
        starts.push(node.took.as_secs_f64());
        node.kill();
    }
    report.row("start to ready, after kill -9", ms(median(starts)), String::new(), "<= 100 ms");
    let node = world::restart_node(&options.bin_dir, &data);
    let address = node.said("http").trim_start_matches("http://").to_owned();
    let time = Duration::from_secs_f64(options.seconds);
    let products = options.products;
    let pick = move |luck: &mut Luck| u32::try_from(luck.below(u64::from(products))).unwrap_or(0);
    let mut lookup = load::run(&address, 1, time, |luck, _| {
        ("GET", format!("/v1/lookup/{}", world::gtin(pick(luck))), String::new())
    });
    let mut search = load::run(&address, 1, time, |luck, _| {
        let (_, name, _) = world::product(pick(luck));
        let words: Vec<_> = name.split(' ').take(2).collect();
        ("GET", format!("/v1/products?q={}&limit=20", words.join("%20")), String::new())
    });
    let mut live = load::run(&address, 1, time, |_, _| ("GET", "/livez".to_owned(), String::new()));
    let hello = percentile(&mut live.latencies, 50.0);
    for (what, latencies) in
        [("lookup by barcode", &mut lookup.latencies), ("search, two words", &mut search.latencies)]
    {
        let figures =
            format!("p50 {}, p99 {}", ms(percentile(latencies, 50.0)), ms(percentile(latencies, 99.0)));
        report.row(what, figures, format!("hello over HTTP p50 {}", ms(hello)), "-");
    }
    load::run(&address, 16, time, |luck, client| {
        let (path, body) = world::sale(luck, products, &format!("R{}", 1 + client % 4));
        ("PUT", path, body)
    });
    #[expect(clippy::cast_precision_loss, reason = "megabytes")]
    let resident = node.resident() as f64 / 1e6;
    report.row("resident memory after load", format!("{resident:.1} MB"), String::new(), "<= 80 MB");
    #[expect(clippy::cast_precision_loss, reason = "megabytes")]
    let installed =
        std::fs::metadata(options.bin_dir.join("tradepost-node")).map_or(0.0, |m| m.len() as f64 / 1e6);
    report.row("installed size, one file", format!("{installed:.1} MB"), String::new(), "<= 24 MB");
}
