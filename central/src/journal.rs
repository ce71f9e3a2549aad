//! The journal: the hub's own events once more, on other storage (`model.md` §3, "The hub is a replica too").
//!
//! One file a process. A record is written and synced after the commit and before anybody is answered; before that
//! the event leaves in no batch. Reading the journal back after the database was restored (recovering) comes in a
//! later step; until then a hub whose journal is ahead of its database refuses to start.

use crate::db::{Db, DbError, stores};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Bytes of a record before its event: length (4), place (8), check (8).
const HEAD_LEN: usize = 20;

/// The journal of one process.
pub struct Journal {
    process: u32,
    file: Option<(PathBuf, Mutex<File>)>,
    last: AtomicU64,
}

/// Why the journal can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BadJournal {
    /// The file can't be written or read.
    #[error("the journal {path}: {why}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// The database has forgotten events that the journal holds.
    #[error(
        "the journal is at {journal}, the database at {database}: the database was restored; recovering is not there yet"
    )]
    Ahead {
        /// Last place in the journal.
        journal: u64,
        /// Last place in the database.
        database: u64,
    },
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Journal {
    /// Opens the process's journal in `folder` and completes it from the database; without a folder nothing is kept.
    pub fn open(folder: Option<&Path>, process: u32, db: &Db) -> Result<Self, BadJournal> {
        let Some(folder) = folder else {
            return Ok(Self { process, file: None, last: AtomicU64::new(u64::MAX) });
        };
        let path = folder.join(format!("hub-{process}.journal"));
        let (file, last) =
            open_file(folder, &path).map_err(|why| BadJournal::Io { path: path.clone(), why })?;
        let database = db.read(|tx| stores::last_journal_n(tx, process))?;
        if last > database {
            return Err(BadJournal::Ahead { journal: last, database });
        }
        let journal = Self { process, file: Some((path, Mutex::new(file))), last: AtomicU64::new(last) };
        journal.catch_up(db)?;
        Ok(journal)
    }

    /// The process whose journal it is.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// Up to which place events may leave the hub.
    pub fn durable(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// Writes whatever the database holds beyond the journal, and syncs it.
    pub fn catch_up(&self, db: &Db) -> Result<(), BadJournal> {
        let Some((path, file)) = &self.file else { return Ok(()) };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        let events = db.read(|tx| stores::journal_after(tx, self.process, self.durable()))?;
        let Some((last, _)) = events.last() else { return Ok(()) };
        let records: Vec<u8> = events.iter().flat_map(|(n, bytes)| record(*n, bytes)).collect();
        file.write_all(&records)
            .and_then(|()| file.sync_data())
            .map_err(|why| BadJournal::Io { path: path.clone(), why })?;
        self.last.store(*last, Ordering::Release);
        Ok(())
    }
}

fn record(n: u64, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let check = check(n, bytes);
    [&length.to_le_bytes()[..], &n.to_le_bytes(), &check, bytes].concat()
}

fn check(n: u64, bytes: &[u8]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new_derive_key("tradepost hub journal v1");
    hasher.update(&n.to_le_bytes());
    hasher.update(bytes);
    let mut check = [0; 8];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    check
}

/// The file, cut back to its last whole record, and that record's place.
fn open_file(folder: &Path, path: &Path) -> std::io::Result<(File, u64)> {
    std::fs::create_dir_all(folder)?;
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let mut held = Vec::new();
    file.read_to_end(&mut held)?;
    let (whole, last) = whole_records(&held);
    if whole < held.len() {
        file.set_len(u64::try_from(whole).unwrap_or(u64::MAX))?;
        file.sync_all()?;
    }
    Ok((file, last))
}

/// Length of the whole records at the start, and the place of the last.
fn whole_records(held: &[u8]) -> (usize, u64) {
    let (mut at, mut last) = (0, 0);
    while let Some((length, n, check_sum)) = head(&held[at..]) {
        let Some(bytes) = held.get(at + HEAD_LEN..at + HEAD_LEN + length) else { break };
        if check(n, bytes) != check_sum {
            break;
        }
        (at, last) = (at + HEAD_LEN + length, n);
    }
    (at, last)
}

fn head(held: &[u8]) -> Option<(usize, u64, [u8; 8])> {
    let (length, rest) = held.split_first_chunk::<4>()?;
    let (n, rest) = rest.split_first_chunk::<8>()?;
    let (check, _) = rest.split_first_chunk::<8>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    Some((length, u64::from_le_bytes(*n), *check))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_record_is_cut_off_and_the_whole_ones_stay() {
        let whole = [record(1, b"first"), record(2, b"second")].concat();
        for cut in 0..record(3, b"third").len() {
            let held = [&whole[..], &record(3, b"third")[..cut]].concat();
            assert_eq!(whole_records(&held), (whole.len(), 2), "cut at {cut}");
        }
        let mut flipped = whole.clone();
        flipped[whole.len() - 1] ^= 1;
        assert_eq!(whole_records(&flipped).1, 1);
    }
}
