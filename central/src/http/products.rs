//! Products: one by one, or imported as NDJSON or as a shop's table.

use super::json::{self, Body, Page, expect_type, if_match, must_match, tagged};
use super::problem::{FieldProblem, Problem};
use super::{App, ask, change};
use crate::app::import::{self, Imported, Row};
use crate::app::products::{self, Written};
use crate::app::{Code, Fault, FieldFault, promotions};
use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use serde_json::Value as Any;
use std::sync::Arc;
use tradepost_commerce::price_book::PriceEntry;
use tradepost_commerce::promotion::Promotion;
use utoipa::{IntoParams, ToSchema};

/// Longest body of an import.
pub(super) const IMPORT_BYTES_MAX: usize = 64 << 20;
/// Longest line of one.
const LINE_BYTES_MAX: usize = 64 << 10;
/// Rows that are taken in together.
pub(super) const ROWS_AT_ONCE: usize = 2_000;
/// Faults that an import lists.
const FAULTS_MAX: usize = 100;

/// Which products.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Text in name, SKU or GTIN, with or without marks.
    q: Option<String>,
    /// Rows of a page, at most 500.
    limit: Option<usize>,
    /// Where the page begins.
    cursor: Option<String>,
}

/// Lists products by SKU.
#[utoipa::path(get, path = "/v1/products", tag = "catalog", operation_id = "listProducts", params(Wanted),
    responses((status = 200, body = Page<Object>)))]
pub(super) async fn list(
    app: State<Arc<App>>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<Any>>, Problem> {
    let limit = json::limit(wanted.limit);
    let after = json::place(wanted.cursor.as_deref())?;
    let query = wanted.q.unwrap_or_default();
    let found = ask(&app, move |hub, _| products::list(hub, &query, &after, limit + 1)).await?;
    let rows = found.iter().map(|found| serde_json::to_value(&found.product).unwrap_or_default()).collect();
    Ok(Json(Page::new(rows, limit, |row: &Any| row["sku"].as_str().unwrap_or_default().to_owned())))
}

/// Shows a product; the `ETag` is its row's version.
#[utoipa::path(get, path = "/v1/products/{sku}", tag = "catalog", operation_id = "getProduct",
    params(("sku" = String, Path, description = "The item's code")),
    responses((status = 200, body = Object), (status = 404, body = Problem)))]
pub(super) async fn read(app: State<Arc<App>>, Path(sku): Path<String>) -> Result<Response, Problem> {
    let found = ask(&app, move |hub, _| products::get(hub, &sku)).await?;
    Ok(tagged(StatusCode::OK, found.row_version, &found.product))
}

/// Creates a product, or replaces the one whose `ETag` is sent as `If-Match`.
#[utoipa::path(put, path = "/v1/products/{sku}", tag = "catalog", operation_id = "putProduct",
    params(("sku" = String, Path, description = "The item's code"), ("If-Match" = Option<String>, Header, description = "ETag that was read")),
    request_body = Object,
    responses((status = 200, body = Object), (status = 201, body = Object), (status = 412, body = Problem), (status = 422, body = Problem), (status = 428, body = Problem)))]
pub(super) async fn write(
    app: State<Arc<App>>,
    Path(sku): Path<String>,
    headers: HeaderMap,
    Body(mut given): Body<Any>,
) -> Result<Response, Problem> {
    let expected = if_match(&headers)?;
    if let Any::Object(fields) = &mut given {
        let told = fields.entry("sku").or_insert_with(|| Any::String(sku.clone()));
        if told.as_str() != Some(&sku) {
            return Err(
                Fault::field("/sku", Code::BadValue, "the body names another SKU than the address").into()
            );
        }
    }
    let product = products::read(&given, "").map_err(Problem::from)?;
    let (written, found) = change(&app, move |hub, now| products::put(hub, &product, expected, now)).await?;
    let status = if written == Written::Created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(tagged(status, found.row_version, &found.product))
}

/// Takes a product out of the catalog; documents that name it stay.
#[utoipa::path(delete, path = "/v1/products/{sku}", tag = "catalog", operation_id = "deleteProduct",
    params(("sku" = String, Path, description = "The item's code"), ("If-Match" = String, Header, description = "ETag that was read")),
    responses((status = 204), (status = 404, body = Problem), (status = 412, body = Problem), (status = 428, body = Problem)))]
