//! Every incarnation this node knows, by a small number, with the end of its stream.

use super::Fault;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tradepost_sync::clock::Hlc;
use tradepost_sync::event::Head;
use tradepost_sync::frontier::{Frontier, HeadMark};
use tradepost_sync::ids::{Hash, Incarnation};
use tradepost_sync::signing::DeviceKey;

/// What an incarnation is to this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The one that writes now.
    Present = 1,
    /// This node's, before it lost memory.
    Lost = 2,
    /// This node's, alone before enrolment: its events are documents only.
    Lone = 3,
    /// The hub's, `H_s`, or one of before the hub was restored.
    Hub = 4,
    /// Another node's of the store.
    Other = 5,
    /// Another node's, alone before enrolment: its events are documents only.
    OtherLone = 6,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its small number.
    pub no: i64,
    /// What it is here.
    pub part: Part,
    /// The end of its stream.
    pub head: Head,
    /// The hub holds it durably up to here.
    pub acked: u64,
    /// Whose signature its batches bear.
    pub device_key: Option<DeviceKey>,
    /// In the signed roster, or alone.
    pub registered: bool,
    /// Fenced by the hub.
    pub fenced: bool,
    /// Its stream has ended.
    pub retired: bool,
    /// A name people know it by, from the roster.
    pub name: String,
}

const COLUMNS: &str = "no, id, role, seq, hash, hlc, acked, device_key, registered, fenced, retired, name";

impl Known {
    /// Its id.
    pub fn id(&self) -> Incarnation {
        self.head.incarnation
    }

    /// Whether its events move rights and goods: a lone log is documents only (`model.md` §4).
    pub fn moves_stock(&self) -> bool {
        !matches!(self.part, Part::Lone | Part::OtherLone)
    }

    /// Whether the signed roster lets it take part.
    pub fn admitted(&self) -> bool {
        self.registered && !self.fenced && !self.retired
    }

    /// The end of its stream, where it has one.
    pub fn mark(&self) -> HeadMark {
        HeadMark { incarnation: self.head.incarnation, seq: self.head.seq, hash: self.head.hash }
    }
}

/// The one that writes now.
///
/// # Errors
/// [`Fault`].
pub fn present(conn: &Connection) -> Result<Option<Known>, Fault> {
    one(conn, "role = 1", params![])
}

/// By its id.
///
/// # Errors
/// [`Fault`].
pub fn find(conn: &Connection, id: &Incarnation) -> Result<Option<Known>, Fault> {
    one(conn, "id = ?1", params![id.0])
}

/// By its number.
///
/// # Errors
/// [`Fault`].
pub fn by_no(conn: &Connection, no: i64) -> Result<Option<Known>, Fault> {
    one(conn, "no = ?1", params![no])
}

/// The hub's present one: those of before a restore are fenced.
///
/// # Errors
/// [`Fault`].
pub fn hub(conn: &Connection) -> Result<Option<Known>, Fault> {
    one(conn, "role = 4 ORDER BY fenced, no DESC LIMIT 1", params![])
}

