//! The cache of a hub without Redis: a bounded map.

use super::Versioned;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Entries kept; a full map forgets all of them, which a cache may.
const ENTRIES_MAX: usize = 200_000;

/// A map in this process.
#[derive(Default)]
pub struct Memory {
    entries: Mutex<BTreeMap<String, Versioned>>,
}

impl Memory {
    pub(super) fn put(&self, key: &str, version: u64, value: Option<&str>) -> bool {
        let mut entries = self.lock();
        if entries.get(key).is_some_and(|held| held.version >= version) {
            return false;
        }
        if entries.len() >= ENTRIES_MAX {
            entries.clear();
        }
        entries.insert(key.to_owned(), Versioned { version, value: value.map(str::to_owned) });
        true
    }

    pub(super) fn get(&self, key: &str) -> Option<Versioned> {
        self.lock().get(key).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Versioned>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
