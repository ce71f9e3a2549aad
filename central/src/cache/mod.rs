//! The cache: never in the correctness path. Flushed or stopped at any moment it changes no result (`hub.md`, Redis).

mod memory;
mod redis;

pub use memory::Memory;
pub use redis::Redis;

use crate::db::booking::StockNow;

/// The members there are.
pub enum Cache {
    /// A map in this process: serves one hub process.
    Memory(Memory),
    /// A Redis server.
    Redis(Box<Redis>),
}

/// A value with the version of the row it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// Version of the row.
    pub version: u64,
    /// The value; none where the row was deleted (a tombstone).
    pub value: Option<String>,
}

impl Cache {
    /// The member's name, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            Self::Redis(_) => "redis",
        }
    }

    /// Puts a value in place, unless a newer one or a newer tombstone is there. Whether it was put.
    pub fn set(&self, key: &str, version: u64, value: &str) -> bool {
        match self {
            Self::Memory(memory) => memory.put(key, version, Some(value)),
            Self::Redis(redis) => redis.put(key, version, Some(value)),
        }
    }

    /// Leaves a tombstone, unless something newer is there.
    pub fn delete(&self, key: &str, version: u64) -> bool {
        match self {
            Self::Memory(memory) => memory.put(key, version, None),
            Self::Redis(redis) => redis.put(key, version, None),
        }
    }

    /// What is known under a key. Nothing is no answer about the row: ask the database.
    pub fn get(&self, key: &str) -> Option<Versioned> {
        match self {
            Self::Memory(memory) => memory.get(key),
            Self::Redis(redis) => redis.get(key),
        }
    }

    /// Takes in stock rows as a booking left them.
    pub fn stock_is(&self, store: &str, rows: &[StockNow]) {
        match self {
            Self::Memory(memory) => rows.iter().for_each(|row| {
                memory.put(&stock_key(store, &row.sku), row.row_version, Some(&row.on_hand.to_string()));
            }),
            Self::Redis(redis) => redis.put_all(
                rows.iter().map(|row| (stock_key(store, &row.sku), row.row_version, row.on_hand.to_string())),
            ),
        }
    }

    /// Goods on hand as last heard.
    pub fn stock(&self, store: &str, sku: &str) -> Option<i64> {
        self.get(&stock_key(store, sku))?.value?.parse().ok()
    }
}

fn stock_key(store: &str, sku: &str) -> String {
    format!("stock:{store}:{sku}")
}
