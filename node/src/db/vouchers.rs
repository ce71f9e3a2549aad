//! Vouchers and gift cards: what was sold and redeemed of each, as the documents known here tell.

use super::Fault;
use rusqlite::{Connection, OptionalExtension, params};

/// What is known of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Voucher {
    /// Minor units that were paid for it.
    pub sold: i64,
    /// Minor units that were paid with it.
    pub redeemed: i64,
}

/// What is known of a code.
///
/// # Errors
/// [`Fault`].
pub fn find(conn: &Connection, code: &str) -> Result<Option<Voucher>, Fault> {
    let mut statement = conn.prepare_cached("SELECT sold, redeemed FROM vouchers WHERE code = ?1")?;
    let found = statement.query_row([code], |row| Ok(Voucher { sold: row.get(0)?, redeemed: row.get(1)? }));
    Ok(found.optional()?)
}

/// Adds to what is known; amounts below zero take away.
///
/// # Errors
/// [`Fault`].
pub fn add(conn: &Connection, code: &str, sold: i64, redeemed: i64) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO vouchers (code, sold, redeemed) VALUES (?1, ?2, ?3) \
         ON CONFLICT (code) DO UPDATE SET sold = sold + ?2, redeemed = redeemed + ?3",
    )?
    .execute(params![code, sold, redeemed])?;
    Ok(())
}
