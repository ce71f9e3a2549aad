//! Incarnations, interned as authors, and the ends of their streams.

use super::{DbError, Row, Tx};
use crate::values;
use tradepost_commerce::document::CatalogVersion;
use tradepost_sync::clock::{Hlc, UtcMs};
use tradepost_sync::event::Head;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Hash, Incarnation};
use tradepost_sync::signing::DeviceKey;

/// What an author is to the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The hub's own incarnation for a store (`H_s`).
    Hub,
    /// An enrolled node.
    Node,
    /// A node as it was before its enrolment: its log is documents only.
    Lone,
}

/// Where an author stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It may write.
    Live,
    /// It may write facts, but no rights.
    Fenced,
    /// Its stream has ended.
    Retired,
    /// Its stream contradicts itself.
    Quarantined,
}

/// One incarnation.
#[derive(Clone, Debug)]
pub struct Author {
    /// Its number inside this database.
    pub no: i64,
    /// Who.
    pub incarnation: Incarnation,
    /// Whose store.
    pub store: i64,
    /// What it is.
    pub role: Role,
    /// Its device key.
    pub device_key: DeviceKey,
    /// A name people know it by.
    pub name: String,
    /// Name and version of its program, as it said last.
    pub program: String,
    /// Where it stands.
    pub state: State,
    /// When it was enrolled.
    pub registered_at: UtcMs,
    /// When it last said hello.
    pub last_contact: Option<UtcMs>,
    /// The catalog it holds.
    pub catalog: CatalogVersion,
    /// The author that came after it.
    pub successor: Option<i64>,
    /// The end of its stream here.
    pub head: Head,
}

const COLUMNS: &str = "author, incarnation, store, role, device_key, name, program, state, registered_at, \
    last_contact, catalog_epoch, catalog_version, successor, head_seq, head_hash, head_hlc";

impl Author {
    /// The end of its stream, where there is one.
    pub fn mark(&self) -> Option<HeadMark> {
        let Head { incarnation, seq, hash, .. } = self.head;
        (seq > 0).then_some(HeadMark { incarnation, seq, hash })
    }

    /// Whether its events move rights and goods: a lone log is documents only (`model.md` §4).
    pub fn moves_stock(&self) -> bool {
        self.role != Role::Lone
    }

    fn from_row(row: &Row) -> Result<Self, DbError> {
        let incarnation = row.get(1)?;
        let hlc: i64 = row.get(15)?;
        Ok(Self {
            no: row.get(0)?,
            incarnation,
            store: row.get(2)?,
            role: Role::parse(&row.get::<String>(3)?)?,
            device_key: row.get(4)?,
            name: row.get(5)?,
            program: row.get(6)?,
            state: State::parse(&row.get::<String>(7)?)?,
            registered_at: row.get(8)?,
            last_contact: row.get(9)?,
            catalog: CatalogVersion { epoch: row.get(10)?, version: row.get(11)? },
            successor: row.get(12)?,
            head: Head { incarnation, seq: row.get(13)?, hash: row.get(14)?, hlc: Hlc(hlc.cast_unsigned()) },
        })
    }
}

impl Role {
    fn text(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::Node => "node",
            Self::Lone => "lone",
        }
    }

    fn parse(text: &str) -> Result<Self, DbError> {
        match text {
            "hub" => Ok(Self::Hub),
            "node" => Ok(Self::Node),
            "lone" => Ok(Self::Lone),
            other => Err(DbError::Shape(format!("role {other}"))),
        }
    }
}

impl State {
    fn text(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Fenced => "fenced",
            Self::Retired => "retired",
            Self::Quarantined => "quarantined",
        }
    }

    fn parse(text: &str) -> Result<Self, DbError> {
        match text {
            "live" => Ok(Self::Live),
            "fenced" => Ok(Self::Fenced),
            "retired" => Ok(Self::Retired),
            "quarantined" => Ok(Self::Quarantined),
            other => Err(DbError::Shape(format!("state {other}"))),
        }
    }
}

