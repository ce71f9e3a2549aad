//! Samples of goods, rights and custody, every field filled.

use crate::{NODE, OTHER, head, id};
use tradepost_commerce::document::{Basis, Sku, StaffId};
use tradepost_commerce::money::Money;
use tradepost_commerce::quantity::Quantity;
use tradepost_sync::body::*;
use tradepost_sync::clock::Tau;

fn sku() -> Sku {
    Sku("MUG".to_owned())
}

fn manager() -> Option<StaffId> {
    Some(StaffId("m-01".to_owned()))
}

const MOVED: Moved = Moved { m: 5, c: 6, o: 7 };
const MARK: CustodyMark = CustodyMark { epoch: 1, n: 2 };

fn transfer_line() -> TransferLine {
    TransferLine { sku: sku(), units: 6, moved: MOVED }
}

pub(crate) fn samples() -> Vec<Body> {
    vec![
        DeliveryReceived {
            delivery: id(1),
            reference: "PO-77".to_owned(),
            lines: vec![DeliveryLine {
                sku: sku(),
                units: 18,
                expected: Some(20),
                cost: Some(Money(120)),
                moved: MOVED,
            }],
            custody: MARK,
            same_as: Some(id(8)),
            approver: manager(),
        }
        .into(),
        TransferShipped {
            transfer: id(2),
            to_store: "s2".to_owned(),
            lines: vec![transfer_line()],
            approver: manager(),
        }
        .into(),
        TransferReceived {
            transfer: id(2),
            from_store: "s1".to_owned(),
            lines: vec![transfer_line()],
            custody: MARK,
            confirmed: true,
            approver: manager(),
        }
        .into(),
        StockAdjusted {
            adjustment: id(3),
            sku: sku(),
            units: -2,
            reason: "breakage".to_owned(),
            approver: manager(),
            moved: MOVED,
        }
        .into(),
        StockCounted {
            count: id(4),
            sku: sku(),
            n: 34,
            tau_start: Some(Tau { epoch: 2, ms: 10, age: 1 }),
            tau_end: Some(Tau { epoch: 2, ms: 20, age: 1 }),
            cut_start: vec![head(3)],
            cut_end: vec![head(4)],
            held: 1,
            moved: MOVED,
            variance: -1,
        }
        .into(),
        RightsBurnt { sku: sku(), units: 1, asked_by: Some(id(5)) }.into(),
        IncarnationStarted {
            random: [0xee; 16],
            program: "tradepost-node 0.1.0".to_owned(),
            carried: vec![(sku(), 3)],
        }
        .into(),
        CustodyMoved {
            object: CustodyObject::Refund(id(6)),
            epoch: 1,
            n: 2,
            from: NODE,
            to: OTHER,
            basis: vec![(0, Basis { quantity: Quantity(1_000), net: Money(646), tax: Money(149) })],
        }
        .into(),
        RightsGranted { sku: sku(), to: OTHER, units: 4 }.into(),
        RightsSettled { sku: sku(), units: 2 }.into(),
        ReservationFulfilled { reservation: id(7), sku: sku(), units: 1, custody: MARK }.into(),
        ReservationCancelled { reservation: id(7), sku: sku(), units: 1, moved: MOVED, custody: MARK }.into(),
        ReservationExpired { reservation: id(7), sku: sku(), units: 1, moved: MOVED, custody: MARK }.into(),
        IncarnationRetired { last_seq: 9, by: RetiredBy::Enrolment(OTHER) }.into(),
    ]
}
