//! Paying tender by tender through a real node: terminals that approve, refuse, say nothing and forget, cards kept while
//! the bank is away, gift cards, foreign money and VietQR (`facts.md` §4, Tender).

use serde_json::{Value, json};
use std::time::Duration;
use tradepost_tests::http::{Answer, Client};
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::lan::{LanStore, SOON, STORE};
use tradepost_tests::process::{Program, TempDir, wait_for};
use tradepost_tests::till::start_node_with;

const WAIT: Duration = Duration::from_secs(60);

/// A node with a small catalog of its own.
struct Till {
    folder: TempDir,
    program: Option<Program>,
    client: Client,
}

const EURO: &str = r#"{"type":"settings","currency":"EUR","cash_step":5,"card_floor_limit":5000,"foreign_rates":[{"currency":"USD","rate":920000}]}
{"type":"tax","category":"standard","ppm":230000}
{"type":"product","sku":"MUG","name":"Mug","tax_category":"standard"}
{"type":"product","sku":"GOLD","name":"Gold","tax_category":"standard","policy":"Strict"}
{"type":"price","sku":"MUG","price":795}
{"type":"price","sku":"GOLD","price":10000}
{"type":"stock","sku":"MUG","units":100}
{"type":"stock","sku":"GOLD","units":1}
"#;

const DONG: &str = r#"{"type":"settings","currency":"VND","cash_step":500}
{"type":"tax","category":"standard","ppm":80000}
{"type":"product","sku":"PHO","name":"Pho","tax_category":"standard"}
{"type":"price","sku":"PHO","price":65000}
"#;

impl Till {
    fn open(name: &str, catalog: &str) -> Self {
        let folder = TempDir::new(name);
        let file = folder.join("catalog.ndjson");
        std::fs::write(&file, catalog).expect("the catalog is written");
        let program = start_node_with(&folder.path().join("node"), &file, &[], &[]).expect("the node starts");
        let client = program.client("http");
        Self { folder, program: Some(program), client }
    }

    fn pull_the_plug(&mut self) {
        self.program.take().expect("it runs").kill();
        let program = start_node_with(&self.folder.path().join("node"), "en-grocer", &[], &[]);
        let program = program.expect("the node comes back");
        self.client = program.client("http");
        self.program = Some(program);
    }

    fn get(&mut self, path: &str) -> Value {
        self.client.get(path).expect("the node answers").ok()
    }

    fn ask(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        self.client.json(method, path, body).expect("the node answers")
    }

    fn post(&mut self, path: &str, body: &Value) -> Value {
        self.ask("POST", path, body).ok()
    }

    fn terminal(&mut self, behaviour: &str, online: bool, forwards: &str) {
        let body = json!({"kind": "simulated", "behaviour": behaviour, "online": online, "forwards": forwards,
                          "timeout_ms": 20});
        let _ = self.ask("PUT", "/v1/terminals/R1", &body).ok();
    }

    fn cart(&mut self, sku: &str, pieces: i64) -> String {
        let id = uuid_v7();
        self.post("/v1/carts", &json!({"till": "R1", "id": id}));
        self.post(&format!("/v1/carts/{id}/lines"), &json!({"sku": sku, "quantity_milli": pieces * 1_000}));
        id
    }

    fn give(&mut self, cart: &str, tender: Value) -> Answer {
        let mut tender = tender;
        if tender["id"].is_null() {
            tender["id"] = json!(uuid_v7());
        }
        self.ask("POST", &format!("/v1/carts/{cart}/tenders"), &tender)
    }

    fn card(&mut self, cart: &str, amount: i64) -> Value {
        self.give(cart, json!({"kind": "card", "amount": amount})).ok()
    }

    fn check_out(&mut self, cart: &str) -> Answer {
        self.ask("POST", &format!("/v1/carts/{cart}/checkout"), &json!({"tenders": []}))
    }

    fn on(&mut self, cart: &str, payment: &Value, what: &str) -> Answer {
        let tender = payment["tenders"].as_array().and_then(|all| all.last()).expect("a tender");
        let path = format!("/v1/carts/{cart}/tenders/{}/{what}", tender["id"].as_str().expect("a key"));
        self.ask("POST", &path, &json!({}))
    }
}

