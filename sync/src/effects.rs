//! What an event does to cells, ledger and custody (`model.md` §2).
//!
//! Kinds of format 1 imply their effects: [`of`] derives them from the body. Streams are gapless and applied once,
//! so effects are deltas; the cells they add up to are monotone and merge by `max`.

use crate::body::{Body, CustodyMark, CustodyObject, Moved, SaleCommitted};
use crate::event::{BadEvent, Envelope};
use crate::ids::Incarnation;
use crate::limits::PLAUSIBLE_UNITS_MAX;
use serde::{Deserialize, Serialize};
use tradepost_commerce::document::{Condition, LineKind, PoolDraw, Sku};
use tradepost_commerce::quantity::{Quantity, Unit, Units};

/// One change of a cell in the author's own row.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CellEffect {
    /// The item.
    pub sku: Sku,
    /// Which cell.
    pub cell: Cell,
    /// By how many base units it grows.
    pub units: u64,
}

/// A cell of the author's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Cell {
    /// `M`: minted.
    Minted,
    /// `T`: given to another.
    Given(Incarnation),
    /// `U`: used.
    Used,
    /// `O`: overdraw taken.
    Overdrawn,
    /// `S`: overdraw settled.
    Settled,
}

/// Why goods moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MovementKind {
    /// Sold.
    Sale,
    /// Came back.
    Return,
    /// Came back damaged, or written off.
    Waste,
    /// Delivered.
    Receipt,
    /// Sent to another store.
    TransferOut,
    /// Came from another store.
    TransferIn,
    /// Corrected.
    Adjustment,
    /// A count's variance as printed; on_hand itself is a fold with the count as its base.
    Count,
    /// Handed out of a reservation.
    PickUp,
    /// A lone node's stock at enrolment.
    Opening,
}

/// One movement of goods.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LedgerEffect {
    /// The item.
    pub sku: Sku,
    /// Base units, in or out.
    pub units: i64,
    /// Why.
    pub kind: MovementKind,
}

/// One step in an object's custody.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CustodyEffect {
    /// The object.
    pub object: CustodyObject,
    /// Its epoch.
    pub epoch: u32,
    /// Its n.
    pub n: u64,
    /// Who owns it now.
    pub owner: Incarnation,
    /// Whether it has come to its end.
    pub terminal: bool,
}

/// Everything an event does, besides being a fact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Effects {
    /// Cells of the author's row.
    pub cells: Vec<CellEffect>,
    /// Movements, in the order of the fact's lines.
    pub ledger: Vec<LedgerEffect>,
    /// Custody.
    pub custody: Vec<CustodyEffect>,
}

/// Why effects can't be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEffects {
    /// The body doesn't decode.
    #[error(transparent)]
    Event(#[from] BadEvent),
    /// More base units than anything can move.
    #[error("{units} base units of {sku} in one event are not plausible")]
    Implausible {
        /// The item.
        sku: String,
        /// How many.
        units: u64,
    },
    /// A document whose lines and movements don't match, or a quantity that is no whole number of base units.
    #[error("line {line} of the document moves something else than it sells")]
    LineMismatch {
        /// Index of the line.
        line: usize,
    },
}

/// The effects of an event: those it implies, or those its envelope carries for a kind that isn't known.
pub fn of(envelope: &Envelope, body: &Body) -> Result<Effects, BadEffects> {
    let mut effects = match body {
        Body::Unknown(_) => envelope.cells.clone().unwrap_or_default(),
        known => implied(known, envelope.incarnation)?,
    };
    if envelope.reissue.is_some() {
        // The rights that it used stay with the branch that was cut off (`model.md` §3, Forks).
        effects.cells.retain(|effect| effect.cell == Cell::Overdrawn);
    }
    plausible(&effects)?;
    balanced(body)?;
    Ok(effects)
}

