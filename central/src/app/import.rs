//! The catalog imported in bulk: good rows are taken even where others are wrong, sending it again changes nothing, and
//! a dry run tells row by row what would be done.

use super::{Code, Fault, FieldFault, catalog, products, stores};
use crate::app::products::Written;
use crate::db::catalog::CatalogHead;
use crate::db::{AsDbError, DbError, Tx, catalog as stream, products as rows_of};
use crate::hub::Hub;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use tradepost_commerce::document::Sku;
use tradepost_commerce::gtin::Gtin;
use tradepost_commerce::money::Currency;
use tradepost_commerce::money::Money;
use tradepost_commerce::price_book::{DEFAULT_LIST, PriceEntry, in_force_at};
use tradepost_commerce::product::{Product, StockPolicy};
use tradepost_commerce::promotion::Promotion;
use tradepost_commerce::quantity::Unit;
use tradepost_commerce::time::UtcMs as Instant;
use tradepost_sync::catalog::Change;
use tradepost_sync::clock::UtcMs;

/// Rows that a dry run tells one by one.
pub const TOLD_MAX: usize = 1_000;
/// Rows of one catalog version: each brings two changes at most.
const ROWS_AT_ONCE: usize = catalog::CHANGES_MAX / 2;

/// An item as a table of a shop tells it; what it leaves out stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The item's code.
    pub sku: Sku,
    /// Its name, with what tells it from others of its kind.
    pub name: String,
    /// Its trade item numbers.
    pub gtins: Option<Vec<Gtin>>,
    /// Code of its tax category, as the table says it.
    pub tax_category: Option<String>,
    /// The category that an item new to the catalog gets where the table says none.
    pub tax_category_of_new: String,
    /// Whether it is in the range.
    pub active: Option<bool>,
    /// What one pricing unit costs.
    pub cost: Option<Money>,
    /// Where it stands in the range.
    pub category: Option<String>,
    /// Its price on the stores' own list from now on.
    pub price: Option<Money>,
}

impl Listing {
    /// The product with what the table says of it.
    fn over(&self, before: Option<Product>) -> Product {
        let mut product = before.unwrap_or_else(|| Product {
            sku: self.sku.clone(),
            name: String::new(),
            gtins: Vec::new(),
            plu: None,
            unit: Unit::piece(),
            tax_category: self.tax_category_of_new.clone(),
            min_age: None,
            policy: StockPolicy::default(),
            weighed: false,
            serialised: false,
            active: true,
            cost: None,
            category: String::new(),
        });
        product.name.clone_from(&self.name);
        if let Some(gtins) = &self.gtins {
            product.gtins.clone_from(gtins);
        }
        if let Some(category) = &self.tax_category {
            product.tax_category.clone_from(category);
        }
        if let Some(category) = &self.category {
            product.category.clone_from(category);
        }
        product.active = self.active.unwrap_or(product.active);
        product.cost = self.cost.or(product.cost);
        product
    }
}

/// One row of an import.
#[derive(Clone, Debug)]
pub enum Row {
    /// A product.
    Product(Box<Product>),
    /// A price.
    Price(PriceEntry),
    /// A promotion.
    Promotion(Promotion),
    /// An item of a shop's table.
    Listing(Box<Listing>),
    /// A row that an import at the hub leaves out: settings and taxes are a store's, stock is received at the node.
    NotOurs,
}

/// What became of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is new.
    Created,
    /// It is other than before.
    Updated,
    /// It was like this before.
    Unchanged,
    /// It was left out on purpose.
    Skipped,
}

impl Outcome {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Skipped => "skipped",
        }
    }
}

/// What one row does.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its number from 1.
    pub row: u64,
    /// The item, or the promotion.
    pub of: String,
    /// What becomes of it.
    pub outcome: Outcome,
    /// Fields of it that change.
    pub changes: Vec<String>,
}

