//! What events do to cells and ledger.

use crate::fixtures::*;
use tradepost_commerce::document::Sku;
use tradepost_commerce::document::{LineKind, PoolDraw, Tender, TenderKind};
use tradepost_commerce::money::Money;
use tradepost_commerce::quantity::Quantity;
use tradepost_sync::body::*;
use tradepost_sync::effects::{self, BadEffects, Cell, CellEffect, LedgerEffect, MovementKind};
use tradepost_sync::event::{Envelope, Head};
use tradepost_sync::ids::{Id, Incarnation};

fn envelope() -> Envelope {
    sales(1).remove(0).envelope
}

fn sku() -> Sku {
    Sku("MUG".into())
}

#[test]
fn a_sale_takes_what_it_sells_from_rights_and_from_overdraw() {
    let mut body =
        sale(&Head::empty(NODE), 1, 1, None, document(inputs(vec![line(0, 3)], vec![cash(3_000)])));
    body.moved = vec![Moved { m: 0, c: 2, o: 1 }];
    let effects = effects::of(&envelope(), &Body::from(body)).unwrap();
    assert_eq!(
        effects.cells,
        [
            CellEffect { sku: sku(), cell: Cell::Used, units: 2 },
            CellEffect { sku: sku(), cell: Cell::Overdrawn, units: 1 }
        ]
    );
    assert_eq!(effects.ledger, [LedgerEffect { sku: sku(), units: -3, kind: MovementKind::Sale }]);
}

#[test]
fn a_sale_that_moves_something_else_than_it_sells_has_no_effects() {
    let mut body =
        sale(&Head::empty(NODE), 1, 1, None, document(inputs(vec![line(0, 3)], vec![cash(3_000)])));
    for moved in [
        vec![],
        vec![Moved { m: 0, c: 2, o: 0 }],
        vec![Moved { m: 1, c: 3, o: 0 }],
        vec![Moved::default(); 2],
    ] {
        body.moved = moved;
        let result = effects::of(&envelope(), &Body::from(body.clone()));
        assert!(matches!(result, Err(BadEffects::LineMismatch { .. })), "{:?}", body.moved);
    }
}

#[test]
fn settling_and_giving_leave_the_ledger_alone() {
    let settled = effects::of(&envelope(), &Body::from(RightsSettled { sku: sku(), units: 2 })).unwrap();
    assert!(settled.ledger.is_empty());
    assert_eq!(settled.cells.len(), 2);
    let to = Incarnation([5; 16]);
    let given = effects::of(&envelope(), &Body::from(RightsGranted { sku: sku(), to, units: 4 })).unwrap();
    assert_eq!(given.cells, [CellEffect { sku: sku(), cell: Cell::Given(to), units: 4 }]);
}

/// G28: a jump that nothing can have moved is named, not applied.
#[test]
fn an_implausible_jump_is_refused() {
    for units in [i64::MIN, -2_000_000_000, 2_000_000_000, i64::MAX] {
        let body = StockAdjusted {
            adjustment: Id([1; 16]),
            sku: sku(),
            units,
            reason: "found".into(),
            approver: None,
            moved: Moved::default(),
        };
        let result = effects::of(&envelope(), &Body::from(body));
        assert!(matches!(result, Err(BadEffects::Implausible { .. })), "{units}");
    }
}

#[test]
fn an_unknown_kind_counts_by_its_envelope() {
    let mut envelope = envelope();
    let cells = vec![CellEffect { sku: sku(), cell: Cell::Used, units: 7 }];
    envelope.cells = Some(effects::Effects { cells: cells.clone(), ..Default::default() });
    let body = Body::decode(999, 1, &[1, 2, 3]).unwrap();
    assert_eq!(effects::of(&envelope, &body).unwrap().cells, cells);
}

fn delivered(units: u64, moved: Moved) -> DeliveryReceived {
    DeliveryReceived {
        delivery: Id([1; 16]),
        reference: "PO".into(),
        lines: vec![DeliveryLine { sku: sku(), units, expected: None, cost: None, moved }],
        custody: CustodyMark::FIRST,
        same_as: None,
        approver: None,
    }
}

fn adjusted(units: i64, moved: Moved) -> StockAdjusted {
    StockAdjusted {
        adjustment: Id([1; 16]),
        sku: sku(),
        units,
        reason: "found".into(),
        approver: None,
        moved,
    }
}

fn shipped(units: u64, moved: Moved) -> TransferShipped {
    let lines = vec![TransferLine { sku: sku(), units, moved }];
    TransferShipped { transfer: Id([1; 16]), to_store: "s2".into(), lines, approver: None }
}

