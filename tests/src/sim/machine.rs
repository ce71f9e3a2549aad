//! A simulated machine with a real node on real files: its clocks, its disk, and the ways in which it can be lost.
//!
//! A machine that is killed leaves a picture of its disk at that instant: the files are copied as they are, what was
//! not committed included, and the next start begins from the copy.

use crate::seed::Luck;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use tradepost_node::app::clock::Now;
use tradepost_node::app::node::Node;
use tradepost_node::app::start::{Opening, StartError, Starting, start};
use tradepost_node::db::directory::BALLAST_BYTES;
use tradepost_node::db::{Durability, Reads};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
const FILES: [&str; 4] = ["tradepost.db", "tradepost.db-wal", "sidecar", "device.key"];

/// Where in a commit a machine is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Everything is decided and written, nothing is committed.
    BeforeCommit,
    /// The database has committed, the sidecar was not written.
    BeforeSidecar,
    /// The database has committed, and the sidecar's new slot is half written.
    TornSidecar,
    /// Everything is durable, nobody was answered.
    BeforeAnswer,
}

impl Cut {
    /// All of them.
    pub(super) const ALL: [Self; 4] =
        [Self::BeforeCommit, Self::BeforeSidecar, Self::TornSidecar, Self::BeforeAnswer];
}

/// A running node and its read connections.
pub(super) struct Running {
    /// The node, without its writing thread.
    pub(super) node: Node,
    /// Read-only connections to its file.
    pub(super) reads: Reads,
}

/// A machine.
pub(super) struct Machine {
    /// Its name in traces, which is its till's name too.
    pub(super) name: String,
    /// Index of its store.
    pub(super) store: usize,
    /// What runs on it now.
    pub(super) running: Option<Running>,
    /// Counts starts; what was meant for an earlier life is dropped.
    pub(super) life: u32,
    /// The next group of writes ends like this.
    pub(super) cut: Option<Cut>,
    /// Nothing more fits on its disk.
    pub(super) full: bool,
    /// It was lost for good, as far as anybody knows.
    pub(super) away: bool,
    /// It was lost so once, and fenced.
    pub(super) lost: bool,
    /// It is about to be lost for good.
    pub(super) doomed: bool,
    /// There are two of it, made from one image.
    pub(super) twin: bool,
    /// Somebody touched its clock since it was switched on.
    pub(super) clock_touched: bool,
    /// Branches that its node had cut off when its sessions began.
    pub(super) cuts: u64,
    /// An old database was put back under it, so its next start may find that.
    pub(super) restored: bool,
    /// A backup whose rights a planted bug brings back.
    pub(super) remembered: Option<PathBuf>,
    /// Pictures of its disk that were taken for safety.
    pub(super) backups: Vec<PathBuf>,
    home: PathBuf,
    room: PathBuf,
    pictures: u32,
    seed: u64,
    booted: i64,
    wall_off: i64,
    frozen: Option<i64>,
    durability: Durability,
    /// What a power cut would leave where commits are not synced: the files as they were at the start.
    synced: Option<PathBuf>,
}

