//! Backup and restore as commands (`resilience.md`, Decided on day one: online backup, verify, manifest; a restore is a
//! command).
//!
//! A copy says of itself that it is one: however it is put in place, the hub that starts on it knows that its database is
//! older than the world, and recovers (`app::recovering`).

use crate::config::DatabaseAddress;
use crate::db::{Db, stores};
use crate::journal::IDENTITY;
use crate::secrets::write_secret;
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The database's file, in a data folder and in a backup.
const DATABASE: &str = "hub.db";
/// What a hub is known by: without these its nodes would take it for another.
const KEYS: &[&str] = &["hub.key", "tls.cert.der", "tls.key.der", "admin.token"];
/// Says what a backup holds.
const MANIFEST: &str = "manifest.json";

/// Why a command didn't do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It would do harm, or it is not for this command: nothing was changed.
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
    /// BLAKE3 of each file, in hexadecimal.
    pub files: BTreeMap<String, String>,
}

fn at<'a>(path: &'a Path) -> impl Fn(io::Error) -> BackupError + 'a {
    move |why| BackupError::Io { path: path.to_owned(), why }
}

fn in_database<'a>(path: &'a Path) -> impl Fn(rusqlite::Error) -> BackupError + 'a {
    move |why| BackupError::Database { path: path.to_owned(), why: why.to_string() }
}

/// Copies a hub's database and keys to a new folder; the hub may run meanwhile. The copy is verified before the manifest
/// is written: a folder without one is no backup.
///
/// # Errors
/// [`BackupError::Refused`] for PostgreSQL (with the words of its own tools), and where something is there already.
pub fn back_up(data_dir: &Path, database: &DatabaseAddress, to: &Path) -> Result<Manifest, BackupError> {
    refuse_postgres(database, "back it up")?;
    let source = data_dir.join(DATABASE);
    if !source.exists() {
        return Err(BackupError::Refused(format!("there is no hub in {}", data_dir.display())));
    }
    if fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(BackupError::Refused(format!(
            "{} holds something already: name a new folder",
            to.display()
        )));
    }
    fs::create_dir_all(to).map_err(at(to))?;
    #[cfg(unix)]
    fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o700)).map_err(at(to))?;
    let copy = to.join(DATABASE);
    copy_database(&source, &copy)?;
    let mut files = BTreeMap::from([(DATABASE.to_owned(), hash(&copy)?)]);
    for name in KEYS {
        let key = data_dir.join(name);
        if key.exists() {
            let bytes = fs::read(&key).map_err(at(&key))?;
            let copy = to.join(name);
            write_secret(&copy, &bytes).map_err(at(&copy))?;
            files.insert((*name).to_owned(), hash(&copy)?);
        }
    }
    let made_at = jiff::Timestamp::now().to_string();
    let manifest = Manifest { program: crate::config::program(), made_at, files };
    let path = to.join(MANIFEST);
    let text = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
    write_secret(&path, &text).map_err(at(&path))?;
    Ok(manifest)
}

