//! Sends messages to webhooks, signed as Standard Webhooks says: at least once, under the event's own id.

use crate::app::{Code, Fault, hub_time};
use crate::db::webhooks::{self, Message, Webhook};
use crate::hub::Hub;
use crate::webhook;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tradepost_sync::clock::UtcMs;

/// How long a receiver may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How often a message is tried: the rests between come to about a day and a half.
const TRIES_MAX: u32 = 12;
const REST_MS: i64 = 5_000;
const REST_MAX_MS: i64 = 6 * 3_600_000;
/// How often the sender looks by itself.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Messages of one look.
const MESSAGES: usize = 20;
/// A secret as people are given it begins with this.
const SECRET_PREFIX: &str = "whsec_";

/// Adds a webhook: its id, and the secret that is told this once.
///
/// # Errors
/// [`Fault`], also for an address that is none.
pub fn add(hub: &Hub, url: &str, types: &[String], now: UtcMs) -> Result<(Webhook, String), Fault> {
    let parsed = reqwest::Url::parse(url);
    if !parsed.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
        return Err(Fault::field("/url", Code::BadValue, format!("{url} is no http or https address")));
    }
    if let Some(at) = types.iter().position(|ty| ty.is_empty() || ty.contains(char::is_whitespace)) {
        return Err(Fault::field(
            format!("/types/{at}"),
            Code::BadValue,
            "a kind is a word like order.created",
        ));
    }
    let (mut id, mut secret) = ([0; 16], vec![0; 24]);
    getrandom::fill(&mut id).map_err(Fault::internal)?;
    getrandom::fill(&mut secret).map_err(Fault::internal)?;
    let made = Webhook {
        id: id.iter().map(|b| format!("{b:02x}")).collect(),
        url: url.to_owned(),
        secret,
        types: types.to_vec(),
        created_at: now,
    };
    hub.write(|tx, _| Ok(webhooks::insert(tx, &made)?))?;
    let told = format!("{SECRET_PREFIX}{}", STANDARD.encode(&made.secret));
    Ok((made, told))
}

/// A webhook with how many of its messages are in each state.
pub type Shown = (Webhook, Vec<(String, u64)>);

/// All webhooks.
///
/// # Errors
/// [`Fault`] of the database.
pub fn list(hub: &Hub) -> Result<Vec<Shown>, Fault> {
    hub.db.read(|tx| {
        let mut shown = Vec::new();
        for it in webhooks::all(tx)? {
            let states = webhooks::states(tx, &it.id)?;
            shown.push((it, states));
        }
        Ok(shown)
    })
}

/// Takes a webhook away.
///
/// # Errors
/// [`Fault`], also where there is none.
pub fn remove(hub: &Hub, id: &str) -> Result<(), Fault> {
    let there = hub.write(|tx, _| Ok(webhooks::remove(tx, id)?))?;
    if there { Ok(()) } else { Err(Fault::not_found("webhook", id)) }
}

/// Sends what is due until `stopping` says true.
pub async fn run(hub: Arc<Hub>, mut stopping: watch::Receiver<bool>) {
    // Another part of the program may have set it: then it stands.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let client = match reqwest::Client::builder()
        .timeout(ANSWER_MAX)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(crate::config::program())
        .build()
    {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "webhooks can't be sent");
            return;
        }
    };
    while !*stopping.borrow() {
        let sent = send_due(&hub, &client).await;
        if let Err(fault) = &sent {
            tracing::warn!(%fault, "webhooks wait");
        }
        if matches!(sent, Ok(n) if n > 0) {
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stopping.changed() => {}
        }
    }
}

async fn send_due(hub: &Arc<Hub>, client: &reqwest::Client) -> Result<usize, Fault> {
    let (due, now) = on_database(hub, |hub| {
        let now = hub_time(&hub.db)?.ms;
        let due = hub.db.read(|tx| Ok::<_, Fault>(webhooks::due(tx, now, MESSAGES)?))?;
        Ok((due, now))
    })
    .await?;
    let count = due.len();
    for (message, to) in due {
        let answer = send(client, &message, &to, now / 1_000).await;
        on_database(hub, move |hub| note(hub, &message, answer, now)).await?;
    }
    Ok(count)
}

async fn send(client: &reqwest::Client, of: &Message, to: &Webhook, seconds: i64) -> Result<(), String> {
    let sent = client
        .post(&to.url)
        .header("content-type", "application/json")
        .header("webhook-id", &of.id)
        .header("webhook-timestamp", seconds.to_string())
        .header("webhook-signature", webhook::sign(&to.secret, &of.id, seconds, of.body.as_bytes()))
        .body(of.body.clone())
        .send()
        .await;
    match sent {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("answered {}", answer.status())),
        Err(error) => Err(error.to_string()),
    }
}

fn note(hub: &Hub, of: &Message, answer: Result<(), String>, now: UtcMs) -> Result<(), Fault> {
    hub.db.write(|tx| {
        match &answer {
            Ok(()) => webhooks::tried(tx, of, "sent", now, "")?,
            Err(reason) if of.tries + 1 >= TRIES_MAX => webhooks::tried(tx, of, "given_up", now, reason)?,
            Err(reason) => {
                let rest = (REST_MS << of.tries.min(20)).min(REST_MAX_MS);
                webhooks::tried(tx, of, "due", now + rest, reason)?;
            }
        }
        Ok::<_, Fault>(())
    })
}

async fn on_database<T: Send + 'static>(
    hub: &Arc<Hub>,
    job: impl FnOnce(&Hub) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let hub = Arc::clone(hub);
    tokio::task::spawn_blocking(move || job(&hub)).await.map_err(Fault::internal)?
}
