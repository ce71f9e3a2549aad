//! Goods, rights and custody, as a node writes them (`model.md` §2 to §5).

use super::Moved;
use crate::clock::Tau;
use crate::ids::{Hash, Id, Incarnation};
use serde::{Deserialize, Serialize};
use tradepost_commerce::document::{Basis, Sku, StaffId};
use tradepost_commerce::money::Money;

/// A step in an object's custody: (epoch, n), of which the greater counts (`model.md` §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CustodyMark {
    /// Grows with a forced takeover.
    pub epoch: u32,
    /// Grows with each step of the owner.
    pub n: u64,
}

impl CustodyMark {
    /// The first step of the object's first owner: its end, where it never moved.
    pub const FIRST: Self = Self { epoch: 0, n: 1 };
}

/// One line of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryLine {
    /// The item.
    pub sku: Sku,
    /// Base units that came.
    pub units: u64,
    /// Base units that were expected, where an order announced them.
    pub expected: Option<u64>,
    /// Cost of one pricing unit.
    pub cost: Option<Money>,
    /// What it moved.
    pub moved: Moved,
}

/// `delivery.received`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryReceived {
    /// The delivery.
    pub delivery: Id,
    /// The supplier's or the order's number.
    pub reference: String,
    /// What came; nothing where a person closes it as not delivered.
    pub lines: Vec<DeliveryLine>,
    /// The step that ends its custody.
    pub custody: CustodyMark,
    /// An unannounced receipt that was this delivery; then nothing comes here.
    pub same_as: Option<Id>,
    /// Who allowed it, where policy asks.
    pub approver: Option<StaffId>,
}

/// One line of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferLine {
    /// The item.
    pub sku: Sku,
    /// Base units.
    pub units: u64,
    /// What it moved.
    pub moved: Moved,
}

/// `transfer.shipped`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferShipped {
    /// The transfer.
    pub transfer: Id,
    /// The other store, by the hub's code.
    pub to_store: String,
    /// What left.
    pub lines: Vec<TransferLine>,
    /// Who allowed shipping beyond the rights.
    pub approver: Option<StaffId>,
}

/// `transfer.received`: the confirmed count is the write-off of what is missing; until then that is in transit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferReceived {
    /// The transfer.
    pub transfer: Id,
    /// Where it came from.
    pub from_store: String,
    /// What came.
    pub lines: Vec<TransferLine>,
    /// The step in its custody.
    pub custody: CustodyMark,
    /// The count is confirmed: nothing more comes, and what is missing is written off.
    pub confirmed: bool,
    /// Who confirmed a difference, where policy asks.
    pub approver: Option<StaffId>,
}

/// `stock.adjusted`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockAdjusted {
    /// The adjustment.
    pub adjustment: Id,
    /// The item.
    pub sku: Sku,
    /// Base units, up or down.
    pub units: i64,
    /// `waste`, `breakage`, `found`, `own_use` or the settings' code.
    pub reason: String,
    /// Who allowed it.
    pub approver: Option<StaffId>,
    /// What it moved.
    pub moved: Moved,
}

/// One author's head in a count's cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutHead {
    /// The author.
    pub incarnation: Incarnation,
    /// Up to here.
    pub seq: u64,
    /// With this hash.
    pub hash: Hash,
}

/// `stock.counted`: frozen as it was seen; taint is computed, never frozen (`model.md` §4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockCounted {
    /// The count.
    pub count: Id,
    /// The item.
    pub sku: Sku,
    /// Base units on the shelf and set aside.
    pub n: u64,
    /// Hub time at the start.
    pub tau_start: Option<Tau>,
    /// Hub time at the end.
    pub tau_end: Option<Tau>,
    /// What the answering nodes held at the start.
    pub cut_start: Vec<CutHead>,
    /// And at the end.
    pub cut_end: Vec<CutHead>,
    /// Rights held by carts at either time.
    pub held: u64,
    /// What it moved (`c`: burnt at once).
    pub moved: Moved,
    /// n − on_hand as printed on the count sheet.
    pub variance: i64,
}

/// `rights.burnt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RightsBurnt {
    /// The item.
    pub sku: Sku,
    /// Base units.
    pub units: u64,
    /// The request it answers: an id, done once.
    pub asked_by: Option<Id>,
}

/// `incarnation.started`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncarnationStarted {
    /// Random bits, so that of two clones the second is a fork.
    pub random: [u8; 16],
    /// Version of the program.
    pub program: String,
    /// Overdraw of a lone log that its successor carries on, by item; only in a successor's first event
    /// (`model.md` §4).
    pub carried: Vec<(Sku, u64)>,
}

/// What custody is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CustodyObject {
    /// A cart.
    Cart(Id),
    /// A reservation.
    Reservation(Id),
    /// A transfer.
    Transfer(Id),
    /// A delivery.
    Delivery(Id),
    /// The right to refund a sale.
    Refund(Id),
    /// A shift of a till.
    Shift {
        /// The till.
        till: String,
        /// The shift's number.
        shift: u32,
    },
}

/// `custody.moved`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustodyMoved {
    /// The object.
    pub object: CustodyObject,
    /// Epoch of its custody.
    pub epoch: u32,
    /// Its next n.
    pub n: u64,
    /// From whom.
    pub from: Incarnation,
    /// To whom.
    pub to: Incarnation,
    /// For a refund right: per line what has been refunded (line, basis).
    pub basis: Vec<(u16, Basis)>,
}

/// `rights.granted`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RightsGranted {
    /// The item, or a pool's id.
    pub sku: Sku,
    /// Who gets them.
    pub to: Incarnation,
    /// Base units.
    pub units: u64,
}

/// `rights.settled`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RightsSettled {
    /// The item.
    pub sku: Sku,
    /// Base units of overdraw that rights cover now.
    pub units: u64,
}

/// What became of a reservation: body of `reservation.fulfilled`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationFulfilled {
    /// The reservation.
    pub reservation: Id,
    /// The item.
    pub sku: Sku,
    /// Base units handed out.
    pub units: u64,
    /// The step that ends its custody.
    pub custody: CustodyMark,
}

/// `reservation.cancelled`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationCancelled {
    /// The reservation.
    pub reservation: Id,
    /// The item.
    pub sku: Sku,
    /// Base units set free.
    pub units: u64,
    /// What it moved (`m`: minted by the custodian; 0 behind a takeover).
    pub moved: Moved,
    /// The step that ends its custody.
    pub custody: CustodyMark,
}

/// `reservation.expired`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationExpired {
    /// The reservation.
    pub reservation: Id,
    /// The item.
    pub sku: Sku,
    /// Base units set free.
    pub units: u64,
    /// What it moved (`m`: minted by the custodian; 0 behind a takeover).
    pub moved: Moved,
    /// The step that ends its custody.
    pub custody: CustodyMark,
}

/// Why an incarnation retired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RetiredBy {
    /// By itself, with its log complete.
    Itself,
    /// A lone node, at enrolment: its successor goes on.
    Enrolment(Incarnation),
    /// An operator attests that the machine is gone.
    Operator(String),
}

/// `incarnation.retired`: the last event of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncarnationRetired {
    /// Seq of this event.
    pub last_seq: u64,
    /// By whom.
    pub by: RetiredBy,
}
