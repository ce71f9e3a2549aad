//! The simulated machine of the hub: the real hub on real SQLite files, under the simulator's clock.

use crate::seed::Luck;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use tokio::sync::watch;
use tradepost_central::app::{hub_time, recovering};
use tradepost_central::cache::{Cache, Memory};
use tradepost_central::db::sqlite::Sqlite;
use tradepost_central::db::{Db, authors};
use tradepost_central::hub::{Hub, PublicFace};
use tradepost_central::journal::Journal;
use tradepost_central::stream::{Embedded, Stream};
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::Incarnation;
use tradepost_sync::signing::Device;

const FILES: [&str; 3] = ["hub.db", "hub.db-wal", "hub-1.journal"];

/// The hub's machine.
pub(super) struct HubMachine {
    /// The hub, while it runs.
    pub(super) hub: Option<Hub>,
    /// Counts starts.
    pub(super) life: u32,
    /// The epoch of its time.
    pub(super) epoch: u32,
    /// Copies of its database.
    pub(super) backups: Vec<PathBuf>,
    /// An old database was put back under it.
    pub(super) restored: bool,
    copies: u32,
    room: PathBuf,
    home: PathBuf,
    clock: Arc<AtomicI64>,
}

impl HubMachine {
    /// A machine with files under `room`, started.
    ///
    /// # Errors
    /// What the system or the database says.
    pub(super) fn start_new(room: &Path, now: i64) -> Result<Self, String> {
        let room = room.join("hub");
        let home = room.join("0");
        std::fs::create_dir_all(&home).map_err(|e| e.to_string())?;
        let clock = Arc::new(AtomicI64::new(now));
        let (backups, restored) = (Vec::new(), false);
        let mut machine =
            Self { hub: None, life: 0, epoch: 1, backups, restored, copies: 0, room, home, clock };
        machine.start([0; 32])?;
        Ok(machine)
    }

    /// Says what time it is.
    pub(super) fn set_clock(&self, now: i64) {
        self.clock.store(now, Ordering::Relaxed);
    }

    /// Starts the hub on its files; where its database was put back it recovers, with luck of this start.
    ///
    /// # Errors
    /// What the database or the journal says.
    pub(super) fn start(&mut self, luck: [u8; 32]) -> Result<(), String> {
        self.life += 1;
        let clock = Arc::clone(&self.clock);
        let sqlite = Sqlite::open(&self.home.join("hub.db")).map_err(|e| e.to_string())?;
        let db = Db::Sqlite(sqlite.with_clock(Box::new(move || clock.load(Ordering::Relaxed))));
        let journal = Journal::open(Some(&self.home), 1, &db).map_err(|e| e.to_string())?;
        let face = PublicFace { address: "127.0.0.1:7643".to_owned(), fingerprint: [7; 32] };
        let (pokes, _) = watch::channel(0);
        self.hub = Some(Hub {
            db,
            stream: Stream::Embedded(Embedded),
            cache: Cache::Memory(Memory::default()),
            device: Device::from_secret([9; 32]),
            journal,
            face,
            lease_ms: tradepost_sync::lease::LEASE_MS_DEFAULT,
            pokes,
            payments: Default::default(),
            present: Default::default(),
            closing: AtomicBool::new(false),
        });
        self.hub.as_ref().map_or(Ok(()), |hub| recovering::at_start(hub, luck)).map_err(|e| e.to_string())?;
        self.look_at_time();
        Ok(())
    }

    /// Its time may have a new epoch.
    pub(super) fn look_at_time(&mut self) {
        if let Some(Ok(tau)) = self.hub.as_ref().map(|hub| hub_time(&hub.db)) {
            self.epoch = tau.epoch;
        }
    }

    /// Copies the database as it is.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn back_up(&mut self) -> io::Result<()> {
        self.copies += 1;
        let folder = self.room.join(format!("backup-{}", self.copies));
        copy(&self.home, &folder, &FILES[..2])?;
        self.backups.push(folder);
        Ok(())
    }

    /// Ends the hub, and puts an old database in its place; the journal of now lies beside it, or none.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn put_back(&mut self, backup: &Path, with_journal: bool) -> io::Result<()> {
        let next = self.room.join(self.life.to_string());
        copy(backup, &next, &FILES[..2])?;
        if with_journal {
            copy(&self.home, &next, &FILES[2..])?;
        }
        self.restored = true;
        self.hub = None;
        let old = std::mem::replace(&mut self.home, next);
        std::fs::remove_dir_all(old)
    }

    /// The ends of a store's streams in a copy of the database.
    pub(super) fn heads_in(backup: &Path, store: i64) -> Vec<HeadMark> {
        Sqlite::open(&backup.join("hub.db")).map_or_else(|_| Vec::new(), |s| heads_of(&Db::Sqlite(s), store))
    }

    /// The ends of a store's streams as its files hold them, also while it is off.
    pub(super) fn heads(&self, store: i64) -> Vec<HeadMark> {
        match &self.hub {
            Some(hub) => heads_of(&hub.db, store),
            None => Self::heads_in(&self.home, store),
        }
    }

    /// How far it holds a stream.
    pub(super) fn head_of(&self, store: i64, stream: &Incarnation) -> u64 {
        self.heads(store).iter().find(|head| head.incarnation == *stream).map_or(0, |head| head.seq)
    }

    /// Ends the hub where it stands; it goes on from its files as they are, the journal's last words perhaps torn.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn lose(&mut self, luck: &mut Luck) -> io::Result<()> {
        let next = self.room.join(self.life.to_string());
        copy(&self.home, &next, &FILES)?;
        let journal = OpenOptions::new().write(true).open(next.join("hub-1.journal"))?;
        let length = journal.metadata()?.len();
        journal.set_len(length.saturating_sub(luck.below(40)))?;
        self.hub = None;
        let old = std::mem::replace(&mut self.home, next);
        std::fs::remove_dir_all(old)
    }
}

fn heads_of(db: &Db, store: i64) -> Vec<HeadMark> {
    let authors = db.read(|tx| authors::of_store(tx, store)).unwrap_or_default();
    authors.iter().filter_map(authors::Author::mark).collect()
}

fn copy(from: &Path, to: &Path, names: &[&str]) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for name in names {
        let path = from.join(name);
        if path.exists() {
            std::fs::copy(path, to.join(name))?;
        }
    }
    Ok(())
}
