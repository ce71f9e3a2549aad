//! `CatalogService`.

use super::{ask, change, page, page_size, place, status};
use crate::app::import::{self, Imported, Row};
use crate::app::prices::{self, NewPrice};
use crate::app::products::{self, Found};
use crate::app::{Fault, FieldFault, catalog};
use crate::hub::Hub;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tradepost_commerce::document::Sku;
use tradepost_commerce::money::Money;
use tradepost_commerce::price_book::PriceEntry;
use tradepost_commerce::product::{Product, StockPolicy};
use tradepost_commerce::quantity::BaseUnit;
use tradepost_commerce::time::UtcMs;
use tradepost_proto::catalog::v1 as wire;
use tradepost_proto::catalog::v1::catalog_service_server::CatalogService;
use tradepost_proto::common::v1::CatalogVersion;

/// Rows that are taken in together.
const ROWS_AT_ONCE: usize = 2_000;
/// Problems that an import lists.
const PROBLEMS_MAX: usize = 100;

/// The service.
pub(super) struct Catalog(pub(super) Arc<Hub>);

/// A product as the admin interface takes it, so that both are read and checked by one function.
fn read(given: wire::Product) -> Result<Product, Fault> {
    let base = match given.base_unit() {
        wire::BaseUnit::Unspecified | wire::BaseUnit::Piece => "Piece",
        wire::BaseUnit::Gram => "Gram",
        wire::BaseUnit::Millilitre => "Millilitre",
        wire::BaseUnit::Millimetre => "Millimetre",
    };
    let policy = match given.policy() {
        wire::StockPolicy::Unspecified | wire::StockPolicy::InHand => "InHand",
        wire::StockPolicy::Strict => "Strict",
        wire::StockPolicy::Override => "Override",
    };
    let product = json!({
        "sku": given.sku, "name": given.name, "gtins": given.gtins, "plu": given.plu,
        "unit": {"base": base, "base_per_unit": given.base_per_unit.unwrap_or(1)},
        "tax_category": given.tax_category, "min_age": given.min_age, "policy": policy,
        "weighed": given.weighed, "serialised": given.serialised, "active": !given.inactive, "cost": given.cost,
        "category": given.category,
    });
    products::read(&product, "/product")
}

fn written(product: &Product) -> wire::Product {
    let base = match product.unit.base {
        BaseUnit::Piece => wire::BaseUnit::Piece,
        BaseUnit::Gram => wire::BaseUnit::Gram,
        BaseUnit::Millilitre => wire::BaseUnit::Millilitre,
        BaseUnit::Millimetre => wire::BaseUnit::Millimetre,
    };
    let policy = match product.policy {
        StockPolicy::Strict => wire::StockPolicy::Strict,
        StockPolicy::InHand => wire::StockPolicy::InHand,
        StockPolicy::Override => wire::StockPolicy::Override,
    };
    wire::Product {
        sku: product.sku.0.clone(),
        name: product.name.clone(),
        gtins: products::gtins(product),
        plu: product.plu,
        base_unit: base.into(),
        base_per_unit: Some(product.unit.base_per_unit),
        tax_category: product.tax_category.clone(),
        min_age: product.min_age.map(u32::from),
        policy: policy.into(),
        weighed: product.weighed,
        serialised: product.serialised,
        inactive: !product.active,
        cost: product.cost.map(|cost| cost.0),
        category: product.category.clone(),
    }
}

fn stored(found: &Found) -> wire::StoredProduct {
    wire::StoredProduct { product: Some(written(&found.product)), row_version: found.row_version }
}

impl Catalog {
    async fn put(&self, given: Option<wire::Product>, expected: Option<u64>) -> Result<Found, Status> {
        let given = given.ok_or_else(|| status::bad_field("product", "it is missing"))?;
        change(&self.0, move |hub, now| {
            let product = read(given)?;
            Ok(products::put(hub, &product, expected, now)?.1)
        })
        .await
    }

    async fn list(&self, query: String, size: u32, token: &str) -> Result<(Vec<Found>, String), Status> {
        let (size, after) = (page_size(size), place(token)?);
        let found = ask(&self.0, move |hub, _| products::list(hub, &query, &after, size + 1)).await?;
        Ok(page(found, size, |found| found.product.sku.0.clone()))
    }

    async fn take(&self, rows: Vec<(u64, Row)>, mut tally: Imported) -> Result<Imported, Status> {
        change(&self.0, move |hub, now| {
            import::import(hub, &rows, &mut tally, now)?;
            Ok(tally)
        })
        .await
    }
}

#[tonic::async_trait]
impl CatalogService for Catalog {
    async fn create_product(
        &self,
        request: Request<wire::CreateProductRequest>,
    ) -> Result<Response<wire::CreateProductResponse>, Status> {
        let found = self.put(request.into_inner().product, None).await?;
        Ok(Response::new(wire::CreateProductResponse { stored: Some(stored(&found)) }))
    }

    async fn update_product(
        &self,
        request: Request<wire::UpdateProductRequest>,
    ) -> Result<Response<wire::UpdateProductResponse>, Status> {
        let wanted = request.into_inner();
        let found = self.put(wanted.product, Some(wanted.row_version)).await?;
        Ok(Response::new(wire::UpdateProductResponse { stored: Some(stored(&found)) }))
    }

    async fn get_product(
        &self,
        request: Request<wire::GetProductRequest>,
    ) -> Result<Response<wire::GetProductResponse>, Status> {
        let sku = request.into_inner().sku;
        let found = ask(&self.0, move |hub, _| products::get(hub, &sku)).await?;
        Ok(Response::new(wire::GetProductResponse { stored: Some(stored(&found)) }))
    }

