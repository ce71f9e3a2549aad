//! Staff and policy of a store as the hub publishes them (`facts.md` §6): they travel in the catalog stream to every node
//! of the store, so a PIN that was given at the hub signs on at a till that is cut off from it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tradepost_commerce::document::StaffId;
use tradepost_commerce::money::Money;

/// What the slow hash of a PIN costs: kibibytes of memory.
pub const PIN_MEMORY_KIB: u32 = 19 * 1024;
/// And rounds.
pub const PIN_ROUNDS: u32 = 2;
/// And how long it is, in bytes.
pub const PIN_HASH_BYTES: usize = 32;
/// Digits of a PIN.
pub const PIN_DIGITS: std::ops::RangeInclusive<usize> = 4..=12;
/// Most characters of a record's id.
const ID_CHARS_MAX: usize = 32;

/// What may need somebody's PIN, by name: the keys of [`StorePolicy::roles`].
pub const ACTS: &[&str] = &[
    "staff",
    "policy",
    "printer",
    "cash_out",
    "open_drawer",
    "count_difference",
    "recover_shift",
    "discount",
    "price_override",
    "sell_beyond",
    "void",
    "refund",
    "refund_unverified",
    "refund_no_receipt",
    "refund_other_tender",
    "take_over_cart",
    "training",
    "pair",
];

/// What somebody may do, each role all of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sells.
    Cashier = 1,
    /// Allows what a cashier may not.
    Supervisor = 2,
    /// Allows everything.
    Manager = 3,
}

/// A PIN as it is kept: argon2id with the costs above, never in the clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedPin {
    /// Random, one for each PIN.
    pub salt: Vec<u8>,
    /// What the PIN comes to with it.
    pub hash: Vec<u8>,
}

/// Somebody of a store's staff, whole: a later version in the stream replaces an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffRecord {
    /// Their id: what documents and events name.
    pub id: StaffId,
    /// The name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Works here still. Who left stays a record, as documents go on to name them.
    pub active: bool,
    /// Their PIN; without one nothing can be proved.
    pub pin: Option<SealedPin>,
}

impl StaffRecord {
    /// Whether they can allow everything: one such person must always be left.
    pub fn allows_all(&self) -> bool {
        self.active && self.pin.is_some() && self.role == Role::Manager
    }
}

/// What a store's owner decided about the counter, whole. Amounts in minor units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorePolicy {
    /// A till sells nothing without a shift.
    pub shift_required: bool,
    /// Drawers are counted without being told what should be there.
    pub blind_count: bool,
    /// The most a drawer may be off without a manager; none means any difference passes.
    pub difference_max: Option<Money>,
    /// The most that is given back without a receipt; none leaves the usual cap.
    pub no_receipt_max: Option<Money>,
    /// The most that a node gives back unverified on one business day; none leaves the usual cap.
    pub unverified_max: Option<Money>,
    /// The role of each act that isn't the usual one, by the act's name.
    pub roles: BTreeMap<String, Role>,
}

/// Whether a text can be a record's id: 1 to 32 small letters, digits, `-`, `_`, `.`.
pub fn is_id(text: &str) -> bool {
    let one = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    (1..=ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(one)
}

/// Whether a text can be a PIN.
pub fn is_pin(text: &str) -> bool {
    PIN_DIGITS.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

/// Why a record can't stand in a store's staff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StaffRefusal {
    /// Nobody else works here yet.
    #[error("the first one is an active manager with a PIN")]
    First,
    /// Nobody would be left who can allow everything.
    #[error("nobody would be left who can allow everything: an active manager with a PIN")]
    LastManager,
}

/// Whether a record may stand beside the others of a store: somebody who can allow everything is always left.
///
/// # Errors
/// [`StaffRefusal`].
pub fn may_stand<'a>(
    record: &StaffRecord,
    all: impl IntoIterator<Item = &'a StaffRecord>,
) -> Result<(), StaffRefusal> {
    let mut others = all.into_iter().peekable();
    if record.allows_all() {
        return Ok(());
    }
    if others.peek().is_none() {
        return Err(StaffRefusal::First);
    }
    let left = others.any(|other| other.id != record.id && other.allows_all());
    if left { Ok(()) } else { Err(StaffRefusal::LastManager) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str, role: Role, active: bool) -> StaffRecord {
        let pin = Some(SealedPin { salt: vec![1], hash: vec![2] });
        StaffRecord { id: StaffId(id.to_owned()), name: id.to_owned(), role, active, pin }
    }

    #[test]
    fn somebody_who_can_allow_everything_is_always_left() {
        let (mia, ben) = (record("mia", Role::Manager, true), record("ben", Role::Cashier, true));
        assert_eq!(may_stand(&ben, []), Err(StaffRefusal::First));
        assert_eq!(may_stand(&mia, []), Ok(()));
        assert_eq!(may_stand(&ben, [&mia]), Ok(()));
        let left = record("mia", Role::Manager, false);
        assert_eq!(may_stand(&left, [&mia, &ben]), Err(StaffRefusal::LastManager));
        let eva = record("eva", Role::Manager, true);
        assert_eq!(may_stand(&left, [&mia, &ben, &eva]), Ok(()));
        let without = StaffRecord { pin: None, ..mia.clone() };
        assert_eq!(may_stand(&without, [&mia]), Err(StaffRefusal::LastManager), "without a PIN");
    }

    #[test]
    fn ids_and_pins_are_plain() {
        for (text, right) in [("mia", true), ("m.i-a_1", true), ("Mia", false), ("", false), ("m a", false)] {
            assert_eq!(is_id(text), right, "{text:?}");
        }
        for (text, right) in [("1234", true), ("123", false), ("12a4", false), ("1234567890123", false)] {
            assert_eq!(is_pin(text), right, "{text:?}");
        }
    }
}
