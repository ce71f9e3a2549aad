//! Asking the hub to take in the new incarnation of a machine that lost memory (see `app::rejoin`).

use super::daemon::{Context, PROGRAM};
use super::tls;
use crate::app::enrol::Hub;
use crate::app::problem::Stop;
use crate::app::rejoin::forgotten;
use std::sync::Arc;
use std::time::Duration;
use tradepost_proto::convert::tau_in;
use tradepost_proto::sync::v1::RejoinRequest;
use tradepost_proto::sync::v1::sync_service_client::SyncServiceClient;

const ANSWER_SECONDS: u64 = 8;

/// Asks once; says in words why not.
pub(super) async fn rejoin(context: &Context, hub: &Hub) -> Result<(), String> {
    let lost = context.reads.with::<_, Stop>(|conn| Ok(forgotten(conn)?));
    let lost = lost.map_err(|stop| super::daemon::as_reason(&stop))?;
    let (_, forgotten) = lost.ok_or("the hub does not know this node")?;
    let incarnation = context.writer.pulse().borrow().head.incarnation;
    let proof = context.device.sign_rejoin((&incarnation, &forgotten), &hub.incarnation);
    let address = context.hub_override.clone().unwrap_or_else(|| hub.address.clone());
    let channel = tls::connect(&address, hub.fingerprint, Arc::clone(&context.meter)).await?;
    let request = RejoinRequest {
        incarnation: incarnation.0.to_vec(),
        forgotten: forgotten.0.to_vec(),
        device_key: context.device.public().to_vec(),
        proof: proof.to_vec(),
        program: PROGRAM.to_owned(),
    };
    let mut client = SyncServiceClient::new(channel);
    let asked = tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS), client.rejoin(request));
    let answer = match asked.await {
        Err(_) => return Err(format!("no answer within {ANSWER_SECONDS} s")),
        Ok(Err(status)) => return Err(status.message().to_owned()),
        Ok(Ok(answer)) => answer.into_inner(),
    };
    if let Some(tau) = answer.hub_time.map(tau_in) {
        let boot = context.machine.boot();
        let heard = context.writer.ask(move |node, _| {
            node.clock_mut().hear(tau, boot);
            Ok(())
        });
        let _ = heard.await;
    }
    tracing::warn!("the hub took this node back as a new incarnation: memory had been lost");
    Ok(())
}
