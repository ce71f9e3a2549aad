//! `CartService`.

use super::{ask, change, status};
use crate::app::carts::{self, Change, Line, Priced};
use crate::app::{Fault, accounts};
use crate::hub::Hub;
use std::sync::Arc;
use tonic::{Request, Response, Status};
use tradepost_proto::cart::v1 as wire;
use tradepost_proto::cart::v1::cart_service_server::CartService;
use tradepost_sync::ids::Id;

/// The service.
pub(super) struct Carts(pub(super) Arc<Hub>);

fn shown(cart: Priced) -> wire::Cart {
    let line = |line: carts::PricedLine| wire::CartLine {
        sku: line.sku,
        name: line.name,
        quantity_milli: line.quantity_milli,
        unit_price: line.unit_price,
        amount: line.amount,
    };
    wire::Cart {
        id: cart.id.to_string(),
        version: cart.row_version,
        state: cart.state,
        order: cart.web_order.map(|id| id.to_string()).unwrap_or_default(),
        store: cart.chosen.unwrap_or_default(),
        priced_at: cart.store,
        lines: cart.lines.into_iter().map(line).collect(),
        coupon: cart.coupon.unwrap_or_default(),
        currency: cart.currency,
        net: cart.net,
        tax: cart.tax,
        total: cart.total,
        problem: cart.problem.unwrap_or_default(),
    }
}

fn id(text: &str) -> Result<Id, Status> {
    Id::parse(text).map_err(|error| status::bad_field("id", &error.to_string()))
}

/// The owner behind a token, and the price list of its carts.
pub(super) fn owner(hub: &Hub, session: &str, now: i64) -> Result<(Id, String), Fault> {
    let session = accounts::who(hub, session, now)?;
    Ok((session.owner, session.account.map(|account| account.price_list).unwrap_or_default()))
}

impl Carts {
    async fn changed(
        &self,
        session: String,
        cart: &str,
        version: Option<u64>,
        what: Change,
    ) -> Result<Option<wire::Cart>, Status> {
        let cart = id(cart)?;
        let priced = change(&self.0, move |hub, now| {
            let (owner, _) = owner(hub, &session, now)?;
            carts::change(hub, owner, cart, version, &what, now)
        });
        Ok(Some(shown(priced.await?)))
    }
}

#[tonic::async_trait]
impl CartService for Carts {
    async fn create_cart(
        &self,
        request: Request<wire::CreateCartRequest>,
    ) -> Result<Response<wire::CreateCartResponse>, Status> {
        let wanted = request.into_inner();
        let cart = id(&wanted.id)?;
        let priced = change(&self.0, move |hub, now| {
            let (owner, list) = owner(hub, &wanted.session, now)?;
            carts::create(hub, owner, cart, wanted.store.as_deref(), &list, now)
        });
        Ok(Response::new(wire::CreateCartResponse { cart: Some(shown(priced.await?)) }))
    }

    async fn get_cart(
        &self,
        request: Request<wire::GetCartRequest>,
    ) -> Result<Response<wire::GetCartResponse>, Status> {
        let wanted = request.into_inner();
        let cart = id(&wanted.id)?;
        let priced = ask(&self.0, move |hub, now| {
            let (owner, _) = owner(hub, &wanted.session, now)?;
            carts::get(hub, owner, cart, now)
        });
        Ok(Response::new(wire::GetCartResponse { cart: Some(shown(priced.await?)) }))
    }

    async fn add_item(
        &self,
        request: Request<wire::AddItemRequest>,
    ) -> Result<Response<wire::AddItemResponse>, Status> {
        let wire::AddItemRequest { session, id, sku, quantity_milli, version } = request.into_inner();
        let what = Change::Add(Line { sku, quantity_milli });
        let cart = self.changed(session, &id, version, what).await?;
        Ok(Response::new(wire::AddItemResponse { cart }))
    }

    async fn set_quantity(
        &self,
        request: Request<wire::SetQuantityRequest>,
    ) -> Result<Response<wire::SetQuantityResponse>, Status> {
        let wire::SetQuantityRequest { session, id, sku, quantity_milli, version } = request.into_inner();
        let what = Change::Set(Line { sku, quantity_milli });
        let cart = self.changed(session, &id, version, what).await?;
        Ok(Response::new(wire::SetQuantityResponse { cart }))
    }

    async fn remove_item(
        &self,
        request: Request<wire::RemoveItemRequest>,
    ) -> Result<Response<wire::RemoveItemResponse>, Status> {
        let wire::RemoveItemRequest { session, id, sku, version } = request.into_inner();
        let what = Change::Set(Line { sku, quantity_milli: 0 });
        let cart = self.changed(session, &id, version, what).await?;
        Ok(Response::new(wire::RemoveItemResponse { cart }))
    }

    async fn clear_cart(
        &self,
        request: Request<wire::ClearCartRequest>,
    ) -> Result<Response<wire::ClearCartResponse>, Status> {
        let wire::ClearCartRequest { session, id, version } = request.into_inner();
        let cart = self.changed(session, &id, version, Change::Clear).await?;
        Ok(Response::new(wire::ClearCartResponse { cart }))
    }

    async fn set_coupon(
        &self,
        request: Request<wire::SetCouponRequest>,
    ) -> Result<Response<wire::SetCouponResponse>, Status> {
        let wire::SetCouponRequest { session, id, code, version } = request.into_inner();
        let cart = self.changed(session, &id, version, Change::Coupon(code)).await?;
        Ok(Response::new(wire::SetCouponResponse { cart }))
    }
}
