//! Stepwise checkout: eight durable calls (cart, five lines, a discount, checkout) against the recorded figure of a
//! known shop system.

use crate::report::Report;
use crate::{Options, load, world};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tradepost_tests::process::TempDir;
use tradepost_tests::seed::Luck;

/// Checkouts a second of Vendure 3.7.3 on SQLite, as recorded in the design note on speed.
const VENDURE_RECORDED: f64 = 8.0;

pub(crate) fn measure(options: &Options, report: &mut Report) {
    println!("\nstepwise checkout, 8 durable calls each");
    let dir = TempDir::new("bench-steps");
    let catalog = dir.path().join("catalog.ndjson");
    world::write_catalog(&catalog, 1_000).expect("the catalog is written");
    let node = world::start_node(&options.bin_dir, &dir.join("node"), &catalog.to_string_lossy());
    let address = node.said("http").trim_start_matches("http://").to_owned();
    for (clients, aim) in [(1, ">= 20x"), (16, ">= 80x")] {
        let per_second = run(&address, clients, Duration::from_secs_f64(options.seconds * 2.0));
        let against = format!("Vendure recorded {VENDURE_RECORDED}/s, {:.0}x", per_second / VENDURE_RECORDED);
        report.row(
            &format!("stepwise checkouts/s, {clients} clients"),
            format!("{per_second:.0}"),
            against,
            aim,
        );
    }
}

fn run(address: &str, clients: u64, time: Duration) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let begun = Instant::now();
    let done: u32 = runtime.block_on(async {
        let tasks = (0..clients).map(|client| shopper(address, client, begun + time));
        futures_util::future::join_all(tasks).await.into_iter().sum()
    });
    f64::from(done) / begun.elapsed().as_secs_f64()
}

async fn shopper(address: &str, client: u64, until: Instant) -> u32 {
    let mut stream = load::connect(address).await;
    let mut luck = Luck::new(client + 77);
    let mut done = 0;
    while Instant::now() < until {
        let till = format!("R{}", 1 + client % 4);
        let cart = call(&mut stream, address, "POST", "/v1/carts", format!(r#"{{"till":"{till}"}}"#)).await;
        let path = format!("/v1/carts/{}", cart["id"].as_str().expect("a cart has an id"));
        for _ in 0..5 {
            let (sku, _, _) = world::product(u32::try_from(luck.below(1_000)).unwrap_or(0));
            let line = format!(r#"{{"sku":"{sku}","quantity_milli":1000}}"#);
            call(&mut stream, address, "POST", &format!("{path}/lines"), line).await;
        }
        let discount = r#"{"kind":"percent","value":50000,"reason":"regular"}"#.to_owned();
        call(&mut stream, address, "POST", &format!("{path}/discounts"), discount).await;
        let pay = r#"{"tenders":[{"kind":"cash","amount":50000}]}"#.to_owned();
        call(&mut stream, address, "POST", &format!("{path}/checkout"), pay).await;
        done += 1;
    }
    done
}

async fn call(
    stream: &mut tokio::net::TcpStream,
    address: &str,
    method: &str,
    path: &str,
    body: String,
) -> serde_json::Value {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("the node reads");
    let mut buffer = Vec::with_capacity(8 * 1024);
    let status = load::answer(stream, &mut buffer).await;
    assert!((200..300).contains(&status), "{status}: {}", String::from_utf8_lossy(&buffer));
    let at = buffer.windows(4).position(|w| w == b"\r\n\r\n").map_or(0, |at| at + 4);
    serde_json::from_slice(&buffer[at..]).expect("JSON")
}