fn last_state(payment: &Value) -> &str {
    let tender = payment["tenders"].as_array().and_then(|all| all.last());
    tender.and_then(|tender| tender["state"].as_str()).unwrap_or_default()
}

fn sums(sale: &Value) -> [i64; 4] {
    ["total", "cash_due", "rounding", "change"].map(|field| sale[field].as_i64().unwrap_or(i64::MIN))
}

#[test]
fn a_refused_card_leaves_the_cart_open_and_a_taken_one_seals_it() {
    let mut till = Till::open("tender-card", EURO);
    let cart = till.cart("MUG", 2);
    let none = till.give(&cart, json!({"kind": "card", "amount": 1_590}));
    assert_eq!(none.code(), "TENDER_NOT_TAKEN", "the till has no terminal: {}", none.text());
    till.terminal("decline", true, "capture");
    let payment = till.card(&cart, 1_590);
    assert_eq!((last_state(&payment), &payment["state"]), ("declined", &json!("open")));
    till.terminal("approve", true, "capture");
    let key = uuid_v7();
    let tender = json!({"id": key, "kind": "card", "amount": 1_000});
    let payment = till.give(&cart, tender.clone()).ok();
    assert_eq!(
        (last_state(&payment), &payment["rest"], &payment["cash_due"]),
        ("captured", &json!(590), &json!(590))
    );
    assert_eq!(till.give(&cart, tender).ok(), payment, "the same key again takes nothing");
    let scan = till.ask("POST", &format!("/v1/carts/{cart}/lines"), &json!({"sku": "MUG"}));
    assert_eq!((scan.status, scan.code().as_str()), (409, "CART_CLOSED"));
    assert_eq!(till.check_out(&cart).code(), "SHORT_TENDER");
    // A manual price at the hub of the till doesn't matter any more: what was sealed stands.
    let _ = till.ask("POST", "/v1/prices", &json!({"sku": "MUG", "price": 999}));
    let undone = till.on(&cart, &payment, "undo").ok();
    assert_eq!((last_state(&undone), &undone["state"]), ("voided", &json!("open")), "every tender is undone");
    assert_eq!(till.ask("POST", &format!("/v1/carts/{cart}/lines"), &json!({"sku": "MUG"})).status, 200);
}

#[test]
fn nobody_knows_until_the_terminal_is_asked_again() {
    let mut till = Till::open("tender-unknown", EURO);
    till.terminal("time_out", true, "capture");
    let cart = till.cart("MUG", 1);
    let payment = till.card(&cart, 795);
    assert_eq!(last_state(&payment), "unknown");
    assert_eq!(till.check_out(&cart).code(), "TENDER_UNSETTLED", "no document and no number");
    let known = till.on(&cart, &payment, "inquire").ok();
    assert_eq!(last_state(&known), "captured", "it had taken the money");
    assert_eq!(sums(&till.check_out(&cart).ok()), [795, 0, 0, 0]);
    let claimed = till.on(&cart, &payment, "undo");
    assert_eq!(claimed.code(), "TENDER_CLAIMED", "only a refund gives it back");
    till.terminal("forget", true, "capture");
    let cart = till.cart("MUG", 1);
    let payment = till.card(&cart, 795);
    assert_eq!(last_state(&payment), "unknown");
    let known = till.on(&cart, &payment, "inquire").ok();
    assert_eq!((last_state(&known), &known["state"]), ("voided", &json!("open")), "it never heard of it");
}

