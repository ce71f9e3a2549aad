//! Backup and restore as commands (`resilience.md`, Decided on day one: online backup, verify, manifest; a restore is a
//! command; starting from a copied directory is refused).
//!
//! A restored node has forgotten something: it comes back as a new incarnation with zero rights, and the hub and its
//! neighbours give back what they hold (`model.md` §3, Amnesia).

use crate::db::directory::Directory;
use crate::db::sidecar::Sidecar;
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Hash, Incarnation};

/// The database, in a data directory and in a backup.
const DATABASE: &str = "tradepost.db";
/// What the node is known by at its hub.
const KEYS: &[&str] = &["device.key"];
/// Says what a backup holds.
const MANIFEST: &str = "manifest.json";

/// Why a command didn't do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It would do harm: nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// A file can't be read or written.
    #[error("{path}: {why}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// A database can't be read or written.
    #[error("{path}: {why}")]
    Database {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// What made it.
    pub program: String,
    /// When, RFC 3339.
    pub made_at: String,
    /// The incarnation that wrote then.
    pub incarnation: Incarnation,
    /// Seq of its last event in the copy.
    pub seq: u64,
    /// BLAKE3 of each file, in hexadecimal.
    pub files: BTreeMap<String, String>,
}

fn at<'a>(path: &'a Path) -> impl Fn(io::Error) -> BackupError + 'a {
    move |why| BackupError::Io { path: path.to_owned(), why }
}

fn in_database<'a>(path: &'a Path) -> impl Fn(rusqlite::Error) -> BackupError + 'a {
    move |why| BackupError::Database { path: path.to_owned(), why: why.to_string() }
}

/// Copies a node's database and device key to a new directory; the node may sell on meanwhile. The copy is verified
/// before the manifest is written: a directory without one is no backup.
///
/// # Errors
/// [`BackupError::Refused`] where there is no node, or something is in the way.
pub fn back_up(data_dir: &Path, to: &Path) -> Result<Manifest, BackupError> {
    let source = data_dir.join(DATABASE);
    if !source.exists() {
        return Err(BackupError::Refused(format!("there is no node in {}", data_dir.display())));
    }
    if fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(BackupError::Refused(format!(
            "{} holds something already: name a new one",
            to.display()
        )));
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(to).map_err(at(to))?;
    let copy = to.join(DATABASE);
    copy_database(&source, &copy)?;
    let (incarnation, seq, _) = head(&copy)?;
    let mut files = BTreeMap::from([(DATABASE.to_owned(), hash(&copy)?)]);
    for name in KEYS {
        let key = data_dir.join(name);
        if key.exists() {
            let bytes = fs::read(&key).map_err(at(&key))?;
            write_private(&to.join(name), &bytes)?;
            files.insert((*name).to_owned(), hash(&to.join(name))?);
        }
    }
    let program = concat!("tradepost-node ", env!("CARGO_PKG_VERSION")).to_owned();
    let manifest = Manifest { program, made_at: jiff::Timestamp::now().to_string(), incarnation, seq, files };
    write_private(&to.join(MANIFEST), &serde_json::to_vec_pretty(&manifest).unwrap_or_default())?;
    Ok(manifest)
}

/// Puts a backup in place of the database of a node that doesn't run; what was there is kept beside. However little was
/// forgotten, the node comes back as a new incarnation.
///
/// # Errors
/// [`BackupError::Refused`] where the node runs, the backup is damaged or another machine's; then nothing was changed.
pub fn restore(data_dir: &Path, from: &Path) -> Result<PathBuf, BackupError> {
    let manifest = read_manifest(from)?;
    let directory = Directory::open(data_dir).map_err(|why| BackupError::Refused(why.to_string()))?;
    same_device(data_dir, from)?;
    let new = data_dir.join("tradepost.db.new");
    fs::copy(from.join(DATABASE), &new).map_err(at(&new))?;
    check(&new)?;
    fs::File::open(&new).and_then(|file| file.sync_all()).map_err(at(&new))?;
    let stamp = jiff::Timestamp::now().as_millisecond();
    let aside = data_dir.join(format!("before-restore-{stamp}"));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&aside).map_err(at(&aside))?;
    // First the sidecar: from here on no database that is found here counts as whole.
    forget(&directory, &new)?;
    for name in [DATABASE, "tradepost.db-wal", "tradepost.db-shm"] {
        let old = data_dir.join(name);
        if old.exists() {
            fs::rename(&old, aside.join(name)).map_err(at(&old))?;
        }
    }
    for name in manifest.files.keys().filter(|name| *name != DATABASE) {
        let key = data_dir.join(name);
        if !key.exists() {
            write_private(&key, &fs::read(from.join(name)).map_err(at(&key))?)?;
        }
    }
    fs::rename(&new, data_dir.join(DATABASE)).map_err(at(&new))?;
    fs::File::open(data_dir).and_then(|folder| folder.sync_all()).map_err(at(data_dir))?;
    Ok(aside)
}

