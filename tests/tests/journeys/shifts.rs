//! A till's day through a real node: staff and PINs, float, cash in and out, X, count, Z, papers and printing, the fiscal
//! journal; with the plug pulled between any two steps. At the hub the same Z is read.

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tradepost_tests::http::{Answer, Client};
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::lan::{LanStore, SOON, STORE};
use tradepost_tests::process::{Program, TempDir, bin_dir, wait_for};
use tradepost_tests::proxy::Weather;
use tradepost_tests::till::{Books, cash_sale, put_sale, start_node};

const WAIT: Duration = Duration::from_secs(30);

fn post(client: &mut Client, path: &str, body: &Value) -> Answer {
    client.json("POST", path, body).expect("the node answers")
}

fn get(client: &mut Client, path: &str) -> Value {
    client.get(path).expect("the node answers").ok()
}

fn open_shift(client: &mut Client, till: &str, float: i64) -> Value {
    let body = json!({"id": uuid_v7(), "floats": [{"total": float}]});
    post(client, &format!("/v1/tills/{till}/shift"), &body).ok()
}

fn cash(client: &mut Client, direction: &str, amount: i64) -> Answer {
    let body = json!({"id": uuid_v7(), "direction": direction, "amount": amount, "reason": "of the day"});
    post(client, "/v1/tills/R1/shift/cash", &body)
}

fn sell(client: &mut Client) -> Value {
    put_sale(client, &uuid_v7(), &cash_sale(&[("EN-001", 1_000), ("EN-002", 2_000)], 10_000)).unwrap().ok()
}

fn refund(client: &mut Client, sale: &Value) -> Value {
    let body = json!({"till": "R1", "sale_id": sale["id"], "reason": "broken", "tender": "cash",
                      "lines": [{"line": 0, "quantity_milli": 1_000, "condition": "waste"}]});
    client.json("PUT", &format!("/v1/refunds/{}", uuid_v7()), &body).unwrap().ok()
}

fn close(client: &mut Client, shift: &Value, counted: &Value) -> Answer {
    post(client, "/v1/tills/R1/shift/close", &json!({"shift": shift, "counts": [{"total": counted}]}))
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{}", answer.text());
}

/// Sums of the sales and refunds that a node lists for a shift.
struct Sums {
    documents: i64,
    total: i64,
    tax: i64,
    rounding: i64,
    cash: i64,
}

fn sums_of(client: &mut Client, shift: &Value) -> Sums {
    let page = get(client, "/v1/sales?limit=200");
    let of_shift = page["data"].as_array().unwrap().iter().filter(|sale| sale["shift"] == *shift);
    let mut sums = Sums { documents: 0, total: 0, tax: 0, rounding: 0, cash: 0 };
    for sale in of_shift {
        sums.documents += 1;
        sums.total += number(&sale["total"]);
        sums.tax += number(&sale["tax"]);
        sums.rounding += number(&sale["rounding"]);
        sums.cash += number(&sale["cash_due"]);
    }
    sums
}

/// A Z is nothing but the sum of its documents.
fn adds_up(client: &mut Client, z: &Value) {
    let (sums, report) = (sums_of(client, &z["shift"]), &z["report"]);
    assert_eq!(number(&report["documents"]), sums.documents, "{z:#}");
    assert_eq!(number(&report["takings"]), sums.total, "{z:#}");
    assert_eq!(number(&report["tax"]), sums.tax, "{z:#}");
    assert_eq!(number(&report["rounding"]), sums.rounding, "{z:#}");
    let drawer = &z["drawers"][0];
    let moved: i64 = ["float", "sales", "refunds", "paid_in", "paid_out", "safe_drops"]
        .iter()
        .map(|f| number(&drawer[f]))
        .sum();
    assert_eq!(number(&drawer["sales"]) + number(&drawer["refunds"]), sums.cash, "{z:#}");
    assert_eq!(number(&drawer["expected"]), moved, "{z:#}");
    let paid: i64 = report["tenders"].as_array().unwrap().iter().map(|t| number(&t["amount"])).sum();
    assert_eq!(paid, sums.total + sums.rounding, "what was due is what was paid: {z:#}");
}

fn audit(dir: &Path) -> Output {
    Command::new(bin_dir().join("tradepost-node"))
        .args(["audit", "verify", "--data-dir"])
        .arg(dir)
        .output()
        .expect("the program runs")
}