/// All of them, by number.
///
/// # Errors
/// [`Fault`].
pub fn all(conn: &Connection) -> Result<Vec<Known>, Fault> {
    let mut statement = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM incarnations ORDER BY no"))?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How far this replica's log reaches.
///
/// # Errors
/// [`Fault`].
pub fn frontier(conn: &Connection) -> Result<Frontier, Fault> {
    Ok(Frontier::from_heads(all(conn)?.iter().filter(|k| k.head.seq > 0).map(Known::mark)))
}

/// Makes an incarnation known, with an empty stream; answers its number.
///
/// # Errors
/// [`Fault`].
pub fn insert(conn: &Connection, id: &Incarnation, part: Part) -> Result<i64, Fault> {
    conn.prepare_cached("INSERT INTO incarnations (id, role, hash) VALUES (?1, ?2, ?3)")?
        .execute(params![id.0, part as i64, Hash::ZERO.0])?;
    Ok(conn.last_insert_rowid())
}

/// Its number; made known as `part` where it isn't.
///
/// # Errors
/// [`Fault`].
pub fn intern(conn: &Connection, id: &Incarnation, part: Part) -> Result<i64, Fault> {
    match find(conn, id)? {
        Some(known) => Ok(known.no),
        None => insert(conn, id, part),
    }
}

/// Changes what it is to this node.
///
/// # Errors
/// [`Fault`].
pub fn set_part(conn: &Connection, no: i64, part: Part) -> Result<(), Fault> {
    conn.execute("UPDATE incarnations SET role = ?2 WHERE no = ?1", params![no, part as i64])?;
    Ok(())
}

/// Moves the end of its stream.
///
/// # Errors
/// [`Fault`].
pub fn set_head(conn: &Connection, no: i64, head: &Head) -> Result<(), Fault> {
    conn.prepare_cached("UPDATE incarnations SET seq = ?2, hash = ?3, hlc = ?4 WHERE no = ?1")?
        .execute(params![no, int(head.seq), head.hash.0, head.hlc.0.cast_signed()])?;
    Ok(())
}

/// Notes how far the hub holds it.
///
/// # Errors
/// [`Fault`].
pub fn set_acked(conn: &Connection, no: i64, seq: u64) -> Result<(), Fault> {
    conn.prepare_cached("UPDATE incarnations SET acked = max(acked, ?2) WHERE no = ?1")?
        .execute(params![no, int(seq)])?;
    Ok(())
}

/// Its stream was cut back: the hub holds what is left, at most.
///
/// # Errors
/// [`Fault`].
pub fn set_acked_back(conn: &Connection, no: i64, seq: u64) -> Result<(), Fault> {
    conn.prepare_cached("UPDATE incarnations SET acked = min(acked, ?2) WHERE no = ?1")?
        .execute(params![no, int(seq)])?;
    Ok(())
}

/// Notes what the roster says of it.
///
/// # Errors
/// [`Fault`].
pub fn set_standing(
    conn: &Connection,
    no: i64,
    key: Option<&DeviceKey>,
    registered: bool,
    fenced: bool,
    retired: bool,
) -> Result<(), Fault> {
    conn.execute(
        "UPDATE incarnations SET device_key = coalesce(?2, device_key), registered = ?3, fenced = ?4, \
         retired = ?5 WHERE no = ?1",
        params![no, key.map(|k| k.to_vec()), registered, fenced, retired],
    )?;
    Ok(())
}

/// Notes the name that the roster gives it.
///
/// # Errors
/// [`Fault`].
pub fn set_name(conn: &Connection, no: i64, name: &str) -> Result<(), Fault> {
    conn.execute("UPDATE incarnations SET name = ?2 WHERE no = ?1", params![no, name])?;
    Ok(())
}

/// Those of the store's other nodes that the signed roster lets in.
///
/// # Errors
/// [`Fault`].
pub fn neighbours(conn: &Connection) -> Result<Vec<Known>, Fault> {
    Ok(all(conn)?.into_iter().filter(|k| k.part == Part::Other && k.admitted()).collect())
}

fn one(conn: &Connection, which: &str, params: impl rusqlite::Params) -> Result<Option<Known>, Fault> {
    let mut statement = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM incarnations WHERE {which}"))?;
    Ok(statement.query_row(params, read).optional()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Known> {
    let part = match row.get::<_, i64>(2)? {
        1 => Part::Present,
        2 => Part::Lost,
        3 => Part::Lone,
        4 => Part::Hub,
        6 => Part::OtherLone,
        _ => Part::Other,
    };
    Ok(Known {
        no: row.get(0)?,
        part,
        head: Head {
            incarnation: Incarnation(row.get(1)?),
            seq: unsigned(row.get(3)?),
            hash: Hash(row.get(4)?),
            hlc: Hlc(row.get::<_, i64>(5)?.cast_unsigned()),
        },
        acked: unsigned(row.get(6)?),
        device_key: row.get::<_, Option<Vec<u8>>>(7)?.and_then(|key| key.try_into().ok()),
        registered: row.get(8)?,
        fenced: row.get(9)?,
        retired: row.get(10)?,
        name: row.get(11)?,
    })
}

/// Counters never come near the end of SQLite's integers.
pub fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The way back.
pub fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
