//! Enrolling over the wire: the hub is asked while the writer holds still (see `app::enrol`).

use super::daemon::Context;
use super::tls;
use crate::app::enrol::{Application, Hub, accept, application, prepare};
use crate::app::problem::{Answer, Code, no};
use std::time::Duration;
use tokio::sync::oneshot;
use tonic::transport::Channel;
use tradepost_proto::common::v1 as common;
use tradepost_proto::convert::{fixed, head_out, incarnation, tau_in};
use tradepost_proto::enrolment::Code as EnrolmentCode;
use tradepost_proto::sync::v1 as wire;
use tradepost_proto::sync::v1::sync_service_client::SyncServiceClient;
use tradepost_sync::clock::Tau;
use tradepost_sync::signing::enrolment_hash;
use tradepost_sync::staff::StaffRecord;

/// How long the hub may take; sales wait meanwhile.
const ANSWER_SECONDS: u64 = 8;
const MESSAGE_BYTES_MAX: usize = 64 << 20;

type Accepted = (Hub, Option<Tau>);

/// Enrols the node with a code.
///
/// # Errors
/// `ENROLMENT_REFUSED`, `HUB_UNREACHABLE`, `ALREADY_ENROLLED`; or a fault.
pub async fn enrol(context: &Context, code: &str) -> Answer<()> {
    let code = EnrolmentCode::parse(code).map_err(|e| no(Code::EnrolmentRefused, e.to_string()))?;
    let address = context.hub_override.clone().unwrap_or_else(|| code.address.clone());
    let successor = context.writer.ask(prepare).await?;
    let channel = tls::connect(&address, code.fingerprint, context.meter.clone());
    let channel = channel.await.map_err(|why| no(Code::HubUnreachable, why))?;
    let (tell, told) = oneshot::channel::<Application>();
    let (answer, answered) = oneshot::channel::<Answer<Accepted>>();
    let asking = async {
        if let Ok(application) = told.await {
            let _ = answer.send(ask(context, channel, &code, &address, &application).await);
        }
    };
    let accepting = context.writer.ask_alone(move |node, now| {
        let application = application(node, successor)?;
        if tell.send(application).is_err() {
            return Err(no(Code::HubUnreachable, "nobody asks the hub"));
        }
        let lost = |_| no(Code::HubUnreachable, "the hub's answer got lost");
        let (hub, tau) = answered.blocking_recv().map_err(lost)??;
        accept(node, now, &hub, tau)
    });
    let ((), done) = tokio::join!(asking, accepting);
    done
}

async fn ask(
    context: &Context,
    channel: Channel,
    code: &EnrolmentCode,
    address: &str,
    application: &Application,
) -> Answer<Accepted> {
    let mut client = SyncServiceClient::new(channel).max_encoding_message_size(MESSAGE_BYTES_MAX);
    let request = request(context, code, application);
    let asked = tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS), client.enroll(request));
    let answer = match asked.await {
        Err(_) => return Err(no(Code::HubUnreachable, format!("no answer within {ANSWER_SECONDS} s"))),
        Ok(Err(status)) => return Err(refused(&status)),
        Ok(Ok(answer)) => answer.into_inner(),
    };
    let odd = |e: tradepost_proto::convert::BadFrame| no(Code::EnrolmentRefused, e.to_string());
    let hub = Hub {
        address: address.to_owned(),
        fingerprint: code.fingerprint,
        key: fixed(&answer.hub_key, "hub_key").map_err(odd)?,
        incarnation: incarnation(&answer.hub_incarnation).map_err(odd)?,
        store_code: answer.store_code,
        store_name: answer.store_name,
    };
    Ok((hub, answer.hub_time.map(tau_in)))
}

fn refused(status: &tonic::Status) -> crate::app::Stop {
    use tonic::Code::{DeadlineExceeded, Unavailable};
    let code = match status.code() {
        Unavailable | DeadlineExceeded => Code::HubUnreachable,
        _ => Code::EnrolmentRefused,
    };
    no(code, status.message().to_owned())
}

fn request(context: &Context, code: &EnrolmentCode, application: &Application) -> wire::EnrollRequest {
    let secret_hash = enrolment_hash(&code.secret);
    let proof = context.device.sign_enrolment(&application.successor, &secret_hash);
    let product = |(sku, name, gtins): &(tradepost_commerce::document::Sku, String, Vec<String>)| {
        wire::LoneProduct { sku: sku.0.clone(), name: name.clone(), gtins: gtins.clone() }
    };
    let stock = |(sku, on_hand, rights, overdraw): &(tradepost_commerce::document::Sku, i64, u64, u64)| {
        wire::LoneStock { sku: sku.0.clone(), on_hand: *on_hand, rights: *rights, overdraw: *overdraw }
    };
    let staff = |record: &StaffRecord| {
        let (pin_salt, pin_hash) = record.pin.clone().map(|pin| (pin.salt, pin.hash)).unwrap_or_default();
        wire::LoneStaff {
            id: record.id.0.clone(),
            name: record.name.clone(),
            role: record.role as u32,
            active: record.active,
            pin_salt,
            pin_hash,
        }
    };
    let lone_head: Option<common::Head> = application.lone.as_ref().map(head_out);
    wire::EnrollRequest {
        secret: code.secret.to_vec(),
        incarnation: application.successor.0.to_vec(),
        device_key: context.device.public().to_vec(),
        proof: proof.to_vec(),
        node_name: context.name.clone(),
        program: super::daemon::PROGRAM.to_owned(),
        lone_head,
        lone_products: application.products.iter().map(product).collect(),
        lone_stock: application.stock.iter().map(stock).collect(),
        lone_staff: application.staff.iter().map(staff).collect(),
        earlier: application.earlier.iter().map(head_out).collect(),
    }
}
