//! The whole story in small: two stores, a hub that is away, a node that is killed, refunds, changed prices; and the
//! books of node, hub and an independent recomputation are the same. A store that sold before it ever knew a hub joins
//! and agrees as well.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tradepost_tests::demo::client::Client;
use tradepost_tests::demo::goods::{Catalog, StoreName};
use tradepost_tests::demo::neighbours;
use tradepost_tests::demo::progress::Voice;
use tradepost_tests::demo::prove::{Books, differing_hashes, hub_books, node_books, recomputed};
use tradepost_tests::demo::story::{Options, Report, tell};
use tradepost_tests::demo::town::{Hub, Place, Shop, delivered, drained, until};
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::process::{TempDir, bin_dir};

const BOUND: Duration = Duration::from_secs(110);

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn small_catalog() -> PathBuf {
    repository().join("node/catalogs/en-grocer.ndjson")
}

/// Invented baskets on the small catalog, as the demo makes them where it has no network.
fn small_baskets(folder: &Path) {
    let script = repository().join("scripts/lib/small.py");
    let made = Command::new("python3").arg(script).arg(small_catalog()).arg(folder).status();
    assert!(made.expect("python3 runs").success());
}

async fn story(baskets: usize, tamper: bool) -> Report {
    let folder = TempDir::new("agree");
    let goods = folder.path().join("goods");
    std::fs::create_dir_all(&goods).expect("a folder");
    small_baskets(&goods);
    let options = Options {
        data: folder.path().join("town"),
        bin_dir: bin_dir(),
        catalog: goods.join("catalog.ndjson"),
        baskets: goods.join("baskets.ndjson"),
        recompute: repository().join("scripts/recompute.py"),
        tamper,
        workers: 8,
        limit: Some(baskets),
        voice: Voice::Plain,
    };
    let (report, stage) = tell(&options).await.expect("the story is told to its end");
    stage.end().expect("every program ends as asked");
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_and_their_hub_agree_to_the_cent() {
    let report = story(400, false).await;
    let wrong: Vec<_> = report.verdicts.iter().flat_map(|verdict| &verdict.wrong).collect();
    assert!(report.agree, "{wrong:#?}");
    let sales = 400 + neighbours::SALES;
    assert_eq!((report.sales, report.lost, report.doubled, report.verdicts.len()), (sales, 0, 0, 2));
    assert!(report.refunds > 0, "a day without a refund proves less");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_cent_changed_in_one_export_is_found_out() {
    let report = story(40, true).await;
    assert!(!report.agree);
    let store = &report.verdicts[0].wrong;
    assert!(store.iter().any(|sentence| sentence.contains("the node's export")), "{store:#?}");
    assert!(report.verdicts[1].wrong.is_empty(), "nobody touched the other store");
}

async fn sell_one(client: &Client, sku: &str, units: i64) -> i64 {
    let body = json!({
        "till": "R1",
        "lines": [{"sku": sku, "quantity_milli": units * 1000}],
        "tenders": [{"kind": "cash", "amount": 100_000}],
    });
    let sale = client.put(&format!("/v1/sales/{}", uuid_v7()), &body).await.expect("it is sold");
    sale["total"].as_i64().expect("a total")
}

/// The catalog of headquarters lacks two products that the store sold by itself; one more has another code there, but
/// the same GTIN.
fn of_headquarters(catalog: &Catalog) -> Catalog {
    let mut theirs = catalog.clone();
    theirs.products.retain(|product| !["EN-001", "EN-002"].contains(&product.sku.0.as_str()));
    theirs.prices.retain(|entry| !["EN-001", "EN-002"].contains(&entry.sku.0.as_str()));
    for product in theirs.products.iter_mut().filter(|product| product.sku.0 == "EN-003") {
        product.sku.0 = "HQ-003".to_owned();
    }
    for entry in theirs.prices.iter_mut().filter(|entry| entry.sku.0 == "EN-003") {
        entry.sku.0 = "HQ-003".to_owned();
    }
    theirs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_sold_alone_joins_and_agrees() {
    let folder = TempDir::new("lone");
    let place = Place { bin_dir: bin_dir(), data: folder.path().to_owned() };
    let catalog = Catalog::read(&small_catalog()).expect("the catalog reads");
    let store = StoreName { store: 1, code: "S01".to_owned(), name: "The Corner Grocer".to_owned() };
    let imported = ["--catalog".to_owned(), small_catalog().display().to_string()];
    let shop = Shop::open(&place, &store, &imported).expect("a node needs no hub");

    let mut taken = 0;
    for (sku, units) in [("EN-001", 2), ("EN-002", 1), ("EN-003", 3), ("EN-004", 1), ("EN-004", 2)] {
        taken += sell_one(&shop.client, sku, units).await;
    }
    let before = node_books(&shop).await.expect("the node's books");
    assert_eq!((before.takings, before.documents), (taken, 5));

    let hub = Hub::open(&place).expect("the hub opens");
    let code = hub.found(&store, &catalog.settings).await.expect("the store is founded");
    hub.publish(&of_headquarters(&catalog), &|_| ()).await.expect("the catalog is published");
    let joined = shop.enrol(&code).await.expect("it joins");
    assert!(joined["incarnation"].is_string(), "{joined}");
    let shops = [shop.clone()];
    delivered(&hub, &shops, BOUND).await.expect("the catalog arrives");
    drained(&shops, BOUND).await.expect("what it sold alone goes up");

    taken += sell_one(&shop.client, "EN-004", 1).await;
    drained(&shops, BOUND).await.expect("what it sells now goes up");
    let books = Books { takings: taken, documents: 6, ..node_books(&shop).await.expect("the node's books") };
    all_have_the_same_money(&hub, &shop, &books, folder.path()).await;
    unknown_items_are_listed(&hub).await;
    a_person_joins_them(&hub, &shop, folder.path()).await;
}

/// A backup is put back, by the program's own commands, while the node stands.
fn put_back(data: &Path, backup: &Path) {
    for command in ["backup", "restore"] {
        let mut ran = Command::new(bin_dir().join("tradepost-node"));
        let ran = ran.arg(command).arg(backup).arg("--data-dir").arg(data).output().expect("it runs");
        assert!(ran.status.success(), "{command}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}

/// What a store sold alone is the hub's in the end, also what it sold before a backup was put back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_lost_memory_while_it_sold_alone_joins_with_all_its_sales() {
    let folder = TempDir::new("lone-twice");
    let place = Place { bin_dir: bin_dir(), data: folder.path().to_owned() };
    let catalog = Catalog::read(&small_catalog()).expect("the catalog reads");
    let store = StoreName { store: 1, code: "S01".to_owned(), name: "The Corner Grocer".to_owned() };
    let imported = ["--catalog".to_owned(), small_catalog().display().to_string()];
    let shop = Shop::open(&place, &store, &imported).expect("a node needs no hub");
    let mut taken = 0;
    for time in ["first", "second", "third"] {
        for (sku, units) in [("EN-003", 3), ("EN-004", 2)] {
            taken += sell_one(&shop.client, sku, units).await;
        }
        if time != "third" {
            shop.kill().expect("it runs");
            put_back(&place.data.join(&store.code), Path::new(&folder.join(&format!("backup-{time}"))));
            shop.start_again().expect("it starts as another memory");
        }
    }
    let hub = Hub::open(&place).expect("the hub opens");
    let code = hub.found(&store, &catalog.settings).await.expect("the store is founded");
    hub.publish(&of_headquarters(&catalog), &|_| ()).await.expect("the catalog is published");
    shop.enrol(&code).await.expect("it joins");
    let shops = [shop.clone()];
    delivered(&hub, &shops, BOUND).await.expect("the catalog arrives");
    drained(&shops, BOUND).await.expect("what it sold alone goes up");
    taken += sell_one(&shop.client, "EN-004", 1).await;
    drained(&shops, BOUND).await.expect("what it sells now goes up");
    let review = hub.client.rows("/v1/review").await.expect("the hub lists what a person should see");
    assert!(review.iter().all(|row| row["kind"] == "unmatched_sku"), "{review:#?}");
    let books = Books { takings: taken, documents: 7, ..node_books(&shop).await.expect("the node's books") };
    all_have_the_same_money(&hub, &shop, &books, folder.path()).await;
}

/// Items may have other names at the hub; money has not, and stock is the hub's in both exports.
async fn all_have_the_same_money(hub: &Hub, shop: &Shop, expected: &Books, folder: &Path) {
    let theirs = hub_books(hub, "S01").await.expect("the hub's books");
    let node = node_books(shop).await.expect("the node's books");
    let [ours_again, theirs_again] = again(hub, shop, folder).await;
    for books in [&node, &theirs, &ours_again, &theirs_again] {
        let money = |books: &Books| (books.takings, books.documents, books.rounding, books.tax.clone());
        assert_eq!(money(books), money(expected));
    }
    assert_eq!(theirs.stock, ours_again.stock);
    assert_eq!(theirs.stock, theirs_again.stock);
    assert_eq!(
        theirs.stock.values().sum::<i64>(),
        node.stock.values().sum::<i64>(),
        "nothing is lost on the way"
    );
    assert_eq!(differing_hashes(hub, shop).await.expect("both hash"), Vec::<String>::new());
}

async fn again(hub: &Hub, shop: &Shop, folder: &Path) -> [Books; 2] {
    recomputed(hub, shop, &repository().join("scripts/recompute.py"), folder)
        .await
        .expect("the exports are sound")
}

async fn unknown_items_are_listed(hub: &Hub) {
    let review = hub.client.rows("/v1/review").await.expect("the hub lists what a person should see");
    let unmatched: Vec<&Value> = review.iter().filter(|row| row["kind"] == "unmatched_sku").collect();
    let named = |sku: &str| unmatched.iter().any(|row| row.to_string().contains(sku));
    assert!(named("EN-001") && named("EN-002"), "{unmatched:#?}");
    assert!(!named("EN-004"), "what has an equal code is the same item: {unmatched:#?}");
    assert!(!named("EN-003"), "what has an equal GTIN is the same item: {unmatched:#?}");
}

/// A person says which item of headquarters the placeholder is; from then on it is that one everywhere.
async fn a_person_joins_them(hub: &Hub, shop: &Shop, folder: &Path) {
    let before = hub_books(hub, "S01").await.expect("the hub's books").stock;
    let placeholder = before.keys().find(|sku| sku.ends_with("/EN-001")).expect("a placeholder").clone();
    let alias = json!({"from": placeholder, "to": "EN-005"});
    hub.client.post("/v1/stores/S01/aliases", &alias).await.expect("the hub takes the alias");
    let level = || async {
        let wrong = differing_hashes(hub, shop).await?;
        Ok(if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) })
    };
    until("the node knows the alias", BOUND, level).await.expect("it is told");
    let after = hub_books(hub, "S01").await.expect("the hub's books").stock;
    assert_eq!(after.get(&placeholder), None);
    assert_eq!(after["EN-005"], before["EN-005"] + before[&placeholder]);
    let [ours_again, theirs_again] = again(hub, shop, folder).await;
    assert_eq!((&ours_again.stock, &theirs_again.stock), (&after, &after));
}

async fn hires(shop: &Shop, id: &str, role: &str, pin: &str, by: Option<(&str, &str)>) {
    let mut record = json!({"name": id, "role": role, "pin": pin});
    if let Some((staff, pin)) = by {
        record["approval"] = json!({"staff": staff, "pin": pin});
    }
    shop.client.put(&format!("/v1/staff/{id}"), &record).await.expect("the node keeps its own staff");
}

/// Waits until the hub keeps a node's staff, and who they are is what is expected: ids of those who work there.
async fn works_there(shop: &Shop, expected: &[&str]) {
    let there = || async {
        let all = shop.client.get("/v1/staff").await?;
        let rows = all["data"].as_array().cloned().unwrap_or_default();
        let active: Vec<String> = rows
            .iter()
            .filter(|row| row["active"] == true)
            .filter_map(|row| row["id"].as_str().map(str::to_owned))
            .collect();
        Ok(if active == expected { Ok(()) } else { Err(format!("{active:?} work there")) })
    };
    until("the hub's staff arrive", BOUND, there).await.expect("they arrive");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_staff_of_a_store_that_sold_alone_come_along_and_a_second_nodes_are_asked_about() {
    let folder = TempDir::new("lone-staff");
    let place = Place { bin_dir: bin_dir(), data: folder.path().to_owned() };
    let catalog = Catalog::read(&small_catalog()).expect("the catalog reads");
    let store = StoreName { store: 1, code: "S01".to_owned(), name: "The Corner Grocer".to_owned() };
    let first = Shop::open_as(&place, "first", &store, &[]).expect("a node needs no hub");
    hires(&first, "mia", "manager", "2468", None).await;
    hires(&first, "ben", "cashier", "1111", Some(("mia", "2468"))).await;
    let second = Shop::open_as(&place, "second", &store, &[]).expect("a node needs no hub");
    hires(&second, "mia", "manager", "9999", None).await;
    hires(&second, "zoe", "cashier", "3333", Some(("mia", "9999"))).await;

    let hub = Hub::open(&place).expect("the hub opens");
    let code = hub.found(&store, &catalog.settings).await.expect("the store is founded");
    first.enrol(&code).await.expect("it joins");
    let staff = hub.client.get("/v1/stores/S01/staff").await.expect("the hub lists them");
    let shown: Vec<_> =
        staff["data"].as_array().expect("a list").iter().map(|row| (&row["id"], &row["has_pin"])).collect();
    assert_eq!(shown, [(&json!("ben"), &json!(true)), (&json!("mia"), &json!(true))], "as the node had them");
    let more = json!({"name": "Eva", "role": "cashier", "pin": "4444"});
    hub.client.put("/v1/stores/S01/staff/eva", &more).await.expect("the hub keeps them now");
    works_there(&first, &["ben", "eva", "mia"]).await;
    let signs_on = json!({"staff": "ben", "pin": "1111"});
    first.client.post("/v1/tills/R1/sign-on", &signs_on).await.expect("with the PIN that ben always had");

    let code = hub.enrolment_code("S01").await.expect("a code");
    second.enrol(&code).await.expect("it joins");
    works_there(&second, &["ben", "eva", "mia"]).await;
    let zoe = json!({"staff": "zoe", "pin": "3333"});
    assert!(second.client.post("/v1/tills/R1/sign-on", &zoe).await.is_err(), "nobody took her on");
    let mia = json!({"staff": "mia", "pin": "2468"});
    second.client.post("/v1/tills/R1/sign-on", &mia).await.expect("the store's mia, not its own");
    let review = hub.client.rows("/v1/review").await.expect("the hub lists what a person should see");
    let unknown: Vec<_> =
        review.iter().filter(|row| row["kind"] == "staff_unknown").map(|row| &row["ref"]).collect();
    assert_eq!(unknown, [&json!("zoe")], "{review:#?}");
}
