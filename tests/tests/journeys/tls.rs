//! A tablet on the store's LAN: it trusts the store's own authority, is paired by a code, and asks by its token
//! (`screens.md`; `resilience.md`, Attacks).

use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;
use tradepost_tests::http::Client;
use tradepost_tests::https::SecureClient;
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::process::{Program, TempDir, bin_dir};
use tradepost_tests::till::{cash_sale, start_node};

const TLS: &[&str] = &["--tls", "127.0.0.1:0"];

/// A device that has installed the authority which the node shows at its own machine.
fn tablet(node: &Program, local: &mut Client) -> SecureClient {
    let authority = local.get("/ca.pem").expect("the node answers");
    assert_eq!(authority.status, 200, "{}", authority.text());
    SecureClient::new(&node.said("https"), &authority.text())
}

fn pair(local: &mut Client, device: &SecureClient, kind: &str) -> Value {
    let wanted = json!({"name": format!("the {kind}"), "kind": kind, "till": "R2"});
    let code = local.json("POST", "/v1/pairings", &wanted).expect("the node answers").ok()["code"].clone();
    let typed = code.as_str().expect("a code").to_lowercase().replace('-', " ");
    let paired = device.json("POST", "/v1/devices", &json!({"code": typed})).expect("the node answers").ok();
    let again = device.json("POST", "/v1/devices", &json!({"code": typed})).expect("the node answers");
    assert_eq!((again.status, again.code().as_str()), (403, "FORBIDDEN"), "a code is good once");
    paired
}

fn token(paired: &Value) -> &str {
    paired["token"].as_str().expect("a token")
}

#[test]
fn a_tablet_is_paired_and_sells_over_tls() {
    let folder = TempDir::new("tls-tablet");
    let node = start_node(folder.path(), TLS).expect("the node starts");
    let mut local = node.client("http");
    let stranger = tablet(&node, &mut local);
    assert_eq!(stranger.get("/").expect("a secret is agreed on").status, 200, "the page is open");
    let guide = stranger.get("/ca").expect("an answer").text();
    assert!(guide.contains(&node.said("ca")), "the fingerprint is the one that the node said");
    for path in ["/v1/till/bootstrap", "/v1/sales", "/v1/events", "/metrics"] {
        let closed = stranger.get(path).expect("an answer");
        assert_eq!((closed.status, closed.code().as_str()), (401, "UNAUTHORIZED"), "{path}");
    }
    let paired = pair(&mut local, &stranger, "till");
    let device = tablet(&node, &mut local).with_token(token(&paired));
    let begun = device.get("/v1/till/bootstrap").expect("an answer").ok();
    assert_eq!((&begun["till"], &begun["device"]), (&json!("R2"), &json!("the till")));
    let mut sale = cash_sale(&[("EN-001", 1_000)], 5_000);
    sale["till"] = json!("R2");
    let sold = device.json("PUT", &format!("/v1/sales/{}", uuid_v7()), &sale).expect("an answer");
    assert_eq!(sold.status, 201, "{}", sold.text());
    let wrong = tablet(&node, &mut local).with_token(&"0".repeat(64));
    assert_eq!(wrong.get("/v1/sales").expect("an answer").status, 401);
    let path = format!("/v1/devices/{}/unpair", paired["id"].as_str().expect("an id"));
    let left = local.json("POST", &path, &json!({})).expect("an answer").ok();
    assert_eq!(left["data"], json!([]));
    assert_eq!(
        device.get("/v1/sales").expect("an answer").status,
        401,
        "its token is worth nothing any more"
    );
}

#[test]
fn a_display_shows_what_is_bought_and_changes_nothing() {
    let folder = TempDir::new("tls-display");
    let node = start_node(folder.path(), TLS).expect("the node starts");
    let mut local = node.client("http");
    let stranger = tablet(&node, &mut local);
    let paired = pair(&mut local, &stranger, "display");
    let display = tablet(&node, &mut local).with_token(token(&paired));
    let mut news = display.listen("/v1/events").expect("the display listens");
    let mut heard = until(&mut news, "\r\n\r\n");
    assert!(heard.starts_with("HTTP/1.1 200"), "{heard}");
    let opened = json!({"id": uuid_v7(), "till": "R2"});
    let refused = display.json("POST", "/v1/carts", &opened).expect("an answer");
    assert_eq!((refused.status, refused.code().as_str()), (403, "FORBIDDEN"), "{}", refused.text());
    let cart = local.json("POST", "/v1/carts", &opened).expect("an answer").ok();
    let id = cart["id"].as_str().expect("an id").to_owned();
    heard = until(&mut news, &id);
    assert!(heard.contains("cart.updated"), "{heard}");
    assert_eq!(display.get(&format!("/v1/carts/{id}")).expect("an answer").status, 200);
    for path in ["/v1/customers", "/v1/sales", "/v1/staff"] {
        assert_eq!(display.get(path).expect("an answer").status, 403, "{path}");
    }
}

