//! Sync through bad weather: a node and a hub as real programs, and between them a proxy that cuts, delays, half-opens
//! and drops answers, by seed, while sales go on. After each healing the queue drains without a new sale; at the end
//! nothing is lost, nothing doubled, and both hash their state to the same.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tradepost_tests::demo::goods::{Basket, BasketLine, Catalog, StoreName};
use tradepost_tests::demo::progress::{Voice, print_line};
use tradepost_tests::demo::prove::{hub_books, node_books, orders_of};
use tradepost_tests::demo::sell::{Customers, sell};
use tradepost_tests::demo::shelf::Shelf;
use tradepost_tests::demo::town::{Hub, Place, Shop, delivered, drained};
use tradepost_tests::process::{TempDir, bin_dir};
use tradepost_tests::proxy::{Proxy, Weather};
use tradepost_tests::seed::{Luck, full};

/// Ten times what is promised: the machine may be busy with everything else.
const DRAIN_BOUND: Duration = Duration::from_secs(110);

/// Sales made under each weather; a round has two.
const SALES_A_WEATHER: u64 = 20;

fn rounds() -> u64 {
    if full() { 60 } else { 6 }
}

/// Every kind of weather in turn, its strength by luck.
fn weather(round: u64, luck: &mut Luck) -> Weather {
    match round % 6 {
        0 => Weather::CutAfter(1 + luck.below(400)),
        1 => Weather::SwallowDown,
        2 => Weather::Closed,
        3 => Weather::SwallowUp,
        4 => Weather::Slow(Duration::from_millis(20 + luck.below(200))),
        _ => Weather::CutAfter(400 + luck.below(4_000)),
    }
}

fn basket(catalog: &Catalog, name: String, luck: &mut Luck) -> Basket {
    let goods: Vec<_> = catalog.products.iter().filter(|p| p.min_age.is_none()).collect();
    let count = u64::try_from(goods.len()).expect("a catalog is small");
    let wanted = 1 + luck.below(4);
    let chosen: BTreeSet<usize> =
        (0..wanted).map(|_| usize::try_from(luck.below(count)).expect("an index")).collect();
    let line = |at: usize| BasketLine {
        sku: goods[at].sku.0.clone(),
        quantity_milli: 1000 * (1 + i64::try_from(luck.below(3)).expect("small")),
        discounts: Vec::new(),
    };
    let lines = chosen.into_iter().map(line).collect();
    let pay = ["cash", "card", "mixed"][usize::try_from(luck.below(3)).expect("small")];
    Basket { store: 1, basket: name, lines, pay: pay.to_owned(), discounts: Vec::new(), refund: None }
}

struct Weathered {
    hub: Hub,
    shops: Vec<Shop>,
    proxy: Proxy,
    catalog: Catalog,
}

/// A hub, a proxy before it, and an enrolled node that only knows the proxy.
async fn open(data: &Path) -> Weathered {
    let catalogs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/catalogs");
    let catalog = Catalog::read(&catalogs.join("en-grocer.ndjson")).expect("the catalog reads");
    let place = Place { bin_dir: bin_dir(), data: data.to_owned() };
    let hub = Hub::open(&place).expect("the hub opens");
    let proxy = Proxy::start(hub.sync_address()).await.expect("the proxy starts");
    let store = StoreName { store: 1, code: "S01".to_owned(), name: "Behind the proxy".to_owned() };
    let code = hub.found(&store, &catalog.settings).await.expect("the store is founded");
    let shop = Shop::open(&place, &store, &["--hub".to_owned(), proxy.address()]).expect("the node opens");
    shop.enrol(&code).await.expect("it is enrolled");
    hub.publish(&catalog, &|_| ()).await.expect("the catalog is published");
    let shops = vec![shop];
    delivered(&hub, &shops, DRAIN_BOUND).await.expect("the catalog arrives");
    Weathered { hub, shops, proxy, catalog }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_the_network_does_everything_arrives_once() {
    let mut luck = Luck::of_this_run("faults_proxy");
    let data = TempDir::new("proxy");
    let town = open(data.path()).await;
    let customers = Customers::of(&town.shops, Shelf::of(&town.catalog).expect("the shelf"));
    let mut longest = Duration::ZERO;
    for round in 0..rounds() {
        let weathers = [weather(round, &mut luck), weather(luck.below(6), &mut luck)];
        for weather in weathers {
            town.proxy.set(weather);
            sell_some(&town, &customers, round, &mut luck).await;
        }
        let waiting = town.shops[0].sync_status().await.expect("the node answers")["unsynced"].clone();
        town.proxy.set(Weather::Clear);
        let took = drained(&town.shops, DRAIN_BOUND).await.expect("the queue drains without a new sale");
        print_line(&format!(
            "round {round}: {weathers:?}, {waiting} events waiting, drained in {:.2} s",
            took.as_secs_f64()
        ));
        longest = longest.max(took);
    }
    let counters = town.proxy.counters();
    print_line(&format!(
        "longest drain {:.2} s (promised 11); {} connections, {} cut, {} bytes up, {} down, {} swallowed",
        longest.as_secs_f64(),
        counters.connections(),
        counters.cut(),
        counters.up(),
        counters.down(),
        counters.swallowed()
    ));
    assert!(counters.cut() > 0 && counters.swallowed() > 0, "the weather never bit");
    everything_arrived_once(&town, &customers).await;
}

async fn sell_some(town: &Weathered, customers: &Arc<Customers>, round: u64, luck: &mut Luck) {
    let name = |n: u64| format!("{round}-{n}");
    let baskets: Vec<Basket> = (0..SALES_A_WEATHER).map(|n| basket(&town.catalog, name(n), luck)).collect();
    let bar = Arc::new(Voice::Silent.bar("", baskets.len()));
    sell(customers, Arc::new(baskets), 4, &bar).await.expect("selling never waits for the network");
}

async fn everything_arrived_once(town: &Weathered, customers: &Customers) {
    let (hub, shop) = (&town.hub, &town.shops[0]);
    let sold = customers.acknowledged();
    let held = orders_of(hub, &shop.store.code).await.expect("the hub lists its orders");
    let lost = sold.iter().filter(|said| !held.contains_key(&said.id.replace('-', ""))).count();
    let doubled = held.values().filter(|times| **times > 1).count();
    print_line(&format!("{} sold, {lost} lost, {doubled} doubled", sold.len()));
    assert_eq!((lost, doubled, held.len()), (0, 0, sold.len()));
    let node = node_books(shop).await.expect("the node's books");
    let theirs = hub_books(hub, &shop.store.code).await.expect("the hub's books");
    assert_eq!(node, theirs);
    let node = shop.client.get("/v1/state-hash").await.expect("the node hashes");
    let theirs = hub.client.get("/v1/stores/S01/state-hash").await.expect("the hub hashes");
    assert_eq!(node["state_hash"], theirs["state_hash"]);
    assert_eq!(node["events_hash"], theirs["events_hash"]);
}
