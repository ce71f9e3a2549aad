//! The web checkout under kill −9: at every step, and anywhere while a crowd checks out. Nobody ever pays without an order
//! or gets the money back, no checkout becomes two orders, and every right that was lent is free or promised
//! (`facts.md` §4, Web order).

#![allow(clippy::print_stdout, reason = "what was measured or skipped is said")]

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tradepost_central::payment::Kind;
use tradepost_tests::http::{Answer, Client};
use tradepost_tests::hub_bench::{PgDatabase, service};
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::process::{Program, TempDir, wait_for};
use tradepost_tests::provider::{Held, Provider};
use tradepost_tests::seed::{Luck, full};

/// Bound of every wait; what is promised is far below.
const SOON: Duration = Duration::from_secs(90);
const STORE: &str = "13";
const SKU: &str = "MUG";
const PRICE: i64 = 1_999;

/// A hub that is killed and started again on the same database, with a store that lent goods, and its provider.
struct Shop {
    engine: &'static str,
    program: Option<Program>,
    admin: Client,
    shopper: String,
    folder: TempDir,
    provider: Provider,
    lent: i64,
    database: Option<PgDatabase>,
}

fn engines(test: &str) -> Vec<&'static str> {
    match service("TRADEPOST_PG_URL", test) {
        Some(_) => vec!["sqlite", "postgres"],
        None => vec!["sqlite"],
    }
}

impl Shop {
    fn open(engine: &'static str, lent: i64) -> Self {
        println!("engine: {engine}");
        let database = match engine {
            "postgres" => {
                service("TRADEPOST_PG_URL", "faults of the checkout").map(|url| PgDatabase::make(&url))
            }
            _ => None,
        };
        let (folder, provider) = (TempDir::new("checkout"), Provider::start());
        let mut shop = Self {
            engine,
            program: None,
            admin: Client::new("http://127.0.0.1:1"),
            shopper: String::new(),
            folder,
            provider,
            lent,
            database,
        };
        shop.start();
        shop.stock();
        shop.shopper = shop.guest();
        shop
    }

    fn start(&mut self) {
        let data = self.folder.join("hub");
        let database = self.database.as_ref().map_or("sqlite".to_owned(), PgDatabase::url);
        let anywhere = "127.0.0.1:0";
        let program = Program::start(
            "tradepost-hub",
            &[
                "run",
                "--data-dir",
                &data,
                "--database",
                &database,
                "--admin-listen",
                anywhere,
                "--sync-listen",
                anywhere,
                "--payments",
                self.provider.url(),
                "--payment-patience-ms",
                "2000",
            ],
        );
        let program = program.expect("the hub starts");
        let token = std::fs::read_to_string(std::path::Path::new(&data).join("admin.token"));
        self.admin = program.client("admin").with_token(token.expect("the hub made its token").trim());
        self.program = Some(program);
    }

    fn kill(&mut self) {
        self.program.take().expect("it runs").kill();
    }

    fn ask(&mut self, method: &str, path: &str, body: &Value) -> Value {
        self.admin.json(method, path, body).expect("the hub answers").ok()
    }

    /// A store whose node lends its goods to the web, and is not needed any more.
    fn stock(&mut self) {
        let taxes = json!([{"category": "standard", "ppm": 230_000}]);
        let store = json!({"code": STORE, "name": "Salem", "settings": {"currency": "EUR", "taxes": taxes}});
        let _ = self.ask("POST", "/v1/stores", &store);
        let product = json!({"name": "Mug", "tax_category": "standard"});
        let _ = self.ask("PUT", &format!("/v1/products/{SKU}"), &product);
        let _ = self.ask("POST", "/v1/prices", &json!({"sku": SKU, "price": PRICE}));
        let code = self.ask("POST", &format!("/v1/stores/{STORE}/enrolment-codes"), &json!({}));
        let data = self.folder.join("node");
        let node = Program::start("tradepost-node", &["run", "--data-dir", &data, "--listen", "127.0.0.1:0"]);
        let node = node.expect("the node starts");
        let mut till = node.client("http");
        let _ = till.json("POST", "/v1/enrolment", &json!({"code": code["code"]})).expect("it answers").ok();
        wait_for("roster, lease and catalog", SOON, || {
            let status = till.get("/v1/sync/status").map(|answer| answer.json()).unwrap_or_default();
            let priced = till.get(&format!("/v1/products/{SKU}")).is_ok_and(|a| a.json()["price"] == PRICE);
            priced && status["registered"] == true && status["lease"]["held"] == true
        })
        .expect("they arrive");
        let delivery = json!({"reference": "D-1", "lines": [{"sku": SKU, "units": self.lent}]});
        let path = format!("/v1/deliveries/{}", uuid_v7());
        let _ = till.json("PUT", &path, &delivery).expect("it answers").ok();
        let grant = json!({"id": uuid_v7(), "to": "hub", "units": self.lent});
        let _ = till.json("POST", &format!("/v1/stock/{SKU}/grants"), &grant).expect("it answers").ok();
        wait_for("the loan", SOON, || self.free() == self.lent).expect("it arrives");
        node.stop(SOON).expect("the node stops");
    }

