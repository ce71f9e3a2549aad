//! `OrderService`.

use super::{ask, page, page_size, place, status};
use crate::app::orders::{self, Document};
use crate::hub::Hub;
use std::sync::Arc;
use tonic::{Request, Response, Status};
use tradepost_proto::order::v1 as wire;
use tradepost_proto::order::v1::order_service_server::OrderService;
use tradepost_sync::ids::Id;

/// The service.
pub(super) struct Orders(pub(super) Arc<Hub>);

fn shown(document: Document) -> wire::Order {
    let row = document.order.row;
    let line = |line: crate::db::booking::LineRow| wire::OrderLine {
        line: line.line,
        sku: line.sku,
        name: line.name,
        quantity_milli: line.quantity_milli,
        unit_price: line.unit_price,
        amount: line.amount,
        net: line.net,
        tax: line.tax,
        tax_ppm: line.tax_ppm,
    };
    let tender = |tender: crate::db::booking::PaymentRow| wire::OrderTender {
        kind: tender.kind,
        amount: tender.amount,
        state: tender.state,
    };
    wire::Order {
        id: row.id.to_string(),
        kind: row.kind.to_owned(),
        store: document.store,
        receipt: format!("{}-{}-{:06}", row.till, row.series, row.n),
        committed_at_ms: row.committed_at,
        received_at_ms: row.received_at,
        currency: row.currency,
        net: row.net,
        tax: row.tax,
        total: row.total,
        rounding: row.rounding,
        lines: document.lines.into_iter().map(line).collect(),
        tenders: document.payments.into_iter().map(tender).collect(),
        original_sale: row.original.map(|id| id.to_string()).unwrap_or_default(),
    }
}

#[tonic::async_trait]
impl OrderService for Orders {
    async fn get_order(
        &self,
        request: Request<wire::GetOrderRequest>,
    ) -> Result<Response<wire::GetOrderResponse>, Status> {
        let text = request.into_inner().id;
        let id = Id::parse(&text).map_err(|error| status::bad_field("id", &error.to_string()))?;
        let documents = ask(&self.0, move |hub, _| orders::get(hub, id)).await?;
        Ok(Response::new(wire::GetOrderResponse { orders: documents.into_iter().map(shown).collect() }))
    }

    async fn list_orders(
        &self,
        request: Request<wire::ListOrdersRequest>,
    ) -> Result<Response<wire::ListOrdersResponse>, Status> {
        let wanted = request.into_inner();
        let (size, after) = (page_size(wanted.page_size), place(&wanted.page_token)?);
        let documents = ask(&self.0, move |hub, _| {
            let (author, seq) = after.split_once(':').unwrap_or_default();
            let only = Some(wanted.store.as_str()).filter(|code| !code.is_empty());
            orders::list(hub, only, (author.parse().unwrap_or(0), seq.parse().unwrap_or(0)), size + 1)
        });
        let (documents, next_page_token) =
            page(documents.await?, size, |d| format!("{}:{}", d.order.author, d.order.row.seq));
        Ok(Response::new(wire::ListOrdersResponse {
            orders: documents.into_iter().map(shown).collect(),
            next_page_token,
        }))
    }
}