pub(super) async fn remove(
    app: State<Arc<App>>,
    Path(sku): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let expected = must_match(&headers)?;
    change(&app, move |hub, now| products::remove(hub, &sku, expected, now)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How an import is to be taken.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Terms {
    /// Changes nothing and tells row by row what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// ISO 4217 code of a table's amounts; by default that of all stores, where they have the same one.
    pub currency: Option<String>,
    /// Tax category of a table's items that are new and name none; by default `standard`.
    pub tax_category: Option<String>,
    /// Tax category of a table's items that are not taxed; by default `zero`.
    pub untaxed_category: Option<String>,
}

impl Terms {
    pub(super) fn tally(&self) -> Imported {
        if self.dry_run { Imported::dry() } else { Imported::default() }
    }
}

/// A row that an import didn't take.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RowProblem {
    /// Number of the line, from 1.
    row: u64,
    /// What is wrong.
    #[serde(flatten)]
    problem: FieldProblem,
}

/// What a dry run says of a row.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RowView {
    /// Number of the line, from 1.
    row: u64,
    /// The item, or the promotion.
    of: String,
    /// `created`, `updated`, `unchanged` or `skipped`.
    outcome: &'static str,
    /// Fields that change.
    changes: Vec<String>,
}

/// What an import did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImportView {
    /// Nothing was changed: this is what would be done.
    dry_run: bool,
    /// New rows.
    created: u64,
    /// Rows that changed.
    updated: u64,
    /// Rows that were there like this.
    unchanged: u64,
    /// Rows that aren't the hub's: settings, taxes and stock belong to stores; a table's pictures and gift cards.
    skipped: u64,
    /// Rows that are wrong, the first hundred of them.
    errors: Vec<RowProblem>,
    /// How many rows are wrong.
    wrong: u64,
    /// A table's columns that mean nothing here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    columns_passed_over: Vec<String>,
    /// Row by row, the first thousand of them; in a dry run alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<Vec<RowView>>,
    /// Rows of a dry run beyond those that are told.
    rows_left_out: u64,
}

/// Imports products, prices and promotions. NDJSON: each line `{"type": "product" | "price" | "promotion", …}`; a line
/// without a type is a product. CSV: the columns of Shopify's product table, the newer or the older ones; what a table
/// doesn't say of an item stays as it is. Good rows are taken even where others are wrong; sending it again changes
/// nothing. `dry_run=true` changes nothing at all and tells row by row what would be done.
#[utoipa::path(post, path = "/v1/products/import", tag = "catalog", operation_id = "importProducts", params(Terms),
    request_body(content((String = "application/x-ndjson"), (String = "text/csv"))),
    responses((status = 200, body = ImportView), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn import(
    app: State<Arc<App>>,
    Query(terms): Query<Terms>,
    request: Request,
) -> Result<Json<ImportView>, Problem> {
    expect_type(
        request.headers(),
        &["application/x-ndjson", "application/jsonl", "application/json", "text/csv"],
    )?;
    if expect_type(request.headers(), &["text/csv"]).is_ok() {
        return super::products_csv::import(app, terms, request.into_body()).await;
    }
    let mut lines = Lines::default();
    let mut tally = terms.tally();
    let mut body = request.into_body();
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|e| Problem::new(Code::BadJson, format!("the body broke off: {e}"), &[]))?;
        let Ok(data) = frame.into_data() else { continue };
        total += data.len();
        if total > IMPORT_BYTES_MAX {
            return Err(json::too_large(IMPORT_BYTES_MAX));
        }
        lines.feed(&data, &mut tally)?;
        if lines.rows.len() >= ROWS_AT_ONCE {
            tally = take(&app, std::mem::take(&mut lines.rows), tally).await?;
        }
    }
    lines.end(&mut tally);
    tally = take(&app, lines.rows, tally).await?;
    Ok(Json(view(tally, Vec::new())))
}

pub(super) async fn take(
    app: &State<Arc<App>>,
    rows: Vec<(u64, Row)>,
    mut tally: Imported,
) -> Result<Imported, Problem> {
    change(app, move |hub, now| {
        import::import(hub, &rows, &mut tally, now)?;
        Ok(tally)
    })
    .await
}

