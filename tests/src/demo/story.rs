//! The story from its beginning to the proof.

use super::goods::{Basket, Catalog, StoreName, read_baskets, stores_of};
use super::progress::Voice;
use super::prove::{Verdict, prove};
use super::sell::{Customers, now, sell};
use super::shelf::Shelf;
use super::town::{Hub, Place, Shop, delivered, drained, fresh_folder};
use super::{Outcome, neighbours, table};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tradepost_commerce::document::Sku;
use tradepost_commerce::money::Money;
use tradepost_commerce::price_book::{DEFAULT_LIST, PriceEntry};
use tradepost_commerce::time::UtcMs;

/// Longest wait for a catalog or a backlog to arrive.
const LEVEL_WAIT: Duration = Duration::from_secs(300);

/// Every so many products change their price at headquarters.
const REPRICED_EVERY: usize = 20;

/// One basket in so many is bought after the hub is back.
const AFTERWARDS: usize = 60;

/// How long after the hub's stop the announced prices begin.
const ANNOUNCED_MS: i64 = 2_000;

/// What the story is told about.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder for all data; empty or not there yet.
    pub data: PathBuf,
    /// Folder of the programs.
    pub bin_dir: PathBuf,
    /// The goods.
    pub catalog: PathBuf,
    /// The baskets.
    pub baskets: PathBuf,
    /// `scripts/recompute.py`.
    pub recompute: PathBuf,
    /// Change one cent in one export.
    pub tamper: bool,
    /// Customers at once.
    pub workers: usize,
    /// So many baskets at most.
    pub limit: Option<usize>,
    /// How it is told.
    pub voice: Voice,
}

/// How it ended.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Whether everybody has the same books, and nothing is lost or doubled.
    pub agree: bool,
    /// Acknowledged sales.
    pub sales: usize,
    /// Acknowledged refunds.
    pub refunds: usize,
    /// Acknowledged documents that the hub doesn't have.
    pub lost: usize,
    /// Documents that it has more than once.
    pub doubled: usize,
    /// Seconds from the first program's start to the last proof.
    pub seconds: f64,
    /// Sales a second while the hub was away, the kill included.
    pub sales_per_second: f64,
    /// Bytes that the nodes sent, for each document of the backlog.
    pub wire_bytes_per_sale: f64,
    /// Seconds from the hub's return until nothing waited any more.
    pub drain_seconds: f64,
    /// Seconds from the killed node's start until it was ready.
    pub ready_again_seconds: f64,
    /// Calls that were sent again.
    pub sent_again: usize,
    /// Milliseconds until a neighbour showed a sale while the hub was away.
    pub seen_by_neighbour_ms: f64,
    /// Store by store.
    pub verdicts: Vec<Verdict>,
}

impl Report {
    /// The last line of `--check`.
    pub fn json(&self) -> Value {
        json!({
            "agree": self.agree, "sales": self.sales, "seconds": rounded(self.seconds), "lost": self.lost,
            "doubled": self.doubled, "refunds": self.refunds, "stores": self.verdicts.len(),
            "sales_per_second": rounded(self.sales_per_second),
            "wire_bytes_per_sale": rounded(self.wire_bytes_per_sale),
            "drain_seconds": rounded(self.drain_seconds),
            "ready_again_seconds": rounded(self.ready_again_seconds),
            "seen_by_neighbour_ms": rounded(self.seen_by_neighbour_ms),
        })
    }
}

/// The programs as they stand at the end of the story; they end when this is dropped.
pub struct Stage {
    /// The hub.
    pub hub: Hub,
    /// The stores.
    pub shops: Vec<Shop>,
}

impl Stage {
    /// Asks every program to end.
    ///
    /// # Errors
    /// The first that didn't as asked.
    pub fn end(mut self) -> Outcome<()> {
        let shops = self.shops.iter().map(Shop::stop).fold(Ok(()), Outcome::and);
        shops.and(self.hub.stop())
    }
}