fn whole(dir: &Path) -> Value {
    let told = audit(dir);
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    serde_json::from_slice(&told.stdout).expect("it says so in JSON")
}

#[test]
fn a_shift_goes_from_its_float_to_its_z() {
    let dir = TempDir::new("shift");
    let node = start_node(dir.path(), &[]).unwrap();
    let mut client = node.client("http");
    refused(&client.get("/v1/tills/R1/shift").unwrap(), 404, "NO_SHIFT");
    let before = sell(&mut client);
    assert_eq!(before["shift"], Value::Null, "without a shift a till sells as ever");

    let id = uuid_v7();
    let by = json!([{"value": 5_000, "count": 2}, {"value": 1_000, "count": 5}]);
    let opening = json!({"id": id, "floats": [{"total": 15_000, "by": by}]});
    let opened = post(&mut client, "/v1/tills/R1/shift", &opening);
    assert_eq!(opened.status, 201, "{}", opened.text());
    assert_eq!(post(&mut client, "/v1/tills/R1/shift", &opening).json(), opened.json(), "again is once");
    let shift = opened.json()["number"].clone();
    assert_eq!((shift.as_u64(), &opened.json()["drawers"][0]["expected"]), (Some(1), &json!(15_000)));
    let more = json!({"id": uuid_v7(), "floats": [{"total": 1}]});
    refused(&post(&mut client, "/v1/tills/R1/shift", &more), 409, "SHIFT_OPEN");
    let wrong = json!({"id": uuid_v7(), "floats": [{"total": 14_000, "by": by}]});
    refused(&post(&mut client, "/v1/tills/R2/shift", &wrong), 422, "BAD_CASH");

    let first = sell(&mut client);
    assert_eq!((&first["shift"], &first["business_day"]), (&shift, &opened.json()["business_day"]));
    sell(&mut client);
    refund(&mut client, &first);
    cash(&mut client, "in", 2_000).ok();
    let out = json!({"id": uuid_v7(), "direction": "out", "amount": 1_240, "reason": "cleaning"});
    let told = post(&mut client, "/v1/tills/R1/shift/cash", &out).ok();
    assert_eq!(post(&mut client, "/v1/tills/R1/shift/cash", &out).ok(), told, "again is once");
    refused(&cash(&mut client, "out", 1_000_000), 409, "NOT_IN_DRAWER");
    refused(&cash(&mut client, "safe_drop", 0), 422, "BAD_MONEY");
    let silent = json!({"id": uuid_v7(), "direction": "in", "amount": 1, "reason": " "});
    refused(&post(&mut client, "/v1/tills/R1/shift/cash", &silent), 422, "REASON_MISSING");
    cash(&mut client, "safe_drop", 10_000).ok();
    let opening = json!({"id": uuid_v7(), "reason": "change"});
    post(&mut client, "/v1/tills/R1/drawer", &opening).ok();
    let again = post(&mut client, "/v1/tills/R1/drawer", &opening).ok();
    assert_eq!(again["opened"], false, "again opens nothing");

    let x = get(&mut client, "/v1/tills/R1/shift");
    assert_eq!(x["report"]["drawer_openings"], 1);
    let counting = post(&mut client, "/v1/tills/R1/shift/count", &json!({})).ok();
    assert_eq!(counting["phase"], "closing");
    let late = put_sale(&mut client, &uuid_v7(), &cash_sale(&[("EN-001", 1_000)], 1_000)).unwrap();
    refused(&late, 409, "SHIFT_CLOSING");
    refused(
        &post(&mut client, "/v1/tills/R1/shift/close", &json!({"shift": shift, "counts": []})),
        422,
        "COUNT_MISSING",
    );
    let expected = number(&x["drawers"][0]["expected"]);
    let closed = close(&mut client, &shift, &json!(expected - 5));
    let z = closed.ok();
    assert_eq!((&z["z"], &z["drawers"][0]["difference"]), (&json!(1), &json!(-5)));
    assert_eq!(close(&mut client, &shift, &json!(1)).body, closed.body, "a Z is made once");
    adds_up(&mut client, &z);
    let sales = number(&before["total"]) + number(&z["report"]["sales"]);
    assert_eq!(number(&z["perpetual_after"]["sales"]), sales, "the till's totals hold every sale of it");
    assert_eq!(get(&mut client, "/v1/tills/R1/z/1"), z);
    refused(&client.get("/v1/tills/R1/shift").unwrap(), 404, "NO_SHIFT");

    let next = open_shift(&mut client, "R1", 0);
    assert_eq!(next["number"], 2);
    sell(&mut client);
    let x = get(&mut client, "/v1/tills/R1/shift");
    let second = close(&mut client, &next["number"], &x["drawers"][0]["expected"]).ok();
    adds_up(&mut client, &second);
    assert_eq!((&second["z"], &second["perpetual_before"]), (&json!(2), &z["perpetual_after"]));
    let page = get(&mut client, "/v1/tills/R1/z?limit=1");
    assert_eq!((&page["data"][0]["z"], page["has_more"].as_bool()), (&json!(2), Some(true)));
    let rest =
        get(&mut client, &format!("/v1/tills/R1/z?limit=1&cursor={}", page["next_cursor"].as_str().unwrap()));
    assert_eq!((&rest["data"][0]["z"], rest["has_more"].as_bool()), (&json!(1), Some(false)));
    let chain = get(&mut client, "/v1/fiscal")["data"][0].clone();
    assert_eq!((&chain["entries"], &chain["closures"]), (&json!(8), &json!(2)), "5 papers, 1 opening, 2 Zs");
    assert_eq!(get(&mut client, "/v1/fiscal/verify")["whole"], true);
    drop(node);
    assert_eq!(whole(dir.path())["fiscal"], 8);
}

