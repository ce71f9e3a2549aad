//! The audit trail: whoever changes something through the admin interface or the services leaves an entry, written in
//! the transaction that makes the change (`hub.md`, Operating it). Entries are chained by their hashes.

use crate::app::Fault;
use crate::db::audit_trail::{self, Entry};
use crate::db::{DbError, Tx};
use crate::hub::Hub;
use serde_json::Value as Json;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Hash;

/// Characters of a body that are kept; a longer one is named by its hash.
const BODY_CHARS_MAX: usize = 4_000;
/// Entries that are read together.
const PAGE: usize = 1_000;
/// Fields whose values nobody is to read.
const SECRETS: [&str; 5] = ["pin", "password", "secret", "token", "badge"];

/// Somebody's request that may change something.
#[derive(Clone, Debug)]
pub struct Act {
    who: Arc<Who>,
    /// A request leaves one entry, however many transactions it takes.
    written: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Who {
    actor: String,
    call: String,
    body: String,
    trace: String,
}

impl Act {
    /// `call` is what was asked for, `body` what was sent with it.
    pub fn new(actor: &str, call: &str, body: &[u8], trace: &str) -> Self {
        let who = Who {
            actor: actor.to_owned(),
            call: call.to_owned(),
            body: readable(body),
            trace: trace.to_owned(),
        };
        Self { who: Arc::new(who), written: Arc::new(AtomicBool::new(false)) }
    }
}

tokio::task_local! {
    static ACT: Act;
}

thread_local! {
    static HERE: RefCell<Option<(Act, UtcMs)>> = const { RefCell::new(None) };
}

/// Runs `work`, whose changes are `act`'s.
pub async fn within<F: Future>(act: Act, work: F) -> F::Output {
    ACT.scope(act, work).await
}

/// Whose changes this task makes; for [`on_this_thread`].
pub fn carried() -> Option<Act> {
    ACT.try_with(Clone::clone).ok()
}

/// Runs `work` on this thread, where `act`'s changes are written at `now`.
pub fn on_this_thread<T>(act: Option<Act>, now: UtcMs, work: impl FnOnce() -> T) -> T {
    /// Threads are used again: the next work is somebody else's, also after a panic.
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            HERE.set(None);
        }
    }
    let _leave = Leave;
    HERE.set(act.map(|act| (act, now)));
    work()
}

/// Writes the entry of this thread's act, unless it is written; what is to be told [`done`] once that is durable.
pub(crate) fn note(tx: &mut Tx<'_>) -> Result<Option<Act>, DbError> {
    let here = HERE.with_borrow(Clone::clone);
    let Some((act, at)) = here.filter(|(act, _)| !act.written.load(Ordering::Acquire)) else {
        return Ok(None);
    };
    let (last, before) = audit_trail::end_locked(tx)?;
    let mut entry = Entry {
        no: last + 1,
        at,
        actor: act.who.actor.clone(),
        call: act.who.call.clone(),
        body: act.who.body.clone(),
        trace: act.who.trace.clone(),
        hash: Hash::ZERO,
    };
    entry.hash = chained(before, &entry);
    audit_trail::add(tx, &entry)?;
    Ok(Some(act))
}

/// The entry is durable.
pub(crate) fn done(act: Option<Act>) {
    if let Some(act) = act {
        act.written.store(true, Ordering::Release);
    }
}

/// The hash of an entry behind another one: over every field, each with its length.
fn chained(before: Hash, entry: &Entry) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key("tradepost hub audit trail v1");
    hasher.update(&before.0);
    hasher.update(&entry.no.to_le_bytes());
    hasher.update(&entry.at.to_le_bytes());
    for text in [&entry.actor, &entry.call, &entry.body, &entry.trace] {
        hasher.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    Hash(*hasher.finalize().as_bytes())
}

