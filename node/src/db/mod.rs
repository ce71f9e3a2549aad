//! The one SQLite file: how it is opened and what is asserted (`resilience.md`, Storage profile), and its tables.
//!
//! `db` decides nothing. Only `app` writes through it; reads may come from anywhere, over [`Reads`].

pub mod branches;
pub mod burns;
pub mod caps;
pub mod cart_states;
pub mod carts;
pub mod catalog;
pub mod catalog_entries;
pub mod counts;
pub mod customers;
pub mod devices;
pub mod directory;
pub mod documents;
pub mod events;
pub mod fiscal;
pub mod incarnations;
pub mod meta;
pub mod packs;
pub mod print;
pub mod reservations;
pub mod search;
pub mod shifts;
pub mod shipments;
pub mod sidecar;
pub mod staff;
pub mod stock;
pub mod successors;
pub mod tenders;
pub mod training;
pub mod vouchers;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

mod migrations {
    refinery::embed_migrations!("migrations");
}

/// "TRAD": says whose file it is.
pub const APPLICATION_ID: i32 = 0x5452_4144;
/// The schema this program knows; a file of a later one is refused.
pub const SCHEMA_VERSION: i32 = 9;
/// Older libraries can lose commits when the WAL is reset.
pub const SQLITE_VERSION_MIN: i32 = 3_051_003;
/// The WAL is written back at this many pages, inline by the writer.
pub const CHECKPOINT_PAGES: i32 = 4_000;
/// The file is made smaller where so many pages are free, and so large a part of all.
const FREE_PAGES_MIN: i64 = 32;
const FREE_PART: i64 = 16;
/// Page cache of the writer and of a reader, in KiB.
const WRITER_CACHE_KIB: i32 = 16_000;
const READER_CACHE_KIB: i32 = 4_000;
/// Connections kept for reading.
const READERS_MAX: usize = 4;
const STATEMENTS_MAX: usize = 128;

/// What went wrong below the business.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No space, or nothing may be written: refused, and it resumes by itself.
    #[error("the disk is full or read-only")]
    Full,
    /// A broken disk, file or invariant: the process ends.
    #[error("{0}")]
    Fatal(String),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull | ErrorCode::ReadOnly) => Fault::Full,
            _ => Fault::Fatal(error.to_string()),
        }
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded | ReadOnlyFilesystem => Fault::Full,
            _ => Fault::Fatal(error.to_string()),
        }
    }
}

/// Why the file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The library is too old to be trusted.
    #[error("SQLite {found} is too old: {least} at least")]
    OldSqlite {
        /// What is linked.
        found: i32,
        /// What is needed.
        least: i32,
    },
    /// Another program's file.
    #[error("{0} is not a file of this program")]
    Foreign(PathBuf),
    /// Written by a later program.
    #[error("the file has schema {found}, this program knows {known}: it was written by a later version")]
    Newer {
        /// In the file.
        found: i32,
        /// Known.
        known: i32,
    },
    /// Damaged: it may be put aside.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    /// A setting that did not take.
    #[error("{what} is {found}, not {wanted}")]
    Profile {
        /// Which.
        what: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        wanted: String,
    },
    /// Anything else.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                OpenError::Damaged(error.to_string())
            }
            _ => OpenError::Fault(error.into()),
        }
    }
}

/// How hard commits are made durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Every commit survives a power cut: the only setting of a real store.
    #[default]
    Full,
    /// Commits may be lost at a power cut. Only the power-cut test uses it, to prove that it bites.
    Normal,
}

/// The write connection. One thread at a time has it.
pub struct Db {
    conn: Connection,
    wal_pages: Arc<AtomicI32>,
}

impl Db {
    /// Opens or makes the file, sets the profile and asserts that it took, and brings the schema up to date.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed unless the schema was brought up.
    pub fn open(path: &Path, durability: Durability) -> Result<Self, OpenError> {
        let found = rusqlite::version_number();
        if found < SQLITE_VERSION_MIN {
            return Err(OpenError::OldSqlite { found, least: SQLITE_VERSION_MIN });
        }
        let mut conn = Connection::open(path)?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        identify(&conn, path)?;
        set_profile(&conn, durability)?;
        assert_profile(&conn, durability)?;
        migrate(&mut conn)?;
        let wal_pages = Arc::new(AtomicI32::new(0));
        let seen = Arc::clone(&wal_pages);
        conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            seen.store(pages, Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Self { conn, wal_pages })
    }