    fn free(&mut self) -> i64 {
        let stock = self.admin.get(&format!("/v1/stores/{STORE}/stock/{SKU}")).expect("the hub answers");
        stock.json()["hub_rights"].as_i64().unwrap_or(-1)
    }

    fn guest(&mut self) -> String {
        let guest = self.ask("POST", "/v1/shop/guests", &json!({}));
        guest["token"].as_str().expect("a token").to_owned()
    }

    fn shop(&self) -> Client {
        self.program.as_ref().expect("it runs").client("admin").with_token(&self.shopper)
    }

    fn order(&mut self, id: &str) -> Value {
        self.admin.get(&format!("/v1/web-orders/{id}")).expect("the hub answers").ok()
    }

    fn orders(&mut self) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.admin.get(&format!("/v1/web-orders?limit=500{cursor}")).expect("it answers").ok();
            all.extend(page["data"].as_array().cloned().unwrap_or_default());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    /// Runs SQL on the database of a hub that does not run.
    fn sql(&self, sqlite: &str, postgres: &str) {
        match &self.database {
            Some(database) => {
                let mut client =
                    postgres::Client::connect(&database.url(), postgres::NoTls).expect("it answers");
                client.batch_execute(postgres).expect("the statement is good");
            }
            None => {
                let path = self.folder.path().join("hub").join("hub.db");
                let db = rusqlite::Connection::open(path).expect("the file is there");
                db.execute_batch(sqlite).expect("the statement is good");
            }
        }
    }

    /// From now on no order goes on to one of these states: whatever is to be done before it is done, and nothing after.
    fn stop_before(&self, states: &[&str]) {
        let list = states.iter().map(|state| format!("'{state}'")).collect::<Vec<_>>().join(", ");
        let sqlite = format!(
            "CREATE TRIGGER stopped BEFORE UPDATE OF state ON web_orders WHEN NEW.state IN ({list}) \
             AND OLD.state <> NEW.state BEGIN SELECT RAISE(ABORT, 'stopped by the test'); END;"
        );
        let postgres = format!(
            "CREATE FUNCTION stopped() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF NEW.state IN ({list}) AND OLD.state <> NEW.state THEN RAISE EXCEPTION 'stopped by the test'; END IF; \
             RETURN NEW; END $$; \
             CREATE TRIGGER stopped BEFORE UPDATE ON web_orders FOR EACH ROW EXECUTE FUNCTION stopped();"
        );
        self.sql(&sqlite, &postgres);
    }

    fn go_on(&self) {
        self.sql("DROP TRIGGER stopped;", "DROP TRIGGER stopped ON web_orders; DROP FUNCTION stopped();");
    }

    /// What must hold once nothing is under way any more.
    fn check(&mut self, checkouts: usize) {
        let ledger = self.provider.ledger();
        let orders = self.orders();
        let ids: BTreeSet<&str> = orders.iter().filter_map(|order| order["id"].as_str()).collect();
        assert_eq!((orders.len(), ids.len()), (checkouts, checkouts), "one order a checkout");
        let mut kept: BTreeMap<&str, i64> = BTreeMap::new();
        for (payment, money) in ledger.payments() {
            assert!(ids.contains(money.order.as_str()) || money.kept() == 0, "{payment} has no order");
            *kept.entry(&money.order).or_default() += money.kept();
        }
        let mut promised = 0;
        for order in &orders {
            let (id, state) = (order["id"].as_str().unwrap_or_default(), order["state"].as_str());
            let paid = match state.unwrap_or_default() {
                "handed_over" => order["total"].as_i64().unwrap_or(-1),
                "failed" | "refunded" => 0,
                other => panic!("{} order {id} ended as {other}: {order}", self.engine),
            };
            assert_eq!(kept.get(id).copied().unwrap_or(0), paid, "{}: {order}", self.engine);
            let holds = order["holds"].as_array().cloned().unwrap_or_default();
            let open = holds.iter().filter(|hold| hold["state"] == "open");
            promised += open.map(|hold| hold["units"].as_i64().unwrap_or(0)).sum::<i64>();
        }
        assert_eq!(self.free() + promised, self.lent, "{}: rights are conserved", self.engine);
    }
}

