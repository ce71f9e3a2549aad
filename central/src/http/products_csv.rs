//! Products as a shop's table: read while it comes in, written while it is read.

use super::exports::streamed;
use super::problem::Problem;
use super::products::{IMPORT_BYTES_MAX, ImportView, ROWS_AT_ONCE, Terms, take, view};
use super::{App, ask, json};
use crate::app::import::{self, Imported, Row};
use crate::app::shop_table::{self, Line, Table};
use crate::app::{Code, Fault, products};
use crate::hub::Hub;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::response::Response;
use csv::StringRecord;
use http_body_util::BodyExt;
use serde::Deserialize;
use std::io::{self, Read};
use std::sync::Arc;
use tokio::sync::mpsc;
use tradepost_commerce::money::Currency;
use utoipa::IntoParams;

/// Rows that were read and wait to be taken in.
type Batch = Vec<(u64, Seen)>;

/// A row that was read.
enum Seen {
    Row(Row),
    LeftOut(String),
    Wrong(crate::app::FieldFault),
}

/// Takes a table in.
pub(super) async fn import(
    app: State<Arc<App>>,
    terms: Terms,
    body: Body,
) -> Result<Json<ImportView>, Problem> {
    let understood = understood(&app, &terms).await?;
    let (feed, bytes) = mpsc::channel(4);
    let (read, mut batches) = mpsc::channel::<Batch>(1);
    let reader = tokio::task::spawn_blocking(move || read_table(Chunks::new(bytes), understood, &read));
    let pump = tokio::spawn(pump(body, feed));
    let mut tally = terms.tally();
    while let Some(batch) = batches.recv().await {
        tally = take_batch(&app, batch, tally).await?;
    }
    let broken = |_| Problem::new(Code::Internal, Code::Internal.title(), &[]);
    pump.await.map_err(broken)??;
    let passed_over = reader.await.map_err(broken)??;
    Ok(Json(view(tally, passed_over)))
}

async fn understood(app: &State<Arc<App>>, terms: &Terms) -> Result<shop_table::Terms, Problem> {
    let currency = match &terms.currency {
        Some(code) => Some(
            Currency::parse(code)
                .map_err(|why| Problem::from(Fault::field("/currency", Code::BadValue, why.to_string())))?,
        ),
        None => ask(app, |hub, _| import::common_currency(hub)).await?,
    };
    let or = |given: &Option<String>, usual: &str| given.clone().unwrap_or_else(|| usual.to_owned());
    Ok(shop_table::Terms {
        currency,
        tax_category: or(&terms.tax_category, "standard"),
        untaxed_category: or(&terms.untaxed_category, "zero"),
    })
}

/// Hands the body on as it comes; a body that is too long or breaks off ends the table there.
async fn pump(mut body: Body, feed: mpsc::Sender<io::Result<Bytes>>) -> Result<(), Problem> {
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let data = match frame {
            Ok(frame) => frame.into_data().unwrap_or_default(),
            Err(error) => {
                let detail = format!("the body broke off: {error}");
                let _ = feed.send(Err(io::Error::other(detail.clone()))).await;
                return Err(Problem::new(Code::BadValue, detail, &[]));
            }
        };
        total += data.len();
        if total > IMPORT_BYTES_MAX {
            let _ = feed.send(Err(io::Error::other("the body is too long"))).await;
            return Err(json::too_large(IMPORT_BYTES_MAX));
        }
        if feed.send(Ok(data)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// A body as something that a blocking thread reads.
struct Chunks {
    bytes: mpsc::Receiver<io::Result<Bytes>>,
    rest: Bytes,
}

impl Chunks {
    fn new(bytes: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        Self { bytes, rest: Bytes::new() }
    }
}

impl Read for Chunks {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.bytes.blocking_recv() {
                Some(chunk) => self.rest = chunk?,
                None => return Ok(0),
            }
        }
        let part = self.rest.split_to(self.rest.len().min(into.len()));
        into[..part.len()].copy_from_slice(&part);
        Ok(part.len())
    }
}