pub(super) fn view(tally: Imported, columns_passed_over: Vec<String>) -> ImportView {
    let problem = |(row, fault): (u64, FieldFault)| RowProblem {
        row,
        problem: FieldProblem {
            pointer: fault.pointer,
            code: fault.code.name().to_owned(),
            detail: fault.detail,
        },
    };
    let seen = tally.rows();
    let wrong = u64::try_from(tally.errors.len()).unwrap_or(u64::MAX);
    let mut errors: Vec<_> = tally.errors.into_iter().collect();
    errors.sort_by_key(|(row, _)| *row);
    let told = tally.told.map(|told| told.into_iter().map(row_view).collect::<Vec<_>>());
    let listed = told.as_ref().map_or(seen, |told| u64::try_from(told.len()).unwrap_or(seen));
    ImportView {
        dry_run: told.is_some(),
        created: tally.created,
        updated: tally.updated,
        unchanged: tally.unchanged,
        skipped: tally.skipped,
        errors: errors.into_iter().take(FAULTS_MAX).map(problem).collect(),
        wrong,
        columns_passed_over,
        rows_left_out: seen - listed,
        rows: told,
    }
}

fn row_view(told: import::Told) -> RowView {
    RowView { row: told.row, of: told.of, outcome: told.outcome.name(), changes: told.changes }
}

/// Cuts a stream into lines and reads each as a row.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
    number: u64,
    rows: Vec<(u64, Row)>,
}

impl Lines {
    fn feed(&mut self, data: &[u8], tally: &mut Imported) -> Result<(), Problem> {
        self.rest.extend_from_slice(data);
        let rest = std::mem::take(&mut self.rest);
        let mut lines = rest.split(|b| *b == b'\n').peekable();
        while let Some(line) = lines.next() {
            if lines.peek().is_none() {
                self.rest = line.to_vec();
                break;
            }
            self.line(line, tally);
        }
        if self.rest.len() > LINE_BYTES_MAX {
            return Err(json::too_large(LINE_BYTES_MAX));
        }
        Ok(())
    }

    fn end(&mut self, tally: &mut Imported) {
        let rest = std::mem::take(&mut self.rest);
        self.line(&rest, tally);
    }

    fn line(&mut self, line: &[u8], tally: &mut Imported) {
        self.number += 1;
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        match row(line) {
            Ok(row) => self.rows.push((self.number, row)),
            Err(fault) => tally.errors.push((self.number, field_of(&fault))),
        }
    }
}

fn field_of(fault: &Fault) -> FieldFault {
    match fault {
        Fault::Refused { fields, .. } if !fields.is_empty() => fields[0].clone(),
        other => FieldFault { pointer: String::new(), code: other.code(), detail: other.to_string() },
    }
}

fn row(line: &[u8]) -> Result<Row, Fault> {
    let mut given: Any = json::parse(line)?;
    let Any::Object(fields) = &mut given else {
        return Err(Fault::refused(Code::WrongType, "a row is an object"));
    };
    let ty = fields.remove("type");
    match ty.as_ref().map_or(Some("product"), Any::as_str) {
        Some("product") => products::read(&given, "").map(|product| Row::Product(Box::new(product))),
        Some("price") => price(&given).map(Row::Price),
        Some("promotion") => promotion(&given).map(Row::Promotion),
        Some("settings" | "tax" | "stock") => Ok(Row::NotOurs),
        _ => Err(Fault::field("/type", Code::BadValue, "a row is a product, a price or a promotion")),
    }
}

fn price(given: &Any) -> Result<PriceEntry, Fault> {
    let entry: PriceEntry = typed(given)?;
    if entry.price.0 < 0 {
        return Err(Fault::field("/price", Code::BadMoney, "a price is zero or more"));
    }
    Ok(entry)
}

fn promotion(given: &Any) -> Result<Promotion, Fault> {
    let promotion: Promotion = typed(given)?;
    promotions::check(&promotion)?;
    Ok(promotion)
}

/// Reads a pure type, naming the field that is wrong.
pub(super) fn typed<T: serde::de::DeserializeOwned>(given: &Any) -> Result<T, Fault> {
    serde_path_to_error::deserialize(given).map_err(|error| {
        let pointer = json::pointer(&error.path().to_string());
        Fault::field(pointer, Code::WrongType, error.inner().to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_however_the_stream_is_cut() {
        let text = "{\"sku\":\"A\",\"name\":\"a\",\"tax_category\":\"t\"}\n\n{\"type\":\"stock\"}\nnonsense\n{\"type\":\"tax\"}";
        for cut in 0..text.len() {
            let (mut lines, mut tally) = (Lines::default(), Imported::default());
            for part in [&text[..cut], &text[cut..]] {
                assert!(lines.feed(part.as_bytes(), &mut tally).is_ok());
            }
            lines.end(&mut tally);
            let numbers: Vec<u64> = lines.rows.iter().map(|(number, _)| *number).collect();
            assert_eq!(numbers, [1, 3, 5], "cut at {cut}");
            assert_eq!(tally.errors[0].0, 4);
        }
    }
}