/// What is heard until a text comes.
fn until(news: &mut impl Read, text: &str) -> String {
    let mut heard = String::new();
    let mut piece = [0; 1_024];
    while !heard.contains(text) {
        let n = news.read(&mut piece).expect("it goes on");
        assert!(n > 0, "it ended behind {heard}");
        heard.push_str(&String::from_utf8_lossy(&piece[..n]));
    }
    heard
}

#[test]
fn the_authority_outlives_a_restart_and_another_stores_is_not_believed() {
    let (folder, other) = (TempDir::new("tls-own"), TempDir::new("tls-other"));
    let node = start_node(folder.path(), TLS).expect("the node starts");
    let fingerprint = node.said("ca");
    let authority = node.client("http").get("/ca.pem").expect("an answer").text();
    node.kill();
    let node = start_node(folder.path(), TLS).expect("the node comes back");
    assert_eq!(node.said("ca"), fingerprint);
    let device = SecureClient::new(&node.said("https"), &authority);
    assert_eq!(device.get("/livez").expect("it is known again").status, 200);
    let stranger = start_node(other.path(), TLS).expect("another store's node starts");
    assert_ne!(stranger.said("ca"), fingerprint);
    let device = SecureClient::new(&stranger.said("https"), &authority);
    assert!(device.get("/livez").is_err(), "it is somebody else's");
    let plain = Client::new(&node.said("https").replace("https", "http")).get("/livez");
    assert!(plain.is_err(), "nothing is said in the clear");
}

#[test]
fn a_manager_allows_each_device_once_there_is_staff() {
    let folder = TempDir::new("tls-staff");
    let node = start_node(folder.path(), &[]).expect("the node starts");
    let mut local = node.client("http");
    assert_eq!(local.get("/ca").expect("an answer").code(), "NOT_FOUND", "it serves no TLS");
    let manager = json!({"name": "Ann", "role": "manager", "pin": "4711"});
    local.json("PUT", "/v1/staff/ann", &manager).expect("an answer").ok();
    let mut wanted = json!({"name": "tablet", "kind": "till", "till": "R2"});
    let refused = local.json("POST", "/v1/pairings", &wanted).expect("an answer");
    assert_eq!((refused.status, refused.code().as_str()), (403, "APPROVAL_REQUIRED"));
    wanted["approval"] = json!({"staff": "ann", "pin": "4711"});
    assert_eq!(local.json("POST", "/v1/pairings", &wanted).expect("an answer").status, 201);
    let (program, url) = (bin_dir().join("tradepost-node"), node.said("http"));
    let line = ["pair", "tablet", "--till", "R2", "--staff", "ann", "--pin", "4711", "--node", &url];
    let made = std::process::Command::new(program).args(line).output().expect("the program runs");
    let said: Value = serde_json::from_slice(&made.stdout).expect("a line of JSON");
    assert_eq!(said["code"].as_str().map(str::len), Some(9), "a node without a screen pairs too");
}

#[test]
fn what_is_sent_in_the_clear_is_shown_for_as_long_as_it_is() {
    let folder = TempDir::new("tls-insecure");
    let shows = |node: &Program| {
        let mut local = Client::new(&node.said("http").replace("0.0.0.0", "127.0.0.1"));
        let status = local.get("/v1/sync/status").expect("an answer").ok();
        let begun = local.get("/v1/till/bootstrap").expect("an answer").ok();
        assert_eq!(status["insecure_lan"], begun["insecure_lan"]);
        status["insecure_lan"].clone()
    };
    let insecure = ["--listen", "0.0.0.0:0", "--insecure-lan"];
    let node = listening(folder.path(), &insecure).expect("the node starts");
    assert_eq!(shows(&node), json!(true));
    node.kill();
    let node = listening(folder.path(), &["--listen", "127.0.0.1:0"]).expect("the node starts");
    assert_eq!(shows(&node), json!(false));
    node.kill();
    let refused = listening(folder.path(), &["--listen", "0.0.0.0:0"]).err().expect("it doesn't start");
    assert!(refused.contains("--tls"), "it says what to do: {refused}");
}

fn listening(dir: &Path, more: &[&str]) -> Result<Program, String> {
    let dir = dir.to_string_lossy();
    let mut args = vec!["run", "--data-dir", &dir, "--catalog", "en-grocer"];
    args.extend_from_slice(more);
    Program::start("tradepost-node", &args)
}
