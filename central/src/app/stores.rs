//! Stores and their settings.

use super::{Code, Fault, catalog, hub_log};
use crate::db::stores::Store;
use crate::db::{Tx, outbox, stores};
use crate::hub::Hub;
use serde_json::Value as Json;
use tradepost_commerce::settings::Settings;
use tradepost_sync::catalog::Change;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Incarnation;

/// Longest code of a store.
const CODE_CHARS_MAX: usize = 32;

/// Opens a store. `incarnation` is fresh random bits for its `H_s`.
pub fn open(
    hub: &Hub,
    code: &str,
    name: &str,
    settings: Option<&Json>,
    incarnation: Incarnation,
    now: UtcMs,
) -> Result<Store, Fault> {
    check_code(code)?;
    if name.trim().is_empty() || name.chars().count() > 200 {
        return Err(Fault::field("/name", Code::BadValue, "a name has 1 to 200 characters"));
    }
    let settings = settings_of(settings.unwrap_or(&Json::Object(serde_json::Map::new())), 1, "/settings")?;
    let text = serde_json::to_string(&settings).map_err(Fault::internal)?;
    hub.write(|tx, after| {
        if stores::find(tx, code)?.is_some() {
            return Err(Fault::field(
                "/code",
                Code::AlreadyExists,
                format!("there is a store {code} already"),
            ));
        }
        let store = stores::insert(tx, code, name, outbox::stream_of(code), &text, now)?;
        hub_log::begin(tx, hub, store, incarnation, now)?;
        let row = stores::by_no(tx, store)?.ok_or_else(|| Fault::internal("no such store"))?;
        let roster = hub_log::roster(tx, &row)?;
        hub_log::append(tx, after, hub, &row, &[roster], now)?;
        catalog::publish(tx, after, hub, store, vec![Change::Settings(settings.clone())], now)?;
        Ok(row)
    })
}

fn check_code(code: &str) -> Result<(), Fault> {
    let fits = (1..=CODE_CHARS_MAX).contains(&code.len());
    if fits && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return Ok(());
    }
    Err(Fault::field(
        "/code",
        Code::BadValue,
        "a store's code has 1 to 32 letters, digits, hyphens or underscores",
    ))
}

/// Reads settings; fields that are left out have their defaults, fields that don't exist are refused.
fn settings_of(given: &Json, version: u32, at: &str) -> Result<Settings, Fault> {
    let defaults = serde_json::to_value(Settings::default()).map_err(Fault::internal)?;
    if let (Json::Object(given), Json::Object(known)) = (given, &defaults)
        && let Some(stranger) = given.keys().find(|key| !known.contains_key(*key))
    {
        return Err(Fault::field(
            format!("{at}/{stranger}"),
            Code::UnknownField,
            format!("there is no setting {stranger}"),
        ));
    }
    let mut settings: Settings = serde_path_to_error::deserialize(given).map_err(|error| {
        let path = error.path().to_string().replace('.', "/");
        Fault::field(format!("{at}/{path}"), Code::WrongType, error.inner().to_string())
    })?;
    settings.version = version;
    settings.check().map_err(|error| Fault::field(at, Code::BadValue, error.to_string()))?;
    if jiff::tz::TimeZone::get(&settings.time_zone).is_err() {
        let detail = format!("there is no time zone {}", settings.time_zone);
        return Err(Fault::field(format!("{at}/time_zone"), Code::BadValue, detail));
    }
    Ok(settings)
}

/// Puts new settings in place: a new version that goes to the store's node with the catalog. `expected` is the
/// version that was read.
pub fn set_settings(hub: &Hub, code: &str, given: &Json, expected: u64, now: UtcMs) -> Result<Store, Fault> {
    hub.write(|tx, after| {
        let store = find(tx, code)?;
        let store = stores::by_no_locked(tx, store.no)?.ok_or_else(|| Fault::not_found("store", code))?;
        super::must_match(u64::from(store.settings_version), expected)?;
        let settings = settings_of(given, store.settings_version + 1, "")?;
        let text = serde_json::to_string(&settings).map_err(Fault::internal)?;
        stores::set_settings(tx, store.no, &text, settings.version)?;
        catalog::publish(tx, after, hub, store.no, vec![Change::Settings(settings)], now)?;
        stores::by_no(tx, store.no)?.ok_or_else(|| Fault::not_found("store", code))
    })
}

/// The store with a code.
pub fn find(tx: &mut Tx<'_>, code: &str) -> Result<Store, Fault> {
    stores::find(tx, code)?.ok_or_else(|| Fault::not_found("store", code))
}

/// The store with a code, read on its own.
pub fn get(hub: &Hub, code: &str) -> Result<Store, Fault> {
    hub.db.read(|tx| find(tx, code))
}

/// Every store, by code.
pub fn list(hub: &Hub) -> Result<Vec<Store>, Fault> {
    hub.db.read(|tx| Ok(stores::all(tx)?))
}

/// The settings of a store's row.
pub fn settings(store: &Store) -> Result<Settings, Fault> {
    serde_json::from_str(&store.settings).map_err(Fault::internal)
}
