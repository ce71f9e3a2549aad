//! Webhooks and the messages that wait for them.

use super::{DbError, Row, Tx};
use crate::values;
use tradepost_sync::clock::UtcMs;

/// Somebody who wants to be told.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Its id.
    pub id: String,
    /// Where messages are sent.
    pub url: String,
    /// What they are signed with.
    pub secret: Vec<u8>,
    /// Kinds of events, e.g. `order.created`; none for all.
    pub types: Vec<String>,
    /// When it was made.
    pub created_at: UtcMs,
}

fn webhook(row: &Row) -> Result<Webhook, DbError> {
    let types: String = row.get(3)?;
    Ok(Webhook {
        id: row.get(0)?,
        url: row.get(1)?,
        secret: row.get(2)?,
        types: types.split_whitespace().map(ToOwned::to_owned).collect(),
        created_at: row.get(4)?,
    })
}

/// Adds one.
pub fn insert(tx: &mut Tx<'_>, it: &Webhook) -> Result<(), DbError> {
    let sql = "INSERT INTO webhooks (id, url, secret, types, created_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let secret = it.secret.as_slice();
    tx.execute(sql, values![&it.id, &it.url, secret, it.types.join(" "), it.created_at]).map(|_| ())
}

/// All of them, the oldest first.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<Webhook>, DbError> {
    let sql = "SELECT id, url, secret, types, created_at FROM webhooks ORDER BY created_at, id";
    tx.rows(sql, &[])?.iter().map(webhook).collect()
}

/// Takes one away, with what waits for it; whether it was there.
pub fn remove(tx: &mut Tx<'_>, id: &str) -> Result<bool, DbError> {
    tx.execute("DELETE FROM webhook_messages WHERE webhook = ?1", values![id])?;
    Ok(tx.execute("DELETE FROM webhooks WHERE id = ?1", values![id])? > 0)
}

/// Ids of those that want a kind of event.
pub fn wanting(tx: &mut Tx<'_>, kind: &str) -> Result<Vec<String>, DbError> {
    let wants = |it: &Webhook| it.types.is_empty() || it.types.iter().any(|wanted| wanted == kind);
    Ok(all(tx)?.into_iter().filter(wants).map(|it| it.id).collect())
}

/// A message that is to be sent.
#[derive(Clone, Debug)]
pub struct Message {
    /// The event's id: the same each time it is sent.
    pub id: String,
    /// To whom.
    pub webhook: String,
    /// What it says.
    pub body: String,
    /// How often it was tried.
    pub tries: u32,
}

/// Adds a message, once; one that a replay tells of is never sent.
pub fn add_message(
    tx: &mut Tx<'_>,
    id: &str,
    webhook: &str,
    body: &str,
    again: bool,
    now: UtcMs,
) -> Result<(), DbError> {
    let sql = "INSERT INTO webhook_messages (id, webhook, body, state, tries, next_at, reason) \
        VALUES (?1, ?2, ?3, ?4, 0, ?5, '') ON CONFLICT DO NOTHING";
    tx.execute(sql, values![id, webhook, body, if again { "silent" } else { "due" }, now]).map(|_| ())
}

/// Messages that are due.
pub fn due(tx: &mut Tx<'_>, now: UtcMs, limit: usize) -> Result<Vec<(Message, Webhook)>, DbError> {
    let known = all(tx)?;
    let sql = "SELECT id, webhook, body, tries FROM webhook_messages WHERE state = 'due' AND next_at <= ?1 \
        ORDER BY next_at, id LIMIT ?2";
    let mut due = Vec::new();
    for row in tx.rows(sql, values![now, limit])? {
        let message =
            Message { id: row.get(0)?, webhook: row.get(1)?, body: row.get(2)?, tries: row.get(3)? };
        if let Some(to) = known.iter().find(|it| it.id == message.webhook) {
            due.push((message, to.clone()));
        }
    }
    Ok(due)
}

/// Notes what became of a try: `next_at` none where it is over, with `state` sent or given_up.
pub fn tried(
    tx: &mut Tx<'_>,
    of: &Message,
    state: &str,
    next_at: UtcMs,
    reason: &str,
) -> Result<(), DbError> {
    let sql = "UPDATE webhook_messages SET state = ?3, tries = tries + 1, next_at = ?4, reason = ?5 \
        WHERE id = ?1 AND webhook = ?2 AND state = 'due'";
    tx.execute(sql, values![&of.id, &of.webhook, state, next_at, reason]).map(|_| ())
}

/// How many messages of a webhook are in each state.
pub fn states(tx: &mut Tx<'_>, webhook: &str) -> Result<Vec<(String, u64)>, DbError> {
    let sql = "SELECT state, count(*) FROM webhook_messages WHERE webhook = ?1 GROUP BY state ORDER BY state";
    tx.rows(sql, values![webhook])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}
