//! Shoppers: accounts by address and password, guests by a token alone, and their sessions.
//!
//! A session is a row; the cache only copies it, and a copy counts only while it is of the row's own version. So nothing
//! that a cache forgets or remembers revives a token that was revoked (`hub.md`, Redis).

use super::{Code, Fault};
use crate::db::shoppers::{self as rows, SessionRow, Shopper};
use crate::db::{Tx, carts};
use crate::hub::Hub;
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Id;

/// What a password's hash costs (OWASP's second choice for argon2id: 19 MiB, two rounds).
const MEMORY_KIB: u32 = 19_456;
const ROUNDS: u32 = 2;
const HASH_BYTES: usize = 32;
/// Characters of a password.
const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 10..=128;
/// Wrong passwords in a row before anything is locked.
const TRIES_FREE: u32 = 5;
/// How long the first lock is; each further wrong password doubles it.
const LOCK_MS: i64 = 30_000;
/// Longest lock.
const LOCK_MS_MAX: i64 = 3_600_000;
/// A session ends by itself after thirty days.
const SESSION_MS: i64 = 30 * 86_400_000;

/// A token's bytes, and other luck that is needed once.
pub type Luck = [u8; 32];

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The account or guest.
    pub owner: Id,
    /// Whether it is a guest's.
    pub guest: bool,
    /// It ends here by itself.
    pub expires_at: UtcMs,
    /// Address and name, of an account.
    pub account: Option<Account>,
}

/// An account as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: Id,
    /// Its address.
    pub email: String,
    /// What it is called.
    pub name: String,
    /// The price list its carts are priced by.
    pub price_list: String,
}

/// A session that was begun, with the only copy of its token.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The token.
    pub token: String,
    /// The session.
    pub session: Session,
}

/// An account that is asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its address.
    pub email: String,
    /// What it is called.
    pub name: String,
    /// Its password.
    pub password: String,
}

/// Fresh random bytes for one call: an id, a salt, a token.
#[derive(Clone, Copy, Debug)]
pub struct Fresh {
    /// For an id.
    pub id: [u8; 16],
    /// For a password's salt.
    pub salt: [u8; 16],
    /// For a token.
    pub token: Luck,
}

fn folded(email: &str) -> Result<String, Fault> {
    let email = email.trim().to_lowercase();
    let parts: Vec<&str> = email.split('@').collect();
    let fits =
        (3..=254).contains(&email.len()) && !email.chars().any(|c| c.is_whitespace() || c.is_control());
    match parts.as_slice() {
        [who, place] if fits && !who.is_empty() && place.contains('.') && !place.starts_with('.') => {
            Ok(email)
        }
        _ => Err(Fault::field("/email", Code::BadValue, "an address is like name@example.org")),
    }
}

fn check_password(password: &str, pointer: &str) -> Result<(), Fault> {
    if PASSWORD_CHARS.contains(&password.chars().count()) {
        return Ok(());
    }
    let (least, most) = (PASSWORD_CHARS.start(), PASSWORD_CHARS.end());
    Err(Fault::field(pointer, Code::BadValue, format!("a password has {least} to {most} characters")))
}

fn hash(password: &str, salt: &[u8]) -> Result<Vec<u8>, Fault> {
    let params = Params::new(MEMORY_KIB, ROUNDS, 1, Some(HASH_BYTES)).map_err(Fault::internal)?;
    let mut hash = vec![0; HASH_BYTES];
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into(password.as_bytes(), salt, &mut hash).map_err(Fault::internal)?;
    Ok(hash)
}

fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// The token as it is carried, and the hash it is kept by.
fn token_of(luck: &Luck) -> (String, [u8; 32]) {
    let token: String = luck.iter().map(|b| format!("{b:02x}")).collect();
    let hash = hash_of(&token);
    (token, hash)
}

fn hash_of(token: &str) -> [u8; 32] {
    blake3::derive_key("tradepost shopper token v1", token.as_bytes())
}

/// Makes an account and begins its first session; `guest` is the token of who the shopper was until now, whose carts go
/// with them.
pub fn create(
    hub: &Hub,
    wanted: &Wanted,
    guest: Option<&str>,
    fresh: &Fresh,
    now: UtcMs,
) -> Result<Begun, Fault> {
    let email = folded(&wanted.email)?;
    let name = wanted.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > 200 {
        return Err(Fault::field("/name", Code::BadValue, "a name has 1 to 200 characters"));
    }
    check_password(&wanted.password, "/password")?;
    let new = Shopper {
        id: Id(fresh.id),
        email,
        name,
        salt: fresh.salt.to_vec(),
        hash: hash(&wanted.password, &fresh.salt)?,
        price_list: String::new(),
        tries: 0,
        locked_until: 0,
        row_version: 1,
        created_at: now,
    };
    hub.write(|tx, _| {
        if !rows::insert(tx, &new)? {
            return Err(Fault::field("/email", Code::AlreadyExists, "this address has an account"));
        }
        take_carts(tx, guest, new.id, now)?;
        open(tx, new.id, false, Some(account(&new)), fresh, now)
    })
}

