//! The data directory: its files, its lock, the ballast and the device key (`resilience.md`).

use super::Fault;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Space that is set free for closing a shift on a full disk.
pub const BALLAST_BYTES: u64 = 16 << 20;
/// What must be free beside the ballast before it is laid again and everything may write: else it would take the room from
/// the very next sale.
const ROOM_BYTES: u64 = 4 << 20;

/// Why the directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Another process has it.
    #[error("another process uses {0}")]
    InUse(PathBuf),
    /// The system says no.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A data directory that this process alone has open.
pub struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Makes the directory if it isn't there (mode 0700) and takes its lock.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        let failed = |source| DirectoryError::Io { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let lock = private(&path.join("lock")).map_err(failed)?;
        if lock.try_lock().is_err() {
            return Err(DirectoryError::InUse(path.to_owned()));
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database.
    pub fn db(&self) -> PathBuf {
        self.path.join("tradepost.db")
    }

    /// The sidecar.
    pub fn sidecar(&self) -> PathBuf {
        self.path.join("sidecar")
    }

    /// The device's secret key: 32 random bytes of mode 0600, made from `fresh` where there is none.
    ///
    /// # Errors
    /// [`DirectoryError`], also for a file of another length.
    pub fn device_key(&self, fresh: [u8; 32]) -> Result<[u8; 32], DirectoryError> {
        let path = self.path.join("device.key");
        let failed = |source| DirectoryError::Io { path: path.clone(), source };
        if !path.exists() {
            return self.write_key(&path, fresh).map(|()| fresh).map_err(failed);
        }
        let mut key = Vec::new();
        File::open(&path).and_then(|mut file| file.read_to_end(&mut key)).map_err(failed)?;
        let wrong = |_| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, "a key has 32 bytes"));
        key.try_into().map_err(wrong)
    }

    /// Half a key would be no key: it appears whole or not at all.
    fn write_key(&self, path: &Path, key: [u8; 32]) -> std::io::Result<()> {
        let half = self.path.join("device.key.new");
        let mut file = private(&half)?;
        file.set_len(0)?;
        file.write_all(&key)?;
        file.sync_all()?;
        std::fs::rename(&half, path)?;
        self.sync()
    }

    /// Puts 16 MB aside, where there is room; a full disk is no reason not to start. Answers whether they lie there.
    pub fn lay_ballast(&self) -> bool {
        self.lay(BALLAST_BYTES)
    }

    /// Puts the ballast aside again where it was freed, once there is clearly room for more than it. Answers whether it lies
    /// there.
    pub fn lay_ballast_again(&self) -> bool {
        self.lay(BALLAST_BYTES + ROOM_BYTES)
    }

    /// Gives the ballast's room to whoever writes next.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn free_ballast(&self) -> Result<(), Fault> {
        match std::fs::remove_file(self.path.join("ballast")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(self.sync()?),
        }
    }

    fn lay(&self, room: u64) -> bool {
        let path = self.path.join("ballast");
        let there = std::fs::metadata(&path).is_ok_and(|m| m.len() == BALLAST_BYTES);
        if there {
            return true;
        }
        if let Err(error) = write_ballast(&path, room) {
            let _ = std::fs::remove_file(&path);
            tracing::warn!(%error, "no room for the ballast");
            return false;
        }
        true
    }

    /// Moves a damaged database aside, with its WAL, and keeps it.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn put_aside(&self, stamp: i64) -> Result<PathBuf, Fault> {
        let aside = self.path.join(format!("quarantine-{stamp}"));
        std::fs::create_dir_all(&aside)?;
        for name in ["tradepost.db", "tradepost.db-wal", "tradepost.db-shm"] {
            let from = self.path.join(name);
            if from.exists() {
                std::fs::rename(&from, aside.join(name))?;
            }
        }
        self.sync()?;
        Ok(aside)
    }

    fn sync(&self) -> std::io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

/// A file that only its owner may read.
fn private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn write_ballast(path: &Path, room: u64) -> std::io::Result<()> {
    let mut file = private(path)?;
    // Not zeros: a file system may store those without room.
    let block: Vec<u8> = (0..1u32 << 20).map(|i| u8::try_from((i % 251) * 31 % 251).unwrap_or(0)).collect();
    for _ in 0..room / (1 << 20) {
        file.write_all(&block)?;
    }
    file.set_len(BALLAST_BYTES)?;
    file.sync_all()
}