/// Tells the story. What differs is in the report.
///
/// # Errors
/// The story couldn't be told to its end.
pub async fn tell(options: &Options) -> Outcome<(Report, Stage)> {
    let begun = Instant::now();
    let voice = options.voice;
    fresh_folder(&options.data)?;
    let mut catalog = Catalog::read(&options.catalog)?;
    let mut baskets = read_baskets(&options.baskets, options.limit)?;
    catalog.deliver_only(&baskets);
    let stores = stores_of(&baskets, &options.baskets)?;
    let afterwards = baskets.split_off(baskets.len() - baskets.len() / AFTERWARDS);

    let mut stage = open(options, &stores, &catalog).await?;
    let mut report = Report::default();
    let customers = Customers::of(&stage.shops, Shelf::of(&catalog)?);
    change_prices(&stage, &catalog, &customers, voice).await?;

    voice.say("-- The hub is stopped; the stores are alone");
    stage.hub.stop()?;
    sell_alone(options, &stage, &customers, baskets, &mut report).await?;

    let backlog = customers.acknowledged().len();
    level(&mut stage, backlog, &mut report, voice).await?;
    change_prices_again(&stage, &catalog, &customers, voice).await?;
    let bar = Arc::new(voice.bar("selling with the hub", afterwards.len()));
    let count = afterwards.len();
    sell(&customers, Arc::new(afterwards), options.workers, &bar).await?;
    drained(&stage.shops, LEVEL_WAIT).await?;
    bar.end(&format!("{count} more baskets sold at the new prices, with the hub listening"));

    report.seen_by_neighbour_ms = neighbours::tell(&mut stage, options, &catalog, &customers).await?;

    proofs(options, &stage, &customers, &mut report).await?;
    report.seconds = begun.elapsed().as_secs_f64();
    table::show(voice, &report, catalog.parsed_settings()?.currency);
    Ok((report, stage))
}

/// Hub and stores start, the catalog is published, goods arrive.
async fn open(options: &Options, stores: &[StoreName], catalog: &Catalog) -> Outcome<Stage> {
    let voice = options.voice;
    let place = Place { bin_dir: options.bin_dir.clone(), data: options.data.clone() };
    voice.say("-- A hub and its stores open");
    let hub = Hub::open(&place)?;
    voice.say(format!("   the hub listens: {}", hub.client.base()));
    let mut shops = Vec::new();
    for store in stores {
        let code = hub.found(store, &catalog.settings).await?;
        let shop = Shop::open(&place, store, &neighbours::on_the_lan(&[]))?;
        shop.enrol(&code).await?;
        voice.say(format!("   {} is enrolled: {}", shop.name(), shop.client.base()));
        shops.push(shop);
    }
    voice.say("-- Headquarters publishes the catalog, and goods arrive");
    let records = catalog.products.len() + catalog.promotions.len() + catalog.prices.len();
    let bar = voice.bar("publishing the catalog", records);
    hub.publish(catalog, &|n| bar.advance(n)).await?;
    delivered(&hub, &shops, LEVEL_WAIT).await?;
    bar.end(&format!("{} products with their prices are in every store", catalog.products.len()));
    let bar =
        voice.bar("receiving goods", catalog.stock.iter().filter(|(_, n)| *n > 0).count() * shops.len());
    for shop in &shops {
        shop.receive(&catalog.stock, &|n| bar.advance(n)).await?;
    }
    drained(&shops, LEVEL_WAIT).await?;
    bar.end(&format!("{} lines of deliveries are booked, and the hub knows", bar.done()));
    Ok(Stage { hub, shops })
}

/// Before the stop: some prices change at once, others are announced and begin while nobody can be asked.
async fn change_prices(stage: &Stage, catalog: &Catalog, customers: &Customers, voice: Voice) -> Outcome<()> {
    let at_once = repriced(catalog, 0, 11, now()?);
    stage.hub.reprice(&at_once, &|_| ()).await?;
    let later = UtcMs(now()?.0 + ANNOUNCED_MS);
    let announced = repriced(catalog, REPRICED_EVERY / 2, 12, later);
    stage.hub.reprice(&announced, &|_| ()).await?;
    delivered(&stage.hub, &stage.shops, LEVEL_WAIT).await?;
    customers.reprice(&at_once);
    customers.reprice(&announced);
    voice.say(format!("   {} prices change now, {} are announced", at_once.len(), announced.len()));
    Ok(())
}

/// After the hub's return: prices go down while the last customers come.
async fn change_prices_again(
    stage: &Stage,
    catalog: &Catalog,
    customers: &Customers,
    voice: Voice,
) -> Outcome<()> {
    let lower = repriced(catalog, 1, 9, now()?);
    stage.hub.reprice(&lower, &|_| ()).await?;
    delivered(&stage.hub, &stage.shops, LEVEL_WAIT).await?;
    customers.reprice(&lower);
    voice.say(format!("   {} prices change at headquarters and are in every store", lower.len()));
    Ok(())
}