impl Machine {
    /// A machine whose files lie under `room`; its luck comes from `seed`.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn new(
        name: &str,
        store: usize,
        room: &Path,
        seed: u64,
        durability: Durability,
    ) -> io::Result<Self> {
        let room = room.join(name);
        let home = room.join("0");
        lay_folder(&home)?;
        Ok(Self {
            name: name.to_owned(),
            store,
            running: None,
            life: 0,
            cut: None,
            full: false,
            away: false,
            lost: false,
            doomed: false,
            twin: false,
            clock_touched: false,
            cuts: 0,
            restored: false,
            remembered: None,
            backups: Vec::new(),
            home,
            room,
            pictures: 0,
            seed,
            booted: 0,
            wall_off: 0,
            frozen: None,
            durability,
            synced: None,
        })
    }

    /// Another machine with the same image, under `room`.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn twin(&self, room: &Path) -> io::Result<Self> {
        let name = format!("{}-twin", self.name);
        let mut twin = Self::new(&name, self.store, room, !self.seed, self.durability)?;
        copy(&self.home, &twin.home, &FILES)?;
        twin.name.clone_from(&self.name);
        (twin.lost, twin.twin) = (true, true);
        Ok(twin)
    }

    /// The wall clock at true time `now`.
    pub(super) fn wall(&self, now: i64) -> i64 {
        self.frozen.unwrap_or(now + self.wall_off)
    }

    /// Milliseconds since the program began.
    pub(super) fn boot(&self, now: i64) -> i64 {
        now - self.booted
    }

    /// True time at a reading of the boot clock.
    pub(super) fn at_boot(&self, boot: i64) -> i64 {
        boot + self.booted
    }

    /// All clocks as the node reads them.
    pub(super) fn clocks(&self, now: i64) -> Option<Now> {
        let running = self.running.as_ref()?;
        Some(running.node.now(self.wall(now), self.boot(now)))
    }

    /// Steps the wall clock by whole days.
    pub(super) fn step_clock(&mut self, days: i64) {
        self.clock_touched = true;
        self.frozen = None;
        self.wall_off += days * DAY_MS;
    }

    /// Stops the wall clock.
    pub(super) fn freeze_clock(&mut self, now: i64) {
        self.clock_touched = true;
        self.frozen = Some(self.wall(now));
    }

    /// Sets the wall clock right.
    pub(super) fn set_clock(&mut self) {
        self.clock_touched |= self.wall_off != 0 || self.frozen.is_some();
        (self.wall_off, self.frozen) = (0, None);
    }

    /// Starts the node on the machine's files.
    ///
    /// # Errors
    /// [`StartError`].
    pub(super) fn start(&mut self, now: i64) -> Result<Opening, StartError> {
        self.life += 1;
        self.booted = now;
        self.cut = None;
        self.cuts = 0;
        self.clock_touched = self.wall_off != 0 || self.frozen.is_some();
        let mut luck = Luck::new(self.seed ^ (u64::from(self.life) << 32));
        let starting = Starting {
            luck: Box::new(move || {
                let mut bytes = [0; 32];
                bytes.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&luck.next().to_le_bytes()));
                bytes
            }),
            wall: self.wall(now),
            boot: 0,
            durability: self.durability,
            accept_clock: false,
        };
        let (node, opening) = start(&self.home, starting)?;
        let reads = Reads::new(&node.db_path());
        self.running = Some(Running { node, reads });
        if self.durability == Durability::Normal {
            self.synced = self.picture().ok();
        }
        Ok(opening)
    }

    /// Copies the files as they are at this instant; answers where to.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn picture(&mut self) -> io::Result<PathBuf> {
        self.pictures += 1;
        let folder = self.room.join(self.pictures.to_string());
        lay_folder(&folder)?;
        copy(&self.home, &folder, &FILES)?;
        Ok(folder)
    }

    /// The sidecar's bytes.
    pub(super) fn sidecar(&self) -> Vec<u8> {
        std::fs::read(self.home.join("sidecar")).unwrap_or_default()
    }

    /// Ends the node where it stands. The machine goes on from `picture` where one is given, else from its files as
    /// they are now.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn lose(&mut self, picture: Option<PathBuf>) -> io::Result<()> {
        let picture = match picture {
            Some(picture) => picture,
            None => self.picture()?,
        };
        self.running = None;
        self.life += 1;
        let old = std::mem::replace(&mut self.home, picture);
        std::fs::remove_dir_all(old)
    }

    /// Takes the power away: what was not synced is gone.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn cut_power(&mut self) -> io::Result<()> {
        let picture = self.picture()?;
        if let Some(synced) = self.synced.take() {
            put_back(&synced, &picture, true)?;
        }
        self.lose(Some(picture))
    }

    /// Puts an old database back under the sidecar of now, or under none.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn restore(&mut self, backup: &Path, with_sidecar: bool) -> io::Result<()> {
        let picture = self.picture()?;
        put_back(backup, &picture, with_sidecar)?;
        self.lose(Some(picture))
    }

    /// The folder of its files.
    pub(super) fn home(&self) -> &Path {
        &self.home
    }
}

fn put_back(backup: &Path, into: &Path, keep_sidecar: bool) -> io::Result<()> {
    for name in &FILES[..2] {
        let path = into.join(name);
        if path.exists() {
            std::fs::remove_file(path)?;
        }
    }
    copy(backup, into, &FILES[..2])?;
    if !keep_sidecar {
        std::fs::remove_file(into.join("sidecar"))?;
    }
    Ok(())
}

/// Writes the sidecar that a picture is to have.
///
/// # Errors
/// What the system says.
pub(super) fn put_sidecar(picture: &Path, bytes: &[u8]) -> io::Result<()> {
    std::fs::write(picture.join("sidecar"), bytes)
}

/// The sidecar `new` as a cut in the middle of its last write leaves it, where `old` was before.
#[must_use]
pub(super) fn torn(old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut torn = new.to_vec();
    let changed = old.iter().zip(new).position(|(a, b)| a != b).unwrap_or(0);
    let slot = changed / 4_096 * 4_096;
    torn.iter_mut().skip(slot + 16).take(60).for_each(|byte| *byte = 0xff);
    torn
}

/// A folder with the ballast already in place: a hole of its length, for writing it for each picture would be most of
/// the work.
fn lay_folder(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    File::create(folder.join("ballast"))?.set_len(BALLAST_BYTES)
}

fn copy(from: &Path, to: &Path, names: &[&str]) -> io::Result<()> {
    for name in names {
        let path = from.join(name);
        if path.exists() {
            std::fs::copy(path, to.join(name))?;
        }
    }
    Ok(())
}
