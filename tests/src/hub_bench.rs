//! A hub in this process, on any of its engines, and a device that writes streams for it: what the contract suites of
//! the hub's database, stream and cache are run on.

use crate::seed::Luck;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use tokio::sync::watch;
use tradepost_central::app::shelf::ShelfMemory;
use tradepost_central::app::{batches, enrol, ingest, stores};
use tradepost_central::cache::{Cache, Memory};
use tradepost_central::config::DatabaseAddress;
use tradepost_central::db::Db;
use tradepost_central::hub::{Hub, PublicFace};
use tradepost_central::journal::Journal;
use tradepost_central::stream::{Embedded, Stream};
use tradepost_commerce::document::{
    CatalogVersion, LineInput, LineKind, PriceSource, SaleDocument, SaleInputs, Sku, Tax, Tender, TenderKind,
    TenderState,
};
use tradepost_commerce::money::Money;
use tradepost_commerce::quantity::{Quantity, Unit};
use tradepost_commerce::settings::Settings;
use tradepost_sync::body::{
    Body, CustodyMark, CutHead, Day, DeliveryLine, DeliveryReceived, IncarnationStarted, Moved,
    ReceiptNumber, SaleCommitted, StockCounted,
};
use tradepost_sync::clock::Tau;
use tradepost_sync::event::{Event, Head, Stamp};
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Id, Incarnation, derived_id};
use tradepost_sync::session::{Applied, Batch, Encoding};
use tradepost_sync::signing::{Device, enrolment_hash};
use tradepost_sync::wire::{NoShelf, pack, pack_raw};

/// A time that all these tests begin at.
pub const NOW: i64 = 1_795_000_000_000;

/// A PostgreSQL database of a test's own, gone when the test is.
pub struct PgDatabase {
    admin: String,
    name: String,
}

impl PgDatabase {
    /// Makes a database on the server at `url` (`postgres://…/postgres`).
    ///
    /// # Panics
    /// Where the server can't be reached.
    #[must_use]
    pub fn make(url: &str) -> Self {
        let mut name = [0u8; 8];
        getrandom::fill(&mut name).expect("the system has random bytes");
        let name: String = name.iter().map(|b| format!("{b:02x}")).collect();
        let name = format!("tradepost_test_{name}");
        run_sql(url, &format!("CREATE DATABASE {name}"));
        Self { admin: url.to_owned(), name }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        let (server, _) = self.admin.rsplit_once('/').unwrap_or((&self.admin, ""));
        format!("{server}/{}", self.name)
    }
}