/// Every twentieth product, at so many tenths of its first price.
fn repriced(catalog: &Catalog, first: usize, tenths: i64, valid_from: UtcMs) -> Vec<PriceEntry> {
    let base = catalog.prices.iter().filter(|entry| entry.list == DEFAULT_LIST);
    let some = base.skip(first).step_by(REPRICED_EVERY);
    some.map(|entry| PriceEntry {
        list: entry.list.clone(),
        sku: Sku(entry.sku.0.clone()),
        price: Money((entry.price.0 * tenths / 10).max(1)),
        valid_from,
        valid_to: None,
    })
    .collect()
}

/// All baskets but the last are sold without the hub; in the middle one node is killed.
async fn sell_alone(
    options: &Options,
    stage: &Stage,
    customers: &Arc<Customers>,
    baskets: Vec<Basket>,
    report: &mut Report,
) -> Outcome<()> {
    let count = baskets.len();
    let bar = Arc::new(options.voice.bar("selling without the hub", count));
    let begun = Instant::now();
    let selling = {
        let (customers, bar, workers) = (customers.clone(), bar.clone(), options.workers);
        tokio::spawn(async move { sell(&customers, Arc::new(baskets), workers, &bar).await })
    };
    let half = u64::try_from(count / 2)?;
    while bar.done() < half && !selling.is_finished() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    report.ready_again_seconds = kill_and_restart(&stage.shops[0], customers, options.voice).await?;
    selling.await??;
    let seconds = begun.elapsed().as_secs_f64();
    report.sales_per_second = as_float(count) / seconds;
    report.sent_again = customers.calls().1;
    bar.end(&format!("{count} baskets sold in {seconds:.1} s: {:.0} a second", report.sales_per_second));
    Ok(())
}

async fn kill_and_restart(shop: &Shop, customers: &Customers, voice: Voice) -> Outcome<f64> {
    let (in_flight, _) = customers.calls();
    shop.kill()?;
    let killed = shop.clone();
    let begun = Instant::now();
    tokio::task::spawn_blocking(move || killed.start_again()).await??;
    let seconds = begun.elapsed().as_secs_f64();
    let sentence = format!("{} killed with -9, {in_flight} sales in flight; ready again", shop.name());
    voice.say(format!("   {sentence} after {seconds:.2} s"));
    Ok(seconds)
}

/// The hub starts again and the backlog goes up.
async fn level(stage: &mut Stage, backlog: usize, report: &mut Report, voice: Voice) -> Outcome<()> {
    voice.say("-- The hub starts again, and everything levels by itself");
    let before = bytes_sent(&stage.shops).await?;
    stage.hub.start_again()?;
    report.drain_seconds = drained(&stage.shops, LEVEL_WAIT).await?.as_secs_f64();
    let sent = bytes_sent(&stage.shops).await?.saturating_sub(before);
    report.wire_bytes_per_sale = as_float(usize::try_from(sent)?) / as_float(backlog.max(1));
    let rate = report.wire_bytes_per_sale;
    let seconds = report.drain_seconds;
    voice.say(format!("   {backlog} documents arrived within {seconds:.2} s; {rate:.1} bytes each"));
    Ok(())
}

async fn bytes_sent(shops: &[Shop]) -> Outcome<u64> {
    let mut sum = 0;
    for shop in shops {
        sum += shop.sync_status().await?["bytes_sent"].as_u64().unwrap_or_default();
    }
    Ok(sum)
}

/// Everybody's books, store by store.
async fn proofs(options: &Options, stage: &Stage, customers: &Customers, report: &mut Report) -> Outcome<()> {
    let voice = options.voice;
    voice.say("-- The proof: node, hub, and an independent recomputation from the exported events");
    let exports = options.data.join("exports");
    std::fs::create_dir_all(&exports)?;
    let acknowledged = customers.acknowledged();
    let bar = voice.bar("comparing the books", stage.shops.len());
    for (at, shop) in stage.shops.iter().enumerate() {
        let tamper = options.tamper && at == 0;
        let verdict = prove(&stage.hub, shop, &acknowledged, &options.recompute, &exports, tamper).await?;
        report.lost += verdict.lost;
        report.doubled += verdict.doubled;
        report.verdicts.push(verdict);
        bar.advance(1);
    }
    if options.tamper {
        voice.say("   one cent was changed in one export: that must be found out");
    }
    report.refunds = acknowledged.iter().filter(|said| said.refund).count();
    report.sales = acknowledged.len() - report.refunds;
    report.agree = report.verdicts.iter().all(|verdict| verdict.wrong.is_empty());
    bar.end(if report.agree { "everybody agrees" } else { "the books DIFFER" });
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts of a demo are far below 2^52")]
fn as_float(count: usize) -> f64 {
    count as f64
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
