//! Asking the hub to take in the new incarnation of a machine that lost memory (see `app::rejoin`).

use super::daemon::{Context, PROGRAM, as_reason};
use super::tls;
use crate::app::enrol::Hub;
use crate::app::problem::Stop;
use crate::app::rejoin::{earlier, forgotten};
use std::sync::Arc;
use std::time::Duration;
use tradepost_proto::convert::tau_in;
use tradepost_proto::sync::v1::RejoinRequest;
use tradepost_proto::sync::v1::sync_service_client::SyncServiceClient;

const ANSWER_SECONDS: u64 = 8;

/// Why the hub didn't take this node in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// It said no: a person must enrol the node with a code.
    NeedsCode(String),
    /// It could not be asked; asking again may do.
    NotAsked(String),
}

/// Asks once.
pub(super) async fn rejoin(context: &Context, hub: &Hub) -> Result<(), NotTaken> {
    let lost = context.reads.with::<_, Stop>(|conn| Ok((forgotten(conn)?, earlier(conn)?)));
    let (lost, earlier) = lost.map_err(|stop| NotTaken::NotAsked(as_reason(&stop)))?;
    let unknown = || NotTaken::NeedsCode("the hub does not know this node: enrol it with a code".to_owned());
    let (_, forgotten) = lost.ok_or_else(unknown)?;
    let incarnation = context.writer.pulse().borrow().head.incarnation;
    let proof = context.device.sign_rejoin((&incarnation, &forgotten), &hub.incarnation);
    let address = context.hub_override.clone().unwrap_or_else(|| hub.address.clone());
    let channel = tls::connect(&address, hub.fingerprint, Arc::clone(&context.meter)).await;
    let request = RejoinRequest {
        incarnation: incarnation.0.to_vec(),
        forgotten: forgotten.0.to_vec(),
        earlier: earlier.iter().map(|id| id.0.to_vec()).collect(),
        device_key: context.device.public().to_vec(),
        proof: proof.to_vec(),
        program: PROGRAM.to_owned(),
    };
    let mut client = SyncServiceClient::new(channel.map_err(NotTaken::NotAsked)?);
    let asked = tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS), client.rejoin(request));
    let answer = match asked.await {
        Err(_) => return Err(NotTaken::NotAsked(format!("no answer within {ANSWER_SECONDS} s"))),
        Ok(Err(status)) => return Err(refused(&status)),
        Ok(Ok(answer)) => answer.into_inner(),
    };
    if let Some(tau) = answer.hub_time.map(tau_in) {
        context.hear_time(tau).await;
    }
    tracing::warn!("the hub took this node back as a new incarnation: memory had been lost");
    Ok(())
}

fn refused(status: &tonic::Status) -> NotTaken {
    let why = status.message().to_owned();
    match status.code() {
        tonic::Code::PermissionDenied => NotTaken::NeedsCode(why),
        _ => NotTaken::NotAsked(why),
    }
}
