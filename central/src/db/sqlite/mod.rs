//! The embedded engine: one SQLite file, one writer, a few readers.

pub(super) mod bulk;

use super::{DbError, Row, Tx, Value};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, Transaction, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

mod migrations {
    refinery::embed_migrations!("migrations/sqlite");
}

/// Marks the file as a hub's.
const APPLICATION_ID: i64 = 0x7472_6862;
/// WAL pages after which the writer checkpoints, inline (`resilience.md`).
const CHECKPOINT_PAGES: u32 = 4_000;
/// Readers kept open.
const READERS_MAX: usize = 4;

/// Reads the time in milliseconds since 1970 UTC.
pub type Clock = Box<dyn Fn() -> i64 + Send + Sync>;

/// A hub's SQLite file.
pub struct Sqlite {
    path: PathBuf,
    clock: Clock,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

impl Sqlite {
    /// Opens or makes the file, with the storage profile of `resilience.md`, and brings its schema up to date.
    pub fn open(path: &Path) -> Result<Self, DbError> {
        let mut writer = Connection::open(path)?;
        profile(&writer)?;
        claim(&writer)?;
        migrations::migrations::runner().run(&mut writer).map_err(|e| DbError::Other(e.to_string()))?;
        writer.set_prepared_statement_cache_capacity(256);
        let clock: Clock = Box::new(|| jiff::Timestamp::now().as_millisecond());
        let (writer, readers) = (Mutex::new(writer), Mutex::new(Vec::new()));
        Ok(Self { path: path.to_owned(), clock, writer, readers })
    }

    /// The same file under another clock than the machine's: whoever drives a whole hub by hand says what time it is.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    pub(super) fn now(&self) -> i64 {
        (self.clock)()
    }

    pub(super) fn write<T, E: From<DbError>>(
        &self,
        job: &mut impl FnMut(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut writer = lock(&self.writer);
        let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(DbError::from)?;
        let mut tx = Tx::Sqlite(tx);
        let answer = job(&mut tx)?;
        if let Tx::Sqlite(tx) = tx {
            tx.commit().map_err(DbError::from)?;
        }
        Ok(answer)
    }

    pub(super) fn read<T, E: From<DbError>>(
        &self,
        job: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut reader = self.reader()?;
        let answer = {
            let tx = reader.transaction().map_err(DbError::from)?;
            job(&mut Tx::Sqlite(tx))
        };
        let mut readers = lock(&self.readers);
        if readers.len() < READERS_MAX {
            readers.push(reader);
        }
        answer
    }

    fn reader(&self) -> Result<Connection, DbError> {
        if let Some(reader) = lock(&self.readers).pop() {
            return Ok(reader);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = Connection::open_with_flags(&self.path, flags)?;
        reader.pragma_update(None, "query_only", true)?;
        reader.pragma_update(None, "trusted_schema", false)?;
        reader.busy_timeout(std::time::Duration::from_secs(5))?;
        reader.set_prepared_statement_cache_capacity(128);
        Ok(reader)
    }
}

/// A panic while the lock was held rolled its transaction back: the connection itself is sound.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn profile(db: &Connection) -> Result<(), DbError> {
    if rusqlite::version_number() < 3_051_003 {
        return Err(DbError::Other("SQLite before 3.51.3 may lose commits".to_owned()));
    }
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "mmap_size", 0)?;
    db.pragma_update(None, "trusted_schema", false)?;
    db.pragma_update(None, "cell_size_check", true)?;
    db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    let synchronous: i64 = db.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    let journal: String = db.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if synchronous != 2 || journal != "wal" {
        return Err(DbError::Other(format!("storage profile refused: {journal}, synchronous {synchronous}")));
    }
    Ok(())
}

/// Takes the file for its own, or refuses another program's.
fn claim(db: &Connection) -> Result<(), DbError> {
    let id: i64 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (id, tables) {
        (APPLICATION_ID, _) => Ok(()),
        (0, 0) => Ok(db.pragma_update(None, "application_id", APPLICATION_ID)?),
        _ => Err(DbError::Other("the file is not a hub's database".to_owned())),
    }
}

pub(super) fn execute(tx: &Transaction<'_>, sql: &str, values: &[Value]) -> Result<u64, DbError> {
    let touched = tx.prepare_cached(sql)?.execute(rusqlite::params_from_iter(values))?;
    Ok(u64::try_from(touched).unwrap_or(u64::MAX))
}

pub(super) fn rows(tx: &Transaction<'_>, sql: &str, values: &[Value]) -> Result<Vec<Row>, DbError> {
    let mut statement = tx.prepare_cached(sql)?;
    let columns = statement.column_count();
    let mut found = statement.query(rusqlite::params_from_iter(values))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let read = |at| row.get_ref(at).map_err(DbError::from).and_then(value_of);
        rows.push(Row((0..columns).map(read).collect::<Result<_, _>>()?));
    }
    Ok(rows)
}

fn value_of(value: ValueRef<'_>) -> Result<Value, DbError> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(n) => Value::Int(n),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Real(_) => return Err(DbError::Shape("a fraction, where the schema has none".to_owned())),
    })
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(n) => ValueRef::Integer(*n),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy(error.to_string()),
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ConstraintViolation) => Self::Constraint(error.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }
}