/// Puts so many pieces in a new cart and checks it out.
fn check_out(client: &mut Client, order: &str, method: &str) -> std::io::Result<Answer> {
    let cart = uuid_v7();
    let made = client.json("POST", "/v1/shop/carts", &json!({"id": cart}))?;
    assert_eq!(made.status, 201, "{}", made.text());
    let line = json!({"sku": SKU, "quantity_milli": 1_000});
    let priced = client.json("POST", &format!("/v1/shop/carts/{cart}/lines"), &line)?;
    if priced.status != 200 {
        return Ok(priced);
    }
    let priced = priced.json();
    let body = json!({
        "cart": cart, "cart_version": priced["version"], "total": priced["total"], "method": method,
    });
    client.json("PUT", &format!("/v1/shop/orders/{order}"), &body)
}

/// One way through the saga: how it is paid, whether it is cancelled once it stands still, before which states it is
/// stopped, where it then stands, and where it ends.
struct Way {
    method: &'static str,
    cancel: bool,
    before: &'static [&'static str],
    stands: &'static str,
    ends: &'static str,
}

const fn way(
    method: &'static str,
    before: &'static [&'static str],
    stands: &'static str,
    ends: &'static str,
) -> Way {
    Way { method, cancel: false, before, stands, ends }
}

const WAYS: &[Way] = &[
    way("approve", &["held"], "created", "handed_over"),
    way("approve", &["authorizing"], "held", "handed_over"),
    way("approve", &["authorized"], "authorizing", "handed_over"),
    way("approve", &["capturing"], "authorized", "handed_over"),
    way("approve", &["captured"], "capturing", "handed_over"),
    way("approve", &["placed"], "captured", "handed_over"),
    way("approve", &["handed_over"], "placed", "handed_over"),
    way("lost", &["captured"], "capturing", "handed_over"),
    way("forgotten", &["authorized"], "authorizing", "handed_over"),
    way("decline", &["releasing"], "authorizing", "failed"),
    way("decline", &["failed"], "releasing", "failed"),
    way("decline-capture", &["failed"], "releasing", "failed"),
    Way { cancel: true, ..way("approve", &["handed_over", "refunding"], "placed", "refunded") },
    Way { cancel: true, ..way("approve", &["handed_over", "refunded"], "refunding", "refunded") },
];

/// The hub is killed while an order stands at each step: what was to be done before the next one is done, outside too,
/// and nobody wrote it down.
#[test]
fn a_hub_that_is_killed_at_any_step_finishes_each_checkout_once() {
    let rounds = if full() { 20 } else { 2 };
    for engine in engines("a_hub_that_is_killed_at_any_step") {
        let per_round = i64::try_from(WAYS.len()).expect("few ways");
        let mut shop = Shop::open(engine, per_round * rounds);
        let mut checkouts = 0;
        for _ in 0..rounds {
            for way in WAYS {
                one_kill(&mut shop, way);
                checkouts += 1;
            }
        }
        shop.check(checkouts);
        println!("{engine}: {checkouts} checkouts, each killed at its step");
    }
}

fn one_kill(shop: &mut Shop, way: &Way) {
    shop.kill();
    shop.stop_before(way.before);
    shop.start();
    let order = uuid_v7();
    let answer = check_out(&mut shop.shop(), &order, way.method).expect("the hub answers");
    assert!([201, 202].contains(&answer.status), "{} {:?}: {}", shop.engine, way.before, answer.text());
    if way.cancel {
        wait_for("placed", SOON, || shop.order(&order)["state"] == "placed").expect("it is");
        let _ = shop.ask("DELETE", &format!("/v1/web-orders/{order}"), &json!({}));
    }
    let stands = wait_for(way.stands, SOON, || shop.order(&order)["state"] == way.stands);
    let shown = shop.order(&order);
    stands.unwrap_or_else(|e| panic!("{} {:?}: {e}: {shown}", shop.engine, way.before));
    shop.kill();
    shop.go_on();
    shop.start();
    // The shopper asks again meanwhile, as whoever got no end does.
    let again = shop.shop().get(&format!("/v1/shop/orders/{order}")).expect("the hub answers");
    assert_eq!(again.status, 200, "{}", again.text());
    let ended = wait_for(way.ends, SOON, || shop.order(&order)["state"] == way.ends);
    let shown = shop.order(&order);
    ended.unwrap_or_else(|e| panic!("{} {:?}: {e}: {shown}", shop.engine, way.before));
}