#[test]
fn tills_have_shifts_numbers_and_zs_of_their_own() {
    let dir = TempDir::new("tills");
    let node = start_node(dir.path(), &[]).unwrap();
    let mut client = node.client("http");
    let policy = json!({"shifts": "required", "blind_count": true});
    client.json("PUT", "/v1/policy", &policy).unwrap().ok();
    let on = |till: &str| json!({"till": till, "lines": [{"sku": "EN-001"}], "tenders": [{"kind": "cash", "amount": 500}]});
    refused(&put_sale(&mut client, &uuid_v7(), &on("R1")).unwrap(), 409, "SHIFT_REQUIRED");
    for till in ["R1", "R2"] {
        let shift = open_shift(&mut client, till, 5_000);
        assert_eq!((&shift["number"], &shift["drawers"][0]["expected"]), (&json!(1), &Value::Null), "blind");
        let sale = put_sale(&mut client, &uuid_v7(), &on(till)).unwrap().ok();
        assert_eq!((&sale["receipt"]["till"], &sale["receipt"]["n"]), (&json!(till), &json!(1)));
    }
    put_sale(&mut client, &uuid_v7(), &on("R2")).unwrap().ok();
    let (one, two) = (get(&mut client, "/v1/tills/R1/shift"), get(&mut client, "/v1/tills/R2/shift"));
    assert_eq!((&one["report"]["documents"], &two["report"]["documents"]), (&json!(1), &json!(2)));
    let tills = get(&mut client, "/v1/tills");
    let names: Vec<&str> =
        tills["data"].as_array().unwrap().iter().filter_map(|t| t["till"].as_str()).collect();
    assert_eq!(names, ["R1", "R2"]);
}

fn staff(client: &mut Client, id: &str, role: &str, pin: &str, approval: Value) -> Answer {
    let mut body = json!({"name": id, "role": role, "pin": pin});
    if !approval.is_null() {
        body["approval"] = approval;
    }
    client.json("PUT", &format!("/v1/staff/{id}"), &body).unwrap()
}

fn sign_on(client: &mut Client, who: &str, pin: &str) -> Answer {
    post(client, "/v1/tills/R1/sign-on", &json!({"staff": who, "pin": pin}))
}

