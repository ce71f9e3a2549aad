//! Every kind of event and what it freezes (`facts.md` §2).
//!
//! A body is encoded with postcard, fields in declared order. Nothing in these structs may be moved, removed or
//! retyped: a change is a new version of the kind. No body holds personal data; a customer is an id at most.

mod documents;
mod hub;
mod shift;
mod stock;

pub use documents::*;
pub use hub::*;
pub use shift::*;
pub use stock::*;

use crate::event::BadEvent;
use serde::{Deserialize, Serialize};

/// A local calendar date as days since 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub i32);

macro_rules! kinds {
    ($( $(#[$doc:meta])* $kind:ident = $number:literal, $name:literal, $version:literal; )*) => {
        /// The kinds this program knows. Numbers are frozen; format 1 kinds imply their effects.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $( $(#[$doc])* $kind, )* }

        impl Kind {
            /// Every known kind, by number.
            pub const ALL: &'static [Kind] = &[$( Kind::$kind, )*];

            /// The kind with this number.
            pub fn from_number(number: u16) -> Option<Self> {
                match number { $( $number => Some(Self::$kind), )* _ => None }
            }

            /// The number on the wire.
            pub fn number(self) -> u16 {
                match self { $( Self::$kind => $number, )* }
            }

            /// The name people and exports use.
            pub fn name(self) -> &'static str {
                match self { $( Self::$kind => $name, )* }
            }
        }

        /// A decoded body.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        pub enum Body {
            $( $(#[$doc])* $kind(Box<$kind>), )*
            /// A kind or a version that this program doesn't know: stored and forwarded untouched.
            Unknown(UnknownBody),
        }

        impl Body {
            /// The kind, where it is known.
            pub fn kind(&self) -> Option<Kind> {
                match self { $( Self::$kind(_) => Some(Kind::$kind), )* Self::Unknown(_) => None }
            }

            /// Kind number, version and canonical bytes.
            pub fn encode(&self) -> Result<(u16, u16, Vec<u8>), BadEvent> {
                match self {
                    $( Self::$kind(body) => Ok(($number, $version, encode(body.as_ref(), $name)?)), )*
                    Self::Unknown(u) => Ok((u.kind, u.version, u.bytes.clone())),
                }
            }

            /// Reads a body. An unknown kind or a later version is no error; malformed bytes of a known one are.
            pub fn decode(kind: u16, version: u16, bytes: &[u8]) -> Result<Self, BadEvent> {
                match (kind, version) {
                    $( ($number, $version) => Ok(Self::$kind(Box::new(decode(bytes, $name)?))), )*
                    _ => Ok(Self::Unknown(UnknownBody { kind, version, bytes: bytes.to_vec() })),
                }
            }
        }

        $( impl From<$kind> for Body {
            fn from(body: $kind) -> Self { Self::$kind(Box::new(body)) }
        } )*
    };
}

kinds! {
    /// A shift begins.
    ShiftOpened = 1, "shift.opened", 1;
    /// Cash into or out of a drawer that is no sale.
    CashMoved = 2, "cash.moved", 1;
    /// A drawer was opened without a sale.
    DrawerOpened = 3, "drawer.opened", 1;
    /// A sale.
    SaleCommitted = 4, "sale.committed", 1;
    /// A refund, or a void.
    RefundCommitted = 5, "refund.committed", 1;
    /// A tender that was open found its end.
    PaymentSettled = 6, "payment.settled", 1;
    /// A document was printed again.
    CopyPrinted = 7, "copy.printed", 1;
    /// A shift ends, with its Z.
    ShiftClosed = 8, "shift.closed", 1;
    /// Goods came in.
    DeliveryReceived = 9, "delivery.received", 1;
    /// Goods left for another store.
    TransferShipped = 10, "transfer.shipped", 1;
    /// Goods came from another store.
    TransferReceived = 11, "transfer.received", 1;
    /// Stock was corrected with a reason.
    StockAdjusted = 12, "stock.adjusted", 1;
    /// Stock was counted.
    StockCounted = 13, "stock.counted", 1;
    /// Rights without goods behind them were given up.
    RightsBurnt = 14, "rights.burnt", 1;
    /// The program started in a new boot.
    IncarnationStarted = 15, "incarnation.started", 1;
    /// Custody of an object went to another.
    CustodyMoved = 16, "custody.moved", 1;
    /// A till went to another node.
    TillMoved = 17, "till.moved", 1;
    /// A receivable was paid.
    ReceivableCollected = 18, "receivable.collected", 1;
    /// Rights were given to another incarnation.
    RightsGranted = 19, "rights.granted", 1;
    /// Overdraw was covered by rights.
    RightsSettled = 20, "rights.settled", 1;
    /// A reservation was handed out.
    ReservationFulfilled = 21, "reservation.fulfilled", 1;
    /// A reservation was cancelled.
    ReservationCancelled = 22, "reservation.cancelled", 1;
    /// A reservation ran out.
    ReservationExpired = 23, "reservation.expired", 1;
    /// A customer is known by this id from now on.
    CustomerCreated = 24, "customer.created", 1;
    /// A customer's record changed.
    CustomerChanged = 25, "customer.changed", 1;
    /// Something was allowed that policy forbids.
    OverrideUsed = 26, "override.used", 1;
    /// The incarnation's last event.
    IncarnationRetired = 27, "incarnation.retired", 1;
    /// The roster of a store's incarnations.
    RosterChanged = 40, "roster.changed", 1;
    /// A node is fenced.
    NodeFenced = 41, "node.fenced", 1;
    /// A barrier opens.
    BarrierOpened = 42, "barrier.opened", 1;
    /// A barrier closes with its caps.
    BarrierClosed = 43, "barrier.closed", 1;
    /// A fenced node's rights in a sku are resolved.
    NodeResolved = 44, "node.resolved", 1;
    /// The hub minted a surplus.
    RightsMinted = 45, "rights.minted", 1;
    /// A store's stock of a sku at enrolment.
    StockOpened = 46, "stock.opened", 1;
    /// A forced takeover of custody.
    CustodyTaken = 47, "custody.taken", 1;
    /// Goods are expected.
    DeliveryExpected = 48, "delivery.expected", 1;
    /// A transfer is expected.
    TransferExpected = 49, "transfer.expected", 1;
    /// A reservation is opened.
    ReservationOpened = 50, "reservation.opened", 1;
    /// Two SKUs are the same item.
    SkuAliased = 51, "sku.aliased", 1;
    /// A store's accounting day is closed.
    DayClosed = 52, "day.closed", 1;
    /// A branch was cut off and what its rights had been used for is made good.
    BranchCut = 53, "branch.cut", 1;
}

/// A body of a later program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnknownBody {
    /// Kind number.
    pub kind: u16,
    /// Version of the body.
    pub version: u16,
    /// The bytes, untouched.
    pub bytes: Vec<u8>,
}

fn encode<T: Serialize>(body: &T, kind: &str) -> Result<Vec<u8>, BadEvent> {
    postcard::to_allocvec(body).map_err(|e| BadEvent::Body { kind: kind.to_owned(), why: e.to_string() })
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8], kind: &str) -> Result<T, BadEvent> {
    let malformed = |why: String| BadEvent::Body { kind: kind.to_owned(), why };
    let (body, rest) = postcard::take_from_bytes(bytes).map_err(|e| malformed(e.to_string()))?;
    if !rest.is_empty() {
        return Err(malformed(format!("{} bytes left over", rest.len())));
    }
    Ok(body)
}