impl Drop for PgDatabase {
    fn drop(&mut self) {
        run_sql(&self.admin, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

fn run_sql(url: &str, sql: &str) {
    let mut client = postgres::Client::connect(url, postgres::NoTls).expect("the test's PostgreSQL answers");
    client.batch_execute(sql).expect("the statement is good");
}

/// The address of a service from the environment. Where the run promises the services, a missing one fails the test;
/// else the test says that it is skipped.
///
/// # Panics
/// Where `TRADEPOST_SERVICES=1` and the address is missing.
#[must_use]
pub fn service(name: &str, test: &str) -> Option<String> {
    let address = std::env::var(name).ok().filter(|address| !address.is_empty());
    let promised = std::env::var("TRADEPOST_SERVICES").is_ok_and(|v| v == "1");
    assert!(address.is_some() || !promised, "{test}: TRADEPOST_SERVICES=1, but {name} is not set");
    if address.is_none() {
        eprintln!("{test}: SKIPPED, {name} is not set (scripts/services up)");
    }
    address
}

/// A hub on the given members.
///
/// # Panics
/// Where the database can't be opened.
#[must_use]
pub fn hub(folder: &Path, database: &DatabaseAddress, stream: Stream, cache: Cache) -> Hub {
    let db = Db::open(database, folder).expect("the database opens");
    let journal = Journal::open(Some(folder), 1, &db).expect("the journal opens");
    let face = PublicFace { address: "127.0.0.1:7643".to_owned(), fingerprint: [7; 32] };
    let (pokes, _) = watch::channel(0);
    let device = Device::from_secret([9; 32]);
    let present = Default::default();
    let (lease_ms, closing) = (tradepost_sync::lease::LEASE_MS_DEFAULT, AtomicBool::new(false));
    let payments = Default::default();
    Hub { db, stream, cache, device, journal, face, lease_ms, pokes, payments, present, closing }
}

/// A hub on the embedded members.
#[must_use]
pub fn embedded(folder: &Path, database: &DatabaseAddress) -> Hub {
    hub(folder, database, Stream::Embedded(Embedded), Cache::Memory(Memory::default()))
}

/// A device that writes one stream.
#[derive(Clone)]
pub struct Writer {
    /// Its key pair.
    pub device: Device,
    /// The end of its stream.
    pub head: Head,
    /// Every event it wrote; index 0 is seq 1.
    pub events: Vec<Event>,
    number: u64,
}

impl Writer {
    /// A device whose key and incarnation are made from `seed`.
    #[must_use]
    pub fn new(seed: u8) -> Self {
        let device = Device::from_secret([seed; 32]);
        Self { device, head: Head::empty(Incarnation([seed; 16])), events: Vec::new(), number: 0 }
    }

    /// Its incarnation.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.head.incarnation
    }

    /// Writes a fact.
    ///
    /// # Panics
    /// Where the fact is too long for an event.
    pub fn write(&mut self, body: &Body) -> &Event {
        let wall = NOW + i64::try_from(self.events.len()).expect("few events") * 1_000;
        let stamp =
            Stamp { wall, tau: None, trading: wall, till: Some("R1".to_owned()), shift: None, staff: None };
        let event = self.head.append(stamp, body).expect("the fact fits");
        self.events.push(event);
        self.events.last().expect("one was written")
    }

    /// Writes a fact that moves nothing.
    pub fn started(&mut self) {
        self.write(
            &IncarnationStarted { random: [1; 16], program: "test".to_owned(), carried: Vec::new() }.into(),
        );
    }

    /// Writes a delivery.
    pub fn received(&mut self, sku: &str, units: u64) {
        let (sku, moved) = (Sku(sku.to_owned()), Moved { m: units, c: 0, o: 0 });
        let line = DeliveryLine { sku, units, expected: None, cost: None, moved };
        let delivery = derived_id(1, &self.incarnation(), self.head.seq + 1);
        let received = DeliveryReceived {
            delivery,
            reference: "D1".to_owned(),
            lines: vec![line],
            custody: CustodyMark { epoch: 0, n: 1 },
            same_as: None,
            approver: None,
        };
        self.write(&received.into());
    }

    /// Writes a count that burns nothing: what this device and `others` hold is in it, and nothing came between.
    ///
    /// # Panics
    /// Where the fact is too long for an event.
    pub fn counted(&mut self, sku: &str, n: u64, at: Tau, others: &[CutHead]) {
        let Head { incarnation, seq, hash, .. } = self.head;
        let mut cut = others.to_vec();
        cut.extend((seq > 0).then_some(CutHead { incarnation, seq, hash }));
        let counted = StockCounted {
            count: derived_id(2, &incarnation, seq + 1),
            sku: Sku(sku.to_owned()),
            n,
            tau_start: Some(at),
            tau_end: Some(at),
            cut_end: cut.clone(),
            cut_start: cut,
            held: 0,
            moved: Moved::default(),
            variance: 0,
        };
        self.write(&counted.into());
    }

    /// The end of what it wrote, as a count's cut names it.
    #[must_use]
    pub fn cut(&self) -> CutHead {
        CutHead { incarnation: self.head.incarnation, seq: self.head.seq, hash: self.head.hash }
    }

    /// Writes a sale of pieces, paid in cash.
    pub fn sold(&mut self, lines: &[(&str, i64, i64)]) -> Id {
        let id = derived_id(u64::try_from(NOW).unwrap_or(0), &self.incarnation(), self.head.seq + 1);
        self.sold_as(id, lines);
        id
    }

    /// Writes a sale under a given id: (sku, pieces, price) a line.
    ///
    /// # Panics
    /// Where the engine refuses the sale.
    pub fn sold_as(&mut self, sale_id: Id, lines: &[(&str, i64, i64)]) {
        let body = self.sale(sale_id, lines);
        self.write(&Body::from(body));
    }

    /// A sale that isn't written yet.
    ///
    /// # Panics
    /// Where the engine refuses it.
    pub fn sale(&mut self, sale_id: Id, lines: &[(&str, i64, i64)]) -> SaleCommitted {
        self.number += 1;
        let total: i64 = lines.iter().map(|(_, pieces, price)| pieces * price).sum();
        let inputs = SaleInputs {
            rules: Settings::default().rules(),
            catalog: CatalogVersion::default(),
            lines: lines.iter().map(|(sku, pieces, price)| line(sku, *pieces, *price)).collect(),
            promotions: Vec::new(),
            order_discounts: Vec::new(),
            exemption: None,
            tenders: vec![cash(total)],
        };
        let outcome = tradepost_commerce::ring_up(&inputs).expect("a plain sale");
        let used = |(_, pieces, _): &(&str, i64, i64)| Moved { m: 0, c: pieces.unsigned_abs(), o: 0 };
        SaleCommitted {
            sale_id,
            client_made: false,
            cart: None,
            receipt: ReceiptNumber {
                till: "R1".to_owned(),
                series: self.incarnation().series(),
                n: self.number,
            },
            business_day: Day(20_775),
            customer: None,
            document: SaleDocument { inputs, outcome },
            moved: lines.iter().map(used).collect(),
            exchange: None,
            reservations: Vec::new(),
            cart_custody: None,
        }
    }

    /// The batch of events `from` to `to`, in canonical bytes.
    #[must_use]
    pub fn raw(&self, from: u64, to: u64) -> Batch {
        self.batch(from, to, Encoding::Raw)
    }

    /// The batch of events `from` to `to`, in the compact form.
    #[must_use]
    pub fn compact(&self, from: u64, to: u64) -> Batch {
        self.batch(from, to, Encoding::Compact)
    }

    fn batch(&self, from: u64, to: u64, encoding: Encoding) -> Batch {
        let at = |seq: u64| usize::try_from(seq - 1).expect("few events");
        let events = &self.events[at(from)..=at(to)];
        let end_hash = events[events.len() - 1].hash;
        let catalog = CatalogVersion::default();
        let payload = match encoding {
            Encoding::Raw => pack_raw(events),
            Encoding::Compact => pack(events, catalog, &NoShelf),
        };
        let signature =
            self.device.sign_head(&HeadMark { incarnation: self.incarnation(), seq: to, hash: end_hash });
        let count = u32::try_from(events.len()).expect("few events");
        Batch {
            incarnation: self.incarnation(),
            from,
            count,
            end_hash,
            signature,
            encoding,
            catalog,
            payload,
        }
    }
}

fn line(sku: &str, pieces: i64, price: i64) -> LineInput {
    LineInput {
        sku: Sku(sku.to_owned()),
        name: format!("item {sku}"),
        unit: Unit::piece(),
        quantity: Quantity(pieces * 1_000),
        unit_price: Money(price),
        price_source: PriceSource::List { list: String::new(), version: CatalogVersion::default() },
        label_amount: None,
        tax: Tax { category: "standard".to_owned(), ppm: 230_000 },
        discounts: Vec::new(),
        serials: Vec::new(),
        age_check: None,
        kind: LineKind::Goods,
    }
}

fn cash(amount: i64) -> Tender {
    Tender {
        key: None,
        kind: TenderKind::Cash,
        amount: Money(amount),
        foreign: None,
        state: TenderState::Captured,
        reference: None,
        pool: None,
        original: None,
    }
}

/// A hub's store with its enrolled device.
pub struct Enrolled {
    /// The store's number.
    pub store: i64,
    /// The device.
    pub writer: Writer,
    shelf: ShelfMemory,
}

impl Enrolled {
    /// Opens a store and enrols a device made from `seed`.
    ///
    /// # Panics
    /// Where the hub refuses.
    #[must_use]
    pub fn make(hub: &Hub, code: &str, seed: u8) -> Self {
        let incarnation = Incarnation([seed.wrapping_add(100); 16]);
        let store =
            stores::open(hub, code, &format!("Store {code}"), None, incarnation, NOW).expect("a new store");
        let writer = Writer::new(seed);
        enrol::enrol(hub, &application(hub, code, &writer, [seed; 8]), NOW).expect("a good code");
        Self { store: store.no, writer, shelf: ShelfMemory::default() }
    }

    /// Gives the hub a batch.
    ///
    /// # Panics
    /// Where the hub fails.
    pub fn give(&self, hub: &Hub, batch: &Batch) -> Applied {
        ingest::ingest(hub, &self.shelf, self.store, batch, NOW + 60_000).expect("the hub works")
    }

    /// Gives the hub everything from `from` on, in batches of luck's sizes.
    ///
    /// # Panics
    /// Where the hub doesn't take it.
    pub fn give_all(&self, hub: &Hub, luck: &mut Luck) {
        let end = self.writer.head.seq;
        let mut from = 1;
        while from <= end {
            let to = (from + luck.below(7)).min(end);
            assert!(matches!(self.give(hub, &self.writer.raw(from, to)), Applied::Done(_)));
            from = to + 1;
        }
    }

    /// The hub's head of the device's stream.
    ///
    /// # Panics
    /// Where the hub fails.
    #[must_use]
    pub fn acked(&self, hub: &Hub) -> u64 {
        let head = ingest::head(hub, &self.writer.incarnation()).expect("the hub works");
        head.map_or(0, |head| head.seq)
    }
}

/// What a device hands in with a fresh code whose secret is `secret`.
///
/// # Panics
/// Where the hub makes no code.
#[must_use]
pub fn application(hub: &Hub, store: &str, writer: &Writer, secret: [u8; 8]) -> enrol::Application {
    enrol::make_code(hub, store, secret, 10, None, NOW).expect("a code");
    let incarnation = writer.incarnation();
    enrol::Application {
        secret,
        incarnation,
        device_key: writer.device.public(),
        proof: writer.device.sign_enrolment(&incarnation, &enrolment_hash(&secret)),
        node_name: "till".to_owned(),
        program: "test".to_owned(),
        lone_head: None,
        items: std::collections::BTreeMap::new(),
        staff: Vec::new(),
        earlier: Vec::new(),
    }
}

/// Every head of a store as the hub would say it.
///
/// # Panics
/// Where the hub fails.
#[must_use]
pub fn heads(hub: &Hub, store: i64) -> Vec<HeadMark> {
    batches::heads(hub, store).expect("the hub works")
}