/// Puts a backup in place of a hub's database: the hub must not run. What was there is kept beside. The hub recovers when
/// it starts.
///
/// # Errors
/// [`BackupError::Refused`] where the hub runs, the backup is damaged, or belongs to another hub; then nothing was changed.
pub fn restore(data_dir: &Path, database: &DatabaseAddress, from: &Path) -> Result<PathBuf, BackupError> {
    refuse_postgres(database, "put it back")?;
    let manifest = read_manifest(from)?;
    fs::create_dir_all(data_dir).map_err(at(data_dir))?;
    #[cfg(unix)]
    fs::set_permissions(data_dir, std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .map_err(at(data_dir))?;
    let _lock = crate::serve::lock(data_dir).map_err(|why| BackupError::Refused(why.to_string()))?;
    same_hub(data_dir, from)?;
    let new = data_dir.join("hub.db.new");
    let source = from.join(DATABASE);
    fs::copy(&source, &new).map_err(at(&new))?;
    check(&new)?;
    mark(&new, &manifest.made_at)?;
    fs::File::open(&new).and_then(|file| file.sync_all()).map_err(at(&new))?;
    let aside = data_dir.join(format!("before-restore-{}", jiff::Timestamp::now().as_millisecond()));
    fs::create_dir_all(&aside).map_err(at(&aside))?;
    for name in [DATABASE, "hub.db-wal", "hub.db-shm"] {
        let old = data_dir.join(name);
        if old.exists() {
            fs::rename(&old, aside.join(name)).map_err(at(&old))?;
        }
    }
    for name in manifest.files.keys().filter(|name| *name != DATABASE) {
        let key = data_dir.join(name);
        if !key.exists() {
            let bytes = fs::read(from.join(name)).map_err(at(&key))?;
            write_secret(&key, &bytes).map_err(at(&key))?;
        }
    }
    fs::rename(&new, data_dir.join(DATABASE)).map_err(at(&new))?;
    fs::File::open(data_dir).and_then(|folder| folder.sync_all()).map_err(at(data_dir))?;
    Ok(aside)
}

/// Says of a database that was put back by other tools that it was: the hub recovers when it starts on it.
///
/// # Errors
/// Where the database can't be reached or written.
pub fn say_restored(data_dir: &Path, database: &DatabaseAddress) -> Result<(), BackupError> {
    let failed =
        |why: crate::db::DbError| BackupError::Database { path: data_dir.to_owned(), why: why.to_string() };
    let db = Db::open(database, data_dir).map_err(failed)?;
    let now = jiff::Timestamp::now().to_string();
    db.write(|tx| stores::set_meta(tx, IDENTITY, &was_put_back(&now))).map_err(failed)
}

fn was_put_back(at: &str) -> String {
    format!("a copy, {at}")
}

fn refuse_postgres(database: &DatabaseAddress, what: &str) -> Result<(), BackupError> {
    match database {
        DatabaseAddress::Sqlite => Ok(()),
        DatabaseAddress::Postgres(_) => Err(BackupError::Refused(format!(
            "the database is PostgreSQL: {what} with its own tools. Back up with `pg_dump --format=custom \
             --file=hub.dump URL` or with pg_basebackup and an archive of the WAL, and keep the data folder (keys) and \
             the journal folder too. After putting it back with pg_restore, and before the hub starts, run \
             `tradepost-hub restored --database URL`: the hub then recovers what the backup has forgotten"
        ))),
    }
}

fn copy_database(source: &Path, copy: &Path) -> Result<(), BackupError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let from = Connection::open_with_flags(source, flags).map_err(in_database(source))?;
    from.busy_timeout(Duration::from_secs(10)).map_err(in_database(source))?;
    let mut to = Connection::open(copy).map_err(in_database(copy))?;
    // In one step: a hub that writes on meanwhile would make it begin again.
    rusqlite::backup::Backup::new(&from, &mut to)
        .and_then(|backup| backup.run_to_completion(i32::MAX, Duration::from_millis(50), None))
        .map_err(in_database(copy))?;
    drop(to);
    mark(copy, &jiff::Timestamp::now().to_string())?;
    check(copy)?;
    fs::File::open(copy).and_then(|file| file.sync_all()).map_err(at(copy))
}

/// One file, that says of itself that it is a copy.
fn mark(copy: &Path, made_at: &str) -> Result<(), BackupError> {
    let failed = in_database(copy);
    let db = Connection::open(copy).map_err(&failed)?;
    db.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).map_err(&failed)?;
    db.pragma_update(None, "synchronous", "FULL").map_err(&failed)?;
    let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    db.execute(sql, [IDENTITY, &was_put_back(made_at)]).map_err(&failed)?;
    Ok(())
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

fn read_manifest(from: &Path) -> Result<Manifest, BackupError> {
    let path = from.join(MANIFEST);
    let missing = |_| {
        BackupError::Refused(format!(
            "{} is no backup: {MANIFEST} is missing or can't be read",
            from.display()
        ))
    };
    let text = fs::read(&path).map_err(missing)?;
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|why| BackupError::Refused(format!("{}: {why}", path.display())))?;
    for (name, expected) in &manifest.files {
        let is_ours = name == DATABASE || KEYS.contains(&name.as_str());
        if !is_ours || hash(&from.join(name))? != *expected {
            return Err(BackupError::Refused(format!("{name} is not what the manifest says")));
        }
    }
    if !manifest.files.contains_key(DATABASE) {
        return Err(BackupError::Refused(format!("the manifest of {} names no database", from.display())));
    }
    Ok(manifest)
}

fn same_hub(data_dir: &Path, from: &Path) -> Result<(), BackupError> {
    let key = |folder: &Path| fs::read(folder.join("hub.key")).ok();
    match (key(data_dir), key(from)) {
        (Some(here), Some(there)) if here != there => Err(BackupError::Refused(
            "the backup is of another hub: its key is not the one in the data folder".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn hash(path: &Path) -> Result<String, BackupError> {
    let mut hasher = blake3::Hasher::new();
    let mut file = fs::File::open(path).map_err(at(path))?;
    io::copy(&mut file, &mut hasher).map_err(at(path))?;
    Ok(hasher.finalize().to_hex().to_string())
}
