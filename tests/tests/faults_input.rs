//! Bad input, a closing node, a full disk: each a clear problem, nothing half-written.

#![allow(clippy::print_stdout, reason = "what was measured or skipped is said")]

use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;
use tradepost_tests::http::Client;
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::process::{Program, TempDir, wait_for};
use tradepost_tests::till::{Books, cash_sale, put_sale, start_node};

struct Story {
    what: &'static str,
    body: Value,
    status: u16,
    code: &'static str,
    pointer: Option<&'static str>,
}

fn story(
    what: &'static str,
    body: Value,
    status: u16,
    code: &'static str,
    pointer: Option<&'static str>,
) -> Story {
    Story { what, body, status, code, pointer }
}

fn cash(amount: i64) -> Value {
    json!([{"kind": "cash", "amount": amount}])
}

fn bad_sales() -> Vec<Story> {
    let line = |line: Value| json!({"till": "R1", "lines": [line], "tenders": cash(10_000)});
    vec![
        story("unknown sku", line(json!({"sku": "NO-SUCH"})), 422, "UNKNOWN_SKU", Some("/lines/0/sku")),
        story(
            "unknown barcode",
            line(json!({"code": "4006381333931"})),
            422,
            "UNKNOWN_BARCODE",
            Some("/lines/0/code"),
        ),
        story(
            "misread barcode",
            line(json!({"code": "9520202000018"})),
            422,
            "BAD_CHECK_DIGIT",
            Some("/lines/0/code"),
        ),
        story(
            "unreadable barcode",
            line(json!({"code": "\u{fffd}\u{fffd}"})),
            422,
            "BAD_CODE",
            Some("/lines/0/code"),
        ),
        story(
            "negative quantity",
            line(json!({"sku": "EN-001", "quantity_milli": -1000})),
            422,
            "BAD_QUANTITY",
            Some("/lines/0/quantity_milli"),
        ),
        story(
            "absurd quantity",
            line(json!({"sku": "EN-001", "quantity_milli": 9_000_000_000_000_000i64})),
            422,
            "BAD_QUANTITY",
            Some("/lines/0/quantity_milli"),
        ),
        story(
            "half a carton",
            line(json!({"sku": "EN-001", "quantity_milli": 500})),
            422,
            "BAD_QUANTITY",
            Some("/lines/0/quantity_milli"),
        ),
        story(
            "short tender",
            json!({"till": "R1", "lines": [{"sku": "EN-001"}], "tenders": cash(100)}),
            422,
            "SHORT_TENDER",
            Some("/tenders"),
        ),
        story(
            "negative tender",
            json!({"till": "R1", "lines": [{"sku": "EN-001"}], "tenders": cash(-5)}),
            422,
            "BAD_MONEY",
            Some("/tenders/0/amount"),
        ),
        story(
            "card without its terminal",
            json!({"till": "R1", "lines": [{"sku": "EN-001"}], "tenders": [{"kind": "card", "amount": 139}]}),
            422,
            "TENDER_NOT_TAKEN",
            Some("/tenders/0/reference"),
        ),
        story(
            "no lines",
            json!({"till": "R1", "lines": [], "tenders": []}),
            422,
            "EMPTY_BASKET",
            Some("/lines"),
        ),
        story(
            "unknown field",
            json!({"till": "R1", "lines": [], "tenders": [], "tip": 5}),
            422,
            "UNKNOWN_FIELD",
            Some("/tip"),
        ),
        story(
            "unknown field deep inside",
            line(json!({"sku": "EN-001", "qty": 1})),
            422,
            "UNKNOWN_FIELD",
            Some("/lines/0/qty"),
        ),
        story("missing field", json!({"till": "R1", "lines": []}), 422, "MISSING_FIELD", Some("/tenders")),
        story(
            "text in numbers",
            line(json!({"sku": "EN-001", "quantity_milli": "1000"})),
            422,
            "WRONG_TYPE",
            Some("/lines/0/quantity_milli"),
        ),
        story(
            "a fraction in numbers",
            line(json!({"sku": "EN-001", "quantity_milli": 1.5})),
            422,
            "WRONG_TYPE",
            Some("/lines/0/quantity_milli"),
        ),
        story(
            "a bad till",
            json!({"till": "R 1", "lines": [{"sku": "EN-001"}], "tenders": cash(500)}),
            422,
            "BAD_TILL",
            Some("/till"),
        ),
        story(
            "beer without looking",
            line(json!({"sku": "EN-085"})),
            422,
            "AGE_CHECK_REQUIRED",
            Some("/lines/0/age_check"),
        ),
        story(
            "another total",
            json!({"till": "R1", "lines": [{"sku": "EN-001"}], "tenders": cash(500), "expected_total": 1}),
            409,
            "TOTAL_CHANGED",
            Some("/expected_total"),
        ),
        story(
            "a discount above all",
            line(
                json!({"sku": "EN-001", "discounts": [{"kind": "percent", "value": 1_000_001, "reason": "x"}]}),
            ),
            422,
            "BAD_DISCOUNT",
            Some("/lines/0/discounts/0"),
        ),
    ]
}