    async fn list_products(
        &self,
        request: Request<wire::ListProductsRequest>,
    ) -> Result<Response<wire::ListProductsResponse>, Status> {
        let wanted = request.into_inner();
        let (found, next_page_token) = self.list(String::new(), wanted.page_size, &wanted.page_token).await?;
        let products = found.iter().map(stored).collect();
        Ok(Response::new(wire::ListProductsResponse { products, next_page_token }))
    }

    async fn search_products(
        &self,
        request: Request<wire::SearchProductsRequest>,
    ) -> Result<Response<wire::SearchProductsResponse>, Status> {
        let wanted = request.into_inner();
        let (found, next_page_token) = self.list(wanted.query, wanted.page_size, &wanted.page_token).await?;
        let products = found.iter().map(stored).collect();
        Ok(Response::new(wire::SearchProductsResponse { products, next_page_token }))
    }

    async fn change_price(
        &self,
        request: Request<wire::ChangePriceRequest>,
    ) -> Result<Response<wire::ChangePriceResponse>, Status> {
        let wanted = request.into_inner().prices;
        let at = change(&self.0, move |hub, now| {
            let price = |price: wire::NewPrice| NewPrice {
                store: price.store,
                entry: PriceEntry {
                    list: price.list,
                    sku: Sku(price.sku),
                    price: Money(price.price),
                    valid_from: UtcMs(price.valid_from_ms.unwrap_or(now)),
                    valid_to: price.valid_to_ms.map(UtcMs),
                },
            };
            let entries: Vec<NewPrice> = wanted.into_iter().map(price).collect();
            prices::publish(hub, &entries, now)
        })
        .await?;
        let version = CatalogVersion { epoch: at.epoch, version: at.version };
        Ok(Response::new(wire::ChangePriceResponse { version: Some(version) }))
    }

    async fn import_products(
        &self,
        request: Request<Streaming<wire::ImportProductsRequest>>,
    ) -> Result<Response<wire::ImportProductsResponse>, Status> {
        let (mut stream, mut number) = (request.into_inner(), 0);
        let (mut rows, mut tally) = (Vec::new(), Imported::default());
        while let Some(some) = stream.message().await? {
            for product in some.products {
                number += 1;
                match read(product) {
                    Ok(product) => rows.push((number, Row::Product(Box::new(product)))),
                    Err(fault) => tally.errors.push((number, blamed(&fault))),
                }
            }
            if rows.len() >= ROWS_AT_ONCE {
                tally = self.take(std::mem::take(&mut rows), tally).await?;
            }
        }
        let mut tally = self.take(rows, tally).await?;
        tally.errors.sort_by_key(|(row, _)| *row);
        let problem = |(row, fault): (u64, FieldFault)| wire::ImportProblem {
            row,
            field: fault.pointer,
            reason: fault.code.name().to_owned(),
            description: fault.detail,
        };
        Ok(Response::new(wire::ImportProductsResponse {
            created: tally.created,
            updated: tally.updated,
            unchanged: tally.unchanged,
            problems: tally.errors.into_iter().take(PROBLEMS_MAX).map(problem).collect(),
        }))
    }

    type WatchCatalogStream = ReceiverStream<Result<wire::WatchCatalogResponse, Status>>;

    async fn watch_catalog(
        &self,
        _: Request<wire::WatchCatalogRequest>,
    ) -> Result<Response<Self::WatchCatalogStream>, Status> {
        let (told, heard) = mpsc::channel(1);
        let hub = Arc::clone(&self.0);
        tokio::spawn(async move {
            let (mut pokes, mut last) = (hub.pokes.subscribe(), None);
            loop {
                let head = ask(&hub, |hub, _| catalog::head(hub)).await;
                let version =
                    head.map(|head| CatalogVersion { epoch: head.at.epoch, version: head.at.version });
                let (news, failed) = (version.as_ref().ok() != last.as_ref(), version.is_err());
                last = version.as_ref().ok().cloned();
                let answer = version.map(|version| wire::WatchCatalogResponse { version: Some(version) });
                let gone = (news || failed) && told.send(answer).await.is_err();
                if gone || failed {
                    return;
                }
                tokio::select! {
                    changed = pokes.changed() => if changed.is_err() || hub.open().is_err() { return },
                    () = told.closed() => return,
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(heard)))
    }
}

fn blamed(fault: &Fault) -> FieldFault {
    match fault {
        Fault::Refused { fields, .. } if !fields.is_empty() => fields[0].clone(),
        other => FieldFault { pointer: String::new(), code: other.code(), detail: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_comes_back_as_it_was_given() {
        let given = wire::Product {
            sku: "TEA".to_owned(),
            name: "Tea".to_owned(),
            gtins: vec!["04006381333931".to_owned()],
            base_unit: wire::BaseUnit::Gram.into(),
            base_per_unit: Some(1_000),
            tax_category: "standard".to_owned(),
            min_age: Some(18),
            policy: wire::StockPolicy::Strict.into(),
            weighed: true,
            cost: Some(120),
            ..wire::Product::default()
        };
        let product = read(given.clone()).expect("it is a product");
        assert_eq!(written(&product), given);
        let nameless = wire::Product { name: String::new(), ..given };
        let fault = read(nameless).expect_err("a product has a name");
        assert_eq!(blamed(&fault).pointer, "/product/name");
    }
}