/// What an import did, or would do.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    /// New rows.
    pub created: u64,
    /// Rows that changed.
    pub updated: u64,
    /// Rows that were there like this.
    pub unchanged: u64,
    /// Rows that were left out on purpose.
    pub skipped: u64,
    /// Rows that are wrong: (number from 1, what).
    pub errors: Vec<(u64, FieldFault)>,
    /// Row by row, in a dry run alone; the first [`TOLD_MAX`] of them.
    pub told: Option<Vec<Told>>,
    /// Items that earlier rows of a dry run would have made.
    promised: BTreeSet<String>,
}

impl Imported {
    /// An import that changes nothing and tells row by row what it would do.
    pub fn dry() -> Self {
        Self { told: Some(Vec::new()), ..Self::default() }
    }

    /// Notes a row that was left out on purpose.
    pub fn skip(&mut self, row: u64, of: &str) {
        self.note(Told { row, of: of.to_owned(), outcome: Outcome::Skipped, changes: Vec::new() });
    }

    fn note(&mut self, told: Told) {
        *match told.outcome {
            Outcome::Created => &mut self.created,
            Outcome::Updated => &mut self.updated,
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::Skipped => &mut self.skipped,
        } += 1;
        if let Some(list) = &mut self.told
            && list.len() < TOLD_MAX
        {
            list.push(told);
        }
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.created + self.updated + self.unchanged + self.skipped
    }

    /// One of the same kind that has seen nothing yet.
    fn fresh(&self) -> Self {
        Self { told: self.told.as_ref().map(|_| Vec::new()), ..Self::default() }
    }

    fn add(&mut self, done: Self) {
        self.created += done.created;
        self.updated += done.updated;
        self.unchanged += done.unchanged;
        self.skipped += done.skipped;
        self.errors.extend(done.errors);
        self.promised.extend(done.promised);
        if let (Some(list), Some(told)) = (&mut self.told, done.told) {
            let room = TOLD_MAX.saturating_sub(list.len());
            list.extend(told.into_iter().take(room));
        }
    }
}

/// What ends a dry run's transaction: everything in it is undone.
enum Undone {
    Dry,
    Fault(Fault),
}

impl From<DbError> for Undone {
    fn from(error: DbError) -> Self {
        Self::Fault(error.into())
    }
}

impl AsDbError for Undone {
    fn as_db(&self) -> Option<&DbError> {
        match self {
            Self::Dry => None,
            Self::Fault(fault) => fault.as_db(),
        }
    }
}

/// Takes in rows of an import, with their numbers, as catalog versions of at most [`catalog::CHANGES_MAX`] changes.
///
/// # Errors
/// Faults of the database; a row that is wrong is told in the tally.
pub fn import(hub: &Hub, rows: &[(u64, Row)], tally: &mut Imported, now: UtcMs) -> Result<(), Fault> {
    for chunk in rows.chunks(ROWS_AT_ONCE) {
        let done = if tally.told.is_some() {
            rehearse(hub, chunk, tally, now)?
        } else {
            hub.write(|tx, after| {
                let mut done = tally.fresh();
                after.poke |= take(tx, hub, chunk, &tally.promised, &mut done, now)?;
                Ok(done)
            })?
        };
        tally.add(done);
    }
    Ok(())
}

/// The same in a transaction that is undone.
fn rehearse(hub: &Hub, rows: &[(u64, Row)], tally: &Imported, now: UtcMs) -> Result<Imported, Fault> {
    let mut done = tally.fresh();
    let undone = hub.db.write(|tx| {
        done = tally.fresh();
        take(tx, hub, rows, &tally.promised, &mut done, now).map_err(Undone::Fault)?;
        Err::<(), _>(Undone::Dry)
    });
    match undone {
        Err(Undone::Fault(fault)) => Err(fault),
        _ => Ok(done),
    }
}