/// (C): rights move with the goods. What mints more than came, or takes other than what left, is no fact.
#[test]
fn rights_move_with_the_goods_or_not_at_all() {
    let moved = |m, c, o| Moved { m, c, o };
    let stories: Vec<(Body, bool)> = vec![
        (delivered(5, moved(5, 0, 0)).into(), true),
        (delivered(5, moved(0, 0, 0)).into(), true),
        (delivered(5, moved(6, 0, 0)).into(), false),
        (delivered(5, moved(5, 1, 0)).into(), false),
        (delivered(5, moved(0, 0, 1)).into(), false),
        (shipped(5, moved(0, 3, 2)).into(), true),
        (shipped(5, moved(0, 3, 1)).into(), false),
        (shipped(5, moved(0, u64::MAX, 6)).into(), false),
        (shipped(5, moved(1, 5, 0)).into(), false),
        (adjusted(-5, moved(0, 4, 1)).into(), true),
        (adjusted(-5, moved(0, 0, 0)).into(), false),
        (adjusted(5, moved(0, 0, 0)).into(), true),
        (adjusted(5, moved(0, 5, 0)).into(), false),
        (adjusted(0, moved(0, 0, 1)).into(), false),
    ];
    for (body, fits) in stories {
        assert_eq!(effects::of(&envelope(), &body).is_ok(), fits, "{body:?}");
    }
}

/// What the whole event moves counts, not each line by itself.
#[test]
fn many_plausible_lines_are_implausible_together() {
    let mut body = delivered(900_000_000, Moved { m: 900_000_000, c: 0, o: 0 });
    assert!(effects::of(&envelope(), &Body::from(body.clone())).is_ok());
    body.lines.push(body.lines[0].clone());
    assert!(matches!(effects::of(&envelope(), &Body::from(body)), Err(BadEffects::Implausible { .. })));
}

#[test]
fn a_sale_of_less_than_nothing_is_none() {
    let mut body =
        sale(&Head::empty(NODE), 1, 1, None, document(inputs(vec![line(0, 3)], vec![cash(3_000)])));
    body.document.inputs.lines[0].quantity = Quantity(-3_000);
    assert!(matches!(effects::of(&envelope(), &Body::from(body)), Err(BadEffects::LineMismatch { line: 0 })));
}

/// A line of a reservation was promised before; the line beside it was not.
#[test]
fn only_lines_of_a_reservation_are_picked_up() {
    let mut body = sale(
        &Head::empty(NODE),
        1,
        1,
        None,
        document(inputs(vec![line(0, 1), line(1, 1)], vec![cash(3_000)])),
    );
    body.reservations = vec![(1, Id([7; 16]))];
    let kinds: Vec<_> =
        effects::of(&envelope(), &Body::from(body)).unwrap().ledger.iter().map(|l| l.kind).collect();
    assert_eq!(kinds, [MovementKind::Sale, MovementKind::PickUp]);
}

/// Quota of a gift card is rights in its pool; selling one moves no stock.
#[test]
fn a_gift_card_draws_its_pool_and_moves_no_goods() {
    let mut card = line(0, 1);
    card.kind = LineKind::Liability { pool: "G-9".into() };
    card.tax.ppm = 0;
    let pool = Some(PoolDraw { pool: "G-1".into(), used: Money(700) });
    let mut body = sale(&Head::empty(NODE), 1, 1, None, document(inputs(vec![card], vec![cash(1_000)])));
    body.document.inputs.tenders = vec![Tender { kind: TenderKind::GiftCard, pool, ..cash(700) }];
    body.moved = vec![Moved::default()];
    let effects = effects::of(&envelope(), &Body::from(body)).unwrap();
    assert_eq!(effects.cells, [CellEffect { sku: Sku("G-1".into()), cell: Cell::Used, units: 700 }]);
    assert!(effects.ledger.is_empty());
}

/// The overdraw a lone log leaves is in view with its successor's first event (`model.md` §1, §4).
#[test]
fn a_successor_carries_the_overdraw_it_was_left() {
    let body = IncarnationStarted { random: [1; 16], program: "t".into(), carried: vec![(sku(), 3)] };
    let effects = effects::of(&envelope(), &Body::from(body)).unwrap();
    assert_eq!(effects.cells, [CellEffect { sku: sku(), cell: Cell::Overdrawn, units: 3 }]);
}

/// An object's end carries its own place in the custody: behind a takeover it shows.
#[test]
fn an_end_says_which_custody_it_ends() {
    let mut body = delivered(5, Moved::default());
    body.custody = CustodyMark { epoch: 2, n: 4 };
    let effects = effects::of(&envelope(), &Body::from(body)).unwrap();
    let step = &effects.custody[0];
    assert_eq!((step.epoch, step.n, step.owner, step.terminal), (2, 4, NODE, true));
    let expected = DeliveryExpected {
        delivery: Id([1; 16]),
        reference: "PO".into(),
        custodian: Incarnation([5; 16]),
        lines: Vec::new(),
    };
    let begun = effects::of(&envelope(), &Body::from(expected)).unwrap().custody.remove(0);
    assert_eq!((begun.epoch, begun.n, begun.owner, begun.terminal), (0, 0, Incarnation([5; 16]), false));
}

/// What is missing stays in transit until somebody confirms the count.
#[test]
fn a_transfer_ends_with_a_confirmed_count() {
    for confirmed in [false, true] {
        let body = TransferReceived {
            transfer: Id([1; 16]),
            from_store: "s1".into(),
            lines: vec![TransferLine { sku: sku(), units: 5, moved: Moved { m: 5, c: 0, o: 0 } }],
            custody: CustodyMark::FIRST,
            confirmed,
            approver: None,
        };
        let effects = effects::of(&envelope(), &Body::from(body)).unwrap();
        assert_eq!(effects.custody[0].terminal, confirmed);
    }
}