/// Whether effects are of a size that goods can have: what the whole event moves counts (`model.md` §6).
pub fn plausible(effects: &Effects) -> Result<(), BadEffects> {
    fits(effects.cells.iter().map(|c| (&c.sku, c.units)))?;
    fits(effects.ledger.iter().map(|l| (&l.sku, l.units.unsigned_abs())))
}

fn fits<'a>(mut moves: impl Iterator<Item = (&'a Sku, u64)>) -> Result<(), BadEffects> {
    let mut sum = 0u64;
    moves.try_for_each(|(sku, units)| {
        sum = sum.saturating_add(units);
        if sum <= PLAUSIBLE_UNITS_MAX {
            return Ok(());
        }
        Err(BadEffects::Implausible { sku: sku.0.clone(), units: sum })
    })
}

fn implied(body: &Body, author: Incarnation) -> Result<Effects, BadEffects> {
    let mut out = Effects::default();
    match body {
        Body::SaleCommitted(sale) => {
            if sale.moved.len() != sale.document.inputs.lines.len() {
                return Err(BadEffects::LineMismatch { line: sale.moved.len() });
            }
            for (line, (input, moved)) in sale.document.inputs.lines.iter().zip(&sale.moved).enumerate() {
                let units = goods(&input.kind, &input.unit, input.quantity, line)?;
                out.moved(&input.sku, moved);
                if input.kind == LineKind::Goods {
                    out.ledger(&input.sku, -units.0, leaving(sale, line));
                }
            }
            pools(sale).for_each(|draw| out.drawn(draw));
        }
        Body::RefundCommitted(refund) => {
            if refund.moved.len() != refund.document.inputs.lines.len() {
                return Err(BadEffects::LineMismatch { line: refund.moved.len() });
            }
            for (line, (input, moved)) in refund.document.inputs.lines.iter().zip(&refund.moved).enumerate() {
                let units = goods(&input.kind, &input.unit, input.quantity, line)?;
                out.moved(&input.sku, moved);
                if input.kind != LineKind::Goods {
                    continue;
                }
                out.ledger(&input.sku, units.0, MovementKind::Return);
                if input.condition == Condition::Waste {
                    out.ledger(&input.sku, -units.0, MovementKind::Waste);
                }
            }
        }
        Body::DeliveryReceived(delivery) => {
            for line in &delivery.lines {
                out.moved(&line.sku, &line.moved);
                out.ledger(&line.sku, signed(line.units), MovementKind::Receipt);
            }
            out.end_of(CustodyObject::Delivery(delivery.delivery), author, delivery.custody);
        }
        Body::TransferShipped(transfer) => {
            for line in &transfer.lines {
                out.moved(&line.sku, &line.moved);
                out.ledger(&line.sku, -signed(line.units), MovementKind::TransferOut);
            }
        }
        Body::TransferReceived(transfer) => {
            for line in &transfer.lines {
                out.moved(&line.sku, &line.moved);
                out.ledger(&line.sku, signed(line.units), MovementKind::TransferIn);
            }
            let object = CustodyObject::Transfer(transfer.transfer);
            out.step(object, author, transfer.custody, transfer.confirmed);
        }
        Body::StockAdjusted(adjusted) => {
            out.moved(&adjusted.sku, &adjusted.moved);
            let kind =
                if adjusted.reason == "waste" { MovementKind::Waste } else { MovementKind::Adjustment };
            out.ledger(&adjusted.sku, adjusted.units, kind);
        }
        Body::StockCounted(count) => out.moved(&count.sku, &count.moved),
        Body::RightsBurnt(burnt) => out.cell(&burnt.sku, Cell::Used, burnt.units),
        Body::RightsGranted(granted) => out.cell(&granted.sku, Cell::Given(granted.to), granted.units),
        Body::RightsSettled(settled) => {
            out.cell(&settled.sku, Cell::Used, settled.units);
            out.cell(&settled.sku, Cell::Settled, settled.units);
        }
        Body::RightsMinted(minted) => out.cell(&minted.sku, Cell::Minted, minted.units),
        Body::StockOpened(opened) => {
            out.cell(&opened.sku, Cell::Minted, opened.minted);
            out.cell(&opened.sku, Cell::Given(opened.successor), opened.minted);
            out.ledger(&opened.sku, opened.on_hand, MovementKind::Opening);
        }
        Body::ReservationOpened(reservation) => {
            out.moved(&reservation.sku, &reservation.moved);
            out.begin(CustodyObject::Reservation(reservation.reservation), reservation.custodian);
        }
        Body::DeliveryExpected(expected) => {
            out.begin(CustodyObject::Delivery(expected.delivery), expected.custodian);
        }
        Body::TransferExpected(expected) => {
            out.begin(CustodyObject::Transfer(expected.transfer), expected.custodian);
        }
        Body::ReceivableCollected(collected) => {
            collected
                .tenders
                .iter()
                .filter_map(|tender| tender.pool.as_ref())
                .for_each(|draw| out.drawn(draw));
        }
        Body::IncarnationStarted(started) => {
            started.carried.iter().for_each(|(sku, units)| out.cell(sku, Cell::Overdrawn, *units));
        }
        Body::ReservationFulfilled(done) => {
            out.ledger(&done.sku, -signed(done.units), MovementKind::PickUp);
            out.end_of(CustodyObject::Reservation(done.reservation), author, done.custody);
        }
        Body::ReservationCancelled(done) => {
            out.moved(&done.sku, &done.moved);
            out.end_of(CustodyObject::Reservation(done.reservation), author, done.custody);
        }
        Body::ReservationExpired(done) => {
            out.moved(&done.sku, &done.moved);
            out.end_of(CustodyObject::Reservation(done.reservation), author, done.custody);
        }
        Body::CustodyMoved(moved) => {
            let mark = CustodyMark { epoch: moved.epoch, n: moved.n };
            out.step(moved.object.clone(), moved.to, mark, false);
        }
        Body::CustodyTaken(taken) => {
            let mark = CustodyMark { epoch: taken.epoch, n: 0 };
            out.step(taken.object.clone(), taken.owner, mark, false);
        }
        Body::BranchCut(cut) => {
            for (sku, units) in &cut.made_good {
                out.cell(sku, Cell::Minted, *units);
                out.cell(sku, Cell::Overdrawn, *units);
            }
        }
        _ => {}
    }
    Ok(out)
}