fn account(row: &Shopper) -> Account {
    let Shopper { id, email, name, price_list, .. } = row.clone();
    Account { id, email, name, price_list }
}

/// Begins a session with a password. The try is counted before the password is looked at, so that no crowd of parallel
/// tries is free; an address without an account takes as long.
pub fn log_in(
    hub: &Hub,
    email: &str,
    password: &str,
    guest: Option<&str>,
    fresh: &Fresh,
    now: UtcMs,
) -> Result<Begun, Fault> {
    let refused = || Fault::refused(Code::LoginRefused, "address or password is wrong");
    let email = email.trim().to_lowercase();
    let known = hub.write(|tx, _| begin_try(tx, &email, now))?;
    let Some(known) = known else {
        hash(password, &fresh.salt)?;
        return Err(refused());
    };
    if !same(&hash(password, &known.salt)?, &known.hash) {
        return Err(refused());
    }
    hub.write(|tx, _| {
        rows::set_tries(tx, known.id, 0, 0)?;
        take_carts(tx, guest, known.id, now)?;
        open(tx, known.id, false, Some(account(&known)), fresh, now)
    })
}

fn begin_try(tx: &mut Tx<'_>, email: &str, now: UtcMs) -> Result<Option<Shopper>, Fault> {
    let Some(known) = rows::by_email(tx, email)? else { return Ok(None) };
    if now < known.locked_until {
        let detail = "too many wrong passwords: try again later".to_owned();
        return Err(Fault::TooEarly { code: Code::LoginLocked, detail, until: known.locked_until });
    }
    let tries = known.tries.saturating_add(1);
    rows::set_tries(tx, known.id, tries, lock_until(tries, now))?;
    Ok(Some(known))
}

fn lock_until(tries: u32, now: UtcMs) -> UtcMs {
    match tries.checked_sub(TRIES_FREE) {
        None => 0,
        Some(more) => now + LOCK_MS.saturating_mul(1 << more.min(10)).min(LOCK_MS_MAX),
    }
}

/// Begins the session of a guest, who is nobody else's.
pub fn guest(hub: &Hub, fresh: &Fresh, now: UtcMs) -> Result<Begun, Fault> {
    hub.write(|tx, _| open(tx, Id(fresh.id), true, None, fresh, now))
}

fn open(
    tx: &mut Tx<'_>,
    owner: Id,
    guest: bool,
    account: Option<Account>,
    fresh: &Fresh,
    now: UtcMs,
) -> Result<Begun, Fault> {
    let (token, hash) = token_of(&fresh.token);
    let expires_at = now + SESSION_MS;
    let row = SessionRow { owner, guest, expires_at, revoked_at: None, row_version: 1 };
    rows::insert_session(tx, &hash, &row, now)?;
    Ok(Begun { token, session: Session { owner, guest, expires_at, account } })
}

/// The carts of a guest who turned out to be somebody. Of another account nothing is taken.
fn take_carts(tx: &mut Tx<'_>, guest: Option<&str>, to: Id, now: UtcMs) -> Result<(), Fault> {
    let Some(token) = guest else { return Ok(()) };
    let known = rows::session(tx, &hash_of(token))?.filter(|row| row.guest && is_good(row, now));
    match known {
        Some(row) => Ok(carts::give(tx, row.owner, to, now)?),
        None => Ok(()),
    }
}

fn is_good(row: &SessionRow, now: UtcMs) -> bool {
    row.revoked_at.is_none() && now < row.expires_at
}

fn refused() -> Fault {
    Fault::refused(Code::SessionRefused, "there is no valid session behind this token")
}

