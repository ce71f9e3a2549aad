//! The hub's database: one schema, two engines (`hub.md`, Engines).
//!
//! Synchronous for both members; it runs on blocking threads and decides nothing. Statements are written once, with
//! `?1` for values, in the SQL that both engines speak; only what must be quick in bulk (a batch's rows) is written
//! for each engine in its own module.

pub mod audit_trail;
pub mod authors;
pub mod booking;
pub mod burns;
pub mod carts;
pub mod catalog;
pub mod consumers;
pub mod counts;
pub mod customers;
pub mod days;
pub mod enrolments;
pub mod events;
pub mod lent;
pub mod orders;
pub mod outbox;
pub mod pools;
pub mod postgres;
pub mod products;
pub mod recoveries;
pub mod recovery;
pub mod reservations;
pub mod review;
pub mod said;
pub mod shifts;
pub mod shipments;
pub mod shoppers;
pub mod sqlite;
pub mod staff;
pub mod stock;
pub mod stored;
pub mod stores;
mod value;
pub mod web_orders;
pub mod web_payments;
pub mod webhooks;

pub use value::{FromValue, Row, Value};

use crate::config::DatabaseAddress;
use std::path::Path;

/// Why a database didn't do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// It can't be reached, or was lost on the way: nothing is known to have happened.
    #[error("the database can't be reached: {0}")]
    Unreachable(String),
    /// Somebody else was in the way (lock, deadlock); asking again may do.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// No room is left.
    #[error("the database's disk is full")]
    Full,
    /// A rule of the schema was broken.
    #[error("a rule of the database was broken: {0}")]
    Constraint(String),
    /// Rows aren't what the program takes them to be.
    #[error("the database holds something unexpected: {0}")]
    Shape(String),
    /// Anything else.
    #[error("the database failed: {0}")]
    Other(String),
}

/// The engines there are.
pub enum Db {
    /// One SQLite file: nothing to install.
    Sqlite(sqlite::Sqlite),
    /// A PostgreSQL server.
    Postgres(postgres::Postgres),
}

/// One transaction. Dropped without a commit it leaves nothing behind.
pub enum Tx<'c> {
    /// In SQLite.
    Sqlite(rusqlite::Transaction<'c>),
    /// In PostgreSQL.
    Postgres(postgres::PgTx<'c>),
}

/// How often a transaction that lost against another one is tried again.
const TRIES_MAX: u32 = 10;

impl Db {
    /// Opens the database, bringing its schema up to date.
    pub fn open(address: &DatabaseAddress, data_dir: &Path) -> Result<Self, DbError> {
        match address {
            DatabaseAddress::Sqlite => sqlite::Sqlite::open(&data_dir.join("hub.db")).map(Self::Sqlite),
            DatabaseAddress::Postgres(url) => postgres::Postgres::open(url).map(Self::Postgres),
        }
    }

    /// Runs `job` in one transaction and commits it durably if it answers well; tried again from the start where
    /// another transaction was in the way.
    pub fn write<T, E: From<DbError> + AsDbError>(
        &self,
        mut job: impl FnMut(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        for _ in 1..TRIES_MAX {
            match self.write_once(&mut job) {
                Err(error) if matches!(error.as_db(), Some(DbError::Busy(_))) => {}
                answer => return answer,
            }
        }
        self.write_once(&mut job)
    }

    fn write_once<T, E: From<DbError>>(
        &self,
        job: &mut impl FnMut(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        match self {
            Self::Sqlite(db) => db.write(job),
            Self::Postgres(db) => db.write(job),
        }
    }

    /// Runs `job` over one unchanging view of the data.
    pub fn read<T, E: From<DbError>>(&self, job: impl FnOnce(&mut Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        match self {
            Self::Sqlite(db) => db.read(job),
            Self::Postgres(db) => db.read(job),
        }
    }

    /// The engine's name, for people.
    pub fn engine(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// Hub time in milliseconds: the database's clock, never a process's (`model.md` §1). An embedded database has
    /// the machine's.
    pub fn now(&self) -> Result<i64, DbError> {
        match self {
            Self::Sqlite(db) => Ok(db.now()),
            Self::Postgres(_) => self.read(|tx| {
                let sql = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
                tx.row(sql, &[])?.ok_or_else(|| DbError::Shape("no clock".to_owned()))?.get(0)
            }),
        }
    }
}

/// An error that may have come from the database.
pub trait AsDbError {
    /// The database's error, if it is one.
    fn as_db(&self) -> Option<&DbError>;
}

impl AsDbError for DbError {
    fn as_db(&self) -> Option<&DbError> {
        Some(self)
    }
}

impl Tx<'_> {
    /// Runs a statement; the number of rows it touched.
    pub fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, DbError> {
        match self {
            Self::Sqlite(tx) => sqlite::execute(tx, sql, values),
            Self::Postgres(tx) => tx.execute(sql, values),
        }
    }

    /// Asks for rows.
    pub fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, DbError> {
        match self {
            Self::Sqlite(tx) => sqlite::rows(tx, sql, values),
            Self::Postgres(tx) => tx.rows(sql, values),
        }
    }

    /// Asks for at most one row.
    pub fn row(&mut self, sql: &str, values: &[Value]) -> Result<Option<Row>, DbError> {
        Ok(self.rows(sql, values)?.into_iter().next())
    }

    /// Asks for a row and locks it until the transaction ends. SQLite's writers have the whole file anyway.
    pub fn row_locked(&mut self, sql: &str, values: &[Value]) -> Result<Option<Row>, DbError> {
        match self {
            Self::Sqlite(_) => self.row(sql, values),
            Self::Postgres(_) => self.row(&format!("{sql} FOR UPDATE"), values),
        }
    }
}