/// Goods of a reservation were promised before.
fn leaving(sale: &SaleCommitted, line: usize) -> MovementKind {
    let reserved = sale.reservations.iter().any(|(at, _)| usize::from(*at) == line);
    if reserved { MovementKind::PickUp } else { MovementKind::Sale }
}

/// Quota that a sale drew: of the tenders' pools and of single-use coupons.
fn pools(sale: &SaleCommitted) -> impl Iterator<Item = &PoolDraw> {
    let inputs = &sale.document.inputs;
    let tenders = inputs.tenders.iter().map(|tender| &tender.pool);
    let coupons = inputs.order_discounts.iter().map(|discount| &discount.pool);
    tenders.chain(coupons).flatten()
}

/// Whether rights move with the goods of each line, so that the event leaves `D` as it was, or raises it where an
/// unregistered or locked author mints nothing (`model.md` §2, (C)). What takes more rights than goods leave, or
/// mints more than come, is no fact.
fn balanced(body: &Body) -> Result<(), BadEffects> {
    match body {
        Body::SaleCommitted(sale) => {
            lines(sale.document.inputs.lines.iter().zip(&sale.moved), |line, (input, moved)| {
                Ok(leaves(moved, size(goods(&input.kind, &input.unit, input.quantity, line)?)))
            })
        }
        Body::RefundCommitted(refund) => {
            lines(refund.document.inputs.lines.iter().zip(&refund.moved), |line, (input, moved)| {
                let units = goods(&input.kind, &input.unit, input.quantity, line)?;
                Ok(comes(moved, if input.condition == Condition::Resell { size(units) } else { 0 }))
            })
        }
        Body::DeliveryReceived(delivery) => lines(delivery.lines.iter(), |_, l| Ok(comes(&l.moved, l.units))),
        Body::TransferShipped(transfer) => lines(transfer.lines.iter(), |_, l| Ok(leaves(&l.moved, l.units))),
        Body::TransferReceived(transfer) => lines(transfer.lines.iter(), |_, l| Ok(comes(&l.moved, l.units))),
        Body::StockAdjusted(one) if one.units < 0 => single(leaves(&one.moved, one.units.unsigned_abs())),
        Body::StockAdjusted(one) => single(comes(&one.moved, one.units.unsigned_abs())),
        Body::StockCounted(count) => single(count.moved.m == 0 && count.moved.o == 0),
        Body::ReservationOpened(one) => single(one.moved == Moved { m: 0, c: one.units, o: 0 }),
        Body::ReservationCancelled(one) => single(comes(&one.moved, one.units)),
        Body::ReservationExpired(one) => single(comes(&one.moved, one.units)),
        _ => Ok(()),
    }
}