#[test]
fn staff_sign_on_and_allow_what_others_may_not() {
    let dir = TempDir::new("staff");
    let node = start_node(dir.path(), &[]).unwrap();
    let mut client = node.client("http");
    let boss = json!({"staff": "mia", "pin": "2468"});
    refused(&staff(&mut client, "ben", "cashier", "1111", Value::Null), 422, "FIRST_STAFF");
    refused(&staff(&mut client, "mia", "manager", "12", Value::Null), 422, "BAD_PIN_FORMAT");
    staff(&mut client, "mia", "manager", "2468", Value::Null).ok();
    refused(&staff(&mut client, "ben", "cashier", "1111", Value::Null), 403, "APPROVAL_REQUIRED");
    staff(&mut client, "ben", "cashier", "1111", boss.clone()).ok();
    refused(&staff(&mut client, "mia", "cashier", "2468", boss.clone()), 409, "LAST_MANAGER");
    let listed = get(&mut client, "/v1/staff");
    assert!(!listed.to_string().contains("1111"), "no PIN is ever told");

    let sale = cash_sale(&[("EN-001", 1_000)], 10_000);
    refused(&put_sale(&mut client, &uuid_v7(), &sale).unwrap(), 403, "SIGN_ON_REQUIRED");
    refused(&sign_on(&mut client, "nobody", "1111"), 422, "UNKNOWN_STAFF");
    let wrong = sign_on(&mut client, "ben", "9999");
    refused(&wrong, 403, "BAD_PIN");
    assert_eq!(wrong.json()["errors"][0]["pointer"], "/pin");
    let till = sign_on(&mut client, "ben", "1111").ok();
    assert_eq!((&till["signed_on"]["id"], &till["signed_on"]["role"]), (&json!("ben"), &json!("cashier")));
    let shift = open_shift(&mut client, "R1", 10_000);
    let sold = put_sale(&mut client, &uuid_v7(), &sale).unwrap().ok();
    assert_eq!(sold["staff"], "ben");

    refused(&cash(&mut client, "out", 500), 403, "APPROVAL_REQUIRED");
    let mut out = json!({"id": uuid_v7(), "direction": "out", "amount": 500, "reason": "milk",
                         "approval": {"staff": "ben", "pin": "1111"}});
    refused(&post(&mut client, "/v1/tills/R1/shift/cash", &out), 403, "APPROVAL_REQUIRED");
    out["approval"] = boss.clone();
    post(&mut client, "/v1/tills/R1/shift/cash", &out).ok();
    let policy = json!({"shifts": "required", "difference_max": 100, "approval": boss});
    client.json("PUT", "/v1/policy", &policy).unwrap().ok();
    let off = close(&mut client, &shift["number"], &json!(0));
    refused(&off, 403, "DIFFERENCE_NEEDS_APPROVAL");
    let with = json!({"shift": shift["number"], "counts": [{"total": 0}], "approval": boss});
    let z = post(&mut client, "/v1/tills/R1/shift/close", &with).ok();
    assert_eq!(z["approver"], "mia");
    let log = client.get("/v1/exports/events").unwrap().text();
    let used: Vec<String> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["kind"] == "override.used")
        .map(|event| {
            format!("{} {}", event["body"]["what"].as_str().unwrap(), event["body"]["by"].as_str().unwrap())
        })
        .collect();
    assert_eq!(used, ["staff mia", "policy mia", "count_difference mia"]);
    assert!(log.contains("\"approver\":\"mia\""), "the expense names who allowed it");
    assert!(!log.contains("2468"), "no PIN in the log");

    post(&mut client, "/v1/tills/R1/sign-off", &json!({})).ok();
    refused(&put_sale(&mut client, &uuid_v7(), &sale).unwrap(), 403, "SIGN_ON_REQUIRED");
    for _ in 0..5 {
        refused(&sign_on(&mut client, "ben", "0000"), 403, "BAD_PIN");
    }
    let locked = sign_on(&mut client, "ben", "1111");
    refused(&locked, 429, "PIN_LOCKED");
    assert!(locked.header("retry-after").is_some());
    sign_on(&mut client, "mia", "2468").ok();
    node.kill();
    let node = start_node(dir.path(), &[]).unwrap();
    let mut client = node.client("http");
    refused(&sign_on(&mut client, "ben", "1111"), 429, "PIN_LOCKED");
    assert_eq!(get(&mut client, "/v1/tills/R1")["signed_on"]["id"], "mia", "a restart signs nobody off");
}