/// The sidecar notes that more was written than any log here holds.
fn forget(directory: &Directory, database: &Path) -> Result<(), BackupError> {
    let path = directory.sidecar();
    let (mut sidecar, noted) = Sidecar::open(&path).map_err(at(&path))?;
    let (incarnation, seq, _) = head(database)?;
    let last = noted.unwrap_or(HeadMark { incarnation, seq, hash: Hash::ZERO });
    let seq = last.seq.max(seq) + 1;
    sidecar.note(&HeadMark { seq, hash: Hash([0xff; 32]), ..last }).map_err(at(&path))
}

fn copy_database(source: &Path, copy: &Path) -> Result<(), BackupError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let from = Connection::open_with_flags(source, flags).map_err(in_database(source))?;
    from.busy_timeout(Duration::from_secs(10)).map_err(in_database(source))?;
    let mut to = Connection::open(copy).map_err(in_database(copy))?;
    // In one step: a node that sells on meanwhile would make it begin again.
    rusqlite::backup::Backup::new(&from, &mut to)
        .and_then(|backup| backup.run_to_completion(i32::MAX, Duration::from_millis(50), None))
        .map_err(in_database(copy))?;
    to.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).map_err(in_database(copy))?;
    drop(to);
    check(copy)?;
    fs::File::open(copy).and_then(|file| file.sync_all()).map_err(at(copy))
}

fn check(copy: &Path) -> Result<(), BackupError> {
    let failed = in_database(copy);
    let db = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(&failed)?;
    let said: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(&failed)?;
    if said == "ok" {
        return Ok(());
    }
    Err(BackupError::Refused(format!("{} is damaged: {said}", copy.display())))
}

/// Who writes in a copy, and up to where.
fn head(copy: &Path) -> Result<(Incarnation, u64, Hash), BackupError> {
    let failed = in_database(copy);
    let db = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(&failed)?;
    let sql = "SELECT id, seq, hash FROM incarnations WHERE role = 1";
    let row = db.query_row(sql, [], |row| {
        let seq = u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
        Ok((Incarnation(row.get(0)?), seq, Hash(row.get(2)?)))
    });
    row.map_err(failed)
}

fn read_manifest(from: &Path) -> Result<Manifest, BackupError> {
    let path = from.join(MANIFEST);
    let refused = |why: String| BackupError::Refused(why);
    let text = fs::read(&path).map_err(|_| {
        refused(format!("{} is no backup: {MANIFEST} is missing or can't be read", from.display()))
    })?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|why| refused(format!("{}: {why}", path.display())))?;
    for (name, expected) in &manifest.files {
        let is_ours = name == DATABASE || KEYS.contains(&name.as_str());
        if !is_ours || hash(&from.join(name))? != *expected {
            return Err(refused(format!("{name} is not what the manifest says")));
        }
    }
    if !manifest.files.contains_key(DATABASE) {
        return Err(refused(format!("the manifest of {} names no database", from.display())));
    }
    Ok(manifest)
}

fn same_device(data_dir: &Path, from: &Path) -> Result<(), BackupError> {
    let key = |folder: &Path| fs::read(folder.join("device.key")).ok();
    match (key(data_dir), key(from)) {
        (Some(here), Some(there)) if here != there => Err(BackupError::Refused(
            "the backup is another machine's: its device key is not the one here".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path).map_err(at(path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(path))
}

fn hash(path: &Path) -> Result<String, BackupError> {
    let mut hasher = blake3::Hasher::new();
    let mut file = fs::File::open(path).map_err(at(path))?;
    io::copy(&mut file, &mut hasher).map_err(at(path))?;
    Ok(hasher.finalize().to_hex().to_string())
}
