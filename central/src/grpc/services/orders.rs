//! `OrderService`.

use super::{ask, cart, change, page, page_size, place, status};
use crate::app::checkout::{self, Shown, Wanted};
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

fn web(shown: Shown) -> wire::WebOrder {
    let Shown { order, store, document, steps, payment, .. } = shown;
    let line = |(n, (input, outcome)): (
        u32,
        (&tradepost_commerce::document::LineInput, &tradepost_commerce::document::LineOutcome),
    )| wire::OrderLine {
        line: n,
        sku: input.sku.0.clone(),
        name: input.name.clone(),
        quantity_milli: input.quantity.0,
        unit_price: input.unit_price.0,
        amount: outcome.amount.0,
        net: outcome.net.0,
        tax: outcome.tax.0,
        tax_ppm: input.tax.ppm,
    };
    wire::WebOrder {
        id: order.id.to_string(),
        reference: order.reference,
        state: order.state,
        reason: order.reason.unwrap_or_default(),
        store,
        cart: order.cart.to_string(),
        shopper: order.owner.to_string(),
        currency: order.currency,
        total: order.total,
        captured: payment.map_or(0, |paid| paid.captured),
        refund: order.refund,
        lines: (0..).zip(document.inputs.lines.iter().zip(&document.outcome.lines)).map(line).collect(),
        steps: steps.into_iter().map(|(state, ..)| state.name().to_owned()).collect(),
    }
}

fn id(text: &str, field: &str) -> Result<Id, Status> {
    Id::parse(text).map_err(|error| status::bad_field(field, &error.to_string()))
}

#[tonic::async_trait]
impl OrderService for Orders {
    async fn checkout(
        &self,
        request: Request<wire::CheckoutRequest>,
    ) -> Result<Response<wire::CheckoutResponse>, Status> {
        let given = request.into_inner();
        let wanted = Wanted {
            id: id(&given.id, "id")?,
            cart: id(&given.cart, "cart")?,
            cart_version: given.cart_version,
            total: given.total,
            method: given.method,
        };
        let done = change(&self.0, move |hub, now| {
            let (owner, _) = cart::owner(hub, &given.session, now)?;
            checkout::check_out_cart(hub, owner, &wanted, now)
        });
        Ok(Response::new(wire::CheckoutResponse { order: Some(web(done.await?)) }))
    }

    async fn get_web_order(
        &self,
        request: Request<wire::GetWebOrderRequest>,
    ) -> Result<Response<wire::GetWebOrderResponse>, Status> {
        let order = id(&request.into_inner().id, "id")?;
        let found = ask(&self.0, move |hub, _| checkout::get(hub, order)).await?;
        Ok(Response::new(wire::GetWebOrderResponse { order: Some(web(found)) }))
    }

    async fn cancel_web_order(
        &self,
        request: Request<wire::CancelWebOrderRequest>,
    ) -> Result<Response<wire::CancelWebOrderResponse>, Status> {
        let order = id(&request.into_inner().id, "id")?;
        let why = "the company cancelled it";
        let done = change(&self.0, move |hub, now| checkout::cancel(hub, order, why, now)).await?;
        Ok(Response::new(wire::CancelWebOrderResponse { order: Some(web(done)) }))
    }

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
