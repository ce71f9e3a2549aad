//! `SyncService`: sessions with nodes, and their enrolment.

use super::pump;
use crate::app::enrol::{self, Application, EARLIER_MAX, LONE_ROWS_MAX, LONE_STAFF_MAX, LoneItem};
use crate::app::rejoin::{self, Returning};
use crate::app::{Code, Fault, hub_time};
use crate::hub::Hub;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tradepost_commerce::document::{Sku, StaffId};
use tradepost_proto::convert::{fixed, head_in, incarnation, tau_out};
use tradepost_proto::sync::v1::sync_service_server::SyncService;
use tradepost_proto::sync::v1::{
    EnrollRequest, EnrollResponse, Frame, LoneStaff, RejoinRequest, RejoinResponse,
};
use tradepost_sync::staff::{PIN_HASH_BYTES, Role, SealedPin, StaffRecord};

/// Frames that may wait to be sent. The session has at most a few batches on their way, so it never fills.
const OUTGOING_MAX: usize = 256;
/// Bytes of a PIN's salt.
const PIN_SALT_BYTES_MAX: usize = 64;

/// The service over a hub.
#[derive(Clone)]
pub struct Service {
    hub: Arc<Hub>,
}

impl Service {
    /// The service.
    pub fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }
}

#[tonic::async_trait]
impl SyncService for Service {
    type SyncStream = ReceiverStream<Result<Frame, Status>>;

    async fn sync(&self, request: Request<Streaming<Frame>>) -> Result<Response<Self::SyncStream>, Status> {
        self.hub.open().map_err(|fault| status(&fault))?;
        let (outgoing, frames) = mpsc::channel(OUTGOING_MAX);
        tokio::spawn(pump::run(Arc::clone(&self.hub), request.into_inner(), outgoing));
        Ok(Response::new(ReceiverStream::new(frames)))
    }

    async fn enroll(&self, request: Request<EnrollRequest>) -> Result<Response<EnrollResponse>, Status> {
        let applicant = application(request.into_inner())?;
        let hub = Arc::clone(&self.hub);
        let answer = tokio::task::spawn_blocking(move || {
            let now = hub_time(&hub.db)?;
            let member = enrol::enrol(&hub, &applicant, now.ms)?;
            Ok::<_, Fault>(EnrollResponse {
                store_code: member.store.code,
                store_name: member.store.name,
                hub_incarnation: member.hub_incarnation.0.to_vec(),
                hub_key: hub.device.public().to_vec(),
                hub_time: Some(tau_out(now)),
            })
        });
        let answer = answer.await.map_err(|_| Status::internal("the hub failed"))?;
        answer.map(Response::new).map_err(|fault| status(&fault))
    }

    async fn rejoin(&self, request: Request<RejoinRequest>) -> Result<Response<RejoinResponse>, Status> {
        let who = returning(&request.into_inner())?;
        let hub = Arc::clone(&self.hub);
        let answer = tokio::task::spawn_blocking(move || {
            let now = hub_time(&hub.db)?;
            rejoin::rejoin(&hub, &who, now.ms)?;
            Ok::<_, Fault>(RejoinResponse { hub_time: Some(tau_out(now)) })
        });
        let answer = answer.await.map_err(|_| Status::internal("the hub failed"))?;
        answer.map(Response::new).map_err(|fault| status(&fault))
    }
}

fn returning(request: &RejoinRequest) -> Result<Returning, Status> {
    let bad = |error: tradepost_proto::convert::BadFrame| Status::invalid_argument(error.to_string());
    Ok(Returning {
        incarnation: incarnation(&request.incarnation).map_err(bad)?,
        forgotten: incarnation(&request.forgotten).map_err(bad)?,
        earlier: request.earlier.iter().map(|id| incarnation(id)).collect::<Result<_, _>>().map_err(bad)?,
        device_key: fixed(&request.device_key, "device_key").map_err(bad)?,
        proof: fixed(&request.proof, "proof").map_err(bad)?,
        program: request.program.chars().take(100).collect(),
    })
}

fn application(request: EnrollRequest) -> Result<Application, Status> {
    let bad = |error: tradepost_proto::convert::BadFrame| Status::invalid_argument(error.to_string());
    if request.lone_products.len() > LONE_ROWS_MAX || request.lone_stock.len() > LONE_ROWS_MAX {
        return Err(Status::invalid_argument("more items than a lone node can have"));
    }
    let mut items: BTreeMap<Sku, LoneItem> = BTreeMap::new();
    for product in request.lone_products {
        items.entry(Sku(product.sku)).or_default().gtins = product.gtins;
    }
    for stock in request.lone_stock {
        let item = items.entry(Sku(stock.sku)).or_default();
        (item.on_hand, item.rights, item.overdraw) = (stock.on_hand, stock.rights, stock.overdraw);
    }
    if items.keys().any(|sku| Sku::parse(&sku.0).is_err()) {
        return Err(Status::invalid_argument("an item's code is malformed"));
    }
    if request.lone_staff.len() > LONE_STAFF_MAX {
        return Err(Status::invalid_argument("more staff than a lone node can have"));
    }
    if request.earlier.len() > EARLIER_MAX {
        return Err(Status::invalid_argument("more earlier logs than a machine can have"));
    }
    let staff = request.lone_staff.into_iter().map(lone_staff).collect::<Result<_, _>>()?;
    Ok(Application {
        secret: fixed(&request.secret, "secret").map_err(bad)?,
        incarnation: incarnation(&request.incarnation).map_err(bad)?,
        device_key: fixed(&request.device_key, "device_key").map_err(bad)?,
        proof: fixed(&request.proof, "proof").map_err(bad)?,
        node_name: request.node_name.chars().take(100).collect(),
        program: request.program.chars().take(100).collect(),
        lone_head: request.lone_head.as_ref().map(head_in).transpose().map_err(bad)?,
        items,
        staff,
        earlier: request.earlier.iter().map(head_in).collect::<Result<_, _>>().map_err(bad)?,
    })
}

fn lone_staff(told: LoneStaff) -> Result<StaffRecord, Status> {
    let role = match told.role {
        1 => Role::Cashier,
        2 => Role::Supervisor,
        3 => Role::Manager,
        _ => return Err(Status::invalid_argument("a role is 1, 2 or 3")),
    };
    let pin = match (told.pin_salt, told.pin_hash) {
        (salt, hash) if salt.is_empty() && hash.is_empty() => None,
        (salt, hash) if (1..=PIN_SALT_BYTES_MAX).contains(&salt.len()) && hash.len() == PIN_HASH_BYTES => {
            Some(SealedPin { salt, hash })
        }
        _ => return Err(Status::invalid_argument("a PIN's salt or hash has a length that none has")),
    };
    Ok(StaffRecord { id: StaffId(told.id), name: told.name, role, active: told.active, pin })
}

fn status(fault: &Fault) -> Status {
    let detail = fault.to_string();
    match fault.code() {
        Code::EnrolmentRefused => Status::permission_denied(detail),
        Code::Closing | Code::Unavailable | Code::DiskFull | Code::HubRecovering => {
            Status::unavailable(detail)
        }
        Code::Internal => {
            tracing::error!(%fault, "a call failed");
            Status::internal("the hub failed")
        }
        _ => Status::failed_precondition(detail),
    }
}