/// Takes rows in within one transaction; whether that made a catalog version.
fn take(
    tx: &mut Tx<'_>,
    hub: &Hub,
    rows: &[(u64, Row)],
    promised: &BTreeSet<String>,
    done: &mut Imported,
    now: UtcMs,
) -> Result<bool, Fault> {
    let mut head = stream::head_locked(tx)?;
    let mut changes = Vec::with_capacity(rows.len());
    for (line, row) in rows {
        match take_row(tx, &mut head, row, (promised, &mut *done), now) {
            Ok(taken) => {
                done.note(Told { row: *line, of: taken.of, outcome: taken.outcome, changes: taken.fields });
                changes.extend(taken.changes);
            }
            Err(Fault::Refused { fields, .. }) if !fields.is_empty() => {
                done.errors.push((*line, fields[0].clone()));
            }
            Err(fault) => return Err(fault),
        }
    }
    if changes.is_empty() {
        return Ok(false);
    }
    catalog::next(&mut head, tx, hub, catalog::EVERY_STORE, changes, now)?;
    stream::set_head(tx, &head)?;
    Ok(true)
}

struct Taken {
    of: String,
    outcome: Outcome,
    fields: Vec<String>,
    changes: Vec<Change>,
}

impl Taken {
    fn new(of: &str, outcome: Outcome, fields: Vec<String>, change: Change) -> Self {
        let changes = if outcome == Outcome::Unchanged { Vec::new() } else { vec![change] };
        Self { of: of.to_owned(), outcome, fields, changes }
    }
}

fn take_row(
    tx: &mut Tx<'_>,
    head: &mut CatalogHead,
    row: &Row,
    (promised, done): (&BTreeSet<String>, &mut Imported),
    now: UtcMs,
) -> Result<Taken, Fault> {
    match row {
        Row::Product(product) => take_product(tx, head, product, done),
        Row::Price(price) => {
            let known = rows_of::find(tx, &price.sku.0)?.is_some_and(|row| !row.removed);
            if !known && !promised.contains(&price.sku.0) && !done.promised.contains(&price.sku.0) {
                let detail = format!("the catalog has no item {}", price.sku);
                return Err(Fault::field("/sku", Code::UnknownSku, detail));
            }
            let last = prices_of(tx, &price.sku)?.into_iter().rfind(|entry| entry.list == price.list);
            let same = last.as_ref() == Some(price);
            if !same {
                rows_of::add_price(tx, catalog::EVERY_STORE, price, head.at.version + 1)?;
            }
            let outcome = if same { Outcome::Unchanged } else { Outcome::Created };
            let fields = if same { Vec::new() } else { vec!["price".to_owned()] };
            Ok(Taken::new(&price.sku.0, outcome, fields, Change::Price(price.clone())))
        }
        Row::Promotion(promotion) => {
            let outcome = outcome(super::promotions::save(tx, promotion)?);
            Ok(Taken::new(&promotion.id, outcome, Vec::new(), Change::Promotion(promotion.clone())))
        }
        Row::Listing(listing) => take_listing(tx, head, listing, done, now),
        Row::NotOurs => Ok(Taken {
            of: String::new(),
            outcome: Outcome::Skipped,
            fields: Vec::new(),
            changes: Vec::new(),
        }),
    }
}

fn outcome(written: Written) -> Outcome {
    match written {
        Written::Created => Outcome::Created,
        Written::Updated => Outcome::Updated,
        Written::Unchanged => Outcome::Unchanged,
    }
}

fn take_product(
    tx: &mut Tx<'_>,
    head: &mut CatalogHead,
    product: &Product,
    done: &mut Imported,
) -> Result<Taken, Fault> {
    let before = match done.told {
        Some(_) => products::find(tx, &product.sku.0)?.map(|found| found.product),
        None => None,
    };
    let outcome = outcome(products::save(tx, head, product)?);
    if done.told.is_some() {
        done.promised.insert(product.sku.0.clone());
    }
    let fields = before.map(|before| differing(&before, product)).unwrap_or_default();
    Ok(Taken::new(&product.sku.0, outcome, fields, Change::Product(product.clone())))
}