#[test]
fn a_plug_pulled_while_the_terminal_is_asked_loses_no_money() {
    let mut till = Till::open("tender-plug", EURO);
    let slow = json!({"kind": "simulated", "behaviour": "time_out", "timeout_ms": 120_000});
    let _ = till.ask("PUT", "/v1/terminals/R1", &slow).ok();
    let cart = till.cart("MUG", 1);
    let url = till.program.as_ref().expect("it runs").said("http");
    let path = format!("/v1/carts/{cart}/tenders");
    let body = json!({"id": uuid_v7(), "kind": "card", "amount": 795});
    // Nobody hears the answer to this one.
    let asker = {
        let path = path.clone();
        std::thread::spawn(move || Client::new(&url).json("POST", &path, &body).is_ok())
    };
    wait_for("the terminal to be asked", WAIT, || last_state(&till.get(&path)) == "requested")
        .expect("it is");
    // The terminal may not have heard it when the plug is pulled; whichever it is, asking again tells.
    till.pull_the_plug();
    let _ = asker.join();
    let payment = till.get(&path);
    assert_eq!((last_state(&payment), &payment["state"]), ("unknown", &json!("tendering")));
    assert_eq!(till.check_out(&cart).code(), "TENDER_UNSETTLED");
    let known = till.on(&cart, &payment, "inquire").ok();
    match last_state(&known) {
        "captured" => assert_eq!(till.check_out(&cart).status, 201),
        state => assert_eq!((state, &known["state"]), ("voided", &json!("open"))),
    }
}

#[test]
fn cards_are_kept_within_the_limit_and_paid_or_owed_later() {
    let mut till = Till::open("tender-stored", EURO);
    let opened = json!({"id": uuid_v7(), "floats": [{"total": 10_000}]});
    till.post("/v1/tills/R1/shift", &opened);
    till.terminal("approve", false, "capture");
    let cart = till.cart("MUG", 7);
    let over = till.give(&cart, json!({"kind": "card", "amount": 5_001}));
    assert_eq!((over.status, over.code().as_str()), (422, "OVER_FLOOR_LIMIT"), "{}", over.text());
    let payment = till.card(&cart, 5_000);
    assert_eq!(last_state(&payment), "stored");
    let _ = till.give(&cart, json!({"kind": "cash", "amount": 600})).ok();
    let sale = till.check_out(&cart).ok();
    assert_eq!(sums(&sale), [5_565, 565, 0, 35]);
    let unsettled = |till: &mut Till| {
        let shift = till.get("/v1/tills/R1/shift");
        let tenders = shift["report"]["tenders"].as_array().cloned().unwrap_or_default();
        tenders.iter().find(|t| t["kind"] == "card").map(|t| t["unsettled"].clone())
    };
    assert_eq!(unsettled(&mut till), Some(json!(5_000)));
    let waiting = till.get("/v1/tenders?state=stored");
    assert_eq!(waiting["data"][0]["document"], sale["id"]);
    let path = format!("/v1/sales/{}", sale["id"].as_str().expect("an id"));
    till.terminal("approve", true, "capture");
    wait_for("it to be forwarded", WAIT, || till.get(&path)["tenders"][0]["now"] == "captured")
        .expect("it is");
    assert_eq!(till.get(&path)["tenders"][0]["state"], "stored", "the document stands");
    assert_eq!(unsettled(&mut till), Some(json!(0)));

    // One that is refused when it is forwarded is owed, and collected by a document of its own.
    till.terminal("approve", false, "decline");
    let cart = till.cart("MUG", 1);
    assert_eq!(last_state(&till.card(&cart, 795)), "stored");
    let sale = till.check_out(&cart).ok();
    till.terminal("approve", true, "decline");
    wait_for("it to be refused", WAIT, || till.get("/v1/receivables")["data"][0]["outcome"] == "declined")
        .expect("it is");
    let owed = till.get("/v1/receivables")["data"][0].clone();
    assert_eq!(
        (&owed["sale_id"], &owed["amount"], &owed["collected"]),
        (&sale["id"], &json!(795), &json!(false))
    );
    let path = format!("/v1/receivables/{}", uuid_v7());
    let pay = json!({"till": "R1", "sale_id": owed["sale_id"], "tender": owed["tender"],
                     "tenders": [{"kind": "cash", "amount": 1_000}]});
    let paid = till.ask("PUT", &path, &pay).ok();
    assert_eq!((&paid["amount"], &paid["change"]), (&json!(795), &json!(205)));
    assert_eq!(till.ask("PUT", &path, &pay).ok(), paid, "the same again");
    assert_eq!(till.get("/v1/receivables")["data"][0]["collected"], true);
    let other = format!("/v1/receivables/{}", uuid_v7());
    assert_eq!(till.ask("PUT", &other, &pay).code(), "ALREADY_CLOSED");
}

