//! The journal: the hub's own events once more, on other storage (`model.md` §3, "The hub is a replica too").
//!
//! One file a process. A record is written and synced after the commit and before anybody is answered; before that
//! the event leaves in no batch. At a start it tells whether the database was put back: then it is read again from
//! where the database ends, and what was acknowledged comes back.

use crate::db::{Db, DbError, Tx, recoveries, stores};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tradepost_sync::recovery::{Found, Start, at_start};

/// Bytes of a record before its event: length (4), place (8), check (8).
const HEAD_LEN: usize = 20;
/// No event of the hub's own is longer, so a longer record is none.
const RECORD_BYTES_MAX: usize = 16 << 20;
/// Under this name the database notes which database it is.
pub const IDENTITY: &str = "database_identity";

/// The journal of one process.
pub struct Journal {
    process: u32,
    folder: Option<PathBuf>,
    file: Option<(PathBuf, Mutex<File>)>,
    last: AtomicU64,
    found: Found,
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
        why: io::Error,
    },
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Journal {
    /// Opens the process's journal in `folder`; without a folder nothing is kept. Where the database is the one that was
    /// left, the journal is completed from it. Where it was put back the file stays as it is: what it is ahead by is read
    /// by whoever recovers (`app::recovering`).
    pub fn open(folder: Option<&Path>, process: u32, db: &Db) -> Result<Self, BadJournal> {
        let Some(folder) = folder else {
            let found = Found { without_journal: true, identity: identity(db)?, ..Found::default() };
            let last = AtomicU64::new(u64::MAX);
            return Ok(Self { process, folder: None, file: None, last, found });
        };
        let path = folder.join(format!("hub-{process}.journal"));
        let io = |why| BadJournal::Io { path: path.clone(), why };
        std::fs::create_dir_all(folder).map_err(io)?;
        let was_there = path.exists();
        let mut journals = others(folder, process).map_err(io)?;
        let (file, scan) = open_file(&path).map_err(io)?;
        let kept = db.read(|tx| stores::meta(tx, &kept_name(process)))?.is_some();
        let database: BTreeMap<u32, u64> = db.read(recoveries::processes)?.into_iter().collect();
        let own = match (was_there, kept, scan.damaged) {
            (true, _, false) => Some(scan.last),
            // It was never kept before: from now on it is.
            (false, false, _) => Some(database.get(&process).copied().unwrap_or(0)),
            _ => None,
        };
        journals.insert(process, own);
        // The journals of others may lie elsewhere: theirs to judge.
        for (other, n) in &database {
            journals.entry(*other).or_insert(Some(*n));
        }
        let found = Found { database, journals, without_journal: false, identity: identity(db)? };
        let whole = !matches!(at_start(&found), Start::Restored(_));
        let (file, last) = (Some((path, Mutex::new(file))), AtomicU64::new(scan.last));
        let journal = Self { process, folder: Some(folder.to_owned()), file, last, found };
        if whole {
            journal.catch_up(db)?;
            if !kept {
                db.write(|tx| stores::set_meta(tx, &kept_name(process), "1"))?;
            }
        }
        Ok(journal)
    }

    /// The process whose journal it is.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// Notes in the database that a journal is kept, so that a missing one shows.
    pub fn note_kept(&self, tx: &mut Tx<'_>) -> Result<(), DbError> {
        if self.is_kept() { stores::set_meta(tx, &kept_name(self.process), "1") } else { Ok(()) }
    }

    /// What the start found: where database and journals end.
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// Whether a journal is kept at all.
    pub fn is_kept(&self) -> bool {
        self.file.is_some()
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

    /// Tells the records of a process's journal after place `after`, in order. Whether they follow it without a gap.
    pub fn read(
        &self,
        process: u32,
        after: u64,
        mut tell: impl FnMut(u64, &[u8]),
    ) -> Result<bool, BadJournal> {
        let Some(folder) = &self.folder else { return Ok(false) };
        let path = folder.join(format!("hub-{process}.journal"));
        let io = |why| BadJournal::Io { path: path.clone(), why };
        let mut at = after;
        let scan = walk(&File::open(&path).map_err(io)?, |n, bytes| {
            if n == at + 1 {
                at = n;
                tell(n, bytes);
            }
        });
        let scan = scan.map_err(io)?;
        Ok(!scan.damaged && at >= scan.last)
    }
}

fn kept_name(process: u32) -> String {
    format!("journal_kept_{process}")
}

/// Which database it is, and which it was when that was last noted. Where it may not be asked, nothing is judged by it.
fn identity(db: &Db) -> Result<(String, Option<String>), DbError> {
    let noted = db.read(|tx| stores::meta(tx, IDENTITY))?;
    match db.read(recoveries::identity) {
        Ok(now) => Ok((now, noted)),
        Err(error) => {
            tracing::warn!(%error, "the database does not tell which one it is");
            Ok((String::new(), None))
        }
    }
}

/// The ends of other processes' journals that lie in the same folder.
fn others(folder: &Path, own: u32) -> io::Result<BTreeMap<u32, Option<u64>>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix("hub-").and_then(|name| name.strip_suffix(".journal"));
        let Some(process) = number.and_then(|n| n.parse::<u32>().ok()).filter(|n| *n != own) else {
            continue;
        };
        let scan = walk(&File::open(folder.join(&name))?, |_, _| {})?;
        found.insert(process, (!scan.damaged).then_some(scan.last));
    }
    Ok(found)
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

