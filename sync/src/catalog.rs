//! The catalog stream: what the hub publishes to every node (`model.md` §6, Catalog).
//!
//! Ordered by (epoch, version), gap-free within an epoch; a node applies only the next one, and a higher epoch
//! replaces everything. Each entry names its place and is signed by the hub.

use crate::ids::{Hash, Id};
use crate::staff::{StaffRecord, StorePolicy};
use serde::{Deserialize, Serialize};
use tradepost_commerce::document::{CatalogVersion, Sku};
use tradepost_commerce::price_book::PriceEntry;
use tradepost_commerce::product::Product;
use tradepost_commerce::promotion::Promotion;
use tradepost_commerce::settings::Settings;

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// A product is as it says here.
    Product(Product),
    /// A product is gone; documents that name it stay.
    ProductRemoved(Sku),
    /// A price from some time on.
    Price(PriceEntry),
    /// A promotion is as it says here.
    Promotion(Promotion),
    /// A promotion is gone.
    PromotionRemoved(String),
    /// The store's settings, whole.
    Settings(Settings),
    /// A placeholder or an old code counts as another item.
    Alias {
        /// The placeholder or old code.
        from: Sku,
        /// The item it is.
        to: Sku,
    },
    /// Which price list a customer buys from; the customer is an id alone.
    CustomerList {
        /// The customer.
        customer: Id,
        /// The list; empty for the store's own.
        list: String,
    },
    /// Somebody of the store's staff is as it says here.
    Staff(StaffRecord),
    /// The store's policy, whole.
    Policy(StorePolicy),
}

/// One version of the catalog, as one store sees it: empty where nothing concerns the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place.
    pub at: CatalogVersion,
    /// Its changes, to be applied in one transaction.
    pub changes: Vec<Change>,
}

/// An entry as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedEntry {
    /// Its place.
    pub at: CatalogVersion,
    /// The entry's canonical bytes.
    pub bytes: Vec<u8>,
    /// The hub's signature over the hash of the bytes.
    #[serde(with = "serde_64")]
    pub signature: [u8; 64],
}

/// Why an entry can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEntry {
    /// The bytes are no entry.
    #[error("the catalog entry is malformed: {0}")]
    Malformed(String),
    /// The entry says another place than its envelope.
    #[error("the catalog entry stands at another version than it says")]
    OtherPlace,
    /// Not signed by the hub.
    #[error(transparent)]
    Signature(#[from] crate::signing::BadSignature),
}

/// What a node does with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It is the next one.
    Next,
    /// A new epoch begins: all that was known is replaced.
    Replace,
    /// It was applied before.
    Known,
    /// Something is missing before it.
    Gap,
}

/// Whether `entry` may be applied by a node that holds `have`.
pub fn fit(have: CatalogVersion, entry: CatalogVersion) -> Fit {
    if entry.epoch > have.epoch {
        return if entry.version == 1 { Fit::Replace } else { Fit::Gap };
    }
    if entry.epoch < have.epoch || entry.version <= have.version {
        return Fit::Known;
    }
    if entry.version == have.version + 1 { Fit::Next } else { Fit::Gap }
}

impl Entry {
    /// The entry's canonical bytes, signed.
    pub fn seal(&self, hub: &crate::signing::Device) -> Result<SealedEntry, BadEntry> {
        let bytes = postcard::to_allocvec(self).map_err(|e| BadEntry::Malformed(e.to_string()))?;
        let signature = hub.sign_catalog(&hash_of(&bytes));
        Ok(SealedEntry { at: self.at, bytes, signature })
    }
}

impl SealedEntry {
    /// The entry, after its signature was checked against the hub's key.
    pub fn open(&self, hub: &crate::signing::DeviceKey) -> Result<Entry, BadEntry> {
        crate::signing::verify_catalog(hub, &hash_of(&self.bytes), &self.signature)?;
        let entry: Entry =
            postcard::from_bytes(&self.bytes).map_err(|e| BadEntry::Malformed(e.to_string()))?;
        if entry.at != self.at {
            return Err(BadEntry::OtherPlace);
        }
        Ok(entry)
    }
}

fn hash_of(bytes: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key("tradepost catalog entry v1");
    hasher.update(bytes);
    Hash(*hasher.finalize().as_bytes())
}

mod serde_64 {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 64], s: S) -> Result<S::Ok, S::Error> {
        bytes.as_slice().serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<[u8; 64], D::Error> {
        let bytes = Vec::<u8>::deserialize(d)?;
        bytes.try_into().map_err(|_| D::Error::custom("a signature has 64 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(epoch: u32, version: u64) -> CatalogVersion {
        CatalogVersion { epoch, version }
    }

    #[test]
    fn only_the_next_version_is_applied_and_a_new_epoch_replaces() {
        let stories = [
            (at(1, 5), at(1, 6), Fit::Next),
            (at(1, 5), at(1, 5), Fit::Known),
            (at(1, 5), at(1, 7), Fit::Gap),
            (at(1, 5), at(2, 1), Fit::Replace),
            (at(1, 5), at(2, 2), Fit::Gap),
            (at(2, 1), at(1, 9), Fit::Known),
            (at(0, 0), at(1, 1), Fit::Replace),
        ];
        for (have, entry, expected) in stories {
            assert_eq!(fit(have, entry), expected, "{have:?} gets {entry:?}");
        }
    }

    #[test]
    fn an_entry_of_another_hub_is_refused() {
        let (ours, other) =
            (crate::signing::Device::from_secret([1; 32]), crate::signing::Device::from_secret([2; 32]));
        let entry = Entry { at: at(1, 1), changes: vec![Change::ProductRemoved(Sku("X".into()))] };
        let sealed = entry.seal(&ours).unwrap();
        assert_eq!(sealed.open(&ours.public()), Ok(entry));
        assert!(matches!(sealed.open(&other.public()), Err(BadEntry::Signature(_))));
    }
}