#[test]
fn a_gift_card_is_a_liability_and_pays_no_more_than_is_on_it() {
    let mut till = Till::open("tender-gift", EURO);
    let line = json!({"voucher": {"code": "gc-1", "amount": 1_000}});
    let sale = json!({"till": "R1", "lines": [line], "tenders": [{"kind": "cash", "amount": 1_000}]});
    let sold = till.ask("PUT", &format!("/v1/sales/{}", uuid_v7()), &sale).ok();
    assert_eq!((&sold["total"], &sold["tax"]), (&json!(1_000), &json!(0)));
    assert_eq!(till.get("/v1/vouchers/GC-1")["left"], 1_000);
    let cart = till.cart("MUG", 2);
    let too_much = till.give(&cart, json!({"kind": "gift_card", "amount": 1_200, "code": "GC-1"}));
    assert_eq!((too_much.status, too_much.code().as_str()), (422, "OVER_QUOTA"), "{}", too_much.text());
    let _ = till.give(&cart, json!({"kind": "gift_card", "amount": 900, "code": "gc-1"})).ok();
    assert_eq!(
        till.get("/v1/vouchers/GC-1")["left"],
        100,
        "what a cart is being paid with is not there twice"
    );
    let dollars = till.give(&cart, json!({"kind": "foreign_cash", "amount": 500, "currency": "USD"})).ok();
    assert_eq!(dollars["tenders"][1]["foreign"], json!({"currency": "USD", "amount": 500, "rate": 920_000}));
    assert_eq!((&dollars["rest"], &dollars["cash_due"]), (&json!(230), &json!(230)));
    let _ = till.give(&cart, json!({"kind": "cash", "amount": 500})).ok();
    let sale = till.check_out(&cart).ok();
    assert_eq!(sums(&sale), [1_590, 230, 0, 270]);
    assert_eq!(till.get("/v1/vouchers/GC-1")["redeemed"], 900);
    let direct = json!({"till": "R1", "lines": [{"sku": "MUG"}],
                        "tenders": [{"kind": "gift_card", "code": "GC-1", "amount": 795}]});
    let refused = till.ask("PUT", &format!("/v1/sales/{}", uuid_v7()), &direct);
    assert_eq!(
        (refused.code().as_str(), &refused.json()["errors"][0]["pointer"]),
        ("OVER_QUOTA", &json!("/tenders/0/amount"))
    );
}

#[test]
fn what_is_being_paid_for_is_promised_to_nobody_else() {
    let mut till = Till::open("tender-held", EURO);
    till.terminal("approve", true, "capture");
    let first = till.cart("GOLD", 1);
    let second = till.cart("GOLD", 1);
    assert_eq!(last_state(&till.card(&first, 5_000)), "captured");
    let refused = till.give(&second, json!({"kind": "cash", "amount": 10_000}));
    assert_eq!(refused.code(), "STRICT_STOCK_SHORT", "before any money: {}", refused.text());
    let _ = till.give(&first, json!({"kind": "cash", "amount": 5_000})).ok();
    assert_eq!(till.check_out(&first).status, 201);
}

#[test]
fn a_transfer_is_shown_as_a_code_and_waits_for_the_banks_list() {
    let mut till = Till::open("tender-vietqr", DONG);
    let cart = till.cart("PHO", 1);
    let tender = json!({"kind": "vietqr", "amount": 65_000});
    assert_eq!(till.give(&cart, tender.clone()).code(), "NO_BANK_ACCOUNT");
    let account = json!({"bank": "970436", "account": "0123456789"});
    let _ = till.ask("PUT", "/v1/bank-account", &account).ok();
    let shown = till.give(&cart, tender).ok();
    let code = shown["tenders"][0]["qr"].as_str().expect("a code").to_owned();
    assert!(tradepost_commerce::viet_qr::is_sealed(&code) && code.contains("540565000"), "{code}");
    assert_eq!(till.check_out(&cart).code(), "TENDER_UNSETTLED", "nobody has seen it");
    let seen = till.on(&cart, &shown, "seen").ok();
    assert_eq!(last_state(&seen), "unconfirmed");
    let sale = till.check_out(&cart).ok();
    let key = sale["tenders"][0]["key"].as_str().expect("a key").to_owned();
    let missing = till.post(&format!("/v1/tenders/{key}/confirm"), &json!({"outcome": "missing"}));
    assert_eq!(missing["state"], "missing");
    assert_eq!(till.get("/v1/receivables")["data"][0]["amount"], 65_000);
}

