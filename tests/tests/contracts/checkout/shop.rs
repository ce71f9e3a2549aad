//! What the stories need: a hub with one store that lent goods to the web, shoppers, and the books of the provider.

use std::time::Duration;
use tradepost_central::app::carts::{self, Change, Line};
use tradepost_central::app::checkout::{self, Shown, State, Wanted};
use tradepost_central::app::payments::Desk;
use tradepost_central::app::{Fault, hub_time, prices, products, stores};
use tradepost_central::cache::{Cache, Memory};
use tradepost_central::config::DatabaseAddress;
use tradepost_central::db::{lent, reservations};
use tradepost_central::hub::Hub;
use tradepost_central::payment::{Ledger, Payments, Simulated};
use tradepost_central::stream::{Embedded, Stream};
use tradepost_commerce::document::Sku;
use tradepost_commerce::money::Money;
use tradepost_commerce::price_book::PriceEntry;
use tradepost_sync::body::RightsGranted;
use tradepost_sync::ids::{Id, Incarnation};
use tradepost_sync::session::Applied;
use tradepost_tests::hub_bench::{self, Enrolled, NOW, PgDatabase, service};
use tradepost_tests::process::TempDir;

/// The store's code.
pub(super) const STORE: &str = "13";
/// The only item.
pub(super) const SKU: &str = "MUG";
/// What one of it costs.
pub(super) const PRICE: i64 = 1_999;

/// A hub that can be broken off and started again; its provider lives on.
pub(super) struct Shop {
    hub: Option<Hub>,
    pub(super) store: Enrolled,
    folder: TempDir,
    address: DatabaseAddress,
    lent: u64,
    _database: Option<PgDatabase>,
}

/// The databases of this run: SQLite, and PostgreSQL where there is one.
pub(super) fn engines(test: &str) -> Vec<&'static str> {
    match service("TRADEPOST_PG_URL", test) {
        Some(_) => vec!["sqlite", "postgres"],
        None => vec!["sqlite"],
    }
}

fn start(folder: &TempDir, address: &DatabaseAddress, payments: Desk, cache: Cache) -> Hub {
    let hub = hub_bench::hub(folder.path(), address, Stream::Embedded(Embedded), cache);
    Hub { payments, ..hub }
}

impl Shop {
    /// A hub on an engine, with so many of the item lent to the web.
    pub(super) fn open(engine: &str, units: u64) -> Self {
        Self::open_with(engine, units, Cache::Memory(Memory::default()))
    }

    pub(super) fn open_with(engine: &str, units: u64, cache: Cache) -> Self {
        eprintln!("engine: {engine}");
        let folder = TempDir::new("shop");
        let database = match engine {
            "postgres" => service("TRADEPOST_PG_URL", "checkout").map(|url| PgDatabase::make(&url)),
            _ => None,
        };
        let address =
            database.as_ref().map_or(DatabaseAddress::Sqlite, |db| DatabaseAddress::Postgres(db.url()));
        let provider = Payments::Simulated(Simulated::default());
        let desk = Desk { provider, patience: Duration::from_millis(200), secret: None };
        let hub = start(&folder, &address, desk, cache);
        let mut store = Enrolled::make(&hub, STORE, 1);
        let taxes = serde_json::json!([{"category": "standard", "ppm": 230_000}]);
        stores::set_settings(&hub, STORE, &serde_json::json!({"taxes": taxes}), 1, NOW).expect("settings");
        let given = serde_json::json!({"sku": SKU, "name": "Mug", "tax_category": "standard"});
        let product = products::read(&given, "").expect("a product");
        products::put(&hub, &product, None, NOW).expect("it is taken");
        publish_price(&hub, PRICE);
        let to = Incarnation([101; 16]);
        store.writer.received(SKU, units);
        store.writer.write(&RightsGranted { sku: Sku(SKU.to_owned()), to, units }.into());
        assert!(matches!(store.give(&hub, &store.writer.raw(1, 2)), Applied::Done(_)));
        Self { hub: Some(hub), store, folder, address, lent: units, _database: database }
    }

    pub(super) fn hub(&self) -> &Hub {
        self.hub.as_ref().expect("it runs")
    }

    /// The process is gone between two steps; what its database holds and what the provider did is there.
    pub(super) fn crash(&mut self) {
        let Hub { payments, .. } = self.hub.take().expect("it runs");
        self.hub = Some(start(&self.folder, &self.address, payments, Cache::Memory(Memory::default())));
    }