    /// The connection, for the functions of this module's tables.
    pub fn conn(&self) -> &Connection {
        &self.conn
    }

    /// Begins a transaction that may write.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn begin(&self) -> Result<(), Fault> {
        Ok(self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(|_| ())?)
    }

    /// Makes everything since [`Self::begin`] durable.
    ///
    /// # Errors
    /// [`Fault`]; then nothing of it happened.
    pub fn commit(&self) -> Result<(), Fault> {
        Ok(self.conn.prepare_cached("COMMIT")?.execute([]).map(|_| ())?)
    }

    /// Undoes everything since [`Self::begin`].
    ///
    /// # Errors
    /// [`Fault`].
    pub fn rollback(&self) -> Result<(), Fault> {
        if self.conn.is_autocommit() {
            return Ok(());
        }
        Ok(self.conn.execute_batch("ROLLBACK")?)
    }

    /// Bounds the file's size, in pages, for as long as it is open: a write that needs more finds the disk full.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn bound(&self, pages: u32) -> Result<(), Fault> {
        Ok(self.conn.query_row(&format!("PRAGMA max_page_count={pages}"), [], |_| Ok(()))?)
    }

    /// Writes the WAL back when it has grown enough. It is reused afterwards, never truncated while busy.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn checkpoint_if_due(&self) -> Result<bool, Fault> {
        if self.wal_pages.load(Ordering::Relaxed) < CHECKPOINT_PAGES {
            return Ok(false);
        }
        self.checkpoint("PASSIVE")?;
        Ok(true)
    }

    /// Writes the WAL back and cuts it; for a program that ends.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn checkpoint_fully(&self) -> Result<(), Fault> {
        self.checkpoint("TRUNCATE")
    }

    /// Gives room back that nothing uses, for a program that ends: what is freed while it runs is used again, so this is
    /// due only where much more was freed than came. Where there is no room for it, it is left for another day.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn shrink_if_due(&self) -> Result<(), Fault> {
        let pages: i64 = self.conn.pragma_query_value(None, "page_count", |row| row.get(0))?;
        let free: i64 = self.conn.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
        if free < FREE_PAGES_MIN || free < pages / FREE_PART {
            return Ok(());
        }
        match self.conn.execute_batch("VACUUM").map_err(Fault::from).and_then(|()| self.checkpoint_fully()) {
            Err(Fault::Full) => Ok(()),
            done => done,
        }
    }

    fn checkpoint(&self, how: &str) -> Result<(), Fault> {
        self.wal_pages.store(0, Ordering::Relaxed);
        Ok(self.conn.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |_| Ok(()))?)
    }
}

/// Refuses another program's file and a later one's before anything is written to it.
fn identify(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    let id: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if id != APPLICATION_ID && (id != 0 || tables != 0) {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    if version > SCHEMA_VERSION {
        return Err(OpenError::Newer { found: version, known: SCHEMA_VERSION });
    }
    Ok(())
}

fn set_profile(conn: &Connection, durability: Durability) -> Result<(), OpenError> {
    use rusqlite::config::DbConfig;
    let synchronous = synchronous(durability);
    conn.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(()))?;
    conn.execute_batch(&format!(
        "PRAGMA synchronous={synchronous}; PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; \
         PRAGMA cell_size_check=ON; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-{WRITER_CACHE_KIB};"
    ))?;
    conn.query_row("PRAGMA mmap_size=0", [], |_| Ok(())).or_else(none_is_fine)?;
    conn.busy_timeout(std::time::Duration::from_millis(5_000))?;
    stable_plans(conn)?;
    // No SQL of ours ever writes to a shadow table or the schema.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    Ok(())
}

/// A plan never depends on a value that is bound: else SQLite prepares a kept statement again for each new value.
fn stable_plans(conn: &Connection) -> Result<(), rusqlite::Error> {
    conn.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}

fn none_is_fine(error: rusqlite::Error) -> Result<(), rusqlite::Error> {
    match error {
        rusqlite::Error::QueryReturnedNoRows => Ok(()),
        error => Err(error),
    }
}

fn synchronous(durability: Durability) -> i64 {
    match durability {
        Durability::Full => 2,
        Durability::Normal => 1,
    }
}