/// A sale of mugs that the till's terminal took the card of.
fn sold_by_card(till: &mut Till, pieces: i64) -> Value {
    let cart = till.cart("MUG", pieces);
    let payment = till.card(&cart, pieces * 795);
    assert!(["captured", "stored"].contains(&last_state(&payment)), "{payment}");
    till.check_out(&cart).ok()
}

fn one_mug_back(sale: &Value) -> Value {
    json!({"till": "R1", "sale_id": sale["id"], "reason": "broken",
           "lines": [{"line": 0, "quantity_milli": 1_000, "condition": "resell"}]})
}

fn path_of(what: &str) -> String {
    format!("/v1/{what}/{}", uuid_v7())
}

#[test]
fn a_card_is_given_back_by_the_terminal_that_took_it() {
    let mut till = Till::open("card-back", EURO);
    till.terminal("approve", true, "capture");
    let sale = sold_by_card(&mut till, 5);
    let (path, body) = (path_of("refunds"), one_mug_back(&sale));
    let back = till.ask("PUT", &path, &body).ok();
    let tender = back["tenders"][0].clone();
    assert_eq!(
        (&tender["kind"], &tender["amount"], &tender["state"]),
        (&json!("card"), &json!(-795), &json!("captured"))
    );
    assert!(
        tender["reference"].as_str().is_some_and(|said| said.starts_with("SIM-")),
        "the terminal's: {back}"
    );
    assert_ne!(tender["reference"], sale["tenders"][0]["reference"]);
    assert_eq!(till.ask("PUT", &path, &body).ok(), back, "the same again gives nothing again");

    // It refuses: nothing was booked, and nothing came back to the shelf.
    till.terminal("decline", true, "capture");
    let refused = till.ask("PUT", &path_of("refunds"), &body);
    assert_eq!((refused.status, refused.code().as_str()), (422, "TENDER_NOT_TAKEN"), "{}", refused.text());
    assert_eq!(till.get("/v1/stock/MUG")["on_hand"], 96);

    // Its answer is lost: the same request asks what became of it.
    till.terminal("time_out", true, "capture");
    let path = path_of("refunds");
    let lost = till.ask("PUT", &path, &body);
    assert_eq!((lost.status, lost.code().as_str()), (409, "TENDER_UNSETTLED"), "{}", lost.text());
    assert_eq!(till.get("/v1/tenders?state=unknown")["data"][0]["amount"], -795);
    assert_eq!(till.ask("PUT", &path, &body).status, 201, "it had given the money back");
    assert_eq!(till.get("/v1/tenders?state=unknown")["data"], json!([]));

    // It never heard: then nothing was given, and another try is another request.
    till.terminal("forget", true, "capture");
    let path = path_of("refunds");
    assert_eq!(till.ask("PUT", &path, &body).code(), "TENDER_UNSETTLED");
    assert_eq!(till.ask("PUT", &path, &body).code(), "TENDER_NOT_TAKEN");
    till.terminal("approve", true, "capture");
    assert_eq!(till.ask("PUT", &path, &body).code(), "TENDER_NOT_TAKEN", "that key is spent");
    assert_eq!(till.ask("PUT", &path_of("refunds"), &body).status, 201);
    assert_eq!(till.get("/v1/stock/MUG")["on_hand"], 98, "three came back");

    // What another terminal took by hand is given back by hand.
    let by_hand = json!({"till": "R1", "lines": [{"sku": "MUG"}],
                         "tenders": [{"kind": "card", "amount": 795, "reference": "T-9"}]});
    let sale = till.ask("PUT", &path_of("sales"), &by_hand).ok();
    till.terminal("decline", true, "capture");
    assert_eq!(till.ask("PUT", &path_of("refunds"), &one_mug_back(&sale)).status, 201);
}

