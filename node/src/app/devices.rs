//! Devices beyond the node's own machine: each gets a token once, by a code that somebody who may has made
//! (`resilience.md`, Attacks: no cookie is an authority).
//!
//! A code is short enough to be typed and good once and for ten minutes: 40 random bits aren't guessed in that time. A
//! token is 32 random bytes; of both only hashes are kept.

use super::clock::Now;
use super::node::Node;
use super::policy::Act;
use super::problem::{Answer, Code, no};
use super::request::Till;
use super::staff::{self, Approved, Used};
use crate::db::Fault;
use crate::db::devices::{self, DeviceRow, PairingRow};
use rusqlite::Connection;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::{Id, derived_id};

/// How long a code is good.
const CODE_MS: i64 = 10 * 60 * 1_000;
/// What codes are made of: letters and digits that aren't taken for one another.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Letters of a code.
const CODE_LETTERS: usize = 8;

/// What a device may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// Everything a till does.
    Till = 1,
    /// Show the customer what a till collects.
    Display = 2,
}

impl DeviceKind {
    /// Its name outside.
    pub fn name(self) -> &'static str {
        match self {
            DeviceKind::Till => "till",
            DeviceKind::Display => "display",
        }
    }

    fn of_number(number: i64) -> Self {
        if number == DeviceKind::Till as i64 { DeviceKind::Till } else { DeviceKind::Display }
    }
}

/// A paired device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub id: Id,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub kind: DeviceKind,
    /// The till it stands at.
    pub till: String,
    /// When it was paired.
    pub made: UtcMs,
}

/// What a code is to be good for.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// What the device will be called.
    pub name: String,
    /// What it may do.
    pub kind: DeviceKind,
    /// The till it stands at.
    pub till: Till,
}

/// A code, as it is told once.
#[derive(Clone, Debug)]
pub struct Invited {
    /// The code, in two groups.
    pub code: String,
    /// When it runs out.
    pub until: UtcMs,
}

/// A device that was just paired.
#[derive(Clone, Debug)]
pub struct Paired {
    /// The device.
    pub device: Device,
    /// Its token, told this once.
    pub token: String,
}

fn show(row: DeviceRow) -> Device {
    let kind = DeviceKind::of_number(row.kind);
    Device { id: row.id, name: row.name, kind, till: row.till, made: row.made }
}

fn hash_of_token(token: &str) -> [u8; 32] {
    blake3::derive_key("tradepost device token v1", token.as_bytes())
}

/// Case, spaces and hyphens don't count, nor letters that look like a digit.
fn hash_of_code(code: &str) -> [u8; 32] {
    let plain: String = code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect();
    blake3::derive_key("tradepost pairing code v1", plain.as_bytes())
}

/// Makes a code for a device.
///
/// # Errors
/// `APPROVAL_REQUIRED`; or a fault.
pub fn invite(
    node: &mut Node,
    now: Now,
    invitation: &Invitation,
    approved: Option<&Approved>,
) -> Answer<Invited> {
    if let Some(by) = staff::allow(node, None, Act::Pair, approved)? {
        let used = Used { act: Act::Pair, object: None, by, reason: &invitation.name };
        staff::note(node, now, None, &used)?;
    }
    let luck = (node.luck)();
    let letter = |byte: &u8| char::from(LETTERS[usize::from(byte & 31)]);
    let code: String = luck[..CODE_LETTERS].iter().map(letter).collect();
    let until = now.wall.saturating_add(CODE_MS);
    let row = PairingRow {
        name: invitation.name.clone(),
        kind: invitation.kind as i64,
        till: invitation.till.name().to_owned(),
        until,
    };
    devices::invite(node.conn(), &hash_of_code(&code), &row, now.wall)?;
    node.touch();
    let (first, second) = code.split_at(CODE_LETTERS / 2);
    Ok(Invited { code: format!("{first}-{second}"), until })
}

/// Pairs the device that brings a code.
///
/// # Errors
/// `FORBIDDEN` for a code that isn't good, or not any more; or a fault.
pub fn pair(node: &mut Node, now: Now, code: &str) -> Answer<Paired> {
    let found = devices::redeem(node.conn(), &hash_of_code(code))?;
    // A clock that was put back makes no code good for longer.
    let good = |row: &PairingRow| now.wall < row.until && row.until - now.wall <= CODE_MS;
    let Some(row) = found.filter(good) else {
        return Err(no(Code::Forbidden, "the code is not good, or not any more: have a new one made"));
    };
    let token: String = (node.luck)().iter().map(|byte| format!("{byte:02x}")).collect();
    let random = super::start::random_id((node.luck)());
    let device = DeviceRow {
        id: derived_id(u64::try_from(now.wall).unwrap_or(0), &random, 0),
        name: row.name,
        kind: row.kind,
        till: row.till,
        made: now.wall,
    };
    devices::add(node.conn(), &device, &hash_of_token(&token))?;
    node.touch();
    Ok(Paired { device: show(device), token })
}

/// The device that shows this token.
///
/// # Errors
/// [`Fault`].
pub fn by_token(conn: &Connection, token: &str) -> Result<Option<Device>, Fault> {
    Ok(devices::by_token(conn, &hash_of_token(token))?.map(show))
}

/// All devices, in the order in which they were paired.
///
/// # Errors
/// [`Fault`].
pub fn all(conn: &Connection) -> Result<Vec<Device>, Fault> {
    Ok(devices::all(conn)?.into_iter().map(show).collect())
}

/// Takes a device's token away: it asks in vain from now on.
///
/// # Errors
/// `NOT_FOUND`, `APPROVAL_REQUIRED`; or a fault.
pub fn unpair(node: &mut Node, now: Now, id: &Id, approved: Option<&Approved>) -> Answer<()> {
    let by = staff::allow(node, None, Act::Pair, approved)?;
    if !devices::remove(node.conn(), id)? {
        return Err(no(Code::NotFound, format!("no device {id}")));
    }
    if let Some(by) = by {
        staff::note(node, now, None, &Used { act: Act::Pair, object: Some(*id), by, reason: "unpaired" })?;
    }
    node.touch();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_was_typed() {
        let hash = hash_of_code("01AB-CDEF");
        for typed in ["01abcdef", "O1AB CDEF", "0lab-cdef", "oIab cdef "] {
            assert_eq!(hash_of_code(typed), hash, "{typed}");
        }
        assert_ne!(hash_of_code("01AB-CDEG"), hash);
    }
}