/// The hub is killed while its request or the answer is on the way, and the provider does what it was asked for all the
/// same, also later. Meanwhile the rest of the hub goes on: no lock is held over the call.
#[test]
fn a_hub_that_is_killed_while_the_provider_is_asked_pays_once() {
    let kinds = [Kind::Authorize, Kind::Capture];
    for engine in engines("a_hub_that_is_killed_while_the_provider_is_asked") {
        let mut shop = Shop::open(engine, 10);
        let mut checkouts = 0;
        for held in kinds.map(Held::Request).into_iter().chain(kinds.map(Held::Answer)) {
            shop.provider.hold(Some(held));
            let (order, mut client) = (uuid_v7(), shop.shop());
            let asked = {
                let order = order.clone();
                std::thread::spawn(move || {
                    // The hub is killed under it, or answers that it goes on by itself.
                    let _ = check_out(&mut client, &order, "approve");
                })
            };
            wait_for("the provider to be asked", SOON, || shop.provider.holding() > 0).expect("it is");
            let state = shop.order(&order)["state"].clone();
            assert!(["authorizing", "capturing"].iter().any(|s| state == *s), "{state}");
            // A write goes through while the answer is waited for.
            let price = json!({"sku": SKU, "price": PRICE});
            let _ = shop.ask("POST", "/v1/prices", &price);
            assert!(shop.provider.holding() > 0, "it is still waited for");
            shop.kill();
            asked.join().expect("the shopper doesn't panic");
            shop.provider.hold(None);
            shop.start();
            let ended = wait_for("handed over", SOON, || shop.order(&order)["state"] == "handed_over");
            ended.unwrap_or_else(|e| panic!("{engine} {held:?}: {e}: {}", shop.order(&order)));
            checkouts += 1;
        }
        shop.check(checkouts);
    }
}

/// A crowd checks out while the hub is killed again and again, anywhere.
#[test]
fn checkouts_of_a_crowd_survive_kills() {
    let kills = if full() { 20 } else { 4 };
    let mut luck = Luck::of_this_run("checkouts of a crowd");
    for engine in engines("checkouts_of_a_crowd") {
        let mut shop = Shop::open(engine, 100_000);
        let asked: Arc<Mutex<BTreeMap<String, Value>>> = Arc::default();
        for _ in 0..kills {
            let crowd: Vec<_> = (0..4u64)
                .map(|_| {
                    let (client, asked) = (shop.shop(), Arc::clone(&asked));
                    let luck = Luck::new(luck.next());
                    std::thread::spawn(move || shop_until_cut(client, &asked, luck))
                })
                .collect();
            let before = asked.lock().expect("nobody panics holding it").len();
            let enough = before + 4 + usize::try_from(luck.below(8)).expect("it is small");
            wait_for("some checkouts", SOON, || {
                asked.lock().expect("nobody panics holding it").len() >= enough
            })
            .expect("the shop sells");
            std::thread::sleep(Duration::from_micros(luck.below(20_000)));
            shop.kill();
            crowd.into_iter().for_each(|shopper| shopper.join().expect("a shopper ends with the hub"));
            shop.start();
        }
        // Whoever got no answer asks again.
        let asked = asked.lock().expect("nobody panics holding it").clone();
        let mut client = shop.shop();
        for (order, body) in &asked {
            let again = client.json("PUT", &format!("/v1/shop/orders/{order}"), body).expect("it answers");
            assert!([201, 202].contains(&again.status), "{order}: {}", again.text());
        }
        let ends = ["handed_over", "failed"];
        wait_for("every order's end", SOON, || {
            shop.orders().iter().all(|order| ends.iter().any(|end| order["state"] == *end))
        })
        .expect("they end");
        shop.check(asked.len());
        let orders = shop.orders();
        let sold = orders.iter().filter(|order| order["state"] == "handed_over").count();
        println!("{engine}: {kills} kills, {} checkouts, {sold} sold", asked.len());
        assert!(sold > 0, "somebody bought something");
    }
}

/// Checks out until the hub is gone; each checkout that was sent is noted with its body.
fn shop_until_cut(mut client: Client, asked: &Mutex<BTreeMap<String, Value>>, mut luck: Luck) {
    loop {
        let (cart, order) = (uuid_v7(), uuid_v7());
        let line = json!({"sku": SKU, "quantity_milli": 1_000});
        if client.json("POST", "/v1/shop/carts", &json!({"id": cart})).is_err() {
            return;
        }
        let Ok(priced) = client.json("POST", &format!("/v1/shop/carts/{cart}/lines"), &line) else { return };
        let priced = priced.json();
        let method = ["approve", "approve", "decline", "lost", "forgotten", "slow:20"];
        let method = method[usize::try_from(luck.below(6)).expect("it is small")];
        let body = json!({
            "cart": cart, "cart_version": priced["version"], "total": priced["total"], "method": method,
        });
        asked.lock().expect("nobody panics holding it").insert(order.clone(), body.clone());
        if client.json("PUT", &format!("/v1/shop/orders/{order}"), &body).is_err() {
            return;
        }
    }
}
