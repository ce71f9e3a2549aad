//! `InventoryService`.

use super::{ask, change, page, page_size, place, status};
use crate::app::reserve::{self, Shown};
use crate::app::{TAU_EPOCH, grants, stock};
use crate::hub::Hub;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use tradepost_proto::inventory::v1 as wire;
use tradepost_proto::inventory::v1::inventory_service_server::InventoryService;
use tradepost_sync::clock::Tau;
use tradepost_sync::ids::Id;

/// The service.
pub(super) struct Inventory(pub(super) Arc<Hub>);

fn figure(n: i128) -> i64 {
    i64::try_from(n).unwrap_or(if n < 0 { i64::MIN } else { i64::MAX })
}

fn shown(item: &stock::Item) -> wire::Stock {
    let picture = &item.picture;
    wire::Stock {
        store: item.store.clone(),
        sku: item.sku.clone(),
        on_hand: figure(picture.on_hand),
        available: figure(picture.available),
        reserved: figure(picture.reserved),
        suspended: figure(picture.suspended),
        overdraw: figure(picture.overdraw),
        hub_rights: figure(item.hub_rights),
        exposure: figure(picture.exposure()),
        incoming: item.incoming,
    }
}

fn reservation(shown: &Shown) -> wire::Reservation {
    let row = &shown.row;
    wire::Reservation {
        id: row.id.to_string(),
        store: shown.store.clone(),
        sku: row.sku.clone(),
        units: row.units,
        order: row.order.to_string(),
        reference: row.reference.clone(),
        expires_ms: row.expires.ms,
        state: reserve::state(row).to_owned(),
        custodian: shown.custodian.map(|who| who.to_string()).unwrap_or_default(),
        exposed: shown.exposed,
    }
}

fn id(text: &str, field: &str) -> Result<Id, Status> {
    Id::parse(text).map_err(|error| status::bad_field(field, &error.to_string()))
}

#[tonic::async_trait]
impl InventoryService for Inventory {
    async fn check_stock(
        &self,
        request: Request<wire::CheckStockRequest>,
    ) -> Result<Response<wire::CheckStockResponse>, Status> {
        let wire::CheckStockRequest { store, sku } = request.into_inner();
        let item = ask(&self.0, move |hub, _| stock::get(hub, &store, &sku)).await?;
        Ok(Response::new(wire::CheckStockResponse { stock: Some(shown(&item)) }))
    }

    async fn list_stock(
        &self,
        request: Request<wire::ListStockRequest>,
    ) -> Result<Response<wire::ListStockResponse>, Status> {
        let wanted = request.into_inner();
        let (size, after) = (page_size(wanted.page_size), place(&wanted.page_token)?);
        let items = ask(&self.0, move |hub, _| {
            let (store, sku) = after.split_once(':').unwrap_or_default();
            let only = Some(wanted.store.as_str()).filter(|code| !code.is_empty());
            stock::list(hub, only, (store.parse().unwrap_or(0), sku), size + 1)
        });
        let (items, next_page_token) =
            page(items.await?, size, |item| format!("{}:{}", item.store_no, item.sku));
        Ok(Response::new(wire::ListStockResponse {
            stock: items.iter().map(shown).collect(),
            next_page_token,
        }))
    }

    async fn reserve(
        &self,
        request: Request<wire::ReserveRequest>,
    ) -> Result<Response<wire::ReserveResponse>, Status> {
        let wanted = request.into_inner();
        let wanted = reserve::Wanted {
            id: id(&wanted.id, "id")?,
            store: wanted.store,
            sku: wanted.sku,
            units: wanted.units,
            order: id(&wanted.order, "order")?,
            reference: wanted.reference,
            expires: wanted.expires_ms,
            custodian: wanted.custodian,
            prepaid: wanted.prepaid,
        };
        let shown =
            change(&self.0, move |hub, now| reserve::open(hub, &wanted, Tau::told(TAU_EPOCH, now))).await?;
        Ok(Response::new(wire::ReserveResponse { reservation: Some(reservation(&shown)) }))
    }

    async fn release(
        &self,
        request: Request<wire::ReleaseRequest>,
    ) -> Result<Response<wire::ReleaseResponse>, Status> {
        let id = id(&request.into_inner().id, "id")?;
        let shown =
            change(&self.0, move |hub, now| reserve::cancel(hub, id, Tau::told(TAU_EPOCH, now))).await?;
        Ok(Response::new(wire::ReleaseResponse { reservation: Some(reservation(&shown)) }))
    }

    async fn hand_over(
        &self,
        request: Request<wire::HandOverRequest>,
    ) -> Result<Response<wire::HandOverResponse>, Status> {
        let wanted = request.into_inner();
        let id = id(&wanted.id, "id")?;
        let shown = change(&self.0, move |hub, now| {
            reserve::hand_over(hub, id, wanted.custodian.as_deref(), Tau::told(TAU_EPOCH, now))
        })
        .await?;
        Ok(Response::new(wire::HandOverResponse { reservation: Some(reservation(&shown)) }))
    }

    async fn get_reservation(
        &self,
        request: Request<wire::GetReservationRequest>,
    ) -> Result<Response<wire::GetReservationResponse>, Status> {
        let id = id(&request.into_inner().id, "id")?;
        let shown = ask(&self.0, move |hub, _| reserve::get(hub, id)).await?;
        Ok(Response::new(wire::GetReservationResponse { reservation: Some(reservation(&shown)) }))
    }

    async fn grant_rights(
        &self,
        request: Request<wire::GrantRightsRequest>,
    ) -> Result<Response<wire::GrantRightsResponse>, Status> {
        let wire::GrantRightsRequest { store, sku, units } = request.into_inner();
        let left = change(&self.0, move |hub, now| grants::grant(hub, &store, &sku, units, now)).await?;
        Ok(Response::new(wire::GrantRightsResponse { left }))
    }

    type WatchStockStream = ReceiverStream<Result<wire::WatchStockResponse, Status>>;

    async fn watch_stock(
        &self,
        request: Request<wire::WatchStockRequest>,
    ) -> Result<Response<Self::WatchStockStream>, Status> {
        let wire::WatchStockRequest { store, sku } = request.into_inner();
        let (told, heard) = mpsc::channel(1);
        let hub = Arc::clone(&self.0);
        tokio::spawn(async move {
            let (mut pokes, mut last) = (hub.pokes.subscribe(), None);
            loop {
                let (store, sku) = (store.clone(), sku.clone());
                let now =
                    ask(&hub, move |hub, _| stock::get(hub, &store, &sku)).await.map(|item| shown(&item));
                let (news, failed) = (now.as_ref().ok() != last.as_ref(), now.is_err());
                last = now.as_ref().ok().cloned();
                let answer = now.map(|stock| wire::WatchStockResponse { stock: Some(stock) });
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