#[test]
fn every_paper_comes_in_every_form() {
    let dir = TempDir::new("papers");
    let node = start_node(dir.path(), &[]).unwrap();
    let mut client = node.client("http");
    let shift = open_shift(&mut client, "R1", 10_000);
    let sale = sell(&mut client);
    let back = refund(&mut client, &sale);
    let id = |document: &Value| document["id"].as_str().unwrap().to_owned();
    let forms = |client: &mut Client, path: &str, says: &str| {
        for format in ["json", "text", "html"] {
            let paper = client.get(&format!("{path}?format={format}")).unwrap();
            assert_eq!(paper.status, 200, "{path} {format}: {}", paper.text());
            assert!(paper.text().contains(says), "{path} {format} says {says}: {}", paper.text());
        }
        let bytes = client.get(&format!("{path}?format=escpos")).unwrap();
        assert_eq!((bytes.status, &bytes.body[..2]), (200, &b"\x1b@"[..]), "{path}");
        refused(&client.get(&format!("{path}?format=pdf")).unwrap(), 400, "BAD_QUERY");
    };
    let receipt = format!("/v1/documents/receipts/{}", id(&sale));
    forms(&mut client, &receipt, "Whole milk 1 l");
    let slip = format!("/v1/documents/receipts/{}", id(&back));
    forms(&mut client, &slip, "Refund");
    forms(&mut client, "/v1/documents/x/R1", "X report");
    forms(&mut client, "/v1/documents/count-sheets/R1", "500.00 EUR");
    let copy = client.get(&format!("{receipt}?format=text&copy=2")).unwrap().text();
    assert!(copy.contains("COPY 2"), "{copy}");
    let bytes = client.get(&format!("{receipt}?format=escpos")).unwrap().body;
    let qr = format!("TP1:{}:{}", id(&sale), sale["receipt"]["number"].as_str().unwrap());
    assert!(bytes.windows(qr.len()).any(|part| part == qr.as_bytes()), "the receipt bears its QR code");
    close(&mut client, &shift["number"], &json!(10_000)).ok();
    forms(&mut client, "/v1/documents/z/R1/1", "Z report 1");
    refused(&client.get("/v1/documents/z/R1/2").unwrap(), 404, "NOT_FOUND");
    refused(&client.get("/v1/documents/x/R1").unwrap(), 404, "NO_SHIFT");
}

/// A printer on the network that is as it is told to be, and keeps what it was sent.
struct Printer {
    address: String,
    paper: Arc<AtomicBool>,
    printed: Arc<Mutex<Vec<u8>>>,
}

impl Printer {
    fn start(paper: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (paper, printed) = (Arc::new(AtomicBool::new(paper)), Arc::new(Mutex::new(Vec::new())));
        let (has, kept) = (Arc::clone(&paper), Arc::clone(&printed));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().filter_map(Result::ok) {
                let mut asked = [0u8; 3];
                if stream.read_exact(&mut asked).is_err() || asked != [0x10, 0x04, 0x04] {
                    continue;
                }
                let state = if has.load(Ordering::SeqCst) { 0x12 } else { 0x72 };
                let _ = stream.write_all(&[state]);
                let mut bytes = Vec::new();
                let _ = stream.read_to_end(&mut bytes);
                kept.lock().expect("nobody panics here").extend(bytes);
            }
        });
        Self { address, paper, printed }
    }

    fn has(&self, text: &str) -> usize {
        let printed = self.printed.lock().expect("nobody panics here");
        printed.windows(text.len()).filter(|part| *part == text.as_bytes()).count()
    }
}

fn print(client: &mut Client, document: &str, of: Option<&str>) -> Value {
    let body = json!({"id": uuid_v7(), "till": "R1", "document": document, "of": of});
    post(client, "/v1/print-jobs", &body).ok()
}

fn printed(client: &mut Client, job: &Value) -> bool {
    let jobs = get(client, "/v1/print-jobs?state=printed&limit=200");
    jobs["data"].as_array().unwrap().iter().any(|done| done["no"] == job["no"])
}