/// The file, cut back to its last whole record. One that is damaged before its end is kept beside, and a new one begins.
fn open_file(path: &Path) -> io::Result<(File, Scan)> {
    let open = || OpenOptions::new().read(true).append(true).create(true).open(path);
    let file = open()?;
    let scan = walk(&file, |_, _| {})?;
    if scan.damaged {
        let aside = path.with_extension("journal.damaged");
        tracing::error!(path = %path.display(), aside = %aside.display(), "the journal is damaged and was put aside");
        std::fs::rename(path, &aside)?;
        return Ok((open()?, Scan { last: 0, whole: 0, damaged: true }));
    }
    if scan.whole < file.metadata()?.len() {
        file.set_len(scan.whole)?;
        file.sync_all()?;
    }
    Ok((file, scan))
}

/// What a journal's file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Scan {
    /// Bytes of the whole records at its start.
    whole: u64,
    /// The place of the last of them.
    last: u64,
    /// What follows them is more than the torn end of one write.
    damaged: bool,
}

/// Walks a file's whole records from its beginning.
fn walk(mut file: &File, mut tell: impl FnMut(u64, &[u8])) -> io::Result<Scan> {
    file.seek(SeekFrom::Start(0))?;
    let size = file.metadata()?.len();
    walk_bytes(BufReader::new(file), size, &mut tell)
}

fn walk_bytes(mut from: impl Read, size: u64, tell: &mut impl FnMut(u64, &[u8])) -> io::Result<Scan> {
    let mut scan = Scan::default();
    let head_len = u64::try_from(HEAD_LEN).unwrap_or(u64::MAX);
    while scan.whole + head_len <= size {
        let mut head = [0; HEAD_LEN];
        from.read_exact(&mut head)?;
        // A write that was cut may have left room without content.
        if head == [0; HEAD_LEN] {
            break;
        }
        let (length, n, expected) = parse(&head);
        let end = scan.whole + head_len + u64::try_from(length).unwrap_or(u64::MAX);
        if end > size || length > RECORD_BYTES_MAX {
            // A length that makes no sense is damage, not a write that was cut.
            scan.damaged = length > RECORD_BYTES_MAX;
            break;
        }
        let mut bytes = vec![0; length];
        from.read_exact(&mut bytes)?;
        if check(n, &bytes) != expected {
            // The last record may be torn in the middle; one with others behind it was whole once.
            scan.damaged = end < size;
            break;
        }
        tell(n, &bytes);
        (scan.whole, scan.last) = (end, n);
    }
    Ok(scan)
}

fn parse(head: &[u8; HEAD_LEN]) -> (usize, u64, [u8; 8]) {
    let mut length = [0; 4];
    let (mut n, mut check) = ([0; 8], [0; 8]);
    length.copy_from_slice(&head[..4]);
    n.copy_from_slice(&head[4..12]);
    check.copy_from_slice(&head[12..]);
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    (length, u64::from_le_bytes(n), check)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(held: &[u8]) -> Scan {
        walk_bytes(held, u64::try_from(held.len()).unwrap(), &mut |_, _| {}).unwrap()
    }

    #[test]
    fn a_torn_record_is_cut_off_and_the_whole_ones_stay() {
        let whole = [record(1, b"first"), record(2, b"second")].concat();
        let length = u64::try_from(whole.len()).unwrap();
        for cut in 0..record(3, b"third").len() {
            let held = [&whole[..], &record(3, b"third")[..cut]].concat();
            assert_eq!(scan(&held), Scan { whole: length, last: 2, damaged: false }, "cut at {cut}");
        }
        let mut flipped = whole.clone();
        flipped[whole.len() - 1] ^= 1;
        assert_eq!((scan(&flipped).last, scan(&flipped).damaged), (1, false));
    }

    #[test]
    fn damage_before_the_end_is_no_torn_write() {
        let mut held = [record(1, b"first"), record(2, b"second"), record(3, b"third")].concat();
        let second = record(1, b"first").len() + HEAD_LEN;
        held[second] ^= 1;
        assert_eq!((scan(&held).last, scan(&held).damaged), (1, true));
        held[second - HEAD_LEN + 3] = 0xff;
        assert!(scan(&held).damaged, "a length beyond all reason");
    }
}
