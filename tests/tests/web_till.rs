//! The till page in Chromium, on a real node: scan to receipt by keyboard, the node killed and back, every screen in
//! both languages and themes, and every room around the counter: stock, receipts and refunds, payments, the shift, staff
//! and the customer's display (`screens.md` §4.3 and §4.4). The stories are in `web-ui/e2e`.
//!
//! Needs Node.js, the page built by `scripts/web`, and Chromium. Where one is missing the test says so; on CI, and
//! with `TRADEPOST_WEB=1`, that is a failure.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tradepost_tests::browser;
use tradepost_tests::http::Client;
use tradepost_tests::process::{Program, TempDir, wait_for};

#[test]
fn a_cashier_sells_in_the_browser() {
    let Some(web) = browser::web_ui() else { return };
    let dir = TempDir::new("web-till");
    let mut node = Some(start(dir.path(), "127.0.0.1:0"));
    let url = node.as_ref().map(|node| node.said("http")).unwrap_or_default();
    let page = Client::new(&url).get("/").expect("the node serves a page").text();
    assert!(page.contains("id=\"till\""), "the node has no page built in: run scripts/web, then build again");

    // VietQR is for stores that sell in dong.
    let vietnam = TempDir::new("web-till-vn");
    let vn = start_with(vietnam.path(), "127.0.0.1:0", "vn-minimart");

    let mut stories = stories(&web, &url, &vn.said("http"));
    let mut answer = stories.stdin.take().expect("stdin is piped");
    let said = BufReader::new(stories.stdout.take().expect("stdout is piped"));
    let listen = url.trim_start_matches("http://").to_owned();
    let mut told = String::new();
    for line in said.lines().map_while(Result::ok) {
        match line.as_str() {
            "@kill" => node.take().expect("it runs").kill(),
            "@start" => node = Some(start(dir.path(), &listen)),
            _ => {
                eprintln!("{line}");
                told.push_str(&line);
                told.push('\n');
                continue;
            }
        }
        writeln!(answer, "done").expect("the stories listen");
    }
    let status = stories.wait().expect("the stories end");
    assert!(status.success(), "{status}; screenshots in {}\n{told}", browser::shots().display());
    node.take().expect("it runs").stop(Duration::from_secs(20)).expect("a clean end");
    vn.stop(Duration::from_secs(20)).expect("a clean end");
}

/// A node over the folder; after a kill its port may be held for a moment.
fn start(dir: &Path, listen: &str) -> Program {
    start_with(dir, listen, "en-grocer")
}

fn start_with(dir: &Path, listen: &str, catalog: &str) -> Program {
    let dir = dir.to_string_lossy();
    let args = ["run", "--data-dir", &dir, "--listen", listen, "--catalog", catalog];
    let mut node = None;
    wait_for("the node starts", Duration::from_secs(60), || {
        node = Program::start("tradepost-node", &args).map_err(|e| eprintln!("{e}")).ok();
        node.is_some()
    })
    .expect("the node starts");
    node.expect("it started")
}

fn stories(web: &Path, url: &str, url_vn: &str) -> Child {
    Command::new("node")
        .arg(web.join("e2e/till.mjs"))
        .current_dir(web)
        .env("TRADEPOST_URL", url)
        .env("TRADEPOST_URL_VN", url_vn)
        .env("TRADEPOST_E2E_CONTROL", "1")
        .env("TRADEPOST_SHOTS", browser::shots())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Node.js starts")
}