/// An age-restricted item of the catalog, whatever its code.
fn age_restricted(client: &mut Client) -> String {
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("/v1/products?limit=200{cursor}")).unwrap().ok();
        let rows = page["data"].as_array().cloned().unwrap_or_default();
        if let Some(item) = rows.iter().find(|item| !item["min_age"].is_null()) {
            return item["sku"].as_str().unwrap_or_default().to_owned();
        }
        cursor =
            format!("&cursor={}", page["next_cursor"].as_str().expect("the catalog has a restricted item"));
    }
}

fn problem_of(answer: &tradepost_tests::http::Answer, what: &str) -> Value {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}: {}", answer.text());
    let problem = answer.json();
    for field in ["type", "title", "status", "detail", "code", "errors", "retryable", "trace_id"] {
        assert!(!problem[field].is_null(), "{what}: {field} is missing in {problem}");
    }
    problem
}

fn seq(client: &mut Client) -> u64 {
    client.get("/v1/sync/status").unwrap().ok()["head"]["seq"].as_u64().unwrap()
}

#[test]
fn every_bad_sale_is_a_named_problem_and_writes_nothing() {
    let dir = TempDir::new("input");
    let node = start_node(dir.path(), &[]).unwrap();
    let mut client = node.client("http");
    let restricted = age_restricted(&mut client);
    let before = seq(&mut client);
    for story in bad_sales() {
        let body = story.body.to_string().replace("EN-085", &restricted);
        let body: Value = serde_json::from_str(&body).unwrap();
        let id = uuid_v7();
        let answer = put_sale(&mut client, &id, &body).unwrap();
        let problem = problem_of(&answer, story.what);
        assert_eq!(
            (answer.status, problem["code"].as_str()),
            (story.status, Some(story.code)),
            "{}: {problem}",
            story.what
        );
        assert_eq!(problem["status"], story.status);
        assert_eq!(problem["errors"][0]["pointer"].as_str(), story.pointer, "{}: {problem}", story.what);
        assert_eq!(client.get(&format!("/v1/sales/{id}")).unwrap().status, 404, "{}", story.what);
        let page = client.get(&format!("/problems/{}", story.code)).unwrap();
        assert_eq!(page.status, 200, "{} is explained", story.code);
    }
    assert_eq!(seq(&mut client), before, "a refusal stores nothing");
}

