//! PostgreSQL, through the synchronous face of its client. Only this module knows the server.

pub(super) mod bulk;
mod partitions;

use super::{DbError, Row, Tx, Value};
use ::postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use ::postgres::{Client, Config, NoTls, Statement, Transaction};
use bytes::BytesMut;
use std::collections::HashMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

mod migrations {
    refinery::embed_migrations!("migrations/postgres");
}

/// Connections kept open.
const IDLE_MAX: usize = 8;
/// A connection on which nothing came for so long is asked whether the other side is there.
const QUIET: Duration = Duration::from_secs(10);
/// Which of the hub's processes may migrate: the one that holds this advisory lock.
const MIGRATION_LOCK: i64 = 0x7472_6862;

/// A hub's PostgreSQL database.
pub struct Postgres {
    config: Config,
    idle: Mutex<Vec<Connection>>,
}

struct Connection {
    client: Client,
    statements: HashMap<String, Statement>,
}

/// A transaction with the connection's prepared statements.
pub struct PgTx<'c> {
    pub(super) tx: Transaction<'c>,
    statements: &'c mut HashMap<String, Statement>,
}

impl Postgres {
    /// Connects, brings the schema up to date and makes partitions ahead. `url` is `postgres://…`.
    pub fn open(url: &str) -> Result<Self, DbError> {
        let config = configured(url)?;
        let db = Self { config, idle: Mutex::new(Vec::new()) };
        let mut connection = db.connect()?;
        migrate(&mut connection.client)?;
        partitions::make_ahead(&mut connection.client, jiff::Timestamp::now())?;
        db.give_back(connection);
        Ok(db)
    }

    pub(super) fn write<T, E: From<DbError>>(
        &self,
        job: &mut impl FnMut(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.with(|connection| {
            let Connection { client, statements } = connection;
            let tx = client.transaction().map_err(DbError::from)?;
            let mut tx = Tx::Postgres(PgTx { tx, statements });
            let answer = job(&mut tx)?;
            if let Tx::Postgres(tx) = tx {
                tx.tx.commit().map_err(DbError::from)?;
            }
            Ok(answer)
        })
    }

    pub(super) fn read<T, E: From<DbError>>(
        &self,
        job: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.with(|connection| {
            let Connection { client, statements } = connection;
            let level = ::postgres::IsolationLevel::RepeatableRead;
            let tx = client.build_transaction().read_only(true).isolation_level(level).start();
            job(&mut Tx::Postgres(PgTx { tx: tx.map_err(DbError::from)?, statements }))
        })
    }

    /// A connection that was lost is dropped; the next one asked for is new.
    fn with<T, E: From<DbError>>(&self, job: impl FnOnce(&mut Connection) -> Result<T, E>) -> Result<T, E> {
        let idle = self.lock().pop().filter(|connection| !connection.client.is_closed());
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let answer = job(&mut connection);
        if !connection.client.is_closed() {
            self.give_back(connection);
        }
        answer
    }

    fn connect(&self) -> Result<Connection, DbError> {
        let client = self.config.connect(NoTls).map_err(|e| DbError::Unreachable(why(&e)))?;
        Ok(Connection { client, statements: HashMap::new() })
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.lock();
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a server is reached, and when a way to it counts as cut. A server that is at work, or stands still on a machine that
/// answers, is waited for: what it was told may have happened. Where nothing comes back from the machine at all (its
/// power is gone, a firewall has forgotten the connection) the system gives the connection up, else a call would wait for
/// a quarter of an hour, and one that only reads for ever.
fn configured(url: &str) -> Result<Config, DbError> {
    let mut config: Config = url.parse().map_err(|e: ::postgres::Error| DbError::Other(e.to_string()))?;
    config.connect_timeout(Duration::from_secs(5)).application_name("tradepost-hub");
    config.keepalives(true).keepalives_idle(QUIET).keepalives_interval(QUIET / 2).keepalives_retries(3);
    config.tcp_user_timeout(QUIET * 2);
    Ok(config)
}

fn migrate(client: &mut Client) -> Result<(), DbError> {
    client.execute("SELECT pg_advisory_lock($1)", &[&MIGRATION_LOCK])?;
    let answer = migrations::migrations::runner().run(client);
    client.execute("SELECT pg_advisory_unlock($1)", &[&MIGRATION_LOCK])?;
    answer.map(|_| ()).map_err(|e| DbError::Other(e.to_string()))
}

impl PgTx<'_> {
    pub(super) fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, DbError> {
        let statement = self.prepared(sql)?;
        Ok(self.tx.execute(&statement, &given(values))?)
    }

    pub(super) fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, DbError> {
        let statement = self.prepared(sql)?;
        let rows = self.tx.query(&statement, &given(values))?;
        let read = |row: ::postgres::Row| {
            (0..row.len()).map(|at| row.try_get(at)).collect::<Result<_, _>>().map(Row)
        };
        rows.into_iter().map(|row| read(row).map_err(DbError::from)).collect()
    }

    /// The hub's SQL writes values as `?1`; PostgreSQL as `$1`. No text in our statements holds a question mark.
    pub(super) fn prepared(&mut self, sql: &str) -> Result<Statement, DbError> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.tx.prepare(&sql.replace('?', "$"))?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

fn given(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(n) if *ty == Type::INT4 => i32::try_from(*n)?.to_sql(ty, out),
            Self::Int(n) => n.to_sql(ty, out),
            Self::Text(text) => text.to_sql(ty, out),
            Self::Bytes(bytes) => bytes.to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(match *ty {
            Type::INT8 => Self::Int(i64::from_sql(ty, raw)?),
            Type::INT4 => Self::Int(i32::from_sql(ty, raw)?.into()),
            Type::BYTEA => Self::Bytes(Vec::from_sql(ty, raw)?),
            _ => Self::Text(String::from_sql(ty, raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT8, Type::INT4, Type::BYTEA].contains(ty) || <String as FromSql<'_>>::accepts(ty)
    }
}

fn why(error: &::postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |e| e.message().to_owned())
}

impl From<::postgres::Error> for DbError {
    fn from(error: ::postgres::Error) -> Self {
        let why = why(&error);
        let Some(code) = error.code() else {
            return if error.is_closed() || error.source().is_some_and(|e| e.is::<std::io::Error>()) {
                Self::Unreachable(why)
            } else {
                Self::Other(why)
            };
        };
        match code.code() {
            "40001" | "40P01" | "55P03" => Self::Busy(why),
            "53100" => Self::Full,
            class if class.starts_with("23") => Self::Constraint(why),
            class if class.starts_with("08") || class.starts_with("57P") => Self::Unreachable(why),
            _ => Self::Other(why),
        }
    }
}