#[test]
fn a_plug_pulled_while_money_is_given_back_gives_it_once() {
    let mut till = Till::open("card-back-plug", EURO);
    till.terminal("approve", true, "capture");
    let sale = sold_by_card(&mut till, 1);
    let slow = json!({"kind": "simulated", "behaviour": "time_out", "timeout_ms": 120_000});
    let _ = till.ask("PUT", "/v1/terminals/R1", &slow).ok();
    let (path, body) = (path_of("refunds"), one_mug_back(&sale));
    let url = till.program.as_ref().expect("it runs").said("http");
    let asker = {
        let (path, body) = (path.clone(), body.clone());
        std::thread::spawn(move || Client::new(&url).json("PUT", &path, &body).is_ok())
    };
    let asked = |till: &mut Till| till.get("/v1/tenders?state=requested")["data"][0]["amount"] == -795;
    wait_for("the terminal to be asked", WAIT, || asked(&mut till)).expect("it is");
    till.pull_the_plug();
    let _ = asker.join();
    // Whether the terminal had heard it or not, the same request finds out, and a new one does it where it had not.
    let first = till.ask("PUT", &path, &body);
    if first.code() == "TENDER_NOT_TAKEN" {
        till.terminal("approve", true, "capture");
        assert_eq!(till.ask("PUT", &path_of("refunds"), &body).status, 201);
    } else {
        assert_eq!(first.status, 201, "{}", first.text());
    }
    assert_eq!(till.ask("PUT", &path_of("refunds"), &body).code(), "MORE_THAN_SOLD", "it came back once");
}

#[test]
fn what_waits_on_cards_is_capped_whichever_way_it_goes() {
    let mut till = Till::open("card-caps", EURO);
    till.terminal("approve", false, "capture");
    let most = |till: &mut Till, most: Value| {
        till.ask("PUT", "/v1/card-policy", &json!({"stored_sum_max": most})).ok()
    };
    assert_eq!(till.get("/v1/card-policy")["stored_sum_max"], Value::Null);
    assert_eq!(most(&mut till, json!(2_400))["floor_limit"], 5_000);
    let sale = sold_by_card(&mut till, 2);
    let cart = till.cart("MUG", 2);
    let over = till.give(&cart, json!({"kind": "card", "amount": 1_590}));
    assert_eq!((over.status, over.code().as_str()), (422, "OVER_STORED_SUM"), "{}", over.text());
    let back = till.ask("PUT", &path_of("refunds"), &one_mug_back(&sale)).ok();
    assert_eq!(back["tenders"][0]["state"], "stored", "the terminal keeps it, too");
    let policy = till.get("/v1/card-policy");
    assert_eq!((&policy["stored"], &policy["stored_sum"]), (&json!(2), &json!(2_385)));
    let over = till.ask("PUT", &path_of("refunds"), &one_mug_back(&sale));
    assert_eq!(over.code(), "OVER_STORED_SUM", "{}", over.text());
    till.terminal("approve", true, "capture");
    wait_for("all to be forwarded", WAIT, || till.get("/v1/card-policy")["stored"] == 0).expect("they are");
    let path = format!("/v1/refunds/{}", back["id"].as_str().expect("an id"));
    assert_eq!(till.get(&path)["tenders"][0]["now"], "captured");
    assert_eq!(most(&mut till, Value::Null)["stored_sum_max"], Value::Null);
}

