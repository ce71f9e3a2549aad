//! The cache in Redis: entries carry their row's version, one script sets an entry only if it is newer.

use super::Versioned;
use ::redis::{Client, Connection, RedisResult, Script};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long anything may take; whoever waits asks the database instead.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long a server that failed is left alone.
const REST: Duration = Duration::from_secs(1);
/// Entries live this long, so that what nobody asks for goes.
const TTL_S: u64 = 24 * 60 * 60;

/// `KEYS[i]` gets `ARGV[3i-2]` (version) and `ARGV[3i-1]` (1: value, 0: tombstone), `ARGV[3i]`; the last argument is the
/// time to live. Answers how many were newer.
const PUT_IF_NEWER: &str = r"
local put = 0
for i, key in ipairs(KEYS) do
  local held = redis.call('HGET', key, 'v')
  local version = ARGV[3*i-2]
  if not held or tonumber(held) < tonumber(version) then
    redis.call('DEL', key)
    if ARGV[3*i-1] == '1' then
      redis.call('HSET', key, 'v', version, 'd', ARGV[3*i])
    else
      redis.call('HSET', key, 'v', version)
    end
    redis.call('EXPIRE', key, ARGV[#ARGV])
    put = put + 1
  end
end
return put";

/// A Redis server.
pub struct Redis {
    client: Client,
    script: Script,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    resting_until: Option<Instant>,
}

impl Redis {
    /// A server at `redis://…`. It is reached when first needed.
    pub fn new(url: &str) -> RedisResult<Self> {
        Ok(Self { client: Client::open(url)?, script: Script::new(PUT_IF_NEWER), state: Mutex::default() })
    }

    pub(super) fn put(&self, key: &str, version: u64, value: Option<&str>) -> bool {
        let put = self.ask(|connection| {
            let flag = if value.is_some() { "1" } else { "0" };
            let mut call = self.script.key(key);
            call.arg(version).arg(flag).arg(value.unwrap_or_default()).arg(TTL_S).invoke::<i64>(connection)
        });
        put == Some(1)
    }

    pub(super) fn put_all(&self, rows: impl Iterator<Item = (String, u64, String)>) {
        let rows: Vec<_> = rows.collect();
        for some in rows.chunks(500) {
            self.ask(|connection| {
                let mut call = self.script.prepare_invoke();
                for (key, version, value) in some {
                    call.key(key).arg(*version).arg("1").arg(value);
                }
                call.arg(TTL_S).invoke::<i64>(connection)
            });
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<Versioned> {
        let held: (Option<u64>, Option<String>) =
            self.ask(|connection| ::redis::cmd("HMGET").arg(key).arg("v").arg("d").query(connection))?;
        Some(Versioned { version: held.0?, value: held.1 })
    }

    /// Asks the server; nothing if it is away. One that failed is left alone for a while, so that it slows nobody.
    fn ask<T>(&self, question: impl FnOnce(&mut Connection) -> RedisResult<T>) -> Option<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.resting_until.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        match self.connected(&mut state).and_then(question) {
            Ok(answer) => Some(answer),
            Err(error) => {
                tracing::warn!(%error, "the cache is away");
                *state = State { connection: None, resting_until: Some(Instant::now() + REST) };
                None
            }
        }
    }

    fn connected<'s>(&self, state: &'s mut State) -> RedisResult<&'s mut Connection> {
        if state.connection.is_none() {
            let connection = self.client.get_connection_with_timeout(PATIENCE)?;
            connection.set_read_timeout(Some(PATIENCE))?;
            connection.set_write_timeout(Some(PATIENCE))?;
            state.connection = Some(connection);
        }
        state.connection.as_mut().ok_or_else(|| std::io::Error::other("no connection").into())
    }
}