fn lines<T>(
    lines: impl Iterator<Item = T>,
    right: impl Fn(usize, T) -> Result<bool, BadEffects>,
) -> Result<(), BadEffects> {
    for (line, one) in lines.enumerate() {
        if !right(line, one)? {
            return Err(BadEffects::LineMismatch { line });
        }
    }
    Ok(())
}

fn single(right: bool) -> Result<(), BadEffects> {
    if right { Ok(()) } else { Err(BadEffects::LineMismatch { line: 0 }) }
}

fn leaves(moved: &Moved, units: u64) -> bool {
    moved.m == 0 && moved.c.checked_add(moved.o) == Some(units)
}

fn comes(moved: &Moved, units: u64) -> bool {
    moved.m <= units && moved.c == 0 && moved.o == 0
}

fn size(units: Units) -> u64 {
    units.0.unsigned_abs()
}

/// Base units that a line moves: none for services and liabilities.
fn goods(kind: &LineKind, unit: &Unit, quantity: Quantity, line: usize) -> Result<Units, BadEffects> {
    match kind {
        LineKind::Goods => {
            let units = unit.to_base(quantity).ok().filter(|units| units.0 > 0);
            units.ok_or(BadEffects::LineMismatch { line })
        }
        LineKind::Service | LineKind::Liability { .. } => Ok(Units(0)),
    }
}

fn signed(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}

impl Effects {
    /// Whether nothing but a fact is left behind.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.ledger.is_empty() && self.custody.is_empty()
    }

    fn cell(&mut self, sku: &Sku, cell: Cell, units: u64) {
        if units > 0 {
            self.cells.push(CellEffect { sku: sku.clone(), cell, units });
        }
    }

    fn moved(&mut self, sku: &Sku, moved: &Moved) {
        self.cell(sku, Cell::Minted, moved.m);
        self.cell(sku, Cell::Used, moved.c);
        self.cell(sku, Cell::Overdrawn, moved.o);
    }

    fn ledger(&mut self, sku: &Sku, units: i64, kind: MovementKind) {
        self.ledger.push(LedgerEffect { sku: sku.clone(), units, kind });
    }

    /// Quota of a pool is rights in the pool's minor units; giving back draws nothing (`facts.md` §4).
    fn drawn(&mut self, draw: &PoolDraw) {
        self.cell(&Sku(draw.pool.clone()), Cell::Used, u64::try_from(draw.used.0).unwrap_or(0));
    }

    fn begin(&mut self, object: CustodyObject, owner: Incarnation) {
        self.step(object, owner, CustodyMark { epoch: 0, n: 0 }, false);
    }

    fn end_of(&mut self, object: CustodyObject, owner: Incarnation, mark: CustodyMark) {
        self.step(object, owner, mark, true);
    }

    fn step(&mut self, object: CustodyObject, owner: Incarnation, mark: CustodyMark, terminal: bool) {
        self.custody.push(CustodyEffect { object, epoch: mark.epoch, n: mark.n, owner, terminal });
    }
}