fn printer_state(client: &mut Client) -> String {
    let printers = get(client, "/v1/printers");
    printers["data"][0]["state"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn what_is_printed_waits_for_paper_and_is_a_copy_the_second_time() {
    let dir = TempDir::new("print");
    let node = start_node(dir.path(), &[]).unwrap();
    let mut client = node.client("http");
    let sale = sell(&mut client);
    let id = sale["id"].as_str().unwrap();
    let nowhere = json!({"id": uuid_v7(), "till": "R1", "document": "receipt", "of": id});
    refused(&post(&mut client, "/v1/print-jobs", &nowhere), 409, "NO_PRINTER");
    let put = |client: &mut Client, target: &str| {
        client.json("PUT", "/v1/printers/R1", &json!({"target": target})).unwrap()
    };
    refused(&put(&mut client, "file:../../x"), 422, "BAD_PRINTER");
    let printer = Printer::start(false);
    put(&mut client, &format!("tcp://{}", printer.address)).ok();

    let first = print(&mut client, "receipt", Some(id));
    assert_eq!(first["copy"], Value::Null);
    wait_for("the printer to say that it has no paper", WAIT, || printer_state(&mut client) == "paper_out")
        .unwrap();
    assert!(!printed(&mut client, &first));
    printer.paper.store(true, Ordering::SeqCst);
    wait_for("the paper", WAIT, || printed(&mut client, &first)).unwrap();
    assert_eq!(printer_state(&mut client), "ready");
    let receipt = sale["receipt"]["number"].as_str().unwrap();
    wait_for("the bytes", WAIT, || printer.has(receipt) > 0).unwrap();
    assert_eq!(printer.has("COPY"), 0);

    let second = print(&mut client, "receipt", Some(id));
    assert_eq!(second["copy"], 1);
    wait_for("the copy", WAIT, || printed(&mut client, &second) && printer.has("COPY 1") == 1).unwrap();
    let log = client.get("/v1/exports/events").unwrap().text();
    assert_eq!(log.matches("copy.printed").count(), 1, "a copy is a fact");

    put(&mut client, "file:r1.bin").ok();
    let third = print(&mut client, "receipt", Some(id));
    wait_for("the file", WAIT, || printed(&mut client, &third)).unwrap();
    let file = std::fs::read(dir.path().join("printers/r1.bin")).unwrap();
    assert!(file.starts_with(b"\x1b@") && file.windows(6).any(|part| part == b"COPY 2"));
    let opening = json!({"id": uuid_v7(), "reason": "change"});
    post(&mut client, "/v1/tills/R1/drawer", &opening).ok();
    let kick = [0x1b, b'p', 0, 25, 250];
    let kicked = || std::fs::read(dir.path().join("printers/r1.bin")).unwrap().ends_with(&kick);
    wait_for("the drawer's pulse", WAIT, kicked).unwrap();

    // Nobody there: it waits, and is given up by a person alone.
    put(&mut client, "tcp://127.0.0.1:9").ok();
    let lost = print(&mut client, "count_sheet", None);
    wait_for("the printer to be missed", WAIT, || printer_state(&mut client) == "unreachable").unwrap();
    let path = format!("/v1/print-jobs/{}", lost["no"]);
    let gone = |client: &mut Client| client.send("DELETE", &path, &[], None).unwrap();
    wait_for("the job to be given up", WAIT, || gone(&mut client).status == 200).unwrap();
    refused(&gone(&mut client), 409, "ALREADY_CLOSED");
}

#[test]
fn a_changed_fiscal_journal_is_found_and_named() {
    let dir = TempDir::new("fiscal");
    let node = start_node(dir.path(), &[]).unwrap();
    let mut client = node.client("http");
    let shift = open_shift(&mut client, "R1", 0);
    for _ in 0..3 {
        sell(&mut client);
    }
    let x = get(&mut client, "/v1/tills/R1/shift");
    close(&mut client, &shift["number"], &x["drawers"][0]["expected"]).ok();
    sell(&mut client);
    node.stop(WAIT).unwrap();
    assert_eq!(whole(dir.path())["fiscal"], 5);
    let db = dir.path().join("tradepost.db");
    for (change, names) in [
        ("UPDATE fiscal SET amount = amount + 1 WHERE n = 2", "entry 2: its figures were changed"),
        ("DELETE FROM fiscal WHERE n = 3", "entry 3: entry 4 stands in its place"),
        ("DELETE FROM fiscal WHERE n = 5", "entry 5: it is missing"),
        ("UPDATE fiscal SET signature = NULL WHERE n = 4", "entry 4: its signature is not the device's"),
        (
            "UPDATE fiscal SET place = (SELECT place FROM fiscal WHERE n = 1) WHERE n = 2",
            "entry 2: the stored document was changed",
        ),
        ("UPDATE fiscal_days SET body = replace(body, '\"z\":1', '\"z\":9')", "entry 9: the closure"),
    ] {
        let spoiled = TempDir::new("fiscal-spoiled");
        std::fs::copy(&db, spoiled.path().join("tradepost.db")).unwrap();
        let conn = rusqlite::Connection::open(spoiled.path().join("tradepost.db")).unwrap();
        assert!(conn.execute(change, []).unwrap() > 0, "{change}");
        drop(conn);
        let told = audit(spoiled.path());
        let said = String::from_utf8_lossy(&told.stderr);
        assert!(!told.status.success() && said.contains(names), "{change}: {said}");
    }
}

/// Starts again behind a kill −9; the memory is the same.
fn again(node: Program, dir: &Path) -> (Program, Client) {
    node.kill();
    let node = start_node(dir, &[]).expect("the node starts again");
    let client = node.client("http");
    (node, client)
}

#[test]
fn a_shift_outlives_a_pulled_plug_after_every_step() {
    let dir = TempDir::new("shift-kill");
    let node = start_node(dir.path(), &[]).unwrap();
    let mut client = node.client("http");
    client.json("PUT", "/v1/printers/R1", &json!({"target": "file:r1.bin"})).unwrap().ok();
    let shift = open_shift(&mut client, "R1", 15_000);
    let (node, mut client) = again(node, dir.path());
    assert_eq!(get(&mut client, "/v1/tills/R1/shift"), shift, "after opening");
    let sale = sell(&mut client);
    let (node, mut client) = again(node, dir.path());
    assert_eq!(get(&mut client, "/v1/tills/R1/shift")["report"]["sales"], sale["total"], "after a sale");
    let job = print(&mut client, "receipt", sale["id"].as_str());
    wait_for("the receipt", WAIT, || printed(&mut client, &job)).unwrap();
    let (node, mut client) = again(node, dir.path());
    let job = print(&mut client, "receipt", sale["id"].as_str());
    assert_eq!(job["copy"], 1, "after the print it is a copy");
    wait_for("the copy", WAIT, || printed(&mut client, &job)).unwrap();
    refund(&mut client, &sale);
    cash(&mut client, "safe_drop", 10_000).ok();
    let (node, mut client) = again(node, dir.path());
    let x = get(&mut client, "/v1/tills/R1/shift");
    assert_eq!((&x["report"]["refunds_count"], &x["drawers"][0]["safe_drops"]), (&json!(1), &json!(-10_000)));
    assert_eq!(x["report"]["copies"], 1);
    post(&mut client, "/v1/tills/R1/shift/count", &json!({})).ok();
    let (node, mut client) = again(node, dir.path());
    assert_eq!(get(&mut client, "/v1/tills/R1/shift")["phase"], "closing", "while the drawer is counted");
    let z = close(&mut client, &shift["number"], &x["drawers"][0]["expected"]);
    let (node, mut client) = again(node, dir.path());
    assert_eq!(close(&mut client, &shift["number"], &json!(0)).body, z.body, "after the Z");
    adds_up(&mut client, &z.ok());
    let books = Books::read(&client.get("/v1/exports/events").unwrap().text());
    assert_eq!((books.gaps(), books.doubled()), (Vec::new(), Vec::new()));
    drop(node);
    whole(dir.path());
}

/// Sells and closes while the plug is pulled at some instant of it: asked again, the Z is there once, and it is the sum
/// of what was answered.
#[test]
fn a_z_is_made_once_however_often_the_plug_is_pulled() {
    let dir = TempDir::new("z-kill");
    let mut node = start_node(dir.path(), &[]).unwrap();
    let mut client = node.client("http");
    for round in 1..=4u64 {
        let shift = open_shift(&mut client, "R1", 1_000)["number"].clone();
        for _ in 0..round {
            sell(&mut client);
        }
        let expected = get(&mut client, "/v1/tills/R1/shift")["drawers"][0]["expected"].clone();
        let (address, body) = (node.said("http"), json!({"shift": shift, "counts": [{"total": expected}]}));
        let asking = std::thread::spawn(move || {
            let _ = Client::new(&address).json("POST", "/v1/tills/R1/shift/close", &body);
        });
        std::thread::sleep(Duration::from_micros(round * 700));
        node.kill();
        asking.join().expect("it ends with its connection");
        node = start_node(dir.path(), &[]).expect("the node starts again");
        client = node.client("http");
        let z = close(&mut client, &shift, &expected).ok();
        assert_eq!(z["z"], round, "no number is lost or given twice");
        assert_eq!(z["drawers"][0]["difference"], 0);
        adds_up(&mut client, &z);
    }
    drop(node);
    assert_eq!(whole(dir.path())["fiscal"], 1 + 2 + 3 + 4 + 4);
}

#[test]
fn the_hub_reads_the_same_z_and_a_successor_closes_what_a_lost_till_left() {
    const LOST: usize = 0;
    const ON: usize = 1;
    let mut store = LanStore::open("z-hub", &["north", "south"], &[("MUG", "InHand")]);
    let lost = store.nodes[LOST].status()["incarnation"].as_str().expect("an incarnation").to_owned();
    let north = &mut store.nodes[LOST].client;
    let first = open_shift(north, "R1", 5_000);
    let (sale, _) = store.nodes[LOST].sell("MUG", 2);
    let north = &mut store.nodes[LOST].client;
    let x = get(north, "/v1/tills/R1/shift");
    assert_eq!(x["report"]["documents"], 1, "the harness sells at R1");
    let z = close(north, &first["number"], &x["drawers"][0]["expected"]).ok();
    open_shift(north, "R1", 5_000);
    let (second, answer) = store.nodes[LOST].sell("MUG", 1);
    let total = number(&answer.ok()["total"]);
    let moved = json!({"id": uuid_v7(), "direction": "in", "amount": 700, "reason": "change"});
    post(&mut store.nodes[LOST].client, "/v1/tills/R1/shift/cash", &moved).ok();
    wait_for("the hub to hold it all", SOON, || store.hub_has(&sale) && store.hub_has(&second))
        .expect("it comes");
    let path = format!("/v1/z-reports/{STORE}/R1/1");
    wait_for("the Z at the hub", SOON, || store.admin.get(&path).is_ok_and(|a| a.status == 200))
        .expect("it comes");
    let told = store.admin.get(&path).expect("the hub answers").ok();
    for figure in ["sales", "refunds", "net", "tax", "rounding", "sales_count", "units_sold"] {
        assert_eq!(told[figure], z["report"][figure], "{figure}");
    }
    assert_eq!((&told["agrees"], &told["difference"]), (&json!(true), &json!(0)), "{told:#}");
    assert_eq!(told["drawers"][0]["expected"], z["drawers"][0]["expected"]);

    // South holds what north wrote; north is gone for good, its shift open.
    let synced =
        |store: &mut LanStore| store.nodes[ON].client.get("/v1/tills/R1").expect("the node answers").ok();
    let heard = |store: &mut LanStore| {
        store.nodes[ON].client.get(&format!("/v1/sales/{second}")).is_ok_and(|a| a.status == 200)
    };
    wait_for("south to hold it", SOON, || heard(&mut store)).expect("it comes");
    let body = json!({"id": uuid_v7(), "floats": [{"total": 0}]});
    let early = store.nodes[ON].client.json("POST", "/v1/tills/R1/shift", &body).expect("the node answers");
    refused(&early, 409, "TILL_ELSEWHERE");
    store.nodes[LOST].hub_link(Weather::Closed);
    store.nodes[LOST].kill();
    let burnt = json!({"attested": "it burnt", "successor": "south"});
    let fence = format!("/v1/stores/{STORE}/nodes/{lost}/fence");
    let _ = store.ask("POST", &fence, &burnt).ok();
    let _ = store.ask("POST", &fence, &burnt).ok();
    let orphaned = |store: &mut LanStore| synced(store)["orphan"]["number"] == 2;
    wait_for("south to know that the shift is orphaned", SOON, || orphaned(&mut store)).expect("it is told");
    let south = &mut store.nodes[ON].client;
    refused(&post(south, "/v1/tills/R1/shift", &body), 409, "ORPHAN_SHIFT");
    let expected = 5_000 + total + 700;
    let counts = json!({"counts": [{"total": expected - 30}]});
    let recovered = post(south, "/v1/tills/R1/shift/recover", &counts).ok();
    assert_eq!(
        (&recovered["recovered"], &recovered["z"], &recovered["shift"]),
        (&json!(true), &json!(2), &json!(2))
    );
    assert_eq!(recovered["continuity_broken"], true);
    let drawer = &recovered["drawers"][0];
    assert_eq!(
        (number(&drawer["expected"]), number(&drawer["difference"])),
        (expected, -30),
        "{recovered:#}"
    );
    assert_eq!(recovered["perpetual_before"], z["perpetual_after"], "the till's totals go on");
    refused(&post(south, "/v1/tills/R1/shift/recover", &counts), 404, "NO_SHIFT");
    assert_eq!(open_shift(south, "R1", 0)["number"], 3, "and the till goes on at its successor");
    let path = format!("/v1/z-reports?store={STORE}&till=R1&differences=true");
    let off = |store: &mut LanStore| store.admin.get(&path).expect("the hub answers").ok();
    wait_for("the recovered Z at the hub", SOON, || {
        off(&mut store)["data"].as_array().is_some_and(|d| !d.is_empty())
    })
    .expect("it comes");
    let off = off(&mut store);
    assert_eq!(off["data"].as_array().unwrap().len(), 1, "{off:#}");
    assert_eq!((&off["data"][0]["z"], &off["data"][0]["difference"]), (&json!(2), &json!(-30)));
}