/// Reads the table to its end, in batches; columns that mean nothing here.
fn read_table(
    bytes: Chunks,
    terms: shop_table::Terms,
    batches: &mpsc::Sender<Batch>,
) -> Result<Vec<String>, Problem> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let header = reader.headers().cloned().map_err(|why| not_a_table(&why))?;
    let mut table = Table::new(&header, terms)?;
    let (mut batch, mut row) = (Batch::new(), StringRecord::new());
    loop {
        match reader.read_record(&mut row) {
            Ok(false) => break,
            Ok(true) => {
                let line = row.position().map_or(0, csv::Position::line);
                batch.push((line, one(&mut table, &row)));
            }
            Err(why) if why.is_io_error() => return Err(not_a_table(&why)),
            Err(why) => {
                let line = why.position().map_or(0, csv::Position::line);
                batch.push((line, Seen::Wrong(field_of(&why))));
            }
        }
        if batch.len() >= ROWS_AT_ONCE && batches.blocking_send(std::mem::take(&mut batch)).is_err() {
            return Ok(Vec::new());
        }
    }
    // Nobody who reads any more was told why already.
    let _ = batches.blocking_send(batch);
    Ok(table.passed_over().to_vec())
}

fn one(table: &mut Table, row: &StringRecord) -> Seen {
    match table.line(row) {
        Ok(Line::Item(listing)) => Seen::Row(Row::Listing(listing)),
        Ok(Line::LeftOut(of)) => Seen::LeftOut(of),
        Err(fault) => Seen::Wrong(fault),
    }
}

fn not_a_table(why: &csv::Error) -> Problem {
    Problem::from(Fault::field("", Code::BadValue, format!("the body is not a table: {why}")))
}

fn field_of(why: &csv::Error) -> crate::app::FieldFault {
    crate::app::FieldFault { pointer: String::new(), code: Code::BadValue, detail: why.to_string() }
}

async fn take_batch(app: &State<Arc<App>>, batch: Batch, mut tally: Imported) -> Result<Imported, Problem> {
    let mut rows = Vec::with_capacity(batch.len());
    for (line, read) in batch {
        match read {
            Seen::Row(row) => rows.push((line, row)),
            Seen::LeftOut(of) => tally.skip(line, &of),
            Seen::Wrong(fault) => tally.errors.push((line, fault)),
        }
    }
    take(app, rows, tally).await
}

/// What a table is to hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// ISO 4217 code of the amounts; by default that of all stores, where they have the same one.
    currency: Option<String>,
}

/// Products of one page.
const PAGE: usize = 500;

/// Exports the catalog as a table in the newer columns of Shopify's product CSV: each product with its price in force.
#[utoipa::path(get, path = "/v1/exports/products.csv", tag = "exports", operation_id = "exportProducts", params(Wanted),
    responses((status = 200, content_type = "text/csv", body = String), (status = 422, body = Problem)))]
pub(super) async fn export(app: State<Arc<App>>, Query(wanted): Query<Wanted>) -> Result<Response, Problem> {
    let terms =
        Terms { dry_run: false, currency: wanted.currency, tax_category: None, untaxed_category: None };
    let Some(currency) = understood(&app, &terms).await?.currency else {
        let detail = "stores have different currencies: say in which one the table is to be";
        return Err(Fault::field("/currency", Code::BadValue, detail).into());
    };
    let now = ask(&app, |_, now| Ok(now)).await?;
    Ok(streamed(Arc::clone(&app.hub), "text/csv; charset=utf-8", move |hub, put| {
        write_table(hub, currency, now, put)
    }))
}

fn write_table(hub: &Hub, currency: Currency, now: i64, put: &dyn Fn(String) -> bool) -> Result<(), Fault> {
    if !put(text_of(std::iter::once(shop_table::WRITTEN.iter().map(|name| (*name).to_owned()).collect()))?) {
        return Ok(());
    }
    let mut after = String::new();
    loop {
        let page = products::list(hub, "", &after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after.clone_from(&last.product.sku.0);
        let prices = import::in_force(hub, page.iter().map(|found| &found.product.sku), now)?;
        let rows = page
            .iter()
            .zip(prices)
            .map(|(found, price)| shop_table::written(&found.product, price, currency));
        if !put(text_of(rows)?) {
            return Ok(());
        }
    }
}

fn text_of(rows: impl Iterator<Item = Vec<String>>) -> Result<String, Fault> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).map_err(Fault::internal)?;
    }
    let bytes = writer.into_inner().map_err(Fault::internal)?;
    String::from_utf8(bytes).map_err(Fault::internal)
}
