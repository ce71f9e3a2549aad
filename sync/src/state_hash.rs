//! One hash over a replica's state, by natural keys and without arrival times: replicas of one store that hold the
//! same facts answer the same (`model.md` §7, I14).
//!
//! What is nothing (no stock, no cell) counts as absent, so a replica may or may not keep a row of zeros.

use crate::frontier::HeadMark;
use crate::ids::{Hash, Incarnation};
use crate::rights::Row;
use std::collections::BTreeMap;
use tradepost_commerce::document::Sku;
use tradepost_commerce::money::Money;

/// The rows of a state, gathered in any order.
#[derive(Clone, Debug, Default)]
pub struct State {
    heads: BTreeMap<Vec<u8>, Vec<u8>>,
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl State {
    /// The end of a stream that is held.
    pub fn head(&mut self, head: HeadMark) {
        self.heads.insert(head.incarnation.0.to_vec(), [&head.seq.to_le_bytes()[..], &head.hash.0].concat());
    }

    /// Goods on hand of an item, in base units.
    pub fn on_hand(&mut self, sku: &Sku, units: i64) {
        if units != 0 {
            self.row(b"stock", &[sku.0.as_bytes()], &[&units.to_le_bytes()]);
        }
    }

    /// The cells of an incarnation's own row.
    pub fn cells(&mut self, incarnation: &Incarnation, sku: &Sku, row: &Row) {
        let cells = [row.minted, row.used, row.overdrawn, row.settled];
        if cells != [0; 4] {
            let cells = cells.map(u64::to_le_bytes);
            self.row(b"cells", &[&incarnation.0, sku.0.as_bytes()], &cells.each_ref().map(|c| &c[..]));
        }
        for (to, units) in row.given.iter().filter(|(_, units)| **units != 0) {
            self.row(b"given", &[&incarnation.0, &to.0, sku.0.as_bytes()], &[&units.to_le_bytes()]);
        }
    }

    /// The last number of a receipt series.
    pub fn series(&mut self, till: &str, series: &str, last: u64) {
        self.row(b"series", &[till.as_bytes(), series.as_bytes()], &[&last.to_le_bytes()]);
    }

    /// What all documents come to at one tax rate, refunds subtracted.
    pub fn tax(&mut self, ppm: u32, net: Money, tax: Money) {
        self.row(b"tax", &[&ppm.to_be_bytes()], &[&net.0.to_le_bytes(), &tax.0.to_le_bytes()]);
    }

    /// The hash of the facts: of every stream's head, and so of every event.
    pub fn events_hash(&self) -> Hash {
        hash("tradepost events hash v1", &self.heads)
    }

    /// The hash of the facts and of what they add up to.
    pub fn state_hash(&self) -> Hash {
        let mut all = self.rows.clone();
        all.insert(b"events".to_vec(), self.events_hash().0.to_vec());
        hash("tradepost state hash v1", &all)
    }

    fn row(&mut self, table: &[u8], key: &[&[u8]], value: &[&[u8]]) {
        let mut name = framed(table);
        key.iter().for_each(|part| name.extend(framed(part)));
        self.rows.insert(name, value.concat());
    }
}

fn framed(part: &[u8]) -> Vec<u8> {
    [&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes()[..], part].concat()
}

fn hash(domain: &str, rows: &BTreeMap<Vec<u8>, Vec<u8>>) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key(domain);
    for (key, value) in rows {
        hasher.update(&framed(key));
        hasher.update(&framed(value));
    }
    Hash(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_rows_of_nothing_do_not_count() {
        let (mut a, mut b) = (State::default(), State::default());
        a.on_hand(&Sku("MILK".into()), 3);
        a.on_hand(&Sku("TEA".into()), 0);
        a.series("R1", "7K2QD", 4);
        b.series("R1", "7K2QD", 4);
        b.on_hand(&Sku("MILK".into()), 3);
        b.cells(&Incarnation([1; 16]), &Sku("TEA".into()), &Row::default());
        assert_eq!(a.state_hash(), b.state_hash());
        b.on_hand(&Sku("TEA".into()), 1);
        assert_ne!(a.state_hash(), b.state_hash());
    }

    #[test]
    fn keys_do_not_run_into_each_other() {
        let (mut a, mut b) = (State::default(), State::default());
        a.series("R1", "2ABCDE", 1);
        b.series("R12", "ABCDE", 1);
        assert_ne!(a.state_hash(), b.state_hash());
    }
}