/// An author to be.
#[derive(Clone, Debug)]
pub struct NewAuthor<'a> {
    /// Who.
    pub incarnation: Incarnation,
    /// Whose store.
    pub store: i64,
    /// What it is.
    pub role: Role,
    /// Its device key.
    pub device_key: DeviceKey,
    /// A name people know it by.
    pub name: &'a str,
    /// Name and version of its program.
    pub program: &'a str,
    /// The author that comes after it.
    pub successor: Option<i64>,
}

/// Registers an incarnation; its number.
pub fn insert(tx: &mut Tx<'_>, new: &NewAuthor<'_>, now: UtcMs) -> Result<i64, DbError> {
    let sql = "INSERT INTO authors (incarnation, store, role, device_key, name, program, state, registered_at, \
        successor, head_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'live', ?7, ?8, ?9) RETURNING author";
    let key = new.device_key.as_slice();
    let given = values![
        new.incarnation,
        new.store,
        new.role.text(),
        key,
        new.name,
        new.program,
        now,
        new.successor,
        Hash::ZERO
    ];
    tx.row(sql, given)?.ok_or_else(|| DbError::Shape("no author".to_owned()))?.get(0)
}

/// The author of an incarnation.
pub fn find(tx: &mut Tx<'_>, incarnation: &Incarnation) -> Result<Option<Author>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM authors WHERE incarnation = ?1");
    tx.row(&sql, values![*incarnation])?.as_ref().map(Author::from_row).transpose()
}

/// The author of an incarnation, its head row locked until the transaction ends.
pub fn find_locked(tx: &mut Tx<'_>, incarnation: &Incarnation) -> Result<Option<Author>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM authors WHERE incarnation = ?1");
    tx.row_locked(&sql, values![*incarnation])?.as_ref().map(Author::from_row).transpose()
}

/// The author with a number.
pub fn by_no(tx: &mut Tx<'_>, no: i64) -> Result<Option<Author>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM authors WHERE author = ?1");
    tx.row(&sql, values![no])?.as_ref().map(Author::from_row).transpose()
}

/// Every author of a store, by number.
pub fn of_store(tx: &mut Tx<'_>, store: i64) -> Result<Vec<Author>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM authors WHERE store = ?1 ORDER BY author");
    tx.rows(&sql, values![store])?.iter().map(Author::from_row).collect()
}

/// Every author, by store and number.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<Author>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM authors ORDER BY store, author");
    tx.rows(&sql, &[])?.iter().map(Author::from_row).collect()
}

/// Moves an author's stream on to `head`.
pub fn set_head(tx: &mut Tx<'_>, no: i64, head: &Head) -> Result<(), DbError> {
    let sql = "UPDATE authors SET head_seq = ?2, head_hash = ?3, head_hlc = ?4 WHERE author = ?1";
    tx.execute(sql, values![no, head.seq, head.hash, head.hlc.0.cast_signed()]).map(|_| ())
}

/// Changes where an author stands.
pub fn set_state(tx: &mut Tx<'_>, no: i64, state: State) -> Result<(), DbError> {
    tx.execute("UPDATE authors SET state = ?2 WHERE author = ?1", values![no, state.text()]).map(|_| ())
}

/// Names the author that came after one.
pub fn set_successor(tx: &mut Tx<'_>, no: i64, successor: i64) -> Result<(), DbError> {
    tx.execute("UPDATE authors SET successor = ?2 WHERE author = ?1", values![no, successor]).map(|_| ())
}

/// Notes that a node said hello: when, with what program, holding which catalog.
pub fn set_contact(
    tx: &mut Tx<'_>,
    no: i64,
    now: UtcMs,
    program: &str,
    has: CatalogVersion,
) -> Result<(), DbError> {
    let sql = "UPDATE authors SET last_contact = ?2, program = ?3, catalog_epoch = ?4, catalog_version = ?5 \
        WHERE author = ?1";
    tx.execute(sql, values![no, now, program, has.epoch, has.version]).map(|_| ())
}

/// Notes that a node holds the catalog up to `has`.
pub fn set_catalog(tx: &mut Tx<'_>, no: i64, now: UtcMs, has: CatalogVersion) -> Result<(), DbError> {
    let sql =
        "UPDATE authors SET last_contact = ?2, catalog_epoch = ?3, catalog_version = ?4 WHERE author = ?1";
    tx.execute(sql, values![no, now, has.epoch, has.version]).map(|_| ())
}