/// A body as it is kept: JSON without secrets, anything else by its length and hash.
fn readable(body: &[u8]) -> String {
    if body.is_empty() {
        return String::new();
    }
    let by_hash = || format!("{} bytes, BLAKE3 {}", body.len(), blake3::hash(body).to_hex());
    let Ok(mut json) = serde_json::from_slice::<Json>(body) else { return by_hash() };
    blank(&mut json);
    let text = json.to_string();
    if text.chars().count() > BODY_CHARS_MAX { by_hash() } else { text }
}

fn blank(json: &mut Json) {
    match json {
        Json::Object(fields) => {
            for (name, value) in fields {
                if SECRETS.contains(&name.as_str()) && !value.is_null() {
                    *value = Json::String("…".to_owned());
                } else {
                    blank(value);
                }
            }
        }
        Json::Array(values) => values.iter_mut().for_each(blank),
        _ => {}
    }
}

/// What a walk over the whole trail found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Entries that follow from those before them.
    pub good: u64,
    /// The first number where that isn't so: changed, taken out, or beyond the end.
    pub first_bad: Option<u64>,
    /// The last entry's hash: kept elsewhere, it tells whether the trail was cut.
    pub hash: Hash,
}

/// Walks the trail and compares each entry with its hash.
///
/// # Errors
/// Faults of the database.
pub fn verify(hub: &Hub) -> Result<Verdict, Fault> {
    let (mut no, mut hash) = (0, Hash::ZERO);
    loop {
        let entries = hub.db.read(|tx| Ok::<_, Fault>(audit_trail::after(tx, no, PAGE)?))?;
        if entries.is_empty() {
            break;
        }
        for entry in &entries {
            if entry.no != no + 1 || entry.hash != chained(hash, entry) {
                return Ok(Verdict { good: no, first_bad: Some(no + 1), hash });
            }
            (no, hash) = (entry.no, entry.hash);
        }
    }
    // Somebody may write while this is read: the end is asked for behind the entries, and may be further on.
    let (end, at_end) = hub.db.read(|tx| Ok::<_, Fault>(audit_trail::end(tx)?))?;
    if end == no && at_end != hash || end < no {
        return Ok(Verdict { good: no, first_bad: Some(no), hash });
    }
    let further = hub.db.read(|tx| Ok::<_, Fault>(audit_trail::after(tx, no, 1)?))?;
    let first_bad = (end > no && further.is_empty()).then_some(no + 1);
    Ok(Verdict { good: no, first_bad, hash })
}

/// Entries before a number, the newest first, whose call or body holds a text.
///
/// # Errors
/// Faults of the database.
pub fn list(hub: &Hub, before: u64, holds: &str, limit: usize) -> Result<Vec<Entry>, Fault> {
    hub.db.read(|tx| Ok(audit_trail::before(tx, before, holds, limit)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_kept() {
        let kept = readable(br#"{"name":"Ann","pin":"4711","more":[{"password":"x","role":"cashier"}]}"#);
        assert_eq!(kept, r#"{"more":[{"password":"…","role":"cashier"}],"name":"Ann","pin":"…"}"#);
        assert_eq!(readable(b""), "");
        assert!(readable(b"a,b\n1,2\n").starts_with("8 bytes, BLAKE3 "));
        let long = format!("\"{}\"", "x".repeat(BODY_CHARS_MAX + 1));
        assert!(readable(long.as_bytes()).contains("bytes, BLAKE3"));
    }

    #[test]
    fn every_field_counts_in_the_hash() {
        let entry = Entry {
            no: 1,
            at: 2,
            actor: "a".to_owned(),
            call: "b".to_owned(),
            body: "c".to_owned(),
            trace: "d".to_owned(),
            hash: Hash::ZERO,
        };
        let other = [
            Entry { no: 2, ..entry.clone() },
            Entry { at: 3, ..entry.clone() },
            Entry { actor: "ab".to_owned(), call: String::new(), ..entry.clone() },
            Entry { call: "bc".to_owned(), body: String::new(), ..entry.clone() },
            Entry { trace: String::new(), ..entry.clone() },
        ];
        let hash = chained(Hash::ZERO, &entry);
        assert!(other.iter().all(|other| chained(Hash::ZERO, other) != hash));
        assert_ne!(chained(hash, &entry), hash);
    }
}
