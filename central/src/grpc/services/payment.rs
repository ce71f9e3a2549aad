//! `PaymentService`.

use super::{ask, change, page, page_size, place, status};
use crate::app::payments::{self, Settled, Shown, Wanted};
use crate::app::{Code, Fault};
use crate::hub::Hub;
use crate::payment::Kind;
use std::sync::Arc;
use tonic::{Request, Response, Status};
use tradepost_proto::payment::v1 as wire;
use tradepost_proto::payment::v1::payment_service_server::PaymentService;
use tradepost_sync::ids::Id;

/// The service.
pub(super) struct PaymentCalls(pub(super) Arc<Hub>);

fn shown(shown: Shown) -> wire::Payment {
    let refunded = shown.refunded();
    let payment = shown.payment;
    wire::Payment {
        id: payment.id.to_string(),
        order: payment.order.to_string(),
        store: payment.store,
        currency: payment.currency,
        amount: payment.amount,
        captured: payment.captured,
        refunded,
        state: payment.state,
        reference: payment.reference.unwrap_or_default(),
        reason: payment.reason.unwrap_or_default(),
        created_at_ms: payment.created_at,
    }
}

fn id(text: &str, field: &str) -> Result<Id, Status> {
    Id::parse(text).map_err(|error| status::bad_field(field, &error.to_string()))
}

/// What the provider said no to is shown as it stands; what nobody knows is to be asked again.
fn known(settled: Settled) -> Result<(), Fault> {
    match settled {
        Settled::Yes | Settled::No(_) => Ok(()),
        Settled::Unknown(why) => Err(Fault::refused(Code::Unavailable, format!("ask again: {why}"))),
    }
}

impl PaymentCalls {
    async fn asked(
        &self,
        payment: Id,
        what: impl FnOnce(&Hub, i64) -> Result<Settled, Fault> + Send + 'static,
    ) -> Result<Option<wire::Payment>, Status> {
        let done = change(&self.0, move |hub, now| {
            known(what(hub, now)?)?;
            payments::find(hub, payment)
        });
        Ok(Some(shown(done.await?)))
    }
}

#[tonic::async_trait]
impl PaymentService for PaymentCalls {
    async fn authorize(
        &self,
        request: Request<wire::AuthorizeRequest>,
    ) -> Result<Response<wire::AuthorizeResponse>, Status> {
        let wire::AuthorizeRequest { id: given, order, store, method, currency, amount } =
            request.into_inner();
        let (payment, order) = (id(&given, "id")?, id(&order, "order")?);
        let wanted = Wanted { id: payment, order, store, method, currency, amount };
        let payment = self.asked(payment, move |hub, now| {
            hub.write(|tx, _| payments::request(tx, &wanted, now))?;
            payments::authorize(hub, payment, now)
        });
        Ok(Response::new(wire::AuthorizeResponse { payment: payment.await? }))
    }

    async fn capture(
        &self,
        request: Request<wire::CaptureRequest>,
    ) -> Result<Response<wire::CaptureResponse>, Status> {
        let payment = id(&request.into_inner().id, "id")?;
        let payment = self.asked(payment, move |hub, now| payments::capture(hub, payment, now)).await?;
        Ok(Response::new(wire::CaptureResponse { payment }))
    }

    async fn void(
        &self,
        request: Request<wire::VoidRequest>,
    ) -> Result<Response<wire::VoidResponse>, Status> {
        let payment = id(&request.into_inner().id, "id")?;
        let payment = self.asked(payment, move |hub, now| payments::void(hub, payment, now)).await?;
        Ok(Response::new(wire::VoidResponse { payment }))
    }

    async fn refund(
        &self,
        request: Request<wire::RefundRequest>,
    ) -> Result<Response<wire::RefundResponse>, Status> {
        let wire::RefundRequest { id: given, payment, amount } = request.into_inner();
        let key = Kind::Refund.key(&id(&given, "id")?.to_string());
        let payment = id(&payment, "payment")?;
        let payment =
            self.asked(payment, move |hub, now| payments::refund(hub, payment, &key, amount, now)).await?;
        Ok(Response::new(wire::RefundResponse { payment }))
    }

    async fn get_payment(
        &self,
        request: Request<wire::GetPaymentRequest>,
    ) -> Result<Response<wire::GetPaymentResponse>, Status> {
        let payment = id(&request.into_inner().id, "id")?;
        let found = ask(&self.0, move |hub, _| payments::find(hub, payment)).await?;
        Ok(Response::new(wire::GetPaymentResponse { payment: Some(shown(found)) }))
    }

    async fn list_payments(
        &self,
        request: Request<wire::ListPaymentsRequest>,
    ) -> Result<Response<wire::ListPaymentsResponse>, Status> {
        let wanted = request.into_inner();
        let (size, after) = (page_size(wanted.page_size), place(&wanted.page_token)?);
        let found = ask(&self.0, move |hub, _| {
            let (at, id) = after.split_once(':').unwrap_or_default();
            let id = Id::parse(id).unwrap_or(Id([0; 16]));
            payments::list(hub, (at.parse().unwrap_or(i64::MIN), id), size + 1)
        });
        let (found, next_page_token) =
            page(found.await?, size, |s| format!("{}:{}", s.payment.created_at, s.payment.id));
        let payments = found.into_iter().map(shown).collect();
        Ok(Response::new(wire::ListPaymentsResponse { payments, next_page_token }))
    }
}