#[test]
fn a_void_and_an_exchange_ask_the_terminal() {
    let mut till = Till::open("card-void", EURO);
    let opened = json!({"id": uuid_v7(), "floats": [{"total": 10_000}]});
    till.post("/v1/tills/R1/shift", &opened);
    till.terminal("approve", true, "capture");
    let sale = sold_by_card(&mut till, 2);
    let void = json!({"till": "R1", "sale_id": sale["id"], "reason": "wrong customer"});
    till.terminal("decline", true, "capture");
    assert_eq!(till.ask("PUT", &path_of("voids"), &void).code(), "TENDER_NOT_TAKEN", "the sale stands");
    till.terminal("approve", true, "capture");
    let done = till.ask("PUT", &path_of("voids"), &void).ok();
    assert_eq!((&done["void"], &done["tenders"][0]["amount"]), (&json!(true), &json!(-1_590)));

    // A mug for two: the customer pays the rest by card, once.
    let sale = sold_by_card(&mut till, 1);
    let mut exchange = json!({"till": "R1", "sale": {"lines": [{"sku": "MUG", "quantity_milli": 2_000}]},
        "refund": {"sale_id": sale["id"], "reason": "size",
                   "lines": [{"line": 0, "quantity_milli": 1_000, "condition": "resell"}]},
        "tenders": [{"kind": "card", "amount": 790}]});
    let short = till.ask("PUT", &path_of("exchanges"), &exchange);
    assert_eq!(short.code(), "SHORT_TENDER", "before the card is touched: {}", short.text());
    assert_eq!(till.get("/v1/tenders?state=requested")["data"], json!([]));
    exchange["tenders"][0]["amount"] = json!(795);
    till.terminal("time_out", true, "capture");
    let path = path_of("exchanges");
    assert_eq!(till.ask("PUT", &path, &exchange).code(), "TENDER_UNSETTLED");
    let done = till.ask("PUT", &path, &exchange).ok();
    assert_eq!(
        (&done["sale"]["tenders"][1]["kind"], &done["sale"]["tenders"][1]["amount"]),
        (&json!("card"), &json!(795))
    );
    assert_eq!(till.ask("PUT", &path, &exchange).ok(), done, "the same again takes nothing");
    let shift = till.get("/v1/tills/R1/shift");
    let card = shift["report"]["tenders"].as_array().and_then(|all| all.iter().find(|t| t["kind"] == "card"));
    assert_eq!(card.map(|card| card["amount"].clone()), Some(json!(1_590)), "two mugs: {shift}");
}

#[test]
fn what_nobody_knows_at_closing_time_is_named_and_sold_the_next_day() {
    let mut till = Till::open("card-next-day", EURO);
    let open = |till: &mut Till| {
        till.post("/v1/tills/R1/shift", &json!({"id": uuid_v7(), "floats": [{"total": 10_000}]}))
    };
    let close = |till: &mut Till, shift: i64| {
        till.post("/v1/tills/R1/shift/close", &json!({"shift": shift, "counts": [{"total": 10_000}]}))
    };
    open(&mut till);
    till.terminal("time_out", true, "capture");
    let cart = till.cart("MUG", 1);
    let payment = till.card(&cart, 795);
    assert_eq!(last_state(&payment), "unknown");
    let z = close(&mut till, 1);
    assert_eq!((&z["report"]["sales_count"], &z["drawers"][0]["difference"]), (&json!(0), &json!(0)));
    assert_eq!(
        (&z["open_tenders"][0]["object"], &z["open_tenders"][0]["amount"]),
        (&json!(cart), &json!(795)),
        "{z}"
    );
    open(&mut till);
    let known = till.on(&cart, &payment, "inquire").ok();
    assert_eq!(last_state(&known), "captured", "the terminal admits it");
    let sale = till.check_out(&cart).ok();
    assert_eq!(sale["shift"], 2, "it belongs to the shift that commits it");
    let second = close(&mut till, 2);
    assert_eq!((&second["report"]["sales_count"], &second["open_tenders"]), (&json!(1), &json!([])));
    assert_eq!(till.get("/v1/tills/R1/z/1"), z, "what was printed stands");
}

