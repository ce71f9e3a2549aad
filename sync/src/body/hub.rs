//! What the hub writes into a store's stream `H_s`.

use super::CutHead;
use super::{CustodyObject, Day, FiscalHead, Moved};
use crate::ids::{Hash, Id, Incarnation};
use serde::{Deserialize, Serialize};
use tradepost_commerce::document::Sku;
use tradepost_commerce::money::Money;

/// One member of a roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterEntry {
    /// The incarnation.
    pub incarnation: Incarnation,
    /// Its device key (Ed25519).
    pub device_key: [u8; 32],
    /// A name people know it by.
    pub name: String,
    /// Whether it may still write rights.
    pub fenced: bool,
    /// Whether it has retired.
    pub retired: bool,
}

/// `roster.changed`: the whole roster, each time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterChanged {
    /// Grows by one.
    pub version: u64,
    /// The members, by incarnation; `H_s` included.
    pub members: Vec<RosterEntry>,
}

/// `node.fenced`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFenced {
    /// Who is fenced.
    pub incarnation: Incarnation,
    /// Who takes over its carts, shifts and refund rights after the wait.
    pub successor: Option<Incarnation>,
    /// An operator attests that the machine is destroyed: no wait.
    pub attested: Option<String>,
}

/// `barrier.opened`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BarrierOpened {
    /// The barrier.
    pub barrier: Id,
    /// Who must answer.
    pub members: Vec<Incarnation>,
    /// Whose logs are frozen.
    pub fenced: Vec<Incarnation>,
}

/// `barrier.closed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BarrierClosed {
    /// The barrier.
    pub barrier: Id,
    /// The caps: the highest position anyone held of each fenced log.
    pub caps: Vec<CutHead>,
    /// What every member held.
    pub frontier: Vec<CutHead>,
    /// Hash of the fold below the frontier, where the barrier compacts.
    pub fold: Option<Hash>,
    /// Nothing was decided: it was given up.
    pub void: bool,
}

/// `node.resolved`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeResolved {
    /// The fenced incarnation.
    pub incarnation: Incarnation,
    /// The item.
    pub sku: Sku,
    /// The barrier behind it.
    pub barrier: Id,
}

/// `rights.minted`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RightsMinted {
    /// The item, or a pool's id.
    pub sku: Sku,
    /// Base units.
    pub units: u64,
    /// The barrier behind it.
    pub barrier: Option<Id>,
    /// The reservation it comes from.
    pub reservation: Option<Id>,
    /// The retired incarnation whose rights it makes good, with its whole log at hand; no count is needed.
    pub retired: Option<Incarnation>,
}

/// `stock.opened`: one movement for everything a lone node had before enrolment (`model.md` §4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockOpened {
    /// The lone incarnation.
    pub lone: Incarnation,
    /// The item.
    pub sku: Sku,
    /// On hand by the lone log's own fold; may be below zero.
    pub on_hand: i64,
    /// Rights minted by `H_s` for it.
    pub minted: u64,
    /// Given on to the successor at once.
    pub successor: Incarnation,
    /// Overdraw of the lone log that the successor's first event carries.
    pub overdraw: u64,
}

/// `custody.taken`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustodyTaken {
    /// The object.
    pub object: CustodyObject,
    /// The new epoch.
    pub epoch: u32,
    /// Who owns it now.
    pub owner: Incarnation,
    /// What it supersedes.
    pub superseded_epoch: u32,
    /// Its n.
    pub superseded_n: u64,
    /// Its hash.
    pub superseded_hash: Hash,
}

/// One expected line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedLine {
    /// The item.
    pub sku: Sku,
    /// Base units.
    pub units: u64,
    /// Cost of one pricing unit, as ordered.
    pub cost: Option<Money>,
}

/// `delivery.expected`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryExpected {
    /// The delivery.
    pub delivery: Id,
    /// The order's number.
    pub reference: String,
    /// Who may receive it.
    pub custodian: Incarnation,
    /// What should come.
    pub lines: Vec<ExpectedLine>,
}

/// `transfer.expected`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferExpected {
    /// The transfer.
    pub transfer: Id,
    /// From which store.
    pub from_store: String,
    /// Who may receive it.
    pub custodian: Incarnation,
    /// What should come.
    pub lines: Vec<ExpectedLine>,
}

/// `reservation.opened`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationOpened {
    /// The reservation.
    pub reservation: Id,
    /// The order it is for.
    pub order: Id,
    /// The item.
    pub sku: Sku,
    /// Base units; used from the hub's rights.
    pub units: u64,
    /// What it moved.
    pub moved: Moved,
    /// Hub time at which it may expire.
    pub expires: crate::clock::Tau,
    /// Who may finish it.
    pub custodian: Incarnation,
    /// The order's number, by which the store finds it.
    pub reference: String,
    /// What was paid for these units before; none where they are paid at the store.
    pub prepaid: Option<Money>,
}

/// `sku.aliased`: whatever was booked under `from` counts as `to`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkuAliased {
    /// The placeholder or old code.
    pub from: Sku,
    /// The item it is.
    pub to: Sku,
}

/// `day.closed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayClosed {
    /// The day.
    pub day: Day,
    /// Everything up to here belongs to it or an earlier one.
    pub frontier: Vec<CutHead>,
    /// Made again after a restore without the old log; a person confirms it.
    pub restored: bool,
    /// The fiscal chains' heads that the hub countersigns with it: (till, head).
    pub fiscal_heads: Vec<(String, FiscalHead)>,
}

/// `branch.cut`: who used rights of a branch that was cut off makes them good: `M += d, O += d` (`model.md` §3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchCut {
    /// Whose branch.
    pub incarnation: Incarnation,
    /// The last event that both branches share.
    pub fork: CutHead,
    /// Per item: base units made good.
    pub made_good: Vec<(Sku, u64)>,
}
