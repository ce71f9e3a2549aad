//! Identifiers: incarnations, sale ids, receipt series (`model.md` §1).

use serde::{Deserialize, Serialize};
use std::fmt;

/// One unbroken memory of a node: the actor in every identifier. 128 random bits, made by the node itself.
/// An incarnation that lost memory is dead; the machine comes back as a new one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(#[serde(with = "hex16")] pub [u8; 16]);

/// A document's or another object's 128-bit id, shown as a UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(#[serde(with = "uuid16")] pub [u8; 16]);

/// A BLAKE3 hash: of an event's canonical bytes (and so of the whole chain before it).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hash(#[serde(with = "hex32")] pub [u8; 32]);

/// Why a text is no identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    /// It has the wrong length or a character that isn't hexadecimal.
    #[error("not an identifier: {0:?}")]
    Malformed(String),
}

impl Hash {
    /// What stands in `prev_hash` of an incarnation's first event.
    pub const ZERO: Self = Self([0; 32]);
}

impl Incarnation {
    /// Reads 32 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, BadId> {
        bytes_from_hex(text).map(Self).ok_or_else(|| BadId::Malformed(text.to_owned()))
    }

    /// The receipt series this incarnation opens: five base-32 characters of its hash, so that no two
    /// incarnations need to agree on one (`model.md` §1).
    pub fn series(&self) -> String {
        series_code(self, 0)
    }
}

/// The `attempt`-th series code of an incarnation; attempt 0 is the usual one, later ones are opened only where
/// the hub found a clash.
pub fn series_code(incarnation: &Incarnation, attempt: u32) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let mut hasher = blake3::Hasher::new_derive_key("tradepost receipt series v1");
    hasher.update(&incarnation.0);
    hasher.update(&attempt.to_le_bytes());
    let hash = hasher.finalize();
    hash.as_bytes().iter().take(5).map(|b| char::from(ALPHABET[usize::from(b & 31)])).collect()
}

impl Id {
    /// Reads a UUID with or without hyphens.
    pub fn parse(text: &str) -> Result<Self, BadId> {
        let malformed = || BadId::Malformed(text.to_owned());
        let plain: String = match text.len() {
            32 => text.to_owned(),
            36 => {
                let hyphens_stand_right =
                    text.char_indices().all(|(at, c)| (c == '-') == [8, 13, 18, 23].contains(&at));
                if !hyphens_stand_right {
                    return Err(malformed());
                }
                text.replace('-', "")
            }
            _ => return Err(malformed()),
        };
        bytes_from_hex(&plain).map(Self).ok_or_else(malformed)
    }

    /// Whether the id has the shape of a UUID of version 7 (RFC 9562).
    pub fn is_uuid_v7(&self) -> bool {
        self.0[6] >> 4 == 7 && self.0[8] >> 6 == 2
    }
}

/// The id of the document that an incarnation writes as `seq`: UUIDv7-shaped, computed and so never shipped.
/// `ms` is the wall part of the event's HLC.
pub fn derived_id(ms: u64, incarnation: &Incarnation, seq: u64) -> Id {
    let mut hasher = blake3::Hasher::new_derive_key("tradepost document id v1");
    hasher.update(&incarnation.0);
    hasher.update(&seq.to_le_bytes());
    let hash = hasher.finalize();
    let mut id = [0u8; 16];
    id[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    id[6..].copy_from_slice(&hash.as_bytes()[..10]);
    id[6] = 0x70 | (id[6] & 0x0f);
    id[8] = 0x80 | (id[8] & 0x3f);
    Id(id)
}

fn bytes_from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|b| write!(f, "{b:02x}"))
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in
            [&self.0[..4], &self.0[4..6], &self.0[6..8], &self.0[8..10], &self.0[10..]].iter().enumerate()
        {
            if at > 0 {
                f.write_str("-")?;
            }
            write_hex(part, f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl Hash {
    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, BadId> {
        bytes_from_hex(text).map(Self).ok_or_else(|| BadId::Malformed(text.to_owned()))
    }
}

/// Text in readable formats, plain bytes in canonical ones.
macro_rules! text_or_bytes {
    ($module:ident, $len:literal, $show:ident, $parse:expr) => {
        mod $module {
            use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

            pub(super) fn serialize<S: Serializer>(bytes: &[u8; $len], s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() {
                    return s.serialize_str(&super::$show(*bytes).to_string());
                }
                bytes.serialize(s)
            }

            pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<[u8; $len], D::Error> {
                if d.is_human_readable() {
                    let text = String::deserialize(d)?;
                    return $parse(&text).map_err(D::Error::custom);
                }
                <[u8; $len]>::deserialize(d)
            }
        }
    };
}

text_or_bytes!(hex16, 16, Incarnation, |t: &str| super::Incarnation::parse(t).map(|i| i.0));
text_or_bytes!(uuid16, 16, Id, |t: &str| super::Id::parse(t).map(|i| i.0));
text_or_bytes!(hex32, 32, Hash, |t: &str| super::Hash::parse(t).map(|h| h.0));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_id_is_a_uuid_of_version_7_that_carries_its_time() {
        let id = derived_id(0x0192_3456_789a, &Incarnation([7; 16]), 42);
        assert!(id.is_uuid_v7());
        assert!(id.to_string().starts_with("01923456-789a-7"));
        assert_eq!(Id::parse(&id.to_string()), Ok(id));
    }

    #[test]
    fn two_events_never_share_a_derived_id() {
        let a = derived_id(1, &Incarnation([1; 16]), 1);
        assert_ne!(a, derived_id(1, &Incarnation([1; 16]), 2));
        assert_ne!(a, derived_id(1, &Incarnation([2; 16]), 1));
    }

    #[test]
    fn bad_ids_are_refused() {
        for text in ["", "xyz", "0192-3456789a70008000000000000000001", "019234567-89a-7000-8000-00000000000"]
        {
            assert!(Id::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_series_is_five_characters_without_look_alikes() {
        let series = Incarnation([9; 16]).series();
        assert_eq!(series.len(), 5);
        assert!(!series.contains(['I', 'L', 'O', 'U']));
        assert_ne!(series, series_code(&Incarnation([9; 16]), 1));
    }
}
