//! Samples of what the hub writes, every field filled.

use crate::{NODE, OTHER, head, id};
use tradepost_commerce::document::Sku;
use tradepost_commerce::money::Money;
use tradepost_sync::body::*;
use tradepost_sync::clock::Tau;
use tradepost_sync::ids::Hash;

fn sku() -> Sku {
    Sku("MUG".to_owned())
}

fn expected() -> Vec<ExpectedLine> {
    vec![ExpectedLine { sku: sku(), units: 20, cost: Some(Money(120)) }]
}

pub(crate) fn samples() -> Vec<Body> {
    vec![
        RosterChanged {
            version: 3,
            members: vec![RosterEntry {
                incarnation: NODE,
                device_key: [0x77; 32],
                name: "Front till".to_owned(),
                fenced: false,
                retired: true,
            }],
        }
        .into(),
        NodeFenced {
            incarnation: NODE,
            successor: Some(OTHER),
            attested: Some("burnt with the store".to_owned()),
        }
        .into(),
        BarrierOpened { barrier: id(1), members: vec![OTHER], fenced: vec![NODE] }.into(),
        BarrierClosed {
            barrier: id(1),
            caps: vec![head(5)],
            frontier: vec![head(6)],
            fold: Some(Hash([0x0f; 32])),
            void: false,
        }
        .into(),
        NodeResolved { incarnation: NODE, sku: sku(), barrier: id(1) }.into(),
        RightsMinted {
            sku: sku(),
            units: 3,
            barrier: Some(id(1)),
            reservation: Some(id(2)),
            retired: Some(NODE),
        }
        .into(),
        StockOpened { lone: NODE, sku: sku(), on_hand: -1, minted: 2, successor: OTHER, overdraw: 3 }.into(),
        CustodyTaken {
            object: CustodyObject::Shift { till: "R1".to_owned(), shift: 7 },
            epoch: 2,
            owner: OTHER,
            superseded_epoch: 1,
            superseded_n: 4,
            superseded_hash: Hash([0x1f; 32]),
        }
        .into(),
        DeliveryExpected {
            delivery: id(3),
            reference: "PO-77".to_owned(),
            custodian: NODE,
            lines: expected(),
        }
        .into(),
        TransferExpected { transfer: id(4), from_store: "s1".to_owned(), custodian: NODE, lines: expected() }
            .into(),
        ReservationOpened {
            reservation: id(5),
            order: id(6),
            sku: sku(),
            units: 1,
            moved: Moved { m: 0, c: 1, o: 0 },
            expires: Tau::told(2, 99),
            custodian: NODE,
            reference: "W1".to_owned(),
            prepaid: Some(Money(1_999)),
        }
        .into(),
        SkuAliased { from: Sku("a1a1/MUG".to_owned()), to: sku() }.into(),
        DayClosed {
            day: Day(20_454),
            frontier: vec![head(7)],
            restored: true,
            fiscal_heads: vec![(
                "R1".to_owned(),
                FiscalHead { series: "7K2QD".to_owned(), n: 12, hash: Hash([0xdd; 32]) },
            )],
        }
        .into(),
        BranchCut { incarnation: NODE, fork: head(8), made_good: vec![(sku(), 2)] }.into(),
    ]
}