fn assert_profile(conn: &Connection, durability: Durability) -> Result<(), OpenError> {
    let wanted: [(&'static str, rusqlite::types::Value); 7] = [
        ("journal_mode", "wal".to_owned().into()),
        ("synchronous", synchronous(durability).into()),
        ("foreign_keys", 1.into()),
        ("trusted_schema", 0.into()),
        ("cell_size_check", 1.into()),
        ("wal_autocheckpoint", 0.into()),
        ("busy_timeout", 5_000.into()),
    ];
    for (what, wanted) in wanted {
        let found: rusqlite::types::Value = conn.pragma_query_value(None, what, |row| row.get(0))?;
        if found != wanted {
            return Err(OpenError::Profile {
                what,
                found: format!("{found:?}"),
                wanted: format!("{wanted:?}"),
            });
        }
    }
    Ok(())
}

fn migrate(conn: &mut Connection) -> Result<(), OpenError> {
    let version: i32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == SCHEMA_VERSION {
        return Ok(());
    }
    migrations::migrations::runner().run(conn).map_err(|e| OpenError::Damaged(format!("migration: {e}")))?;
    let done = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    done.pragma_update(None, "application_id", APPLICATION_ID)?;
    done.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    Ok(done.commit()?)
}

/// Read-only connections, made as they are needed.
pub struct Reads {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Reads {
    /// Over the file at `path`.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Mutex::new(Vec::new()) }
    }

    /// Runs `look` on one consistent picture of the file.
    ///
    /// # Errors
    /// [`Fault`], also from opening a connection; or what `look` says.
    pub fn with<T, E: From<Fault>>(&self, look: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        let conn = self.take().map_err(E::from)?;
        let answer = snapshot(&conn, look);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < READERS_MAX {
            idle.push(conn);
        }
        answer
    }

    fn take(&self) -> Result<Connection, Fault> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| self.open(), Ok)
    }

    fn open(&self) -> Result<Connection, Fault> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(&self.path, flags)?;
        conn.execute_batch(&format!(
            "PRAGMA query_only=ON; PRAGMA trusted_schema=OFF; PRAGMA cache_size=-{READER_CACHE_KIB};"
        ))?;
        stable_plans(&conn)?;
        conn.busy_timeout(std::time::Duration::from_millis(5_000))?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        Ok(conn)
    }
}

fn snapshot<T, E: From<Fault>>(
    conn: &Connection,
    look: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    let step =
        |sql: &str| conn.prepare_cached(sql).and_then(|mut s| s.execute([])).map(|_| ()).map_err(Fault::from);
    step("BEGIN")?;
    let answer = look(conn);
    step("COMMIT")?;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("tradepost-db-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        dir.join("tradepost.db")
    }

    #[test]
    fn another_programs_file_and_a_later_ones_are_refused() {
        let path = scratch("foreign");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE x (y)").unwrap();
        assert!(matches!(Db::open(&path, Durability::Full), Err(OpenError::Foreign(_))));
        let path = scratch("newer");
        drop(Db::open(&path, Durability::Full).unwrap());
        Connection::open(&path).unwrap().pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
        assert!(matches!(Db::open(&path, Durability::Full), Err(OpenError::Newer { .. })));
        let path = scratch("noise");
        std::fs::write(&path, vec![7u8; 9000]).unwrap();
        assert!(matches!(Db::open(&path, Durability::Full), Err(OpenError::Damaged(_))));
    }

    #[test]
    fn a_full_disk_is_no_broken_one() {
        let full =
            rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None);
        assert_eq!(Fault::from(full), Fault::Full);
        let broken =
            rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR), None);
        assert!(matches!(Fault::from(broken), Fault::Fatal(_)));
    }

    #[test]
    fn the_schema_is_the_committed_one() {
        let path = scratch("schema");
        let db = Db::open(&path, Durability::Full).unwrap();
        let mut statement = db
            .conn()
            .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'search_%' ORDER BY name")
            .unwrap();
        let made: Vec<String> =
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let made = format!("{};\n", made.join(";\n\n"));
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.sql");
        if std::env::var_os("TRADEPOST_BLESS").is_some() {
            std::fs::write(&golden, &made).unwrap();
        }
        assert_eq!(std::fs::read_to_string(golden).unwrap(), made, "run scripts/goldens and read the diff");
    }
}