/// Who is behind a token.
///
/// # Errors
/// `SESSION_REFUSED` where nobody is, any more.
pub fn who(hub: &Hub, token: &str, now: UtcMs) -> Result<Session, Fault> {
    let hash = hash_of(token);
    let row = hub.db.read(|tx| Ok::<_, Fault>(rows::session(tx, &hash)?))?;
    let row = row.filter(|row| is_good(row, now)).ok_or_else(refused)?;
    if let Some(copy) = copied(hub, &hash, row.row_version) {
        return Ok(copy);
    }
    let account = match row.guest {
        true => None,
        false => hub.db.read(|tx| Ok::<_, Fault>(rows::find(tx, row.owner)?))?.as_ref().map(account),
    };
    let session = Session { owner: row.owner, guest: row.guest, expires_at: row.expires_at, account };
    if let Ok(text) = serde_json::to_string(&session) {
        hub.cache.set(&key(&hash), row.row_version, &text);
    }
    Ok(session)
}

/// The cache's copy, if it is of the row's own version.
fn copied(hub: &Hub, hash: &[u8; 32], version: u64) -> Option<Session> {
    let held = hub.cache.get(&key(hash)).filter(|held| held.version == version)?;
    serde_json::from_str(&held.value?).ok()
}

fn key(hash: &[u8; 32]) -> String {
    hash.iter().fold("session:".to_owned(), |text, b| text + &format!("{b:02x}"))
}

/// Ends a session, for good. Asked again it changes nothing.
pub fn log_out(hub: &Hub, token: &str, now: UtcMs) -> Result<(), Fault> {
    let hash = hash_of(token);
    let version = hub.write(|tx, _| {
        rows::revoke(tx, &hash, now)?;
        Ok(rows::session(tx, &hash)?.map(|row| row.row_version))
    })?;
    if let Some(version) = version {
        hub.cache.delete(&key(&hash), version);
    }
    Ok(())
}

/// Puts another password in place; every session of the account ends, and a new one begins.
pub fn change_password(
    hub: &Hub,
    owner: Id,
    old: &str,
    new: &str,
    fresh: &Fresh,
    now: UtcMs,
) -> Result<Begun, Fault> {
    check_password(new, "/new")?;
    let refused = || Fault::field("/old", Code::LoginRefused, "the password is wrong");
    let known = hub.write(|tx, _| {
        let known = rows::find(tx, owner)?.ok_or_else(refused)?;
        begin_try(tx, &known.email, now)
    })?;
    let known = known.ok_or_else(refused)?;
    if !same(&hash(old, &known.salt)?, &known.hash) {
        return Err(refused());
    }
    let hash = hash(new, &fresh.salt)?;
    hub.write(|tx, _| {
        rows::set_tries(tx, owner, 0, 0)?;
        rows::set_password(tx, owner, &fresh.salt, &hash)?;
        rows::revoke_all(tx, owner, now)?;
        open(tx, owner, false, Some(account(&known)), fresh, now)
    })
}

/// Puts an account on a price list. Carts that it has keep the list they were made with.
pub fn set_price_list(hub: &Hub, id: Id, list: &str) -> Result<Account, Fault> {
    if list.chars().count() > 64 {
        return Err(Fault::field("/price_list", Code::BadValue, "a list's code has at most 64 characters"));
    }
    hub.write(|tx, _| {
        rows::set_price_list(tx, id, list)?;
        // Copies of its sessions tell the list that was.
        rows::touch_sessions(tx, id)?;
        let known = rows::find(tx, id)?.ok_or_else(|| Fault::not_found("shopper", &id.to_string()))?;
        Ok(account(&known))
    })
}

/// Forgets sessions that ended by themselves; how many.
pub fn forget(hub: &Hub, now: UtcMs) -> Result<u64, Fault> {
    hub.write(|tx, _| Ok(rows::forget_sessions(tx, now)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_folded_and_has_a_place() {
        assert_eq!(folded(" Ann@Example.ORG ").ok().as_deref(), Some("ann@example.org"));
        for wrong in ["", "ann", "ann@", "@example.org", "a@b@c.d", "a b@c.d", "ann@localhost", "a@.b"] {
            assert!(folded(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn locks_grow_and_have_an_end() {
        assert_eq!(lock_until(4, 1_000), 0);
        assert_eq!(lock_until(5, 1_000), 31_000);
        assert_eq!(lock_until(6, 1_000), 61_000);
        assert_eq!(lock_until(50, 1_000), 3_601_000);
    }

    #[test]
    fn the_same_password_under_another_salt_is_another_hash() {
        let one = hash("correct horse", &[1; 16]).expect("a hash");
        assert!(same(&one, &hash("correct horse", &[1; 16]).expect("a hash")));
        assert!(!same(&one, &hash("correct horse", &[2; 16]).expect("a hash")));
        assert!(!same(&one, &hash("correct hors", &[1; 16]).expect("a hash")));
    }
}
