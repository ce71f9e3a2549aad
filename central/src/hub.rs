//! What every part of the hub works with, and the one way to write.

use crate::app::fault::{Code, Fault};
use crate::app::payments::Desk;
use crate::cache::Cache;
use crate::db::booking::StockNow;
use crate::db::{Db, Tx};
use crate::journal::Journal;
use crate::presence::Presence;
use crate::stream::Stream;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;
use tradepost_sync::signing::Device;

/// Enrolment codes tell nodes this much.
#[derive(Clone, Debug)]
pub struct PublicFace {
    /// `host:port` of the sync address.
    pub address: String,
    /// SHA-256 of the TLS certificate.
    pub fingerprint: [u8; 32],
}

/// The hub's parts.
pub struct Hub {
    /// The database.
    pub db: Db,
    /// The event stream.
    pub stream: Stream,
    /// The cache.
    pub cache: Cache,
    /// The hub's key pair.
    pub device: Device,
    /// The journal of its own events.
    pub journal: Journal,
    /// What nodes are told about it.
    pub face: PublicFace,
    /// How long the leases run that it gives, in milliseconds (`model.md` §3.1).
    pub lease_ms: i64,
    /// Says to sessions and the relay that something new is here.
    pub pokes: watch::Sender<u64>,
    /// Who takes money for web orders.
    pub payments: Desk,
    /// Who is in session with this process.
    pub present: Presence,
    /// Set once the hub is stopping.
    pub closing: AtomicBool,
}

/// A span where something is being followed already: what the hub does by itself begins no traces.
pub(crate) fn within_a_request(span: impl FnOnce() -> tracing::Span) -> tracing::Span {
    if tracing::Span::current().is_none() { tracing::Span::none() } else { span() }
}

/// What is to be done once a transaction has committed.
#[derive(Debug, Default)]
pub struct After {
    /// Events of the hub's own were written.
    pub journal: bool,
    /// Something that sessions or the relay wait for was written.
    pub poke: bool,
    /// Stock as it is now: (store's code, rows).
    pub stock: Vec<(String, Vec<StockNow>)>,
    /// Whose entry of the audit trail was written.
    act: Option<crate::trail::Act>,
}

impl Hub {
    /// Runs `job` in one transaction; commits; journals the hub's own events before anybody is answered; then tells
    /// cache, sessions and relay.
    pub fn write<T>(
        &self,
        mut job: impl FnMut(&mut Tx<'_>, &mut After) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let span = within_a_request(|| tracing::info_span!("write", db.system = self.db.engine()));
        let _within = span.enter();
        let (answer, after) = self.db.write(|tx| {
            let mut after = After::default();
            let answer = job(tx, &mut after)?;
            after.act = crate::trail::note(tx)?;
            Ok::<_, Fault>((answer, after))
        })?;
        crate::trail::done(after.act);
        if after.journal {
            self.journal.catch_up(&self.db).map_err(Fault::internal)?;
        }
        for (store, rows) in &after.stock {
            self.cache.stock_is(store, rows);
        }
        if after.poke {
            self.poke();
        }
        Ok(answer)
    }

    /// Says that something new is here.
    pub fn poke(&self) {
        self.pokes.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Refuses while the hub is stopping.
    pub fn open(&self) -> Result<(), Fault> {
        if self.closing.load(Ordering::Acquire) {
            return Err(Fault::refused(Code::Closing, "the hub is stopping"));
        }
        Ok(())
    }
}