#[test]
fn a_stored_card_that_is_refused_after_the_z_changes_no_paper() {
    let mut till = Till::open("card-after-z", EURO);
    let open = |till: &mut Till, float: i64| {
        till.post("/v1/tills/R1/shift", &json!({"id": uuid_v7(), "floats": [{"total": float}]}))
    };
    open(&mut till, 10_000);
    till.terminal("approve", false, "decline");
    let sale = sold_by_card(&mut till, 2);
    let close = json!({"shift": 1, "counts": [{"total": 10_000}]});
    let z = till.post("/v1/tills/R1/shift/close", &close);
    let card = |z: &Value| {
        let all = z["report"]["tenders"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|tender| tender["kind"] == "card").unwrap_or_default()
    };
    assert_eq!((&card(&z)["amount"], &card(&z)["unsettled"]), (&json!(1_590), &json!(1_590)), "{z}");
    till.terminal("approve", true, "decline");
    wait_for("it to be refused", WAIT, || till.get("/v1/receivables")["data"][0]["outcome"] == "declined")
        .expect("it is");
    assert_eq!(till.get("/v1/tills/R1/z/1"), z, "the sale and its Z stand");
    let path = format!("/v1/sales/{}", sale["id"].as_str().expect("an id"));
    assert_eq!(till.get(&path)["tenders"][0]["now"], "declined");
    open(&mut till, 10_000);
    let owed = till.get("/v1/receivables")["data"][0].clone();
    let pay = json!({"till": "R1", "sale_id": owed["sale_id"], "tender": owed["tender"],
                     "tenders": [{"kind": "cash", "amount": 1_590}]});
    let _ = till.ask("PUT", &path_of("receivables"), &pay).ok();
    let close = json!({"shift": 2, "counts": [{"total": 11_590}]});
    let second = till.post("/v1/tills/R1/shift/close", &close);
    assert_eq!(
        (&second["report"]["receivables_collected"], &second["report"]["sales_count"]),
        (&json!(1_590), &json!(0)),
        "{second}"
    );
    assert_eq!(second["drawers"][0]["difference"], 0);
}

#[test]
fn the_hub_reminds_of_cards_that_wait_for_their_money() {
    let mut store = LanStore::open("card-hub", &["east"], &[("MUG", "InHand")]);
    store.nodes[0].receive("MUG", 10);
    let terminal = |store: &mut LanStore, online: bool| {
        let body = json!({"kind": "simulated", "online": online, "forwards": "decline", "timeout_ms": 20});
        let _ = store.nodes[0].ask("PUT", "/v1/terminals/R1", &body).ok();
    };
    let path = format!("/v1/stores/{STORE}/settings");
    let shown = store.admin.get(&path).expect("the hub answers");
    let mut wanted = shown.ok();
    wanted["card_floor_limit"] = json!(5_000);
    let headers =
        [("content-type", "application/json"), ("if-match", shown.header("etag").expect("an ETag"))];
    let bytes = wanted.to_string().into_bytes();
    let set = store.admin.send("PUT", &path, &headers, Some(&bytes)).expect("the hub answers");
    assert_eq!(set.status, 200, "{}", set.text());
    wait_for("the limit to come", SOON, || store.nodes[0].get("/v1/card-policy")["floor_limit"] == 5_000)
        .expect("it comes");
    terminal(&mut store, false);
    let cart = store.nodes[0].open_cart();
    let _ = store.nodes[0].scan(&cart, "MUG").ok();
    let card = json!({"id": uuid_v7(), "kind": "card", "amount": 100});
    let given = store.nodes[0].ask("POST", &format!("/v1/carts/{cart}/tenders"), &card).ok();
    assert_eq!(last_state(&given), "stored");
    let path = format!("/v1/carts/{cart}/checkout");
    let sale = store.nodes[0].ask("POST", &path, &json!({"tenders": []})).ok();
    let told = |store: &mut LanStore, outcome: &str| {
        let path = format!("/v1/stored-tenders?store={STORE}&outcome={outcome}");
        store.admin.get(&path).expect("the hub answers").ok()
    };
    wait_for("the hub to know of it", SOON, || told(&mut store, "unsettled")["count"] == 1)
        .expect("it is told");
    let waiting = told(&mut store, "unsettled");
    assert_eq!(
        (&waiting["sum"], &waiting["data"][0]["order"], &waiting["data"][0]["receipt"]),
        (&json!(100), &sale["id"], &sale["receipt"]["number"])
    );
    terminal(&mut store, true);
    wait_for("the hub to know its end", SOON, || told(&mut store, "declined")["count"] == 1)
        .expect("it is told");
    assert_eq!(told(&mut store, "unsettled")["data"], json!([]));
    assert_eq!(told(&mut store, "declined")["data"][0]["tender"], sale["tenders"][0]["key"]);
}