#[test]
fn requests_that_are_no_sales_are_named_too() {
    let dir = TempDir::new("input2");
    let node = start_node(dir.path(), &[]).unwrap();
    let mut client = node.client("http");
    let json_type = [("content-type", "application/json")];
    let path = format!("/v1/sales/{}", uuid_v7());
    let large = vec![b' '; 2 << 20];
    type Told<'a> = (&'a str, &'a str, String, Vec<(&'a str, &'a str)>, &'a [u8], u16, &'a str);
    let stories: Vec<Told<'_>> = vec![
        ("not JSON", "PUT", path.clone(), json_type.to_vec(), b"{", 400, "BAD_JSON"),
        (
            "two documents",
            "PUT",
            path.clone(),
            json_type.to_vec(),
            b"{\"till\":\"R1\",\"lines\":[],\"tenders\":[]}{}",
            400,
            "BAD_JSON",
        ),
        ("2 MB", "PUT", path.clone(), json_type.to_vec(), &large, 413, "BODY_TOO_LARGE"),
        (
            "a form",
            "PUT",
            path.clone(),
            vec![("content-type", "text/plain")],
            b"{}",
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        ("no type", "PUT", path.clone(), vec![], b"{}", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (
            "no id",
            "PUT",
            "/v1/sales/abc".into(),
            json_type.to_vec(),
            b"{\"till\":\"R1\",\"lines\":[],\"tenders\":[]}",
            422,
            "BAD_SALE_ID",
        ),
        (
            "an id of version 4",
            "PUT",
            "/v1/sales/0199a000-0000-4000-8000-000000000001".into(),
            json_type.to_vec(),
            b"{\"till\":\"R1\",\"lines\":[],\"tenders\":[]}",
            422,
            "BAD_SALE_ID",
        ),
        (
            "a foreign host",
            "GET",
            "/v1/products".into(),
            vec![("host", "evil.example")],
            b"",
            421,
            "MISDIRECTED_HOST",
        ),
        (
            "a foreign page",
            "PUT",
            path.clone(),
            vec![("content-type", "application/json"), ("origin", "https://evil.example")],
            b"{}",
            403,
            "BAD_ORIGIN",
        ),
        ("nothing there", "GET", "/v1/nothing".into(), vec![], b"", 404, "NOT_FOUND"),
        ("the wrong way", "DELETE", "/v1/products".into(), vec![], b"", 405, "METHOD_NOT_ALLOWED"),
        ("a bad page", "GET", "/v1/products?limit=0".into(), vec![], b"", 400, "BAD_QUERY"),
        ("an unknown code", "GET", "/v1/lookup/4006381333931".into(), vec![], b"", 404, "UNKNOWN_BARCODE"),
        ("a misread code", "GET", "/v1/lookup/9520202000018".into(), vec![], b"", 422, "BAD_CHECK_DIGIT"),
        (
            "no code",
            "POST",
            "/v1/enrolment".into(),
            json_type.to_vec(),
            b"{\"code\":\"TP1-AAAA\"}",
            403,
            "ENROLMENT_REFUSED",
        ),
    ];
    for (what, method, path, headers, body, status, code) in stories {
        let body = (method != "GET" && method != "DELETE").then_some(body);
        let answer = client.send(method, &path, &headers, body).unwrap_or_else(|e| panic!("{what}: {e}"));
        let problem = problem_of(&answer, what);
        assert_eq!((answer.status, problem["code"].as_str()), (status, Some(code)), "{what}: {problem}");
        client = node.client("http");
    }
}

#[test]
fn the_same_id_with_another_body_is_refused_and_with_the_same_body_repeated() {
    let dir = TempDir::new("input3");
    let node = start_node(dir.path(), &[]).unwrap();
    let mut client = node.client("http");
    let id = uuid_v7();
    let sale = cash_sale(&[("EN-001", 1000)], 500);
    let first = put_sale(&mut client, &id, &sale).unwrap();
    assert_eq!(first.status, 201, "{}", first.text());
    // The same request in other words: order and white space of JSON don't matter.
    let reordered = br#"{ "tenders":[{"amount":500,"kind":"cash"}], "lines":[{"quantity_milli":1000,"sku":"EN-001"}], "till":"R1" }"#;
    let again = client.send(
        "PUT",
        &format!("/v1/sales/{id}"),
        &[("content-type", "application/json")],
        Some(reordered),
    );
    assert_eq!(again.unwrap().body, first.body);
    let other = put_sale(&mut client, &id, &cash_sale(&[("EN-001", 2000)], 500)).unwrap();
    assert_eq!((other.status, other.code().as_str()), (422, "SALE_ID_REUSED"));
    let export = client.get("/v1/exports/events").unwrap().text();
    assert_eq!(Books::read(&export).documents.len(), 1);
}

#[test]
fn a_closing_node_finishes_what_it_began_and_takes_nothing_new() {
    let dir = TempDir::new("input4");
    let mut node = start_node(dir.path(), &[]).unwrap();
    let mut client = node.client("http");
    put_sale(&mut client, &uuid_v7(), &cash_sale(&[("EN-001", 1000)], 500)).unwrap().ok();
    node.signal("TERM");
    // Until the end either a clear word or no connection, never a half answer.
    loop {
        match put_sale(&mut client, &uuid_v7(), &cash_sale(&[("EN-001", 1000)], 500)) {
            Ok(answer) if answer.status == 201 => {}
            Ok(answer) => {
                assert_eq!((answer.status, answer.code().as_str()), (503, "CLOSING"), "{}", answer.text());
            }
            Err(_) => break,
        }
    }
    let mut status = None;
    wait_for("a clean end", Duration::from_secs(20), || {
        status = node.ended();
        status.is_some()
    })
    .unwrap();
    assert!(status.unwrap().success(), "{}", node.stderr());
}

#[test]
fn half_sent_requests_are_let_go() {
    use std::io::{Read, Write};
    let dir = TempDir::new("input5");
    let node = start_node(dir.path(), &[]).unwrap();
    let address = node.said("http").trim_start_matches("http://").to_owned();
    let mut half = std::net::TcpStream::connect(address).unwrap();
    half.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nx: ").unwrap();
    half.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut answer = Vec::new();
    // The node closes; it may say why.
    half.read_to_end(&mut answer).expect("the node ends a connection that says nothing");
    let alive = node.client("http").get("/livez").unwrap_or_else(|e| panic!("{e}: {}", node.stderr()));
    assert_eq!(alive.status, 200);
}

/// A small file system of its own, if this machine gives one.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(megabytes: u32) -> Option<Self> {
        let dir = TempDir::new("disk");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(dir.path())
            .output();
        mounted.is_ok_and(|out| out.status.success()).then(|| Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_disk_refuses_by_name_and_resumes_by_itself() {
    let Some(disk) = SmallDisk::mount(24) else {
        println!("skipped: this machine gives no tmpfs to mount");
        return;
    };
    let node = start_node(&disk.0.path().join("data"), &[]).unwrap();
    let mut client = node.client("http");
    put_sale(&mut client, &uuid_v7(), &cash_sale(&[("EN-001", 1000)], 500)).unwrap().ok();
    let filler = disk.0.path().join("filler");
    fill_up(&filler);
    let (refused, sold) = sell_until_full(&mut client);
    assert_eq!(client.get("/v1/products?q=milk").unwrap().status, 200, "reads go on");
    assert_eq!(client.get("/livez").unwrap().status, 200);
    std::fs::remove_file(&filler).unwrap();
    // The very sale that was refused goes through now, once.
    let sale = cash_sale(&[("EN-001", 1000)], 500);
    let mut last = None;
    wait_for("selling resumes", Duration::from_secs(30), || {
        let answer = put_sale(&mut client, &refused, &sale);
        last = answer.ok().map(|a| a.status);
        last == Some(201)
    })
    .unwrap_or_else(|e| panic!("{e}: {last:?}"));
    check_after(node, &disk.0, sold + 2);
}

/// What is kept aside for the end of the day is given to nothing else, and comes back with the room.
#[test]
fn a_shift_is_closed_on_a_full_disk() {
    let Some(disk) = SmallDisk::mount(24) else {
        println!("skipped: this machine gives no tmpfs to mount");
        return;
    };
    let data = disk.0.path().join("data");
    let node = start_node(&data, &[]).unwrap();
    let mut client = node.client("http");
    let open = json!({"id": uuid_v7(), "floats": [{"total": 10_000}]});
    let opened = client.json("POST", "/v1/tills/R1/shift", &open).unwrap().ok();
    let filler = disk.0.path().join("filler");
    fill_up(&filler);
    let (_, sold) = sell_until_full(&mut client);
    assert!(data.join("ballast").exists());
    let _ = client.json("POST", "/v1/tills/R1/shift/count", &json!({})).unwrap().ok();
    let counts = json!([{"total": 10_000 + 150 * i64::try_from(sold).unwrap()}]);
    let close = json!({"shift": opened["number"], "counts": counts});
    let z = client.json("POST", "/v1/tills/R1/shift/close", &close).unwrap().ok();
    assert_eq!(z["z"], 1, "{z}");
    assert!(!data.join("ballast").exists());
    let sale = cash_sale(&[("EN-001", 1000)], 500);
    let refused = put_sale(&mut client, &uuid_v7(), &sale).unwrap();
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (507, "DISK_FULL"),
        "the room is for the day's end alone"
    );
    std::fs::remove_file(&filler).unwrap();
    let id = uuid_v7();
    wait_for("selling resumes", Duration::from_secs(60), || {
        put_sale(&mut client, &id, &sale).is_ok_and(|answer| answer.status == 201)
    })
    .unwrap();
    assert_eq!(std::fs::metadata(data.join("ballast")).unwrap().len(), 16 << 20);
    check_after(node, &disk.0, sold + 1);
}

fn fill_up(filler: &std::path::Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(filler).unwrap();
    let block = vec![7u8; 64 << 10];
    while file.write_all(&block).is_ok() {}
    let rest = [7u8; 512];
    while file.write_all(&rest).is_ok() {}
}

/// Answers the id that was refused, and how many were sold before.
fn sell_until_full(client: &mut Client) -> (String, usize) {
    for sold in 0..20_000 {
        let id = uuid_v7();
        let answer = put_sale(client, &id, &cash_sale(&[("EN-001", 1000)], 500)).unwrap();
        if answer.status != 201 {
            let problem = problem_of(&answer, "a full disk");
            assert_eq!((answer.status, problem["code"].as_str()), (507, Some("DISK_FULL")), "{problem}");
            assert_eq!(problem["retryable"], true);
            assert_eq!(client.get(&format!("/v1/sales/{id}")).unwrap().status, 404, "nothing half-written");
            return (id, sold);
        }
    }
    panic!("the disk never filled up");
}

fn check_after(node: Program, disk: &TempDir, sold: usize) {
    let data = disk.path().join("data");
    node.kill();
    let node = start_node(&data, &[]).unwrap();
    let books = Books::read(&node.client("http").get("/v1/exports/events").unwrap().text());
    assert_eq!(books.documents.len(), sold);
    assert_eq!(books.gaps(), Vec::<String>::new());
    assert_eq!(books.doubled(), Vec::<String>::new());
}