/// A table's item: its product, and its price where another one is in force.
fn take_listing(
    tx: &mut Tx<'_>,
    head: &mut CatalogHead,
    listing: &Listing,
    done: &mut Imported,
    now: UtcMs,
) -> Result<Taken, Fault> {
    let before = products::find(tx, &listing.sku.0)?.map(|found| found.product);
    let product = listing.over(before);
    products::check(&product, "")?;
    let mut taken = take_product(tx, head, &product, done)?;
    let Some(price) = listing.price else { return Ok(taken) };
    let known = prices_of(tx, &listing.sku)?;
    if in_force_at(&known, DEFAULT_LIST, Instant(now)).is_some_and(|entry| entry.price == price) {
        return Ok(taken);
    }
    let valid_from = Instant(if known.is_empty() { 0 } else { now });
    let entry = PriceEntry {
        list: DEFAULT_LIST.to_owned(),
        sku: listing.sku.clone(),
        price,
        valid_from,
        valid_to: None,
    };
    rows_of::add_price(tx, catalog::EVERY_STORE, &entry, head.at.version + 1)?;
    taken.changes.push(Change::Price(entry));
    if taken.outcome == Outcome::Unchanged {
        taken.outcome = Outcome::Updated;
    }
    if taken.outcome == Outcome::Updated {
        taken.fields.push("price".to_owned());
    }
    Ok(taken)
}

/// Prices that hold for every store, in order of publication.
fn prices_of(tx: &mut Tx<'_>, sku: &Sku) -> Result<Vec<PriceEntry>, Fault> {
    let known = rows_of::prices(tx, Some(&sku.0), 0, 10_000)?;
    Ok(known.into_iter().filter(|row| row.store == catalog::EVERY_STORE).map(|row| row.entry).collect())
}

/// The price of each item that is in force on the stores' own list.
///
/// # Errors
/// Faults of the database.
pub fn in_force<'s>(
    hub: &Hub,
    skus: impl Iterator<Item = &'s Sku>,
    now: UtcMs,
) -> Result<Vec<Option<Money>>, Fault> {
    hub.db.read(|tx| {
        let price = |sku: &Sku| {
            let known = prices_of(tx, sku)?;
            Ok(in_force_at(&known, DEFAULT_LIST, Instant(now)).map(|entry| entry.price))
        };
        skus.map(price).collect()
    })
}

/// Names of the fields in which two products differ.
fn differing(one: &Product, other: &Product) -> Vec<String> {
    let fields = |product: &Product| match serde_json::to_value(product) {
        Ok(Json::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (one, other) = (fields(one), fields(other));
    other.iter().filter(|(name, value)| one.get(*name) != Some(value)).map(|(name, _)| name.clone()).collect()
}

/// The currency of all stores, where they have the same one.
///
/// # Errors
/// Faults of the database.
pub fn common_currency(hub: &Hub) -> Result<Option<Currency>, Fault> {
    let mut currencies = Vec::new();
    for store in stores::list(hub)? {
        currencies.push(stores::settings(&store)?.currency);
    }
    currencies.sort_unstable_by_key(|currency: &Currency| currency.to_string());
    currencies.dedup();
    Ok(if currencies.len() == 1 { currencies.pop() } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_table_leaves_out_stays_as_it_is() {
        let listing = Listing {
            sku: Sku("A".to_owned()),
            name: "Tea".to_owned(),
            gtins: None,
            tax_category: None,
            tax_category_of_new: "standard".to_owned(),
            active: None,
            cost: Some(Money(120)),
            category: None,
            price: None,
        };
        let new = listing.over(None);
        assert_eq!((new.tax_category.as_str(), new.active, new.cost), ("standard", true, Some(Money(120))));
        let known = Product { tax_category: "reduced".to_owned(), plu: Some(7), active: false, ..new };
        let after = Listing { name: "Green tea".to_owned(), ..listing }.over(Some(known.clone()));
        assert_eq!(differing(&known, &after), ["name"]);
        assert_eq!((after.plu, after.active, after.tax_category.as_str()), (Some(7), false, "reduced"));
    }
}
