//! Customers at the tills: many connections, each basket under an id of the client's own, sent again until the node
//! says yes. The client keeps its own list of what was acknowledged: the proof counts from that.

use super::goods::Basket;
use super::progress::Bar;
use super::shelf::Shelf;
use super::town::Shop;
use super::{Failure, Outcome};
use crate::ids::uuid_v7;
use hyper::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};
use tradepost_commerce::time::UtcMs;

/// How long one basket is tried again before the story fails.
const PATIENCE: Duration = Duration::from_secs(90);

/// Pause before a basket is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// How often a total may have changed under a customer's hands.
const REQUOTES_MAX: usize = 5;

/// What a node said yes to.
#[derive(Clone, Debug)]
pub struct Acknowledged {
    /// The store's code.
    pub store: String,
    /// The id the client made.
    pub id: String,
    /// Whether it was a refund.
    pub refund: bool,
    /// What it came to before cash rounding, in minor units; negative for a refund.
    pub total: i64,
}

/// Everything the customers know.
pub struct Customers {
    shops: BTreeMap<u32, Shop>,
    shelf: RwLock<Shelf>,
    acknowledged: Mutex<Vec<Acknowledged>>,
    /// Calls that are waiting for an answer now.
    in_flight: AtomicUsize,
    /// Calls that had to be sent again.
    again: AtomicUsize,
    over: AtomicBool,
}

impl Customers {
    /// Customers of these stores.
    pub fn of(shops: &[Shop], shelf: Shelf) -> Arc<Self> {
        Arc::new(Self {
            shops: shops.iter().map(|shop| (shop.store.store, shop.clone())).collect(),
            shelf: RwLock::new(shelf),
            acknowledged: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            again: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        })
    }

    /// What was acknowledged until now.
    pub fn acknowledged(&self) -> Vec<Acknowledged> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Calls waiting for an answer, and calls that were sent again.
    pub fn calls(&self) -> (usize, usize) {
        (self.in_flight.load(Ordering::Relaxed), self.again.load(Ordering::Relaxed))
    }

    /// Customers hear of new prices.
    pub fn reprice(&self, entries: &[tradepost_commerce::price_book::PriceEntry]) {
        self.shelf.write().unwrap_or_else(PoisonError::into_inner).reprice(entries);
    }

    fn shop(&self, basket: &Basket) -> Outcome<&Shop> {
        Ok(self.shops.get(&basket.store).ok_or_else(|| format!("no store {}", basket.store))?)
    }

    fn quote(&self, basket: &Basket) -> Outcome<(i64, Value)> {
        let shelf = self.shelf.read().unwrap_or_else(PoisonError::into_inner);
        let total = shelf.total(basket, now()?)?;
        Ok((total, shelf.tenders(basket, total)))
    }

    /// Keeps in mind what a node has said yes to.
    pub fn note(&self, shop: &Shop, id: &str, refund: bool, answer: &Value) {
        let total = answer["total"].as_i64().unwrap_or_default();
        let said = Acknowledged { store: shop.store.code.clone(), id: id.to_owned(), refund, total };
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push(said);
    }
}

/// Sells all baskets with so many customers at once; the bar counts baskets.
///
/// # Errors
/// A basket is refused or never answered; then all stop.
pub async fn sell(
    customers: &Arc<Customers>,
    baskets: Arc<Vec<Basket>>,
    workers: usize,
    bar: &Arc<Bar>,
) -> Outcome<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..workers.max(1))
        .map(|_| {
            let (customers, baskets, next, bar) =
                (customers.clone(), baskets.clone(), next.clone(), bar.clone());
            tokio::spawn(async move { queue(&customers, &baskets, &next, &bar).await })
        })
        .collect();
    let mut first = Ok(());
    for task in tasks {
        let ended = task.await.map_err(Failure::from).and_then(|ended| ended);
        first = first.and(ended);
    }
    first
}

async fn queue(customers: &Customers, baskets: &[Basket], next: &AtomicUsize, bar: &Bar) -> Outcome<()> {
    while let Some(basket) = baskets.get(next.fetch_add(1, Ordering::Relaxed)) {
        if customers.over.load(Ordering::Relaxed) {
            return Ok(());
        }
        if let Err(why) = buy(customers, basket).await {
            customers.over.store(true, Ordering::Relaxed);
            return Err(format!("basket {}: {why}", basket.basket).into());
        }
        bar.advance(1);
    }
    Ok(())
}

/// One customer: the sale, and what comes back of it.
///
/// # Errors
/// A refusal that isn't about a price that has just changed, or no answer for too long.
pub async fn buy(customers: &Customers, basket: &Basket) -> Outcome<()> {
    let shop = customers.shop(basket)?;
    let sale = uuid_v7();
    let answer = pay(customers, shop, basket, &sale).await?;
    customers.note(shop, &sale, false, &answer);
    let Some(refund) = &basket.refund else { return Ok(()) };
    let line = &answer["lines"][refund.line]["line"];
    let id = uuid_v7();
    let body = refund.request("R1", &sale, line);
    let answer = insist(customers, shop, &format!("/v1/refunds/{id}"), &body).await?;
    customers.note(shop, &id, true, &answer.map_err(|problem| problem.to_string())?);
    Ok(())
}

async fn pay(customers: &Customers, shop: &Shop, basket: &Basket, id: &str) -> Outcome<Value> {
    let mut problem = Value::Null;
    for _ in 0..REQUOTES_MAX {
        let (_, tenders) = customers.quote(basket)?;
        let mut body = json!({"till": "R1", "lines": basket.lines, "tenders": tenders});
        if !basket.discounts.is_empty() {
            body["discounts"] = json!(basket.discounts);
        }
        match insist(customers, shop, &format!("/v1/sales/{id}"), &body).await? {
            Ok(answer) => return Ok(answer),
            // A price may have changed between the quote and the till; a refusal stored nothing.
            Err(refused) => problem = refused,
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
    Err(format!("refused: {problem}").into())
}

/// Sends a request until the node answers yes, or no for good (the inner error: its problem).
async fn insist(
    customers: &Customers,
    shop: &Shop,
    path: &str,
    body: &Value,
) -> Outcome<Result<Value, Value>> {
    let begun = Instant::now();
    loop {
        customers.in_flight.fetch_add(1, Ordering::Relaxed);
        let answer = shop.client.call(Method::PUT, path, Some(body)).await;
        customers.in_flight.fetch_sub(1, Ordering::Relaxed);
        let last = match answer {
            Ok(answer) if answer.is_success() => return Ok(Ok(answer.body)),
            Ok(answer) if answer.status < 500 => return Ok(Err(answer.body)),
            Ok(answer) => format!("{}: {}", answer.status, answer.body),
            Err(why) => why.to_string(),
        };
        if begun.elapsed() > PATIENCE {
            return Err(format!("no answer for {} s: {last}", PATIENCE.as_secs()).into());
        }
        customers.again.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

/// The wall clock.
///
/// # Errors
/// It stands before 1970.
pub fn now() -> Outcome<UtcMs> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(UtcMs(i64::try_from(since.as_millis())?))
}