    /// Drives everything on until nothing is due any more.
    pub(super) fn settle(&self) {
        checkout::take_up(self.hub()).expect("the hub works");
        for _ in 0..200 {
            let all = checkout::list(self.hub(), &checkout::Which::All, 0, 10_000).expect("the hub works");
            let open: Vec<Id> =
                all.iter().filter(|shown| shown.order.due_at.is_some()).map(|shown| shown.order.id).collect();
            if open.is_empty() {
                return;
            }
            for id in open {
                let _ = checkout::drive(self.hub(), id);
            }
        }
        panic!("web orders that never come to an end");
    }

    pub(super) fn ledger(&self) -> Ledger {
        match &self.hub().payments.provider {
            Payments::Simulated(provider) => provider.ledger(),
            _ => panic!("these stories play their provider"),
        }
    }

    /// What must hold whenever nothing is under way: nobody paid without an order or got money and goods, and every right
    /// that was lent is either free or promised.
    pub(super) fn check(&self) {
        let ledger = self.ledger();
        let orders = checkout::list(self.hub(), &checkout::Which::All, 0, 10_000).expect("the hub works");
        let mut promised = 0;
        for shown in &orders {
            let (order, id) = (&shown.order, shown.order.id.to_string());
            let kept =
                ledger.payments().filter(|(_, money)| money.order == id).map(|(_, money)| money.kept());
            let kept: i64 = kept.sum();
            let steps: Vec<&str> = shown.steps.iter().map(|(state, ..)| state.name()).collect();
            let paid = match State::by_name(&order.state) {
                Some(State::HandedOver | State::Placed | State::Fulfilled) => order.total - order.refund,
                Some(State::Failed | State::Refunded) => 0,
                other => panic!("order {id} ended as {other:?}: {steps:?}"),
            };
            assert_eq!(kept, paid, "order {id}, {}: {steps:?}", order.state);
            promised += shown
                .holds
                .iter()
                .filter(|hold| hold.state == "open" || hold.state == "fulfilled")
                .map(|hold| hold.units)
                .sum::<u64>();
        }
        for (payment, money) in ledger.payments() {
            let known = orders.iter().any(|shown| shown.order.id.to_string() == money.order);
            assert!(known || money.kept() == 0, "payment {payment} has no order");
        }
        let free = self.hub().db.read(|tx| lent::by_store(tx, SKU)).expect("the hub works");
        let free: u64 = free.iter().map(|(_, units)| units).sum();
        assert_eq!(free + promised, self.lent, "rights are conserved");
    }

    /// Base units that are promised now.
    pub(super) fn promised(&self) -> u64 {
        let open = self.hub().db.read(|tx| reservations::open_between(tx, self.store.store, SKU, SKU));
        open.expect("the hub works").values().flatten().map(|(_, units)| units).sum()
    }
}

pub(super) fn publish_price(hub: &Hub, price: i64) {
    let entry = PriceEntry {
        list: String::new(),
        sku: Sku(SKU.to_owned()),
        price: Money(price),
        valid_from: tradepost_commerce::time::UtcMs(0),
        valid_to: None,
    };
    prices::publish(hub, &[prices::NewPrice { store: None, entry }], NOW).expect("a price");
}

pub(super) fn now(hub: &Hub) -> i64 {
    hub_time(&hub.db).expect("the hub works").ms
}

pub(super) fn fresh() -> Id {
    let mut id = [0; 16];
    getrandom::fill(&mut id).expect("the system has random bytes");
    Id(id)
}

/// A cart with so many pieces.
pub(super) fn cart(hub: &Hub, owner: Id, pieces: i64) -> Result<carts::Priced, Fault> {
    let id = fresh();
    carts::create(hub, owner, id, None, "", now(hub))?;
    let line = Line { sku: SKU.to_owned(), quantity_milli: pieces * 1_000 };
    carts::change(hub, owner, id, None, &Change::Add(line), now(hub))
}

/// The checkout of a cart as it was seen.
pub(super) fn wanted(cart: &carts::Priced, method: &str) -> Wanted {
    Wanted {
        id: fresh(),
        cart: cart.id,
        cart_version: cart.row_version,
        total: cart.total,
        method: method.to_owned(),
    }
}

pub(super) fn names(shown: &Shown) -> Vec<&'static str> {
    shown.steps.iter().map(|(state, ..)| state.name()).collect()
}

pub(super) fn code(fault: &Fault) -> &'static str {
    fault.code().name()
}
